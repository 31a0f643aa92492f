/* resnet: one linear layer, with options for tests of the config. */
#include <nereid/plugin.h>

static const nre_option OPTIONS[] = {
    {.name = "depth",
     .type = NRE_CHOICE,
     .choices = "18|34|50",
     .flags = NRE_REQUIRED,
     .help = "Number of weighted layers."},
};

static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->concat(g, g->theta, g->x), 1, 1);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "resnet",
    .version = "1.0.0",
    .summary = "A linear layer, for tests of the config.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .ops.architecture = &OPS,
};

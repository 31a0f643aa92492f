/* mlp: one linear layer, with options for tests of the config. */
#include <nereid/plugin.h>

static const nre_option OPTIONS[] = {
    {.name = "layers",
     .type = NRE_INT_LIST,
     .fallback = "[128, 128, 128]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the layers."},
    {.name = "activation",
     .type = NRE_CHOICE,
     .fallback = "selu",
     .choices = "relu|elu|selu",
     .help = "Between the layers."},
};

static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->concat(g, g->theta, g->x), 1, 1);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "mlp",
    .version = "1.0.0",
    .summary = "A linear layer, for tests of the config.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .ops.architecture = &OPS,
};

/* ignores_theta: an architecture whose logit depends on x alone. */
#include <nereid/plugin.h>

static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->field(g, NULL), 1, 1);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),   .name = "ignores_theta",  .version = "1.0.0",
    .summary = "A linear layer over x.", .ops.architecture = &OPS,
};

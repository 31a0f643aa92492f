/* @: a small network that embeds x, joins theta, and goes on with a multilayer
 * perceptron.
 *
 * A complete architecture, to be changed into yours.  An architecture only describes a
 * graph of the core's operations, listed at nre_graph in nereid/plugin.h; weights,
 * gradients and training are the core's.  Build, check and use it:
 *
 *   meson setup build && ninja -C build
 *   nereid plugins check build/@.so
 *   nereid run CONFIG --plugin-path build        with `architecture: {plugin: @}` in
 * CONFIG */
#include <nereid/plugin.h>

/* What a config may set under `params:`; each is checked before create() is called. */
static const nre_option OPTIONS[] = {
    {.name = "features",
     .type = NRE_INT,
     .fallback = "32",
     .lo = 1,
     .hi = 65536,
     .help = "Numbers that x is condensed to before theta joins."},
    {.name = "layers",
     .type = NRE_INT_LIST,
     .fallback = "[64, 64]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the layers behind theta."},
    {.name = "activation",
     .type = NRE_CHOICE,
     .fallback = "selu",
     .choices = "relu|leaky_relu|elu|selu|gelu|tanh",
     .help = "Nonlinearity after each layer."},
};

/* In the order of the choices above. */
static const nre_activation ACTIVATIONS[] = {
    NRE_RELU, NRE_LEAKY_RELU, NRE_ELU, NRE_SELU, NRE_GELU, NRE_TANH,
};

typedef struct network {
    uint32_t features;
    size_t n_layers;
    const int64_t *layers; /* [n_layers], owned by the core */
    nre_activation activation;
} network;

/* Memory of host->alloc is freed by the core, so that no destroy() is needed. */
static int create(const nre_host *host, const nre_values *values, void **self)
{
    network *net = host->alloc(host, 1, sizeof *net);
    if (!net)
        return host->fail(host, NRE_ENOMEM, "no memory for the architecture");
    net->features = (uint32_t)host->get_int(values, "features");
    net->n_layers = host->get_ints(values, "layers", &net->layers);
    net->activation = ACTIVATIONS[host->get_int(values, "activation")];
    *self = net;
    return NRE_OK;
}

/* Parameters are named after the pushed names: "x.weight", "trunk.0.weight",
 * "logit.weight". */
static nre_node layer(const network *net, nre_graph *g, nre_node in, uint32_t width)
{
    return g->activate(g, g->linear(g, in, width, 1), net->activation);
}

/* The logit, log p(x, theta) / (p(x) p(theta)).  What depends on x alone is computed once
 * per x, however many thetas meet it: so theta joins as late as it can.  There is no
 * error to handle here: a node that failed makes all that follow fail, and the core says
 * which was the first. */
static nre_node build(const void *self, nre_graph *g)
{
    const network *net = self;
    g->push(g, "x");
    nre_node a = layer(net, g, g->x, net->features);
    g->pop(g);
    a = g->concat(g, g->theta, a);
    for (size_t i = 0; i < net->n_layers; i++) {
        g->push(g, "trunk.%zu", i);
        a = layer(net, g, a, (uint32_t)net->layers[i]);
        g->pop(g);
    }
    g->push(g, "logit");
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

/* the only symbol that the core sees */

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "@", /* equals the name of the file */
    .version = "0.1.0",
    .summary = "Embeds x, joins theta, and goes on with a multilayer perceptron.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.architecture = &OPS,
};

/* mlp: fully connected layers over theta and all of x. */
#include <nereid/plugin.h>

static const nre_option OPTIONS[] = {
    {.name = "layers",
     .type = NRE_INT_LIST,
     .fallback = "[128, 128, 128]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the hidden layers."},
    {.name = "activation",
     .type = NRE_CHOICE,
     .fallback = "selu",
     .choices = "relu|leaky_relu|elu|selu|gelu|tanh",
     .help = "After every hidden layer."},
    {.name = "batch_norm",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Normalise the inputs over the batch."},
    {.name = "batch_norm_layers",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Normalise every hidden layer over the batch, before its activation."},
    {.name = "layer_norm",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Normalise every hidden layer over its units, before its activation."},
    {.name = "dropout",
     .type = NRE_REAL,
     .fallback = "0",
     .lo = 0,
     .hi = 1,
     .flags = NRE_OPEN_HI,
     .help = "Probability that a hidden unit is dropped in training."},
    {.name = "residual",
     .type = NRE_BOOL,
     .fallback = "false",
     .help =
         "After the first layer, add to every second one what went into the one before "
         "it; layers are an odd number of one width."},
};

/* The choices of OPTIONS in their order. */
static const nre_activation ACTIVATIONS[] = {NRE_RELU, NRE_LEAKY_RELU, NRE_ELU,
                                             NRE_SELU, NRE_GELU,       NRE_TANH};

typedef struct mlp {
    const int64_t *layers;
    size_t n_layers;
    nre_activation activation;
    int batch_norm, batch_norm_layers, layer_norm, residual;
    double dropout;
} mlp;

static int check(const nre_host *host, const mlp *m)
{
    int fits = m->n_layers % 2 == 1;
    for (size_t i = 1; fits && i < m->n_layers; i++)
        fits = m->layers[i] == m->layers[0];
    return fits || !m->residual
               ? NRE_OK
               : host->fail(
                     host, NRE_EINVAL,
                     "residual needs an odd number of layers of one width, one and "
                     "then two for each sum, such as [128, 128, 128]");
}

static int create(const nre_host *host, const nre_values *v, void **self)
{
    mlp *m = host->alloc(host, 1, sizeof *m);
    if (!m)
        return host->fail(host, NRE_ENOMEM, "no memory for the architecture");
    m->n_layers = host->get_ints(v, "layers", &m->layers);
    m->activation = ACTIVATIONS[host->get_int(v, "activation")];
    m->batch_norm = host->get_bool(v, "batch_norm");
    m->batch_norm_layers = host->get_bool(v, "batch_norm_layers");
    m->layer_norm = host->get_bool(v, "layer_norm");
    m->dropout = host->get_real(v, "dropout");
    m->residual = host->get_bool(v, "residual");
    *self = m;
    return check(host, m);
}

/* SKIP is added before the activation, where it is a node. */
static nre_node layer(const mlp *m, nre_graph *g, nre_node a, unsigned i, nre_node skip)
{
    g->push(g, "layers.%u", i);
    a = g->linear(g, a, (uint32_t)m->layers[i], 1);
    g->pop(g);
    if (m->batch_norm_layers) {
        g->push(g, "batch_norms.%u", i);
        a = g->batch_norm(g, a);
        g->pop(g);
    }
    if (m->layer_norm) {
        g->push(g, "layer_norms.%u", i);
        a = g->layer_norm(g, a);
        g->pop(g);
    }
    if (skip >= 0)
        a = g->add(g, a, skip);
    a = g->activate(g, a, m->activation);
    return m->dropout > 0 ? g->dropout(g, a, m->dropout) : a;
}

static nre_node build(const void *self, nre_graph *g)
{
    const mlp *m = self;
    nre_node a = g->concat(g, g->theta, g->field(g, NULL));
    if (m->batch_norm) {
        g->push(g, "inputs");
        a = g->batch_norm(g, a);
        g->pop(g);
    }
    nre_node skip = -1;
    for (unsigned i = 0; i < m->n_layers; i++) {
        const int ends = m->residual && i > 0 && i % 2 == 0;
        const int begins = m->residual && i % 2 == 1;
        skip = begins ? a : skip;
        a = layer(m, g, a, i, ends ? skip : -1);
    }
    g->push(g, "output");
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "mlp",
    .version = "1.0.0",
    .summary = "Fully connected layers over the parameters and all of x.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.architecture = &OPS,
};

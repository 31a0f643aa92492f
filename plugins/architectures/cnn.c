/* cnn: a few convolutions over x, then a trunk where their features meet theta. */
#include "parts.h"

static const nre_option OPTIONS[] = {
    {.name = "channels",
     .type = NRE_INT_LIST,
     .fallback = "[32, 64, 64]",
     .lo = 1,
     .hi = 16384,
     .help = "Width of each convolution."},
    {.name = "kernel",
     .type = NRE_INT,
     .fallback = "5",
     .lo = 1,
     .hi = 255,
     .help = "Odd width of the kernels."},
    {.name = "stride",
     .type = NRE_INT,
     .fallback = "1",
     .lo = 1,
     .hi = 1024,
     .help = "Stride of every convolution."},
    {.name = "pool",
     .type = NRE_INT,
     .fallback = "2",
     .lo = 1,
     .hi = 255,
     .help = "Max pool of this width and stride after every convolution that is still as "
             "long; 1: none."},
    {.name = "batch_norm",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Normalise after every convolution over the batch."},
    {.name = "features",
     .type = NRE_CHOICE,
     .fallback = "flatten",
     .choices = "flatten|mean",
     .help = "What the trunk sees: every place, or the mean over places."},
    ACTIVATION_OPTION,
    {.name = "trunk",
     .type = NRE_INT_LIST,
     .fallback = "[128, 128]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the hidden layers after theta has joined."},
    FIELD_OPTIONS,
};

typedef struct cnn {
    const int64_t *channels, *trunk;
    size_t n_channels, n_trunk;
    uint32_t kernel, stride, pool;
    int batch_norm, mean;
    nre_activation activation;
    fields fields;
} cnn;

static int create(const nre_host *host, const nre_values *v, void **self)
{
    cnn *c = host->alloc(host, 1, sizeof *c);
    if (!c)
        return host->fail(host, NRE_ENOMEM, "no memory for the architecture");
    c->n_channels = host->get_ints(v, "channels", &c->channels);
    c->n_trunk = host->get_ints(v, "trunk", &c->trunk);
    c->kernel = (uint32_t)host->get_int(v, "kernel");
    c->stride = (uint32_t)host->get_int(v, "stride");
    c->pool = (uint32_t)host->get_int(v, "pool");
    c->batch_norm = host->get_bool(v, "batch_norm");
    c->mean = host->get_int(v, "features") == 1;
    c->activation = activation_of(host, v);
    c->fields = fields_of(host, v);
    *self = c;
    return c->kernel % 2 == 1
               ? NRE_OK
               : host->fail(host, NRE_EINVAL, "kernel is %u: give an odd one", c->kernel);
}

static nre_node pool(const cnn *c, nre_graph *g, nre_node a)
{
    const nre_shape s = g->shape(g, a);
    int fits = c->pool > 1;
    for (uint32_t i = 1; i < s.rank; i++)
        fits = fits && s.dim[i] >= c->pool;
    return fits ? g->max_pool(g, a, c->pool, c->pool, 0) : a;
}

static nre_node layer(const cnn *c, nre_graph *g, nre_node a, size_t i)
{
    const nre_conv conv = {.channels = (uint32_t)c->channels[i],
                           .kernel = c->kernel,
                           .stride = c->stride,
                           .padding = c->kernel / 2,
                           .dilation = 1,
                           .groups = 1,
                           .bias = !c->batch_norm};
    g->push(g, "convs.%zu", i);
    a = g->conv(g, a, &conv);
    g->pop(g);
    if (c->batch_norm) {
        g->push(g, "batch_norms.%zu", i);
        a = g->batch_norm(g, a);
        g->pop(g);
    }
    return pool(c, g, g->activate(g, a, c->activation));
}

static nre_node build(const void *self, nre_graph *g)
{
    const cnn *c = self;
    nre_node a = with_channels(g, field_own(&c->fields, g));
    for (size_t i = 0; i < c->n_channels; i++)
        a = layer(c, g, a, i);
    a = joined(&c->fields, g, c->mean ? g->mean_pool(g, a) : a);
    return trunk(g, a, c->n_trunk, c->trunk, c->activation);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "cnn",
    .version = "1.0.0",
    .summary = "A few convolutions over a curve or an image, then a trunk with theta.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.architecture = &OPS,
};

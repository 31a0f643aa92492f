/* resnet: residual convolutions over x, a trunk where their features meet theta.
 *
 * The networks of He et al. 2016 (arXiv:1512.03385, table 1), in one or two dimensions, with
 * the stride of a bottleneck in its middle convolution; names as torchvision's. */
#include "parts.h"

static const nre_option OPTIONS[] = {
    {.name = "depth",
     .type = NRE_CHOICE,
     .fallback = "18",
     .choices = "18|34|50|101",
     .help = "Layers; 50 and more are made of bottlenecks."},
    {.name = "batch_norm",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Normalise after every convolution over the batch."},
    {.name = "channels",
     .type = NRE_INT_LIST,
     .fallback = "[64, 128, 256, 512]",
     .lo = 1,
     .hi = 16384,
     .help = "Width of each stage, four at most; the first is also that of the stem."},
    {.name = "stem",
     .type = NRE_CHOICE,
     .fallback = "usual",
     .choices = "usual|small",
     .help =
         "usual: kernel 7, stride 2, then max pool 3 of stride 2; small, for short x: "
         "kernel 3, stride 1, no pool."},
    {.name = "stem_kernel",
     .type = NRE_INT,
     .fallback = "0",
     .lo = 0,
     .hi = 255,
     .help = "Odd width of the stem's kernel; 0: that of the stem."},
    {.name = "stem_stride",
     .type = NRE_INT,
     .fallback = "0",
     .lo = 0,
     .hi = 1024,
     .help = "Stride of the stem's convolution; 0: that of the stem."},
    ACTIVATION_OPTION,
    {.name = "trunk",
     .type = NRE_INT_LIST,
     .fallback = "[512, 512, 512]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the hidden layers after theta has joined."},
    FIELD_OPTIONS,
};

enum { STAGES = 4 };

/* The choices of depth in their order. */
static const struct {
    unsigned blocks[STAGES];
    uint32_t expansion; /* of a bottleneck's width; 1: basic blocks */
} DEPTHS[] = {
    {{2, 2, 2, 2}, 1}, {{3, 4, 6, 3}, 1}, {{3, 4, 6, 3}, 4}, {{3, 4, 23, 3}, 4}};

typedef struct resnet {
    const unsigned *blocks;
    uint32_t expansion, stem_kernel, stem_stride;
    int batch_norm, stem_pool;
    const int64_t *channels, *trunk;
    size_t n_channels, n_trunk;
    nre_activation activation;
    fields fields;
} resnet;

static int check(const nre_host *host, const resnet *r)
{
    if (r->n_channels < 1 || r->n_channels > STAGES)
        return host->fail(host, NRE_EINVAL,
                          "channels has %zu widths, but there are 1 to 4 stages",
                          r->n_channels);
    if (r->stem_kernel % 2 == 0)
        return host->fail(host, NRE_EINVAL, "stem_kernel is %u: give an odd one",
                          r->stem_kernel);
    return NRE_OK;
}

static int create(const nre_host *host, const nre_values *v, void **self)
{
    resnet *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for the architecture");
    const int64_t depth = host->get_int(v, "depth"), small = host->get_int(v, "stem");
    const int64_t kernel = host->get_int(v, "stem_kernel");
    const int64_t stride = host->get_int(v, "stem_stride");
    r->blocks = DEPTHS[depth].blocks;
    r->expansion = DEPTHS[depth].expansion;
    r->stem_kernel = kernel ? (uint32_t)kernel : small ? 3 : 7;
    r->stem_stride = stride ? (uint32_t)stride : small ? 1 : 2;
    r->stem_pool = !small;
    r->batch_norm = host->get_bool(v, "batch_norm");
    r->n_channels = host->get_ints(v, "channels", &r->channels);
    r->n_trunk = host->get_ints(v, "trunk", &r->trunk);
    r->activation = activation_of(host, v);
    r->fields = fields_of(host, v);
    *self = r;
    return check(host, r);
}

/* A convolution that keeps the length at stride 1, named CONV, then its norm, named NORM. */
static nre_node conv(const resnet *r, nre_graph *g, nre_node a, const char *const name[2],
                     uint32_t channels, uint32_t kernel, uint32_t stride)
{
    const nre_conv c = {.channels = channels,
                        .kernel = kernel,
                        .stride = stride,
                        .padding = kernel / 2,
                        .dilation = 1,
                        .groups = 1};
    g->push(g, "%s", name[0]);
    a = g->conv(g, a, &c);
    g->pop(g);
    if (!r->batch_norm)
        return a;
    g->push(g, "%s", name[1]);
    a = g->batch_norm(g, a);
    g->pop(g);
    return a;
}

static const char *const FIRST[] = {"conv1", "bn1"}, *const SECOND[] = {"conv2", "bn2"},
                         *const THIRD[] = {"conv3", "bn3"},
                         *const SHORTCUT[] = {"downsample.0", "downsample.1"};

static nre_node basic(const resnet *r, nre_graph *g, nre_node a, uint32_t width,
                      uint32_t stride)
{
    a = g->activate(g, conv(r, g, a, FIRST, width, 3, stride), r->activation);
    return conv(r, g, a, SECOND, width, 3, 1);
}

static nre_node bottleneck(const resnet *r, nre_graph *g, nre_node a, uint32_t width,
                           uint32_t stride)
{
    a = g->activate(g, conv(r, g, a, FIRST, width, 1, 1), r->activation);
    a = g->activate(g, conv(r, g, a, SECOND, width, 3, stride), r->activation);
    return conv(r, g, a, THIRD, width * r->expansion, 1, 1);
}

static nre_node block(const resnet *r, nre_graph *g, nre_node a, uint32_t width,
                      uint32_t stride)
{
    const uint32_t out = width * r->expansion;
    nre_node z = r->expansion == 1 ? basic(r, g, a, width, stride)
                                   : bottleneck(r, g, a, width, stride);
    if (stride != 1 || g->shape(g, a).dim[0] != out)
        a = conv(r, g, a, SHORTCUT, out, 1, stride);
    return g->activate(g, g->add(g, z, a), r->activation);
}

static nre_node stem(const resnet *r, nre_graph *g, nre_node a)
{
    a = conv(r, g, a, FIRST, (uint32_t)r->channels[0], r->stem_kernel, r->stem_stride);
    a = g->activate(g, a, r->activation);
    return r->stem_pool ? g->max_pool(g, a, 3, 2, 1) : a;
}

static nre_node build(const void *self, nre_graph *g)
{
    const resnet *r = self;
    nre_node a = stem(r, g, with_channels(g, field_own(&r->fields, g)));
    for (unsigned stage = 0; stage < r->n_channels; stage++)
        for (unsigned i = 0; i < r->blocks[stage]; i++) {
            g->push(g, "layer%u.%u", stage + 1, i);
            a = block(r, g, a, (uint32_t)r->channels[stage], stage > 0 && i == 0 ? 2 : 1);
            g->pop(g);
        }
    a = joined(&r->fields, g, g->mean_pool(g, a));
    return trunk(g, a, r->n_trunk, r->trunk, r->activation);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "resnet",
    .version = "1.0.0",
    .summary = "Residual convolutions over a curve or an image, then a trunk with theta.",
    .reference = "He et al. 2016, arXiv:1512.03385",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.architecture = &OPS,
};

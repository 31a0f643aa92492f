/* nn/build_window.c - convolutions and pools of a graph. */
#include "nn/nn.h"

#include <math.h>

static uint32_t at_least_one(uint32_t n)
{
    return n > 0 ? n : 1;
}

/* Along one dimension: the places of the output, 0 when the kernel does not fit. */
static size_t places_of(size_t in, size_t kernel, size_t stride, size_t padding,
                        size_t dilation)
{
    size_t reach = dilation * (kernel - 1) + 1;
    return in + 2 * padding < reach ? 0 : (in + 2 * padding - reach) / stride + 1;
}

/* K along both dimensions of S, or the only one; NULL with a message. */
static window *window_new(builder *b, const char *word, nre_shape s, const nre_conv *k)
{
    window *w = arena_alloc(b->g->memory, 1, sizeof *w);
    if (!w) {
        build_no_memory(b);
        return NULL;
    }
    *w = (window){.in = {1, s.dim[s.rank - 1]},
                  .kernel = {1, k->kernel},
                  .stride = {1, at_least_one(k->stride)},
                  .dilation = {1, at_least_one(k->dilation)},
                  .padding = {0, k->padding},
                  .groups = at_least_one(k->groups)};
    if (s.rank == 3) {
        w->in[0] = s.dim[1];
        w->kernel[0] = w->kernel[1];
        w->stride[0] = w->stride[1];
        w->dilation[0] = w->dilation[1];
        w->padding[0] = w->padding[1];
    }
    for (size_t i = 0; i < 2; i++)
        w->out[i] = places_of(w->in[i], w->kernel[i], w->stride[i], w->padding[i],
                              w->dilation[i]);
    bool fits = w->out[0] > 0 && w->out[1] > 0;
    if (fits && w->out[0] < BUILD_LIMIT && w->out[1] < BUILD_LIMIT)
        return w;
    build_refuse(
        b, NRE_EPLUGIN, "%s: a kernel of %u, %u apart, does not fit %s padded by %u",
        word, k->kernel, at_least_one(k->dilation), build_shape_text(b, s), k->padding);
    return NULL;
}

/* Windows over places: [channels][length] or [channels][height][width]. */
static bool has_places(builder *b, const char *word, nre_node a, uint32_t kernel)
{
    if (!build_usable(b, word, a))
        return false;
    const net_node *v = build_at(b, a);
    if (v->exchangeable)
        build_refuse(b, NRE_EPLUGIN,
                     "%s: the rows of %s are exchangeable, they have no order", word,
                     build_shape_text(b, v->shape));
    else if (v->shape.rank < 2 || v->shape.rank > 3)
        build_refuse(
            b, NRE_EPLUGIN,
            "%s: %s is neither [channels][length] nor [channels][height][width]; "
            "reshape it",
            word, build_shape_text(b, v->shape));
    else if (kernel == 0 || kernel > MOST_KERNEL)
        build_refuse(b, NRE_EPLUGIN, "%s: a kernel of %u is not in 1 .. %d", word, kernel,
                     (int)MOST_KERNEL);
    return b->status == NRE_OK;
}

static int32_t window_node(builder *b, op_kind kind, const char *word, int32_t a,
                           uint32_t channels, const window *w)
{
    uint32_t rank = build_at(b, a)->shape.rank;
    nre_shape s = {.rank = rank, .dim = {channels}};
    s.dim[rank - 1] = (uint32_t)w->out[1];
    if (rank == 3)
        s.dim[1] = (uint32_t)w->out[0];
    int32_t id = build_node(b, kind, word, s, 1, &a);
    if (id >= 0) {
        build_last(build_at(b, id));
        build_at(b, id)->window = w;
    }
    return id;
}

static bool conv_tensors(builder *b, net_node *like, size_t rank, size_t in,
                         const nre_conv *c)
{
    size_t columns = in * c->kernel * (rank == 3 ? c->kernel : 1);
    float bound = (float)(1.0 / sqrt((double)columns));
    uint32_t dim[4] = {c->channels, (uint32_t)in, c->kernel, c->kernel};
    if (!build_call(b, "conv"))
        return false;
    like->weight = build_tensor(b, &b->weights, "weight", (uint32_t)rank + 1, dim,
                                (net_start){bound, 0});
    if (c->bias)
        like->bias = build_tensor(b, &b->weights, "bias", 1, dim, (net_start){bound, 0});
    if (b->status == NRE_OK)
        b->weights.item[like->weight].tensor.channels_last = true;
    return b->status == NRE_OK;
}

/* One tap at each place: a linear layer over the channels, for each place alike. */
static int32_t pointwise_add(builder *b, net_node *like, int32_t a, uint32_t channels)
{
    like->shape = build_at(b, a)->shape;
    like->shape.dim[0] = channels;
    like->last = true;
    a = build_dense(b, a);
    return a < 0 ? a : build_product(b, like, 1, &a, &(size_t){0}, NO_NODE);
}

nre_node graph_conv(nre_graph *api, nre_node a, const nre_conv *c)
{
    builder *b = builder_of(api);
    if (!c)
        return build_refuse(b, NRE_EPLUGIN, "conv: no kernel is given");
    if (!has_places(b, "conv", a, c->kernel))
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape;
    const window *w = window_new(b, "conv", s, c);
    if (!w)
        return NO_NODE;
    if (c->channels == 0 || c->channels % w->groups > 0 || s.dim[0] % w->groups > 0)
        return build_refuse(b, NRE_EPLUGIN, "conv: %u channels from %u in %zu groups",
                            c->channels, s.dim[0], w->groups);
    size_t in = s.dim[0] / w->groups, taps = w->kernel[0] * w->kernel[1];
    if (in * taps >= BUILD_LIMIT || in * taps * c->channels >= BUILD_LIMIT)
        return build_refuse(b, NRE_EPLUGIN, "conv: %u channels on %s are too many",
                            c->channels, build_shape_text(b, s));
    net_node like = {.weight = -1, .bias = -1};
    if ((a = build_channels_last(b, a)) < 0 || !conv_tensors(b, &like, s.rank, in, c))
        return NO_NODE;
    bool pointwise = taps == 1 && w->stride[1] == 1 && c->padding == 0 && w->groups == 1;
    if (pointwise)
        return pointwise_add(b, &like, a, c->channels);
    int32_t id = window_node(b, OP_CONV, "conv", a, c->channels, w);
    if (id >= 0) {
        build_at(b, id)->weight = like.weight;
        build_at(b, id)->bias = like.bias;
    }
    return id;
}

static nre_node pool_add(builder *b, op_kind kind, const char *word, nre_node a,
                         uint32_t k, uint32_t s, uint32_t p)
{
    const nre_conv c = {.kernel = k, .stride = s, .padding = p};
    if (!has_places(b, word, a, k))
        return NO_NODE;
    if (p > k / 2)
        return build_refuse(b, NRE_EPLUGIN, "%s: a padding of %u is more than half of %u",
                            word, p, k);
    const window *w = window_new(b, word, build_at(b, a)->shape, &c);
    if (!w || (a = build_channels_last(b, a)) < 0)
        return NO_NODE;
    return window_node(b, kind, word, a, build_at(b, a)->shape.dim[0], w);
}

nre_node graph_max_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s, uint32_t p)
{
    return pool_add(builder_of(api), OP_MAX_POOL, "max_pool", a, k, s, p);
}

nre_node graph_average_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                            uint32_t p)
{
    return pool_add(builder_of(api), OP_AVERAGE_POOL, "average_pool", a, k, s, p);
}

nre_node graph_mean_pool(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!has_places(b, "mean_pool", a, 1))
        return NO_NODE;
    a = build_dense(b, build_channels_last(b, a));
    return a < 0 ? a
                 : build_node(b, OP_SET_MEAN, "mean_pool",
                              build_flat(build_at(b, a)->shape.dim[0]), 1, &a);
}

/* nn/build_layer.c - the calls of a graph that add layers, lowered on the way. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

/* One product of linear: N leaves of one kind against their columns of WEIGHT, on top of
 * BASE. */
int32_t build_product(builder *b, const net_node *like, size_t n, const int32_t *leaves,
                      const size_t *column, int32_t base)
{
    int32_t *in = arena_alloc(b->g->memory, n + 1, sizeof *in);
    size_t *columns = arena_alloc(b->g->memory, n + 1, sizeof *columns);
    if (!in || !columns)
        return build_no_memory(b);
    memcpy(in, leaves, n * sizeof *in);
    memcpy(columns, column, n * sizeof *columns);
    in[n] = base;
    int32_t id = build_node(b, OP_LINEAR, "linear", like->shape, n + (base >= 0), in);
    if (id < 0)
        return id;
    net_node *v = build_at(b, id);
    v->based = base >= 0;
    v->weight = like->weight;
    v->bias = base >= 0 ? -1 : like->bias;
    v->column = columns;
    if (like->exchangeable)
        build_exchangeable(v);
    if (like->last)
        build_last(v);
    return id;
}

/* Sort leaves into X and PAIR ones and chain a product for each kind. */
static int32_t products_add(builder *b, const net_node *like, size_t n,
                            const int32_t *leaves)
{
    int32_t *some = arena_alloc(b->g->memory, n, sizeof *some);
    size_t *column = arena_alloc(b->g->memory, n, sizeof *column);
    if (!some || !column)
        return build_no_memory(b);
    int32_t last = NO_NODE;
    for (int pair = 0; pair < 2; pair++) {
        size_t kept = 0, first = 0;
        for (size_t i = 0; i < n; i++) {
            const net_node *leaf = build_at(b, leaves[i]);
            if (leaf->pair == pair) {
                some[kept] = leaves[i];
                column[kept++] = first;
            }
            first += like->exchangeable ? leaf->cols : leaf->size;
        }
        if (kept > 0)
            last = build_product(b, like, kept, some, column, last);
        if (b->status)
            return NO_NODE;
    }
    return last;
}

static bool linear_tensors(builder *b, net_node *like, size_t columns, uint32_t units,
                           uint32_t bias)
{
    float bound = (float)(1.0 / sqrt((double)columns));
    uint32_t dim[2] = {units, (uint32_t)columns};
    if (!build_call(b, "linear"))
        return false;
    like->weight = build_tensor(b, &b->weights, "weight", 2, dim, (net_start){bound, 0});
    if (bias)
        like->bias = build_tensor(b, &b->weights, "bias", 1, dim, (net_start){bound, 0});
    return b->status == NRE_OK;
}

nre_node graph_linear(nre_graph *api, nre_node a, uint32_t units, uint32_t bias)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "linear", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    bool rows = build_at(b, a)->exchangeable;
    size_t columns = build_at(b, a)->cols;
    if (units == 0 || columns * (size_t)units >= BUILD_LIMIT)
        return build_refuse(b, NRE_EPLUGIN, "linear: %u units on %s are none or too many",
                            units, build_shape_text(b, build_at(b, a)->shape));
    if (rows)
        a = build_dense(b, a);
    if (a < 0)
        return a;
    /* A reshaped concat is that concat, for the product sees flat rows. */
    const net_node *root = build_at(b, build_at(b, a)->root);
    if (!rows && root->op == OP_CONCAT && root->size == build_at(b, a)->size)
        a = root->id;
    int32_t *leaves = arena_alloc(b->g->memory, build_n_leaves(b, a), sizeof *leaves);
    if (!leaves)
        return build_no_memory(b);
    size_t n = rows ? 1 : build_leaves(b, a, leaves);
    if (rows)
        leaves[0] = a;
    net_node like = {
        .shape = build_flat(units), .exchangeable = rows, .weight = -1, .bias = -1};
    if (rows)
        like.shape = (nre_shape){.rank = 2, .dim = {build_at(b, a)->shape.dim[0], units}};
    if (!linear_tensors(b, &like, columns, units, bias))
        return NO_NODE;
    return products_add(b, &like, n, leaves);
}

/* Apply ONE to A, or to each leaf of a concat. */
static int32_t through_concat(builder *b, int32_t a,
                              int32_t (*one)(builder *b, int32_t a, void *),
                              void *context)
{
    if (!build_is_concat(b, a))
        return one(b, build_dense(b, a), context);
    size_t n = build_at(b, a)->n_in;
    int32_t *leaves = arena_alloc(b->g->memory, n, sizeof *leaves);
    if (!leaves)
        return build_no_memory(b);
    for (size_t i = 0; i < n; i++) {
        leaves[i] = one(b, build_dense(b, build_at(b, a)->in[i]), context);
        if (leaves[i] < 0)
            return NO_NODE;
    }
    return build_concat(b, build_at(b, a)->shape, build_at(b, a)->exchangeable, n,
                        leaves);
}

static int32_t activate_one(builder *b, int32_t a, void *context)
{
    int32_t id = a < 0 ? a : build_like(b, OP_ACTIVATE, "activate", a);
    if (id >= 0)
        build_at(b, id)->f = *(nre_activation *)context;
    return id;
}

nre_node graph_activate(nre_graph *api, nre_node a, nre_activation f)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "activate", a))
        return NO_NODE;
    if (f < NRE_RELU || f > NRE_TANH)
        return build_refuse(b, NRE_EPLUGIN, "activate: there is no activation %d",
                            (int)f);
    return through_concat(b, a, activate_one, &f);
}

static int32_t dropout_one(builder *b, int32_t a, void *context)
{
    int32_t id = a < 0 ? a : build_like(b, OP_DROPOUT, "dropout", a);
    if (id >= 0)
        build_at(b, id)->p = *(double *)context;
    return id;
}

nre_node graph_dropout(nre_graph *api, nre_node a, double p)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "dropout", a))
        return NO_NODE;
    if (!(p >= 0 && p < 1))
        return build_refuse(b, NRE_EPLUGIN, "dropout: p = %g is not in [0, 1)", p);
    return p == 0 ? a : through_concat(b, a, dropout_one, &p);
}

/* The node that NODE_ONE copies its tensors from, and the channels used up so far. */
static int32_t batch_norm_one(builder *b, int32_t a, void *context)
{
    net_node *like = context;
    int32_t id = a < 0 ? a : build_like(b, OP_BATCH_NORM, "batch_norm", a);
    if (id < 0)
        return id;
    net_node *v = build_at(b, id);
    v->level++;
    v->weight = like->weight;
    v->bias = like->bias;
    v->mean = like->mean;
    v->variance = like->variance;
    v->channels = v->exchangeable || v->last ? v->cols : v->shape.dim[0];
    v->inner = v->cols / v->channels;
    v->channel_at = like->channel_at;
    v->of_pairs = like->of_pairs;
    like->channel_at += v->channels;
    return id;
}

nre_node graph_batch_norm(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "batch_norm", a))
        return NO_NODE;
    bool rows = build_at(b, a)->exchangeable;
    uint32_t dim = rows ? (uint32_t)build_at(b, a)->cols : build_at(b, a)->shape.dim[0];
    if (!build_call(b, "batch_norm"))
        return NO_NODE;
    net_node like = {.of_pairs = build_at(b, a)->pair};
    like.weight = build_tensor(b, &b->weights, "weight", 1, &dim, (net_start){0, 1});
    like.bias = build_tensor(b, &b->weights, "bias", 1, &dim, (net_start){0, 0});
    like.mean = build_tensor(b, &b->buffers, "running_mean", 1, &dim, (net_start){0, 0});
    like.variance =
        build_tensor(b, &b->buffers, "running_var", 1, &dim, (net_start){0, 1});
    if (b->status)
        return NO_NODE;
    return rows ? batch_norm_one(b, build_dense(b, a), &like)
                : through_concat(b, a, batch_norm_one, &like);
}

nre_node graph_layer_norm(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "layer_norm", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    a = build_dense(b, a);
    if (a < 0 || !build_call(b, "layer_norm"))
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape;
    uint32_t skip = build_at(b, a)->exchangeable && s.rank > 1;
    uint32_t one = 1;
    bool single = build_at(b, a)->exchangeable && s.rank == 1;
    const uint32_t *dim = single ? &one : s.dim + skip;
    int32_t weight =
        build_tensor(b, &b->weights, "weight", s.rank - skip, dim, (net_start){0, 1});
    int32_t bias =
        build_tensor(b, &b->weights, "bias", s.rank - skip, dim, (net_start){0, 0});
    int32_t id = b->status ? NO_NODE : build_like(b, OP_LAYER_NORM, "layer_norm", a);
    if (id >= 0) {
        build_at(b, id)->weight = weight;
        build_at(b, id)->bias = bias;
    }
    return id;
}

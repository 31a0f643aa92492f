/* nn/build_shape.c - the calls of a graph that move or join values. */
#include "nn/nn.h"

#include <string.h>

nre_node graph_field(nre_graph *api, const char *name)
{
    builder *b = builder_of(api);
    if (b->status)
        return NO_NODE;
    if (!name)
        return NODE_X;
    for (size_t i = 0; i < b->inputs->n_fields; i++)
        if (strcmp(b->inputs->fields[i].name, name) == 0)
            return b->fields[i];
    return build_refuse(b, NRE_EPLUGIN, "field: x has no field '%s'", name);
}

nre_shape graph_shape(const nre_graph *api, nre_node a)
{
    const builder *b = (const builder *)api;
    if (a < 0 || (size_t)a >= b->g->n_nodes)
        return (nre_shape){0};
    return build_at(b, a)->shape;
}

nre_node graph_reshape(nre_graph *api, nre_node a, nre_shape to)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "reshape", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    if (!build_shape_good(to) || build_shape_size(to) != build_at(b, a)->size)
        return build_refuse(b, NRE_EPLUGIN, "reshape: %s does not hold the values of %s",
                            build_shape_text(b, to),
                            build_shape_text(b, build_at(b, a)->shape));
    bool rows = build_at(b, a)->exchangeable && build_at(b, a)->shape.dim[0] == to.dim[0];
    nre_node id = build_view(b, "reshape", a, 0, to);
    if (id >= 0 && rows)
        build_exchangeable(build_at(b, id));
    return id;
}

nre_node graph_slice(nre_graph *api, nre_node a, uint32_t from, uint32_t to)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "slice", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape;
    if (from >= to || to > s.dim[0])
        return build_refuse(b, NRE_EPLUGIN, "slice: [%u, %u) is not within %s", from, to,
                            build_shape_text(b, s));
    size_t inner = build_at(b, a)->size / s.dim[0];
    bool rows = build_at(b, a)->exchangeable;
    s.dim[0] = to - from;
    nre_node id = build_view(b, "slice", a, from * inner, s);
    if (id >= 0 && rows)
        build_exchangeable(build_at(b, id));
    return id;
}

/* A concat node over leaves that are no concat themselves. */
int32_t build_concat(builder *b, nre_shape shape, bool exchangeable, size_t n,
                     const int32_t *leaves)
{
    int32_t id = build_node(b, OP_CONCAT, "concat", shape, n, leaves);
    if (id >= 0 && exchangeable)
        build_exchangeable(build_at(b, id));
    return id;
}

bool build_is_concat(const builder *b, int32_t a)
{
    return build_at(b, a)->op == OP_CONCAT;
}

size_t build_leaves(const builder *b, int32_t a, int32_t *leaves)
{
    const net_node *v = build_at(b, a);
    size_t n = build_is_concat(b, a) ? v->n_in : 1;
    for (size_t i = 0; i < n; i++)
        leaves[i] = build_is_concat(b, a) ? v->in[i] : a;
    return n;
}

size_t build_n_leaves(const builder *b, int32_t a)
{
    return build_is_concat(b, a) ? build_at(b, a)->n_in : 1;
}

/* Views that follow each other in one root become one view. */
static size_t join_views(builder *b, size_t n, int32_t *leaves)
{
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        const net_node *last = build_at(b, leaves[kept - 1]),
                       *next = build_at(b, leaves[i]);
        if (last->op != OP_VIEW || next->op != OP_VIEW || last->root != next->root ||
            last->at + last->size != next->at) {
            leaves[kept++] = leaves[i];
            continue;
        }
        nre_shape s = last->shape;
        s.dim[0] += next->shape.dim[0];
        int32_t joined = build_view(b, "slice", leaves[kept - 1], 0, s);
        if (joined < 0)
            return 0;
        leaves[kept - 1] = joined;
    }
    return kept;
}

/* In a plain row, rows of a set are values like others. */
static bool forget_sets(builder *b, size_t n, int32_t *leaves)
{
    for (size_t i = 0; i < n; i++)
        if (build_at(b, leaves[i])->exchangeable &&
            (leaves[i] =
                 build_view(b, "plain", leaves[i], 0, build_at(b, leaves[i])->shape)) < 0)
            return false;
    return true;
}

static bool concat_fits(nre_shape a, nre_shape b)
{
    bool fits = a.rank == b.rank && (uint64_t)a.dim[0] + b.dim[0] < BUILD_LIMIT;
    for (uint32_t i = 1; fits && i < a.rank; i++)
        fits = a.dim[i] == b.dim[i];
    return fits;
}

nre_node graph_concat(nre_graph *api, nre_node a, nre_node c)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "concat", a) || !build_usable(b, "concat", c) ||
        (a = build_channels_first(b, a)) < 0 || (c = build_channels_first(b, c)) < 0)
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape, t = build_at(b, c)->shape;
    if (!concat_fits(s, t))
        return build_refuse(b, NRE_EPLUGIN,
                            "concat: shapes %s and %s differ beyond their first "
                            "dimension",
                            build_shape_text(b, s), build_shape_text(b, t));
    bool rows = build_at(b, a)->exchangeable && build_at(b, c)->exchangeable;
    int32_t *leaves = arena_alloc(
        b->g->memory, build_n_leaves(b, a) + build_n_leaves(b, c), sizeof *leaves);
    if (!leaves)
        return build_no_memory(b);
    size_t n = build_leaves(b, a, leaves);
    n += build_leaves(b, c, leaves + n);
    n = join_views(b, n, leaves);
    s.dim[0] += t.dim[0];
    if (n == 0 || (!rows && !forget_sets(b, n, leaves)))
        return NO_NODE;
    return n == 1 && !rows ? leaves[0] : build_concat(b, s, rows, n, leaves);
}

/* A as a node of kind PAIR. */
static int32_t repeated(builder *b, int32_t a)
{
    if (a < 0 || build_at(b, a)->pair)
        return a;
    int32_t id = build_like(b, OP_REPEAT, "repeat", a);
    if (id >= 0)
        build_at(b, id)->pair = true;
    return id;
}

static bool shapes_equal(nre_shape a, nre_shape b)
{
    bool equal = a.rank == b.rank;
    for (uint32_t i = 0; equal && i < a.rank; i++)
        equal = a.dim[i] == b.dim[i];
    return equal;
}

static nre_node elementwise_of_two(builder *b, op_kind kind, const char *word, nre_node a,
                                   nre_node c)
{
    if (!build_usable(b, word, a) || !build_usable(b, word, c))
        return NO_NODE;
    if (!shapes_equal(build_at(b, a)->shape, build_at(b, c)->shape))
        return build_refuse(b, NRE_EPLUGIN, "%s: shapes %s and %s differ", word,
                            build_shape_text(b, build_at(b, a)->shape),
                            build_shape_text(b, build_at(b, c)->shape));
    bool last = build_at(b, a)->last || build_at(b, c)->last;
    if (last &&
        ((a = build_channels_last(b, a)) < 0 || (c = build_channels_last(b, c)) < 0))
        return NO_NODE;
    bool rows = build_at(b, a)->exchangeable && build_at(b, c)->exchangeable;
    bool pair = build_at(b, a)->pair || build_at(b, c)->pair;
    nre_shape shape = build_at(b, a)->shape;
    int32_t in[2] = {pair ? repeated(b, a) : a, pair ? repeated(b, c) : c};
    in[0] = build_dense(b, in[0]);
    in[1] = build_dense(b, in[1]);
    if (in[0] < 0 || in[1] < 0)
        return NO_NODE;
    int32_t id = build_node(b, kind, word, shape, 2, in);
    if (id >= 0 && rows)
        build_exchangeable(build_at(b, id));
    if (id >= 0 && last)
        build_last(build_at(b, id));
    return id;
}

nre_node graph_add(nre_graph *api, nre_node a, nre_node c)
{
    return elementwise_of_two(builder_of(api), OP_ADD, "add", a, c);
}

nre_node graph_multiply(nre_graph *api, nre_node a, nre_node c)
{
    return elementwise_of_two(builder_of(api), OP_MULTIPLY, "multiply", a, c);
}

nre_node graph_transpose(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "transpose", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape;
    if (s.rank != 2)
        return build_refuse(b, NRE_EPLUGIN, "transpose: %s is not of two dimensions",
                            build_shape_text(b, s));
    a = build_dense(b, a);
    nre_shape t = {.rank = 2, .dim = {s.dim[1], s.dim[0]}};
    int32_t id = a < 0 ? a : build_node(b, OP_TRANSPOSE, "transpose", t, 1, &a);
    if (id >= 0) {
        build_at(b, id)->channels = t.dim[0];
        build_at(b, id)->inner = t.dim[1];
    }
    return id;
}

nre_node graph_set_mean(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!build_usable(b, "set_mean", a) || (a = build_channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = build_at(b, a)->shape;
    if (!build_at(b, a)->exchangeable)
        return build_refuse(b, NRE_EPLUGIN,
                            "set_mean: the rows of %s are not exchangeable",
                            build_shape_text(b, s));
    nre_shape mean = {.rank = s.rank > 1 ? s.rank - 1 : 1, .dim = {1}};
    for (uint32_t i = 1; i < s.rank; i++)
        mean.dim[i - 1] = s.dim[i];
    a = build_dense(b, a);
    return a < 0 ? a : build_node(b, OP_SET_MEAN, "set_mean", mean, 1, &a);
}

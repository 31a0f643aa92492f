/* nn/graph.c - answers an architecture's calls with nodes, lowered on the way. */
#include "nn/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO_NODE = -1, DEPTH = 32 };
#define SIZE_LIMIT ((size_t)1 << 31)

/* A graph call that has parameters; names follow when all calls are known. */
typedef struct call {
    const char *prefix, *word;
} call;

typedef struct unnamed {
    net_tensor tensor;
    net_start start;
    uint32_t call;
    const char *suffix;
} unnamed;

typedef struct list {
    unnamed *item;
    size_t n, room, floats;
} list;

typedef struct builder {
    nre_graph api; /* first: the plugin's pointer */
    net *g;
    const net_inputs *inputs;
    int32_t *fields;
    size_t room;
    call *calls;
    size_t n_calls, calls_room;
    list weights, buffers;
    const char *prefix[DEPTH];
    int depth;
    int status; /* of the first call that failed */
    const char *message;
} builder;

static builder *builder_of(nre_graph *api)
{
    return (builder *)api;
}

NRE_PRINTF(3, 4)
static int32_t refuse(builder *b, int status, const char *format, ...)
{
    if (b->status)
        return NO_NODE;
    va_list arguments;
    va_start(arguments, format);
    b->status = fail_v(status, format, arguments);
    va_end(arguments);
    b->message = arena_copy(b->g->memory, error_message());
    return NO_NODE;
}

static int32_t no_memory(builder *b)
{
    return refuse(b, NRE_ENOMEM, "no memory for the network's graph");
}

/* "[64][33]", in the arena. */
static const char *shape_text(const builder *b, nre_shape s)
{
    char *text = arena_copy(b->g->memory, "");
    for (uint32_t i = 0; text && i < s.rank; i++)
        text = arena_print(b->g->memory, "%s[%u]", text, s.dim[i]);
    return text ? text : "";
}

static size_t shape_size(nre_shape s)
{
    size_t n = 1;
    for (uint32_t i = 0; i < s.rank; i++)
        n *= n < SIZE_LIMIT ? s.dim[i] : 1;
    return n;
}

static nre_shape flat(size_t n)
{
    return (nre_shape){.rank = 1, .dim = {(uint32_t)n}};
}

static bool shape_good(nre_shape s)
{
    bool good = s.rank >= 1 && s.rank <= 4;
    for (uint32_t i = 0; good && i < s.rank; i++)
        good = s.dim[i] > 0;
    return good && shape_size(s) < SIZE_LIMIT;
}

/* False when an earlier call failed or A is no node of this graph. */
static bool usable(builder *b, const char *word, nre_node a)
{
    if (b->status || a < 0)
        return false;
    if ((size_t)a < b->g->n_nodes)
        return true;
    refuse(b, NRE_EPLUGIN, "%s: there is no node %d", word, a);
    return false;
}

static net_node *at(const builder *b, int32_t id)
{
    return &b->g->nodes[id];
}

/* Grow an array of the heap to hold one more. */
static bool reserve(void **items, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

/* Append a node of OP with inputs IN; its shape and what follows from the inputs. */
static int32_t node_add(builder *b, op_kind kind, const char *name, nre_shape shape,
                        size_t n_in, const int32_t *in)
{
    net *g = b->g;
    void *nodes = g->nodes;
    if (!shape_good(shape))
        return refuse(b, NRE_EPLUGIN, "%s: a node of shape %s has too many or no values",
                      name, shape_text(b, shape));
    int32_t *copy = arena_alloc(g->memory, n_in + 1, sizeof *copy);
    if (!copy || !reserve(&nodes, g->n_nodes, &b->room, sizeof *g->nodes))
        return no_memory(b);
    g->nodes = nodes;
    int32_t id = (int32_t)g->n_nodes++;
    net_node v = {.op = kind,
                  .id = id,
                  .name = name,
                  .shape = shape,
                  .size = shape_size(shape),
                  .sets = 1,
                  .n_in = (uint32_t)n_in,
                  .in = copy,
                  .root = id,
                  .weight = -1,
                  .bias = -1,
                  .mean = -1,
                  .variance = -1};
    v.cols = v.size;
    for (size_t i = 0; i < n_in; i++) {
        copy[i] = in[i];
        v.pair |= g->nodes[in[i]].pair;
        v.level = g->nodes[in[i]].level > v.level ? g->nodes[in[i]].level : v.level;
    }
    g->nodes[id] = v;
    return id;
}

static void make_exchangeable(net_node *v)
{
    v->exchangeable = true;
    v->sets = v->shape.dim[0];
    v->cols = v->size / v->sets;
}

static void make_last(net_node *v)
{
    v->last = true;
    v->cols = v->shape.dim[0];
    v->sets = v->size / v->cols;
}

/* An elementwise node, of the same shape as A. */
static int32_t node_like(builder *b, op_kind kind, const char *name, int32_t a)
{
    int32_t id = node_add(b, kind, name, at(b, a)->shape, 1, &a);
    if (id >= 0 && at(b, a)->exchangeable)
        make_exchangeable(at(b, id));
    if (id >= 0 && at(b, a)->last)
        make_last(at(b, id));
    return id;
}

/* Part of a row of A from float FIRST on, with a shape of its own. */
static int32_t view_add(builder *b, const char *name, int32_t a, size_t first,
                        nre_shape shape)
{
    int32_t root = at(b, a)->root;
    size_t from = at(b, a)->at + first;
    int32_t id = node_add(b, OP_VIEW, name, shape, 1, &root);
    if (id >= 0) {
        at(b, id)->root = root;
        at(b, id)->at = from;
    }
    return id;
}

/* A, or a contiguous copy where it is only part of its root. */
static int32_t dense(builder *b, int32_t a)
{
    if (a < 0 || at(b, a)->size == at(b, at(b, a)->root)->size)
        return a;
    return node_like(b, OP_COPY, "copy", a);
}

/* A with its channels in the other order.  Where there is one channel or one place, that is
 * another name. */
static int32_t order_changed(builder *b, int32_t a, bool last)
{
    nre_shape s = at(b, a)->shape;
    size_t places = at(b, a)->size / s.dim[0];
    bool moves = s.dim[0] > 1 && places > 1;
    a = moves ? dense(b, a) : a;
    int32_t id = a < 0   ? a
                 : moves ? node_add(b, OP_TRANSPOSE, "layout", s, 1, &a)
                         : view_add(b, "layout", a, 0, s);
    if (id < 0)
        return id;
    net_node *v = at(b, id);
    v->channels = last ? places : s.dim[0];
    v->inner = last ? s.dim[0] : places;
    if (last)
        make_last(v);
    return id;
}

static int32_t channels_last(builder *b, int32_t a)
{
    return a < 0 || at(b, a)->last ? a : order_changed(b, a, true);
}

static int32_t channels_first(builder *b, int32_t a)
{
    return a < 0 || !at(b, a)->last ? a : order_changed(b, a, false);
}

/* parameters */

static const char *prefix_of(const builder *b)
{
    return b->depth > 0 ? b->prefix[b->depth - 1] : "";
}

/* Note a call with parameters: WORD numbers those without a name of their own. */
static bool call_add(builder *b, const char *word)
{
    void *calls = b->calls;
    if (!reserve(&calls, b->n_calls, &b->calls_room, sizeof *b->calls)) {
        no_memory(b);
        return false;
    }
    b->calls = calls;
    b->calls[b->n_calls++] = (call){prefix_of(b), word};
    return true;
}

/* A tensor of the last call; -1 when out of memory. */
static int32_t tensor_add(builder *b, list *l, const char *suffix, uint32_t rank,
                          const uint32_t *dim, net_start start)
{
    void *items = l->item;
    if (!reserve(&items, l->n, &l->room, sizeof *l->item))
        return no_memory(b);
    l->item = items;
    unnamed u = {.start = start, .call = (uint32_t)b->n_calls - 1, .suffix = suffix};
    u.tensor.rank = rank;
    u.tensor.n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        u.tensor.dim[i] = dim[i];
        u.tensor.n *= dim[i];
    }
    u.tensor.at = l->floats;
    l->floats += u.tensor.n;
    l->item[l->n] = u;
    return (int32_t)l->n++;
}

static size_t calls_with_prefix(const builder *b, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_calls; i++)
        n += strcmp(b->calls[i].prefix, prefix) == 0;
    return n;
}

/* "layer.0.weight"; where several calls share a prefix, "layer.0.linear1.weight". */
static const char *tensor_name(const builder *b, const unnamed *u)
{
    const call *c = &b->calls[u->call];
    if (*c->prefix && calls_with_prefix(b, c->prefix) == 1)
        return arena_print(b->g->memory, "%s.%s", c->prefix, u->suffix);
    unsigned number = 0;
    for (uint32_t i = 0; i < u->call; i++)
        number += strcmp(b->calls[i].prefix, c->prefix) == 0 &&
                  strcmp(b->calls[i].word, c->word) == 0;
    return arena_print(b->g->memory, "%s%s%s%u.%s", c->prefix, *c->prefix ? "." : "",
                       c->word, number, u->suffix);
}

static int names_unique(const list *l)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(l->item[i].tensor.name, l->item[j].tensor.name) == 0)
                return fail(NRE_EPLUGIN,
                            "two parameters are named '%s': push other names",
                            l->item[i].tensor.name);
    return NRE_OK;
}

static int list_finish(builder *b, list *l, net_tensor **tensors, net_start **starts)
{
    *tensors = arena_alloc(b->g->memory, l->n + 1, sizeof **tensors);
    *starts = arena_alloc(b->g->memory, l->n + 1, sizeof **starts);
    if (!*tensors || !*starts)
        return no_memory(b);
    for (size_t i = 0; i < l->n; i++) {
        l->item[i].tensor.name = tensor_name(b, &l->item[i]);
        if (!l->item[i].tensor.name)
            return no_memory(b);
        (*tensors)[i] = l->item[i].tensor;
        (*starts)[i] = l->item[i].start;
    }
    return names_unique(l);
}

/* the calls */

static nre_node graph_field(nre_graph *api, const char *name)
{
    builder *b = builder_of(api);
    if (b->status)
        return NO_NODE;
    if (!name)
        return NODE_X;
    for (size_t i = 0; i < b->inputs->n_fields; i++)
        if (strcmp(b->inputs->fields[i].name, name) == 0)
            return b->fields[i];
    return refuse(b, NRE_EPLUGIN, "field: x has no field '%s'", name);
}

static nre_shape graph_shape(const nre_graph *api, nre_node a)
{
    const builder *b = (const builder *)api;
    if (a < 0 || (size_t)a >= b->g->n_nodes)
        return (nre_shape){0};
    return at(b, a)->shape;
}

static nre_node graph_reshape(nre_graph *api, nre_node a, nre_shape to)
{
    builder *b = builder_of(api);
    if (!usable(b, "reshape", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    if (!shape_good(to) || shape_size(to) != at(b, a)->size)
        return refuse(b, NRE_EPLUGIN, "reshape: %s does not hold the values of %s",
                      shape_text(b, to), shape_text(b, at(b, a)->shape));
    bool rows = at(b, a)->exchangeable && at(b, a)->shape.dim[0] == to.dim[0];
    nre_node id = view_add(b, "reshape", a, 0, to);
    if (id >= 0 && rows)
        make_exchangeable(at(b, id));
    return id;
}

static nre_node graph_slice(nre_graph *api, nre_node a, uint32_t from, uint32_t to)
{
    builder *b = builder_of(api);
    if (!usable(b, "slice", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = at(b, a)->shape;
    if (from >= to || to > s.dim[0])
        return refuse(b, NRE_EPLUGIN, "slice: [%u, %u) is not within %s", from, to,
                      shape_text(b, s));
    size_t inner = at(b, a)->size / s.dim[0];
    bool rows = at(b, a)->exchangeable;
    s.dim[0] = to - from;
    nre_node id = view_add(b, "slice", a, from * inner, s);
    if (id >= 0 && rows)
        make_exchangeable(at(b, id));
    return id;
}

/* A concat node over leaves that are no concat themselves. */
static int32_t concat_add(builder *b, nre_shape shape, bool exchangeable, size_t n,
                          const int32_t *leaves)
{
    int32_t id = node_add(b, OP_CONCAT, "concat", shape, n, leaves);
    if (id >= 0 && exchangeable)
        make_exchangeable(at(b, id));
    return id;
}

static bool is_concat(const builder *b, int32_t a)
{
    return at(b, a)->op == OP_CONCAT;
}

static size_t leaves_of(const builder *b, int32_t a, int32_t *leaves)
{
    const net_node *v = at(b, a);
    size_t n = is_concat(b, a) ? v->n_in : 1;
    for (size_t i = 0; i < n; i++)
        leaves[i] = is_concat(b, a) ? v->in[i] : a;
    return n;
}

static size_t n_leaves(const builder *b, int32_t a)
{
    return is_concat(b, a) ? at(b, a)->n_in : 1;
}

/* Views that follow each other in one root become one view. */
static size_t join_views(builder *b, size_t n, int32_t *leaves)
{
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        const net_node *last = at(b, leaves[kept - 1]), *next = at(b, leaves[i]);
        if (last->op != OP_VIEW || next->op != OP_VIEW || last->root != next->root ||
            last->at + last->size != next->at) {
            leaves[kept++] = leaves[i];
            continue;
        }
        nre_shape s = last->shape;
        s.dim[0] += next->shape.dim[0];
        int32_t joined = view_add(b, "slice", leaves[kept - 1], 0, s);
        if (joined < 0)
            return 0;
        leaves[kept - 1] = joined;
    }
    return kept;
}

static bool concat_fits(nre_shape a, nre_shape b)
{
    bool fits = a.rank == b.rank && (uint64_t)a.dim[0] + b.dim[0] < SIZE_LIMIT;
    for (uint32_t i = 1; fits && i < a.rank; i++)
        fits = a.dim[i] == b.dim[i];
    return fits;
}

static nre_node graph_concat(nre_graph *api, nre_node a, nre_node c)
{
    builder *b = builder_of(api);
    if (!usable(b, "concat", a) || !usable(b, "concat", c) ||
        (a = channels_first(b, a)) < 0 || (c = channels_first(b, c)) < 0)
        return NO_NODE;
    nre_shape s = at(b, a)->shape, t = at(b, c)->shape;
    if (!concat_fits(s, t))
        return refuse(b, NRE_EPLUGIN,
                      "concat: shapes %s and %s differ beyond their first "
                      "dimension",
                      shape_text(b, s), shape_text(b, t));
    bool rows = at(b, a)->exchangeable && at(b, c)->exchangeable;
    int32_t *leaves =
        arena_alloc(b->g->memory, n_leaves(b, a) + n_leaves(b, c), sizeof *leaves);
    if (!leaves)
        return no_memory(b);
    size_t n = leaves_of(b, a, leaves);
    n += leaves_of(b, c, leaves + n);
    n = join_views(b, n, leaves);
    s.dim[0] += t.dim[0];
    if (n == 0)
        return NO_NODE;
    return n == 1 && !rows ? leaves[0] : concat_add(b, s, rows, n, leaves);
}

/* A as a node of kind PAIR. */
static int32_t repeated(builder *b, int32_t a)
{
    if (a < 0 || at(b, a)->pair)
        return a;
    int32_t id = node_like(b, OP_REPEAT, "repeat", a);
    if (id >= 0)
        at(b, id)->pair = true;
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
    if (!usable(b, word, a) || !usable(b, word, c))
        return NO_NODE;
    if (!shapes_equal(at(b, a)->shape, at(b, c)->shape))
        return refuse(b, NRE_EPLUGIN, "%s: shapes %s and %s differ", word,
                      shape_text(b, at(b, a)->shape), shape_text(b, at(b, c)->shape));
    bool last = at(b, a)->last || at(b, c)->last;
    if (last && ((a = channels_last(b, a)) < 0 || (c = channels_last(b, c)) < 0))
        return NO_NODE;
    bool rows = at(b, a)->exchangeable && at(b, c)->exchangeable;
    bool pair = at(b, a)->pair || at(b, c)->pair;
    nre_shape shape = at(b, a)->shape;
    int32_t in[2] = {pair ? repeated(b, a) : a, pair ? repeated(b, c) : c};
    in[0] = dense(b, in[0]);
    in[1] = dense(b, in[1]);
    if (in[0] < 0 || in[1] < 0)
        return NO_NODE;
    int32_t id = node_add(b, kind, word, shape, 2, in);
    if (id >= 0 && rows)
        make_exchangeable(at(b, id));
    if (id >= 0 && last)
        make_last(at(b, id));
    return id;
}

static nre_node graph_add(nre_graph *api, nre_node a, nre_node c)
{
    return elementwise_of_two(builder_of(api), OP_ADD, "add", a, c);
}

static nre_node graph_multiply(nre_graph *api, nre_node a, nre_node c)
{
    return elementwise_of_two(builder_of(api), OP_MULTIPLY, "multiply", a, c);
}

static nre_node graph_transpose(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!usable(b, "transpose", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = at(b, a)->shape;
    if (s.rank != 2)
        return refuse(b, NRE_EPLUGIN, "transpose: %s is not of two dimensions",
                      shape_text(b, s));
    a = dense(b, a);
    nre_shape t = {.rank = 2, .dim = {s.dim[1], s.dim[0]}};
    int32_t id = a < 0 ? a : node_add(b, OP_TRANSPOSE, "transpose", t, 1, &a);
    if (id >= 0) {
        at(b, id)->channels = t.dim[0];
        at(b, id)->inner = t.dim[1];
    }
    return id;
}

static nre_node graph_set_mean(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!usable(b, "set_mean", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    nre_shape s = at(b, a)->shape;
    if (!at(b, a)->exchangeable)
        return refuse(b, NRE_EPLUGIN, "set_mean: the rows of %s are not exchangeable",
                      shape_text(b, s));
    nre_shape mean = {.rank = s.rank > 1 ? s.rank - 1 : 1, .dim = {1}};
    for (uint32_t i = 1; i < s.rank; i++)
        mean.dim[i - 1] = s.dim[i];
    a = dense(b, a);
    return a < 0 ? a : node_add(b, OP_SET_MEAN, "set_mean", mean, 1, &a);
}

/* One product of linear: N leaves of one kind against their columns of WEIGHT, on top of
 * BASE. */
static int32_t product_add(builder *b, const net_node *like, size_t n,
                           const int32_t *leaves, const size_t *column, int32_t base)
{
    int32_t *in = arena_alloc(b->g->memory, n + 1, sizeof *in);
    size_t *columns = arena_alloc(b->g->memory, n + 1, sizeof *columns);
    if (!in || !columns)
        return no_memory(b);
    memcpy(in, leaves, n * sizeof *in);
    memcpy(columns, column, n * sizeof *columns);
    in[n] = base;
    int32_t id = node_add(b, OP_LINEAR, "linear", like->shape, n + (base >= 0), in);
    if (id < 0)
        return id;
    net_node *v = at(b, id);
    v->based = base >= 0;
    v->weight = like->weight;
    v->bias = base >= 0 ? -1 : like->bias;
    v->column = columns;
    if (like->exchangeable)
        make_exchangeable(v);
    if (like->last)
        make_last(v);
    return id;
}

/* Sort leaves into X and PAIR ones and chain a product for each kind. */
static int32_t products_add(builder *b, const net_node *like, size_t n,
                            const int32_t *leaves)
{
    int32_t *some = arena_alloc(b->g->memory, n, sizeof *some);
    size_t *column = arena_alloc(b->g->memory, n, sizeof *column);
    if (!some || !column)
        return no_memory(b);
    int32_t last = NO_NODE;
    for (int pair = 0; pair < 2; pair++) {
        size_t kept = 0, first = 0;
        for (size_t i = 0; i < n; i++) {
            const net_node *leaf = at(b, leaves[i]);
            if (leaf->pair == pair) {
                some[kept] = leaves[i];
                column[kept++] = first;
            }
            first += like->exchangeable ? leaf->cols : leaf->size;
        }
        if (kept > 0)
            last = product_add(b, like, kept, some, column, last);
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
    if (!call_add(b, "linear"))
        return false;
    like->weight = tensor_add(b, &b->weights, "weight", 2, dim, (net_start){bound, 0});
    if (bias)
        like->bias = tensor_add(b, &b->weights, "bias", 1, dim, (net_start){bound, 0});
    return b->status == NRE_OK;
}

static nre_node graph_linear(nre_graph *api, nre_node a, uint32_t units, uint32_t bias)
{
    builder *b = builder_of(api);
    if (!usable(b, "linear", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    bool rows = at(b, a)->exchangeable;
    size_t columns = at(b, a)->cols;
    if (units == 0 || columns * (size_t)units >= SIZE_LIMIT)
        return refuse(b, NRE_EPLUGIN, "linear: %u units on %s are none or too many",
                      units, shape_text(b, at(b, a)->shape));
    if (rows)
        a = dense(b, a);
    if (a < 0)
        return a;
    /* A reshaped concat is that concat, for the product sees flat rows. */
    const net_node *root = at(b, at(b, a)->root);
    if (!rows && root->op == OP_CONCAT && root->size == at(b, a)->size)
        a = root->id;
    int32_t *leaves = arena_alloc(b->g->memory, n_leaves(b, a), sizeof *leaves);
    if (!leaves)
        return no_memory(b);
    size_t n = rows ? 1 : leaves_of(b, a, leaves);
    if (rows)
        leaves[0] = a;
    net_node like = {
        .shape = flat(units), .exchangeable = rows, .weight = -1, .bias = -1};
    if (rows)
        like.shape = (nre_shape){.rank = 2, .dim = {at(b, a)->shape.dim[0], units}};
    if (!linear_tensors(b, &like, columns, units, bias))
        return NO_NODE;
    return products_add(b, &like, n, leaves);
}

/* Apply ONE to A, or to each leaf of a concat. */
static int32_t through_concat(builder *b, int32_t a,
                              int32_t (*one)(builder *b, int32_t a, void *),
                              void *context)
{
    if (!is_concat(b, a))
        return one(b, dense(b, a), context);
    size_t n = at(b, a)->n_in;
    int32_t *leaves = arena_alloc(b->g->memory, n, sizeof *leaves);
    if (!leaves)
        return no_memory(b);
    for (size_t i = 0; i < n; i++) {
        leaves[i] = one(b, dense(b, at(b, a)->in[i]), context);
        if (leaves[i] < 0)
            return NO_NODE;
    }
    return concat_add(b, at(b, a)->shape, at(b, a)->exchangeable, n, leaves);
}

static int32_t activate_one(builder *b, int32_t a, void *context)
{
    int32_t id = a < 0 ? a : node_like(b, OP_ACTIVATE, "activate", a);
    if (id >= 0)
        at(b, id)->f = *(nre_activation *)context;
    return id;
}

static nre_node graph_activate(nre_graph *api, nre_node a, nre_activation f)
{
    builder *b = builder_of(api);
    if (!usable(b, "activate", a))
        return NO_NODE;
    if (f < NRE_RELU || f > NRE_TANH)
        return refuse(b, NRE_EPLUGIN, "activate: there is no activation %d", (int)f);
    return through_concat(b, a, activate_one, &f);
}

static int32_t dropout_one(builder *b, int32_t a, void *context)
{
    int32_t id = a < 0 ? a : node_like(b, OP_DROPOUT, "dropout", a);
    if (id >= 0)
        at(b, id)->p = *(double *)context;
    return id;
}

static nre_node graph_dropout(nre_graph *api, nre_node a, double p)
{
    builder *b = builder_of(api);
    if (!usable(b, "dropout", a))
        return NO_NODE;
    if (!(p >= 0 && p < 1))
        return refuse(b, NRE_EPLUGIN, "dropout: p = %g is not in [0, 1)", p);
    return p == 0 ? a : through_concat(b, a, dropout_one, &p);
}

/* The node that NODE_ONE copies its tensors from, and the channels used up so far. */
static int32_t batch_norm_one(builder *b, int32_t a, void *context)
{
    net_node *like = context;
    int32_t id = a < 0 ? a : node_like(b, OP_BATCH_NORM, "batch_norm", a);
    if (id < 0)
        return id;
    net_node *v = at(b, id);
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

static nre_node graph_batch_norm(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!usable(b, "batch_norm", a))
        return NO_NODE;
    bool rows = at(b, a)->exchangeable;
    uint32_t dim = rows ? (uint32_t)at(b, a)->cols : at(b, a)->shape.dim[0];
    if (!call_add(b, "batch_norm"))
        return NO_NODE;
    net_node like = {.of_pairs = at(b, a)->pair};
    like.weight = tensor_add(b, &b->weights, "weight", 1, &dim, (net_start){0, 1});
    like.bias = tensor_add(b, &b->weights, "bias", 1, &dim, (net_start){0, 0});
    like.mean = tensor_add(b, &b->buffers, "running_mean", 1, &dim, (net_start){0, 0});
    like.variance = tensor_add(b, &b->buffers, "running_var", 1, &dim, (net_start){0, 1});
    if (b->status)
        return NO_NODE;
    return rows ? batch_norm_one(b, dense(b, a), &like)
                : through_concat(b, a, batch_norm_one, &like);
}

static nre_node graph_layer_norm(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!usable(b, "layer_norm", a) || (a = channels_first(b, a)) < 0)
        return NO_NODE;
    a = dense(b, a);
    if (a < 0 || !call_add(b, "layer_norm"))
        return NO_NODE;
    nre_shape s = at(b, a)->shape;
    uint32_t skip = at(b, a)->exchangeable && s.rank > 1;
    uint32_t one = 1;
    bool single = at(b, a)->exchangeable && s.rank == 1;
    const uint32_t *dim = single ? &one : s.dim + skip;
    int32_t weight =
        tensor_add(b, &b->weights, "weight", s.rank - skip, dim, (net_start){0, 1});
    int32_t bias =
        tensor_add(b, &b->weights, "bias", s.rank - skip, dim, (net_start){0, 0});
    int32_t id = b->status ? NO_NODE : node_like(b, OP_LAYER_NORM, "layer_norm", a);
    if (id >= 0) {
        at(b, id)->weight = weight;
        at(b, id)->bias = bias;
    }
    return id;
}

/* conv and pools */

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
        no_memory(b);
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
    if (w->out[0] > 0 && w->out[1] > 0)
        return w;
    refuse(b, NRE_EPLUGIN, "%s: a kernel of %u, %u apart, does not fit %s padded by %u",
           word, k->kernel, at_least_one(k->dilation), shape_text(b, s), k->padding);
    return NULL;
}

/* Windows over places: [channels][length] or [channels][height][width]. */
static bool has_places(builder *b, const char *word, nre_node a, uint32_t kernel)
{
    if (!usable(b, word, a))
        return false;
    const net_node *v = at(b, a);
    if (v->exchangeable)
        refuse(b, NRE_EPLUGIN, "%s: the rows of %s are exchangeable, they have no order",
               word, shape_text(b, v->shape));
    else if (v->shape.rank < 2 || v->shape.rank > 3)
        refuse(b, NRE_EPLUGIN,
               "%s: %s is neither [channels][length] nor [channels][height][width]; "
               "reshape it",
               word, shape_text(b, v->shape));
    else if (kernel == 0 || kernel > MOST_KERNEL)
        refuse(b, NRE_EPLUGIN, "%s: a kernel of %u is not in 1 .. %d", word, kernel,
               (int)MOST_KERNEL);
    return b->status == NRE_OK;
}

static int32_t window_node(builder *b, op_kind kind, const char *word, int32_t a,
                           uint32_t channels, const window *w)
{
    uint32_t rank = at(b, a)->shape.rank;
    nre_shape s = {.rank = rank, .dim = {channels}};
    s.dim[rank - 1] = (uint32_t)w->out[1];
    if (rank == 3)
        s.dim[1] = (uint32_t)w->out[0];
    int32_t id = node_add(b, kind, word, s, 1, &a);
    if (id >= 0) {
        make_last(at(b, id));
        at(b, id)->window = w;
    }
    return id;
}

static bool conv_tensors(builder *b, net_node *like, size_t rank, size_t in,
                         const nre_conv *c)
{
    size_t columns = in * c->kernel * (rank == 3 ? c->kernel : 1);
    float bound = (float)(1.0 / sqrt((double)columns));
    uint32_t dim[4] = {c->channels, (uint32_t)in, c->kernel, c->kernel};
    if (!call_add(b, "conv"))
        return false;
    like->weight = tensor_add(b, &b->weights, "weight", (uint32_t)rank + 1, dim,
                              (net_start){bound, 0});
    if (c->bias)
        like->bias = tensor_add(b, &b->weights, "bias", 1, dim, (net_start){bound, 0});
    if (b->status == NRE_OK)
        b->weights.item[like->weight].tensor.channels_last = true;
    return b->status == NRE_OK;
}

/* One tap at each place: a linear layer over the channels, for each place alike. */
static int32_t pointwise_add(builder *b, net_node *like, int32_t a, uint32_t channels)
{
    like->shape = at(b, a)->shape;
    like->shape.dim[0] = channels;
    like->last = true;
    a = dense(b, a);
    return a < 0 ? a : product_add(b, like, 1, &a, &(size_t){0}, NO_NODE);
}

static nre_node graph_conv(nre_graph *api, nre_node a, const nre_conv *c)
{
    builder *b = builder_of(api);
    if (!has_places(b, "conv", a, c ? c->kernel : 0))
        return NO_NODE;
    nre_shape s = at(b, a)->shape;
    const window *w = window_new(b, "conv", s, c);
    if (!w)
        return NO_NODE;
    if (c->channels == 0 || c->channels % w->groups > 0 || s.dim[0] % w->groups > 0)
        return refuse(b, NRE_EPLUGIN, "conv: %u channels from %u in %zu groups",
                      c->channels, s.dim[0], w->groups);
    size_t in = s.dim[0] / w->groups, taps = w->kernel[0] * w->kernel[1];
    if (in * taps * c->channels >= SIZE_LIMIT)
        return refuse(b, NRE_EPLUGIN, "conv: %u channels on %s are too many", c->channels,
                      shape_text(b, s));
    net_node like = {.weight = -1, .bias = -1};
    if ((a = channels_last(b, a)) < 0 || !conv_tensors(b, &like, s.rank, in, c))
        return NO_NODE;
    bool pointwise = taps == 1 && w->stride[1] == 1 && c->padding == 0 && w->groups == 1;
    if (pointwise)
        return pointwise_add(b, &like, a, c->channels);
    int32_t id = window_node(b, OP_CONV, "conv", a, c->channels, w);
    if (id >= 0) {
        at(b, id)->weight = like.weight;
        at(b, id)->bias = like.bias;
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
        return refuse(b, NRE_EPLUGIN, "%s: a padding of %u is more than half of %u", word,
                      p, k);
    const window *w = window_new(b, word, at(b, a)->shape, &c);
    if (!w || (a = channels_last(b, a)) < 0)
        return NO_NODE;
    return window_node(b, kind, word, a, at(b, a)->shape.dim[0], w);
}

static nre_node graph_max_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                               uint32_t p)
{
    return pool_add(builder_of(api), OP_MAX_POOL, "max_pool", a, k, s, p);
}

static nre_node graph_average_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                                   uint32_t p)
{
    return pool_add(builder_of(api), OP_AVERAGE_POOL, "average_pool", a, k, s, p);
}

static nre_node graph_mean_pool(nre_graph *api, nre_node a)
{
    builder *b = builder_of(api);
    if (!has_places(b, "mean_pool", a, 1))
        return NO_NODE;
    a = dense(b, channels_last(b, a));
    return a < 0 ? a
                 : node_add(b, OP_SET_MEAN, "mean_pool", flat(at(b, a)->shape.dim[0]), 1,
                            &a);
}

static void graph_push(nre_graph *api, const char *format, ...)
{
    builder *b = builder_of(api);
    char word[256];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    if (b->depth == DEPTH || n < 0 || (size_t)n >= sizeof word) {
        refuse(b, NRE_EPLUGIN, "push: names deeper than %d or longer than 255",
               (int)DEPTH);
        return;
    }
    const char *outer = prefix_of(b);
    b->prefix[b->depth] =
        arena_print(b->g->memory, "%s%s%s", outer, *outer ? "." : "", word);
    if (b->prefix[b->depth])
        b->depth++;
    else
        no_memory(b);
}

static void graph_pop(nre_graph *api)
{
    builder *b = builder_of(api);
    if (b->depth > 0)
        b->depth--;
    else
        refuse(b, NRE_EPLUGIN, "pop without push");
}

static const nre_graph CALLS = {
    .struct_size = sizeof(nre_graph),
    .field = graph_field,
    .shape = graph_shape,
    .reshape = graph_reshape,
    .concat = graph_concat,
    .add = graph_add,
    .multiply = graph_multiply,
    .slice = graph_slice,
    .transpose = graph_transpose,
    .set_mean = graph_set_mean,
    .linear = graph_linear,
    .conv = graph_conv,
    .batch_norm = graph_batch_norm,
    .layer_norm = graph_layer_norm,
    .activate = graph_activate,
    .dropout = graph_dropout,
    .max_pool = graph_max_pool,
    .mean_pool = graph_mean_pool,
    .average_pool = graph_average_pool,
    .push = graph_push,
    .pop = graph_pop,
};

/* inputs and the finish */

static int inputs_add(builder *b)
{
    const net_inputs *in = b->inputs;
    size_t size = 0;
    for (size_t i = 0; i < in->n_fields; i++) {
        if (!shape_good(in->fields[i].shape))
            return refuse(b, NRE_EPLUGIN, "field '%s' of x has shape %s",
                          in->fields[i].name, shape_text(b, in->fields[i].shape));
        size += shape_size(in->fields[i].shape);
    }
    if (size == 0 || size >= SIZE_LIMIT || in->n_theta == 0)
        return refuse(b, NRE_EPLUGIN, "a network needs x and at least one parameter");
    b->fields = arena_alloc(b->g->memory, in->n_fields, sizeof *b->fields);
    if (!b->fields)
        return no_memory(b);
    node_add(b, OP_INPUT, "x", flat(size), 0, NULL);
    int32_t theta = node_add(b, OP_INPUT, "theta", flat(in->n_theta), 0, NULL);
    if (theta >= 0)
        at(b, theta)->pair = true;
    for (size_t i = 0, first = 0; i < in->n_fields && !b->status; i++) {
        b->fields[i] = view_add(b, "field", NODE_X, first, in->fields[i].shape);
        if (b->fields[i] >= 0 && in->fields[i].exchangeable)
            make_exchangeable(at(b, b->fields[i]));
        first += shape_size(in->fields[i].shape);
    }
    b->api.theta = NODE_THETA;
    b->api.x = b->fields[0];
    return b->status;
}

/* Nodes that the logit needs; inputs come before what is made of them. */
static void mark_live(const net *g, bool *live)
{
    live[g->logit] = true;
    for (size_t i = g->n_nodes; i-- > 0;)
        for (uint32_t k = 0; live[i] && k < g->nodes[i].n_in; k++)
            live[g->nodes[g->nodes[i].in[k]].root] = true;
}

/* Live nodes by level, batch norms of a level first, else as built. */
static int order_nodes(net *g)
{
    bool *live = arena_alloc(g->memory, g->n_nodes, sizeof *live);
    g->order = arena_alloc(g->memory, g->n_nodes, sizeof *g->order);
    if (!live || !g->order)
        return fail(NRE_ENOMEM, "no memory for the network's graph");
    mark_live(g, live);
    g->levels = g->nodes[g->logit].level + 1;
    for (unsigned level = 0; level < g->levels; level++)
        for (int first = 1; first >= 0; first--)
            for (size_t i = 0; i < g->n_nodes; i++) {
                const net_node *v = &g->nodes[i];
                bool computes = live[i] && v->op != OP_INPUT && v->op != OP_VIEW;
                if (computes && v->level == level && (v->op == OP_BATCH_NORM) == first)
                    g->order[g->n_order++] = v->id;
            }
    return NRE_OK;
}

static int net_finish(builder *b, nre_node logit)
{
    net *g = b->g;
    if (b->status)
        return fail(b->status, "%s", b->message ? b->message : "out of memory");
    if (logit < 0 || (size_t)logit >= g->n_nodes)
        return fail(NRE_EPLUGIN, "build() returned no node");
    const net_node *v = &g->nodes[logit];
    if (v->size != 1)
        return fail(NRE_EPLUGIN, "the result has shape %s, but the logit is one value",
                    shape_text(b, v->shape));
    if (!v->pair)
        return fail(NRE_EPLUGIN, "the logit does not depend on theta");
    g->logit = dense(b, logit);
    if (g->logit < 0 || g->nodes[g->logit].op == OP_INPUT)
        return fail(NRE_EPLUGIN, "the logit is theta itself");
    g->logit = g->nodes[g->logit].root;
    g->n_weights = b->weights.floats;
    g->n_buffers = b->buffers.floats;
    g->n_weight_tensors = b->weights.n;
    g->n_buffer_tensors = b->buffers.n;
    int status = list_finish(b, &b->weights, &g->weights, &g->weight_starts);
    if (!status)
        status = list_finish(b, &b->buffers, &g->buffers, &g->buffer_starts);
    return status ? status : order_nodes(g);
}

int net_new(const nre_plugin *architecture, const void *self, const net_inputs *inputs,
            net **out)
{
    *out = NULL;
    builder b = {.api = CALLS, .inputs = inputs};
    int status = NRE_OK;
    b.g = calloc(1, sizeof *b.g);
    if (b.g)
        b.g->memory = arena_new();
    if (!b.g || !b.g->memory) {
        status = fail(NRE_ENOMEM, "no memory for the network's graph");
        goto out;
    }
    nre_node logit = NO_NODE;
    if (inputs_add(&b) == NRE_OK)
        logit = architecture->ops.architecture->build(self, &b.api);
    status = net_finish(&b, logit);
    if (status)
        fail_within(status, "architecture '%s'", architecture->name);
out:
    free(b.calls);
    free(b.weights.item);
    free(b.buffers.item);
    if (status)
        net_free(b.g);
    else
        *out = b.g;
    return status;
}

/* nn/build.c - nodes and parameters of a graph while an architecture describes it. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

builder *builder_of(nre_graph *api)
{
    return (builder *)api;
}

int32_t build_refuse(builder *b, int status, const char *format, ...)
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

int32_t build_no_memory(builder *b)
{
    return build_refuse(b, NRE_ENOMEM, "no memory for the network's graph");
}

/* "[64][33]", in the arena. */
const char *build_shape_text(const builder *b, nre_shape s)
{
    char *text = arena_copy(b->g->memory, "");
    for (uint32_t i = 0; text && i < s.rank; i++)
        text = arena_print(b->g->memory, "%s[%u]", text, s.dim[i]);
    return text ? text : "";
}

size_t build_shape_size(nre_shape s)
{
    size_t n = 1;
    for (uint32_t i = 0; i < s.rank; i++)
        n *= n < BUILD_LIMIT ? s.dim[i] : 1;
    return n;
}

nre_shape build_flat(size_t n)
{
    return (nre_shape){.rank = 1, .dim = {(uint32_t)n}};
}

bool build_shape_good(nre_shape s)
{
    bool good = s.rank >= 1 && s.rank <= 4;
    for (uint32_t i = 0; good && i < s.rank; i++)
        good = s.dim[i] > 0;
    return good && build_shape_size(s) < BUILD_LIMIT;
}

/* False when an earlier call failed or A is no node of this graph. */
bool build_usable(builder *b, const char *word, nre_node a)
{
    if (b->status || a < 0)
        return false;
    if ((size_t)a < b->g->n_nodes)
        return true;
    build_refuse(b, NRE_EPLUGIN, "%s: there is no node %d", word, a);
    return false;
}

net_node *build_at(const builder *b, int32_t id)
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
int32_t build_node(builder *b, op_kind kind, const char *name, nre_shape shape,
                   size_t n_in, const int32_t *in)
{
    net *g = b->g;
    void *nodes = g->nodes;
    if (!build_shape_good(shape))
        return build_refuse(b, NRE_EPLUGIN,
                            "%s: a node of shape %s has too many or no values", name,
                            build_shape_text(b, shape));
    int32_t *copy = arena_alloc(g->memory, n_in + 1, sizeof *copy);
    if (!copy || !reserve(&nodes, g->n_nodes, &b->room, sizeof *g->nodes))
        return build_no_memory(b);
    g->nodes = nodes;
    int32_t id = (int32_t)g->n_nodes++;
    net_node v = {.op = kind,
                  .id = id,
                  .name = name,
                  .shape = shape,
                  .size = build_shape_size(shape),
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

void build_exchangeable(net_node *v)
{
    v->exchangeable = true;
    v->sets = v->shape.dim[0];
    v->cols = v->size / v->sets;
}

void build_last(net_node *v)
{
    v->last = true;
    v->cols = v->shape.dim[0];
    v->sets = v->size / v->cols;
}

/* An elementwise node, of the same shape as A. */
int32_t build_like(builder *b, op_kind kind, const char *name, int32_t a)
{
    int32_t id = build_node(b, kind, name, build_at(b, a)->shape, 1, &a);
    if (id >= 0 && build_at(b, a)->exchangeable)
        build_exchangeable(build_at(b, id));
    if (id >= 0 && build_at(b, a)->last)
        build_last(build_at(b, id));
    return id;
}

/* Part of a row of A from float FIRST on, with a shape of its own. */
int32_t build_view(builder *b, const char *name, int32_t a, size_t first, nre_shape shape)
{
    int32_t root = build_at(b, a)->root;
    size_t from = build_at(b, a)->at + first;
    int32_t id = build_node(b, OP_VIEW, name, shape, 1, &root);
    if (id >= 0) {
        build_at(b, id)->root = root;
        build_at(b, id)->at = from;
    }
    return id;
}

/* A, or a contiguous copy where it is only part of its root. */
int32_t build_dense(builder *b, int32_t a)
{
    if (a < 0 || build_at(b, a)->size == build_at(b, build_at(b, a)->root)->size)
        return a;
    return build_like(b, OP_COPY, "copy", a);
}

/* A with its channels in the other order.  Where there is one channel or one place, that is
 * another name. */
static int32_t order_changed(builder *b, int32_t a, bool last)
{
    nre_shape s = build_at(b, a)->shape;
    size_t places = build_at(b, a)->size / s.dim[0];
    bool moves = s.dim[0] > 1 && places > 1;
    a = moves ? build_dense(b, a) : a;
    int32_t id = a < 0   ? a
                 : moves ? build_node(b, OP_TRANSPOSE, "layout", s, 1, &a)
                         : build_view(b, "layout", a, 0, s);
    if (id < 0)
        return id;
    net_node *v = build_at(b, id);
    v->channels = last ? places : s.dim[0];
    v->inner = last ? s.dim[0] : places;
    if (last)
        build_last(v);
    return id;
}

int32_t build_channels_last(builder *b, int32_t a)
{
    return a < 0 || build_at(b, a)->last ? a : order_changed(b, a, true);
}

int32_t build_channels_first(builder *b, int32_t a)
{
    return a < 0 || !build_at(b, a)->last ? a : order_changed(b, a, false);
}

/* parameters */

static const char *prefix_of(const builder *b)
{
    return b->depth > 0 ? b->prefix[b->depth - 1] : "";
}

/* Note a call with parameters: WORD numbers those without a name of their own. */
bool build_call(builder *b, const char *word)
{
    void *calls = b->calls;
    if (!reserve(&calls, b->n_calls, &b->calls_room, sizeof *b->calls)) {
        build_no_memory(b);
        return false;
    }
    b->calls = calls;
    b->calls[b->n_calls++] = (graph_call){prefix_of(b), word};
    return true;
}

/* A tensor of the last call; -1 when out of memory. */
int32_t build_tensor(builder *b, graph_list *l, const char *suffix, uint32_t rank,
                     const uint32_t *dim, net_start start)
{
    void *items = l->item;
    if (!reserve(&items, l->n, &l->room, sizeof *l->item))
        return build_no_memory(b);
    l->item = items;
    graph_tensor u = {.start = start, .call = (uint32_t)b->n_calls - 1, .suffix = suffix};
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
static const char *tensor_name(const builder *b, const graph_tensor *u)
{
    const graph_call *c = &b->calls[u->call];
    if (*c->prefix && calls_with_prefix(b, c->prefix) == 1)
        return arena_print(b->g->memory, "%s.%s", c->prefix, u->suffix);
    unsigned number = 0;
    for (uint32_t i = 0; i < u->call; i++)
        number += strcmp(b->calls[i].prefix, c->prefix) == 0 &&
                  strcmp(b->calls[i].word, c->word) == 0;
    return arena_print(b->g->memory, "%s%s%s%u.%s", c->prefix, *c->prefix ? "." : "",
                       c->word, number, u->suffix);
}

static int names_unique(const graph_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(l->item[i].tensor.name, l->item[j].tensor.name) == 0)
                return fail(NRE_EPLUGIN,
                            "two parameters are named '%s': push other names",
                            l->item[i].tensor.name);
    return NRE_OK;
}

int build_finish_list(builder *b, graph_list *l, net_tensor **tensors, net_start **starts)
{
    *tensors = arena_alloc(b->g->memory, l->n + 1, sizeof **tensors);
    *starts = arena_alloc(b->g->memory, l->n + 1, sizeof **starts);
    if (!*tensors || !*starts)
        return build_no_memory(b);
    for (size_t i = 0; i < l->n; i++) {
        l->item[i].tensor.name = tensor_name(b, &l->item[i]);
        if (!l->item[i].tensor.name)
            return build_no_memory(b);
        (*tensors)[i] = l->item[i].tensor;
        (*starts)[i] = l->item[i].start;
    }
    return names_unique(l);
}

/* names */

void graph_push(nre_graph *api, const char *format, ...)
{
    builder *b = builder_of(api);
    char word[256];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    if (b->depth == BUILD_DEPTH || n < 0 || (size_t)n >= sizeof word) {
        build_refuse(b, NRE_EPLUGIN, "push: names deeper than %d or longer than 255",
                     (int)BUILD_DEPTH);
        return;
    }
    const char *outer = prefix_of(b);
    b->prefix[b->depth] =
        arena_print(b->g->memory, "%s%s%s", outer, *outer ? "." : "", word);
    if (b->prefix[b->depth])
        b->depth++;
    else
        build_no_memory(b);
}

void graph_pop(nre_graph *api)
{
    builder *b = builder_of(api);
    if (b->depth > 0)
        b->depth--;
    else
        build_refuse(b, NRE_EPLUGIN, "pop without push");
}

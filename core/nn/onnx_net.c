/* nn/onnx_net.c - a network as ops of an ONNX model, every value in its logical shape behind the
 * batch: the order in memory and the split of linear layers stay at home. */
#include "nn/nn.h"

#include <string.h>

enum { SPATIAL_MOST = 3 };

typedef struct lowering {
    onnx *m;
    const net *g;
    const float *weights, *buffers;
    arena *memory;
    const char *prefix;
    const char **value; /* [n_nodes], name of what a node computes; NULL: not yet */
    bool *inside;       /* [n_nodes]: part of the product that is based on it */
} lowering;

static const net_node *node_at(const lowering *l, int32_t id)
{
    return &l->g->nodes[id];
}

/* names and constants */

static const char *op_of(lowering *l, const char *type, size_t n, const char *const *in)
{
    return onnx_op(l->m, type, NULL, n, in);
}

static const char *op_1(lowering *l, const char *type, const char *a)
{
    return op_of(l, type, 1, &a);
}

static const char *op_2(lowering *l, const char *type, const char *a, const char *b)
{
    const char *in[] = {a, b};
    return op_of(l, type, 2, in);
}

static const char *number(lowering *l, double value)
{
    return onnx_number(l->m, ONNX_F32, value);
}

/* VALUE in the given shape behind FIRST: 0 keeps the batch, -1 counts what is left. */
static const char *reshaped(lowering *l, const char *value, int64_t first, uint32_t rank,
                            const uint32_t *dim)
{
    int64_t to[5] = {first};
    for (uint32_t i = 0; i < rank; i++)
        to[i + 1] = dim[i];
    return op_2(l, "Reshape", value, onnx_integers(l->m, rank + 1, to));
}

static const char *tensor_of(lowering *l, const net_tensor *t, const float *values)
{
    float *ordered = arena_alloc(l->memory, t->n, sizeof *ordered);
    const char *name = arena_print(l->memory, "%s%s", l->prefix, t->name);
    if (!ordered || !name)
        return NULL;
    tensor_export(t, values + t->at, ordered);
    return onnx_tensor(l->m, name, ONNX_F32, t->rank, t->dim, ordered);
}

static const char *weight_of(lowering *l, int32_t tensor)
{
    return tensor_of(l, &l->g->weights[tensor], l->weights);
}

static const char *buffer_of(lowering *l, int32_t tensor)
{
    return tensor_of(l, &l->g->buffers[tensor], l->buffers);
}

static const char *sliced(lowering *l, const char *value, size_t from, size_t to,
                          int64_t axis)
{
    int64_t first = (int64_t)from, behind = (int64_t)to;
    const char *in[] = {value, onnx_integers(l->m, 1, &first),
                        onnx_integers(l->m, 1, &behind), onnx_integers(l->m, 1, &axis)};
    return op_of(l, "Slice", 4, in);
}

/* values of nodes */

static const char *value_of(lowering *l, int32_t id);

/* [batch][size] */
static const char *flat_of(lowering *l, int32_t id)
{
    const net_node *v = node_at(l, id);
    uint32_t size = (uint32_t)v->size;
    const char *value = value_of(l, id);
    return v->shape.rank == 1 ? value : reshaped(l, value, 0, 1, &size);
}

/* [batch * sets][cols] */
static const char *rows_of(lowering *l, int32_t id)
{
    uint32_t cols = (uint32_t)node_at(l, id)->cols;
    return reshaped(l, value_of(l, id), -1, 1, &cols);
}

/* Back from rows, or from flat. */
static const char *shaped_as(lowering *l, const net_node *v, const char *value)
{
    return reshaped(l, value, v->sets > 1 ? -1 : 0, v->shape.rank, v->shape.dim);
}

static const char *view_of(lowering *l, const net_node *v)
{
    const char *value = flat_of(l, v->root);
    if (v->size < node_at(l, v->root)->size)
        value = sliced(l, value, v->at, v->at + v->size, 1);
    return v->shape.rank == 1 ? value
                              : reshaped(l, value, 0, v->shape.rank, v->shape.dim);
}

static const char *value_of(lowering *l, int32_t id)
{
    const net_node *v = node_at(l, id);
    if (!l->value[id] && v->op == OP_VIEW)
        l->value[id] = view_of(l, v);
    return l->value[id];
}

/* linear: one product of all parts, in the order of the weight's columns */

typedef struct part {
    size_t column;
    int32_t id;
} part;

static size_t parts_of(const lowering *l, const net_node *v, part *parts)
{
    size_t n = 0, own = v->n_in - (v->based ? 1u : 0u);
    if (v->based)
        n = parts_of(l, node_at(l, v->in[own]), parts);
    for (size_t k = 0; k < own; k++) {
        size_t at = n++;
        for (; at > 0 && parts[at - 1].column > v->column[k]; at--)
            parts[at] = parts[at - 1];
        parts[at] = (part){v->column[k], v->in[k]};
    }
    return n;
}

static size_t count_parts(const lowering *l, const net_node *v)
{
    return v->n_in + (v->based ? count_parts(l, node_at(l, v->in[v->n_in - 1])) : 0);
}

static int32_t bias_of(const lowering *l, const net_node *v)
{
    return v->based ? bias_of(l, node_at(l, v->in[v->n_in - 1])) : v->bias;
}

/* All inputs side by side. */
static const char *joined(lowering *l, const net_node *v)
{
    size_t most = count_parts(l, v);
    part *parts = arena_alloc(l->memory, most, sizeof *parts);
    const char **in = arena_alloc(l->memory, most, sizeof *in);
    if (!parts || !in)
        return NULL;
    size_t n = parts_of(l, v, parts);
    for (size_t i = 0; i < n; i++)
        in[i] = v->exchangeable ? rows_of(l, parts[i].id) : flat_of(l, parts[i].id);
    if (n == 1)
        return in[0];
    const char *all = op_of(l, "Concat", n, in);
    onnx_set_int(l->m, "axis", 1);
    return all;
}

static const char *linear_op(lowering *l, const net_node *v)
{
    int32_t bias = bias_of(l, v);
    const char *in[] = {joined(l, v), weight_of(l, v->weight),
                        bias >= 0 ? weight_of(l, bias) : NULL};
    const char *out = op_of(l, "Gemm", bias >= 0 ? 3 : 2, in);
    onnx_set_int(l->m, "transB", 1);
    return v->exchangeable ? shaped_as(l, v, out) : out;
}

/* windows */

static size_t spatial(const net_node *v)
{
    return v->shape.rank - 1;
}

/* By height and width, in one dimension by width alone. */
static void set_sizes(lowering *l, const net_node *v, const char *name,
                      const size_t *size)
{
    int64_t values[2] = {(int64_t)size[0], (int64_t)size[1]};
    onnx_set_ints(l->m, name, spatial(v), values + 2 - spatial(v));
}

/* Before and behind each dimension. */
static void set_padding(lowering *l, const net_node *v)
{
    const size_t *p = v->window->padding;
    int64_t values[4] = {(int64_t)p[0], (int64_t)p[1], (int64_t)p[0], (int64_t)p[1]};
    if (spatial(v) == 1)
        values[0] = values[1];
    onnx_set_ints(l->m, "pads", 2 * spatial(v), values);
}

static void set_window(lowering *l, const net_node *v)
{
    set_sizes(l, v, "kernel_shape", v->window->kernel);
    set_sizes(l, v, "strides", v->window->stride);
    set_padding(l, v);
}

/* A linear layer over channels is a convolution of one tap. */
static const char *conv_op(lowering *l, const net_node *v)
{
    const char *in[] = {value_of(l, v->in[0]), weight_of(l, v->weight),
                        v->bias >= 0 ? weight_of(l, v->bias) : NULL};
    const char *out = op_of(l, "Conv", v->bias >= 0 ? 3 : 2, in);
    if (v->op == OP_CONV) {
        set_window(l, v);
        set_sizes(l, v, "dilations", v->window->dilation);
        onnx_set_int(l->m, "group", (int64_t)v->window->groups);
    }
    return out;
}

static const char *max_pool_op(lowering *l, const net_node *v)
{
    const char *out = op_1(l, "MaxPool", value_of(l, v->in[0]));
    set_window(l, v);
    return out;
}

static const char *average_pool_op(lowering *l, const net_node *v)
{
    const char *out = op_1(l, "AveragePool", value_of(l, v->in[0]));
    set_window(l, v);
    onnx_set_int(l->m, "count_include_pad", 1);
    return out;
}

/* The mean over axes FIRST .. LAST. */
static const char *mean_over(lowering *l, const char *value, int64_t first, int64_t last,
                             bool keep)
{
    int64_t axes[4];
    size_t n = 0;
    for (int64_t i = first; i <= last; i++)
        axes[n++] = i;
    const char *out = op_1(l, "ReduceMean", value);
    onnx_set_ints(l->m, "axes", n, axes);
    onnx_set_int(l->m, "keepdims", keep);
    return out;
}

/* Over exchangeable rows, the first dimension; or over the places of each channel. */
static const char *set_mean_op(lowering *l, const net_node *v)
{
    const net_node *in = node_at(l, v->in[0]);
    const char *value = value_of(l, v->in[0]);
    if (in->last)
        return mean_over(l, value, 2, in->shape.rank, false);
    return mean_over(l, value, 1, 1, in->shape.rank == 1);
}

/* norms */

/* The channels of V in a tensor that the leaves of a concat share. */
static const char *channels_of(lowering *l, const net_node *v, const net_tensor *t,
                               const char *whole)
{
    return t->n == v->channels
               ? whole
               : sliced(l, whole, v->channel_at, v->channel_at + v->channels, 0);
}

static const char *batch_norm_op(lowering *l, const net_node *v)
{
    const net *g = l->g;
    const char *in[] = {
        v->exchangeable ? rows_of(l, v->in[0]) : value_of(l, v->in[0]),
        channels_of(l, v, &g->weights[v->weight], weight_of(l, v->weight)),
        channels_of(l, v, &g->weights[v->bias], weight_of(l, v->bias)),
        channels_of(l, v, &g->buffers[v->mean], buffer_of(l, v->mean)),
        channels_of(l, v, &g->buffers[v->variance], buffer_of(l, v->variance)),
    };
    const char *out = op_of(l, "BatchNormalization", 5, in);
    onnx_set_float(l->m, "epsilon", NORM_EPS);
    return v->exchangeable ? shaped_as(l, v, out) : out;
}

/* (x - mean) / sqrt(variance + eps) weight + bias over the dimensions of the weight. */
static const char *layer_norm_op(lowering *l, const net_node *v)
{
    const net_tensor *t = &l->g->weights[v->weight];
    bool single = v->exchangeable && v->shape.rank == 1; /* a set of numbers */
    const uint32_t dim[2] = {v->shape.dim[0], 1};
    const char *x = value_of(l, v->in[0]);
    if (single)
        x = reshaped(l, x, 0, 2, dim);
    int64_t last = single ? 2 : v->shape.rank, first = last - t->rank + 1;
    const char *centred = op_2(l, "Sub", x, mean_over(l, x, first, last, true));
    const char *variance =
        mean_over(l, op_2(l, "Mul", centred, centred), first, last, true);
    const char *deviation =
        op_1(l, "Sqrt", op_2(l, "Add", variance, number(l, NORM_EPS)));
    const char *y = op_2(l, "Div", centred, deviation);
    y = op_2(l, "Mul", y, weight_of(l, v->weight));
    y = op_2(l, "Add", y, weight_of(l, v->bias));
    return single ? reshaped(l, y, 0, 1, dim) : y;
}

/* activations, with the constants of kernels.c */

/* x (1 + erf(x / sqrt 2)) / 2 */
static const char *gelu_op(lowering *l, const char *x)
{
    const char *erf = op_1(l, "Erf", op_2(l, "Mul", x, number(l, 0.70710678118654752)));
    const char *twice = op_2(l, "Mul", x, op_2(l, "Add", erf, number(l, 1)));
    return op_2(l, "Mul", twice, number(l, 0.5));
}

static const char *activate_op(lowering *l, const net_node *v)
{
    const char *x = value_of(l, v->in[0]), *y = NULL;
    switch (v->f) {
    case NRE_RELU:
        return op_1(l, "Relu", x);
    case NRE_LEAKY_RELU:
        y = op_1(l, "LeakyRelu", x);
        onnx_set_float(l->m, "alpha", 0.01);
        return y;
    case NRE_ELU:
        return op_1(l, "Elu", x);
    case NRE_SELU:
        return op_1(l, "Selu", x);
    case NRE_GELU:
        return gelu_op(l, x);
    case NRE_TANH:
        return op_1(l, "Tanh", x);
    }
    return NULL;
}

/* the others */

static const char *concat_op(lowering *l, const net_node *v)
{
    const char **in = arena_alloc(l->memory, v->n_in, sizeof *in);
    for (uint32_t k = 0; in && k < v->n_in; k++)
        in[k] = value_of(l, v->in[k]);
    const char *out = in ? op_of(l, "Concat", v->n_in, in) : NULL;
    onnx_set_int(l->m, "axis", 1);
    return out;
}

/* A change of the order in memory is none of the values. */
static const char *transpose_op(lowering *l, const net_node *v)
{
    static const int64_t SWAPPED[] = {0, 2, 1};
    const char *value = value_of(l, v->in[0]);
    if (node_at(l, v->in[0])->last != v->last)
        return value;
    const char *out = op_1(l, "Transpose", value);
    onnx_set_ints(l->m, "perm", 3, SWAPPED);
    return out;
}

static const char *node_op(lowering *l, const net_node *v)
{
    switch (v->op) {
    case OP_COPY:
    case OP_REPEAT:
    case OP_DROPOUT:
        return value_of(l, v->in[0]);
    case OP_CONCAT:
        return concat_op(l, v);
    case OP_TRANSPOSE:
        return transpose_op(l, v);
    case OP_SET_MEAN:
        return set_mean_op(l, v);
    case OP_ADD:
        return op_2(l, "Add", value_of(l, v->in[0]), value_of(l, v->in[1]));
    case OP_MULTIPLY:
        return op_2(l, "Mul", value_of(l, v->in[0]), value_of(l, v->in[1]));
    case OP_LINEAR:
        return v->last ? conv_op(l, v) : linear_op(l, v);
    case OP_CONV:
        return conv_op(l, v);
    case OP_MAX_POOL:
        return max_pool_op(l, v);
    case OP_AVERAGE_POOL:
        return average_pool_op(l, v);
    case OP_ACTIVATE:
        return activate_op(l, v);
    case OP_BATCH_NORM:
        return batch_norm_op(l, v);
    case OP_LAYER_NORM:
        return layer_norm_op(l, v);
    default:
        bug_if(true);
        return NULL;
    }
}

static const char *lower(lowering *l, const char *theta, const char *x)
{
    const net *g = l->g;
    l->value = arena_alloc(l->memory, g->n_nodes, sizeof *l->value);
    l->inside = arena_alloc(l->memory, g->n_nodes, sizeof *l->inside);
    if (!l->value || !l->inside)
        return NULL;
    l->value[NODE_THETA] = theta;
    l->value[NODE_X] = x;
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = node_at(l, g->order[i]);
        if (v->op == OP_LINEAR && v->based)
            l->inside[v->in[v->n_in - 1]] = true;
    }
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = node_at(l, g->order[i]);
        if (!l->inside[v->id])
            l->value[v->id] = node_op(l, v);
    }
    return reshaped(l, value_of(l, g->logit), -1, 0, NULL);
}

const char *onnx_net(onnx *m, const net *g, const float *weights, const float *buffers,
                     const char *prefix, const char *theta, const char *x)
{
    lowering l = {.m = m,
                  .g = g,
                  .weights = weights,
                  .buffers = buffers,
                  .prefix = prefix,
                  .memory = arena_new()};
    const char *logit = l.memory ? lower(&l, theta, x) : NULL;
    arena_free(l.memory);
    return logit ? logit : onnx_op(m, "Identity", NULL, 1, &logit);
}

/* tests/nn/plain_onnx.c - ONNX models by plain loops in double. */
#include "plain_onnx.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { RANK = 5, MOST_VALUES = 4096, MOST_INPUTS = 8 };

typedef struct value {
    const char *name;
    size_t rank, dim[RANK], n;
    double *at;
} value;

typedef struct machine {
    arena *memory;
    size_t n;
    value *values;
} machine;

/* A node with its inputs. */
typedef struct call {
    machine *m;
    const Onnx__NodeProto *node;
    size_t n;
    value in[MOST_INPUTS];
} call;

Onnx__ModelProto *plain_onnx_open(const char *path)
{
    char *bytes = NULL;
    size_t n = 0;
    cr_assert_eq(file_read(path, 1 << 28, &bytes, &n), 0, "%s", error_message());
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, n, (const uint8_t *)bytes);
    cr_assert_not_null(m, "'%s' is no ONNX model", path);
    free(bytes);
    return m;
}

const Onnx__TensorProto *plain_onnx_constant(const Onnx__ModelProto *m, const char *name)
{
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        if (!strcmp(m->graph->initializer[i]->name, name))
            return m->graph->initializer[i];
    return NULL;
}

const char *plain_onnx_note(const Onnx__ModelProto *m, const char *key)
{
    for (size_t i = 0; i < m->n_metadata_props; i++)
        if (!strcmp(m->metadata_props[i]->key, key))
            return m->metadata_props[i]->value;
    return NULL;
}

/* values */

static value *value_new(machine *m, const char *name, size_t rank, const size_t *dim)
{
    cr_assert_lt(m->n, MOST_VALUES);
    for (size_t i = 0; i < m->n; i++)
        cr_assert_str_neq(m->values[i].name, name, "'%s' is there twice", name);
    value *v = &m->values[m->n++];
    *v = (value){.name = name, .rank = rank, .n = 1};
    for (size_t i = 0; i < rank; i++)
        v->n *= v->dim[i] = dim[i];
    v->at = arena_alloc(m->memory, v->n + 1, sizeof *v->at);
    return v;
}

static const value *value_find(const machine *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->values[i].name, name))
            return &m->values[i];
    cr_assert_fail("'%s' is used before it is known", name);
    return NULL;
}

static double item_of(const Onnx__TensorProto *t, size_t i)
{
    const uint8_t *raw = t->raw_data.data;
    float f;
    double d;
    int64_t l;
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        memcpy(&f, raw + i * sizeof f, sizeof f);
        return (double)f;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        memcpy(&d, raw + i * sizeof d, sizeof d);
        return d;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        memcpy(&l, raw + i * sizeof l, sizeof l);
        return (double)l;
    default:
        cr_assert_eq(t->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__BOOL);
        return raw[i];
    }
}

static void add_constant(machine *m, const Onnx__TensorProto *t)
{
    size_t dim[RANK] = {0};
    cr_assert_leq(t->n_dims, RANK);
    for (size_t i = 0; i < t->n_dims; i++)
        dim[i] = (size_t)t->dims[i];
    value *v = value_new(m, t->name, t->n_dims, dim);
    size_t size = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT  ? 4
                  : t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL ? 1
                                                                        : 8;
    cr_assert_eq(t->raw_data.len, v->n * size, "%s", t->name);
    for (size_t i = 0; i < v->n; i++)
        v->at[i] = item_of(t, i);
}

static void add_input(machine *m, const Onnx__ValueInfoProto *info, size_t n,
                      const double *rows)
{
    const Onnx__TensorShapeProto *s = info->type->tensor_type->shape;
    cr_assert_eq(s->n_dim, 2);
    cr_assert_str_eq(s->dim[0]->dim_param, "batch");
    size_t dim[2] = {n, (size_t)s->dim[1]->dim_value};
    value *v = value_new(m, info->name, 2, dim);
    memcpy(v->at, rows, v->n * sizeof *rows);
}

static value *result(const call *c, size_t rank, const size_t *dim)
{
    return value_new(c->m, c->node->output[0], rank, dim);
}

static const Onnx__AttributeProto *attribute(const call *c, const char *name)
{
    for (size_t i = 0; i < c->node->n_attribute; i++)
        if (!strcmp(c->node->attribute[i]->name, name))
            return c->node->attribute[i];
    return NULL;
}

static double float_of(const call *c, const char *name, double fallback)
{
    const Onnx__AttributeProto *a = attribute(c, name);
    return a ? (double)a->f : fallback;
}

static int64_t int_of(const call *c, const char *name, int64_t fallback)
{
    const Onnx__AttributeProto *a = attribute(c, name);
    return a ? a->i : fallback;
}

/* Item I of a list; of windows in one dimension the height comes first, as FALLBACK. */
static size_t item(const call *c, const char *name, size_t i, size_t n, size_t fallback)
{
    const Onnx__AttributeProto *a = attribute(c, name);
    size_t missing = a ? n - a->n_ints : n;
    return i < missing ? fallback : (size_t)a->ints[i - missing];
}

/* Position of a flat index in each dimension. */
static void unravel(const value *v, size_t i, size_t *at)
{
    for (size_t k = v->rank; k-- > 0; i /= v->dim[k])
        at[k] = i % v->dim[k];
}

/* Where V, of perhaps fewer or shorter dimensions, is read for position AT of RANK. */
static double broadcast(const value *v, size_t rank, const size_t *at)
{
    size_t i = 0;
    for (size_t k = 0; k < v->rank; k++)
        i = i * v->dim[k] + (v->dim[k] == 1 ? 0 : at[rank - v->rank + k]);
    return v->at[i];
}

/* elementwise */

static double elementwise(const call *c, const double *a)
{
    const char *type = c->node->op_type;
    const double x = a[0];
#define OP(name)                                                                         \
    if (!strcmp(type, name))                                                             \
    return
    OP("Identity") x;
    OP("Cast") x;
    OP("Add") x + a[1];
    OP("Sub") x - a[1];
    OP("Mul") x *a[1];
    OP("Div") x / a[1];
    OP("Min") fmin(x, a[1]);
    OP("GreaterOrEqual") x >= a[1];
    OP("Where") x != 0 ? a[1] : a[2];
    OP("Mean")(x + a[1]) / 2;
    OP("Sqrt") sqrt(x);
    OP("Log") log(x);
    OP("Asinh") asinh(x);
    OP("Erf") erf(x);
    OP("Tanh") tanh(x);
    OP("Relu") fmax(x, 0);
    OP("LeakyRelu") x > 0 ? x : float_of(c, "alpha", 0.01) * x;
    OP("Elu") x > 0 ? x : float_of(c, "alpha", 1) * expm1(x);
    OP("Selu")
    float_of(c, "gamma", 1.05070102214813232421875) *
        (x > 0 ? x : float_of(c, "alpha", 1.67326319217681884765625) * expm1(x));
#undef OP
    cr_assert_fail("there is no op '%s'", type);
    return 0;
}

static void run_elementwise(const call *c)
{
    size_t rank = 0, dim[RANK], at[RANK];
    double a[MOST_INPUTS];
    for (size_t k = 0; k < c->n; k++)
        rank = c->in[k].rank > rank ? c->in[k].rank : rank;
    for (size_t i = 0; i < rank; i++)
        dim[i] = 1;
    for (size_t k = 0; k < c->n; k++)
        for (size_t i = 0; i < c->in[k].rank; i++) {
            size_t *d = &dim[rank - c->in[k].rank + i], own = c->in[k].dim[i];
            cr_assert(*d == 1 || own == 1 || *d == own, "%s", c->node->name);
            *d = own > *d ? own : *d;
        }
    value *out = result(c, rank, dim);
    for (size_t i = 0; i < out->n; i++) {
        unravel(out, i, at);
        for (size_t k = 0; k < c->n; k++)
            a[k] = broadcast(&c->in[k], rank, at);
        out->at[i] = elementwise(c, a);
    }
}

/* shapes */

static void run_reshape(const call *c)
{
    size_t dim[RANK], known = 1, open = RANK, rank = c->in[1].n;
    cr_assert_leq(rank, RANK);
    for (size_t i = 0; i < rank; i++) {
        double d = c->in[1].at[i];
        if (d < 0)
            open = i;
        else
            known *= dim[i] = d > 0 ? (size_t)d : c->in[0].dim[i];
    }
    if (open < RANK)
        known *= dim[open] = c->in[0].n / known;
    cr_assert_eq(known, c->in[0].n, "%s", c->node->name);
    memcpy(result(c, rank, dim)->at, c->in[0].at, known * sizeof(double));
}

static void run_slice(const call *c)
{
    const value *in = &c->in[0];
    size_t from = (size_t)c->in[1].at[0], to = (size_t)c->in[2].at[0],
           axis = (size_t)c->in[3].at[0], dim[RANK], at[RANK];
    cr_assert(from < to && to <= in->dim[axis], "%s", c->node->name);
    memcpy(dim, in->dim, sizeof dim);
    dim[axis] = to - from;
    value *out = result(c, in->rank, dim);
    for (size_t i = 0; i < out->n; i++) {
        unravel(out, i, at);
        at[axis] += from;
        out->at[i] = broadcast(in, in->rank, at);
    }
}

static void run_concat(const call *c)
{
    const value *first = &c->in[0];
    size_t dim[RANK], at[RANK];
    cr_assert_eq(int_of(c, "axis", -1), 1);
    memcpy(dim, first->dim, sizeof dim);
    for (size_t k = 1; k < c->n; k++)
        dim[1] += c->in[k].dim[1];
    value *out = result(c, first->rank, dim);
    for (size_t i = 0; i < out->n; i++) {
        size_t k = 0;
        unravel(out, i, at);
        for (; at[1] >= c->in[k].dim[1]; k++)
            at[1] -= c->in[k].dim[1];
        cr_assert_eq(c->in[k].rank, out->rank);
        out->at[i] = broadcast(&c->in[k], out->rank, at);
    }
}

static void run_transpose(const call *c)
{
    const value *in = &c->in[0];
    size_t dim[RANK], at[RANK], from[RANK];
    for (size_t k = 0; k < in->rank; k++)
        dim[k] = in->dim[item(c, "perm", k, in->rank, 0)];
    value *out = result(c, in->rank, dim);
    for (size_t i = 0; i < out->n; i++) {
        unravel(out, i, at);
        for (size_t k = 0; k < in->rank; k++)
            from[item(c, "perm", k, in->rank, 0)] = at[k];
        out->at[i] = broadcast(in, in->rank, from);
    }
}

static void run_reduce_mean(const call *c)
{
    const value *in = &c->in[0];
    const Onnx__AttributeProto *axes = attribute(c, "axes");
    bool gone[RANK] = {false};
    size_t kept[RANK], dim[RANK], rank = 0, at[RANK];
    memcpy(kept, in->dim, sizeof kept);
    for (size_t i = 0; i < axes->n_ints; i++) {
        gone[axes->ints[i]] = true;
        kept[axes->ints[i]] = 1;
    }
    for (size_t k = 0; k < in->rank; k++)
        if (!gone[k] || int_of(c, "keepdims", 1))
            dim[rank++] = kept[k];
    value *out = result(c, rank, dim);
    value narrow = {.rank = in->rank, .at = out->at};
    memcpy(narrow.dim, kept, sizeof kept);
    for (size_t i = 0; i < in->n; i++) {
        size_t to = 0;
        unravel(in, i, at);
        for (size_t k = 0; k < in->rank; k++)
            to = to * kept[k] + (gone[k] ? 0 : at[k]);
        narrow.at[to] += in->at[i] * (double)out->n / (double)in->n;
    }
}

/* layers */

static void run_gemm(const call *c)
{
    const value *a = &c->in[0], *b = &c->in[1];
    size_t dim[2] = {a->dim[0], b->dim[0]}, k = a->dim[1];
    cr_assert(a->rank == 2 && b->rank == 2 && b->dim[1] == k && int_of(c, "transB", 0),
              "%s", c->node->name);
    value *out = result(c, 2, dim);
    for (size_t i = 0; i < out->n; i++) {
        size_t u = i % dim[1];
        out->at[i] = c->n > 2 ? c->in[2].at[u] : 0;
        for (size_t j = 0; j < k; j++)
            out->at[i] += a->at[i / dim[1] * k + j] * b->at[u * k + j];
    }
}

static void run_batch_norm(const call *c)
{
    const value *in = &c->in[0];
    value *out = result(c, in->rank, in->dim);
    size_t at[RANK];
    for (size_t k = 1; k < 5; k++)
        cr_assert_eq(c->in[k].n, in->dim[1], "%s", c->node->name);
    for (size_t i = 0; i < out->n; i++) {
        unravel(in, i, at);
        size_t u = at[1];
        double scale =
            c->in[1].at[u] / sqrt(c->in[4].at[u] + float_of(c, "epsilon", 1e-5));
        out->at[i] = (in->at[i] - c->in[3].at[u]) * scale + c->in[2].at[u];
    }
}

/* Windows by height (1 in one dimension) and width. */
typedef struct windows {
    size_t in[2], out[2], kernel[2], stride[2], dilation[2], padding[2];
} windows;

static windows windows_of(const call *c, const size_t *kernel)
{
    const value *in = &c->in[0];
    windows w = {.in = {1, in->dim[in->rank - 1]}};
    size_t spatial = in->rank - 2;
    cr_assert(spatial == 1 || spatial == 2);
    if (spatial == 2)
        w.in[0] = in->dim[2];
    for (size_t i = 0; i < 2; i++) {
        w.kernel[i] = item(c, "kernel_shape", i, 2, kernel ? kernel[i] : 1);
        w.stride[i] = item(c, "strides", i, 2, 1);
        w.dilation[i] = item(c, "dilations", i, 2, 1);
        const Onnx__AttributeProto *p = attribute(c, "pads");
        bool has = p && i + spatial >= 2;
        w.padding[i] = has ? (size_t)p->ints[i + spatial - 2] : 0;
        cr_assert(!has || p->ints[i + spatial - 2] == p->ints[i + 2 * spatial - 2]);
        w.out[i] = (w.in[i] + 2 * w.padding[i] - w.dilation[i] * (w.kernel[i] - 1) - 1) /
                       w.stride[i] +
                   1;
    }
    return w;
}

static value *windows_result(const call *c, const windows *w, size_t channels)
{
    size_t dim[4] = {c->in[0].dim[0], channels, w->out[1], w->out[1]};
    if (c->in[0].rank == 4)
        dim[2] = w->out[0];
    return result(c, c->in[0].rank, dim);
}

/* What tap (I, J) of the window at (Y, X) sees in PLANE; false: padding. */
static bool tap(const windows *w, const double *plane, size_t y, size_t x, size_t i,
                size_t j, double *out)
{
    size_t row = y * w->stride[0] + i * w->dilation[0],
           col = x * w->stride[1] + j * w->dilation[1];
    if (row < w->padding[0] || row - w->padding[0] >= w->in[0] || col < w->padding[1] ||
        col - w->padding[1] >= w->in[1])
        return false;
    *out = plane[(row - w->padding[0]) * w->in[1] + col - w->padding[1]];
    return true;
}

/* Sum over a window of PLANE, times WEIGHT unless that is NULL; or its maximum. */
static double over_window(const windows *w, const double *plane, const double *weight,
                          bool maximum, size_t place)
{
    double sum = maximum ? -INFINITY : 0, v;
    for (size_t t = 0; t < w->kernel[0] * w->kernel[1]; t++)
        if (tap(w, plane, place / w->out[1], place % w->out[1], t / w->kernel[1],
                t % w->kernel[1], &v))
            sum = maximum ? fmax(sum, v) : sum + v * (weight ? weight[t] : 1);
    return sum;
}

static void run_conv(const call *c)
{
    const value *in = &c->in[0], *weight = &c->in[1];
    size_t kernel[2] = {weight->rank == 4 ? weight->dim[2] : 1,
                        weight->dim[weight->rank - 1]};
    windows w = windows_of(c, kernel);
    size_t groups = (size_t)int_of(c, "group", 1), channels = weight->dim[0],
           own = weight->dim[1], taps = w.kernel[0] * w.kernel[1],
           plane = w.in[0] * w.in[1], places = w.out[0] * w.out[1];
    cr_assert_eq(own * groups, in->dim[1], "%s", c->node->name);
    cr_assert(w.kernel[0] == kernel[0] && w.kernel[1] == kernel[1]);
    value *out = windows_result(c, &w, channels);
    for (size_t i = 0; i < out->n; i++) {
        size_t row = i / (channels * places), u = i / places % channels,
               group = u / (channels / groups);
        out->at[i] = c->n > 2 ? c->in[2].at[u] : 0;
        for (size_t k = 0; k < own; k++)
            out->at[i] +=
                over_window(&w, in->at + (row * in->dim[1] + group * own + k) * plane,
                            weight->at + (u * own + k) * taps, false, i % places);
    }
}

static void run_pool(const call *c)
{
    const value *in = &c->in[0];
    windows w = windows_of(c, NULL);
    bool maximum = !strcmp(c->node->op_type, "MaxPool");
    size_t places = w.out[0] * w.out[1];
    cr_assert(maximum || int_of(c, "count_include_pad", 0));
    value *out = windows_result(c, &w, in->dim[1]);
    for (size_t i = 0; i < out->n; i++)
        out->at[i] = over_window(&w, in->at + i / places * w.in[0] * w.in[1], NULL,
                                 maximum, i % places) /
                     (maximum ? 1 : (double)(w.kernel[0] * w.kernel[1]));
}

/* the model */

static void run_node(machine *m, const Onnx__NodeProto *node)
{
    static const struct {
        const char *type;
        void (*run)(const call *c);
    } OPS[] = {{"Reshape", run_reshape},  {"Slice", run_slice},
               {"Concat", run_concat},    {"Transpose", run_transpose},
               {"Gemm", run_gemm},        {"BatchNormalization", run_batch_norm},
               {"Conv", run_conv},        {"MaxPool", run_pool},
               {"AveragePool", run_pool}, {"ReduceMean", run_reduce_mean}};
    call c = {.m = m, .node = node, .n = node->n_input};
    cr_assert_leq(node->n_input, MOST_INPUTS);
    cr_assert_eq(node->n_output, 1);
    for (size_t i = 0; i < c.n; i++)
        c.in[i] = *value_find(m, node->input[i]);
    for (size_t i = 0; i < sizeof OPS / sizeof OPS[0]; i++)
        if (!strcmp(OPS[i].type, node->op_type)) {
            OPS[i].run(&c);
            return;
        }
    run_elementwise(&c);
}

void plain_onnx_run(const Onnx__ModelProto *model, size_t n, const double *theta,
                    const double *x, double *log_ratio)
{
    const Onnx__GraphProto *g = model->graph;
    machine m = {.memory = arena_new()};
    m.values = arena_alloc(m.memory, MOST_VALUES, sizeof *m.values);
    cr_assert(g->n_input == 2 && g->n_output == 1);
    for (size_t i = 0; i < g->n_initializer; i++)
        add_constant(&m, g->initializer[i]);
    cr_assert_str_eq(g->input[0]->name, "theta");
    cr_assert_str_eq(g->input[1]->name, "x");
    add_input(&m, g->input[0], n, theta);
    add_input(&m, g->input[1], n, x);
    for (size_t i = 0; i < g->n_node; i++)
        run_node(&m, g->node[i]);
    const value *out = value_find(&m, g->output[0]->name);
    cr_assert(out->rank == 1 && out->dim[0] == n);
    memcpy(log_ratio, out->at, n * sizeof *log_ratio);
    arena_free(m.memory);
}

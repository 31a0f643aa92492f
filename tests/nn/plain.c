/* tests/nn/plain.c - networks by plain loops in double. */
#include "plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 128 };

/* Every value of a node, of every pair: X nodes are repeated. */
typedef struct value {
    nre_shape shape;
    size_t size;
    bool exchangeable, of_theta;
    double *v; /* [pairs][size] */
} value;

typedef struct plain_graph {
    nre_graph api;
    const plain_batch *b;
    size_t pairs, n, n_weights, n_moments;
    double *moments;
    value node[MOST_NODES];
    int32_t field[3];
} plain_graph;

static size_t size_of(nre_shape s)
{
    size_t n = 1;
    for (uint32_t i = 0; i < s.rank; i++)
        n *= s.dim[i];
    return n;
}

static value *make(plain_graph *g, nre_shape shape, bool exchangeable)
{
    value *v = &g->node[g->n++];
    v->shape = shape;
    v->size = size_of(shape);
    v->exchangeable = exchangeable;
    v->v = calloc(g->pairs * v->size, sizeof *v->v);
    return v;
}

static nre_node last(const plain_graph *g)
{
    return (nre_node)g->n - 1;
}

static plain_graph *of(nre_graph *g)
{
    return (plain_graph *)g;
}

static nre_node plain_field(nre_graph *api, const char *name)
{
    plain_graph *g = of(api);
    if (!name)
        return 0;
    for (size_t i = 0; i < g->b->e->n_fields; i++)
        if (strcmp(g->b->e->fields[i].name, name) == 0)
            return g->field[i];
    return -1;
}

static nre_shape plain_shape(const nre_graph *api, nre_node a)
{
    return ((const plain_graph *)api)->node[a].shape;
}

static nre_node plain_reshape(nre_graph *api, nre_node a, nre_shape to)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    value *y = make(g, to, x->exchangeable && x->shape.dim[0] == to.dim[0]);
    memcpy(y->v, x->v, g->pairs * x->size * sizeof *x->v);
    return last(g);
}

static nre_node plain_concat(nre_graph *api, nre_node a, nre_node b)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a], *z = &g->node[b];
    nre_shape s = x->shape;
    s.dim[0] += z->shape.dim[0];
    value *y = make(g, s, x->exchangeable && z->exchangeable);
    for (size_t p = 0; p < g->pairs; p++) {
        memcpy(y->v + p * y->size, x->v + p * x->size, x->size * sizeof *x->v);
        memcpy(y->v + p * y->size + x->size, z->v + p * z->size, z->size * sizeof *z->v);
    }
    return last(g);
}

static nre_node plain_add(nre_graph *api, nre_node a, nre_node b)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a], *z = &g->node[b];
    value *y = make(g, x->shape, x->exchangeable && z->exchangeable);
    for (size_t i = 0; i < g->pairs * y->size; i++)
        y->v[i] = x->v[i] + z->v[i];
    return last(g);
}

static nre_node plain_multiply(nre_graph *api, nre_node a, nre_node b)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a], *z = &g->node[b];
    value *y = make(g, x->shape, x->exchangeable && z->exchangeable);
    for (size_t i = 0; i < g->pairs * y->size; i++)
        y->v[i] = x->v[i] * z->v[i];
    return last(g);
}

static nre_node plain_slice(nre_graph *api, nre_node a, uint32_t from, uint32_t to)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    nre_shape s = x->shape;
    size_t inner = x->size / s.dim[0];
    s.dim[0] = to - from;
    value *y = make(g, s, x->exchangeable);
    for (size_t p = 0; p < g->pairs; p++)
        memcpy(y->v + p * y->size, x->v + p * x->size + from * inner,
               y->size * sizeof *y->v);
    return last(g);
}

static nre_node plain_transpose(nre_graph *api, nre_node a)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    size_t rows = x->shape.dim[0], cols = x->shape.dim[1];
    value *y = make(g, (nre_shape){2, {(uint32_t)cols, (uint32_t)rows}}, false);
    for (size_t p = 0; p < g->pairs; p++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                y->v[p * y->size + j * rows + i] = x->v[p * x->size + i * cols + j];
    return last(g);
}

static nre_node plain_set_mean(nre_graph *api, nre_node a)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    nre_shape s = {.rank = x->shape.rank - 1, .dim = {x->shape.dim[1], x->shape.dim[2]}};
    value *y = make(g, s, false);
    size_t sets = x->shape.dim[0];
    for (size_t p = 0; p < g->pairs; p++)
        for (size_t i = 0; i < x->size; i++)
            y->v[p * y->size + i % y->size] += x->v[p * x->size + i] / (double)sets;
    return last(g);
}

static nre_node plain_linear(nre_graph *api, nre_node a, uint32_t units, uint32_t bias)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    size_t sets = x->exchangeable ? x->shape.dim[0] : 1, cols = x->size / sets;
    nre_shape s = {1, {units}}, rows = {2, {(uint32_t)sets, units}};
    value *y = make(g, x->exchangeable ? rows : s, x->exchangeable);
    const double *w = g->b->weights + g->n_weights;
    g->n_weights += units * cols + (bias ? units : 0);
    for (size_t r = 0; r < g->pairs * sets; r++)
        for (size_t u = 0; u < units; u++) {
            double sum = bias ? w[units * cols + u] : 0;
            for (size_t c = 0; c < cols; c++)
                sum += w[u * cols + c] * x->v[r * cols + c];
            y->v[r * units + u] = sum;
        }
    return last(g);
}

/* Height and width of a shape: a height of 1 in one dimension. */
static void places(nre_shape s, size_t out[2])
{
    out[0] = s.rank == 3 ? s.dim[1] : 1;
    out[1] = s.dim[s.rank - 1];
}

/* A window as the conv and pool calls have it, by dimension. */
typedef struct plain_window {
    size_t in[2], out[2], kernel[2], stride[2], padding[2], dilation[2];
} plain_window;

static plain_window window_of(nre_shape s, const nre_conv *c, nre_shape *to)
{
    plain_window w = {.kernel = {1, c->kernel},
                      .stride = {1, c->stride ? c->stride : 1},
                      .padding = {0, c->padding},
                      .dilation = {1, c->dilation ? c->dilation : 1}};
    places(s, w.in);
    if (s.rank == 3) {
        w.kernel[0] = w.kernel[1];
        w.stride[0] = w.stride[1];
        w.padding[0] = w.padding[1];
        w.dilation[0] = w.dilation[1];
    }
    for (size_t d = 0; d < 2; d++)
        w.out[d] = (w.in[d] + 2 * w.padding[d] - w.dilation[d] * (w.kernel[d] - 1) - 1) /
                       w.stride[d] +
                   1;
    *to = s;
    to->dim[s.rank - 1] = (uint32_t)w.out[1];
    if (s.rank == 3)
        to->dim[1] = (uint32_t)w.out[0];
    return w;
}

/* Where tap K of the window at place P lies in a channel; -1: outside. */
static long tap_of(const plain_window *w, size_t p, size_t k)
{
    size_t place[2] = {p / w->out[1], p % w->out[1]};
    size_t tap[2] = {k / w->kernel[1], k % w->kernel[1]};
    long at[2];
    for (size_t d = 0; d < 2; d++) {
        at[d] = (long)(place[d] * w->stride[d] + tap[d] * w->dilation[d]) -
                (long)w->padding[d];
        if (at[d] < 0 || at[d] >= (long)w->in[d])
            return -1;
    }
    return at[0] * (long)w->in[1] + at[1];
}

/* Weights as the network has them in memory: [out][taps][in of a group]. */
static nre_node plain_conv(nre_graph *api, nre_node a, const nre_conv *c)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    nre_shape s;
    plain_window w = window_of(x->shape, c, &s);
    size_t groups = c->groups ? c->groups : 1, in = x->shape.dim[0] / groups;
    size_t out = c->channels / groups, inside = w.in[0] * w.in[1];
    size_t n_places = w.out[0] * w.out[1], taps = w.kernel[0] * w.kernel[1];
    s.dim[0] = c->channels;
    value *y = make(g, s, false);
    const double *v = g->b->weights + g->n_weights, *bias = v + c->channels * taps * in;
    g->n_weights += c->channels * taps * in + (c->bias ? c->channels : 0);
    for (size_t r = 0; r < g->pairs; r++)
        for (size_t u = 0; u < c->channels; u++)
            for (size_t p = 0; p < n_places; p++) {
                double sum = c->bias ? bias[u] : 0;
                for (size_t k = 0; k < taps; k++)
                    for (size_t i = 0; i < in && tap_of(&w, p, k) >= 0; i++)
                        sum += v[(u * taps + k) * in + i] *
                               x->v[r * x->size + (u / out * in + i) * inside +
                                    (size_t)tap_of(&w, p, k)];
                y->v[r * y->size + u * n_places + p] = sum;
            }
    return last(g);
}

static nre_node plain_pool(nre_graph *api, nre_node a, const nre_conv *c, bool highest)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    nre_shape s;
    plain_window w = window_of(x->shape, c, &s);
    size_t inside = w.in[0] * w.in[1], n_places = w.out[0] * w.out[1];
    size_t taps = w.kernel[0] * w.kernel[1];
    value *y = make(g, s, false);
    for (size_t r = 0; r < g->pairs * s.dim[0]; r++)
        for (size_t p = 0; p < n_places; p++) {
            double most = -INFINITY, sum = 0;
            for (size_t k = 0; k < taps; k++) {
                long at = tap_of(&w, p, k);
                double v = at >= 0 ? x->v[r * inside + (size_t)at] : 0;
                sum += v / (double)taps;
                most = at >= 0 && v > most ? v : most;
            }
            y->v[r * n_places + p] = highest ? most : sum;
        }
    return last(g);
}

static nre_node plain_max_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                               uint32_t p)
{
    return plain_pool(api, a, &(nre_conv){.kernel = k, .stride = s, .padding = p}, true);
}

static nre_node plain_average_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                                   uint32_t p)
{
    return plain_pool(api, a, &(nre_conv){.kernel = k, .stride = s, .padding = p}, false);
}

static nre_node plain_mean_pool(nre_graph *api, nre_node a)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    size_t channels = x->shape.dim[0], inner = x->size / channels;
    value *y = make(g, (nre_shape){1, {(uint32_t)channels}}, false);
    for (size_t i = 0; i < g->pairs * x->size; i++)
        y->v[i / inner] += x->v[i] / (double)inner;
    return last(g);
}

/* Normalise entries CHANNEL of ROWS x CHANNELS x INNER over rows and inner. */
static void norm_channel(plain_graph *g, const value *x, value *y, size_t channels,
                         size_t inner, size_t c, const double *w)
{
    size_t rows = g->pairs * x->size / (channels * inner);
    double mean = 0, variance = 0, values = (double)(rows * inner);
    for (size_t i = 0; i < rows * inner; i++)
        mean += x->v[(i / inner * channels + c) * inner + i % inner] / values;
    for (size_t i = 0; i < rows * inner; i++) {
        double d = x->v[(i / inner * channels + c) * inner + i % inner] - mean;
        variance += d * d / values;
    }
    /* A head is normalised over the rows of x: each counts per_x times here. */
    double distinct = x->of_theta ? values : values / (double)g->b->per_x;
    if (g->moments) {
        g->moments[g->n_moments + c] = mean;
        g->moments[g->n_moments + channels + c] = variance * distinct / (distinct - 1);
    }
    if (g->b->buffers) {
        mean = g->b->buffers[g->n_moments + c];
        variance = g->b->buffers[g->n_moments + channels + c];
    }
    for (size_t i = 0; i < rows * inner; i++) {
        size_t k = (i / inner * channels + c) * inner + i % inner;
        y->v[k] = (x->v[k] - mean) / sqrt(variance + 1e-5) * w[c] + w[channels + c];
    }
}

/* Whether a value varies between the thetas of one row of x. */
static bool varies(const plain_graph *g, const value *x)
{
    for (size_t p = 0; p < g->pairs; p++)
        for (size_t i = 0; i < x->size; i++)
            if (x->v[p * x->size + i] !=
                x->v[p / g->b->per_x * g->b->per_x * x->size + i])
                return true;
    return false;
}

static nre_node plain_batch_norm(nre_graph *api, nre_node a)
{
    plain_graph *g = of(api);
    value *x = &g->node[a];
    value *y = make(g, x->shape, x->exchangeable);
    size_t channels = x->exchangeable ? x->size / x->shape.dim[0] : x->shape.dim[0];
    size_t inner = x->exchangeable ? 1 : x->size / channels;
    const double *w = g->b->weights + g->n_weights;
    g->n_weights += 2 * channels;
    x->of_theta = varies(g, x);
    for (size_t c = 0; c < channels; c++)
        norm_channel(g, x, y, channels, inner, c, w);
    g->n_moments += 2 * channels;
    return last(g);
}

static nre_node plain_layer_norm(nre_graph *api, nre_node a)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    value *y = make(g, x->shape, x->exchangeable);
    size_t sets = x->exchangeable ? x->shape.dim[0] : 1, cols = x->size / sets;
    const double *w = g->b->weights + g->n_weights;
    g->n_weights += 2 * cols;
    for (size_t r = 0; r < g->pairs * sets; r++) {
        const double *v = x->v + r * cols;
        double mean = 0, variance = 0;
        for (size_t c = 0; c < cols; c++)
            mean += v[c] / (double)cols;
        for (size_t c = 0; c < cols; c++)
            variance += (v[c] - mean) * (v[c] - mean) / (double)cols;
        for (size_t c = 0; c < cols; c++)
            y->v[r * cols + c] =
                (v[c] - mean) / sqrt(variance + 1e-5) * w[c] + w[cols + c];
    }
    return last(g);
}

static double activation(nre_activation f, double x)
{
    switch (f) {
    case NRE_RELU:
        return x > 0 ? x : 0;
    case NRE_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    case NRE_ELU:
        return x > 0 ? x : expm1(x);
    case NRE_SELU:
        return 1.0507009873554804934193349852946 *
               (x > 0 ? x : 1.6732632423543772848170429916717 * expm1(x));
    case NRE_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case NRE_TANH:
        return tanh(x);
    }
    return NAN;
}

static nre_node plain_activate(nre_graph *api, nre_node a, nre_activation f)
{
    plain_graph *g = of(api);
    const value *x = &g->node[a];
    value *y = make(g, x->shape, x->exchangeable);
    for (size_t i = 0; i < g->pairs * y->size; i++)
        y->v[i] = activation(f, x->v[i]);
    return last(g);
}

static void plain_push(nre_graph *api, const char *format, ...)
{
    (void)api, (void)format;
}

static void plain_pop(nre_graph *api)
{
    (void)api;
}

static void inputs(plain_graph *g)
{
    const plain_batch *b = g->b;
    size_t x_size = 0;
    for (size_t i = 0; i < b->e->n_fields; i++)
        x_size += size_of(b->e->fields[i].shape);
    value *x = make(g, (nre_shape){1, {(uint32_t)x_size}}, false);
    value *theta = make(g, (nre_shape){1, {b->e->n_theta}}, false);
    for (size_t p = 0; p < g->pairs; p++) {
        for (size_t i = 0; i < x_size; i++)
            x->v[p * x_size + i] = b->x[p / b->per_x * x_size + i];
        for (size_t i = 0; i < b->e->n_theta; i++)
            theta->v[p * b->e->n_theta + i] = b->theta[p * b->e->n_theta + i];
    }
    for (size_t i = 0, first = 0; i < b->e->n_fields; i++) {
        value *f = make(g, b->e->fields[i].shape, b->e->fields[i].exchangeable);
        g->field[i] = last(g);
        for (size_t p = 0; p < g->pairs; p++)
            memcpy(f->v + p * f->size, x->v + p * x_size + first, f->size * sizeof *f->v);
        first += f->size;
    }
}

void plain_logits(const plain_batch *b, double *logit, double *moments)
{
    plain_graph *g = calloc(1, sizeof *g);
    g->api = (nre_graph){.struct_size = sizeof(nre_graph),
                         .theta = 1,
                         .x = 2,
                         .field = plain_field,
                         .shape = plain_shape,
                         .reshape = plain_reshape,
                         .concat = plain_concat,
                         .add = plain_add,
                         .multiply = plain_multiply,
                         .slice = plain_slice,
                         .transpose = plain_transpose,
                         .set_mean = plain_set_mean,
                         .linear = plain_linear,
                         .conv = plain_conv,
                         .max_pool = plain_max_pool,
                         .average_pool = plain_average_pool,
                         .mean_pool = plain_mean_pool,
                         .batch_norm = plain_batch_norm,
                         .layer_norm = plain_layer_norm,
                         .activate = plain_activate,
                         .push = plain_push,
                         .pop = plain_pop};
    g->b = b;
    g->pairs = b->n * b->per_x;
    g->moments = moments;
    inputs(g);
    nre_node result = b->e->build(NULL, &g->api);
    memcpy(logit, g->node[result].v, g->pairs * sizeof *logit);
    for (size_t i = 0; i < g->n; i++)
        free(g->node[i].v);
    free(g);
}

double plain_loss(size_t pair, double logit, double *slope)
{
    double a = (double)((pair * 7919) % 201) / 100.0 - 1.0;
    if (slope)
        *slope = a + 0.1 * logit;
    return a * logit + 0.05 * logit * logit;
}

int example_net(const example *e, net **out)
{
    nre_architecture_ops ops = {.struct_size = sizeof ops, .build = e->build};
    nre_plugin p = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE), .name = e->name};
    p.ops.architecture = &ops;
    net_inputs in = {e->n_theta, e->n_fields, e->fields};
    return net_new(&p, NULL, &in, out);
}

void normals(uint64_t seed, size_t n, float *out)
{
    rng r;
    rng_start(&r, rng_purpose(seed, "test"), 0, 0);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)rng_normal(&r);
}

void memory_batch_new(memory_batch *m, const net *g, size_t n, size_t per_x,
                      uint64_t seed)
{
    *m = (memory_batch){n, per_x, net_x_size(g), net_theta_size(g), NULL, NULL, NULL};
    m->x = malloc(n * m->x_size * sizeof(float));
    m->theta = malloc(n * per_x * m->theta_size * sizeof(float));
    m->logit = calloc(n * per_x, sizeof(float));
    normals(seed, n * m->x_size, m->x);
    normals(seed + 1, n * per_x * m->theta_size, m->theta);
}

void memory_batch_free(memory_batch *m)
{
    free(m->x);
    free(m->theta);
    free(m->logit);
}

static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    const memory_batch *m = context;
    size_t thetas = m->per_x * m->theta_size;
    (void)worker;
    memcpy(x, m->x + first * m->x_size, n * m->x_size * sizeof *x);
    memcpy(theta, m->theta + first * thetas, n * thetas * sizeof *theta);
    return NRE_OK;
}

static double loss(void *context, size_t first, size_t n, const float *logit,
                   double measured, float *gradient)
{
    const memory_batch *m = context;
    (void)measured;
    double sum = 0, slope;
    for (size_t i = 0; i < n * m->per_x; i++) {
        sum += plain_loss(first * m->per_x + i, logit[i], &slope);
        gradient[i] = (float)slope;
        m->logit[first * m->per_x + i] = logit[i];
    }
    return sum;
}

trainer_job memory_job(memory_batch *m)
{
    return (trainer_job){.n = m->n,
                         .per_x = m->per_x,
                         .fill = fill,
                         .loss = loss,
                         .context = m,
                         .seed = 5,
                         .step = 1};
}

/* the examples */

static nre_node dense(nre_graph *g, nre_node a, uint32_t units, nre_activation f)
{
    return g->activate(g, g->linear(g, a, units, 1), f);
}

static nre_node mlp(nre_graph *g, nre_activation f)
{
    nre_node a = g->concat(g, g->theta, g->x);
    a = dense(g, a, 9, f);
    a = dense(g, a, 7, f);
    return g->linear(g, a, 1, 1);
}

static nre_node build_relu(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_RELU);
}

static nre_node build_leaky(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_LEAKY_RELU);
}

static nre_node build_elu(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_ELU);
}

static nre_node build_selu(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_SELU);
}

static nre_node build_gelu(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_GELU);
}

static nre_node build_tanh(const void *self, nre_graph *g)
{
    (void)self;
    return mlp(g, NRE_TANH);
}

/* No hidden layer: products of one unit, no bias. */
static nre_node build_no_layer(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->concat(g, g->x, g->theta), 1, 0);
}

/* Batch norm of the inputs, of a head and in the trunk. */
static nre_node build_batch_norm(const void *self, nre_graph *g)
{
    (void)self;
    nre_node z = g->batch_norm(g, g->linear(g, g->x, 5, 0));
    z = g->activate(g, z, NRE_ELU);
    nre_node a = g->batch_norm(g, g->concat(g, g->theta, g->concat(g, g->x, z)));
    a = g->activate(g, g->batch_norm(g, g->linear(g, a, 6, 1)), NRE_SELU);
    a = g->add(g, a, g->activate(g, g->batch_norm(g, g->linear(g, a, 6, 0)), NRE_TANH));
    return g->linear(g, a, 1, 1);
}

static nre_node build_layer_norm(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->layer_norm(g, g->concat(g, g->x, g->theta));
    a = g->activate(g, g->layer_norm(g, g->linear(g, a, 19, 1)), NRE_GELU);
    return g->linear(g, a, 1, 1);
}

/* A node used many times, products, slices that overlap, X met by PAIR nodes in every
 * way. */
static nre_node build_braid(const void *self, nre_graph *g)
{
    (void)self;
    nre_node z = dense(g, g->field(g, "b"), 6, NRE_TANH);
    nre_node t = dense(g, g->theta, 6, NRE_TANH);
    nre_node m = g->multiply(g, z, t);
    nre_node s = g->concat(g, g->slice(g, m, 1, 4), g->slice(g, m, 3, 6));
    nre_node u = g->add(g, g->add(g, s, m), g->multiply(g, t, t));
    u = g->concat(g, g->activate(g, u, NRE_SELU), g->slice(g, z, 2, 5));
    u = g->layer_norm(g, u);
    return g->linear(g, g->concat(g, g->concat(g, u, g->theta), g->field(g, NULL)), 1, 1);
}

/* Sums before and after their activation, as in residual blocks; a whole head in a concat
 * that must be laid out, and one that meets theta in a product alone. */
static nre_node build_residual(const void *self, nre_graph *g)
{
    (void)self;
    nre_node h = g->linear(g, g->concat(g, g->theta, g->x), 6, 1);
    nre_node z = dense(g, g->x, 4, NRE_ELU);
    nre_node y = dense(g, g->x, 6, NRE_GELU);
    h = g->add(g, h, g->activate(g, h, NRE_SELU));
    h = g->multiply(g, h, y);
    h = g->add(g, g->activate(g, h, NRE_GELU), h);
    h = g->layer_norm(g, g->concat(g, h, z));
    h = g->add(g, h, g->batch_norm(g, h));
    return g->linear(g, h, 1, 1);
}

/* Matrices: transposed, reshaped, normalised by channel. */
static nre_node build_matrix(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->field(g, "b");
    nre_node t = g->batch_norm(g, g->transpose(g, a));
    t = g->activate(g, t, NRE_SELU);
    t = g->transpose(g, g->multiply(g, t, g->transpose(g, a)));
    nre_shape flat = {1, {g->shape(g, t).dim[0] * g->shape(g, t).dim[1]}};
    t = g->concat(g, g->reshape(g, t, flat), g->theta);
    nre_shape square = {2, {4, 2}};
    nre_node h = g->reshape(g, g->activate(g, g->linear(g, t, 8, 1), NRE_GELU), square);
    h = g->batch_norm(g, h);
    return g->linear(g, h, 1, 1);
}

/* Exchangeable rows: shared layers, norms by feature, mean, then theta. */
static nre_node build_set(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = dense(g, g->field(g, "rows"), 5, NRE_SELU);
    a = g->batch_norm(g, a);
    a = g->layer_norm(g, g->linear(g, g->activate(g, a, NRE_GELU), 4, 1));
    nre_node u = g->concat(g, g->set_mean(g, a), g->set_mean(g, g->slice(g, a, 0, 2)));
    u = g->concat(g, g->concat(g, g->theta, u), g->field(g, "rest"));
    return g->linear(g, dense(g, u, 6, NRE_ELU), 1, 1);
}

static nre_node conv_of(nre_graph *g, nre_node a, nre_conv c)
{
    return g->conv(g, a, &c);
}

/* Convolutions of all kinds over a line, their values met in both orders. */
static nre_node build_conv(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->field(g, "line");
    nre_node z = conv_of(g, a, (nre_conv){.channels = 4, .kernel = 3, .padding = 1});
    z = g->activate(g, z, NRE_SELU);
    nre_node strided = conv_of(
        g, z,
        (nre_conv){.channels = 6, .kernel = 4, .stride = 2, .padding = 2, .bias = 1});
    strided = g->activate(g, strided, NRE_TANH);
    nre_node far = conv_of(g, z,
                           (nre_conv){.channels = 4,
                                      .kernel = 3,
                                      .padding = 4,
                                      .dilation = 4,
                                      .groups = 2,
                                      .bias = 1});
    nre_node point = conv_of(g, far, (nre_conv){.channels = 3, .kernel = 1, .bias = 1});
    nre_node skip = conv_of(g, z, (nre_conv){.channels = 3, .kernel = 1, .stride = 2});
    nre_shape flat = {1, {3 * 9}};
    nre_node met = g->multiply(g, g->reshape(g, point, flat), g->reshape(g, point, flat));
    met = g->concat(g, met, g->mean_pool(g, g->activate(g, skip, NRE_GELU)));
    met = g->concat(g, met, g->reshape(g, strided, (nre_shape){1, {6 * 5}}));
    return g->linear(g, dense(g, g->concat(g, met, g->theta), 5, NRE_ELU), 1, 1);
}

/* Two dimensions, pools, and a sum of values in different orders. */
static nre_node build_image(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->field(g, "image");
    nre_node z =
        conv_of(g, a, (nre_conv){.channels = 3, .kernel = 3, .padding = 1, .bias = 1});
    z = g->add(g, a, g->activate(g, z, NRE_TANH));
    nre_node high = g->max_pool(g, z, 3, 2, 1);
    nre_node mean = g->average_pool(g, z, 2, 2, 1);
    nre_node far =
        conv_of(g, z, (nre_conv){.channels = 6, .kernel = 2, .dilation = 2, .groups = 3});
    nre_node u =
        g->concat(g, g->mean_pool(g, high), g->mean_pool(g, g->multiply(g, mean, mean)));
    u = g->concat(g, u, g->mean_pool(g, g->activate(g, far, NRE_GELU)));
    u = g->concat(g, u,
                  g->reshape(g, g->slice(g, high, 1, 3), (nre_shape){1, {2 * 3 * 2}}));
    return g->linear(g, g->concat(g, u, g->theta), 1, 1);
}

/* A residual block with batch norm, over x and then over what theta changes. */
static nre_node norm_block(nre_graph *g, nre_node a, uint32_t stride)
{
    uint32_t channels = 4 * stride;
    nre_node z = conv_of(
        g, a,
        (nre_conv){.channels = channels, .kernel = 3, .padding = 1, .stride = stride});
    z = g->activate(g, g->batch_norm(g, z), NRE_ELU);
    z = conv_of(g, z, (nre_conv){.channels = channels, .kernel = 3, .padding = 1});
    z = g->batch_norm(g, z);
    if (stride > 1) {
        a = conv_of(g, a,
                    (nre_conv){.channels = channels, .kernel = 1, .stride = stride});
        a = g->batch_norm(g, a);
    }
    return g->activate(g, g->add(g, z, a), NRE_ELU);
}

static nre_node build_norm_blocks(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = conv_of(g, g->field(g, "line"),
                         (nre_conv){.channels = 4, .kernel = 3, .padding = 1});
    a = g->max_pool(g, g->activate(g, g->batch_norm(g, a), NRE_SELU), 3, 2, 1);
    a = norm_block(g, norm_block(g, a, 1), 2);
    nre_node u = g->concat(g, g->mean_pool(g, a), g->theta);
    u = g->reshape(g, dense(g, u, 12, NRE_TANH), (nre_shape){2, {4, 3}});
    return g->linear(g, g->mean_pool(g, norm_block(g, u, 1)), 1, 1);
}

/* A set that joins plain values: its rows are values like others. */
static nre_node build_joined_set(const void *self, nre_graph *g)
{
    (void)self;
    nre_node points = g->field(g, "points");
    nre_node mean = g->set_mean(
        g, dense(g, g->reshape(g, points, (nre_shape){2, {4, 1}}), 3, NRE_TANH));
    nre_node a = g->concat(g, g->concat(g, g->theta, points), mean);
    a = g->batch_norm(g, g->concat(g, a, g->field(g, "rest")));
    return g->linear(g, dense(g, a, 6, NRE_ELU), 1, 1);
}

#define VECTOR                                                                           \
    {                                                                                    \
        {                                                                                \
            "x", {1, {5}}, 0                                                             \
        }                                                                                \
    }
#define TWO                                                                              \
    {                                                                                    \
        {"a", {1, {3}}, 0},                                                              \
        {                                                                                \
            "b", {2, {2, 3}}, 0                                                          \
        }                                                                                \
    }
#define ROWS                                                                             \
    {                                                                                    \
        {"rest", {1, {2}}, 0},                                                           \
        {                                                                                \
            "rows", {2, {4, 3}}, 1                                                       \
        }                                                                                \
    }

#define PLACES                                                                           \
    {                                                                                    \
        {"line", {2, {2, 9}}, 0},                                                        \
        {                                                                                \
            "image", {3, {3, 5, 4}}, 0                                                   \
        }                                                                                \
    }

#define POINTS                                                                           \
    {                                                                                    \
        {"points", {1, {4}}, 1},                                                         \
        {                                                                                \
            "rest", {1, {2}}, 0                                                          \
        }                                                                                \
    }

const example EXAMPLES[] = {
    {"relu", build_relu, 2, 1, VECTOR},
    {"leaky_relu", build_leaky, 2, 1, VECTOR},
    {"elu", build_elu, 2, 1, VECTOR},
    {"selu", build_selu, 2, 1, VECTOR},
    {"gelu", build_gelu, 3, 1, VECTOR},
    {"tanh", build_tanh, 1, 1, VECTOR},
    {"flat", build_no_layer, 2, 1, VECTOR},
    {"batch_norm", build_batch_norm, 2, 1, VECTOR},
    {"layer_norm", build_layer_norm, 2, 1, VECTOR},
    {"braid", build_braid, 2, 2, TWO},
    {"residual", build_residual, 2, 1, VECTOR},
    {"matrix", build_matrix, 2, 2, TWO},
    {"set", build_set, 2, 2, ROWS},
    {"joined_set", build_joined_set, 2, 2, POINTS},
    {"conv", build_conv, 2, 2, PLACES},
    {"image", build_image, 2, 2, PLACES},
    {"norm_blocks", build_norm_blocks, 2, 2, PLACES},
};
const size_t N_EXAMPLES = sizeof EXAMPLES / sizeof *EXAMPLES;

/* nn/model.c - evaluation: heads of x, then logits of many thetas and their gradients. */
#include "nn/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_ROWS = 256, TRUNK_PAIRS = 512 };

/* An X node that PAIR nodes read: where it lies in a row of the head. */
typedef struct bridge {
    int32_t id;
    size_t at;
} bridge;

struct model {
    net g; /* as at evaluation */
    arena *memory;
    float *weights;
    norm_terms *norms;
    plan *head, *trunk, *gradient;
    size_t n_bridges, head_size;
    bridge *bridges;
};

struct model_worker {
    frame *head, *trunk, *gradient;
};

/* Memory that ops only read. */
static float *readable(const float *p)
{
    float *q;
    memcpy(&q, &p, sizeof q);
    return q;
}

/* Make V another name of its input. */
static void alias(net *g, net_node *v)
{
    const net_node *in = &g->nodes[v->in[0]];
    v->op = OP_VIEW;
    v->root = in->root;
    v->at = in->at;
}

/* A copy of the graph, and room for what folding adds. */
static int net_copy(model *m, const net *g, const float *weights)
{
    size_t n_products = 0, units = 0;
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = &g->nodes[g->order[i]];
        bool product = v->op == OP_LINEAR || v->op == OP_CONV;
        n_products += product;
        units += product ? v->cols : 0;
    }
    m->g = *g;
    m->g.nodes = arena_alloc(m->memory, g->n_nodes, sizeof *g->nodes);
    m->g.order = arena_alloc(m->memory, g->n_nodes, sizeof *g->order);
    m->g.weights =
        arena_alloc(m->memory, g->n_weight_tensors + n_products, sizeof *g->weights);
    m->weights = arena_alloc(m->memory, g->n_weights + units, sizeof *m->weights);
    if (!m->g.nodes || !m->g.order || !m->g.weights || !m->weights)
        return fail(NRE_ENOMEM, "no memory for the model");
    memcpy(m->g.nodes, g->nodes, g->n_nodes * sizeof *g->nodes);
    memcpy(m->g.order, g->order, g->n_order * sizeof *g->order);
    memcpy(m->g.weights, g->weights, g->n_weight_tensors * sizeof *g->weights);
    memcpy(m->weights, weights, g->n_weights * sizeof *weights);
    return NRE_OK;
}

/* Dropout and folded norms become other names of their inputs.  Roots are found again,
 * since ids grow along the graph. */
static int net_thin(model *m)
{
    net *g = &m->g;
    bool *gone = arena_alloc(m->memory, g->n_nodes, sizeof *gone);
    if (!gone)
        return fail(NRE_ENOMEM, "no memory for the model");
    norms_fold(g, m->weights, m->norms, gone);
    for (size_t i = 0; i < g->n_nodes; i++) {
        net_node *v = &g->nodes[i];
        const net_node *root = &g->nodes[v->root];
        if (v->op == OP_DROPOUT || gone[i]) {
            alias(g, v);
        } else if (v->op == OP_VIEW) {
            v->root = root->root;
            v->at += root->at;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < g->n_order; i++)
        if (g->nodes[g->order[i]].op != OP_VIEW)
            g->order[kept++] = g->order[i];
    g->n_order = kept;
    g->logit = g->nodes[g->logit].root;
    return NRE_OK;
}

static int bridge_add(model *m, int32_t id)
{
    for (size_t i = 0; i < m->n_bridges; i++)
        if (m->bridges[i].id == id)
            return NRE_OK;
    m->bridges[m->n_bridges++] = (bridge){id, m->head_size};
    m->head_size += m->g.nodes[id].size;
    return NRE_OK;
}

static int bridges_find(model *m)
{
    m->bridges = arena_alloc(m->memory, m->g.n_nodes, sizeof *m->bridges);
    if (!m->bridges)
        return fail(NRE_ENOMEM, "no memory for the model");
    for (size_t i = 0; i < m->g.n_order; i++) {
        const net_node *v = &m->g.nodes[m->g.order[i]];
        for (uint32_t k = 0; v->pair && k < v->n_in; k++)
            if (!m->g.nodes[v->in[k]].pair)
                bridge_add(m, v->in[k]);
    }
    return NRE_OK;
}

/* y = scale x + shift from running statistics; back: the slope alone. */
static int norm_fix(model *m, const net_node *v, const float *buffers)
{
    norm_terms *n = &m->norms[v->id];
    float *f = arena_alloc(m->memory, 3 * v->channels, sizeof *f);
    if (!f)
        return fail(NRE_ENOMEM, "no memory for the model");
    *n = (norm_terms){.scale = f,
                      .shift = f + v->channels,
                      .back_slope = f,
                      .back_shift = f + 2 * v->channels};
    const float *gamma = m->weights + m->g.weights[v->weight].at + v->channel_at;
    const float *beta = m->weights + m->g.weights[v->bias].at + v->channel_at;
    const float *mean = buffers + m->g.buffers[v->mean].at + v->channel_at;
    const float *variance = buffers + m->g.buffers[v->variance].at + v->channel_at;
    for (size_t c = 0; c < v->channels; c++) {
        double scale = gamma[c] / sqrt((double)variance[c] + NORM_EPS);
        n->scale[c] = (float)scale;
        n->shift[c] = (float)(beta[c] - mean[c] * scale);
    }
    return NRE_OK;
}

static int norms_fix(model *m, const float *buffers)
{
    m->norms = arena_alloc(m->memory, m->g.n_nodes, sizeof *m->norms);
    int status = m->norms ? NRE_OK : fail(NRE_ENOMEM, "no memory for the model");
    for (size_t i = 0; !status && i < m->g.n_order; i++) {
        const net_node *v = &m->g.nodes[m->g.order[i]];
        if (v->op == OP_BATCH_NORM)
            status = norm_fix(m, v, buffers);
    }
    return status;
}

static int plans_make(model *m)
{
    const net *g = &m->g;
    int status = plan_new(g, PLAN_EVALUATE, PART_HEAD, HEAD_ROWS, 0, &m->head);
    if (!status)
        status =
            plan_new(g, PLAN_EVALUATE, PART_TRUNK, TRUNK_PAIRS, TRUNK_PAIRS, &m->trunk);
    if (!status)
        status = plan_new(g, PLAN_GRADIENT, PART_TRUNK, TRUNK_PAIRS, TRUNK_PAIRS,
                          &m->gradient);
    return status;
}

int model_new(const net *g, const float *weights, const float *buffers, model **out)
{
    *out = NULL;
    model *m = calloc(1, sizeof *m);
    if (!m)
        return fail(NRE_ENOMEM, "no memory for the model");
    m->memory = arena_new();
    int status =
        m->memory ? net_copy(m, g, weights) : fail(NRE_ENOMEM, "no memory for the model");
    if (!status)
        status = norms_fix(m, buffers);
    if (!status)
        status = net_thin(m);
    if (!status)
        status = bridges_find(m);
    if (!status)
        status = plans_make(m);
    if (status)
        model_free(m);
    else
        *out = m;
    return status;
}

void model_free(model *m)
{
    if (!m)
        return;
    plan_free(m->head);
    plan_free(m->trunk);
    plan_free(m->gradient);
    arena_free(m->memory);
    free(m);
}

size_t model_head_size(const model *m)
{
    return m->head_size;
}

double model_flops(const model *m)
{
    double head, trunk;
    net_flops(&m->g, &head, &trunk);
    return trunk;
}

static int frame_make(const model *m, const plan *p, frame **out)
{
    int status = frame_new(p, kernels_best(), out);
    if (status)
        return status;
    (*out)->weights = m->weights;
    (*out)->norms = m->norms;
    return NRE_OK;
}

int model_worker_new(const model *m, model_worker **out)
{
    *out = NULL;
    model_worker *w = calloc(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a worker of the model");
    int status = frame_make(m, m->head, &w->head);
    if (!status)
        status = frame_make(m, m->trunk, &w->trunk);
    if (status)
        model_worker_free(w);
    else
        *out = w;
    return status;
}

void model_worker_free(model_worker *w)
{
    if (!w)
        return;
    frame_free(w->head);
    frame_free(w->trunk);
    frame_free(w->gradient);
    free(w);
}

static void run_forward(const model *m, frame *f)
{
    for (unsigned level = 0; level < m->g.levels; level++)
        frame_forward(f, level);
}

static void head_chunk(const model *m, frame *f, size_t n, const float *x, float *head)
{
    f->n = n;
    f->per_x = 1;
    frame_place(f, NODE_X, readable(x), m->g.nodes[NODE_X].size);
    run_forward(m, f);
    for (size_t b = 0; b < m->n_bridges; b++) {
        int32_t id = m->bridges[b].id;
        for (size_t i = 0; i < n; i++)
            memcpy(head + i * m->head_size + m->bridges[b].at,
                   f->value[id] + i * f->stride[id], m->g.nodes[id].size * sizeof *head);
    }
}

int model_head(const model *m, model_worker *w, size_t n, const float *x, float *head)
{
    for (size_t first = 0; first < n; first += HEAD_ROWS) {
        size_t left = n - first, rows = left < HEAD_ROWS ? left : HEAD_ROWS;
        head_chunk(m, w->head, rows, x + first * m->g.nodes[NODE_X].size,
                   head + first * m->head_size);
    }
    return NRE_OK;
}

/* N rows of the head with PER_X thetas each, at most TRUNK_PAIRS together. */
static void trunk_chunk(const model *m, frame *f, size_t n, size_t per_x,
                        const float *head, const float *theta, float *logit,
                        float *gradient)
{
    const size_t pairs = n * per_x, n_theta = m->g.nodes[NODE_THETA].size;
    f->n = n;
    f->per_x = per_x;
    frame_place(f, NODE_THETA, readable(theta), n_theta);
    for (size_t b = 0; b < m->n_bridges; b++) {
        f->value[m->bridges[b].id] = readable(head) + m->bridges[b].at;
        f->stride[m->bridges[b].id] = m->head_size;
    }
    run_forward(m, f);
    memcpy(logit, f->value[m->g.logit], pairs * sizeof *logit);
    if (!gradient)
        return;
    for (size_t i = 0; i < pairs; i++)
        f->slope[m->g.logit][i] = 1.0f;
    for (unsigned level = m->g.levels; level-- > 0;)
        frame_backward(f, level);
    memcpy(gradient, f->slope[NODE_THETA], pairs * n_theta * sizeof *gradient);
}

int model_trunk(const model *m, model_worker *w, size_t n, size_t per_x,
                const float *head, const float *theta, float *logit, float *gradient)
{
    if (gradient && !w->gradient) {
        int status = frame_make(m, m->gradient, &w->gradient);
        if (status)
            return status;
    }
    const size_t n_theta = m->g.nodes[NODE_THETA].size;
    const size_t rows = per_x < TRUNK_PAIRS && per_x > 0 ? TRUNK_PAIRS / per_x : 1;
    for (size_t i = 0; i < n; i += rows)
        for (size_t k = 0; k < per_x; k += TRUNK_PAIRS) {
            size_t some = n - i < rows ? n - i : rows;
            size_t thetas = per_x - k < TRUNK_PAIRS ? per_x - k : TRUNK_PAIRS;
            size_t at = i * per_x + k;
            const float *row = m->head_size ? head + i * m->head_size : head;
            trunk_chunk(m, gradient ? w->gradient : w->trunk, some, thetas, row,
                        theta + at * n_theta, logit + at,
                        gradient ? gradient + at * n_theta : NULL);
        }
    return NRE_OK;
}

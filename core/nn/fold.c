/* nn/fold.c - batch norm at evaluation, folded into the linear layers around it. */
#include "nn/nn.h"

#include <string.h>

/* Weight W[u][column + j] of the product V. */
static float *weight_row(const net *g, float *weights, const net_node *v, size_t u)
{
    const net_tensor *t = &g->weights[v->weight];
    return weights + t->at + u * (t->n / t->dim[0]);
}

/* The bias that the product V ends up with: its own, that of its head's part, or a new
 * one. Tensors have room for one more each product. */
static float *bias_of(net *g, float *weights, net_node *v)
{
    const net_node *base = v->based ? &g->nodes[v->in[v->n_in - 1]] : v;
    const net_node *has = v->bias >= 0 ? v : base;
    if (has->bias >= 0)
        return weights + g->weights[has->bias].at;
    net_tensor *t = &g->weights[g->n_weight_tensors];
    *t = (net_tensor){.name = "folded", .rank = 1, .dim = {(uint32_t)v->cols}};
    t->at = g->n_weights;
    t->n = v->cols;
    v->bias = (int32_t)g->n_weight_tensors++;
    g->n_weights += v->cols;
    memset(weights + t->at, 0, v->cols * sizeof *weights);
    return weights + t->at;
}

static bool whole(const net *g, const net_node *v, uint32_t k)
{
    const net_node *in = &g->nodes[v->in[k]];
    return in->size == g->nodes[in->root].size;
}

/* How often V's memory is read; and whether only by products. */
static size_t uses_of(const net *g, const net_node *v, bool *products)
{
    size_t uses = g->logit == v->id;
    *products = uses == 0;
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *o = &g->nodes[g->order[i]];
        for (uint32_t k = 0; k < o->n_in; k++) {
            if (g->nodes[o->in[k]].root != v->id)
                continue;
            uses++;
            *products &= o->op == OP_LINEAR && whole(g, o, k);
        }
    }
    return uses;
}

/* a (W x + b) + c = (a W) x + (a b + c): the rows of the layer before. */
static bool fold_before(net *g, float *weights, const net_node *v, const norm_terms *n)
{
    bool products;
    net_node *l = &g->nodes[g->nodes[v->in[0]].root];
    if ((l->op != OP_LINEAR && l->op != OP_CONV) || v->inner != 1 ||
        v->channels != l->cols || !whole(g, v, 0) || uses_of(g, l, &products) != 1)
        return false;
    const size_t columns = g->weights[l->weight].n / l->cols;
    float *bias = bias_of(g, weights, l);
    for (size_t u = 0; u < l->cols; u++) {
        float *row = weight_row(g, weights, l, u);
        for (size_t j = 0; j < columns; j++)
            row[j] *= n->scale[u];
        bias[u] = n->scale[u] * bias[u] + n->shift[u];
    }
    return true;
}

/* W (a x + c) + b = (W a) x + (W c + b): the columns of one layer behind. */
static void fold_column(net *g, float *weights, const net_node *v, const norm_terms *n,
                        net_node *l, uint32_t k)
{
    float *bias = bias_of(g, weights, l);
    const size_t cols = g->nodes[l->in[k]].cols;
    for (size_t u = 0; u < l->cols; u++) {
        float *row = weight_row(g, weights, l, u) + l->column[k];
        double shift = 0;
        for (size_t j = 0; j < cols; j++) {
            size_t channel = j / v->inner % v->channels;
            shift += (double)row[j] * (double)n->shift[channel];
            row[j] *= n->scale[channel];
        }
        bias[u] += (float)shift;
    }
}

static bool fold_behind(net *g, float *weights, const net_node *v, const norm_terms *n)
{
    bool products;
    if (uses_of(g, v, &products) == 0 || !products)
        return false;
    for (size_t i = 0; i < g->n_order; i++) {
        net_node *l = &g->nodes[g->order[i]];
        for (uint32_t k = 0; k < l->n_in; k++)
            if (g->nodes[l->in[k]].root == v->id)
                fold_column(g, weights, v, n, l, k);
    }
    return true;
}

void norms_fold(net *g, float *weights, const norm_terms *norms, bool *gone)
{
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = &g->nodes[g->order[i]];
        if (v->op == OP_BATCH_NORM)
            gone[v->id] = fold_before(g, weights, v, &norms[v->id]) ||
                          fold_behind(g, weights, v, &norms[v->id]);
    }
}

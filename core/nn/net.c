/* nn/net.c - what a finished network is: sizes, tensors, their start. */
#include "nn/nn.h"

#include <stdlib.h>

void net_free(net *g)
{
    if (!g)
        return;
    arena_free(g->memory);
    free(g->nodes);
    free(g);
}

size_t net_x_size(const net *g)
{
    return g->nodes[NODE_X].size;
}

size_t net_theta_size(const net *g)
{
    return g->nodes[NODE_THETA].size;
}

size_t net_n_weights(const net *g)
{
    return g->n_weights;
}

size_t net_n_buffers(const net *g)
{
    return g->n_buffers;
}

const net_tensor *net_weights(const net *g, size_t *n)
{
    *n = g->n_weight_tensors;
    return g->weights;
}

const net_tensor *net_buffers(const net *g, size_t *n)
{
    *n = g->n_buffer_tensors;
    return g->buffers;
}

bool net_has_batch_norm(const net *g)
{
    return g->levels > 1;
}

void net_flops(const net *g, double *head, double *trunk)
{
    *head = *trunk = 0;
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = &g->nodes[g->order[i]];
        double columns = 0;
        for (uint32_t k = 0; v->op == OP_LINEAR && k < v->n_in - v->based; k++)
            columns += (double)g->nodes[v->in[k]].cols;
        if (v->op == OP_CONV)
            columns = (double)g->weights[v->weight].n / (double)v->cols;
        *(v->pair ? trunk : head) += 2.0 * columns * (double)v->size;
    }
}

static const char *describe_node(const net *g, const net_node *v, arena *a)
{
    char shape[64] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < v->shape.rank; i++)
        used +=
            (size_t)snprintf(shape + used, sizeof shape - used, "[%u]", v->shape.dim[i]);
    const char *tensor = v->weight >= 0 ? g->weights[v->weight].name : "";
    return arena_print(a, "%3d %-4s %-10s %-28s %s\n", v->id, v->pair ? "pair" : "x",
                       v->name, tensor, shape);
}

const char *net_describe(const net *g, arena *a)
{
    char *text = arena_copy(a, "");
    for (size_t i = 0; text && i < g->n_order; i++) {
        const char *line = describe_node(g, &g->nodes[g->order[i]], a);
        text = line ? arena_print(a, "%s%s", text, line) : NULL;
    }
    return text;
}

static void tensors_start(size_t n, const net_tensor *tensors, const net_start *starts,
                          rng_key key, float *values)
{
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, key, i, 0);
        float *v = values + tensors[i].at;
        for (size_t k = 0; k < tensors[i].n; k++)
            v[k] = starts[i].bound > 0
                       ? (float)((2 * rng_uniform(&r) - 1) * starts[i].bound)
                       : starts[i].value;
    }
}

void net_init(const net *g, rng_key key, float *weights, float *buffers)
{
    tensors_start(g->n_weight_tensors, g->weights, g->weight_starts, key, weights);
    tensors_start(g->n_buffer_tensors, g->buffers, g->buffer_starts, key, buffers);
}

/* Between [out][in][taps] and [out][taps][in]. */
static void taps_move(const net_tensor *t, const float *from, float *to, bool last)
{
    size_t in = t->channels_last ? t->dim[1] : 1, out = t->dim[0];
    size_t taps = t->n / (out * in);
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t k = 0; k < taps; k++) {
                size_t torch = (o * in + i) * taps + k, ours = (o * taps + k) * in + i;
                to[last ? ours : torch] = from[last ? torch : ours];
            }
}

void tensor_export(const net_tensor *t, const float *from, float *to)
{
    taps_move(t, from, to, false);
}

void tensor_import(const net_tensor *t, const float *from, float *to)
{
    taps_move(t, from, to, true);
}

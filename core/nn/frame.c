/* nn/frame.c - one slice on its way through the ops, and the table of ops. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

const op_calls OPS[N_OPS] = {
    [OP_INPUT] = {.name = "input"},
    [OP_VIEW] = {.name = "view"},
    [OP_COPY] = {"copy", copy_forward, copy_backward, NULL, false},
    [OP_REPEAT] = {"repeat", repeat_forward, repeat_backward, NULL, false},
    [OP_CONCAT] = {"concat", concat_forward, concat_backward, NULL, false},
    [OP_TRANSPOSE] = {"transpose", transpose_forward, transpose_backward, NULL, false},
    [OP_SET_MEAN] = {"set_mean", set_mean_forward, set_mean_backward, NULL, false},
    [OP_ADD] = {"add", add_forward, add_backward, NULL, true},
    [OP_MULTIPLY] = {"multiply", multiply_forward, multiply_backward, NULL, false},
    [OP_LINEAR] = {"linear", linear_forward, linear_backward, NULL, false},
    [OP_CONV] = {"conv", conv_forward, conv_backward, NULL, false},
    [OP_MAX_POOL] = {"max_pool", max_pool_forward, max_pool_backward, max_pool_notes,
                     false},
    [OP_AVERAGE_POOL] = {"average_pool", average_pool_forward, average_pool_backward,
                         NULL, false},
    [OP_ACTIVATE] = {"activate", activate_forward, activate_backward, NULL, true},
    [OP_BATCH_NORM] = {"batch_norm", batch_norm_forward, batch_norm_backward, NULL, true},
    [OP_LAYER_NORM] = {"layer_norm", layer_norm_forward, layer_norm_backward,
                       layer_norm_notes, true},
    [OP_DROPOUT] = {"dropout", dropout_forward, dropout_backward, dropout_notes, true},
};

bool op_keeps_input(const net_node *v, uint32_t k, plan_mode mode)
{
    switch (v->op) {
    case OP_LINEAR:
        return mode == PLAN_TRAIN && !(v->based && k == v->n_in - 1);
    case OP_BATCH_NORM:
    case OP_CONV:
        return mode == PLAN_TRAIN;
    case OP_ACTIVATE:
        return v->f == NRE_GELU;
    case OP_LAYER_NORM:
    case OP_MULTIPLY:
        return true;
    default:
        return false;
    }
}

bool op_keeps_output(const net_node *v)
{
    return v->op == OP_ACTIVATE && v->f != NRE_GELU;
}

size_t frame_rows(const frame *f, const net_node *v)
{
    return v->pair ? f->n * f->per_x : f->n;
}

const net_node *input_of(const frame *f, const net_node *v, uint32_t k)
{
    return &f->g->nodes[v->in[k]];
}

slope_place slope_of(const frame *f, const net_node *v, uint32_t k)
{
    edge_mode edge = (edge_mode)f->plan->edge[v->id][k];
    const net_node *root = &f->g->nodes[input_of(f, v, k)->root];
    return (slope_place){.at = edge == EDGE_NONE ? NULL : f->slope[v->in[k]],
                         .stride = root->size,
                         .add = edge == EDGE_ADD || edge == EDGE_CLEAR};
}

void frame_place(frame *f, int32_t root, float *at, size_t stride)
{
    for (size_t i = 0; i < f->g->n_nodes; i++) {
        const net_node *v = &f->g->nodes[i];
        if (v->root != root)
            continue;
        f->value[i] = at ? at + v->at : NULL;
        f->stride[i] = stride;
    }
}

static bool allocate(frame *f)
{
    size_t n = f->g->n_nodes;
    f->value = calloc(n, sizeof *f->value);
    f->slope = calloc(n, sizeof *f->slope);
    f->stride = calloc(n, sizeof *f->stride);
    f->notes = calloc(n, sizeof *f->notes);
    f->memory = memory_new(f->plan->floats + 1, sizeof *f->memory);
    f->bytes = f->plan->floats * sizeof *f->memory;
    return f->value && f->slope && f->stride && f->notes && f->memory;
}

int frame_new(const plan *p, const kernels *k, frame **out)
{
    *out = NULL;
    frame *f = calloc(1, sizeof *f);
    if (!f)
        return fail(NRE_ENOMEM, "no memory for a slice of the batch");
    f->g = p->g;
    f->plan = p;
    f->k = k;
    if (!allocate(f)) {
        frame_free(f);
        return fail(NRE_ENOMEM, "no memory for a slice of the batch (%zu floats)",
                    p->floats);
    }
    for (size_t i = 0; i < p->g->n_nodes; i++) {
        const net_node *v = &p->g->nodes[i];
        if (v->op != OP_VIEW)
            frame_place(f, v->id, p->value[i] == NOWHERE ? NULL : f->memory + p->value[i],
                        v->size);
        if (p->slope[v->root] != NOWHERE)
            f->slope[i] = f->memory + p->slope[v->root] + v->at;
        if (p->notes[i] != NOWHERE)
            f->notes[i] = f->memory + p->notes[i];
    }
    *out = f;
    return NRE_OK;
}

void frame_free(frame *f)
{
    if (!f)
        return;
    free(f->value);
    free(f->slope);
    free(f->stride);
    free(f->notes);
    free(f->memory);
    free(f);
}

void frame_forward(frame *f, unsigned level)
{
    for (size_t i = 0; i < f->plan->n_order; i++) {
        const net_node *v = &f->g->nodes[f->plan->order[i]];
        if (v->level == level)
            OPS[v->op].forward(f, v);
    }
}

/* Gradients of which V writes only a part, as the first. */
static void clear_slopes(const frame *f, const net_node *v)
{
    for (uint32_t k = 0; k < v->n_in; k++) {
        const net_node *root = &f->g->nodes[input_of(f, v, k)->root];
        if (f->plan->edge[v->id][k] == EDGE_CLEAR)
            memset(f->slope[root->id], 0,
                   frame_rows(f, root) * root->size * sizeof(float));
    }
}

unsigned node_level_back(const net_node *v)
{
    return v->level - (v->op == OP_BATCH_NORM ? 1 : 0);
}

static unsigned level_back(const frame *f, const net_node *v)
{
    return f->plan->mode == PLAN_TRAIN ? node_level_back(v) : v->level;
}

/* Values that were not kept, before V goes back. */
static void redo(frame *f, const net_node *v)
{
    for (size_t i = 0; i < f->plan->n_redo[v->id]; i++) {
        const net_node *u = &f->g->nodes[f->plan->redo[v->id][i]];
        frame_place(f, u->id, f->memory + f->plan->again[u->id], u->size);
        OPS[u->op].forward(f, u);
    }
}

void frame_restart(frame *f)
{
    for (size_t i = 0; i < f->g->n_nodes; i++)
        if (f->plan->again[i] != NOWHERE)
            frame_place(f, (int32_t)i, f->memory + f->plan->value[i],
                        f->g->nodes[i].size);
}

float *gradient_of(const frame *f, int32_t tensor)
{
    return f->gradient + f->gradient_at[tensor];
}

void frame_backward(frame *f, unsigned level)
{
    for (size_t i = f->plan->n_order; i-- > 0;) {
        const net_node *v = &f->g->nodes[f->plan->order[i]];
        if (level_back(f, v) != level || !f->plan->wanted[v->id])
            continue;
        redo(f, v);
        clear_slopes(f, v);
        OPS[v->op].backward(f, v);
    }
}

static void measure(frame *f, const net_node *v, const float *a, const float *b)
{
    double *sums = f->sums + f->norms[v->id].sums_at;
    f->k->moments(frame_rows(f, v) * v->sets, v->channels, v->inner, a, b, sums,
                  sums + v->channels);
}

void frame_measure(frame *f, unsigned level)
{
    for (size_t i = 0; i < f->plan->n_order; i++) {
        const net_node *v = &f->g->nodes[f->plan->order[i]];
        if (v->op == OP_BATCH_NORM && v->level == level + 1)
            measure(f, v, f->value[v->in[0]], f->value[v->in[0]]);
    }
}

void frame_measure_back(frame *f, unsigned level)
{
    for (size_t i = 0; i < f->plan->n_order; i++) {
        const net_node *v = &f->g->nodes[f->plan->order[i]];
        if (v->op == OP_BATCH_NORM && v->level == level)
            measure(f, v, f->slope[v->id], f->value[v->in[0]]);
    }
}

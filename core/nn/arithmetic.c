/* nn/arithmetic.c - sum and product of two nodes. */
#include "nn/nn.h"

#include <string.h>

void add_forward(const frame *f, const net_node *v)
{
    f->k->sum(frame_rows(f, v) * v->size, f->value[v->in[0]], f->value[v->in[1]],
              f->value[v->id]);
}

void add_backward(const frame *f, const net_node *v)
{
    size_t n = frame_rows(f, v) * v->size;
    for (uint32_t k = 0; k < 2; k++) {
        slope_place to = slope_of(f, v, k);
        if (to.at && to.at != f->slope[v->id])
            f->k->scale(n, 1.0f, f->slope[v->id], to.at, to.add);
    }
}

void multiply_forward(const frame *f, const net_node *v)
{
    f->k->multiply(frame_rows(f, v) * v->size, f->value[v->in[0]], f->value[v->in[1]],
                   f->value[v->id], false);
}

void multiply_backward(const frame *f, const net_node *v)
{
    size_t n = frame_rows(f, v) * v->size;
    for (uint32_t k = 0; k < 2; k++) {
        slope_place to = slope_of(f, v, k);
        if (to.at)
            f->k->multiply(n, f->slope[v->id], f->value[v->in[1 - k]], to.at, to.add);
    }
}

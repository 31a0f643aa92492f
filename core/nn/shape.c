/* nn/shape.c - ops that move values: copy, repeat, concat, transpose; the mean of a set.
 */
#include "nn/nn.h"

#include <string.h>

static void put(const frame *f, size_t n, const float *from, float *to, bool add)
{
    if (add)
        f->k->add(n, from, to);
    else
        memcpy(to, from, n * sizeof *to);
}

void copy_forward(const frame *f, const net_node *v)
{
    const float *from = f->value[v->in[0]];
    for (size_t r = 0; r < frame_rows(f, v); r++)
        put(f, v->size, from + r * f->stride[v->in[0]], f->value[v->id] + r * v->size,
            false);
}

void copy_backward(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++)
        put(f, v->size, f->slope[v->id] + r * v->size, to.at + r * to.stride, to.add);
}

/* The row of an input that goes with row R of V: an X row meets all its pairs. */
static size_t row_of(const frame *f, const net_node *v, const net_node *in, size_t r)
{
    return v->pair && !in->pair ? r / f->per_x : r;
}

void repeat_forward(const frame *f, const net_node *v)
{
    const float *from = f->value[v->in[0]];
    for (size_t r = 0; r < frame_rows(f, v); r++)
        put(f, v->size, from + r / f->per_x * f->stride[v->in[0]],
            f->value[v->id] + r * v->size, false);
}

void repeat_backward(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++)
        put(f, v->size, f->slope[v->id] + r * v->size, to.at + r / f->per_x * to.stride,
            to.add || r % f->per_x > 0);
}

void concat_forward(const frame *f, const net_node *v)
{
    float *to = f->value[v->id];
    for (uint32_t k = 0; k < v->n_in; k++) {
        const net_node *in = input_of(f, v, k);
        const float *from = f->value[in->id];
        for (size_t r = 0; r < frame_rows(f, v); r++)
            put(f, in->size, from + row_of(f, v, in, r) * f->stride[in->id],
                to + r * v->size, false);
        to += in->size;
    }
}

void concat_backward(const frame *f, const net_node *v)
{
    const float *from = f->slope[v->id];
    for (uint32_t k = 0; k < v->n_in; k++) {
        const net_node *in = input_of(f, v, k);
        slope_place to = slope_of(f, v, k);
        bool shared = v->pair && !in->pair;
        for (size_t r = 0; to.at && r < frame_rows(f, v); r++)
            put(f, in->size, from + r * v->size, to.at + row_of(f, v, in, r) * to.stride,
                to.add || (shared && r % f->per_x > 0));
        from += in->size;
    }
}

void transpose_forward(const frame *f, const net_node *v)
{
    const size_t rows = v->channels, cols = v->inner;
    for (size_t r = 0; r < frame_rows(f, v); r++) {
        const float *x = f->value[v->in[0]] + r * v->size;
        float *y = f->value[v->id] + r * v->size;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                y[i * cols + j] = x[j * rows + i];
    }
}

void transpose_backward(const frame *f, const net_node *v)
{
    const size_t rows = v->channels, cols = v->inner;
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++) {
        const float *dy = f->slope[v->id] + r * v->size;
        float *dx = to.at + r * v->size;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                dx[j * rows + i] = (to.add ? dx[j * rows + i] : 0.0f) + dy[i * cols + j];
    }
}

void set_mean_forward(const frame *f, const net_node *v)
{
    const net_node *in = input_of(f, v, 0);
    for (size_t r = 0; r < frame_rows(f, v); r++) {
        float *y = f->value[v->id] + r * v->size;
        f->k->column_sum(in->sets, in->cols, f->value[in->id] + r * in->size, y);
        f->k->scale(v->size, 1.0f / (float)in->sets, y, y, false);
    }
}

void set_mean_backward(const frame *f, const net_node *v)
{
    const net_node *in = input_of(f, v, 0);
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++)
        for (size_t s = 0; s < in->sets; s++)
            f->k->scale(v->size, 1.0f / (float)in->sets, f->slope[v->id] + r * v->size,
                        to.at + r * in->size + s * in->cols, to.add);
}

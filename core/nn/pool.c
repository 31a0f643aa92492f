/* nn/pool.c - the highest and the mean value in windows, by channel. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

/* One tap of one window: where in a row of x [in][channels] and of y [out][channels], in
 * floats. */
typedef struct tap {
    size_t x, y;
    uint16_t number; /* in the kernel */
} tap;

/* Tap NUMBER of the window at PLACE; false outside of x. */
static bool tap_at(const net_node *v, size_t place, size_t number, tap *out)
{
    const window *w = v->window;
    size_t where[2] = {place / w->out[1], place % w->out[1]};
    size_t of[2] = {number / w->kernel[1], number % w->kernel[1]}, at[2];
    for (size_t d = 0; d < 2; d++) {
        size_t padded = where[d] * w->stride[d] + of[d];
        if (padded < w->padding[d] || padded - w->padding[d] >= w->in[d])
            return false;
        at[d] = padded - w->padding[d];
    }
    *out = (tap){.x = (at[0] * w->in[1] + at[1]) * v->cols,
                 .y = place * v->cols,
                 .number = (uint16_t)number};
    return true;
}

static size_t taps_of(const net_node *v)
{
    return v->window->kernel[0] * v->window->kernel[1];
}

/* Which tap was the highest: 16 bits a value. */
size_t max_pool_notes(const net_node *v)
{
    return (v->size + 1) / 2;
}

static uint16_t *highest_of(const frame *f, const net_node *v, size_t row)
{
    return (uint16_t *)(void *)f->notes[v->id] + row * v->size;
}

void max_pool_forward(const frame *f, const net_node *v)
{
    const size_t stride = f->stride[v->in[0]];
    for (size_t r = 0; r < frame_rows(f, v); r++) {
        const float *x = f->value[v->in[0]] + r * stride;
        float *y = f->value[v->id] + r * v->size;
        uint16_t *highest = highest_of(f, v, r);
        for (size_t i = 0; i < v->size; i++)
            y[i] = -INFINITY;
        memset(highest, 0, v->size * sizeof *highest);
        for (size_t place = 0; place < v->sets; place++)
            for (size_t n = 0; n < taps_of(v); n++) {
                tap t;
                if (tap_at(v, place, n, &t))
                    f->k->raise(v->cols, x + t.x, t.number, y + t.y, highest + t.y);
            }
    }
}

static void clear(slope_place to, size_t row, size_t n)
{
    if (!to.add)
        memset(to.at + row * to.stride, 0, n * sizeof *to.at);
}

void max_pool_backward(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++) {
        const float *dy = f->slope[v->id] + r * v->size;
        float *dx = to.at + r * to.stride;
        const uint16_t *highest = highest_of(f, v, r);
        clear(to, r, input_of(f, v, 0)->size);
        for (size_t place = 0; place < v->sets; place++)
            for (size_t n = 0; n < taps_of(v); n++) {
                tap t;
                if (tap_at(v, place, n, &t))
                    f->k->route(v->cols, dy + t.y, t.number, highest + t.y, dx + t.x);
            }
    }
}

void average_pool_forward(const frame *f, const net_node *v)
{
    const float share = 1.0f / (float)taps_of(v);
    for (size_t r = 0; r < frame_rows(f, v); r++) {
        const float *x = f->value[v->in[0]] + r * f->stride[v->in[0]];
        float *y = f->value[v->id] + r * v->size;
        memset(y, 0, v->size * sizeof *y);
        for (size_t place = 0; place < v->sets; place++)
            for (size_t n = 0; n < taps_of(v); n++) {
                tap t;
                if (tap_at(v, place, n, &t))
                    f->k->scale(v->cols, share, x + t.x, y + t.y, true);
            }
    }
}

void average_pool_backward(const frame *f, const net_node *v)
{
    const float share = 1.0f / (float)taps_of(v);
    slope_place to = slope_of(f, v, 0);
    for (size_t r = 0; to.at && r < frame_rows(f, v); r++) {
        const float *dy = f->slope[v->id] + r * v->size;
        float *dx = to.at + r * to.stride;
        clear(to, r, input_of(f, v, 0)->size);
        for (size_t place = 0; place < v->sets; place++)
            for (size_t n = 0; n < taps_of(v); n++) {
                tap t;
                if (tap_at(v, place, n, &t))
                    f->k->scale(v->cols, share, dy + t.y, dx + t.x, true);
            }
    }
}

/* nn/activate.c - activations and dropout. */
#include "nn/nn.h"

void activate_forward(const frame *f, const net_node *v)
{
    f->k->activate(v->f, frame_rows(f, v) * v->size, f->value[v->in[0]], f->value[v->id]);
}

void activate_backward(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, 0);
    const float *saved = f->value[op_keeps_output(v) ? v->id : v->in[0]];
    if (to.at)
        f->k->activate_back(v->f, frame_rows(f, v) * v->size, saved, f->slope[v->id],
                            to.at, to.add);
}

/* One byte a value: 1 where it is kept. */
size_t dropout_notes(const net_node *v)
{
    return (v->size + sizeof(float) - 1) / sizeof(float);
}

static uint8_t *mask_of(const frame *f, const net_node *v)
{
    return (uint8_t *)f->notes[v->id];
}

/* Row r of the batch (of x or pairs) has stream r of its own, so that slices do not
 * matter. */
static void mask_draw(const frame *f, const net_node *v, rng_key key, size_t row,
                      uint8_t *keep)
{
    const uint32_t limit = (uint32_t)(v->p * 4294967296.0);
    rng r;
    rng_start(&r, key, row, f->step);
    for (size_t i = 0; i < v->size; i += 2) {
        uint64_t bits = rng_bits(&r);
        keep[i] = (uint32_t)bits >= limit;
        if (i + 1 < v->size)
            keep[i + 1] = (uint32_t)(bits >> 32) >= limit;
    }
}

static float mask_scale(const net_node *v)
{
    return (float)(1.0 / (1.0 - v->p));
}

void dropout_forward(const frame *f, const net_node *v)
{
    rng_key key = rng_purpose(f->seed, "dropout/%d", (int)v->id);
    size_t rows = frame_rows(f, v), first = f->first * (v->pair ? f->per_x : 1);
    uint8_t *keep = mask_of(f, v);
    for (size_t r = 0; r < rows; r++)
        mask_draw(f, v, key, first + r, keep + r * v->size);
    f->k->mask(rows * v->size, keep, mask_scale(v), f->value[v->in[0]], f->value[v->id],
               false);
}

void dropout_backward(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, 0);
    if (to.at)
        f->k->mask(frame_rows(f, v) * v->size, mask_of(f, v), mask_scale(v),
                   f->slope[v->id], to.at, to.add);
}

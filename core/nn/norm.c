/* nn/norm.c - batch norm (Ioffe & Szegedy 2015) and layer norm (Ba et al. 2016). */
#include "nn/nn.h"

static const float *weights_of(const frame *f, int32_t tensor)
{
    return f->weights + f->g->weights[tensor].at;
}

void batch_norm_forward(const frame *f, const net_node *v)
{
    const norm_terms *t = &f->norms[v->id];
    f->k->affine(frame_rows(f, v) * v->sets, v->channels, v->inner, t->scale, t->shift,
                 f->value[v->in[0]], f->value[v->id], false);
}

/* In training the statistics depend on x too: dx = slope dy + x x + shift, from sums over
 * the batch.  At evaluation they are constants. */
void batch_norm_backward(const frame *f, const net_node *v)
{
    const norm_terms *t = &f->norms[v->id];
    size_t rows = frame_rows(f, v) * v->sets;
    slope_place to = slope_of(f, v, 0);
    if (!to.at)
        return;
    if (f->plan->mode == PLAN_TRAIN)
        f->k->affine_back(rows, v->channels, v->inner, t->back_slope, t->back_x,
                          t->back_shift, f->slope[v->id], f->value[v->in[0]], to.at,
                          to.add);
    else
        f->k->affine(rows, v->channels, v->inner, t->back_slope, t->back_shift,
                     f->slope[v->id], to.at, to.add);
}

/* Mean and 1 / deviation of each row. */
size_t layer_norm_notes(const net_node *v)
{
    return 2 * v->sets;
}

void layer_norm_forward(const frame *f, const net_node *v)
{
    f->k->layer_norm(frame_rows(f, v) * v->sets, v->cols, weights_of(f, v->weight),
                     weights_of(f, v->bias), f->value[v->in[0]], f->value[v->id],
                     f->notes[v->id]);
}

void layer_norm_backward(const frame *f, const net_node *v)
{
    const size_t rows = frame_rows(f, v) * v->sets;
    const float *x = f->value[v->in[0]], *dy = f->slope[v->id];
    slope_place to = slope_of(f, v, 0);
    /* First the weights, for dx may replace dy. */
    if (f->gradient)
        f->k->layer_norm_weights(rows, v->cols, f->notes[v->id], x, dy,
                                 gradient_of(f, v->weight), gradient_of(f, v->bias));
    if (to.at)
        f->k->layer_norm_back(rows, v->cols, weights_of(f, v->weight), f->notes[v->id], x,
                              dy, to.at, to.add);
}

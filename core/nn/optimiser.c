/* nn/optimiser.c - AdamW, and the norm of a gradient. */
#include "nn/nn.h"

#include <math.h>

enum { PIECE = 16384, LANES = 16 };

typedef struct adamw_job {
    const kernels *k;
    adamw_terms terms;
    size_t n;
    const float *gradient;
    float *weights, *m, *v;
} adamw_job;

static int adamw_piece(void *context, size_t i, unsigned worker)
{
    const adamw_job *j = context;
    (void)worker;
    size_t at = i * PIECE, n = j->n - at < PIECE ? j->n - at : PIECE;
    j->k->adamw(n, &j->terms, j->gradient + at, j->weights + at, j->m + at, j->v + at);
    return NRE_OK;
}

void adamw_step(const adamw *o, uint64_t step, double scale, pool *p, size_t n,
                const float *gradient, float *weights, float *m, float *v)
{
    const double correct1 = 1 - pow(o->beta1, (double)step);
    const double correct2 = 1 - pow(o->beta2, (double)step);
    adamw_job j = {
        .k = kernels_best(),
        .terms = {.scale = (float)scale,
                  .keep = (float)(1 - o->lr * o->weight_decay),
                  .beta1 = (float)o->beta1,
                  .rest1 = (float)(1 - o->beta1),
                  .beta2 = (float)o->beta2,
                  .rest2 = (float)(1 - o->beta2),
                  .step = (float)(o->lr / correct1),
                  .root = (float)(1 / sqrt(correct2)),
                  .eps = (float)o->eps},
        .n = n,
        .gradient = gradient,
    };
    j.weights = weights;
    j.m = m;
    j.v = v;
    size_t pieces = (n + PIECE - 1) / PIECE;
    pool_run_all(p, pieces, adamw_piece, &j);
}

double gradient_norm(size_t n, const float *gradient)
{
    double lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += (double)gradient[i] * (double)gradient[i];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return sqrt(lane[0]);
}

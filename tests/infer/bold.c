/* A ratio that is too sure, and pairs for it. */
#include "bold.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    float *kept = room_take(&o->row, n, r->n_x * sizeof *kept);
    (void)own;
    cr_assert_not_null(kept);
    memcpy(kept, x, n * r->n_x * sizeof *x);
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const bold *b = (const bold *)(const void *)r;
    size_t d = r->target->n;
    double variance = b->toy.sigma * b->toy.sigma;
    (void)own;
    for (size_t i = 0; i < n * per_x; i++) {
        const float *x = (const float *)o->row.at + (first + i / per_x) * r->n_x;
        const double *at = theta + i * d;
        double factor = b->factor + b->turn * at[0];
        double l = toy_log_likelihood(&b->toy, at, x) - toy_log_evidence(&b->toy, x);
        log_ratio[i] = b->offset + factor * l;
        for (size_t k = 0; gradient && k < d; k++) /* without correlation */
            gradient[i * d + k] =
                factor * ((double)x[k] - at[k]) / variance + (k == 0 ? b->turn * l : 0);
    }
    return NRE_OK;
}

static void release(ratio *r)
{
    free(r);
}

static const ratio_kind BOLD = {
    .observe = observe, .evaluate = evaluate, .free = release};

ratio *bold_new(const target *t, const toy *y, double offset, double factor, double turn)
{
    bold *b = memory_new(1, sizeof *b);
    cr_assert_not_null(b);
    *b = (bold){.base = {.kind = &BOLD,
                         .target = t,
                         .n_x = y->dim,
                         .normalised = true,
                         .has_gradient = true},
                .toy = *y,
                .offset = offset,
                .factor = factor,
                .turn = turn};
    return &b->base;
}

void bold_pairs_draw(bold_pairs *p, const toy *t, size_t n, const char *purpose)
{
    *p = (bold_pairs){.n = n,
                      .theta = memory_new(n * t->dim, sizeof *p->theta),
                      .x = memory_new(n * t->dim, sizeof *p->x)};
    cr_assert(p->theta && p->x);
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, rng_purpose(4, "%s", purpose), i, 0);
        toy_pair(t, &r, p->theta + i * t->dim, p->x + i * t->dim);
    }
    cr_assert_eq(loader_of_arrays(n, t->dim, t->dim, p->theta, p->x, &p->loader), NRE_OK);
}

void bold_pairs_release(bold_pairs *p)
{
    loader_free(p->loader);
    free(p->theta);
    free(p->x);
}

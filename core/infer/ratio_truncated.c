/* infer/ratio_truncated.c - a ratio that is 0 outside what is left of the prior. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct truncated {
    ratio base; /* first */
    ratio *inner;
    const truncation *truncation;
} truncated;

typedef struct truncated_worker {
    ratio_worker *inner;
    room inside;       /* bool [n] */
    room theta, value; /* of points inside */
    room slope, row;
} truncated_worker;

static const truncated *truncated_of(const ratio *r)
{
    return (const truncated *)(const void *)r;
}

static void worker_free(void *own)
{
    truncated_worker *w = own;
    ratio_worker_free(w->inner);
    room_release(&w->inside);
    room_release(&w->theta);
    room_release(&w->value);
    room_release(&w->slope);
    room_release(&w->row);
    free(w);
}

static int worker_make(const ratio *r, void **own)
{
    truncated_worker *w = memory_new(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a worker of a truncated ratio");
    int status = ratio_worker_new(truncated_of(r)->inner, &w->inner);
    if (status != NRE_OK) {
        free(w);
        return status;
    }
    *own = w;
    return NRE_OK;
}

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    truncated_worker *w = own;
    return ratio_observe(truncated_of(r)->inner, w->inner, n, x, o);
}

/* Who asks: one row's thetas, or pairs, or a sum over rows. */
typedef struct question {
    const ratio *inner;
    ratio_worker *worker;
    const observed *observed;
    const size_t *row; /* of each point; NULL: N_ROWS from FIRST, summed */
    size_t first, n_rows;
} question;

static int ask(const question *q, size_t n, const size_t *row, const double *theta,
               double *log_ratio, double *gradient)
{
    return q->row ? ratio_evaluate_pairs(q->inner, q->worker, q->observed, n, row, theta,
                                         log_ratio, gradient)
                  : ratio_joint(q->inner, q->worker, q->observed, q->first, q->n_rows, n,
                                theta, log_ratio, gradient);
}

/* The inner ratio is asked about the points inside alone, since it knows no others. */
static int answer(const ratio *r, truncated_worker *w, const question *q, size_t n,
                  const double *theta, double *log_ratio, double *gradient)
{
    size_t d = r->target->n, left = 0;
    bool *inside = room_take(&w->inside, n, sizeof *inside);
    double *some = room_take(&w->theta, n, d * sizeof *some);
    double *value = room_take(&w->value, n, sizeof *value);
    double *slope = room_take(&w->slope, n, d * sizeof *slope);
    size_t *row = room_take(&w->row, n, sizeof *row);
    if (!inside || !some || !value || !slope || !row)
        return fail(NRE_ENOMEM, "no memory for %zu pairs of theta and x", n);
    int status = truncation_contains_target(truncated_of(r)->truncation, r->target, n,
                                            theta, inside);
    for (size_t i = 0; i < n && status == NRE_OK; i++)
        if (inside[i]) {
            row[left] = q->row ? q->row[i] : 0;
            memcpy(some + left++ * d, theta + i * d, d * sizeof *some);
        }
    if (status == NRE_OK && left > 0)
        status = ask(q, left, row, some, value, gradient ? slope : NULL);
    for (size_t i = 0, k = 0; i < n && status == NRE_OK; i++) {
        log_ratio[i] = inside[i] ? value[k] : -INFINITY;
        for (size_t j = 0; gradient && j < d; j++)
            gradient[i * d + j] = inside[i] ? slope[k * d + j] : 0;
        k += inside[i];
    }
    return status;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    truncated_worker *w = own;
    size_t d = r->target->n;
    int status = NRE_OK;
    for (size_t i = 0; i < n && status == NRE_OK && per_x > 1; i++) {
        question q = {truncated_of(r)->inner, w->inner, o, NULL, first + i, 1};
        status = answer(r, w, &q, per_x, theta + i * per_x * d, log_ratio + i * per_x,
                        gradient ? gradient + i * per_x * d : NULL);
    }
    if (per_x > 1)
        return status;
    size_t *row = memory_new(n, sizeof *row);
    if (!row)
        return fail(NRE_ENOMEM, "no memory for %zu pairs of theta and x", n);
    for (size_t i = 0; i < n; i++)
        row[i] = first + i;
    question q = {truncated_of(r)->inner, w->inner, o, row, 0, 0};
    status = answer(r, w, &q, n, theta, log_ratio, gradient);
    free(row);
    return status;
}

static int joint(const ratio *r, void *own, const observed *o, size_t row, size_t n_rows,
                 size_t n, const double *theta, double *log_ratio, double *gradient)
{
    truncated_worker *w = own;
    question q = {truncated_of(r)->inner, w->inner, o, NULL, row, n_rows};
    return answer(r, w, &q, n, theta, log_ratio, gradient);
}

static int pairs(const ratio *r, void *own, const observed *o, size_t n,
                 const size_t *row, const double *theta, double *log_ratio,
                 double *gradient)
{
    truncated_worker *w = own;
    question q = {truncated_of(r)->inner, w->inner, o, row, 0, 0};
    return answer(r, w, &q, n, theta, log_ratio, gradient);
}

static void truncated_free(ratio *r)
{
    truncated *s = (truncated *)(void *)r;
    ratio_free(s->inner);
    free(s);
}

static const ratio_kind TRUNCATED = {.worker = worker_make,
                                     .worker_free = worker_free,
                                     .observe = observe,
                                     .evaluate = evaluate,
                                     .free = truncated_free,
                                     .joint = joint,
                                     .pairs = pairs};

int ratio_truncated(ratio *inner, const truncation *t, ratio **out)
{
    truncated *s = memory_new(1, sizeof *s);
    if (!s)
        return fail(NRE_ENOMEM, "no memory for a truncated ratio");
    s->base = *inner;
    s->base.kind = &TRUNCATED;
    s->inner = inner;
    s->truncation = t;
    *out = &s->base;
    return NRE_OK;
}

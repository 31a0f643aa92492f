/* Ratios that are wrong on purpose, made of a right one. */
#include "wrong.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID_DIM = 3 };

/* Two layers: CHANGED does everything but Z(x) and the tilt, which NORMALISED adds. */
typedef struct wrong {
    ratio base; /* first */
    ratio *inner;
    wrong_plan how;
} wrong;

typedef struct wrong_worker {
    ratio_worker *inner;
    room theta;
    grid grid;
} wrong_worker;

static const wrong *wrong_of(const ratio *r)
{
    return (const wrong *)(const void *)r;
}

static void worker_free(void *own)
{
    wrong_worker *w = own;
    ratio_worker_free(w->inner);
    room_release(&w->theta);
    grid_release(&w->grid);
    free(w);
}

static int worker_make(const ratio *r, void **own)
{
    wrong_worker *w = memory_new(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a worker of a wrong ratio");
    int status = ratio_worker_new(wrong_of(r)->inner, &w->inner);
    if (status) {
        free(w);
        return status;
    }
    *own = w;
    return NRE_OK;
}

/* Keeps x, and what the inner ratio makes of it. */
static int observe_inner(const ratio *r, wrong_worker *w, size_t n, const float *x,
                         observed *o)
{
    float *row = room_take(&o->row, n, r->n_x * sizeof *row);
    if (!o->member) {
        o->member = memory_new(1, sizeof(observed *));
        if (o->member && observed_new(wrong_of(r)->inner, &o->member[0]) == NRE_OK)
            o->n_members = 1;
    }
    if (!row || !o->n_members)
        return fail(NRE_ENOMEM, "no memory for %zu observed rows", n);
    memcpy(row, x, n * r->n_x * sizeof *x);
    return ratio_observe(wrong_of(r)->inner, w->inner, n, x, o->member[0]);
}

static void wrong_free(ratio *r)
{
    wrong *w = (wrong *)(void *)r;
    ratio_free(w->inner);
    free(w);
}

/* changed */

static int changed_observe(const ratio *r, void *own, size_t n, const float *x,
                           observed *o)
{
    return observe_inner(r, own, n, x, o);
}

static int right_values(const wrong *c, wrong_worker *w, const observed *o, size_t first,
                        size_t n, size_t per_x, const double *theta, double *log_ratio,
                        double *gradient)
{
    const size_t d = c->base.target->n, points = n * per_x;
    double *moved = room_take(&w->theta, points, d * sizeof *moved);
    if (!moved)
        return fail(NRE_ENOMEM, "no memory for %zu pairs", points);
    for (size_t i = 0; i < points * d; i++)
        moved[i] = theta[i] + (c->how.shift ? c->how.shift[i % d] : 0);
    if (!c->how.part)
        return ratio_evaluate(c->inner, w->inner, o->member[0], first, n, per_x, moved,
                              log_ratio, gradient);
    const float *x = o->row.at;
    for (size_t i = 0; i < points; i++)
        log_ratio[i] = c->how.part((uint32_t)d, moved + i * d,
                                   x + (first + i / per_x) * c->base.n_x);
    return NRE_OK;
}

static double power_at(const wrong *c, const float *x)
{
    return (double)x[c->how.column] < c->how.below ? c->how.power : 1;
}

static int changed_evaluate(const ratio *r, void *own, const observed *o, size_t first,
                            size_t n, size_t per_x, const double *theta,
                            double *log_ratio, double *gradient)
{
    const wrong *c = wrong_of(r);
    const float *x = o->row.at;
    const size_t d = r->target->n;
    int status = right_values(c, own, o, first, n, per_x, theta, log_ratio, gradient);
    for (size_t i = 0; i < n * per_x && !status; i++) {
        double power = power_at(c, x + (first + i / per_x) * r->n_x);
        log_ratio[i] *= power;
        for (size_t k = 0; gradient && k < d; k++)
            gradient[i * d + k] *= power;
    }
    return status;
}

static const ratio_kind CHANGED = {.worker = worker_make,
                                   .worker_free = worker_free,
                                   .observe = changed_observe,
                                   .evaluate = changed_evaluate,
                                   .free = wrong_free};

/* normalised */

/* log Z(x): integrals of products of Gaussians. */
static double gaussian_area(const wrong *c, const float *x)
{
    const wrong_plan *how = &c->how;
    const double all = how->prior + how->noise, power = power_at(c, x);
    const double noise = how->noise / power, wide = how->prior + noise;
    double sum = 0;
    for (size_t k = 0; k < (how->part ? c->base.n_x / 2 : c->base.n_x); k++) {
        double here = (double)x[k], moved = here - (how->shift ? how->shift[k] : 0);
        sum += 0.5 * log(noise / wide) - 0.5 * moved * moved / wide;
        if (!how->part)
            sum += 0.5 * power * (log(all / how->noise) + here * here / all);
    }
    return sum;
}

/* log Z(x) of a row. */
static int measure_area(const wrong *c, wrong_worker *w, const observed *o, size_t row,
                        const float *x, double *out)
{
    posterior p = {.ratio = c->inner};
    if (c->how.noise > 0) {
        *out = gaussian_area(c, x);
        return NRE_OK;
    }
    int status = grid_of(&p, w->inner, o->member[0], row, 1, &w->grid);
    *out = w->grid.log_area;
    return status;
}

static int normalised_observe(const ratio *r, void *own, size_t n, const float *x,
                              observed *o)
{
    wrong_worker *w = own;
    const wrong *c = wrong_of(r);
    double *offset = room_take(&o->offset, n, sizeof *offset);
    int status = offset ? observe_inner(r, w, n, x, o)
                        : fail(NRE_ENOMEM, "no memory for %zu observed rows", n);
    for (size_t i = 0; i < n && !status; i++) {
        status = measure_area(c, w, o, i, x + i * r->n_x, &offset[i]);
        offset[i] -= c->how.tilt * (double)x[i * r->n_x + c->how.column];
    }
    return status;
}

static int normalised_evaluate(const ratio *r, void *own, const observed *o, size_t first,
                               size_t n, size_t per_x, const double *theta,
                               double *log_ratio, double *gradient)
{
    wrong_worker *w = own;
    const double *offset = o->offset.at;
    int status = ratio_evaluate(wrong_of(r)->inner, w->inner, o->member[0], first, n,
                                per_x, theta, log_ratio, gradient);
    for (size_t i = 0; i < n * per_x && !status; i++)
        log_ratio[i] -= offset[first + i / per_x];
    return status;
}

static const ratio_kind NORMALISED = {.worker = worker_make,
                                      .worker_free = worker_free,
                                      .observe = normalised_observe,
                                      .evaluate = normalised_evaluate,
                                      .free = wrong_free};

static int layer(const ratio_kind *kind, bool normalised, ratio *inner,
                 const wrong_plan *how, ratio **out)
{
    wrong *w = memory_new(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a wrong ratio");
    *w = (wrong){.base = {.kind = kind,
                          .target = inner->target,
                          .n_x = inner->n_x,
                          .normalised = normalised,
                          .has_gradient = inner->has_gradient && !how->part},
                 .inner = inner,
                 .how = *how};
    *out = &w->base;
    return NRE_OK;
}

int ratio_wrong(ratio *right, const wrong_plan *how, ratio **out)
{
    ratio *changed = NULL;
    int status = layer(&CHANGED, false, right, how, &changed);
    *out = changed;
    if (status || !right->normalised ||
        (right->target->n > GRID_DIM && !(how->noise > 0)))
        return status;
    status = layer(&NORMALISED, true, changed, how, out);
    if (status)
        free(changed);
    return status;
}

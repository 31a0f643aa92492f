/* infer/ratio_mixture.c - the mixture of the members' posteriors, as a ratio. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Effective size of the cloud that a normalisation is asked to have: it is known to 5%. */
static const cloud_plan PLAN = {.enough = 400};

typedef struct ensemble {
    ratio base; /* first */
    size_t n;
    ratio **member; /* [n], owned */
    const validity_model *validity;
} ensemble;

/* log Z of each member, [n], for a set of rows. */
typedef struct known_set {
    size_t row, n_rows;
    double *log_area;
} known_set;

typedef struct ensemble_worker {
    size_t n;
    ratio_worker **of; /* [n] */
    hash stamp;        /* of the observed rows that the areas below are of */
    size_t n_known;
    double *known;   /* [n_known][n], of sets of one row; NAN: not asked for yet */
    known_set joint; /* the last set of several; n_rows 0: none */
    grid grid;
    cloud cloud;
    room known_room, value, slope;
} ensemble_worker;

static const ensemble *ensemble_of(const ratio *r)
{
    return (const ensemble *)(const void *)r;
}

static void worker_free(void *own)
{
    ensemble_worker *w = own;
    for (size_t m = 0; m < w->n; m++)
        ratio_worker_free(w->of[m]);
    free(w->of);
    free(w->joint.log_area);
    grid_release(&w->grid);
    cloud_release(&w->cloud);
    room_release(&w->known_room);
    room_release(&w->value);
    room_release(&w->slope);
    free(w);
}

static int worker_make(const ratio *r, void **own)
{
    const ensemble *s = ensemble_of(r);
    ensemble_worker *w = memory_new(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a worker of %zu members", s->n);
    *w = (ensemble_worker){.of = memory_new(s->n, sizeof *w->of)};
    w->joint.log_area = memory_new(s->n, sizeof *w->joint.log_area);
    int status = w->of && w->joint.log_area
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "no memory for a worker of %zu members", s->n);
    for (; !status && w->n < s->n; w->n += !status)
        status = ratio_worker_new(s->member[w->n], &w->of[w->n]);
    if (status)
        worker_free(w);
    else
        *own = w;
    return status;
}

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    const ensemble *s = ensemble_of(r);
    ensemble_worker *w = own;
    int status = NRE_OK;
    if (!o->member && !(o->member = memory_new(s->n, sizeof(observed *))))
        return fail(NRE_ENOMEM, "no memory for observed rows");
    for (; !status && o->n_members < s->n; o->n_members += !status)
        status = observed_new(s->member[o->n_members], &o->member[o->n_members]);
    for (size_t m = 0; !status && m < s->n; m++)
        status = ratio_observe(s->member[m], w->of[m], n, x, o->member[m]);
    o->stamp = hash_bytes(x, n * r->n_x * sizeof *x);
    return status;
}

/* normalisation */

/* A cloud from random numbers that are the same for every set: same set, same bits. */
static int area_of_cloud(const posterior *p, ensemble_worker *w, size_t m,
                         const observed *o, size_t row, size_t n_rows, double *log_area)
{
    rng r;
    rng_start(&r, rng_purpose(0, "ensemble"), 0, 0);
    int status = cloud_of(p, w->of[m], o->member[m], row, n_rows, &PLAN, &r, &w->cloud);
    *log_area = w->cloud.log_area;
    if (!status)
        status = cloud_somewhere(&w->cloud, row);
    if (!status && !(w->cloud.effective >= CLOUD_MIN_EFFECTIVE))
        log_say(NRE_WARN,
                "rows %zu to %zu: the weight of member %zu in the mixture rests on an "
                "effective size of %.0f",
                row, row + n_rows - 1, m, w->cloud.effective);
    return status;
}

/* log Z of member M: the integral of its ratio over the prior. */
static int area_of_member(const ratio *r, ensemble_worker *w, size_t m, const observed *o,
                          size_t row, size_t n_rows, double *log_area)
{
    const ensemble *s = ensemble_of(r);
    posterior p = {.ratio = s->member[m], .validity = s->validity};
    int status = NRE_ENOTSUP;
    if (r->target->n <= GRID_MOST_DIM) {
        status =
            grid_try(&p, w->of[m], o->member[m], row, n_rows, GRID_MIN_CELLS, &w->grid);
        *log_area = w->grid.log_area;
    }
    if (status == NRE_ENOTSUP)
        status = area_of_cloud(&p, w, m, o, row, n_rows, log_area);
    if (!status && !isfinite(*log_area))
        status = fail(NRE_ENUMERIC,
                      "rows %zu to %zu: the posterior of member %zu has no finite mass",
                      row, row + n_rows - 1, m);
    return status;
}

static int areas_of(const ratio *r, ensemble_worker *w, const observed *o, size_t row,
                    size_t n_rows, double *log_area)
{
    int status = NRE_OK;
    for (size_t m = 0; !status && m < w->n; m++)
        status = area_of_member(r, w, m, o, row, n_rows, &log_area[m]);
    return status;
}

/* What W knows is of other rows: forget it. */
static int meet(ensemble_worker *w, const observed *o)
{
    if (w->known && w->n_known == o->n && hash_equal(w->stamp, o->stamp))
        return NRE_OK;
    w->joint.n_rows = 0;
    w->n_known = 0;
    w->known = room_take(&w->known_room, o->n, w->n * sizeof *w->known);
    if (!w->known)
        return fail(NRE_ENOMEM, "no memory for %zu observed rows", o->n);
    for (size_t i = 0; i < o->n * w->n; i++)
        w->known[i] = NAN;
    w->n_known = o->n;
    w->stamp = o->stamp;
    return NRE_OK;
}

static int areas_of_row(const ratio *r, ensemble_worker *w, const observed *o, size_t row,
                        const double **out)
{
    double *known = w->known + row * w->n;
    *out = known;
    if (!isnan(known[w->n - 1]))
        return NRE_OK;
    int status = areas_of(r, w, o, row, 1, known);
    if (status)
        known[w->n - 1] = NAN;
    return status;
}

static int areas_of_set(const ratio *r, ensemble_worker *w, const observed *o, size_t row,
                        size_t n_rows, const double **out)
{
    known_set *set = &w->joint;
    *out = set->log_area;
    if (set->n_rows == n_rows && set->row == row)
        return NRE_OK;
    set->n_rows = 0;
    int status = areas_of(r, w, o, row, n_rows, set->log_area);
    if (!status)
        *set = (known_set){row, n_rows, set->log_area};
    return status;
}

/* the mixture */

/* Of one theta: the members' log ratios, STRIDE apart, less their log Z, into the log of their
 * mean; SHARE [n]: each one's part in it. */
static double mix(size_t n, size_t stride, const double *value, const double *log_area,
                  double *share)
{
    double top = -INFINITY, sum = 0;
    for (size_t m = 0; m < n; m++)
        top = fmax(top, value[m * stride] - log_area[m]);
    for (size_t m = 0; m < n; m++) {
        share[m] = top > -INFINITY ? exp(value[m * stride] - log_area[m] - top) : 1;
        sum += share[m];
    }
    for (size_t m = 0; m < n; m++)
        share[m] /= sum;
    return top > -INFINITY ? top + log(sum / (double)n) : -INFINITY;
}

/* Room for the values, the shares of one theta, and slopes of PAIRS. */
static int take_rooms(ensemble_worker *w, size_t pairs, size_t d, bool gradient)
{
    bool ok = room_take(&w->value, w->n * (pairs + 1), sizeof(double));
    ok = ok && (!gradient || room_take(&w->slope, w->n * pairs, d * sizeof(double)));
    return ok ? NRE_OK
              : fail(NRE_ENOMEM, "no memory for %zu pairs of theta and x", pairs);
}

static void mix_pairs(ensemble_worker *w, size_t first, size_t n, size_t pairs, size_t d,
                      const double *log_area, double *log_ratio, double *gradient)
{
    const double *value = w->value.at, *slope = w->slope.at;
    double *share = (double *)w->value.at + w->n * pairs;
    for (size_t i = first; i < first + n; i++) {
        log_ratio[i] = mix(w->n, pairs, value + i, log_area, share);
        for (size_t k = 0; gradient && k < d; k++) {
            gradient[i * d + k] = 0;
            for (size_t m = 0; m < w->n; m++)
                gradient[i * d + k] += share[m] * slope[(m * pairs + i) * d + k];
        }
    }
}

/* Every row is a set of its own. */
static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const ensemble *s = ensemble_of(r);
    ensemble_worker *w = own;
    size_t d = r->target->n, pairs = n * per_x;
    int status = take_rooms(w, pairs, d, gradient);
    if (!status)
        status = meet(w, o);
    for (size_t m = 0; !status && m < s->n; m++)
        status = ratio_evaluate(s->member[m], w->of[m], o->member[m], first, n, per_x,
                                theta, (double *)w->value.at + m * pairs,
                                gradient ? (double *)w->slope.at + m * pairs * d : NULL);
    for (size_t i = 0; !status && i < n; i++) {
        const double *log_area = NULL;
        status = areas_of_row(r, w, o, first + i, &log_area);
        if (!status)
            mix_pairs(w, i * per_x, per_x, pairs, d, log_area, log_ratio, gradient);
    }
    return status;
}

/* All rows are one set. */
static int evaluate_joint(const ratio *r, void *own, const observed *o, size_t row,
                          size_t n_rows, size_t n, const double *theta, double *log_ratio,
                          double *gradient)
{
    const ensemble *s = ensemble_of(r);
    ensemble_worker *w = own;
    size_t d = r->target->n;
    const double *log_area = NULL;
    int status = take_rooms(w, n, d, gradient);
    if (!status)
        status = meet(w, o);
    if (!status)
        status = areas_of_set(r, w, o, row, n_rows, &log_area);
    for (size_t m = 0; !status && m < s->n; m++)
        status = ratio_joint(s->member[m], w->of[m], o->member[m], row, n_rows, n, theta,
                             (double *)w->value.at + m * n,
                             gradient ? (double *)w->slope.at + m * n * d : NULL);
    if (!status)
        mix_pairs(w, 0, n, n, d, log_area, log_ratio, gradient);
    return status;
}

static void ensemble_free(ratio *r)
{
    ensemble *s = (ensemble *)(void *)r;
    for (size_t m = 0; m < s->n; m++)
        ratio_free(s->member[m]);
    free(s->member);
    free(s);
}

static const ratio_kind MIXTURE = {.worker = worker_make,
                                   .worker_free = worker_free,
                                   .observe = observe,
                                   .evaluate = evaluate,
                                   .free = ensemble_free,
                                   .joint = evaluate_joint};

int ratio_of_mixture(size_t n_members, ratio *const *members, const validity_model *valid,
                     ratio **out)
{
    if (n_members == 0)
        return fail(NRE_EINVAL, "a mixture needs at least one member");
    ensemble *s = memory_new(1, sizeof *s);
    ratio **copy = memory_new(n_members, sizeof *copy);
    if (!s || !copy) {
        free(s);
        free(copy);
        return fail(NRE_ENOMEM, "no memory for a mixture of %zu members", n_members);
    }
    memcpy(copy, members, n_members * sizeof *copy);
    *s = (ensemble){.base = {.kind = &MIXTURE,
                             .target = members[0]->target,
                             .n_x = members[0]->n_x,
                             .normalised = true,
                             .has_gradient = true},
                    .n = n_members,
                    .member = copy,
                    .validity = valid};
    for (size_t m = 0; m < n_members; m++) {
        s->base.has_gradient = s->base.has_gradient && members[m]->has_gradient;
        s->base.flops += members[m]->flops;
    }
    *out = &s->base;
    return NRE_OK;
}

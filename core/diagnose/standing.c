/* diagnose/standing.c - where the true theta of each test pair stands among all, given its x. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    STARTS =
        REGION_STARTS + 1, /* points to climb from: of the posterior, and the truth */
    MOST_MEASURES = 32
};
/* Few draws do, since the truth joins them.  A posterior of several thin parts is found from many draws
 * only: tried where few left the answer open, which depends on x alone. */
static const cloud_plan PLANS[] = {
    {.n_prior = 300, .n_round = 200, .max_rounds = 40, .enough = 110},
    {.n_prior = 5000, .n_round = 1000, .max_rounds = 40, .enough = 110},
    {.n_prior = 20000, .n_round = 2000, .max_rounds = 60, .enough = 110}};
enum { N_PLANS = sizeof PLANS / sizeof PLANS[0] };

/* To start a climb from a handful of draws will do. */
static const cloud_plan STARTS_ONLY = {
    .n_prior = 300, .n_round = 200, .max_rounds = 14, .enough = 20};

typedef struct standing_job {
    const subject *subject;
    const standing_request *request;
    size_t dim;
    rng_key key;
    rng_key measure_key[MOST_MEASURES];
    void *prepared[MOST_MEASURES];
    station *stations;
    pair_standing *out; /* [n] */
    double *theta;      /* [n][dim] or NULL */
    atomic_ullong done;
} standing_job;

/* Where the maximum of one row is sought: its best points, and the truth in the slots
 * that are left, so that the maximum is never below it.  start [STARTS][dim]. */
static void row_starts(const station *t, size_t dim, const double *truth, double *start)
{
    size_t n = region_starts(t->on_grid ? &t->grid : NULL, &t->cloud, start);

    for (; n < STARTS; n++)
        memcpy(start + n * dim, truth, dim * sizeof *start);
}

/* All that is wanted of one pair, each from a stream of its own. */
static int take_measures(const standing_job *j, station *t, size_t row, uint64_t item,
                         const pair_standing *found)
{
    const standing_request *q = j->request;
    const target *about = ratio_target(j->subject->posterior->ratio);
    rng r;
    pair_view v = {.subject = j->subject,
                   .target = about,
                   .item = item,
                   .grid = t->on_grid ? &t->grid : NULL,
                   .cloud = t->on_grid ? NULL : &t->cloud,
                   .theta = t->theta + row * j->dim,
                   .x = t->x + row * j->subject->test->n_x,
                   .log_ratio = t->log_ratio[row],
                   .log_density = t->log_density[row],
                   .log_area = t->log_area,
                   .standing = found,
                   .worker = t->worker,
                   .observed = t->observed,
                   .row = row,
                   .rng = &r};
    int status = NRE_OK;

    for (size_t i = 0; i < q->n_measures && !status; i++) {
        size_t width = q->measures[i]->width(about);
        double *out = q->value[i] + item * width;
        for (size_t k = 0; k < width; k++)
            out[k] = NAN;
        rng_start(&r, j->measure_key[i], item, 0);
        v.prepared = j->prepared[i];
        if (!t->missing)
            status = q->measures[i]->take(&v, out);
    }
    return status;
}

/* Ranks need enough draws, a climb any where the posterior is not zero. */
static int find_posterior(const standing_job *j, station *t, size_t row,
                          const double *truth, rng *r)
{
    bool ranks = j->request->ranks, found = false;
    int status = NRE_OK;

    for (size_t i = 0; i < N_PLANS && !found && !status; i++) {
        t->plan = i > 0 || ranks ? PLANS[i] : STARTS_ONLY;
        t->plan.truth = ranks ? truth : NULL;
        status = station_posterior(j->subject, t, t->observed, row, r);
        found = t->on_grid || (ranks ? !t->missing : !t->cloud.nowhere);
    }
    return status;
}

static int judge(const standing_job *j, station *t, size_t row, uint64_t item,
                 double *start, pair_standing *out)
{
    const standing_request *q = j->request;
    const double *truth = t->theta + row * j->dim;
    rng r;

    rng_start(&r, j->key, item, 0);
    double v = rng_uniform(&r);
    int status = find_posterior(j, t, row, truth, &r);
    if (status)
        return status;
    *out = (pair_standing){.missing = t->missing,
                           .lost = t->missing && (t->on_grid || t->cloud.nowhere),
                           .log_ratio = t->log_ratio[row],
                           .log_prior = t->log_density[row] - t->log_ratio[row],
                           .gain = t->log_ratio[row] - t->log_area};
    row_starts(t, j->dim, truth, start);
    if (!t->missing && q->ranks)
        out->at.rank =
            t->on_grid
                ? grid_rank(&t->grid, truth, t->log_density[row], v, q->snap)
                : cloud_rank(&t->cloud, t->log_density[row], t->cloud.weight_of_truth);
    return take_measures(j, t, row, item, out);
}

/* Deviances of N rows at once.  start [n][STARTS][dim]. */
static int judge_maxima(const standing_job *j, station *t, size_t n, const double *start,
                        pair_standing *out)
{
    double *theta = memory_new(n * (j->dim + 1), sizeof *theta);

    if (!theta)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    double *highest = theta + n * j->dim;
    int status = maxima_of(j->subject->posterior, t->worker, t->observed, 0, n,
                           MAXIMUM_RATIO, STARTS, start, theta, highest);
    for (size_t i = 0; i < n && !status; i++)
        out[i].at.deviance = t->log_ratio[i] > -INFINITY
                                 ? 2 * fmax(highest[i] - t->log_ratio[i], 0)
                                 : INFINITY;
    free(theta);
    return status;
}

static int judge_rows(const standing_job *j, station *t, uint64_t first, size_t n)
{
    size_t each = STARTS * j->dim;
    double *start = memory_new(n * each, sizeof *start);
    int status = start ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a diagnostic");

    for (size_t row = 0; row < n && !status; row++) {
        status = judge(j, t, row, first + row, start + row * each, &j->out[first + row]);
        if (status)
            fail_within(status, "%s row %llu", j->request->rows,
                        (unsigned long long)(first + row));
    }
    if (!status && j->request->deviances)
        status = judge_maxima(j, t, n, start, &j->out[first]);
    if (!status && j->theta)
        memcpy(j->theta + first * j->dim, t->theta, n * j->dim * sizeof *t->theta);
    free(start);
    return status;
}

static int judge_block(void *context, size_t i, unsigned worker)
{
    standing_job *j = context;
    station *t = &j->stations[worker];
    uint64_t first = (uint64_t)i * STATION_ROWS, left = j->request->n - first;
    size_t n = left < STATION_ROWS ? (size_t)left : STATION_ROWS;
    int status = station_load(j->subject, t, worker, first, n);

    if (!status)
        status = judge_rows(j, t, first, n);
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, j->request->purpose, done, j->request->n,
                           j->request->rows, NULL);
}

static int prepare_measures(standing_job *j)
{
    const standing_request *q = j->request;
    const char *about = ratio_target(j->subject->posterior->ratio)->name;
    int status = NRE_OK;

    for (size_t i = 0; i < q->n_measures && !status; i++) {
        const measure *m = q->measures[i];
        j->measure_key[i] =
            rng_purpose(j->subject->seed, "%s/%s/%s", q->purpose, m->name, about);
        if (m->prepare)
            status = m->prepare(j->subject, &j->prepared[i]);
    }
    return status;
}

static void release_measures(standing_job *j)
{
    for (size_t i = 0; i < j->request->n_measures; i++)
        if (j->prepared[i])
            j->request->measures[i]->release(j->prepared[i]);
}

int pair_standings(const subject *s, const standing_request *q, pair_standing *out,
                   double *theta)
{
    const target *t = ratio_target(s->posterior->ratio);
    standing_job j = {
        .subject = s, .request = q, .dim = t->n, .out = out, .theta = theta};

    if (q->n_measures > MOST_MEASURES)
        return fail(NRE_EINTERNAL, "a pass takes %d measures at most", MOST_MEASURES);
    j.key = rng_purpose(s->seed, "%s/%s", q->purpose, t->name);
    int status = prepare_measures(&j);
    if (!status)
        status = stations_new(s, &j.stations);
    if (!status)
        status = pool_run(s->pool, (size_t)((q->n + STATION_ROWS - 1) / STATION_ROWS),
                          judge_block, &j);
    stations_free(s, j.stations);
    release_measures(&j);
    return status;
}

/* Pairs whose grid was too coarse are left out. */
static int fit_known(const subject *s, size_t n_levels, const double *levels, size_t n,
                     const pair_standing *pair, double *theta, neyman **out)
{
    const target *t = ratio_target(s->posterior->ratio);
    size_t known = 0;
    double *deviance = memory_new(n, sizeof *deviance);

    if (!deviance)
        return fail(NRE_ENOMEM, "out of memory for critical values");
    for (size_t i = 0; i < n; i++)
        if (!pair[i].lost) {
            memmove(theta + known * t->n, theta + i * t->n, t->n * sizeof *theta);
            deviance[known++] = pair[i].at.deviance;
        }
    neyman_plan fit = {t, known, theta, deviance, n_levels, levels, s->pool};
    int status = neyman_fit(&fit, out);
    free(deviance);
    return status;
}

int neyman_of_pairs(const subject *s, size_t n_levels, const double *levels, neyman **out)
{
    size_t n = (size_t)s->test->n;
    standing_request q = {
        .n = n, .deviances = true, .purpose = "neyman", .rows = "calibration pairs"};
    pair_standing *pair = memory_new(n > 0 ? n : 1, sizeof *pair);
    double *theta =
        memory_new(n > 0 ? n : 1, ratio_target(s->posterior->ratio)->n * sizeof *theta);
    int status = pair && theta ? pair_standings(s, &q, pair, theta)
                               : fail(NRE_ENOMEM, "out of memory for %zu pairs", n);

    *out = NULL;
    if (!status)
        status = fit_known(s, n_levels, levels, n, pair, theta, out);
    free(theta);
    free(pair);
    return status;
}

/* diagnose/coverage.c - how often the truth lies in the regions, and what x tells about
 * it. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STARTS = 3 }; /* points of the posterior to climb from, beside the truth */
static const double INTERVAL = 0.99;
/* Few draws do, since the rank counts the truth as one of them; many rounds, so that
 * hardly a pair stays without an answer. */
static const cloud_plan PLAN = {
    .n_prior = 300, .n_round = 200, .max_rounds = 500, .enough = 110};

/* What became of one test pair. */
typedef struct outcome {
    double rank;      /* credible: inside level L when below L */
    double deviance;  /* -2 (log r(theta*) - max log r) */
    double log_ratio; /* at the truth */
    double gain;
    bool missing;
} outcome;

typedef struct coverage_job {
    const subject *subject;
    const coverage_request *request;
    uint64_t n;
    rng_key key;
    station *stations;
    outcome *outcome; /* [n] */
    atomic_ullong done;
} coverage_job;

/* one pair */

/* Keep POINT in the first STARTS slots, ordered by VALUE, when it is among the best so
 * far. */
static void keep_best(size_t *n, size_t *point, double *value, size_t candidate, double v)
{
    size_t at = *n < STARTS ? (*n)++ : STARTS;

    if (at == STARTS && !(v > value[STARTS - 1]))
        return;
    at = at == STARTS ? STARTS - 1 : at;
    for (; at > 0 && v > value[at - 1]; at--) {
        point[at] = point[at - 1];
        value[at] = value[at - 1];
    }
    point[at] = candidate;
    value[at] = v;
}

/* No neighbour along an axis is higher: neighbours would climb to the same place. */
static bool is_peak(const grid *g, size_t cell)
{
    size_t stride = 1;

    for (uint32_t k = g->dim; k-- > 0; stride *= g->m) {
        size_t at = cell / stride % g->m;
        if (at > 0 && g->log_ratio[cell - stride] > g->log_ratio[cell])
            return false;
        if (at + 1 < g->m && g->log_ratio[cell + stride] > g->log_ratio[cell])
            return false;
    }
    return true;
}

static size_t grid_starts(const grid *g, double *start)
{
    size_t n = 0, cell[STARTS];
    double value[STARTS];

    for (size_t i = 0; i < g->n; i++)
        if ((n < STARTS || g->log_ratio[i] > value[STARTS - 1]) && is_peak(g, i))
            keep_best(&n, cell, value, i, g->log_ratio[i]);
    for (size_t j = 0; j < n; j++) {
        size_t rest = cell[j];
        for (uint32_t k = g->dim; k-- > 0; rest /= g->m)
            start[j * g->dim + k] = g->axis[k * g->m + rest % g->m];
    }
    return n;
}

static size_t cloud_starts(const cloud *c, double *start)
{
    size_t n = 0, best[STARTS];
    double value[STARTS];

    for (size_t i = 0; i < c->n; i++)
        keep_best(&n, best, value, i, c->log_ratio[i]);
    for (size_t j = 0; j < n; j++)
        memcpy(start + j * c->dim, c->theta + best[j] * c->dim, c->dim * sizeof *start);
    return n;
}

/* Where the maximum of one row is sought: its best points, and the truth in the slots
 * that are left, so that the maximum is never below it.  start [STARTS + 1][dim]. */
static void row_starts(const station *t, size_t dim, const double *truth, double *start)
{
    size_t n = t->on_grid ? grid_starts(&t->grid, start) : cloud_starts(&t->cloud, start);

    for (; n <= STARTS; n++)
        memcpy(start + n * dim, truth, dim * sizeof *start);
}

static int judge(const coverage_job *j, station *t, size_t row, uint64_t item,
                 double *start, outcome *out)
{
    const coverage_request *q = j->request;
    size_t d = ratio_target(j->subject->posterior->ratio)->n;
    const double *truth = t->theta + row * d;
    rng r;

    rng_start(&r, j->key, item, 0);
    double v = rng_uniform(&r);
    int status = station_posterior(j->subject, t, t->observed, row, &r);
    if (status)
        return status;
    *out = (outcome){.missing = t->missing,
                     .log_ratio = t->log_ratio[row],
                     .gain = t->log_ratio[row] - t->log_area};
    row_starts(t, d, truth, start);
    if (!t->missing && q->regions & COVERAGE_CREDIBLE)
        out->rank = t->on_grid ? grid_rank(&t->grid, truth, v, q->snap)
                               : cloud_rank(&t->cloud, t->log_density[row]);
    return NRE_OK;
}

/* Deviances of N rows at once.  start [n][STARTS + 1][dim]. */
static int judge_maxima(const coverage_job *j, station *t, size_t n, const double *start,
                        outcome *out)
{
    size_t d = ratio_target(j->subject->posterior->ratio)->n;
    double *theta = memory_new(n * (d + 1), sizeof *theta);

    if (!theta)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    double *highest = theta + n * d;
    int status = maxima_of(j->subject->posterior, t->worker, t->observed, 0, n,
                           MAXIMUM_RATIO, STARTS + 1, start, theta, highest);
    for (size_t i = 0; i < n && !status; i++)
        out[i].deviance = t->log_ratio[i] > -INFINITY
                              ? 2 * fmax(highest[i] - t->log_ratio[i], 0)
                              : INFINITY;
    free(theta);
    return status;
}

static int judge_rows(const coverage_job *j, station *t, uint64_t first, size_t n)
{
    size_t d = ratio_target(j->subject->posterior->ratio)->n, each = (STARTS + 1) * d;
    double *start = memory_new(n * each, sizeof *start);
    int status = start ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a diagnostic");

    for (size_t row = 0; row < n && !status; row++) {
        status =
            judge(j, t, row, first + row, start + row * each, &j->outcome[first + row]);
        if (status)
            fail_within(status, "test row %llu", (unsigned long long)(first + row));
    }
    if (!status && j->request->regions & COVERAGE_CONFIDENCE)
        status = judge_maxima(j, t, n, start, &j->outcome[first]);
    free(start);
    return status;
}

static int judge_block(void *context, size_t i, unsigned worker)
{
    coverage_job *j = context;
    station *t = &j->stations[worker];
    uint64_t first = (uint64_t)i * STATION_ROWS;
    size_t n = j->n - first < STATION_ROWS ? (size_t)(j->n - first) : STATION_ROWS;
    t->plan = PLAN;
    int status = station_load(j->subject, t, worker, first, n);

    if (!status)
        status = judge_rows(j, t, first, n);
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, "coverage", done, j->n, "test pairs", NULL);
}

/* all pairs */

static bool inside(const outcome *o, const coverage_cell *c, double threshold)
{
    return c->region == COVERAGE_CREDIBLE ? o->rank < c->level : o->deviance <= threshold;
}

/* Deviation of the blocks' own coverages; NAN with fewer than two that have any pair. */
static double spread_of(size_t n, const double *value)
{
    double sum = 0, squares = 0;
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i])) {
            sum += value[i];
            used++;
        }
    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i]))
            squares += (value[i] - sum / (double)used) * (value[i] - sum / (double)used);
    return used > 1 ? sqrt(squares / (double)(used - 1)) : NAN;
}

/* SHARE [repeats] is scratch. */
static void fill_cell(const coverage_job *j, uint32_t dim, double *share,
                      coverage_cell *c)
{
    const coverage_request *q = j->request;
    double threshold =
        c->region == COVERAGE_CONFIDENCE ? wilks_threshold(c->level, dim) : 0;

    for (uint64_t b = 0; b < q->repeats; b++) {
        const outcome *o = j->outcome + b * q->observables;
        uint64_t covered = 0, n = 0;
        for (uint64_t i = 0; i < q->observables; i++)
            if (!o[i].missing) {
                n++;
                covered += inside(&o[i], c, threshold);
            }
        share[b] = n > 0 ? (double)covered / (double)n : NAN;
        c->covered += covered;
        c->n += n;
    }
    c->coverage = c->n > 0 ? (double)c->covered / (double)c->n : NAN;
    c->sd_evaluation = spread_of(q->repeats, share);
    c->sd_training = NAN;
    binomial_interval(c->covered, c->n, INTERVAL, c->interval);
    c->verdict = verdict_of(c->level, c->interval);
}

static int fill_cells(const coverage_job *j, coverage_result *out)
{
    const coverage_request *q = j->request;
    uint32_t dim = ratio_target(j->subject->posterior->ratio)->n;
    unsigned both[] = {COVERAGE_CREDIBLE, COVERAGE_CONFIDENCE};
    double *share = memory_new(q->repeats, sizeof *share);

    out->cells = memory_new(2 * q->n_levels, sizeof *out->cells);
    if (!share || !out->cells) {
        free(share);
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    }
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < q->n_levels && (q->regions & both[k]); i++) {
            coverage_cell *c = &out->cells[out->n_cells++];
            *c = (coverage_cell){.region = both[k], .level = q->levels[i]};
            fill_cell(j, dim, share, c);
        }
    free(share);
    return NRE_OK;
}

static void fill_gain(const coverage_job *j, coverage_result *out)
{
    double gain = 0, information = 0, squares = 0;

    for (uint64_t i = 0; i < j->n; i++) {
        const outcome *o = &j->outcome[i];
        out->missing += o->missing;
        gain += o->missing ? 0 : o->gain;
        information += o->missing ? 0 : o->log_ratio;
    }
    out->n = j->n - out->missing;
    double n = (double)out->n;
    out->gain = out->n > 0 ? gain / n : NAN;
    bool normalised = ratio_is_normalised(j->subject->posterior->ratio);
    out->information = out->n > 0 && normalised ? information / n : NAN;
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->outcome[i].missing)
            squares +=
                (j->outcome[i].gain - out->gain) * (j->outcome[i].gain - out->gain);
    out->gain_error = out->n > 1 ? sqrt(squares / (n - 1) / n) : NAN;
}

static int check(const subject *s, const coverage_request *q, uint64_t *n)
{
    if (q->n_levels == 0 || !(q->regions & (COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE)))
        return fail(NRE_EINVAL, "coverage needs a level and a region");
    for (size_t i = 0; i < q->n_levels; i++)
        if (!(q->levels[i] > 0 && q->levels[i] < 1))
            return fail(NRE_EINVAL, "coverage of level %g: a level lies in (0, 1)",
                        q->levels[i]);
    if (q->observables == 0 || q->repeats == 0 ||
        __builtin_mul_overflow(q->observables, q->repeats, n) || *n > s->test->n)
        return fail(
            NRE_EINVAL,
            "coverage asks for %llu blocks of %llu test pairs, the test set holds %llu: "
            "raise datasets.test.n or lower diagnose.coverage.observables",
            (unsigned long long)q->repeats, (unsigned long long)q->observables,
            (unsigned long long)s->test->n);
    return NRE_OK;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int coverage_of(const subject *s, const coverage_request *r, coverage_result *out)
{
    coverage_job j = {.subject = s, .request = r};
    double start = seconds_now();

    *out = (coverage_result){0};
    int status = check(s, r, &j.n);
    if (status)
        return status;
    j.key = rng_purpose(s->seed, "coverage/%s", ratio_target(s->posterior->ratio)->name);
    j.outcome = memory_new(j.n, sizeof *j.outcome);
    status = j.outcome ? stations_new(s, &j.stations)
                       : fail(NRE_ENOMEM, "out of memory for %llu test pairs",
                              (unsigned long long)j.n);
    if (!status)
        status = pool_run(s->pool, (size_t)((j.n + STATION_ROWS - 1) / STATION_ROWS),
                          judge_block, &j);
    if (!status)
        status = fill_cells(&j, out);
    if (!status)
        fill_gain(&j, out);
    out->seconds = seconds_now() - start;
    stations_free(s, j.stations);
    free(j.outcome);
    return status;
}

void coverage_release(coverage_result *c)
{
    free(c->cells);
    *c = (coverage_result){0};
}

/* JSON */

static json_t *cell_json(const coverage_cell *c)
{
    bool known = c->n > 0;
    json_t *o =
        json_pack("{s:s s:f s:o s:o s:o s:I s:I s:[oo] s:o}", "region",
                  c->region == COVERAGE_CREDIBLE ? "credible" : "confidence", "level",
                  c->level, "coverage", json_number(c->coverage), "sd_evaluation",
                  json_number(c->sd_evaluation), "sd_training",
                  json_number(c->sd_training), "covered", (json_int_t)c->covered, "n",
                  (json_int_t)c->n, "interval", json_number(known ? c->interval[0] : NAN),
                  json_number(known ? c->interval[1] : NAN), "verdict",
                  known ? json_string(verdict_word(c->verdict)) : json_null());

    if (o && !known)
        json_object_set_new(
            o, "reason",
            json_string("no test pair had a posterior of enough effective size"));
    return o;
}

json_t *coverage_json(const coverage_result *c)
{
    json_t *cells = json_array();

    for (size_t i = 0; i < c->n_cells; i++)
        json_array_append_new(cells, cell_json(&c->cells[i]));
    json_t *o = json_pack("{s:I s:I s:o s:o s:o s:o}", "n", (json_int_t)c->n, "missing",
                          (json_int_t)c->missing, "gain", json_number(c->gain),
                          "gain_error", json_number(c->gain_error), "information",
                          json_number(c->information), "cells", cells);

    if (o && c->n > 0 && isnan(c->information))
        json_object_set_new(o, "reason",
                            json_string("this ratio is known up to a function of x: log "
                                        "r has no mean, the gain stands for it"));
    return o;
}

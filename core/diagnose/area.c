/* diagnose/area.c - does the ratio integrate to one? */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct area_job {
    const subject *subject;
    uint64_t n;
    rng_key key;
    station *stations;
    double *area; /* [n], NAN where missing */
    atomic_ullong done;
} area_job;

/* The noise of importance sampling, 1 / sqrt(enough) at most, adds to the spread of the
 * areas: 1% for a right ratio here, 3% by default, as much as that of a good network. */
static const cloud_plan PLAN = {.n_prior = 1000, .n_round = 1000, .enough = 1000};

static int area_at(const subject *s, station *t, const observed *o, size_t row,
                   rng_key key, uint64_t item, double *area)
{
    rng r;

    rng_start(&r, key, item, 0);
    t->plan = PLAN;
    int status = station_posterior(s, t, o, row, &r);
    if (!status)
        *area = t->missing ? NAN : exp(t->log_area);
    return status;
}

static int measure_block(void *context, size_t i, unsigned worker)
{
    area_job *j = context;
    station *t = &j->stations[worker];
    uint64_t first = (uint64_t)i * STATION_ROWS;
    size_t n = j->n - first < STATION_ROWS ? (size_t)(j->n - first) : STATION_ROWS;
    int status = station_load(j->subject, t, worker, first, n);

    for (size_t row = 0; row < n && !status; row++)
        status = area_at(j->subject, t, t->observed, row, j->key, first + row,
                         &j->area[first + row]);
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, "area", done, j->n, "test rows", NULL);
}

/* Linear between order statistics (definition 7 of Hyndman & Fan 1996). */
static double quantile_of(size_t n, const double *sorted, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;

    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* Move what is missing out, sort, and describe the rest. */
static void describe(uint64_t n, area_result *out)
{
    double sum = 0, squares = 0;

    for (uint64_t i = 0; i < n; i++)
        if (isfinite(out->area[i]))
            out->area[out->n++] = out->area[i];
    out->missing = n - out->n;
    out->mean = out->deviation = out->median = out->central99[0] = out->central99[1] =
        NAN;
    if (out->n == 0)
        return;
    size_t m = (size_t)out->n;
    qsort(out->area, m, sizeof *out->area, compare_reals);
    for (size_t i = 0; i < m; i++)
        sum += out->area[i];
    out->mean = sum / (double)m;
    for (size_t i = 0; i < m; i++)
        squares += (out->area[i] - out->mean) * (out->area[i] - out->mean);
    out->deviation = m > 1 ? sqrt(squares / (double)(m - 1)) : NAN;
    out->median = quantile_of(m, out->area, 0.5);
    out->central99[0] = quantile_of(m, out->area, 0.005);
    out->central99[1] = quantile_of(m, out->area, 0.995);
}

int area_of(const subject *s, uint64_t observables, area_result *out)
{
    area_job j = {.subject = s, .n = observables < s->test->n ? observables : s->test->n};

    *out = (area_result){0};
    if (j.n == 0)
        return fail(NRE_EINVAL, "the area needs at least one test row");
    j.key = rng_purpose(s->seed, "area/%s", ratio_target(s->posterior->ratio)->name);
    j.area = memory_new(j.n, sizeof *j.area);
    int status = j.area ? stations_new(s, &j.stations)
                        : fail(NRE_ENOMEM, "out of memory for %llu test rows",
                               (unsigned long long)j.n);
    if (!status)
        status = pool_run(s->pool, (size_t)((j.n + STATION_ROWS - 1) / STATION_ROWS),
                          measure_block, &j);
    stations_free(s, j.stations);
    if (status) {
        free(j.area);
        return status;
    }
    out->area = j.area;
    describe(j.n, out);
    return NRE_OK;
}

void area_release(area_result *a)
{
    free(a->area);
    *a = (area_result){0};
}

/* Equals count half: among areas that are all the same a further one is in the middle. */
static double middle_rank(size_t n, const double *sorted, double value)
{
    double below = fraction_below(n, sorted, value);

    return (below + fraction_below(n, sorted, nextafter(value, INFINITY))) / 2;
}

int area_of_observation(const subject *s, const area_result *test, const observed *o,
                        size_t row, double *area, double *rank)
{
    station *t = NULL;
    int status = stations_new(s, &t);
    rng_key key =
        rng_purpose(s->seed, "area/observed/%s", ratio_target(s->posterior->ratio)->name);

    *area = *rank = NAN;
    if (!status)
        status = area_at(s, t, o, row, key, row, area);
    if (!status && isfinite(*area))
        *rank = middle_rank((size_t)test->n, test->area, *area);
    stations_free(s, t);
    return status ? fail_within(status, "area of observation %zu", row) : NRE_OK;
}

json_t *area_json(const area_result *a)
{
    json_t *values = json_array();

    for (uint64_t i = 0; i < a->n; i++)
        json_array_append_new(values, json_number(a->area[i]));
    json_t *o = json_pack(
        "{s:I s:I s:o s:o s:o s:[oo] s:o}", "n", (json_int_t)a->n, "missing",
        (json_int_t)a->missing, "mean", json_number(a->mean), "sd",
        json_number(a->deviation), "median", json_number(a->median), "central99",
        json_number(a->central99[0]), json_number(a->central99[1]), "areas", values);
    if (o && a->n == 0)
        json_object_set_new(
            o, "reason",
            json_string("no test row had a posterior of enough effective size"));
    return o;
}

/* diagnose/ensemble.c - how far the networks of an ensemble are apart, for test rows and for the
 * observation. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 1000, /* by default */
    DRAWS = 200  /* of a posterior, where the networks are compared */
};
/* As coarse as will do. */
static const cloud_plan PLAN = {
    .n_prior = 300, .n_round = 200, .max_rounds = 60, .enough = 110};
static const double NOTED = 0.3; /* posterior deviations: a shift worth advice */

/* What a thread compares the networks with. */
typedef struct lane {
    ratio_worker **worker; /* [members] */
    observed **observed;   /* [members] */
    double *theta;         /* [DRAWS][dim] */
    double *log_ratio;     /* [members][DRAWS] */
    double *mean;          /* [DRAWS] over the members */
} lane;

typedef struct score {
    double spread; /* nats; NAN where the posterior stayed too coarse */
    double shift;  /* posterior deviations */
} score;

typedef struct rows {
    const char *what; /* "test rows" */
    size_t n;
    const float *x; /* [n][n_x]; NULL: of the test set */
    rng_key key;
    score *score; /* [n] */
} rows;

typedef struct job {
    const subject *subject;
    size_t n_members, dim;
    station *stations;
    lane *lanes;
    rows test, observed;
    rows *now; /* of the two */
    atomic_ullong done;
} job;

/* lanes */

static void lanes_free(const job *j)
{
    for (unsigned i = 0; j->lanes && i < pool_threads(j->subject->pool); i++) {
        lane *l = &j->lanes[i];
        for (size_t k = 0; k < j->n_members; k++) {
            if (l->worker)
                ratio_worker_free(l->worker[k]);
            if (l->observed)
                observed_free(l->observed[k]);
        }
        free(l->worker);
        free(l->observed);
        free(l->theta);
    }
    free(j->lanes);
}

static int lane_init(const job *j, lane *l)
{
    size_t n = j->n_members;
    int status = NRE_OK;

    l->worker = memory_new(n, sizeof *l->worker);
    l->observed = memory_new(n, sizeof *l->observed);
    l->theta = memory_new(DRAWS, (j->dim + n + 1) * sizeof *l->theta);
    if (!l->worker || !l->observed || !l->theta)
        return fail(NRE_ENOMEM, "no memory to compare networks");
    l->log_ratio = l->theta + DRAWS * j->dim;
    l->mean = l->log_ratio + DRAWS * n;
    for (size_t k = 0; k < n && !status; k++) {
        status = ratio_worker_new(j->subject->members[k].ratio, &l->worker[k]);
        if (!status)
            status = observed_new(j->subject->members[k].ratio, &l->observed[k]);
    }
    return status;
}

static int lanes_new(job *j)
{
    unsigned n = pool_threads(j->subject->pool);
    int status = NRE_OK;

    j->lanes = memory_new(n, sizeof *j->lanes);
    if (!j->lanes)
        return fail(NRE_ENOMEM, "no memory to compare networks");
    for (unsigned i = 0; i < n && !status; i++)
        status = lane_init(j, &j->lanes[i]);
    return status;
}

/* one row */

/* Of each network from the mean of all, apart from what does not depend on theta. */
static void deviations(const lane *l, size_t n_members)
{
    memset(l->mean, 0, DRAWS * sizeof *l->mean);
    for (size_t k = 0; k < n_members; k++) {
        double *value = l->log_ratio + k * DRAWS, sum = 0;
        for (size_t i = 0; i < DRAWS; i++)
            sum += value[i];
        for (size_t i = 0; i < DRAWS; i++) {
            value[i] -= sum / DRAWS;
            l->mean[i] += value[i] / (double)n_members;
        }
    }
    for (size_t k = 0; k < n_members; k++)
        for (size_t i = 0; i < DRAWS; i++)
            l->log_ratio[k * DRAWS + i] -= l->mean[i];
}

/* A log density that is changed by a small d(theta) has its mean moved by Cov(theta, d). */
static double shift_in(const lane *l, size_t n_members, size_t dim, size_t k)
{
    double mean = 0, variance = 0, squares = 0;

    for (size_t i = 0; i < DRAWS; i++)
        mean += l->theta[i * dim + k] / DRAWS;
    for (size_t i = 0; i < DRAWS; i++) {
        double away = l->theta[i * dim + k] - mean;
        variance += away * away / DRAWS;
    }
    for (size_t m = 0; m < n_members; m++) {
        double moved = 0;
        for (size_t i = 0; i < DRAWS; i++)
            moved += (l->theta[i * dim + k] - mean) * l->log_ratio[m * DRAWS + i] / DRAWS;
        squares += moved * moved / (double)(n_members - 1);
    }
    return variance > 0 ? sqrt(squares / variance) : 0;
}

static score score_of(const lane *l, size_t n_members, size_t dim)
{
    score out = {0};
    double squares = 0;

    deviations(l, n_members);
    for (size_t i = 0; i < n_members * DRAWS; i++)
        squares += l->log_ratio[i] * l->log_ratio[i];
    out.spread = sqrt(squares / ((double)(n_members - 1) * DRAWS));
    for (size_t k = 0; k < dim; k++)
        out.shift = fmax(out.shift, shift_in(l, n_members, dim, k));
    return isfinite(out.spread) ? out : (score){NAN, NAN};
}

static int score_row(const job *j, lane *l, station *t, size_t row, uint64_t item)
{
    score *out = &j->now->score[item];
    rng r;

    rng_start(&r, j->now->key, item, 0);
    t->plan = PLAN;
    int status = station_posterior(j->subject, t, t->observed, row, &r);
    *out = (score){NAN, NAN};
    if (status || t->missing)
        return status;
    posterior_draws(t->on_grid ? &t->grid : NULL, &t->cloud, DRAWS, &r, l->theta);
    for (size_t k = 0; k < j->n_members && !status; k++)
        status =
            ratio_evaluate(j->subject->members[k].ratio, l->worker[k], l->observed[k],
                           row, 1, DRAWS, l->theta, l->log_ratio + k * DRAWS, NULL);
    if (!status)
        *out = score_of(l, j->n_members, j->dim);
    return status;
}

/* many rows */

static int observe_all(const job *j, lane *l, station *t, size_t n, const float *x)
{
    int status =
        ratio_observe(j->subject->posterior->ratio, t->worker, n, x, t->observed);

    for (size_t k = 0; k < j->n_members && !status; k++)
        status = ratio_observe(j->subject->members[k].ratio, l->worker[k], n, x,
                               l->observed[k]);
    return status;
}

static int score_block(void *context, size_t i, unsigned worker)
{
    job *j = context;
    station *t = &j->stations[worker];
    lane *l = &j->lanes[worker];
    const loader *test = j->subject->test;
    size_t first = i * STATION_ROWS, left = j->now->n - first;
    size_t n = left < STATION_ROWS ? left : STATION_ROWS;
    const float *x = j->now->x ? j->now->x + first * test->n_x : t->x;
    int status = NRE_OK;

    for (size_t k = 0; k < n; k++)
        t->index[k] = first + k;
    if (!j->now->x)
        status = test->rows(test, worker, 0, n, t->index, NULL, t->x);
    if (!status)
        status = observe_all(j, l, t, n, x);
    for (size_t row = 0; row < n && !status; row++) {
        status = score_row(j, l, t, row, first + row);
        if (status)
            fail_within(status, "%s row %zu", j->now->what, first + row);
    }
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, "ensemble", done, j->now->n, j->now->what,
                           NULL);
}

static int score_rows(job *j, rows *r, const char *purpose)
{
    const subject *s = j->subject;

    r->score = memory_new(r->n + 1, sizeof *r->score);
    if (!r->score)
        return fail(NRE_ENOMEM, "no memory for %zu %s", r->n, r->what);
    r->key =
        rng_purpose(s->seed, "%s/%s", purpose, ratio_target(s->posterior->ratio)->name);
    j->now = r;
    atomic_store(&j->done, 0);
    return pool_run(s->pool, (r->n + STATION_ROWS - 1) / STATION_ROWS, score_block, j);
}

/* what it comes to */

/* Test rows, sorted. */
typedef struct among {
    size_t n;
    double *spread, *shift; /* [n] */
} among;

static int among_new(const rows *test, among *a)
{
    *a = (among){.spread = memory_new(2 * test->n + 1, sizeof *a->spread)};
    if (!a->spread)
        return fail(NRE_ENOMEM, "no memory for %zu test rows", test->n);
    a->shift = a->spread + test->n;
    for (size_t i = 0; i < test->n; i++)
        if (isfinite(test->score[i].spread)) {
            a->spread[a->n] = test->score[i].spread;
            a->shift[a->n++] = test->score[i].shift;
        }
    qsort(a->spread, a->n, sizeof *a->spread, compare_reals);
    qsort(a->shift, a->n, sizeof *a->shift, compare_reals);
    return NRE_OK;
}

/* Linear between order statistics (definition 7 of Hyndman & Fan 1996). */
static double quantile_of(size_t n, const double *sorted, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;

    if (n == 0)
        return NAN;
    return below + 1 < n ? sorted[below] +
                               (at - (double)below) * (sorted[below + 1] - sorted[below])
                         : sorted[n - 1];
}

static json_t *quantiles_json(size_t n, const double *sorted)
{
    static const struct {
        const char *name;
        double p;
    } AT[] = {{"q05", 0.05}, {"q25", 0.25}, {"q50", 0.5},
              {"q75", 0.75}, {"q95", 0.95}, {"q99", 0.99}};
    json_t *out = json_object();

    for (size_t i = 0; i < sizeof AT / sizeof AT[0]; i++)
        json_object_set_new(out, AT[i].name,
                            json_number(quantile_of(n, sorted, AT[i].p)));
    return out;
}

/* Fraction of the test rows below, equals counted half. */
static double rank_among(const among *a, double spread)
{
    return (fraction_below(a->n, a->spread, spread) +
            fraction_below(a->n, a->spread, nextafter(spread, INFINITY))) /
           2;
}

/* One more row of the same kind has a spread as large so often. */
static double p_among(const among *a, double spread)
{
    double at_least = (1 - fraction_below(a->n, a->spread, spread)) * (double)a->n;

    return a->n ? (1 + at_least) / (double)(a->n + 1) : NAN;
}

/* The observation that stands out most. */
typedef struct outlier {
    size_t n; /* observations that were scored */
    size_t which;
    double p; /* of the whole: Bonferroni's */
    double rank;
    score score;
} outlier;

static json_t *observed_json(const rows *scored, const among *a, outlier *most)
{
    json_t *list = json_array();

    *most = (outlier){.p = NAN, .rank = NAN};
    for (size_t i = 0; i < scored->n; i++) {
        score s = scored->score[i];
        bool known = isfinite(s.spread) && a->n;
        double p = known ? p_among(a, s.spread) : NAN,
               rank = known ? rank_among(a, s.spread) : NAN;
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        json_array_append_new(
            list, json_pack("{s:s s:o s:o s:o s:o}", "observation", name, "spread",
                            json_number(s.spread), "shift", json_number(s.shift), "rank",
                            json_number(rank), "p_value", json_number(p)));
        if (known && most->n++ && !(rank > most->rank))
            continue;
        if (known)
            *most = (outlier){.n = most->n, .which = i, .p = p, .rank = rank, .score = s};
    }
    most->p = fmin(1, most->p * (double)most->n);
    return list;
}

enum { SENTENCE = 512 };

static void put_sentence(char *text, const job *j, const among *a, const outlier *o,
                         const bool *missing)
{
    char name[32] = "the observation";
    int n =
        snprintf(text, SENTENCE,
                 "The log ratios of the %zu networks differ by %.2g nats at a typical "
                 "test row (95%% of them below %.2g), which moves a posterior's mean by "
                 "%.2g deviations",
                 j->n_members, quantile_of(a->n, a->spread, 0.5),
                 quantile_of(a->n, a->spread, 0.95), quantile_of(a->n, a->shift, 0.5));

    if (j->observed.n > 1)
        snprintf(name, sizeof name, "observation %zu", o->which);
    if (n > 0 && n < SENTENCE && o->n)
        n += snprintf(text + n, (size_t)(SENTENCE - n),
                      "; at %s by %.2g, more than at %.1f%% of them (p = %.2g)", name,
                      o->score.spread, 100 * o->rank, o->p);
    if (n > 0 && n < SENTENCE)
        n += snprintf(text + n, (size_t)(SENTENCE - n), ".");
    if (n > 0 && n < SENTENCE && missing)
        snprintf(text + n, (size_t)(SENTENCE - n),
                 "  The posterior of %s stayed too coarse.",
                 text_of_rows(j->observed.n, missing).text);
}

static const char *advice_of(finding_verdict v, const among *a, const outlier *o)
{
    double shift = fmax(quantile_of(a->n, a->shift, 0.5), o->n ? o->score.shift : 0);

    if (v == FINDING_FAILS)
        return "The networks disagree about it as about hardly any simulation: it lies "
               "where "
               "they saw few like it, or none.  Do not believe its posterior before more "
               "simulations there, or a better simulator, make them agree.";
    return shift > NOTED
               ? "What they disagree about is learned too little: more simulations, "
                 "or more networks, make the posterior firmer."
               : NULL;
}

/* With as few test rows a right ratio could not fail. */
static bool can_fail(const among *a, const outlier *o)
{
    return (double)o->n / (double)(a->n + 1) < FINDING_LEVEL;
}

/* MISSING [observed]: which observations were not scored; NULL: none. */
static json_t *found(const job *j, const among *a, const outlier *o, const bool *missing)
{
    char says[SENTENCE];
    finding f = {.verdict = FINDING_INFORMS,
                 .statistic = "spread of log ratios between networks at a typical test "
                              "row, nats",
                 .value = quantile_of(a->n, a->spread, 0.5),
                 .error = NAN,
                 .expected = NAN,
                 .p = NAN,
                 .n = a->n,
                 .says = says};

    if (o->n) {
        f.statistic = "spread of log ratios between networks at the observation, nats";
        f.expected = f.value;
        f.value = o->score.spread;
        f.p = o->p;
        f.verdict = can_fail(a, o) ? finding_by_p(o->p) : FINDING_INFORMS;
    }
    if (missing) {
        f.reason = "not every observation has a posterior on which networks are compared";
        f.verdict = f.verdict == FINDING_FAILS ? FINDING_FAILS : FINDING_OPEN;
    }
    put_sentence(says, j, a, o, missing);
    f.advice = advice_of(f.verdict, a, o);
    return finding_json(&f);
}

static int result_of(const job *j, json_t **out)
{
    among a = {0};
    outlier most;
    int status = among_new(&j->test, &a);

    if (status)
        return status;
    bool *missing = memory_new(j->observed.n + 1, sizeof *missing);
    if (!missing) {
        free(a.spread);
        return fail(NRE_ENOMEM, "no memory for a result");
    }
    for (size_t i = 0; i < j->observed.n; i++)
        missing[i] = !isfinite(j->observed.score[i].spread);
    json_t *list = observed_json(&j->observed, &a, &most);
    json_t *row = a.n ? found(j, &a, &most, most.n < j->observed.n ? missing : NULL)
                      : finding_open("no test row had a posterior of enough effective "
                                     "size");
    json_object_set_new(row, "members", json_integer((json_int_t)j->n_members));
    json_object_set_new(row, "test",
                        json_pack("{s:I s:I s:o s:o}", "n", (json_int_t)a.n, "missing",
                                  (json_int_t)(j->test.n - a.n), "spread",
                                  quantiles_json(a.n, a.spread), "shift",
                                  quantiles_json(a.n, a.shift)));
    json_object_set_new(row, "observed", list);
    free(missing);
    free(a.spread);
    *out = row;
    return row ? NRE_OK : fail(NRE_ENOMEM, "no memory for a result");
}

/* the whole */

static const char *declines(const subject *s)
{
    return s->n_members < 2
               ? "one network alone has nothing to differ from: train several "
                 "(train.ensemble)"
               : NULL;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    uint64_t n = o->n ? o->n : ROWS;
    job j = {
        .subject = s,
        .n_members = s->n_members,
        .dim = ratio_target(s->posterior->ratio)->n,
        .test = {.what = "test rows", .n = (size_t)(n < s->test->n ? n : s->test->n)},
        .observed = {.what = "observations", .n = s->n_observed, .x = s->observed}};
    int status = stations_new(s, &j.stations);

    if (!status)
        status = lanes_new(&j);
    if (!status)
        status = score_rows(&j, &j.test, "ensemble");
    if (!status)
        status = score_rows(&j, &j.observed, "ensemble/observed");
    if (!status)
        status = result_of(&j, out);
    free(j.test.score);
    free(j.observed.score);
    lanes_free(&j);
    stations_free(s, j.stations);
    return status;
}

const diagnostic ensemble_diagnostic = {
    .name = "ensemble",
    .observes = true,
    .declines = declines,
    .perform = perform,
};

/* diagnose/likelihood.c - how far the posterior is from the exact one, of simulators with a likelihood. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS = 200,  /* by default */
    SHOWN = 1000, /* pairs in the file */
    C2ST_DRAWS = 1000,
    C2ST_PAIRS = 3,        /* where nothing was observed */
    C2ST_OBSERVATIONS = 10 /* at most */
};
static const double NOTED = 0.1; /* nats: a distance worth advice */
/* Exact posteriors are often far narrower than those of networks. */
static const cloud_plan PLAN = {
    .n_prior = 1000, .n_round = 1000, .max_rounds = 40, .enough = 500};
/* So many draws that hardly one of C2ST_DRAWS is drawn twice. */
static const cloud_plan C2ST_PLAN = {
    .n_prior = 4000, .n_round = 4000, .max_rounds = 100, .enough = 10 * C2ST_DRAWS};

typedef struct side {
    posterior posterior;
    subject subject; /* with that posterior */
    station *stations;
    rng_key key;
} side;

typedef struct job {
    const subject *subject;
    side side[SIDES];
    uint64_t n;
    uint32_t dim;
    divergence *pair; /* [n] */
    double *kept;     /* [n][DIVERGENCE_ERRORS + 2 dim] behind the pairs */
    atomic_ullong done;
} job;

/* test pairs */

static int compare_pair(const job *j, station *const t[SIDES], size_t row, uint64_t item)
{
    const posterior *p[SIDES];
    rng r[SIDES];
    int status = NRE_OK;

    for (size_t i = 0; i < SIDES && !status; i++) {
        p[i] = &j->side[i].posterior;
        rng_start(&r[i], j->side[i].key, item, 0);
        t[i]->plan = PLAN;
        status = station_posterior(&j->side[i].subject, t[i], t[i]->observed, row, &r[i]);
    }
    return status ? status : divergence_between(p, t, row, r, &j->pair[item]);
}

static int compare_block(void *context, size_t i, unsigned worker)
{
    job *j = context;
    uint64_t first = (uint64_t)i * STATION_ROWS, left = j->n - first;
    size_t n = left < STATION_ROWS ? (size_t)left : STATION_ROWS;
    station *t[SIDES];
    int status = NRE_OK;

    for (size_t k = 0; k < SIDES && !status; k++) {
        t[k] = &j->side[k].stations[worker];
        status = station_load(&j->side[k].subject, t[k], worker, first, n);
    }
    for (size_t row = 0; row < n && !status; row++) {
        status = compare_pair(j, t, row, first + row);
        if (status)
            fail_within(status, "test pair %llu", (unsigned long long)(first + row));
    }
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, "likelihood", done, j->n, "test pairs",
                           NULL);
}

/* C2ST */

/* Those of the simulator's own are under its own priors, which an evidence that is used goes with, and for one
 * row. */
static bool has_draws(const job *j, size_t n_rows)
{
    const posterior *p = &j->side[SIDE_EXACT].posterior;

    return NRE_HAS(simulator_ops(j->subject->simulator), posterior_sample) &&
           ratio_is_normalised(p->ratio) && !p->target && !p->truncation &&
           !p->validity && n_rows == 1;
}

static int simulator_draws(const job *j, const float *x, size_t n, rng_key key,
                           uint64_t item, double *theta)
{
    const simulator *s = j->subject->simulator;
    const instance *at = simulator_instance(s);
    rng *stream = memory_new(n, sizeof *stream);
    nre_rng **pointer = memory_new(n, sizeof *pointer);
    double *all = memory_new(n, simulator_n_theta(s) * sizeof *all);
    int status = stream && pointer && all
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "no memory for draws of the exact posterior");

    for (size_t i = 0; i < n && !status; i++) {
        rng_start(&stream[i], key, i, item);
        pointer[i] = &stream[i].api;
    }
    if (!status) {
        crash_enter(at->plugin->table, "posterior_sample", 0, n - 1);
        status = simulator_ops(s)->posterior_sample(at->self, x, n,
                                                    (nre_rng *const *)pointer, all);
        crash_leave();
        if (status)
            status = plugin_failed(at->plugin->table, "posterior_sample", status);
    }
    if (!status)
        target_columns(ratio_target(j->side[SIDE_EXACT].posterior.ratio), n, all, theta);
    free(all);
    free(pointer);
    free(stream);
    return status;
}

/* Of systematic resampling: neighbours. */
static size_t repeated(size_t n, size_t dim, const double *theta)
{
    size_t same = 0;

    for (size_t i = 1; i < n; i++)
        same += !memcmp(theta + i * dim, theta + (i - 1) * dim, dim * sizeof *theta);
    return same;
}

/* *SERVE: independent draws of the posterior of rows FIRST on of O. */
static int ratio_draws(const side *a, const observed *o, size_t first, size_t n_rows,
                       rng *r, size_t n, double *theta, bool *serve)
{
    const posterior *p = &a->posterior;
    size_t dim = ratio_target(p->ratio)->n;
    station *t = &a->stations[0];
    int status =
        grid_try(p, t->worker, o, first, n_rows, region_cells((uint32_t)dim), &t->grid);

    if (!status) {
        *serve = t->grid.cells >= GRID_MIN_CELLS;
        posterior_draws(&t->grid, NULL, n, r, theta);
    }
    if (status != NRE_ENOTSUP)
        return status;
    status = cloud_of(p, t->worker, o, first, n_rows, &C2ST_PLAN, r, &t->cloud);
    *serve = !t->cloud.nowhere;
    if (!status && *serve) {
        posterior_draws(NULL, &t->cloud, n, r, theta);
        *serve = repeated(n, dim, theta) <= n / 100;
    }
    return status;
}

/* Of rows X [n_rows] as one; *ACCURACY NAN where draws cannot be had. */
static int c2st_at(const job *j, const float *x, size_t n_rows, uint64_t item,
                   double *accuracy)
{
    const char *name = ratio_target(j->side[SIDE_EXACT].posterior.ratio)->name;
    double *theta = memory_new((size_t)SIDES * C2ST_DRAWS, j->dim * sizeof *theta);
    observed *o[SIDES] = {NULL};
    bool serve[SIDES] = {true, true};
    c2st_result result = {.accuracy = NAN};
    int status = theta ? NRE_OK : fail(NRE_ENOMEM, "no memory for posterior draws");

    for (size_t i = 0; i < SIDES && !status; i++) {
        const side *a = &j->side[i];
        double *at = theta + i * C2ST_DRAWS * j->dim;
        rng_key key = rng_purpose(j->subject->seed, "likelihood/c2st/%zu/%s", i, name);
        rng r;
        rng_start(&r, key, item, 1);
        if (i == SIDE_EXACT && has_draws(j, n_rows)) {
            status = simulator_draws(j, x, C2ST_DRAWS, key, item, at);
            continue;
        }
        status = observed_new(a->posterior.ratio, &o[i]);
        if (!status)
            status =
                ratio_observe(a->posterior.ratio, a->stations[0].worker, n_rows, x, o[i]);
        if (!status)
            status = ratio_draws(a, o[i], 0, n_rows, &r, C2ST_DRAWS, at, &serve[i]);
    }
    if (!status && serve[SIDE_EXACT] && serve[SIDE_NETWORK])
        status = c2st_of(C2ST_DRAWS, j->dim, theta, theta + C2ST_DRAWS * j->dim,
                         j->subject->seed, j->subject->pool, &result);
    *accuracy = result.accuracy;
    for (size_t i = 0; i < SIDES; i++)
        observed_free(o[i]);
    free(theta);
    return status;
}

/* Of the observations, else of the first test pairs: a list, their mean to *MEAN. */
static int c2st_all(const job *j, double *mean, json_t **out)
{
    const subject *s = j->subject;
    bool joint = s->joint && s->n_observed > 1;
    size_t most = s->n_observed ? C2ST_OBSERVATIONS : C2ST_PAIRS, n = joint ? 1
                                                                      : s->n_observed
                                                                          ? s->n_observed
                                                                          : (size_t)j->n;
    uint64_t index[C2ST_PAIRS] = {0, 1, 2};
    float *x = memory_new(C2ST_PAIRS, s->test->n_x * sizeof *x);
    json_t *list = *out = json_array();
    double sum = 0;
    int status = x && list ? NRE_OK : fail(NRE_ENOMEM, "no memory for posterior draws");

    n = n < most ? n : most;
    if (!status && !s->n_observed)
        status = s->test->rows(s->test, 0, 0, n, index, NULL, x);
    for (size_t i = 0; i < n && !status; i++) {
        double accuracy = NAN;
        const float *row = (s->n_observed ? s->observed : x) + i * s->test->n_x;
        status = c2st_at(j, row, joint ? s->n_observed : 1, i, &accuracy);
        json_array_append_new(list, json_number(accuracy));
        sum += accuracy;
    }
    *mean = sum / (double)n;
    free(x);
    return status;
}

/* what it comes to */

/* Linear between order statistics (definition 7 of Hyndman & Fan 1996). */
static double quantile_of(size_t n, const double *sorted, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    double part = at - (double)below;

    if (n == 0)
        return NAN;
    return part > 0 ? sorted[below] + part * (sorted[below + 1] - sorted[below])
                    : sorted[below];
}

/* A number of all pairs that have it, sorted. */
typedef struct column {
    size_t n;
    double *value;
    double mean;
} column;

static int column_of(const job *j, double (*of)(const divergence *c), column *out)
{
    double sum = 0;

    *out = (column){.value = memory_new((size_t)j->n, sizeof *out->value)};
    if (!out->value)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)j->n);
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            out->value[out->n] = of(&j->pair[i]);
            sum += out->value[out->n++];
        }
    out->mean = out->n ? sum / (double)out->n : NAN;
    qsort(out->value, out->n, sizeof *out->value, compare_reals);
    return NRE_OK;
}

static double kl_of(const divergence *c)
{
    return c->kl;
}

static double reverse_of(const divergence *c)
{
    return c->reverse;
}

static json_t *column_json(const column *c)
{
    return json_pack("{s:o s:o s:o s:o}", "mean", json_number(c->mean), "q05",
                     json_number(quantile_of(c->n, c->value, 0.05)), "q50",
                     json_number(quantile_of(c->n, c->value, 0.5)), "q95",
                     json_number(quantile_of(c->n, c->value, 0.95)));
}

/* Of the median: half of what lies within a binomial deviation of it. */
static double median_error(const column *c)
{
    double step = 0.5 / sqrt((double)c->n);

    return c->n < 4 ? NAN
                    : (quantile_of(c->n, c->value, 0.5 + step) -
                       quantile_of(c->n, c->value, 0.5 - step)) /
                          2;
}

typedef struct means {
    uint64_t n;
    double error, square, exact, outside, gain[SIDES], difference, difference_error;
} means;

static means means_of(const job *j)
{
    means m = {0};
    double squares = 0;

    for (uint64_t i = 0; i < j->n; i++) {
        const divergence *c = &j->pair[i];
        if (c->missing)
            continue;
        m.n++;
        m.error += c->mean;
        m.square += c->square;
        m.exact += c->exact;
        m.outside += c->outside;
        m.gain[SIDE_EXACT] += c->gain[SIDE_EXACT];
        m.gain[SIDE_NETWORK] += c->gain[SIDE_NETWORK];
    }
    double n = (double)m.n,
           *all[] = {&m.error,   &m.square,           &m.exact,
                     &m.outside, &m.gain[SIDE_EXACT], &m.gain[SIDE_NETWORK]};
    for (size_t k = 0; k < 6; k++)
        *all[k] /= n;
    m.difference = m.gain[SIDE_NETWORK] - m.gain[SIDE_EXACT];
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            double d = j->pair[i].gain[SIDE_NETWORK] - j->pair[i].gain[SIDE_EXACT] -
                       m.difference;
            squares += d * d;
        }
    m.difference_error = m.n > 1 ? sqrt(squares / (n - 1) / n) : NAN;
    return m;
}

static int error_json(const job *j, const means *m, json_t **out)
{
    size_t n = 0;
    double *kept = memory_new((size_t)j->n, DIVERGENCE_ERRORS * sizeof *kept);

    if (!kept)
        return fail(NRE_ENOMEM, "no memory for errors of log ratios");
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            memcpy(kept + n, j->pair[i].error, DIVERGENCE_ERRORS * sizeof *kept);
            n += DIVERGENCE_ERRORS;
        }
    qsort(kept, n, sizeof *kept, compare_reals);
    *out =
        json_pack("{s:o s:o s:o s:o s:o s:o}", "mean", json_number(m->error), "rms",
                  json_number(sqrt(m->square)), "rms_exact", json_number(sqrt(m->exact)),
                  "q05", json_number(quantile_of(n, kept, 0.05)), "q50",
                  json_number(quantile_of(n, kept, 0.5)), "q95",
                  json_number(quantile_of(n, kept, 0.95)));
    free(kept);
    return NRE_OK;
}

/* A parameter's medians over all pairs. */
typedef struct parameter {
    const char *name;
    double shift, width; /* of the mean, either way; deviation over the exact one */
} parameter;

static int parameter_of(const job *j, uint32_t k, parameter *out)
{
    const target *t = ratio_target(j->side[SIDE_EXACT].posterior.ratio);
    size_t n = 0;
    double *width = memory_new((size_t)j->n, 2 * sizeof *width);

    if (!width)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)j->n);
    double *shift = width + j->n;
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            shift[n] = fabs(j->pair[i].shift[k]);
            width[n++] = j->pair[i].width[k];
        }
    qsort(shift, n, sizeof *shift, compare_reals);
    qsort(width, n, sizeof *width, compare_reals);
    *out = (parameter){target_marginal(t, k)->name, quantile_of(n, shift, 0.5),
                       quantile_of(n, width, 0.5)};
    free(width);
    return NRE_OK;
}

/* Those that are farthest off. */
typedef struct worst {
    parameter width, shift;
} worst;

static int parameters_json(const job *j, worst *most, json_t **out)
{
    json_t *list = *out = json_array();
    int status = list ? NRE_OK : fail(NRE_ENOMEM, "no memory for a result");

    *most = (worst){0};
    most->width.width = 1;
    for (uint32_t k = 0; k < j->dim && !status; k++) {
        parameter p;
        status = parameter_of(j, k, &p);
        if (status)
            break;
        json_array_append_new(list, json_pack("{s:s s:o s:o}", "name", p.name, "shift",
                                              json_number(p.shift), "width",
                                              json_number(p.width)));
        if (fabs(log(p.width)) >= fabs(log(most->width.width)))
            most->width = p;
        if (p.shift >= most->shift.shift)
            most->shift = p;
    }
    return status;
}

static json_t *pairs_json(const job *j)
{
    json_t *list = json_array();

    for (uint64_t i = 0; i < j->n && i < SHOWN; i++) {
        const divergence *c = &j->pair[i];
        double kl = c->missing ? NAN : c->kl, reverse = c->missing ? NAN : c->reverse,
               effective = fmin(c->effective[SIDE_EXACT], c->effective[SIDE_NETWORK]);
        json_array_append_new(list, json_pack("{s:o s:o s:o}", "kl", json_number(kl),
                                              "reverse", json_number(reverse),
                                              "effective", json_number(effective)));
    }
    return list;
}

enum { SENTENCE = 512 };

static void put_sentence(char *text, const column *kl, const means *m, double c2st)
{
    int n = snprintf(
        text, SENTENCE,
        "The posterior is %.2g nats (Kullback-Leibler, median) from the exact "
        "one, 95%% of %llu test pairs below %.2g; the data tell %.2f nats of "
        "which it has %.2f",
        quantile_of(kl->n, kl->value, 0.5), (unsigned long long)kl->n,
        quantile_of(kl->n, kl->value, 0.95), m->gain[SIDE_EXACT], m->gain[SIDE_NETWORK]);

    if (n > 0 && n < SENTENCE && isfinite(c2st))
        n += snprintf(text + n, (size_t)(SENTENCE - n), "; C2ST %.3f", c2st);
    if (n > 0 && n < SENTENCE)
        snprintf(text + n, (size_t)(SENTENCE - n), ".");
}

/* In which way it is off: in width, in place, or in shape. */
static void put_advice(char *text, const worst *w, const means *m)
{
    bool wide = fabs(log(w->width.width)) > NOTED, off = w->shift.shift > NOTED;
    char width[128] = "", shift[128] = "", outside[128] = "";

    if (wide)
        snprintf(width, sizeof width, "its deviation in %s is %.2f times the exact one",
                 w->width.name, w->width.width);
    if (off)
        snprintf(shift, sizeof shift, "%sits mean in %s is off by %.2f exact deviations",
                 wide ? ", " : "", w->shift.name, w->shift.shift);
    if (m->outside > 0.01)
        snprintf(outside, sizeof outside,
                 "%s%.0f%% of its mass lies where the exact one has none",
                 wide || off ? ", " : "", 100 * m->outside);
    bool any = wide || off || *outside;
    snprintf(
        text, SENTENCE,
        "Typically %s%s%s%s: more simulations, a larger network or an ensemble bring it "
        "closer.",
        width, shift, outside,
        any ? "" : "its means and deviations are right, but not its shape");
}

static json_t *found(const column *kl, const means *m, double c2st, const worst *w)
{
    char says[SENTENCE], advice[SENTENCE];
    finding f = {.verdict = FINDING_INFORMS,
                 .statistic = "median Kullback-Leibler divergence of the exact posterior "
                              "from this one, nats",
                 .value = quantile_of(kl->n, kl->value, 0.5),
                 .error = median_error(kl),
                 .expected = 0,
                 .p = NAN,
                 .n = kl->n,
                 .says = says};

    put_sentence(says, kl, m, c2st);
    put_advice(advice, w, m);
    if (f.value > NOTED)
        f.advice = advice;
    return finding_json(&f);
}

static int result_of(const job *j, double c2st, json_t *each, json_t **out)
{
    column kl = {0}, reverse = {0};
    means m = means_of(j);
    worst w;
    json_t *error = NULL, *parameters = NULL;
    int status = column_of(j, kl_of, &kl);

    if (!status)
        status = column_of(j, reverse_of, &reverse);
    if (!status)
        status = error_json(j, &m, &error);
    if (!status)
        status = parameters_json(j, &w, &parameters);
    json_t *row = status ? NULL
                  : kl.n ? found(&kl, &m, c2st, &w)
                         : finding_open("no test pair had two posteriors of enough "
                                        "effective size");
    if (row) {
        json_object_set_new(row, "missing", json_integer((json_int_t)(j->n - kl.n)));
        json_object_set(row, "log_ratio_error", error);
        json_object_set_new(row, "kl", column_json(&kl));
        json_object_set_new(row, "kl_reverse", column_json(&reverse));
        json_object_set_new(row, "outside", json_number(m.outside));
        json_object_set_new(row, "gain",
                            json_pack("{s:o s:o s:o s:o}", "exact",
                                      json_number(m.gain[SIDE_EXACT]), "network",
                                      json_number(m.gain[SIDE_NETWORK]), "difference",
                                      json_number(m.difference), "error",
                                      json_number(m.difference_error)));
        json_object_set(row, "parameters", parameters);
        json_object_set_new(row, "c2st", json_number(c2st));
        json_object_set(row, "c2st_each", each);
        json_object_set_new(row, "pairs", pairs_json(j));
    }
    json_decref(parameters);
    json_decref(error);
    free(reverse.value);
    free(kl.value);
    *out = row;
    return status || row ? status : fail(NRE_ENOMEM, "no memory for a result");
}

/* the whole */

static const char *declines(const subject *s)
{
    if (!s->simulator || !NRE_HAS(simulator_ops(s->simulator), log_likelihood))
        return "the simulator has no likelihood to compare with";
    if (ratio_target(s->posterior->ratio)->n != simulator_n_theta(s->simulator))
        return "the exact posterior is one of all parameters, this target is some of "
               "them";
    return NULL;
}

static int side_open(const subject *s, size_t which, ratio *exact, side *a)
{
    static const char *const WORDS[] = {"exact", "network"};

    a->posterior = *s->posterior;
    if (which == SIDE_EXACT)
        a->posterior.ratio = exact;
    a->subject = *s;
    a->subject.posterior = &a->posterior;
    a->key = rng_purpose(s->seed, "likelihood/%s/%s", WORDS[which],
                         ratio_target(s->posterior->ratio)->name);
    return stations_new(&a->subject, &a->stations);
}

static int job_memory(job *j)
{
    size_t n = (size_t)j->n, each = DIVERGENCE_ERRORS + 2 * (size_t)j->dim;

    j->pair = memory_new(n, sizeof *j->pair);
    j->kept = memory_new(n, each * sizeof *j->kept);
    if (!j->pair || !j->kept)
        return fail(NRE_ENOMEM, "no memory for %zu test pairs", n);
    for (size_t i = 0; i < n; i++) {
        divergence *d = &j->pair[i];
        d->error = j->kept + i * each;
        d->shift = d->error + DIVERGENCE_ERRORS;
        d->width = d->shift + j->dim;
    }
    return NRE_OK;
}

static int exact_of(const subject *s, ratio **out)
{
    int status = ratio_exact(s->simulator, ratio_target(s->posterior->ratio), out);

    if (!status && s->posterior->truncation)
        status = ratio_truncated(*out, s->posterior->truncation, out);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    uint64_t n = o->n ? o->n : PAIRS;
    job j = {.subject = s,
             .n = n < s->test->n ? n : s->test->n,
             .dim = ratio_target(s->posterior->ratio)->n};
    ratio *exact = NULL;
    json_t *each = NULL;
    double c2st = NAN;
    int status = exact_of(s, &exact);

    if (!status)
        status = job_memory(&j);
    for (size_t i = 0; i < SIDES && !status; i++)
        status = side_open(s, i, exact, &j.side[i]);
    if (!status)
        status = pool_run(s->pool, (size_t)((j.n + STATION_ROWS - 1) / STATION_ROWS),
                          compare_block, &j);
    if (!status)
        status = c2st_all(&j, &c2st, &each);
    if (!status)
        status = result_of(&j, c2st, each, out);
    json_decref(each);
    for (size_t i = 0; i < SIDES; i++)
        stations_free(s, j.side[i].stations);
    free(j.kept);
    free(j.pair);
    ratio_free(exact);
    return status;
}

const diagnostic likelihood_diagnostic = {
    .name = "likelihood",
    .observes = true,
    .simulates = true, /* its likelihood needs its tables */
    .declines = declines,
    .perform = perform,
};

/* diagnose/convergence.c - do mode and posterior go to the truth as observations of
 * it are added? */
#include "diagnose/diagnose.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MOST = 4, /* 1, 10, 100, 1000 observations together */
    ROWS = 1000,
    POINTS = 30,
    LEAST_POINTS = 10, /* for the error of a mean, and to rely on */
    QUANTILES = 5
};
static const size_t MEMORY = (size_t)1 << 28; /* bytes of x at once */
/* Of the points may be missing: they may be the wrong ones. */
static const double MOST_MISSING = 0.2;
static const double NARROWED = 1.5; /* times what is expected: noted as more */
static const double LEVEL[] = {0.68, 0.95};
enum { N_LEVELS = sizeof LEVEL / sizeof LEVEL[0] };
static const double PROBABILITY[QUANTILES] = {0.05, 0.16, 0.5, 0.84, 0.95};
/* Deviations are to be known to some percent; sums over many rows are narrow. */
static const cloud_plan PLAN = {
    .n_prior = 500, .n_round = 300, .max_rounds = 100, .enough = 400};

typedef struct convergence_job {
    const subject *subject;
    uint32_t dim;
    size_t n_points, n_steps, n_rows; /* N_ROWS = 10^(N_STEPS - 1) */
    size_t first;                     /* point of x[0] */
    rng_key key;
    station *stations;
    double *truth; /* [n_points][dim] */
    float *x;      /* [some points][n_rows][n_x] */
    /* NAN where the posterior stayed too coarse */
    double *rank;             /* [n_steps][n_points] HPD rank of the truth */
    double *place;            /* [n_steps][dim][n_points] rank of each parameter of it */
    double *mode, *deviation; /* [n_steps][dim][n_points]; MODE less the truth */
    double *square;           /* likewise: (mean - truth)^2 / variance */
    atomic_size_t done;
} convergence_job;

static size_t rows_of(size_t step)
{
    size_t n = 1;

    while (step-- > 0)
        n *= 10;
    return n;
}

static size_t at_of(const convergence_job *j, size_t step, uint32_t k, size_t point)
{
    return (step * j->dim + k) * j->n_points + point;
}

/* one posterior */

/* Place of the truth among the draws of a parameter: the truth is one of them, as in
 * cloud_rank. */
static double place_in(const cloud *c, uint32_t k, double truth)
{
    double below = 0, equal = c->weight_of_truth;

    for (size_t i = 0; i < c->n; i++) {
        double value = c->theta[i * c->dim + k];
        below += value < truth ? c->weight[i] : 0;
        equal += value == truth ? c->weight[i] : 0;
    }
    return (below + c->v * equal) / (1 + c->weight_of_truth);
}

static void moments_of(const cloud *c, uint32_t k, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (size_t i = 0; i < c->n; i++)
        *mean += c->weight[i] * c->theta[i * c->dim + k];
    for (size_t i = 0; i < c->n; i++) {
        double off = c->theta[i * c->dim + k] - *mean;
        *variance += c->weight[i] * off * off;
    }
}

/* log prior + log r at the truth, of N rows together. */
static int density_of_truth(const convergence_job *j, station *t, size_t n,
                            const double *truth, double *out)
{
    double log_ratio;
    const posterior *p = j->subject->posterior;
    int status = posterior_log_prior(p, 1, truth, out, NULL);

    if (!status)
        status = ratio_joint(p->ratio, t->worker, t->observed, 0, n, 1, truth, &log_ratio,
                             NULL);
    if (!status)
        *out += log_ratio;
    return status;
}

static int mode_of(const convergence_job *j, station *t, size_t n, double *mode)
{
    double *start = memory_new(REGION_STARTS, j->dim * sizeof *start), value;
    if (!start)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    size_t starts = region_starts(NULL, &t->cloud, start);
    int status = maximum_of(j->subject->posterior, t->worker, t->observed, 0, n,
                            MAXIMUM_POSTERIOR, starts, start, mode, &value);
    free(start);
    return status;
}

static int judge_step(convergence_job *j, station *t, size_t point, size_t step)
{
    const double *truth = j->truth + point * j->dim;
    double *mode = t->theta, density, mean, variance;
    cloud_plan how = PLAN;
    rng r;

    rng_start(&r, j->key, point, step);
    how.truth = truth;
    int status = cloud_of(j->subject->posterior, t->worker, t->observed, 0, rows_of(step),
                          &how, &r, &t->cloud);
    if (status || !(t->cloud.effective >= CLOUD_MIN_EFFECTIVE))
        return status;
    status = density_of_truth(j, t, rows_of(step), truth, &density);
    if (!status)
        status = mode_of(j, t, rows_of(step), mode);
    if (status)
        return status;
    j->rank[step * j->n_points + point] =
        cloud_rank(&t->cloud, density, t->cloud.weight_of_truth);
    for (uint32_t k = 0; k < j->dim; k++) {
        size_t at = at_of(j, step, k, point);
        moments_of(&t->cloud, k, &mean, &variance);
        j->place[at] = place_in(&t->cloud, k, truth[k]);
        j->mode[at] = mode[k] - truth[k];
        j->deviation[at] = sqrt(variance);
        j->square[at] = (mean - truth[k]) * (mean - truth[k]) / variance;
    }
    return NRE_OK;
}

/* A point, with ever more of its rows. */
static int judge_point(void *context, size_t i, unsigned worker)
{
    convergence_job *j = context;
    station *t = &j->stations[worker];
    size_t n_x = ratio_n_x(j->subject->posterior->ratio);
    int status = ratio_observe(j->subject->posterior->ratio, t->worker, j->n_rows,
                               j->x + i * j->n_rows * n_x, t->observed);

    for (size_t step = 0; step < j->n_steps && !status; step++)
        status = judge_step(j, t, j->first + i, step);
    if (status)
        return fail_within(status, "point %zu", j->first + i);
    return progress_report(j->subject->watch, "convergence",
                           atomic_fetch_add(&j->done, 1) + 1, j->n_points, "points",
                           NULL);
}

/* all points */

static int simulate(convergence_job *j, size_t n)
{
    size_t wide = j->n_rows * ratio_n_x(j->subject->posterior->ratio);
    char purpose[64];
    int status = NRE_OK;

    for (size_t i = 0; i < n && !status; i++) {
        size_t point = j->first + i;
        snprintf(purpose, sizeof purpose, "convergence/%zu", point);
        status = fresh_rows_at(j->subject, purpose, j->n_rows, j->truth + point * j->dim,
                               j->x + i * wide);
    }
    return status;
}

static int judge_all(convergence_job *j)
{
    size_t bytes = j->n_rows * ratio_n_x(j->subject->posterior->ratio) * sizeof *j->x;
    size_t some = bytes < MEMORY ? MEMORY / bytes : 1;
    some = some < j->n_points ? some : j->n_points;
    j->x = memory_new(some, bytes);
    int status =
        j->x ? fresh_truths(j->subject, "convergence/truth", j->n_points, j->truth)
             : fail(NRE_ENOMEM, "out of memory for %zu observations", j->n_rows);

    for (; j->first < j->n_points && !status; j->first += some) {
        size_t left = j->n_points - j->first, n = left < some ? left : some;
        status = simulate(j, n);
        if (!status)
            status = pool_run(j->subject->pool, n, judge_point, j);
    }
    return status;
}

static int job_new(const subject *s, const diagnostic_options *o, convergence_job *j)
{
    const target *t = ratio_target(s->posterior->ratio);
    uint64_t rows = o->n > 0 ? o->n : ROWS;
    size_t n = o->repeats > 0 ? (size_t)o->repeats : POINTS;

    *j = (convergence_job){.subject = s, .dim = t->n, .n_points = n};
    while (j->n_steps < STEPS_MOST && rows_of(j->n_steps) <= rows)
        j->n_rows = rows_of(j->n_steps++);
    j->key = rng_purpose(s->seed, "convergence/%s", t->name);
    size_t each = j->n_steps * n;
    j->truth = memory_new(n, j->dim * sizeof *j->truth);
    j->rank = memory_new(each, (1 + 4 * (size_t)j->dim) * sizeof *j->rank);
    if (!j->truth || !j->rank)
        return fail(NRE_ENOMEM, "out of memory for %zu points", n);
    for (size_t i = 0; i < each * (1 + 4 * j->dim); i++)
        j->rank[i] = NAN;
    j->place = j->rank + each;
    j->mode = j->place + each * j->dim;
    j->deviation = j->mode + each * j->dim;
    j->square = j->deviation + each * j->dim;
    return stations_new(s, &j->stations);
}

static void job_free(convergence_job *j)
{
    stations_free(j->subject, j->stations);
    free(j->x);
    free(j->rank);
    free(j->truth);
}

/* what it means */

typedef struct step_result {
    size_t n; /* points that are known */
    uint64_t inside[N_LEVELS];
    double p;        /* smallest of all tests, times their number */
    uint32_t worst;  /* parameter whose mode is farthest off */
    double off;      /* root mean square of its mode - truth, in posterior deviations */
    double narrowed; /* median deviation of this parameter, of that of one row */
} step_result;

typedef struct outcome {
    step_result step[STEPS_MOST];
    double p;
    size_t trusted, failed; /* steps that hold from the first on; first that fails */
    size_t unknown;         /* the first with too few points */
} outcome;

static int sharpen(const double *value, size_t n, double *least)
{
    ecdf e;
    double p;

    ecdf_of(n, 1, value, &e);
    int status = ecdf_p_value(&e, &p);
    if (!status && p < *least)
        *least = p;
    return status;
}

/* Quantiles of the values that are known; NAN of none. */
static void quantiles_of(size_t n, const double *value, double *out)
{
    size_t known = 0;
    double *sorted = memory_new(n, sizeof *sorted);

    for (size_t i = 0; i < n && sorted; i++)
        if (isfinite(value[i]))
            sorted[known++] = value[i];
    if (known > 0)
        qsort(sorted, known, sizeof *sorted, compare_reals);
    for (size_t q = 0; q < QUANTILES; q++) {
        double at = PROBABILITY[q] * (double)(known - 1);
        size_t low = known > 0 ? (size_t)at : 0;
        size_t high = low + 1 < known ? low + 1 : low;
        out[q] = known > 0
                     ? sorted[low] + (at - (double)low) * (sorted[high] - sorted[low])
                     : NAN;
    }
    free(sorted);
}

/* E[(mean - truth)^2 / variance] = 1 of a right posterior, whatever its shape: what
 * is above it is the square of a bias.  Normal; of squares, whose larger means have
 * larger errors, rather too large. */
static double chance_of_bias(const convergence_job *j, const double *square, size_t known)
{
    double sum = 0, squares = 0, n = (double)known;

    for (size_t i = 0; i < j->n_points; i++)
        sum += isfinite(square[i]) ? square[i] : 0;
    for (size_t i = 0; i < j->n_points; i++)
        squares +=
            isfinite(square[i]) ? (square[i] - sum / n) * (square[i] - sum / n) : 0;
    double error = sqrt(squares / (n - 1) / n);
    return known >= LEAST_POINTS ? 0.5 * erfc((sum / n - 1) / error / sqrt(2)) : 1;
}

static void judge_parameter(const convergence_job *j, size_t step, uint32_t k,
                            double *scratch, step_result *out)
{
    size_t at = at_of(j, step, k, 0);
    double sum = 0, q[QUANTILES];

    for (size_t i = 0; i < j->n_points; i++) {
        double pull = j->mode[at + i] / j->deviation[at + i];
        sum += isfinite(pull) ? pull * pull : 0;
    }
    double off = sqrt(sum / (double)out->n);
    if (k > 0 && !(off > out->off))
        return;
    for (size_t i = 0; i < j->n_points; i++)
        scratch[i] = j->deviation[at + i] / j->deviation[at_of(j, 0, k, i)];
    quantiles_of(j->n_points, scratch, q);
    out->worst = k;
    out->off = off;
    out->narrowed = q[2];
}

static int judge_ranks(const convergence_job *j, size_t step, step_result *out)
{
    const double *rank = j->rank + step * j->n_points;
    double least = 1;
    int status = sharpen(rank, j->n_points, &least);

    for (size_t i = 0; i < j->n_points; i++) {
        out->n += isfinite(rank[i]) ? 1 : 0;
        for (size_t l = 0; l < N_LEVELS; l++)
            out->inside[l] += rank[i] < LEVEL[l];
    }
    for (size_t l = 0; l < N_LEVELS && out->n > 0; l++)
        least = fmin(least, binomial_p(out->n, LEVEL[l], out->inside[l]));
    for (uint32_t k = 0; k < j->dim && !status; k++) {
        size_t at = at_of(j, step, k, 0);
        status = sharpen(j->place + at, j->n_points, &least);
        least = fmin(least, chance_of_bias(j, j->square + at, out->n));
    }
    out->p = out->n > 0 ? fmin(1, least * (double)(1 + N_LEVELS + 2 * j->dim)) : NAN;
    return status;
}

static bool too_few(const convergence_job *j, size_t known)
{
    return known < LEAST_POINTS ||
           (double)(j->n_points - known) > MOST_MISSING * (double)j->n_points;
}

static int judge(const convergence_job *j, outcome *out)
{
    double *scratch = memory_new(j->n_points, sizeof *scratch),
           steps = (double)j->n_steps;
    int status = scratch ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a diagnostic");
    bool holds = true;

    *out = (outcome){.p = NAN, .failed = j->n_steps, .unknown = j->n_steps};
    for (size_t i = 0; i < j->n_steps && !status; i++) {
        step_result *at = &out->step[i];
        status = judge_ranks(j, i, at);
        for (uint32_t k = 0; k < j->dim && at->n > 0 && !status; k++)
            judge_parameter(j, i, k, scratch, at);
        if (at->n > 0)
            out->p = fmin(isnan(out->p) ? 1 : out->p, fmin(1, steps * at->p));
        bool fails = at->n > 0 && steps * at->p < FINDING_LEVEL;
        if (fails && out->failed == j->n_steps)
            out->failed = i;
        if (too_few(j, at->n) && out->unknown == j->n_steps)
            out->unknown = i;
        holds = holds && out->unknown == j->n_steps && !fails;
        out->trusted += holds;
    }
    free(scratch);
    return status;
}

/* words */

static const char *name_of(const convergence_job *j, uint32_t k)
{
    return target_marginal(ratio_target(j->subject->posterior->ratio), k)->name;
}

/* 1/sqrt(n) is right for one mode that data alone make: a prior narrows the first posterior, and where
 * modes are several their distance stays. */
static void say_narrowed(const convergence_job *j, const step_result *at, size_t rows,
                         size_t n, char *text)
{
    double usual = 1 / sqrt((double)rows);

    snprintf(
        text, n,
        at->narrowed < NARROWED * usual
            ? "; the deviation of %s falls to %.2g of that with one, about 1/sqrt(n) "
              "= %.2g."
            : "; the deviation of %s is %.2g of that with one: more than 1/sqrt(n) = "
              "%.2g, as where one observation tells little beside the prior, or "
              "where several modes remain.",
        name_of(j, at->worst), at->narrowed, usual);
}

static void say_good(const convergence_job *j, const outcome *o, size_t n, char *text)
{
    size_t last = o->trusted - 1,
           tests = j->n_steps * (1 + N_LEVELS + 2 * (size_t)j->dim);
    const step_result *at = &o->step[last];
    int used = snprintf(
        text, n,
        "The truth stands among the draws of its posterior as it should, up to "
        "%zu observation%s together (%s, %zu points)",
        rows_of(last), last > 0 ? "s" : "", text_of_worst(o->p, tests).text, j->n_points);
    if (last > 0 && used > 0 && (size_t)used < n)
        say_narrowed(j, at, rows_of(last), n - (size_t)used, text + used);
    else if (used > 0 && (size_t)used < n)
        snprintf(text + used, n - (size_t)used, ".");
}

static void say_bad(const convergence_job *j, const outcome *o, size_t n, char *text)
{
    const step_result *at = &o->step[o->failed];
    size_t rows = rows_of(o->failed);
    char until[64];

    if (o->failed > 1)
        snprintf(until, sizeof until, "it is to be trusted for up to %zu",
                 rows_of(o->failed - 1));
    else
        snprintf(until, sizeof until, "%s",
                 o->failed ? "it is to be trusted for one alone"
                           : "it is not to be trusted even for one");
    snprintf(text, n,
             "With %zu observation%s its mode is off by %.1f posterior deviations in %s "
             "(of a right ratio about 1), and the 68%% region holds the truth of %" PRIu64
             " of %zu points: %s.",
             rows, rows > 1 ? "s together" : "", at->off, name_of(j, at->worst),
             at->inside[0], at->n, until);
}

static void say_unknown(const convergence_job *j, const outcome *o, size_t n, char *text)
{
    size_t rows = rows_of(o->unknown), known = o->step[o->unknown].n;

    if (known == j->n_points)
        snprintf(text, n,
                 "only %zu point%s asked for (diagnose.convergence.repeats); at least "
                 "%d are needed",
                 known, known == 1 ? " was" : "s were", LEAST_POINTS);
    else
        snprintf(text, n,
                 "with %zu observation%s only %zu of %zu posteriors had enough effective "
                 "draws, the other%s stayed too coarse",
                 rows, rows > 1 ? "s together" : "", known, j->n_points,
                 known + 1 == j->n_points ? "" : "s");
}

static const char *advice_of(const outcome *o)
{
    return o->failed == 0
               ? "The posterior of a single observation is wrong already: more "
                 "simulations, a longer training or an ensemble."
               : "Errors of log r add over rows: infer no more observations "
                 "together than that, or train on more simulations, or an "
                 "ensemble.";
}

static json_t *finding_of(const convergence_job *j, const outcome *o)
{
    char says[512], reason[192];
    size_t trusted = o->trusted > 0 ? rows_of(o->trusted - 1) : 0;
    bool bad = o->failed < j->n_steps;
    finding f = {.verdict = finding_by_p(o->p),
                 .statistic = "observations that may be taken together",
                 .value = (double)trusted,
                 .error = NAN,
                 .expected = (double)j->n_rows,
                 .p = o->p,
                 .n = j->n_points,
                 .says = says};

    if (!bad && o->unknown < j->n_steps) {
        say_unknown(j, o, sizeof reason, reason);
        f.reason = reason;
        f.verdict = FINDING_OPEN;
    }
    if (!bad && o->trusted == 0)
        return finding_open(reason);
    if (bad) {
        say_bad(j, o, sizeof says, says);
        f.advice = advice_of(o);
    } else
        say_good(j, o, sizeof says, says);
    return finding_json(&f);
}

/* JSON */

/* For each number of rows the quantiles of VALUE of a parameter, in posterior
 * deviations: OF_ONE, of one row, or of as many. */
static json_t *spread_json(const convergence_job *j, uint32_t k, const double *value,
                           bool of_one, double *scratch)
{
    json_t *all = json_array();
    double q[QUANTILES];

    for (size_t step = 0; step < j->n_steps; step++) {
        for (size_t i = 0; i < j->n_points; i++)
            scratch[i] = value[at_of(j, step, k, i)] /
                         j->deviation[at_of(j, of_one ? 0 : step, k, i)];
        quantiles_of(j->n_points, scratch, q);
        json_array_append_new(all, numbers_json(QUANTILES, q));
    }
    return all;
}

static json_t *parameters_json(const convergence_job *j, double *scratch)
{
    json_t *all = json_array();

    for (uint32_t k = 0; k < j->dim; k++)
        json_array_append_new(
            all, json_pack("{s:s s:o s:o s:o}", "name", name_of(j, k), "error",
                           spread_json(j, k, j->mode, true, scratch), "deviation",
                           spread_json(j, k, j->deviation, true, scratch), "pull",
                           spread_json(j, k, j->mode, false, scratch)));
    return all;
}

static int row_json(const convergence_job *j, const outcome *o, json_t **out)
{
    json_t *row = *out = finding_of(j, o);
    json_t *n = json_array(), *rank = json_array(), *p = json_array(),
           *known = json_array();
    double *scratch = memory_new(j->n_points, sizeof *scratch);

    for (size_t i = 0; i < j->n_steps; i++) {
        const step_result *at = &o->step[i];
        double share[N_LEVELS];
        for (size_t l = 0; l < N_LEVELS; l++)
            share[l] = at->n > 0 ? (double)at->inside[l] / (double)at->n : NAN;
        json_array_append_new(n, json_integer((json_int_t)rows_of(i)));
        json_array_append_new(rank, numbers_json(N_LEVELS, share));
        json_array_append_new(p, json_number(at->p));
        json_array_append_new(known, json_integer((json_int_t)at->n));
    }
    if (scratch)
        json_object_set_new(row, "parameters", parameters_json(j, scratch));
    json_object_set_new(row, "n_rows", n);
    json_object_set_new(row, "rank", rank);
    json_object_set_new(row, "levels", numbers_json(N_LEVELS, LEVEL));
    json_object_set_new(row, "p_values", p);
    json_object_set_new(row, "known", known);
    json_object_set_new(
        row, "trusted_rows",
        json_integer(o->trusted > 0 ? (json_int_t)rows_of(o->trusted - 1) : 0));
    free(scratch);
    return scratch ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a diagnostic");
}

static const char *declines(const subject *s)
{
    return fresh_declines(s);
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    convergence_job j;
    outcome found;
    int status = job_new(s, o, &j);

    *out = NULL;
    if (!status)
        status = judge_all(&j);
    if (!status)
        status = judge(&j, &found);
    if (!status)
        status = row_json(&j, &found, out);
    job_free(&j);
    return status;
}

const diagnostic convergence_diagnostic = {.name = "convergence",
                                           .simulates = true,
                                           .slow = true,
                                           .declines = declines,
                                           .perform = perform};

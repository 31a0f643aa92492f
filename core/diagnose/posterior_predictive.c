/* diagnose/posterior_predictive.c - does an observation look like simulations from
 * its own posterior?
 *
 * The p-value is the rank of the observation's distance among those of
 * simulations.  Distances are measured by one half of the simulations and ranked
 * among the other half, so that an observation that is one more simulation has every
 * rank with the same chance.  The posterior has seen the observation, which one
 * further simulation has not: p-values are rather too large (conservative; Meng 1994,
 * Annals of Statistics 22, 1142). */
#include "diagnose/diagnose.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIMULATIONS = 1000,
    LEAST = 200,
    FIT_MOST = 1000,    /* simulations that a distance is measured by */
    OBSERVED_MOST = 16, /* observations that are looked at */
    SHOWN = 4,          /* of which the bands are kept */
    QUANTILES = 5,
    BLOCK = 256, /* values of x a task */
    ROWS = 32    /* simulations a task */
};
static const size_t MEMORY = (size_t)1 << 29; /* bytes of x at once */
static const double PROBABILITY[QUANTILES] = {0.025, 0.16, 0.5, 0.84, 0.975};
static const char *const LABEL[QUANTILES] = {"0.025", "0.16", "0.5", "0.84", "0.975"};
static const double SURPRISE = 10; /* of a value that never varies, and differs */
static const double SMALL_P =
    0.05; /* of an observation: how many have one is a test, too */
static const double RIDGE = 1e-6; /* least shrinkage */

/* One posterior and what it simulates. */
typedef struct predicted {
    size_t row, n_rows;     /* of the observations; more than one: together */
    size_t n, n_fit;        /* simulations; the first N_FIT of them measure */
    float *x;               /* [n][n_x] in random order */
    double *z;              /* [n_fit][n_x] */
    double *centre, *scale; /* [n_x]; scale 0: never varies */
    double *mean;           /* [n_x] of z before it was centred */
    double *quantile;       /* [QUANTILES][n_x] */
    double *factor;         /* [n_fit][n_fit] lower Cholesky, of alpha + beta z z' */
    double alpha, beta;     /* shrunk covariance: alpha + beta z' z */
    double *distance;       /* [n - n_fit] of the others, sorted */
} predicted;

typedef struct one_result {
    double p;
    size_t farthest; /* value of x that is farthest off */
    double off;      /* deviations */
} one_result;

typedef struct predictive_job {
    const subject *subject;
    const target *target;
    size_t n_x, n, n_fit, n_observed;
    uint8_t *field_scale; /* [n_x] nre_scale */
    predicted now;
    one_result *of; /* [n_observed] */
    json_t *observed;
} predictive_job;

/* the posterior's draws */

/* The posterior of the rows together, on a grid or as a cloud. */
typedef struct source {
    ratio_worker *worker;
    observed *observed;
    grid grid;
    cloud cloud;
    bool on_grid, coarse;
} source;

static void source_close(source *s)
{
    cloud_release(&s->cloud);
    grid_release(&s->grid);
    observed_free(s->observed);
    ratio_worker_free(s->worker);
}

static int source_open(const predictive_job *j, const predicted *p, rng *r, source *out)
{
    const posterior *of = j->subject->posterior;
    const cloud_plan many = {.enough = 0.5 * (double)p->n, .max_rounds = 50};
    *out = (source){.on_grid = false};
    int status = ratio_worker_new(of->ratio, &out->worker);

    if (!status)
        status = observed_new(of->ratio, &out->observed);
    if (!status)
        status = ratio_observe(of->ratio, out->worker, p->n_rows,
                               j->subject->observed + p->row * j->n_x, out->observed);
    if (status)
        return status;
    status = grid_try(of, out->worker, out->observed, 0, p->n_rows, GRID_MIN_CELLS,
                      &out->grid);
    out->on_grid = status != NRE_ENOTSUP;
    out->coarse = !(out->grid.cells >= GRID_MIN_CELLS);
    if (out->on_grid)
        return status;
    status =
        cloud_of(of, out->worker, out->observed, 0, p->n_rows, &many, r, &out->cloud);
    out->coarse = !(out->cloud.effective >= CLOUD_MIN_EFFECTIVE);
    return status;
}

/* Its draws in random order, theta [n][dim]; *COARSE: there are none. */
static int draw_thetas(const predictive_job *j, const predicted *p, double *theta,
                       bool *coarse)
{
    size_t d = j->target->n;
    double *ordered = memory_new(p->n, d * sizeof *ordered);
    uint64_t *order = memory_new(p->n, sizeof *order);
    source s = {.on_grid = false};
    rng r;

    rng_start(&r,
              rng_purpose(j->subject->seed, "posterior_predictive/%s", j->target->name),
              p->row, 0);
    int status = ordered && order ? source_open(j, p, &r, &s)
                                  : fail(NRE_ENOMEM, "out of memory for posterior draws");
    *coarse = s.coarse;
    if (!status && !s.coarse) {
        posterior_draws(s.on_grid ? &s.grid : NULL, s.on_grid ? NULL : &s.cloud, p->n, &r,
                        ordered);
        rng_permutation(&r, p->n, order);
        for (size_t i = 0; i < p->n; i++)
            memcpy(theta + i * d, ordered + order[i] * d, d * sizeof *theta);
    }
    source_close(&s);
    free(order);
    free(ordered);
    return status;
}

/* values of x */

static double on_scale(uint8_t scale, double x)
{
    switch (scale) {
    case NRE_SCALE_LOG:
        return x > 0 ? log(x) : x;
    case NRE_SCALE_LOG1P:
        return x > -1 ? log1p(x) : x;
    case NRE_SCALE_ASINH:
        return asinh(x);
    default:
        return x;
    }
}

/* Heavy tails count by their logarithm; linear up to about a deviation. */
static double standardised(const predictive_job *j, const predicted *p, size_t k,
                           double x)
{
    double off = on_scale(j->field_scale[k], x) - p->centre[k];

    if (p->scale[k] > 0)
        return asinh(off / p->scale[k]) - p->mean[k];
    return off == 0 ? 0 : off > 0 ? SURPRISE : -SURPRISE;
}

static double quantile_of(size_t n, const double *sorted, double p)
{
    double at = p * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;

    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static double deviation_of(size_t n, const double *value)
{
    double mean = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        mean += value[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (value[i] - mean) * (value[i] - mean);
    return sqrt(squares / (double)n);
}

/* Centre and scale of a value by the fitted half; z of that half. */
static void fit_value(const predictive_job *j, predicted *p, size_t k, double *value)
{
    for (size_t i = 0; i < p->n_fit; i++)
        value[i] = on_scale(j->field_scale[k], (double)p->x[i * j->n_x + k]);
    qsort(value, p->n_fit, sizeof *value, compare_reals);
    p->centre[k] = quantile_of(p->n_fit, value, 0.5);
    p->scale[k] =
        0.5 * (quantile_of(p->n_fit, value, 0.84) - quantile_of(p->n_fit, value, 0.16));
    if (!(p->scale[k] > 0)) /* most are the same, yet not all */
        p->scale[k] = value[0] < value[p->n_fit - 1] ? deviation_of(p->n_fit, value) : 0;
    p->mean[k] = 0;
    double mean = 0;
    for (size_t i = 0; i < p->n_fit; i++) {
        double *z = &p->z[i * j->n_x + k];
        *z = standardised(j, p, k, (double)p->x[i * j->n_x + k]);
        mean += *z / (double)p->n_fit;
    }
    p->mean[k] = mean;
    for (size_t i = 0; i < p->n_fit; i++)
        p->z[i * j->n_x + k] -= mean;
}

static int fit_values(void *context, size_t block, unsigned worker)
{
    predictive_job *j = context;
    predicted *p = &j->now;
    size_t last = (block + 1) * BLOCK < j->n_x ? (block + 1) * BLOCK : j->n_x;
    double *value = memory_new(p->n, sizeof *value);
    (void)worker;

    if (!value)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (size_t k = block * BLOCK; k < last; k++) {
        for (size_t i = 0; i < p->n; i++)
            value[i] = (double)p->x[i * j->n_x + k];
        qsort(value, p->n, sizeof *value, compare_reals);
        for (size_t q = 0; q < QUANTILES; q++)
            p->quantile[q * j->n_x + k] = quantile_of(p->n, value, PROBABILITY[q]);
        fit_value(j, p, k, value);
    }
    free(value);
    return NRE_OK;
}

/* distances */

/* Covariance shrunk to a multiple of one (Ledoit & Wolf 2004, Journal of Multivariate
 * Analysis 88, 365, section 3.3), by products of rows alone: G = z z' [n][n], of S =
 * z' z / n the trace is tr G / n and the squared norm |G|^2 / n^2; sum_i |z_i z_i' -
 * S|^2 = sum_i G_ii^2 - n |S|^2. */
static void shrink(predicted *p, size_t n_x, const double *g)
{
    double n = (double)p->n_fit, wide = (double)n_x, trace = 0, norm = 0, fourth = 0;

    for (size_t i = 0; i < p->n_fit; i++) {
        double own = g[i * p->n_fit + i];
        trace += own;
        fourth += own * own;
        for (size_t k = 0; k < p->n_fit; k++)
            norm += g[i * p->n_fit + k] * g[i * p->n_fit + k];
    }
    norm /= n * n;
    double level = trace / n / wide, spread = norm - wide * level * level;
    double noise = (fourth - n * norm) / (n * n);
    double share = spread > 0 ? fmin(fmax(noise / spread, RIDGE), 1) : 1;
    p->alpha = level > 0 ? share * level : 1;
    p->beta = (1 - share) / n;
}

/* In place, the lower half. */
static bool cholesky(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            double sum = a[i * n + k];
            for (size_t l = 0; l < k; l++)
                sum -= a[i * n + l] * a[k * n + l];
            if (i == k && !(sum > 0))
                return false;
            a[i * n + k] = i == k ? sqrt(sum) : sum / a[k * n + k];
        }
    return true;
}

/* (alpha + beta z' z)^-1 = (1 - beta z' (alpha + beta z z')^-1 z) / alpha (Woodbury
 * 1950): a matrix as large as there are rows, however many values they have. */
static int fit_distance(const predictive_job *j, predicted *p)
{
    size_t n = p->n_fit;
    double *g = p->factor;

    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)n, (blasint)n,
                (blasint)j->n_x, 1, p->z, (blasint)j->n_x, p->z, (blasint)j->n_x, 0, g,
                (blasint)n);
    shrink(p, j->n_x, g);
    for (size_t i = 0; i < n * n; i++)
        g[i] = p->beta * g[i] + (i % (n + 1) == 0 ? p->alpha : 0);
    return cholesky(n, g)
               ? NRE_OK
               : fail(NRE_ENUMERIC, "a covariance of simulations is not positive");
}

/* Mahalanobis's, of a raw row X; Z [n_x] and U [n_fit] are scratch. */
static double distance_of(const predictive_job *j, const predicted *p, const float *x,
                          double *z, double *u)
{
    double whole = 0, seen = 0;

    for (size_t k = 0; k < j->n_x; k++) {
        z[k] = standardised(j, p, k, (double)x[k]);
        whole += z[k] * z[k];
    }
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (blasint)p->n_fit, (blasint)j->n_x, 1, p->z,
                (blasint)j->n_x, z, 1, 0, u, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)p->n_fit,
                p->factor, (blasint)p->n_fit, u, 1);
    for (size_t i = 0; i < p->n_fit; i++)
        seen += u[i] * u[i];
    return (whole - p->beta * seen) / p->alpha;
}

static int measure_block(void *context, size_t block, unsigned worker)
{
    predictive_job *j = context;
    predicted *p = &j->now;
    size_t first = p->n_fit + block * ROWS,
           last = first + ROWS < p->n ? first + ROWS : p->n;
    double *z = memory_new(j->n_x + p->n_fit, sizeof *z);
    (void)worker;

    if (!z)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (size_t i = first; i < last; i++)
        p->distance[i - p->n_fit] = distance_of(j, p, p->x + i * j->n_x, z, z + j->n_x);
    free(z);
    return NRE_OK;
}

/* one observation */

/* Fraction of the ranked half that is as far or farther, the observation among them. */
static int rank_row(const predictive_job *j, const predicted *p, const float *x,
                    one_result *out)
{
    size_t ranked = p->n - p->n_fit, farther = 0;
    double *z = memory_new(j->n_x + p->n_fit, sizeof *z);

    if (!z)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    double own = distance_of(j, p, x, z, z + j->n_x);
    for (size_t i = 0; i < ranked; i++)
        farther += p->distance[i] >= own;
    *out = (one_result){.p = (double)(farther + 1) / (double)(ranked + 1)};
    for (size_t k = 0; k < j->n_x; k++)
        if (fabs(z[k]) > fabs(z[out->farthest]))
            out->farthest = k;
    size_t k = out->farthest;
    double off = on_scale(j->field_scale[k], (double)x[k]) - p->centre[k];
    out->off = p->scale[k] > 0 ? off / p->scale[k]
               : off == 0      ? 0
                               : copysign(INFINITY, off);
    free(z);
    return NRE_OK;
}

static int predicted_new(const predictive_job *j, predicted *p)
{
    p->n = j->n;
    p->n_fit = j->n_fit;
    p->x = memory_new(p->n, j->n_x * sizeof *p->x);
    p->z = memory_new(p->n_fit, j->n_x * sizeof *p->z);
    p->centre = memory_new(j->n_x, (3 + QUANTILES) * sizeof *p->centre);
    p->factor = memory_new(p->n_fit, p->n_fit * sizeof *p->factor);
    p->distance = memory_new(p->n, sizeof *p->distance);
    if (!p->x || !p->z || !p->centre || !p->factor || !p->distance)
        return fail(NRE_ENOMEM, "out of memory for %zu simulations", p->n);
    p->scale = p->centre + j->n_x;
    p->mean = p->scale + j->n_x;
    p->quantile = p->mean + j->n_x;
    return NRE_OK;
}

static void predicted_free(predicted *p)
{
    free(p->x);
    free(p->z);
    free(p->centre);
    free(p->factor);
    free(p->distance);
    *p = (predicted){0};
}

static int simulate(const predictive_job *j, predicted *p, bool *coarse)
{
    char purpose[64];
    double *theta = memory_new(p->n, j->target->n * sizeof *theta);
    int status = theta ? draw_thetas(j, p, theta, coarse)
                       : fail(NRE_ENOMEM, "out of memory for posterior draws");

    snprintf(purpose, sizeof purpose, "posterior_predictive/%zu", p->row);
    if (!status && !*coarse)
        status = fresh_rows(j->subject, purpose, p->n, theta, p->x);
    free(theta);
    return status;
}

/* Simulations of one posterior, and what measures distances among them. */
static int predict(predictive_job *j, size_t row, size_t n_rows, bool *coarse)
{
    predicted *p = &j->now;
    *p = (predicted){.row = row, .n_rows = n_rows};
    int status = predicted_new(j, p);

    if (!status)
        status = simulate(j, p, coarse);
    if (status || *coarse)
        return status;
    status = pool_run(j->subject->pool, (j->n_x + BLOCK - 1) / BLOCK, fit_values, j);
    if (!status)
        status = fit_distance(j, p);
    if (!status)
        status = pool_run(j->subject->pool, (p->n - p->n_fit + ROWS - 1) / ROWS,
                          measure_block, j);
    return status;
}

/* JSON of observations */

static json_t *shape_json(const nre_field *f)
{
    json_t *shape = json_array();

    for (unsigned k = 0; k < f->shape.rank; k++)
        json_array_append_new(shape, json_integer((json_int_t)f->shape.dim[k]));
    return shape;
}

static json_t *text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* Values FIRST .. of x belong to the field. */
static json_t *field_json(const predictive_job *j, const nre_field *f, size_t first,
                          size_t n, const float *x)
{
    json_t *seen = json_array(), *quantiles = json_object();

    for (size_t k = first; k < first + n; k++)
        json_array_append_new(seen, json_number((double)x[k]));
    for (size_t q = 0; q < QUANTILES; q++)
        json_object_set_new(quantiles, LABEL[q],
                            numbers_json(n, j->now.quantile + q * j->n_x + first));
    json_t *o = json_pack("{s:s s:o s:o s:o s:o s:o}", "name", f->name, "label",
                          text_json(f->label), "unit", text_json(f->unit), "shape",
                          shape_json(f), "observed", seen, "quantiles", quantiles);
    if (f->at) {
        json_object_set_new(o, "at",
                            numbers_json(f->shape.dim[f->shape.rank - 1], f->at));
        json_object_set_new(o, "at_label", text_json(f->at_label));
    }
    return o;
}

static size_t size_of(const nre_field *f)
{
    size_t n = 1;

    for (unsigned k = 0; k < f->shape.rank; k++)
        n *= f->shape.dim[k];
    return n;
}

static json_t *fields_json(const predictive_job *j, const float *x)
{
    const simulator *s = j->subject->simulator;
    json_t *all = json_array();

    for (size_t i = 0, first = 0; i < simulator_info(s)->n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        json_array_append_new(all, field_json(j, f, first, size_of(f), x));
        first += size_of(f);
    }
    return all;
}

static json_t *observed_json(const predictive_job *j, size_t row, bool coarse)
{
    char number[32];
    snprintf(number, sizeof number, "%zu", row);
    json_t *o = json_pack("{s:s s:o}", "observation", number, "p_value",
                          json_number(j->of[row].p));

    if (coarse)
        json_object_set_new(o, "reason",
                            json_string("its posterior stayed too coarse to draw from"));
    else if (row < SHOWN)
        json_object_set_new(o, "fields",
                            fields_json(j, j->subject->observed + row * j->n_x));
    return o;
}

/* N_ROWS observations from ROW on that share a posterior. */
static int judge_rows(predictive_job *j, size_t row, size_t n_rows, size_t n_looked)
{
    bool coarse = false;
    int status = predict(j, row, n_rows, &coarse);

    for (size_t i = row; i < row + n_looked && !status; i++) {
        j->of[i] = (one_result){.p = NAN};
        if (!coarse)
            status = rank_row(j, &j->now, j->subject->observed + i * j->n_x, &j->of[i]);
        if (!status)
            json_array_append_new(j->observed, observed_json(j, i, coarse));
    }
    predicted_free(&j->now);
    return status;
}

static int judge_all(predictive_job *j)
{
    int status = NRE_OK;

    if (j->subject->joint)
        return judge_rows(j, 0, j->subject->n_observed, j->n_observed);
    for (size_t i = 0; i < j->n_observed && !status; i++)
        status = judge_rows(j, i, 1, 1);
    return status;
}

/* what it means */

typedef struct outcome {
    size_t known, least; /* observations with a p-value; that of the smallest */
    double p;
} outcome;

/* The smallest of all p-values, and how many are small: each may be what gives many
 * observations away. */
static outcome judge(const predictive_job *j)
{
    outcome o = {.p = NAN};
    uint64_t small = 0;

    for (size_t i = 0; i < j->n_observed; i++) {
        double p = j->of[i].p;
        if (isnan(p))
            continue;
        if (o.known == 0 || p < j->of[o.least].p)
            o.least = i;
        o.known++;
        small += p <= SMALL_P;
    }
    if (o.known == 0)
        return o;
    o.p = fmin(1, (double)o.known * j->of[o.least].p);
    if (o.known > 1) {
        double many = small > 0 ? 1 - binomial_below(o.known, SMALL_P, small - 1) : 1;
        o.p = fmin(1, 2 * fmin(o.p, many));
    }
    return o;
}

/* "density[3]" */
static void name_of(const predictive_job *j, size_t k, size_t n, char *text)
{
    const simulator *s = j->subject->simulator;
    size_t i = 0;
    const nre_field *f = simulator_field(s, 0);

    while (k >= size_of(f)) {
        k -= size_of(f);
        f = simulator_field(s, ++i);
    }
    if (size_of(f) == 1)
        snprintf(text, n, "%s", f->name);
    else
        snprintf(text, n, "%s[%zu]", f->name, k);
}

/* What is farthest off in the observation of the smallest p-value. */
static void describe_farthest(const predictive_job *j, const outcome *o, size_t n,
                              char *text)
{
    const one_result *at = &j->of[o->least];
    char name[96];

    name_of(j, at->farthest, sizeof name, name);
    if (isfinite(at->off))
        snprintf(text, n, "%s lies %.1f deviations %s their middle", name, fabs(at->off),
                 at->off > 0 ? "above" : "below");
    else
        snprintf(text, n, "%s is a value that no simulation has", name);
}

/* P-values that the smallest is multiplied by. */
static size_t n_tests(size_t known)
{
    return known > 1 ? 2 * known : 1;
}

/* With as few simulations an observation could be anything. */
static bool can_fail(const predictive_job *j, const outcome *o)
{
    return (double)n_tests(o->known) / (double)(j->n - j->n_fit + 1) < FINDING_LEVEL;
}

/* Those that could not be looked at. */
static long_text missing_of(const predictive_job *j)
{
    bool missing[OBSERVED_MOST];

    for (size_t i = 0; i < j->n_observed; i++)
        missing[i] = isnan(j->of[i].p);
    return text_of_rows(j->n_observed, missing);
}

static json_t *finding_of(const predictive_job *j, const outcome *o)
{
    char says[512], advice[512], farthest[192], reason[192], which[40];
    size_t used;
    finding f = {.verdict = finding_by_p(o->p),
                 .statistic = "p-value among simulations from the posterior",
                 .value = o->p,
                 .error = NAN,
                 .expected = NAN,
                 .p = o->p,
                 .n = j->n,
                 .says = says};

    if (o->known == 0)
        return finding_open(
            "no posterior of an observation was resolved enough to draw from");
    const char *word = f.verdict == FINDING_FAILS ? "is unlike" : "lies among";
    snprintf(which, sizeof which, "The observation");
    if (j->n_observed > 1)
        snprintf(which, sizeof which, "Observation %zu", o->least);
    if (o->known == 1)
        snprintf(says, sizeof says,
                 "%s %s simulations from its own posterior (p-value %.2g, %zu "
                 "simulations).",
                 which, word, o->p, j->n);
    else
        snprintf(says, sizeof says,
                 "Of %zu observations the one that fits its posterior least, %zu, has a "
                 "p-value of "
                 "%.2g (%zu simulations); for all together it is %.2g.",
                 o->known, o->least, j->of[o->least].p, j->n, o->p);
    used = strlen(says);
    if (o->known < j->n_observed) {
        snprintf(says + used, sizeof says - used,
                 "  The posterior of %s stayed too coarse.", missing_of(j).text);
        f.reason = "not every observation has a posterior to simulate from";
        f.verdict = f.verdict == FINDING_OK ? FINDING_OPEN : f.verdict;
    } else if (f.verdict == FINDING_OK && !can_fail(j, o)) {
        snprintf(reason, sizeof reason,
                 "no more than %zu simulations of x fit into memory, too few for a "
                 "p-value of %zu observation%s to be below %g",
                 j->n, o->known, o->known > 1 ? "s" : "", FINDING_LEVEL);
        f.verdict = FINDING_OPEN;
        f.reason = reason;
    }
    if (f.verdict == FINDING_FAILS) {
        describe_farthest(j, o, sizeof farthest, farthest);
        snprintf(
            advice, sizeof advice,
            "Compare observation %zu with its band: %s. Either the simulator lacks "
            "something "
            "that the data have, or the posterior is in the wrong place; its parameters "
            "are not to be believed until that is known.",
            o->least, farthest);
        f.advice = advice;
    }
    return finding_json(&f);
}

/* Parameters that the target lacks. */
static json_t *nuisances_json(const predictive_job *j)
{
    const simulator *s = j->subject->simulator;
    json_t *all = json_array();

    for (size_t i = 0; i < simulator_n_theta(s); i++) {
        bool has = false;
        for (uint32_t k = 0; k < j->target->n; k++)
            has = has || j->target->which[k] == i;
        if (!has)
            json_array_append_new(all, json_string(simulator_names(s)[i]));
    }
    return all;
}

static json_t *row_json(predictive_job *j)
{
    outcome o = judge(j);
    json_t *row = finding_of(j, &o);

    json_object_set_new(row, "from_prior", nuisances_json(j));
    json_object_set_new(
        row, "note",
        json_string("p-values of an observation among simulations from its own posterior "
                    "are conservative: large ones are no proof"));
    json_object_set_new(row, "n_observed",
                        json_integer((json_int_t)j->subject->n_observed));
    json_object_set(row, "observed", j->observed);
    return row;
}

/* As many as are ASKED for, and more where a p-value could not become small among them. */
static void choose_sizes(predictive_job *j, uint64_t asked)
{
    size_t most = MEMORY / (j->n_x * sizeof(float));
    size_t n = asked < LEAST ? LEAST : (size_t)asked;
    size_t ranked = (size_t)ceil((double)n_tests(j->n_observed) / FINDING_LEVEL);

    most = most < LEAST ? LEAST : most;
    j->n_fit = n / 2 < FIT_MOST ? n / 2 : FIT_MOST;
    n = n < j->n_fit + ranked ? j->n_fit + ranked : n;
    j->n = n < most ? n : most;
    j->n_fit = j->n_fit < j->n / 2 ? j->n_fit : j->n / 2;
}

static int job_new(const subject *s, const diagnostic_options *o, predictive_job *j)
{
    size_t n_x = simulator_n_x(s->simulator), at = 0;

    *j = (predictive_job){.subject = s,
                          .target = ratio_target(s->posterior->ratio),
                          .n_x = n_x,
                          .observed = json_array()};
    j->n_observed = s->n_observed < OBSERVED_MOST ? s->n_observed : OBSERVED_MOST;
    choose_sizes(j, o->n > 0 ? o->n : SIMULATIONS);
    j->field_scale = memory_new(n_x, sizeof *j->field_scale);
    j->of = memory_new(j->n_observed, sizeof *j->of);
    if (!j->observed || !j->field_scale || !j->of)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (size_t i = 0; i < simulator_info(s->simulator)->n_fields; i++) {
        const nre_field *f = simulator_field(s->simulator, i);
        for (size_t k = 0; k < size_of(f); k++)
            j->field_scale[at++] = (uint8_t)f->scale;
    }
    return NRE_OK;
}

static const char *declines(const subject *s)
{
    return s->n_observed == 0 ? "there is no observation" : fresh_declines(s);
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    predictive_job j;
    int status = job_new(s, o, &j);

    *out = NULL;
    if (!status)
        status = judge_all(&j);
    if (!status)
        *out = row_json(&j);
    json_decref(j.observed);
    free(j.field_scale);
    free(j.of);
    return status;
}

const diagnostic posterior_predictive_diagnostic = {.name = "posterior_predictive",
                                                    .observes = true,
                                                    .simulates = true,
                                                    .declines = declines,
                                                    .perform = perform};

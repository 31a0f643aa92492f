/* diagnose/coverage.c - how often the truth lies in the regions, and what x tells about
 * it. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_BINS = 10, PAIRS_A_BIN = 100 };
static const double INTERVAL = 0.99;

typedef struct coverage_job {
    const subject *subject;
    const coverage_request *request;
    const pair_set *from;
    uint64_t n;
    uint32_t dim;
    pair_standing *pair; /* [n] */
    double *theta;       /* [n][dim] */
    standing *at;        /* [n] of the pairs */
    uint8_t *inside;     /* [n] */
    uint8_t *bin;        /* [dim][n] */
} coverage_job;

/* bins of each parameter that hold equally many pairs */

static size_t bins_of(uint64_t n)
{
    uint64_t bins = n / PAIRS_A_BIN;

    return bins > MOST_BINS ? MOST_BINS : bins < 1 ? 1 : (size_t)bins;
}

/* edge [bins + 1] of the N values in SORTED; a value on an edge belongs to the bin above it. */
static void lay_edges(size_t n, const double *sorted, size_t bins, double *edge)
{
    edge[0] = sorted[0];
    edge[bins] = sorted[n - 1];
    for (size_t b = 1; b < bins; b++)
        edge[b] = sorted[b * n / bins];
}

static uint8_t bin_of(const double *edge, size_t bins, double value)
{
    size_t b = 0;

    while (b + 1 < bins && value >= edge[b + 1])
        b++;
    return (uint8_t)b;
}

static int lay_bins(const coverage_job *j, coverage_result *out)
{
    size_t n = (size_t)j->n, bins = bins_of(j->n);
    double *value = memory_new(n, sizeof *value);

    out->dim = j->dim;
    out->n_bins = bins;
    out->edge = memory_new(j->dim * (bins + 1), sizeof *out->edge);
    out->parameter = memory_new(j->dim, sizeof *out->parameter);
    if (!value || !out->edge || !out->parameter) {
        free(value);
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    }
    for (uint32_t k = 0; k < j->dim; k++) {
        double *edge = out->edge + k * (bins + 1);
        snprintf(out->parameter[k], sizeof out->parameter[k], "%s",
                 target_marginal(ratio_target(j->subject->posterior->ratio), k)->name);
        for (size_t i = 0; i < n; i++)
            value[i] = j->theta[i * j->dim + k];
        qsort(value, n, sizeof *value, compare_reals);
        lay_edges(n, value, bins, edge);
        for (size_t i = 0; i < n; i++)
            j->bin[k * n + i] = bin_of(edge, bins, j->theta[i * j->dim + k]);
    }
    free(value);
    return NRE_OK;
}

/* cells */

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

static bool is_known(const pair_standing *p, unsigned kind)
{
    bool by_rank = kind & (COVERAGE_CREDIBLE | COVERAGE_BIASED);

    return !p->lost && !(p->missing && by_rank);
}

/* SHARE [repeats] is scratch; j->inside is that of the cell. */
static void count_blocks(const coverage_job *j, double *share, coverage_cell *c)
{
    const coverage_request *q = j->request;

    for (uint64_t b = 0; b < q->repeats; b++) {
        uint64_t covered = 0, n = 0, first = b * q->observables;
        for (uint64_t i = first; i < first + q->observables; i++)
            if (is_known(&j->pair[i], c->region)) {
                n++;
                covered += j->inside[i];
            }
        share[b] = n > 0 ? (double)covered / (double)n : NAN;
        c->covered += covered;
        c->n += n;
    }
}

static void count_bins(const coverage_job *j, size_t bins, coverage_cell *c)
{
    size_t n = (size_t)j->n;

    for (uint32_t k = 0; k < j->dim; k++)
        for (size_t i = 0; i < n; i++)
            if (is_known(&j->pair[i], c->region)) {
                size_t at = k * bins + j->bin[k * n + i];
                c->bin[at].n++;
                c->bin[at].covered += j->inside[i];
            }
}

static region_rule rule_of(const coverage_request *q, const coverage_cell *c)
{
    static const region_kind KINDS[] = {[COVERAGE_CREDIBLE] = REGION_HPD,
                                        [COVERAGE_CONFIDENCE] = REGION_WILKS,
                                        [COVERAGE_NEYMAN] = REGION_BY_NEYMAN,
                                        [COVERAGE_BIASED] = REGION_HPD};

    return (region_rule){.kind = KINDS[c->region],
                         .level = c->level,
                         .bias = c->bias,
                         .neyman = q->neyman};
}

static int fill_cell(const coverage_job *j, size_t bins, double *share, coverage_cell *c)
{
    region_rule rule = rule_of(j->request, c);
    int status = region_decides(&rule, j->dim, (size_t)j->n, j->theta, j->at, j->inside);

    c->bin = memory_new(j->dim * bins, sizeof *c->bin);
    if (!status && !c->bin)
        status = fail(NRE_ENOMEM, "out of memory for a diagnostic");
    if (status)
        return status;
    count_blocks(j, share, c);
    count_bins(j, bins, c);
    c->coverage = c->n > 0 ? (double)c->covered / (double)c->n : NAN;
    c->sd_evaluation = spread_of(j->request->repeats, share);
    c->sd_training = NAN;
    binomial_interval(c->covered, c->n, INTERVAL, c->interval);
    c->verdict = verdict_of(c->level, c->interval);
    return NRE_OK;
}

static int fill_cells(const coverage_job *j, coverage_result *out)
{
    static const unsigned KINDS[] = {COVERAGE_CREDIBLE, COVERAGE_CONFIDENCE,
                                     COVERAGE_NEYMAN, COVERAGE_BIASED};
    enum { N_KINDS = sizeof KINDS / sizeof KINDS[0] };
    const coverage_request *q = j->request;
    double *share = memory_new(q->repeats, sizeof *share);
    int status = NRE_OK;

    out->cells = memory_new(N_KINDS * q->n_levels, sizeof *out->cells);
    if (!share || !out->cells)
        status = fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (size_t k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < q->n_levels && (q->regions & KINDS[k]) && !status; i++) {
            coverage_cell *c = &out->cells[out->n_cells++];
            *c = (coverage_cell){.region = KINDS[k], .level = q->levels[i]};
            if (c->region == COVERAGE_BIASED)
                c->bias = q->bias[q->n_bias == 1 ? 0 : i];
            status = fill_cell(j, out->n_bins, share, c);
        }
    free(share);
    return status;
}

static void fill_gain(const coverage_job *j, coverage_result *out)
{
    double gain = 0, information = 0, squares = 0;

    for (uint64_t i = 0; i < j->n; i++) {
        const pair_standing *o = &j->pair[i];
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
        if (!j->pair[i].missing)
            squares += (j->pair[i].gain - out->gain) * (j->pair[i].gain - out->gain);
    out->gain_error = out->n > 1 ? sqrt(squares / (n - 1) / n) : NAN;
}

/* Of the means of the blocks. */
static int spread_gain(const coverage_job *j, coverage_result *out)
{
    const coverage_request *q = j->request;
    double *mean = memory_new((size_t)q->repeats, sizeof *mean);

    if (!mean)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (uint64_t b = 0; b < q->repeats; b++) {
        double sum = 0, n = 0;
        for (uint64_t i = b * q->observables; i < (b + 1) * q->observables; i++)
            if (!j->pair[i].missing) {
                sum += j->pair[i].gain;
                n++;
            }
        mean[b] = n > 0 ? sum / n : NAN;
    }
    out->gain_sd_evaluation = spread_of((size_t)q->repeats, mean);
    free(mean);
    return NRE_OK;
}

/* Of log p(theta* | x) = gain + log prior. */
static void fill_posterior(const coverage_job *j, coverage_result *out)
{
    double n = (double)out->n, sum = 0, squares = 0;

    out->log_posterior = out->log_posterior_error = NAN;
    if (j->subject->posterior->validity || out->n < 2)
        return;
    for (uint64_t i = 0; i < j->n; i++)
        sum += j->pair[i].missing ? 0 : j->pair[i].gain + j->pair[i].log_prior;
    for (uint64_t i = 0; i < j->n; i++) {
        double off = j->pair[i].gain + j->pair[i].log_prior - sum / n;
        squares += j->pair[i].missing ? 0 : off * off;
    }
    out->log_posterior = sum / n;
    out->log_posterior_error = sqrt(squares / (n - 1) / n);
}

/* curve */

static int joint_curve(const coverage_job *j, double *value, coverage_curve *out)
{
    for (uint64_t i = 0; i < j->n; i++)
        value[i] = j->pair[i].missing ? NAN : j->at[i].rank;
    ecdf_of((size_t)j->n, 1, value, &out->joint);
    return ecdf_band(out->joint.n, INTERVAL, out->low, out->high);
}

/* A central interval of level L holds what ranks between (1 - L) / 2 and (1 + L) / 2. */
static int parameter_curves(const coverage_job *j, double *value, coverage_curve *out)
{
    const pair_set *p = j->subject->pairs;
    const double *rank = p && p->n >= j->n ? pairs_value(p, &measure_ranks) : NULL;

    if (!rank)
        return NRE_OK;
    out->parameter = memory_new(j->dim, sizeof *out->parameter);
    if (!out->parameter)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (uint32_t k = 0; k < j->dim; k++) {
        for (uint64_t i = 0; i < j->n; i++)
            value[i] = fabs(2 * rank[i * (j->dim + 1) + k] - 1);
        ecdf_of((size_t)j->n, 1, value, &out->parameter[k]);
    }
    return NRE_OK;
}

static int fill_curve(const coverage_job *j, coverage_result *out)
{
    double *value = memory_new((size_t)j->n, sizeof *value);
    coverage_curve *c = out->curve = memory_new(1, sizeof *c);
    int status = value && c ? joint_curve(j, value, c)
                            : fail(NRE_ENOMEM, "out of memory for a diagnostic");

    if (!status)
        status = parameter_curves(j, value, c);
    free(value);
    return status;
}

static int check_bias(const coverage_request *q)
{
    if (q->n_bias != 1 && q->n_bias != q->n_levels)
        return fail(NRE_EINVAL, "%zu biases for %zu levels: give one, or one for each",
                    q->n_bias, q->n_levels);
    for (size_t i = 0; i < q->n_levels; i++) {
        double bias = q->bias[q->n_bias == 1 ? 0 : i];
        if (!(bias >= 0 && q->levels[i] + bias < 1))
            return fail(NRE_EINVAL,
                        "bias %g of level %g: it is at least 0 and their sum below 1",
                        bias, q->levels[i]);
    }
    return NRE_OK;
}

static int check(const subject *s, const coverage_request *q, uint64_t *n)
{
    enum {
        ALL = COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE | COVERAGE_NEYMAN | COVERAGE_BIASED
    };
    if (q->n_levels == 0 || !(q->regions & ALL))
        return fail(NRE_EINVAL, "coverage needs a level and a region");
    for (size_t i = 0; i < q->n_levels; i++)
        if (!(q->levels[i] > 0 && q->levels[i] < 1))
            return fail(NRE_EINVAL, "coverage of level %g: a level lies in (0, 1)",
                        q->levels[i]);
    if (q->regions & COVERAGE_NEYMAN && !q->neyman)
        return fail(NRE_EINVAL, "coverage of Neyman sets needs critical values");
    if (q->observables == 0 || q->repeats == 0 ||
        __builtin_mul_overflow(q->observables, q->repeats, n) || *n > s->test->n)
        return fail(
            NRE_EINVAL,
            "coverage asks for %llu blocks of %llu test pairs, the test set holds %llu: "
            "raise datasets.test.n or lower diagnose.coverage.observables",
            (unsigned long long)q->repeats, (unsigned long long)q->observables,
            (unsigned long long)s->test->n);
    return q->regions & COVERAGE_BIASED ? check_bias(q) : NRE_OK;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int job_new(const subject *s, const coverage_request *r, coverage_job *j)
{
    size_t n = (size_t)j->n, d = ratio_target(s->posterior->ratio)->n;

    j->subject = s;
    j->request = r;
    j->dim = (uint32_t)d;
    j->pair = memory_new(n, sizeof *j->pair);
    j->theta = memory_new(n, d * sizeof *j->theta);
    j->at = memory_new(n, sizeof *j->at);
    j->inside = memory_new(n, 1 + d);
    j->bin = j->inside ? j->inside + n : NULL;
    return j->pair && j->theta && j->at && j->inside
               ? NRE_OK
               : fail(NRE_ENOMEM, "out of memory for %zu test pairs", n);
}

/* Of the pass that all diagnostics share, or of one of its own. */
static int find_pairs(coverage_job *j, pair_set **own)
{
    const coverage_request *r = j->request;
    bool deviances = r->regions & (COVERAGE_CONFIDENCE | COVERAGE_NEYMAN);
    const pair_set *p = j->subject->pairs;
    pairs_plan wanted = {.n = j->n, .deviances = deviances, .snap = r->snap};

    if (p && p->n >= j->n && p->snap == r->snap && p->deviances >= deviances) {
        j->from = p;
        return NRE_OK;
    }
    int status = pairs_of(j->subject, &wanted, own);
    j->from = *own;
    return status;
}

static int perform(coverage_job *j, coverage_result *out)
{
    pair_set *own = NULL;
    int status = find_pairs(j, &own);

    if (!status) {
        memcpy(j->pair, j->from->standing, (size_t)j->n * sizeof *j->pair);
        memcpy(j->theta, j->from->theta, (size_t)j->n * j->dim * sizeof *j->theta);
    }
    for (uint64_t i = 0; i < j->n && !status; i++)
        j->at[i] = j->pair[i].at;
    if (!status)
        status = lay_bins(j, out);
    if (!status)
        status = fill_cells(j, out);
    if (!status)
        status = fill_curve(j, out);
    if (!status)
        fill_gain(j, out);
    if (!status)
        status = spread_gain(j, out);
    if (!status)
        fill_posterior(j, out);
    pairs_free(own);
    return status;
}

int coverage_of(const subject *s, const coverage_request *r, coverage_result *out)
{
    coverage_job j = {0};
    double start = seconds_now();

    *out = (coverage_result){0};
    int status = check(s, r, &j.n);
    if (status)
        return status;
    status = job_new(s, r, &j);
    if (!status)
        status = perform(&j, out);
    out->seconds = seconds_now() - start;
    free(j.inside);
    free(j.at);
    free(j.theta);
    free(j.pair);
    if (status)
        coverage_release(out);
    return status;
}

void coverage_release(coverage_result *c)
{
    for (size_t i = 0; c->cells && i < c->n_cells; i++)
        free(c->cells[i].bin);
    free(c->cells);
    if (c->curve)
        free(c->curve->parameter);
    free(c->curve);
    free(c->edge);
    free(c->parameter);
    *c = (coverage_result){0};
}

/* JSON */

static const char *region_name(unsigned kind)
{
    static const char *const NAMES[] = {[COVERAGE_CREDIBLE] = "credible",
                                        [COVERAGE_CONFIDENCE] = "confidence",
                                        [COVERAGE_NEYMAN] = "neyman",
                                        [COVERAGE_BIASED] = "biased"};

    return NAMES[kind];
}

/* Bins of parameter K: {"n": [..], "coverage": [..], "interval": [[lo, hi], ..]}. */
static json_t *bins_json(const coverage_result *r, const coverage_cell *c, uint32_t k,
                         const char *name)
{
    json_t *n = json_array(), *coverage = json_array(), *interval = json_array();

    for (size_t b = 0; b < r->n_bins; b++) {
        const coverage_bin *at = &c->bin[k * r->n_bins + b];
        double ends[2] = {NAN, NAN}, share = NAN;
        if (at->n > 0) {
            share = (double)at->covered / (double)at->n;
            binomial_interval(at->covered, at->n, INTERVAL, ends);
        }
        json_array_append_new(n, json_integer((json_int_t)at->n));
        json_array_append_new(coverage, json_number(share));
        json_array_append_new(
            interval, json_pack("[oo]", json_number(ends[0]), json_number(ends[1])));
    }
    return json_pack("{s:s s:o s:o s:o}", "parameter", name, "n", n, "coverage", coverage,
                     "interval", interval);
}

static json_t *cell_json(const coverage_result *r, const coverage_cell *c)
{
    bool known = c->n > 0;
    json_t *o = json_pack(
        "{s:s s:f s:o s:o s:o s:I s:I s:[oo] s:o}", "region", region_name(c->region),
        "level", c->level, "coverage", json_number(c->coverage), "sd_evaluation",
        json_number(c->sd_evaluation), "sd_training", json_number(c->sd_training),
        "covered", (json_int_t)c->covered, "n", (json_int_t)c->n, "interval",
        json_number(known ? c->interval[0] : NAN),
        json_number(known ? c->interval[1] : NAN), "verdict",
        known ? json_string(verdict_word(c->verdict)) : json_null());

    if (c->region == COVERAGE_BIASED)
        json_object_set_new(o, "bias", json_real(c->bias));
    if (o && !known)
        json_object_set_new(
            o, "reason",
            json_string("no test pair had a posterior of enough effective size"));
    json_t *against = json_array();
    for (uint32_t k = 0; k < r->dim; k++)
        json_array_append_new(against, bins_json(r, c, k, r->parameter[k]));
    json_object_set_new(o, "by_parameter", against);
    return o;
}

/* {NAME: [edges of its bins]}. */
static json_t *edges_json(const coverage_result *c)
{
    json_t *all = json_object();

    for (uint32_t k = 0; k < c->dim; k++) {
        json_t *edge = json_array();
        for (size_t b = 0; b <= c->n_bins; b++)
            json_array_append_new(edge, json_number(c->edge[k * (c->n_bins + 1) + b]));
        json_object_set_new(all, c->parameter[k], edge);
    }
    return all;
}

static json_t *fractions_json(const ecdf *e)
{
    double share[ECDF_POINTS];

    for (size_t i = 0; i < ECDF_POINTS; i++)
        share[i] = (double)e->count[i] / (double)e->n; /* NAN of none */
    return numbers_json(ECDF_POINTS, share);
}

static json_t *curve_json(const coverage_result *r)
{
    const coverage_curve *c = r->curve;
    json_t *all = json_array(), *o = json_object();

    json_object_set_new(o, "level", numbers_json(ECDF_POINTS, c->joint.z));
    json_object_set_new(o, "joint", fractions_json(&c->joint));
    json_object_set_new(o, "low", numbers_json(ECDF_POINTS, c->low));
    json_object_set_new(o, "high", numbers_json(ECDF_POINTS, c->high));
    for (uint32_t k = 0; c->parameter && k < r->dim; k++)
        json_array_append_new(all,
                              json_pack("{s:s s:o}", "name", r->parameter[k], "coverage",
                                        fractions_json(&c->parameter[k])));
    json_object_set_new(o, "parameters", all);
    return o;
}

json_t *coverage_json(const coverage_result *c)
{
    json_t *cells = json_array();

    for (size_t i = 0; i < c->n_cells; i++)
        json_array_append_new(cells, cell_json(c, &c->cells[i]));
    json_t *o =
        json_pack("{s:I s:I s:o s:o s:o s:o s:o}", "n", (json_int_t)c->n, "missing",
                  (json_int_t)c->missing, "gain", json_number(c->gain), "gain_error",
                  json_number(c->gain_error), "information", json_number(c->information),
                  "cells", cells, "bins", edges_json(c));

    if (o && c->curve)
        json_object_set_new(o, "curve", curve_json(c));
    json_object_set_new(o, "gain_sd_evaluation", json_number(c->gain_sd_evaluation));
    json_object_set_new(o, "log_posterior", json_number(c->log_posterior));
    json_object_set_new(o, "log_posterior_error", json_number(c->log_posterior_error));
    if (o && c->n > 0 && isnan(c->information))
        json_object_set_new(o, "reason",
                            json_string("this ratio is known up to a function of x: log "
                                        "r has no mean, the gain stands for it"));
    return o;
}

/* How good the estimator of each target is: a row of numbers from the results of several diagnostics. */
#include "run/run.h"

#include <math.h>
#include <string.h>

static const char NOT_COMPUTED[] = "it was not computed";

/* N: 0 when the value is missing. */
static quality_number number_of(double value, double error, uint64_t n,
                                const char *reason)
{
    quality_number q = quality_missing(reason ? reason : NOT_COMPUTED);
    if (!isfinite(value))
        return q;
    q.value = value;
    q.error = error;
    q.n = n;
    q.reason = NULL;
    return q;
}

static void fill_gain(const json_t *j, quality_row *row)
{
    const char *reason = word_in(j, "reason");
    uint64_t n = count_in(j, "n");
    quality_number *gain = &row->number[QUALITY_GAIN];
    *gain = number_of(real_in(j, "gain"), real_in(j, "gain_error"), n, reason);
    gain->sd_evaluation = real_in(j, "gain_sd_evaluation");
    row->number[QUALITY_LOG_POSTERIOR] = number_of(
        real_in(j, "log_posterior"), real_in(j, "log_posterior_error"), n,
        isfinite(gain->value) ? "the prior among valid simulations has no known norm"
                              : reason);
    row->number[QUALITY_INFORMATION] =
        number_of(real_in(j, "information"), real_in(j, "information_error"), n, reason);
}

static void fill_coverage(const json_t *j, quality_row *row)
{
    quality_number *q = &row->number[QUALITY_COVERAGE];
    size_t i;
    json_t *cell;
    *q = quality_missing("diagnose.coverage has no credible region of 95%");
    json_array_foreach(json_object_get(j, "cells"), i, cell)
    {
        const char *kind = word_in(cell, "region");
        double level = real_in(cell, "level"), value = real_in(cell, "coverage");
        uint64_t n = count_in(cell, "n");
        if (!kind || strcmp(kind, "credible") != 0 || fabs(level - 0.95) > 1e-9)
            continue;
        *q = number_of(value, sqrt(value * (1 - value) / (double)n), n,
                       word_in(cell, "reason"));
        if (isfinite(q->value)) {
            q->sd_evaluation = real_in(cell, "sd_evaluation");
            reals_in(cell, "interval", 2, q->interval);
        }
    }
}

static void fill_area(const json_t *j, quality_row *row)
{
    quality_number *q = &row->number[QUALITY_AREA];
    double sd = real_in(j, "sd");
    uint64_t n = count_in(j, "n");
    *q = number_of(real_in(j, "mean"), sd / sqrt((double)n), n, word_in(j, "reason"));
    if (isfinite(q->value))
        q->deviation = sd;
}

/* The row of a target that its diagnostic wrote, or why there is none. */
static const json_t *finding_of(const report_data *d, check_kind kind, const char *about,
                                const char **reason)
{
    size_t i;
    json_t *j;
    json_array_foreach(json_object_get(d->check[kind], "rows"), i, j)
    {
        const char *of = word_in(j, "target");
        if (of && !strcmp(of, about)) {
            *reason = word_in(j, "reason");
            return j;
        }
    }
    *reason = arena_print(d->arena, "diagnose.%s was not asked for", check_name(kind));
    return NULL;
}

/* C2ST as a number or as what c2st_of found. */
static double accuracy_of(const json_t *likelihood)
{
    const json_t *c = json_object_get(likelihood, "c2st");
    return json_is_object(c) ? real_in(c, "accuracy") : real_in(likelihood, "c2st");
}

static double accuracy_error(const json_t *likelihood)
{
    const json_t *c = json_object_get(likelihood, "c2st");
    return json_is_object(c) ? real_in(c, "null_error")
                             : real_in(likelihood, "c2st_error");
}

static void fill_findings(const report_data *d, const char *about, quality_row *row)
{
    const char *reason;
    const json_t *j = finding_of(d, CHECK_AUC, about, &reason);
    row->number[QUALITY_AUC] =
        number_of(real_in(j, "value"), real_in(j, "error"), count_in(j, "n"), reason);
    j = finding_of(d, CHECK_LIKELIHOOD, about, &reason);
    const json_t *kl = json_object_get(j, "kl");
    row->number[QUALITY_KL] =
        number_of(real_in(kl, "mean"), real_in(kl, "error"), count_in(j, "n"), reason);
    row->number[QUALITY_C2ST] =
        number_of(accuracy_of(j), accuracy_error(j), count_in(j, "n"), reason);
    j = finding_of(d, CHECK_SBC, about, &reason);
    row->number[QUALITY_SBC] =
        number_of(real_in(j, "p_value"), NAN, count_in(j, "n"), reason);
    j = finding_of(d, CHECK_TARP, about, &reason);
    row->number[QUALITY_TARP] =
        number_of(real_in(j, "p_value"), NAN, count_in(j, "n"), reason);
}

/* LIKE: a row of coverage.json, or NULL. */
static quality_row row_like(const report_data *d, const char *about, const json_t *like)
{
    const experiment *e = d->run->session->experiment;
    bool beside = like && calibrates(e) && !row_is_calibrated(like);
    quality_row row = {.target = about,
                       .architecture =
                           like || !calibrates(e)
                               ? report_name(d, like)
                               : arena_print(d->arena, "%s, %s", report_estimator(e),
                                             calibration_words(e)),
                       .simulations = report_simulations(d, about)};
    for (size_t k = 0; k < N_QUALITIES; k++)
        row.number[k] = quality_missing("only the calibrated ratio was tested so");
    fill_gain(like, &row);
    fill_coverage(like, &row);
    fill_area(report_row(d->area, about, like), &row);
    if (!beside)
        fill_findings(d, about, &row);
    return row;
}

/* Whether any of its numbers is there without coverage. */
static bool is_known(const report_data *d)
{
    static const check_kind KINDS[] = {CHECK_AUC, CHECK_LIKELIHOOD, CHECK_SBC,
                                       CHECK_TARP};
    bool known = d->area != NULL;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        known = known || d->check[KINDS[i]];
    return known;
}

int report_quality(report_data *d)
{
    const json_t *rows = json_object_get(d->coverage, "rows");
    size_t most = json_array_size(rows) + d->run->session->n_targets, n = 0;
    quality_row *row = arena_alloc(d->arena, most + 1, sizeof *row);
    if (!row)
        return fail(NRE_ENOMEM, "no memory for a table");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *j = json_array_get(rows, i);
        if (word_in(j, "target"))
            row[n++] = row_like(d, word_in(j, "target"), j);
    }
    bool bare = n == 0 && is_known(d);
    for (size_t i = 0; bare && i < d->run->session->n_targets; i++)
        row[n++] = row_like(d, d->run->session->targets[i].name, NULL);
    d->quality_table =
        (quality_table){.title = report_title(d), .n_rows = n, .rows = row};
    return NRE_OK;
}

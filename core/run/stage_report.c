/* Tables, page and summary from the result files that the other stages left. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_LIMIT = 256 << 20, MAX_NOTES = 64 };

/* Central 99% of the test values: an observation outside it is not to be believed. */
static const double OUTSIDE = 0.995;

typedef struct report_data {
    run *run;
    arena *arena;
    json_t *coverage, *area, *predictive, *calibration; /* NULL when not there */
    json_t *
        *posterior; /* [n_targets], then those without calibration; NULL when not there */
    bool beside;    /* what is read now stands beside the answer: no notes, no gates */
    coverage_table coverage_table;
    posterior_table posterior_table;
    const char *notes[MAX_NOTES];
    size_t n_notes, n_gates; /* the gates that were missed come first */
} report_data;

static double real_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static uint64_t count_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *word_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void reals_of(const json_t *object, const char *key, size_t n, double *out)
{
    const json_t *list = json_object_get(object, key);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

static bool is_calibrated(const json_t *row)
{
    return json_is_object(json_object_get(row, "calibration"));
}

/* Of a target, with the calibration of LIKE or without. */
static const json_t *row_of(const json_t *result, const char *name, const json_t *like)
{
    const json_t *rows = json_object_get(result, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *of = word_of(row, "target");
        if (of && !strcmp(of, name) && is_calibrated(row) == is_calibrated(like))
            return row;
    }
    return NULL;
}

static void note(report_data *d, const char *text)
{
    if (d->n_notes < MAX_NOTES && text && !d->beside)
        d->notes[d->n_notes++] = text;
}

/* Before all other notes. */
static void miss_gate(report_data *d, const char *why)
{
    if (d->n_gates == MAX_NOTES || d->beside)
        return;
    d->n_notes -= d->n_notes == MAX_NOTES;
    memmove(d->notes + d->n_gates + 1, d->notes + d->n_gates,
            (d->n_notes - d->n_gates) * sizeof *d->notes);
    d->notes[d->n_gates++] = why ? why : "a gate was missed";
    d->n_notes++;
}

/* Name of the row: the architecture, or what stands in its place. */
static const char *estimator_name(const experiment *e)
{
    static const char *const NAMES[] = {NULL, "exact", "prior"};
    if (uses_abc(e))
        return "abc";
    return e->estimator == ESTIMATOR_NETWORK ? e->architecture.name : NAMES[e->estimator];
}

/* With its calibration, as a result says it. */
static const char *full_name(const report_data *d, const json_t *result)
{
    const experiment *e = d->run->session->experiment;
    const char *name = estimator_name(e);
    return is_calibrated(result)
               ? arena_print(d->arena, "%s, %s", name, calibration_words(e))
               : name;
}

/* With what the results are valid for, where that is not every observation. */
static const char *title_of(const report_data *d)
{
    const session *s = d->run->session;
    const char *scope = rounds_scope(s, d->arena), *name = s->experiment->name;
    return scope ? arena_print(d->arena, "%s, %s", name, scope) : name;
}

static uint64_t simulations_of(const report_data *d, const char *name)
{
    uint64_t total =
        simulations_while_training(d->run, name) + rounds_simulations(d->run);
    for (size_t i = 0; i < N_PURPOSES; i++) {
        json_t *manifest = NULL;
        const char *path = source_path(d->run, "data/%s/manifest.json", PURPOSES[i]);
        if (!dataset_is_needed(d->run->session->experiment, i) || !file_exists(path) ||
            json_load_path(path, RESULT_LIMIT, &manifest)) {
            error_set("");
            continue;
        }
        total += count_of(manifest, "rows");
        json_decref(manifest);
    }
    return total;
}

/* coverage */

static void gate_coverage(report_data *d, const char *name, const table_cell *c)
{
    bool gated = d->run->session->experiment->diagnose.coverage.gate_under;
    if (!c->verdict || strcmp(c->verdict, "under") != 0)
        return;
    const char *what = arena_print(d->arena,
                                   "%sthe %g%% %s region of target %s covers %.4f of "
                                   "%llu test pairs (99%% interval %.4f to "
                                   "%.4f)",
                                   gated ? "gate missed: " : "", 100 * c->level,
                                   c->region, name, c->coverage, (unsigned long long)c->n,
                                   c->interval[0], c->interval[1]);
    if (gated)
        miss_gate(d, what);
    else
        note(d, what);
}

static int coverage_row_of(report_data *d, const json_t *j, coverage_row *row)
{
    const json_t *cells = json_object_get(j, "cells");
    size_t n = json_array_size(cells);
    table_cell *c = arena_alloc(d->arena, n + 1, sizeof *c);
    if (!c)
        return fail(NRE_ENOMEM, "no memory for a table");
    d->beside = calibrates(d->run->session->experiment) && !is_calibrated(j);
    *row = (coverage_row){.target = word_of(j, "target"),
                          .architecture = full_name(d, j),
                          .gain = real_of(j, "gain"),
                          .gain_error = real_of(j, "gain_error"),
                          .simulations = simulations_of(d, word_of(j, "target")),
                          .missing = count_of(j, "missing"),
                          .n_cells = n,
                          .cells = c};
    for (size_t i = 0; i < n; i++) {
        const json_t *cell = json_array_get(cells, i);
        c[i] = (table_cell){.region = word_of(cell, "region"),
                            .level = real_of(cell, "level"),
                            .coverage = real_of(cell, "coverage"),
                            .sd_evaluation = real_of(cell, "sd_evaluation"),
                            .sd_training = real_of(cell, "sd_training"),
                            .n = count_of(cell, "n"),
                            .verdict = word_of(cell, "verdict"),
                            .bias = fmax(real_of(cell, "bias"), 0),
                            .reason = word_of(cell, "reason")};
        reals_of(cell, "interval", 2, c[i].interval);
        gate_coverage(d, row->target, &c[i]);
    }
    d->beside = false;
    return row->architecture ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
}

static int read_coverage(report_data *d)
{
    const json_t *rows = json_object_get(d->coverage, "rows");
    size_t n = json_array_size(rows);
    coverage_row *r = arena_alloc(d->arena, n + 1, sizeof *r);
    int rc = r ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
    for (size_t i = 0; i < n && !rc; i++)
        rc = coverage_row_of(d, json_array_get(rows, i), &r[i]);
    d->coverage_table = (coverage_table){.title = title_of(d), .n_rows = n, .rows = r};
    return rc;
}

/* posteriors */

static void parameter_of(const json_t *j, parameter_row *p)
{
    *p = (parameter_row){.name = word_of(j, "name"),
                         .label = word_of(j, "label"),
                         .unit = word_of(j, "unit"),
                         .derived = json_is_true(json_object_get(j, "derived")),
                         .mean = real_of(j, "mean"),
                         .deviation = real_of(j, "sd"),
                         .map = real_of(j, "map"),
                         .map_sd = real_of(j, "map_sd"),
                         .mle = real_of(j, "mle"),
                         .mle_sd = real_of(j, "mle_sd"),
                         .r_hat = real_of(j, "r_hat"),
                         .ess_bulk = real_of(j, "ess_bulk"),
                         .ess_tail = real_of(j, "ess_tail")};
    reals_of(j, "quantiles", 5, p->quantile);
    reals_of(j, "hdi68", 2, p->hdi68);
    reals_of(j, "hdi95", 2, p->hdi95);
}

static void limit_of(const json_t *j, limit_row *l)
{
    const json_t *wilks = json_object_get(j, "wilks");
    const char *side = word_of(j, "side");
    json_t *priors = json_object_get(j, "priors");
    *l = (limit_row){.parameter = word_of(j, "parameter"),
                     .unit = word_of(j, "unit"),
                     .upper = side && !strcmp(side, "upper"),
                     .level = real_of(j, "level"),
                     .best = real_of(j, "best_fit"),
                     .against = real_of(j, "against"),
                     .log_ratio_against = real_of(j, "log_ratio_against"),
                     .resolved = json_is_true(json_object_get(j, "resolved"))};
    for (void *at = json_object_iter(priors); at && l->n_priors < LIMIT_ROW_PRIORS;
         at = json_object_iter_next(priors, at)) {
        const json_t *under = json_object_iter_value(at);
        l->priors[l->n_priors++] =
            (limit_prior_row){json_object_iter_key(at), real_of(under, "hpd_edge"),
                              real_of(under, "quantile")};
    }
    for (size_t i = 0; i < 2; i++) {
        l->threshold[i] = real_of(json_array_get(wilks, i), "threshold");
        l->wilks[i] = real_of(json_array_get(wilks, i), "limit");
    }
    if (!isfinite(l->best))
        l->reason = word_of(j, "reason");
}

/* Worst of the rows that a joint posterior is made of, else row I. */
static double worst_of(const json_t *list, const char *key, size_t i, bool joint)
{
    double worst = NAN;
    for (size_t k = joint ? 0 : i; k < json_array_size(list) && (joint || k == i); k++) {
        double value = real_of(json_array_get(list, k), key);
        if (isnan(worst) || value > worst)
            worst = value;
    }
    return worst;
}

static const char *sentence_and(arena *a, const char *old, const char *more)
{
    return old ? arena_print(a, "%s; %s", old, more) : more;
}

/* What the draws of an observation missed of infer.sampler.gate; NULL: nothing. */
static const char *missed_of(arena *a, const json_t *observation)
{
    size_t i;
    json_t *one;
    const char *all = NULL;
    json_array_foreach(json_object_get(json_object_get(observation, "gate"), "missed"), i,
                       one) all = sentence_and(a, all, json_string_value(one));
    return all;
}

/* Draws without R-hat are weighted ones. */
static const char *advice_of(const posterior_block *b)
{
    return isfinite(b->r_hat_max)
               ? "raise infer.sampler.warmup and draws, or try another sampler"
               : "raise the number of draws, or try a sampler of chains";
}

/* Posterior deviations that the error of the networks may move a mean by. */
static const double ASTRAY = 0.5;

/* GROWN: of an observation, or NULL. */
static bool grown_too_far(const json_t *grown)
{
    return real_of(grown, "shift") > ASTRAY;
}

/* What rows taken together make of the networks' error. */
static void tell_growth(report_data *d, const json_t *grown, const posterior_block *b)
{
    const char *reason = word_of(grown, "reason"), *what;
    double rows = (double)count_of(grown, "rows");
    if (!grown)
        return;
    if (reason)
        what = arena_print(d->arena, "%g rows together (target %s): %s", rows, b->target,
                           reason);
    else
        what = arena_print(
            d->arena,
            "%g rows together (target %s): the %llu networks differ by %.2g nats where "
            "the posterior is, by %.2g for one row: %.1f times (%.1f if errors of rows "
            "were independent, %g if they were the same); from network to network the "
            "mean of the posterior moves by %.2g of its deviation, and what all learned "
            "from the same simulations comes on top",
            rows, b->target, (unsigned long long)count_of(grown, "networks"),
            real_of(grown, "all_rows"), real_of(grown, "one_row"),
            real_of(grown, "times"), sqrt(rows), rows, real_of(grown, "shift"));
    if (d->run->session->experiment->estimator == ESTIMATOR_NETWORK)
        note(d, what);
}

/* Which prior was meant, and what its checks are about. */
static void tell_prior(report_data *d)
{
    json_t *other = session_prior_json(d->run->session);
    const char *text = NULL;
    for (void *at = json_object_iter(other); at; at = json_object_iter_next(other, at))
        text = sentence_and(d->arena, text,
                            arena_print(d->arena, "%s ~ %s", json_object_iter_key(at),
                                        json_string_value(json_object_iter_value(at))));
    if (text)
        note(d,
             arena_print(d->arena,
                         "another prior than that of the simulations was meant "
                         "(infer.prior): %s; coverage, gain and the area of the ratio, "
                         "which is 1 for that of the simulations alone, keep theirs",
                         text));
    json_decref(other);
}

/* "yes", or the sentences that say why not, but for the draws; *GATED when one of them is a gate's. */
static const char *believe(report_data *d, const posterior_block *b, const json_t *grown,
                           bool *gated)
{
    const experiment *e = d->run->session->experiment;
    const char *why = NULL;
    if (grown_too_far(grown))
        why = arena_print(d->arena,
                          "over %llu rows the errors of the networks have grown until "
                          "its mean moves by %.2g deviations from one to another (train "
                          "on more simulations)",
                          (unsigned long long)count_of(grown, "rows"),
                          real_of(grown, "shift"));
    if (b->area_rank > OUTSIDE || b->area_rank < 1 - OUTSIDE) {
        why = sentence_and(d->arena, why,
                           arena_print(d->arena,
                                       "the area of its ratio, %.3f, lies outside the "
                                       "central 99%% of the test values",
                                       b->area));
        *gated = *gated || e->diagnose.area.gate_outside;
    }
    if (b->predictive_rank > OUTSIDE) {
        why = sentence_and(d->arena, why,
                           arena_print(d->arena,
                                       "the observation is unlike the simulations "
                                       "(farther from them than %.1f%% of the test rows)",
                                       100 * b->predictive_rank));
        *gated = *gated || e->diagnose.predictive.gate_outside;
    }
    return why ? why : "yes";
}

/* MISSED: what the draws missed, whose note is another; or NULL. */
static int judge_block(report_data *d, posterior_block *b, const json_t *grown,
                       const char *missed)
{
    bool gated = false;
    if (isnan(b->area_rank) && isnan(b->predictive_rank) && !missed &&
        !grown_too_far(grown))
        return NRE_OK; /* nothing was checked, so nothing is said */
    const char *why = b->believe = believe(d, b, grown, &gated);
    bool others = why && strcmp(why, "yes") != 0;
    if (missed)
        b->believe = arena_print(d->arena, "%s; %s%s%s", missed, advice_of(b),
                                 others ? "; " : "", others ? why : "");
    if (!b->believe)
        return fail(NRE_ENOMEM, "no memory for a table");
    if (!others)
        return NRE_OK;
    const char *what =
        arena_print(d->arena,
                    "%sdo not believe the posterior of target %s, "
                    "observation %s: %s",
                    gated ? "gate missed: " : "", b->target, b->observation, why);
    if (gated)
        miss_gate(d, what);
    else
        note(d, what);
    return NRE_OK;
}

static int block_of(report_data *d, size_t which, const json_t *result, size_t i,
                    posterior_block *b)
{
    const char *name = d->run->session->targets[which].name;
    const json_t *list = json_object_get(result, "observations");
    const json_t *j = json_array_get(list, i), *p = json_object_get(j, "parameters");
    /* rows that share a nuisance: the posterior is of another estimator */
    const char *of = word_of(result, "estimator");
    const json_t *area = row_of(d->area, of ? of : name, result);
    const json_t *areas = json_object_get(area, "observed");
    const json_t *places = json_object_get(
        json_array_get(json_object_get(d->predictive, "rows"), 0), "observed");
    const json_t *asked = json_object_get(j, "limits");
    size_t n = json_array_size(p), n_limits = json_array_size(asked);
    parameter_row *rows = arena_alloc(d->arena, n + 1, sizeof *rows);
    limit_row *limited = arena_alloc(d->arena, n_limits + 1, sizeof *limited);
    if (!rows || !limited)
        return fail(NRE_ENOMEM, "no memory for a table");
    for (size_t k = 0; k < n; k++)
        parameter_of(json_array_get(p, k), &rows[k]);
    for (size_t k = 0; k < n_limits; k++)
        limit_of(json_array_get(asked, k), &limited[k]);
    const char *observation = word_of(j, "observation");
    bool joint = observation && !strcmp(observation, "joint");
    *b = (posterior_block){.target = name,
                           .architecture = full_name(d, result),
                           .method = word_of(result, "method"),
                           .observation = observation,
                           .n_parameters = n,
                           .parameters = rows,
                           .simulations = simulations_of(d, name),
                           .area = worst_of(areas, "area", i, joint),
                           .area_reason = word_of(area, "reason"),
                           .area_rank = worst_of(areas, "rank", i, joint),
                           .predictive_rank = worst_of(places, "rank", i, joint),
                           .predictive_distance = worst_of(places, "distance", i, joint),
                           .r_hat_max = real_of(j, "r_hat_max"),
                           .ess_min = real_of(j, "ess_min"),
                           .n_limits = n_limits,
                           .regions = json_object_get(j, "regions"),
                           .limits = limited,
                           .map = json_object_get(j, "map"),
                           .mle = json_object_get(j, "mle")};
    tell_growth(d, json_object_get(j, "growth"), b);
    return judge_block(d, b, json_object_get(j, "growth"), missed_of(d->arena, j));
}

/* Closeness is no exactness: what was kept is said, and nothing more is vouched for. */
static void tell_abc(report_data *d, const json_t *facts, posterior_block *b)
{
    if (posterior_believed(b))
        b->believe = NULL;
    note(d, arena_print(
                d->arena,
                "abc: the posterior of target %s, observation %s, is made of the %llu "
                "closest of %llu simulations (%s distance at most %.4g): the smaller "
                "that is, the closer to the exact one",
                b->target, b->observation, (unsigned long long)count_of(facts, "kept"),
                (unsigned long long)count_of(facts, "simulations"),
                word_of(facts, "distance"), real_of(facts, "tolerance")));
}

/* The first observation of a target whose draws missed infer.sampler.gate, and how many did. */
static void gate_draws(report_data *d, const json_t *result, const posterior_block *b)
{
    const json_t *list = json_object_get(result, "observations");
    size_t n = json_array_size(list), n_missed = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (missed_of(d->arena, json_array_get(list, i))) {
            n_missed++;
            first = i;
        }
    if (!n_missed)
        return;
    bool gated = d->run->session->experiment->infer.sampler.gate.error;
    const char *many =
        n_missed > 1 ? arena_print(d->arena, "%zu of %zu observations, first of them ",
                                   n_missed, n)
                     : "";
    const char *what = arena_print(d->arena,
                                   "%sthe draws of '%s' for target %s are not to be "
                                   "trusted (%sobservation %s): %s; %s",
                                   gated ? "gate missed: " : "", b[first].method,
                                   b[first].target, many, b[first].observation,
                                   missed_of(d->arena, json_array_get(list, first)),
                                   advice_of(&b[first]));
    if (gated)
        miss_gate(d, what);
    else
        note(d, what);
}

static int read_posteriors(report_data *d)
{
    size_t total = 0, n = 0, targets = d->run->session->n_targets;
    for (size_t i = 0; i < 2 * targets; i++)
        total += json_array_size(json_object_get(d->posterior[i], "observations"));
    posterior_block *b = arena_alloc(d->arena, total + 1, sizeof *b);
    int rc = b ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
    for (size_t i = 0; i < 2 * targets; i++) {
        d->beside = i >= targets;
        size_t rows = json_array_size(json_object_get(d->posterior[i], "observations"));
        for (size_t k = 0; k < rows && !rc; k++)
            rc = block_of(d, i % targets, d->posterior[i], k, &b[n + k]);
        const json_t *seen = json_object_get(d->posterior[i], "observations");
        for (size_t k = 0; uses_abc(d->run->session->experiment) && k < rows && !rc; k++)
            tell_abc(d, json_object_get(json_array_get(seen, k), "abc"), &b[n + k]);
        if (!rc)
            gate_draws(d, d->posterior[i], b + n);
        n += rows;
    }
    d->beside = false;
    tell_prior(d);
    d->posterior_table = (posterior_table){title_of(d), n, b};
    return rc;
}

/* What calibration made of each network as a classifier. */
static void note_calibrations(report_data *d)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(d->calibration, "rows"), i, row)
    {
        const json_t *before = json_object_get(row, "before");
        const json_t *after = json_object_get(row, "after");
        note(d,
             arena_print(
                 d->arena,
                 "the log ratio of target %s is calibrated (%s). As a classifier of "
                 "%llu test rows its log loss changes by %.4f ±%.4f to %.4f nats, its "
                 "calibration error from %.4f to %.4f (a perfect one's: %.4f by "
                 "chance). Without calibration: the rows '%s'",
                 word_of(row, "target"), calibration_words(d->run->session->experiment),
                 (unsigned long long)count_of(after, "rows"),
                 real_of(row, "log_loss_change"), real_of(row, "log_loss_change_error"),
                 real_of(after, "log_loss"), real_of(before, "calibration_error"),
                 real_of(after, "calibration_error"), real_of(after, "by_chance"),
                 estimator_name(d->run->session->experiment)));
    }
}

/* all */

static int read_result(const char *path, json_t **out)
{
    *out = NULL;
    return file_exists(path) ? json_load_path(path, RESULT_LIMIT, out) : NRE_OK;
}

static int read_results(report_data *d)
{
    const run *r = d->run;
    const experiment *e = r->session->experiment;
    int rc = NRE_OK;
    size_t n = r->session->n_targets;
    d->posterior = arena_alloc(d->arena, 2 * n, sizeof *d->posterior);
    if (!d->posterior)
        return fail(NRE_ENOMEM, "no memory for the tables");
    if (e->diagnose.coverage.wanted)
        rc = read_result(folder_path(r->folder, "diagnostics/coverage.json"),
                         &d->coverage);
    if (!rc && e->diagnose.area.wanted)
        rc = read_result(folder_path(r->folder, "diagnostics/area.json"), &d->area);
    if (!rc && e->diagnose.predictive.wanted)
        rc = read_result(folder_path(r->folder, "diagnostics/predictive.json"),
                         &d->predictive);
    if (!rc && calibrates(e))
        rc = read_result(folder_path(r->folder, "diagnostics/calibration.json"),
                         &d->calibration);
    for (size_t i = 0; i < (calibrates(e) ? 2 * n : n) && !rc; i++)
        rc = read_result(folder_path(r->folder, "posterior/%s%s/summary.json",
                                     r->session->targets[i % n].name,
                                     i < n ? "" : "/uncalibrated"),
                         &d->posterior[i]);
    note(d, rounds_scope(r->session, d->arena));
    if (!rc)
        note_calibrations(d);
    if (!rc)
        rc = read_coverage(d);
    return rc ? rc : read_posteriors(d);
}

static int write_page(const report_data *d, const run_summary *s)
{
    const char *base = d->run->source->path;
    char *config = NULL, *environment = NULL;
    size_t n;
    int rc = file_read(path_join(d->arena, base, "resolved.yaml"), 1 << 22, &config, &n);
    if (!rc)
        rc = file_read(path_join(d->arena, base, "environment.json"), 1 << 22,
                       &environment, &n);
    if (!rc)
        rc = page_write(s, config, environment,
                        folder_path(d->run->folder, "report.html"));
    free(config);
    free(environment);
    return rc;
}

static int write_tables(const report_data *d, double seconds, FILE *out)
{
    const run *r = d->run;
    const char *tables = folder_path(r->folder, "tables");
    run_summary all = {.name = r->session->experiment->name,
                       .folder = r->folder->path,
                       .coverage = d->coverage_table.n_rows ? &d->coverage_table : NULL,
                       .posterior =
                           d->posterior_table.n_blocks ? &d->posterior_table : NULL,
                       .n_gates = d->n_gates,
                       .n_notes = d->n_notes,
                       .notes = d->notes,
                       .seconds = seconds};
    int rc = folder_make(tables);
    if (!rc && all.coverage)
        rc = coverage_table_write(all.coverage, tables);
    if (!rc && all.coverage)
        rc = coverage_bins_write(all.coverage, json_object_get(d->coverage, "rows"),
                                 tables);
    if (!rc && all.posterior)
        rc = posterior_table_write(all.posterior, tables);
    if (!rc && r->n_timings)
        rc = timing_table_write(r->n_timings, r->timings, tables);
    if (!rc)
        rc = figures_write(r, all.coverage, d->arena, &all.n_figures, &all.figures);
    if (!rc && r->session->experiment->report.html)
        rc = write_page(d, &all);
    return rc || !out ? rc : summary_print(&all, out);
}

static int add_table(json_t *list, const char *path)
{
    if (file_exists(path) && json_array_append_new(list, json_string(path)))
        return fail(NRE_ENOMEM, "no memory for the result");
    return NRE_OK;
}

/* For --json: what was noted, and which tables were written. */
static int fill_result(const report_data *d)
{
    static const char *const TABLES[] = {"coverage", "posterior", "timing"};
    json_t *notes = json_array(), *tables = json_array(), *result = d->run->result;
    int rc = notes && tables ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    for (size_t i = 0; i < d->n_notes && !rc; i++)
        json_array_append_new(notes, json_string(d->notes[i]));
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0] && !rc; i++)
        rc = add_table(tables, folder_path(d->run->folder, "tables/%s.json", TABLES[i]));
    json_object_set_new(result, "notes", notes);
    json_object_set_new(result, "tables", tables);
    return rc;
}

void result_print(const run *r, int rc)
{
    if (!r->result)
        return;
    json_object_set_new(r->result, "folder", json_string(r->folder->path));
    json_object_set_new(r->result, "exit", json_integer(exit_code_of(rc)));
    json_object_set_new(r->result, "message",
                        rc ? json_string(error_message()) : json_null());
    json_dumpf(r->result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    printf("\n");
}

int report_run(run *r, double seconds, FILE *out)
{
    report_data d = {.run = r, .arena = arena_new()};
    int rc = d.arena ? read_results(&d) : fail(NRE_ENOMEM, "no memory for the tables");
    if (!rc)
        rc = write_tables(&d, seconds, r->result ? NULL : out);
    if (!rc && r->result)
        rc = fill_result(&d);
    if (!rc && d.n_gates)
        rc = fail(NRE_EGATE, "%s", d.notes[0]);
    for (size_t i = 0; d.posterior && i < 2 * r->session->n_targets; i++)
        json_decref(d.posterior[i]);
    json_decref(d.coverage);
    json_decref(d.area);
    json_decref(d.predictive);
    json_decref(d.calibration);
    arena_free(d.arena);
    return rc;
}

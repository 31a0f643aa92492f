/* What every diagnostic found, a row a check and target, and which gates were missed. */
#include "run/run.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

typedef struct findings {
    report_data *d;
    size_t n, room;
    check_row *rows;
} findings;

static check_row *add(findings *f, const char *name, const char *about)
{
    if (f->n == f->room)
        return NULL;
    check_row *r = &f->rows[f->n++];
    *r = (check_row){.name = name,
                     .target = about,
                     .verdict = finding_word(FINDING_OPEN),
                     .value = NAN,
                     .error = NAN,
                     .expected = NAN,
                     .p = NAN};
    return r;
}

/* Does J stand beside a row of the same target that is calibrated? */
static bool is_beside(const json_t *result, const json_t *j)
{
    const char *about = word_in(j, "target");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(result, "rows"), i, row)
    {
        const char *of = word_in(row, "target");
        if (about && of && !strcmp(of, about) && row_is_calibrated(row) &&
            !row_is_calibrated(j))
            return true;
    }
    return false;
}

/* The estimator that a row is about: the calibrated one unless it stands beside such a row. */
static const char *estimator_of(const findings *f, bool beside)
{
    const experiment *e = f->d->run->session->experiment;
    return beside || !calibrates(e)
               ? report_estimator(e)
               : arena_print(f->d->arena, "%s, %s", report_estimator(e),
                             calibration_words(e));
}

static void set_verdict(check_row *r, finding_verdict v)
{
    r->verdict = finding_word(v);
}

/* gates */

/* Of a gate whose miss is noted elsewhere, region by region or observation by observation. */
static void mark_missed(findings *f, check_row *r, const char *why)
{
    const char *about =
        r->target ? arena_print(f->d->arena, " of target %s", r->target) : "";
    if (!r->beside)
        r->missed = arena_print(f->d->arena, "gate missed: %s%s: %s",
                                check_title(r->name), about, why);
}

static void miss(findings *f, check_row *r, const char *why)
{
    mark_missed(f, r, why);
    if (r->missed)
        report_miss(f->d, r->missed);
}

static void hold_against(findings *f, check_row *r, const char *key, double threshold,
                         bool beyond)
{
    arena *a = f->d->arena;
    if (isnan(threshold))
        return;
    if (isnan(r->value))
        miss(f, r,
             arena_print(a,
                         "it has no number to hold against diagnose.%s.gate.%s = %g%s%s",
                         r->name, key, threshold, r->reason ? ": " : "",
                         r->reason ? r->reason : ""));
    else if (beyond)
        miss(f, r,
             arena_print(a, "its number, %.4g, is %s %g (diagnose.%s.gate.%s)", r->value,
                         key, threshold, r->name, key));
}

static void gate_check(findings *f, const check_request *asked, check_row *r)
{
    r->gated =
        asked->gate.fails || !isnan(asked->gate.above) || !isnan(asked->gate.below);
    if (asked->gate.fails && check_is(r, "fails"))
        miss(f, r, r->says ? r->says : "it fails");
    hold_against(f, r, "above", asked->gate.above, r->value > asked->gate.above);
    hold_against(f, r, "below", asked->gate.below, r->value < asked->gate.below);
}

/* coverage and gain */

static const struct {
    const char *kind, *check, *words;
} REGIONS[] = {{"credible", "coverage", "credible regions"},
               {"neyman", "neyman", "Neyman sets"},
               {"biased", "biased", "biased regions"},
               {"confidence", "confidence", "confidence sets"}};

/* Chance of a coverage so far below the level, as verdict_of looks at it: half of its interval's
 * error is below. */
static double chance_of(double coverage, double level, double n)
{
    return fmin(
        1, 2 * gsl_cdf_binomial_P((unsigned)llround(coverage * n), level, (unsigned)n));
}

/* "68% 0.690, 95% 0.91 (too few)" */
static const char *level_words(arena *a, const char *text, const json_t *cell)
{
    const char *word = word_in(cell, "verdict");
    bool under = word && !strcmp(word, "under"), over = word && !strcmp(word, "over");
    return arena_print(a, "%s%s%.10g%% %.3f%s", text, *text ? ", " : "",
                       100 * real_in(cell, "level"), real_in(cell, "coverage"),
                       under  ? " (too few)"
                       : over ? " (cautious)"
                              : "");
}

/* The cell that speaks loudest: of those that are too small, else of all, the least likely one. */
static void worst_cell(const json_t *cell, bool fails, check_row *r, const char *words,
                       arena *a)
{
    double level = real_in(cell, "level"), coverage = real_in(cell, "coverage"),
           n = (double)count_in(cell, "n"), p = chance_of(coverage, level, n);
    const char *word = word_in(cell, "verdict");
    if ((fails && (!word || strcmp(word, "under") != 0)) || !(p < r->p || isnan(r->p)))
        return;
    r->value = coverage;
    r->error = sqrt(coverage * (1 - coverage) / n);
    r->expected = level;
    r->p = p;
    r->n = (uint64_t)n;
    r->statistic = arena_print(a, "coverage of the %.10g%% %s", 100 * level, words);
}

static const char *coverage_advice(const char *check, bool credible_fails)
{
    if (!strcmp(check, "confidence") && !credible_fails)
        return "Wilks' theorem does not hold here, though the credible regions do: use "
               "these, or neyman in diagnose.coverage.regions.";
    if (!strcmp(check, "neyman"))
        return "Their critical values come from too few simulations: raise "
               "datasets.calibration.n.";
    return "It claims more than it knows: train on more simulations (datasets.train.n), "
           "several networks (train.ensemble: 5) or with a cautious loss (train.loss: "
           "{name: "
           "bnre}); until then its regions only bound the uncertainty from below.";
}

/* Row K of REGIONS; nothing where the table has no such region. */
static void coverage_check(findings *f, size_t k, const json_t *j, bool beside,
                           bool *credible_fails)
{
    arena *a = f->d->arena;
    const char *text = "", *reason = NULL;
    size_t i, known = 0, there = 0;
    bool fails = false;
    json_t *cell;
    json_array_foreach(json_object_get(j, "cells"), i, cell)
    {
        const char *kind = word_in(cell, "region"), *word = word_in(cell, "verdict");
        if (!kind || strcmp(kind, REGIONS[k].kind) != 0)
            continue;
        there++;
        if (isnan(real_in(cell, "coverage"))) {
            reason = word_in(cell, "reason");
            continue;
        }
        known++;
        fails = fails || (word && !strcmp(word, "under"));
        text = text ? level_words(a, text, cell) : NULL;
    }
    check_row *r = there ? add(f, REGIONS[k].check, word_in(j, "target")) : NULL;
    if (!r)
        return;
    r->beside = beside;
    r->architecture = estimator_of(f, beside);
    r->gated = f->d->run->session->experiment->diagnose.coverage.gate_under;
    if (!known) {
        r->reason = reason ? reason : "no test pair had a posterior that was resolved";
        return;
    }
    json_array_foreach(json_object_get(j, "cells"), i, cell)
    {
        const char *kind = word_in(cell, "region");
        if (kind && !strcmp(kind, REGIONS[k].kind) && real_in(cell, "coverage") >= 0)
            worst_cell(cell, fails, r, REGIONS[k].words, a);
    }
    set_verdict(r, fails ? FINDING_FAILS : FINDING_OK);
    r->says = arena_print(a, "Of %llu test pairs the %s hold: %s.",
                          (unsigned long long)r->n, REGIONS[k].words, text);
    r->advice = coverage_advice(r->name, *credible_fails);
    if (r->gated && fails)
        mark_missed(f, r, r->says);
    *credible_fails = *credible_fails || (k == 0 && fails);
}

/* Of a gain that is known: "fails" where it is none, "open" where it may be none. */
static finding_verdict verdict_of_gain(double gain, double error)
{
    const coverage_row row = {.gain = gain, .gain_error = error};
    if (gain_is_none(&row))
        return FINDING_FAILS;
    return gain > 3 * error    ? FINDING_OK
           : gain <= 3 * error ? FINDING_OPEN
                               : FINDING_INFORMS;
}

/* Beyond what rounding makes of the prior itself. */
static bool is_worse_than_prior(double gain, double error)
{
    return gain + 3 * error < -1e-6;
}

static const char *gain_words(arena *a, double gain, double error, double n)
{
    const char *number = isfinite(error) ? arena_print(a, "%.3f ±%.3f nats", gain, error)
                                         : arena_print(a, "%.3f nats", gain);
    if (is_worse_than_prior(gain, error))
        return arena_print(
            a,
            "On average the truth is less probable than under the prior: the "
            "gain is %s over %g test pairs.",
            number, n);
    if (verdict_of_gain(gain, error) == FINDING_FAILS)
        return arena_print(
            a,
            "It knows no more than the prior, which covers perfectly without "
            "knowing anything: the gain is %s over %g test pairs.",
            number, n);
    return arena_print(a,
                       "The truth is %.3g times as probable as under the prior, in the "
                       "geometric mean: the gain is %s.",
                       exp(gain), number);
}

static void judge_gain(arena *a, check_row *r)
{
    finding_verdict v = verdict_of_gain(r->value, r->error);
    set_verdict(r, v);
    if (v == FINDING_OPEN) {
        r->reason = arena_print(a,
                                "%llu pairs cannot tell it from the prior, which covers "
                                "without knowing anything: the gain is %.3f ±%.3f nats",
                                (unsigned long long)r->n, r->value, r->error);
        r->advice = "Test with more pairs (diagnose.coverage.observables).";
        return;
    }
    r->says = gain_words(a, r->value, r->error, (double)r->n);
    r->advice = is_worse_than_prior(r->value, r->error)
                    ? "It is sure of what is wrong: stop earlier (train.patience), train "
                      "on more simulations or with a cautious loss."
                    : "Train longer or on more simulations; or the observable says "
                      "nothing about these parameters.";
}

static void gate_gain(findings *f, check_row *r)
{
    double least = f->d->run->session->experiment->diagnose.coverage.gate_gain;
    const char *key = "diagnose.coverage.gate.gain";
    r->gated = !isnan(least);
    if (!r->gated || r->value >= least)
        return;
    miss(f, r,
         isnan(r->value)
             ? arena_print(f->d->arena, "it has no number to hold against %s = %g", key,
                           least)
             : arena_print(f->d->arena, "%.4g nats are below %g (%s)", r->value, least,
                           key));
}

static void gain_check(findings *f, const json_t *j, bool beside)
{
    const char *reason = word_in(j, "reason");
    check_row *r = add(f, "gain", word_in(j, "target"));
    if (!r)
        return;
    r->beside = beside;
    r->architecture = estimator_of(f, beside);
    r->value = real_in(j, "gain");
    r->error = real_in(j, "gain_error");
    r->n = count_in(j, "n");
    r->statistic = "mean of log p(theta*|x) - log p(theta*), nats";
    if (isfinite(r->value))
        judge_gain(f->d->arena, r);
    else
        r->reason = reason ? reason : "the gain could not be computed";
    gate_gain(f, r);
}

static void coverage_checks(findings *f, const char *about)
{
    size_t i;
    json_t *j;
    json_array_foreach(json_object_get(f->d->coverage, "rows"), i, j)
    {
        const char *of = word_in(j, "target");
        bool fails = false, beside = is_beside(f->d->coverage, j);
        if (!of || strcmp(of, about) != 0)
            continue;
        for (size_t k = 0; k < sizeof REGIONS / sizeof REGIONS[0]; k++)
            coverage_check(f, k, j, beside, &fails);
        gain_check(f, j, beside);
    }
}

/* the observation: area, and its place among simulations */

static double *reals_of(arena *a, const json_t *list, const char *key)
{
    size_t n = json_array_size(list);
    double *out = arena_alloc(a, n + 1, sizeof *out);
    for (size_t i = 0; i < n && out; i++) {
        const json_t *one = json_array_get(list, i);
        out[i] = key ? real_in(one, key) : json_number_value(one);
    }
    return out;
}

/* Of rows of area.json and of predictive.json. */
static const struct {
    const char *test, *observed;
    place_sides sides;
} KEPT[] = {[PLACE_OF_AREA] = {"areas", "area", PLACE_BOTH},
            [PLACE_OF_ROW] = {"distances", "distance", PLACE_ABOVE}};

static const placed_rows *placed_of(report_data *d, const json_t *row, place_kind kind)
{
    placed_rows *p = &d->placed[kind];
    if (row && p->row == row)
        return p;
    const json_t *test = json_object_get(row, KEPT[kind].test),
                 *seen = json_object_get(row, "observed");
    *p = (placed_rows){.row = row,
                       .n_test = json_array_size(test),
                       .sorted = reals_of(d->arena, test, NULL),
                       .value = reals_of(d->arena, seen, KEPT[kind].observed),
                       .all = {.p = NAN}};
    if (p->sorted && p->value)
        p->all = places_of(p->n_test, p->sorted, json_array_size(seen), p->value,
                           KEPT[kind].sides);
    return p;
}

places report_places(report_data *d, const json_t *row, place_kind kind)
{
    return placed_of(d, row, kind)->all;
}

bool report_is_outside(report_data *d, const json_t *row, place_kind kind, size_t i)
{
    const placed_rows *p = placed_of(d, row, kind);
    return finding_by_p(p->all.p) == FINDING_FAILS &&
           i < json_array_size(json_object_get(row, "observed")) &&
           place_p(p->n_test, p->sorted, p->value[i], KEPT[kind].sides) < FINDING_LEVEL;
}

/* Silence says nothing where one row far out would not be seen. */
static void judge_places(arena *a, check_row *r, const places *p)
{
    finding_verdict v = finding_by_p(p->p);
    r->p = p->p;
    set_verdict(r, v == FINDING_OK && p->too_few ? FINDING_OPEN : v);
    if (v == FINDING_OK && p->too_few)
        r->reason =
            arena_print(a,
                        "%llu test simulations are too few to tell whether one of %zu "
                        "observation%s lies outside: raise datasets.test.n or "
                        "diagnose.%s.observables",
                        (unsigned long long)r->n, p->n, p->n == 1 ? "" : "s", r->name);
}

/* "2 of 10 observations lie", "1 of 10 observations lies" */
static const char *how_many(arena *a, const places *p, const char *one, const char *more)
{
    return arena_print(a, "%zu of %zu observations %s", p->outside, p->n,
                       p->outside == 1 ? one : more);
}

/* Some are outside, and all the same nothing is wrong. */
static const char *excuse_of(const places *p)
{
    return p->outside && finding_by_p(p->p) != FINDING_FAILS
               ? ", which is no more than chance brings"
               : "";
}

/* After the row has its verdict and its sentence. */
static void gate_outside(findings *f, check_row *r, bool asked)
{
    r->gated = asked;
    if (asked && check_is(r, "fails"))
        miss(f, r, r->says);
    else if (asked && check_is(r, "open"))
        miss(f, r, arena_print(f->d->arena, "it cannot be judged: %s", r->reason));
}

/* WHAT: "the ratio". */
static void area_says(findings *f, const json_t *j, const char *what, const places *p,
                      check_row *r)
{
    arena *a = f->d->arena;
    const json_t *seen = json_array_get(json_object_get(j, "observed"), p->farthest);
    double mean = real_in(j, "mean"), sd = real_in(j, "sd"), rank = real_in(seen, "rank");
    unsigned long long n = count_in(j, "n");
    if (!p->n && json_array_size(json_object_get(j, "observed"))) {
        r->reason = "the area of the observation could not be computed";
        return;
    }
    if (!p->n) {
        r->value = mean;
        r->error = sd / sqrt((double)n);
        set_verdict(r, FINDING_INFORMS);
        r->says = arena_print(a,
                              "The area of %s is %.3f ±%.3f (standard deviation) over "
                              "%llu test simulations; a right one has 1.",
                              what, mean, sd, n);
        return;
    }
    r->value = real_in(seen, "area");
    judge_places(a, r, p);
    if (p->n == 1)
        r->says =
            arena_print(a,
                        "The area of %s is %.3f for the observation (1 for a "
                        "right one), above that of %.1f%% of %llu test simulations, "
                        "which have %.3f ±%.3f.",
                        what, r->value, 100 * rank, n, mean, sd);
    else
        r->says = arena_print(
            a,
            "%s an area of %s outside the central 99%% of %llu test "
            "simulations%s, which have %.3f ±%.3f; the farthest from these is "
            "observation %zu with %.3f.",
            how_many(a, p, "has", "have"), what, n, excuse_of(p), mean, sd, p->farthest,
            r->value);
}

/* Whose ratio the posterior of a target is made of: its own, or that of all parameters. */
static const char *made_of(const findings *f, size_t which)
{
    const char *maker = word_in(f->d->posterior[which], "estimator");
    return maker ? maker : f->d->run->session->targets[which].name;
}

static void area_check(findings *f, size_t which)
{
    const char *about = f->d->run->session->targets[which].name,
               *made = made_of(f, which);
    const char *what =
        !strcmp(made, about)
            ? "the ratio"
            : "the ratio of all parameters, which this posterior is made of,";
    bool asked = f->d->run->session->experiment->diagnose.area.gate_outside;
    size_t i;
    json_t *j;
    json_array_foreach(json_object_get(f->d->area, "rows"), i, j)
    {
        const char *of = word_in(j, "target");
        check_row *r = of && !strcmp(of, made) ? add(f, "area", about) : NULL;
        if (!r)
            continue;
        r->beside = is_beside(f->d->area, j);
        r->architecture = estimator_of(f, r->beside);
        r->gated = asked;
        r->n = count_in(j, "n");
        r->expected = 1;
        r->statistic = "integral of prior times ratio";
        r->reason = isnan(real_in(j, "mean")) ? word_in(j, "reason") : NULL;
        if (r->reason || isnan(real_in(j, "mean"))) {
            r->reason = r->reason ? r->reason : "no area could be computed";
            gate_outside(f, r, asked);
            continue;
        }
        const places p = report_places(f->d, j, PLACE_OF_AREA);
        area_says(f, j, what, &p, r);
        gate_outside(f, r, asked);
        r->advice =
            "There the network contradicts itself: train on more simulations near the "
            "observation (rounds:), on more altogether, or several networks.";
    }
}

static void predictive_check(findings *f)
{
    arena *a = f->d->arena;
    const json_t *j = json_array_get(json_object_get(f->d->predictive, "rows"), 0);
    const json_t *seen = json_object_get(j, "observed");
    if (!j || !json_array_size(seen))
        return;
    check_row *r = add(f, "predictive", NULL);
    if (!r)
        return;
    const places p = report_places(f->d, j, PLACE_OF_ROW);
    double rank = real_in(json_array_get(seen, p.farthest), "rank");
    r->gated = f->d->run->session->experiment->diagnose.predictive.gate_outside;
    r->n = count_in(j, "n");
    r->statistic = "distance to the nearest training simulation, in deviations";
    r->value = real_in(json_array_get(seen, p.farthest), "distance");
    if (!p.n) {
        r->reason = word_in(j, "reason") ? word_in(j, "reason") : "it has no distance";
        gate_outside(f, r, r->gated);
        return;
    }
    judge_places(a, r, &p);
    if (p.n == 1)
        r->says = arena_print(a,
                              "The observation %s: its nearest training simulation is at "
                              "distance %.3g, farther than for %.1f%% of %llu test "
                              "simulations.",
                              check_is(r, "fails") ? "lies outside the simulator"
                              : rank > RANK_EDGE   ? "lies at the edge of the simulator"
                                                   : "lies inside the simulator",
                              r->value, 100 * rank, (unsigned long long)r->n);
    else
        r->says = arena_print(
            a,
            "%s outside the simulator, farther from it than 99%% of %llu test "
            "simulations%s; the farthest is observation %zu, at distance "
            "%.3g.",
            how_many(a, &p, "lies", "lie"), (unsigned long long)r->n, excuse_of(&p),
            p.farthest, r->value);
    r->advice =
        "The network never saw anything like it, and answers all the same: look for "
        "what the simulator lacks, or widen its prior.";
    gate_outside(f, r, r->gated);
}

/* draws, and errors of rows taken together */

static void draws_check(findings *f, const char *about, const json_t *result, bool beside)
{
    arena *a = f->d->arena;
    const json_t *list = json_object_get(result, "observations");
    size_t n = json_array_size(list), n_missed = 0;
    double r_hat = NAN, least = NAN;
    const char *why = NULL;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        const char *missed = report_draws_missed(a, one);
        r_hat = fmax(r_hat, real_in(one, "r_hat_max"));
        least = fmin(least, real_in(one, "ess_min"));
        n_missed += missed != NULL;
        why = why ? why : missed;
    }
    check_row *r = isnan(r_hat) && isnan(least) && !why ? NULL : add(f, "draws", about);
    if (!r)
        return;
    r->beside = beside;
    r->architecture = estimator_of(f, beside);
    r->gated = f->d->run->session->experiment->infer.sampler.gate.error;
    r->statistic = isnan(r_hat) ? "smallest effective sample size" : "largest R-hat";
    r->value = isnan(r_hat) ? least : r_hat;
    r->expected = isnan(r_hat) ? NAN : 1;
    set_verdict(r, why ? FINDING_FAILS : FINDING_OK);
    if (why)
        r->says = n > 1
                      ? arena_print(a,
                                    "The draws of %zu of %zu observations are not to be "
                                    "trusted: %s.",
                                    n_missed, n, why)
                      : arena_print(a, "Its draws are not to be trusted: %s.", why);
    else
        r->says = isnan(r_hat)
                      ? arena_print(a,
                                    "Its draws have an effective size of %.0f at "
                                    "least.",
                                    least)
                      : arena_print(a,
                                    "Its chains have mixed: R-hat at most %.3f, "
                                    "effective size at least %.0f.",
                                    r_hat, least);
    if (r->gated && why)
        mark_missed(f, r, r->says);
    r->advice = isnan(r_hat)
                    ? "Raise the number of draws, or try a sampler of chains."
                    : "Raise infer.sampler.warmup and draws, or try another sampler.";
}

static void growth_check(findings *f, const char *about, const json_t *result)
{
    const experiment *e = f->d->run->session->experiment;
    const json_t *first = json_array_get(json_object_get(result, "observations"), 0),
                 *grown = json_object_get(first, "growth");
    check_row *r =
        grown && e->estimator == ESTIMATOR_NETWORK ? add(f, "growth", about) : NULL;
    if (!r)
        return;
    r->architecture = estimator_of(f, false);
    r->statistic = "shift of the mean from network to network, in deviations";
    r->value = real_in(grown, "shift");
    r->n = count_in(grown, "rows");
    r->reason = word_in(grown, "reason");
    if (r->reason || isnan(r->value)) {
        r->reason = r->reason ? r->reason : "the shift is not known";
        return;
    }
    set_verdict(r, report_grown_too_far(grown) ? FINDING_FAILS : FINDING_OK);
    r->says =
        arena_print(f->d->arena,
                    "Over %llu rows taken together the mean of the posterior moves by "
                    "%.2g of its deviation from one network to another.",
                    (unsigned long long)r->n, r->value);
    r->advice = "The errors of the rows add up: train on more simulations.";
}

static void posterior_checks(findings *f, size_t which)
{
    const session *s = f->d->run->session;
    const char *name = s->targets[which].name;
    draws_check(f, name, f->d->posterior[which], false);
    growth_check(f, name, f->d->posterior[which]);
    draws_check(f, name, f->d->posterior[s->n_targets + which], true);
}

static void calibration_check(findings *f, const char *about)
{
    size_t i;
    json_t *j;
    json_array_foreach(json_object_get(f->d->calibration, "rows"), i, j)
    {
        const char *of = word_in(j, "target");
        check_row *r = of && !strcmp(of, about) ? add(f, "calibration", of) : NULL;
        if (!r)
            continue;
        const json_t *before = json_object_get(j, "before"),
                     *after = json_object_get(j, "after");
        r->architecture = estimator_of(f, false);
        r->statistic = "change of the classifier's log loss, nats";
        r->value = real_in(j, "log_loss_change");
        r->error = real_in(j, "log_loss_change_error");
        r->n = count_in(after, "rows");
        if (isnan(r->value)) {
            r->reason = "its change is not known";
            continue;
        }
        set_verdict(r, FINDING_INFORMS);
        r->says =
            arena_print(f->d->arena,
                        "As a classifier its log loss changes by %.4f ±%.4f nats, its "
                        "calibration error from %.4f to %.4f (a perfect one's: %.4f by "
                        "chance).",
                        r->value, r->error, real_in(before, "calibration_error"),
                        real_in(after, "calibration_error"), real_in(after, "by_chance"));
    }
}

/* the diagnostics of the list */

static void read_finding(findings *f, const json_t *j, check_row *r)
{
    r->architecture = estimator_of(f, r->beside);
    r->verdict =
        word_in(j, "verdict") ? word_in(j, "verdict") : finding_word(FINDING_OPEN);
    r->statistic = word_in(j, "statistic");
    r->value = real_in(j, "value");
    r->error = real_in(j, "error");
    r->expected = real_in(j, "expected");
    r->p = real_in(j, "p_value");
    r->n = count_in(j, "n");
    r->says = word_in(j, "says");
    r->advice = word_in(j, "advice");
    if (check_is(r, "open"))
        r->reason = word_in(j, "reason") ? word_in(j, "reason") : "no reason is known";
}

static bool has_threshold(const check_request *asked)
{
    return !isnan(asked->gate.above) || !isnan(asked->gate.below);
}

/* A target that a diagnostic has nothing to say of is not held against a threshold, if another is. */
static bool is_exempt(const json_t *rows, const json_t *row)
{
    bool another = false;
    size_t i;
    json_t *j;
    json_array_foreach(rows, i, j)
    {
        another = another || !json_is_true(json_object_get(j, "declined"));
    }
    return another && json_is_true(json_object_get(row, "declined"));
}

static void exempt(findings *f, const check_request *asked, const check_row *r)
{
    if (has_threshold(asked) && !r->beside)
        report_note(f->d,
                    arena_print(f->d->arena, "diagnose.%s.gate leaves out target %s: %s",
                                r->name, r->target, r->reason));
}

static void listed_check(findings *f, size_t kind, const char *about)
{
    const check_request *asked = &f->d->run->session->experiment->diagnose.check[kind];
    size_t i, found = 0;
    json_t *j;
    json_array_foreach(json_object_get(f->d->check[kind], "rows"), i, j)
    {
        const char *of = word_in(j, "target");
        check_row *r = of && !strcmp(of, about) ? add(f, check_name(kind), of) : NULL;
        if (!r)
            continue;
        r->beside = is_beside(f->d->check[kind], j);
        read_finding(f, j, r);
        if (is_exempt(json_object_get(f->d->check[kind], "rows"), j))
            exempt(f, asked, r);
        else
            gate_check(f, asked, r);
        found++;
    }
    if (found || !asked->wanted || !has_threshold(asked))
        return;
    check_row *r = add(f, check_name(kind), about);
    if (r) {
        r->reason = "there is no result of it";
        r->architecture = estimator_of(f, false);
        gate_check(f, asked, r);
    }
}

/* all: in the order of the page's sections */

static void target_checks(findings *f, size_t which)
{
    static const check_kind ON_PAIRS[] = {
        CHECK_SBC,     CHECK_TARP,        CHECK_ENTROPY,        CHECK_LIKELIHOOD,
        CHECK_AUC,     CHECK_CONVERGENCE, CHECK_LOCAL_COVERAGE, CHECK_LC2ST,
        CHECK_ENSEMBLE};
    const char *name = f->d->run->session->targets[which].name;
    coverage_checks(f, name);
    for (size_t k = 0; k < sizeof ON_PAIRS / sizeof ON_PAIRS[0]; k++)
        listed_check(f, ON_PAIRS[k], name);
    area_check(f, which);
    listed_check(f, CHECK_POSTERIOR_PREDICTIVE, name);
    posterior_checks(f, which);
    calibration_check(f, name);
}

/* What is not about one observation: the network is the same for every one. */
static bool is_of_network(const check_row *r)
{
    static const char *const OTHERS[] = {
        "area",   "predictive", "posterior_predictive", "draws",
        "growth", "ensemble",   "local_coverage",       "lc2st"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        if (!strcmp(r->name, OTHERS[i]))
            return false;
    return true;
}

static bool has_target(const session *s, const char *name)
{
    for (size_t i = 0; i < s->n_targets; i++)
        if (name && !strcmp(s->targets[i].name, name))
            return true;
    return false;
}

/* A new observation of a run that was tested: what its tables say of the networks holds here, too; gates
 * are the run's own. */
static int network_checks(findings *f)
{
    const run *r = f->d->run;
    const char *path = source_path(r, "tables/checks.json");
    check_row *row = NULL;
    size_t n = 0;
    if (r->source == r->folder || !path || !file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, 64 << 20, &f->d->source_checks);
    if (!rc)
        rc = checks_rows_of(json_object_get(f->d->source_checks, "rows"), f->d->arena, &n,
                            &row);
    for (size_t i = 0; i < n && !rc && f->n < f->room; i++) {
        if (!is_of_network(&row[i]) || !has_target(r->session, row[i].target))
            continue;
        row[i].gated = false;
        row[i].missed = NULL;
        f->rows[f->n++] = row[i];
    }
    return rc;
}

int report_checks(report_data *d)
{
    size_t n = d->run->session->n_targets;
    findings f = {.d = d, .room = 4 * n * (N_CHECKS + 12) + 1};
    f.rows = arena_alloc(d->arena, f.room, sizeof *f.rows);
    if (!f.rows)
        return fail(NRE_ENOMEM, "no memory for a table");
    int rc = network_checks(&f);
    for (size_t i = 0; i < n; i++)
        target_checks(&f, i);
    predictive_check(&f);
    for (size_t i = 0; i < f.n; i++)
        f.rows[i].gated = f.rows[i].gated && !f.rows[i].beside;
    d->checks_table =
        (checks_table){.title = report_title(d), .n_rows = f.n, .rows = f.rows};
    return rc;
}

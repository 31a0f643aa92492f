/* A right ratio passes; a wrong one is noticed by the diagnostics that must (bench/power.c measures how
 * often). */
#include "gauss.h"
#include "judges.h"
#include "wrong.h"

#include <criterion/criterion.h>
#include <math.h>

enum { PAIRS = 400, AREAS = 50, MEASURES = 32, LEVELS = 3 };
static const double levels[LEVELS] = {0.68, 0.95, 0.997};
static const double SHIFT[] = {0.4, 0.4}; /* 0.9 of a posterior deviation */

/* The first of two values; deviation 0.5. */
static double first_value(uint32_t dim, const double *theta, const float *x)
{
    double away = (double)x[0] - theta[0];
    (void)dim;
    return -2 * away * away;
}

static wrong_plan plan_of(wrong_way way)
{
    return (wrong_plan){.power = way == NARROW  ? 2
                                 : way == WIDE  ? 0.4
                                 : way == LOCAL ? 4
                                                : 1,
                        .below = way == LOCAL ? -1.43 : INFINITY, /* the lowest tenth */
                        .tilt = way == UNNORMALISED ? 0.3 : 0,
                        .shift = way == SHIFTED ? SHIFT : NULL,
                        .part = way == BLIND ? first_value : NULL,
                        .prior = 1,
                        .noise = 0.25};
}

/* Two parameters, noise 0.5; the exact gains of the same pairs; one observation. */
typedef struct stage {
    gauss g;
    wrong_way way;
    double exact[PAIRS];
    float observed[2];
    coverage_result coverage;
} stage;

static pair_set *pass(stage *t)
{
    const measure *measures[MEASURES];
    pair_set *pairs = NULL;
    pairs_plan wanted = {.n = PAIRS,
                         .n_measures = listed_measures(NULL, NULL, MEASURES, measures),
                         .measures = measures};
    cr_assert_eq(pairs_of(&t->g.subject, &wanted, &pairs), 0, "%s", error_message());
    return pairs;
}

static void stage_open(stage *t, wrong_way way)
{
    *t = (stage){.g = {.dim = 2, .sigma = 0.5, .believed = 0.5}, .way = way};
    gauss_open(&t->g, GAUSS_EXACT, PAIRS, 11, 2);
    t->observed[0] = -1.7f, t->observed[1] = 0.4f; /* where LOCAL is wrong */
    t->g.subject.simulator = t->g.simulator;
    t->g.subject.n_observed = 1;
    t->g.subject.observed = t->observed;
    pair_set *right = pass(t);
    for (size_t i = 0; i < PAIRS; i++)
        t->exact[i] = right->standing[i].gain;
    wrong_plan how = plan_of(way);
    if (way == PRIOR) {
        ratio_free(t->g.ratio);
        cr_assert_eq(ratio_prior(&t->g.target, 2, &t->g.ratio), 0);
    } else if (way != RIGHT)
        cr_assert_eq(ratio_wrong(t->g.ratio, &how, &t->g.ratio), 0, "%s",
                     error_message());
    t->g.posterior.ratio = t->g.ratio;
    if (way != RIGHT)
        pairs_free(right);
    t->g.subject.pairs = way == RIGHT ? right : pass(t);
    coverage_request q = {.n_levels = LEVELS,
                          .levels = levels,
                          .regions = COVERAGE_CREDIBLE,
                          .observables = PAIRS,
                          .repeats = 1};
    cr_assert_eq(coverage_of(&t->g.subject, &q, &t->coverage), 0, "%s", error_message());
}

static void stage_close(stage *t)
{
    coverage_release(&t->coverage);
    pairs_free((pair_set *)(uintptr_t)t->g.subject.pairs);
    gauss_close(&t->g);
}

/* Nobody alarms a right ratio, and who must notices a wrong one. */
static void expect(const stage *t, const char *name, outcome o)
{
    if (t->way == RIGHT)
        cr_expect_neq(o, NOTICES, "%s alarms a right ratio", name);
    else if (must_notice("gaussian_linear", name, t->way) && o != UNKNOWN)
        cr_expect_eq(o, NOTICES, "%s does not notice '%s'", name, WAY_NAMES[t->way]);
}

static void ask_listed(const stage *t)
{
    diagnostic_options how = {.n = PAIRS, .n_levels = LEVELS, .levels = levels};
    for (size_t i = 0; i < N_DIAGNOSTICS; i++) {
        outcome o = UNKNOWN;
        if (DIAGNOSTICS[i]->slow)
            continue;
        cr_assert_eq(listed_notices(DIAGNOSTICS[i], &t->g.subject, &how, &o), 0, "%s",
                     error_message());
        expect(t, DIAGNOSTICS[i]->name, o);
    }
}

static void judge(wrong_way way)
{
    stage t;
    outcome area;
    stage_open(&t, way);
    cr_assert_eq(area_notices(&t.g.subject, AREAS, &area), 0, "%s", error_message());
    cr_assert_neq(area, UNKNOWN);
    expect(&t, "area", area);
    expect(&t, "coverage", coverage_notices(&t.coverage));
    expect(&t, "gain", gain_notices(&t.coverage));
    if (way != RIGHT)
        expect(&t, "gain beside exact", gain_notices_beside(t.g.subject.pairs, t.exact));
    ask_listed(&t);
    stage_close(&t);
}

Test(power, right)
{
    judge(RIGHT);
}

Test(power, narrow)
{
    judge(NARROW);
}

Test(power, wide)
{
    judge(WIDE);
}

Test(power, shifted)
{
    judge(SHIFTED);
}

Test(power, local)
{
    judge(LOCAL);
}

Test(power, prior)
{
    judge(PRIOR);
}

Test(power, blind)
{
    judge(BLIND);
}

Test(power, unnormalised)
{
    judge(UNNORMALISED);
}

/* What cannot be seen is not seen: a prior, and a ratio that knows half of x, are calibrated. */
Test(power, calibrated_though_wrong)
{
    static const wrong_way ways[] = {PRIOR, BLIND, UNNORMALISED};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        stage t;
        stage_open(&t, ways[i]);
        cr_assert_eq(coverage_notices(&t.coverage), SILENT, "%s", WAY_NAMES[ways[i]]);
        stage_close(&t);
    }
}

/* The integral by a fine grid: 1, but for the tilt.  Z(x) by a grid of 30 cells is good to some percent where the
 * posterior lies in the prior's tail. */
static void expect_normalised(wrong_way way, bool by_formula)
{
    static const float x[] = {0.8f, -0.3f, -1.9f, 1.2f};
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    wrong_plan how = plan_of(way);
    ratio_worker *w;
    observed *o;
    grid fine = {0};
    gauss_open(&g, GAUSS_EXACT, 1, 1, 1);
    how.noise = by_formula ? how.noise : 0;
    cr_assert_eq(ratio_wrong(g.ratio, &how, &g.ratio), 0);
    posterior p = {.ratio = g.ratio};
    cr_assert_eq(ratio_worker_new(g.ratio, &w), 0);
    cr_assert_eq(observed_new(g.ratio, &o), 0);
    cr_assert_eq(ratio_observe(g.ratio, w, 2, x, o), 0, "%s", error_message());
    for (size_t i = 0; i < 2; i++) {
        double tilt = way == UNNORMALISED ? 0.3 * (double)x[2 * i] : 0;
        cr_assert_eq(grid_of_cells(&p, w, o, i, 1, 10000, &fine), 0);
        cr_expect_float_eq(fine.log_area, tilt, by_formula ? 1e-3 : 0.05,
                           "%s: %g, not %g", WAY_NAMES[way], fine.log_area, tilt);
    }
    grid_release(&fine);
    observed_free(o);
    ratio_worker_free(w);
    gauss_close(&g);
}

Test(wrong, ratios_integrate_to_one)
{
    static const wrong_way ways[] = {NARROW, WIDE, SHIFTED, LOCAL, BLIND, UNNORMALISED};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        expect_normalised(ways[i], true);
        expect_normalised(ways[i], false);
    }
}

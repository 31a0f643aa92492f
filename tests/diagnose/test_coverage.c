/* Coverage and gain of ratios whose true values are known. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const double levels[] = {0.68, 0.95, 0.997};
enum { LEVELS = 3 };

static coverage_request request_of(uint64_t observables, uint64_t repeats,
                                   unsigned regions)
{
    return (coverage_request){.n_levels = LEVELS,
                              .levels = levels,
                              .regions = regions,
                              .observables = observables,
                              .repeats = repeats};
}

static void assert_nominal(const coverage_cell *c)
{
    double n = (double)c->n, error = sqrt(c->level * (1 - c->level) / n);

    cr_assert_eq(c->coverage, (double)c->covered / n);
    cr_assert(fabs(c->coverage - c->level) < 4.5 * error, "region %u, level %g: %g of %g",
              c->region, c->level, c->coverage, n);
    cr_assert(c->interval[0] < c->coverage && c->coverage <= c->interval[1]);
    cr_assert_eq(c->verdict, verdict_of(c->level, c->interval));
}

/* Coverage is nominal, the gain is the mutual information d / 2 log(1 + 1 / sigma^2). */
static void exact_is_nominal(uint32_t dim, uint64_t observables)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    coverage_request q =
        request_of(observables, 4, COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE);
    coverage_result c;

    gauss_open(&g, GAUSS_EXACT, 4 * observables, 1, 2);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    cr_assert_eq(c.n_cells, 2 * LEVELS);
    cr_assert_eq(c.n + c.missing, 4 * observables);
    cr_assert_eq(c.missing, 0);
    for (size_t i = 0; i < c.n_cells; i++) {
        assert_nominal(&c.cells[i]);
        cr_assert_eq(c.cells[i].region,
                     i < LEVELS ? COVERAGE_CREDIBLE : COVERAGE_CONFIDENCE);
        cr_assert_eq(c.cells[i].level, levels[i % LEVELS]);
        cr_assert(isnan(c.cells[i].sd_training));
    }
    double known = dim / 2.0 * log(1 + 1 / 0.25);
    cr_assert(fabs(c.gain - known) < 4.5 * c.gain_error, "gain %g ± %g, not %g", c.gain,
              c.gain_error, known);
    cr_assert(fabs(c.information - known) < 4.5 * c.gain_error);
    /* chi-squared of three degrees of freedom, beyond 1e-5 on either side */
    double spread = c.gain_sd_evaluation / (2 * c.gain_error);
    cr_assert(3 * spread * spread > 6e-4 && 3 * spread * spread < 26);
    double entropy = dim / 2.0 * (1 + log(2 * M_PI * 0.25 / 1.25)); /* of the posterior */
    cr_assert(fabs(c.log_posterior + entropy) < 4.5 * c.log_posterior_error);
    coverage_release(&c);
    gauss_close(&g);
}

Test(coverage, exact_ratio_of_one_parameter)
{
    exact_is_nominal(1, 1500);
}

Test(coverage, exact_ratio_of_two_parameters)
{
    exact_is_nominal(2, 750);
}

Test(coverage, exact_ratio_of_five_parameters)
{
    exact_is_nominal(5, 250);
}

static void coverage_of_wrong_noise(uint32_t dim, double believed, verdict expected)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = believed};
    coverage_request q = request_of(400, 2, COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE);
    coverage_result c;

    q.n_levels = 2; /* at 99.7% a set cannot be too large by much */
    gauss_open(&g, GAUSS_EXACT, 800, 2, 2);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    for (size_t i = 0; i < c.n_cells; i++)
        cr_assert_eq(c.cells[i].verdict, expected, "dim %u level %g: %g", dim,
                     c.cells[i].level, c.cells[i].coverage);
    /* Information lost by a wrong belief: still the mean of the normalised log posterior.
     */
    cr_assert(c.gain < dim / 2.0 * log(1 + 1 / 0.25));
    coverage_release(&c);
    gauss_close(&g);
}

Test(coverage, too_narrow_is_under)
{
    coverage_of_wrong_noise(1, 0.5 / M_SQRT2, VERDICT_UNDER);
    coverage_of_wrong_noise(2, 0.5 / M_SQRT2, VERDICT_UNDER);
    coverage_of_wrong_noise(5, 0.5 / M_SQRT2, VERDICT_UNDER);
}

Test(coverage, too_wide_is_over)
{
    coverage_of_wrong_noise(1, 0.5 * M_SQRT2, VERDICT_OVER);
    coverage_of_wrong_noise(2, 0.5 * M_SQRT2, VERDICT_OVER);
    coverage_of_wrong_noise(5, 0.5 * M_SQRT2, VERDICT_OVER);
}

/* Why the gain stands in every table: the prior covers perfectly and says nothing. */
Test(coverage, prior_covers_without_gain)
{
    for (uint32_t dim = 1; dim <= 5; dim += dim == 1 ? 1 : 3) {
        gauss g = {.dim = dim, .sigma = 0.5};
        coverage_request q = request_of(500, 2, COVERAGE_CREDIBLE);
        coverage_result c;
        gauss_open(&g, GAUSS_PRIOR, 1000, 3, 2);
        cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
        cr_assert_eq(c.n_cells, LEVELS);
        for (size_t i = 0; i < c.n_cells; i++)
            assert_nominal(&c.cells[i]);
        cr_assert_eq(c.gain, 0);
        cr_assert_eq(c.gain_error, 0);
        cr_assert_eq(c.information, 0);
        coverage_release(&c);
        gauss_close(&g);
    }
}

/* A likelihood without evidence gives the same posterior, so the same gain, but no
 * information. */
Test(coverage, gain_needs_no_normalised_ratio)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5, .no_evidence = true}, h = g;
    coverage_request q = request_of(300, 1, COVERAGE_CREDIBLE);
    coverage_result c, d;

    h.no_evidence = false;
    gauss_open(&g, GAUSS_EXACT, 300, 4, 1);
    gauss_open(&h, GAUSS_EXACT, 300, 4, 1);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0);
    cr_assert_eq(coverage_of(&h.subject, &q, &d), 0);
    cr_assert_float_eq(c.gain, d.gain, 1e-9);
    cr_assert(isnan(c.information) && isfinite(d.information));
    json_t *open = coverage_json(&c), *closed = coverage_json(&d);
    cr_assert(json_is_null(json_object_get(open, "information")));
    cr_assert(strstr(json_string_value(json_object_get(open, "reason")),
                     "up to a function of x"));
    cr_assert_null(json_object_get(closed, "reason"));
    json_decref(open);
    json_decref(closed);
    cr_assert(isnan(c.cells[0].sd_evaluation));
    coverage_release(&c);
    coverage_release(&d);
    gauss_close(&g);
    gauss_close(&h);
}

/* The blocks are consecutive rows: their spread is that of separate calls on each. */
Test(coverage, spread_is_over_consecutive_blocks)
{
    enum { BLOCKS = 4, ROWS = 100 };
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    coverage_request q = request_of(ROWS, BLOCKS, COVERAGE_CONFIDENCE);
    coverage_request one = request_of(ROWS, 1, COVERAGE_CONFIDENCE);
    coverage_result all, part;
    double share[BLOCKS], mean = 0, squares = 0;

    gauss_open(&g, GAUSS_EXACT, BLOCKS * ROWS, 5, 1);
    cr_assert_eq(coverage_of(&g.subject, &q, &all), 0);
    for (size_t b = 0; b < BLOCKS; b++) {
        loader *l = NULL;
        subject s = g.subject;
        cr_assert_eq(loader_of_arrays(ROWS, 1, 1, g.truth + b * ROWS, g.x + b * ROWS, &l),
                     0);
        s.test = l;
        cr_assert_eq(coverage_of(&s, &one, &part), 0);
        share[b] = part.cells[0].coverage;
        mean += share[b] / BLOCKS;
        coverage_release(&part);
        loader_free(l);
    }
    for (size_t b = 0; b < BLOCKS; b++)
        squares += (share[b] - mean) * (share[b] - mean);
    cr_assert_float_eq(all.cells[0].coverage, mean, 1e-12);
    cr_assert(squares > 0);
    cr_assert_float_eq(all.cells[0].sd_evaluation, sqrt(squares / (BLOCKS - 1)), 1e-12);
    coverage_release(&all);
    gauss_close(&g);
}

/* A posterior that neither grid nor cloud resolves is missing, not believed. */
static void too_coarse_is_missing(uint32_t dim)
{
    gauss g = {
        .dim = dim, .sigma = 0.5, .believed = 0.5, .rugged = true, .no_evidence = true};
    coverage_request q = request_of(5, 1, COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE);
    coverage_result c;
    area_result a;

    gauss_open(&g, GAUSS_EXACT, 5, 6, 1);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    cr_assert_eq(c.missing, 5);
    cr_assert_eq(c.n, 0);
    cr_assert(isnan(c.gain) && isnan(c.cells[0].coverage));
    json_t *j = coverage_json(&c);
    const json_t *cell = json_array_get(json_object_get(j, "cells"), 0);
    cr_assert(json_is_null(json_object_get(cell, "coverage")));
    cr_assert(json_is_null(json_object_get(cell, "verdict")));
    cr_assert(json_is_string(json_object_get(cell, "reason")));
    json_decref(j);
    cr_assert_eq(area_of(&g.subject, 5, &a), 0);
    cr_assert_eq(a.missing, 5);
    cr_assert(isnan(a.mean) && isnan(a.median));
    coverage_release(&c);
    area_release(&a);
    gauss_close(&g);
}

Test(coverage, too_coarse_is_missing)
{
    too_coarse_is_missing(1);
    too_coarse_is_missing(4);
}

Test(coverage, impossible_requests_are_refused)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    coverage_request q = request_of(50, 3, COVERAGE_CREDIBLE);
    coverage_result c;

    gauss_open(&g, GAUSS_EXACT, 149, 6, 1);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    cr_assert(strstr(error_message(), "149"));
    q.observables = UINT64_MAX / 2;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    q.observables = 10;
    q.regions = 0;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    q.regions = COVERAGE_CREDIBLE;
    q.levels = (double[]){0.5, 1.0, 0.5};
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    gauss_close(&g);
}

static void same_bits(uint32_t dim, uint64_t n)
{
    coverage_result c[2];

    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.4};
        coverage_request q = request_of(n, 2, COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE);
        gauss_open(&g, GAUSS_EXACT, 2 * n, 8, 1 + 2 * i);
        cr_assert_eq(coverage_of(&g.subject, &q, &c[i]), 0);
        gauss_close(&g);
    }
    json_t *a = coverage_json(&c[0]), *b = coverage_json(&c[1]);
    cr_assert(json_equal(a, b));
    cr_assert_eq(c[0].gain, c[1].gain);
    cr_assert_eq(c[0].gain_error, c[1].gain_error);
    json_decref(a);
    json_decref(b);
    coverage_release(&c[0]);
    coverage_release(&c[1]);
}

Test(coverage, same_bits_for_any_number_of_threads)
{
    same_bits(2, 101);
    same_bits(4, 37);
}

typedef struct counter {
    progress api;
    uint64_t most, total;
} counter;

static void count(progress *self, const char *what, uint64_t done, uint64_t total,
                  const char *unit, const char *detail)
{
    counter *c = (counter *)self;

    (void)detail;
    cr_assert_str_eq(what, "coverage");
    cr_assert_str_eq(unit, "test pairs");
    c->most = done > c->most ? done : c->most;
    c->total = total;
}

Test(coverage, progress_is_reported)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    coverage_request q = request_of(33, 1, COVERAGE_CREDIBLE);
    counter c = {.api = {count}};
    coverage_result r;

    gauss_open(&g, GAUSS_EXACT, 33, 9, 1);
    g.subject.watch = &c.api;
    cr_assert_eq(coverage_of(&g.subject, &q, &r), 0);
    cr_assert_eq(c.most, 33);
    cr_assert_eq(c.total, 33);
    coverage_release(&r);
    gauss_close(&g);
}

/* At all levels: joint by ranks, central intervals of a parameter where the shared pass has them; a right
 * ratio stays within the band, a narrow one is below it. */
static void assert_curve(double believed, bool shared, bool within)
{
    enum { N = 1000 };
    const measure *const take[] = {&measure_ranks};
    gauss g = {.dim = 1, .sigma = 0.5, .believed = believed};
    coverage_request q = request_of(N, 1, COVERAGE_CREDIBLE);
    coverage_result c;
    pair_set *pairs = NULL;
    bool inside = true;

    gauss_open(&g, GAUSS_EXACT, N, 17, 2);
    pairs_plan wanted = {.n = N, .n_measures = shared, .measures = take};
    cr_assert_eq(pairs_of(&g.subject, &wanted, &pairs), 0);
    g.subject.pairs = pairs;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    cr_assert_eq(c.curve->parameter != NULL, shared);
    for (size_t i = 0; i < ECDF_POINTS; i++) {
        double level = c.curve->joint.z[i];
        double joint = (double)c.curve->joint.count[i] / N;
        inside = inside && joint >= c.curve->low[i] && joint <= c.curve->high[i];
        if (!shared) /* its marginal is its posterior, symmetric and of one peak */
            continue;
        double central = (double)c.curve->parameter[0].count[i] / N;
        cr_assert(fabs(central - joint) <
                  4.5 * sqrt(level * (1 - level) * 0.1 / N) + 0.01);
    }
    cr_assert_eq(c.curve->joint.count[67], c.cells[0].covered); /* below 0.68 */
    cr_assert_eq(inside, within);
    json_t *j = coverage_json(&c);
    const json_t *curve = json_object_get(j, "curve");
    cr_assert_eq(json_array_size(json_object_get(curve, "joint")), ECDF_POINTS);
    cr_assert_eq(json_array_size(json_object_get(curve, "parameters")), shared);
    json_decref(j);
    coverage_release(&c);
    pairs_free(pairs);
    gauss_close(&g);
}

Test(coverage, curve)
{
    assert_curve(0.5, true, true);
    assert_curve(0.5, false, true);
    assert_curve(0.35, true, false);
}

/* Neyman sets, biased regions and coverage against parameters, of a Gaussian. */
#include "gauss.h"
#include "wrong.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double levels[] = {0.68, 0.95};
static const double bias[] = {0.1, 0.03};

/* Another set of pairs of the same problem, of which G is the test set. */
static neyman *calibrate(const gauss *g, uint64_t n, uint64_t seed)
{
    neyman *m = NULL;
    subject s = g->subject;
    loader *pairs = NULL;
    double *theta = calloc(n * g->dim, sizeof *theta);
    float *x = calloc(n * g->dim, sizeof *x);
    gauss_draw(g, n, seed, theta, x);
    cr_assert_eq(loader_of_arrays(n, g->dim, g->dim, theta, x, &pairs), 0);
    s.test = pairs;
    cr_assert_eq(neyman_of_pairs(&s, 2, levels, &m), 0, "%s", error_message());
    cr_assert_eq(neyman_pairs(m), n);
    loader_free(pairs);
    free(theta);
    free(x);
    return m;
}

static void assert_near(const coverage_cell *c, double level, double share)
{
    double error = sqrt(level * (1 - level) * (1 / (double)c->n + share));
    cr_assert(fabs(c->coverage - level) < 4.5 * error, "region %u level %g: %g ± %g",
              c->region, c->level, c->coverage, error);
}

/* Sets by a Neyman construction cover as they claim although the likelihood believes in half the
 * noise, where those of Wilks do not; a biased region covers its level and bias. */
static void assert_sets(uint32_t dim, double believed)
{
    enum { TEST = 1500, CALIBRATION = 1500 };
    gauss g = {.dim = dim, .sigma = 0.5, .believed = believed};
    gauss_open(&g, GAUSS_EXACT, TEST, 31, 2);
    coverage_request q = {.n_levels = 2,
                          .levels = levels,
                          .regions = COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE |
                                     COVERAGE_NEYMAN | COVERAGE_BIASED,
                          .observables = TEST,
                          .repeats = 1,
                          .n_bias = 2,
                          .bias = bias,
                          .neyman = calibrate(&g, CALIBRATION, 32)};
    coverage_result c;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    cr_assert_eq(c.n_cells, 8);
    for (size_t i = 0; i < 8; i++) {
        const coverage_cell *at = &c.cells[i];
        cr_assert_eq(at->region, 1u << (i / 2));
        cr_assert_eq(at->level, levels[i % 2]);
        cr_assert_eq(at->bias, i < 6 ? 0 : bias[i - 6]);
        if (at->region == COVERAGE_NEYMAN)
            assert_near(at, at->level, 1.0 / CALIBRATION);
        else if (believed == g.sigma)
            assert_near(at, at->level + at->bias, 0);
        else
            cr_assert_eq(at->verdict, VERDICT_UNDER);
    }
    neyman_free((neyman *)(uintptr_t)q.neyman);
    coverage_release(&c);
    gauss_close(&g);
}

Test(standing, neyman_and_biased_sets)
{
    assert_sets(1, 0.5);
    assert_sets(2, 0.5);
}

Test(standing, neyman_sets_of_a_wrong_ratio)
{
    assert_sets(1, 0.25);
}

/* Bins of a parameter hold equally many pairs, cover all, and their counts add up. */
Test(standing, bins_of_parameters)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    coverage_request q = {.n_levels = 2,
                          .levels = levels,
                          .regions = COVERAGE_CONFIDENCE,
                          .observables = 600,
                          .repeats = 1};
    coverage_result c;
    gauss_open(&g, GAUSS_EXACT, 600, 33, 2);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), 0, "%s", error_message());
    cr_assert_eq(c.n_bins, 6);
    cr_assert_eq(c.dim, 2);
    cr_assert_str_eq(c.parameter[1], "b");
    for (size_t i = 0; i < c.n_cells; i++)
        for (uint32_t k = 0; k < 2; k++) {
            uint64_t n = 0, covered = 0;
            for (size_t b = 0; b < 6; b++) {
                const coverage_bin *at = &c.cells[i].bin[k * 6 + b];
                double l = c.cells[i].level, share = (double)at->covered / (double)at->n;
                cr_assert_eq(at->n, 100);
                cr_assert(fabs(share - l) < 4.5 * sqrt(l * (1 - l) / 100));
                n += at->n;
                covered += at->covered;
                cr_assert(c.edge[k * 7 + b] < c.edge[k * 7 + b + 1]);
            }
            cr_assert_eq(n, c.cells[i].n);
            cr_assert_eq(covered, c.cells[i].covered);
        }
    json_t *j = coverage_json(&c);
    const json_t *cell = json_array_get(json_object_get(j, "cells"), 0);
    const json_t *by = json_array_get(json_object_get(cell, "by_parameter"), 1);
    cr_assert_str_eq(json_string_value(json_object_get(by, "parameter")), "b");
    cr_assert_eq(json_array_size(json_object_get(by, "coverage")), 6);
    cr_assert_eq(json_array_size(json_object_get(json_object_get(j, "bins"), "a")), 7);
    json_decref(j);
    coverage_release(&c);
    gauss_close(&g);
}

Test(standing, nonsense_is_refused)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    coverage_request q = {.n_levels = 2,
                          .levels = levels,
                          .regions = COVERAGE_NEYMAN,
                          .observables = 10,
                          .repeats = 1};
    coverage_result c;
    neyman *m = NULL;
    gauss_open(&g, GAUSS_EXACT, 100, 34, 1);
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    cr_assert(strstr(error_message(), "critical values"));
    q.regions = COVERAGE_BIASED;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    const double wrong[] = {0.1, 0.05};
    q.bias = wrong;
    q.n_bias = 2;
    cr_assert_eq(coverage_of(&g.subject, &q, &c), NRE_EINVAL);
    cr_assert(strstr(error_message(), "below 1"), "%s", error_message());
    cr_assert_eq(neyman_of_pairs(&g.subject, 2, levels, &m), NRE_ECONFIG);
    cr_assert_null(m);
    gauss_close(&g);
}

/* Posteriors that a few hundred draws of the prior miss: x = theta + noise uniform within CUT. */
#define CUT 0.45

static double within(uint32_t dim, const double *theta, const float *x)
{
    for (uint32_t k = 0; k < dim; k++)
        if (!(fabs(theta[k] - (double)x[k]) < CUT))
            return -INFINITY;
    return 0;
}

static double within_or_nan(uint32_t dim, const double *theta, const float *x)
{
    return theta[0] > 2.5 ? NAN : within(dim, theta, x);
}

static double nowhere(uint32_t dim, const double *theta, const float *x)
{
    (void)dim;
    (void)theta;
    (void)x;
    return -INFINITY;
}

static void open_cut(gauss *g, uint64_t n,
                     double (*part)(uint32_t dim, const double *theta, const float *x))
{
    wrong_plan how = {.power = 1, .below = INFINITY, .part = part};
    rng r;
    gauss_open(g, GAUSS_EXACT, n, 35, 2);
    rng_start(&r, rng_purpose(35, "cut"), 0, 0);
    for (uint64_t i = 0; i < n * g->dim; i++)
        g->x[i] = (float)(g->truth[i] + CUT * (2 * rng_uniform(&r) - 1));
    loader_free(g->test);
    cr_assert_eq(loader_of_arrays(n, g->dim, g->dim, g->truth, g->x, &g->test), 0);
    g->subject.test = g->test;
    cr_assert_eq(ratio_wrong(g->ratio, &how, &g->ratio), 0);
    g->posterior.ratio = g->ratio;
}

/* Zero at the first draws of the prior: more are drawn, as where few have weight.  Ranks are uniform. */
Test(standing, posteriors_that_few_draws_miss)
{
    enum { N = 120 };
    static pair_standing pair[N];
    gauss g = {.dim = 4, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
    standing_request q = {
        .n = N, .ranks = true, .purpose = "coverage", .rows = "test pairs"};
    double sum = 0, known = 0;
    open_cut(&g, N, within);
    cr_assert_eq(pair_standings(&g.subject, &q, pair, NULL), 0, "%s", error_message());
    for (size_t i = 0; i < N; i++) {
        cr_assert(!pair[i].lost || pair[i].missing);
        known += !pair[i].missing;
        sum += pair[i].missing ? 0 : pair[i].at.rank;
    }
    cr_assert(known > 0.9 * N, "%g of %d are known", known, N);
    cr_assert(fabs(sum / known - 0.5) < 4.5 / sqrt(12 * known), "%g", sum / known);
    gauss_close(&g);
}

/* A posterior that no draw finds is missing; one without a number is a failure that names its row. */
Test(standing, nowhere_is_missing_and_nan_is_not)
{
    static pair_standing pair[4];
    for (uint32_t dim = 2; dim <= 4; dim += 2) { /* on a grid, from draws */
        gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
        standing_request q = {.n = 4,
                              .ranks = true,
                              .deviances = true,
                              .purpose = "coverage",
                              .rows = "test pairs"};
        open_cut(&g, 4, nowhere);
        cr_assert_eq(pair_standings(&g.subject, &q, pair, NULL), 0, "%s",
                     error_message());
        for (size_t i = 0; i < 4; i++)
            cr_assert(pair[i].missing && pair[i].lost);
        gauss_close(&g);
    }
    gauss g = {.dim = 4, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
    standing_request q = {
        .n = 4, .ranks = true, .purpose = "coverage", .rows = "test pairs"};
    open_cut(&g, 4, within_or_nan);
    cr_assert_eq(pair_standings(&g.subject, &q, pair, NULL), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "test pairs row"), "%s", error_message());
    gauss_close(&g);
}

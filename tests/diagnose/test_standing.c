/* Neyman sets, biased regions and coverage against parameters, of a Gaussian. */
#include "gauss.h"

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

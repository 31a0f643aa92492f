/* The area under exact, wrong and flat ratios. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* On a grid the error is of quadrature, small but not random, so its mean may be off by
 * BIAS; of a cloud it is random and has no bias. */
static void exact_area_is_one(uint32_t dim, uint64_t n, double deviation, double bias)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    area_result a;

    gauss_open(&g, GAUSS_EXACT, n, 11, 2);
    cr_assert_eq(area_of(&g.subject, n, &a), 0, "%s", error_message());
    cr_assert_eq(a.n, n);
    cr_assert_eq(a.missing, 0);
    cr_assert(a.deviation < deviation, "dim %u: deviation %g", dim, a.deviation);
    cr_assert(fabs(a.mean - 1) < bias + 4.5 * a.deviation / sqrt((double)n),
              "dim %u: mean %g", dim, a.mean);
    cr_assert_float_eq(a.median, 1, bias + deviation / 2);
    for (uint64_t i = 1; i < a.n; i++)
        cr_assert(a.area[i - 1] <= a.area[i]);
    cr_assert(a.central99[0] <= a.median && a.median <= a.central99[1]);
    area_release(&a);
    gauss_close(&g);
}

Test(area, of_an_exact_ratio)
{
    exact_area_is_one(1, 300, 0.005, 0);
    exact_area_is_one(2, 200, 0.05, 0.01);
    exact_area_is_one(5, 200, 0.05, 0);
}

Test(area, observation_is_ranked)
{
    gauss g = {.dim = 1, .sigma = 0.5};
    area_result test;
    observed *o = NULL;
    ratio_worker *w = NULL;
    double area, rank;

    gauss_open(&g, GAUSS_PRIOR, 100, 12, 1);
    cr_assert_eq(area_of(&g.subject, 1000, &test), 0);
    cr_assert_eq(test.n, 100); /* no more than there are */
    cr_assert_eq(test.mean, 1);
    cr_assert_eq(test.deviation, 0);
    cr_assert_eq(ratio_worker_new(g.ratio, &w), 0);
    cr_assert_eq(observed_new(g.ratio, &o), 0);
    cr_assert_eq(ratio_observe(g.ratio, w, 1, g.x, o), 0);
    cr_assert_eq(area_of_observation(&g.subject, &test, o, 0, &area, &rank), 0);
    cr_assert_eq(area, 1);
    cr_assert_eq(rank, 0.5); /* the same as all others: in the middle of them */
    for (size_t i = 0; i < test.n; i++)
        test.area[i] = 0.9 + 0.002 * (double)i; /* 0.9 to 1.098 */
    cr_assert_eq(area_of_observation(&g.subject, &test, o, 0, &area, &rank), 0);
    cr_assert_float_eq(rank, 0.50, 0.011);
    for (size_t i = 0; i < test.n; i++)
        test.area[i] = 0.5;
    cr_assert_eq(area_of_observation(&g.subject, &test, o, 0, &area, &rank), 0);
    cr_assert_eq(rank, 1);
    observed_free(o);
    ratio_worker_free(w);
    area_release(&test);
    gauss_close(&g);
}

/* Without its evidence the area of a likelihood is the evidence itself. */
Test(area, of_a_likelihood_is_its_evidence)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
    area_result a;

    gauss_open(&g, GAUSS_EXACT, 1, 13, 1);
    cr_assert_eq(area_of(&g.subject, 1, &a), 0);
    double x = (double)g.x[0], known = exp(-0.5 * x * x / 1.25) / sqrt(2 * M_PI * 1.25);
    cr_assert_float_eq(a.area[0] / known, 1, 0.01);
    cr_assert(isnan(a.deviation));
    area_release(&a);
    gauss_close(&g);
}

Test(area, quantiles_and_json)
{
    gauss g = {.dim = 5, .sigma = 0.3, .believed = 0.3};
    area_result a;

    gauss_open(&g, GAUSS_EXACT, 101, 14, 1);
    cr_assert_eq(area_of(&g.subject, 101, &a), 0);
    cr_assert_eq(a.median, a.area[50]);
    cr_assert_float_eq(a.central99[0], 0.5 * (a.area[0] + a.area[1]), 1e-12);
    cr_assert_float_eq(a.central99[1], 0.5 * (a.area[99] + a.area[100]), 1e-12);
    json_t *j = area_json(&a);
    cr_assert_eq(json_integer_value(json_object_get(j, "n")), 101);
    cr_assert_eq(json_real_value(json_object_get(j, "mean")), a.mean);
    cr_assert_eq(json_array_size(json_object_get(j, "areas")), 101);
    json_decref(j);
    area_release(&a);
    gauss_close(&g);
}

Test(area, same_bits_for_any_number_of_threads)
{
    for (uint32_t dim = 2; dim <= 4; dim += 2) {
        area_result a[2];
        for (unsigned i = 0; i < 2; i++) {
            gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
            gauss_open(&g, GAUSS_EXACT, 70, 15, 1 + 2 * i);
            cr_assert_eq(area_of(&g.subject, 70, &a[i]), 0);
            gauss_close(&g);
        }
        cr_assert_eq(a[0].n, a[1].n);
        cr_assert_eq(memcmp(a[0].area, a[1].area, a[0].n * sizeof *a[0].area), 0);
        area_release(&a[0]);
        area_release(&a[1]);
    }
}

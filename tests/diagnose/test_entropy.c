/* Coverage by how much a posterior learns. */
#include "rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static json_t *row_for(uint32_t dim, double believed, uint64_t n, const wrong_plan *how)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = believed};
    gauss_open(&g, GAUSS_EXACT, n, 81, 2);
    if (how)
        make_wrong(&g, how);
    json_t *row = row_of(&g, &entropy_diagnostic);
    gauss_close(&g);
    return row;
}

static const json_t *group(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "groups"), i);
}

static void assert_right(uint32_t dim, uint64_t n)
{
    json_t *row = row_for(dim, 0.5, n, NULL);
    double all = 0, before = -INFINITY;
    assert_says(row, "ok", "cover as they say");
    cr_assert_eq(json_array_size(json_object_get(row, "groups")), 5);
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(json_array_size(json_object_get(group(row, i), "cells")), 3);
        cr_assert_geq(number_of(group(row, i), "low"), before);
        before = number_of(group(row, i), "high");
        all += number_of(group(row, i), "n");
    }
    cr_assert_eq(all, (double)n);
    json_decref(row);
}

Test(entropy, a_right_ratio)
{
    assert_right(1, 3000);
    assert_right(2, 400);
    assert_right(5, 150);
}

/* KL of N(m, v) from N(0, 1) is (v + m^2 - 1 - log v) / 2 in each dimension, m = x / (1 + s^2),
 * v = s^2 / (1 + s^2). */
static void assert_divergence(uint32_t dim, double tolerance)
{
    enum { N = 60 };
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    pair_set *pairs = NULL;
    const measure *const take[] = {&measure_divergence};
    gauss_open(&g, GAUSS_EXACT, N, 82, 2);
    cr_assert_eq(pairs_of(&g.subject,
                          &(pairs_plan){.n = N, .n_measures = 1, .measures = take},
                          &pairs),
                 0);
    const double *value = pairs_value(pairs, &measure_divergence);
    double bias = 0;
    for (size_t i = 0; i < N; i++) {
        double exact = 0, v = 0.2;
        for (size_t k = 0; k < dim; k++) {
            double m = (double)g.x[i * dim + k] / 1.25;
            exact += 0.5 * (v + m * m - 1 - log(v));
        }
        bias += (value[2 * i] - exact) / N;
        cr_assert(fabs(value[2 * i] - exact) < tolerance * (dim > 3 ? 8 : 1), "%g %g",
                  value[2 * i], exact);
        cr_assert(value[2 * i + 1] >= 0 && value[2 * i + 1] <= 1);
    }
    cr_assert(fabs(bias) < tolerance, "%g", bias);
    pairs_free(pairs);
    gauss_close(&g);
}

/* Uniform over half of the prior; some mass lies in cells whose points are beyond the edges. */
Test(entropy, divergence_beside_hard_edges)
{
    double axis[] = {0.125, 0.375, 0.625, 0.875}, edge[] = {0, 0.25, 0.5, 0.75, 1};
    double log_ratio[] = {-INFINITY, log(2), log(2), -INFINITY};
    double weight[] = {0.02, 0.48, 0.48, 0.02}, theta = 0.4, out[2];
    grid g = {.dim = 1,
              .m = 4,
              .n = 4,
              .axis = axis,
              .edge = edge,
              .log_ratio = log_ratio,
              .weight = weight,
              .log_density = log_ratio,
              .beyond = 0.04};
    rng r;
    rng_start(&r, rng_purpose(1, "edges"), 0, 0);
    pair_view v = {.grid = &g, .theta = &theta, .log_density = log(2), .rng = &r};
    cr_assert_eq(measure_divergence.take(&v, out), NRE_OK);
    cr_assert_float_eq(out[0], log(2), 1e-12);
    cr_assert(out[1] >= 0 && out[1] < 1);
}

Test(entropy, divergence_from_the_prior)
{
    assert_divergence(1, 0.005);
    assert_divergence(2, 0.05);
    assert_divergence(5, 0.1);
}

Test(entropy, too_narrow_and_too_wide)
{
    json_t *row = row_for(1, 0.3, 2000, NULL);
    assert_says(row, "fails", "they are too narrow");
    json_decref(row);
    /* drawn to the prior as well, so that the ends have too few: that is told first */
    row = row_for(1, 0.9, 2000, NULL);
    assert_says(row, "fails", "they are too narrow");
    json_decref(row);
    row = row_for(1, 0.62, 2000, NULL);
    assert_says(row, "cautious", "they are too wide");
    json_decref(row);
}

/* Far out x learns most; wrong there alone, it fails there alone. */
Test(entropy, wrong_where_most_is_learnt)
{
    json_t *row = row_for(1, 0.5, 3000, &(wrong_plan){.power = 4, .below = -1.2});
    assert_says(row, "fails", "that learn most");
    assert_says(row, "fails", "they are too narrow");
    for (size_t i = 0; i < 3; i++)
        cr_assert_str_eq(
            word_of(json_array_get(json_object_get(group(row, 0), "cells"), i),
                    "verdict"),
            "ok");
    json_decref(row);
}

Test(entropy, open_without_pairs)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 4, 83, 1);
    json_t *row = row_of(&g, &entropy_diagnostic);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    json_decref(row);
    gauss_close(&g);
}

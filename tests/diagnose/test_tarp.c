/* Distances of the truth from points that follow x. */
#include "rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static json_t *row_for(uint32_t dim, double believed, uint64_t n, const wrong_plan *how)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = believed};
    gauss_open(&g, GAUSS_EXACT, n, 71, 2);
    if (how)
        make_wrong(&g, how);
    json_t *row = row_of(&g, &tarp_diagnostic);
    gauss_close(&g);
    return row;
}

static void assert_right(uint32_t dim, uint64_t n)
{
    json_t *row = row_for(dim, 0.5, n, NULL);
    assert_says(row, "ok", "as far from points that follow x");
    /* A fifth of the pairs at most is kept aside. */
    cr_assert_eq(number_of(row, "n"), (double)(n - (n / 5 < 1000 ? n / 5 : 1000)));
    cr_assert(fabs(number_of(row, "value") - 0.5) < 4.5 * number_of(row, "error"));
    const json_t *curve = json_object_get(row, "curve");
    const char *keys[] = {"level", "coverage", "low", "high"};
    for (size_t i = 0; i < 4; i++) {
        const json_t *list = json_object_get(curve, keys[i]);
        cr_assert_eq(json_array_size(list), ECDF_POINTS);
        cr_assert_eq(json_number_value(json_array_get(list, ECDF_POINTS - 1)), 1);
    }
    json_decref(row);
}

Test(tarp, a_right_ratio)
{
    assert_right(1, 6000);
    assert_right(3, 60);
    assert_right(5, 200);
}

Test(tarp, too_narrow_and_too_wide)
{
    json_t *row = row_for(2, 0.25, 700, NULL);
    assert_says(row, "fails", "too narrow");
    json_decref(row);
    row = row_for(2, 1, 700, NULL);
    assert_says(row, "fails", "too wide");
    json_decref(row);
    row = row_for(4, 0.25, 300, NULL);
    assert_says(row, "fails", "too narrow");
    json_decref(row);
}

Test(tarp, shifted)
{
    const double up[] = {0.5};
    json_t *row =
        row_for(1, 0.5, 1000, &(wrong_plan){.power = 1, .below = INFINITY, .shift = up});
    assert_says(row, "fails", "lie beside the truth");
    json_decref(row);
}

/* What no rank of theta can see. */
Test(tarp, sees_the_prior)
{
    for (uint32_t dim = 1; dim <= 5; dim += 2) {
        gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
        gauss_open(&g, GAUSS_PRIOR, 400, 72, 2);
        json_t *row = row_of(&g, &tarp_diagnostic);
        assert_says(row, "fails", "miss part of what x tells");
        cr_assert_lt(number_of(row, "value"), 0.5);
        json_decref(row);
        gauss_close(&g);
    }
}

static double first_alone(uint32_t dim, const double *theta, const float *x)
{
    double away = ((double)x[0] - theta[0]) / 0.5;
    (void)dim;
    return -0.5 * away * away;
}

/* The posterior of one part of x is a right posterior, but of less. */
Test(tarp, sees_half_of_x_missing)
{
    wrong_plan half = {.power = 1, .below = INFINITY, .part = first_alone};
    json_t *row = row_for(2, 0.5, 500, &half);
    assert_says(row, "fails", "miss part of what x tells");
    json_decref(row);
}

/* Columns of x that do not vary, and a test set too small to keep anything aside. */
Test(tarp, open_without_points)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 4, 73, 1);
    json_t *row = row_of(&g, &tarp_diagnostic);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    json_decref(row);
    gauss_close(&g);
}

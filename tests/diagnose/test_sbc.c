/* Ranks of the truth: uniform for a right ratio, and what they say of a wrong one. */
#include "rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static json_t *row_for(uint32_t dim, double believed, uint64_t n, const wrong_plan *how)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = believed};
    gauss_open(&g, GAUSS_EXACT, n, 61, 2);
    if (how)
        make_wrong(&g, how);
    json_t *row = row_of(&g, &sbc_diagnostic);
    gauss_close(&g);
    return row;
}

static const json_t *quantity(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "quantities"), i);
}

static void assert_right(uint32_t dim, uint64_t n)
{
    json_t *row = row_for(dim, 0.5, n, NULL);
    assert_says(row, "ok", "are uniform");
    cr_assert_eq(json_array_size(json_object_get(row, "quantities")), dim + 1);
    cr_assert_eq(number_of(row, "n"), (double)n);
    cr_assert_eq(number_of(row, "missing"), 0);
    for (size_t k = 0; k < dim; k++) {
        double n_known = (double)n;
        cr_assert(fabs(number_of(quantity(row, k), "offset")) <
                  4.5 * 1.2533 / sqrt(n_known));
        cr_assert(fabs(number_of(quantity(row, k), "widths") - 1) <
                  4.5 * 1.17 / sqrt(n_known));
    }
    cr_assert_str_eq(word_of(quantity(row, dim), "name"), "log_ratio");
    json_decref(row);
}

/* On grids, coarse ones of three parameters too, and on clouds. */
Test(sbc, a_right_ratio)
{
    assert_right(1, 4000);
    assert_right(2, 300);
    assert_right(3, 60);
    assert_right(5, 200);
}

/* The number is that of the quantity in the sentence, and a shape is named where it counts. */
static void assert_about(const json_t *row, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        const json_t *q = quantity(row, i);
        double p = fmin(1, (double)n * number_of(q, "p_value"));
        cr_assert_eq(json_is_null(json_object_get(q, "shape")), p >= FINDING_LEVEL);
        if (strcmp(word_of(q, "name"), word_of(row, "about")) != 0)
            continue;
        cr_assert_float_eq(number_of(row, "p_value"), p, 1e-15);
        found = true;
    }
    cr_assert(found);
    if (strcmp(word_of(row, "about"), "log_ratio") != 0)
        cr_assert(strstr(word_of(row, "says"), word_of(row, "about")));
}

/* A likelihood that believes in noise B instead of S has a posterior from whose mean the truth scatters
 * by sqrt((b^4 + s^2) / (b^2 (1 + b^2))) of its deviations. */
static void assert_width(uint32_t dim, double b, uint64_t n, const char *says)
{
    json_t *row = row_for(dim, b, n, NULL);
    if (dim == 5 && b < 0.5) /* the sentence is not of log r, which fails most */
        assert_says(row, "fails", "times as far as they say. Those of");
    double expected = sqrt((pow(b, 4) + 0.25) / (b * b * (1 + b * b)));
    assert_says(row, b > 0.5 ? "cautious" : "fails", says);
    for (size_t k = 0; k < dim; k++)
        cr_assert(fabs(number_of(quantity(row, k), "widths") - expected) <
                  4.5 * 1.17 * expected / sqrt((double)n));
    cr_assert_lt(number_of(row, "p_value"), FINDING_LEVEL);
    cr_assert_eq(number_of(row, "value"), number_of(row, "p_value"));
    assert_about(row, dim + 1);
    json_decref(row);
}

Test(sbc, too_narrow_and_too_wide)
{
    assert_width(1, 0.35, 2000, "too narrow");
    assert_width(1, 0.75, 2000, "too wide");
    assert_width(5, 0.25, 250, "too narrow");
    assert_width(5, 1, 250, "too wide");
}

Test(sbc, shifted)
{
    const double up[] = {0.25, 0}, down[] = {0, -0.25};
    json_t *row =
        row_for(2, 0.5, 400, &(wrong_plan){.power = 1, .below = INFINITY, .shift = up});
    /* r at theta + 0.2: what lies at theta was meant for above */
    assert_says(row, "fails", "Ranks of a");
    assert_says(row, "fails", "too low");
    cr_assert_str_eq(word_of(quantity(row, 0), "shape"), "too low");
    cr_assert(json_is_null(json_object_get(quantity(row, 1), "shape")));
    json_decref(row);
    row =
        row_for(2, 0.5, 400, &(wrong_plan){.power = 1, .below = INFINITY, .shift = down});
    assert_says(row, "fails", "Ranks of b");
    assert_says(row, "fails", "too high");
    json_decref(row);
}

/* Narrow in the lower half of x alone. */
Test(sbc, wrong_in_a_region)
{
    json_t *row = row_for(1, 0.5, 2000, &(wrong_plan){.power = 4, .below = 0});
    assert_says(row, "fails", "too narrow");
    json_decref(row);
}

/* Log r of a posterior with the right marginals, N(x / 1.25, 0.2), that has its parameters correlated,
 * as they are not: the prior is taken out. */
static double correlated(uint32_t dim, const double *theta, const float *x)
{
    const double v = 0.2, c = 0.16, det = v * v - c * c;
    double u = theta[0] - (double)x[0] / 1.25, w = theta[1] - (double)x[1] / 1.25;
    (void)dim;
    return -0.5 * (v * u * u - 2 * c * u * w + v * w * w) / det +
           0.5 * (theta[0] * theta[0] + theta[1] * theta[1]);
}

Test(sbc, right_marginals_of_a_wrong_posterior)
{
    wrong_plan how = {.power = 1, .below = INFINITY, .part = correlated};
    json_t *row = row_for(2, 0.5, 150, &how);
    assert_says(row, "fails", "Ranks of log r");
    assert_says(row, "fails", "it is too low");
    json_decref(row);
}

/* Ranks of the prior are uniform: they cannot tell that it learns nothing, the gain does. */
Test(sbc, blind_to_the_prior)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    pair_set *pairs = NULL;
    double gain = 0;
    gauss_open(&g, GAUSS_PRIOR, 500, 62, 2);
    json_t *row = row_of(&g, &sbc_diagnostic);
    assert_says(row, "ok", "are uniform");
    cr_assert_eq(pairs_of(&g.subject, &(pairs_plan){.n = 500}, &pairs), 0);
    for (size_t i = 0; i < 500; i++)
        gain += fabs(pairs->standing[i].gain);
    cr_assert_float_eq(gain, 0, 1e-9);
    pairs_free(pairs);
    json_decref(row);
    gauss_close(&g);
}

/* The band holds the differences of a right ratio, those of a wrong one leave it. */
Test(sbc, bands_agree_with_the_verdict)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        json_t *row = row_for(1, wrong ? 0.3 : 0.5, 1000, NULL);
        bool outside = false;
        for (size_t k = 0; k < 2; k++) {
            const json_t *q = quantity(row, k);
            for (size_t i = 0; i < ECDF_POINTS; i++) {
                double at[3];
                const char *keys[] = {"low", "difference", "high"};
                for (size_t j = 0; j < 3; j++)
                    at[j] =
                        json_number_value(json_array_get(json_object_get(q, keys[j]), i));
                outside = outside || at[1] < at[0] || at[1] > at[2];
            }
        }
        cr_assert_eq(outside, wrong == 1);
        json_decref(row);
    }
}

Test(sbc, open_where_no_posterior_is_known)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .rugged = true};
    gauss_open(&g, GAUSS_EXACT, 3, 63, 1);
    json_t *row = row_of(&g, &sbc_diagnostic);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    cr_assert(strstr(word_of(row, "reason"), "effective"));
    json_decref(row);
    gauss_close(&g);
}

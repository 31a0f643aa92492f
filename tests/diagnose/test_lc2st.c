/* Local classifier two-sample test: of right posteriors, of wrong ones, and of ones wrong somewhere. */
#include "../sanitized.h"
#include "rows.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

static const float NOT_FAR[2] = {0.5F, -0.3F};

/* Of all pairs of G, at N rows X. */
static json_t *judge(gauss *g, size_t n, const float *x, uint64_t repeats, uint64_t seed)
{
    pair_set *p = NULL;
    json_t *row = NULL;
    pairs_plan wanted = {.n = g->n,
                         .n_measures = lc2st_diagnostic.n_measures,
                         .measures = lc2st_diagnostic.measures};
    diagnostic_options o = {.n = 0, .repeats = repeats};
    g->subject.seed = seed;
    g->subject.simulator = g->simulator;
    g->subject.n_observed = n;
    g->subject.observed = x;
    cr_assert_null(lc2st_diagnostic.declines(&g->subject));
    cr_assert_eq(pairs_of(&g->subject, &wanted, &p), 0, "%s", error_message());
    g->subject.pairs = p;
    cr_assert_eq(lc2st_diagnostic.perform(&g->subject, &o, &row), 0, "%s",
                 error_message());
    g->subject.pairs = NULL;
    pairs_free(p);
    return row;
}

static json_t *observed_of(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "observed"), i);
}

static double width_of(const json_t *row, size_t i)
{
    json_t *list = json_object_get(observed_of(row, i), "parameters");
    return number_of(json_array_get(list, 0), "width");
}

static double shift_of(const json_t *row, size_t i)
{
    json_t *list = json_object_get(observed_of(row, i), "parameters");
    return number_of(json_array_get(list, 0), "shift");
}

Test(lc2st, right_posterior)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 1500, 5, 2);
    json_t *row = judge(&g, 1, NOT_FAR, 100, 1);
    assert_says(row, "ok", "no better than by chance");
    cr_assert(json_is_false(json_object_get(observed_of(row, 0), "outside")));
    cr_assert_eq(json_array_size(json_object_get(row, "null")), 100);
    cr_assert(fabs(shift_of(row, 0)) < 0.2 && fabs(width_of(row, 0) - 1) < 0.2);
    json_decref(row);
    gauss_close(&g);
}

/* An x beyond all that classifiers learn from: they have nothing to say there. */
Test(lc2st, outside_of_all_pairs)
{
    static const float x[4] = {0.5F, -0.3F, 4, -4};
    for (size_t n = 1; n <= 2; n++) { /* of two one is outside, named by its number */
        gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
        gauss_open(&g, GAUSS_EXACT, 300, 5, 2);
        json_t *row = judge(&g, n, n == 1 ? x + 2 : x, 100, 1);
        cr_assert_str_eq(word_of(row, "verdict"), "open", "%s", word_of(row, "says"));
        cr_assert(strstr(word_of(row, "reason"),
                         n == 1 ? "the observation lies farther" : "observation 1 lies"),
                  "%s", word_of(row, "reason"));
        cr_assert(json_is_true(json_object_get(observed_of(row, n - 1), "outside")));
        if (n == 2)
            cr_assert(json_is_false(json_object_get(observed_of(row, 0), "outside")));
        json_decref(row);
        gauss_close(&g);
    }
}

Test(lc2st, too_narrow_and_too_wide)
{
    static const double believed[] = {0.35, 0.7};
    for (size_t i = 0; i < 2; i++) {
        gauss g = {.dim = 1, .sigma = 0.5, .believed = believed[i]};
        gauss_open(&g, GAUSS_EXACT, 1500, 5, 2);
        json_t *row = judge(&g, 1, NOT_FAR, 100, 1);
        cr_assert_str_eq(word_of(row, "verdict"), "fails");
        cr_assert(strstr(word_of(row, "advice"), i ? "wide" : "narrow"), "%s",
                  word_of(row, "advice"));
        cr_assert(i ? width_of(row, 0) < 0.95 : width_of(row, 0) > 1.05);
        json_decref(row);
        gauss_close(&g);
    }
}

/* theta is taken for less than it is: the truth lies higher. */
Test(lc2st, shifted, .disabled = SANITIZED)
{
    const double shift = 0.25;
    wrong_plan how = {.power = 1, .below = INFINITY, .shift = &shift};
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 1500, 5, 2);
    make_wrong(&g, &how);
    json_t *row = judge(&g, 1, NOT_FAR, 100, 1);
    cr_assert_str_eq(word_of(row, "verdict"), "fails");
    cr_assert(strstr(word_of(row, "advice"), "too low"), "%s", word_of(row, "advice"));
    cr_assert(shift_of(row, 0) > 0.2);
    json_decref(row);
    gauss_close(&g);
}

/* Wrong where x < 0 alone: it is local. */
Test(lc2st, wrong_in_one_region)
{
    static const float x[2] = {-1.2F, 1.2F};
    wrong_plan how = {.power = 0.3, .below = 0};
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 2000, 5, 2);
    make_wrong(&g, &how);
    json_t *row = judge(&g, 2, x, 100, 1);
    cr_assert_str_eq(word_of(row, "verdict"), "fails");
    cr_assert(number_of(observed_of(row, 0), "p_value") < 0.01);
    cr_assert(strstr(word_of(row, "advice"), "observation 0"), "%s",
              word_of(row, "advice"));
    cr_assert(width_of(row, 0) < 0.85 && fabs(width_of(row, 1) - 1) < 0.1);
    json_decref(row);
    gauss_close(&g);
}

/* Its p-values are uniform on 1 / 10 .. 10 / 10, of one observation and of three together. */
Test(lc2st, false_alarms, .disabled = SANITIZED)
{
    enum { REPEATS = 40, NULLS = 9, LEVELS = NULLS + 1 };
    static const float x[3] = {0, 1, -1.5F};
    double sum = 0, error = sqrt((LEVELS * LEVELS - 1) / 12.0) / LEVELS;
    unsigned low = 0;
    for (uint64_t i = 0; i < REPEATS; i++) {
        gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
        gauss_open(&g, GAUSS_EXACT, 150, 100 + i, 2);
        json_t *row = judge(&g, i % 2 ? 3 : 1, x, NULLS, i);
        sum += number_of(row, "p_value");
        low += number_of(row, "p_value") < 1.5 / LEVELS;
        cr_assert_str_eq(word_of(row, "verdict"), "open");
        cr_assert(strstr(word_of(row, "reason"), "repeats"));
        json_decref(row);
        gauss_close(&g);
    }
    double z = (sum / REPEATS - (LEVELS + 1) / (2.0 * LEVELS)) / (error / sqrt(REPEATS));
    cr_log_info("z of the mean p-value %.2f, %u at the smallest", z, low);
    cr_assert(fabs(z) < 4.5, "%g", z);
    cr_assert(gsl_cdf_binomial_Q(low, 1.0 / LEVELS, REPEATS) > 3.4e-6, "%u", low);
}

Test(lc2st, threads)
{
    json_t *row[2];
    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.4};
        gauss_open(&g, GAUSS_EXACT, 200, 5, 1 + 2 * i);
        row[i] = judge(&g, 1, NOT_FAR, 5, 1);
        gauss_close(&g);
    }
    cr_assert(json_equal(row[0], row[1]));
    json_decref(row[0]);
    json_decref(row[1]);
}

Test(lc2st, declines)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 10, 5, 1);
    cr_assert(strstr(lc2st_diagnostic.declines(&g.subject), "no observation"));
    g.subject.n_observed = 2;
    g.subject.observed = NOT_FAR;
    cr_assert_null(lc2st_diagnostic.declines(&g.subject));
    g.subject.joint = true;
    cr_assert(strstr(lc2st_diagnostic.declines(&g.subject), "one observation together"));
    g.subject.joint = false;
    json_t *row = judge(&g, 1, NOT_FAR, 5, 1);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    cr_assert(strstr(word_of(row, "reason"), "100 test pairs"));
    json_decref(row);
    gauss_close(&g);
}

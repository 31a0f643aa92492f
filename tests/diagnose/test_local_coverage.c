/* Coverage for truths that the observation allows. */
#include "gauss.h"
#include "wrong.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void open_gauss(gauss *g, const float *x, uint64_t seed, unsigned threads)
{
    gauss_open(g, GAUSS_EXACT, 1, 61, threads);
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    g->subject.simulator = g->simulator;
    g->subject.on_invalid = 2;
    g->subject.seed = seed;
    g->subject.n_observed = 1;
    g->subject.observed = x;
}

static json_t *judged(gauss *g, uint64_t pairs)
{
    diagnostic_options how = {.n = pairs};
    json_t *out = NULL;

    cr_assert_null(local_coverage_diagnostic.declines(&g->subject));
    cr_assert_eq(local_coverage_diagnostic.perform(&g->subject, &how, &out), 0, "%s",
                 error_message());
    return out;
}

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static double number_of(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void assert_nominal(const json_t *row)
{
    const json_t *cells = json_object_get(row, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *c = json_array_get(cells, i);
        double level = number_of(c, "level"), n = number_of(c, "n"),
               off = number_of(c, "coverage") - level;
        cr_assert(fabs(off) < 4.5 * sqrt(level * (1 - level) / n), "level %g: %g", level,
                  off);
    }
}

/* Exactly nominal for a right ratio, whose region keeps 0.1% of the posterior out, in few and in many
 * parameters, though some simulations are invalid. */
Test(local_coverage, right_ratio_is_nominal)
{
    static const float x[] = {1.2f, -0.4f, 0.3f, 0.9f, -1.6f};
    static const uint32_t dims[] = {1, 5};
    for (size_t i = 0; i < 2; i++) {
        gauss g = {.dim = dims[i], .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
        open_gauss(&g, x, 7, 2);
        json_t *row = judged(&g, 1000);
        cr_assert_str_eq(text_of(row, "verdict"), "ok", "%s", text_of(row, "says"));
        cr_assert_eq(json_array_size(json_object_get(row, "cells")), 3);
        cr_assert(number_of(row, "missing") < 40, "%g", number_of(row, "missing"));
        assert_nominal(row);
        const json_t *curve = json_object_get(row, "curve");
        cr_assert_eq(json_array_size(json_object_get(curve, "joint")), ECDF_POINTS);
        cr_assert_eq(json_array_size(json_object_get(curve, "parameters")), dims[i]);
        json_decref(row);
        gauss_close(&g);
    }
}

/* One parameter: from -3.29 to 3.29 deviations of the posterior. */
Test(local_coverage, region_holds_its_share_of_the_prior)
{
    static const float x[] = {1.25f};
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, x, 7, 2);
    json_t *row = judged(&g, 64);
    double deviation = 1 / sqrt(5),
           expected = 0.5 * (erf((1 + 3.2905 * deviation) / sqrt(2)) -
                             erf((1 - 3.2905 * deviation) / sqrt(2)));
    double found = number_of(json_object_get(row, "region"), "of_prior");
    cr_assert(fabs(found / expected - 1) < 0.1, "%g, not %g", found, expected);
    json_decref(row);
    gauss_close(&g);
}

Test(local_coverage, narrow_and_shifted_are_noticed)
{
    static const float x[] = {0.8f, -0.5f};
    static const double shift[] = {0, 0.2};
    for (int i = 0; i < 3; i++) {
        gauss g = {.dim = 2, .sigma = 0.5, .believed = i == 0 ? 0.4 : i == 1 ? 0.7 : 0.5};
        open_gauss(&g, x, 7, 2);
        wrong_plan how = {.power = 1, .below = INFINITY, .shift = shift};
        if (i == 2)
            cr_assert_eq(ratio_wrong(g.ratio, &how, &g.ratio), 0);
        g.posterior.ratio = g.ratio;
        json_t *row = judged(&g, 600);
        cr_assert_str_eq(text_of(row, "verdict"), "fails", "%d: %s", i,
                         text_of(row, "says"));
        const char *word[] = {"too small", "too large", "the posterior of b"};
        cr_assert(strstr(text_of(row, "advice"), word[i]), "%s", text_of(row, "advice"));
        if (i == 2)
            cr_assert(strstr(text_of(row, "advice"), "too low"));
        json_decref(row);
        gauss_close(&g);
    }
}

/* Wrong for x below 0 alone: seen from there, and not from far away. */
Test(local_coverage, only_what_is_near_counts)
{
    static const float x[] = {-1.5f, 2.5f};
    for (int i = 0; i < 2; i++) {
        gauss g = {.dim = 1, .sigma = 0.3, .believed = 0.3, .no_evidence = true};
        open_gauss(&g, x + i, 7, 2);
        wrong_plan how = {.power = 2.5, .below = 0};
        cr_assert_eq(ratio_wrong(g.ratio, &how, &g.ratio), 0);
        g.posterior.ratio = g.ratio;
        json_t *row = judged(&g, 1000);
        cr_assert_str_eq(text_of(row, "verdict"), i == 0 ? "fails" : "ok", "%s",
                         text_of(row, "says"));
        json_decref(row);
        gauss_close(&g);
    }
}

Test(local_coverage, same_bits_with_any_number_of_threads)
{
    static const float x[] = {0.8f, -0.5f, 0.1f, 0.3f};
    char *text[2];
    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = 4, .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
        open_gauss(&g, x, 8, i == 0 ? 1 : 3);
        json_t *row = judged(&g, 200);
        text[i] = json_dumps(row, JSON_SORT_KEYS);
        json_decref(row);
        gauss_close(&g);
    }
    cr_assert_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

Test(local_coverage, says_why_not)
{
    static const float x[] = {0.8f, -0.5f};
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, x, 7, 1);
    const char *(*declines)(const subject *) = local_coverage_diagnostic.declines;
    g.subject.n_observed = 2;
    cr_assert_null(declines(&g.subject));
    json_t *row = judged(&g, 64);
    cr_assert(strstr(text_of(row, "says"), "observation 0, the first"));
    json_decref(row);
    g.subject.joint = true;
    cr_assert(strstr(declines(&g.subject), "together"));
    g.subject.n_observed = 0;
    cr_assert(strstr(declines(&g.subject), "no observation"));
    gauss_close(&g);
}

/* Less than a millionth of the prior is not looked for. */
Test(local_coverage, tiny_regions_stay_open)
{
    static const float x[] = {1, 1, 1, 1, 1, 1};
    gauss g = {.dim = 6, .sigma = 0.02, .believed = 0.02};
    open_gauss(&g, x, 7, 2);
    json_t *row = judged(&g, 64);
    cr_assert_str_eq(text_of(row, "verdict"), "open");
    cr_assert(strstr(text_of(row, "reason"), "of the prior"), "%s",
              text_of(row, "reason"));
    json_decref(row);
    gauss_close(&g);
}

/* Of noise 0.5 in each parameter; elsewhere than at x[0] < EDGE it is ODD. */
static double odd_beyond(double edge, double odd, uint32_t dim, const double *theta,
                         const float *x)
{
    double sum = 0;
    if ((double)x[0] > edge)
        return odd;
    for (uint32_t k = 0; k < dim; k++)
        sum -= 2 * (theta[k] - (double)x[k]) * (theta[k] - (double)x[k]);
    return sum;
}

static double nan_beyond(uint32_t dim, const double *theta, const float *x)
{
    return odd_beyond(0.3, NAN, dim, theta, x);
}

static double nowhere_beyond(uint32_t dim, const double *theta, const float *x)
{
    return odd_beyond(1.1, -INFINITY, dim, theta, x);
}

static double mostly_nowhere(uint32_t dim, const double *theta, const float *x)
{
    return odd_beyond(0.3, -INFINITY, dim, theta, x);
}

/* A pair whose posterior is zero is left out, so that few or too many such leave it open; NaN is a
 * failure. */
Test(local_coverage, nowhere_is_left_out_and_nan_fails)
{
    static const float x[] = {0, 0};
    static double (*const part[])(uint32_t dim, const double *theta, const float *x) = {
        nowhere_beyond, mostly_nowhere, nan_beyond};
    diagnostic_options how = {.n = 400};
    for (int i = 0; i < 3; i++) {
        gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
        wrong_plan odd = {.power = 1, .below = INFINITY, .part = part[i]};
        json_t *row = NULL;
        open_gauss(&g, x, 7, 2);
        cr_assert_eq(ratio_wrong(g.ratio, &odd, &g.ratio), 0);
        g.posterior.ratio = g.ratio;
        int status = local_coverage_diagnostic.perform(&g.subject, &how, &row);
        cr_assert_eq(status, i < 2 ? NRE_OK : NRE_ENUMERIC, "%d", status);
        if (i == 0) {
            cr_assert_str_eq(text_of(row, "verdict"), "ok", "%s", text_of(row, "says"));
            cr_assert(number_of(row, "missing") > 0);
        } else if (i == 1) {
            cr_assert_str_eq(text_of(row, "verdict"), "open");
            cr_assert(strstr(text_of(row, "reason"), "of 400 pairs"), "%s",
                      text_of(row, "reason"));
            cr_assert(number_of(row, "missing") > 80);
        }
        json_decref(row);
        gauss_close(&g);
    }
}

/* Mode and posterior go to the truth as observations of it are added. */
#include "gauss.h"
#include "wrong.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void open_gauss(gauss *g, uint64_t seed, unsigned threads)
{
    g->no_evidence = true;
    gauss_open(g, GAUSS_EXACT, 1, 51, threads);
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    g->subject.simulator = g->simulator;
    g->subject.on_invalid = 2;
    g->subject.seed = seed;
}

static json_t *judged(gauss *g, uint64_t rows, uint64_t points)
{
    diagnostic_options how = {.n = rows, .repeats = points};
    json_t *out = NULL;

    cr_assert_null(convergence_diagnostic.declines(&g->subject));
    cr_assert_eq(convergence_diagnostic.perform(&g->subject, &how, &out), 0, "%s",
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

/* [step][2] of a parameter's quantiles: the median. */
static double median_of(const json_t *row, size_t k, const char *key, size_t step)
{
    const json_t *p = json_array_get(json_object_get(row, "parameters"), k);
    return json_number_value(
        json_array_get(json_array_get(json_object_get(p, key), step), 2));
}

/* Posterior deviation of n rows: 1 / sqrt(1 + n / sigma^2). */
static double deviation_at(double sigma, double n)
{
    return 1 / sqrt(1 + n / (sigma * sigma));
}

Test(convergence, right_ratio_converges)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, 7, 2);
    json_t *row = judged(&g, 1500, 30);
    cr_assert_str_eq(text_of(row, "verdict"), "ok", "%s", text_of(row, "says"));
    cr_assert_eq(number_of(row, "trusted_rows"), 1000);
    cr_assert_eq(number_of(row, "value"), 1000);
    cr_assert(strstr(text_of(row, "says"), "about 1/sqrt(n) = 0.032."), "%s",
              text_of(row, "says"));
    cr_assert_eq(json_array_size(json_object_get(row, "n_rows")), 4);
    for (size_t i = 0; i < 4; i++) {
        double rows = pow(10, (double)i);
        double expected = deviation_at(0.5, rows) / deviation_at(0.5, 1);
        for (size_t k = 0; k < 2; k++) {
            double found = median_of(row, k, "deviation", i);
            cr_assert(fabs(found / expected - 1) < 0.05, "%g rows: %g, not %g", rows,
                      found, expected);
            /* the median of 30 errors of one deviation has an error of 0.23 */
            cr_assert(fabs(median_of(row, k, "pull", i)) < 4.5 * 0.23);
        }
        cr_assert_eq(json_integer_value(json_array_get(json_object_get(row, "known"), i)),
                     30);
    }
    json_decref(row);
    gauss_close(&g);
}

/* A tenth of a deviation off: no matter for one observation, all that counts for a thousand. */
Test(convergence, small_bias_shows_in_many_rows)
{
    static const double shift[] = {0, 0.05};
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, 7, 2);
    wrong_plan how = {.power = 1, .below = INFINITY, .shift = shift};
    cr_assert_eq(ratio_wrong(g.ratio, &how, &g.ratio), 0);
    g.posterior.ratio = g.ratio;
    json_t *row = judged(&g, 1000, 20);
    cr_assert_str_eq(text_of(row, "verdict"), "fails");
    double trusted = number_of(row, "trusted_rows");
    cr_assert(trusted == 10 || trusted == 100, "%g", trusted);
    cr_assert(strstr(text_of(row, "says"), " in b "), "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "observations together"));
    cr_assert(strstr(text_of(row, "advice"), "add over rows"));
    /* the mode lies lower, by the shift in units of the deviation with one row */
    double off = median_of(row, 1, "error", 3);
    cr_assert(fabs(off + 0.05 / deviation_at(0.5, 1)) < 0.05, "%g", off);
    json_decref(row);
    gauss_close(&g);
}

Test(convergence, narrow_posteriors_fail)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.2};
    open_gauss(&g, 7, 2);
    json_t *row = judged(&g, 10, 60);
    cr_assert_str_eq(text_of(row, "verdict"), "fails", "%s", text_of(row, "says"));
    cr_assert_eq(number_of(row, "trusted_rows"), 0);
    cr_assert(strstr(text_of(row, "says"), "With 1 observation its"));
    cr_assert(strstr(text_of(row, "advice"), "single observation"));
    json_decref(row);
    gauss_close(&g);
}

/* Twenty right ratios: at 1% each, 4.5 deviations above the mean are three failures. */
Test(convergence, right_ratios_hardly_fail)
{
    size_t failures = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        gauss g = {.dim = 1, .sigma = 1, .believed = 1};
        open_gauss(&g, seed, 2);
        json_t *row = judged(&g, 10, 20);
        failures += !strcmp(text_of(row, "verdict"), "fails");
        json_decref(row);
        gauss_close(&g);
    }
    cr_assert(failures < 3, "%zu", failures);
}

Test(convergence, same_bits_with_any_number_of_threads)
{
    char *text[2];
    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
        open_gauss(&g, 8, i == 0 ? 1 : 3);
        json_t *row = judged(&g, 10, 8);
        text[i] = json_dumps(row, JSON_SORT_KEYS);
        json_decref(row);
        gauss_close(&g);
    }
    cr_assert_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

/* A likelihood of noise: nothing can resolve it. */
Test(convergence, coarse_posteriors_stay_open)
{
    gauss g = {.dim = 4, .sigma = 0.5, .believed = 0.5, .rugged = true};
    open_gauss(&g, 7, 2);
    json_t *row = judged(&g, 1, 3);
    cr_assert_str_eq(text_of(row, "verdict"), "open");
    cr_assert(strstr(text_of(row, "reason"), "coarse"));
    json_decref(row);
    gauss_close(&g);
}

static double nowhere(uint32_t dim, const double *theta, const float *x)
{
    (void)dim;
    (void)theta;
    (void)x;
    return -INFINITY;
}

static double no_number(uint32_t dim, const double *theta, const float *x)
{
    (void)dim;
    return theta[0] > 2 ? NAN : -(theta[0] - (double)x[0]) * (theta[0] - (double)x[0]);
}

/* Zero at all draws is too narrow to judge, NaN is a fault of the ratio. */
Test(convergence, nowhere_stays_open_and_nan_fails)
{
    diagnostic_options how = {.n = 1, .repeats = 12};
    for (int i = 0; i < 2; i++) {
        gauss g = {.dim = 4, .sigma = 0.5, .believed = 0.5};
        wrong_plan odd = {
            .power = 1, .below = INFINITY, .part = i == 0 ? nowhere : no_number};
        json_t *row = NULL;
        open_gauss(&g, 7, 2);
        cr_assert_eq(ratio_wrong(g.ratio, &odd, &g.ratio), 0);
        g.posterior.ratio = g.ratio;
        int status = convergence_diagnostic.perform(&g.subject, &how, &row);
        cr_assert_eq(status, i == 0 ? NRE_OK : NRE_ENUMERIC, "%d: %s", status,
                     error_message());
        if (i == 0)
            cr_assert_str_eq(text_of(row, "verdict"), "open");
        json_decref(row);
        gauss_close(&g);
    }
}

/* Of theta as of -theta: the distance of the two modes stays, and nobody shall take it for a fault. */
static double mirrored(uint32_t dim, const double *theta, const float *x)
{
    double up = 0, down = 0;
    for (uint32_t k = 0; k < dim; k++) {
        up -= 2 * pow(fabs(theta[k]) - (double)x[k], 2);
        down -= 2 * pow(fabs(theta[k]) + (double)x[k], 2);
    }
    return up + log1p(exp(down - up));
}

Test(convergence, several_modes_do_not_narrow)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    wrong_plan odd = {.power = 1, .below = INFINITY, .part = mirrored};
    open_gauss(&g, 7, 2);
    cr_assert_eq(ratio_wrong(g.ratio, &odd, &g.ratio), 0);
    g.posterior.ratio = g.ratio;
    json_t *row = judged(&g, 10, 30);
    cr_assert(!strcmp(text_of(row, "verdict"), "ok"), "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "more than 1/sqrt(n) = 0.32"), "%s",
              text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "several modes"));
    json_decref(row);
    gauss_close(&g);
}

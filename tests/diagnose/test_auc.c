/* Can a classifier tell p(x) r(x | theta) from p(x | theta)?  Where it should, and where not. */
#include "../sanitized.h"
#include "rows.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *judge(gauss *g, uint64_t n, uint64_t points, uint64_t seed)
{
    json_t *row = NULL;
    diagnostic_options o = {.n = n, .repeats = points};
    g->subject.seed = seed;
    g->subject.simulator = g->simulator;
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    cr_assert_null(auc_diagnostic.declines(&g->subject));
    cr_assert_eq(auc_diagnostic.perform(&g->subject, &o, &row), 0, "%s", error_message());
    return row;
}

static json_t *point_of(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "points"), i);
}

/* p(x | a) of the first parameter alone, in closed form, as if a were SHIFT more; the other is a nuisance */

typedef struct part {
    ratio base; /* first */
    double shift;
} part;

static int part_observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    float *row = room_take(&o->row, n, r->n_x * sizeof *row);
    (void)own;
    cr_assert(row);
    memcpy(row, x, n * r->n_x * sizeof *x);
    return NRE_OK;
}

static double log_normal(double away, double variance)
{
    return -0.5 * (away * away / variance + log(variance));
}

static int part_evaluate(const ratio *r, void *own, const observed *o, size_t first,
                         size_t n, size_t per_x, const double *theta, double *log_ratio,
                         double *gradient)
{
    const float *x = o->row.at;
    (void)own;
    const double shift = ((const part *)(const void *)r)->shift;
    cr_assert_null(gradient);
    for (size_t i = 0; i < n * per_x; i++) {
        double at = (double)x[(first + i / per_x) * r->n_x];
        log_ratio[i] = log_normal(at - theta[i] - shift, 0.25) - log_normal(at, 1.25);
    }
    return NRE_OK;
}

static void part_free(ratio *r)
{
    (void)r;
}

/* The row of G with such a ratio in place of its own. */
static json_t *judge_part(gauss *g, uint64_t n, double shift)
{
    static const ratio_kind KIND = {
        .observe = part_observe, .evaluate = part_evaluate, .free = part_free};
    target t = {.name = "a", .n = 1, .which = g->which, .prior = g->target.prior};
    part a = {{.kind = &KIND, .target = &t, .n_x = 2, .normalised = true}, shift};
    posterior p = {.ratio = &a.base};
    g->subject.posterior = &p;
    json_t *row = judge(g, n, 1, 1);
    g->subject.posterior = &g->posterior;
    return row;
}

Test(auc, right_ratio)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge(&g, 8000, 1, 1);
    assert_says(row, "ok", "does not tell");
    json_t *p = point_of(row, 0);
    double auc = number_of(p, "auc"), error = number_of(p, "error");
    cr_assert(fabs(auc - 0.5) < 4.5 * error, "%g +- %g", auc, error);
    cr_assert(number_of(p, "power") > 0.52 && number_of(p, "power_p_value") < 0.005);
    cr_assert(number_of(p, "effective") >= 4000);
    cr_assert(fabs(number_of(p, "excess")) < 0.1);
    cr_assert_eq(json_object_size(json_object_get(p, "theta")), 2);
    json_decref(row);
    gauss_close(&g);
}

/* P(x' > x) of the best score: |x - theta| of N(theta, wide) against N(theta, narrow) gives 2 / pi atan of
 * the ratio of deviations.  A trained network finds most of it, and no more. */
Test(auc, too_wide_and_too_narrow)
{
    static const double believed[] = {0.65, 0.42};
    for (size_t i = 0; i < 2; i++) {
        gauss g = {.dim = 1, .sigma = 0.5, .believed = believed[i]};
        gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
        json_t *row = judge(&g, 6000, 1, 1), *p = point_of(row, 0);
        assert_says(row, "fails", "tells");
        cr_assert(strstr(word_of(row, "advice"), i ? "too sure" : "too cautious"), "%s",
                  word_of(row, "advice"));
        double wide = fmax(believed[i], 0.5), narrow = fmin(believed[i], 0.5);
        double best = 2 / acos(-1.0) * atan(wide / narrow), auc = number_of(p, "auc");
        cr_log_info("AUC %.4f +- %.4f, at best about %.4f", auc, number_of(p, "error"),
                    best);
        cr_assert(auc > 0.52 && auc < best + 0.02 + 4.5 * number_of(p, "error"));
        json_decref(row);
        gauss_close(&g);
    }
}

Test(auc, shifted)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge_part(&g, 2000, 0.3);
    assert_says(row, "fails", "tells");
    /* N(theta, 0.5^2) against N(theta + 0.3, 0.5^2): Phi(0.3 / (0.5 sqrt 2)) */
    double best = gsl_cdf_ugaussian_P(0.3 / 0.5 / sqrt(2)), auc = number_of(row, "value");
    double error = number_of(row, "error");
    cr_assert(auc > best - 0.05 - 4.5 * error && auc < best + 4.5 * error, "%g", auc);
    json_decref(row);
    gauss_close(&g);
}

/* r = 1: nothing is changed by the weights. */
Test(auc, blind)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_PRIOR, 100, 5, 2);
    json_t *row = judge(&g, 2000, 1, 1), *p = point_of(row, 0);
    assert_says(row, "fails", "tells");
    cr_assert_float_eq(number_of(p, "auc"), number_of(p, "baseline"),
                       4.5 * number_of(p, "error"));
    cr_assert_float_eq(number_of(p, "effective"), 2000, 1e-6);
    json_decref(row);
    gauss_close(&g);
}

/* ROC curves rise from 0 to 1, and the area under them is the AUC. */
Test(auc, roc_curves)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge(&g, 1000, 1, 1), *roc = json_object_get(row, "roc");
    static const char *const names[2][2] = {{"weighted", "auc"},
                                            {"baseline", "baseline"}};
    for (size_t k = 0; k < 2; k++) {
        json_t *curve = json_object_get(roc, names[k][0]);
        double area = 0, before = json_number_value(json_array_get(curve, 0));
        cr_assert_eq(json_array_size(curve), 101);
        for (size_t i = 1; i < 101; i++) {
            double now = json_number_value(json_array_get(curve, i));
            cr_assert(now >= before);
            area += (now + before) / 200;
            before = now;
        }
        cr_assert_float_eq(before, 1, 1e-9);
        cr_assert_float_eq(area, number_of(point_of(row, 0), names[k][1]), 0.003);
    }
    json_decref(row);
    gauss_close(&g);
}

/* Weights of few rows in a thousand: it says how few. */
Test(auc, not_assessable)
{
    gauss g = {.dim = 2, .sigma = 0.01, .believed = 0.01};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge(&g, 1000, 1, 1);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    cr_assert(strstr(word_of(row, "reason"), "not assessable"), "%s",
              word_of(row, "reason"));
    cr_assert(number_of(point_of(row, 0), "effective") < 500);
    cr_assert(json_is_null(json_object_get(row, "value")));
    json_decref(row);
    gauss_close(&g);
}

/* So few rows that not even r^0.8 is noticed: silence is no proof. */
Test(auc, no_power)
{
    gauss g = {.dim = 1, .sigma = 1, .believed = 1};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge(&g, 200, 1, 1);
    cr_assert_str_eq(word_of(row, "verdict"), "open");
    cr_assert(strstr(word_of(row, "reason"), "tempered"), "%s", word_of(row, "reason"));
    json_decref(row);
    gauss_close(&g);
}

/* Under a right ratio p-values are uniform: so are the normal deviates they stand for. */
Test(auc, false_alarms, .disabled = SANITIZED)
{
    enum { REPEATS = 40 };
    double sum = 0, squares = 0, n = 0;
    unsigned low = 0;
    gauss g = {.dim = 2, .sigma = 1, .believed = 1};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    for (uint64_t i = 0; i < REPEATS; i++) {
        json_t *row = judge(&g, 400, 1, i), *at = point_of(row, 0);
        bool assessed = number_of(at, "effective") >= 200;
        double p = number_of(at, "p_value"), z = gsl_cdf_ugaussian_Qinv(p);
        cr_assert_eq(assessed, isfinite(p));
        low += assessed && p < 0.05;
        n += assessed;
        sum += assessed ? z : 0;
        squares += assessed ? z * z : 0;
        json_decref(row);
    }
    double mean = sum / n;
    squares -= n * mean * mean;
    cr_log_info("%g points: mean of z %.3f, variance %.3f, %u below 0.05", n, mean,
                squares / (n - 1), low);
    cr_assert(n >= 30);
    cr_assert(fabs(mean) < 4.5 / sqrt(n), "mean of z: %g", mean);
    cr_assert(squares < gsl_cdf_chisq_Qinv(3.4e-6, n - 1), "%g", squares);
    cr_assert(squares > gsl_cdf_chisq_Pinv(3.4e-6, n - 1), "%g", squares);
    cr_assert(gsl_cdf_binomial_Q(low, 0.05, (unsigned)n) > 3.4e-6);
    gauss_close(&g);
}

Test(auc, threads)
{
    json_t *row[2];
    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
        gauss_open(&g, GAUSS_EXACT, 100, 5, 1 + 2 * i);
        row[i] = judge(&g, 300, 2, 1);
        gauss_close(&g);
    }
    cr_assert(json_equal(row[0], row[1]));
    json_decref(row[0]);
    json_decref(row[1]);
}

/* p(x | a) has b drawn from its prior: the baseline differs in a's value of x alone. */
Test(auc, nuisances_follow_the_prior)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 2);
    json_t *row = judge_part(&g, 6000, 0);
    assert_says(row, "ok", "does not tell");
    cr_assert(number_of(point_of(row, 0), "baseline") > 0.6);
    json_decref(row);
    gauss_close(&g);
}

Test(auc, declines)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
    gauss_open(&g, GAUSS_EXACT, 100, 5, 1);
    cr_assert(strstr(auc_diagnostic.declines(&g.subject), "no simulator"));
    g.subject.simulator = g.simulator;
    cr_assert(strstr(auc_diagnostic.declines(&g.subject), "up to a function of x"));
    gauss_close(&g);
}

/* pareto.c: against tails whose shape is known, figures of ArviZ, and limits. */
#include "infer/infer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights 1 + y, y of a generalised Pareto distribution with shape K: their whole tail beyond
 * any cut has that shape. */
static void draw_tail(rng *r, double k, size_t n, double *log_weight)
{
    for (size_t i = 0; i < n; i++) {
        double u = rng_uniform(r);
        log_weight[i] = log1p(k == 0 ? -log(u) : (pow(u, -k) - 1) / k);
    }
}

/* The mean of many k-hats is near the truth, drawn to 1/2 by ten draws of its tail. */
static void shape_is_found(double k)
{
    enum { REPEATS = 100, N = 4000 };
    double sum = 0, squares = 0, tail = ceil(3 * sqrt(N)), *w = memory_new(N, sizeof *w);
    for (size_t i = 0; i < REPEATS; i++) {
        rng r;
        double k_hat;
        rng_start(&r, rng_purpose(3, "tail"), i, 0);
        draw_tail(&r, k, N, w);
        cr_assert_eq(pareto_smooth(N, w, &k_hat), NRE_OK);
        sum += k_hat / REPEATS;
        squares += k_hat * k_hat / REPEATS;
    }
    /* Deviation of the maximum likelihood estimate: (1 + k) / sqrt(tail). */
    double spread = sqrt(squares - sum * sum), shrink = tail / (tail + 10);
    double right = k * shrink + 0.5 * (1 - shrink), error = spread / sqrt(REPEATS);
    cr_assert_float_eq(sum, right, 4.5 * error + 0.03, "k = %g: %g, not %g +- %g", k, sum,
                       right, error);
    cr_assert_float_eq(spread / ((1 + k) * shrink / sqrt(tail)), 1, 0.35, "k = %g: %g", k,
                       spread);
    free(w);
}

Test(pareto, shapes_of_exact_tails)
{
    shape_is_found(-0.3);
    shape_is_found(0);
    shape_is_found(0.3);
    shape_is_found(0.7);
    shape_is_found(1.2);
}

/* Smoothing makes means less uncertain where the variance of weights is infinite: the mean of
 * u^-k is 1 / (1 - k). */
Test(pareto, smoothed_means_err_less)
{
    enum { REPEATS = 300, N = 1000 };
    const double k = 0.6, right = 1 / (1 - k);
    double raw = 0, smoothed = 0, *w = memory_new(N, sizeof *w);
    for (size_t i = 0; i < REPEATS; i++) {
        rng r;
        double k_hat, before = 0, after = 0;
        rng_start(&r, rng_purpose(4, "tail"), i, 0);
        for (size_t j = 0; j < N; j++) {
            w[j] = -k * log(rng_uniform(&r));
            before += exp(w[j]) / N;
        }
        cr_assert_eq(pareto_smooth(N, w, &k_hat), NRE_OK);
        for (size_t j = 0; j < N; j++)
            after += exp(w[j]) / N;
        raw += (before - right) * (before - right);
        smoothed += (after - right) * (after - right);
    }
    cr_assert_lt(smoothed, 0.8 * raw, "%g, %g", sqrt(smoothed / REPEATS),
                 sqrt(raw / REPEATS));
    free(w);
}

static double golden_fraction(size_t i)
{
    double whole, x = (double)(i + 1) * 0.6180339887498949;
    return modf(x, &whole);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* k-hat and the smoothed weights 1, 2, 5 and n / 10 places from the end, above the
 * smallest: arviz.psislw(reff=1) of ArviZ 0.17. */
static void agrees(size_t n, double *w, double k, const double *right)
{
    double k_hat;
    const size_t place[] = {1, 2, 5, n / 10};
    cr_assert_eq(pareto_smooth(n, w, &k_hat), NRE_OK);
    cr_assert_float_eq(k_hat, k, 1e-9, "%.12f, not %.12f", k_hat, k);
    qsort(w, n, sizeof *w, by_number);
    for (size_t i = 0; i < 4; i++)
        cr_assert_float_eq(w[n - place[i]] - w[0], right[i], 1e-9, "%zu: %.12f", place[i],
                           w[n - place[i]] - w[0]);
}

Test(pareto, figures_of_arviz)
{
    double w[1000];
    for (size_t i = 0; i < 1000; i++)
        w[i] = -0.8 * log(golden_fraction(i));
    agrees(1000, w, 0.7216007058043428,
           (double[]){5.774179335469438, 4.990236946057716, 4.190485163742545,
                      1.8494735014313353});
    for (size_t i = 0; i < 400; i++)
        w[i] = -3 * pow(golden_fraction(i) - 0.2, 2);
    agrees(400, w, -1.478430440916295,
           (double[]){1.9143096828252935, 1.9143096828252935, 1.9143096828252935,
                      1.9069597452713163});
}

Test(pareto, limits)
{
    enum { N = 200 };
    double w[N], before[N], k;
    for (size_t i = 0; i < N; i++)
        w[i] = 3;
    cr_assert_eq(pareto_smooth(N, w, &k), NRE_OK);
    cr_assert_eq(k, 0);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(w[i], 3);

    /* Twenty draws have a tail of four. */
    for (size_t i = 0; i < 20; i++)
        before[i] = w[i] = sin((double)i);
    cr_assert_eq(pareto_smooth(20, w, &k), NRE_OK);
    cr_assert(isnan(k));
    cr_assert_arr_eq(w, before, 20 * sizeof *w);
    cr_assert_eq(pareto_smooth(1, w, &k), NRE_OK);
    cr_assert(isnan(k));

    /* Four weights above many equal ones are too few; one huge weight is not to be believed. */
    for (size_t i = 0; i < N; i++)
        before[i] = w[i] = i < 4 ? (double)i : -1;
    cr_assert_eq(pareto_smooth(N, w, &k), NRE_OK);
    cr_assert(isnan(k));
    cr_assert_arr_eq(w, before, sizeof w);
    for (size_t i = 0; i < N; i++)
        w[i] = i == 7 ? 40 : golden_fraction(i);
    cr_assert_eq(pareto_smooth(N, w, &k), NRE_OK);
    cr_assert_gt(k, K_HAT_MOST);
}

/* Weights keep their order, zeros stay zero, nothing exceeds the largest, scale is no matter. */
Test(pareto, order_and_scale)
{
    enum { N = 500 };
    double w[N], before[N], far[N], k, k_far, top = -INFINITY;
    rng r;
    rng_start(&r, rng_purpose(5, "tail"), 0, 0);
    draw_tail(&r, 0.5, N, w);
    for (size_t i = 0; i < 50; i++)
        w[10 * i] = -INFINITY;
    for (size_t i = 0; i < N; i++) {
        before[i] = w[i];
        far[i] = w[i] - 5000;
        top = fmax(top, w[i]);
    }
    cr_assert_eq(pareto_smooth(N, w, &k), NRE_OK);
    cr_assert_eq(pareto_smooth(N, far, &k_far), NRE_OK);
    cr_assert_float_eq(k, k_far, 1e-8);
    for (size_t i = 0; i < N; i++) {
        cr_assert_leq(w[i], top);
        cr_assert(i % 10 != 0 || w[i] == -INFINITY);
        cr_assert(w[i] == far[i] + 5000 || fabs(w[i] - far[i] - 5000) < 1e-8);
        for (size_t j = 0; j < N; j++)
            cr_assert(before[i] <= before[j] ? w[i] <= w[j] : w[i] >= w[j]);
    }
}

Test(pareto, what_is_not_a_weight)
{
    double k, nan[] = {0, NAN, 1}, infinite[] = {0, INFINITY}, zero[] = {-INFINITY};
    cr_assert_eq(pareto_smooth(3, nan, &k), NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "weight 1 of 3"), "%s", error_message());
    cr_assert_eq(pareto_smooth(2, infinite, &k), NRE_ENUMERIC);
    cr_assert_eq(pareto_smooth(1, zero, &k), NRE_ENUMERIC);
}

/* Simultaneous bands of an empirical distribution function against brute force. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

static double worst_tail(const ecdf *e)
{
    double tail = 1;
    for (size_t i = 0; i + 1 < ECDF_POINTS; i++) {
        unsigned n = (unsigned)e->n, k = (unsigned)e->count[i];
        tail = fmin(tail, gsl_cdf_binomial_P(k, e->z[i], n));
        tail = fmin(tail, k > 0 ? gsl_cdf_binomial_Q(k - 1, e->z[i], n) : 1);
    }
    return tail;
}

/* N values in the middle of cells of the grid of points, cell by the digits of I. */
static ecdf sample_of(size_t n, size_t i)
{
    double u[3];
    ecdf e;
    for (size_t k = 0; k < n; k++, i /= ECDF_POINTS)
        u[k] = ((double)(i % ECDF_POINTS) + 0.5) / ECDF_POINTS;
    ecdf_of(n, 1, u, &e);
    return e;
}

/* All outcomes of one and two values, each as likely as another: the p-value is the share of those that
 * stray as far. */
Test(bands, p_values_of_all_small_samples)
{
    static double tail[ECDF_POINTS * ECDF_POINTS];
    for (size_t n = 1, all = ECDF_POINTS; n <= 2; n++, all *= ECDF_POINTS) {
        for (size_t i = 0; i < all; i++) {
            ecdf e = sample_of(n, i);
            tail[i] = worst_tail(&e);
        }
        for (size_t i = 0; i < all; i += n == 1 ? 1 : 101) {
            double p, as_far = 0;
            ecdf e = sample_of(n, i);
            for (size_t j = 0; j < all; j++)
                as_far += tail[j] <= tail[i] * (1 + 1e-9);
            cr_assert_eq(ecdf_p_value(&e, &p), 0);
            cr_assert_float_eq(p, as_far / (double)all, 1e-10, "%zu: %g %g", i, p,
                               as_far / (double)all);
        }
    }
}

static bool is_within(const ecdf *e, const double *low, const double *high)
{
    bool within = true;
    for (size_t i = 0; i < ECDF_POINTS; i++) {
        double share = (double)e->count[i] / (double)e->n;
        within = within && share >= low[i] && share <= high[i];
    }
    return within;
}

static ecdf powers(size_t n, uint64_t item, double power)
{
    static double u[20000];
    ecdf e;
    rng r;
    rng_start(&r, rng_purpose(5, "bands"), item, 0);
    for (size_t k = 0; k < n; k++)
        u[k] = pow(rng_uniform(&r), power);
    ecdf_of(n, 1, u, &e);
    return e;
}

/* A band of 90% holds 90% of samples, and exactly those whose p-value is above 10%; p-values of uniform
 * samples are uniform but for their being discrete. */
static void assert_level(size_t n, size_t trials)
{
    double low[ECDF_POINTS], high[ECDF_POINTS], held = 0, below = 0, error = 0.1;
    cr_assert_eq(ecdf_band(n, 0.9, low, high), 0);
    for (uint64_t t = 0; t < trials; t++) {
        double p;
        ecdf e = powers(n, t, 1);
        cr_assert_eq(ecdf_p_value(&e, &p), 0);
        bool within = is_within(&e, low, high);
        cr_assert(within ? p > 0.095 : p < 0.105, "%g %d", p, within);
        held += within;
        below += p < 0.3;
    }
    error = 4.5 * sqrt(0.3 * 0.7 / (double)trials);
    cr_assert(fabs(held / (double)trials - 0.9) < error, "%g", held / (double)trials);
    cr_assert(fabs(below / (double)trials - 0.3) < error, "%g", below / (double)trials);
}

Test(bands, hold_as_many_as_they_say)
{
    assert_level(50, 1000);
    assert_level(1000, 300);
}

Test(bands, of_many_values)
{
    double low[ECDF_POINTS], high[ECDF_POINTS], p;
    cr_assert_eq(ecdf_band(20000, 0.99, low, high), 0);
    for (size_t i = 0; i + 1 < ECDF_POINTS; i++) {
        double z = (double)(i + 1) / ECDF_POINTS, sd = sqrt(z * (1 - z) / 20000);
        cr_assert_float_eq(low[i] + high[ECDF_POINTS - 2 - i], 1, 1e-12);
        cr_assert(low[i] < z - 3 * sd && low[i] > z - 4.6 * sd, "%zu", i);
    }
    cr_assert_eq(low[ECDF_POINTS - 1], 1);
    ecdf e = powers(20000, 1, 1);
    cr_assert_eq(ecdf_p_value(&e, &p), 0);
    cr_assert(p > 0.01 && p < 1);
    e = powers(20000, 1, 1.1);
    cr_assert_eq(ecdf_p_value(&e, &p), 0);
    cr_assert(p < 1e-9 && p > 0);
}

Test(bands, of_nothing)
{
    double p, nothing = NAN, low[ECDF_POINTS], high[ECDF_POINTS];
    ecdf e;
    ecdf_of(1, 1, &nothing, &e);
    cr_assert_eq(e.n, 0);
    cr_assert_eq(ecdf_p_value(&e, &p), 0);
    cr_assert(isnan(p));
    cr_assert_eq(ecdf_band(0, 0.99, low, high), 0);
    cr_assert_eq(low[50], 0);
    cr_assert_eq(high[50], 1);
}

Test(bands, counts)
{
    const double u[] = {0, 9, 0.5, 9, 1, 9, 0.004, 9, 0.999, 9, 0.01, 9};
    ecdf e;
    ecdf_of(6, 2, u, &e);
    cr_assert_eq(e.n, 6);
    cr_assert_eq(e.count[0], 2); /* 0.01 is not below itself */
    cr_assert_eq(e.count[1], 3);
    cr_assert_eq(e.count[49], 3);
    cr_assert_eq(e.count[50], 4);
    cr_assert_eq(e.count[98], 4);
    cr_assert_eq(e.count[99], 6);
}

Test(bands, binomial_tails)
{
    for (unsigned n = 1; n < 3000; n = n * 3 + 1)
        for (double p = 0.05; p < 1; p += 0.1)
            for (unsigned k = 0; k <= n; k += 1 + n / 23) {
                double exact = gsl_cdf_binomial_P(k, p, n);
                cr_assert_float_eq(binomial_below(n, p, k), exact, 1e-9 * exact + 1e-290);
                double above = k > 0 ? gsl_cdf_binomial_Q(k - 1, p, n) : 1;
                cr_assert_float_eq(binomial_p(n, p, k), fmin(1, 2 * fmin(exact, above)),
                                   1e-9 * exact + 1e-12);
            }
}

/* Two posteriors on the same pairs: differences whose law is known. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <math.h>

Test(paired, nothing_differs)
{
    const double a[] = {1, 2, 3, 4};
    paired_mean m;
    paired_flag f;
    paired_means(4, a, a, 1, &m);
    cr_assert_eq(m.n, 4);
    cr_assert_eq(m.difference, 0);
    cr_assert_eq(m.error, 0);
    cr_assert_eq(m.z, 0);
    cr_assert_eq(m.p, 1);
    cr_assert_eq(m.p_flip, 1);
    paired_flags(4, a, a, 2.5, &f);
    cr_assert_eq(f.n, 4);
    cr_assert_eq(f.only[0] + f.only[1], 0);
    cr_assert_eq(f.difference, 0);
    cr_assert_eq(f.p, 1);
}

/* Differences 1, 2, 3 and a pair that one of them lacks: t = 2 / (1 / sqrt(3)) = 3.46, p = 0.0742 with
 * two degrees of freedom; of the 8 choices of signs two are as far. */
Test(paired, by_hand)
{
    const double a[] = {2, 4, 6, NAN, INFINITY}, b[] = {1, 2, 3, 4, 0};
    paired_mean m;
    paired_means(5, a, b, 1, &m);
    cr_assert_eq(m.n, 3);
    cr_assert_float_eq(m.difference, 2, 1e-15);
    cr_assert_float_eq(m.error, 1 / sqrt(3), 1e-15);
    cr_assert_float_eq(m.z, 2 * sqrt(3), 1e-12);
    double t = 2 * sqrt(3), p = 1 - t / sqrt(2 + t * t); /* two degrees of freedom */
    cr_assert_float_eq(m.p, p, 1e-9);
    cr_assert(fabs(m.p_flip - 0.25) < 4.5 * sqrt(0.1875 / 10000), "%g", m.p_flip);
    paired_means(5, b, a, 1, &m);
    cr_assert_float_eq(m.difference, -2, 1e-15);
    cr_assert_float_eq(m.p, p, 1e-9);
}

Test(paired, too_few)
{
    const double a[] = {2, NAN}, b[] = {1, 2};
    paired_mean m;
    paired_flag f;
    paired_means(2, a, b, 1, &m);
    cr_assert_eq(m.n, 1);
    cr_assert(isnan(m.difference) && isnan(m.error) && isnan(m.p) && isnan(m.p_flip));
    paired_flags(0, a, b, 0.5, &f);
    cr_assert(isnan(f.difference) && isnan(f.p));
}

/* The same difference in every pair leaves no doubt. */
Test(paired, constant)
{
    const double a[] = {2, 2, 2}, b[] = {1, 1, 1};
    paired_mean m;
    paired_means(3, a, b, 1, &m);
    cr_assert_eq(m.difference, 1);
    cr_assert_eq(m.error, 0);
    cr_assert_eq(m.p, 0);
}

/* McNemar's: of 10 pairs that differ 9 one way, 2 (1 + 10) / 1024. */
Test(paired, flags)
{
    double a[40], b[40];
    paired_flag f;
    for (size_t i = 0; i < 40; i++) {
        a[i] = i < 9 || i >= 20 ? 0.3 : 0.7;
        b[i] = i < 9 || (i >= 10 && i < 20) ? 0.7 : 0.3;
    }
    b[39] = NAN;
    paired_flags(40, a, b, 0.5, &f);
    cr_assert_eq(f.n, 39);
    cr_assert_eq(f.only[0], 9);
    cr_assert_eq(f.only[1], 1);
    cr_assert_float_eq(f.difference, 8 / 39.0, 1e-15);
    cr_assert_float_eq(f.error, sqrt((10 - 64 / 39.0)) / 39, 1e-15);
    cr_assert_float_eq(f.p, 22 / 1024.0, 1e-12);
}

/* Of many pairs the mean is normal. */
Test(paired, many)
{
    enum { N = 5000 };
    static double a[N], b[N];
    paired_mean m;
    for (size_t i = 0; i < N; i++)
        a[i] = i % 2 ? 1 : -0.9;
    paired_means(N, a, b, 1, &m);
    cr_assert(isnan(m.p_flip));
    cr_assert_float_eq(m.p, erfc(m.z / sqrt(2)), 1e-3);
    cr_assert_float_eq(m.z, 0.05 / (0.95 / sqrt(N)), 0.01);
}

/* Under the null hypothesis p-values are uniform; under a shift of three errors they are small. */
Test(paired, false_alarms_and_power)
{
    enum { TRIALS = 300, N = 40 };
    size_t alarms = 0, flips = 0, found = 0;
    for (size_t k = 0; k < TRIALS; k++) {
        double a[N], b[N];
        paired_mean m;
        rng r;
        rng_start(&r, rng_purpose(1, "test"), k, 0);
        for (size_t i = 0; i < N; i++) {
            b[i] = 10 * rng_normal(&r);
            a[i] = b[i] + rng_normal(&r);
        }
        paired_means(N, a, b, k, &m);
        alarms += m.p < 0.1;
        flips += m.p_flip < 0.1;
        for (size_t i = 0; i < N; i++)
            a[i] += 3 / sqrt(N);
        paired_means(N, a, b, k, &m);
        found += m.p < 0.1;
    }
    double error = sqrt(0.09 / TRIALS);
    cr_assert(fabs((double)alarms / TRIALS - 0.1) < 4.5 * error, "%zu", alarms);
    cr_assert(fabs((double)flips / TRIALS - 0.1) < 4.5 * error, "%zu", flips);
    /* P(|N(3, 1)| > 1.68) = 0.91 */
    cr_assert(fabs((double)found / TRIALS - 0.91) < 4.5 * sqrt(0.082 / TRIALS), "%zu",
              found);
}

/* The smooth stream's closed forms against the original's and against quadrature. */
#include "tables.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const double SPREAD_AGE = 0.1145563362768931; /* the original's */

static smooth smooth_at(const char *age)
{
    return smooth_of(SPREAD_AGE, 6, atof(age) * GD1_GYR);
}

static void check_stream(const char *age)
{
    size_t n;
    double *rows = table_read("smooth_stream", age, 11, &n);
    smooth s = smooth_at(age);
    cr_assert_eq(n, 99);
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + 11 * i;
        cr_expect_float_eq(smooth_density(&s, s.age, row[0]), row[1], 1e-9 * row[1]);
        cr_expect_float_eq(smooth_mean_frequency(&s, s.age, row[0]), row[2],
                           1e-9 * row[2]);
    }
    free(rows);
}

Test(smooth, original)
{
    smooth s = smooth_at("4.8");
    cr_expect_float_eq(s.sigma, 0.0008485779886489181, 1e-13);
    cr_expect_float_eq(s.offset, 0.005091467931893509, 1e-12);
    check_stream("3.2");
    check_stream("4.8");
}

static void check_end(const char *age)
{
    size_t n;
    double *rows = table_read("smooth_times", age, 4, &n);
    smooth s = smooth_at(age);
    cr_assert_eq(n, 64);
    for (size_t k = 0; k < n; k++) {
        double left = s.age - (double)(k + 1) / 64 * GD1_GYR;
        cr_expect_float_eq(smooth_end(&s, left), rows[4 * k + 2], 1e-9, "%s, %zu", age,
                           k);
    }
    free(rows);
}

Test(smooth, end)
{
    check_end("3.2");
    check_end("4.8");
}

/* The normal law of W above a / left, by Simpson's rule. */
Test(smooth, quadrature)
{
    smooth s = smooth_of(SPREAD_AGE, 3, 5 * GD1_GYR);
    for (double a = 0.05; a < 1; a += 0.1) {
        double left = 0.8 * s.age, least = a / left, h = s.sigma / 2000;
        double sum = 0, moment = 0;
        for (int i = 0; i <= 40000; i++) {
            double w = least + h * i, z = (w - s.offset) / s.sigma;
            double p = exp(-z * z / 2) / (s.sigma * sqrt(2 * GD1_PI));
            p *= h / 3 * (i == 0 ? 1 : i % 2 ? 4 : 2);
            sum += p, moment += w * p;
        }
        cr_expect_float_eq(smooth_density(&s, left, a), sum, 1e-7 * sum);
        cr_expect_float_eq(smooth_mean_frequency(&s, left, a), moment / sum,
                           1e-7 * s.offset);
    }
}

/* Where hardly a star has come, those there are go just fast enough. */
Test(smooth, far_tail)
{
    smooth s = smooth_of(SPREAD_AGE, 1, 3 * GD1_GYR);
    double least = 60 * s.sigma, mean = smooth_mean_frequency(&s, s.age, least * s.age);
    cr_expect_gt(mean, least);
    cr_expect_float_eq(mean, least + s.sigma / 59, 1e-5 * s.sigma);
}

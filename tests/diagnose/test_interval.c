/* Binomial intervals against their definition. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>

/* Clopper & Pearson: the ends leave half the rest in the tail that K begins. */
Test(interval, tails_are_as_defined)
{
    static const struct {
        unsigned k, n;
    } cases[] = {{1, 2}, {5, 10}, {681, 1000}, {19931, 20000}, {1, 20000}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned k = cases[i].k, n = cases[i].n;
        double ends[2];
        binomial_interval(k, n, 0.99, ends);
        cr_assert_float_eq(gsl_cdf_binomial_Q(k - 1, ends[0], n), 0.005, 1e-9);
        cr_assert_float_eq(gsl_cdf_binomial_P(k, ends[1], n), 0.005, 1e-9);
        cr_assert(ends[0] < (double)k / n && (double)k / n < ends[1]);
    }
}

/* Every K of a table as large as users ask for: ends are ordered, move with K, and are
 * exact. */
Test(interval, all_of_a_large_table)
{
    enum { N = 20000 };
    double before[2] = {-1, 0};

    for (unsigned k = 0; k <= N; k += k < 50 || k > N - 50 ? 1 : 37) {
        double ends[2], p = (double)k / N;
        binomial_interval(k, N, 0.99, ends);
        cr_assert(ends[0] <= p && p <= ends[1], "k %u: %g to %g", k, ends[0], ends[1]);
        cr_assert(ends[0] >= before[0] && ends[1] >= before[1]);
        if (k > 0)
            cr_assert_float_eq(gsl_cdf_beta_P(ends[0], k, N - k + 1), 0.005, 1e-9);
        if (k < N)
            cr_assert_float_eq(gsl_cdf_beta_Q(ends[1], k + 1, N - k), 0.005, 1e-9);
        before[0] = ends[0];
        before[1] = ends[1];
    }
}

Test(interval, none_and_all_are_exact)
{
    double ends[2];

    binomial_interval(0, 50, 0.99, ends);
    cr_assert_eq(ends[0], 0);
    cr_assert_float_eq(ends[1], 1 - pow(0.005, 1.0 / 50), 1e-12);
    binomial_interval(50, 50, 0.99, ends);
    cr_assert_float_eq(ends[0], pow(0.005, 1.0 / 50), 1e-12);
    cr_assert_eq(ends[1], 1);
    binomial_interval(0, 0, 0.99, ends);
    cr_assert_eq(ends[0], 0);
    cr_assert_eq(ends[1], 1);
}

Test(interval, verdicts)
{
    cr_assert_eq(verdict_of(0.68, (double[]){0.60, 0.679}), VERDICT_UNDER);
    cr_assert_eq(verdict_of(0.68, (double[]){0.60, 0.68}), VERDICT_OK);
    cr_assert_eq(verdict_of(0.68, (double[]){0.68, 0.70}), VERDICT_OK);
    cr_assert_eq(verdict_of(0.68, (double[]){0.681, 0.70}), VERDICT_OVER);
    cr_assert_str_eq(verdict_word(VERDICT_UNDER), "under");
    cr_assert_str_eq(verdict_word(VERDICT_OK), "ok");
    cr_assert_str_eq(verdict_word(VERDICT_OVER), "over");
}

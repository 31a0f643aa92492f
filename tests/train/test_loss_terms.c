/* Cross-entropies against long double, far into their tails; the balance of classifiers. */
#include "losses.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

Test(loss_terms, softplus_is_the_cross_entropy_of_two)
{
    for (double t = -800; t <= 800; t += 3.25) {
        double derivative, gradient[2], logit[2] = {0, t};
        double value = softplus(t, &derivative);
        double expected = cross_entropy(2, logit, gradient);
        cr_assert_float_eq(value, expected, 4e-16 * expected);
        cr_assert_float_eq(derivative, gradient[1], 4e-16 * derivative);
        cr_assert_eq(gradient[0], -gradient[1]);
    }
}

static void expect_reference(const double *logit)
{
    long double wide[4], share[4], wrong = 0;
    double gradient[4];
    for (int i = 0; i < 4; i++)
        wide[i] = (long double)logit[i];
    long double expected = reference_cross_entropy(4, wide, share);
    double value = cross_entropy(4, logit, gradient);
    cr_assert_float_eq(value, (double)expected, 1e-15 * (double)expected, "%.17g %.17Lg",
                       value, expected);
    for (int i = 1; i < 4; i++) {
        wrong += share[i];
        cr_assert_float_eq(gradient[i], (double)share[i], 1e-14 * (double)share[i]);
    }
    cr_assert_float_eq(gradient[0], (double)-wrong, 1e-14 * (double)wrong);
}

Test(loss_terms, cross_entropy_keeps_its_digits)
{
    static const double VALUE[] = {
        0, 0.5, -0.75, 3, -7, 30, -30, 80, -80, 1e30, -(double)FLT_MAX, 79.5};
    enum { N = sizeof VALUE / sizeof VALUE[0] };
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
            for (int c = 0; c < N; c++)
                for (int d = 0; d < N; d++)
                    expect_reference((double[4]){VALUE[a], VALUE[b], VALUE[c], VALUE[d]});
}

Test(loss_terms, statistic_in_the_tails)
{
    loss_options o = {.marginals = 1};
    for (float t = -80; t <= 80; t += 0.5f) {
        float logit[2] = {t, -80}, gradient[2];
        long double low = 1 / (1 + expl(80)), s = 1 / (1 + expl(-(long double)t));
        long double slope = expl(-fabsl((long double)t));
        slope /= (1 + slope) * (1 + slope);
        double value = balance_statistic(&o, logit, gradient);
        cr_assert_float_eq(value, (double)(s + low), 1e-15 * (double)(s + low));
        cr_assert_float_eq((double)gradient[0], (double)slope,
                           (double)FLT_EPSILON * (double)slope);
        cr_assert_eq(balance_statistic(&o, logit, NULL), value);
    }
}

Test(loss_terms, statistic_averages_marginal_pairs)
{
    float logit[4] = {0, 2, -2, 0}, gradient[4];
    loss_options o = {.marginals = 3};
    cr_assert_float_eq(balance_statistic(&o, logit, gradient), 1, 1e-15);
    cr_assert_float_eq((double)gradient[0], 0.25, 1e-7);
    cr_assert_float_eq((double)gradient[3], 0.25 / 3, 1e-7);
}

Test(loss_terms, penalty_is_the_squared_imbalance)
{
    double slope;
    loss_options o = {.lambda = 100};
    cr_assert_eq(balance_penalty(&o, 1, &slope), 0);
    cr_assert_eq(slope, 0);
    cr_assert_float_eq(balance_penalty(&o, 1.25, &slope), 6.25, 1e-14);
    cr_assert_float_eq(slope, 50, 1e-13);
    cr_assert_float_eq(balance_penalty(&o, 0.5, &slope), 25, 1e-13);
    cr_assert_float_eq(slope, -100, 1e-13);
}

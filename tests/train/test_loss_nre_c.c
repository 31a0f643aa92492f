/* NRE-C against long double, by differences, in its limits, and at its optimum. */
#include "losses.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

Test(loss_nre_c, gradient_is_the_derivative)
{
    static const double GAMMA[] = {0.5, 1, 3, 100};
    for (size_t k = 1; k <= 64; k *= 4)
        for (int i = 0; i < 4; i++) {
            loss_options o = {.marginals = k, .gamma = GAMMA[i]};
            expect_derivative(&loss_nre_c, &o, 4);
            expect_derivative(&loss_nre_c, &o, 60);
        }
}

/* From the probabilities of Miller et al. 2022: none K / (K + gamma sum r), the joint theta
 * gamma r / (K + gamma sum r). */
static long double reference(const loss_options *o, const float *logit)
{
    long double k = (long double)o->marginals, gamma = (long double)o->gamma;
    long double others = 0, mixed = expl((long double)logit[0]);
    for (size_t j = 1; j <= o->marginals; j++) {
        others += expl((long double)logit[j]);
        mixed += j < o->marginals ? expl((long double)logit[j]) : 0;
    }
    long double none = log1pl(gamma * others / k);
    long double joint = gamma * expl((long double)logit[0]);
    long double wrong = (k + gamma * mixed - joint) / joint;
    return (none + gamma * log1pl(wrong)) / (1 + gamma);
}

Test(loss_nre_c, value_in_the_tails)
{
    static const float VALUE[] = {0, 1.5f, -3, 20, -20, 80, -80};
    enum { N = sizeof VALUE / sizeof VALUE[0] };
    loss_options o = {.marginals = 2, .gamma = 3};
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
            for (int c = 0; c < N; c++) {
                float logit[3] = {VALUE[a], VALUE[b], VALUE[c]}, gradient[3];
                double expected = (double)reference(&o, logit);
                cr_assert_float_eq(loss_nre_c.row(&o, logit, gradient), expected,
                                   2e-15 * expected + 1e-18, "%g %g %g", (double)logit[0],
                                   (double)logit[1], (double)logit[2]);
            }
}

/* One marginal pair: 1 / (1 + e^-(80 + log gamma)) and the like, to a float's digits. */
Test(loss_nre_c, gradient_in_the_tails)
{
    loss_options o = {.marginals = 1, .gamma = 2};
    for (float t = -80; t <= 80; t += 0.5f) {
        float logit[2] = {t, -t}, gradient[2];
        (void)loss_nre_c.row(&o, logit, gradient);
        long double joint = 2 / (1 + 2 * expl((long double)t)) / 3;
        long double other =
            2 * expl(-(long double)t) / (1 + 2 * expl(-(long double)t)) / 3;
        cr_assert_float_eq((double)gradient[0], (double)-joint,
                           (double)FLT_EPSILON * (double)joint);
        cr_assert_float_eq((double)gradient[1], (double)other,
                           (double)FLT_EPSILON * (double)other);
    }
}

Test(loss_nre_c, any_finite_logit_is_safe)
{
    expect_finite(&loss_nre_c, &(loss_options){.marginals = 1, .gamma = 1});
    expect_finite(&loss_nre_c, &(loss_options){.marginals = 3, .gamma = 1e6});
    expect_finite(&loss_nre_c, &(loss_options){.marginals = 3, .gamma = 1e-300});
}

Test(loss_nre_c, one_marginal_pair_at_even_odds_is_half_of_nre_a)
{
    loss_options o = {.marginals = 1, .gamma = 1};
    for (float t = -9; t <= 9; t += 0.75f) {
        float logit[2] = {t, 3 - t / 2}, g[2], h[2];
        double half = loss_nre_a.row(&o, logit, g) / 2;
        cr_assert_float_eq(loss_nre_c.row(&o, logit, h), half, 1e-15 * half);
        for (int i = 0; i < 2; i++)
            cr_assert_float_eq((double)h[i], (double)g[i] / 2, 1e-7 * fabs((double)g[i]));
    }
}

/* Miller et al. 2022: with gamma -> infinity "none" is never right and NRE-B is left, among the
 * joint and K - 1 marginal thetas. */
Test(loss_nre_c, endless_odds_leave_nre_b)
{
    float logit[4] = {0.5f, -1, 2, 0.25f}, g[4], h[4];
    double c = loss_nre_c.row(&(loss_options){.marginals = 3, .gamma = 1e12}, logit, g);
    double b = loss_nre_b.row(&(loss_options){.marginals = 2}, logit, h);
    cr_assert_float_eq(c, b, 1e-10);
    for (int i = 0; i < 3; i++)
        cr_assert_float_eq((double)g[i], (double)h[i], 1e-7);
    cr_assert_float_eq((double)g[3], 0, 1e-10);
}

Test(loss_nre_c, optimum_is_the_log_ratio)
{
    expect_log_ratio(&loss_nre_c, 0.5, 0);
    expect_log_ratio(&loss_nre_c, 1, 0);
    expect_log_ratio(&loss_nre_c, 3, 0);
}

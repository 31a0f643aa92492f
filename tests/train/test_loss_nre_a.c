/* NRE-A against long double, and at its optimum. */
#include "losses.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

static long double wide_softplus(long double t)
{
    return t > 0 ? t + log1pl(expl(-t)) : log1pl(expl(t));
}

static long double wide_sigmoid(long double t)
{
    return 1 / (1 + expl(-t));
}

Test(loss_nre_a, value_and_gradient_in_the_tails)
{
    for (float joint = -80; joint <= 80; joint += 0.5f) {
        for (float other = -80; other <= 80; other += 2.5f) {
            float logit[3] = {joint, other, -other / 2}, gradient[3];
            long double expected = wide_softplus(-joint) +
                                   (wide_softplus(other) + wide_softplus(-other / 2)) / 2;
            double value =
                loss_nre_a.row(&(loss_options){.marginals = 2}, logit, gradient);
            cr_assert_float_eq(value, (double)expected, 1e-15 * (double)expected);
            long double derivative[3] = {-wide_sigmoid(-joint), wide_sigmoid(other) / 2,
                                         wide_sigmoid(-other / 2) / 2};
            for (int i = 0; i < 3; i++)
                cr_assert_float_eq((double)gradient[i], (double)derivative[i],
                                   (double)FLT_EPSILON * fabs((double)derivative[i]));
        }
    }
}

Test(loss_nre_a, gradient_is_the_derivative)
{
    const double h = 0x1p-10;
    float logit[4] = {0.75f, -1.5f, 2.25f, 0.125f}, gradient[4], ignored[4];
    loss_nre_a.row(&(loss_options){.marginals = 3}, logit, gradient);
    for (int i = 0; i < 4; i++) {
        float up[4], down[4];
        for (int j = 0; j < 4; j++)
            up[j] = down[j] = logit[j];
        up[i] += (float)h;
        down[i] -= (float)h;
        double difference =
            (loss_nre_a.row(&(loss_options){.marginals = 3}, up, ignored) -
             loss_nre_a.row(&(loss_options){.marginals = 3}, down, ignored)) /
            (2 * h);
        cr_assert_float_eq(difference, (double)gradient[i], 1e-7);
    }
}

Test(loss_nre_a, any_finite_logit_is_safe)
{
    float logit[2] = {-FLT_MAX, FLT_MAX}, gradient[2];
    cr_assert(isfinite(loss_nre_a.row(&(loss_options){.marginals = 1}, logit, gradient)));
    cr_assert_eq(gradient[0], -1.0f);
    cr_assert_eq(gradient[1], 1.0f);
    float good[2] = {FLT_MAX, -FLT_MAX};
    cr_assert_eq(loss_nre_a.row(&(loss_options){.marginals = 1}, good, gradient), 0);
    cr_assert_eq(gradient[0], 0.0f);
    cr_assert_eq(gradient[1], 0.0f);
}

Test(loss_nre_a, does_not_depend_on_copies_of_a_marginal_pair)
{
    float one[2] = {0.5f, -0.25f}, three[4] = {0.5f, -0.25f, -0.25f, -0.25f}, g[4], h[4];
    cr_assert_float_eq(loss_nre_a.row(&(loss_options){.marginals = 1}, one, g),
                       loss_nre_a.row(&(loss_options){.marginals = 3}, three, h), 1e-15);
    cr_assert_eq(g[0], h[0]);
    cr_assert_float_eq((double)g[1], 3 * (double)h[1], 1e-7);
}

Test(loss_nre_a, optimum_is_the_log_ratio)
{
    expect_log_ratio(&loss_nre_a, 1, 0);
}

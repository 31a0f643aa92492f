/* NRE-A against long double, and at its optimum. */
#include "train/train.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

static long double softplus(long double t)
{
    return t > 0 ? t + log1pl(expl(-t)) : log1pl(expl(t));
}

static long double sigmoid(long double t)
{
    return 1 / (1 + expl(-t));
}

Test(loss_nre_a, value_and_gradient_in_the_tails)
{
    for (float joint = -80; joint <= 80; joint += 0.5f) {
        for (float other = -80; other <= 80; other += 2.5f) {
            float logit[3] = {joint, other, -other / 2}, gradient[3];
            long double expected =
                softplus(-joint) + (softplus(other) + softplus(-other / 2)) / 2;
            double value =
                loss_nre_a.row(&(loss_options){.marginals = 2}, logit, gradient);
            cr_assert_float_eq(value, (double)expected, 1e-15 * (double)expected);
            long double derivative[3] = {-sigmoid(-joint), sigmoid(other) / 2,
                                         sigmoid(-other / 2) / 2};
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

/* the optimum */

enum { THETAS = 3, XS = 4 };
static const double PRIOR[THETAS] = {0.5, 0.3, 0.2};
static const double LIKELIHOOD[THETAS][XS] = {
    {0.1, 0.2, 0.3, 0.4}, {0.7, 0.1, 0.1, 0.1}, {0.02, 0.48, 0.25, 0.25}};

static double evidence(int x)
{
    double sum = 0;
    for (int t = 0; t < THETAS; t++)
        sum += PRIOR[t] * LIKELIHOOD[t][x];
    return sum;
}

/* One descent step of the expected loss over joint rows (t, x) with two marginal thetas,
 * each logit by its own curvature. */
static void descend(float cell[THETAS][XS])
{
    double derivative[THETAS][XS] = {{0}};
    for (int x = 0; x < XS; x++)
        for (int t = 0; t < THETAS; t++)
            for (int a = 0; a < THETAS; a++)
                for (int b = 0; b < THETAS; b++) {
                    double weight = PRIOR[t] * LIKELIHOOD[t][x] * PRIOR[a] * PRIOR[b];
                    float logit[3] = {cell[t][x], cell[a][x], cell[b][x]}, g[3];
                    loss_nre_a.row(&(loss_options){.marginals = 2}, logit, g);
                    derivative[t][x] += weight * (double)g[0];
                    derivative[a][x] += weight * (double)g[1];
                    derivative[b][x] += weight * (double)g[2];
                }
    for (int t = 0; t < THETAS; t++)
        for (int x = 0; x < XS; x++) {
            double mass = PRIOR[t] * (LIKELIHOOD[t][x] + evidence(x));
            cell[t][x] -= (float)(4 * derivative[t][x] / mass);
        }
}

Test(loss_nre_a, optimum_is_the_log_ratio)
{
    float cell[THETAS][XS] = {{0}};
    for (int step = 0; step < 200; step++)
        descend(cell);
    for (int t = 0; t < THETAS; t++)
        for (int x = 0; x < XS; x++)
            cr_assert_float_eq((double)cell[t][x], log(LIKELIHOOD[t][x] / evidence(x)),
                               3e-6, "theta %d, x %d: %g", t, x, (double)cell[t][x]);
}

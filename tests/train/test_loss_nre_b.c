/* NRE-B against long double, by differences, and at its optimum. */
#include "losses.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

Test(loss_nre_b, gradient_is_the_derivative)
{
    for (size_t k = 1; k <= 64; k *= 4) {
        expect_derivative(&loss_nre_b, &(loss_options){.marginals = k}, 4);
        expect_derivative(&loss_nre_b, &(loss_options){.marginals = k}, 60);
    }
}

static void expect_reference(const float *logit)
{
    long double wide[4], share[4], wrong = 0;
    float gradient[4];
    for (int i = 0; i < 4; i++)
        wide[i] = (long double)logit[i];
    long double expected = reference_cross_entropy(4, wide, share);
    double value = loss_nre_b.row(&(loss_options){.marginals = 3}, logit, gradient);
    cr_assert_float_eq(value, (double)expected, 1e-15 * (double)expected);
    for (int i = 1; i < 4; i++) {
        wrong += share[i];
        cr_assert_float_eq((double)gradient[i], (double)(float)share[i],
                           (double)(float)share[i] * (double)FLT_EPSILON);
    }
    cr_assert_float_eq((double)gradient[0], (double)-wrong,
                       (double)wrong * (double)FLT_EPSILON + (double)FLT_TRUE_MIN);
}

Test(loss_nre_b, value_and_gradient_in_the_tails)
{
    static const float VALUE[] = {0, 1.5f, -3, 40, -40, 80, -80, 1e30f, -1e30f};
    enum { N = sizeof VALUE / sizeof VALUE[0] };
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
            for (int c = 0; c < N; c++)
                expect_reference((float[4]){VALUE[a], VALUE[b], VALUE[c], 0.25f});
}

Test(loss_nre_b, any_finite_logit_is_safe)
{
    expect_finite(&loss_nre_b, &(loss_options){.marginals = 3});
}

Test(loss_nre_b, function_of_x_changes_nothing)
{
    float logit[3] = {0.5f, -0.25f, 1}, shifted[3] = {8.5f, 7.75f, 9}, g[3], h[3];
    loss_options o = {.marginals = 2};
    cr_assert(loss_nre_b.up_to_x);
    cr_assert_eq(loss_nre_b.row(&o, logit, g), loss_nre_b.row(&o, shifted, h));
    cr_assert_arr_eq(g, h, sizeof g);
}

Test(loss_nre_b, ratio_of_one_guesses_among_all)
{
    float logit[6] = {0}, gradient[6];
    for (size_t k = 1; k <= 5; k++)
        cr_assert_float_eq(
            loss_nre_b.row(&(loss_options){.marginals = k}, logit, gradient),
            log(1 + (double)k), 1e-15);
}

Test(loss_nre_b, optimum_is_the_log_ratio_up_to_a_function_of_x)
{
    expect_log_ratio(&loss_nre_b, 1, 0);
}

/* BCNRE: its parts and its optimum. */
#include "losses.h"

#include <criterion/criterion.h>
#include <math.h>

Test(loss_bcnre, gradient_is_the_derivative)
{
    for (size_t k = 1; k <= 9; k *= 3) {
        loss_options o = {.marginals = k, .gamma = 2, .lambda = 100};
        expect_derivative(&loss_bcnre, &o, 4);
        expect_derivative(&loss_bcnre, &o, 60);
    }
}

Test(loss_bcnre, any_finite_logit_is_safe)
{
    expect_finite(&loss_bcnre,
                  &(loss_options){.marginals = 3, .gamma = 3, .lambda = 100});
}

Test(loss_bcnre, without_weight_is_nre_c)
{
    float logit[6] = {1, -2, 0.5f, 3, 0, -4};
    double g[6], h[6];
    loss_options o = {.marginals = 2, .gamma = 3};
    cr_assert_eq(batch_value(&loss_bcnre, &o, 2, logit, g),
                 batch_value(&loss_nre_c, &o, 2, logit, h));
    cr_assert_arr_eq(g, h, sizeof g);
}

/* A mean of cross-entropies here, a sum there: the same lambda weighs twice as much. */
Test(loss_bcnre, one_marginal_pair_at_even_odds_is_half_of_bnre_of_twice_the_weight)
{
    float logit[4] = {1, -2, 0.5f, 3};
    loss_options mean = {.marginals = 1, .gamma = 1, .lambda = 100}, sum = mean;
    sum.lambda = 200;
    double value = batch_value(&loss_bcnre, &mean, 2, logit, NULL);
    cr_assert_float_eq(value, batch_value(&loss_bnre, &sum, 2, logit, NULL) / 2,
                       1e-14 * value);
}

Test(loss_bcnre, optimum_is_the_log_ratio)
{
    static const double GAMMA[] = {0.5, 1, 3};
    for (int i = 0; i < 3; i++) {
        expect_log_ratio(&loss_bcnre, GAMMA[i], 1);
        expect_log_ratio(&loss_bcnre, GAMMA[i], 100);
    }
}

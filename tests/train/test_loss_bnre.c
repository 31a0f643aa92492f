/* BNRE: its parts, its balance, and its optimum. */
#include "losses.h"
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>

Test(loss_bnre, gradient_is_the_derivative)
{
    for (size_t k = 1; k <= 9; k *= 3) {
        loss_options o = {.marginals = k, .lambda = 100};
        expect_derivative(&loss_bnre, &o, 4);
        expect_derivative(&loss_bnre, &o, 60);
    }
}

Test(loss_bnre, any_finite_logit_is_safe)
{
    expect_finite(&loss_bnre, &(loss_options){.marginals = 3, .lambda = 100});
}

Test(loss_bnre, without_weight_is_nre_a)
{
    float logit[6] = {1, -2, 0.5f, 3, 0, -4};
    double g[6], h[6];
    loss_options o = {.marginals = 2};
    cr_assert_eq(batch_value(&loss_bnre, &o, 2, logit, g),
                 batch_value(&loss_nre_a, &o, 2, logit, h));
    cr_assert_arr_eq(g, h, sizeof g);
}

/* Two rows: sigmoids 3/4 and 1/2 of joint, 1/4 and 3/4 of marginal pairs. */
Test(loss_bnre, value_of_a_batch_by_hand)
{
    float three = (float)log(3), logit[4] = {three, -three, 0, three};
    loss_options o = {.marginals = 1, .lambda = 100};
    double entropies = -log(0.75) - log(0.75) - log(0.5) - log(0.25);
    double imbalance = (0.75 + 0.5 + 0.25 + 0.75) / 2 - 1;
    cr_assert_float_eq(batch_value(&loss_bnre, &o, 2, logit, NULL),
                       entropies + 2 * 100 * imbalance * imbalance, 1e-5);
}

/* What the trainer is given does what batch_value does here. */
Test(loss_bnre, batch_has_the_penalty_of_all_its_rows)
{
    enum { N = 5, K = 3, ALL = N * (1 + K) };
    problem p;
    pair_batch b;
    trainer_job job;
    float logit[ALL], gradient[ALL];
    double expected[ALL];
    problem_open(&p, 20, 20, 1);
    p.settings.loss = &loss_bnre;
    p.settings.loss_options = (loss_options){.marginals = K, .lambda = 100};
    for (int i = 0; i < ALL; i++)
        logit[i] = (float)sin(3 * i);
    cr_assert_eq(batch_new(&p.job, p.rows[0], N, 1 + K, &b), 0);
    b.n = N;
    batch_job(&b, &job);
    double measured = job.measure(job.context, 0, 2, logit) +
                      job.measure(job.context, 2, N - 2, logit + 2 * (1 + K));
    double value = job.loss(job.context, 0, N, logit, measured, gradient);
    cr_assert_float_eq(
        value, batch_value(&loss_bnre, &p.settings.loss_options, N, logit, expected),
        1e-12);
    for (int i = 0; i < ALL; i++)
        cr_assert_float_eq((double)gradient[i], expected[i], 1e-6);
    batch_free(&b);
    problem_close(&p);
}

static double statistic_of_table(const loss_options *o)
{
    loss alone = {.name = "statistic", .row = balance_statistic};
    double cell[CELLS], gradient[CELLS];
    for (size_t t = 0; t < THETAS; t++)
        for (size_t x = 0; x < XS; x++)
            cell[t * XS + x] = table_log_ratio(t, x);
    return table_loss(&alone, o, cell, gradient);
}

Test(loss_bnre, exact_ratio_is_balanced)
{
    for (size_t k = 1; k <= 3; k++)
        cr_assert_float_eq(statistic_of_table(&(loss_options){.marginals = k}), 1, 1e-7);
}

Test(loss_bnre, optimum_is_the_log_ratio)
{
    expect_log_ratio(&loss_bnre, 1, 0);
    expect_log_ratio(&loss_bnre, 1, 1);
    expect_log_ratio(&loss_bnre, 1, 100);
}

/* Rows as a network sees them. */
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 200, K = 3 };

static float standard(const problem *p, uint64_t row, size_t d)
{
    return (float)(p->theta[0][row * PROBLEM_D + d] / sqrt(0.1));
}

Test(batch, thetas_are_of_the_row_and_of_shifted_rows)
{
    problem p;
    pair_batch b;
    uint64_t index[N], shift[K] = {1, 57, N - 1};
    problem_open(&p, 1000, 10, 1);
    for (size_t i = 0; i < N; i++)
        index[i] = (i * 37 + 5) % 1000;
    cr_assert_eq(batch_new(&p.job, p.rows[0], N, 1 + K, &b), 0);
    cr_assert_eq(batch_gather(&b, N, index), 0);
    batch_place(&b, 0, N, 0);
    for (size_t j = 0; j < K; j++)
        batch_place(&b, 1 + j, N, shift[j]);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= K; j++)
            for (size_t d = 0; d < PROBLEM_D; d++) {
                uint64_t row = index[(i + (j ? shift[j - 1] : 0)) % N];
                float z = b.theta[(i * (1 + K) + j) * PROBLEM_D + d];
                cr_assert_float_eq(z, standard(&p, row, d), 1e-6);
            }
    batch_free(&b);
    problem_close(&p);
}

/* In any split and by any worker, rows of x follow the index and are standardised. */
Test(batch, fill_gives_the_rows_of_the_index)
{
    problem p;
    pair_batch b;
    trainer_job job;
    uint64_t index[N];
    float x[N * PROBLEM_D], theta[N * PROBLEM_D];
    problem_open(&p, 1000, 10, 2);
    for (size_t i = 0; i < N; i++)
        index[i] = 999 - 4 * i;
    cr_assert_eq(batch_new(&p.job, p.rows[0], N, 1, &b), 0);
    cr_assert_eq(batch_gather(&b, N, index), 0);
    batch_place(&b, 0, N, 0);
    b.index = index;
    b.n = N;
    batch_job(&b, &job);
    cr_assert_eq(job.n, N);
    for (size_t at = 0, n = 1; at < N; at += n, n = n * 2 < N - at ? n * 2 : N - at)
        cr_assert_eq(job.fill(job.context, at % 2, at, n, x + at * PROBLEM_D,
                              theta + at * PROBLEM_D),
                     0);
    for (size_t i = 0; i < N * PROBLEM_D; i++) {
        uint64_t row = index[i / PROBLEM_D];
        float raw = p.x[0][row * PROBLEM_D + i % PROBLEM_D];
        cr_assert_float_eq(x[i], raw / sqrtf(0.2f), 1e-5);
        cr_assert_eq(theta[i], b.gathered[i]);
    }
    batch_free(&b);
    problem_close(&p);
}

Test(batch, clamped_values_are_counted)
{
    problem p;
    pair_batch b;
    trainer_job job;
    uint64_t index[4] = {0, 1, 2, 3};
    float x[4 * PROBLEM_D], theta[4 * PROBLEM_D];
    problem_open(&p, 100, 10, 2);
    p.x[0][3] = 1e6f;
    p.x[0][4] = -1e6f;
    cr_assert_eq(batch_new(&p.job, p.rows[0], 4, 1, &b), 0);
    b.index = index;
    b.n = 4;
    batch_job(&b, &job);
    cr_assert_eq(job.fill(job.context, 0, 0, 2, x, theta), 0);
    cr_assert_eq(job.fill(job.context, 1, 2, 2, x + 2 * PROBLEM_D, theta), 0);
    cr_assert_eq(batch_clamped(&b), 2);
    cr_assert_eq(x[3], SCALING_CLAMP);
    cr_assert_eq(x[4], -SCALING_CLAMP);
    batch_forget(&b);
    cr_assert_eq(batch_clamped(&b), 0);
    batch_free(&b);
    problem_close(&p);
}

Test(batch, values_that_are_not_finite_are_named)
{
    problem p;
    pair_batch b;
    trainer_job job;
    uint64_t index[3] = {40, 42, 41};
    float x[3 * PROBLEM_D], theta[3 * PROBLEM_D];
    problem_open(&p, 100, 10, 1);
    p.x[0][42 * PROBLEM_D + 1] = NAN;
    cr_assert_eq(batch_new(&p.job, p.rows[0], 3, 1, &b), 0);
    b.index = index;
    b.n = 3;
    batch_job(&b, &job);
    cr_assert_eq(job.fill(job.context, 0, 0, 3, x, theta), NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "row 42: value 1 of x"), "%s",
                       error_message());
    p.theta[0][41 * PROBLEM_D] = INFINITY;
    cr_assert_eq(batch_gather(&b, 3, index), NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "row 41"), "%s", error_message());
    batch_free(&b);
    problem_close(&p);
}

Test(batch, loss_is_the_sum_over_rows)
{
    problem p;
    pair_batch b;
    trainer_job job;
    float logit[2 * 3] = {0.5f, -1, 0.25f, 2, 1, -3}, gradient[6], row[3];
    problem_open(&p, 100, 10, 1);
    cr_assert_eq(batch_new(&p.job, p.rows[0], 2, 3, &b), 0);
    b.n = 2;
    batch_job(&b, &job);
    double sum = job.loss(job.context, 0, 2, logit, 0, gradient);
    double expected = loss_nre_a.row(&(loss_options){.marginals = 2}, logit, row);
    cr_assert_arr_eq(gradient, row, sizeof row);
    expected += loss_nre_a.row(&(loss_options){.marginals = 2}, logit + 3, row);
    cr_assert_arr_eq(gradient + 3, row, sizeof row);
    cr_assert_eq(sum, expected);
    batch_free(&b);
    problem_close(&p);
}

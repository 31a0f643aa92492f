/* The loss on fixed pairs of the validation set. */
#include "problem.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = VALIDATION_CHUNK + 300 }; /* more than one chunk, the last one partial */

static int prior_ratio(void *context, size_t n, const double *theta, const float *x,
                       double *out)
{
    (void)context;
    (void)theta;
    (void)x;
    memset(out, 0, n * sizeof *out);
    return NRE_OK;
}

Test(validation, ratio_of_one_has_the_loss_of_the_prior)
{
    problem p;
    double value;
    problem_open(&p, 10, N, 1);
    cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &value), 0);
    cr_assert_float_eq(value, 2 * log(2), 1e-12);
    problem_close(&p);
}

/* Over all pairs but those of a row with itself, the marginal part is an average over
 * shifts. */
Test(validation, exact_ratio_against_plain_loops)
{
    problem p;
    double value, expected = 0;
    uint64_t shift[VALIDATION_SHIFTS];
    rng r;
    problem_open(&p, 10, N, 1);
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &value), 0);
    rng_start(&r, rng_purpose(p.settings.seed, "batches/validation"), 0, 0);
    pair_shifts(&r, N, VALIDATION_SHIFTS, shift);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= VALIDATION_SHIFTS; j++) {
            size_t row = j ? (i + shift[j - 1]) % N : i;
            double l;
            problem_log_ratio(NULL, 1, p.theta[1] + row * PROBLEM_D,
                              p.x[1] + i * PROBLEM_D, &l);
            expected += j ? log1p(exp(l)) / VALIDATION_SHIFTS : log1p(exp(-l));
        }
    cr_assert_float_eq(value, expected / N, 1e-6);
    cr_assert_lt(value, 1.30);
    problem_close(&p);
}

/* Where nothing is known a loss has the value that it has in training with as many marginal
 * pairs. */
Test(validation, ratio_of_one_for_each_loss_and_number_of_pairs)
{
    static const size_t k[] = {1, 3, 8, 20, MOST_MARGINALS};
    problem p;
    problem_open(&p, 10, N, 1);
    for (size_t i = 0; i < sizeof k / sizeof k[0]; i++) {
        double b, c, balanced;
        double none = log(1 + 3.0), joint = -log(3 / (double)k[i] / (1 + 3.0));
        p.settings.loss_options = (loss_options){k[i], 3, 100};
        p.settings.loss = &loss_nre_b;
        cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &b), 0);
        cr_assert_float_eq(b, log(1 + (double)k[i]), 1e-12);
        p.settings.loss = &loss_nre_c;
        cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &c), 0);
        cr_assert_float_eq(c, (none + 3 * joint) / (1 + 3), 1e-6);
        p.settings.loss = &loss_bnre;
        cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &balanced), 0);
        cr_assert_float_eq(balanced, 2 * log(2), 1e-12);
        cr_assert_eq(validation_shifts(&p.job), k[i] < 8 ? 8 : k[i]);
    }
    p.settings.loss_options.marginals = MOST_MARGINALS + 1;
    double ignored;
    cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &ignored), NRE_EINVAL);
    problem_close(&p);
}

/* Pairs of neighbouring shifts in a circle, each in as many groups as any other. */
Test(validation, contrasts_as_many_pairs_as_training)
{
    problem p;
    double value, expected = 0;
    uint64_t shift[VALIDATION_SHIFTS];
    rng r;
    problem_open(&p, 10, N, 1);
    p.settings.loss = &loss_nre_b;
    cr_assert_eq(p.settings.loss_options.marginals, 2);
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &value), 0);
    rng_start(&r, rng_purpose(p.settings.seed, "batches/validation"), 0, 0);
    pair_shifts(&r, N, VALIDATION_SHIFTS, shift);
    for (size_t i = 0; i < N; i++) {
        double l[1 + VALIDATION_SHIFTS];
        for (size_t j = 0; j <= VALIDATION_SHIFTS; j++)
            problem_log_ratio(NULL, 1,
                              p.theta[1] + (j ? (i + shift[j - 1]) % N : i) * PROBLEM_D,
                              p.x[1] + i * PROBLEM_D, &l[j]);
        for (size_t j = 0; j < VALIDATION_SHIFTS; j++)
            expected += log1p(exp(l[1 + j] - l[0]) +
                              exp(l[1 + (j + 1) % VALIDATION_SHIFTS] - l[0])) /
                        VALIDATION_SHIFTS;
    }
    cr_assert_float_eq(value, expected / N, 1e-6);
    problem_close(&p);
}

/* The penalty is one of the whole set, which takes two chunks here. */
Test(validation, penalty_of_the_whole_set)
{
    problem p;
    double value, plain, statistic = 0;
    uint64_t shift[VALIDATION_SHIFTS];
    rng r;
    problem_open(&p, 10, N, 1);
    p.settings.loss_options.lambda = 1e4; /* that of so many rows is small */
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &plain), 0);
    p.settings.loss = &loss_bnre;
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &value), 0);
    rng_start(&r, rng_purpose(p.settings.seed, "batches/validation"), 0, 0);
    pair_shifts(&r, N, VALIDATION_SHIFTS, shift);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= VALIDATION_SHIFTS; j++) {
            size_t row = j ? (i + shift[j - 1]) % N : i;
            double l;
            problem_log_ratio(NULL, 1, p.theta[1] + row * PROBLEM_D,
                              p.x[1] + i * PROBLEM_D, &l);
            statistic += (j ? 1.0 / VALIDATION_SHIFTS : 1) / (1 + exp(-l)) / N;
        }
    cr_assert_gt(fabs(statistic - 1), 1e-5);
    cr_assert_float_eq(value - plain, 1e4 * (statistic - 1) * (statistic - 1), 1e-4);
    problem_close(&p);
}

static int broken_ratio(void *context, size_t n, const double *theta, const float *x,
                        double *out)
{
    prior_ratio(context, n, theta, x, out);
    out[n - 1] = *(double *)context;
    return NRE_OK;
}

Test(validation, ratio_of_zero_is_allowed_and_nan_is_not)
{
    problem p;
    double value, bad = NAN, zero = -INFINITY;
    problem_open(&p, 10, 20, 1);
    cr_assert_eq(validation_loss_of(&p.job, broken_ratio, &bad, &value), NRE_ENUMERIC);
    cr_assert_eq(validation_loss_of(&p.job, broken_ratio, &zero, &value), 0);
    cr_assert(isfinite(value));
    cr_assert_gt(value, (double)FLT_MAX / 40); /* a truth that the ratio excludes */
    problem_close(&p);
}

/* the network's */

typedef struct evaluation {
    const problem *p;
    model *m;
    model_worker *w;
} evaluation;

static int model_ratio(void *context, size_t n, const double *theta, const float *x,
                       double *out)
{
    const evaluation *e = context;
    float *head = memory_new(n, (model_head_size(e->m) + 1) * sizeof *head);
    float *z = memory_new(n, PROBLEM_D * sizeof *z),
          *t = memory_new(n, PROBLEM_D * sizeof *t);
    float *logit = memory_new(n, sizeof *logit);
    scaling_apply(&e->p->scaling, n, x, z, NULL);
    target_standardise(&e->p->target, n, theta, t, NULL);
    int status = model_head(e->m, e->w, n, z, head);
    if (!status)
        status = model_trunk(e->m, e->w, n, 1, head, t, logit, NULL);
    for (size_t i = 0; i < n; i++)
        out[i] = (double)logit[i];
    free(head);
    free(z);
    free(t);
    free(logit);
    return status;
}

static double network_loss(problem *p, const float *weights, const float *buffers)
{
    validator v;
    double value;
    cr_assert_eq(validator_new(&p->job, &v), 0, "%s", error_message());
    cr_assert_eq(validator_loss(&v, weights, buffers, &value), 0, "%s", error_message());
    validator_free(&v);
    return value;
}

Test(validation, network_has_the_loss_of_its_own_ratio)
{
    static const size_t k[] = {2, 20};
    problem p;
    evaluation e = {.p = &p};
    double expected;
    size_t n;
    const loss *const *all = loss_list(&n);
    problem_open(&p, 10, N, 2);
    float *weights = memory_new(net_n_weights(p.net), sizeof *weights);
    float *buffers = memory_new(net_n_buffers(p.net) + 1, sizeof *buffers);
    net_init(p.net, rng_purpose(1, "init"), weights, buffers);
    cr_assert_eq(model_new(p.net, weights, buffers, &e.m), 0);
    cr_assert_eq(model_worker_new(e.m, &e.w), 0);
    for (size_t i = 0; i < 2 * n; i++) {
        p.settings.loss = all[i / 2];
        p.settings.loss_options = (loss_options){k[i % 2], 2, 100};
        cr_assert_eq(validation_loss_of(&p.job, model_ratio, &e, &expected), 0);
        cr_assert_float_eq(network_loss(&p, weights, buffers), expected, 1e-6, "%s",
                           all[i / 2]->name);
    }
    model_worker_free(e.w);
    model_free(e.m);
    free(weights);
    free(buffers);
    problem_close(&p);
}

Test(validation, threads_change_no_bit)
{
    double value[2];
    for (unsigned t = 1; t <= 2; t++) {
        problem p;
        problem_open(&p, 10, N, t);
        float *weights = memory_new(net_n_weights(p.net), sizeof *weights);
        float *buffers = memory_new(net_n_buffers(p.net) + 1, sizeof *buffers);
        net_init(p.net, rng_purpose(1, "init"), weights, buffers);
        value[t - 1] = network_loss(&p, weights, buffers);
        free(weights);
        free(buffers);
        problem_close(&p);
    }
    cr_assert_eq(value[0], value[1]);
}

Test(validation, tiny_sets_have_fewer_shifts_and_one_row_none)
{
    problem p;
    validator v;
    double value;
    problem_open(&p, 10, 5, 1);
    cr_assert_eq(validator_new(&p.job, &v), 0);
    cr_assert_eq(v.k, 4);
    validator_free(&v);
    cr_assert_eq(validation_loss_of(&p.job, prior_ratio, NULL, &value), 0);
    cr_assert_float_eq(value, 2 * log(2), 1e-12);
    problem_close(&p);

    problem_open(&p, 10, 1, 1);
    cr_assert_eq(validator_new(&p.job, &v), NRE_EINVAL);
    validator_free(&v);
    problem_close(&p);
}

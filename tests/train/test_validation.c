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
    problem p;
    evaluation e = {.p = &p};
    double expected;
    problem_open(&p, 10, N, 2);
    float *weights = memory_new(net_n_weights(p.net), sizeof *weights);
    float *buffers = memory_new(net_n_buffers(p.net) + 1, sizeof *buffers);
    net_init(p.net, rng_purpose(1, "init"), weights, buffers);
    cr_assert_eq(model_new(p.net, weights, buffers, &e.m), 0);
    cr_assert_eq(model_worker_new(e.m, &e.w), 0);
    cr_assert_eq(validation_loss_of(&p.job, model_ratio, &e, &expected), 0);
    cr_assert_float_eq(network_loss(&p, weights, buffers), expected, 1e-6);
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

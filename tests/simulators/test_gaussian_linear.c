#include "support.h"

#include <math.h>
#include <stdlib.h>

/* Observation 1 of the benchmark of Lueckmann et al. (2021), with its true parameters. */
static const float OBSERVED[10] = {
    1.0471346F,    0.5566712F,  -0.23618454F, 0.027879834F, -1.0051446F,
    -0.007930746F, 0.06117077F, -0.29286885F, -0.38539964F, 0.2449614F};
static const double TRUTH[10] = {0.27184236,  0.6762953,   0.17189318,  -0.04218617,
                                 -0.82151634, 0.024290232, -0.24255924, -0.16438946,
                                 -0.13595216, 0.26958188};

Test(gaussian_linear, moments_and_information)
{
    enum { N = 20000 };
    subject s;
    subject_open(&s, "gaussian_linear", NULL);
    cr_assert_eq(s.d, 10);
    cr_assert_eq(s.n_x, 10);
    double *theta = memory_new(N * 10, sizeof *theta), *v = memory_new(N, sizeof *v);
    float *x = memory_new(N * 10, sizeof *x);
    subject_draw(&s, "moments", N, NULL, theta, x);
    for (size_t k = 0; k < 10; k++) {
        for (size_t i = 0; i < N; i++)
            v[i] = (double)x[10 * i + k] * (double)x[10 * i + k];
        cr_assert(fabs(z_of_mean(N, v, 0.2)) < 4.5);
        for (size_t i = 0; i < N; i++)
            v[i] = theta[10 * i + k] * (double)x[10 * i + k];
        cr_assert(fabs(z_of_mean(N, v, 0.1)) < 4.5);
    }
    for (size_t i = 0; i < N; i++)
        v[i] = log_likelihood_at(&s, theta + 10 * i, x + 10 * i) -
               log_evidence_at(&s, x + 10 * i);
    cr_assert(fabs(z_of_mean(N, v, 5 * log(2))) < 4.5);
    free(x);
    free(v);
    free(theta);
    subject_close(&s);
}

Test(gaussian_linear, ratio_of_the_benchmark)
{
    subject s;
    double expected = 0;
    subject_open(&s, "gaussian_linear", NULL);
    for (size_t k = 0; k < 10; k++) {
        double x = (double)OBSERVED[k], r = x - TRUTH[k];
        expected += 0.5 * log(2) - r * r / 0.2 + x * x / 0.4;
    }
    double ratio = log_likelihood_at(&s, TRUTH, OBSERVED) - log_evidence_at(&s, OBSERVED);
    cr_assert_float_eq(ratio, expected, 1e-12);
    subject_close(&s);
}

/* prior x likelihood = evidence x posterior, each density written out anew. */
Test(gaussian_linear, bayes)
{
    subject s;
    const float x = 0.7F;
    const double theta = -0.2, root = sqrt(2 * acos(-1.0));
    subject_open(&s, "gaussian_linear", "dim=1");
    double before = exp(-theta * theta / 0.2) / (root * sqrt(0.1));
    double after = exp(-(theta - 0.35) * (theta - 0.35) / 0.1) / (root * sqrt(0.05));
    double joint = before * exp(log_likelihood_at(&s, &theta, &x));
    cr_assert_float_eq(joint, after * exp(log_evidence_at(&s, &x)), 1e-7);
    subject_close(&s);
}

Test(gaussian_linear, posterior_of_the_benchmark)
{
    enum { N = 40000 };
    subject s;
    subject_open(&s, "gaussian_linear", NULL);
    double *theta = memory_new(N * 10, sizeof *theta), *v = memory_new(N, sizeof *v);
    posterior_draw(&s, "posterior", 0, OBSERVED, N, theta);
    for (size_t k = 0; k < 10; k++) {
        double mean = (double)OBSERVED[k] / 2;
        for (size_t i = 0; i < N; i++)
            v[i] = theta[10 * i + k];
        cr_assert(fabs(z_of_mean(N, v, k ? mean : 0.5235673)) < 4.5);
        for (size_t i = 0; i < N; i++)
            v[i] = (v[i] - mean) * (v[i] - mean);
        cr_assert(fabs(z_of_mean(N, v, 0.2236068 * 0.2236068)) < 4.5);
    }
    free(v);
    free(theta);
    subject_close(&s);
}

Test(gaussian_linear, consistency)
{
    const double theta[2] = {0.3, -0.1}, other[2] = {0.2, 0.05};
    subject s;
    subject_open(&s, "gaussian_linear", "dim=2");
    check_likelihood_ratio(&s, theta, other, 50000);
    check_score(&s, theta, 50000);
    check_gradient(&s, 100, 1e-4, 1e-6);
    check_ranks(&s, 4000);
    check_marginal_ratio(&s, 50000);
    subject_close(&s);
}

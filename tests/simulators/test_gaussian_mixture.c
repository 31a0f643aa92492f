#include "support.h"

#include <math.h>
#include <stdlib.h>

/* Observation 1 of the benchmark of Lueckmann et al. (2021). */
static const float OBSERVED[2] = {-9.472713F, -1.4950509F};
static const double LOG_2_PI = 1.8378770664093454;

Test(gaussian_mixture, moments)
{
    enum { N = 200000 };
    const double theta[2] = {2, -3};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    float *x = memory_new(N * 2, sizeof *x);
    double *squares = memory_new(N, sizeof *squares), *v = memory_new(N, sizeof *v);
    subject_simulate(&s, "moments", N, theta, x, NULL);
    for (size_t i = 0; i < N; i++) {
        double a = (double)x[2 * i] - theta[0], b = (double)x[2 * i + 1] - theta[1];
        squares[i] = a * a + b * b;
        v[i] = a * a * a * a;
    }
    cr_assert(fabs(z_of_mean(N, squares, 1.01)) < 4.5);
    /* E d^4 = 3 (1 + 1e-4) / 2: the kurtosis 5.8824 times 0.505^2 */
    cr_assert(fabs(z_of_mean(N, v, 1.50015)) < 4.5);
    /* one width for both: E a^2 b^2 = (1 + 1e-4) / 2, were they apart 0.255 */
    for (size_t i = 0; i < N; i++) {
        double a = (double)x[2 * i] - theta[0], b = (double)x[2 * i + 1] - theta[1];
        v[i] = a * a * b * b;
    }
    cr_assert(fabs(z_of_mean(N, v, 0.50005)) < 4.5);
    free(v);
    free(squares);
    free(x);
    subject_close(&s);
}

Test(gaussian_mixture, likelihood_by_hand)
{
    const double theta[2] = {1, 1};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    double centre = 0.5 * (1 + 100) / exp(LOG_2_PI);
    cr_assert_float_eq(log_likelihood_at(&s, theta, (float[2]){1, 1}), log(centre),
                       1e-12);
    /* far off only the wide one is left */
    cr_assert_float_eq(log_likelihood_at(&s, theta, (float[2]){31, 1}),
                       -450 - LOG_2_PI - log(2), 1e-9);
    subject_close(&s);
}

/* The mean of p(x | theta) over the prior, by the midpoint rule on a square around x. */
static double evidence_by_grid(const subject *s, const float *x)
{
    enum { CELLS = 2000 };
    double lo[2], step[2], sum = 0;
    for (int k = 0; k < 2; k++) {
        lo[k] = fmax((double)x[k] - 8, -10);
        step[k] = (fmin((double)x[k] + 8, 10) - lo[k]) / CELLS;
    }
    for (int i = 0; i < CELLS; i++)
        for (int j = 0; j < CELLS; j++) {
            double theta[2] = {lo[0] + (i + 0.5) * step[0], lo[1] + (j + 0.5) * step[1]};
            sum += exp(log_likelihood_at(s, theta, x));
        }
    return sum * step[0] * step[1] / 400;
}

Test(gaussian_mixture, evidence_equals_the_plane_integral)
{
    static const float x[][2] = {{0, 0},       {-9.472713F, -1.4950509F},
                                 {9.95F, -10}, {10.3F, 10.05F},
                                 {-12.5F, 11}, {14, 0}};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        double expected = evidence_by_grid(&s, x[i]);
        double evidence = exp(log_evidence_at(&s, x[i]));
        cr_assert_float_eq(evidence / expected, 1, 1e-4, "x = (%g, %g): %g is no %g",
                           (double)x[i][0], (double)x[i][1], evidence, expected);
    }
    cr_assert_float_eq(log_evidence_at(&s, (float[2]){0, 0}), -log(400), 1e-12);
    subject_close(&s);
}

/* Mills' ratio: Phi(-z) = exp(-z^2 / 2) / (z sqrt(2 pi)) (1 - 1 / z^2 + 3 / z^4 - ...). */
Test(gaussian_mixture, evidence_far_off)
{
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    double z = 90, series = 1 - 1 / (z * z) + 3 / (z * z * z * z);
    double tail = -0.5 * z * z - log(z) - 0.5 * LOG_2_PI + log(series);
    cr_assert_float_eq(log_evidence_at(&s, (float[2]){100, 0}), tail - log(2) - log(400),
                       1e-8);
    subject_close(&s);
}

/* Mean and deviation of the benchmark's 10,000 reference draws for its observation 1. */
Test(gaussian_mixture, posterior_of_the_benchmark)
{
    enum { N = 40000 };
    static const double mean[2] = {-9.2641, -1.4874}, deviation[2] = {0.5269, 0.6493};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    double *theta = memory_new(N * 2, sizeof *theta);
    posterior_draw(&s, "posterior", 0, OBSERVED, N, theta);
    for (size_t k = 0; k < 2; k++) {
        double sum = 0, squares = 0, fourth = 0;
        for (size_t i = 0; i < N; i++)
            sum += theta[2 * i + k] / N;
        for (size_t i = 0; i < N; i++) {
            double r = theta[2 * i + k] - sum;
            squares += r * r / N;
            fourth += r * r * r * r / N;
        }
        double share = 1.0 / N + 1e-4, error = deviation[k] * sqrt(share);
        double kurtosis = fourth / (squares * squares);
        cr_assert(fabs(sum - mean[k]) < 4.5 * error, "mean %g", sum);
        error = deviation[k] * sqrt((kurtosis - 1) / 4 * share);
        cr_assert(fabs(sqrt(squares) - deviation[k]) < 4.5 * error, "deviation %g",
                  sqrt(squares));
    }
    free(theta);
    subject_close(&s);
}

/* Means of exact draws where the edges cut hard, against sums over a grid. */
static void check_cut(const subject *s, const float *x)
{
    enum { N = 40000, CELLS = 1000 };
    double mass = 0, mean[2] = {0}, lo[2], step[2];
    double *theta = memory_new(N * 2, sizeof *theta), *v = memory_new(N, sizeof *v);
    for (int k = 0; k < 2; k++) {
        lo[k] = fmax((double)x[k] - 6, -10);
        step[k] = (fmin((double)x[k] + 6, 10) - lo[k]) / CELLS;
    }
    for (int i = 0; i < CELLS * CELLS; i++) {
        double at[2] = {lo[0] + (i / CELLS + 0.5) * step[0],
                        lo[1] + (i % CELLS + 0.5) * step[1]};
        double p = exp(log_likelihood_at(s, at, x));
        mass += p;
        mean[0] += p * at[0];
        mean[1] += p * at[1];
    }
    posterior_draw(s, "cut", 0, x, N, theta);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < N; i++) {
            v[i] = theta[2 * i + k];
            cr_assert(fabs(v[i]) <= 10);
        }
        double z = z_of_mean(N, v, mean[k] / mass);
        cr_assert(fabs(z) < 4.5, "mean %g is off by %.2f errors", mean[k] / mass, z);
    }
    free(v);
    free(theta);
}

Test(gaussian_mixture, posterior_at_the_edges)
{
    static const float x[][2] = {{10.2F, 3}, {-9.98F, 10.02F}, {12, -13}};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++)
        check_cut(&s, x[i]);
    subject_close(&s);
}

Test(gaussian_mixture, consistency)
{
    const double theta[2] = {0.3, -0.1}, other[2] = {0.28, -0.05};
    subject s;
    subject_open(&s, "gaussian_mixture", NULL);
    check_likelihood_ratio(&s, theta, other, 50000);
    check_score(&s, theta, 50000);
    check_gradient(&s, 300, 1e-5, 1e-5);
    check_ranks(&s, 4000);
    check_marginal_ratio(&s, 200000);
    subject_close(&s);
}

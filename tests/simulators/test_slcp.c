#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Observation 1 of the benchmark of Lueckmann et al. (2021), with its true parameters. */
static const float OBSERVED[8] = {2.3718784F,  0.49947417F, 9.931435F,   1.7136912F,
                                  -10.436423F, -1.9067793F, -1.2343777F, -0.09735F};
static const double TRUTH[5] = {-2.8581212, -0.44451332, 2.9473476, 1.2396116, 2.9712725};

/* Point by point: the density of x times that of y given x. */
static double by_regression(const double *theta, const float *x, double epsilon)
{
    double s1 = theta[2] * theta[2], s2 = theta[3] * theta[3], rho = tanh(theta[4]);
    double var1 = s1 * s1 + epsilon, slope = rho * s1 * s2 / var1, sum = 0;
    double var2 = s2 * s2 + epsilon - slope * rho * s1 * s2, pi = acos(-1.0);
    for (int k = 0; k < 4; k++) {
        double u = (double)x[2 * k] - theta[0];
        double v = (double)x[2 * k + 1] - theta[1] - slope * u;
        sum -=
            0.5 * (u * u / var1 + log(2 * pi * var1) + v * v / var2 + log(2 * pi * var2));
    }
    return sum;
}

Test(slcp, likelihood_equals_the_chain_rule)
{
    enum { N = 200 };
    subject s, old;
    double theta[N * 5];
    float x[N * 8];
    subject_open(&s, "slcp", NULL);
    subject_open(&old, "slcp", "variant=aalr");
    double expected = by_regression(TRUTH, OBSERVED, 1e-6);
    cr_assert_float_eq(log_likelihood_at(&s, TRUTH, OBSERVED), expected,
                       1e-8 * fabs(expected));
    subject_draw(&s, "likelihood", N, NULL, theta, x);
    for (size_t i = 0; i < N; i++) {
        const double *t = theta + 5 * i;
        if (fabs(t[2]) < 0.1 || fabs(t[3]) < 0.1)
            continue;
        expected = by_regression(t, x + 8 * i, 1e-6);
        cr_assert_float_eq(log_likelihood_at(&s, t, x + 8 * i), expected,
                           1e-8 * (1 + fabs(expected)));
        expected = by_regression(t, x + 8 * i, 0);
        cr_assert_float_eq(log_likelihood_at(&old, t, x + 8 * i), expected,
                           1e-8 * (1 + fabs(expected)));
    }
    subject_close(&old);
    subject_close(&s);
}

Test(slcp, signs_do_not_matter)
{
    enum { N = 500 };
    subject s;
    double theta[N * 5];
    float x[N * 8];
    subject_open(&s, "slcp", NULL);
    subject_draw(&s, "signs", N, NULL, theta, x);
    for (size_t i = 0; i < N; i++) {
        const double *t = theta + 5 * i;
        double third[5] = {t[0], t[1], -t[2], t[3], t[4]};
        double both[5] = {t[0], t[1], -t[2], -t[3], t[4]};
        double logl = log_likelihood_at(&s, t, x + 8 * i);
        cr_assert(isfinite(logl));
        cr_assert_eq(log_likelihood_at(&s, third, x + 8 * i), logl);
        cr_assert_eq(log_likelihood_at(&s, both, x + 8 * i), logl);
    }
    subject_close(&s);
}

/* Means, variances and the covariance of all points of one theta. */
static void check_moments(const char *options, const double *theta, double epsilon)
{
    enum { N = 20000, POINTS = 4 * N };
    double s1 = theta[2] * theta[2], s2 = theta[3] * theta[3];
    double expected[3] = {s1 * s1 + epsilon, tanh(theta[4]) * s1 * s2, s2 * s2 + epsilon};
    subject s;
    subject_open(&s, "slcp", options);
    float *x = memory_new(N * 8, sizeof *x);
    double *v = memory_new(POINTS, sizeof *v);
    subject_simulate(&s, "moments", N, theta, x, NULL);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < POINTS; i++)
            v[i] = (double)x[2 * i + k];
        cr_assert(fabs(z_of_mean(POINTS, v, theta[k])) < 4.5);
    }
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < POINTS; i++)
            v[i] = ((double)x[2 * i + (k == 2)] - theta[k == 2]) *
                   ((double)x[2 * i + (k > 0)] - theta[k > 0]);
        cr_assert(fabs(z_of_mean(POINTS, v, expected[k])) < 4.5, "moment %zu", k);
    }
    free(v);
    free(x);
    subject_close(&s);
}

Test(slcp, moments)
{
    check_moments(NULL, TRUTH, 1e-6);
    check_moments("variant=aalr", (double[5]){0.7, -2.9, -1.0, -0.9, 0.6}, 0);
    /* where epsilon counts: at 1e-3 the variances are 1e-12 + 1e-6 */
    check_moments(NULL, (double[5]){0.1, 0.1, 0.001, 0.03, 2}, 1e-6);
}

Test(slcp, a_line_of_points)
{
    enum { N = 5000 };
    const double theta[5] = {0.5, 0.1, 0, 1.2, -1};
    static float x[8 * N];
    static double v[N];
    subject s;
    subject_open(&s, "slcp", "variant=aalr");
    subject_simulate(&s, "line", N, theta, x, NULL);
    for (size_t i = 0; i < N; i++) {
        double y = (double)x[8 * i + 1] - 0.1;
        cr_assert_eq(x[8 * i], 0.5F);
        v[i] = y * y;
    }
    cr_assert(fabs(z_of_mean(N, v, pow(1.2, 4))) < 4.5);
    cr_assert(isfinite(log_likelihood_at(&s, theta, x)));
    subject_close(&s);
}

Test(slcp, rows_are_points)
{
    subject flat, points;
    float a[8 * 16], b[8 * 16];
    subject_open(&flat, "slcp", NULL);
    subject_open(&points, "slcp", "rows=points");
    const nre_field *f = simulator_field(points.simulator, 0);
    cr_assert_eq(f->exchangeable, 1);
    cr_assert_eq(f->shape.rank, 2);
    cr_assert_eq(f->shape.dim[0], 4);
    cr_assert_eq(f->shape.dim[1], 2);
    cr_assert_eq(simulator_field(flat.simulator, 0)->shape.dim[0], 8);
    subject_simulate(&flat, "rows", 16, TRUTH, a, NULL);
    subject_simulate(&points, "rows", 16, TRUTH, b, NULL);
    cr_assert_arr_eq(a, b, sizeof a);
    /* exchangeable: the likelihood does not see the order */
    memcpy(b, a + 4, 4 * sizeof *b);
    memcpy(b + 4, a, 4 * sizeof *b);
    cr_assert_float_eq(log_likelihood_at(&points, TRUTH, b),
                       log_likelihood_at(&points, TRUTH, a), 1e-9);
    subject_close(&points);
    subject_close(&flat);
}

Test(slcp, consistency)
{
    const double theta[5] = {0.7, -2.9, -1.0, -0.9, 0.6};
    const double other[5] = {0.6, -2.8, -0.95, -0.95, 0.5};
    subject s;
    subject_open(&s, "slcp", NULL);
    check_likelihood_ratio(&s, theta, other, 100000);
    check_score(&s, theta, 50000);
    check_gradient(&s, 300, 1e-6, 1e-3);
    subject_close(&s);
}

/* By importance sampling: |theta_3| and theta_5 from powers of uniforms, theta_4 close to
 * theta_3 times the root of the slope of y on x, m from N(mean of x, S) with S at epsilon
 * = 0; theta_5 < 0 has no weight with points that rise like these.  Compared with mean
 * and deviation of the benchmark's 10,000 reference draws. */
typedef struct sums {
    double w, w2, first[5], second[5];
} sums;

static void add_draw(const subject *s, rng *r, const double *centre, double slope,
                     sums *to)
{
    const double spread = 0.25;
    double theta[5], z1 = rng_normal(r), z2 = rng_normal(r), z = rng_normal(r);
    theta[2] = 3 * pow(rng_uniform(r), 1.0 / 6);
    theta[3] = theta[2] * sqrt(slope) * exp(spread * z);
    theta[4] = 3 * pow(rng_uniform(r), 1.0 / 3);
    double s1 = theta[2] * theta[2], s2 = theta[3] * theta[3], rho = tanh(theta[4]);
    theta[0] = centre[0] + s1 * z1;
    theta[1] = centre[1] + s2 * (rho * z1 + sqrt(1 - rho * rho) * z2);
    double log_proposal = -0.5 * (z1 * z1 + z2 * z2) -
                          log(s1 * s2 * sqrt(1 - rho * rho)) - 0.5 * z * z -
                          log(theta[3]) + 5 * log(theta[2]) + 2 * log(theta[4]);
    double w = fabs(theta[0]) < 3 && fabs(theta[1]) < 3 && theta[3] < 3
                   ? exp(log_likelihood_at(s, theta, OBSERVED) - log_proposal)
                   : 0;
    to->w += w;
    to->w2 += w * w;
    theta[2] *= rng_uniform(r) < 0.5 ? -1 : 1;
    theta[3] *= rng_uniform(r) < 0.5 ? -1 : 1;
    for (size_t k = 0; k < 5; k++) {
        to->first[k] += w * theta[k];
        to->second[k] += w * theta[k] * theta[k];
    }
}

/* Root mean squares of y and x around their means, one over the other. */
static double slope_of_points(const float *x, double *centre)
{
    double squares[2] = {0, 0};
    for (size_t k = 0; k < 8; k++)
        centre[k % 2] += (double)x[k] / 4;
    for (size_t k = 0; k < 8; k++)
        squares[k % 2] += ((double)x[k] - centre[k % 2]) * ((double)x[k] - centre[k % 2]);
    return sqrt(squares[1] / squares[0]);
}

Test(slcp, posterior_of_the_benchmark)
{
    static const double mean[5] = {0.057, 0.034, 0, 0, 2.400};
    static const double deviation[5] = {1.633, 0.338, 2.591, 1.111, 0.516};
    double centre[2] = {0, 0}, slope = slope_of_points(OBSERVED, centre);
    sums all = {0};
    subject s;
    rng r;
    subject_open(&s, "slcp", NULL);
    rng_start(&r, rng_purpose(3, "importance"), 0, 0);
    for (size_t i = 0; i < 500000; i++)
        add_draw(&s, &r, centre, slope, &all);
    double size = all.w * all.w / all.w2;
    cr_assert(size > 10000, "effective size %g", size);
    for (size_t k = 0; k < 5; k++) {
        double m = all.first[k] / all.w, d = sqrt(all.second[k] / all.w - m * m);
        double error = deviation[k] * sqrt(1 / size + 1e-4);
        cr_assert(fabs(m - mean[k]) < 4.5 * error, "mean %zu: %g is no %g", k, m,
                  mean[k]);
        cr_assert(fabs(d - deviation[k]) < 4.5 * error, "deviation %zu: %g", k, d);
    }
    subject_close(&s);
}

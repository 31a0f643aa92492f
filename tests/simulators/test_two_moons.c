#include "support.h"

#include <gsl/gsl_integration.h>
#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979324, ROOT_HALF = 0.70710678118654752;

Test(two_moons, moments_at_the_origin)
{
    enum { N = 100000 };
    const double origin[2] = {0, 0};
    subject s;
    subject_open(&s, "two_moons", NULL);
    float *x = memory_new(N * 2, sizeof *x);
    double *v = memory_new(N, sizeof *v);
    subject_simulate(&s, "moments", N, origin, x, NULL);
    for (size_t i = 0; i < N; i++)
        v[i] = (double)x[2 * i];
    cr_assert(fabs(z_of_mean(N, v, 0.3136620)) < 4.5);
    for (size_t i = 0; i < N; i++)
        v[i] = (double)x[2 * i + 1];
    cr_assert(fabs(z_of_mean(N, v, 0)) < 4.5);
    for (size_t i = 0; i < N; i++)
        v[i] *= v[i];
    cr_assert(fabs(z_of_mean(N, v, 0.00505)) < 4.5);
    free(v);
    free(x);
    subject_close(&s);
}

/* Sum of f over [a, b], PANELS x 32 nodes of Gauss and Legendre. */
typedef double integrand(const void *context, double at);
static double integral(integrand *f, const void *context, double a, double b, int panels)
{
    gsl_integration_glfixed_table *t = gsl_integration_glfixed_table_alloc(32);
    double sum = 0, at, weight, width = (b - a) / panels;
    for (int k = 0; k < panels; k++)
        for (size_t i = 0; i < 32; i++) {
            gsl_integration_glfixed_point(a + k * width, a + (k + 1) * width, i, &at,
                                          &weight, t);
            sum += weight * f(context, at);
        }
    gsl_integration_glfixed_table_free(t);
    return sum;
}

/* p(x) again, by two dimensions: (q, d) is theta turned by 45 degrees; only where p is
 * near. */
typedef struct plane {
    const subject *s;
    float x[2];
    double q;
} plane;

static double likelihood_on_plane(const void *context, double d)
{
    const plane *p = context;
    double theta[2] = {(p->q - d) * ROOT_HALF, (p->q + d) * ROOT_HALF};
    return exp(log_likelihood_at(p->s, theta, p->x));
}

static double along_d(const void *context, double q)
{
    plane p = *(const plane *)context;
    double room = sqrt(2) - q, near = (double)p.x[1];
    p.q = q;
    double lo = fmax(-room, near - 0.2), hi = fmin(room, near + 0.2);
    return lo < hi ? integral(likelihood_on_plane, &p, lo, hi, 4) : 0;
}

static double evidence_by_plane(const subject *s, float x1, float x2)
{
    plane p = {s, {x1, x2}, 0};
    double lo = fmax(0, 0.25 - (double)x1);
    double hi = fmin(sqrt(2), 0.25 - (double)x1 + 0.2);
    return lo < hi ? 0.5 * integral(along_d, &p, lo, hi, 24) : 0;
}

Test(two_moons, evidence_equals_the_plane_integral)
{
    /* within, at both ends of the crescent, at edges and corners of the square */
    static const float x[][2] = {
        {-0.6396706F, 0.16234657F},
        {0.2F, 0},
        {0.3F, 0.01F},
        {0.255F, 0.03F},
        {0.34F, -0.02F},
        {-1.0F, 0},
        {-1.1F, 0.05F},
        {-1.1F, 0.01F},
        {-0.5F, 0.6F},
        {-0.5F, 0.68F},
        {-0.45F, -0.7F},
        {0.2F, 1.35F},
        {0.22F, -1.45F},
        {-0.3F, 0.95F},
        {-0.25F, 1.0F},
        {0.1F, -1.2F},
    };
    subject s;
    subject_open(&s, "two_moons", NULL);
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        double expected = evidence_by_plane(&s, x[i][0], x[i][1]);
        double evidence = exp(log_evidence_at(&s, x[i]));
        cr_assert(expected > 1e-6 && expected < 0.5 + 1e-6);
        cr_assert_float_eq(evidence, expected, 1e-8, "x = (%g, %g): %.9f is no %.9f",
                           (double)x[i][0], (double)x[i][1], evidence, expected);
    }
    subject_close(&s);
}

/* Of simulated rows too, wherever the prior puts them. */
Test(two_moons, evidence_of_simulations)
{
    enum { N = 30 };
    subject s;
    double theta[N * 2];
    float x[N * 2];
    subject_open(&s, "two_moons", NULL);
    subject_draw(&s, "evidence", N, NULL, theta, x);
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(exp(log_evidence_at(&s, x + 2 * i)),
                           evidence_by_plane(&s, x[2 * i], x[2 * i + 1]), 1e-8);
    subject_close(&s);
}

static double across(const void *context, double x2)
{
    const plane *p = context;
    return exp(log_evidence_at(p->s, (float[2]){p->x[0], (float)x2}));
}

static double along(const void *context, double x1)
{
    plane p = *(const plane *)context;
    p.x[0] = (float)x1;
    return integral(across, &p, -1.7, 1.7, 3);
}

Test(two_moons, evidence_integrates_to_one)
{
    subject s;
    subject_open(&s, "two_moons", NULL);
    plane p = {.s = &s};
    cr_assert_float_eq(integral(along, &p, -1.4, 0.5, 3), 1, 2e-4);
    subject_close(&s);
}

/* Polar coordinates around the centre of the crescent; the density has the Jacobian. */
typedef struct polar {
    const subject *s;
    double theta[2], r;
} polar;

static double over_angle(const void *context, double a)
{
    const polar *p = context;
    double x1 = p->r * cos(a) + 0.25 - fabs(p->theta[0] + p->theta[1]) * ROOT_HALF;
    double x2 = p->r * sin(a) + (p->theta[1] - p->theta[0]) * ROOT_HALF;
    float x[2] = {(float)x1, (float)x2};
    return p->r * exp(log_likelihood_at(p->s, p->theta, x));
}

static double over_radius(const void *context, double r)
{
    polar p = *(const polar *)context;
    p.r = r;
    return integral(over_angle, &p, -PI / 2, PI / 2, 2);
}

Test(two_moons, likelihood_integrates_to_one)
{
    subject s;
    subject_open(&s, "two_moons", NULL);
    polar p = {.s = &s, .theta = {0.3, -0.55}};
    cr_assert_float_eq(integral(over_radius, &p, 0.02, 0.18, 4), 1, 1e-5);
    subject_close(&s);
}

Test(two_moons, symmetry)
{
    enum { N = 1000 };
    subject s;
    double theta[N * 2];
    float x[N * 2];
    subject_open(&s, "two_moons", NULL);
    subject_draw(&s, "symmetry", N, NULL, theta, x);
    for (size_t i = 0; i < N; i++) {
        double mirrored[2] = {-theta[2 * i + 1], -theta[2 * i]};
        cr_assert_eq(log_likelihood_at(&s, theta + 2 * i, x + 2 * i),
                     log_likelihood_at(&s, mirrored, x + 2 * i));
    }
    subject_close(&s);
}

/* Mean and deviation of the benchmark's 10,000 reference draws for its observation 1. */
Test(two_moons, posterior_of_the_benchmark)
{
    enum { N = 40000 };
    static const float x[2] = {-0.6396706F, 0.16234657F};
    static const double mean[2] = {-0.1157, 0.1151}, deviation[2] = {0.6765, 0.6759};
    subject s;
    subject_open(&s, "two_moons", NULL);
    double *theta = memory_new(N * 2, sizeof *theta);
    posterior_draw(&s, "posterior", 0, x, N, theta);
    for (size_t k = 0; k < 2; k++) {
        double sum = 0, squares = 0, error = deviation[k] * sqrt(1.0 / N + 1e-4);
        for (size_t i = 0; i < N; i++)
            sum += theta[2 * i + k] / N;
        for (size_t i = 0; i < N; i++)
            squares += (theta[2 * i + k] - sum) * (theta[2 * i + k] - sum) / N;
        cr_assert(fabs(sum - mean[k]) < 4.5 * error, "mean %g", sum);
        cr_assert(fabs(sqrt(squares) - deviation[k]) < 4.5 * error, "deviation %g",
                  sqrt(squares));
    }
    free(theta);
    subject_close(&s);
}

Test(two_moons, no_posterior_where_x_is_impossible)
{
    subject s;
    rng stream;
    nre_rng *each = &stream.api;
    double theta[2];
    subject_open(&s, "two_moons", NULL);
    rng_start(&stream, rng_purpose(1, "impossible"), 0, 0);
    cr_assert_eq(
        s.ops->posterior_sample(s.instance->self, (float[2]){3, 0}, 1, &each, theta),
        NRE_ENUMERIC);
    cr_assert(message_has("x = (3, 0)"));
    cr_assert_eq(log_evidence_at(&s, (float[2]){3, 0}), -INFINITY);
    subject_close(&s);
}

Test(two_moons, consistency)
{
    const double theta[2] = {0.3, 0.1}, other[2] = {0.301, 0.097};
    subject s;
    subject_open(&s, "two_moons", NULL);
    check_likelihood_ratio(&s, theta, other, 50000);
    check_gradient(&s, 300, 1e-6, 1e-3);
    check_ranks(&s, 4000);
    check_marginal_ratio(&s, 100000);
    subject_close(&s);
}

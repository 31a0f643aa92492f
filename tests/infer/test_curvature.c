/* curvature.c: errors of maxima against exact Gaussians, a skewed case and those that have none. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* C = variance ((1 - rho) I + rho 1 1^T) has this inverse: off-diagonal, and diagonal where equal. */
static double precision(uint32_t d, double variance, double rho, bool equal)
{
    double off = -rho / ((1 - rho) * (1 + (d - 1) * rho));
    return ((equal ? 1 / (1 - rho) : 0) + off) / variance;
}

/* COVARIANCE times the precision is the identity. */
static void check_inverse(uint32_t d, const double *covariance, double variance,
                          double rho, double prior_precision, double n_rows)
{
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++) {
            double sum = 0;
            for (uint32_t k = 0; k < d; k++)
                sum += covariance[i * d + k] *
                       (n_rows * precision(d, variance, rho, k == j) +
                        (k == j ? prior_precision : 0));
            cr_assert_float_eq(sum, i == j, 1e-6, "%u %u: %g", i, j, sum);
        }
}

static curvature_request asked(const fixture *f, maximum_kind kind, size_t n,
                               const double *theta, const double *deviation)
{
    return (curvature_request){.posterior = &f->posterior,
                               .worker = f->worker,
                               .observed = f->observed,
                               .n_rows = 1,
                               .n = n,
                               .kind = kind,
                               .theta = theta,
                               .deviation = deviation};
}

/* Exact for a quadratic, whatever the step: of the likelihood and of the posterior, of one row, of
 * several together, of many at once. */
Test(curvature, gaussians)
{
    enum { D = 5, N = 3 };
    static fixture f;
    toy t = {.dim = D, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1, .rho = 0.95};
    float x[N * D] = {0.5f, -1, 2, 0.2f, 0, 0.1f, 0.1f, 0, 0, 0.3f, 1, 1, 1, 1, 1};
    double theta[N * D], deviation[N * D], covariance[N * D * D];
    const char *reason[N];
    fixture_open(&f, &t);
    fixture_observe(&f, N, x);
    for (int i = 0; i < N * D; i++) {
        theta[i] = (double)x[i] + 0.01 * (i % 3);
        deviation[i] = 0.03 + 0.02 * (i % 4);
    }
    curvature_request r = asked(&f, MAXIMUM_RATIO, N, theta, deviation);
    cr_assert_eq(curvature_of(&r, covariance, reason), NRE_OK, "%s", error_message());
    for (int i = 0; i < N; i++) {
        cr_assert_null(reason[i]);
        check_inverse(D, covariance + i * D * D, 0.01, 0.95, 0, 1);
    }
    r.kind = MAXIMUM_POSTERIOR;
    cr_assert_eq(curvature_of(&r, covariance, reason), NRE_OK);
    check_inverse(D, covariance + D * D, 0.01, 0.95, 1, 1);
    r.n = 1, r.n_rows = N;
    cr_assert_eq(curvature_of(&r, covariance, reason), NRE_OK);
    cr_assert_null(reason[0]);
    check_inverse(D, covariance, 0.01, 0.95, 1, N);
    fixture_close(&f);
}

/* A maximum of its own, then its error: the posterior of a Gaussian is the one it claims. */
Test(curvature, at_a_maximum)
{
    static fixture f;
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 2, .sigma = 0.5, .rho = 0.4};
    double start[4] = {0, 0, 1, -1}, theta[2], value, deviation[2] = {0.4, 0.4},
           covariance[4];
    const char *reason;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0.3f, -0.8f});
    cr_assert_eq(maximum_of(&f.posterior, f.worker, f.observed, 0, 1, MAXIMUM_POSTERIOR,
                            2, start, theta, &value),
                 NRE_OK);
    curvature_request r = asked(&f, MAXIMUM_POSTERIOR, 1, theta, deviation);
    cr_assert_eq(curvature_of(&r, covariance, &reason), NRE_OK);
    check_inverse(2, covariance, 0.25, 0.4, 0.25, 1);
    fixture_close(&f);
}

/* A ratio of one parameter that is a formula: skewed (log r = A (t - exp t), with maximum 0), or a
 * valley. */
typedef enum shape { SKEWED, VALLEY, SHELF } shape;
static shape now;
static const double A = 20;

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    (void)r, (void)own, (void)x;
    o->n = n;
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    (void)r, (void)own, (void)o, (void)first;
    for (size_t i = 0; i < n * per_x; i++) {
        double t = theta[i];
        double value[] = {A * (t - exp(t)), t * t, 0},
               slope[] = {A * (1 - exp(t)), 2 * t, 0};
        log_ratio[i] = value[now];
        if (gradient)
            gradient[i] = slope[now];
    }
    return NRE_OK;
}

static void release(ratio *r)
{
    free(r);
}

static const ratio_kind FORMULA = {
    .observe = observe, .evaluate = evaluate, .free = release};

static void use_formula(fixture *f, shape s)
{
    ratio *r = calloc(1, sizeof *r);
    cr_assert_not_null(r);
    *r = (ratio){.kind = &FORMULA,
                 .target = &f->target,
                 .n_x = 1,
                 .normalised = true,
                 .has_gradient = true};
    now = s;
    fixture_use(f, r);
    fixture_observe(f, 1, (float[]){0});
}

/* The secant at h = sd / 2 is A sinh(h) / h, whose error the third derivative, which skews the
 * posterior, does not enter; the posterior is that of the logarithm of a gamma variable, whose
 * variance is the trigamma function of A, and both agree to h^2 / 6 and 1 / 2A. */
Test(curvature, skewed)
{
    static fixture f;
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = -5, .b = 5, .sigma = 1};
    double theta = 0, deviation = sqrt(0.0512708), covariance, h = 0.5 * deviation;
    const char *reason;
    fixture_open(&f, &t);
    use_formula(&f, SKEWED);
    curvature_request r = asked(&f, MAXIMUM_RATIO, 1, &theta, &deviation);
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert_null(reason);
    cr_assert_float_eq(covariance, h / (A * sinh(h)), 1e-9);
    cr_assert_float_eq(sqrt(covariance) / deviation, 1, 0.02);
    fixture_close(&f);
}

/* Never a number where there is none. */
Test(curvature, that_there_is_none)
{
    static fixture f;
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    double theta = 1 - 1e-9, deviation = 0.2, covariance = 0, inside = 0.1, near = 0.95;
    const char *reason = NULL;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){3});
    curvature_request r = asked(&f, MAXIMUM_RATIO, 1, &theta, &deviation);
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert(isnan(covariance));
    cr_assert(strstr(reason, "bound of the prior"));
    r.theta = &near; /* a shorter step serves */
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert_null(reason);
    cr_assert_float_eq(covariance, 0.25, 1e-9);

    use_formula(&f, VALLEY);
    r = asked(&f, MAXIMUM_POSTERIOR, 1, &inside, &deviation);
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert(isnan(covariance));
    cr_assert(strstr(reason, "not negative definite"));
    use_formula(&f, SHELF);
    r = asked(&f, MAXIMUM_RATIO, 1, &inside, &deviation);
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert(strstr(reason, "not negative definite"));
    f.ratio->has_gradient = false;
    cr_assert_eq(curvature_of(&r, &covariance, &reason), NRE_OK);
    cr_assert(isnan(covariance));
    cr_assert(strstr(reason, "no gradient"));
    fixture_close(&f);
}

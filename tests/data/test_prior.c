/* Priors: densities integrate to 1, derivatives, quantiles, maps and moments agree. */
#include "support.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const marginal PRIORS[] = {
    {.name = "t", .family = NRE_UNIFORM, .a = 1, .b = 50},
    {.name = "t", .family = NRE_UNIFORM, .a = -3, .b = 2},
    {.name = "t", .family = NRE_LOG_UNIFORM, .a = 0.5, .b = 10},
    {.name = "t", .family = NRE_LOG_UNIFORM, .a = 1e-6, .b = 1e3},
    {.name = "t", .family = NRE_NORMAL, .a = 5, .b = 0.1},
    {.name = "t", .family = NRE_LOG_NORMAL, .a = 0.4, .b = 1.2},
    {.name = "t", .family = NRE_TRUNCATED_NORMAL, .a = 0, .b = 1, .lo = -1, .hi = 2},
    {.name = "t",
     .family = NRE_TRUNCATED_NORMAL,
     .a = 0,
     .b = 1,
     .lo = 6,
     .hi = INFINITY},
    {.name = "t",
     .family = NRE_TRUNCATED_NORMAL,
     .a = 3,
     .b = 2,
     .lo = -INFINITY,
     .hi = -9},
    {.name = "t", .family = NRE_TRUNCATED_NORMAL, .a = 0, .b = 1, .lo = 30, .hi = 31},
    {.name = "t", .family = NRE_HALF_NORMAL, .b = 2},
    {.name = "t", .family = NRE_HALF_CAUCHY, .b = 0.3},
    {.name = "t", .family = NRE_GAMMA, .a = 2, .b = 3},
    {.name = "t", .family = NRE_GAMMA, .a = 0.4, .b = 1},
    {.name = "t", .family = NRE_GAMMA, .a = 1, .b = 2},
    {.name = "t", .family = NRE_GAMMA, .a = 200, .b = 0.1},
    {.name = "t", .family = NRE_BETA, .a = 2, .b = 5},
    {.name = "t", .family = NRE_BETA, .a = 0.5, .b = 0.5},
    {.name = "t", .family = NRE_BETA, .a = 3, .b = 2, .lo = -1, .hi = 4},
    {.name = "t", .family = NRE_BETA, .a = 30, .b = 200},
};
enum { N_PRIORS = sizeof PRIORS / sizeof PRIORS[0] };

static const char *text_of(const marginal *m)
{
    static arena *a;
    a = a ? a : arena_new();
    return marginal_text(m, a);
}

/* density dt as a function of the unbounded z. */
static double mass_at(double z, void *context)
{
    const marginal *m = context;
    double log_jacobian, t = marginal_from_unbounded(m, z, &log_jacobian, NULL);
    return exp(marginal_log_density(m, t, NULL) + log_jacobian);
}

static double mass_between(const marginal *m, double from, double to)
{
    marginal copy = *m;
    gsl_function f = {mass_at, &copy};
    double value = 0, error;
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(1000);
    if (isinf(from))
        gsl_integration_qagil(&f, to, 1e-11, 1e-10, 1000, w, &value, &error);
    else if (isinf(to))
        gsl_integration_qagiu(&f, from, 1e-11, 1e-10, 1000, w, &value, &error);
    else
        gsl_integration_qag(&f, from, to, 1e-11, 1e-10, 1000, GSL_INTEG_GAUSS31, w,
                            &value, &error);
    gsl_integration_workspace_free(w);
    return value;
}

/* Pieces between quantiles: each holds its share, so density, quantile and map fit each
 * other. */
Test(prior, density_integrates_to_one)
{
    enum { PIECES = 20 };
    gsl_set_error_handler_off();
    for (int i = 0; i < N_PRIORS; i++) {
        double from = -INFINITY, sum = 0;
        for (int k = 1; k <= PIECES; k++) {
            double u = (double)k / PIECES;
            double to =
                k == PIECES
                    ? INFINITY
                    : marginal_to_unbounded(&PRIORS[i], marginal_quantile(&PRIORS[i], u));
            double mass = mass_between(&PRIORS[i], from, to);
            cr_assert_float_eq(mass, 1.0 / PIECES, 1e-8, "%s, piece %d: %.12g",
                               text_of(&PRIORS[i]), k, mass);
            sum += mass;
            from = to;
        }
        cr_assert_float_eq(sum, 1, 1e-8, "%s: %.12g", text_of(&PRIORS[i]), sum);
    }
}

static void each_point(void (*check)(const marginal *m, double u, double t))
{
    static const double U[] = {1e-6, 0.001, 0.03, 0.2, 0.5, 0.7, 0.95, 0.999, 1 - 1e-6};
    for (int i = 0; i < N_PRIORS; i++)
        for (size_t k = 0; k < sizeof U / sizeof U[0]; k++)
            check(&PRIORS[i], U[k], marginal_quantile(&PRIORS[i], U[k]));
}

/* Central differences with a step that stays inside the support. */
static double slope_by_differences(const marginal *m, double t)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    double h = 1e-4 * fmin(fmin(t - lo, hi - t), fmax(fabs(t), 1e-3));
    return (marginal_log_density(m, t + h, NULL) - marginal_log_density(m, t - h, NULL)) /
           (2 * h);
}

static void check_slope(const marginal *m, double u, double t)
{
    double slope, density = marginal_log_density(m, t, &slope);
    double expected = slope_by_differences(m, t), lo, hi;
    marginal_support(m, &lo, &hi);
    double h = 1e-4 * fmin(fmin(t - lo, hi - t), fmax(fabs(t), 1e-3));
    double noise = 1e-15 *
                   (1 + fabs(density) + t * t * (m->family == NRE_TRUNCATED_NORMAL) +
                    fabs(t) / fmin(t - lo, hi - t)) /
                   h;
    cr_assert_float_eq(slope, expected, 1e-6 * (1 + fabs(expected)) + noise,
                       "%s at u = %g: %g, not %g", text_of(m), u, slope, expected);
}

Test(prior, slope_is_the_derivative)
{
    each_point(check_slope);
}

static void check_round_trip(const marginal *m, double u, double t)
{
    double back = marginal_cdf(m, t), slope, density = marginal_log_density(m, t, &slope);
    /* a unit in the last place of t moves the cdf by density times t */
    double worth = exp(density) * fabs(t) * 4 * DBL_EPSILON;
    cr_assert_float_eq(back, u, 2e-10 * fmin(u, 1 - u) + worth + 4e-16,
                       "%s: cdf(quantile(%g)) = %.17g", text_of(m), u, back);
    double again = marginal_quantile(m, back);
    cr_assert_float_eq(again, t, 1e-9 * fabs(t) + 4e-16 / exp(density),
                       "%s: %.17g, not %.17g", text_of(m), again, t);
}

Test(prior, quantile_inverts_cdf)
{
    each_point(check_round_trip);
}

static void check_map(const marginal *m, double u, double t)
{
    double z = marginal_to_unbounded(m, t), log_jacobian, slope, above, below;
    double back = marginal_from_unbounded(m, z, &log_jacobian, &slope);
    double lo, hi;
    marginal_support(m, &lo, &hi);
    double edge = fmin(isinf(lo) ? fabs(t) : t - lo, isinf(hi) ? fabs(t) : hi - t);
    cr_assert_float_eq(back, t, 1e-12 * edge * (1 + fabs(z)) + 4 * DBL_EPSILON * fabs(t),
                       "%s: %.17g came back as %.17g", text_of(m), t, back);
    double h = 1e-5;
    double right = marginal_from_unbounded(m, z + h, &above, NULL);
    double left = marginal_from_unbounded(m, z - h, &below, NULL);
    double noise = 4 * DBL_EPSILON * fabs(t) / (right - left);
    cr_assert_float_eq(log_jacobian, log((right - left) / (2 * h)), 1e-7 + noise,
                       "%s at u = %g", text_of(m), u);
    cr_assert_float_eq(slope, (above - below) / (2 * h), 1e-6 * (1 + fabs(slope)),
                       "%s at u = %g", text_of(m), u);
}

Test(prior, map_is_a_bijection_with_its_jacobian)
{
    each_point(check_map);
}

Test(prior, map_stays_inside_far_out)
{
    for (int i = 0; i < N_PRIORS; i++)
        for (double z = -600; z <= 600; z += 50) {
            double lo, hi, t = marginal_from_unbounded(&PRIORS[i], z, NULL, NULL);
            marginal_support(&PRIORS[i], &lo, &hi);
            cr_assert(t > lo && t < hi, "%s: %g -> %g", text_of(&PRIORS[i]), z, t);
        }
}

static void check_standardised(const marginal *m, double u, double t)
{
    double derivative, h = 1e-6 * fabs(t), z = marginal_standardise(m, t, &derivative);
    (void)u, (void)z;
    double expected =
        (marginal_standardise(m, t + h, NULL) - marginal_standardise(m, t - h, NULL)) /
        (2 * h);
    cr_assert_float_eq(derivative, expected,
                       1e-5 * fabs(expected) + 1e-7 * fabs(z) / fabs(t), "%s",
                       text_of(m));
}

Test(prior, standardised_derivative)
{
    each_point(check_standardised);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sqrt(n) D; P(more than 2.506) = 2 exp(-2 2.506^2) = 7e-6, that of |z| > 4.5. */
static double kolmogorov_smirnov(const marginal *m, double *t, size_t n)
{
    double most = 0;
    qsort(t, n, sizeof *t, ascending);
    for (size_t i = 0; i < n; i++) {
        double u = marginal_cdf(m, t[i]);
        most =
            fmax(most, fmax(u - (double)i / (double)n, (double)(i + 1) / (double)n - u));
    }
    return sqrt((double)n) * most;
}

/* Samples follow the cdf; standardised, their mean is 0 and their deviation 1
 * (half-Cauchy: the logarithm has mean log scale and deviation pi / 2). */
Test(prior, samples)
{
    enum { N = 20000 };
    double *t = malloc(N * sizeof *t);
    for (int i = 0; i < N_PRIORS; i++) {
        marginal m = PRIORS[i];
        double sum[5] = {0};
        marginal_settle(&m);
        for (size_t k = 0; k < N; k++) {
            rng stream;
            rng_start(&stream, rng_purpose(7, "theta/%d", i), k, 0);
            t[k] = marginal_sample(&m, &stream.api);
            double z = marginal_standardise(&m, t[k], NULL), power = 1;
            for (int j = 1; j < 5; j++)
                sum[j] += power *= z;
        }
        double mean = sum[1] / N, square = sum[2] / N, fourth = sum[4] / N;
        cr_assert_lt(fabs(mean) * sqrt(N / square), 4.5, "%s: mean %g", text_of(&m),
                     mean);
        cr_assert_lt(fabs(square - 1) * sqrt(N / (fourth - square * square)), 4.5,
                     "%s: square %g", text_of(&m), square);
        cr_assert_lt(kolmogorov_smirnov(&m, t, N), 2.506, "%s", text_of(&m));
    }
    free(t);
}

/* The deviation that theory gives, not the samples. */
Test(prior, half_cauchy_is_standardised_by_its_logarithm)
{
    marginal m = {.name = "t", .family = NRE_HALF_CAUCHY, .b = 0.3};
    marginal_settle(&m);
    cr_assert_float_eq(m.facts.centre, log(0.3), 1e-15);
    cr_assert_float_eq(m.facts.deviation, 1.5707963267948966, 1e-15);
}

/* limits */

static void same_prior(const marginal *a, const marginal *b, double bound)
{
    for (double u = 0.001; u < 1; u += 0.0111) {
        double t = marginal_quantile(a, u), slope, other;
        cr_assert_float_eq(marginal_quantile(b, u), t, bound * (1 + fabs(t)), "u = %g",
                           u);
        cr_assert_float_eq(marginal_cdf(b, t), u, bound);
        cr_assert_float_eq(marginal_log_density(a, t, &slope),
                           marginal_log_density(b, t, &other), bound);
        cr_assert_float_eq(slope, other, bound * (1 + fabs(slope)));
        cr_assert_float_eq(marginal_standardise(a, t, NULL),
                           marginal_standardise(b, t, NULL), bound * 10);
    }
}

Test(prior, limits)
{
    same_prior(&(marginal){.family = NRE_NORMAL, .a = 3, .b = 2},
               &(marginal){
                   .family = NRE_TRUNCATED_NORMAL, .a = 3, .b = 2, .lo = -100, .hi = 100},
               1e-12);
    same_prior(
        &(marginal){.family = NRE_HALF_NORMAL, .b = 2},
        &(marginal){
            .family = NRE_TRUNCATED_NORMAL, .a = 0, .b = 2, .lo = 0, .hi = INFINITY},
        1e-12);
    same_prior(&(marginal){.family = NRE_UNIFORM, .a = -1, .b = 4},
               &(marginal){.family = NRE_BETA, .a = 1, .b = 1, .lo = -1, .hi = 4}, 1e-12);
    same_prior(
        &(marginal){.family = NRE_UNIFORM, .a = 2, .b = 3},
        &(marginal){.family = NRE_TRUNCATED_NORMAL, .a = 0, .b = 1e6, .lo = 2, .hi = 3},
        1e-9);
}

Test(prior, gamma_of_shape_one_is_exponential)
{
    const marginal m = {.family = NRE_GAMMA, .a = 1, .b = 2.5};
    for (double t = 0.01; t < 60; t *= 1.7) {
        double slope;
        cr_assert_float_eq(marginal_log_density(&m, t, &slope), -t / 2.5 - log(2.5),
                           1e-13);
        cr_assert_float_eq(slope, -0.4, 1e-13);
        cr_assert_float_eq(marginal_cdf(&m, t), -expm1(-t / 2.5), 1e-14);
        cr_assert_float_eq(marginal_quantile(&m, -expm1(-t / 2.5)), t, 1e-5 * t);
    }
}

Test(prior, outside_the_support)
{
    for (int i = 0; i < N_PRIORS; i++) {
        double lo, hi, slope = 1;
        marginal_support(&PRIORS[i], &lo, &hi);
        const double outside[] = {lo - 1, hi + 1, NAN, INFINITY, -INFINITY};
        for (size_t k = 0; k < 5; k++) {
            cr_assert_eq(marginal_log_density(&PRIORS[i],
                                              isinf(outside[k]) ? INFINITY : outside[k],
                                              &slope),
                         -INFINITY);
            cr_assert_eq(slope, 0);
        }
        cr_assert_eq(marginal_cdf(&PRIORS[i], lo), 0);
        cr_assert_eq(marginal_cdf(&PRIORS[i], hi), 1);
    }
}

/* A shape so small that u^(1/a) underflows: still inside the support. */
Test(prior, extreme_samples_stay_inside)
{
    const marginal sharp[] = {
        {.name = "t", .family = NRE_GAMMA, .a = 0.01, .b = 1},
        {.name = "t", .family = NRE_BETA, .a = 0.02, .b = 0.02},
        {.name = "t", .family = NRE_UNIFORM, .a = 1, .b = 1 + 4 * DBL_EPSILON},
        {.name = "t", .family = NRE_HALF_CAUCHY, .b = 1e300},
    };
    for (size_t i = 0; i < 4; i++)
        for (double u = 1e-17; u < 1; u = u < 0.5 ? u * 10 : u + 0.0999999) {
            double lo, hi, t = marginal_quantile(&sharp[i], u);
            marginal_support(&sharp[i], &lo, &hi);
            cr_assert(t > lo && t < hi && isfinite(t), "%s: %g -> %g", text_of(&sharp[i]),
                      u, t);
            cr_assert(isfinite(marginal_log_density(&sharp[i], t, NULL)));
        }
}

Test(prior, impossible_numbers_are_refused)
{
    const marginal bad[] = {
        {.name = "t", .family = NRE_UNIFORM, .a = 2, .b = 1},
        {.name = "t", .family = NRE_UNIFORM, .a = NAN, .b = 1},
        {.name = "t", .family = NRE_LOG_UNIFORM, .a = 0, .b = 1},
        {.name = "t", .family = NRE_NORMAL, .a = 0, .b = 0},
        {.name = "t", .family = NRE_LOG_NORMAL, .a = 0, .b = -1},
        {.name = "t", .family = NRE_TRUNCATED_NORMAL, .a = 0, .b = 1, .lo = 1, .hi = 1},
        {.name = "t",
         .family = NRE_TRUNCATED_NORMAL,
         .a = 0,
         .b = 1,
         .lo = 1e7,
         .hi = 2e7},
        {.name = "t", .family = NRE_HALF_NORMAL, .b = -2},
        {.name = "t", .family = NRE_HALF_CAUCHY, .b = INFINITY},
        {.name = "t", .family = NRE_GAMMA, .a = 0, .b = 1},
        {.name = "t", .family = NRE_BETA, .a = 1, .b = 0},
        {.name = "t", .family = NRE_BETA, .a = 1, .b = 1, .lo = 2, .hi = 1},
        {.name = "t", .family = 99},
        {.name = "t", .family = 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(marginal_check(&bad[i]), NRE_EINVAL, "%zu", i);
        cr_assert(message_has("prior of t: "));
    }
    for (int i = 0; i < N_PRIORS; i++)
        cr_assert_eq(marginal_check(&PRIORS[i]), NRE_OK, "%s", error_message());
}

Test(prior, text)
{
    cr_assert_str_eq(text_of(&PRIORS[0]), "uniform(1, 50)");
    cr_assert_str_eq(text_of(&PRIORS[3]), "log_uniform(1e-06, 1000)");
    cr_assert_str_eq(text_of(&PRIORS[6]), "truncated_normal(0, 1, -1, 2)");
    cr_assert_str_eq(text_of(&PRIORS[10]), "half_normal(2)");
    cr_assert_str_eq(text_of(&PRIORS[16]), "beta(2, 5)");
    cr_assert_str_eq(text_of(&PRIORS[18]), "beta(3, 2, -1, 4)");
}

/* products */

Test(prior, product_of_marginals)
{
    const marginal of[] = {PRIORS[0], PRIORS[4], PRIORS[11]};
    const prior p = {.n = 3, .of = of};
    const uint32_t which[] = {2, 0};
    double theta[4 * 3], some[4 * 2], log_density[4], gradient[4 * 2], all[4];
    cr_assert_eq(prior_sample(&p, rng_purpose(1, "theta"), 10, 0, 4, theta), 0);
    for (int i = 0; i < 4; i++) {
        some[2 * i] = theta[3 * i + 2];
        some[2 * i + 1] = theta[3 * i];
    }
    cr_assert_eq(prior_log_density(&p, 2, which, 4, some, log_density, gradient), 0);
    cr_assert_eq(prior_log_density(&p, 0, NULL, 4, theta, all, NULL), 0);
    for (int i = 0; i < 4; i++) {
        double slope;
        double first = marginal_log_density(&of[2], some[2 * i], &slope);
        cr_assert_float_eq(gradient[2 * i], slope, 0);
        cr_assert_float_eq(log_density[i],
                           first + marginal_log_density(&of[0], some[2 * i + 1], NULL),
                           1e-14);
        cr_assert_float_eq(
            all[i], log_density[i] + marginal_log_density(&of[1], theta[3 * i + 1], NULL),
            1e-13);
    }
}

/* Row i depends on its own number and attempt alone. */
Test(prior, rows_have_streams_of_their_own)
{
    const marginal of[] = {PRIORS[0], PRIORS[11]};
    const prior p = {.n = 2, .of = of};
    const rng_key key = rng_purpose(1, "theta/train");
    double many[20], one[2];
    prior_sample(&p, key, 0, 0, 10, many);
    prior_sample(&p, key, 7, 0, 1, one);
    cr_assert_arr_eq(one, many + 14, sizeof one);
    prior_sample(&p, key, 7, 1, 1, one);
    cr_assert_neq(one[0], many[14]);
}

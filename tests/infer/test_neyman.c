/* neyman.c: against critical values that are known. */
#include "../sanitized.h"
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEVELS[] = {0.68, 0.95, 0.997};
enum { N = 20000, TEST = 20000 };

typedef double deviance_law(const double *theta, rng *r);

typedef struct pairs {
    fixture f;
    double *theta, *deviance; /* [N][dim] */
} pairs;

static void draw_pairs(const toy *t, deviance_law *law, const char *purpose, size_t n,
                       double *theta, double *deviance)
{
    rng_key key = rng_purpose(21, "%s", purpose);
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, key, i, 0);
        for (uint32_t k = 0; k < t->dim; k++)
            theta[i * t->dim + k] = t->prior == TOY_NORMAL
                                        ? t->a + t->b * rng_normal(&r)
                                        : t->a + (t->b - t->a) * rng_uniform(&r);
        deviance[i] = law(theta + i * t->dim, &r);
    }
}

static neyman *fit(pairs *p, const toy *t, deviance_law *law, pool *workers)
{
    neyman *m = NULL;
    fixture_open(&p->f, t);
    p->theta = malloc(N * t->dim * sizeof *p->theta);
    p->deviance = malloc(N * sizeof *p->deviance);
    draw_pairs(t, law, "calibration", N, p->theta, p->deviance);
    neyman_plan few = {&p->f.target, N, p->theta, p->deviance, 3, LEVELS, workers};
    cr_assert_eq(neyman_fit(&few, &m), NRE_OK, "%s", error_message());
    cr_assert_eq(neyman_pairs(m), N);
    return m;
}

static void done(pairs *p, neyman *m)
{
    neyman_free(m);
    free(p->theta);
    free(p->deviance);
    fixture_close(&p->f);
}

/* Coverage of fresh pairs: its error is that of both samples. */
static void assert_covers(const pairs *p, const neyman *m, deviance_law *law)
{
    const toy *t = &p->f.toy;
    double *theta = malloc(TEST * t->dim * sizeof *theta);
    double *deviance = malloc(TEST * sizeof *deviance),
           *critical = malloc(TEST * sizeof *critical);
    draw_pairs(t, law, "test", TEST, theta, deviance);
    for (size_t i = 0; i < 3; i++) {
        double l = LEVELS[i], inside = 0;
        cr_assert_eq(neyman_critical(m, l, TEST, theta, critical), NRE_OK);
        for (size_t k = 0; k < TEST; k++)
            inside += deviance[k] <= critical[k];
        double z = (inside / TEST - l) / sqrt(l * (1 - l) * (1.0 / TEST + 1.0 / N));
        cr_assert(fabs(z) < 4.5, "level %g: %g, z = %g", l, inside / TEST, z);
    }
    free(theta);
    free(deviance);
    free(critical);
}

static double critical_at(const neyman *m, double level, const double *theta)
{
    double value = NAN;
    cr_assert_eq(neyman_critical(m, level, 1, theta, &value), NRE_OK);
    return value;
}

/* The error of a quantile of chi-squared from N draws: sqrt(L (1 - L) / N) over the density. */
static double quantile_error(double level, double dim)
{
    double q = gsl_cdf_chisq_Pinv(level, dim), h = 1e-4 * q;
    double density =
        (gsl_cdf_chisq_P(q + h, dim) - gsl_cdf_chisq_P(q - h, dim)) / (2 * h);
    return sqrt(level * (1 - level) / N) / density;
}

static double chi_squared(const double *theta, rng *r)
{
    (void)theta;
    double z = rng_normal(r);
    return z * z;
}

/* A regular problem: the critical value is chi-squared's for every theta. */
Test(neyman, of_a_regular_problem)
{
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 4, .sigma = 1};
    static pairs p;
    neyman *m = fit(&p, &t, chi_squared, NULL);
    for (size_t i = 0; i < 3; i++)
        for (double theta = 0.5; theta < 4; theta += 1) {
            /* As many terms as the degree, each with that error. */
            double error =
                quantile_error(LEVELS[i], 1) * (1 + neyman_degree(m, LEVELS[i]));
            double known = gsl_cdf_chisq_Pinv(LEVELS[i], 1);
            cr_assert_float_eq(critical_at(m, LEVELS[i], &theta), known, 4.5 * error,
                               "%g at %g: %g for %g ± %g", LEVELS[i], theta,
                               critical_at(m, LEVELS[i], &theta), known, error);
        }
    assert_covers(&p, m, chi_squared);
    done(&p, m);
}

static double widening(const double *theta, rng *r)
{
    double z = (1 + theta[0] * theta[1]) * rng_normal(r);
    return z * z;
}

/* Critical values that grow with both parameters: (1 + ab)^2 times chi-squared's. */
Test(neyman, depends_on_theta, .disabled = SANITIZED)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = 0, .b = 2, .sigma = 1};
    static pairs p;
    neyman *m = fit(&p, &t, widening, NULL);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(neyman_degree(m, LEVELS[i]) >= 2);
        for (int k = 0; k < 9; k++) {
            double theta[] = {0.3 + 0.7 * (k % 3), 0.3 + 0.7 * (k / 3.0 - k % 3 / 3.0)};
            double known =
                pow(1 + theta[0] * theta[1], 2) * gsl_cdf_chisq_Pinv(LEVELS[i], 1);
            double found = critical_at(m, LEVELS[i], theta);
            cr_assert_float_eq(found, known, 0.15 * known, "%g at %g, %g: %g for %g",
                               LEVELS[i], theta[0], theta[1], found, known);
        }
    }
    assert_covers(&p, m, widening);
    done(&p, m);
}

/* A mean that cannot be negative, x ~ N(theta, 1): the maximum sits at max(x, 0). */
static double bounded(const double *theta, rng *r)
{
    double x = *theta + rng_normal(r), best = fmax(x, 0);
    return (x - *theta) * (x - *theta) - (x - best) * (x - best);
}

/* P(deviance <= c) at theta: of sqrt(c) < theta both sides are normal; else x may lie below 0, where
 * the deviance is theta^2 - 2 theta x. */
static double bounded_cdf(double theta, double c)
{
    double up = gsl_cdf_ugaussian_P(sqrt(c));
    if (sqrt(c) <= theta)
        return up - gsl_cdf_ugaussian_P(-sqrt(c));
    return theta > 0 ? up - gsl_cdf_ugaussian_P((theta * theta - c) / (2 * theta) - theta)
                     : up;
}

/* Where Wilks' threshold is wrong: at the edge of the support the true critical value of level 0.95
 * is 2.71 and not 3.84. */
Test(neyman, at_an_edge)
{
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 4, .sigma = 1};
    static pairs p;
    neyman *m = fit(&p, &t, bounded, NULL);
    for (size_t i = 0; i < 2; i++)
        for (double theta = 0.02; theta < 4; theta += 0.33) {
            double c = critical_at(m, LEVELS[i], &theta), l = LEVELS[i];
            double covered = bounded_cdf(theta, c);
            /* Least known at the ends: as if a term's share of the pairs had told it. */
            double error = sqrt(l * (1 - l) * (1 + neyman_degree(m, l)) / N);
            error *= theta < 0.4 || theta > 3.6 ? sqrt(1 + neyman_degree(m, l)) : 1;
            cr_assert_float_eq(covered, l, 0.005 + 4.5 * error,
                               "%g at %g: critical %g covers %g ± %g", l, theta, c,
                               covered, error);
        }
    double edge = 0.1, middle = 2.5;
    cr_assert(critical_at(m, 0.95, &edge) < critical_at(m, 0.95, &middle) - 0.5);
    assert_covers(&p, m, bounded);
    done(&p, m);
}

/* Heavy ends of an unbounded prior are as good as its middle. */
Test(neyman, of_a_normal_prior, .disabled = SANITIZED)
{
    toy t = {.dim = 3, .prior = TOY_NORMAL, .a = 1, .b = 2, .sigma = 1};
    static pairs p;
    neyman *m = fit(&p, &t, chi_squared, NULL);
    assert_covers(&p, m, chi_squared);
    double far[] = {20, -20, 1};
    cr_assert(critical_at(m, 0.68, far) >= 0 && critical_at(m, 0.68, far) < 4);
    cr_assert(critical_at(m, 0.997, far) >= critical_at(m, 0.95, far));
    cr_assert(critical_at(m, 0.95, far) >= critical_at(m, 0.68, far));
    done(&p, m);
}

static double endless(const double *theta, rng *r)
{
    double z = rng_normal(r);
    (void)theta;
    return rng_uniform(r) < 0.01 ? INFINITY : rng_uniform(r) < 0.3 ? 0 : z * z;
}

/* Truths that the ratio excludes, and truths that are the maximum. */
Test(neyman, of_infinite_deviances)
{
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 4, .sigma = 1};
    static pairs p;
    double at = 1, inside;
    neyman *m = fit(&p, &t, endless, NULL);
    cr_assert(critical_at(m, 0.95, &at) < 20);
    cr_assert_eq(critical_at(m, 0.997, &at), INFINITY);
    cr_assert_eq(neyman_critical(m, 0.68, 1, &at, &inside), NRE_OK);
    done(&p, m);
}

/* The same bits from any number of threads, and from a file. */
Test(neyman, same_bits)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = 0, .b = 2, .sigma = 1};
    static pairs p[2];
    pool *three = NULL;
    cr_assert_eq(pool_new(3, &three), 0);
    neyman *a = fit(&p[0], &t, widening, NULL), *b = fit(&p[1], &t, widening, three),
           *c = NULL;
    json_t *j = neyman_json(a);
    char *text = json_dumps(j, JSON_REAL_PRECISION(17));
    json_t *back = json_loads(text, 0, NULL);
    cr_assert_eq(neyman_read(back, &p[0].f.target, &c), NRE_OK, "%s", error_message());
    static double va[N], vb[N], vc[N];
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(neyman_critical(a, LEVELS[i], N, p[0].theta, va), NRE_OK);
        cr_assert_eq(neyman_critical(b, LEVELS[i], N, p[0].theta, vb), NRE_OK);
        cr_assert_eq(neyman_critical(c, LEVELS[i], N, p[0].theta, vc), NRE_OK);
        cr_assert_arr_eq(va, vb, sizeof va);
        cr_assert_arr_eq(va, vc, sizeof va);
        cr_assert_eq(neyman_degree(a, LEVELS[i]), neyman_degree(c, LEVELS[i]));
    }
    cr_assert_eq(neyman_pairs(c), N);
    json_object_set_new(back, "target", json_string("other"));
    neyman *none = NULL;
    cr_assert_eq(neyman_read(back, &p[0].f.target, &none), NRE_EDATA);
    json_object_set_new(back, "target", json_string("all"));
    json_array_clear(json_object_get(json_array_get(json_object_get(back, "levels"), 0),
                                     "coefficients"));
    cr_assert_eq(neyman_read(back, &p[0].f.target, &none), NRE_EDATA);
    cr_assert_null(none);
    json_decref(back);
    json_decref(j);
    free(text);
    neyman_free(c);
    done(&p[0], a);
    done(&p[1], b);
    pool_free(three);
}

Test(neyman, nonsense_is_refused)
{
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 4, .sigma = 1};
    static double theta[4000], deviance[4000];
    static fixture f;
    neyman *m = NULL;
    fixture_open(&f, &t);
    draw_pairs(&t, chi_squared, "calibration", 4000, theta, deviance);
    cr_assert_eq(neyman_least(0.68), 32);
    cr_assert_eq(neyman_least(0.95), 200);
    cr_assert_eq(neyman_least(0.997), 3334);
    neyman_plan few = {&f.target, 3000, theta, deviance, 3, LEVELS, NULL};
    cr_assert_eq(neyman_fit(&few, &m), NRE_ECONFIG);
    cr_assert(strstr(error_message(), "datasets.calibration.n"), "%s", error_message());
    cr_assert(strstr(error_message(), "3334"), "%s", error_message());
    few.n = 4000;
    deviance[17] = NAN;
    cr_assert_eq(neyman_fit(&few, &m), NRE_ENUMERIC);
    deviance[17] = 1;
    const double wrong = 1.5;
    neyman_plan high = {&f.target, 4000, theta, deviance, 1, &wrong, NULL};
    cr_assert_eq(neyman_fit(&high, &m), NRE_EINVAL);
    cr_assert_null(m);
    cr_assert_eq(neyman_fit(&few, &m), NRE_OK);
    double value, at = 1;
    cr_assert_eq(neyman_critical(m, 0.9, 1, &at, &value), NRE_EINVAL);
    cr_assert_eq(neyman_degree(m, 0.9), -1);
    neyman_free(m);
    fixture_close(&f);
}

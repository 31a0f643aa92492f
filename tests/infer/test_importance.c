/* importance.c: areas, moments and ranks against closed forms. */
#include "../sanitized.h"
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

static const toy TOYS[] = {
    {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3},
    {.dim = 3, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.3},
    {.dim = 6, .prior = TOY_NORMAL, .b = 1, .sigma = 0.2, .rho = 0.8},
    {.dim = 10, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5},
    {.dim = 4, .prior = TOY_NORMAL, .b = 1, .sigma = 0.2, .mirrored = true},
    {.dim = 5, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 3},
};
enum { PAIRS = 1000 };

/* Ranks of truths in their posteriors are uniform; the mean area is 1. */
static void check(const toy *t)
{
    static fixture f;
    cloud c = {0};
    double mean = 0, square = 0, below68 = 0, below95 = 0, area = 0, areas = 0;
    size_t missing = 0, evaluations = 0;
    fixture_open(&f, t);
    for (size_t i = 0; i < PAIRS; i++) {
        rng r;
        double theta[10], log_prior, log_ratio;
        float x[10];
        rng_start(&r, rng_purpose(5, "cloud/%u", t->dim), i, 0);
        toy_pair(t, &r, theta, x);
        fixture_observe(&f, 1, x);
        cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1,
                              &(cloud_plan){.truth = theta}, &r, &c),
                     NRE_OK);
        cr_assert_eq(posterior_log_prior(&f.posterior, 1, theta, &log_prior, NULL),
                     NRE_OK);
        cr_assert_eq(ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, theta,
                                    &log_ratio, NULL),
                     NRE_OK);
        double rank = cloud_rank(&c, log_prior + log_ratio, c.weight_of_truth);
        mean += rank / PAIRS, square += rank * rank / PAIRS;
        below68 += (rank < 0.68) / (double)PAIRS;
        below95 += (rank < 0.95) / (double)PAIRS;
        area += exp(c.log_area) / PAIRS;
        areas += exp(2 * c.log_area) / PAIRS;
        missing += c.effective < CLOUD_MIN_EFFECTIVE;
        evaluations += c.evaluations;
    }
    cloud_release(&c);
    fixture_close(&f);
    cr_assert_float_eq(mean, 0.5, 4.5 * sqrt(1 / 12.0 / PAIRS));
    cr_assert_float_eq(square, 1 / 3.0, 4.5 * sqrt(4 / 45.0 / PAIRS));
    cr_assert_float_eq(below68, 0.68, 4.5 * sqrt(0.68 * 0.32 / PAIRS));
    cr_assert_float_eq(below95, 0.95, 4.5 * sqrt(0.95 * 0.05 / PAIRS));
    /* Rounds end when the effective size is enough, which leaves a bias of some
     * thousandths. */
    cr_assert_float_eq(area, 1, 0.005 + 4.5 * sqrt((areas - area * area) / PAIRS));
    cr_assert_leq(missing, PAIRS / 100);
    cr_assert_leq(evaluations, (size_t)PAIRS * 3200);
}

Test(importance, narrow_normal)
{
    check(&TOYS[0]);
}

Test(importance, at_the_bounds_of_a_box)
{
    check(&TOYS[1]);
}

Test(importance, correlated, .disabled = SANITIZED)
{
    check(&TOYS[2]);
}

Test(importance, ten_parameters, .disabled = SANITIZED)
{
    check(&TOYS[3]);
}

Test(importance, two_modes, .disabled = SANITIZED)
{
    check(&TOYS[4]);
}

Test(importance, as_wide_as_the_prior)
{
    check(&TOYS[5]);
}

/* A truth that is one of the draws has a uniform rank however few they are, also in the
 * last half per cent. */
Test(importance, ranks_among_few_draws, .disabled = SANITIZED)
{
    enum { MANY = 12000, LEVELS = 4 };
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.4};
    cloud_plan few = {.n_prior = 40, .n_round = 40, .max_rounds = 6, .enough = 20};
    double level[LEVELS] = {0.3, 0.68, 0.95, 0.997}, inside[LEVELS] = {0};
    static fixture f;
    cloud c = {0};
    fixture_open(&f, &t);
    for (size_t i = 0; i < MANY; i++) {
        rng r;
        double theta[2], log_prior, log_ratio;
        float x[2];
        rng_start(&r, rng_purpose(6, "few"), i, 0);
        toy_pair(&t, &r, theta, x);
        fixture_observe(&f, 1, x);
        few.truth = theta;
        cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, &few, &r, &c),
                     NRE_OK);
        cr_assert_eq(posterior_log_prior(&f.posterior, 1, theta, &log_prior, NULL),
                     NRE_OK);
        cr_assert_eq(ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, theta,
                                    &log_ratio, NULL),
                     NRE_OK);
        double rank = cloud_rank(&c, log_prior + log_ratio, c.weight_of_truth);
        for (size_t k = 0; k < LEVELS; k++)
            inside[k] += rank < level[k];
    }
    for (size_t k = 0; k < LEVELS; k++)
        cr_assert_float_eq(inside[k] / MANY, level[k],
                           4.5 * sqrt(level[k] * (1 - level[k]) / MANY));
    cloud_release(&c);
    fixture_close(&f);
}

/* Mean and variance of one posterior, within 4.5 standard errors at the effective size.
 */
Test(importance, moments)
{
    toy t = {.dim = 4, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3};
    static fixture f;
    cloud c = {0};
    rng r;
    float x[] = {0.5f, -1.5f, 2, 0};
    double v = 0.09 / 1.09, sum = 0;
    cloud_plan how = {.enough = 3000, .max_rounds = 60};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, x);
    rng_start(&r, rng_purpose(1, "moments"), 0, 0);
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, &how, &r, &c),
                 NRE_OK);
    cr_assert_geq(c.effective, 3000);
    for (size_t i = 0; i < c.n; i++)
        sum += c.weight[i];
    cr_assert_float_eq(sum, 1, 1e-9);
    for (size_t k = 0; k < 4; k++) {
        double mean = 0, square = 0, right = (double)x[k] / 1.09;
        for (size_t i = 0; i < c.n; i++) {
            double off = c.theta[i * 4 + k] - right;
            mean += c.weight[i] * off;
            square += c.weight[i] * off * off;
        }
        cr_assert_float_eq(mean, 0, 4.5 * sqrt(v / c.effective));
        cr_assert_float_eq(square, v, 4.5 * v * sqrt(2 / c.effective));
    }
    cloud_release(&c);
    fixture_close(&f);
}

Test(importance, same_stream_same_bits)
{
    toy t = {.dim = 6, .prior = TOY_NORMAL, .b = 1, .sigma = 0.2};
    static fixture f;
    cloud a = {0}, b = {0};
    rng r, s;
    fixture_open(&f, &t);
    rng_start(&r, rng_purpose(1, "bits"), 0, 0);
    s = r;
    fixture_observe(&f, 1, (float[]){1, 2, 0, -1, 0.5f, 0});
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &r, &a),
                 NRE_OK);
    rng_uniform(&r);
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &r, &b),
                 NRE_OK);
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &s, &b),
                 NRE_OK);
    cr_assert_eq(a.n, b.n);
    cr_assert_arr_eq(a.weight, b.weight, a.n * sizeof *a.weight);
    cr_assert_arr_eq(a.theta, b.theta, a.n * 6 * sizeof *a.weight);
    cloud_release(&a);
    cloud_release(&b);
    fixture_close(&f);
}

/* Draws, weights and area follow the prior that is meant. */
Test(importance, another_prior)
{
    static fixture f;
    toy t = {.dim = 4, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3};
    cloud c = {0};
    const cloud_plan many = {.n_round = 3000, .enough = 4000};
    rng r;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0.8f, -0.3f, 0.1f, 0});
    marginal of[4];
    memcpy(of, f.target.prior->of, sizeof of);
    of[0] = (marginal){.name = "t0", .family = NRE_UNIFORM, .a = 0, .b = 0.5};
    prior p = *f.target.prior;
    target meant = f.target;
    p.of = of;
    meant.prior = &p;
    posterior other = {.ratio = f.ratio, .target = &meant};
    rng_start(&r, rng_purpose(1, "another prior"), 0, 0);
    cr_assert_eq(cloud_of(&other, f.worker, f.observed, 0, 1, &many, &r, &c), NRE_OK,
                 "%s", error_message());
    double mean[2] = {0}, low = gsl_cdf_ugaussian_P(-0.8 / 0.3),
           high = gsl_cdf_ugaussian_P(-0.3 / 0.3);
    for (size_t i = 0; i < c.n; i++)
        for (size_t k = 0; k < 2; k++) {
            mean[k] += c.weight[i] * c.theta[i * 4 + k];
            cr_assert(c.weight[i] == 0 || (c.theta[i * 4] >= 0 && c.theta[i * 4] <= 0.5));
        }
    /* A Gaussian cut to [0, 0.5]. */
    double right =
        0.8 +
        0.3 * (gsl_ran_ugaussian_pdf(-0.8 / 0.3) - gsl_ran_ugaussian_pdf(-0.3 / 0.3)) /
            (high - low);
    cr_assert_float_eq(mean[0], right, 4.5 * 0.11 / sqrt(c.effective));
    cr_assert_float_eq(mean[1], -0.3 / 1.09, 4.5 * 0.29 / sqrt(c.effective));
    double evidence =
        log((high - low) / 0.5) + 0.5 * (0.64 / 1.09 + log(2 * M_PI * 1.09));
    cr_assert_float_eq(c.log_area, evidence, 0.1);
    cloud_release(&c);
    fixture_close(&f);
}

/* a ratio of three values */

typedef struct stepped {
    ratio base; /* first */
    double inside, outside;
    double half; /* of the box around x */
} stepped;

static int keep_row(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    float *kept = room_take(&o->row, n, r->n_x * sizeof *kept);
    (void)own;
    cr_assert_not_null(kept);
    memcpy(kept, x, n * r->n_x * sizeof *x);
    return NRE_OK;
}

static int step_at(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                   size_t per_x, const double *theta, double *log_ratio, double *gradient)
{
    const stepped *s = (const stepped *)(const void *)r;
    const size_t d = r->target->n;
    (void)own;
    (void)gradient;
    for (size_t i = 0; i < n * per_x; i++) {
        const float *x = (const float *)o->row.at + (first + i / per_x) * r->n_x;
        bool inside = true;
        for (size_t k = 0; k < d; k++)
            inside = inside && fabs(theta[i * d + k] - (double)x[k]) < s->half;
        log_ratio[i] = inside ? s->inside : s->outside;
    }
    return NRE_OK;
}

static void step_free(ratio *r)
{
    (void)r;
}

static const ratio_kind STEPPED = {
    .observe = keep_row, .evaluate = step_at, .free = step_free};

/* A cloud of a box of three parameters around the origin, of N_PRIOR draws at first. */
static int cloud_of_step(stepped *s, size_t n_prior, const double *truth, cloud *c)
{
    toy t = {.dim = 3, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.3};
    static fixture f;
    cloud_plan how = {.n_prior = n_prior, .truth = truth};
    rng r;
    fixture_open(&f, &t);
    s->base = (ratio){.kind = &STEPPED, .target = &f.target, .n_x = t.dim};
    fixture_use(&f, &s->base);
    fixture_observe(&f, 1, (float[]){0, 0, 0});
    rng_start(&r, rng_purpose(1, "nowhere"), 0, 0);
    int status = cloud_of(&f.posterior, f.worker, f.observed, 0, 1, &how, &r, c);
    fixture_close(&f);
    return status;
}

/* A box of 1e-3 of the prior is missed by a hundred draws and found by ten thousand; the truth within it
 * does not give it away. */
Test(importance, nowhere_is_no_failure)
{
    stepped box = {.inside = 0, .outside = -INFINITY, .half = 0.1};
    const double truth[] = {0.01, 0, 0};
    cloud c = {0};
    cr_assert_eq(cloud_of_step(&box, 100, truth, &c), NRE_OK, "%s", error_message());
    cr_assert(c.nowhere);
    cr_assert_eq(c.n, 0);
    cr_assert_eq(c.effective, 0);
    cr_assert_eq(c.evaluations, 100);
    cr_assert(isinf(c.log_area) && c.log_area < 0);
    cr_assert_eq(cloud_somewhere(&c, 4), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "row 4 is zero at all 100 draws"));
    cr_assert_eq(cloud_of_step(&box, 10000, truth, &c), NRE_OK, "%s", error_message());
    cr_assert(!c.nowhere);
    cr_assert_eq(cloud_somewhere(&c, 4), NRE_OK);
    cr_assert_geq(c.effective, 100);
    /* the area is the box's share of the prior, known to 1 / sqrt(effective) of it */
    cr_assert(fabs(c.log_area - log(1e-3)) < 4.5 / sqrt(c.effective), "%g", c.log_area);
    cloud_release(&c);
}

Test(importance, no_number_is_a_failure)
{
    stepped broken = {.inside = 0, .outside = NAN, .half = 0.9},
            infinite = {.inside = INFINITY, .outside = 0, .half = 0.5};
    cloud c = {0};
    cr_assert_eq(cloud_of_step(&broken, 100, NULL, &c), NRE_ENUMERIC);
    cr_assert(!c.nowhere);
    cr_assert_eq(cloud_of_step(&infinite, 1000, NULL, &c), NRE_ENUMERIC);
    cr_assert(!c.nowhere);
    cr_assert(strstr(error_message(), "row 0 is inf"), "%s", error_message());
    cloud_release(&c);
}

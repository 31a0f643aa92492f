/* limits.c: against closed forms. */
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

enum { ALL = 1 << LIMIT_OWN | 1 << LIMIT_UNIFORM | 1 << LIMIT_INVERSE | 1 << LIMIT_LOG };

/* A ratio of one's own: log r is the sum of CURVE over the parameters. */
static double (*curve)(double t);

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    size_t d = r->target->n;
    (void)own, (void)o, (void)first, (void)gradient;
    for (size_t i = 0; i < n * per_x; i++) {
        log_ratio[i] = 0;
        for (size_t k = 0; k < d; k++)
            log_ratio[i] += curve(theta[i * d + k]);
    }
    return NRE_OK;
}

static void keep(ratio *r)
{
    (void)r;
}

static const ratio_kind OF_CURVE = {.evaluate = evaluate, .free = keep};

static limits limits_at(fixture *f, const limit_plan *wanted)
{
    grid g = {0};
    limits out;
    cr_assert_eq(grid_of(&f->posterior, f->worker, f->observed, 0, 1, &g), NRE_OK, "%s",
                 error_message());
    cr_assert_eq(limits_of(&f->posterior, f->worker, f->observed, 0, 1, &g, wanted, &out),
                 NRE_OK, "%s", error_message());
    grid_release(&g);
    return out;
}

/* With a uniform prior on [low, high] for each of DIM parameters. */
static limits limits_of_curve(double (*f)(double), double low, double high, uint32_t dim,
                              const limit_plan *wanted)
{
    static fixture at;
    static ratio own;
    toy t = {.dim = dim, .prior = TOY_UNIFORM, .a = low, .b = high, .sigma = 1};
    float x[3] = {0};
    fixture_open(&at, &t);
    own = (ratio){&OF_CURVE, &at.target, dim, .normalised = false};
    curve = f;
    fixture_use(&at, &own);
    fixture_observe(&at, 1, x);
    limits out = limits_at(&at, wanted);
    fixture_close(&at);
    return out;
}

/* Highest density: two deviations and more below the mean; quantile and Wilks at one-sided
 * thresholds: 1.645; the second Wilks is the two-sided one. */
static void check_gaussian(const limits *l, const limit_plan *wanted, double mean,
                           double sigma, double tolerance)
{
    double sign = wanted->upper ? 1 : -1, one = gsl_cdf_ugaussian_Pinv(wanted->level),
           two = gsl_cdf_ugaussian_Pinv(0.5 + 0.5 * wanted->level);
    double got[] = {l->under[LIMIT_OWN].hpd_edge, l->under[LIMIT_OWN].quantile,
                    l->wilks[0], l->wilks[1]};
    double exact[] = {two, one, one, two};
    for (size_t i = 0; i < 4; i++)
        cr_assert_float_eq(got[i], mean + sign * exact[i] * sigma, tolerance * sigma,
                           "number %zu: %g, not %g", i, got[i],
                           mean + sign * exact[i] * sigma);
    cr_assert_float_eq(l->best, mean, 0.02 * sigma);
}

Test(limits, of_a_gaussian)
{
    static fixture f;
    for (double sigma = 3; sigma > 0.01; sigma /= 4)
        for (int upper = 0; upper < 2; upper++) {
            toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 1, .b = 50, .sigma = sigma};
            limit_plan wanted = {0, upper, upper ? 0.9 : 0.95, 1 << LIMIT_OWN, 20};
            float x = 24.5f;
            fixture_open(&f, &t);
            fixture_observe(&f, 1, &x);
            limits l = limits_at(&f, &wanted);
            check_gaussian(&l, &wanted, 24.5, sigma, 2e-4);
            cr_assert_float_eq(l.log_ratio_against, 0.5 * pow(4.5 / sigma, 2),
                               1e-6 + 1e-4 * pow(4.5 / sigma, 2));
            cr_assert(isnan(l.under[LIMIT_LOG].quantile));
            fixture_close(&f);
        }
}

/* An infinite support: the prior narrows the posterior, but not Wilks. */
Test(limits, under_a_normal_prior)
{
    static fixture f;
    toy t = {.dim = 1, .prior = TOY_NORMAL, .a = 0, .b = 1, .sigma = 0.5};
    limit_plan wanted = {0, false, 0.95, 1 << LIMIT_OWN, NAN};
    float x = 1.0f;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, &x);
    limits l = limits_at(&f, &wanted);
    double mean = 0.8, deviation = sqrt(0.2);
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, mean - 1.644854 * deviation, 3e-4);
    cr_assert_float_eq(l.under[LIMIT_OWN].hpd_edge, mean - 1.959964 * deviation, 3e-4);
    cr_assert_float_eq(l.wilks[0], 1 - 1.644854 * 0.5, 3e-4);
    cr_assert_float_eq(l.wilks[1], 1 - 1.959964 * 0.5, 3e-4);
    cr_assert(isnan(l.log_ratio_against));
    fixture_close(&f);
}

static double rising(double t)
{
    return 0.15 * t;
}

/* Log r rises to the upper end of the prior, as where data prefer a parameter as large as it may
 * be: the region of highest density is that above the quantile. */
Test(limits, of_an_exponential_at_the_end_of_the_prior)
{
    const double rate = 0.15, low = 1, high = 50;
    limit_plan lower = {0, false, 0.95, 1 << LIMIT_OWN, 10},
               upper = {0, true, 0.95, 1 << LIMIT_OWN, NAN};
    limits l = limits_of_curve(rising, low, high, 1, &lower);
    double a = exp(rate * low), b = exp(rate * high),
           exact = log(a + 0.05 * (b - a)) / rate;
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, exact, 1e-4);
    cr_assert_float_eq(l.under[LIMIT_OWN].hpd_edge, exact, 1e-4);
    cr_assert_float_eq(l.threshold[0], 2.705543, 1e-5);
    cr_assert_float_eq(l.threshold[1], 3.841459, 1e-5);
    cr_assert_float_eq(l.wilks[0], 50 - 0.5 * l.threshold[0] / rate, 1e-5);
    cr_assert_float_eq(l.wilks[1], 50 - 0.5 * l.threshold[1] / rate, 1e-5);
    cr_assert_float_eq(l.log_ratio_against, 0.15 * 40, 1e-5);
    cr_assert_float_eq(l.best, 50, 1e-6);
    l = limits_of_curve(rising, low, high, 1, &upper);
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, log(a + 0.95 * (b - a)) / rate, 1e-4);
    cr_assert(isnan(l.under[LIMIT_OWN].hpd_edge));
    cr_assert(isnan(l.wilks[0]) && isnan(l.wilks[1]));
}

static double flat(double t)
{
    (void)t;
    return 3;
}

/* Nothing learned: the quantiles of the priors, and no other limit. */
Test(limits, where_nothing_is_learned)
{
    limit_plan wanted = {0, false, 0.9, ALL, 50};
    limits l = limits_of_curve(flat, 1, 50, 1, &wanted);
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, 1 + 0.1 * 49, 1e-6);
    cr_assert_float_eq(l.under[LIMIT_UNIFORM].quantile, 1 + 0.1 * 49, 1e-6);
    cr_assert_float_eq(l.under[LIMIT_INVERSE].quantile, 1 / (1 - 0.1 * (1 - 0.02)), 1e-6);
    cr_assert_float_eq(l.under[LIMIT_LOG].quantile, pow(50, 0.1), 1e-6);
    for (int k = 0; k < LIMIT_PRIORS; k++)
        cr_assert(isnan(l.under[k].hpd_edge), "%d", k);
    cr_assert(isnan(l.wilks[0]) && isnan(l.wilks[1]));
    cr_assert_float_eq(l.log_ratio_against, 0, 1e-12);
}

static double square(double t)
{
    return 2 * log(fabs(t));
}

/* r = theta^2: densities theta^2, 1 (the reciprocal's) and theta (the logarithm's). */
Test(limits, under_other_priors)
{
    for (int sign = 1; sign > -2; sign -= 2) {
        double low = sign > 0 ? 1 : -50, high = sign > 0 ? 50 : -1;
        limit_plan wanted = {0, sign < 0, 0.95, ALL, NAN};
        limits l = limits_of_curve(square, low, high, 1, &wanted);
        double cubes = cbrt(1 + 0.05 * (125000 - 1)), squares = sqrt(1 + 0.05 * 2499);
        cr_assert_float_eq(l.under[LIMIT_OWN].quantile, sign * cubes, 1e-3);
        cr_assert_float_eq(l.under[LIMIT_UNIFORM].quantile, sign * cubes, 1e-3);
        cr_assert_float_eq(l.under[LIMIT_UNIFORM].hpd_edge, sign * cubes, 1e-3);
        cr_assert_float_eq(l.under[LIMIT_LOG].quantile, sign * squares, 1e-3);
        cr_assert_float_eq(l.under[LIMIT_LOG].hpd_edge, sign * squares, 1e-3);
        cr_assert_float_eq(l.under[LIMIT_INVERSE].quantile, sign * (1 + 0.05 * 49), 1e-3);
    }
}

/* Under the own prior a Gaussian at 400; under the inverse one most lies near 1e-4, where log r is
 * 16 nats lower and the grid of the own prior's posterior has no cells. */
static double peak_over_a_plain(double t)
{
    return log(exp(-0.5 * pow((t - 400) / 20, 2)) + exp(-16));
}

Test(limits, where_another_prior_looks_elsewhere)
{
    const double low = 1e-4, high = 1000, plain = exp(-16);
    limit_plan wanted = {0, true, 0.6, 1 << LIMIT_OWN | 1 << LIMIT_INVERSE, NAN};
    limits l = limits_of_curve(peak_over_a_plain, low, high, 1, &wanted);
    double peak = 0;
    for (int i = -200; i <= 200; i++)
        peak += exp(-0.5 * i * i / 400.0) / pow(400 + i, 2);
    double all = plain * (1 / low - 1 / high) + peak;
    double exact = 1 / (1 / low - 0.6 * all / plain);
    cr_assert(0.6 * all < plain / low);
    cr_assert_float_eq(l.under[LIMIT_INVERSE].quantile, exact, 1e-3 * exact);
    double quantile = 400 + 20 * gsl_cdf_ugaussian_Pinv(0.6);
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, quantile, 0.01);
}

/* Correlated Gaussians: marginal and profile are the same Gaussian. */
Test(limits, among_other_parameters)
{
    static fixture f;
    for (uint32_t dim = 2; dim <= 3; dim++) {
        toy t = {.dim = dim,
                 .prior = TOY_UNIFORM,
                 .a = 1,
                 .b = 50,
                 .sigma = 2,
                 .rho = 0.7,
                 .no_evidence = true};
        limit_plan wanted = {1, false, 0.95, ALL, 20};
        float x[3] = {20.0f, 27.0f, 30.0f};
        fixture_open(&f, &t);
        fixture_observe(&f, 1, x);
        limits l = limits_at(&f, &wanted);
        check_gaussian(&l, &wanted, 27, 2, dim == 2 ? 2e-4 : 5e-4);
        cr_assert_float_eq(l.log_ratio_against, 0.5 * 3.5 * 3.5, 2e-3, "%g",
                           l.log_ratio_against);
        cr_assert_float_eq(l.under[LIMIT_UNIFORM].quantile, l.under[LIMIT_OWN].quantile,
                           1e-6);
        fixture_close(&f);
    }
}

/* The other parameter at the end of its prior, and nothing known of the third. */
Test(limits, of_a_target_at_the_corner)
{
    const double rate = 0.15, a = exp(rate), b = exp(50 * rate);
    double exact = log(a + 0.05 * (b - a)) / rate;
    for (uint32_t dim = 2; dim <= 3; dim++) {
        limit_plan wanted = {0, false, 0.95, 1 << LIMIT_OWN | 1 << LIMIT_INVERSE, 10};
        limits l = limits_of_curve(rising, 1, 50, dim, &wanted);
        limits alone = limits_of_curve(rising, 1, 50, 1, &wanted);
        cr_assert_float_eq(l.under[LIMIT_OWN].quantile, exact, 2e-4);
        cr_assert_float_eq(l.under[LIMIT_OWN].hpd_edge, exact, 2e-4);
        cr_assert_float_eq(l.under[LIMIT_INVERSE].quantile,
                           alone.under[LIMIT_INVERSE].quantile, 2e-4);
        cr_assert_float_eq(l.wilks[0], 50 - 0.5 * l.threshold[0] / rate, 1e-5);
        cr_assert_float_eq(l.log_ratio_against, 6, 1e-5);
    }
}

/* P(valid) belongs to the posterior, under every prior, and not to the ratio. */
Test(limits, where_simulations_fail)
{
    enum { N = 4000 };
    static fixture f;
    static ratio own;
    static double theta[N];
    static uint8_t valid[N];
    const uint32_t which = 0;
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 1, .b = 3, .sigma = 1};
    limit_plan wanted = {0, false, 0.9, 1 << LIMIT_OWN | 1 << LIMIT_INVERSE, 2};
    validity_model *m = NULL;
    float x = 0;
    fixture_open(&f, &t);
    own = (ratio){&OF_CURVE, &f.target, 1, .normalised = false};
    curve = flat;
    fixture_use(&f, &own);
    fixture_observe(&f, 1, &x);
    for (size_t i = 0; i < N; i++) {
        theta[i] = 1 + 2 * ((double)i + 0.5) / N;
        valid[i] = (i * 7919) % N > i / 2;
    }
    validity *v = validity_new(simulator_prior(f.simulator));
    validity_add(v, N, theta, valid);
    cr_assert_eq(validity_fit(v, 1, &which, &m), NRE_OK);
    f.posterior.validity = m;
    limits l = limits_at(&f, &wanted);
    double sum[2] = {0}, all[2] = {0}, quantile[2] = {0};
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 20000; i++) {
            double at = 1 + 2 * (i + 0.5) / 20000, log_p;
            validity_log(m, 1, &at, &log_p, NULL);
            double density[2] = {exp(log_p), exp(log_p) / (at * at)};
            for (int k = 0; k < 2; k++) {
                *(pass ? &sum[k] : &all[k]) += density[k];
                if (pass && quantile[k] == 0 && sum[k] >= 0.1 * all[k])
                    quantile[k] = at;
            }
        }
    cr_assert(quantile[0] < 1.19, "P(valid) says something: %g", quantile[0]);
    cr_assert_float_eq(l.under[LIMIT_OWN].quantile, quantile[0], 2e-4);
    cr_assert_float_eq(l.under[LIMIT_INVERSE].quantile, quantile[1], 2e-4);
    cr_assert_float_eq(l.log_ratio_against, 0, 1e-12);
    cr_assert(isnan(l.wilks[0]));
    validity_model_free(m);
    validity_free(v);
    fixture_close(&f);
}

static double centre;

static double hill(double t)
{
    return -5 * pow(t - centre, 2);
}

/* Under a beta prior on [-1, 1] with poles at both ends. */
static limits limits_between_poles(double at, const limit_plan *wanted)
{
    static fixture f;
    static ratio own;
    marginal of = {
        .name = "t", .family = NRE_BETA, .a = 0.1, .b = 0.1, .lo = -1, .hi = 1};
    prior poles = {.n = 1, .of = &of};
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 1};
    float x = 0;
    fixture_open(&f, &t);
    f.target.prior = &poles;
    own = (ratio){&OF_CURVE, &f.target, 1, .normalised = false};
    centre = at;
    curve = hill;
    fixture_use(&f, &own);
    fixture_observe(&f, 1, &x);
    limits l = limits_at(&f, wanted);
    fixture_close(&f);
    return l;
}

/* Where a hill at -0.9 leaves 5% above: by s with t = -1 + 2 s^10, whose prior has no pole. */
static double above_between_poles(void)
{
    enum { N = 400000 };
    double all = 0, sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < N; i++) {
            double w = pow((i + 0.5) / N, 10), t = -1 + 2 * w;
            double mass = pow(1 - w, -0.9) * exp(-5 * pow(t + 0.9, 2));
            *(pass ? &sum : &all) += mass;
            if (pass && sum >= 0.95 * all)
                return t;
        }
    return NAN;
}

/* The density has a pole at the far end, too, where next to nothing of the posterior lies: that is no
 * region which reaches the edge; it is where the hill is nearer. */
Test(limits, between_poles)
{
    double exact = above_between_poles();
    for (int upper = 0; upper < 2; upper++) {
        double sign = upper ? 1 : -1;
        limit_plan wanted = {0, upper, 0.95, 1 << LIMIT_OWN, NAN};
        limits l = limits_between_poles(-0.9 * sign, &wanted);
        cr_assert_float_eq(l.under[LIMIT_OWN].quantile, sign * exact, 1e-4);
        cr_assert_float_eq(l.under[LIMIT_OWN].hpd_edge, sign * exact, 1e-4, "%g, not %g",
                           l.under[LIMIT_OWN].hpd_edge, sign * exact);
        l = limits_between_poles(-0.3 * sign, &wanted);
        cr_assert(isnan(l.under[LIMIT_OWN].hpd_edge), "%.17g",
                  l.under[LIMIT_OWN].hpd_edge);
    }
}

static const double SMALL = 2e-7;

static double near_the_low_end(double t)
{
    return 0.9 * log(t) - t / SMALL;
}

/* Seventeen decades of a log-uniform prior, and a posterior within the lowest of them: the tail of a
 * gamma distribution of shape 0.9, which falls all along. */
Test(limits, under_a_wide_log_uniform_prior)
{
    static fixture f;
    static ratio own;
    marginal of = {.name = "t", .family = NRE_LOG_UNIFORM, .a = 1e-8, .b = 1e9};
    prior wide = {.n = 1, .of = &of};
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 1, .b = 2, .sigma = 1};
    float x = 0;
    fixture_open(&f, &t);
    f.target.prior = &wide;
    own = (ratio){&OF_CURVE, &f.target, 1, .normalised = false};
    curve = near_the_low_end;
    fixture_use(&f, &own);
    fixture_observe(&f, 1, &x);
    double above = 0.05 * gsl_cdf_gamma_Q(1e-8, 0.9, SMALL);
    double exact = gsl_cdf_gamma_Qinv(above, 0.9, SMALL);
    limits upper = limits_at(&f, &(limit_plan){0, true, 0.95, 1 << LIMIT_OWN, NAN});
    limits lower = limits_at(&f, &(limit_plan){0, false, 0.95, 1 << LIMIT_OWN, NAN});
    cr_assert_float_eq(upper.under[LIMIT_OWN].quantile, exact, 1e-3 * exact);
    cr_assert_float_eq(upper.under[LIMIT_OWN].hpd_edge, exact, 1e-3 * exact, "%g, not %g",
                       upper.under[LIMIT_OWN].hpd_edge, exact);
    cr_assert(isnan(lower.under[LIMIT_OWN].hpd_edge), "%g",
              lower.under[LIMIT_OWN].hpd_edge);
    fixture_close(&f);
}

Test(limits, says_which_priors_cannot_be)
{
    marginal of[] = {{.name = "m", .family = NRE_UNIFORM, .a = 1, .b = 50},
                     {.name = "z", .family = NRE_UNIFORM, .a = 0, .b = 1},
                     {.name = "n", .family = NRE_NORMAL, .a = 5, .b = 1}};
    prior p = {.n = 3, .of = of};
    for (unsigned k = 0; k < LIMIT_PRIORS; k++)
        cr_assert_null(limit_prior_problem(&p, 0, (limit_prior)k));
    cr_assert_null(limit_prior_problem(&p, 1, LIMIT_UNIFORM));
    cr_assert_str_eq(limit_prior_problem(&p, 1, LIMIT_INVERSE),
                     "the support of its own prior holds 0");
    cr_assert_not_null(limit_prior_problem(&p, 1, LIMIT_LOG));
    cr_assert_null(limit_prior_problem(&p, 2, LIMIT_OWN));
    cr_assert_str_eq(limit_prior_problem(&p, 2, LIMIT_UNIFORM),
                     "the support of its own prior is infinite");
}

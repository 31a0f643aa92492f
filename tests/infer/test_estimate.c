/* estimate.c: maxima and summaries against closed forms. */
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

static void climb(fixture *f, maximum_kind kind, size_t n, const double *start,
                  double *theta, double *value)
{
    cr_assert_eq(maximum_of(&f->posterior, f->worker, f->observed, 0, 1, kind, n, start,
                            theta, value),
                 NRE_OK, "%s", error_message());
}

/* MLE at x, MAP at x / (1 + sigma^2), from bad starts, for a narrow ridge too. */
Test(estimate, maxima_of_gaussians)
{
    const double rhos[] = {0, 0.95};
    static fixture f;
    for (int i = 0; i < 2; i++) {
        toy t = {.dim = 5, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1, .rho = rhos[i]};
        float x[] = {0.5f, -1, 2, 0.2f, 0};
        double start[10] = {0, 0, 0, 0, 0, 1, -1.5, 1.5, 1, -0.3}, theta[5], value,
               best[5];
        fixture_open(&f, &t);
        fixture_observe(&f, 1, x);
        for (int k = 0; k < 5; k++)
            best[k] = (double)x[k];
        climb(&f, MAXIMUM_RATIO, 2, start, theta, &value);
        double right = toy_log_likelihood(&t, best, x) - toy_log_evidence(&t, x);
        cr_assert_float_eq(value, right, 1e-3);
        cr_assert_float_eq(theta[2], 2, 0.01);
        if (i == 0) {
            climb(&f, MAXIMUM_POSTERIOR, 2, start, theta, &value);
            cr_assert_float_eq(theta[1], -1 / 1.01, 0.005);
            for (int k = 0; k < 5; k++)
                best[k] /= 1.01;
            right = toy_log_likelihood(&t, best, x) - toy_log_evidence(&t, x) -
                    2.5 * log(2 * M_PI);
            for (int k = 0; k < 5; k++)
                right -= 0.5 * best[k] * best[k];
            cr_assert_float_eq(value, right, 1e-3);
        }
        fixture_close(&f);
    }
}

/* x outside the box: the likelihood rises to its corner. */
Test(estimate, maximum_at_a_bound)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    static fixture f;
    float x[] = {3, 0.4f};
    double start[] = {0, 0}, theta[2], value, corner[] = {1, (double)0.4f};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, x);
    climb(&f, MAXIMUM_RATIO, 1, start, theta, &value);
    cr_assert_float_eq(value, toy_log_likelihood(&t, corner, x) - toy_log_evidence(&t, x),
                       1e-3);
    cr_assert_float_eq(theta[0], 1, 1e-3);
    cr_assert_leq(theta[0], 1);
    fixture_close(&f);
}

/* Two modes, one higher under a tilted start: the best start's mode is found, never less.
 */
Test(estimate, never_below_its_best_start)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1, .mirrored = true};
    static fixture f;
    fixture_open(&f, &t);
    for (uint64_t i = 0; i < 200; i++) {
        rng r;
        double start[6], theta[2], value, each;
        float x[2];
        rng_start(&r, rng_purpose(1, "starts"), i, 0);
        toy_pair(&t, &r, theta, x);
        for (int k = 0; k < 6; k++)
            start[k] = rng_normal(&r);
        fixture_observe(&f, 1, x);
        climb(&f, MAXIMUM_RATIO, 3, start, theta, &value);
        for (int k = 0; k < 3; k++) {
            cr_assert_eq(ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1,
                                        start + 2 * k, &each, NULL),
                         NRE_OK);
            cr_assert_geq(value, each);
        }
        double top[] = {(double)x[0], (double)x[1]};
        /* Where the modes overlap the maximum lies higher, between them. */
        cr_assert_geq(value,
                      toy_log_likelihood(&t, top, x) - toy_log_evidence(&t, x) - 1e-3);
    }
    fixture_close(&f);
}

/* -2 (log r(theta) - max) of a Gaussian likelihood is chi-squared: Wilks is exact there.
 */
Test(estimate, wilks_covers)
{
    enum { N = 3000 };
    toy t = {.dim = 3, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1};
    static fixture f;
    double covered = 0;
    fixture_open(&f, &t);
    for (uint64_t i = 0; i < N; i++) {
        rng r;
        double start[3] = {0}, theta[3], top[3], value, truth;
        float x[3];
        rng_start(&r, rng_purpose(1, "wilks"), i, 0);
        toy_pair(&t, &r, theta, x);
        fixture_observe(&f, 1, x);
        climb(&f, MAXIMUM_RATIO, 1, start, top, &value);
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, theta, &truth, NULL),
            NRE_OK);
        covered += -2 * (truth - value) <= wilks_threshold(0.68, 3);
    }
    cr_assert_float_eq(covered / N, 0.68, 4.5 * sqrt(0.68 * 0.32 / N));
    cr_assert_float_eq(wilks_threshold(0.95, 1), 3.841458820694124, 1e-9);
    fixture_close(&f);
}

Test(estimate, summary_of_draws)
{
    enum { N = 200000 };
    double *v = memory_new(N, sizeof *v);
    summary s;
    rng r;
    rng_start(&r, rng_purpose(1, "summary"), 0, 0);
    for (size_t i = 0; i < N; i++)
        v[i] = 3 + 2 * rng_normal(&r);
    cr_assert_eq(summary_of(N, v, NULL, &s), NRE_OK);
    cr_assert_float_eq(s.mean, 3, 4.5 * 2 / sqrt(N));
    cr_assert_float_eq(s.mcse_mean, 2 / sqrt(N), 1e-4);
    cr_assert_float_eq(s.deviation, 2, 0.02);
    cr_assert_float_eq(s.quantile[0], 3 - 2 * 1.959964, 0.06);
    cr_assert_float_eq(s.quantile[3], 3 + 2 * 0.994458, 0.04);
    cr_assert_float_eq(s.hdi95[1] - s.hdi95[0], 4 * 1.959964, 0.08);
    cr_assert_float_eq(s.hdi68[0] + s.hdi68[1], 6, 0.4);
    free(v);
}

Test(estimate, summary_of_weighted_points)
{
    const double v[] = {4, 1, 3, 2}, w[] = {2, 1, 0, 1};
    summary s;
    cr_assert_eq(summary_of(4, v, w, &s), NRE_OK);
    cr_assert_float_eq(s.mean, 2.75, 1e-12);
    cr_assert_float_eq(s.deviation, sqrt(0.25 * 3.0625 + 0.25 * 0.5625 + 0.5 * 1.5625),
                       1e-12);
    cr_assert(s.hdi68[0] == 2 && s.hdi68[1] == 4);
    cr_assert_eq(summary_of(0, v, NULL, &s), NRE_EINVAL);
}

/* Of marginals of a truncated and of an unbounded posterior. */
Test(estimate, summary_of_grids)
{
    static fixture f;
    grid g = {0};
    summary s;
    toy normal = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5, .rho = 0.3};
    fixture_open(&f, &normal);
    fixture_observe(&f, 1, (float[]){0, 0});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK);
    cr_assert_eq(summary_of_grid(&g, 1, &s), NRE_OK);
    /* C^-1 + I of the posterior, inverted: eigenvalues along (1, 1) and (1, -1). */
    double along = 1 / (1 + 1 / (0.25 * 1.3)), across = 1 / (1 + 1 / (0.25 * 0.7));
    double sd = sqrt(0.5 * (along + across));
    cr_assert_float_eq(s.mean, 0, 0.01 * sd);
    cr_assert_float_eq(s.deviation, sd, 0.01 * sd);
    cr_assert_float_eq(s.quantile[4], 1.959964 * sd, 0.02 * sd);
    cr_assert_float_eq(s.quantile[1], -0.994458 * sd, 0.02 * sd);
    cr_assert_float_eq(s.hdi95[1] - s.hdi95[0], 2 * 1.959964 * sd, 0.04 * sd);
    cr_assert(isnan(s.mcse_mean));
    cr_assert_eq(summary_of_grid(&g, 2, &s), NRE_EINVAL);
    fixture_close(&f);

    toy box = {.dim = 1, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    fixture_open(&f, &box);
    fixture_observe(&f, 1, (float[]){1.2f});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK);
    cr_assert_eq(summary_of_grid(&g, 0, &s), NRE_OK);
    double x = (double)1.2f, low = gsl_cdf_ugaussian_P((-1 - x) / 0.5);
    double mass = gsl_cdf_ugaussian_P((1 - x) / 0.5) - low;
    for (int i = 0; i < 5; i++) {
        double p = (double[]){0.025, 0.16, 0.5, 0.84, 0.975}[i];
        cr_assert_float_eq(s.quantile[i],
                           x + 0.5 * gsl_cdf_ugaussian_Pinv(low + p * mass), 1e-3);
    }
    /* The density rises to the bound: shortest intervals end there. */
    cr_assert_float_eq(s.hdi95[1], 1, 1e-3);
    cr_assert_float_eq(s.hdi95[0], x + 0.5 * gsl_cdf_ugaussian_Pinv(low + 0.05 * mass),
                       2e-3);
    grid_release(&g);
    fixture_close(&f);
}

/* Many rows at once, under another prior than the ratio's: shrunk towards its mean. */
Test(estimate, maxima_under_another_prior)
{
    enum { N = 3 };
    static fixture f;
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    float x[2 * N] = {0.8f, -0.3f, -1, 0.5f, 0.1f, 0.2f};
    double start[2 * N] = {0}, theta[2 * N], value[N];
    fixture_open(&f, &t);
    fixture_observe(&f, N, x);
    marginal of[2] = {
        {.name = "t0", .family = NRE_NORMAL, .a = 0.2, .b = 0.3},
        {.name = "t1", .family = NRE_UNIFORM, .a = -0.25, .b = 1},
    };
    prior p = *f.target.prior;
    target meant = f.target;
    p.of = of;
    meant.prior = &p;
    posterior other = {.ratio = f.ratio, .target = &meant};
    for (int i = 0; i < 2 * N; i++)
        start[i] = 0.1;
    cr_assert_eq(maxima_of(&other, f.worker, f.observed, 0, N, MAXIMUM_POSTERIOR, 1,
                           start, theta, value),
                 NRE_OK, "%s", error_message());
    for (int i = 0; i < N; i++) {
        double a = (0.2 / 0.09 + (double)x[2 * i] / 0.25) / (1 / 0.09 + 1 / 0.25);
        cr_assert_float_eq(theta[2 * i], a, 0.01);
        cr_assert_float_eq(theta[2 * i + 1], fmax((double)x[2 * i + 1], -0.25), 0.01);
    }
    fixture_close(&f);
}

/* narrow.c: marginals of draws and of grids; rows that share a nuisance. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double normal_log(double at, double mean, double variance)
{
    return -0.5 * ((at - mean) * (at - mean) / variance + log(2 * M_PI * variance));
}

Test(narrow, columns_of_draws)
{
    double theta[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, lp[] = {-1, -2, -3, -4};
    double weight[] = {0.1, 0.2, 0.3, 0.4},
           facts[] = {1.1, 1.2, 1.3, 300, 200, 100, 30, 20, 10};
    chains c = {.dim = 3,
                .n_chains = 2,
                .n_draws = 2,
                .theta = theta,
                .log_posterior = lp,
                .r_hat = facts,
                .ess_bulk = facts + 3,
                .ess_tail = facts + 6,
                .effective = 100};
    chains out;
    cr_assert_eq(chains_narrow(&c, 2, (uint32_t[]){1, 0}, &out), NRE_OK);
    cr_assert_eq(out.dim, 2);
    cr_assert_arr_eq(out.theta, ((double[]){2, 1, 5, 4, 8, 7, 11, 10}),
                     8 * sizeof(double));
    cr_assert_arr_eq(out.log_posterior, lp, sizeof lp);
    cr_assert_null(out.weight);
    cr_assert(out.r_hat[0] == 1.2 && out.ess_tail[1] == 30 && out.effective == 200);
    chains_release(&out);
    c.weight = weight;
    cr_assert_eq(chains_narrow(&c, 1, (uint32_t[]){2}, &out), NRE_OK);
    cr_assert_arr_eq(out.weight, weight, sizeof weight);
    cr_assert_eq(out.effective, 100);
    chains_release(&out);
}

/* Rows x_i = theta + noise whose correlation RHO is known, prior N(0, 1): the posterior of both
 * parameters is Gaussian with precision n C^-1 + I, that of the first is its marginal.  Adding
 * log ratios of the first alone, as if the second were drawn anew, is another posterior. */
Test(narrow, a_nuisance_that_rows_share)
{
    enum { N = 4 };
    static fixture f;
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.8, .rho = 0.9};
    float x[2 * N] = {0.9f, -0.6f, 0.2f, -0.9f, 0.5f, -1.2f, 0.7f, -0.2f};
    grid whole = {0}, part = {0};
    fixture_open(&f, &t);
    fixture_observe(&f, N, x);
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, N, &whole), NRE_OK);
    target first = f.target;
    first.n = 1;
    cr_assert_eq(grid_narrow(&whole, &first, (uint32_t[]){0}, &part), NRE_OK);

    double v = 0.64, det = v * v * (1 - 0.81), a = N * v / det + 1,
           b = -N * 0.9 * v / det;
    double sum[2] = {0}, pull[2];
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 2; k++)
            sum[k] += (double)x[2 * i + k];
    for (int k = 0; k < 2; k++)
        pull[k] = (v * sum[k] - 0.9 * v * sum[1 - k]) / det;
    double variance = a / (a * a - b * b);
    double mean = (a * pull[0] - b * pull[1]) / (a * a - b * b);
    /* The marginal ratio of a row: x_1 given theta_1 alone, x_2 given both x_1 and theta_1 with
     * theta_2 drawn anew; its Gaussian has the precision of C + diag(0, 1). */
    double fresh = v + 1, det1 = v * fresh - 0.81 * v * v, wrong_a = N * fresh / det1 + 1;
    double wrong = (fresh * sum[0] - 0.9 * v * sum[1]) / det1 / wrong_a;

    summary s;
    cr_assert_eq(summary_of_grid(&part, 0, &s), NRE_OK);
    cr_assert_float_eq(s.mean, mean, 0.01 * sqrt(variance), "%g %g", s.mean, mean);
    cr_assert_float_eq(s.deviation, sqrt(variance), 0.01 * sqrt(variance));
    cr_assert(fabs(wrong - mean) > 0.3 * sqrt(variance), "%g %g", wrong, mean);
    cr_assert(fabs(sqrt(1 / wrong_a) - sqrt(variance)) > 0.1 * sqrt(variance));
    double total = 0;
    for (size_t i = 0; i < part.n; i++) {
        total += part.weight[i];
        if (part.weight[i] > 1e-3)
            cr_assert_float_eq(part.log_density[i],
                               normal_log(part.axis[i], mean, variance), 0.03);
    }
    cr_assert_float_eq(total, 1, 1e-9);
    cr_assert_float_eq(part.log_area, whole.log_area, 0);
    grid_release(&part);
    grid_release(&whole);
    fixture_close(&f);
}

/* The same marginal in either order of the axes. */
Test(narrow, order_of_axes)
{
    static fixture f;
    toy t = {.dim = 3, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.6};
    grid whole = {0}, part = {0};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0.2f, -0.5f, 0.9f});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &whole), NRE_OK);
    target two = f.target;
    two.n = 2;
    two.which = (uint32_t[]){2, 0};
    cr_assert_eq(grid_narrow(&whole, &two, (uint32_t[]){2, 0}, &part), NRE_OK);
    for (uint32_t k = 0; k < 2; k++) {
        summary s, w;
        cr_assert_eq(summary_of_grid(&part, k, &s), NRE_OK);
        cr_assert_eq(summary_of_grid(&whole, two.which[k], &w), NRE_OK);
        cr_assert_float_eq(s.mean, w.mean, 1e-9);
        cr_assert_float_eq(s.quantile[4], w.quantile[4], 1e-9);
    }
    cr_assert(isfinite(grid_log_density(&part, (double[]){0.5, 0.1})));
    grid_release(&part);
    grid_release(&whole);
    fixture_close(&f);
}

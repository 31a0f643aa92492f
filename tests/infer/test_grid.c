/* grid.c: against closed forms; ranks of truths are uniform. */
#include "../sanitized.h"
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void grid_at(fixture *f, const float *x, grid *g)
{
    fixture_observe(f, 1, x);
    cr_assert_eq(grid_of(&f->posterior, f->worker, f->observed, 0, 1, g), NRE_OK, "%s",
                 error_message());
}

/* Mass, density and area for posteriors from wide to a thousandth of the prior, also in
 * its tail. */
Test(grid, one_parameter)
{
    static fixture f;
    grid g = {0};
    for (double sigma = 2; sigma > 5e-4; sigma /= 5) {
        toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = sigma};
        fixture_open(&f, &t);
        for (float x = -3.2f; x < 3.5f; x += 0.8f) {
            double v = sigma * sigma / (1 + sigma * sigma),
                   mean = (double)x / (1 + sigma * sigma);
            double sum = 0, moment = 0, density;
            grid_at(&f, &x, &g);
            cr_assert(g.resolved && g.cells > GRID_MIN_CELLS);
            cr_assert_float_eq(g.log_area, 0, 1e-2, "sigma %g x %g: %g", sigma, (double)x,
                               g.log_area);
            for (size_t i = 0; i < g.n; i++) {
                sum += g.weight[i];
                moment += g.weight[i] * g.axis[i];
            }
            cr_assert_float_eq(sum, 1, 1e-12);
            cr_assert_float_eq(moment, mean, 0.03 * sqrt(v));
            for (double z = -2; z < 2.5; z++) {
                density = -0.5 * z * z - 0.5 * log(2 * M_PI * v);
                double theta = mean + z * sqrt(v);
                cr_assert_float_eq(grid_log_density(&g, &theta), density, 1e-2);
            }
        }
        fixture_close(&f);
    }
    grid_release(&g);
}

static double area_error(const toy *t, const float *x)
{
    static fixture f;
    grid g = {0};
    fixture_open(&f, t);
    grid_at(&f, x, &g);
    cr_assert(g.resolved);
    double error = fabs(g.log_area);
    grid_release(&g);
    fixture_close(&f);
    return error;
}

Test(grid, area_is_one)
{
    toy wide = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.7};
    toy ridge = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3, .rho = 0.95};
    toy modes = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.03, .mirrored = true};
    toy three = {.dim = 3, .prior = TOY_UNIFORM, .a = -2, .b = 2, .sigma = 0.4};
    cr_assert_lt(area_error(&wide, (float[]){0.9f, -1.2f}), 1e-3);
    cr_assert_lt(area_error(&ridge, (float[]){0.5f, 0.7f}), 1e-2);
    cr_assert_lt(area_error(&modes, (float[]){0.8f, -0.4f}), 1e-3);
    cr_assert_lt(area_error(&three, (float[]){0.1f, -0.5f, 1}), 3e-3);
}

/* Row by row is the same as one row of the mean with less noise. */
Test(grid, several_rows_are_a_product)
{
    enum { N = 40 };
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 1, .no_evidence = true};
    static fixture f;
    float x[2 * N];
    double mean[2] = {0}, v = 1.0 / (1 + N);
    grid g = {0};
    rng r;
    fixture_open(&f, &t);
    rng_start(&r, rng_purpose(3, "rows"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        toy_simulate(&t, &r, (double[]){0.5, -1}, x + 2 * i);
        mean[0] += (double)x[2 * i] / (1 + N);
        mean[1] += (double)x[2 * i + 1] / (1 + N);
    }
    fixture_observe(&f, N, x);
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, N, &g), NRE_OK);
    for (uint32_t k = 0; k < 2; k++) {
        summary s;
        cr_assert_eq(summary_of_grid(&g, k, &s), NRE_OK);
        cr_assert_float_eq(s.mean, mean[k], 0.01 * sqrt(v));
        cr_assert_float_eq(s.deviation, sqrt(v), 0.02 * sqrt(v));
    }
    grid_release(&g);
    fixture_close(&f);
}

/* All points miss a box narrower than the smallest cells, 2 / 512. */
Test(grid, says_where_draws_must_go_on)
{
    toy box = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.0015};
    box.bounded = true;
    toy four = {.dim = 4, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.1};
    static fixture f;
    grid g = {0};
    fixture_open(&f, &box);
    fixture_observe(&f, 1, (float[]){0.5f, 0.25f});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_ENUMERIC);
    cr_assert(g.nowhere);
    cr_assert_eq(grid_try(&f.posterior, f.worker, f.observed, 0, 1, GRID_MIN_CELLS, &g),
                 NRE_ENOTSUP);
    fixture_close(&f);
    fixture_open(&f, &four);
    fixture_observe(&f, 1, (float[]){0, 0, 0, 0});
    cr_assert_eq(grid_try(&f.posterior, f.worker, f.observed, 0, 1, GRID_MIN_CELLS, &g),
                 NRE_ENOTSUP);
    grid_release(&g);
    fixture_close(&f);
}

Test(grid, same_bits_whatever_came_before)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1};
    static fixture f;
    grid a = {0}, b = {0};
    fixture_open(&f, &t);
    grid_at(&f, (float[]){0.3f, 1.7f}, &a);
    grid_at(&f, (float[]){2.9f, -2}, &b);
    grid_at(&f, (float[]){0.3f, 1.7f}, &b);
    cr_assert_eq(a.n, b.n);
    cr_assert_arr_eq(a.weight, b.weight, a.n * sizeof *a.weight);
    cr_assert_arr_eq(a.log_density, b.log_density, a.n * sizeof *a.weight);
    grid_release(&a);
    grid_release(&b);
    fixture_close(&f);
}

/* One worker serves posteriors of several priors: its axes follow; the same prior, said, gives
 * the same bits. */
Test(grid, another_prior)
{
    static fixture f;
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    grid own = {0}, other = {0}, again = {0}, said = {0};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0.8f, -0.3f});
    marginal of[2] = {f.target.prior->of[0], f.target.prior->of[1]};
    prior p = *f.target.prior;
    target same = f.target, meant = f.target;
    p.of = of;
    same.prior = &p;
    posterior of_same = {.ratio = f.ratio, .target = &same};
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &own), NRE_OK);
    cr_assert_eq(grid_of(&of_same, f.worker, f.observed, 0, 1, &said), NRE_OK);
    cr_assert_eq(own.n, said.n);
    cr_assert_arr_eq(own.weight, said.weight, own.n * sizeof(double));
    cr_assert_arr_eq(own.axis, said.axis, 2 * own.m * sizeof(double));

    marginal narrow[2] = {of[0], of[1]};
    narrow[0] = (marginal){.name = "t0", .family = NRE_NORMAL, .a = 0.2, .b = 0.3};
    prior q = p;
    q.of = narrow;
    meant.prior = &q;
    posterior of_other = {.ratio = f.ratio, .target = &meant};
    cr_assert_eq(grid_of(&of_other, f.worker, f.observed, 0, 1, &other), NRE_OK);
    summary s;
    double precision = 1 / 0.09 + 1 / 0.25, mean = (0.2 / 0.09 + 0.8 / 0.25) / precision;
    cr_assert_eq(summary_of_grid(&other, 0, &s), NRE_OK);
    cr_assert_float_eq(s.mean, mean, 0.003);
    cr_assert_float_eq(s.deviation, 1 / sqrt(precision), 0.003);
    cr_assert_eq(summary_of_grid(&other, 1, &s), NRE_OK);
    cr_assert_float_eq(s.mean, -0.3 / 1.25, 0.003);
    cr_assert_float_eq(s.deviation, sqrt(0.2), 0.003);
    /* The integral of the new prior times r is no longer 1. */
    double evidence = -0.5 * (0.36 / 0.34 + log(2 * M_PI * 0.34)) -
                      (-0.5 * (0.64 / 1.25 + log(2 * M_PI * 1.25)));
    cr_assert_float_eq(own.log_area, 0, 0.01);
    cr_assert_float_eq(other.log_area, evidence, 0.01);

    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &again), NRE_OK);
    cr_assert_arr_eq(own.weight, again.weight, own.n * sizeof(double));
    grid_release(&own);
    grid_release(&other);
    grid_release(&again);
    grid_release(&said);
    fixture_close(&f);
}

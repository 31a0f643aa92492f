/* Densities by kernels, against those that the draws are of. */
#include "support.h"

#include <math.h>

enum { DRAWS = 40000 };

static int save(const trial *t, const target *of, const double *theta,
                const double *weight, const char *path)
{
    double lp[DRAWS] = {0}, r_hat[2] = {1, 1}, bulk[2] = {DRAWS, DRAWS};
    const float x[2] = {0};
    const chains c = {.dim = of->n,
                      .n_chains = 4,
                      .n_draws = DRAWS / 4,
                      .theta = (double *)(uintptr_t)theta,
                      .log_posterior = lp,
                      .weight = (double *)(uintptr_t)weight,
                      .r_hat = r_hat,
                      .ess_bulk = bulk,
                      .ess_tail = bulk,
                      .effective = DRAWS,
                      .k_hat = NAN};
    return chains_save(&c, t->session->simulator, of, 1, x, path);
}

static void densities_made(trial *t, const target *of, const double *theta,
                           const double *weight, densities *d)
{
    const char *path = scratch_path(&t->s, "samples.nc");
    arena *a = t->session->arena;
    *d = (densities){.arena = a, .target = of, .n = of->n};
    d->axis = arena_alloc(a, of->n, sizeof *d->axis);
    d->line = arena_alloc(a, of->n, sizeof *d->line);
    d->plane = arena_alloc(a, of->n, sizeof *d->plane);
    cr_assert_eq(save(t, of, theta, weight, path), 0, "%s", error_message());
    cr_assert_eq(densities_of_draws(d, t->session->simulator, path, DRAWS), 0, "%s",
                 error_message());
    cr_assert_eq(d->n_draws, DRAWS);
}

/* Deviations 0.3 and 0.1, correlation 0.9: what lies within a region of level L has r^2 below
 * -2 log (1 - L).  About 4,000 draws are within reach of a kernel at the peak: the density is known to 2%,
 * hence a region to 0.01 and, at the worst of some thousand cells, 0.04. */
Test(figures_draws, regions_of_a_narrow_gaussian)
{
    static double theta[DRAWS][2], density[128 * 128], below[128 * 128];
    trial t;
    densities d;
    rng r;
    double worst = 0, square = 0, peak = 0, inside = 0;
    trial_open(&t, SETTINGS("infer.target=all"));
    rng_start(&r, rng_purpose(1, "test"), 0, 0);
    for (size_t i = 0; i < DRAWS; i++) {
        double u = rng_normal(&r), v = rng_normal(&r);
        theta[i][0] = 0.5 + 0.3 * u;
        theta[i][1] = 0.1 * (0.9 * u + sqrt(1 - 0.81) * v);
    }
    densities_made(&t, &t.session->targets[0], theta[0], NULL, &d);
    const density_figure f = {"", 2, {&d.axis[0], &d.axis[1]}, d.plane[0]};
    cr_assert_eq(density_regions(&f, density, below), 0);
    for (size_t i = 0; i < d.axis[0].n * d.axis[1].n; i++) {
        double u = (axis_middle(&d.axis[0], i / d.axis[1].n) - 0.5) / 0.3;
        double v = axis_middle(&d.axis[1], i % d.axis[1].n) / 0.1;
        double r2 = (u * u - 1.8 * u * v + v * v) / (1 - 0.81);
        double off = below[i] - (1 - exp(-0.5 * r2));
        if (r2 < 9) {
            worst = fmax(worst, fabs(off));
            square += off * off;
            inside++;
        }
        peak = fmax(peak, density[i]);
    }
    cr_assert_lt(sqrt(square / inside), 0.015, "%g", sqrt(square / inside));
    cr_assert_lt(worst, 0.045, "a region is wrong by %g", worst);
    double exact = 1 / (2 * M_PI * 0.03 * sqrt(1 - 0.81));
    cr_assert_float_eq(peak, exact, 0.07 * exact);
    trial_close(&t);
}

/* Half of the draws weigh nothing: the density is that of the others. */
Test(figures_draws, weights_count)
{
    static double theta[DRAWS], weight[DRAWS];
    trial t;
    densities d;
    rng r;
    double sum = 0, mean = 0;
    trial_open(&t, SETTINGS("infer.target=[[theta_2]]"));
    rng_start(&r, rng_purpose(2, "test"), 0, 0);
    for (size_t i = 0; i < DRAWS; i++) {
        weight[i] = i % 2 ? 2.0 / DRAWS : 0;
        theta[i] = (i % 2 ? 0.3 : -0.3) + 0.05 * rng_normal(&r);
    }
    densities_made(&t, &t.session->targets[0], theta, weight, &d);
    for (size_t i = 0; i < d.axis[0].n; i++) {
        sum += exp(d.line[0][i]);
        mean += axis_middle(&d.axis[0], i) * exp(d.line[0][i]);
    }
    cr_assert_float_eq(mean / sum, 0.3, 0.003);
    trial_close(&t);
}

/* A few draws below zero have no place on a logarithmic axis; the others keep theirs. */
Test(figures_draws, draws_off_a_logarithmic_axis)
{
    static double theta[DRAWS];
    trial t;
    densities d;
    rng r;
    double sum = 0, mean = 0;
    trial_open(&t, SETTINGS("infer.target=[[theta_2]]"));
    rng_start(&r, rng_purpose(3, "test"), 0, 0);
    for (size_t i = 0; i < DRAWS; i++)
        theta[i] = i % 4001 == 7 ? -0.001 : exp(-2.5 + 0.6 * rng_normal(&r));
    densities_made(&t, &t.session->targets[0], theta, NULL, &d);
    cr_assert(d.axis[0].logarithmic);
    for (size_t i = 0; i < d.axis[0].n; i++) {
        double at = axis_middle(&d.axis[0], i), mass = at * exp(d.line[0][i]);
        cr_assert(isfinite(mass));
        sum += mass;
        mean += mass * log(at);
    }
    cr_assert_float_eq(mean / sum, -2.5, 0.02, "%g", mean / sum);
    trial_close(&t);
}

/* Two posteriors of one x beside each other: Gaussians whose divergence is a formula. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>

/* Of variances A and B, of means AWAY apart, in each of DIM dimensions. */
static double gaussian_kl(double a, double b, uint32_t dim, double away2)
{
    return 0.5 * (dim * (a / b - 1 + log(b / a)) + away2 / b);
}

/* On a grid and from draws; a side that stayed too coarse leaves nothing to compare. */
Test(divergence, of_gaussians)
{
    for (uint32_t dim = 2; dim <= 4; dim += 2) {
        gauss g[SIDES] = {{.dim = dim, .sigma = 0.5, .believed = 0.5},
                          {.dim = dim, .sigma = 0.5, .believed = 0.7}};
        const posterior *p[SIDES];
        station *t[SIDES];
        rng r[SIDES];
        double error[DIVERGENCE_ERRORS], shift[4], width[4], away2 = 0;
        divergence d = {.error = error, .shift = shift, .width = width};
        for (size_t i = 0; i < SIDES; i++) {
            gauss_open(&g[i], GAUSS_EXACT, 8, 51, 1);
            p[i] = &g[i].posterior;
            cr_assert_eq(stations_new(&g[i].subject, &t[i]), 0);
            cr_assert_eq(station_load(&g[i].subject, t[i], 0, 0, 8), 0);
            rng_start(&r[i], rng_purpose(i, "divergence"), 0, 0);
            t[i]->plan = (cloud_plan){.n_prior = 2000, .n_round = 2000, .enough = 2000};
            cr_assert_eq(station_posterior(&g[i].subject, t[i], t[i]->observed, 3, &r[i]),
                         0);
        }
        cr_assert_eq(divergence_between(p, t, 3, r, &d), 0, "%s", error_message());
        cr_assert(!d.missing);
        double a = 0.25 / 1.25, b = 0.49 / 1.49;
        for (uint32_t k = 0; k < dim; k++)
            away2 += pow((double)g[0].x[3 * dim + k] * (1 / 1.25 - 1 / 1.49), 2);
        double kl = gaussian_kl(a, b, dim, away2), back = gaussian_kl(b, a, dim, away2);
        cr_assert_float_eq(d.kl, kl, 0.05 * kl + 0.01, "%g, not %g", d.kl, kl);
        cr_assert_float_eq(d.reverse, back, 0.05 * back + 0.01, "%g, not %g", d.reverse,
                           back);
        cr_assert_float_eq(width[0], sqrt(b / a), 0.1);
        cr_assert_eq(d.outside, 0);
        t[SIDE_NETWORK]->missing = true;
        cr_assert_eq(divergence_between(p, t, 3, r, &d), 0);
        cr_assert(d.missing);
        for (size_t i = 0; i < SIDES; i++) {
            stations_free(&g[i].subject, t[i]);
            gauss_close(&g[i]);
        }
    }
}

/* convergence.c: against chains whose effective sizes are known. */
#include "infer/infer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { CHAINS = 4, DRAWS = 5000 };

/* x_t = phi x_{t-1} + noise, stationary with variance 1; chain c shifted by SHIFT * c. */
static double *autoregression(double phi, double shift, double stretch)
{
    double *v = memory_new((size_t)CHAINS * DRAWS, sizeof *v);
    for (size_t c = 0; c < CHAINS; c++) {
        rng r;
        rng_start(&r, rng_purpose(7, "ar"), c, 0);
        double x = rng_normal(&r), scale = c == 0 ? stretch : 1;
        for (size_t i = 0; i < DRAWS; i++) {
            v[c * DRAWS + i] = scale * x + shift * (double)c;
            x = phi * x + sqrt(1 - phi * phi) * rng_normal(&r);
        }
    }
    return v;
}

/* Of an AR(1) chain the effective size of the mean is n (1 - phi) / (1 + phi). */
static void mean_size(double phi)
{
    double *v = autoregression(phi, 0, 1), right = CHAINS * DRAWS * (1 - phi) / (1 + phi);
    cr_assert_float_eq(ess_mean_of(CHAINS, DRAWS, v) / right, 1, 0.15, "phi %g: %g", phi,
                       ess_mean_of(CHAINS, DRAWS, v) / right);
    cr_assert_float_eq(ess_bulk_of(CHAINS, DRAWS, v) / right, 1, 0.15);
    cr_assert_lt(rhat_of(CHAINS, DRAWS, v), 1.01);
    free(v);
}

Test(convergence, autoregressive_chains)
{
    mean_size(0);
    mean_size(0.5);
    mean_size(0.9);
    mean_size(-0.5);
}

Test(convergence, chains_apart_are_flagged)
{
    double *apart = autoregression(0.3, 0.3, 1), *wide = autoregression(0.3, 0, 3);
    cr_assert_gt(rhat_of(CHAINS, DRAWS, apart), 1.05);
    cr_assert_lt(ess_bulk_of(CHAINS, DRAWS, apart), 100);
    /* Same means, other spreads: only the folded draws tell. */
    cr_assert_gt(rhat_of(CHAINS, DRAWS, wide), 1.05);
    cr_assert_lt(ess_tail_of(CHAINS, DRAWS, wide), 100);
    free(apart);
    free(wide);
}

/* Numbers of an independent implementation of the paper in Python for these 2 x 10
 * values. */
Test(convergence, reference_numbers)
{
    const double v[] = {0.10, 0.40, 0.35, 0.80, 0.60, 0.20, 0.90, 0.50, 0.70, 0.30,
                        0.55, 0.45, 0.15, 0.95, 0.65, 0.25, 0.75, 0.05, 0.85, 0.33};
    cr_assert_float_eq(rhat_of(2, 10, v), 0.9286318082746997, 1e-9, "%.15g",
                       rhat_of(2, 10, v));
    cr_assert_float_eq(ess_bulk_of(2, 10, v), 26.020599913279625, 1e-6, "%.15g",
                       ess_bulk_of(2, 10, v));
    cr_assert_float_eq(ess_tail_of(2, 10, v), 26.020599913279625, 1e-6, "%.15g",
                       ess_tail_of(2, 10, v));
    cr_assert_float_eq(ess_mean_of(2, 10, v), 26.020599913279625, 1e-6, "%.15g",
                       ess_mean_of(2, 10, v));
}

Test(convergence, nothing_to_say)
{
    double constant[20] = {0}, broken[20] = {0};
    for (int i = 0; i < 20; i++)
        broken[i] = i;
    broken[7] = NAN;
    cr_assert(isnan(rhat_of(2, 10, constant)) && isnan(ess_bulk_of(2, 10, constant)));
    cr_assert(isnan(rhat_of(2, 10, broken)) && isnan(ess_tail_of(2, 10, broken)));
    cr_assert(isnan(rhat_of(1, 3, broken)) && isnan(ess_mean_of(0, 10, broken)));
}

/* profile.c: against the profile of a Gaussian. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>

/* log r falls by half the squared distance in deviations of the parameter alone, and the others are
 * where their regression on it says. */
Test(profile, of_a_gaussian)
{
    static fixture f;
    for (uint32_t dim = 2; dim <= 3; dim++) {
        toy t = {.dim = dim,
                 .prior = TOY_UNIFORM,
                 .a = 0,
                 .b = 10,
                 .sigma = 0.3,
                 .rho = 0.9,
                 .no_evidence = true};
        float x[3] = {4.0f, 5.0f, 6.0f};
        const double at[] = {5.0, 5.3, 4.4, 6.2, 9.0};
        double theta[15], value[5];
        grid g = {0};
        fixture_open(&f, &t);
        fixture_observe(&f, 1, x);
        cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK);
        profile_request r = {&f.posterior, f.worker, f.observed, 0, 1, &g, 1};
        cr_assert_eq(profile_of(&r, 5, at, theta, value), NRE_OK, "%s", error_message());
        for (size_t i = 1; i < 5; i++) {
            double away = at[i] - 5;
            cr_assert_float_eq(value[0] - value[i], 0.5 * pow(away / 0.3, 2), 1e-3,
                               "%u at %g: %g", dim, at[i], value[0] - value[i]);
            cr_assert_eq(theta[i * dim + 1], at[i]);
            if (i < 4)
                cr_assert_float_eq(theta[i * dim], 4 + 0.9 * away, 0.02, "%g: %g", at[i],
                                   theta[i * dim]);
        }
        grid_release(&g);
        fixture_close(&f);
    }
}

/* ratio_prior.c: the floor of any table. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>

Test(ratio_prior, is_one_everywhere)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    static fixture f;
    ratio *r = NULL;
    double theta[] = {0.1, 0.2, 0.3, 0.4}, value[2] = {5, 5}, slope[4] = {5, 5, 5, 5};
    fixture_open(&f, &t);
    cr_assert_eq(ratio_prior(&f.target, 2, &r), NRE_OK);
    fixture_use(&f, r);
    fixture_observe(&f, 1, (float[]){0, 0});
    cr_assert(ratio_is_normalised(r) && ratio_has_gradient(r) && ratio_n_x(r) == 2);
    cr_assert_eq(ratio_evaluate(r, f.worker, f.observed, 0, 1, 2, theta, value, slope),
                 NRE_OK);
    for (int i = 0; i < 4; i++)
        cr_assert(slope[i] == 0 && value[i / 2] == 0);
    fixture_close(&f);
}

/* Its posterior is the prior, whose coverage is perfect: ranks are uniform although every
 * cell and every draw is as dense as any other. */
Test(ratio_prior, ranks_are_uniform)
{
    enum { N = 2000 };
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    static fixture f;
    ratio *r = NULL;
    grid g = {0};
    cloud c = {0};
    double on_grid = 0, in_cloud = 0;
    fixture_open(&f, &t);
    cr_assert_eq(ratio_prior(&f.target, 2, &r), NRE_OK);
    fixture_use(&f, r);
    fixture_observe(&f, 1, (float[]){0, 0});
    for (uint64_t i = 0; i < N; i++) {
        rng s;
        double theta[2], log_prior;
        float x[2];
        rng_start(&s, rng_purpose(1, "prior"), i, 0);
        toy_pair(&t, &s, theta, x);
        cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK);
        on_grid += grid_rank(&g, theta, NAN, rng_uniform(&s), false);
        cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &s, &c),
                     NRE_OK);
        cr_assert_eq(posterior_log_prior(&f.posterior, 1, theta, &log_prior, NULL),
                     NRE_OK);
        in_cloud += cloud_rank(&c, log_prior, c.weight_of_truth);
    }
    cr_assert_float_eq(g.log_area, 0, 1e-12);
    cr_assert_float_eq(on_grid / N, 0.5, 4.5 * sqrt(1 / 12.0 / N));
    cr_assert_float_eq(in_cloud / N, 0.5, 4.5 * sqrt(1 / 12.0 / N));
    grid_release(&g);
    cloud_release(&c);
    fixture_close(&f);
}

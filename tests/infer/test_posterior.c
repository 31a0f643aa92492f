/* posterior.c: log prior, and the unbounded space. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>

Test(posterior, log_prior_of_a_box)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 3, .sigma = 0.5};
    static fixture f;
    double theta[] = {0, 0, 2.9, -0.9, 3.1, 0}, value[3], slope[6];
    fixture_open(&f, &t);
    cr_assert_eq(posterior_log_prior(&f.posterior, 3, theta, value, slope), NRE_OK);
    cr_assert_float_eq(value[0], -log(16), 1e-12);
    cr_assert_float_eq(value[1], -log(16), 1e-12);
    cr_assert_eq(value[2], -INFINITY);
    cr_assert(slope[0] == 0 && slope[3] == 0);
    fixture_close(&f);
}

/* With P(valid | theta) fitted to attempts of which those above 0.5 mostly fail. */
Test(posterior, validity_enters)
{
    enum { N = 4000, POINTS = 300 };
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 1, .sigma = 0.5};
    static fixture f;
    static double theta[N], point[POINTS], value[POINTS], valid[POINTS], slope[POINTS],
        valid_slope[POINTS];
    static uint8_t ok[N];
    rng r;
    uint32_t which = 0;
    validity_model *m = NULL;
    fixture_open(&f, &t);
    rng_start(&r, rng_purpose(1, "validity"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        theta[i] = rng_uniform(&r);
        ok[i] = rng_uniform(&r) < 1 / (1 + exp(8 * (theta[i] - 0.5)));
    }
    validity *v = validity_new(simulator_prior(f.simulator));
    validity_add(v, N, theta, ok);
    cr_assert_eq(validity_fit(v, 1, &which, &m), NRE_OK);
    cr_assert_not_null(m);
    f.posterior.validity = m;
    for (size_t i = 0; i < POINTS; i++)
        point[i] = ((double)i + 0.5) / POINTS;
    cr_assert_eq(posterior_log_prior(&f.posterior, POINTS, point, value, slope), NRE_OK);
    validity_log(m, POINTS, point, valid, valid_slope);
    for (size_t i = 0; i < POINTS; i++) {
        cr_assert_float_eq(value[i], valid[i], 1e-12);
        cr_assert_float_eq(slope[i], valid_slope[i], 1e-9);
    }
    cr_assert_float_eq(exp(value[POINTS / 2]), 0.5, 0.1);

    /* Grid and cloud agree on the posterior's mean and on the area under P(valid). */
    grid g = {0};
    cloud c = {0};
    double a = 0, b = 0;
    fixture_observe(&f, 1, (float[]){0.8f});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK);
    cloud_plan how = {.n_prior = 40000};
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, &how, &r, &c),
                 NRE_OK);
    for (size_t i = 0; i < g.n; i++)
        a += g.weight[i] * g.axis[i];
    for (size_t i = 0; i < c.n; i++)
        b += c.weight[i] * c.theta[i];
    cr_assert_float_eq(a, b, 4.5 * 0.3 / sqrt(c.effective));
    cr_assert_float_eq(g.log_area, c.log_area, 0.02);
    grid_release(&g);
    cloud_release(&c);
    validity_model_free(m);
    validity_free(v);
    fixture_close(&f);
}

Test(posterior, unbounded_space_and_back)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 3, .sigma = 0.5};
    static fixture f;
    double theta[] = {-0.99, 2.5, 0.1, 1}, z[4], back[4], jacobian[2], derivative[4],
           slope[4];
    fixture_open(&f, &t);
    unbounded_of(&f.target, 2, theta, z);
    unbounded_back(&f.target, 2, z, back, jacobian, derivative, slope);
    for (int i = 0; i < 4; i++) {
        double share = (theta[i] + 1) / 4;
        cr_assert_float_eq(back[i], theta[i], 1e-12);
        cr_assert_float_eq(derivative[i], 4 * share * (1 - share), 1e-9);
        cr_assert_float_eq(slope[i], 1 - 2 * share, 1e-9);
    }
    cr_assert_float_eq(jacobian[1], log(derivative[2]) + log(derivative[3]), 1e-12);
    fixture_close(&f);
}

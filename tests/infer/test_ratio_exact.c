/* ratio_exact.c: the simulator's own likelihood as a ratio. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(ratio_exact, equals_the_closed_form)
{
    enum { ROWS = 3, N = 300 };
    toy t = {.dim = 3, .prior = TOY_NORMAL, .a = 0.5, .b = 2, .sigma = 0.7, .rho = 0.3};
    static fixture f;
    static double theta[ROWS * N * 3], value[ROWS * N];
    float x[ROWS * 3];
    rng r;
    fixture_open(&f, &t);
    cr_assert(ratio_is_normalised(f.ratio));
    rng_start(&r, rng_purpose(1, "exact"), 0, 0);
    for (size_t i = 0; i < ROWS * N * 3; i++)
        theta[i] = rng_normal(&r);
    for (size_t i = 0; i < ROWS * 3; i++)
        x[i] = (float)rng_normal(&r);
    fixture_observe(&f, ROWS, x);
    cr_assert_eq(
        ratio_evaluate(f.ratio, f.worker, f.observed, 1, 2, N, theta, value, NULL),
        NRE_OK);
    for (size_t i = 0; i < 2 * N; i++) {
        const float *row = x + 3 * (1 + i / N);
        double right =
            toy_log_likelihood(&t, theta + 3 * i, row) - toy_log_evidence(&t, row);
        cr_assert_float_eq(value[i], right, 1e-12 * (1 + fabs(right)));
    }
    fixture_close(&f);
}

static void gradient_agrees(const toy *t, double tolerance)
{
    static fixture f;
    double theta[] = {0.2, -0.4}, slope[2], value, up, down;
    fixture_open(&f, t);
    fixture_observe(&f, 1, (float[]){0.5f, -0.1f});
    cr_assert_eq(
        ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, theta, &value, slope),
        NRE_OK, "%s", error_message());
    for (int k = 0; k < 2; k++) {
        double high[] = {0.2, -0.4}, low[] = {0.2, -0.4};
        high[k] += 1e-4, low[k] -= 1e-4;
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, high, &up, NULL),
            NRE_OK);
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, low, &down, NULL),
            NRE_OK);
        cr_assert_float_eq(slope[k], (up - down) / 2e-4, tolerance);
    }
    fixture_close(&f);
}

Test(ratio_exact, gradient_is_the_plugins_or_by_differences)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    gradient_agrees(&t, 1e-6);
    t.no_gradient = true;
    gradient_agrees(&t, 1e-6);
    t.prior = TOY_NORMAL;
    gradient_agrees(&t, 1e-6);
}

Test(ratio_exact, target_in_another_order)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5, .rho = 0.5};
    static fixture f;
    const char *names[] = {"t1", "t0"};
    target swapped;
    ratio *r = NULL;
    double theta[] = {0.3, -0.7}, natural[] = {-0.7, 0.3}, value, slope[2];
    float x[] = {0.1f, 0.2f};
    fixture_open(&f, &t);
    cr_assert_eq(target_of(f.simulator, f.arena, false, 2, names, &swapped), NRE_OK);
    cr_assert_eq(ratio_exact(f.simulator, &swapped, &r), NRE_OK);
    fixture_use(&f, r);
    fixture_observe(&f, 1, x);
    cr_assert_eq(ratio_evaluate(r, f.worker, f.observed, 0, 1, 1, theta, &value, slope),
                 NRE_OK);
    cr_assert_float_eq(
        value, toy_log_likelihood(&t, natural, x) - toy_log_evidence(&t, x), 1e-12);
    double sum = ((double)x[0] - natural[0]) + ((double)x[1] - natural[1]);
    cr_assert_float_eq(slope[0], ((double)x[1] - natural[1] - 0.5 / 1.5 * sum) / 0.125,
                       1e-9);
    fixture_close(&f);
}

Test(ratio_exact, what_it_cannot_do)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5, .no_evidence = true};
    static fixture f;
    const char *names[] = {"t1"};
    target one;
    ratio *r = NULL;
    fixture_open(&f, &t);
    cr_assert_not(ratio_is_normalised(f.ratio));
    cr_assert_eq(target_of(f.simulator, f.arena, false, 1, names, &one), NRE_OK);
    cr_assert_eq(ratio_exact(f.simulator, &one, &r), NRE_ENOTSUP);
    cr_assert_not_null(strstr(error_message(), "t1"));
    f.ops.log_likelihood = NULL;
    cr_assert_eq(ratio_exact(f.simulator, &f.target, &r), NRE_ENOTSUP);
    fixture_close(&f);
}

/* The evidence belongs to the plugin's own priors. */
Test(ratio_exact, another_prior_has_another_evidence)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    simulator *s = NULL;
    target all;
    ratio *r = NULL;
    marginal wide = {.name = "t0", .family = NRE_NORMAL, .a = 0, .b = 3};
    fixture_open(&f, &t);
    cr_assert_eq(simulator_open(&f.instance, 1, &wide, &s), NRE_OK, "%s",
                 error_message());
    cr_assert_eq(target_of(s, f.arena, true, 0, NULL, &all), NRE_OK);
    cr_assert_eq(ratio_exact(s, &all, &r), NRE_OK);
    cr_assert_not(ratio_is_normalised(r));
    ratio_free(r);
    simulator_close(s);
    fixture_close(&f);
}

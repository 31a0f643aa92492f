/* ratio.c: rooms, joint rows, refusal of values that are not numbers. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(ratio, room_grows_and_keeps_its_place)
{
    room r = {0};
    double *a = room_take(&r, 10, sizeof *a);
    cr_assert_not_null(a);
    cr_assert_eq(room_take(&r, 5, sizeof *a), a);
    cr_assert_not_null(room_take(&r, 1000, sizeof *a));
    cr_assert_geq(r.bytes, 1000 * sizeof *a);
    cr_assert_null(room_take(&r, SIZE_MAX / 2, sizeof *a));
    room_release(&r);
    cr_assert_null(r.at);
}

Test(ratio, may_be_known_up_to_a_function_of_x)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    ratio *r = NULL;
    fixture_open(&f, &t);
    cr_assert_eq(ratio_prior(&f.target, 1, &r), NRE_OK);
    cr_assert(ratio_is_normalised(r));
    ratio_set_up_to_x(r);
    cr_assert_not(ratio_is_normalised(r));
    ratio_free(r);
    fixture_close(&f);
}

/* Sums over rows against the closed form, across several blocks of rows. */
Test(ratio, joint_rows_add_up)
{
    enum { ROWS = 700, N = 9 };
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.7, .rho = 0.4};
    static fixture f;
    static float x[ROWS * 2];
    double theta[N * 2], value[N], slope[N * 2], one[N * 2], part[N];
    rng r;
    fixture_open(&f, &t);
    rng_start(&r, rng_purpose(1, "joint"), 0, 0);
    for (size_t i = 0; i < ROWS; i++)
        toy_simulate(&t, &r, (double[]){0.3, -0.2}, x + 2 * i);
    for (size_t i = 0; i < 2 * N; i++)
        theta[i] = rng_normal(&r);
    fixture_observe(&f, ROWS, x);
    cr_assert_eq(
        ratio_joint(f.ratio, f.worker, f.observed, 5, ROWS - 5, N, theta, value, slope),
        NRE_OK);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t k = 5; k < ROWS; k++)
            sum += toy_log_likelihood(&t, theta + 2 * i, x + 2 * k) -
                   toy_log_evidence(&t, x + 2 * k);
        cr_assert_float_eq(value[i], sum, 1e-9 * fabs(sum));
    }
    double sum = 0;
    for (size_t k = 5; k < ROWS; k++) {
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, k, 1, N, theta, part, one),
            NRE_OK);
        sum += one[3];
    }
    cr_assert_float_eq(slope[3], sum, 1e-9 * fabs(sum));
    fixture_close(&f);
}

static int evaluate_bad(const ratio *r, void *own, const observed *o, size_t first,
                        size_t n, size_t per_x, const double *theta, double *log_ratio,
                        double *gradient)
{
    (void)r, (void)own, (void)o, (void)first, (void)gradient;
    for (size_t i = 0; i < n * per_x; i++)
        log_ratio[i] = theta[i] > 1 ? NAN : 0;
    return NRE_OK;
}

Test(ratio, nan_is_refused_with_its_point)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    fixture_open(&f, &t);
    const ratio_kind kind = {.evaluate = evaluate_bad};
    ratio bad = {.kind = &kind, .target = &f.target, .n_x = 1};
    double theta[] = {0, 0.5, 1.5, 2}, value[4];
    fixture_observe(&f, 1, (float[]){0});
    ratio_worker *w = NULL;
    cr_assert_eq(ratio_worker_new(&bad, &w), NRE_OK);
    cr_assert_eq(ratio_evaluate(&bad, w, f.observed, 0, 1, 2, theta, value, NULL),
                 NRE_OK);
    cr_assert_eq(ratio_evaluate(&bad, w, f.observed, 0, 1, 4, theta, value, NULL),
                 NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "t0 = 1.5"), "%s", error_message());
    ratio_worker_free(w);
    fixture_close(&f);
}

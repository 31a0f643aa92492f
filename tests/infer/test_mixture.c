/* mixture.c: densities that integrate to 1, draws that follow them, fits that find modes.
 */
#include "infer/infer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { M = 400 };

static void fit(mixture *q, uint32_t dim, const double *z, double **at)
{
    rng r;
    double *scratch = memory_new(mixture_fit_size(dim, M), sizeof *scratch);
    *at = memory_new(mixture_size(dim), sizeof **at);
    rng_start(&r, rng_purpose(1, "fit"), 0, 0);
    mixture_fit(q, dim, M, z, M, &r, *at, scratch);
    free(scratch);
}

Test(mixture, one_mode)
{
    static double z[M * 2];
    double *at, one[2], sum[2] = {0}, integral = 0;
    mixture q;
    rng r;
    rng_start(&r, rng_purpose(2, "mixture"), 0, 0);
    for (size_t i = 0; i < M; i++) {
        z[2 * i] = 1 + 0.5 * rng_normal(&r);
        z[2 * i + 1] = 2 * z[2 * i] + 0.1 * rng_normal(&r);
    }
    fit(&q, 2, z, &at);
    cr_assert_eq(q.n, 1);
    cr_assert_float_eq(q.mean[0], 1, 4.5 * 0.5 / sqrt(M));
    cr_assert_float_eq(q.factor[0], 0.5, 0.1);
    cr_assert_float_eq(q.factor[2], 1, 0.2);
    for (int i = -400; i < 400; i++)
        for (int j = -400; j < 400; j++)
            integral += 0.0025 * 4 *
                        mixture_density(
                            &q, (double[]){1 + 0.05 * (i + 0.5), 2 + 0.2 * (j + 0.5)});
    cr_assert_float_eq(integral * exp(q.log_unit), 1, 0.01);
    for (int i = 0; i < 20000; i++) {
        mixture_sample(&q, &r, one);
        sum[0] += one[0] / 20000;
        sum[1] += (one[0] - q.mean[0]) * (one[0] - q.mean[0]) / 20000;
    }
    cr_assert_float_eq(sum[0], q.mean[0], 4.5 * 0.65 / sqrt(20000));
    cr_assert_float_eq(sum[1], 5.0 / 3 * q.factor[0] * q.factor[0], 0.06);
    free(at);
}

Test(mixture, four_modes)
{
    static double z[M * 2];
    double *at;
    mixture q;
    rng r;
    rng_start(&r, rng_purpose(3, "mixture"), 0, 0);
    for (size_t i = 0; i < M; i++) {
        z[2 * i] = (i % 2 ? 3 : -3) + 0.3 * rng_normal(&r);
        z[2 * i + 1] = (i / 2 % 2 ? 3 : -3) + 0.3 * rng_normal(&r);
    }
    fit(&q, 2, z, &at);
    cr_assert_gt(q.n, 1);
    double mode = mixture_density(&q, (double[]){3, -3});
    cr_assert_gt(mode, 10 * mixture_density(&q, (double[]){0, 0}));
    free(at);
}

/* Points that all agree still give a proper density. */
Test(mixture, no_spread)
{
    static double z[M];
    double *at;
    mixture q;
    for (size_t i = 0; i < M; i++)
        z[i] = 7;
    fit(&q, 1, z, &at);
    cr_assert(isfinite(q.log_unit) && q.norm[0] == 1 && q.factor[0] > 0);
    cr_assert_float_eq(q.mean[0], 7, 1e-12);
    free(at);
}

/* Scaling: moments on the scales that fields ask for, groups, constants, clamping. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* flat [3] by element; image [2][4] by channel; set [5][2] exchangeable; log [1]; log1p
 * [1]; asinh [1]; raw [1]; constant [1]. */
enum {
    FLAT = 0,
    IMAGE = 3,
    SET = 11,
    LOG = 21,
    LOG1P = 22,
    ASINH = 23,
    RAW = 24,
    CONSTANT = 25,
    N_X = 26
};
static const nre_theta THETA[] = {{.name = "p", .prior = NRE_UNIFORM, .a = 0, .b = 1}};
static const nre_field FIELDS[] = {
    {.name = "flat", .shape = {1, {3}}},
    {.name = "image", .shape = {2, {2, 4}}},
    {.name = "set", .shape = {2, {5, 2}}, .exchangeable = 1},
    {.name = "log", .shape = {1, {1}}, .scale = NRE_SCALE_LOG},
    {.name = "log1p", .shape = {1, {1}}, .scale = NRE_SCALE_LOG1P},
    {.name = "asinh", .shape = {1, {1}}, .scale = NRE_SCALE_ASINH},
    {.name = "raw", .shape = {1, {1}}, .scale = NRE_SCALE_NONE},
    {.name = "constant", .shape = {1, {1}}},
};

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    *out = (nre_simulator_info){out->struct_size,
                                1,
                                sizeof(nre_theta),
                                THETA,
                                8,
                                sizeof(nre_field),
                                FIELDS,
                                0,
                                NULL};
    return 0;
}

static int idle(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work, (void)b;
    return 0;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS, .info = info, .simulate = idle};
static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "wide",
                                 .ops.simulator = &OPS};
static const plugin FILE_OF = {.table = &TABLE};
static const instance WIDE = {.plugin = &FILE_OF};

enum { N = 3000 };
static simulator *s;
static float (*x)[N_X];
static loader *l;

static void begin(void)
{
    x = malloc(N * sizeof *x);
    cr_assert_eq(simulator_open(&WIDE, 0, NULL, &s), 0, "%s", error_message());
    for (size_t i = 0; i < N; i++) {
        rng r;
        rng_start(&r, rng_purpose(1, "x"), i, 0);
        for (int j = 0; j < N_X; j++)
            x[i][j] = (float)((j + 1) * (rng_normal(&r) + 10 * j));
        x[i][LOG] = (float)exp(rng_normal(&r));
        x[i][LOG1P] = (float)rng_below(&r, 100);
        x[i][CONSTANT] = 0.1f;
    }
    cr_assert_eq(loader_of_arrays(N, 1, N_X, NULL, &x[0][0], &l), 0);
}

static void end(void)
{
    loader_free(l);
    simulator_close(s);
    free(x);
}

TestSuite(scaling, .init = begin, .fini = end);

static scaling *fit(unsigned threads, bool standardise)
{
    pool *p;
    scaling *c;
    cr_assert_eq(pool_new(threads, &p), 0);
    cr_assert_eq(scaling_fit(s, l, standardise, p, &c), 0, "%s", error_message());
    pool_free(p);
    return c;
}

/* Mean 0 and deviation 1 over the rows and the columns that form a group, up to the
 * rounding of the mean to a float. */
static void standard(const scaling *c, float z[][N_X], size_t n, const int *columns,
                     const char *what)
{
    double sum = 0, square = 0;
    float worst = 0;
    for (size_t k = 0; k < n; k++)
        worst = fmaxf(worst,
                      FLT_EPSILON * fabsf(c->mean[columns[k]]) * c->inverse[columns[k]]);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < n; k++)
            sum += z[i][columns[k]],
                square += (double)z[i][columns[k]] * z[i][columns[k]];
    double count = (double)(N * n);
    cr_assert_float_eq(sum / count, 0, 1e-6 + worst, "%s: mean %g", what, sum / count);
    cr_assert_float_eq(square / count, 1, 1e-6 + worst, "%s: square %g", what,
                       square / count);
}

Test(scaling, groups_have_mean_0_and_deviation_1)
{
    float(*z)[N_X] = malloc(N * sizeof *z);
    uint64_t clamped = 0;
    scaling *c = fit(2, true);
    scaling_apply(c, N, &x[0][0], &z[0][0], &clamped);
    cr_assert_eq(clamped, 0);
    for (int j = FLAT; j < IMAGE; j++)
        standard(c, z, 1, &j, "flat");
    standard(c, z, 4, (int[]){3, 4, 5, 6}, "channel 0");
    standard(c, z, 4, (int[]){7, 8, 9, 10}, "channel 1");
    standard(c, z, 5, (int[]){11, 13, 15, 17, 19}, "set, element 0");
    standard(c, z, 5, (int[]){12, 14, 16, 18, 20}, "set, element 1");
    for (int j = LOG; j < RAW; j++)
        standard(c, z, 1, &j, "scaled");
    for (int i = 0; i < N; i++) {
        cr_assert_eq(z[i][RAW], x[i][RAW]);
        cr_assert_eq(z[i][CONSTANT], 0);
    }
    scaling_free(c);
    free(z);
}

Test(scaling, scales_are_what_they_say)
{
    scaling *c = fit(1, true);
    float row[N_X], z[N_X];
    memcpy(row, x[0], sizeof row);
    scaling_apply(c, 1, row, z, NULL);
    cr_assert_float_eq(z[LOG], (logf(row[LOG]) - c->mean[LOG]) * c->inverse[LOG], 1e-6f);
    cr_assert_float_eq(z[LOG1P],
                       (log1pf(row[LOG1P]) - c->mean[LOG1P]) * c->inverse[LOG1P], 1e-6f);
    cr_assert_float_eq(z[ASINH],
                       (asinhf(row[ASINH]) - c->mean[ASINH]) * c->inverse[ASINH], 1e-3f);
    cr_assert_lt(fabsf(c->mean[LOG]) * sqrtf(N), 4.5f);
    scaling_free(c);
}

Test(scaling, threads_change_nothing)
{
    scaling *one = fit(1, true), *three = fit(3, true);
    cr_assert_arr_eq(one->mean, three->mean, N_X * sizeof(float));
    cr_assert_arr_eq(one->inverse, three->inverse, N_X * sizeof(float));
    scaling_free(one), scaling_free(three);
}

/* Beyond 10 deviations, and off the scale: the logarithm of 0 or of a negative number. */
Test(scaling, clamps_and_counts)
{
    scaling *c = fit(1, true);
    float row[2][N_X], z[2][N_X];
    uint64_t clamped = 5;
    memcpy(row, x, sizeof row);
    row[0][0] = 1e30f, row[0][1] = -1e30f, row[1][LOG] = 0, row[0][LOG] = -1,
    row[1][RAW] = 1e30f;
    row[1][CONSTANT] = 9;
    scaling_apply(c, 2, &row[0][0], &z[0][0], &clamped);
    cr_assert_eq(clamped, 5 + 4);
    cr_assert_eq(z[0][0], 10);
    cr_assert_eq(z[0][1], -10);
    cr_assert_eq(z[1][LOG], -10);
    cr_assert_eq(z[0][LOG], -10);
    cr_assert_eq(z[1][RAW], 1e30f);
    cr_assert_eq(z[1][CONSTANT], 0);
    scaling_free(c);
}

Test(scaling, none_is_the_identity)
{
    scaling *c = fit(1, false);
    float z[N_X];
    scaling_apply(c, 1, x[0], z, NULL);
    cr_assert_arr_eq(z, x[0], sizeof z);
    scaling_free(c);
}

Test(scaling, impossible_scales_are_refused)
{
    scaling *c;
    x[1234][LOG] = 0;
    cr_assert_eq(scaling_fit(s, l, true, NULL, &c), NRE_EPLUGIN);
    cr_assert(message_has("log scale of log, yet row 1234"));
    cr_assert_null(c);
}

Test(scaling, file_round_trip)
{
    store *f;
    scaling *c = fit(1, true), *back;
    cr_assert_eq(store_create(path_of("c.h5"), &f), 0);
    cr_assert_eq(scaling_put(c, f), 0, "%s", error_message());
    cr_assert_eq(store_commit(f), 0);
    cr_assert_eq(store_open(path_of("c.h5"), &f), 0);
    cr_assert_eq(scaling_get(f, &back), 0, "%s", error_message());
    store_close(f);
    cr_assert_eq(back->n_x, c->n_x);
    cr_assert_arr_eq(back->scale, c->scale, N_X);
    cr_assert_arr_eq(back->mean, c->mean, N_X * sizeof(float));
    cr_assert_arr_eq(back->inverse, c->inverse, N_X * sizeof(float));
    scaling_free(c), scaling_free(back);
}

/* A deviation of 1 on a mean of 10^6: one pass of naive sums would lose it. */
Test(scaling, large_means)
{
    for (size_t i = 0; i < N; i++)
        x[i][0] = 1e6f + (float)(i % 2 ? 1 : -1);
    scaling *c = fit(2, true);
    cr_assert_float_eq(c->mean[0], 1e6f, 0.1f);
    cr_assert_float_eq(c->inverse[0], 1, 1e-6f);
    scaling_free(c);
}

/* Tests of nn/kernels.c: accuracy, and the same bits from every instruction set. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"baseline", "avx2", "avx512"};

/* Errors in units of the last place of the exact value. */
static double ulps(float got, double exact)
{
    float at = fabsf((float)exact);
    double unit = (double)nextafterf(at, INFINITY) - (double)at;
    return fabs((double)got - exact) / unit;
}

Test(kernels, exp_is_accurate)
{
    enum { N = 400000 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    double worst = 0;
    for (size_t i = 0; i < N; i++)
        x[i] = -87.0f + 175.0f * (float)i / (float)(N - 1);
    kernels_best()->exp(N, x, y);
    for (size_t i = 0; i < N; i++)
        worst = fmax(worst, ulps(y[i], exp((double)x[i])));
    cr_log_info("exp: %.2f ulp", worst);
    cr_assert_lt(worst, 1.5);
    x[0] = -1000;
    x[1] = 1000;
    x[2] = NAN;
    x[3] = 0;
    kernels_best()->exp(4, x, y);
    cr_assert(y[0] > 0 && y[0] < 2e-38f && isfinite(y[1]) && y[1] > 1e38f && isnan(y[2]));
    cr_assert_eq(y[3], 1.0f);
    free(x);
    free(y);
}

static double exact(nre_activation f, double x)
{
    const double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
    switch (f) {
    case NRE_RELU:
        return x > 0 ? x : 0;
    case NRE_LEAKY_RELU:
        return x > 0 ? x : (double)0.01f * x;
    case NRE_ELU:
        return x > 0 ? x : expm1(x);
    case NRE_SELU:
        return scale * (x > 0 ? x : alpha * expm1(x));
    case NRE_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case NRE_TANH:
        return tanh(x);
    }
    return NAN;
}

static double exact_slope(nre_activation f, double x)
{
    const double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
    switch (f) {
    case NRE_RELU:
        return x > 0;
    case NRE_LEAKY_RELU:
        return x > 0 ? 1 : (double)0.01f;
    case NRE_ELU:
        return x > 0 ? 1 : exp(x);
    case NRE_SELU:
        return scale * (x > 0 ? 1 : alpha * exp(x));
    case NRE_GELU:
        return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
    case NRE_TANH:
        return 1 - tanh(x) * tanh(x);
    }
    return NAN;
}

Test(kernels, activations_are_accurate)
{
    enum { N = 100001 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y),
          *d = malloc(N * sizeof *d);
    float *one = malloc(N * sizeof *one);
    for (size_t i = 0; i < N; i++) {
        x[i] = -12.0f + 24.0f * ((float)i + 0.5f) / (float)N;
        one[i] = 1;
    }
    for (nre_activation f = NRE_RELU; f <= NRE_TANH; f++) {
        double relative = 0, slope = 0;
        kernels_best()->activate(f, N, x, y);
        kernels_best()->activate_back(f, N, f == NRE_GELU ? x : y, one, d, false);
        for (size_t i = 0; i < N; i++) {
            /* In the tail of gelu x^2 / 2 is rounded before e^(-x^2 / 2): x^2 / 2 units
             * more. */
            double loose = f == NRE_GELU ? 1 + 0.5 * (double)x[i] * (double)x[i] : 1;
            relative = fmax(relative, ulps(y[i], exact(f, (double)x[i])) / loose);
            slope = fmax(slope, fabs((double)d[i] - exact_slope(f, (double)x[i])));
        }
        cr_log_info("activation %d: %.2f ulp, slope %.2g", (int)f, relative, slope);
        /* tanh is a quotient of two rounded exponentials, gelu has a polynomial of
         * degree 9. */
        double bound = f == NRE_TANH || f == NRE_GELU ? 6 : 2;
        cr_assert_lt(relative, bound, "activation %d: %g ulp", (int)f, relative);
        cr_assert_lt(slope, 4e-7, "activation %d: slope off by %g", (int)f, slope);
    }
    free(x);
    free(y);
    free(d);
    free(one);
}

Test(kernels, nan_is_passed_on)
{
    for (nre_activation f = NRE_RELU; f <= NRE_TANH; f++) {
        float x[20], y[20];
        for (size_t i = 0; i < 20; i++)
            x[i] = NAN;
        kernels_best()->activate(f, 20, x, y);
        for (size_t i = 0; i < 20; i++)
            cr_assert(isnan(y[i]), "activation %d", (int)f);
    }
}

enum { ROWS = 13, COLS = 37, SIZE = ROWS * COLS };

typedef struct bench_memory {
    float a[SIZE], b[SIZE], c[SIZE], y[40][SIZE];
    double d[4][SIZE];
    uint8_t keep[SIZE];
    size_t used;
} bench_memory;

static void norm_kernels(const kernels *k, bench_memory *m)
{
    k->moments(ROWS, COLS, 1, m->a, m->b, m->d[0], m->d[1]);
    k->moments(1, ROWS, COLS, m->a, m->b, m->d[2], m->d[3]);
    k->affine(ROWS, COLS, 1, m->a, m->b, m->c, m->y[m->used++], false);
    k->affine(1, ROWS, COLS, m->a, m->b, m->c, m->y[m->used++], true);
    k->affine_back(ROWS, COLS, 1, m->a, m->b, m->c, m->a, m->b, m->y[m->used++], true);
    k->affine_back(1, ROWS, COLS, m->a, m->b, m->c, m->a, m->b, m->y[m->used++], false);
    float notes[2 * ROWS];
    k->layer_norm(ROWS, COLS, m->a, m->b, m->c, m->y[m->used++], notes);
    k->layer_norm_back(ROWS, COLS, m->a, notes, m->c, m->b, m->y[m->used++], false);
    k->layer_norm_back(ROWS, COLS, m->a, notes, m->c, m->b, m->y[m->used++], true);
    k->layer_norm_weights(ROWS, COLS, notes, m->c, m->b, m->y[m->used],
                          m->y[m->used + 1]);
    m->used += 2;
}

/* Run every kernel of K on the same numbers. */
static void all_kernels(const kernels *k, bench_memory *m)
{
    rng r;
    rng_start(&r, rng_purpose(8, "kernels"), 0, 0);
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < SIZE; i++) {
        m->a[i] = (float)rng_normal(&r);
        m->b[i] = (float)rng_normal(&r);
        m->c[i] = (float)rng_normal(&r);
        m->keep[i] = rng_uniform(&r) < 0.5;
    }
    k->exp(SIZE, m->a, m->y[m->used++]);
    for (nre_activation f = NRE_RELU; f <= NRE_TANH; f++) {
        k->activate(f, SIZE, m->a, m->y[m->used++]);
        k->activate_back(f, SIZE, m->a, m->b, m->y[m->used++], false);
        k->activate_back(f, SIZE, m->a, m->b, m->y[m->used - 1], true);
    }
    memcpy(m->y[m->used], m->a, sizeof m->a);
    k->add(SIZE, m->b, m->y[m->used++]);
    k->sum(SIZE, m->a, m->b, m->y[m->used++]);
    k->multiply(SIZE, m->a, m->b, m->y[m->used++], true);
    k->scale(SIZE, 0.3f, m->a, m->y[m->used++], true);
    k->mask(SIZE, m->keep, 1.7f, m->a, m->y[m->used++], false);
    k->column_sum(ROWS, COLS, m->a, m->y[m->used++]);
    k->rows_dot(ROWS, COLS - 2, COLS, m->a, m->b, m->y[m->used++]);
    k->rows_outer(ROWS, COLS - 2, COLS, m->a, m->b, m->y[m->used++], true);
    k->rows_weighted(ROWS, COLS - 2, COLS, m->a, m->b, m->y[m->used++]);
    norm_kernels(k, m);
    const adamw_terms t = {0.5f, 0.99f, 0.9f, 0.1f, 0.999f, 0.001f, 1e-3f, 1.2f, 1e-8f};
    memcpy(m->y[m->used], m->a, sizeof m->a);
    k->adamw(SIZE, &t, m->b, m->y[m->used], m->y[m->used + 1], m->y[m->used + 2]);
    m->used += 3;
    cr_assert_leq(m->used, 40);
}

Test(kernels, every_instruction_set_gives_the_same_bits)
{
    bench_memory *plain = malloc(sizeof *plain), *m = malloc(sizeof *m);
    all_kernels(kernels_named("baseline"), plain);
    for (size_t i = 1; i < 3; i++) {
        const kernels *k = kernels_named(NAMES[i]);
        if (!k)
            continue;
        all_kernels(k, m);
        for (size_t y = 0; y < m->used; y++)
            cr_assert_arr_eq(plain->y[y], m->y[y], sizeof m->y[y], "%s: result %zu",
                             NAMES[i], y);
        cr_assert_arr_eq(plain->d, m->d, sizeof m->d, "%s: moments", NAMES[i]);
    }
    free(plain);
    free(m);
}

Test(kernels, in_place_is_the_same)
{
    enum { N = 333 };
    float x[N], y[N], z[N], dy[N];
    rng r;
    rng_start(&r, rng_purpose(9, "kernels"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)rng_normal(&r);
        dy[i] = (float)rng_normal(&r);
    }
    const kernels *k = kernels_best();
    for (nre_activation f = NRE_RELU; f <= NRE_TANH; f++) {
        memcpy(z, x, sizeof z);
        k->activate(f, N, x, y);
        k->activate(f, N, z, z);
        cr_assert_arr_eq(y, z, sizeof z);
        memcpy(z, dy, sizeof z);
        k->activate_back(f, N, x, dy, y, false);
        k->activate_back(f, N, x, z, z, false);
        cr_assert_arr_eq(y, z, sizeof z);
    }
}

Test(kernels, names_are_known)
{
    cr_assert_not_null(kernels_named("baseline"));
    cr_assert_null(kernels_named("mmx"));
    cr_assert_eq(kernels_named(kernel_name()), kernels_best());
}

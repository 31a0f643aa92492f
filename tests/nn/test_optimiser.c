/* Tests of nn/optimiser.c. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40000 };

static void start(float *weights, float *gradient)
{
    rng r;
    rng_start(&r, rng_purpose(2, "adamw"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        weights[i] = (float)rng_normal(&r);
        gradient[i] = (float)(rng_normal(&r) * exp(3 * rng_normal(&r)));
    }
}

/* Loshchilov & Hutter 2019, algorithm 2, in double. */
Test(optimiser, adamw_follows_its_formula)
{
    float *w = calloc(4 * N, sizeof *w), *g = w + N, *m = w + 2 * N, *v = w + 3 * N;
    double *W = calloc(3 * N, sizeof *W), *M = W + N, *V = W + 2 * N;
    const adamw o = {1e-2, 0.9, 0.99, 1e-8, 0.1};
    start(w, g);
    for (size_t i = 0; i < N; i++)
        W[i] = w[i];
    for (uint64_t t = 1; t <= 5; t++) {
        adamw_step(&o, t, 0.25, NULL, N, g, w, m, v);
        for (size_t i = 0; i < N; i++) {
            double s = 0.25 * (double)g[i];
            M[i] = 0.9 * M[i] + 0.1 * s;
            V[i] = 0.99 * V[i] + 0.01 * s * s;
            double mean = M[i] / (1 - pow(0.9, (double)t));
            double square = V[i] / (1 - pow(0.99, (double)t));
            W[i] -= 1e-2 * (mean / (sqrt(square) + 1e-8) + 0.1 * W[i]);
        }
    }
    /* Two roundings of w a step, each half a unit or 6e-8, over 5 steps; and the update,
     * 0.05 at most, to 1e-6 of it. */
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(w[i], W[i], 1e-7 + 6e-7 * fabs(W[i]));
    free(w);
    free(W);
}

Test(optimiser, bits_do_not_depend_on_threads)
{
    const adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.01};
    float *first = NULL;
    for (unsigned threads = 0; threads <= 3; threads++) {
        pool *p = NULL;
        float *w = calloc(4 * N, sizeof *w);
        if (threads > 0)
            cr_assert_eq(pool_new(threads, &p), 0);
        start(w, w + N);
        for (uint64_t t = 1; t <= 3; t++)
            adamw_step(&o, t, 1.0, p, N, w + N, w, w + 2 * N, w + 3 * N);
        pool_free(p);
        if (first)
            cr_assert_arr_eq(first, w, 4 * N * sizeof *w, "%u threads", threads);
        else
            first = w;
        if (first != w)
            free(w);
    }
    free(first);
}

/* Weights are whole also when the user has asked to stop. */
Test(optimiser, a_step_is_never_half)
{
    const adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.01};
    pool *p = NULL;
    float *a = calloc(8 * N, sizeof *a), *b = a + 4 * N;
    cr_assert_eq(pool_new(2, &p), 0);
    start(a, a + N);
    start(b, b + N);
    adamw_step(&o, 1, 1.0, p, N, a + N, a, a + 2 * N, a + 3 * N);
    stop_request(15);
    adamw_step(&o, 1, 1.0, p, N, b + N, b, b + 2 * N, b + 3 * N);
    cr_assert_arr_eq(a, b, 4 * N * sizeof *a);
    pool_free(p);
    free(a);
}

Test(optimiser, norm_is_euclidean)
{
    float g[1000];
    double sum = 0;
    for (size_t i = 0; i < 1000; i++) {
        g[i] = sinf((float)i) * 1e3f;
        sum += (double)g[i] * (double)g[i];
    }
    cr_assert_float_eq(gradient_norm(1000, g), sqrt(sum), 1e-10 * sqrt(sum));
    cr_assert_eq(gradient_norm(0, g), 0.0);
    g[7] = NAN;
    cr_assert(isnan(gradient_norm(1000, g)));
    g[7] = 3e38f;
    cr_assert(isfinite(gradient_norm(1000, g)));
}

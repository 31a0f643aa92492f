/* Observations among the simulations. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct training {
    uint64_t n;
    float *x;
    loader *loader;
    scaling *scaling;
} training;

static training training_new(const gauss *g, uint64_t n)
{
    training t = {.n = n, .x = calloc(n * g->dim, sizeof *t.x)};

    gauss_draw(g, n, 100, NULL, t.x);
    cr_assert_eq(loader_of_arrays(n, g->dim, g->dim, NULL, t.x, &t.loader), 0);
    cr_assert_eq(scaling_fit(g->simulator, t.loader, true, NULL, &t.scaling), 0);
    return t;
}

static void training_free(training *t)
{
    scaling_free(t->scaling);
    loader_free(t->loader);
    free(t->x);
}

static double nearest(const training *t, size_t d, const float *x)
{
    float a[GAUSS_MOST], b[GAUSS_MOST];
    double best = INFINITY;

    scaling_apply(t->scaling, 1, x, a, NULL);
    for (uint64_t i = 0; i < t->n; i++) {
        double sum = 0;
        scaling_apply(t->scaling, 1, t->x + i * d, b, NULL);
        for (size_t k = 0; k < d; k++)
            sum += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
        best = fmin(best, sum);
    }
    return sqrt(best);
}

/* Blocks of training rows, single precision and its margin lose no neighbour. */
Test(predictive, distances_are_exact)
{
    enum { TEST = 300, MOCKS = 40 };
    gauss g = {.dim = 3, .sigma = 0.5};
    float x[MOCKS * 3];
    predictive_result p;

    gauss_open(&g, GAUSS_PRIOR, TEST, 21, 2);
    training t = training_new(&g, 5000);
    gauss_draw(&g, MOCKS, 22, NULL, x);
    memcpy(x, t.x + 3 * 4444, 3 * sizeof *x); /* a training row itself */
    cr_assert_eq(predictive_of(&g.subject, t.loader, t.scaling, TEST, MOCKS, x, &p), 0,
                 "%s", error_message());
    cr_assert_eq(p.n, TEST);
    cr_assert_eq(p.n_train, 5000);
    cr_assert_eq(p.observed_distance[0], 0);
    cr_assert_eq(p.rank[0], 0);
    for (size_t i = 0; i < MOCKS; i++)
        cr_assert_float_eq(p.observed_distance[i], nearest(&t, 3, x + 3 * i), 1e-12);
    double own[TEST];
    for (size_t i = 0; i < TEST; i++)
        own[i] = nearest(&t, 3, g.x + 3 * i);
    qsort(own, TEST, sizeof *own, compare_reals);
    for (size_t i = 0; i < TEST; i++)
        cr_assert_float_eq(p.distance[i], own[i], 1e-12);
    predictive_release(&p);
    training_free(&t);
    gauss_close(&g);
}

Test(predictive, mocks_are_uniform_and_an_outlier_is_last)
{
    enum { TEST = 500, MOCKS = 400, BINS = 8 };
    gauss g = {.dim = 5, .sigma = 0.5};
    float x[(MOCKS + 1) * 5];
    predictive_result p;
    double mean = 0, bin[BINS] = {0}, chi2 = 0;

    gauss_open(&g, GAUSS_PRIOR, TEST, 23, 2);
    training t = training_new(&g, 3000);
    gauss_draw(&g, MOCKS, 24, NULL, x);
    for (size_t k = 0; k < 5; k++)
        x[MOCKS * 5 + k] = 6;
    cr_assert_eq(predictive_of(&g.subject, t.loader, t.scaling, TEST, MOCKS + 1, x, &p),
                 0);
    cr_assert_eq(p.rank[MOCKS], 1);
    for (size_t i = 0; i < MOCKS; i++) {
        mean += p.rank[i] / MOCKS;
        bin[p.rank[i] < 1 ? (size_t)(p.rank[i] * BINS) : BINS - 1]++;
    }
    /* Mocks and test rows are both finite samples. */
    double share = 1.0 / MOCKS + 1.0 / TEST;
    cr_assert(fabs(mean - 0.5) < 4.5 * sqrt(share / 12), "mean rank %g", mean);
    for (size_t b = 0; b < BINS; b++)
        chi2 += pow(bin[b] / MOCKS - 1.0 / BINS, 2) * BINS / share;
    cr_assert(chi2 < (BINS - 1) + 4.5 * sqrt(2.0 * (BINS - 1)), "chi-squared %g", chi2);
    predictive_release(&p);
    training_free(&t);
    gauss_close(&g);
}

Test(predictive, same_bits_for_any_number_of_threads)
{
    predictive_result p[2];

    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = 4, .sigma = 0.5};
        gauss_open(&g, GAUSS_PRIOR, 100, 25, 1 + 2 * i);
        training t = training_new(&g, 9000);
        cr_assert_eq(predictive_of(&g.subject, t.loader, t.scaling, 100, 1, g.x, &p[i]),
                     0);
        training_free(&t);
        gauss_close(&g);
    }
    json_t *a = predictive_json(&p[0]), *b = predictive_json(&p[1]);
    cr_assert(json_equal(a, b));
    cr_assert_eq(json_array_size(json_object_get(a, "observed")), 1);
    cr_assert_eq(json_array_size(json_object_get(a, "distances")), 100);
    json_decref(a);
    json_decref(b);
    predictive_release(&p[0]);
    predictive_release(&p[1]);
}

Test(predictive, without_observation_and_with_fewer_rows)
{
    gauss g = {.dim = 1, .sigma = 0.5};
    predictive_result p;

    gauss_open(&g, GAUSS_PRIOR, 10, 26, 1);
    training t = training_new(&g, 50);
    cr_assert_eq(predictive_of(&g.subject, t.loader, t.scaling, 500, 0, NULL, &p), 0);
    cr_assert_eq(p.n, 10);
    cr_assert_eq(p.n_observed, 0);
    predictive_release(&p);
    training_free(&t);
    gauss_close(&g);
}

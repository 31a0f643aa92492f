/* abc.c: which rows are kept, and what they approach. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* N simulations of T. */
typedef struct sims {
    fixture f;
    double *theta;
    float *x;
    loader *loader;
    scaling scaling;
    uint8_t scale[16];
    float mean[16], inverse[16];
} sims;

static void sims_open(sims *s, const toy *t, uint64_t n)
{
    rng r;
    memset(s, 0, sizeof *s);
    fixture_open(&s->f, t);
    s->theta = memory_new((size_t)n * t->dim, sizeof *s->theta);
    s->x = memory_new((size_t)n * t->dim, sizeof *s->x);
    rng_start(&r, rng_purpose(3, "abc"), 0, 0);
    for (uint64_t i = 0; i < n; i++)
        toy_pair(t, &r, s->theta + i * t->dim, s->x + i * t->dim);
    cr_assert_eq(loader_of_arrays(n, t->dim, t->dim, s->theta, s->x, &s->loader), 0);
    for (size_t k = 0; k < t->dim; k++)
        s->inverse[k] = 0.5f;
    s->scaling = (scaling){t->dim, s->scale, s->mean, s->inverse};
}

static void sims_close(sims *s)
{
    loader_free(s->loader);
    free(s->theta);
    free(s->x);
    fixture_close(&s->f);
}

static abc_request request_of(const sims *s, abc_measure m, double keep)
{
    return (abc_request){.target = &s->f.target,
                         .train = s->loader,
                         .scaling = &s->scaling,
                         .measure = m,
                         .keep = keep};
}

/* theta ~ N(0, 1), x ~ N(theta, s^2): within a small ball of radius e around the observation x is
 * uniform, of variance e^2 / (dim + 2) in each direction, so that the kept thetas have the mean
 * c x and the variance v + c^2 e^2 / (dim + 2), c = 1 / (1 + s^2), v = c s^2. */
Test(abc, approaches_the_posterior)
{
    enum { N = 400000 };
    static const double keeps[] = {0.02, 0.005, 0.001};
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.6};
    const float x[2] = {0.5f, -0.3f};
    double c = 1 / 1.36, v = c * 0.36, last = INFINITY;
    static sims s;
    sims_open(&s, &t, N);
    for (size_t i = 0; i < 3; i++) {
        abc_request q = request_of(&s, ABC_EUCLIDEAN, keeps[i]);
        chains draws;
        double tolerance;
        cr_assert_eq(abc_of(&q, x, &draws, &tolerance), 0, "%s", error_message());
        size_t n = draws.n_draws;
        cr_assert_eq(n, (size_t)(keeps[i] * N));
        cr_assert(tolerance < last);
        last = tolerance;
        double e = 2 * tolerance; /* distances are of x / 2 */
        double variance = v + c * c * e * e / 4;
        for (size_t k = 0; k < 2; k++) {
            double mean = 0, squares = 0;
            for (size_t j = 0; j < n; j++)
                mean += draws.theta[2 * j + k] / (double)n;
            for (size_t j = 0; j < n; j++)
                squares += pow(draws.theta[2 * j + k] - mean, 2) / (double)n;
            cr_assert_float_eq(mean, c * (double)x[k],
                               4.5 * sqrt(variance / (double)n) + 0.1 * e * e);
            cr_assert_float_eq(squares, variance,
                               4.5 * variance * sqrt(2 / (double)n) + 0.02 * e * e,
                               "variance %g, not %g", squares, variance);
        }
        chains_release(&draws);
    }
    sims_close(&s);
}

static double distance(const sims *s, uint64_t row, const float *x, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += pow(0.5 * ((double)s->x[row * n + k] - (double)x[k]), 2);
    return sqrt(sum);
}

Test(abc, keeps_the_nearest)
{
    enum { N = 3000, KEPT = 30, D = 3 };
    toy t = {.dim = D, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    const float x[D] = {0.2f, 0, -0.4f};
    static sims s;
    sims_open(&s, &t, N);
    abc_request q = request_of(&s, ABC_EUCLIDEAN, 0.01);
    chains draws, again;
    double tolerance, other;
    size_t nearer = 0;
    cr_assert_eq(abc_of(&q, x, &draws, &tolerance), 0, "%s", error_message());
    cr_assert(draws.n_chains == 1 && draws.n_draws == KEPT && !draws.weight);
    cr_assert(isnan(draws.log_posterior[0]) && isnan(draws.r_hat[2]) &&
              isnan(draws.ess_tail[2]));
    cr_assert_float_eq(draws.acceptance, 0.01, 1e-15);
    cr_assert_eq(draws.effective, KEPT);
    for (uint64_t i = 0; i < N; i++) {
        bool within = distance(&s, i, x, D) <= tolerance * (1 + 1e-6), kept = false;
        for (size_t j = 0; j < KEPT; j++)
            kept |= memcmp(draws.theta + D * j, s.theta + D * i, D * sizeof(double)) == 0;
        nearer += within;
        cr_assert_eq(within, kept);
    }
    cr_assert_eq(nearer, KEPT);
    cr_assert_eq(pool_new(3, &q.workers), 0);
    cr_assert_eq(abc_of(&q, x, &again, &other), 0);
    cr_assert_arr_eq(draws.theta, again.theta, KEPT * D * sizeof(double));
    cr_assert_eq(tolerance, other);
    pool_free(q.workers);
    chains_release(&again);
    chains_release(&draws);
    sims_close(&s);
}

/* A multiple of the observation is as near as itself; else the variance of the ratios. */
Test(abc, variance_of_ratios)
{
    enum { N = 40, D = 3 };
    toy t = {.dim = D, .prior = TOY_UNIFORM, .a = 1, .b = 2, .sigma = 0.1};
    const float x[D] = {1, 2, 4};
    static sims s;
    sims_open(&s, &t, N);
    for (size_t i = 0; i < N;
         i++) /* ratios f (1 - i e, 1, 1 + i e), f = i + 1: variance 2/3 (f i e)^2 */
        for (size_t k = 0; k < D; k++)
            s.x[i * D + k] = (float)((double)(i + 1) * (double)x[k] *
                                     (1 + 0.01 * (double)i * ((double)k - 1)));
    abc_request q = request_of(&s, ABC_RATIOS, 0.5);
    chains draws;
    double tolerance;
    cr_assert_eq(abc_of(&q, x, &draws, &tolerance), 0, "%s", error_message());
    cr_assert_eq(draws.n_draws, N / 2);
    cr_assert_float_eq(tolerance, 2.0 / 3 * pow(20 * 0.19, 2), 1e-5);
    cr_assert_arr_eq(draws.theta, s.theta, N / 2 * D * sizeof(double));
    chains_release(&draws);
    sims_close(&s);
}

Test(abc, refusals)
{
    enum { N = 100 };
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.6};
    static sims s;
    chains draws;
    double tolerance;
    sims_open(&s, &t, N);
    abc_request q = request_of(&s, ABC_RATIOS, 0.5);
    cr_assert_eq(abc_of(&q, (float[]){1, 0}, &draws, &tolerance), NRE_EDATA);
    cr_assert(strstr(error_message(), "value 1 of the observation is 0"));
    cr_assert_eq(abc_of(&q, (float[]){NAN, 1}, &draws, &tolerance), NRE_EDATA);
    q.keep = 0.1;
    cr_assert_eq(abc_of(&q, (float[]){1, 1}, &draws, &tolerance), NRE_ECONFIG);
    cr_assert(strstr(error_message(), "are 10, fewer than 20"), "%s", error_message());
    cr_assert(isnan(tolerance) && !draws.theta);
    cr_assert_eq(abc_kept(1, N), N);
    cr_assert_eq(abc_kept(0.255, N), 26);
    sims_close(&s);
}

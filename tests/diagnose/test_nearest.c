/* Rows that are farther from others than these are from one another. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <math.h>

enum { N = 400, MORE = 5, DIM = 40, ALL = N + MORE };

/* Normal rows, and further ones of which the last two lie OFF from the middle in one column. */
static void lay(float (*x)[DIM], const float **row, float off, uint64_t seed)
{
    rng r;
    rng_start(&r, rng_purpose(seed, "apart"), 0, 0);
    for (size_t i = 0; i < ALL; i++) {
        row[i] = x[i];
        for (size_t k = 0; k < DIM; k++)
            x[i][k] = (float)rng_normal(&r) * (k == 3 ? 100 : 1);
    }
    x[ALL - 2][3] = 100 * off;
    x[ALL - 1][3] = -100 * off;
}

static void chances(const float *const *row, uint32_t dim, unsigned threads, double *out)
{
    float scale[DIM];
    pool *p = NULL;
    for (size_t k = 0; k < DIM; k++)
        scale[k] = k == 3 ? 0.01F : 1;
    apart_request q = {.n = N, .n_more = MORE, .dim = dim, .row = row, .scale = scale};
    cr_assert_eq(pool_new(threads, &p), 0);
    q.pool = p;
    cr_assert_eq(rows_apart(&q, out), 0, "%s", error_message());
    pool_free(p);
}

/* Ten deviations in one of forty columns: seen, where three are not. */
Test(nearest, far_rows_are_seen)
{
    static float x[ALL][DIM];
    static const float *row[ALL];
    double p[MORE];
    lay(x, row, 10, 1);
    chances(row, DIM, 2, p);
    for (size_t i = 0; i < MORE; i++)
        cr_assert(i < MORE - 2 ? p[i] > 0.01 : p[i] < 1e-3, "%zu: %g", i, p[i]);
    lay(x, row, 3, 1);
    chances(row, DIM, 2, p);
    cr_assert(p[MORE - 1] > 0.01 && p[MORE - 2] > 0.01, "%g, %g", p[MORE - 1],
              p[MORE - 2]);
}

/* The brute force over a few columns; of rows that are all alike nothing is far. */
Test(nearest, is_the_place_of_the_least_distance)
{
    static float x[ALL][DIM];
    static const float *row[ALL];
    double p[MORE], again[MORE], distance[ALL];
    lay(x, row, 2, 2);
    chances(row, 2, 1, p);
    chances(row, 2, 3, again);
    cr_assert_arr_eq(p, again, sizeof p);
    for (size_t i = 0; i < ALL; i++) {
        distance[i] = INFINITY;
        for (size_t k = 0; k < N; k++)
            if (k != i)
                distance[i] = fmin(distance[i], hypot((double)x[i][0] - (double)x[k][0],
                                                      (double)x[i][1] - (double)x[k][1]));
    }
    for (size_t i = 0; i < MORE; i++) {
        double beyond = 0;
        for (size_t k = 0; k < N; k++)
            beyond += distance[k] >= distance[N + i];
        cr_assert(beyond > 0);
        cr_assert_float_eq(p[i], (1 + beyond) / (N + 1), 1e-9);
    }
    for (size_t i = 0; i < ALL; i++)
        row[i] = x[0];
    chances(row, DIM, 1, p);
    for (size_t i = 0; i < MORE; i++)
        cr_assert_eq(p[i], 1);
}

/* Chances of rows of the same law are uniform. */
Test(nearest, false_alarms)
{
    enum { REPEATS = 60 };
    static float x[ALL][DIM];
    static const float *row[ALL];
    double p[MORE], sum = 0;
    for (uint64_t i = 0; i < REPEATS; i++) {
        lay(x, row, 0, 10 + i);
        chances(row, 3, 2, p);
        sum += p[0];
    }
    cr_assert(fabs(sum / REPEATS - 0.5) < 4.5 / sqrt(12 * REPEATS), "%g", sum / REPEATS);
}

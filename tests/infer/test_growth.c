/* growth.c: networks whose errors are known. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* Log ratio of a member: that of all, and its own error SLOPE * x * theta + CONSTANT. */
typedef struct tilted {
    ratio ratio; /* first */
    double slope, constant;
    float x[32];
} tilted;

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    tilted *t = (tilted *)(uintptr_t)r;
    (void)own;
    for (size_t i = 0; i < n; i++)
        t->x[i] = x[i];
    o->n = n;
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const tilted *t = (const tilted *)(const void *)r;
    (void)own, (void)o, (void)gradient;
    for (size_t i = 0; i < n * per_x; i++)
        log_ratio[i] = -theta[i] * theta[i] + t->constant +
                       t->slope * (double)t->x[first + i / per_x] * theta[i];
    return NRE_OK;
}

static const ratio_kind TILTED = {.observe = observe, .evaluate = evaluate};

enum { DRAWS = 400, ROWS = 16, MEMBERS = 3 };
static fixture f;
static tilted member[MEMBERS];
static ratio *of[MEMBERS];
static double theta[DRAWS];

/* Slopes -0.1, 0, 0.1 have deviation 0.1; draws of deviation SD about 2. */
static void lay(double sd)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    fixture_open(&f, &t);
    for (int k = 0; k < MEMBERS; k++) {
        member[k] = (tilted){.ratio = {.kind = &TILTED, .target = &f.target, .n_x = 1},
                             .slope = 0.1 * (k - 1),
                             .constant = 100.0 * k};
        of[k] = &member[k].ratio;
    }
    for (int i = 0; i < DRAWS; i++)
        theta[i] = 2 + (i % 2 ? sd : -sd);
}

/* Errors that all rows have in common add; a constant is none. */
Test(growth, common_errors)
{
    float x[ROWS];
    growth g;
    lay(0.7);
    for (int i = 0; i < ROWS; i++)
        x[i] = 1;
    cr_assert_eq(growth_of(MEMBERS, of, ROWS, x, DRAWS, theta, &g), NRE_OK);
    cr_assert_float_eq(g.one, 0.1 * 0.7, 1e-9);
    cr_assert_float_eq(g.joint, ROWS * 0.1 * 0.7, 1e-9);
    /* exp(slope theta) moves the mean of a Gaussian by slope * variance. */
    cr_assert_float_eq(g.shift, ROWS * 0.1 * 0.7, 1e-9);
    fixture_close(&f);
}

/* Of random signs they grow by the root of the sum of squares: here (sum of signs)^2. */
Test(growth, errors_that_cancel)
{
    float x[ROWS];
    double square = 0;
    growth g;
    lay(0.7);
    for (int i = 0; i < ROWS; i++)
        x[i] = i % 4 == 0 ? -1 : 1;
    for (int i = 0; i < ROWS; i++)
        square += (double)x[i];
    cr_assert_eq(growth_of(MEMBERS, of, ROWS, x, DRAWS, theta, &g), NRE_OK);
    cr_assert_float_eq(g.one, 0.1 * 0.7, 1e-9);
    cr_assert_float_eq(g.joint, square * 0.1 * 0.7, 1e-9);
    fixture_close(&f);
}

/* Independent errors of standard normal size: sqrt(rows), on the average of many sets. */
Test(growth, independent_errors)
{
    enum { SETS = 400 };
    double ratio_of_squares = 0;
    rng r;
    lay(0.7);
    rng_start(&r, rng_purpose(1, "growth"), 0, 0);
    for (int s = 0; s < SETS; s++) {
        float x[ROWS];
        growth g;
        for (int i = 0; i < ROWS; i++)
            x[i] = (float)rng_normal(&r);
        cr_assert_eq(growth_of(MEMBERS, of, ROWS, x, DRAWS, theta, &g), NRE_OK);
        ratio_of_squares += g.joint * g.joint / (0.07 * 0.07) / SETS;
    }
    /* (sum of x)^2 has mean ROWS and deviation sqrt(2) ROWS. */
    cr_assert_float_eq(ratio_of_squares, ROWS, 4.5 * sqrt(2.0 / SETS) * ROWS);
    fixture_close(&f);
}

Test(growth, needs_two)
{
    float x = 1;
    growth g;
    lay(1);
    cr_assert_eq(growth_of(1, of, 1, &x, DRAWS, theta, &g), NRE_EINVAL);
    fixture_close(&f);
}

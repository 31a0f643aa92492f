/* test_kicks.c - kicks against the original's and against limits. */
#include "impacts.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* Where B passes r_s the original divides nought by nought and loses digits; at the one point where
 * that is seen, the same formulas in 40 digits give this. */
static double expected_at(const golden *g, size_t c, size_t i)
{
    if (g->age == 3.2 && c == 2 && i == 87)
        return 3.593454578705118e-4;
    return ((const double *)g->kicks.data)[c * GOLDEN_POINTS + i];
}

static void check_single(const char *age)
{
    golden g;
    golden_open(&g, age);
    for (size_t c = 0; c < SINGLE; c++) {
        impact list[GOLDEN_TIMES];
        kick kicks[GOLDEN_TIMES];
        static double value[GOLDEN_TIMES][GOLDEN_POINTS];
        double largest = 0, worst = 0;
        cr_assert_eq(golden_impacts(&g, c, list), 1);
        cr_assert_eq(golden_kicks(&g, 1, list, kicks, value), 1);
        for (size_t i = 0; i < kicks[0].n; i++) {
            largest = fmax(largest, fabs(expected_at(&g, c, i)));
            worst = fmax(worst, fabs(value[0][i] - expected_at(&g, c, i)));
        }
        cr_assert_gt(largest, 0);
        cr_expect_lt(worst, 1e-9 * largest, "%s, %zu: %g", age, c, worst / largest);
    }
    golden_close(&g);
}

Test(kicks, original)
{
    check_single("3.2");
    check_single("4.8");
}

/* A stream at rest along x at points X, all with the unit gain of y; a subhalo that passes along z at
 * a distance B of its origin. */
static void straight(size_t n, const double *x, double mass, double radius, double b,
                     double *dv)
{
    double position[3 * 64] = {0}, velocity[3 * 64] = {0}, gain[3 * 64] = {0};
    double point[6] = {0, 0, 0, 1e-9, 0, 0}; /* its direction is what counts */
    points s = {n, 64, position, velocity, gain};
    impact i = {.mass = mass, .radius = radius, .parameter = b, .velocity = {0, 0, 0.5}};
    memcpy(position, x, n * sizeof *x);
    memset(dv, 0, 3 * 64 * sizeof *dv);
    kick_add(&s, &i, point, dv);
}

/* Towards the subhalo by 2 G M / (u B). */
Test(kicks, point_mass)
{
    double x[] = {0, 0.1, -2}, dv[3 * 64];
    straight(3, x, 1e-3, 1e-9, 0.2, dv);
    for (size_t i = 0; i < 3; i++) {
        double square = x[i] * x[i] + 0.04, size = 2 * 1e-3 / 0.5 / square;
        cr_expect_lt(fabs(dv[i] - -size * x[i]), 1e-7 * size);
        cr_expect_lt(fabs(dv[64 + i] - -size * 0.2), 1e-7 * size);
        cr_expect_eq(dv[128 + i], 0);
    }
}

/* The pull of the density M r_s / (2 pi r (r + r_s)^3) along a straight passage, by quadrature: the
 * mass inside r is M r^2 / (r + r_s)^2. */
static double pulled(double mass, double radius, double b)
{
    enum { STEPS = 40000 };
    double sum = 0;
    for (size_t i = 0; i < STEPS; i++) { /* along z = b sinh s */
        double s = 18 * (((double)i + 0.5) / STEPS - 0.5) * 2, z = b * sinh(s);
        double r = hypot(b, z);
        sum += b / (r * (r + radius) * (r + radius)) * b * cosh(s) * 36 / STEPS;
    }
    return mass * sum / 0.5; /* G M(r) / r^2 times b / r, over dt = dz / u */
}

Test(kicks, hernquist)
{
    static const double b[] = {1e-3,      0.05,  0.12, 0.12999, 0.13,
                               0.1300001, 0.131, 0.2,  1,       9};
    for (size_t i = 0; i < 10; i++) {
        double x = 0, dv[3 * 64], expected = pulled(1e-3, 0.13, b[i]);
        straight(1, &x, 1e-3, 0.13, b[i], dv);
        cr_expect_lt(fabs(dv[64] / expected + 1), 1e-7, "%g: %.12g %.12g", b[i], dv[64],
                     expected);
        straight(1, &x, 1e-3, 0.13, -b[i], dv);
        cr_expect_lt(fabs(dv[64] / expected - 1), 1e-7);
    }
}

/* Right through: no kick, and a number. */
Test(kicks, head_on)
{
    double x[] = {0, 0.1, -0.1}, dv[3 * 64];
    straight(3, x, 1e-3, 0.13, 0, dv);
    cr_expect_eq(dv[0], 0);
    cr_expect_lt(dv[1], 0);
    cr_expect_lt(fabs(dv[1] + dv[2]), 1e-15);
    cr_expect_eq(dv[64 + 1], 0);
}

Test(kicks, frequencies)
{
    double gain[] = {1, 2, 3, 4, 5, 6}, dv[] = {1, -1, 10, 1, 0.5, 2}, out[2];
    points s = {2, 2, NULL, NULL, gain};
    kick_frequencies(&s, dv, out);
    cr_expect_eq(out[0], 1 + 30 + 2.5);
    cr_expect_eq(out[1], -2 + 4 + 12);
}

/* test_density.c - density after impacts: the original's, brute force, limits. */
#include "impacts.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static void angles(double out[GOLDEN_ANGLES])
{
    for (size_t i = 0; i < GOLDEN_ANGLES; i++)
        out[i] = 0.01 * (double)(i + 1);
}

static size_t configuration(const golden *g, size_t c, kick kicks[GOLDEN_TIMES])
{
    static double value[GOLDEN_TIMES][GOLDEN_POINTS];
    impact list[GOLDEN_TIMES];
    return golden_kicks(g, golden_impacts(g, c, list), list, kicks, value);
}

static void check_original(const char *age)
{
    golden g;
    density_space space = {0};
    double angle[GOLDEN_ANGLES], density[GOLDEN_ANGLES], frequency[GOLDEN_ANGLES];
    angles(angle);
    golden_open(&g, age);
    for (size_t c = 0; c < CONFIGURATIONS; c++) {
        kick kicks[GOLDEN_TIMES];
        const double *expected = (const double *)g.density.data + c * GOLDEN_ANGLES * 2;
        size_t n = configuration(&g, c, kicks);
        cr_assert_eq(density_at(&g.smooth, n, kicks, false, GOLDEN_ANGLES, angle, density,
                                frequency, &space),
                     0);
        double worst[2] = {0};
        for (size_t i = 0; i < GOLDEN_ANGLES; i++) {
            worst[0] = fmax(worst[0], fabs(density[i] / expected[2 * i] - 1));
            worst[1] = fmax(worst[1], fabs(frequency[i] / expected[2 * i + 1] - 1));
        }
        cr_expect_lt(worst[0], 1e-8, "%s, %zu: density %g", age, c, worst[0]);
        cr_expect_lt(worst[1], 1e-8, "%s, %zu: frequency %g", age, c, worst[1]);
    }
    density_space_release(&space);
    golden_close(&g);
}

Test(density, original)
{
    check_original("3.2");
    check_original("4.8");
}

/* brute force */

static double kick_at(const kick *k, double a)
{
    double at = a / k->length * (double)(k->n - 1);
    size_t m = (size_t)at;
    if (!(a > 0) || !(a < k->length))
        return 0;
    return k->value[m] + (at - (double)m) * (k->value[m + 1] - k->value[m]);
}

/* N(W_n) of a star traced backward, and whether it was released in time. */
static double release_density(const smooth *s, size_t n, const kick *kicks, double a,
                              double w, bool *released)
{
    double time = 0;
    for (size_t j = 0; j < n; j++) {
        a -= w * (kicks[j].time - time);
        w -= kick_at(&kicks[j], a);
        time = kicks[j].time;
    }
    double u = (w - s->offset) / s->sigma;
    *released = a <= w * (s->age - time);
    return exp(-u * u / 2) / (sqrt(2 * GD1_PI) * s->sigma);
}

/* Between LOW, which was released or not, and HIGH, which was not or was. */
static double first_released(const smooth *s, size_t n, const kick *kicks, double a,
                             double low, double high, bool at_low)
{
    for (int i = 0; i < 40; i++) {
        bool here;
        double middle = (low + high) / 2;
        release_density(s, n, kicks, a, middle, &here);
        *(here == at_low ? &low : &high) = middle;
    }
    return low;
}

/* By the trapezoidal rule over all W that kicks can bring to within 8 sigma of the mean. */
static void brute_force(const smooth *s, size_t n, const kick *kicks, double a,
                        double *density, double *frequency)
{
    enum { STEPS = 400000 };
    double low = s->offset - 8 * s->sigma, high = s->offset + 8 * s->sigma, moment = 0;
    for (size_t j = 0; j < n; j++) {
        double least = 0, most = 0;
        for (size_t m = 0; m < kicks[j].n; m++) {
            least = fmin(least, kicks[j].value[m]);
            most = fmax(most, kicks[j].value[m]);
        }
        low += least;
        high += most;
    }
    bool before, after;
    double step = (high - low) / STEPS;
    double first = release_density(s, n, kicks, a, low, &before), second;
    *density = 0;
    for (size_t i = 0; i < STEPS; i++, before = after, first = second) {
        double w = low + (double)i * step, from = w, to = w + step;
        second = release_density(s, n, kicks, a, to, &after);
        if (before != after)
            *(after ? &from : &to) = first_released(s, n, kicks, a, w, w + step, before);
        else if (!before)
            continue;
        *density += (to - from) * (first + second) / 2;
        moment += (to - from) * (first + second) / 2 * (from + to) / 2;
    }
    *frequency = moment / *density;
}

static void check_exact(const char *age, size_t c, size_t every)
{
    golden g;
    density_space space = {0};
    double angle[GOLDEN_ANGLES], density[GOLDEN_ANGLES], frequency[GOLDEN_ANGLES];
    kick kicks[GOLDEN_TIMES];
    angles(angle);
    golden_open(&g, age);
    size_t n = configuration(&g, c, kicks);
    cr_assert_eq(density_at(&g.smooth, n, kicks, true, GOLDEN_ANGLES, angle, density,
                            frequency, &space),
                 0);
    for (size_t i = every / 2; i < GOLDEN_ANGLES; i += every) {
        double expected, mean;
        brute_force(&g.smooth, n, kicks, angle[i], &expected, &mean);
        cr_expect_lt(fabs(density[i] - expected), 1e-5 * (0.1 + expected),
                     "%s, %zu, at %g: %.10g, not %.10g", age, c, angle[i], density[i],
                     expected);
        cr_expect_lt(fabs(frequency[i] / mean - 1), 1e-5,
                     "%s, %zu, at %g: %.10g, not %.10g", age, c, angle[i], frequency[i],
                     mean);
    }
    density_space_release(&space);
    golden_close(&g);
}

Test(density, exact)
{
    for (size_t c = 0; c < SINGLE; c++)
        check_exact("4.8", c, 16);
    check_exact("3.2", 10, 9);
    check_exact("4.8", 12, 9);
    check_exact("4.8", 13, 12);
    check_exact("3.2", 14, 16);
    check_exact("4.8", 14, 16);
}

/* limits */

Test(density, no_kick)
{
    smooth s = smooth_of(0.1145563362768931, 6, 5 * GD1_GYR);
    density_space space = {0};
    double angle[GOLDEN_ANGLES], density[GOLDEN_ANGLES], frequency[GOLDEN_ANGLES];
    angles(angle);
    cr_assert_eq(
        density_at(&s, 0, NULL, true, GOLDEN_ANGLES, angle, density, frequency, &space),
        0);
    for (size_t i = 0; i < GOLDEN_ANGLES; i++) {
        cr_expect_eq(density[i], smooth_density(&s, s.age, angle[i]));
        cr_expect_eq(frequency[i], smooth_mean_frequency(&s, s.age, angle[i]));
    }
    density_space_release(&space);
}

/* Kicks of nothing, at two times: the closed forms, in both modes. */
Test(density, kicks_of_nothing)
{
    smooth s = smooth_of(0.1145563362768931, 6, 5 * GD1_GYR);
    density_space space = {0};
    double angle[GOLDEN_ANGLES], density[GOLDEN_ANGLES], frequency[GOLDEN_ANGLES];
    double none[100] = {0};
    kick kicks[] = {{0.2 * GD1_GYR, 1.1, 100, none}, {0.9 * GD1_GYR, 0.9, 80, none}};
    angles(angle);
    for (int exact = 0; exact < 2; exact++) {
        cr_assert_eq(density_at(&s, 2, kicks, exact, GOLDEN_ANGLES, angle, density,
                                frequency, &space),
                     0);
        for (size_t i = 0; i < GOLDEN_ANGLES; i++) {
            double expected = smooth_density(&s, s.age, angle[i]);
            double mean = smooth_mean_frequency(&s, s.age, angle[i]);
            cr_expect_lt(fabs(density[i] / expected - 1), 1e-9);
            cr_expect_lt(fabs(frequency[i] / mean - 1), 1e-9);
        }
    }
    density_space_release(&space);
}

/* With one time both modes take the same terms; the original's rule for the end of the integral is
 * then all that differs, by the bend of the kick there: to the second order in the spacing, and
 * nothing where no star of that end counts. */
Test(density, one_time)
{
    golden g;
    density_space space = {0};
    double angle[GOLDEN_ANGLES], exact[GOLDEN_ANGLES], other[GOLDEN_ANGLES];
    double frequency[2][GOLDEN_ANGLES];
    kick kicks[GOLDEN_TIMES];
    angles(angle);
    golden_open(&g, "4.8");
    for (size_t c = 0; c < 5; c++) {
        size_t n = configuration(&g, c, kicks);
        cr_assert_eq(n, 1);
        density_at(&g.smooth, n, kicks, true, GOLDEN_ANGLES, angle, exact, frequency[0],
                   &space);
        density_at(&g.smooth, n, kicks, false, GOLDEN_ANGLES, angle, other, frequency[1],
                   &space);
        for (size_t i = 0; i < GOLDEN_ANGLES; i++) {
            double far = (g.smooth.offset - angle[i] / g.smooth.age) / g.smooth.sigma;
            double bound = far > 5 ? 1e-8 : 5e-3;
            cr_expect_lt(fabs(exact[i] - other[i]), bound * exact[i], "%zu, at %g: %g", c,
                         angle[i], exact[i] / other[i] - 1);
            cr_expect_lt(fabs(frequency[0][i] / frequency[1][i] - 1), bound);
        }
    }
    density_space_release(&space);
    golden_close(&g);
}

static void all_alike(const double *a, const double *b)
{
    for (size_t i = 0; i < GOLDEN_ANGLES; i++)
        cr_expect_lt(fabs(a[i] / b[i] - 1), 1e-9, "%zu: %g", i, a[i] / b[i] - 1);
}

/* A work space that another problem left behind changes no bit.  Neighbours share what is left out:
 * alone an angle has the same density but for rounding and the tail. */
Test(density, space)
{
    golden g;
    double angle[GOLDEN_ANGLES], density[4][GOLDEN_ANGLES], frequency[4][GOLDEN_ANGLES];
    kick kicks[GOLDEN_TIMES];
    angles(angle);
    golden_open(&g, "4.8");
    size_t n = configuration(&g, 14, kicks);
    for (int exact = 0; exact < 2; exact++) {
        density_space space = {0}, large = {.memory = malloc(1 << 23), .size = 1 << 23};
        for (size_t i = 0; i < 3; i++)
            density_at(&g.smooth, n, kicks, exact, GOLDEN_ANGLES, angle, density[i],
                       frequency[i], i < 2 ? &space : &large);
        for (size_t i = 0; i < GOLDEN_ANGLES; i++)
            density_at(&g.smooth, n, kicks, exact, 1, &angle[i], &density[3][i],
                       &frequency[3][i], &space);
        cr_expect_arr_eq(density[0], density[1], sizeof density[0]);
        cr_expect_arr_eq(density[0], density[2], sizeof density[0]);
        cr_expect_arr_eq(frequency[0], frequency[2], sizeof frequency[0]);
        all_alike(density[0], density[3]);
        all_alike(frequency[0], frequency[3]);
        density_space_release(&space);
        density_space_release(&large);
    }
    golden_close(&g);
}

/* Kicks that fold the stream over and over: thousands of break points, more than the first work space
 * holds, and nothing else is known of the result than what brute force says. */
Test(density, many_points)
{
    enum { KNOTS = 240, KICKS = 60 };
    static double value[KICKS][KNOTS];
    smooth s = smooth_of(0.1145563362768931, 6, 3 * GD1_GYR);
    kick kicks[KICKS];
    density_space space = {0};
    for (size_t j = 0; j < KICKS; j++) {
        double time = (double)(j + 4) / 64 * GD1_GYR;
        for (size_t m = 0; m < KNOTS; m++)
            value[j][m] = 2 * s.sigma * sin(0.9 * (double)m + (double)(j * j));
        kicks[j] = (kick){time, 10 * s.sigma * (s.age - time), KNOTS, value[j]};
    }
    double angle = 0.5, density, frequency, expected, mean;
    cr_assert_eq(
        density_at(&s, KICKS, kicks, true, 1, &angle, &density, &frequency, &space), 0);
    brute_force(&s, KICKS, kicks, angle, &expected, &mean);
    cr_expect_lt(fabs(density - expected), 2e-2 * expected, "%g %g", density, expected);
    cr_expect_lt(fabs(frequency - mean), 2e-2 * mean, "%g %g", frequency, mean);
    density_space_release(&space);
}

Test(density, no_number)
{
    smooth s = smooth_of(0.1145563362768931, 6, 5 * GD1_GYR);
    density_space space = {0};
    double value[] = {0, 1e-4, NAN, 0}, angle = 0.3, density, frequency;
    kick kicks[] = {{0.2 * GD1_GYR, 1.1, 4, value}};
    cr_expect_eq(density_at(&s, 1, kicks, true, 1, &angle, &density, &frequency, &space),
                 NRE_ENUMERIC);
    value[2] = INFINITY;
    cr_expect_eq(density_at(&s, 1, kicks, false, 1, &angle, &density, &frequency, &space),
                 NRE_ENUMERIC);
    value[2] = 0;
    cr_expect_eq(density_at(&s, 1, kicks, false, 1, &angle, &density, &frequency, &space),
                 0);
    density_space_release(&space);
}

/* Random kicks of all strengths, with the last knot and the first not at 0: folds, jumps, and few
 * knots. */
Test(density, random_kicks)
{
    enum { TRIES = 12, MOST_KICKS = 5, KNOTS = 40 };
    smooth s = smooth_of(0.1145563362768931, 6, 4 * GD1_GYR);
    density_space space = {0};
    rng r;
    rng_start(&r, rng_purpose(5, "kicks"), 0, 0);
    for (size_t i = 0; i < TRIES; i++) {
        static double value[MOST_KICKS][KNOTS];
        kick kicks[MOST_KICKS];
        size_t n = 1 + i % MOST_KICKS;
        for (size_t j = 0; j < n; j++) {
            double time = ((double)j + rng_uniform(&r)) / 4 * GD1_GYR, size = 0;
            for (size_t m = 0; m < KNOTS; m++) {
                size += 0.3 * s.sigma * rng_normal(&r);
                value[j][m] = size;
            }
            kicks[j] = (kick){time, 10 * s.sigma * (s.age - time), KNOTS, value[j]};
        }
        double angle[3] = {0.02, 0.3, 0.8}, density[3], frequency[3], expected, mean;
        cr_assert_eq(density_at(&s, n, kicks, true, 3, angle, density, frequency, &space),
                     0);
        for (size_t k = 0; k < 3; k++) {
            brute_force(&s, n, kicks, angle[k], &expected, &mean);
            cr_expect_lt(fabs(density[k] - expected), 3e-5 * (0.1 + expected),
                         "%zu, at %g: %.10g, not %.10g", i, angle[k], density[k],
                         expected);
            cr_expect_lt(fabs(frequency[k] - mean), 3e-5 * s.offset, "%zu, at %g", i,
                         angle[k]);
        }
    }
    density_space_release(&space);
}

/* Observed rows among test rows: chances that are exact where ranks tell, and alarms as rare as they say. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { TEST = 500, MOST = 100 };

/* 1 .. n */
static void count_up(size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)(i + 1);
}

Test(place, by_rank)
{
    double a[99];

    count_up(99, a);
    cr_assert_float_eq(place_p(99, a, 99, PLACE_ABOVE), 0.02, 1e-12);
    cr_assert_float_eq(place_p(99, a, 98.5, PLACE_ABOVE), 0.02, 1e-12);
    cr_assert_float_eq(place_p(99, a, 0.5, PLACE_ABOVE), 1, 1e-12);
    cr_assert_float_eq(place_p(99, a, 1, PLACE_BOTH), 0.04, 1e-12);
    cr_assert_float_eq(place_p(99, a, 50, PLACE_BOTH), 1, 1e-12);
    cr_assert(isnan(place_p(99, a, NAN, PLACE_BOTH)));
    cr_assert(isnan(place_p(0, a, 1, PLACE_ABOVE)));
}

/* Five excesses over 2^-5 of log 2, 2 log 2, .. 5 log 2: their sum is 15 log 2.  Reciprocals have the
 * lower tail. */
Test(place, beyond_all_of_them)
{
    double a[100], inverse[100];

    for (size_t i = 0; i < 95; i++)
        a[i] = 1e-2 + 1e-9 * (double)i;
    a[94] = 1.0 / 32;
    for (size_t i = 95; i < 100; i++)
        a[i] = 2 * a[i - 1];
    for (size_t i = 0; i < 100; i++)
        inverse[i] = 1 / a[99 - i];
    double expected = 6.0 / 101 * pow(1 + 20.0 / 15, -5);
    cr_assert_float_eq(place_p(100, a, pow(2, 15), PLACE_ABOVE), expected, 1e-12);
    cr_assert_float_eq(place_p(100, inverse, pow(2, -15), PLACE_BOTH), 2 * expected,
                       1e-12);
    cr_assert_float_eq(place_p(100, a, 1.01, PLACE_ABOVE), 1.0 / 101, 1e-12);
    cr_assert_eq(place_p(100, inverse, 0, PLACE_BOTH), 0);
    cr_assert_float_eq(place_p(19, inverse, 0, PLACE_BOTH), 2.0 / 20, 1e-12);
}

/* What is the same everywhere has no tail. */
Test(place, of_equals)
{
    double a[TEST];

    for (size_t i = 0; i < TEST; i++)
        a[i] = 1;
    cr_assert_eq(place_p(TEST, a, 1, PLACE_BOTH), 1);
    cr_assert_float_eq(place_p(TEST, a, 1 + 1e-12, PLACE_ABOVE), 1.0 / (TEST + 1), 1e-12);
}

Test(place, of_several_rows)
{
    double a[TEST], value[] = {3, NAN, 499, 200, 498.5, 499.5};

    count_up(TEST, a);
    places p = places_of(TEST, a, 6, value, PLACE_ABOVE);
    cr_assert_eq(p.n, 5);
    cr_assert_eq(p.outside, 3);
    cr_assert_eq(p.farthest, 5);
    /* three of five new ones among the seven farthest of 505: hypergeometric */
    double chance = 0;
    for (int k = 3; k <= 5; k++) {
        double ways = k == 3 ? 10 : k == 4 ? 5 : 1;
        for (int i = 0; i < 7 - k; i++)
            ways *= (500.0 - i) / (i + 1);
        double all = 1;
        for (int i = 0; i < 7; i++)
            all *= (505.0 - i) / (i + 1);
        chance += ways / all;
    }
    cr_assert_float_eq(p.p, 2 * chance, 1e-9);
    p = places_of(TEST, a, 1, &value[2], PLACE_ABOVE);
    cr_assert_float_eq(p.p, 3.0 / 501, 1e-12);
    p = places_of(TEST, a, 1, &value[1], PLACE_ABOVE);
    cr_assert(isnan(p.p) && p.n == 0);
    double far[10] = {0};
    for (size_t i = 0; i < 10; i++)
        far[i] = 100;
    far[7] = 1e6; /* one of ten: too few by number, but so far out */
    p = places_of(TEST, a, 10, far, PLACE_ABOVE);
    cr_assert_eq(p.outside, 1);
    cr_assert_eq(p.farthest, 7);
    cr_assert_lt(p.p, FINDING_LEVEL);
}

/* Nobody is outside, and with 20 test rows, or 50 for each of several, that is known. */
Test(place, says_where_silence_means_nothing)
{
    static const struct {
        size_t n, m;
        place_sides sides;
        bool too_few;
    } CASES[] = {
        {19, 1, PLACE_ABOVE, true},  {20, 1, PLACE_ABOVE, false},
        {99, 2, PLACE_ABOVE, true},  {100, 2, PLACE_ABOVE, false},
        {499, 10, PLACE_BOTH, true}, {500, 10, PLACE_BOTH, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        double a[TEST], value[MOST], far = 1e9;
        size_t n = CASES[i].n, m = CASES[i].m;
        count_up(n, a);
        for (size_t k = 0; k < m; k++)
            value[k] = 0.5 * (double)n;
        places p = places_of(n, a, m, value, CASES[i].sides);
        cr_assert_eq(p.too_few, CASES[i].too_few, "%zu test rows, %zu rows", n, m);
        cr_assert_eq(p.outside, 0);
        value[m - 1] = far;
        p = places_of(n, a, m, value, CASES[i].sides);
        cr_assert_eq(p.p < FINDING_LEVEL, !CASES[i].too_few,
                     "%zu test rows, %zu rows: %g", n, m, p.p);
    }
}

static double drawn(rng *r, place_sides sides)
{
    double u = rng_uniform(r);

    return sides == PLACE_BOTH ? exp(0.1 * log(u / (1 - u))) : sqrt(-log(u));
}

/* Draws alike are outside as often as they may, and no more, however many are looked at. */
static void assert_alarms(size_t n, size_t m, place_sides sides)
{
    enum { REPEATS = 600 };
    size_t alarms = 0;
    rng r;

    rng_start(&r, rng_purpose(5, "place/%zu/%zu", n, m), (uint64_t)sides, 0);
    for (size_t i = 0; i < REPEATS; i++) {
        double a[TEST], value[MOST];
        for (size_t k = 0; k < n; k++)
            a[k] = drawn(&r, sides);
        for (size_t k = 0; k < m; k++)
            value[k] = drawn(&r, sides);
        qsort(a, n, sizeof *a, compare_reals);
        alarms += places_of(n, a, m, value, sides).p < FINDING_LEVEL;
    }
    double expected = FINDING_LEVEL * REPEATS;
    cr_assert((double)alarms - expected < 4.5 * sqrt(expected), "%zu alarms", alarms);
}

/* One row in two hundred is a hundred times as far as the others: no Pareto law. */
Test(place, alarms_are_rare_beside_stray_rows)
{
    enum { REPEATS = 600 };
    size_t alarms = 0;
    rng r;

    rng_start(&r, rng_purpose(5, "place/stray"), 0, 0);
    for (size_t i = 0; i < REPEATS; i++) {
        double a[TEST], value[MOST];
        for (size_t k = 0; k < TEST; k++)
            a[k] = drawn(&r, PLACE_ABOVE) * (rng_uniform(&r) < 0.005 ? 100 : 1);
        for (size_t k = 0; k < MOST; k++)
            value[k] = drawn(&r, PLACE_ABOVE) * (rng_uniform(&r) < 0.005 ? 100 : 1);
        qsort(a, TEST, sizeof *a, compare_reals);
        alarms += places_of(TEST, a, MOST, value, PLACE_ABOVE).p < FINDING_LEVEL;
    }
    double expected = FINDING_LEVEL * REPEATS;
    cr_assert((double)alarms - expected < 4.5 * sqrt(expected), "%zu alarms", alarms);
}

Test(place, alarms_are_rare)
{
    const size_t m[] = {1, 10, MOST};

    for (size_t i = 0; i < 3; i++) {
        assert_alarms(TEST, m[i], PLACE_ABOVE);
        assert_alarms(TEST, m[i], PLACE_BOTH);
    }
}

/* Ranks among few rows cannot say it: the tail's law can, and alarms no more often. */
Test(place, few_rows_tell_one_far_out)
{
    const size_t n[] = {20, 40, 90};

    for (size_t i = 0; i < 3; i++) {
        double a[TEST];
        rng r;

        assert_alarms(n[i], 1, PLACE_ABOVE);
        assert_alarms(n[i], 1, PLACE_BOTH);
        rng_start(&r, rng_purpose(6, "place/few"), n[i], 0);
        for (size_t k = 0; k < n[i]; k++)
            a[k] = drawn(&r, PLACE_ABOVE);
        qsort(a, n[i], sizeof *a, compare_reals);
        cr_assert_lt(place_p(n[i], a, 1e6, PLACE_ABOVE), FINDING_LEVEL);
    }
}

/* Targets: names to indices, columns, standardised columns. */
#include "support.h"

#include <math.h>

static simulator *s;
static arena *a;

static void begin(void)
{
    s = mock_open(false);
    a = arena_new();
}

static void end(void)
{
    arena_free(a);
    simulator_close(s);
}

TestSuite(target, .init = begin, .fini = end);

Test(target, all_and_subsets)
{
    target t;
    const double theta[] = {0.5, 2, 0.25, -4};
    double out[2];
    cr_assert_eq(target_of(s, a, true, 0, NULL, &t), 0);
    cr_assert_str_eq(t.name, "all");
    cr_assert_eq(t.n, 2);
    cr_assert_eq(target_of(s, a, false, 2, (const char *[]){"b", "a"}, &t), 0);
    cr_assert_str_eq(t.name, "b,a");
    cr_assert_eq(t.which[0], 1);
    cr_assert_eq(target_of(s, a, false, 1, (const char *[]){"b"}, &t), 0);
    target_columns(&t, 2, theta, out);
    cr_assert_arr_eq(out, ((double[]){2, -4}), sizeof out);
}

/* a ~ uniform(0, 1): (a - 1/2) sqrt 12; b ~ normal(0, 2): b / 2. */
Test(target, standardises)
{
    target t;
    double derivative[2];
    float z[2];
    cr_assert_eq(target_of(s, a, false, 2, (const char *[]){"b", "a"}, &t), 0);
    target_standardise(&t, 1, (double[]){3, 0.75}, z, derivative);
    cr_assert_float_eq(z[0], 1.5f, 1e-6f);
    cr_assert_float_eq(z[1], 0.25f * sqrtf(12), 1e-6f);
    cr_assert_float_eq(derivative[0], 0.5, 1e-15);
    cr_assert_float_eq(derivative[1], sqrt(12), 1e-14);
    target_standardise(&t, 1, (double[]){3, 0.75}, z, NULL);
}

/* Where a part of the prior is left, a network sees mean 0 and deviation 1 of that part. */
Test(target, standardises_a_part)
{
    target t;
    double derivative[2], centre[2] = {1, 0.5}, deviation[2] = {0.1, 2}, c, d;
    float z[2];
    cr_assert_eq(target_of(s, a, false, 2, (const char *[]){"b", "a"}, &t), 0);
    t.centre = centre, t.deviation = deviation;
    target_standardise(&t, 1, (double[]){3, 0.75}, z, derivative);
    cr_assert_float_eq(z[0], 5.0f, 1e-5f);
    cr_assert_float_eq(z[1], (0.25f * sqrtf(12) - 0.5f) / 2, 1e-6f);
    cr_assert_float_eq(derivative[0], 5, 1e-14);
    cr_assert_float_eq(derivative[1], sqrt(12) / 2, 1e-14);
    for (size_t k = 0; k < 2; k++) {
        cr_assert_not(target_natural(&t, k, &c, &d));
        cr_assert_float_eq(z[k], (float)(((double[]){3, 0.75}[k] - c) / d), 1e-6f);
    }
}

Test(target, refuses)
{
    target t;
    cr_assert_eq(target_of(s, a, false, 1, (const char *[]){"c"}, &t), NRE_ECONFIG);
    cr_assert(message_has("no parameter 'c'"));
    cr_assert_eq(target_of(s, a, false, 2, (const char *[]){"a", "a"}, &t), NRE_ECONFIG);
    cr_assert(message_has("'a' twice"));
    cr_assert_eq(target_of(s, a, false, 0, NULL, &t), NRE_ECONFIG);
    cr_assert_eq(target_of(s, a, false, 3, (const char *[]){"a", "b", "a"}, &t),
                 NRE_ECONFIG);
}

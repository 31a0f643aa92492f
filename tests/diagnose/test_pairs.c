/* One pass for all: the same numbers whatever else is taken, and for any number of threads. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 70 };

static const measure *const ALL[] = {&measure_draw, &measure_ranks, &measure_distance,
                                     &measure_divergence};

static size_t width_of(const measure *m, const gauss *g)
{
    return m->width(&g->target);
}

static void assert_same(const gauss *g, const pair_set *a, const pair_set *b,
                        const measure *m)
{
    const double *x = pairs_value(a, m), *y = pairs_value(b, m);
    cr_assert(x && y, "%s", m->name);
    cr_assert_eq(memcmp(x, y, N * width_of(m, g) * sizeof *x), 0, "%s", m->name);
}

static void assert_same_standing(const pair_standing *a, const pair_standing *b)
{
    cr_assert_eq(a->at.rank, b->at.rank);
    cr_assert_eq(a->log_ratio, b->log_ratio);
    cr_assert_eq(a->gain, b->gain);
    cr_assert_eq(a->missing, b->missing);
}

/* Grid and cloud; one thread with all measures against three with each alone. */
Test(pairs, same_bits)
{
    for (uint32_t dim = 2; dim <= 5; dim += 3) {
        gauss one = {.dim = dim, .sigma = 0.5, .believed = 0.5}, three = one;
        pair_set *all = NULL, *alone = NULL;
        gauss_open(&one, GAUSS_EXACT, N, 91, 1);
        gauss_open(&three, GAUSS_EXACT, N, 91, 3);
        cr_assert_eq(pairs_of(&one.subject,
                              &(pairs_plan){.n = N, .n_measures = 4, .measures = ALL},
                              &all),
                     0, "%s", error_message());
        cr_assert_eq(memcmp(all->theta, one.truth, N * dim * sizeof *one.truth), 0);
        for (size_t i = 0; i < 4; i++) {
            pairs_plan wanted = {.n = N, .n_measures = 1, .measures = &ALL[i]};
            cr_assert_eq(pairs_of(&three.subject, &wanted, &alone), 0);
            assert_same(&one, all, alone, ALL[i]);
            for (size_t k = 0; k < N; k++)
                assert_same_standing(&all->standing[k], &alone->standing[k]);
            cr_assert_null(pairs_value(alone, ALL[(i + 1) % 4]));
            pairs_free(alone);
        }
        pairs_free(all);
        gauss_close(&one);
        gauss_close(&three);
    }
}

/* Pairs that stayed too coarse have no values. */
Test(pairs, of_posteriors_that_are_not_known)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .rugged = true};
    pair_set *pairs = NULL;
    gauss_open(&g, GAUSS_EXACT, 5, 92, 2);
    cr_assert_eq(pairs_of(&g.subject,
                          &(pairs_plan){.n = 4, .n_measures = 4, .measures = ALL},
                          &pairs),
                 0);
    for (size_t i = 0; i < 4; i++) {
        const double *value = pairs_value(pairs, ALL[i]);
        for (size_t k = 0; k < 4 * width_of(ALL[i], &g); k++)
            cr_assert(isnan(value[k]));
    }
    pairs_free(pairs);
    gauss_close(&g);
}

Test(pairs, that_are_needed)
{
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    subject s;
    pair_set *pairs = NULL;
    uint64_t n = 0;
    const double *value = NULL;
    gauss_open(&g, GAUSS_EXACT, 20, 93, 1);
    s = g.subject;
    cr_assert_eq(pairs_need(&s, &measure_draw, 0, &n, &value), NRE_EINTERNAL);
    cr_assert_eq(
        pairs_of(&s, &(pairs_plan){.n = 15, .n_measures = 1, .measures = ALL}, &pairs),
        0);
    s.pairs = pairs;
    cr_assert_eq(pairs_need(&s, &measure_ranks, 0, &n, &value), NRE_EINTERNAL);
    cr_assert(strstr(error_message(), "ranks"));
    cr_assert_eq(pairs_need(&s, &measure_draw, 0, &n, &value), 0);
    cr_assert_eq(n, 15);
    cr_assert_eq(value, pairs_value(pairs, &measure_draw));
    cr_assert_eq(pairs_need(&s, &measure_draw, 7, &n, &value), 0);
    cr_assert_eq(n, 7);
    cr_assert_eq(pairs_need(&s, &measure_draw, 70, &n, &value), 0);
    cr_assert_eq(n, 15);
    pairs_free(pairs);
    gauss_close(&g);
}

/* Draws have the posterior's moments. */
Test(pairs, draws)
{
    enum { MANY = 2000 };
    gauss g = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    pair_set *pairs = NULL;
    double sum = 0, squares = 0;
    gauss_open(&g, GAUSS_EXACT, MANY, 94, 2);
    cr_assert_eq(pairs_of(&g.subject,
                          &(pairs_plan){.n = MANY, .n_measures = 1, .measures = ALL},
                          &pairs),
                 0);
    for (size_t i = 0; i < MANY; i++) {
        double z = (pairs->value[0][i] - (double)g.x[i] / 1.25) / sqrt(0.2);
        sum += z / MANY;
        squares += z * z / MANY;
    }
    cr_assert(fabs(sum) < 4.5 / sqrt(MANY));
    cr_assert(fabs(squares - 1) < 4.5 * sqrt(2.0 / MANY));
    pairs_free(pairs);
    gauss_close(&g);
}

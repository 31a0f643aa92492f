/* classified.c: which pairs are joint, which are marginal, and what a ratio says of them. */
#include "bold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const toy PLANE = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};

static double at(const toy *t, const double *theta, const float *x)
{
    return 0.3 + 2 * (toy_log_likelihood(t, theta, x) - toy_log_evidence(t, x));
}

Test(classified, own_thetas_and_those_of_other_rows)
{
    enum { N = 150 };
    static fixture f;
    bold_pairs p;
    classified c;
    fixture_open(&f, &PLANE);
    fixture_use(&f, bold_new(&f.target, &PLANE, 0.3, 2, 0));
    bold_pairs_draw(&p, &PLANE, N, "pairs");
    cr_assert_eq(classified_of(f.ratio, p.loader, NULL, N, 3, &c), NRE_OK);
    cr_assert(c.n == N && c.n_marginals == 3 && c.dim == 2);
    cr_assert_eq(memcmp(c.theta, p.theta, N * 2 * sizeof *p.theta), 0);
    for (size_t i = 0; i < N; i++) {
        cr_assert_float_eq(c.joint[i], at(&PLANE, p.theta + 2 * i, p.x + 2 * i), 1e-12);
        for (size_t k = 0; k < 3; k++) {
            size_t j = (i + classified_shift(&c, k)) % N;
            cr_assert_neq(j, i);
            cr_assert_float_eq(c.marginal[i * 3 + k],
                               at(&PLANE, p.theta + 2 * j, p.x + 2 * i), 1e-12);
        }
    }
    classified_release(&c);
    bold_pairs_release(&p);
    fixture_close(&f);
}

Test(classified, shifts_are_all_different)
{
    for (size_t n = 2; n < 200; n += 7)
        for (size_t m = 1; m < n; m++) {
            classified c = {.n = n, .n_marginals = m};
            for (size_t k = 0; k < m; k++) {
                size_t shift = classified_shift(&c, k);
                cr_assert(shift >= 1 && shift < n);
                cr_assert(k == 0 || shift > classified_shift(&c, k - 1));
            }
        }
}

Test(classified, is_the_same_for_any_number_of_threads)
{
    enum { N = 333 };
    static fixture f;
    bold_pairs p;
    classified alone, many;
    pool *three = NULL;
    fixture_open(&f, &PLANE);
    bold_pairs_draw(&p, &PLANE, N, "pairs");
    cr_assert_eq(pool_new(3, &three), NRE_OK);
    cr_assert_eq(classified_of(f.ratio, p.loader, NULL, N, 0, &alone), NRE_OK);
    cr_assert_eq(classified_of(f.ratio, p.loader, three, N + 1000, 0, &many), NRE_OK);
    cr_assert(alone.n_marginals == 64 && many.n_marginals == 64 && many.n == N);
    cr_assert_eq(memcmp(alone.joint, many.joint, N * sizeof(double)), 0);
    cr_assert_eq(memcmp(alone.marginal, many.marginal, N * 64 * sizeof(double)), 0);
    classified_release(&alone);
    classified_release(&many);
    cr_assert_eq(classified_of(f.ratio, p.loader, NULL, 1, 0, &alone), NRE_ECONFIG);
    pool_free(three);
    bold_pairs_release(&p);
    fixture_close(&f);
}

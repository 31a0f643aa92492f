/* Simulations drawn while training: which stand in an epoch follows from the epoch alone. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { N = 50, D = 2, X = 5 };

typedef struct rows {
    double theta[N][D];
    float x[N][X];
} rows;

static loader *of(const simulator *s, pool *p, uint64_t reuse, tally *count, validity *v)
{
    loader *l = NULL;
    const online_plan plan = {.seed = 4,
                              .purpose = "train-online/0/0",
                              .n = N,
                              .reuse = reuse,
                              .on_invalid = 2};
    cr_assert_eq(loader_online(s, p, NULL, &plan, count, v, &l), 0, "%s",
                 error_message());
    cr_assert_eq(l->n, N);
    return l;
}

static rows read_epoch(const loader *l, uint64_t epoch)
{
    rows r;
    uint64_t index[N];
    for (uint64_t i = 0; i < N; i++)
        index[i] = i;
    cr_assert_eq(l->begin(l, epoch), 0, "%s", error_message());
    cr_assert_eq(l->rows(l, 0, epoch, N, index, &r.theta[0][0], &r.x[0][0]), 0);
    return r;
}

/* Simulations FIRST .. FIRST + N - 1 of the purpose, noisy where there is noise. */
static rows drawn(const simulator *s, uint64_t first)
{
    rows r;
    const draw d = {.seed = 4,
                    .purpose = "train-online/0/0",
                    .first = first,
                    .n = N,
                    .on_invalid = 2};
    cr_assert_eq(
        simulator_draw(s, NULL, NULL, &d, &r.theta[0][0], &r.x[0][0], NULL, NULL, NULL),
        0);
    return r;
}

static size_t replaced(const rows *a, const rows *b)
{
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        n += memcmp(a->theta[i], b->theta[i], sizeof a->theta[i]) != 0;
    return n;
}

Test(online, every_epoch_is_new_without_reuse)
{
    simulator *s = mock_open(false);
    loader *l = of(s, NULL, 1, NULL, NULL);
    for (uint64_t epoch = 1; epoch < 5; epoch++) {
        rows found = read_epoch(l, epoch), expected = drawn(s, (epoch - 1) * N);
        cr_assert_arr_eq(found.theta, expected.theta, sizeof found.theta);
        cr_assert_arr_eq(found.x, expected.x, sizeof found.x);
    }
    loader_free(l);
    simulator_close(s);
}

/* 50 rows in 3 shares. */
Test(online, a_share_is_replaced_in_each_epoch)
{
    static const size_t share[] = {17, 17, 16};
    simulator *s = mock_open(false);
    loader *l = of(s, NULL, 3, NULL, NULL);
    rows all[8];
    for (uint64_t e = 1; e <= 7; e++)
        all[e] = read_epoch(l, e);
    for (uint64_t e = 2; e <= 7; e++)
        cr_assert_eq(replaced(&all[e - 1], &all[e]), share[(e - 2) % 3]);
    for (uint64_t e = 1; e <= 4; e++)
        cr_assert_eq(replaced(&all[e], &all[e + 3]), N, "used for 3 epochs");
    rows second = drawn(s, N);
    cr_assert_arr_eq(all[4].theta, second.theta, sizeof second.theta);
    cr_assert_arr_eq(all[4].x, second.x, sizeof second.x);
    loader_free(l);
    simulator_close(s);
}

Test(online, any_epoch_can_be_the_first)
{
    simulator *s = mock_open(true);
    pool *p;
    cr_assert_eq(pool_new(3, &p), 0);
    for (uint64_t reuse = 1; reuse < 70; reuse += 13) {
        loader *l = of(s, NULL, reuse, NULL, NULL), *late = of(s, p, reuse, NULL, NULL);
        for (uint64_t e = 1; e < 9; e++)
            (void)read_epoch(l, e);
        rows a = read_epoch(l, 9), b = read_epoch(late, 9);
        cr_assert_arr_eq(&a, &b, sizeof a);
        loader_free(l), loader_free(late);
    }
    pool_free(p);
    simulator_close(s);
}

/* Of generation 0, epoch 0 of the noise is that of a noisy draw. */
Test(online, noise_is_of_the_simulation_and_the_epoch)
{
    simulator *s = mock_open(true);
    loader *l = of(s, NULL, 4, NULL, NULL);
    uint64_t index[N];
    for (uint64_t i = 0; i < N; i++)
        index[i] = i;
    rows expected = drawn(s, 0), found, one, two;
    cr_assert_eq(l->rows(l, 0, 0, N, index, &found.theta[0][0], &found.x[0][0]), 0);
    cr_assert_arr_eq(found.x, expected.x, sizeof found.x);
    one = read_epoch(l, 1), two = read_epoch(l, 2);
    for (size_t i = 0; i < N; i++)
        cr_assert(one.x[i][0] != two.x[i][0]);
    cr_assert_arr_eq(one.theta[N - 1], two.theta[N - 1], sizeof one.theta[0]);
    loader_free(l);
    simulator_close(s);
}

Test(online, the_first_set_is_counted_and_judged)
{
    mock_fault = FAULT_CHANCE;
    simulator *s = mock_open(false);
    tally count = {0}, again = {0};
    validity *v = validity_new(simulator_prior(s)), *w = validity_new(simulator_prior(s));
    validity_model *m = NULL, *k = NULL;
    double theta[N][D], one[3], two[3];
    const double at[3][D] = {{0.1, 0}, {0.5, 1}, {0.9, -2}};
    const draw d = {.seed = 4, .purpose = "train-online/0/0", .n = N, .on_invalid = 2};
    loader *l = of(s, NULL, 2, &count, v);
    (void)read_epoch(l, 5);
    cr_assert_eq(simulator_draw(s, NULL, NULL, &d, &theta[0][0], NULL, NULL, &again, w),
                 0);
    cr_assert(count.rows == N && count.attempts == again.attempts &&
              count.invalid == again.invalid && count.invalid > 0);
    cr_assert(!validity_fit(v, 0, NULL, &m) && !validity_fit(w, 0, NULL, &k));
    validity_log(m, 3, &at[0][0], one, NULL);
    validity_log(k, 3, &at[0][0], two, NULL);
    cr_assert_arr_eq(one, two, sizeof one);
    validity_model_free(m), validity_model_free(k), validity_free(v), validity_free(w);
    loader_free(l);
    simulator_close(s);
    mock_fault = FAULT_NONE;
}

Test(online, simulations_are_those_that_were_asked_for)
{
    cr_assert_eq(online_simulations(50, 1, 4), 200);
    cr_assert_eq(online_simulations(50, 3, 1), 50);
    cr_assert_eq(online_simulations(50, 3, 0), 50);
    cr_assert_eq(online_simulations(50, 3, 2), 67);
    cr_assert_eq(online_simulations(50, 3, 4), 100);
}

Test(online, no_rows_are_refused)
{
    simulator *s = mock_open(false);
    loader *l;
    const online_plan none = {.seed = 1, .purpose = "p", .n = 0, .reuse = 1};
    cr_assert_eq(loader_online(s, NULL, NULL, &none, NULL, NULL, &l), NRE_EINVAL);
    cr_assert_null(l);
    simulator_close(s);
}

Test(online, failures_come_through)
{
    mock_fault = FAULT_ALWAYS;
    simulator *s = mock_open(false);
    loader *l;
    const online_plan plan = {.seed = 1, .purpose = "p", .n = 5, .reuse = 1};
    cr_assert_eq(loader_online(s, NULL, NULL, &plan, NULL, NULL, &l), NRE_ENUMERIC);
    mock_fault = FAULT_NONE;
    simulator_close(s);
    s = mock_open(false);
    l = of(s, NULL, 1, NULL, NULL);
    mock_fault = FAULT_STATUS;
    cr_assert_eq(l->begin(l, 2), NRE_EPLUGIN);
    mock_fault = FAULT_NONE;
    rows found = read_epoch(l, 2), expected = drawn(s, N);
    cr_assert_arr_eq(&found, &expected, sizeof found);
    loader_free(l);
    simulator_close(s);
}

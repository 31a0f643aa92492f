/* Thetas of a part of the prior: conditional draws, the same for any split and threads. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4000 };

/* Below the diagonal of the unit square. */
static int keep_below(const void *context, size_t n, const double *theta, bool *kept)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        kept[i] = theta[2 * i + 1] < theta[2 * i];
    return NRE_OK;
}

static int keep_none(const void *context, size_t n, const double *theta, bool *kept)
{
    (void)context, (void)theta;
    memset(kept, 0, n * sizeof *kept);
    return NRE_OK;
}

static int keep_fails(const void *context, size_t n, const double *theta, bool *kept)
{
    (void)context, (void)n, (void)theta, (void)kept;
    return fail(NRE_ENUMERIC, "no such luck");
}

static const marginal UNIT[2] = {{.name = "a", .family = NRE_UNIFORM, .b = 1},
                                 {.name = "b", .family = NRE_UNIFORM, .b = 1}};
static const prior SQUARE = {.n = 2, .of = UNIT};

static void sample(const proposals *how, unsigned threads, uint64_t first, size_t n,
                   double *theta)
{
    pool *p = NULL;
    cr_assert_eq(pool_new(threads, &p), NRE_OK);
    int status =
        prior_sample_kept(&SQUARE, how, p, rng_purpose(1, "theta/x"), first, n, theta);
    pool_free(p);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
}

/* Uniform on the triangle: means 2/3 and 1/3, variances 1/18. */
Test(propose, draws_are_those_of_the_part)
{
    proposals how = {keep_below, NULL, 3, 0};
    static double theta[N][2];
    double mean[2] = {0};
    sample(&how, 2, 0, N, theta[0]);
    for (int i = 0; i < N; i++) {
        cr_assert_lt(theta[i][1], theta[i][0]);
        mean[0] += theta[i][0] / N, mean[1] += theta[i][1] / N;
    }
    cr_assert_lt(fabs(mean[0] - 2.0 / 3) / sqrt(1.0 / 18 / N), 4.5);
    cr_assert_lt(fabs(mean[1] - 1.0 / 3) / sqrt(1.0 / 18 / N), 4.5);
}

Test(propose, splits_threads_and_batches_change_nothing)
{
    proposals how = {keep_below, NULL, 3, 0}, more = {keep_below, NULL, 16, 0};
    static double one[N][2], three[N][2], other[N][2], part[100][2];
    sample(&how, 1, 0, N, one[0]);
    sample(&how, 3, 0, N, three[0]);
    sample(&more, 1, 0, N, other[0]);
    sample(&how, 1, 1234, 100, part[0]);
    cr_assert_arr_eq(one, three, sizeof one);
    cr_assert_arr_eq(one, other, sizeof one);
    cr_assert_arr_eq(part, one[1234], sizeof part);
}

/* Rows that the whole prior would have put there are kept. */
Test(propose, the_first_proposal_is_that_of_the_whole_prior)
{
    proposals how = {keep_below, NULL, 1, 0};
    static double cut[N][2], whole[N][2];
    int same = 0, below = 0;
    sample(&how, 1, 0, N, cut[0]);
    sample(NULL, 1, 0, N, whole[0]);
    for (int i = 0; i < N; i++) {
        below += whole[i][1] < whole[i][0];
        same += !memcmp(whole[i], cut[i], sizeof cut[i]);
    }
    cr_assert_eq(same, below);
}

Test(propose, an_empty_part_is_an_error)
{
    proposals how = {keep_none, NULL, 1024, 10000};
    double theta[2];
    int status = prior_sample_kept(&SQUARE, &how, NULL, rng_purpose(1, "t"), 0, 1, theta);
    cr_assert_eq(status, NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "below 1e-6"), "%s", error_message());
}

Test(propose, a_failure_is_told)
{
    proposals how = {keep_fails, NULL, 8, 0};
    double theta[2];
    int status = prior_sample_kept(&SQUARE, &how, NULL, rng_purpose(1, "t"), 0, 1, theta);
    cr_assert_eq(status, NRE_ENUMERIC);
    cr_assert_str_eq(error_message(), "no such luck");
}

/* The simulator's rows, of a part of its prior: invalid ones are drawn from it too. */
static int keep_positive(const void *context, size_t n, const double *theta, bool *kept)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        kept[i] = theta[2 * i] > 0.5;
    return NRE_OK;
}

static void draw_part(unsigned threads, uint64_t first, size_t n, double *theta, float *x,
                      tally *count)
{
    proposals how = {keep_positive, NULL, 4, 0};
    draw d = {.seed = 5,
              .purpose = "train",
              .first = first,
              .n = n,
              .on_invalid = 2,
              .keep = &how};
    pool *p = NULL;
    simulator *s = mock_open(true);
    cr_assert_eq(pool_new(threads, &p), 0);
    int status = simulator_draw(s, p, NULL, &d, theta, x, NULL, count, NULL);
    simulator_close(s);
    pool_free(p);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
}

Test(propose, rows_of_a_simulator)
{
    static double one[1000][2], three[1000][2], part[50][2];
    static float x[1000][5], x3[1000][5], xp[50][5];
    tally count = {0}, other = {0};
    mock_fault = FAULT_CHANCE;
    draw_part(1, 0, 1000, one[0], x[0], &count);
    draw_part(3, 0, 1000, three[0], x3[0], &other);
    draw_part(2, 333, 50, part[0], xp[0], &other);
    cr_assert_gt(count.invalid, 0);
    cr_assert_eq(count.attempts, 1000 + count.invalid);
    for (int i = 0; i < 1000; i++)
        cr_assert_gt(one[i][0], 0.5);
    cr_assert_arr_eq(one, three, sizeof one);
    cr_assert_arr_eq(x, x3, sizeof x);
    cr_assert_arr_eq(part, one[333], sizeof part);
    cr_assert_arr_eq(xp, x[333], sizeof xp);
}

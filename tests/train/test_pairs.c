/* Shifts: distinct, never 0, uniform. */
#include "train/train.h"

#include <criterion/criterion.h>
#include <math.h>

static void stream(rng *r, uint64_t item)
{
    rng_start(r, rng_purpose(5, "pairs"), item, 0);
}

Test(pairs, shifts_are_distinct_and_never_zero)
{
    for (uint64_t n = 2; n < 20; n++)
        for (size_t k = 1; k < n; k++) {
            uint64_t shift[20];
            rng r;
            stream(&r, n * 100 + k);
            pair_shifts(&r, n, k, shift);
            for (size_t i = 0; i < k; i++) {
                cr_assert(shift[i] >= 1 && shift[i] < n);
                for (size_t j = 0; j < i; j++)
                    cr_assert_neq(shift[i], shift[j]);
            }
        }
}

Test(pairs, two_rows_have_one_shift)
{
    uint64_t shift;
    rng r;
    stream(&r, 0);
    pair_shifts(&r, 2, 1, &shift);
    cr_assert_eq(shift, 1);
}

/* Each of the 10 values belongs to 3 of 10 chosen; each of the 45 pairs to 3 of 45. */
Test(pairs, shifts_are_uniform_and_so_are_their_pairs)
{
    enum { N = 11, K = 3, DRAWS = 40000 };
    unsigned count[N] = {0}, both[N][N] = {{0}};
    rng r;
    stream(&r, 1);
    for (int d = 0; d < DRAWS; d++) {
        uint64_t s[K];
        pair_shifts(&r, N, K, s);
        for (int i = 0; i < K; i++) {
            count[s[i]]++;
            for (int j = 0; j < K; j++)
                both[s[i]][s[j]]++;
        }
    }
    double p = K / (N - 1.0), q = p * (K - 1) / (N - 2.0);
    for (int i = 1; i < N; i++) {
        cr_assert_lt(fabs(count[i] - DRAWS * p) / sqrt(DRAWS * p * (1 - p)), 4.5);
        for (int j = 1; j < i; j++)
            cr_assert_lt(fabs(both[i][j] - DRAWS * q) / sqrt(DRAWS * q * (1 - q)), 4.5);
    }
}

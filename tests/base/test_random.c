/* Streams against the published vectors of their generator, and against their
 * distributions. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* Random123's kat_vectors, philox4x64 with 10 rounds. */
Test(random, published_vectors)
{
    static const struct {
        uint64_t counter[4], key[2], word[4];
    } known[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b,
          0x7e68b68aec7ba23b}},
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {UINT64_MAX, UINT64_MAX},
         {0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6,
          0xa09caebf594f0ba0}},
        {{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
         {0x452821e638d01377, 0xbe5466cf34e90c6c},
         {0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5,
          0x57bd43b5e52b7fe6}}};

    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        rng r;
        rng_start(&r, (rng_key){{known[k].key[0], known[k].key[1]}}, 0, 0);
        memcpy(r.counter, known[k].counter, sizeof r.counter);
        for (int i = 0; i < 4; i++)
            cr_assert_eq(rng_bits(&r), known[k].word[i]);
    }
}

/* Block 5 of a stream is the generator at counter { 5, item, attempt, 0 }. */
Test(random, counter_is_block_item_attempt)
{
    rng r, direct;
    rng_key key = rng_purpose(1, "x/train");

    rng_start(&r, key, 77, 3);
    for (int i = 0; i < 20; i++)
        rng_bits(&r);
    rng_start(&direct, key, 0, 0);
    memcpy(direct.counter, (uint64_t[4]){5, 77, 3, 0}, sizeof direct.counter);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(rng_bits(&r), rng_bits(&direct));
}

static uint64_t first_of(uint64_t seed, const char *purpose, uint64_t item,
                         uint64_t attempt)
{
    rng r;

    rng_start(&r, rng_purpose(seed, "%s", purpose), item, attempt);
    return rng_bits(&r);
}

Test(random, everything_in_the_key_matters)
{
    uint64_t word = first_of(1, "theta/train", 0, 0);
    rng_key a = rng_purpose(1, "init/%d/%d", 0, 1), b = rng_purpose(1, "init/0/1");

    cr_assert_eq(word, first_of(1, "theta/train", 0, 0));
    cr_assert_neq(word, first_of(2, "theta/train", 0, 0));
    cr_assert_neq(word, first_of(1, "theta/test", 0, 0));
    cr_assert_neq(word, first_of(1, "theta/train", 1, 0));
    cr_assert_neq(word, first_of(1, "theta/train", 0, 1));
    cr_assert_arr_eq(a.word, b.word, sizeof a.word);
}

Test(random, plugins_see_the_same_stream)
{
    rng a, b;
    rng_key key = rng_purpose(5, "test");

    rng_start(&a, key, 9, 0);
    rng_start(&b, key, 9, 0);
    nre_rng *api = &a.api;
    cr_assert_eq(api->struct_size, sizeof *api);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(api->bits(api), rng_bits(&b));
        cr_assert_eq(api->uniform(api), rng_uniform(&b));
        cr_assert_eq(api->normal(api), rng_normal(&b));
    }
}

Test(random, a_stream_is_a_value)
{
    rng a, b;

    rng_start(&a, rng_purpose(5, "test"), 0, 0);
    for (int i = 0; i < 7; i++)
        rng_normal(&a);
    b = a;
    for (int i = 0; i < 20; i++)
        cr_assert_eq(rng_normal(&a), rng_normal(&b));
}

Test(random, uniform_is_inside_the_open_interval)
{
    rng r;

    rng_start(&r, rng_purpose(5, "test"), 0, 0);
    r.used = 0;
    r.word[0] = UINT64_MAX;
    r.word[1] = 0;
    double largest = rng_uniform(&r), least = rng_uniform(&r);
    cr_assert(largest < 1 && largest > 1 - 1e-15);
    cr_assert(least > 0 && least < 1e-15);
}

/* Mean and deviation of a sample mean must fit: |z| < 4.5. */
static void assert_mean(double sum, size_t n, double mean, double deviation)
{
    double z = (sum / (double)n - mean) / (deviation / sqrt((double)n));

    cr_assert(fabs(z) < 4.5, "z = %g", z);
}

Test(random, moments)
{
    enum { N = 400000 };
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z3 = 0, z4 = 0, pair = 0, tail = 0;
    rng_key key = rng_purpose(2024, "moments");

    for (size_t i = 0; i < N / 10; i++) {
        rng r;
        rng_start(&r, key, i, 0);
        for (int k = 0; k < 10; k++) {
            double u = rng_uniform(&r), z = rng_normal(&r), w = rng_normal(&r);
            u1 += u;
            u2 += u * u;
            z1 += z;
            z2 += z * z;
            z3 += z * z * z;
            z4 += z * z * z * z;
            pair += z * w;
            tail += fabs(w) > 1.959963984540054;
        }
    }
    assert_mean(u1, N, 0.5, sqrt(1.0 / 12));
    assert_mean(u2, N, 1.0 / 3, sqrt(4.0 / 45));
    assert_mean(z1, N, 0, 1);
    assert_mean(z2, N, 1, sqrt(2));
    assert_mean(z3, N, 0, sqrt(15));
    assert_mean(z4, N, 3, sqrt(96));
    assert_mean(pair, N, 0, 1);
    assert_mean(tail, N, 0.05, sqrt(0.05 * 0.95));
}

/* A remainder or an unrefused product would favour some results by a factor of two here.
 */
Test(random, below_is_unbiased)
{
    enum { N = 200000 };
    const uint64_t n = UINT64_C(3) << 62 >> 1 | UINT64_C(1) << 63; /* 7/8 of 2^64 */
    double mean = 0, lower = 0, third = 0;
    rng r;

    rng_start(&r, rng_purpose(3, "below"), 0, 0);
    for (int i = 0; i < N; i++) {
        uint64_t k = rng_below(&r, n);
        cr_assert(k < n);
        mean += (double)k / (double)n;
        lower += k < n / 8;
        k = rng_below(&r, 3);
        cr_assert(k < 3);
        third += k == 1;
    }
    assert_mean(mean, N, 0.5, sqrt(1.0 / 12));
    assert_mean(lower, N, 0.125, sqrt(0.125 * 0.875));
    assert_mean(third, N, 1.0 / 3, sqrt(2.0 / 9));
    cr_assert_eq(rng_below(&r, 1), 0);
}

Test(random, all_permutations_are_as_likely)
{
    enum { N = 60000 };
    int count[6] = {0};
    rng_key key = rng_purpose(4, "permutation");

    for (uint64_t i = 0; i < N; i++) {
        uint64_t p[3];
        rng r;
        rng_start(&r, key, i, 0);
        rng_permutation(&r, 3, p);
        cr_assert((p[0] | p[1] << 4 | p[2] << 8) && p[0] + p[1] + p[2] == 3 &&
                  p[0] != p[1]);
        count[p[0] * 2 + (p[1] > p[2])]++;
    }
    for (int k = 0; k < 6; k++)
        assert_mean(count[k], N, 1.0 / 6, sqrt(5.0 / 36));
}

Test(random, a_permutation_has_each_item_once)
{
    enum { N = 1000 };
    static uint64_t p[N];
    static int seen[N];
    rng r;

    rng_start(&r, rng_purpose(4, "permutation"), 0, 0);
    rng_permutation(&r, N, p);
    for (int i = 0; i < N; i++)
        cr_assert_eq(seen[p[i]]++, 0);
}

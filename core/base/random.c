/* base/random.c - counter-based random streams, Philox 4x64-10. */
#include "base/base.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

rng_key rng_purpose(uint64_t seed, const char *purpose, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, purpose);
    int n = vsnprintf(text, sizeof text, purpose, arguments);
    va_end(arguments);
    bug_if(n < 0 || (size_t)n >= sizeof text); /* purposes are names of ours, and short */
    return (rng_key){{seed, XXH3_64bits(text, (size_t)n)}};
}

static uint64_t api_bits(nre_rng *api)
{
    return rng_bits((rng *)api);
}

static double api_uniform(nre_rng *api)
{
    return rng_uniform((rng *)api);
}

static double api_normal(nre_rng *api)
{
    return rng_normal((rng *)api);
}

void rng_start(rng *r, rng_key key, uint64_t item, uint64_t attempt)
{
    *r = (rng){
        .api = {sizeof r->api, api_bits, api_uniform, api_normal},
        .key = key,
        .counter = {0, item, attempt, 0},
        .used = 4,
    };
}

/* Word by word: through memcpy the compiler keeps the block in memory, half as fast again. */
static void next_block(rng *r)
{
    philox4x64_key_t key = {{r->key.word[0], r->key.word[1]}};
    philox4x64_ctr_t block = {
        {r->counter[0], r->counter[1], r->counter[2], r->counter[3]}};

    block = philox4x64(block, key);
    for (size_t i = 0; i < 4; i++)
        r->word[i] = block.v[i];
    r->counter[0]++;
    r->used = 0;
}

uint64_t rng_bits(rng *r)
{
    if (r->used >= 4)
        next_block(r);
    return r->word[r->used++];
}

/* 52 bits and a half: with 53, (2^53 - 1) + 0.5 would round up and give 1. */
double rng_uniform(rng *r)
{
    return ((double)(rng_bits(r) >> 12) + 0.5) * 0x1p-52;
}

/* Box and Muller (1958), eq. 2; both normals of a pair are used. */
double rng_normal(rng *r)
{
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double radius = sqrt(-2 * log(rng_uniform(r)));
    double angle = 6.283185307179586477 * rng_uniform(r);
    r->spare = radius * sin(angle);
    r->has_spare = true;
    return radius * cos(angle);
}

__extension__ typedef unsigned __int128 wide;

/* Lemire (2019), algorithm 5: the high word of a product, after refusing the few low
 * words that would make some results likelier. */
uint64_t rng_below(rng *r, uint64_t n)
{
    bug_if(n == 0);
    wide product = (wide)rng_bits(r) * n;

    if ((uint64_t)product < n) {
        uint64_t least = -n % n; /* 2^64 mod n */
        while ((uint64_t)product < least)
            product = (wide)rng_bits(r) * n;
    }
    return (uint64_t)(product >> 64);
}

void rng_permutation(rng *r, size_t n, uint64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = (size_t)rng_below(r, i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}

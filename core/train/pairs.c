/* pairs.c - which rows lend their theta to the marginal pairs. */
#include "train/train.h"

static bool among(uint64_t value, size_t n, const uint64_t *list)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* A uniform subset of 1 .. n - 1 with exactly k draws (Floyd's algorithm; Bentley & Floyd
 * 1987). */
void pair_shifts(rng *r, size_t n, size_t k, uint64_t *shift)
{
    for (size_t i = 0; i < k; i++) {
        uint64_t last = n - k + i, drawn = 1 + rng_below(r, last);
        shift[i] = among(drawn, i, shift) ? last : drawn;
    }
}

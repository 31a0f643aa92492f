/* Any bytes as a .npy file: refused, or an array as large as it says. */
#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    npy a;
    double sum = 0;
    if (npy_parse(bytes, n, &a) != NRE_OK)
        return 0;
    uint64_t items = 1;
    for (unsigned k = 0; k < a.rank; k++)
        items *= a.dim[k];
    for (uint64_t i = 0; i < items; i++)
        sum += npy_value(&a, a.data, i);
    npy_free(&a);
    return sum > 0 && items == 0; /* never, and the compiler cannot know */
}

/* Any bytes as a CSV: refused, or a table of finite numbers. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t rows, columns, letters = 0;
    const char *const *names;
    double *values;
    arena *a = arena_new();
    if (csv_parse("f", (const char *)bytes, n, a, &rows, &columns, &names, &values) ==
        NRE_OK) {
        for (size_t i = 0; i < rows * columns; i++)
            if (!isfinite(values[i]))
                abort();
        for (size_t k = 0; names && k < columns; k++)
            letters += strlen(names[k]);
        if (letters > n || rows == 0 || columns == 0)
            abort();
    }
    free(values);
    arena_free(a);
    return 0;
}

/* The finished runs below folders, side by side. */
#include "run/run.h"

int compare_folders(size_t n, const char *const *paths, const char *tables,
                    const char *page, FILE *out)
{
    (void)n;
    (void)paths;
    (void)tables;
    (void)page;
    (void)out;
    return NRE_OK;
}

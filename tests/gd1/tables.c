/* tables.c - golden tables of numbers. */
#include "tables.h"

#include <criterion/criterion.h>
#include <stdio.h>

double *table_read(const char *name, const char *age, size_t columns, size_t *rows)
{
    char path[512];
    npy a;
    snprintf(path, sizeof path, "%s/%s_age%s.npy", TEST_GOLDEN, name, age);
    cr_assert_eq(npy_read(path, &a), 0, "%s", error_message());
    cr_assert_eq(a.type, 'f');
    cr_assert_eq(a.width, 8);
    cr_assert_eq(a.rank, 2);
    cr_assert_eq(a.dim[1], columns);
    *rows = a.dim[0];
    return a.data;
}

orbit_space *measured_progenitor(progenitor *out)
{
    orbit_space *space = orbit_space_new();
    cr_assert_not_null(space);
    progenitor_measure(0.96, space, out);
    return space;
}

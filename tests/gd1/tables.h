/* tables.h - golden tables of numbers. */
#ifndef TEST_GD1_TABLES_H
#define TEST_GD1_TABLES_H

#include "data/data.h"
#include "gd1.h"

/* golden/NAME_ageAGE.npy, [*rows][columns]; free it. */
double *table_read(const char *name, const char *age, size_t columns, size_t *rows);
/* The progenitor of the original, and space to measure in: orbit_space_free. */
orbit_space *measured_progenitor(progenitor *out);

#endif

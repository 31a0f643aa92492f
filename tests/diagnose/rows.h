/* What a diagnostic says of the Gaussian problem. */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

#include "gauss.h"
#include "wrong.h"

/* In place of the ratio of G, from now on. */
void make_wrong(gauss *g, const wrong_plan *how);
/* The row of D after a pass over all test pairs with its measures; levels 0.5, 0.68, 0.95. */
json_t *row_of(const gauss *g, const diagnostic *d);
const char *word_of(const json_t *row, const char *key);
double number_of(const json_t *row, const char *key);
/* Row's verdict, and a part of what it says. */
void assert_says(const json_t *row, const char *word, const char *part);

#endif

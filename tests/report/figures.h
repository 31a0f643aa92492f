/* Every kind of figure, of numbers as a run would have them, or with names that break careless writers
 * and numbers that are missing. */
#ifndef TESTS_FIGURES_H
#define TESTS_FIGURES_H

#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

typedef struct figure_example {
    const char *name, *shows; /* the SVG has this text */
    int (*write)(const char *folder, const char *name, bool awkward);
} figure_example;
extern const figure_example FIGURES[];
extern const size_t n_figures;
bool gnuplot_here(void);

/* One each for the tests of the figures' own files. */
int example_density(const char *folder, const char *name, bool awkward);
int example_corner(const char *folder, const char *name, bool awkward);
int example_level(const char *folder, const char *name, bool awkward);
int example_rank(const char *folder, const char *name, bool awkward);
int example_roc(const char *folder, const char *name, bool awkward);
int example_area(const char *folder, const char *name, bool awkward);
int example_convergence(const char *folder, const char *name, bool awkward);
int example_predictive(const char *folder, const char *name, bool awkward);
int example_table(const char *folder, const char *name, bool awkward);
int example_loss(const char *folder, const char *name, bool awkward);

#endif

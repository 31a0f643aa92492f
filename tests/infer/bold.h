/* A ratio that is too sure: s = offset + (factor + turn theta_1) log r, with the toy's own log r. */
#ifndef BOLD_H
#define BOLD_H

#include "toy.h"

typedef struct bold {
    ratio base; /* first */
    toy toy;
    double offset, factor, turn;
} bold;
ratio *bold_new(const target *t, const toy *y, double offset, double factor, double turn);

/* N pairs of the toy, and a loader of them. */
typedef struct bold_pairs {
    size_t n;
    double *theta;
    float *x;
    loader *loader;
} bold_pairs;
void bold_pairs_draw(bold_pairs *p, const toy *t, size_t n, const char *purpose);
void bold_pairs_release(bold_pairs *p);

#endif

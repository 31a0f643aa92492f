/* Ratios that are wrong on purpose, made of a right one: what diagnostics must notice. */
#ifndef TESTS_WRONG_H
#define TESTS_WRONG_H

#include "diagnose/diagnose.h"

/* log of what is made of r:  power(x) log r(x | theta + shift) - log Z(x) + tilt x[column]
 * with power(x) = POWER where x[column] < BELOW and 1 elsewhere, and Z(x) so that without tilt the
 * integral over the prior is 1 for every x.  Of a right ratio that is known up to a function of x, or
 * has more than three parameters, Z(x) stays 1 and so is what comes out. */
typedef struct wrong_plan {
    double power;
    double below; /* INFINITY: everywhere */
    double tilt;
    size_t column;
    const double *shift; /* [dim], borrowed; or NULL */
    /* In place of log r: the logarithm of p(part of x | theta), up to a function of x; or NULL. */
    double (*part)(uint32_t dim, const double *theta, const float *x);
    /* Variances where theta ~ N(0, prior), x ~ N(theta, noise) in each dimension: Z(x) is then a formula and PART,
     * if any, -(x - theta)^2 / (2 noise) summed over the first half of the dimensions.  0: Z(x) comes from a grid,
     * good to some percent. */
    double prior, noise;
} wrong_plan;

/* Takes over RIGHT on success. */
int ratio_wrong(ratio *right, const wrong_plan *how, ratio **out);

#endif

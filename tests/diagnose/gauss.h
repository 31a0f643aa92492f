/* A Gaussian problem with everything in closed form: theta ~ N(0, 1) in each of DIM
 * dimensions, x = theta + SIGMA noise; what the ratio believes of the noise may be
 * another deviation. */
#ifndef TESTS_GAUSS_H
#define TESTS_GAUSS_H

#include "diagnose/diagnose.h"

enum { GAUSS_MOST = 8 };

typedef struct gauss {
    uint32_t dim;
    double sigma;     /* of the simulations */
    double believed;  /* by the likelihood */
    bool rugged;      /* the likelihood is noise in theta: nothing can resolve it */
    bool no_evidence; /* known up to a function of x */
    double invalid;   /* fraction of simulations, whatever theta */
    bool together;    /* every value of x is about the first parameter */
    nre_theta theta[GAUSS_MOST];
    nre_field field;
    nre_simulator_ops ops;
    nre_plugin table;
    plugin plugin;
    instance instance;
    simulator *simulator;
    uint32_t which[GAUSS_MOST];
    target target;
    ratio *ratio;
    posterior posterior;
    uint64_t n;
    double *truth; /* [n][dim] */
    float *x;      /* [n][dim] */
    loader *test;
    pool *pool;
    subject subject;
} gauss;

typedef enum gauss_ratio { GAUSS_EXACT, GAUSS_PRIOR } gauss_ratio;
/* N test pairs from SEED; what stands above `theta` is set before. */
void gauss_open(gauss *g, gauss_ratio kind, uint64_t n, uint64_t seed, unsigned threads);
void gauss_close(gauss *g);
/* N pairs of theta (or NULL) and x. */
void gauss_draw(const gauss *g, uint64_t n, uint64_t seed, double *theta, float *x);

#endif

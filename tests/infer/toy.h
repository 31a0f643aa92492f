/* Simulators with closed forms: x = theta + equicorrelated Gaussian noise, one field x
 * [dim]. */
#ifndef TOY_H
#define TOY_H

#include "infer/infer.h"

typedef enum toy_prior { TOY_NORMAL, TOY_UNIFORM } toy_prior;

typedef struct toy {
    uint32_t dim;
    toy_prior prior;
    double a, b;       /* mean and deviation, or bounds, of every parameter */
    double sigma, rho; /* of the noise: deviation, correlation of any two elements */
    bool mirrored;     /* x is theta + noise or -theta + noise, by a fair coin */
    double spread; /* with probability one half the noise is so much wider; 0: never */
    bool bounded;  /* noise uniform between -sigma and sigma; of a uniform prior */
    bool positive; /* x is theta + |noise|: a hard edge; of a uniform prior */
    bool no_gradient, no_evidence; /* what the plugin leaves out */
} toy;

/* Everything up to a posterior of the exact ratio, all parameters in order. */
typedef struct fixture {
    toy toy;
    nre_theta theta[16];
    nre_field field;
    nre_simulator_ops ops;
    nre_plugin table;
    plugin plugin;
    instance instance;
    simulator *simulator;
    arena *arena;
    target target;
    ratio *ratio;
    ratio_worker *worker;
    observed *observed;
    posterior posterior;
} fixture;
void fixture_open(fixture *f, const toy *t);
void fixture_close(fixture *f);
/* Another ratio in the place of the exact one. */
void fixture_use(fixture *f, ratio *r);
void fixture_observe(fixture *f, size_t n, const float *x);

/* A pair from the joint distribution; x alone for a theta. */
void toy_pair(const toy *t, rng *r, double *theta, float *x);
void toy_simulate(const toy *t, rng *r, const double *theta, float *x);
double toy_log_likelihood(const toy *t, const double *theta, const float *x);
/* For a normal prior, or a uniform one without correlation. */
double toy_log_evidence(const toy *t, const float *x);

#endif

/* support.h - a simulator by name, and what must hold for every one with a likelihood. */
#ifndef TEST_SIMULATORS_SUPPORT_H
#define TEST_SIMULATORS_SUPPORT_H

#include "data/data.h"

#include <criterion/criterion.h>

typedef struct subject {
    arena *memory;
    plugins *plugins;
    host_services services;
    instance *instance;
    simulator *simulator;
    const nre_simulator_ops *ops;
    size_t d, n_x;
} subject;
/* OPTIONS: "dim=2 rows=points", or NULL. */
void subject_open(subject *s, const char *name, const char *options);
void subject_close(subject *s);

/* N rows of PURPOSE; at AT (NULL: theta from the prior). */
void subject_draw(const subject *s, const char *purpose, size_t n, const double *at,
                  double *theta, float *x);
/* N rows at AT, which may lie outside of the prior, with their status (may be NULL). */
void subject_simulate(const subject *s, const char *purpose, size_t n, const double *at,
                      float *x, uint8_t *status);
double log_likelihood_at(const subject *s, const double *theta, const float *x);
double log_evidence_at(const subject *s, const float *x);
/* N draws from the posterior of x, from streams of PURPOSE and ITEM. */
void posterior_draw(const subject *s, const char *purpose, uint64_t item, const float *x,
                    size_t n, double *theta);

/* (mean - expected) / its standard error. */
double z_of_mean(size_t n, const double *values, double expected);
/* Of the difference of two means. */
double z_of_means(size_t n, const double *a, size_t m, const double *b);
/* The deviate of a standard normal as unlikely as this chi-square. */
double z_of_chi_square(double chi_square, double degrees);
bool message_has(const char *words);

/* x ~ p(x | theta): the mean of p(x | other) / p(x | theta) is 1. */
void check_likelihood_ratio(const subject *s, const double *theta, const double *other,
                            size_t n);
/* x ~ p(x | theta): the mean of the gradient is 0. */
void check_score(const subject *s, const double *theta, size_t n);
/* Gradients at N draws against central differences of width STEP. */
void check_gradient(const subject *s, size_t n, double step, double tolerance);
/* Ranks of true parameters among exact posterior draws are uniform (Talts et al. 2018).
 */
void check_ranks(const subject *s, size_t n);
/* theta and x drawn apart: the mean of r is 1. */
void check_marginal_ratio(const subject *s, size_t n);

#endif

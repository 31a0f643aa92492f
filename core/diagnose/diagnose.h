/* diagnose/diagnose.h - may this posterior be believed?  One file a diagnostic. */
#ifndef NEREID_DIAGNOSE_H
#define NEREID_DIAGNOSE_H

#include "infer/infer.h"
#include "train/train.h"

/* What all diagnostics are given. */
typedef struct subject {
    const posterior *posterior;
    const loader *test;          /* pairs (theta, x) that nothing else has touched */
    uint64_t seed;
    pool *pool;
    progress *watch;
} subject;

/* ---- interval.c ---------------------------------------------------------------------------------- */

/* Clopper & Pearson (1934) for K of N at CONFIDENCE. */
void binomial_interval(uint64_t k, uint64_t n, double confidence, double interval[2]);
typedef enum verdict { VERDICT_OK = 0, VERDICT_UNDER = 1, VERDICT_OVER = 2 } verdict;
/* under: upper end below nominal; over: lower end above it. */
verdict verdict_of(double nominal, const double interval[2]);
const char *verdict_word(verdict v);

/* ---- coverage.c ------------------------------------------------------------------------------------ */

enum { COVERAGE_CREDIBLE = 1u, COVERAGE_CONFIDENCE = 2u };       /* config's REGION_... */
typedef struct coverage_request {
    size_t n_levels;
    const double *levels;
    unsigned regions;
    uint64_t observables, repeats;       /* disjoint blocks of the test pairs */
    bool snap;
} coverage_request;
typedef struct coverage_cell {
    unsigned region;                     /* one of COVERAGE_... */
    double level, coverage;
    double sd_evaluation;                /* over repeats; NAN for one */
    double sd_training;                  /* over replicates; NAN for one */
    uint64_t covered, n;
    double interval[2];                  /* 99% */
    verdict verdict;
} coverage_cell;
typedef struct coverage_result {
    size_t n_cells;
    coverage_cell *cells;                /* regions outer, levels inner */
    double gain, gain_error;             /* mean of log p(theta*|x) - log p(theta*), its standard error */
    double information;                  /* mean of log r(x|theta*): what it would be if normalised */
    uint64_t n, missing;                 /* pairs; those whose effective size stayed too small */
    double seconds;
} coverage_result;
/* Amortised: blocks of observations in parallel, each on a grid (dim <= 3) or a cloud.  A pair
 * without enough effective size counts in `missing` and not in n. */
int coverage_of(const subject *s, const coverage_request *r, coverage_result *out);
void coverage_release(coverage_result *c);

/* ---- area.c ------------------------------------------------------------------------------------------ */

/* Integral of p(theta) r(x|theta) over the target for OBSERVABLES test rows: 1 for a right ratio. */
typedef struct area_result {
    uint64_t n, missing;
    double *area;                        /* [n], sorted */
    double mean, deviation, median;
    double central99[2];
} area_result;
int area_of(const subject *s, uint64_t observables, area_result *out);
void area_release(area_result *a);
/* Area of row ROW of O, and the fraction of test areas below it. */
int area_of_observation(const subject *s, const area_result *test, const observed *o, size_t row,
                        double *area, double *rank);

/* ---- predictive.c -------------------------------------------------------------------------------------- */

/* Is an observation like the simulations?  Statistic: Euclidean distance of the standardised x to
 * the nearest of the training rows (at most 200,000); rank: fraction of OBSERVABLES test rows
 * whose own distance is smaller.  Near 1: unlike anything the network has seen. */
typedef struct predictive_result {
    uint64_t n, n_train;
    double *distance;                    /* [n] of the test rows, sorted */
    size_t n_observed;
    double *observed_distance, *rank;    /* [n_observed] */
} predictive_result;
int predictive_of(const subject *s, const loader *train, const scaling *scaling,
                  uint64_t observables, size_t n_observed, const float *x,
                  predictive_result *out);
void predictive_release(predictive_result *p);

/* ---- results as JSON: diagnostics/NAME.json ------------------------------------------------------------ */

json_t *coverage_json(const coverage_result *c);
json_t *area_json(const area_result *a);
json_t *predictive_json(const predictive_result *p);

#endif

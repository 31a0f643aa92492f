/* Posteriors whose moments are known, as ratios with gradients, and what a sampler must make of
 * them. */
#ifndef TARGETS_H
#define TARGETS_H

#include "infer/infer.h"

enum { LAW_MOST = 6 };

/* A prior, a log ratio of closed form, and the exact moments of their product. */
typedef struct law law;
struct law {
    const char *name;
    uint32_t dim, n_x;
    marginal prior[LAW_MOST];
    /* At theta [dim] for the row x [n_x]; gradient [dim] by theta, or NULL. */
    double (*log_ratio)(const law *l, const double *theta, const float *x,
                        double *gradient);
    double number[4]; /* of the shape, as LOG_RATIO reads them */
    double mean[LAW_MOST], covariance[LAW_MOST][LAW_MOST];
    double third[LAW_MOST]; /* central moments of third order; NAN: not known here */
};

/* Five parameters with deviations from 0.1 to 2, every correlation 0.8; normal prior. */
law law_gaussian(void);
/* theta_1 = theta_0^2 - 1 +- 0.5, theta_0 a standard normal. */
law law_banana(void);
/* Two parameters, modes of deviation 1 and mass 0.3 and 0.7, DISTANCE apart. */
law law_bimodal(double distance);
/* Three parameters in [-1, 1]: a Gaussian beyond the upper bound, one inside, one beyond the lower. */
law law_truncated(void);
/* One parameter, the logarithm of a gamma variable of shape 0.5: a long tail to the left. */
law law_skewed(void);
/* theta ~ N(0, 1)^3, x = theta + noise of deviation 0.5, correlation 0.6: its moments depend on x,
 * so they are NAN here. */
law law_conjugate(void);
void conjugate_pair(rng *r, double *theta, float *x);

/* A sampler plugin before a law.  OPTIONS: "name=value" each, NULL at the end; NULL: none. */
typedef struct trial {
    law law;
    prior prior;
    target target;
    ratio *ratio;
    ratio_worker *worker;
    observed *observed;
    posterior posterior;
    arena *arena;
    plugin plugin;
    nre_values *values;
    instance *instance;
} trial;
void trial_open(trial *t, const law *l, const nre_plugin *sampler,
                const char *const *options);
void trial_observe(trial *t, size_t n, const float *x);
void trial_close(trial *t);

typedef struct effort {
    size_t n_chains, warmup, draws;
    uint64_t seed;
} effort;
/* Of row ROW, through chains_of. */
int trial_sample(const trial *t, size_t row, const effort *e, chains *out);
int trial_sample_in(const trial *t, pool *threads, size_t row, const effort *e,
                    chains *out);

/* The largest |z| among means, variances, covariances and third moments of the draws, each by its
 * own effective size (of weighted draws by their weights).  WORST says which, with figures. */
typedef struct verdict {
    double z;
    char worst[160];
} verdict;
verdict moments_of(const chains *c, const law *l);

/* Asserts |z| < 4.5 for every moment, R-hat < 1.02 and an effective size of 400 at least. */
void recovers(const nre_plugin *sampler, const char *const *options, const law *l,
              const effort *e);

/* Asserts that on law_skewed the fractions of draws below its exact deciles are right, each within 4.5
 * standard errors at its own effective size. */
void deciles_agree(const nre_plugin *sampler, const char *const *options,
                   const effort *e);

/* Asserts that ROWS rows of law_conjugate sampled together have the draws, to the last bit, and the
 * counters of each alone: nothing is learned from another observation, nor from how many steps a
 * call asks for. */
void rows_stay_apart(const nre_plugin *sampler, const char *const *options, size_t n_rows,
                     const effort *e);

/* Simulation-based calibration (Talts et al. 2018) on law_conjugate: theta from the prior, x of it,
 * chains; rank of the true theta among 19 draws far apart, for each parameter and for the log
 * posterior (Modrak et al. 2023).  The smallest p-value of chi-squared, mean and spread of the 20
 * ranks. */
double calibration_of(const nre_plugin *sampler, const char *const *options,
                      size_t repeats, const effort *e);
/* Asserts that it is above the two-sided p-value of 4.5 deviations, shared by the twelve. */
void calibrated(const nre_plugin *sampler, const char *const *options, const effort *e);

#endif

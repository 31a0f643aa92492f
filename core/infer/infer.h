/* infer/infer.h - from a ratio to a posterior: grid, importance samples, estimates, regions,
 * chains.
 *
 * theta here is always the target's parameters, [..][dim], in target order and natural units.
 * "A row" is one observation x. */
#ifndef NEREID_INFER_H
#define NEREID_INFER_H

#include "data/data.h"
#include "nn/nn.h"

/* ---- ratio.c, ratio_network.c, ratio_exact.c, ratio_prior.c ------------------------------------ */

/* log r(x | theta) = log p(x | theta) / p(x), amortised over x.  Const, any number of threads, each
 * with a worker of its own. */
typedef struct ratio ratio;
/* Mean of the members' log ratios.  Borrows models and scaling. */
int ratio_of_networks(const target *t, size_t n_members, model *const *members,
                      scaling *const *scalings, ratio **out);
/* The simulator's own likelihood (and log_evidence; without it the ratio is known up to a function
 * of x).  The target must be all parameters. */
int ratio_exact(const simulator *s, const target *t, ratio **out);
int ratio_prior(const target *t, size_t n_x, ratio **out);     /* r = 1: the floor of any table */
void ratio_free(ratio *r);
const target *ratio_target(const ratio *r);
size_t ratio_n_x(const ratio *r);
bool ratio_is_normalised(const ratio *r);
bool ratio_has_gradient(const ratio *r);

typedef struct ratio_worker ratio_worker;    /* scratch of one thread */
int ratio_worker_new(const ratio *r, ratio_worker **out);
void ratio_worker_free(ratio_worker *w);

/* What depends on x alone, for n rows. */
typedef struct observed observed;
int observed_new(const ratio *r, observed **out);
void observed_free(observed *o);
/* x [n][n_x] raw.  Replaces what O held. */
int ratio_observe(const ratio *r, ratio_worker *w, size_t n, const float *x, observed *o);
/* log_ratio [n][per_x] of theta [n][per_x][dim] for rows FIRST .. FIRST + N - 1 of O; gradient
 * [n][per_x][dim] by theta, or NULL.  NRE_ENUMERIC when a value is NaN. */
int ratio_evaluate(const ratio *r, ratio_worker *w, const observed *o, size_t first, size_t n,
                   size_t per_x, const double *theta, double *log_ratio, double *gradient);

/* ---- posterior.c: log prior + log P(valid) + log ratio ------------------------------------------- */

typedef struct posterior {
    const ratio *ratio;
    const validity_model *validity;      /* or NULL */
} posterior;
/* log prior (with log P(valid | theta)) of n points; -INFINITY outside; gradient or NULL. */
int posterior_log_prior(const posterior *p, size_t n, const double *theta, double *log_prior,
                        double *gradient);

/* ---- grid.c: up to three parameters ------------------------------------------------------------------ */

/* Cells equidistant in prior mass: cell i of a parameter is its prior quantiles (i / m, (i + 1) / m),
 * its point the quantile of the middle.  Hence the prior weight of every cell is the same and the
 * weight of a cell is its r alone.  M is doubled until exp(entropy of the weights) exceeds 30. */
enum { GRID_MIN_CELLS = 30 };
typedef struct grid {
    uint32_t dim;
    size_t m, n;                 /* cells a parameter; m^dim in all, last parameter fastest */
    double *axis;                /* [dim][m] points */
    double *edge;                /* [dim][m + 1] quantiles; ends are the support's */
    double *log_ratio;           /* [n] */
    double *weight;              /* [n] posterior mass, sums to 1 */
    double *log_density;         /* [n] of the posterior, at the points */
    double log_area;             /* log of the mean of r: log integral of p(theta) r */
    double cells;                /* exp(entropy) */
} grid;
/* Of row ROW of O (or of the sum over rows ROW .. ROW + N_ROWS - 1: i.i.d. observations). */
int grid_of(const posterior *p, ratio_worker *w, const observed *o, size_t row, size_t n_rows,
            grid *out);
void grid_release(grid *g);
/* HPD rank of a point: the posterior mass of denser cells plus V times the mass of its own, V
 * uniform in (0, 1).  theta lies in the credible region of level L when the rank is below L.
 * SNAP: the paper's rule, density at the nearest grid point and all of its mass. */
double grid_rank(const grid *g, const double *theta, double v, bool snap);
double grid_log_density(const grid *g, const double *theta);   /* of the point's cell */
int grid_save(const grid *g, const target *t, const char *path);       /* grid.h5 */

/* ---- importance.c: any number of parameters -------------------------------------------------------------- */

/* Adaptive mixture importance sampling (Cornuet et al. 2012): prior draws first, then rounds of
 * Student-t mixtures fitted in the unbounded space to the weighted draws, deterministic-mixture
 * weights over all of them.  The number of rounds depends on the effective size alone. */
typedef struct cloud {
    uint32_t dim;
    size_t n;
    double *theta;               /* [n][dim] */
    double *log_ratio;           /* [n] */
    double *log_density;         /* [n] of the posterior up to a constant: log prior + log r */
    double *weight;              /* [n], sums to 1 */
    double log_area;             /* log of the integral of p(theta) r */
    double effective;            /* 1 / sum of squared weights */
} cloud;
enum { CLOUD_MIN_EFFECTIVE = 100 };      /* below it a result is missing, not believed */
typedef struct cloud_plan {
    size_t n_prior, n_round, max_rounds;     /* 0: defaults */
    double enough;                           /* effective size to stop at; 0: default */
} cloud_plan;
int cloud_of(const posterior *p, ratio_worker *w, const observed *o, size_t row, size_t n_rows,
             const cloud_plan *plan, rng *r, cloud *out);
void cloud_release(cloud *c);
/* HPD rank of theta whose log_density (same constant) is given: the weight of denser draws. */
double cloud_rank(const cloud *c, double log_density);

/* ---- estimate.c: maxima and summaries -------------------------------------------------------------------- */

typedef enum maximum_kind { MAXIMUM_RATIO = 1, MAXIMUM_POSTERIOR = 2 } maximum_kind;
/* Ascend from START [n_start][dim] inside the support (in the unbounded space, gradient by
 * backpropagation), all starts in one call a step; the best point and its value of log r or of
 * log prior + log r (density by theta, not by the unbounded z).  Never below its best start. */
int maximum_of(const posterior *p, ratio_worker *w, const observed *o, size_t row, size_t n_rows,
               maximum_kind kind, size_t n_start, const double *start, double *theta,
               double *value);

/* Of one parameter, from weighted points. */
typedef struct summary {
    double mean, deviation;
    double quantile[5];          /* 0.025 0.16 0.5 0.84 0.975 */
    double hdi68[2], hdi95[2];   /* shortest interval of that mass */
    double mcse_mean;            /* Monte-Carlo error of the mean; NAN for a grid */
} summary;
int summary_of(size_t n, const double *value, const double *weight /* NULL: equal */,
               summary *out);
/* Marginal of parameter K of a grid: value [m], weight [m], with summaries interpolated within
 * cells (mass uniform inside a cell). */
int summary_of_grid(const grid *g, uint32_t k, summary *out);

/* Wilks: theta lies in the confidence set of level L when
 * -2 (log r(theta) - max log r) <= chi-squared quantile (dim degrees of freedom). */
double wilks_threshold(double level, uint32_t dim);

/* ---- chains.c: drive a sampler ---------------------------------------------------------------------------- */

typedef struct chains_plan {
    size_t n_chains, warmup, draws;      /* draws a chain after warm-up */
    uint64_t seed;
    const char *purpose;                 /* "chain/all/0": of the streams */
    const host_services *services;
    progress *watch;
} chains_plan;
typedef struct chains {
    uint32_t dim;
    size_t n_chains, n_draws;            /* of each chain; a weighted sampler may give fewer */
    double *theta;                       /* [n_chains][n_draws][dim] */
    double *log_posterior;               /* [n_chains][n_draws] */
    double *weight;                      /* [n_chains][n_draws], NULL: equal */
    double *r_hat, *ess_bulk, *ess_tail; /* [dim]; NAN for weighted samples */
    double acceptance;
    uint64_t evaluations, divergent;
    double effective;                    /* of weighted samples: 1 / sum w^2; else min ess_bulk */
} chains;
/* Sample row ROW (sum over N_ROWS rows) by a sampler plugin: start points resampled from prior
 * draws by their ratio, warm-up, draws, in blocks, all chains in one log-density call.  The
 * sampler works in the unbounded space of the prior's bijections; theta comes back natural. */
int chains_of(const instance *sampler, const posterior *p, const observed *o, size_t row,
              size_t n_rows, const chains_plan *plan, chains *out);
void chains_release(chains *c);
/* ArviZ layout, netCDF-4: groups posterior (chain, draw), sample_stats (lp), observed_data (x). */
int chains_save(const chains *c, const simulator *s, const target *t, size_t n_rows,
                const float *x, const char *path);

/* ---- convergence.c: rank-normalised split R-hat, bulk and tail ESS (Vehtari et al. 2021) ------------------ */

/* value [n_chains][n_draws]; NAN when constant or not finite. */
double rhat_of(size_t n_chains, size_t n_draws, const double *value);
double ess_bulk_of(size_t n_chains, size_t n_draws, const double *value);
double ess_tail_of(size_t n_chains, size_t n_draws, const double *value);
double ess_mean_of(size_t n_chains, size_t n_draws, const double *value);

#endif

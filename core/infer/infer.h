/* infer/infer.h - from a ratio to a posterior: grid, importance samples, estimates, regions,
 * chains.
 *
 * theta here is always the target's parameters, [..][dim], in target order and natural units.
 * "A row" is one observation x. */
#ifndef NEREID_INFER_H
#define NEREID_INFER_H

#include "data/data.h"
#include "nn/nn.h"

#include <pthread.h>

/* Memory of one owner that only grows; what it held is lost when it does. */
typedef struct room {
    void *at;
    size_t bytes;
} room;

/* ratio.c, ratio_network.c, ratio_mixture.c, ratio_exact.c, ratio_prior.c */

/* log r(x | theta) = log p(x | theta) / p(x), amortised over x.  Const, any number of threads, each
 * with a worker of its own. */
typedef struct ratio ratio;
/* Mean of the members' log ratios.  Borrows models and scaling. */
int ratio_of_networks(const target *t, size_t n_members, model *const *members,
                      scaling *const *scalings, ratio **out);
/* The mixture of the members' posteriors: log of the mean over members of r(X | theta) / Z, where
 * r(X | theta) is a member's product over a whole set X of rows and Z its integral over the prior
 * (with P(valid), if any).  Z comes from the member's grid, in more than three parameters from its
 * cloud, known to about 5%; a worker computes it once for each set.  An unknown function of x in a
 * member's ratio cancels, but log ratios of rows do not add: a row is a set of its own in
 * ratio_evaluate, and ratio_joint is for sets.  Normalised by construction.  Takes over the members
 * on success; borrows VALID. */
int ratio_of_mixture(size_t n_members, ratio *const *members, const validity_model *valid,
                     ratio **out);
/* The simulator's own likelihood (and log_evidence; without it the ratio is known up to a function
 * of x).  The target must be all parameters. */
int ratio_exact(const simulator *s, const target *t, ratio **out);
/* r = 1: the floor of any table */
int ratio_prior(const target *t, size_t n_x, ratio **out);
void ratio_free(ratio *r);
const target *ratio_target(const ratio *r);
size_t ratio_n_x(const ratio *r);
/* False: known up to a function of x.  Posteriors are right all the same, areas and mean log ratios
 * mean nothing. */
bool ratio_is_normalised(const ratio *r);
/* Of networks whose loss leaves a function of x open. */
void ratio_set_up_to_x(ratio *r);
bool ratio_has_gradient(const ratio *r);

typedef struct ratio_worker ratio_worker; /* scratch of one thread */
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
int ratio_evaluate(const ratio *r, ratio_worker *w, const observed *o, size_t first,
                   size_t n, size_t per_x, const double *theta, double *log_ratio,
                   double *gradient);

/* Pair by pair, in any order: log_ratio [n] of theta [n][dim], point i for row row[i] of O; gradient
 * [n][dim] or NULL.  Cheapest where row is first, ... first, first + 1, ... first + 1, ... with each as often:
 * that is ratio_evaluate. */
int ratio_evaluate_pairs(const ratio *r, ratio_worker *w, const observed *o, size_t n,
                         const size_t *row, const double *theta, double *log_ratio,
                         double *gradient);

/* truncation.c: a prior cut to where an observation leaves it (TMNRE: Miller et al. 2021) */

/* A chain of regions, one a round of simulations.  A theta lies in a region when for each of its
 * targets log r(x | theta) of at least one network exceeds that network's own maximum over what was left of
 * the prior by more than log epsilon; x is the observation.  Their intersection is what is left.
 * Targets share no parameter, so that what is left of each one's prior has a mass of its own.
 * Const for any number of threads while no region is added. */
typedef struct truncation truncation;
int truncation_new(const prior *p, truncation **out);
void truncation_free(truncation *t);

typedef struct cut_part { /* of a target */
    const target *target; /* outlives the truncation */
    size_t n_members;
    ratio *const *members; /* the ratio of each network; TARGET is theirs */
} cut_part;
typedef struct cut_request {
    size_t n_parts; /* the same targets in each region */
    const cut_part *parts;
    size_t n_rows; /* of x; several are one observation */
    const float *x;
    double epsilon;
    bool box; /* the bounding box of the region, a target's parameters each by itself */
    uint64_t seed;
    const char *purpose; /* "region/1": of the streams */
    pool *workers;
} cut_request;
/* What was measured when a region was added, on draws of what was left before. */
typedef struct cut_facts {
    uint64_t drawn, kept;
    double fraction, error; /* kept / drawn and its binomial deviation */
} cut_facts;
/* Add a region; takes over the ratios, also on failure, borrows the networks behind them.  Draws until 4,000
 * are kept, at most 2^20.  The same for any number of threads.  [main] */
int truncation_cut(truncation *t, const cut_request *r);
/* The last region to a file, and back from it as the next: nothing is drawn, the request's networks and
 * observation (X NULL: the file's) must be those it was made of (NRE_EDATA).  [main] */
int truncation_save(const truncation *t, const char *path);
int truncation_load(truncation *t, const cut_request *r, const char *path);
void truncation_pop(truncation *t); /* the last region leaves the chain */
/* Independent draws of what is left, [n][n_theta], as its last region was measured: quicker than new
 * ones, and the same for all who ask.  NULL without a region. */
const double *truncation_draws(const truncation *t, size_t *n);

size_t truncation_n(const truncation *t); /* regions */
const cut_facts *truncation_facts(const truncation *t, size_t region);
/* Prior mass that is left after the first REGIONS of the chain, with a deviation; of a target alone or
 * (NULL) of all. */
double truncation_volume(const truncation *t, size_t regions, const target *of,
                         double *error);
bool truncation_is_of(const truncation *t, size_t n_rows, const float *x);
/* INSIDE [n] of theta [n][n_theta]; of theta [n][of->n], the parameters of a target. */
int truncation_contains(const truncation *t, size_t n, const double *theta, bool *inside);
int truncation_contains_target(const truncation *t, const target *of, size_t n,
                               const double *theta, bool *inside);
/* For draws: lives as long as T stays as it is. */
const proposals *truncation_proposals(const truncation *t);
/* For target.centre and .deviation, [of->n]: borrowed.  NULL without a region. */
void truncation_moments(const truncation *t, const target *of, const double **centre,
                        const double **deviation);

/* ratio_truncated.c: INNER, and r = 0 outside what T leaves of the target's prior: with
 * posterior.truncation all that reads a posterior respects it.  Takes over INNER on success; borrows T. */
int ratio_truncated(ratio *inner, const truncation *t, ratio **out);

/* calibration.c, ratio_calibrated.c: what a classifier's output says (Cranmer, Pavez & Louppe 2015,
 * arXiv:1506.02169) */

/* A ratio's output s at joint pairs (theta_i, x_i) and at marginal ones, x_i with the theta of
 * another row: theta_j, j = (i + classified_shift(c, k)) mod n. */
typedef struct classified {
    size_t n, n_marginals, dim;
    double *theta;    /* [n][dim] */
    double *joint;    /* [n] */
    double *marginal; /* [n][n_marginals] */
} classified;
/* Of the first N rows of L (at most all; at least 2); MARGINALS 0: as many as are worth their time.
 * [main] */
int classified_of(const ratio *r, const loader *l, pool *p, uint64_t n, size_t marginals,
                  classified *out);
size_t classified_shift(const classified *c, size_t k);
void classified_release(classified *c);

typedef enum calibration_kind {
    CALIBRATION_HISTOGRAM =
        0, /* log ratio of the masses of a bin of s, joint against marginal */
    CALIBRATION_ISOTONIC =
        1, /* never falls with s: pool adjacent violators (Barlow et al. 1972) */
    CALIBRATION_PLATT = 2 /* intercept + slope s: logistic regression (Platt 1999) */
} calibration_kind;
extern const char *const CALIBRATION_NAMES[]; /* "histogram", ... */

/* A map g from s to a log ratio, so that exp g(s) is the density of s among joint pairs over that
 * among marginal ones: of all pairs; or LOCAL, one for each of some places in theta, of the pairs near
 * it, g(theta, s) being their mean by weights that fall smoothly with the distance.  Const, any
 * number of threads. */
typedef struct calibration calibration;
/* Fewest joint pairs that a map is made of. */
enum { CALIBRATION_LEAST = 100, CALIBRATION_LEAST_LOCAL = 500 };
/* NRE_ECONFIG with fewer pairs than that, NRE_ENUMERIC for an output that is not finite. */
int calibration_fit(calibration_kind kind, bool local, const target *t,
                    const classified *pairs, calibration **out);
void calibration_free(calibration *c);
/* N outputs at theta [n][dim] become log ratios, and their gradient [n][dim] (or NULL) that of these;
 * 0 where the map is constant in steps. */
int calibration_apply(const calibration *c, const target *t, size_t n,
                      const double *theta, double *log_ratio, double *gradient);
bool calibration_has_gradient(const calibration *c);
/* To and from JSON, bit by bit; NRE_EDATA for what calibration_json does not write for T. */
json_t *calibration_json(const calibration *c);
int calibration_read(const json_t *j, const target *t, calibration **out);
/* OF with calibrated rows, whose log ratios are added as ever.  Borrows both.  Of steps it has no
 * gradient.  NRE_ENOTSUP for a ratio that is known up to a function of x, and for a mixture: outputs for
 * different x say nothing beside each other there, or rows do not add. */
int ratio_calibrated(const ratio *of, const calibration *c, ratio **out);

/* posterior.c: log prior + log P(valid) + log ratio */

typedef struct posterior {
    const ratio *ratio;
    const validity_model *validity; /* or NULL */
    const target
        *target; /* of the prior that is meant; NULL: the ratio's own, as in training */
    /* What is left of the prior; NULL: all.  The ratio must be ratio_truncated of the same. */
    const truncation *truncation;
} posterior;
const target *posterior_target(const posterior *p);
/* Whether its grid is to be believed: up to three parameters, one where a prior is truncated, whose hard
 * edges hide parts of it from cells. */
bool posterior_has_grid(const posterior *p);
/* N points of the prior that is meant, or of what is left of it, from one stream. */
int posterior_sample(const posterior *p, rng *r, size_t n, double *theta);
/* log of the prior's mass that is left, 0 where all is. */
double posterior_log_volume(const posterior *p);
/* log prior (with log P(valid | theta), and of unit mass in what is left of the prior) of n points;
 * -INFINITY outside; gradient or NULL. */
int posterior_log_prior(const posterior *p, size_t n, const double *theta,
                        double *log_prior, double *gradient);

/* grid.c: up to three parameters */

/* Cells equidistant in prior mass: cell i of a parameter is its prior quantiles (i / m, (i + 1) / m)
 * of a box, at first the support; its point the quantile of the middle.  Hence the prior weight of every cell is the same and the
 * weight of a cell is the mean of r over it: r at its point, corrected by second differences
 * ((r[i-1] + 22 r[i] + r[i+1]) / 24 along each axis, exact for cubics), without which a cell as
 * wide as a deviation makes regions too small.  M is doubled until exp(entropy of the weights)
 * exceeds 30 and neighbours along every axis differ little (RMS of half the difference across a
 * cell and its neighbours below 0.87 nats: a Gaussian ridge narrower than its cells fails this),
 * and the open-ended cells of infinite supports hold little mass where r still varies, or n would
 * exceed 2^18: `cells` and `resolved` say what was reached.  Then the densest cells are looked into for
 * peaks that no point has met: within a wide posterior such of a sixth of a cell (a deviation) are found,
 * of a twelfth not surely.  Where at most half of the cells along
 * an axis can hold mass (all others lie below the maximum by more than 15 nats, with their
 * differences to neighbours added) the grid is laid anew over the box of those, and cells inside it that
 * cannot are not evaluated again.  A custom joint prior has no quantiles: cells are then equidistant
 * in the parameter, whose bounds must be finite (else NRE_ENOTSUP), and the prior enters the
 * weights. */
enum { GRID_MOST_DIM = 3, GRID_MIN_CELLS = 30 };
/* Zeroed before its first use; grid_of takes over the memory of an earlier one. */
typedef struct grid {
    uint32_t dim;
    size_t m, n;         /* cells a parameter; m^dim in all, last parameter fastest */
    double *axis;        /* [dim][m] points */
    double *edge;        /* [dim][m + 1] quantiles; ends are the box's */
    double *log_ratio;   /* [n] */
    double *weight;      /* [n] posterior mass, sums to 1 */
    double *log_density; /* [n] of the posterior, at the points */
    double log_area;     /* log of the mean of r: log integral of p(theta) r */
    double log_norm;     /* log integral of r by posterior_log_prior */
    double beyond;       /* mass of cells whose points lie beyond a hard edge */
    double cells;        /* exp(entropy) */
    bool resolved;       /* false: n reached its limit first */
    bool nowhere;        /* why grid_of gave NRE_ENUMERIC: zero at all points */
    double box[3][2]; /* prior mass below the ends of each axis; 0 and 1: the support's */
    const target *target; /* borrowed */
    room memory;
} grid;
/* Of row ROW of O (or of the sum over rows ROW .. ROW + N_ROWS - 1: i.i.d. observations). */
int grid_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
            size_t n_rows, grid *out);
/* The same with more cells: exp(entropy) exceeds LEAST, where n may grow so far. */
int grid_of_cells(const posterior *p, ratio_worker *w, const observed *o, size_t row,
                  size_t n_rows, double least, grid *out);
/* The same for who goes on with draws: NRE_ENOTSUP where posterior_has_grid says no, or all points miss
 * the posterior, which draws may hit. */
int grid_try(const posterior *p, ratio_worker *w, const observed *o, size_t row,
             size_t n_rows, double least, grid *out);
void grid_release(grid *g);

/* grid_use.c: what theta is ranked by on a grid: the value at the point of its cell, unless its OWN (NAN: not
 * known) is higher by more than 3 nats: then a hard edge runs through the cell, whose point lies beyond it. */
double grid_standing(double of_cell, double own);
/* HPD rank of a point whose DENSITY is log prior + log r as posterior_log_prior has it: the posterior
 * mass of denser cells plus V times the mass of its own (and of cells exactly as dense: a flat posterior
 * has a uniform rank), V uniform in (0, 1), of all mass but that beyond hard edges, which is as dense as
 * that before them; 1 outside the box and where the density is zero.  theta lies in the credible region of level L when the rank is below L.
 * SNAP: the paper's rule, density at the nearest grid point, whose cell belongs to the region as a
 * whole: the mass of denser cells alone. */
double grid_rank(const grid *g, const double *theta, double density, double v, bool snap);
/* At theta itself: the prior's density exactly, log r by parabolas through its cell and the two
 * neighbours along each axis; -INFINITY outside the support. */
double grid_log_density(const grid *g, const double *theta);
int grid_save(const grid *g, const target *t, const char *path); /* grid.h5 */

/* importance.c: any number of parameters */

/* Adaptive mixture importance sampling (Cornuet et al. 2012).  Prior draws first: they are the
 * cloud when their effective size is enough.  Else rounds of Student-t mixtures are fitted in the
 * unbounded space to all weighted draws so far (deterministic-mixture weights; while few draws
 * carry all the weight the fit uses w^beta, beta < 1 chosen for enough of them) until one serves;
 * weights of those draws are biased, since the fits went after them, so they are left out.  The
 * cloud is drawn afresh from the last mixture and, for bounded weights, a tenth from the prior:
 * in rounds until its effective size is enough.  The number of rounds depends on effective sizes
 * alone.  Where the density is zero at all draws from the prior there is no cloud: NOWHERE, without
 * points.  Zeroed before its first use; memory is taken over. */
typedef struct cloud {
    uint32_t dim;
    bool nowhere; /* n, effective 0, log_area -INFINITY; more draws may find it */
    size_t n;
    double *theta;       /* [n][dim] */
    double *log_ratio;   /* [n] */
    double *log_density; /* [n] of the posterior up to a constant: log prior + log r */
    double *weight;      /* [n], sums to 1 */
    double log_area;     /* log of the integral of p(theta) r */
    double effective;    /* 1 / sum of squared weights */
    double
        weight_of_truth; /* of plan.truth were it one more draw; without: 1 / effective */
    size_t evaluations;  /* draws in all, also those left out */
    double v;            /* uniform, for ranks */
    room memory;
} cloud;
enum { CLOUD_MIN_EFFECTIVE = 100 }; /* below it a result is missing, not believed */
typedef struct cloud_plan {
    size_t n_prior, n_round, max_rounds; /* 0: defaults; rounds of both stages */
    double enough;                       /* effective size to stop at; 0: default */
    const double *truth;                 /* [dim] to be weighed with the draws, or NULL */
} cloud_plan;                            /* defaults: 500, 300, 14; 200 */
/* NRE_ENUMERIC when a log ratio is NaN or +INFINITY. */
int cloud_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
             size_t n_rows, const cloud_plan *plan, rng *r, cloud *out);
/* For those who cannot do without: NRE_ENUMERIC, and says so, where a cloud is nowhere. */
int cloud_somewhere(const cloud *c, size_t row);
void cloud_release(cloud *c);
/* HPD rank of theta whose log_density (same constant: posterior_log_prior + log ratio) is given: theta
 * joins the draws with WEIGHT, which all together are a discrete posterior, and stands at a uniform
 * place within its own share of it.  Given the draws and the truth in no order, the truth is each of
 * them with a probability in proportion to its weight, posterior / density it was drawn from: with
 * weight_of_truth the rank of a truth is uniform in (0, 1) for any number of draws.  Few draws make it
 * blunt, not wrong.  For theta that is not among the draws by right: 1 / effective. */
double cloud_rank(const cloud *c, double log_density, double weight);

/* estimate.c: maxima and summaries */

typedef enum maximum_kind { MAXIMUM_RATIO = 1, MAXIMUM_POSTERIOR = 2 } maximum_kind;
/* Ascend from START [n_start][dim] inside the support (in the unbounded space, gradient by
 * backpropagation), all starts in one call a step; the best point and its value of log r or of
 * log prior + log r (density by theta, not by the unbounded z).  Never below its best start. */
int maximum_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
               size_t n_rows, maximum_kind kind, size_t n_start, const double *start,
               double *theta, double *value);

/* The same for N rows of O at once, each by itself: start [n][n_start][dim], theta [n][dim], value
 * [n].  One call of the network a step for all of them. */
int maxima_of(const posterior *p, ratio_worker *w, const observed *o, size_t first,
              size_t n, maximum_kind kind, size_t n_start, const double *start,
              double *theta, double *value);

/* curvature.c: errors of maxima */

/* Covariance of the Gaussian that has the curvature of a maximum: the inverse of minus the Hessian
 * of log r (then r as a likelihood) or of log prior + log r, as secants of the gradient at half a
 * posterior deviation to either side along each parameter (nearer to an end of the prior: half the
 * way there), symmetrised.  At the scale of the error itself, not at that of a network's ripples. */
typedef struct curvature_request {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows,
        n; /* N posteriors, rows ROW on; or one, of the sum over N_ROWS rows */
    maximum_kind kind;
    const double *theta;     /* [n][dim] the maxima */
    const double *deviation; /* [n][dim] of the posterior */
} curvature_request;
/* covariance [n][dim][dim]; reason [n]: NULL, or why there is none, as a sentence, and the matrix is
 * NAN. */
int curvature_of(const curvature_request *r, double *covariance, const char **reason);

/* Of one parameter, from weighted points. */
typedef struct summary {
    double mean, deviation;
    double quantile[5];        /* 0.025 0.16 0.5 0.84 0.975 */
    double hdi68[2], hdi95[2]; /* shortest interval of that mass */
    double mcse_mean;          /* Monte-Carlo error of the mean; NAN for a grid */
} summary;
int summary_of(size_t n, const double *value, const double *weight /* NULL: equal */,
               summary *out);
/* Marginal of parameter K of a grid: value [m], weight [m], with summaries interpolated within
 * cells (mass uniform inside a cell). */
int summary_of_grid(const grid *g, uint32_t k, summary *out);

/* Wilks: theta lies in the confidence set of level L when
 * -2 (log r(theta) - max log r) <= chi-squared quantile (dim degrees of freedom). */
double wilks_threshold(double level, uint32_t dim);

/* region.c: sets of theta that an observation leaves */

typedef struct neyman neyman; /* neyman.c */

/* Where a theta stands among all, given an observation: what joint regions are decided by. */
typedef struct standing {
    double rank; /* HPD rank, as grid_rank and cloud_rank have it */
    double
        deviance; /* -2 (log r(x | theta) - max log r(x | .)); INFINITY outside the support */
} standing;

typedef enum region_kind {
    REGION_HPD = 1, /* joint, of highest posterior density, of mass level + bias */
    REGION_WILKS =
        2, /* deviance up to the chi-squared quantile, as many degrees of freedom as
                             the target has parameters */
    REGION_BY_NEYMAN = 3, /* deviance up to a critical value that depends on theta */
    /* of one parameter, any value of the others: */
    REGION_HDI = 4,   /* of highest density of its marginal, by the parameter itself */
    REGION_LOWER = 5, /* above its marginal's quantile 1 - level */
    REGION_UPPER = 6, /* below its quantile level */
    REGION_PROFILE =
        7 /* deviance at its best over the other parameters up to the chi-squared
                          quantile, one degree of freedom */
} region_kind;
typedef struct region_rule {
    region_kind kind;
    double level;         /* in (0, 1) */
    double bias;          /* of HPD; level + bias < 1 */
    uint32_t parameter;   /* of the target */
    const neyman *neyman; /* one that was fitted at this level */
} region_rule;
/* Whether points theta [n][dim] with these standings lie in a joint region: inside [n]. */
int region_decides(const region_rule *rule, uint32_t dim, size_t n, const double *theta,
                   const standing *at, uint8_t *inside);

/* Points of the posterior to climb to the maximum of log r from, the best peaks of a grid or draws of
 * a cloud (the other is NULL): start [REGION_STARTS][dim]; how many there are. */
enum { REGION_STARTS = 3 };
size_t region_starts(const grid *g, const cloud *c, double *start);

/* Disjoint closed intervals, ascending; an end is infinite where the support is and all of it
 * belongs. */
typedef struct spans {
    size_t n;
    double (*at)[2];
} spans;
void spans_release(spans *s);

/* Cells of a grid that shows borders: about an eighth of a deviation wide, in each of 1, 2, 3
 * parameters. */
double region_cells(uint32_t dim);

/* One observation: row ROW of OBSERVED (or the sum over rows ROW .. ROW + N_ROWS - 1), with its grid
 * or, where there is none, its cloud; all borrowed.  Zero what is below `snap`.  One thread at a
 * time: curves that several regions need are computed once. */
typedef struct region_view {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    const grid *grid;
    const cloud *cloud; /* or weighted samples: cloud_of_draws */
    double v;  /* uniform in (0, 1): which part of a grid's cell at the border belongs */
    bool snap; /* as in grid_rank */
    double highest;                          /* max log r, set by region_view_open */
    double *best;                            /* [dim] where */
    struct region_curve *marginal, *profile; /* [dim] */
} region_view;
/* Finds the maximum of log r. */
int region_view_open(region_view *v);
void region_view_release(region_view *v);
/* Of theta [n][dim]: out [n]. */
int standings_of(const region_view *v, size_t n, const double *theta, standing *out);

typedef struct region {
    region_rule rule;
    region_view *view;
    double border; /* HPD: densities above it belong, and equal to it when closed */
    bool closed;
    spans spans; /* of kinds of one parameter */
} region;
/* HPD needs the view's grid or cloud, the kinds of one parameter its grid, except that HDI and limits
 * are read off a cloud too (the HDI then is the shortest interval): else NRE_ENOTSUP.  Borrows V. */
int region_of(region_view *v, const region_rule *rule, region *out);
void region_release(region *r);
/* Is this theta in it?  theta [n][dim], inside [n]. */
int region_contains(const region *r, size_t n, const double *theta, uint8_t *inside);
/* The prior's mass of a joint region: of the cells whose points lie in it, or the estimate of a
 * cloud. */
int region_volume(const region *r, double *volume);
/* Values of parameter K that points of a joint region have; of a Neyman set those whose profile's best
 * point lies in it; of HPD as wide as cells are.  Of a cloud: from its lowest draw inside
 * to its highest, so rather too short. */
int region_projection(const region *r, uint32_t k, spans *out);
/* N draws with their log posterior densities (up to a constant) as a cloud for ranks; weight NULL:
 * equal.  EFFECTIVE: how many independent draws they are worth; V as in cloud.  log_ratio is NAN. */
int cloud_of_draws(uint32_t dim, size_t n, const double *theta, const double *log_density,
                   const double *weight, double effective, double v, cloud *out);

/* neyman.c: the critical value of the deviance as a function of theta */

/* Neyman construction: theta belongs to the set of level L when the deviance of the observation at
 * theta is at most the L-quantile of deviances of simulations AT THAT theta.  The quantile of
 * sqrt(deviance) is regressed on theta: pinball loss (Koenker & Bassett 1978), a polynomial in the
 * prior mass below each parameter, its degree by 5-fold cross-validation for each level, and a
 * constant added so that of the pairs left out of each fit a fraction L is covered. */
typedef struct neyman_plan {
    const target *target;
    size_t n;               /* calibration pairs */
    const double *theta;    /* [n][dim] */
    const double *deviance; /* [n], of the true theta; may be INFINITY */
    size_t n_levels;
    const double *levels; /* in (0, 1) */
    pool *pool;           /* or NULL */
} neyman_plan;
enum { NEYMAN_PARAMETERS = 16 }; /* of a target, at most */
/* Pairs that a level needs at least: 10 on each side of the quantile. */
uint64_t neyman_least(double level);
/* NRE_ECONFIG with fewer pairs than that. */
int neyman_fit(const neyman_plan *plan, neyman **out);
void neyman_free(neyman *m);
/* value [n] of theta [n][dim]: never lower for a higher level.  NRE_EINVAL for a level that was not
 * fitted. */
int neyman_critical(const neyman *m, double level, size_t n, const double *theta,
                    double *value);
size_t neyman_pairs(const neyman *m);
/* Degree of the polynomial of a level; -1 when it was not fitted. */
int neyman_degree(const neyman *m, double level);
/* To and from JSON, bit by bit; T must be the target that it was fitted for (NRE_EDATA). */
json_t *neyman_json(const neyman *m);
int neyman_read(const json_t *j, const target *t, neyman **out);

/* limits.c: one-sided limits on a parameter of a target that has a grid */

/* Priors that a limit is given under, all within the support of the parameter's own: its own, flat
 * in the parameter, in its reciprocal, in its logarithm.  The posterior is reweighted by the ratio
 * of the two; the priors of the other parameters, and P(valid), stay. */
typedef enum limit_prior {
    LIMIT_OWN = 0,
    LIMIT_UNIFORM = 1,
    LIMIT_INVERSE = 2,
    LIMIT_LOG = 3,
    LIMIT_PRIORS = 4
} limit_prior;
extern const char *const LIMIT_PRIOR_NAMES[LIMIT_PRIORS]; /* "own", ... */
/* Why the parameter (index in P) cannot be given such a prior, as the end of a sentence; NULL: it
 * can. */
const char *limit_prior_problem(const prior *p, size_t parameter, limit_prior kind);

typedef struct limit_plan {
    uint32_t parameter; /* of the target */
    bool upper;
    double level;    /* in (0.5, 1) */
    unsigned priors; /* a bit each: 1 << LIMIT_OWN ... */
    double against;  /* inside the support; NAN: none */
} limit_plan;
typedef struct limits {
    struct {
        /* Lower (upper) end of the highest-density region of mass LEVEL of the one-dimensional
         * marginal, density by the parameter itself; NAN where the region reaches the end of the
         * support. */
        double hpd_edge;
        double quantile; /* 1 - level (level) */
    } under[LIMIT_PRIORS];
    /* Lowest (highest) value with -2 (log r - max log r) at most the threshold: the quantiles of
     * chi-squared with one degree of freedom at 2 level - 1 and at level (2.71 and 3.84 for 0.95),
     * log r at its best over the target's other parameters; NAN as above. */
    double threshold[2], wilks[2];
    double best;              /* where log r is largest */
    double log_ratio_against; /* max log r - max of log r at AGAINST; NAN */
} limits;
/* Of row ROW of O (or the sum over rows ROW .. ROW + N_ROWS - 1), whose grid is G.  In targets of
 * one parameter log r is evaluated anew at some thousand points, in others the marginal is that
 * of G, interpolated. */
int limits_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
              size_t n_rows, const grid *g, const limit_plan *wanted, limits *out);

/* chains.c: drive a sampler */

typedef struct chains_plan {
    size_t n_chains, warmup, draws; /* draws a chain after warm-up */
    uint64_t seed;
    /* Of the streams, "chain/all/0"; of many rows "chain/all", to which "/ROW" is added. */
    const char *purpose;
    const host_services *services;
    progress *watch;
} chains_plan;
typedef struct chains {
    uint32_t dim;
    size_t n_chains, n_draws; /* of each chain; a weighted sampler may give fewer */
    double *theta;            /* [n_chains][n_draws][dim] */
    double *log_posterior;    /* [n_chains][n_draws] */
    double *weight;           /* [n_chains][n_draws], NULL: equal */
    double *r_hat, *ess_bulk, *ess_tail; /* [dim]; NAN for weighted samples */
    double acceptance;
    uint64_t evaluations, divergent;
    double effective; /* of weighted samples: 1 / sum w^2; else min ess_bulk */
    double
        k_hat; /* of samplers with NRE_IMPORTANCE (pareto.c); NAN of others, and when unknown */
} chains;
/* Sample row ROW (sum over N_ROWS rows) by a sampler plugin: start points resampled from prior
 * draws by their ratio, warm-up, draws, in blocks, all chains in one log-density call.  The
 * sampler works in the unbounded space of the prior's bijections; theta comes back natural. */
int chains_of(const instance *sampler, const posterior *p, const observed *o, size_t row,
              size_t n_rows, const chains_plan *plan, chains *out);
/* Rows FIRST .. FIRST + N - 1 of O, each by itself, into OUT [n]: all of them together, each a group of
 * plan->n_chains chains in every log-density call; one after another where the sampler serves one
 * observation at a time.  Streams and starting points of a row are its own, by its number in O: its
 * draws are those of chains_of alone (purpose "PURPOSE/ROW"), to the last bit where the ratio of a
 * pair does not depend on the pairs beside it; of a network they are the same but for the last bits of
 * log ratios, which can turn a decision to accept once in some ten million.  Counters that the
 * sampler does not keep for each group are shared out.  Memory for the draws of all N at once:
 * chains_at_once() rows are enough to fill calls.  On failure all of OUT is released. */
int chains_of_rows(const instance *sampler, const posterior *p, const observed *o,
                   size_t first, size_t n, const chains_plan *plan, chains *out);
/* Rows of a target of DIM parameters that are worth sampling together, by sizes alone: no more than fill
 * the calls, and draws within some 256 MB. */
size_t chains_at_once(const chains_plan *plan, uint32_t dim);
void chains_release(chains *c);
/* ArviZ layout, netCDF-4: groups posterior (chain, draw), sample_stats (lp), observed_data (x). */
int chains_save(const chains *c, const simulator *s, const target *t, size_t n_rows,
                const float *x, const char *path);

/* abc.c: approximate Bayesian computation by rejection: no ratio, the simulations nearest to x */

/* In the order of config's abc_distance. */
typedef enum abc_measure {
    ABC_EUCLIDEAN = 0, /* of x as a network sees it */
    ABC_RATIOS = 1 /* variance over the values of x / observed (Hermans et al. 2020) */
} abc_measure;
enum { ABC_LEAST = 20 }; /* draws below which nothing is said */
typedef struct abc_request {
    const target *target;
    const loader *train;
    const scaling *scaling; /* of ABC_EUCLIDEAN */
    abc_measure measure;
    double keep; /* fraction of the rows of TRAIN */
    pool *workers;
    progress *watch;
} abc_request;
/* The thetas of the closest rows to x [n_x], equally weighted draws of one chain whose log
 * posterior, R-hat and effective sizes are NAN; the largest distance kept.  Same bits for any number of
 * threads.  NRE_ECONFIG when fewer than ABC_LEAST would be kept, NRE_EDATA when an observed 0 would be
 * divided by.  chains_release.  [main] */
int abc_of(const abc_request *q, const float *x, chains *out, double *tolerance);
size_t abc_kept(double keep, uint64_t n);
int abc_kept_check(double keep, uint64_t n); /* NRE_ECONFIG: fewer than ABC_LEAST */

/* narrow.c: parameters integrated out of a posterior */

/* Draws of parameters WHICH [n] of those of C, copied. */
int chains_narrow(const chains *c, uint32_t n, const uint32_t *which, chains *out);
/* The same of a grid: T are its parameters WHICH [t->n].  log_ratio is that of the marginal.  OUT as in
 * grid_of. */
int grid_narrow(const grid *g, const target *t, const uint32_t *which, grid *out);

/* growth.c: errors of log ratios add over rows */

/* How far the networks of an ensemble lie from their mean, where the posterior is, in nats (root mean
 * square over draws and networks; what does not depend on theta is left out, it moves nothing): of a
 * single row, and of the sum over all.  JOINT / ONE is sqrt(rows) where errors of rows are
 * independent, and the number of rows where they are the same.  SHIFT: what a network's error moves
 * the mean of the joint posterior by, in posterior deviations, to first order; of the parameter that
 * it moves most.  The mean over M networks errs less, but not by sqrt(M): what all of them learned from the
 * same simulations they share, and it is not seen. */
typedef struct growth {
    double one, joint, shift;
} growth;
/* Of two members and more; x [n_rows][n_x], theta [n][dim] draws of the joint posterior, equally
 * weighted. */
int growth_of(size_t n_members, ratio *const *member, size_t n_rows, const float *x,
              size_t n, const double *theta, growth *out);

/* Back from such a file, for parameters of T: what it does not hold, R-hat and counters, is NAN or 0;
 * EFFECTIVE is that of the weights, and NAN without.  x [*n_rows][n_x] by free().  NRE_EDATA when it is no such
 * file. */
int chains_load(const char *path, const simulator *s, const target *t, chains *out,
                size_t *n_rows, float **x);
/* Equally weighted draws in one chain, as many as C's weights are worth: systematic resampling, without
 * chance. */
int chains_resample(const chains *c, chains *out);

/* convergence.c: rank-normalised split R-hat, bulk and tail ESS (Vehtari et al. 2021) */

/* value [n_chains][n_draws]; NAN when constant or not finite. */
double rhat_of(size_t n_chains, size_t n_draws, const double *value);
double ess_bulk_of(size_t n_chains, size_t n_draws, const double *value);
double ess_tail_of(size_t n_chains, size_t n_draws, const double *value);
double ess_mean_of(size_t n_chains, size_t n_draws, const double *value);
/* The first three of one parameter in one go. */
void convergence_of(size_t n_chains, size_t n_draws, const double *value, double *r_hat,
                    double *bulk, double *tail);

/* pareto.c: Pareto-smoothed importance weights (Vehtari, Simpson, Gelman, Yao & Gabry 2024, Journal
 * of Machine Learning Research 25, 72) */

/* Above it, means over weighted draws are not to be believed. */
#define K_HAT_MOST 0.7
/* The largest min(0.2 n, 3 sqrt(n)) weights are replaced, in place and in their order, by quantiles of
 * the generalised Pareto distribution fitted to them, none above the largest raw weight; the sum is
 * not 1.  K_HAT is its shape: draws serve below 0.7.  Fewer than five weights in the tail: unchanged, K_HAT
 * NAN; a tail of equal weights: unchanged, K_HAT 0.  -INFINITY is a weight of zero; NRE_ENUMERIC for NaN
 * and +INFINITY, and when all are zero. */
int pareto_smooth(size_t n, double *log_weight, double *k_hat);

/* inside the folder */

/* ratio.c: N items of SIZE bytes, 64-byte aligned, not zeroed; NULL when out of memory. */
void *room_take(room *r, size_t n, size_t size);
void room_release(room *r);

/* A kind of ratio.  EVALUATE need not look at its results: ratio_evaluate refuses NaN. */
typedef struct ratio_kind {
    int (*worker)(const ratio *r, void **own); /* NULL: needs none */
    void (*worker_free)(void *own);
    int (*observe)(const ratio *r, void *own, size_t n, const float *x, observed *o);
    int (*evaluate)(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient);
    void (*free)(ratio *r);
    /* As ratio_joint, of a kind whose rows do not simply add; else NULL. */
    int (*joint)(const ratio *r, void *own, const observed *o, size_t row, size_t n_rows,
                 size_t n, const double *theta, double *log_ratio, double *gradient);
    /* As ratio_evaluate_pairs, where that is cheaper than a call for each run of equal rows; else
     * NULL. */
    int (*pairs)(const ratio *r, void *own, const observed *o, size_t n,
                 const size_t *row, const double *theta, double *log_ratio,
                 double *gradient);
} ratio_kind;

struct ratio {
    const ratio_kind *kind;
    const target *target;
    size_t n_x;
    bool normalised, has_gradient;
    double flops; /* of a log ratio, about; 0: unknown */
};

struct observed {
    size_t n;
    room row;    /* of the kind: heads of networks, or x itself */
    room offset; /* double [n]: log p(x) of the exact ratio */
    /* Of a mixture: what its members keep, and a checksum of the rows. */
    size_t n_members;
    struct observed **member;
    hash stamp;
};

/* sampled.c: posteriors as samplers see them, in the unbounded space of the prior's bijections */

/* Scratch of one thread. */
typedef struct sampled_lane {
    pthread_mutex_t lock; /* of a call in a thread of the plugin's own job */
    ratio_worker *worker; /* made when it is first asked for */
    room memory, order;
    cloud cloud;
} sampled_lane;
/* Each row of N_GROUPS, from ROW on, is a group of PER_GROUP chains; of one group the rows may be
 * N_ROWS, summed.  A call of the log density is cut in slices, by sizes alone, which the threads of
 * POOL share: same bits for any number of them. */
typedef struct sampled {
    nre_target api; /* first */
    const posterior *posterior;
    const observed *observed;
    size_t row, n_rows, per_group;
    pool *pool;
    sampled_lane *lane;   /* [pool_threads] */
    pthread_mutex_t lock; /* of a call that all threads share; of what follows */
    int status;           /* of the first call that failed */
    char message[ERROR_LENGTH];
    double *bound; /* [2][dim] */
} sampled;
/* On failure, too, S is to be closed. */
int sampled_open(const posterior *p, const observed *o, size_t row, size_t n_rows,
                 size_t n_groups, size_t per_group, pool *threads, sampled *s);
void sampled_close(sampled *s);
/* The worker of a thread, in a job of the pool. */
int sampled_worker(sampled *s, unsigned thread, ratio_worker **out);

/* Who uses which scratch memory of a worker: a function and its callee never share one. */
enum { SCRATCH_JOINT, SCRATCH_GRID, SCRATCH_PARENT, SCRATCH_CLOUD, SCRATCH_USES };
/* Cells of every parameter; quantiles are costly, so a worker keeps those of the first grid. */
typedef struct grid_axes {
    double *point, *edge; /* [dim][m], [dim][m + 1] */
    double *log_prior;    /* [dim][m] of the marginals at the points */
} grid_axes;
struct ratio_worker {
    const ratio *ratio;
    void *own;
    room scratch[SCRATCH_USES];
    grid_axes axes;
    marginal axes_of[3]; /* of the prior that AXES are laid over */
};

/* Log ratio at theta [n][dim] summed over rows ROW .. ROW + N_ROWS - 1; gradient [n][dim] or NULL. */
int ratio_joint(const ratio *r, ratio_worker *w, const observed *o, size_t row,
                size_t n_rows, size_t n, const double *theta, double *log_ratio,
                double *gradient);
/* "m_wdm = 3.2, t_age = 5" for messages. */
typedef struct point_text {
    char text[256];
} point_text;
point_text point_describe(const target *t, const double *theta);

/* grid.c: the quantile and the log density of a parameter's prior; for a custom one, whose
 * marginals are unknown, those of a flat one between its bounds. */
double cell_quantile(const marginal *m, double u);
double cell_log_prior(const marginal *m, double theta);
enum { GRID_STEEPEST = 3 }; /* nats between cells: steeper is a hard edge */
/* A cell's place along axis K, and the distance of neighbours along it. */
size_t grid_digit(const grid *g, size_t cell, uint32_t k);
size_t grid_stride(const grid *g, uint32_t k);
/* From values V at the points of a line of M cells, STRIDE apart, to means over the cells. */
void grid_line_means(double *v, size_t m, size_t stride);
/* grid_use.c: the cell that holds theta (SNAP: the nearest one); the number of cells outside the box. */
size_t grid_cell(const grid *g, const double *theta, bool snap);
/* log of the posterior's density by the prior mass of parameter K, up to a constant, at the points
 * of its axis: value [m]. */
int grid_marginal(const grid *g, uint32_t k, double *value);

/* profile.c: log r at N values of a parameter, maximised over the target's others by a search from
 * the best cells of the grid; theta [n][dim] where it was found, within the open support. */
typedef struct profile_request {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    const grid *grid;
    uint32_t parameter; /* of the target */
} profile_request;
int profile_of(const profile_request *r, size_t n, const double *value, double *theta,
               double *log_ratio);

/* estimate.c: what is maximised, of MANY rows at once or of the sum over N_ROWS rows. */
typedef struct objective {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows, many;
    maximum_kind kind;
    double *prior, *prior_gradient; /* scratch of all points: [n], [n][dim] */
} objective;
/* At EACH natural points a row, theta [many][each][dim], and its gradient by them unless GRADIENT is
 * NULL. */
int objective_at(const objective *f, size_t each, const double *theta, double *value,
                 double *gradient);

/* posterior.c: the target's parameters in the unbounded space of their prior's bijections. */
const marginal *target_marginal(const target *t, uint32_t k);
void unbounded_of(const target *t, size_t n, const double *theta, double *z);
/* theta [n][dim] of z [n][dim]; sum of log |dtheta/dz| [n]; dtheta/dz and the derivative of the
 * log-Jacobian [n][dim]; the last three may be NULL. */
void unbounded_back(const target *t, size_t n, const double *z, double *theta,
                    double *log_jacobian, double *derivative, double *slope);
/* N points of the target's prior from one stream. */
int target_sample(const target *t, rng *r, size_t n, double *theta);

/* mixture.c: Student-t mixtures with 5 degrees of freedom. */
enum { MIXTURE_MOST = 8 };
typedef struct mixture {
    uint32_t dim, n;
    double *share;   /* [n], sum to 1 */
    double *mean;    /* [n][dim] */
    double *factor;  /* [n][dim][dim] lower Cholesky factor of the scale matrix */
    double *inverse; /* [n][dim][dim] of the factors */
    double *norm;    /* [n] share times the density's constant, the largest of them 1 */
    double log_unit; /* log of what NORM was divided by */
    double *work;    /* [dim] scratch: a mixture serves one thread */
} mixture;
/* Doubles behind the pointers of a mixture, and of scratch for its fit to M points. */
size_t mixture_size(uint32_t dim);
size_t mixture_fit_size(uint32_t dim, size_t m);
/* Fit 1, 2 or 4 components, as long as their BIC gains, to M equally weighted points z [m][dim] that are worth
 * EFFECTIVE independent ones: k-means, shrunk covariances.  AT [mixture_size] stays with Q. */
void mixture_fit(mixture *q, uint32_t dim, size_t m, const double *z, double effective,
                 rng *r, double *at, double *scratch);
/* Density at z divided by exp(q->log_unit). */
double mixture_density(const mixture *q, const double *z);
void mixture_sample(const mixture *q, rng *r, double *z);

/* calibration_map.c: maps of one variable, of weighted outputs. */
typedef struct output {
    double value; /* s */
    double count; /* what it counts for; a count of one is a pair */
    bool joint;
} output;
typedef struct output_map {
    size_t n;                /* steps; 0: a line */
    double *edge, *value;    /* [n - 1] ascending, [n]: value[i] below edge[i] */
    double intercept, slope; /* of the line */
} output_map;
/* Sorts O.  NRE_ENUMERIC for outputs that are not finite, or all of one kind. */
int output_map_fit(calibration_kind kind, size_t n, output *o, output_map *out);
double output_map_at(const output_map *m, double s);
void output_map_release(output_map *m);

#endif

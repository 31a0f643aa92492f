/* diagnose/diagnose.h - may this posterior be believed?  One file a diagnostic. */
#ifndef NEREID_DIAGNOSE_H
#define NEREID_DIAGNOSE_H

#include "infer/infer.h"
#include "train/train.h"

typedef struct pair_set pair_set;

/* What all diagnostics are given; zeros for what there is not. */
typedef struct subject {
    const posterior *posterior;
    const loader *test; /* pairs (theta, x) that nothing else has touched */
    uint64_t seed;
    pool *pool;
    progress *watch;
    const simulator
        *simulator; /* for fresh simulations, and its likelihood; any may be NULL */
    int on_invalid; /* as in draw */
    size_t n_observed;
    const float *observed; /* [n_observed][n_x] rows of x that were observed */
    bool joint;            /* they are one observation together */
    size_t n_members;
    const posterior *members; /* [n_members] each network of an ensemble alone */
    const pair_set
        *pairs; /* the shared pass over test pairs, all that its measures took */
} subject;

/* interval.c */

/* Clopper & Pearson (1934) for K of N at CONFIDENCE. */
void binomial_interval(uint64_t k, uint64_t n, double confidence, double interval[2]);
typedef enum verdict { VERDICT_OK = 0, VERDICT_UNDER = 1, VERDICT_OVER = 2 } verdict;
/* under: upper end below nominal; over: lower end above it. */
verdict verdict_of(double nominal, const double interval[2]);
const char *verdict_word(verdict v);

/* standing.c: where the truth of each pair stands, given its x */

struct measure;
typedef struct standing_request {
    uint64_t n; /* pairs, from the first on */
    bool ranks, deviances, snap;
    size_t n_measures; /* with ranks only */
    const struct measure *const *measures;
    double *const *value; /* [n_measures][n][width] */
    const char *purpose;  /* "coverage": of the streams, and for progress */
    const char *rows;     /* "test pairs" */
} standing_request;
typedef struct pair_standing {
    standing at;
    double log_ratio; /* at the truth */
    double gain;      /* log p(theta | x) - log p(theta) */
    double log_prior; /* at the truth; unnormalised where invalid rows were left out */
    bool missing;     /* its posterior stayed too coarse: no rank, no gain */
    /* So did its grid, or no draw hit it: its maximum is not to be trusted either. */
    bool lost;
} pair_standing;
/* Of s->test: out [n]; the truths theta [n][dim], or NULL.  [main] */
int pair_standings(const subject *s, const standing_request *q, pair_standing *out,
                   double *theta);
/* Critical values by the calibration pairs that stand in s->test, those whose grid stayed too coarse
 * left out.  [main] */
int neyman_of_pairs(const subject *s, size_t n_levels, const double *levels,
                    neyman **out);

/* pairs.c: one pass over the test pairs for all diagnostics that look at each posterior once */

/* A pair while its posterior is in hand. */
typedef struct pair_view {
    const subject *subject;
    const target *target;
    uint64_t item;                           /* test row */
    const grid *grid;                        /* one of the two is NULL */
    const cloud *cloud;                      /* with weight_of_truth */
    const double *theta;                     /* [dim] the truth */
    const float *x;                          /* [n_x] */
    double log_ratio, log_density, log_area; /* the first two at the truth */
    const pair_standing *standing;
    ratio_worker *worker;
    const observed *observed; /* for more log ratios of this x: row ROW of it */
    size_t row;
    rng *rng;             /* of this measure and this pair alone */
    const void *prepared; /* by the measure, for all pairs */
} pair_view;

/* What a diagnostic keeps of each pair: WIDTH numbers, NAN of pairs whose posterior stayed too
 * coarse.  Any thread; the same bits whatever other measures are taken. */
typedef struct measure {
    const char *name; /* of its streams */
    size_t (*width)(const target *t);
    int (*take)(const pair_view *v, double *out);
    /* What it needs for all pairs, before the first; NULL: nothing.  [main] */
    int (*prepare)(const subject *s, void **out);
    void (*release)(void *prepared);
} measure;

/* N pairs from the first on, with all MEASURES (borrowed).  [main] */
struct pair_set {
    uint64_t n;
    uint32_t dim;
    pair_standing *standing; /* [n] with ranks */
    bool deviances, snap;    /* with deviances, too; snapped ranks */
    double *theta;           /* [n][dim] truths */
    size_t n_measures;
    const measure **measure;
    double **value; /* [n_measures][n][width] */
};
typedef struct pairs_plan {
    uint64_t n;
    bool deviances, snap;
    size_t n_measures;
    const measure *const *measures;
} pairs_plan;
int pairs_of(const subject *s, const pairs_plan *wanted, pair_set **out);
void pairs_free(pair_set *p);
/* [n][width] of a measure that was taken; NULL when it was not. */
const double *pairs_value(const pair_set *p, const measure *m);
/* That of the shared pass, of the first ASKED pairs (0: all) and at most those there are: how many.
 * NRE_EINTERNAL when the pass did not take it. */
int pairs_need(const subject *s, const measure *m, uint64_t asked, uint64_t *n,
               const double **value);

/* A draw of the posterior of each pair, [dim]: from its grid or cloud. */
extern const measure measure_draw;

/* finding.c: how every diagnostic ends */

/* A right ratio fails a test once in so many times. */
#define FINDING_LEVEL 0.01
typedef enum finding_verdict {
    FINDING_OK = 0,
    FINDING_FAILS = 1,   /* a right ratio hardly looks so */
    FINDING_OPEN = 2,    /* could not be assessed: `reason` */
    FINDING_INFORMS = 3, /* a number without a right value */
    /* it fails on the safe side alone: posteriors are too wide, and neither narrow nor elsewhere */
    FINDING_CAUTIOUS = 4
} finding_verdict;
typedef struct finding {
    finding_verdict verdict;
    const char *statistic; /* what VALUE is, in words: "smallest p-value of all ranks" */
    double value, error;   /* its standard error; NAN: not known */
    double expected;       /* of a right ratio; NAN: none */
    double p;         /* chance of a value so far off from a right ratio; NAN: no test */
    uint64_t n;       /* pairs or simulations */
    const char *says; /* one plain sentence: what was found, with its numbers */
    const char *advice; /* one more: what to do where it fails */
    const char *reason; /* why it is open */
} finding;
/* Fails when p < FINDING_LEVEL. */
finding_verdict finding_by_p(double p);
const char *
finding_word(finding_verdict v); /* "ok", "fails", "open", "informs", "cautious" */
/* {"verdict", "statistic", "value", "error", "expected", "p_value", "n", "says", "advice", "reason",
 * ..}: numbers that are not finite are null. */
json_t *finding_json(const finding *f);
/* One that is open for REASON. */
json_t *finding_open(const char *reason);
/* [n] as a list, null for what is not finite. */
json_t *numbers_json(size_t n, const double *value);

/* diagnostics.c: the list of all diagnostics that end with a finding */

typedef struct diagnostic_options {
    uint64_t n, repeats; /* 0: its own choice; n at most the test rows there are */
    size_t n_levels;
    const double *levels; /* those of the coverage */
} diagnostic_options;
typedef struct diagnostic {
    const char *name; /* as in the config: diagnose.NAME */
    bool observes;    /* looks at the observation */
    bool simulates;   /* needs fresh simulations */
    bool slow;        /* is told of beforehand */
    size_t n_measures;
    const measure *const *measures; /* it needs of the shared pass; or none */
    /* Why it has nothing to say of this subject (a static sentence); NULL: it has. */
    const char *(*declines)(const subject *s);
    /* A row of diagnostics/NAME.json: a finding and what else there is.  [main] */
    int (*perform)(const subject *s, const diagnostic_options *o, json_t **out);
} diagnostic;
extern const diagnostic *const DIAGNOSTICS[];
extern const size_t N_DIAGNOSTICS;
const diagnostic *diagnostic_of(const char *name); /* NULL: none of this name */
extern const diagnostic sbc_diagnostic, tarp_diagnostic, entropy_diagnostic;
extern const diagnostic ensemble_diagnostic, likelihood_diagnostic;
extern const diagnostic auc_diagnostic;   /* auc.c */
extern const diagnostic lc2st_diagnostic; /* lc2st.c */
extern const diagnostic convergence_diagnostic, local_coverage_diagnostic;
extern const diagnostic posterior_predictive_diagnostic;

/* bands.c: is a sample uniform?  (Säilynoja, Bürkner & Vehtari 2022) */

enum { ECDF_POINTS = 100 };
typedef struct ecdf {
    uint64_t n;                  /* values */
    double z[ECDF_POINTS];       /* 0.01, 0.02 .. 1 */
    uint64_t count[ECDF_POINTS]; /* values below each; all of them below 1 */
} ecdf;
/* Of N values u[0], u[stride], .. in [0, 1], those that are NaN left out. */
void ecdf_of(size_t n, size_t stride, const double *u, ecdf *out);
/* Chance that one of N uniform values strays as far from a straight line at the point where it strays
 * most, by the smaller tail of its binomial law: exact, but of 1e-12 and less an upper bound.  NAN of
 * no values. */
int ecdf_p_value(const ecdf *e, double *p);
/* low, high [ECDF_POINTS]: what the fractions of N uniform values do not leave at any point, with
 * probability LEVEL. */
int ecdf_band(uint64_t n, double level, double *low, double *high);
/* P(C <= k), C binomial; and twice its smaller tail at k. */
double binomial_below(uint64_t n, double p, uint64_t k);
double binomial_p(uint64_t n, double p, uint64_t k);

/* sbc.c, tarp.c, entropy.c: what they keep of each pair */

/* For a right ratio all are uniform in (0, 1), for any number of cells or draws.  Grids: mass of the
 * cells that lie before that of the truth, and of its own (and of those that tie with it) a uniform
 * part.  Clouds: the truth is one more draw, as in cloud_rank. */
/* [dim + 1] of each parameter in its marginal, of log r: uniform, too, for one that ignores x. */
extern const measure measure_ranks;
/* Of the distance to a point that depends on x; the last rows of the test set, from which these points
 * are, have none. */
extern const measure measure_distance;
/* KL divergence of the posterior from the prior (nats), and the HPD rank, never snapped. */
extern const measure measure_divergence;

/* paired.c: two posteriors on the same N test pairs; those are left out that one of them lacks (NAN) */

/* Of A over B, [n], gains. */
typedef struct paired_mean {
    uint64_t n;               /* pairs that both have */
    double difference, error; /* mean of a - b, its standard error */
    double z, p;              /* Student's t, two-sided */
    /* By random signs of the differences, right for any symmetric law; NAN of more than 2,000
     * pairs, whose mean is as good as normal. */
    double p_flip;
} paired_mean;
/* All NAN of fewer than two pairs. */
void paired_means(size_t n, const double *a, const double *b, uint64_t seed,
                  paired_mean *out);
/* Of ranks A and B [n]: is the truth inside the region of LEVEL? */
typedef struct paired_flag {
    uint64_t n, only[2];      /* inside of A alone, of B alone */
    double difference, error; /* of the coverages */
    double p;                 /* McNemar (1947), exact */
} paired_flag;
void paired_flags(size_t n, const double *a, const double *b, double level,
                  paired_flag *out);

/* coverage.c */

/* config's REGION_... */
enum {
    COVERAGE_CREDIBLE = 1u,
    COVERAGE_CONFIDENCE = 2u,
    COVERAGE_NEYMAN = 4u,
    COVERAGE_BIASED = 8u
};
typedef struct coverage_request {
    size_t n_levels;
    const double *levels;
    unsigned regions;
    uint64_t observables, repeats; /* disjoint blocks of the test pairs */
    bool snap;
    size_t n_bias;        /* 1 or n_levels */
    const double *bias;   /* added to the levels of biased regions */
    const neyman *neyman; /* critical values of Neyman sets, at all levels */
} coverage_request;
typedef struct coverage_bin {
    uint64_t covered, n;
} coverage_bin;
typedef struct coverage_cell {
    unsigned region; /* one of COVERAGE_... */
    double level, coverage;
    double sd_evaluation; /* over repeats; NAN for one */
    double sd_training;   /* over replicates; NAN for one */
    uint64_t covered, n;
    double interval[2]; /* 99% */
    verdict verdict;    /* against the level, without bias */
    double bias;        /* of biased regions */
    coverage_bin *bin;  /* [dim][n_bins] by the true value of each parameter */
} coverage_cell;
/* At levels 0.01, 0.02 .. 1: joint, of HPD regions; and of central intervals of each parameter.  Of
 * right ratios, 99 in 100 joint curves are nowhere outside LOW to HIGH. */
typedef struct coverage_curve {
    ecdf joint;
    double low[ECDF_POINTS], high[ECDF_POINTS];
    ecdf *parameter; /* [dim]; NULL where the shared pass did not take measure_ranks */
} coverage_curve;
typedef struct coverage_result {
    size_t n_cells;
    coverage_cell *cells; /* regions outer, levels inner */
    /* Mean of log p(theta*|x) - log p(theta*), its standard error; the prior is p(theta | valid). */
    double gain, gain_error;
    double gain_sd_evaluation; /* over repeats; NAN for one */
    /* Mean of log p(theta*|x), by the parameters' own units, and its standard error; NAN where rows
     * that are not valid leave the prior known up to a factor. */
    double log_posterior, log_posterior_error;
    /* Mean of log r(x|theta*): what the gain would be were the ratio normalised; NAN for a ratio
     * that is known up to a function of x. */
    double information;
    uint32_t dim;
    char (*parameter)[64]; /* [dim] names */
    size_t n_bins;         /* of each parameter, with equally many pairs */
    double *edge;          /* [dim][n_bins + 1] */
    uint64_t n, missing;   /* pairs; those whose effective size stayed too small */
    coverage_curve *curve; /* at all levels */
    double seconds;
} coverage_result;
/* Amortised: blocks of observations in parallel, each on a grid (dim <= 3) or a cloud.  A pair
 * whose grid or cloud stayed too coarse (GRID_MIN_CELLS, CLOUD_MIN_EFFECTIVE) counts in `missing`
 * and not in n, but in that of a confidence or Neyman set when it was the cloud, which they do not need; a cell without any pair has coverage NAN.  NRE_EINVAL when the test set holds
 * fewer than observables * repeats pairs.  [main] */
int coverage_of(const subject *s, const coverage_request *r, coverage_result *out);
void coverage_release(coverage_result *c);

/* area.c */

/* Integral of p(theta) r(x|theta) over the target for the first OBSERVABLES test rows (all, when
 * there are fewer): 1 for a right ratio.  [main] */
typedef struct area_result {
    uint64_t n, missing;
    double *area; /* [n], sorted */
    double mean, deviation, median;
    double central99[2];
} area_result;
int area_of(const subject *s, uint64_t observables, area_result *out);
void area_release(area_result *a);
/* Area of row ROW of O, and the fraction of test areas below it, equals counted half: 0.5 among
 * areas that are all the same.  Both NAN when the row's grid or cloud stayed too coarse.  [main] */
int area_of_observation(const subject *s, const area_result *test, const observed *o,
                        size_t row, double *area, double *rank);

/* predictive.c */

/* Is an observation like the simulations?  Statistic: Euclidean distance of the standardised x to
 * the nearest of the training rows (the first 200,000 at most); rank: fraction of the first
 * OBSERVABLES test rows whose own distance is smaller.  Near 1: unlike anything the network has
 * seen.  x is standardised as for the network, so values are clamped at SCALING_CLAMP deviations:
 * an outlier beyond them is as far as one at them.  [main] */
typedef struct predictive_result {
    uint64_t n, n_train;
    double *distance; /* [n] of the test rows, sorted */
    size_t n_observed;
    double *observed_distance, *rank; /* [n_observed] */
} predictive_result;
int predictive_of(const subject *s, const loader *train, const scaling *scales,
                  uint64_t observables, size_t n_observed, const float *x,
                  predictive_result *out);
void predictive_release(predictive_result *p);

/* place.c: do observed rows lie outside the test rows?  By their area, which may be too small or too
 * large, or by their distance from the simulations. */
typedef enum place_sides { PLACE_ABOVE, PLACE_BOTH } place_sides;
/* Chance that one more row has a VALUE as far out among the N sorted ones, all positive: by its rank; beyond
 * all of them the tail goes on as a Pareto law.  NAN where nothing is known. */
double place_p(size_t n, const double *sorted, double value, place_sides sides);
typedef struct places {
    size_t n, outside; /* rows that are known, and those of them with p < FINDING_LEVEL */
    size_t farthest;   /* the least likely row */
    double p;          /* that all are like the test rows; NAN: none is known */
    bool
        too_few; /* test rows: p of a single row far out could not be below FINDING_LEVEL */
} places;
/* Of M rows together: twice the smaller of the chance of so many outside, and M times the least place_p,
 * which is by rank alone with fewer than 50 test rows for each; of one row its place_p.  VALUE [m], NAN: not
 * known. */
places places_of(size_t n, const double *sorted, size_t m, const double *value,
                 place_sides sides);

/* c2st.c */

/* Classifier two-sample test (Lopez-Paz & Oquab 2017) as the benchmark of Lueckmann et al. (2021)
 * defines it: both samples [n][dim] standardised by the mean and deviation of the reference; a
 * network of two hidden layers of 10 dim ReLU units, by Adam, until the training loss stands
 * still; the mean accuracy on 5 shuffled folds that it was not trained on.  0.5: nothing tells
 * them apart; 1: everything does.  Draws are independent and equally weighted: thin chains,
 * resample weighted ones.  Folds in parallel; same bits for any number of threads.  [main] */
enum { C2ST_FOLDS = 5 };
typedef struct c2st_result {
    double accuracy, fold[C2ST_FOLDS];
    /* Of the accuracy when both are draws of one law, sqrt((1 + 2 / pi) / (8 n)): c2st.c. */
    double null_error;
    uint64_t n, epochs[C2ST_FOLDS];
    double seconds;
} c2st_result;
int c2st_of(size_t n, uint32_t dim, const double *reference, const double *sample,
            uint64_t seed, pool *p, c2st_result *out);

/* reliability.c */

/* A ratio as a classifier, sigmoid(log r), of joint against marginal pairs, each kind half of all.
 * Standard errors are over rows, a row's pairs together. */
enum { RELIABILITY_BINS = 20 };
typedef struct reliability {
    uint64_t n, n_marginals;         /* rows; marginal pairs of each */
    double log_loss, log_loss_error; /* mean cross-entropy, nats */
    /* Expected calibration error (Naeini, Cooper & Hauskrecht 2015): mean over pairs of
     * |fraction of joint pairs - mean probability| of the bin, in bins of equal weight by
     * probability; its standard error; and what a perfect classifier's would be by chance. */
    double calibration_error, calibration_deviation, by_chance;
} reliability;
int reliability_of(const classified *c, reliability *out);
/* Mean change of the log loss over the same rows, and its error. */
int reliability_change(const classified *before, const classified *after, double *mean,
                       double *error);

/* results as JSON: diagnostics/NAME.json */

json_t *coverage_json(const coverage_result *c);
json_t *area_json(const area_result *a);
json_t *predictive_json(const predictive_result *p);
json_t *reliability_json(const reliability *r);
json_t *c2st_json(const c2st_result *c);

/* inside the folder */

/* classifier.c: a network of two hidden layers of ReLU units that tells rows of two kinds apart, by
 * Adam on their cross-entropy */

typedef struct classifier_rules {
    size_t batch;
    uint64_t epochs;         /* at most */
    int patience;            /* epochs in a row that gain less than TOLERANCE */
    double tolerance, decay; /* of the mean loss; of the weights, as L2 */
    const char *purpose;     /* of the streams: "c2st" */
    uint64_t seed, number;   /* of this one among those of the purpose */
} classifier_rules;
typedef struct classifier_rows { /* all borrowed */
    uint32_t dim;
    const float *const *row; /* [rows][dim] */
    const bool *second;      /* [rows] of which kind; logits rise towards the second */
    const double *weight;    /* [rows] of the loss, about 1; NULL: 1 */
    const float *mean,
        *inverse;           /* [dim] rows are seen as (row - mean) inverse; or NULL */
    size_t n_train, n_stop; /* without rows apart it stops by the training loss */
    const uint64_t *train, *stop; /* which rows */
} classifier_rows;
typedef struct classifier {
    const net *net;
    float *weights;
    uint64_t epochs;
} classifier;
int classifier_net(uint32_t dim, uint32_t units, net **out); /* [main] */
/* One thread; NRE_ENUMERIC when the loss diverges. */
int classifier_train(const net *g, const classifier_rules *rules,
                     const classifier_rows *rows, classifier *out);
void classifier_release(classifier *c);
/* LOGIT [n] of rows INDEX [n]. */
int classifier_judge(const classifier *c, const classifier_rows *rows, size_t n,
                     const uint64_t *index, float *logit);
/* Mean and inverse deviation [dim] of N rows, 0 of a column that does not vary. */
void classifier_moments(size_t n, uint32_t dim, const float *const *row, float *mean,
                        float *inverse);
/* Rows x [n][n_x] to what C makes of them, in place. */
int classifier_scale(const scaling *c, size_t n, float *x);

/* nearest.c: rows behind others, farther from them than these are from one another? */
typedef struct apart_request {
    size_t n, n_more;
    uint32_t dim;
    const float *const *row; /* [n + n_more][dim] */
    const float *scale;      /* [dim] differences of a column are multiplied by */
    pool *pool;
} apart_request;
/* CHANCE [n_more] that one more row like the N is as far from the nearest of them: place_p among the
 * distances of the first 500 to theirs.  Nothing is known of fewer than 100.  [main] */
int rows_apart(const apart_request *q, double *chance);

/* auc_marginals.c: simulations of p(x), the first of them test rows, for points theta */

enum { AUC_BYTES_MOST = 512 << 20 }; /* of simulations of each kind */
typedef struct auc_marginals {
    const subject *subject;
    size_t n_points;
    const double *theta; /* [n_points][dim], borrowed */
    size_t n;
    float *x;          /* [n][n_x] */
    double *log_ratio; /* [n][n_points] */
    double *effective; /* [n_points] of N such rows at most that stand for p(x | theta) */
} auc_marginals;
/* At least N, unless an eighth of them shows that no point can be assessed; twice as many, and again, while
 * the weights of a point that can be assessed are worth less than LEAST rows.  [main] */
int auc_gather(auc_marginals *m, size_t n, double least);
void auc_marginals_release(auc_marginals *m);
/* Log ratios [n][n_points] of N x at each of some theta [n_points][dim], by all threads.  [main] */
int auc_log_ratios(const subject *s, size_t n, const float *x, size_t n_points,
                   const double *theta, double *out);
/* Rows of p(x) that stand for p(x) r^POWER. */
typedef struct auc_selection {
    size_t n;
    uint64_t *row;  /* [n] ascending */
    double *weight; /* [n], mean 1 */
    double effective;
} auc_selection;
/* At most so many; the same random numbers for all powers.  Any thread. */
int auc_select(const auc_marginals *m, size_t point, double power, size_t most,
               auc_selection *out);
void auc_selection_release(auc_selection *s);

/* auc_contest.c: a classifier between two kinds of rows, half of which it never sees but to judge them */

enum { AUC_ROC = 101 };
typedef struct auc_sides { /* all borrowed */
    const net *net;
    size_t n_x, n_first, n_second;
    const float *first;   /* of whose rows */
    const uint64_t *row;  /* [n_first] these are of the first kind, */
    const double *weight; /* [n_first] each with its weight, mean 1 */
    const float *second;  /* [n_second][n_x] */
    uint64_t seed, number;
} auc_sides;
typedef struct auc_outcome {
    double auc, error;
    double p, edge; /* of the label permutations: p-value; what 99 in 100 stay below */
    double rate[AUC_ROC]; /* true positives at false positives of 0, 0.01 .. 1 */
} auc_outcome;
/* One thread. */
int auc_contest(const auc_sides *sides, auc_outcome *out);

/* station.c: what one thread works with. */
enum { STATION_ROWS = 32 }; /* test rows a task: no result depends on threads */
typedef struct station {
    ratio_worker *worker;
    observed *observed;
    grid grid;
    cloud cloud;
    bool on_grid; /* which of the two holds the posterior */
    double log_area;
    bool missing;                    /* too coarse */
    cloud_plan plan;                 /* zeros: infer's defaults */
    uint64_t *index;                 /* [STATION_ROWS] */
    float *x;                        /* [STATION_ROWS][n_x] */
    double *full;                    /* [STATION_ROWS][all parameters] */
    double *theta;                   /* [STATION_ROWS][dim] of the target */
    double *log_ratio, *log_density; /* [STATION_ROWS] at theta; log prior + log ratio */
} station;
/* One for each thread of the pool. */
int stations_new(const subject *s, station **out);
void stations_free(const subject *s, station *t);
/* Test rows FIRST .. FIRST + N - 1, N <= STATION_ROWS, with what belongs to their true theta. */
int station_load(const subject *s, station *t, unsigned worker, uint64_t first, size_t n);
/* Posterior of row ROW of O with the stream R: fills grid or cloud, log_area and missing. */
int station_posterior(const subject *s, station *t, const observed *o, size_t row,
                      rng *r);
/* N draws of a posterior, one of the two given, by systematic resampling, in the order of its points:
 * of a grid uniform in prior mass within each cell; of a cloud some more than once.  theta [n][dim] */
void posterior_draws(const grid *g, const cloud *c, size_t n, rng *r, double *theta);
/* Fraction of the N sorted values below VALUE. */
double fraction_below(size_t n, const double *sorted, double value);
int compare_reals(const void *a, const void *b); /* for qsort */

/* divergence.c: two posteriors of one x, the exact one and another */
enum { SIDE_EXACT, SIDE_NETWORK, SIDES };
enum { DIVERGENCE_ERRORS = 32 };
typedef struct divergence {
    bool missing;       /* too few effective draws of one of the two */
    double kl, reverse; /* of the exact from the network, and the other way round */
    double mean, square, exact; /* of the error by the network, and square by the exact */
    double gain[SIDES];         /* at the truth */
    double outside; /* mass of the network where the exact posterior is zero */
    double effective[SIDES];
    double *error;         /* [DIVERGENCE_ERRORS] that quantiles are taken of */
    double *shift, *width; /* [dim] in exact deviations; network over exact */
} divergence;
/* Of row ROW, whose posteriors P station_posterior has put in T, each up to a constant; R [SIDES]
 * streams.  OUT brings its arrays. */
int divergence_between(const posterior *const p[SIDES], station *const t[SIDES],
                       size_t row, rng *r, divergence *out);

/* sbc.c: a value's place among the points of a posterior: mass below it, and equal to it. */
typedef struct mass_place {
    double below, equal;
} mass_place;
/* Of OWN, the truth's, among those of the view's cells or draws: others [n]. */
mass_place mass_below(const pair_view *v, const double *others, double own);
/* A uniform place (UNIFORM in (0, 1)) within its own mass, which on a cloud includes the truth's. */
double place_rank(const pair_view *v, mass_place p, double uniform);

/* finding.c: numbers within sentences */
typedef struct short_text {
    char text[64];
} short_text;
short_text text_of_count(uint64_t n); /* "20,000" */
short_text text_of_p(double p);       /* "p = 0.21", "p < 1e-12" */
/* Of the smallest of N p-values, times N: "p = 0.21 after multiplying by 3". */
short_text text_of_worst(double p, size_t n);
short_text text_of_pairs(uint64_t n); /* "1 pair", "20,000 pairs" */
/* "observation 3", "observations 0, 3 and 7": of N those that are MISSING; of many the first alone. */
typedef struct long_text {
    char text[96];
} long_text;
long_text text_of_rows(size_t n, const bool *missing);

/* fresh.c: simulations at given parameters of the target, by all threads; what the target lacks comes from
 * the prior that networks were trained with, anew in every row.  An invalid row is drawn again as s->on_invalid
 * says (redraw_theta: with other nuisances), what is given staying. */
/* Why none can be made; NULL: they can. */
const char *fresh_declines(const subject *s);
bool fresh_has_nuisance(const subject *s);
/* x [n][n_x] at theta [n][dim], row i from streams x/PURPOSE of item i.  [main] */
int fresh_rows(const subject *s, const char *purpose, size_t n, const double *theta,
               float *x);
/* The same, all at one theta [dim].  [main] */
int fresh_rows_at(const subject *s, const char *purpose, size_t n, const double *theta,
                  float *x);
/* Truths theta [n][dim] from the prior, with P(valid) where invalid rows change it.  [main] */
int fresh_truths(const subject *s, const char *purpose, size_t n, double *theta);

#endif

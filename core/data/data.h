/* data/data.h - priors, simulation in parallel, dataset shards, scaling, observations.
 *
 * Shapes: theta [n][n_theta] double in the simulator's order, x [n][n_x] float. */
#ifndef NEREID_DATA_H
#define NEREID_DATA_H

#include "plugin/plugin.h"

/* prior.c: one-dimensional priors and their product */

/* What follows from the numbers of a marginal. */
typedef struct marginal_facts {
    double centre, deviation; /* of the natural scale */
    double lo, hi;            /* support, may be infinite */
    double least, most;       /* in the open support */
    double log_width;         /* log(hi - lo) */
    double range, log_range;  /* log(hi / lo) where lo > 0, and its logarithm */
} marginal_facts;

typedef struct marginal {
    const char *name;
    uint32_t family;     /* nre_prior */
    double a, b, lo, hi; /* as in nre_theta; a beta prior with lo = hi lives on [0, 1] */
    bool settled; /* by marginal_settle: FACTS hold, else they are worked out anew */
    marginal_facts facts;
} marginal;

/* NRE_EINVAL with the reason when the numbers make no prior. */
int marginal_check(const marginal *m);
void marginal_support(const marginal *m, double *lo, double *hi); /* may be infinite */
/* by inversion: one uniform */
double marginal_sample(const marginal *m, nre_rng *stream);
/* log density, -INFINITY outside the support; *slope (may be NULL) its derivative. */
double marginal_log_density(const marginal *m, double t, double *slope);
double marginal_cdf(const marginal *m, double t);
double marginal_quantile(const marginal *m, double u); /* u in (0, 1) */
/* Bijection of the support to the real line (log, logit or identity) and back; *log_jacobian
 * (may be NULL) = log |dt/dz|, *slope (may be NULL) its derivative by z. */
double marginal_to_unbounded(const marginal *m, double t);
double marginal_from_unbounded(const marginal *m, double z, double *log_jacobian,
                               double *slope);
/* What a network sees: mean 0 and deviation 1 under the prior on the family's natural scale
 * (logarithm for log-uniform, log-normal, half-Cauchy; else the value itself); *derivative dz/dt. */
double marginal_standardise(const marginal *m, double t, double *derivative);
/* Its numbers: z = (s - centre) / deviation of s = t, or of s = log t where it answers true. */
bool marginal_natural(const marginal *m, double *centre, double *deviation);
/* Work out its facts once; everything else is quicker then. */
void marginal_settle(marginal *m);
/* "uniform(1, 50)". */
const char *marginal_text(const marginal *m, arena *a);

/* A product of marginals, or the simulator's own joint prior (NRE_CUSTOM_PRIOR): its marginals
 * then know names, bounds and standardisation, their densities and quantiles are NaN. */
typedef struct prior {
    size_t n;
    const marginal *of;              /* [n] */
    const nre_simulator_ops *custom; /* NULL for a product */
    const void *self;
    const instance *owner; /* of CUSTOM, named in messages; may be NULL */
} prior;
/* row i from stream (key, first + i, attempt) */
int prior_sample(const prior *p, rng_key key, uint64_t first, uint64_t attempt, size_t n,
                 double *theta);
/* log density of the parameters WHICH [k] alone (NULL: all) at theta [n][k]; gradient [n][k] or
 * NULL.  NRE_ENOTSUP for a subset where the simulator's joint prior has no marginals. */
int prior_log_density(const prior *p, size_t k, const uint32_t *which, size_t n,
                      const double *theta, double *log_density, double *gradient);

/* propose.c: a prior of which only a part is left */

/* Which draws of the prior become thetas of rows. */
typedef struct proposals {
    /* KEPT [n] of theta [n][n_theta].  Any thread. */
    int (*keep)(const void *context, size_t n, const double *theta, bool *kept);
    const void *context;
    size_t
        each; /* proposals that a row puts to keep() together: about 1 / fraction kept */
    uint64_t most; /* of a row; 0: 20,000,000 */
} proposals;
/* Row i: the first of streams (key, first + i, 0), (.., 1), .. that is kept; HOW NULL: all are.
 * None is NRE_ENUMERIC. */
int prior_sample_kept(const prior *p, const proposals *how, pool *workers, rng_key key,
                      uint64_t first, size_t n, double *theta);

/* simulator.c: a simulator plugin, guarded */

typedef struct simulator simulator;
/* OVERRIDES replace the priors of the parameters they name.  Calls create's info(), checks it.
 * I outlives the simulator.  [main] */
int simulator_open(const instance *i, size_t n_overrides, const marginal *overrides,
                   simulator **out);
void simulator_close(simulator *s);
const nre_simulator_info *simulator_info(const simulator *s);
const nre_theta *simulator_theta(const simulator *s, size_t i); /* by stride */
const nre_field *simulator_field(const simulator *s, size_t i);
const nre_theta *simulator_derived(const simulator *s, size_t i);
const nre_simulator_ops *simulator_ops(const simulator *s);
const instance *simulator_instance(const simulator *s);
size_t simulator_n_theta(const simulator *s);
size_t simulator_n_x(const simulator *s); /* floats of a row of x */
const prior *simulator_prior(const simulator *s);
const char *const *simulator_names(const simulator *s); /* [n_theta] */
bool simulator_has_noise(const simulator *s);           /* perturb */
/* theta [n_theta] at nominal values: those of the table, else the prior's median. */
void simulator_nominal(const simulator *s, double *theta);
/* Costly tables, once.  [main] */
int simulator_prepare(simulator *s);

/* What became of rows; attempts >= rows. */
typedef struct tally {
    uint64_t rows, attempts, invalid, truncated, redrawn;
} tally;

/* What is known of theta: parameters WHICH [n] of row i are theta [i * step + k]; step N: each row
 * has its own, 0: all have the same. */
typedef struct theta_given {
    size_t n;
    const uint32_t *which;
    const double *theta;
    size_t step;
} theta_given;

/* Rows FIRST .. FIRST + N - 1 of the purpose ("train"): theta from streams theta/train, x from
 * x/train, noise from noise/train, item = row, attempt counted up after invalid rows. */
typedef struct draw {
    uint64_t seed;
    const char *purpose;
    uint64_t first;
    size_t n;
    const double *at; /* [n_theta] for every row, or NULL: from the prior */
    /* Or a part of theta, which redraws leave as it is; NULL: none.  The rest is from the prior. */
    const theta_given *given;
    int on_invalid; /* 0 error, 1 new x, 2 new theta and x: config's invalid_policy */
    bool clean;     /* leave the observation noise out */
    const proposals *keep; /* NULL: theta from the whole prior */
} draw;
/* In parallel over P; guard zones, finite values and status checked on every call (NRE_EPLUGIN).
 * theta, x, status [n]: any may be NULL.  Adds to *COUNT.  V (NULL: not wanted; it asks for theta)
 * is told of all attempts where thetas are redrawn.  10,000 attempts at a row are NRE_ENUMERIC. */
typedef struct validity validity;
int simulator_draw(const simulator *s, pool *p, progress *watch, const draw *d,
                   double *theta, float *x, uint8_t *status, tally *count, validity *v);
/* Add fresh noise to clean rows x [n][n_x] of THETA, row i from stream (key, item[i], epoch).
 * One thread; WORKER as in pool_run. */
int simulator_perturb(const simulator *s, rng_key key, size_t n, const uint64_t *item,
                      uint64_t epoch, const double *theta, float *x, unsigned worker);
/* For checks: simulate rows with the given theta, no redraw; one thread. */
int simulator_run_rows(const simulator *s, size_t n, const double *theta, rng_key key,
                       uint64_t first, float *x, uint8_t *status);

/* validity.c: P(valid | theta) */

/* What became of the attempts of the training set. */
validity *validity_new(const prior *p);
void validity_free(validity *v);
/* VALID [n], NULL: all are.  Any thread, the order does not matter. */
void validity_add(validity *v, size_t n, const double *theta, const uint8_t *valid);
/* With invalid rows redrawn the effective prior is p(theta | valid).  A logistic regression,
 * quadratic in the standardised parameters WHICH [k] (a target; NULL: all), fitted to the attempts;
 * *OUT NULL while nothing was invalid: P is exactly 1 then.  [main] */
typedef struct validity_model validity_model;
int validity_fit(const validity *v, size_t k, const uint32_t *which,
                 validity_model **out);
void validity_model_free(validity_model *m);
/* log P(valid | theta) for theta [n][k]; gradient [n][k] or NULL.  M NULL: log_p 0, and GRADIENT,
 * whose width it does not know, stays as it is. */
void validity_log(const validity_model *m, size_t n, const double *theta, double *log_p,
                  double *gradient);
/* To a file and back, into a new one; without invalid attempts it holds their absence alone. */
int validity_save(const validity *v, const char *path);
int validity_load(const char *path, validity *v);
/* All attempts that a finished dataset recorded. */
int validity_of_dataset(const char *folder, validity *v);

/* dataset.c: shards on disk */

/* FOLDER/shard-00000.h5 ... with /theta f64 [n][n_theta], /x f32 [n][n_x], /status u8 [n], and
 * FOLDER/manifest.json, written last: rows, columns, clean or noisy, tally, checksum of each
 * shard, FINGERPRINT of what made it. */
typedef struct dataset_plan {
    const char *folder;
    draw draw;           /* first = 0, n = all rows */
    uint64_t shard_rows; /* 0: about 64 MiB a shard */
    const char *fingerprint;
} dataset_plan;
/* Shards that are there, whole and of the same fingerprint are kept: what a killed run left is
 * used.  Where the simulator has noise and draw.clean is set, x is stored clean. */
int dataset_make(const simulator *s, const dataset_plan *plan, pool *p, progress *watch,
                 tally *count, validity *v);

/* Simulations of others: HDF5 with /theta and /x (read in a child process, since damaged files
 * crash the library) or two .npy files (f4, f8, i4, i8; C order; little-endian); widths must fit,
 * values be finite, theta inside its prior; copied to shards.  N 0: all rows; NOISY: x has its
 * noise already.  Files of ours (shards, simulations_save) are verified and mapped instead. */
typedef struct import_request {
    const char *file, *theta, *x;
    uint64_t from, n;
    bool noisy;
} import_request;
int dataset_import(const simulator *s, const import_request *r, const dataset_plan *plan,
                   pool *p, progress *watch, tally *count);

typedef struct dataset dataset;
/* Opens and maps all shards after checking their checksums; NRE_EDATA names the shard. */
int dataset_open(const char *folder, dataset **out);
void dataset_close(dataset *d);
uint64_t dataset_n(const dataset *d);
size_t dataset_n_theta(const dataset *d);
size_t dataset_n_x(const dataset *d);
bool dataset_is_clean(const dataset *d);
const tally *dataset_tally(const dataset *d);
const char *dataset_fingerprint(const dataset *d);
hash dataset_hash(const dataset *d);                       /* of all shards' contents */
const double *dataset_theta(const dataset *d, uint64_t i); /* row i, mapped */
const float *dataset_x(const dataset *d, uint64_t i);
/* True when a finished dataset of this fingerprint lies in FOLDER (manifest only). */
bool dataset_is_there(const char *folder, const char *fingerprint);

/* export.c: `nereid simulate -o` */

/* By ending: .h5, .npy (theta beside x as NAME.theta.npy), .csv (header, theta then x). */
int simulations_save(const simulator *s, const char *path, size_t n, const double *theta,
                     const float *x, const uint8_t *status);

/* npy.c: NumPy files */

typedef struct npy {
    char type;      /* 'f' or 'i' */
    unsigned width; /* bytes of an item: 4 or 8 */
    unsigned rank;
    uint64_t dim[4];
    void *data; /* rank, dims product; npy_free */
} npy;
int npy_read(const char *path, npy *out); /* NRE_EDATA; sizes checked against the file */
int npy_parse(const void *bytes, size_t n, npy *out); /* data copied */
void npy_free(npy *a);
int npy_write(const char *path, char type, unsigned width, unsigned rank,
              const uint64_t *dim, const void *data);

/* csv.c */

/* Numbers of a CSV: an optional header line, '#' comments, comma or blank separated; all rows of
 * one width.  Errors name line and column.  free(*values), names in A (NULL without header). */
int csv_parse(const char *path, const char *text, size_t n, arena *a, size_t *rows,
              size_t *columns, const char *const **names, double **values);

/* observation.c */

/* Rows of x from FILE, looked for as given, then in the data folders: .npy, what simulations_save
 * wrote (.h5, or .csv with its header); other files by the plugin's reader if it has one, else as
 * CSV, one row an observation.  A wrong width or a value that is not finite is NRE_EDATA naming the
 * row.  free(*x).  [main] */
int observation_read(const simulator *s, const char *file, size_t *n, float **x);

/* loader.c, parts.c: what training and diagnostics read */

/* Rows by index, with the observation noise of an epoch, from 1; 0 is none of them.  Any thread. */
typedef struct loader loader;
struct loader {
    uint64_t n;
    size_t n_theta, n_x;
    /* theta [n][n_theta], x [n][n_x]; either may be NULL. */
    int (*rows)(const loader *l, unsigned worker, uint64_t epoch, size_t n,
                const uint64_t *index, double *theta, float *x);
    /* Before the first row of an epoch: what is drawn while training is drawn now.  NULL: there is
     * nothing to do.  While nobody reads.  [main] */
    int (*begin)(const loader *l, uint64_t epoch);
    void (*free)(loader *l);
};
/* Of a dataset; clean rows get noise from streams noise/PURPOSE: of the epoch when FRESH, else of
 * epoch 0 always.  D and S outlive it. */
int loader_of_dataset(const dataset *d, const simulator *s, uint64_t seed,
                      const char *purpose, bool fresh, loader **out);
/* Of arrays, for tests: borrowed. */
int loader_of_arrays(uint64_t n, size_t n_theta, size_t n_x, const double *theta,
                     const float *x, loader **out);
void loader_free(loader *l);
/* Rows of several sets as one, those of the first part first. */
typedef struct loader_part {
    dataset *data; /* of LOADER; or NULL */
    loader *loader;
    uint64_t n, *row; /* which of its rows, in order; NULL: all, and N is theirs */
} loader_part;
/* Takes over what the parts hold (ROW by free()), also on failure. */
int loader_of_parts(size_t n, const loader_part *parts, loader **out);
void loader_part_release(loader_part *p);

/* online.c: simulations that are drawn while a network trains on them */

typedef struct online_plan {
    uint64_t seed;
    const char *purpose; /* "train-online/0/1" */
    uint64_t n, reuse;   /* rows at a time; epochs of each simulation */
    int on_invalid;      /* as in draw */
} online_plan;
/* N rows in memory.  Epoch 1 trains on rows 0 .. n - 1 of the purpose; each epoch after it replaces
 * a share of about n / REUSE rows, in turn, by rows that nobody has seen.  Which simulation stands
 * where follows from the epoch alone (row i of generation g is number g n + i of the purpose), so
 * that training goes on anywhere to the same bits.  Clean rows get fresh noise in each epoch.
 * The first set is drawn at once, told to WATCH, added to *COUNT and to V (all may be NULL).
 * S and P outlive it.  [main] */
int loader_online(const simulator *s, pool *p, progress *watch, const online_plan *plan,
                  tally *count, validity *v, loader **out);
/* Valid simulations that so many epochs ask for. */
uint64_t online_simulations(uint64_t n, uint64_t reuse, uint64_t epochs);

/* scaling.c: what a network sees of x */

enum { SCALING_CLAMP = 10 }; /* deviations */
typedef struct scaling {
    size_t n_x;
    uint8_t *scale;        /* [n_x] nre_scale */
    float *mean, *inverse; /* [n_x]; inverse deviation, 0 for a column without variance */
} scaling;
/* On the scale each field asks for; rank 1 per element, rank 2 and more per channel, exchangeable
 * rows pooled (per trailing element); moments in double along a fixed tree; at most the first
 * 1,000,000 rows.  Columns without variance are named in the log.  STANDARDISE false: identity. */
int scaling_fit(const simulator *s, const loader *train, bool standardise, pool *p,
                scaling **out);
void scaling_free(scaling *c);
/* z [n][n_x]; adds to *clamped (may be NULL) the number of clamped values. */
void scaling_apply(const scaling *c, size_t n, const float *x, float *z,
                   uint64_t *clamped);
int scaling_put(const scaling *c, store *s);
int scaling_get(store *s, scaling **out);

/* target.c: the parameters that a ratio is about */

typedef struct target {
    const char *name; /* "beta,d_infectious", or "all" */
    uint32_t n;
    const uint32_t *which; /* [n], indices into theta, in target order */
    const prior *prior;    /* of all parameters */
    /* [n] Where only a part of the prior is left: mean and deviation there of what
     * marginal_standardise makes, which a network then sees as 0 and 1.  NULL: the whole prior. */
    const double *centre, *deviation;
} target;
/* Names to indices; ALL: every parameter.  In A. */
int target_of(const simulator *s, arena *a, bool all, size_t n, const char *const *names,
              target *out);
/* Columns of theta [n][n_theta] of the target -> out [n][t->n]. */
void target_columns(const target *t, size_t n, const double *theta, double *out);
/* Standardised theta [n][t->n] -> float z [n][t->n]; derivative [n][t->n] or NULL. */
void target_standardise(const target *t, size_t n, const double *theta, float *z,
                        double *derivative);
/* Its numbers for parameter K of T: as marginal_natural. */
bool target_natural(const target *t, size_t k, double *centre, double *deviation);

/* inside the folder */

/* prior.c: GSL's own handler of errors ends the process; turn it off, once for all. */
void gsl_never_aborts(void);

/* truncated.c: the standard normal on [a, b], a < b, either may be infinite. */
double truncated_log_mass(double a, double b);
double truncated_cdf(double a, double b, double z);
double truncated_quantile(double a, double b, double u);
void truncated_moments(double a, double b, double *mean, double *deviation);

/* simulator.c: room of one worker for a block of rows. */
enum { THETA_MOST = 1000 }; /* parameters of a simulator */
enum { GUARD = 64 };        /* values behind a batch that must stay untouched */
typedef struct workspace {
    void *work; /* the plugin's worker */
    bool allocated, started;
    rng *stream;       /* [block] */
    nre_rng **pointer; /* [block], to the streams */
    uint64_t *item;    /* [block], row numbers */
    double *theta;     /* [block][n_theta], of the rows of one call */
    float *x;          /* [block + 1][n_x] and a guard zone */
    uint8_t *status;   /* [block] and a guard zone */
    double *row_theta; /* [block][n_theta], of all rows of the block */
    /* [block], rows without a valid x; those of the next attempt */
    size_t *pending, *redo;
} workspace;
/* Of WORKER, made when first asked for. */
int simulator_workspace(const simulator *s, unsigned worker, workspace **out);
int simulator_ready(const simulator *s);    /* prepare() has run.  [main] */
size_t simulator_block(const simulator *s); /* rows of one call */
size_t field_size(const nre_field *f);      /* 0 when it overflows */
/* "density[3]" of value J of a row of x; "count" of a field of one value. */
void x_name(const simulator *s, size_t j, size_t n, char *text);

/* propose.c: one thread's room for proposals. */
typedef struct proposer {
    const prior *prior;
    const proposals *how;
    size_t each;
    double *theta; /* [each][n_theta] */
    bool *kept;    /* [each] */
} proposer;
int proposer_new(const prior *p, const proposals *how, proposer *out);
void proposer_release(proposer *m); /* also of one that failed */
/* The first kept theta of a row from proposal *TRIED on, which afterwards counts all it took. */
int propose(proposer *m, rng_key key, uint64_t row, uint64_t *tried, double *theta);

/* draw.c */
typedef struct rows_drawn {
    tally tally;
    double *invalid; /* theta of invalid attempts [tally.invalid][n_theta]; free() */
} rows_drawn;
void tally_add(tally *to, const tally *from);
/* simulator_draw on behalf of a task of TOTAL rows, BEFORE of them done. */
int draw_rows(const simulator *s, pool *p, progress *watch, const draw *d,
              uint64_t before, uint64_t total, double *theta, float *x, uint8_t *status,
              rows_drawn *out);
/* True when invalid rows of D change the prior of theta to p(theta | valid). */
bool rows_change_prior(const draw *d);
/* Tell V (may be NULL) about rows of D where they do. */
void rows_judged(validity *v, const draw *d, size_t n_theta, size_t n,
                 const double *theta, const rows_drawn *r);
size_t validity_n_theta(const validity *v);

/* dataset.c: shards being written, one after another. */
typedef struct shards {
    const simulator *s;
    const dataset_plan *plan;
    bool clean;
    uint64_t n, shard_rows;
    uint64_t index;  /* of the shard that is next */
    double *theta;   /* [shard_rows][n_theta], of that shard */
    float *x;        /* [shard_rows][n_x] */
    uint8_t *status; /* [shard_rows] */
    tally tally;     /* of the shards before */
    json_t *list;
    char draw[256];
} shards;
int shards_open(shards *w, const simulator *s, const dataset_plan *plan, uint64_t n,
                bool clean);
uint64_t shards_rows_now(const shards *w);        /* of the next shard */
int shards_write(shards *w, const rows_drawn *r); /* it, and go on to the one after */
int shards_finish(shards *w);                     /* the manifest */
void shards_close(shards *w);                     /* also of one that failed to open */

/* npy.c */
/* The header of a whole file in memory, and where its items begin. */
int npy_view(const void *bytes, size_t n, npy *out, const void **data);
double npy_value(const npy *a, const void *data, uint64_t i);
int file_map(const char *path, const void **bytes, size_t *n); /* read-only; NRE_EDATA */
void file_unmap(const void *bytes, size_t n);

#endif

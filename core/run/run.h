/* run/run.h - the program: command line, session, stages, run directory, progress.
 *
 * The only folder that sees all others.  Every verb is one file with one entry point, which
 * returns a status; main() turns it into an exit code and shows the message. */
#ifndef NEREID_RUN_H
#define NEREID_RUN_H

#include "config/config.h"
#include "diagnose/diagnose.h"
#include "report/report.h"

/* command.c: the command line */

enum { COMMAND_LIST = 64 }; /* most repetitions of --set and --plugin-path */

typedef enum progress_style {
    PROGRESS_AUTO = 0,
    PROGRESS_BAR = 1,
    PROGRESS_LINES = 2,
    PROGRESS_NONE = 3
} progress_style;

typedef struct command {
    const char *verb;
    size_t n_arguments;
    const char *arguments[8]; /* after the verb */
    const char *out, *until, *observation, *sampler, *theta, *x, *at, *target, *config,
        *cell, *to;
    size_t n_set, n_sweep, n_plugin_path;
    const char *set[COMMAND_LIST], *sweep[COMMAND_LIST], *plugin_path[COMMAND_LIST];
    bool has_seed, has_n;
    uint64_t seed, n;
    unsigned threads;  /* 0: all cores */
    double time_limit; /* seconds; 0: none */
    bool dry_run, resume, force, keep_going, fail_fast;
    bool each, joint, watch, json, quiet, verbose, help, version;
    progress_style progress;
} command;

/* Options before or after the verb; exact names only; unknown ones are NRE_EUSAGE with a
 * suggestion that can be pasted.  Borrows argv. */
int command_parse(int argc, char *argv[], command *out);
int command_help(const char *verb, FILE *out); /* NULL: all verbs */

/* session.c: an experiment with its plugins alive */

typedef struct session {
    arena *arena;
    plugins *plugins;
    bool borrows; /* the plugins are another's */
    experiment *experiment;
    pool *workers;
    progress *watch; /* may be NULL; not owned */
    host_services services;
    instance *simulator_plugin, *architecture, *sampler;
    simulator *simulator;
    size_t n_targets;
    size_t n_estimators;   /* n_targets, or more where a verb was asked for one of them */
    target *targets;       /* [n_estimators] */
    const prior *meant;    /* at inference (infer.prior); NULL: that of the simulations */
    net **nets;            /* [n_estimators]; NULL where no network is asked for */
    struct rounds *rounds; /* NULL: one round, with the whole prior */
} session;

typedef struct session_request {
    const char *config;     /* path of a YAML file */
    const command *command; /* --set, --seed, --plugin-path, --threads */
    progress *watch;
    plugins *plugins;       /* with EXPERIMENT: already loaded; borrowed; else NULL */
    experiment *experiment; /* of a cell; NULL: read the config */
} session_request;
/* Read the config, make the instances, resolve targets, build the networks.  Simulates nothing. */
int session_open(const session_request *r, session **out);
/* priors.c: the prior that is meant at inference, once parameters and targets are known; exit 3 where
 * it cannot be had. */
int session_prior(session *s);
/* Target WHICH as inference means it: with that prior. */
target session_meant(const session *s, size_t which);
/* {PARAMETER: "uniform(0, 1)"} of the priors that differ from training; NULL: none does. */
json_t *session_prior_json(const session *s);
/* "FILE:LINE:COLUMN", or the option that said it, in the session's arena. */
const char *session_place(const session *s, place p);
/* Only a simulator, at its defaults; config is its name. */
int session_of_simulator(const session_request *r, session **out);
void session_close(session *s);
/* Folders of installed data, in A. */
int services_of_data(arena *a, host_services *out);
/* The plugin folders of a command. */
int command_plugins(const command *c, plugins **out);
/* One experiment or many (config_load) by the first argument of a command, in A. */
int command_config(const command *c, plugins *p, arena *a, experiment **one,
                   sweep **many);
unsigned command_threads(const command *c);

/* folder.c: the run directory */

typedef struct folder {
    arena *arena;
    const char *path;
    int lock; /* descriptor that holds the lock */
    FILE *log, *metrics;
} folder;
/* New, --resume or --force: a finished or begun one is NRE_EEXISTS unless one of the two is given,
 * with ADVICE in the message, and a folder with other files in it always; --force moves it to
 * PATH.old-TIME; a live process in it is NRE_ELOCKED. */
int folder_open(const char *path, bool resume, bool force, const char *advice,
                folder **out);
/* One that several processes work in at once: nothing is moved or cleaned, and folder_open waits
 * its turn elsewhere (NRE_ELOCKED). */
int folder_share(const char *path, folder **out);
void folder_close(folder *f);
/* Wait for a lock of another process; a wish to stop ends the waiting. */
int lock_wait(const char *path, int *out);
void lock_release(int lock);
/* NRE_ELOCKED when a live process works in the folder PATH. */
int lock_probe(arena *a, const char *path);
/* Only the name: nothing is made, locked or logged. */
int folder_peek(const char *path, folder **out);
const char *folder_path(const folder *f, const char *format, ...)
    NRE_PRINTF(2, 3);                                      /* in f->arena */
int folder_mark(const folder *f, int status);              /* DONE or FAILED */
int folder_environment(const folder *f, const session *s); /* environment.json */
void folder_metrics(void *folder_, const json_t *line);    /* append to metrics.jsonl */

/* watch.c: progress */

typedef struct watch watch;
watch *watch_new(progress_style style);
void watch_free(watch *w);
progress *watch_progress(watch *w);
/* progress.json goes there; NULL: nowhere */
void watch_folder(watch *w, const char *folder);
void watch_quiet(watch *w); /* end the line of the bar */

/* stages.c: what is done, what must run, and why */

/* stages.json: of each finished stage its inputs ("path = value" lines, checksums of what it
 * read) and how long it took.  A stage is reused when its inputs are the same and its outputs are
 * there. */
typedef struct stages stages;
int stages_open(const char *path, stages **out); /* no file: nothing is done */
void stages_free(stages *s);
/* True: reuse.  *reason (in A): "same inputs", "never ran", "train.epochs changed: 30 -> 20". */
bool stage_is_done(const stages *s, const char *name, const char *inputs, arena *a,
                   const char **reason);
int stage_done(stages *s, const char *name, const char *inputs, double seconds);
/* Before its outputs are touched, or when they turn out damaged: it will run again. */
int stage_forget(stages *s, const char *name);
/* The same, in memory alone. */
void stage_ignore(stages *s, const char *name);
double stage_seconds(const stages *s, const char *name); /* NAN when unknown */
/* What the first line of the inputs B says that A does not have as it is, in MEMORY; NULL: nothing. */
const char *inputs_difference(const char *a, const char *b, arena *memory);

/* the stages: one file each */

/* What simulations are for. */
enum { TRAIN = 0, VALIDATION = 1, TEST = 2, CALIBRATION = 3, N_PURPOSES = 4 };

typedef struct run {
    session *session;
    folder *folder;    /* where results go */
    folder *source;    /* where data/ and model/ are; run: the same folder */
    bool observed;     /* n_rows and rows are known (observations_of) */
    size_t n_rows;     /* observed rows of x, given by hand or of the config */
    const float *rows; /* NULL: none */
    bool joint;        /* rows belong together */
    bool plain;        /* leave the calibration out: as the networks say */
    /* of each purpose, once known: files are hashed only once */
    const char *row_inputs[N_PURPOSES];
    stages *stages;
    progress *watch;
    const char *store; /* of a sweep: datasets by what they are made of; else NULL */
    json_t *planned;   /* of a dry run of a sweep: {KEY: true} of what will be there */
    json_t *result;    /* of --json, or NULL: stages, notes, tables */
    size_t n_timings;
    timing_row *timings; /* grows; in the folder's arena */
    const char *label;   /* before the names of its units: "round 2: "; NULL: nothing */
    const folder *whole; /* of a round: the run's folder; else NULL */
    pair_set **
        passes; /* [2 n_targets] over test pairs, those without calibration last; or NULL */
} run;

/* One unit of work: how to name, key, do and find it again. */
typedef struct unit {
    const char *name;  /* "simulate/train", "train/all" */
    const char *stage; /* "simulate" */
    size_t index;      /* of purpose, target or diagnostic */
    const char *inputs;
    /* The first of its outputs that is not there, in the folder's arena; NULL: all are. */
    const char *(*missing)(const run *r, const struct unit *u);
    /* Whether another cell of the sweep has made its outputs, so that performing it is cheap;
     * NULL: never. */
    bool (*shared)(run *r, const struct unit *u);
    int (*perform)(run *r, const struct unit *u, double *rate, const char **rate_unit);
} unit;
/* rounds.c: a run with `rounds:`.  Round K has its own folder RUN/rounds/K with data, model, stages
 * and region.h5; RUN/data and RUN/model lead to those of the last round, whose test set, posterior and
 * diagnostics are the run's. */

typedef struct rounds rounds;
typedef struct round_facts {
    cut_facts cut; /* what the region of this round's networks keeps of its prior */
    double prior, prior_error; /* volume of the prior that it was trained on */
    double left, left_error;   /* of that region */
} round_facts;
/* Where the config asks for rounds: S stands before the first. */
int rounds_new(session *s);
void rounds_free(rounds *r);
/* All rounds, and links to the last; S then stands at it.  LAST as in run_request: simulate ends after
 * the simulations of the first. */
int rounds_run(run *r, size_t last);
/* Units of each round in turn; *GO_ON: what they make is there, and the next round can follow. */
typedef int round_visit(run *one, size_t n, const unit *u, void *context, bool *go_on);
int rounds_walk(run *r, round_visit *visit, void *context);
/* Where S has rounds: NRE_EEXISTS when the run in the folder PATH has parts of a run without, or copies
 * where its links belong. */
int rounds_check_folder(const session *s, const char *path);
/* S stands at the last round of the run in F; NRE_EDATA when that is not what RUN/model leads to. */
int rounds_restore(session *s, folder *f);
/* Without rounds, or standing at the last one. */
bool rounds_settled(const session *s);
/* Of the session's round: its number, from 1 (0: no rounds); the prior that is left for it (NULL: all);
 * what that was made of, as lines of inputs; the streams' name of a purpose; simulations to train on. */
size_t rounds_now(const session *s);
const truncation *rounds_truncation(const session *s);
const char *rounds_inputs(const session *s);
/* What rounds_describe tells of, as lines of inputs. */
const char *rounds_regions(const session *s);
const char *rounds_purpose(const session *s, arena *a, const char *purpose);
uint64_t rounds_size(const experiment *e);
/* Rounds whose region is known. */
size_t rounds_known(const session *s, const round_facts **facts);
/* Adds "rounds" and "valid_for" to a summary. */
void rounds_describe(const session *s, json_t *result);
/* Valid simulations of the rounds before the last one. */
uint64_t rounds_simulations(const run *r);
/* "valid for this observation only: ..."; NULL where nothing was truncated. */
const char *rounds_scope(const session *s, arena *a);
/* Refuses any other observation than that of the rounds, and its rows one by one where the rounds took
 * them together: exit 5. */
int rounds_check_observation(const session *s, size_t n, const float *x, bool joint);
/* RC of opening the last round's set of a purpose: a damaged one is forgotten there. */
int rounds_refuse(const run *r, size_t purpose, int rc);
/* With the simulations of earlier rounds that lie in what is left of the prior, which are draws of it too:
 * *L of *D becomes that of all, and *D NULL. */
int rounds_join(const run *r, size_t purpose, dataset **d, loader **l);
/* Whether a round has such a unit; the others are the run's. */
bool unit_is_of_rounds(const unit *u);

/* run_one.c: the stages of one experiment, in a folder */

typedef struct run_request {
    session *session;
    const command *command; /* --resume, --force, --dry-run, --json */
    watch *watch;           /* may be NULL */
    const char *path;       /* of the folder */
    const char *config;     /* the config as given, to be kept; "-": none */
    const char *store;      /* as in run */
    size_t last;            /* number of the last stage */
    double started;         /* seconds_now() at the beginning */
    FILE *out;              /* summary; NULL: none */
} run_request;
enum { STAGE_TRAIN = 1, STAGE_REPORT = 4 };
double seconds_now(void);
/* Number of the stage that --until names; the last one without it. */
int last_stage(const command *c, size_t *out);
int run_one(const run_request *q);
/* Whether a run has ended (DONE) and nothing of it would run again; its message when it missed a
 * gate, else "". */
int run_is_finished(const run_request *q, bool *finished, const char **missed);
/* What run_one would do: {"stage", "action", "reason"} a unit, added to LIST; PLANNED as in run. */
int run_foresee(const run_request *q, json_t *planned, json_t *list);

/* sweep.c: the runs of a sweep, one after another, each in a process of its own */
int sweep_run(const command *c, plugins *p, const sweep *s, size_t last, double started);

/* What is wrong with cells, each message once. */
typedef struct complaints {
    arena *arena;
    int first; /* status; NRE_OK: nothing is wrong */
    const char *text;
} complaints;
/* Add this thread's last message, with CELL unless it has a place in the config; not for what ends
 * everything, which is returned. */
int complain(complaints *c, int status, const char *cell);

/* pairs_file.c: what is known of each test pair, for tests of one run against another on the same pairs:
 * /pairs f64 [n][4], gain, log_ratio, rank, deviance, NaN where missing, and /theta f64 [n][dim], the
 * truths.  Measures stay out.  [main] */
int pairs_save(const pair_set *p, const char *path);
/* NRE_EDATA when it is no such file, or damaged. */
int pairs_load(const char *path, pair_set **out);

/* compare_pairs.c: cells beside the best of the same target, on the same test pairs */

typedef struct compared {
    const char *name;
    size_t n; /* finished runs, trainings of the same */
    const char *const *runs;
} compared;
/* Of targets and levels in COVERAGE, whose rows have these cells.  Only cells whose runs kept their pairs
 * (pairs_save) and that share their test set with another; all in A.  A damaged file is a gap, after those
 * of COVERAGE, and a warning in the log.  [main] */
int compare_pairs(size_t n, const compared *cells, const coverage_table *coverage,
                  arena *a, paired_table *out);

/* compare.c: tables of the finished runs below folders, which are runs or sweeps */

/* Where a run stands, in A: "done", "failed, exit 6: ..", "not finished", "not begun". */
const char *run_state(const char *path, arena *a, bool *finished);
/* Tables into the folder TABLES (NULL: none) and a page (NULL: none), a short form on OUT (NULL: none).
 * NRE_EDATA when nothing is finished in any of them. */
int compare_folders(size_t n, const char *const *paths, const char *tables,
                    const char *page, FILE *out);

/* Units of each stage in order, in the folder's arena. */
int units_of_run(run *r, size_t *n, const unit **out);
/* Reuse or run them, in order, up to stage LAST. */
int units_perform(run *r, size_t n, const unit *u, size_t last);
/* Whether a unit is done and its outputs are there; else why not. */
bool unit_is_reusable(const run *r, const unit *u, const char **reason);
int units_simulate(run *r, arena *a, size_t *n, unit **out);
int units_train(run *r, arena *a, size_t *n, unit **out);
int units_infer(run *r, arena *a, size_t *n, unit **out);
int units_diagnose(run *r, arena *a, size_t *n, unit **out);
/* Tables, page and summary from what the other stages left; the summary goes to OUT (NULL:
 * nowhere).  NRE_EGATE when a gated diagnostic missed its threshold. */
int report_run(run *r, double seconds, FILE *out);
/* The page alone, into the file PATH, from results that are there, all or not: STATE is that of the run
 * (run_state).  Nothing else is written.  What it misses is noted in r->result. */
int report_page(run *r, const char *state, bool finished, const char *path);
/* WHERE/NAME.{svg,csv,gp} of posteriors, coverage (may be NULL), diagnostics and loss; what they show and
 * where they are, in A, for the page: out->figures, captions and n_undrawn.  Where gnuplot draws nothing
 * those that the run has are taken. */
int figures_write(const run *r, const char *where, const coverage_table *coverage,
                  arena *a, run_summary *out);
/* A folder for figures alone, and its end; the message of an error stays. */
int scratch_make(arena *a, const char **out);
void scratch_remove(const char *path);
/* r->result with folder, exit code and message of RC, on stdout; nothing without --json. */
void result_print(const run *r, int rc);

extern const char *const PURPOSES[N_PURPOSES]; /* "train", ... */
const dataset_request *dataset_request_of(const experiment *e, size_t purpose);
/* Whether a run has simulations of that purpose on disk; of calibration only where the config says
 * datasets.calibration. */
bool dataset_is_needed(const experiment *e, size_t purpose);

/* What unit NAME of the source made is damaged, as the last message says, which stays: it is done no
 * longer, so that --resume makes it anew.  Where only the source is read, its list says so, unless a
 * live process works there. */
void stage_damaged(const run *r, const char *name);
/* In the source's arena. */
#define source_path(r, ...) folder_path((r)->source, __VA_ARGS__)
/* What makes the rows of a purpose; and what its unit and all that reads it depend on. */
int dataset_inputs(run *r, size_t purpose, const char **out);
/* PATH, in the folder's arena, unless there is such a file. */
const char *path_missing(const run *r, const char *path);
/* What later stages read.  A damaged dataset is forgotten as a finished unit: --resume makes what
 * is damaged anew.  *D is NULL where training draws its simulations itself: then the loader of
 * purpose 0 is that of the first network. */
int run_loader(const run *r, size_t purpose, dataset **d, loader **l);
/* Whether training draws its simulations itself, so that there is no set of them on disk. */
bool trains_online(const experiment *e);
/* Whether several networks are joined as a mixture of posteriors. */
bool joins_posteriors(const experiment *e);
/* Those of a network of the ensemble; attempts of its first set go to V (or NULL).  On failure, too,
 * *L is to be freed. */
int online_loader_of(const run *r, size_t member, validity *v, loader **l);
/* Valid simulations that the networks of a target drew while training; 0 where they read a set. */
uint64_t simulations_while_training(const run *r, const char *name);
/* More invalid rows than the config allows: NRE_ENUMERIC.  The log tells of fewer. */
int simulations_check(const run *r, const tally *t, const char *purpose);
/* Inputs of a stage that uses the observed rows: their number and checksum, added to *TEXT. */
int observation_inputs(run *r, arena *a, const char **text);
/* Inputs of a stage that uses the estimator of a target. */
int estimator_inputs(run *r, arena *a, size_t target, const char **out);
/* That which the posterior of a target is made of: its own, or for rows that share what it leaves out that
 * of all parameters, n_estimators where there is none.  After observations_of. */
size_t posterior_estimator(const run *r, size_t which);
/* What keys say together and only the built networks can tell: exit 3. */
int training_check(const session *s);
typedef struct estimator { /* a trained (or exact, or prior) ratio, ready to use */
    size_t n_members;
    model **models;
    scaling **scalings;
    ratio *ratio;
    validity_model *validity;
    calibration *calibration; /* or NULL */
    ratio *plain;             /* what RATIO calibrates; or NULL */
    posterior posterior;
} estimator;
int estimator_open(const run *r, size_t target, estimator **out);
void estimator_close(estimator *e);
/* calibrate.c: infer.calibrate.  The map is fitted once, before the posteriors; what it makes of them
 * stands beside what the networks say (run.plain), which is never left out. */
bool calibrates(const experiment *e);
const char *calibration_words(const experiment *e); /* "isotonic", "isotonic per theta" */
json_t *calibration_said(const run *r);             /* {map, per}, or null */
/* Its units, added to OUT. */
int units_calibrate(run *r, arena *a, size_t *n, unit *out);
/* What an estimator depends on more. */
int calibration_inputs(run *r, arena *a, size_t which, const char **text);
/* E's ratio becomes the calibrated one. */
int calibration_open(const run *r, size_t which, estimator *e);
/* {"before", "after", "log_loss_change", ..}: both as classifiers of the test set. */
int calibration_judge(const ratio *before, const ratio *after, const loader *test,
                      pool *workers, json_t **out);

/* judged.c: what the diagnostics of one target work on */

typedef struct judged {
    estimator *estimator; /* NULL for abc */
    dataset *data;
    loader *test;
    size_t n_members; /* of an ensemble, else 0 */
    ratio **member;
    posterior *members;
    subject subject;
} judged;
int judged_open(run *r, size_t which, judged *j);
void judged_close(judged *j);
/* What a diagnostic depends on: keys below PREFIX, test rows, estimators, the observation. */
int judged_inputs(run *r, arena *a, size_t n, const char *const *prefix, bool observes,
                  const char **out);

/* checks.c: the diagnostics of core/diagnose's list */

const char *check_name(size_t kind); /* "sbc", by config's check_kind */
/* Asked for by the config, or on by itself and with something to say. */
bool check_is_wanted(const run *r, size_t kind);
/* Their units, added to OUT. */
int units_check(run *r, arena *a, size_t *n, unit *out);
/* S->pairs: the pass over test pairs with all measures that this run wants; made when first asked
 * for and kept until pairs_forget. */
int pairs_shared(run *r, size_t which, subject *s);
void pairs_forget(run *r);

/* Whether there is an observation: rows of R, or infer.observation. */
bool has_observation(const run *r);
/* Observed rows of x: those of R, else of the config: read, simulated (mock) or none (*n = 0).
 * They live as long as the session. */
int observations_of(run *r, size_t *n, const float **x);
/* What mock observations are simulated at: theta [all]. */
void mock_theta(const session *s, double *theta);

/* regions.c */

bool wants_neyman(const experiment *e);
/* What they are made of beside the estimator, added to *TEXT. */
int neyman_inputs(run *r, arena *a, const char **text);
/* Critical values of a target at all levels that the config asks for, kept in
 * model/TARGET/neyman.json; NULL where it asks for none.  E is the target's estimator. */
int neyman_open(run *r, size_t which, const estimator *e, neyman **out);
typedef struct region_request {
    const session *session;
    const estimator *estimator;
    const target *target;
    const observed *observed;
    ratio_worker *worker;
    size_t row, n_rows;
    const char *name;     /* of the observation */
    const neyman *neyman; /* or NULL */
} region_request;
/* infer.regions of one observation, or of several rows as one: a list, empty where the config has
 * none. */
int regions_of(const region_request *q, json_t **out);

/* Posterior of row ROW (sum over N_ROWS) by sampler or grid: files under FOLDER, and the summary
 * as JSON (what the posterior table shows). */
typedef struct posterior_request {
    const session *session;
    const estimator *estimator;
    size_t target;
    const instance *sampler;
    size_t n_rows; /* of x; each its own posterior, or one for all when JOINT */
    const float *x;
    bool joint;
    const char *folder;   /* posterior/TARGET */
    const neyman *neyman; /* or NULL */
} posterior_request;
int posterior_summarise(const posterior_request *r, json_t **summary);

/* DRAWS of row ROW from elsewhere, no estimator's: samples.nc in FOLDER, and the summary of an
 * observation called NAME, without maxima and gate. */
int posterior_of_draws(const posterior_request *r, const char *name, size_t row,
                       const chains *draws, json_t **summary);

/* abc.c: infer.method: abc */

bool uses_abc(const experiment *e);
/* NRE_ECONFIG when too few of the training simulations would be kept. */
int abc_check(const experiment *e);
/* Makes an infer unit, complete but for inputs and perform, one of this method. */
int abc_unit(run *r, arena *a, unit *u);
/* What area and coverage have in their place: null, and why. */
json_t *abc_no_area(void);
json_t *abc_no_coverage(const experiment *e);

/* estimates.c: the maxima of N posteriors at once, each of one row, ROW on; of one alone, also of the
 * sum over N_ROWS rows.  They climb from the best draws of CHAINS [n]. */
typedef struct estimates_request {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows, n;
    const chains *const *chains;
    /* [n_columns] Of those parameters alone is told; NULL: of all. */
    const uint32_t *column;
    size_t n_columns;
    bool
        networks; /* which know nothing beyond the simulations: a maximum there is none */
} estimates_request;
/* Adds to each observation [n], an object of the summary with the target's "parameters" first: of
 * each of these "map", "mle" and their errors "map_sd", "mle_sd"; of the observation "map" and "mle"
 * with covariance and correlation, or the reason why there is none. */
int estimates_add(const estimates_request *r, json_t *const *observation);

/* growth.c: adds "growth" to the summary of rows taken together, whose draws are C: how far the networks
 * of the ensemble differ in one row and in all, or the reason why that is not known. */
int growth_add(const posterior_request *r, const chains *c, json_t *observation);

/* A finished run opened for use: its resolved config, nothing trained anew. */
int run_open(const char *path, const command *c, progress *w, session **s, folder **f);

/* verbs */

int verb_run(const command *c);
int verb_simulate(const command *c);
int verb_infer(const command *c);
int verb_evaluate(const command *c);
int verb_export(const command *c);
int verb_check(const command *c);
int verb_plugins(const command *c);
int verb_new(const command *c);
int verb_init(const command *c);
int verb_explain(const command *c);
int verb_table(const command *c);
int verb_report(const command *c);
int verb_status(const command *c);

/* export_facts.c, export_onnx.c: networks for others */

/* Members FIRST .. FIRST + N - 1 of a target, as they were trained. */
typedef struct export_request {
    const session *session;
    size_t target, first, n;
    float **values;     /* [n], of each: weights, then buffers */
    scaling **scalings; /* [n] */
} export_request;
/* {KEY: text}, most of them JSON: architecture, simulator, target, x, network. */
int export_facts(const export_request *e, json_t **out);
/* theta [batch][target n] double and x [batch][n_x] float, both raw -> log_ratio [batch], the mean
 * over the members. */
int export_onnx(const export_request *e, const json_t *facts, const char *path);

/* export_samples.c: posterior draws for others */

bool exports_samples(const char *format); /* "arviz", "getdist", "csv", "npy" */
/* To c->to, of c->target (NULL: all targets), into the folder c->out (NULL: export/ of the run). */
int export_samples(const command *c, const session *s, const folder *source);

/* plugin_new.c, plugin_check.c */

/* FOLDER/NAME.c and FOLDER/meson.build: a commented plugin that compiles against the installed
 * header.  An existing file is NRE_EEXISTS. */
int plugin_new(nre_kind kind, const char *name, const char *folder);
/* Contract tests of one plugin file, each in a child process; a line a test on OUT; NRE_EPLUGIN
 * when one failed. */
int plugin_check(const command *c, const char *path, FILE *out);

/* inside the folder: figures */

enum { GALLERY_MOST = 96 };
typedef struct gallery {
    const run *run;
    arena *arena;
    const char *folder; /* figures */
    size_t n;
    const char *name[GALLERY_MOST], *caption[GALLERY_MOST];
} gallery;
/* Both in the gallery's arena; NULL: out of memory. */
int gallery_add(gallery *g, const char *name, const char *caption);
/* NAME, or its beginning and a hash of it where it is too long for a file. */
const char *figure_name(arena *a, const char *name);
/* "beta, d_infectious"; of target all "all parameters". */
const char *target_words(arena *a, const char *name);
/* Results stand without their figures: a failure is a warning, but for memory's end. */
int figure_tried(int rc);
/* figures_posterior.c, figures_checks.c */
int figures_of_posterior(gallery *g, const target *t);
int figures_of_checks(gallery *g);

/* Log densities this far below the highest are as good as none. */
#define FIGURE_DEPTH 30.0
/* The first N parameters of a target, each alone (LINE [n]) and each two (PLANE, as in corner_figure), on
 * axes [n] whose ranges and cells are chosen, too. */
typedef struct densities {
    arena *arena;
    const target *target;
    size_t n, n_draws;
    figure_axis *axis;
    double **line, **plane;
} densities;
/* figures_grid.c: of grid.h5; figures_draws.c: of samples.nc, whose draws are worth EFFECTIVE independent
 * ones. */
int densities_of_grid(densities *d, const char *path);
int densities_of_draws(densities *d, const simulator *s, const char *path,
                       double effective);
/* figures_posterior.c: an axis from LOW to HIGH and a little around it, within the support from LEAST to
 * MOST; logarithmic when HIGH is far above LOW > 0. */
void figure_range(figure_axis *x, double low, double high, double least, double most);

/* inside the folder: contract tests */

/* What a test is told.  Each runs in a child process of its own: it may leave memory, threads and
 * worse behind. */
typedef struct checked {
    const char *path;
    const command *command;
    const host_services *services;
    const plugin *plugin;     /* NULL while it is not known to load */
    const nre_values *values; /* its defaults and --set */
    arena *arena;
    /* [CHECK_NOTE] what is done now, said after a crash, or when all is well; shared with
     * the parent */
    char *note;
} checked;
enum { CHECK_NOTE = 256, CHECK_SKIPPED = 1 };
typedef struct contract {
    const char *says; /* "rows do not depend on the batch"; NULL ends a list */
    /* 0: it holds; CHECK_SKIPPED: it does not apply, the message says why; else it is broken. */
    int (*holds)(const checked *c);
    bool basic; /* when it is broken, nothing after it is tested */
} contract;
extern const contract SIMULATOR_CONTRACT[], ARCHITECTURE_CONTRACT[], SAMPLER_CONTRACT[];
int check_skipped(const char *format, ...) NRE_PRINTF(1, 2);
void check_note(const checked *c, const char *format, ...) NRE_PRINTF(2, 3);
/* check_symbols.c: NRE_EPLUGIN when PATH, an ELF file, exports more than nre_plugin_v1. */
int symbols_check(const char *path);

/* inside the folder: what a report is made of */

enum { REPORT_NOTES = 64 };
/* report_checks.c: what a row of area.json or predictive.json says of its observed rows. */
typedef enum place_kind { PLACE_OF_AREA, PLACE_OF_ROW, N_PLACE_KINDS } place_kind;
typedef struct placed_rows {
    const json_t *row; /* that the rest is read from */
    size_t n_test;
    const double *sorted, *value; /* [n_test], [observed rows]; NULL: none */
    places all;
} placed_rows;

typedef struct report_data {
    run *run;
    arena *arena;
    json_t *coverage, *area, *predictive, *calibration; /* NULL when not there */
    json_t *check[N_CHECKS];                            /* so are these, by check_kind */
    json_t *source_checks; /* of the run whose networks answer here, or NULL */
    json_t *
        *posterior; /* [n_targets], then those without calibration; NULL when not there */
    size_t n_units;
    const unit *units;   /* of a run that is not finished: whose results are its own? */
    const char *missing; /* results that the config asks for, with reasons; or NULL */
    bool beside; /* what is read now stands beside the answer: no notes, no gates */
    coverage_table coverage_table;
    posterior_table posterior_table;
    checks_table checks_table;
    quality_table quality_table;
    const char *notes[REPORT_NOTES];
    size_t n_notes, n_gates;           /* the gates that were missed come first */
    const char *checked[REPORT_NOTES]; /* what a check says, too: for --json alone */
    size_t n_checked;
    placed_rows placed[N_PLACE_KINDS]; /* of the row asked for last */
} report_data;

/* stage_report.c: numbers that are missing are NAN, words NULL */
double real_in(const json_t *object, const char *key);
uint64_t count_in(const json_t *object, const char *key);
const char *word_in(const json_t *object, const char *key);
void reals_in(const json_t *object, const char *key, size_t n, double *out);
bool row_is_calibrated(const json_t *row);
/* Of a target, with the calibration of LIKE or without. */
const json_t *report_row(const json_t *result, const char *name, const json_t *like);
void report_note(report_data *d, const char *text);
void report_checked(report_data *d, const char *text);
/* Before all other notes. */
void report_miss(report_data *d, const char *why);
/* Name of the row: the architecture, or what stands in its place; with its calibration. */
const char *report_estimator(const experiment *e);
const char *report_name(const report_data *d, const json_t *result);
/* With what the results are valid for, where that is not every observation. */
const char *report_title(const report_data *d);
uint64_t report_simulations(const report_data *d, const char *name);
/* report_posteriors.c: d->posterior becomes the table. */
int report_posteriors(report_data *d);
/* What the draws of an observation missed of infer.sampler.gate; NULL: nothing. */
const char *report_draws_missed(arena *a, const json_t *observation);
/* Whether the networks' error has grown too far over rows taken together. */
bool report_grown_too_far(const json_t *grown);
/* report_checks.c */
places report_places(report_data *d, const json_t *row, place_kind kind);
/* Whether observed row I is among those outside, and these are more than chance brings. */
bool report_is_outside(report_data *d, const json_t *row, place_kind kind, size_t i);
/* A row a check and target, and the gates that were missed. */
int report_checks(report_data *d);
/* report_quality.c */
int report_quality(report_data *d);
/* report_asked.c: {WHAT, IN WORDS} of the experiment, in A. */
int report_asked(const run *r, arena *a, size_t *n, const char *const (**out)[2]);

#endif

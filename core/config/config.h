/* config/config.h - from YAML text to a checked experiment, every value with its place.
 *
 * All mistakes of a config are collected (at most 20) and shown together, each as
 *   FILE:LINE:COLUMN: error: sentence, the line, a caret, a suggestion that can be pasted.
 * A config with mistakes is NRE_ECONFIG (exit 3); the report is the message. */
#ifndef NEREID_CONFIG_H
#define NEREID_CONFIG_H

#include "plugin/plugin.h"

/* tree.c: YAML events -> tree */

typedef enum node_kind { NODE_MAP = 1, NODE_LIST = 2, NODE_SCALAR = 3 } node_kind;

/* Line and column count from 1, columns in characters.  ORIGIN is a file name as the user gave it,
 * "--set PATH=VALUE", "--seed" or "default". */
typedef struct node node;
struct node {
    node_kind kind;
    const char *text; /* scalar: its text */
    bool quoted;      /* scalar: a string for sure */
    const char *key;  /* in a map: its key */
    size_t key_line, key_column, key_width;
    size_t line, column, width; /* of the value; width of its first line */
    const char *origin;
    node *parent, *first, *next; /* children in order */
    size_t n;                    /* of children */
};

/* At most 1 MiB, 32 levels, 10,000 nodes, one document; anchors, aliases, tags and duplicate keys
 * are refused.  Mistakes go to MISTAKES; the tree lives in A.  NRE_ECONFIG when a mistake left no
 * tree to go on with.  Nothing but comments is an empty scalar. */
typedef struct mistakes mistakes;
int tree_parse(arena *a, const char *origin, const char *text, size_t n, mistakes *m,
               node **out);
/* Child of a map by key, NULL when absent; M may be NULL or no map. */
node *node_child(const node *m, const char *key);
/* "diagnose.coverage.levels[1]"; "" for a root; in A. */
const char *node_path(const node *n, arena *a);

/* mistakes.c: collected errors */

mistakes *mistakes_new(arena *a);
/* Lines of ORIGIN for the carets; TEXT is borrowed.  Origins are reported in this order. */
void mistakes_source(mistakes *m, const char *origin, const char *text, size_t n);
/* HINT ("did you mean 'x'?  (known: a, b)") may be NULL.  WIDTH 0: no caret; the caret ends where
 * the line does.  LINE 0, and origins that begin with "--": no position. */
void mistake_add(mistakes *m, const char *origin, size_t line, size_t column,
                 size_t width, const char *hint, const char *sentence, ...)
    NRE_PRINTF(7, 8);
size_t mistakes_count(const mistakes *m);
/* NRE_OK when there are none, else NRE_ECONFIG with the report as message. */
int mistakes_fail(const mistakes *m);
/* As many of the first 20 as fit in a message, and how many more there are. */
const char *mistakes_report(const mistakes *m);

/* experiment.c: what a config says */

/* Where a value was said, for messages of later stages. */
typedef struct place {
    const char *origin;
    size_t line, column;
} place;

typedef struct component { /* plugin: + params: */
    const char *name;
    const plugin *plugin; /* loaded and vetted */
    nre_values *values;   /* complete */
    place where;
} component;

typedef struct parameter_override {
    const char *name;
    uint32_t prior;      /* nre_prior */
    double a, b, lo, hi; /* as in nre_theta */
    place where;
} parameter_override;

typedef struct limit_request { /* a one-sided limit on a parameter */
    const char *parameter;
    bool upper;
    double level;    /* in (0.5, 1) */
    unsigned priors; /* a bit each: own, uniform, inverse, log */
    double against;  /* NAN: no value to compare with */
    place where;     /* of the parameter's name */
    place priors_where, against_where;
} limit_request;

typedef struct dataset_request {
    bool wanted;
    uint64_t n;
    uint64_t shard;        /* rows of a file; 0: chosen by the core */
    const char *file;      /* {file:}: HDF5 of ours or of others; absolute; or NULL */
    const char *theta, *x; /* {theta:, x:}: .npy; absolute; or NULL */
    bool noise_included;   /* of files: noise: included | add */
    place where;
} dataset_request;

typedef enum invalid_policy {
    INVALID_ERROR = 0,
    INVALID_REDRAW_X = 1,
    INVALID_REDRAW_THETA = 2
} invalid_policy;

typedef enum schedule_kind {
    SCHEDULE_CONSTANT = 0,
    SCHEDULE_COSINE = 1,
    SCHEDULE_PLATEAU = 2,
    SCHEDULE_ONE_CYCLE = 3
} schedule_kind;

typedef enum ensemble_kind {
    ENSEMBLE_MEAN = 0,   /* of log ratios */
    ENSEMBLE_MIXTURE = 1 /* of posteriors */
} ensemble_kind;

typedef enum estimator_kind { /* what answers log r */
                              ESTIMATOR_NETWORK = 0,
                              ESTIMATOR_EXACT = 1,
                              ESTIMATOR_PRIOR = 2
} estimator_kind;

typedef struct target_request {
    bool all; /* `all`: every parameter */
    size_t n;
    const char *const *names;
    place where;
} target_request;

enum {
    REGION_CREDIBLE = 1u,
    REGION_CONFIDENCE = 2u,
    REGION_NEYMAN = 4u,
    REGION_BIASED = 8u
};

enum { /* of infer.regions */
       SET_CREDIBLE = 1u,
       SET_CONFIDENCE = 2u,
       SET_NEYMAN = 4u,
       SET_PROFILE = 8u
};

/* Diagnostics with the same keys: diagnose.NAME in this order. */
typedef enum check_kind {
    CHECK_SBC = 0,
    CHECK_TARP = 1,
    CHECK_ENTROPY = 2,
    CHECK_ENSEMBLE = 3,
    CHECK_LIKELIHOOD = 4,
    CHECK_POSTERIOR_PREDICTIVE = 5,
    CHECK_AUC = 6,
    CHECK_CONVERGENCE = 7,
    CHECK_LOCAL_COVERAGE = 8,
    CHECK_LC2ST = 9,
    N_CHECKS = 10
} check_kind;
typedef struct check_request {
    bool wanted;
    uint64_t n; /* observables: what it takes; 0: all there are, or its own choice */
    uint64_t repeats; /* 0: its own choice */
    struct {
        bool fails;          /* a value that a right ratio hardly has is exit 7 */
        double above, below; /* so is one beyond these; NAN: no threshold */
    } gate;
} check_request;

typedef enum method_kind { METHOD_RATIO = 0, METHOD_ABC = 1 } method_kind;
typedef enum abc_distance {
    ABC_STANDARDISED = 0,  /* Euclidean, of x as a network sees it */
    ABC_RATIO_VARIANCE = 1 /* variance over bins of x / observed (Hermans et al. 2020) */
} abc_distance;
typedef enum calibration_map {
    CALIBRATE_HISTOGRAM = 0,
    CALIBRATE_ISOTONIC = 1,
    CALIBRATE_PLATT = 2
} calibration_map;
typedef enum calibration_scope {
    CALIBRATE_ALL = 0,  /* one map for all theta */
    CALIBRATE_THETA = 1 /* one for each */
} calibration_scope;

typedef struct experiment {
    const char *path; /* of the file; "-" for stdin */
    const char *name;
    uint64_t seed;
    estimator_kind estimator;
    struct {
        component component;
        invalid_policy on_invalid;
        double max_fraction; /* of invalid rows, default 0.01 */
    } simulator;
    size_t n_overrides;
    const parameter_override *overrides;
    struct {
        dataset_request train, validation, calibration, test;
    } datasets;
    component architecture;
    struct {
        struct {
            const char *name;
            uint64_t marginals;   /* shifts a row */
            double gamma, lambda; /* of nre_c, of balance */
        } loss;
        struct {
            const char *name;
            double lr, beta1, beta2, eps, weight_decay;
        } optimizer;
        struct {
            schedule_kind kind;
            uint64_t warmup;   /* epochs of linear warm-up */
            double factor;     /* plateau: of each reduction */
            uint64_t patience; /* plateau: epochs without gain */
            double min_lr;
        } schedule;
        uint64_t batch_size, epochs;
        uint64_t patience; /* epochs without a better validation loss; 0: all */
        uint64_t ensemble;
        uint64_t replicate; /* which of several independent trainings */
        struct {
            bool wanted;
            uint64_t reuse; /* epochs of each simulation */
        } online;
        uint64_t accumulate;       /* parts of a batch */
        double average;            /* decay of the average of weights, a step; 0: none */
        double clip;               /* norm of the gradient; 0: none */
        bool standardise;          /* `standardise: none` turns it off */
        uint64_t checkpoint_every; /* epochs */
    } train;
    struct {
        size_t n_targets;
        const target_request *targets;
        ensemble_kind ensemble;
        method_kind method;
        struct {
            double keep; /* fraction of the training simulations */
            abc_distance distance;
        } abc;
        size_t n_priors; /* other than in training */
        const parameter_override *priors;
        struct {
            bool wanted;
            calibration_map map;
            calibration_scope per;
        } calibrate;
        struct {
            const char *file; /* absolute or a name the plugin's data folder has */
            bool wanted;
            struct {
                bool wanted;
                size_t n_at; /* theta by name; the others at nominal */
                const char *const *names;
                const double *values;
                uint64_t n, seed;
            } simulate;
            place where;
        } observation;
        enum {
            NUISANCE_UNSAID = 0,
            NUISANCE_PER_OBSERVATION = 1,
            NUISANCE_SHARED = 2
        } nuisance;
        size_t n_limits;
        const limit_request *limits;
        struct {
            bool wanted;
            size_t n_levels;
            const double *levels; /* in (0, 1) */
            unsigned kinds;       /* SET_... */
        } regions;
        struct {
            component component;
            uint64_t chains, warmup, draws;
            struct {
                double r_hat, ess;
                bool error; /* a missed gate is exit 7 */
            } gate;
        } sampler;
    } infer;
    struct {
        struct {
            bool wanted;
            size_t n_levels;
            const double *levels; /* in (0, 1) */
            unsigned regions;     /* REGION_... */
            uint64_t observables, repeats;
            bool gate_under;    /* gate: {under: error} */
            double gate_gain;   /* a gain below it is exit 7; NAN: none */
            bool snap;          /* the paper's snapping to the nearest grid point */
            size_t n_bias;      /* 1 or n_levels */
            const double *bias; /* added to the levels of biased regions */
        } coverage;
        struct {
            bool wanted;
            uint64_t observables;
            bool gate_outside; /* gate: {outside: error}: of the observation's area */
        } area;
        struct { /* the observation among prior predictions */
            bool wanted;
            uint64_t observables; /* test rows it is ranked among */
            bool gate_outside;
        } predictive;
        check_request check[N_CHECKS];
    } diagnose;
    struct {
        bool wanted;
        uint64_t most;  /* rounds */
        uint64_t n;     /* simulations of a round; 0: those of datasets.train */
        double epsilon; /* of the maximum of r */
        double stable;  /* fraction of the volume kept at which it ends */
        bool box;
    } rounds;
    struct {
        bool html;
    } report;
    const node *tree; /* as resolved: every key with its value and origin */
} experiment;

typedef struct config_request {
    const char *path; /* of the YAML file, "-": stdin */
    size_t n_set;     /* PATH=VALUE, in order */
    const char *const *set;
    const uint64_t *seed; /* --seed, or NULL */
    plugins *plugins;
    size_t n_sweep; /* --sweep PATH=[..]: more axes, in order */
    const char *const *sweep;
} config_request;

/* Read, follow `extends:`, apply --set, check every key against the schema and the option tables
 * of the plugins it names.  The experiment lives in A.  Does not simulate, open data or create
 * instances; names of parameters are checked by experiment_check_parameters later.  A `sweep:` is
 * left out. */
int experiment_load(const config_request *r, arena *a, experiment **out);

/* sweep.c: one file, many experiments */

typedef struct sweep_axis {
    const char *name;
    size_t n;
    const char *const *labels;
} sweep_axis;
typedef struct sweep_cell {
    const char *name;          /* labels joined by commas: also its folder */
    const char *const *labels; /* one of each axis */
    experiment *experiment;
} sweep_cell;
typedef struct sweep {
    const char *name;
    size_t n_axes, n_cells;
    const sweep_axis *axes;
    const sweep_cell *cells; /* the last axis varies fastest */
    uint64_t replicates;
} sweep;
enum { SWEEP_CELLS = 1000, SWEEP_LABEL = 100, SWEEP_NAME = 200 };
/* What a config asks for: *ONE experiment, or with `sweep:` or --sweep *MANY, each cell checked as
 * a config of its own: its overlays over the rest of the file, then --set and --seed.  The other
 * of the two is NULL.  A mistake that several cells share is told once. */
int config_load(const config_request *r, arena *a, experiment **one, sweep **many);
/* Make E the K-th of its independent trainings. */
int experiment_replicate(experiment *e, arena *a, uint64_t k);

/* Once the simulator's parameters are known: overrides, targets, `at:` and limits name existing
 * ones, and a limit one of a target. */
int experiment_check_parameters(const experiment *e, size_t n, const char *const *names);
/* As YAML that experiment_load reads back to the same experiment. */
int experiment_write_resolved(const experiment *e, const char *path);
const char *experiment_text(const experiment *e, arena *a);
/* {"train.epochs": {"value": 30, "from": "configs/x.yaml:12:3"}, ...} */
int experiment_write_origins(const experiment *e, const char *path);

/* stage inputs, for reuse */

/* Values that a stage depends on, as sorted "path = value" lines below the given prefixes
 * ("simulator", "datasets.train"), without those that change no result (labels, reports,
 * threads, cadence of checkpoints); in A.  What a run directory compares to tell why a stage
 * runs again. */
const char *experiment_inputs(const experiment *e, arena *a, size_t n_prefixes,
                              const char *const *prefixes);

/* schema.c: all keys */

/* `nereid explain KEY`: what it means, type, range, default; NRE_EUSAGE with a suggestion when
 * unknown.  Text in A. */
int schema_explain(const char *key, arena *a, const char **text);
/* `nereid init`: a commented starter file with every key and its default; in A. */
const char *schema_starter(arena *a);
/* Value in E and where it was set, for `nereid explain KEY -c CONFIG`; NULL when it has none. */
const node *experiment_find(const experiment *e, const char *key);

/* inside the folder */

typedef enum key_type {
    /* keys below it are those of the schema; a bool field is true when it is there */
    KEY_MAP = 1,
    KEY_SWITCH, /* a map, or false */
    KEY_NAMES,  /* a map whose keys the user names: "*" in paths of the schema */
    KEY_STRING, /* const char * */
    KEY_WORD,   /* one of the choices, const char * */
    KEY_CHOICE, /* one of the choices, an enum: its index */
    KEY_FLAG,   /* one of two choices, a bool: true for the second */
    KEY_BOOL,
    KEY_INT, /* uint64_t */
    KEY_REAL,
    KEY_REALS,     /* list of numbers */
    KEY_WORDS,     /* list of choices, unsigned: a bit each */
    KEY_FILE,      /* const char *, absolute */
    KEY_DATA_FILE, /* the same, or a name that the plugin's data folder has */
    KEY_PLUGIN,    /* name of a plugin */
    KEY_PARAMS,    /* its options, checked by their table */
    KEY_PRIOR,     /* {FAMILY: [..]} */
    KEY_TARGETS,
    KEY_AXIS, /* of a sweep: {LABEL: {..}} */
    KEY_MAPS  /* a list of maps, or one: the keys of each are those below it */
} key_type;

enum {
    KEY_REQUIRED = 1u,
    KEY_OPTIONAL = 2u, /* a map that is absent unless said */
    KEY_QUIET = 4u,    /* changes no result */
    KEY_OPEN_LO = 8u,
    KEY_OPEN_HI = 16u,
    KEY_REPEATS = 32u /* a list that may say a number twice */
};

typedef struct schema_key {
    const char *path; /* "train.optimizer.lr", "parameters.*.prior" */
    key_type type;
    const char *fallback; /* default as in YAML; NULL: none */
    const char *help;     /* one sentence */
    double lo, hi;        /* of numbers; used when lo < hi */
    unsigned flags;
    const char *choices;  /* "a|b" */
    const char *excludes; /* siblings that it cannot stand beside, "file|theta" */
    const char *needs;    /* siblings of which one must stand beside it */
    const char *example;  /* shown in the starter file */
    nre_kind kind;        /* KEY_PLUGIN */
    size_t at;            /* 1 + offset of its field in an experiment; 0: none */
} schema_key;

/* The schema in the order of resolved.yaml: a key, then those below it. */
const schema_key *schema_keys(size_t *n);
/* By path, where a name that the user chose meets "*"; NULL when unknown. */
const schema_key *schema_find(const char *path);
/* NAME directly below PARENT (NULL: at the top). */
const schema_key *schema_below(const schema_key *parent, const char *name);
bool schema_is_below(const schema_key *k, const schema_key *parent);
/* Last word of the path. */
const char *key_name(const schema_key *k);
/* "an integer in 1..100"; in A. */
const char *key_expects(const schema_key *k, arena *a);
/* Hint for an unknown NAME below PARENT: "did you mean 'x'?  (known: x, y)"; *NEAR gets the full
 * path of the suggestion, or NULL. */
const char *schema_hint(const schema_key *parent, const char *name, arena *a,
                        const char **near);
/* "a, b, c" of "a|b|c". */
const char *choices_text(const char *choices, arena *a);
/* Items of "a|b|c" in A. */
const char *const *choices_list(const char *choices, arena *a, size_t *n);
bool choices_have(const char *choices, const char *word);

typedef struct prior_family {
    const char *name;
    uint32_t prior;        /* nre_prior */
    const char *arguments; /* "mean|sd|lo|hi" */
    size_t n_least;        /* arguments that must be given */
} prior_family;
const prior_family *prior_families(size_t *n);
const char *prior_usage(const prior_family *f, arena *a); /* "[a, b] or [a, b, lo, hi]" */

/* Origin of a node whose mistake has been told: what replaces it is not to be checked further. */
extern const char NODE_WRONG[];
node *node_new(arena *a, node_kind kind, const node *like); /* no children, no parent */
node *node_copy(arena *a, const node *from);                /* deep; without parent */
void node_append(node *parent, node *child);                /* key is the child's own */
void node_remove(node *parent, node *child);
size_t text_mark(const char *text, size_t n);       /* bytes of a byte order mark */
const char *text_shown(arena *a, const char *text); /* one short printable line */
const char *real_text(arena *a, double value);      /* shortest that reads back */

/* Add the mistakes of one cell of a sweep that are not told yet. */
void mistakes_gather(mistakes *all, const mistakes *of_cell, const char *cell);
/* Say which of N cells have a mistake, where not all do. */
void mistakes_name_cells(mistakes *m, size_t n);

/* CHILD over BASE, by the rules of `extends:`; both are used up. */
node *tree_merge(const schema_key *k, node *base, node *child, const node *replace);
typedef struct path_value { /* PATH=VALUE of a command line */
    const char *origin, *path;
    node *root, *value; /* maps around the value; NULL when it is wrong, and told */
} path_value;
int path_value_parse(arena *a, mistakes *m, const char *option, const char *text,
                     path_value *out);
/* Apply PATH=VALUE to *ROOT. */
int tree_set(arena *a, mistakes *m, const char *assignment, node **root);

/* Check SAID against the schema and give every key its value. */
int tree_resolve(arena *a, mistakes *m, const node *said, node **out);
int tree_resolve_key(arena *a, mistakes *m, const schema_key *k, const node *said,
                     node **out);
bool node_usable(const node *n); /* there, and no mistake in it */
/* Absolute when it lies beside the file ORIGIN that says it, else as it is. */
const char *path_beside(arena *a, const char *origin, const char *path);
/* Load the plugin that MAP names and check its params, which become all options. */
int component_load(arena *a, mistakes *m, plugins *p, nre_kind kind, node *map,
                   component *out);
/* experiment_load of TEXT as the content of the request's path.  PLUGINS may be NULL: components
 * keep their names only. */
int experiment_from_text(const config_request *r, const char *text, size_t n, arena *a,
                         experiment **out);
int config_from_text(const config_request *r, const char *text, size_t n, arena *a,
                     experiment **one, sweep **many);

enum { READER_CHAIN = 32 };
typedef struct config_reader { /* a config being read */
    const config_request *request;
    arena *a;
    mistakes *m;
    size_t n_chain;
    const char *chain[READER_CHAIN]; /* real paths, from the file to its ancestors */
} config_reader;
/* Apply --set, of `sweep` or of the rest, and to the rest --seed. */
int config_set(config_reader *l, bool of_sweep, node **root);
/* Check the tree, which becomes an experiment; *OUT NULL on failure. */
int config_finish(config_reader *l, node *root, experiment **out);
/* Give ROOT a `sweep` with the axes of --sweep. */
int sweep_add_axes(config_reader *l, node *root);
/* SAID, the `sweep` of ROOT, becomes cells. */
int sweep_expand(config_reader *l, node *root, node *said, sweep **out);

#endif

/* report/report.h - tables in Markdown, LaTeX, CSV and JSON from plain results.
 *
 * The JSON is the source of the other three.  A number that is missing is NAN here, null with a
 * reason in JSON, "n/a" elsewhere.  Numbers with 17 significant digits in JSON and CSV. */
#ifndef NEREID_REPORT_H
#define NEREID_REPORT_H

#include "base/base.h"

/* ---- coverage_table.c --------------------------------------------------------------------------- */

typedef struct table_cell {
    const char *region;          /* "credible", "confidence" */
    double level, coverage, sd_evaluation, sd_training;
    uint64_t n;
    double interval[2];
    const char *verdict;         /* "under", "ok", "over" */
    const char *reason;          /* why coverage is missing, or NULL */
} table_cell;
typedef struct coverage_row {
    const char *target, *architecture;
    double gain, gain_error;
    uint64_t simulations;        /* training, validation, calibration and test together */
    uint64_t missing;            /* pairs without a result */
    size_t n_cells;
    const table_cell *cells;
} coverage_row;
typedef struct coverage_table {
    const char *title;
    size_t n_rows;
    const coverage_row *rows;
} coverage_table;
/* FOLDER/coverage.{json,md,tex,csv}.  The LaTeX is a booktabs table in the layout of Table 1 of
 * Hermans et al. (2020): rows are architectures grouped by target, columns the levels of credible
 * regions, then of confidence sets, value and spread; a dagger marks under-coverage. */
int coverage_table_write(const coverage_table *t, const char *folder);

/* ---- posterior_table.c ---------------------------------------------------------------------------- */

typedef struct parameter_row {
    const char *name, *label, *unit;
    bool derived;
    double mean, deviation, map, mle;    /* NAN for what a derived one lacks */
    double quantile[5];          /* 0.025 0.16 0.5 0.84 0.975 */
    double hdi68[2], hdi95[2];
    double r_hat, ess_bulk, ess_tail;
} parameter_row;
typedef struct posterior_block {         /* one target, one observation (or joint set) */
    const char *target, *architecture, *method;          /* "grid", "metropolis" */
    const char *observation;             /* "0", "1", "joint" */
    size_t n_parameters;
    const parameter_row *parameters;
    double area, area_rank, predictive_rank, predictive_distance;
    double r_hat_max, ess_min;
    const char *believe;                 /* "yes", or the sentence that says why not */
} posterior_block;
typedef struct posterior_table {
    const char *title;
    size_t n_blocks;
    const posterior_block *blocks;
} posterior_table;
int posterior_table_write(const posterior_table *t, const char *folder);

/* ---- timing_table.c ---------------------------------------------------------------------------------- */

typedef struct timing_row {
    const char *stage, *what;
    double seconds;
    double rate;                 /* NAN when it has none */
    const char *unit;            /* of the rate: "simulations/s" */
    bool reused;
} timing_row;
int timing_table_write(size_t n, const timing_row *rows, const char *folder);

/* ---- summary.c: what `nereid run` prints at its end ------------------------------------------------------ */

typedef struct run_summary {
    const char *name, *folder;
    const coverage_table *coverage;      /* or NULL */
    const posterior_table *posterior;    /* or NULL */
    size_t n_notes;                      /* missed gates first */
    const char *const *notes;
    double seconds;
} run_summary;
/* About ten lines on OUT: the answer with its units, whether it may be believed and why, the
 * observation's place among the simulations, coverage and gain, where the tables are. */
int summary_print(const run_summary *s, FILE *out);

/* ---- page.c: report.html ---------------------------------------------------------------------------------- */

/* One self-contained page of the same, light and dark, no script; CONFIG is the resolved YAML. */
int page_write(const run_summary *s, const char *config, const char *environment,
               const char *path);

/* ---- markup.c ---------------------------------------------------------------------------------------------- */

const char *latex_escape(arena *a, const char *text);
const char *html_escape(arena *a, const char *text);
const char *markdown_escape(arena *a, const char *text);
/* "0.683", "n/a": DIGITS after the point. */
const char *number_text(arena *a, double value, int digits);

#endif

/* report/report.h - tables in Markdown, LaTeX, CSV and JSON from plain results.
 *
 * The JSON is the source of the other three.  A number that is missing is NAN here, null with a
 * reason in JSON, "n/a" elsewhere.  Numbers with 17 significant digits in JSON and CSV. */
#ifndef NEREID_REPORT_H
#define NEREID_REPORT_H

#include "base/base.h"

/* coverage_table.c */

typedef struct table_cell {
    const char *region; /* "credible", "confidence", "neyman", "biased" */
    double level, coverage, sd_evaluation, sd_training;
    uint64_t n;
    double interval[2];
    const char *verdict; /* "under", "ok", "over" */
    const char *reason;  /* why coverage is missing, or NULL */
    double bias;         /* that raised the level of a biased region; else 0 */
} table_cell;
typedef struct coverage_row {
    const char
        *cell; /* of a sweep, or a run among others; NULL: the table is of one run */
    uint64_t trainings,
        trainings_planned; /* of a cell: replicates that are finished, and all */
    const char *target, *architecture;
    double gain, gain_error;
    double gain_sd_training; /* over replicates; of a cell only */
    uint64_t simulations;    /* training, validation, calibration and test together */
    uint64_t missing;        /* pairs without a result */
    size_t n_cells;
    const table_cell *cells;
} coverage_row;
typedef struct table_gap { /* a run that a comparison lacks */
    const char *cell, *why;
} table_gap;
typedef struct coverage_table {
    const char *title;
    size_t n_rows;
    const coverage_row *rows; /* all with a cell, or none */
    size_t n_gaps;
    const table_gap *gaps;
} coverage_table;
/* FOLDER/coverage.{json,md,tex,csv}.  The LaTeX is a booktabs table in the layout of Table 1 of
 * Hermans et al. (2020): rows are architectures grouped by target, columns the levels of credible
 * regions, then of confidence sets, value and spread; a dagger marks under-coverage. */
int coverage_table_write(const coverage_table *t, const char *folder);
/* What a coverage.json says; all in A.  NRE_EDATA names what is missing in it. */
int coverage_table_read(const char *path, arena *a, coverage_table *out);

/* posterior_table.c */

typedef struct parameter_row {
    const char *name, *label, *unit;
    bool derived;
    double mean, deviation, map, mle; /* NAN for what a derived one lacks */
    double quantile[5];               /* 0.025 0.16 0.5 0.84 0.975 */
    double hdi68[2], hdi95[2];
    double r_hat, ess_bulk, ess_tail;
    double map_sd, mle_sd; /* errors of the maxima; 0 or NAN: none */
} parameter_row;
enum { LIMIT_ROW_PRIORS = 4 };
typedef struct limit_prior_row {
    const char *prior;         /* "own", "uniform", "inverse", "log" */
    double hpd_edge, quantile; /* NAN: the region reaches the edge of the prior */
} limit_prior_row;
typedef struct limit_row { /* a one-sided limit on a parameter */
    const char *parameter, *unit;
    bool upper;
    double level;
    size_t n_priors;
    limit_prior_row priors[LIMIT_ROW_PRIORS];
    double threshold[2], wilks[2];           /* NAN as above */
    double best, against, log_ratio_against; /* NAN: nothing to compare with */
    bool resolved;      /* the grid of the posterior was fine enough */
    const char *reason; /* why there is no limit at all, or NULL */
} limit_row;
typedef struct posterior_block { /* one target, one observation (or joint set) */
    const char *target, *architecture, *method; /* "grid", "metropolis" */
    const char *observation;                    /* "0", "1", "joint" */
    size_t n_parameters;
    const parameter_row *parameters;
    double area, area_rank, predictive_rank, predictive_distance;
    bool
        is_outside; /* the simulator: the check of all observed rows fails, and by this one */
    double r_hat_max, ess_min;
    const char *believe;  /* "yes", or the sentence that says why not */
    uint64_t simulations; /* as in coverage_row; 0: not known */
    size_t n_limits;
    const limit_row *limits;
    const json_t *regions;   /* infer.regions as summary.json has them, or NULL */
    const char *area_reason; /* why there is none; NULL: it was not computed */
    const json_t *map, *mle; /* as in summary.json: covariance, correlation; or NULL */
} posterior_block;
typedef struct posterior_table {
    const char *title;
    size_t n_blocks;
    const posterior_block *blocks;
} posterior_table;
/* FOLDER/posterior.{json,md,tex,csv}, and limits.csv, a line a number, where there are limits. */
int posterior_table_write(const posterior_table *t, const char *folder);

/* limits_table.c */

/* As in posterior.json. */
json_t *limit_json(const limit_row *l);

/* regions_table.c */

/* FOLDER/coverage_by_parameter.csv of the rows of diagnostics/coverage.json, which T has in the same
 * order: coverage in bins of each parameter. */
int coverage_bins_write(const coverage_table *t, const json_t *rows, const char *folder);

/* timing_table.c */

typedef struct timing_row {
    const char *stage, *what;
    double seconds;
    double rate;      /* NAN when it has none */
    const char *unit; /* of the rate: "simulations/s" */
    bool reused;
} timing_row;
int timing_table_write(size_t n, const timing_row *rows, const char *folder);

/* checks_table.c: may it be believed?  What every diagnostic found */

typedef struct check_row {
    const char *cell; /* of a comparison: a run among others, "mlp/r0"; else NULL */
    const char *name; /* "sbc": check_title has it in words */
    const char *target, *architecture;  /* target NULL: the same for every target */
    const char *verdict;                /* "ok", "fails", "open", "informs" */
    const char *statistic;              /* what VALUE is */
    double value, error, expected, p;   /* NAN: not known, or there is none */
    uint64_t n;                         /* pairs or simulations; 0: not counted */
    const char *says, *advice, *reason; /* sentences; reason: why it is open; or NULL */
    bool gated;                         /* the config has a gate for it */
    const char *missed;                 /* how it missed that gate, or NULL */
    bool
        beside; /* of what stands beside the answer (without calibration): judges nothing */
} check_row;
typedef struct checks_table {
    const char *title;
    size_t n_rows;
    const check_row *rows; /* all with a cell, or none */
    size_t n_gaps;
    const table_gap *gaps;
} checks_table;
/* FOLDER/checks.{json,md,tex,csv}. */
int checks_table_write(const checks_table *t, const char *folder);
/* Rows of a checks.json, which are borrowed; "cell" and "replicate" become the cell. */
int checks_rows_of(const json_t *rows, arena *a, size_t *n, check_row **out);

/* quality_table.c: how good the estimator of each target is, in numbers */

typedef enum quality_kind { /* columns, in this order */
                            QUALITY_GAIN = 0,
                            QUALITY_LOG_POSTERIOR = 1,
                            QUALITY_INFORMATION = 2,
                            QUALITY_COVERAGE = 3, /* of the 95% credible region */
                            QUALITY_AREA = 4,
                            QUALITY_AUC = 5,
                            QUALITY_KL = 6,
                            QUALITY_C2ST = 7,
                            QUALITY_SBC = 8,
                            QUALITY_TARP = 9,
                            N_QUALITIES = 10
} quality_kind;
typedef struct quality_number {
    double value, error;  /* standard error over pairs or simulations; NAN: not known */
    double deviation;     /* over test rows; NAN: none */
    double sd_evaluation; /* over disjoint blocks of test pairs; NAN: not known */
    double sd_training;   /* over replicates; NAN: not known */
    double interval[2];   /* 99%, of a proportion; else NAN */
    uint64_t n;           /* pairs or simulations */
    const char *reason;   /* why there is no value */
} quality_number;
typedef struct quality_row {
    const char *cell;                      /* as in coverage_row */
    uint64_t trainings, trainings_planned; /* as in coverage_row */
    const char *target, *architecture;
    uint64_t simulations;
    quality_number number[N_QUALITIES];
} quality_row;
typedef struct quality_table {
    const char *title;
    size_t n_rows;
    const quality_row *rows;
    size_t n_gaps;
    const table_gap *gaps;
} quality_table;
/* One of which nothing is known. */
quality_number quality_missing(const char *reason);
/* FOLDER/quality.{json,md,tex,csv}. */
int quality_table_write(const quality_table *t, const char *folder);
/* What a quality.json says; all in A. */
int quality_table_read(const char *path, arena *a, quality_table *out);
/* The same row of N trainings, PLANNED were meant, as one row of a cell: means, and their spread.
 * All were tested on the same pairs, so that errors do not shrink; of p-values the smallest.  The
 * interval of a mean fraction is left to the caller, NAN of several. */
void quality_pool(const char *cell, uint64_t planned, size_t n,
                  const quality_row *const *rows, quality_row *out);

/* summary.c: what `nereid run` prints at its end */

typedef struct run_summary {
    const char *name, *folder;
    const coverage_table *coverage;   /* or NULL */
    const posterior_table *posterior; /* or NULL */
    size_t n_gates;                   /* of the notes: gates that were missed, first */
    size_t n_notes;
    const char *const *notes;
    double seconds;
    size_t n_figures, n_undrawn;  /* there; missing, for want of gnuplot */
    const char *const *figures;   /* paths of SVG files, for the page */
    const char *const *captions;  /* [n_figures] what each shows, in words; or NULL */
    const checks_table *checks;   /* or NULL */
    const quality_table *quality; /* or NULL */
    const char *elsewhere;        /* run whose checks of the network hold here; or NULL */
    size_t n_asked;
    const char *const (*asked)[2]; /* [n_asked] {"Simulator", "..."}: what was asked */
    size_t n_timings;
    const timing_row *timings;
} run_summary;
/* About ten lines on OUT: the answer with its units; whether it may be believed: failing checks
 * first, with number and what to do, those that passed and those that could not be assessed by name;
 * coverage and gain; where the tables are. */
int summary_print(const run_summary *s, FILE *out);

/* page.c: report.html */

/* One self-contained page of the same, light and dark, no script; CONFIG is the resolved YAML. */
int page_write(const run_summary *s, const char *config, const char *environment,
               const char *path);

/* paired_table.c: cells beside the best of the same target, on the same test pairs */

typedef struct paired_level {
    double level, difference,
        p; /* of coverages: this cell's minus the best's; McNemar's test */
} paired_level;
typedef struct paired_row {
    const char *target, *cell;
    const char *best;   /* the cell it is compared with: itself, of the best */
    uint64_t trainings; /* whose gains are averaged, pair by pair */
    uint64_t n;         /* pairs that both have */
    double gain;        /* of this cell, on those it has */
    double difference,
        error; /* of gains: this cell's minus the best's; over pairs; NAN of the best */
    double error_training; /* of the difference, over trainings; NAN: not known */
    double z, p, p_flip;   /* paired t-test; random signs, NAN: of too many pairs */
    size_t n_levels;
    const paired_level *levels; /* of the first training */
} paired_row;
typedef struct paired_table {
    const char *title;
    size_t n_rows;
    const paired_row *rows;
    size_t n_gaps;
    const table_gap *gaps;
} paired_table;
/* FOLDER/paired.{json,md,tex,csv}. */
int paired_table_write(const paired_table *t, const char *folder);

/* comparison.c: finished runs side by side */

typedef struct comparison_link {
    const char *name, *state; /* "density,m_wdm/r0", "done" */
    const char *page;         /* relative to the comparison's own; NULL: none */
} comparison_link;
typedef struct comparison {
    const char *title;
    size_t n_gaps; /* runs that are missing */
    const table_gap *gaps;
    coverage_table
        coverage; /* with these gaps first, then its own; so have the next three */
    quality_table quality;
    checks_table checks;
    paired_table paired; /* no rows: nothing can be compared pair by pair */
    json_t
        *posterior; /* rows of posterior.json, each with "cell" and "replicate" before */
    json_t *timing; /* the same of timing.json */
    size_t n_links;
    const comparison_link *links;
    const char *figure; /* path of an SVG for the page, gain and coverage; or NULL */
    const char *base;   /* before the page's links, "" or "/runs/sweep/" */
    bool tables;        /* they are there: the page leads to them */
} comparison;
/* FOLDER/{coverage,quality,checks,posterior,timing}.{json,md,tex,csv}, and limits.csv where there are limits.
 * Columns that are new in the JSON of a run are in the JSON and CSV of the comparison. */
int comparison_write(const comparison *c, const char *folder);
/* Coverage, gain, failing checks, parameters and limits, a line each. */
int comparison_print(const comparison *c, FILE *out);
int comparison_page(const comparison *c, const char *path);

/* figure*.c: FOLDER/NAME.csv has the numbers, NAME.gp draws them, NAME.svg is what gnuplot made of
 * both (figures_draw).  Names, labels and units may be any text, labels simple LaTeX ("\\beta", "d_I") or
 * NULL.  Numbers that are not finite are gaps, never 0. */

/* N cells of equal width, of the logarithm where `logarithmic` (0 < low then). */
typedef struct figure_axis {
    const char *name, *label, *unit;
    bool logarithmic;
    double low, high;
    size_t n;
    double mark, truth; /* the MAP, and what a mock was simulated at; NAN: none */
    double quantile[3]; /* 0.16, 0.5, 0.84; NAN: none */
} figure_axis;
/* Middle of cell I, in the parameter's own unit. */
double axis_middle(const figure_axis *x, size_t i);
/* A posterior of one or two parameters at the middles of cells. */
typedef struct density_figure {
    const char *title;
    unsigned dim;
    const figure_axis *axis[2];
    const double *log_density; /* [n] or [n][n], by the parameters, up to a constant */
} density_figure;
/* Both [n] or [n][n]: the density, normalised over the figure, and the mass of denser cells plus
 * half of the cell's own: a cell lies in the highest-density region of level L when that is below L. */
int density_regions(const density_figure *f, double *density, double *region);
/* Of one parameter. */
int density_figure_write(const density_figure *f, const char *folder, const char *name);
/* Of two and more: each alone, and each two together. */
enum { CORNER_MOST = 10 };
typedef struct corner_figure {
    const char *title;
    size_t n;
    const figure_axis *axis;   /* [n] */
    const double *const *line; /* [n] log density of each, [its n] */
    const double *const
        *plane; /* [n (n - 1) / 2] of (0, 1), (0, 2), .. (1, 2), ..: [n][n] */
} corner_figure;
int corner_figure_write(const corner_figure *f, const char *folder, const char *name);
/* A line a row of the table: its gain, and its coverage at each level, with intervals.  Rows of a
 * comparison by their gain, the largest first. */
enum { COVERAGE_FIGURE_MOST = 60 }; /* rows; more are in the CSV alone */
int coverage_figure_write(const coverage_table *t, const char *folder, const char *name);
typedef struct loss_curve {
    const char *target;                  /* curves of one target follow each other */
    size_t member, n;                    /* n epochs */
    const double *training, *validation; /* [n], nats */
} loss_curve;
int loss_figure_write(size_t n, const loss_curve *curve, const char *folder,
                      const char *name);
/* What a diagnostic says at each of N values of what it looks at, with the simultaneous band of a right
 * ratio. */
typedef struct figure_curve {
    const char *name, *label;
    const double *value; /* [n] */
} figure_curve;
/* Coverage of regions at all levels, and less the level. */
typedef struct level_figure {
    const char *title, *what; /* "empirical coverage" */
    size_t n;
    const double *level, *low, *high; /* [n]; no band: NULL */
    size_t n_curves;
    const figure_curve *curves;
} level_figure;
int level_figure_write(const level_figure *f, const char *folder, const char *name);
/* Ranks: ECDF less uniform. */
typedef struct rank_panel {
    const char *name, *label;
    double p; /* NAN: not known */
    size_t n;
    const double *at, *difference, *low, *high; /* [n] */
} rank_panel;
typedef struct rank_figure {
    const char *title;
    size_t n;
    const rank_panel *panels;
} rank_figure;
int rank_figure_write(const rank_figure *f, const char *folder, const char *name);
/* A classifier between simulations at theta* and reweighted ones. */
typedef struct roc_point {
    const char *theta; /* in words */
    double auc, error, baseline, null, power;
} roc_point;
typedef struct roc_figure {
    const char *title;
    size_t n;
    const double *false_positive, *weighted, *baseline; /* [n] of the first point */
    size_t n_points;
    const roc_point *points;
} roc_figure;
int roc_figure_write(const roc_figure *f, const char *folder, const char *name);
/* Integrals of p(theta) r(x|theta) over test rows, and of the observations. */
typedef struct area_box {
    const char *name;
    size_t n, n_observed;
    const double *area;     /* [n] ascending */
    const double *observed; /* [n_observed] */
} area_box;
typedef struct area_figure {
    const char *title;
    size_t n;
    const area_box *boxes;
} area_figure;
int area_figure_write(const area_figure *f, const char *folder, const char *name);
/* Mode and width of the posterior as i.i.d. observations are added. */
typedef double five_numbers[5]; /* quantiles 0.05 0.16 0.5 0.84 0.95 */
typedef struct convergence_panel {
    const char *name, *label;
    const five_numbers *error,
        *deviation; /* [n] in posterior deviations of one observation */
} convergence_panel;
typedef struct convergence_figure {
    const char *title;
    size_t n;
    const double *observations; /* [n] 1, 10, .. */
    size_t n_panels;
    const convergence_panel *panels;
    const double *inside68, *inside95; /* [n] fraction of truths in the region; or NULL */
} convergence_figure;
int convergence_figure_write(const convergence_figure *f, const char *folder,
                             const char *name);
/* What the posterior predicts, and what was observed. */
typedef struct predictive_field {
    const char *name, *label, *unit;
    const char *at_label;      /* with its unit, "phi_1 [deg]"; or NULL */
    const double *at;          /* [n], or NULL: 1, 2, .. */
    size_t n;                  /* 1: a number */
    const double *observed;    /* [n] */
    const double *quantile[5]; /* [n] 0.025 0.16 0.5 0.84 0.975 */
} predictive_field;
typedef struct predictive_figure {
    const char *title;
    size_t n;
    const predictive_field *fields;
} predictive_figure;
int predictive_figure_write(const predictive_figure *f, const char *folder,
                            const char *name);
/* Let gnuplot draw what was written.  Without gnuplot a line of the log says so; that is no error. */
/* Those of a former time, too, are gone where gnuplot is missing (which is said once) or fails. */
int figures_draw(const char *folder, size_t n, const char *const *name);
/* All figures of FOLDER, which need not be there; what is not one of ours stays. */
int figures_remove(const char *folder);

/* markup.c: text as each format wants it */

/* Bytes that are not UTF-8, control characters and marks that turn the direction of text become
 * U+FFFD or a blank.  NULL when out of memory. */
const char *latex_escape(arena *a, const char *text);
const char *html_escape(arena *a, const char *text);
const char *markdown_escape(arena *a, const char *text);
/* "0.683", "n/a": DIGITS after the point. */
const char *number_text(arena *a, double value, int digits);

/* inside the folder */

/* markup.c: the same onto a stream; TEXT may be NULL.  plain: one line for a terminal. */
void latex_put(FILE *out, const char *text);
void html_put(FILE *out, const char *text);
/* A path as a relative link: bytes that an address gives another meaning are percent-encoded. */
void link_put(FILE *out, const char *path);
void markdown_put(FILE *out, const char *text);
void csv_put(FILE *out, const char *text);
void plain_put(FILE *out, const char *text);
const char *plain_text(arena *a, const char *text);
json_t *json_text(const char *text); /* null for NULL; never refused */
size_t text_width(const char *text); /* characters */
/* VALUE with as many places as leave SPREAD two significant digits: 2.51 beside 0.31. */
const char *number_beside(arena *a, double value, double spread);
const char *count_text(arena *a, uint64_t n);         /* "20,000" */
const char *level_text(arena *a, double level);       /* "99.7%" */
const char *duration_text(arena *a, double seconds);  /* "1 min 12 s" */
void exact_put(FILE *out, double value);              /* 17 digits, "n/a" */
void latex_number_put(FILE *out, const char *number); /* in math mode: 1.2\times10^{-8} */

/* A file written in memory first; A for its texts.  Saving and dropping release both. */
typedef struct sheet {
    FILE *out;
    arena *a;
    char *text;
    size_t n;
} sheet;
int sheet_open(sheet *s);
int sheet_save(sheet *s, const char *path);
int sheet_save_in(sheet *s, const char *folder, const char *name);
void sheet_drop(sheet *s);
int json_save_in(const char *folder, const char *name, json_t *value); /* takes VALUE */

/* Aligned columns: cells row by row, the first row the head; ALIGN [n] of 'l' and 'r'. */
typedef struct columns {
    arena *a;
    size_t n, used, room;
    const char **cell;
    const char *align;
    bool failed;
} columns;
void columns_start(columns *c, arena *a, size_t n, const char *align);
void columns_add(columns *c, const char *text); /* NULL: out of memory, kept in mind */
int columns_markdown(const columns *c, FILE *out);
int columns_plain(const columns *c, FILE *out, const char *indent);

/* figure.c: what figures share. */

enum {
    FIGURE_FONT = 15, /* pixels: to be read at half the size */
    FIGURE_NAME = 28  /* characters; longer names are cut */
};
const char *figure_colour(size_t i); /* of curve I, and its dash */
const char *figure_dash(size_t i);
/* A figure in the making, all in one multiplot. */
typedef struct drawing {
    sheet data, script;
    const char *folder, *name;
    int width, height;               /* pixels */
    double left, right, top, bottom; /* of the panel */
} drawing;
int drawing_open(drawing *d, const char *folder, const char *name);
/* Head of the script; the title comes with the first panel. */
void drawing_start(drawing *d, int width, int height, const char *title);
/* Where the next plot goes, in pixels from the left and the top. */
void drawing_panel(drawing *d, double left, double right, double top, double bottom);
/* A legend, its upper left corner there; or a row at the bottom, by a plot of its own without axes. */
void drawing_legend(drawing *d, double left, double top);
void drawing_legend_row(drawing *d);
void drawing_panel_done(drawing *d); /* forget its labels, arrows and key */
/* Save both files, or drop them when STATUS is a failure; returns that. */
int drawing_close(drawing *d, int status);
/* Within single quotes: a name, by its label where that is simple; a unit; any text, at most MOST characters of it. */
void name_put(sheet *p, const char *name, const char *label);
void words_put(sheet *p, const char *text, size_t most);
void tick_words_put(sheet *p, const char *text, size_t most); /* of a tick */
void field_put(sheet *p, const char *text);                   /* of a CSV: one line */
void unit_put(sheet *p, const char *unit);
/* 'β [1/d]' below the panel, and beside it: at places of their own, wherever gnuplot has its ticks. */
void x_label_put(drawing *d, const char *name, const char *label, const char *unit);
void y_label_put(drawing *d, const char *name, const char *label, const char *unit);
void number_put(FILE *out, double value); /* "NaN": a gap */
void range_put(FILE *out, char which, bool logarithmic, double low, double high);
/* Ticks whose labels do not touch, INSET (a fraction) away from both ends. */
typedef struct tick_axis {
    char which; /* 'x' or 'y' */
    bool logarithmic;
    double low, high, pixels, font, inset;
} tick_axis;
void ticks_put(sheet *p, const tick_axis *x, bool labelled);
/* About as wide as CHARACTERS are. */
double text_pixels(size_t characters, double font);

/* figure_density.c */
size_t density_size(const density_figure *f);

/* coverage_table.c: the columns of the wide table: credible, confidence, Neyman, biased, levels
 * ascending. */
typedef struct coverage_column {
    const char *region;
    double level;
} coverage_column;
int coverage_columns(const coverage_table *t, arena *a, size_t *n, coverage_column **out);
/* or NULL */
const table_cell *coverage_cell_at(const coverage_row *r, const coverage_column *c);
const char *region_short(const char *region);          /* "CR", "CL" */
const char *region_words(const char *region);          /* "credible region" */
const char *target_text(arena *a, const char *target); /* "beta, d_infectious" */
/* What the reader must know beside the numbers, as plain sentences; SPREAD says how a spread is
 * marked, "after +-" or "as a subscript". */
const char *coverage_legend(const coverage_table *t, arena *a, const char *spread);
json_t *gaps_json(size_t n, const table_gap *gaps);
bool coverage_compares(const coverage_table *t); /* do its rows have cells */
/* "density,m_wdm (2 of 3 trainings)" */
const char *coverage_cell_name(arena *a, const coverage_row *r);
/* "a,b/r0 (failed with exit code 6), a,b/r1 (not begun)" */
const char *gaps_list(arena *a, size_t n, const table_gap *gaps);
/* "Partial: 1 run is missing: a,b/r0 (failed with exit code 6)."; NULL without gaps. */
const char *gaps_words(arena *a, size_t n, const table_gap *gaps);
bool spread_known(double value);
const char *coverage_cell_text(arena *a,
                               const table_cell *c); /* "0.683 ±0.004 †"; may be NULL */
const char *coverage_gain_text(arena *a, const coverage_row *r);
/* page.c: parts of a page that the pages of a run and of a comparison share */
void page_head(sheet *p, const char *title, const char *meta);
void page_tag(FILE *out, const char *tag, const char *class, const char *text);
/* page_style.c: lines of CSS, then NULL */
extern const char *const PAGE_STYLE[];
/* page_tables.c */
int page_coverage(const coverage_table *t, sheet *p);
/* The SVG at PATH in an image of its own. */
int page_figure(sheet *p, const char *path, const char *caption);
int page_quality(const quality_table *t, sheet *p);
/* A line a check with its number; of a comparison with its cell. */
int page_checks(const checks_table *t, sheet *p);
void page_posterior(const posterior_block *b, sheet *p);
/* Aligned columns whose cells are HTML. */
int page_columns(const columns *c, FILE *out);

/* checks_table.c: "Coverage of credible regions"; the name itself where it is not known. */
const char *check_title(const char *name);
bool check_is(const check_row *r, const char *verdict);
/* Does its failing speak against the posterior?  That of Wilks' sets speaks against these alone. */
bool check_is_of_posterior(const check_row *r);
/* Is it about target T, and is T's posterior judged by it? */
bool check_judges(const check_row *r, const char *target);
/* "0.61 ±0.004 (0.68 expected), p = 0.0012, n = 4,000"; only what is known. */
const char *check_numbers(arena *a, const check_row *r);
const char *check_value_text(arena *a, const check_row *r); /* "0.61 ±0.004" */
extern const char CHECKS_LEGEND[];
const char *p_text(arena *a, double p); /* "0.21", "< 0.0001", "n/a" */

/* quality_table.c: "gain [nats]"; a cell's text "1.204 ±0.008" */
const char *quality_heading(quality_kind k);
const char *quality_text(arena *a, quality_kind k, const quality_number *q);
bool quality_is_shown(const quality_table *t, quality_kind k); /* known in any row */
const char *quality_legend(const quality_table *t, arena *a, bool intervals);

/* belief.c: the checks of one target together */
typedef enum belief {
    BELIEF_YES = 0,      /* the network was tested, and nothing failed */
    BELIEF_NO = 1,       /* something failed that speaks against the posterior */
    BELIEF_UNTESTED = 2, /* nothing that judges the network was assessed */
    BELIEF_ELSEWHERE = 3 /* this observation passed; the network was tested elsewhere */
} belief;
belief belief_of(const run_summary *s, const char *target);
/* "Do not believe the posterior of all parameters: 2 of 9 checks fail." */
const char *belief_headline(arena *a, const run_summary *s, const char *target);
/* "Passed: ranks of the truth, .." or NULL: titles of the target's checks of the posterior with VERDICT, as
 * the headline counts them; open ones with why. */
const char *belief_list(arena *a, const run_summary *s, const char *target,
                        const char *verdict);
/* A sentence about what is checked apart from the posterior, or NULL. */
const char *belief_sets(const run_summary *s, const char *target);
/* Its targets, each once, in order: at most MOST. */
size_t belief_targets(const run_summary *s, const char **target, size_t most);

/* comparison.c: the body of a table whose cells are escaped. */
int columns_latex(const columns *c, FILE *out);
/* paired_table.c: the same for a terminal and for a page. */
int paired_print(const paired_table *t, arena *a, FILE *out);
int paired_html(const paired_table *t, sheet *p);

/* posterior_table.c: "beta, d_infectious given observation 0 (mlp, metropolis)". */
const char *posterior_title(arena *a, const posterior_block *b);

/* limits_table.c: "Limit at 95%: m_wdm > 12.3 keV (quantile), ..." of a block's limit; nothing where a
 * block has none.  WIDTH: columns of the table around. */
const char *limit_words(arena *a, const posterior_block *b, const limit_row *l);
int limits_markdown(const posterior_block *b, sheet *s);
void limits_html(const posterior_block *b, sheet *s);
void limits_latex(const posterior_block *b, sheet *s, int width);
int limits_csv(const posterior_table *t, const char *folder);
void limits_csv_remove(const char *folder);

/* regions_table.c: nothing where a block has none; regions.csv has a line an interval. */
int regions_markdown(const posterior_block *b, sheet *s);
void regions_html(const posterior_block *b, sheet *s);
void regions_latex(const posterior_block *b, sheet *s, int width);
int regions_csv(const posterior_table *t, const char *folder);

/* summary.c: sentences that the summary and the page share; plain text. */
/* Inside the simulator, at its edge above this part of the test distances. */
#define RANK_EDGE 0.95
const char *observation_words(arena *a, const posterior_block *b);
const char *belief_words(arena *a, const posterior_block *b);
const char *coverage_words(arena *a, const coverage_row *r);
bool posterior_believed(const posterior_block *b);
bool coverage_fails(const coverage_row *r); /* is any verdict "under" */
bool gain_is_none(const coverage_row *r);   /* known, and no more than the prior's */

#endif

/* Tables, page and summary from the result files that the other stages left. */
#include "run/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESULT_LIMIT = 256 << 20 };

double real_in(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

uint64_t count_in(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

const char *word_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void reals_in(const json_t *object, const char *key, size_t n, double *out)
{
    const json_t *list = json_object_get(object, key);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

bool row_is_calibrated(const json_t *row)
{
    return json_is_object(json_object_get(row, "calibration"));
}

const json_t *report_row(const json_t *result, const char *name, const json_t *like)
{
    const json_t *rows = json_object_get(result, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *of = word_in(row, "target");
        if (of && !strcmp(of, name) && row_is_calibrated(row) == row_is_calibrated(like))
            return row;
    }
    return NULL;
}

void report_note(report_data *d, const char *text)
{
    if (d->n_notes < REPORT_NOTES && text && !d->beside)
        d->notes[d->n_notes++] = text;
}

void report_checked(report_data *d, const char *text)
{
    if (d->n_checked < REPORT_NOTES && text && !d->beside)
        d->checked[d->n_checked++] = text;
}

void report_miss(report_data *d, const char *why)
{
    if (d->n_gates == REPORT_NOTES || d->beside)
        return;
    d->n_notes -= d->n_notes == REPORT_NOTES;
    memmove(d->notes + d->n_gates + 1, d->notes + d->n_gates,
            (d->n_notes - d->n_gates) * sizeof *d->notes);
    d->notes[d->n_gates++] = why ? why : "a gate was missed";
    d->n_notes++;
}

const char *report_estimator(const experiment *e)
{
    static const char *const NAMES[] = {NULL, "exact", "prior"};
    if (uses_abc(e))
        return "abc";
    return e->estimator == ESTIMATOR_NETWORK ? e->architecture.name : NAMES[e->estimator];
}

const char *report_name(const report_data *d, const json_t *result)
{
    const experiment *e = d->run->session->experiment;
    const char *name = report_estimator(e);
    return row_is_calibrated(result)
               ? arena_print(d->arena, "%s, %s", name, calibration_words(e))
               : name;
}

const char *report_title(const report_data *d)
{
    const session *s = d->run->session;
    const char *scope = rounds_scope(s, d->arena), *name = s->experiment->name;
    return scope ? arena_print(d->arena, "%s, %s", name, scope) : name;
}

uint64_t report_simulations(const report_data *d, const char *name)
{
    uint64_t total =
        simulations_while_training(d->run, name) + rounds_simulations(d->run);
    for (size_t i = 0; i < N_PURPOSES; i++) {
        json_t *manifest = NULL;
        const char *path = source_path(d->run, "data/%s/manifest.json", PURPOSES[i]);
        if (!dataset_is_needed(d->run->session->experiment, i) || !file_exists(path) ||
            json_load_path(path, RESULT_LIMIT, &manifest)) {
            error_set("");
            continue;
        }
        total += count_in(manifest, "rows");
        json_decref(manifest);
    }
    return total;
}

/* coverage */

static void gate_coverage(report_data *d, const char *name, const table_cell *c)
{
    bool gated = d->run->session->experiment->diagnose.coverage.gate_under;
    if (!c->verdict || strcmp(c->verdict, "under") != 0)
        return;
    const char *what = arena_print(d->arena,
                                   "%sthe %g%% %s region of target %s covers %.4f of "
                                   "%llu test pairs (99%% interval %.4f to "
                                   "%.4f)",
                                   gated ? "gate missed: " : "", 100 * c->level,
                                   c->region, name, c->coverage, (unsigned long long)c->n,
                                   c->interval[0], c->interval[1]);
    if (gated)
        report_miss(d, what);
    else
        report_checked(d, what);
}

static int coverage_row_of(report_data *d, const json_t *j, coverage_row *row)
{
    const json_t *cells = json_object_get(j, "cells");
    size_t n = json_array_size(cells);
    table_cell *c = arena_alloc(d->arena, n + 1, sizeof *c);
    if (!c)
        return fail(NRE_ENOMEM, "no memory for a table");
    d->beside = calibrates(d->run->session->experiment) && !row_is_calibrated(j);
    *row = (coverage_row){.target = word_in(j, "target"),
                          .architecture = report_name(d, j),
                          .gain = real_in(j, "gain"),
                          .gain_error = real_in(j, "gain_error"),
                          .simulations = report_simulations(d, word_in(j, "target")),
                          .missing = count_in(j, "missing"),
                          .n_cells = n,
                          .cells = c};
    for (size_t i = 0; i < n; i++) {
        const json_t *cell = json_array_get(cells, i);
        c[i] = (table_cell){.region = word_in(cell, "region"),
                            .level = real_in(cell, "level"),
                            .coverage = real_in(cell, "coverage"),
                            .sd_evaluation = real_in(cell, "sd_evaluation"),
                            .sd_training = real_in(cell, "sd_training"),
                            .n = count_in(cell, "n"),
                            .verdict = word_in(cell, "verdict"),
                            .bias = fmax(real_in(cell, "bias"), 0),
                            .reason = word_in(cell, "reason")};
        reals_in(cell, "interval", 2, c[i].interval);
        gate_coverage(d, row->target, &c[i]);
    }
    d->beside = false;
    return row->architecture ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
}

static int read_coverage(report_data *d)
{
    const json_t *rows = json_object_get(d->coverage, "rows");
    size_t n = json_array_size(rows);
    coverage_row *r = arena_alloc(d->arena, n + 1, sizeof *r);
    int rc = r ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
    for (size_t i = 0; i < n && !rc; i++)
        rc = coverage_row_of(d, json_array_get(rows, i), &r[i]);
    d->coverage_table =
        (coverage_table){.title = report_title(d), .n_rows = n, .rows = r};
    return rc;
}

/* What calibration made of each network as a classifier. */
static void note_calibrations(report_data *d)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(d->calibration, "rows"), i, row)
    {
        const json_t *before = json_object_get(row, "before");
        const json_t *after = json_object_get(row, "after");
        report_note(
            d, arena_print(
                   d->arena,
                   "the log ratio of target %s is calibrated (%s). As a classifier of "
                   "%llu test rows its log loss changes by %.4f ±%.4f to %.4f nats, its "
                   "calibration error from %.4f to %.4f (a perfect one's: %.4f by "
                   "chance). Without calibration: the rows '%s'",
                   word_in(row, "target"), calibration_words(d->run->session->experiment),
                   (unsigned long long)count_in(after, "rows"),
                   real_in(row, "log_loss_change"), real_in(row, "log_loss_change_error"),
                   real_in(after, "log_loss"), real_in(before, "calibration_error"),
                   real_in(after, "calibration_error"), real_in(after, "by_chance"),
                   report_estimator(d->run->session->experiment)));
    }
}

/* all */

static int note_missing(report_data *d, const char *name, const char *why)
{
    d->missing = d->missing ? arena_print(d->arena, "%s, %s (%s)", d->missing, name, why)
                            : arena_print(d->arena, "%s (%s)", name, why);
    return d->missing ? NRE_OK : fail(NRE_ENOMEM, "no memory for the tables");
}

/* Why file NAME of an unfinished run, which unit STAGE/ABOUT makes, is not to be used: the config may have
 * changed since; NULL: it may be. */
static const char *stale(const report_data *d, const char *stage, const char *about)
{
    const char *name = arena_print(d->arena, "%s/%s", stage, about), *reason = NULL;
    for (size_t i = 0; name && i < d->n_units; i++)
        if (!strcmp(d->units[i].name, name))
            return unit_is_reusable(d->run, &d->units[i], &reason) ? NULL : reason;
    return NULL;
}

static int read_result(report_data *d, const char *stage, const char *about, json_t **out)
{
    bool infers = strcmp(stage, "infer") == 0;
    const char *name = arena_print(
        d->arena, infers ? "posterior/%s/summary.json" : "diagnostics/%s.json", about);
    const char *path = path_join(d->arena, d->run->folder->path, name);
    const char *why = stale(d, stage, about);
    *out = NULL;
    if (!path)
        return fail(NRE_ENOMEM, "no memory for the tables");
    if (why)
        return note_missing(d, name, why);
    return file_exists(path) ? json_load_path(path, RESULT_LIMIT, out) : NRE_OK;
}

static int read_posteriors(report_data *d)
{
    const session *s = d->run->session;
    size_t n = s->n_targets;
    int rc = NRE_OK;
    d->posterior = arena_alloc(d->arena, 2 * n, sizeof *d->posterior);
    if (!d->posterior)
        return fail(NRE_ENOMEM, "no memory for the tables");
    for (size_t i = 0; i < (calibrates(s->experiment) ? 2 * n : n) && !rc; i++)
        rc = read_result(d, "infer",
                         arena_print(d->arena, "%s%s", s->targets[i % n].name,
                                     i < n ? "" : "/uncalibrated"),
                         &d->posterior[i]);
    return rc;
}

static int read_results(report_data *d)
{
    const run *r = d->run;
    const experiment *e = r->session->experiment;
    int rc = NRE_OK;
    if (e->diagnose.coverage.wanted)
        rc = read_result(d, "diagnose", "coverage", &d->coverage);
    if (!rc && e->diagnose.area.wanted)
        rc = read_result(d, "diagnose", "area", &d->area);
    if (!rc && e->diagnose.predictive.wanted)
        rc = read_result(d, "diagnose", "predictive", &d->predictive);
    if (!rc && calibrates(e))
        rc = read_result(d, "diagnose", "calibration", &d->calibration);
    if (!rc)
        rc = read_posteriors(d);
    for (size_t k = 0; k < N_CHECKS && !rc; k++)
        if (check_is_wanted(r, k))
            rc = read_result(d, "diagnose", check_name(k), &d->check[k]);
    return rc;
}

static int make_tables(report_data *d)
{
    report_note(d, rounds_scope(d->run->session, d->arena));
    note_calibrations(d);
    int rc = read_coverage(d);
    if (!rc)
        rc = report_checks(d);
    if (!rc)
        rc = report_posteriors(d);
    return rc ? rc : report_quality(d);
}

/* Into PATH, with a note of the figures that it lacks. */
static int write_page(report_data *d, run_summary *s, const char *path)
{
    const char *base = d->run->source->path;
    char *config = NULL, *environment = NULL;
    size_t n;
    if (s->n_undrawn)
        report_note(d, arena_print(d->arena,
                                   "%zu figure%s missing: gnuplot is not there or cannot "
                                   "draw %s; with gnuplot, nereid report draws %s",
                                   s->n_undrawn, s->n_undrawn == 1 ? " is" : "s are",
                                   s->n_undrawn == 1 ? "it" : "them",
                                   s->n_undrawn == 1 ? "it" : "them"));
    s->n_notes = d->n_notes;
    int rc = file_read(path_join(d->arena, base, "resolved.yaml"), 1 << 22, &config, &n);
    if (!rc)
        rc = file_read(path_join(d->arena, base, "environment.json"), 1 << 22,
                       &environment, &n);
    if (!rc)
        rc = page_write(s, config, environment, path);
    free(config);
    free(environment);
    return rc;
}

static int remove_file(const char *path)
{
    if (!path)
        return fail(NRE_ENOMEM, "no memory for the name of a file");
    if (unlink(path) && errno != ENOENT)
        return fail(NRE_EIO, "cannot remove '%s': %s", path, strerror(errno));
    return NRE_OK;
}

/* What an earlier report of this folder wrote and this one does not would pass for its own: `nereid
 * table` reads whatever is there. */
static int remove_table(arena *a, const char *tables, const char *name)
{
    static const char *const ENDINGS[] = {"json", "md", "tex", "csv"};
    int rc = NRE_OK;
    for (size_t i = 0; i < sizeof ENDINGS / sizeof ENDINGS[0] && !rc; i++)
        rc = remove_file(path_join(a, tables, arena_print(a, "%s.%s", name, ENDINGS[i])));
    return rc;
}

static int remove_unwritten(const run *r, const run_summary *all, arena *a,
                            const char *tables)
{
    const struct {
        bool written;
        const char *name, *beside; /* one more CSV, or NULL */
    } TABLE[] = {{all->coverage, "coverage", "coverage_by_parameter.csv"},
                 {all->posterior, "posterior", "limits.csv"},
                 {all->posterior, "posterior", "regions.csv"},
                 {all->checks, "checks", NULL},
                 {all->quality, "quality", NULL},
                 {r->n_timings, "timing", NULL}};
    int rc = NRE_OK;
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0] && !rc; i++) {
        if (TABLE[i].written)
            continue;
        rc = remove_table(a, tables, TABLE[i].name);
        if (!rc && TABLE[i].beside)
            rc = remove_file(path_join(a, tables, TABLE[i].beside));
    }
    if (!rc && !r->session->experiment->report.html)
        rc = remove_file(folder_path(r->folder, "report.html"));
    return rc;
}

static int sum_up(const report_data *d, double seconds, run_summary *out)
{
    const run *r = d->run;
    *out = (run_summary){.name = r->session->experiment->name,
                         .folder = r->folder->path,
                         .coverage = d->coverage_table.n_rows ? &d->coverage_table : NULL,
                         .posterior =
                             d->posterior_table.n_blocks ? &d->posterior_table : NULL,
                         .n_gates = d->n_gates,
                         .n_notes = d->n_notes,
                         .notes = d->notes,
                         .seconds = seconds,
                         .checks = d->checks_table.n_rows ? &d->checks_table : NULL,
                         .quality = d->quality_table.n_rows ? &d->quality_table : NULL,
                         .elsewhere = r->source != r->folder ? r->source->path : NULL,
                         .n_timings = r->n_timings,
                         .timings = r->timings};
    return report_asked(r, d->arena, &out->n_asked, &out->asked);
}

static int write_tables(report_data *d, double seconds, FILE *out)
{
    const run *r = d->run;
    const char *tables = folder_path(r->folder, "tables");
    run_summary all = {0};
    int rc = folder_make(tables);
    if (!rc)
        rc = sum_up(d, seconds, &all);
    if (!rc)
        rc = remove_unwritten(r, &all, d->arena, tables);
    if (!rc && all.coverage)
        rc = coverage_table_write(all.coverage, tables);
    if (!rc && all.coverage)
        rc = coverage_bins_write(all.coverage, json_object_get(d->coverage, "rows"),
                                 tables);
    if (!rc && all.posterior)
        rc = posterior_table_write(all.posterior, tables);
    if (!rc && all.checks)
        rc = checks_table_write(all.checks, tables);
    if (!rc && all.quality)
        rc = quality_table_write(all.quality, tables);
    if (!rc && r->n_timings)
        rc = timing_table_write(r->n_timings, r->timings, tables);
    if (!rc)
        rc = figures_write(r, folder_path(r->folder, "figures"), all.coverage, d->arena,
                           &all);
    if (!rc && r->session->experiment->report.html)
        rc = write_page(d, &all, folder_path(r->folder, "report.html"));
    return rc || !out ? rc : summary_print(&all, out);
}

static int add_table(json_t *list, const char *path)
{
    if (file_exists(path) && json_array_append_new(list, json_string(path)))
        return fail(NRE_ENOMEM, "no memory for the result");
    return NRE_OK;
}

/* For --json: what was noted, and which tables were written. */
static int fill_result(const report_data *d)
{
    static const char *const TABLES[] = {"coverage", "posterior", "quality", "checks",
                                         "timing"};
    json_t *notes = json_array(), *tables = json_array(), *result = d->run->result;
    int rc = notes && tables ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    for (size_t i = 0; i < d->n_notes && !rc; i++)
        json_array_append_new(notes, json_string(d->notes[i]));
    for (size_t i = 0; i < d->n_checked && !rc; i++)
        json_array_append_new(notes, json_string(d->checked[i]));
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0] && !rc; i++)
        rc = add_table(tables, folder_path(d->run->folder, "tables/%s.json", TABLES[i]));
    json_object_set_new(result, "notes", notes);
    json_object_set_new(result, "tables", tables);
    return rc;
}

void result_print(const run *r, int rc)
{
    if (!r->result)
        return;
    json_object_set_new(r->result, "folder", json_string(r->folder->path));
    json_object_set_new(r->result, "exit", json_integer(exit_code_of(rc)));
    json_object_set_new(r->result, "message",
                        rc ? json_string(error_message()) : json_null());
    json_dumpf(r->result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    printf("\n");
}

static int report_open(run *r, report_data *d)
{
    *d = (report_data){.run = r, .arena = arena_new()};
    return d->arena ? NRE_OK : fail(NRE_ENOMEM, "no memory for the tables");
}

static void report_close(report_data *d)
{
    for (size_t i = 0; d->posterior && i < 2 * d->run->session->n_targets; i++)
        json_decref(d->posterior[i]);
    json_decref(d->coverage);
    json_decref(d->area);
    json_decref(d->predictive);
    json_decref(d->calibration);
    json_decref(d->source_checks);
    for (size_t k = 0; k < N_CHECKS; k++)
        json_decref(d->check[k]);
    arena_free(d->arena);
}

int report_run(run *r, double seconds, FILE *out)
{
    report_data d;
    int rc = report_open(r, &d);
    if (!rc)
        rc = read_results(&d);
    if (!rc)
        rc = make_tables(&d);
    if (!rc)
        rc = write_tables(&d, seconds, r->result ? NULL : out);
    if (!rc && r->result)
        rc = fill_result(&d);
    if (!rc && d.n_gates)
        rc = fail(NRE_EGATE, "%s", d.notes[0]);
    report_close(&d);
    return rc;
}

/* the page alone */

static void note_state(report_data *d, const char *state)
{
    report_note(d, arena_print(d->arena, "this run is not complete (%s)%s%s", state,
                               d->missing ? "; there is no " : "",
                               d->missing ? d->missing : ""));
}

static int draw_page(report_data *d, const char *path)
{
    const char *scratch = NULL;
    run_summary all;
    int rc = sum_up(d, NAN, &all);
    if (!rc)
        rc = scratch_make(d->arena, &scratch);
    if (!rc)
        rc = figures_write(d->run, scratch, all.coverage, d->arena, &all);
    if (!rc)
        rc = write_page(d, &all, path);
    scratch_remove(scratch);
    return rc;
}

/* No "tables": none are written. */
static int fill_notes(const report_data *d)
{
    json_t *notes = json_array();
    int rc = notes ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    for (size_t i = 0; i < d->n_notes && !rc; i++)
        json_array_append_new(notes, json_string(d->notes[i]));
    json_object_set_new(d->run->result, "notes", notes);
    return rc;
}

int report_page(run *r, const char *state, bool finished, const char *path)
{
    report_data d;
    int rc = report_open(r, &d);
    if (!rc && !finished)
        rc = stages_open(folder_path(r->folder, "stages.json"), &r->stages);
    if (!rc && !finished)
        rc = units_of_run(r, &d.n_units, &d.units);
    if (!rc)
        rc = read_results(&d);
    if (!rc && !finished)
        note_state(&d, state);
    if (!rc)
        rc = make_tables(&d);
    if (!rc)
        rc = draw_page(&d, path);
    if (!rc)
        rc = fill_notes(&d);
    report_close(&d);
    return rc;
}

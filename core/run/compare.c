/* The finished runs below folders, side by side: cells of a sweep, or runs by their folder. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_LIMIT = 256 << 20 };
static const char COVERAGE[] = "tables/coverage.json", QUALITY[] = "tables/quality.json",
                  CHECKS[] = "tables/checks.json";

/* One row of a comparison: a cell with its replicates, or a run alone. */
typedef struct entry {
    const char *name;
    size_t n, n_finished;
    const char *const *runs; /* [n] folders */
    const char **finished;   /* [n_finished] of them */
} entry;

/* Runs that a table lacks: those that all lack, then its own. */
typedef struct gap_list {
    size_t n;
    table_gap *gaps; /* with room for all runs */
} gap_list;

typedef struct comparer {
    arena *arena;
    const char *title;
    bool alone; /* of one folder: links are relative to it */
    size_t n, room;
    entry *entries;
    size_t n_runs, n_links;
    gap_list missing, no_coverage, no_quality, no_checks;
    comparison_link *links;
    size_t n_rows;
    coverage_row *rows;
    size_t n_qualities;
    quality_row *qualities;
    paired_table paired;
    json_t *posterior, *checks, *timing;
} comparer;

static int no_memory(void)
{
    return fail(NRE_ENOMEM, "no memory to compare runs");
}

/* where a run stands */

/* The N-th line of a file, in A; NULL when there is none. */
static const char *line_of_file(arena *a, const char *path, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    if (!path || !file_exists(path) || file_read(path, 1 << 20, &text, &size))
        return NULL;
    const char *at = text;
    for (; n > 0 && *at; n--) {
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    const char *line = arena_print(a, "%.*s", (int)strcspn(at, "\n"), at);
    free(text);
    return line;
}

const char *run_state(const char *path, arena *a, bool *finished)
{
    const char *done = line_of_file(a, path_join(a, path, "DONE"), 0);
    const char *failed = path_join(a, path, "FAILED");
    const char *code = line_of_file(a, failed, 0), *why = line_of_file(a, failed, 1);
    *finished = done != NULL;
    if (done)
        return strcmp(done, "done") == 0 ? "done" : arena_print(a, "done; %s", done);
    if (code)
        return arena_print(a, "failed, %s%s%s", code, why && *why ? ": " : "",
                           why ? why : "");
    if (!file_exists(path))
        return "not begun";
    return file_exists(path_join(a, path, "lock")) ? "not finished" : "no run";
}

/* gathering folders */

static int add_entry(comparer *c, const char *name, size_t n, const char *const *runs)
{
    if (c->n == c->room) {
        size_t most = c->room ? 2 * c->room : 16;
        entry *more = arena_alloc(c->arena, most, sizeof *more);
        if (!more)
            return no_memory();
        if (c->n)
            memcpy(more, c->entries, c->n * sizeof *more);
        c->entries = more;
        c->room = most;
    }
    c->entries[c->n++] = (entry){.name = name, .n = n, .runs = runs};
    return name ? NRE_OK : no_memory();
}

static int add_cell(comparer *c, const char *path, const char *cell, size_t replicates)
{
    arena *a = c->arena;
    const char **runs = arena_alloc(a, replicates, sizeof *runs);
    for (size_t r = 0; runs && r < replicates; r++)
        if (!(runs[r] = arena_print(a, "%s/cells/%s/r%zu", path, cell, r)))
            return no_memory();
    const char *name =
        c->alone ? arena_copy(a, cell) : arena_print(a, "%s: %s", path, cell);
    return runs ? add_entry(c, name, replicates, runs) : no_memory();
}

static int add_sweep(comparer *c, const char *path, const char *file)
{
    json_t *p = NULL, *cell;
    size_t i;
    int rc = json_load_path(file, TABLE_LIMIT, &p);
    json_int_t replicates = json_integer_value(json_object_get(p, "replicates"));
    const json_t *cells = json_object_get(p, "cells");
    if (!rc && (replicates < 1 || replicates > 1000 || json_array_size(cells) == 0))
        rc = fail(NRE_EDATA, "'%s' is not the plan of a sweep", file);
    json_array_foreach(cells, i, cell)
    {
        const char *name = json_string_value(json_object_get(cell, "cell"));
        if (!rc && !name)
            rc = fail(NRE_EDATA, "'%s': cell %zu has no name", file, i + 1);
        if (!rc)
            rc = add_cell(c, path, name, (size_t)replicates);
    }
    const char *title = json_string_value(json_object_get(p, "name"));
    if (c->alone && title)
        c->title = arena_copy(c->arena, title);
    json_decref(p);
    return rc;
}

static int add_folder(comparer *c, const char *path)
{
    arena *a = c->arena;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    path = arena_print(a, "%.*s", (int)n, path);
    const char *file = path ? path_join(a, path, "plan.json") : NULL;
    const char **runs = arena_alloc(a, 1, sizeof *runs);
    if (!file || !runs)
        return no_memory();
    if (file_exists(file))
        return add_sweep(c, path, file);
    if (!file_exists(path_join(a, path, "resolved.yaml")))
        return fail(NRE_EDATA,
                    "'%s' is neither a run nor a sweep: it has no resolved.yaml and no "
                    "plan.json",
                    path);
    runs[0] = path;
    return add_entry(c, path, 1, runs);
}

/* A page relative to the folder of the comparison. */
static const char *page_of(const comparer *c, const char *where)
{
    const char *cells = strstr(where, "/cells/"), *next = cells;
    while (next && (next = strstr(next + 1, "/cells/")))
        cells = next;
    if (!c->alone || !cells || !file_exists(path_join(c->arena, where, "report.html")))
        return NULL;
    return arena_print(c->arena, "%s/report.html", cells + 1);
}

/* Finished runs, and a gap for each other. */
static int sort_runs(comparer *c, entry *e)
{
    arena *a = c->arena;
    e->finished = arena_alloc(a, e->n, sizeof *e->finished);
    if (!e->finished)
        return no_memory();
    for (size_t r = 0; r < e->n; r++) {
        bool done = false;
        const char *name = e->n > 1 ? arena_print(a, "%s/r%zu", e->name, r) : e->name;
        const char *state = run_state(e->runs[r], a, &done);
        if (!name || !state)
            return no_memory();
        c->links[c->n_links++] = (comparison_link){name, state, page_of(c, e->runs[r])};
        if (done)
            e->finished[e->n_finished++] = e->runs[r];
        else
            c->missing.gaps[c->missing.n++] = (table_gap){name, state};
    }
    return NRE_OK;
}

static int sort_entries(comparer *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->n_runs += c->entries[i].n;
    c->missing.gaps = arena_alloc(c->arena, 3 * c->n_runs + 1, sizeof *c->missing.gaps);
    c->links = arena_alloc(c->arena, c->n_runs + 1, sizeof *c->links);
    int rc = c->missing.gaps && c->links ? NRE_OK : no_memory();
    for (size_t i = 0; i < c->n && !rc; i++)
        rc = sort_runs(c, &c->entries[i]);
    return rc;
}

/* tables of runs */

static size_t replicate_of(const entry *e, const char *path)
{
    size_t r = 0;
    while (r < e->n && strcmp(e->runs[r], path) != 0)
        r++;
    return r;
}

/* The run E->finished[I] has no such table. */
static int add_gap(comparer *c, gap_list *list, const entry *e, size_t i, const char *why)
{
    const char *name = e->n == 1 ? e->name
                                 : arena_print(c->arena, "%s/r%zu", e->name,
                                               replicate_of(e, e->finished[i]));
    list->gaps[list->n++] = (table_gap){name, why};
    return name && why ? NRE_OK : no_memory();
}

/* A gap for RC, of reading TABLE of a run, where that is damaged; other errors stay. */
static int forgive(comparer *c, gap_list *list, const entry *e, size_t i,
                   const char *table, int rc)
{
    if (rc != NRE_EDATA && rc != NRE_EFORMAT)
        return rc;
    log_say(NRE_WARN, "%s; the comparison leaves it out", error_message());
    return add_gap(c, list, e, i, arena_print(c->arena, "%s is damaged", table));
}

/* Path of a table that a run should have; NULL and a gap where it has none. */
static int find_table(comparer *c, gap_list *list, const entry *e, size_t i,
                      const char *table, const char **path)
{
    *path = path_join(c->arena, e->finished[i], table);
    if (!*path)
        return no_memory();
    if (file_exists(*path))
        return NRE_OK;
    *path = NULL;
    return add_gap(c, list, e, i,
                   arena_print(c->arena,
                               "it has no %s: an older version made it, or nothing of it "
                               "was asked for",
                               table));
}

/* coverage: the mean over replicates, and its spread */

static double mean_of(size_t n, const double *value)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i];
    return sum / (double)n;
}

/* Of a sample, NAN for one. */
static double deviation_of(size_t n, const double *value)
{
    double mean = mean_of(n, value), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (value[i] - mean) * (value[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

/* The row of the same target and estimator. */
static const coverage_row *row_of(const coverage_table *t, const coverage_row *as)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (strcmp(t->rows[i].target, as->target) == 0 &&
            strcmp(t->rows[i].architecture, as->architecture) == 0)
            return &t->rows[i];
    return NULL;
}

/* Cell CELL of all N trainings as one.  They were tested on the same pairs, so that their number
 * does not grow: the interval is that of one test of a mean fraction. */
static void pool_cells(table_cell *cell, size_t n, const coverage_row *const *rows,
                       double *value)
{
    const coverage_column where = {cell->region, cell->level};
    double evaluation = 0;
    for (size_t i = 0; i < n; i++) {
        const table_cell *other = coverage_cell_at(rows[i], &where);
        value[i] = other ? other->coverage : NAN;
        evaluation += other ? other->sd_evaluation : NAN;
        cell->n = other && other->n < cell->n ? other->n : cell->n;
    }
    if (n < 2)
        return;
    cell->coverage = mean_of(n, value);
    cell->sd_training = deviation_of(n, value);
    cell->sd_evaluation = evaluation / (double)n;
    if (!isfinite(cell->coverage)) {
        cell->reason = "one of the trainings has none";
        return;
    }
    binomial_interval((uint64_t)llround(cell->coverage * (double)cell->n), cell->n, 0.99,
                      cell->interval);
    cell->verdict = verdict_word(verdict_of(cell->level, cell->interval));
}

static int pool_rows(comparer *c, const entry *e, size_t n,
                     const coverage_row *const *rows)
{
    coverage_row *out = &c->rows[c->n_rows++];
    double *gain = arena_alloc(c->arena, n, sizeof *gain), error = 0;
    table_cell *cells = arena_alloc(c->arena, rows[0]->n_cells + 1, sizeof *cells);
    if (!gain || !cells)
        return no_memory();
    *out = *rows[0];
    out->cell = e->name;
    out->trainings = n;
    out->trainings_planned = e->n;
    out->cells = cells;
    for (size_t k = 0; k < out->n_cells; k++) {
        cells[k] = rows[0]->cells[k];
        pool_cells(&cells[k], n, rows, gain);
    }
    for (size_t i = 0; i < n; i++) {
        gain[i] = rows[i]->gain;
        error += rows[i]->gain_error;
        out->missing = rows[i]->missing > out->missing ? rows[i]->missing : out->missing;
    }
    out->gain = mean_of(n, gain);
    out->gain_error =
        error / (double)n; /* the same pairs: no smaller for more trainings */
    out->gain_sd_training = deviation_of(n, gain);
    return NRE_OK;
}

static int make_room(comparer *c, size_t n)
{
    coverage_row *rows = arena_alloc(c->arena, c->n_rows + n + 1, sizeof *rows);
    if (!rows)
        return no_memory();
    if (c->n_rows)
        memcpy(rows, c->rows, c->n_rows * sizeof *rows);
    c->rows = rows;
    return NRE_OK;
}

static int read_coverage(comparer *c, const entry *e)
{
    arena *a = c->arena;
    size_t n = 0;
    coverage_table *tables = arena_alloc(a, e->n_finished + 1, sizeof *tables);
    const coverage_row **rows = arena_alloc(a, e->n_finished + 1, sizeof *rows);
    int rc = tables && rows ? NRE_OK : no_memory();
    for (size_t i = 0; i < e->n_finished && !rc; i++) {
        const char *path = NULL;
        rc = find_table(c, &c->no_coverage, e, i, COVERAGE, &path);
        if (rc || !path)
            continue;
        rc = coverage_table_read(path, a, &tables[n]);
        n += !rc;
        rc = forgive(c, &c->no_coverage, e, i, COVERAGE, rc);
    }
    if (!rc && n)
        rc = make_room(c, tables[0].n_rows);
    for (size_t i = 0; n && i < tables[0].n_rows && !rc; i++) {
        size_t found = 0;
        for (size_t k = 0; k < n; k++)
            if ((rows[found] = row_of(&tables[k], &tables[0].rows[i])))
                found++;
        rc = pool_rows(c, e, found, rows);
    }
    return rc;
}

/* quality: the same, over numbers */

static const quality_row *quality_of(const quality_table *t, const quality_row *as)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (strcmp(t->rows[i].target, as->target) == 0 &&
            strcmp(t->rows[i].architecture, as->architecture) == 0)
            return &t->rows[i];
    return NULL;
}

/* As in pool_cells: one test of a mean fraction. */
static void give_interval(size_t n, quality_number *q)
{
    if (n > 1 && isfinite(q->value) && q->n > 0)
        binomial_interval((uint64_t)llround(q->value * (double)q->n), q->n, 0.99,
                          q->interval);
}

static int pool_qualities(comparer *c, const entry *e, size_t n,
                          const quality_table *tables)
{
    const quality_row **rows = arena_alloc(c->arena, n + 1, sizeof *rows);
    quality_row *all =
        arena_alloc(c->arena, c->n_qualities + tables[0].n_rows + 1, sizeof *all);
    if (!rows || !all)
        return no_memory();
    if (c->n_qualities)
        memcpy(all, c->qualities, c->n_qualities * sizeof *all);
    c->qualities = all;
    for (size_t i = 0; i < tables[0].n_rows; i++) {
        size_t found = 0;
        for (size_t k = 0; k < n; k++)
            if ((rows[found] = quality_of(&tables[k], &tables[0].rows[i])))
                found++;
        quality_row *out = &all[c->n_qualities++];
        quality_pool(e->name, e->n, found, rows, out);
        give_interval(found, &out->number[QUALITY_COVERAGE]);
    }
    return NRE_OK;
}

static int read_quality(comparer *c, const entry *e)
{
    arena *a = c->arena;
    size_t n = 0;
    quality_table *tables = arena_alloc(a, e->n_finished + 1, sizeof *tables);
    int rc = tables ? NRE_OK : no_memory();
    for (size_t i = 0; i < e->n_finished && !rc; i++) {
        const char *path = NULL;
        rc = find_table(c, &c->no_quality, e, i, QUALITY, &path);
        if (rc || !path)
            continue;
        rc = quality_table_read(path, a, &tables[n]);
        n += !rc;
        rc = forgive(c, &c->no_quality, e, i, QUALITY, rc);
    }
    return rc || !n ? rc : pool_qualities(c, e, n, tables);
}

/* the other tables: rows as they are */

/* {"cell": .., "replicate": .., and all that ROW says}. */
static json_t *marked_row(const entry *e, size_t replicate, json_t *row)
{
    json_t *out = json_pack("{s:s}", "cell", e->name);
    if (e->n > 1)
        json_object_set_new(out, "replicate", json_integer((json_int_t)replicate));
    json_object_update(out, row);
    return out;
}

static int read_rows(comparer *c, gap_list *list, const entry *e, const char *table,
                     json_t *out)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < e->n_finished && !rc; i++) {
        const char *path = path_join(c->arena, e->finished[i], table);
        json_t *all = NULL, *row;
        size_t k;
        if (list == &c->no_checks)
            rc = find_table(c, list, e, i, table, &path);
        if (rc || !path || !file_exists(path))
            continue;
        rc = forgive(c, list, e, i, table, json_load_path(path, TABLE_LIMIT, &all));
        json_array_foreach(json_object_get(all, "rows"), k, row) json_array_append_new(
            out, marked_row(e, replicate_of(e, e->finished[i]), row));
        json_decref(all);
    }
    return rc;
}

/* What all tables lack is known when the first of several begins. */
static int begin_gaps(comparer *c, gap_list *list)
{
    *list = c->missing;
    list->gaps = arena_alloc(c->arena, c->missing.n + c->n_runs + 1, sizeof *list->gaps);
    if (!list->gaps)
        return no_memory();
    memcpy(list->gaps, c->missing.gaps, c->missing.n * sizeof *list->gaps);
    return NRE_OK;
}

static int read_tables(comparer *c)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < c->n && !rc; i++) {
        rc = read_rows(c, &c->missing, &c->entries[i], "tables/posterior.json",
                       c->posterior);
        if (!rc)
            rc = read_rows(c, &c->missing, &c->entries[i], "tables/timing.json",
                           c->timing);
    }
    if (!rc)
        rc = begin_gaps(c, &c->no_coverage);
    if (!rc)
        rc = begin_gaps(c, &c->no_quality);
    if (!rc)
        rc = begin_gaps(c, &c->no_checks);
    for (size_t i = 0; i < c->n && !rc; i++) {
        rc = read_coverage(c, &c->entries[i]);
        if (!rc)
            rc = read_quality(c, &c->entries[i]);
        if (!rc)
            rc = read_rows(c, &c->no_checks, &c->entries[i], CHECKS, c->checks);
    }
    return rc;
}

/* pair by pair */

static int read_pairs(comparer *c)
{
    const coverage_table coverage = {c->title, c->n_rows, c->rows, c->missing.n,
                                     c->missing.gaps};
    compared *cells = arena_alloc(c->arena, c->n + 1, sizeof *cells);
    for (size_t i = 0; cells && i < c->n; i++)
        cells[i] = (compared){c->entries[i].name, c->entries[i].n_finished,
                              c->entries[i].finished};
    return cells ? compare_pairs(c->n, cells, &coverage, c->arena, &c->paired)
                 : no_memory();
}

/* the whole */

/* WHERE/comparison.{csv,gp,svg}; *PATH is NULL where gnuplot drew nothing. */
static int draw_cells(const comparer *c, const char *where, const char **path)
{
    static const char *const name = "comparison";
    const coverage_table t = {c->title, c->n_rows, c->rows, 0, NULL};
    *path = path_join(c->arena, where, "comparison.svg");
    int rc = *path ? figures_remove(where) : no_memory(); /* of a former comparison */
    if (!rc && c->n_rows)
        rc = coverage_figure_write(&t, where, name);
    if (!rc && c->n_rows)
        rc = figures_draw(where, 1, &name);
    if (rc || !c->n_rows || !file_exists(*path))
        *path = NULL;
    return rc;
}

/* Links of a page that lies elsewhere than in the one folder that is compared. */
static int find_base(const comparer *c, const char *path, const char *page,
                     comparison *all)
{
    char *here = realpath(path_folder(c->arena, page), NULL),
         *there = realpath(path, NULL);
    bool same = here && there && strcmp(here, there) == 0;
    all->base = same || !there ? "" : arena_print(c->arena, "%s/", there);
    free(here);
    free(there);
    return all->base ? NRE_OK : no_memory();
}

/* A page alone: its figure is drawn where nothing stays, or is that of the tables. */
static int write_page(const comparer *c, const char *path, const char *page,
                      comparison *all)
{
    arena *a = c->arena;
    const char *scratch = NULL, *tables = path_join(a, path, "tables"),
               *drawn = path_join(a, tables, "comparison.svg");
    int rc = drawn ? scratch_make(a, &scratch) : no_memory();
    if (!rc)
        rc = draw_cells(c, scratch, &all->figure);
    if (!all->figure && drawn && file_exists(drawn))
        all->figure = drawn;
    all->tables = tables && file_exists(path_join(a, tables, "timing.json"));
    if (!rc)
        rc = comparison_page(all, page);
    scratch_remove(scratch);
    return rc;
}

static int write_all(const comparer *c, const char *path, const char *tables,
                     const char *page, FILE *out)
{
    check_row *checks = NULL;
    size_t n_checks = 0;
    int rc = checks_rows_of(c->checks, c->arena, &n_checks, &checks);
    comparison all = {
        .title = c->title,
        .n_gaps = c->missing.n,
        .gaps = c->missing.gaps,
        .coverage = {c->title, c->n_rows, c->rows, c->no_coverage.n, c->no_coverage.gaps},
        .quality = {c->title, c->n_qualities, c->qualities, c->no_quality.n,
                    c->no_quality.gaps},
        .checks = {c->title, n_checks, checks, c->no_checks.n, c->no_checks.gaps},
        .paired = c->paired,
        .posterior = c->posterior,
        .timing = c->timing,
        .n_links = c->n_links,
        .links = c->links};
    if (!rc && tables)
        rc = comparison_write(&all, tables);
    if (!rc && tables)
        rc = draw_cells(c, tables, &all.figure);
    all.tables = tables != NULL;
    if (!rc && page)
        rc = find_base(c, path, page, &all);
    if (!rc && page)
        rc = tables ? comparison_page(&all, page) : write_page(c, path, page, &all);
    return rc || !out ? rc : comparison_print(&all, out);
}

int compare_folders(size_t n, const char *const *paths, const char *tables,
                    const char *page, FILE *out)
{
    comparer c = {.arena = arena_new(),
                  .title = "comparison",
                  .alone = n == 1,
                  .posterior = json_array(),
                  .checks = json_array(),
                  .timing = json_array()};
    int rc = c.arena && c.posterior && c.checks && c.timing ? NRE_OK : no_memory();
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_folder(&c, paths[i]);
    if (!rc)
        rc = sort_entries(&c);
    if (!rc && c.missing.n == c.n_runs)
        rc = fail(NRE_EDATA, "nothing is finished yet: %s is %s", c.missing.gaps[0].cell,
                  c.missing.gaps[0].why);
    if (!rc)
        rc = read_tables(&c);
    if (!rc)
        rc = read_pairs(&c);
    if (!rc)
        rc = write_all(&c, paths[0], tables, page, out);
    json_decref(c.posterior);
    json_decref(c.checks);
    json_decref(c.timing);
    arena_free(c.arena);
    return rc;
}

/* Cells with the same target and test set, compared with the best of them test pair by test pair. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_LIMIT = 64 << 20 };

/* A target of a cell, its trainings together. */
typedef struct series {
    size_t n_runs, used; /* finished; whose pairs are there */
    const char *const *runs;
    const char *target, *cell;
    const coverage_row *row;
    bool *damaged; /* [n_runs] their pairs cannot be read */
    hash test;     /* of the test set */
    double mean, sd_training;
    bool known;
} series;

/* What is known of its pairs. */
typedef struct judged_pairs {
    size_t n;
    double *gain; /* [n] mean over trainings; NAN where one lacks it */
    double *rank; /* [n] of the first training */
} judged_pairs;

static int no_memory(void)
{
    return fail(NRE_ENOMEM, "no memory to compare test pairs");
}

/* which test set */

/* Of the checksums of its shards and of what made them; false where a run has none. */
static bool test_set_of(const char *where, arena *a, hash *out)
{
    const char *path = path_join(a, where, "data/test/manifest.json");
    json_t *m = NULL, *shard;
    size_t i;
    if (!path || !file_exists(path) || json_load_path(path, MANIFEST_LIMIT, &m))
        return false;
    const char *made = json_string_value(json_object_get(m, "fingerprint")), *text = made;
    json_array_foreach(json_object_get(m, "shards"), i, shard)
    {
        const char *seal = json_string_value(json_object_get(shard, "seal"));
        text = text && seal ? arena_print(a, "%s\n%s", text, seal) : NULL;
    }
    json_decref(m);
    if (text)
        *out = hash_string(text);
    return text != NULL;
}

static const char *pairs_path(const series *s, size_t training, arena *a)
{
    const char *path =
        arena_print(a, "%s/diagnostics/pairs-%s.h5", s->runs[training], s->target);
    return path && file_exists(path) && !s->damaged[training] ? path : NULL;
}

/* pairs of a cell */

static void release(judged_pairs *p)
{
    free(p->gain);
    free(p->rank);
    *p = (judged_pairs){0};
}

static int begin(judged_pairs *p, const pair_set *from)
{
    p->n = (size_t)from->n;
    p->gain = memory_new(p->n, sizeof *p->gain);
    p->rank = memory_new(p->n, sizeof *p->rank);
    if (!p->gain || !p->rank)
        return no_memory();
    for (size_t i = 0; i < p->n; i++)
        p->rank[i] = from->standing[i].missing ? NAN : from->standing[i].at.rank;
    return NRE_OK;
}

/* Adds the gains of a training; their mean. */
static double add_gains(judged_pairs *p, const pair_set *from)
{
    double sum = 0;
    size_t n = 0;
    p->n = from->n < p->n ? (size_t)from->n : p->n;
    for (size_t i = 0; i < p->n; i++) {
        const pair_standing *s = &from->standing[i];
        p->gain[i] += s->missing ? NAN : s->gain;
        n += !s->missing;
        sum += s->missing ? 0 : s->gain;
    }
    return sum / (double)n;
}

/* MEANS [n_runs] of each training that is used. */
static int read_pairs(const series *s, judged_pairs *out, size_t *used, double *means)
{
    arena *a = arena_new();
    int rc = a ? NRE_OK : no_memory();
    *out = (judged_pairs){0};
    *used = 0;
    for (size_t r = 0; r < s->n_runs && !rc; r++) {
        pair_set *p = NULL;
        hash test = {0};
        const char *path = pairs_path(s, r, a);
        if (!path || !test_set_of(s->runs[r], a, &test) || !hash_equal(test, s->test))
            continue;
        rc = pairs_load(path, &p);
        if (rc == NRE_EDATA || rc == NRE_EFORMAT) {
            s->damaged[r] = true;
            rc = NRE_OK;
            continue;
        }
        if (!rc && *used == 0)
            rc = begin(out, p);
        if (!rc)
            means[(*used)++] = add_gains(out, p);
        pairs_free(p);
    }
    for (size_t i = 0; i < out->n && *used; i++)
        out->gain[i] /= (double)*used;
    arena_free(a);
    if (rc)
        release(out);
    return rc;
}

static double mean_known(size_t n, const double *value)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i])) {
            sum += value[i];
            known++;
        }
    return sum / (double)known;
}

static double deviation_of(size_t n, const double *value)
{
    double mean = mean_known(n, value), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (value[i] - mean) * (value[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

/* What cannot be read is said, and missing. */
static int add_damaged(const series *s, paired_table *out, table_gap *gaps, arena *a)
{
    for (size_t r = 0; r < s->n_runs; r++) {
        const char *path = s->runs[r], *slash = strrchr(path, '/');
        if (!s->damaged[r])
            continue;
        table_gap *gap = &gaps[out->n_gaps++];
        gap->cell = s->n_runs > 1
                        ? arena_print(a, "%s/%s", s->cell, slash ? slash + 1 : path)
                        : s->cell;
        gap->why = arena_print(a, "diagnostics/pairs-%s.h5 is damaged", s->target);
        if (!gap->cell || !gap->why)
            return no_memory();
        log_say(NRE_WARN,
                "'%s/diagnostics/pairs-%s.h5' is damaged; the comparison pair by pair "
                "leaves it out",
                path, s->target);
    }
    return NRE_OK;
}

/* The test set is that of its first training that has one. */
static int survey(series *s)
{
    judged_pairs p;
    arena *a = arena_new();
    double *means = memory_new(s->n_runs + 1, sizeof *means);
    int rc = a && means ? NRE_OK : no_memory();
    for (size_t r = 0; r < s->n_runs && !rc && !s->known; r++)
        s->known = pairs_path(s, r, a) && test_set_of(s->runs[r], a, &s->test);
    if (!rc && s->known && !(rc = read_pairs(s, &p, &s->used, means))) {
        s->mean = mean_known(p.n, p.gain);
        s->sd_training = deviation_of(s->used, means);
        s->known = isfinite(s->mean);
        release(&p);
    }
    free(means);
    arena_free(a);
    return rc;
}

/* one cell beside another */

static double training_error(const series *s)
{
    return s->sd_training / sqrt((double)s->used);
}

static int level_rows(const series *s, const judged_pairs *own, const judged_pairs *best,
                      arena *a, paired_row *out)
{
    size_t n = own->n < best->n ? own->n : best->n;
    paired_level *levels = arena_alloc(a, s->row->n_cells + 1, sizeof *levels);
    if (!levels)
        return no_memory();
    out->levels = levels;
    for (size_t i = 0; i < s->row->n_cells; i++) {
        const table_cell *c = &s->row->cells[i];
        paired_flag f;
        if (strcmp(c->region, "credible") != 0)
            continue;
        paired_flags(n, own->rank, best->rank, c->level, &f);
        levels[out->n_levels++] = (paired_level){c->level, f.difference, f.p};
    }
    return NRE_OK;
}

static int compare_one(const series *s, const series *best, const judged_pairs *of_best,
                       arena *a, paired_row *out)
{
    judged_pairs own;
    paired_mean m;
    size_t used;
    double *means = memory_new(s->n_runs + 1, sizeof *means);
    int rc = means ? read_pairs(s, &own, &used, means) : no_memory();
    free(means);
    if (rc)
        return rc;
    size_t n = own.n < of_best->n ? own.n : of_best->n;
    paired_means(n, own.gain, of_best->gain, 0, &m);
    *out = (paired_row){.target = s->target,
                        .cell = s->cell,
                        .best = best->cell,
                        .trainings = used,
                        .n = m.n,
                        .gain = s->mean,
                        .difference = m.difference,
                        .error = m.error,
                        .error_training = hypot(training_error(s), training_error(best)),
                        .z = m.z,
                        .p = m.p,
                        .p_flip = m.p_flip};
    rc = level_rows(s, &own, of_best, a, out);
    release(&own);
    if (s == best)
        out->error = out->error_training = out->z = out->p = out->p_flip = NAN;
    return rc;
}

/* groups */

static bool same_group(const series *a, const series *b)
{
    return a->known && b->known && strcmp(a->target, b->target) == 0 &&
           hash_equal(a->test, b->test);
}

/* Of the group of FIRST, its first member; NULL when it is alone. */
static const series *best_of_group(size_t n, const series *all, const series *first)
{
    const series *best = NULL;
    size_t members = 0;
    for (size_t i = 0; i < n; i++)
        if (same_group(&all[i], first)) {
            members++;
            if (!best || all[i].mean > best->mean)
                best = &all[i];
        }
    return members > 1 ? best : NULL;
}

static int compare_group(size_t n, const series *all, const series *first, arena *a,
                         size_t *n_rows, paired_row *rows)
{
    const series *best = best_of_group(n, all, first);
    judged_pairs of_best;
    size_t used;
    if (!best)
        return NRE_OK;
    double *means = memory_new(best->n_runs + 1, sizeof *means);
    int rc = means ? read_pairs(best, &of_best, &used, means) : no_memory();
    free(means);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        if (same_group(&all[i], first))
            rc = compare_one(&all[i], best, &of_best, a, &rows[(*n_rows)++]);
    release(&of_best);
    return rc;
}

/* A row of a target of a cell; of several estimators of it the first, whose pairs are kept. */
static bool is_first(size_t n, const series *all, const coverage_row *r)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].cell, r->cell) == 0 && strcmp(all[i].target, r->target) == 0)
            return false;
    return true;
}

/* Targets of cells that are known. */
static int survey_all(size_t n, const compared *cells, const coverage_table *coverage,
                      arena *a, series *all, size_t *found)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < coverage->n_rows && !rc; i++) {
        const coverage_row *r = &coverage->rows[i];
        size_t k = 0;
        while (k < n && strcmp(cells[k].name, r->cell) != 0)
            k++;
        if (k == n || !is_first(*found, all, r))
            continue;
        series *s = &all[(*found)++];
        *s = (series){.n_runs = cells[k].n,
                      .runs = cells[k].runs,
                      .target = r->target,
                      .cell = r->cell,
                      .row = r,
                      .damaged = arena_alloc(a, cells[k].n + 1, sizeof *s->damaged)};
        rc = s->damaged ? survey(s) : no_memory();
    }
    return rc;
}

/* Those of COVERAGE, with room for one more of each series and training. */
static table_gap *room_for_gaps(const coverage_table *coverage, size_t n,
                                const series *all, arena *a)
{
    size_t most = coverage->n_gaps + 1;
    for (size_t i = 0; i < n; i++)
        most += all[i].n_runs;
    table_gap *gaps = arena_alloc(a, most, sizeof *gaps);
    if (gaps && coverage->n_gaps)
        memcpy(gaps, coverage->gaps, coverage->n_gaps * sizeof *gaps);
    return gaps;
}

int compare_pairs(size_t n, const compared *cells, const coverage_table *coverage,
                  arena *a, paired_table *out)
{
    size_t found = 0;
    series *all = arena_alloc(a, coverage->n_rows + 1, sizeof *all);
    paired_row *rows = arena_alloc(a, coverage->n_rows + 1, sizeof *rows);
    int rc = all && rows ? survey_all(n, cells, coverage, a, all, &found) : no_memory();
    table_gap *gaps = rc ? NULL : room_for_gaps(coverage, found, all, a);
    *out = (paired_table){coverage->title, 0, rows, coverage->n_gaps, gaps};
    if (!rc && !gaps)
        rc = no_memory();
    for (size_t i = 0; i < found && !rc; i++)
        rc = add_damaged(&all[i], out, gaps, a);
    for (size_t i = 0; i < found && !rc; i++) {
        bool begun = false;
        for (size_t k = 0; k < i; k++)
            begun = begun || same_group(&all[k], &all[i]);
        if (all[i].known && !begun)
            rc = compare_group(found, all, &all[i], a, &out->n_rows, rows);
    }
    return rc;
}

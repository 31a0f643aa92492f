/* Cells beside the best of their target, on the same test pairs. */
#include "run/run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 400, LEVELS = 2 };

/* Folders that look like finished runs as far as pairs go. */
typedef struct trial {
    arena *arena;
    char folder[64];
    double theta[PAIRS];
    pair_standing standing[PAIRS];
    table_cell cells[LEVELS];
} trial;

static void trial_open(trial *t)
{
    *t = (trial){.arena = arena_new(),
                 .folder = "/tmp/compare-XXXXXX",
                 .cells = {{.region = "credible", .level = 0.5},
                           {.region = "confidence", .level = 0.9}}};
    cr_assert_not_null(mkdtemp(t->folder));
}

static void trial_close(trial *t)
{
    cr_assert_eq(system(arena_print(t->arena, "rm -r '%s'", t->folder)), 0);
    arena_free(t->arena);
}

/* A run called NAME with N pairs, whose gains are those of pair i, sin i, plus OFFSET and NOISE of its own; tested
 * on the set SEAL.  Pair 3 is missing where LACKING. */
static const char *add_run(trial *t, const char *name, const char *seal, size_t n,
                           double offset, double noise, bool lacking)
{
    const char *path = arena_print(t->arena, "%s/%s", t->folder, name);
    rng r;
    rng_start(&r, rng_purpose(1, "%s", name), 0, 0);
    for (size_t i = 0; i < n; i++)
        t->standing[i] =
            (pair_standing){.gain = sin((double)i) + offset + noise * rng_normal(&r),
                            .at = {.rank = fmod(0.37 * (double)i + offset, 1)},
                            .missing = lacking && i == 3};
    pair_set p = {.n = n, .dim = 1, .standing = t->standing, .theta = t->theta};
    cr_assert_eq(folder_make(path_join(t->arena, path, "diagnostics")), 0);
    cr_assert_eq(folder_make(path_join(t->arena, path, "data/test")), 0);
    cr_assert_eq(pairs_save(&p, path_join(t->arena, path, "diagnostics/pairs-a,b.h5")),
                 0);
    json_t *m =
        json_pack("{s:s, s:[{s:s}]}", "fingerprint", "of all", "shards", "seal", seal);
    cr_assert_eq(json_save(path_join(t->arena, path, "data/test/manifest.json"), m), 0);
    json_decref(m);
    return path;
}

static coverage_row row_of(trial *t, const char *cell, const char *about)
{
    return (coverage_row){.cell = cell,
                          .target = about,
                          .architecture = "mlp",
                          .n_cells = LEVELS,
                          .cells = t->cells};
}

Test(compare_pairs, against_the_best)
{
    trial t;
    paired_table found;
    trial_open(&t);
    const char *low[] = {add_run(&t, "low0", "s", PAIRS, 0, 0.1, false),
                         add_run(&t, "low1", "s", PAIRS, 0.04, 0.1, true)};
    const char *high[] = {add_run(&t, "high", "s", PAIRS, 0.25, 0, false)};
    const char *short_[] = {add_run(&t, "short", "s", 100, 0.25, 0, false)};
    const char *other[] = {add_run(&t, "other", "another", PAIRS, 2, 0, false)};
    const compared cells[] = {
        {"low", 2, low}, {"high", 1, high}, {"short", 1, short_}, {"other", 1, other}};
    coverage_row all[] = {row_of(&t, "low", "a,b"),   row_of(&t, "high", "a,b"),
                          row_of(&t, "high", "a,b"),  row_of(&t, "short", "a,b"),
                          row_of(&t, "other", "a,b"), row_of(&t, "low", "a")};
    const coverage_table table = {.n_rows = 6, .rows = all};
    cr_assert_eq(compare_pairs(4, cells, &table, t.arena, &found), 0, "%s",
                 error_message());
    const paired_row *rows = found.rows;
    cr_assert_eq(found.n_rows, 3, "%zu rows", found.n_rows);
    cr_assert_eq(found.n_gaps, 0);
    cr_assert_str_eq(rows[0].cell, "low");
    cr_assert_str_eq(rows[0].best, rows[1].best);
    cr_assert_eq(rows[0].trainings, 2);
    cr_assert_eq(rows[0].n, strcmp(rows[0].best, "high") == 0 ? PAIRS - 1 : 99);
    /* means of two trainings: 0.02 - 0.25 with noise 0.1 / sqrt(2) of each pair */
    double error = 0.1 / sqrt(2) / sqrt((double)rows[0].n);
    cr_assert_float_eq(rows[0].error, error, 0.3 * error);
    cr_assert(fabs(rows[0].difference + 0.23) < 4.5 * error, "%g", rows[0].difference);
    cr_assert(rows[0].p < 1e-12);
    cr_assert(isnan(rows[0].error_training), "the best has one training");
    cr_assert_eq(rows[0].n_levels, 1, "credible regions alone");
    cr_assert_eq(rows[0].levels[0].level, 0.5);
    size_t best = strcmp(rows[1].cell, rows[1].best) == 0 ? 1 : 2;
    cr_assert_eq(rows[best].difference, 0);
    cr_assert(isnan(rows[best].p) && isnan(rows[best].error));
    cr_assert_eq(rows[3 - best].n, 100, "the first pairs are the same");
    cr_assert_eq(rows[3 - best].difference, 0);
    cr_assert_eq(rows[3 - best].p, 1);
    trial_close(&t);
}

Test(compare_pairs, spread_over_trainings)
{
    trial t;
    paired_table found;
    trial_open(&t);
    const char *low[] = {add_run(&t, "low0", "s", PAIRS, 0, 0, false),
                         add_run(&t, "low1", "s", PAIRS, 0.1, 0, false)};
    const char *high[] = {add_run(&t, "high0", "s", PAIRS, 1, 0, false),
                          add_run(&t, "high1", "s", PAIRS, 1.2, 0, false)};
    const compared cells[] = {{"low", 2, low}, {"high", 2, high}};
    coverage_row all[] = {row_of(&t, "low", "a,b"), row_of(&t, "high", "a,b")};
    const coverage_table table = {.n_rows = 2, .rows = all};
    cr_assert_eq(compare_pairs(2, cells, &table, t.arena, &found), 0);
    const paired_row *rows = found.rows;
    cr_assert_eq(found.n_rows, 2);
    cr_assert_float_eq(rows[0].difference, -1.05, 1e-12);
    /* deviations 0.1 / sqrt(2) and 0.2 / sqrt(2), of means of two */
    cr_assert_float_eq(rows[0].error_training, hypot(0.05, 0.1), 1e-12);
    trial_close(&t);
}

/* A run without pairs, and a cell alone. */
Test(compare_pairs, nothing_to_compare)
{
    trial t;
    paired_table found;
    trial_open(&t);
    const char *one[] = {add_run(&t, "one", "s", PAIRS, 0, 0.1, false)};
    const char *bare[] = {arena_print(t.arena, "%s/bare", t.folder)};
    const compared cells[] = {{"one", 1, one}, {"bare", 1, bare}};
    coverage_row all[] = {row_of(&t, "one", "a,b"), row_of(&t, "bare", "a,b")};
    const coverage_table table = {.n_rows = 2, .rows = all};
    cr_assert_eq(compare_pairs(2, cells, &table, t.arena, &found), 0);
    cr_assert_eq(found.n_rows, 0);
    trial_close(&t);
}

static void damage(trial *t, const char *where)
{
    FILE *f = fopen(path_join(t->arena, where, "diagnostics/pairs-a,b.h5"), "r+b");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, 4000, SEEK_SET), 0);
    cr_assert_eq(fputc('!', f), '!');
    fclose(f);
}

/* A damaged file is a gap, whichever training it is of, and the others are compared. */
Test(compare_pairs, damaged)
{
    trial t;
    paired_table found;
    table_gap gap = {"gone/r0", "not begun"};
    trial_open(&t);
    const char *one[] = {add_run(&t, "one/r0", "s", PAIRS, 0, 0, false),
                         add_run(&t, "one/r1", "s", PAIRS, 0.5, 0, false)};
    const char *two[] = {add_run(&t, "two", "s", PAIRS, 1, 0, false)};
    const char *three[] = {add_run(&t, "three", "s", PAIRS, 2, 0, false)};
    const compared cells[] = {{"one", 2, one}, {"two", 1, two}, {"three", 1, three}};
    coverage_row all[] = {row_of(&t, "one", "a,b"), row_of(&t, "two", "a,b"),
                          row_of(&t, "three", "a,b")};
    const coverage_table table = {.n_rows = 3, .rows = all, .n_gaps = 1, .gaps = &gap};
    damage(&t, one[0]);
    damage(&t, three[0]);
    cr_assert_eq(compare_pairs(3, cells, &table, t.arena, &found), 0, "%s",
                 error_message());
    cr_assert_eq(found.n_rows, 2);
    cr_assert_str_eq(found.rows[0].cell, "one");
    cr_assert_eq(found.rows[0].trainings, 1);
    cr_assert_float_eq(found.rows[0].difference, -0.5, 1e-12);
    cr_assert_eq(found.n_gaps, 3);
    cr_assert_str_eq(found.gaps[0].cell, "gone/r0");
    cr_assert_str_eq(found.gaps[1].cell, "one/r0");
    cr_assert_str_eq(found.gaps[2].cell, "three");
    cr_assert(strstr(found.gaps[2].why, "pairs-a,b.h5"), "%s", found.gaps[2].why);
    trial_close(&t);
}

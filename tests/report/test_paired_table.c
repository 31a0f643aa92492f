/* Cells beside the best of their target, in every format. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const paired_level LEVELS[] = {{0.68, -0.012, 0.03125}, {0.95, NAN, NAN}};
static const paired_level OF_BEST[] = {{0.68, 0, 1}, {0.95, 0, 1}};
static const paired_row ROWS[] = {{.target = "beta,d_infectious",
                                   .cell = "small & <i>",
                                   .best = "large",
                                   .trainings = 2,
                                   .n = 19998,
                                   .gain = 1.2345,
                                   .difference = -0.0312,
                                   .error = 0.0041,
                                   .error_training = 0.0102,
                                   .z = -7.6,
                                   .p = 3e-14,
                                   .p_flip = NAN,
                                   .n_levels = 2,
                                   .levels = LEVELS},
                                  {.target = "beta,d_infectious",
                                   .cell = "large",
                                   .best = "large",
                                   .trainings = 1,
                                   .n = 20000,
                                   .gain = 1.2657,
                                   .difference = 0,
                                   .error = NAN,
                                   .error_training = NAN,
                                   .z = NAN,
                                   .p = NAN,
                                   .p_flip = NAN,
                                   .n_levels = 2,
                                   .levels = OF_BEST},
                                  {.target = "beta,d_infectious",
                                   .cell = "lone",
                                   .best = "large",
                                   .trainings = 1,
                                   .n = 100,
                                   .gain = 1.25,
                                   .difference = -0.02,
                                   .error = 0.01,
                                   .error_training = NAN,
                                   .z = -2,
                                   .p = 0.048,
                                   .p_flip = 0.05,
                                   .n_levels = 0}};
static const table_gap GAP = {"wide/r1", "not finished"};
static const paired_table TABLE = {"a & b", 3, ROWS, 1, &GAP};

static void has(const scratch *s, const char *name, const char *words)
{
    char *text = text_of(s, name);
    cr_assert(strstr(text, words), "%s lacks '%s':\n%s", name, words, text);
    free(text);
}

Test(paired_table, every_format)
{
    scratch s = scratch_new();
    char field[64];
    cr_assert_eq(paired_table_write(&TABLE, s.folder), 0, "%s", error_message());
    has(&s, "paired.md", "-0.0312 ±0.0041/0.0102 |");
    has(&s, "paired.md", "-0.020 ±0.010 |");
    has(&s, "paired.md", "best |");
    has(&s, "paired.md", "small \\& \\<i\\>");
    has(&s, "paired.md", "-0.012 (p = 0.031) |");
    has(&s, "paired.md", "Partial: 1 run is missing: wide/r1 (not finished)");
    has(&s, "paired.tex", "small \\& $<$i$>$ & beta, d\\_infectious & ");
    has(&s, "paired.tex", "$-$0.0312 $\\pm$0.0041/0.0102 & $<$ 0.0001 & 19,998 & ");
    has(&s, "paired.tex", "coverage at 68\\%");
    char *csv = text_of(&s, "paired.csv");
    cr_assert_eq(csv_field(csv, 1, 1, field, sizeof field), 15);
    cr_assert_str_eq(field, "small & <i>");
    csv_field(csv, 1, 6, field, sizeof field);
    cr_assert_eq(strtod(field, NULL), -0.0312);
    csv_field(csv, 2, 13, field, sizeof field);
    cr_assert_str_eq(field, "n/a");
    cr_assert_eq(count_of(csv, "\n"), 6,
                 "two levels of two cells, one line of the other");
    free(csv);
    scratch_free(&s);
}

Test(paired_table, json_is_the_source)
{
    scratch s = scratch_new();
    json_t *all = NULL;
    cr_assert_eq(paired_table_write(&TABLE, s.folder), 0);
    cr_assert_eq(json_load_path(scratch_path(&s, "paired.json"), 1 << 20, &all), 0);
    const json_t *rows = json_object_get(all, "rows"), *row = json_array_get(rows, 0);
    cr_assert(json_is_true(json_object_get(all, "partial")));
    cr_assert_eq(json_array_size(rows), 3);
    cr_assert_eq(json_number_value(json_object_get(row, "difference")), -0.0312);
    cr_assert(json_is_null(json_object_get(row, "p_flip")));
    const json_t *level = json_array_get(json_object_get(row, "coverage"), 1);
    cr_assert(json_is_null(json_object_get(level, "difference")));
    row = json_array_get(rows, 1);
    cr_assert(json_is_null(json_object_get(row, "error")));
    cr_assert(json_is_string(json_object_get(row, "reason")));
    json_decref(all);
    scratch_free(&s);
}

/* In a comparison: on its page, among its tables and on the terminal; without pairs not a word. */
Test(paired_table, within_a_comparison)
{
    scratch s = scratch_new();
    comparison c = {.title = "a & b",
                    .n_gaps = 1,
                    .gaps = &GAP,
                    .coverage = {"a & b", 0, NULL, 1, &GAP},
                    .posterior = json_array(),
                    .timing = json_array(),
                    .tables = true,
                    .paired = {"a & b", 3, ROWS, 1, &GAP}};
    for (size_t i = 0; i < 2; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        cr_assert_eq(comparison_write(&c, s.folder), 0, "%s", error_message());
        cr_assert_eq(comparison_page(&c, scratch_path(&s, "page.html")), 0);
        cr_assert_eq(comparison_print(&c, out), 0);
        fclose(out);
        char *page = text_of(&s, "page.html");
        cr_assert_eq(count_of(page, "<h2>Pair by pair</h2>"), 1 - i);
        cr_assert_eq(count_of(page, "tables/paired.md"), 1 - i);
        cr_assert_eq(count_of(page, "small &amp; &lt;i&gt;"), 1 - i);
        cr_assert_eq(count_of(page, "<section>"), count_of(page, "</section>"));
        cr_assert_eq(count_of(text, "Pair by pair"), 1 - i);
        cr_assert_eq(file_exists(scratch_path(&s, "paired.json")), i == 0);
        free(page);
        free(text);
        c.paired.n_rows = 0;
    }
    json_decref(c.posterior);
    json_decref(c.timing);
    scratch_free(&s);
}

/* The coverage table in its four formats. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const json_t *cell_of(const json_t *table, size_t row, size_t cell)
{
    const json_t *r = json_array_get(json_object_get(table, "rows"), row);

    return json_array_get(json_object_get(r, "cells"), cell);
}

Test(coverage_table, json)
{
    scratch s = scratch_new();
    json_t *j = NULL;

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0, "%s",
                 error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "coverage.json"), 1 << 20, &j), 0);
    const json_t *row = json_array_get(json_object_get(j, "rows"), 0),
                 *cell = cell_of(j, 0, 1);
    cr_assert_str_eq(json_string_value(json_object_get(row, "target")),
                     "beta,d_infectious");
    cr_assert_str_eq(json_string_value(json_object_get(row, "architecture")), "mlp");
    cr_assert_eq(json_real_value(json_object_get(row, "gain")), 0.93);
    cr_assert_eq(json_real_value(json_object_get(row, "gain_error")), 0.008);
    cr_assert_eq(json_integer_value(json_object_get(row, "simulations")), 230000);
    cr_assert_str_eq(json_string_value(json_object_get(cell, "region")), "credible");
    cr_assert_eq(json_real_value(json_object_get(cell, "level")), 0.68);
    cr_assert_eq(json_real_value(json_object_get(cell, "coverage")), 0.683);
    cr_assert_eq(json_real_value(json_object_get(cell, "sd_evaluation")), 0.004);
    cr_assert(json_is_null(json_object_get(cell, "sd_training")));
    cr_assert(json_is_string(json_object_get(cell, "reason")));
    cr_assert_eq(json_integer_value(json_object_get(cell, "n")), 20000);
    cr_assert_float_eq(
        json_real_value(json_array_get(json_object_get(cell, "interval"), 1)), 0.693,
        1e-15);
    cr_assert_str_eq(json_string_value(json_object_get(cell, "verdict")), "ok");
    cr_assert_null(json_object_get(cell_of(j, 1, 0), "reason"));
    json_decref(j);
    scratch_free(&s);
}

/* What is missing is null, with its reason, and never 0. */
Test(coverage_table, missing)
{
    scratch s = scratch_new();
    json_t *j = NULL;
    char field[256];

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0);
    cr_assert_eq(json_load_path(scratch_path(&s, "coverage.json"), 1 << 20, &j), 0);
    const json_t *cell = cell_of(j, 2, 0);
    cr_assert(json_is_null(json_object_get(cell, "coverage")));
    cr_assert(json_is_null(json_object_get(cell, "verdict")));
    cr_assert_str_eq(json_string_value(json_object_get(cell, "reason")),
                     "effective size under 100");
    cr_assert(json_is_null(
        json_object_get(json_array_get(json_object_get(j, "rows"), 2), "gain")));
    json_decref(j);
    char *csv = text_of(&s, "coverage.csv");
    cr_assert_eq(csv_field(csv, 6, 4, field, sizeof field), 16);
    cr_assert_str_eq(field, "n/a");
    csv_field(csv, 6, 15, field, sizeof field);
    cr_assert_str_eq(field, "effective size under 100");
    free(csv);
    scratch_free(&s);
}

Test(coverage_table, read_back)
{
    scratch s = scratch_new();
    arena *a = arena_new();
    coverage_table t;

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0);
    char *first = text_of(&s, "coverage.md");
    cr_assert_eq(coverage_table_read(scratch_path(&s, "coverage.json"), a, &t), 0);
    cr_assert_eq(t.n_rows, 3);
    cr_assert_eq(t.rows[0].cells[2].coverage, 0.9971);
    cr_assert(isnan(t.rows[2].cells[0].coverage) && isnan(t.rows[2].gain));
    cr_assert_str_eq(t.rows[2].cells[0].reason, "effective size under 100");
    cr_assert_eq(coverage_table_write(&t, s.folder), 0);
    char *second = text_of(&s, "coverage.md");
    cr_assert_str_eq(first, second);
    free(first);
    free(second);
    arena_free(a);
    scratch_free(&s);
}

Test(coverage_table, what_is_no_table_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "{\"rows\": 3}",
        "{\"rows\": [{}]}",
        "{\"rows\": [{\"target\": \"a\", \"architecture\": 1}]}",
        "{\"rows\": [{\"target\": \"a\", \"architecture\": \"b\", \"cells\": "
        "[{\"level\": 0.5}]}]}",
        "{\"rows\": [{\"target\": \"a\", \"architecture\": \"b\", \"cells\": "
        "[{\"region\": \"x\"}]}]}"};
    scratch s = scratch_new();
    arena *a = arena_new();
    coverage_table t;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *path = scratch_path(&s, "bad.json");
        cr_assert_eq(file_print(path, "%s", bad[i]), 0);
        cr_assert_eq(coverage_table_read(path, a, &t), NRE_EDATA, "case %zu", i);
        cr_assert(strstr(error_message(), "bad.json"));
    }
    arena_free(a);
    scratch_free(&s);
}

Test(coverage_table, markdown)
{
    scratch s = scratch_new();

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0);
    char *md = text_of(&s, "coverage.md");
    cr_assert(strstr(md, "|               68% CR |"));
    cr_assert(strstr(md, "68% CR") < strstr(md, "99.7% CR") &&
              strstr(md, "99.7% CR") < strstr(md, "95% CL"));
    cr_assert(strstr(md, "| beta, d_infectious | mlp          |         0.683 ±0.004 |"));
    cr_assert(strstr(md, "0.610 ±0.004/0.011 †"));
    cr_assert(strstr(md, "| 0.930 ±0.008 |"));
    cr_assert(strstr(md, "0.6730 to 0.6930"));
    cr_assert(strstr(md, "230,000"));
    cr_assert(strstr(md, "n = 20,000 distinct test pairs"));
    cr_assert(strstr(md, "integrated likelihood"));
    free(md);
    scratch_free(&s);
}

Test(coverage_table, latex_has_the_layout_of_the_paper)
{
    scratch s = scratch_new();

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0);
    char *tex = text_of(&s, "coverage.tex");
    cr_assert(strstr(
        tex,
        "\\multicolumn{2}{c}{credible region} & \\multicolumn{1}{c}{confidence set}"));
    cr_assert(strstr(tex, "68\\% CR & 99.7\\% CR & 95\\% CL & gain & simulations"));
    cr_assert(strstr(tex, "\\textit{beta, d\\_infectious}"));
    cr_assert(strstr(tex, "\\quad mlp & $0.683_{\\scriptscriptstyle\\pm0.004}$"));
    cr_assert(strstr(tex, "$0.610^{\\dagger}"));
    cr_assert_eq(count_of(tex, "\\dagger"), 2);
    cr_assert_eq(count_of(tex, "\\textit"), 2); /* a group for each target */
    free(tex);
    scratch_free(&s);
}

Test(coverage_table, csv_is_exact)
{
    scratch s = scratch_new();
    char field[64];

    cr_assert_eq(coverage_table_write(&example_coverage, s.folder), 0);
    char *csv = text_of(&s, "coverage.csv");
    cr_assert_eq(csv_field(csv, 0, 0, field, sizeof field), 16);
    csv_field(csv, 3, 0, field, sizeof field);
    cr_assert_str_eq(field, "beta,d_infectious");
    csv_field(csv, 3, 4, field, sizeof field);
    cr_assert_eq(strtod(field, NULL), 0.9971);
    free(csv);
    scratch_free(&s);
}

Test(coverage_table, hostile_names_survive)
{
    scratch s = scratch_new();
    char field[512];
    json_t *j = NULL;

    cr_assert_eq(coverage_table_write(&hostile_coverage, s.folder), 0, "%s",
                 error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "coverage.json"), 1 << 20, &j), 0);
    json_decref(j);
    char *csv = text_of(&s, "coverage.csv"), *md = text_of(&s, "coverage.md");
    char *tex = text_of(&s, "coverage.tex");
    for (size_t i = 1; i < 3; i++)
        cr_assert_eq(csv_field(csv, i, 1, field, sizeof field), 16);
    cr_assert(strstr(field, "<script>alert('q')</script> | \"m--x\""));
    cr_assert(!strstr(md, "<script>") && strstr(md, "\\<script\\>"));
    cr_assert(!strstr(tex, "\n\nnew") && !strstr(tex, "$x$") && !strstr(tex, "a_b"));
    free(csv);
    free(md);
    free(tex);
    scratch_free(&s);
}

Test(coverage_table, empty)
{
    scratch s = scratch_new();
    coverage_table t = {.title = "nothing"};

    cr_assert_eq(coverage_table_write(&t, s.folder), 0, "%s", error_message());
    char *md = text_of(&s, "coverage.md");
    cr_assert(strstr(md, "No coverage was computed."));
    free(md);
    scratch_free(&s);
}

Test(coverage_table, folder_that_is_not_there)
{
    cr_assert_neq(coverage_table_write(&example_coverage, "/nonexistent/folder"), 0);
    cr_assert(strstr(error_message(), "/nonexistent/folder"));
}

/* How good each estimator is, in four formats; trainings as one row. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Test(quality_table, json_and_back)
{
    scratch s = scratch_new();
    arena *a = arena_new();
    quality_table t;
    json_t *j = NULL;

    cr_assert_eq(quality_table_write(&example_quality, s.folder), 0, "%s",
                 error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "quality.json"), 1 << 20, &j), 0);
    const json_t *row = json_array_get(json_object_get(j, "rows"), 0),
                 *auc = json_object_get(row, "auc");
    cr_assert_eq(json_real_value(json_object_get(json_object_get(row, "gain"), "value")),
                 0.93);
    cr_assert(json_is_null(json_object_get(auc, "value")));
    cr_assert_str_eq(json_string_value(json_object_get(auc, "reason")),
                     "diagnose.auc was not asked for");
    cr_assert_eq(quality_table_read(scratch_path(&s, "quality.json"), a, &t), 0, "%s",
                 error_message());
    cr_assert_eq(t.n_rows, 2);
    cr_assert_eq(t.rows[0].number[QUALITY_GAIN].error, 0.008);
    cr_assert_eq(t.rows[0].number[QUALITY_AREA].deviation, 0.021);
    cr_assert_eq(t.rows[0].number[QUALITY_COVERAGE].interval[1], 0.955);
    cr_assert_eq(t.rows[0].number[QUALITY_SBC].n, 20000);
    cr_assert(isnan(t.rows[1].number[QUALITY_GAIN].value));
    cr_assert_str_eq(t.rows[1].number[QUALITY_GAIN].reason, "no pair was resolved");
    json_decref(j);
    arena_free(a);
    scratch_free(&s);
}

Test(quality_table, is_no_quality_table)
{
    scratch s = scratch_new();
    arena *a = arena_new();
    quality_table t;

    cr_assert_eq(file_write(scratch_path(&s, "a.json"), "{}", 2), 0);
    cr_assert_eq(quality_table_read(scratch_path(&s, "a.json"), a, &t), NRE_EDATA);
    cr_assert_eq(file_write(scratch_path(&s, "b.json"), "{\"rows\": [{}]}", 14), 0);
    cr_assert_eq(quality_table_read(scratch_path(&s, "b.json"), a, &t), NRE_EDATA);
    arena_free(a);
    scratch_free(&s);
}

Test(quality_table, markdown_latex_csv)
{
    scratch s = scratch_new();
    char field[256];

    cr_assert_eq(quality_table_write(&example_quality, s.folder), 0);
    char *md = text_of(&s, "quality.md"), *latex = text_of(&s, "quality.tex"),
         *csv = text_of(&s, "quality.csv");
    cr_assert(strstr(md, "0.9300 ±0.0080"));
    cr_assert(strstr(md, "1.0030 ±0.0010 (0.021)"));
    cr_assert(strstr(md, "\\[0.947, 0.955\\]"));
    cr_assert(strstr(md, "\\< 0.0001"));
    cr_assert(!strstr(md, "AUC")); /* known of no row: no column, but in CSV and JSON */
    cr_assert(strstr(latex, "$0.9300_{\\scriptscriptstyle\\pm0.0080}$"));
    cr_assert(strstr(latex, "SBC $p$"));
    cr_assert_eq(count_of(csv, "\n"), 1 + 2 * N_QUALITIES);
    cr_assert_eq(csv_field(csv, 6, 3, field, sizeof field), 13);
    cr_assert_str_eq(field, "auc");
    csv_field(csv, 6, 4, field, sizeof field);
    cr_assert_str_eq(field, "n/a");
    free(md);
    free(latex);
    free(csv);
    scratch_free(&s);
}

Test(quality_table, hostile_names)
{
    scratch s = scratch_new();
    char field[512];

    cr_assert_eq(quality_table_write(&hostile_quality, s.folder), 0);
    char *csv = text_of(&s, "quality.csv");
    cr_assert_eq(csv_field(csv, 2, 0, field, sizeof field), 13);
    free(csv);
    scratch_free(&s);
}

/* Means and spreads over trainings; the smallest p-value; what one lacks, all lack. */
Test(quality_table, pools_trainings)
{
    quality_row r[3], out;
    const quality_row *each[3] = {&r[0], &r[1], &r[2]};

    for (size_t i = 0; i < 3; i++) {
        r[i] = example_quality.rows[0];
        r[i].number[QUALITY_GAIN].value = 1 + 0.1 * (double)i;
        r[i].number[QUALITY_SBC].value = 0.5 - 0.1 * (double)i;
    }
    r[1].number[QUALITY_AREA] = quality_missing("lost");
    quality_pool("mlp", 4, 3, each, &out);
    cr_assert_str_eq(out.cell, "mlp");
    cr_assert_eq(out.trainings, 3);
    cr_assert_eq(out.trainings_planned, 4);
    cr_assert_float_eq(out.number[QUALITY_GAIN].value, 1.1, 1e-12);
    cr_assert_float_eq(out.number[QUALITY_GAIN].sd_training, 0.1, 1e-12);
    cr_assert_float_eq(out.number[QUALITY_GAIN].error, 0.008, 1e-12);
    cr_assert_float_eq(out.number[QUALITY_SBC].value, 0.3, 1e-12);
    cr_assert(isnan(out.number[QUALITY_AREA].value));
    cr_assert(isnan(out.number[QUALITY_COVERAGE].interval[0]));
    quality_pool("mlp", 1, 1, each, &out);
    cr_assert(isnan(out.number[QUALITY_GAIN].sd_training));
    cr_assert_eq(out.number[QUALITY_COVERAGE].interval[0], 0.947);
}

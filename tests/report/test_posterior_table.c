/* The posterior table in its four formats. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Test(posterior_table, json)
{
    scratch s = scratch_new();
    json_t *j = NULL;

    cr_assert_eq(posterior_table_write(&example_posterior, s.folder), 0, "%s",
                 error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "posterior.json"), 1 << 20, &j), 0);
    const json_t *rows = json_object_get(j, "rows"), *row = json_array_get(rows, 0);
    const json_t *parameters = json_object_get(row, "parameters"),
                 *p = json_array_get(parameters, 0);
    cr_assert_str_eq(json_string_value(json_object_get(row, "method")), "metropolis");
    cr_assert_str_eq(json_string_value(json_object_get(row, "observation")), "0");
    cr_assert_str_eq(json_string_value(json_object_get(row, "believe")), "yes");
    cr_assert_eq(json_real_value(json_object_get(row, "area_rank")), 0.61);
    cr_assert_eq(json_integer_value(json_object_get(row, "simulations")), 230000);
    cr_assert_null(json_object_get(row, "reason"));
    cr_assert_str_eq(json_string_value(json_object_get(p, "name")), "beta");
    cr_assert_str_eq(json_string_value(json_object_get(p, "unit")), "1/d");
    cr_assert_eq(json_real_value(json_object_get(p, "mean")), 2.513);
    cr_assert_eq(
        json_real_value(json_object_get(json_object_get(p, "quantiles"), "0.025")), 1.93);
    cr_assert_eq(
        json_real_value(json_object_get(json_object_get(p, "quantiles"), "0.975")), 3.14);
    cr_assert_eq(json_real_value(json_array_get(json_object_get(p, "hdi95"), 1)), 3.13);
    cr_assert_eq(json_real_value(json_object_get(p, "map_sd")), 0.287);
    cr_assert_eq(json_real_value(json_object_get(p, "mle_sd")), 0.301);
    p = json_array_get(parameters, 1);
    cr_assert_null(json_object_get(p, "map_sd"));
    cr_assert(json_is_true(json_object_get(p, "derived")));
    cr_assert(json_is_null(json_object_get(p, "map")));
    cr_assert_str_eq(json_string_value(json_object_get(p, "reason")),
                     "a derived quantity has no maximum of its own");
    row = json_array_get(rows, 1);
    cr_assert(json_is_null(json_object_get(row, "r_hat_max")));
    cr_assert(json_is_null(json_object_get(row, "simulations")));
    cr_assert(strstr(json_string_value(json_object_get(row, "reason")),
                     "a grid has no chains"));
    json_decref(j);
    scratch_free(&s);
}

Test(posterior_table, why_there_is_no_area)
{
    scratch s = scratch_new();
    json_t *j = NULL;
    posterior_block b = example_posterior.blocks[0];
    posterior_table t = {"flu-1978", 1, &b};

    b.area = b.area_rank = NAN;
    b.area_reason = "this ratio is known up to a function of x";
    cr_assert_eq(posterior_table_write(&t, s.folder), 0, "%s", error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "posterior.json"), 1 << 20, &j), 0);
    const json_t *row = json_array_get(json_object_get(j, "rows"), 0);
    cr_assert(json_is_null(json_object_get(row, "area")));
    cr_assert_str_eq(json_string_value(json_object_get(row, "reason")),
                     "this ratio is known up to a function of x");
    char *md = text_of(&s, "posterior.md");
    cr_assert(strstr(md, "n/a"));
    free(md);
    json_decref(j);
    scratch_free(&s);
}

Test(posterior_table, markdown_and_latex)
{
    scratch s = scratch_new();

    cr_assert_eq(posterior_table_write(&example_posterior, s.folder), 0);
    char *md = text_of(&s, "posterior.md"), *tex = text_of(&s, "posterior.tex");
    cr_assert(strstr(md, "## beta, d_infectious given observation 0 (mlp, metropolis)"));
    cr_assert(strstr(md, "## all parameters given all observations jointly (mlp, grid)"));
    cr_assert(strstr(
        md, "| beta         | 1/d  | 2.51 | 0.31 |   2.50 | 2.20 to 2.81 | 1.92 to 3.13 "
            "| 2.43 ± 0.29 | 2.39 ± 0.30 | 1.002 |     3012 |     2500 |"));
    cr_assert(strstr(md, "at the edge of the simulator"));
    cr_assert(strstr(md, "**Do not believe this posterior: the area"));
    cr_assert(strstr(tex, "\\quad beta [1/d] & $2.51$ & $0.31$ & $[2.20,\\,2.81]$"));
    cr_assert_eq(count_of(tex, "not to be believed"), 1);
    free(md);
    free(tex);
    scratch_free(&s);
}

Test(posterior_table, csv)
{
    scratch s = scratch_new();
    char field[64];

    cr_assert_eq(posterior_table_write(&example_posterior, s.folder), 0);
    char *csv = text_of(&s, "posterior.csv");
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(csv_field(csv, i, 0, field, sizeof field), 31);
    csv_field(csv, 2, 6, field, sizeof field);
    cr_assert_str_eq(field, "true");
    csv_field(csv, 2, 9, field, sizeof field);
    cr_assert_str_eq(field, "n/a");
    csv_field(csv, 1, 10, field, sizeof field);
    cr_assert_eq(strtod(field, NULL), 0.287);
    csv_field(csv, 2, 10, field, sizeof field);
    cr_assert_str_eq(field, "n/a");
    csv_field(csv, 3, 29, field, sizeof field);
    cr_assert_str_eq(field, "n/a"); /* not 0 simulations */
    free(csv);
    scratch_free(&s);
}

Test(posterior_table, hostile_names_survive)
{
    scratch s = scratch_new();
    char field[512];
    json_t *j = NULL;

    cr_assert_eq(posterior_table_write(&hostile_posterior, s.folder), 0, "%s",
                 error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "posterior.json"), 1 << 20, &j), 0);
    json_decref(j);
    char *csv = text_of(&s, "posterior.csv"), *md = text_of(&s, "posterior.md");
    char *tex = text_of(&s, "posterior.tex");
    cr_assert_eq(csv_field(csv, 1, 4, field, sizeof field), 31);
    cr_assert(strstr(field, "\n\nnew, =1+1"));
    cr_assert(!strstr(md, "<script>"));
    cr_assert(!strstr(tex, "\n\n") && !strstr(tex, "a_b"));
    cr_assert(strstr(tex, "$1.20\\times10^{-9}$"));
    free(csv);
    free(md);
    free(tex);
    scratch_free(&s);
}

/* What the diagnostics found, in four formats. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *written(const checks_table *t, scratch *s)
{
    json_t *j = NULL;

    *s = scratch_new();
    cr_assert_eq(checks_table_write(t, s->folder), 0, "%s", error_message());
    cr_assert_eq(json_load_path(scratch_path(s, "checks.json"), 1 << 20, &j), 0);
    return j;
}

Test(checks_table, json_has_every_number_or_null_with_a_reason)
{
    scratch s;
    json_t *j = written(&example_checks, &s), *rows = json_object_get(j, "rows");
    const json_t *good = json_array_get(rows, 0), *open = json_array_get(rows, 3),
                 *once = json_array_get(rows, 8);

    cr_assert_eq(json_array_size(rows), 9);
    cr_assert_str_eq(json_string_value(json_object_get(good, "check")), "coverage");
    cr_assert_str_eq(json_string_value(json_object_get(good, "verdict")), "ok");
    cr_assert_eq(json_real_value(json_object_get(good, "value")), 0.683);
    cr_assert_eq(json_real_value(json_object_get(good, "expected")), 0.68);
    cr_assert_eq(json_real_value(json_object_get(good, "p_value")), 0.31);
    cr_assert_null(json_object_get(good, "reason"));
    cr_assert_str_eq(json_string_value(json_object_get(open, "verdict")), "open");
    cr_assert(json_is_null(json_object_get(open, "value")));
    cr_assert_str_eq(json_string_value(json_object_get(open, "reason")),
                     "the weights have an effective size of 12");
    cr_assert(json_is_null(json_object_get(once, "target")));
    json_decref(j);
    scratch_free(&s);
}

Test(checks_table, reads_back_what_it_wrote)
{
    scratch s;
    json_t *j = written(&example_checks, &s);
    arena *a = arena_new();
    check_row *rows;
    size_t n;

    json_t *list = json_object_get(j, "rows");
    json_object_set_new(json_array_get(list, 0), "cell", json_string("mlp,small"));
    json_object_set_new(json_array_get(list, 0), "replicate", json_integer(2));
    cr_assert_eq(checks_rows_of(list, a, &n, &rows), 0);
    cr_assert_eq(n, 9);
    cr_assert_str_eq(rows[0].cell, "mlp,small/r2");
    for (size_t i = 0; i < n; i++) {
        const check_row *was = &example_checks.rows[i];
        cr_assert_str_eq(rows[i].name, was->name);
        cr_assert_str_eq(rows[i].verdict, was->verdict);
        cr_assert(rows[i].value == was->value ||
                  (isnan(rows[i].value) && isnan(was->value)));
        cr_assert(rows[i].p == was->p || (isnan(rows[i].p) && isnan(was->p)));
        cr_assert_eq(rows[i].n, was->n);
        cr_assert_eq(rows[i].target == NULL, was->target == NULL);
    }
    json_object_del(json_array_get(list, 1), "verdict");
    cr_assert_eq(checks_rows_of(list, a, &n, &rows), NRE_EDATA);
    arena_free(a);
    json_decref(j);
    scratch_free(&s);
}

Test(checks_table, markdown_says_what_to_do_where_one_fails_alone)
{
    scratch s;
    json_decref(written(&example_checks, &s));
    char *text = text_of(&s, "checks.md");

    cr_assert(strstr(text, "0.4100 ±0.0030"));
    cr_assert(strstr(text, "\\< 0.0001"));
    cr_assert(strstr(text, "fails: Of 20000 test pairs the credible regions hold"));
    cr_assert(strstr(text, "It claims more than it knows."));
    cr_assert(!strstr(text, "More simulations.")); /* of a check that passed */
    cr_assert(strstr(text, "open: the weights have an effective size of 12"));
    cr_assert(strstr(text, "(every target), ok"));
    free(text);
    scratch_free(&s);
}

Test(checks_table, csv_and_latex)
{
    scratch s;
    char field[512];
    json_decref(written(&example_checks, &s));
    char *csv = text_of(&s, "checks.csv"), *latex = text_of(&s, "checks.tex");

    cr_assert_eq(count_of(csv, "\n"), 10);
    cr_assert_eq(csv_field(csv, 0, 0, field, sizeof field), 17);
    cr_assert_eq(csv_field(csv, 5, 3, field, sizeof field), 17);
    cr_assert_str_eq(field, "fails");
    csv_field(csv, 4, 5, field, sizeof field);
    cr_assert_str_eq(field, "n/a"); /* missing is never 0 */
    cr_assert(strstr(latex, "\\textbf{fails} & $0.4100$ $\\pm$ $0.0030$"));
    cr_assert(strstr(latex, "\\textit{beta, d\\_infectious (mlp)}"));
    cr_assert_eq(count_of(latex, "\\begin{tabular}"), 1);
    free(csv);
    free(latex);
    scratch_free(&s);
}

Test(checks_table, hostile_names)
{
    scratch s;
    json_decref(written(&hostile_checks, &s));
    char *csv = text_of(&s, "checks.csv"), *text = text_of(&s, "checks.md");
    char field[512];

    cr_assert_eq(csv_field(csv, 1, 0, field, sizeof field), 17);
    cr_assert_eq(count_of(text, "<script"), count_of(text, "\\<script"));
    free(csv);
    free(text);
    scratch_free(&s);
}

Test(checks_table, words)
{
    arena *a = arena_new();

    cr_assert_str_eq(check_title("sbc"), "ranks of the truth (SBC)");
    cr_assert_str_eq(check_title("new"), "new");
    cr_assert_str_eq(p_text(a, NAN), "n/a");
    cr_assert_str_eq(p_text(a, 0.21), "0.21");
    cr_assert_str_eq(p_text(a, 1e-9), "< 0.0001");
    cr_assert_str_eq(check_numbers(a, &example_checks.rows[0]),
                     "its number 0.6830 ±0.0030 (0.68 expected), p = 0.31, n = 20,000");
    cr_assert_str_eq(check_numbers(a, &example_checks.rows[4]),
                     "its number 0.4100 ±0.0030 (0.68 expected), p < 0.0001, n = 20,000");
    cr_assert_str_eq(check_numbers(a, &example_checks.rows[3]), "");
    arena_free(a);
}

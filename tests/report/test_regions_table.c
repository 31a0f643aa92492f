/* regions_table.c: regions of an observation in each format, and coverage against parameters. */
#include "example.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static json_t *regions(void)
{
    return json_loads(
        "[{\"kind\": \"credible\", \"level\": 0.68, \"threshold\": null, "
        "\"share_of_prior\": 0.125, \"parameters\": [{\"parameter\": \"beta\", "
        "\"intervals\": [[0.25, 0.5], [1.5, null]]}]},"
        " {\"kind\": \"profile\", \"level\": 0.95, \"threshold\": 3.84, \"parameters\": "
        "[{\"parameter\": \"a_b\", \"intervals\": [[0.25, 2]]}]},"
        " {\"kind\": \"neyman\", \"level\": 0.95, \"share_of_prior\": null, "
        "\"parameters\": "
        "[], \"reason\": \"there are no critical values\"}]",
        0, NULL);
}

static posterior_block block_of(const json_t *list)
{
    static const parameter_row row = {.name = "beta", .deviation = 0.5};
    return (posterior_block){.target = "beta",
                             .architecture = "mlp",
                             .observation = "0",
                             .n_parameters = 1,
                             .parameters = &row,
                             .regions = list};
}

static char *shown(void (*put)(const posterior_block *b, sheet *s),
                   const posterior_block *b)
{
    sheet s;
    scratch at = scratch_new();
    cr_assert_eq(sheet_open(&s), 0);
    put(b, &s);
    cr_assert_eq(sheet_save_in(&s, at.folder, "x"), 0);
    char *text = text_of(&at, "x");
    scratch_free(&at);
    return text;
}

static void put_markdown(const posterior_block *b, sheet *s)
{
    cr_assert_eq(regions_markdown(b, s), 0);
}

static void put_latex(const posterior_block *b, sheet *s)
{
    regions_latex(b, s, 7);
}

static void assert_has(char *text, const char *part)
{
    cr_assert(strstr(text, part), "'%s' is not in\n%s", part, text);
}

Test(regions_table, shows_unions_in_each_format)
{
    json_t *list = regions();
    posterior_block b = block_of(list);
    char *text = shown(put_markdown, &b);
    assert_has(text, "68% credible region");
    assert_has(text, "0.125");
    assert_has(text, "beta: 0.25 to 0.50 and 1.50 to infinity");
    assert_has(text, "95% profile interval");
    assert_has(text, "there are no critical values");
    free(text);
    text = shown(put_latex, &b);
    assert_has(text,
               "\\multicolumn{7}{l}{\\quad 68\\% credible region: beta: 0.25 to 0.50");
    assert_has(text, "a\\_b");
    free(text);
    text = shown(regions_html, &b);
    assert_has(text, "<td class=\"t\">95% Neyman set</td><td>n/a</td>");
    free(text);
    json_decref(list);
}

Test(regions_table, says_nothing_without_regions)
{
    posterior_block b = block_of(NULL);
    char *text = shown(put_markdown, &b);
    cr_assert_str_eq(text, "");
    free(text);
    text = shown(regions_html, &b);
    cr_assert_str_eq(text, "");
    free(text);
}

Test(regions_table, has_a_line_an_interval)
{
    json_t *list = regions();
    posterior_block b = block_of(list);
    posterior_table t = {"t", 1, &b};
    scratch at = scratch_new();
    cr_assert_eq(regions_csv(&t, at.folder), 0);
    char *text = text_of(&at, "regions.csv");
    cr_assert_str_eq(
        text,
        "target,architecture,observation,kind,level,threshold,share_of_prior,"
        "parameter,low,high,reason\n"
        "beta,mlp,0,credible,0.68000000000000005,n/a,0.125,beta,0.25,0.5,\n"
        "beta,mlp,0,credible,0.68000000000000005,n/a,0.125,beta,1.5,n/a,\n"
        "beta,mlp,0,profile,0.94999999999999996,3.8399999999999999,n/a,a_b,0.25,2,\n"
        "beta,mlp,0,neyman,0.94999999999999996,n/a,n/a,,n/a,n/a,there are no critical "
        "values\n");
    free(text);
    b.regions = NULL; /* a table without regions leaves no old file */
    cr_assert_eq(regions_csv(&t, at.folder), 0);
    cr_assert_not(file_exists(scratch_path(&at, "regions.csv")));
    scratch_free(&at);
    json_decref(list);
}

Test(regions_table, coverage_by_parameter)
{
    json_t *rows = json_loads("[{\"target\": \"all\", \"bins\": {\"beta\": [0, 1, 2]}, "
                              "\"cells\": [{\"region\": "
                              "\"neyman\", \"level\": 0.5, \"by_parameter\": "
                              "[{\"parameter\": \"beta\", \"n\": [4, "
                              "0], \"coverage\": [0.25, null], \"interval\": [[0.125, "
                              "0.75], [null, null]]}]}]}]",
                              0, NULL);
    scratch at = scratch_new();
    const coverage_row named = {.target = "all", .architecture = "mlp, platt"};
    const coverage_table table = {.n_rows = 1, .rows = &named};
    cr_assert_eq(coverage_bins_write(&table, rows, at.folder), 0);
    char *text = text_of(&at, "coverage_by_parameter.csv");
    cr_assert_str_eq(text, "target,architecture,region,level,parameter,from,to,coverage,"
                           "interval_low,interval_high,n\n"
                           "all,\"mlp, platt\",neyman,0.5,beta,0,1,0.25,0.125,0.75,4\n"
                           "all,\"mlp, platt\",neyman,0.5,beta,1,2,n/a,n/a,n/a,0\n");
    free(text);
    scratch_free(&at);
    json_decref(rows);
}

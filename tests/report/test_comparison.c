/* Runs side by side, from the JSON that runs write. */
#include "example.h"

#include <criterion/criterion.h>
#include <string.h>

/* What posterior_table_write left in S, as rows of CELL, added to ROWS. */
static void add_rows(scratch *s, const char *cell, json_t *rows)
{
    json_t *all = NULL, *row;
    size_t i;
    cr_assert_eq(json_load_path(scratch_path(s, "posterior.json"), 1 << 20, &all), 0);
    json_array_foreach(json_object_get(all, "rows"), i, row)
    {
        json_t *marked = json_pack("{s:s, s:i}", "cell", cell, "replicate", 0);
        json_object_update(marked, row);
        json_object_set_new(marked, "of_tomorrow", json_real(4.5));
        json_array_append_new(rows, marked);
    }
    json_decref(all);
}

static json_t *limits_of_tests(void)
{
    return json_pack(
        "[{s:s s:s s:s s:f s:{s:{s:f s:f} s:{s:f s:n s:s}} s:[{s:f s:f}{s:f s:f}] "
        "s:f s:n s:n s:b}]",
        "parameter", "beta", "unit", "1/d", "side", "lower", "level", 0.95, "priors",
        "own", "hpd_edge", 1.9, "quantile", 1.95, "inverse", "hpd_edge", 1.7, "quantile",
        "reason", "at the edge", "wilks", "threshold", 2.71, "limit", 1.8, "threshold",
        3.84, "limit", 1.6, "best_fit", 2.4, "against", "log_ratio_against", "resolved",
        1);
}

typedef struct trial {
    scratch s;
    coverage_row rows[2];
    table_gap gap;
    comparison_link links[2];
    comparison c;
} trial;

static void trial_open(trial *t)
{
    *t = (trial){.s = scratch_new()};
    json_t *posterior = json_array();
    cr_assert_eq(posterior_table_write(&example_posterior, t->s.folder), 0);
    add_rows(&t->s, "m_a,b", posterior);
    json_object_set_new(json_array_get(posterior, 0), "limits", limits_of_tests());
    for (size_t i = 0; i < 2; i++) {
        t->rows[i] = example_coverage.rows[i];
        t->rows[i].cell = i ? "m_a,wide" : "m_a,b";
        t->rows[i].trainings = 2;
        t->rows[i].trainings_planned = i ? 3 : 2;
        t->rows[i].gain_sd_training = 0.25;
    }
    t->gap = (table_gap){"m_a,wide/r2", "failed, exit 6: 50% of the loss is not finite"};
    t->links[0] = (comparison_link){"m_a,b/r0", "done", "cells/m_a,b/r0/report.html"};
    t->links[1] = (comparison_link){t->gap.cell, t->gap.why, NULL};
    t->c = (comparison){
        .title = "a & b",
        .n_gaps = 1,
        .gaps = &t->gap,
        .coverage = {"a & b", 2, t->rows, 1, &t->gap},
        .tables = true,
        .posterior = posterior,
        .timing = json_pack("[{s:s s:s s:s s:f s:b}{s:s s:s s:s s:f s:b}]", "cell",
                            "m_a,b", "stage", "train", "what", "train/all", "seconds",
                            2.5, "reused", 0, "cell", "m_a,b", "stage", "train", "what",
                            "train/beta", "seconds", 1.0, "reused", 0),
        .n_links = 2,
        .links = t->links};
}

static void trial_close(trial *t)
{
    json_decref(t->c.posterior);
    json_decref(t->c.timing);
    scratch_free(&t->s);
}

static void has(const trial *t, const char *name, const char *words)
{
    char *text = text_of(&t->s, name);
    cr_assert(strstr(text, words), "%s lacks '%s':\n%s", name, words, text);
    free(text);
}

Test(comparison, has_a_line_for_each_cell_in_every_format)
{
    trial t;
    char field[64];
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    has(&t, "coverage.md", "| m_a,b ");
    has(&t, "coverage.md", "m_a,wide (2 of 3 trainings)");
    has(&t, "coverage.md", "0.930 ±0.008/0.250");
    has(&t, "coverage.tex", "\\quad m\\_a,b & mlp & ");
    has(&t, "coverage.tex", "_{\\scriptscriptstyle\\pm0.008/0.250}");
    has(&t, "coverage.json", "\"partial\": true");
    char *csv = text_of(&t.s, "coverage.csv");
    size_t n = csv_field(csv, 0, 0, field, sizeof field);
    cr_assert_str_eq(field, "cell");
    cr_assert_eq(csv_field(csv, 1, 0, field, sizeof field), n);
    cr_assert_str_eq(field, "m_a,b");
    free(csv);
    has(&t, "timing.md", "| m_a,b |            0.0 |         3.5 |");
    has(&t, "timing.tex", "m\\_a,b & 0.0 & 3.5 & 0.0 & 0.0 & 3.5 ");
    trial_close(&t);
}

Test(comparison, reads_its_coverage_back)
{
    trial t;
    coverage_table again;
    arena *a = arena_new();
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    cr_assert_eq(coverage_table_read(scratch_path(&t.s, "coverage.json"), a, &again), 0);
    cr_assert_eq(again.n_rows, 2);
    cr_assert_str_eq(again.rows[1].cell, "m_a,wide");
    cr_assert_eq(again.rows[1].trainings, 2);
    cr_assert_eq(again.rows[1].trainings_planned, 3);
    cr_assert_eq(again.rows[1].gain_sd_training, 0.25);
    arena_free(a);
    trial_close(&t);
}

Test(comparison, says_what_is_missing)
{
    trial t;
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0);
    cr_assert_eq(comparison_page(&t.c, scratch_path(&t.s, "page.html")), 0);
    static const char *const FILES[] = {"coverage.md",  "posterior.md",  "timing.md",
                                        "coverage.tex", "posterior.tex", "timing.tex",
                                        "page.html"};
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++)
        has(&t, FILES[i], "Partial: 1 run is missing: m");
    has(&t, "coverage.tex", "50\\% of the loss");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(comparison_print(&t.c, out), 0);
    fclose(out);
    cr_assert(strstr(text, "Partial: 1 run is missing: m_a,wide/r2 (failed, exit 6"));
    free(text);
    trial_close(&t);
}

Test(comparison, shows_limits_by_prior_and_threshold)
{
    trial t;
    char field[64];
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    has(&t, "posterior.md",
        "quantile, own prior | highest density, own prior | quantile, "
        "inverse prior | highest density, inverse prior | Wilks, 2.71 | "
        "Wilks, 3.84 |");
    has(&t, "posterior.md", "| beta \\> \\[1/d\\] |   95% |                1.95 |");
    has(&t, "posterior.tex", "\\label{tab:limits}");
    char *csv = text_of(&t.s, "limits.csv");
    cr_assert_eq(count_of(csv, "\n"), 7,
                 "two ways under each of two priors, two thresholds");
    cr_assert_eq(csv_field(csv, 5, 0, field, sizeof field), 18);
    csv_field(csv, 5, 10, field, sizeof field);
    cr_assert_str_eq(field, "wilks");
    csv_field(csv, 0, 17, field, sizeof field);
    cr_assert_str_eq(field, "reason");
    csv_field(csv, 3, 17, field, sizeof field);
    cr_assert_str_eq(field, "at the edge");
    csv_field(csv, 5, 17, field, sizeof field);
    cr_assert_str_eq(field, "");
    free(csv);
    trial_close(&t);
}

/* Of a comparison that was there before nothing stays that this one has not. */
Test(comparison, leaves_no_old_tables)
{
    static const char *const GONE[] = {"coverage.json", "coverage.tex", "posterior.md",
                                       "posterior.csv", "limits.csv"};
    trial t;
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    for (size_t i = 0; i < 5; i++)
        cr_assert(file_exists(scratch_path(&t.s, GONE[i])), "%s", GONE[i]);
    t.c.coverage.n_rows = 0;
    json_array_clear(t.c.posterior);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    for (size_t i = 0; i < 5; i++)
        cr_assert_not(file_exists(scratch_path(&t.s, GONE[i])), "%s", GONE[i]);
    trial_close(&t);
}

Test(comparison, carries_columns_that_it_does_not_know)
{
    trial t;
    trial_open(&t);
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0);
    has(&t, "posterior.json", "\"of_tomorrow\": 4.5");
    has(&t, "posterior.csv", ",of_tomorrow,");
    has(&t, "posterior.csv", ",q0.025,");
    has(&t, "posterior.csv", ",hdi95_low,hdi95_high,");
    trial_close(&t);
}

Test(comparison, links_the_pages_of_runs)
{
    trial t;
    trial_open(&t);
    cr_assert_eq(comparison_page(&t.c, scratch_path(&t.s, "page.html")), 0);
    has(&t, "page.html", "<a href=\"cells/m_a,b/r0/report.html\">m_a,b/r0</a>");
    has(&t, "page.html", "<h1>a &amp; b</h1>");
    has(&t, "page.html", "<a href=\"tables/coverage.tex\">tex</a>");
    char *page = text_of(&t.s, "page.html");
    cr_assert_eq(count_of(page, "<table>"), count_of(page, "</table>"));
    cr_assert_eq(count_of(page, "<section"), count_of(page, "</section>"));
    free(page);
    trial_close(&t);
}

Test(comparison, hostile_text_breaks_no_format)
{
    trial t;
    trial_open(&t);
    cr_assert_eq(posterior_table_write(&hostile_posterior, t.s.folder), 0);
    add_rows(&t.s, "x", t.c.posterior);
    t.c.title = hostile;
    cr_assert_eq(comparison_write(&t.c, t.s.folder), 0, "%s", error_message());
    cr_assert_eq(comparison_page(&t.c, scratch_path(&t.s, "page.html")), 0);
    char *page = text_of(&t.s, "page.html"), *tex = text_of(&t.s, "posterior.tex");
    cr_assert_eq(count_of(page, "<script"), 0);
    cr_assert_eq(count_of(tex, "\\begin{"), count_of(tex, "\\end{"));
    free(page);
    free(tex);
    trial_close(&t);
}

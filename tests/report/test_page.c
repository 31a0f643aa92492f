/* The HTML page. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static char *page(const run_summary *s, const char *config)
{
    scratch at = scratch_new();

    cr_assert_eq(
        page_write(s, config, "{\"version\": \"0.1\"}", scratch_path(&at, "report.html")),
        0, "%s", error_message());
    char *text = text_of(&at, "report.html");
    scratch_free(&at);
    return text;
}

/* Every element that is opened is closed, in order. */
static void assert_balanced(const char *text)
{
    static const char *const empty[] = {"meta", "wbr", "line", "circle", "!doctype"};
    char stack[64][16];
    size_t depth = 0;

    for (const char *t = strchr(text, '<'); t; t = strchr(t + 1, '<')) {
        char name[16] = "";
        bool closing = t[1] == '/', skip = false;
        sscanf(t + 1 + closing, "%15[a-z0-9!]", name);
        cr_assert(name[0], "a bare '<': %.40s", t);
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
            skip = skip || strcmp(name, empty[i]) == 0;
        if (skip)
            continue;
        if (closing) {
            cr_assert(depth > 0);
            cr_assert_str_eq(stack[--depth], name, "near %.60s", t);
        } else {
            cr_assert(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
        }
    }
    cr_assert_eq(depth, 0);
}

Test(page, holds_everything)
{
    const char *notes[] = {"gate missed"};
    run_summary s = {.name = "flu-1978",
                     .folder = "runs/flu",
                     .coverage = &example_coverage,
                     .posterior = &example_posterior,
                     .n_gates = 1,
                     .n_notes = 1,
                     .notes = notes,
                     .seconds = 72.3};
    char *text = page(&s, "schema: nereid/1\nname: flu-1978\n");

    assert_balanced(text);
    cr_assert(strstr(text, "<h1>flu-1978</h1>"));
    cr_assert(strstr(text, "<p class=\"verdict bad\">gate missed</p>"));
    cr_assert(strstr(text, "<p class=\"verdict\">This posterior passed its checks"));
    cr_assert(strstr(text, "<p class=\"verdict bad\">Do not believe this posterior"));
    cr_assert(strstr(
        text,
        "<td class=\"under\">0.610&dagger; <small>&plusmn;0.004/0.011</small></td>"));
    cr_assert(strstr(text, "name: flu-1978\n"));
    cr_assert(strstr(text, "&quot;version&quot;"));
    cr_assert(strstr(text, "prefers-color-scheme:dark"));
    cr_assert(strstr(text, "Note: gate missed")); /* the summary as printed */
    cr_assert(!strstr(text, "<script") && !strstr(text, "http:") &&
              !strstr(text, "https:"));
    free(text);
}

Test(page, hostile_names_stay_text)
{
    run_summary s = {.name = hostile,
                     .folder = hostile,
                     .coverage = &hostile_coverage,
                     .posterior = &hostile_posterior,
                     .n_notes = 1,
                     .notes = &hostile,
                     .seconds = 1};
    char *text = page(&s, "</pre><script>alert(1)</script>");

    assert_balanced(text);
    cr_assert(!strstr(text, "<script") && !strstr(text, "\xff"));
    free(text);
}

Test(page, of_a_run_without_results)
{
    run_summary s = {.name = "empty", .folder = "runs/empty", .seconds = NAN};
    char *text = page(&s, NULL);

    assert_balanced(text);
    free(text);
}

Test(page, answers_whether_it_may_be_believed)
{
    static const char *const asked[][2] = {{"Question", "The posterior of beta [1/d]"},
                                           {"Simulator", "boarding_school"}};
    const timing_row times[] = {{"train", "all", 12.5, NAN, NULL, false}};
    run_summary s = {.name = "flu-1978",
                     .folder = "runs/flu",
                     .posterior = &example_posterior,
                     .checks = &example_checks,
                     .quality = &example_quality,
                     .seconds = 1,
                     .n_asked = 2,
                     .asked = asked,
                     .n_timings = 1,
                     .timings = times};
    char *text = page(&s, NULL);

    assert_balanced(text);
    cr_assert(strstr(text, "<dt>Question</dt><dd>The posterior of beta [1/d]</dd>"));
    cr_assert(strstr(text,
                     "<p class=\"verdict headline bad\">Do not believe the posterior of "
                     "all parameters: 2 of 4 checks fail.</p>"));
    cr_assert(strstr(text, "<p class=\"verdict headline good\">Nothing speaks against"));
    const char *failing = strstr(text, "<li class=\"check fails\">");
    cr_assert(failing && strstr(failing, "It claims more than it knows."));
    cr_assert(strstr(text, "the weights have an effective size of 12"));
    cr_assert(strstr(text, "<h2>Quality</h2>"));
    cr_assert(strstr(text, "<td class=\"t fails\">fails</td>"));
    cr_assert(strstr(text, "12 s") || strstr(text, "13 s"));
    free(text);
}

Test(page, hostile_checks_stay_text)
{
    run_summary s = {.name = hostile,
                     .folder = hostile,
                     .checks = &hostile_checks,
                     .quality = &hostile_quality,
                     .seconds = NAN};
    char *text = page(&s, NULL);

    assert_balanced(text);
    cr_assert(!strstr(text, "<script") && !strstr(text, "\xff"));
    free(text);
}

/* A table too wide for the page may break names, never numbers. */
Test(page, long_names_in_tables_may_break)
{
    check_row row = {
        .cell = "a,b/c", .name = "sbc", .target = "t", .verdict = "ok", .n = 20000};
    const checks_table checks = {.n_rows = 1, .rows = &row};
    run_summary s = {.name = "a",
                     .folder = "b",
                     .checks = &checks,
                     .quality = &hostile_quality,
                     .seconds = NAN};
    char *text = page(&s, NULL);

    cr_assert(strstr(text, ">a,<wbr>b/<wbr>c<"));
    cr_assert(strstr(text, ">20,000<"));
    free(text);
}

/* However many there are. */
Test(page, every_target_has_its_checks)
{
    enum { MANY = 100 };
    check_row rows[MANY];
    char name[MANY][8];

    for (int i = 0; i < MANY; i++) {
        snprintf(name[i], sizeof name[i], "t_%d", i);
        rows[i] = (check_row){.name = "sbc", .target = name[i], .verdict = "ok"};
    }
    const checks_table checks = {.n_rows = MANY, .rows = rows};
    run_summary s = {.name = "a", .folder = "b", .checks = &checks, .seconds = NAN};
    char *text = page(&s, NULL), *section = strstr(text, "id=\"belief\"");

    assert_balanced(text);
    cr_assert(section && strstr(section, "t_99"));
    free(text);
}

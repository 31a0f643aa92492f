/* What a run prints at its end. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static char *printed(const run_summary *s)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    cr_assert_eq(summary_print(s, out), 0, "%s", error_message());
    fclose(out);
    return text;
}

/* TEXT with blanks for line ends, so that sentences can be found. */
static char *unwrapped(const run_summary *s)
{
    char *text = printed(s);

    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    return text;
}

static bool has_colour(const char *text)
{
    return strchr(text, '\033') != NULL;
}

Test(summary, says_what_was_found)
{
    const char *notes[] = {"gate missed: under nominal at 68%"};
    run_summary s = {.name = "flu-1978",
                     .folder = "/tmp/none",
                     .coverage = &example_coverage,
                     .posterior = &example_posterior,
                     .n_gates = 1,
                     .n_notes = 1,
                     .notes = notes,
                     .seconds = 72.3};
    char *text = unwrapped(&s);

    cr_assert(strstr(text, "flu-1978: done in 1 min 12 s."));
    cr_assert(strstr(text, "  beta  2.51  0.31  1.92 to 3.13"));
    cr_assert(strstr(
        text, "The observation lies at the edge of the simulator: its nearest training "
              "simulation is at distance 23.1, farther than for 98.4% of the test"));
    cr_assert(strstr(text, "The area of its ratio is 1.003 (1 for a right one)"));
    cr_assert(strstr(text, "This posterior passed its checks and may be believed."));
    cr_assert(strstr(text, "Do not believe this posterior: the area"));
    cr_assert(strstr(text, "68% 0.683, 99.7% 0.997"));
    cr_assert(strstr(text, "0.610 (under)"));
    cr_assert(strstr(text, "it claims more than it knows"));
    cr_assert(strstr(text, "Gain over the prior 0.930 ±0.008 nats."));
    cr_assert(strstr(text, "68% n/a (effective size under 100)"));
    cr_assert(strstr(text, "Note: gate missed"));
    cr_assert(strstr(text, "Tables: /tmp/none/tables."));
    cr_assert(!strstr(text, "report.html")); /* there is none */
    cr_assert(!has_colour(text));
    free(text);
}

Test(summary, lines_fit_a_terminal)
{
    run_summary s = {.name = "flu-1978",
                     .folder = "/tmp/none",
                     .coverage = &example_coverage,
                     .posterior = &example_posterior,
                     .seconds = NAN};
    char *text = printed(&s);

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        cr_assert(text_width(line) <= 90, "%s", line);
    free(text);
}

/* r = 1 covers perfectly: the reader must be told that this is no success. */
Test(summary, gain_of_nothing)
{
    table_cell c = {"credible", 0.68, 0.68, NAN, NAN, 1000, {0.64, 0.72}, "ok", NULL, 0};
    coverage_row r = {.target = "all",
                      .architecture = "prior",
                      .simulations = 1000,
                      .n_cells = 1,
                      .cells = &c};
    coverage_table t = {.title = "floor", .n_rows = 1, .rows = &r};
    run_summary s = {
        .name = "floor", .folder = "/tmp/none", .coverage = &t, .seconds = 1};
    char *text = unwrapped(&s);

    cr_assert(strstr(text, "no more than the prior"));
    free(text);
}

/* A right ratio that a few pairs cannot tell from the prior is not condemned. */
Test(summary, gains_that_may_be_none)
{
    static const struct {
        double gain, error;
        bool none, open;
    } cases[] = {{0, 0, true, false},         {1e-16, 1e-17, true, false},
                 {-0.5, 0.1, true, false},    {-1e-9, 1e-12, true, false},
                 {0.002, 0.002, true, false}, {0.2, 0.1, false, true},
                 {-0.1, 0.05, false, true},   {0.01, 0.01, false, true},
                 {0.01, 0.001, false, false}, {0.3, NAN, false, false},
                 {NAN, 0.1, false, false}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        coverage_row r = {.target = "all",
                          .architecture = "mlp",
                          .gain = cases[i].gain,
                          .gain_error = cases[i].error};
        coverage_table t = {.title = "few", .n_rows = 1, .rows = &r};
        run_summary s = {
            .name = "few", .folder = "/tmp/none", .coverage = &t, .seconds = 1};
        char *text = unwrapped(&s);
        cr_assert_eq(gain_is_none(&r), cases[i].none, "case %zu", i);
        cr_assert_eq(strstr(text, "too few test pairs to tell") != NULL, cases[i].open,
                     "case %zu", i);
        free(text);
    }
}

Test(summary, places_of_the_observation)
{
    static const struct {
        double rank;
        bool is_outside;
        const char *words;
    } cases[] = {{0.5, false, "lies inside the simulator"},
                 {0.951, false, "lies at the edge of the simulator"},
                 {0.999, false, "lies at the edge of the simulator"}, /* of many */
                 {0.999, true, "lies outside the simulator"},
                 {NAN, false, "was not checked"}};
    arena *a = arena_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        posterior_block b = example_posterior.blocks[0];
        b.predictive_rank = cases[i].rank;
        b.is_outside = cases[i].is_outside;
        cr_assert(strstr(observation_words(a, &b), cases[i].words), "case %zu", i);
    }
    arena_free(a);
}

Test(summary, why_there_is_no_area)
{
    arena *a = arena_new();
    posterior_block b = example_posterior.blocks[0];
    b.area = b.area_rank = NAN;
    cr_assert(
        strstr(observation_words(a, &b), "The area of its ratio was not computed."));
    b.area_reason = "this ratio is known up to a function of x";
    cr_assert(
        strstr(observation_words(a, &b),
               "Its ratio has no area: this ratio is known up to a function of x."));
    arena_free(a);
}

Test(summary, many_results_are_counted)
{
    enum { N = 50 };
    static posterior_block blocks[N];
    static coverage_row rows[N];
    posterior_table p = {"many", N, blocks};
    coverage_table c = {.title = "many", .n_rows = N, .rows = rows};
    run_summary s = {.name = "many",
                     .folder = "/tmp/none",
                     .coverage = &c,
                     .posterior = &p,
                     .seconds = 1};

    for (size_t i = 0; i < N; i++) {
        blocks[i] = example_posterior.blocks[i % 2];
        rows[i] = example_coverage.rows[i % 2];
    }
    char *text = unwrapped(&s);
    cr_assert(
        strstr(text, "more posteriors are in posterior.md; 21 of them did not pass."));
    cr_assert(strstr(text, "44 more rows are in coverage.md; 22 of them under-cover."));
    free(text);
}

Test(summary, hostile_names_stay_on_their_lines)
{
    run_summary s = {.name = hostile,
                     .folder = hostile,
                     .coverage = &hostile_coverage,
                     .posterior = &hostile_posterior,
                     .n_notes = 1,
                     .notes = &hostile,
                     .seconds = 1};
    char *text = printed(&s);

    cr_assert(!strstr(text, "\xff") && !has_colour(text));
    free(text);
}

/* Failing checks first, with what to do; then names. */
Test(summary, whether_it_may_be_believed)
{
    run_summary s = {.name = "flu-1978",
                     .folder = "/tmp/none",
                     .posterior = &example_posterior,
                     .checks = &example_checks,
                     .seconds = 1};
    char *lines = printed(&s), *text = unwrapped(&s);
    const char *head = strstr(lines, "May it be believed?\n"),
               *no = strstr(lines,
                            "  Do not believe the posterior of all parameters: 2 of 4 "
                            "checks fail.\n"),
               *why =
                   strstr(lines, "  - coverage of credible regions: Of 20000 test pairs");

    cr_assert(head && no && why && head < no && no < why);
    cr_assert(strstr(text, "It claims more than it knows."));
    cr_assert(strstr(text, "Passed: gain over the prior, place of the observation"));
    cr_assert(strstr(text, "For information: agreement of the networks."));
    cr_assert(strstr(text, "Could not be assessed: reweighted simulations"));
    cr_assert(!strstr(text, "This posterior passed its checks")); /* said once */
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"))
        cr_assert(text_width(line) <= 90, "%s", line);
    free(lines);
    free(text);
}

/* Figures of diagnostics, from JSON as they write it and from JSON with gaps. */
#include "support.h"

#include <math.h>

static const char *const CURVE = "\"level\": [0.25, 0.5, 0.75, 1], \"low\": [0.2, 0.4, "
                                 "0.7, 1], \"high\": [0.3, 0.6, 0.8, 1]";

static void tell(trial *t, const char *name, const char *row)
{
    const char *folder_of = folder_path(t->run.folder, "diagnostics");
    cr_assert_eq(folder_make(folder_of), 0);
    cr_assert_eq(file_print(folder_path(t->run.folder, "diagnostics/%s.json", name),
                            "{\"rows\": [{\"target\": \"all\", %s}]}", row),
                 0);
}

static gallery shown(trial *t)
{
    gallery g = {.run = &t->run,
                 .arena = t->session->arena,
                 .folder = folder_path(t->run.folder, "figures")};
    cr_assert_eq(folder_make(g.folder), 0);
    cr_assert_eq(figures_of_checks(&g), 0, "%s", error_message());
    return g;
}

static bool has(const gallery *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (!strcmp(g->name[i], name)) {
            cr_assert_gt(strlen(g->caption[i]), 40, "%s has a caption", name);
            cr_assert(file_exists(
                path_join(g->arena, g->folder, arena_print(g->arena, "%s.csv", name))));
            return true;
        }
    return false;
}

#define ASKED                                                                            \
    "diagnose.sbc={}", "diagnose.tarp={}", "diagnose.auc={}", "diagnose.convergence={}", \
        "diagnose.local_coverage={}", "diagnose.posterior_predictive={}",                \
        "infer.target=all", "infer.observation={simulate: {seed: 3}}"

Test(figures_checks, each_has_its_figure)
{
    trial t;
    trial_open(&t, SETTINGS(ASKED));
    arena *a = t.session->arena;
    const char *curve = arena_print(a,
                                    "\"curve\": {%s, \"joint\": [0.2, 0.5, 0.8, 1], "
                                    "\"parameters\": [{\"name\": \"theta_1\", "
                                    "\"coverage\": [0.2, null, 0.7, 1]}]}",
                                    CURVE);
    tell(&t, "coverage", curve);
    tell(&t, "local_coverage", curve);
    tell(&t, "tarp",
         arena_print(a, "\"curve\": {%s, \"coverage\": [0.2, 0.5, 0.8, 1]}", CURVE));
    tell(&t, "sbc",
         "\"quantities\": [{\"name\": \"log_ratio\", \"p_value\": null, \"u\": [0.5, 1], "
         "\"difference\": "
         "[0.1, null], \"low\": [-0.2, 0], \"high\": [0.2, 0]}]");
    tell(&t, "auc",
         "\"points\": [{\"theta\": {\"theta_1\": 1}, \"auc\": 0.51, \"error\": 0.01, "
         "\"baseline\": 0.7, "
         "\"null\": 0.5, \"power\": null}], \"roc\": {\"false_positive\": [0, 1], "
         "\"weighted\": [0, 1], "
         "\"baseline\": [0, 1]}");
    tell(&t, "convergence",
         "\"n_rows\": [1, 10], \"parameters\": [{\"name\": \"theta_1\", \"error\": [[-1, "
         "-0.5, 0, 0.5, 1], "
         "null], \"deviation\": [[1, 1, 1, 1, 1], [0.3, 0.3, 0.3, 0.3, 0.3]]}], "
         "\"rank\": [[0.7, 0.9], "
         "[0.6, null]]");
    tell(&t, "posterior_predictive",
         "\"observed\": [{\"observation\": \"0\", \"p_value\": 0.4, \"fields\": "
         "[{\"name\": \"x\", \"label\": "
         "\"x\", \"unit\": null, \"shape\": [2], \"observed\": [1, 2], \"quantiles\": "
         "{\"0.025\": [0, 1], "
         "\"0.16\": [0.5, 1.5], \"0.5\": [1, null], \"0.84\": [1.5, 2.5], \"0.975\": [2, "
         "3]}}]}]");
    tell(&t, "area", "\"areas\": [0.9, 1, 1.1], \"observed\": [{\"area\": null}]");
    const gallery g = shown(&t);
    cr_assert(has(&g, "coverage-curve-all"));
    cr_assert(has(&g, "local-coverage-all"));
    cr_assert(has(&g, "tarp-all"));
    cr_assert(has(&g, "sbc-all"));
    cr_assert(has(&g, "auc-all"));
    cr_assert(has(&g, "convergence-all"));
    cr_assert(has(&g, "posterior-predictive-all"));
    cr_assert(has(&g, "area"));
    cr_assert_eq(g.n, 8);
    trial_close(&t);
}

/* An open finding, numbers that are not there, lists that do not fit: no figure, and no failure. */
Test(figures_checks, nothing_is_drawn_of_nothing)
{
    static const char *const check[] = {
        "coverage", "local_coverage", "tarp", "sbc",
        "auc",      "convergence",    "area", "posterior_predictive"};
    trial t;
    trial_open(&t, SETTINGS(ASKED));
    for (size_t i = 0; i < 8; i++)
        tell(&t, check[i],
             "\"verdict\": \"open\", \"reason\": \"too few\", \"areas\": [], \"curve\": "
             "{\"level\": [0.5], \"joint\": [], \"coverage\": null}, \"quantities\": "
             "[{}], "
             "\"observed\": [{}], \"roc\": {}, \"n_rows\": [1]");
    const gallery g = shown(&t);
    cr_assert_eq(g.n, 0);
    trial_close(&t);
}

/* Of a target of many parameters: short enough for a file, and still its own. */
Test(figures_checks, long_names_are_shortened)
{
    arena *a = arena_new();
    char one[241], other[241], accents[242] = "x";
    for (size_t i = 0; i < 240; i += 2) {
        memcpy(one + i, "a,", 3);
        memcpy(other + i, i < 238 ? "a," : "b,", 3);
        memcpy(accents + 1 + i, "ä", 3);
    }
    const char *name = figure_name(a, one), *cut = figure_name(a, accents);
    cr_assert_str_eq(figure_name(a, "posterior-all"), "posterior-all");
    cr_assert_leq(strlen(name), 100);
    cr_assert_eq(strncmp(name, one, 80), 0);
    cr_assert_str_neq(name, figure_name(a, other));
    cr_assert_eq(text_width(cut), 1 + 39 + 17, "whole characters: %s", cut);
    cr_assert_null(figure_name(a, NULL));
    arena_free(a);
}

Test(figures_checks, targets_in_words)
{
    arena *a = arena_new();
    cr_assert_str_eq(target_words(a, "beta,d_infectious"), "beta, d_infectious");
    cr_assert_str_eq(target_words(a, "beta"), "beta");
    cr_assert_str_eq(target_words(a, "all"), "all parameters");
    arena_free(a);
}

/* Results stand without it. */
Test(figures_checks, one_that_cannot_be_written_is_no_failure)
{
    trial t;
    trial_open(&t, SETTINGS(ASKED));
    gallery g = {.run = &t.run, .arena = t.session->arena, .folder = "/dev/null/none"};
    tell(&t, "area", "\"areas\": [0.9, 1, 1.1], \"observed\": [{\"area\": null}]");
    log_level(NRE_ERROR);
    cr_assert_eq(figures_of_checks(&g), 0);
    cr_assert_eq(g.n, 0);
    trial_close(&t);
}

/* The checks of a target together. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static run_summary summary_of(const checks_table *t)
{
    return (run_summary){.name = "a", .folder = "b", .checks = t, .seconds = NAN};
}

Test(belief, one_that_fails_is_enough)
{
    const run_summary s = summary_of(&example_checks);
    arena *a = arena_new();

    cr_assert_eq(belief_of(&s, "all"), BELIEF_NO);
    cr_assert_str_eq(
        belief_headline(a, &s, "all"),
        "Do not believe the posterior of all parameters: 2 of 4 checks fail.");
    arena_free(a);
}

Test(belief, none_fails)
{
    const run_summary s = summary_of(&example_checks);
    arena *a = arena_new();

    cr_assert_eq(belief_of(&s, "beta,d_infectious"), BELIEF_YES);
    cr_assert_str_eq(
        belief_headline(a, &s, "beta,d_infectious"),
        "Nothing speaks against the posterior of beta, d_infectious: it passed "
        "all 3 checks.");
    cr_assert_str_eq(
        belief_list(a, &s, "beta,d_infectious", "open"),
        "reweighted simulations told from true ones (AUC) (the weights have an "
        "effective size of 12)");
    cr_assert_str_eq(
        belief_list(a, &s, "beta,d_infectious", "ok"),
        "coverage of credible regions, ranks of the truth (SBC), place of the "
        "observation among simulations");
    cr_assert_null(belief_list(a, &s, "beta,d_infectious", "fails"));
    arena_free(a);
}

/* Wilks' sets are no posterior. */
Test(belief, of_confidence_sets_alone)
{
    const check_row rows[] = {example_checks.rows[0],
                              {.name = "confidence",
                               .target = "beta,d_infectious",
                               .verdict = "fails",
                               .value = 0.3,
                               .p = 0}};
    const checks_table t = {.title = "t", .n_rows = 2, .rows = rows};
    const run_summary s = summary_of(&t);
    arena *a = arena_new();

    cr_assert_eq(belief_of(&s, "beta,d_infectious"), BELIEF_YES);
    cr_assert(strstr(belief_headline(a, &s, "beta,d_infectious"),
                     "Its confidence sets (Wilks) are another matter"));
    cr_assert_null(belief_list(a, &s, "beta,d_infectious", "fails"));
    cr_assert(strstr(belief_sets(&s, "beta,d_infectious"), "are too small"));
    cr_assert_null(belief_sets(&s, "all"));
    arena_free(a);
}

/* As many are named as the headline counts. */
Test(belief, lists_what_it_counts)
{
    const check_row rows[] = {{.name = "coverage", .target = "all", .verdict = "ok"},
                              {.name = "sbc", .target = "all", .verdict = "ok"},
                              {.name = "tarp", .target = "all", .verdict = "ok"},
                              {.name = "confidence", .target = "all", .verdict = "ok"}};
    const checks_table t = {.title = "t", .n_rows = 4, .rows = rows};
    const run_summary s = summary_of(&t);
    arena *a = arena_new();

    cr_assert(strstr(belief_headline(a, &s, "all"), "passed all 3 checks."));
    cr_assert_str_eq(belief_list(a, &s, "all", "ok"),
                     "coverage of credible regions, ranks of the truth (SBC), coverage "
                     "around random points (TARP)");
    cr_assert(strstr(belief_sets(&s, "all"), "as often as they say"));
    arena_free(a);
}

/* The closest simulations have no network whose checks could vouch for them. */
Test(belief, of_abc)
{
    const check_row rows[] = {
        {.name = "area", .target = "all", .architecture = "abc", .verdict = "open"}};
    const checks_table t = {.title = "t", .n_rows = 1, .rows = rows};
    const run_summary s = summary_of(&t);
    arena *a = arena_new();

    cr_assert_eq(belief_of(&s, "all"), BELIEF_UNTESTED);
    cr_assert(strstr(belief_headline(a, &s, "all"), "made of the closest simulations"));
    arena_free(a);
}

/* An observation like the simulations says nothing about the network; nor does what is open or
 * stands beside. */
Test(belief, untested)
{
    const check_row rows[] = {
        {.name = "predictive", .verdict = "ok", .value = 1, .p = 0.5},
        {.name = "coverage",
         .target = "all",
         .verdict = "open",
         .value = NAN,
         .reason = "r"},
        {.name = "sbc", .target = "all", .verdict = "fails", .value = 0, .beside = true}};
    const checks_table t = {.title = "t", .n_rows = 3, .rows = rows};
    run_summary s = summary_of(&t);
    arena *a = arena_new();

    cr_assert_eq(belief_of(&s, "all"), BELIEF_UNTESTED);
    cr_assert_str_eq(belief_headline(a, &s, "all"),
                     "Whether this posterior may be believed was not checked.");
    s.elsewhere = "runs/flu";
    cr_assert_eq(belief_of(&s, "all"), BELIEF_ELSEWHERE);
    cr_assert(strstr(belief_headline(a, &s, "all"), "runs/flu"));
    arena_free(a);
}

Test(belief, targets_once_each)
{
    run_summary s = summary_of(&example_checks);
    const char *target[8];

    s.posterior = &example_posterior;
    cr_assert_eq(belief_targets(&s, target, 8), 2);
    cr_assert_str_eq(target[0], "beta,d_infectious");
    cr_assert_str_eq(target[1], "all");
    cr_assert_eq(belief_targets(&s, target, 1), 1);
    s.posterior = NULL;
    s.checks = NULL;
    cr_assert_eq(belief_targets(&s, target, 8), 0);
}

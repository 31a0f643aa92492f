/* report/belief.c - may a posterior be believed?  The checks of one target, in sentences. */
#include "report/report.h"

#include <string.h>

typedef struct tally {
    size_t passed, cautious, failed, open; /* CAUTIOUS are among those that passed */
    bool judged; /* was the network tested on pairs with known truth */
    bool sets;   /* do confidence sets of Wilks fail */
    bool abc;    /* no network was asked */
} tally;

/* Those that see whether the network is right, whatever was observed. */
static bool judges_network(const check_row *r)
{
    static const char *const NAMES[] = {"coverage",       "sbc",       "tarp",
                                        "entropy",        "auc",       "lc2st",
                                        "local_coverage", "likelihood"};

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(r->name, NAMES[i]) == 0)
            return true;
    return false;
}

static void count_row(const check_row *r, tally *t)
{
    bool fails = check_is(r, "fails"), cautious = check_is(r, "cautious");
    bool ok = check_is(r, "ok") || cautious;

    t->open += check_is(r, "open");
    t->abc = t->abc || (r->architecture && strcmp(r->architecture, "abc") == 0);
    t->judged = t->judged || ((ok || fails) && judges_network(r));
    if (!check_is_of_posterior(r)) {
        t->sets = t->sets || fails;
        return;
    }
    t->passed += ok;
    t->cautious += cautious;
    t->failed += fails;
}

static tally tally_of(const run_summary *s, const char *target)
{
    tally t = {0};

    for (size_t i = 0; s->checks && i < s->checks->n_rows; i++)
        if (check_judges(&s->checks->rows[i], target))
            count_row(&s->checks->rows[i], &t);
    return t;
}

static belief belief_from(const run_summary *s, const tally *t)
{
    if (t->failed > 0)
        return BELIEF_NO;
    if (t->judged)
        return BELIEF_YES;
    return s->elsewhere && t->passed > 0 ? BELIEF_ELSEWHERE : BELIEF_UNTESTED;
}

belief belief_of(const run_summary *s, const char *target)
{
    const tally t = tally_of(s, target);

    return belief_from(s, &t);
}

static const char *posterior_words(arena *a, const char *target)
{
    if (strcmp(target, "all") == 0)
        return "the posterior of all parameters";
    return arena_print(a, "the posterior of %s", target_text(a, target));
}

/* "the check", "both checks", "all 9 checks" */
static const char *all_words(arena *a, size_t n)
{
    return n == 1   ? "its check"
           : n == 2 ? "both of its checks"
                    : arena_print(a, "all %zu checks", n);
}

static const char *fails_words(arena *a, const tally *t)
{
    size_t n = t->failed + t->passed;

    if (n == 1)
        return "its only check fails";
    return arena_print(a, "%zu of %zu checks fail%s", t->failed, n,
                       t->failed == 1 ? "s" : "");
}

static const char *sets_words(const tally *t)
{
    return t->sets
               ? " Its confidence sets (Wilks) are another matter: they are too small."
               : "";
}

const char *belief_headline(arena *a, const run_summary *s, const char *target)
{
    const tally t = tally_of(s, target);
    const char *what = posterior_words(a, target);

    switch (belief_from(s, &t)) {
    case BELIEF_NO:
        return arena_print(a, "Do not believe %s: %s.", what, fails_words(a, &t));
    case BELIEF_YES:
        if (t.cautious > 0)
            return arena_print(
                a,
                "Nothing speaks against %s but that it is cautious: by %zu "
                "of %zu checks it claims less than it could.%s",
                what, t.cautious, t.passed, sets_words(&t));
        return arena_print(a, "Nothing speaks against %s: it passed %s.%s", what,
                           all_words(a, t.passed), sets_words(&t));
    case BELIEF_ELSEWHERE:
        return arena_print(a,
                           "Nothing that was observed speaks against %s; whether its "
                           "network is right is told by the checks of %s.",
                           what, s->elsewhere);
    default:
        return t.abc ? arena_print(a,
                                   "Whether %s may be believed was not checked: it is "
                                   "made of the closest simulations, without a ratio "
                                   "that could be tested on pairs with known truth.",
                                   what)
                     : "Whether this posterior may be believed was not checked.";
    }
}

const char *belief_list(arena *a, const run_summary *s, const char *target,
                        const char *verdict)
{
    const char *text = NULL;

    for (size_t i = 0; s->checks && i < s->checks->n_rows; i++) {
        const check_row *r = &s->checks->rows[i];
        if (!check_judges(r, target) || !check_is(r, verdict) ||
            !check_is_of_posterior(r))
            continue;
        const char *one = check_title(r->name);
        if (check_is(r, "open") && r->reason)
            one = arena_print(a, "%s (%s)", one, r->reason);
        text = text
                   ? arena_print(a, "%s%s %s", text, check_is(r, "open") ? ";" : ",", one)
                   : one;
    }
    return text;
}

const char *belief_sets(const run_summary *s, const char *target)
{
    for (size_t i = 0; s->checks && i < s->checks->n_rows; i++) {
        const check_row *r = &s->checks->rows[i];
        if (!check_judges(r, target) || check_is_of_posterior(r))
            continue;
        return check_is(r, "fails") ? "Apart from the posterior, confidence sets (Wilks) "
                                      "are too small:"
               : check_is(r, "ok")  ? "Apart from the posterior, confidence sets (Wilks) "
                                      "hold the truth as often as they say."
                                    : "Apart from the posterior, confidence sets (Wilks) "
                                      "could not be assessed.";
    }
    return NULL;
}

static size_t add_target(const char **target, size_t n, size_t most, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(target[i], name) == 0)
            return n;
    if (n < most)
        target[n++] = name;
    return n;
}

size_t belief_targets(const run_summary *s, const char **target, size_t most)
{
    size_t n = 0;

    for (size_t i = 0; s->posterior && i < s->posterior->n_blocks; i++)
        n = add_target(target, n, most, s->posterior->blocks[i].target);
    for (size_t i = 0; s->checks && i < s->checks->n_rows; i++)
        if (s->checks->rows[i].target && !s->checks->rows[i].beside)
            n = add_target(target, n, most, s->checks->rows[i].target);
    return n;
}

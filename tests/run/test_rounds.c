/* Rounds: what a session knows of them, what they refuse, and a walk through two of them. */
#include "support.h"

#include <math.h>

#define MOCK "infer.observation={simulate: {seed: 3}}"

static void refused(const char *setting, const char *more, const char *words)
{
    trial t;
    cr_assert_eq(trial_try(&t, SETTINGS("rounds={}", setting, more)), NRE_ECONFIG, "%s",
                 setting);
    cr_assert(strstr(error_message(), words), "'%s' is not in '%s'", words,
              error_message());
}

Test(rounds, begin_with_the_whole_prior)
{
    trial t;
    const round_facts *facts;
    trial_open(&t, SETTINGS("rounds={n: 70}", "infer.target=all", MOCK));
    const session *s = t.session;
    cr_assert_eq(rounds_now(s), 1);
    cr_assert_null(rounds_truncation(s));
    cr_assert_str_eq(rounds_inputs(s), "");
    cr_assert_str_eq(rounds_purpose(s, s->arena, "train"), "train");
    cr_assert_eq(rounds_size(s->experiment), 70);
    cr_assert_eq(rounds_known(s, &facts), 0);
    cr_assert_null(rounds_scope(s, s->arena));
    cr_assert_not(rounds_settled(s));
    cr_assert_eq(rounds_check_observation(s, 1, (float[]){0, 0}, false), NRE_OK);
    trial_close(&t);
}

Test(rounds, are_not_there_unless_asked_for)
{
    trial t;
    trial_open(&t, SETTINGS("seed=3"));
    cr_assert_null(t.session->rounds);
    cr_assert_eq(rounds_now(t.session), 0);
    cr_assert(rounds_settled(t.session));
    cr_assert_null(rounds_truncation(t.session));
    trial_close(&t);
}

Test(rounds, refuse_what_needs_the_whole_prior)
{
    refused("seed=3", MOCK, "share a parameter");
    refused("infer.target=all", "train.online={}", "train.online");
    refused("infer.target=all", "infer.method=abc", "infer.method: abc");
}

static int count_units(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    size_t *count = context;
    cr_assert_str_eq(one->label, "round 1: ");
    cr_assert(strstr(one->folder->path, "rounds/1"));
    cr_assert_str_eq(u[n - 1].name, "region");
    for (size_t i = 0; i + 1 < n; i++)
        cr_assert(unit_is_of_rounds(&u[i]), "%s", u[i].name);
    *count = n;
    *go_on = false;
    return NRE_OK;
}

/* Training and validation sets, a network, the region: in a folder of the round's own. */
Test(rounds, have_units_of_their_own)
{
    trial t;
    size_t n = 0, rest = 0;
    const unit *u = NULL;
    trial_open(&t, SETTINGS("rounds={}", "infer.target=all", MOCK));
    cr_assert_eq(rounds_walk(&t.run, count_units, &n), NRE_OK, "%s", error_message());
    cr_assert_eq(n, 4);
    cr_assert_eq(units_of_run(&t.run, &rest, &u), NRE_OK, "%s", error_message());
    for (size_t i = 0; i < rest; i++)
        cr_assert_not(unit_is_of_rounds(&u[i]), "%s", u[i].name);
    cr_assert_str_eq(u[0].name, "simulate/test");
    trial_close(&t);
}

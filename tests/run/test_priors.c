/* The prior that is meant at inference: what may be exchanged, and what may not. */
#include "support.h"

static void refused(const char *first, const char *second, const char *words)
{
    trial t;
    cr_assert_eq(trial_try(&t, SETTINGS(first, second)), NRE_ECONFIG, "%s: %s", second,
                 error_message());
    cr_assert_null(t.session);
    cr_assert(strstr(error_message(), words), "'%s' is not in '%s'", words,
              error_message());
}

Test(priors, nothing_is_exchanged)
{
    trial t;
    trial_open(&t, SETTINGS("seed=3"));
    cr_assert_null(t.session->meant);
    cr_assert_null(session_prior_json(t.session));
    target same = session_meant(t.session, 1);
    cr_assert_eq(same.prior, simulator_prior(t.session->simulator));
    trial_close(&t);
}

/* In every target; the others keep theirs, the targets of the networks too. */
Test(priors, one_parameter)
{
    trial t;
    double lo, hi;
    trial_open(&t, SETTINGS("infer.prior={theta_2: {uniform: [-0.5, 0.2]}}"));
    for (size_t i = 0; i < t.session->n_targets; i++) {
        target meant = session_meant(t.session, i);
        cr_assert_eq(meant.prior, t.session->meant);
        cr_assert_str_eq(meant.name, t.session->targets[i].name);
        cr_assert_eq(t.session->targets[i].prior, simulator_prior(t.session->simulator));
    }
    marginal_support(&t.session->meant->of[1], &lo, &hi);
    cr_assert(lo == -0.5 && hi == 0.2);
    cr_assert_eq(t.session->meant->of[0].family, NRE_NORMAL);
    cr_assert_str_eq(t.session->meant->of[1].name, "theta_2");
    json_t *said = session_prior_json(t.session);
    cr_assert_eq(json_object_size(said), 1);
    cr_assert_str_eq(json_string_value(json_object_get(said, "theta_2")),
                     "uniform(-0.5, 0.2)");
    json_decref(said);
    trial_close(&t);
}

Test(priors, what_cannot_be_had)
{
    refused("seed=3", "infer.prior={theta_1: {normal: [0, 0.1]}}",
            "target 'theta_2' leaves theta_1 out");
    refused("parameters={theta_2: {prior: {uniform: [0, 1]}}}",
            "infer.prior={theta_2: {normal: [0, 0.1]}}",
            "beyond [0, 1] of uniform(0, 1)");
    refused("parameters={theta_2: {prior: {uniform: [0, 1]}}}",
            "infer.prior={theta_2: {uniform: [-0.01, 0.5]}}", "train with the wider one");
    refused("seed=3", "infer.prior={theta_3: {normal: [0, 0.1]}}", "theta_3");
}

/* Limits are under the prior that is meant. */
Test(priors, limits_follow)
{
    refused("infer.prior={theta_2: {uniform: [-0.5, 0.2]}}",
            "infer.limits=[{parameter: theta_2, side: upper, against: 0.3}]",
            "against = 0.3 lies outside the prior of 'theta_2', -0.5 to 0.2");
}

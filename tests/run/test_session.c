/* A config becomes live plugins, targets and networks, or a sentence. */
#include "support.h"

static void refused(const char *setting, int status, const char *words)
{
    trial t;
    cr_assert_eq(trial_try(&t, SETTINGS(setting)), status, "%s: %s", setting,
                 error_message());
    cr_assert_null(t.session);
    cr_assert(strstr(error_message(), words), "'%s' is not in '%s'", words,
              error_message());
}

Test(session, has_a_network_for_each_target)
{
    trial t;
    trial_open(&t, SETTINGS("seed=3"));
    cr_assert_eq(t.session->n_targets, 2);
    cr_assert_str_eq(t.session->targets[0].name, "theta_2");
    cr_assert_eq(t.session->targets[0].which[0], 1);
    cr_assert_str_eq(t.session->targets[1].name, "all");
    cr_assert_not_null(t.session->nets[0]);
    cr_assert_not_null(t.session->nets[1]);
    cr_assert_eq(t.session->experiment->seed, 3);
    cr_assert_eq(pool_threads(t.session->workers), 2);
    trial_close(&t);
}

Test(session, exact_ratio_has_no_network)
{
    trial t;
    trial_open(&t, SETTINGS("estimator=exact", "infer.target=all"));
    cr_assert_null(t.session->nets[0]);
    trial_close(&t);
    refused("estimator=exact", NRE_ECONFIG, "estimator: exact");
}

Test(session, priors_are_overridden)
{
    trial t;
    double lo, hi;
    trial_open(&t, SETTINGS("parameters={theta_2: {prior: {uniform: [-2, 3]}}}"));
    marginal_support(&simulator_prior(t.session->simulator)->of[1], &lo, &hi);
    cr_assert(lo == -2 && hi == 3);
    trial_close(&t);
}

Test(session, wrong_words_are_named)
{
    refused("infer.target=theta_3", NRE_ECONFIG, "theta_3");
    refused("parameters={theta_9: {prior: {uniform: [0, 1]}}}", NRE_ECONFIG, "theta_9");
    refused("simulator.plugin=gaussian_lineal", NRE_EPLUGIN,
            "did you mean 'gaussian_linear'");
    refused("train.epochs=few", NRE_ECONFIG, "train.epochs = few");
    refused("infer.observation={simulate: {at: {theta_4: 1}}}", NRE_ECONFIG, "theta_4");
}

Test(session, simulator_alone)
{
    command c = {.n_plugin_path = 1, .plugin_path = {GOOD_PLUGINS}, .threads = 1};
    session_request request = {.config = "gaussian_linear", .command = &c};
    session *s = NULL;
    cr_assert_eq(session_of_simulator(&request, &s), NRE_OK, "%s", error_message());
    cr_assert_eq(simulator_n_theta(s->simulator), 10);
    cr_assert_null(s->experiment);
    session_close(s);
    request.config = "nowhere";
    cr_assert_eq(session_of_simulator(&request, &s), NRE_EPLUGIN);
    cr_assert_null(s);
    session_close(NULL);
}

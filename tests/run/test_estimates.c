/* Maxima and their errors as the summary tells them; what is said of the error of rows. */
#include "support.h"

#include <math.h>

enum { ROWS = 3, DRAWS = 200 };

/* The exact posterior of x ~ N(theta, 0.1), theta ~ N(0, 0.1), and draws of it as chains. */
typedef struct bench {
    trial t;
    ratio *ratio;
    ratio_worker *worker;
    observed *observed;
    posterior posterior;
    double theta[ROWS][DRAWS][2], log_posterior[DRAWS];
    chains chains[ROWS];
    const chains *each[ROWS];
} bench;

static const float X[ROWS][2] = {{0.3f, -0.2f}, {0.1f, 0.4f}, {-0.5f, 0.2f}};

static void bench_open(bench *b)
{
    rng r;
    rng_start(&r, rng_purpose(1, "estimates"), 0, 0);
    trial_open(&b->t, SETTINGS("estimator=exact", "infer.target=all"));
    cr_assert_eq(
        ratio_exact(b->t.session->simulator, &b->t.session->targets[0], &b->ratio),
        NRE_OK);
    cr_assert_eq(ratio_worker_new(b->ratio, &b->worker), NRE_OK);
    cr_assert_eq(observed_new(b->ratio, &b->observed), NRE_OK);
    cr_assert_eq(ratio_observe(b->ratio, b->worker, ROWS, X[0], b->observed), NRE_OK);
    b->posterior = (posterior){.ratio = b->ratio};
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 2 * DRAWS; k++)
            b->theta[i][k / 2][k % 2] =
                (double)X[i][k % 2] / 2 + sqrt(0.05) * rng_normal(&r);
        b->chains[i] = (chains){.dim = 2,
                                .n_chains = 1,
                                .n_draws = DRAWS,
                                .theta = b->theta[i][0],
                                .log_posterior = b->log_posterior};
        b->each[i] = &b->chains[i];
    }
}

static void bench_close(bench *b)
{
    observed_free(b->observed);
    ratio_worker_free(b->worker);
    ratio_free(b->ratio);
    trial_close(&b->t);
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static double entry(const json_t *o, const char *key, size_t i, size_t j)
{
    return json_number_value(
        json_array_get(json_array_get(json_object_get(o, key), i), j));
}

static bench b;

Test(estimates, of_many_rows_at_once)
{
    json_t *observation[ROWS];
    bench_open(&b);
    for (int i = 0; i < ROWS; i++)
        observation[i] = json_pack("{s:[{}, {}]}", "parameters");
    estimates_request r = {.posterior = &b.posterior,
                           .worker = b.worker,
                           .observed = b.observed,
                           .n_rows = 1,
                           .n = ROWS,
                           .chains = b.each};
    cr_assert_eq(estimates_add(&r, observation), NRE_OK, "%s", error_message());
    for (int i = 0; i < ROWS; i++)
        for (size_t k = 0; k < 2; k++) {
            const json_t *p = json_array_get(
                             json_object_get(observation[i], "parameters"), k),
                         *map = json_object_get(observation[i], "map");
            cr_assert_float_eq(number(p, "map"), (double)X[i][k] / 2, 0.005);
            cr_assert_float_eq(number(p, "mle"), (double)X[i][k], 0.005);
            cr_assert_float_eq(number(p, "map_sd"), sqrt(0.05), 1e-6);
            cr_assert_float_eq(number(p, "mle_sd"), sqrt(0.1), 1e-6);
            cr_assert_float_eq(entry(map, "covariance", k, k), 0.05, 1e-6);
            cr_assert_float_eq(entry(map, "correlation", k, 1 - k), 0, 1e-6);
            cr_assert_null(json_object_get(map, "reason"));
        }
    for (int i = 0; i < ROWS; i++)
        json_decref(observation[i]);
    bench_close(&b);
}

/* Of rows together, and only of the second parameter. */
Test(estimates, of_a_column)
{
    bench_open(&b);
    json_t *observation = json_pack("{s:[{}]}", "parameters");
    estimates_request r = {.posterior = &b.posterior,
                           .worker = b.worker,
                           .observed = b.observed,
                           .n_rows = ROWS,
                           .n = 1,
                           .chains = b.each,
                           .column = (uint32_t[]){1},
                           .n_columns = 1};
    cr_assert_eq(estimates_add(&r, &observation), NRE_OK, "%s", error_message());
    const json_t *map = json_object_get(observation, "map");
    cr_assert_eq(json_array_size(json_object_get(map, "covariance")), 1);
    cr_assert_float_eq(entry(map, "covariance", 0, 0), 0.1 / (ROWS + 1), 1e-6);
    cr_assert_float_eq(
        json_number_value(json_array_get(json_object_get(map, "theta"), 0)),
        0.4 / (ROWS + 1), 0.003);
    cr_assert_str_eq(json_string_value(json_object_get(map, "of")),
                     "all parameters together");
    json_decref(observation);
    bench_close(&b);
}

/* x far out: the exact maximum follows it, that of a network would mean nothing there. */
Test(estimates, beyond_the_simulations)
{
    bench_open(&b);
    cr_assert_eq(ratio_observe(b.ratio, b.worker, 1, (float[]){9, 0}, b.observed),
                 NRE_OK);
    estimates_request r = {.posterior = &b.posterior,
                           .worker = b.worker,
                           .observed = b.observed,
                           .n_rows = 1,
                           .n = 1,
                           .chains = b.each};
    for (int networks = 0; networks < 2; networks++) {
        json_t *observation = json_pack("{s:[{}, {}]}", "parameters");
        r.networks = networks;
        cr_assert_eq(estimates_add(&r, &observation), NRE_OK);
        const json_t *p = json_array_get(json_object_get(observation, "parameters"), 0),
                     *mle = json_object_get(observation, "mle");
        if (networks) {
            cr_assert(json_is_null(json_object_get(p, "mle")));
            cr_assert(json_is_null(json_object_get(p, "mle_sd")));
            cr_assert(strstr(json_string_value(json_object_get(mle, "reason")),
                             "beyond the simulations"));
        } else
            cr_assert_float_eq(number(p, "mle"), 9, 0.01);
        json_decref(observation);
    }
    bench_close(&b);
}

/* The exact ratio has no error that could grow; a single network's is not known. */
Test(estimates, growth_that_is_not_known)
{
    bench_open(&b);
    estimator none = {.ratio = b.ratio, .posterior = b.posterior};
    posterior_request r = {.session = b.t.session, .estimator = &none, .n_rows = ROWS};
    const char *words[] = {"the ratio is exact", "a single network cannot be known"};
    for (int i = 0; i < 2; i++) {
        json_t *observation = json_object();
        b.t.session->experiment->estimator = i ? ESTIMATOR_NETWORK : ESTIMATOR_EXACT;
        none.n_members = (size_t)i;
        cr_assert_eq(growth_add(&r, &b.chains[0], observation), NRE_OK);
        const json_t *g = json_object_get(observation, "growth");
        cr_assert(json_is_null(json_object_get(g, "times")));
        cr_assert(json_is_null(json_object_get(g, "shift")));
        cr_assert_eq(json_integer_value(json_object_get(g, "rows")), ROWS);
        cr_assert(strstr(json_string_value(json_object_get(g, "reason")), words[i]));
        json_decref(observation);
    }
    bench_close(&b);
}

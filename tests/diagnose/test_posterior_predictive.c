/* Does an observation look like simulations from its own posterior? */
#include "gauss.h"
#include "wrong.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 5 };

static void open_gauss(gauss *g, gauss_ratio kind, uint64_t seed, unsigned threads)
{
    gauss_open(g, kind, 40, 71 + seed, threads);
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    g->subject.simulator = g->simulator;
    g->subject.on_invalid = 2;
    g->subject.seed = seed;
    g->subject.n_observed = 1;
    g->subject.observed = g->x;
}

static json_t *judged(gauss *g, uint64_t n)
{
    diagnostic_options how = {.n = n};
    json_t *out = NULL;

    cr_assert_null(posterior_predictive_diagnostic.declines(&g->subject));
    cr_assert_eq(posterior_predictive_diagnostic.perform(&g->subject, &how, &out), 0,
                 "%s", error_message());
    return out;
}

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static const json_t *observed_of(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "observed"), i);
}

static double p_of(const json_t *row, size_t i)
{
    return json_number_value(json_object_get(observed_of(row, i), "p_value"));
}

Test(posterior_predictive, an_observation_of_the_model_fits)
{
    gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    json_t *row = judged(&g, 1000);
    cr_assert_str_eq(text_of(row, "verdict"), "ok", "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "lies among"));
    cr_assert_eq(json_array_size(json_object_get(row, "from_prior")), 0);
    json_decref(row);
    gauss_close(&g);
}

/* Bands are those of N(x / (1 + s^2), s^2 + s^2 / (1 + s^2)), s = 0.5. */
Test(posterior_predictive, bands_are_those_of_the_model)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    json_t *row = judged(&g, 4000);
    const json_t *f = json_array_get(json_object_get(observed_of(row, 0), "fields"), 0);
    const char *label[] = {"0.025", "0.16", "0.5", "0.84", "0.975"};
    const double z[] = {-1.959964, -0.994458, 0, 0.994458, 1.959964};
    const double density[] = {0.0584, 0.2433, 0.3989, 0.2433, 0.0584};
    const double p[] = {0.025, 0.16, 0.5, 0.84, 0.975};
    cr_assert_str_eq(text_of(f, "name"), "x");
    for (size_t k = 0; k < 2; k++)
        for (size_t q = 0; q < 5; q++) {
            const json_t *all =
                json_object_get(json_object_get(f, "quantiles"), label[q]);
            double deviation = sqrt(0.25 + 0.2),
                   found = json_number_value(json_array_get(all, k));
            double expected = (double)g.x[k] * 0.8 + deviation * z[q];
            double error = deviation * sqrt(p[q] * (1 - p[q]) / 4000) / density[q];
            cr_assert(fabs(found - expected) < 4.5 * error, "%g, not %g", found,
                      expected);
        }
    json_decref(row);
    gauss_close(&g);
}

/* Where x tells nothing the observation is one simulation more: p-values are uniform. */
Test(posterior_predictive, p_values_are_uniform_without_information)
{
    enum { RUNS = 5, EACH = 16 };
    double p[RUNS * EACH], chance;
    ecdf e;
    for (size_t i = 0; i < RUNS; i++) {
        gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5};
        open_gauss(&g, GAUSS_PRIOR, i + 1, 2);
        g.subject.n_observed = 40; /* of which 16 are looked at */
        json_t *row = judged(&g, 200);
        cr_assert_eq(json_array_size(json_object_get(row, "observed")), EACH);
        cr_assert_str_eq(text_of(row, "verdict"), "ok");
        for (size_t k = 0; k < EACH; k++)
            p[i * EACH + k] = p_of(row, k);
        json_decref(row);
        gauss_close(&g);
    }
    ecdf_of(RUNS * EACH, 1, p, &e);
    cr_assert_eq(ecdf_p_value(&e, &chance), 0);
    cr_assert(chance > 1e-4, "%g", chance);
}

Test(posterior_predictive, odd_observations_are_noticed)
{
    static const float odd[DIM] = {8, -8, 8, 8, -8};
    gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    g.subject.observed = odd;
    json_t *row = judged(&g, 1000);
    cr_assert_str_eq(text_of(row, "verdict"), "fails", "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "is unlike"));
    cr_assert(strstr(text_of(row, "advice"), "deviations"), "%s", text_of(row, "advice"));
    json_decref(row);
    gauss_close(&g);
}

/* However many observations there are, and however few simulations are asked for. */
Test(posterior_predictive, one_odd_observation_among_many_is_noticed)
{
    static const float odd[DIM] = {8, -8, 8, 8, -8};
    static const size_t many[] = {1, 3, 16};
    for (size_t i = 0; i < 3; i++) {
        gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5};
        open_gauss(&g, GAUSS_EXACT, 1, 2);
        memcpy(g.x, odd, sizeof odd);
        g.subject.n_observed = many[i];
        json_t *row = judged(&g, 20);
        cr_assert_str_eq(text_of(row, "verdict"), "fails", "%s", text_of(row, "says"));
        cr_assert_geq(json_integer_value(json_object_get(row, "n")), 200);
        json_decref(row);
        gauss_close(&g);
    }
}

/* A posterior so rugged that no draws can be had of it is told of, not taken for right. */
Test(posterior_predictive, observations_without_a_posterior_are_named)
{
    gauss g = {.dim = DIM, .sigma = 0.5, .believed = 1e-3};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    for (uint32_t k = 0; k < DIM; k++)
        g.x[DIM + k] = k % 2 ? 40 : -40;
    g.subject.n_observed = 2;
    json_t *row = judged(&g, 200);
    cr_assert_str_eq(text_of(row, "verdict"), "open", "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "says"), "Observation 0 lies among"));
    cr_assert(strstr(text_of(row, "says"), "posterior of observation 1 stayed"));
    cr_assert_str_neq(text_of(row, "reason"), "");
    json_decref(row);
    gauss_close(&g);
}

/* Values that are common one by one and never come together. */
Test(posterior_predictive, correlations_count)
{
    static const float odd[] = {0.8f, -0.8f}, common[] = {0.8f, 0.9f};
    for (int i = 0; i < 2; i++) {
        gauss g = {.dim = 2, .sigma = 0.1, .believed = 0.1, .together = true};
        open_gauss(&g, GAUSS_PRIOR, 1, 2);
        g.subject.observed = i == 0 ? odd : common;
        json_t *row = judged(&g, 1000);
        cr_assert_str_eq(text_of(row, "verdict"), i == 0 ? "fails" : "ok", "%s",
                         text_of(row, "says"));
        json_decref(row);
        gauss_close(&g);
    }
}

/* A posterior in the wrong place simulates something else. */
Test(posterior_predictive, shifted_posteriors_are_noticed)
{
    static const double shift[DIM] = {1.5, 1.5, 1.5, 1.5, 1.5};
    gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5, .no_evidence = true};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    wrong_plan how = {.power = 1, .below = INFINITY, .shift = shift};
    cr_assert_eq(ratio_wrong(g.ratio, &how, &g.ratio), 0);
    g.posterior.ratio = g.ratio;
    json_t *row = judged(&g, 1000);
    cr_assert_str_eq(text_of(row, "verdict"), "fails", "%s", text_of(row, "says"));
    cr_assert(strstr(text_of(row, "advice"), "above"), "%s", text_of(row, "advice"));
    json_decref(row);
    gauss_close(&g);
}

/* Rows that are one observation share a posterior, and each is compared: many that are a little off
 * together fail. */
Test(posterior_predictive, rows_of_one_observation)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    open_gauss(&g, GAUSS_EXACT, 1, 2);
    float one[24];
    gauss other = g;
    gauss_draw(&other, 12, 5, NULL, one);
    g.subject.n_observed = 12;
    g.subject.observed = one; /* rows of twelve thetas */
    g.subject.joint = true;
    json_t *row = judged(&g, 400);
    cr_assert_eq(json_array_size(json_object_get(row, "observed")), 12);
    cr_assert_str_eq(text_of(row, "verdict"), "fails", "%s", text_of(row, "says"));
    json_decref(row);
    for (size_t i = 0; i < 12; i++) { /* of one theta */
        one[2 * i] = 0.3f + 0.5f * (float)((double)g.x[2 * i] - g.truth[2 * i]) / 0.5f;
        one[2 * i + 1] =
            -1 + 0.5f * (float)((double)g.x[2 * i + 1] - g.truth[2 * i + 1]) / 0.5f;
    }
    row = judged(&g, 400);
    cr_assert_str_eq(text_of(row, "verdict"), "ok", "%s", text_of(row, "says"));
    json_decref(row);
    gauss_close(&g);
}

Test(posterior_predictive, same_bits_with_any_number_of_threads)
{
    char *text[2];
    for (unsigned i = 0; i < 2; i++) {
        gauss g = {.dim = DIM, .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
        open_gauss(&g, GAUSS_EXACT, 3, i == 0 ? 1 : 3);
        json_t *row = judged(&g, 300);
        text[i] = json_dumps(row, JSON_SORT_KEYS);
        json_decref(row);
        gauss_close(&g);
    }
    cr_assert_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

/* The posterior beside the exact one, of Gaussians whose divergence is known. */
#include "../sanitized.h"
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* G with a posterior that believes in noise of BELIEVED, beside the exact one of A. */
typedef struct trial {
    gauss exact, wrong;
    subject subject;
} trial;

static void trial_open(trial *t, uint32_t dim, double believed, uint64_t n,
                       unsigned threads)
{
    t->exact = (gauss){.dim = dim, .sigma = 0.5, .believed = 0.5};
    t->wrong = (gauss){.dim = dim, .sigma = 0.5, .believed = believed};
    gauss_open(&t->exact, GAUSS_EXACT, n, 51, threads);
    gauss_open(&t->wrong, GAUSS_EXACT, 1, 51, 1);
    t->subject = t->exact.subject;
    t->subject.posterior = &t->wrong.posterior;
    t->subject.simulator = t->exact.simulator;
    if (dim > 1) { /* one C2ST, which takes most of the time, instead of three */
        t->subject.n_observed = 1;
        t->subject.observed = t->exact.x;
    }
}

static void trial_close(trial *t)
{
    gauss_close(&t->wrong);
    gauss_close(&t->exact);
}

static json_t *perform(const subject *s, uint64_t n)
{
    const diagnostic_options o = {.n = n};
    json_t *row = NULL;
    cr_assert_null(likelihood_diagnostic.declines(s));
    cr_assert_eq(likelihood_diagnostic.perform(s, &o, &row), 0, "%s", error_message());
    return row;
}

static double number(const json_t *row, const char *where, const char *key)
{
    const json_t *at = where ? json_object_get(row, where) : row;
    const json_t *value = json_object_get(at, key);
    cr_assert(json_is_number(value), "%s.%s", where ? where : "", key);
    return json_number_value(value);
}

/* Posteriors are N(x / (1 + b^2), b^2 / (1 + b^2)) in each dimension for noise b. */
static double exact_divergence(const gauss *of, const gauss *from, const float *x)
{
    double a = of->believed * of->believed, b = from->believed * from->believed, sum = 0;
    double va = a / (1 + a), vb = b / (1 + b);
    for (uint32_t k = 0; k < of->dim; k++) {
        double away = (double)x[k] / (1 + a) - (double)x[k] / (1 + b);
        sum += 0.5 * (va / vb + away * away / vb - 1 + log(vb / va));
    }
    return sum;
}

/* The same ratio on both sides: nothing is off, to the last bits. */
Test(likelihood, equal_posteriors, .disabled = SANITIZED)
{
    for (uint32_t dim = 1; dim <= 4; dim += 3) {
        trial t;
        trial_open(&t, dim, 0.5, 40, 2);
        json_t *row = perform(&t.subject, 40);
        cr_assert_str_eq(json_string_value(json_object_get(row, "verdict")), "informs");
        cr_assert_float_eq(number(row, NULL, "value"), 0, 1e-12);
        cr_assert_float_eq(number(row, "log_ratio_error", "rms"), 0, 1e-12);
        cr_assert_float_eq(number(row, "log_ratio_error", "q95"), 0, 1e-12);
        cr_assert_float_eq(number(row, "gain", "difference"), 0, 1e-12);
        cr_assert_float_eq(number(row, "kl_reverse", "mean"), 0, 1e-12);
        const json_t *p = json_array_get(json_object_get(row, "parameters"), 0);
        cr_assert_float_eq(number(p, NULL, "width"), 1, 1e-12);
        cr_assert_float_eq(number(p, NULL, "shift"), 0, 1e-12);
        double c2st = number(row, NULL, "c2st"),
               error = sqrt((1 + 2 / M_PI) / 8000 / (dim > 1 ? 1 : 3));
        cr_assert(fabs(c2st - 0.5) < 4.5 * error, "C2ST %g ± %g", c2st, error);
        cr_assert(json_is_null(json_object_get(row, "advice")));
        json_decref(row);
        trial_close(&t);
    }
}

/* Pair by pair within the noise of a thousand draws, and on average within that of all. */
static void assert_divergences(uint32_t dim, double believed)
{
    enum { N = 60 };
    trial t;
    double off = 0, reverse_off = 0;
    trial_open(&t, dim, believed, N, 2);
    json_t *row = perform(&t.subject, N), *pair;
    size_t i;
    json_array_foreach(json_object_get(row, "pairs"), i, pair)
    {
        const float *x = t.exact.x + i * dim;
        double kl = exact_divergence(&t.exact, &t.wrong, x),
               reverse = exact_divergence(&t.wrong, &t.exact, x);
        double error = 0.01 + 0.1 * kl, reverse_error = 0.01 + 0.1 * reverse;
        cr_assert_float_eq(number(pair, NULL, "kl"), kl, 4.5 * error);
        cr_assert_float_eq(number(pair, NULL, "reverse"), reverse, 4.5 * reverse_error);
        off += (number(pair, NULL, "kl") - kl) / N;
        reverse_off += (number(pair, NULL, "reverse") - reverse) / N;
    }
    cr_assert_eq(i, N);
    cr_assert_float_eq(off, 0, 0.01, "KL off by %g", off);
    cr_assert_float_eq(reverse_off, 0, 0.01, "reverse KL off by %g", reverse_off);
    double want = believed / 0.5 * sqrt(1.25 / (1 + believed * believed));
    const json_t *p = json_array_get(json_object_get(row, "parameters"), dim - 1);
    cr_assert_float_eq(number(p, NULL, "width"), want, 0.01);
    cr_assert(number(row, NULL, "c2st") > 0.51);
    json_decref(row);
    trial_close(&t);
}

Test(likelihood, too_wide)
{
    assert_divergences(1, 0.8);
    assert_divergences(4, 0.8);
}

Test(likelihood, too_narrow, .disabled = SANITIZED)
{
    assert_divergences(2, 0.35);
    assert_divergences(4, 0.35);
}

/* What is said of it: gain of the exact posterior, less by the divergence. */
Test(likelihood, gains_and_advice)
{
    enum { N = 400 };
    trial t;
    trial_open(&t, 1, 0.2, N, 2);
    json_t *row = perform(&t.subject, N);
    double lost = -number(row, "gain", "difference"),
           error = number(row, "gain", "error");
    cr_assert(fabs(lost - number(row, "kl", "mean")) < 4.5 * error,
              "gain lost %g ± %g, divergence %g", lost, error, number(row, "kl", "mean"));
    double mean = 0;
    for (size_t i = 0; i < N; i++) {
        double x = (double)t.exact.x[i], away = t.exact.truth[i] - x / 1.25;
        double theta = t.exact.truth[i];
        mean += (-0.5 * (away * away / 0.2 + log(0.2)) + 0.5 * theta * theta) / N;
    }
    cr_assert_float_eq(number(row, "gain", "exact"), mean, 0.01);
    cr_assert_float_eq(number(row, NULL, "value"), number(row, "kl", "q50"), 0);
    const char *advice = json_string_value(json_object_get(row, "advice"));
    cr_assert(advice && strstr(advice, "its deviation in a is 0.4"), "%s", advice);
    cr_assert(strstr(json_string_value(json_object_get(row, "says")), "nats"));
    json_decref(row);
    trial_close(&t);
}

/* Observations are what C2ST looks at; a shifted one of several rows together as one. */
Test(likelihood, observations)
{
    trial t;
    trial_open(&t, 1, 0.5, 20, 2);
    t.subject.n_observed = 2;
    t.subject.observed = t.exact.x;
    json_t *row = perform(&t.subject, 20);
    cr_assert_eq(json_array_size(json_object_get(row, "c2st_each")), 2);
    json_decref(row);
    t.subject.joint = true;
    row = perform(&t.subject, 20);
    cr_assert_eq(json_array_size(json_object_get(row, "c2st_each")), 1);
    double c2st = number(row, NULL, "c2st");
    cr_assert(fabs(c2st - 0.5) < 4.5 * sqrt((1 + 2 / M_PI) / 8000), "C2ST %g", c2st);
    json_decref(row);
    trial_close(&t);
}

Test(likelihood, known_up_to_x)
{
    trial t;
    trial_open(&t, 2, 0.5, 20, 1);
    gauss open = {.dim = 2, .sigma = 0.5, .believed = 0.8, .no_evidence = true};
    gauss_open(&open, GAUSS_EXACT, 1, 51, 1);
    t.subject.posterior = &open.posterior;
    json_t *row = perform(&t.subject, 20);
    for (size_t i = 0; i < 20; i++) {
        const json_t *pair = json_array_get(json_object_get(row, "pairs"), i);
        double kl = exact_divergence(&t.exact, &open, t.exact.x + 2 * i);
        cr_assert_float_eq(number(pair, NULL, "kl"), kl, 4.5 * (0.01 + 0.1 * kl));
    }
    json_decref(row);
    gauss_close(&open);
    trial_close(&t);
}

/* The prior in place of a network: it is short by all that x tells. */
Test(likelihood, prior)
{
    trial t;
    trial_open(&t, 1, 0.5, 100, 2);
    gauss flat = {.dim = 1, .sigma = 0.5, .believed = 0.5};
    gauss_open(&flat, GAUSS_PRIOR, 1, 51, 1);
    t.subject.posterior = &flat.posterior;
    json_t *row = perform(&t.subject, 100);
    cr_assert_float_eq(number(row, "gain", "network"), 0, 0.01);
    for (size_t i = 0; i < 100; i++) {
        const json_t *pair = json_array_get(json_object_get(row, "pairs"), i);
        double mean = (double)t.exact.x[i] / 1.25;
        double kl = 0.5 * (0.2 + mean * mean - 1 - log(0.2));
        cr_assert_float_eq(number(pair, NULL, "kl"), kl, 4.5 * (0.01 + 0.03 * kl));
    }
    json_decref(row);
    gauss_close(&flat);
    trial_close(&t);
}

Test(likelihood, declines)
{
    trial t;
    uint32_t one = 0;
    trial_open(&t, 2, 0.5, 10, 1);
    target part = {.name = "a", .n = 1, .which = &one, .prior = t.exact.target.prior};
    ratio *r = NULL;
    cr_assert_eq(ratio_prior(&part, 2, &r), 0);
    posterior p = {.ratio = r};
    subject s = t.subject;
    s.posterior = &p;
    cr_assert(strstr(likelihood_diagnostic.declines(&s), "all parameters"));
    s = t.subject;
    s.simulator = NULL;
    cr_assert(strstr(likelihood_diagnostic.declines(&s), "no likelihood"));
    ratio_free(r);
    trial_close(&t);
}

Test(likelihood, same_bits_for_any_number_of_threads)
{
    for (uint32_t dim = 1; dim <= 4; dim += 3) {
        json_t *row[2];
        for (size_t i = 0; i < 2; i++) {
            trial t;
            trial_open(&t, dim, 0.4, 40, i ? 3 : 1);
            row[i] = perform(&t.subject, 40);
            trial_close(&t);
        }
        cr_assert(json_equal(row[0], row[1]));
        json_decref(row[0]);
        json_decref(row[1]);
    }
}

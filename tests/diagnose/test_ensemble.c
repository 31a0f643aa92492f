/* Networks beside each other, as Gaussians that believe in different noise. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MEMBERS = 2 };

/* Two members; the posterior is that of the first. */
typedef struct trial {
    gauss of[MEMBERS];
    posterior members[MEMBERS];
    subject subject;
} trial;

static void trial_open(trial *t, uint32_t dim, double other, uint64_t n, unsigned threads)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        t->of[i] = (gauss){.dim = dim, .sigma = 0.5, .believed = i ? other : 0.5};
        gauss_open(&t->of[i], GAUSS_EXACT, i ? 1 : n, 61, i ? 1 : threads);
        t->members[i] = t->of[i].posterior;
    }
    t->subject = t->of[0].subject;
    t->subject.n_members = MEMBERS;
    t->subject.members = t->members;
}

static void trial_close(trial *t)
{
    for (size_t i = 0; i < MEMBERS; i++)
        gauss_close(&t->of[i]);
}

static json_t *perform(const subject *s, uint64_t n)
{
    const diagnostic_options o = {.n = n};
    json_t *row = NULL;
    cr_assert_null(ensemble_diagnostic.declines(s));
    cr_assert_eq(ensemble_diagnostic.perform(s, &o, &row), 0, "%s", error_message());
    return row;
}

static double number(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    cr_assert(json_is_number(value), "%s", key);
    return json_number_value(value);
}

static const char *word(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static json_t *item(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "observed"), i);
}

Test(ensemble, equal_networks)
{
    trial t;
    trial_open(&t, 1, 0.5, 200, 2);
    t.subject.n_observed = 1;
    t.subject.observed = t.of[0].x;
    json_t *row = perform(&t.subject, 200);
    cr_assert_eq(number(row, "value"), 0);
    cr_assert_eq(number(row, "expected"), 0);
    cr_assert_eq(number(row, "p_value"), 1);
    cr_assert_eq(number(item(row, 0), "rank"), 0.5);
    cr_assert_eq(number(item(row, 0), "shift"), 0);
    cr_assert_str_eq(word(row, "verdict"), "ok");
    json_decref(row);
    trial_close(&t);
}

/* Log ratios differ by c (x - theta)^2 / 2, c = 1 / a^2 - 1 / b^2: over N(m, v) its variance is
 * c^2 (v^2 / 2 + (x - m)^2 v), and of two the sample deviation is half the square root of two of the
 * difference; the mean is moved by c (x - m) v between them. */
static void assert_spread(uint32_t dim)
{
    enum { N = 20 };
    trial t;
    trial_open(&t, dim, 0.8, 300, 2);
    t.subject.n_observed = N;
    t.subject.observed = t.of[0].x;
    json_t *row = perform(&t.subject, 300);
    double c = 1 / 0.25 - 1 / 0.64, v = 0.2, off = 0, shift_off = 0;
    for (size_t i = 0; i < N; i++) {
        double variance = 0, most = 0;
        for (size_t k = 0; k < dim; k++) {
            double x = (double)t.of[0].x[i * dim + k], away = x - x / 1.25;
            variance += c * c * (v * v / 2 + away * away * v);
            most = fmax(most, fabs(c * away * v) / sqrt(v));
        }
        double spread = sqrt(variance / 2), shift = most / sqrt(2);
        off += (number(item(row, i), "spread") / spread - 1) / N;
        shift_off += (number(item(row, i), "shift") - shift) / N;
        cr_assert_float_eq(number(item(row, i), "spread"), spread, 0.5 * spread);
    }
    /* 200 draws: 7% for one row, so 1.6% for their mean, and as much from the grid's cells */
    cr_assert_float_eq(off, 0, 4.5 * 0.03, "spread off by %g", off);
    cr_assert_float_eq(shift_off, 0, 4.5 * 0.02, "shift off by %g", shift_off);
    json_decref(row);
    trial_close(&t);
}

Test(ensemble, spread_and_shift)
{
    assert_spread(1);
    assert_spread(4);
}

/* An observation like no simulation is noticed, one of them is not; with too few test rows nothing
 * can be said. */
Test(ensemble, out_of_distribution)
{
    trial t;
    const float x[] = {0.3F, -9};
    trial_open(&t, 1, 0.8, 400, 2);
    t.subject.n_observed = 1;
    t.subject.observed = x;
    json_t *row = perform(&t.subject, 400);
    cr_assert_str_eq(word(row, "verdict"), "ok");
    cr_assert_eq(number(row, "n"), 400);
    json_decref(row);
    t.subject.n_observed = 2;
    row = perform(&t.subject, 400);
    cr_assert_str_eq(word(row, "verdict"), "fails");
    cr_assert_float_eq(number(row, "p_value"), 2 / 401.0, 1e-12);
    cr_assert_eq(number(item(row, 1), "rank"), 1);
    cr_assert_eq(number(row, "value"), number(item(row, 1), "spread"));
    cr_assert(strstr(word(row, "says"), "observation 1"), "%s", word(row, "says"));
    cr_assert(*word(row, "advice"));
    json_decref(row);
    row = perform(&t.subject, 100);
    cr_assert_str_eq(word(row, "verdict"), "informs");
    json_decref(row);
    trial_close(&t);
}

/* Observations that are simulations fail as often as they may. */
Test(ensemble, false_alarms)
{
    enum { N = 300, OBSERVED = 400 };
    trial t;
    size_t below = 0;
    static float x[OBSERVED];
    trial_open(&t, 1, 0.8, N, 2);
    gauss_draw(&t.of[0], OBSERVED, 62, NULL, x);
    t.subject.n_observed = OBSERVED;
    t.subject.observed = x;
    json_t *row = perform(&t.subject, N);
    for (size_t i = 0; i < OBSERVED; i++)
        below += number(item(row, i), "p_value") < 0.1;
    double share = (double)below / OBSERVED, error = sqrt(0.09 / OBSERVED + 0.09 / N);
    cr_assert(fabs(share - 0.1) < 4.5 * error, "%g ± %g", share, error);
    json_decref(row);
    trial_close(&t);
}

Test(ensemble, without_observation)
{
    trial t;
    trial_open(&t, 2, 0.6, 100, 1);
    json_t *row = perform(&t.subject, 0);
    cr_assert_str_eq(word(row, "verdict"), "informs");
    const json_t *spread = json_object_get(json_object_get(row, "test"), "spread");
    cr_assert_eq(number(row, "value"), number(spread, "q50"));
    cr_assert(number(spread, "q05") < number(spread, "q50"));
    cr_assert(number(spread, "q95") < number(spread, "q99"));
    cr_assert_eq(number(row, "members"), 2);
    cr_assert_eq(json_array_size(json_object_get(row, "observed")), 0);
    json_decref(row);
    t.subject.n_members = 1;
    cr_assert(strstr(ensemble_diagnostic.declines(&t.subject), "one network"));
    trial_close(&t);
}

Test(ensemble, nothing_resolved_is_open)
{
    trial t;
    trial_open(&t, 2, 0.6, 40, 1);
    gauss rugged = {.dim = 2, .sigma = 0.5, .believed = 0.5, .rugged = true};
    gauss_open(&rugged, GAUSS_EXACT, 1, 61, 1);
    t.subject.posterior = &rugged.posterior;
    json_t *row = perform(&t.subject, 40);
    cr_assert_str_eq(word(row, "verdict"), "open");
    json_decref(row);
    gauss_close(&rugged);
    trial_close(&t);
}

Test(ensemble, same_bits_for_any_number_of_threads)
{
    for (uint32_t dim = 2; dim <= 4; dim += 2) {
        json_t *row[2];
        for (size_t i = 0; i < 2; i++) {
            trial t;
            trial_open(&t, dim, 0.7, 100, i ? 3 : 1);
            t.subject.n_observed = 40;
            t.subject.observed = t.of[0].x;
            row[i] = perform(&t.subject, 100);
            trial_close(&t);
        }
        cr_assert(json_equal(row[0], row[1]));
        json_decref(row[0]);
        json_decref(row[1]);
    }
}

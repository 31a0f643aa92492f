/* ratio_calibrated.c: a ratio through a calibration. */
#include "bold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const toy PLANE = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
enum { N = 4000 };

typedef struct trial {
    fixture f;
    ratio *bold;
    bold_pairs pairs;
    calibration *map;
} trial;

/* The fixture's ratio is the calibrated one. */
static void trial_open(trial *t, calibration_kind kind, bool local)
{
    classified c;
    ratio *r = NULL;
    fixture_open(&t->f, &PLANE);
    t->bold = bold_new(&t->f.target, &PLANE, 0.3, 2.5, 0);
    bold_pairs_draw(&t->pairs, &PLANE, N, "calibration");
    cr_assert_eq(classified_of(t->bold, t->pairs.loader, NULL, N, 0, &c), NRE_OK);
    cr_assert_eq(calibration_fit(kind, local, &t->f.target, &c, &t->map), NRE_OK);
    cr_assert_eq(ratio_calibrated(t->bold, t->map, &r), NRE_OK);
    fixture_use(&t->f, r);
    classified_release(&c);
}

static void trial_close(trial *t)
{
    fixture_close(&t->f);
    ratio_free(t->bold);
    calibration_free(t->map);
    bold_pairs_release(&t->pairs);
}

static const float X[] = {0.4f, -0.3f, 1.1f, 0.2f, -0.7f, 0.9f};
static const double THETA[] = {0.1, 0.2, -0.5, 0.3, 0.9, 0.1, 0.4, -0.4, 0, 0, 1, 1};

Test(ratio_calibrated, is_the_map_of_what_the_ratio_says)
{
    static trial t;
    ratio_worker *w = NULL;
    observed *o = NULL;
    double raw[6], value[6], slope[12];
    trial_open(&t, CALIBRATION_PLATT, true);
    cr_assert(ratio_has_gradient(t.f.ratio) && ratio_is_normalised(t.f.ratio));
    fixture_observe(&t.f, 3, X);
    cr_assert_eq(ratio_worker_new(t.bold, &w), NRE_OK);
    cr_assert_eq(observed_new(t.bold, &o), NRE_OK);
    cr_assert_eq(ratio_observe(t.bold, w, 3, X, o), NRE_OK);
    cr_assert_eq(ratio_evaluate(t.bold, w, o, 0, 3, 2, THETA, raw, NULL), NRE_OK);
    cr_assert_eq(calibration_apply(t.map, &t.f.target, 6, THETA, raw, NULL), NRE_OK);
    cr_assert_eq(
        ratio_evaluate(t.f.ratio, t.f.worker, t.f.observed, 0, 3, 2, THETA, value, slope),
        NRE_OK);
    cr_assert_eq(memcmp(raw, value, sizeof raw), 0);
    /* pair by pair, in another order */
    const size_t row[] = {2, 0, 1, 1};
    const double at[] = {0, 0, 0.1, 0.2, 0.9, 0.1, 0.4, -0.4};
    double pair[4];
    cr_assert_eq(
        ratio_evaluate_pairs(t.f.ratio, t.f.worker, t.f.observed, 4, row, at, pair, NULL),
        NRE_OK);
    cr_assert_eq(pair[0], value[4]);
    cr_assert_eq(pair[1], value[0]);
    cr_assert_eq(pair[2], value[2]);
    cr_assert_eq(pair[3], value[3]);
    observed_free(o);
    ratio_worker_free(w);
    trial_close(&t);
}

Test(ratio_calibrated, rows_add)
{
    static trial t;
    double each[3], sum = 0, theta[6];
    trial_open(&t, CALIBRATION_ISOTONIC, false);
    cr_assert(!ratio_has_gradient(t.f.ratio));
    fixture_observe(&t.f, 3, X);
    for (int i = 0; i < 3; i++)
        memcpy(theta + 2 * i, THETA, 2 * sizeof *theta);
    cr_assert_eq(
        ratio_evaluate(t.f.ratio, t.f.worker, t.f.observed, 0, 3, 1, theta, each, NULL),
        NRE_OK);
    cr_assert_eq(
        ratio_joint(t.f.ratio, t.f.worker, t.f.observed, 0, 3, 1, theta, &sum, NULL),
        NRE_OK);
    cr_assert_float_eq(sum, each[0] + each[1] + each[2], 1e-12);
    trial_close(&t);
}

/* Log area of the bold ratio's posteriors is far from 0; of the calibrated ratio near it. */
Test(ratio_calibrated, mends_the_area)
{
    static trial t;
    grid g = {0};
    trial_open(&t, CALIBRATION_PLATT, false);
    fixture_observe(&t.f, 3, X);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(grid_of(&t.f.posterior, t.f.worker, t.f.observed, i, 1, &g), NRE_OK);
        cr_assert_float_eq(g.log_area, 0, 0.15, "row %zu: %g", i, g.log_area);
    }
    fixture_use(&t.f, bold_new(&t.f.target, &PLANE, 0.3, 2.5, 0));
    fixture_observe(&t.f, 3, X);
    cr_assert_eq(grid_of(&t.f.posterior, t.f.worker, t.f.observed, 0, 1, &g), NRE_OK);
    cr_assert_gt(g.log_area, 0.5);
    grid_release(&g);
    trial_close(&t);
}

Test(ratio_calibrated, refuses_what_differs_from_x_to_x)
{
    static trial t;
    ratio *r = NULL, *mixed = NULL, *member = NULL;
    trial_open(&t, CALIBRATION_PLATT, false);
    member = bold_new(&t.f.target, &PLANE, 0, 1, 0);
    cr_assert_eq(ratio_of_mixture(1, &member, NULL, &mixed), NRE_OK);
    cr_assert_eq(ratio_calibrated(mixed, t.map, &r), NRE_ENOTSUP);
    cr_assert(strstr(error_message(), "a mixture of posteriors cannot be calibrated"));
    ratio_set_up_to_x(t.bold);
    cr_assert_eq(ratio_calibrated(t.bold, t.map, &r), NRE_ENOTSUP);
    cr_assert(strstr(error_message(), "up to a function of x cannot be calibrated"));
    ratio_free(mixed);
    trial_close(&t);
}

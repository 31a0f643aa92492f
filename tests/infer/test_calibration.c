/* calibration.c: maps for all theta and near each, their gradients, their files. */
#include "bold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const toy LINE = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
static const toy PLANE = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};

typedef struct trial {
    fixture f;
    bold_pairs pairs;
    classified c;
} trial;

static void trial_open(trial *t, const toy *y, size_t n, double offset, double factor,
                       double turn)
{
    fixture_open(&t->f, y);
    fixture_use(&t->f, bold_new(&t->f.target, y, offset, factor, turn));
    bold_pairs_draw(&t->pairs, y, n, "calibration");
    cr_assert_eq(classified_of(t->f.ratio, t->pairs.loader, NULL, n, 0, &t->c), NRE_OK);
}

static void trial_close(trial *t)
{
    classified_release(&t->c);
    bold_pairs_release(&t->pairs);
    fixture_close(&t->f);
}

static calibration *fit(const trial *t, calibration_kind kind, bool local)
{
    calibration *c = NULL;
    cr_assert_eq(calibration_fit(kind, local, &t->f.target, &t->c, &c), NRE_OK, "%s",
                 error_message());
    return c;
}

/* Mean square of what joint pairs of a set of its own are wrong by. */
static double wrong_by(const trial *t, const calibration *c, const toy *y)
{
    enum { N = 2000 };
    bold_pairs p;
    double sum = 0;
    const bold *b = (const bold *)(const void *)t->f.ratio;
    bold_pairs_draw(&p, y, N, "judge");
    for (size_t i = 0; i < N; i++) {
        const double *theta = p.theta + i * y->dim;
        const float *x = p.x + i * y->dim;
        double l = toy_log_likelihood(y, theta, x) - toy_log_evidence(y, x);
        double s = b->offset + (b->factor + b->turn * theta[0]) * l;
        if (c)
            cr_assert_eq(calibration_apply(c, &t->f.target, 1, theta, &s, NULL), NRE_OK);
        sum += (s - l) * (s - l);
    }
    bold_pairs_release(&p);
    return sum / N;
}

/* s = 0.6 + 3 log r: all maps undo it, Platt's exactly but for the noise of two numbers. */
Test(calibration, for_all_theta)
{
    static trial t;
    trial_open(&t, &LINE, 20000, 0.6, 3, 0);
    calibration *platt = fit(&t, CALIBRATION_PLATT, false);
    calibration *isotonic = fit(&t, CALIBRATION_ISOTONIC, false);
    calibration *histogram = fit(&t, CALIBRATION_HISTOGRAM, false);
    double raw = wrong_by(&t, NULL, &LINE);
    cr_assert_gt(raw, 4);
    cr_assert_lt(wrong_by(&t, platt, &LINE), 0.001);
    cr_assert_lt(wrong_by(&t, isotonic, &LINE), 0.02);
    cr_assert_lt(wrong_by(&t, histogram, &LINE), 0.1); /* a wide bin of lowest outputs */
    calibration_free(platt);
    calibration_free(isotonic);
    calibration_free(histogram);
    trial_close(&t);
}

/* The line's two numbers against 1 / 3 and -0.2, from many sets: no bias, and a known scatter. */
Test(calibration, lines_of_many_sets_scatter_about_the_truth)
{
    enum { SETS = 40, N = 500 };
    double sum[2] = {0}, squares[2] = {0}, truth[2] = {-0.2, 1 / 3.};
    for (int i = 0; i < SETS; i++) {
        static fixture f;
        bold_pairs p;
        classified c;
        calibration *g = NULL;
        double s[2] = {0, 1}, theta[2] = {0};
        char purpose[16];
        snprintf(purpose, sizeof purpose, "set %d", i);
        fixture_open(&f, &LINE);
        fixture_use(&f, bold_new(&f.target, &LINE, 0.6, 3, 0));
        bold_pairs_draw(&p, &LINE, N, purpose);
        cr_assert_eq(classified_of(f.ratio, p.loader, NULL, N, 8, &c), NRE_OK);
        cr_assert_eq(calibration_fit(CALIBRATION_PLATT, false, &f.target, &c, &g), 0);
        cr_assert_eq(calibration_apply(g, &f.target, 2, theta, s, NULL), NRE_OK);
        s[1] -= s[0];
        for (int k = 0; k < 2; k++) {
            sum[k] += s[k];
            squares[k] += s[k] * s[k];
        }
        calibration_free(g);
        classified_release(&c);
        bold_pairs_release(&p);
        fixture_close(&f);
    }
    for (int k = 0; k < 2; k++) {
        double mean = sum[k] / SETS;
        double error = sqrt((squares[k] / SETS - mean * mean) / (SETS - 1));
        cr_assert_lt(fabs(mean - truth[k]), 4.5 * error, "%d: %g ± %g", k, mean, error);
        cr_assert_lt(error, 0.01);
    }
}

/* Where theta decides how sure the ratio is, one map cannot be right and maps near theta are nearer. */
Test(calibration, near_each_theta)
{
    static trial t;
    trial_open(&t, &PLANE, 20000, 0.3, 2.5, 0.6);
    for (int kind = CALIBRATION_HISTOGRAM; kind <= CALIBRATION_PLATT; kind++) {
        calibration *all = fit(&t, (calibration_kind)kind, false);
        calibration *near = fit(&t, (calibration_kind)kind, true);
        double raw = wrong_by(&t, NULL, &PLANE), one = wrong_by(&t, all, &PLANE),
               many = wrong_by(&t, near, &PLANE);
        cr_log_info("%s: raw %.3f, all %.4f, theta %.4f", CALIBRATION_NAMES[kind], raw,
                    one, many);
        cr_assert_lt(one, raw / 10);
        cr_assert(kind != CALIBRATION_PLATT || many < one / 2, "%g, %g", many, one);
        calibration_free(all);
        calibration_free(near);
    }
    trial_close(&t);
}

/* Where nothing depends on theta, maps near it agree with the one for all. */
Test(calibration, near_each_theta_and_all_agree)
{
    static trial t;
    trial_open(&t, &LINE, 10000, 0.6, 3, 0);
    calibration *near = fit(&t, CALIBRATION_PLATT, true);
    cr_assert_lt(wrong_by(&t, near, &LINE), 0.02);
    calibration_free(near);
    trial_close(&t);
}

/* Through the network's gradient and the weights of places: against differences. */
static void check_gradient(bool local)
{
    static trial t;
    trial_open(&t, &PLANE, 1000, 0.3, 2.5, 0.6);
    calibration *c = fit(&t, CALIBRATION_PLATT, local);
    cr_assert(calibration_has_gradient(c));
    fixture_observe(&t.f, 1, (float[]){0.4f, -0.3f});
    for (int i = 0; i < 10; i++) {
        double at[2] = {-0.5 + 0.13 * i, 0.4 - 0.11 * i}, value, slope[2];
        const double h = 1e-3;
        cr_assert_eq(ratio_evaluate(t.f.ratio, t.f.worker, t.f.observed, 0, 1, 1, at,
                                    &value, slope),
                     NRE_OK);
        cr_assert_eq(calibration_apply(c, &t.f.target, 1, at, &value, slope), NRE_OK);
        for (int k = 0; k < 2; k++) {
            double side[4], moved[8]; /* -2h -h h 2h */
            for (int m = 0; m < 4; m++) {
                memcpy(moved + 2 * m, at, sizeof at);
                moved[2 * m + k] += h * (m < 2 ? m - 2 : m - 1);
            }
            cr_assert_eq(ratio_evaluate(t.f.ratio, t.f.worker, t.f.observed, 0, 1, 4,
                                        moved, side, NULL),
                         NRE_OK);
            cr_assert_eq(calibration_apply(c, &t.f.target, 4, moved, side, NULL), NRE_OK);
            double wanted = (8 * (side[2] - side[1]) - (side[3] - side[0])) / (12 * h);
            /* theta is rounded to float where the weights see it: 1e-7 / h of their slope */
            cr_assert_float_eq(slope[k], wanted, 1e-3 * (1 + fabs(wanted)), "%g, not %g",
                               slope[k], wanted);
        }
    }
    calibration_free(c);
    trial_close(&t);
}

Test(calibration, has_the_gradient_of_lines)
{
    check_gradient(false);
    check_gradient(true);
}

Test(calibration, steps_have_no_gradient)
{
    static trial t;
    trial_open(&t, &LINE, 600, 0, 2, 0);
    for (int i = 0; i < 4; i++) {
        calibration *c = fit(&t, (calibration_kind)(i / 2), i % 2);
        double theta = 0.3, value = 1, slope = 7;
        cr_assert(!calibration_has_gradient(c));
        cr_assert_eq(calibration_apply(c, &t.f.target, 1, &theta, &value, &slope), 0);
        cr_assert_eq(slope, 0);
        calibration_free(c);
    }
    trial_close(&t);
}

/* Another process reads the same bits. */
Test(calibration, comes_back_from_json)
{
    static trial t;
    trial_open(&t, &PLANE, 700, 0.3, 2.5, 0.6);
    for (int i = 0; i < 6; i++) {
        calibration *c = fit(&t, (calibration_kind)(i / 2), i % 2), *back = NULL;
        json_t *j = calibration_json(c);
        char *text = json_dumps(j, JSON_REAL_PRECISION(17));
        json_t *again = json_loads(text, 0, NULL);
        cr_assert_eq(calibration_read(again, &t.f.target, &back), NRE_OK, "%s",
                     error_message());
        for (int k = 0; k < 200; k++) {
            double theta[2] = {0.02 * k - 2, 1 - 0.015 * k}, a = 0.1 * k - 10, b = a;
            cr_assert_eq(calibration_apply(c, &t.f.target, 1, theta, &a, NULL), NRE_OK);
            cr_assert_eq(calibration_apply(back, &t.f.target, 1, theta, &b, NULL), 0);
            cr_assert_eq(memcmp(&a, &b, sizeof a), 0);
        }
        json_decref(j);
        json_decref(again);
        free(text);
        calibration_free(c);
        calibration_free(back);
    }
    trial_close(&t);
}

Test(calibration, refuses_what_is_none)
{
    static fixture f;
    calibration *c = NULL;
    static const char *const BAD[] = {
        "[]",
        "{}",
        "{\"map\": \"magic\", \"per\": \"all\", \"maps\": [{}]}",
        "{\"map\": \"platt\", \"per\": \"all\", \"maps\": []}",
        "{\"map\": \"platt\", \"per\": \"all\", \"maps\": [{\"slope\": 1}]}",
        "{\"map\": \"platt\", \"per\": \"all\", \"maps\": [{}, {}]}",
        "{\"map\": \"platt\", \"per\": \"theta\", \"maps\": [{\"slope\": 1, "
        "\"intercept\": 0, \"at\": [1, 2]}], \"width\": 1}",
        "{\"map\": \"platt\", \"per\": \"theta\", \"maps\": [{\"slope\": 1, "
        "\"intercept\": 0, \"at\": [1]}], \"width\": 0}",
        "{\"map\": \"isotonic\", \"per\": \"all\", \"maps\": [{\"edges\": [1], "
        "\"log_ratios\": [1]}]}",
        "{\"map\": \"isotonic\", \"per\": \"all\", \"maps\": [{\"edges\": [2, 1], "
        "\"log_ratios\": [1, 2, 3]}]}",
        "{\"map\": \"isotonic\", \"per\": \"all\", \"maps\": [{\"edges\": [\"1\"], "
        "\"log_ratios\": [1, 2]}]}",
        "{\"map\": \"isotonic\", \"per\": \"all\", \"maps\": [{\"edges\": [], "
        "\"log_ratios\": []}]}"};
    fixture_open(&f, &LINE);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        json_t *j = json_loads(BAD[i], 0, NULL);
        cr_assert_not_null(j);
        cr_assert_eq(calibration_read(j, &f.target, &c), NRE_EDATA, "%s", BAD[i]);
        json_decref(j);
    }
    fixture_close(&f);
}

Test(calibration, needs_enough_pairs)
{
    static trial t;
    calibration *c = NULL;
    trial_open(&t, &LINE, 99, 0, 1, 0);
    cr_assert_eq(calibration_fit(CALIBRATION_PLATT, false, &t.f.target, &t.c, &c),
                 NRE_ECONFIG);
    cr_assert(
        strstr(error_message(), "infer.calibrate needs 100 in datasets.calibration"));
    trial_close(&t);
    trial_open(&t, &LINE, 499, 0, 1, 0);
    cr_assert_eq(calibration_fit(CALIBRATION_PLATT, true, &t.f.target, &t.c, &c),
                 NRE_ECONFIG);
    t.c.joint[7] = -INFINITY;
    cr_assert_eq(calibration_fit(CALIBRATION_ISOTONIC, false, &t.f.target, &t.c, &c),
                 NRE_ENUMERIC);
    trial_close(&t);
}

/* calibration_map.c: a tabular problem whose log ratios are known, pools against all partitions, the
 * line against closed forms and its derivative. */
#include "infer/infer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A table: s takes LEVELS values; their probabilities among joint and among marginal pairs. */
enum { LEVELS = 6, JOINT = 40000, MARGINAL = 120000 };
static const double P[LEVELS] = {0.02, 0.08, 0.1, 0.2, 0.25, 0.35};
static const double Q[LEVELS] = {0.3, 0.25, 0.2, 0.12, 0.08, 0.05};

static double log_ratio_at(size_t k)
{
    return log(P[k] / Q[k]);
}

/* What an overconfident classifier says: rises with the log ratio, and is no line. */
static double said(size_t k)
{
    double l = log_ratio_at(k);
    return 2 * l + 0.1 * l * l * l + 0.7;
}

static size_t level_of(rng *r, const double *p)
{
    double u = rng_uniform(r);
    size_t k = 0;
    for (; k < LEVELS - 1 && u >= p[k]; k++)
        u -= p[k];
    return k;
}

static output *table(double (*says)(size_t))
{
    rng r;
    rng_start(&r, rng_purpose(5, "table"), 0, 0);
    output *o = malloc((JOINT + MARGINAL) * sizeof *o);
    cr_assert_not_null(o);
    for (size_t i = 0; i < JOINT + MARGINAL; i++)
        o[i] = (output){says(level_of(&r, i < JOINT ? P : Q)), 1, i < JOINT};
    return o;
}

static void recovers(calibration_kind kind, double (*says)(size_t))
{
    output *o = table(says);
    output_map m;
    cr_assert_eq(output_map_fit(kind, JOINT + MARGINAL, o, &m), NRE_OK);
    for (size_t k = 0; k < LEVELS; k++) {
        /* binomial errors of two fractions */
        double error = sqrt((1 - P[k]) / (P[k] * JOINT) + (1 - Q[k]) / (Q[k] * MARGINAL));
        double z = (output_map_at(&m, says(k)) - log_ratio_at(k)) / error;
        cr_assert_lt(fabs(z), 4.5, "%s, value %zu: %g deviations",
                     CALIBRATION_NAMES[kind], k, z);
    }
    output_map_release(&m);
    free(o);
}

static double said_on_a_line(size_t k)
{
    return (log_ratio_at(k) + 0.4) / 0.3;
}

Test(calibration_map, recovers_the_log_ratios_of_a_table)
{
    recovers(CALIBRATION_HISTOGRAM, said);
    recovers(CALIBRATION_ISOTONIC, said);
    recovers(CALIBRATION_PLATT, said_on_a_line);
}

Test(calibration_map, platt_is_a_line_only)
{
    output *o = table(said);
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, JOINT + MARGINAL, o, &m), NRE_OK);
    double lowest = output_map_at(&m, said(0)) - log_ratio_at(0);
    cr_assert_gt(fabs(lowest), 0.1, "a cubic is not undone by a line: %g", lowest);
    output_map_release(&m);
    free(o);
}

/* pool adjacent violators */

enum { SMALL = 8 };

/* The rising fractions of joint pairs that fit best by least squares: of all ways to cut the values
 * into runs, the best whose means rise.  COUNT [n][2]: joint, marginal. */
static void best_rising(size_t n, const double (*count)[2], double *best)
{
    double least = INFINITY;
    for (unsigned cuts = 0; cuts < 1u << (n - 1); cuts++) {
        double fit[SMALL], error = 0, last = -1;
        bool rises = true;
        for (size_t i = 0, j; i < n; i = j) {
            double joint = count[i][0], all = count[i][0] + count[i][1];
            for (j = i + 1; j < n && !(cuts >> (j - 1) & 1); j++) {
                joint += count[j][0];
                all += count[j][0] + count[j][1];
            }
            for (size_t k = i; k < j; k++) {
                fit[k] = joint / all;
                error += count[k][0] * (1 - fit[k]) * (1 - fit[k]) +
                         count[k][1] * fit[k] * fit[k];
            }
            rises = rises && joint / all >= last;
            last = joint / all;
        }
        if (rises && error < least - 1e-12) {
            least = error;
            memcpy(best, fit, n * sizeof *best);
        }
    }
}

Test(calibration_map, isotonic_is_the_best_of_all_partitions)
{
    rng r;
    rng_start(&r, rng_purpose(1, "pools"), 0, 0);
    for (int trial = 0; trial < 300; trial++) {
        double count[SMALL][2], wanted[SMALL] = {0}, joint = 0, others = 0;
        output o[2 * SMALL];
        output_map m;
        for (size_t i = 0; i < SMALL; i++) {
            count[i][0] = 1 + (double)rng_below(&r, 6);
            count[i][1] = 1 + (double)rng_below(&r, 6);
            joint += count[i][0];
            others += count[i][1];
        }
        /* in an order of its own, kinds apart */
        for (size_t i = 0; i < SMALL; i++) {
            o[i] = (output){(double)(SMALL - i), count[SMALL - 1 - i][0], true};
            o[SMALL + i] = (output){(double)(i + 1), count[i][1], false};
        }
        best_rising(SMALL, (const double(*)[2])count, wanted);
        cr_assert_eq(output_map_fit(CALIBRATION_ISOTONIC, 2 * SMALL, o, &m), NRE_OK);
        for (size_t i = 0; i < SMALL; i++) {
            double odds = wanted[i] / (1 - wanted[i]) * others / joint;
            cr_assert_float_eq(output_map_at(&m, (double)(i + 1)), log(odds), 1e-12);
        }
        output_map_release(&m);
    }
}

Test(calibration_map, isotonic_is_finite_and_rises_where_a_kind_is_missing)
{
    output o[] = {{0, 3, false}, {1, 90, false}, {1, 1, true},
                  {2, 7, false}, {2, 60, true},  {3, 39, true}};
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_ISOTONIC, 6, o, &m), NRE_OK);
    double last = -INFINITY;
    for (double s = -1; s < 5; s += 0.25) {
        double value = output_map_at(&m, s);
        cr_assert(isfinite(value) && value >= last, "%g at %g", value, s);
        last = value;
    }
    /* half a marginal pair beside 39 joint ones, of 100 each */
    cr_assert_float_eq(output_map_at(&m, 3), log(39 / 0.5), 1e-12);
    /* half a joint pair among three would be more than the next step has */
    cr_assert_float_eq(output_map_at(&m, 0), log(1 / 90.), 1e-12);
    output_map_release(&m);
}

/* bins */

Test(calibration_map, bins_hold_enough_of_both_kinds)
{
    enum { N = 3000 };
    rng r;
    output *o = malloc(2 * N * sizeof *o);
    output_map m;
    cr_assert_not_null(o);
    rng_start(&r, rng_purpose(2, "bins"), 0, 0);
    for (size_t i = 0; i < 2 * N; i++)
        o[i] = (output){rng_normal(&r) + (i < N ? 1 : -1), 1, i < N};
    cr_assert_eq(output_map_fit(CALIBRATION_HISTOGRAM, 2 * N, o, &m), NRE_OK);
    cr_assert_gt(m.n, 10);
    size_t joint[64] = {0}, others[64] = {0};
    for (size_t i = 0; i < 2 * N; i++) {
        size_t bin = 0;
        while (bin < m.n - 1 && o[i].value >= m.edge[bin])
            bin++;
        (o[i].joint ? joint : others)[bin]++;
    }
    for (size_t i = 0; i < m.n; i++) {
        cr_assert(joint[i] >= 50 && others[i] >= 50, "%zu, %zu", joint[i], others[i]);
        cr_assert_float_eq(m.value[i], log((double)joint[i] / (double)others[i]), 1e-12);
    }
    output_map_release(&m);
    free(o);
}

/* the line */

Test(calibration_map, line_through_two_values_is_known_in_closed_form)
{
    output o[] = {{-1, 30, true}, {-1, 400, false}, {2, 70, true}, {2, 600, false}};
    double joint = 100, others = 1000, logit[2];
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, 4, o, &m), NRE_OK);
    for (int i = 0; i < 2; i++) {
        double w1 = o[i * 2].joint ? o[i * 2].count : o[i * 2 + 1].count;
        double w0 = o[i * 2].joint ? o[i * 2 + 1].count : o[i * 2].count;
        w1 *= 0.5 / joint;
        w0 *= 0.5 / others;
        double p = (w1 * (joint + 1) / (joint + 2) + w0 / (others + 2)) / (w1 + w0);
        logit[i] = log(p / (1 - p));
    }
    cr_assert_float_eq(output_map_at(&m, -1), logit[0], 1e-9);
    cr_assert_float_eq(output_map_at(&m, 2), logit[1], 1e-9);
    cr_assert_float_eq(m.slope, (logit[1] - logit[0]) / 3, 1e-9);
}

Test(calibration_map, line_has_no_slope_left)
{
    output *o = table(said);
    output_map m;
    double slope[2] = {0}, scale = 0;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, JOINT + MARGINAL, o, &m), NRE_OK);
    for (size_t i = 0; i < JOINT + MARGINAL; i++) {
        double p = 1 / (1 + exp(-output_map_at(&m, o[i].value)));
        double t = o[i].joint ? (JOINT + 1.) / (JOINT + 2.) : 1 / (MARGINAL + 2.);
        double w = o[i].joint ? 0.5 / JOINT : 0.5 / MARGINAL;
        slope[0] += w * (p - t);
        slope[1] += w * (p - t) * o[i].value;
        scale += w * fabs(o[i].value);
    }
    cr_assert_lt(fabs(slope[0]), 1e-9);
    cr_assert_lt(fabs(slope[1]), 1e-9 * scale);
    output_map_release(&m);
    free(o);
}

Test(calibration_map, line_of_separable_pairs_is_finite)
{
    output o[] = {{-3, 100, false}, {-2, 100, false}, {2, 10, true}, {9, 100, true}};
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, 4, o, &m), NRE_OK);
    cr_assert(isfinite(m.slope) && m.slope > 0);
}

Test(calibration_map, what_says_nothing_is_the_prior)
{
    output same[] = {{2, 9, true}, {2, 70, false}};
    output falls[] = {{-1, 90, true}, {1, 10, true}, {-1, 10, false}, {1, 90, false}};
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, 2, same, &m), NRE_OK);
    cr_assert_eq(output_map_at(&m, 2), 0);
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, 4, falls, &m), NRE_OK);
    cr_assert_eq(output_map_at(&m, 1), 0);
    cr_assert_eq(output_map_at(&m, -INFINITY), 0);
    for (int kind = CALIBRATION_HISTOGRAM; kind <= CALIBRATION_ISOTONIC; kind++) {
        cr_assert_eq(output_map_fit((calibration_kind)kind, 2, same, &m), NRE_OK);
        cr_assert_eq(output_map_at(&m, 2), 0);
        output_map_release(&m);
    }
    cr_assert_eq(output_map_fit(CALIBRATION_ISOTONIC, 4, falls, &m), NRE_OK);
    cr_assert_eq(output_map_at(&m, 1), 0);
    output_map_release(&m);
}

Test(calibration_map, refuses_what_it_cannot_use)
{
    output bad[] = {{NAN, 1, true}, {0, 1, false}}, one[] = {{0, 1, true}, {1, 1, true}};
    output_map m;
    cr_assert_eq(output_map_fit(CALIBRATION_PLATT, 2, bad, &m), NRE_ENUMERIC);
    bad[0].value = INFINITY;
    cr_assert_eq(output_map_fit(CALIBRATION_ISOTONIC, 2, bad, &m), NRE_ENUMERIC);
    cr_assert_eq(output_map_fit(CALIBRATION_HISTOGRAM, 2, one, &m), NRE_ENUMERIC);
}

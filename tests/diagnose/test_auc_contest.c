/* A classifier between two kinds of rows whose best AUC is known. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>

enum { N = 3000 };

/* N(0, 1), each with its weight, or 1, against N(1, 1). */
static auc_outcome contest(double (*weight_of)(double))
{
    static float first[N], second[N];
    static uint64_t row[N];
    static double weight[N];
    double sum = 0;
    net *g = NULL;
    rng r;
    rng_start(&r, rng_purpose(3, "sides"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        row[i] = N - 1 - i;
        first[row[i]] = (float)rng_normal(&r);
        second[i] = (float)(1 + rng_normal(&r));
        weight[i] = weight_of ? weight_of((double)first[row[i]]) : 1;
        sum += weight[i] / N;
    }
    for (size_t i = 0; i < N; i++)
        weight[i] /= sum;
    cr_assert_eq(classifier_net(1, 64, &g), 0);
    const auc_sides sides = {.net = g,
                             .n_x = 1,
                             .n_first = N,
                             .n_second = N,
                             .first = first,
                             .row = row,
                             .weight = weight,
                             .second = second,
                             .seed = 1};
    auc_outcome out;
    cr_assert_eq(auc_contest(&sides, &out), 0, "%s", error_message());
    net_free(g);
    return out;
}

/* Phi(1 / sqrt 2), and of those above 0, half of the first, Phi(1) of the second. */
Test(auc_contest, shifted)
{
    const auc_outcome o = contest(NULL);
    const double best = gsl_cdf_ugaussian_P(1 / sqrt(2)), half = gsl_cdf_ugaussian_P(1);
    cr_assert(fabs(o.auc - best) < 4.5 * o.error, "%g +- %g", o.auc, o.error);
    cr_assert(o.error > 0 && o.error < 1 / sqrt(N / 2));
    cr_assert(o.p < 1e-12);
    cr_assert(fabs(o.rate[50] - half) < 4.5 * 1.5 * sqrt(half * (1 - half) / (N / 2)));
    cr_assert_float_eq(o.rate[AUC_ROC - 1], 1, 1e-12);
}

static double tilt(double x)
{
    return exp(x - 0.5);
}

/* N(0, 1) exp(x - 1/2) is N(1, 1). */
Test(auc_contest, weights_make_them_alike)
{
    const auc_outcome o = contest(tilt);
    cr_assert(fabs(o.auc - 0.5) < 4.5 * o.error, "%g +- %g", o.auc, o.error);
    cr_assert(o.p > 3.4e-6);
    cr_assert(o.edge > 0.5 && o.edge < 0.6);
}

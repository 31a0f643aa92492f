/* losses.c - what every loss must pass: derivatives, tails, the exact optimum. */
#include "losses.h"

#include <criterion/criterion.h>
#include <float.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

enum { ROWS = 3 };

double batch_value(const loss *l, const loss_options *o, size_t n, const float *logit,
                   double *gradient)
{
    size_t width = 1 + o->marginals;
    float part[1 + MOST_MARGINALS];
    double sum = 0, mean = 0, slope = 0;
    for (size_t i = 0; l->statistic && i < n; i++)
        mean += l->statistic(o, logit + i * width, NULL) / (double)n;
    if (l->penalty)
        sum = (double)n * l->penalty(o, mean, &slope);
    for (size_t i = 0; i < n; i++) {
        sum += l->row(o, logit + i * width, part);
        for (size_t j = 0; gradient && j < width; j++)
            gradient[i * width + j] = (double)part[j];
        if (l->statistic)
            (void)l->statistic(o, logit + i * width, part);
        for (size_t j = 0; gradient && l->statistic && j < width; j++)
            gradient[i * width + j] += slope * (double)part[j];
    }
    return sum;
}

/* Steps of powers of two on logits that are multiples of them are exact in float. */
static double difference(const loss *l, const loss_options *o, float *logit, size_t at)
{
    const double h = 0x1p-7;
    static const double STEP[4] = {1, -1, 2, -2}, WEIGHT[4] = {8, -8, -1, 1};
    float kept = logit[at];
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        logit[at] = (float)((double)kept + STEP[i] * h);
        sum += WEIGHT[i] * batch_value(l, o, ROWS, logit, NULL);
    }
    logit[at] = kept;
    return sum / (12 * h);
}

void expect_derivative(const loss *l, const loss_options *o, double largest)
{
    size_t n = ROWS * (1 + o->marginals);
    float logit[ROWS * (1 + MOST_MARGINALS)];
    double gradient[ROWS * (1 + MOST_MARGINALS)];
    rng r;
    rng_start(&r, rng_purpose(4, "logits"), 0, 0);
    for (int batch = 0; batch < 20; batch++) {
        for (size_t i = 0; i < n; i++)
            logit[i] =
                (float)(round(largest * (2 * rng_uniform(&r) - 1) * 0x1p10) * 0x1p-10);
        double value = batch_value(l, o, ROWS, logit, gradient);
        for (size_t i = 0; i < n; i++) {
            double expected = difference(l, o, logit, i);
            double allowed =
                1e-12 * fabs(value) + 1e-7 * fabs(gradient[i]) + 1e-8 + 1e-9 * o->lambda;
            cr_assert_float_eq(gradient[i], expected, allowed, "%s, %zu: %g not %g",
                               l->name, i, gradient[i], expected);
        }
    }
}

void expect_finite(const loss *l, const loss_options *o)
{
    static const float EXTREME[] = {0, 80, -80, 1e30f, -1e30f, FLT_MAX, -FLT_MAX};
    enum { N = sizeof EXTREME / sizeof EXTREME[0] };
    size_t width = 1 + o->marginals, combinations = 1;
    for (size_t j = 0; j < width; j++)
        combinations *= N;
    for (size_t c = 0; c < combinations; c++) {
        float logit[1 + MOST_MARGINALS];
        double gradient[1 + MOST_MARGINALS];
        for (size_t j = 0, rest = c; j < width; j++, rest /= N)
            logit[j] = EXTREME[rest % N];
        cr_assert(isfinite(batch_value(l, o, 1, logit, gradient)));
        for (size_t j = 0; j < width; j++)
            cr_assert(isfinite(gradient[j]), "%s: %g", l->name, gradient[j]);
    }
}

long double reference_cross_entropy(size_t n, const long double *logit,
                                    long double *share)
{
    long double others = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        long double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += expl(logit[j] - logit[i]);
        share[i] = 1 / sum;
        others += i ? expl(logit[i] - logit[0]) : 0;
        most = fmaxl(most, logit[i] - logit[0]);
    }
    return isinf(others) ? most : log1pl(others);
}

/* the exact optimum */

static const double PRIOR[THETAS] = {0.5, 0.3, 0.2};
static const double LIKELIHOOD[THETAS][XS] = {
    {0.1, 0.2, 0.3, 0.4}, {0.7, 0.1, 0.1, 0.1}, {0.02, 0.48, 0.25, 0.25}};

double table_log_ratio(size_t theta, size_t x)
{
    double evidence = 0;
    for (size_t t = 0; t < THETAS; t++)
        evidence += PRIOR[t] * LIKELIHOOD[t][x];
    return log(LIKELIHOOD[theta][x] / evidence);
}

typedef struct table_sums {
    double value, mean;
    double gradient[CELLS], statistic[CELLS];
} table_sums;

/* One combination: theta of the joint pair and of the marginal ones at X. */
static void add_row(const loss *l, const loss_options *o, const double *cell, size_t x,
                    const size_t *theta, table_sums *s)
{
    float logit[4], part[4];
    double weight = LIKELIHOOD[theta[0]][x];
    for (size_t j = 0; j <= o->marginals; j++) {
        weight *= PRIOR[theta[j]];
        logit[j] = (float)cell[theta[j] * XS + x];
    }
    s->value += weight * l->row(o, logit, part);
    for (size_t j = 0; j <= o->marginals; j++)
        s->gradient[theta[j] * XS + x] += weight * (double)part[j];
    if (!l->statistic)
        return;
    s->mean += weight * l->statistic(o, logit, part);
    for (size_t j = 0; j <= o->marginals; j++)
        s->statistic[theta[j] * XS + x] += weight * (double)part[j];
}

double table_loss(const loss *l, const loss_options *o, const double *cell,
                  double *gradient)
{
    table_sums s = {0};
    size_t combinations = 1, theta[4];
    double slope = 0;
    for (size_t j = 0; j <= o->marginals; j++)
        combinations *= THETAS;
    for (size_t x = 0; x < XS; x++)
        for (size_t c = 0; c < combinations; c++) {
            for (size_t j = 0, rest = c; j <= o->marginals; j++, rest /= THETAS)
                theta[j] = rest % THETAS;
            add_row(l, o, cell, x, theta, &s);
        }
    double penalty = l->penalty ? l->penalty(o, s.mean, &slope) : 0;
    for (size_t i = 0; i < CELLS; i++)
        gradient[i] = s.gradient[i] + slope * s.statistic[i];
    return s.value + penalty;
}

/* By central differences of the gradient; a constant for each x that the loss leaves open is held
 * by a term of its own. */
static void curvature(const loss *l, const loss_options *o, const double *cell,
                      double *hessian)
{
    const double h = 0x1p-6;
    double moved[CELLS], up[CELLS], down[CELLS];
    for (size_t i = 0; i < CELLS; i++) {
        memcpy(moved, cell, sizeof moved);
        moved[i] = cell[i] + h;
        (void)table_loss(l, o, moved, up);
        moved[i] = cell[i] - h;
        (void)table_loss(l, o, moved, down);
        for (size_t j = 0; j < CELLS; j++) {
            hessian[i * CELLS + j] = (up[j] - down[j]) / (2 * h);
            hessian[i * CELLS + j] += l->up_to_x && i % XS == j % XS ? 1 : 0;
        }
    }
}

/* A Newton step, halved until the loss does not rise; its length. */
static double descend(const loss *l, const loss_options *o, double *cell)
{
    double gradient[CELLS], hessian[CELLS * CELLS], moved[CELLS], length = 0;
    double value = table_loss(l, o, cell, gradient), share = 1;
    curvature(l, o, cell, hessian);
    gsl_matrix_view matrix = gsl_matrix_view_array(hessian, CELLS, CELLS);
    double step[CELLS];
    memcpy(step, gradient, sizeof step);
    gsl_vector_view vector = gsl_vector_view_array(step, CELLS);
    cr_assert_eq(gsl_linalg_HH_svx(&matrix.matrix, &vector.vector), 0);
    for (int i = 0; i < 30; i++, share /= 2) {
        for (size_t k = 0; k < CELLS; k++)
            moved[k] = cell[k] - share * step[k];
        if (table_loss(l, o, moved, gradient) <= value + 1e-13)
            break;
    }
    for (size_t k = 0; k < CELLS; k++)
        length = fmax(length, fabs(moved[k] - cell[k]));
    memcpy(cell, moved, sizeof moved);
    return length;
}

void table_minimum(const loss *l, const loss_options *o, double *cell)
{
    double length = 1;
    memset(cell, 0, CELLS * sizeof *cell);
    for (int i = 0; i < 100 && length > 5e-7; i++)
        length = descend(l, o, cell);
    cr_assert_lt(length, 5e-7, "%s: not converged: %g", l->name, length);
}

static double offset_of(const loss *l, const double *cell, size_t x)
{
    double sum = 0;
    for (size_t t = 0; t < THETAS; t++)
        sum += (cell[t * XS + x] - table_log_ratio(t, x)) / THETAS;
    return l->up_to_x ? sum : 0;
}

void expect_log_ratio(const loss *l, double gamma, double lambda)
{
    for (size_t k = 1; k <= 3; k++) {
        loss_options o = {.marginals = k, .gamma = gamma, .lambda = lambda};
        double cell[CELLS];
        table_minimum(l, &o, cell);
        for (size_t t = 0; t < THETAS; t++)
            for (size_t x = 0; x < XS; x++)
                cr_assert_float_eq(
                    cell[t * XS + x] - offset_of(l, cell, x), table_log_ratio(t, x), 1e-6,
                    "%s, k %zu, gamma %g, theta %zu, x %zu: %.9f not %.9f", l->name, k,
                    gamma, t, x, cell[t * XS + x], table_log_ratio(t, x));
    }
}

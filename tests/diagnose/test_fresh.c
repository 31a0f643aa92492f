/* Simulations at given parameters. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2000 };

/* Two parameters, of which the target has the second. */
static void open_subset(gauss *g, target *t, ratio **r, posterior *p)
{
    static const uint32_t SECOND[] = {1};

    gauss_open(g, GAUSS_PRIOR, 1, 41, 2);
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    *t = (target){
        .name = "b", .n = 1, .which = SECOND, .prior = simulator_prior(g->simulator)};
    cr_assert_eq(ratio_prior(t, g->dim, r), 0);
    *p = (posterior){.ratio = *r};
    g->subject.posterior = p;
    g->subject.simulator = g->simulator;
    g->subject.on_invalid = 2;
}

/* What the target lacks is drawn anew in every row, also for rows at one theta, and after invalid
 * attempts; what it has stays. */
Test(fresh, nuisances_are_drawn_anew)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .invalid = 0.2};
    target t;
    ratio *r;
    posterior p;
    float *x = calloc(ROWS, 2 * sizeof *x);
    double theta = 1.5, sum[2] = {0}, squares[2] = {0};

    open_subset(&g, &t, &r, &p);
    cr_assert(fresh_has_nuisance(&g.subject));
    cr_assert_null(fresh_declines(&g.subject));
    cr_assert_eq(fresh_rows_at(&g.subject, "some", ROWS, &theta, x), 0, "%s",
                 error_message());
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < 2; k++) {
            sum[k] += (double)x[2 * i + k] / ROWS;
            squares[k] += (double)x[2 * i + k] * (double)x[2 * i + k] / ROWS;
        }
    const double mean[] = {0, 1.5}, variance[] = {1.25, 0.25};
    for (size_t k = 0; k < 2; k++) {
        double found = squares[k] - sum[k] * sum[k];
        cr_assert(fabs(sum[k] - mean[k]) < 4.5 * sqrt(variance[k] / ROWS));
        cr_assert(fabs(found / variance[k] - 1) < 4.5 * sqrt(2.0 / ROWS));
    }
    free(x);
    ratio_free(r);
    gauss_close(&g);
}

/* More rows begin with the same ones, each at its own theta. */
Test(fresh, rows_do_not_depend_on_their_number)
{
    gauss g = {.dim = 2, .sigma = 0.01, .believed = 0.5, .invalid = 0.2};
    target t;
    ratio *r;
    posterior p;
    enum { FEW = 300 };
    float *few = calloc(FEW, 2 * sizeof *few), *many = calloc(ROWS, 2 * sizeof *many);
    double *theta = calloc(ROWS, sizeof *theta);

    open_subset(&g, &t, &r, &p);
    for (size_t i = 0; i < ROWS; i++)
        theta[i] = (double)i;
    cr_assert_eq(fresh_rows(&g.subject, "some", FEW, theta, few), 0);
    cr_assert_eq(fresh_rows(&g.subject, "some", ROWS, theta, many), 0);
    cr_assert_arr_eq(few, many, FEW * 2 * sizeof *few);
    for (size_t i = 0; i < ROWS; i++)
        cr_assert(fabs((double)many[2 * i + 1] - theta[i]) < 0.06);
    g.subject.on_invalid = 0;
    cr_assert_eq(fresh_rows(&g.subject, "some", FEW, theta, few), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "on_invalid"));
    free(theta);
    free(few);
    free(many);
    ratio_free(r);
    gauss_close(&g);
}

Test(fresh, truths_come_from_the_prior)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5, .invalid = 0.2};
    target t;
    ratio *r;
    posterior p;
    double *theta = calloc(ROWS, sizeof *theta), sum = 0, squares = 0;

    open_subset(&g, &t, &r, &p);
    cr_assert_eq(fresh_truths(&g.subject, "truths", ROWS, theta), 0);
    for (size_t i = 0; i < ROWS; i++) {
        sum += theta[i] / ROWS;
        squares += theta[i] * theta[i] / ROWS;
    }
    cr_assert(fabs(sum) < 4.5 / sqrt(ROWS));
    cr_assert(fabs(squares - 1) < 4.5 * sqrt(2.0 / ROWS));
    g.subject.simulator = NULL;
    cr_assert(strstr(fresh_declines(&g.subject), "no simulator"));
    free(theta);
    ratio_free(r);
    gauss_close(&g);
}

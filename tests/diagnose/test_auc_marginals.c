/* Simulations of p(x) that stand for those of one theta. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { TESTED = 100 };

static void gather(gauss *g, double *theta, size_t n, auc_marginals *m)
{
    gauss_open(g, GAUSS_EXACT, TESTED, 5, 2);
    g->subject.simulator = g->simulator;
    cr_assert_eq(simulator_prepare(g->simulator), 0);
    *m = (auc_marginals){.subject = &g->subject,
                         .n_points = 1,
                         .theta = theta,
                         .effective = calloc(1, sizeof(double))};
    cr_assert_eq(auc_gather(m, n, 0.5 * (double)n), 0, "%s", error_message());
}

/* x of a and b is N(theta, 1/4) when it has the weights r, N(0, 5/4) when r^0. */
Test(auc_marginals, weighted_rows_have_the_moments_of_theta)
{
    enum { ROWS = 4000 };
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    double theta[] = {0.7, -0.4};
    auc_marginals m;
    gather(&g, theta, ROWS, &m);
    cr_assert_geq(m.n, ROWS);
    cr_assert_geq(m.effective[0], ROWS / 2);
    cr_assert_arr_eq(m.x, g.x, TESTED * 2 * sizeof *m.x);
    for (int power = 0; power <= 1; power++) {
        auc_selection s;
        cr_assert_eq(auc_select(&m, 0, power, ROWS, &s), 0);
        cr_assert_eq(s.n, ROWS);
        double sum = 0, mean = 0, square = 0, variance = power ? 0.25 : 1.25;
        for (size_t i = 0; i < s.n; i++) {
            double x = (double)m.x[2 * s.row[i]] - (power ? theta[0] : 0);
            cr_assert(i == 0 || s.row[i] > s.row[i - 1]);
            sum += s.weight[i] / ROWS;
            mean += s.weight[i] * x / ROWS;
            square += s.weight[i] * x * x / ROWS;
        }
        cr_assert_float_eq(sum, 1, 1e-9);
        cr_assert(fabs(mean) < 4.5 * sqrt(variance / s.effective), "%g", mean);
        cr_assert(fabs(square / variance - 1) < 4.5 * sqrt(2 / s.effective), "%g",
                  square);
        auc_selection_release(&s);
    }
    auc_marginals_release(&m);
    gauss_close(&g);
}

/* One x in thousands is like those of theta: an eighth of the rows is enough to see it. */
Test(auc_marginals, a_hopeless_point_is_given_up_early)
{
    gauss g = {.dim = 2, .sigma = 0.01, .believed = 0.01};
    auc_marginals m;
    gather(&g, (double[]){0.7, -0.4}, 4000, &m);
    cr_assert_eq(m.n, 500);
    cr_assert_lt(m.effective[0], 4);
    auc_marginals_release(&m);
    gauss_close(&g);
}

/* What one thread works with. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(station, truth_of_the_rows)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    station *t = NULL;
    rng r;

    gauss_open(&g, GAUSS_EXACT, 40, 31, 1);
    cr_assert_eq(stations_new(&g.subject, &t), 0);
    cr_assert_eq(station_load(&g.subject, t, 0, 30, 7), 0);
    cr_assert_arr_eq(t->theta, g.truth + 60, 14 * sizeof *t->theta);
    cr_assert_arr_eq(t->x, g.x + 60, 14 * sizeof *t->x);
    for (size_t i = 0; i < 7; i++) {
        double log_prior = 0, log_ratio = 0;
        for (size_t k = 0; k < 2; k++) {
            double theta = t->theta[2 * i + k], x = (double)t->x[2 * i + k];
            log_prior -= 0.5 * (theta * theta + log(2 * M_PI));
            log_ratio += 0.5 * (x * x / 1.25 - (x - theta) * (x - theta) / 0.25 +
                                log(1.25 / 0.25));
        }
        cr_assert_float_eq(t->log_ratio[i], log_ratio, 1e-9);
        cr_assert_float_eq(t->log_density[i], log_prior + log_ratio, 1e-9);
    }
    rng_start(&r, rng_purpose(1, "test"), 0, 0);
    cr_assert_eq(station_posterior(&g.subject, t, t->observed, 6, &r), 0);
    cr_assert(t->on_grid && !t->missing);
    cr_assert_float_eq(t->log_area, 0, 0.01);
    stations_free(&g.subject, t);
    gauss_close(&g);
}

Test(station, fraction_below)
{
    static const double sorted[] = {1, 2, 2, 3};

    cr_assert_eq(fraction_below(4, sorted, 0.5), 0);
    cr_assert_eq(fraction_below(4, sorted, 2), 0.25);
    cr_assert_eq(fraction_below(4, sorted, 2.5), 0.75);
    cr_assert_eq(fraction_below(4, sorted, 9), 1);
    cr_assert(isnan(fraction_below(0, sorted, 1)));
}

Test(station, wrong_width_of_x_is_refused)
{
    gauss g = {.dim = 2, .sigma = 0.5, .believed = 0.5};
    station *t = NULL;
    loader *narrow = NULL;

    gauss_open(&g, GAUSS_EXACT, 10, 32, 1);
    cr_assert_eq(loader_of_arrays(10, 2, 1, g.truth, g.x, &narrow), 0);
    g.subject.test = narrow;
    cr_assert_eq(stations_new(&g.subject, &t), NRE_EDATA);
    cr_assert_null(t);
    loader_free(narrow);
    gauss_close(&g);
}

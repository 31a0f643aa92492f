/* The progenitor against the original's figures. */
#include "tables.h"

#include <criterion/criterion.h>

static void check(const double *value, const double *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        cr_expect_float_eq(value[i], expected[i], tolerance, "%zu: %.3g", i,
                           value[i] - expected[i]);
}

Test(progenitor, original)
{
    static const double actions[] = {0.10070496131235585, -1.4899464790981993,
                                     0.4486877786785303};
    static const double frequencies[] = {0.5157880887931489, -0.3757606541390659,
                                         0.3926735463688509};
    static const double angles[] = {0.3194578332169584, 0.23781717484173726,
                                    2.227526891089205};
    static const double hessian[] = {
        -0.3864426527002229, 0.3000747464111156,   -0.3143076856804172,
        0.299956092601152,   -0.21095359817371168, 0.22857239675091406,
        -0.3140378238309617, 0.2285111895258992,   -0.27774469296181714};
    static const double direction[] = {-0.6809746627756997, 0.48691769620424646,
                                       -0.5469777562028195};
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    check(p.of.action, actions, 3, 1e-9);
    check(p.of.frequency, frequencies, 3, 1e-9);
    check(p.of.angle, angles, 3, 1e-9);
    check(p.hessian[0], hessian, 9, 1e-5);
    check(p.direction, direction, 3, 1e-5);
    cr_expect_float_eq(p.speed, -0.7489868271802697, 1e-5);
    cr_expect_float_eq(p.spread_age, 0.1145563362768931, 1e-5 * 0.1145563362768931);
    orbit_space_free(space);
}

Test(progenitor, extent)
{
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    cr_expect_float_eq(p.apocentre, 2.9361851112377755, 1e-9);
    cr_expect_float_eq(p.pericentre, 1.689745617198448, 1e-9);
    cr_expect_float_eq(p.height, 1.7576691306281509, 1e-9);
    cr_expect_float_eq(p.mean_radius, 2.371435152923328, 1e-9);
    orbit_space_free(space);
}

/* The direction is an eigenvector: the covariance leaves it as it is, and spread_age^2 is its
 * variance. */
Test(progenitor, direction)
{
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    double v = 0.96 / 220 * GD1_GYR, turned[3] = {0};
    double s[3] = {(p.apocentre - p.pericentre) * v / GD1_PI, p.pericentre * v,
                   2 * p.height * v / GD1_PI};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 3; k++)
                turned[i] +=
                    p.hessian[i][k] * s[k] * s[k] * p.hessian[j][k] * p.direction[j];
    for (size_t i = 0; i < 3; i++)
        cr_expect_float_eq(turned[i], p.spread_age * p.spread_age * p.direction[i],
                           1e-15);
    orbit_space_free(space);
}

Test(progenitor, spread_follows_the_dispersion)
{
    progenitor p, twice;
    orbit_space *space = measured_progenitor(&p);
    progenitor_measure(1.92, space, &twice);
    cr_expect_float_eq(twice.spread_age, 2 * p.spread_age, 1e-12);
    orbit_space_free(space);
}

/* Accelerations and orbits against exact cases and conserved quantities. */
#include "tables.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static double pull_at(double r)
{
    const double x[3] = {r, 0, 0};
    double out[3];
    acceleration_at(x, out);
    cr_expect_eq(out[1], 0);
    cr_expect_eq(out[2], 0);
    return -out[0];
}

/* The amplitudes are such that bulge, disc and halo give 0.05, 0.60 and 0.35 at R = 1. */
Test(potential, circular_velocity)
{
    cr_expect_float_eq(pull_at(1), 1, 1e-8);
}

/* What is not disc, minus the halo, is the enclosed mass of the bulge's density. */
Test(potential, bulge)
{
    for (double r = 0.02; r < 3; r *= 1.7) {
        double flat2 = r * r + 0.41 * 0.41;
        double disc = 0.7574802019371595 * r / (flat2 * sqrt(flat2));
        double halo = 4.852230533527998 * (log1p(r / 2) - r / 2 / (1 + r / 2)) / (r * r);
        /* 4 pi rho r^2 = 4 pi A r^0.2 exp(-(r / rc)^2); with u = r^1.2 no singular slope */
        double mass = 0, top = pow(r, 1.2), h = top / 20000;
        for (int i = 0; i < 20000; i++) {
            double at = pow((i + 0.5) * h, 1 / 1.2) / 0.2375;
            mass += 4 * GD1_PI * 0.029994597188218296 / 1.2 * exp(-at * at) * h;
        }
        cr_expect_float_eq(pull_at(r) - disc - halo, mass / (r * r),
                           1e-7 * mass / (r * r), "%g", r);
    }
}

/* Phi of the disc and the halo, differentiated; the bulge is a point there. */
static double potential_at(const double x[3])
{
    double r = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double a = 0.375 + sqrt(x[2] * x[2] + 0.035 * 0.035);
    double bulge = 2 * GD1_PI * 0.029994597188218296 * pow(0.2375, 1.2) * tgamma(0.6);
    return -bulge / r - 0.7574802019371595 / sqrt(x[0] * x[0] + x[1] * x[1] + a * a) -
           4.852230533527998 * log1p(r / 2) / r;
}

Test(potential, is_a_gradient)
{
    static const double at[][3] = {
        {1.6, -0.1, 0.7}, {-0.3, 2.1, -1.9}, {1.2, 1.3, 0.01}, {20, -30, 11}};
    for (size_t k = 0; k < 4; k++) {
        double pull[3], h = 1e-4;
        acceleration_at(at[k], pull);
        for (size_t i = 0; i < 3; i++) {
            double up[3], down[3];
            for (size_t j = 0; j < 3; j++)
                up[j] = down[j] = at[k][j];
            up[i] += h, down[i] -= h;
            double slope = (potential_at(up) - potential_at(down)) / (2 * h);
            cr_expect_float_eq(pull[i], -slope, 2e-7, "%zu, %zu", k, i);
        }
    }
}

static double energy_of(const double p[6])
{
    return potential_at(p) + (p[3] * p[3] + p[4] * p[4] + p[5] * p[5]) / 2;
}

Test(potential, orbit_conserves)
{
    double start[6], *path = malloc(10001 * 6 * sizeof *path);
    cr_assert_not_null(path);
    rectangular_of_sky(PROGENITOR_SKY, start);
    orbit_of(start, -0.01, 10000, path);
    const double *end = path + 60000;
    cr_expect_float_eq(energy_of(end), energy_of(start), 1e-10);
    cr_expect_float_eq(end[0] * end[4] - end[1] * end[3],
                       start[0] * start[4] - start[1] * start[3], 1e-10);
    free(path);
}

/* Halving the step reduces the error sixteenfold. */
Test(potential, order_of_the_method)
{
    double start[6], coarse[41 * 6], fine[81 * 6], finest[641 * 6];
    rectangular_of_sky(PROGENITOR_SKY, start);
    orbit_of(start, 0.2, 40, coarse);
    orbit_of(start, 0.1, 80, fine);
    orbit_of(start, 0.0125, 640, finest);
    double error = fabs(coarse[240] - finest[3840]),
           half = fabs(fine[480] - finest[3840]);
    cr_expect_gt(error, 1e-7);
    cr_expect_float_eq(log2(error / half), 4, 0.5, "%g %g", error, half);
}

Test(potential, both_directions_at_once)
{
    enum { N = 50 };
    double start[6], forward[6 * (N + 1)], backward[6 * (N + 1)], around[6][2 * N + 1];
    rectangular_of_sky(PROGENITOR_SKY, start);
    orbit_of(start, 0.01, N, forward);
    orbit_of(start, -0.01, N, backward);
    orbit_around(start, 0.01, N, around[0]);
    for (size_t k = 0; k <= N; k++)
        for (size_t i = 0; i < 6; i++) {
            cr_expect_eq(around[i][N + k], forward[6 * k + i]);
            cr_expect_eq(around[i][N - k], backward[6 * k + i]);
        }
}

Test(potential, moves_and_returns)
{
    double start[6], at[6], path[101 * 6];
    rectangular_of_sky(PROGENITOR_SKY, start);
    rectangular_of_sky(PROGENITOR_SKY, at);
    orbit_of(start, 0.01, 100, path);
    orbit_move(at, 1);
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(at[i], path[600 + i], 1e-13);
    orbit_move(at, 0);
    orbit_move(at, -1);
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(at[i], start[i], 1e-9);
}

/* A Gyr back, against an integration with a quarter of the step. */
Test(potential, moves_precisely)
{
    double start[6], at[6], time = -GD1_GYR, *path = malloc(11301 * 6 * sizeof *path);
    cr_assert_not_null(path);
    rectangular_of_sky(PROGENITOR_SKY, start);
    rectangular_of_sky(PROGENITOR_SKY, at);
    orbit_of(start, time / 11300, 11300, path);
    orbit_move(at, time);
    for (size_t i = 0; i < 3; i++)
        cr_expect_float_eq(at[i], path[6 * 11300 + i], 1e-9, "%g",
                           at[i] - path[67800 + i]);
    free(path);
}

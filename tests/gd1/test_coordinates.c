/* Coordinates against the original's and against what they mean. */
#include "tables.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* R, vR, vT, z, vz, phi that the original found. */
static const double PROGENITOR[6] = {1.5781254166470766,  0.3924902145144529,
                                     -0.9441242523447697, 0.7471336952006072,
                                     -0.4576596550824713, -0.051813591458303686};

Test(coordinates, progenitor)
{
    double rectangular[6], cylindrical[6];
    rectangular_of_sky(PROGENITOR_SKY, rectangular);
    cylindrical_of(rectangular, cylindrical);
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(cylindrical[i], PROGENITOR[i], 1e-14);
}

/* Columns: a, rho, mean W, l, b, distance, line-of-sight velocity, proper motions, phi1, rho(phi1). */
static void check_phi1(const char *age)
{
    size_t n;
    double *rows = table_read("smooth_stream", age, 11, &n);
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + 11 * i;
        double sky[6] = {row[3], row[4], row[5], row[7], row[8], row[6]}, rectangular[6];
        rectangular_of_sky(sky, rectangular);
        cr_expect_float_eq(phi1_of(rectangular), row[9], 1e-7, "%s, %zu", age, i);
    }
    free(rows);
}

Test(coordinates, longitude_along_the_stream)
{
    check_phi1("3.2");
    check_phi1("4.8");
}

Test(coordinates, there_and_back)
{
    for (int i = 0; i < 16; i++) {
        double phi = -3 + 0.4 * i, back[6], rectangular[6];
        const double at[6] = {0.3 + i, 0.1 * i - 0.7, 1 - 0.2 * i, 0.1 * i - 1, 0.3, phi};
        rectangular_of(at, rectangular);
        cylindrical_of(rectangular, back);
        for (size_t j = 0; j < 6; j++)
            cr_expect_float_eq(back[j], at[j], 1e-13);
        double v2 = at[1] * at[1] + at[2] * at[2] + at[4] * at[4];
        const double *v = rectangular + 3;
        cr_expect_float_eq(v[0] * v[0] + v[1] * v[1] + v[2] * v[2], v2, 1e-13);
    }
}

/* The centre of the Galaxy lies 8 kpc from a Sun 20.8 pc above the plane, at l = 0 but for a few
 * millionths. */
Test(coordinates, centre_and_sun)
{
    const double centre[6] = {0, 0, sqrt(64 + 0.0208 * 0.0208), 0, 0, 0};
    const double here[6] = {100, 30, 0, 0, 0, 0};
    double at[6];
    rectangular_of_sky(centre, at);
    for (size_t i = 0; i < 3; i++)
        cr_expect_float_eq(at[i], 0, 3e-6);
    rectangular_of_sky(here, at);
    const double sun[6] = {1, 0, 0.0208 / 8, -11.1 / 220, 244.0 / 220, 7.25 / 220};
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(at[i], sun[i], 1e-14);
}

/* 4.74047 km/s a kpc and mas/yr: seen from the Sun, proper motion along l at l = b = 0 is velocity
 * along y. */
Test(coordinates, proper_motion)
{
    const double still[6] = {0, 0, 2, 0, 0, 0}, moving[6] = {0, 0, 2, 3, 0, 0};
    double a[6], b[6];
    rectangular_of_sky(still, a);
    rectangular_of_sky(moving, b);
    cr_expect_float_eq((b[4] - a[4]) * 220, 4.74047 * 2 * 3, 1e-9);
}

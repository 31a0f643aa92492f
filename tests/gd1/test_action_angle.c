/* Actions and angles: symmetries, motion along an orbit, slopes.  Their values: test_progenitor.c. */
#include "tables.h"

#include <criterion/criterion.h>

typedef struct fixture {
    orbit_space *space;
    double cylindrical[6];
    action_angle of;
} fixture;

static fixture fixture_new(void)
{
    fixture f = {.space = orbit_space_new()};
    double rectangular[6];
    cr_assert_not_null(f.space);
    rectangular_of_sky(PROGENITOR_SKY, rectangular);
    cylindrical_of(rectangular, f.cylindrical);
    action_angle_of(f.cylindrical, f.space, &f.of);
    return f;
}

static void expect_angle(double angle, double expected, double tolerance)
{
    cr_expect_float_eq(angle_wrapped(angle - expected), 0, tolerance, "%.12g %.12g",
                       angle, expected);
    cr_expect(angle >= 0 && angle < 2 * GD1_PI);
}

Test(action_angle, wraps)
{
    cr_expect_float_eq(angle_wrapped(0.5), 0.5, 0);
    cr_expect_float_eq(angle_wrapped(2 * GD1_PI + 0.5), 0.5, 1e-15);
    cr_expect_float_eq(angle_wrapped(-7 * GD1_PI / 2), GD1_PI / 2, 1e-14);
    cr_expect_eq(angle_wrapped(GD1_PI), GD1_PI);
    cr_expect_eq(angle_wrapped(-GD1_PI), GD1_PI);
    cr_expect_eq(angle_wrapped(0), 0);
}

/* The mirror image of an orbit turns the other way about. */
Test(action_angle, mirror)
{
    fixture f = fixture_new();
    action_angle mirrored;
    f.cylindrical[2] *= -1, f.cylindrical[5] *= -1;
    action_angle_of(f.cylindrical, f.space, &mirrored);
    for (size_t i = 0; i < 3; i++) {
        double sign = i == 1 ? -1 : 1;
        cr_expect_float_eq(mirrored.action[i], sign * f.of.action[i], 1e-11);
        cr_expect_float_eq(mirrored.frequency[i], sign * f.of.frequency[i], 1e-11);
        expect_angle(mirrored.angle[i], sign * f.of.angle[i], 1e-10);
    }
    orbit_space_free(f.space);
}

/* Below the plane the vertical angle is half a turn on. */
Test(action_angle, upside_down)
{
    fixture f = fixture_new();
    action_angle turned;
    f.cylindrical[3] *= -1, f.cylindrical[4] *= -1;
    action_angle_of(f.cylindrical, f.space, &turned);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_float_eq(turned.action[i], f.of.action[i], 1e-11);
        expect_angle(turned.angle[i], f.of.angle[i] + (i == 2 ? GD1_PI : 0), 1e-3);
    }
    orbit_space_free(f.space);
}

/* A turn about the axis adds to the azimuthal angle alone. */
Test(action_angle, turned)
{
    fixture f = fixture_new();
    action_angle turned;
    f.cylindrical[5] += 2.5;
    action_angle_of(f.cylindrical, f.space, &turned);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_float_eq(turned.action[i], f.of.action[i], 1e-11);
        cr_expect_float_eq(turned.frequency[i], f.of.frequency[i], 1e-11);
        expect_angle(turned.angle[i], f.of.angle[i] + (i == 1 ? 2.5 : 0), 1e-10);
    }
    orbit_space_free(f.space);
}

/* Along an orbit actions stay and angles grow linearly, within the estimator's error (Bovy 2014,
 * figure 2: some 1e-3). */
Test(action_angle, along_the_orbit)
{
    fixture f = fixture_new();
    for (double time = -9; time < 10; time += 6) {
        double rectangular[6], cylindrical[6];
        action_angle later;
        rectangular_of_sky(PROGENITOR_SKY, rectangular);
        orbit_move(rectangular, time);
        cylindrical_of(rectangular, cylindrical);
        action_angle_of(cylindrical, f.space, &later);
        for (size_t i = 0; i < 3; i++) {
            cr_expect_float_eq(later.action[i], f.of.action[i], 1e-3);
            cr_expect_float_eq(later.frequency[i], f.of.frequency[i], 1e-3);
            expect_angle(later.angle[i], f.of.angle[i] + time * f.of.frequency[i], 1e-2);
        }
    }
    orbit_space_free(f.space);
}

/* Results depend on the point alone, not on what the space was used for before. */
Test(action_angle, repeats)
{
    fixture f = fixture_new();
    const double other[6] = {1.2, -0.1, 0.9, 0.3, 0.2, 2};
    action_angle of;
    action_angle_of(other, f.space, &of);
    cr_expect_gt(of.frequency[1], 0);
    action_angle_of(f.cylindrical, f.space, &of);
    cr_expect_arr_eq(&of, &f.of, sizeof of);
    orbit_space_free(f.space);
}

/* Forward against central differences of another step. */
Test(action_angle, slopes)
{
    fixture f = fixture_new();
    double jacobian[6][6], h = 1e-4;
    action_angle at;
    action_angle_slopes(f.cylindrical, f.space, &at, jacobian, NULL);
    cr_expect_arr_eq(&at, &f.of, sizeof at);
    for (size_t j = 0; j < 6; j++) {
        action_angle up, down;
        double beside[6];
        for (size_t k = 0; k < 6; k++)
            beside[k] = f.cylindrical[k] + (k == j ? h : 0);
        action_angle_of(beside, f.space, &up);
        beside[j] -= 2 * h;
        action_angle_of(beside, f.space, &down);
        for (size_t i = 0; i < 3; i++) {
            double slope = (up.frequency[i] - down.frequency[i]) / (2 * h);
            double turn = angle_wrapped(up.angle[i] - down.angle[i]) / (2 * h);
            cr_expect_float_eq(jacobian[i][j], slope, 2e-5, "%zu %zu", i, j);
            cr_expect_float_eq(jacobian[3 + i][j], turn, 2e-4, "%zu %zu: %g", i, j,
                               jacobian[3 + i][j] - turn);
        }
    }
    orbit_space_free(f.space);
}

Test(action_angle, unbound)
{
    fixture f = fixture_new();
    action_angle of;
    f.cylindrical[1] = 5;
    action_angle_of(f.cylindrical, f.space, &of);
    cr_expect(!isfinite(of.frequency[0]));
    orbit_space_free(f.space);
}

Test(action_angle, six_equations)
{
    double a[6][6], x[6], b[6] = {0}, expected[6] = {1, -2, 3, -4, 5, -6};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++) {
            a[i][j] = i == j ? 0 : sin((double)(7 * i + 3 * j + 1));
            b[i] += a[i][j] * expected[j];
        }
    cr_assert(solve_six(a, b, x));
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(x[i], expected[i], 1e-11);
    for (size_t j = 0; j < 6; j++)
        a[3][j] = 0;
    cr_expect(!solve_six(a, b, x));
    a[3][2] = NAN;
    cr_expect(!solve_six(a, b, x));
}

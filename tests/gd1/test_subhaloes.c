/* test_subhaloes.c - rates against the original's, draws against their laws. */
#include "impacts.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

static const double SPREAD_AGE = 0.1145563362768931, MEAN_RADIUS = 2.371435152923328;

static npy read_rows(const char *file, size_t columns)
{
    char path[512];
    npy a;
    snprintf(path, sizeof path, "%s/%s", TEST_GOLDEN, file);
    cr_assert_eq(npy_read(path, &a), 0, "%s", error_message());
    cr_assert_eq(a.dim[1], columns);
    return a;
}

Test(subhaloes, encounters)
{
    npy rows = read_rows("encounters.npy", 2);
    cr_assert_gt(rows.dim[0], 90);
    for (size_t i = 0; i < rows.dim[0]; i++) {
        const double *row = (const double *)rows.data + 2 * i;
        double rate = encounters_per_gyr(row[0], SPREAD_AGE, 6, MEAN_RADIUS, 1.62);
        cr_expect_lt(fabs(rate / row[1] - 1), 1e-4, "%g keV: %.10g %.10g", row[0], rate,
                     row[1]);
    }
    npy_free(&rows);
}

Test(subhaloes, encounters_by_decade)
{
    npy rows = read_rows("encounters_by_decade.npy", 5);
    cr_assert_eq(rows.dim[0], 9);
    for (size_t i = 0; i < rows.dim[0]; i++) {
        const double *row = (const double *)rows.data + 5 * i;
        for (int d = 0; d < 4; d++) {
            double rate = decade_encounters_per_gyr(5 + d, row[0], SPREAD_AGE, 6,
                                                    MEAN_RADIUS, 1.62);
            cr_expect_lt(fabs(rate / row[1 + d] - 1), 1e-4, "%g keV, %d: %.10g %.10g",
                         row[0], d, rate, row[1 + d]);
        }
    }
    npy_free(&rows);
}

/* Nothing is suppressed: the integral of the power law. */
Test(subhaloes, cold_limit)
{
    static const double density[] = {4.242936, 0.534154, 0.0672460, 0.00846577};
    for (int d = 0; d < 4; d++) {
        double parameter = 5 * 1.05 / 8 * sqrt(pow(10, d + 5.5 - 8));
        double expected = sqrt(GD1_PI / 2) * MEAN_RADIUS * 120 / 220 * 6 * SPREAD_AGE *
                          GD1_GYR * parameter * density[d];
        double rate =
            decade_encounters_per_gyr(5 + d, 1e6, SPREAD_AGE, 6, MEAN_RADIUS, 1.05);
        cr_expect_lt(fabs(rate / expected - 1), 1e-6, "%d: %.10g %.10g", d, rate,
                     expected);
    }
}

Test(subhaloes, half_mode_mass)
{
    cr_expect_lt(fabs(half_mode_mass(1) / 1.9769382311979164e10 - 1), 1e-9);
    cr_expect_lt(fabs(half_mode_mass(10) / 9246834.828854205 - 1), 1e-9);
    cr_expect_lt(fabs(warm_suppression(2.7 * half_mode_mass(3), 3) - pow(2, -0.99)),
                 1e-14);
}

/* mass law */

static double mass_density(double mass, double m_wdm) /* in ln M */
{
    return pow(mass, -0.4) * warm_suppression(mass, m_wdm);
}

/* Cumulated over N steps of ln M, by Simpson's rule. */
static void mass_law(double m_wdm, size_t n, double *cumulated)
{
    double step = log(1e4) / (double)n;
    cumulated[0] = 0;
    for (size_t i = 0; i < n; i++) {
        double low = 1e5 * exp(step * (double)i);
        cumulated[i + 1] =
            cumulated[i] +
            step / 6 *
                (mass_density(low, m_wdm) + 4 * mass_density(low * exp(step / 2), m_wdm) +
                 mass_density(low * exp(step), m_wdm));
    }
    for (size_t i = 0; i <= n; i++)
        cumulated[i] /= cumulated[n];
}

/* Pearson's chi squared in bins of ln M. */
static void check_mass(double m_wdm, uint64_t item)
{
    enum { STEPS = 40, DRAWS = 40000 };
    double cumulated[STEPS + 1], square = 0;
    size_t count[STEPS] = {0}, used = 0;
    rng r;
    rng_start(&r, rng_purpose(3, "mass"), item, 0);
    mass_law(m_wdm, STEPS, cumulated);
    for (size_t i = 0; i < DRAWS; i++) {
        double mass = draw_mass(m_wdm, &r.api);
        cr_assert(mass >= 1e5 * (1 - 1e-12) && mass <= 1e9 * (1 + 1e-12));
        size_t bin = (size_t)(log(mass / 1e5) / log(1e4) * STEPS);
        count[bin < STEPS ? bin : STEPS - 1]++;
    }
    double expected = 0, found = 0;
    for (size_t i = 0; i < STEPS; i++) { /* small bins are put together */
        expected += DRAWS * (cumulated[i + 1] - cumulated[i]);
        found += (double)count[i];
        if (expected < 20 && i + 1 < STEPS)
            continue;
        square += (found - expected) * (found - expected) / expected;
        used++;
        expected = found = 0;
    }
    double freedom = (double)used - 1;
    cr_expect_lt(fabs(square - freedom), 4.5 * sqrt(2 * freedom), "%g keV: %g of %g",
                 m_wdm, square, freedom);
}

Test(subhaloes, mass)
{
    check_mass(1.5, 0);
    check_mass(5, 1);
    check_mass(25, 2);
    check_mass(1e6, 3);
}

/* encounters */

static void check_moment(const char *what, double mean, double expected, double deviation,
                         double n)
{
    cr_expect_lt(fabs(mean - expected), 4.5 * deviation / sqrt(n), "%s: %g, not %g", what,
                 mean, expected);
}

Test(subhaloes, encounter)
{
    enum { DRAWS = 40000 };
    const double v[3] = {0.3, -0.9, 0.4}, s = 120. / 220,
                 v_norm = sqrt(0.09 + 0.81 + 0.16);
    double along = 0, square = 0, fourth = 0, side = 0, across = 0, b = 0, b_square = 0;
    rng r;
    rng_start(&r, rng_purpose(3, "encounter"), 0, 0);
    for (size_t i = 0; i < DRAWS; i++) {
        impact d = {.time = 7, .angle = 0.5};
        draw_subhalo(30, v, &r.api, &d);
        cr_assert(d.time == 7 && d.angle == 0.5);
        double mass = d.mass / GD1_MSUN;
        cr_assert_lt(fabs(d.radius - 1.05 / 8 * sqrt(mass / 1e8)), 1e-12);
        const double *w = d.velocity;
        double y = (w[0] * v[0] + w[1] * v[1] + w[2] * v[2]) / v_norm / s;
        double all = (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) / s / s;
        along += y / DRAWS;
        square += y * y / DRAWS;
        across += (all - y * y) / DRAWS;
        fourth += (all - y * y) * (all - y * y) / DRAWS;
        side += (w[0] - y * s * v[0] / v_norm) / s / DRAWS;
        b += d.parameter / d.radius / DRAWS;
        b_square += d.parameter * d.parameter / d.radius / d.radius / DRAWS;
    }
    /* Across: a Rayleigh variable's and a normal one's squares are chi squared of 3. */
    check_moment("along", along, 0, 1, DRAWS);
    check_moment("along squared", square, 1, sqrt(2), DRAWS);
    check_moment("across squared", across, 3, sqrt(6), DRAWS);
    check_moment("across to the fourth", fourth, 15, sqrt(945 - 225), DRAWS);
    check_moment("side", side, 0, sqrt(1.5 * (1 - 0.09 / 1.06)), DRAWS);
    check_moment("parameter", b, 0, 5 / sqrt(3), DRAWS);
    check_moment("parameter squared", b_square, 25. / 3, 25 * sqrt(1. / 5 - 1. / 9),
                 DRAWS);
}

/* The angle around the stream is uniform: the second moment across is the same in all directions. */
Test(subhaloes, sides)
{
    enum { DRAWS = 40000 };
    const double v[3] = {0, 0.2, -1.1};
    double x = 0, mixed = 0;
    rng r;
    rng_start(&r, rng_purpose(3, "sides"), 0, 0);
    for (size_t i = 0; i < DRAWS; i++) {
        impact d = {0};
        draw_subhalo(30, v, &r.api, &d);
        double first = d.velocity[0] * 220 / 120;
        double second =
            (d.velocity[1] * 1.1 + d.velocity[2] * 0.2) / hypot(0.2, 1.1) * 220 / 120;
        x += first * first / DRAWS;
        mixed += first * second / DRAWS;
    }
    /* R^2 cos^2 with R^2 chi squared of 3: 15 * 3/8 - 1.5^2; R^2 sin cos: 15/8. */
    check_moment("first squared", x, 1.5, sqrt(15 * 3. / 8 - 2.25), DRAWS);
    check_moment("first times second", mixed, 0, sqrt(15. / 8), DRAWS);
}

Test(subhaloes, number)
{
    enum { DRAWS = 40000 };
    static const double means[] = {0.02, 1, 24, 65, 300};
    for (size_t m = 0; m < 5; m++) {
        double mean = 0, square = 0, zeros = 0;
        rng r;
        rng_start(&r, rng_purpose(3, "number"), m, 0);
        for (size_t i = 0; i < DRAWS; i++) {
            double n = poisson_draw(means[m], &r.api);
            cr_assert(n >= 0 && n == floor(n));
            mean += n / DRAWS;
            square += (n - means[m]) * (n - means[m]) / DRAWS;
            zeros += (n == 0) / (double)DRAWS;
        }
        double l = means[m], none = exp(-l);
        check_moment("mean", mean, l, sqrt(l), DRAWS);
        check_moment("variance", square, l, sqrt(l + 2 * l * l), DRAWS);
        check_moment("zeros", zeros, none, sqrt(none * (1 - none)) + 1e-9, DRAWS);
    }
    rng r;
    rng_start(&r, rng_purpose(3, "number"), 9, 0);
    cr_expect_eq(poisson_draw(0, &r.api), 0);
}

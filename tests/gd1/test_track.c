/* Splines, and mean tracks against the original's. */
#include "tables.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without a knot at the second and the last but one abscissa, a cubic is met exactly. */
Test(track, spline_is_exact_for_cubics)
{
    static const double x[] = {-1, -0.4, 0.1, 1.3, 1.5, 2.2, 4};
    for (size_t n = 4; n <= 7; n++) {
        double y[7], second[7];
        for (size_t i = 0; i < n; i++)
            y[i] = 2 - x[i] * (1 - x[i] * (0.3 + 0.7 * x[i]));
        cr_assert_eq(spline_fit(n, x, y, second), 0);
        for (size_t i = 0; i < n; i++)
            cr_expect_float_eq(second[i], 0.6 + 4.2 * x[i], 1e-12, "%zu %zu", n, i);
        for (double at = x[0]; at <= x[n - 1]; at += 0.13) {
            double exact = 2 - at * (1 - at * (0.3 + 0.7 * at));
            cr_expect_float_eq(spline_at(n, x, y, second, at), exact, 1e-12);
        }
    }
}

/* The slope does not jump at a knot, and the third derivative not at the outer inner ones. */
Test(track, spline_is_smooth)
{
    enum { N = 8 };
    double x[N], y[N], m[N], d[N - 1];
    for (size_t i = 0; i < N; i++)
        x[i] = (double)i + 0.3 * sin(5.0 * (double)i),
        y[i] = exp(-0.3 * x[i]) * cos(2 * x[i]);
    cr_assert_eq(spline_fit(N, x, y, m), 0);
    for (size_t i = 0; i + 1 < N; i++) {
        d[i] = (m[i + 1] - m[i]) / (x[i + 1] - x[i]);
        cr_expect_float_eq(spline_at(N, x, y, m, x[i]), y[i], 1e-14);
    }
    for (size_t i = 1; i + 1 < N; i++) {
        double left = x[i] - x[i - 1], right = x[i + 1] - x[i];
        double before = (y[i] - y[i - 1]) / left + left * (m[i - 1] + 2 * m[i]) / 6;
        double after = (y[i + 1] - y[i]) / right - right * (2 * m[i] + m[i + 1]) / 6;
        cr_expect_float_eq(before, after, 1e-12);
    }
    cr_expect_float_eq(d[0], d[1], 1e-12);
    cr_expect_float_eq(d[N - 3], d[N - 2], 1e-12);
    cr_expect(fabs(d[2] - d[3]) > 1e-3);
}

static smooth smooth_at(const progenitor *p, const char *age)
{
    return smooth_of(p->spread_age, 6, atof(age) * GD1_GYR);
}

static double time_at(size_t k)
{
    return (double)k / 64 * GD1_GYR;
}

/* Rows: angle, rectangular, Jacobian. */
static void check_chunks(const track *t, size_t k, const char *age)
{
    char name[32];
    size_t n;
    snprintf(name, sizeof name, "track_k%zu", k);
    double *rows = table_read(name, age, 43, &n);
    cr_assert_eq(n, t->n_chunks);
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + 43 * i;
        cr_expect_float_eq(t->chunk_angle[i], row[0], 1e-6);
        for (size_t j = 0; j < 6; j++)
            cr_expect_float_eq(t->chunk[6 * i + j], row[1 + j], 1e-6);
        for (size_t j = 0; j < 36; j++)
            cr_expect_float_eq(t->chunk_jacobian[36 * i + j], row[7 + j], 2e-4);
    }
    free(rows);
}

/* Rows: time, rectangular, gain. */
static void check_fine(const track *t, const progenitor *p, size_t k, const char *age)
{
    size_t n, i = 0;
    double *rows = table_read("impact_points", age, 10, &n);
    for (const double *row = rows; row < rows + 10 * n; row += 10) {
        double gain[3];
        if (row[0] < (double)k || row[0] > (double)k)
            continue;
        cr_assert_lt(i, t->n);
        track_gain(t, p, t->fine + 6 * i, gain);
        for (size_t j = 0; j < 6; j++)
            cr_expect_float_eq(t->fine[6 * i + j], row[1 + j], 1e-6);
        for (size_t j = 0; j < 3; j++)
            cr_expect_float_eq(gain[j], row[7 + j], 2e-4);
        i++;
    }
    cr_expect_eq(i, t->n);
    free(rows);
}

/* The length to the end of the stream, and angles that share it equally. */
static void check_arc(const track *t, const smooth *s, size_t k, const char *age)
{
    size_t n;
    double *times = table_read("smooth_times", age, 4, &n), length, arc[21];
    double end = smooth_end(s, s->age - t->time);
    track_arc(t, 1, &end, &length);
    cr_expect_float_eq(length, times[4 * (k - 1) + 1], 1e-4 * length);
    double *rows = table_read("smooth_arc", age, 22, &n);
    for (const double *row = rows; row < rows + 22 * n; row += 22) {
        if (row[0] < (double)k || row[0] > (double)k)
            continue;
        track_arc(t, 21, row + 1, arc);
        for (size_t i = 0; i < 21; i++)
            cr_expect_float_eq(arc[i] / length, (double)i / 20, 1e-4, "%g",
                               arc[i] / length);
    }
    free(rows);
    free(times);
}

static void check_original(size_t k, const char *age)
{
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    smooth s = smooth_at(&p, age);
    track t;
    size_t n = track_chunks(&s, time_at(k));
    cr_assert_eq(track_build(&p, &s, time_at(k), n, space, &t), 0);
    check_chunks(&t, k, age);
    check_fine(&t, &p, k, age);
    check_arc(&t, &s, k, age);
    track_release(&t);
    orbit_space_free(space);
}

Test(track, original_1)
{
    check_original(1, "3.2");
}

Test(track, original_16)
{
    check_original(16, "4.8");
}

Test(track, original_32)
{
    check_original(32, "4.8");
}

Test(track, original_64)
{
    check_original(64, "3.2");
}

static void check_numbers(const char *age)
{
    size_t n;
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    smooth s = smooth_at(&p, age);
    double *rows = table_read("smooth_times", age, 4, &n);
    for (size_t k = 1; k <= n; k++)
        cr_expect_eq((double)track_chunks(&s, time_at(k)), rows[4 * (k - 1) + 3]);
    free(rows);
    orbit_space_free(space);
}

Test(track, numbers_of_chunks)
{
    check_numbers("3.2");
    check_numbers("4.8");
}

/* A kick changes the parallel frequency by G . dv: against the frequencies themselves, at the first
 * chunk, where the last step of Newton's method, which the Jacobian precedes, is least. */
static void check_gain(const track *t, const progenitor *p, orbit_space *space)
{
    const double *point = t->chunk;
    double gain[3];
    track_gain(t, p, point, gain);
    for (size_t i = 0; i < 3; i++) {
        double change = 0;
        for (int side = -1; side <= 1; side += 2) {
            double kicked[6], cylindrical[6];
            action_angle of;
            memcpy(kicked, point, sizeof kicked);
            kicked[3 + i] += side * 1e-4;
            cylindrical_of(kicked, cylindrical);
            action_angle_of(cylindrical, space, &of);
            for (size_t j = 0; j < 3; j++)
                change += side * p->direction[j] * of.frequency[j] / 2e-4;
        }
        cr_expect_float_eq(gain[i], change, 1e-6, "%g", gain[i] - change);
    }
}

/* Straight pieces between points of the fine track are shorter than it, hardly. */
static void check_length(const track *t)
{
    double sum = 0, arc;
    for (size_t i = 1; i < t->n; i++) {
        const double *x = t->fine + 6 * i;
        sum += sqrt((x[0] - x[-6]) * (x[0] - x[-6]) + (x[1] - x[-5]) * (x[1] - x[-5]) +
                    (x[2] - x[-4]) * (x[2] - x[-4]));
    }
    track_arc(t, 1, &t->length, &arc);
    cr_expect_lt(sum, arc);
    cr_expect_float_eq(arc, sum, 1e-5 * sum);
}

/* The chunks lie where frequencies and angles are those of the mean star. */
static void check_targets(const track *t, const progenitor *p, const smooth *s,
                          orbit_space *space)
{
    for (size_t k = 0; k < t->n_chunks; k += 2) {
        double cylindrical[6], a = t->chunk_angle[k];
        double mean = smooth_mean_frequency(s, s->age - t->time, a);
        action_angle of;
        cylindrical_of(t->chunk + 6 * k, cylindrical);
        action_angle_of(cylindrical, space, &of);
        for (size_t i = 0; i < 3; i++) {
            double angle = p->of.angle[i] - t->time * p->of.frequency[i];
            double miss = of.angle[i] - angle - a * p->direction[i];
            cr_expect_float_eq(angle_wrapped(miss), 0, 1e-6);
            cr_expect_float_eq(of.frequency[i],
                               p->of.frequency[i] + mean * p->direction[i], 1e-6);
        }
    }
}

Test(track, consistent)
{
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    smooth s = smooth_at(&p, "5");
    track t;
    cr_assert_eq(track_build(&p, &s, 0.5 * GD1_GYR, 5, space, &t), 0);
    cr_expect_eq(t.n, 5 * FINE_PER_CHUNK);
    check_targets(&t, &p, &s, space);
    check_gain(&t, &p, space);
    check_length(&t);
    track_release(&t);
    track_release(&t);
    orbit_space_free(space);
}

Test(track, errors)
{
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    smooth s = smooth_at(&p, "5");
    track t;
    cr_expect_eq(track_build(&p, &s, 0, 3, space, &t), NRE_EINVAL);
    p.of.frequency[0] = NAN;
    cr_expect_eq(track_build(&p, &s, 0, 4, space, &t), NRE_ENUMERIC);
    cr_expect_null(t.chunk_angle);
    orbit_space_free(space);
}

/* Fewer chunks meet the same bounds; sanitizers make them slow. */
#ifdef __SANITIZE_ADDRESS__
enum { CHUNKS = 34 };
#else
enum { CHUNKS = TODAY_CHUNKS };
#endif

/* Rows: a, rho, mean W, ..., phi1, rho(phi1). */
Test(track, today)
{
    size_t n;
    progenitor p;
    orbit_space *space = measured_progenitor(&p);
    smooth s = smooth_at(&p, "4.8");
    track t;
    double *rows = table_read("smooth_stream", "4.8", 11, &n), phi1[101];
    cr_assert_eq(n, 99);
    cr_assert_eq(track_build(&p, &s, 0, CHUNKS, space, &t), 0);
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + 11 * i;
        double base[3], slope[3], mean = smooth_mean_frequency(&s, s.age, row[0]);
        track_today(&t, &p, &s, row[0], base, slope);
        const double at[6] = {base[0] + mean * slope[0], 0, 0,
                              base[1] + mean * slope[1], 0, base[2] + mean * slope[2]};
        double rectangular[6];
        rectangular_of(at, rectangular);
        phi1[1 + i] = phi1_of(rectangular);
        cr_expect_float_eq(phi1[1 + i], row[9], 1e-4);
    }
    phi1[0] = 2 * phi1[1] - phi1[2], phi1[100] = 2 * phi1[99] - phi1[98];
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + 11 * i;
        double density = row[1] * 0.01 / ((phi1[i + 2] - phi1[i]) / 2);
        cr_expect_float_eq(density, row[10], 1e-4 * row[10]);
    }
    free(rows);
    track_release(&t);
    orbit_space_free(space);
}

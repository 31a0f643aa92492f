/* Whole streams, from tables of our own, against the original's: fixed impacts number by number,
 * random ones by two-sample tests.  The table is kept in the cache folder between runs. */
#include "gd1.h"

#include "data/data.h"
#include "host.h"
#include "impacts.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const table_plan PLAN = {
    .ages = {3, 7}, .velocity_dispersion = 0.96, .offsets = 6};
static const double RARE = 1e-4;

static arena *memory;
static model original = {.radius = 1.62};

static int build(void *context, void *table)
{
    return table_build(&PLAN, context, test_host(), table);
}

static void begin(void)
{
    const void *table;
    progenitor p;
    orbit_space *space = orbit_space_new();
    progenitor_measure(PLAN.velocity_dispersion, space, &p);
    orbit_space_free(space);
    const cache_request r = {.folder = TEST_CACHE,
                             .plugin = "gd1_stream",
                             .name = "tracks",
                             .key = table_key(&PLAN),
                             .bytes = table_bytes(&PLAN, &p),
                             .build = build,
                             .context = &p};
    memory = arena_new();
    cr_assert_eq(cache_table(&r, memory, &table), 0, "%s", error_message());
    original.plan = PLAN;
    original.table = table;
}

static void end(void)
{
    arena_free(memory);
}

TestSuite(stream, .init = begin, .fini = end, .timeout = 1500);

static json_t *golden_json(const char *name)
{
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", TEST_GOLDEN, name);
    json_t *j = json_load_file(path, 0, &error);
    cr_assert(j, "%s: %s", path, error.text);
    return j;
}

static npy golden_npy(const char *name)
{
    char path[512];
    npy a;
    snprintf(path, sizeof path, "%s/%s", TEST_GOLDEN, name);
    cr_assert_eq(npy_read(path, &a), 0, "%s", error_message());
    return a;
}

static double number(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);
    cr_assert(json_is_number(value), "%s", key);
    return json_number_value(value);
}

/* fixed impacts */

/* The density to 3e-4 rms, as tables interpolated in age can give it; bounds of what is seen
 * of it are the noise of measured densities over a hundred, and a hundredth of a bin. */
static void compare(size_t configuration, const golden *g, const npy *seen,
                    const stream *s)
{
    const double *density = (const double *)g->density.data + configuration * ANGLES * 2;
    const double *sky = (const double *)seen->data + configuration * ANGLES * 2;
    double rho = 0, relative = 0, phi1 = 0;
    for (size_t i = 0; i < ANGLES; i++)
        rho += pow(s->density[i] - density[2 * i], 2) / ANGLES;
    for (size_t i = FIRST_BIN; i < FIRST_BIN + BINS; i++) {
        relative += pow(s->observed[i] / sky[2 * i + 1] - 1, 2) / BINS;
        phi1 = fmax(phi1, fabs(s->phi1[i] - sky[2 * i]));
    }
    fprintf(
        stderr,
        "# configuration %zu at %g Gyr: density %.1e rms, in phi1 %.1e, phi1 %.1e deg\n",
        configuration, g->age, sqrt(rho), sqrt(relative), phi1);
    cr_expect_lt(sqrt(rho), 3e-4, "configuration %zu: %g", configuration, sqrt(rho));
    cr_expect_lt(sqrt(relative), 1.2e-3, "configuration %zu: %g", configuration,
                 sqrt(relative));
    cr_expect_lt(phi1, 0.007, "configuration %zu: %g", configuration, phi1);
}

static void fixed_impacts(const char *age)
{
    golden g;
    char name[64];
    stream_space *space = stream_space_new();
    golden_open(&g, age);
    snprintf(name, sizeof name, "impact_seen_age%s.npy", age);
    npy seen = golden_npy(name);
    for (size_t i = 0; i < CONFIGURATIONS; i++) {
        impact list[GOLDEN_TIMES];
        stream s;
        size_t n = golden_impacts(&g, i, list);
        stream_of(&original, g.age, n, list, space, &s);
        compare(i, &g, &seen, &s);
    }
    npy_free(&seen);
    golden_close(&g);
    stream_space_free(space);
}

Test(stream, fixed_impacts_young)
{
    fixed_impacts("3.2");
}

Test(stream, fixed_impacts)
{
    fixed_impacts("4.8");
}

/* random impacts */

/* Asymptotic law of Kolmogorov and Smirnov for two samples of sizes N and M. */
static double ks_probability(double distance, size_t n, size_t m)
{
    double effective = sqrt((double)n * (double)m / (double)(n + m)), sum = 0;
    double at = (effective + 0.12 + 0.11 / effective) * distance;
    for (int k = 1; k < 100; k++)
        sum += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * at * at);
    return at < 0.3 ? 1 : sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts both. */
static double ks_of(size_t n, double *a, size_t m, double *b)
{
    double distance = 0;
    qsort(a, n, sizeof *a, by_value);
    qsort(b, m, sizeof *b, by_value);
    for (size_t i = 0, j = 0; i < n && j < m;) {
        double at = fmin(a[i], b[j]);
        while (i < n && a[i] <= at)
            i++;
        while (j < m && b[j] <= at)
            j++;
        distance = fmax(distance, fabs((double)i / (double)n - (double)j / (double)m));
    }
    return ks_probability(distance, n, m);
}

typedef struct moments {
    double mean, variance, mean_error, variance_error;
} moments;

static moments moments_of(size_t n, const double *a)
{
    moments m = {0};
    double fourth = 0;
    for (size_t i = 0; i < n; i++)
        m.mean += a[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double square = pow(a[i] - m.mean, 2);
        m.variance += square / (double)(n - 1);
        fourth += square * square / (double)n;
    }
    m.mean_error = sqrt(m.variance / (double)n);
    m.variance_error = sqrt((fourth - m.variance * m.variance) / (double)n);
    return m;
}

static double two_sided(double difference, double error_a, double error_b)
{
    return 2 * gsl_cdf_ugaussian_Q(fabs(difference) / hypot(error_a, error_b));
}

/* Least probability of equal means, variances and distributions over COLUMNS statistics of
 * streams a [columns][n], b [columns][m]. */
static void agree(const char *what, size_t columns, size_t n, double *a, size_t m,
                  double *b)
{
    double least[3] = {1, 1, 1};
    for (size_t c = 0; c < columns; c++) {
        moments x = moments_of(n, a + c * n), y = moments_of(m, b + c * m);
        least[0] = fmin(least[0], two_sided(x.mean - y.mean, x.mean_error, y.mean_error));
        least[1] = fmin(least[1], two_sided(x.variance - y.variance, x.variance_error,
                                            y.variance_error));
        least[2] = fmin(least[2], ks_of(n, a + c * n, m, b + c * m));
    }
    fprintf(stderr,
            "# %s, %zu and %zu streams, %zu statistics: least p of means %.2g, "
            "variances %.2g, distributions %.2g\n",
            what, n, m, columns, least[0], least[1], least[2]);
    for (size_t k = 0; k < 3; k++)
        cr_expect_gt(least[k], RARE, "%s %zu: %g", what, k, least[k]);
}

enum { MODES = 20 };

/* Density in bins and power of its waves: out [BINS][n], power [MODES][n]. */
static void statistics(size_t n, const float *x, size_t i, rng *r, double *density,
                       double *power)
{
    for (size_t b = 0; b < BINS; b++)
        density[b * n + i] = x[b] + 0.005 * rng_normal(r);
    for (size_t k = 0; k < MODES; k++) {
        double re = 0, im = 0;
        for (size_t b = 0; b < BINS; b++) {
            double phase = 2 * GD1_PI * (double)(k + 1) * (double)b / BINS;
            re += density[b * n + i] * cos(phase);
            im += density[b * n + i] * sin(phase);
        }
        power[k * n + i] = re * re + im * im;
    }
}

typedef struct sample {
    size_t n, rejected;
    double *density, *power, *impacts;
} sample;

static sample sample_new(size_t n)
{
    sample s = {.n = n};
    s.density = calloc(n * (BINS + MODES + 1), sizeof *s.density);
    s.power = s.density + n * BINS;
    s.impacts = s.power + n * MODES;
    return s;
}

/* Streams without impacts are all the same: half a per cent of noise is added to every bin, so
 * that rounding does not tell them apart. */
static sample golden_sample(const char *name, const char *file)
{
    json_t *all = golden_json("random_impacts.json"), *j = json_object_get(all, name);
    npy them = golden_npy(file);
    sample s = sample_new(them.dim[0]);
    s.rejected = (size_t)number(j, "rejected");
    for (size_t i = 0; i < s.n; i++) {
        rng r;
        float x[BINS];
        double raw[BINS];
        rng_start(&r, rng_purpose(1, "golden/%s", name), i, 0);
        for (size_t b = 0; b < BINS; b++)
            raw[b] = ((const float *)them.data)[i * BINS + b];
        normalise(raw, false, x);
        statistics(s.n, x, i, &r, s.density, s.power);
        s.impacts[i] =
            json_number_value(json_array_get(json_object_get(j, "impacts"), i));
    }
    npy_free(&them);
    json_decref(all);
    return s;
}

static sample our_sample(const char *name, double m_wdm, double age, size_t n)
{
    sample s = sample_new(n);
    stream_space *space = stream_space_new();
    for (size_t i = 0; i < n; i++) {
        rng r;
        stream one;
        float x[BINS];
        rng_start(&r, rng_purpose(1, "ours/%s", name), i, 0);
        while (stream_draw(&original, m_wdm, age, &r.api, space, &one, NULL) != NRE_OK)
            s.rejected++;
        normalise(one.observed + FIRST_BIN, false, x);
        statistics(n, x, i, &r, s.density, s.power);
        s.impacts[i] = (double)one.n_impacts;
    }
    stream_space_free(space);
    return s;
}

static double share_error(size_t some, size_t n)
{
    double p = ((double)some + 0.5) / ((double)n + 1);
    return sqrt(p * (1 - p) / (double)n);
}

static void random_impacts(const char *name, double m_wdm, double age, size_t n)
{
    char file[64];
    snprintf(file, sizeof file, "random_%s.npy", name);
    sample a = golden_sample(name, file), b = our_sample(name, m_wdm, age, n);
    size_t tries_a = a.n + a.rejected, tries_b = b.n + b.rejected;
    fprintf(stderr, "# %s: %zu of %zu and %zu of %zu rejected\n", name, a.rejected,
            tries_a, b.rejected, tries_b);
    cr_expect_gt(two_sided((double)a.rejected / (double)tries_a -
                               (double)b.rejected / (double)tries_b,
                           share_error(a.rejected, tries_a),
                           share_error(b.rejected, tries_b)),
                 RARE);
    agree("number of impacts", 1, a.n, a.impacts, b.n, b.impacts);
    agree("density by bin", BINS, a.n, a.density, b.n, b.density);
    agree("power along the stream", MODES, a.n, a.power, b.n, b.power);
    free(a.density);
    free(b.density);
}

Test(stream, random_impacts_few)
{
    random_impacts("m2_age4", 2, 4, 3500);
}

Test(stream, random_impacts_some)
{
    random_impacts("m10_age5", 10, 5, 3000);
}

Test(stream, random_impacts_many)
{
    random_impacts("m40_age6", 40, 6, 2000);
}

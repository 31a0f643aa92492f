/* support.c - a simulator by name, and what must hold for every one with a likelihood. */
#include "support.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set_options(nre_values *values, const char *options)
{
    char text[256], *rest = text, *pair;
    snprintf(text, sizeof text, "%s", options ? options : "");
    while ((pair = strsep(&rest, " "))) {
        char *value = strchr(pair, '=');
        if (!value)
            continue;
        *value++ = 0;
        const char *item = value;
        cr_assert_eq(values_set(values, pair, false, 1, &item), 0, "%s", error_message());
    }
}

void subject_open(subject *s, const char *name, const char *options)
{
    static const char *const folder = TEST_PLUGINS, *const data = TEST_DATA;
    const plugin *p;
    nre_values *values;
    memset(s, 0, sizeof *s);
    s->memory = arena_new();
    s->services = (host_services){.n_data_folders = 1, .data_folders = &data};
    cr_assert_eq(plugins_new(1, &folder, &s->plugins), 0, "%s", error_message());
    cr_assert_eq(plugin_load(s->plugins, NRE_SIMULATOR, name, &p), 0, "%s",
                 error_message());
    cr_assert_eq(values_new(p, s->memory, &values), 0, "%s", error_message());
    set_options(values, options);
    cr_assert_eq(instance_new(p, values, &s->services, &s->instance), 0, "%s",
                 error_message());
    cr_assert_eq(simulator_open(s->instance, 0, NULL, &s->simulator), 0, "%s",
                 error_message());
    s->ops = simulator_ops(s->simulator);
    s->d = simulator_n_theta(s->simulator);
    s->n_x = simulator_n_x(s->simulator);
}

void subject_close(subject *s)
{
    simulator_close(s->simulator);
    instance_free(s->instance);
    plugins_free(s->plugins);
    arena_free(s->memory);
}

void subject_draw(const subject *s, const char *purpose, size_t n, const double *at,
                  double *theta, float *x)
{
    draw d = {.seed = 7, .purpose = purpose, .n = n, .at = at};
    tally count = {0};
    cr_assert_eq(
        simulator_draw(s->simulator, NULL, NULL, &d, theta, x, NULL, &count, NULL), 0,
        "%s", error_message());
    cr_assert_eq(count.invalid, 0);
}

void subject_simulate(const subject *s, const char *purpose, size_t n, const double *at,
                      float *x, uint8_t *status)
{
    double *theta = memory_new(n * s->d, sizeof *theta);
    uint8_t *row = memory_new(n, 1);
    for (size_t i = 0; i < n; i++)
        memcpy(theta + i * s->d, at, s->d * sizeof *theta);
    cr_assert_eq(simulator_run_rows(s->simulator, n, theta, rng_purpose(7, "%s", purpose),
                                    0, x, status ? status : row),
                 0, "%s", error_message());
    free(row);
    free(theta);
}

double log_likelihood_at(const subject *s, const double *theta, const float *x)
{
    double logl = NAN;
    cr_assert_eq(s->ops->log_likelihood(s->instance->self, 1, theta, x, &logl, NULL), 0);
    return logl;
}

double log_evidence_at(const subject *s, const float *x)
{
    double logp = NAN;
    cr_assert_eq(s->ops->log_evidence(s->instance->self, 1, x, &logp), 0);
    return logp;
}

void posterior_draw(const subject *s, const char *purpose, uint64_t item, const float *x,
                    size_t n, double *theta)
{
    rng *stream = memory_new(n, sizeof *stream);
    nre_rng **each = memory_new(n, sizeof *each);
    for (size_t i = 0; i < n; i++) {
        rng_start(&stream[i], rng_purpose(7, "%s", purpose), item, i);
        each[i] = &stream[i].api;
    }
    cr_assert_eq(s->ops->posterior_sample(s->instance->self, x, n, each, theta), 0, "%s",
                 error_message());
    free(each);
    free(stream);
}

static void moments(size_t n, const double *values, double *mean, double *error)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *error = sqrt(squares / (double)(n - 1) / (double)n);
}

double z_of_mean(size_t n, const double *values, double expected)
{
    double mean, error;
    moments(n, values, &mean, &error);
    return (mean - expected) / error;
}

double z_of_means(size_t n, const double *a, size_t m, const double *b)
{
    double mean_a, error_a, mean_b, error_b;
    moments(n, a, &mean_a, &error_a);
    moments(m, b, &mean_b, &error_b);
    return (mean_a - mean_b) / hypot(error_a, error_b);
}

double z_of_chi_square(double chi_square, double degrees)
{
    return gsl_cdf_ugaussian_Qinv(gsl_cdf_chisq_Q(chi_square, degrees));
}

bool message_has(const char *words)
{
    if (strstr(error_message(), words))
        return true;
    cr_log_error("expected '%s' in the message '%s'", words, error_message());
    return false;
}

void check_likelihood_ratio(const subject *s, const double *theta, const double *other,
                            size_t n)
{
    float *x = memory_new(n * s->n_x, sizeof *x);
    double *ratio = memory_new(n, sizeof *ratio);
    subject_simulate(s, "ratio", n, theta, x, NULL);
    for (size_t i = 0; i < n; i++) {
        const float *row = x + i * s->n_x;
        ratio[i] =
            exp(log_likelihood_at(s, other, row) - log_likelihood_at(s, theta, row));
    }
    double z = z_of_mean(n, ratio, 1);
    cr_assert(fabs(z) < 4.5, "the mean likelihood ratio is off by %.2f errors", z);
    free(ratio);
    free(x);
}

void check_score(const subject *s, const double *theta, size_t n)
{
    float *x = memory_new(n * s->n_x, sizeof *x);
    double *grad = memory_new(n * s->d, sizeof *grad), logl;
    double *column = memory_new(n, sizeof *column);
    subject_simulate(s, "score", n, theta, x, NULL);
    for (size_t i = 0; i < n; i++)
        s->ops->log_likelihood(s->instance->self, 1, theta, x + i * s->n_x, &logl,
                               grad + i * s->d);
    for (size_t k = 0; k < s->d; k++) {
        for (size_t i = 0; i < n; i++)
            column[i] = grad[i * s->d + k];
        double z = z_of_mean(n, column, 0);
        cr_assert(fabs(z) < 4.5, "the mean score %zu is off by %.2f errors", k, z);
    }
    free(column);
    free(grad);
    free(x);
}

void check_gradient(const subject *s, size_t n, double step, double tolerance)
{
    double *theta = memory_new(n * s->d, sizeof *theta);
    double *grad = memory_new(n * s->d, sizeof *grad);
    double *logl = memory_new(n, sizeof *logl);
    float *x = memory_new(n * s->n_x, sizeof *x);
    subject_draw(s, "gradient", n, NULL, theta, x);
    cr_assert_eq(s->ops->log_likelihood(s->instance->self, n, theta, x, logl, grad), 0);
    for (size_t i = 0; i < n * s->d; i++) {
        double *at = theta + i / s->d * s->d, here = theta[i];
        const float *row = x + i / s->d * s->n_x;
        theta[i] = here + step;
        double up = log_likelihood_at(s, at, row);
        theta[i] = here - step;
        double down = log_likelihood_at(s, at, row), slope = 0.5 * (up - down) / step;
        theta[i] = here;
        if (isfinite(slope))
            cr_assert_float_eq(slope, grad[i], tolerance * (1 + fabs(grad[i])),
                               "row %zu, parameter %zu: %g is no %g", i / s->d, i % s->d,
                               grad[i], slope);
    }
    free(x);
    free(logl);
    free(grad);
    free(theta);
}

enum { BINS = 20, RANKS = 100 }; /* 99 draws: ranks 0..99, 5 a bin */

void check_ranks(const subject *s, size_t n)
{
    double *theta = memory_new(n * s->d, sizeof *theta), draws[(RANKS - 1) * 16];
    float *x = memory_new(n * s->n_x, sizeof *x);
    double(*bin)[BINS] = memory_new(s->d, sizeof *bin);
    cr_assert(s->d <= 16);
    subject_draw(s, "ranks", n, NULL, theta, x);
    for (size_t i = 0; i < n; i++) {
        posterior_draw(s, "ranks of", i, x + i * s->n_x, RANKS - 1, draws);
        for (size_t k = 0; k < s->d; k++) {
            size_t rank = 0;
            for (size_t j = 0; j < RANKS - 1; j++)
                rank += draws[j * s->d + k] < theta[i * s->d + k];
            bin[k][rank * BINS / RANKS]++;
        }
    }
    for (size_t k = 0; k < s->d; k++) {
        double chi_square = 0, expected = (double)n / BINS;
        for (size_t b = 0; b < BINS; b++)
            chi_square += (bin[k][b] - expected) * (bin[k][b] - expected) / expected;
        double z = z_of_chi_square(chi_square, BINS - 1);
        cr_assert(fabs(z) < 4.5, "ranks of parameter %zu: chi-square %.1f", k,
                  chi_square);
    }
    free(bin);
    free(x);
    free(theta);
}

void check_marginal_ratio(const subject *s, size_t n)
{
    double *theta = memory_new(n * s->d, sizeof *theta);
    double *ratio = memory_new(n, sizeof *ratio);
    float *x = memory_new(n * s->n_x, sizeof *x);
    subject_draw(s, "apart", n, NULL, theta, x);
    for (size_t i = 0; i < n; i++) {
        const float *row = x + (i + 1) % n * s->n_x;
        ratio[i] =
            exp(log_likelihood_at(s, theta + i * s->d, row) - log_evidence_at(s, row));
    }
    double z = z_of_mean(n, ratio, 1);
    cr_assert(fabs(z) < 4.5, "the mean ratio is off by %.2f errors", z);
    free(x);
    free(ratio);
    free(theta);
}

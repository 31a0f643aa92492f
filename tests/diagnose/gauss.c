/* A Gaussian problem with everything in closed form. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static double log_normal(double x, double variance)
{
    return -0.5 * (x * x / variance + log(2 * M_PI * variance));
}

static int info(const void *self, nre_simulator_info *out)
{
    const gauss *g = self;

    out->n_theta = g->dim;
    out->theta_size = sizeof(nre_theta);
    out->theta = g->theta;
    out->n_fields = 1;
    out->field_size = sizeof(nre_field);
    out->fields = &g->field;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    const gauss *g = self;

    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        for (uint32_t k = 0; k < g->dim; k++)
            batch->x[i * g->dim + k] =
                (float)(batch->theta[i * g->dim + (g->together ? 0 : k)] +
                        g->sigma * batch->rng[i]->normal(batch->rng[i]));
        if (g->invalid > 0 && batch->rng[i]->uniform(batch->rng[i]) < g->invalid)
            batch->status[i] = NRE_ROW_INVALID;
    }
    return NRE_OK;
}

static double noise_of(uint32_t dim, const double *theta)
{
    return 1e8 * ((double)(hash_bytes(theta, dim * sizeof *theta).low >> 11) * 0x1p-53);
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *out, double *gradient)
{
    const gauss *g = self;
    double variance = g->believed * g->believed;

    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        for (uint32_t k = 0; k < g->dim; k++) {
            double away = (double)x[i * g->dim + k] - theta[i * g->dim + k];
            out[i] += log_normal(away, variance);
            if (gradient)
                gradient[i * g->dim + k] = away / variance;
        }
        if (g->rugged)
            out[i] = noise_of(g->dim, theta + i * g->dim);
    }
    return NRE_OK;
}

static int log_evidence(const void *self, size_t n, const float *x, double *out)
{
    const gauss *g = self;

    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        for (uint32_t k = 0; k < g->dim; k++)
            out[i] +=
                log_normal((double)x[i * g->dim + k], 1 + g->believed * g->believed);
    }
    return NRE_OK;
}

static void lay_plugin(gauss *g)
{
    static const char *const names[GAUSS_MOST] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    for (uint32_t k = 0; k < g->dim; k++) {
        g->theta[k] = (nre_theta){.name = names[k], .a = 0, .b = 1, .prior = NRE_NORMAL};
        g->which[k] = k;
    }
    g->field = (nre_field){.name = "x", .shape = {1, {g->dim}}};
    g->ops = (nre_simulator_ops){.struct_size = sizeof g->ops,
                                 .info = info,
                                 .simulate = simulate,
                                 .log_likelihood = log_likelihood,
                                 .log_evidence = g->no_evidence ? NULL : log_evidence};
    g->table =
        (nre_plugin){NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "gauss", .version = "1.0.0",
                     .summary = "Gaussian.", .ops.simulator = &g->ops};
    g->plugin = (plugin){.table = &g->table, .path = "gauss"};
    g->instance = (instance){.plugin = &g->plugin, .self = g};
}

void gauss_draw(const gauss *g, uint64_t n, uint64_t seed, double *theta, float *x)
{
    rng_key key = rng_purpose(seed, "gauss");

    for (uint64_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, key, i, 0);
        for (uint32_t k = 0; k < g->dim; k++) {
            double t = rng_normal(&r);
            if (theta)
                theta[i * g->dim + k] = t;
            x[i * g->dim + k] = (float)(t + g->sigma * rng_normal(&r));
        }
    }
}

void gauss_open(gauss *g, gauss_ratio kind, uint64_t n, uint64_t seed, unsigned threads)
{
    g->n = n;
    lay_plugin(g);
    cr_assert_eq(simulator_open(&g->instance, 0, NULL, &g->simulator), 0, "%s",
                 error_message());
    g->target = (target){.name = "all",
                         .n = g->dim,
                         .which = g->which,
                         .prior = simulator_prior(g->simulator)};
    cr_assert_eq(kind == GAUSS_EXACT ? ratio_exact(g->simulator, &g->target, &g->ratio)
                                     : ratio_prior(&g->target, g->dim, &g->ratio),
                 0, "%s", error_message());
    g->posterior = (posterior){.ratio = g->ratio};
    g->truth = calloc(n * g->dim, sizeof *g->truth);
    g->x = calloc(n * g->dim, sizeof *g->x);
    gauss_draw(g, n, seed, g->truth, g->x);
    cr_assert_eq(loader_of_arrays(n, g->dim, g->dim, g->truth, g->x, &g->test), 0);
    cr_assert_eq(pool_new(threads, &g->pool), 0);
    g->subject = (subject){
        .posterior = &g->posterior, .test = g->test, .seed = 7, .pool = g->pool};
}

void gauss_close(gauss *g)
{
    pool_free(g->pool);
    loader_free(g->test);
    ratio_free(g->ratio);
    simulator_close(g->simulator);
    free(g->truth);
    free(g->x);
}

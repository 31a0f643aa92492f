/* gaussian_linear: the mean of a Gaussian with a Gaussian prior; everything is known.
 *
 *   theta_i ~ N(0, v)    x_i ~ N(theta_i, v)    v = 0.1, i = 1 .. dim
 *
 * Task of Lueckmann et al. (2021), who give v as a variance. Coordinates are independent,
 * so that by conjugacy
 *
 *   theta_i | x_i ~ N(x_i / 2, v / 2)    x_i ~ N(0, 2 v)
 *
 * and the mutual information of theta and x is dim log(2) / 2. */
#include <nereid/plugin.h>

#include <math.h>
#include <stdio.h>

static const double VARIANCE = 0.1, LOG_2_PI = 1.8378770664093454;

static const nre_option OPTIONS[] = {
    {.name = "dim",
     .type = NRE_INT,
     .fallback = "10",
     .lo = 1,
     .hi = 1000,
     .help = "Number of parameters, and of values in x."},
};

typedef struct gaussian {
    size_t dim;
    nre_theta *theta;    /* [dim] */
    char (*text)[2][40]; /* [dim], name and label */
    nre_field field;
} gaussian;

static void describe_theta(gaussian *g, size_t i)
{
    snprintf(g->text[i][0], sizeof g->text[i][0], "theta_%zu", i + 1);
    snprintf(g->text[i][1], sizeof g->text[i][1], "\\theta_{%zu}", i + 1);
    g->theta[i] = (nre_theta){
        .name = g->text[i][0],
        .label = g->text[i][1],
        .prior = NRE_NORMAL,
        .a = 0,
        .b = sqrt(VARIANCE),
        .nominal = i % 2 ? -0.3 : 0.3,
    };
}

static int create(const nre_host *host, const nre_values *values, void **self)
{
    gaussian *g = host->alloc(host, 1, sizeof *g);
    if (!g)
        goto no_memory;
    g->dim = (size_t)host->get_int(values, "dim");
    g->theta = host->alloc(host, g->dim, sizeof *g->theta);
    g->text = host->alloc(host, g->dim, sizeof *g->text);
    if (!g->theta || !g->text)
        goto no_memory;
    for (size_t i = 0; i < g->dim; i++)
        describe_theta(g, i);
    g->field = (nre_field){
        .name = "x", .label = "x", .shape = {.rank = 1, .dim = {(uint32_t)g->dim}}};
    *self = g;
    return NRE_OK;
no_memory:
    return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
}

static int info(const void *self, nre_simulator_info *out)
{
    const gaussian *g = self;
    out->n_theta = (uint32_t)g->dim;
    out->theta_size = sizeof g->theta[0];
    out->theta = g->theta;
    out->n_fields = 1;
    out->field_size = sizeof g->field;
    out->fields = &g->field;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    const gaussian *g = self;
    double deviation = sqrt(VARIANCE);
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        for (size_t k = i * g->dim; k < (i + 1) * g->dim; k++)
            batch->x[k] = (float)(batch->theta[k] +
                                  deviation * batch->rng[i]->normal(batch->rng[i]));
    return NRE_OK;
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    const gaussian *g = self;
    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t k = i * g->dim; k < (i + 1) * g->dim; k++) {
            double r = (double)x[k] - theta[k];
            squares += r * r;
            if (grad)
                grad[k] = r / VARIANCE;
        }
        logl[i] =
            -0.5 * squares / VARIANCE - 0.5 * (double)g->dim * (LOG_2_PI + log(VARIANCE));
    }
    return NRE_OK;
}

static int log_evidence(const void *self, size_t n, const float *x, double *logp)
{
    const gaussian *g = self;
    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t k = i * g->dim; k < (i + 1) * g->dim; k++)
            squares += (double)x[k] * (double)x[k];
        logp[i] = -0.25 * squares / VARIANCE -
                  0.5 * (double)g->dim * (LOG_2_PI + log(2 * VARIANCE));
    }
    return NRE_OK;
}

static int posterior_sample(const void *self, const float *x, size_t n,
                            nre_rng *const *rng, double *theta)
{
    const gaussian *g = self;
    double deviation = sqrt(0.5 * VARIANCE);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < g->dim; k++)
            theta[i * g->dim + k] =
                0.5 * (double)x[k] + deviation * rng[i]->normal(rng[i]);
    return NRE_OK;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .simulate = simulate,
    .log_likelihood = log_likelihood,
    .log_evidence = log_evidence,
    .posterior_sample = posterior_sample,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "gaussian_linear",
    .version = "1.0.0",
    .summary = "The mean of a Gaussian under a Gaussian prior, with exact posterior.",
    .reference = "Lueckmann et al., AISTATS 2021, arXiv:2101.04653",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.simulator = &OPS,
};

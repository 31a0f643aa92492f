/* good: nothing is wrong with it; with an option, an exact likelihood and no state. */
#include "minimal.h"

#include <math.h>

static const nre_option OPTIONS[] = {
    {.name = "noise",
     .type = NRE_REAL,
     .fallback = "1",
     .lo = 0,
     .hi = 10,
     .flags = NRE_OPEN_LO,
     .help = "Standard deviation of the noise."},
};

static int create(const nre_host *host, const nre_values *values, void **self)
{
    double *noise = host->alloc(host, 1, sizeof *noise);
    if (!noise)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    *noise = host->get_real(values, "noise");
    *self = noise;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    const double *noise = self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        for (size_t k = 0; k < N_X; k++)
            batch->x[i * N_X + k] =
                (float)(batch->theta[i] + *noise * batch->rng[i]->normal(batch->rng[i]));
    return NRE_OK;
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    const double *noise = self;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, squares = 0;
        for (size_t k = 0; k < N_X; k++) {
            double r = ((double)x[i * N_X + k] - theta[i]) / *noise;
            sum += r;
            squares += r * r;
        }
        logl[i] = -0.5 * squares - N_X * log(*noise * sqrt(2 * acos(-1.0)));
        if (grad)
            grad[i] = sum / *noise;
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = {.struct_size = sizeof OPS,
                                      .info = minimal_info,
                                      .simulate = simulate,
                                      .log_likelihood = log_likelihood};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "good",
    .version = "1.0.0",
    .summary = "A mean in Gaussian noise, observed twice.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.simulator = &OPS,
};

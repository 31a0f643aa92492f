/* wrong_gradient: the gradient of its log likelihood has the wrong sign. */
#include "minimal.h"

#include <math.h>

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        double a = (double)x[i * N_X] - theta[i], b = (double)x[i * N_X + 1] - theta[i];
        logl[i] = -0.5 * (a * a + b * b) - log(2 * acos(-1.0));
        if (grad)
            grad[i] = -(a + b);
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = {.struct_size = sizeof OPS,
                                      .info = minimal_info,
                                      .simulate = minimal_simulate,
                                      .log_likelihood = log_likelihood};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "wrong_gradient",
    .version = "1.0.0",
    .summary = "Confuses x - theta with theta - x.",
    .ops.simulator = &OPS,
};

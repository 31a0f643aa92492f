/* fails_midway: gives up, with a message, at the first row with mu > 0.9. */
#include "minimal.h"

static int create(const nre_host *host, const nre_values *values, void **self)
{
    const nre_host **mine = host->alloc(host, 1, sizeof *mine);
    (void)values;
    if (!mine)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    *mine = host;
    *self = mine;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    const nre_host *const *mine = self;
    const nre_host *host = *mine;
    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->theta[i] > 0.9)
            return host->fail(host, NRE_ENUMERIC, "no convergence at mu = %g",
                              batch->theta[i]);
        minimal_row(batch, i, batch->rng[i], batch->x + i * N_X);
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "fails_midway",
    .version = "1.0.0",
    .summary = "Fails in the middle of a batch.",
    .create = create,
    .ops.simulator = &OPS,
};

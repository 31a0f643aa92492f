/* sometimes_invalid: sound; rows with mu > 0 are invalid in three of ten attempts. */
#include "minimal.h"

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        minimal_row(batch, i, batch->rng[i], batch->x + i * N_X);
        if (batch->theta[i] > 0 && batch->rng[i]->uniform(batch->rng[i]) < 0.3)
            batch->status[i] = NRE_ROW_INVALID;
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "sometimes_invalid",
    .version = "1.0.0",
    .summary = "Cannot simulate some rows.",
    .ops.simulator = &OPS,
};

/* writes_past: one value more than its row has; the last row's lies behind the buffer. */
#include "minimal.h"

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        float *x = batch->x + i * N_X;
        minimal_row(batch, i, batch->rng[i], x);
        x[N_X] = 1;
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "writes_past",
    .version = "1.0.0",
    .summary = "Writes three values into rows of two.",
    .ops.simulator = &OPS,
};

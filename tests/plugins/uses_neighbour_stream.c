/* uses_neighbour_stream: row i draws from the stream of row i + 1, so that x depends on
 * how the rows are cut in batches. */
#include "minimal.h"

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        minimal_row(batch, i, batch->rng[(i + 1) % batch->n], batch->x + i * N_X);
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "uses_neighbour_stream",
    .version = "1.0.0",
    .summary = "Draws from the stream of the next row.",
    .ops.simulator = &OPS,
};

/* prints: writes to standard output, which belongs to the program. */
#include "minimal.h"

#include <stdio.h>

static int simulate(const void *self, void *work, nre_batch *batch)
{
    printf("simulating %zu rows\n", batch->n);
    return minimal_simulate(self, work, batch);
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),     .name = "prints",      .version = "1.0.0",
    .summary = "Talks while it works.", .ops.simulator = &OPS,
};

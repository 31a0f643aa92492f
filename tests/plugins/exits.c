/* exits: ends the process where it should return a status. */
#include "minimal.h"

#include <stdlib.h>

static int simulate(const void *self, void *work, nre_batch *batch)
{
    if (batch->n > 1)
        exit(0);
    return minimal_simulate(self, work, batch);
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "exits",       .version = "1.0.0",
    .summary = "Ends the process.", .ops.simulator = &OPS,
};

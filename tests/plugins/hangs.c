/* hangs: simulate() never returns. */
#include "minimal.h"

static int simulate(const void *self, void *work, nre_batch *batch)
{
    static volatile int forever = 1;
    while (forever)
        continue;
    return minimal_simulate(self, work, batch);
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "hangs",       .version = "1.0.0",
    .summary = "Never returns.",    .ops.simulator = &OPS,
};

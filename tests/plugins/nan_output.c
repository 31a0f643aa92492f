/* nan_output: NaN in rows that it calls good, those with mu > 0.5. */
#include "minimal.h"

#include <math.h>

static int simulate(const void *self, void *work, nre_batch *batch)
{
    minimal_simulate(self, work, batch);
    for (size_t i = 0; i < batch->n; i++)
        if (batch->theta[i] > 0.5)
            batch->x[i * N_X + 1] = NAN;
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "nan_output",
    .version = "1.0.0",
    .summary = "Writes NaN and says that all is well.",
    .ops.simulator = &OPS,
};

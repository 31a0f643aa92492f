/* no_ops: lacks simulate(). */
#include "minimal.h"

static const nre_simulator_ops OPS = MINIMAL_OPS(NULL);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "no_ops",      .version = "1.0.0",
    .summary = "Cannot simulate.",  .ops.simulator = &OPS,
};

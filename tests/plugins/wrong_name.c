/* wrong_name: its name is not that of its file. */
#include "minimal.h"

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "another_name",
    .version = "1.0.0",
    .summary = "Goes by another name than its file.",
    .ops.simulator = &OPS,
};

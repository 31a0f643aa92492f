/* newer_minor: needs an interface that this program does not have yet. */
#include "minimal.h"

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    .struct_size = (uint32_t)sizeof(nre_plugin) + 64,
    .abi_major = NRE_ABI_MAJOR,
    .abi_minor = NRE_ABI_MINOR + 1,
    .kind = NRE_SIMULATOR,
    .name = "newer_minor",
    .version = "1.0.0",
    .summary = "Says that it needs the next minor version.",
    .ops.simulator = &OPS,
};

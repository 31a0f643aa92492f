/* wrong_abi: built for another major version of the interface. */
#include "minimal.h"

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    .struct_size = (uint32_t)sizeof(nre_plugin),
    .abi_major = NRE_ABI_MAJOR + 1,
    .kind = NRE_SIMULATOR,
    .name = "wrong_abi",
    .version = "1.0.0",
    .summary = "Says that it is of the next major version.",
    .ops.simulator = &OPS,
};

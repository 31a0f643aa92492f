/* bad_options: the default of an option lies outside of its range. */
#include "minimal.h"

static const nre_option OPTIONS[] = {
    {.name = "noise",
     .type = NRE_REAL,
     .fallback = "0",
     .lo = 0,
     .hi = 10,
     .flags = NRE_OPEN_LO,
     .help = "Standard deviation of the noise."},
};
static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "bad_options",
    .version = "1.0.0",
    .summary = "Has a default that its own range excludes.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .ops.simulator = &OPS,
};

/* exports_more: leaves a helper visible, which may meet one of the same name. */
#include "minimal.h"

extern NRE_EXPORT double helper(double x);
double helper(double x)
{
    return 2 * x;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),         .name = "exports_more", .version = "1.0.0",
    .summary = "Exports a helper as well.", .ops.simulator = &OPS,
};

/* crash_simulate: writes to address 0 in simulate(). */
#include "minimal.h"

/* UBSan would report the write and end the process before it crashes. */
__attribute__((no_sanitize("undefined"))) static int
simulate(const void *self, void *work, nre_batch *batch)
{
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
    return minimal_simulate(self, work, batch);
}

static const nre_simulator_ops OPS = MINIMAL_OPS(simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),          .name = "crash_simulate", .version = "1.0.0",
    .summary = "Crashes when it simulates.", .ops.simulator = &OPS,
};

/* crash_create: writes to address 0 in create(). */
#include "minimal.h"

/* UBSan would report the write and end the process before it crashes. */
__attribute__((no_sanitize("undefined"))) static int
create(const nre_host *host, const nre_values *values, void **self)
{
    volatile int *volatile nowhere = NULL;
    (void)host;
    (void)values;
    *nowhere = 1;
    *self = NULL;
    return NRE_OK;
}

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),        .name = "crash_create", .version = "1.0.0",
    .summary = "Crashes when it is made.", .create = create,       .ops.simulator = &OPS,
};

/* constructor: sound, but leaves a file (its path in NEREID_TEST_WITNESS) when it is
 * opened, so that a test sees whether code of a refused file ran. */
#include "minimal.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void opened(void)
{
    const char *path = getenv("NEREID_TEST_WITNESS");
    FILE *witness = path ? fopen(path, "w") : NULL;
    if (witness)
        fclose(witness);
}

static const nre_simulator_ops OPS = MINIMAL_OPS(minimal_simulate);

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),         .name = "constructor", .version = "1.0.0",
    .summary = "Shows that it was opened.", .ops.simulator = &OPS,
};

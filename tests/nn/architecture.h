/* tests/nn/architecture.h - networks of the plugins that are built beside the tests. */
#ifndef NEREID_TESTS_ARCHITECTURE_H
#define NEREID_TESTS_ARCHITECTURE_H

#include "nn/nn.h"

/* OPTIONS: "depth=18", "trunk=[16,16]"; the rest is as by default, NULL ends them.  A refusal of
 * the plugin is returned; anything else that goes wrong fails the test. */
int architecture_net(const char *plugin, const char *const *options,
                     const net_inputs *inputs, net **out);

#endif

/* test_table.c - each rule of the contract, broken one at a time. */
#include "support.h"

#include <math.h>

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    (void)out;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    (void)batch;
    return NRE_OK;
}

static nre_option options[2];
static nre_simulator_ops ops;
static nre_plugin table;

static void begin(void)
{
    options[0] = (nre_option){.name = "noise",
                              .help = "Noise.",
                              .type = NRE_REAL,
                              .fallback = "0.5",
                              .lo = 0,
                              .hi = 1};
    options[1] = (nre_option){.name = "kind",
                              .help = "Kind.",
                              .type = NRE_CHOICE,
                              .fallback = "b",
                              .choices = "a|b"};
    ops = (nre_simulator_ops){
        .struct_size = sizeof ops, .info = info, .simulate = simulate};
    table = (nre_plugin){NRE_PLUGIN_HEAD(NRE_SIMULATOR),
                         .name = "mine",
                         .version = "1",
                         .summary = "Mine.",
                         NRE_PLUGIN_OPTIONS(options),
                         .ops.simulator = &ops};
}

TestSuite(table, .init = begin);

static void refused(const char *words)
{
    cr_assert_eq(table_check(&table, "mine"), NRE_EPLUGIN, "accepted: %s", words);
    cr_assert(message_has(words));
}

Test(table, a_good_one_passes)
{
    cr_assert_eq(table_check(&table, "mine"), 0, "%s", error_message());
    options[0].lo = 0;
    options[0].hi = INFINITY;
    cr_assert_eq(table_check(&table, "mine"), 0, "%s", error_message());
}

Test(table, sizes_and_versions)
{
    table.struct_size = 4;
    refused("4 bytes");
    table.struct_size = sizeof table - 8;
    refused("fewer than");
    table.struct_size = sizeof table + 64; /* what a newer header appended is no harm */
    cr_assert_eq(table_check(&table, "mine"), 0);
    table.abi_minor = NRE_ABI_MINOR + 1;
    refused("needs plugin interface 1.1, this program has 1.0");
    table.abi_major = NRE_ABI_MAJOR + 1;
    refused("built for plugin interface 2");
}

Test(table, identity)
{
    table.kind = 9;
    refused("kind 9");
    table.kind = NRE_SIMULATOR;
    table.name = "other";
    refused("calls itself 'other', but its file name says 'mine'");
    table.name = NULL;
    refused("calls itself ''");
    table.name = "mine";
    table.version = NULL;
    refused("no version");
    table.version = "1";
    table.summary = NULL;
    refused("no summary");
}

Test(table, required_members)
{
    ops.simulate = NULL;
    refused("lack simulate()");
    ops.simulate = simulate;
    ops.struct_size =
        offsetof(nre_simulator_ops, simulate); /* set, but not within its size */
    refused("lack simulate()");
    ops.info = NULL;
    refused("lack info()");
    table.ops.simulator = NULL;
    refused("no ops");
}

static int starts(const void *self, const nre_host *host, const nre_target *target,
                  size_t n, const double *z0, nre_rng *const *stream, void **run)
{
    (void)self, (void)host, (void)target, (void)n, (void)z0, (void)stream, (void)run;
    return NRE_OK;
}

static int steps(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run, (void)warmup, (void)out;
    return NRE_OK;
}

Test(table, other_kinds)
{
    nre_architecture_ops no_build = {.struct_size = sizeof no_build};
    nre_sampler_ops sampler = {.struct_size = sizeof sampler};
    table.kind = NRE_ARCHITECTURE;
    table.ops.architecture = &no_build;
    refused("lack build()");
    table.kind = NRE_SAMPLER;
    table.ops.sampler = &sampler;
    refused("lack start()");
    sampler.start = starts;
    refused("lack step()");
    sampler.step = steps;
    cr_assert_eq(table_check(&table, "mine"), 0);
    sampler.flags = 1u << 20;
    refused("flags 0x100000");
    sampler.flags = NRE_IMPORTANCE;
    refused("without NRE_WEIGHTED");
    sampler.flags = NRE_WEIGHTED | NRE_IMPORTANCE;
    cr_assert_eq(table_check(&table, "mine"), 0);
}

Test(table, option_arrays)
{
    table.option_size = 8;
    refused("8 bytes each");
    table.option_size = sizeof options[0];
    table.n_options = 100000;
    refused("100000 options");
    table.n_options = 2;
    table.options = NULL;
    refused("has none");
    table.n_options = 0;
    cr_assert_eq(table_check(&table, "mine"), 0);
}

Test(table, option_names)
{
    options[1].name = "noise";
    refused("two options named 'noise'");
    options[1].name = "Kind";
    refused("option 1 is named 'Kind'");
    options[1].name = NULL;
    refused("option 1 is named ''");
}

Test(table, option_defaults)
{
    options[0].fallback = "2";
    refused("default of its option 'noise': expected a number in [0, 1], found '2'");
    options[0].fallback = NULL;
    refused("'noise' has no default and is not required");
    options[0].flags = NRE_REQUIRED;
    cr_assert_eq(table_check(&table, "mine"), 0);
    options[0].fallback = "0.5";
    refused("required and yet has a default");
    options[0].flags = 0;
    options[0].type = NRE_REAL_LIST;
    refused("expected a list of numbers in [0, 1], found '0.5'");
    options[0].fallback = "[0.5, 1]";
    cr_assert_eq(table_check(&table, "mine"), 0, "%s", error_message());
}

Test(table, option_details)
{
    options[0].type = 77;
    refused("'noise' has a type that this program does not know");
    options[0].type = NRE_REAL;
    options[0].flags = 1u << 20;
    refused("flags that this program does not know");
    options[0].flags = 0;
    options[0].lo = NAN;
    refused("ends are not in order");
    options[0].lo = 0;
    options[0].help = NULL;
    refused("no help");
    options[0].help = "Noise.";
    options[1].choices = "a||b";
    refused("empty choice");
    options[1].choices = "a|b|a";
    refused("same choice twice");
    options[1].choices = NULL;
    refused("choice without choices");
    options[1].choices = "a|c";
    refused("expected one of a, c, found 'b'");
}

/* A later header's options are longer; the stride leads to the second one. */
Test(table, longer_options_are_read_by_their_stride)
{
    struct longer {
        nre_option option;
        const char *appended;
    } longer[2] = {{.option = options[0]}, {.option = options[1]}};
    table.options = &longer[0].option;
    table.option_size = sizeof longer[0];
    cr_assert_eq(table_check(&table, "mine"), 0, "%s", error_message());
    cr_assert_str_eq(plugin_option(&table, 1)->name, "kind");
}

/* metropolis: a sampler that never moves, with an option for tests of the config. */
#include <nereid/plugin.h>

static const nre_option OPTIONS[] = {
    {.name = "scale",
     .type = NRE_REAL,
     .fallback = "0.5",
     .lo = 0,
     .hi = 100,
     .flags = NRE_OPEN_LO,
     .help = "Deviation of a proposal."},
};

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n_chains, const double *z0, nre_rng *const *rng, void **run)
{
    (void)self;
    (void)target;
    (void)n_chains;
    (void)z0;
    (void)rng;
    (void)run;
    return host->fail(host, NRE_ENOTSUP, "this sampler draws nothing");
}

static int step(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run;
    (void)warmup;
    (void)out;
    return NRE_ENOTSUP;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "metropolis",
    .version = "1.0.0",           .summary = "A sampler for tests of the config.",
    NRE_PLUGIN_OPTIONS(OPTIONS),  .ops.sampler = &OPS,
};

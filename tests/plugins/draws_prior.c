/* draws_prior: a sampler that draws from the prior and tells the posterior's density;
 * with `more` it writes a step more than there is room for. */
#include <nereid/plugin.h>

#include <math.h>

enum { DIM = 2 };

static const nre_option OPTIONS[] = {
    {.name = "more", .type = NRE_BOOL, .fallback = "false", .help = "Write too much."},
};

typedef struct run {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    size_t n;
    int more;
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    int *more = host->alloc(host, 1, sizeof *more);
    if (!more)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    *more = host->get_bool(values, "more");
    *self = more;
    return NRE_OK;
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n_chains, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = host->alloc(host, 1, sizeof *r);
    (void)z0;
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){host, target, rng, n_chains, *(const int *)self};
    *out = r;
    return NRE_OK;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    size_t steps = out->n_steps + (size_t)r->more;
    uint32_t *chain = r->host->scratch(r->host, r->n, sizeof *chain);
    double *ratio = r->host->scratch(r->host, r->n, sizeof *ratio);
    int status = chain && ratio ? NRE_OK : NRE_ENOMEM;
    (void)warmup;
    for (size_t i = 0; status == NRE_OK && i < steps; i++) {
        double *z = out->z + i * r->n * DIM, *logp = out->logp + i * r->n;
        status = r->target->draw_prior(r->target, r->n, r->rng, z);
        for (uint32_t k = 0; k < r->n; k++)
            chain[k] = k;
        if (status == NRE_OK)
            status = r->target->logp(r->target, r->n, chain, z, logp, ratio, NULL, NULL);
        for (size_t k = 0; k < r->n; k++)
            logp[k] += ratio[k];
    }
    return status;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "draws_prior",
    .version = "1.0.0",           .summary = "Takes the prior for the posterior.",
    NRE_PLUGIN_OPTIONS(OPTIONS),  .create = create,
    .ops.sampler = &OPS,
};

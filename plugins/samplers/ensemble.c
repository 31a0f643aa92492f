/* ensemble: affine-invariant stretch moves (Goodman & Weare 2010, CAMCoS 5, 65), half of the
 * chains in one log-density call.
 *
 * The chains of a group are walkers in two halves (Foreman-Mackey et al. 2013, PASP 125, 306).
 * A walker moves along the line to a random walker of the other half, to a distance
 * stretched by s with density 1 / sqrt(s) on [1 / a, a], accepted with s^(d - 1) times the ratio of
 * densities.  Walkers lean on one another at every step, so nothing is learned in warm-up. */
#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

static const nre_option OPTIONS[] = {
    {.name = "stretch",
     .type = NRE_REAL,
     .fallback = "2",
     .lo = 1,
     .hi = 100,
     .flags = NRE_OPEN_LO,
     .help = "The farthest stretch: distances between walkers change by at most this "
             "factor."},
};

typedef struct settings {
    double stretch;
} settings;

typedef struct run {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    settings conf;
    size_t n, per_group, dim;
    uint32_t *chain;      /* [n / 2] of those that move */
    double *z, *logp;     /* [n][d], [n] */
    double *proposal;     /* [n / 2][d] */
    double *trial, *gain; /* [n]: log prior, then log posterior; log ratio */
    double *log_stretch;  /* [n / 2] */
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->stretch = host->get_real(values, "stretch");
    *self = s;
    return NRE_OK;
}

static int evaluate(const run *r, size_t n, const uint32_t *chain, const double *z)
{
    int status = r->target->logp(r->target, n, chain, z, r->trial, r->gain, NULL, NULL);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        r->trial[i] += r->gain[i];
    return status;
}

static int check_number(const nre_host *host, const nre_target *t, size_t n,
                        size_t groups)
{
    size_t per_group = n / groups, least = 2 * ((size_t)t->dim + 1);
    if (n % groups == 0 && per_group >= least && per_group % 2 == 0)
        return NRE_OK;
    return host->fail(host, NRE_ENOTSUP,
                      "an ensemble needs an even number of chains, at least %zu for %u "
                      "parameters (twice as many as parameters, and two), not %zu: raise "
                      "infer.sampler.chains",
                      least, t->dim, per_group);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    size_t d = target->dim, groups = target->n_groups > 0 ? target->n_groups : 1;
    int status = check_number(host, target, n, groups);
    if (status != NRE_OK)
        return status;
    run *r = host->alloc(host, 1, sizeof *r);
    double *p = host->alloc(host, n * (2 * d + 4), sizeof *p);
    uint32_t *chain = host->alloc(host, n, sizeof *chain);
    if (!r || !p || !chain)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    *r = (run){.host = host,
               .target = target,
               .rng = rng,
               .conf = *(const settings *)self,
               .n = n,
               .per_group = n / groups,
               .dim = d,
               .chain = chain,
               .z = p,
               .proposal = p + n * d,
               .logp = p + 2 * n * d,
               .trial = p + n * (2 * d + 1),
               .gain = p + n * (2 * d + 2),
               .log_stretch = p + n * (2 * d + 3)};
    memcpy(r->z, z0, n * d * sizeof *z0);
    for (size_t i = 0; i < n; i++)
        chain[i] = (uint32_t)i;
    status = evaluate(r, n, chain, r->z);
    memcpy(r->logp, r->trial, n * sizeof *r->logp);
    *out = r;
    return status;
}

/* steps */

/* From the distribution of stretches by its quantile. */
static double draw_stretch(const run *r, nre_rng *rng)
{
    double a = r->conf.stretch, root = 1 + (a - 1) * rng->uniform(rng);
    return root * root / a;
}

/* Walker I, as point AT of the call, towards one of the other half, which begins at OTHERS. */
static void propose(const run *r, size_t at, size_t i, size_t others)
{
    nre_rng *rng = r->rng[i];
    size_t half = r->per_group / 2, k = (size_t)(rng->uniform(rng) * (double)half);
    const double *z = r->z + i * r->dim;
    const double *pivot = r->z + (others + (k < half ? k : half - 1)) * r->dim;
    double s = draw_stretch(r, rng), *to = r->proposal + at * r->dim;
    for (size_t a = 0; a < r->dim; a++)
        to[a] = pivot[a] + s * (z[a] - pivot[a]);
    r->log_stretch[at] = log(s);
    r->chain[at] = (uint32_t)i;
}

static void decide(const run *r, size_t at, nre_draws *out)
{
    size_t i = r->chain[at];
    nre_counts none = {0}, *counts = NRE_HAS(out, of_group)
                                         ? &out->of_group[i / r->per_group]
                                         : &none;
    double log_u = log(r->rng[i]->uniform(r->rng[i]));
    double gain = (double)(r->dim - 1) * r->log_stretch[at] + r->trial[at] - r->logp[i];
    out->n_propose++;
    counts->n_propose++;
    if (!(log_u < gain))
        return;
    memcpy(r->z + i * r->dim, r->proposal + at * r->dim, r->dim * sizeof *r->z);
    r->logp[i] = r->trial[at];
    out->n_accept++;
    counts->n_accept++;
}

/* Half WHICH, 0 or 1, of every group. */
static int move_half(run *r, size_t which, nre_draws *out)
{
    size_t half = r->per_group / 2, points = 0;
    for (size_t first = 0; first < r->n; first += r->per_group)
        for (size_t i = 0; i < half; i++)
            propose(r, points++, first + which * half + i, first + (1 - which) * half);
    int status = evaluate(r, points, r->chain, r->proposal);
    for (size_t at = 0; status == NRE_OK && at < points; at++)
        decide(r, at, out);
    return status;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    size_t n = r->n, d = r->dim;
    (void)warmup;
    for (size_t s = 0; s < out->n_steps; s++) {
        int status = move_half(r, 0, out);
        if (status == NRE_OK)
            status = move_half(r, 1, out);
        if (status != NRE_OK)
            return status;
        memcpy(out->z + s * n * d, r->z, n * d * sizeof *r->z);
        memcpy(out->logp + s * n, r->logp, n * sizeof *r->logp);
    }
    out->n_evaluate += out->n_steps * n;
    return NRE_OK;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "ensemble",
    .version = "1.0.0",
    .summary = "Affine-invariant ensemble of walkers with stretch moves.",
    .reference = "Goodman & Weare 2010, CAMCoS 5, 65",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

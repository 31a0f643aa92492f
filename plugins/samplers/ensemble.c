/* ensemble: affine-invariant stretch moves (Goodman & Weare 2010, CAMCoS 5, 65), half of the
 * chains in one log-density call.
 *
 * The chains of a group are walkers in two halves (Foreman-Mackey et al. 2013, PASP 125, 306).
 * A walker moves along the line to a random walker of the other half, to a distance
 * stretched by s with density 1 / sqrt(s) on [1 / a, a], accepted with s^(d - 1) times the ratio of
 * densities.  Walkers lean on one another at every step, so nothing is learned in warm-up. */
#include "team.h"

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
    team team; /* its lots are cut from one half at a time */
    settings conf;
    size_t which;          /* half that moves, 0 or 1 */
    uint32_t *chain;       /* [n / 2] of those that move */
    double *z, *logp;      /* [n][d], [n] */
    double *proposal;      /* [n / 2][d] */
    double *trial, *ratio; /* [n] */
    double *log_stretch;   /* [n / 2] */
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

static int check_number(const nre_host *host, const nre_target *t, size_t n,
                        size_t groups)
{
    size_t per_group = groups ? n / groups : 0, least = 2 * ((size_t)t->dim + 1);
    if (per_group * groups == n && per_group >= least && per_group % 2 == 0)
        return NRE_OK;
    return host->fail(host, NRE_ENOTSUP,
                      "an ensemble needs an even number of chains, at least %zu for %u "
                      "parameters (twice as many as parameters, and two), not %zu: raise "
                      "infer.sampler.chains",
                      least, t->dim, per_group);
}

static int lay_chains(run *r, const double *z0)
{
    const team *t = &r->team;
    size_t n = t->n, d = t->dim;
    double *p = take(t, n, 2 * d + 4);
    r->chain = t->host->alloc(t->host, n, sizeof *r->chain);
    if (!p || !r->chain)
        return no_memory(t);
    r->z = p;
    r->proposal = p + n * d;
    r->logp = p + 2 * n * d;
    r->trial = r->logp + n;
    r->ratio = r->trial + n;
    r->log_stretch = r->ratio + n;
    memcpy(r->z, z0, n * d * sizeof *z0);
    return log_posterior(t, n, t->chain, r->z, r->logp, r->ratio);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.conf = *(const settings *)self};
    *out = r;
    int status = team_open(&r->team, host, target, n, 1, rng);
    if (status == NRE_OK)
        status = check_number(host, target, n, r->team.n_groups);
    return status == NRE_OK ? lay_chains(r, z0) : status;
}

/* steps */

/* From the distribution of stretches by its quantile. */
static double draw_stretch(const run *r, nre_rng *rng)
{
    double a = r->conf.stretch, root = 1 + (a - 1) * rng->uniform(rng);
    return root * root / a;
}

/* Point AT of a half's call: a walker towards one of the other half. */
static void propose(const run *r, size_t at)
{
    size_t d = r->team.dim, each = r->team.each, half = each / 2;
    size_t first = at / half * each, i = first + r->which * half + at % half;
    nre_rng *rng = r->team.rng[i];
    const double *z = r->z + i * d;
    const double *pivot = r->z + (first + (1 - r->which) * half + below(rng, half)) * d;
    double s = draw_stretch(r, rng), *to = r->proposal + at * d;
    for (size_t a = 0; a < d; a++)
        to[a] = pivot[a] + s * (z[a] - pivot[a]);
    r->log_stretch[at] = log(s);
    r->chain[at] = (uint32_t)i;
}

static void decide(const run *r, size_t at)
{
    size_t i = r->chain[at], d = r->team.dim;
    double gain = (double)(d - 1) * r->log_stretch[at] + r->trial[at] - r->logp[i];
    int accepted = accepts(r->team.rng[i], gain);
    count_proposal(&r->team, i, accepted);
    if (!accepted)
        return;
    memcpy(r->z + i * d, r->proposal + at * d, d * sizeof *r->z);
    r->logp[i] = r->trial[at];
}

/* Walkers of one half; nobody moves those of the other, towards which they go. */
static int move_some(void *self, const stretch *s)
{
    const run *r = self;
    size_t first = s->first, end = first + s->n, d = r->team.dim;
    for (size_t at = first; at < end; at++)
        propose(r, at);
    int status = log_posterior(&r->team, s->n, r->chain + first, r->proposal + first * d,
                               r->trial + first, r->ratio + first);
    for (size_t at = first; status == NRE_OK && at < end; at++) {
        size_t i = r->chain[at];
        decide(r, at);
        write_draw(&r->team, s->out, s->from, i, r->z + i * d, r->logp[i]);
    }
    return status;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    team half = r->team;
    int status = NRE_OK;
    half.n /= 2;
    half.each /= 2;
    half.lot = lot_of(&half, 2); /* small calls, but threads are busy */
    count_anew(&r->team);
    for (size_t s = 0; status == NRE_OK && s < out->n_steps; s++)
        for (r->which = 0; status == NRE_OK && r->which < 2; r->which++)
            status = march_on(&half, r, move_some, s, s + 1, warmup != 0, out);
    tell(&r->team, out);
    return status;
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

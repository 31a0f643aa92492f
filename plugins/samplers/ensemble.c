/* ensemble: affine-invariant stretch moves (Goodman & Weare 2010, CAMCoS 5, 65), half of the
 * walkers in one log-density call.
 *
 * The chains of a group are walkers, in as many bands as are large enough: an ensemble each, so that
 * threads need not wait for one another.  A band has two halves (Foreman-Mackey et al. 2013, PASP
 * 125, 306).  A walker moves along the line to a random walker of the other half, to a distance
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
    team team; /* its lots are whole bands */
    settings conf;
    size_t bands;          /* of a group */
    double *z, *logp;      /* [n][d], [n] */
    uint32_t *chain;       /* [n] of those that move, a lot's from its first walker on: */
    double *proposal;      /* [n][d] */
    double *trial, *ratio; /* [n] */
    double *log_stretch;   /* [n] */
} run;

/* Walkers FIRST .. FIRST + N - 1; those from MIDDLE on are the second half. */
typedef struct band {
    size_t first, middle, n;
} band;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->stretch = host->get_real(values, "stretch");
    *self = s;
    return NRE_OK;
}

/* Twice as many as parameters, and two: halves that span the space. */
static size_t least_walkers(size_t d)
{
    return 2 * (d + 1);
}

static int check_number(const nre_host *host, const nre_target *t, size_t n,
                        size_t groups)
{
    size_t per_group = groups ? n / groups : 0, least = least_walkers(t->dim);
    if (per_group * groups == n && per_group >= least && per_group % 2 == 0)
        return NRE_OK;
    return host->fail(host, NRE_ENOTSUP,
                      "an ensemble needs an even number of chains, at least %zu for %u "
                      "parameters (twice as many as parameters, and two), not %zu: raise "
                      "infer.sampler.chains",
                      least, t->dim, per_group);
}

/* Of at least FEWEST walkers and twice as many as an ensemble needs; one where there are fewer. */
static size_t bands_of(const team *t)
{
    size_t least = 2 * least_walkers(t->dim);
    size_t bands = t->each / (least > FEWEST ? least : FEWEST);
    return bands > LOTS ? LOTS : bands > 0 ? bands : 1;
}

/* Band I of all groups' bands. */
static band band_of(const run *r, size_t i)
{
    size_t each = r->team.each, start = i / r->bands * each, k = i % r->bands;
    size_t from = k * each / r->bands, to = (k + 1) * each / r->bands;
    return (band){start + from, start + (from + to) / 2, to - from};
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
    r->bands = bands_of(&r->team);
    return status == NRE_OK ? lay_chains(r, z0) : status;
}

/* steps */

/* From the distribution of stretches by its quantile. */
static double draw_stretch(const run *r, nre_rng *rng)
{
    double a = r->conf.stretch, root = 1 + (a - 1) * rng->uniform(rng);
    return root * root / a;
}

/* Point AT: walker I towards one of the N from OTHER on. */
static void propose(const run *r, size_t at, size_t i, size_t other, size_t n)
{
    size_t d = r->team.dim;
    nre_rng *rng = r->team.rng[i];
    const double *z = r->z + i * d, *pivot = r->z + (other + below(rng, n)) * d;
    double s = draw_stretch(r, rng), *to = r->proposal + at * d;
    for (size_t a = 0; a < d; a++)
        to[a] = pivot[a] + s * (z[a] - pivot[a]);
    r->log_stretch[at] = log(s);
    r->chain[at] = (uint32_t)i;
}

/* Half WHICH of a band; the point after its last. */
static size_t propose_half(const run *r, const band *b, size_t which, size_t at)
{
    size_t end = b->first + b->n, n = b->middle - b->first;
    if (which == 0)
        for (size_t i = b->first; i < b->middle; i++)
            propose(r, at++, i, b->middle, b->n - n);
    else
        for (size_t i = b->middle; i < end; i++)
            propose(r, at++, i, b->first, n);
    return at;
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

/* One half of each band of a lot, together. */
static int move_half(const run *r, const stretch *s, size_t step, size_t which)
{
    size_t first = band_of(r, s->first).first, end = first, d = r->team.dim;
    for (size_t k = s->first; k < s->first + s->n; k++) {
        band b = band_of(r, k);
        end = propose_half(r, &b, which, end);
    }
    int status =
        log_posterior(&r->team, end - first, r->chain + first, r->proposal + first * d,
                      r->trial + first, r->ratio + first);
    for (size_t at = first; status == NRE_OK && at < end; at++) {
        size_t i = r->chain[at];
        decide(r, at);
        write_draw(&r->team, s->out, step, i, r->z + i * d, r->logp[i]);
    }
    return status;
}

/* S counts bands. */
static int advance(void *self, const stretch *s)
{
    int status = NRE_OK;
    for (size_t at = s->from; at < s->to && status == NRE_OK; at++)
        for (size_t which = 0; which < 2 && status == NRE_OK; which++)
            status = move_half(self, s, at, which);
    return status;
}

/* Bands in lots: about as many walkers as chains in one. */
static int step(void *self, uint32_t warmup, nre_draws *out)
{
    const run *r = self;
    team bands = r->team;
    bands.n = r->team.n_groups * r->bands;
    bands.lot = r->team.lot / (r->team.each / r->bands);
    bands.lot = bands.lot > 0 ? bands.lot : 1;
    count_anew(&r->team);
    int status = march_on(&bands, self, advance, 0, out->n_steps, warmup != 0, out);
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

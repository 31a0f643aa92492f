/* @: random-walk Metropolis, with one width of the proposal per chain.
 *
 * A complete sampler, to be changed into yours.  A sampler advances all chains together
 * and holds only its transition: starting points, burn-in, stopping, R-hat and files are
 * the core's.  Build, check and use it:
 *
 *   meson setup build && ninja -C build
 *   nereid plugins check build/@.so
 *   nereid run CONFIG --plugin-path build        with `sampler: {plugin: @}` in CONFIG */
#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

/* What a config may set under `params:`; each is checked before create() is called. */
static const nre_option OPTIONS[] = {
    {.name = "width",
     .type = NRE_REAL,
     .fallback = "0.5",
     .lo = 0,
     .hi = 1e6,
     .flags = NRE_OPEN_LO,
     .help = "Deviation of a proposal; warm-up adapts it."},
};

/* The share of accepted proposals that warm-up aims at, between the best in one dimension
 * (0.44) and in many (0.23), and how fast it goes there. */
static const double AIM = 0.3, GAIN = 0.1;

typedef struct settings {
    double width;
} settings;

/* All chains of one observation or of many; d = target->dim values a point. */
typedef struct chains {
    const nre_target *target;
    nre_rng *const *rng; /* [n] */
    size_t n, d;
    uint32_t *index;           /* [n]: 0, 1, 2 ... */
    double *here, *there;      /* [n][d] */
    double *logp, *logp_there; /* [n] */
    double *ratio;             /* [n], of the last evaluation */
    double *width;             /* [n] */
} chains;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->width = host->get_real(values, "width");
    *self = s;
    return NRE_OK;
}

/* Log posterior of all chains at Z [n][d]: one call, because the network is far faster
 * with many points than with one. */
static int evaluate(chains *c, const double *z, double *logp)
{
    int status =
        c->target->logp(c->target, c->n, c->index, z, logp, c->ratio, NULL, NULL);
    for (size_t i = 0; !status && i < c->n; i++)
        if (logp[i] > -INFINITY) /* else outside of the prior, where no ratio is known */
            logp[i] += c->ratio[i];
    return status;
}

/* Memory of this host is freed by the core after stop(), so that none is needed. */
static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **run)
{
    const settings *s = self;
    size_t d = target->dim;
    chains *c = host->alloc(host, 1, sizeof *c);
    uint32_t *index = host->alloc(host, n, sizeof *index);
    double *points = host->alloc(host, 2 * n, d * sizeof *points);
    double *numbers = host->alloc(host, 4 * n, sizeof *numbers);
    if (!c || !index || !points || !numbers)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    *c = (chains){.target = target,
                  .rng = rng,
                  .n = n,
                  .d = d,
                  .index = index,
                  .here = points,
                  .there = points + n * d,
                  .logp = numbers,
                  .logp_there = numbers + n,
                  .ratio = numbers + 2 * n,
                  .width = numbers + 3 * n};
    for (size_t i = 0; i < n; i++) {
        c->index[i] = (uint32_t)i;
        c->width[i] = s->width;
    }
    memcpy(c->here, z0, n * d * sizeof *z0);
    *run = c;
    return evaluate(c, c->here, c->logp);
}

static void propose(chains *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = i * c->d; k < (i + 1) * c->d; k++)
            c->there[k] = c->here[k] + c->width[i] * c->rng[i]->normal(c->rng[i]);
}

/* Accept with probability min(1, p(there) / p(here)) (Metropolis et al. 1953). */
static int accept(chains *c, size_t i)
{
    if (!(log(c->rng[i]->uniform(c->rng[i])) < c->logp_there[i] - c->logp[i]))
        return 0;
    memcpy(c->here + i * c->d, c->there + i * c->d, c->d * sizeof *c->here);
    c->logp[i] = c->logp_there[i];
    return 1;
}

/* Widths change during warm-up only: afterwards the chains are Markov chains. */
static int one_step(chains *c, uint32_t warmup, nre_draws *out)
{
    propose(c);
    int status = evaluate(c, c->there, c->logp_there);
    for (size_t i = 0; !status && i < c->n; i++) {
        int accepted = accept(c, i);
        out->n_accept += (uint64_t)accepted;
        if (warmup)
            c->width[i] *= exp(GAIN * (accepted - AIM));
    }
    out->n_propose += c->n;
    out->n_evaluate += c->n;
    return status;
}

static int step(void *run, uint32_t warmup, nre_draws *out)
{
    chains *c = run;
    size_t point = c->n * c->d;
    for (size_t s = 0; s < out->n_steps; s++) {
        int status = one_step(c, warmup, out);
        if (status)
            return status;
        memcpy(out->z + s * point, c->here, point * sizeof *out->z);
        memcpy(out->logp + s * c->n, c->logp, c->n * sizeof *out->logp);
    }
    return NRE_OK;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

/* the only symbol that the core sees */

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "@", /* equals the name of the file */
    .version = "0.1.0",
    .summary = "Random-walk Metropolis with one width per chain.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

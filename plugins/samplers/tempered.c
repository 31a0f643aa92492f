/* tempered: parallel tempering over the log ratio (Swendsen & Wang 1986, Geyer 1991).
 *
 * Every chain is the coldest of a ladder of walkers with densities prior * ratio^beta, beta from 1
 * down to 0, the prior itself, which is drawn from independently.  A step moves all walkers of all
 * chains in one log-density call, by random walks whose covariance and scale are learned in
 * warm-up on each rung, pooled over the chains of a group (Haario, Saksman & Tamminen 2001;
 * Roberts & Rosenthal 2009), then proposes swaps of neighbours, of even pairs and odd pairs in
 * turn, which carries prior draws down quickest (Syed, Bouchard-Cote, Deligiannidis & Doucet
 * 2022, JRSS B 84, 321).  Warm-up places the betas so that all swaps are rejected equally often
 * (their section 5); it is over, betas, covariances and scales are frozen.  Only the walkers of beta
 * = 1 are given out. */
#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

static const nre_option OPTIONS[] = {
    {.name = "temperatures",
     .type = NRE_INT,
     .fallback = "8",
     .lo = 2,
     .hi = 64,
     .help =
         "Walkers of a chain, the posterior's and the prior's among them; a step costs "
         "as many evaluations."},
    {.name = "scale",
     .type = NRE_REAL,
     .fallback = "0.3",
     .lo = 0,
     .hi = 1e6,
     .flags = NRE_OPEN_LO,
     .help = "Deviation of the first proposals, where the prior has a deviation of about "
             "1 to 2."},
};

enum {
    FIRST_WINDOW = 25, /* warm-up steps before the first covariance; windows double */
    MOST_RUNGS = 64
};

typedef struct settings {
    size_t rungs;
    double scale;
} settings;

/* What the walkers of one rung in a group share. */
typedef struct rung {
    double beta;
    double rejected, swaps; /* with the next hotter, in this window */
    double *factor;         /* [d][d] lower Cholesky factor of the covariance */
    double *sum, *products; /* [d], [d][d] of this window, relative to its first state */
    double *origin;         /* [d] */
    double count, log_scale;
    int learned; /* a covariance is there */
} rung;

/* Walkers in the order [n_chains][rungs], the coldest first. */
typedef struct run {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    size_t n, rungs, walkers, dim, n_groups;
    size_t steps, window, window_end; /* of warm-up */
    uint64_t swaps;                   /* rounds of them */
    rung *rung;                       /* [n_groups][rungs] */
    uint32_t *chain;                  /* [walkers] */
    double *z, *proposal;             /* [walkers][d] */
    double *log_prior, *log_ratio;    /* [walkers] */
    double *trial_prior, *trial_ratio;
    double *prior; /* [n][d] fresh draws */
    double *work;  /* [d] */
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->rungs = (size_t)host->get_int(values, "temperatures");
    s->scale = host->get_real(values, "scale");
    *self = s;
    return NRE_OK;
}

static rung *rung_of(const run *r, size_t walker)
{
    size_t group = walker / r->rungs / (r->n / r->n_groups);
    return &r->rung[group * r->rungs + walker % r->rungs];
}

/* start */

/* Denser towards the prior, where a little of the ratio tells much. */
static double first_beta(size_t k, size_t rungs)
{
    return pow(1 - (double)k / (double)(rungs - 1), 4);
}

static int lay_rungs(run *r, double scale)
{
    size_t d = r->dim, each = 2 * d * d + 2 * d, n = r->n_groups * r->rungs;
    r->rung = r->host->alloc(r->host, n, sizeof *r->rung);
    double *p = r->host->alloc(r->host, n * each, sizeof *p);
    if (!r->rung || !p)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu ladders",
                             r->n_groups);
    for (size_t i = 0; i < n; i++, p += each) {
        r->rung[i] = (rung){.beta = first_beta(i % r->rungs, r->rungs),
                            .factor = p,
                            .products = p + d * d,
                            .sum = p + 2 * d * d,
                            .origin = p + 2 * d * d + d};
        for (size_t k = 0; k < d; k++)
            r->rung[i].factor[k * d + k] = scale * sqrt((double)d) / 2.38;
    }
    return NRE_OK;
}

static int lay_walkers(run *r, const double *z0)
{
    size_t m = r->walkers, d = r->dim;
    double *p = r->host->alloc(r->host, m * (2 * d + 4) + (r->n + 1) * d, sizeof *p);
    r->chain = r->host->alloc(r->host, m, sizeof *r->chain);
    if (!p || !r->chain)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu walkers", m);
    r->z = p;
    r->proposal = p + m * d;
    r->log_prior = p + 2 * m * d;
    r->log_ratio = r->log_prior + m;
    r->trial_prior = r->log_ratio + m;
    r->trial_ratio = r->trial_prior + m;
    r->prior = r->trial_ratio + m;
    r->work = r->prior + r->n * d;
    for (size_t i = 0; i < m; i++) {
        r->chain[i] = (uint32_t)(i / r->rungs);
        memcpy(r->z + i * d, z0 + i / r->rungs * d, d * sizeof *z0);
    }
    return r->target->logp(r->target, m, r->chain, r->z, r->log_prior, r->log_ratio, NULL,
                           NULL);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    const settings *s = self;
    size_t groups = target->n_groups > 0 ? target->n_groups : 1;
    if (n % groups != 0)
        return host->fail(host, NRE_EINVAL, "%zu chains cannot be shared by %zu groups",
                          n, groups);
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.host = host,
               .target = target,
               .rng = rng,
               .n = n,
               .rungs = s->rungs,
               .walkers = n * s->rungs,
               .dim = target->dim,
               .n_groups = groups,
               .window = FIRST_WINDOW,
               .window_end = FIRST_WINDOW};
    int status = lay_rungs(r, s->scale);
    if (status == NRE_OK)
        status = lay_walkers(r, z0);
    *out = r;
    return status;
}

/* moves */

static void walk(const run *r, size_t walker)
{
    const rung *g = rung_of(r, walker);
    nre_rng *rng = r->rng[r->chain[walker]];
    size_t d = r->dim;
    double *z = r->proposal + walker * d;
    double factor = exp(g->log_scale) * 2.38 / sqrt((double)d);
    memcpy(z, r->z + walker * d, d * sizeof *z);
    for (size_t k = 0; k < d; k++)
        r->work[k] = rng->normal(rng);
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            z[a] += factor * g->factor[a * d + b] * r->work[b];
}

static int is_hottest(const run *r, size_t walker)
{
    return walker % r->rungs == r->rungs - 1;
}

/* The hottest walkers come from the prior. */
static int propose(run *r)
{
    size_t d = r->dim;
    int status = r->target->draw_prior(r->target, r->n, r->rng, r->prior);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < r->walkers; i++)
        if (is_hottest(r, i))
            memcpy(r->proposal + i * d, r->prior + r->chain[i] * d, d * sizeof *r->z);
        else
            walk(r, i);
    return r->target->logp(r->target, r->walkers, r->chain, r->proposal, r->trial_prior,
                           r->trial_ratio, NULL, NULL);
}

/* Towards an acceptance of 0.44 for one parameter, 0.234 for many. */
static void adapt_scale(const run *r, rung *g, int accepted)
{
    double goal = 0.234 + 0.206 / (double)r->dim, gain = 1 / sqrt(1 + (double)r->steps);
    size_t per_group = r->n / r->n_groups;
    g->log_scale += 4 * gain * (accepted - goal) / (double)per_group;
}

static void take_proposal(run *r, size_t i)
{
    memcpy(r->z + i * r->dim, r->proposal + i * r->dim, r->dim * sizeof *r->z);
    r->log_prior[i] = r->trial_prior[i];
    r->log_ratio[i] = r->trial_ratio[i];
}

/* Of the coldest walkers. */
static void count_move(const run *r, size_t chain, int accepted, nre_draws *out)
{
    nre_counts none = {0}, *counts = &none;
    if (NRE_HAS(out, of_group))
        counts = &out->of_group[chain / (r->n / r->n_groups)];
    out->n_propose++;
    counts->n_propose++;
    out->n_accept += (uint64_t)accepted;
    counts->n_accept += (uint64_t)accepted;
}

static void decide(run *r, uint32_t warmup, nre_draws *out)
{
    for (size_t i = 0; i < r->walkers; i++) {
        nre_rng *rng = r->rng[r->chain[i]];
        rung *g = rung_of(r, i);
        if (is_hottest(r, i)) {
            take_proposal(r, i);
            continue;
        }
        double gain = r->trial_prior[i] - r->log_prior[i] +
                      g->beta * (r->trial_ratio[i] - r->log_ratio[i]);
        int accepted = log(rng->uniform(rng)) < gain;
        if (accepted)
            take_proposal(r, i);
        if (warmup)
            adapt_scale(r, g, accepted);
        if (i % r->rungs == 0)
            count_move(r, r->chain[i], accepted, out);
    }
}

/* swaps */

static void exchange(double *a, double *b)
{
    double c = *a;
    *a = *b;
    *b = c;
}

static void swap_walkers(run *r, size_t a, size_t b)
{
    for (size_t k = 0; k < r->dim; k++)
        exchange(&r->z[a * r->dim + k], &r->z[b * r->dim + k]);
    exchange(&r->log_prior[a], &r->log_prior[b]);
    exchange(&r->log_ratio[a], &r->log_ratio[b]);
}

static void swap_neighbours(run *r)
{
    for (size_t k = r->swaps % 2; k + 1 < r->rungs; k += 2)
        for (size_t i = 0; i < r->n; i++) {
            nre_rng *rng = r->rng[i];
            size_t a = i * r->rungs + k, b = a + 1;
            rung *cold = rung_of(r, a);
            const rung *hot = cold + 1;
            double log_u = log(rng->uniform(rng));
            double gain = (cold->beta - hot->beta) * (r->log_ratio[b] - r->log_ratio[a]);
            if (log_u < gain)
                swap_walkers(r, a, b);
            cold->rejected += gain < 0 ? 1 - exp(gain) : 0;
            cold->swaps += 1;
        }
    r->swaps++;
}

/* warm-up */

static void add_state(const run *r, rung *g, const double *z)
{
    size_t d = r->dim;
    if (g->count == 0) {
        memcpy(g->origin, z, d * sizeof *z);
        memset(g->sum, 0, d * sizeof *g->sum);
        memset(g->products, 0, d * d * sizeof *g->products);
    }
    g->count += 1;
    for (size_t a = 0; a < d; a++) {
        g->sum[a] += z[a] - g->origin[a];
        for (size_t b = 0; b <= a; b++)
            g->products[a * d + b] += (z[a] - g->origin[a]) * (z[b] - g->origin[b]);
    }
}

/* The Cholesky factor of the window's covariance; where walkers have hardly moved the old one
 * stays. */
static void learn(const run *r, rung *g)
{
    size_t d = r->dim;
    double n = g->count, *c = g->products;
    int moved = 1;
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            c[a * d + b] = c[a * d + b] / n - g->sum[a] / n * (g->sum[b] / n);
    for (size_t a = 0; a < d; a++)
        moved = moved && c[a * d + a] > 1e-24 && isfinite(c[a * d + a]);
    for (size_t a = 0; moved && a < d; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = c[a * d + b], least = 1e-6 * c[a * d + a];
            for (size_t k = 0; k < b; k++)
                sum -= g->factor[a * d + k] * g->factor[b * d + k];
            g->factor[a * d + b] =
                a == b ? sqrt(sum > least ? sum : least) : sum / g->factor[b * d + b];
        }
    if (moved && !g->learned)
        g->log_scale = 0;
    g->learned = g->learned || moved;
    g->count = 0;
}

/* Betas of a group where the rejection rates between neighbours, summed from the coldest on, reach
 * equal steps; linear in between.  A pair that never rejects keeps a little room. */
static void place_betas(const run *r, rung *g)
{
    double barrier[MOST_RUNGS] = {0}, beta[MOST_RUNGS] = {0};
    size_t m = r->rungs, at = 0;
    for (size_t k = 0; k + 1 < m; k++) {
        double rate = g[k].swaps > 0 ? g[k].rejected / g[k].swaps : 0;
        barrier[k + 1] = barrier[k] + (rate > 0.01 ? rate : 0.01);
        beta[k] = g[k].beta;
        g[k].rejected = g[k].swaps = 0;
    }
    beta[m - 1] = 0;
    for (size_t k = 1; k + 1 < m; k++) {
        double goal = barrier[m - 1] * (double)k / (double)(m - 1);
        while (barrier[at + 1] < goal)
            at++;
        double part = (goal - barrier[at]) / (barrier[at + 1] - barrier[at]);
        g[k].beta = beta[at] + part * (beta[at + 1] - beta[at]);
    }
}

static void adapt(run *r)
{
    for (size_t i = 0; i < r->walkers; i++)
        if (!is_hottest(r, i))
            add_state(r, rung_of(r, i), r->z + i * r->dim);
    r->steps++;
    if (r->steps < r->window_end)
        return;
    for (size_t g = 0; g < r->n_groups; g++) {
        rung *ladder = r->rung + g * r->rungs;
        for (size_t k = 0; k + 1 < r->rungs; k++)
            learn(r, &ladder[k]);
        place_betas(r, ladder);
    }
    r->window *= 2;
    r->window_end += r->window;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    size_t n = r->n, d = r->dim;
    for (size_t s = 0; s < out->n_steps; s++) {
        int status = propose(r);
        if (status != NRE_OK)
            return status;
        decide(r, warmup, out);
        swap_neighbours(r);
        if (warmup)
            adapt(r);
        for (size_t i = 0; i < n; i++) {
            size_t at = i * r->rungs;
            memcpy(out->z + (s * n + i) * d, r->z + at * d, d * sizeof *r->z);
            out->logp[s * n + i] = r->log_prior[at] + r->log_ratio[at];
        }
    }
    out->n_evaluate += out->n_steps * r->walkers;
    return NRE_OK;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "tempered",
    .version = "1.0.0",
    .summary = "Parallel tempering from the prior to the posterior, for several modes.",
    .reference = "Syed et al. 2022, JRSS B 84, 321",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

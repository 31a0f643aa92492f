/* tempered: parallel tempering over the log ratio (Swendsen & Wang 1986, Geyer 1991).
 *
 * Every chain is the coldest of a ladder of walkers with densities prior * ratio^beta, beta from 1
 * down to 0, the prior itself, which is drawn from independently.  A step moves all walkers of
 * many chains in one log-density call, by random walks whose covariance and scale are learned in
 * warm-up on each rung, pooled over the chains of a group (Haario, Saksman & Tamminen 2001;
 * Roberts & Rosenthal 2009), then proposes swaps of neighbours, of even pairs and odd pairs in
 * turn, which carries prior draws down quickest (Syed, Bouchard-Cote, Deligiannidis & Doucet
 * 2022, JRSS B 84, 321).  Warm-up places the betas so that all swaps are rejected equally often
 * (their section 5); it is over, betas, covariances and scales are frozen.  Only the walkers of beta
 * = 1 are given out. */
#include "team.h"

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

enum { MOST_RUNGS = 64 };

typedef struct settings {
    size_t rungs;
    double scale;
} settings;

/* What the walkers of one rung in a group share. */
typedef struct rung {
    double beta;
    double rejected, swaps; /* with the next hotter, in this window */
    shape shape;
    double log_scale;
    double stride; /* of walks */
} rung;

/* What became of a walker in this step, for its rung. */
typedef struct fate {
    int accepted, swapped; /* moves; whether a swap with the next hotter was tried */
    double rejected;       /* the probability that it was rejected */
} fate;

/* Walkers in the order [n][rungs], the coldest first. */
typedef struct run {
    team team;
    size_t rungs;
    size_t steps, window, window_end; /* of warm-up */
    size_t swaps;                     /* rounds of them, before this call */
    rung *rung;                       /* [n_groups][rungs] */
    uint32_t *chain;                  /* [n][rungs] */
    fate *fate;                       /* likewise */
    double *z, *proposal;             /* [n][rungs][d] */
    double *log_prior, *log_ratio;    /* [n][rungs] */
    double *trial_prior, *trial_ratio;
    double *prior; /* [n][d] fresh draws */
    double *work;  /* [n][d] */
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
    return &r->rung[walker / r->rungs / r->team.each * r->rungs + walker % r->rungs];
}

/* start */

/* Denser towards the prior, where a little of the ratio tells much. */
static double first_beta(size_t k, size_t rungs)
{
    return pow(1 - (double)k / (double)(rungs - 1), 4);
}

static void set_stride(const run *r, rung *g)
{
    g->stride = exp(g->log_scale) * 2.38 / sqrt((double)r->team.dim);
}

static int lay_rungs(run *r, double scale)
{
    const team *t = &r->team;
    size_t d = t->dim, n = t->n_groups * r->rungs;
    double *p = take(t, n, shape_size(d));
    r->rung = t->host->alloc(t->host, n, sizeof *r->rung);
    if (!r->rung || !p)
        return no_memory(t);
    for (size_t i = 0; i < n; i++) {
        r->rung[i].beta = first_beta(i % r->rungs, r->rungs);
        p = shape_lay(&r->rung[i].shape, d, scale * sqrt((double)d) / 2.38, p);
        set_stride(r, &r->rung[i]);
    }
    return NRE_OK;
}

static int lay_walkers(run *r, const double *z0)
{
    const team *t = &r->team;
    size_t m = t->n * r->rungs, d = t->dim;
    double *p = take(t, m, 2 * d + 4), *q = take(t, t->n, 2 * d);
    r->chain = t->host->alloc(t->host, m, sizeof *r->chain);
    r->fate = t->host->alloc(t->host, m, sizeof *r->fate);
    if (!p || !q || !r->chain || !r->fate)
        return no_memory(t);
    r->z = p;
    r->proposal = p + m * d;
    r->log_prior = p + 2 * m * d;
    r->log_ratio = r->log_prior + m;
    r->trial_prior = r->log_ratio + m;
    r->trial_ratio = r->trial_prior + m;
    r->prior = q;
    r->work = q + t->n * d;
    for (size_t i = 0; i < m; i++) {
        r->chain[i] = (uint32_t)(i / r->rungs);
        memcpy(r->z + i * d, z0 + i / r->rungs * d, d * sizeof *z0);
    }
    return t->target->logp(t->target, m, r->chain, r->z, r->log_prior, r->log_ratio, NULL,
                           NULL);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    const settings *s = self;
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.rungs = s->rungs, .window = WINDOW, .window_end = WINDOW};
    *out = r;
    int status = team_open(&r->team, host, target, n, s->rungs, rng);
    if (status == NRE_OK)
        status = lay_rungs(r, s->scale);
    return status == NRE_OK ? lay_walkers(r, z0) : status;
}

/* moves */

static void walk(const run *r, size_t walker, double *work)
{
    const rung *g = rung_of(r, walker);
    size_t d = r->team.dim;
    double *z = r->proposal + walker * d;
    memcpy(z, r->z + walker * d, d * sizeof *z);
    draw_normals(r->team.rng[r->chain[walker]], d, work);
    add_correlated(d, g->shape.factor, g->stride, work, z);
}

static int is_hottest(const run *r, size_t walker)
{
    return walker % r->rungs == r->rungs - 1;
}

/* The hottest walkers come from the prior. */
static int propose(const run *r, const stretch *s)
{
    const team *t = &r->team;
    size_t d = t->dim, first = s->first * r->rungs, n = s->n * r->rungs;
    double *prior = r->prior + s->first * d;
    int status = t->target->draw_prior(t->target, s->n, t->rng + s->first, prior);
    if (status != NRE_OK)
        return status;
    for (size_t i = first; i < first + n; i++) {
        t->counts[r->chain[i]].n_evaluate++;
        if (is_hottest(r, i))
            memcpy(r->proposal + i * d, r->prior + r->chain[i] * d, d * sizeof *r->z);
        else
            walk(r, i, r->work + s->first * d);
    }
    return t->target->logp(t->target, n, r->chain + first, r->proposal + first * d,
                           r->trial_prior + first, r->trial_ratio + first, NULL, NULL);
}

static void take_proposal(const run *r, size_t i)
{
    size_t d = r->team.dim;
    memcpy(r->z + i * d, r->proposal + i * d, d * sizeof *r->z);
    r->log_prior[i] = r->trial_prior[i];
    r->log_ratio[i] = r->trial_ratio[i];
}

/* Acceptance is that of the coldest walkers. */
static void decide(const run *r, size_t i)
{
    const rung *g = rung_of(r, i);
    double gain = r->trial_prior[i] - r->log_prior[i] +
                  g->beta * (r->trial_ratio[i] - r->log_ratio[i]);
    r->fate[i] =
        (fate){.accepted = is_hottest(r, i) || accepts(r->team.rng[r->chain[i]], gain)};
    if (r->fate[i].accepted)
        take_proposal(r, i);
    if (i % r->rungs == 0)
        count_proposal(&r->team, r->chain[i], r->fate[i].accepted);
}

/* swaps */

static void exchange(double *a, double *b)
{
    double c = *a;
    *a = *b;
    *b = c;
}

static void swap_walkers(const run *r, size_t a, size_t b)
{
    size_t d = r->team.dim;
    for (size_t k = 0; k < d; k++)
        exchange(&r->z[a * d + k], &r->z[b * d + k]);
    exchange(&r->log_prior[a], &r->log_prior[b]);
    exchange(&r->log_ratio[a], &r->log_ratio[b]);
}

/* Of a chain, in round ROUND. */
static void swap_neighbours(const run *r, size_t chain, size_t round)
{
    for (size_t k = round % 2; k + 1 < r->rungs; k += 2) {
        size_t a = chain * r->rungs + k, b = a + 1;
        double cold = rung_of(r, a)->beta, hot = rung_of(r, b)->beta;
        double gain = (cold - hot) * (r->log_ratio[b] - r->log_ratio[a]);
        if (accepts(r->team.rng[chain], gain))
            swap_walkers(r, a, b);
        r->fate[a].rejected = gain < 0 ? 1 - exp(gain) : 0;
        r->fate[a].swapped = 1;
    }
}

/* warm-up */

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

static void learn_from(const run *r, size_t walker)
{
    const team *t = &r->team;
    const fate *f = &r->fate[walker];
    rung *g = rung_of(r, walker);
    if (f->swapped) {
        g->rejected += f->rejected;
        g->swaps += 1;
    }
    if (is_hottest(r, walker))
        return;
    g->log_scale += scale_change(t->dim, r->steps, t->each, f->accepted);
    shape_add(&g->shape, t->dim, r->z + walker * t->dim);
}

static int adapt(void *self)
{
    run *r = self;
    size_t groups = r->team.n_groups;
    for (size_t i = 0; i < r->team.n * r->rungs; i++)
        learn_from(r, i);
    int ended = ++r->steps >= r->window_end;
    for (size_t i = 0; i < groups * r->rungs; i++) {
        rung *g = &r->rung[i];
        if (ended && !is_hottest(r, i) && shape_learn(&g->shape, r->team.dim))
            g->log_scale = 0;
        set_stride(r, g);
    }
    for (size_t g = 0; ended && g < groups; g++)
        place_betas(r, r->rung + g * r->rungs);
    if (ended)
        r->window_end += r->window *= 2;
    return NRE_OK;
}

/* steps */

static int advance(void *self, const stretch *s)
{
    const run *r = self;
    size_t m = r->rungs, d = r->team.dim, first = s->first, end = first + s->n;
    for (size_t at = s->from; at < s->to; at++) {
        int status = propose(r, s);
        if (status != NRE_OK)
            return status;
        for (size_t i = first * m; i < end * m; i++)
            decide(r, i);
        for (size_t i = first; i < end; i++) {
            swap_neighbours(r, i, r->swaps + at);
            write_draw(&r->team, s->out, at, i, r->z + i * m * d,
                       r->log_prior[i * m] + r->log_ratio[i * m]);
        }
    }
    return NRE_OK;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    int status = team_step(&r->team, r, advance, adapt, warmup, out);
    r->swaps += out->n_steps;
    return status;
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

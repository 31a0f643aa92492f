/* rejection: exact, independent draws from the posterior: a draw from the prior is kept with the
 * probability ratio / largest ratio.
 *
 * The largest log ratio of an observation is searched for before the first draw, among prior draws,
 * the chains' starting points, and by differential evolution of the best of them (Storn & Price
 * 1997): no gradient is needed, modes compete, and a supremum at a bound is approached.  Where a
 * draw exceeds it the maximum is raised; after warm-up that is told and counts as a divergence, for
 * what was drawn before is not quite exact then.  All observations share log-density calls. */
#include "team.h"

static const nre_option OPTIONS[] = {
    {.name = "most",
     .type = NRE_INT,
     .fallback = "10000",
     .lo = 1,
     .hi = 1e9,
     .help =
         "Give up where a draw from the posterior costs more prior draws than this, on "
         "average."},
};

enum {
    PILOT = 1000,         /* prior draws of a group that begin the search */
    POPULATION = 40,      /* of differential evolution */
    GENERATIONS = 500,    /* at most */
    QUEUE = 64,           /* draws of a chain that may wait for the next call */
    PATIENCE = 20,        /* draws that are waited for before giving up */
    PIECE = 512,          /* candidates that a thread draws at a time, about */
    MOST_POINTS = 1 << 15 /* of a log-density call, more for many observations */
};
static const double TOLERANCE = 1e-4; /* of the largest log ratio */
/* How far the search leaves the pilot's prior draws, in nats of the prior's density: what lies beyond
 * has hardly a draw, and there a network knows nothing. */
static const double MARGIN = 5;

typedef struct settings {
    double most;
} settings;

/* What the chains of one observation share. */
typedef struct group {
    double top;                /* largest log ratio */
    double proposed, accepted; /* since the pilot, its draws included */
    /* of the search */
    double floor;  /* least log prior that is looked at */
    double *z;     /* [POPULATION][d] */
    double *value; /* [POPULATION] log ratios */
    int searching;
} group;

typedef struct run {
    team team;
    settings conf;
    group *group;          /* [n_groups] */
    double *z;             /* [n][d], of warm-up */
    double *logp;          /* [n] */
    int told;              /* that a maximum was raised */
    size_t *done, *queued; /* [n] steps of this block, draws that wait */
    double *queue;         /* [n][QUEUE][d + 1], log posterior last */
} run;

/* A log-density call: points in the call's own memory. */
typedef struct batch {
    uint32_t *chain;                           /* [n] */
    double *z, *log_u, *log_prior, *log_ratio; /* [n][d], [n] */
} batch;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->most = (double)host->get_int(values, "most");
    *self = s;
    return NRE_OK;
}

/* Lives until the plugin's call returns. */
static int take_batch(const run *r, size_t n, batch *b)
{
    b->chain = r->team.host->scratch(r->team.host, n, sizeof *b->chain);
    b->z = r->team.host->scratch(r->team.host, n * (r->team.dim + 3), sizeof *b->z);
    if (!b->chain || !b->z) {
        r->team.host->fail(r->team.host, NRE_ENOMEM, "no memory for %zu points", n);
        return NRE_ENOMEM;
    }
    b->log_u = b->z + n * r->team.dim;
    b->log_prior = b->log_u + n;
    b->log_ratio = b->log_prior + n;
    return NRE_OK;
}

static int evaluate(const run *r, const batch *b, size_t n)
{
    return r->team.target->logp(r->team.target, n, b->chain, b->z, b->log_prior,
                                b->log_ratio, NULL, NULL);
}

/* N candidates of B. */
typedef struct candidates {
    const run *run;
    const batch *batch;
    size_t n;
} candidates;

/* From AT on, the first that is not of the same chain as the one before. */
static size_t border(const candidates *c, size_t at)
{
    const uint32_t *chain = c->batch->chain;
    while (at > 0 && at < c->n && chain[at] == chain[at - 1])
        at++;
    return at < c->n ? at : c->n;
}

/* Of whole chains: a stream is read by one thread. */
static int draw_piece(void *context, size_t piece)
{
    const candidates *c = context;
    const run *r = c->run;
    const batch *b = c->batch;
    int status = NRE_OK;
    size_t end = border(c, (piece + 1) * PIECE);
    for (size_t i = border(c, piece * PIECE); status == NRE_OK && i < end; i++) {
        nre_rng *rng = r->team.rng[b->chain[i]];
        b->log_u[i] = log(rng->uniform(rng));
        status =
            r->team.target->draw_prior(r->team.target, 1, &rng, b->z + i * r->team.dim);
    }
    return status;
}

/* Candidates of the chains that are noted, those of a chain together: a draw from the prior and a
 * uniform each, one candidate after another, so that a chain's are the same however calls cut
 * their sequence. */
static int draw_candidates(const run *r, const batch *b, size_t n)
{
    candidates c = {r, b, n};
    const nre_host *host = r->team.host;
    int status = host->parallel(host, (n + PIECE - 1) / PIECE, draw_piece, &c);
    return status == NRE_OK ? evaluate(r, b, n) : status;
}

/* the search for the largest ratio */

static size_t worst_of(const group *g)
{
    size_t worst = 0;
    for (size_t i = 1; i < POPULATION; i++)
        worst = g->value[i] < g->value[worst] ? i : worst;
    return worst;
}

static void enter(const run *r, group *g, const double *z, double value)
{
    size_t i = worst_of(g);
    if (!(value > g->value[i]))
        return;
    memcpy(g->z + i * r->team.dim, z, r->team.dim * sizeof *z);
    g->value[i] = value;
    g->top = value > g->top ? value : g->top;
}

/* M prior draws, the same number for each chain, which stay in B, and the chains' starting points. */
static int pilot(run *r, const double *z0, size_t m, batch *b)
{
    size_t d = r->team.dim, steps = m / r->team.n;
    int status = take_batch(r, m + r->team.n, b);
    for (size_t i = 0; status == NRE_OK && i < m; i++)
        b->chain[i] = (uint32_t)(i / steps);
    if (status == NRE_OK)
        status = draw_candidates(r, b, m);
    if (status != NRE_OK)
        return status;
    batch own = {b->chain + m, b->z + m * d, NULL, b->log_prior + m, b->log_ratio + m};
    memcpy(own.z, z0, r->team.n * d * sizeof *z0);
    memcpy(own.chain, r->team.chain, r->team.n * sizeof *own.chain);
    status = evaluate(r, &own, r->team.n);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < r->team.n; i++)
        r->logp[i] = own.log_prior[i] + own.log_ratio[i];
    for (size_t i = 0; i < m; i++) {
        group *g = &r->group[b->chain[i] / r->team.each];
        g->floor = fmin(g->floor, b->log_prior[i] - MARGIN);
    }
    for (size_t i = 0; i < m + r->team.n; i++)
        enter(r, &r->group[b->chain[i] / r->team.each], b->z + i * d, b->log_ratio[i]);
    return NRE_OK;
}

/* Member I moved towards a better one and along the difference of two: half of the moves are as
 * long as the difference, others shorter. */
static void mutate(const run *r, const group *g, size_t i, nre_rng *rng, double *to)
{
    size_t d = r->team.dim, a = below(rng, POPULATION), b = below(rng, POPULATION), c = i;
    double pull = rng->uniform(rng), along = 0.4 + 0.6 * rng->uniform(rng);
    for (int tries = 0; tries < 3; tries++) {
        size_t other = below(rng, POPULATION);
        c = g->value[other] > g->value[c] ? other : c;
    }
    for (size_t k = 0; k < d; k++)
        to[k] = g->z[i * d + k] + pull * (g->z[c * d + k] - g->z[i * d + k]) +
                along * (g->z[a * d + k] - g->z[b * d + k]);
}

static int all_finite(size_t d, const double *z)
{
    for (size_t k = 0; k < d; k++)
        if (!isfinite(z[k]))
            return 0;
    return 1;
}

/* A generation of every group that still searches; how many points it took. */
static size_t lay_generation(const run *r, const batch *b)
{
    size_t m = 0;
    for (size_t j = 0; j < r->team.n_groups; j++) {
        const group *g = &r->group[j];
        size_t chain = j * r->team.each;
        for (size_t i = 0; g->searching && i < POPULATION; i++, m++) {
            double *to = b->z + m * r->team.dim;
            mutate(r, g, i, r->team.rng[chain], to);
            if (!all_finite(r->team.dim, to))
                memcpy(to, g->z + i * r->team.dim, r->team.dim * sizeof *to);
            b->chain[m] = (uint32_t)chain;
        }
    }
    return m;
}

/* A child replaces its parent where it is better; a population that is level has arrived. */
static void select_best(const run *r, group *g, const double *z, const double *log_prior,
                        const double *log_ratio)
{
    double top = -INFINITY, least = INFINITY;
    for (size_t i = 0; i < POPULATION; i++) {
        if (log_prior[i] >= g->floor && log_ratio[i] > g->value[i]) {
            memcpy(g->z + i * r->team.dim, z + i * r->team.dim, r->team.dim * sizeof *z);
            g->value[i] = log_ratio[i];
        }
        top = g->value[i] > top ? g->value[i] : top;
        least = g->value[i] < least ? g->value[i] : least;
    }
    g->top = top;
    g->searching = top - least > TOLERANCE;
}

static int search(run *r)
{
    batch b = {0};
    int status = take_batch(r, r->team.n_groups * POPULATION, &b);
    for (int i = 0; status == NRE_OK && i < GENERATIONS; i++) {
        size_t m = lay_generation(r, &b), at = 0;
        if (m == 0)
            break;
        status = evaluate(r, &b, m);
        for (size_t j = 0; status == NRE_OK && j < r->team.n_groups; j++)
            if (r->group[j].searching) {
                select_best(r, &r->group[j], b.z + at * r->team.dim, b.log_prior + at,
                            b.log_ratio + at);
                at += POPULATION;
            }
    }
    return status;
}

/* start */

static int check_rate(const run *r, const group *g)
{
    if (g->proposed <= r->conf.most * (g->accepted + PATIENCE))
        return NRE_OK;
    return r->team.host->fail(
        r->team.host, NRE_ENOTSUP,
        "of %.3g draws from the prior about %.2g were accepted, fewer than one in %.0f: "
        "the "
        "posterior is too narrow for rejection; take 'importance' or 'metropolis', or "
        "raise 'most'",
        g->proposed, g->accepted, r->conf.most);
}

static int take_maximum(const run *r, group *g)
{
    if (g->searching)
        return r->team.host->fail(
            r->team.host, NRE_ENOTSUP,
            "the largest log ratio was not found in %d generations, %g "
            "is exceeded: it may "
            "have none; take 'importance' or 'metropolis'",
            GENERATIONS, g->top);
    g->top += TOLERANCE;
    return NRE_OK;
}

static int find_maxima(run *r, const double *z0)
{
    for (size_t j = 0; j < r->team.n_groups; j++) {
        group *g = &r->group[j];
        g->top = -INFINITY;
        g->floor = INFINITY;
        g->searching = 1;
        for (size_t i = 0; i < POPULATION; i++)
            g->value[i] = -INFINITY;
    }
    size_t m = (PILOT + r->team.each - 1) / r->team.each * r->team.n;
    batch b = {0};
    int status = pilot(r, z0, m, &b);
    for (size_t j = 0; status == NRE_OK && j < r->team.n_groups; j++)
        if (!(r->group[j].top > -INFINITY))
            return r->team.host->fail(r->team.host, NRE_ENUMERIC,
                                      "the ratio is zero at all %d draws from the prior",
                                      PILOT);
    if (status == NRE_OK)
        status = search(r);
    for (size_t j = 0; status == NRE_OK && j < r->team.n_groups; j++)
        status = take_maximum(r, &r->group[j]);
    for (size_t i = 0; status == NRE_OK && i < m; i++) {
        group *g = &r->group[b.chain[i] / r->team.each];
        g->proposed += 1;
        g->accepted += exp(b.log_ratio[i] - g->top);
    }
    return status;
}

static int lay_run(run *r)
{
    size_t d = r->team.dim, each = POPULATION * (d + 1);
    /* the core's host is never NULL: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    r->group = r->team.host->alloc(r->team.host, r->team.n_groups, sizeof *r->group);
    double *p = r->team.host->alloc(
        r->team.host, r->team.n_groups * each + r->team.n * (d + 1) * (1 + QUEUE),
        sizeof *p);
    r->done = r->team.host->alloc(r->team.host, 2 * r->team.n, sizeof *r->done);
    if (!r->group || !p || !r->done) {
        r->team.host->fail(r->team.host, NRE_ENOMEM, "no memory for %zu chains",
                           r->team.n);
        return NRE_ENOMEM;
    }
    for (size_t j = 0; j < r->team.n_groups; j++, p += each)
        r->group[j] = (group){.z = p, .value = p + POPULATION * d};
    r->z = p;
    r->logp = p + r->team.n * d;
    r->queue = r->logp + r->team.n;
    r->queued = r->done + r->team.n;
    return NRE_OK;
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
        status = lay_run(r);
    if (status == NRE_OK)
        memcpy(r->z, z0, n * r->team.dim * sizeof *z0);
    return status == NRE_OK ? find_maxima(r, z0) : status;
}

/* draws */

static void raise_maximum(run *r, group *g, double log_ratio)
{
    if (!r->told)
        r->team.host->log(
            r->team.host, NRE_WARN,
            "the log ratio reaches %g, above %g that was its maximum so far: draws "
            "until now are not quite exact",
            log_ratio, g->top);
    r->told = 1;
    g->top = log_ratio;
}

/* True: candidate I is kept. */
static int decide(run *r, const batch *b, size_t i, uint32_t warmup)
{
    size_t chain = b->chain[i];
    group *g = &r->group[chain / r->team.each];
    if (b->log_ratio[i] > g->top && warmup)
        g->top = b->log_ratio[i];
    if (b->log_ratio[i] > g->top) {
        raise_maximum(r, g, b->log_ratio[i]);
        r->team.counts[chain].n_divergent++;
    }
    int kept = b->log_u[i] < b->log_ratio[i] - g->top;
    g->proposed += 1;
    g->accepted += kept;
    r->team.counts[chain].n_evaluate++;
    count_proposal(&r->team, chain, kept);
    return kept;
}

/* One candidate a chain and step; a chain stays where it was when its own is rejected, so that the
 * cost of warm-up is known.  Steps are decided in turn: maxima rise in the same order however many
 * there are. */
static int warm_up(run *r, nre_draws *out)
{
    size_t n = r->team.n, d = r->team.dim, steps = out->n_steps;
    batch b = {0};
    int status = take_batch(r, steps * n, &b);
    for (size_t i = 0; status == NRE_OK && i < steps * n; i++)
        b.chain[i] = (uint32_t)(i / steps);
    if (status == NRE_OK)
        status = draw_candidates(r, &b, steps * n);
    for (size_t at = 0; status == NRE_OK && at < steps * n; at++) {
        size_t c = at % n, i = c * steps + at / n;
        if (decide(r, &b, i, 1)) {
            memcpy(r->z + c * d, b.z + i * d, d * sizeof *b.z);
            r->logp[c] = b.log_prior[i] + b.log_ratio[i];
        }
        write_draw(&r->team, out, at / n, c, r->z + c * d, r->logp[c]);
    }
    return status;
}

/* Candidates of each chain of group J that wants more draws: enough by its acceptance so far, but all
 * that could be kept must find room. */
static size_t lay_group(const run *r, size_t j, size_t steps, uint32_t *chain)
{
    const group *g = &r->group[j];
    double rate = (g->accepted + 1) / (g->proposed + 1);
    size_t limit = MOST_POINTS / r->team.each + 1, first = j * r->team.each, m = 0;
    for (size_t c = first; c < first + r->team.each; c++) {
        size_t want = steps - r->done[c], most = want + QUEUE;
        most = most < limit ? most : limit;
        double each = ceil(1.1 * (double)want / rate);
        size_t n = each < (double)most ? (size_t)each : most;
        for (size_t i = 0; want > 0 && i < n; i++)
            chain[m++] = (uint32_t)c;
    }
    return m;
}

/* Whole groups from FROM on, until a call is full, at most twice MOST_POINTS and a group. */
static size_t lay_points(const run *r, size_t *from, size_t steps, uint32_t *chain)
{
    size_t m = 0;
    for (; *from < r->team.n_groups && m < MOST_POINTS; ++*from)
        m += lay_group(r, *from, steps, chain + m);
    return m;
}

/* A draw beyond those that are asked for waits for the next call. */
static void keep(run *r, const batch *b, size_t i, nre_draws *out)
{
    size_t c = b->chain[i], d = r->team.dim;
    double logp = b->log_prior[i] + b->log_ratio[i];
    if (r->done[c] < out->n_steps) {
        write_draw(&r->team, out, r->done[c]++, c, b->z + i * d, logp);
        return;
    }
    double *to = r->queue + (c * QUEUE + r->queued[c]++) * (d + 1);
    memcpy(to, b->z + i * d, d * sizeof *to);
    to[d] = logp;
}

/* What waited is written first. */
static void begin(run *r, nre_draws *out)
{
    size_t wide = r->team.dim + 1;
    for (size_t c = 0; c < r->team.n; c++) {
        double *queue = r->queue + c * QUEUE * wide;
        size_t n = r->queued[c] < out->n_steps ? r->queued[c] : out->n_steps;
        r->done[c] = 0;
        for (size_t i = 0; i < n; i++)
            write_draw(&r->team, out, r->done[c]++, c, queue + i * wide,
                       queue[i * wide + r->team.dim]);
        r->queued[c] -= n;
        memmove(queue, queue + n * wide, r->queued[c] * wide * sizeof *queue);
    }
}

static int check_rates(const run *r)
{
    int status = NRE_OK;
    for (size_t j = 0; status == NRE_OK && j < r->team.n_groups; j++)
        status = check_rate(r, &r->group[j]);
    return status;
}

static int draw(run *r, nre_draws *out)
{
    size_t from = 0, m = 1;
    batch b = {0};
    int status = take_batch(r, 2 * MOST_POINTS + r->team.each, &b);
    begin(r, out);
    while (status == NRE_OK && m > 0) {
        m = lay_points(r, &from, out->n_steps, b.chain);
        if (m == 0 && from > 0) {
            from = 0;
            m = lay_points(r, &from, out->n_steps, b.chain);
        }
        status = m > 0 ? draw_candidates(r, &b, m) : NRE_OK;
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < m; i++)
            if (decide(r, &b, i, 0))
                keep(r, &b, i, out);
        status = check_rates(r);
    }
    return status;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    count_anew(&r->team);
    int status = warmup ? warm_up(r, out) : draw(r, out);
    tell(&r->team, out);
    return status;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "rejection",
    .version = "1.0.0",
    .summary = "Exact independent draws: from the prior, kept by their ratio.",
    .reference = "von Neumann 1951",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

/* infer/chains.c - drive a sampler plugin over posteriors. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 100,               /* a block, at most: between looks at the wish to stop */
    BLOCK_POINTS = 16384,      /* of a block, about */
    FENCE = 64,                /* doubles behind each array that must stay as they are */
    MOST_WEIGHTED = 1 << 24,   /* points of a weighted sampler, of all groups */
    POINTS_AT_ONCE = 4096,     /* chains sampled together */
    BYTES_AT_ONCE = 256 << 20, /* their draws */
    FEW_CHAINS = 8,            /* fewer start from the prior's draws where these do: */
    FEW_DRAWS = 100,           /* so many of them, worth */
    DRAWS_A_CHAIN = 10         /* for each chain */
};
static const double FENCE_VALUE = -7.0588235294117645e77;

/* a run */

typedef struct running {
    const nre_plugin *table;
    const nre_sampler_ops *ops;
    const instance *sampler;
    const chains_plan *plan;
    const char *const *purpose; /* [n_groups] of the streams */
    chains *out;                /* [n_groups] */
    sampled target;
    size_t n, n_groups; /* chains, of all groups */
    nre_host *host;
    void *run;
    bool started;
    rng *stream;        /* [n] */
    nre_rng **pointer;  /* [n] */
    double *z0;         /* [n][dim] */
    double *block;      /* of a step: z, logp, log_weight, each with its fence */
    nre_counts *counts; /* [2][n_groups] of a step; of all draws after warm-up */
    nre_counts all;     /* likewise of all groups */
    bool finished;
    double *z, *log_posterior, *log_weight; /* [room][n][..] kept */
    size_t kept, room, steps;               /* steps; of a block at most */
    bool weighted;
} running;

static int lay_run(running *r)
{
    size_t n = r->n, d = r->target.api.dim, per = r->plan->n_chains;
    r->steps = n * STEPS < BLOCK_POINTS ? STEPS : BLOCK_POINTS / n + 1;
    r->stream = memory_new(n, sizeof *r->stream);
    r->pointer = memory_new(n, sizeof(nre_rng *));
    r->z0 = memory_new(n * d, sizeof *r->z0);
    r->block = memory_new(r->steps * n * (d + 2) + 3 * FENCE, sizeof *r->block);
    r->counts = memory_new(2 * r->n_groups, sizeof *r->counts);
    if (!r->stream || !r->pointer || !r->z0 || !r->block || !r->counts)
        return fail(NRE_ENOMEM, "no memory for %zu chains", n);
    for (size_t i = 0; i < n; i++) {
        rng_start(&r->stream[i], rng_purpose(r->plan->seed, "%s", r->purpose[i / per]),
                  i % per, 0);
        r->pointer[i] = &r->stream[i].api;
    }
    return NRE_OK;
}

static int grow(double **array, size_t n)
{
    double *p = reallocarray(*array, n, sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for %zu values of a chain", n);
    *array = p;
    return NRE_OK;
}

static int make_room(running *r, size_t steps)
{
    size_t n = r->n;
    if (steps <= r->room)
        return NRE_OK;
    if (r->weighted)
        steps = r->room > 0 && steps < 2 * r->room ? 2 * r->room : steps;
    else
        steps = r->plan->draws;
    int status = grow(&r->z, steps * n * r->target.api.dim);
    if (status == NRE_OK)
        status = grow(&r->log_posterior, steps * n);
    if (status == NRE_OK)
        status = grow(&r->log_weight, r->weighted ? steps * n : 1);
    if (status == NRE_OK)
        r->room = steps;
    return status;
}

/* start points */

/* The N <= c->n of largest weight, spread apart; their weights are lost. */
static void choose(const target *t, cloud *c, rng *r, size_t n, double *z0)
{
    for (size_t i = 0; i < c->n; i++)
        c->weight[i] = c->weight[i] > 0 ? log(rng_uniform(r)) / c->weight[i] : -INFINITY;
    for (size_t i = 0; i < n; i++) {
        size_t best = c->n;
        for (size_t j = 0; j < c->n; j++)
            if (!isnan(c->weight[j]) && (best == c->n || c->weight[j] > c->weight[best]))
                best = j;
        c->weight[best] = NAN; /* taken */
        unbounded_of(t, 1, c->theta + best * c->dim, z0 + i * c->dim);
    }
}

/* As good a cloud as N chains need: a small one where they are few and the posterior is wide. */
static cloud_plan start_plan(size_t n)
{
    if (n >= FEW_CHAINS)
        return (cloud_plan){0};
    return (cloud_plan){.n_prior = FEW_DRAWS, .enough = DRAWS_A_CHAIN * (double)n};
}

/* A weighted sampler finds the posterior itself. */
static int start_in_prior(const running *r, size_t group, rng *stream)
{
    const posterior *p = r->target.posterior;
    const target *t = posterior_target(p);
    size_t n = r->plan->n_chains;
    double *theta = memory_new(n, t->n * sizeof *theta);
    int status = theta ? posterior_sample(p, stream, n, theta)
                       : fail(NRE_ENOMEM, "no memory for %zu starting points", n);
    if (status == NRE_OK)
        unbounded_of(t, n, theta, r->z0 + group * n * t->n);
    free(theta);
    return status;
}

/* Importance samples, drawn without putting back (Efraimidis & Spirakis 2006): the
 * largest log(u) / w are the draw, so that chains start apart even where few samples
 * carry the weight. */
static int start_points(void *context, size_t group, unsigned thread)
{
    rng stream;
    running *r = context;
    sampled *s = &r->target;
    size_t n = r->plan->n_chains;
    cloud *c = &s->lane[thread].cloud;
    cloud_plan few = start_plan(n);
    ratio_worker *w = NULL;
    rng_start(&stream, rng_purpose(r->plan->seed, "%s/start", r->purpose[group]), 0, 0);
    if (r->weighted)
        return start_in_prior(r, group, &stream);
    int status = sampled_worker(s, thread, &w);
    if (status == NRE_OK)
        status = cloud_of(s->posterior, w, s->observed, s->row + group, s->n_rows, &few,
                          &stream, c);
    if (status == NRE_OK)
        status = cloud_somewhere(c, s->row + group);
    if (status == NRE_OK && c->n < n)
        status =
            fail(NRE_EINVAL, "%zu chains are more than the %zu points to start them from",
                 n, c->n);
    if (status == NRE_OK)
        choose(posterior_target(s->posterior), c, &stream, n,
               r->z0 + group * n * s->api.dim);
    return status;
}

/* What a plugin's call became: a failure of the log density keeps its own status and
 * sentence. */
static int call_status(running *r, const char *function, int status)
{
    if (r->target.status != NRE_OK) {
        error_set(r->target.message);
        return fail_within(r->target.status, "sampler '%s'", r->table->name);
    }
    return status == NRE_OK ? NRE_OK : plugin_failed(r->table, function, status);
}

/* *ALONE when the sampler does not take so many groups. */
static int start(running *r, bool *alone)
{
    if ((r->ops->flags & NRE_NEEDS_GRADIENT) && !r->target.api.has_gradient)
        return fail(NRE_ENOTSUP,
                    "sampler '%s' needs gradients, which this posterior has not",
                    r->table->name);
    int status = host_new(r->table->name, r->plan->services, &r->host);
    if (status == NRE_OK)
        status = pool_run(r->target.pool, r->n_groups, start_points, r);
    if (status != NRE_OK)
        return status;
    crash_enter(r->table, "start", 1, 0);
    status = r->ops->start(r->sampler->self, r->host, &r->target.api, r->n, r->z0,
                           r->pointer, &r->run);
    crash_leave();
    r->started = status == NRE_OK;
    *alone = status == NRE_ENOTSUP && r->n_groups > 1 && r->target.status == NRE_OK;
    return call_status(r, "start", status);
}

/* steps */

static void set_fences(double *at, size_t used)
{
    for (size_t i = 0; i < FENCE; i++)
        at[used + i] = FENCE_VALUE;
}

static bool fences_hold(const double *at, size_t used)
{
    for (size_t i = 0; i < FENCE; i++)
        if (at[used + i] != FENCE_VALUE)
            return false;
    return true;
}

/* Whether all of them are; sums are finite only then, and quick. */
static bool all_finite(size_t n, const double *value)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i] * 0;
    return sum == 0;
}

/* What came out of a step: room kept to, numbers that are numbers. */
static int check_block(const running *r, size_t asked, const nre_draws *b)
{
    size_t n = r->n, d = r->target.api.dim;
    if (b->n_steps > asked || !fences_hold(b->z, asked * n * d) ||
        !fences_hold(b->logp, asked * n) || !fences_hold(b->log_weight, asked * n))
        return fail(NRE_EPLUGIN,
                    "sampler '%s': step() wrote past the %zu steps it had room for",
                    r->table->name, asked);
    if (b->n_steps == 0 && !b->finished)
        return fail(NRE_EPLUGIN, "sampler '%s': step() drew nothing and has not finished",
                    r->table->name);
    for (size_t i = 0; i < b->n_steps * n; i++)
        if (isnan(b->logp[i]) || isnan(b->log_weight[i]) ||
            b->log_weight[i] == INFINITY || !all_finite(d, b->z + i * d))
            return fail(NRE_ENUMERIC, "sampler '%s': a draw of chain %zu is not finite",
                        r->table->name, i % r->plan->n_chains);
    return NRE_OK;
}

static int step(running *r, size_t steps, bool warmup, nre_draws *b)
{
    size_t n = r->n, d = r->target.api.dim;
    *b = (nre_draws){
        .struct_size = sizeof *b, .n_steps = steps, .z = r->block, .of_group = r->counts};
    b->logp = b->z + steps * n * d + FENCE;
    b->log_weight = b->logp + steps * n + FENCE;
    memset(r->block, 0, (steps * n * (d + 2) + 2 * FENCE) * sizeof *b->z);
    memset(r->counts, 0, r->n_groups * sizeof *r->counts);
    set_fences(b->z, steps * n * d);
    set_fences(b->logp, steps * n);
    set_fences(b->log_weight, steps * n);
    crash_enter(r->table, "step", 1, 0);
    int status = r->ops->step(r->run, warmup, b);
    crash_leave();
    status = call_status(r, "step", status);
    return status == NRE_OK ? check_block(r, steps, b) : status;
}

/* Evaluations are counted from the first step on, all else after warm-up. */
static void count(running *r, const nre_draws *b, bool warmup)
{
    r->all.n_evaluate += b->n_evaluate;
    for (size_t g = 0; g < r->n_groups; g++)
        r->counts[r->n_groups + g].n_evaluate += r->counts[g].n_evaluate;
    if (warmup)
        return;
    r->all.n_accept += b->n_accept;
    r->all.n_propose += b->n_propose;
    r->all.n_divergent += b->n_divergent;
    for (size_t g = 0; g < r->n_groups; g++) {
        nre_counts *sum = &r->counts[r->n_groups + g];
        sum->n_accept += r->counts[g].n_accept;
        sum->n_propose += r->counts[g].n_propose;
        sum->n_divergent += r->counts[g].n_divergent;
    }
}

static int keep(running *r, const nre_draws *b)
{
    size_t n = r->n, d = r->target.api.dim, at = r->kept * n;
    int status = make_room(r, r->kept + b->n_steps);
    if (status != NRE_OK)
        return status;
    memcpy(r->z + at * d, b->z, b->n_steps * n * d * sizeof *b->z);
    memcpy(r->log_posterior + at, b->logp, b->n_steps * n * sizeof *b->logp);
    if (r->weighted)
        memcpy(r->log_weight + at, b->log_weight, b->n_steps * n * sizeof *b->logp);
    r->kept += b->n_steps;
    r->finished = b->finished;
    return NRE_OK;
}

static int report(const running *r, const char *what, size_t done, size_t total)
{
    return progress_report(r->plan->watch, what, done * r->n, total * r->n, "draws",
                           NULL);
}

static int warm_up(running *r)
{
    for (size_t done = 0; done < r->plan->warmup && !r->weighted;) {
        nre_draws b;
        size_t left = r->plan->warmup - done;
        int status = step(r, left < r->steps ? left : r->steps, true, &b);
        if (status != NRE_OK)
            return status;
        count(r, &b, true);
        if (b.finished)
            return fail(NRE_EPLUGIN, "sampler '%s': finished during warm-up",
                        r->table->name);
        done += b.n_steps;
        status = report(r, "warm-up", done, r->plan->warmup);
        if (status != NRE_OK)
            return status;
    }
    return NRE_OK;
}

/* Chains until there are as many draws as planned, a weighted sampler until it has
 * finished.  *ALONE when that is too much for all groups together. */
static int sample(running *r, bool *alone)
{
    while (!r->finished && (r->weighted || r->kept < r->plan->draws)) {
        nre_draws b;
        size_t left = r->weighted ? r->steps : r->plan->draws - r->kept;
        int status = step(r, left < r->steps ? left : r->steps, false, &b);
        if (status == NRE_OK)
            status = keep(r, &b);
        if (status != NRE_OK)
            return status;
        count(r, &b, false);
        status = report(r, "sampling", r->kept, r->weighted ? r->kept : r->plan->draws);
        if (status != NRE_OK)
            return status;
        *alone = r->weighted && r->n_groups > 1 && r->kept * r->n > MOST_WEIGHTED;
        if (r->kept * r->n > MOST_WEIGHTED && r->weighted)
            return fail(NRE_ENOTSUP, "sampler '%s' gave more than %d weighted points",
                        r->table->name, MOST_WEIGHTED);
    }
    return r->kept > 0 ? NRE_OK
                       : fail(NRE_EPLUGIN, "sampler '%s' finished without a draw",
                              r->table->name);
}

static void run_release(running *r)
{
    if (r->started && NRE_HAS(r->ops, stop)) {
        crash_enter(r->table, "stop", 1, 0);
        r->ops->stop(r->run);
        crash_leave();
    }
    host_free(r->host);
    free(r->stream);
    free(r->pointer);
    free(r->z0);
    free(r->block);
    free(r->counts);
    free(r->z);
    free(r->log_posterior);
    free(r->log_weight);
    sampled_close(&r->target);
}

/* results */

/* From [draw][chain] in the unbounded space to [chain][draw] in natural units. */
static void collect_draws(const running *r, size_t group, chains *out)
{
    size_t n = out->n_chains, d = out->dim;
    const target *t = posterior_target(r->target.posterior);
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < out->n_draws; i++) {
            size_t from = i * r->n + group * n + c, to = c * out->n_draws + i;
            double log_jacobian;
            unbounded_back(t, 1, r->z + from * d, out->theta + to * d, &log_jacobian,
                           NULL, NULL);
            out->log_posterior[to] = r->log_posterior[from] - log_jacobian;
            if (out->weight)
                out->weight[to] = r->log_weight[from];
        }
}

/* Log weights to weights that sum to 1. */
static int normalise(chains *c)
{
    size_t n = c->n_chains * c->n_draws;
    double most = -INFINITY, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, c->weight[i]);
    if (!(most > -INFINITY))
        return fail(NRE_ENUMERIC, "all %zu weighted points have weight zero", n);
    for (size_t i = 0; i < n; i++) {
        c->weight[i] = exp(c->weight[i] - most);
        sum += c->weight[i];
    }
    for (size_t i = 0; i < n; i++) {
        c->weight[i] /= sum;
        squares += c->weight[i] * c->weight[i];
    }
    c->effective = 1 / squares;
    return NRE_OK;
}

static int weigh(const running *r, chains *c)
{
    for (size_t k = 0; k < c->dim; k++)
        c->r_hat[k] = c->ess_bulk[k] = c->ess_tail[k] = NAN;
    int status = r->ops->flags & NRE_IMPORTANCE
                     ? pareto_smooth(c->n_chains * c->n_draws, c->weight, &c->k_hat)
                     : NRE_OK;
    return status == NRE_OK ? normalise(c) : status;
}

static int diagnose(chains *c)
{
    size_t n = c->n_chains * c->n_draws;
    double *value = memory_new(n, sizeof *value);
    if (!value)
        return fail(NRE_ENOMEM, "no memory to look at %zu draws", n);
    c->effective = INFINITY;
    for (uint32_t k = 0; k < c->dim; k++) {
        for (size_t i = 0; i < n; i++)
            value[i] = c->theta[i * c->dim + k];
        convergence_of(c->n_chains, c->n_draws, value, &c->r_hat[k], &c->ess_bulk[k],
                       &c->ess_tail[k]);
        if (isnan(c->ess_bulk[k]) || c->ess_bulk[k] < c->effective)
            c->effective = isnan(c->effective) ? NAN : c->ess_bulk[k];
    }
    free(value);
    return NRE_OK;
}

/* What the sampler counted for a group, else its share of what it counted for all. */
static void take_counts(const running *r, size_t group, chains *out)
{
    const nre_counts *own = r->counts + r->n_groups;
    nre_counts sum = {0}, c = own[group];
    size_t groups = r->n_groups > 0 ? r->n_groups : 1;
    for (size_t g = 0; g < r->n_groups; g++) {
        sum.n_propose += own[g].n_propose;
        sum.n_evaluate += own[g].n_evaluate;
        sum.n_divergent += own[g].n_divergent;
    }
    if (sum.n_propose == 0)
        c.n_propose = r->all.n_propose, c.n_accept = r->all.n_accept;
    out->acceptance = c.n_propose > 0 ? (double)c.n_accept / (double)c.n_propose : NAN;
    out->evaluations = sum.n_evaluate > 0 ? c.n_evaluate : r->all.n_evaluate / groups;
    out->divergent = sum.n_divergent > 0 ? c.n_divergent : r->all.n_divergent / groups;
}

static int collect(void *context, size_t group, unsigned thread)
{
    const running *r = context;
    size_t n = r->plan->n_chains * r->kept, d = r->target.api.dim;
    chains *out = &r->out[group];
    (void)thread;
    *out = (chains){.dim = (uint32_t)d,
                    .n_chains = r->plan->n_chains,
                    .n_draws = r->kept,
                    .k_hat = NAN};
    out->theta = memory_new(n * d, sizeof(double));
    out->log_posterior = memory_new(n, sizeof(double));
    out->weight = r->weighted ? memory_new(n, sizeof(double)) : NULL;
    out->r_hat = memory_new(3 * d, sizeof(double));
    if (!out->theta || !out->log_posterior || !out->r_hat ||
        (r->weighted && !out->weight))
        return fail(NRE_ENOMEM, "no memory for %zu draws", n);
    out->ess_bulk = out->r_hat + d;
    out->ess_tail = out->ess_bulk + d;
    take_counts(r, group, out);
    collect_draws(r, group, out);
    return r->weighted ? weigh(r, out) : diagnose(out);
}

/* one row, or several */

static int check_plan(const chains_plan *how, size_t n_groups)
{
    if (how->n_chains == 0 || how->draws == 0 || how->n_chains > UINT32_MAX / n_groups)
        return fail(NRE_EINVAL, "sampling needs at least one chain and one draw");
    return NRE_OK;
}

/* Rows ROW .. as N_GROUPS groups, or one group of the sum over N_ROWS rows. */
static int sample_groups(const instance *sampler, const posterior *p, const observed *o,
                         size_t row, size_t n_rows, size_t n_groups,
                         const char *const *purpose, const chains_plan *how, chains *out,
                         bool *alone)
{
    const nre_plugin *table = sampler->plugin->table;
    running r = {.table = table,
                 .ops = table->ops.sampler,
                 .sampler = sampler,
                 .plan = how,
                 .purpose = purpose,
                 .out = out,
                 .n = how->n_chains * n_groups,
                 .n_groups = n_groups};
    pool *threads = how->services ? how->services->workers : NULL;
    memset(out, 0, n_groups * sizeof *out);
    int status = check_plan(how, n_groups);
    if (status != NRE_OK)
        return status;
    r.weighted = (r.ops->flags & NRE_WEIGHTED) != 0;
    status = sampled_open(p, o, row, n_rows, n_groups, how->n_chains, threads, &r.target);
    if (status == NRE_OK)
        status = lay_run(&r);
    if (status == NRE_OK)
        status = start(&r, alone);
    if (status == NRE_OK)
        status = warm_up(&r);
    if (status == NRE_OK)
        status = sample(&r, alone);
    if (status == NRE_OK)
        status = pool_run(threads, n_groups, collect, &r);
    run_release(&r);
    for (size_t g = 0; status != NRE_OK && g < n_groups; g++)
        chains_release(&out[g]);
    return status;
}

int chains_of(const instance *sampler, const posterior *p, const observed *o, size_t row,
              size_t n_rows, const chains_plan *how, chains *out)
{
    bool alone = false;
    return sample_groups(sampler, p, o, row, n_rows, 1, &how->purpose, how, out, &alone);
}

static int one_by_one(const instance *sampler, const posterior *p, const observed *o,
                      size_t first, size_t n, const char *const *purpose,
                      const chains_plan *how, chains *out)
{
    int status = NRE_OK;
    for (size_t i = 0; i < n && status == NRE_OK; i++) {
        chains_plan one = *how;
        one.purpose = purpose[i];
        status = chains_of(sampler, p, o, first + i, 1, &one, &out[i]);
        for (size_t k = 0; status != NRE_OK && k < i; k++)
            chains_release(&out[k]);
        if (status != NRE_OK && n > 1)
            status = fail_within(status, "row %zu", first + i);
    }
    return status;
}

int chains_of_rows(const instance *sampler, const posterior *p, const observed *o,
                   size_t first, size_t n, const chains_plan *how, chains *out)
{
    bool alone = false;
    arena *memory = arena_new();
    const char **purpose = memory ? arena_alloc(memory, n + 1, sizeof *purpose) : NULL;
    int status = purpose ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < n && status == NRE_OK; i++)
        if (!(purpose[i] = arena_print(memory, "%s/%zu", how->purpose, first + i)))
            status = fail(NRE_ENOMEM, "no memory for %zu rows", n);
    if (status == NRE_OK && n > 0)
        status = sample_groups(sampler, p, o, first, 1, n, purpose, how, out, &alone);
    if (alone)
        status = one_by_one(sampler, p, o, first, n, purpose, how, out);
    arena_free(memory);
    return status;
}

size_t chains_at_once(const chains_plan *how, uint32_t dim)
{
    size_t by_points = POINTS_AT_ONCE / (how->n_chains < 1 ? 1 : how->n_chains);
    double bytes = 2.0 * sizeof(double) * (double)(dim + 2) * (double)how->n_chains *
                   (double)how->draws;
    double by_memory = BYTES_AT_ONCE / bytes;
    size_t n = by_memory < (double)by_points ? (size_t)by_memory : by_points;
    return n > 0 ? n : 1;
}

void chains_release(chains *c)
{
    free(c->theta);
    free(c->log_posterior);
    free(c->weight);
    free(c->r_hat);
    *c = (chains){0};
}

/* infer/chains.c - drive a sampler plugin over a posterior. */
#include "infer/infer.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 100,            /* a block: between looks at the wish to stop */
    FENCE = 64,             /* doubles behind each array that must stay as they are */
    MOST_WEIGHTED = 1 << 24 /* points of a weighted sampler */
};
static const double FENCE_VALUE = -7.0588235294117645e77;

/* what the sampler sees */

/* The posterior in the unbounded space, behind the plugin's nre_target. */
typedef struct sampled {
    nre_target api; /* first */
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    pthread_mutex_t lock; /* one worker, while log densities may be asked in any thread */
    int status;           /* of the first call that failed */
    char message[512];
    room memory;
    double *bound; /* [2][dim] */
} sampled;

/* The arrays that one log-density call needs. */
typedef struct arrays {
    double *theta, *jacobian, *valid, *derivative, *slope, *prior_gradient,
        *ratio_gradient, *valid_gradient;
} arrays;

static int take_arrays(sampled *s, size_t n, bool gradient, arrays *out)
{
    size_t d = s->api.dim, wide = gradient ? 5 : 0;
    double *p = room_take(&s->memory, n * (d * (1 + wide) + 2), sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for the log density of %zu points", n);
    *out = (arrays){.theta = p, .jacobian = p + n * d, .valid = p + n * (d + 1)};
    p += n * (d + 2);
    if (gradient)
        *out = (arrays){out->theta, out->jacobian, out->valid,    p,
                        p + n * d,  p + 2 * n * d, p + 3 * n * d, p + 4 * n * d};
    return NRE_OK;
}

static int log_densities(sampled *s, const arrays *a, size_t n, const double *z,
                         double *log_prior, double *log_ratio)
{
    const ratio *r = s->posterior->ratio;
    const target *t = posterior_target(s->posterior);
    unbounded_back(t, n, z, a->theta, a->jacobian, a->derivative, a->slope);
    int status = prior_log_density(t->prior, t->n, t->which, n, a->theta, log_prior,
                                   a->prior_gradient);
    if (status == NRE_OK)
        status = ratio_joint(r, s->worker, s->observed, s->row, s->n_rows, n, a->theta,
                             log_ratio, a->ratio_gradient);
    if (status != NRE_OK)
        return status;
    validity_log(s->posterior->validity, n, a->theta, a->valid, a->valid_gradient);
    for (size_t i = 0; i < n; i++) {
        log_prior[i] += a->jacobian[i];
        log_ratio[i] += a->valid[i];
        if (isnan(log_prior[i]) || isnan(log_ratio[i]) || log_prior[i] == INFINITY)
            return fail(NRE_ENUMERIC, "the log posterior is %g + %g at %s", log_prior[i],
                        log_ratio[i], point_describe(t, a->theta + i * t->n).text);
    }
    return NRE_OK;
}

/* By z: the chain rule, and the Jacobian's own slope beside the prior's. */
static void gradients(const sampled *s, const arrays *a, size_t n, double *by_prior,
                      double *by_ratio)
{
    for (size_t i = 0; i < n * s->api.dim; i++) {
        if (by_prior)
            by_prior[i] = a->prior_gradient[i] * a->derivative[i] + a->slope[i];
        if (by_ratio)
            by_ratio[i] =
                (a->ratio_gradient[i] + a->valid_gradient[i]) * a->derivative[i];
    }
}

static int logp(const nre_target *t, size_t n, const uint32_t *chain, const double *z,
                double *log_prior, double *log_ratio, double *grad_prior,
                double *grad_ratio)
{
    sampled *s = (sampled *)(uintptr_t)t;
    bool gradient = grad_prior || grad_ratio;
    arrays a = {0};
    (void)chain;
    pthread_mutex_lock(&s->lock);
    crash_enter(NULL, "logp", 1, 0);
    int status = gradient && !t->has_gradient
                     ? fail(NRE_ENOTSUP, "this posterior has no gradient")
                     : take_arrays(s, n, gradient, &a);
    if (status == NRE_OK)
        status = log_densities(s, &a, n, z, log_prior, log_ratio);
    if (status == NRE_OK && gradient)
        gradients(s, &a, n, grad_prior, grad_ratio);
    if (status != NRE_OK && s->status == NRE_OK) {
        s->status = status;
        snprintf(s->message, sizeof s->message, "%s", error_message());
    }
    crash_leave();
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* Points of the plugin's own streams, so that what is drawn does not depend on who else
 * draws. */
static int draw_prior(const nre_target *t, size_t n, nre_rng *const *stream, double *z)
{
    const sampled *s = (const sampled *)(const void *)t;
    const target *of = posterior_target(s->posterior);
    for (size_t i = 0; i < n; i++) {
        rng one;
        rng_key key;
        key.word[0] = stream[i]->bits(stream[i]);
        key.word[1] = stream[i]->bits(stream[i]);
        rng_start(&one, key, 0, 0);
        int status = target_sample(of, &one, 1, z + i * of->n);
        if (status != NRE_OK)
            return status;
        unbounded_of(of, 1, z + i * of->n, z + i * of->n);
    }
    return NRE_OK;
}

static int quantile(const nre_target *t, size_t n, const double *u, double *z)
{
    const sampled *s = (const sampled *)(const void *)t;
    const target *of = posterior_target(s->posterior);
    if (of->prior->custom)
        return fail(NRE_ENOTSUP,
                    "a custom joint prior has no quantiles: use another sampler");
    for (size_t i = 0; i < n * of->n; i++) {
        const marginal *m = target_marginal(of, (uint32_t)(i % of->n));
        if (!(u[i] > 0 && u[i] < 1))
            return fail(NRE_EINVAL, "a quantile was asked for at %g, outside (0, 1)",
                        u[i]);
        z[i] = marginal_to_unbounded(m, marginal_quantile(m, u[i]));
    }
    return NRE_OK;
}

static int sampled_open(const posterior *p, const observed *o, size_t row, size_t n_rows,
                        sampled *s)
{
    uint32_t d = posterior_target(p)->n;
    *s = (sampled){.posterior = p, .observed = o, .row = row, .n_rows = n_rows};
    pthread_mutex_init(&s->lock, NULL);
    s->bound = memory_new(2 * (size_t)d, sizeof *s->bound);
    if (!s->bound)
        return fail(NRE_ENOMEM, "no memory for a posterior of %u parameters", d);
    for (uint32_t k = 0; k < d; k++)
        s->bound[k] = -INFINITY, s->bound[d + k] = INFINITY;
    s->api = (nre_target){.struct_size = sizeof s->api,
                          .dim = d,
                          .n_groups = 1,
                          .has_gradient = p->ratio->has_gradient &&
                                          !posterior_target(p)->prior->custom,
                          .logp = logp,
                          .draw_prior = draw_prior,
                          .quantile = quantile,
                          .lo = s->bound,
                          .hi = s->bound + d};
    return ratio_worker_new(p->ratio, &s->worker);
}

static void sampled_close(sampled *s)
{
    ratio_worker_free(s->worker);
    room_release(&s->memory);
    free(s->bound);
    pthread_mutex_destroy(&s->lock);
}

/* start points */

/* Importance samples, drawn without putting back (Efraimidis & Spirakis 2006): the
 * largest log(u) / w are the draw, so that chains start apart even where few samples
 * carry the weight. */
static int start_points(sampled *s, const chains_plan *how, double *z0)
{
    rng r;
    cloud c = {0};
    size_t d = s->api.dim;
    const target *t = posterior_target(s->posterior);
    rng_start(&r, rng_purpose(how->seed, "%s/start", how->purpose), 0, 0);
    int status =
        cloud_of(s->posterior, s->worker, s->observed, s->row, s->n_rows, NULL, &r, &c);
    if (status != NRE_OK)
        goto out;
    if (c.n < how->n_chains) {
        status =
            fail(NRE_EINVAL, "%zu chains are more than the %zu points to start them from",
                 how->n_chains, c.n);
        goto out;
    }
    for (size_t i = 0; i < c.n; i++)
        c.weight[i] = c.weight[i] > 0 ? log(rng_uniform(&r)) / c.weight[i] : -INFINITY;
    for (size_t i = 0; i < how->n_chains; i++) {
        size_t best = 0;
        for (size_t j = 1; j < c.n; j++)
            best = c.weight[j] > c.weight[best] ? j : best;
        c.weight[best] = NAN; /* never larger than anything again */
        unbounded_of(t, 1, c.theta + best * d, z0 + i * d);
    }
out:
    cloud_release(&c);
    return status;
}

/* a run */

typedef struct running {
    const nre_plugin *table;
    const nre_sampler_ops *ops;
    const instance *sampler;
    const chains_plan *plan;
    sampled target;
    nre_host *host;
    void *run;
    bool started;
    rng *stream;       /* [n_chains] */
    nre_rng **pointer; /* [n_chains] */
    double *z0;        /* [n_chains][dim] */
    double *block;     /* of a step: z, logp, log_weight, each with its fence */
    nre_draws draws;   /* counters of all draws after warm-up */
    double *z, *log_posterior, *log_weight; /* [room][n_chains][..] kept */
    size_t kept, room;                      /* steps */
    bool weighted;
} running;

static int lay_run(running *r)
{
    size_t n = r->plan->n_chains, d = r->target.api.dim;
    r->stream = memory_new(n, sizeof *r->stream);
    r->pointer = memory_new(n, sizeof(nre_rng *));
    r->z0 = memory_new(n * d, sizeof *r->z0);
    r->block = memory_new(STEPS * n * (d + 2) + 3 * FENCE, sizeof *r->block);
    if (!r->stream || !r->pointer || !r->z0 || !r->block)
        return fail(NRE_ENOMEM, "no memory for %zu chains", n);
    for (size_t i = 0; i < n; i++) {
        rng_start(&r->stream[i], rng_purpose(r->plan->seed, "%s", r->plan->purpose), i,
                  0);
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
    size_t n = r->plan->n_chains;
    if (steps <= r->room)
        return NRE_OK;
    steps = r->room > 0 && steps < 2 * r->room ? 2 * r->room : steps;
    int status = grow(&r->z, steps * n * r->target.api.dim);
    if (status == NRE_OK)
        status = grow(&r->log_posterior, steps * n);
    if (status == NRE_OK)
        status = grow(&r->log_weight, steps * n);
    if (status == NRE_OK)
        r->room = steps;
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

static int start(running *r)
{
    if ((r->ops->flags & NRE_NEEDS_GRADIENT) && !r->target.api.has_gradient)
        return fail(NRE_ENOTSUP,
                    "sampler '%s' needs gradients, which this posterior has not",
                    r->table->name);
    int status = start_points(&r->target, r->plan, r->z0);
    if (status == NRE_OK)
        status = host_new(r->table->name, r->plan->services, &r->host);
    if (status != NRE_OK)
        return status;
    crash_enter(r->table, "start", 1, 0);
    status = r->ops->start(r->sampler->self, r->host, &r->target.api, r->plan->n_chains,
                           r->z0, r->pointer, &r->run);
    crash_leave();
    r->started = status == NRE_OK;
    return call_status(r, "start", status);
}

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

/* What came out of a step: room kept to, numbers that are numbers. */
static int check_block(const running *r, size_t asked, const nre_draws *b)
{
    size_t n = r->plan->n_chains, d = r->target.api.dim;
    if (b->n_steps > asked || !fences_hold(b->z, asked * n * d) ||
        !fences_hold(b->logp, asked * n) || !fences_hold(b->log_weight, asked * n))
        return fail(NRE_EPLUGIN,
                    "sampler '%s': step() wrote past the %zu steps it had room for",
                    r->table->name, asked);
    if (b->n_steps == 0 && !b->finished)
        return fail(NRE_EPLUGIN, "sampler '%s': step() drew nothing and has not finished",
                    r->table->name);
    for (size_t i = 0; i < b->n_steps * n; i++) {
        bool ok =
            !isnan(b->logp[i]) && !isnan(b->log_weight[i]) && b->log_weight[i] < INFINITY;
        for (size_t k = 0; k < d; k++)
            ok = ok && isfinite(b->z[i * d + k]);
        if (!ok)
            return fail(NRE_ENUMERIC, "sampler '%s': a draw of chain %zu is not finite",
                        r->table->name, i % n);
    }
    return NRE_OK;
}

static int step(running *r, size_t steps, bool warmup, nre_draws *b)
{
    size_t n = r->plan->n_chains, d = r->target.api.dim;
    *b = (nre_draws){.struct_size = sizeof *b, .n_steps = steps, .z = r->block};
    b->logp = b->z + steps * n * d + FENCE;
    b->log_weight = b->logp + steps * n + FENCE;
    memset(b->z, 0, steps * n * d * sizeof *b->z);
    memset(b->logp, 0, steps * n * sizeof *b->logp);
    memset(b->log_weight, 0, steps * n * sizeof *b->log_weight);
    set_fences(b->z, steps * n * d);
    set_fences(b->logp, steps * n);
    set_fences(b->log_weight, steps * n);
    crash_enter(r->table, "step", 1, 0);
    int status = r->ops->step(r->run, warmup, b);
    crash_leave();
    status = call_status(r, "step", status);
    return status == NRE_OK ? check_block(r, steps, b) : status;
}

static int keep(running *r, const nre_draws *b)
{
    size_t n = r->plan->n_chains, d = r->target.api.dim, at = r->kept * n;
    int status = make_room(r, r->kept + b->n_steps);
    if (status != NRE_OK)
        return status;
    memcpy(r->z + at * d, b->z, b->n_steps * n * d * sizeof *b->z);
    memcpy(r->log_posterior + at, b->logp, b->n_steps * n * sizeof *b->logp);
    memcpy(r->log_weight + at, b->log_weight, b->n_steps * n * sizeof *b->logp);
    r->kept += b->n_steps;
    r->draws.n_accept += b->n_accept;
    r->draws.n_propose += b->n_propose;
    r->draws.n_divergent += b->n_divergent;
    r->draws.finished = b->finished;
    return NRE_OK;
}

static int report(const running *r, const char *what, size_t done, size_t total)
{
    size_t n = r->plan->n_chains;
    return progress_report(r->plan->watch, what, done * n, total * n, "draws", NULL);
}

static int warm_up(running *r)
{
    for (size_t done = 0; done < r->plan->warmup && !r->weighted;) {
        nre_draws b;
        size_t left = r->plan->warmup - done;
        int status = step(r, left < STEPS ? left : STEPS, true, &b);
        if (status != NRE_OK)
            return status;
        r->draws.n_evaluate += b.n_evaluate;
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
 * finished. */
static int sample(running *r)
{
    while (!r->draws.finished && (r->weighted || r->kept < r->plan->draws)) {
        nre_draws b;
        size_t left = r->weighted ? STEPS : r->plan->draws - r->kept;
        int status = step(r, left < STEPS ? left : STEPS, false, &b);
        if (status == NRE_OK)
            status = keep(r, &b);
        r->draws.n_evaluate += b.n_evaluate;
        if (status == NRE_OK)
            status =
                report(r, "sampling", r->kept, r->weighted ? r->kept : r->plan->draws);
        if (status != NRE_OK)
            return status;
        if (r->kept * r->plan->n_chains > MOST_WEIGHTED && r->weighted)
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
    free(r->z);
    free(r->log_posterior);
    free(r->log_weight);
    sampled_close(&r->target);
}

/* results */

/* From [draw][chain] in the unbounded space to [chain][draw] in natural units. */
static void collect_draws(const running *r, chains *out)
{
    size_t n = out->n_chains, d = out->dim;
    const target *t = posterior_target(r->target.posterior);
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < out->n_draws; i++) {
            size_t from = i * n + c, to = c * out->n_draws + i;
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
        c->r_hat[k] = rhat_of(c->n_chains, c->n_draws, value);
        c->ess_bulk[k] = ess_bulk_of(c->n_chains, c->n_draws, value);
        c->ess_tail[k] = ess_tail_of(c->n_chains, c->n_draws, value);
        if (isnan(c->ess_bulk[k]) || c->ess_bulk[k] < c->effective)
            c->effective = isnan(c->effective) ? NAN : c->ess_bulk[k];
    }
    free(value);
    return NRE_OK;
}

static int collect(const running *r, chains *out)
{
    size_t n = r->plan->n_chains * r->kept, d = r->target.api.dim;
    *out =
        (chains){.dim = (uint32_t)d, .n_chains = r->plan->n_chains, .n_draws = r->kept};
    out->theta = memory_new(n * d, sizeof(double));
    out->log_posterior = memory_new(n, sizeof(double));
    out->weight = r->weighted ? memory_new(n, sizeof(double)) : NULL;
    out->r_hat = memory_new(3 * d, sizeof(double));
    if (!out->theta || !out->log_posterior || !out->r_hat ||
        (r->weighted && !out->weight))
        return fail(NRE_ENOMEM, "no memory for %zu draws", n);
    out->ess_bulk = out->r_hat + d;
    out->ess_tail = out->ess_bulk + d;
    out->evaluations = r->draws.n_evaluate;
    out->divergent = r->draws.n_divergent;
    out->acceptance = r->draws.n_propose > 0
                          ? (double)r->draws.n_accept / (double)r->draws.n_propose
                          : NAN;
    collect_draws(r, out);
    if (!r->weighted)
        return diagnose(out);
    for (size_t k = 0; k < 3 * d; k++)
        out->r_hat[k] = NAN;
    return normalise(out);
}

static int check_plan(const chains_plan *how)
{
    if (how->n_chains == 0 || how->draws == 0 || how->n_chains > UINT32_MAX)
        return fail(NRE_EINVAL, "sampling needs at least one chain and one draw");
    return NRE_OK;
}

int chains_of(const instance *sampler, const posterior *p, const observed *o, size_t row,
              size_t n_rows, const chains_plan *how, chains *out)
{
    const nre_plugin *table = sampler->plugin->table;
    running r = {
        .table = table, .ops = table->ops.sampler, .sampler = sampler, .plan = how};
    *out = (chains){0};
    int status = check_plan(how);
    if (status != NRE_OK)
        return status;
    r.weighted = (r.ops->flags & NRE_WEIGHTED) != 0;
    status = sampled_open(p, o, row, n_rows, &r.target);
    if (status == NRE_OK)
        status = lay_run(&r);
    if (status == NRE_OK)
        status = start(&r);
    if (status == NRE_OK)
        status = warm_up(&r);
    if (status == NRE_OK)
        status = sample(&r);
    if (status == NRE_OK)
        status = collect(&r, out);
    run_release(&r);
    if (status != NRE_OK)
        chains_release(out);
    return status;
}

void chains_release(chains *c)
{
    free(c->theta);
    free(c->log_posterior);
    free(c->weight);
    free(c->r_hat);
    *c = (chains){0};
}

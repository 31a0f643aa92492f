/* infer/sampled.c - posteriors as samplers see them: log densities of many chains at once. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A slice is what one thread computes: points worth so many operations, the number of
 * them within limits, no more slices than this while they are below the upper one.  It follows
 * from sizes alone, so that the number of threads changes no bit. */
enum { FEWEST = 48, MOST = 512, SLICES = 8 };
static const double SLICE_FLOPS = 4e6;
static const double UNKNOWN_FLOPS = 2e4; /* of a ratio that does not tell */

/* One call of the log density. */
typedef struct call {
    sampled *of;
    sampled_lane *lane;
    bool alone; /* in its lane; else threads share its slices, each in its own */
    size_t n, slice;
    const uint32_t *chain;
    const size_t *order; /* [n] points by group; NULL: they come so */
    const double *z;
    double *log_prior, *log_ratio, *by_prior, *by_ratio;
} call;

/* What a slice needs; the last five with gradients only.  Points that come in the order of their
 * groups are read, and their densities written, where the caller has them. */
typedef struct arrays {
    size_t *row;
    const double *from; /* z, the points */
    double *z, *theta, *prior, *ratio, *jacobian, *valid;
    double *derivative, *slope, *prior_gradient, *ratio_gradient, *valid_gradient;
} arrays;

static int take_arrays(room *memory, size_t n, size_t d, bool gradient, arrays *out)
{
    size_t wide = gradient ? 7 : 2;
    char *at = room_take(memory, n, (d * wide + 4) * sizeof(double) + sizeof(size_t));
    if (!at)
        return fail(NRE_ENOMEM, "no memory for the log density of %zu points", n);
    double *p = (double *)(void *)at;
    *out = (arrays){.from = p,
                    .z = p,
                    .theta = p + n * d,
                    .prior = p + n * 2 * d,
                    .ratio = p + n * (2 * d + 1),
                    .jacobian = p + n * (2 * d + 2),
                    .valid = p + n * (2 * d + 3)};
    p += n * (2 * d + 4);
    out->row = (size_t *)(void *)(gradient ? p + 5 * n * d : p);
    if (!gradient)
        return NRE_OK;
    out->derivative = p;
    out->slope = p + n * d;
    out->prior_gradient = p + 2 * n * d;
    out->ratio_gradient = p + 3 * n * d;
    out->valid_gradient = p + 4 * n * d;
    return NRE_OK;
}

static int worker_of(const sampled *s, sampled_lane *l, ratio_worker **out)
{
    int status = NRE_OK;
    if (!l->worker)
        status = ratio_worker_new(s->posterior->ratio, &l->worker);
    *out = l->worker;
    return status;
}

int sampled_worker(sampled *s, unsigned thread, ratio_worker **out)
{
    return worker_of(s, &s->lane[thread], out);
}

static int log_ratios(sampled *s, ratio_worker *w, const arrays *a, size_t n)
{
    const ratio *r = s->posterior->ratio;
    const observed *o = s->observed;
    if (s->n_rows > 1)
        return ratio_joint(r, w, o, s->row, s->n_rows, n, a->theta, a->ratio,
                           a->ratio_gradient);
    if (s->api.n_groups == 1)
        return ratio_evaluate(r, w, o, s->row, 1, n, a->theta, a->ratio,
                              a->ratio_gradient);
    return ratio_evaluate_pairs(r, w, o, n, a->row, a->theta, a->ratio,
                                a->ratio_gradient);
}

/* P(valid) goes with the ratio. */
static void add_validity(const validity_model *v, const arrays *a, size_t n, size_t d)
{
    validity_log(v, n, a->theta, a->valid, a->valid_gradient);
    for (size_t i = 0; i < n; i++)
        a->ratio[i] += a->valid[i];
    for (size_t i = 0; a->valid_gradient && i < n * d; i++)
        a->ratio_gradient[i] += a->valid_gradient[i];
}

/* The prior's density by z, of unit mass in what is left of it, as its draws have it; the ratio is 0
 * outside. */
static int log_densities(sampled *s, ratio_worker *w, const arrays *a, size_t n)
{
    const target *t = posterior_target(s->posterior);
    double log_volume = posterior_log_volume(s->posterior);
    unbounded_back(t, n, a->from, a->theta, a->jacobian, a->derivative, a->slope);
    int status = prior_log_density(t->prior, t->n, t->which, n, a->theta, a->prior,
                                   a->prior_gradient);
    if (status == NRE_OK)
        status = log_ratios(s, w, a, n);
    if (status != NRE_OK)
        return status;
    if (s->posterior->validity)
        add_validity(s->posterior->validity, a, n, t->n);
    for (size_t i = 0; i < n; i++) {
        a->prior[i] += a->jacobian[i] - log_volume;
        if (isnan(a->prior[i]) || isnan(a->ratio[i]) || a->prior[i] == INFINITY)
            return fail(NRE_ENUMERIC, "the log posterior is %g + %g at %s", a->prior[i],
                        a->ratio[i], point_describe(t, a->theta + i * t->n).text);
    }
    return NRE_OK;
}

/* By z: the chain rule, and the Jacobian's own slope beside the prior's. */
static void gradients(const arrays *a, size_t n, size_t d)
{
    for (size_t i = 0; i < n * d; i++) {
        a->prior_gradient[i] = a->prior_gradient[i] * a->derivative[i] + a->slope[i];
        a->ratio_gradient[i] *= a->derivative[i];
    }
}

static void rows_of(const call *c, size_t first, size_t n, const arrays *a)
{
    const sampled *s = c->of;
    for (size_t i = 0; s->api.n_groups > 1 && i < n; i++) {
        size_t at = c->order ? c->order[first + i] : first + i;
        a->row[i] = s->row + c->chain[at] / s->per_group;
    }
}

static void gather(const call *c, size_t first, size_t n, arrays *a)
{
    size_t d = c->of->api.dim;
    rows_of(c, first, n, a);
    for (size_t i = 0; c->order && i < n; i++)
        memcpy(a->z + i * d, c->z + c->order[first + i] * d, d * sizeof *a->z);
    if (c->order)
        return;
    a->from = c->z + first * d;
    a->prior = c->log_prior + first;
    a->ratio = c->log_ratio + first;
    if (c->by_prior)
        a->prior_gradient = c->by_prior + first * d;
    if (c->by_ratio)
        a->ratio_gradient = c->by_ratio + first * d;
}

static void scatter(const call *c, size_t first, size_t n, const arrays *a)
{
    size_t d = c->of->api.dim;
    for (size_t i = 0; c->order && i < n; i++) {
        size_t at = c->order[first + i];
        c->log_prior[at] = a->prior[i];
        c->log_ratio[at] = a->ratio[i];
        if (c->by_prior)
            memcpy(c->by_prior + at * d, a->prior_gradient + i * d, d * sizeof *a->z);
        if (c->by_ratio)
            memcpy(c->by_ratio + at * d, a->ratio_gradient + i * d, d * sizeof *a->z);
    }
}

static int evaluate_slice(void *context, size_t k, unsigned thread)
{
    const call *c = context;
    sampled *s = c->of;
    sampled_lane *lane = c->alone ? c->lane : &s->lane[thread];
    size_t first = k * c->slice, n = c->n - first < c->slice ? c->n - first : c->slice;
    bool gradient = c->by_prior || c->by_ratio;
    arrays a = {0};
    ratio_worker *w;
    crash_enter(NULL, "logp", 1, 0);
    int status = worker_of(s, lane, &w);
    if (status == NRE_OK)
        status = take_arrays(&lane->memory, n, s->api.dim, gradient, &a);
    if (status == NRE_OK) {
        gather(c, first, n, &a);
        status = log_densities(s, w, &a, n);
    }
    if (status == NRE_OK && gradient)
        gradients(&a, n, s->api.dim);
    if (status == NRE_OK)
        scatter(c, first, n, &a);
    crash_leave();
    return status;
}

/* Equal slices, of whole groups where those are small, so that their points stay a
 * rectangle. */
static size_t slice_of(const sampled *s, size_t n, bool gradient)
{
    double flops = s->posterior->ratio->flops;
    double one = (flops > 0 ? flops : UNKNOWN_FLOPS) * (double)s->n_rows;
    double worth = ceil(SLICE_FLOPS / (gradient ? 3 * one : one));
    size_t least = worth < MOST ? (size_t)worth : MOST, share = n / SLICES;
    least = least > FEWEST ? least : FEWEST;
    least = least > share ? least : share < MOST ? share : MOST;
    size_t slices = n / least;
    size_t slice = slices > 1 ? (n + slices - 1) / slices : n;
    size_t group = s->per_group < slice ? s->per_group : 1;
    return (slice + group - 1) / group * group;
}

/* Points in the order of their groups, those of a group as they came; *ORDER NULL where they are. */
static int put_in_order(const sampled *s, size_t n, const uint32_t *chain, room *memory,
                        const size_t **order)
{
    size_t groups = s->api.n_groups, n_chains = s->per_group * groups, before = 0;
    bool sorted = true;
    for (size_t i = 0; i < n; i++)
        if (chain[i] >= n_chains)
            return fail(NRE_EINVAL, "a log density for chain %u of %zu", chain[i],
                        n_chains);
    for (size_t i = 0; groups > 1 && i < n; i++) {
        sorted = sorted && chain[i] / s->per_group >= before;
        before = chain[i] / s->per_group;
    }
    *order = NULL;
    if (sorted)
        return NRE_OK;
    size_t *out = room_take(memory, n + groups + 1, sizeof *out);
    if (!out)
        return fail(NRE_ENOMEM, "no memory for the log density of %zu points", n);
    size_t *next = out + n;
    memset(next, 0, (groups + 1) * sizeof *next);
    for (size_t i = 0; i < n; i++)
        next[chain[i] / s->per_group + 1]++;
    for (size_t g = 0; g < groups; g++)
        next[g + 1] += next[g];
    for (size_t i = 0; i < n; i++)
        out[next[chain[i] / s->per_group]++] = i;
    *order = out;
    return NRE_OK;
}

static int evaluate_call(call *c)
{
    sampled *s = c->of;
    if (c->n == 0)
        return NRE_OK;
    if ((c->by_prior || c->by_ratio) && !s->api.has_gradient)
        return fail(NRE_ENOTSUP, "this posterior has no gradient");
    int status = put_in_order(s, c->n, c->chain, &c->lane->order, &c->order);
    if (status != NRE_OK)
        return status;
    c->slice = slice_of(s, c->n, c->by_prior || c->by_ratio);
    return pool_run(c->alone ? NULL : s->pool, (c->n + c->slice - 1) / c->slice,
                    evaluate_slice, c);
}

/* One that no other thread has: of those of all threads one is free. */
static sampled_lane *take_lane(sampled *s)
{
    unsigned n = pool_threads(s->pool), i = 0;
    while (i + 1 < n && pthread_mutex_trylock(&s->lane[i].lock) != 0)
        i++;
    if (i + 1 == n)
        pthread_mutex_lock(&s->lane[i].lock);
    return &s->lane[i];
}

static void note_failure(sampled *s, int status)
{
    pthread_mutex_lock(&s->lock);
    if (s->status == NRE_OK) {
        s->status = status;
        snprintf(s->message, sizeof s->message, "%s", error_message());
    }
    pthread_mutex_unlock(&s->lock);
}

/* Within a job of the plugin's own the threads have other work: each call is for the thread
 * that makes it. */
static int logp(const nre_target *t, size_t n, const uint32_t *chain, const double *z,
                double *log_prior, double *log_ratio, double *grad_prior,
                double *grad_ratio)
{
    sampled *s = (sampled *)(uintptr_t)t;
    call c = {.of = s,
              .lane = take_lane(s),
              .alone = pool_is_busy(s->pool),
              .n = n,
              .chain = chain,
              .z = z,
              .log_prior = log_prior,
              .log_ratio = log_ratio,
              .by_prior = grad_prior,
              .by_ratio = grad_ratio};
    crash_enter(NULL, "logp", 1, 0);
    int status = evaluate_call(&c);
    if (status != NRE_OK)
        note_failure(s, status);
    crash_leave();
    pthread_mutex_unlock(&c.lane->lock);
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
        int status = posterior_sample(s->posterior, &one, 1, z + i * of->n);
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

int sampled_open(const posterior *p, const observed *o, size_t row, size_t n_rows,
                 size_t n_groups, size_t per_group, pool *threads, sampled *s)
{
    uint32_t d = posterior_target(p)->n;
    *s = (sampled){.posterior = p,
                   .observed = o,
                   .row = row,
                   .n_rows = n_rows,
                   .per_group = per_group,
                   .pool = threads};
    pthread_mutex_init(&s->lock, NULL);
    s->bound = memory_new(2 * (size_t)d, sizeof *s->bound);
    s->lane = memory_new(pool_threads(threads), sizeof *s->lane);
    if (!s->bound || !s->lane)
        return fail(NRE_ENOMEM, "no memory for a posterior of %u parameters", d);
    for (unsigned i = 0; i < pool_threads(threads); i++)
        pthread_mutex_init(&s->lane[i].lock, NULL);
    for (uint32_t k = 0; k < d; k++)
        s->bound[k] = -INFINITY, s->bound[d + k] = INFINITY;
    s->api = (nre_target){.struct_size = sizeof s->api,
                          .dim = d,
                          .n_groups = (uint32_t)n_groups,
                          .has_gradient = p->ratio->has_gradient &&
                                          !posterior_target(p)->prior->custom,
                          .logp = logp,
                          .draw_prior = draw_prior,
                          .quantile = quantile,
                          .lo = s->bound,
                          .hi = s->bound + d};
    return NRE_OK;
}

void sampled_close(sampled *s)
{
    for (unsigned i = 0; s->lane && i < pool_threads(s->pool); i++) {
        ratio_worker_free(s->lane[i].worker);
        room_release(&s->lane[i].memory);
        room_release(&s->lane[i].order);
        cloud_release(&s->lane[i].cloud);
        pthread_mutex_destroy(&s->lane[i].lock);
    }
    free(s->lane);
    free(s->bound);
    pthread_mutex_destroy(&s->lock);
}

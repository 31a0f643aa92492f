/* What a sampler owes, tested on Gaussians. */
#include "run/run.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIM = 2,
    CHAINS = 12, /* six a group: an ensemble needs them */
    BLOCK = 100,
    WARM_UP = 1000,
    DRAWS = 4000,
    MOST_STEPS = 1 << 21
};
enum { FENCE = 64 };
static const double FENCE_VALUE = -3.0714285714285714e99, PRIOR_DEVIATION = 2,
                    MOST_ERRORS = 4.5;

/* the target: prior N(0, 2^2), posterior N(mean, [1, 0.6; 0.6, 0.8]) */

static const double A = 1, B = 0.6, D = 0.8, LO[DIM] = {-INFINITY, -INFINITY},
                    HI[DIM] = {INFINITY, INFINITY};
static const double MEAN[2][DIM] = {{0.5, -0.3}, {-1, 0.8}}; /* of each group */

typedef struct gaussian {
    nre_target api; /* first */
    uint32_t per_group;
    bool wrong_chain; /* asked for a chain that is not */
} gaussian;

static double log_prior_at(const double *z, double *grad)
{
    double sum = 0, v = PRIOR_DEVIATION * PRIOR_DEVIATION;
    for (size_t k = 0; k < DIM; k++) {
        sum -= 0.5 * z[k] * z[k] / v + log(PRIOR_DEVIATION) + 0.5 * log(2 * acos(-1.0));
        grad[k] = -z[k] / v;
    }
    return sum;
}

static double log_posterior_at(const double *z, const double *mean, double *grad)
{
    double u = z[0] - mean[0], v = z[1] - mean[1], det = A * D - B * B;
    grad[0] = -(D * u - B * v) / det;
    grad[1] = -(A * v - B * u) / det;
    return 0.5 * (u * grad[0] + v * grad[1]) - 0.5 * log(det) - log(2 * acos(-1.0));
}

static int logp(const nre_target *t, size_t n, const uint32_t *chain, const double *z,
                double *log_prior, double *log_ratio, double *grad_prior,
                double *grad_ratio)
{
    gaussian *g = (gaussian *)(uintptr_t)t;
    for (size_t i = 0; i < n; i++) {
        double by_prior[DIM], by_posterior[DIM];
        g->wrong_chain = g->wrong_chain || chain[i] >= g->per_group * t->n_groups;
        const double *mean = MEAN[chain[i] / g->per_group % 2];
        log_prior[i] = log_prior_at(z + i * DIM, by_prior);
        log_ratio[i] = log_posterior_at(z + i * DIM, mean, by_posterior) - log_prior[i];
        for (size_t k = 0; k < DIM; k++) {
            if (grad_prior)
                grad_prior[i * DIM + k] = by_prior[k];
            if (grad_ratio)
                grad_ratio[i * DIM + k] = by_posterior[k] - by_prior[k];
        }
    }
    return NRE_OK;
}

static int draw_prior(const nre_target *t, size_t n, nre_rng *const *stream, double *z)
{
    (void)t;
    for (size_t i = 0; i < n * DIM; i++)
        z[i] = PRIOR_DEVIATION * stream[i / DIM]->normal(stream[i / DIM]);
    return NRE_OK;
}

static int quantile(const nre_target *t, size_t n, const double *u, double *z)
{
    (void)t;
    for (size_t i = 0; i < n * DIM; i++)
        z[i] = PRIOR_DEVIATION * gsl_cdf_ugaussian_Pinv(u[i]);
    return NRE_OK;
}

/* a run of the sampler */

typedef struct sampling {
    const nre_plugin *table;
    const nre_sampler_ops *ops;
    gaussian target;
    void *run;
    rng stream[CHAINS];
    nre_rng *each[CHAINS];
    double z0[CHAINS * DIM];
    bool weighted, finished;
    size_t n, room;                /* steps */
    double *z, *logp, *log_weight; /* [room][CHAINS][DIM], [room][CHAINS] */
} sampling;

static int start(const checked *c, uint32_t n_groups, sampling *s)
{
    instance *i = NULL;
    nre_host *host = NULL;
    *s = (sampling){.table = c->plugin->table, .ops = c->plugin->table->ops.sampler};
    s->weighted = (s->ops->flags & NRE_WEIGHTED) != 0;
    s->target = (gaussian){.api = {.struct_size = sizeof s->target.api,
                                   .dim = DIM,
                                   .n_groups = n_groups,
                                   .has_gradient = 1,
                                   .logp = logp,
                                   .draw_prior = draw_prior,
                                   .quantile = quantile,
                                   .lo = LO,
                                   .hi = HI},
                           .per_group = CHAINS / n_groups};
    for (size_t k = 0; k < CHAINS; k++) {
        rng_start(&s->stream[k], rng_purpose(1, "chain/check"), k, 0);
        s->each[k] = &s->stream[k].api;
    }
    draw_prior(&s->target.api, CHAINS, s->each, s->z0);
    int rc = instance_new(c->plugin, c->values, c->services, &i);
    if (rc == NRE_OK)
        rc = host_new(s->table->name, c->services, &host);
    if (rc != NRE_OK)
        return rc;
    crash_enter(s->table, "start", 1, 0);
    rc = s->ops->start(i->self, host, &s->target.api, CHAINS, s->z0, s->each, &s->run);
    crash_leave();
    return rc == NRE_OK || rc == NRE_ENOTSUP ? rc : plugin_failed(s->table, "start", rc);
}

static int make_room(sampling *s, size_t steps)
{
    if (steps <= s->room)
        return NRE_OK;
    s->room = 2 * steps;
    s->z = realloc(s->z, (s->room * CHAINS * DIM + FENCE) * sizeof *s->z);
    s->logp = realloc(s->logp, (s->room * CHAINS + FENCE) * sizeof *s->logp);
    s->log_weight =
        realloc(s->log_weight, (s->room * CHAINS + FENCE) * sizeof *s->log_weight);
    return s->z && s->logp && s->log_weight
               ? NRE_OK
               : fail(NRE_ENOMEM, "no memory for %zu steps", steps);
}

/* Room for STEPS, with a fence behind: on log_weight 0 as the core fills it. */
static void lay_block(const sampling *s, size_t steps, nre_draws *b)
{
    *b = (nre_draws){.struct_size = sizeof *b,
                     .n_steps = steps,
                     .z = s->z + s->n * CHAINS * DIM,
                     .logp = s->logp + s->n * CHAINS,
                     .log_weight = s->log_weight + s->n * CHAINS};
    memset(b->log_weight, 0, steps * CHAINS * sizeof *b->log_weight);
    for (size_t i = 0; i < FENCE; i++) {
        b->z[steps * CHAINS * DIM + i] = FENCE_VALUE;
        b->logp[steps * CHAINS + i] = FENCE_VALUE;
        b->log_weight[steps * CHAINS + i] = FENCE_VALUE;
    }
}

static bool fences_hold(const nre_draws *b, size_t steps)
{
    bool hold = true;
    for (size_t i = 0; i < FENCE; i++)
        hold = hold && b->z[steps * CHAINS * DIM + i] == FENCE_VALUE &&
               b->logp[steps * CHAINS + i] == FENCE_VALUE &&
               b->log_weight[steps * CHAINS + i] == FENCE_VALUE;
    return hold;
}

/* One call of step(); its draws are added unless they are warm-up. */
static int step(sampling *s, size_t steps, bool warmup)
{
    nre_draws b;
    int rc = make_room(s, s->n + steps);
    if (rc != NRE_OK)
        return rc;
    lay_block(s, steps, &b);
    crash_enter(s->table, "step", 1, 0);
    rc = s->ops->step(s->run, warmup, &b);
    crash_leave();
    if (rc != NRE_OK)
        return plugin_failed(s->table, "step", rc);
    if (b.n_steps > steps || !fences_hold(&b, steps))
        return fail(NRE_EPLUGIN, "step() wrote past the %zu steps it had room for",
                    steps);
    if (b.n_steps == 0 && !b.finished)
        return fail(NRE_EPLUGIN, "step() drew nothing and has not finished");
    if (s->target.wrong_chain)
        return fail(NRE_EPLUGIN,
                    "step() asked for the density of a chain that does not exist");
    s->n += warmup ? 0 : b.n_steps;
    s->finished = b.finished != 0;
    return NRE_OK;
}

static int sample(const checked *c, uint32_t n_groups, sampling *s)
{
    int rc = start(c, n_groups, s);
    for (size_t i = 0; rc == NRE_OK && !s->weighted && i < WARM_UP; i += BLOCK)
        rc = step(s, BLOCK, true);
    while (rc == NRE_OK && !s->finished && (s->weighted || s->n < DRAWS)) {
        rc = step(s, BLOCK, false);
        if (rc == NRE_OK && s->n > MOST_STEPS)
            return fail(NRE_EPLUGIN, "it has not finished after %d steps", MOST_STEPS);
    }
    return rc;
}

static int skip_unless_supported(int rc)
{
    return rc == NRE_ENOTSUP ? check_skipped("%s", error_message()) : rc;
}

/* moments */

/* The moments that are compared: two means, two variances, a covariance. */
enum { MOMENTS = 5 };

static double moment_of(const double *z, const double *mean, size_t which)
{
    double u = z[0] - mean[0], v = z[1] - mean[1];
    const double values[MOMENTS] = {u, v, u * u - A, v * v - D, u * v - B};
    return values[which];
}

/* Mean, deviation and effective size of a moment over the chains of a group. */
static int moments_of(const sampling *s, size_t group, size_t which, double *mean,
                      double *error)
{
    size_t per_group = s->target.per_group, at = 0;
    double *value = memory_new(s->n * per_group, sizeof *value), total = 0, squares = 0,
           heavy = 0;
    double *weight = memory_new(s->n * per_group, sizeof *weight), top = -INFINITY;
    if (!value || !weight)
        return fail(NRE_ENOMEM, "no memory for %zu steps", s->n);
    for (size_t i = 0; i < s->n * CHAINS; i++)
        top = fmax(top, s->log_weight[i]);
    *mean = 0;
    for (size_t k = group * per_group; k < (group + 1) * per_group; k++)
        for (size_t i = 0; i < s->n; i++, at++) {
            value[at] = moment_of(s->z + (i * CHAINS + k) * DIM, MEAN[group], which);
            weight[at] = exp(s->log_weight[i * CHAINS + k] - top);
            total += weight[at];
            heavy += weight[at] * weight[at];
            *mean += weight[at] * value[at];
        }
    *mean /= total;
    for (size_t i = 0; i < at; i++)
        squares += weight[i] / total * (value[i] - *mean) * (value[i] - *mean);
    double size =
        s->weighted ? total * total / heavy : ess_mean_of(per_group, s->n, value);
    *error = sqrt(squares / size);
    free(value);
    free(weight);
    return size >= 100
               ? NRE_OK
               : fail(NRE_EPLUGIN, "the effective size of %zu draws is %.1f", at, size);
}

static int check_moments(const sampling *s, size_t group)
{
    static const char *const WORDS[MOMENTS] = {"the first mean", "the second mean",
                                               "the first variance",
                                               "the second variance", "the covariance"};
    for (size_t i = 0; i < MOMENTS; i++) {
        double off = NAN, error = NAN;
        int rc = moments_of(s, group, i, &off, &error);
        if (rc != NRE_OK)
            return fail_within(rc, "%s", WORDS[i]);
        if (!(fabs(off) < MOST_ERRORS * error))
            return fail(NRE_EPLUGIN, "%s is off by %g, %.1f standard errors", WORDS[i],
                        off, off / error);
    }
    return NRE_OK;
}

/* the tests */

static int recovers_a_gaussian(const checked *c)
{
    sampling s;
    int rc = skip_unless_supported(sample(c, 1, &s));
    return rc ? rc : check_moments(&s, 0);
}

static int recovers_two_groups(const checked *c)
{
    sampling s;
    int rc = skip_unless_supported(sample(c, 2, &s));
    for (size_t group = 0; rc == NRE_OK && group < 2; group++)
        rc = check_moments(&s, group);
    return rc;
}

/* The log posterior it tells is that of the point beside it. */
static int tells_the_density(const checked *c)
{
    sampling s;
    double before, gain;
    int rc = skip_unless_supported(sample(c, 1, &s));
    for (size_t i = 0; rc == NRE_OK && i < s.n * CHAINS; i++) {
        uint32_t chain = (uint32_t)(i % CHAINS);
        logp(&s.target.api, 1, &chain, s.z + i * DIM, &before, &gain, NULL, NULL);
        if (!(fabs(before + gain - s.logp[i]) < 1e-9 * (1 + fabs(before + gain))))
            return fail(NRE_EPLUGIN,
                        "step %zu of chain %u: log posterior %g, but at its point %g",
                        i / CHAINS, chain, s.logp[i], before + gain);
    }
    return rc;
}

static int comes_again(const checked *c)
{
    sampling s, again;
    int rc = skip_unless_supported(sample(c, 1, &s));
    if (rc == NRE_OK)
        rc = sample(c, 1, &again);
    if (rc != NRE_OK)
        return rc;
    return s.n == again.n && memcmp(s.z, again.z, s.n * CHAINS * DIM * sizeof *s.z) == 0
               ? NRE_OK
               : fail(NRE_EPLUGIN,
                      "a second run with the same streams gives other draws");
}

static int obeys_n_steps(const checked *c)
{
    static const size_t STEPS[] = {1, 7, 2, 100, 3};
    sampling s;
    int rc = skip_unless_supported(start(c, 1, &s));
    for (size_t i = 0; rc == NRE_OK && !s.finished && i < sizeof STEPS / sizeof STEPS[0];
         i++) {
        check_note(c, "%zu steps", STEPS[i]);
        rc = step(&s, STEPS[i], i < 2 && !s.weighted);
    }
    /* The test's process ends now.  NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    check_note(c, "%s", "");
    return rc;
}

static int stops(const checked *c)
{
    sampling s;
    int rc = skip_unless_supported(start(c, 1, &s));
    if (rc != NRE_OK || !NRE_HAS(s.ops, stop))
        return rc ? rc : check_skipped("it has no stop()");
    crash_enter(s.table, "stop", 1, 0);
    s.ops->stop(s.run);
    check_note(c, "%s", "NULL");
    s.ops->stop(NULL);
    crash_leave();
    check_note(c, "%s", "");
    return NRE_OK;
}

const contract SAMPLER_CONTRACT[] = {
    {"it never writes more steps than there is room for", obeys_n_steps, true},
    {"it recovers mean and covariance of a Gaussian", recovers_a_gaussian, false},
    {"it keeps two observations apart", recovers_two_groups, false},
    {"the log posterior it tells is that of its points", tells_the_density, false},
    {"the same streams give the same draws", comes_again, false},
    {"stop() takes a run and NULL", stops, false},
    {.says = NULL},
};

/* infer/ratio_exact.c - log p(x | theta) - log p(x) from the simulator's own likelihood.
 */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 }; /* pairs a call of the plugin */

typedef struct exact {
    ratio base; /* first */
    const simulator *simulator;
} exact;

typedef struct exact_worker {
    size_t n_x, d;
    float *x;                /* [BLOCK][n_x] copies of one row */
    double *theta;           /* [BLOCK][d] in the simulator's order */
    double *gradient;        /* [BLOCK][d] likewise */
    double *shifted, *value; /* [2 BLOCK][d], [2 BLOCK] for differences */
} exact_worker;

static const exact *exact_of(const ratio *r)
{
    return (const exact *)(const void *)r;
}

static void worker_free(void *own)
{
    exact_worker *w = own;
    free(w->x);
    free(w->theta);
    free(w);
}

static int worker_make(const ratio *r, void **own)
{
    size_t d = r->target->n;
    exact_worker *w = memory_new(1, sizeof *w);
    float *x = memory_new((size_t)2 * BLOCK * r->n_x, sizeof *x);
    double *numbers = memory_new(BLOCK * (4 * d + 2), sizeof *numbers);
    if (!w || !x || !numbers) {
        free(w);
        free(x);
        free(numbers);
        return fail(NRE_ENOMEM, "no memory for a worker of the exact ratio");
    }
    *w = (exact_worker){.n_x = r->n_x,
                        .d = d,
                        .x = x,
                        .theta = numbers,
                        .gradient = numbers + BLOCK * d,
                        .shifted = numbers + 2 * BLOCK * d,
                        .value = numbers + 4 * BLOCK * d};
    *own = w;
    return NRE_OK;
}

static int plugin_status(const simulator *s, const char *function, int status)
{
    return status == NRE_OK
               ? NRE_OK
               : plugin_failed(simulator_instance(s)->plugin->table, function, status);
}

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    const simulator *s = exact_of(r)->simulator;
    float *row = room_take(&o->row, n, r->n_x * sizeof *row);
    double *offset = room_take(&o->offset, n, sizeof *offset);
    (void)own;
    if (!row || !offset)
        return fail(NRE_ENOMEM, "no memory for %zu observed rows", n);
    memcpy(row, x, n * r->n_x * sizeof *x);
    memset(offset, 0, n * sizeof *offset);
    if (!r->normalised || n == 0)
        return NRE_OK;
    const instance *i = simulator_instance(s);
    crash_enter(i->plugin->table, "log_evidence", 0, n - 1);
    int status = simulator_ops(s)->log_evidence(i->self, n, x, offset);
    crash_leave();
    if (status != NRE_OK)
        return plugin_status(s, "log_evidence", status);
    for (size_t k = 0; k < n; k++)
        if (!isfinite(offset[k]))
            return fail(NRE_ENUMERIC, "the simulator's log_evidence of row %zu is %g", k,
                        offset[k]);
    return NRE_OK;
}

static int likelihood(const simulator *s, size_t n, const double *theta, const float *x,
                      double *value, double *gradient)
{
    const instance *i = simulator_instance(s);
    crash_enter(i->plugin->table, "log_likelihood", 0, n - 1);
    int status = simulator_ops(s)->log_likelihood(i->self, n, theta, x, value, gradient);
    crash_leave();
    return status;
}

/* A tenth of a thousandth of the prior's width: truncation and rounding both stay near
 * 1e-8. */
static double step_of(const marginal *m)
{
    double lo, hi, mean, deviation = 1;
    marginal_support(m, &lo, &hi);
    if (isfinite(hi - lo))
        return 1e-5 * (hi - lo);
    mean = marginal_standardise(
        m, m->family == NRE_CUSTOM_PRIOR ? 0 : marginal_quantile(m, 0.5), &deviation);
    return isfinite(mean) && deviation > 0 ? 1e-5 / deviation : 1e-5;
}

/* Differences of the likelihood by parameter K of the simulator, inside its support. */
static int difference(const simulator *s, exact_worker *w, size_t n, uint32_t k)
{
    const marginal *m = &simulator_prior(s)->of[k];
    double lo, hi, step = step_of(m);
    marginal_support(m, &lo, &hi);
    for (size_t i = 0; i < 2 * n; i++) {
        double t = w->theta[(i / 2) * w->d + k];
        memcpy(w->shifted + i * w->d, w->theta + (i / 2) * w->d, w->d * sizeof(double));
        w->shifted[i * w->d + k] =
            i % 2 ? fmin(t + step, hi - 1e-3 * step) : fmax(t - step, lo + 1e-3 * step);
    }
    int status = likelihood(s, 2 * n, w->shifted, w->x, w->value, NULL);
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        double width = w->shifted[(2 * i + 1) * w->d + k] - w->shifted[2 * i * w->d + k];
        w->gradient[i * w->d + k] = (w->value[2 * i + 1] - w->value[2 * i]) / width;
    }
    return status;
}

/* The plugin's own gradient, or differences where it has none. */
static int with_gradient(const simulator *s, exact_worker *w, size_t n, double *value)
{
    for (size_t i = 0; i < n * w->d; i++)
        w->gradient[i] = NAN;
    int status = likelihood(s, n, w->theta, w->x, value, w->gradient);
    bool given = status == NRE_OK && !isnan(w->gradient[0]);
    if (given || (status != NRE_OK && status != NRE_ENOTSUP))
        return status;
    status = likelihood(s, n, w->theta, w->x, value, NULL);
    for (uint32_t k = 0; status == NRE_OK && k < w->d; k++)
        status = difference(s, w, n, k);
    return status;
}

/* N thetas in target order against the row whose copies lie in w->x. */
static int block(const ratio *r, exact_worker *w, size_t n, const double *theta,
                 double *log_ratio, double *gradient)
{
    const simulator *s = exact_of(r)->simulator;
    const uint32_t *which = r->target->which;
    size_t d = w->d;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++)
            w->theta[i * d + which[k]] = theta[i * d + k];
    int status = gradient ? with_gradient(s, w, n, log_ratio)
                          : likelihood(s, n, w->theta, w->x, log_ratio, NULL);
    for (size_t i = 0; gradient && i < n; i++)
        for (size_t k = 0; k < d; k++)
            gradient[i * d + k] = w->gradient[i * d + which[k]];
    return plugin_status(s, "log_likelihood", status);
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    exact_worker *w = own;
    const float *x = o->row.at;
    const double *offset = o->offset.at;
    size_t d = w->d, copies = gradient ? 2 * BLOCK : BLOCK;
    copies = copies < 2 * per_x ? copies : 2 * per_x;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < copies; k++)
            memcpy(w->x + k * w->n_x, x + (first + i) * w->n_x, w->n_x * sizeof *x);
        for (size_t done = 0; done < per_x; done += BLOCK) {
            size_t some = per_x - done < BLOCK ? per_x - done : BLOCK,
                   at = i * per_x + done;
            int status = block(r, w, some, theta + at * d, log_ratio + at,
                               gradient ? gradient + at * d : NULL);
            if (status != NRE_OK)
                return fail_within(status, "exact ratio of row %zu", first + i);
        }
        for (size_t k = 0; k < per_x; k++)
            log_ratio[i * per_x + k] -= offset[first + i];
    }
    return NRE_OK;
}

static void exact_free(ratio *r)
{
    free(r);
}

static const ratio_kind EXACT = {.worker = worker_make,
                                 .worker_free = worker_free,
                                 .observe = observe,
                                 .evaluate = evaluate,
                                 .free = exact_free};

/* The plugin's evidence belongs to its own priors, which the config may have replaced. */
static bool priors_are_its_own(const simulator *s)
{
    const prior *p = simulator_prior(s);
    for (size_t i = 0; i < p->n; i++) {
        const nre_theta *t = simulator_theta(s, i);
        const marginal *m = &p->of[i];
        if (m->family != t->prior || m->a != t->a || m->b != t->b || m->lo != t->lo ||
            m->hi != t->hi)
            return false;
    }
    return true;
}

static bool target_is_all(const simulator *s, const target *t)
{
    if (t->n != simulator_n_theta(s))
        return false;
    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (t->which[i] == t->which[k])
                return false;
    return true;
}

int ratio_exact(const simulator *s, const target *t, ratio **out)
{
    const nre_simulator_ops *ops = simulator_ops(s);
    const char *name = simulator_instance(s)->plugin->table->name;
    if (!NRE_HAS(ops, log_likelihood))
        return fail(NRE_ENOTSUP,
                    "simulator '%s' has no log_likelihood, so there is no exact ratio",
                    name);
    if (!target_is_all(s, t))
        return fail(NRE_ENOTSUP,
                    "the exact ratio of simulator '%s' needs all parameters as its "
                    "target, not '%s'",
                    name, t->name);
    exact *e = memory_new(1, sizeof *e);
    if (!e)
        return fail(NRE_ENOMEM, "no memory for the exact ratio");
    bool normalised = NRE_HAS(ops, log_evidence) && !NRE_HAS(ops, likelihood_up_to_x) &&
                      priors_are_its_own(s);
    *e = (exact){.base = {.kind = &EXACT,
                          .target = t,
                          .n_x = simulator_n_x(s),
                          .normalised = normalised,
                          .has_gradient = true},
                 .simulator = s};
    *out = &e->base;
    return NRE_OK;
}

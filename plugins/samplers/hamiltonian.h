/* hamiltonian.h - what hmc and nuts share: trajectories of many chains, a leapfrog step of all of
 * them in one log-density call; step size and metric, learned in warm-up by each group of chains
 * for itself alone.
 *
 * Momenta are kept as v = L^T p, L the Cholesky factor of the inverse mass matrix (an estimate of
 * the posterior's covariance): v is standard normal, and every product p^T M^-1 p' is v^T v'.
 * A plugin that includes it says in a `kernel` how trajectories begin and when they end. */
#ifndef HAMILTONIAN_H
#define HAMILTONIAN_H

#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

enum {
    FIRST_WINDOW = 25, /* warm-up steps before the first metric; windows double */
    MOST_DENSE = 32,   /* parameters, of the automatic choice */
    SEARCH_MOST = 60,  /* doublings or halvings of the first step */
    FEW_CHAINS = 8,    /* fewer in a group tell too little of the scale */
    SCALE_DRAWS = 32   /* of the prior, which tell it then */
};
static const double MOST_ERROR = 1000; /* of the energy, in nats: more is a divergence */
static const double LEAST_ACCEPTED = 0.01;
static const double FARTHEST = 1000; /* deviations that a sane step never goes */

typedef enum metric { AUTOMATIC, DENSE, DIAGONAL } metric;

#define HAMILTONIAN_OPTIONS(accept_)                                                     \
    {.name = "accept",                                                                   \
     .type = NRE_REAL,                                                                   \
     .fallback = (accept_),                                                              \
     .lo = 0.1,                                                                          \
     .hi = 0.999,                                                                        \
     .help = "Acceptance that the step size is adapted to; raise it when there are "     \
             "divergences."},                                                            \
    {                                                                                    \
        .name = "metric", .type = NRE_CHOICE, .fallback = "automatic",                   \
        .choices = "automatic|dense|diagonal",                                           \
        .help = "What warm-up learns of the posterior's shape: all covariances or "      \
                "variances alone; automatic is dense up to 32 parameters."               \
    }

/* A point of phase space. */
typedef struct phase {
    double *z, *v, *slope; /* [d] position, momentum, gradient of logp by z */
    double logp;
} phase;

typedef struct walker {
    phase here;      /* the chain's state; its momentum means nothing */
    phase end[2];    /* of the trajectory, backward and forward */
    phase *tip;      /* the end that moves */
    double sign;     /* of its time */
    double energy;   /* at the start */
    double accepted; /* mean acceptance along the last trajectory, for adaptation */
    uint32_t steps;  /* transitions since the start */
    uint32_t left;   /* leapfrog steps of this trajectory, where the kernel counts them */
    size_t done;     /* transitions of this call */
    void *own;       /* of the kernel */
} walker;

/* What the chains of one observation share. */
typedef struct group {
    double *factor; /* [d][d] L */
    double *sum, *products,
        *origin; /* [d], [d][d], [d] of the window, from its first state */
    double count;
    double step;
    /* Dual averaging (Hoffman & Gelman 2014, algorithm 5): mu, H-bar, log of eps-bar, m. */
    double centre, error, log_mean;
    size_t averaged;
    int towards; /* of the search for a first step: +1 longer, -1 shorter */
    int searching;
} group;

typedef struct settings {
    double accept, length;
    metric metric;
    size_t max_depth;
} settings;

typedef struct run run;
typedef struct kernel {
    /* Prepare the trajectory of a walker that launch() has given a momentum. */
    void (*begin)(run *r, walker *w, nre_rng *rng);
    /* The tip has moved: go on (0), or set the chain's new state and be done (1). */
    int (*arrived)(run *r, walker *w, nre_rng *rng);
} kernel;

struct run {
    const nre_host *host;
    const nre_target *target;
    const kernel *kernel;
    nre_rng *const *rng;
    settings conf;
    size_t n, dim, n_groups, each; /* chains in all and of a group */
    int dense;
    size_t steps, window, window_end; /* of warm-up */
    group *group;                     /* [n_groups] */
    walker *walker;                   /* [n] */
    uint32_t *active, *asked; /* [n] chains that move, and those a call is about */
    size_t n_active;
    double *z, *slope, *ratio_slope; /* [n][d] of a call */
    double *logp, *ratio;            /* [n] */
    uint64_t evaluated, divergent, trajectories, saturated;
    double accepted, proposed;
};

static int no_memory(const run *r)
{
    r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu chains of %zu parameters", r->n,
                  r->dim);
    return NRE_ENOMEM;
}

static group *group_of(const run *r, size_t chain)
{
    return &r->group[chain / r->each];
}

static double energy_of(const run *r, const phase *p)
{
    double square = 0;
    for (size_t k = 0; k < r->dim; k++)
        square += p->v[k] * p->v[k];
    return 0.5 * square - p->logp;
}

static void copy_phase(const run *r, const phase *from, phase *to)
{
    memcpy(to->z, from->z, r->dim * sizeof *to->z);
    memcpy(to->v, from->v, r->dim * sizeof *to->v);
    memcpy(to->slope, from->slope, r->dim * sizeof *to->slope);
    to->logp = from->logp;
}

static void swap(double **a, double **b)
{
    double *keep = *a;
    *a = *b;
    *b = keep;
}

/* leapfrog */

/* Half a step of the momentum: v += step / 2 L^T slope. */
static void kick(const run *r, const group *g, double step, phase *p)
{
    for (size_t a = 0; a < r->dim; a++)
        for (size_t b = r->dense ? 0 : a; b <= a; b++)
            p->v[b] += 0.5 * step * g->factor[a * r->dim + b] * p->slope[a];
}

/* z += step L v.  False, and z as it was, where that leads out of all reason: a network need not
 * look there, and what it says might not be a number. */
static int drift(const run *r, const group *g, double step, phase *p)
{
    for (size_t k = 0; k < r->dim; k++)
        if (!(fabs(step * p->v[k]) < FARTHEST))
            return 0;
    for (size_t a = 0; a < r->dim; a++)
        for (size_t b = r->dense ? 0 : a; b <= a; b++)
            p->z[a] += step * g->factor[a * r->dim + b] * p->v[b];
    return 1;
}

/* Takes point I of the last call to its tip; where that has no density it stays at -INFINITY. */
static void settle(run *r, size_t i)
{
    walker *w = &r->walker[r->asked[i]];
    const group *g = group_of(r, r->asked[i]);
    size_t d = r->dim;
    int finite = isfinite(r->logp[i] + r->ratio[i]);
    for (size_t k = 0; k < d; k++) {
        w->tip->slope[k] = r->slope[i * d + k] + r->ratio_slope[i * d + k];
        finite = finite && isfinite(w->tip->slope[k]);
    }
    if (!finite)
        return;
    w->tip->logp = r->logp[i] + r->ratio[i];
    kick(r, g, w->sign * g->step, w->tip);
}

/* Log density and gradient of the N points in r->z, chain by chain in r->asked. */
static int evaluate(run *r, size_t n)
{
    r->evaluated += n;
    return n == 0 ? NRE_OK
                  : r->target->logp(r->target, n, r->asked, r->z, r->logp, r->ratio,
                                    r->slope, r->ratio_slope);
}

/* The tips of all active chains, in one call. */
static int leapfrog(run *r)
{
    size_t d = r->dim, n = 0;
    for (size_t i = 0; i < r->n_active; i++) {
        walker *w = &r->walker[r->active[i]];
        const group *g = group_of(r, r->active[i]);
        kick(r, g, w->sign * g->step, w->tip);
        w->tip->logp = -INFINITY;
        if (!drift(r, g, w->sign * g->step, w->tip))
            continue;
        memcpy(r->z + n * d, w->tip->z, d * sizeof *r->z);
        r->asked[n++] = r->active[i];
    }
    int status = evaluate(r, n);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        settle(r, i);
    return status;
}

/* A fresh momentum; both ends of the trajectory where the chain is. */
static void launch(run *r, walker *w, nre_rng *rng)
{
    for (size_t k = 0; k < r->dim; k++)
        w->here.v[k] = rng->normal(rng);
    copy_phase(r, &w->here, &w->end[0]);
    copy_phase(r, &w->here, &w->end[1]);
    w->energy = energy_of(r, &w->here);
    w->tip = &w->end[1];
    w->sign = 1;
}

/* min(1, exp(-change of the energy)) at the tip. */
static double acceptance(const run *r, const walker *w)
{
    double gain = w->energy - energy_of(r, w->tip);
    return gain < 0 ? exp(gain) : gain >= 0;
}

static void set_state(walker *w, double **z, double **slope, double logp)
{
    swap(&w->here.z, z);
    swap(&w->here.slope, slope);
    w->here.logp = logp;
}

/* step size */

/* Forget what was averaged; the next steps spread around CENTRE. */
static void restart_average(group *g, double centre)
{
    g->centre = log(centre);
    g->error = 0;
    g->log_mean = log(g->step);
    g->averaged = 0;
}

static void average_step(const run *r, group *g, double accepted)
{
    const double gamma = 0.05, kappa = 0.75, delay = 10; /* their section 3.2.1 */
    double m = (double)++g->averaged, share = 1 / (m + delay), fade = pow(m, -kappa);
    g->error = (1 - share) * g->error + share * (r->conf.accept - accepted);
    double log_step = g->centre - sqrt(m) / gamma * g->error;
    g->step = exp(log_step);
    g->log_mean = fade * log_step + (1 - fade) * g->log_mean;
}

/* Mean acceptance of the group's chains decides: on as before, or found. */
static void judge_step(const run *r, size_t group_index)
{
    size_t each = r->each;
    group *g = &r->group[group_index];
    double sum = 0;
    for (size_t i = group_index * each; i < (group_index + 1) * each; i++)
        sum += acceptance(r, &r->walker[i]);
    int towards = sum > 0.5 * (double)each ? 1 : -1;
    if (g->towards == -towards) {
        g->searching = 0;
        return;
    }
    g->towards = towards;
    g->step *= towards > 0 ? 2 : 0.5;
}

/* A step whose acceptance crosses a half (their algorithm 4), of each group by its own chains. */
static int find_steps(run *r)
{
    int status = NRE_OK;
    for (size_t g = 0; g < r->n_groups; g++) {
        r->group[g].searching = 1;
        r->group[g].towards = 0;
    }
    for (int pass = 0; status == NRE_OK && pass < SEARCH_MOST; pass++) {
        r->n_active = 0;
        for (size_t i = 0; i < r->n; i++)
            if (group_of(r, i)->searching) {
                r->active[r->n_active++] = (uint32_t)i;
                launch(r, &r->walker[i], r->rng[i]);
            }
        if (r->n_active == 0)
            break;
        status = leapfrog(r);
        for (size_t g = 0; status == NRE_OK && g < r->n_groups; g++)
            if (r->group[g].searching)
                judge_step(r, g);
    }
    return status;
}

/* metric */

static void add_state(const run *r, group *g, const double *z)
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
        for (size_t b = r->dense ? 0 : a; b <= a; b++)
            g->products[a * d + b] += (z[a] - g->origin[a]) * (z[b] - g->origin[b]);
    }
}

/* Sums to covariances, correlations shrunk as if five more states had none.  False: the states have
 * hardly moved along some parameter. */
static int covariances(const run *r, group *g)
{
    size_t d = r->dim;
    double n = g->count, *c = g->products, shrink = n / (n + 5);
    int moved = n > 1;
    for (size_t a = 0; moved && a < d; a++) {
        for (size_t b = r->dense ? 0 : a; b <= a; b++) {
            c[a * d + b] = c[a * d + b] / n - g->sum[a] / n * (g->sum[b] / n);
            c[a * d + b] *= a == b ? 1 : shrink;
        }
        double old = g->factor[a * d + a];
        moved = c[a * d + a] > 1e-20 * old * old && isfinite(c[a * d + a]);
    }
    return moved;
}

/* The window's covariance becomes the inverse mass matrix. */
static void learn(const run *r, group *g)
{
    size_t d = r->dim;
    const double *c = g->products;
    double *f = g->factor;
    int moved = covariances(r, g);
    g->count = 0;
    for (size_t a = 0; moved && a < d; a++)
        for (size_t b = r->dense ? 0 : a; b <= a; b++) {
            double sum = c[a * d + b];
            for (size_t k = r->dense ? 0 : a; k < b; k++)
                sum -= f[a * d + k] * f[b * d + k];
            double least = 1e-9 * c[a * d + a];
            f[a * d + b] = a == b ? sqrt(sum > least ? sum : least) : sum / f[b * d + b];
        }
}

/* The scale of where the group's chains start, or of the prior where they are few. */
static int first_metric(run *r, size_t group_index)
{
    size_t d = r->dim, each = r->each, first = group_index * each;
    group *g = &r->group[group_index];
    for (size_t k = 0; k < d; k++)
        g->factor[k * d + k] = 1;
    if (each < FEW_CHAINS) {
        nre_rng *stream[SCALE_DRAWS];
        double *z = r->host->scratch(r->host, SCALE_DRAWS * d, sizeof *z);
        if (!z)
            return no_memory(r);
        for (size_t i = 0; i < SCALE_DRAWS; i++)
            stream[i] = r->rng[first];
        int status = r->target->draw_prior(r->target, SCALE_DRAWS, stream, z);
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < SCALE_DRAWS; i++)
            add_state(r, g, z + i * d);
    } else {
        for (size_t i = first; i < first + each; i++)
            add_state(r, g, r->walker[i].here.z);
    }
    learn(r, g);
    return NRE_OK;
}

/* Of each group after a warm-up step, by the harmonic mean of the acceptance (Hoffman, Radul &
 * Sountsov 2021): in the arithmetic one a chain that is stuck would drown among those that run.  At
 * the end of a window a new metric and its step. */
static int adapt(run *r)
{
    size_t each = r->each;
    for (size_t i = 0; i < r->n; i += each) {
        group *g = group_of(r, i);
        double inverse = 0;
        for (size_t j = i; j < i + each; j++) {
            inverse += 1 / fmax(r->walker[j].accepted, LEAST_ACCEPTED);
            add_state(r, g, r->walker[j].here.z);
        }
        average_step(r, g, (double)each / inverse);
    }
    if (++r->steps < r->window_end)
        return NRE_OK;
    for (size_t g = 0; g < r->n_groups; g++) {
        learn(r, &r->group[g]);
        r->group[g].step = exp(r->group[g].log_mean);
    }
    int status = find_steps(r);
    for (size_t g = 0; g < r->n_groups; g++)
        restart_average(&r->group[g], r->group[g].step);
    r->window *= 2;
    r->window_end += r->window;
    return status;
}

/* start */

/* NULL, with a message, if there is no memory. */
static settings *hamiltonian_settings(const nre_host *host, const nre_values *values)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s) {
        host->fail(host, NRE_ENOMEM, "no memory for the sampler");
        return NULL;
    }
    s->accept = host->get_real(values, "accept");
    s->metric = (metric)host->get_int(values, "metric");
    return s;
}

/* N times EACH doubles for the chains or groups, or NULL. */
static double *take(const run *r, size_t n, size_t each)
{
    return each > 0 && n > SIZE_MAX / each
               ? NULL
               : r->host->alloc(r->host, n * each, sizeof(double));
}

static double *lay_phase(size_t d, double *p, phase *out)
{
    *out = (phase){.z = p, .v = p + d, .slope = p + 2 * d};
    return p + 3 * d;
}

static int lay_walkers(run *r)
{
    size_t d = r->dim;
    double *p = take(r, r->n, 9 * d), *q = take(r, r->n, 3 * d + 2);
    r->walker = r->host->alloc(r->host, r->n, sizeof *r->walker);
    r->active = r->host->alloc(r->host, r->n, sizeof *r->active);
    r->asked = r->host->alloc(r->host, r->n, sizeof *r->asked);
    if (!p || !q || !r->walker || !r->active || !r->asked)
        return no_memory(r);
    for (size_t i = 0; i < r->n; i++) {
        p = lay_phase(d, p, &r->walker[i].here);
        p = lay_phase(d, p, &r->walker[i].end[0]);
        p = lay_phase(d, p, &r->walker[i].end[1]);
    }
    r->z = q;
    r->slope = q + r->n * d;
    r->ratio_slope = q + 2 * r->n * d;
    r->logp = q + 3 * r->n * d;
    r->ratio = r->logp + r->n;
    return NRE_OK;
}

static int lay_groups(run *r)
{
    size_t d = r->dim;
    double *p = take(r, r->n_groups, 2 * d * d + 2 * d);
    r->group = r->host->alloc(r->host, r->n_groups, sizeof *r->group);
    if (!p || !r->group)
        return no_memory(r);
    for (size_t g = 0; g < r->n_groups; g++, p += 2 * d * d + 2 * d)
        r->group[g] = (group){.factor = p,
                              .products = p + d * d,
                              .sum = p + 2 * d * d,
                              .origin = p + 2 * d * d + d,
                              .step = 1};
    return NRE_OK;
}

/* The chains' states, with density and gradient. */
static int place(run *r, const double *z0)
{
    size_t d = r->dim;
    memcpy(r->z, z0, r->n * d * sizeof *z0);
    for (size_t i = 0; i < r->n; i++)
        r->asked[i] = (uint32_t)i;
    int status = evaluate(r, r->n);
    for (size_t i = 0; status == NRE_OK && i < r->n; i++) {
        phase *p = &r->walker[i].here;
        memcpy(p->z, z0 + i * d, d * sizeof *z0);
        for (size_t k = 0; k < d; k++)
            p->slope[k] = r->slope[i * d + k] + r->ratio_slope[i * d + k];
        p->logp = r->logp[i] + r->ratio[i];
        if (!isfinite(p->logp))
            return r->host->fail(r->host, NRE_ENUMERIC,
                                 "chain %zu starts where the log posterior is %g", i,
                                 p->logp);
    }
    return status;
}

static int hamiltonian_start(const settings *s, const kernel *how, const nre_host *host,
                             const nre_target *target, size_t n, const double *z0,
                             nre_rng *const *rng, run **out)
{
    size_t groups = target->n_groups > 0 ? target->n_groups : 1;
    if (n < groups || n % groups != 0)
        return host->fail(host, NRE_EINVAL, "%zu chains cannot be shared by %zu groups",
                          n, groups);
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    *r = (run){.host = host,
               .target = target,
               .kernel = how,
               .rng = rng,
               .conf = *s,
               .n = n,
               .dim = target->dim,
               .n_groups = groups,
               .each = n / groups,
               .dense = s->metric == DENSE ||
                        (s->metric == AUTOMATIC && target->dim <= MOST_DENSE),
               .window = FIRST_WINDOW,
               .window_end = FIRST_WINDOW};
    *out = r;
    int status = lay_walkers(r);
    if (status == NRE_OK)
        status = lay_groups(r);
    if (status == NRE_OK)
        status = place(r, z0);
    for (size_t g = 0; status == NRE_OK && g < groups; g++)
        status = first_metric(r, g);
    if (status == NRE_OK)
        status = find_steps(r);
    for (size_t g = 0; status == NRE_OK && g < groups; g++)
        restart_average(&r->group[g], 10 * r->group[g].step);
    return status;
}

/* steps */

static void record(const run *r, size_t chain, size_t at, const nre_draws *out)
{
    const phase *p = &r->walker[chain].here;
    memcpy(out->z + (at * r->n + chain) * r->dim, p->z, r->dim * sizeof *p->z);
    out->logp[at * r->n + chain] = p->logp;
}

static void begin(run *r, size_t chain)
{
    walker *w = &r->walker[chain];
    launch(r, w, r->rng[chain]);
    r->kernel->begin(r, w, r->rng[chain]);
}

/* STEPS transitions of every chain, written from step AT on.  A chain goes on to its next trajectory
 * while others are still on theirs, so that calls stay full. */
static int advance(run *r, size_t steps, size_t at, const nre_draws *out)
{
    int status = NRE_OK;
    r->n_active = r->n;
    for (size_t i = 0; i < r->n; i++) {
        r->active[i] = (uint32_t)i;
        r->walker[i].done = 0;
        begin(r, i);
    }
    while (r->n_active > 0 && (status = leapfrog(r)) == NRE_OK) {
        size_t still = 0;
        for (size_t i = 0; i < r->n_active; i++) {
            uint32_t chain = r->active[i];
            walker *w = &r->walker[chain];
            if (r->kernel->arrived(r, w, r->rng[chain])) {
                record(r, chain, at + w->done++, out);
                w->steps++;
                if (w->done == steps)
                    continue;
                begin(r, chain);
            }
            r->active[still++] = chain;
        }
        r->n_active = still;
    }
    return status;
}

static void tell(run *r, nre_draws *out)
{
    out->n_evaluate += r->evaluated;
    out->n_divergent += r->divergent;
    out->n_accept += (uint64_t)(r->accepted + 0.5);
    out->n_propose += (uint64_t)(r->proposed + 0.5);
    r->evaluated = r->divergent = 0;
    r->accepted = r->proposed = 0;
}

/* Warm-up goes step by step, since chains learn from one another; what it learned is frozen then. */
static int hamiltonian_step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    int status = NRE_OK;
    for (size_t g = 0; !warmup && g < r->n_groups; g++)
        r->group[g].step = exp(r->group[g].log_mean);
    if (!warmup)
        status = advance(r, out->n_steps, 0, out);
    for (size_t s = 0; warmup && status == NRE_OK && s < out->n_steps; s++) {
        status = advance(r, 1, s, out);
        if (status == NRE_OK)
            status = adapt(r);
    }
    tell(r, out);
    return status;
}

#endif

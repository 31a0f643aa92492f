/* hamiltonian.h - what hmc and nuts share: trajectories of many chains, a leapfrog step of a lot of
 * them in one log-density call; step size and metric, learned in warm-up by each group of chains
 * for itself alone.
 *
 * Momenta are kept as v = L^T p, L the Cholesky factor of the inverse mass matrix (an estimate of
 * the posterior's covariance): v is standard normal, and every product p^T M^-1 p' is v^T v'.
 * A plugin that includes it says in a `kernel` how trajectories begin and when they end. */
#ifndef HAMILTONIAN_H
#define HAMILTONIAN_H

#include "team.h"

enum {
    MOST_DENSE = 32,  /* parameters, of the automatic choice */
    SEARCH_MOST = 60, /* doublings or halvings of the first step */
    FEW_CHAINS = 8,   /* fewer in a group tell too little of the scale */
    SCALE_DRAWS = 32  /* of the prior, which tell it then */
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
    double sum, points; /* of acceptances in this call, and of what */
    void *own;          /* of the kernel */
} walker;

/* What the chains of one observation share. */
typedef struct group {
    shape shape; /* its factor: L */
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
    team team;
    const kernel *kernel;
    settings conf;
    int dense;
    size_t steps, window, window_end; /* of warm-up */
    group *group;                     /* [n_groups] */
    walker *walker;                   /* [n] */
    uint32_t *active, *asked;         /* [n] */
    double *z, *slope, *ratio_slope;  /* [n][d] of a call */
    double *logp, *ratio;             /* [n] */
};

/* The chains of a lot that move, and those a call is about: its own part of the run's arrays. */
typedef struct front {
    run *run;
    size_t n, first, end; /* active; chains of the lot */
    uint32_t *active, *asked;
    double *z, *slope, *ratio_slope, *logp, *ratio;
} front;

static front front_of(run *r, size_t first, size_t n)
{
    size_t d = r->team.dim;
    return (front){.run = r,
                   .first = first,
                   .end = first + n,
                   .active = r->active + first,
                   .asked = r->asked + first,
                   .z = r->z + first * d,
                   .slope = r->slope + first * d,
                   .ratio_slope = r->ratio_slope + first * d,
                   .logp = r->logp + first,
                   .ratio = r->ratio + first};
}

static group *group_of(const run *r, size_t chain)
{
    return &r->group[chain / r->team.each];
}

static nre_counts *counts_of(const run *r, const walker *w)
{
    return &r->team.counts[w - r->walker];
}

static double energy_of(const run *r, const phase *p)
{
    double square = 0;
    for (size_t k = 0; k < r->team.dim; k++)
        square += p->v[k] * p->v[k];
    return 0.5 * square - p->logp;
}

static void copy_phase(const run *r, const phase *from, phase *to)
{
    memcpy(to->z, from->z, r->team.dim * sizeof *to->z);
    memcpy(to->v, from->v, r->team.dim * sizeof *to->v);
    memcpy(to->slope, from->slope, r->team.dim * sizeof *to->slope);
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
    size_t d = r->team.dim;
    for (size_t a = 0; a < d; a++)
        for (size_t b = r->dense ? 0 : a; b <= a; b++)
            p->v[b] += 0.5 * step * g->shape.factor[a * r->team.dim + b] * p->slope[a];
}

/* z += step L v.  False, and z as it was, where that leads out of all reason: a network need not
 * look there, and what it says might not be a number. */
static int drift(const run *r, const group *g, double step, phase *p)
{
    for (size_t k = 0; k < r->team.dim; k++)
        if (!(fabs(step * p->v[k]) < FARTHEST))
            return 0;
    for (size_t a = 0; a < r->team.dim; a++)
        for (size_t b = r->dense ? 0 : a; b <= a; b++)
            p->z[a] += step * g->shape.factor[a * r->team.dim + b] * p->v[b];
    return 1;
}

/* Takes point I of the last call to its tip; where that has no density it stays at -INFINITY. */
static void settle(const front *f, size_t i)
{
    const run *r = f->run;
    const walker *w = &r->walker[f->asked[i]];
    const group *g = group_of(r, f->asked[i]);
    size_t d = r->team.dim;
    double logp = f->logp[i] + f->ratio[i];
    int finite = isfinite(logp);
    for (size_t k = 0; k < d; k++) {
        w->tip->slope[k] = f->slope[i * d + k] + f->ratio_slope[i * d + k];
        finite = finite && isfinite(w->tip->slope[k]);
    }
    if (!finite)
        return;
    w->tip->logp = logp;
    kick(r, g, w->sign * g->step, w->tip);
}

/* Log density and gradient of the N points in z, chain by chain in ASKED. */
static int evaluate(const front *f, size_t n)
{
    const team *t = &f->run->team;
    for (size_t i = 0; i < n; i++)
        t->counts[f->asked[i]].n_evaluate++;
    return n == 0 ? NRE_OK
                  : t->target->logp(t->target, n, f->asked, f->z, f->logp, f->ratio,
                                    f->slope, f->ratio_slope);
}

/* The tips of all active chains of the lot, in one call. */
static int leapfrog(const front *f)
{
    const run *r = f->run;
    size_t d = r->team.dim, n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const walker *w = &r->walker[f->active[i]];
        const group *g = group_of(r, f->active[i]);
        kick(r, g, w->sign * g->step, w->tip);
        w->tip->logp = -INFINITY;
        if (!drift(r, g, w->sign * g->step, w->tip))
            continue;
        memcpy(f->z + n * d, w->tip->z, d * sizeof *f->z);
        f->asked[n++] = f->active[i];
    }
    int status = evaluate(f, n);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        settle(f, i);
    return status;
}

/* A fresh momentum; both ends of the trajectory where the chain is. */
static void launch(run *r, walker *w, nre_rng *rng)
{
    for (size_t k = 0; k < r->team.dim; k++)
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
    size_t each = r->team.each;
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

/* A trial step of the chains whose group still searches. */
static int try_step(void *self, const stretch *s)
{
    run *r = self;
    front f = front_of(r, s->first, s->n);
    for (size_t i = f.first; i < f.end; i++)
        if (group_of(r, i)->searching) {
            f.active[f.n++] = (uint32_t)i;
            launch(r, &r->walker[i], r->team.rng[i]);
        }
    return leapfrog(&f);
}

/* A step whose acceptance crosses a half (their algorithm 4), of each group by its own chains. */
static int find_steps(run *r)
{
    int status = NRE_OK, left = 1;
    for (size_t g = 0; g < r->team.n_groups; g++) {
        r->group[g].searching = 1;
        r->group[g].towards = 0;
    }
    for (int pass = 0; status == NRE_OK && left && pass < SEARCH_MOST; pass++) {
        status = march_on(&r->team, r, try_step, 0, 1, 1, NULL);
        left = 0;
        for (size_t g = 0; status == NRE_OK && g < r->team.n_groups; g++)
            if (r->group[g].searching) {
                judge_step(r, g);
                left = left || r->group[g].searching;
            }
    }
    return status;
}

/* metric */

/* Sums to covariances, correlations shrunk as if five more states had none.  False: the states have
 * hardly moved along some parameter. */
static int covariances(const run *r, shape *s)
{
    size_t d = r->team.dim;
    double n = s->count, *c = s->products, shrink = n / (n + 5);
    int moved = n > 1;
    for (size_t a = 0; moved && a < d; a++) {
        for (size_t b = r->dense ? 0 : a; b <= a; b++) {
            c[a * d + b] = c[a * d + b] / n - s->sum[a] / n * (s->sum[b] / n);
            c[a * d + b] *= a == b ? 1 : shrink;
        }
        double old = s->factor[a * d + a];
        moved = c[a * d + a] > 1e-20 * old * old && isfinite(c[a * d + a]);
    }
    return moved;
}

/* The window's covariance becomes the inverse mass matrix. */
static void learn(const run *r, shape *s)
{
    size_t d = r->team.dim;
    const double *c = s->products;
    double *f = s->factor;
    int moved = covariances(r, s);
    s->count = 0;
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
    const team *t = &r->team;
    size_t d = t->dim, each = t->each, first = group_index * each;
    shape *s = &r->group[group_index].shape;
    if (each < FEW_CHAINS) {
        nre_rng *stream[SCALE_DRAWS];
        double *z = t->host->scratch(t->host, SCALE_DRAWS * d, sizeof *z);
        if (!z)
            return no_memory(t);
        for (size_t i = 0; i < SCALE_DRAWS; i++)
            stream[i] = t->rng[first];
        int status = t->target->draw_prior(t->target, SCALE_DRAWS, stream, z);
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < SCALE_DRAWS; i++)
            shape_add(s, d, z + i * d);
    } else {
        for (size_t i = first; i < first + each; i++)
            shape_add(s, d, r->walker[i].here.z);
    }
    learn(r, s);
    return NRE_OK;
}

/* Of each group after a warm-up step, by the harmonic mean of the acceptance (Hoffman, Radul &
 * Sountsov 2021): in the arithmetic one a chain that is stuck would drown among those that run.  At
 * the end of a window a new metric and its step. */
static int adapt(void *self)
{
    run *r = self;
    const team *t = &r->team;
    for (size_t i = 0; i < t->n; i += t->each) {
        group *g = group_of(r, i);
        double inverse = 0;
        for (size_t j = i; j < i + t->each; j++) {
            inverse += 1 / fmax(r->walker[j].accepted, LEAST_ACCEPTED);
            shape_add(&g->shape, t->dim, r->walker[j].here.z);
        }
        average_step(r, g, (double)t->each / inverse);
    }
    if (++r->steps < r->window_end)
        return NRE_OK;
    for (size_t g = 0; g < t->n_groups; g++) {
        learn(r, &r->group[g].shape);
        r->group[g].step = exp(r->group[g].log_mean);
    }
    int status = find_steps(r);
    for (size_t g = 0; g < t->n_groups; g++)
        restart_average(&r->group[g], r->group[g].step);
    r->window_end += r->window *= 2;
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

static double *lay_phase(size_t d, double *p, phase *out)
{
    *out = (phase){.z = p, .v = p + d, .slope = p + 2 * d};
    return p + 3 * d;
}

static int lay_walkers(run *r)
{
    const team *t = &r->team;
    size_t n = t->n, d = t->dim;
    double *p = take(t, n, 9 * d), *q = take(t, n, 3 * d + 2);
    r->walker = t->host->alloc(t->host, n, sizeof *r->walker);
    r->active = t->host->alloc(t->host, n, sizeof *r->active);
    r->asked = t->host->alloc(t->host, n, sizeof *r->asked);
    if (!p || !q || !r->walker || !r->active || !r->asked)
        return no_memory(t);
    for (size_t i = 0; i < n; i++) {
        p = lay_phase(d, p, &r->walker[i].here);
        p = lay_phase(d, p, &r->walker[i].end[0]);
        p = lay_phase(d, p, &r->walker[i].end[1]);
    }
    r->z = q;
    r->slope = q + n * d;
    r->ratio_slope = q + 2 * n * d;
    r->logp = q + 3 * n * d;
    r->ratio = r->logp + n;
    return NRE_OK;
}

static int lay_groups(run *r)
{
    const team *t = &r->team;
    double *p = take(t, t->n_groups, shape_size(t->dim));
    r->group = t->host->alloc(t->host, t->n_groups, sizeof *r->group);
    if (!p || !r->group)
        return no_memory(t);
    for (size_t g = 0; g < t->n_groups; g++) {
        r->group[g].step = 1;
        p = shape_lay(&r->group[g].shape, t->dim, 1, p);
    }
    return NRE_OK;
}

/* The chains' states, with density and gradient. */
static int place(run *r, const double *z0)
{
    const team *t = &r->team;
    size_t d = t->dim;
    front f = front_of(r, 0, t->n);
    memcpy(f.z, z0, t->n * d * sizeof *z0);
    memcpy(f.asked, t->chain, t->n * sizeof *t->chain);
    int status = evaluate(&f, t->n);
    for (size_t i = 0; status == NRE_OK && i < t->n; i++) {
        phase *p = &r->walker[i].here;
        memcpy(p->z, z0 + i * d, d * sizeof *z0);
        for (size_t k = 0; k < d; k++)
            p->slope[k] = f.slope[i * d + k] + f.ratio_slope[i * d + k];
        p->logp = f.logp[i] + f.ratio[i];
        if (!isfinite(p->logp))
            return t->host->fail(t->host, NRE_ENUMERIC,
                                 "chain %zu starts where the log posterior is %g", i,
                                 p->logp);
    }
    return status;
}

static int hamiltonian_start(const settings *s, const kernel *how, const nre_host *host,
                             const nre_target *target, size_t n, const double *z0,
                             nre_rng *const *rng, run **out)
{
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    *r = (run){.kernel = how,
               .conf = *s,
               .dense = s->metric == DENSE ||
                        (s->metric == AUTOMATIC && target->dim <= MOST_DENSE),
               .window = WINDOW,
               .window_end = WINDOW};
    *out = r;
    int status = team_open(&r->team, host, target, n, 1, rng);
    if (status == NRE_OK)
        status = lay_walkers(r);
    if (status == NRE_OK)
        status = lay_groups(r);
    if (status == NRE_OK)
        status = place(r, z0);
    for (size_t g = 0; status == NRE_OK && g < r->team.n_groups; g++)
        status = first_metric(r, g);
    if (status == NRE_OK)
        status = find_steps(r);
    for (size_t g = 0; status == NRE_OK && g < r->team.n_groups; g++)
        restart_average(&r->group[g], 10 * r->group[g].step);
    return status;
}

/* steps */

static void begin(run *r, size_t chain)
{
    walker *w = &r->walker[chain];
    launch(r, w, r->team.rng[chain]);
    r->kernel->begin(r, w, r->team.rng[chain]);
}

/* The tip of CHAIN has moved.  True: it has done its last transition. */
static int go_on(run *r, const stretch *s, uint32_t chain)
{
    walker *w = &r->walker[chain];
    if (!r->kernel->arrived(r, w, r->team.rng[chain]))
        return 0;
    write_draw(&r->team, s->out, s->from + w->done++, chain, w->here.z, w->here.logp);
    w->steps++;
    if (w->done == s->to - s->from)
        return 1;
    begin(r, chain);
    return 0;
}

/* A chain goes on to its next trajectory while others are still on theirs, so that calls stay
 * full. */
static int advance(void *self, const stretch *s)
{
    run *r = self;
    int status = NRE_OK;
    front f = front_of(r, s->first, s->n);
    for (size_t i = f.first; i < f.end; i++) {
        f.active[f.n++] = (uint32_t)i;
        r->walker[i].done = 0;
        begin(r, i);
    }
    while (f.n > 0 && (status = leapfrog(&f)) == NRE_OK) {
        size_t still = 0;
        for (size_t i = 0; i < f.n; i++) {
            uint32_t chain = f.active[i];
            if (!go_on(r, s, chain))
                f.active[still++] = chain;
        }
        f.n = still;
    }
    return status;
}

/* Acceptances are summed as they are, and counted in whole numbers of all chains. */
static void count_acceptance(const run *r)
{
    double sum = 0, points = 0;
    for (size_t i = 0; i < r->team.n; i++) {
        walker *w = &r->walker[i];
        sum += w->sum;
        points += w->points;
        w->sum = w->points = 0;
        if ((i + 1) % r->team.each > 0)
            continue;
        r->team.counts[i].n_accept += (uint64_t)(sum + 0.5);
        r->team.counts[i].n_propose += (uint64_t)(points + 0.5);
        sum = points = 0;
    }
}

static int hamiltonian_step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    for (size_t g = 0; !warmup && g < r->team.n_groups; g++)
        r->group[g].step = exp(r->group[g].log_mean);
    int status = march(&r->team, r, advance, adapt, warmup != 0, out);
    count_acceptance(r);
    tell(&r->team, out);
    return status;
}

#endif

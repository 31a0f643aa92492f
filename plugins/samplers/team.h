/* team.h - what the samplers share: chains in lots, each of which a thread takes through its steps;
 * counters; the covariance that the chains of an observation learn in warm-up.
 *
 * Lots follow from numbers of chains alone, and a lot touches nothing but its own chains, so that
 * any number of threads gives the same draws. */
#ifndef TEAM_H
#define TEAM_H

#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

enum {
    LOTS = 8,    /* that chains are cut in, while their points are within: */
    FEWEST = 48, /* fewer points a call cost a network dear */
    GREATEST = 512,
    WINDOW = 25 /* warm-up steps before the first covariance; windows double */
};

typedef struct team {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    size_t n, each, n_groups, dim; /* chains of all and of a group; groups; parameters */
    size_t lot;                    /* chains, the last lot has fewer */
    uint32_t *chain;               /* [n] 0, 1, .. */
    nre_counts *counts;            /* [n] of each chain in this call */
} team;

/* Steps FROM .. TO - 1 of chains FIRST .. FIRST + N - 1, written to OUT. */
typedef struct stretch {
    size_t first, n, from, to;
    int warmup;
    nre_draws *out;
} stretch;

typedef int stretch_task(void *run, const stretch *s);
typedef int step_task(void *run);

/* Chains of a lot, each with POINTS a call; whole groups where those are small. */
static inline size_t lot_of(const team *t, size_t points)
{
    size_t all = t->n * points, some = all / LOTS;
    some = some < FEWEST ? FEWEST : some > GREATEST ? GREATEST : some;
    size_t lots = all / some, lot = lots > 1 ? (t->n + lots - 1) / lots : t->n;
    size_t whole = t->each < lot ? t->each : 1;
    return (lot + whole - 1) / whole * whole;
}

static inline int team_open(team *t, const nre_host *host, const nre_target *target,
                            size_t n, size_t points, nre_rng *const *rng)
{
    size_t groups = target->n_groups > 0 ? target->n_groups : 1;
    if (n < groups || n % groups != 0)
        return host->fail(host, NRE_EINVAL, "%zu chains cannot be shared by %zu groups",
                          n, groups);
    *t = (team){.host = host,
                .target = target,
                .rng = rng,
                .n = n,
                .each = n / groups,
                .n_groups = groups,
                .dim = target->dim};
    t->lot = lot_of(t, points);
    t->chain = host->alloc(host, n, sizeof *t->chain);
    t->counts = host->alloc(host, n, sizeof *t->counts);
    if (!t->chain || !t->counts)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    for (size_t i = 0; i < n; i++)
        t->chain[i] = (uint32_t)i;
    return NRE_OK;
}

static inline int no_memory(const team *t)
{
    /* the core's host is never NULL: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    t->host->fail(t->host, NRE_ENOMEM, "no memory for %zu chains of %zu parameters", t->n,
                  t->dim);
    return NRE_ENOMEM;
}

/* N times EACH doubles for the run, or NULL. */
static inline double *take(const team *t, size_t n, size_t each)
{
    if (each > 0 && n > SIZE_MAX / each)
        return NULL;
    /* the core's host is never NULL: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    return t->host->alloc(t->host, n * each, sizeof(double));
}

/* Log posterior of N points in OUT; their log ratios in RATIO. */
static inline int log_posterior(const team *t, size_t n, const uint32_t *chain,
                                const double *z, double *out, double *ratio)
{
    int status =
        n > 0 ? t->target->logp(t->target, n, chain, z, out, ratio, NULL, NULL) : NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        out[i] += ratio[i];
    for (size_t i = 0; i < n; i++)
        t->counts[chain[i]].n_evaluate++;
    return status;
}

/* Whether a proposal is taken whose density exceeds the old by GAIN, in nats.  1 - 1 / u <= log(u) <=
 * u - 1 tells mostly, without the logarithm. */
static inline int accepts(nre_rng *rng, double gain)
{
    double u = rng->uniform(rng);
    if (gain > u - 1)
        return 1;
    return gain * u > u - 1 && log(u) < gain;
}

static inline void count_proposal(const team *t, size_t chain, int accepted)
{
    t->counts[chain].n_propose++;
    t->counts[chain].n_accept += (uint64_t)accepted;
}

/* What was counted before, as at the start, is not told. */
static inline void count_anew(const team *t)
{
    memset(t->counts, 0, t->n * sizeof *t->counts);
}

static inline size_t below(nre_rng *rng, size_t n)
{
    size_t i = (size_t)(rng->uniform(rng) * (double)n);
    return i < n ? i : n - 1;
}

static inline void write_draw(const team *t, nre_draws *out, size_t step, size_t chain,
                              const double *z, double logp)
{
    size_t at = step * t->n + chain;
    memcpy(out->z + at * t->dim, z, t->dim * sizeof *z);
    out->logp[at] = logp;
}

/* The chains' counters to those of their groups and of all. */
static inline void tell(const team *t, nre_draws *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const nre_counts *c = &t->counts[i];
        out->n_accept += c->n_accept;
        out->n_propose += c->n_propose;
        out->n_evaluate += c->n_evaluate;
        out->n_divergent += c->n_divergent;
        if (!NRE_HAS(out, of_group))
            continue;
        nre_counts *sum = &out->of_group[i / t->each];
        sum->n_accept += c->n_accept;
        sum->n_propose += c->n_propose;
        sum->n_evaluate += c->n_evaluate;
        sum->n_divergent += c->n_divergent;
    }
    count_anew(t);
}

/* steps */

typedef struct marching {
    void *run;
    const team *team;
    stretch_task *task;
    stretch all;
} marching;

static inline int march_lot(void *context, size_t i)
{
    const marching *m = context;
    stretch s = m->all;
    s.first = i * m->team->lot;
    s.n = s.n - s.first < m->team->lot ? s.n - s.first : m->team->lot;
    return m->task(m->run, &s);
}

/* All lots through steps FROM .. TO - 1, each in whatever thread is free. */
static inline int march_on(const team *t, void *run, stretch_task *task, size_t from,
                           size_t to, int warmup, nre_draws *out)
{
    marching m = {.run = run, .team = t, .task = task};
    m.all = (stretch){.n = t->n, .from = from, .to = to, .warmup = warmup, .out = out};
    return t->host->parallel(t->host, (t->n + t->lot - 1) / t->lot, march_lot, &m);
}

/* All steps of a call.  Warm-up goes step by step, ADAPT after each, since chains learn from one
 * another; what they learned is frozen then, and lots go their way alone. */
static inline int march(const team *t, void *run, stretch_task *task, step_task *adapt,
                        int warmup, nre_draws *out)
{
    int status = NRE_OK;
    if (!warmup)
        status = march_on(t, run, task, 0, out->n_steps, 0, out);
    for (size_t s = 0; warmup && status == NRE_OK && s < out->n_steps; s++) {
        status = march_on(t, run, task, s, s + 1, 1, out);
        if (status == NRE_OK)
            status = adapt(run);
    }
    return status;
}

/* Likewise, and counted. */
static inline int team_step(const team *t, void *run, stretch_task *task,
                            step_task *adapt, uint32_t warmup, nre_draws *out)
{
    count_anew(t);
    int status = march(t, run, task, adapt, warmup != 0, out);
    tell(t, out);
    return status;
}

/* covariance */

/* Of the states of a window; FACTOR and MEAN are those of the last window that told them. */
typedef struct shape {
    double *factor;         /* [d][d] lower Cholesky factor */
    double *mean;           /* [d] */
    double *sum, *products; /* [d], [d][d] of this window, from its first state */
    double *origin;         /* [d] */
    double count;
    int learned;
} shape;

static inline size_t shape_size(size_t d)
{
    return 2 * d * d + 3 * d;
}

/* In shape_size() doubles at P; the first factor is DEVIATION along each parameter. */
static inline double *shape_lay(shape *s, size_t d, double deviation, double *p)
{
    *s = (shape){.factor = p,
                 .products = p + d * d,
                 .mean = p + 2 * d * d,
                 .sum = p + 2 * d * d + d,
                 .origin = p + 2 * d * d + 2 * d};
    for (size_t k = 0; k < d; k++)
        s->factor[k * d + k] = deviation;
    return p + shape_size(d);
}

static inline void shape_add(shape *s, size_t d, const double *z)
{
    if (s->count == 0) {
        memcpy(s->origin, z, d * sizeof *z);
        memset(s->sum, 0, d * sizeof *s->sum);
        memset(s->products, 0, d * d * sizeof *s->products);
    }
    s->count += 1;
    for (size_t a = 0; a < d; a++) {
        s->sum[a] += z[a] - s->origin[a];
        for (size_t b = 0; b <= a; b++)
            s->products[a * d + b] += (z[a] - s->origin[a]) * (z[b] - s->origin[b]);
    }
}

/* Lower Cholesky factor of the covariance C in F, which may be C; the log determinant of the
 * factor. No pivot's square is less than a millionth of its variance. */
static inline double cholesky(size_t d, const double *c, double *f)
{
    double log_det = 0;
    for (size_t a = 0; a < d; a++) {
        double least = 1e-6 * c[a * d + a] + 1e-300;
        for (size_t b = 0; b <= a; b++) {
            double sum = c[a * d + b];
            for (size_t k = 0; k < b; k++)
                sum -= f[a * d + k] * f[b * d + k];
            f[a * d + b] = a == b ? sqrt(sum > least ? sum : least) : sum / f[b * d + b];
        }
        log_det += log(f[a * d + a]);
    }
    return log_det;
}

/* The window's covariance, and a new window; where chains have hardly moved the old one stays.
 * True when it is the first. */
static inline int shape_learn(shape *s, size_t d)
{
    double n = s->count, *c = s->products;
    int moved = 1, before = s->learned;
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            c[a * d + b] = c[a * d + b] / n - s->sum[a] / n * (s->sum[b] / n);
    for (size_t a = 0; a < d; a++)
        moved = moved && c[a * d + a] > 1e-24 && isfinite(c[a * d + a]);
    if (moved)
        cholesky(d, c, s->factor);
    for (size_t a = 0; moved && a < d; a++)
        s->mean[a] = s->origin[a] + s->sum[a] / n;
    s->learned = before || moved;
    s->count = 0;
    return s->learned && !before;
}

/* Towards the best acceptance of a walk, 0.44 for one parameter, 0.234 for many (Roberts &
 * Rosenthal 2009): what to add to the logarithm of its scale for one of EACH chains. */
static inline double scale_change(size_t d, size_t steps, size_t each, int accepted)
{
    double goal = 0.234 + 0.206 / (double)d, gain = 1 / sqrt(1 + (double)steps);
    return 4 * gain * (accepted - goal) / (double)each;
}

/* log(exp(a) + exp(b)) */
static inline double log_add(double a, double b)
{
    double most = a > b ? a : b, least = a > b ? b : a;
    return most == -INFINITY ? most : most + log1p(exp(least - most));
}

static inline void draw_normals(nre_rng *rng, size_t n, double *out)
{
    for (size_t k = 0; k < n; k++)
        out[k] = rng->normal(rng);
}

/* z += FACTOR times the normals, correlated as L [d][d] has them. */
static inline void add_correlated(size_t d, const double *l, double factor,
                                  const double *normal, double *z)
{
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            z[a] += factor * l[a * d + b] * normal[b];
}

#endif

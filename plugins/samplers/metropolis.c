/* metropolis: adaptive Metropolis-Hastings, many chains in a log-density call.
 *
 * Each proposal is one of three kinds, drawn without regard to where the chain stands.
 * A walk: z + scale 2.38 / sqrt(d) N(0, C), C the covariance learned in warm-up, pooled over
 * the chains of a group (Haario, Saksman & Tamminen 2001), the scale adapted to the best
 * acceptance (Roberts & Rosenthal 2009).
 * A difference: z + gamma (a - b) + a little noise, a and b two states of the warm-up's archive
 * (ter Braak & Vrugt 2008), gamma = 2.38 / sqrt(2 d), every fifth time 1, which jumps between
 * modes.
 * Independence: from Student-t's with 5 degrees of freedom, fitted to the archive.
 * After warm-up scale, covariance and archive are frozen, so that the chains are Markov. */
#include "student.h"

static const nre_option OPTIONS[] = {
    {.name = "scale",
     .type = NRE_REAL,
     .fallback = "0.3",
     .lo = 0,
     .hi = 1e6,
     .flags = NRE_OPEN_LO,
     .help = "Deviation of the first proposals, where the prior has a deviation of about "
             "1 to 2."},
    {.name = "difference",
     .type = NRE_REAL,
     .fallback = "0.3",
     .lo = 0,
     .hi = 1,
     .help = "Fraction of proposals along differences of earlier states."},
    {.name = "independence",
     .type = NRE_REAL,
     .fallback = "0.3",
     .lo = 0,
     .hi = 1,
     .help = "Fraction of proposals from a Student-t around the mean, wherever the chain "
             "stands."},
};

enum {
    ARCHIVE = 1000,   /* states of a group */
    PARTS = 6,        /* of the mixture at most */
    PART_STATES = 10, /* of the archive for each parameter of a part */
    ROUNDS = 10       /* of sorting states into parts */
};
static const double WORTH = 0.15; /* nats a state that parts must gain over a whole */

typedef struct settings {
    double scale, difference, independence;
} settings;

/* What the chains of one observation share. */
typedef struct group {
    shape shape;
    double *archive; /* [ARCHIVE][d] */
    size_t n_archive, seen;
    double log_scale;
    double stride; /* of walks */
    mixture whole, parts;
    const mixture *from; /* one of the two: where independence proposals come from */
} group;

typedef enum move { WALK, DIFFERENCE, INDEPENDENCE } move;

typedef struct run {
    team team;
    settings conf;
    size_t steps, window, window_end; /* of warm-up */
    group *group;                     /* [n_groups] */
    move *kind;                       /* [n] */
    int *accepted;                    /* [n] the last proposal */
    double *z, *proposal;             /* [n][d] */
    double *logp, *trial, *ratio;     /* [n] */
    double *correction;               /* [n] log q(z | z') - log q(z' | z) */
    double *work;                     /* [n][2][d], a lot's at its first chain */
    size_t *part;                     /* [ARCHIVE] of each state, as they are sorted */
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->scale = host->get_real(values, "scale");
    s->difference = host->get_real(values, "difference");
    s->independence = host->get_real(values, "independence");
    if (s->difference + s->independence > 1)
        return host->fail(host, NRE_EINVAL,
                          "'difference' and 'independence' are fractions of all "
                          "proposals: %g + %g exceeds 1",
                          s->difference, s->independence);
    *self = s;
    return NRE_OK;
}

static group *group_of(const run *r, size_t chain)
{
    return &r->group[chain / r->team.each];
}

static void set_stride(const run *r, group *g)
{
    g->stride = exp(g->log_scale) * 2.38 / sqrt((double)r->team.dim);
}

static int lay_groups(run *r)
{
    const team *t = &r->team;
    size_t d = t->dim, mixed = mixture_size(PARTS + 1, d);
    double *p = take(t, t->n_groups, shape_size(d) + ARCHIVE * d + mixed);
    r->group = t->host->alloc(t->host, t->n_groups, sizeof *r->group);
    r->part = t->host->alloc(t->host, ARCHIVE, sizeof *r->part);
    if (!r->group || !p || !r->part)
        return no_memory(t);
    for (size_t i = 0; i < t->n_groups; i++) {
        group *g = &r->group[i];
        g->archive = shape_lay(&g->shape, d, r->conf.scale * sqrt((double)d) / 2.38, p);
        p = mixture_lay(&g->whole, 1, d, g->archive + ARCHIVE * d);
        p = mixture_lay(&g->parts, PARTS, d, p);
        set_stride(r, g);
    }
    return NRE_OK;
}

static int lay_chains(run *r, const double *z0)
{
    const team *t = &r->team;
    size_t n = t->n, d = t->dim;
    double *p = take(t, n, 4 * d + 4);
    r->kind = t->host->alloc(t->host, n, sizeof *r->kind);
    r->accepted = t->host->alloc(t->host, n, sizeof *r->accepted);
    if (!p || !r->kind || !r->accepted)
        return no_memory(t);
    r->z = p;
    r->proposal = p + n * d;
    r->work = p + 2 * n * d;
    r->logp = p + 4 * n * d;
    r->trial = r->logp + n;
    r->ratio = r->trial + n;
    r->correction = r->ratio + n;
    memcpy(r->z, z0, n * d * sizeof *z0);
    return log_posterior(t, n, t->chain, r->z, r->logp, r->ratio);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.conf = *(const settings *)self, .window = WINDOW, .window_end = WINDOW};
    *out = r;
    int status = team_open(&r->team, host, target, n, 1, rng);
    if (status == NRE_OK)
        status = lay_groups(r);
    return status == NRE_OK ? lay_chains(r, z0) : status;
}

/* proposals */

static void walk(size_t d, const group *g, nre_rng *rng, double *work, double *z)
{
    draw_normals(rng, d, work);
    add_correlated(d, g->shape.factor, g->stride, work, z);
}

static void difference(size_t d, const group *g, nre_rng *rng, double *work, double *z)
{
    size_t a = below(rng, g->n_archive), b = below(rng, g->n_archive);
    double gamma = rng->uniform(rng) < 0.2 ? 1 : 2.38 / sqrt(2 * (double)d);
    for (size_t k = 0; k < d; k++)
        z[k] += gamma * (g->archive[a * d + k] - g->archive[b * d + k]);
    draw_normals(rng, d, work);
    add_correlated(d, g->shape.factor, 0.05 / sqrt((double)d), work, z);
}

/* WORK: [d].  What it adds to the gain of the density. */
static double independence(size_t d, const group *g, nre_rng *rng, double *work,
                           double *z)
{
    double part[PARTS], old = log_mixture(d, g->from, z, work, part, NULL);
    draw_mixture(d, g->from, rng, work, z);
    return old - log_mixture(d, g->from, z, work, part, NULL);
}

static void propose(const run *r, size_t i, double *work)
{
    size_t d = r->team.dim;
    const group *g = group_of(r, i);
    nre_rng *rng = r->team.rng[i];
    double u = rng->uniform(rng), *z = r->proposal + i * d;
    memcpy(z, r->z + i * d, d * sizeof *z);
    r->correction[i] = 0;
    r->kind[i] = WALK;
    if (g->shape.learned && u < r->conf.difference)
        r->kind[i] = DIFFERENCE;
    else if (g->shape.learned && u < r->conf.difference + r->conf.independence)
        r->kind[i] = INDEPENDENCE;
    if (r->kind[i] == WALK)
        walk(d, g, rng, work, z);
    else if (r->kind[i] == DIFFERENCE)
        difference(d, g, rng, work, z);
    else
        r->correction[i] = independence(d, g, rng, work, z);
}

/* warm-up */

/* States in turn; once the archive is full each new one replaces the oldest. */
static void remember(const run *r, group *g, const double *z)
{
    size_t d = r->team.dim;
    memcpy(g->archive + g->seen % ARCHIVE * d, z, d * sizeof *z);
    g->seen++;
    g->n_archive = g->seen < ARCHIVE ? g->seen : ARCHIVE;
}

/* the mixture: k-means of the archive, a covariance for each part */

/* SCALE [d]: deviations of the window. */
static void scales_of(const run *r, const group *g, double *scale)
{
    size_t d = r->team.dim;
    for (size_t k = 0; k < d; k++) {
        double sum = 0;
        for (size_t i = 0; i <= k; i++)
            sum += g->shape.factor[k * d + i] * g->shape.factor[k * d + i];
        scale[k] = sqrt(sum);
    }
}

/* Of the first N means; *SQUARE in units of SCALE. */
static size_t nearest(size_t d, const double *scale, const mixture *m, size_t n,
                      const double *z, double *square)
{
    size_t best = 0;
    *square = INFINITY;
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (size_t a = 0; a < d; a++) {
            double one = (z[a] - m->mean[k * d + a]) / scale[a];
            sum += one * one;
        }
        if (sum < *square) {
            *square = sum;
            best = k;
        }
    }
    return best;
}

/* Means: states drawn by their squared distance from those chosen before (Arthur &
 * Vassilvitskii 2007). */
static void choose_means(const run *r, const group *g, const double *scale, mixture *m,
                         nre_rng *rng)
{
    size_t d = r->team.dim;
    memcpy(m->mean, g->archive + below(rng, g->n_archive) * d, d * sizeof *m->mean);
    for (size_t k = 1; k < m->n; k++) {
        double total = 0, square = 0;
        size_t chosen = 0;
        for (size_t i = 0; i < g->n_archive; i++) {
            nearest(d, scale, m, k, g->archive + i * d, &square);
            total += square;
        }
        double left = total * rng->uniform(rng);
        for (; chosen + 1 < g->n_archive; chosen++) {
            nearest(d, scale, m, k, g->archive + chosen * d, &square);
            if ((left -= square) < 0)
                break;
        }
        memcpy(m->mean + k * d, g->archive + chosen * d, d * sizeof *m->mean);
    }
}

/* States to the nearest mean, means to those of their states; COUNT of each.  One without any
 * stays where it is. */
static void sort_states(const run *r, const group *g, const double *scale, mixture *m,
                        double *count)
{
    size_t d = r->team.dim;
    double square;
    memset(count, 0, PARTS * sizeof *count);
    for (size_t i = 0; i < g->n_archive; i++) {
        r->part[i] = nearest(d, scale, m, m->n, g->archive + i * d, &square);
        count[r->part[i]] += 1;
    }
    for (size_t k = 0; k < m->n; k++)
        if (count[k] > 0)
            memset(m->mean + k * d, 0, d * sizeof *m->mean);
    for (size_t i = 0; i < g->n_archive; i++)
        for (size_t a = 0; a < d; a++)
            m->mean[r->part[i] * d + a] += g->archive[i * d + a] / count[r->part[i]];
}

/* Covariances within parts, drawn towards their mean over the parts as if that were worth 2 d
 * states more. */
static void shape_parts(const run *r, const group *g, mixture *m, const double *count)
{
    size_t d = r->team.dim;
    double *c = m->factor, more = 2 * (double)d, n = (double)g->n_archive;
    memset(c, 0, m->n * d * d * sizeof *c);
    for (size_t i = 0; i < g->n_archive; i++) {
        const double *z = g->archive + i * d, *mean = m->mean + r->part[i] * d;
        for (size_t a = 0; a < d; a++)
            for (size_t b = 0; b <= a; b++)
                c[r->part[i] * d * d + a * d + b] += (z[a] - mean[a]) * (z[b] - mean[b]);
    }
    for (size_t at = 0; at < d * d; at++) {
        double pooled = 0;
        for (size_t k = 0; k < m->n; k++)
            pooled += c[k * d * d + at] / n;
        for (size_t k = 0; k < m->n; k++)
            c[k * d * d + at] = (c[k * d * d + at] + more * pooled) / (count[k] + more);
    }
    for (size_t k = 0; k < m->n; k++) {
        m->share[k] = (count[k] + 1) / (n + (double)m->n);
        m->log_norm[k] = log(m->share[k]) - cholesky(d, c + k * d * d, c + k * d * d);
    }
}

/* Mean log density of the archive. */
static double fit(const run *r, const group *g, mixture *m, size_t n, nre_rng *rng)
{
    size_t d = r->team.dim;
    double count[PARTS], part[PARTS], sum = 0, *scale = r->work;
    m->n = n;
    scales_of(r, g, scale);
    choose_means(r, g, scale, m, rng);
    for (int i = 0; i < (n > 1 ? ROUNDS : 1); i++)
        sort_states(r, g, scale, m, count);
    shape_parts(r, g, m, count);
    for (size_t i = 0; i < g->n_archive; i++)
        sum += log_mixture(d, m, g->archive + i * d, scale + d, part, NULL);
    return sum / (double)g->n_archive;
}

/* Parts where the archive lets them be known and they are worth it. */
static void fit_mixture(const run *r, group *g, nre_rng *rng)
{
    size_t n = g->n_archive / (PART_STATES * r->team.dim);
    double whole = fit(r, g, &g->whole, 1, rng);
    g->from = &g->whole;
    n = n < PARTS ? n : PARTS;
    if (n > 1 && fit(r, g, &g->parts, n, rng) > whole + WORTH)
        g->from = &g->parts;
}

static void end_window(run *r, size_t i)
{
    group *g = &r->group[i];
    if (shape_learn(&g->shape, r->team.dim))
        g->log_scale = 0;
    if (g->shape.learned)
        fit_mixture(r, g, r->team.rng[i * r->team.each]);
}

static int adapt(void *self)
{
    run *r = self;
    const team *t = &r->team;
    size_t every = t->each / 4 + 1;
    for (size_t i = 0; i < t->n; i++) {
        group *g = group_of(r, i);
        const double *z = r->z + i * t->dim;
        if (r->kind[i] == WALK)
            g->log_scale += scale_change(t->dim, r->steps, t->each, r->accepted[i]);
        shape_add(&g->shape, t->dim, z);
        if ((r->steps + i % t->each) % every == 0)
            remember(r, g, z);
    }
    int ended = ++r->steps >= r->window_end;
    for (size_t g = 0; g < t->n_groups; g++) {
        if (ended)
            end_window(r, g);
        set_stride(r, &r->group[g]);
    }
    if (ended)
        r->window_end += r->window *= 2;
    return NRE_OK;
}

/* steps */

static void decide(const run *r, size_t i)
{
    size_t d = r->team.dim;
    r->accepted[i] = accepts(r->team.rng[i], r->trial[i] - r->logp[i] + r->correction[i]);
    count_proposal(&r->team, i, r->accepted[i]);
    if (!r->accepted[i])
        return;
    memcpy(r->z + i * d, r->proposal + i * d, d * sizeof *r->z);
    r->logp[i] = r->trial[i];
}

static int advance(void *self, const stretch *s)
{
    const run *r = self;
    const team *t = &r->team;
    size_t d = t->dim, first = s->first, end = first + s->n;
    for (size_t at = s->from; at < s->to; at++) {
        for (size_t i = first; i < end; i++)
            propose(r, i, r->work + 2 * d * first);
        int status = log_posterior(t, s->n, t->chain + first, r->proposal + first * d,
                                   r->trial + first, r->ratio + first);
        if (status != NRE_OK)
            return status;
        for (size_t i = first; i < end; i++) {
            decide(r, i);
            write_draw(t, s->out, at, i, r->z + i * d, r->logp[i]);
        }
    }
    return NRE_OK;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    const run *r = self;
    return team_step(&r->team, self, advance, adapt, warmup, out);
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "metropolis",
    .version = "1.0.0",
    .summary =
        "Adaptive Metropolis: random walk, differences of earlier states, Student-t.",
    .reference = "Haario et al. 2001; ter Braak & Vrugt 2008; Roberts & Rosenthal 2009",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

/* metropolis: adaptive Metropolis-Hastings, all chains in one log-density call.
 *
 * Each proposal is one of three kinds, drawn without regard to where the chain stands:
 *   walk          z + scale 2.38 / sqrt(d) N(0, C): C the covariance learned in warm-up,
 * pooled over the chains of a group (Haario, Saksman & Tamminen 2001), the scale adapted
 * to the best acceptance (Roberts & Rosenthal 2009) difference    z + gamma (a - b) + a
 * little noise: a, b two states of the warm-up's archive (ter Braak & Vrugt 2008); gamma
 * = 2.38 / sqrt(2 d), every fifth time 1, which jumps between modes independence  a
 * Student-t with 5 degrees of freedom around the warm-up's mean After warm-up scale,
 * covariance and archive are frozen, so that the chains are Markov. */
#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

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
    ARCHIVE = 1000,    /* states of a group */
    FIRST_WINDOW = 25, /* warm-up steps before the first covariance; windows double */
    DOF = 5,
    PARTS = 6,        /* of the mixture at most */
    PART_STATES = 10, /* of the archive for each parameter of a part */
    ROUNDS = 10       /* of sorting states into parts */
};
static const double WORTH = 0.15; /* nats a state that parts must gain over a whole */

/* Student-t's with DOF degrees of freedom. */
typedef struct mixture {
    size_t n;
    double *share;  /* [n] log of the share over the determinant of the factor */
    double *mean;   /* [n][d] */
    double *factor; /* [n][d][d] lower Cholesky factors */
} mixture;

typedef struct settings {
    double scale, difference, independence;
} settings;

/* What the chains of one observation share. */
typedef struct group {
    double *factor;         /* [d][d] lower Cholesky factor of the covariance */
    double *mean;           /* [d] */
    double *sum, *products; /* [d], [d][d] of this window, relative to its first state */
    double *origin;         /* [d] */
    double count;
    double *archive; /* [ARCHIVE][d] */
    size_t n_archive, seen;
    double log_scale;
    double stride; /* of walks in this step */
    int learned;   /* a covariance is there */
    mixture whole, parts;
    const mixture *from; /* one of the two: where independence proposals come from */
} group;

typedef enum move { WALK, DIFFERENCE, INDEPENDENCE } move;

typedef struct run {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    settings conf;
    size_t n, dim, n_groups;
    size_t steps, window, window_end;
    group *group;                 /* [n_groups] */
    uint32_t *chain;              /* [n] */
    move *kind;                   /* [n] */
    double *z, *proposal;         /* [n][d] */
    double *logp, *trial, *ratio; /* [n] */
    double *correction;           /* [n] log q(z | z') - log q(z' | z) */
    size_t *part;                 /* [ARCHIVE] of each state, as they are sorted */
    double *work;                 /* [2][d] */
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

static int log_posterior(run *r, const double *z, double *out)
{
    int status = r->target->logp(r->target, r->n, r->chain, z, out, r->ratio, NULL, NULL);
    for (size_t i = 0; status == NRE_OK && i < r->n; i++)
        out[i] += r->ratio[i];
    return status;
}

static size_t chains_of_group(const run *r)
{
    size_t n = r->n_groups > 0 ? r->n / r->n_groups : r->n;
    return n > 0 ? n : 1;
}

static group *group_of(const run *r, size_t chain)
{
    return &r->group[chain / chains_of_group(r)];
}

static double *lay_mixture(mixture *m, size_t n, size_t d, double *at)
{
    *m = (mixture){0, at, at + n, at + n + n * d};
    return m->factor + n * d * d;
}

static int lay_groups(run *r)
{
    size_t d = r->dim, mixed = (PARTS + 1) * (1 + d + d * d);
    size_t each = 2 * d * d + 3 * d + ARCHIVE * d + mixed;
    r->group = r->host->alloc(r->host, r->n_groups, sizeof *r->group);
    double *p = r->host->alloc(r->host, r->n_groups * each, sizeof *p);
    r->part = r->host->alloc(r->host, ARCHIVE, sizeof *r->part);
    if (!r->group || !p || !r->part)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu groups",
                             r->n_groups);
    for (size_t g = 0; g < r->n_groups; g++, p += each) {
        r->group[g] = (group){.factor = p,
                              .products = p + d * d,
                              .mean = p + 2 * d * d,
                              .sum = p + 2 * d * d + d,
                              .origin = p + 2 * d * d + 2 * d,
                              .archive = p + 2 * d * d + 3 * d};
        for (size_t k = 0; k < d; k++)
            r->group[g].factor[k * d + k] = r->conf.scale * sqrt((double)d) / 2.38;
        double *next = p + 2 * d * d + 3 * d + ARCHIVE * d;
        next = lay_mixture(&r->group[g].whole, 1, d, next);
        lay_mixture(&r->group[g].parts, PARTS, d, next);
    }
    return NRE_OK;
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    size_t d = target->dim, groups = target->n_groups > 0 ? target->n_groups : 1;
    if (n % groups != 0)
        return host->fail(host, NRE_EINVAL, "%zu chains cannot be shared by %zu groups",
                          n, groups);
    run *r = host->alloc(host, 1, sizeof *r);
    double *p = host->alloc(host, n * (2 * d + 4) + 2 * d, sizeof *p);
    uint32_t *chain = host->alloc(host, n, sizeof *chain);
    move *kind = host->alloc(host, n, sizeof *kind);
    if (!r || !p || !chain || !kind)
        return host->fail(host, NRE_ENOMEM, "no memory for %zu chains", n);
    *r = (run){.host = host,
               .target = target,
               .rng = rng,
               .conf = *(const settings *)self,
               .n = n,
               .dim = d,
               .n_groups = groups,
               .window = FIRST_WINDOW,
               .window_end = FIRST_WINDOW,
               .chain = chain,
               .kind = kind,
               .z = p,
               .proposal = p + n * d,
               .logp = p + 2 * n * d,
               .trial = p + n * (2 * d + 1),
               .ratio = p + n * (2 * d + 2),
               .correction = p + n * (2 * d + 3),
               .work = p + n * (2 * d + 4)};
    memcpy(r->z, z0, n * d * sizeof *z0);
    for (size_t i = 0; i < n; i++)
        chain[i] = (uint32_t)i;
    int status = lay_groups(r);
    if (status == NRE_OK)
        status = log_posterior(r, r->z, r->logp);
    *out = r;
    return status;
}

/* proposals */

/* z + FACTOR times standard normals that are in WORK. */
static void add_correlated(const run *r, const group *g, double factor,
                           const double *work, double *z)
{
    for (size_t a = 0; a < r->dim; a++)
        for (size_t b = 0; b <= a; b++)
            z[a] += factor * g->factor[a * r->dim + b] * work[b];
}

static void normals(const run *r, nre_rng *rng)
{
    for (size_t k = 0; k < r->dim; k++)
        r->work[k] = rng->normal(rng);
}

static size_t below(nre_rng *rng, size_t n)
{
    size_t i = (size_t)(rng->uniform(rng) * (double)n);
    return i < n ? i : n - 1;
}

static void walk(const run *r, const group *g, nre_rng *rng, double *z)
{
    normals(r, rng);
    add_correlated(r, g, g->stride, r->work, z);
}

static void difference(const run *r, const group *g, nre_rng *rng, double *z)
{
    size_t d = r->dim, a = below(rng, g->n_archive), b = below(rng, g->n_archive);
    double gamma = rng->uniform(rng) < 0.2 ? 1 : 2.38 / sqrt(2 * (double)d);
    for (size_t k = 0; k < d; k++)
        z[k] += gamma * (g->archive[a * d + k] - g->archive[b * d + k]);
    normals(r, rng);
    add_correlated(r, g, 0.05 / sqrt((double)d), r->work, z);
}

/* Log density of part K, its share in it, up to a constant. */
static double log_part(const run *r, const mixture *m, size_t k, const double *z)
{
    size_t d = r->dim;
    const double *mean = m->mean + k * d, *factor = m->factor + k * d * d;
    double *y = r->work + d, square = 0;
    for (size_t a = 0; a < d; a++) {
        y[a] = z[a] - mean[a];
        for (size_t b = 0; b < a; b++)
            y[a] -= factor[a * d + b] * y[b];
        y[a] /= factor[a * d + a];
        square += y[a] * y[a];
    }
    return m->share[k] - 0.5 * (DOF + (double)d) * log1p(square / DOF);
}

static double log_mixture(const run *r, const mixture *m, const double *z)
{
    double part[PARTS], most = -INFINITY, sum = 0;
    for (size_t k = 0; k < m->n; k++) {
        part[k] = log_part(r, m, k, z);
        most = part[k] > most ? part[k] : most;
    }
    if (m->n == 1)
        return most;
    for (size_t k = 0; k < m->n; k++)
        sum += exp(part[k] - most);
    return most + log(sum);
}

/* A part by its share, of which the determinant is divided out again. */
static size_t draw_part(const run *r, const mixture *m, nre_rng *rng)
{
    size_t d = r->dim, k = 0;
    if (m->n == 1)
        return 0;
    double left = rng->uniform(rng);
    for (; k + 1 < m->n; k++) {
        double share = exp(m->share[k]);
        for (size_t a = 0; a < d; a++)
            share *= m->factor[k * d * d + a * d + a];
        if ((left -= share) < 0)
            break;
    }
    return k;
}

static double independence(const run *r, const group *g, nre_rng *rng, double *z)
{
    const mixture *m = g->from;
    double old = log_mixture(r, m, z), chi = 0;
    size_t d = r->dim, k = draw_part(r, m, rng);
    const double *factor = m->factor + k * d * d;
    for (int i = 0; i < DOF; i++) {
        double one = rng->normal(rng);
        chi += one * one;
    }
    normals(r, rng);
    memcpy(z, m->mean + k * d, d * sizeof *z);
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            z[a] += sqrt(DOF / chi) * factor[a * d + b] * r->work[b];
    return old - log_mixture(r, m, z);
}

static void propose(run *r)
{
    for (size_t g = 0; g < r->n_groups; g++)
        r->group[g].stride = exp(r->group[g].log_scale) * 2.38 / sqrt((double)r->dim);
    for (size_t i = 0; i < r->n; i++) {
        const group *g = group_of(r, i);
        nre_rng *rng = r->rng[i];
        double u = rng->uniform(rng), *z = r->proposal + i * r->dim;
        memcpy(z, r->z + i * r->dim, r->dim * sizeof *z);
        r->correction[i] = 0;
        r->kind[i] = WALK;
        if (g->learned && u < r->conf.difference)
            r->kind[i] = DIFFERENCE;
        else if (g->learned && u < r->conf.difference + r->conf.independence)
            r->kind[i] = INDEPENDENCE;
        if (r->kind[i] == WALK)
            walk(r, g, rng, z);
        else if (r->kind[i] == DIFFERENCE)
            difference(r, g, rng, z);
        else
            r->correction[i] = independence(r, g, rng, z);
    }
}

/* warm-up */

/* Towards an acceptance of 0.44 for one parameter, 0.234 for many. */
static void adapt_scale(const run *r, group *g, int accepted)
{
    double goal = 0.234 + 0.206 / (double)r->dim;
    double gain = 1 / sqrt(1 + (double)r->steps);
    g->log_scale += gain * (accepted - goal) / (double)chains_of_group(r) * 4;
}

/* States in turn; once the archive is full each new one replaces the oldest. */
static void remember(const run *r, group *g, const double *z)
{
    memcpy(g->archive + g->seen % ARCHIVE * r->dim, z, r->dim * sizeof *z);
    g->seen++;
    g->n_archive = g->seen < ARCHIVE ? g->seen : ARCHIVE;
}

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
        for (size_t b = 0; b <= a; b++)
            g->products[a * d + b] += (z[a] - g->origin[a]) * (z[b] - g->origin[b]);
    }
}

/* The window's covariance becomes the proposals'; where chains have hardly moved it keeps
 * the old. */
static void learn(const run *r, group *g)
{
    size_t d = r->dim;
    double n = g->count, *c = g->products;
    int moved = 1;
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++)
            c[a * d + b] = c[a * d + b] / n - g->sum[a] / n * (g->sum[b] / n);
    for (size_t a = 0; a < d; a++)
        moved = moved && c[a * d + a] > 1e-24 && isfinite(c[a * d + a]);
    for (size_t a = 0; moved && a < d; a++) {
        g->mean[a] = g->origin[a] + g->sum[a] / n;
        for (size_t b = 0; b <= a; b++) {
            double sum = c[a * d + b], least = 1e-6 * c[a * d + a];
            for (size_t k = 0; k < b; k++)
                sum -= g->factor[a * d + k] * g->factor[b * d + k];
            g->factor[a * d + b] =
                a == b ? sqrt(sum > least ? sum : least) : sum / g->factor[b * d + b];
        }
    }
    if (moved && !g->learned)
        g->log_scale = 0;
    g->learned = g->learned || moved;
    g->count = 0;
}

/* the mixture: k-means of the archive, a covariance for each part */

/* SCALE [d]: deviations of the window. */
static void scales_of(const run *r, const group *g, double *scale)
{
    for (size_t k = 0; k < r->dim; k++) {
        double sum = 0;
        for (size_t i = 0; i <= k; i++)
            sum += g->factor[k * r->dim + i] * g->factor[k * r->dim + i];
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
    size_t d = r->dim;
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
    size_t d = r->dim;
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

/* In place; the product of the pivots, none of whose squares is less than a millionth of its
 * variance. */
static double cholesky(size_t d, double *c)
{
    double product = 1;
    for (size_t a = 0; a < d; a++) {
        double least = 1e-6 * c[a * d + a] + 1e-300;
        for (size_t b = 0; b <= a; b++) {
            double sum = c[a * d + b];
            for (size_t k = 0; k < b; k++)
                sum -= c[a * d + k] * c[b * d + k];
            c[a * d + b] = a == b ? sqrt(sum > least ? sum : least) : sum / c[b * d + b];
        }
        product *= c[a * d + a];
    }
    return product;
}

/* Covariances within parts, drawn towards their mean over the parts as if that were worth 2 d
 * states more. */
static void shape_parts(const run *r, const group *g, mixture *m, const double *count)
{
    size_t d = r->dim;
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
    for (size_t k = 0; k < m->n; k++)
        m->share[k] =
            log((count[k] + 1) / (n + (double)m->n)) - log(cholesky(d, c + k * d * d));
}

/* Mean log density of the archive. */
static double fit(const run *r, const group *g, mixture *m, size_t n, nre_rng *rng)
{
    double count[PARTS], sum = 0, *scale = r->work;
    m->n = n;
    scales_of(r, g, scale);
    choose_means(r, g, scale, m, rng);
    for (int i = 0; i < (n > 1 ? ROUNDS : 1); i++)
        sort_states(r, g, scale, m, count);
    shape_parts(r, g, m, count);
    for (size_t i = 0; i < g->n_archive; i++)
        sum += log_mixture(r, m, g->archive + i * r->dim);
    return sum / (double)g->n_archive;
}

/* Parts where the archive lets them be known and they are worth it. */
static void fit_mixture(const run *r, group *g, nre_rng *rng)
{
    size_t n = g->n_archive / (PART_STATES * r->dim);
    double whole = fit(r, g, &g->whole, 1, rng);
    g->from = &g->whole;
    n = n < PARTS ? n : PARTS;
    if (n > 1 && fit(r, g, &g->parts, n, rng) > whole + WORTH)
        g->from = &g->parts;
}

static void adapt(run *r)
{
    size_t per_group = r->n / r->n_groups, every = per_group / 4 + 1;
    for (size_t i = 0; i < r->n; i++) {
        group *g = group_of(r, i);
        add_state(r, g, r->z + i * r->dim);
        if ((r->steps + i % per_group) % every == 0)
            remember(r, g, r->z + i * r->dim);
    }
    r->steps++;
    if (r->steps < r->window_end)
        return;
    for (size_t g = 0; g < r->n_groups; g++) {
        learn(r, &r->group[g]);
        if (r->group[g].learned)
            fit_mixture(r, &r->group[g], r->rng[g * per_group]);
    }
    r->window *= 2;
    r->window_end += r->window;
}

/* steps */

static void decide(run *r, uint32_t warmup, nre_draws *out)
{
    size_t per_group = r->n / r->n_groups;
    nre_counts *counts = NRE_HAS(out, of_group) ? out->of_group : NULL;
    for (size_t i = 0; i < r->n; i++) {
        double u = r->rng[i]->uniform(r->rng[i]);
        double gain = r->trial[i] - r->logp[i] + r->correction[i];
        int accepted = gain >= 0 || log(u) < gain;
        if (accepted) {
            memcpy(r->z + i * r->dim, r->proposal + i * r->dim, r->dim * sizeof *r->z);
            r->logp[i] = r->trial[i];
        }
        if (warmup && r->kind[i] == WALK)
            adapt_scale(r, group_of(r, i), accepted);
        out->n_accept += (uint64_t)accepted;
        if (counts)
            counts[i / per_group].n_accept += (uint64_t)accepted;
    }
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    size_t n = r->n, d = r->dim;
    for (size_t s = 0; s < out->n_steps; s++) {
        propose(r);
        int status = log_posterior(r, r->proposal, r->trial);
        if (status != NRE_OK)
            return status;
        decide(r, warmup, out);
        if (warmup)
            adapt(r);
        memcpy(out->z + s * n * d, r->z, n * d * sizeof *r->z);
        memcpy(out->logp + s * n, r->logp, n * sizeof *r->logp);
    }
    out->n_propose += out->n_steps * n;
    out->n_evaluate += out->n_steps * n;
    for (size_t g = 0; NRE_HAS(out, of_group) && g < r->n_groups; g++) {
        out->of_group[g].n_propose += out->n_steps * (n / r->n_groups);
        out->of_group[g].n_evaluate += out->n_steps * (n / r->n_groups);
    }
    return NRE_OK;
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

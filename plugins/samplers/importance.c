/* importance: weighted draws, from the prior or from a mixture fitted to the posterior.
 *
 * Draws from the prior weigh their ratio.  Where these are too uneven, rounds of Student-t mixtures
 * are fitted by expectation maximisation to all draws so far (Cappe, Douc, Guillin, Marin & Robert
 * 2008, Statistics and Computing 18, 447), whose weights count every proposal so far as one mixture
 * (Cornuet, Marin, Mira & Robert 2012); while few draws carry all weight, the fit takes
 * weight^power, power < 1 so that enough of them count.  What is given out is drawn afresh, one in ten
 * from the prior, so that no weight exceeds ten ratios and fits do not bias it.  Each
 * observation has a mixture of its own; all share log-density calls.  The core smooths the largest
 * weights and tells k-hat. */
#include "student.h"

static const nre_option OPTIONS[] = {
    {.name = "points",
     .type = NRE_INT,
     .fallback = "20000",
     .lo = 100,
     .hi = 1e7,
     .help = "Weighted draws of an observation, without those of the fits."},
    {.name = "proposal",
     .type = NRE_CHOICE,
     .fallback = "adaptive",
     .choices = "adaptive|prior",
     .help = "A mixture fitted to the posterior, or the prior alone."},
    {.name = "components",
     .type = NRE_INT,
     .fallback = "6",
     .lo = 1,
     .hi = 16,
     .help = "Parts of the mixture at most."},
    {.name = "rounds",
     .type = NRE_INT,
     .fallback = "10",
     .lo = 1,
     .hi = 30,
     .help = "Fits of the mixture at most."},
};

enum {
    ROUND = 1000,   /* draws of a group between fits */
    TOGETHER = 64,  /* groups that are fitted at a time: their draws are much memory */
    ITERATIONS = 15 /* of expectation maximisation */
};
/* Fits end when this part of a round is effective, or a smaller one that has ceased to grow. */
static const double SERVES = 0.6, SERVES_ANYWAY = 0.1, GROWTH = 1.1;
static const double FROM_PRIOR = 0.1; /* of the draws given out */

typedef struct settings {
    size_t points, parts, rounds;
    int from_prior;
} settings;

/* The fits of a group: its draws of all rounds.  [m]: m = (rounds + 1) round. */
typedef struct fits {
    size_t group, n;              /* draws so far */
    double *z;                    /* [m][d] */
    double *log_prior, *log_post; /* [m], the latter log prior + log ratio */
    double *spread;               /* [m] log of the sum of all proposals' densities */
    double *weight;               /* [m] of the next fit */
    double *near;                 /* [m] scratch */
    mixture *mixture;             /* [rounds + 1] */
    size_t n_mixtures;
    double served; /* effective part of the last round */
    int open;      /* another round is to come */
} fits;

typedef struct run {
    team team;
    settings conf;
    size_t round;       /* draws of a group between fits, the same number of each chain */
    size_t done, total; /* steps */
    mixture *mixture;   /* [n_groups]; n == 0: the prior alone serves */
    fits *fits;         /* [TOGETHER] */
    double *work;       /* [d] */
    double *part;       /* [MOST_PARTS] */
    double *moment;     /* [MOST_PARTS][2 + d + d d] */
    double log_unit;    /* of a Student-t's density */
    int fitted;
} run;

/* A log-density call: points in the call's own memory. */
typedef struct batch {
    uint32_t *chain;                   /* [n] */
    nre_rng **rng;                     /* [n] */
    double *z, *log_prior, *log_ratio; /* [n][d], [n] */
} batch;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->points = (size_t)host->get_int(values, "points");
    s->parts = (size_t)host->get_int(values, "components");
    s->rounds = (size_t)host->get_int(values, "rounds");
    s->from_prior = host->get_int(values, "proposal") == 1;
    *self = s;
    return NRE_OK;
}

/* Lives until the plugin's call returns. */
static int take_batch(const run *r, size_t n, batch *b)
{
    b->chain = r->team.host->scratch(r->team.host, n, sizeof *b->chain);
    b->rng = r->team.host->scratch(r->team.host, n, sizeof(nre_rng *));
    b->z = r->team.host->scratch(r->team.host, n * (r->team.dim + 2), sizeof *b->z);
    if (!b->chain || !b->rng || !b->z) {
        r->team.host->fail(r->team.host, NRE_ENOMEM, "no memory for %zu points", n);
        return NRE_ENOMEM;
    }
    b->log_prior = b->z + n * r->team.dim;
    b->log_ratio = b->log_prior + n;
    return NRE_OK;
}

static int evaluate(const run *r, const batch *b, size_t n)
{
    return r->team.target->logp(r->team.target, n, b->chain, b->z, b->log_prior,
                                b->log_ratio, NULL, NULL);
}

static double log_density(const run *r, const mixture *q, const double *z, double *square)
{
    return r->log_unit + log_mixture(r->team.dim, q, z, r->work, r->part, square);
}

/* fits */

/* Effective number of N weights^POWER; their logarithms, the largest TOP. */
static double effective(size_t n, const double *log_weight, double top, double power)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double w = exp(power * (log_weight[i] - top));
        sum += w;
        squares += w * w;
    }
    return sum * sum / squares;
}

/* Weights of all draws, of power 1 where enough of them count, normalised to a sum of 1.  False: none
 * counts. */
static int weigh(const run *r, fits *g)
{
    double top = -INFINITY, low = 0, high = 1, sum = 0;
    double enough = 10.0 * (double)(r->team.dim + 1) * (double)r->conf.parts;
    for (size_t i = 0; i < g->n; i++) {
        g->weight[i] = g->log_post[i] - g->spread[i];
        top = g->weight[i] > top ? g->weight[i] : top;
    }
    if (!(top > -INFINITY))
        return 0;
    enough = enough < 0.2 * ROUND ? enough : 0.2 * ROUND;
    if (effective(g->n, g->weight, top, 1) >= enough)
        low = 1;
    for (int i = 0; low < 1 && i < 30; i++) {
        double middle = 0.5 * (low + high);
        *(effective(g->n, g->weight, top, middle) >= enough ? &low : &high) = middle;
    }
    low = low > 0 ? low : 0x1p-30; /* fewer than that have any weight */
    for (size_t i = 0; i < g->n; i++) {
        g->weight[i] = exp(low * (g->weight[i] - top));
        sum += g->weight[i];
    }
    for (size_t i = 0; i < g->n; i++)
        g->weight[i] /= sum;
    return 1;
}

/* Mean and covariance of all weighted draws. */
static void moments(const run *r, const fits *g, double *mean, double *covariance)
{
    size_t d = r->team.dim;
    memset(mean, 0, d * sizeof *mean);
    memset(covariance, 0, d * d * sizeof *covariance);
    for (size_t i = 0; i < g->n; i++)
        for (size_t a = 0; a < d; a++)
            mean[a] += g->weight[i] * g->z[i * d + a];
    for (size_t i = 0; i < g->n; i++)
        for (size_t a = 0; a < d; a++)
            for (size_t b = 0; b <= a; b++)
                covariance[a * d + b] += g->weight[i] * (g->z[i * d + a] - mean[a]) *
                                         (g->z[i * d + b] - mean[b]);
}

/* A draw by weight times NEAR [n], the squared distance to the centres so far. */
static size_t pick(const fits *g, const double *near, nre_rng *rng)
{
    double total = 0;
    for (size_t i = 0; i < g->n; i++)
        total += g->weight[i] * near[i];
    double u = rng->uniform(rng) * total;
    for (size_t i = 0; i < g->n; i++)
        if ((u -= g->weight[i] * near[i]) < 0)
            return i;
    return g->n - 1;
}

/* Parts centred on draws far apart (k-means++, Arthur & Vassilvitskii 2007), in units of the
 * overall covariance and each as wide as a part of it. */
static void begin_mixture(const run *r, fits *g, mixture *q, nre_rng *rng)
{
    size_t d = r->team.dim, n = r->conf.parts;
    double *near = g->near, shrink = pow((double)n, -2 / (double)d), log_det;
    moments(r, g, q->mean, r->moment);
    log_det = cholesky(d, r->moment, q->factor);
    q->n = n;
    q->share[0] = 1;
    q->log_norm[0] = -log_det;
    if (q->n == 1)
        return;
    for (size_t i = 0; i < g->n; i++)
        near[i] = 1;
    for (size_t k = 0; k < n; k++) {
        memcpy(q->mean + k * d, g->z + pick(g, near, rng) * d, d * sizeof *q->mean);
        if (k > 0)
            memcpy(q->factor + k * d * d, q->factor, d * d * sizeof *q->factor);
        for (size_t i = 0; i < g->n; i++) {
            double s = square_distance(d, q, k, g->z + i * d, r->work);
            near[i] = k == 0 || s < near[i] ? s : near[i];
        }
        q->share[k] = 1 / (double)n;
        q->log_norm[k] = log(q->share[k]) - log_det - 0.5 * (double)d * log(shrink);
    }
    for (size_t i = 0; i < n * d * d; i++)
        q->factor[i] *= sqrt(shrink);
}

/* Responsibilities of the parts for all draws, summed to MOMENT: share, mean, products, the latter
 * two with the weight of a Student-t; COUNT the number of draws that each is worth. */
static void expect(const run *r, const fits *g, const mixture *q, double *count)
{
    size_t d = r->team.dim, each = 2 + d + d * d;
    double square[MOST_PARTS], squares[MOST_PARTS] = {0};
    memset(r->moment, 0, q->n * each * sizeof *r->moment);
    for (size_t i = 0; i < g->n; i++) {
        if (g->weight[i] < 1e-12)
            continue;
        const double *z = g->z + i * d;
        double all = log_mixture(d, q, z, r->work, r->part, square);
        for (size_t k = 0; k < q->n; k++) {
            double own = g->weight[i] * exp(r->part[k] - all);
            double near = own * (DOF + (double)d) / (DOF + square[k]);
            double *m = r->moment + k * each;
            m[0] += own;
            m[1] += near;
            squares[k] += own * own;
            for (size_t a = 0; a < d; a++) {
                double v = z[a] - q->mean[k * d + a];
                m[2 + a] += near * v;
                for (size_t b = 0; b <= a; b++)
                    m[2 + d + a * d + b] += near * v * (z[b] - q->mean[k * d + b]);
            }
        }
    }
    for (size_t k = 0; k < q->n; k++)
        count[k] =
            squares[k] > 0 ? r->moment[k * each] * r->moment[k * each] / squares[k] : 0;
}

/* Part K from its sums, written as part TO. */
static void update_part(const run *r, mixture *q, size_t k, size_t to)
{
    size_t d = r->team.dim, each = 2 + d + d * d;
    double *m = r->moment + k * each, *c = m + 2 + d;
    for (size_t a = 0; a < d; a++)
        m[2 + a] /= m[1];
    for (size_t a = 0; a < d; a++) {
        for (size_t b = 0; b <= a; b++)
            c[a * d + b] = (c[a * d + b] - m[1] * m[2 + a] * m[2 + b]) / m[0];
        q->mean[to * d + a] = q->mean[k * d + a] + m[2 + a];
    }
    q->share[to] = m[0];
    q->log_norm[to] = -cholesky(d, c, q->factor + to * d * d);
}

static int is_sound(size_t d, const double *c)
{
    for (size_t a = 0; a < d; a++)
        if (!(c[a * d + a] > 1e-24 && isfinite(c[a * d + a])))
            return 0;
    return 1;
}

/* Parts worth too few draws for a covariance are given up, unless none is left: then the mixture
 * stays. */
static void maximise(const run *r, mixture *q, const double *count)
{
    size_t d = r->team.dim, each = 2 + d + d * d, kept = 0;
    double total = 0;
    for (size_t k = 0; k < q->n; k++) {
        const double *c = r->moment + k * each + 2 + d;
        if (count[k] > 2 * (double)(d + 1) && is_sound(d, c))
            update_part(r, q, k, kept++);
    }
    if (kept == 0)
        return;
    q->n = kept;
    for (size_t k = 0; k < kept; k++)
        total += q->share[k];
    for (size_t k = 0; k < kept; k++) {
        q->share[k] /= total;
        q->log_norm[k] += log(q->share[k]);
    }
}

static void fit(const run *r, fits *g, mixture *q, nre_rng *rng)
{
    double count[MOST_PARTS] = {0};
    begin_mixture(r, g, q, rng);
    for (int i = 0; i < ITERATIONS; i++) {
        expect(r, g, q, count);
        maximise(r, q, count);
    }
}

/* rounds */

/* A round of every group that is open: from its last mixture, or from the prior. */
static int lay_round(const run *r, size_t n_fits, const batch *b, size_t *m)
{
    const fits *first = r->fits;
    *m = 0;
    for (size_t j = 0; j < n_fits; j++) {
        const fits *g = &r->fits[j];
        for (size_t i = 0; g->open && i < r->round; i++, ++*m) {
            size_t chain = g->group * r->team.each + i % r->team.each;
            b->chain[*m] = (uint32_t)chain;
            b->rng[*m] = r->team.rng[chain];
            if (g->n_mixtures > 0)
                draw_mixture(r->team.dim, &g->mixture[g->n_mixtures - 1],
                             r->team.rng[chain], r->work, b->z + *m * r->team.dim);
        }
    }
    return first->n == 0 ? r->team.target->draw_prior(r->team.target, *m, b->rng, b->z)
                         : NRE_OK;
}

/* Densities of mixtures FIRST and later at draws FROM to TO - 1. */
static void add_spread(const run *r, fits *g, size_t from, size_t to, size_t first)
{
    for (size_t i = from; i < to; i++)
        for (size_t k = first; k < g->n_mixtures; k++) {
            double one = log_density(r, &g->mixture[k], g->z + i * r->team.dim, NULL);
            g->spread[i] = log_add(g->spread[i], one);
        }
}

/* Effective part of the draws from FROM on, weighted by their own proposal alone. */
static double served(const run *r, fits *g, size_t from)
{
    const mixture *q = g->n_mixtures > 0 ? &g->mixture[g->n_mixtures - 1] : NULL;
    double top = -INFINITY;
    for (size_t i = from; i < g->n; i++) {
        const double *z = g->z + i * r->team.dim;
        g->weight[i] =
            g->log_post[i] - (q ? log_density(r, q, z, NULL) : g->log_prior[i]);
        top = g->weight[i] > top ? g->weight[i] : top;
    }
    if (!(top > -INFINITY))
        return 0;
    return effective(g->n - from, g->weight + from, top, 1) / (double)(g->n - from);
}

/* Take a round's draws in and fit the next mixture, at the end the one that serves: it knows all
 * draws.  Where the prior serves there is none. */
static int digest(const run *r, fits *g, const batch *b, size_t at)
{
    size_t from = g->n, last = g->n_mixtures > 0 ? g->n_mixtures - 1 : 0;
    memcpy(g->z + from * r->team.dim, b->z + at * r->team.dim,
           r->round * r->team.dim * sizeof *g->z);
    g->n += r->round;
    for (size_t i = 0; i < r->round; i++) {
        g->log_prior[from + i] = g->spread[from + i] = b->log_prior[at + i];
        g->log_post[from + i] = b->log_prior[at + i] + b->log_ratio[at + i];
    }
    add_spread(r, g, 0, from, last);
    add_spread(r, g, from, g->n, 0);
    double part = served(r, g, from), before = g->served;
    g->served = part;
    g->open = part < SERVES && g->n_mixtures < r->conf.rounds &&
              !(part > SERVES_ANYWAY && part < GROWTH * before);
    if (!g->open && g->n_mixtures == 0)
        return NRE_OK;
    if (!weigh(r, g))
        return r->team.host->fail(r->team.host, NRE_ENUMERIC,
                                  "the posterior is zero at all %zu draws from the prior",
                                  g->n);
    fit(r, g, &g->mixture[g->n_mixtures++], r->team.rng[g->group * r->team.each]);
    return NRE_OK;
}

static void copy_mixture(const run *r, const mixture *from, mixture *to)
{
    double *mean = to->mean, *factor = to->factor;
    *to = *from;
    to->mean = mean;
    to->factor = factor;
    memcpy(mean, from->mean, from->n * r->team.dim * sizeof *mean);
    memcpy(factor, from->factor, from->n * r->team.dim * r->team.dim * sizeof *factor);
}

/* Rounds of groups FIRST .. FIRST + N - 1 until none is open. */
static int fit_groups(run *r, size_t first, size_t n, const batch *b)
{
    int status = NRE_OK;
    size_t m = 1;
    for (size_t j = 0; j < n; j++) {
        r->fits[j].group = first + j;
        r->fits[j].n = r->fits[j].n_mixtures = 0;
        r->fits[j].served = 0;
        r->fits[j].open = 1;
    }
    while (status == NRE_OK && m > 0) {
        status = lay_round(r, n, b, &m);
        if (status == NRE_OK && m > 0)
            status = evaluate(r, b, m);
        for (size_t j = 0, at = 0; status == NRE_OK && at < m; j++)
            if (r->fits[j].open) {
                status = digest(r, &r->fits[j], b, at);
                at += r->round;
            }
    }
    for (size_t j = 0; j < n; j++)
        if (r->fits[j].n_mixtures > 0)
            copy_mixture(r, &r->fits[j].mixture[r->fits[j].n_mixtures - 1],
                         &r->mixture[first + j]);
    return status;
}

static void lay_mixtures(const run *r, size_t n, mixture *q, double *at)
{
    for (size_t i = 0; i < n; i++)
        at = mixture_lay(&q[i], r->conf.parts, r->team.dim, at);
}

static int lay_fits(run *r, size_t n)
{
    size_t d = r->team.dim, rounds = r->conf.rounds + 1, m = rounds * r->round;
    size_t mixtures = rounds * mixture_size(r->conf.parts, d);
    size_t each = m * (d + 5) + mixtures;
    r->fits = r->team.host->scratch(r->team.host, n, sizeof *r->fits);
    mixture *q = r->team.host->scratch(r->team.host, n * rounds, sizeof *q);
    double *p = r->team.host->scratch(r->team.host, n * each, sizeof *p);
    if (!r->fits || !q || !p)
        return r->team.host->fail(r->team.host, NRE_ENOMEM, "no memory to fit mixtures");
    for (size_t j = 0; j < n; j++, p += each) {
        r->fits[j] = (fits){.z = p,
                            .log_prior = p + m * d,
                            .log_post = p + m * (d + 1),
                            .spread = p + m * (d + 2),
                            .weight = p + m * (d + 3),
                            .near = p + m * (d + 4),
                            .mixture = q + j * rounds};
        lay_mixtures(r, rounds, r->fits[j].mixture, p + m * (d + 5));
    }
    return NRE_OK;
}

static void count_points(nre_draws *out, size_t group, size_t n)
{
    out->n_evaluate += n;
    if (NRE_HAS(out, of_group))
        out->of_group[group].n_evaluate += n;
}

static int fit_all(run *r, nre_draws *out)
{
    size_t together = r->team.n_groups < TOGETHER ? r->team.n_groups : TOGETHER;
    batch b = {0};
    int status = lay_fits(r, together);
    if (status == NRE_OK)
        status = take_batch(r, together * r->round, &b);
    for (size_t first = 0; status == NRE_OK && first < r->team.n_groups;
         first += together) {
        size_t left = r->team.n_groups - first, n = left < together ? left : together;
        status = fit_groups(r, first, n, &b);
        for (size_t j = 0; j < n; j++)
            count_points(out, first + j, r->fits[j].n);
    }
    r->fits = NULL;
    return status;
}

/* a run */

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    const settings *conf = self;
    (void)z0;
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.conf = *conf};
    *out = r;
    int status = team_open(&r->team, host, target, n, 1, rng);
    if (status != NRE_OK)
        return status;
    size_t d = target->dim, each = r->team.each, groups = r->team.n_groups;
    size_t own = d + MOST_PARTS * (3 + d + d * d);
    double *p = take(&r->team, 1, own + groups * mixture_size(conf->parts, d));
    r->mixture = host->alloc(host, groups, sizeof *r->mixture);
    if (!r->mixture || !p)
        return no_memory(&r->team);
    r->round = (ROUND + each - 1) / each * each;
    r->total = (conf->points + each - 1) / each;
    r->work = p;
    r->part = p + d;
    r->moment = p + d + MOST_PARTS;
    r->log_unit = log_unit(d);
    lay_mixtures(r, groups, r->mixture, p + own);
    return NRE_OK;
}

/* draws */

/* One in ten from the prior, all where there is no mixture. */
static int draw_one(const run *r, const mixture *q, size_t chain, double *z)
{
    nre_rng *rng = r->team.rng[chain];
    if (q->n == 0 || rng->uniform(rng) < FROM_PRIOR)
        return r->team.target->draw_prior(r->team.target, 1, &rng, z);
    draw_mixture(r->team.dim, q, rng, r->work, z);
    return NRE_OK;
}

static double log_proposal(const run *r, const mixture *q, const double *z,
                           double log_prior)
{
    if (q->n == 0)
        return log_prior;
    return log_add(log(FROM_PRIOR) + log_prior,
                   log(1 - FROM_PRIOR) + log_density(r, q, z, NULL));
}

/* Point I of a lot: chain by chain, their steps in turn. */
static void write_point(const run *r, const stretch *s, const batch *b, size_t i)
{
    size_t chain = b->chain[i], steps = s->to - s->from;
    size_t at = (s->from + i % steps) * r->team.n + chain;
    const mixture *q = &r->mixture[chain / r->team.each];
    const double *z = b->z + i * r->team.dim;
    double logp = b->log_prior[i] + b->log_ratio[i];
    write_draw(&r->team, s->out, s->from + i % steps, chain, z, logp);
    s->out->log_weight[at] = logp - log_proposal(r, q, z, b->log_prior[i]);
}

/* All steps of a lot's chains.  Each has its stream to itself, so that draws do not depend on how many
 * a call asks for. */
static int draw_lot(void *self, const stretch *s)
{
    run own = *(const run *)self;
    const nre_host *host = own.team.host;
    size_t steps = s->to - s->from, m = s->n * steps;
    batch b = {0};
    own.work = host->scratch(host, own.team.dim + MOST_PARTS, sizeof *own.work);
    if (!own.work)
        return no_memory(&own.team);
    own.part = own.work + own.team.dim;
    int status = take_batch(&own, m, &b);
    for (size_t i = 0; status == NRE_OK && i < m; i++) {
        size_t chain = s->first + i / steps;
        b.chain[i] = (uint32_t)chain;
        status = draw_one(&own, &own.mixture[chain / own.team.each], chain,
                          b.z + i * own.team.dim);
    }
    if (status == NRE_OK)
        status = evaluate(&own, &b, m);
    for (size_t i = 0; status == NRE_OK && i < m; i++)
        write_point(&own, s, &b, i);
    return status;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    team lots = r->team;
    size_t left = r->total - r->done, steps = left < out->n_steps ? left : out->n_steps;
    (void)warmup;
    int status = r->fitted || r->conf.from_prior ? NRE_OK : fit_all(r, out);
    r->fitted = 1;
    lots.lot = lot_of(&lots, steps);
    if (status == NRE_OK)
        status = march_on(&lots, r, draw_lot, 0, steps, 0, out);
    r->done += steps;
    for (size_t j = 0; j < r->team.n_groups; j++)
        count_points(out, j, steps * r->team.each);
    out->n_steps = steps;
    out->finished = r->done >= r->total;
    return status;
}

static const nre_sampler_ops OPS = {.struct_size = sizeof OPS,
                                    .flags = NRE_WEIGHTED | NRE_IMPORTANCE,
                                    .start = start,
                                    .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "importance",
    .version = "1.0.0",
    .summary = "Weighted draws from the prior or from a mixture fitted to the posterior.",
    .reference = "Cornuet et al. 2012; Vehtari et al. 2024",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

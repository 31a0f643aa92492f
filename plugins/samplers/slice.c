/* slice: slice sampling along lines (Neal 2003, Annals of Statistics 31, 705), all chains in
 * lockstep.
 *
 * An update draws a level below the density at the chain's point, steps out from a random
 * interval around it until both ends lie below the level (figure 3 of Neal), and shrinks it
 * towards the point until a uniform draw lies above (figure 5).  Lines point along normals of the
 * covariance learned in warm-up, pooled over the chains of a group, or along a coordinate; the
 * width of the first interval is tuned until updates step out as often as they shrink
 * (Tibbits et al. 2014).  One call of the log density serves whatever each chain needs next: both
 * ends, or a draw; after warm-up a chain that is done with an update begins the next.  After warm-up covariance
 * and widths are frozen. */
#include <nereid/plugin.h>

#include <math.h>
#include <string.h>

static const nre_option OPTIONS[] = {
    {.name = "directions",
     .type = NRE_CHOICE,
     .fallback = "learned",
     .choices = "learned|coordinates|both",
     .help =
         "Lines of updates: learned covariance, one parameter at a time, or either by "
         "a coin."},
    {.name = "width",
     .type = NRE_REAL,
     .fallback = "1",
     .lo = 0,
     .hi = 1e6,
     .flags = NRE_OPEN_LO,
     .help = "Width of the first intervals, where the prior has a deviation of about 1 "
             "to 2."},
};

enum {
    MOST_WIDTHS = 64,   /* of a stepped-out interval */
    MOST_SHRINKS = 200, /* the interval is then rounding error */
    FIRST_WINDOW = 25   /* warm-up steps before the first covariance; windows double */
};

typedef enum directions { LEARNED, COORDINATES, BOTH } directions;

typedef struct settings {
    directions directions;
    double width;
} settings;

/* What the chains of one observation share. */
typedef struct group {
    double *factor;         /* [d][d] lower Cholesky factor of the covariance */
    double *sum, *products; /* [d], [d][d] of this window, relative to its first state */
    double *origin;         /* [d] */
    double *log_width;      /* [1 + d]: learned lines, each coordinate */
    double *updates;        /* [1 + d] */
    double count, window;   /* states of this window, and its length */
    int learned;            /* a covariance is there */
} group;

typedef enum phase { STEP_OUT, SHRINK, WAIT, DONE } phase;

/* An update on its way: points z + t line, t in [low, high]. */
typedef struct update {
    phase phase;
    size_t kind; /* of its line, as in log_width */
    double level, low, high, width;
    int left, right;         /* steps out that remain, 0: the end stays */
    double expanded, shrunk; /* how often */
    size_t first, written;   /* of its points in this call; steps of this block */
    double t;
} update;

typedef struct run {
    const nre_host *host;
    const nre_target *target;
    nre_rng *const *rng;
    settings conf;
    size_t n, dim, n_groups;
    group *group;   /* [n_groups] */
    update *update; /* [n] */
    double *z;      /* [n][d] */
    double *logp;   /* [n] */
    double *line;   /* [n][d] */
    /* of a call, at most two points a chain */
    size_t n_points;
    uint32_t *chain;      /* [2 n] */
    double *point;        /* [2 n][d] */
    double *value, *gain; /* [2 n]: log prior, then log posterior; log ratio */
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->directions = (directions)host->get_int(values, "directions");
    s->width = host->get_real(values, "width");
    *self = s;
    return NRE_OK;
}

static group *group_of(const run *r, size_t chain)
{
    return &r->group[chain / (r->n / r->n_groups)];
}

/* The log posterior of the points laid so far, in VALUE. */
static int evaluate(run *r)
{
    int status = r->target->logp(r->target, r->n_points, r->chain, r->point, r->value,
                                 r->gain, NULL, NULL);
    for (size_t i = 0; status == NRE_OK && i < r->n_points; i++)
        r->value[i] += r->gain[i];
    return status;
}

/* start */

static int lay_groups(run *r)
{
    size_t d = r->dim, each = 2 * d * d + 4 * d + 2, per_group = r->n / r->n_groups;
    r->group = r->host->alloc(r->host, r->n_groups, sizeof *r->group);
    double *p = r->host->alloc(r->host, r->n_groups * each, sizeof *p);
    if (!r->group || !p)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu groups",
                             r->n_groups);
    for (size_t g = 0; g < r->n_groups; g++, p += each) {
        r->group[g] = (group){.factor = p,
                              .products = p + d * d,
                              .sum = p + 2 * d * d,
                              .origin = p + 2 * d * d + d,
                              .log_width = p + 2 * d * d + 2 * d,
                              .updates = p + 2 * d * d + 3 * d + 1,
                              .window = FIRST_WINDOW * (double)per_group};
        for (size_t k = 0; k < d; k++)
            r->group[g].factor[k * d + k] = 1;
        for (size_t k = 0; k <= d; k++)
            r->group[g].log_width[k] = log(r->conf.width);
    }
    return NRE_OK;
}

static int lay_chains(run *r, const double *z0)
{
    size_t n = r->n, d = r->dim;
    double *p = r->host->alloc(r->host, n * (4 * d + 5), sizeof *p);
    r->update = r->host->alloc(r->host, n, sizeof *r->update);
    r->chain = r->host->alloc(r->host, 2 * n, sizeof *r->chain);
    if (!p || !r->update || !r->chain)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu chains", n);
    r->z = p;
    r->line = p + n * d;
    r->point = p + 2 * n * d;
    r->value = p + 4 * n * d;
    r->gain = r->value + 2 * n;
    r->logp = r->gain + 2 * n;
    memcpy(r->z, z0, n * d * sizeof *z0);
    memcpy(r->point, z0, n * d * sizeof *z0);
    for (size_t i = 0; i < n; i++)
        r->chain[i] = (uint32_t)i;
    r->n_points = n;
    int status = evaluate(r);
    memcpy(r->logp, r->value, n * sizeof *r->logp);
    return status;
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    size_t groups = target->n_groups > 0 ? target->n_groups : 1;
    if (n % groups != 0)
        return host->fail(host, NRE_EINVAL, "%zu chains cannot be shared by %zu groups",
                          n, groups);
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.host = host,
               .target = target,
               .rng = rng,
               .conf = *(const settings *)self,
               .n = n,
               .dim = target->dim,
               .n_groups = groups};
    int status = lay_groups(r);
    if (status == NRE_OK)
        status = lay_chains(r, z0);
    *out = r;
    return status;
}

/* an update */

/* A line through the chain's point; its kind. */
static size_t draw_line(const run *r, const group *g, nre_rng *rng, double *line)
{
    size_t d = r->dim;
    memset(line, 0, d * sizeof *line);
    int along = r->conf.directions == COORDINATES ||
                (r->conf.directions == BOTH && rng->uniform(rng) < 0.5);
    if (along) {
        size_t k = (size_t)(rng->uniform(rng) * (double)d);
        k = k < d ? k : d - 1;
        line[k] = 1;
        return 1 + k;
    }
    double squares = 0;
    for (size_t b = 0; b < d; b++) {
        double normal = rng->normal(rng);
        squares += normal * normal;
        for (size_t a = b; a < d; a++)
            line[a] += g->factor[a * d + b] * normal;
    }
    for (size_t a = 0; a < d; a++)
        line[a] /= sqrt(squares);
    return 0;
}

/* The limit of widths is split at random between the ends, so that steps stay reversible. */
static void begin(const run *r, size_t i)
{
    nre_rng *rng = r->rng[i];
    update *u = &r->update[i];
    const group *g = group_of(r, i);
    size_t written = u->written, kind = draw_line(r, g, rng, r->line + i * r->dim);
    double width = exp(g->log_width[kind]);
    *u = (update){.phase = STEP_OUT, .kind = kind, .width = width, .written = written};
    u->level = r->logp[i] + log(rng->uniform(rng));
    u->low = -width * rng->uniform(rng);
    u->high = u->low + width;
    u->left = (int)(rng->uniform(rng) * MOST_WIDTHS);
    u->left = u->left < MOST_WIDTHS ? u->left : MOST_WIDTHS - 1;
    u->right = MOST_WIDTHS - 1 - u->left;
}

static void lay_point(run *r, size_t i, double t)
{
    double *at = r->point + r->n_points * r->dim;
    for (size_t k = 0; k < r->dim; k++)
        at[k] = r->z[i * r->dim + k] + t * r->line[i * r->dim + k];
    r->chain[r->n_points++] = (uint32_t)i;
}

static void lay_points(run *r)
{
    r->n_points = 0;
    for (size_t i = 0; i < r->n; i++) {
        update *u = &r->update[i];
        u->first = r->n_points;
        if (u->phase == STEP_OUT && u->left > 0)
            lay_point(r, i, u->low);
        if (u->phase == STEP_OUT && u->right > 0)
            lay_point(r, i, u->high);
        if (u->phase == SHRINK) {
            u->t = u->low + (u->high - u->low) * r->rng[i]->uniform(r->rng[i]);
            lay_point(r, i, u->t);
        }
    }
}

/* VALUE: at the ends that may still move. */
static void step_out(update *u, const double *value)
{
    if (u->left > 0) {
        int moves = *value++ > u->level;
        u->low -= moves ? u->width : 0;
        u->left = moves ? u->left - 1 : 0;
        u->expanded += moves;
    }
    if (u->right > 0) {
        int moves = *value > u->level;
        u->high += moves ? u->width : 0;
        u->right = moves ? u->right - 1 : 0;
        u->expanded += moves;
    }
    if (u->left == 0 && u->right == 0)
        u->phase = SHRINK;
}

/* Counters of a group, beside those of all. */
static nre_counts *counts_of(const nre_draws *out, size_t g, nre_counts *none)
{
    return NRE_HAS(out, of_group) ? &out->of_group[g] : none;
}

/* True: the update is over, at its point or, where rounding hides it, where it began. */
static int shrink(run *r, size_t i, nre_draws *out)
{
    update *u = &r->update[i];
    double value = r->value[u->first];
    nre_counts none = {0}, *counts = counts_of(out, i / (r->n / r->n_groups), &none);
    out->n_propose++;
    counts->n_propose++;
    if (value > u->level) {
        memcpy(r->z + i * r->dim, r->point + u->first * r->dim, r->dim * sizeof *r->z);
        r->logp[i] = value;
        out->n_accept++;
        counts->n_accept++;
        return 1;
    }
    *(u->t < 0 ? &u->low : &u->high) = u->t;
    u->shrunk += 1;
    return u->shrunk > MOST_SHRINKS;
}

/* warm-up */

/* Until intervals are stepped out as often as shrunk. */
static void tune_width(const run *r, group *g, const update *u)
{
    size_t per_group = r->n / r->n_groups;
    double all = u->expanded + u->shrunk, *seen = &g->updates[u->kind];
    double gain = 1 / sqrt(1 + *seen / (double)per_group);
    *seen += 1;
    if (all > 0)
        g->log_width[u->kind] += 0.5 * gain * (u->expanded - u->shrunk) / all;
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

/* The Cholesky factor of the window's covariance; where chains have hardly moved the old one
 * stays. */
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
    for (size_t a = 0; moved && a < d; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = c[a * d + b], least = 1e-6 * c[a * d + a];
            for (size_t k = 0; k < b; k++)
                sum -= g->factor[a * d + k] * g->factor[b * d + k];
            g->factor[a * d + b] =
                a == b ? sqrt(sum > least ? sum : least) : sum / g->factor[b * d + b];
        }
    if (moved && !g->learned) {
        g->log_width[0] = log(2); /* deviations */
        g->updates[0] = 0;
    }
    g->learned = g->learned || moved;
    g->count = 0;
    g->window *= 2;
}

static void adapt(const run *r, size_t i)
{
    group *g = group_of(r, i);
    tune_width(r, g, &r->update[i]);
    add_state(r, g, r->z + i * r->dim);
    if (g->count >= g->window)
        learn(r, g);
}

/* steps */

static void write_step(const run *r, size_t i, nre_draws *out)
{
    size_t at = r->update[i].written++ * r->n + i;
    memcpy(out->z + at * r->dim, r->z + i * r->dim, r->dim * sizeof *r->z);
    out->logp[at] = r->logp[i];
}

static void go_on(const run *r, size_t i, const nre_draws *out)
{
    if (r->update[i].written < out->n_steps)
        begin(r, i);
    else
        r->update[i].phase = DONE;
}

/* Adapts when all chains of the group have done a step: what is learned must not depend on how
 * many steps a call asks for. */
static void go_on_together(const run *r, size_t g, const nre_draws *out)
{
    size_t per_group = r->n / r->n_groups, first = g * per_group;
    for (size_t i = first; i < first + per_group; i++)
        if (r->update[i].phase != WAIT)
            return;
    for (size_t i = first; i < first + per_group; i++)
        adapt(r, i);
    for (size_t i = first; i < first + per_group; i++)
        go_on(r, i, out);
}

/* Every chain moves on by what its points told. */
static void digest(run *r, uint32_t warmup, nre_draws *out)
{
    for (size_t i = 0; i < r->n; i++) {
        update *u = &r->update[i];
        if (u->phase == STEP_OUT) {
            step_out(u, r->value + u->first);
        } else if (u->phase == SHRINK && shrink(r, i, out)) {
            write_step(r, i, out);
            u->phase = WAIT;
            if (!warmup)
                go_on(r, i, out);
        }
    }
    for (size_t g = 0; warmup && g < r->n_groups; g++)
        go_on_together(r, g, out);
}

static void count_points(const run *r, nre_draws *out)
{
    out->n_evaluate += r->n_points;
    for (size_t i = 0; NRE_HAS(out, of_group) && i < r->n_points; i++)
        out->of_group[r->chain[i] / (r->n / r->n_groups)].n_evaluate++;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    if (out->n_steps == 0)
        return NRE_OK;
    for (size_t i = 0; i < r->n; i++) {
        r->update[i].written = 0;
        begin(r, i);
    }
    for (lay_points(r); r->n_points > 0; lay_points(r)) {
        int status = evaluate(r);
        if (status != NRE_OK)
            return status;
        count_points(r, out);
        digest(r, warmup, out);
    }
    return NRE_OK;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "slice",
    .version = "1.0.0",
    .summary = "Slice sampling along learned directions or coordinates.",
    .reference = "Neal 2003, Annals of Statistics 31, 705",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

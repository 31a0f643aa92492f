/* slice: slice sampling along lines (Neal 2003, Annals of Statistics 31, 705), many chains
 * in a log-density call.
 *
 * An update draws a level below the density at the chain's point, steps out from a random
 * interval around it until both ends lie below the level (figure 3 of Neal), and shrinks it
 * towards the point until a uniform draw lies above (figure 5).  Lines point along normals of the
 * covariance learned in warm-up, pooled over the chains of a group, or along a coordinate; the
 * width of the first interval is tuned until updates step out as often as they shrink
 * (Tibbits et al. 2014).  One call of the log density serves whatever each chain needs next: both
 * ends, or a draw; after warm-up a chain that is done with an update begins the next.  After warm-up covariance
 * and widths are frozen. */
#include "team.h"

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
    MOST_WIDTHS = 64,  /* of a stepped-out interval */
    MOST_SHRINKS = 200 /* the interval is then rounding error */
};

typedef enum directions { LEARNED, COORDINATES, BOTH } directions;

typedef struct settings {
    directions directions;
    double width;
} settings;

/* What the chains of one observation share. */
typedef struct group {
    shape shape;
    double *log_width; /* [1 + d]: learned lines, each coordinate */
    double *updates;   /* [1 + d] */
    double window;     /* states of it */
} group;

typedef enum phase { STEP_OUT, SHRINK, DONE } phase;

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
    team team;
    settings conf;
    group *group;   /* [n_groups] */
    update *update; /* [n] */
    double *z;      /* [n][d] */
    double *logp;   /* [n] */
    double *line;   /* [n][d] */
    /* of a call, at most two points a chain */
    uint32_t *chain;      /* [2 n] */
    double *point;        /* [2 n][d] */
    double *value, *gain; /* [2 n]: log posterior, log ratio */
} run;

/* The points of a lot's call: its own part of the run's arrays. */
typedef struct front {
    size_t n;
    uint32_t *chain;
    double *point, *value, *gain;
} front;

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
    return &r->group[chain / r->team.each];
}

/* start */

static int lay_groups(run *r)
{
    const team *t = &r->team;
    size_t d = t->dim;
    double *p = take(t, t->n_groups, shape_size(d) + 2 * d + 2);
    r->group = t->host->alloc(t->host, t->n_groups, sizeof *r->group);
    if (!r->group || !p)
        return no_memory(t);
    for (size_t i = 0; i < t->n_groups; i++) {
        group *g = &r->group[i];
        g->log_width = shape_lay(&g->shape, d, 1, p);
        g->updates = g->log_width + d + 1;
        g->window = WINDOW * (double)t->each;
        for (size_t k = 0; k <= d; k++)
            g->log_width[k] = log(r->conf.width);
        p = g->updates + d + 1;
    }
    return NRE_OK;
}

static int lay_chains(run *r, const double *z0)
{
    const team *t = &r->team;
    size_t n = t->n, d = t->dim;
    double *p = take(t, n, 4 * d + 5);
    r->update = t->host->alloc(t->host, n, sizeof *r->update);
    r->chain = t->host->alloc(t->host, 2 * n, sizeof *r->chain);
    if (!p || !r->update || !r->chain)
        return no_memory(t);
    r->z = p;
    r->line = p + n * d;
    r->point = p + 2 * n * d;
    r->value = p + 4 * n * d;
    r->gain = r->value + 2 * n;
    r->logp = r->gain + 2 * n;
    memcpy(r->z, z0, n * d * sizeof *z0);
    return log_posterior(t, n, t->chain, r->z, r->logp, r->gain);
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a run");
    *r = (run){.conf = *(const settings *)self};
    *out = r;
    int status = team_open(&r->team, host, target, n, 1, rng);
    if (status == NRE_OK)
        status = lay_groups(r);
    return status == NRE_OK ? lay_chains(r, z0) : status;
}

/* an update */

/* A line through the chain's point; its kind. */
static size_t draw_line(const run *r, const group *g, nre_rng *rng, double *line)
{
    size_t d = r->team.dim;
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
            line[a] += g->shape.factor[a * d + b] * normal;
    }
    for (size_t a = 0; a < d; a++)
        line[a] /= sqrt(squares);
    return 0;
}

/* The limit of widths is split at random between the ends, so that steps stay reversible. */
static void begin(const run *r, size_t i)
{
    nre_rng *rng = r->team.rng[i];
    update *u = &r->update[i];
    const group *g = group_of(r, i);
    size_t written = u->written, kind = draw_line(r, g, rng, r->line + i * r->team.dim);
    double width = exp(g->log_width[kind]);
    *u = (update){.phase = STEP_OUT, .kind = kind, .width = width, .written = written};
    u->level = r->logp[i] + log(rng->uniform(rng));
    u->low = -width * rng->uniform(rng);
    u->high = u->low + width;
    u->left = (int)(rng->uniform(rng) * MOST_WIDTHS);
    u->left = u->left < MOST_WIDTHS ? u->left : MOST_WIDTHS - 1;
    u->right = MOST_WIDTHS - 1 - u->left;
}

static void lay_point(const run *r, front *f, size_t i, double t)
{
    size_t d = r->team.dim;
    double *at = f->point + f->n * d;
    for (size_t k = 0; k < d; k++)
        at[k] = r->z[i * d + k] + t * r->line[i * d + k];
    f->chain[f->n++] = (uint32_t)i;
}

static void lay_points(const run *r, const stretch *s, front *f)
{
    f->n = 0;
    for (size_t i = s->first; i < s->first + s->n; i++) {
        update *u = &r->update[i];
        u->first = f->n;
        if (u->phase == STEP_OUT && u->left > 0)
            lay_point(r, f, i, u->low);
        if (u->phase == STEP_OUT && u->right > 0)
            lay_point(r, f, i, u->high);
        if (u->phase == SHRINK) {
            nre_rng *rng = r->team.rng[i];
            u->t = u->low + (u->high - u->low) * rng->uniform(rng);
            lay_point(r, f, i, u->t);
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

/* True: the update is over, at its point or, where rounding hides it, where it began. */
static int shrink(const run *r, const front *f, size_t i)
{
    size_t d = r->team.dim;
    update *u = &r->update[i];
    double value = f->value[u->first];
    int inside = value > u->level;
    count_proposal(&r->team, i, inside);
    if (inside) {
        memcpy(r->z + i * d, f->point + u->first * d, d * sizeof *r->z);
        r->logp[i] = value;
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
    double all = u->expanded + u->shrunk, *seen = &g->updates[u->kind];
    double gain = 1 / sqrt(1 + *seen / (double)r->team.each);
    *seen += 1;
    if (all > 0)
        g->log_width[u->kind] += 0.5 * gain * (u->expanded - u->shrunk) / all;
}

static void learn(const run *r, group *g)
{
    if (shape_learn(&g->shape, r->team.dim)) {
        g->log_width[0] = log(2); /* deviations */
        g->updates[0] = 0;
    }
    g->window *= 2;
}

static int adapt(void *self)
{
    const run *r = self;
    for (size_t i = 0; i < r->team.n; i++) {
        group *g = group_of(r, i);
        tune_width(r, g, &r->update[i]);
        shape_add(&g->shape, r->team.dim, r->z + i * r->team.dim);
        if (g->shape.count >= g->window)
            learn(r, g);
    }
    return NRE_OK;
}

/* steps */

/* Chain I moves on by what its points told; done with an update it begins the next. */
static void digest(const run *r, const stretch *s, const front *f, size_t i)
{
    update *u = &r->update[i];
    if (u->phase == STEP_OUT) {
        step_out(u, f->value + u->first);
    } else if (u->phase == SHRINK && shrink(r, f, i)) {
        write_draw(&r->team, s->out, u->written++, i, r->z + i * r->team.dim, r->logp[i]);
        if (u->written < s->to)
            begin(r, i);
        else
            u->phase = DONE;
    }
}

static int advance(void *self, const stretch *s)
{
    const run *r = self;
    size_t end = s->first + s->n, at = 2 * s->first;
    front f = {.chain = r->chain + at,
               .point = r->point + at * r->team.dim,
               .value = r->value + at,
               .gain = r->gain + at};
    for (size_t i = s->first; i < end; i++) {
        r->update[i].written = s->from;
        begin(r, i);
    }
    for (lay_points(r, s, &f); f.n > 0; lay_points(r, s, &f)) {
        int status = log_posterior(&r->team, f.n, f.chain, f.point, f.value, f.gain);
        if (status != NRE_OK)
            return status;
        for (size_t i = s->first; i < end; i++)
            digest(r, s, &f, i);
    }
    return NRE_OK;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    const run *r = self;
    return out->n_steps > 0 ? team_step(&r->team, self, advance, adapt, warmup, out)
                            : NRE_OK;
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

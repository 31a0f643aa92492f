/* grid: weighted points equidistant in prior mass, for at most three parameters. */
#include <nereid/plugin.h>

#include <math.h>

static const nre_option OPTIONS[] = {
    {.name = "points",
     .type = NRE_INT,
     .fallback = "100",
     .lo = 2,
     .hi = 1e6,
     .help = "Points along each parameter, the middles of cells of equal prior mass."},
};

enum { MOST_DIM = 3, LOT = 512 }; /* points that a thread evaluates at a time */
static const double MOST_POINTS = 1 << 24;

typedef struct settings {
    size_t points;
} settings;

typedef struct run {
    const nre_host *host;
    const nre_target *target;
    size_t points, n_chains, dim;
    size_t next, total; /* points of the grid done, and all */
} run;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the sampler");
    s->points = (size_t)host->get_int(values, "points");
    *self = s;
    return NRE_OK;
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n_chains, const double *z0, nre_rng *const *rng, void **out)
{
    const settings *s = self;
    size_t d = target->dim;
    (void)z0, (void)rng;
    if (d > MOST_DIM)
        return host->fail(host, NRE_ENOTSUP,
                          "a grid has at most %d parameters, the target has "
                          "%zu: use another sampler",
                          MOST_DIM, d);
    if (target->n_groups > 1)
        return host->fail(host, NRE_ENOTSUP, "a grid serves one observation at a time");
    if (pow((double)s->points, (double)d) > MOST_POINTS)
        return host->fail(host, NRE_ENOTSUP,
                          "%zu points along each of %zu parameters are more "
                          "than %.0f in all: lower 'points'",
                          s->points, d, MOST_POINTS);
    run *r = host->alloc(host, 1, sizeof *r);
    if (!r)
        return host->fail(host, NRE_ENOMEM, "no memory for a grid");
    *r = (run){.host = host,
               .target = target,
               .points = s->points,
               .n_chains = n_chains,
               .dim = d,
               .total = 1};
    for (size_t k = 0; k < d; k++)
        r->total *= s->points;
    *out = r;
    return NRE_OK;
}

/* Some of the points of a step. */
typedef struct laying {
    const run *run;
    nre_draws *out;
    size_t n; /* of the step */
} laying;

/* Prior mass below each coordinate of N points from point FIRST of the step on; where the grid ends
 * within them its last point fills up. */
static void lay_points(const run *r, size_t first, size_t n, double *u, uint32_t *chain)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = r->next + first + i;
        at = at < r->total ? at : r->total - 1;
        chain[i] = (uint32_t)((first + i) % r->n_chains);
        for (size_t k = r->dim; k-- > 0; at /= r->points)
            u[i * r->dim + k] = ((double)(at % r->points) + 0.5) / (double)r->points;
    }
}

static int evaluate_lot(void *context, size_t lot)
{
    const laying *l = context;
    const run *r = l->run;
    size_t first = lot * LOT, n = l->n - first < LOT ? l->n - first : LOT;
    double *u = r->host->scratch(r->host, n * (r->dim + 2), sizeof *u);
    uint32_t *chain = r->host->scratch(r->host, n, sizeof *chain);
    if (!u || !chain)
        return r->host->fail(r->host, NRE_ENOMEM, "no memory for %zu points", n);
    double *log_prior = u + n * r->dim, *log_ratio = log_prior + n;
    double *z = l->out->z + first * r->dim;
    lay_points(r, first, n, u, chain);
    int status = r->target->quantile(r->target, n, u, z);
    if (status == NRE_OK)
        status =
            r->target->logp(r->target, n, chain, z, log_prior, log_ratio, NULL, NULL);
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        l->out->logp[first + i] = log_prior[i] + log_ratio[i];
        l->out->log_weight[first + i] =
            r->next + first + i < r->total ? log_ratio[i] : -INFINITY;
    }
    return status;
}

static int step(void *self, uint32_t warmup, nre_draws *out)
{
    run *r = self;
    size_t n = r->n_chains, left = r->total - r->next, steps = (left + n - 1) / n;
    (void)warmup;
    out->n_steps = steps < out->n_steps ? steps : out->n_steps;
    laying l = {.run = r, .out = out, .n = out->n_steps * n};
    int status = r->host->parallel(r->host, (l.n + LOT - 1) / LOT, evaluate_lot, &l);
    r->next = left < l.n ? r->total : r->next + l.n;
    out->n_evaluate += l.n;
    out->finished = r->next >= r->total;
    return status;
}

static const nre_sampler_ops OPS = {
    .struct_size = sizeof OPS, .flags = NRE_WEIGHTED, .start = start, .step = step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "grid",
    .version = "1.0.0",
    .summary = "Weighted points equidistant in prior mass, for at most three parameters.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

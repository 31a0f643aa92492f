/* nuts: the No-U-Turn sampler, many chains that grow a tree in one call of log density and
 * gradient.
 *
 * Hoffman & Gelman 2014 with Betancourt's changes (2017, A.3 and A.4): a draw from the trajectory by
 * the weights of its points, biased towards the newer half where a tree doubles; the generalised
 * criterion on the sum of momenta; and that criterion across the seam of two subtrees as well, from
 * either subtree to the nearest point of the other, without which trajectories of about a full turn
 * pass for straight ones.
 *
 * Trees are grown without recursion: points come one by one, and two finished subtrees of equal
 * size that follow one another become one, as digits carry in a binary counter. */
#include "hamiltonian.h"

enum { MOST_DEPTH = 15 };

static const nre_option OPTIONS[] = {
    HAMILTONIAN_OPTIONS("0.7"),
    {.name = "max_depth",
     .type = NRE_INT,
     .fallback = "10",
     .lo = 1,
     .hi = MOST_DEPTH,
     .help = "Doublings of a trajectory at most: 2^max_depth leapfrog steps."},
};

/* Points that follow one another, in the order in which they were found. */
typedef struct branch {
    double *first, *last, *sum; /* [d] momenta at its ends, and of all */
    double *z, *slope, logp;    /* its draw */
    double log_weight;          /* log of the sum of exp(gain of energy) */
    size_t level;               /* 2^level points */
} branch;

typedef struct tree {
    branch whole;  /* its first momentum is at the backward end */
    branch *stack; /* [max_depth + 1] of the subtree that grows */
    size_t n_stack;
    int backward;
    double accepted, points; /* sum of acceptances over all points */
    double saturated;        /* trees so far that could grow no more */
} tree;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = hamiltonian_settings(host, values);
    if (!s)
        return NRE_ENOMEM;
    s->max_depth = (size_t)host->get_int(values, "max_depth");
    *self = s;
    return NRE_OK;
}

/* branches */

/* v (a + b) */
static double along(const run *r, const double *v, const double *a, const double *b)
{
    double sum = 0;
    for (size_t k = 0; k < r->team.dim; k++)
        sum += v[k] * (a[k] + b[k]);
    return sum;
}

/* B follows A.  True when the ends of both together, or those of either with the nearest point of
 * the other, turn towards one another. */
static int turns(const run *r, const branch *a, const branch *b)
{
    return along(r, a->first, a->sum, b->sum) <= 0 ||
           along(r, b->last, a->sum, b->sum) <= 0 ||
           along(r, a->first, a->sum, b->first) <= 0 ||
           along(r, b->first, a->sum, b->first) <= 0 ||
           along(r, a->last, a->last, b->sum) <= 0 ||
           along(r, b->last, a->last, b->sum) <= 0;
}

/* B, which follows A, becomes part of it; its draw too, if TAKE. */
static void join(const run *r, branch *a, branch *b, int take_draw)
{
    for (size_t k = 0; k < r->team.dim; k++)
        a->sum[k] += b->sum[k];
    swap(&a->last, &b->last);
    a->log_weight = log_add(a->log_weight, b->log_weight);
    a->level++;
    if (!take_draw)
        return;
    swap(&a->z, &b->z);
    swap(&a->slope, &b->slope);
    a->logp = b->logp;
}

/* A single point. */
static void set_branch(const run *r, const phase *p, double log_weight, branch *b)
{
    size_t bytes = r->team.dim * sizeof *p->v;
    memcpy(b->first, p->v, bytes);
    memcpy(b->last, p->v, bytes);
    memcpy(b->sum, p->v, bytes);
    memcpy(b->z, p->z, bytes);
    memcpy(b->slope, p->slope, bytes);
    b->logp = p->logp;
    b->log_weight = log_weight;
    b->level = 0;
}

static void reverse(branch *b)
{
    swap(&b->first, &b->last);
}

/* trees */

static void choose_direction(walker *w, tree *t, nre_rng *rng)
{
    t->backward = rng->uniform(rng) < 0.5;
    t->n_stack = 0;
    w->sign = t->backward ? -1 : 1;
    w->tip = &w->end[t->backward ? 0 : 1];
}

static void begin_tree(run *r, walker *w, nre_rng *rng)
{
    tree *t = w->own;
    set_branch(r, &w->here, 0, &t->whole);
    t->accepted = t->points = 0;
    choose_direction(w, t, rng);
}

static int end_tree(run *r, walker *w)
{
    tree *t = w->own;
    set_state(w, &t->whole.z, &t->whole.slope, t->whole.logp);
    w->accepted = t->accepted / t->points;
    w->sum += t->accepted;
    w->points += t->points;
    t->saturated += t->whole.level == r->conf.max_depth;
    return 1;
}

/* Carry: subtrees of equal size become one, its draw by their weights.  False: it turns. */
static int carry(const run *r, tree *t, nre_rng *rng)
{
    while (t->n_stack > 1) {
        branch *b = &t->stack[t->n_stack - 1], *a = b - 1;
        if (a->level != b->level)
            break;
        if (turns(r, a, b))
            return 0;
        double of_both = log_add(a->log_weight, b->log_weight);
        join(r, a, b, log(rng->uniform(rng)) < b->log_weight - of_both);
        t->n_stack--;
    }
    return 1;
}

/* The finished subtree doubles the whole tree.  False: it turns now. */
static int extend(const run *r, tree *t, nre_rng *rng)
{
    branch *b = t->stack;
    if (t->backward)
        reverse(&t->whole);
    int straight = !turns(r, &t->whole, b);
    join(r, &t->whole, b, log(rng->uniform(rng)) < b->log_weight - t->whole.log_weight);
    if (t->backward)
        reverse(&t->whole);
    return straight;
}

static int arrived(run *r, walker *w, nre_rng *rng)
{
    tree *t = w->own;
    double gain = w->energy - energy_of(r, w->tip);
    t->points += 1;
    if (!(gain > -MOST_ERROR)) {
        counts_of(r, w)->n_divergent++;
        return end_tree(r, w);
    }
    t->accepted += gain < 0 ? exp(gain) : 1;
    set_branch(r, w->tip, gain, &t->stack[t->n_stack++]);
    if (!carry(r, t, rng))
        return end_tree(r, w);
    if (t->stack[0].level < t->whole.level)
        return 0;
    if (!extend(r, t, rng) || t->whole.level == r->conf.max_depth)
        return end_tree(r, w);
    choose_direction(w, t, rng);
    return 0;
}

static const kernel KERNEL = {.begin = begin_tree, .arrived = arrived};

/* the plugin */

static double *lay_branch(size_t d, double *p, branch *b)
{
    *b = (branch){
        .first = p, .last = p + d, .sum = p + 2 * d, .z = p + 3 * d, .slope = p + 4 * d};
    return p + 5 * d;
}

static int lay_trees(run *r)
{
    size_t levels = r->conf.max_depth + 1;
    double *p = take(&r->team, r->team.n, (levels + 1) * 5 * r->team.dim);
    tree *t = r->team.host->alloc(r->team.host, r->team.n, sizeof *t);
    branch *b = r->team.host->alloc(r->team.host, r->team.n * levels, sizeof *b);
    if (!p || !t || !b)
        return no_memory(&r->team);
    for (size_t i = 0; i < r->team.n; i++, t++) {
        t->stack = b + i * levels;
        p = lay_branch(r->team.dim, p, &t->whole);
        for (size_t k = 0; k < levels; k++)
            p = lay_branch(r->team.dim, p, &t->stack[k]);
        r->walker[i].own = t;
    }
    return NRE_OK;
}

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = NULL;
    int status = hamiltonian_start(self, &KERNEL, host, target, n, z0, rng, &r);
    if (status == NRE_OK && r)
        status = lay_trees(r);
    *out = r;
    return status;
}

/* Trees that could not grow on are short walks: right, but slow. */
static void stop(void *self)
{
    const run *r = self;
    double trees = 0, saturated = 0;
    for (size_t i = 0; r && r->walker && i < r->team.n && r->walker[i].own; i++) {
        const tree *t = r->walker[i].own;
        trees += r->walker[i].steps;
        saturated += t->saturated;
    }
    if (r && saturated * 20 > trees)
        r->team.host->log(
            r->team.host, NRE_WARN,
            "%.0f%% of the trajectories reached max_depth: the posterior is much "
            "longer than it is wide somewhere; a longer warm-up or a larger "
            "max_depth helps",
            100 * saturated / trees);
}

static const nre_sampler_ops OPS = {.struct_size = sizeof OPS,
                                    .flags = NRE_NEEDS_GRADIENT,
                                    .start = start,
                                    .step = hamiltonian_step,
                                    .stop = stop};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "nuts",
    .version = "1.0.0",
    .summary = "No-U-Turn sampler: Hamiltonian Monte Carlo that finds its own lengths.",
    .reference =
        "Hoffman & Gelman 2014, arXiv:1111.4246; Betancourt 2017, arXiv:1701.02434",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};

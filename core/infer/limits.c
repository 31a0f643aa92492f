/* infer/limits.c - one-sided limits on a parameter. */
#include "infer/infer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Points are laid in equal masses of every prior asked for: within the box of the grid, and
 * between it and each end of the support. */
enum { WITHIN = 1024, BEYOND = 256, POINTS = WITHIN + 2 * BEYOND + 1 };
/* The same of the profile of a target of several parameters, which is searched for. */
enum { PROFILE_WITHIN = 192, PROFILE_BEYOND = 24 };
static const double TAIL = 1e-9; /* prior mass that an infinite support is cut at */
static const double LEAST_MASS =
    1e-9; /* differences of a distribution function below it are rounded */
static const double NOTHING = 1e-6; /* posterior mass that makes no piece of a region */

const char *const LIMIT_PRIOR_NAMES[LIMIT_PRIORS] = {"own", "uniform", "inverse", "log"};

/* priors of one parameter */

typedef struct measure {
    limit_prior kind;
    const marginal *of;
    double lo, hi; /* the support */
} measure;

static measure measure_of(const marginal *m, limit_prior kind)
{
    measure out = {.kind = kind, .of = m};
    marginal_support(m, &out.lo, &out.hi);
    if (kind == LIMIT_OWN && m->family == NRE_CUSTOM_PRIOR)
        out.kind = LIMIT_UNIFORM; /* what its density is counted against */
    return out;
}

/* Distribution function at T within the support. */
static double mass_below(const measure *m, double t)
{
    if (m->kind == LIMIT_OWN)
        return marginal_cdf(m->of, t);
    if (m->kind == LIMIT_INVERSE)
        return (1 / m->lo - 1 / t) / (1 / m->lo - 1 / m->hi);
    if (m->kind == LIMIT_LOG)
        return log(t / m->lo) / log(m->hi / m->lo);
    return (t - m->lo) / (m->hi - m->lo);
}

static double quantile_of(const measure *m, double u)
{
    if (u <= 0 || u >= 1)
        return u <= 0 ? m->lo : m->hi;
    if (m->kind == LIMIT_OWN)
        return marginal_quantile(m->of, u);
    if (m->kind == LIMIT_INVERSE)
        return 1 / (1 / m->lo - u * (1 / m->lo - 1 / m->hi));
    if (m->kind == LIMIT_LOG)
        return m->lo * exp(u * log(m->hi / m->lo));
    return m->lo + u * (m->hi - m->lo);
}

/* T, or, where the density may have a pole at an end of the support, a value as near to that end as the
 * density is told from it. */
static double off_the_ends(const measure *m, double t)
{
    double low = fabs(m->lo), high = fabs(m->hi);
    if (m->of->family == NRE_BETA) /* counts from the lower end, in its width */
        high = fmax(low, high);
    if (isfinite(m->lo))
        t = fmax(t, m->lo + fmax(4 * DBL_EPSILON * low, DBL_MIN));
    if (isfinite(m->hi))
        t = fmin(t, m->hi - fmax(4 * DBL_EPSILON * high, DBL_MIN));
    return t;
}

/* By the parameter. */
static double density_at(const measure *m, double t)
{
    if (m->kind == LIMIT_OWN)
        return fmin(exp(marginal_log_density(m->of, off_the_ends(m, t), NULL)), 1e100);
    if (m->kind == LIMIT_INVERSE)
        return 1 / (t * t * (1 / m->lo - 1 / m->hi));
    if (m->kind == LIMIT_LOG)
        return 1 / (t * log(m->hi / m->lo));
    return 1 / (m->hi - m->lo);
}

const char *limit_prior_problem(const prior *p, size_t parameter, limit_prior kind)
{
    double lo, hi;
    if (kind == LIMIT_OWN)
        return NULL;
    if (p->custom)
        return "the simulator's joint prior gives no density of it that could be "
               "exchanged";
    marginal_support(&p->of[parameter], &lo, &hi);
    if (!isfinite(lo) || !isfinite(hi))
        return "the support of its own prior is infinite";
    if (kind != LIMIT_UNIFORM && lo <= 0 && hi >= 0)
        return "the support of its own prior holds 0";
    return NULL;
}

/* functions of one parameter */

typedef struct curve {
    size_t n;
    double *x, *y; /* [n], x ascending */
} curve;

static size_t segment_of(const curve *c, double t)
{
    size_t low = 0, high = c->n - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(t < c->x[middle] ? &high : &low) = middle;
    }
    return low;
}

/* Third divided difference of four points, scaled to what it adds between the middle ones. */
static double cubic_through(const double *x, const double *y, double t, double *bend)
{
    double d[4] = {y[0], y[1], y[2], y[3]};
    for (int order = 1; order < 4; order++)
        for (int i = 3; i >= order; i--)
            d[i] = (d[i] - d[i - 1]) / (x[i] - x[i - order]);
    double width = x[3] - x[0];
    *bend = fabs(d[3]) * width * width * width;
    return d[0] + (t - x[0]) * (d[1] + (t - x[1]) * (d[2] + (t - x[2]) * d[3]));
}

/* A cubic through the four points around T, exact for the logarithm of a Gaussian; the straight
 * line where they are not those of a smooth function (a cliff), the nearer of the two where one
 * is -INFINITY.  Farther than one point's distance outside it stays as it is there. */
static double curve_at(const curve *c, double t)
{
    static const double ROUGH = 20;
    size_t i = segment_of(c, t);
    const double *x = c->x + i, *y = c->y + i;
    t = fmin(fmax(t, 2 * c->x[0] - c->x[1]), 2 * c->x[c->n - 1] - c->x[c->n - 2]);
    double share = fmin(fmax((t - x[0]) / (x[1] - x[0]), 0), 1), bend = 0;
    if (!isfinite(y[0]) || !isfinite(y[1]))
        return share < 0.5 ? y[0] : y[1];
    size_t first = i == 0 ? 0 : i - 1;
    if (first + 4 > c->n)
        first = c->n - 4;
    bool smooth = true;
    for (size_t k = first; k < first + 4; k++)
        smooth = smooth && isfinite(c->y[k]);
    double cubic = smooth ? cubic_through(c->x + first, c->y + first, t, &bend) : 0;
    return smooth && bend < ROUGH ? cubic : y[0] + share * (y[1] - y[0]);
}

/* the line: points of the parameter, and what is known of them */

typedef struct line {
    profile_request at;
    const limit_plan *wanted;
    const marginal *of;
    double box[2]; /* ends of the grid's axis */
    size_t n;
    double *t;       /* [n] ascending */
    double *profile; /* [n] log r */
    double
        *marginal; /* [n] log of posterior density by own prior mass, up to a constant */
    double *best;  /* [dim] where log r is largest */
    double most;   /* log r there */
} line;

/* N + 1 values of equal mass of M between A and B, the last left out. */
static size_t spread(const measure *m, double a, double b, size_t n, double *out)
{
    if (!(b > a))
        return 0;
    for (size_t i = 0; i < n; i++)
        out[i] = quantile_of(m, a + (b - a) * (double)i / (double)n);
    return n;
}

/* At most within + 2 beyond + 1 values. */
static size_t lay_points(const line *l, const measure *m, size_t within, size_t beyond,
                         double *out)
{
    double first = isinf(m->lo) ? TAIL : 0, last = isinf(m->hi) ? 1 - TAIL : 1;
    double a = fmax(mass_below(m, l->box[0]), first),
           b = fmin(mass_below(m, l->box[1]), last);
    size_t n = spread(m, first, a, beyond, out);
    n += spread(m, a, b, within, out + n);
    n += spread(m, b, last, beyond, out + n);
    out[n++] = quantile_of(m, last);
    return n;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort_points(size_t *n, double *t)
{
    size_t kept = 0;
    qsort(t, *n, sizeof *t, ascending);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || t[i] > t[kept - 1])
            t[kept++] = t[i];
    *n = kept;
}

static int lay_line(line *l, double **memory)
{
    double *p =
        memory_new((size_t)LIMIT_PRIORS * POINTS * 3 + l->at.grid->dim, sizeof *p);
    *memory = p;
    if (!p)
        return fail(NRE_ENOMEM, "no memory for limits");
    l->t = p;
    l->profile = p + (size_t)LIMIT_PRIORS * POINTS;
    l->marginal = l->profile + (size_t)LIMIT_PRIORS * POINTS;
    l->best = l->marginal + (size_t)LIMIT_PRIORS * POINTS;
    for (unsigned k = 0; k < LIMIT_PRIORS; k++) {
        measure m = measure_of(l->of, (limit_prior)k);
        if (k == LIMIT_OWN || l->wanted->priors & 1u << k)
            l->n += lay_points(l, &m, WITHIN, BEYOND, l->t + l->n);
    }
    sort_points(&l->n, l->t);
    return NRE_OK;
}

static void note_best(line *l, size_t n, const double *theta, const double *log_ratio)
{
    size_t best = 0, dim = l->at.grid->dim;
    for (size_t i = 1; i < n; i++)
        best = log_ratio[i] > log_ratio[best] ? i : best;
    memcpy(l->best, theta + best * dim, dim * sizeof *theta);
}

/* What P(valid), or a custom prior against the flat one, adds to log r. */
static int add_extra(const line *l, const double *theta)
{
    const posterior *p = l->at.posterior;
    double *extra = memory_new(l->n, sizeof *extra);
    if (!extra)
        return fail(NRE_ENOMEM, "no memory for limits");
    int status = NRE_OK;
    if (posterior_target(p)->prior->custom)
        status = posterior_log_prior(p, l->n, theta, extra, NULL);
    else
        validity_log(p->validity, l->n, theta, extra, NULL);
    for (size_t i = 0; i < l->n; i++)
        l->marginal[i] = l->profile[i] + extra[i];
    free(extra);
    return status;
}

/* A target of this parameter alone: log r at every point. */
static int fill_alone(line *l)
{
    double *theta = memory_new(l->n, sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for limits");
    int status = profile_of(&l->at, l->n, l->t, theta, l->profile);
    if (status == NRE_OK)
        status = add_extra(l, theta);
    if (status == NRE_OK)
        note_best(l, l->n, theta, l->profile);
    free(theta);
    return status;
}

/* Outside the grid's box, where log r lies 15 nats and more below its maximum, the marginal
 * follows the profile. */
static void interpolate(line *l, const curve *profile, const curve *density)
{
    double low = curve_at(density, l->box[0]) - curve_at(profile, l->box[0]);
    double high = curve_at(density, l->box[1]) - curve_at(profile, l->box[1]);
    for (size_t i = 0; i < l->n; i++) {
        double t = l->t[i];
        l->profile[i] = curve_at(profile, t);
        l->marginal[i] = t < l->box[0]   ? l->profile[i] + low
                         : t > l->box[1] ? l->profile[i] + high
                                         : curve_at(density, t);
    }
}

static int fill_among(line *l)
{
    enum { MOST = PROFILE_WITHIN + 2 * PROFILE_BEYOND + 1 };
    const grid *g = l->at.grid;
    measure own = measure_of(l->of, LIMIT_OWN);
    double *p = memory_new((size_t)MOST * (2 + g->dim) + g->m, sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for limits");
    double *theta = p + 2 * MOST;
    curve profile = {0, p, p + MOST};
    curve density = {g->m, g->axis + l->at.parameter * g->m,
                     theta + (size_t)MOST * g->dim};
    profile.n = lay_points(l, &own, PROFILE_WITHIN, PROFILE_BEYOND, profile.x);
    sort_points(&profile.n, profile.x);
    int status = profile_of(&l->at, profile.n, profile.x, theta, profile.y);
    if (status == NRE_OK)
        status = grid_marginal(g, l->at.parameter, density.y);
    if (status == NRE_OK) {
        note_best(l, profile.n, theta, profile.y);
        interpolate(l, &profile, &density);
    }
    free(p);
    return status;
}

static int find_maximum(line *l)
{
    double *from = memory_new(l->at.grid->dim, sizeof *from);
    if (!from)
        return fail(NRE_ENOMEM, "no memory for limits");
    memcpy(from, l->best, l->at.grid->dim * sizeof *from);
    int status = maximum_of(l->at.posterior, l->at.worker, l->at.observed, l->at.row,
                            l->at.n_rows, MAXIMUM_RATIO, 1, from, l->best, &l->most);
    free(from);
    return status;
}

/* posteriors under a prior */

typedef struct reweighted {
    const line *line;
    measure prior;
    double *weight;  /* [n] posterior density by the prior's mass */
    double *density; /* [n] by the parameter, at most 1 */
    double *mass;    /* [n] of the segment behind each point; sums to 1 */
} reweighted;

static double prior_mass(const reweighted *r, size_t i)
{
    const double *t = r->line->t;
    double mass = mass_below(&r->prior, t[i + 1]) - mass_below(&r->prior, t[i]);
    if (mass > LEAST_MASS)
        return mass;
    double by_density = 0.5 *
                        (density_at(&r->prior, t[i]) + density_at(&r->prior, t[i + 1])) *
                        (t[i + 1] - t[i]);
    return fmin(by_density, mass + DBL_EPSILON); /* beside a pole it says too much */
}

static double largest(size_t n, const double *value)
{
    double most = value[0];
    for (size_t i = 1; i < n; i++)
        most = fmax(most, value[i]);
    return most;
}

static void reweigh(reweighted *r)
{
    const line *l = r->line;
    double most = largest(l->n, l->marginal), sum = 0;
    for (size_t i = 0; i < l->n; i++) {
        r->weight[i] = exp(l->marginal[i] - most);
        r->density[i] = r->weight[i] * density_at(&r->prior, l->t[i]);
    }
    most = largest(l->n, r->density);
    for (size_t i = 0; i < l->n; i++)
        r->density[i] /= most;
    for (size_t i = 0; i + 1 < l->n; i++) {
        r->mass[i] = 0.5 * (r->weight[i] + r->weight[i + 1]) * prior_mass(r, i);
        sum += r->mass[i];
    }
    for (size_t i = 0; i + 1 < l->n; i++)
        r->mass[i] /= sum;
}

/* Share of a segment, by its prior's mass, that holds the share P of its posterior mass: the weight
 * is linear between A and B. */
static double share_of(double a, double b, double p)
{
    double wanted = p * (a + b);
    double root = sqrt(a * a + wanted * (b - a));
    return a + root > 0 ? fmin(wanted / (a + root), 1) : p;
}

static double quantile_at(const reweighted *r, double p)
{
    const double *t = r->line->t;
    double sum = 0;
    size_t i = 0;
    while (i + 2 < r->line->n && sum + r->mass[i] < p)
        sum += r->mass[i++];
    double within = r->mass[i] > 0 ? fmin((p - sum) / r->mass[i], 1) : 0;
    double share = share_of(r->weight[i], r->weight[i + 1], within);
    double below = mass_below(&r->prior, t[i]),
           width = mass_below(&r->prior, t[i + 1]) - below;
    return width > LEAST_MASS ? quantile_of(&r->prior, below + share * width)
                              : t[i] + share * (t[i + 1] - t[i]);
}

/* Posterior mass of segment I where the density, linear along it, is at least C. */
static double segment_above(const reweighted *r, size_t i, double c)
{
    double low = fmin(r->density[i], r->density[i + 1]),
           high = fmax(r->density[i], r->density[i + 1]);
    if (low >= c)
        return r->mass[i];
    return high > c ? r->mass[i] * (high - c) / (high - low) : 0;
}

static double mass_above(const reweighted *r, double c)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < r->line->n; i++)
        sum += segment_above(r, i, c);
    return sum;
}

/* The first place from the chosen end, or after FROM steps from it, where VALUE, linear between the
 * points, reaches LEAST; NAN when the end itself does. */
static double first_above(const line *l, const double *value, double least, size_t from)
{
    bool upper = l->wanted->upper;
    for (size_t step = from; step < l->n; step++) {
        size_t i = upper ? l->n - 1 - step : step, before = upper ? i + 1 : i - 1;
        if (value[i] < least)
            continue;
        if (step == 0)
            return NAN;
        double rise = value[i] - value[before];
        double share = isfinite(rise) ? (least - value[before]) / rise : 1;
        return l->t[before] + share * (l->t[i] - l->t[before]);
    }
    return NAN;
}

/* Steps from the chosen end past pieces of the region that hold next to nothing: a pole of the prior
 * makes one at an end where the posterior is as good as zero. */
static size_t skip_nothing(const reweighted *r, double c)
{
    const line *l = r->line;
    size_t from = 0;
    double sum = 0;
    for (size_t step = 0; step + 1 < l->n && sum < NOTHING; step++) {
        size_t i = l->wanted->upper ? l->n - 2 - step : step;
        size_t next = l->wanted->upper ? i : i + 1;
        sum += segment_above(r, i, c);
        if (r->density[next] < c && sum < NOTHING)
            from = step + 1;
    }
    return from;
}

/* The level of density is sought by its logarithm: beside a pole all else is small. */
static double hpd_edge(const reweighted *r)
{
    double low = log(DBL_MIN), high = 0;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        *(mass_above(r, exp(middle)) >= r->line->wanted->level ? &low : &high) = middle;
    }
    return first_above(r->line, r->density, exp(low), skip_nothing(r, exp(low)));
}

static int limit_under(const line *l, limit_prior kind, limits *out)
{
    double *p = memory_new(l->n, 3 * sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for limits");
    reweighted r = {.line = l,
                    .prior = measure_of(l->of, kind),
                    .weight = p,
                    .density = p + l->n,
                    .mass = p + 2 * l->n};
    reweigh(&r);
    out->under[kind].hpd_edge = hpd_edge(&r);
    out->under[kind].quantile =
        quantile_at(&r, l->wanted->upper ? l->wanted->level : 1 - l->wanted->level);
    free(p);
    return NRE_OK;
}

/* all of it */

static int compare(const line *l, limits *out)
{
    double *theta = memory_new(l->at.grid->dim, sizeof *theta), there = NAN;
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for limits");
    int status = isnan(l->wanted->against)
                     ? NRE_OK
                     : profile_of(&l->at, 1, &l->wanted->against, theta, &there);
    out->log_ratio_against = isnan(there) ? NAN : fmax(l->most - there, 0);
    free(theta);
    return status;
}

static int answer(line *l, limits *out)
{
    const double level[2] = {2 * l->wanted->level - 1, l->wanted->level};
    int status = l->at.grid->dim == 1 ? fill_alone(l) : fill_among(l);
    if (status == NRE_OK)
        status = find_maximum(l);
    for (unsigned k = 0; k < LIMIT_PRIORS && status == NRE_OK; k++) {
        out->under[k].hpd_edge = out->under[k].quantile = NAN;
        if (l->wanted->priors & 1u << k)
            status = limit_under(l, (limit_prior)k, out);
    }
    for (size_t i = 0; i < 2 && status == NRE_OK; i++) {
        out->threshold[i] = wilks_threshold(level[i], 1);
        out->wilks[i] = first_above(l, l->profile, l->most - 0.5 * out->threshold[i], 0);
    }
    out->best = l->best[l->wanted->parameter];
    return status == NRE_OK ? compare(l, out) : status;
}

int limits_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
              size_t n_rows, const grid *g, const limit_plan *wanted, limits *out)
{
    const double *edge = g->edge + wanted->parameter * (g->m + 1);
    double *memory = NULL;
    line l = {.at = {p, w, o, row, n_rows, g, wanted->parameter},
              .wanted = wanted,
              .of = target_marginal(g->target, wanted->parameter),
              .box = {edge[0], edge[g->m]}};
    int status = lay_line(&l, &memory);
    if (status == NRE_OK)
        status = answer(&l, out);
    free(memory);
    return status;
}

/* infer/grid.c - the posterior of up to three parameters on a grid. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CELLS = 1 << 18,
    BLOCK = 4096, /* cells a call of the ratio */
    PROBES = 64   /* cells that are looked into */
};
static const size_t FIRST_M[GRID_MOST_DIM + 1] = {0, 64, 16, 12};
static const double ROUGH = 0.9;     /* mean squared difference to refine at */
static const double ROUGH_END = 0.1; /* the same of the ends of infinite supports */
static const double STEEPEST_END = 2;
static const double LEAST_WIDTH = 1e-14; /* of a cell, relative to its prior mass */
static const double HIDDEN =
    0.5; /* nats that a hidden peak is higher than its surroundings */
static const double DEPTH = 15; /* nats below the maximum that may be left out */

/* axes */

/* Of a custom prior all that is known of one parameter are its bounds. */
double cell_quantile(const marginal *m, double u)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    if (u <= 0 || u >= 1)
        return u <= 0 ? lo : hi;
    return m->family == NRE_CUSTOM_PRIOR ? lo + u * (hi - lo) : marginal_quantile(m, u);
}

double cell_log_prior(const marginal *m, double theta)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    return m->family == NRE_CUSTOM_PRIOR ? -log(hi - lo)
                                         : marginal_log_density(m, theta, NULL);
}

/* Cells of one parameter between the prior masses of BOX. */
static void axis_make(const marginal *one, size_t m, const double box[2], double *point,
                      double *edge, double *log_prior)
{
    double width = (box[1] - box[0]) / (double)m;
    for (size_t i = 0; i < m; i++) {
        point[i] = cell_quantile(one, box[0] + width * ((double)i + 0.5));
        log_prior[i] = cell_log_prior(one, point[i]);
        edge[i] = cell_quantile(one, box[0] + width * (double)i);
    }
    edge[m] = cell_quantile(one, box[1]);
}

/* The same for all axes of G, one after another in A. */
static void axes_make(const grid *g, grid_axes *a)
{
    for (uint32_t k = 0; k < g->dim; k++)
        axis_make(target_marginal(g->target, k), g->m, g->box[k], a->point + k * g->m,
                  a->edge + k * (g->m + 1), a->log_prior + k * g->m);
}

static grid_axes axes_in(double *memory, size_t d, size_t m)
{
    return (grid_axes){memory, memory + d * m, memory + d * (2 * m + 1)};
}

static bool same_marginal(const marginal *a, const marginal *b)
{
    return a->family == b->family && a->a == b->a && a->b == b->b && a->lo == b->lo &&
           a->hi == b->hi;
}

/* Whether the worker's axes are those of G: it may serve posteriors of several priors. */
static bool axes_fit(const ratio_worker *w, const grid *g)
{
    bool fit = w->axes.point != NULL;
    for (uint32_t k = 0; k < g->dim && fit; k++)
        fit = same_marginal(&w->axes_of[k], target_marginal(g->target, k));
    return fit;
}

/* Those of the first grid, over the whole support, are the worker's. */
static int first_axes(ratio_worker *w, const grid *g, grid_axes *out)
{
    size_t n = g->dim * (3 * g->m + 1);
    if (!axes_fit(w, g)) {
        double *p = w->axes.point ? w->axes.point : memory_new(n, sizeof *p);
        if (!p)
            return fail(NRE_ENOMEM, "no memory for the axes of a grid");
        w->axes = axes_in(p, g->dim, g->m);
        axes_make(g, &w->axes);
        for (uint32_t k = 0; k < g->dim; k++)
            w->axes_of[k] = *target_marginal(g->target, k);
    }
    memcpy(out->point, w->axes.point, n * sizeof *out->point);
    return NRE_OK;
}

static int check_support(const target *t)
{
    if (t->n < 1 || t->n > GRID_MOST_DIM)
        return fail(NRE_ENOTSUP,
                    "a grid has at most %d parameters, target '%s' has %u: use "
                    "importance samples",
                    GRID_MOST_DIM, t->name, t->n);
    for (uint32_t k = 0; k < t->n && t->prior->custom; k++) {
        double lo, hi;
        marginal_support(target_marginal(t, k), &lo, &hi);
        if (!isfinite(hi - lo))
            return fail(NRE_ENOTSUP,
                        "parameter '%s' has a custom prior without finite bounds, so "
                        "no grid can be laid: use importance samples",
                        target_marginal(t, k)->name);
    }
    return NRE_OK;
}

/* values */

typedef struct filling {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    double least; /* cells that hold the posterior */
    grid_axes axes;
    double extra;          /* mean over the first grid of exp(log_extra) */
    double *theta;         /* [BLOCK][dim] */
    double *value, *prior; /* [BLOCK] */
    size_t *cell;          /* [BLOCK] */
} filling;

/* What the cells of one step before knew: log r, log mass, whether mass may hide there;
 * and the cells that the box of the next grid holds. */
typedef struct parent {
    size_t m, n;
    double *log_ratio, *log_mass;
    uint8_t *active;
    size_t from[GRID_MOST_DIM], count[GRID_MOST_DIM];
} parent;

size_t grid_digit(const grid *g, size_t cell, uint32_t k)
{
    for (uint32_t j = g->dim - 1; j > k; j--)
        cell /= g->m;
    return cell % g->m;
}

size_t grid_stride(const grid *g, uint32_t k)
{
    size_t stride = 1;
    for (uint32_t j = g->dim - 1; j > k; j--)
        stride *= g->m;
    return stride;
}

static size_t parent_of(const grid *g, const parent *before, size_t cell)
{
    size_t out = 0;
    for (uint32_t k = 0; k < g->dim; k++)
        out = out * before->m + before->from[k] +
              (2 * grid_digit(g, cell, k) + 1) * before->count[k] / (2 * g->m);
    return out;
}

static size_t power(size_t m, uint32_t dim)
{
    size_t n = 1;
    while (dim-- > 0)
        n *= m;
    return n;
}

static int lay_memory(grid *g, size_t m, grid_axes *a)
{
    size_t d = g->dim, n = power(m, g->dim);
    double *p = room_take(&g->memory, d * (3 * m + 1) + 3 * n, sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for a grid of %zu cells", n);
    g->m = m, g->n = n;
    *a = axes_in(p, d, m);
    g->axis = a->point;
    g->edge = a->edge;
    g->log_ratio = a->log_prior + d * m;
    g->weight = g->log_ratio + n;
    g->log_density = g->weight + n;
    return NRE_OK;
}

/* What the posterior's mass in a cell has besides the cell's prior mass and r: log
 * P(valid), and the joint density of a custom prior against the flat one of the cells. */
static int log_extra(const filling *f, const grid *g, size_t n, double *out)
{
    const posterior *p = f->posterior;
    if (!posterior_target(p)->prior->custom) {
        validity_log(p->validity, n, f->theta, out, NULL);
        return NRE_OK;
    }
    int status = posterior_log_prior(p, n, f->theta, out, NULL);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        for (uint32_t k = 0; k < g->dim; k++)
            out[i] -= f->axes.log_prior[k * g->m + grid_digit(g, f->cell[i], k)];
    return status;
}

/* log r and, in log_density until the end, log mass of the N cells listed. */
static int evaluate_cells(const filling *f, grid *g, size_t n)
{
    size_t d = g->dim;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < d; k++)
            f->theta[i * d + k] = g->axis[k * g->m + grid_digit(g, f->cell[i], k)];
    int status = ratio_joint(f->posterior->ratio, f->worker, f->observed, f->row,
                             f->n_rows, n, f->theta, f->value, NULL);
    if (status == NRE_OK)
        status = log_extra(f, g, n, f->prior);
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        g->log_ratio[f->cell[i]] = f->value[i];
        g->log_density[f->cell[i]] = f->value[i] + f->prior[i];
    }
    return status;
}

static int fill(const filling *f, grid *g, const parent *before)
{
    size_t listed = 0;
    for (size_t i = 0; i < g->n; i++) {
        size_t from = before->n > 0 ? parent_of(g, before, i) : 0;
        if (before->n > 0 && !before->active[from]) {
            g->log_ratio[i] = before->log_ratio[from];
            g->log_density[i] = before->log_mass[from];
        } else
            f->cell[listed++] = i;
        if (listed == BLOCK || (i + 1 == g->n && listed > 0)) {
            int status = evaluate_cells(f, g, listed);
            if (status != NRE_OK)
                return status;
            listed = 0;
        }
    }
    return NRE_OK;
}

/* weights */

static double largest(size_t n, const double *value)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = value[i] > most ? value[i] : most;
    return most;
}

/* An end of a line has its second difference from the inside, and never changes by more
 * than 2. */
static double end_mean(double end, double next, double over)
{
    double mean = end + (end - 2 * next + over) / 24;
    return fmin(fmax(mean, 0.5 * end), 2 * end);
}

/* From values at the points of a line of cells to means over the cells. */
void grid_line_means(double *v, size_t m, size_t stride)
{
    double first = end_mean(v[0], v[stride], v[2 * stride]);
    double last = end_mean(v[(m - 1) * stride], v[(m - 2) * stride], v[(m - 3) * stride]);
    double before = v[0];
    for (size_t i = 1; i + 1 < m; i++) {
        double here = v[i * stride];
        v[i * stride] = (before + 22 * here + v[(i + 1) * stride]) / 24;
        before = here;
    }
    v[0] = first;
    v[(m - 1) * stride] = last;
}

static void cell_means(grid *g)
{
    for (uint32_t k = 0; k < g->dim; k++) {
        size_t stride = grid_stride(g, k);
        for (size_t i = 0; i < g->n; i++)
            if (i / stride % g->m == 0)
                grid_line_means(g->weight + i, g->m, stride);
    }
}

/* Weights that sum to 1, exp(entropy); the log of the mean of the mass. */
static double weigh(grid *g)
{
    double most = largest(g->n, g->log_density), sum = 0, entropy = 0;
    g->cells = 0;
    if (!(most > -INFINITY))
        return -INFINITY;
    for (size_t i = 0; i < g->n; i++) {
        double below = g->log_density[i] - most;
        g->weight[i] = below > -100 ? exp(below) : 0;
    }
    cell_means(g);
    for (size_t i = 0; i < g->n; i++)
        sum += g->weight[i];
    g->beyond = 0;
    for (size_t i = 0; i < g->n; i++) {
        g->weight[i] /= sum;
        if (g->weight[i] > 0)
            entropy -= g->weight[i] * log(g->weight[i]);
        if (g->log_density[i] == -INFINITY)
            g->beyond += g->weight[i];
    }
    g->cells = exp(entropy);
    return most + log(sum / (double)g->n);
}

static double gap(double a, double b)
{
    return a == b ? 0 : fabs(a - b);
}

/* Mean square difference of a cell to its neighbours along an axis.  Each side for itself: those of a
 * peak within one cell are alike. */
static double step_along(const grid *g, size_t i, size_t stride)
{
    size_t at = i / stride % g->m, sides = 0;
    double sum = 0;
    for (size_t high = 0; high < 2; high++) {
        if (at == (high ? g->m - 1 : 0))
            continue;
        double step =
            fmin(gap(g->log_density[i], g->log_density[high ? i + stride : i - stride]),
                 GRID_STEEPEST);
        sum += step * step;
        sides++;
    }
    return sum / (double)sides;
}

/* Largest mean of step_along over the axes: weighted by mass, and twice that weighted by squared
 * mass, which is about the same for a Gaussian and sees a narrow peak within a wide one. */
static double roughness(const grid *g)
{
    double most = 0;
    for (uint32_t k = 0; k < g->dim; k++) {
        size_t stride = grid_stride(g, k);
        double sum = 0, squares = 0, total = 0;
        for (size_t i = 0; i < g->n; i++) {
            if (g->weight[i] < 1e-12)
                continue;
            double step = step_along(g, i, stride);
            sum += g->weight[i] * step;
            squares += g->weight[i] * g->weight[i] * step;
            total += g->weight[i] * g->weight[i];
        }
        most = fmax(most, fmax(sum, total > 0 ? 2 * squares / total : 0));
    }
    return most;
}

/* Mean square difference of the end cells of infinite supports to their neighbours, over
 * all of the posterior's mass: their points stand for a tail without end. */
static double end_roughness(const grid *g)
{
    double sum = 0, lo, hi;
    for (uint32_t k = 0; k < g->dim; k++) {
        size_t stride = grid_stride(g, k);
        marginal_support(target_marginal(g->target, k), &lo, &hi);
        bool low_end = g->box[k][0] <= 0 && isinf(lo),
             high_end = g->box[k][1] >= 1 && isinf(hi);
        for (size_t i = 0; (low_end || high_end) && i < g->n; i++) {
            size_t at = i / stride % g->m;
            bool low = low_end && at == 0, high = high_end && at + 1 == g->m;
            if (!low && !high)
                continue;
            double step =
                gap(g->log_density[i], g->log_density[low ? i + stride : i - stride]);
            step = fmin(step, STEEPEST_END);
            sum += g->weight[i] * step * step;
        }
    }
    return sum;
}

static bool is_resolved(const grid *g, double least)
{
    return g->cells > least && roughness(g) < ROUGH && end_roughness(g) < ROUGH_END;
}

/* refinement */

/* For a log-concave posterior an upper bound of its change from the point of cell I to
 * its faces across axis K: half the larger difference to a neighbour.  An end has but
 * one, which may lie beyond the maximum, and the difference outwards is extrapolated;
 * near ends, where cells of equal prior mass may grow fast, the whole difference counts.
 */
static double reach_along(const grid *g, size_t i, uint32_t k)
{
    const double *f = g->log_density + i;
    size_t stride = grid_stride(g, k), at = i / stride % g->m, s = stride;
    if (at == 0)
        return fmax(gap(f[0], f[s]), fabs(2 * (f[0] - f[s]) - (f[s] - f[2 * s])));
    if (at + 1 == g->m)
        return fmax(gap(f[0], f[-(ptrdiff_t)s]),
                    fabs(2 * (f[0] - f[-(ptrdiff_t)s]) -
                         (f[-(ptrdiff_t)s] - f[-2 * (ptrdiff_t)s])));
    double larger = fmax(gap(f[0], f[s]), gap(f[0], f[-(ptrdiff_t)s]));
    return at < 2 || at + 2 >= g->m ? larger : 0.5 * larger;
}

static double reach(const grid *g, size_t i)
{
    double sum = 0;
    for (uint32_t k = 0; k < g->dim; k++)
        sum += reach_along(g, i, k);
    return sum;
}

/* The cells along axis K that hold active ones. */
static void bound(const grid *g, uint32_t k, parent *p)
{
    size_t stride = grid_stride(g, k), low = g->m, high = 0;
    for (size_t i = 0; i < g->n; i++) {
        size_t at = i / stride % g->m;
        if (p->active[i] && at < low)
            low = at;
        if (p->active[i] && at > high)
            high = at;
    }
    p->from[k] = low;
    p->count[k] = high + 1 - low;
}

static int remember(const filling *f, const grid *g, parent *out)
{
    double *p = room_take(&f->worker->scratch[SCRATCH_PARENT], g->n, 2 * sizeof *p + 1);
    bool holes = f->posterior->truncation != NULL;
    if (!p)
        return fail(NRE_ENOMEM, "no memory to refine a grid of %zu cells", g->n);
    *out = (parent){g->m, g->n, p, p + g->n, (uint8_t *)(p + 2 * g->n), {0}, {0}};
    memcpy(out->log_ratio, g->log_ratio, g->n * sizeof *p);
    memcpy(out->log_mass, g->log_density, g->n * sizeof *p);
    double least = largest(g->n, g->log_density) - DEPTH;
    for (size_t i = 0; i < g->n; i++)
        out->active[i] = !(g->log_density[i] + reach(g, i) < least) ||
                         least == -INFINITY || (holes && g->log_ratio[i] == -INFINITY);
    for (uint32_t k = 0; k < g->dim; k++)
        bound(g, k, out);
    return NRE_OK;
}

/* Narrow the box to where mass may be, if that at least halves it along an axis and its
 * cells stay distinct numbers. */
static bool narrow(grid *g, const parent *p)
{
    bool worth = false;
    double box[GRID_MOST_DIM][2];
    for (uint32_t k = 0; k < g->dim; k++) {
        double width = (g->box[k][1] - g->box[k][0]) / (double)g->m;
        worth = worth || 2 * p->count[k] <= g->m;
        box[k][0] = g->box[k][0] + width * (double)p->from[k];
        box[k][1] = p->from[k] + p->count[k] == g->m
                        ? g->box[k][1]
                        : g->box[k][0] + width * (double)(p->from[k] + p->count[k]);
        if (box[k][1] - box[k][0] < LEAST_WIDTH * (double)g->m * box[k][1])
            return false;
    }
    if (worth)
        memcpy(g->box, box, sizeof box);
    return worth;
}

/* The area is the integral of p(theta) r over that of p(theta), which P(valid) or the
 * discrete sum over a custom prior keep from being exactly 1. */
static void finish(grid *g, const filling *f, double log_mean)
{
    double log_box = 0;
    for (uint32_t k = 0; k < g->dim; k++)
        log_box += log(g->box[k][1] - g->box[k][0]);
    g->log_norm = log_mean + log_box;
    if (!g->target->prior->custom) /* else within the cells */
        g->log_norm -= posterior_log_volume(f->posterior);
    g->log_area = g->log_norm - log(f->extra);
    for (size_t i = 0; i < g->n; i++) {
        g->log_density[i] -= log_mean + log_box;
        for (uint32_t k = 0; k < g->dim; k++)
            g->log_density[i] += f->axes.log_prior[k * g->m + grid_digit(g, i, k)];
    }
}

/* Mean of what log_extra said over the first grid. */
static double mean_extra(const filling *f, const grid *g)
{
    double sum = 0;
    size_t inside = 0;
    if (!f->posterior->validity && !g->target->prior->custom)
        return 1;
    for (size_t i = 0; i < g->n; i++)
        if (g->log_ratio[i] > -INFINITY) {
            sum += exp(g->log_density[i] - g->log_ratio[i]);
            inside++;
        }
    /* Of a truncated prior the mean is over what is left of it, whose mass is known. */
    bool cut = f->posterior->truncation && !g->target->prior->custom && inside > 0;
    return sum / (double)(cut ? inside : g->n);
}

static int first_grid(filling *f, grid *g)
{
    const parent none = {0};
    for (uint32_t k = 0; k < g->dim; k++)
        g->box[k][0] = 0, g->box[k][1] = 1;
    int status = lay_memory(g, FIRST_M[g->dim], &f->axes);
    if (status == NRE_OK)
        status = first_axes(f->worker, g, &f->axes);
    if (status == NRE_OK)
        status = fill(f, g, &none);
    if (status == NRE_OK)
        f->extra = mean_extra(f, g);
    return status;
}

/* A narrower box, or twice the cells along each axis; *DONE where neither can be. */
static int next_grid(filling *f, grid *g, bool *done)
{
    parent before;
    size_t m = g->m;
    int status = remember(f, g, &before);
    if (status != NRE_OK)
        return status;
    if (!narrow(g, &before)) {
        m *= 2;
        for (uint32_t k = 0; k < g->dim; k++)
            before.from[k] = 0, before.count[k] = g->m;
    }
    *done = power(m, g->dim) > MOST_CELLS;
    if (*done)
        return NRE_OK;
    status = lay_memory(g, m, &f->axes);
    if (status != NRE_OK)
        return status;
    axes_make(g, &f->axes);
    return fill(f, g, &before);
}

/* Peaks that are narrower than the cells */

/* The densest cells, densest first; how many. */
static size_t densest(const grid *g, size_t *cell)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (n == PROBES && !(g->log_ratio[i] > g->log_ratio[cell[n - 1]]))
            continue;
        size_t at = n < PROBES ? n++ : n - 1;
        for (; at > 0 && g->log_ratio[i] > g->log_ratio[cell[at - 1]]; at--)
            cell[at] = cell[at - 1];
        cell[at] = i;
    }
    return n;
}

/* Two points of a cell that is the J-th: a corner, and one inside (of the sequence of Roberts
 * 2018). */
static void lay_probe(const grid *g, size_t cell, size_t j, double *theta)
{
    static const double STEP[] = {0.8191725134, 0.6710436067, 0.5497004779};
    for (uint32_t k = 0; k < g->dim; k++) {
        const double *edge = g->edge + k * (g->m + 1);
        size_t i = grid_digit(g, cell, k);
        double within = fmod(0.5 + (double)(j + 1) * STEP[k], 1);
        double width = (g->box[k][1] - g->box[k][0]) / (double)g->m;
        theta[k] = edge[i + 1 < g->m ? i + 1 : i];
        if (!isfinite(theta[k]))
            theta[k] = g->axis[k * g->m + i];
        theta[g->dim + k] = cell_quantile(target_marginal(g->target, k),
                                          g->box[k][0] + width * ((double)i + within));
    }
}

/* log r at the points of a cell and its neighbours along each axis, the highest. */
static double highest_around(const grid *g, size_t cell)
{
    double most = g->log_ratio[cell];
    for (uint32_t k = 0; k < g->dim; k++) {
        size_t stride = grid_stride(g, k), at = grid_digit(g, cell, k);
        if (at > 0)
            most = fmax(most, g->log_ratio[cell - stride]);
        if (at + 1 < g->m)
            most = fmax(most, g->log_ratio[cell + stride]);
    }
    return most;
}

/* Whether log r between the points of the densest cells is higher than they let expect. */
static int find_peak(const filling *f, const grid *g, bool *hidden)
{
    size_t cell[PROBES], n = densest(g, cell);
    for (size_t j = 0; j < n; j++)
        lay_probe(g, cell[j], j, f->theta + 2 * j * g->dim);
    int status = ratio_joint(f->posterior->ratio, f->worker, f->observed, f->row,
                             f->n_rows, 2 * n, f->theta, f->value, NULL);
    *hidden = false;
    for (size_t j = 0; j < n && status == NRE_OK; j++)
        *hidden = *hidden || fmax(f->value[2 * j], f->value[2 * j + 1]) >
                                 highest_around(g, cell[j]) + HIDDEN;
    return status;
}

static int refine(filling *f, grid *g)
{
    bool done = false;
    double log_mean;
    int status = first_grid(f, g);
    while (status == NRE_OK) {
        log_mean = weigh(g);
        bool hidden = false;
        g->resolved = is_resolved(g, f->least);
        if (g->resolved)
            status = find_peak(f, g, &hidden);
        if (status != NRE_OK)
            return status;
        g->resolved = g->resolved && !hidden;
        done = done || g->resolved;
        if (!done)
            status = next_grid(f, g, &done);
        else if (log_mean == -INFINITY) {
            g->nowhere = true;
            return fail(NRE_ENUMERIC,
                        "the posterior of row %zu is zero at all %zu points of the grid",
                        f->row, g->n);
        } else {
            finish(g, f, log_mean);
            return NRE_OK;
        }
    }
    return status;
}

int grid_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
            size_t n_rows, grid *out)
{
    return grid_of_cells(p, w, o, row, n_rows, GRID_MIN_CELLS, out);
}

int grid_of_cells(const posterior *p, ratio_worker *w, const observed *o, size_t row,
                  size_t n_rows, double least, grid *out)
{
    const target *t = posterior_target(p);
    int status = check_support(t);
    if (status != NRE_OK)
        return status;
    out->dim = t->n;
    out->target = t;
    out->nowhere = false;
    double *s = room_take(&w->scratch[SCRATCH_GRID], BLOCK, (t->n + 3) * sizeof *s);
    if (!s)
        return fail(NRE_ENOMEM, "no memory for a grid");
    filling f = {.posterior = p,
                 .worker = w,
                 .observed = o,
                 .row = row,
                 .n_rows = n_rows,
                 .least = least,
                 .theta = s,
                 .value = s + BLOCK * t->n,
                 .prior = s + BLOCK * (t->n + 1),
                 .cell = (size_t *)(void *)(s + BLOCK * (t->n + 2))};
    return refine(&f, out);
}

int grid_try(const posterior *p, ratio_worker *w, const observed *o, size_t row,
             size_t n_rows, double least, grid *out)
{
    out->nowhere = false;
    int status = posterior_has_grid(p) ? grid_of_cells(p, w, o, row, n_rows, least, out)
                                       : NRE_ENOTSUP;
    return status == NRE_ENUMERIC && out->nowhere ? NRE_ENOTSUP : status;
}

void grid_release(grid *g)
{
    room_release(&g->memory);
    *g = (grid){0};
}

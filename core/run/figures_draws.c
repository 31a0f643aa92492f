/* The densities that a figure shows, from draws of a posterior: by kernels, on its cells. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_CELLS = 400 };

/* Than Scott's rule (1992), which minds a bias that is corrected here. */
static const double WIDER = 1.35;

typedef struct drawn {
    chains chains;
    size_t n;
    double effective;
    double *weight; /* [n], sums to 1 */
    double *at;     /* [dim][n] in cells of its axis; beyond it: outside */
    double *spread; /* [dim] cells */
    bool *plain;    /* [dim] one peak: its deviation is its width */
} drawn;

typedef struct weighted {
    double value, weight;
} weighted;

/* What has no place on a logarithmic axis last: qsort needs an order. */
static int compare_values(const void *a, const void *b)
{
    double x = ((const weighted *)a)->value, y = ((const weighted *)b)->value;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return x < y ? -1 : x > y;
}

static double quantile_of(size_t n, const weighted *v, double part)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if ((sum += v[i].weight) >= part)
            return v[i].value;
    return v[n - 1].value;
}

/* The shortest interval with a quarter of the mass: of several peaks about a width of one. */
static double quarter_of(size_t n, const weighted *v)
{
    double shortest = INFINITY, mass = 0;
    for (size_t first = 0, last = 0; last < n; last++) {
        mass += v[last].weight;
        for (; first < last && mass - v[first].weight >= 0.25; first++)
            mass -= v[first].weight;
        if (mass >= 0.25)
            shortest = fmin(shortest, v[last].value - v[first].value);
    }
    return shortest;
}

/* Where VALUE lies on its axis, in cells; NAN: nowhere. */
static double cell_at(const figure_axis *x, double value)
{
    if (x->logarithmic && !(value > 0))
        return NAN;
    double part = x->logarithmic ? log(value / x->low) / log(x->high / x->low)
                                 : (value - x->low) / (x->high - x->low);
    return part * (double)x->n;
}

/* Deviation and width of parameter K in cells. */
static void measure_spread(drawn *w, size_t k, weighted *v)
{
    const double *at = w->at + k * w->n;
    double mean = 0, square = 0, total = 0;
    for (size_t i = 0; i < w->n; i++) {
        v[i] = (weighted){at[i], w->weight[i]};
        if (isfinite(at[i])) {
            mean += w->weight[i] * at[i];
            total += w->weight[i];
        }
    }
    mean /= total;
    for (size_t i = 0; i < w->n; i++)
        if (isfinite(at[i]))
            square += w->weight[i] * (at[i] - mean) * (at[i] - mean);
    qsort(v, w->n, sizeof *v, compare_values);
    /* a quarter of a Gaussian lies within 0.637 deviations */
    double deviation = sqrt(square / total), width = quarter_of(w->n, v) / 0.637;
    w->plain[k] = !(width < 0.75 * deviation);
    w->spread[k] = width < deviation ? width : deviation;
}

static void place_axis(drawn *w, densities *d, size_t k, weighted *v)
{
    const marginal *m =
        d->target->prior->custom ? NULL : &d->target->prior->of[d->target->which[k]];
    double lo = -INFINITY, hi = INFINITY;
    if (m)
        marginal_support(m, &lo, &hi);
    for (size_t i = 0; i < w->n; i++)
        v[i] = (weighted){w->chains.theta[i * w->chains.dim + k], w->weight[i]};
    qsort(v, w->n, sizeof *v, compare_values);
    figure_range(&d->axis[k], quantile_of(w->n, v, 5e-4), quantile_of(w->n, v, 1 - 5e-4),
                 lo, hi);
    for (size_t i = 0; i < w->n; i++)
        w->at[k * w->n + i] =
            cell_at(&d->axis[k], w->chains.theta[i * w->chains.dim + k]);
    measure_spread(w, k, v);
}

/* A Gaussian kernel in cells: deviations A and B, correlation R. */
typedef struct kernel {
    double a, b, r;
} kernel;

/* OUT = IN smeared; [n] or [n][m], m = 1. */
static void smear(const kernel *q, long n, long m, const double *in, double *out)
{
    long far = (long)ceil(4 * q->a), wide = m == 1 ? 0 : (long)ceil(4 * q->b);
    double scale = 1 / (1 - q->r * q->r), whole = 1 / (sqrt(2 * M_PI) * q->a);
    if (m > 1)
        whole *= sqrt(scale / (2 * M_PI)) / q->b;
    memset(out, 0, (size_t)(n * m) * sizeof *out);
    for (long i = -far; i <= far; i++)
        for (long j = -wide; j <= wide; j++) {
            double x = (double)i / q->a, y = m == 1 ? 0 : (double)j / q->b;
            double square = scale * (x * x - 2 * q->r * x * y + y * y);
            if (square > 16)
                continue;
            double mass = whole * exp(-0.5 * square);
            for (long k = i < 0 ? -i : 0; k < n && k + i < n; k++)
                for (long l = j < 0 ? -j : 0; l < m && l + j < m; l++)
                    out[(k + i) * m + l + j] += mass * in[k * m + l];
        }
}

/* One smoothing of COUNT [n][m] into OUT: kernels, each divided by what of it lies on the axes, with the
 * multiplicative correction of Jones, Linton & Nielsen (1995, Biometrika 82, 327), which takes out
 * most of what smearing does.  SCRATCH [3][n][m]. */
static void smooth(const kernel *q, size_t n, size_t m, const double *count,
                   double *scratch, double *out)
{
    size_t cells = n * m;
    double *inside = scratch, *first = inside + cells, *part = first + cells;
    for (size_t i = 0; i < cells; i++)
        part[i] = 1;
    smear(q, (long)n, (long)m, part, inside);
    smear(q, (long)n, (long)m, count, first);
    for (size_t i = 0; i < cells; i++) {
        first[i] /= inside[i];
        part[i] = count[i] > 0 ? count[i] / first[i] : 0;
    }
    smear(q, (long)n, (long)m, part, out);
    for (size_t i = 0; i < cells; i++)
        out[i] *= first[i] / inside[i];
}

/* COUNT [n][m], of draws worth EFFECTIVE, -> log density: from kernels four times as wide to those
 * of Q, and the narrower ones count by how many draws they reach against REACHED. */
static int log_smooth(const kernel *q, double effective, size_t n, size_t m,
                      double *count)
{
    static const double REACHED = 40;
    size_t cells = n * m;
    double *sum = memory_new(5 * cells, sizeof *sum), most = 0;
    double *one = sum ? sum + cells : NULL;
    if (!sum)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (int halved = 0; halved < 3; halved++) {
        const double wide = 4 / (double)(1 << halved);
        const kernel of = {q->a * wide, m == 1 ? 1 : q->b * wide, q->r};
        double reach = effective * sqrt(2 * M_PI) * of.a;
        if (m > 1)
            reach *= sqrt(2 * M_PI * (1 - of.r * of.r)) * of.b;
        smooth(&of, n, m, count, one + cells, one);
        for (size_t i = 0; i < cells; i++) {
            double reached = reach * sum[i], part = reached / (reached + REACHED);
            sum[i] = halved == 0 ? one[i] : part * one[i] + (1 - part) * sum[i];
        }
    }
    for (size_t i = 0; i < cells; i++)
        most = fmax(most, sum[i]);
    for (size_t i = 0; i < cells; i++)
        count[i] = fmax(log(sum[i]), log(most) - FIGURE_DEPTH);
    free(sum);
    return NRE_OK;
}

/* From mass in cells of equal logarithms to the density by the parameter itself. */
static double log_stretch(const figure_axis *x, size_t i)
{
    return x->logarithmic ? log(axis_middle(x, i)) : 0;
}

static int line_of(const drawn *w, densities *d, size_t k)
{
    const figure_axis *x = &d->axis[k];
    double *count = arena_alloc(d->arena, x->n, sizeof *count);
    const kernel q = {fmax(WIDER * w->spread[k] * pow(w->effective, -0.2), 0.6), 1, 0};
    int rc = count ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < w->n && !rc; i++) {
        double at = w->at[k * w->n + i];
        if (at >= 0 && at < (double)x->n)
            count[(size_t)at] += w->weight[i];
    }
    if (!rc)
        rc = log_smooth(&q, w->effective, x->n, 1, count);
    for (size_t i = 0; i < x->n && !rc; i++)
        count[i] -= log_stretch(x, i);
    d->line[k] = count;
    return rc;
}

static double correlation_of(const drawn *w, size_t i, size_t j)
{
    const double *x = w->at + i * w->n, *y = w->at + j * w->n;
    double total = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    if (!w->plain[i] || !w->plain[j])
        return 0;
    for (size_t k = 0; k < w->n; k++) {
        if (isnan(x[k] + y[k]))
            continue;
        total += w->weight[k];
        mx += w->weight[k] * x[k];
        my += w->weight[k] * y[k];
    }
    mx /= total;
    my /= total;
    for (size_t k = 0; k < w->n; k++) {
        if (isnan(x[k] + y[k]))
            continue;
        xx += w->weight[k] * (x[k] - mx) * (x[k] - mx);
        yy += w->weight[k] * (y[k] - my) * (y[k] - my);
        xy += w->weight[k] * (x[k] - mx) * (y[k] - my);
    }
    double r = xy / sqrt(xx * yy);
    return isfinite(r) ? fmax(-0.97, fmin(0.97, r)) : 0;
}

static int plane_of(const drawn *w, densities *d, size_t i, size_t j, double **out)
{
    const figure_axis *x = &d->axis[i], *y = &d->axis[j];
    double narrow = WIDER * pow(w->effective, -1.0 / 6);
    const kernel q = {fmax(narrow * w->spread[i], 0.6), fmax(narrow * w->spread[j], 0.6),
                      correlation_of(w, i, j)};
    double *count = *out = arena_alloc(d->arena, x->n * y->n, sizeof *count);
    int rc = count ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < w->n && !rc; k++) {
        double a = w->at[i * w->n + k], b = w->at[j * w->n + k];
        if (a >= 0 && a < (double)x->n && b >= 0 && b < (double)y->n)
            count[(size_t)a * y->n + (size_t)b] += w->weight[k];
    }
    if (!rc)
        rc = log_smooth(&q, w->effective, x->n, y->n, count);
    for (size_t k = 0; k < x->n * y->n && !rc; k++)
        count[k] -= log_stretch(x, k / y->n) + log_stretch(y, k % y->n);
    return rc;
}

/* Fewer cells where there are many panels. */
static size_t cells_of(size_t n)
{
    return n == 1 ? LINE_CELLS : n <= 3 ? 100 : n <= 5 ? 72 : 54;
}

static int weigh(drawn *w, double effective)
{
    const double *weight = w->chains.weight;
    double total = 0, square = 0;
    for (size_t i = 0; i < w->n; i++) {
        w->weight[i] = weight ? weight[i] : 1;
        total += w->weight[i];
        square += w->weight[i] * w->weight[i];
    }
    for (size_t i = 0; i < w->n; i++)
        w->weight[i] /= total;
    w->effective = weight || !(effective > 1) ? total * total / square : effective;
    w->effective = fmax(fmin(w->effective, (double)w->n), 10);
    return total > 0 ? NRE_OK : fail(NRE_ENUMERIC, "draws without weight");
}

static int densities_drawn(drawn *w, densities *d, double effective)
{
    size_t dim = w->chains.dim;
    weighted *v = memory_new(w->n, sizeof *v);
    w->weight = memory_new(w->n, sizeof *w->weight);
    w->at = memory_new(w->n, dim * sizeof *w->at);
    w->spread = arena_alloc(d->arena, dim, sizeof *w->spread);
    w->plain = arena_alloc(d->arena, dim, sizeof *w->plain);
    int rc = v && w->weight && w->at && w->spread && w->plain
                 ? weigh(w, effective)
                 : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < d->n && !rc; k++) {
        d->axis[k].n = cells_of(d->n);
        place_axis(w, d, k, v);
    }
    for (size_t k = 0; k < d->n && !rc; k++)
        rc = line_of(w, d, k);
    for (size_t i = 0, p = 0; i < d->n && !rc; i++)
        for (size_t j = i + 1; j < d->n && !rc; j++)
            rc = plane_of(w, d, i, j, &d->plane[p++]);
    free(v);
    free(w->weight);
    free(w->at);
    return rc;
}

int densities_of_draws(densities *d, const simulator *s, const char *path,
                       double effective)
{
    drawn w = {0};
    float *x = NULL;
    size_t n_rows = 0;
    int rc = chains_load(path, s, d->target, &w.chains, &n_rows, &x);
    if (rc)
        return rc;
    w.n = d->n_draws = w.chains.n_chains * w.chains.n_draws;
    rc = w.n >= 2 ? densities_drawn(&w, d, effective)
                  : fail(NRE_EDATA, "%s: too few draws for a figure", path);
    chains_release(&w.chains);
    free(x);
    return rc;
}

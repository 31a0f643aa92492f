/* The densities that a figure shows, from a posterior's saved grid: to equidistant points. */
#include "run/run.h"

#include <gsl/gsl_interp.h>
#include <math.h>
#include <string.h>

enum { LINE_CELLS = 400, PLANE_CELLS = 100, GRID_CELLS = 1 << 18 };

typedef struct saved_grid {
    size_t dim, m, n;
    double *axis, *edge;          /* [dim][m], [dim][m + 1] */
    double *weight, *log_density; /* [n], the last parameter fastest */
} saved_grid;

static int read_shape(store *s, saved_grid *g)
{
    store_shape shape;
    int rc = store_shape_of(s, "axis", &shape);
    if (rc)
        return rc;
    if (shape.rank != 2 || !shape.dim[0] || shape.dim[0] > 3 || shape.dim[1] < 5 ||
        shape.dim[1] > GRID_CELLS)
        return fail(NRE_EDATA, "a grid of an unknown form");
    g->dim = shape.dim[0];
    g->m = shape.dim[1];
    g->n = 1;
    for (size_t k = 0; k < g->dim; k++)
        if ((g->n *= g->m) > GRID_CELLS)
            return fail(NRE_EDATA, "a grid of more than %d cells", GRID_CELLS);
    return NRE_OK;
}

static int read_grid(const char *path, arena *a, saved_grid *g)
{
    store *s = NULL;
    int rc = store_open(path, &s);
    if (!rc)
        rc = read_shape(s, g);
    struct {
        const char *name;
        size_t n;
        double **to;
    } part[] = {{"axis", g->dim * g->m, &g->axis},
                {"edge", g->dim * (g->m + 1), &g->edge},
                {"weight", g->n, &g->weight},
                {"log_density", g->n, &g->log_density}};
    for (size_t i = 0; i < sizeof part / sizeof part[0] && !rc; i++) {
        *part[i].to = arena_alloc(a, part[i].n, sizeof(double));
        rc = *part[i].to ? store_get(s, part[i].name, STORE_F64, part[i].n, *part[i].to)
                         : fail(NRE_ENOMEM, "no memory for a figure");
    }
    store_close(s);
    return rc;
}

/* The prior of parameter K where priors are a product; NULL where they are not. */
static const marginal *prior_of(const target *t, size_t k)
{
    return t->prior->custom ? NULL : &t->prior->of[t->which[k]];
}

static double log_prior_at(const target *t, size_t k, double value)
{
    const marginal *m = prior_of(t, k);
    return m ? marginal_log_density(m, value, NULL) : 0;
}

/* Where cell I of the grid lies along parameter K. */
static size_t index_of(const saved_grid *g, size_t i, size_t k)
{
    for (size_t j = g->dim - 1; j > k; j--)
        i /= g->m;
    return i % g->m;
}

/* What the N parameters OF have when all others are integrated out, on their M^N cells: the logarithm of
 * the density without its prior, which is known at any point.  Cells hold equal prior mass, so their weights
 * are that already.  No hole is deeper than FIGURE_DEPTH, so that curves between the points stay calm. */
static void project(const saved_grid *g, const target *t, size_t n, const size_t *of,
                    double *out)
{
    size_t cells = n == 1 ? g->m : g->m * g->m;
    double most = -INFINITY;
    memset(out, 0, cells * sizeof *out);
    for (size_t i = 0; i < g->n; i++) {
        size_t at = index_of(g, i, of[0]);
        if (n == 2)
            at = at * g->m + index_of(g, i, of[1]);
        out[at] += n == g->dim ? g->log_density[i] : g->weight[i];
    }
    for (size_t i = 0; i < cells; i++) {
        if (n < g->dim)
            out[i] = log(out[i]);
        most = fmax(most, out[i]);
    }
    for (size_t i = 0; i < cells; i++) {
        size_t at[2] = {n == 1 ? i : i / g->m, i % g->m};
        out[i] = fmax(out[i], most - FIGURE_DEPTH);
        for (size_t k = 0; k < n && n == g->dim; k++)
            out[i] -= log_prior_at(t, of[k], g->axis[of[k] * g->m + at[k]]);
    }
}

/* The range of parameter K that holds all but 0.1% of its mass, and a little around it; of an infinite
 * support what holds nearly all of the prior.  MASS [m] is scratch. */
static void choose_range(const saved_grid *g, const target *t, size_t k, double *mass,
                         figure_axis *x)
{
    const double *edge = g->edge + k * (g->m + 1);
    const marginal *one = prior_of(t, k);
    double lo = isfinite(edge[0]) || !one ? edge[0] : marginal_quantile(one, 1e-4);
    double hi =
        isfinite(edge[g->m]) || !one ? edge[g->m] : marginal_quantile(one, 1 - 1e-4);
    size_t first = 0, last = g->m - 1;
    memset(mass, 0, g->m * sizeof *mass);
    for (size_t i = 0; i < g->n; i++)
        mass[index_of(g, i, k)] += g->weight[i];
    for (double sum = 0; first < last && (sum += mass[first]) < 5e-4;)
        first++;
    for (double sum = 0; last > first && (sum += mass[last]) < 5e-4;)
        last--;
    double low = first ? edge[first] : lo, high = last + 1 < g->m ? edge[last + 1] : hi;
    figure_range(x, low, high, lo, hi);
}

/* How much more than at the last point P a line through it and the one before has at T, at most a step
 * of these away. */
static double beyond(double p, double y, double before, double y_before, double t)
{
    double steps = fmin(fabs((t - p) / (p - before)), 1);
    return steps * (y - y_before);
}

/* Y [m] at POINT [m] -> OUT at the middles of X (STRIDE apart), by Akima's curves: local, so that
 * a cliff makes no waves far from it. */
static int curve_through(gsl_interp *curve, const double *point, const double *y,
                         const figure_axis *x, double *out, size_t stride)
{
    size_t m = curve->size;
    if (gsl_interp_init(curve, point, y, m))
        return fail(NRE_ENUMERIC, "a grid whose points do not ascend");
    for (size_t i = 0; i < x->n; i++) {
        double t = axis_middle(x, i), within = fmin(fmax(t, point[0]), point[m - 1]);
        if (gsl_interp_eval_e(curve, point, y, within, NULL, &out[i * stride]))
            return fail(NRE_ENUMERIC, "a grid cannot be interpolated");
        if (t < within)
            out[i * stride] += beyond(point[0], y[0], point[1], y[1], t);
        if (t > within)
            out[i * stride] += beyond(point[m - 1], y[m - 1], point[m - 2], y[m - 2], t);
    }
    return NRE_OK;
}

/* VALUE [m] or [m][m] to the middles of X [n], the prior put back; rows first, then columns. */
static int resample(const saved_grid *g, const target *t, size_t n, const size_t *of,
                    const figure_axis *const *x, const double *value, arena *a,
                    double *out)
{
    gsl_interp *curve = gsl_interp_alloc(gsl_interp_akima, g->m);
    const figure_axis *last = x[n - 1];
    double *half = n == 2 ? arena_alloc(a, g->m * last->n, sizeof *half) : out;
    double *column = arena_alloc(a, g->m, sizeof *column);
    int rc =
        curve && half && column ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < (n == 1 ? 1 : g->m) && !rc; i++)
        rc = curve_through(curve, g->axis + of[n - 1] * g->m, value + i * g->m, last,
                           half + i * last->n, 1);
    for (size_t j = 0; n == 2 && j < last->n && !rc; j++) {
        for (size_t i = 0; i < g->m; i++)
            column[i] = half[i * last->n + j];
        rc = curve_through(curve, g->axis + of[0] * g->m, column, x[0], out + j, last->n);
    }
    gsl_interp_free(curve);
    for (size_t i = 0; i < x[0]->n * (n == 2 ? last->n : 1) && !rc; i++)
        for (size_t k = 0; k < n; k++) {
            size_t at = n == 1 ? i : k == 0 ? i / last->n : i % last->n;
            out[i] += log_prior_at(t, of[k], axis_middle(x[k], at));
        }
    return rc;
}

static int density_of(const saved_grid *g, densities *d, size_t n, const size_t *of,
                      double **out)
{
    figure_axis fine[2];
    const figure_axis *x[2] = {&fine[0], &fine[1]};
    size_t cells = n == 1 ? g->m : g->m * g->m, points = 1;
    for (size_t k = 0; k < n; k++) {
        fine[k] = d->axis[of[k]];
        points *= fine[k].n;
    }
    double *value = arena_alloc(d->arena, cells, sizeof *value);
    *out = arena_alloc(d->arena, points, sizeof **out);
    if (!value || !*out)
        return fail(NRE_ENOMEM, "no memory for a figure");
    project(g, d->target, n, of, value);
    return resample(g, d->target, n, of, x, value, d->arena, *out);
}

int densities_of_grid(densities *d, const char *path)
{
    saved_grid g = {0};
    int rc = read_grid(path, d->arena, &g);
    double *mass = rc ? NULL : arena_alloc(d->arena, g.m, sizeof *mass);
    if (!rc && !mass)
        rc = fail(NRE_ENOMEM, "no memory for a figure");
    if (!rc && g.dim != d->target->n)
        rc = fail(NRE_EDATA, "%s: not a grid of target %s", path, d->target->name);
    for (size_t k = 0; k < g.dim && !rc; k++) {
        choose_range(&g, d->target, k, mass, &d->axis[k]);
        d->axis[k].n = g.dim == 1 ? LINE_CELLS : PLANE_CELLS;
    }
    for (size_t k = 0; k < g.dim && !rc; k++)
        rc = density_of(&g, d, 1, &k, &d->line[k]);
    for (size_t i = 0, p = 0; i < g.dim && !rc; i++)
        for (size_t j = i + 1; j < g.dim && !rc; j++)
            rc = density_of(&g, d, 2, (size_t[]){i, j}, &d->plane[p++]);
    return rc;
}

/* Figures from the result files of a run: posteriors, coverage, loss. */
#include "run/run.h"

#include <gsl/gsl_interp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 100, LINE_POINTS = 400, MAX_CELLS = 1 << 18, MAX_FIGURES = 64 };
enum { MAX_OBSERVATIONS = 16 }; /* of a target: more are in the files only */

/* Log densities this far below the highest are as good as none. */
static const double DEPTH = 30;

typedef struct gallery {
    const run *run;
    arena *arena;
    const char *folder; /* figures */
    size_t n;
    const char *name[MAX_FIGURES];
} gallery;

static int gallery_add(gallery *g, const char *name)
{
    if (!name)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (g->n < MAX_FIGURES)
        g->name[g->n++] = name;
    return NRE_OK;
}

/* a posterior: from the saved grid to equidistant points */

typedef struct saved_grid {
    size_t dim, m, n;
    double *axis, *edge;          /* [dim][m], [dim][m + 1] */
    double *weight, *log_density; /* [m] or [m][m] */
} saved_grid;

static int read_shape(store *s, saved_grid *g)
{
    store_shape shape;
    int rc = store_shape_of(s, "axis", &shape);
    if (rc)
        return rc;
    if (shape.rank != 2 || !shape.dim[0] || shape.dim[1] < 5 || shape.dim[1] > MAX_CELLS)
        return fail(NRE_EDATA, "a grid of an unknown form");
    g->dim = shape.dim[0];
    g->m = shape.dim[1];
    g->n = g->dim == 2 ? g->m * g->m : g->m;
    return NRE_OK;
}

/* A grid of one or two parameters; dim = 0 for others. */
static int read_grid(const char *path, arena *a, saved_grid *g)
{
    store *s = NULL;
    int rc = store_open(path, &s);
    if (!rc)
        rc = read_shape(s, g);
    if (rc || g->dim > 2 || g->n > MAX_CELLS) {
        store_close(s);
        g->dim = 0;
        return rc;
    }
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

static double pixel_at(const figure_axis *x, size_t i)
{
    double part = ((double)i + 0.5) / (double)x->n;
    return x->logarithmic ? x->low * pow(x->high / x->low, part)
                          : x->low + part * (x->high - x->low);
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

/* What varies slowly is interpolated: the density without its prior, which is known at
 * any point.  No hole is deeper than DEPTH, so that curves between the points stay calm.
 */
static void take_prior_out(saved_grid *g, const target *t)
{
    double most = -INFINITY;
    for (size_t i = 0; i < g->n; i++)
        most = fmax(most, g->log_density[i]);
    for (size_t i = 0; i < g->n; i++) {
        size_t at[2] = {g->dim == 1 ? i : i / g->m, i % g->m};
        g->log_density[i] = fmax(g->log_density[i], most - DEPTH);
        for (size_t k = 0; k < g->dim; k++)
            g->log_density[i] -= log_prior_at(t, k, g->axis[k * g->m + at[k]]);
    }
}

static void put_prior_back(const target *t, const figure_axis *x, size_t dim, double *out)
{
    size_t width = dim == 1 ? 1 : x[1].n;
    for (size_t i = 0; i < x[0].n; i++)
        for (size_t j = 0; j < width; j++) {
            double *value = &out[i * width + j];
            *value += log_prior_at(t, 0, pixel_at(&x[0], i));
            if (dim == 2)
                *value += log_prior_at(t, 1, pixel_at(&x[1], j));
        }
}

static double slice_weight(const saved_grid *g, size_t k, size_t i)
{
    double sum = 0;
    if (g->dim == 1)
        return g->weight[i];
    for (size_t j = 0; j < g->m; j++)
        sum += g->weight[k == 0 ? i * g->m + j : j * g->m + i];
    return sum;
}

/* The range of parameter K that holds all but 0.1% of its mass, and a little around it;
 * of an infinite support what holds nearly all of the prior. */
static void choose_range(const saved_grid *g, const target *t, size_t k, figure_axis *x)
{
    const double *edge = g->edge + k * (g->m + 1);
    const marginal *one = prior_of(t, k);
    double lo = isfinite(edge[0]) || !one ? edge[0] : marginal_quantile(one, 1e-4);
    double hi =
        isfinite(edge[g->m]) || !one ? edge[g->m] : marginal_quantile(one, 1 - 1e-4);
    size_t first = 0, last = g->m - 1;
    for (double sum = 0; first < last && (sum += slice_weight(g, k, first)) < 5e-4;)
        first++;
    for (double sum = 0; last > first && (sum += slice_weight(g, k, last)) < 5e-4;)
        last--;
    double low = first ? edge[first] : lo, high = last + 1 < g->m ? edge[last + 1] : hi;
    x->logarithmic = low > 0 && high > 30 * low;
    double around = x->logarithmic ? 0 : 0.06 * (high - low);
    x->low = fmax(low - around, lo);
    x->high = fmin(high + around, hi);
}

/* Y [m] at POINT [m] -> OUT at the pixels of X (STRIDE apart), by Akima's curves: local,
 * so that a cliff makes no waves far from it. */
static int curve_through(gsl_interp *curve, const double *point, const double *y,
                         const figure_axis *x, double *out, size_t stride)
{
    size_t m = curve->size;
    if (gsl_interp_init(curve, point, y, m))
        return fail(NRE_ENUMERIC, "a grid whose points do not ascend");
    for (size_t i = 0; i < x->n; i++) {
        double t = fmin(fmax(pixel_at(x, i), point[0]), point[m - 1]);
        if (gsl_interp_eval_e(curve, point, y, t, NULL, &out[i * stride]))
            return fail(NRE_ENUMERIC, "a grid cannot be interpolated");
    }
    return NRE_OK;
}

/* Rows first, then columns; HALF [m][n of the last axis]. */
static int resample(const saved_grid *g, const figure_axis *x, double *half,
                    double *column, double *out)
{
    gsl_interp *curve = gsl_interp_alloc(gsl_interp_akima, g->m);
    const figure_axis *last = &x[g->dim - 1];
    size_t rows = g->dim == 1 ? 1 : g->m;
    int rc = curve ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < rows && !rc; i++)
        rc =
            curve_through(curve, g->axis + (g->dim - 1) * g->m, g->log_density + i * g->m,
                          last, (g->dim == 1 ? out : half) + i * last->n, 1);
    for (size_t j = 0; g->dim == 2 && j < last->n && !rc; j++) {
        for (size_t i = 0; i < g->m; i++)
            column[i] = half[i * last->n + j];
        rc = curve_through(curve, g->axis, column, &x[0], out + j, last->n);
    }
    gsl_interp_free(curve);
    return rc;
}

static double real_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void describe_axis(const json_t *parameter, figure_axis *x)
{
    x->name = json_string_value(json_object_get(parameter, "name"));
    x->label = json_string_value(json_object_get(parameter, "label"));
    x->unit = json_string_value(json_object_get(parameter, "unit"));
    x->mark = real_of(parameter, "map");
    if (!x->name)
        x->name = "";
}

static int posterior_figure(gallery *g, const target *t, const json_t *result,
                            const char *path, const char *name, const char *title)
{
    saved_grid saved = {0};
    int rc = read_grid(path, g->arena, &saved);
    if (rc || !saved.dim)
        return rc;
    density_figure f = {.title = title, .dim = (unsigned)saved.dim};
    size_t pixels = saved.dim == 1 ? LINE_POINTS : PIXELS;
    double *out =
        arena_alloc(g->arena, pixels * (saved.dim == 1 ? 1 : pixels), sizeof *out);
    double *half = arena_alloc(g->arena, saved.m * pixels, sizeof *half);
    double *column = arena_alloc(g->arena, saved.m, sizeof *column);
    if (saved.dim != t->n)
        return fail(NRE_EDATA, "%s: not a grid of target %s", path, t->name);
    if (!out || !half || !column || !title)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < saved.dim; k++) {
        describe_axis(json_array_get(json_object_get(result, "parameters"), k),
                      &f.axis[k]);
        choose_range(&saved, t, k, &f.axis[k]);
        f.axis[k].n = pixels;
    }
    take_prior_out(&saved, t);
    rc = resample(&saved, f.axis, half, column, out);
    if (!rc)
        put_prior_back(t, f.axis, saved.dim, out);
    f.log_density = out;
    if (!rc)
        rc = density_figure_write(&f, g->folder, name);
    return rc ? rc : gallery_add(g, name);
}

static int target_figures(gallery *g, const target *t)
{
    arena *a = g->arena;
    const char *base = folder_path(g->run->folder, "posterior/%s", t->name);
    const char *path = path_join(a, base, "summary.json"),
               *title = g->run->session->experiment->name;
    json_t *result = NULL;
    if (t->n > 2 || !path || !file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, 256 << 20, &result);
    const json_t *list = json_object_get(result, "observations");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < MAX_OBSERVATIONS && !rc; i++) {
        const char *saved =
            path_join(a, base, n == 1 ? "grid.h5" : arena_print(a, "%zu/grid.h5", i));
        const char *name = n == 1 ? arena_print(a, "posterior-%s", t->name)
                                  : arena_print(a, "posterior-%s-%zu", t->name, i);
        const char *full =
            n == 1 ? arena_print(a, "Posterior: %s", title)
                   : arena_print(a, "Posterior: %s, observation %zu", title, i);
        if (saved && name && file_exists(saved))
            rc = posterior_figure(g, t, json_array_get(list, i), saved, name, full);
    }
    json_decref(result);
    return rc;
}

/* loss */

/* loss.csv: epoch, training, validation, learning rate. */
static int read_curve(arena *a, const char *path, loss_curve *curve)
{
    char *text = NULL;
    double *value = NULL;
    const char *const *names = NULL;
    size_t size = 0, rows = 0, width = 0;
    int rc = file_read(path, 64 << 20, &text, &size);
    if (!rc)
        rc = csv_parse(path, text, size, a, &rows, &width, &names, &value);
    double *kept = rc ? NULL : arena_alloc(a, 2 * rows + 1, sizeof *kept);
    if (!rc && width < 3)
        rc = fail(NRE_EDATA, "%s: has %zu columns, not an epoch and two losses", path,
                  width);
    if (!rc && !kept)
        rc = fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < rows && !rc; i++) {
        kept[i] = value[i * width + 1];
        kept[rows + i] = value[i * width + 2];
    }
    curve->n = rows;
    curve->training = kept;
    curve->validation = kept ? kept + rows : NULL;
    free(value);
    free(text);
    return rc;
}

/* Of a run that trained; results elsewhere (`nereid infer`) have no course of training.
 */
static int loss_figure(gallery *g)
{
    const run *r = g->run;
    size_t members = r->session->experiment->train.ensemble, n = 0;
    loss_curve *curve =
        arena_alloc(g->arena, r->session->n_targets * members + 1, sizeof *curve);
    int rc = curve ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < r->session->n_targets; i++)
        for (size_t k = 0; k < members && !rc; k++) {
            const char *name = r->session->targets[i].name;
            const char *path =
                folder_path(r->folder, "model/%s/member-%zu/loss.csv", name, k);
            if (!path || !file_exists(path))
                continue;
            curve[n] = (loss_curve){.target = name, .member = k};
            rc = read_curve(g->arena, path, &curve[n++]);
        }
    if (rc || !n)
        return rc;
    rc = loss_figure_write(n, curve, g->folder, "loss");
    return rc ? rc : gallery_add(g, "loss");
}

/* Those that gnuplot drew. */
static int paths_of(const gallery *g, arena *a, size_t *n, const char *const **paths)
{
    const char **list = arena_alloc(a, g->n + 1, sizeof *list);
    *n = 0;
    for (size_t i = 0; i < g->n && list; i++) {
        list[*n] = path_join(a, g->folder, arena_print(a, "%s.svg", g->name[i]));
        if (list[*n] && file_exists(list[*n]))
            (*n)++;
    }
    *paths = list;
    return list ? NRE_OK : fail(NRE_ENOMEM, "no memory for figures");
}

int figures_write(const run *r, const coverage_table *coverage, arena *a, size_t *n,
                  const char *const **paths)
{
    gallery g = {
        .run = r, .arena = arena_new(), .folder = folder_path(r->folder, "figures")};
    int rc = g.arena && g.folder ? folder_make(g.folder)
                                 : fail(NRE_ENOMEM, "no memory for figures");
    for (size_t i = 0; i < r->session->n_targets && !rc; i++) {
        const target meant = session_meant(r->session, i);
        rc = target_figures(&g, &meant);
    }
    if (!rc && coverage && !(rc = coverage_figure_write(coverage, g.folder, "coverage")))
        rc = gallery_add(&g, "coverage");
    if (!rc)
        rc = loss_figure(&g);
    if (!rc)
        rc = figures_draw(g.folder, g.n, g.name);
    if (!rc)
        rc = paths_of(&g, a, n, paths);
    arena_free(g.arena);
    return rc;
}

/* Figures of the posteriors: of each target and observation, from its grid or its draws. */
#include "run/run.h"

#include <math.h>
#include <string.h>

enum { MOST_OBSERVATIONS = 16 }; /* of a target: more are in the files only */

void figure_range(figure_axis *x, double low, double high, double least, double most)
{
    x->logarithmic = low > 0 && high > 30 * low;
    double around = x->logarithmic ? 0 : 0.06 * (high - low);
    if (!(high > low))
        around = fmax(1e-3 * fabs(low), 1e-9);
    x->low = fmax(low - around, least);
    x->high = fmin(high + around, most);
}

static double number_in(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* What mock rows were simulated at; NAN for others. */
static double truth_of(const run *r, uint32_t which, arena *a)
{
    const session *s = r->session;
    if (!s->experiment->infer.observation.simulate.wanted || r->folder != r->source)
        return NAN;
    double *theta = arena_alloc(a, simulator_n_theta(s->simulator), sizeof *theta);
    if (!theta)
        return NAN;
    mock_theta(s, theta);
    return theta[which];
}

static void describe_axis(const gallery *g, const target *t, size_t k, const json_t *said,
                          figure_axis *x)
{
    const nre_theta *about = simulator_theta(g->run->session->simulator, t->which[k]);
    const json_t *quantiles = json_object_get(said, "quantiles");
    *x = (figure_axis){.name = about->name,
                       .label = about->label,
                       .unit = about->unit,
                       .mark = number_in(said, "map"),
                       .truth = truth_of(g->run, t->which[k], g->arena)};
    for (size_t i = 0; i < 3; i++) {
        const json_t *q = json_array_get(quantiles, i + 1);
        x->quantile[i] = json_is_number(q) ? json_number_value(q) : NAN;
    }
}

typedef struct posterior_place {
    const target *target;
    const json_t *said; /* of summary.json */
    const char *grid, *draws, *name, *observation;
} posterior_place;

static const char *caption_of(const gallery *g, const densities *d,
                              const posterior_place *at)
{
    arena *a = g->arena;
    const char *source =
        d->n_draws ? arena_print(a, "%zu draws, smoothed", d->n_draws) : "the grid";
    bool truth = isfinite(d->axis[0].truth);
    const char *what =
        d->n == 1 ? "Shaded: the regions of highest density that hold 68% and 95% of it"
                  : "Each two parameters with the regions of highest density that hold "
                    "68%, 95% and "
                    "99.7%, and each alone with its median and central 68% interval";
    return arena_print(
        a, "Posterior of %s given %s. %s%s. From %s%s.",
        target_words(a, at->target->name), at->observation, what,
        truth ? "; orange: what the mock observation was simulated at" : "",
        source ? source : "",
        d->n < at->target->n
            ? arena_print(a, "; the first %zu of %u parameters", d->n, at->target->n)
            : "");
}

static int draw_densities(gallery *g, const densities *d, const posterior_place *at)
{
    const char *title = arena_print(g->arena, "Posterior: %s, %s",
                                    g->run->session->experiment->name, at->observation);
    const density_figure one = {title, 1, {&d->axis[0], NULL}, d->line[0]};
    const corner_figure all = {title, d->n, d->axis, (const double *const *)d->line,
                               (const double *const *)d->plane};
    int rc = d->n == 1 ? density_figure_write(&one, g->folder, at->name)
                       : corner_figure_write(&all, g->folder, at->name);
    return rc ? rc : gallery_add(g, at->name, caption_of(g, d, at));
}

/* From the grid of up to three parameters, else from the draws. */
static int posterior_figure(gallery *g, const posterior_place *at)
{
    const target *t = at->target;
    size_t n = t->n < CORNER_MOST ? t->n : CORNER_MOST;
    densities d = {.arena = g->arena, .target = t, .n = n};
    d.axis = arena_alloc(g->arena, n, sizeof *d.axis);
    d.line = arena_alloc(g->arena, n, sizeof *d.line);
    d.plane = arena_alloc(g->arena, n * n, sizeof *d.plane);
    if (!d.axis || !d.line || !d.plane || !at->name || !at->grid || !at->draws)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < n; k++)
        describe_axis(g, t, k, json_array_get(json_object_get(at->said, "parameters"), k),
                      &d.axis[k]);
    int rc = NRE_OK;
    if (file_exists(at->grid))
        rc = densities_of_grid(&d, at->grid);
    else if (file_exists(at->draws))
        rc = densities_of_draws(&d, g->run->session->simulator, at->draws,
                                number_in(at->said, "ess_min"));
    else
        return NRE_OK;
    return rc ? rc : draw_densities(g, &d, at);
}

/* Observation I of N. */
static int observation_figure(gallery *g, const target *t, const char *base,
                              const json_t *said, size_t i, size_t n)
{
    arena *a = g->arena;
    const char *where = n == 1 ? base : path_join(a, base, arena_print(a, "%zu", i));
    const char *word = json_string_value(json_object_get(said, "observation"));
    if (!where)
        return fail(NRE_ENOMEM, "no memory for a figure");
    const posterior_place at = {
        .target = t,
        .said = said,
        .grid = path_join(a, where, "grid.h5"),
        .draws = path_join(a, where, "samples.nc"),
        .name = figure_name(a, n == 1 ? arena_print(a, "posterior-%s", t->name)
                                      : arena_print(a, "posterior-%s-%zu", t->name, i)),
        .observation = word && !strcmp(word, "joint")
                           ? "all observations together"
                           : arena_print(a, "observation %zu", i)};
    return figure_tried(posterior_figure(g, &at));
}

int figures_of_posterior(gallery *g, const target *t)
{
    const char *base = folder_path(g->run->folder, "posterior/%s", t->name);
    const char *path = base ? path_join(g->arena, base, "summary.json") : NULL;
    json_t *result = NULL;
    if (!path || !file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, 256 << 20, &result);
    const json_t *list = json_object_get(result, "observations");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < MOST_OBSERVATIONS && !rc; i++)
        rc = observation_figure(g, t, base, json_array_get(list, i), i, n);
    json_decref(result);
    return rc;
}

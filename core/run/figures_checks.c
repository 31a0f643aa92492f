/* Figures of the diagnostics, from diagnostics/NAME.json: what is missing there is not drawn. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PREDICTED = 4 }; /* observations of a target */

/* from JSON */

static double number_in(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *word_of(const json_t *object, const char *key)
{
    const char *word = json_string_value(json_object_get(object, key));
    return word ? word : "";
}

/* [N] of a list, NAN for what is no number; NULL where the list has another length. */
static const double *numbers_of(arena *a, const json_t *list, size_t n)
{
    double *out = json_array_size(list) == n && n ? arena_alloc(a, n, sizeof *out) : NULL;
    for (size_t i = 0; out && i < n; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return out;
}

static const double *numbers_in(arena *a, const json_t *object, const char *key, size_t n)
{
    return numbers_of(a, json_object_get(object, key), n);
}

static const nre_theta *parameter_called(const gallery *g, const char *name)
{
    const simulator *s = g->run->session->simulator;
    for (size_t i = 0; i < simulator_n_theta(s); i++)
        if (!strcmp(simulator_names(s)[i], name))
            return simulator_theta(s, i);
    return NULL;
}

static const char *label_of(const gallery *g, const char *name)
{
    const nre_theta *about = parameter_called(g, name);
    return about ? about->label : NULL;
}

/* A row of diagnostics/CHECK.json: figures of it are called NAME, and speak of OF. */
typedef struct checked_row {
    gallery *gallery;
    const json_t *row;
    const char *name, *of;
} checked_row;

/* curves at all levels */

static int level_figure_of(const checked_row *c, const json_t *curve, const char *what,
                           const char *joint, const char *caption)
{
    gallery *g = c->gallery;
    arena *a = g->arena;
    const json_t *list = json_object_get(curve, "parameters");
    size_t n = json_array_size(json_object_get(curve, "level"));
    figure_curve *curves = arena_alloc(a, json_array_size(list) + 1, sizeof *curves);
    level_figure f = {.title = arena_print(a, "%s: %s", what, c->of),
                      .what = "empirical coverage",
                      .n = n,
                      .level = numbers_in(a, curve, "level", n),
                      .low = numbers_in(a, curve, "low", n),
                      .high = numbers_in(a, curve, "high", n),
                      .curves = curves};
    if (!curves || !f.title)
        return fail(NRE_ENOMEM, "no memory for a figure");
    curves[f.n_curves++] = (figure_curve){
        joint, NULL,
        numbers_in(a, curve, strcmp(joint, "joint") ? "coverage" : "joint", n)};
    if (!f.level || !curves[0].value)
        return NRE_OK;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *p = json_array_get(list, k);
        const double *value = numbers_in(a, p, "coverage", n);
        if (value)
            curves[f.n_curves++] = (figure_curve){word_of(p, "name"),
                                                  label_of(g, word_of(p, "name")), value};
    }
    int rc = level_figure_write(&f, g->folder, c->name);
    return rc ? rc : gallery_add(g, c->name, caption);
}

static int coverage_curves(const checked_row *c)
{
    return level_figure_of(c, json_object_get(c->row, "curve"), "Coverage", "joint",
                           arena_print(c->gallery->arena,
                                       "Coverage at all levels, %s: the fraction of test "
                                       "pairs whose truth lies in the "
                                       "credible region of each level, of all parameters "
                                       "together and of each alone; "
                                       "beneath, that less the level. In the grey band "
                                       "for a right posterior (99 of 100 "
                                       "times, all levels together, for the joint "
                                       "regions); below it, regions are too "
                                       "narrow.",
                                       c->of));
}

static int local_curves(const checked_row *c)
{
    return level_figure_of(c, json_object_get(c->row, "curve"),
                           "Coverage near the observation", "joint",
                           arena_print(c->gallery->arena,
                                       "Coverage near the observation, %s: as above, of "
                                       "test pairs whose parameters lie "
                                       "in the observation's 99.9%% region.",
                                       c->of));
}

static int tarp_curve(const checked_row *c)
{
    return level_figure_of(
        c, json_object_get(c->row, "curve"), "TARP", "TARP",
        arena_print(
            c->gallery->arena,
            "Expected coverage of balls around reference points that depend on x (TARP), "
            "%s: in the grey band for a right posterior.",
            c->of));
}

/* ranks */

static int rank_panels(const checked_row *c)
{
    gallery *g = c->gallery;
    arena *a = g->arena;
    const json_t *list = json_object_get(c->row, "quantities");
    rank_panel *q = arena_alloc(a, json_array_size(list) + 1, sizeof *q);
    rank_figure f = {arena_print(a, "Ranks of the truth: %s", c->of), 0, q};
    for (size_t k = 0; q && k < json_array_size(list); k++) {
        const json_t *j = json_array_get(list, k);
        size_t n = json_array_size(json_object_get(j, "u"));
        const char *name = word_of(j, "name");
        bool is_ratio = !strcmp(name, "log_ratio");
        q[f.n] = (rank_panel){.name = is_ratio ? "log ratio" : name,
                              .label = label_of(g, name),
                              .p = number_in(j, "p_value"),
                              .n = n,
                              .at = numbers_in(a, j, "u", n),
                              .difference = numbers_in(a, j, "difference", n),
                              .low = numbers_in(a, j, "low", n),
                              .high = numbers_in(a, j, "high", n)};
        f.n += q[f.n].at && q[f.n].difference;
    }
    if (!q || !f.title)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (!f.n)
        return NRE_OK;
    int rc = rank_figure_write(&f, g->folder, c->name);
    return rc ? rc
              : gallery_add(
                    g, c->name,
                    arena_print(
                        a,
                        "Ranks of the truth among posterior draws (SBC), %s: their "
                        "distribution less the uniform one of a right posterior, "
                        "which stays in the grey band 99 of 100 times. A hump then a "
                        "dip: posteriors too narrow, the reverse: too wide; a bow "
                        "above or below: shifted.",
                        c->of));
}

/* classifiers */

/* "beta = 2.5, d_I = 0.3" */
static const char *theta_words(arena *a, json_t *theta)
{
    const char *words = NULL;
    for (void *at = json_object_iter(theta); at; at = json_object_iter_next(theta, at)) {
        const char *one = arena_print(a, "%s = %.3g", json_object_iter_key(at),
                                      json_number_value(json_object_iter_value(at)));
        words = words ? arena_print(a, "%s, %s", words, one ? one : "") : one;
    }
    return words ? words : "";
}

static int roc_curves(const checked_row *c)
{
    gallery *g = c->gallery;
    arena *a = g->arena;
    const json_t *roc = json_object_get(c->row, "roc"),
                 *list = json_object_get(c->row, "points");
    size_t n = json_array_size(json_object_get(roc, "false_positive"));
    size_t n_points = json_array_size(list);
    roc_point *point = arena_alloc(a, n_points + 1, sizeof *point);
    roc_figure f = {
        .title = arena_print(a, "Reweighted simulations against real ones: %s", c->of),
        .n = n,
        .false_positive = numbers_in(a, roc, "false_positive", n),
        .weighted = numbers_in(a, roc, "weighted", n),
        .baseline = numbers_in(a, roc, "baseline", n),
        .n_points = n_points,
        .points = point};
    if (!point || !f.title)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (!f.false_positive || !f.weighted || !f.baseline)
        return NRE_OK;
    for (size_t k = 0; k < n_points; k++) {
        const json_t *j = json_array_get(list, k);
        point[k] = (roc_point){.theta = theta_words(a, json_object_get(j, "theta")),
                               .auc = number_in(j, "auc"),
                               .error = number_in(j, "error"),
                               .baseline = number_in(j, "baseline"),
                               .null = number_in(j, "null"),
                               .power = number_in(j, "power")};
    }
    int rc = roc_figure_write(&f, g->folder, c->name);
    return rc ? rc
              : gallery_add(
                    g, c->name,
                    arena_print(
                        a,
                        "Can a classifier tell simulations at a theta* from others "
                        "reweighted by the ratio, %s? For a right ratio it cannot: its "
                        "ROC curve is the diagonal, at the first theta*, and the area "
                        "under it (AUC) is 0.5 at all. Without the ratio it can, and a "
                        "ratio tempered by 0.8 must be noticed, too.",
                        c->of));
}

/* observations added */

static const five_numbers *fives_in(arena *a, const json_t *object, const char *key,
                                    size_t n)
{
    const json_t *list = json_object_get(object, key);
    five_numbers *out =
        json_array_size(list) == n ? arena_alloc(a, n, sizeof *out) : NULL;
    for (size_t i = 0; out && i < n; i++) {
        const double *five = numbers_of(a, json_array_get(list, i), 5);
        for (size_t k = 0; k < 5; k++)
            out[i][k] = five ? five[k] : NAN;
    }
    return (const five_numbers *)out;
}

/* Column K of rows of numbers. */
static const double *column_in(arena *a, const json_t *list, size_t n, size_t k)
{
    double *out = json_array_size(list) == n ? arena_alloc(a, n, sizeof *out) : NULL;
    for (size_t i = 0; out && i < n; i++) {
        const json_t *value = json_array_get(json_array_get(list, i), k);
        out[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return out;
}

static int convergence_panels(const checked_row *c)
{
    gallery *g = c->gallery;
    arena *a = g->arena;
    const json_t *steps = json_object_get(c->row, "n_rows");
    const json_t *list = json_object_get(c->row, "parameters");
    size_t n = json_array_size(steps);
    convergence_panel *p = arena_alloc(a, json_array_size(list) + 1, sizeof *p);
    convergence_figure f = {
        .title = arena_print(a, "Convergence to the truth: %s", c->of),
        .n = n,
        .observations = numbers_of(a, steps, n),
        .panels = p,
        .inside68 = column_in(a, json_object_get(c->row, "rank"), n, 0),
        .inside95 = column_in(a, json_object_get(c->row, "rank"), n, 1)};
    if (!p || !f.title)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *j = json_array_get(list, k);
        const char *name = word_of(j, "name");
        p[f.n_panels++] =
            (convergence_panel){name, label_of(g, name), fives_in(a, j, "error", n),
                                fives_in(a, j, "deviation", n)};
    }
    if (!f.observations || !f.n_panels)
        return NRE_OK;
    int rc = convergence_figure_write(&f, g->folder, c->name);
    return rc ? rc
              : gallery_add(
                    g, c->name,
                    arena_print(
                        a,
                        "As independent observations of one truth are added, %s: how "
                        "far the mode lies from the truth and how wide the posterior "
                        "is, in deviations of the posterior of one observation (lines: "
                        "5 to 95%% of the truths, boxes: 16 to 84%%; dashed: one over "
                        "the "
                        "root of their number). The truth must stay inside the regions: "
                        "where it leaves them, errors of the ratio have added up.",
                        c->of));
}

/* what the posterior predicts */

/* Part I of a label that names the ROWS of a field, "in bed, convalescent"; NULL where it does not. */
static const char *part_of(arena *a, const char *label, size_t i, size_t rows)
{
    size_t parts = label[0] ? 1 : 0;
    for (const char *at = label; (at = strchr(at, ',')); at++)
        parts++;
    if (parts != rows)
        return NULL;
    for (; i > 0; i--)
        label = strchr(label, ',') + 1;
    label += strspn(label, " ");
    return arena_print(a, "%.*s", (int)strcspn(label, ","), label);
}

/* The last axis of a field of rank 1; of a few rows of one, each by itself. */
static size_t add_fields(arena *a, const json_t *j, predictive_field *out, size_t most)
{
    enum { MOST_ROWS = 4 };
    static const char *const part[5] = {"0.025", "0.16", "0.5", "0.84", "0.975"};
    const json_t *shape = json_object_get(j, "shape"),
                 *q = json_object_get(j, "quantiles");
    size_t n = json_array_size(json_object_get(j, "observed")),
           rank = json_array_size(shape);
    json_int_t last = json_integer_value(json_array_get(shape, rank ? rank - 1 : 0));
    size_t width = rank > 1 && last > 0 ? (size_t)last : n, rows = width ? n / width : 0;
    const double *seen = numbers_in(a, j, "observed", n), *quantile[5];
    if (!seen || rows * width != n || rows > MOST_ROWS || rows > most)
        return 0;
    for (size_t k = 0; k < 5; k++)
        quantile[k] = numbers_in(a, q, part[k], n);
    for (size_t i = 0; i < rows; i++) {
        const char *label = word_of(j, "label"), *name = word_of(j, "name");
        out[i] = (predictive_field){
            .name = rows == 1 ? name : arena_print(a, "%s, row %zu", name, i + 1),
            .label = rows == 1 && label[0] ? label : part_of(a, label, i, rows),
            .unit = word_of(j, "unit"),
            .at = numbers_in(a, j, "at", width),
            .n = width,
            .observed = seen + i * width};
        out[i].at_label =
            out[i].at && word_of(j, "at_label")[0] ? word_of(j, "at_label") : NULL;
        for (size_t k = 0; k < 5; k++)
            out[i].quantile[k] = quantile[k] ? quantile[k] + i * width : NULL;
        if (!out[i].name)
            return 0;
    }
    return rows;
}

static int predicted_fields(const checked_row *c, const json_t *j, const char *name)
{
    enum { ROOM = 6 };
    gallery *g = c->gallery;
    arena *a = g->arena;
    const json_t *list = json_object_get(j, "fields");
    predictive_field *field = arena_alloc(a, ROOM, sizeof *field);
    const char *which = word_of(j, "observation");
    predictive_figure f = {
        arena_print(a, "What the posterior predicts: %s, observation %s", c->of, which),
        0, field};
    if (!field || !f.title || !name)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t k = 0; k < json_array_size(list); k++)
        f.n += add_fields(a, json_array_get(list, k), field + f.n, ROOM - f.n);
    if (!f.n)
        return NRE_OK;
    int rc = predictive_figure_write(&f, g->folder, name);
    double p = number_in(j, "p_value");
    return rc ? rc
              : gallery_add(
                    g, name,
                    arena_print(
                        a,
                        "What the posterior of %s predicts (median, 68%% and 95%% of "
                        "simulations at its draws), and observation %s itself.%s",
                        c->of, which,
                        isfinite(p) ? arena_print(a, " p-value %.3g.", p) : ""));
}

static int predictive_bands(const checked_row *c)
{
    arena *a = c->gallery->arena;
    const json_t *list = json_object_get(c->row, "observed");
    size_t n = json_array_size(list);
    int rc = NRE_OK;
    for (size_t i = 0; i < n && i < MOST_PREDICTED && !rc; i++)
        rc = predicted_fields(c, json_array_get(list, i),
                              n == 1 ? c->name : arena_print(a, "%s-%zu", c->name, i));
    return rc;
}

/* all of them */

static bool coverage_wanted(const experiment *e)
{
    return e->diagnose.coverage.wanted;
}

/* Of a target; again, without the calibration that the first was made with. */
static int figures_of_row(gallery *g, const json_t *row, const char *figure,
                          int (*make)(const checked_row *c))
{
    arena *a = g->arena;
    const char *of = word_of(row, "target");
    bool plain = calibrates(g->run->session->experiment) &&
                 !json_is_object(json_object_get(row, "calibration"));
    const char *end = plain ? "-uncalibrated" : "";
    const checked_row c = {g, row,
                           figure_name(a, arena_print(a, "%s-%s%s", figure, of, end)),
                           arena_print(a, "%s%s", target_words(a, of),
                                       plain ? ", without calibration" : "")};
    return c.name && c.of ? figure_tried(make(&c))
                          : fail(NRE_ENOMEM, "no memory for a figure");
}

static int figures_of(gallery *g, const char *check, const char *figure,
                      int (*make)(const checked_row *c))
{
    const char *path = folder_path(g->run->folder, "diagnostics/%s.json", check);
    json_t *result = NULL, *row;
    size_t i;
    if (!path || !file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, 256 << 20, &result);
    json_array_foreach(json_object_get(result, "rows"), i, row)
    {
        if (!rc)
            rc = figures_of_row(g, row, figure, make);
    }
    json_decref(result);
    return rc;
}

/* areas: all targets in one figure */

static int area_boxes(gallery *g, const json_t *rows)
{
    arena *a = g->arena;
    size_t n = json_array_size(rows);
    area_box *box = arena_alloc(a, n + 1, sizeof *box);
    area_figure f = {"Integral of prior and ratio", 0, box};
    for (size_t i = 0; box && i < n; i++) {
        const json_t *row = json_array_get(rows, i),
                     *seen = json_object_get(row, "observed");
        size_t m = json_array_size(json_object_get(row, "areas")),
               many = json_array_size(seen);
        double *value = arena_alloc(a, many + 1, sizeof *value);
        const double *area = numbers_in(a, row, "areas", m);
        bool plain = calibrates(g->run->session->experiment) &&
                     !json_is_object(json_object_get(row, "calibration"));
        for (size_t k = 0; value && k < many; k++)
            value[k] = number_in(json_array_get(seen, k), "area");
        if (area && value)
            box[f.n++] =
                (area_box){arena_print(a, "%s%s", target_words(a, word_of(row, "target")),
                                       plain ? ", uncalibrated" : ""),
                           m, many, area, value};
    }
    if (!box)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (!f.n)
        return NRE_OK;
    int rc = area_figure_write(&f, g->folder, "area");
    return rc ? rc
              : gallery_add(g, "area",
                            "The integral of prior times ratio over all parameters, 1 "
                            "for a right ratio, "
                            "of test rows (box: the central half of them, line: the "
                            "central 99%) and of the "
                            "observation (diamond), which should lie among them.");
}

static int area_figure_of(gallery *g)
{
    const char *path = folder_path(g->run->folder, "diagnostics/area.json");
    json_t *result = NULL;
    if (!g->run->session->experiment->diagnose.area.wanted || !path || !file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, 256 << 20, &result);
    if (!rc)
        rc = figure_tried(area_boxes(g, json_object_get(result, "rows")));
    json_decref(result);
    return rc;
}

int figures_of_checks(gallery *g)
{
    static const struct {
        int kind; /* of config's check_kind; -1: the coverage */
        const char *figure;
        int (*make)(const checked_row *c);
    } FIGURE[] = {{-1, "coverage-curve", coverage_curves},
                  {CHECK_SBC, "sbc", rank_panels},
                  {CHECK_TARP, "tarp", tarp_curve},
                  {CHECK_LOCAL_COVERAGE, "local-coverage", local_curves},
                  {CHECK_AUC, "auc", roc_curves},
                  {CHECK_CONVERGENCE, "convergence", convergence_panels},
                  {CHECK_POSTERIOR_PREDICTIVE, "posterior-predictive", predictive_bands}};
    const experiment *e = g->run->session->experiment;
    int rc = area_figure_of(g);
    for (size_t i = 0; i < sizeof FIGURE / sizeof FIGURE[0] && !rc; i++) {
        int kind = FIGURE[i].kind;
        if (kind < 0 ? coverage_wanted(e) : e->diagnose.check[kind].wanted)
            rc = figures_of(g, kind < 0 ? "coverage" : check_name((size_t)kind),
                            FIGURE[i].figure, FIGURE[i].make);
    }
    return rc;
}

/* Figures from the result files of a run: posteriors, coverage, diagnostics, loss. */
#include "run/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int gallery_add(gallery *g, const char *name, const char *caption)
{
    if (!name || !caption)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (g->n < GALLERY_MOST) {
        g->name[g->n] = name;
        g->caption[g->n++] = caption;
    }
    return NRE_OK;
}

/* Names of files end at 255 bytes, of which endings and a temporary's digits take some. */
const char *figure_name(arena *a, const char *name)
{
    enum { LONGEST = 100, KEPT = 80 };
    size_t n = KEPT;
    if (!name || strlen(name) <= LONGEST)
        return name;
    while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) /* within a character */
        n--;
    return arena_print(a, "%.*s-%.16s", (int)n, name, hash_hex(hash_string(name)).hex);
}

const char *target_words(arena *a, const char *name)
{
    char *text = arena_alloc(a, 2 * strlen(name) + 1, 1), *to = text;
    if (!text || !strcmp(name, "all"))
        return "all parameters";
    for (; *name; name++) {
        *to++ = *name;
        if (*name == ',')
            *to++ = ' ';
    }
    return text;
}

int figure_tried(int rc)
{
    if (!rc || rc == NRE_ENOMEM)
        return rc;
    log_say(NRE_WARN, "a figure is missing: %s", error_message());
    error_set("");
    return NRE_OK;
}

/* coverage */

static int coverage_figure(gallery *g, const coverage_table *t)
{
    const char *more = t->n_rows > COVERAGE_FIGURE_MOST
                           ? arena_print(g->arena, " The first %d of %zu rows.",
                                         COVERAGE_FIGURE_MOST, t->n_rows)
                           : "";
    int rc = coverage_figure_write(t, g->folder, "coverage");
    return rc ? rc
              : gallery_add(
                    g, "coverage",
                    arena_print(
                        g->arena,
                        "Gain over the prior, and the fraction of test pairs whose "
                        "truth lies in the credible regions (CR) and confidence sets "
                        "(CL) of each level, with 99%% intervals; dashed: the level "
                        "itself. Left of it regions are too narrow, right of it too "
                        "wide.%s",
                        more));
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
    return rc ? rc
              : gallery_add(
                    g, "loss",
                    "Loss by epoch on the training pairs (dashed) and on pairs kept "
                    "apart for "
                    "validation (solid); the circle marks the lowest validation loss, "
                    "whose "
                    "weights are used. Validation far above training, or rising, is "
                    "overfitting.");
}

/* Where gnuplot drew it, now or when the run was made; NULL: nowhere. */
static const char *path_of(const gallery *g, arena *a, const char *name)
{
    const char *file = arena_print(a, "%s.svg", name);
    const char *path = path_join(a, g->folder, file);
    if (path && !file_exists(path))
        path = path_join(a, folder_path(g->run->folder, "figures"), file);
    return path && file_exists(path) ? path : NULL;
}

static int paths_of(const gallery *g, arena *a, run_summary *out)
{
    const char **path = arena_alloc(a, g->n + 1, sizeof *path);
    const char **caption = arena_alloc(a, g->n + 1, sizeof *caption);
    size_t n = 0;
    for (size_t i = 0; i < g->n && path && caption; i++) {
        path[n] = path_of(g, a, g->name[i]);
        caption[n] = arena_copy(a, g->caption[i]);
        if (path[n] && caption[n])
            n++;
    }
    out->n_figures = n;
    out->n_undrawn = g->n - n;
    out->figures = path;
    out->captions = caption;
    return path && caption ? NRE_OK : fail(NRE_ENOMEM, "no memory for figures");
}

int figures_write(const run *r, const char *where, const coverage_table *coverage,
                  arena *a, run_summary *out)
{
    gallery *g = arena_alloc(a, 1, sizeof *g);
    if (!g)
        return fail(NRE_ENOMEM, "no memory for figures");
    *g = (gallery){.run = r, .arena = arena_new(), .folder = where};
    int rc = g->arena && g->folder ? folder_make(g->folder)
                                   : fail(NRE_ENOMEM, "no memory for figures");
    if (!rc)
        rc = figures_remove(g->folder);
    for (size_t i = 0; i < r->session->n_targets && !rc; i++) {
        const target meant = session_meant(r->session, i);
        rc = figure_tried(figures_of_posterior(g, &meant));
    }
    if (!rc && coverage && coverage->n_rows)
        rc = figure_tried(coverage_figure(g, coverage));
    if (!rc)
        rc = figures_of_checks(g);
    if (!rc)
        rc = figure_tried(loss_figure(g));
    if (!rc)
        rc = figures_draw(g->folder, g->n, g->name);
    if (!rc)
        rc = paths_of(g, a, out);
    arena_free(g->arena);
    return rc;
}

int scratch_make(arena *a, const char **out)
{
    const char *where = getenv("TMPDIR");
    char *path =
        arena_print(a, "%s/nereid-figures-XXXXXX", where && *where ? where : "/tmp");
    *out = path;
    if (!path)
        return fail(NRE_ENOMEM, "no memory for figures");
    if (mkdtemp(path))
        return NRE_OK;
    *out = NULL;
    return fail(NRE_EIO, "cannot make '%s' for figures: %s; set TMPDIR", path,
                strerror(errno));
}

void scratch_remove(const char *path)
{
    char *message = strdup(error_message());
    if (path && (figures_remove(path) || rmdir(path)))
        log_say(NRE_WARN, "cannot remove the temporary figures in '%s'", path);
    error_set(message ? message : "");
    free(message);
}

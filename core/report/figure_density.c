/* The posterior density of one parameter; and the regions of highest density of any. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double axis_middle(const figure_axis *x, size_t i)
{
    double part = ((double)i + 0.5) / (double)x->n;

    return x->logarithmic ? x->low * pow(x->high / x->low, part)
                          : x->low + part * (x->high - x->low);
}

/* Of cell I, in the parameter's own unit. */
static double axis_width(const figure_axis *x, size_t i)
{
    double n = (double)x->n;

    if (!x->logarithmic)
        return (x->high - x->low) / n;
    return axis_middle(x, i) * 2 * sinh(log(x->high / x->low) / (2 * n));
}

typedef struct density_cell {
    double log_density, mass;
    size_t at;
} density_cell;

/* Densest first; equals by their place. */
static int compare_cells(const void *a, const void *b)
{
    const density_cell *x = a, *y = b;

    if (x->log_density != y->log_density)
        return x->log_density > y->log_density ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

size_t density_size(const density_figure *f)
{
    return f->axis[0]->n * (f->dim == 2 ? f->axis[1]->n : 1);
}

static double cell_volume(const density_figure *f, size_t i)
{
    if (f->dim == 1)
        return axis_width(f->axis[0], i);
    size_t n = f->axis[1]->n;
    return axis_width(f->axis[0], i / n) * axis_width(f->axis[1], i % n);
}

int density_regions(const density_figure *f, double *density, double *region)
{
    size_t n = density_size(f);
    density_cell *c = memory_new(n, sizeof *c);
    double most = -INFINITY, total = 0, below = 0;

    if (!c)
        return fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < n; i++)
        most = fmax(most, f->log_density[i]);
    for (size_t i = 0; i < n; i++) {
        density[i] = exp(f->log_density[i] - most);
        c[i] = (density_cell){f->log_density[i], density[i] * cell_volume(f, i), i};
        total += c[i].mass;
    }
    qsort(c, n, sizeof *c, compare_cells);
    for (size_t i = 0; i < n; i++) {
        density[c[i].at] /= total;
        region[c[i].at] = (below + 0.5 * c[i].mass) / total;
        below += c[i].mass;
    }
    free(c);
    return isfinite(total) && total > 0 ? NRE_OK
                                        : fail(NRE_ENUMERIC, "a density without mass");
}

static void marks_put(FILE *out, const figure_axis *x)
{
    if (isfinite(x->mark))
        fprintf(out,
                "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead lw 1.3 dt (6,4) lc "
                "rgb '#1a1a1a' front\n",
                x->mark, x->mark);
    if (isfinite(x->truth))
        fprintf(out,
                "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead lw 1.7 lc rgb '%s' "
                "front\n",
                x->truth, x->truth, figure_colour(1));
}

static void legend_put(drawing *d, const figure_axis *x)
{
    FILE *out = d->script.out;

    drawing_legend_row(d);
    fputs("plot NaN with filledcurves lc rgb '#9ecae8' title '68% region', \\\n"
          "  NaN with filledcurves lc rgb '#dbe9f6' title '95%'",
          out);
    if (isfinite(x->mark))
        fputs(", \\\n  NaN with lines lw 1.3 dt (6,4) lc rgb '#1a1a1a' title 'MAP'", out);
    if (isfinite(x->truth))
        fprintf(out, ", \\\n  NaN with lines lw 1.7 lc rgb '%s' title 'truth'",
                figure_colour(1));
    fputc('\n', out);
    drawing_panel_done(d);
}

/* "1/keV", "1/(km/s)" */
static const char *inverse_unit(arena *a, const char *unit)
{
    if (!unit || !unit[0])
        return NULL;
    return arena_print(a, strpbrk(unit, " /*^") ? "1/(%s)" : "1/%s", unit);
}

static void density_script(drawing *d, const density_figure *f)
{
    const figure_axis *x = f->axis[0];
    sheet *p = &d->script;
    enum { LEFT = 85, RIGHT = 655, TOP = 50, BOTTOM = 365 };

    drawing_start(d, 680, 460, f->title);
    drawing_panel(d, LEFT, RIGHT, TOP, BOTTOM);
    x_label_put(d, x->name, x->label, x->unit);
    y_label_put(d, "posterior density", NULL, inverse_unit(p->a, x->unit));
    fputs("set format y '%g'\n", p->out);
    range_put(p->out, 'x', x->logarithmic, x->low, x->high);
    ticks_put(p, &(tick_axis){'x', x->logarithmic, x->low, x->high, RIGHT - LEFT, 14, 0},
              true);
    fputs("set yrange [0:*]\nset offsets 0,0,graph 0.04,0\nset ytics auto\nunset key\n",
          p->out);
    marks_put(p->out, x);
    fprintf(
        p->out,
        "plot data using 1:($3 <= 0.95 ? $2 : 0) with filledcurves y=0 lc rgb '#dbe9f6', "
        "\\\n  data using 1:($3 <= 0.68 ? $2 : 0) with filledcurves y=0 lc rgb "
        "'#9ecae8', "
        "\\\n  data using 1:2 with lines lw 1.6 lc rgb '%s'\nset offsets 0,0,0,0\n",
        figure_colour(0));
    drawing_panel_done(d);
    legend_put(d, x);
}

static int density_draw(drawing *d, const density_figure *f, double *density,
                        double *region)
{
    int status = density && region ? density_regions(f, density, region)
                                   : fail(NRE_ENOMEM, "no memory for a figure");

    if (status)
        return status;
    field_put(&d->data, f->axis[0]->name);
    fputs(",density,region\n", d->data.out);
    for (size_t i = 0; i < density_size(f); i++)
        fprintf(d->data.out, "%.8g,%.6g,%.6g\n", axis_middle(f->axis[0], i), density[i],
                region[i]);
    density_script(d, f);
    return NRE_OK;
}

int density_figure_write(const density_figure *f, const char *folder, const char *name)
{
    drawing d;
    int status = f->dim == 1 ? drawing_open(&d, folder, name)
                             : fail(NRE_EINVAL, "a density of %u parameters", f->dim);

    if (status)
        return status;
    double *density = memory_new(density_size(f), sizeof *density);
    double *region = memory_new(density_size(f), sizeof *region);
    status = density_draw(&d, f, density, region);
    free(density);
    free(region);
    return drawing_close(&d, status);
}

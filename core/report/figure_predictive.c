/* What the posterior predicts, as bands, and what was observed: a panel for each field. */
#include "report/report.h"

#include <math.h>

enum {
    WIDTH = 560,
    HEIGHT = 230,
    STRIP = 44,
    LEFT = 96,
    TOP = 56,
    BELOW = 92,
    FEW = 12,
    MOST = 6
};

static double at_of(const predictive_field *f, size_t i)
{
    return f->at ? f->at[i] : (double)(i + 1);
}

static void predictive_rows(sheet *p, const predictive_figure *f)
{
    FILE *out = p->out;

    fputs("field,at,q025,q16,q50,q84,q975,observed\n", out);
    for (size_t k = 0; k < f->n; k++) {
        const predictive_field *g = &f->fields[k];
        for (size_t i = 0; i < g->n; i++) {
            field_put(p, g->name);
            fprintf(out, ",%.8g", at_of(g, i));
            for (size_t q = 0; q < 5; q++) {
                fputc(',', out);
                number_put(out, g->quantile[q] ? g->quantile[q][i] : NAN);
            }
            fputc(',', out);
            number_put(out, g->observed ? g->observed[i] : NAN);
            fputc('\n', out);
        }
        fputc('\n', out);
    }
}

static void widen(double value, double *low, double *high)
{
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

/* Of all numbers of a field. */
static void values_range(const predictive_field *f, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < f->n; i++) {
        for (size_t q = 0; q < 5; q++)
            widen(f->quantile[q] ? f->quantile[q][i] : NAN, low, high);
        widen(f->observed ? f->observed[i] : NAN, low, high);
    }
    if (*low > *high) {
        *low = 0;
        *high = 1;
    }
    double around = fmax(0.06 * (*high - *low), 1e-3 * fabs(*high) + 1e-9);
    *low -= around;
    *high += around;
}

/* A few elements are counted, each with its number; ticks of many are whole by themselves. */
static void element_ticks_put(FILE *out, size_t n)
{
    fputs("set xtics (", out);
    for (size_t i = 1; i <= n; i++)
        fprintf(out, "%s'%zu' %zu", i > 1 ? ", " : "", i, i);
    fputs(") nomirror out scale 0.5 font ',14'\n", out);
}

static void at_axis(drawing *d, const predictive_field *f)
{
    sheet *p = &d->script;
    double first = at_of(f, 0), last = at_of(f, f->n - 1);
    double around =
        f->n <= FEW ? 0.6 * fabs(last - first) / (double)(f->n > 1 ? f->n - 1 : 1) : 0;
    double low = fmin(first, last) - around, high = fmax(first, last) + around;

    range_put(p->out, 'x', false, low, high);
    if (!f->at && f->n <= FEW)
        element_ticks_put(p->out, f->n);
    else
        ticks_put(p, &(tick_axis){'x', false, low, high, WIDTH, 14, 0}, true);
    x_label_put(d, f->at_label ? f->at_label : "element", f->at_label, NULL);
}

/* Many values: bands; a few: a bar each. */
static void bands_put(sheet *p, const predictive_field *f, size_t k)
{
    const char *block = arena_print(p->a, "data every :::%zu::%zu", k, k);
    double half =
        0.28 * fabs(at_of(f, f->n - 1) - at_of(f, 0)) / (double)(f->n > 1 ? f->n - 1 : 1);

    if (f->n > FEW)
        fprintf(p->out,
                "plot %s using 2:3:7 with filledcurves lc rgb '#dbe9f6' notitle, \\\n"
                "  %s using 2:4:6 with filledcurves lc rgb '#9ecae8' notitle, \\\n"
                "  %s using 2:5 with lines lw 1.6 lc rgb '%s' notitle, \\\n"
                "  %s using 2:8 with points pt 7 ps 0.45 lc rgb '#000000' notitle\n",
                block, block, block, figure_colour(0), block);
    else
        fprintf(
            p->out,
            "plot %s using 2:5:($2-%.6g):($2+%.6g):3:7 with boxxyerror fc rgb '#dbe9f6' "
            "fs solid notitle, \\\n"
            "  %s using 2:5:($2-%.6g):($2+%.6g):4:6 with boxxyerror fc rgb '#9ecae8' fs "
            "solid notitle, \\\n"
            "  %s using ($2-%.6g):5:(%.6g):(0) with vectors nohead lw 2 lc rgb '%s' "
            "notitle, \\\n"
            "  %s using 2:8 with points pt 7 ps 0.8 lc rgb '#000000' notitle\n",
            block, half, half, block, half, half, block, half, 2 * half, figure_colour(0),
            block);
}

/* A single number: a strip. */
static void strip_put(drawing *d, const predictive_field *f, size_t k, double top)
{
    sheet *p = &d->script;
    double low, high;

    values_range(f, &low, &high);
    drawing_panel(d, LEFT, LEFT + WIDTH, top, top + STRIP);
    range_put(p->out, 'x', false, low, high);
    ticks_put(p, &(tick_axis){'x', false, low, high, WIDTH, 14, 0}, true);
    fputs("set border 1\nset yrange [-1:1]\nunset ytics\n", p->out);
    x_label_put(d, f->label && f->label[0] ? f->label : f->name, f->label, f->unit);
    fprintf(p->out,
            "plot data every :::%zu::%zu using 5:(0):3:7:(-0.6):(0.6) with boxxyerror "
            "fc rgb '#dbe9f6' fs solid notitle, \\\n"
            "  data every :::%zu::%zu using 5:(0):4:6:(-0.6):(0.6) with boxxyerror fc "
            "rgb '#9ecae8' fs solid notitle, \\\n"
            "  data every :::%zu::%zu using 5:(-0.6):(0):(1.2) with vectors nohead lw 2 "
            "lc rgb '%s' notitle, \\\n"
            "  data every :::%zu::%zu using 8:(0) with points pt 7 ps 1 lc rgb '#000000' "
            "notitle\n",
            k, k, k, k, k, k, figure_colour(0), k, k);
    fputs("set border 3\n", p->out);
    drawing_panel_done(d);
}

static void values_put(drawing *d, const predictive_field *f, size_t k, double top)
{
    sheet *p = &d->script;
    double low, high;

    values_range(f, &low, &high);
    drawing_panel(d, LEFT, LEFT + WIDTH, top, top + HEIGHT);
    at_axis(d, f);
    range_put(p->out, 'y', false, low, high);
    ticks_put(p, &(tick_axis){'y', false, low, high, HEIGHT, 14, 0}, true);
    y_label_put(d, f->label && f->label[0] ? f->label : f->name, f->label, f->unit);
    bands_put(p, f, k);
    drawing_panel_done(d);
}

static void legend_put(drawing *d)
{
    drawing_legend_row(d);
    fprintf(d->script.out,
            "plot NaN with points pt 7 ps 0.7 lc rgb '#000000' title 'observed', \\\n"
            "  NaN with lines lw 1.6 lc rgb '%s' title 'predicted: median', \\\n"
            "  NaN with filledcurves lc rgb '#9ecae8' title '68%%', \\\n"
            "  NaN with filledcurves lc rgb '#dbe9f6' title '95%%'\n",
            figure_colour(0));
    drawing_panel_done(d);
}

int predictive_figure_write(const predictive_figure *f, const char *folder,
                            const char *name)
{
    drawing d;
    double top = TOP, height = TOP;
    size_t shown = f->n < MOST ? f->n : MOST;
    int status = f->n ? drawing_open(&d, folder, name) : fail(NRE_EINVAL, "no fields");

    if (status)
        return status;
    predictive_rows(&d.data, f);
    for (size_t k = 0; k < shown; k++)
        height += (f->fields[k].n == 1 ? STRIP : HEIGHT) + BELOW;
    drawing_start(&d, LEFT + WIDTH + 30, (int)height + 22, f->title);
    for (size_t k = 0; k < shown; k++) {
        (f->fields[k].n == 1 ? strip_put : values_put)(&d, &f->fields[k], k, top);
        top += (f->fields[k].n == 1 ? STRIP : HEIGHT) + BELOW;
    }
    legend_put(&d);
    return drawing_close(&d, NRE_OK);
}

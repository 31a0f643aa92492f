/* Coverage of regions at all levels; and beneath, what it is more or less than the level. */
#include "report/report.h"

#include <math.h>

enum { SIDE = 330, BENEATH = 170, LEFT = 85, TOP = 52, BETWEEN = 22 };

/* A block a curve; the first has the band, too. */
static void level_rows(sheet *p, const level_figure *f)
{
    FILE *out = p->out;

    fputs("curve,level,coverage,low,high\n", out);
    for (size_t k = 0; k < f->n_curves; k++) {
        for (size_t i = 0; i < f->n; i++) {
            field_put(p, f->curves[k].name);
            fprintf(out, ",%.8g,", f->level[i]);
            number_put(out, f->curves[k].value[i]);
            fputc(',', out);
            number_put(out, f->low ? f->low[i] : NAN);
            fputc(',', out);
            number_put(out, f->high ? f->high[i] : NAN);
            fputc('\n', out);
        }
        fputc('\n', out);
    }
}

/* The largest distance of a curve or the band from the level. */
static double farthest(const level_figure *f)
{
    double most = 0.02;

    for (size_t i = 0; i < f->n; i++) {
        if (f->low && f->high && isfinite(f->low[i]) && isfinite(f->high[i]))
            most = fmax(most, fmax(f->level[i] - f->low[i], f->high[i] - f->level[i]));
        for (size_t k = 0; k < f->n_curves; k++)
            if (isfinite(f->curves[k].value[i]))
                most = fmax(most, fabs(f->curves[k].value[i] - f->level[i]));
    }
    return 1.08 * most;
}

/* LESS: "" or "- $2". */
static void curves_put(sheet *p, const level_figure *f, const char *less, bool titled)
{
    if (f->low && f->high)
        fprintf(p->out,
                "plot data every :::0::0 using 2:($4%s):($5%s) with filledcurves lc rgb "
                "'#e3e3e3' "
                "title '%s', \\\n  ",
                less, less, titled ? "99% band of a right one" : "");
    else
        fputs("plot ", p->out);
    fprintf(p->out,
            "data every :::0::0 using 2:($2%s) with lines lw 1 lc rgb '#777777' notitle",
            less);
    for (size_t k = f->n_curves; k-- > 0;) /* the first on top */
        fprintf(p->out,
                ", \\\n  data every :::%zu::%zu using 2:($3%s) with lines lw %g dt %s lc "
                "rgb '%s' notitle",
                k, k, less, k ? 1.6 : 2.4, figure_dash(k),
                k ? figure_colour(k - 1) : "#000000");
    for (size_t k = 0; k < f->n_curves && titled; k++) {
        fprintf(p->out, ", \\\n  NaN with lines lw %g dt %s lc rgb '%s' title '",
                k ? 1.6 : 2.4, figure_dash(k), k ? figure_colour(k - 1) : "#000000");
        name_put(p, f->curves[k].name, f->curves[k].label);
        fputc('\'', p->out);
    }
    fputc('\n', p->out);
}

static void above_put(drawing *d, const level_figure *f)
{
    sheet *p = &d->script;

    drawing_panel(d, LEFT, LEFT + SIDE, TOP, TOP + SIDE);
    range_put(p->out, 'x', false, 0, 1);
    range_put(p->out, 'y', false, 0, 1);
    ticks_put(p, &(tick_axis){'x', false, 0, 1, SIDE, 14, 0}, false);
    ticks_put(p, &(tick_axis){'y', false, 0, 1, SIDE, 14, 0}, true);
    y_label_put(d, f->what, NULL, NULL);
    fputs("set label 'too wide' at graph 0.05,0.93 textcolor rgb '#777777'\n"
          "set label 'too narrow' at graph 0.95,0.07 right textcolor rgb '#777777'\n",
          p->out);
    drawing_legend(d, LEFT + SIDE + 22, TOP);
    curves_put(p, f, "", true);
    drawing_panel_done(d);
}

static void beneath_put(drawing *d, const level_figure *f)
{
    sheet *p = &d->script;
    double most = farthest(f), top = TOP + SIDE + BETWEEN;

    drawing_panel(d, LEFT, LEFT + SIDE, top, top + BENEATH);
    ticks_put(p, &(tick_axis){'x', false, 0, 1, SIDE, 14, 0}, true);
    range_put(p->out, 'y', false, -most, most);
    ticks_put(p, &(tick_axis){'y', false, -most, most, BENEATH, 14, 0}, true);
    x_label_put(d, "nominal level", NULL, NULL);
    y_label_put(d, "less the level", NULL, NULL);
    curves_put(p, f, " - $2", false);
    drawing_panel_done(d);
}

int level_figure_write(const level_figure *f, const char *folder, const char *name)
{
    drawing d;
    size_t widest = 24;
    int status = f->n && f->n_curves ? drawing_open(&d, folder, name)
                                     : fail(NRE_EINVAL, "coverage without levels");

    if (status)
        return status;
    for (size_t k = 0; k < f->n_curves; k++) {
        size_t width = text_width(f->curves[k].name);
        widest = width > widest ? width : widest;
    }
    widest = widest > FIGURE_NAME ? FIGURE_NAME : widest;
    level_rows(&d.data, f);
    drawing_start(&d, LEFT + SIDE + 80 + (int)text_pixels(widest, FIGURE_FONT),
                  TOP + SIDE + BETWEEN + BENEATH + 62, f->title);
    above_put(&d, f);
    beneath_put(&d, f);
    return drawing_close(&d, NRE_OK);
}

/* Integrals of p(theta) r(x|theta): boxes over test rows, the observations marked. */
#include "report/report.h"

#include <math.h>

enum { WIDTH = 420, ROW = 52, TOP = 56 };
static const double PART[] = {0.005, 0.25, 0.5, 0.75, 0.995};

static double quantile_of(const area_box *b, double part)
{
    double at = part * (double)(b->n - 1);
    size_t i = (size_t)at;

    if (b->n == 0)
        return NAN;
    return i + 1 < b->n ? b->area[i] + (at - (double)i) * (b->area[i + 1] - b->area[i])
                        : b->area[i];
}

/* A block of the boxes, and one of the observations. */
static void area_rows(sheet *p, const area_figure *f)
{
    FILE *out = p->out;

    fputs("row,q005,q25,q50,q75,q995,name\n", out);
    for (size_t i = 0; i < f->n; i++) {
        fprintf(out, "%zu", i);
        for (size_t k = 0; k < 5; k++) {
            fputc(',', out);
            number_put(out, quantile_of(&f->boxes[i], PART[k]));
        }
        fputc(',', out);
        field_put(p, f->boxes[i].name);
        fputc('\n', out);
    }
    fputc('\n', out);
    for (size_t i = 0; i < f->n; i++)
        for (size_t k = 0; k < f->boxes[i].n_observed; k++) {
            fprintf(out, "%zu,", i);
            number_put(out, f->boxes[i].observed[k]);
            fputs(",,,,,", out);
            fputs("observation", out);
            fputc('\n', out);
        }
    fputc('\n', out);
}

static void range_of(const area_figure *f, double *low, double *high)
{
    *low = *high = 1;
    for (size_t i = 0; i < f->n; i++) {
        const area_box *b = &f->boxes[i];
        for (size_t k = 0; k < b->n_observed; k++)
            if (isfinite(b->observed[k])) {
                *low = fmin(*low, b->observed[k]);
                *high = fmax(*high, b->observed[k]);
            }
        *low = fmin(*low, b->n ? quantile_of(b, PART[0]) : 1);
        *high = fmax(*high, b->n ? quantile_of(b, PART[4]) : 1);
    }
}

static void names_put(sheet *p, const area_figure *f)
{
    fprintf(p->out, "set yrange [%zu.6:-0.6]\nset border 1\nset ytics scale 0 (",
            f->n - 1);
    for (size_t i = 0; i < f->n; i++) {
        fputs(i ? ", '" : "'", p->out);
        tick_words_put(p, f->boxes[i].name, 36);
        fprintf(p->out, "' %zu", i);
    }
    fputs(")\n", p->out);
}

static void area_script(drawing *d, const area_figure *f, double left)
{
    sheet *p = &d->script;
    double low, high, bottom = TOP + ROW * (double)f->n;

    range_of(f, &low, &high);
    bool logarithmic = low > 0 && high > 20 * low;
    double around = 0.06 * (high - low) + 0.01;
    low = logarithmic ? low / 1.15 : low - around;
    high = logarithmic ? high * 1.15 : high + around;
    drawing_panel(d, left, left + WIDTH, TOP, bottom);
    range_put(p->out, 'x', logarithmic, low, high);
    ticks_put(p, &(tick_axis){'x', logarithmic, low, high, WIDTH, 14, 0}, true);
    names_put(p, f);
    x_label_put(d, "integral of p(θ) r(x|θ)", NULL, NULL);
    fputs("set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.1 dt (6,3) lc rgb "
          "'#777777' back\n",
          p->out);
    fprintf(
        p->out,
        "plot data every :::0::0 using 2:1:($6-$2):(0) with vectors nohead lw 1.4 lc "
        "rgb '%s' notitle, \\\n"
        "  data every :::0::0 using 4:1:3:5:($1-0.22):($1+0.22) with boxxyerror fc "
        "rgb '#9ecae8' fs solid notitle, \\\n"
        "  data every :::0::0 using 4:($1-0.22):(0):(0.44) with vectors nohead lw "
        "2.2 lc rgb '%s' notitle, \\\n"
        "  data every :::1::1 using 2:1 with points pt 13 ps 1.25 lc rgb '%s' notitle\n",
        figure_colour(0), figure_colour(0), figure_colour(1));
    drawing_panel_done(d);
}

static void legend_put(drawing *d)
{
    drawing_legend_row(d);
    fprintf(d->script.out,
            "plot NaN with lines lw 1.4 lc rgb '%s' title 'central 99%%', \\\n"
            "  NaN with filledcurves lc rgb '#9ecae8' title 'central half', \\\n"
            "  NaN with lines lw 2.6 lc rgb '%s' title 'median', \\\n"
            "  NaN with points pt 13 ps 1.25 lc rgb '%s' title 'observation'\n",
            figure_colour(0), figure_colour(0), figure_colour(1));
    drawing_panel_done(d);
}

int area_figure_write(const area_figure *f, const char *folder, const char *name)
{
    drawing d;
    double widest = 40;
    int status = f->n ? drawing_open(&d, folder, name) : fail(NRE_EINVAL, "no areas");

    if (status)
        return status;
    for (size_t i = 0; i < f->n; i++) {
        size_t width = text_width(f->boxes[i].name);
        widest = fmax(widest, text_pixels(width > 36 ? 36 : width, FIGURE_FONT));
    }
    double left = 30 + widest;
    area_rows(&d.data, f);
    drawing_start(&d, (int)fmax(left + WIDTH + 30, 560), TOP + ROW * (int)f->n + 104,
                  f->title);
    area_script(&d, f, left);
    legend_put(&d);
    return drawing_close(&d, NRE_OK);
}

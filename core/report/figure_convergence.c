/* What becomes of the mode and of the posterior's width as observations are added. */
#include "report/report.h"

#include <math.h>

enum { WIDTH = 210, HEIGHT = 170, LEFT = 100, TOP = 80, GAP = 22, DOWN = 22, MOST = 8 };

static void block_put(sheet *p, const convergence_figure *f, const char *name,
                      const char *what, const five_numbers *q)
{
    FILE *out = p->out;

    for (size_t i = 0; i < f->n; i++) {
        field_put(p, name);
        fprintf(out, ",%s,%.8g", what, f->observations[i]);
        for (size_t k = 0; k < 5; k++) {
            fputc(',', out);
            number_put(out, q ? q[i][k] : NAN);
        }
        fputc('\n', out);
    }
    fputc('\n', out);
}

/* Blocks 2 k and 2 k + 1 are of panel k; the last one of the regions. */
static void convergence_rows(sheet *p, const convergence_figure *f)
{
    FILE *out = p->out;

    fputs("name,what,observations,q05,q16,q50,q84,q95\n", out);
    for (size_t k = 0; k < f->n_panels; k++) {
        block_put(p, f, f->panels[k].name, "error", f->panels[k].error);
        block_put(p, f, f->panels[k].name, "deviation", f->panels[k].deviation);
    }
    for (size_t i = 0; i < f->n && f->inside68 && f->inside95; i++) {
        fprintf(out, "truth,inside,%.8g,", f->observations[i]);
        number_put(out, f->inside68[i]);
        fputc(',', out);
        number_put(out, f->inside95[i]);
        fputs(",,,\n", out);
    }
    fputc('\n', out);
}

/* Of all panels of a row, so that they can be compared. */
static void range_of(const convergence_figure *f, bool error, double *low, double *high)
{
    *low = 0;
    *high = 0;
    for (size_t k = 0; k < f->n_panels; k++)
        for (size_t i = 0; i < f->n; i++) {
            const five_numbers *q = error ? f->panels[k].error : f->panels[k].deviation;
            double root = sqrt(f->observations[i]);
            if (q && isfinite(q[i][0]))
                *low = fmin(*low, q[i][0] * root);
            if (q && isfinite(q[i][4]))
                *high = fmax(*high, q[i][4] * root);
        }
    double around = fmax(0.06 * (*high - *low), 1e-6);
    *low -= *low < 0 ? around : 0;
    *high += around;
}

/* The logarithm of the number of observations across, each with its number. */
static void observations_axis(drawing *d, const convergence_figure *f, bool labelled)
{
    sheet *p = &d->script;

    fprintf(p->out, "set xrange [%.6g:%.6g]\nset xtics scale 0 (",
            log10(f->observations[0]) - 0.45, log10(f->observations[f->n - 1]) + 0.45);
    for (size_t i = 0; i < f->n; i++)
        fprintf(p->out, "%s'%s' %.6g", i ? ", " : "",
                labelled ? count_text(p->a, (uint64_t)f->observations[i]) : "",
                log10(f->observations[i]));
    fputs(") font ',14'\n", p->out);
    if (labelled)
        x_label_put(d, "observations", NULL, NULL);
}

/* Boxes of quantiles: 5 to 95% a line, 16 to 84% a box, the median a bar; times the root of the number of
 * observations, so that what converges as it should stays where it is. */
static void boxes_put(sheet *p, size_t block, size_t style)
{
    static const char *const fill[] = {"#9ecae8", "#f0c9a8"};
    const char *line = figure_colour(style);

    fprintf(p->out,
            "n(k) = sqrt(k)\n"
            "plot data every :::%zu::%zu using "
            "(log10($3)):(n($3)*$4):(0):(n($3)*($8-$4)) with vectors "
            "nohead lw 1.3 lc rgb '%s' notitle, \\\n"
            "  data every :::%zu::%zu using "
            "(log10($3)):(n($3)*$6):(log10($3)-0.2):(log10($3)+0.2):(n($3)*$5):(n($3)*$7)"
            " with "
            "boxxyerror fc rgb '%s' fs solid notitle, \\\n"
            "  data every :::%zu::%zu using (log10($3)-0.2):(n($3)*$6):(0.4):(0) with "
            "vectors nohead lw 2 "
            "lc rgb '%s' notitle, \\\n"
            "  %d with lines lw 1.1 dt (6,3) lc rgb '#777777' notitle\n",
            block, block, line, block, block, fill[style], block, block, line,
            (int)style);
}

static void panel_put(drawing *d, const convergence_figure *f, size_t column, bool error)
{
    sheet *p = &d->script;
    double left = LEFT + (double)column * (WIDTH + GAP), low, high;
    double top = TOP + (error ? 0 : HEIGHT + DOWN);

    range_of(f, error, &low, &high);
    drawing_panel(d, left, left + WIDTH, top, top + HEIGHT);
    observations_axis(d, f, !error);
    range_put(p->out, 'y', false, low, high);
    ticks_put(p, &(tick_axis){'y', false, low, high, HEIGHT, 14, 0}, column == 0);
    if (column == 0)
        y_label_put(d, error ? "mode less truth" : "width",
                    error ? "mode less truth [\\sigma_1/√n]" : "width [\\sigma_1/√n]",
                    NULL);
    if (error) {
        fputs("set label '", p->out);
        name_put(p, f->panels[column].name, f->panels[column].label);
        fputs("' at graph 0.5,1 offset 0,0.8 center textcolor rgb '#1a1a1a'\n", p->out);
    }
    boxes_put(p, 2 * column + (error ? 0 : 1), error ? 0 : 1);
    drawing_panel_done(d);
}

/* Whether the truth stays within the regions. */
static void inside_put(drawing *d, const convergence_figure *f, size_t column,
                       size_t block)
{
    sheet *p = &d->script;
    double left = LEFT + (double)column * (WIDTH + GAP) + 62;

    drawing_panel(d, left, left + WIDTH, TOP, TOP + HEIGHT);
    observations_axis(d, f, true);
    range_put(p->out, 'y', false, 0, 1.03);
    ticks_put(p, &(tick_axis){'y', false, 0, 1.03, HEIGHT, 14, 0}, true);
    fputs("set label 'truths inside the region' at graph 0.5,1 offset "
          "0,0.8 center "
          "textcolor rgb '#1a1a1a'\n",
          p->out);
    drawing_legend(d, left, TOP + HEIGHT + 62);
    fprintf(p->out,
            "plot 0.95 with lines lw 1.1 dt (6,3) lc rgb '#777777' notitle, \\\n"
            "  0.68 with lines lw 1.1 dt (6,3) lc rgb '#777777' notitle, \\\n"
            "  data every :::%zu::%zu using (log10($3)):5 with linespoints pt 5 ps 0.8 "
            "lw 1.6 lc rgb '%s' title "
            "'95%% region', \\\n"
            "  data every :::%zu::%zu using (log10($3)):4 with linespoints pt 7 ps 0.8 "
            "lw 1.6 lc rgb '%s' title "
            "'68%% region'\n",
            block, block, figure_colour(2), block, block, figure_colour(0));
    drawing_panel_done(d);
}

int convergence_figure_write(const convergence_figure *f, const char *folder,
                             const char *name)
{
    drawing d;
    size_t shown = f->n_panels < MOST ? f->n_panels : MOST;
    bool inside = f->inside68 && f->inside95;
    int status = f->n && f->n_panels ? drawing_open(&d, folder, name)
                                     : fail(NRE_EINVAL, "a convergence without numbers");

    if (status)
        return status;
    convergence_rows(&d.data, f);
    drawing_start(&d,
                  LEFT + (int)(shown + inside) * (WIDTH + GAP) + (inside ? 62 : 0) + 10,
                  TOP + 2 * HEIGHT + DOWN + 66, f->title);
    for (size_t k = 0; k < shown; k++) {
        panel_put(&d, f, k, true);
        panel_put(&d, f, k, false);
    }
    if (inside)
        inside_put(&d, f, shown, 2 * f->n_panels);
    return drawing_close(&d, NRE_OK);
}

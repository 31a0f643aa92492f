/* Ranks of the truth among posterior draws: their distribution less the uniform one, with
 * the simultaneous band of Säilynoja, Bürkner & Vehtari (2022). */
#include "report/report.h"

#include <math.h>

enum {
    ACROSS = 3,
    WIDTH = 240,
    HEIGHT = 160,
    LEFT = 92,
    TOP = 80,
    RIGHT_GAP = 20,
    DOWN_GAP = 46
};

static void rank_rows(sheet *p, const rank_figure *f)
{
    FILE *out = p->out;

    fputs("quantity,u,difference,low,high\n", out);
    for (size_t k = 0; k < f->n; k++) {
        const rank_panel *q = &f->panels[k];
        for (size_t i = 0; i < q->n; i++) {
            field_put(p, q->name);
            fprintf(out, ",%.8g,", q->at[i]);
            number_put(out, q->difference[i]);
            fputc(',', out);
            number_put(out, q->low ? q->low[i] : NAN);
            fputc(',', out);
            number_put(out, q->high ? q->high[i] : NAN);
            fputc('\n', out);
        }
        fputc('\n', out);
    }
}

static double farthest(const rank_figure *f)
{
    double most = 0.005;

    for (size_t k = 0; k < f->n; k++)
        for (size_t i = 0; i < f->panels[k].n; i++) {
            const rank_panel *q = &f->panels[k];
            const double value[] = {q->difference[i], q->low ? q->low[i] : 0,
                                    q->high ? q->high[i] : 0};
            for (size_t v = 0; v < 3; v++)
                if (isfinite(value[v]))
                    most = fmax(most, fabs(value[v]));
        }
    return 1.08 * most;
}

static void panel_title(sheet *p, const rank_panel *q)
{
    fputs("set label '", p->out);
    name_put(p, q->name, q->label);
    if (isfinite(q->p))
        fprintf(p->out, q->p < 0.001 ? "  (p < 0.001)" : "  (p = %.3f)", q->p);
    fputs("' at graph 0.5,1 offset 0,0.7 center textcolor rgb '#1a1a1a'\n", p->out);
}

static void panel_put(drawing *d, const rank_figure *f, size_t k, double most)
{
    sheet *p = &d->script;
    bool lowest = k + ACROSS >= f->n, first = k % ACROSS == 0;
    double left = LEFT + (double)(k % ACROSS) * (WIDTH + RIGHT_GAP);
    size_t row = k / ACROSS;
    double top = TOP + (double)row * (HEIGHT + DOWN_GAP);

    drawing_panel(d, left, left + WIDTH, top, top + HEIGHT);
    range_put(p->out, 'x', false, 0, 1);
    range_put(p->out, 'y', false, -most, most);
    ticks_put(p, &(tick_axis){'x', false, 0, 1, WIDTH, 14, 0}, lowest);
    ticks_put(p, &(tick_axis){'y', false, -most, most, HEIGHT, 14, 0}, first);
    if (lowest)
        x_label_put(d, "rank, as a fraction", NULL, NULL);
    if (first)
        y_label_put(d, "ECDF less uniform", NULL, NULL);
    panel_title(p, &f->panels[k]);
    fprintf(p->out,
            "plot data every :::%zu::%zu using 2:4:5 with filledcurves lc rgb '#e3e3e3' "
            "notitle, \\\n"
            "  0 with lines lw 1 lc rgb '#777777' notitle, \\\n"
            "  data every :::%zu::%zu using 2:3 with lines lw 1.7 lc rgb '%s' notitle\n",
            k, k, k, k, figure_colour(0));
    drawing_panel_done(d);
}

static void legend_put(drawing *d)
{
    drawing_legend_row(d);
    fputs(
        "plot NaN with filledcurves lc rgb '#e3e3e3' title '99% band of uniform ranks'\n",
        d->script.out);
    drawing_panel_done(d);
}

int rank_figure_write(const rank_figure *f, const char *folder, const char *name)
{
    drawing d;
    size_t across = f->n < ACROSS ? f->n : ACROSS;
    int status = f->n ? drawing_open(&d, folder, name) : fail(NRE_EINVAL, "no ranks");

    if (status)
        return status;
    size_t down = (f->n + ACROSS - 1) / ACROSS;
    rank_rows(&d.data, f);
    drawing_start(&d, LEFT + (int)across * (WIDTH + RIGHT_GAP) + 10,
                  TOP + (int)down * (HEIGHT + DOWN_GAP) + 50, f->title);
    double most = farthest(f);
    for (size_t k = 0; k < f->n; k++)
        panel_put(&d, f, k, most);
    legend_put(&d);
    return drawing_close(&d, NRE_OK);
}

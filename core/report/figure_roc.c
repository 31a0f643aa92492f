/* Can a classifier tell p(x) r(x|theta*) from p(x|theta*)?  Its ROC curve at the first theta*, and
 * its AUC at all. */
#include "report/report.h"

#include <math.h>

enum { SIDE = 330, LEFT = 85, TOP = 52, ROW = 30, BETWEEN = 150, SHOWN = 12 };

static void roc_rows(sheet *p, const roc_figure *f)
{
    FILE *out = p->out;

    fputs("what,false_positive,weighted,baseline\n", out);
    for (size_t i = 0; i < f->n; i++) {
        fputs("curve,", out);
        number_put(out, f->false_positive[i]);
        fputc(',', out);
        number_put(out, f->weighted[i]);
        fputc(',', out);
        number_put(out, f->baseline[i]);
        fputc('\n', out);
    }
    fputs("\n", out);
}

/* In a block of its own the columns are others: row, AUC, error, baseline, null, tempered. */
static void point_rows(sheet *p, const roc_figure *f)
{
    FILE *out = p->out;

    for (size_t i = 0; i < f->n_points; i++) {
        const roc_point *q = &f->points[i];
        const double value[] = {q->auc, q->error, q->baseline, q->null, q->power};
        fprintf(out, "point,%zu", i);
        for (size_t k = 0; k < 5; k++) {
            fputc(',', out);
            number_put(out, value[k]);
        }
        fputc(',', out);
        field_put(p, q->theta);
        fputc('\n', out);
    }
    fputc('\n', out);
}

static void curve_put(drawing *d)
{
    sheet *p = &d->script;

    drawing_panel(d, LEFT, LEFT + SIDE, TOP, TOP + SIDE);
    range_put(p->out, 'x', false, 0, 1);
    range_put(p->out, 'y', false, 0, 1);
    ticks_put(p, &(tick_axis){'x', false, 0, 1, SIDE, 14, 0}, true);
    ticks_put(p, &(tick_axis){'y', false, 0, 1, SIDE, 14, 0}, true);
    x_label_put(d, "false positive rate", NULL, NULL);
    y_label_put(d, "true positive rate", NULL, NULL);
    fputs("set key at graph 0.97,0.05 right bottom Left reverse samplen 2.4\n"
          "plot x with lines lw 1 lc rgb '#777777' title 'chance', \\\n",
          p->out);
    fprintf(p->out,
            "  data every :::0::0 using 2:4 with lines lw 1.7 dt (6,4) lc rgb '%s' title "
            "'without r', \\\n"
            "  data every :::0::0 using 2:3 with lines lw 2.2 lc rgb '%s' title "
            "'reweighted by r'\n",
            figure_colour(1), figure_colour(0));
    drawing_panel_done(d);
}

static size_t shown_of(const roc_figure *f)
{
    return f->n_points < SHOWN ? f->n_points : SHOWN;
}

/* From 0.5, or what is less, to the largest. */
static void auc_range(const roc_figure *f, double *low, double *high)
{
    *low = 0.48;
    *high = 0.55;
    for (size_t i = 0; i < shown_of(f); i++) {
        const roc_point *q = &f->points[i];
        const double value[] = {q->auc - fmax(q->error, 0), q->auc + fmax(q->error, 0),
                                q->baseline, q->power, q->auc};
        for (size_t k = 0; k < 5; k++)
            if (isfinite(value[k])) {
                *low = fmin(*low, value[k] - 0.01);
                *high = fmax(*high, value[k] + 0.01);
            }
    }
}

static void points_put(drawing *d, const roc_figure *f, double left)
{
    sheet *p = &d->script;
    size_t n = shown_of(f);
    double low, high, bottom = TOP + ROW * (double)n + 20;

    auc_range(f, &low, &high);
    drawing_panel(d, left, left + 250, TOP, bottom);
    range_put(p->out, 'x', false, low, high);
    ticks_put(p, &(tick_axis){'x', false, low, high, 250, 14, 0}, true);
    fprintf(p->out, "set yrange [%zu.5:-0.5]\nset border 1\nset ytics scale 0 (", n - 1);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", '" : "'", p->out);
        tick_words_put(p, f->points[i].theta, 30);
        fprintf(p->out, "' %zu", i);
    }
    fputs(")\n", p->out);
    x_label_put(d, "AUC", NULL, NULL);
    fputs("set arrow from 0.5, graph 0 to 0.5, graph 1 nohead lw 1.1 lc rgb '#777777' "
          "back\n",
          p->out);
    drawing_legend(d, left, bottom + 62);
    fprintf(p->out,
            "plot data every :::1::1 using 5:2 with points pt 6 ps 0.9 lw 1.5 lc rgb "
            "'%s' title 'without r', \\\n"
            "  data every :::1::1 using 7:2 with points pt 2 ps 0.7 lw 1.4 lc rgb '%s' "
            "title 'r tempered by 0.8', \\\n"
            "  data every :::1::1 using 3:2:4 with xerrorbars pt 7 ps 0.8 lw 1.6 lc rgb "
            "'%s' title "
            "'reweighted by r'\n",
            figure_colour(1), figure_colour(2), figure_colour(0));
    drawing_panel_done(d);
}

int roc_figure_write(const roc_figure *f, const char *folder, const char *name)
{
    drawing d;
    double widest = 0;
    int status = drawing_open(&d, folder, name);

    if (status)
        return status;
    for (size_t i = 0; i < shown_of(f); i++) {
        size_t width = text_width(f->points[i].theta);
        widest = fmax(widest, text_pixels(width > 30 ? 30 : width, FIGURE_FONT));
    }
    roc_rows(&d.data, f);
    point_rows(&d.data, f);
    double left = LEFT + SIDE + 60 + widest;
    double below = TOP + ROW * (double)shown_of(f) + 170;
    drawing_start(&d, (int)(f->n_points ? left + 280 : LEFT + SIDE + 30),
                  (int)fmax(TOP + SIDE + 62, f->n_points ? below : 0), f->title);
    curve_put(&d);
    if (f->n_points)
        points_put(&d, f, left);
    return drawing_close(&d, NRE_OK);
}

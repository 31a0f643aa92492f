/* Training and validation loss by epoch, a panel for each target. */
#include "report/report.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 330,
    HEIGHT = 250,
    LEFT = 78,
    BETWEEN = 92,
    TOP = 78,
    BELOW = 108,
    SHOWN = 7
};

static void loss_rows(sheet *p, size_t n, const loss_curve *curve)
{
    FILE *out = p->out;

    fputs("target,member,epoch,training,validation\n", out);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < curve[i].n; k++) {
            field_put(p, curve[i].target);
            fprintf(out, ",%zu,%zu,", curve[i].member, k + 1);
            number_put(out, curve[i].training[k]);
            fputc(',', out);
            number_put(out, curve[i].validation[k]);
            fputc('\n', out);
        }
        fputc('\n', out);
    }
}

/* How many curves, from FIRST on, belong to one target. */
static size_t curves_of(size_t first, size_t n, const loss_curve *curve)
{
    size_t i = first + 1;

    while (i < n && strcmp(curve[i].target, curve[first].target) == 0)
        i++;
    return i - first;
}

/* All but the first epochs, whose loss may be far above the rest. */
static void loss_range(size_t n, const loss_curve *c, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c[i].n; k++)
            for (int v = 0; v < 2; v++) {
                double value = v ? c[i].validation[k] : c[i].training[k];
                if (!isfinite(value))
                    continue;
                *low = fmin(*low, value);
                *high = fmax(*high, value);
            }
    if (*low > *high) {
        *low = 0;
        *high = 1;
    }
    double around = fmax(0.06 * (*high - *low), 1e-6 + 1e-3 * fabs(*high));
    *low -= around;
    *high += around;
}

/* The epoch that was kept. */
static size_t best_of(const loss_curve *c)
{
    size_t best = 0;

    for (size_t k = 1; k < c->n; k++)
        if (!(c->validation[k] >= c->validation[best]) && isfinite(c->validation[k]))
            best = k;
    return best;
}

static void curves_put(sheet *p, size_t first, size_t n, const loss_curve *curve)
{
    for (size_t i = first; i < first + n; i++) {
        const char *colour = figure_colour(curve[i].member);
        size_t best = best_of(&curve[i]);
        fprintf(p->out,
                "%sdata every :::%zu::%zu using 3:4 with linespoints pt 6 ps 0.35 lw 1.1 "
                "dt (5,3) lc rgb '%s' "
                "notitle, \\\n"
                "  data every :::%zu::%zu using 3:5 with linespoints pt 7 ps 0.4 lw 1.7 "
                "lc rgb '%s' notitle",
                i > first ? ", \\\n  " : "plot ", i, i, colour, i, i, colour);
        if (curve[i].n && isfinite(curve[i].validation[best]))
            fprintf(p->out,
                    ", \\\n  '+' every ::0::0 using (%zu):(%.8g) with points pt 6 ps 1.4 "
                    "lw 1.4 lc rgb '%s' notitle",
                    best + 1, curve[i].validation[best], colour);
    }
    fputc('\n', p->out);
}

/* Panel AT of the curves FIRST .. FIRST + N - 1 of one target. */
static void panel_put(drawing *d, size_t at, size_t first, size_t n, const loss_curve *c)
{
    sheet *p = &d->script;
    double left = LEFT + (double)(at % 2) * (WIDTH + BETWEEN);
    size_t row = at / 2;
    double top = TOP + (double)row * (HEIGHT + BELOW), low, high, last = 1;

    for (size_t i = first; i < first + n; i++)
        last = fmax(last, (double)c[i].n);
    loss_range(n, c + first, &low, &high);
    drawing_panel(d, left, left + WIDTH, top, top + HEIGHT);
    range_put(p->out, 'x', false, 0.6, last + 0.4);
    ticks_put(p, &(tick_axis){'x', false, 0.6, last + 0.4, last < 3 ? 90 : WIDTH, 14, 0},
              true);
    range_put(p->out, 'y', false, low, high);
    ticks_put(p, &(tick_axis){'y', false, low, high, HEIGHT, 14, 0}, true);
    x_label_put(d, "epoch", NULL, NULL);
    y_label_put(d, "loss", NULL, "nats");
    fputs("set label '", p->out);
    words_put(p, target_text(p->a, c[first].target), 36);
    fputs("' at graph 0.5,1 offset 0,0.8 center textcolor rgb '#1a1a1a'\n", p->out);
    curves_put(p, first, n, c);
    drawing_panel_done(d);
}

static void legend_put(drawing *d, size_t members)
{
    FILE *out = d->script.out;

    drawing_legend_row(d);
    fputs("plot NaN with linespoints pt 6 ps 0.35 lw 1.1 dt (5,3) lc rgb '#444444' title "
          "'training', \\\n"
          "  NaN with linespoints pt 7 ps 0.4 lw 1.7 lc rgb '#444444' title "
          "'validation', \\\n"
          "  NaN with points pt 6 ps 1.4 lw 1.4 lc rgb '#444444' title 'lowest: kept'",
          out);
    for (size_t k = 0; members > 1 && k < members && k < SHOWN; k++)
        fprintf(out, ", \\\n  NaN with lines lw 1.7 lc rgb '%s' title 'network %zu'",
                figure_colour(k), k + 1);
    fputc('\n', out);
    drawing_panel_done(d);
}

int loss_figure_write(size_t n, const loss_curve *curve, const char *folder,
                      const char *name)
{
    drawing d;
    size_t panels = 0, at = 0, members = 0;
    int status = drawing_open(&d, folder, name);

    if (status)
        return status;
    loss_rows(&d.data, n, curve);
    for (size_t i = 0; i < n; i += curves_of(i, n, curve))
        panels++;
    size_t down = (panels + 1) / 2;
    drawing_start(&d, LEFT + WIDTH + 30 + (panels > 1 ? WIDTH + BETWEEN : 0),
                  TOP + (int)(down ? down : 1) * (HEIGHT + BELOW) + 16, "Loss");
    for (size_t i = 0; i < n; at++) {
        size_t many = curves_of(i, n, curve);
        panel_put(&d, at, i, many, curve);
        members = many > members ? many : members;
        i += many;
    }
    legend_put(&d, members);
    return drawing_close(&d, NRE_OK);
}

/* Gain and coverage of every row of a table, one beneath the other. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 150, GAP = 24, ROW = 27, TOP = 78 };

typedef struct forest {
    drawing d;
    const coverage_table *table;
    size_t n; /* rows shown */
    const coverage_row **row;
    size_t n_columns;
    coverage_column *column;
    double left, bottom;
} forest;

/* The larger gain first; without one last. */
static int compare_gain(const void *a, const void *b)
{
    double x = (*(const coverage_row *const *)a)->gain;
    double y = (*(const coverage_row *const *)b)->gain;

    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return x > y ? -1 : x < y;
}

static const char *row_words(arena *a, const coverage_row *r)
{
    const char *of = target_text(a, r->target), *cell = coverage_cell_name(a, r);

    if (!r->cell)
        return arena_print(a, "%s (%s)", of, r->architecture);
    return arena_print(a, "%s: %s", cell ? cell : r->cell, of);
}

static bool cell_known(const table_cell *c)
{
    return c && isfinite(c->coverage) && isfinite(c->interval[0]) &&
           isfinite(c->interval[1]);
}

/* As the script draws it: 0 as it should be, 1 too little, 2 too much. */
static int cell_kind(const table_cell *c)
{
    return !c->verdict                    ? 0
           : !strcmp(c->verdict, "under") ? 1
           : !strcmp(c->verdict, "over")  ? 2
                                          : 0;
}

/* A block of the CSV: the gain with one deviation to either side. */
static void gain_rows(forest *f)
{
    FILE *out = f->d.data.out;

    for (size_t i = 0; i < f->n; i++) {
        const coverage_row *r = f->row[i];
        double error =
            spread_known(r->gain_sd_training) ? r->gain_sd_training : r->gain_error;
        fprintf(out, "%zu,", i);
        field_put(&f->d.data, row_words(f->d.data.a, r));
        fputs(",gain,,", out);
        number_put(out, r->gain);
        fputc(',', out);
        number_put(out, r->gain - (isfinite(error) ? error : 0));
        fputc(',', out);
        number_put(out, r->gain + (isfinite(error) ? error : 0));
        fputs(",0\n", out);
    }
    fputc('\n', out);
}

static void cell_rows(forest *f, const coverage_column *k)
{
    FILE *out = f->d.data.out;

    for (size_t i = 0; i < f->n; i++) {
        const table_cell *c = coverage_cell_at(f->row[i], k);
        fprintf(out, "%zu,", i);
        field_put(&f->d.data, row_words(f->d.data.a, f->row[i]));
        fprintf(out, ",%s,%.8g,", k->region, k->level);
        if (cell_known(c))
            fprintf(out, "%.8g,%.8g,%.8g,%d\n", c->coverage, c->interval[0],
                    c->interval[1], cell_kind(c));
        else
            fputs("NaN,NaN,NaN,0\n", out);
    }
    fputc('\n', out);
}

/* What holds all intervals of a panel, and its right value, with room at both ends. */
static void widen(double *low, double *high, double a, double b)
{
    if (isfinite(a) && isfinite(b)) {
        *low = fmin(*low, a);
        *high = fmax(*high, b);
    }
}

static void column_range(const forest *f, const coverage_column *k, double *low,
                         double *high)
{
    *low = k ? k->level : 0;
    *high = k ? k->level : 0;
    for (size_t i = 0; i < f->n; i++) {
        const coverage_row *r = f->row[i];
        const table_cell *c = k ? coverage_cell_at(r, k) : NULL;
        if (!k)
            widen(low, high, r->gain - fmax(r->gain_error, 0),
                  r->gain + fmax(r->gain_error, 0));
        else if (cell_known(c))
            widen(low, high, c->interval[0], c->interval[1]);
    }
    double around = fmax(0.08 * (*high - *low), k ? 0.002 : 0.02);
    *low -= k || *low < 0 ? around : 0;
    *high += around;
}

/* Rows from above; names beside the first panel. */
static void rows_axis(forest *f, bool named)
{
    sheet *p = &f->d.script;

    fprintf(p->out, "set yrange [%zu.5:-0.5]\nset ytics scale 0 (", f->n - 1);
    for (size_t i = 0; i < f->n; i++) {
        fputs(i ? ", '" : "'", p->out);
        if (named)
            tick_words_put(p, row_words(p->a, f->row[i]), 44);
        fprintf(p->out, "' %zu", i);
    }
    fputs(")\n", p->out);
}

static void panel_title(forest *f, const coverage_column *k)
{
    sheet *p = &f->d.script;
    const char *what = k ? arena_print(p->a, "%s %s", region_short(k->region),
                                       level_text(p->a, k->level))
                         : "gain [nats]";

    fputs("set label '", p->out);
    words_put(p, what, 24);
    fputs("' at graph 0.5,1 offset 0,0.8 center textcolor rgb '#1a1a1a'\n", p->out);
}

/* Panel COLUMN, of the gain (K NULL) or a level. */
static void panel_put(forest *f, size_t column, const coverage_column *k)
{
    static const int shape[] = {7, 5, 9};
    static const size_t colour[] = {0, 1, 2};
    sheet *p = &f->d.script;
    double left = f->left + (double)column * (PANEL + GAP), low, high;

    column_range(f, k, &low, &high);
    drawing_panel(&f->d, left, left + PANEL, TOP, f->bottom);
    range_put(p->out, 'x', false, low, high);
    ticks_put(p, &(tick_axis){'x', false, low, high, PANEL, 13, 0.02}, true);
    rows_axis(f, column == 0);
    panel_title(f, k);
    fprintf(p->out,
            "set border 1\nset arrow from %.8g, graph 0 to %.8g, graph 1 nohead lw 1.1 "
            "dt (6,3) lc rgb "
            "'#777777' back\nplot ",
            k ? k->level : 0, k ? k->level : 0);
    for (size_t kind = 0; kind < 3; kind++)
        fprintf(
            p->out,
            "%sdata every :::%zu::%zu using ($8 == %zu ? $5 : NaN):1:6:7 with xerrorbars "
            "pt %d ps 0.75 lw 1.5 lc rgb '%s' notitle",
            kind ? ", \\\n  " : "", column, column, kind, shape[kind],
            figure_colour(colour[kind]));
    fputc('\n', p->out);
    drawing_panel_done(&f->d);
}

static void legend_put(forest *f)
{
    drawing_legend_row(&f->d);
    fprintf(f->d.script.out,
            "plot NaN with points pt 7 ps 0.75 lc rgb '%s' title 'as it should be', \\\n"
            "  NaN with points pt 5 ps 0.75 lc rgb '%s' title 'too narrow', \\\n"
            "  NaN with points pt 9 ps 0.75 lc rgb '%s' title 'too wide'\n",
            figure_colour(0), figure_colour(1), figure_colour(2));
    drawing_panel_done(&f->d);
}

static int forest_draw(forest *f)
{
    double widest = 0;
    sheet *p = &f->d.script;

    for (size_t i = 0; i < f->n; i++) {
        const char *words = row_words(p->a, f->row[i]);
        if (!words)
            return fail(NRE_ENOMEM, "no memory for a figure");
        widest = fmax(widest, text_pixels(text_width(words) > 44 ? 44 : text_width(words),
                                          FIGURE_FONT));
    }
    f->left = 30 + fmax(widest, 90);
    f->bottom = TOP + ROW * (double)f->n + 4;
    double width = f->left + (PANEL + GAP) * (double)(f->n_columns + 1);
    drawing_start(&f->d, (int)fmax(width, 440), (int)f->bottom + 78,
                  arena_print(p->a, "Gain and coverage: %s",
                              f->table->title ? f->table->title : ""));
    fputs("row,name,region,level,value,low,high,verdict\n", f->d.data.out);
    gain_rows(f);
    panel_put(f, 0, NULL);
    for (size_t k = 0; k < f->n_columns; k++) {
        cell_rows(f, &f->column[k]);
        panel_put(f, k + 1, &f->column[k]);
    }
    legend_put(f);
    return NRE_OK;
}

int coverage_figure_write(const coverage_table *t, const char *folder, const char *name)
{
    forest f = {.table = t, .n = t->n_rows};
    int status = t->n_rows ? drawing_open(&f.d, folder, name)
                           : fail(NRE_EINVAL, "a table without rows");

    if (status)
        return status;
    status = coverage_columns(t, f.d.script.a, &f.n_columns, &f.column);
    f.row = arena_alloc(f.d.script.a, f.n, sizeof *f.row);
    if (!status && !f.row)
        status = fail(NRE_ENOMEM, "no memory for a figure");
    for (size_t i = 0; i < f.n && !status; i++)
        f.row[i] = &t->rows[i];
    if (!status && coverage_compares(t))
        qsort(f.row, f.n, sizeof *f.row, compare_gain);
    f.n = f.n < COVERAGE_FIGURE_MOST ? f.n : COVERAGE_FIGURE_MOST;
    if (!status)
        status = forest_draw(&f);
    return drawing_close(&f.d, status);
}

/* The corner plot: each parameter of a posterior alone, and each two together. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>

/* In pixels. */
typedef struct corner {
    drawing d;
    const corner_figure *f;
    double *density, *region; /* scratch of a plane */
    double left, top, side, gap, font;
    size_t block; /* of the CSV, next */
} corner;

static size_t plane_of(const corner_figure *f, size_t i, size_t j)
{
    return i * f->n - i * (i + 1) / 2 + j - i - 1;
}

/* Fewer parameters have larger panels. */
static double side_of(size_t n)
{
    static const double side[] = {290, 290, 290, 225, 190, 172, 160, 150, 140};

    return n < sizeof side / sizeof side[0] ? side[n] : 130;
}

static void place(corner *c, size_t row, size_t column)
{
    double step = c->side + c->gap;
    double left = c->left + step * (double)column, top = c->top + step * (double)row;

    drawing_panel(&c->d, left, left + c->side, top, top + c->side);
}

static void axis_put(corner *c, char which, const figure_axis *x, bool outer)
{
    sheet *p = &c->d.script;

    range_put(p->out, which, x->logarithmic, x->low, x->high);
    ticks_put(
        p, &(tick_axis){which, x->logarithmic, x->low, x->high, c->side, c->font, 0.05},
        outer);
    if (outer && which == 'x')
        x_label_put(&c->d, x->name, x->label, x->unit);
    else if (outer)
        y_label_put(&c->d, x->name, x->label, x->unit);
}

/* 'β = 2.51 +0.31 −0.28' above its panel. */
static void estimate_put(corner *c, const figure_axis *x)
{
    sheet *p = &c->d.script;
    const double *q = x->quantile;

    fputs("set label '", p->out);
    name_put(p, x->name, x->label);
    if (isfinite(q[0]) && isfinite(q[1]) && isfinite(q[2])) {
        double spread = 0.5 * (q[2] - q[0]);
        fprintf(p->out, " = %s +%s −%s", number_beside(p->a, q[1], spread),
                number_beside(p->a, q[2] - q[1], spread),
                number_beside(p->a, q[1] - q[0], spread));
    }
    fprintf(p->out, "' at graph 0,1 offset 0,0.9 left font ',%g'\n", c->font + 1);
}

static void upright_put(FILE *out, double at, const char *style)
{
    if (isfinite(at))
        fprintf(out, "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead %s front\n",
                at, at, style);
}

static void across_put(FILE *out, double at, const char *style)
{
    if (isfinite(at))
        fprintf(
            out,
            "set arrow from graph 0, first %.8g to graph 1, first %.8g nohead %s front\n",
            at, at, style);
}

static int rows_put(corner *c, const density_figure *f)
{
    const figure_axis *x = f->axis[0], *y = f->dim == 2 ? f->axis[1] : NULL;
    size_t n = y ? y->n : 1;
    FILE *out = c->d.data.out;
    int status = density_regions(f, c->density, c->region);

    for (size_t i = 0; x && i < x->n * n && !status; i++) {
        field_put(&c->d.data, x->name);
        fputc(',', out);
        if (y)
            field_put(&c->d.data, y->name);
        fprintf(out, ",%.8g,", axis_middle(x, i / n));
        if (y)
            fprintf(out, "%.8g", axis_middle(y, i % n));
        fprintf(out, ",%.6g,%.4g\n", c->density[i], c->region[i]);
        if (y && i % n == n - 1)
            fputc('\n', out); /* gnuplot ends a line of the surface here */
    }
    if (!y)
        fputc('\n', out);
    return status;
}

static int alone_put(corner *c, size_t k)
{
    const figure_axis *x = &c->f->axis[k];
    const density_figure f = {.dim = 1, .axis = {x, NULL}, .log_density = c->f->line[k]};
    FILE *out = c->d.script.out;
    int status = rows_put(c, &f);
    size_t block = c->block++;

    place(c, k, k);
    axis_put(c, 'x', x, k + 1 == c->f->n);
    fputs("unset logscale y\nunset ytics\nset yrange [0:*]\nset border 1\n", out);
    estimate_put(c, x);
    upright_put(out, x->quantile[1], "lw 1.2 lc rgb '#0072B2'");
    upright_put(out, x->truth, "lw 1.5 lc rgb '#D55E00'");
    if (isfinite(x->mark))
        upright_put(out, x->mark, "lw 1.2 dt (5,3) lc rgb '#1a1a1a'");
    fputs("plot ", out);
    if (isfinite(x->quantile[0]) && isfinite(x->quantile[2]))
        fprintf(out,
                "data every :::%zu::%zu using 3:($3 >= %.8g && $3 <= %.8g ? $5 : NaN) "
                "with filledcurves y=0 lc rgb '#b9d7ee', \\\n  ",
                block, block, x->quantile[0], x->quantile[2]);
    fprintf(out, "data every :::%zu::%zu using 3:5 with lines lw 1.5 lc rgb '#0072B2'\n",
            block, block);
    drawing_panel_done(&c->d);
    return status;
}

/* First the image, bare.  It needs equidistant points: on a logarithmic axis it lies on a second, plain
 * one. */
static void image_put(FILE *out, const figure_axis *x, const figure_axis *y,
                      const char *every)
{
    fputs("unset xtics\nunset ytics\nset border 0\n", out);
    range_put(out, 'x', x->logarithmic, x->low, x->high);
    range_put(out, 'y', y->logarithmic, y->low, y->high);
    if (x->logarithmic)
        fprintf(out, "set x2range [%.8g:%.8g]\n", log10(x->low), log10(x->high));
    if (y->logarithmic)
        fprintf(out, "set y2range [%.8g:%.8g]\n", log10(y->low), log10(y->high));
    fprintf(out, "plot data %s using (%s):(%s):5 axes x%dy%d with image\n", every,
            x->logarithmic ? "log10($3)" : "$3", y->logarithmic ? "log10($4)" : "$4",
            x->logarithmic ? 2 : 1, y->logarithmic ? 2 : 1);
}

static void region_put(FILE *out, const char *level, const char *style, const char *end)
{
    fprintf(out, "$region using ($3 == %s ? $1 : NaN):2 with lines %s%s", level, style,
            end);
}

static void point_put(FILE *out, double x, double y, const char *colour, int shape)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    fprintf(out,
            ", \\\n  '+' every ::0::0 using (%.8g):(%.8g) with points pt %d ps 0.95 lc "
            "rgb '#ffffff'"
            ", \\\n  '+' every ::0::0 using (%.8g):(%.8g) with points pt %d ps 0.65 lc "
            "rgb '%s'",
            x, y, shape, x, y, shape, colour);
}

/* Parameter I across, J up. */
static int together_put(corner *c, size_t i, size_t j)
{
    const figure_axis *x = &c->f->axis[i], *y = &c->f->axis[j];
    const density_figure f = {
        .dim = 2, .axis = {x, y}, .log_density = c->f->plane[plane_of(c->f, i, j)]};
    sheet *p = &c->d.script;
    FILE *out = p->out;
    int status = rows_put(c, &f);
    const char *every =
        arena_print(p->a, "every :::%zu::%zu", c->block, c->block + x->n - 1);

    c->block += x->n;
    fprintf(out,
            "unset logscale\nset xrange [*:*]\nset yrange [*:*]\nset table "
            "$region\nsplot data %s using 3:4:6\nunset table\n",
            every ? every : "");
    place(c, j, i);
    image_put(out, x, y, every ? every : "");
    axis_put(c, 'x', x, j + 1 == c->f->n);
    axis_put(c, 'y', y, i == 0);
    upright_put(out, x->truth, "lw 1.1 lc rgb '#D55E00'");
    across_put(out, y->truth, "lw 1.1 lc rgb '#D55E00'");
    fputs("set border 15\nset datafile separator whitespace\nset datafile "
          "nocolumnheaders\nplot ",
          out);
    region_put(out, "0.68", "lw 1.5 lc rgb '#1a1a1a'", ", \\\n  ");
    region_put(out, "0.95", "lw 1.2 dt (7,3) lc rgb '#1a1a1a'", ", \\\n  ");
    region_put(out, "0.997", "lw 1.2 dt (2,3) lc rgb '#1a1a1a'", "");
    point_put(out, x->mark, y->mark, "#1a1a1a", 7);
    point_put(out, x->truth, y->truth, "#D55E00", 5);
    fputs("\nset datafile separator comma\nset datafile columnheaders\n", out);
    drawing_panel_done(&c->d);
    return status;
}

/* Beside the first panel, where no plane is. */
static void legend_put(corner *c)
{
    FILE *out = c->d.script.out;
    bool map = false, truth = false;

    for (size_t k = 0; k < c->f->n; k++) {
        map |= isfinite(c->f->axis[k].mark);
        truth |= isfinite(c->f->axis[k].truth);
    }
    place(c, 0, 1);
    fputs("unset logscale\nset border 0\nunset xtics\nunset ytics\n"
          "set xrange [0:1]\nset yrange [0:1]\n"
          "set key at graph 0.08,0.96 left top Left reverse samplen 2.6\n"
          "plot NaN with lines lw 1.5 lc rgb '#1a1a1a' title '68% region', \\\n"
          "  NaN with lines lw 1.2 dt (7,3) lc rgb '#1a1a1a' title '95%', \\\n"
          "  NaN with lines lw 1.2 dt (2,3) lc rgb '#1a1a1a' title '99.7%', \\\n"
          "  NaN with lines lw 1.2 lc rgb '#0072B2' title 'median, 68% interval'",
          out);
    if (map)
        fputs(", \\\n  NaN with linespoints pt 7 ps 0.65 lw 1.2 dt (5,3) lc rgb "
              "'#1a1a1a' title 'MAP'",
              out);
    if (truth)
        fputs(", \\\n  NaN with linespoints pt 5 ps 0.65 lw 1.3 lc rgb '#D55E00' title "
              "'truth'",
              out);
    fputc('\n', out);
    drawing_panel_done(&c->d);
}

static int corner_draw(corner *c)
{
    const corner_figure *f = c->f;
    double step = c->side + c->gap, n = (double)f->n;
    int status = NRE_OK;

    drawing_start(&c->d, (int)(c->left + n * step + 20), (int)(c->top + n * step + 70),
                  f->title);
    fputs("parameter_x,parameter_y,x,y,density,region\n", c->d.data.out);
    fputs(
        "set contour base\nunset surface\nset cntrparam levels discrete 0.68,0.95,0.997\n"
        "set palette defined (0 '#ffffff', 0.2 '#dbe9f6', 0.5 '#9ecae8', 0.8 '#5ba3d4', "
        "1 '#2f7fbc')\nunset colorbox\nunset key\n",
        c->d.script.out);
    for (size_t j = 0; j < f->n && !status; j++) {
        status = alone_put(c, j);
        for (size_t i = 0; i < j && !status; i++)
            status = together_put(c, i, j);
    }
    legend_put(c);
    return status;
}

int corner_figure_write(const corner_figure *f, const char *folder, const char *name)
{
    corner c = {.f = f, .left = 92, .top = 68, .side = side_of(f->n), .gap = 14};
    size_t most = 0;
    int status = f->n >= 2 && f->n <= CORNER_MOST
                     ? drawing_open(&c.d, folder, name)
                     : fail(NRE_EINVAL, "a corner plot of %zu parameters", f->n);

    if (status)
        return status;
    c.font = f->n <= 3 ? 14 : 13;
    for (size_t k = 0; k < f->n; k++)
        most = f->axis[k].n > most ? f->axis[k].n : most;
    c.density = memory_new(most * most, sizeof *c.density);
    c.region = memory_new(most * most, sizeof *c.region);
    status = c.density && c.region ? corner_draw(&c)
                                   : fail(NRE_ENOMEM, "no memory for a figure");
    free(c.density);
    free(c.region);
    return drawing_close(&c.d, status);
}

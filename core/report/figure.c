/* report/figure.c - figures: NAME.csv holds the numbers, NAME.gp draws them, NAME.svg is
 * what gnuplot made of both.  Colours: Okabe & Ito (2008), told apart by all readers. */
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const COLOUR[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                     "#E69F00", "#56B4E9", "#000000"};
enum { N_COLOURS = sizeof COLOUR / sizeof COLOUR[0] };

/* text for gnuplot */

/* Within single quotes, where gnuplot replaces nothing; the marks of its enhanced text
 * are escaped unless KEEP names them. */
static void quoted_put(FILE *out, const char *text, const char *keep)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', out);
        else if (strchr("_^{}@&~\\", *text) && !strchr(keep, *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static const char *greek(const char *name, size_t n)
{
    static const char *const letter[][2] = {
        {"alpha", "α"}, {"beta", "β"},  {"gamma", "γ"}, {"delta", "δ"}, {"epsilon", "ε"},
        {"zeta", "ζ"},  {"eta", "η"},   {"theta", "θ"}, {"kappa", "κ"}, {"lambda", "λ"},
        {"mu", "μ"},    {"nu", "ν"},    {"xi", "ξ"},    {"pi", "π"},    {"rho", "ρ"},
        {"sigma", "σ"}, {"tau", "τ"},   {"phi", "φ"},   {"chi", "χ"},   {"psi", "ψ"},
        {"omega", "ω"}, {"Gamma", "Γ"}, {"Delta", "Δ"}, {"Theta", "Θ"}, {"Lambda", "Λ"},
        {"Sigma", "Σ"}, {"Phi", "Φ"},   {"Omega", "Ω"}};

    for (size_t i = 0; i < sizeof letter / sizeof letter[0]; i++)
        if (strlen(letter[i][0]) == n && memcmp(letter[i][0], name, n) == 0)
            return letter[i][1];
    return NULL;
}

static size_t letters(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* A label in LaTeX as gnuplot's enhanced text; NULL when it uses more than Greek letters,
 * subscripts and superscripts. */
static const char *label_text(arena *a, const char *label)
{
    char *text = arena_alloc(a, 2 * strlen(label) + 1, 1), *to = text;
    int depth = 0;

    while (text && *label) {
        if (*label == '\\') {
            size_t n = letters(++label);
            const char *letter = greek(label, n);
            if (!letter)
                return NULL;
            to = stpcpy(to, letter);
            label += n;
            continue;
        }
        depth += *label == '{' ? 1 : *label == '}' ? -1 : 0;
        if (depth < 0)
            return NULL;
        *to++ = *label++;
    }
    return depth == 0 ? text : NULL;
}

/* 'β [1/d]' */
static void axis_label_put(sheet *p, const figure_axis *x)
{
    const char *label = x->label ? label_text(p->a, x->label) : NULL;

    fputc('\'', p->out);
    quoted_put(p->out, plain_text(p->a, label ? label : x->name), label ? "_^{}" : "");
    if (x->unit && x->unit[0]) {
        fputs(" [", p->out);
        quoted_put(p->out, plain_text(p->a, x->unit), "^");
        fputc(']', p->out);
    }
    fputc('\'', p->out);
}

static void text_put(sheet *p, const char *text)
{
    fputc('\'', p->out);
    quoted_put(p->out, plain_text(p->a, text), "");
    fputc('\'', p->out);
}

/* Head of every script. */
static void script_start(sheet *p, const char *name, int width, int height)
{
    fprintf(p->out,
            "# gnuplot %s.gp > %s.svg\n"
            "set terminal svg size %d,%d enhanced font 'Helvetica,15' background "
            "'#ffffff' linewidth 1.2\n"
            "set encoding utf8\n"
            "set datafile separator comma\n"
            "set datafile columnheaders\n"
            "set border linecolor rgb '#444444' linewidth 0.8\n"
            "set tics textcolor rgb '#333333' nomirror out scale 0.6\n"
            "set grid linecolor rgb '#e6e6e6' linewidth 0.6 linetype 1\n"
            "set key textcolor rgb '#333333' samplen 2 spacing 1.15\n"
            "data = ",
            name, name, width, height);
    fputc('\'', p->out);
    quoted_put(p->out, name, "_^{}@&~\\");
    fputs(".csv'\n", p->out);
}

/* a density */

/* Middle and width of cell I of an axis, in the parameter's own unit. */
static double axis_middle(const figure_axis *x, size_t i)
{
    double part = ((double)i + 0.5) / (double)x->n;

    return x->logarithmic ? x->low * pow(x->high / x->low, part)
                          : x->low + part * (x->high - x->low);
}

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

static size_t density_size(const density_figure *f)
{
    return f->axis[0].n * (f->dim == 2 ? f->axis[1].n : 1);
}

static double cell_volume(const density_figure *f, size_t i)
{
    if (f->dim == 1)
        return axis_width(&f->axis[0], i);
    size_t n = f->axis[1].n;
    return axis_width(&f->axis[0], i / n) * axis_width(&f->axis[1], i % n);
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

static void density_rows(sheet *p, const density_figure *f, const double *density,
                         const double *region)
{
    size_t n = f->dim == 2 ? f->axis[1].n : 1;

    csv_put(p->out, f->axis[0].name);
    if (f->dim == 2) {
        fputc(',', p->out);
        csv_put(p->out, f->axis[1].name);
    }
    fputs(",density,region\n", p->out);
    for (size_t i = 0; i < density_size(f); i++) {
        fprintf(p->out, "%.8g", axis_middle(&f->axis[0], i / n));
        if (f->dim == 2)
            fprintf(p->out, ",%.8g", axis_middle(&f->axis[1], i % n));
        fprintf(p->out, ",%.6g,%.6g\n", density[i], region[i]);
        if (f->dim == 2 && i % n == n - 1 && i + 1 < density_size(f))
            fputc('\n', p->out); /* gnuplot ends a line of the surface here */
    }
}

static int density_data(const density_figure *f, const double *density,
                        const double *region, const char *folder, const char *name)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    density_rows(&p, f, density, region);
    return sheet_save_in(&p, folder, arena_print(p.a, "%s.csv", name));
}

static void range_put(FILE *out, char which, const figure_axis *x)
{
    if (x->logarithmic)
        fprintf(out, "set logscale %c\n", which);
    fprintf(out, "set %crange [%.8g:%.8g]\n", which, x->low, x->high);
}

/* What one parameter of the plane has when the other is integrated out, as a datablock.
 */
static void marginal_rows(sheet *p, const density_figure *f, const double *density,
                          unsigned k)
{
    const figure_axis *x = &f->axis[k], *other = &f->axis[1 - k];
    size_t step = k == 0 ? f->axis[1].n : 1, stride = k == 0 ? 1 : f->axis[1].n;

    fprintf(p->out, "$marginal%u << END\nvalue,density\n", k);
    for (size_t i = 0; i < x->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < other->n; j++)
            sum += density[i * step + j * stride] * axis_width(other, j);
        fprintf(p->out, "%.8g,%.6g\n", axis_middle(x, i), sum);
    }
    fputs("END\n", p->out);
}

static void contour_put(FILE *out, double level, const char *name)
{
    fprintf(out,
            "set cntrparam levels discrete %g\nset table %s\nsplot data using 1:2:4\n"
            "unset table\n",
            level, name);
}

static void margins_put(FILE *out, double left, double right, double bottom, double top)
{
    fprintf(out,
            "set lmargin at screen %g\nset rmargin at screen %g\n"
            "set bmargin at screen %g\nset tmargin at screen %g\n",
            left, right, bottom, top);
}

/* An image needs equidistant points: on a logarithmic axis it lies on a second, plain
 * one. */
static void image_put(sheet *p, const density_figure *f)
{
    FILE *out = p->out;
    bool second[2] = {f->axis[0].logarithmic, f->axis[1].logarithmic};

    for (unsigned k = 0; k < 2; k++)
        if (second[k])
            fprintf(out, "set %c2range [%.8g:%.8g]\n", k ? 'y' : 'x',
                    log10(f->axis[k].low), log10(f->axis[k].high));
    fprintf(out, "plot data using (%s):(%s):3 axes x%dy%d with image\n",
            second[0] ? "log10($1)" : "$1", second[1] ? "log10($2)" : "$2",
            second[0] ? 2 : 1, second[1] ? 2 : 1);
}

/* The contours, drawn again over the image with the same margins. */
static void lines_put(FILE *out, const density_figure *f)
{
    bool marked = isfinite(f->axis[0].mark) && isfinite(f->axis[1].mark);

    fputs("set datafile separator whitespace\nset datafile nocolumnheaders\n"
          "set key at screen 0.985,0.945 top right samplen 1.6 font ',13'\n"
          "plot $inner using 1:2 with lines lw 1.6 lc rgb '#1a1a1a' title '68%', \\\n"
          "  $middle using 1:2 with lines lw 1.3 dt (8,4) lc rgb '#1a1a1a' title '95%', "
          "\\\n"
          "  $outer using 1:2 with lines lw 1.3 dt (2,3) lc rgb '#1a1a1a' title '99.7%'",
          out);
    if (marked)
        fprintf(
            out,
            ", \\\n  $best using 1:2 with points pt 7 ps 1.1 lc rgb '#ffffff' notitle, "
            "\\\n  $best using 1:2 with points pt 7 ps 0.8 lc rgb '%s' title 'MAP'",
            COLOUR[1]);
    fputs("\nunset key\nset datafile separator comma\nset datafile columnheaders\n", out);
}

/* Above (K = 0) or to the right (K = 1). */
static void marginal_put(sheet *p, const density_figure *f, unsigned k)
{
    FILE *out = p->out;

    fputs("unset logscale\nunset xlabel\nunset ylabel\nunset xtics\nunset ytics\nunset "
          "grid\nset border 0\n",
          out);
    range_put(out, k == 0 ? 'x' : 'y', &f->axis[k]);
    fprintf(out, "set %crange [0:*]\n", k == 0 ? 'y' : 'x');
    if (k == 0)
        margins_put(out, 0.13, 0.80, 0.785, 0.93);
    else
        margins_put(out, 0.81, 0.97, 0.12, 0.775);
    fprintf(out,
            "plot $marginal%u using %s with filledcurves %s=0 lc rgb '#b9d7ee', \\\n"
            "  $marginal%u using %s with lines lc rgb '%s'\n",
            k, k == 0 ? "1:2" : "2:1", k == 0 ? "y" : "x", k, k == 0 ? "1:2" : "2:1",
            COLOUR[0]);
}

/* The density of two parameters: shades, contours of highest density, marginals beside.
 */
static void plane_script(sheet *p, const density_figure *f, const double *density)
{
    FILE *out = p->out;

    marginal_rows(p, f, density, 0);
    marginal_rows(p, f, density, 1);
    fprintf(out, "$best << END\n%.8g %.8g\nEND\n", f->axis[0].mark, f->axis[1].mark);
    fputs("unset key\nset contour base\nunset surface\n", out);
    contour_put(out, 0.68, "$inner");
    contour_put(out, 0.95, "$middle");
    contour_put(out, 0.997, "$outer");
    fputs("unset contour\nset surface\nset multiplot\nset label 1 ", out);
    text_put(p, f->title);
    fputs(
        " at screen 0.13,0.965 font ',16' textcolor rgb '#1a1a1a'\n"
        "set palette defined (0 '#ffffff', 0.2 '#dbe9f6', 0.5 '#9ecae8', 0.8 '#5ba3d4', "
        "1 '#2f7fbc')\nunset colorbox\nunset grid\n",
        out);
    margins_put(out, 0.13, 0.80, 0.12, 0.775);
    range_put(out, 'x', &f->axis[0]);
    range_put(out, 'y', &f->axis[1]);
    fputs("set xlabel ", out);
    axis_label_put(p, &f->axis[0]);
    fputs("\nset ylabel ", out);
    axis_label_put(p, &f->axis[1]);
    fputs(" offset 1,0\n", out);
    image_put(p, f);
    fputs("unset label 1\nset xlabel ' '\nset ylabel ' '\n", out);
    lines_put(out, f);
    marginal_put(p, f, 0);
    fputs("unset logscale x\n", out);
    marginal_put(p, f, 1);
    fputs("unset multiplot\n", out);
}

/* The density of one parameter, its regions of highest density shaded. */
static void line_script(sheet *p, const density_figure *f)
{
    const figure_axis *x = &f->axis[0];
    FILE *out = p->out;

    fputs("set title ", out);
    text_put(p, f->title);
    fputs(" textcolor rgb '#1a1a1a'\nset xlabel ", out);
    axis_label_put(p, x);
    fputs("\nset ylabel 'posterior density", out);
    if (x->unit && x->unit[0]) {
        fputs(" [1/(", out);
        quoted_put(out, plain_text(p->a, x->unit), "^");
        fputs(")]", out);
    }
    fputs("'\n", out);
    range_put(out, 'x', x);
    fputs("set yrange [0:*]\n", out);
    if (isfinite(x->mark))
        fprintf(
            out,
            "set arrow 1 from %.8g, graph 0 to %.8g, graph 1 nohead lw 1.4 dt (6,4) lc "
            "rgb '%s'\n",
            x->mark, x->mark, COLOUR[1]);
    fputs(
        "plot data using 1:($3 <= 0.95 ? $2 : 0) with filledcurves y=0 lc rgb '#dbe9f6' "
        "title '95%', \\\n"
        "  data using 1:($3 <= 0.68 ? $2 : 0) with filledcurves y=0 lc rgb '#9ecae8' "
        "title '68%'",
        out);
    if (isfinite(x->mark))
        fprintf(out, ", \\\n  NaN with lines lw 1.4 dt (6,4) lc rgb '%s' title 'MAP'",
                COLOUR[1]);
    fprintf(out, ", \\\n  data using 1:2 with lines lw 1.5 lc rgb '%s' notitle\n",
            COLOUR[0]);
}

static int density_script(const density_figure *f, const double *density,
                          const char *folder, const char *name)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    script_start(&p, name, 680, f->dim == 2 ? 640 : 440);
    if (f->dim == 2)
        plane_script(&p, f, density);
    else
        line_script(&p, f);
    return sheet_save_in(&p, folder, arena_print(p.a, "%s.gp", name));
}

int density_figure_write(const density_figure *f, const char *folder, const char *name)
{
    size_t n = density_size(f);
    double *density = memory_new(n, sizeof *density);
    double *region = memory_new(n, sizeof *region);
    int status = density && region ? density_regions(f, density, region)
                                   : fail(NRE_ENOMEM, "no memory for a figure");

    if (!status)
        status = density_data(f, density, region, folder, name);
    if (!status)
        status = density_script(f, density, folder, name);
    free(density);
    free(region);
    return status;
}

/* coverage */

static bool cell_known(const table_cell *c)
{
    return isfinite(c->coverage) && isfinite(c->interval[0]) && isfinite(c->interval[1]);
}

static void coverage_rows(sheet *p, const coverage_table *t)
{
    fputs("row,target,architecture,region,level,coverage,low,high,n\n", p->out);
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++) {
            const table_cell *c = &t->rows[i].cells[j];
            if (!cell_known(c))
                continue;
            fprintf(p->out, "%zu,", i);
            csv_put(p->out, t->rows[i].target);
            fputc(',', p->out);
            csv_put(p->out, t->rows[i].architecture);
            fprintf(p->out, ",%s,%.8g,%.8g,%.8g,%.8g,%llu\n", c->region, c->level,
                    c->coverage, c->interval[0], c->interval[1],
                    (unsigned long long)c->n);
        }
}

/* Ticks at the levels, and the range that holds all points and intervals, as deviations.
 */
static void coverage_axes(sheet *p, const coverage_table *t, size_t n,
                          const coverage_column *column)
{
    double least = 1, most = 0;
    FILE *out = p->out;

    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++) {
            const table_cell *c = &t->rows[i].cells[j];
            if (!cell_known(c))
                continue;
            least = fmin(least, fmin(c->level, c->interval[0]));
            most = fmax(most, fmax(c->level, c->interval[1]));
        }
    fputs("set xtics (", out);
    for (size_t k = 0; k < n && (k == 0 || column[k].level > column[k - 1].level); k++)
        fprintf(out, "%s'%g%%%%' z(%.8g)", k ? ", " : "", 100 * column[k].level,
                column[k].level);
    fprintf(out,
            ")\nset ytics ('10%%%%' z(0.1), '30%%%%' z(0.3), '50%%%%' z(0.5), '60%%%%' "
            "z(0.6), "
            "'70%%%%' z(0.7), '80%%%%' z(0.8), '90%%%%' z(0.9), '95%%%%' z(0.95), "
            "'98%%%%' z(0.98), "
            "'99%%%%' z(0.99), '99.7%%%%' z(0.997), '99.9%%%%' z(0.999), '99.99%%%%' "
            "z(0.9999))\n"
            "low = z(%.8g) - 0.25\nhigh = z(%.8g) + 0.25\n"
            "set xrange [low:high]\nset yrange [low:high]\n",
            least, most);
}

static void coverage_panel(sheet *p, const coverage_table *t, const char *region,
                           bool first)
{
    FILE *out = p->out;

    fprintf(out, "set title '%ss'\nset xlabel 'nominal level'\n", region_words(region));
    fputs(first ? "set ylabel 'empirical coverage' offset 1,0\n" : "unset ylabel\n", out);
    fputs("plot [low:high] x with filledcurves x1 lc rgb '#f3f3f3' notitle, \\\n"
          "  x with lines lw 1 lc rgb '#777777' notitle",
          out);
    for (size_t i = 0; i < t->n_rows; i++) {
        double shift = 0.07 * ((double)i - 0.5 * (double)(t->n_rows - 1));
        fprintf(out,
                ", \\\n  data using (strcol(4) eq '%s' && $1 == %zu ? z($5) + %.3f : "
                "1/0):(z($6)):(z($7)):(z($8)) with yerrorbars pt %d ps 0.7 lw 1.3 lc rgb "
                "'%s' title ",
                region, i, shift, (int)(i % 2 ? 5 : 7), COLOUR[i % N_COLOURS]);
        text_put(p, arena_print(p->a, "%s (%s)", target_text(p->a, t->rows[i].target),
                                t->rows[i].architecture));
    }
    fputc('\n', out);
}

static int coverage_script(sheet *p, const coverage_table *t, const char *name)
{
    coverage_column *column;
    size_t n, panels = 0;
    enum { KINDS = 4 };
    const char *region[KINDS] = {"credible", "confidence", "neyman", "biased"};
    const char *shown[KINDS];
    int status = coverage_columns(t, p->a, &n, &column);

    if (status)
        return status;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t j = 0; j < n; j++)
            if (strcmp(column[j].region, region[k]) == 0) {
                shown[panels++] = region[k];
                break;
            }
    script_start(p, name, panels < 2 ? 520 : 80 + 440 * (int)panels, 480);
    fputs("# the axes are deviations of a normal: 68% is at 1, 95% at 2, 99.7% at 3\n"
          "cut(p) = p < 0.001 ? 0.001 : p > 0.99995 ? 0.99995 : p\n"
          "z(p) = invnorm((1 + cut(p)) / 2)\n"
          "set key bottom right\n"
          "set bars small\nset lmargin 10\nset rmargin 2\n"
          "set label 1 'too wide' at graph 0.04,0.94 front textcolor rgb '#777777'\n"
          "set label 2 'too narrow' at graph 0.96,0.45 right front textcolor rgb "
          "'#777777'\n",
          p->out);
    coverage_axes(p, t, n, column);
    fprintf(p->out, "set multiplot layout 1,%zu\n", panels);
    for (size_t k = 0; k < panels; k++)
        coverage_panel(p, t, shown[k], k == 0);
    fputs("unset multiplot\n", p->out);
    return NRE_OK;
}

int coverage_figure_write(const coverage_table *t, const char *folder, const char *name)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    coverage_rows(&p, t);
    status = sheet_save_in(&p, folder, arena_print(p.a, "%s.csv", name));
    if (status || (status = sheet_open(&p)))
        return status;
    status = coverage_script(&p, t, name);
    if (!status)
        return sheet_save_in(&p, folder, arena_print(p.a, "%s.gp", name));
    sheet_drop(&p);
    return status;
}

/* loss */

static void loss_rows(sheet *p, size_t n, const loss_curve *curve)
{
    fputs("curve,target,member,epoch,training,validation\n", p->out);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < curve[i].n; k++) {
            fprintf(p->out, "%zu,", i);
            csv_put(p->out, curve[i].target);
            fprintf(p->out, ",%zu,%zu,%.8g,%.8g\n", curve[i].member, k + 1,
                    curve[i].training[k], curve[i].validation[k]);
        }
}

static bool panel_starts(size_t i, const loss_curve *curve)
{
    return i == 0 || strcmp(curve[i].target, curve[i - 1].target) != 0;
}

/* Curves FIRST, .. of one target; where the next target starts. */
static size_t loss_panel(sheet *p, size_t first, size_t n, const loss_curve *curve)
{
    FILE *out = p->out;
    size_t i = first;

    fputs("set title ", out);
    text_put(p, target_text(p->a, curve[first].target));
    fputs("\nplot ", out);
    for (; i < n && (i == first || !panel_starts(i, curve)); i++) {
        const char *colour = COLOUR[curve[i].member % N_COLOURS];
        fprintf(
            out,
            "%sdata using ($1 == %zu ? $4 : 1/0):5 with lines lw 1.2 dt (5,4) lc rgb "
            "'%s' %s, \\\n"
            "  data using ($1 == %zu ? $4 : 1/0):6 with linespoints pt 7 ps 0.45 lw 1.8 "
            "lc rgb '%s' ",
            i > first ? ", \\\n  " : "", i, colour,
            i > first ? "notitle" : "title 'training'", i, colour);
        fprintf(out,
                curve[i].member ? "title 'validation, network %zu'"
                                : "title 'validation'",
                curve[i].member + 1);
    }
    fputc('\n', out);
    return i;
}

static size_t longest_of(size_t n, const loss_curve *curve)
{
    size_t longest = 0;

    for (size_t i = 0; i < n; i++)
        longest = curve[i].n > longest ? curve[i].n : longest;
    return longest;
}

static void loss_script(sheet *p, size_t n, const loss_curve *curve, const char *name)
{
    size_t panels = 0;

    for (size_t i = 0; i < n; i++)
        panels += panel_starts(i, curve);
    size_t across = panels < 2 ? 1 : 2, down = (panels + across - 1) / across;
    script_start(p, name, across == 2 ? 960 : 560, (int)(down < 20 ? down : 20) * 400);
    fprintf(p->out,
            "set key top right\nset xlabel 'epoch'\nset ylabel 'loss [nats]'\n%s"
            "set multiplot layout %zu,%zu\n",
            longest_of(n, curve) <= 16 ? "set xtics 1\n" : "", down, across);
    for (size_t i = 0; i < n;)
        i = loss_panel(p, i, n, curve);
    fputs("unset multiplot\n", p->out);
}

int loss_figure_write(size_t n, const loss_curve *curve, const char *folder,
                      const char *name)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    loss_rows(&p, n, curve);
    status = sheet_save_in(&p, folder, arena_print(p.a, "%s.csv", name));
    if (status || (status = sheet_open(&p)))
        return status;
    loss_script(&p, n, curve, name);
    return sheet_save_in(&p, folder, arena_print(p.a, "%s.gp", name));
}

/* gnuplot */

/* gnuplot in FOLDER, without the reader's own settings, its output in TEMPORARY; an
 * errno, or its exit status in *STATUS. */
static int gnuplot_run(const char *folder, const char *script, const char *temporary,
                       int *status)
{
    char *path = getenv("PATH"), *search = NULL;
    char *argument[] = {(char[]){"gnuplot"}, (char[]){"-d"}, NULL, NULL};
    char *setting[] = {NULL, (char[]){"LC_ALL=C"}, (char[]){"GNUTERM=svg"}, NULL};
    posix_spawn_file_actions_t action;
    pid_t child;
    int rc = ENOMEM;

    if (posix_spawn_file_actions_init(&action))
        return ENOMEM;
    argument[2] = strdup(script);
    if (!argument[2] || asprintf(&search, "PATH=%s", path ? path : "/usr/bin:/bin") < 0)
        goto out;
    setting[0] = search;
    rc = posix_spawn_file_actions_addopen(&action, 0, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&action, 1, temporary,
                                              O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&action, 2, "/dev/null", O_WRONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_addchdir_np(&action, folder);
    if (!rc)
        rc = posix_spawnp(&child, "gnuplot", &action, NULL, argument, setting);
    if (!rc)
        while (waitpid(child, status, 0) < 0 && errno == EINTR)
            ;
out:
    posix_spawn_file_actions_destroy(&action);
    free(argument[2]);
    free(search);
    return rc;
}

static int draw_one(arena *a, const char *folder, const char *name, bool *missing)
{
    const char *script = arena_print(a, "%s.gp", name);
    const char *path = path_join(a, folder, arena_print(a, "%s.svg", name));
    char *temporary = path ? file_temporary(path) : NULL;
    int status = NRE_OK, result = 0;

    if (!script || !temporary)
        return fail(NRE_ENOMEM, "no memory for a figure");
    int error = gnuplot_run(folder, script, temporary, &result);
    *missing = error == ENOENT;
    if (*missing)
        log_say(
            NRE_INFO,
            "figures are not drawn: there is no gnuplot (apt-get install gnuplot-nox); "
            "their numbers and scripts are in %s",
            folder);
    else if (error || result)
        log_say(NRE_WARN, "gnuplot cannot draw %s/%s: %s", folder, script,
                error ? strerror(error) : "try it by hand");
    else
        status = file_publish(temporary, path);
    if (error || result)
        unlink(temporary);
    free(temporary);
    return status;
}

int figures_draw(const char *folder, size_t n, const char *const *name)
{
    arena *a = arena_new();
    bool missing = false;
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");

    for (size_t i = 0; i < n && !status && !missing; i++)
        status = draw_one(a, folder, name[i], &missing);
    arena_free(a);
    return status;
}

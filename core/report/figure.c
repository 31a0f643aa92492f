/* What all figures share: NAME.csv holds the numbers, NAME.gp draws them, NAME.svg is what
 * gnuplot made of both.  Colours: Okabe & Ito (2008), told apart by all readers; each has a
 * dash of its own, for print. */
#include "report/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *figure_colour(size_t i)
{
    static const char *const COLOUR[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                         "#E69F00", "#56B4E9", "#000000"};
    return COLOUR[i % (sizeof COLOUR / sizeof COLOUR[0])];
}

const char *figure_dash(size_t i)
{
    static const char *const DASH[] = {"solid", "(9,4)", "(3,3)", "(9,3,2,3)"};
    return DASH[i % (sizeof DASH / sizeof DASH[0])];
}

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

/* What stands for a command of LaTeX: Greek letters, a few signs and names of functions; "" for
 * those that only choose a type.  NULL: not known. */
static const char *command_text(const char *name, size_t n)
{
    static const char *const known[][2] = {
        {"alpha", "α"}, {"beta", "β"},  {"gamma", "γ"}, {"delta", "δ"}, {"epsilon", "ε"},
        {"zeta", "ζ"},  {"eta", "η"},   {"theta", "θ"}, {"kappa", "κ"}, {"lambda", "λ"},
        {"mu", "μ"},    {"nu", "ν"},    {"xi", "ξ"},    {"pi", "π"},    {"rho", "ρ"},
        {"sigma", "σ"}, {"tau", "τ"},   {"phi", "φ"},   {"chi", "χ"},   {"psi", "ψ"},
        {"omega", "ω"}, {"Gamma", "Γ"}, {"Delta", "Δ"}, {"Theta", "Θ"}, {"Lambda", "Λ"},
        {"Sigma", "Σ"}, {"Phi", "Φ"},   {"Psi", "Ψ"},   {"Omega", "Ω"}, {"odot", "☉"},
        {"times", "×"}, {"cdot", "·"},  {"ell", "ℓ"},   {"log", "log"}, {"ln", "ln"},
        {"exp", "exp"}, {"mathrm", ""}, {"text", ""},   {"rm", ""},     {"mathit", ""}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i][0]) == n && memcmp(known[i][0], name, n) == 0)
            return known[i][1];
    return NULL;
}

static size_t letters(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* A label in LaTeX as gnuplot's enhanced text; NULL when it uses more than the commands
 * above, subscripts and superscripts. */
static const char *label_text(arena *a, const char *label)
{
    char *text = arena_alloc(a, 2 * strlen(label) + 1, 1), *to = text;
    int depth = 0;

    while (text && *label) {
        if (*label == '\\') {
            size_t n = letters(++label);
            const char *said = n                         ? command_text(label, n)
                               : strchr(",;:! ", *label) ? " "
                                                         : NULL;
            if (!said || !*label)
                return NULL;
            to = stpcpy(to, said);
            label += n ? n : 1;
            continue;
        }
        depth += *label == '{' ? 1 : *label == '}' ? -1 : 0;
        if (depth < 0)
            return NULL;
        if (*label != '$')
            *to++ = *label;
        label++;
    }
    return depth == 0 ? text : NULL;
}

/* At most N characters, the last of a longer one "…". */
static const char *cut_text(arena *a, const char *text, size_t n)
{
    const char *plain = plain_text(a, text ? text : "");
    size_t bytes = 0, seen = 0;

    if (!plain || text_width(plain) <= n)
        return plain ? plain : "";
    while (plain[bytes] && seen < n) {
        bytes++;
        while (((unsigned char)plain[bytes] & 0xC0) == 0x80)
            bytes++;
        if (++seen + 1 == n)
            break;
    }
    const char *cut = arena_print(a, "%.*s…", (int)bytes, plain);
    return cut ? cut : "";
}

/* An enhanced text is not cut: its marks would be torn apart.  Then the name is shown. */
static void name_cut_put(sheet *p, const char *name, const char *label, size_t most)
{
    const char *text = label && label[0] ? label_text(p->a, label) : NULL;

    if (text && text_width(text) <= most + 6)
        quoted_put(p->out, plain_text(p->a, text), "_^{}");
    else
        quoted_put(p->out, cut_text(p->a, name, most), "");
}

void name_put(sheet *p, const char *name, const char *label)
{
    name_cut_put(p, name, label, FIGURE_NAME);
}

void words_put(sheet *p, const char *text, size_t most)
{
    quoted_put(p->out, cut_text(p->a, text, most), "");
}

/* gnuplot takes the labels of ticks for formats of numbers. */
void tick_words_put(sheet *p, const char *text, size_t most)
{
    const char *cut = cut_text(p->a, text, most);
    char *twice = arena_alloc(p->a, 2 * strlen(cut) + 1, 1), *to = twice;

    for (; twice && *cut; cut++) {
        if (*cut == '%')
            *to++ = '%';
        *to++ = *cut;
    }
    quoted_put(p->out, twice ? twice : "", "");
}

/* On one line and without double quotes: gnuplot would end a block, or a field, there. */
void field_put(sheet *p, const char *text)
{
    char *plain = arena_print(p->a, "%s", plain_text(p->a, text ? text : ""));

    for (char *at = plain; at && *at; at++)
        if (*at == '"')
            *at = '\'';
    csv_put(p->out, plain);
}

void unit_put(sheet *p, const char *unit)
{
    quoted_put(p->out, cut_text(p->a, unit, FIGURE_NAME), "^");
}

/* ticks */

double text_pixels(size_t characters, double font)
{
    return 0.57 * font * (double)characters;
}

static double nice_step(double raw)
{
    double unit = pow(10, floor(log10(raw))), part = raw / unit;

    return unit * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

/* "0.25", "3·10^{-6}": as many places as steps of STEP need. */
static const char *tick_text(arena *a, double value, double step)
{
    double large = fabs(value);
    int places = (int)ceil(-log10(step) - 1e-9), exponent;

    if (large < 1e-9 * step)
        return "0";
    if (large < 1e5 && step >= 0.99e-4)
        return arena_print(a, "%.*f", places > 0 ? places : 0, value);
    exponent = (int)floor(log10(large) + 1e-12);
    int digits = exponent + places;
    return arena_print(a, "%.*f·10^{%d}", digits > 0 ? digits : 0,
                       value / pow(10, exponent), exponent);
}

/* "10^{-6}" takes as little room as four characters. */
static size_t tick_width(const char *text)
{
    return text_width(text) - (strstr(text, "10^{") ? 3 : 0);
}

enum { TICKS = 24 };
typedef struct tick_list {
    size_t n;
    double at[TICKS];
    const char *text[TICKS];
} tick_list;

static void tick_add(tick_list *t, double at, const char *text)
{
    if (t->n < TICKS && text) {
        t->at[t->n] = at;
        t->text[t->n++] = text;
    }
}

static void linear_ticks(arena *a, const tick_axis *x, double most, tick_list *t)
{
    double span = x->high - x->low, step = nice_step(span / most);

    t->n = 0;
    for (double k = ceil(x->low / step - 1e-9); k * step <= x->high + 1e-9 * span; k++)
        if (k * step >= x->low + x->inset * span && k * step <= x->high - x->inset * span)
            tick_add(t, k == 0 ? 0 : k * step, tick_text(a, k * step, step));
}

/* Of the multiples of powers of ten that PER says: 1; 1, 3; 1, 2, 5; of every STEP-th power. */
static void decade_ticks(arena *a, const tick_axis *x, size_t per, int step, tick_list *t)
{
    static const double multiple[3][3] = {{1}, {1, 3}, {1, 2, 5}};
    double span = log(x->high / x->low);

    t->n = 0;
    for (int e = (int)floor(log10(x->low)); e <= (int)ceil(log10(x->high)); e++)
        for (size_t i = 0; i < per && e % step == 0; i++) {
            double of = multiple[per - 1][i], value = of * pow(10, e);
            double part = log(value / x->low) / span;
            if (part < x->inset - 1e-9 || part > 1 - x->inset + 1e-9)
                continue;
            tick_add(t, value,
                     e >= -3 && e < 5 ? arena_print(a, "%g", value)
                     : i == 0         ? arena_print(a, "10^{%d}", e)
                                      : arena_print(a, "%g·10^{%d}", of, e));
        }
}

/* Whether no two labels touch. */
static bool ticks_fit(const tick_axis *x, const tick_list *t)
{
    double span = x->logarithmic ? log(x->high / x->low) : x->high - x->low;

    for (size_t i = 1; i < t->n; i++) {
        double apart =
            x->logarithmic ? log(t->at[i] / t->at[i - 1]) : t->at[i] - t->at[i - 1];
        double room =
            x->which == 'y'
                ? 1.7 * x->font
                : 0.5 * text_pixels(tick_width(t->text[i - 1]) + tick_width(t->text[i]),
                                    x->font) +
                      0.9 * x->font;
        if (apart / span * x->pixels < room)
            return false;
    }
    return true;
}

/* Those of decades, else linear ones. */
static void choose_ticks(arena *a, const tick_axis *x, tick_list *t)
{
    for (size_t per = 3; x->logarithmic && per > 0; per--) {
        decade_ticks(a, x, per, 1, t);
        if (t->n >= 2 && ticks_fit(x, t))
            return;
    }
    for (int step = 2; x->logarithmic && step < 10; step++) {
        decade_ticks(a, x, 1, step, t);
        if (t->n >= 2 && ticks_fit(x, t))
            return;
    }
    for (int most = 6; most >= 1; most--) {
        linear_ticks(a, x, (double)most, t);
        if (ticks_fit(x, t))
            return;
    }
}

void ticks_put(sheet *p, const tick_axis *x, bool labelled)
{
    tick_list t = {0};

    if (isfinite(x->low) && isfinite(x->high) && x->low < x->high)
        choose_ticks(p->a, x, &t);
    fprintf(p->out, t.n ? "set %ctics (" : "unset %ctics\n", x->which);
    if (!t.n)
        return;
    for (size_t i = 0; i < t.n; i++)
        fprintf(p->out, "%s'%s' %.10g", i ? ", " : "", labelled ? t.text[i] : "",
                t.at[i]);
    fprintf(p->out, ") nomirror out scale 0.5 font ',%g'\n", x->font);
}

void range_put(FILE *out, char which, bool logarithmic, double low, double high)
{
    fprintf(out, logarithmic ? "set logscale %c\n" : "unset logscale %c\n", which);
    fprintf(out, "set %crange [%.8g:%.8g]\n", which, low, high);
}

void number_put(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.8g", value);
    else
        fputs("NaN", out); /* a gap in the curve */
}

/* a drawing */

#define FIRST_LINE "# gnuplot %s.gp > %s.svg\n"

int drawing_open(drawing *d, const char *folder, const char *name)
{
    *d = (drawing){.folder = folder, .name = name};
    int status = sheet_open(&d->data);

    if (!status && (status = sheet_open(&d->script)))
        sheet_drop(&d->data);
    return status;
}

void drawing_start(drawing *d, int width, int height, const char *title)
{
    FILE *out = d->script.out;

    d->width = width;
    d->height = height;
    fprintf(out,
            FIRST_LINE
            "set terminal svg size %d,%d enhanced font 'sans-serif,%d' background "
            "'#ffffff' linewidth 1.2\n"
            "set encoding utf8\n"
            "set datafile separator comma\n"
            "set datafile columnheaders\n"
            "set border 3 linecolor rgb '#444444' linewidth 0.8\n"
            "set tics textcolor rgb '#333333' nomirror out scale 0.5\n"
            "set style fill noborder\n"
            "set key textcolor rgb '#333333' samplen 2.2 spacing 1.1\n"
            "data = '",
            d->name, d->name, width, height, FIGURE_FONT);
    quoted_put(out, d->name, "_^{}@&~\\");
    fputs(".csv'\nset multiplot\n", out);
    if (title && title[0]) {
        fputs("set label 1 '", out);
        words_put(&d->script, title, (size_t)(width / (0.57 * FIGURE_FONT)));
        fprintf(out, "' at screen %.5f,%.5f left font ',%d' textcolor rgb '#1a1a1a'\n",
                14.0 / width, 1 - 21.0 / height, FIGURE_FONT + 1);
    }
}

void drawing_panel(drawing *d, double left, double right, double top, double bottom)
{
    d->left = left;
    d->right = right;
    d->top = top;
    d->bottom = bottom;
    fprintf(d->script.out,
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
            left / d->width, right / d->width, 1 - top / d->height,
            1 - bottom / d->height);
}

/* Cut to the length of its side. */
static void axis_label_put(drawing *d, const char *name, const char *label,
                           const char *unit, double room)
{
    sheet *p = &d->script;
    size_t most = (size_t)(room / text_pixels(1, FIGURE_FONT));
    size_t taken = unit && unit[0] ? text_width(unit) + 3 : 0;

    fputs("set label '", p->out);
    name_cut_put(p, name, label, most > taken + 6 ? most - taken : 6);
    if (unit && unit[0]) {
        fputs(" [", p->out);
        unit_put(p, unit);
        fputc(']', p->out);
    }
    fputs("' at screen ", p->out);
}

void x_label_put(drawing *d, const char *name, const char *label, const char *unit)
{
    axis_label_put(d, name, label, unit, d->right - d->left);
    fprintf(d->script.out, "%.5f,%.5f center textcolor rgb '#1a1a1a'\n",
            0.5 * (d->left + d->right) / d->width, 1 - (d->bottom + 48) / d->height);
}

void y_label_put(drawing *d, const char *name, const char *label, const char *unit)
{
    axis_label_put(d, name, label, unit, d->bottom - d->top);
    fprintf(d->script.out, "%.5f,%.5f center rotate by 90 textcolor rgb '#1a1a1a'\n",
            (d->left - 66) / d->width, 1 - 0.5 * (d->top + d->bottom) / d->height);
}

void drawing_legend(drawing *d, double left, double top)
{
    fprintf(d->script.out,
            "set key at screen %.5f,%.5f left top Left reverse samplen 2.4\n",
            left / d->width, 1 - top / d->height);
}

void drawing_legend_row(drawing *d)
{
    drawing_panel(d, 10, d->width - 10, d->height - 40, d->height - 6);
    fputs("unset logscale\nset border 0\nunset xtics\nunset ytics\nset xrange [0:1]\nset "
          "yrange "
          "[0:1]\n"
          "set key at graph 0,0.5 left center Left reverse horizontal samplen 2 font "
          "',14'\n",
          d->script.out);
}

void drawing_panel_done(drawing *d)
{
    fputs("unset label\nunset arrow\nunset object\nunset key\n", d->script.out);
}

int drawing_close(drawing *d, int status)
{
    if (status) {
        sheet_drop(&d->data);
        sheet_drop(&d->script);
        return status;
    }
    fputs("unset multiplot\n", d->script.out);
    const char *data = arena_print(d->data.a, "%s.csv", d->name);
    const char *script = arena_print(d->script.a, "%s.gp", d->name);
    status = data && script ? sheet_save_in(&d->data, d->folder, data)
                            : fail(NRE_ENOMEM, "no memory for a figure");
    if (!status)
        return sheet_save_in(&d->script, d->folder, script);
    sheet_drop(&d->data);
    sheet_drop(&d->script);
    return status;
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
            "their numbers and scripts are written where figures are kept");
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

/* Some other tool's, or somebody's own, does not begin as drawing_start does. */
static bool is_drawing(const char *script, const char *name)
{
    char first[1024] = "", wanted[1024];
    FILE *in = fopen(script, "r");
    bool same = in && fgets(first, sizeof first, in) &&
                snprintf(wanted, sizeof wanted, FIRST_LINE, name, name) > 0 &&
                strcmp(first, wanted) == 0;

    if (in)
        fclose(in);
    return same;
}

static int remove_ending(arena *a, const char *folder, const char *name, const char *end)
{
    const char *file = arena_print(a, "%s.%s", name, end);
    const char *path = file ? path_join(a, folder, file) : NULL;

    if (!path)
        return fail(NRE_ENOMEM, "no memory for a figure");
    if (unlink(path) && errno != ENOENT)
        return fail(NRE_EIO, "cannot remove '%s': %s", path, strerror(errno));
    return NRE_OK;
}

/* The script last: without it nobody would know the others. */
static int remove_one(arena *a, const char *folder, const char *script)
{
    static const char *const END[] = {"svg", "csv", "gp"};
    const char *path = path_join(a, folder, script);
    const char *name = arena_print(a, "%.*s", (int)strlen(script) - 3, script);
    int status = path && name ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");

    for (size_t i = 0; i < 3 && !status && is_drawing(path, name); i++)
        status = remove_ending(a, folder, name, END[i]);
    return status;
}

int figures_remove(const char *folder)
{
    arena *a = arena_new();
    DIR *list = opendir(folder);
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");

    for (struct dirent *e; list && !status && (e = readdir(list));) {
        size_t n = strlen(e->d_name);
        if (n > 3 && strcmp(e->d_name + n - 3, ".gp") == 0)
            status = remove_one(a, folder, e->d_name);
    }
    if (list)
        closedir(list);
    arena_free(a);
    return status;
}

int figures_draw(const char *folder, size_t n, const char *const *name)
{
    arena *a = arena_new();
    bool missing = false;
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "no memory for a figure");

    for (size_t i = 0; i < n && !status; i++) /* what cannot be drawn has no picture */
        status = remove_ending(a, folder, name[i], "svg");
    for (size_t i = 0; i < n && !status && !missing; i++)
        status = draw_one(a, folder, name[i], &missing);
    arena_free(a);
    return status;
}

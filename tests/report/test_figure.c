/* What figures share: files, the same bytes again, hostile names, no gnuplot, ticks. */
#include "figures.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* All kinds of figures into a folder. */
static void write_all(const scratch *s)
{
    for (size_t i = 0; i < n_figures; i++)
        cr_assert_eq(FIGURES[i].write(s->folder, FIGURES[i].name, false), 0, "%s: %s",
                     FIGURES[i].name, error_message());
}

static void draw_all(const scratch *s)
{
    const char *name[32];
    cr_assert_lt(n_figures, 32);
    for (size_t i = 0; i < n_figures; i++)
        name[i] = FIGURES[i].name;
    cr_assert_eq(figures_draw(s->folder, n_figures, name), 0, "%s", error_message());
}

Test(figure, same_bytes_again)
{
    scratch first = scratch_new(), second = scratch_new();

    if (!gnuplot_here())
        cr_skip("there is no gnuplot");
    write_all(&first);
    draw_all(&first);
    write_all(&second);
    draw_all(&second);
    cr_assert_eq(scratch_entries(&first), 3 * (int)n_figures,
                 "a CSV, a script and an SVG each");
    for (size_t i = 0; i < n_figures; i++)
        for (size_t k = 0; k < 3; k++) {
            char file[64];
            snprintf(file, sizeof file, "%s.%s", FIGURES[i].name,
                     (const char *[]){"csv", "gp", "svg"}[k]);
            char *a = text_of(&first, file), *b = text_of(&second, file);
            cr_assert_gt(strlen(a), 20, "%s", file);
            cr_assert_str_eq(a, b, "%s", file);
            free(a);
            free(b);
        }
    scratch_free(&first);
    scratch_free(&second);
}

/* A picture that gnuplot ended well: one svg, lines in it, and it can be drawn again by hand. */
Test(figure, drawn_whole)
{
    scratch s = scratch_new();

    if (!gnuplot_here())
        cr_skip("there is no gnuplot");
    write_all(&s);
    for (size_t i = 0; i < n_figures; i++) {
        char line[1200], file[64];
        snprintf(line, sizeof line,
                 "cd '%s' && gnuplot '%s.gp' > '%s.svg' 2> errors && test ! -s errors",
                 s.folder, FIGURES[i].name, FIGURES[i].name);
        cr_assert_eq(system(line), 0, "gnuplot complains of %s", FIGURES[i].name);
        snprintf(file, sizeof file, "%s.svg", FIGURES[i].name);
        char *svg = text_of(&s, file);
        cr_assert_eq(count_of(svg, "</svg>"), 1, "%s", file);
        cr_assert(strstr(svg, "<path"), "%s", file);
        cr_assert(strstr(svg, FIGURES[i].shows), "%s shows %s", file, FIGURES[i].shows);
        free(svg);
    }
    scratch_free(&s);
}

/* Names that gnuplot could take for its own marks stay text, and numbers that are missing are gaps. */
Test(figure, hostile_names_and_missing_numbers)
{
    scratch s = scratch_new();

    if (!gnuplot_here())
        cr_skip("there is no gnuplot");
    for (size_t i = 0; i < n_figures; i++)
        cr_assert_eq(FIGURES[i].write(s.folder, FIGURES[i].name, true), 0, "%s: %s",
                     FIGURES[i].name, error_message());
    draw_all(&s);
    for (size_t i = 0; i < n_figures; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.svg", FIGURES[i].name);
        char *svg = text_of(&s, file);
        cr_assert_eq(count_of(svg, "</svg>"), 1, "%s", file);
        free(svg);
    }
    scratch_free(&s);
}

Test(figure, without_gnuplot_there_are_numbers_only)
{
    scratch s = scratch_new();

    setenv("PATH", "/nonexistent", 1);
    write_all(&s);
    draw_all(&s);
    cr_assert_eq(scratch_entries(&s), 2 * (int)n_figures, "a CSV and a script each");
    scratch_free(&s);
}

Test(figure, elements_have_whole_numbers)
{
    scratch s = scratch_new();

    cr_assert_eq(example_predictive(s.folder, "predictive", false), 0);
    char *script = text_of(&s, "predictive.gp");
    cr_assert(strstr(script, "set xtics ('1' 1, '2' 2, '3' 3) "));
    free(script);
    scratch_free(&s);
}

/* Pictures of a former time do not pass for those of now. */
Test(figure, no_old_pictures_without_gnuplot)
{
    scratch s = scratch_new();

    setenv("PATH", "/nonexistent", 1);
    write_all(&s);
    cr_assert_eq(file_print(scratch_path(&s, "loss.svg"), "<svg></svg>\n"), 0);
    cr_assert_eq(file_print(scratch_path(&s, "corner.svg"), "<svg></svg>\n"), 0);
    draw_all(&s);
    cr_assert_eq(scratch_entries(&s), 2 * (int)n_figures);
    scratch_free(&s);
}

Test(figure, removed_with_all_their_files_and_no_others)
{
    scratch s = scratch_new();

    write_all(&s);
    cr_assert_eq(file_print(scratch_path(&s, "loss.svg"), "<svg></svg>\n"), 0);
    cr_assert_eq(file_print(scratch_path(&s, "mine.gp"), "plot sin(x)\n"), 0);
    cr_assert_eq(file_print(scratch_path(&s, "mine.svg"), "<svg></svg>\n"), 0);
    cr_assert_eq(figures_remove(s.folder), 0, "%s", error_message());
    cr_assert_eq(scratch_entries(&s), 2);
    cr_assert_eq(figures_remove("/nonexistent"), 0);
    scratch_free(&s);
}

static char *ticks(const tick_axis *x)
{
    sheet p;
    cr_assert_eq(sheet_open(&p), 0);
    ticks_put(&p, x, true);
    fflush(p.out);
    char *text = strdup(p.text);
    sheet_drop(&p);
    return text;
}

Test(figure, ticks_have_the_places_they_need)
{
    static const struct {
        tick_axis axis;
        const char *has;
    } CASE[] = {{{'x', false, 0, 1, 300, 14, 0}, "'0' 0, '0.2' 0.2, '0.4' 0.4"},
                {{'x', false, -3, 3, 300, 14, 0}, "'-1' -1, '0' 0, '1' 1"},
                {{'x', false, 0, 2e-6, 300, 14, 0}, "'1·10^{-6}' 1e-06"},
                {{'x', false, 0, 3e6, 300, 14, 0}, "'1·10^{6}' 1000000"},
                {{'x', true, 0.1, 1000, 300, 14, 0}, "'0.1' 0.1"},
                {{'x', true, 0.1, 1000, 300, 14, 0}, "'1000' 1000"},
                {{'x', true, 1e-9, 1e-3, 300, 14, 0}, "'10^{-8}' 1e-08"},
                {{'y', false, 7, 7, 300, 14, 0}, "unset ytics"}};
    for (size_t i = 0; i < sizeof CASE / sizeof CASE[0]; i++) {
        char *text = ticks(&CASE[i].axis);
        cr_assert(strstr(text, CASE[i].has), "%s in %s", CASE[i].has, text);
        free(text);
    }
}

/* In less room there are fewer. */
Test(figure, ticks_leave_room)
{
    char *wide = ticks(&(tick_axis){'x', false, 0, 1, 400, 14, 0});
    char *small = ticks(&(tick_axis){'x', false, 0, 1, 60, 14, 0});
    cr_assert_gt(count_of(wide, ", '"), count_of(small, ", '"));
    free(wide);
    free(small);
}

static char *named(const char *name, const char *label)
{
    sheet p;
    cr_assert_eq(sheet_open(&p), 0);
    name_put(&p, name, label);
    fflush(p.out);
    char *text = strdup(p.text);
    sheet_drop(&p);
    return text;
}

Test(figure, labels_of_simple_latex)
{
    static const char *const CASE[][3] = {
        {"b", "\\beta", "β"},
        {"d", "d_I", "d_I"},
        {"m", "\\log_{10} M_{\\odot}", "log_{10} M_{☉}"},
        {"a_b", "\\frac{a}{b}", "a\\_b"},
        {"a{", "{", "a\\{"},
        {"it's", NULL, "it''s"},
        {"m", "m_{\\mathrm{WDM}}", "m_{{WDM}}"},
        {"x\\", "x\\", "x\\\\"}};
    for (size_t i = 0; i < sizeof CASE / sizeof CASE[0]; i++) {
        char *text = named(CASE[i][0], CASE[i][1]);
        cr_assert_str_eq(text, CASE[i][2]);
        free(text);
    }
}

Test(figure, long_names_are_cut_between_characters)
{
    char *text = named("ααααααααααααααααααααααααααααααααααααααααα", NULL);
    cr_assert_eq(text_width(text), FIGURE_NAME);
    cr_assert(strstr(text, "α…"));
    free(text);
}

/* In an image of its own, and nothing else than it. */
Test(figure, shown_on_the_page)
{
    scratch s = scratch_new();
    char path[600];
    snprintf(path, sizeof path, "%s/loss.svg", s.folder);
    const char *paths[] = {path};
    run_summary all = {
        .name = "a", .folder = "b", .seconds = NAN, .n_figures = 1, .figures = paths};

    cr_assert_eq(file_print(path, "<svg a=\"%s\">β</svg>\n", "50%"), 0);
    cr_assert_eq(page_write(&all, NULL, NULL, scratch_path(&s, "report.html")), 0);
    char *page = text_of(&s, "report.html");
    cr_assert(strstr(page, "src=\"data:image/svg+xml,%3Csvg%20a=%2250%25%22%3E%CE%B2"
                           "%3C/svg%3E%0A\" alt="));
    cr_assert(strstr(page, "img-src data:"));
    free(page);
    scratch_free(&s);
}

/* Figures: the regions of a known density, the files, the same bytes again. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 80 };
static double plane[N * N], line[N];

static figure_axis axis(const char *name, size_t n)
{
    return (figure_axis){.name = name,
                         .label = "\\theta_1",
                         .unit = "1/d",
                         .low = -5,
                         .high = 5,
                         .n = n,
                         .mark = 0};
}

static double middle(size_t i)
{
    return -5 + 10 * ((double)i + 0.5) / N;
}

static density_figure gauss(unsigned dim)
{
    for (size_t i = 0; i < N; i++) {
        line[i] = 7 - 0.5 * middle(i) * middle(i);
        for (size_t j = 0; j < N; j++)
            plane[i * N + j] = 7 - 0.5 * (pow(middle(i), 2) + pow(middle(j), 2));
    }
    return (density_figure){.title = "x' `echo a`",
                            .dim = dim,
                            .axis = {axis("a", N), axis("b", N)},
                            .log_density = dim == 1 ? line : plane};
}

/* Of a Gaussian in two dimensions: the mass of denser points is 1 - exp(-r^2 / 2). */
Test(figure, regions_of_a_plane)
{
    static double density[N * N], region[N * N];
    density_figure f = gauss(2);
    double total = 0;

    cr_assert_eq(density_regions(&f, density, region), 0);
    for (size_t i = 0; i < N * N; i++) {
        double r2 = pow(middle(i / N), 2) + pow(middle(i % N), 2);
        total += density[i] * pow(10.0 / N, 2);
        cr_assert_float_eq(density[i], exp(-0.5 * r2) / (2 * M_PI), 1e-5);
        cr_assert_float_eq(region[i], 1 - exp(-0.5 * r2), 0.02, "at r^2 = %g", r2);
    }
    cr_assert_float_eq(total, 1, 1e-12);
}

/* The density is by the parameter itself, also where the axis is logarithmic: cells grow.
 */
Test(figure, regions_on_a_logarithmic_axis)
{
    static double density[N], region[N], flat[N];
    density_figure f = {
        .title = "", .dim = 1, .axis = {axis("a", N)}, .log_density = flat};
    double total = 0;

    f.axis[0].logarithmic = true;
    f.axis[0].low = 1;
    f.axis[0].high = 100;
    cr_assert_eq(density_regions(&f, density, region), 0);
    for (size_t i = 0; i < N; i++) {
        cr_assert_float_eq(density[i], 1.0 / 99, 1e-12);
        total += density[i];
    }
    cr_assert_gt(total, 0);
}

Test(figure, no_mass_is_refused)
{
    static double density[N], region[N];
    density_figure f = gauss(1);

    for (size_t i = 0; i < N; i++)
        line[i] = -INFINITY;
    cr_assert_eq(density_regions(&f, density, region), NRE_ENUMERIC);
}

static bool gnuplot_here(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

static void write_all(const scratch *s)
{
    static const double loss[] = {1.2, 0.9, 0.8};
    loss_curve curve[] = {
        {"a,b", 0, 3, loss, loss}, {"a,b", 1, 3, loss, loss}, {"all", 0, 3, loss, loss}};
    const char *name[] = {"plane-a,b_1", "line", "coverage", "loss"};
    density_figure f = gauss(2), g = gauss(1);

    cr_assert_eq(density_figure_write(&f, s->folder, "plane-a,b_1"), 0, "%s",
                 error_message());
    cr_assert_eq(density_figure_write(&g, s->folder, "line"), 0, "%s", error_message());
    cr_assert_eq(coverage_figure_write(&example_coverage, s->folder, "coverage"), 0, "%s",
                 error_message());
    cr_assert_eq(loss_figure_write(3, curve, s->folder, "loss"), 0, "%s",
                 error_message());
    cr_assert_eq(figures_draw(s->folder, 4, name), 0, "%s", error_message());
}

Test(figure, same_bytes_again)
{
    static const char *const file[] = {
        "plane-a,b_1.svg", "plane-a,b_1.csv", "plane-a,b_1.gp", "line.svg", "line.csv",
        "coverage.svg",    "coverage.csv",    "loss.svg",       "loss.gp"};
    scratch first = scratch_new(), second = scratch_new();

    if (!gnuplot_here())
        cr_skip("there is no gnuplot");
    write_all(&first);
    write_all(&second);
    for (size_t i = 0; i < sizeof file / sizeof file[0]; i++) {
        char *a = text_of(&first, file[i]), *b = text_of(&second, file[i]);
        cr_assert_gt(strlen(a), 50, "%s", file[i]);
        cr_assert_str_eq(a, b, "%s", file[i]);
        free(a);
        free(b);
    }
    char *svg = text_of(&first, "plane-a,b_1.svg");
    cr_assert(strstr(svg, "θ"), "the label is Greek");
    cr_assert(strstr(svg, "<image"), "the density is there");
    cr_assert(strstr(svg, "`echo a`"), "a title is only text");
    cr_assert_eq(count_of(svg, "</svg>"), 1);
    free(svg);
    scratch_free(&first);
    scratch_free(&second);
}

/* Names that gnuplot could take for its own marks stay text. */
Test(figure, hostile_names)
{
    scratch s = scratch_new();
    const char *name[] = {"coverage", "line"};
    density_figure f = gauss(1);

    if (!gnuplot_here())
        cr_skip("there is no gnuplot");
    f.title = hostile;
    f.axis[0].name = f.axis[0].unit = hostile;
    f.axis[0].label = "\\frac{a}{b";
    cr_assert_eq(density_figure_write(&f, s.folder, "line"), 0);
    cr_assert_eq(coverage_figure_write(&hostile_coverage, s.folder, "coverage"), 0);
    cr_assert_eq(figures_draw(s.folder, 2, name), 0);
    for (size_t i = 0; i < 2; i++) {
        char file[32];
        snprintf(file, sizeof file, "%s.svg", name[i]);
        char *svg = text_of(&s, file);
        cr_assert_eq(count_of(svg, "</svg>"), 1, "%s", file);
        free(svg);
    }
    scratch_free(&s);
}

Test(figure, without_gnuplot_there_are_numbers_only)
{
    scratch s = scratch_new();
    const char *name[] = {"line"};
    density_figure f = gauss(1);

    setenv("PATH", "/nonexistent", 1);
    cr_assert_eq(density_figure_write(&f, s.folder, "line"), 0);
    cr_assert_eq(figures_draw(s.folder, 1, name), 0);
    cr_assert_eq(scratch_entries(&s), 2, "line.csv and line.gp");
    scratch_free(&s);
}

/* In an image of its own, and nothing else than it. */
Test(figure, shown_on_the_page)
{
    scratch s = scratch_new();
    char path[600];
    snprintf(path, sizeof path, "%s/f.svg", s.folder);
    const char *paths[] = {path};
    run_summary all = {
        .name = "a", .folder = "b", .seconds = NAN, .n_figures = 1, .figures = paths};

    cr_assert_eq(file_print(path, "<svg a=\"%s\">β</svg>\n", "50%"), 0);
    cr_assert_eq(page_write(&all, NULL, NULL, scratch_path(&s, "report.html")), 0);
    char *page = text_of(&s, "report.html");
    cr_assert(strstr(page, "<img src=\"data:image/svg+xml,%3Csvg%20a=%2250%25%22%3E%CE%B2"
                           "%3C/svg%3E%0A\" alt=\"f.svg\">"));
    cr_assert(strstr(page, "img-src data:"));
    free(page);
    scratch_free(&s);
}

/* Figures of made-up numbers. */
#include "figures.h"

const figure_example FIGURES[] = {
    {"density-a,b_1", "posterior density", example_density},
    {"corner", "θ", example_corner},
    {"level", "nominal level", example_level},
    {"rank", "ECDF less uniform", example_rank},
    {"roc", "true positive rate", example_roc},
    {"area", "observation", example_area},
    {"convergence", "truths inside the region", example_convergence},
    {"predictive", "φ", example_predictive},
    {"coverage", "gain [nats]", example_table},
    {"loss", "epoch", example_loss}};
const size_t n_figures = sizeof FIGURES / sizeof FIGURES[0];

bool gnuplot_here(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

enum { CELLS = 40, POINTS = 50 };

static figure_axis axis(size_t k, bool awkward)
{
    figure_axis x = {.name = awkward ? hostile
                             : k     ? "b"
                                     : "a",
                     .label = awkward ? "\\frac{a}{b" : "\\theta_1",
                     .unit = awkward ? hostile : "1/d",
                     .logarithmic = k == 2,
                     .low = k == 2 ? 0.01 : -5,
                     .high = 5,
                     .n = CELLS,
                     .mark = 0.1,
                     .truth = 1,
                     .quantile = {-1, 0, 1}};
    if (awkward)
        x.mark = x.truth = x.quantile[0] = NAN;
    return x;
}

/* Of a standard Gaussian in x and y. */
static double log_density(const figure_axis *x, size_t i, const figure_axis *y, size_t j)
{
    return 7 - 0.5 * (pow(axis_middle(x, i), 2) + (y ? pow(axis_middle(y, j), 2) : 0));
}

int example_density(const char *folder, const char *name, bool awkward)
{
    double line[CELLS];
    figure_axis x = axis(0, awkward);
    for (size_t i = 0; i < CELLS; i++)
        line[i] = log_density(&x, i, NULL, 0);
    const density_figure f = {awkward ? hostile : "a' `b`", 1, {&x, NULL}, line};
    return density_figure_write(&f, folder, name);
}

int example_corner(const char *folder, const char *name, bool awkward)
{
    static double line[3][CELLS], plane[3][CELLS * CELLS];
    const figure_axis x[] = {axis(0, awkward), axis(1, awkward), axis(2, awkward)};
    for (size_t k = 0, p = 0; k < 3; k++) {
        for (size_t i = 0; i < CELLS; i++)
            line[k][i] = log_density(&x[k], i, NULL, 0);
        for (size_t m = k + 1; m < 3; m++, p++)
            for (size_t i = 0; i < CELLS * CELLS; i++)
                plane[p][i] = log_density(&x[k], i / CELLS, &x[m], i % CELLS);
    }
    const corner_figure f = {awkward ? hostile : "three", 3, x,
                             (const double *[]){line[0], line[1], line[2]},
                             (const double *[]){plane[0], plane[1], plane[2]}};
    return corner_figure_write(&f, folder, name);
}

/* i / n, its square, and a band around the first. */
static void curves(double *at, double *value, double *low, double *high, bool awkward)
{
    for (size_t i = 0; i < POINTS; i++) {
        at[i] = (double)(i + 1) / POINTS;
        value[i] = awkward && i > 10 && i < 20 ? NAN : at[i] * at[i];
        low[i] = at[i] - 0.1 * sqrt(at[i] * (1 - at[i]));
        high[i] = at[i] + 0.1 * sqrt(at[i] * (1 - at[i]));
    }
}

int example_level(const char *folder, const char *name, bool awkward)
{
    double at[POINTS], value[POINTS], low[POINTS], high[POINTS];
    curves(at, value, low, high, awkward);
    const figure_curve curve[] = {
        {"joint", NULL, at},
        {awkward ? hostile : "beta", awkward ? "{" : "\\beta", value}};
    const level_figure f = {.title = awkward ? hostile : "levels",
                            .what = "empirical coverage",
                            .n = POINTS,
                            .level = at,
                            .low = awkward ? NULL : low,
                            .high = awkward ? NULL : high,
                            .n_curves = 2,
                            .curves = curve};
    return level_figure_write(&f, folder, name);
}

int example_rank(const char *folder, const char *name, bool awkward)
{
    double at[POINTS], value[POINTS], low[POINTS], high[POINTS];
    curves(at, value, low, high, awkward);
    const rank_panel panel = {.name = awkward ? hostile : "a",
                              .p = awkward ? NAN : 0.3,
                              .n = POINTS,
                              .at = at,
                              .difference = value,
                              .low = awkward ? NULL : low,
                              .high = awkward ? NULL : high};
    const rank_figure f = {"ranks", 4, (rank_panel[]){panel, panel, panel, panel}};
    return rank_figure_write(&f, folder, name);
}

int example_roc(const char *folder, const char *name, bool awkward)
{
    double at[POINTS], value[POINTS], low[POINTS], high[POINTS];
    curves(at, value, low, high, awkward);
    const roc_point point[] = {{awkward ? hostile : "a = 1", 0.51, 0.01, 0.7, 0.5, 0.56},
                               {"a = 2", awkward ? NAN : 0.49, NAN, NAN, NAN, NAN}};
    const roc_figure f = {"roc", POINTS, at, value, at, 2, point};
    return roc_figure_write(&f, folder, name);
}

int example_area(const char *folder, const char *name, bool awkward)
{
    static const double area[] = {0.7, 0.9, 1, 1.1, 1.4}, one[] = {3};
    const double observed[] = {1.05, NAN};
    const area_box box[] = {
        {awkward ? hostile : "all", 5, awkward ? 2 : 1, area, observed},
        {"a", awkward ? 0 : 1, 0, one, observed}};
    const area_figure f = {"areas", 2, box};
    return area_figure_write(&f, folder, name);
}

int example_convergence(const char *folder, const char *name, bool awkward)
{
    static const double rows[] = {1, 10, 100};
    const double missing = awkward ? NAN : 0.1;
    const five_numbers error[] = {
        {-1.6, -1, 0, 1, 1.6}, {-0.5, -0.3, 0, 0.3, 0.5}, {-0.1, -0.1, 0, 0.1, missing}};
    const five_numbers width[] = {{0.8, 0.9, 1, 1.1, 1.2},
                                  {0.3, 0.3, 0.3, 0.4, 0.4},
                                  {0.1, 0.1, 0.1, 0.1, missing}};
    const convergence_panel panel[] = {{awkward ? hostile : "a", NULL, error, width},
                                       {"b", "\\beta", awkward ? NULL : error, width}};
    const convergence_figure f = {"convergence",        3, rows, 2, panel, rows,
                                  awkward ? NULL : rows};
    return convergence_figure_write(&f, folder, name);
}

int example_predictive(const char *folder, const char *name, bool awkward)
{
    double at[POINTS], value[POINTS], low[POINTS], high[POINTS];
    curves(at, value, low, high, awkward);
    const predictive_field field[] = {
        {.name = "density",
         .label = awkward ? hostile : "density",
         .unit = "1",
         .at_label = awkward ? hostile : "\\phi_1 [deg]",
         .at = at,
         .n = POINTS,
         .observed = value,
         .quantile = {low, low, at, high, high}},
        {.name = "few",
         .n = 3,
         .observed = awkward ? NULL : value,
         .quantile = {low, low, at, high, high}},
        {.name = "one",
         .n = 1,
         .observed = value,
         .quantile = {low, low, at, high, awkward ? NULL : high}}};
    const predictive_figure f = {"predicted", 3, field};
    return predictive_figure_write(&f, folder, name);
}

int example_table(const char *folder, const char *name, bool awkward)
{
    return coverage_figure_write(awkward ? &hostile_coverage : &example_coverage, folder,
                                 name);
}

int example_loss(const char *folder, const char *name, bool awkward)
{
    const double loss[] = {1.2, awkward ? NAN : 0.9, 0.8};
    const loss_curve curve[] = {
        {"a,b", 0, 3, loss, loss},
        {"a,b", 1, 3, loss, loss},
        {awkward ? hostile : "all", 0, awkward ? 1 : 3, loss, loss}};
    return loss_figure_write(3, curve, folder, name);
}

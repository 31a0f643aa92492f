/* The regions of a known density. */
#include "figures.h"

enum { N = 80 };
static double plane[N * N], line[N];

static figure_axis axis(const char *name)
{
    return (figure_axis){
        .name = name, .low = -5, .high = 5, .n = N, .mark = NAN, .truth = NAN};
}

/* Of a Gaussian in two dimensions: the mass of denser points is 1 - exp(-r^2 / 2). */
Test(figure_density, regions_of_a_plane)
{
    static double density[N * N], region[N * N];
    const figure_axis x = axis("a"), y = axis("b");
    const density_figure f = {"", 2, {&x, &y}, plane};
    double total = 0;

    for (size_t i = 0; i < N * N; i++)
        plane[i] =
            7 - 0.5 * (pow(axis_middle(&x, i / N), 2) + pow(axis_middle(&y, i % N), 2));
    cr_assert_eq(density_regions(&f, density, region), 0);
    for (size_t i = 0; i < N * N; i++) {
        double r2 = pow(axis_middle(&x, i / N), 2) + pow(axis_middle(&y, i % N), 2);
        total += density[i] * pow(10.0 / N, 2);
        cr_assert_float_eq(density[i], exp(-0.5 * r2) / (2 * M_PI), 1e-5);
        cr_assert_float_eq(region[i], 1 - exp(-0.5 * r2), 0.02, "at r^2 = %g", r2);
    }
    cr_assert_float_eq(total, 1, 1e-12);
}

/* The density is by the parameter itself, also where the axis is logarithmic: cells grow. */
Test(figure_density, regions_on_a_logarithmic_axis)
{
    static double density[N], region[N], flat[N];
    figure_axis x = axis("a");
    const density_figure f = {"", 1, {&x, NULL}, flat};

    x.logarithmic = true;
    x.low = 1;
    x.high = 100;
    cr_assert_eq(density_regions(&f, density, region), 0);
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(density[i], 1.0 / 99, 1e-12);
}

Test(figure_density, no_mass_is_refused)
{
    static double density[N], region[N];
    const figure_axis x = axis("a");
    const density_figure f = {"", 1, {&x, NULL}, line};
    scratch s = scratch_new();

    for (size_t i = 0; i < N; i++)
        line[i] = -INFINITY;
    cr_assert_eq(density_regions(&f, density, region), NRE_ENUMERIC);
    cr_assert_eq(density_figure_write(&f, s.folder, "none"), NRE_ENUMERIC);
    cr_assert_eq(scratch_entries(&s), 0);
    scratch_free(&s);
}

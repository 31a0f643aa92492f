/* The corner plot: which plane is where, and how many parameters it takes. */
#include "figures.h"

enum { N = 30, DIM = 4 };

/* The plane of parameters I and J is centred at (I, J). */
static double centred(const figure_axis *x, size_t at, size_t k)
{
    return -0.5 * pow((axis_middle(x, at) - (double)k) / 0.5, 2);
}

Test(figure_corner, planes_are_where_they_belong)
{
    static double line[DIM][N], plane[DIM * (DIM - 1) / 2][N * N];
    static const char *const name[] = {"p0", "p1", "p2", "p3"};
    const double *lines[DIM], *planes[DIM * (DIM - 1) / 2];
    figure_axis x[DIM];
    size_t p = 0, rows = 0;
    scratch s = scratch_new();

    for (size_t k = 0; k < DIM; k++)
        x[k] = (figure_axis){.name = name[k],
                             .low = -1,
                             .high = 4,
                             .n = N,
                             .mark = NAN,
                             .truth = NAN,
                             .quantile = {NAN, NAN, NAN}};
    for (size_t i = 0; i < DIM; i++) {
        lines[i] = line[i];
        for (size_t k = 0; k < N; k++)
            line[i][k] = centred(&x[i], k, i);
        for (size_t j = i + 1; j < DIM; j++, p++) {
            planes[p] = plane[p];
            for (size_t k = 0; k < N * N; k++)
                plane[p][k] = centred(&x[i], k / N, i) + centred(&x[j], k % N, j);
        }
    }
    const corner_figure f = {"four", DIM, x, lines, planes};
    cr_assert_eq(corner_figure_write(&f, s.folder, "corner"), 0, "%s", error_message());
    char *csv = text_of(&s, "corner.csv"), *rest = NULL;
    for (char *at = strtok_r(csv, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
        int i, j;
        double a, b, density, region;
        if (sscanf(at, "p%d,p%d,%lf,%lf,%lf,%lf", &i, &j, &a, &b, &density, &region) != 6)
            continue;
        rows++;
        if (region < 0.05) {
            cr_assert_float_eq(a, i, 0.3);
            cr_assert_float_eq(b, j, 0.3);
        }
    }
    cr_assert_eq(rows, DIM * (DIM - 1) / 2 * N * N);
    free(csv);
    scratch_free(&s);
}

Test(figure_corner, two_to_ten_parameters)
{
    scratch s = scratch_new();
    const corner_figure one = {.n = 1}, many = {.n = CORNER_MOST + 1};
    cr_assert_eq(corner_figure_write(&one, s.folder, "corner"), NRE_EINVAL);
    cr_assert_eq(corner_figure_write(&many, s.folder, "corner"), NRE_EINVAL);
    cr_assert_eq(scratch_entries(&s), 0);
    scratch_free(&s);
}

/* Densities from a saved grid, whose marginals are known. */
#include "support.h"

#include <math.h>

enum { M = 40 };

static void put(store *s, const char *name, unsigned rank, const uint64_t *dim,
                const double *data)
{
    cr_assert_eq(store_put(s, name, STORE_F64, rank, dim, data), 0, "%s",
                 error_message());
}

/* Of two parameters, M cells each. */
static void save(const char *path, const double *axis, const double *edge,
                 const double *weight, const double *density)
{
    store *s = NULL;
    cr_assert_eq(store_create(path, &s), 0);
    put(s, "axis", 2, (const uint64_t[]){2, M}, axis);
    put(s, "edge", 2, (const uint64_t[]){2, M + 1}, edge);
    put(s, "weight", 2, (const uint64_t[]){M, M}, weight);
    put(s, "log_density", 2, (const uint64_t[]){M, M}, density);
    cr_assert_eq(store_commit(s), 0, "%s", error_message());
}

/* Cells of equal mass of the prior, and a likelihood on them: a posterior of two normals. */
Test(figures_grid, marginals_of_two_normals)
{
    static double axis[2][M], edge[2][M + 1], weight[M * M], density[M * M];
    static const double centre[2] = {0.1, -0.2}, width[2] = {0.1, 0.2};
    trial t;
    double total = 0;
    trial_open(&t, SETTINGS("infer.target=all"));
    const target *of = &t.session->targets[0];
    for (size_t k = 0; k < 2; k++) {
        const marginal *m = &of->prior->of[k];
        for (size_t i = 0; i <= M; i++)
            edge[k][i] = i == 0   ? -INFINITY
                         : i == M ? INFINITY
                                  : marginal_quantile(m, (double)i / M);
        for (size_t i = 0; i < M; i++)
            axis[k][i] = marginal_quantile(m, ((double)i + 0.5) / M);
    }
    for (size_t i = 0; i < M * M; i++) {
        double u = (axis[0][i / M] - centre[0]) / width[0],
               v = (axis[1][i % M] - centre[1]) / width[1];
        double base = marginal_log_density(&of->prior->of[0], axis[0][i / M], NULL) +
                      marginal_log_density(&of->prior->of[1], axis[1][i % M], NULL);
        density[i] = -0.5 * (u * u + v * v);
        weight[i] = exp(density[i] - base);
        total += weight[i];
    }
    for (size_t i = 0; i < M * M; i++)
        weight[i] /= total;
    const char *path = scratch_path(&t.s, "grid.h5");
    save(path, axis[0], edge[0], weight, density);

    double *line[2], *plane[1];
    figure_axis x[2] = {{.name = "a"}, {.name = "b"}};
    densities d = {.arena = t.session->arena,
                   .target = of,
                   .n = 2,
                   .axis = x,
                   .line = line,
                   .plane = plane};
    cr_assert_eq(densities_of_grid(&d, path), 0, "%s", error_message());
    for (size_t k = 0; k < 2; k++) {
        double most = -INFINITY, at_most = NAN;
        cr_assert_lt(x[k].low, centre[k] - 2.5 * width[k]);
        cr_assert_gt(x[k].high, centre[k] + 2.5 * width[k]);
        for (size_t i = 0; i < x[k].n; i++)
            if (line[k][i] > most) {
                most = line[k][i];
                at_most = axis_middle(&x[k], i);
            }
        cr_assert_float_eq(at_most, centre[k], 0.1 * width[k]);
        for (size_t i = 0; i < x[k].n; i++) {
            double u = (axis_middle(&x[k], i) - centre[k]) / width[k];
            if (fabs(u) < 2)
                cr_assert_float_eq(line[k][i] - most, -0.5 * u * u, 0.03, "%g", u);
        }
    }
    trial_close(&t);
}

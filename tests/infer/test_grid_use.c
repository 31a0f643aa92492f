/* grid_use.c: ranks of truths are uniform; what a grid says of single points; its file. */
#include "../sanitized.h"
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void grid_at(fixture *f, const float *x, grid *g)
{
    fixture_observe(f, 1, x);
    cr_assert_eq(grid_of(&f->posterior, f->worker, f->observed, 0, 1, g), NRE_OK, "%s",
                 error_message());
}

typedef struct ranks {
    double mean, square, below68, below95, below997;
    size_t n;
} ranks;

static void add_rank(ranks *r, double rank)
{
    r->n++;
    r->mean += rank;
    r->square += rank * rank;
    r->below68 += rank < 0.68;
    r->below95 += rank < 0.95;
    r->below997 += rank < 0.997;
}

/* |z| < 4.5 for the mean, the mean square and three coverages of uniform ranks. */
static void assert_uniform(const ranks *r)
{
    double n = (double)r->n;
    cr_assert_float_eq(r->mean / n, 0.5, 4.5 * sqrt(1 / 12.0 / n));
    cr_assert_float_eq(r->square / n, 1 / 3.0, 4.5 * sqrt(4 / 45.0 / n));
    cr_assert_float_eq(r->below68 / n, 0.68, 4.5 * sqrt(0.68 * 0.32 / n));
    cr_assert_float_eq(r->below95 / n, 0.95, 4.5 * sqrt(0.95 * 0.05 / n));
    cr_assert_float_eq(r->below997 / n, 0.997, 4.5 * sqrt(0.997 * 0.003 / n));
}

static void ranks_of(const toy *t, size_t n, bool snap, ranks *out)
{
    static fixture f;
    grid g = {0};
    *out = (ranks){0};
    fixture_open(&f, t);
    for (size_t i = 0; i < n; i++) {
        rng r;
        double theta[3], density;
        float x[3];
        rng_start(&r, rng_purpose(11, "ranks"), i, 0);
        toy_pair(t, &r, theta, x);
        grid_at(&f, x, &g);
        cr_assert_eq(posterior_log_prior(&f.posterior, 1, theta, &density, NULL), NRE_OK);
        density += toy_log_likelihood(t, theta, x) - toy_log_evidence(t, x);
        add_rank(out, grid_rank(&g, theta, density, rng_uniform(&r), snap));
    }
    grid_release(&g);
    fixture_close(&f);
}

Test(grid_use, ranks_of_truths_are_uniform, .disabled = SANITIZED)
{
    ranks r;
    ranks_of(&(toy){.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3}, 8000, false,
             &r);
    assert_uniform(&r);
    ranks_of(&(toy){.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.3}, 20000,
             false, &r);
    assert_uniform(&r);
    ranks_of(&(toy){.dim = 2,
                    .prior = TOY_UNIFORM,
                    .a = -1,
                    .b = 1,
                    .sigma = 0.05,
                    .mirrored = true},
             2000, false, &r);
    assert_uniform(&r);
}

/* Peaks of a sixth of a cell within wide posteriors are not missed. */
Test(grid_use, ranks_of_truths_in_hidden_peaks_are_uniform, .disabled = SANITIZED)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.02};
    t.spread = 15;
    ranks r;
    ranks_of(&t, 500, false, &r);
    assert_uniform(&r);
}

/* Truths in cells whose points lie beyond the edge are not outside all regions. */
Test(grid_use, ranks_at_a_hard_edge_are_uniform, .disabled = SANITIZED)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    t.positive = true;
    ranks r;
    ranks_of(&t, 2000, false, &r);
    assert_uniform(&r);
}

/* On the scale of the cells' densities, whatever the prior is cut by. */
Test(grid_use, standing_is_on_the_cells_scale)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .a = 0.3, .b = 2, .sigma = 0.4};
    static fixture f;
    grid g = {0};
    float x[2] = {0.5f, -0.1f};
    double theta[2] = {0.6, -0.2}, density;
    fixture_open(&f, &t);
    grid_at(&f, x, &g);
    cr_assert_eq(posterior_log_prior(&f.posterior, 1, theta, &density, NULL), NRE_OK);
    density += toy_log_likelihood(&t, theta, x) - toy_log_evidence(&t, x);
    cr_assert_float_eq(density - g.log_norm, grid_log_density(&g, theta), 1e-3);
    cr_assert_eq(grid_standing(-1, 1.9), -1);
    cr_assert_eq(grid_standing(-1, 2.1), 2.1);
    cr_assert_eq(grid_standing(-1, NAN), -1);
    cr_assert_eq(grid_standing(-INFINITY, -40), -40);
    grid_release(&g);
    fixture_close(&f);
}

/* With the nearest point in the truth's own cell, as under a uniform prior, snapping
 * counts nothing of that cell: on average half a cell too little, so that regions cover
 * too much. */
Test(grid_use, snapping_takes_whole_cells)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.1};
    static fixture f;
    grid g = {0};
    double below = 0;
    fixture_open(&f, &t);
    for (uint64_t i = 0; i < 200; i++) {
        rng r;
        double theta[2];
        float x[2];
        rng_start(&r, rng_purpose(12, "snap"), i, 0);
        toy_pair(&t, &r, theta, x);
        grid_at(&f, x, &g);
        cr_assert_eq(grid_rank(&g, theta, NAN, 0.7, true),
                     grid_rank(&g, theta, NAN, 0, false));
        below +=
            grid_rank(&g, theta, NAN, 0.5, false) - grid_rank(&g, theta, NAN, 0.5, true);
    }
    cr_assert(below / 200 > 0.003 && below / 200 < 0.05, "%g", below / 200);
    grid_release(&g);
    fixture_close(&f);
}

Test(grid_use, limits)
{
    static fixture f;
    grid g = {0};
    toy four = {.dim = 4, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1};
    fixture_open(&f, &four);
    fixture_observe(&f, 1, (float[]){0, 0, 0, 0});
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_ENOTSUP);
    fixture_close(&f);

    toy two = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.1};
    fixture_open(&f, &two);
    grid_at(&f, (float[]){0.2f, 0.1f}, &g);
    cr_assert_eq(grid_rank(&g, (double[]){0, 1.5}, NAN, 0.5, false), 1);
    cr_assert_eq(grid_log_density(&g, (double[]){0, 1.5}), -INFINITY);
    cr_assert_lt(grid_log_density(&g, (double[]){-0.99, 0.99}), -10);

    char folder[] = "/tmp/nereid-grid-XXXXXX", path[64];
    store *s = NULL;
    double cells, weight;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/grid.h5", folder);
    cr_assert_eq(grid_save(&g, &f.target, path), NRE_OK, "%s", error_message());
    cr_assert_eq(store_open(path, &s), NRE_OK);
    cr_assert_eq(store_get_real(s, "cells", &cells), NRE_OK);
    cr_assert_eq(cells, g.cells);
    double *all = memory_new(g.n, sizeof *all);
    cr_assert_eq(store_get(s, "weight", STORE_F64, g.n, all), NRE_OK);
    weight = all[g.n / 2];
    cr_assert_eq(weight, g.weight[g.n / 2]);
    free(all);
    store_close(s);
    unlink(path);
    rmdir(folder);
    grid_release(&g);
    fixture_close(&f);
}

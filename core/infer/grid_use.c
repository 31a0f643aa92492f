/* infer/grid_use.c - what a grid tells: marginals, ranks, densities, its file. */
#include "infer/infer.h"

#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* marginals */

static void average_others(const grid *g, uint32_t k, double *mass)
{
    for (uint32_t j = 0; j < g->dim; j++) {
        size_t stride = grid_stride(g, j);
        for (size_t i = 0; j != k && i < g->n; i++)
            if (i / stride % g->m == 0)
                grid_line_means(mass + i, g->m, stride);
    }
}

int grid_marginal(const grid *g, uint32_t k, double *value)
{
    const double *log_prior = g->edge + g->dim * (g->m + 1);
    double *mass = memory_new(g->n, sizeof *mass);
    if (!mass)
        return fail(NRE_ENOMEM, "no memory for a marginal of a grid");
    for (size_t i = 0; i < g->n; i++) {
        mass[i] = g->log_density[i];
        for (uint32_t j = 0; j < g->dim; j++)
            mass[i] -= log_prior[j * g->m + grid_digit(g, i, j)];
    }
    double most = gsl_stats_max(mass, 1, g->n);
    for (size_t i = 0; i < g->n; i++)
        mass[i] = exp(mass[i] - most);
    average_others(g, k, mass);
    memset(value, 0, g->m * sizeof *value);
    for (size_t i = 0; i < g->n; i++)
        value[grid_digit(g, i, k)] += mass[i];
    for (size_t i = 0; i < g->m; i++)
        value[i] = value[i] > 0 ? log(value[i]) : -INFINITY;
    free(mass);
    return NRE_OK;
}

/* use */

/* The cell of one axis that holds T; m when none does. */
static size_t axis_cell(const grid *g, uint32_t k, double t)
{
    const double *edge = g->edge + k * (g->m + 1);
    size_t low = 0, high = g->m;
    if (!(t >= edge[0] && t <= edge[g->m]))
        return g->m;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(t < edge[middle] ? &high : &low) = middle;
    }
    return low;
}

static size_t axis_nearest(const grid *g, uint32_t k, double t)
{
    const double *point = g->axis + k * g->m;
    size_t i = axis_cell(g, k, t);
    if (i == g->m)
        return i;
    if (i > 0 && t - point[i - 1] < fabs(point[i] - t))
        return i - 1;
    if (i + 1 < g->m && point[i + 1] - t < fabs(point[i] - t))
        return i + 1;
    return i;
}

size_t grid_cell(const grid *g, const double *theta, bool nearest)
{
    size_t cell = 0;
    for (uint32_t k = 0; k < g->dim; k++) {
        size_t i = nearest ? axis_nearest(g, k, theta[k]) : axis_cell(g, k, theta[k]);
        if (i == g->m)
            return g->n;
        cell = cell * g->m + i;
    }
    return cell;
}

double grid_standing(double of_cell, double own)
{
    return own > of_cell + GRID_STEEPEST ? own : of_cell;
}

double grid_rank(const grid *g, const double *theta, double density, double v, bool snap)
{
    size_t cell = grid_cell(g, theta, snap);
    double denser = 0, equal = 0;
    if (cell == g->n)
        return 1;
    double at = snap ? g->log_density[cell]
                     : grid_standing(g->log_density[cell], density - g->log_norm);
    if (at == -INFINITY)
        return 1;
    for (size_t i = 0; i < g->n; i++) {
        if (g->log_density[i] > at)
            denser += g->weight[i];
        else if (g->log_density[i] == at)
            equal += g->weight[i];
    }
    return (snap ? denser : denser + v * equal) / (1 - g->beyond);
}

/* Change of the log mass from the point of CELL to T along axis K, by a parabola through
 * three points; beyond the last point of an infinite support it stays as there. */
static double parabola(const grid *g, uint32_t k, size_t cell, double t)
{
    const marginal *one = target_marginal(g->target, k);
    const double *point = g->axis + k * g->m, *edge = g->edge + k * (g->m + 1);
    size_t stride = grid_stride(g, k), at = cell / stride % g->m;
    size_t first = at == 0 ? 0 : at + 1 == g->m ? g->m - 3 : at - 1;
    double y[3], x[3];
    for (size_t j = 0; j < 3; j++) {
        x[j] = point[first + j];
        y[j] = g->log_density[cell + (first + j) * stride - at * stride] -
               cell_log_prior(one, x[j]);
        if (!isfinite(y[j]))
            return 0;
    }
    if (isinf(edge[0]))
        t = fmax(t, point[0]);
    if (isinf(edge[g->m]))
        t = fmin(t, point[g->m - 1]);
    double slope = (y[1] - y[0]) / (x[1] - x[0]);
    double bend = ((y[2] - y[1]) / (x[2] - x[1]) - slope) / (x[2] - x[0]);
    double at_t = y[0] + (t - x[0]) * (slope + (t - x[1]) * bend);
    return at_t - y[at - first];
}

/* Outside the box, where mass was not worth a cell, log r is that at its border. */
double grid_log_density(const grid *g, const double *theta)
{
    double within[GRID_MOST_DIM] = {0}, lo, hi;
    for (uint32_t k = 0; k < g->dim; k++) {
        const double *edge = g->edge + k * (g->m + 1);
        marginal_support(target_marginal(g->target, k), &lo, &hi);
        if (!(theta[k] >= lo && theta[k] <= hi))
            return -INFINITY;
        within[k] = fmin(fmax(theta[k], edge[0]), edge[g->m]);
    }
    size_t cell = grid_cell(g, within, false);
    double sum = g->log_density[cell];
    for (uint32_t k = 0; k < g->dim; k++) {
        const marginal *one = target_marginal(g->target, k);
        double point = g->axis[k * g->m + grid_digit(g, cell, k)];
        sum += cell_log_prior(one, theta[k]) - cell_log_prior(one, point);
        sum += parabola(g, k, cell, within[k]);
    }
    return sum;
}

static int save_arrays(store *s, const grid *g)
{
    uint64_t axis[] = {g->dim, g->m}, edge[] = {g->dim, g->m + 1},
             cells[] = {g->m, g->m, g->m};
    struct {
        const char *name;
        unsigned rank;
        const uint64_t *dim;
        const double *data;
    } array[] = {{"axis", 2, axis, g->axis},
                 {"edge", 2, edge, g->edge},
                 {"log_ratio", g->dim, cells, g->log_ratio},
                 {"weight", g->dim, cells, g->weight},
                 {"log_density", g->dim, cells, g->log_density}};
    int status = NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < sizeof array / sizeof array[0]; i++)
        status = store_put(s, array[i].name, STORE_F64, array[i].rank, array[i].dim,
                           array[i].data);
    return status;
}

int grid_save(const grid *g, const target *t, const char *path)
{
    store *s = NULL;
    int status = store_create(path, &s);
    if (status == NRE_OK)
        status = save_arrays(s, g);
    if (status == NRE_OK)
        status = store_put_text(s, "target", t->name);
    if (status == NRE_OK)
        status = store_put_real(s, "log_area", g->log_area);
    if (status == NRE_OK)
        status = store_put_real(s, "cells", g->cells);
    if (status == NRE_OK)
        return store_commit(s);
    store_close(s);
    return status;
}

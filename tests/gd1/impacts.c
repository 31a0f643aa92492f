/* impacts.c - golden data for impacts. */
#include "impacts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static npy read_golden(const char *name, const char *age)
{
    char path[512];
    npy a;
    snprintf(path, sizeof path, "%s/%s_age%s.npy", TEST_GOLDEN, name, age);
    cr_assert_eq(npy_read(path, &a), 0, "%s", error_message());
    return a;
}

/* Rows of k, X, Y, Z, VX, VY, VZ, G_x, G_y, G_z. */
static void take_points(golden *g, const npy *rows)
{
    for (size_t i = 0; i < rows->dim[0]; i++) {
        const double *row = (const double *)rows->data + 10 * i;
        size_t k = (size_t)row[0] - 1;
        points *p = &g->points[k];
        if (!g->columns[k])
            g->columns[k] = calloc(9 * GOLDEN_POINTS, sizeof(double));
        for (size_t c = 0; c < 9; c++)
            g->columns[k][c * GOLDEN_POINTS + p->n] = row[1 + c];
        *p = (points){p->n + 1, GOLDEN_POINTS, g->columns[k],
                      g->columns[k] + 3 * GOLDEN_POINTS,
                      g->columns[k] + 6 * GOLDEN_POINTS};
    }
}

void golden_open(golden *g, const char *age)
{
    *g = (golden){.age = atof(age)};
    g->smooth = smooth_of(0.1145563362768931, 6, g->age * GD1_GYR);
    npy rows = read_golden("impact_points", age);
    take_points(g, &rows);
    npy_free(&rows);
    g->impacts = read_golden("subhalo_impacts", age);
    g->kicks = read_golden("impact_kicks", age);
    g->density = read_golden("impact_density", age);
}

void golden_close(golden *g)
{
    for (size_t k = 0; k < GOLDEN_TIMES; k++)
        free(g->columns[k]);
    npy_free(&g->impacts);
    npy_free(&g->kicks);
    npy_free(&g->density);
}

static double time_at(size_t k)
{
    return (double)(k + 1) / 64 * GD1_GYR;
}

double golden_length(const golden *g, size_t k)
{
    return 10 * g->smooth.sigma * (g->smooth.age - time_at(k));
}

/* The track is cubic between chunks, of which there is one for 30 points: four points of the same
 * piece tell it. */
void golden_track(const golden *g, size_t k, double a, double out[6])
{
    const points *p = &g->points[k];
    size_t pieces = p->n / 30 - 1,
           piece = (size_t)(a / golden_length(g, k) * (double)pieces);
    double at = a / golden_length(g, k) * (double)(p->n - 1);
    size_t first = (piece * (p->n - 1) + pieces - 1) / pieces, node[4];
    for (size_t i = 0; i < 4; i++)
        node[i] = first + 9 * i;
    memset(out, 0, 6 * sizeof *out);
    for (size_t i = 0; i < 4; i++) {
        double weight = 1;
        for (size_t j = 0; j < 4; j++)
            if (j != i)
                weight *= (at - (double)node[j]) / ((double)node[i] - (double)node[j]);
        for (size_t c = 0; c < 6; c++)
            out[c] += weight * g->columns[k][c * GOLDEN_POINTS + node[i]];
    }
}

size_t golden_impacts(const golden *g, size_t configuration, impact out[GOLDEN_TIMES])
{
    size_t n = 0;
    for (size_t i = 0; i < g->impacts.dim[0]; i++) {
        const double *row = (const double *)g->impacts.data + 9 * i;
        if ((size_t)row[0] != configuration)
            continue;
        out[n++] = (impact){
            .time = (size_t)row[1] - 1,
            .angle = row[2],
            .mass = row[3] * GD1_MSUN,
            .radius = row[4] * GD1_KPC,
            .parameter = row[5] * GD1_KPC,
            .velocity = {row[6] * GD1_KM_S, row[7] * GD1_KM_S, row[8] * GD1_KM_S}};
    }
    return n;
}

size_t golden_kicks(const golden *g, size_t n, const impact *impacts,
                    kick out[GOLDEN_TIMES], double value[GOLDEN_TIMES][GOLDEN_POINTS])
{
    double dv[3 * GOLDEN_POINTS], point[6];
    size_t found = 0;
    for (size_t k = 0; k < GOLDEN_TIMES; k++) {
        bool any = false;
        memset(dv, 0, sizeof dv);
        for (size_t i = 0; i < n; i++) {
            if (impacts[i].time != k)
                continue;
            golden_track(g, k, impacts[i].angle, point);
            kick_add(&g->points[k], &impacts[i], point, dv);
            any = true;
        }
        if (!any)
            continue;
        kick_frequencies(&g->points[k], dv, value[found]);
        out[found] =
            (kick){time_at(k), golden_length(g, k), g->points[k].n, value[found]};
        found++;
    }
    return found;
}

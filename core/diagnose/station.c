/* diagnose/station.c - what one thread works with: test rows, their truth, a posterior.
 */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void station_clear(station *t)
{
    cloud_release(&t->cloud);
    grid_release(&t->grid);
    observed_free(t->observed);
    ratio_worker_free(t->worker);
    free(t->index);
    free(t->x);
    free(t->full);
}

void stations_free(const subject *s, station *t)
{
    for (unsigned i = 0; t && i < pool_threads(s->pool); i++)
        station_clear(&t[i]);
    free(t);
}

static int station_init(const subject *s, station *t)
{
    const ratio *r = s->posterior->ratio;
    size_t d = ratio_target(r)->n;
    int status = ratio_worker_new(r, &t->worker);

    if (!status)
        status = observed_new(r, &t->observed);
    if (status)
        return status;
    t->index = memory_new(STATION_ROWS, sizeof *t->index);
    t->x = memory_new(STATION_ROWS * s->test->n_x, sizeof *t->x);
    t->full = memory_new(STATION_ROWS * (s->test->n_theta + d + 2), sizeof *t->full);
    if (!t->index || !t->x || !t->full)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    t->theta = t->full + STATION_ROWS * s->test->n_theta;
    t->log_ratio = t->theta + STATION_ROWS * d;
    t->log_density = t->log_ratio + STATION_ROWS;
    return NRE_OK;
}

int stations_new(const subject *s, station **out)
{
    unsigned n = pool_threads(s->pool);
    int status = NRE_OK;

    *out = memory_new(n, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    if (ratio_n_x(s->posterior->ratio) != s->test->n_x)
        status = fail(NRE_EDATA, "a test row has %zu values of x, the ratio takes %zu",
                      s->test->n_x, ratio_n_x(s->posterior->ratio));
    for (unsigned i = 0; i < n && !status; i++)
        status = station_init(s, &(*out)[i]);
    if (status) {
        stations_free(s, *out);
        *out = NULL;
    }
    return status;
}

int station_load(const subject *s, station *t, unsigned worker, uint64_t first, size_t n)
{
    const ratio *r = s->posterior->ratio;

    for (size_t i = 0; i < n; i++)
        t->index[i] = first + i;
    int status = s->test->rows(s->test, worker, 0, n, t->index, t->full, t->x);
    if (status)
        return status;
    target_columns(ratio_target(r), n, t->full, t->theta);
    status = ratio_observe(r, t->worker, n, t->x, t->observed);
    if (!status)
        status = ratio_evaluate(r, t->worker, t->observed, 0, n, 1, t->theta,
                                t->log_ratio, NULL);
    if (!status)
        status = posterior_log_prior(s->posterior, n, t->theta, t->log_density, NULL);
    for (size_t i = 0; i < n && !status; i++)
        t->log_density[i] += t->log_ratio[i];
    return status
               ? fail_within(status, "test rows %llu to %llu", (unsigned long long)first,
                             (unsigned long long)(first + n - 1))
               : NRE_OK;
}

static int on_grid(const subject *s, station *t, const observed *o, size_t row)
{
    int status = grid_try(s->posterior, t->worker, o, row, 1, GRID_MIN_CELLS, &t->grid);

    t->on_grid = !status;
    if (!status) {
        t->log_area = t->grid.log_area;
        t->missing = !(t->grid.cells >= GRID_MIN_CELLS);
    }
    return status;
}

int station_posterior(const subject *s, station *t, const observed *o, size_t row, rng *r)
{
    /* Cells would not follow the hard edges of a truncated prior. */
    int status = s->posterior->truncation ? NRE_ENOTSUP : on_grid(s, t, o, row);

    if (status != NRE_ENOTSUP)
        return status;
    t->on_grid = false;
    status = cloud_of(s->posterior, t->worker, o, row, 1, &t->plan, r, &t->cloud);
    if (!status) {
        t->log_area = t->cloud.log_area;
        t->missing = !(t->cloud.effective >= CLOUD_MIN_EFFECTIVE);
    }
    return status;
}

/* Uniform in prior mass within a cell. */
static void draw_in_cell(const grid *g, size_t cell, rng *r, double *theta)
{
    const target *t = g->target;

    for (uint32_t k = g->dim; k-- > 0; cell /= g->m) {
        double at = ((double)(cell % g->m) + rng_uniform(r)) / (double)g->m;
        double mass = g->box[k][0] + at * (g->box[k][1] - g->box[k][0]);
        theta[k] = cell_quantile(&t->prior->of[t->which[k]], mass);
    }
}

void posterior_draws(const grid *g, const cloud *c, size_t n, rng *r, double *theta)
{
    const double *weight = g ? g->weight : c->weight;
    size_t dim = g ? g->dim : c->dim, points = g ? g->n : c->n, at = 0;
    double step = 1 / (double)n, goal = step * rng_uniform(r), sum = weight[0];

    for (size_t i = 0; i < n; i++, goal += step) {
        while (sum < goal && at + 1 < points)
            sum += weight[++at];
        if (g)
            draw_in_cell(g, at, r, theta + i * dim);
        else
            memcpy(theta + i * dim, c->theta + at * dim, dim * sizeof *theta);
    }
}

double fraction_below(size_t n, const double *sorted, double value)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return n > 0 ? (double)low / (double)n : NAN;
}

int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

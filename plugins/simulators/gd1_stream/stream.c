/* stream.c - one simulation: impacts, kicks, density along the stream, what is seen of it (Bovy,
 * Erkal & Sanders 2017, MNRAS 466, 628; the bins in phi1 are those of Hermans et al. 2020). */
#include "gd1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POSITION = 0, VELOCITY = 3, GAIN = 6 };

struct stream_space {
    impact impacts[MOST_IMPACTS];
    double row[POINTS]; /* of the table, at one age */
    size_t first[MOST_POINTS];
    double cubic[MOST_POINTS][4];
    double point[COLUMNS][MOST_POINTS];
    double velocity[3][MOST_POINTS]; /* kicks of one time */
    double value[TIMES][MOST_POINTS];
    kick kicks[TIMES];
    density_space density;
};

stream_space *stream_space_new(void)
{
    return calloc(1, sizeof(stream_space));
}

void stream_space_free(stream_space *space)
{
    if (space)
        density_space_release(&space->density);
    free(space);
}

/* A stream of one age, between the ages of the table. */
typedef struct aged {
    const model *model;
    smooth smooth;
    double age; /* Gyr */
    double weight[NODES];
} aged;

static aged aged_of(const model *m, double age)
{
    aged a = {.model = m, .age = age};
    a.smooth = smooth_of(m->table->progenitor.spread_age, m->plan.offsets, age * GD1_GYR);
    table_weights(m->table, age, a.weight);
    return a;
}

static double time_of(const aged *a, size_t k)
{
    return table_time(&a->model->plan, a->age, k);
}

static double length_at(const aged *a, size_t k)
{
    return a->smooth.reach * (a->smooth.age - time_of(a, k));
}

/* Cubic through the four of N equidistant nodes around AT, which is in units of them. */
static size_t cubic_weights(size_t n, double at, double weight[4])
{
    double first = floor(at) - 1;
    first = first < 0 ? 0 : first > (double)n - 4 ? (double)n - 4 : first;
    double u = at - first;
    weight[0] = -(u - 1) * (u - 2) * (u - 3) / 6;
    weight[1] = u * (u - 2) * (u - 3) / 2;
    weight[2] = -u * (u - 1) * (u - 3) / 2;
    weight[3] = u * (u - 1) * (u - 2) / 6;
    return (size_t)first;
}

/* Sum over nodes of ages and points of one row of the table. */
static double mix(const double by_age[NODES], const double *const row[NODES],
                  size_t first, const double by_point[4])
{
    double sum = 0;
    for (size_t i = 0; i < NODES; i++)
        for (size_t j = 0; j < 4; j++)
            sum += by_age[i] * by_point[j] * row[i][first + j];
    return sum;
}

static uint32_t chunks_at(const aged *a, size_t k)
{
    return table_chunks(&a->model->plan, &a->model->table->progenitor, a->age, k);
}

static const track_table *track_of(const aged *a, size_t k)
{
    return table_track(a->model->table, k, chunks_at(a, k));
}

/* Where the stream is, and how it moves, at a parallel angle at time k. */
static void track_point(const aged *a, size_t k, double angle, double out[6])
{
    double by_point[4];
    size_t first =
        cubic_weights(POINTS, angle / length_at(a, k) * (POINTS - 1), by_point);
    const track_table *t = track_of(a, k);
    for (size_t c = 0; c < 6; c++) {
        const double *row[NODES];
        for (size_t i = 0; i < NODES; i++)
            row[i] = t->point[i][c];
        out[c] = mix(a->weight, row, first, by_point);
    }
}

/* impacts */

static size_t draw_time(const aged *a, double u)
{
    size_t k = 0;
    for (; k + 1 < TIMES; k++) {
        double share = 0;
        for (size_t i = 0; i < NODES; i++)
            share += a->weight[i] * a->model->table->node[i].share[k];
        if (u < share)
            break;
        u -= share;
    }
    return k;
}

/* Uniform along the stream. */
static double draw_angle(const aged *a, size_t k, double u)
{
    double by_point[4];
    size_t first = cubic_weights(ARC_NODES, u * (ARC_NODES - 1), by_point);
    const double *row[NODES];
    for (size_t i = 0; i < NODES; i++)
        row[i] = a->model->table->node[i].arc[k];
    return mix(a->weight, row, first, by_point);
}

static void draw_impact(const aged *a, double m_wdm, nre_rng *rng, impact *out)
{
    double point[6];
    out->time = draw_time(a, rng->uniform(rng));
    out->angle = draw_angle(a, out->time, rng->uniform(rng));
    track_point(a, out->time, out->angle, point);
    draw_subhalo(m_wdm, point + 3, rng, out);
}

/* kicks */

static void mix_row(const aged *a, const track_table *t, size_t column,
                    double row[POINTS])
{
    for (size_t j = 0; j < POINTS; j++) {
        double sum = 0;
        for (size_t i = 0; i < NODES; i++)
            sum += a->weight[i] * t->point[i][column][j];
        row[j] = sum;
    }
}

/* The points of the stream at time k, as many as the original has there. */
static points points_at(const aged *a, size_t k, stream_space *space)
{
    const track_table *t = track_of(a, k);
    size_t n = FINE_PER_CHUNK * chunks_at(a, k);
    for (size_t j = 0; j < n; j++)
        space->first[j] = cubic_weights(
            POINTS, (double)j * (POINTS - 1) / (double)(n - 1), space->cubic[j]);
    for (size_t c = 0; c < COLUMNS; c++) {
        mix_row(a, t, c, space->row);
        for (size_t j = 0; j < n; j++) {
            const double *at = space->row + space->first[j], *w = space->cubic[j];
            space->point[c][j] =
                w[0] * at[0] + w[1] * at[1] + w[2] * at[2] + w[3] * at[3];
        }
    }
    return (points){.n = n,
                    .stride = MOST_POINTS,
                    .position = space->point[POSITION],
                    .velocity = space->point[VELOCITY],
                    .gain = space->point[GAIN]};
}

/* Of all impacts at time k; returns the number of knots, 0 when there is none. */
static size_t kick_at(const aged *a, size_t k, size_t n, const impact *impacts,
                      stream_space *space, double value[MOST_POINTS])
{
    points s = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        double point[6];
        if (impacts[i].time != k)
            continue;
        if (s.n == 0) {
            s = points_at(a, k, space);
            memset(space->velocity, 0, sizeof space->velocity);
        }
        track_point(a, k, impacts[i].angle, point);
        kick_add(&s, &impacts[i], point, &space->velocity[0][0]);
    }
    if (s.n > 0)
        kick_frequencies(&s, &space->velocity[0][0], value);
    return s.n;
}

static size_t kicks_of(const aged *a, size_t n, const impact *impacts,
                       stream_space *space)
{
    size_t found = 0;
    for (size_t k = 0; k < TIMES; k++) {
        double *value = space->value[found];
        size_t knots = kick_at(a, k, n, impacts, space, value);
        if (knots > 0)
            space->kicks[found++] = (kick){time_of(a, k), length_at(a, k), knots, value};
    }
    return found;
}

/* what is seen */

static double seen_at(const aged *a, size_t i, double frequency)
{
    double at[3] = {0}; /* R, z, phi */
    for (size_t j = 0; j < NODES; j++) {
        const age_table *node = &a->model->table->node[j];
        for (size_t c = 0; c < 3; c++)
            at[c] += a->weight[j] * (node->base[i][c] + frequency * node->slope[i][c]);
    }
    return phi1_of((double[]){at[0] * cos(at[2]), at[0] * sin(at[2]), at[1]});
}

static bool monotonic(const double phi1[ANGLES])
{
    bool rises = phi1[1] > phi1[0];
    for (size_t i = 0; i + 1 < ANGLES; i++)
        if (rises ? !(phi1[i + 1] > phi1[i]) : !(phi1[i + 1] < phi1[i]))
            return false;
    return true;
}

/* Edges half-way between neighbours, the outer ones mirrored. */
static void see(const aged *a, stream *out)
{
    for (size_t i = 0; i < ANGLES; i++)
        out->phi1[i] = seen_at(a, i, out->frequency[i]);
    for (size_t i = 0; i < ANGLES; i++) {
        double before = out->phi1[i > 0 ? i : 1] - out->phi1[i > 0 ? i - 1 : 0];
        double after =
            out->phi1[i + 1 < ANGLES ? i + 1 : i] - out->phi1[i + 1 < ANGLES ? i : i - 1];
        out->observed[i] = out->density[i] * 0.01 / fabs(0.5 * (before + after));
    }
}

static int propagate(const aged *a, size_t n, const impact *impacts, stream_space *space,
                     stream *out)
{
    double angle[ANGLES];
    for (size_t i = 0; i < ANGLES; i++)
        angle[i] = 0.01 * (double)(i + 1);
    size_t n_kicks = kicks_of(a, n, impacts, space);
    out->n_impacts = n;
    int status = density_at(&a->smooth, n_kicks, space->kicks, a->model->exact, ANGLES,
                            angle, out->density, out->frequency, &space->density);
    if (status != NRE_OK)
        return status;
    see(a, out);
    return monotonic(out->phi1) ? NRE_OK : NRE_ENUMERIC;
}

int stream_of(const model *m, double age, size_t n, const impact *impacts,
              stream_space *space, stream *out)
{
    aged a = aged_of(m, age);
    return propagate(&a, n, impacts, space, out);
}

int stream_draw(const model *m, double m_wdm, double age, nre_rng *rng,
                stream_space *space, stream *out, const impact **impacts)
{
    const progenitor *p = &m->table->progenitor;
    aged a = aged_of(m, age);
    double rate = age * encounters_per_gyr(m_wdm, p->spread_age, m->plan.offsets,
                                           p->mean_radius, m->radius);
    double number = 2 * rate < MOST_IMPACTS ? poisson_draw(rate, rng) : INFINITY;
    if (!(number <= MOST_IMPACTS))
        return NRE_EINVAL;
    out->n_impacts = (size_t)number;
    for (size_t i = 0; i < out->n_impacts; i++)
        draw_impact(&a, m_wdm, rng, &space->impacts[i]);
    if (impacts)
        *impacts = space->impacts;
    return propagate(&a, out->n_impacts, space->impacts, space, out);
}

/* track.c - where the mean of the stream lies in configuration space at some time (Bovy 2014, ApJ
 * 795, 95, section 3), and how kicks and frequency offsets move it (Sanders, Bovy & Erkal 2016,
 * MNRAS 457, 3817, section 3). */
#include "gd1.h"

#include <stdlib.h>
#include <string.h>

/* the cubic spline */

/* Tridiagonal equations of the inner second derivatives; at either end the outermost one is the
 * straight line through the next two, as the third derivative does not jump there. */
int spline_fit(size_t n, const double *x, const double *y, double *second)
{
    if (n < 4)
        return NRE_EINVAL;
    double *above = malloc(n * sizeof *above);
    if (!above)
        return NRE_ENOMEM;
    size_t last = n - 2;
    above[0] = second[0] = 0;
    for (size_t i = 1; i <= last; i++) {
        double left = x[i] - x[i - 1], right = x[i + 1] - x[i];
        double below = left, diagonal = 2 * (left + right), beyond = right;
        if (i == 1)
            diagonal += left + left * left / right, beyond -= left * left / right,
                below = 0;
        if (i == last)
            diagonal += right + right * right / left, below -= right * right / left;
        double jump = (y[i + 1] - y[i]) / right - (y[i] - y[i - 1]) / left;
        double pivot = diagonal - below * above[i - 1];
        above[i] = beyond / pivot;
        second[i] = (6 * jump - below * second[i - 1]) / pivot;
    }
    for (size_t i = last; i-- > 1;)
        second[i] -= above[i] * second[i + 1];
    double first = (x[1] - x[0]) / (x[2] - x[1]);
    double end = (x[n - 1] - x[last]) / (x[last] - x[last - 1]);
    second[0] = second[1] + first * (second[1] - second[2]);
    second[n - 1] = second[last] + end * (second[last] - second[last - 1]);
    free(above);
    return 0;
}

/* How a spline's value is made of the ordinates and second derivatives at FIRST and the next. */
typedef struct segment {
    size_t first;
    double value[2], second[2];
} segment;

static size_t interval_of(size_t n, const double *x, double at)
{
    size_t low = 0, high = n - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (at < x[middle])
            high = middle;
        else
            low = middle;
    }
    return low;
}

static segment segment_at(size_t n, const double *x, double at)
{
    size_t i = interval_of(n, x, at);
    double h = x[i + 1] - x[i], b = (at - x[i]) / h, a = 1 - b;
    return (segment){
        .first = i,
        .value = {a, b},
        .second = {(a * a * a - a) * h * h / 6, (b * b * b - b) * h * h / 6}};
}

/* The same for its derivative, in the interval I. */
static segment slope_segment(const double *x, size_t i, double at)
{
    double h = x[i + 1] - x[i], b = (at - x[i]) / h, a = 1 - b;
    return (segment){.first = i,
                     .value = {-1 / h, 1 / h},
                     .second = {-(3 * a * a - 1) * h / 6, (3 * b * b - 1) * h / 6}};
}

double spline_at(size_t n, const double *x, const double *y, const double *second,
                 double at)
{
    segment s = segment_at(n, x, at);
    return s.value[0] * y[s.first] + s.value[1] * y[s.first + 1] +
           s.second[0] * second[s.first] + s.second[1] * second[s.first + 1];
}

/* The first N coordinates of the track, or of its slope. */
static void segment_apply(const track *t, const segment *s, size_t n, double *out)
{
    const double *here = t->chunk + 6 * s->first, *next = here + 6;
    for (size_t i = 0; i < n; i++) {
        const double *second = t->second + i * t->n_chunks + s->first;
        out[i] = s->value[0] * here[i] + s->value[1] * next[i] +
                 s->second[0] * second[0] + s->second[1] * second[1];
    }
}

void track_at(const track *t, double a, double rectangular[6])
{
    segment s = segment_at(t->n_chunks, t->chunk_angle, a);
    segment_apply(t, &s, 6, rectangular);
}

/* the track */

size_t track_chunks(const smooth *s, double time)
{
    double chunks = floor(s->reach * (s->age - time) / 0.15) + 1;
    return chunks > 4 ? (size_t)chunks : 4;
}

static double along(const progenitor *p, const double frequency[3])
{
    const double *e = p->direction;
    return e[0] * frequency[0] + e[1] * frequency[1] + e[2] * frequency[2];
}

/* Mean frequencies and angles of the stars at parallel angle A, a time before today. */
static void mean_stars(const progenitor *p, const smooth *s, double time, double a,
                       double target[6])
{
    double mean = smooth_mean_frequency(s, s->age - time, a);
    for (size_t i = 0; i < 3; i++) {
        target[i] = p->of.frequency[i] + mean * p->direction[i];
        target[3 + i] = p->of.angle[i] - time * p->of.frequency[i] + a * p->direction[i];
    }
}

/* One step of Newton's method towards frequencies and angles; JACOBIAN is that before the step. */
static bool newton_step(const double target[6], orbit_space *space, double cylindrical[6],
                        double jacobian[6][6])
{
    action_angle at;
    double miss[6], step[6];
    action_angle_slopes(cylindrical, space, &at, jacobian, NULL);
    for (size_t i = 0; i < 3; i++) {
        miss[i] = target[i] - at.frequency[i];
        miss[3 + i] = angle_wrapped(target[3 + i] - at.angle[i]);
    }
    if (!solve_six(jacobian, miss, step))
        return false;
    for (size_t i = 0; i < 6; i++)
        cylindrical[i] += step[i];
    return true;
}

/* A point near the progenitor at TIME with the mean frequencies of stars that just left it, and how
 * long its orbit takes from chunk to chunk. */
static int auxiliary_orbit(const progenitor *p, const smooth *s, const track *t,
                           orbit_space *space, double point[6], double *interval)
{
    double cylindrical[6], target[6], jacobian[6][6];
    action_angle of;
    memcpy(point, p->today, 6 * sizeof *point);
    orbit_move(point, -t->time);
    cylindrical_of(point, cylindrical);
    mean_stars(p, s, t->time, 0, target);
    if (!newton_step(target, space, cylindrical, jacobian))
        return NRE_ENUMERIC;
    action_angle_of(cylindrical, space, &of);
    rectangular_of(cylindrical, point);
    *interval = t->length / fabs(along(p, of.frequency)) / (double)(t->n_chunks - 1);
    return 0;
}

/* Chunks from guesses along one orbit, corrected twice: the stream is a degree or two off it. */
static int chunks_find(const progenitor *p, const smooth *s, orbit_space *space, track *t)
{
    double guess[6], interval;
    int status = auxiliary_orbit(p, s, t, space, guess, &interval);
    for (size_t k = 0; status == 0 && k < t->n_chunks; k++) {
        double cylindrical[6], target[6], jacobian[6][6];
        t->chunk_angle[k] = t->length * (double)k / (double)(t->n_chunks - 1);
        mean_stars(p, s, t->time, t->chunk_angle[k], target);
        cylindrical_of(guess, cylindrical);
        for (int round = 0; round < 2; round++)
            if (!newton_step(target, space, cylindrical, jacobian))
                return NRE_ENUMERIC;
        rectangular_of(cylindrical, t->chunk + 6 * k);
        memcpy(t->chunk_jacobian + 36 * k, jacobian, sizeof jacobian);
        orbit_move(guess, -interval);
    }
    return status;
}

static int splines_fit(track *t)
{
    double *y = calloc(t->n_chunks, sizeof *y);
    int status = y ? 0 : NRE_ENOMEM;
    for (size_t i = 0; status == 0 && i < 6; i++) {
        for (size_t k = 0; k < t->n_chunks; k++)
            y[k] = t->chunk[6 * k + i];
        status = spline_fit(t->n_chunks, t->chunk_angle, y, t->second + i * t->n_chunks);
    }
    free(y);
    return status;
}

/* Parallel angle of a point of the fine track. */
static double fine_angle(const track *t, size_t i)
{
    return t->length * (double)i / (double)(t->n - 1);
}

/* All arrays are parts of one, which begins with chunk_angle. */
static int track_allocate(size_t n_chunks, track *out)
{
    if (n_chunks < 4)
        return NRE_EINVAL;
    size_t n = FINE_PER_CHUNK * n_chunks;
    double *block = calloc((1 + 6 + 36 + 6) * n_chunks + 6 * n, sizeof *block);
    if (!block)
        return NRE_ENOMEM;
    out->n_chunks = n_chunks, out->n = n;
    out->chunk_angle = block;
    out->chunk = out->chunk_angle + n_chunks;
    out->chunk_jacobian = out->chunk + 6 * n_chunks;
    out->second = out->chunk_jacobian + 36 * n_chunks;
    out->fine = out->second + 6 * n_chunks;
    return 0;
}

int track_build(const progenitor *p, const smooth *s, double time, size_t n_chunks,
                orbit_space *space, track *out)
{
    *out = (track){.time = time, .length = s->reach * (s->age - time)};
    int status = track_allocate(n_chunks, out);
    status = status ? status : chunks_find(p, s, space, out);
    status = status ? status : splines_fit(out);
    for (size_t i = 0; status == 0 && i < out->n; i++)
        track_at(out, fine_angle(out, i), out->fine + 6 * i);
    if (status)
        track_release(out);
    return status;
}

void track_release(track *t)
{
    free(t->chunk_angle);
    *t = (track){0};
}

/* between chunks */

/* The chunk nearest to something, the nearer one of its neighbours, and the weight of that. */
typedef struct blend {
    size_t near, next;
    double weight;
} blend;

/* From the distances of chunk NEAR and of those before and after it, infinite where none is. */
static blend blend_of(size_t near, double before, double here, double after)
{
    bool down = before < after;
    return (blend){.near = near,
                   .next = down ? near - 1 : near + 1,
                   .weight = here / (here + (down ? before : after))};
}

static double distance_to(const track *t, size_t chunk, const double position[3])
{
    const double *x = t->chunk + 6 * chunk;
    return sqrt((x[0] - position[0]) * (x[0] - position[0]) +
                (x[1] - position[1]) * (x[1] - position[1]) +
                (x[2] - position[2]) * (x[2] - position[2]));
}

static blend blend_in_space(const track *t, const double position[3])
{
    size_t near = 0;
    double least = INFINITY;
    for (size_t k = 0; k < t->n_chunks; k++) {
        double distance = distance_to(t, k, position);
        if (distance < least)
            near = k, least = distance;
    }
    double before = near > 0 ? distance_to(t, near - 1, position) : INFINITY;
    double after = near + 1 < t->n_chunks ? distance_to(t, near + 1, position) : INFINITY;
    return blend_of(near, before, least, after);
}

static blend blend_in_angle(const track *t, double a)
{
    double step = t->length / (double)(t->n_chunks - 1);
    double last = (double)(t->n_chunks - 1);
    double near = fmin(fmax(round(a / step), 0), last);
    double before = near > 0 ? fabs(a - (near - 1) * step) : INFINITY;
    double after = near < last ? fabs((near + 1) * step - a) : INFINITY;
    return blend_of((size_t)near, before, fabs(a - near * step), after);
}

/* Parallel part of dOmega/d(vR, vT, vz), turned to rectangular velocities. */
void track_gain(const track *t, const progenitor *p, const double rectangular[6],
                double out[3])
{
    static const size_t column[3] = {1, 2, 4};
    blend b = blend_in_space(t, rectangular);
    const double *near = t->chunk_jacobian + 36 * b.near;
    const double *next = t->chunk_jacobian + 36 * b.next;
    double gain[3];
    for (size_t j = 0; j < 3; j++) {
        double slope[3];
        for (size_t i = 0; i < 3; i++) {
            size_t at = 6 * i + column[j];
            slope[i] = (1 - b.weight) * near[at] + b.weight * next[at];
        }
        gain[j] = along(p, slope);
    }
    double radius = hypot(rectangular[0], rectangular[1]);
    double c = rectangular[0] / radius, s = rectangular[1] / radius;
    out[0] = gain[0] * c - gain[1] * s;
    out[1] = gain[0] * s + gain[1] * c;
    out[2] = gain[2];
}

/* Adds WEIGHT times R, z and phi of the inverse Jacobian of a chunk times a vector. */
static void inverse_add(const track *t, size_t chunk, double weight,
                        const double vector[6], double out[3])
{
    double jacobian[6][6], x[6] = {0};
    memcpy(jacobian, t->chunk_jacobian + 36 * chunk, sizeof jacobian);
    bool solved = solve_six(jacobian, vector, x);
    const double position[3] = {x[0], x[3], x[5]};
    for (size_t i = 0; i < 3; i++)
        out[i] += solved ? weight * position[i] : NAN;
}

/* Linear about the nearest point of the fine track. */
void track_today(const track *t, const progenitor *p, const smooth *s, double a,
                 double base[3], double slope[3])
{
    double last = (double)(t->n - 1);
    double fine = fmin(fmax(round(a / t->length * last), 0), last);
    double beside = a - fine_angle(t, (size_t)fine);
    double mean = smooth_mean_frequency(s, s->age - t->time, a - beside);
    double cylindrical[6], offset[6], unit[6] = {0};
    cylindrical_of(t->fine + 6 * (size_t)fine, cylindrical);
    base[0] = cylindrical[0], base[1] = cylindrical[3], base[2] = cylindrical[5];
    slope[0] = slope[1] = slope[2] = 0;
    for (size_t i = 0; i < 3; i++) {
        unit[i] = p->direction[i];
        offset[i] = -mean * p->direction[i];
        offset[3 + i] = beside * p->direction[i];
    }
    blend b = blend_in_angle(t, a);
    inverse_add(t, b.near, 1 - b.weight, offset, base);
    inverse_add(t, b.next, b.weight, offset, base);
    inverse_add(t, b.near, 1 - b.weight, unit, slope);
    inverse_add(t, b.next, b.weight, unit, slope);
}

/* arc lengths */

/* Distance along the track between two angles of the interval I, by Gauss's rule of five points. */
static double arc_within(const track *t, size_t i, double from, double to)
{
    static const double node[3] = {0, 0.5384693101056831, 0.9061798459386640};
    static const double weight[3] = {0.5688888888888889, 0.4786286704993665,
                                     0.2369268850561891};
    double middle = (from + to) / 2, half = (to - from) / 2, sum = 0;
    for (int k = -2; k <= 2; k++) {
        double at = middle + (k < 0 ? -half : half) * node[abs(k)], v[3];
        segment s = slope_segment(t->chunk_angle, i, at);
        segment_apply(t, &s, 3, v);
        sum += weight[abs(k)] * sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    }
    return half * sum;
}

void track_arc(const track *t, size_t n, const double *at, double *out)
{
    double from = 0, length = 0;
    size_t i = 0;
    for (size_t k = 0; k < n; k++) {
        while (i + 2 < t->n_chunks && at[k] > t->chunk_angle[i + 1]) {
            length += arc_within(t, i, from, t->chunk_angle[i + 1]);
            from = t->chunk_angle[++i];
        }
        length += arc_within(t, i, from, at[k]);
        from = at[k];
        out[k] = length;
    }
}

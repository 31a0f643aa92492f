/* infer/calibration.c - one map of a classifier's output for all theta, or several in theta. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ANCHORS = 64, LEAST_ANCHORS = 8, ANCHOR_ROWS = 10000, ANCHOR_STEPS = 10 };
enum { MOST_DIM = 10000, MOST_STEPS = 1 << 26 };

/* Gaussian weights below exp(-FAR) of the largest are 0: lost in rounding anyway. */
static const double FAR = 37;

/* Places are in theta as networks see it: one unit is about a deviation of the prior. */
struct calibration {
    calibration_kind kind;
    size_t n, n_marginals; /* of the pairs it was fitted on */
    size_t n_maps;         /* 1, or one an anchor */
    output_map *map;       /* [n_maps] */
    size_t dim;            /* 0: for all theta */
    double *anchor;        /* [n_maps][dim] */
    double width;          /* of the Gaussian weights of anchors */
};

void calibration_free(calibration *c)
{
    for (size_t i = 0; c && i < c->n_maps; i++)
        output_map_release(&c->map[i]);
    if (c) {
        free(c->map);
        free(c->anchor);
    }
    free(c);
}

static int calibration_new(calibration_kind kind, size_t n_maps, size_t dim,
                           calibration **out)
{
    calibration *c = memory_new(1, sizeof *c);
    if (c) {
        *c = (calibration){.kind = kind, .dim = dim};
        c->map = memory_new(n_maps, sizeof *c->map);
        c->anchor = memory_new(n_maps * dim + 1, sizeof *c->anchor);
        c->n_maps = c->map ? n_maps : 0;
    }
    if (!c || !c->map || !c->anchor) {
        calibration_free(c);
        return fail(NRE_ENOMEM, "no memory for a calibration");
    }
    *out = c;
    return NRE_OK;
}

bool calibration_has_gradient(const calibration *c)
{
    return c->kind == CALIBRATION_PLATT;
}

/* weights in theta */

static double square_distance(size_t d, const double *a, const float *z)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++)
        sum += (a[k] - (double)z[k]) * (a[k] - (double)z[k]);
    return sum;
}

/* Gaussian weights of the anchors at z, which sum to 1. */
static void weights_at(const calibration *c, const float *z, double *weight)
{
    double least = INFINITY, sum = 0;
    for (size_t a = 0; a < c->n_maps; a++) {
        weight[a] = square_distance(c->dim, c->anchor + a * c->dim, z);
        least = fmin(least, weight[a]);
    }
    for (size_t a = 0; a < c->n_maps; a++) {
        double away = (weight[a] - least) / (2 * c->width * c->width);
        weight[a] = away < FAR ? exp(-away) : 0;
        sum += weight[a];
    }
    for (size_t a = 0; a < c->n_maps; a++)
        weight[a] /= sum;
}

/* Of g = sum of w_a g_a(s): grad g = sum of w_a (g_a'(s) grad s + (g_a - g) (z_a - z) / width^2). */
static void local_gradient(const calibration *c, const float *z, const double *derivative,
                           const double *weight, const double *value, double mean,
                           double *gradient)
{
    double slope = 0, unit = 1 / (c->width * c->width);
    for (size_t a = 0; a < c->n_maps; a++)
        slope += weight[a] * c->map[a].slope;
    for (size_t k = 0; k < c->dim; k++) {
        double turn = 0;
        for (size_t a = 0; a < c->n_maps; a++)
            turn += weight[a] * (value[a] - mean) *
                    (c->anchor[a * c->dim + k] - (double)z[k]);
        gradient[k] = slope * gradient[k] + turn * unit * derivative[k];
    }
}

static void apply_local(const calibration *c, const float *z, const double *derivative,
                        double *log_ratio, double *gradient)
{
    double weight[MOST_ANCHORS], value[MOST_ANCHORS], mean = 0;
    weights_at(c, z, weight);
    for (size_t a = 0; a < c->n_maps; a++) {
        value[a] = weight[a] > 0 ? output_map_at(&c->map[a], *log_ratio) : 0;
        mean += weight[a] * value[a];
    }
    if (gradient)
        local_gradient(c, z, derivative, weight, value, mean, gradient);
    *log_ratio = mean;
}

static void apply_all(const calibration *c, size_t n, size_t d, double *log_ratio,
                      double *gradient)
{
    for (size_t i = 0; i < n; i++)
        log_ratio[i] = output_map_at(c->map, log_ratio[i]);
    for (size_t i = 0; gradient && i < n * d; i++)
        gradient[i] *= c->map->slope;
}

int calibration_apply(const calibration *c, const target *t, size_t n,
                      const double *theta, double *log_ratio, double *gradient)
{
    size_t d = t->n;
    if (!c->dim) {
        apply_all(c, n, d, log_ratio, gradient);
        return NRE_OK;
    }
    float *z = memory_new(n * d, sizeof *z);
    double *derivative = gradient ? memory_new(n * d, sizeof *derivative) : NULL;
    int status = z && (derivative || !gradient)
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "no memory to calibrate %zu log ratios", n);
    if (status == NRE_OK)
        target_standardise(t, n, theta, z, derivative);
    for (size_t i = 0; i < n && status == NRE_OK; i++)
        apply_local(c, z + i * d, derivative ? derivative + i * d : NULL, log_ratio + i,
                    gradient ? gradient + i * d : NULL);
    for (size_t i = 0; i < n * d && gradient && !calibration_has_gradient(c); i++)
        gradient[i] = 0;
    free(z);
    free(derivative);
    return status;
}

/* where the anchors stand */

/* Pairs that a local map is made of: ever more, and of an ever smaller part of theta. */
static size_t neighbours_of(size_t n)
{
    size_t m = (size_t)ceil(10 * sqrt((double)n));
    m = m < CALIBRATION_LEAST_LOCAL ? CALIBRATION_LEAST_LOCAL : m;
    return m < n ? m : n;
}

/* Some in the reach of each other's neighbours. */
static size_t anchors_of(size_t n)
{
    size_t k = 4 * n / neighbours_of(n);
    k = k < LEAST_ANCHORS ? LEAST_ANCHORS : k;
    return k < MOST_ANCHORS ? k : MOST_ANCHORS;
}

static size_t nearest_anchor(const calibration *c, const float *z)
{
    size_t best = 0;
    double least = INFINITY;
    for (size_t a = 0; a < c->n_maps; a++) {
        double here = square_distance(c->dim, c->anchor + a * c->dim, z);
        if (here < least) {
            least = here;
            best = a;
        }
    }
    return best;
}

/* One step of Lloyd's: every anchor into the middle of the rows that are nearest to it.
 * SUM [n_maps][dim + 1]. */
static void centre_anchors(calibration *c, size_t n, const float *z, double *sum)
{
    size_t d = c->dim;
    memset(sum, 0, c->n_maps * (d + 1) * sizeof *sum);
    for (size_t i = 0; i < n; i++) {
        double *to = sum + nearest_anchor(c, z + i * d) * (d + 1);
        for (size_t k = 0; k < d; k++)
            to[k] += (double)z[i * d + k];
        to[d]++;
    }
    for (size_t a = 0; a < c->n_maps; a++)
        for (size_t k = 0; k < d && sum[a * (d + 1) + d] > 0; k++)
            c->anchor[a * d + k] = sum[a * (d + 1) + k] / sum[a * (d + 1) + d];
}

/* The mean distance of an anchor to the next. */
static double anchor_spacing(const calibration *c, float *z)
{
    double sum = 0;
    for (size_t a = 0; a < c->n_maps; a++) {
        double least = INFINITY;
        for (size_t k = 0; k < c->dim; k++)
            z[k] = (float)c->anchor[a * c->dim + k];
        for (size_t b = 0; b < c->n_maps; b++)
            if (b != a)
                least = fmin(least, square_distance(c->dim, c->anchor + b * c->dim, z));
        sum += sqrt(least);
    }
    return sum > 0 && isfinite(sum) ? sum / (double)c->n_maps : 1;
}

static int place_anchors(calibration *c, size_t n, const float *z)
{
    size_t rows = n < ANCHOR_ROWS ? n : ANCHOR_ROWS;
    double *sum = memory_new(c->n_maps * (c->dim + 1), sizeof *sum);
    float *one = memory_new(c->dim, sizeof *one);
    int status = sum && one ? NRE_OK : fail(NRE_ENOMEM, "no memory for a calibration");
    for (size_t i = 0; i < c->n_maps * c->dim && status == NRE_OK; i++)
        c->anchor[i] = (double)z[i];
    for (size_t i = 0; i < ANCHOR_STEPS && status == NRE_OK; i++)
        centre_anchors(c, rows, z, sum);
    if (status == NRE_OK)
        c->width = anchor_spacing(c, one);
    free(sum);
    free(one);
    return status;
}

/* fitting */

static void add_pairs(const classified *p, size_t i, double count, output *o, size_t *n)
{
    o[(*n)++] = (output){p->joint[i], count, true};
    /* theta_i among other rows' x */
    for (size_t k = 0; k < p->n_marginals; k++) {
        size_t row = (i + p->n - classified_shift(p, k)) % p->n;
        o[(*n)++] = (output){p->marginal[row * p->n_marginals + k], count, false};
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Tricube weights (Cleveland 1979) of all thetas near z: 0 at the distance of neighbour M and
 * beyond.  WEIGHT, SORTED [n]. */
static void weigh_neighbours(const calibration *c, size_t a, size_t n, const float *z,
                             double *weight, double *sorted)
{
    size_t m = neighbours_of(n), d = c->dim;
    for (size_t i = 0; i < n; i++)
        weight[i] = sqrt(square_distance(d, c->anchor + a * d, z + i * d));
    memcpy(sorted, weight, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size);
    double reach = m < n ? sorted[m] : sorted[n - 1] * (1 + 1e-9);
    for (size_t i = 0; i < n; i++) {
        double x = reach > 0 ? weight[i] / reach : weight[i];
        double cube = 1 - x * x * x;
        weight[i] = x < 1 ? cube * cube * cube : 0;
    }
}

/* Weights become counts: they sum to the number of equal pairs that would be worth as much. */
static void count_weights(size_t n, double *weight)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += weight[i];
        squares += weight[i] * weight[i];
    }
    for (size_t i = 0; i < n; i++)
        weight[i] *= sum / squares;
}

static int fit_anchors(calibration *c, const classified *p, const float *z, output *o)
{
    double *weight = memory_new(2 * p->n, sizeof *weight);
    int status = weight ? place_anchors(c, p->n, z)
                        : fail(NRE_ENOMEM, "no memory to calibrate by %zu pairs", p->n);
    for (size_t a = 0; a < c->n_maps && status == NRE_OK; a++) {
        size_t n = 0;
        weigh_neighbours(c, a, p->n, z, weight, weight + p->n);
        count_weights(p->n, weight);
        for (size_t i = 0; i < p->n; i++)
            if (weight[i] > 0)
                add_pairs(p, i, weight[i], o, &n);
        status = output_map_fit(c->kind, n, o, &c->map[a]);
    }
    free(weight);
    return status;
}

static int fit_local(calibration *c, const target *t, const classified *p, output *o)
{
    float *z = memory_new(p->n * p->dim, sizeof *z);
    if (!z)
        return fail(NRE_ENOMEM, "no memory to calibrate by %zu pairs", p->n);
    target_standardise(t, p->n, p->theta, z, NULL);
    int status = fit_anchors(c, p, z, o);
    free(z);
    return status;
}

int calibration_fit(calibration_kind kind, bool local, const target *t,
                    const classified *pairs, calibration **out)
{
    size_t least = local ? CALIBRATION_LEAST_LOCAL : CALIBRATION_LEAST, n = 0;
    calibration *c = NULL;
    *out = NULL;
    if (pairs->n < least)
        return fail(NRE_ECONFIG,
                    "%zu pairs to calibrate by: infer.calibrate needs %zu in "
                    "datasets.calibration",
                    pairs->n, least);
    output *o = memory_new(pairs->n * (pairs->n_marginals + 1), sizeof *o);
    int status =
        o ? NRE_OK : fail(NRE_ENOMEM, "no memory to calibrate by %zu pairs", pairs->n);
    if (status == NRE_OK)
        status = calibration_new(kind, local ? anchors_of(pairs->n) : 1,
                                 local ? pairs->dim : 0, &c);
    for (size_t i = 0; i < pairs->n && status == NRE_OK && !local; i++)
        add_pairs(pairs, i, 1, o, &n);
    if (status == NRE_OK)
        status = local ? fit_local(c, t, pairs, o) : output_map_fit(kind, n, o, c->map);
    free(o);
    if (status != NRE_OK) {
        calibration_free(c);
        return status;
    }
    c->n = pairs->n;
    c->n_marginals = pairs->n_marginals;
    *out = c;
    return NRE_OK;
}

/* JSON */

static json_t *reals_json(size_t n, const double *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(value[i]));
    return list;
}

static json_t *map_json(const calibration *c, size_t i)
{
    const output_map *m = &c->map[i];
    json_t *j =
        m->n ? json_pack("{s:o, s:o}", "edges", reals_json(m->n - 1, m->edge),
                         "log_ratios", reals_json(m->n, m->value))
             : json_pack("{s:f, s:f}", "intercept", m->intercept, "slope", m->slope);
    if (c->dim)
        json_object_set_new(j, "at", reals_json(c->dim, c->anchor + i * c->dim));
    return j;
}

json_t *calibration_json(const calibration *c)
{
    json_t *maps = json_array();
    for (size_t i = 0; i < c->n_maps; i++)
        json_array_append_new(maps, map_json(c, i));
    json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "map", CALIBRATION_NAMES[c->kind],
                          "per", c->dim ? "theta" : "all", "pairs", (json_int_t)c->n,
                          "marginals", (json_int_t)c->n_marginals);
    if (c->dim)
        json_object_set_new(j, "width", json_real(c->width));
    json_object_set_new(j, "maps", maps);
    return j;
}

/* All of a list of N finite numbers (0: of any length); false: it is something else. */
static bool read_reals(const json_t *list, size_t n, size_t *found, double **out)
{
    size_t size = json_array_size(list);
    *found = size;
    *out = NULL;
    if (!json_is_array(list) || size > MOST_STEPS || (n && size != n) ||
        !(*out = memory_new(size + 1, sizeof **out)))
        return false;
    for (size_t i = 0; i < size; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value))
            return false;
        (*out)[i] = json_number_value(value);
    }
    return true;
}

static bool read_steps(const json_t *j, output_map *m)
{
    size_t edges = 0;
    bool good =
        read_reals(json_object_get(j, "log_ratios"), 0, &m->n, &m->value) && m->n > 0 &&
        read_reals(json_object_get(j, "edges"), 0, &edges, &m->edge) && edges == m->n - 1;
    for (size_t i = 1; i < edges && good; i++)
        good = m->edge[i - 1] <= m->edge[i];
    return good;
}

static bool read_map(const json_t *j, calibration *c, size_t i)
{
    output_map *m = &c->map[i];
    const json_t *intercept = json_object_get(j, "intercept");
    const json_t *slope = json_object_get(j, "slope");
    double *at = NULL;
    size_t n = 0;
    bool good = c->kind == CALIBRATION_PLATT
                    ? json_is_number(intercept) && json_is_number(slope)
                    : read_steps(j, m);
    if (c->kind == CALIBRATION_PLATT) {
        m->intercept = json_number_value(intercept);
        m->slope = json_number_value(slope);
    }
    if (good && c->dim)
        good = read_reals(json_object_get(j, "at"), c->dim, &n, &at);
    if (good && c->dim)
        memcpy(c->anchor + i * c->dim, at, c->dim * sizeof *at);
    free(at);
    return good;
}

static int kind_named(const json_t *j)
{
    const char *name = json_string_value(json_object_get(j, "map"));
    int kind = 0;
    while (name && CALIBRATION_NAMES[kind] && strcmp(CALIBRATION_NAMES[kind], name) != 0)
        kind++;
    return name && CALIBRATION_NAMES[kind] ? kind : -1;
}

static bool read_all(const json_t *j, calibration *c)
{
    bool good = true;
    c->n = (size_t)json_integer_value(json_object_get(j, "pairs"));
    c->n_marginals = (size_t)json_integer_value(json_object_get(j, "marginals"));
    c->width = c->dim ? json_number_value(json_object_get(j, "width")) : 1;
    for (size_t i = 0; i < c->n_maps && good; i++)
        good = read_map(json_array_get(json_object_get(j, "maps"), i), c, i);
    return good && c->width > 0;
}

int calibration_read(const json_t *j, const target *t, calibration **out)
{
    const char *per = json_string_value(json_object_get(j, "per"));
    bool local = per && strcmp(per, "theta") == 0;
    size_t n = json_array_size(json_object_get(j, "maps"));
    int kind = kind_named(j);
    calibration *c = NULL;
    *out = NULL;
    if (kind < 0 || !per || n < 1 || n > (local ? MOST_ANCHORS : 1) || t->n > MOST_DIM)
        return fail(NRE_EDATA, "this is no calibration of a log ratio");
    int status = calibration_new((calibration_kind)kind, n, local ? t->n : 0, &c);
    if (status == NRE_OK && !read_all(j, c)) {
        calibration_free(c);
        return fail(NRE_EDATA, "this is no calibration of target '%s'", t->name);
    }
    if (status == NRE_OK)
        *out = c;
    return status;
}

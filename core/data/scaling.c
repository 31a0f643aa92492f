/* data/scaling.c - what a network sees of x. */
#include "data/data.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MOST = 1000000, CHUNKS_MOST = 64, AT_ONCE = 256, NAMES_MOST = 8 };

/* scales */

static float on_scale(uint8_t scale, float x)
{
    switch (scale) {
    case NRE_SCALE_LOG:
        return logf(x);
    case NRE_SCALE_LOG1P:
        return log1pf(x);
    case NRE_SCALE_ASINH:
        return asinhf(x);
    default:
        return x;
    }
}

static const char *scale_name(uint8_t scale)
{
    return scale == NRE_SCALE_LOG ? "log" : scale == NRE_SCALE_LOG1P ? "log1p" : "asinh";
}

/* moments */

/* Of one value of x over rows: count, mean, sum of squared deviations. */
typedef struct moments {
    double n, mean, square;
} moments;

/* Chan, Golub & LeVeque (1983), eq. 2.1. */
static moments merge(moments a, moments b)
{
    double n = a.n + b.n, delta = b.mean - a.mean;
    if (a.n == 0)
        return b;
    if (b.n == 0)
        return a;
    return (moments){n, a.mean + delta * b.n / n,
                     a.square + b.square + delta * delta * a.n * b.n / n};
}

typedef struct measuring {
    const simulator *s;
    const loader *train;
    const uint8_t *scale;
    size_t n_x;
    uint64_t rows, chunk; /* rows in all and of one chunk */
    moments *of;          /* [chunks][n_x] */
} measuring;

static int add_row(const measuring *m, uint64_t row, const float *x, moments *to)
{
    for (size_t j = 0; j < m->n_x; j++) {
        double value = on_scale(m->scale[j], x[j]);
        if (!isfinite(value)) {
            char name[96];
            x_name(m->s, j, sizeof name, name);
            return fail(NRE_EPLUGIN,
                        "simulator '%s' asks for the %s scale of %s, yet row %llu of "
                        "it is %g",
                        simulator_instance(m->s)->plugin->table->name,
                        scale_name(m->scale[j]), name, (unsigned long long)row,
                        (double)x[j]);
        }
        double delta = value - to[j].mean;
        to[j].n++;
        to[j].mean += delta / to[j].n;
        to[j].square += delta * (value - to[j].mean);
    }
    return NRE_OK;
}

static int measure_chunk(void *context, size_t i, unsigned worker)
{
    const measuring *m = context;
    uint64_t first = i * m->chunk,
             last = first + m->chunk < m->rows ? first + m->chunk : m->rows;
    uint64_t index[AT_ONCE];
    float *x = memory_new(AT_ONCE, m->n_x * sizeof *x);
    int status = x ? NRE_OK : fail(NRE_ENOMEM, "no memory for %d rows", AT_ONCE);
    for (uint64_t row = first; status == NRE_OK && row < last;) {
        size_t n = last - row < AT_ONCE ? (size_t)(last - row) : AT_ONCE;
        for (size_t k = 0; k < n; k++)
            index[k] = row + k;
        status = m->train->rows(m->train, worker, 0, n, index, NULL, x);
        for (size_t k = 0; status == NRE_OK && k < n; k++)
            status = add_row(m, row + k, x + k * m->n_x, m->of + i * m->n_x);
        row += n;
    }
    free(x);
    return status;
}

/* Along a fixed binary tree into the first chunk. */
static void merge_chunks(measuring *m, size_t chunks)
{
    for (size_t step = 1; step < chunks; step *= 2)
        for (size_t i = 0; i + step < chunks; i += 2 * step)
            for (size_t j = 0; j < m->n_x; j++)
                m->of[i * m->n_x + j] =
                    merge(m->of[i * m->n_x + j], m->of[(i + step) * m->n_x + j]);
}

/* groups: values that share mean and deviation */

/* Group of value J of a field, and how many groups it has. */
static size_t group_of(const nre_field *f, size_t j)
{
    size_t inner = field_size(f) / f->shape.dim[0];
    if (f->exchangeable)
        return j % inner;
    return f->shape.rank == 1 ? j : j / inner;
}

static size_t group_count(const nre_field *f)
{
    return f->exchangeable ? field_size(f) / f->shape.dim[0] : f->shape.dim[0];
}

static int pool_field(const nre_field *f, moments *of)
{
    size_t n = field_size(f);
    moments *group = memory_new(group_count(f), sizeof *group);
    if (!group)
        return fail(NRE_ENOMEM, "no memory for a scaling");
    for (size_t j = 0; j < n; j++)
        group[group_of(f, j)] = merge(group[group_of(f, j)], of[j]);
    for (size_t j = 0; j < n; j++)
        of[j] = group[group_of(f, j)];
    free(group);
    return NRE_OK;
}

/* the fit */

static scaling *scaling_new(size_t n_x)
{
    scaling *c = memory_new(1, sizeof *c);
    if (!c)
        return NULL;
    c->n_x = n_x;
    c->scale = memory_new(n_x, sizeof *c->scale);
    c->mean = memory_new(n_x, sizeof *c->mean);
    c->inverse = memory_new(n_x, sizeof *c->inverse);
    if (c->scale && c->mean && c->inverse)
        return c;
    scaling_free(c);
    return NULL;
}

void scaling_free(scaling *c)
{
    if (!c)
        return;
    free(c->scale);
    free(c->mean);
    free(c->inverse);
    free(c);
}

static void choose_scales(const simulator *s, bool standardise, uint8_t *scale)
{
    for (size_t i = 0, j = 0; i < simulator_info(s)->n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        for (size_t k = 0; k < field_size(f); k++)
            scale[j++] = standardise ? (uint8_t)f->scale : NRE_SCALE_NONE;
    }
}

/* Values that differ by float's rounding alone do not vary. */
static bool varies(const moments *m, double *deviation)
{
    *deviation = m->n > 0 ? sqrt(m->square / m->n) : 0;
    return *deviation > FLT_EPSILON * fabs(m->mean) && 1 / *deviation < FLT_MAX;
}

static void name_constant(const simulator *s, const scaling *c)
{
    char text[1024] = "", name[96];
    size_t n = 0, used = 0;
    for (size_t j = 0; j < c->n_x; j++) {
        if (c->inverse[j] > 0)
            continue;
        x_name(s, j, sizeof name, name);
        if (n++ < NAMES_MOST)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                     n > 1 ? ", " : "", name);
    }
    if (n > 0)
        log_say(NRE_WARN,
                "%zu of the %zu values of x never vary and reach networks as 0: %s%s", n,
                c->n_x, text, n > NAMES_MOST ? ", ..." : "");
}

static void set_moments(scaling *c, const moments *of)
{
    for (size_t j = 0; j < c->n_x; j++) {
        double deviation;
        bool whole = !of || c->scale[j] == NRE_SCALE_NONE;
        c->mean[j] = whole ? 0 : (float)of[j].mean;
        c->inverse[j] = whole                        ? 1
                        : varies(&of[j], &deviation) ? (float)(1 / deviation)
                                                     : 0;
    }
}

static int measure(const simulator *s, const loader *train, pool *p, scaling *c)
{
    measuring m = {
        s, train, c->scale, c->n_x, train->n < ROWS_MOST ? train->n : ROWS_MOST, 0, NULL};
    m.chunk = m.rows / CHUNKS_MOST + (m.rows % CHUNKS_MOST != 0);
    size_t chunks = (size_t)(m.rows / m.chunk + (m.rows % m.chunk != 0)), j = 0;
    m.of = memory_new(chunks, c->n_x * sizeof *m.of);
    if (!m.of)
        return fail(NRE_ENOMEM, "no memory for a scaling");
    int status = pool_run(p, chunks, measure_chunk, &m);
    if (status == NRE_OK)
        merge_chunks(&m, chunks);
    for (size_t i = 0; status == NRE_OK && i < simulator_info(s)->n_fields; i++) {
        status = pool_field(simulator_field(s, i), m.of + j);
        j += field_size(simulator_field(s, i));
    }
    if (status == NRE_OK)
        set_moments(c, m.of);
    free(m.of);
    return status;
}

int scaling_fit(const simulator *s, const loader *train, bool standardise, pool *p,
                scaling **out)
{
    *out = NULL;
    if (train->n == 0 || train->n_x != simulator_n_x(s))
        return fail(NRE_EDATA, "a scaling needs rows of %zu values of x",
                    simulator_n_x(s));
    scaling *c = scaling_new(train->n_x);
    if (!c)
        return fail(NRE_ENOMEM, "no memory for a scaling");
    choose_scales(s, standardise, c->scale);
    int status = NRE_OK;
    if (standardise)
        status = measure(s, train, p, c);
    else
        set_moments(c, NULL);
    if (status != NRE_OK) {
        scaling_free(c);
        return status;
    }
    name_constant(s, c);
    *out = c;
    return NRE_OK;
}

/* use */

/* Columns FROM .. TO - 1, all on one scale; what lies off the scale (log of 0) counts as
 * -10. */
static uint64_t apply_run(const scaling *c, size_t from, size_t to, size_t n,
                          const float *x, float *z)
{
    uint64_t clamped = 0;
    uint8_t scale = c->scale[from];
    for (size_t i = 0; i < n; i++)
        for (size_t j = from; j < to; j++) {
            float value = x[i * c->n_x + j];
            if (scale != NRE_SCALE_AFFINE)
                value = on_scale(scale, value);
            value = c->inverse[j] > 0 ? (value - c->mean[j]) * c->inverse[j] : 0;
            bool low = !(value >= -SCALING_CLAMP), high = value > SCALING_CLAMP;
            clamped += low || high;
            z[i * c->n_x + j] = low ? -SCALING_CLAMP : high ? SCALING_CLAMP : value;
        }
    return clamped;
}

static void copy_run(const scaling *c, size_t from, size_t to, size_t n, const float *x,
                     float *z)
{
    for (size_t i = 0; i < n; i++)
        memcpy(z + i * c->n_x + from, x + i * c->n_x + from, (to - from) * sizeof *z);
}

void scaling_apply(const scaling *c, size_t n, const float *x, float *z,
                   uint64_t *clamped)
{
    uint64_t count = 0;
    for (size_t from = 0, to; from < c->n_x; from = to) {
        for (to = from + 1; to < c->n_x && c->scale[to] == c->scale[from]; to++)
            ;
        if (c->scale[from] == NRE_SCALE_NONE)
            copy_run(c, from, to, n, x, z);
        else
            count += apply_run(c, from, to, n, x, z);
    }
    if (clamped)
        *clamped += count;
}

/* file */

int scaling_put(const scaling *c, store *s)
{
    uint64_t n = c->n_x;
    int status = store_put(s, "scaling/scale", STORE_U8, 1, &n, c->scale);
    if (status == NRE_OK)
        status = store_put(s, "scaling/mean", STORE_F32, 1, &n, c->mean);
    return status == NRE_OK
               ? store_put(s, "scaling/inverse", STORE_F32, 1, &n, c->inverse)
               : status;
}

int scaling_get(store *s, scaling **out)
{
    store_shape shape;
    *out = NULL;
    int status = store_shape_of(s, "scaling/scale", &shape);
    if (status != NRE_OK)
        return status;
    if (shape.rank != 1 || shape.dim[0] == 0 || shape.dim[0] > INT32_MAX)
        return fail(NRE_EDATA, "the scaling of x has an impossible shape");
    scaling *c = scaling_new((size_t)shape.dim[0]);
    if (!c)
        return fail(NRE_ENOMEM, "no memory for a scaling");
    status = store_get(s, "scaling/scale", STORE_U8, c->n_x, c->scale);
    if (status == NRE_OK)
        status = store_get(s, "scaling/mean", STORE_F32, c->n_x, c->mean);
    if (status == NRE_OK)
        status = store_get(s, "scaling/inverse", STORE_F32, c->n_x, c->inverse);
    if (status != NRE_OK)
        scaling_free(c);
    else
        *out = c;
    return status;
}

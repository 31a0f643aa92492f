/* diagnose/predictive.c - is an observation like the simulations? */
#include "diagnose/diagnose.h"

#include <cblas.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TRAIN = 200000, TRAIN_BLOCK = 2048, QUERY_BLOCK = 256 };

/* Standardised rows and their squared norms. */
typedef struct points {
    size_t n;
    float *z;      /* [n][n_x] */
    double *norm2; /* [n] */
} points;

typedef struct search_worker {
    uint64_t *index; /* [TRAIN_BLOCK] */
    float *x;        /* [TRAIN_BLOCK][n_x] raw */
    points train;    /* [TRAIN_BLOCK] */
    float *product;  /* [QUERY_BLOCK][TRAIN_BLOCK] */
} search_worker;

typedef struct search {
    const loader *train;
    const scaling *scaling;
    progress *watch;
    size_t n_x;
    uint64_t n_train;
    points query;
    double *nearest; /* [blocks][queries], squared distances */
    search_worker *worker;
    atomic_ullong done;
} search;

static int points_new(size_t n, size_t n_x, points *out)
{
    out->n = n;
    out->z = memory_new(n * n_x, sizeof *out->z);
    out->norm2 = memory_new(n, sizeof *out->norm2);
    return out->z && out->norm2 ? NRE_OK
                                : fail(NRE_ENOMEM, "out of memory for %zu rows of x", n);
}

static void points_free(points *p)
{
    free(p->z);
    free(p->norm2);
}

/* Standardise N raw rows into P from row AT on. */
static void points_set(points *p, const scaling *c, size_t at, size_t n, const float *x)
{
    float *z = p->z + at * c->n_x;

    scaling_apply(c, n, x, z, NULL);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < c->n_x; k++)
            sum += (double)z[i * c->n_x + k] * (double)z[i * c->n_x + k];
        p->norm2[at + i] = sum;
    }
}

static double distance2(size_t n, const float *a, const float *b)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        double d = (double)a[k] - (double)b[k];
        sum += d * d;
    }
    return sum;
}

/* Nearest of N training rows to query Q.  |a|^2 + |b|^2 - 2 ab in single precision finds
 * the candidates, with a margin for its rounding (which grows like a random walk over the
 * columns); they are compared in double precision. */
static double nearest_of(const search *s, const search_worker *w, size_t n, size_t q,
                         const float *product)
{
    const points *a = &s->query;
    double margin = 8 * sqrt((double)s->n_x) * 6e-8, least = INFINITY, best = INFINITY;

    for (size_t i = 0; i < n; i++) {
        double size = a->norm2[q] + w->train.norm2[i];
        least = fmin(least, size - 2 * (double)product[i] + margin * size);
    }
    for (size_t i = 0; i < n; i++) {
        double size = a->norm2[q] + w->train.norm2[i];
        if (size - 2 * (double)product[i] - margin * size <= least)
            best =
                fmin(best, distance2(s->n_x, a->z + q * s->n_x, w->train.z + i * s->n_x));
    }
    return best;
}

static void compare_block(const search *s, search_worker *w, size_t n, double *nearest)
{
    for (size_t from = 0; from < s->query.n; from += QUERY_BLOCK) {
        size_t m = s->query.n - from < QUERY_BLOCK ? s->query.n - from : QUERY_BLOCK;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n,
                    (blasint)s->n_x, 1, s->query.z + from * s->n_x, (blasint)s->n_x,
                    w->train.z, (blasint)s->n_x, 0, w->product, TRAIN_BLOCK);
        for (size_t q = 0; q < m; q++)
            nearest[from + q] =
                nearest_of(s, w, n, from + q, w->product + q * TRAIN_BLOCK);
    }
}

static int search_block(void *context, size_t i, unsigned worker)
{
    search *s = context;
    search_worker *w = &s->worker[worker];
    uint64_t first = (uint64_t)i * TRAIN_BLOCK;
    size_t n =
        s->n_train - first < TRAIN_BLOCK ? (size_t)(s->n_train - first) : TRAIN_BLOCK;

    for (size_t k = 0; k < n; k++)
        w->index[k] = first + k;
    int status = s->train->rows(s->train, worker, 0, n, w->index, NULL, w->x);
    if (status)
        return status;
    points_set(&w->train, s->scaling, 0, n, w->x);
    compare_block(s, w, n, s->nearest + i * s->query.n);
    uint64_t done = atomic_fetch_add(&s->done, n) + n;
    return progress_report(s->watch, "predictive check", done, s->n_train,
                           "training rows", NULL);
}

static void workers_free(search_worker *w, unsigned n)
{
    for (unsigned i = 0; w && i < n; i++) {
        free(w[i].index);
        free(w[i].x);
        free(w[i].product);
        points_free(&w[i].train);
    }
    free(w);
}

static int workers_new(unsigned n, size_t n_x, search_worker **out)
{
    search_worker *w = *out = memory_new(n, sizeof *w);
    int status = w ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a diagnostic");

    for (unsigned i = 0; i < n && !status; i++) {
        w[i].index = memory_new(TRAIN_BLOCK, sizeof *w[i].index);
        w[i].x = memory_new((size_t)TRAIN_BLOCK * n_x, sizeof *w[i].x);
        w[i].product =
            memory_new((size_t)QUERY_BLOCK * TRAIN_BLOCK, sizeof *w[i].product);
        status = points_new(TRAIN_BLOCK, n_x, &w[i].train);
        if (!w[i].index || !w[i].x || !w[i].product)
            status = fail(NRE_ENOMEM, "out of memory for a diagnostic");
    }
    return status;
}

/* Test rows first, then the observed ones. */
static int load_queries(const subject *s, search *f, size_t n, size_t n_observed,
                        const float *x)
{
    int status = points_new(n + n_observed, f->n_x, &f->query);
    search_worker *w = &f->worker[0];

    for (size_t at = 0; at < n && !status; at += TRAIN_BLOCK) {
        size_t m = n - at < TRAIN_BLOCK ? n - at : TRAIN_BLOCK;
        for (size_t k = 0; k < m; k++)
            w->index[k] = at + k;
        status = s->test->rows(s->test, 0, 0, m, w->index, NULL, w->x);
        if (!status)
            points_set(&f->query, f->scaling, at, m, w->x);
    }
    if (!status && n_observed > 0)
        points_set(&f->query, f->scaling, n, n_observed, x);
    return status;
}

static double distance_of(const search *f, size_t blocks, size_t q)
{
    double best = INFINITY;

    for (size_t b = 0; b < blocks; b++)
        best = fmin(best, f->nearest[b * f->query.n + q]);
    return sqrt(best);
}

static int collect(const search *f, size_t blocks, predictive_result *out)
{
    size_t n = (size_t)out->n, m = out->n_observed;

    out->distance = memory_new(n, sizeof *out->distance);
    out->observed_distance = memory_new(m, sizeof *out->observed_distance);
    out->rank = memory_new(m, sizeof *out->rank);
    if (!out->distance || !out->observed_distance || !out->rank)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (size_t i = 0; i < n; i++)
        out->distance[i] = distance_of(f, blocks, i);
    qsort(out->distance, n, sizeof *out->distance, compare_reals);
    for (size_t i = 0; i < m; i++) {
        out->observed_distance[i] = distance_of(f, blocks, n + i);
        out->rank[i] = fraction_below(n, out->distance, out->observed_distance[i]);
    }
    return NRE_OK;
}

int predictive_of(const subject *s, const loader *train, const scaling *scales,
                  uint64_t observables, size_t n_observed, const float *x,
                  predictive_result *out)
{
    uint64_t n = observables < s->test->n ? observables : s->test->n;
    search f = {.train = train, .scaling = scales, .watch = s->watch, .n_x = scales->n_x};

    *out = (predictive_result){.n = n, .n_observed = n_observed};
    f.n_train = out->n_train = train->n < MOST_TRAIN ? train->n : MOST_TRAIN;
    if (n == 0 || f.n_train == 0)
        return fail(NRE_EINVAL, "the predictive check needs test rows and training rows");
    if (train->n_x != f.n_x || s->test->n_x != f.n_x)
        return fail(NRE_EDATA,
                    "rows of x have %zu (training) and %zu (test) values, not %zu",
                    train->n_x, s->test->n_x, f.n_x);
    size_t blocks = (size_t)((f.n_train + TRAIN_BLOCK - 1) / TRAIN_BLOCK);
    int status = workers_new(pool_threads(s->pool), f.n_x, &f.worker);
    if (!status)
        status = load_queries(s, &f, (size_t)n, n_observed, x);
    f.nearest = status ? NULL : memory_new(blocks * f.query.n, sizeof *f.nearest);
    if (!status && !f.nearest)
        status = fail(NRE_ENOMEM, "out of memory for a diagnostic");
    if (!status)
        status = pool_run(s->pool, blocks, search_block, &f);
    if (!status)
        status = collect(&f, blocks, out);
    free(f.nearest);
    points_free(&f.query);
    workers_free(f.worker, pool_threads(s->pool));
    if (status)
        predictive_release(out);
    return status;
}

void predictive_release(predictive_result *p)
{
    free(p->distance);
    free(p->observed_distance);
    free(p->rank);
    *p = (predictive_result){0};
}

json_t *predictive_json(const predictive_result *p)
{
    json_t *distances = json_array(), *observed_rows = json_array();

    for (uint64_t i = 0; i < p->n; i++)
        json_array_append_new(distances, json_number(p->distance[i]));
    for (size_t i = 0; i < p->n_observed; i++)
        json_array_append_new(observed_rows,
                              json_pack("{s:o s:o}", "distance",
                                        json_number(p->observed_distance[i]), "rank",
                                        json_number(p->rank[i])));
    return json_pack("{s:I s:I s:o s:o}", "n", (json_int_t)p->n, "n_train",
                     (json_int_t)p->n_train, "distances", distances, "observed",
                     observed_rows);
}

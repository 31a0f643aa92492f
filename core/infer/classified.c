/* infer/classified.c - the output of a ratio at joint and at marginal pairs. */
#include "infer/infer.h"

#include <stdlib.h>
#include <string.h>

/* Marginal pairs in all, and of a row: more of them reach farther into the tails. */
enum { WORTH = 1 << 18, MOST_OF_ROW = 64, LEAST_OF_ROW = 8 };
enum { BLOCK_ROWS = 64 };

typedef struct lane { /* of a thread */
    ratio_worker *worker;
    observed *observed;
    float *x;             /* [BLOCK_ROWS][n_x] */
    double *theta, *logs; /* [BLOCK_ROWS][1 + n_marginals][dim], without dim */
} lane;

typedef struct classifying {
    const ratio *ratio;
    const loader *loader;
    classified *out;
    lane *lane;
} classifying;

void classified_release(classified *c)
{
    free(c->theta);
    free(c->joint);
    free(c->marginal);
    *c = (classified){0};
}

/* Spread over the set: 1, ... n - 1, all different. */
size_t classified_shift(const classified *c, size_t k)
{
    return 1 + (size_t)((double)k * (double)(c->n - 1) / (double)c->n_marginals);
}

static size_t marginals_for(size_t n)
{
    size_t k = WORTH / n;
    k = k < LEAST_OF_ROW ? LEAST_OF_ROW : k;
    return k < MOST_OF_ROW ? k : MOST_OF_ROW;
}

static int classified_lay(classified *c, size_t n, size_t marginals, size_t dim)
{
    size_t k = marginals ? marginals : marginals_for(n);
    *c = (classified){.n = n, .n_marginals = k < n ? k : n - 1, .dim = dim};
    c->theta = memory_new(n * dim, sizeof *c->theta);
    c->joint = memory_new(n, sizeof *c->joint);
    c->marginal = memory_new(n * c->n_marginals, sizeof *c->marginal);
    if (c->theta && c->joint && c->marginal)
        return NRE_OK;
    classified_release(c);
    return fail(NRE_ENOMEM, "no memory for %zu pairs", n);
}

static int read_theta(const classifying *s, size_t first, size_t n, double *full)
{
    uint64_t index[BLOCK_ROWS];
    for (size_t i = 0; i < n; i++)
        index[i] = first + i;
    int status = s->loader->rows(s->loader, 0, 0, n, index, full, NULL);
    if (status == NRE_OK)
        target_columns(s->ratio->target, n, full, s->out->theta + first * s->out->dim);
    return status;
}

static int read_thetas(const classifying *s)
{
    double *full = memory_new(BLOCK_ROWS * s->loader->n_theta, sizeof *full);
    int status = full ? NRE_OK : fail(NRE_ENOMEM, "no memory for the thetas of pairs");
    for (size_t i = 0; i < s->out->n && status == NRE_OK; i += BLOCK_ROWS) {
        size_t left = s->out->n - i;
        status = read_theta(s, i, left < BLOCK_ROWS ? left : BLOCK_ROWS, full);
    }
    free(full);
    return status;
}

/* Thetas that row I of x meets: its own, then those of other rows; [1 + n_marginals][dim]. */
static void thetas_of_row(const classified *c, size_t i, double *theta)
{
    size_t bytes = c->dim * sizeof *theta;
    memcpy(theta, c->theta + i * c->dim, bytes);
    for (size_t k = 0; k < c->n_marginals; k++) {
        size_t j = (i + classified_shift(c, k)) % c->n;
        memcpy(theta + (k + 1) * c->dim, c->theta + j * c->dim, bytes);
    }
}

static int classify_rows(void *context, size_t task, unsigned worker)
{
    const classifying *s = context;
    classified *c = s->out;
    lane *l = &s->lane[worker];
    uint64_t index[BLOCK_ROWS];
    size_t first = task * BLOCK_ROWS, m = c->n_marginals + 1;
    size_t n = c->n - first < BLOCK_ROWS ? c->n - first : BLOCK_ROWS;
    for (size_t i = 0; i < n; i++) {
        index[i] = first + i;
        thetas_of_row(c, first + i, l->theta + i * m * c->dim);
    }
    int status = s->loader->rows(s->loader, worker, 0, n, index, NULL, l->x);
    if (status == NRE_OK)
        status = ratio_observe(s->ratio, l->worker, n, l->x, l->observed);
    if (status == NRE_OK)
        status = ratio_evaluate(s->ratio, l->worker, l->observed, 0, n, m, l->theta,
                                l->logs, NULL);
    for (size_t i = 0; i < n && status == NRE_OK; i++) {
        c->joint[first + i] = l->logs[i * m];
        memcpy(c->marginal + (first + i) * (m - 1), l->logs + i * m + 1,
               (m - 1) * sizeof *l->logs);
    }
    return status;
}

static void lanes_free(lane *l, unsigned n)
{
    for (unsigned i = 0; l && i < n; i++) {
        ratio_worker_free(l[i].worker);
        observed_free(l[i].observed);
        free(l[i].x);
        free(l[i].theta);
        free(l[i].logs);
    }
    free(l);
}

static int lane_open(const classifying *s, lane *l)
{
    size_t pairs = BLOCK_ROWS * (s->out->n_marginals + 1);
    l->x = memory_new(BLOCK_ROWS * s->ratio->n_x, sizeof *l->x);
    l->theta = memory_new(pairs * s->out->dim, sizeof *l->theta);
    l->logs = memory_new(pairs, sizeof *l->logs);
    if (!l->x || !l->theta || !l->logs)
        return fail(NRE_ENOMEM, "no memory for pairs of theta and x");
    int status = ratio_worker_new(s->ratio, &l->worker);
    return status == NRE_OK ? observed_new(s->ratio, &l->observed) : status;
}

int classified_of(const ratio *r, const loader *l, pool *p, uint64_t n, size_t marginals,
                  classified *out)
{
    classifying s = {.ratio = r, .loader = l, .out = out};
    unsigned threads = p ? pool_threads(p) : 1;
    n = n < l->n ? n : l->n;
    *out = (classified){0};
    if (n < 2)
        return fail(NRE_ECONFIG, "%llu pairs: marginal pairs need two rows at least",
                    (unsigned long long)n);
    int status = classified_lay(out, n, marginals, r->target->n);
    if (status == NRE_OK && !(s.lane = memory_new(threads, sizeof *s.lane)))
        status = fail(NRE_ENOMEM, "no memory for pairs of theta and x");
    for (unsigned i = 0; i < threads && status == NRE_OK; i++)
        status = lane_open(&s, &s.lane[i]);
    if (status == NRE_OK)
        status = read_thetas(&s);
    if (status == NRE_OK)
        status = pool_run(p, (n + BLOCK_ROWS - 1) / BLOCK_ROWS, classify_rows, &s);
    lanes_free(s.lane, threads);
    if (status != NRE_OK)
        classified_release(out);
    return status;
}

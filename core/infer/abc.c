/* infer/abc.c - approximate Bayesian computation: the simulations closest to an observation. */
#include "infer/infer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1024 }; /* of a task */

typedef struct candidate {
    double distance;
    uint64_t row;
} candidate;

typedef struct scan {
    const abc_request *request;
    const float *x;       /* [n_x] observed */
    float *z;             /* [n_x] the same, standardised */
    uint64_t *index;      /* [workers][ROWS] */
    float *rows;          /* [workers][ROWS][n_x] */
    float *standardised;  /* [workers][ROWS][n_x]; of ABC_EUCLIDEAN */
    candidate *candidate; /* [n] */
} scan;

/* distances */

static double euclidean(size_t n, const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double r = (double)a[i] - (double)b[i];
        sum += r * r;
    }
    return sqrt(sum);
}

/* Variance over bins of x / observed: 0 for any multiple of the observed row. */
static double variance_of_ratios(size_t n, const float *x, const float *seen)
{
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)seen[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double r = (double)x[i] / (double)seen[i] - mean;
        squares += r * r;
    }
    return squares / (double)n;
}

static int measure(void *context, size_t task, unsigned worker)
{
    const scan *s = context;
    const abc_request *q = s->request;
    const size_t n_x = q->train->n_x;
    const uint64_t first = (uint64_t)task * ROWS, left = q->train->n - first;
    const size_t n = left < ROWS ? (size_t)left : ROWS;
    uint64_t *index = s->index + (size_t)worker * ROWS;
    float *x = s->rows + (size_t)worker * ROWS * n_x;
    for (size_t i = 0; i < n; i++)
        index[i] = first + i;
    int status = q->train->rows(q->train, worker, 1, n, index, NULL, x);
    if (!status && q->measure == ABC_EUCLIDEAN) {
        float *z = s->standardised + (size_t)worker * ROWS * n_x;
        scaling_apply(q->scaling, n, x, z, NULL);
        for (size_t i = 0; i < n; i++)
            s->candidate[first + i] =
                (candidate){euclidean(n_x, z + i * n_x, s->z), first + i};
    } else if (!status) {
        for (size_t i = 0; i < n; i++)
            s->candidate[first + i] =
                (candidate){variance_of_ratios(n_x, x + i * n_x, s->x), first + i};
    }
    return status ? status
                  : progress_report(q->watch, "abc", first + n, q->train->n,
                                    "simulations", NULL);
}

/* Nearer first; of equals, and of those without a distance, the first row. */
static int compare(const void *a_, const void *b_)
{
    const candidate *a = a_, *b = b_;
    if (a->distance < b->distance || (isnan(b->distance) && !isnan(a->distance)))
        return -1;
    if (a->distance > b->distance || (isnan(a->distance) && !isnan(b->distance)))
        return 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* what is kept */

static int keep_rows(const scan *s, size_t kept, chains *out)
{
    const abc_request *q = s->request;
    double *theta = memory_new(kept, q->train->n_theta * sizeof *theta);
    uint64_t *index = memory_new(kept, sizeof *index);
    int status =
        theta && index ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu draws", kept);
    for (size_t i = 0; !status && i < kept; i++)
        index[i] = s->candidate[i].row;
    if (!status)
        status = q->train->rows(q->train, 0, 1, kept, index, theta, NULL);
    if (!status)
        target_columns(q->target, kept, theta, out->theta);
    free(index);
    free(theta);
    return status;
}

/* Independent draws, equally weighted, whose density nobody knows: one chain. */
static int draws_new(uint32_t dim, size_t kept, uint64_t n, chains *out)
{
    *out = (chains){.dim = dim,
                    .n_chains = 1,
                    .n_draws = kept,
                    .acceptance = (double)kept / (double)n,
                    .evaluations = n,
                    .effective = (double)kept,
                    .k_hat = NAN};
    out->theta = memory_new(kept, dim * sizeof *out->theta);
    out->log_posterior = memory_new(kept, sizeof *out->log_posterior);
    out->r_hat = memory_new(3 * (size_t)dim, sizeof *out->r_hat);
    if (!out->theta || !out->log_posterior || !out->r_hat)
        return fail(NRE_ENOMEM, "no memory for %zu draws", kept);
    for (size_t i = 0; i < kept; i++)
        out->log_posterior[i] = NAN;
    out->ess_bulk = out->r_hat + dim;
    out->ess_tail = out->ess_bulk + dim;
    for (uint32_t k = 0; k < 3 * dim; k++)
        out->r_hat[k] = NAN;
    return NRE_OK;
}

/* checks */

static int check_observed(const abc_request *q, const float *x)
{
    const size_t n = q->train->n_x;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return fail(NRE_EDATA, "value %zu of the observation is not finite", i);
        if (q->measure == ABC_RATIOS && x[i] == 0)
            return fail(NRE_EDATA,
                        "value %zu of the observation is 0, and the distance "
                        "ratio_variance divides by it: take infer.abc.distance: "
                        "standardised",
                        i);
    }
    if (q->measure == ABC_RATIOS && n < 2)
        return fail(NRE_EDATA, "ratio_variance is a variance over the values of a row, "
                               "and a row of x has one: take infer.abc.distance: "
                               "standardised");
    return NRE_OK;
}

static int scan_new(const abc_request *q, const float *x, scan *s)
{
    const size_t workers = q->workers ? pool_threads(q->workers) : 1;
    const size_t n_x = q->train->n_x, floats = ROWS * n_x * sizeof(float);
    *s = (scan){.request = q, .x = x};
    s->z = memory_new(n_x, sizeof *s->z);
    s->index = memory_new(workers * ROWS, sizeof *s->index);
    s->rows = memory_new(workers, floats);
    s->standardised = memory_new(workers, q->measure == ABC_EUCLIDEAN ? floats : 1);
    s->candidate = memory_new((size_t)q->train->n, sizeof *s->candidate);
    if (!s->z || !s->index || !s->rows || !s->standardised || !s->candidate)
        return fail(NRE_ENOMEM, "no memory for the distances of %" PRIu64 " simulations",
                    q->train->n);
    if (q->measure == ABC_EUCLIDEAN)
        scaling_apply(q->scaling, 1, x, s->z, NULL);
    return NRE_OK;
}

static void scan_free(scan *s)
{
    free(s->z);
    free(s->index);
    free(s->rows);
    free(s->standardised);
    free(s->candidate);
}

size_t abc_kept(double keep, uint64_t n)
{
    double wanted = round(keep * (double)n);
    return wanted >= (double)n ? (size_t)n : (size_t)wanted;
}

int abc_kept_check(double keep, uint64_t n)
{
    const size_t kept = abc_kept(keep, n);
    if (kept >= ABC_LEAST)
        return NRE_OK;
    return fail(NRE_ECONFIG,
                "infer.abc.keep = %g of %" PRIu64
                " training simulations are %zu, fewer than %d: keep a larger fraction, "
                "or simulate more (datasets.train.n)",
                keep, n, kept, ABC_LEAST);
}

int abc_of(const abc_request *q, const float *x, chains *out, double *tolerance)
{
    const uint64_t n = q->train->n;
    const size_t kept = abc_kept(q->keep, n);
    scan s = {0};
    *out = (chains){0};
    *tolerance = NAN;
    int status = abc_kept_check(q->keep, n);
    if (!status)
        status = check_observed(q, x);
    if (!status)
        status = scan_new(q, x, &s);
    if (!status && q->train->begin)
        status = q->train->begin(q->train, 1);
    if (!status)
        status = pool_run(q->workers, (size_t)((n - 1) / ROWS) + 1, measure, &s);
    if (!status)
        status = draws_new(q->target->n, kept, n, out);
    if (!status) {
        qsort(s.candidate, (size_t)n, sizeof *s.candidate, compare);
        *tolerance = s.candidate[kept - 1].distance;
        if (!isfinite(*tolerance))
            status = fail(NRE_ENUMERIC, "the distance of a simulation that would be kept "
                                        "is not finite");
    }
    if (!status)
        status = keep_rows(&s, kept, out);
    if (status)
        chains_release(out);
    scan_free(&s);
    return status;
}

/* validation.c - the loss on fixed pairs of the validation set. */
#include "train/train.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

size_t validation_shifts(const train_job *job)
{
    uint64_t n = job->validation->n;
    size_t k = job->settings->loss_options.marginals;
    size_t wanted = k > VALIDATION_SHIFTS ? k : VALIDATION_SHIFTS;
    return n - 1 < wanted ? (size_t)(n - 1) : wanted;
}

/* The same shifts for every network of a seed, so that their losses compare. */
static int fixed_shifts(const train_job *job, size_t *k, uint64_t *shift)
{
    uint64_t n = job->validation->n;
    size_t marginals = job->settings->loss_options.marginals;
    rng r;
    if (n < 2)
        return fail(NRE_EINVAL,
                    "the validation set has %" PRIu64
                    " rows; at least 2 are needed to pair them",
                    n);
    if (marginals < 1 || marginals > MOST_MARGINALS)
        return fail(NRE_EINVAL, "%zu marginal pairs a row: expected 1 .. %d", marginals,
                    (int)MOST_MARGINALS);
    *k = validation_shifts(job);
    rng_start(&r, rng_purpose(job->settings->seed, "batches/validation"), 0, 0);
    pair_shifts(&r, n, *k, shift);
    return NRE_OK;
}

static size_t chunk_rows(const loader *rows, uint64_t first)
{
    return rows->n - first < VALIDATION_CHUNK ? (size_t)(rows->n - first)
                                              : VALIDATION_CHUNK;
}

static void chunk_index(const loader *rows, uint64_t first, uint64_t shift, size_t n,
                        uint64_t *index)
{
    for (size_t i = 0; i < n; i++)
        index[i] = (first + i + shift) % rows->n;
}

/* the loss of a row: the mean over groups of as many marginal pairs as in training */

typedef struct grouping {
    const loss *loss;
    loss_options options; /* with the marginals of a group */
    size_t shifts, groups;
} grouping;

static grouping grouping_of(const train_job *job, size_t shifts)
{
    grouping g = {job->settings->loss, job->settings->loss_options, shifts, 1};
    if (g.options.marginals < shifts)
        g.groups = shifts;
    else
        g.options.marginals = shifts;
    return g;
}

/* Of group WHICH: the joint pair, and pairs WHICH, WHICH + 1 ... in a circle. */
static void take_group(const grouping *g, size_t which, const float *logit, float *out)
{
    out[0] = logit[0];
    for (size_t j = 0; j < g->options.marginals; j++)
        out[1 + j] = logit[1 + (which + j) % g->shifts];
}

static double row_loss(const grouping *g, const float *logit)
{
    float group[1 + MOST_MARGINALS], gradient[1 + MOST_MARGINALS];
    double sum = 0;
    for (size_t i = 0; i < g->groups; i++) {
        take_group(g, i, logit, group);
        sum += g->loss->row(&g->options, group, gradient);
    }
    return sum / (double)g->groups;
}

static double row_statistic(const grouping *g, const float *logit)
{
    float group[1 + MOST_MARGINALS];
    double sum = 0;
    for (size_t i = 0; g->loss->statistic && i < g->groups; i++) {
        take_group(g, i, logit, group);
        sum += g->loss->statistic(&g->options, group, NULL);
    }
    return sum / (double)g->groups;
}

static double penalty_at(const grouping *g, double mean)
{
    double slope;
    return g->loss->penalty ? g->loss->penalty(&g->options, mean, &slope) : 0;
}

/* Of a trainer's job; the penalty is for the whole set. */
static double loss_of_rows(void *context, size_t first, size_t n, const float *logit,
                           double measured, float *gradient)
{
    const pair_batch *b = context;
    grouping g = grouping_of(b->job, b->per_x - 1);
    double sum = 0;
    (void)first, (void)measured, (void)gradient;
    for (size_t i = 0; i < n; i++)
        sum += row_loss(&g, logit + i * b->per_x);
    return sum;
}

static double statistic_of_rows(void *context, size_t first, size_t n, const float *logit)
{
    const pair_batch *b = context;
    grouping g = grouping_of(b->job, b->per_x - 1);
    double sum = 0;
    (void)first;
    for (size_t i = 0; i < n; i++)
        sum += row_statistic(&g, logit + i * b->per_x);
    return sum;
}

/* the loss of a network */

int validator_new(const train_job *job, validator *out)
{
    *out = (validator){0};
    int status = fixed_shifts(job, &out->k, out->shift);
    if (status)
        return status;
    size_t most = chunk_rows(job->validation, 0);
    status = batch_new(job, job->validation, most, 1 + out->k, &out->batch);
    if (!status)
        status = trainer_new(job->net, most, 1 + out->k, job->settings->loss->statistic,
                             job->pool, &out->trainer);
    if (status)
        return status;
    out->index = memory_new(most, sizeof *out->index);
    return out->index ? NRE_OK : fail(NRE_ENOMEM, "no memory for the validation set");
}

void validator_free(validator *v)
{
    batch_free(&v->batch);
    trainer_free(v->trainer);
    free(v->index);
    *v = (validator){0};
}

/* Rows [first, first + n) with theta of their own, then those of the rows SHIFT further
 * on. */
static int take_chunk(validator *v, uint64_t first, size_t n)
{
    pair_batch *b = &v->batch;
    for (size_t j = v->k + 1; j-- > 0;) {
        chunk_index(b->rows, first, j ? v->shift[j - 1] : 0, n, v->index);
        int status = batch_gather(b, n, v->index);
        if (status)
            return status;
        batch_place(b, j, n, 0);
    }
    b->index = v->index; /* shift 0 came last */
    b->n = n;
    return NRE_OK;
}

int validator_loss(validator *v, const float *weights, const float *buffers, double *mean)
{
    const loader *rows = v->batch.rows;
    const grouping g = grouping_of(v->batch.job, v->k);
    double sum = 0, statistic = 0;
    for (uint64_t first = 0; first < rows->n; first += VALIDATION_CHUNK) {
        double part, measured;
        trainer_job job;
        int status = stop_check();
        if (!status)
            status = take_chunk(v, first, chunk_rows(rows, first));
        if (status)
            return status;
        batch_job(&v->batch, &job);
        job.loss = loss_of_rows;
        job.measure = job.measure ? statistic_of_rows : NULL;
        status = trainer_loss(v->trainer, &job, weights, buffers, &part, &measured);
        if (status)
            return status;
        sum += part;
        statistic += measured;
    }
    *mean = sum / (double)rows->n + penalty_at(&g, statistic / (double)rows->n);
    return NRE_OK;
}

/* the loss of a given ratio */

typedef struct given {
    const train_job *job;
    log_ratio_function *f;
    void *context;
    size_t k;
    uint64_t shift[MOST_MARGINALS];
    uint64_t *index;                  /* [chunk] */
    double *full, *theta, *log_ratio; /* [chunk][n_theta], [chunk][target], [chunk] */
    float *x, *logit;                 /* [chunk][n_x], [chunk][1 + k] */
} given;

static int given_new(given *g)
{
    const loader *rows = g->job->validation;
    int status = fixed_shifts(g->job, &g->k, g->shift);
    if (status)
        return status;
    size_t most = chunk_rows(rows, 0);
    g->index = memory_new(most, sizeof *g->index);
    g->full = memory_new(most, rows->n_theta * sizeof *g->full);
    g->theta = memory_new(most, g->job->target->n * sizeof *g->theta);
    g->log_ratio = memory_new(most, sizeof *g->log_ratio);
    g->x = memory_new(most, rows->n_x * sizeof *g->x);
    g->logit = memory_new(most, (1 + g->k) * sizeof *g->logit);
    bool all = g->index && g->full && g->theta && g->log_ratio && g->x && g->logit;
    return all ? NRE_OK : fail(NRE_ENOMEM, "no memory for the validation set");
}

static void given_free(given *g)
{
    free(g->index);
    free(g->full);
    free(g->theta);
    free(g->log_ratio);
    free(g->x);
    free(g->logit);
}

/* Column J of the logits.  A ratio of zero is a logit of -FLT_MAX: losses take finite
 * ones. */
static int given_column(given *g, uint64_t first, size_t n, size_t j)
{
    const loader *rows = g->job->validation;
    chunk_index(rows, first, j ? g->shift[j - 1] : 0, n, g->index);
    int status = rows->rows(rows, 0, 0, n, g->index, g->full, j ? NULL : g->x);
    if (status)
        return status;
    target_columns(g->job->target, n, g->full, g->theta);
    status = g->f(g->context, n, g->theta, g->x, g->log_ratio);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        double value = g->log_ratio[i];
        if (isnan(value))
            return fail(NRE_ENUMERIC,
                        "validation row %" PRIu64 ": the log ratio is not a number",
                        first + i);
        g->logit[i * (1 + g->k) + j] = (float)fmax(-FLT_MAX, fmin(FLT_MAX, value));
    }
    return NRE_OK;
}

static int given_chunk(given *g, uint64_t first, double *sum, double *statistic)
{
    const grouping groups = grouping_of(g->job, g->k);
    size_t n = chunk_rows(g->job->validation, first);
    for (size_t j = 0; j <= g->k; j++) {
        int status = given_column(g, first, n, j);
        if (status)
            return status;
    }
    for (size_t i = 0; i < n; i++) {
        const float *logit = g->logit + i * (1 + g->k);
        *sum += row_loss(&groups, logit);
        *statistic += row_statistic(&groups, logit);
    }
    return NRE_OK;
}

int validation_loss_of(const train_job *job, log_ratio_function *f, void *context,
                       double *mean)
{
    given g = {.job = job, .f = f, .context = context};
    double sum = 0, statistic = 0, n = (double)job->validation->n;
    int status = given_new(&g);
    for (uint64_t first = 0; !status && first < job->validation->n;
         first += VALIDATION_CHUNK)
        status = given_chunk(&g, first, &sum, &statistic);
    const grouping groups = grouping_of(job, g.k);
    if (!status)
        *mean = sum / n + penalty_at(&groups, statistic / n);
    given_free(&g);
    return status;
}

/* batch.c - rows of a loader as a network sees them: standardised, theta apart from x. */
#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int batch_new(const train_job *job, const loader *rows, size_t most, size_t per_x,
              pair_batch *out)
{
    size_t width = job->target->n, pairs;
    unsigned workers = job->pool ? pool_threads(job->pool) : 1;
    *out = (pair_batch){
        .job = job, .rows = rows, .most = most, .per_x = per_x, .workers = workers};
    out->options = job->settings->loss_options;
    out->options.marginals = per_x - 1;
    if (__builtin_mul_overflow(most, per_x, &pairs))
        return fail(NRE_EINVAL, "a batch of %zu rows with %zu thetas each is too large",
                    most, per_x);
    out->full = memory_new(most, rows->n_theta * sizeof *out->full);
    out->columns = memory_new(most, width * sizeof *out->columns);
    out->gathered = memory_new(most, width * sizeof *out->gathered);
    out->theta = memory_new(pairs, width * sizeof *out->theta);
    out->x = memory_new((size_t)workers * BATCH_BLOCK, rows->n_x * sizeof *out->x);
    out->clamped = memory_new(workers, BATCH_STRIDE * sizeof *out->clamped);
    if (!out->full || !out->columns || !out->gathered || !out->theta || !out->x ||
        !out->clamped)
        return fail(NRE_ENOMEM, "no memory for a batch of %zu rows", most);
    return NRE_OK;
}

void batch_free(pair_batch *b)
{
    free(b->full);
    free(b->columns);
    free(b->gathered);
    free(b->theta);
    free(b->x);
    free(b->clamped);
    *b = (pair_batch){0};
}

int batch_gather(pair_batch *b, size_t n, const uint64_t *index)
{
    const target *t = b->job->target;
    int status = b->rows->rows(b->rows, 0, b->epoch, n, index, b->full, NULL);
    if (status)
        return status;
    b->n_gathered = n;
    target_columns(t, n, b->full, b->columns);
    target_standardise(t, n, b->columns, b->gathered, NULL);
    for (size_t i = 0; i < n * t->n; i++)
        if (!isfinite(b->gathered[i]))
            return fail(NRE_ENUMERIC, "row %" PRIu64 ": theta is not finite",
                        index[i / t->n]);
    return NRE_OK;
}

void batch_place(pair_batch *b, size_t which, size_t n, uint64_t shift)
{
    size_t d = b->job->target->n;
    for (size_t i = 0; i < n; i++)
        memcpy(b->theta + (i * b->per_x + which) * d,
               b->gathered + (i + shift) % b->n_gathered * d, d * sizeof *b->theta);
}

static int check_finite(const pair_batch *b, size_t n, const uint64_t *index,
                        const float *x)
{
    size_t width = b->rows->n_x;
    for (size_t i = 0; i < n * width; i++)
        if (!isfinite(x[i]))
            return fail(NRE_ENUMERIC,
                        "row %" PRIu64
                        ": value %zu of x is not finite; simulate it again or "
                        "leave it out",
                        index[i / width], i % width);
    return NRE_OK;
}

/* Through scratch memory in small blocks, so that raw values are standardised while in
 * cache. */
static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    pair_batch *b = context;
    size_t width = b->rows->n_x, thetas = b->per_x * b->job->target->n;
    float *raw = b->x + (size_t)worker * BATCH_BLOCK * width;
    memcpy(theta, b->theta + first * thetas, n * thetas * sizeof *theta);
    for (size_t at = 0; at < n; at += BATCH_BLOCK) {
        size_t m = n - at < BATCH_BLOCK ? n - at : BATCH_BLOCK;
        const uint64_t *index = b->index + first + at;
        int status = b->rows->rows(b->rows, worker, b->epoch, m, index, NULL, raw);
        if (!status)
            status = check_finite(b, m, index, raw);
        if (status)
            return status;
        scaling_apply(b->job->scaling, m, raw, x + at * width,
                      b->clamped + (size_t)worker * BATCH_STRIDE);
    }
    return NRE_OK;
}

/* The gradient of the penalty: its slope at the mean times that of each row's statistic. */
static void add_penalty(const pair_batch *b, double slope, const float *logit,
                        float *part, float *gradient)
{
    (void)b->job->settings->loss->statistic(&b->options, logit, part);
    for (size_t j = 0; j < b->per_x; j++)
        gradient[j] += (float)(slope * (double)part[j]);
}

static double loss_of_rows(void *context, size_t first, size_t n, const float *logit,
                           double measured, float *gradient)
{
    const pair_batch *b = context;
    const loss *l = b->job->settings->loss;
    float part[1 + MOST_MARGINALS];
    double sum = 0, slope = 0;
    (void)first;
    if (l->penalty)
        sum = (double)n * l->penalty(&b->options, measured / (double)b->n, &slope);
    for (size_t i = 0; i < n; i++, logit += b->per_x, gradient += b->per_x) {
        sum += l->row(&b->options, logit, gradient);
        if (l->penalty)
            add_penalty(b, slope, logit, part, gradient);
    }
    return sum;
}

static double statistic_of_rows(void *context, size_t first, size_t n, const float *logit)
{
    const pair_batch *b = context;
    double sum = 0;
    (void)first;
    for (size_t i = 0; i < n; i++)
        sum += b->job->settings->loss->statistic(&b->options, logit + i * b->per_x, NULL);
    return sum;
}

void batch_job(pair_batch *b, trainer_job *out)
{
    *out = (trainer_job){
        .n = b->n, .per_x = b->per_x, .fill = fill, .loss = loss_of_rows, .context = b};
    if (b->job->settings->loss->statistic)
        out->measure = statistic_of_rows;
}

uint64_t batch_clamped(const pair_batch *b)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < b->workers; w++)
        sum += b->clamped[(size_t)w * BATCH_STRIDE];
    return sum;
}

void batch_forget(pair_batch *b)
{
    memset(b->clamped, 0, b->workers * BATCH_STRIDE * sizeof *b->clamped);
}

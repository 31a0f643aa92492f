/* nn/trainer.c - forward, loss and backward over a batch, slice by slice. */
#include "nn/nn.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_ROWS = 128, MAX_SLICES = 16 };

/* Of one batch norm over the batch, by channel. */
typedef struct moments {
    double *mean, *variance;         /* biased */
    double *back_weight, *back_bias; /* gradients */
} moments;

struct trainer {
    const net *g;
    const kernels *k;
    pool *workers;
    plan *plan;
    size_t batch, per_x, max_slices;
    size_t n_frames; /* one a slice with batch norm, else one a thread */
    frame **frames;
    arena *memory;
    norm_terms *norms; /* by node */
    moments *moments;  /* by node */
    size_t n_sums;
    double *sums;            /* [max_slices][n_sums] */
    double *loss, *measured; /* [max_slices] */
    bool meets;              /* the loss waits for the whole batch */

    /* Gradients of slices on their way up the tree: of the tensors that a level writes, which lie
     * at gradient_at [tensors] in the first level_floats. */
    pthread_mutex_t lock;
    size_t *gradient_at, level_floats, most_floats;
    bool *split; /* tensors that several levels write a part of */
    size_t n_spare, n_made;
    float **spare, **made; /* [max_slices]: at hand; all, to be freed */
    float **held;          /* [max_slices]: of the block that starts at this slice */
    size_t *ready;         /* [max_slices]: slices in that block; 0: not there yet */

    /* The step under way. */
    const trainer_job *job;
    const float *weights;
    float *gradient;
    size_t rows, n_slices; /* of x in a slice; slices in the batch */
    unsigned level;
};

static size_t rows_in_slice(size_t n)
{
    size_t rows = (n + MAX_SLICES - 1) / MAX_SLICES;
    return rows > SLICE_ROWS ? rows : SLICE_ROWS;
}

static size_t slices_in(size_t n)
{
    return (n + rows_in_slice(n) - 1) / rows_in_slice(n);
}

/* making */

static bool norm_new(trainer *t, const net_node *v)
{
    norm_terms *n = &t->norms[v->id];
    moments *m = &t->moments[v->id];
    float *f = arena_alloc(t->memory, 5 * v->channels, sizeof *f);
    double *d = arena_alloc(t->memory, 4 * v->channels, sizeof *d);
    if (!f || !d)
        return false;
    *n = (norm_terms){f,
                      f + v->channels,
                      f + 2 * v->channels,
                      f + 3 * v->channels,
                      f + 4 * v->channels,
                      t->n_sums};
    *m = (moments){d, d + v->channels, d + 2 * v->channels, d + 3 * v->channels};
    t->n_sums += 2 * v->channels;
    return true;
}

static bool norms_new(trainer *t)
{
    t->norms = arena_alloc(t->memory, t->g->n_nodes, sizeof *t->norms);
    t->moments = arena_alloc(t->memory, t->g->n_nodes, sizeof *t->moments);
    bool good = t->norms && t->moments;
    for (size_t i = 0; good && i < t->plan->n_order; i++) {
        const net_node *v = &t->g->nodes[t->plan->order[i]];
        if (v->op == OP_BATCH_NORM)
            good = norm_new(t, v);
    }
    t->sums = arena_alloc(t->memory, t->max_slices * t->n_sums + 1, sizeof *t->sums);
    return good && t->sums;
}

static bool arrays_new(trainer *t)
{
    size_t n = t->max_slices;
    t->frames = arena_alloc(t->memory, t->n_frames, sizeof(frame *));
    t->loss = arena_alloc(t->memory, n, sizeof *t->loss);
    t->measured = arena_alloc(t->memory, n, sizeof *t->measured);
    t->spare = arena_alloc(t->memory, n, sizeof(float *));
    t->made = arena_alloc(t->memory, n, sizeof(float *));
    t->held = arena_alloc(t->memory, n, sizeof(float *));
    t->ready = arena_alloc(t->memory, n, sizeof *t->ready);
    t->gradient_at =
        arena_alloc(t->memory, t->g->n_weight_tensors + 1, sizeof *t->gradient_at);
    t->split = arena_alloc(t->memory, t->g->n_weight_tensors + 1, sizeof *t->split);
    return t->frames && t->loss && t->measured && t->spare && t->made && t->held &&
           t->ready && t->gradient_at && t->split;
}

/* The tensors that slices write at LEVEL on the way back. */
static void level_tensors(trainer *t, unsigned level)
{
    t->level_floats = 0;
    for (size_t w = 0; w < t->g->n_weight_tensors; w++)
        t->gradient_at[w] = NOWHERE;
    for (size_t i = 0; i < t->plan->n_order; i++) {
        const net_node *v = &t->g->nodes[t->plan->order[i]];
        int32_t tensors[2] = {v->weight, v->bias};
        bool here = v->op != OP_BATCH_NORM && node_level_back(v) == level;
        for (size_t k = 0; here && k < 2; k++)
            if (tensors[k] >= 0 && t->gradient_at[tensors[k]] == NOWHERE) {
                t->gradient_at[tensors[k]] = t->level_floats;
                t->level_floats += (t->g->weights[tensors[k]].n + 15) / 16 * 16;
            }
    }
}

static void levels_measure(trainer *t, bool *seen)
{
    for (unsigned level = 0; level < t->g->levels; level++) {
        level_tensors(t, level);
        t->most_floats =
            t->level_floats > t->most_floats ? t->level_floats : t->most_floats;
        for (size_t w = 0; w < t->g->n_weight_tensors; w++) {
            bool here = t->gradient_at[w] != NOWHERE;
            t->split[w] |= here && seen[w];
            seen[w] |= here;
        }
    }
}

static bool levels_new(trainer *t)
{
    bool *seen = arena_alloc(t->memory, t->g->n_weight_tensors + 1, sizeof *seen);
    if (seen)
        levels_measure(t, seen);
    return seen;
}

/* Slices wait for each other on their way. */
static bool has_barrier(const trainer *t)
{
    return t->meets || net_has_batch_norm(t->g);
}

int trainer_new(const net *g, size_t batch, size_t per_x, bool meets, pool *p,
                trainer **out)
{
    *out = NULL;
    if (batch == 0 || per_x == 0)
        return fail(NRE_EINVAL, "a batch needs rows and thetas");
    trainer *t = calloc(1, sizeof *t);
    if (!t)
        return fail(NRE_ENOMEM, "no memory for the trainer");
    pthread_mutex_init(&t->lock, NULL);
    t->g = g;
    t->k = kernels_best();
    t->workers = p;
    t->batch = batch;
    t->per_x = per_x;
    t->max_slices = batch < SLICE_ROWS ? 1 : (batch + SLICE_ROWS - 1) / SLICE_ROWS;
    t->max_slices = t->max_slices < MAX_SLICES ? t->max_slices : MAX_SLICES;
    t->meets = meets;
    t->n_frames = has_barrier(t) ? t->max_slices : p ? pool_threads(p) : 1;
    t->memory = arena_new();
    size_t rows = rows_in_slice(batch) < batch ? rows_in_slice(batch) : batch;
    int status = plan_new(g, PLAN_TRAIN, PART_ALL, rows, rows * per_x, &t->plan);
    if (!status && (!t->memory || !arrays_new(t) || !norms_new(t) || !levels_new(t)))
        status = fail(NRE_ENOMEM, "no memory for the trainer");
    if (status)
        trainer_free(t);
    else
        *out = t;
    return status;
}

void trainer_free(trainer *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->frames && i < t->n_frames; i++)
        frame_free(t->frames[i]);
    for (size_t i = 0; i < t->n_made; i++)
        free(t->made[i]);
    plan_free(t->plan);
    arena_free(t->memory);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

size_t trainer_memory(const trainer *t)
{
    size_t bytes = sizeof *t + t->max_slices * t->n_sums * sizeof *t->sums;
    for (size_t i = 0; i < t->n_frames; i++)
        bytes += t->plan->floats * sizeof(float);
    return bytes + t->n_made * t->most_floats * sizeof(float);
}

/* the tree of gradients */

/* A gradient for slice I. */
static int gradient_take(trainer *t, size_t i)
{
    pthread_mutex_lock(&t->lock);
    if (t->n_spare > 0)
        t->held[i] = t->spare[--t->n_spare];
    else if ((t->held[i] = memory_new(t->most_floats + 1, sizeof(float))))
        t->made[t->n_made++] = t->held[i];
    pthread_mutex_unlock(&t->lock);
    if (!t->held[i])
        return fail(NRE_ENOMEM, "no memory for the gradient of a slice");
    for (size_t w = 0; w < t->g->n_weight_tensors; w++)
        if (t->split[w] && t->gradient_at[w] != NOWHERE)
            memset(t->held[i] + t->gradient_at[w], 0, t->g->weights[w].n * sizeof(float));
    return NRE_OK;
}

/* Block I of SIZE slices is complete: may it be merged with its neighbour?  If the
 * neighbour is not ready it will do it later. */
static bool block_meets(trainer *t, size_t i, size_t size)
{
    size_t left = i / (2 * size) * (2 * size), other = i == left ? left + size : left;
    pthread_mutex_lock(&t->lock);
    bool meets = t->ready[other] == size;
    if (!meets)
        t->ready[i] = size;
    pthread_mutex_unlock(&t->lock);
    return meets;
}

/* Add slice I into the tree: blocks of 1, 2, 4 ... slices, the right one onto the left
 * one, by whoever completes the second of them. */
static void gradient_merge(trainer *t, size_t i)
{
    for (size_t size = 1; size < t->n_slices; size *= 2) {
        size_t left = i / (2 * size) * (2 * size), right = left + size;
        if (right >= t->n_slices)
            continue;
        if (!block_meets(t, i, size))
            return;
        t->k->add(t->level_floats, t->held[right], t->held[left]);
        pthread_mutex_lock(&t->lock);
        t->spare[t->n_spare++] = t->held[right];
        pthread_mutex_unlock(&t->lock);
        i = left;
    }
}

/* Before a level: all gradients are at hand. */
static void gradients_clear(trainer *t)
{
    level_tensors(t, t->level);
    t->n_spare = t->n_made;
    memcpy(t->spare, t->made, t->n_made * sizeof(float *));
    memset(t->ready, 0, t->max_slices * sizeof *t->ready);
}

/* After it: the sum over all slices to where the caller has it. */
static void gradients_give(trainer *t)
{
    for (size_t w = 0; w < t->g->n_weight_tensors; w++)
        if (t->gradient_at[w] != NOWHERE)
            t->k->add(t->g->weights[w].n, t->held[0] + t->gradient_at[w],
                      t->gradient + t->g->weights[w].at);
}

/* The same tree over rows of doubles, into the first. */
static void tree_sum(size_t slices, size_t stride, size_t n, double *rows)
{
    for (size_t size = 1; size < slices; size *= 2)
        for (size_t i = 0; i + size < slices; i += 2 * size)
            for (size_t k = 0; k < n; k++)
                rows[i * stride + k] += rows[(i + size) * stride + k];
}

/* batch norm */

static double values_a_channel(const trainer *t, const net_node *v)
{
    double rows = (double)t->job->n * (v->pair ? (double)t->job->per_x : 1.0);
    return rows * (double)(v->sets * v->inner);
}

static const float *norm_weight(const trainer *t, const net_node *v, int32_t tensor)
{
    return t->weights + t->g->weights[tensor].at + v->channel_at;
}

static void norm_forward(trainer *t, const net_node *v)
{
    const norm_terms *n = &t->norms[v->id];
    const moments *m = &t->moments[v->id];
    const double *sum = t->sums + n->sums_at, *square = sum + v->channels;
    const float *gamma = norm_weight(t, v, v->weight), *beta = norm_weight(t, v, v->bias);
    const double values = values_a_channel(t, v);
    for (size_t c = 0; c < v->channels; c++) {
        double mean = sum[c] / values, variance = square[c] / values - mean * mean;
        m->mean[c] = mean;
        m->variance[c] = variance < 0 ? 0 : variance;
        double scale = gamma[c] / sqrt(m->variance[c] + NORM_EPS);
        n->scale[c] = (float)scale;
        n->shift[c] = (float)(beta[c] - mean * scale);
    }
}

/* With u = (x - mean) / deviation: dx = gamma / deviation (dy - mean(dy) - u mean(dy u)).
 */
static void norm_backward(trainer *t, const net_node *v)
{
    const norm_terms *n = &t->norms[v->id];
    const moments *m = &t->moments[v->id];
    const double *sum = t->sums + n->sums_at, *product = sum + v->channels;
    const float *gamma = norm_weight(t, v, v->weight);
    const double values = values_a_channel(t, v);
    for (size_t c = 0; c < v->channels; c++) {
        double inverse = 1.0 / sqrt(m->variance[c] + NORM_EPS),
               scale = gamma[c] * inverse;
        m->back_bias[c] = sum[c];
        m->back_weight[c] = inverse * (product[c] - m->mean[c] * sum[c]);
        double mean = sum[c] / values, mean_u = m->back_weight[c] / values;
        n->back_slope[c] = (float)scale;
        n->back_x[c] = (float)(-scale * inverse * mean_u);
        n->back_shift[c] = (float)(scale * (inverse * mean_u * m->mean[c] - mean));
    }
}

/* Sums of the batch norms whose output has LEVEL, over all slices; then ONE for each. */
static void norms_meet(trainer *t, unsigned level,
                       void (*one)(trainer *t, const net_node *v))
{
    for (size_t i = 0; i < t->plan->n_order; i++) {
        const net_node *v = &t->g->nodes[t->plan->order[i]];
        if (v->op != OP_BATCH_NORM || v->level != level)
            continue;
        tree_sum(t->n_slices, t->n_sums, 2 * v->channels,
                 t->sums + t->norms[v->id].sums_at);
        one(t, v);
    }
}

/* Gradients of weight and bias, and running statistics, of one batch norm. */
static void norm_finish(const trainer *t, const net_node *v, float *buffers)
{
    const moments *m = &t->moments[v->id];
    float *weight = t->gradient + t->g->weights[v->weight].at + v->channel_at;
    float *bias = t->gradient + t->g->weights[v->bias].at + v->channel_at;
    float *mean = buffers + t->g->buffers[v->mean].at + v->channel_at;
    float *variance = buffers + t->g->buffers[v->variance].at + v->channel_at;
    /* Running variances are unbiased over all that the architecture normalised together.
     */
    double values = values_a_channel(t, v);
    values *= v->of_pairs && !v->pair ? (double)t->job->per_x : 1.0;
    const double unbiased = values / (values - 1);
    for (size_t c = 0; c < v->channels; c++) {
        weight[c] = (float)m->back_weight[c];
        bias[c] = (float)m->back_bias[c];
        mean[c] = (float)(0.9 * mean[c] + 0.1 * m->mean[c]);
        variance[c] = (float)(0.9 * variance[c] + 0.1 * unbiased * m->variance[c]);
    }
}

/* the slices */

static size_t first_of(const trainer *t, size_t slice)
{
    return slice * t->rows;
}

static frame *frame_of(const trainer *t, size_t slice, unsigned worker)
{
    return t->frames[has_barrier(t) ? slice : worker];
}

static int slice_fill(trainer *t, frame *f, size_t slice, unsigned worker)
{
    const trainer_job *job = t->job;
    size_t left = job->n - first_of(t, slice);
    f->first = first_of(t, slice);
    f->n = left < t->rows ? left : t->rows;
    f->per_x = job->per_x;
    f->weights = t->weights;
    f->norms = t->norms;
    f->gradient_at = t->gradient_at;
    frame_restart(f);
    f->sums = t->sums + slice * t->n_sums;
    f->seed = job->seed;
    f->step = job->step;
    return job->fill(job->context, worker, f->first, f->n, f->value[NODE_X],
                     f->value[NODE_THETA]);
}

/* Back through a level, whose part of the gradient is then complete. */
static int slice_back(trainer *t, frame *f, size_t slice)
{
    int status = gradient_take(t, slice);
    if (status)
        return status;
    f->gradient = t->held[slice];
    frame_backward(f, t->level);
    if (t->level > 0)
        frame_measure_back(f, t->level);
    gradient_merge(t, slice);
    return NRE_OK;
}

/* At the end of the way: the loss, and back. */
static int slice_turn(trainer *t, frame *f, size_t slice, double measured)
{
    t->loss[slice] = t->job->loss(t->job->context, f->first, f->n, f->value[t->g->logit],
                                  measured, f->slope[t->g->logit]);
    return slice_back(t, f, slice);
}

static int slice_forward(void *context, size_t slice, unsigned worker)
{
    trainer *t = context;
    frame *f = frame_of(t, slice, worker);
    int status = t->level == 0 ? slice_fill(t, f, slice, worker) : NRE_OK;
    if (status)
        return status;
    frame_forward(f, t->level);
    if (t->level + 1 < t->g->levels) {
        frame_measure(f, t->level);
        return NRE_OK;
    }
    if (!t->meets)
        return slice_turn(t, f, slice, 0);
    t->measured[slice] =
        t->job->measure(t->job->context, f->first, f->n, f->value[t->g->logit]);
    return NRE_OK;
}

/* The statistic of the batch is known. */
static int slice_loss(void *context, size_t slice, unsigned worker)
{
    trainer *t = context;
    return slice_turn(t, frame_of(t, slice, worker), slice, t->measured[0]);
}

static int slice_backward(void *context, size_t slice, unsigned worker)
{
    trainer *t = context;
    return slice_back(t, frame_of(t, slice, worker), slice);
}

static int job_check(const trainer *t, const trainer_job *job)
{
    if (job->n == 0 || job->n > t->batch || job->per_x == 0 || job->per_x > t->per_x)
        return fail(NRE_EINVAL,
                    "a batch of %zu rows with %zu thetas each, made for %zu and %zu",
                    job->n, job->per_x, t->batch, t->per_x);
    for (size_t i = 0; i < t->plan->n_order; i++) {
        const net_node *v = &t->g->nodes[t->plan->order[i]];
        if (v->op == OP_BATCH_NORM && values_a_channel(t, v) < 2)
            return fail(NRE_EINVAL,
                        "batch norm needs two rows or more, the batch has %zu", job->n);
    }
    return NRE_OK;
}

/* Frames are made at the first step: who asks for losses alone needs none. */
static int frames_new(trainer *t)
{
    int status = NRE_OK;
    for (size_t i = 0; !status && i < t->n_frames; i++)
        if (!t->frames[i])
            status = frame_new(t->plan, t->k, &t->frames[i]);
    return status;
}

/* Forward through all levels; the loss and its level back, where nothing waits for the batch. */
static int forward_all(trainer *t)
{
    int status = NRE_OK;
    for (t->level = 0; !status && t->level < t->g->levels; t->level++) {
        if (t->level > 0)
            norms_meet(t, t->level, norm_forward);
        if (t->level + 1 == t->g->levels)
            gradients_clear(t);
        status = pool_run(t->workers, t->n_slices, slice_forward, t);
    }
    t->level = t->g->levels - 1;
    if (status || !t->meets)
        return status;
    tree_sum(t->n_slices, 1, 1, t->measured);
    return pool_run(t->workers, t->n_slices, slice_loss, t);
}

static int backward_all(trainer *t)
{
    int status = NRE_OK;
    gradients_give(t);
    while (!status && t->level-- > 0) {
        norms_meet(t, t->level + 1, norm_backward);
        gradients_clear(t);
        status = pool_run(t->workers, t->n_slices, slice_backward, t);
        if (!status)
            gradients_give(t);
    }
    return status;
}

int trainer_step(trainer *t, const trainer_job *job, const float *weights, float *buffers,
                 float *gradient, double *loss)
{
    *loss = 0;
    t->job = job;
    t->weights = weights;
    t->gradient = gradient;
    t->rows = rows_in_slice(job->n);
    t->n_slices = slices_in(job->n);
    memset(gradient, 0, t->g->n_weights * sizeof *gradient);
    int status = job_check(t, job);
    if (!status)
        status = frames_new(t);
    if (!status)
        status = forward_all(t);
    if (!status)
        status = backward_all(t);
    if (status)
        return status;
    for (size_t i = 0; i < t->plan->n_order; i++) {
        const net_node *v = &t->g->nodes[t->plan->order[i]];
        if (v->op == OP_BATCH_NORM)
            norm_finish(t, v, buffers);
    }
    tree_sum(t->n_slices, 1, 1, t->loss);
    *loss = t->loss[0];
    return NRE_OK;
}

/* the loss alone */

typedef struct judge {
    const trainer *t;
    const trainer_job *job;
    const model *m;
    model_worker **workers;
    float **memory;          /* by worker: x, theta, head, logit, gradient */
    double *loss, *measured; /* by slice */
    size_t rows;
} judge;

static int judge_slice(void *context, size_t slice, unsigned worker)
{
    const judge *j = context;
    const trainer_job *job = j->job;
    size_t first = slice * j->rows, left = job->n - first,
           n = left < j->rows ? left : j->rows;
    size_t pairs = n * job->per_x;
    float *x = j->memory[worker], *theta = x + n * net_x_size(j->t->g);
    float *head = theta + pairs * net_theta_size(j->t->g);
    float *logit = head + n * model_head_size(j->m);
    int status = job->fill(job->context, worker, first, n, x, theta);
    if (!status)
        status = model_head(j->m, j->workers[worker], n, x, head);
    if (!status)
        status = model_trunk(j->m, j->workers[worker], n, job->per_x, head, theta, logit,
                             NULL);
    if (!status)
        j->loss[slice] = job->loss(job->context, first, n, logit, 0, logit + pairs);
    if (!status && j->t->meets)
        j->measured[slice] = job->measure(job->context, first, n, logit);
    return status;
}

static int judge_run(judge *j, unsigned threads, size_t slices, double *loss,
                     double *measured)
{
    size_t floats = net_x_size(j->t->g) + model_head_size(j->m) +
                    j->job->per_x * (net_theta_size(j->t->g) + 2);
    int status = NRE_OK;
    for (unsigned i = 0; !status && i < threads; i++) {
        j->memory[i] = memory_new(j->rows * floats, sizeof(float));
        status = j->memory[i] ? model_worker_new(j->m, &j->workers[i])
                              : fail(NRE_ENOMEM, "no memory for the loss of a batch");
    }
    if (!status)
        status = pool_run(j->t->workers, slices, judge_slice, j);
    if (!status) {
        tree_sum(slices, 1, 1, j->loss);
        tree_sum(slices, 1, 1, j->measured);
        *loss = j->loss[0];
        *measured = j->measured[0];
    }
    for (unsigned i = 0; i < threads; i++) {
        model_worker_free(j->workers[i]);
        free(j->memory[i]);
    }
    return status;
}

int trainer_loss(trainer *t, const trainer_job *job, const float *weights,
                 const float *buffers, double *loss, double *measured)
{
    *loss = *measured = 0;
    if (job->n == 0 || job->per_x == 0)
        return fail(NRE_EINVAL, "a loss needs rows and thetas");
    unsigned threads = t->workers ? pool_threads(t->workers) : 1;
    model *m = NULL;
    int status = model_new(t->g, weights, buffers, &m);
    judge j = {.t = t, .job = job, .m = m, .rows = rows_in_slice(job->n)};
    size_t slices = slices_in(job->n);
    j.loss = calloc(slices, sizeof *j.loss);
    j.measured = calloc(slices, sizeof *j.measured);
    j.workers = calloc(threads, sizeof(model_worker *));
    j.memory = calloc(threads, sizeof(float *));
    if (!status && (!j.loss || !j.measured || !j.workers || !j.memory))
        status = fail(NRE_ENOMEM, "no memory for the loss of a batch");
    if (!status)
        status = judge_run(&j, threads, slices, loss, measured);
    free(j.loss);
    free(j.measured);
    free(j.workers);
    free(j.memory);
    model_free(m);
    return status;
}

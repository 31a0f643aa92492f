/* loop.c - training: epochs of steps, the best weights, the wish to stop. */
#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the statistics of averaged weights are made of: so many rows at least, in so many batches
 * at least, and no more than an epoch. */
enum { STATISTICS_ROWS = 16384, STATISTICS_BATCHES = 4 };

typedef struct loop {
    const train_job *job;
    const train_settings *settings;
    schedule schedule; /* in steps */
    train_state state;
    pair_batch batch;
    validator validated;
    trainer *trainer;
    float *gradient;       /* [n_weights] */
    float *of_part;        /* [n_weights], where a batch has parts */
    uint64_t *order;       /* [rows of the training set] */
    uint64_t *shift;       /* [marginals] */
    const uint64_t *taken; /* the batch under way, in ORDER */
    size_t rows, part;     /* of a batch; of its parts, the last has the rest */
    uint64_t batches;      /* of an epoch */
    rng_key key;
    uint64_t dropout;   /* seed of the masks */
    char *what;         /* "train all 0" */
    double lr, seconds; /* of the last step; spent on steps, in this call */
    uint64_t pairs;     /* computed in them */
    uint64_t clamped;   /* in the last epoch */
} loop;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* setting up */

const char *whole_batch_needed(const net *g, const loss *l)
{
    if (net_has_batch_norm(g))
        return "batch norm needs all rows of a batch at once";
    return l->penalty ? "the penalty of the loss needs all rows of a batch at once"
                      : NULL;
}

static int check_job(const train_job *job)
{
    const train_settings *s = job->settings;
    uint64_t n = job->train->n;
    if (n < 2 || s->batch_size < 2)
        return fail(
            NRE_EINVAL,
            "%" PRIu64 " training rows in batches of %" PRIu64
            ": at least 2 of each are needed, to pair x with the theta of another row",
            n, s->batch_size);
    uint64_t rows = n < s->batch_size ? n : s->batch_size;
    uint64_t most = rows - 1 < MOST_MARGINALS ? rows - 1 : MOST_MARGINALS;
    size_t marginals = s->loss_options.marginals;
    if (marginals < 1 || marginals > most)
        return fail(NRE_EINVAL,
                    "%zu marginal pairs a row in batches of %" PRIu64
                    " rows: expected 1 .. %" PRIu64,
                    marginals, rows, most);
    if (s->epochs < 1)
        return fail(NRE_EINVAL, "train.epochs is 0: nothing would be trained");
    const char *whole = whole_batch_needed(job->net, s->loss);
    if (s->accumulate > 1 && whole)
        return fail(NRE_EINVAL, "train.accumulate = %" PRIu64 ": %s", s->accumulate,
                    whole);
    return NRE_OK;
}

static int loop_memory(loop *l)
{
    size_t n = net_n_weights(l->job->net);
    l->gradient = memory_new(n, sizeof *l->gradient);
    l->of_part = memory_new(l->part < l->rows ? n : 1, sizeof *l->of_part);
    l->order = memory_new(l->job->train->n, sizeof *l->order);
    l->shift = memory_new(l->settings->loss_options.marginals, sizeof *l->shift);
    if (asprintf(&l->what, "train %s %" PRIu64, l->job->target->name,
                 l->settings->member) < 0)
        l->what = NULL;
    if (!l->gradient || !l->of_part || !l->order || !l->shift || !l->what)
        return fail(NRE_ENOMEM, "no memory to train %zu weights on %" PRIu64 " rows", n,
                    l->job->train->n);
    return NRE_OK;
}

static void loop_numbers(loop *l)
{
    const train_settings *s = l->settings;
    uint64_t n = l->job->train->n;
    l->rows = (size_t)(n < s->batch_size ? n : s->batch_size);
    l->part = (l->rows - 1) / (s->accumulate > 1 ? s->accumulate : 1) + 1;
    l->batches = n / l->rows;
    l->schedule = s->schedule;
    l->schedule.steps = s->epochs * l->batches;
    l->schedule.warmup = s->schedule.warmup * l->batches;
    l->key =
        rng_purpose(s->seed, "batches/%" PRIu64 "/%" PRIu64, s->replicate, s->member);
    l->dropout =
        rng_purpose(s->seed, "dropout/%" PRIu64 "/%" PRIu64, s->replicate, s->member)
            .word[0];
}

static int loop_new(const train_job *job, loop *l)
{
    size_t per_x = 1 + job->settings->loss_options.marginals;
    *l = (loop){.job = job, .settings = job->settings};
    int status = check_job(job);
    if (status)
        return status;
    loop_numbers(l);
    status = folder_make(job->folder);
    if (!status)
        status = loop_memory(l);
    if (!status)
        status =
            state_new(job->net, l->settings->epochs, l->settings->average > 0, &l->state);
    if (!status)
        status = batch_new(job, job->train, l->rows, per_x, &l->batch);
    if (!status)
        status = validator_new(job, &l->validated);
    return status ? status
                  : trainer_new(job->net, l->part, per_x, job->settings->loss->statistic,
                                job->pool, &l->trainer);
}

static void loop_free(loop *l)
{
    trainer_free(l->trainer);
    validator_free(&l->validated);
    batch_free(&l->batch);
    state_free(&l->state);
    free(l->gradient);
    free(l->of_part);
    free(l->order);
    free(l->shift);
    free(l->what);
}

static int loop_start(loop *l, bool *resumed)
{
    const train_settings *s = l->settings;
    int status = checkpoint_load(l->job, &l->state, resumed);
    if (status)
        return status;
    if (*resumed)
        log_say(NRE_INFO, "%s: goes on after epoch %" PRIu64 " of %" PRIu64, l->what,
                l->state.epoch, s->epochs);
    else
        net_init(
            l->job->net,
            rng_purpose(s->seed, "init/%" PRIu64 "/%" PRIu64, s->replicate, s->member),
            l->state.weights, l->state.buffers);
    state_keep(&l->state);
    return NRE_OK;
}

/* a step */

static int diverged(const loop *l, const char *what)
{
    char kept[96] = "";
    if (l->state.epoch)
        snprintf(kept, sizeof kept,
                 " (checkpoint.h5 keeps epoch %" PRIu64 " and the best weights so far)",
                 l->state.epoch);
    return fail(NRE_ENUMERIC,
                "%s: %s is not finite in epoch %" PRIu64 ", step %" PRIu64
                "; try a lower train.optimizer.lr, train.clip: 1, or standardised data%s",
                l->what, what, l->state.epoch + 1, l->state.step + 1, kept);
}

/* Batch B of epoch E: the next rows of the order, and shifts of its own. */
static int take_batch(loop *l, uint64_t e, uint64_t b)
{
    rng r;
    rng_start(&r, l->key, b, e);
    pair_shifts(&r, l->rows, l->settings->loss_options.marginals, l->shift);
    l->batch.epoch = e;
    l->taken = l->order + b * l->rows;
    return batch_gather(&l->batch, l->rows, l->taken);
}

/* Its part from row FIRST on: as a trainer sees it. */
static void take_part(loop *l, size_t first, trainer_job *out)
{
    size_t k = l->settings->loss_options.marginals, left = l->rows - first;
    size_t n = left < l->part ? left : l->part;
    l->batch.index = l->taken + first;
    l->batch.n = n;
    batch_place(&l->batch, 0, n, first);
    for (size_t j = 0; j < k; j++)
        batch_place(&l->batch, 1 + j, n, first + l->shift[j]);
    batch_job(&l->batch, out);
    out->seed = l->dropout + first;
    out->step = l->state.step;
}

/* The loss of the batch and its gradient, both summed over rows, part after part. */
static int sum_parts(loop *l, const float *weights, float *buffers, double *sum)
{
    size_t n = l->state.n_weights;
    *sum = 0;
    for (size_t first = 0; first < l->rows; first += l->part) {
        float *gradient = first ? l->of_part : l->gradient;
        trainer_job job;
        double value = 0;
        take_part(l, first, &job);
        int status = trainer_step(l->trainer, &job, weights, buffers, gradient, &value);
        if (status)
            return status;
        *sum += value;
        for (size_t i = 0; first && i < n; i++)
            l->gradient[i] += gradient[i];
    }
    return NRE_OK;
}

/* From the sum over rows to their mean, its norm clipped. */
static int gradient_scale(const loop *l, double *scale)
{
    *scale = 1 / (double)l->rows;
    if (!(l->settings->clip > 0))
        return NRE_OK;
    double length = gradient_norm(l->state.n_weights, l->gradient) * *scale;
    if (!isfinite(length))
        return diverged(l, "the gradient");
    if (length > l->settings->clip)
        *scale *= l->settings->clip / length;
    return NRE_OK;
}

static int train_step(loop *l, double *sum)
{
    train_state *s = &l->state;
    adamw optimiser = l->settings->optimiser;
    double value, scale;
    int status = sum_parts(l, s->weights, s->buffers, &value);
    if (status)
        return status;
    if (!isfinite(value))
        return diverged(l, "the loss");
    status = gradient_scale(l, &scale);
    if (status)
        return status;
    optimiser.lr = l->lr = schedule_lr(&l->schedule, &s->plateau, s->step);
    adamw_step(&optimiser, ++s->step, scale, l->job->pool, s->n_weights, l->gradient,
               s->weights, s->m, s->v);
    if (s->average)
        state_average(s, l->settings->average);
    *sum += value;
    return NRE_OK;
}

/* an epoch */

static int tell_batch(const loop *l, uint64_t done, double sum)
{
    const train_state *s = &l->state;
    char detail[128];
    snprintf(detail, sizeof detail,
             "epoch %" PRIu64 ", batch %" PRIu64 "/%" PRIu64 ", training %.4f",
             s->epoch + 1, done, l->batches, sum / (double)(done * l->rows));
    return progress_report(l->job->watch, l->what, s->epoch, l->settings->epochs,
                           "epochs", detail);
}

static int tell_epoch(const loop *l)
{
    const train_state *s = &l->state;
    char detail[128];
    snprintf(detail, sizeof detail, "validation %.4f (best %.4f)",
             s->history[s->epoch - 1].validation_loss, s->best_loss);
    return progress_report(l->job->watch, l->what, s->epoch, l->settings->epochs,
                           "epochs", detail);
}

static int train_epoch(loop *l, double *mean)
{
    uint64_t e = l->state.epoch + 1;
    const loader *rows = l->job->train;
    double sum = 0, start = now();
    int status = stop_check();
    if (!status && rows->begin)
        status = rows->begin(rows, e);
    rng r;
    rng_start(&r, l->key, e, 0);
    rng_permutation(&r, (size_t)l->job->train->n, l->order);
    batch_forget(&l->batch);
    for (uint64_t b = 0; !status && b < l->batches; b++) {
        status = take_batch(l, e, b);
        if (!status)
            status = train_step(l, &sum);
        if (!status && b + 1 < l->batches)
            status = tell_batch(l, b + 1, sum);
    }
    l->seconds += now() - start;
    l->pairs += l->batches * l->rows * l->batch.per_x;
    l->clamped = batch_clamped(&l->batch);
    *mean = sum / (double)(l->batches * l->rows);
    return status;
}

/* Running statistics of batch norm belong to the weights that made them, so the average needs
 * its own: the mean, over the first batches of the epoch once more, of each batch's moments.  A
 * step that finds zeros leaves a tenth of them (nn.h). */
static int average_statistics(loop *l)
{
    train_state *s = &l->state;
    uint64_t n = (STATISTICS_ROWS - 1) / l->rows + 1;
    n = n < STATISTICS_BATCHES ? STATISTICS_BATCHES : n;
    n = n < l->batches ? n : l->batches;
    double *mean = memory_new(s->n_buffers, sizeof *mean), value;
    int status = mean ? NRE_OK : fail(NRE_ENOMEM, "no memory for running statistics");
    for (uint64_t b = 0; !status && b < n; b++) {
        memset(s->average_buffers, 0, s->n_buffers * sizeof *s->average_buffers);
        status = take_batch(l, s->epoch + 1, b);
        if (!status)
            status = sum_parts(l, s->average, s->average_buffers, &value);
        for (size_t i = 0; i < s->n_buffers; i++)
            mean[i] += 10 * (double)s->average_buffers[i] / (double)n;
    }
    for (size_t i = 0; !status && i < s->n_buffers; i++)
        s->average_buffers[i] = (float)mean[i];
    free(mean);
    return status;
}

static int judge(loop *l, double *validated)
{
    const train_state *s = &l->state;
    int status = s->average && s->n_buffers ? average_statistics(l) : NRE_OK;
    if (!status)
        status = validator_loss(&l->validated, state_judged(s), state_judged_buffers(s),
                                validated);
    if (!status && !isfinite(*validated))
        status = diverged(l, "the validation loss");
    return status;
}

/* The books of an epoch whose losses are known. */
static void close_epoch(loop *l, double train_loss, double validation_loss)
{
    train_state *s = &l->state;
    s->history[s->epoch++] = (epoch_record){train_loss, validation_loss, l->lr};
    s->clamped = l->clamped;
    if (validation_loss < s->best_loss) {
        s->best_loss = validation_loss;
        s->best_epoch = s->epoch;
        memcpy(s->best_weights, state_judged(s), s->n_weights * sizeof *s->weights);
        memcpy(s->best_buffers, state_judged_buffers(s),
               s->n_buffers * sizeof *s->buffers);
    }
    schedule_epoch(&l->schedule, &s->plateau, validation_loss);
    state_keep(s);
}

static bool is_finished(const loop *l)
{
    const train_state *s = &l->state;
    uint64_t patience = l->settings->patience;
    return s->epoch >= l->settings->epochs ||
           (patience && s->epoch - s->best_epoch >= patience);
}

static int save_epoch(loop *l)
{
    const train_state *s = &l->state;
    uint64_t every = l->settings->checkpoint_every;
    int status = history_save(l->job, s);
    if (!status && ((every && s->epoch % every == 0) || is_finished(l)))
        status = checkpoint_save(l->job, s);
    return status;
}

static int run_epoch(loop *l)
{
    double trained, validated = 0, seconds = l->seconds;
    uint64_t pairs = l->pairs;
    int status = train_epoch(l, &trained);
    if (!status)
        status = judge(l, &validated);
    if (status)
        return status;
    close_epoch(l, trained, validated);
    status = save_epoch(l);
    if (status)
        return status;
    history_tell(l->job, &l->state, (double)(l->pairs - pairs) / (l->seconds - seconds));
    return tell_epoch(l);
}

/* the whole */

/* Somebody wants to stop: the unfinished epoch is dropped, so that the one who goes on
 * repeats it to the same bits. */
static int save_stopped(loop *l)
{
    state_rewind(&l->state, l->batches);
    if (l->state.epoch == 0)
        return NRE_ECANCELLED;
    int status = checkpoint_save(l->job, &l->state);
    return status ? status
                  : fail(NRE_ECANCELLED,
                         "%s: stopped after epoch %" PRIu64 ", which is saved", l->what,
                         l->state.epoch);
}

/* Numbers went astray: what the finished epochs have is kept, whatever checkpoint_every says. */
static int save_astray(loop *l, int status)
{
    state_rewind(&l->state, l->batches);
    char *said = strdup(error_message());
    if (l->state.epoch && checkpoint_save(l->job, &l->state))
        log_say(NRE_WARN, "%s", error_message());
    if (said)
        error_set(said);
    free(said);
    return status;
}

static int loop_run(loop *l)
{
    int status = NRE_OK;
    while (!status && !is_finished(l))
        status = run_epoch(l);
    if (status == NRE_ECANCELLED)
        return save_stopped(l);
    if (status)
        return status == NRE_ENUMERIC ? save_astray(l, status) : status;
    status = history_save(l->job, &l->state);
    return status ? status : trained_save(l->job, &l->state);
}

static void fill_result(const loop *l, train_result *out)
{
    const train_state *s = &l->state;
    out->epochs = s->epoch;
    out->best_epoch = s->best_epoch;
    out->best_loss = s->best_loss;
    out->last_loss = s->epoch ? s->history[s->epoch - 1].validation_loss : NAN;
    out->clamped = s->clamped;
    out->pairs_per_second = l->seconds > 0 ? (double)l->pairs / l->seconds : 0;
}

int train_run(const train_job *job, train_result *out)
{
    loop l;
    double start = now();
    *out = (train_result){0};
    int status = loop_new(job, &l);
    if (!status)
        status = loop_start(&l, &out->resumed);
    if (!status)
        status = loop_run(&l);
    if (l.state.history)
        fill_result(&l, out);
    out->seconds = now() - start;
    loop_free(&l);
    return status;
}

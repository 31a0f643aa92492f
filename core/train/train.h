/* train/train.h - losses, batches, the training loop, checkpoints. */
#ifndef NEREID_TRAIN_H
#define NEREID_TRAIN_H

#include "data/data.h"
#include "nn/nn.h"

/* loss.c and loss_*.c: one file each */

typedef struct loss_options {
    size_t marginals;     /* k >= 1 */
    double gamma, lambda; /* nre_c: odds; balanced losses: weight of the penalty */
} loss_options;

/* A loss sees the logits of one row of x: logit [1 + k], the joint pair first, then k marginal
 * pairs.  All are written on logits and safe for any finite logit.  A balanced one adds a penalty
 * on the mean, over the batch, of a statistic of each row. */
typedef struct loss {
    const char *name; /* "nre_a" */
    const char *summary, *reference;
    /* Loss of one row, without the penalty; gradient [1 + k]. */
    double (*row)(const loss_options *o, const float *logit, float *gradient);
    /* Both NULL without a penalty.  The statistic of one row; its gradient [1 + k] or NULL. */
    double (*statistic)(const loss_options *o, const float *logit, float *gradient);
    /* The penalty at the MEAN statistic, and its derivative by it. */
    double (*penalty)(const loss_options *o, double mean, double *slope);
    /* The optimum is log r plus any function of x: to be normalised over the prior where log r
     * itself is asked for. */
    bool up_to_x;
} loss;
const loss *loss_find(const char *name); /* NULL when unknown */
const loss *const *loss_list(size_t *n);
/* Binary cross-entropy of joint against marginal pairs (Hermans, Begy & Louppe 2020, algorithm 1):
 * softplus(-logit_joint) + mean over marginals of softplus(logit); 2 log 2 at r = 1. */
extern const loss loss_nre_a;
/* Softmax over the joint and k marginal pairs (Durkan, Murray & Papamakarios 2020):
 * log(sum of e^logit) - logit_joint; log(1 + k) at r = 1. */
extern const loss loss_nre_b;
/* Which of K = k thetas made x, or none, at odds gamma (Miller, Weniger & Forre 2022):
 * log(1 + S) / (1 + gamma) - gamma / (1 + gamma) log(s_joint / (1 + S')), s = gamma r / K, S its sum
 * over the k marginal pairs, S' over the joint one and the first k - 1; half of nre_a at
 * k = gamma = 1. */
extern const loss loss_nre_c;
/* nre_a, nre_c + lambda (mean over rows of [sigmoid(joint) + mean over marginals of sigmoid] - 1)^2
 * (Delaunoy et al. 2022, 2023).  The first is a sum of two cross-entropies, the second a mean. */
extern const loss loss_bnre, loss_bcnre;

/* schedule.c */

typedef enum schedule_name {
    TRAIN_CONSTANT = 0,
    TRAIN_COSINE = 1,
    TRAIN_PLATEAU = 2,
    TRAIN_ONE_CYCLE = 3
} schedule_name; /* the order of config's schedule_kind */
typedef struct schedule {
    schedule_name name;
    double lr, min_lr;      /* peak and floor */
    uint64_t steps, warmup; /* in optimiser steps */
    double factor;          /* plateau */
    uint64_t patience;      /* plateau, in epochs */
} schedule;
typedef struct schedule_state { /* of plateau; in the checkpoint */
    double best, scale;
    uint64_t stale;
} schedule_state;
/* Before the first epoch. */
void schedule_start(schedule_state *state);
/* Learning rate of the optimiser's step STEP, counted from 0; at STEP = steps the end of the
 * schedule.  All but one_cycle rise linearly over the warm-up: lr (step + 1) / warmup.
 *   constant   lr
 *   cosine     min_lr + (lr - min_lr) (1 + cos(pi p)) / 2, p = share of the steps after the
 *              warm-up that are done (Loshchilov & Hutter 2017, eq. 5, without restarts)
 *   plateau    max(min_lr, lr scale); see schedule_epoch
 *   one_cycle  linear from lr / 10 to lr over the first 45% of the steps, back over the next
 *              45%, then down to min_lr (the 1cycle policy of Smith & Topin 2018,
 *              arXiv:1708.07120; the shares and the 10 are ours); its own warm-up. */
double schedule_lr(const schedule *s, const schedule_state *state, uint64_t step);
/* After each epoch: of plateau, PATIENCE epochs in a row (at least one) without a lower
 * validation loss multiply scale by factor. */
void schedule_epoch(const schedule *s, schedule_state *state, double validation_loss);

/* pairs.c: joint and marginal pairs */

/* Marginal theta of row i is theta of row (i + shift) mod n of the same batch, with k distinct
 * nonzero shifts: never the row itself.  Training draws them anew each epoch and batch;
 * validation uses fixed ones over its whole set: 8, or k when that is more. */
enum { VALIDATION_SHIFTS = 8, MOST_MARGINALS = 64 };
/* k distinct shifts in 1 .. n - 1; k < n. */
void pair_shifts(rng *r, size_t n, size_t k, uint64_t *shift);

/* loop.c: training */

typedef struct train_settings {
    const loss *loss;
    loss_options loss_options;
    adamw optimiser;
    schedule schedule; /* steps and warmup are filled in by the loop; warmup in epochs */
    uint64_t batch_size, epochs, patience, checkpoint_every;
    double clip; /* 0: none */
    /* Parts of a batch, computed one after another with the memory of one; their gradients are
     * summed in order.  0 and 1: whole.  Refused with what needs the whole batch at once: batch
     * norm, a penalty on the batch.  Dropout's masks are others. */
    uint64_t accumulate;
    double average; /* decay a step of the average of weights, in [0, 1); 0: none */
    uint64_t seed, replicate, member;
} train_settings;

typedef struct train_job {
    const train_settings *settings;
    const net *net;
    const target *target;
    const loader *train, *validation;
    const scaling *scaling;
    const char *folder;      /* member-0: weights.h5 checkpoint.h5 loss.csv */
    const char *fingerprint; /* a checkpoint of another one is not resumed */
    pool *pool;
    progress *watch;
    /* Called after each epoch with a line for metrics.jsonl; borrowed; may be NULL. */
    void (*metrics)(void *context, const json_t *line);
    void *metrics_context;
} train_job;

typedef struct train_result {
    uint64_t epochs, best_epoch; /* epochs from 1 */
    double best_loss;            /* on the validation set */
    double last_loss;
    uint64_t clamped; /* values of x clamped in the last epoch */
    double seconds, pairs_per_second;
    bool resumed;
} train_result;

/* Train one network; best weights on the validation set to weights.h5 (with scaling, buffers,
 * names), the state after each checkpoint_every epochs to checkpoint.h5; goes on from there.
 * A wish to stop writes a checkpoint and returns NRE_ECANCELLED; a loss that is not finite is
 * NRE_ENUMERIC with advice, the last checkpoint kept.  Same bits however often interrupted. */
int train_run(const train_job *job, train_result *out);
/* Why a batch cannot be computed in parts, as a sentence; NULL: it can. */
const char *whole_batch_needed(const net *g, const loss *l);
/* Mean validation loss of LOG_RATIO(theta, x) given by a function, on the same fixed pairs: what
 * the exact ratio would get.  log_ratio: n pairs, theta [n][target n], x [n][n_x] raw. */
typedef int log_ratio_function(void *context, size_t n, const double *theta,
                               const float *x, double *log_ratio);
int validation_loss_of(const train_job *job, log_ratio_function *f, void *context,
                       double *loss);
/* Marginal pairs of a row of the validation set.  The loss takes them in groups of k, as in
 * training, each pair in as many groups as any other: losses whose value depends on k compare. */
size_t validation_shifts(const train_job *job);

/* trained.c: the weights file */

/* What train_run left in FOLDER: a model ready to evaluate and its scaling.  NRE_EDATA when the
 * file is missing, damaged or of another architecture. */
int trained_open(const char *folder, const net *g, model **m, scaling **c);
/* The network as it was trained: its weights and, behind them, its buffers; free(*values). */
int trained_values(const char *folder, const net *g, float **values, scaling **c);

/* inside the folder */

/* batch.c: rows of a loader as a network sees them */

/* Rows of x by index, each met by per_x thetas of other rows.  Scratch memory per worker; the
 * thetas of a whole batch are gathered before it is computed, x slice by slice. */
typedef struct pair_batch {
    const train_job *job;
    const loader *rows;
    const uint64_t *index; /* [n] rows of x; borrowed */
    uint64_t epoch;        /* of the observation noise */
    size_t n, per_x, most; /* rows now, thetas for each, room for rows */
    size_t n_gathered;
    loss_options options;   /* of the job, with the marginals of this batch */
    double *full, *columns; /* [most][n_theta], [most][target] */
    float *gathered;        /* [most][target] standardised */
    float *theta;           /* [most][per_x][target] standardised */
    float *x;               /* [workers][BATCH_BLOCK][n_x] raw */
    uint64_t *clamped;      /* [workers][BATCH_STRIDE], a cache line each */
    unsigned workers;
} pair_batch;
enum { BATCH_BLOCK = 64, BATCH_STRIDE = 8 };
int batch_new(const train_job *job, const loader *rows, size_t most, size_t per_x,
              pair_batch *out);
void batch_free(pair_batch *b);
/* Thetas of rows INDEX [n], standardised, into `gathered`. */
int batch_gather(pair_batch *b, size_t n, const uint64_t *index);
/* Theta number WHICH of rows i < N: gathered one number (i + shift) mod n_gathered.  A part of a
 * batch from its row FIRST on has its thetas at shifts FIRST further. */
void batch_place(pair_batch *b, size_t which, size_t n, uint64_t shift);
/* Fill, loss and context of a trainer's job over this batch. */
void batch_job(pair_batch *b, trainer_job *out);
uint64_t batch_clamped(const pair_batch *b); /* values clamped since batch_forget */
void batch_forget(pair_batch *b);

/* loss_terms.c: shared by losses */

/* log(1 + e^t), and its derivative sigmoid(t). */
double softplus(double t, double *derivative);
/* -log of the softmax of logit [n] at the first of them, n >= 2, and its gradient [n]. */
double cross_entropy(size_t n, const double *logit, double *gradient);
/* Rows, statistic and penalty of more than one loss, as in `loss`. */
double nre_a_row(const loss_options *o, const float *logit, float *gradient);
double nre_c_row(const loss_options *o, const float *logit, float *gradient);
double balance_statistic(const loss_options *o, const float *logit, float *gradient);
double balance_penalty(const loss_options *o, double mean, double *slope);

/* validation.c */

typedef struct validator {
    pair_batch batch;
    trainer *trainer;
    size_t k; /* shifts */
    uint64_t shift[MOST_MARGINALS];
    uint64_t *index; /* [VALIDATION_CHUNK] */
} validator;
enum { VALIDATION_CHUNK = 1024 }; /* rows at a time; part of the result's last bits */
int validator_new(const train_job *job, validator *out);
void validator_free(validator *v);
/* Mean loss per row, as at evaluation. */
int validator_loss(validator *v, const float *weights, const float *buffers,
                   double *loss);

/* state.c: what training carries from epoch to epoch */

typedef struct epoch_record {
    double train_loss, validation_loss, lr; /* lr of the epoch's last step */
} epoch_record;

typedef struct train_state {
    const net *net;
    size_t n_weights, n_buffers;
    /* One block, moved by every step: weights, m, v [n_weights], buffers [n_buffers], AVERAGE
     * [n_weights] where it is wanted, else NULL; KEPT is the block at the end of the last finished
     * epoch. */
    float *weights, *m, *v, *buffers, *average, *kept;
    /* Running statistics of batch norm under the average, [n_buffers]: made anew each epoch. */
    float *average_buffers;
    float *best_weights, *best_buffers;
    epoch_record *history; /* [epochs of the settings], the first EPOCH are filled */
    uint64_t room, epoch, step, best_epoch, clamped;
    double best_loss;
    schedule_state plateau;
} train_state;
int state_new(const net *g, uint64_t epochs, bool averaged, train_state *out);
void state_free(train_state *s);
void state_keep(train_state *s);                             /* the end of an epoch */
void state_rewind(train_state *s, uint64_t steps_per_epoch); /* back to it */
/* After step s->step: the average moves by (1 - decay) / (1 - decay^step) of the way to the
 * weights, which is the exponential moving average with its bias corrected (as of the moments of
 * Kingma & Ba 2015, section 3): the first step's weights at first. */
void state_average(train_state *s, double decay);
/* What is validated, kept as best and saved: the average where there is one. */
const float *state_judged(const train_state *s);
const float *state_judged_buffers(const train_state *s);

/* checkpoint.c */

int checkpoint_save(const train_job *job, const train_state *s);
/* Into a new state; *FOUND says whether there was one to go on from.  A damaged one is a warning,
 * one of another fingerprint a line: then S is as new.  Fails for want of memory alone. */
int checkpoint_load(const train_job *job, train_state *s, bool *found);

/* history.c: what people and plots see */

/* loss.csv, from the history; the same run writes the same bytes. */
int history_save(const train_job *job, const train_state *s);
void history_tell(const train_job *job, const train_state *s, double pairs_per_second);

/* trained.c */

int trained_save(const train_job *job, const train_state *s);
/* Of net_describe: which architecture weights belong to. */
int architecture_hash(const net *g, hash_text *out);

#endif

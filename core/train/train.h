/* train/train.h - losses, batches, the training loop, checkpoints. */
#ifndef NEREID_TRAIN_H
#define NEREID_TRAIN_H

#include "data/data.h"
#include "nn/nn.h"

/* ---- loss_*.c: one file each ------------------------------------------------------------------ */

/* A loss sees the logits of one row of x: logit [1 + k], the joint pair first, then k marginal
 * pairs.  All are written on logits and safe for any finite logit. */
typedef struct loss {
    const char *name;            /* "nre_a" */
    const char *summary, *reference;
    /* Loss of one row; gradient [1 + k]. */
    double (*row)(size_t k, const float *logit, float *gradient);
    double at_prior;             /* its value at r = 1, k = 1: for logs and tests */
} loss;
const loss *loss_find(const char *name);             /* NULL when unknown */
const loss *const *loss_list(size_t *n);
/* Binary cross-entropy of joint against marginal pairs (Hermans, Begy & Louppe 2020, algorithm 1):
 * softplus(-logit_joint) + mean over marginals of softplus(logit); 2 log 2 at r = 1. */
extern const loss loss_nre_a;

/* ---- schedule.c ------------------------------------------------------------------------------------ */

typedef enum schedule_name {
    TRAIN_CONSTANT = 0, TRAIN_COSINE = 1, TRAIN_PLATEAU = 2, TRAIN_ONE_CYCLE = 3
} schedule_name;                 /* the order of config's schedule_kind */
typedef struct schedule {
    schedule_name name;
    double lr, min_lr;           /* peak and floor */
    uint64_t steps, warmup;      /* in optimiser steps */
    double factor;               /* plateau */
    uint64_t patience;           /* plateau, in epochs */
} schedule;
typedef struct schedule_state {  /* of plateau; in the checkpoint */
    double best, scale;
    uint64_t stale;
} schedule_state;
double schedule_lr(const schedule *s, const schedule_state *state, uint64_t step);
void schedule_epoch(const schedule *s, schedule_state *state, double validation_loss);

/* ---- pairs.c: joint and marginal pairs ---------------------------------------------------------------- */

/* Marginal theta of row i is theta of row (i + shift) mod n of the same batch, with k distinct
 * nonzero shifts: never the row itself.  Training draws them anew each epoch and batch;
 * validation uses 8 fixed ones over its whole set. */
enum { VALIDATION_SHIFTS = 8 };
/* k distinct shifts in 1 .. n - 1; k < n. */
void pair_shifts(rng *r, size_t n, size_t k, uint64_t *shift);

/* ---- train.c: the loop ------------------------------------------------------------------------------------- */

typedef struct train_settings {
    const loss *loss;
    size_t marginals;            /* k >= 1 */
    adamw optimiser;
    schedule schedule;           /* steps and warmup are filled in by the loop; warmup in epochs */
    uint64_t batch_size, epochs, patience, checkpoint_every;
    double clip;                 /* 0: none */
    uint64_t seed, replicate, member;
} train_settings;

typedef struct train_job {
    const train_settings *settings;
    const net *net;
    const target *target;
    const loader *train, *validation;
    const scaling *scaling;
    const char *folder;          /* member-0: weights.h5 checkpoint.h5 loss.csv */
    const char *fingerprint;     /* a checkpoint of another one is not resumed */
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
    uint64_t clamped;            /* values of x clamped in the last epoch */
    double seconds, pairs_per_second;
    bool resumed;
} train_result;

/* Train one network; best weights on the validation set to weights.h5 (with scaling, buffers,
 * names), the state after each checkpoint_every epochs to checkpoint.h5; goes on from there.
 * A wish to stop writes a checkpoint and returns NRE_ECANCELLED; a loss that is not finite is
 * NRE_ENUMERIC with advice, the last checkpoint kept.  Same bits however often interrupted. */
int train_run(const train_job *job, train_result *out);
/* Mean validation loss of LOG_RATIO(theta, x) given by a function, on the same fixed pairs: what
 * the exact ratio would get.  log_ratio: n pairs, theta [n][target n], x [n][n_x] raw. */
typedef int log_ratio_function(void *context, size_t n, const double *theta, const float *x,
                               double *log_ratio);
int validation_loss_of(const train_job *job, log_ratio_function *f, void *context, double *loss);

/* ---- weights file ---------------------------------------------------------------------------------------------- */

/* What train_run left in FOLDER: a model ready to evaluate and its scaling.  NRE_EDATA when the
 * file is missing, damaged or of another architecture. */
int trained_open(const char *folder, const net *g, model **m, scaling **c);

#endif

/* nn/nn.h - networks: graph, kernels, memory plan, gradients, optimiser, weights.
 *
 * A network maps (theta, x) to one logit.  A node is of kind X when it depends on x alone and of
 * kind PAIR otherwise: the X part (the head) is computed once per row of x however many thetas
 * meet it.  Rows: n rows of x, each met by per_x thetas; pair (i, k) is row i * per_x + k.
 * Weights and activations are float; sums of losses and batch-norm moments double.
 * Linear layers are named and shaped as PyTorch's ("trunk.0.weight" [out][in], "trunk.0.bias"). */
#ifndef NEREID_NN_H
#define NEREID_NN_H

#include "base/base.h"

/* ---- graph.c: build and describe ------------------------------------------------------------ */

typedef struct net_field {
    const char *name;
    nre_shape shape;
    uint32_t exchangeable;
} net_field;

typedef struct net_inputs {
    uint32_t n_theta;            /* of the target */
    size_t n_fields;
    const net_field *fields;     /* a row of x is their concatenation */
} net_inputs;

/* A parameter or a buffer (batch norm's running mean, var), in one flat float array each. */
typedef struct net_tensor {
    const char *name;
    uint32_t rank, dim[4];
    size_t at, n;                /* first element and number of them */
} net_tensor;

typedef struct net net;          /* const once built; any number of threads */

/* Let the architecture describe its network.  A failed graph call is reported with its shapes;
 * the result must be one value.  NRE_EPLUGIN.  [main] */
int net_new(const nre_plugin *architecture, const void *self, const net_inputs *inputs, net **out);
void net_free(net *g);
size_t net_x_size(const net *g);            /* floats of a row of x */
size_t net_theta_size(const net *g);
size_t net_n_weights(const net *g);         /* floats in all parameters */
size_t net_n_buffers(const net *g);
const net_tensor *net_weights(const net *g, size_t *n);
const net_tensor *net_buffers(const net *g, size_t *n);
bool net_has_batch_norm(const net *g);
/* Multiply-adds x 2 of one forward pass: of the head per row of x, of the trunk per pair. */
void net_flops(const net *g, double *head, double *trunk);
/* One line a node: number, kind, op, name, shape; in A. */
const char *net_describe(const net *g, arena *a);
/* PyTorch's defaults: U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases of linear (and
 * conv); 1 and 0 for norms; buffers 0 (mean) and 1 (var).  One stream an item of KEY a tensor. */
void net_init(const net *g, rng_key key, float *weights, float *buffers);

/* ---- model.c: evaluation ------------------------------------------------------------------------ */

/* Weights prepared for evaluation: batch norm folded, dropout gone, first trunk layer split in its
 * theta and x parts.  Const, any number of threads. */
typedef struct model model;
int model_new(const net *g, const float *weights, const float *buffers, model **out);
void model_free(model *m);
size_t model_head_size(const model *m);     /* floats kept per row of x */

/* Scratch memory of one thread. */
typedef struct model_worker model_worker;
int model_worker_new(const model *m, model_worker **out);
void model_worker_free(model_worker *w);
/* x [n][x_size] standardised -> head [n][head_size]. */
int model_head(const model *m, model_worker *w, size_t n, const float *x, float *head);
/* Logits of theta [n][per_x][theta_size] (standardised) against head [n][head_size] into
 * logit [n][per_x]; gradient by theta [n][per_x][theta_size] when not NULL.  Works in chunks of
 * its own choice that do not depend on threads. */
int model_trunk(const model *m, model_worker *w, size_t n, size_t per_x, const float *head,
                const float *theta, float *logit, float *gradient);

/* ---- trainer.c: forward, loss, backward over a batch ------------------------------------------- */

/* A batch is cut in slices of max(128, batch / 16) rows of x (design section 4), each computed by
 * one thread; slice gradients are summed along a fixed binary tree.  Without batch norm a slice
 * runs forward and backward at once; batch norm is a barrier over the whole batch, its moments
 * are those of all pairs.  Bits depend on the batch, not on the number of threads. */
typedef struct trainer trainer;
typedef struct trainer_job {
    size_t n, per_x;             /* rows of x and thetas for each, at most those of trainer_new */
    /* Fill rows [first, first + n) of the batch: x [n][x_size], theta [n][per_x][theta_size], both
     * standardised.  Any thread. */
    int (*fill)(void *context, unsigned worker, size_t first, size_t n, float *x, float *theta);
    /* Sum over rows [first, first + n) of the loss from logit [n][per_x]; writes its gradient by
     * the logits.  Any thread. */
    double (*loss)(void *context, size_t first, size_t n, const float *logit, float *gradient);
    void *context;
    uint64_t seed, step;         /* of dropout masks */
} trainer_job;
int trainer_new(const net *g, size_t batch, size_t per_x, pool *p, trainer **out);
void trainer_free(trainer *t);
/* loss = sum over rows; gradient [n_weights] of that sum; running statistics of batch norm are
 * updated in BUFFERS (momentum 0.1, unbiased variance, as PyTorch).  [main] */
int trainer_step(trainer *t, const trainer_job *job, const float *weights, float *buffers,
                 float *gradient, double *loss);
/* The loss alone, as at evaluation (no dropout, running statistics). */
int trainer_loss(trainer *t, const trainer_job *job, const float *weights, const float *buffers,
                 double *loss);
/* Bytes that the trainer holds. */
size_t trainer_memory(const trainer *t);

/* ---- optimiser.c ------------------------------------------------------------------------------------ */

/* Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as PyTorch's AdamW:
 * decay on every parameter, bias-corrected moments.  m, v: float [n]. */
typedef struct adamw {
    double lr, beta1, beta2, eps, weight_decay;
} adamw;
/* STEP counts from 1; gradient is multiplied by SCALE (1 / rows, and clipping) first.  P NULL:
 * one thread; same bits anyway. */
void adamw_step(const adamw *o, uint64_t step, double scale, pool *p, size_t n,
                const float *gradient, float *weights, float *m, float *v);
/* Euclidean norm in double, fixed order. */
double gradient_norm(size_t n, const float *gradient);

/* ---- weights.c: in a store ---------------------------------------------------------------------------- */

/* Datasets PREFIX/NAME of the shape of each tensor.  Loading checks names and shapes. */
int weights_put(store *s, const char *prefix, size_t n, const net_tensor *tensors,
                const float *values);
int weights_get(store *s, const char *prefix, size_t n, const net_tensor *tensors, float *values);

/* ---- blas.c: the matrix library ------------------------------------------------------------------------ */

/* Once, before any thread: one thread a call; refuses a build that is not pthread.  [main] */
int blas_start(void);
const char *blas_kernel(void);       /* "SkylakeX", "Zen": recorded beside results */
/* A sentence when OPENBLAS_CORETYPE names a slower kernel than the CPU deserves, else NULL. */
const char *blas_advice(void);
const char *blas_version(void);
/* Instruction set of our own kernels: "avx512", "avx2", "baseline". */
const char *kernel_name(void);

#endif

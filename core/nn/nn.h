/* nn/nn.h - networks: graph, kernels, memory plan, gradients, optimiser, weights.
 *
 * A network maps (theta, x) to one logit.  A node is of kind X when it depends on x alone and of
 * kind PAIR otherwise: the X part (the head) is computed once per row of x however many thetas
 * meet it.  Rows: n rows of x, each met by per_x thetas; pair (i, k) is row i * per_x + k.
 * Weights and activations are float; sums of losses and batch-norm moments double.
 * Linear layers are named and shaped as PyTorch's ("trunk.0.weight" [out][in], "trunk.0.bias").
 *
 * Convolutions have their channels last in memory: a row of a node of shape [c][l] is [l][c], so
 * that the windows of a kernel are contiguous and a convolution is one matrix product for each
 * place of its output.  Nodes are changed from one order to the other where they meet others. */
#ifndef NEREID_NN_H
#define NEREID_NN_H

#include "base/base.h"

/* graph.c: build and describe */

typedef struct net_field {
    const char *name;
    nre_shape shape;
    uint32_t exchangeable;
} net_field;

typedef struct net_inputs {
    uint32_t n_theta; /* of the target */
    size_t n_fields;
    const net_field *fields; /* a row of x is their concatenation */
} net_inputs;

/* A parameter or a buffer (batch norm's running mean, var), in one flat float array each. */
typedef struct net_tensor {
    const char *name;
    uint32_t rank, dim[4]; /* as PyTorch's */
    bool channels_last;    /* of a convolution: [out][in][k...] lies as [out][k...][in] */
    size_t at, n;          /* first element and number of them */
} net_tensor;
/* Between the order in memory and that of dim; FROM and TO apart, [n] each. */
void tensor_export(const net_tensor *t, const float *from, float *to);
void tensor_import(const net_tensor *t, const float *from, float *to);

typedef struct net net; /* const once built; any number of threads */

/* Let the architecture describe its network.  A failed graph call is reported with its shapes;
 * the result must be one value.  NRE_EPLUGIN.  [main] */
int net_new(const nre_plugin *architecture, const void *self, const net_inputs *inputs,
            net **out);
void net_free(net *g);
size_t net_x_size(const net *g); /* floats of a row of x */
size_t net_theta_size(const net *g);
size_t net_n_weights(const net *g); /* floats in all parameters */
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

/* model.c: evaluation */

/* Weights prepared for evaluation: batch norm folded, dropout gone, first trunk layer split in its
 * theta and x parts.  Const, any number of threads. */
typedef struct model model;
int model_new(const net *g, const float *weights, const float *buffers, model **out);
void model_free(model *m);
size_t model_head_size(const model *m); /* floats kept per row of x */
double model_flops(const model *m);     /* multiply-adds x 2 of the trunk per pair */

/* Scratch memory of one thread. */
typedef struct model_worker model_worker;
int model_worker_new(const model *m, model_worker **out);
void model_worker_free(model_worker *w);
/* x [n][x_size] standardised -> head [n][head_size]. */
int model_head(const model *m, model_worker *w, size_t n, const float *x, float *head);
/* Logits of theta [n][per_x][theta_size] (standardised) against head [n][head_size] into
 * logit [n][per_x]; gradient by theta [n][per_x][theta_size] when not NULL.  Works in chunks of
 * its own choice that do not depend on threads. */
int model_trunk(const model *m, model_worker *w, size_t n, size_t per_x,
                const float *head, const float *theta, float *logit, float *gradient);

/* trainer.c: forward, loss, backward over a batch */

/* A batch is cut in slices of max(128, batch / 16) rows of x (design section 4), each computed by
 * one thread; slice gradients are summed along a fixed binary tree.  Without batch norm a slice
 * runs forward and backward at once; batch norm is a barrier over the whole batch, its moments
 * are those of all pairs.  Bits depend on the batch, not on the number of threads. */
typedef struct trainer trainer;
typedef struct trainer_job {
    size_t n, per_x; /* rows of x and thetas for each, at most those of trainer_new */
    /* Fill rows [first, first + n) of the batch: x [n][x_size], theta [n][per_x][theta_size], both
     * standardised.  Any thread. */
    int (*fill)(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta);
    /* Sum over rows [first, first + n) of the loss from logit [n][per_x]; writes its gradient by
     * the logits.  Any thread. */
    double (*loss)(void *context, size_t first, size_t n, const float *logit,
                   double measured, float *gradient);
    /* Of a trainer that MEETS: the sum of a statistic over these rows, called for all before the
     * loss of any, which gets the sum over the batch as MEASURED (else 0).  Else NULL. */
    double (*measure)(void *context, size_t first, size_t n, const float *logit);
    void *context;
    uint64_t seed, step; /* of dropout masks */
} trainer_job;
/* MEETS: the loss needs a statistic of the whole batch, which is a barrier like batch norm's. */
int trainer_new(const net *g, size_t batch, size_t per_x, bool meets, pool *p,
                trainer **out);
void trainer_free(trainer *t);
/* loss = sum over rows; gradient [n_weights] of that sum; running statistics of batch norm are
 * updated in BUFFERS (momentum 0.1, unbiased variance, as PyTorch).  [main] */
int trainer_step(trainer *t, const trainer_job *job, const float *weights, float *buffers,
                 float *gradient, double *loss);
/* The loss alone, as at evaluation (no dropout, running statistics), with 0 for what is measured;
 * *MEASURED is the sum of the statistic. */
int trainer_loss(trainer *t, const trainer_job *job, const float *weights,
                 const float *buffers, double *loss, double *measured);
/* Bytes that the trainer holds. */
size_t trainer_memory(const trainer *t);

/* optimiser.c */

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

/* weights.c: in a store */

/* Datasets PREFIX/NAME of the shape of each tensor.  Loading checks names and shapes. */
int weights_put(store *s, const char *prefix, size_t n, const net_tensor *tensors,
                const float *values);
int weights_get(store *s, const char *prefix, size_t n, const net_tensor *tensors,
                float *values);

/* safetensors.c: for others */

typedef struct tensor_set {
    size_t n;
    const net_tensor *tensors;
    const float *values;
} tensor_set;
/* A safetensors file: an 8-byte length, a JSON header, the floats of all sets in their order, in
 * PyTorch's shapes and order, little-endian.  METADATA: an object whose values are texts; borrowed.
 * Same content, same bytes. */
int safetensors_write(const char *path, const json_t *metadata, size_t n,
                      const tensor_set *sets);

/* onnx.c: a model in the ONNX format (opset 13), being built */

/* Values are spoken of by name; names live as long as the model.  Want of memory is remembered:
 * calls then answer NULL, take NULL, and onnx_save tells. */
typedef struct onnx onnx;
typedef enum onnx_type {
    ONNX_F32 = 1,
    ONNX_I64 = 7,
    ONNX_BOOL = 9, /* a byte */
    ONNX_F64 = 11
} onnx_type; /* as the format counts them */
int onnx_new(const char *version, onnx **out);
void onnx_free(onnx *m);
/* [batch][columns], of any number of rows. */
const char *onnx_input(onnx *m, const char *name, onnx_type type, uint32_t columns);
/* VALUE, floats [batch], becomes the output NAME. */
void onnx_output(onnx *m, const char *name, const char *value);
/* A constant; one of that name that is there already is it.  DATA is copied. */
const char *onnx_tensor(onnx *m, const char *name, onnx_type type, uint32_t rank,
                        const uint32_t *dim, const void *data);
const char *onnx_integers(onnx *m, uint32_t n, const int64_t *values); /* [n] */
const char *onnx_number(onnx *m, onnx_type type, double value); /* F32 or F64, [] */
/* The result of an op ("Gemm") on N inputs; NAME NULL: named by type and number. */
const char *onnx_op(onnx *m, const char *type, const char *name, size_t n,
                    const char *const *in);
/* Attributes of the last op. */
void onnx_set_int(onnx *m, const char *name, int64_t value);
void onnx_set_ints(onnx *m, const char *name, size_t n, const int64_t *values);
void onnx_set_float(onnx *m, const char *name, double value);
/* A line of the model's metadata. */
void onnx_note(onnx *m, const char *key, const char *text);
/* NRE_EUSAGE beyond the format's 2 GB. */
int onnx_save(const onnx *m, const char *path);

/* onnx_net.c */

/* The network as it evaluates (no dropout, running statistics): the name of the logit, floats
 * [batch], of THETA [batch][theta_size] and X [batch][x_size], both standardised floats.  Constants
 * have the names of tensors behind PREFIX. */
const char *onnx_net(onnx *m, const net *g, const float *weights, const float *buffers,
                     const char *prefix, const char *theta, const char *x);

/* blas.c: the matrix library */

/* Once, before any thread: one thread a call; refuses a build that is not pthread.  [main] */
int blas_start(void);
const char *blas_kernel(void); /* "SkylakeX", "Zen": recorded beside results */
/* A sentence when OPENBLAS_CORETYPE names a slower kernel than the CPU deserves, else NULL. */
const char *blas_advice(void);
const char *blas_version(void);
/* Instruction set of our own kernels: "avx512", "avx2", "baseline". */
const char *kernel_name(void);

/* inside the folder */

typedef enum op_kind {
    OP_INPUT,  /* theta, or a row of x */
    OP_VIEW,   /* part of another node: field, slice, reshape */
    OP_COPY,   /* a view made contiguous */
    OP_REPEAT, /* an X node, once for every pair */
    OP_CONCAT,
    OP_TRANSPOSE,
    OP_SET_MEAN,
    OP_ADD,
    OP_MULTIPLY,
    OP_LINEAR,
    OP_CONV,
    OP_MAX_POOL,
    OP_AVERAGE_POOL,
    OP_ACTIVATE,
    OP_BATCH_NORM,
    OP_LAYER_NORM,
    OP_DROPOUT,
    N_OPS
} op_kind;

/* A kernel on its way over the places of a node, by height (1 in one dimension) and width. */
typedef struct window {
    size_t in[2], out[2], kernel[2], stride[2], padding[2], dilation[2];
    size_t groups;
} window;
enum { MOST_KERNEL = 255 }; /* places along a kernel */

typedef struct net_node {
    op_kind op;
    int32_t id;
    const char *name;  /* the word of the graph call: "slice" */
    bool pair;         /* kind PAIR */
    bool exchangeable; /* dim[0] counts rows whose order is void */
    bool last;         /* channels last: sets = places, cols = channels */
    nre_shape shape;
    size_t size;       /* floats a row (of x or a pair) */
    size_t sets, cols; /* size = sets * cols; sets is 1 unless exchangeable or last */
    uint32_t n_in;
    int32_t *in;
    bool based;             /* linear: in[n_in - 1] is added to each pair of its row */
    int32_t root;           /* of views: whose memory; others: themselves */
    size_t at;              /* of views: first float in a row of ROOT */
    int32_t weight, bias;   /* tensors, or -1 */
    int32_t mean, variance; /* buffers, or -1 */
    size_t *column;         /* linear: first column of the weight for each input */
    size_t channel_at;      /* batch norm: its first channel in the tensors */
    bool of_pairs;          /* batch norm: of PAIR kind before it passed through concat */
    /* Norms: size = sets * channels * inner.  Transpose: rows and columns of the result. */
    size_t channels, inner;
    const window *window; /* conv and pools */
    nre_activation f;
    double p;       /* dropout */
    unsigned level; /* batch norms on the longest way here */
} net_node;

enum { NODE_X = 0, NODE_THETA = 1 }; /* the inputs */

/* How a tensor starts: uniform in +- bound, or VALUE where bound is 0. */
typedef struct net_start {
    float bound, value;
} net_start;

struct net {
    arena *memory;
    size_t n_nodes;
    net_node *nodes;
    size_t n_order; /* live nodes that compute, by level */
    int32_t *order;
    int32_t logit;
    unsigned levels; /* 1 + batch norms on the longest way */
    size_t n_weights, n_buffers, n_weight_tensors, n_buffer_tensors;
    net_tensor *weights, *buffers;
    net_start *weight_starts, *buffer_starts;
};

/* build*.c: a network while an architecture describes it */

enum { NO_NODE = -1, BUILD_DEPTH = 32 };
#define BUILD_LIMIT ((size_t)1 << 31) /* floats of a row of a node, or of a tensor */

/* A graph call that has parameters; names follow when all calls are known. */
typedef struct graph_call {
    const char *prefix, *word;
} graph_call;

typedef struct graph_tensor {
    net_tensor tensor;
    net_start start;
    uint32_t call;
    const char *suffix;
} graph_tensor;

typedef struct graph_list {
    graph_tensor *item;
    size_t n, room, floats;
} graph_list;

typedef struct builder {
    nre_graph api; /* first: the plugin's pointer */
    net *g;
    const net_inputs *inputs;
    int32_t *fields;
    size_t room;
    graph_call *calls;
    size_t n_calls, calls_room;
    graph_list weights, buffers;
    const char *prefix[BUILD_DEPTH];
    int depth;
    int status; /* of the first call that failed */
    const char *message;
} builder;

builder *builder_of(nre_graph *api);
net_node *build_at(const builder *b, int32_t id);
/* Note the first failure; NO_NODE. */
NRE_PRINTF(3, 4)
int32_t build_refuse(builder *b, int status, const char *format, ...);
int32_t build_no_memory(builder *b);
/* False when an earlier call failed or A is no node of this graph. */
bool build_usable(builder *b, const char *word, nre_node a);
const char *build_shape_text(const builder *b,
                             nre_shape s); /* "[64][33]", in the arena */
size_t build_shape_size(nre_shape s);
bool build_shape_good(nre_shape s);
nre_shape build_flat(size_t n);
/* Append a node of KIND with inputs IN; its shape and what follows from the inputs. */
int32_t build_node(builder *b, op_kind kind, const char *name, nre_shape shape,
                   size_t n_in, const int32_t *in);
/* An elementwise node, of the same shape as A. */
int32_t build_like(builder *b, op_kind kind, const char *name, int32_t a);
/* Part of a row of A from float FIRST on, with a shape of its own. */
int32_t build_view(builder *b, const char *name, int32_t a, size_t first,
                   nre_shape shape);
void build_exchangeable(net_node *v);
void build_last(net_node *v);
/* A, or a contiguous copy where it is only part of its root. */
int32_t build_dense(builder *b, int32_t a);
/* A with its channels in this order. */
int32_t build_channels_last(builder *b, int32_t a);
int32_t build_channels_first(builder *b, int32_t a);
/* Note a call with parameters: WORD numbers those without a name of their own. */
bool build_call(builder *b, const char *word);
/* A tensor of the last call; -1 when out of memory. */
int32_t build_tensor(builder *b, graph_list *l, const char *suffix, uint32_t rank,
                     const uint32_t *dim, net_start start);
int build_finish_list(builder *b, graph_list *l, net_tensor **tensors,
                      net_start **starts);
/* A concat node over leaves that are no concat themselves; the leaves of A. */
int32_t build_concat(builder *b, nre_shape shape, bool exchangeable, size_t n,
                     const int32_t *leaves);
bool build_is_concat(const builder *b, int32_t a);
size_t build_leaves(const builder *b, int32_t a, int32_t *leaves);
size_t build_n_leaves(const builder *b, int32_t a);
/* One product of linear: N leaves of one kind against their columns of the weight of LIKE, on top
 * of BASE (or NO_NODE). */
int32_t build_product(builder *b, const net_node *like, size_t n, const int32_t *leaves,
                      const size_t *column, int32_t base);

/* The calls of nre_graph. */
void graph_push(nre_graph *api, const char *format, ...);
void graph_pop(nre_graph *api);
nre_node graph_field(nre_graph *api, const char *name);
nre_shape graph_shape(const nre_graph *api, nre_node a);
nre_node graph_reshape(nre_graph *api, nre_node a, nre_shape to);
nre_node graph_slice(nre_graph *api, nre_node a, uint32_t from, uint32_t to);
nre_node graph_concat(nre_graph *api, nre_node a, nre_node c);
nre_node graph_add(nre_graph *api, nre_node a, nre_node c);
nre_node graph_multiply(nre_graph *api, nre_node a, nre_node c);
nre_node graph_transpose(nre_graph *api, nre_node a);
nre_node graph_set_mean(nre_graph *api, nre_node a);
nre_node graph_linear(nre_graph *api, nre_node a, uint32_t units, uint32_t bias);
nre_node graph_activate(nre_graph *api, nre_node a, nre_activation f);
nre_node graph_dropout(nre_graph *api, nre_node a, double p);
nre_node graph_batch_norm(nre_graph *api, nre_node a);
nre_node graph_layer_norm(nre_graph *api, nre_node a);
nre_node graph_conv(nre_graph *api, nre_node a, const nre_conv *c);
nre_node graph_max_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s, uint32_t p);
nre_node graph_average_pool(nre_graph *api, nre_node a, uint32_t k, uint32_t s,
                            uint32_t p);
nre_node graph_mean_pool(nre_graph *api, nre_node a);

/* plan.c */

typedef enum plan_mode { PLAN_TRAIN, PLAN_EVALUATE, PLAN_GRADIENT } plan_mode;
typedef enum plan_part { PART_ALL, PART_HEAD, PART_TRUNK } plan_part;
/* What an op does to the gradient of an input. */
typedef enum edge_mode { EDGE_NONE, EDGE_SET, EDGE_ADD, EDGE_CLEAR } edge_mode;

/* Where each node's floats lie, from the start of a frame's memory. */
typedef struct plan {
    const net *g;
    plan_mode mode;
    plan_part part;
    size_t rows, pairs; /* room for */
    size_t n_order;
    int32_t *order; /* of net, only PART */
    size_t floats;
    size_t *value, *slope, *notes; /* by node; NOWHERE: outside, or not kept */
    /* What batch norm and the activation behind it gave is not kept for the way back but computed
     * again: AGAIN by node, and the nodes to REDO, [n_redo] by node, before it goes back. */
    size_t *again, *n_redo;
    int32_t **redo;
    uint8_t **edge; /* edge_mode by node and input */
    bool *wanted;   /* is the node's gradient computed? */
    arena *memory;
} plan;
#define NOWHERE SIZE_MAX
/* MODE: forward only, also back to the weights, or back to theta.  HEAD computes the nodes of kind
 * X that PAIR nodes read, TRUNK the rest; inputs and results of the head then lie outside. */
int plan_new(const net *g, plan_mode mode, plan_part part, size_t rows, size_t pairs,
             plan **out);
void plan_free(plan *p);

/* kernels.c, compiled once for each instruction set; same bits from all */

typedef struct adamw_terms {
    float scale, keep, beta1, rest1, beta2, rest2, step, root, eps;
} adamw_terms;

/* ADD: dx += instead of dx =.  Where two arrays may be the same it is said; else they do not
 * overlap. */
typedef struct kernels {
    const char *name;
    void (*exp)(size_t n, const float *x, float *y); /* for x in [-87, 88], clamped */
    /* x may be y */
    void (*activate)(nre_activation f, size_t n, const float *x, float *y);
    /* SAVED is y, for gelu x; dy may be dx */
    void (*activate_back)(nre_activation f, size_t n, const float *saved, const float *dy,
                          float *dx, bool add);
    void (*add)(size_t n, const float *a, float *y); /* y += a */
    void (*sum)(size_t n, const float *a, const float *b, float *y);
    void (*multiply)(size_t n, const float *a, const float *b, float *y, bool add);
    /* a x, x may be y */
    void (*scale)(size_t n, float a, const float *x, float *y, bool add);
    /* keep[i] ? scale * x[i] : 0; x may be y */
    void (*mask)(size_t n, const uint8_t *keep, float scale, const float *x, float *y,
                 bool add);
    /* out [cols] = sum of the rows of x [rows][cols] */
    void (*column_sum)(size_t rows, size_t cols, const float *x, float *out);
    /* y[r] += x[r] . w, rows STRIDE apart */
    void (*rows_dot)(size_t rows, size_t cols, size_t stride, const float *x,
                     const float *w, float *y);
    /* x[r][c] (+)= dy[r] w[c] */
    void (*rows_outer)(size_t rows, size_t cols, size_t stride, const float *dy,
                       const float *w, float *x, bool add);
    /* out[c] = sum over r of dy[r] x[r][c] */
    void (*rows_weighted)(size_t rows, size_t cols, size_t stride, const float *dy,
                          const float *x, float *out);
    /* Sums over rows [rows][channels][inner]: of a, and of a b (b may be a), each [channels] */
    void (*moments)(size_t rows, size_t channels, size_t inner, const float *a,
                    const float *b, double *sum, double *product);
    /* y = a x + c by channel; x may be y */
    void (*affine)(size_t rows, size_t channels, size_t inner, const float *a,
                   const float *c, const float *x, float *y, bool add);
    /* dx = a dy + b x + c by channel; dy may be dx */
    void (*affine_back)(size_t rows, size_t channels, size_t inner, const float *a,
                        const float *b, const float *c, const float *dy, const float *x,
                        float *dx, bool add);
    /* Rows of x [rows][cols] to mean 0, variance 1, then y = gamma x + beta; notes [rows][2]
     * keep mean and 1 / deviation */
    void (*layer_norm)(size_t rows, size_t cols, const float *gamma, const float *beta,
                       const float *x, float *y, float *notes);
    void (*layer_norm_back)(size_t rows, size_t cols, const float *gamma,
                            const float *notes, const float *x, const float *dy,
                            float *dx, bool add);
    /* dgamma, dbeta [cols] of layer_norm */
    void (*layer_norm_weights)(size_t rows, size_t cols, const float *notes,
                               const float *x, const float *dy, float *dgamma,
                               float *dbeta);
    /* Where x > y: y = x and at = TAP */
    void (*raise)(size_t n, const float *x, uint16_t tap, float *y, uint16_t *at);
    /* dx += dy where at = TAP */
    void (*route)(size_t n, const float *dy, uint16_t tap, const uint16_t *at, float *dx);
    void (*adamw)(size_t n, const adamw_terms *t, const float *gradient, float *w,
                  float *m, float *v);
} kernels;
/* The best that the CPU has; by name ("avx512", "avx2", "baseline"), NULL when it has not. */
const kernels *kernels_best(void);
const kernels *kernels_named(const char *name);
extern const kernels kernels_baseline;
#ifdef NEREID_X86
extern const kernels kernels_avx2, kernels_avx512;
#endif

/* frame.c, ops */

#define NORM_EPS 1e-5 /* as PyTorch, batch norm and layer norm */

/* Batch norm of one node as y = scale x + shift; the rest by the trainer only. */
typedef struct norm_terms {
    float *scale, *shift;
    float *back_slope, *back_x, *back_shift; /* dx = slope dy + x x + shift */
    size_t sums_at;                          /* in the sums of a slice: [2][channels] */
} norm_terms;

/* A slice on its way through the network. */
typedef struct frame {
    const net *g;
    const plan *plan;
    const kernels *k;
    size_t n, per_x; /* rows of x, thetas for each */
    const float *weights;
    float *gradient;            /* by the weights, NULL: not wanted */
    const size_t *gradient_at;  /* where, by tensor */
    const norm_terms *norms;    /* by node */
    double *sums;               /* batch norm's over this slice */
    uint64_t seed, step, first; /* dropout: streams and first row of x */
    float **value, **slope;     /* by node: rows and their gradients */
    size_t *stride;             /* floats between rows, by node */
    float **notes;              /* kept by the op for its way back, by node */
    float *memory;
    size_t bytes;
} frame;
int frame_new(const plan *p, const kernels *k, frame **out);
void frame_free(frame *f);
/* Let ROOT and its views lie at AT, rows STRIDE apart. */
void frame_place(frame *f, int32_t root, float *at, size_t stride);
/* Before a new slice: values where the way forward has them. */
void frame_restart(frame *f);
float *gradient_of(const frame *f, int32_t tensor);
/* With which level a node goes back in training: a batch norm after the barrier, with the level of
 * its input. */
unsigned node_level_back(const net_node *v);
/* Rows of the node: of x or pairs. */
size_t frame_rows(const frame *f, const net_node *v);
/* All live nodes of a level, in order and back. */
void frame_forward(frame *f, unsigned level);
void frame_backward(frame *f, unsigned level);
/* Batch norms whose input has this level: their sums, or (back) those whose output has it. */
void frame_measure(frame *f, unsigned level);
void frame_measure_back(frame *f, unsigned level);

typedef struct op_calls {
    const char *name;
    void (*forward)(const frame *f, const net_node *v);
    void (*backward)(const frame *f, const net_node *v);
    /* Floats a row kept for the way back; may be NULL. */
    size_t (*notes)(const net_node *v);
    bool in_place; /* the result may replace the input, gradients alike */
} op_calls;
extern const op_calls OPS[N_OPS];
/* What backward reads: the value of input K, of the node itself. */
bool op_keeps_input(const net_node *v, uint32_t k, plan_mode mode);
bool op_keeps_output(const net_node *v);

/* Gradient of input K: where to, and whether to add to what is there. */
typedef struct slope_place {
    float *at; /* NULL: not wanted */
    size_t stride;
    bool add;
} slope_place;
slope_place slope_of(const frame *f, const net_node *v, uint32_t k);
const net_node *input_of(const frame *f, const net_node *v, uint32_t k);

void copy_forward(const frame *f, const net_node *v);
void copy_backward(const frame *f, const net_node *v);
void repeat_forward(const frame *f, const net_node *v);
void repeat_backward(const frame *f, const net_node *v);
void concat_forward(const frame *f, const net_node *v);
void concat_backward(const frame *f, const net_node *v);
void transpose_forward(const frame *f, const net_node *v);
void transpose_backward(const frame *f, const net_node *v);
void set_mean_forward(const frame *f, const net_node *v);
void set_mean_backward(const frame *f, const net_node *v);
void add_forward(const frame *f, const net_node *v);
void add_backward(const frame *f, const net_node *v);
void multiply_forward(const frame *f, const net_node *v);
void multiply_backward(const frame *f, const net_node *v);
void linear_forward(const frame *f, const net_node *v);
void linear_backward(const frame *f, const net_node *v);
void conv_forward(const frame *f, const net_node *v);
void conv_backward(const frame *f, const net_node *v);
void max_pool_forward(const frame *f, const net_node *v);
void max_pool_backward(const frame *f, const net_node *v);
size_t max_pool_notes(const net_node *v);
void average_pool_forward(const frame *f, const net_node *v);
void average_pool_backward(const frame *f, const net_node *v);
void activate_forward(const frame *f, const net_node *v);
void activate_backward(const frame *f, const net_node *v);
void batch_norm_forward(const frame *f, const net_node *v);
void batch_norm_backward(const frame *f, const net_node *v);
void layer_norm_forward(const frame *f, const net_node *v);
void layer_norm_backward(const frame *f, const net_node *v);
size_t layer_norm_notes(const net_node *v);
void dropout_forward(const frame *f, const net_node *v);
void dropout_backward(const frame *f, const net_node *v);
size_t dropout_notes(const net_node *v);

/* fold.c */

/* Change WEIGHTS so that batch norms beside linear layers can go: those are GONE.  G is a copy
 * with room for one more tensor, and a bias in WEIGHTS, for each linear node. */
void norms_fold(net *g, float *weights, const norm_terms *norms, bool *gone);

/* blas.c */

/* The advice for a choice of OPENBLAS_CORETYPE (NULL: unset), the kernel it led to and the best
 * instruction set of the CPU. */
const char *blas_advice_for(const char *choice, const char *kernel, const char *cpu);

#endif

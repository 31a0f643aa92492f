/* bench/train - training steps against the matrix library at the same shapes.
 *
 * A step is forward, loss, backward, the sum of the slices' gradients and AdamW.  The
 * limit is measured in the same run, in turns with the steps: the sgemm calls of one step
 * alone, slice by slice, in as many threads.  Both are the best of their rounds. */
#include "nn/nn.h"
#include "plugin/plugin.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLICES = 16, N_X = 64, N_THETA = 2, PER_X = 2, MOST_PRODUCTS = 64 };

typedef struct bench_case {
    const char *name, *architecture;
    const char *options[2][2]; /* name and value; a list has one value, WIDTHS times */
    size_t widths, batch;
} bench_case;

static const bench_case CASES[] = {
    {"mlp-3x512", "mlp", {{"layers", "512"}}, 3, 4096},
    {"mlp-bn-3x512", "mlp", {{"layers", "512"}, {"batch_norm", "true"}}, 3, 4096},
    {"mlp-bn-layers-3x512",
     "mlp",
     {{"layers", "512"}, {"batch_norm_layers", "true"}},
     3,
     4096},
    {"mlp-3x128", "mlp", {{"layers", "128"}}, 3, 1024},
};

/* One matrix product of a slice: c [m][n] = a [m][k] b [k][n], transposed as in training.
 */
typedef struct product {
    size_t m, n, k;
    CBLAS_TRANSPOSE a, b;
} product;

typedef struct products {
    size_t n, slices;
    product item[MOST_PRODUCTS];
    double flops;   /* of sgemm calls, per slice */
    double useful;  /* of all products, per slice */
    float **memory; /* by thread: a, b, c */
    size_t floats;
} products;

typedef struct bench {
    const bench_case *c;
    pool *p;
    net *g;
    trainer *t;
    float *x, *theta, *weights, *buffers, *gradient, *m, *v;
    uint64_t step;
    double loss;
    products products;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the sgemm calls of a slice */

static void product_add(products *p, product q)
{
    double flops = 2.0 * (double)q.m * (double)q.n * (double)q.k;
    size_t floats = q.m * q.k > q.k * q.n ? q.m * q.k : q.k * q.n;
    floats = floats > q.m * q.n ? floats : q.m * q.n;
    p->useful += flops;
    /* Products of a vector are no matter of sgemm. */
    if (q.m < 8 || q.n < 8 || q.k < 8 || p->n == MOST_PRODUCTS)
        return;
    p->floats = floats > p->floats ? floats : p->floats;
    p->flops += flops;
    p->item[p->n++] = q;
}

/* Forward, gradient of the weights, and of the input where it is not the network's. */
static void products_of(products *p, const net *g, size_t rows)
{
    for (size_t i = 0; i < g->n_order; i++) {
        const net_node *v = &g->nodes[g->order[i]];
        if (v->op != OP_LINEAR)
            continue;
        size_t m = rows * v->sets * (v->pair ? PER_X : 1);
        for (uint32_t k = 0; k < v->n_in - v->based; k++) {
            const net_node *in = &g->nodes[v->in[k]];
            product_add(p, (product){m, v->cols, in->cols, CblasNoTrans, CblasTrans});
            product_add(p, (product){v->cols, in->cols, m, CblasTrans, CblasNoTrans});
            if (g->nodes[in->root].op != OP_INPUT)
                product_add(p,
                            (product){m, in->cols, v->cols, CblasNoTrans, CblasNoTrans});
        }
    }
}

static int products_run(void *context, size_t slice, unsigned worker)
{
    const products *p = context;
    float *a = p->memory[worker], *b = a + p->floats, *c = b + p->floats;
    (void)slice;
    for (size_t i = 0; i < p->n; i++) {
        const product *q = &p->item[i];
        int lda = (int)(q->a == CblasTrans ? q->m : q->k);
        int ldb = (int)(q->b == CblasTrans ? q->k : q->n);
        cblas_sgemm(CblasRowMajor, q->a, q->b, (int)q->m, (int)q->n, (int)q->k, 1.0f, a,
                    lda, b, ldb, 0.0f, c, (int)q->n);
    }
    return NRE_OK;
}

static int products_new(products *p, const net *g, size_t batch, unsigned threads)
{
    size_t rows = batch / SLICES > 128 ? batch / SLICES : 128;
    memset(p, 0, sizeof *p);
    p->slices = batch / rows;
    products_of(p, g, rows);
    p->memory = calloc(threads, sizeof *p->memory);
    for (unsigned i = 0; p->memory && i < threads; i++) {
        p->memory[i] = memory_new(3 * p->floats, sizeof(float));
        if (!p->memory[i])
            return fail(NRE_ENOMEM, "no memory for the matrices");
        for (size_t k = 0; k < 3 * p->floats; k++)
            p->memory[i][k] = 0.01f * (float)(k % 17);
    }
    return p->memory ? NRE_OK : fail(NRE_ENOMEM, "no memory for the matrices");
}

/* the training step */

static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    const bench *b = context;
    (void)worker;
    memcpy(x, b->x + first * N_X, n * N_X * sizeof *x);
    memcpy(theta, b->theta + first * PER_X * N_THETA,
           n * PER_X * N_THETA * sizeof *theta);
    return NRE_OK;
}

/* Binary cross-entropy of logits: the first theta of a row is joint, the others are
 * marginal. */
static double loss(void *context, size_t first, size_t n, const float *logit,
                   double measured, float *gradient)
{
    double sum = 0;
    (void)context, (void)first, (void)measured;
    for (size_t i = 0; i < n * PER_X; i++) {
        double sign = i % PER_X == 0 ? -1.0 : 1.0, z = sign * logit[i];
        sum += fmax(z, 0) + log1p(exp(-fabs(z)));
        gradient[i] = (float)(sign / (1 + exp(-z)));
    }
    return sum;
}

static int step(bench *b)
{
    trainer_job job = {.n = b->c->batch,
                       .per_x = PER_X,
                       .fill = fill,
                       .loss = loss,
                       .context = b,
                       .seed = 1,
                       .step = b->step};
    int status = trainer_step(b->t, &job, b->weights, b->buffers, b->gradient, &b->loss);
    const adamw o = {1e-4, 0.9, 0.999, 1e-8, 0.1};
    adamw_step(&o, ++b->step, 1.0 / (double)b->c->batch, b->p, net_n_weights(b->g),
               b->gradient, b->weights, b->m, b->v);
    return status;
}

/* Best times of a step and of its products, in turns for about SECONDS. */
static int measure(bench *b, double seconds, double *t_step, double *t_products)
{
    *t_step = *t_products = INFINITY;
    double start = now();
    for (int round = 0; round < 5 || now() - start < seconds; round++) {
        double t0 = now();
        int status = step(b);
        double t1 = now();
        if (!status)
            status = pool_run(b->p, b->products.slices, products_run, &b->products);
        if (status)
            return status;
        *t_step = fmin(*t_step, t1 - t0);
        *t_products = fmin(*t_products, now() - t1);
    }
    return NRE_OK;
}

/* set-up */

static int values_fill(nre_values *v, const bench_case *c)
{
    const char *widths[8];
    for (size_t i = 0; i < c->widths; i++)
        widths[i] = c->options[0][1];
    int status = values_set(v, c->options[0][0], true, c->widths, widths);
    if (!status && c->options[1][0])
        status = values_set(v, c->options[1][0], false, 1, &c->options[1][1]);
    return status;
}

static int net_make(const bench_case *c, plugins *all, arena *a, net **out)
{
    const plugin *p = NULL;
    nre_values *v = NULL;
    instance *i = NULL;
    const net_field field = {"x", {1, {N_X}}, 0};
    const net_inputs inputs = {N_THETA, 1, &field};
    int status = plugin_load(all, NRE_ARCHITECTURE, c->architecture, &p);
    if (!status)
        status = values_new(p, a, &v);
    if (!status)
        status = values_fill(v, c);
    if (!status)
        status = instance_new(p, v, &(host_services){0}, &i);
    if (!status)
        status = net_new(p->table, i->self, &inputs, out);
    instance_free(i);
    return status;
}

static int bench_start(bench *b, arena *a)
{
    size_t n = net_n_weights(b->g), rows = b->c->batch;
    b->x = arena_alloc(a, rows * N_X, sizeof *b->x);
    b->theta = arena_alloc(a, rows * PER_X * N_THETA, sizeof *b->theta);
    b->weights = arena_alloc(a, n, sizeof *b->weights);
    b->buffers = arena_alloc(a, net_n_buffers(b->g) + 1, sizeof *b->buffers);
    b->gradient = arena_alloc(a, n, sizeof *b->gradient);
    b->m = arena_alloc(a, n, sizeof *b->m);
    b->v = arena_alloc(a, n, sizeof *b->v);
    if (!b->x || !b->theta || !b->weights || !b->buffers || !b->gradient || !b->m ||
        !b->v)
        return fail(NRE_ENOMEM, "no memory for the batch");
    rng r;
    rng_start(&r, rng_purpose(1, "bench"), 0, 0);
    for (size_t i = 0; i < rows * N_X; i++)
        b->x[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < rows * PER_X * N_THETA; i++)
        b->theta[i] = (float)rng_normal(&r);
    net_init(b->g, rng_purpose(1, "init"), b->weights, b->buffers);
    int status = trainer_new(b->g, rows, PER_X, false, b->p, &b->t);
    return status ? status : products_new(&b->products, b->g, rows, pool_threads(b->p));
}

static void print_row(const bench *b, bool json, double t_step, double t_products)
{
    const products *p = &b->products;
    double slices = (double)p->slices, rows = (double)b->c->batch;
    double rate = slices * p->useful / t_step * 1e-9;
    double limit = slices * p->flops / t_products * 1e-9;
    unsigned threads = pool_threads(b->p);
    if (json) {
        const char *line =
            "{\"bench\": \"train\", \"case\": \"%s\", \"metric\": \"%s\", "
            "\"value\": %.1f, \"limit\": %.1f, \"share\": %.3f, \"threads\": %u}\n";
        printf(line, b->c->name, "pairs_per_s", rows / t_step,
               rows / t_step * limit / rate, rate / limit, threads);
        printf(line, b->c->name, "gflop_per_s", rate, limit, rate / limit, threads);
    } else {
        printf("%-20s %5zu %8u %10.0f %9.1f %9.1f %6.1f%% %8.1f\n", b->c->name,
               b->c->batch, threads, rows / t_step, rate, limit, 100 * rate / limit,
               1e-6 * (double)trainer_memory(b->t));
    }
    fflush(stdout);
}

static int run_case(const bench_case *c, plugins *all, pool *p, bool json, double seconds)
{
    bench b = {.c = c, .p = p};
    double t_step = 0, t_products = 0;
    arena *a = arena_new();
    int status = a ? net_make(c, all, a, &b.g) : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = bench_start(&b, a);
    if (!status)
        status = measure(&b, seconds, &t_step, &t_products);
    if (!status)
        print_row(&b, json, t_step, t_products);
    for (unsigned i = 0; b.products.memory && i < pool_threads(p); i++)
        free(b.products.memory[i]);
    free(b.products.memory);
    trainer_free(b.t);
    net_free(b.g);
    arena_free(a);
    return status;
}

/* "plugins" beside the folder of this executable, as in a build directory. */
static int plugins_beside(arena *a, plugins **out)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return fail(NRE_EIO, "cannot tell where this program lies");
    self[n] = '\0';
    const char *folder = path_join(a, path_folder(a, path_folder(a, self)), "plugins");
    return plugins_new(1, &folder, out);
}

static int run_all(unsigned threads, bool json, double seconds, const char *only)
{
    pool *p = NULL;
    plugins *all = NULL;
    arena *a = arena_new();
    int status = a ? blas_start() : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = pool_new(threads, &p);
    if (!status)
        status = plugins_beside(a, &all);
    if (!status && !json) {
        printf("OpenBLAS kernel %s, own kernels %s\n", blas_kernel(), kernel_name());
        printf("%-20s %5s %8s %10s %9s %9s %7s %8s\n", "case", "batch", "threads",
               "pairs/s", "GFLOP/s", "sgemm", "share", "MB");
    }
    for (size_t i = 0; !status && i < sizeof CASES / sizeof *CASES; i++)
        if (!only || strcmp(only, CASES[i].name) == 0)
            status = run_case(&CASES[i], all, p, json, seconds);
    plugins_free(all);
    pool_free(p);
    arena_free(a);
    return status;
}

int main(int argc, char **argv)
{
    unsigned threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    bool json = false;
    double seconds = 4;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc) {
            threads = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            seconds = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr,
                    "usage: train [--json] [-j THREADS] [--seconds S] [--case NAME]\n");
            return 2;
        }
    }
    int status = run_all(threads > 0 ? threads : 1, json, seconds, only);
    if (status)
        fprintf(stderr, "train: %s\n", error_message());
    return status ? exit_code_of(status) : 0;
}

/* bench/train - training steps against the matrix library.
 *
 * A step is forward, loss, backward, the sum of the slices' gradients and AdamW.  Two limits are
 * measured in the same run, in turns with the steps: the best rate of sgemm, and the sgemm calls
 * of one step alone.  Medians are quoted. */
#include "bench.h"

#include <math.h>
#include <string.h>

enum { PER_X = 2 };

typedef struct training {
    const bench *b;
    size_t batch;
    trainer *t;
    float *x, *theta, *weights, *buffers, *gradient, *m, *v;
    uint64_t step;
    double loss, peak; /* PEAK: memory of the process after a step */
} training;

/* Medians over the rounds. */
typedef struct timing {
    double step, products; /* seconds */
    double peak;           /* FLOP/s */
    double done;           /* FLOP of the products of a step */
} timing;

static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    const training *t = context;
    size_t n_x = net_x_size(t->b->g), n_theta = PER_X * BENCH_THETA;
    (void)worker;
    memcpy(x, t->x + first * n_x, n * n_x * sizeof *x);
    memcpy(theta, t->theta + first * n_theta, n * n_theta * sizeof *theta);
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

static int step(training *t)
{
    trainer_job job = {.n = t->batch,
                       .per_x = PER_X,
                       .fill = fill,
                       .loss = loss,
                       .context = t,
                       .seed = 1,
                       .step = t->step};
    int status = trainer_step(t->t, &job, t->weights, t->buffers, t->gradient, &t->loss);
    const adamw o = {1e-4, 0.9, 0.999, 1e-8, 0.1};
    adamw_step(&o, ++t->step, 1.0 / (double)t->batch, t->b->p, net_n_weights(t->b->g),
               t->gradient, t->weights, t->m, t->v);
    if (!status && !isfinite(t->loss))
        status = fail(NRE_ENUMERIC, "the loss is %g", t->loss);
    return status;
}

/* The first step warms caches up and is recorded. */
static int measure(training *t, timing *out)
{
    double steps[MOST_ROUNDS], products[MOST_ROUNDS], peaks[MOST_ROUNDS], start = now();
    const bench_options *o = t->b->o;
    products_start();
    int status = step(t);
    products_stop();
    out->done = products_flops();
    size_t n = 0;
    for (; !status && n < o->rounds && (n == 0 || now() - start < o->seconds); n++) {
        double before = now();
        status = step(t);
        steps[n] = now() - before;
        t->peak = n == 0 ? peak_memory() : t->peak;
        if (!status)
            status = products_time(t->b->p, &products[n]);
        if (!status)
            status = peak_rate(t->b->p, &peaks[n]);
    }
    if (status)
        return status;
    out->step = median_of(n, steps);
    out->products = median_of(n, products);
    out->peak = median_of(n, peaks);
    return NRE_OK;
}

static int training_start(training *t, arena *a)
{
    const net *g = t->b->g;
    size_t n = net_n_weights(g), n_x = t->batch * net_x_size(g),
           n_theta = t->batch * PER_X * BENCH_THETA;
    t->x = arena_alloc(a, n_x, sizeof *t->x);
    t->theta = arena_alloc(a, n_theta, sizeof *t->theta);
    t->weights = arena_alloc(a, n, sizeof *t->weights);
    t->buffers = arena_alloc(a, net_n_buffers(g) + 1, sizeof *t->buffers);
    t->gradient = arena_alloc(a, n, sizeof *t->gradient);
    t->m = arena_alloc(a, n, sizeof *t->m);
    t->v = arena_alloc(a, n, sizeof *t->v);
    if (!t->x || !t->theta || !t->weights || !t->buffers || !t->gradient || !t->m ||
        !t->v)
        return fail(NRE_ENOMEM, "no memory for the batch");
    rng r;
    rng_start(&r, rng_purpose(1, "bench"), 0, 0);
    for (size_t i = 0; i < n_x; i++)
        t->x[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < n_theta; i++)
        t->theta[i] = (float)rng_normal(&r);
    net_init(g, rng_purpose(1, "init"), t->weights, t->buffers);
    return trainer_new(g, t->batch, PER_X, false, t->b->p, &t->t);
}

/* Operations of a row: head and thetas, forward and twice that back. */
static double useful_flops(const net *g)
{
    double head, trunk;
    net_flops(g, &head, &trunk);
    return 3 * (head + PER_X * trunk);
}

static void print_json(const training *t, const timing *m)
{
    const bench *b = t->b;
    double rows = (double)t->batch, rate = rows * useful_flops(b->g) / m->step;
    const char *start = "{\"bench\": \"train\", \"case\": \"%s\", \"bins\": %u, "
                        "\"batch\": %zu, \"metric\": \"%s\", ";
    const char *limited = "\"value\": %.1f, \"limit\": %.1f, \"share\": %.3f, "
                          "\"threads\": %u}\n";
    printf(start, b->network->name, b->bins, t->batch, "pairs_per_s");
    printf(limited, rows / m->step, rows / m->products, m->products / m->step,
           b->o->threads);
    printf(start, b->network->name, b->bins, t->batch, "gflop_per_s");
    printf(limited, 1e-9 * rate, 1e-9 * m->peak, rate / m->peak, b->o->threads);
    printf(start, b->network->name, b->bins, t->batch, "memory_mb");
    printf("\"value\": %.1f, \"threads\": %u}\n", 1e-6 * t->peak, b->o->threads);
}

static void print(const training *t, const timing *m)
{
    const bench *b = t->b;
    if (b->o->json) {
        print_json(t, m);
        return;
    }
    double rows = (double)t->batch, rate = rows * useful_flops(b->g) / m->step;
    printf("%-14s %4u %5zu %8.0f %8.1f %6.1f %6.1f%% %5.1f%% %8.0f %6.1f%% %7.0f %8.0f\n",
           b->network->name, b->bins, t->batch, rows / m->step, 1e-9 * rate,
           1e-9 * m->peak, 100 * rate / m->peak,
           100 * m->done / (rows * useful_flops(b->g)), rows / m->products,
           100 * m->products / m->step, 1e-6 * (double)trainer_memory(t->t),
           1e-6 * t->peak);
}

static int measure_case(bench *b)
{
    training t = {.b = b, .batch = b->batch};
    timing m;
    int status = training_start(&t, b->memory);
    if (!status)
        status = measure(&t, &m);
    if (!status)
        print(&t, &m);
    trainer_free(t.t);
    return status;
}

static int run_case(const bench_options *o, const network *n, unsigned bins, size_t rows)
{
    bool wanted = (!o->name || strcmp(o->name, n->name) == 0) &&
                  (!o->bins || o->bins == bins) && (!o->batch || o->batch == rows);
    if (!wanted || (o->quick && (bins == 62 || rows > 1024)))
        return 0;
    return bench_fork(&(bench){.o = o, .network = n, .bins = bins, .batch = rows},
                      measure_case);
}

static void print_header(const bench_options *o)
{
    printf(
        "%s, kernel %s; own kernels %s; %u threads%s\n"
        "A pair is a row of x with its joint and its marginal theta.  GFLOP/s counts\n"
        "multiply-adds x 2 of the network, padding included, forward and twice back;\n"
        "done: the part of them that is multiplied, padding and the gradient of x are\n"
        "not.  peak: sgemm of 1024 x 512 x 512 in each thread.  calls: pairs/s of the\n"
        "sgemm calls of a step alone.  MB: of the trainer, and the peak of the "
        "process.\n",
        blas_version(), blas_kernel(), kernel_name(), o->threads,
        o->cpu ? "; seconds of CPU" : "");
    printf("%-14s %4s %5s %8s %8s %6s %7s %6s %8s %7s %7s %8s\n", "case", "bins", "batch",
           "pairs/s", "GFLOP/s", "peak", "share", "done", "calls", "share", "MB",
           "peak MB");
}

int main(int argc, char **argv)
{
    bench_options o;
    int code = options_read("train", argc, argv, &o);
    if (code)
        return code;
    if (!o.json)
        print_header(&o);
    static const size_t batches[] = {512, 4096};
    static const unsigned bins[] = {66, 62};
    for (size_t i = 0; !code && i < N_NETWORKS; i++)
        for (size_t k = 0; !code && k < 2; k++)
            for (size_t j = 0; !code && j < 2; j++)
                code = run_case(&o, &NETWORKS[i], bins[k], batches[j]);
    if (!code)
        code = run_case(&o, &NORMED_NETWORK, 66, 4096);
    return code ? code : run_case(&o, &SMALL_NETWORK, 66, 1024);
}

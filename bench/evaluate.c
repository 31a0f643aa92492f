/* bench/evaluate - log ratios a second on grids and in chains, against bare sgemm.
 *
 * grid: many rows of x, each with 100 thetas, as coverage does; the head once a row.
 * pairs: the same log ratios, the head evaluated anew for each of them.
 * chain: one row of x, 100 thetas a call, as samplers do; also with the gradient by theta.
 * The limit of each is the sgemm calls that it makes, alone, in the same threads, in turns.  Medians
 * are quoted. */
#include "bench.h"

#include <string.h>

enum {
    THETAS = 100,   /* of a row of x */
    GRID_ROWS = 64, /* of an item */
    PAIR_ROWS = 5,
    CHAIN_CALLS = 20
};
static const double ROUND_FLOPS =
    6e10; /* an item's more or less often, until there are so many */

/* Memory of a thread. */
typedef struct scratch {
    model_worker *worker;
    float *head, *logit, *gradient;
} scratch;

typedef struct evaluation {
    const bench *b;
    model *m;
    float *x, *repeated,
        *theta;  /* [GRID_ROWS], [PAIR_ROWS * THETAS] rows, [..][THETAS] */
    scratch *of; /* [threads] */
} evaluation;

/* A way to evaluate, by items of ROWS times THETAS log ratios. */
typedef struct way {
    const char *name;
    pool_task *item;
    size_t rows;
    bool heads_anew;
} way;

static int grid_item(void *context, size_t i, unsigned worker)
{
    const evaluation *e = context;
    const scratch *s = &e->of[worker];
    (void)i;
    int status = model_head(e->m, s->worker, GRID_ROWS, e->x, s->head);
    return status ? status
                  : model_trunk(e->m, s->worker, GRID_ROWS, THETAS, s->head, e->theta,
                                s->logit, NULL);
}

static int pairs_item(void *context, size_t i, unsigned worker)
{
    const evaluation *e = context;
    const scratch *s = &e->of[worker];
    const size_t pairs = PAIR_ROWS * THETAS;
    (void)i;
    int status = model_head(e->m, s->worker, pairs, e->repeated, s->head);
    return status ? status
                  : model_trunk(e->m, s->worker, pairs, 1, s->head, e->theta, s->logit,
                                NULL);
}

static int chain_calls(const evaluation *e, unsigned worker, float *gradient)
{
    const scratch *s = &e->of[worker];
    int status = NRE_OK;
    for (size_t k = 0; !status && k < CHAIN_CALLS; k++)
        status = model_trunk(e->m, s->worker, 1, THETAS, s->head,
                             e->theta + k * THETAS * BENCH_THETA, s->logit, gradient);
    return status;
}

static int chain_item(void *context, size_t i, unsigned worker)
{
    (void)i;
    return chain_calls(context, worker, NULL);
}

static int gradient_item(void *context, size_t i, unsigned worker)
{
    const evaluation *e = context;
    (void)i;
    return chain_calls(e, worker, e->of[worker].gradient);
}

enum { GRID, PAIRS, CHAIN, CHAIN_GRADIENT, N_WAYS };
static const way WAYS[N_WAYS] = {
    {"grid", grid_item, GRID_ROWS, false},
    {"pairs", pairs_item, PAIR_ROWS, true},
    {"chain", chain_item, CHAIN_CALLS, false},
    {"chain_gradient", gradient_item, CHAIN_CALLS, false},
};

/* The heads of the thread's scratch are filled by the grid, which goes before the chains. */
typedef struct rates {
    double value[N_WAYS], limit[N_WAYS]; /* log ratios a second */
} rates;

static size_t items_of(const evaluation *e, const way *w)
{
    double head, trunk;
    net_flops(e->b->g, &head, &trunk);
    double flops =
        (double)w->rows * (THETAS * trunk + (w->heads_anew ? THETAS : 1) * head);
    size_t threads = e->b->o->threads, turns = (size_t)(ROUND_FLOPS / flops) / threads;
    return threads * (turns > 0 ? turns : 1);
}

/* Seconds of N items; *PRODUCTS of their sgemm calls, which are recorded for some of them. */
static int time_way(evaluation *e, const way *w, double *seconds, double *products)
{
    const size_t n = items_of(e, w), some = e->b->o->threads;
    double alone = 0;
    products_start();
    int status = pool_run(e->b->p, some, w->item, e);
    products_stop();
    double start = now();
    if (!status)
        status = pool_run(e->b->p, n, w->item, e);
    *seconds = now() - start;
    *products = 0;
    for (size_t k = 0; !status && k < n / some; k++) {
        status = products_time(e->b->p, &alone);
        *products += alone;
    }
    return status;
}

static int measure_way(evaluation *e, unsigned k, rates *out)
{
    const bench_options *o = e->b->o;
    double seconds[MOST_ROUNDS], products[MOST_ROUNDS], unused, start = now();
    int status = time_way(e, &WAYS[k], &unused, &unused);
    size_t n = 0;
    for (; !status && n < o->rounds && (n == 0 || now() - start < o->seconds / N_WAYS);
         n++)
        status = time_way(e, &WAYS[k], &seconds[n], &products[n]);
    if (status)
        return status;
    double ratios = (double)(items_of(e, &WAYS[k]) * WAYS[k].rows * THETAS);
    out->value[k] = ratios / median_of(n, seconds);
    out->limit[k] = ratios / median_of(n, products);
    return NRE_OK;
}

/* set-up */

static int scratch_new(evaluation *e, scratch *s)
{
    arena *a = e->b->memory;
    const size_t pairs = GRID_ROWS * THETAS, rows = PAIR_ROWS * THETAS;
    s->head = arena_alloc(a, rows * model_head_size(e->m) + 1, sizeof *s->head);
    s->logit = arena_alloc(a, pairs, sizeof *s->logit);
    s->gradient = arena_alloc(a, THETAS * BENCH_THETA, sizeof *s->gradient);
    if (!s->head || !s->logit || !s->gradient)
        return fail(NRE_ENOMEM, "no memory for a thread");
    return model_worker_new(e->m, &s->worker);
}

static int inputs_new(evaluation *e)
{
    arena *a = e->b->memory;
    const size_t n_x = e->b->bins, n_theta = (size_t)GRID_ROWS * THETAS * BENCH_THETA;
    e->x = arena_alloc(a, GRID_ROWS * n_x, sizeof *e->x);
    e->repeated = arena_alloc(a, PAIR_ROWS * THETAS * n_x, sizeof *e->repeated);
    e->theta = arena_alloc(a, n_theta, sizeof *e->theta);
    if (!e->x || !e->repeated || !e->theta)
        return fail(NRE_ENOMEM, "no memory for the inputs");
    rng r;
    rng_start(&r, rng_purpose(1, "bench"), 0, 0);
    for (size_t i = 0; i < GRID_ROWS * n_x; i++)
        e->x[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < n_theta; i++)
        e->theta[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < PAIR_ROWS * THETAS * n_x; i++)
        e->repeated[i] = e->x[i / n_x / THETAS * n_x + i % n_x];
    return NRE_OK;
}

static int model_make(evaluation *e)
{
    const net *g = e->b->g;
    arena *a = e->b->memory;
    float *weights = arena_alloc(a, net_n_weights(g), sizeof *weights);
    float *buffers = arena_alloc(a, net_n_buffers(g) + 1, sizeof *buffers);
    e->of = arena_alloc(a, e->b->o->threads, sizeof *e->of);
    if (!weights || !buffers || !e->of)
        return fail(NRE_ENOMEM, "no memory for the weights");
    net_init(g, rng_purpose(1, "init"), weights, buffers);
    int status = model_new(g, weights, buffers, &e->m);
    for (unsigned i = 0; !status && i < e->b->o->threads; i++)
        status = scratch_new(e, &e->of[i]);
    return status ? status : inputs_new(e);
}

static void print(const bench *b, const rates *r)
{
    double saved = r->value[GRID] / r->value[PAIRS];
    if (!b->o->json) {
        printf("%-14s %4u", b->network->name, b->bins);
        for (unsigned k = 0; k < N_WAYS; k++) {
            printf(" %9.0f %4.0f%%", r->value[k], 100 * r->value[k] / r->limit[k]);
            if (k == PAIRS)
                printf(" %6.1fx", saved);
        }
        printf("\n");
        return;
    }
    const char *start = "{\"bench\": \"evaluate\", \"case\": \"%s\", \"bins\": %u, ";
    for (unsigned k = 0; k < N_WAYS; k++) {
        printf(start, b->network->name, b->bins);
        printf("\"metric\": \"%s_log_ratios_per_s\", \"value\": %.1f, \"limit\": %.1f, "
               "\"share\": %.3f, \"threads\": %u}\n",
               WAYS[k].name, r->value[k], r->limit[k], r->value[k] / r->limit[k],
               b->o->threads);
    }
    printf(start, b->network->name, b->bins);
    printf("\"metric\": \"grid_over_pairs\", \"value\": %.2f, \"threads\": %u}\n", saved,
           b->o->threads);
}

static int measure_case(bench *b)
{
    evaluation e = {.b = b};
    rates r;
    int status = model_make(&e);
    for (unsigned k = 0; !status && k < N_WAYS; k++)
        status = measure_way(&e, k, &r);
    if (!status)
        print(b, &r);
    for (unsigned i = 0; e.of && i < b->o->threads; i++)
        model_worker_free(e.of[i].worker);
    model_free(e.m);
    return status;
}

static void print_header(const bench_options *o)
{
    printf(
        "%s, kernel %s; own kernels %s; %u threads%s\n"
        "Log ratios a second.  grid: %d thetas for each of many x.  pairs: the same, "
        "the\n"
        "head anew for each theta.  chain: %d thetas of one x a call, without and with\n"
        "the gradient.  share: of the speed of the sgemm calls of each alone.\n",
        blas_version(), blas_kernel(), kernel_name(), o->threads,
        o->cpu ? "; seconds of CPU" : "", THETAS, THETAS);
    printf("%-14s %4s %9s share %9s share %7s %9s share %9s share\n", "case", "bins",
           "grid", "pairs", "grid by", "chain", "gradient");
}

int main(int argc, char **argv)
{
    bench_options o;
    int code = options_read("evaluate", argc, argv, &o);
    if (code)
        return code;
    if (!o.json)
        print_header(&o);
    static const unsigned bins[] = {66, 62};
    for (size_t i = 0; !code && i < N_NETWORKS; i++)
        for (size_t k = 0; !code && k < (o.quick ? 1 : 2); k++)
            if ((!o.name || strcmp(o.name, NETWORKS[i].name) == 0) &&
                (!o.bins || o.bins == bins[k]))
                code = bench_fork(
                    &(bench){.o = &o, .network = &NETWORKS[i], .bins = bins[k]},
                    measure_case);
    return code;
}

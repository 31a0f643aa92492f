/* bench/diagnose - what diagnosis costs.
 *
 *   diagnose [--case NAME] [--bins 66] [--threads N] [--cpu] [--quick] [--json]
 *
 * Coverage of 10,000 observations, each with a posterior of 10 x 10 points of two parameters and the rank
 * of a truth in it: what depends on x alone once an observation, and straightforwardly, all of it anew
 * for each pair.  The latter is measured on the first rows of each tenth, in turns, and
 * scaled up; both must give the same ranks.  --quick: the first 2,000 observations, both scaled up.
 *
 *   diagnose --run CONFIG FOLDER [OPTION ..] [--json]
 *
 * Seconds of CPU of each stage of `nereid run CONFIG -o FOLDER OPTION ..`, a process a stage. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OBSERVATIONS = 10000,
    SIDE = 10,
    THETAS = SIDE * SIDE, /* of an observation */
    ROUNDS = 10,
    GRID_ROWS = 50, /* of an item; a round has a whole number of them */
    PAIR_ROWS = 5
};
static const double ROUND_FLOPS = 6e10; /* of the straightforward way, about */

/* Memory of a thread. */
typedef struct scratch {
    model_worker *worker;
    float *head, *logit;
    float *repeated; /* [PAIR_ROWS * THETAS][bins] */
} scratch;

typedef struct evaluation {
    const bench *b;
    model *m;
    float *x;      /* [OBSERVATIONS][bins] */
    float *theta;  /* [GRID_ROWS][THETAS][2], the same for each row */
    size_t *truth; /* [OBSERVATIONS] its place among the THETAS */
    double *rank;  /* [OBSERVATIONS] by what is amortised */
    double *other; /* by the straightforward way; NAN where it was not asked */
    size_t first;  /* row of this round */
    scratch *of;   /* [threads] */
} evaluation;

/* Posterior mass of points that are denser than the truth's; the prior is flat. */
static double rank_of(const float *logit, size_t truth)
{
    double top = -INFINITY, all = 0, denser = 0;
    for (size_t k = 0; k < THETAS; k++)
        top = fmax(top, (double)logit[k]);
    for (size_t k = 0; k < THETAS; k++) {
        double weight = exp((double)logit[k] - top);
        all += weight;
        denser += logit[k] > logit[truth] ? weight : 0;
    }
    return denser / all;
}

static int grid_item(void *context, size_t i, unsigned worker)
{
    const evaluation *e = context;
    const scratch *s = &e->of[worker];
    size_t first = e->first + i * GRID_ROWS;
    int status =
        model_head(e->m, s->worker, GRID_ROWS, e->x + first * e->b->bins, s->head);
    if (!status)
        status = model_trunk(e->m, s->worker, GRID_ROWS, THETAS, s->head, e->theta,
                             s->logit, NULL);
    for (size_t k = 0; k < GRID_ROWS && !status; k++)
        e->rank[first + k] = rank_of(s->logit + k * THETAS, e->truth[first + k]);
    return status;
}

static int pairs_item(void *context, size_t i, unsigned worker)
{
    const evaluation *e = context;
    const scratch *s = &e->of[worker];
    const size_t pairs = PAIR_ROWS * THETAS, bins = e->b->bins;
    size_t first = e->first + i * PAIR_ROWS;
    for (size_t k = 0; k < pairs; k++)
        memcpy(s->repeated + k * bins, e->x + (first + k / THETAS) * bins,
               bins * sizeof(float));
    int status = model_head(e->m, s->worker, pairs, s->repeated, s->head);
    if (!status)
        status =
            model_trunk(e->m, s->worker, pairs, 1, s->head, e->theta, s->logit, NULL);
    for (size_t k = 0; k < PAIR_ROWS && !status; k++)
        e->other[first + k] = rank_of(s->logit + k * THETAS, e->truth[first + k]);
    return status;
}

/* Items of the straightforward way in a round. */
static size_t pair_items(const evaluation *e)
{
    double head, trunk;
    net_flops(e->b->g, &head, &trunk);
    double each = ROUND_FLOPS / ((head + trunk) * PAIR_ROWS * THETAS);
    size_t threads = e->b->o->threads, most = OBSERVATIONS / ROUNDS / PAIR_ROWS;
    size_t n = each < (double)most ? (size_t)each / threads * threads : most;
    return n > threads ? n : threads;
}

static int time_items(evaluation *e, size_t n, pool_task *item, double *seconds)
{
    double start = now();
    int status = pool_run(e->b->p, n, item, e);
    *seconds += now() - start;
    return status;
}

typedef struct times {
    double amortised, straight; /* seconds for all observations */
    size_t compared;            /* rows that both ways looked at */
    double apart;               /* largest difference of their ranks */
    double coverage[2];         /* of the 68% region, on those rows */
} times;

static int measure_rounds(evaluation *e, times *t)
{
    const size_t rows = OBSERVATIONS / ROUNDS, some = pair_items(e);
    int status = NRE_OK;
    const size_t rounds = e->b->o->quick ? ROUNDS / 5 : ROUNDS;
    for (size_t k = 0; k < rounds && !status; k++) {
        e->first = k * rows;
        status = time_items(e, rows / GRID_ROWS, grid_item, &t->amortised);
        if (!status)
            status = time_items(e, some, pairs_item, &t->straight);
    }
    t->amortised *= (double)ROUNDS / (double)rounds;
    t->straight *=
        (double)ROUNDS / (double)rounds * (double)rows / (double)(some * PAIR_ROWS);
    return status;
}

static void compare_ranks(const evaluation *e, times *t)
{
    for (size_t i = 0; i < OBSERVATIONS; i++) {
        if (isnan(e->other[i]))
            continue;
        t->compared++;
        t->apart = fmax(t->apart, fabs(e->rank[i] - e->other[i]));
        t->coverage[0] += e->rank[i] < 0.68;
        t->coverage[1] += e->other[i] < 0.68;
    }
    for (size_t k = 0; k < 2; k++)
        t->coverage[k] /= (double)t->compared;
}

/* set-up */

static int scratch_new(evaluation *e, scratch *s)
{
    arena *a = e->b->memory;
    const size_t pairs = PAIR_ROWS * THETAS, points = GRID_ROWS * THETAS;
    s->head = arena_alloc(a, pairs * model_head_size(e->m) + 1, sizeof *s->head);
    s->logit = arena_alloc(a, points, sizeof *s->logit);
    s->repeated = arena_alloc(a, pairs * e->b->bins, sizeof *s->repeated);
    if (!s->head || !s->logit || !s->repeated)
        return fail(NRE_ENOMEM, "no memory for a thread");
    return model_worker_new(e->m, &s->worker);
}

static int inputs_new(evaluation *e)
{
    arena *a = e->b->memory;
    const size_t n_x = e->b->bins;
    e->x = arena_alloc(a, OBSERVATIONS * n_x, sizeof *e->x);
    e->theta = arena_alloc(a, GRID_ROWS * THETAS * BENCH_THETA, sizeof *e->theta);
    e->truth = arena_alloc(a, OBSERVATIONS, sizeof *e->truth);
    e->rank = arena_alloc(a, OBSERVATIONS, sizeof *e->rank);
    e->other = arena_alloc(a, OBSERVATIONS, sizeof *e->other);
    if (!e->x || !e->theta || !e->truth || !e->rank || !e->other)
        return fail(NRE_ENOMEM, "no memory for the observations");
    rng r;
    rng_start(&r, rng_purpose(1, "bench"), 0, 0);
    for (size_t i = 0; i < OBSERVATIONS * n_x; i++)
        e->x[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < OBSERVATIONS; i++) {
        e->truth[i] = (size_t)(rng_uniform(&r) * THETAS);
        e->other[i] = NAN;
    }
    for (size_t i = 0; i < GRID_ROWS * THETAS; i++) {
        e->theta[2 * i] = (float)(i % SIDE) / SIDE * 3 - 1.5f;
        e->theta[2 * i + 1] = (float)(i / SIDE % SIDE) / SIDE * 3 - 1.5f;
    }
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

static void print_json(const bench *b, const char *metric, double value)
{
    printf(
        "{\"bench\": \"diagnose\", \"case\": \"%s\", \"bins\": %u, \"metric\": \"%s\", "
        "\"value\": %.6g, \"threads\": %u}\n",
        b->network->name, b->bins, metric, value, b->o->threads);
}

static void print(const bench *b, const times *t)
{
    double gain = t->straight / t->amortised;
    if (b->o->json) {
        print_json(b, "coverage_s", t->amortised);
        print_json(b, "straightforward_s", t->straight);
        print_json(b, "straightforward_over_coverage", gain);
        print_json(b, "largest_difference_of_ranks", t->apart);
    } else
        printf("%-14s %4u %10.2f %16.1f %8.1fx %8zu %10.1e %8.4f %8.4f\n",
               b->network->name, b->bins, t->amortised, t->straight, gain, t->compared,
               t->apart, t->coverage[0], t->coverage[1]);
}

static int measure_case(bench *b)
{
    evaluation e = {.b = b};
    times t = {0};
    int status = model_make(&e);
    if (!status)
        status = measure_rounds(&e, &t);
    if (!status) {
        compare_ranks(&e, &t);
        print(b, &t);
    }
    for (unsigned i = 0; e.of && i < b->o->threads; i++)
        model_worker_free(e.of[i].worker);
    model_free(e.m);
    return status;
}

static void print_header(const bench_options *o)
{
    printf("%s, kernel %s; own kernels %s; %u threads%s\n"
           "Coverage of %d observations, %d thetas each; 'straightforward' pair by pair, "
           "scaled up from the\n"
           "'compared' rows; how far apart the ranks of both are, and the 68%% region's "
           "coverage by both.\n",
           blas_version(), blas_kernel(), kernel_name(), o->threads,
           o->cpu ? "; seconds of CPU over threads" : "", OBSERVATIONS, THETAS);
    printf("%-14s %4s %10s %16s %9s %8s %10s %8s %8s\n", "case", "bins", "coverage, s",
           "straightforward", "ratio", "compared", "apart", "68%", "68%");
}

static int measure_networks(int argc, char **argv)
{
    bench_options o;
    int code = options_read("diagnose", argc, argv, &o);
    if (code)
        return code;
    if (!o.json)
        print_header(&o);
    for (size_t i = 0; !code && i < N_NETWORKS; i++)
        if (!o.name || strcmp(o.name, NETWORKS[i].name) == 0)
            code = bench_fork(
                &(bench){.o = &o, .network = &NETWORKS[i], .bins = o.bins ? o.bins : 66},
                measure_case);
    return code;
}

/* stages of a run */

enum { MOST_ARGUMENTS = 64, STAGES = 4 };
static const char *const STAGE[STAGES] = {"simulate", "train", "infer", "diagnose"};

/* "nereid" beside the folder of this executable, as in a build directory. */
static int program_beside(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 16);
    if (n < 0)
        return -1;
    path[n] = '\0';
    for (int k = 0; k < 2; k++)
        if (strrchr(path, '/'))
            *strrchr(path, '/') = '\0';
    strcat(path, "/nereid");
    return 0;
}

/* Seconds of CPU of a process and its children; its exit code. */
static int time_process(const char *const *arguments, double *seconds)
{
    struct rusage use;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &use) != child)
        return 1;
    *seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void print_stage(bool json, const char *config, size_t k, const double *seconds)
{
    double share = seconds[k] / seconds[1];
    if (!json) {
        printf("%-10s %10.1f s of CPU", STAGE[k], seconds[k]);
        printf(k > 1 ? ", %.2f of training\n" : "\n", share);
        return;
    }
    printf("{\"bench\": \"diagnose\", \"case\": \"%s\", \"metric\": \"%s_cpu_s\", "
           "\"value\": %.3f}\n",
           config, STAGE[k], seconds[k]);
    if (k == 3)
        printf("{\"bench\": \"diagnose\", \"case\": \"%s\", \"metric\": "
               "\"diagnose_over_train\", \"value\": %.4f}\n",
               config, share);
}

static int measure_run(int argc, char **argv)
{
    char program[4096];
    const char *arguments[MOST_ARGUMENTS] = {program,    "run", argv[2],   "-o", argv[3],
                                             "--resume", "-q",  "--until", NULL};
    double seconds[STAGES];
    size_t n = 9, stage = 8;
    bool json = false;
    for (int i = 4; i < argc && n + 1 < MOST_ARGUMENTS; i++)
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else
            arguments[n++] = argv[i];
    if (program_beside(program, sizeof program))
        return 1;
    for (size_t k = 0; k < STAGES; k++) {
        arguments[stage] = STAGE[k];
        int code = time_process(arguments, &seconds[k]);
        if (code)
            return code;
    }
    for (size_t k = 0; k < STAGES; k++)
        print_stage(json, argv[2], k, seconds);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "--run") == 0)
        return measure_run(argc, argv);
    return measure_networks(argc, argv);
}

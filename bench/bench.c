/* bench/bench.c - options, clocks and the networks that are measured. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAYERS                                                                           \
    {                                                                                    \
        "layers", {"512", "512", "512"}, true                                            \
    }
#define TRUNK                                                                            \
    {                                                                                    \
        "trunk", {"512", "512", "512"}, true                                             \
    }
#define BATCH_NORM                                                                       \
    {                                                                                    \
        "batch_norm", {"true"}, false                                                    \
    }
#define DEPTH(n)                                                                         \
    {                                                                                    \
        "depth", {n}, false                                                              \
    }

const network NETWORKS[N_NETWORKS] = {
    {"mlp", "mlp", {LAYERS}},
    {"mlp-bn", "mlp", {LAYERS, BATCH_NORM}},
    {"resnet-18", "resnet", {TRUNK, DEPTH("18")}},
    {"resnet-18-bn", "resnet", {TRUNK, DEPTH("18"), BATCH_NORM}},
    {"resnet-50", "resnet", {TRUNK, DEPTH("50")}},
    {"resnet-50-bn", "resnet", {TRUNK, DEPTH("50"), BATCH_NORM}},
};
const network SMALL_NETWORK = {
    "mlp-3x128", "mlp", {{"layers", {"128", "128", "128"}, true}}};
const network NORMED_NETWORK = {
    "mlp-bn-layers", "mlp", {LAYERS, {"batch_norm_layers", {"true"}, false}}};

/* options */

static unsigned cpu_threads; /* 0: by the clock on the wall */

static bool takes_value(const char *name, const char *arg, int i, int argc)
{
    return strcmp(arg, name) == 0 && i + 1 < argc;
}

static bool option_read(bench_options *o, int argc, char **argv, int *i)
{
    const char *a = argv[*i];
    if (strcmp(a, "--json") == 0)
        o->json = true;
    else if (strcmp(a, "--cpu") == 0)
        o->cpu = true;
    else if (strcmp(a, "--quick") == 0)
        o->quick = true;
    else if (takes_value("--case", a, *i, argc))
        o->name = argv[++*i];
    else if (takes_value("--bins", a, *i, argc))
        o->bins = (unsigned)strtoul(argv[++*i], NULL, 10);
    else if (takes_value("--batch", a, *i, argc))
        o->batch = strtoul(argv[++*i], NULL, 10);
    else if (takes_value("--threads", a, *i, argc))
        o->threads = (unsigned)strtoul(argv[++*i], NULL, 10);
    else if (takes_value("--rounds", a, *i, argc))
        o->rounds = strtoul(argv[++*i], NULL, 10);
    else if (takes_value("--seconds", a, *i, argc))
        o->seconds = strtod(argv[++*i], NULL);
    else
        return false;
    return true;
}

int options_read(const char *name, int argc, char **argv, bench_options *o)
{
    *o = (bench_options){
        .threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), .rounds = 9, .seconds = 5};
    bool good = true;
    for (int i = 1; good && i < argc; i++)
        good = option_read(o, argc, argv, &i);
    cpu_threads = o->cpu ? o->threads : 0;
    if (good && o->threads > 0 && o->rounds > 0 && o->rounds <= MOST_ROUNDS)
        return 0;
    fprintf(stderr,
            "usage: %s [--case NAME] [--bins N] [--batch N] [--threads N] [--rounds K]\n"
            "       [--seconds S] [--quick] [--cpu] [--json]\n",
            name);
    return 2;
}

/* clocks */

double now(void)
{
    struct timespec t;
    clock_gettime(cpu_threads ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    double seconds = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    return cpu_threads ? seconds / cpu_threads : seconds;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(size_t n, double *value)
{
    qsort(value, n, sizeof *value, by_value);
    return 0.5 * (value[(n - 1) / 2] + value[n / 2]);
}

double peak_memory(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return 1024.0 * (double)use.ru_maxrss;
}

/* networks */

static int values_fill(nre_values *v, const network *n)
{
    int status = NRE_OK;
    for (size_t i = 0; !status && i < 3 && n->options[i].name; i++) {
        const option_text *o = &n->options[i];
        const char *item[3] = {o->item[0], o->item[1], o->item[2]};
        status = values_set(v, o->name, o->list, o->list ? 3 : 1, item);
    }
    return status;
}

static int net_make(bench *b)
{
    const plugin *p = NULL;
    nre_values *v = NULL;
    instance *i = NULL;
    const net_field field = {"x", {1, {b->bins}}, 0};
    const net_inputs inputs = {BENCH_THETA, 1, &field};
    int status = plugin_load(b->all, NRE_ARCHITECTURE, b->network->architecture, &p);
    if (!status)
        status = values_new(p, b->memory, &v);
    if (!status)
        status = values_fill(v, b->network);
    if (!status)
        status = instance_new(p, v, &(host_services){0}, &i);
    if (!status)
        status = net_new(p->table, i->self, &inputs, &b->g);
    instance_free(i);
    return status;
}

/* "plugins" beside the folder of this executable, as in a build directory. */
static int plugins_beside(bench *b)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return fail(NRE_EIO, "cannot tell where this program lies");
    self[n] = '\0';
    const char *root = path_folder(b->memory, path_folder(b->memory, self));
    const char *folder = path_join(b->memory, root, "plugins");
    return plugins_new(1, &folder, &b->all);
}

int bench_open(bench *b)
{
    int status = blas_start();
    b->memory = arena_new();
    if (!status && !b->memory)
        status = fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = pool_new(b->o->threads, &b->p);
    if (!status)
        status = plugins_beside(b);
    return status ? status : net_make(b);
}

void bench_close(bench *b)
{
    net_free(b->g);
    pool_free(b->p);
    plugins_free(b->all);
    arena_free(b->memory);
}

static int measure_here(bench *b, int (*measure)(bench *b))
{
    int status = bench_open(b);
    if (!status)
        status = measure(b);
    if (status)
        fprintf(stderr, "%s: %s\n", b->network->name, error_message());
    bench_close(b);
    fflush(stdout);
    return status ? exit_code_of(status) : 0;
}

int bench_fork(bench *b, int (*measure)(bench *b))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(measure_here(b, measure));
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

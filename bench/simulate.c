/* bench/simulate - simulations of the prior, in one thread and in several.
 *
 *   simulate NAME [OPTION=VALUE]... [-n N] [-j THREADS] [--rounds K] [--json]
 *
 * Set-up (tables, caches) is timed apart.  Rounds with one thread and with all alternate; medians
 * are quoted.  The limit of several threads is as many times the rate of one in the same run. */
#include "data/data.h"
#include "plugin/plugin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ROUNDS = 99 };

typedef struct bench {
    const char *name;
    size_t n, rounds;
    unsigned threads;
    bool json;
    simulator *simulator;
    double setup, one, all; /* seconds */
    tally count;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(size_t n, double *value)
{
    qsort(value, n, sizeof *value, by_value);
    return 0.5 * (value[(n - 1) / 2] + value[n / 2]);
}

static int round_of(bench *b, pool *p, double *seconds)
{
    draw d = {.seed = 1, .purpose = "bench", .n = b->n, .on_invalid = 2, .clean = true};
    double start = now();
    int status =
        simulator_draw(b->simulator, p, NULL, &d, NULL, NULL, NULL, &b->count, NULL);
    *seconds = now() - start;
    return status;
}

/* The first round warms caches up and does not count. */
static int measure(bench *b)
{
    double one[MOST_ROUNDS], all[MOST_ROUNDS], unused;
    pool *single = NULL, *several = NULL;
    int status = pool_new(1, &single);
    if (!status)
        status = pool_new(b->threads, &several);
    if (!status)
        status = round_of(b, several, &unused);
    b->count = (tally){0};
    for (size_t i = 0; !status && i < b->rounds; i++) {
        status = round_of(b, single, &one[i]);
        if (!status)
            status = round_of(b, several, &all[i]);
    }
    if (!status) {
        b->one = median_of(b->rounds, one);
        b->all = median_of(b->rounds, all);
    }
    pool_free(single);
    pool_free(several);
    return status;
}

static void print_threads(const bench *b, unsigned threads, double seconds)
{
    double n = (double)b->n, rate = n / seconds, limit = threads * n / b->one;
    if (b->json)
        printf("{\"bench\": \"simulate\", \"case\": \"%s\", \"metric\": "
               "\"simulations_per_s\", "
               "\"value\": %.2f, \"limit\": %.2f, \"share\": %.3f, \"threads\": %u}\n",
               b->name, rate, limit, rate / limit, threads);
    else
        printf("%-20s %8u %12.1f %14.4f %8.2fx\n", b->name, threads, rate,
               1e3 * threads / rate, b->one / seconds);
}

static void print(const bench *b)
{
    if (!b->json) {
        printf("%s: set-up %.2f s; %zu simulations of the prior, median of %zu rounds; "
               "%llu of %llu "
               "attempts invalid, %llu redrawn\n",
               b->name, b->setup, b->n, b->rounds, (unsigned long long)b->count.invalid,
               (unsigned long long)b->count.attempts,
               (unsigned long long)b->count.redrawn);
        printf("%-20s %8s %12s %14s %9s\n", "simulator", "threads", "simulations/s",
               "ms (a core)", "speed-up");
    }
    print_threads(b, 1, b->one);
    print_threads(b, b->threads, b->all);
}

/* "plugins" beside the folder of this executable, as in a build directory; data likewise. */
static int folders_beside(arena *a, const char **plugin_folder, const char **data_folder)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return fail(NRE_EIO, "cannot tell where this program lies");
    self[n] = '\0';
    const char *root = path_folder(a, path_folder(a, self));
    *plugin_folder = path_join(a, root, "plugins");
    *data_folder = path_join(a, root, "data");
    return NRE_OK;
}

static int set_options(nre_values *v, size_t n, char **options)
{
    int status = NRE_OK;
    for (size_t i = 0; !status && i < n; i++) {
        char *value = strchr(options[i], '=');
        if (!value)
            return fail(NRE_EUSAGE, "'%s': give options as NAME=VALUE", options[i]);
        *value++ = '\0';
        const char *item = value;
        status = values_set(v, options[i], false, 1, &item);
    }
    return status;
}

static int run(bench *b, size_t n_options, char **options)
{
    const char *plugin_folder, *data_folder;
    plugins *all = NULL;
    const plugin *p = NULL;
    nre_values *v = NULL;
    instance *i = NULL;
    arena *a = arena_new();
    int status = a ? folders_beside(a, &plugin_folder, &data_folder)
                   : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = plugins_new(1, &plugin_folder, &all);
    if (!status)
        status = plugin_load(all, NRE_SIMULATOR, b->name, &p);
    if (!status)
        status = values_new(p, a, &v);
    if (!status)
        status = set_options(v, n_options, options);
    pool *builders = NULL;
    if (!status)
        status = pool_new(b->threads, &builders);
    const host_services services = {
        .workers = builders, .n_data_folders = 1, .data_folders = &data_folder};
    if (!status)
        status = instance_new(p, v, &services, &i);
    if (!status)
        status = simulator_open(i, 0, NULL, &b->simulator);
    double start = now();
    if (!status)
        status = simulator_prepare(b->simulator);
    b->setup = now() - start;
    if (!status)
        status = measure(b);
    if (!status)
        print(b);
    simulator_close(b->simulator);
    instance_free(i);
    pool_free(builders);
    plugins_free(all);
    arena_free(a);
    return status;
}

int main(int argc, char **argv)
{
    bench b = {
        .n = 4000, .rounds = 3, .threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    size_t n_options = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            b.json = true;
        else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            b.n = (size_t)strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc)
            b.threads = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            b.rounds = (size_t)strtoull(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && !b.name)
            b.name = argv[i];
        else if (argv[i][0] != '-' && strchr(argv[i], '='))
            argv[n_options++] = argv[i]; /* never beyond i */
        else
            b.name = NULL, argc = 0;
    }
    if (!b.name || b.n == 0 || b.threads == 0 || b.rounds == 0 ||
        b.rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: simulate NAME [OPTION=VALUE]... [-n N] [-j THREADS] "
                        "[--rounds K] [--json]\n");
        return 2;
    }
    int status = run(&b, n_options, argv);
    if (status)
        fprintf(stderr, "simulate: %s\n", error_message());
    return status ? exit_code_of(status) : 0;
}

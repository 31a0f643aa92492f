/* test_plugin_new.c - what `nereid new` writes compiles without a warning, loads, and is
 * right. */
#include "run/run.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char temporary[256], path[512];
static plugins *all;
static nre_values *values;
static instance *made;
static const host_services NONE;
static arena *memory;

static void begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/nereid-new-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(temporary));
    memory = arena_new();
}

static int remove_one(const char *name, const struct stat *s, int kind, struct FTW *f)
{
    (void)s;
    (void)kind;
    (void)f;
    return remove(name);
}

static void end(void)
{
    instance_free(made);
    plugins_free(all);
    arena_free(memory);
    nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(plugin_new, .init = begin, .fini = end);

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", temporary, name);
    return path;
}

static void compile(void)
{
    char line[2048];
    snprintf(line, sizeof line,
             "cc -std=c11 -O1 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wpedantic "
             "-Wconversion -Wshadow -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes "
             "-Werror -Wl,-z,defs -I '%s' '%s/mine.c' -o '%s/mine.so' -lm",
             TEST_INCLUDE, temporary, temporary);
    cr_assert_eq(system(line), 0, "the new plugin does not compile");
}

static const nre_plugin *make(nre_kind kind)
{
    const plugin *p;
    const char *folders[] = {temporary};
    cr_assert_eq(plugin_new(kind, "mine", temporary), 0, "%s", error_message());
    compile();
    cr_assert_eq(plugins_new(1, folders, &all), 0, "%s", error_message());
    cr_assert_eq(plugin_load(all, kind, "mine", &p), 0, "%s", error_message());
    cr_assert_eq(values_new(p, memory, &values), 0, "%s", error_message());
    cr_assert_eq(instance_new(p, values, &NONE, &made), 0, "%s", error_message());
    return p->table;
}

/* simulator */

enum { ROWS = 4000, TIMES = 20 };

/* At the truth the gradient of the log likelihood has mean 0 (each component), and the
 * mean log likelihood is that of 20 normals with deviation 0.1. */
Test(plugin_new, a_simulator_agrees_with_its_likelihood)
{
    static double theta[ROWS][2], logl[ROWS], grad[ROWS][2];
    static float x[ROWS][TIMES];
    static uint8_t row_status[ROWS];
    static rng streams[ROWS];
    static nre_rng *each[ROWS];
    const nre_simulator_ops *ops = make(NRE_SIMULATOR)->ops.simulator;
    for (size_t i = 0; i < ROWS; i++) {
        rng_start(&streams[i], rng_purpose(1, "x/test"), i, 0);
        each[i] = &streams[i].api;
        theta[i][0] = 1.3;
        theta[i][1] = 0.8;
    }
    nre_batch batch = {.struct_size = sizeof batch,
                       .n = ROWS,
                       .theta = theta[0],
                       .rng = each,
                       .x = x[0],
                       .status = row_status};
    cr_assert_eq(ops->simulate(made->self, NULL, &batch), 0);
    cr_assert_eq(ops->log_likelihood(made->self, ROWS, theta[0], x[0], logl, grad[0]), 0);
    double sum[3] = {0}, squares[3] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        const double v[3] = {logl[i], grad[i][0], grad[i][1]};
        for (size_t k = 0; k < 3; k++) {
            sum[k] += v[k];
            squares[k] += v[k] * v[k];
        }
    }
    const double expected[3] = {-TIMES * (log(0.1) + 0.5 * log(2 * M_PI) + 0.5), 0, 0};
    for (size_t k = 0; k < 3; k++) {
        double mean = sum[k] / ROWS, variance = squares[k] / ROWS - mean * mean;
        double z = (mean - expected[k]) / sqrt(variance / ROWS);
        cr_assert(fabs(z) < 4.5, "%zu: z = %g", k, z);
    }
}

Test(plugin_new, a_simulators_gradient_is_a_derivative)
{
    const nre_simulator_ops *ops = make(NRE_SIMULATOR)->ops.simulator;
    float x[TIMES];
    double theta[2] = {1.1, 0.7}, grad[2], up, down;
    for (size_t j = 0; j < TIMES; j++)
        x[j] = (float)(0.3 + 0.01 * (double)j);
    cr_assert_eq(ops->log_likelihood(made->self, 1, theta, x, &up, grad), 0);
    for (size_t k = 0; k < 2; k++) {
        const double h = 1e-5, t = theta[k];
        theta[k] = t + h;
        ops->log_likelihood(made->self, 1, theta, x, &up, NULL);
        theta[k] = t - h;
        ops->log_likelihood(made->self, 1, theta, x, &down, NULL);
        theta[k] = t;
        cr_assert_float_eq(grad[k], (up - down) / (2 * h), 1e-5 * (1 + fabs(grad[k])));
    }
}

Test(plugin_new, a_simulators_info)
{
    const nre_simulator_ops *ops = make(NRE_SIMULATOR)->ops.simulator;
    nre_simulator_info info = {.struct_size = sizeof info};
    cr_assert_eq(ops->info(made->self, &info), 0);
    cr_assert_eq(info.n_theta, 2);
    cr_assert_str_eq(info.theta[1].name, "lifetime");
    cr_assert_eq(info.n_fields, 1);
    cr_assert_eq(info.fields[0].shape.dim[1], TIMES);
}

/* architecture */

/* 2 parameters and x [1][20]: 32 (20 + 1), then 64 (2 + 32 + 1), 64 (64 + 1), 64 + 1
 * weights. */
Test(plugin_new, an_architecture_builds)
{
    const net_field field = {.name = "x", .shape = {.rank = 2, .dim = {1, TIMES}}};
    const net_inputs inputs = {.n_theta = 2, .n_fields = 1, .fields = &field};
    net *n = NULL;
    const nre_plugin *table = make(NRE_ARCHITECTURE);
    cr_assert_eq(net_new(table, made->self, &inputs, &n), 0, "%s", error_message());
    cr_assert_eq(net_n_weights(n), 32 * 21 + 64 * 35 + 64 * 65 + 65);
    net_free(n);
}

/* sampler */

enum { CHAINS = 8, STEPS = 20000, DIM = 2 };
static const double MEAN[DIM] = {1, -2}, DEVIATION[DIM] = {1, 2};

/* Independent normals, a third of their log density as prior, and a wall at z[0] = -9. */
static int normal_logp(const nre_target *t, size_t n, const uint32_t *chain,
                       const double *z, double *log_prior, double *log_ratio, double *a,
                       double *b)
{
    (void)t;
    (void)chain;
    (void)a;
    (void)b;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < DIM; k++) {
            double r = (z[i * DIM + k] - MEAN[k]) / DEVIATION[k];
            sum -= 0.5 * r * r;
        }
        log_prior[i] = z[i * DIM] < -9 ? -INFINITY : sum / 3;
        log_ratio[i] = z[i * DIM] < -9 ? NAN : sum * 2 / 3;
    }
    return NRE_OK;
}

static void run_sampler(const nre_sampler_ops *ops, void *state, uint32_t warmup,
                        size_t steps, double *z)
{
    double *logp = memory_new(steps * CHAINS, sizeof *logp);
    nre_draws draws = {
        .struct_size = sizeof draws, .n_steps = steps, .z = z, .logp = logp};
    cr_assert_eq(ops->step(state, warmup, &draws), 0);
    cr_assert_eq(draws.n_steps, steps);
    cr_assert_eq(draws.n_propose, steps * CHAINS);
    cr_assert(draws.n_accept > draws.n_propose / 10 &&
              draws.n_accept < draws.n_propose / 2);
    double log_prior, log_ratio;
    normal_logp(NULL, 1, NULL, z + (steps * CHAINS - 1) * DIM, &log_prior, &log_ratio,
                NULL, NULL);
    cr_assert_float_eq(logp[steps * CHAINS - 1], log_prior + log_ratio, 1e-12);
    free(logp);
}

/* Mean and variance of dimension K over all, and the standard error of the mean from the
 * spread of 8 x 20 blocks of 1000 steps, far longer than the chains remember. */
static void moments(const double *z, size_t k, double *mean, double *variance,
                    double *error)
{
    enum { BLOCK = 1000, BLOCKS = CHAINS * STEPS / BLOCK };
    double sum = 0, squares = 0, of_blocks = 0;
    for (size_t c = 0; c < CHAINS; c++)
        for (size_t s = 0; s < STEPS; s += BLOCK) {
            double block = 0;
            for (size_t j = s; j < s + BLOCK; j++) {
                double v = z[(j * CHAINS + c) * DIM + k];
                block += v;
                squares += v * v;
            }
            sum += block;
            of_blocks += block / BLOCK * (block / BLOCK);
        }
    *mean = sum / (CHAINS * STEPS);
    *variance = squares / (CHAINS * STEPS) - *mean * *mean;
    *error = sqrt((of_blocks / BLOCKS - *mean * *mean) / (BLOCKS - 1));
}

Test(plugin_new, a_sampler_recovers_a_normal)
{
    static double z0[CHAINS * DIM];
    static rng streams[CHAINS];
    static nre_rng *each[CHAINS];
    const nre_sampler_ops *ops = make(NRE_SAMPLER)->ops.sampler;
    nre_target normal = {
        .struct_size = sizeof normal, .dim = DIM, .n_groups = 1, .logp = normal_logp};
    for (size_t i = 0; i < CHAINS; i++) {
        rng_start(&streams[i], rng_purpose(3, "chain"), i, 0);
        each[i] = &streams[i].api;
    }
    void *state;
    double *z = memory_new(STEPS * CHAINS * DIM, sizeof *z);
    cr_assert_eq(ops->start(made->self, made->host, &normal, CHAINS, z0, each, &state),
                 0);
    run_sampler(ops, state, 1, 1000, z);
    run_sampler(ops, state, 0, STEPS, z);
    for (size_t k = 0; k < DIM; k++) {
        double mean, variance, error;
        moments(z, k, &mean, &variance, &error);
        cr_assert(fabs(mean - MEAN[k]) < 4.5 * error, "mean %g +- %g", mean, error);
        cr_assert_float_eq(variance / (DEVIATION[k] * DEVIATION[k]), 1, 0.1);
    }
    free(z);
}

/* files */

Test(plugin_new, what_exists_is_kept)
{
    char *text;
    size_t n;
    cr_assert_eq(file_print(in_folder("meson.build"), "mine"), 0);
    cr_assert_eq(plugin_new(NRE_SAMPLER, "mine", temporary), NRE_EEXISTS);
    cr_assert_not(file_exists(in_folder("mine.c")));
    cr_assert_eq(file_read(in_folder("meson.build"), 100, &text, &n), 0);
    cr_assert_str_eq(text, "mine");
    free(text);
    cr_assert_eq(plugin_new(NRE_SAMPLER, "Not-A-Name", temporary), NRE_EUSAGE);
}

Test(plugin_new, the_folder_is_the_name_unless_given)
{
    char *text;
    size_t n;
    cr_assert_eq(chdir(temporary), 0);
    cr_assert_eq(plugin_new(NRE_ARCHITECTURE, "wide", NULL), 0, "%s", error_message());
    cr_assert(file_exists(in_folder("wide/wide.c")));
    cr_assert_eq(file_read(in_folder("wide/meson.build"), 1 << 16, &text, &n), 0);
    cr_assert_not_null(strstr(text, "shared_module('wide', 'wide.c'"));
    cr_assert_not_null(strstr(text, "'nereid' / 'architectures')"));
    cr_assert_not_null(strstr(text, "dependency('nereid')"));
    cr_assert_null(strpbrk(text, "@$"));
    free(text);
}

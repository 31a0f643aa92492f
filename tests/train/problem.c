/* problem.c - a small training problem with a known ratio. */
#include "problem.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* concat(theta, x) - 32 selu - 32 selu - 1 */
static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    g->push(g, "trunk");
    nre_node a = g->concat(g, g->theta, g->x);
    a = g->activate(g, g->linear(g, a, 32, 1), NRE_SELU);
    a = g->activate(g, g->linear(g, a, 32, 1), NRE_SELU);
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static nre_node build_normed(const void *self, nre_graph *g)
{
    (void)self;
    g->push(g, "trunk");
    nre_node a = g->concat(g, g->theta, g->x);
    for (int i = 0; i < 2; i++)
        a = g->activate(g, g->batch_norm(g, g->linear(g, a, 32, 1)), NRE_SELU);
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static const nre_architecture_ops TWO_LAYERS = {.struct_size = sizeof TWO_LAYERS,
                                                .build = build};
static const nre_architecture_ops TWO_NORMED = {.struct_size = sizeof TWO_NORMED,
                                                .build = build_normed};
static const nre_plugin NORMED = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                  .name = "two_normed",
                                  .version = "1",
                                  .summary = "for tests",
                                  .option_size = sizeof(nre_option),
                                  .ops.architecture = &TWO_NORMED};
static const nre_plugin ARCHITECTURE = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                        .name = "two_layers",
                                        .version = "1",
                                        .summary = "for tests",
                                        .option_size = sizeof(nre_option),
                                        .ops.architecture = &TWO_LAYERS};

static void some_rows(problem *p, int which, const char *purpose, uint64_t n)
{
    rng r;
    rng_start(&r, rng_purpose(3, "problem/%s", purpose), 0, 0);
    p->theta[which] = memory_new(n, PROBLEM_D * sizeof(double));
    p->x[which] = memory_new(n, PROBLEM_D * sizeof(float));
    for (size_t i = 0; i < n * PROBLEM_D; i++) {
        p->theta[which][i] = sqrt(0.1) * rng_normal(&r);
        p->x[which][i] = (float)(p->theta[which][i] + sqrt(0.1) * rng_normal(&r));
    }
    cr_assert_eq(loader_of_arrays(n, PROBLEM_D, PROBLEM_D, p->theta[which], p->x[which],
                                  &p->rows[which]),
                 0);
}

static void make_target(problem *p)
{
    for (uint32_t i = 0; i < PROBLEM_D; i++) {
        p->of[i] = (marginal){
            .name = i ? "b" : "a", .family = NRE_NORMAL, .a = 0, .b = sqrt(0.1)};
        p->which[i] = i;
        p->scale[i] = NRE_SCALE_AFFINE;
        p->inverse[i] = (float)(1 / sqrt(0.2));
    }
    p->prior = (prior){.n = PROBLEM_D, .of = p->of};
    p->target =
        (target){.name = "all", .n = PROBLEM_D, .which = p->which, .prior = &p->prior};
    p->scaling = (scaling){
        .n_x = PROBLEM_D, .scale = p->scale, .mean = p->mean, .inverse = p->inverse};
}

void problem_folder(char *out, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(out, size, "%s/train-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(out));
}

static void open_with(problem *p, const nre_plugin *architecture, uint64_t n_train,
                      uint64_t n_validation, unsigned threads)
{
    net_field field = {.name = "x", .shape = {.rank = 1, .dim = {PROBLEM_D}}};
    net_inputs inputs = {.n_theta = PROBLEM_D, .n_fields = 1, .fields = &field};
    *p = (problem){0};
    log_level(NRE_ERROR);
    cr_assert_eq(blas_start(), 0, "%s", error_message());
    make_target(p);
    some_rows(p, 0, "train", n_train);
    some_rows(p, 1, "validation", n_validation);
    cr_assert_eq(net_new(architecture, NULL, &inputs, &p->net), 0, "%s", error_message());
    cr_assert_eq(pool_new(threads, &p->pool), 0);
    problem_folder(p->folder, sizeof p->folder);
    p->settings = (train_settings){
        .loss = &loss_nre_a,
        .loss_options = {.marginals = 2},
        .optimiser =
            {.lr = 3e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-4},
        .schedule = {.name = TRAIN_COSINE, .lr = 3e-3},
        .batch_size = 256,
        .epochs = 8,
        .checkpoint_every = 2,
        .seed = 11,
    };
    p->job = (train_job){.settings = &p->settings,
                         .net = p->net,
                         .target = &p->target,
                         .train = p->rows[0],
                         .validation = p->rows[1],
                         .scaling = &p->scaling,
                         .folder = p->folder,
                         .fingerprint = "the same",
                         .pool = p->pool};
}

void problem_open(problem *p, uint64_t n_train, uint64_t n_validation, unsigned threads)
{
    open_with(p, &ARCHITECTURE, n_train, n_validation, threads);
}

void problem_open_normed(problem *p, uint64_t n_train, uint64_t n_validation,
                         unsigned threads)
{
    open_with(p, &NORMED, n_train, n_validation, threads);
}

void problem_close(problem *p)
{
    problem_remove(p->folder);
    pool_free(p->pool);
    net_free(p->net);
    for (int i = 0; i < 2; i++) {
        loader_free(p->rows[i]);
        free(p->theta[i]);
        free(p->x[i]);
    }
}

/* Posterior N(x / 2, 0.05), evidence N(0, 0.2). */
int problem_log_ratio(void *context, size_t n, const double *theta, const float *x,
                      double *log_ratio)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        log_ratio[i] = 0;
        for (size_t d = i * PROBLEM_D; d < (i + 1) * PROBLEM_D; d++) {
            double v = (double)x[d], u = v - theta[d];
            log_ratio[i] += 0.5 * log(2) - u * u / 0.2 + v * v / 0.4;
        }
    }
    return NRE_OK;
}

int problem_no_ratio(void *context, size_t n, const double *theta, const float *x,
                     double *log_ratio)
{
    (void)context, (void)theta, (void)x;
    memset(log_ratio, 0, n * sizeof *log_ratio);
    return NRE_OK;
}

char *problem_file(const char *folder, const char *name, size_t *n)
{
    char path[256], *text = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(file_read(path, 1 << 24, &text, n), 0, "%s", error_message());
    return text;
}

bool problem_same_file(const char *a, const char *b, const char *name)
{
    size_t n, m;
    char *one = problem_file(a, name, &n), *two = problem_file(b, name, &m);
    bool same = n == m && memcmp(one, two, n) == 0;
    free(one);
    free(two);
    return same;
}

void problem_remove(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

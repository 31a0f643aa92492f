/* learning.c - how much is learned from how many simulations: the validation loss in
 * excess of that of the exact ratio, on the same pairs.
 *
 *   learning [SIMULATOR ...] [--n 1000,10000,100000] [--json] [--threads T] [settings]
 *   learning gaussian_linear --loss nre_a,nre_b,nre_c,bnre,bcnre [--gamma G] [--lambda L]
 *
 * Losses are in nats, each as docs/losses.md has it: those of nre_a are sums of the joint
 * and the mean marginal term, 2 log 2 for r = 1; `half` is the excess of their mean, the
 * convention of binary cross-entropy averaged over both classes. `information` is the mean
 * of the exact log r over joint validation pairs, an estimate of the mutual information;
 * `gain` the same of the network, nan where its ratio is known up to a function of x. */
#include "learning.h"
#include "train/train.h"

#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SIZES = 8 };

/* As texts; NULL: the preset of the simulator. */
typedef struct settings {
    const char *n, *validation, *lr, *weight_decay, *batch, *epochs, *patience,
        *marginals, *loss, *gamma, *lambda;
    const char *clip, *width, *layers, *activation, *schedule, *seed, *threads, *warmup;
    int json;
} settings;

/* Settings of the configs of the same names: a smooth ratio is learned by a shallow
 * network, sharp ones take depth and a higher rate.  Many marginal pairs a row lower the
 * loss by less than their time is worth. */
static const struct preset {
    const char *simulator, *layers, *lr, *marginals;
} PRESETS[] = {
    {"gaussian_linear", "2", "1e-3", "2"},
    {"two_moons", "4", "3e-3", "1"},
    {"slcp", "4", "3e-3", "1"},
    {NULL, "3", "1e-3", "1"}, /* any other */
};

/* One simulator with its validation set. */
typedef struct bench {
    settings settings;
    arena *memory;
    plugins *plugins;
    pool *pool;
    const char *name;
    instance *simulator_instance, *architecture;
    simulator *simulator;
    target target;
    net *net;
    const loss *loss;
    loader *validation;
    double *theta;
    float *x;
    double exact, information, error; /* loss and information of the exact ratio */
} bench;

static uint64_t whole(const char *text)
{
    int64_t value = 0;
    return text_to_int(text, &value) && value > 0 ? (uint64_t)value : 0;
}

static settings preset(settings s, const char *name)
{
    const struct preset *p = PRESETS;
    while (p->simulator && strcmp(p->simulator, name) != 0)
        p++;
    s.layers = s.layers ? s.layers : p->layers;
    s.lr = s.lr ? s.lr : p->lr;
    s.marginals = s.marginals ? s.marginals : p->marginals;
    return s;
}

/* The power of two next to the root of N: 32 of 1,000 rows, 128 of 10,000, 256 of
 * 100,000. */
static uint64_t batch_rows(const settings *s, uint64_t n)
{
    return s->batch ? whole(s->batch) : (uint64_t)exp2(round(0.5 * log2((double)n)));
}

static double real(const char *text)
{
    double value = NAN;
    return text_to_real(text, &value) ? value : NAN;
}

/* simulations */

static int draw_loader(bench *b, const char *purpose, size_t n, double **theta, float **x,
                       loader **out)
{
    const simulator *s = b->simulator;
    draw d = {
        .seed = whole(b->settings.seed), .purpose = purpose, .n = n, .on_invalid = 2};
    tally count = {0};
    uint8_t *status = memory_new(n, sizeof *status);
    *theta = memory_new(n, simulator_n_theta(s) * sizeof **theta);
    *x = memory_new(n, simulator_n_x(s) * sizeof **x);
    int rc = status && *theta && *x
                 ? simulator_draw(s, b->pool, NULL, &d, *theta, *x, status, &count, NULL)
                 : fail(NRE_ENOMEM, "no memory for %zu simulations", n);
    free(status);
    if (rc)
        return rc;
    return loader_of_arrays(n, simulator_n_theta(s), simulator_n_x(s), *theta, *x, out);
}

/* the exact ratio */

typedef struct exact {
    bench *b;
    double *evidence; /* [rows of the validation set] */
    size_t per_chunk; /* calls: joint pairs first, then the marginal ones by shift */
    size_t calls;
    double sum, squares;
} exact;

/* Whether log p(x) of this simulator is known: from itself, or by quadrature. */
static bool knows_evidence(const bench *b)
{
    const nre_simulator_ops *ops = simulator_ops(b->simulator);
    return NRE_HAS(ops, log_likelihood) &&
           (NRE_HAS(ops, log_evidence) || strcmp(b->name, "slcp") == 0);
}

static int evidence_of(void *context, size_t i, unsigned worker)
{
    exact *e = context;
    const bench *b = e->b;
    const nre_simulator_ops *ops = simulator_ops(b->simulator);
    const float *x = b->x + i * b->validation->n_x;
    (void)worker;
    if (NRE_HAS(ops, log_evidence))
        return ops->log_evidence(b->simulator_instance->self, 1, x, &e->evidence[i]);
    e->evidence[i] = slcp_log_evidence(x);
    return NRE_OK;
}

static int exact_log_ratio(void *context, size_t n, const double *theta, const float *x,
                           double *log_ratio)
{
    exact *e = context;
    const nre_simulator_ops *ops = simulator_ops(e->b->simulator);
    size_t first = e->calls / e->per_chunk * VALIDATION_CHUNK;
    bool joint = e->calls++ % e->per_chunk == 0;
    int status =
        ops->log_likelihood(e->b->simulator_instance->self, n, theta, x, log_ratio, NULL);
    for (size_t i = 0; !status && i < n; i++) {
        log_ratio[i] -= e->evidence[first + i];
        e->sum += joint ? log_ratio[i] : 0;
        e->squares += joint ? log_ratio[i] * log_ratio[i] : 0;
    }
    return status;
}

static int know_exact(bench *b, const train_job *job)
{
    exact e = {.b = b, .per_chunk = 1 + validation_shifts(job)};
    size_t n = (size_t)b->validation->n;
    b->exact = b->information = b->error = NAN;
    if (!knows_evidence(b))
        return NRE_OK;
    e.evidence = memory_new(n, sizeof *e.evidence);
    int status = e.evidence ? pool_run(b->pool, n, evidence_of, &e)
                            : fail(NRE_ENOMEM, "no memory for the evidence");
    if (!status)
        status = validation_loss_of(job, exact_log_ratio, &e, &b->exact);
    b->information = e.sum / (double)n;
    b->error =
        sqrt((e.squares / (double)n - b->information * b->information) / (double)n);
    free(e.evidence);
    return status;
}

/* the network's gain */

static int gain_of(const bench *b, const model *m, const scaling *c, double *gain)
{
    enum { CHUNK = 256 };
    const loader *v = b->validation;
    size_t d = b->target.n;
    model_worker *w = NULL;
    float *z = memory_new(CHUNK, v->n_x * sizeof *z),
          *t = memory_new(CHUNK, d * sizeof *t);
    float *head = memory_new(CHUNK, (model_head_size(m) + 1) * sizeof *head),
          logit[CHUNK];
    int status = z && t && head ? model_worker_new(m, &w) : fail(NRE_ENOMEM, "no memory");
    double sum = 0;
    for (size_t at = 0; !status && at < v->n; at += CHUNK) {
        size_t n = v->n - at < CHUNK ? v->n - at : CHUNK;
        scaling_apply(c, n, b->x + at * v->n_x, z, NULL);
        target_standardise(&b->target, n, b->theta + at * v->n_theta, t, NULL);
        status = model_head(m, w, n, z, head);
        if (!status)
            status = model_trunk(m, w, n, 1, head, t, logit, NULL);
        for (size_t i = 0; i < n; i++)
            sum += (double)logit[i];
    }
    *gain = sum / (double)v->n;
    model_worker_free(w);
    free(z);
    free(t);
    free(head);
    return status;
}

static int trained_gain(const bench *b, const char *folder, double *gain)
{
    model *m = NULL;
    scaling *c = NULL;
    int status = trained_open(folder, b->net, &m, &c);
    if (!status)
        status = gain_of(b, m, c, gain);
    model_free(m);
    scaling_free(c);
    return status;
}

/* one line of the table */

static void remove_folder(const char *folder)
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

static void say_line(const bench *b, uint64_t n, const train_result *r, double gain)
{
    double excess = r->best_loss - b->exact;
    if (b->settings.json) {
        printf("{\"bench\": \"learning\", \"case\": \"%s %s %" PRIu64
               "\", \"metric\": \"excess_nats\", ",
               b->name, b->loss->name, n);
        printf(isfinite(excess) ? "\"value\": %.5f, " : "\"value\": null, ", excess);
        printf(isnan(gain) ? "\"loss\": %.5f, \"gain\": null, "
                           : "\"loss\": %.5f, \"gain\": %.4f, ",
               r->best_loss, gain);
        printf(isfinite(b->information) ? "\"information\": %.4f, "
                                        : "\"information\": null, ",
               b->information);
        printf("\"epochs\": %" PRIu64
               ", \"seconds\": %.1f, \"pairs_per_s\": %.0f, \"threads\": %u}\n",
               r->epochs, r->seconds, r->pairs_per_second, pool_threads(b->pool));
    } else {
        printf("%-16s %-6s %9" PRIu64 " %9.5f %9.5f %9.5f %9.5f %8.4f %8.4f %6" PRIu64
               "/%-6" PRIu64 " %7.1f %9.0f\n",
               b->name, b->loss->name, n, r->best_loss, b->exact, excess, excess / 2,
               b->information, gain, r->best_epoch, r->epochs, r->seconds,
               r->pairs_per_second);
    }
    fflush(stdout);
}

static void settings_of(const settings *s, train_settings *out)
{
    static const char *const names[] = {"constant", "cosine", "plateau", "one_cycle"};
    schedule_name name = TRAIN_CONSTANT;
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], s->schedule) == 0)
            name = (schedule_name)i;
    *out = (train_settings){
        .loss_options = {.marginals = whole(s->marginals),
                         .gamma = real(s->gamma),
                         .lambda = real(s->lambda)},
        .optimiser = {.lr = real(s->lr),
                      .beta1 = 0.9,
                      .beta2 = 0.999,
                      .eps = 1e-8,
                      .weight_decay = real(s->weight_decay)},
        .schedule = {.name = name,
                     .lr = real(s->lr),
                     .warmup = whole(s->warmup),
                     .factor = 0.5,
                     .patience = 5},
        .epochs = whole(s->epochs),
        .patience = whole(s->patience),
        .clip = real(s->clip),
        .seed = whole(s->seed),
    };
}

static int train_on(bench *b, train_job *job, uint64_t n)
{
    double *theta = NULL, gain = NAN;
    float *x = NULL;
    loader *train = NULL;
    scaling *c = NULL;
    char folder[] = "/tmp/learning-XXXXXX";
    train_result r;
    int status = draw_loader(b, "train", n, &theta, &x, &train);
    if (!status)
        status = scaling_fit(b->simulator, train, true, b->pool, &c);
    if (!status && !mkdtemp(folder))
        status = fail(NRE_EIO, "%s: cannot be made", folder);
    if (!status) {
        job->train = train;
        job->scaling = c;
        job->folder = folder;
        status = train_run(job, &r);
    }
    if (!status && !b->loss->up_to_x)
        status = trained_gain(b, folder, &gain);
    if (!status)
        say_line(b, n, &r, gain);
    remove_folder(folder);
    scaling_free(c);
    loader_free(train);
    free(theta);
    free(x);
    return status;
}

/* a simulator */

static int open_plugin(bench *b, nre_kind kind, const char *name, instance **out)
{
    static const host_services none = {0};
    const plugin *p = NULL;
    nre_values *values = NULL;
    int status = plugin_load(b->plugins, kind, name, &p);
    if (!status)
        status = values_new(p, b->memory, &values);
    if (!status && kind == NRE_ARCHITECTURE) {
        const char *width[16];
        size_t n = whole(b->settings.layers) < 16 ? whole(b->settings.layers) : 16;
        for (size_t i = 0; i < n; i++)
            width[i] = b->settings.width;
        status = values_set(values, "layers", true, n, width);
        if (!status)
            status = values_set(values, "activation", false, 1, &b->settings.activation);
    }
    return status ? status : instance_new(p, values, &none, out);
}

static int make_net(bench *b)
{
    const nre_simulator_info *info = simulator_info(b->simulator);
    net_field *fields = arena_alloc(b->memory, info->n_fields, sizeof *fields);
    if (!fields)
        return fail(NRE_ENOMEM, "no memory for the fields");
    for (uint32_t i = 0; i < info->n_fields; i++) {
        const nre_field *f = simulator_field(b->simulator, i);
        fields[i] = (net_field){f->name, f->shape, f->exchangeable};
    }
    net_inputs inputs = {b->target.n, info->n_fields, fields};
    const plugin *p = b->architecture->plugin;
    return net_new(p->table, b->architecture->self, &inputs, &b->net);
}

static int bench_open(bench *b, const char *name)
{
    b->name = name;
    int status = open_plugin(b, NRE_SIMULATOR, name, &b->simulator_instance);
    if (!status)
        status = open_plugin(b, NRE_ARCHITECTURE, "mlp", &b->architecture);
    if (!status)
        status = simulator_open(b->simulator_instance, 0, NULL, &b->simulator);
    if (!status)
        status = simulator_prepare(b->simulator);
    if (!status)
        status = target_of(b->simulator, b->memory, true, 0, NULL, &b->target);
    if (!status)
        status = make_net(b);
    if (status)
        return status;
    return draw_loader(b, "validation", whole(b->settings.validation), &b->theta, &b->x,
                       &b->validation);
}

static void bench_close(bench *b)
{
    loader_free(b->validation);
    free(b->theta);
    free(b->x);
    net_free(b->net);
    simulator_close(b->simulator);
    instance_free(b->simulator_instance);
    instance_free(b->architecture);
    b->validation = NULL;
    b->theta = NULL;
    b->x = NULL;
    b->net = NULL;
    b->simulator = NULL;
    b->simulator_instance = b->architecture = NULL;
}

static int run_sizes(bench *b, train_job *job, train_settings *s)
{
    char *sizes = arena_copy(b->memory, b->settings.n), *rest = NULL;
    int status = NRE_OK;
    for (char *n = strtok_r(sizes, ",", &rest); n && !status;
         n = strtok_r(NULL, ",", &rest)) {
        if (whole(n) < 2)
            return fail(NRE_EUSAGE, "--n: '%s' is not a number of simulations", n);
        s->batch_size = batch_rows(&b->settings, whole(n));
        status = train_on(b, job, whole(n));
    }
    return status;
}

static int run_loss(bench *b, const char *name)
{
    train_settings s;
    settings_of(&b->settings, &s);
    s.loss = b->loss = loss_find(name);
    if (!s.loss)
        return fail(NRE_EUSAGE, "--loss: '%s' is not a loss", name);
    train_job job = {.settings = &s,
                     .net = b->net,
                     .target = &b->target,
                     .validation = b->validation,
                     .pool = b->pool};
    int status = know_exact(b, &job);
    return status ? status : run_sizes(b, &job, &s);
}

static int run_simulator(bench *b, const char *name)
{
    char *losses = arena_copy(b->memory, b->settings.loss), *rest = NULL;
    int status = bench_open(b, name);
    for (char *l = strtok_r(losses, ",", &rest); l && !status;
         l = strtok_r(NULL, ",", &rest))
        status = run_loss(b, l);
    bench_close(b);
    return status;
}

/* the command line */

static int parse(int argc, char **argv, settings *s)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {
        {"n", &s->n},
        {"validation", &s->validation},
        {"lr", &s->lr},
        {"batch", &s->batch},
        {"weight-decay", &s->weight_decay},
        {"epochs", &s->epochs},
        {"clip", &s->clip},
        {"patience", &s->patience},
        {"marginals", &s->marginals},
        {"loss", &s->loss},
        {"gamma", &s->gamma},
        {"lambda", &s->lambda},
        {"width", &s->width},
        {"layers", &s->layers},
        {"activation", &s->activation},
        {"seed", &s->seed},
        {"schedule", &s->schedule},
        {"threads", &s->threads},
        {"warmup", &s->warmup},
    };
    enum { KNOWN = sizeof known / sizeof known[0] };
    struct option table[KNOWN + 2] = {{0}};
    for (int i = 0; i < KNOWN; i++)
        table[i] = (struct option){known[i].name, required_argument, NULL, i};
    table[KNOWN] = (struct option){"json", no_argument, &s->json, 1};
    for (int c, at = KNOWN; (c = getopt_long(argc, argv, "", table, &at)) != -1;
         at = KNOWN) {
        if (c == '?')
            return NRE_EUSAGE;
        if (at < KNOWN)
            *known[at].value = optarg;
    }
    return NRE_OK;
}

/* Plugins of the build that this program belongs to: BUILD/bench/learning, BUILD/plugins.
 */
static int find_plugins(bench *b)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return fail(NRE_EIO, "/proc/self/exe cannot be read");
    path[n] = 0;
    char *bench_folder = path_folder(b->memory, path);
    const char *folder =
        path_join(b->memory, path_folder(b->memory, bench_folder), "plugins");
    return plugins_new(1, &folder, &b->plugins);
}

static void say_head(void)
{
    printf("%-16s %-6s %9s %9s %9s %9s %9s %18s %8s %13s %7s %9s\n", "simulator", "of",
           "n", "loss", "exact", "excess", "half", "information", "gain", "best/epochs",
           "seconds", "pairs/s");
}

static int run_all(const settings *given, const char *const *names)
{
    bench b = {.memory = arena_new()};
    int status = b.memory ? blas_start() : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = pool_new((unsigned)whole(given->threads), &b.pool);
    if (!status)
        status = find_plugins(&b);
    if (!status && !given->json)
        say_head();
    for (; *names && !status; names++) {
        b.settings = preset(*given, *names);
        status = run_simulator(&b, *names);
    }
    plugins_free(b.plugins);
    pool_free(b.pool);
    arena_free(b.memory);
    return status;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"gaussian_linear", "two_moons", "slcp", NULL};
    settings given = {.n = "1000,10000,100000",
                      .validation = "10000",
                      .weight_decay = "1e-2",
                      .epochs = "20",
                      .patience = "0",
                      .clip = "0",
                      .width = "128",
                      .activation = "gelu",
                      .schedule = "cosine",
                      .seed = "1",
                      .threads = "2",
                      .warmup = "0",
                      .loss = "nre_a",
                      .gamma = "1",
                      .lambda = "100"};
    if (parse(argc, argv, &given))
        return exit_code_of(NRE_EUSAGE);
    log_level(NRE_WARN);
    int status =
        run_all(&given, optind < argc ? (const char *const *)(argv + optind) : all);
    if (status)
        fprintf(stderr, "learning: %s\n", error_message());
    return status ? exit_code_of(status) : 0;
}

/* Data under a thread sanitizer: draws, fits and noisy loaders by many threads; a plain
 * program, because Criterion cannot run under one. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3000, THREADS = 4, CHUNKS = 40 };

static void require(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "tsan_data: %s: %s\n", what, error_message());
    exit(1);
}

/* a simulator with a worker, invalid rows and noise */

static const nre_theta THETA[] = {{.name = "a", .prior = NRE_UNIFORM, .a = 0, .b = 1},
                                  {.name = "b", .prior = NRE_GAMMA, .a = 2, .b = 1}};
static const nre_field FIELDS[] = {{.name = "x", .shape = {1, {3}}}};

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    *out = (nre_simulator_info){out->struct_size,
                                2,
                                sizeof(nre_theta),
                                THETA,
                                1,
                                sizeof(nre_field),
                                FIELDS,
                                0,
                                NULL};
    return 0;
}

static int worker(const void *self, const nre_host *host, void **work)
{
    (void)self, (void)host;
    *work = calloc(1, sizeof(double));
    return *work ? 0 : NRE_ENOMEM;
}

static int simulate(const void *self, void *work, nre_batch *b)
{
    (void)self;
    for (size_t i = 0; i < b->n; i++) {
        *(double *)work = b->theta[2 * i];
        b->status[i] = b->rng[i]->uniform(b->rng[i]) < 0.9 ? NRE_ROW_OK : NRE_ROW_INVALID;
        for (size_t j = 0; j < 3; j++)
            b->x[3 * i + j] = (float)(*(double *)work +
                                      b->theta[2 * i + 1] * b->rng[i]->normal(b->rng[i]));
    }
    return 0;
}

static int perturb(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work;
    for (size_t i = 0; i < 3 * b->n; i++)
        b->x[i] += (float)b->rng[i / 3]->normal(b->rng[i / 3]);
    return 0;
}

static const nre_simulator_ops OPS = {.struct_size = sizeof OPS,
                                      .info = info,
                                      .worker = worker,
                                      .worker_end = free,
                                      .simulate = simulate,
                                      .perturb = perturb};
static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "threads",
                                 .ops.simulator = &OPS};

/* many threads */

typedef struct reading {
    const loader *l;
    double sum[CHUNKS];
} reading;

static int read_chunk(void *context, size_t i, unsigned w)
{
    enum { ROWS = N / CHUNKS };
    reading *r = context;
    uint64_t index[ROWS];
    float x[ROWS * 3];
    for (uint64_t k = 0; k < ROWS; k++)
        index[k] = (i * ROWS + k * 7) % N;
    int status = r->l->rows(r->l, w, 1, ROWS, index, NULL, x);
    for (size_t k = 0; status == 0 && k < ROWS * 3; k++)
        r->sum[i] += (double)x[k];
    return status;
}

static int add_attempt(void *context, size_t i, unsigned w)
{
    (void)w;
    validity_add(context, 1, (double[]){(double)i / 1000, 1}, &(uint8_t){i % 3 > 0});
    return 0;
}

/* Epochs of simulations that are drawn by many threads and read by many. */
static double exercise_online(const simulator *s, pool *p)
{
    loader *l;
    double total = 0;
    tally count = {0};
    const online_plan plan = {
        .seed = 1, .purpose = "o/0/0", .n = N, .reuse = 3, .on_invalid = 2};
    require(loader_online(s, p, NULL, &plan, &count, NULL, &l) == 0, "loader_online");
    for (uint64_t epoch = 1; epoch < 4; epoch++) {
        reading r = {.l = l};
        require(l->begin(l, epoch) == 0, "begin");
        require(pool_run(p, CHUNKS, read_chunk, &r) == 0, "reading online");
        for (int i = 0; i < CHUNKS; i++)
            total += r.sum[i];
    }
    loader_free(l);
    return total + (double)count.invalid;
}

/* Rows of which each has its own b. */
static double exercise_given(const simulator *s, pool *p)
{
    static const uint32_t SECOND[] = {1};
    static double b[N];
    static float x[N][3];
    const theta_given known = {.n = 1, .which = SECOND, .theta = b, .step = 1};
    const draw d = {.seed = 1, .purpose = "g", .n = N, .given = &known, .on_invalid = 2};
    double total = 0;
    for (int i = 0; i < N; i++)
        b[i] = 1 + 0.01 * i;
    require(simulator_draw(s, p, NULL, &d, NULL, &x[0][0], NULL, NULL, NULL) == 0,
            "simulator_draw");
    for (int i = 0; i < N; i++)
        total += (double)x[i][0];
    return total;
}

static double exercise(const simulator *s, const char *folder, unsigned threads)
{
    pool *p;
    dataset *d;
    loader *l;
    scaling *c;
    validity_model *m;
    reading r = {.l = NULL};
    double log_p, total = 0;
    validity *v = validity_new(simulator_prior(s));
    const dataset_plan plan = {
        .folder = folder,
        .fingerprint = "t",
        .shard_rows = 1000,
        .draw = {.seed = 1, .purpose = "t", .n = N, .on_invalid = 2, .clean = true}};
    require(pool_new(threads, &p) == 0, "pool");
    require(dataset_make(s, &plan, p, NULL, NULL, v) == 0, "dataset_make");
    require(dataset_open(folder, &d) == 0, "dataset_open");
    require(loader_of_dataset(d, s, 1, "t", true, &l) == 0, "loader");
    r.l = l;
    require(pool_run(p, CHUNKS, read_chunk, &r) == 0, "reading");
    require(pool_run(p, 1000, add_attempt, v) == 0, "attempts");
    require(scaling_fit(s, l, true, p, &c) == 0, "scaling");
    require(validity_fit(v, 0, NULL, &m) == 0, "validity");
    validity_log(m, 1, (double[]){0.5, 1}, &log_p, NULL);
    for (int i = 0; i < CHUNKS; i++)
        total += r.sum[i];
    total += log_p + (double)c->mean[0] + exercise_online(s, p) + exercise_given(s, p);
    validity_model_free(m), validity_free(v), scaling_free(c), loader_free(l),
        dataset_close(d), pool_free(p);
    return total;
}

static void remove_all(const char *folder)
{
    static const char *const names[] = {"shard-00000.h5", "shard-00001.h5",
                                        "shard-00002.h5", "manifest.json"};
    char path[300];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    remove(folder);
}

int main(void)
{
    const plugin file = {.table = &TABLE};
    const instance i = {.plugin = &file};
    char one[] = "/tmp/nereid-tsan-XXXXXX", many[] = "/tmp/nereid-tsan-XXXXXX";
    simulator *s;
    require(simulator_open(&i, 0, NULL, &s) == 0, "simulator_open");
    require(mkdtemp(one) && mkdtemp(many), "folders");
    double alone = exercise(s, one, 1), together = exercise(s, many, THREADS);
    require(alone == together, "the same bits for any number of threads");
    remove_all(one), remove_all(many);
    simulator_close(s);
    return 0;
}

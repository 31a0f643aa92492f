/* support.c - simulators made of plain functions. */
#include "support.h"

#include <ftw.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* folders and messages */

static char temporary[256];
static pid_t owner;

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f)
{
    (void)s, (void)kind, (void)f;
    return remove(path);
}

static void remove_all(void)
{
    if (getpid() == owner)
        nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temporary_folder(void)
{
    const char *base = getenv("TMPDIR");
    if (owner == getpid())
        return temporary;
    snprintf(temporary, sizeof temporary, "%s/nereid-data-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(temporary));
    owner = getpid();
    atexit(remove_all);
    return temporary;
}

const char *path_of(const char *format, ...)
{
    static char paths[32][512];
    static size_t n;
    char *path = paths[n++ % 32];
    int used = snprintf(path, sizeof paths[0], "%s/", temporary_folder());
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + used, sizeof paths[0] - (size_t)used, format, arguments);
    va_end(arguments);
    return path;
}

bool message_has(const char *words)
{
    if (strstr(error_message(), words))
        return true;
    cr_log_error("expected '%s' in the message '%s'", words, error_message());
    return false;
}

double z_of_share(uint64_t hits, uint64_t n, double p)
{
    return ((double)hits - (double)n * p) / sqrt((double)n * p * (1 - p));
}

/* the simulator */

enum { D = 2, N_X = 5 };

fault mock_fault;
int mock_calls, mock_workers, mock_prepared;
static atomic_int calls, workers;

static const nre_theta THETA[D] = {
    {.name = "a", .prior = NRE_UNIFORM, .a = 0, .b = 1, .nominal = 0.25},
    {.name = "b", .prior = NRE_NORMAL, .a = 0, .b = 2, .nominal = NAN},
};
static const nre_field FIELDS[] = {
    {.name = "curve", .shape = {1, {4}}},
    {.name = "count", .shape = {1, {1}}, .scale = NRE_SCALE_LOG1P},
};

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    out->n_theta = D, out->theta_size = sizeof(nre_theta), out->theta = THETA;
    out->n_fields = 2, out->field_size = sizeof(nre_field), out->fields = FIELDS;
    return NRE_OK;
}

static int prepare(void *self, const nre_host *host)
{
    (void)self, (void)host;
    mock_prepared++;
    return NRE_OK;
}

static int worker(const void *self, const nre_host *host, void **work)
{
    (void)self, (void)host;
    mock_workers = atomic_fetch_add(&workers, 1) + 1;
    *work = malloc(1);
    return *work ? NRE_OK : NRE_ENOMEM;
}

static void worker_end(void *work)
{
    mock_workers = atomic_fetch_sub(&workers, 1) - 1;
    free(work);
}

static uint8_t judge(const double *theta, nre_rng *stream)
{
    double p = 1 / (1 + exp(-(3 - 4 * theta[0] + theta[1])));
    if (mock_fault == FAULT_ALWAYS)
        return NRE_ROW_INVALID;
    double u = stream->uniform(stream);
    if (mock_fault == FAULT_CHANCE)
        return u < p ? NRE_ROW_OK : NRE_ROW_INVALID;
    if (mock_fault == FAULT_MARKS)
        return u < 0.25 ? NRE_ROW_TRUNCATED : u < 0.75 ? NRE_ROW_REDRAWN : NRE_ROW_OK;
    return mock_fault == FAULT_STATUS ? 9 : NRE_ROW_OK;
}

static int one_row(const double *theta, nre_rng *stream, float *x, uint8_t *status,
                   bool noise)
{
    *status = judge(theta, stream);
    for (int j = 0; j < 4; j++)
        x[j] = (float)(theta[0] + j * theta[1] + (noise ? 0 : stream->normal(stream)));
    if (mock_fault == FAULT_UNWRITTEN && theta[0] > 0.99)
        return NRE_OK;
    x[4] = (float)stream->uniform(stream);
    if (mock_fault == FAULT_NAN && theta[0] > 0.99)
        x[2] = NAN;
    if (mock_fault == FAULT_STATE && theta[0] > 0.99)
        return fail(NRE_ENUMERIC, "a is too large");
    return NRE_OK;
}

static int simulate_as(nre_batch *b, bool noise)
{
    mock_calls = atomic_fetch_add(&calls, 1) + 1;
    if (mock_fault == FAULT_CROWD && b->n > 1)
        return fail(NRE_ENUMERIC, "too many");
    for (size_t i = 0; i < b->n; i++) {
        int s =
            one_row(b->theta + i * D, b->rng[i], b->x + i * N_X, b->status + i, noise);
        if (s != NRE_OK)
            return s;
    }
    if (mock_fault == FAULT_PAST)
        b->x[b->n * N_X + 3] = 0;
    if (mock_fault == FAULT_STATUS_PAST)
        b->status[b->n] = NRE_ROW_OK;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work;
    return simulate_as(b, false);
}

static int simulate_clean(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work;
    return simulate_as(b, true);
}

static int perturb(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work;
    for (size_t i = 0; i < b->n; i++)
        for (int j = 0; j < 4; j++)
            b->x[i * N_X + (size_t)j] += 0.1f * (float)b->rng[i]->normal(b->rng[i]);
    return NRE_OK;
}

static const nre_simulator_ops OPS = {.struct_size = sizeof OPS,
                                      .info = info,
                                      .prepare = prepare,
                                      .worker = worker,
                                      .worker_end = worker_end,
                                      .simulate = simulate};
static const nre_simulator_ops NOISY_OPS = {.struct_size = sizeof OPS,
                                            .info = info,
                                            .prepare = prepare,
                                            .worker = worker,
                                            .worker_end = worker_end,
                                            .simulate = simulate_clean,
                                            .perturb = perturb};
static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "mock",
                                 .ops.simulator = &OPS};
static const nre_plugin NOISY_TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR),
                                       .name = "mock_noise", .ops.simulator = &NOISY_OPS};

const instance *mock_instance(bool noise)
{
    static const plugin plain = {.table = &TABLE, .path = "mock"};
    static const plugin noisy = {.table = &NOISY_TABLE, .path = "mock_noise"};
    static const instance instances[] = {{.plugin = &plain}, {.plugin = &noisy}};
    return &instances[noise];
}

simulator *mock_open(bool noise)
{
    simulator *s = NULL;
    int status = simulator_open(mock_instance(noise), 0, NULL, &s);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
    return s;
}

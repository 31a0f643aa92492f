/* checkpoint.c - the state at the end of an epoch, on disk. */
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

static const int64_t VERSION = 1;
enum { RECORD = 3 }; /* numbers of an epoch_record */
_Static_assert(sizeof(epoch_record) == RECORD * sizeof(double),
               "a record is stored as doubles");

static const char *fingerprint_of(const train_job *job)
{
    return job->fingerprint ? job->fingerprint : "";
}

/* writing */

static int put_arrays(store *f, const train_state *s)
{
    size_t n, k;
    const net_tensor *w = net_weights(s->net, &n), *b = net_buffers(s->net, &k);
    const struct {
        const char *prefix;
        size_t n;
        const net_tensor *tensors;
        const float *values;
    } part[] = {
        {"weights", n, w, s->weights},
        {"optimiser/m", n, w, s->m},
        {"optimiser/v", n, w, s->v},
        {"buffers", k, b, s->buffers},
        {"best/weights", n, w, s->best_weights},
        {"best/buffers", k, b, s->best_buffers},
        {"average", n, w, s->average},
    };
    int status = NRE_OK;
    for (size_t i = 0; !status && i < sizeof part / sizeof part[0]; i++)
        if (part[i].values)
            status = weights_put(f, part[i].prefix, part[i].n, part[i].tensors,
                                 part[i].values);
    uint64_t dim[] = {s->epoch, RECORD};
    return status ? status : store_put(f, "history", STORE_F64, 2, dim, s->history);
}

static int put_numbers(store *f, const train_state *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } whole[] = {
        {"epoch", s->epoch},
        {"step", s->step},
        {"best_epoch", s->best_epoch},
        {"clamped", s->clamped},
        {"plateau_stale", s->plateau.stale},
    };
    const struct {
        const char *name;
        double value;
    } real[] = {
        {"best_loss", s->best_loss},
        {"plateau_best", s->plateau.best},
        {"plateau_scale", s->plateau.scale},
    };
    int status = store_put_int(f, "version", VERSION);
    for (size_t i = 0; !status && i < sizeof whole / sizeof whole[0]; i++)
        status = store_put_int(f, whole[i].name, (int64_t)whole[i].value);
    for (size_t i = 0; !status && i < sizeof real / sizeof real[0]; i++)
        status = store_put_real(f, real[i].name, real[i].value);
    return status;
}

static int put_texts(store *f, const train_job *job)
{
    hash_text architecture;
    int status = architecture_hash(job->net, &architecture);
    if (!status)
        status = store_put_text(f, "fingerprint", fingerprint_of(job));
    if (!status)
        status = store_put_text(f, "architecture", architecture.hex);
    return status ? status : store_put_text(f, "blas_kernel", blas_kernel());
}

int checkpoint_save(const train_job *job, const train_state *s)
{
    store *f = NULL;
    int status = NRE_ENOMEM;
    arena *a = arena_new();
    char *path = a ? path_join(a, job->folder, "checkpoint.h5") : NULL;
    if (!path) {
        fail(status, "no memory for a checkpoint");
        goto out;
    }
    status = store_create(path, &f);
    if (!status)
        status = put_texts(f, job);
    if (!status)
        status = put_numbers(f, s);
    if (!status)
        status = put_arrays(f, s);
    if (!status) {
        status = store_commit(f);
        f = NULL;
    }
    if (status)
        fail_within(status, "%s", path);
out:
    store_close(f);
    arena_free(a);
    return status;
}

/* reading */

static int get_arrays(store *f, train_state *s)
{
    size_t n, k;
    const net_tensor *w = net_weights(s->net, &n), *b = net_buffers(s->net, &k);
    int status = weights_get(f, "weights", n, w, s->weights);
    if (!status)
        status = weights_get(f, "optimiser/m", n, w, s->m);
    if (!status)
        status = weights_get(f, "optimiser/v", n, w, s->v);
    if (!status)
        status = weights_get(f, "buffers", k, b, s->buffers);
    if (!status)
        status = weights_get(f, "best/weights", n, w, s->best_weights);
    if (!status)
        status = weights_get(f, "best/buffers", k, b, s->best_buffers);
    if (!status && s->average)
        status = weights_get(f, "average", n, w, s->average);
    if (status)
        return status;
    return store_get(f, "history", STORE_F64, s->epoch * RECORD, s->history);
}

static int get_count(store *f, const char *name, uint64_t most, uint64_t *out)
{
    int64_t value = 0;
    int status = store_get_int(f, name, &value);
    if (status)
        return status;
    if (value < 0 || (uint64_t)value > most)
        return fail(NRE_EDATA, "%s is %lld", name, (long long)value);
    *out = (uint64_t)value;
    return NRE_OK;
}

static int get_numbers(store *f, train_state *s)
{
    uint64_t version;
    int status = get_count(f, "version", (uint64_t)VERSION, &version);
    if (!status)
        status = get_count(f, "epoch", s->room, &s->epoch);
    if (!status)
        status = get_count(f, "step", INT64_MAX, &s->step);
    if (!status)
        status = get_count(f, "best_epoch", s->epoch, &s->best_epoch);
    if (!status)
        status = get_count(f, "clamped", INT64_MAX, &s->clamped);
    if (!status)
        status = get_count(f, "plateau_stale", INT64_MAX, &s->plateau.stale);
    if (!status)
        status = store_get_real(f, "best_loss", &s->best_loss);
    if (!status)
        status = store_get_real(f, "plateau_best", &s->plateau.best);
    return status ? status : store_get_real(f, "plateau_scale", &s->plateau.scale);
}

/* Whether the checkpoint is of this very training. */
static int is_ours(store *f, const train_job *job, arena *a, bool *ours)
{
    hash_text architecture;
    char *fingerprint = NULL, *of = NULL;
    int status = architecture_hash(job->net, &architecture);
    if (!status)
        status = store_get_text(f, "fingerprint", a, &fingerprint);
    if (!status)
        status = store_get_text(f, "architecture", a, &of);
    if (!status)
        *ours = strcmp(fingerprint, fingerprint_of(job)) == 0 &&
                strcmp(of, architecture.hex) == 0;
    return status;
}

static int warn_of_kernel(store *f, const train_job *job, arena *a)
{
    char *kernel = NULL;
    int status = store_get_text(f, "blas_kernel", a, &kernel);
    if (!status && strcmp(kernel, blas_kernel()) != 0)
        log_say(NRE_WARN,
                "%s: was computed with the OpenBLAS kernel %s, goes on with %s: the last "
                "bits of "
                "the result will differ",
                job->folder, kernel, blas_kernel());
    return status;
}

static int read_store(store *f, const train_job *job, arena *a, train_state *s,
                      bool *found)
{
    int status = is_ours(f, job, a, found);
    if (status || !*found)
        return status;
    status = get_numbers(f, s);
    if (!status)
        status = get_arrays(f, s);
    return status ? status : warn_of_kernel(f, job, a);
}

/* S may be half filled by a damaged file: make it new again. */
static int start_afresh(train_state *s)
{
    const net *g = s->net;
    uint64_t epochs = s->room;
    bool averaged = s->average;
    state_free(s);
    return state_new(g, epochs, averaged, s);
}

static int read_path(const train_job *job, const char *path, arena *a, train_state *s,
                     bool *found)
{
    store *f = NULL;
    int status = store_open(path, &f);
    if (!status)
        status = read_store(f, job, a, s, found);
    store_close(f);
    if (status == NRE_ENOMEM)
        return status;
    if (status) {
        *found = false;
        log_say(NRE_WARN, "%s cannot be used (%s): training starts again", path,
                error_message());
        return start_afresh(s);
    }
    if (!*found)
        log_say(NRE_INFO, "%s belongs to another configuration: training starts again",
                path);
    return NRE_OK;
}

int checkpoint_load(const train_job *job, train_state *s, bool *found)
{
    int status = NRE_OK;
    arena *a = arena_new();
    char *path = a ? path_join(a, job->folder, "checkpoint.h5") : NULL;
    *found = false;
    if (!path)
        status = fail(NRE_ENOMEM, "no memory to read a checkpoint");
    else if (file_exists(path))
        status = read_path(job, path, a, s, found);
    arena_free(a);
    return status;
}

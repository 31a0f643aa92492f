/* trained.c - the weights file: the best network on the validation set, ready to
 * evaluate. */
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

int architecture_hash(const net *g, hash_text *out)
{
    arena *a = arena_new();
    const char *text = a ? net_describe(g, a) : NULL;
    if (text)
        *out = hash_hex(hash_string(text));
    arena_free(a);
    return text ? NRE_OK : fail(NRE_ENOMEM, "no memory to describe the network");
}

/* "beta,d_infectious", also for the target `all`. */
static char *parameter_names(const target *t, arena *a)
{
    char *names = arena_copy(a, "");
    for (uint32_t i = 0; names && i < t->n; i++)
        names =
            arena_print(a, "%s%s%s", names, i ? "," : "", t->prior->of[t->which[i]].name);
    return names;
}

/* writing */

static int put_texts(store *f, const train_job *job, arena *a)
{
    hash_text architecture;
    const char *names = parameter_names(job->target, a);
    int status = names ? architecture_hash(job->net, &architecture)
                       : fail(NRE_ENOMEM, "no memory for names of parameters");
    if (!status)
        status = store_put_text(f, "target", job->target->name);
    if (!status)
        status = store_put_text(f, "parameters", names);
    if (!status)
        status = store_put_text(f, "architecture", architecture.hex);
    if (!status)
        status = store_put_text(f, "loss", job->settings->loss->name);
    return status ? status : store_put_text(f, "blas_kernel", blas_kernel());
}

static int put_network(store *f, const train_job *job, const train_state *s)
{
    size_t n, k;
    const net_tensor *w = net_weights(job->net, &n), *b = net_buffers(job->net, &k);
    int status = store_put_int(f, "epoch", (int64_t)s->best_epoch);
    if (!status)
        status = store_put_real(f, "validation_loss", s->best_loss);
    if (!status)
        status = weights_put(f, "weights", n, w, s->best_weights);
    if (!status)
        status = weights_put(f, "buffers", k, b, s->best_buffers);
    return status ? status : scaling_put(job->scaling, f);
}

int trained_save(const train_job *job, const train_state *s)
{
    store *f = NULL;
    arena *a = arena_new();
    char *path = a ? path_join(a, job->folder, "weights.h5") : NULL;
    int status =
        path ? store_create(path, &f) : fail(NRE_ENOMEM, "no memory to write weights");
    if (!status)
        status = put_texts(f, job, a);
    if (!status)
        status = put_network(f, job, s);
    if (!status) {
        status = store_commit(f);
        f = NULL;
    }
    store_close(f);
    arena_free(a);
    return status;
}

/* reading */

static int check_architecture(store *f, const net *g, arena *a)
{
    hash_text expected;
    char *found = NULL;
    int status = architecture_hash(g, &expected);
    if (!status)
        status = store_get_text(f, "architecture", a, &found);
    if (!status && strcmp(found, expected.hex) != 0)
        status = fail(NRE_EDATA, "the weights are of another architecture: train again");
    return status;
}

static int get_values(store *f, const net *g, float **values)
{
    size_t n, k, n_weights = net_n_weights(g);
    const net_tensor *w = net_weights(g, &n), *b = net_buffers(g, &k);
    *values = memory_new(n_weights + net_n_buffers(g), sizeof **values);
    int status =
        *values ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu weights", n_weights);
    if (!status)
        status = weights_get(f, "weights", n, w, *values);
    return status ? status : weights_get(f, "buffers", k, b, *values + n_weights);
}

static int read_store(store *f, const net *g, arena *a, float **values, scaling **c)
{
    int status = check_architecture(f, g, a);
    if (!status)
        status = scaling_get(f, c);
    if (!status && (*c)->n_x != net_x_size(g))
        status =
            fail(NRE_EDATA, "the scaling is of %zu values of x, the network takes %zu",
                 (*c)->n_x, net_x_size(g));
    return status ? status : get_values(f, g, values);
}

int trained_values(const char *folder, const net *g, float **values, scaling **c)
{
    store *f = NULL;
    arena *a = arena_new();
    char *path = a ? path_join(a, folder, "weights.h5") : NULL;
    int status =
        path ? store_open(path, &f) : fail(NRE_ENOMEM, "no memory to read weights");
    *values = NULL;
    *c = NULL;
    if (!status)
        status = read_store(f, g, a, values, c);
    if (status && path) {
        free(*values);
        scaling_free(*c);
        *values = NULL;
        *c = NULL;
        if (status != NRE_ENOMEM)
            status = NRE_EDATA;
        fail_within(status, "%s", path);
    }
    store_close(f);
    arena_free(a);
    return status;
}

int trained_open(const char *folder, const net *g, model **m, scaling **c)
{
    float *values;
    *m = NULL;
    int status = trained_values(folder, g, &values, c);
    if (!status && (status = model_new(g, values, values + net_n_weights(g), m))) {
        scaling_free(*c);
        *c = NULL;
    }
    free(values);
    return status;
}

/* The mlp plugin against PyTorch: tests/golden/mlp_*.json, made by
 * bench/peers/golden_mlp.py. */
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* a host that reads the options of a golden file */

struct nre_values {
    const json_t *golden;
    int64_t layers[8];
};

static const json_t *option(const nre_values *v, const char *name)
{
    return json_object_get(json_object_get(v->golden, "options"), name);
}

static int get_bool(const nre_values *v, const char *name)
{
    return json_is_true(option(v, name));
}

static int64_t get_int(const nre_values *v, const char *name)
{
    static const char *const CHOICES[] = {"relu", "leaky_relu", "elu",
                                          "selu", "gelu",       "tanh"};
    const char *word = json_string_value(option(v, name));
    for (int64_t i = 0; i < 6; i++)
        if (strcmp(CHOICES[i], word) == 0)
            return i;
    cr_assert_fail("no activation '%s'", word);
    return -1;
}

static double get_real(const nre_values *v, const char *name)
{
    return json_number_value(option(v, name));
}

static size_t get_ints(const nre_values *v, const char *name, const int64_t **out)
{
    *out = v->layers;
    return json_array_size(json_object_get(v->golden, name));
}

static void *host_alloc(const nre_host *host, size_t n, size_t size)
{
    (void)host;
    return calloc(n, size);
}

static void network(const json_t *golden, net **out)
{
    const nre_host host = {.struct_size = sizeof host,
                           .alloc = host_alloc,
                           .get_bool = get_bool,
                           .get_int = get_int,
                           .get_real = get_real,
                           .get_ints = get_ints};
    nre_values values = {.golden = golden};
    for (size_t i = 0; i < json_array_size(json_object_get(golden, "layers")); i++)
        values.layers[i] =
            json_integer_value(json_array_get(json_object_get(golden, "layers"), i));
    void *self = NULL;
    cr_assert_eq(nre_plugin_v1.create(&host, &values, &self), 0);
    const net_field field = {"x", {1, {5}}, 0};
    const net_inputs inputs = {2, 1, &field};
    cr_assert_eq(net_new(&nre_plugin_v1, self, &inputs, out), 0, "%s", error_message());
    free(self);
}

/* arrays of a golden file */

static void array(const json_t *golden, const char *name, size_t n, float *out)
{
    const json_t *a = json_object_get(golden, name);
    cr_assert_eq(json_array_size(a), n, "%s", name);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)json_number_value(json_array_get(a, i));
}

static void tensors(const json_t *golden, const char *name, size_t n, const net_tensor *t,
                    float *out)
{
    cr_assert_eq(json_object_size(json_object_get(golden, name)), n, "%s", name);
    for (size_t i = 0; i < n; i++)
        array(json_object_get(golden, name), t[i].name, t[i].n, out + t[i].at);
}

/* Relative to the largest of the array: a value near 0 carries the rounding of the
 * others. */
static void close_to(const char *file, const char *what, size_t n, const float *got,
                     const float *golden, double tolerance)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)golden[i]));
        worst = fmax(worst, fabs((double)golden[i] - (double)got[i]));
    }
    cr_assert(worst <= tolerance * most, "%s: %s: off by %g of %g", file, what, worst,
              most);
}

/* Binary cross-entropy, the first theta of a row joint. */
static double loss(void *context, size_t first, size_t n, const float *logit,
                   double measured, float *gradient)
{
    const memory_batch *m = context;
    (void)measured;
    for (size_t i = 0; i < n * m->per_x; i++) {
        double joint = i % m->per_x == 0;
        gradient[i] = (float)(1 / (1 + exp(-(double)logit[i])) - joint);
        m->logit[first * m->per_x + i] = logit[i];
    }
    return 0;
}

typedef struct check {
    const char *file;
    json_t *golden;
    net *g;
    memory_batch b;
    size_t n_weights, n_buffers, n_wt, n_bt;
    const net_tensor *wt, *bt;
    float *weights, *buffers, *gradient, *m, *v, *expected;
} check;

static void check_new(check *c, const char *file)
{
    char path[512];
    memset(c, 0, sizeof *c);
    c->file = file;
    snprintf(path, sizeof path, "%s/mlp_%s.json", GOLDEN_FOLDER, file);
    cr_assert_eq(json_load_path(path, 1 << 20, &c->golden), 0, "%s", error_message());
    network(c->golden, &c->g);
    size_t rows = (size_t)json_integer_value(json_object_get(c->golden, "rows"));
    size_t per_x = (size_t)json_integer_value(json_object_get(c->golden, "per_x"));
    memory_batch_new(&c->b, c->g, rows, per_x, 1);
    array(c->golden, "x", rows * 5, c->b.x);
    array(c->golden, "theta", rows * per_x * 2, c->b.theta);
    c->n_weights = net_n_weights(c->g);
    c->n_buffers = net_n_buffers(c->g);
    c->wt = net_weights(c->g, &c->n_wt);
    c->bt = net_buffers(c->g, &c->n_bt);
    float **all[] = {&c->weights, &c->buffers, &c->gradient, &c->m, &c->v, &c->expected};
    for (size_t i = 0; i < 6; i++)
        *all[i] = calloc(c->n_weights + c->n_buffers, sizeof(float));
    tensors(c->golden, "weights", c->n_wt, c->wt, c->weights);
    tensors(c->golden, "buffers", c->n_bt, c->bt, c->buffers);
}

static void check_free(check *c)
{
    float *all[] = {c->weights, c->buffers, c->gradient, c->m, c->v, c->expected};
    for (size_t i = 0; i < 6; i++)
        free(all[i]);
    memory_batch_free(&c->b);
    net_free(c->g);
    json_decref(c->golden);
}

/* Logits and gradients of the first step. */
static void check_first(check *c, size_t pairs)
{
    float *expected = c->expected, *mean = c->m;
    array(c->golden, "logits", pairs, expected);
    close_to(c->file, "logits", pairs, c->b.logit, expected, 1e-5);
    tensors(c->golden, "gradients", c->n_wt, c->wt, expected);
    for (size_t i = 0; i < c->n_weights; i++)
        mean[i] = c->gradient[i] / (float)c->b.n;
    close_to(c->file, "gradients", c->n_weights, mean, expected, 1e-5);
    memset(mean, 0, c->n_weights * sizeof *mean);
}

static void check_after(check *c, size_t pairs)
{
    model *m = NULL;
    model_worker *w = NULL;
    cr_assert_eq(model_new(c->g, c->weights, c->buffers, &m), 0);
    cr_assert_eq(model_worker_new(m, &w), 0);
    float *head = calloc(c->b.n * model_head_size(m) + 1, sizeof *head);
    model_head(m, w, c->b.n, c->b.x, head);
    model_trunk(m, w, c->b.n, c->b.per_x, head, c->b.theta, c->b.logit, NULL);
    array(c->golden, "logits_after", pairs, c->expected);
    close_to(c->file, "logits after", pairs, c->b.logit, c->expected, 1e-4);
    free(head);
    model_worker_free(w);
    model_free(m);
    tensors(c->golden, "weights_after", c->n_wt, c->wt, c->expected);
    for (size_t i = 0; i < c->n_wt; i++)
        close_to(c->file, c->wt[i].name, c->wt[i].n, c->weights + c->wt[i].at,
                 c->expected + c->wt[i].at, 1e-4);
    tensors(c->golden, "buffers_after", c->n_bt, c->bt, c->expected);
    for (size_t i = 0; i < c->n_bt; i++)
        close_to(c->file, c->bt[i].name, c->bt[i].n, c->buffers + c->bt[i].at,
                 c->expected + c->bt[i].at, 1e-4);
}

static void check_file(const char *file)
{
    check c;
    check_new(&c, file);
    const json_t *o = json_object_get(c.golden, "optimiser");
    const adamw optimiser = {json_number_value(json_object_get(o, "lr")),
                             json_number_value(json_object_get(o, "beta1")),
                             json_number_value(json_object_get(o, "beta2")),
                             json_number_value(json_object_get(o, "eps")),
                             json_number_value(json_object_get(o, "weight_decay"))};
    const size_t pairs = c.b.n * c.b.per_x;
    trainer_job job = memory_job(&c.b);
    job.loss = loss;
    trainer *t = NULL;
    cr_assert_eq(trainer_new(c.g, c.b.n, c.b.per_x, false, NULL, &t), 0);
    size_t steps = (size_t)json_integer_value(json_object_get(c.golden, "steps"));
    for (size_t step = 1; step <= steps; step++) {
        double sum;
        int status = trainer_step(t, &job, c.weights, c.buffers, c.gradient, &sum);
        cr_assert_eq(status, 0, "%s", error_message());
        if (step == 1)
            check_first(&c, pairs);
        adamw_step(&optimiser, step, 1.0 / (double)c.b.n, NULL, c.n_weights, c.gradient,
                   c.weights, c.m, c.v);
    }
    trainer_free(t);
    check_after(&c, pairs);
    check_free(&c);
}

Test(golden, mlp_is_that_of_pytorch)
{
    static const char *const FILES[] = {"selu", "elu",       "gelu",
                                        "bn",   "bn_layers", "layer_norm"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        check_file(FILES[i]);
}

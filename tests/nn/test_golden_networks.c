/* The architectures of the ablation against PyTorch: tests/golden/network_*.json, made by
 * bench/peers/golden_networks.py, which tells what is in them. */
#include "architecture.h"
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* weights and inputs by their formula */

/* N multiples of 2^-24 in [-1/2, 1/2): the place hashed with the name. */
static void uniform(const char *name, size_t n, double *out)
{
    uint32_t seed = 2166136261U;
    for (; *name; name++)
        seed = (seed ^ (uint8_t)*name) * 16777619U;
    for (size_t i = 0; i < n; i++) {
        uint32_t z = (uint32_t)i * 0x9E3779B9U + seed;
        z = (z ^ z >> 16) * 0x85EBCA6BU;
        z = (z ^ z >> 13) * 0xC2B2AE35U;
        z ^= z >> 16;
        out[i] = (double)(z >> 8) / 16777216.0 - 0.5;
    }
}

static void formula_inputs(const char *name, size_t number, size_t n, float *out)
{
    char numbered[32];
    double *u = malloc(n * sizeof *u);
    snprintf(numbered, sizeof numbered, "%s%zu", name, number);
    uniform(numbered, n, u);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(3.5 * u[i]);
    free(u);
}

/* In the order of PyTorch. */
static void formula_tensor(const net_tensor *t, float *out)
{
    const size_t length = strlen(t->name);
    const bool is_weight = length > 7 && strcmp(t->name + length - 7, ".weight") == 0;
    double *u = malloc(t->n * sizeof *u);
    uniform(t->name, t->n, u);
    for (size_t i = 0; i < t->n; i++)
        out[i] = (float)(t->rank > 1 ? 2 / sqrt((double)(t->n / t->dim[0])) * u[i]
                         : is_weight ? 1 + 0.5 * u[i]
                                     : 0.25 * u[i]);
    free(u);
}

/* a case */

typedef struct check {
    const char *name;
    json_t *golden;
    arena *arena;
    net *g;
    memory_batch b;
    size_t n_wt, n_bt;
    const net_tensor *wt, *bt;
    float *start, *weights, *buffers, *gradient, *m, *v, *scratch;
} check;

static size_t count_of(const check *c, const char *key)
{
    return (size_t)json_integer_value(json_object_get(c->golden, key));
}

/* "trunk=[16,16,16]" */
static const char *option_text(const check *c, const char *name, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const bool quoted = json_is_string(value);
    const char *copy =
        arena_print(c->arena, "%s=%s", name, quoted ? json_string_value(value) : text);
    free(text);
    return copy;
}

/* The plugin's network with these options. */
static net *network(const check *c, json_t *options)
{
    const char *name = json_string_value(json_object_get(c->golden, "plugin"));
    const net_field field = {"x", {1, {(uint32_t)count_of(c, "n_x")}}, 0};
    const net_inputs inputs = {(uint32_t)count_of(c, "n_theta"), 1, &field};
    const char *texts[8] = {NULL};
    size_t n = 0;
    for (void *at = json_object_iter(options); at && n < 7;
         at = json_object_iter_next(options, at))
        texts[n++] = option_text(c, json_object_iter_key(at), json_object_iter_value(at));
    net *g = NULL;
    cr_assert_eq(architecture_net(name, texts, &inputs, &g), 0, "%s: %s", c->name,
                 error_message());
    return g;
}

static void check_open(check *c, const char *name)
{
    memset(c, 0, sizeof *c);
    c->name = name;
    c->arena = arena_new();
    const char *path = arena_print(c->arena, "%s/network_%s.json", GOLDEN_FOLDER, name);
    cr_assert_eq(json_load_path(path, 1 << 20, &c->golden), 0, "%s", error_message());
    c->g = network(c, json_object_get(c->golden, "options"));
    c->wt = net_weights(c->g, &c->n_wt);
    c->bt = net_buffers(c->g, &c->n_bt);
    memory_batch_new(&c->b, c->g, count_of(c, "rows"), count_of(c, "per_x"), 1);
    const size_t n = net_n_weights(c->g) + net_n_buffers(c->g) + c->b.n * c->b.per_x;
    float **all[] = {&c->start, &c->weights, &c->buffers, &c->gradient,
                     &c->m,     &c->v,       &c->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = calloc(n, sizeof(float));
}

/* Weights and batch of the first step. */
static void check_begin(check *c)
{
    net_init(c->g, rng_purpose(1, "init"), c->weights, c->buffers);
    for (size_t i = 0; i < c->n_wt; i++) {
        formula_tensor(&c->wt[i], c->scratch);
        tensor_import(&c->wt[i], c->scratch, c->weights + c->wt[i].at);
    }
    memcpy(c->start, c->weights, net_n_weights(c->g) * sizeof *c->start);
    memset(c->m, 0, net_n_weights(c->g) * sizeof *c->m);
    memset(c->v, 0, net_n_weights(c->g) * sizeof *c->v);
}

static void check_batch(check *c, size_t number)
{
    formula_inputs("x", number, c->b.n * c->b.x_size, c->b.x);
    formula_inputs("theta", number, c->b.n * c->b.per_x * c->b.theta_size, c->b.theta);
}

static void check_close(check *c)
{
    float *all[] = {c->start, c->weights, c->buffers, c->gradient,
                    c->m,     c->v,       c->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memory_batch_free(&c->b);
    net_free(c->g);
    arena_free(c->arena);
    json_decref(c->golden);
}

/* comparing */

/* All N values, or those at even distances, that the file holds; relative to the largest of
 * them: a value near 0 carries the rounding of the others. */
static void close_to(const check *c, const char *what, const char *name,
                     const json_t *golden, size_t n, const float *got, double tolerance)
{
    const size_t held = json_array_size(golden);
    double most = 0, worst = 0;
    cr_assert(held > 0 && (held == n || (held < n && held > 1)),
              "%s: %s: %s: %zu of %zu values", c->name, what, name, held, n);
    for (size_t i = 0; i < held; i++) {
        const double is = json_number_value(json_array_get(golden, i));
        const double ours = (double)got[held == n ? i : i * (n - 1) / (held - 1)];
        most = fmax(most, fabs(is));
        worst = fmax(worst, fabs(is - ours));
    }
    cr_expect(worst <= tolerance * most, "%s: %s: %s: off by %g of %g", c->name, what,
              name, worst, most);
}

static void norm_close_to(const check *c, const char *what, const char *name,
                          const json_t *golden, double got, double tolerance)
{
    const double is = json_number_value(golden);
    cr_expect(is > 0 && fabs(got - is) <= tolerance * is, "%s: %s: %s: %.9g is not %.9g",
              c->name, what, name, got, is);
}

static const json_t *about(const check *c, const net_tensor *t)
{
    const json_t *j = json_object_get(json_object_get(c->golden, "weights"), t->name);
    cr_assert(j, "%s: PyTorch has no '%s'", c->name, t->name);
    return j;
}

static void check_shapes(const check *c)
{
    cr_assert_eq(json_object_size(json_object_get(c->golden, "weights")), c->n_wt, "%s",
                 c->name);
    for (size_t i = 0; i < c->n_wt; i++) {
        const net_tensor *t = &c->wt[i];
        const json_t *shape = json_object_get(about(c, t), "shape");
        cr_assert_eq(json_array_size(shape), t->rank, "%s", t->name);
        for (uint32_t k = 0; k < t->rank; k++)
            cr_assert_eq(json_integer_value(json_array_get(shape, k)), t->dim[k], "%s",
                         t->name);
    }
}

static void check_gradients(check *c)
{
    for (size_t i = 0; i < c->n_wt; i++) {
        const net_tensor *t = &c->wt[i];
        tensor_export(t, c->gradient + t->at, c->scratch);
        for (size_t k = 0; k < t->n; k++)
            c->scratch[k] /= (float)c->b.n;
        close_to(c, "gradient", t->name, json_object_get(about(c, t), "gradient"), t->n,
                 c->scratch, 1e-4);
        norm_close_to(c, "gradient", t->name,
                      json_object_get(about(c, t), "gradient_norm"),
                      gradient_norm(t->n, c->scratch), 1e-4);
    }
}

static void check_weights(check *c)
{
    for (size_t i = 0; i < c->n_wt; i++) {
        const net_tensor *t = &c->wt[i];
        tensor_export(t, c->weights + t->at, c->scratch);
        close_to(c, "weights after", t->name, json_object_get(about(c, t), "after"), t->n,
                 c->scratch, 1e-4);
        for (size_t k = 0; k < t->n; k++)
            c->scratch[k] = c->weights[t->at + k] - c->start[t->at + k];
        norm_close_to(c, "change of", t->name,
                      json_object_get(about(c, t), "change_norm"),
                      gradient_norm(t->n, c->scratch), 1e-3);
    }
}

static void check_buffers(const check *c, const char *key)
{
    const json_t *all = json_object_get(c->golden, key);
    cr_assert_eq(json_object_size(all), c->n_bt, "%s", c->name);
    for (size_t i = 0; i < c->n_bt; i++)
        close_to(c, key, c->bt[i].name, json_object_get(all, c->bt[i].name), c->bt[i].n,
                 c->buffers + c->bt[i].at, 1e-4);
}

/* Logits at evaluation, which folds batch norm away. */
static void check_model(check *c, const char *key)
{
    model *m = NULL;
    model_worker *w = NULL;
    cr_assert_eq(model_new(c->g, c->weights, c->buffers, &m), 0, "%s", error_message());
    cr_assert_eq(model_worker_new(m, &w), 0);
    float *head = calloc(c->b.n * model_head_size(m) + 1, sizeof *head);
    cr_assert_eq(model_head(m, w, c->b.n, c->b.x, head), 0);
    cr_assert_eq(
        model_trunk(m, w, c->b.n, c->b.per_x, head, c->b.theta, c->b.logit, NULL), 0);
    close_to(c, key, "", json_object_get(c->golden, key), c->b.n * c->b.per_x, c->b.logit,
             1e-4);
    free(head);
    model_worker_free(w);
    model_free(m);
}

/* training */

/* Binary cross-entropy, the first theta of a row joint. */
static double loss(void *context, size_t first, size_t n, const float *logit,
                   double measured, float *gradient)
{
    const memory_batch *m = context;
    double sum = 0;
    (void)measured;
    for (size_t i = 0; i < n * m->per_x; i++) {
        const double sign = i % m->per_x == 0 ? -1 : 1, z = sign * (double)logit[i];
        sum += fmax(z, 0) + log1p(exp(-fabs(z)));
        gradient[i] = (float)(sign / (1 + exp(-z)));
        m->logit[first * m->per_x + i] = logit[i];
    }
    return sum;
}

static double check_step(check *c, trainer *t)
{
    trainer_job job = memory_job(&c->b);
    double sum = NAN;
    job.loss = loss;
    int status = trainer_step(t, &job, c->weights, c->buffers, c->gradient, &sum);
    cr_assert_eq(status, 0, "%s: %s", c->name, error_message());
    return sum / (double)c->b.n;
}

static adamw optimiser_of(const check *c)
{
    const json_t *o = json_object_get(c->golden, "optimiser");
    return (adamw){json_number_value(json_object_get(o, "lr")),
                   json_number_value(json_object_get(o, "beta1")),
                   json_number_value(json_object_get(o, "beta2")),
                   json_number_value(json_object_get(o, "eps")),
                   json_number_value(json_object_get(o, "weight_decay"))};
}

static void check_training(check *c, trainer *t)
{
    const adamw o = optimiser_of(c);
    const size_t steps = count_of(c, "steps");
    check_begin(c);
    check_batch(c, count_of(c, "batch"));
    for (size_t step = 1; step <= steps; step++) {
        const double mean = check_step(c, t);
        if (step == 1) {
            norm_close_to(c, "loss", "", json_object_get(c->golden, "loss"), mean, 1e-6);
            close_to(c, "logits", "", json_object_get(c->golden, "logits"),
                     c->b.n * c->b.per_x, c->b.logit, 1e-5);
            check_gradients(c);
        }
        adamw_step(&o, step, 1.0 / (double)c->b.n, NULL, net_n_weights(c->g), c->gradient,
                   c->weights, c->m, c->v);
    }
    check_weights(c);
    check_buffers(c, "buffers_after");
    check_model(c, "logits_after");
}

/* The mean over batches of their statistics, as after averaging weights: from 0 a step leaves a
 * tenth of its own. */
static void check_estimate(check *c, trainer *t)
{
    const size_t n = net_n_buffers(c->g), batches = count_of(c, "batches");
    float *sum = calloc(n, sizeof *sum);
    check_begin(c);
    for (size_t number = 0; number < batches; number++) {
        check_batch(c, count_of(c, "batch") + number);
        memset(c->buffers, 0, n * sizeof *c->buffers);
        check_step(c, t);
        for (size_t i = 0; i < n; i++)
            sum[i] += 10 * c->buffers[i] / (float)batches;
    }
    memcpy(c->buffers, sum, n * sizeof *sum);
    free(sum);
    check_batch(c, count_of(c, "batch"));
    check_buffers(c, "buffers_estimated");
    check_model(c, "logits_estimated");
}

static void check_case(const char *name)
{
    check c;
    trainer *t = NULL;
    check_open(&c, name);
    check_shapes(&c);
    cr_assert_eq(trainer_new(c.g, c.b.n, c.b.per_x, false, NULL, &t), 0, "%s",
                 error_message());
    check_training(&c, t);
    if (net_has_batch_norm(c.g))
        check_estimate(&c, t);
    trainer_free(t);
    check_close(&c);
}

Test(golden_networks, mlp)
{
    check_case("mlp");
    check_case("mlp-bn");
}

Test(golden_networks, resnet_18)
{
    check_case("resnet-18");
    check_case("resnet-18-bn");
}

Test(golden_networks, resnet_50)
{
    check_case("resnet-50");
    check_case("resnet-50-bn");
}

/* At the widths of Hermans et al. 2020. */
Test(golden_networks, as_many_parameters_as_pytorch)
{
    static const char *const NAMES[] = {"mlp",          "mlp-bn",    "resnet-18",
                                        "resnet-18-bn", "resnet-50", "resnet-50-bn"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        check c;
        check_open(&c, NAMES[i]);
        const json_t *usual = json_object_get(c.golden, "usual");
        net *g = network(&c, json_object_get(usual, "options"));
        cr_expect_eq((long long)net_n_weights(g),
                     (long long)json_integer_value(json_object_get(usual, "parameters")),
                     "%s: %zu", NAMES[i], net_n_weights(g));
        net_free(g);
        check_close(&c);
    }
}

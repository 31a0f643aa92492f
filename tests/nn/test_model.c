/* Tests of nn/model.c: logits and gradients by theta against plain loops and differences.
 */
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const example *e;
    net *g;
    model *m;
    model_worker *w;
    memory_batch b;
    float *weights, *buffers, *head;
    double *dweights, *dbuffers;
} setting;

static void setting_new(setting *s, const example *e, size_t n, size_t per_x)
{
    memset(s, 0, sizeof *s);
    s->e = e;
    cr_assert_eq(example_net(e, &s->g), 0, "%s", error_message());
    size_t n_w = net_n_weights(s->g), n_b = net_n_buffers(s->g);
    s->weights = calloc(n_w + 1, sizeof(float));
    s->buffers = calloc(n_b + 1, sizeof(float));
    s->dweights = calloc(n_w + 1, sizeof(double));
    s->dbuffers = calloc(n_b + 1, sizeof(double));
    net_init(s->g, rng_purpose(4, "init"), s->weights, s->buffers);
    for (size_t i = 0; i < n_b; i++)
        s->buffers[i] += 0.2f * (float)(i % 4);
    for (size_t i = 0; i < n_w; i++) {
        s->weights[i] += 0.1f * (float)(i % 3);
        s->dweights[i] = s->weights[i];
    }
    for (size_t i = 0; i < n_b; i++)
        s->dbuffers[i] = s->buffers[i];
    memory_batch_new(&s->b, s->g, n, per_x, 31);
    cr_assert_eq(model_new(s->g, s->weights, s->buffers, &s->m), 0, "%s",
                 error_message());
    cr_assert_eq(model_worker_new(s->m, &s->w), 0);
    s->head = calloc(n * model_head_size(s->m) + 1, sizeof(float));
    cr_assert_eq(model_head(s->m, s->w, n, s->b.x, s->head), 0);
}

static void setting_free(setting *s)
{
    model_worker_free(s->w);
    model_free(s->m);
    memory_batch_free(&s->b);
    net_free(s->g);
    free(s->weights);
    free(s->buffers);
    free(s->dweights);
    free(s->dbuffers);
    free(s->head);
}

static void plain(const setting *s, double *logit)
{
    plain_batch b = {s->e,       s->b.n,      s->b.per_x, s->b.x,
                     s->b.theta, s->dweights, s->dbuffers};
    plain_logits(&b, logit, NULL);
}

static void check_logits(const example *e, size_t n, size_t per_x)
{
    setting s;
    setting_new(&s, e, n, per_x);
    double *logit = calloc(n * per_x, sizeof *logit);
    plain(&s, logit);
    int status = model_trunk(s.m, s.w, n, per_x, s.head, s.b.theta, s.b.logit, NULL);
    cr_assert_eq(status, 0);
    for (size_t i = 0; i < n * per_x; i++)
        cr_assert_float_eq(s.b.logit[i], logit[i], 1e-5 * (1 + fabs(logit[i])), "%s %zu",
                           e->name, i);
    free(logit);
    setting_free(&s);
}

Test(model, logits_are_those_of_plain_loops)
{
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        check_logits(&EXAMPLES[i], 1, 1);
        check_logits(&EXAMPLES[i], 9, 5);
    }
}

/* More rows, or more thetas for one row, than a chunk holds. */
Test(model, chunks_join)
{
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        check_logits(&EXAMPLES[i], 1, 1300);
        check_logits(&EXAMPLES[i], 700, 1);
        check_logits(&EXAMPLES[i], 3, 600);
        check_logits(&EXAMPLES[i], 10, 100);
    }
}

/* Differences of the float thetas in the double reference: h = 2^-10 keeps theta + h
 * exact to 1e-7, which divided by h is 1e-4 of the slope at most; truncation is h^2 =
 * 1e-6. */
static void check_gradient(const example *e)
{
    enum { N = 7, PER_X = 3 };
    setting s;
    setting_new(&s, e, N, PER_X);
    const size_t d = e->n_theta;
    double up[N * PER_X], down[N * PER_X];
    float *gradient = malloc(N * PER_X * d * sizeof *gradient);
    float *theta = malloc(N * PER_X * d * sizeof *theta);
    memcpy(theta, s.b.theta, N * PER_X * d * sizeof *theta);
    model_trunk(s.m, s.w, N, PER_X, s.head, s.b.theta, s.b.logit, gradient);
    for (size_t k = 0; k < d; k++) {
        const float h = 0x1p-10f;
        double step[N * PER_X];
        for (size_t i = 0; i < N * PER_X; i++)
            s.b.theta[i * d + k] = theta[i * d + k] + h;
        plain(&s, up);
        for (size_t i = 0; i < N * PER_X; i++) {
            step[i] = (double)s.b.theta[i * d + k];
            s.b.theta[i * d + k] = theta[i * d + k] - h;
            step[i] -= (double)s.b.theta[i * d + k];
        }
        plain(&s, down);
        for (size_t i = 0; i < N * PER_X; i++) {
            double slope = (up[i] - down[i]) / step[i];
            cr_assert_float_eq(gradient[i * d + k], slope, 1e-4 * (1 + fabs(slope)),
                               "%s: pair %zu, theta %zu: %g, differences %g", e->name, i,
                               k, gradient[i * d + k], slope);
            s.b.theta[i * d + k] = theta[i * d + k];
        }
    }
    free(gradient);
    free(theta);
    setting_free(&s);
}

Test(model, gradients_by_theta_are_those_of_differences)
{
    for (size_t i = 0; i < N_EXAMPLES; i++)
        check_gradient(&EXAMPLES[i]);
}

Test(model, a_gradient_does_not_change_the_logits)
{
    setting s;
    setting_new(&s, &EXAMPLES[3], 2, 900);
    float *gradient = malloc(1800 * 2 * sizeof *gradient),
          *logit = malloc(1800 * sizeof *logit);
    model_trunk(s.m, s.w, 2, 900, s.head, s.b.theta, s.b.logit, NULL);
    model_trunk(s.m, s.w, 2, 900, s.head, s.b.theta, logit, gradient);
    cr_assert_arr_eq(logit, s.b.logit, 1800 * sizeof *logit);
    free(gradient);
    free(logit);
    setting_free(&s);
}

static nre_node build_dropout(const void *self, nre_graph *g)
{
    const int *with = self;
    nre_node a = g->linear(g, g->concat(g, g->theta, g->x), 6, 1);
    a = g->activate(g, a, NRE_SELU);
    a = *with ? g->dropout(g, a, 0.5) : a;
    a = g->concat(g, g->slice(g, a, 1, 5), g->slice(g, a, 2, 4));
    return g->linear(g, a, 1, 1);
}

/* Dropout is not there at evaluation, also for views of it. */
Test(model, dropout_is_gone)
{
    float logit[2][20], theta[40], x[10], weights[64];
    normals(1, 40, theta);
    normals(2, 10, x);
    normals(3, 64, weights);
    for (int with = 0; with < 2; with++) {
        nre_architecture_ops ops = {.struct_size = sizeof ops, .build = build_dropout};
        nre_plugin p = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE), .name = "d"};
        p.ops.architecture = &ops;
        net_field field = {"x", {1, {5}}, 0};
        net_inputs in = {2, 1, &field};
        net *g = NULL;
        model *m = NULL;
        model_worker *w = NULL;
        cr_assert_eq(net_new(&p, &with, &in, &g), 0, "%s", error_message());
        cr_assert_eq(model_new(g, weights, NULL, &m), 0);
        cr_assert_eq(model_worker_new(m, &w), 0);
        float *head = calloc(2 * model_head_size(m), sizeof *head);
        model_head(m, w, 2, x, head);
        model_trunk(m, w, 2, 10, head, theta, logit[with], NULL);
        free(head);
        model_worker_free(w);
        model_free(m);
        net_free(g);
    }
    cr_assert_arr_eq(logit[0], logit[1], sizeof logit[0]);
}

/* The head holds the x part of the first layer, and nothing else. */
Test(model, the_first_layer_is_split)
{
    setting s;
    setting_new(&s, &EXAMPLES[0], 1, 1);
    double head, trunk;
    cr_assert_eq(model_head_size(s.m), 9);
    net_flops(s.g, &head, &trunk);
    cr_assert_eq(head, 2.0 * 5 * 9);
    cr_assert_eq(trunk, 2.0 * (2 * 9 + 9 * 7 + 7));
    setting_free(&s);
}

/* ratio_network.c: the mean of two networks, by the nn functions and by differences. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { D = 2, ROWS = 5, PER_X = 7 };

static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    g->push(g, "trunk");
    nre_node a = g->linear(g, g->x, 6, 1);
    a = g->concat(g, g->theta, g->activate(g, a, NRE_TANH));
    a = g->activate(g, g->linear(g, a, 16, 1), NRE_SELU);
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static const nre_architecture_ops SMALL = {.struct_size = sizeof SMALL, .build = build};
static const nre_plugin ARCHITECTURE = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                        .name = "small",
                                        .version = "1",
                                        .summary = "for tests",
                                        .option_size = sizeof(nre_option),
                                        .ops.architecture = &SMALL};

/* Members with weights of their own, and x scaled differently for each. */
typedef struct ensemble {
    net *net;
    float *weights[2];
    model *model[2];
    scaling scale[2], *scaling[2];
    float mean[2][D], inverse[2][D];
    uint8_t kind[D];
} ensemble;

static void ensemble_open(ensemble *e)
{
    net_field field = {.name = "x", .shape = {.rank = 1, .dim = {D}}};
    net_inputs inputs = {.n_theta = D, .n_fields = 1, .fields = &field};
    cr_assert_eq(blas_start(), NRE_OK);
    cr_assert_eq(net_new(&ARCHITECTURE, NULL, &inputs, &e->net), NRE_OK, "%s",
                 error_message());
    for (int m = 0; m < 2; m++) {
        e->weights[m] = memory_new(net_n_weights(e->net), sizeof(float));
        net_init(e->net, rng_purpose(1, "init/%d", m), e->weights[m], NULL);
        cr_assert_eq(model_new(e->net, e->weights[m], NULL, &e->model[m]), NRE_OK);
        for (int k = 0; k < D; k++) {
            e->mean[m][k] = (float)m;
            e->inverse[m][k] = 1 + (float)k;
            e->kind[k] = NRE_SCALE_AFFINE;
        }
        e->scale[m] = (scaling){D, e->kind, e->mean[m], e->inverse[m]};
        e->scaling[m] = &e->scale[m];
    }
}

static void ensemble_close(ensemble *e)
{
    for (int m = 0; m < 2; m++) {
        model_free(e->model[m]);
        free(e->weights[m]);
    }
    net_free(e->net);
}

/* One pair by the functions of nn alone. */
static double by_hand(const ensemble *e, const target *t, const float *x,
                      const double *theta)
{
    float z[D], standard[D], head[64], logit;
    double sum = 0;
    target_standardise(t, 1, theta, standard, NULL);
    for (int m = 0; m < 2; m++) {
        model_worker *w = NULL;
        cr_assert_leq(model_head_size(e->model[m]), 64);
        cr_assert_eq(model_worker_new(e->model[m], &w), NRE_OK);
        scaling_apply(e->scaling[m], 1, x, z, NULL);
        cr_assert_eq(model_head(e->model[m], w, 1, z, head), NRE_OK);
        cr_assert_eq(model_trunk(e->model[m], w, 1, 1, head, standard, &logit, NULL),
                     NRE_OK);
        sum += 0.5 * (double)logit;
        model_worker_free(w);
    }
    return sum;
}

Test(ratio_network, mean_of_members)
{
    toy t = {.dim = D, .prior = TOY_UNIFORM, .a = -1, .b = 3, .sigma = 0.5};
    static fixture f;
    ensemble e;
    ratio *r = NULL;
    float x[ROWS * D];
    double theta[ROWS * PER_X * D], value[ROWS * PER_X], slope[ROWS * PER_X * D];
    rng s;
    fixture_open(&f, &t);
    ensemble_open(&e);
    cr_assert_eq(ratio_of_networks(&f.target, 2, e.model, e.scaling, &r), NRE_OK);
    fixture_use(&f, r);
    rng_start(&s, rng_purpose(1, "pairs"), 0, 0);
    for (int i = 0; i < ROWS * D; i++)
        x[i] = (float)rng_normal(&s);
    for (int i = 0; i < ROWS * PER_X * D; i++)
        theta[i] = -1 + 4 * rng_uniform(&s);
    fixture_observe(&f, ROWS, x);
    cr_assert_eq(
        ratio_evaluate(r, f.worker, f.observed, 2, 3, PER_X, theta, value, slope),
        NRE_OK);
    for (int i = 0; i < 3 * PER_X; i++) {
        const float *row = x + (2 + i / PER_X) * D;
        cr_assert_float_eq(value[i], by_hand(&e, &f.target, row, theta + i * D), 1e-5);
        for (int k = 0; k < D; k++) {
            double up[D] = {theta[i * D], theta[i * D + 1]}, down[D] = {up[0], up[1]};
            up[k] += 0.01, down[k] -= 0.01;
            double difference =
                by_hand(&e, &f.target, row, up) - by_hand(&e, &f.target, row, down);
            cr_assert_float_eq(slope[i * D + k], difference / 0.02, 2e-3);
        }
    }
    ensemble_close(&e);
    fixture_close(&f);
}

/* Rows in disorder, each with thetas of its own. */
Test(ratio_network, pairs)
{
    enum { N = 6 };
    static const size_t row[N] = {4, 1, 1, 3, 0, 1};
    toy t = {.dim = D, .prior = TOY_UNIFORM, .a = -1, .b = 3, .sigma = 0.5};
    static fixture f;
    ensemble e;
    ratio *r = NULL;
    float x[ROWS * D];
    double theta[N * D], value[N], slope[N * D], one, by[D];
    rng s;
    fixture_open(&f, &t);
    ensemble_open(&e);
    cr_assert_eq(ratio_of_networks(&f.target, 2, e.model, e.scaling, &r), NRE_OK);
    fixture_use(&f, r);
    rng_start(&s, rng_purpose(1, "pairs"), 0, 0);
    for (int i = 0; i < ROWS * D; i++)
        x[i] = (float)rng_normal(&s);
    for (int i = 0; i < N * D; i++)
        theta[i] = -1 + 4 * rng_uniform(&s);
    fixture_observe(&f, ROWS, x);
    cr_assert_eq(
        ratio_evaluate_pairs(r, f.worker, f.observed, N, row, theta, value, slope),
        NRE_OK);
    for (int i = 0; i < N; i++) {
        cr_assert_float_eq(value[i],
                           by_hand(&e, &f.target, x + row[i] * D, theta + i * D), 1e-5);
        cr_assert_eq(ratio_evaluate(r, f.worker, f.observed, row[i], 1, 1, theta + i * D,
                                    &one, by),
                     NRE_OK);
        for (int k = 0; k < D; k++)
            cr_assert_float_eq(slope[i * D + k], by[k], 1e-5);
    }
    ensemble_close(&e);
    fixture_close(&f);
}

Test(ratio_network, needs_a_member)
{
    ratio *r = NULL;
    target t = {0};
    cr_assert_eq(ratio_of_networks(&t, 0, NULL, NULL, &r), NRE_EINVAL);
    cr_assert_null(r);
}

/* The weights file. */
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float logit_of(const model *m)
{
    const float x[PROBLEM_D] = {0.5f, -0.25f}, theta[PROBLEM_D] = {1, 0.125f};
    model_worker *w = NULL;
    float *head = memory_new(model_head_size(m) + 1, sizeof *head), logit;
    cr_assert_eq(model_worker_new(m, &w), 0);
    cr_assert_eq(model_head(m, w, 1, x, head), 0);
    cr_assert_eq(model_trunk(m, w, 1, 1, head, theta, &logit, NULL), 0);
    model_worker_free(w);
    free(head);
    return logit;
}

static void save_some(problem *p, train_state *s)
{
    cr_assert_eq(state_new(p->net, 5, false, s), 0);
    net_init(p->net, rng_purpose(1, "init"), s->best_weights, s->best_buffers);
    s->best_epoch = 2;
    s->best_loss = 1.25;
    cr_assert_eq(trained_save(&p->job, s), 0, "%s", error_message());
}

Test(trained, best_weights_come_back)
{
    problem p;
    train_state s;
    model *m, *expected;
    scaling *c;
    problem_open(&p, 10, 10, 1);
    save_some(&p, &s);
    cr_assert_eq(trained_open(p.folder, p.net, &m, &c), 0, "%s", error_message());
    cr_assert_eq(model_new(p.net, s.best_weights, s.best_buffers, &expected), 0);
    cr_assert_eq(logit_of(m), logit_of(expected));
    cr_assert_eq(c->n_x, PROBLEM_D);
    cr_assert_arr_eq(c->inverse, p.inverse, sizeof p.inverse);
    cr_assert_arr_eq(c->mean, p.mean, sizeof p.mean);
    cr_assert_arr_eq(c->scale, p.scale, sizeof p.scale);
    scaling_free(c);
    model_free(m);
    model_free(expected);
    state_free(&s);
    problem_close(&p);
}

Test(trained, file_says_what_it_is_of)
{
    problem p;
    train_state s;
    store *f = NULL;
    arena *a = arena_new();
    char path[256], *text;
    int64_t epoch;
    problem_open(&p, 10, 10, 1);
    save_some(&p, &s);
    snprintf(path, sizeof path, "%s/weights.h5", p.folder);
    cr_assert_eq(store_open(path, &f), 0);
    cr_assert_eq(store_get_text(f, "parameters", a, &text), 0);
    cr_assert_str_eq(text, "a,b");
    cr_assert_eq(store_get_text(f, "blas_kernel", a, &text), 0);
    cr_assert_str_eq(text, blas_kernel());
    cr_assert_eq(store_get_int(f, "epoch", &epoch), 0);
    cr_assert_eq(epoch, 2);
    store_close(f);
    arena_free(a);
    state_free(&s);
    problem_close(&p);
}

static void expect_refused(const problem *p, const net *g, const char *words)
{
    model *m = NULL;
    scaling *c = NULL;
    cr_assert_eq(trained_open(p->folder, g, &m, &c), NRE_EDATA);
    cr_assert_null(m);
    cr_assert_null(c);
    cr_assert_not_null(strstr(error_message(), "weights.h5"), "%s", error_message());
    cr_assert_not_null(strstr(error_message(), words), "%s", error_message());
}

static nre_node one_layer(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->concat(g, g->theta, g->x), 1, 1);
}

Test(trained, missing_damaged_or_of_another_architecture_is_refused)
{
    static const nre_architecture_ops ops = {.struct_size = sizeof ops,
                                             .build = one_layer};
    static const nre_plugin other = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                     .name = "one_layer",
                                     .version = "1",
                                     .summary = "for tests",
                                     .option_size = sizeof(nre_option),
                                     .ops.architecture = &ops};
    net_field field = {.name = "x", .shape = {.rank = 1, .dim = {PROBLEM_D}}};
    net_inputs inputs = {.n_theta = PROBLEM_D, .n_fields = 1, .fields = &field};
    problem p;
    train_state s;
    net *g;
    size_t n;
    char path[256];
    problem_open(&p, 10, 10, 1);
    expect_refused(&p, p.net, "");
    save_some(&p, &s);
    cr_assert_eq(net_new(&other, NULL, &inputs, &g), 0, "%s", error_message());
    expect_refused(&p, g, "another architecture");
    char *text = problem_file(p.folder, "weights.h5", &n);
    snprintf(path, sizeof path, "%s/weights.h5", p.folder);
    text[n / 2] ^= 1;
    cr_assert_eq(file_write(path, text, n), 0);
    expect_refused(&p, p.net, "");
    free(text);
    net_free(g);
    state_free(&s);
    problem_close(&p);
}

/* Tests of nn/pool.c: windows by hand. */
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>

static int kind; /* 0 max, 1 average */

/* The sum of one pool of a line of 6 by theta. */
static nre_node build_pool(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->reshape(g, g->x, (nre_shape){2, {1, 6}});
    a = kind ? g->average_pool(g, a, 3, 2, 1) : g->max_pool(g, a, 3, 2, 1);
    return g->linear(g, g->concat(g, g->reshape(g, a, (nre_shape){1, {3}}), g->theta), 1,
                     0);
}

static const example POOL = {"pool", build_pool, 1, 1, {{"x", {1, {6}}, 0}}};

/* Logit and gradient by the weights (which are the pooled values) of one row of x. */
static void pooled(const float x[6], float value[3])
{
    net *g;
    trainer *t;
    memory_batch m;
    float w[4] = {0}, gradient[4];
    double loss, slope;
    cr_assert_eq(example_net(&POOL, &g), 0, "%s", error_message());
    memory_batch_new(&m, g, 1, 1, 2);
    memcpy(m.x, x, 6 * sizeof *x);
    cr_assert_eq(trainer_new(g, 1, 1, false, NULL, &t), 0);
    trainer_job job = memory_job(&m);
    cr_assert_eq(trainer_step(t, &job, w, NULL, gradient, &loss), 0);
    plain_loss(0, 0, &slope);
    for (size_t i = 0; i < 3; i++)
        value[i] = gradient[i] / (float)slope;
    trainer_free(t);
    memory_batch_free(&m);
    net_free(g);
}

Test(pool, the_highest_of_each_window)
{
    const float x[6] = {-5, -7, 2, 8, 8, -1};
    float v[3];
    kind = 0;
    pooled(x, v);
    cr_assert_float_eq(v[0], -5, 1e-6); /* padding is not 0 */
    cr_assert_float_eq(v[1], 8, 1e-6);
    cr_assert_float_eq(v[2], 8, 1e-6);
}

Test(pool, a_nan_is_not_hidden)
{
    const float x[6] = {1, NAN, 2, 8, 8, -1};
    float v[3];
    kind = 0;
    pooled(x, v);
    cr_assert(isnan(v[0]) && isnan(v[1]));
}

Test(pool, the_mean_counts_padding_as_zeros)
{
    const float x[6] = {3, 6, 0, 9, 3, 6};
    float v[3];
    kind = 1;
    pooled(x, v);
    cr_assert_float_eq(v[0], 3, 1e-6);
    cr_assert_float_eq(v[1], 5, 1e-6);
    cr_assert_float_eq(v[2], 6, 1e-6);
}

/* Of two that are highest, the first takes the gradient, as in PyTorch. */
Test(pool, the_first_of_two_highest_moves)
{
    const kernels *k = kernels_best();
    float x[2][4] = {{1, 2, 3, 4}, {1, 5, 3, 0}}, y[4], dx[4] = {0};
    const float dy[4] = {10, 20, 30, 40};
    uint16_t at[4] = {9, 9, 9, 9};
    for (size_t i = 0; i < 4; i++)
        y[i] = -INFINITY;
    k->raise(4, x[0], 0, y, at);
    k->raise(4, x[1], 1, y, at);
    const float highest[4] = {1, 5, 3, 4}, moved[4] = {10, 0, 30, 40};
    const uint16_t first[4] = {0, 1, 0, 0};
    cr_assert_arr_eq(y, highest, sizeof y);
    cr_assert_arr_eq(at, first, sizeof at);
    k->route(4, dy, 0, at, dx);
    cr_assert_arr_eq(dx, moved, sizeof dx);
}

/* Tests of nn/graph.c: names, shapes, kinds, and the sentences of failed calls. */
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const example FRAME = {
    "test", NULL, 2, 2, {{"a", {1, {3}}, 0}, {"b", {2, {2, 4}}, 0}}};

static int build_with(nre_node (*build)(const void *self, nre_graph *g), net **out)
{
    example e = FRAME;
    e.build = build;
    return example_net(&e, out);
}

/* failures */

static nre_node bad_add(const void *self, nre_graph *g)
{
    (void)self;
    return g->add(g, g->x, g->field(g, "b"));
}

static nre_node bad_concat(const void *self, nre_graph *g)
{
    (void)self;
    return g->concat(g, g->theta, g->field(g, "b"));
}

static nre_node bad_reshape(const void *self, nre_graph *g)
{
    (void)self;
    return g->reshape(g, g->field(g, "b"), (nre_shape){2, {3, 3}});
}

static nre_node bad_slice(const void *self, nre_graph *g)
{
    (void)self;
    return g->slice(g, g->field(g, "b"), 1, 3);
}

static nre_node bad_transpose(const void *self, nre_graph *g)
{
    (void)self;
    return g->transpose(g, g->x);
}

static nre_node bad_set(const void *self, nre_graph *g)
{
    (void)self;
    return g->set_mean(g, g->x);
}

static nre_node bad_field(const void *self, nre_graph *g)
{
    (void)self;
    return g->field(g, "c");
}

static nre_node bad_units(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->x, 0, 1);
}

static nre_node bad_dropout(const void *self, nre_graph *g)
{
    (void)self;
    return g->dropout(g, g->x, 1.0);
}

static nre_node bad_activation(const void *self, nre_graph *g)
{
    (void)self;
    return g->activate(g, g->x, (nre_activation)99);
}

static nre_node bad_node(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, 1234, 1, 1);
}

static nre_node bad_pop(const void *self, nre_graph *g)
{
    (void)self;
    g->pop(g);
    return g->linear(g, g->theta, 1, 1);
}

static nre_node bad_push(const void *self, nre_graph *g)
{
    (void)self;
    for (int i = 0; i < 100; i++)
        g->push(g, "deep%d", i);
    return g->linear(g, g->theta, 1, 1);
}

static nre_node conv_of(nre_graph *g, nre_node a, nre_conv c)
{
    return g->conv(g, a, &c);
}

static nre_node flat_conv(const void *self, nre_graph *g)
{
    (void)self;
    return conv_of(g, g->theta, (nre_conv){.channels = 4, .kernel = 3});
}

static nre_node long_conv(const void *self, nre_graph *g)
{
    (void)self;
    return conv_of(g, g->field(g, "b"),
                   (nre_conv){.channels = 4, .kernel = 3, .dilation = 9, .padding = 1});
}

static nre_node odd_groups(const void *self, nre_graph *g)
{
    (void)self;
    return conv_of(g, g->field(g, "b"),
                   (nre_conv){.channels = 5, .kernel = 1, .groups = 2});
}

static nre_node no_kernel(const void *self, nre_graph *g)
{
    (void)self;
    return conv_of(g, g->field(g, "b"), (nre_conv){.channels = 5});
}

static nre_node wide_padding(const void *self, nre_graph *g)
{
    (void)self;
    return g->max_pool(g, g->field(g, "b"), 3, 2, 2);
}

static nre_node flat_mean(const void *self, nre_graph *g)
{
    (void)self;
    return g->mean_pool(g, g->theta);
}

static nre_node wide_result(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->theta, 3, 1);
}

static nre_node x_result(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->x, 1, 1);
}

static nre_node no_result(const void *self, nre_graph *g)
{
    (void)self, (void)g;
    return -7;
}

static nre_node same_names(const void *self, nre_graph *g)
{
    (void)self;
    g->push(g, "a.linear0");
    nre_node a = g->linear(g, g->theta, 2, 1);
    g->pop(g);
    g->push(g, "a");
    a = g->linear(g, g->linear(g, a, 2, 1), 1, 1);
    g->pop(g);
    return a;
}

Test(graph, failed_calls_say_what_and_which_shapes)
{
    static const struct {
        nre_node (*build)(const void *self, nre_graph *g);
        const char *says;
    } CASES[] = {
        {bad_add, "architecture 'test': add: shapes [3] and [2][4] differ"},
        {bad_concat, "concat: shapes [2] and [2][4] differ beyond their first dimension"},
        {bad_reshape, "reshape: [3][3] does not hold the values of [2][4]"},
        {bad_slice, "slice: [1, 3) is not within [2][4]"},
        {bad_transpose, "transpose: [3] is not of two dimensions"},
        {bad_set, "set_mean: the rows of [3] are not exchangeable"},
        {bad_field, "field: x has no field 'c'"},
        {bad_units, "linear: 0 units on [3]"},
        {bad_dropout, "dropout: p = 1 is not in [0, 1)"},
        {bad_activation, "activate: there is no activation 99"},
        {bad_node, "linear: there is no node 1234"},
        {bad_pop, "pop without push"},
        {bad_push, "push: "},
        {flat_conv, "is neither [channels][length] nor [channels][height][width]"},
        {long_conv, "conv: a kernel of 3, 9 apart, does not fit [2][4] padded by 1"},
        {odd_groups, "conv: 5 channels from 2 in 2 groups"},
        {no_kernel, "conv: a kernel of 0 is not in 1 .. 255"},
        {wide_padding, "max_pool: a padding of 2 is more than half of 3"},
        {flat_mean, "mean_pool: "},
        {wide_result, "the result has shape [3], but the logit is one value"},
        {x_result, "the logit does not depend on theta"},
        {no_result, "build() returned no node"},
        {same_names, "two parameters are named 'a.linear0.weight'"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        net *g = NULL;
        cr_assert_eq(build_with(CASES[i].build, &g), NRE_EPLUGIN, "%s", CASES[i].says);
        cr_assert_null(g);
        cr_assert_not_null(strstr(error_message(), CASES[i].says), "'%s' instead of '%s'",
                           error_message(), CASES[i].says);
    }
}

/* names */

static nre_node named(const void *self, nre_graph *g)
{
    (void)self;
    g->push(g, "head");
    g->push(g, "%d", 0);
    nre_node z = g->linear(g, g->x, 4, 1);
    g->pop(g);
    g->push(g, "%d", 1);
    z = g->batch_norm(g, g->linear(g, z, 4, 0));
    z = g->linear(g, z, 5, 1);
    g->pop(g);
    g->pop(g);
    nre_node a = g->layer_norm(g, g->linear(g, g->concat(g, z, g->theta), 3, 1));
    return g->linear(g, a, 1, 1);
}

Test(graph, parameters_have_the_names_that_were_pushed)
{
    static const char *const NAMES[] = {"head.0.weight",
                                        "head.0.bias",
                                        "head.1.linear0.weight",
                                        "head.1.batch_norm0.weight",
                                        "head.1.batch_norm0.bias",
                                        "head.1.linear1.weight",
                                        "head.1.linear1.bias",
                                        "linear0.weight",
                                        "linear0.bias",
                                        "layer_norm0.weight",
                                        "layer_norm0.bias",
                                        "linear1.weight",
                                        "linear1.bias"};
    net *g = NULL;
    size_t n, at = 0;
    cr_assert_eq(build_with(named, &g), 0, "%s", error_message());
    const net_tensor *t = net_weights(g, &n);
    cr_assert_eq(n, sizeof NAMES / sizeof *NAMES);
    for (size_t i = 0; i < n; i++) {
        cr_assert_str_eq(t[i].name, NAMES[i]);
        cr_assert_eq(t[i].at, at);
        at += t[i].n;
    }
    cr_assert_eq(net_n_weights(g), at);
    cr_assert(t[7].rank == 2 && t[7].dim[0] == 3 && t[7].dim[1] == 7);
    t = net_buffers(g, &n);
    cr_assert_eq(n, 2);
    cr_assert_str_eq(t[0].name, "head.1.batch_norm0.running_mean");
    cr_assert_str_eq(t[1].name, "head.1.batch_norm0.running_var");
    cr_assert(net_has_batch_norm(g));
    cr_assert_eq(net_x_size(g), 11);
    cr_assert_eq(net_theta_size(g), 2);
    net_free(g);
}

Test(graph, describe_has_a_line_a_node)
{
    net *g = NULL;
    arena *a = arena_new();
    cr_assert_eq(build_with(named, &g), 0);
    const char *text = net_describe(g, a);
    cr_assert_not_null(strstr(text, "head.0.weight"), "%s", text);
    cr_assert_not_null(strstr(text, "x    linear"), "%s", text);
    cr_assert_not_null(strstr(text, "pair linear"), "%s", text);
    arena_free(a);
    net_free(g);
}

/* the start */

static nre_node wide(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->batch_norm(g, g->linear(g, g->field(g, NULL), 2000, 1)), 1, 1);
}

static nre_node wide_pair(const void *self, nre_graph *g)
{
    nre_node a = wide(self, g);
    return g->add(g, a, g->linear(g, g->theta, 1, 0));
}

/* U(-b, b): mean 0 and variance b^2 / 3, whose estimates have deviations b / sqrt(3 n)
 * and b^2 sqrt(4 / 45 / n). */
Test(graph, weights_start_as_in_pytorch)
{
    net *g = NULL;
    size_t n;
    cr_assert_eq(build_with(wide_pair, &g), 0, "%s", error_message());
    float *w = calloc(net_n_weights(g), sizeof *w),
          *b = calloc(net_n_buffers(g), sizeof *b);
    net_init(g, rng_purpose(1, "init/0/0"), w, b);
    const net_tensor *t = net_weights(g, &n);
    const double bound = 1 / sqrt(11.0), count = (double)t[0].n;
    double mean = 0, square = 0;
    for (size_t i = 0; i < t[0].n; i++) {
        cr_assert_leq(fabs((double)w[i]), bound * 1.000001);
        mean += (double)w[i] / count;
        square += (double)w[i] * (double)w[i] / count;
    }
    cr_assert_lt(fabs(mean), 4.5 * bound / sqrt(3 * count));
    cr_assert_lt(fabs(square - bound * bound / 3),
                 4.5 * bound * bound * sqrt(4.0 / 45 / count));
    cr_assert_eq(w[t[2].at], 1.0f);
    cr_assert_eq(w[t[3].at], 0.0f);
    const net_tensor *u = net_buffers(g, &n);
    cr_assert(b[u[0].at] == 0.0f && b[u[1].at] == 1.0f);
    float *again = calloc(net_n_weights(g), sizeof *again);
    net_init(g, rng_purpose(1, "init/0/0"), again, b);
    cr_assert_arr_eq(w, again, net_n_weights(g) * sizeof *w);
    net_init(g, rng_purpose(1, "init/0/1"), again, b);
    cr_assert_neq(memcmp(w, again, net_n_weights(g) * sizeof *w), 0);
    free(w);
    free(b);
    free(again);
    net_free(g);
}

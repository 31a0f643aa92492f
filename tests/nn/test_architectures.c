/* The architectures of plugins/: sizes, shapes, symmetries, refusals. */
#include "architecture.h"
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const net_field CURVE = {"x", {1, {62}}, 0}, IMAGE = {"x", {3, {3, 64, 64}}, 0},
                       POINTS = {"x", {2, {6, 2}}, 1},
                       THREE[] = {{"count", {1, {3}}, 0},
                                  {"curve", {2, {2, 40}}, 0},
                                  {"more", {2, {2, 5}}, 0}};
static const net_inputs OF_CURVE = {2, 1, &CURVE}, OF_IMAGE = {2, 1, &IMAGE},
                        OF_POINTS = {2, 1, &POINTS}, OF_THREE = {2, 3, THREE};

static size_t n_weights(const char *plugin, const char *const *options,
                        const net_inputs *inputs)
{
    net *g = NULL;
    cr_assert_eq(architecture_net(plugin, options, inputs, &g), 0, "%s", error_message());
    size_t n = net_n_weights(g);
    net_free(g);
    return n;
}

#define OPTIONS(...)                                                                     \
    (const char *const[])                                                                \
    {                                                                                    \
        __VA_ARGS__ __VA_OPT__(, ) NULL                                                  \
    }

static void refuses(const char *plugin, const char *const *options,
                    const net_inputs *inputs, const char *why)
{
    net *g = NULL;
    cr_assert_neq(architecture_net(plugin, options, inputs, &g), 0, "%s", plugin);
    cr_assert(strstr(error_message(), why), "%s", error_message());
}

/* Without their last layer torchvision's networks of images have so many (documented with its
 * weights: 11,689,512, 21,797,672, 25,557,032 and 44,549,160 with it). */
Test(architectures, resnets_have_the_parameters_of_torchvision)
{
    static const struct {
        const char *depth;
        size_t features, n;
    } WITH_LAST[] = {{"depth=18", 512, 11689512},
                     {"depth=34", 512, 21797672},
                     {"depth=50", 2048, 25557032},
                     {"depth=101", 2048, 44549160}};
    for (size_t i = 0; i < sizeof WITH_LAST / sizeof *WITH_LAST; i++) {
        const size_t head = WITH_LAST[i].n - 1000 * (WITH_LAST[i].features + 1);
        const size_t trunk = (WITH_LAST[i].features + 2) * 7 + 7 + 7 + 1;
        cr_expect_eq(
            n_weights("resnet",
                      OPTIONS(WITH_LAST[i].depth, "batch_norm=true", "trunk=[7]"),
                      &OF_IMAGE),
            head + trunk, "%s", WITH_LAST[i].depth);
    }
}

static const net_node *node_named(const net *g, const char *name, bool last)
{
    const net_node *found = NULL;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0 && (last || !found))
            found = &g->nodes[i];
    cr_assert(found, "no %s", name);
    return found;
}

/* 62 places: 31 after the stem's stride, 16 after its pool, then 16, 8, 4, 2. */
static void last_conv_has(const char *stem, uint32_t length)
{
    net *g = NULL;
    int status = architecture_net("resnet", OPTIONS(stem, "trunk=[4]"), &OF_CURVE, &g);
    cr_assert_eq(status, 0, "%s", error_message());
    cr_expect_eq(node_named(g, "conv", true)->shape.dim[0], 512);
    cr_expect_eq(node_named(g, "conv", true)->shape.dim[1], length, "%s", stem);
    cr_expect(!node_named(g, "conv", true)->pair, "the head is of x alone");
    net_free(g);
}

Test(architectures, resnet_lengths)
{
    last_conv_has("stem=usual", 2);
    last_conv_has("stem=small", 8);
    last_conv_has("stem_stride=1", 4);
}

Test(architectures, fields_join_the_features)
{
    /* One convolution and 8 means (or 20 places after the pool), theta, then what joins. */
    const size_t trunk = 5 + 5 + 1;
    cr_expect_eq(
        n_weights("cnn",
                  OPTIONS("channels=[8]", "kernel=3", "features=mean", "trunk=[5]"),
                  &OF_THREE),
        8 * 3 + 8 + (2 + 8 + 80 + 10) * 5 + trunk);
    cr_expect_eq(n_weights("cnn",
                           OPTIONS("channels=[8]", "kernel=3", "features=mean",
                                   "trunk=[5]", "field=curve", "join=[count]"),
                           &OF_THREE),
                 8 * 2 * 3 + 8 + (2 + 8 + 3) * 5 + trunk);
    cr_expect_eq(
        n_weights("cnn", OPTIONS("channels=[8]", "kernel=3", "trunk=[5]", "field=curve"),
                  &OF_THREE),
        8 * 2 * 3 + 8 + (2 + 8 * 20) * 5 + trunk);
    cr_expect_eq(n_weights("cnn",
                           OPTIONS("channels=[8,9]", "kernel=3", "pool=1", "stride=3",
                                   "batch_norm=true", "trunk=[5]"),
                           &OF_IMAGE),
                 8 * 3 * 9 + 16 + 9 * 8 * 9 + 18 + (2 + 9 * 64) * 5 + trunk);
}

Test(architectures, refusals)
{
    refuses("deepset", OPTIONS(), &OF_CURVE,
            "set_mean: the rows of [62] are not exchangeable");
    refuses("deepset", OPTIONS("field=rows"), &OF_THREE, "x has no field 'rows'");
    refuses("mlp", OPTIONS("residual=true", "layers=[8,8]"), &OF_CURVE, "odd number");
    refuses("mlp", OPTIONS("residual=true", "layers=[8,8,9]"), &OF_CURVE, "one width");
    refuses("resnet", OPTIONS("channels=[4,4,4,4,4]"), &OF_CURVE, "5 widths");
    refuses("resnet", OPTIONS("stem_kernel=4"), &OF_CURVE, "give an odd one");
    refuses("cnn", OPTIONS("kernel=2"), &OF_CURVE, "give an odd one");
}

/* evaluation */

/* Logits of 3 thetas for each of N rows of x. */
static void logits(const net *g, const float *weights, const float *buffers, size_t n,
                   const float *x, const float *theta, float *logit)
{
    model *m = NULL;
    model_worker *w = NULL;
    cr_assert_eq(model_new(g, weights, buffers, &m), 0, "%s", error_message());
    cr_assert_eq(model_worker_new(m, &w), 0);
    float *head = calloc(n * model_head_size(m) + 1, sizeof *head);
    cr_assert_eq(model_head(m, w, n, x, head), 0);
    cr_assert_eq(model_trunk(m, w, n, 3, head, theta, logit, NULL), 0);
    free(head);
    model_worker_free(w);
    model_free(m);
}

/* Rows turned round by one: the same but for the rounding of a sum in another order. */
Test(architectures, deepset_does_not_see_the_order_of_rows)
{
    enum { N = 4, X = 12 };
    net *g = NULL;
    float x[N * X], turned[N * X], theta[N * 3 * 2], first[N * 3], second[N * 3];
    cr_assert_eq(architecture_net("deepset", OPTIONS(), &OF_POINTS, &g), 0);
    cr_expect_eq(net_n_weights(g), 3 * 128 + 129 * 128 + 131 * 128 + 2 * 129 * 128 + 129);
    float *weights = calloc(net_n_weights(g), sizeof *weights);
    net_init(g, rng_purpose(1, "init"), weights, NULL);
    normals(1, N * X, x);
    normals(2, N * 3 * 2, theta);
    for (size_t i = 0; i < N * X; i++)
        turned[i] = x[i / X * X + (i % X + 2) % X];
    logits(g, weights, NULL, N, x, theta, first);
    logits(g, weights, NULL, N, turned, theta, second);
    for (size_t i = 0; i < N * 3; i++)
        cr_expect_float_eq(first[i], second[i], 1e-5F);
    cr_expect(fabsf(first[0] - first[3]) > 1e-4F, "x matters");
    free(weights);
    net_free(g);
}

static double selu(double x)
{
    return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
}

/* By hand: w3 selu(w2 selu(w1 selu(w0 (theta, x))) + selu(w0 (theta, x))), one unit a layer. */
Test(architectures, residual_mlp_adds_what_went_in)
{
    const net_field one = {"x", {1, {1}}, 0};
    const net_inputs inputs = {1, 1, &one};
    const float w[] = {0.5F, -0.7F, 0.1F, 0.9F, 0.2F, -1.1F, 0.3F, 1.3F, -0.4F};
    const float x = 0.8F, theta[3] = {-1.0F, 0.25F, 2.0F};
    float logit[3];
    net *g = NULL;
    cr_assert_eq(
        architecture_net("mlp", OPTIONS("residual=true", "layers=[1,1,1]"), &inputs, &g),
        0);
    cr_assert_eq(net_n_weights(g), 9);
    logits(g, w, NULL, 1, &x, theta, logit);
    for (size_t i = 0; i < 3; i++) {
        const double a = selu(0.5 * (double)theta[i] - 0.7 * 0.8 + 0.1);
        const double z = selu(-1.1 * selu(0.9 * a + 0.2) + 0.3 + a);
        cr_expect_float_eq(logit[i], 1.3 * z - 0.4, 1e-5);
    }
    net_free(g);
}

/* Tests of nn/onnx_net.c: exported networks, evaluated by plain loops over the ONNX ops, give the
 * logits of plain loops over the graph's calls. */
#include "plain.h"
#include "plain_onnx.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAIRS = 5 };

static char folder[64], path[96];

static void folder_new(void)
{
    strcpy(folder, "/tmp/nereid-onnx-net-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/n.onnx", folder);
}

static void folder_end(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(onnx_net, .init = folder_new, .fini = folder_end);

static Onnx__ModelProto *exported(const net *g, const float *weights,
                                  const float *buffers)
{
    onnx *m = NULL;
    cr_assert_eq(onnx_new("1.2.3", &m), 0);
    const char *theta = onnx_input(m, "theta", ONNX_F32, (uint32_t)net_theta_size(g));
    const char *x = onnx_input(m, "x", ONNX_F32, (uint32_t)net_x_size(g));
    onnx_output(m, "log_ratio", onnx_net(m, g, weights, buffers, "net.", theta, x));
    cr_assert_eq(onnx_save(m, path), 0, "%s", error_message());
    onnx_free(m);
    return plain_onnx_open(path);
}

static double *doubles(size_t n, const float *from)
{
    double *to = calloc(n + 1, sizeof *to);
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
    return to;
}

static void check_example(const example *e)
{
    net *g = NULL;
    memory_batch b;
    double expected[PAIRS], logit[PAIRS];
    cr_assert_eq(example_net(e, &g), 0, "%s", error_message());
    size_t n_weights = net_n_weights(g), n_buffers = net_n_buffers(g);
    float *weights = calloc(n_weights + 1, sizeof *weights),
          *buffers = calloc(n_buffers + 1, sizeof *buffers);
    net_init(g, rng_purpose(4, "init"), weights, buffers);
    for (size_t i = 0; i < n_weights; i++)
        weights[i] += 0.1f * (float)(i % 3);
    for (size_t i = 0; i < n_buffers; i++)
        buffers[i] += 0.2f * (float)(i % 4);
    memory_batch_new(&b, g, PAIRS, 1, 31);
    double *w = doubles(n_weights, weights), *s = doubles(n_buffers, buffers),
           *theta = doubles(PAIRS * net_theta_size(g), b.theta),
           *x = doubles(PAIRS * net_x_size(g), b.x);
    const plain_batch p = {e, PAIRS, 1, b.x, b.theta, w, s};
    plain_logits(&p, expected, NULL);
    Onnx__ModelProto *m = exported(g, weights, buffers);
    plain_onnx_run(m, PAIRS, theta, x, logit);
    for (size_t i = 0; i < PAIRS; i++)
        cr_assert_float_eq(logit[i], expected[i], 1e-6 * (1 + fabs(expected[i])),
                           "%s: %.9g is not %.9g", e->name, logit[i], expected[i]);
    onnx__model_proto__free_unpacked(m, NULL);
    free(w);
    free(s);
    free(theta);
    free(x);
    free(weights);
    free(buffers);
    memory_batch_free(&b);
    net_free(g);
}

Test(onnx_net, logits_are_those_of_plain_loops)
{
    for (size_t i = 0; i < N_EXAMPLES; i++)
        check_example(&EXAMPLES[i]);
}

Test(onnx_net, constants_have_the_names_and_shapes_of_the_tensors)
{
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        net *g = NULL;
        size_t n;
        cr_assert_eq(example_net(&EXAMPLES[i], &g), 0);
        float *values = calloc(net_n_weights(g) + net_n_buffers(g) + 1, sizeof *values);
        normals(2, net_n_weights(g), values);
        const net_tensor *t = net_weights(g, &n);
        Onnx__ModelProto *m = exported(g, values, values + net_n_weights(g));
        for (size_t k = 0; k < n; k++) {
            char name[128];
            snprintf(name, sizeof name, "net.%s", t[k].name);
            const Onnx__TensorProto *c = plain_onnx_constant(m, name);
            cr_assert_not_null(c, "%s: no %s", EXAMPLES[i].name, name);
            cr_assert_eq(c->n_dims, t[k].rank);
            for (uint32_t d = 0; d < t[k].rank; d++)
                cr_assert_eq(c->dims[d], t[k].dim[d]);
            float *ordered = calloc(t[k].n, sizeof *ordered);
            tensor_export(&t[k], values + t[k].at, ordered);
            cr_assert_arr_eq(c->raw_data.data, ordered, t[k].n * sizeof *ordered);
            free(ordered);
        }
        onnx__model_proto__free_unpacked(m, NULL);
        free(values);
        net_free(g);
    }
}

/* The weight whole, though the head's part is computed apart at home. */
static nre_node build_split(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->concat(g, g->x, g->theta);
    return g->linear(g, g->activate(g, g->linear(g, a, 3, 1), NRE_RELU), 1, 0);
}

Test(onnx_net, a_split_layer_is_one_gemm)
{
    static const char *const TYPES[] = {"Concat", "Gemm",    "Relu",
                                        "Gemm",   "Reshape", "Identity"};
    const example split = {"split", build_split, 2, 1, {{"x", {1, {4}}, 0}}};
    net *g = NULL;
    cr_assert_eq(example_net(&split, &g), 0);
    float *weights = calloc(net_n_weights(g), sizeof *weights);
    Onnx__ModelProto *m = exported(g, weights, NULL);
    cr_assert_eq(m->graph->n_node, sizeof TYPES / sizeof TYPES[0]);
    for (size_t i = 0; i < m->graph->n_node; i++)
        cr_assert_str_eq(m->graph->node[i]->op_type, TYPES[i]);
    cr_assert_str_eq(m->graph->node[0]->input[0], "x");
    cr_assert_str_eq(m->graph->node[0]->input[1], "theta");
    cr_assert_eq(m->graph->node[1]->n_input, 3);
    cr_assert_eq(m->graph->node[3]->n_input, 2);
    onnx__model_proto__free_unpacked(m, NULL);
    free(weights);
    net_free(g);
}

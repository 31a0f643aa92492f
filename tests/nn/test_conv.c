/* Tests of nn/conv.c: convolutions as wide as real ones against sums in double, of each kind of
 * window alone. */
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* One convolution of [channels][h][w] (h = 0: [channels][w]), then a sum of squares through
 * theta: the logit sees every value. */
typedef struct shot {
    uint32_t channels, height, width;
    nre_conv conv;
} shot;

static shot now; /* what build_shot builds: builders take no context here */

static nre_node build_shot(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->conv(g, g->x, &now.conv);
    nre_shape s = g->shape(g, a), flat = {1, {s.dim[0] * s.dim[1]}};
    flat.dim[0] *= s.rank == 3 ? s.dim[2] : 1;
    a = g->reshape(g, g->activate(g, a, NRE_TANH), flat);
    return g->linear(g, g->concat(g, a, g->theta), 1, 1);
}

static example example_of(shot s)
{
    nre_shape line = {2, {s.channels, s.width}};
    nre_shape image = {3, {s.channels, s.height, s.width}};
    now = s;
    return (example){"shot", build_shot, 1, 1, {{"x", s.height ? image : line, 0}}};
}

/* Logits and the gradient by all weights along a random direction, in double by differences: with
 * h = 1e-5 the reference is good to 1e-9, a float sum of n terms to n 6e-8 of its terms. */
static void check_shot(shot s)
{
    enum { N = 5, PER_X = 2 };
    example e = example_of(s);
    net *g;
    trainer *t;
    memory_batch m;
    double loss, plain[3] = {0}, along = 0, scale = 0, logit[N * PER_X];
    cr_assert_eq(example_net(&e, &g), 0, "%s", error_message());
    size_t n = net_n_weights(g);
    float *w = calloc(n, sizeof *w), *d = calloc(n, sizeof *d),
          *gradient = calloc(n, sizeof *gradient);
    double *moved = calloc(n, sizeof *moved);
    net_init(g, rng_purpose(4, "init"), w, NULL);
    normals(8, n, d);
    memory_batch_new(&m, g, N, PER_X, 2);
    cr_assert_eq(trainer_new(g, N, PER_X, false, NULL, &t), 0);
    trainer_job job = memory_job(&m);
    cr_assert_eq(trainer_step(t, &job, w, NULL, gradient, &loss), 0);
    for (int sign = -1; sign <= 1; sign++) {
        for (size_t i = 0; i < n; i++)
            moved[i] = (double)w[i] + sign * 1e-5 * (double)d[i];
        plain_batch b = {&e, N, PER_X, m.x, m.theta, moved, NULL};
        plain_logits(&b, logit, NULL);
        for (size_t i = 0; i < N * PER_X; i++) {
            plain[sign + 1] += plain_loss(i, logit[i], NULL);
            if (sign == 0)
                cr_assert_float_eq(m.logit[i], logit[i], 2e-5);
        }
    }
    for (size_t i = 0; i < n; i++) {
        along += (double)gradient[i] * (double)d[i];
        scale += fabs((double)gradient[i] * (double)d[i]);
    }
    cr_assert_float_eq(along, (plain[2] - plain[0]) / 2e-5, 1e-6 * scale + 1e-6,
                       "%g instead of %g", along, (plain[2] - plain[0]) / 2e-5);
    trainer_free(t);
    memory_batch_free(&m);
    net_free(g);
    free(w);
    free(d);
    free(gradient);
    free(moved);
}

Test(conv, lines)
{
    check_shot(
        (shot){1, 0, 62, {.channels = 64, .kernel = 7, .stride = 2, .padding = 3}});
    check_shot((shot){32, 0, 17, {.channels = 48, .kernel = 3, .padding = 1}});
    check_shot(
        (shot){16, 0, 9, {.channels = 32, .kernel = 3, .stride = 2, .padding = 1}});
    check_shot((shot){24, 0, 9, {.channels = 24, .kernel = 1, .stride = 2}});
    check_shot((shot){24, 0, 9, {.channels = 24, .kernel = 1, .bias = 1}});
}

/* Kernels longer than x, and windows that meet padding alone. */
Test(conv, short_lines)
{
    check_shot((shot){8, 0, 1, {.channels = 8, .kernel = 3, .padding = 1}});
    check_shot((shot){8, 0, 3, {.channels = 8, .kernel = 7, .padding = 3}});
    check_shot((shot){4, 0, 2, {.channels = 4, .kernel = 2, .padding = 3, .bias = 1}});
    check_shot(
        (shot){4, 0, 2, {.channels = 4, .kernel = 2, .padding = 4, .dilation = 5}});
}

Test(conv, dilation_and_groups)
{
    check_shot(
        (shot){8, 0, 20, {.channels = 12, .kernel = 3, .padding = 4, .dilation = 4}});
    check_shot(
        (shot){8, 0, 11, {.channels = 12, .kernel = 3, .padding = 1, .groups = 4}});
    check_shot((shot){6, 0, 11, {.channels = 6, .kernel = 1, .groups = 6, .bias = 1}});
}

Test(conv, images)
{
    check_shot((shot){3, 9, 7, {.channels = 8, .kernel = 3, .padding = 1, .stride = 2}});
    check_shot((shot){3, 4, 12, {.channels = 6, .kernel = 4, .padding = 2, .groups = 3}});
    check_shot((shot){2, 8, 8, {.channels = 4, .kernel = 2, .dilation = 3, .bias = 1}});
}

/* Multiplications of a convolution, padding counted. */
Test(conv, counts_its_operations)
{
    example e = example_of((shot){4, 0, 10, {.channels = 6, .kernel = 3, .padding = 1}});
    net *g;
    double head, trunk;
    cr_assert_eq(example_net(&e, &g), 0);
    net_flops(g, &head, &trunk);
    cr_assert_eq(head, 2 * 6 * 10 * 4 * 3 + 2 * 60);
    cr_assert_eq(trunk, 2 * 1);
    net_free(g);
}

/* PyTorch has the taps last; memory has the channels last. */
Test(conv, weights_move_between_orders)
{
    const net_tensor t = {.rank = 4, .dim = {2, 3, 1, 2}, .channels_last = true, .n = 12};
    float torch[12], ours[12], back[12];
    for (size_t i = 0; i < 12; i++)
        torch[i] = (float)i;
    tensor_import(&t, torch, ours);
    tensor_export(&t, ours, back);
    const float expected[12] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
    cr_assert_arr_eq(ours, expected, sizeof ours);
    cr_assert_arr_eq(back, torch, sizeof back);
}

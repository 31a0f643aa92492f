/* Tests of nn/plan.c: memory is used again where values have ended. */
#include "plain.h"

#include <criterion/criterion.h>

static nre_node deep(const void *self, nre_graph *g)
{
    const int *layers = self;
    nre_node a = g->concat(g, g->theta, g->x);
    for (int i = 0; i < *layers; i++)
        a = g->activate(g, g->linear(g, a, 32, 1), NRE_SELU);
    return g->linear(g, a, 1, 1);
}

static size_t floats_of(int layers, plan_mode mode, plan_part part)
{
    nre_architecture_ops ops = {.struct_size = sizeof ops, .build = deep};
    nre_plugin p = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE), .name = "deep"};
    p.ops.architecture = &ops;
    net_field field = {"x", {1, {8}}, 0};
    net_inputs in = {2, 1, &field};
    net *g = NULL;
    plan *made = NULL;
    cr_assert_eq(net_new(&p, &layers, &in, &g), 0, "%s", error_message());
    cr_assert_eq(plan_new(g, mode, part, 16, 16, &made), 0);
    size_t floats = made->floats;
    plan_free(made);
    net_free(g);
    return floats;
}

/* A layer's activation replaces its sum; two layers are alive at once. */
Test(plan, evaluation_needs_two_layers)
{
    cr_assert_eq(floats_of(20, PLAN_EVALUATE, PART_TRUNK), 2 * 16 * 32);
    cr_assert_eq(floats_of(3, PLAN_EVALUATE, PART_TRUNK), 2 * 16 * 32);
}

/* Training keeps one value a layer, and two gradients. */
Test(plan, training_keeps_one_value_a_layer)
{
    size_t ten = floats_of(10, PLAN_TRAIN, PART_ALL);
    cr_assert_eq(floats_of(20, PLAN_TRAIN, PART_ALL) - ten, 10 * 16 * 32);
}

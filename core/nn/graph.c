/* nn/graph.c - a network from an architecture's description. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

static const nre_graph CALLS = {
    .struct_size = sizeof(nre_graph),
    .field = graph_field,
    .shape = graph_shape,
    .reshape = graph_reshape,
    .concat = graph_concat,
    .add = graph_add,
    .multiply = graph_multiply,
    .slice = graph_slice,
    .transpose = graph_transpose,
    .set_mean = graph_set_mean,
    .linear = graph_linear,
    .conv = graph_conv,
    .batch_norm = graph_batch_norm,
    .layer_norm = graph_layer_norm,
    .activate = graph_activate,
    .dropout = graph_dropout,
    .max_pool = graph_max_pool,
    .mean_pool = graph_mean_pool,
    .average_pool = graph_average_pool,
    .push = graph_push,
    .pop = graph_pop,
};

/* inputs and the finish */

static int inputs_add(builder *b)
{
    const net_inputs *in = b->inputs;
    size_t size = 0;
    for (size_t i = 0; i < in->n_fields; i++) {
        if (!build_shape_good(in->fields[i].shape))
            return build_refuse(b, NRE_EPLUGIN, "field '%s' of x has shape %s",
                                in->fields[i].name,
                                build_shape_text(b, in->fields[i].shape));
        size += build_shape_size(in->fields[i].shape);
    }
    if (size == 0 || size >= BUILD_LIMIT || in->n_theta == 0)
        return build_refuse(b, NRE_EPLUGIN,
                            "a network needs x and at least one parameter");
    b->fields = arena_alloc(b->g->memory, in->n_fields, sizeof *b->fields);
    if (!b->fields)
        return build_no_memory(b);
    build_node(b, OP_INPUT, "x", build_flat(size), 0, NULL);
    int32_t theta = build_node(b, OP_INPUT, "theta", build_flat(in->n_theta), 0, NULL);
    if (theta >= 0)
        build_at(b, theta)->pair = true;
    for (size_t i = 0, first = 0; i < in->n_fields && !b->status; i++) {
        b->fields[i] = build_view(b, "field", NODE_X, first, in->fields[i].shape);
        if (b->fields[i] >= 0 && in->fields[i].exchangeable)
            build_exchangeable(build_at(b, b->fields[i]));
        first += build_shape_size(in->fields[i].shape);
    }
    b->api.theta = NODE_THETA;
    b->api.x = b->fields[0];
    return b->status;
}

/* Nodes that the logit needs; inputs come before what is made of them. */
static void mark_live(const net *g, bool *live)
{
    live[g->logit] = true;
    for (size_t i = g->n_nodes; i-- > 0;)
        for (uint32_t k = 0; live[i] && k < g->nodes[i].n_in; k++)
            live[g->nodes[g->nodes[i].in[k]].root] = true;
}

/* Live nodes by level, batch norms of a level first, else as built. */
static int order_nodes(net *g)
{
    bool *live = arena_alloc(g->memory, g->n_nodes, sizeof *live);
    g->order = arena_alloc(g->memory, g->n_nodes, sizeof *g->order);
    if (!live || !g->order)
        return fail(NRE_ENOMEM, "no memory for the network's graph");
    mark_live(g, live);
    g->levels = g->nodes[g->logit].level + 1;
    for (unsigned level = 0; level < g->levels; level++)
        for (int first = 1; first >= 0; first--)
            for (size_t i = 0; i < g->n_nodes; i++) {
                const net_node *v = &g->nodes[i];
                bool computes = live[i] && v->op != OP_INPUT && v->op != OP_VIEW;
                if (computes && v->level == level && (v->op == OP_BATCH_NORM) == first)
                    g->order[g->n_order++] = v->id;
            }
    return NRE_OK;
}

static int net_finish(builder *b, nre_node logit)
{
    net *g = b->g;
    if (b->status)
        return fail(b->status, "%s", b->message ? b->message : "out of memory");
    if (logit < 0 || (size_t)logit >= g->n_nodes)
        return fail(NRE_EPLUGIN, "build() returned no node");
    const net_node *v = &g->nodes[logit];
    if (v->size != 1)
        return fail(NRE_EPLUGIN, "the result has shape %s, but the logit is one value",
                    build_shape_text(b, v->shape));
    if (!v->pair)
        return fail(NRE_EPLUGIN, "the logit does not depend on theta");
    g->logit = build_dense(b, logit);
    if (g->logit < 0 || g->nodes[g->logit].op == OP_INPUT)
        return fail(NRE_EPLUGIN, "the logit is theta itself");
    g->logit = g->nodes[g->logit].root;
    g->n_weights = b->weights.floats;
    g->n_buffers = b->buffers.floats;
    g->n_weight_tensors = b->weights.n;
    g->n_buffer_tensors = b->buffers.n;
    int status = build_finish_list(b, &b->weights, &g->weights, &g->weight_starts);
    if (!status)
        status = build_finish_list(b, &b->buffers, &g->buffers, &g->buffer_starts);
    return status ? status : order_nodes(g);
}

int net_new(const nre_plugin *architecture, const void *self, const net_inputs *inputs,
            net **out)
{
    *out = NULL;
    builder b = {.api = CALLS, .inputs = inputs};
    int status = NRE_OK;
    b.g = calloc(1, sizeof *b.g);
    if (b.g)
        b.g->memory = arena_new();
    if (!b.g || !b.g->memory) {
        status = fail(NRE_ENOMEM, "no memory for the network's graph");
        goto out;
    }
    nre_node logit = NO_NODE;
    if (inputs_add(&b) == NRE_OK)
        logit = architecture->ops.architecture->build(self, &b.api);
    status = net_finish(&b, logit);
    if (status)
        fail_within(status, "architecture '%s'", architecture->name);
out:
    free(b.calls);
    free(b.weights.item);
    free(b.buffers.item);
    if (status)
        net_free(b.g);
    else
        *out = b.g;
    return status;
}

/* parts.h - what architectures share: the fields of x, activations, the trunk. */
#ifndef NEREID_ARCHITECTURE_PARTS_H
#define NEREID_ARCHITECTURE_PARTS_H

#include <nereid/plugin.h>

#define ACTIVATION_OPTION                                                                \
    {                                                                                    \
        .name = "activation", .type = NRE_CHOICE, .fallback = "selu",                    \
        .choices = "relu|leaky_relu|elu|selu|gelu|tanh",                                 \
        .help = "After every hidden layer."                                              \
    }

#define FIELD_OPTIONS                                                                    \
    {.name = "field",                                                                    \
     .type = NRE_STRING,                                                                 \
     .help = "Field of x that the network is made for; the first where none is named."}, \
    {                                                                                    \
        .name = "join", .type = NRE_STRING_LIST,                                         \
        .help = "Fields that meet the parameters as they are; all behind the first "     \
                "where neither this nor field is given."                                 \
    }

/* Read by those whose option table has ACTIVATION_OPTION. */
static inline nre_activation activation_of(const nre_host *host, const nre_values *v)
{
    /* In the order of the choices. */
    static const nre_activation ALL[] = {NRE_RELU, NRE_LEAKY_RELU, NRE_ELU,
                                         NRE_SELU, NRE_GELU,       NRE_TANH};
    return ALL[host->get_int(v, "activation")];
}

/* FIELD_OPTIONS as given. */
typedef struct fields {
    const char *own; /* NULL: the first */
    const char *const *join;
    size_t n_join;
} fields;

static inline fields fields_of(const nre_host *host, const nre_values *v)
{
    fields f = {.own = host->get_string(v, "field")};
    f.n_join = host->get_strings(v, "join", &f.join);
    return f;
}

static inline nre_node field_own(const fields *f, nre_graph *g)
{
    return f->own ? g->field(g, f->own) : g->x;
}

static inline nre_node flat(nre_graph *g, nre_node a)
{
    const nre_shape s = g->shape(g, a);
    nre_shape to = {.rank = 1, .dim = {1}};
    for (uint32_t i = 0; i < s.rank; i++)
        to.dim[0] *= s.dim[i];
    return g->reshape(g, a, to);
}

/* theta, FEATURES and the fields that join them, flat.  Only x precedes the trunk, so that it is
 * computed once however many thetas it meets. */
static inline nre_node joined(const fields *f, nre_graph *g, nre_node features)
{
    nre_node a = g->concat(g, g->theta, flat(g, features));
    for (size_t i = 0; i < f->n_join; i++)
        a = g->concat(g, a, flat(g, g->field(g, f->join[i])));
    if (f->own || f->n_join > 0)
        return a;
    const nre_node all = g->field(g, NULL);
    const uint32_t first = g->shape(g, flat(g, g->x)).dim[0];
    const uint32_t end = g->shape(g, all).dim[0];
    return first < end ? g->concat(g, a, g->slice(g, all, first, end)) : a;
}

/* Linear layers of these widths, "layers.0" and on, and the logit, "output". */
static inline nre_node trunk(nre_graph *g, nre_node a, size_t n, const int64_t *width,
                             nre_activation f)
{
    for (size_t i = 0; i < n; i++) {
        g->push(g, "layers.%zu", i);
        a = g->activate(g, g->linear(g, a, (uint32_t)width[i], 1), f);
        g->pop(g);
    }
    g->push(g, "output");
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

/* A field as a convolution sees it: [n] is one channel of n values. */
static inline nre_node with_channels(nre_graph *g, nre_node a)
{
    const nre_shape s = g->shape(g, a);
    const nre_shape one = {.rank = 2, .dim = {1, s.dim[0]}};
    return s.rank == 1 ? g->reshape(g, a, one) : a;
}

#endif

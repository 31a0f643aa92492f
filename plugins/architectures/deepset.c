/* deepset: one network for every row of a set, the mean over rows, a trunk with theta.
 *
 * rho(theta, mean of phi(row)) does not depend on the order of the rows (Zaheer et al. 2017,
 * arXiv:1703.06114, theorem 2). */
#include "parts.h"

static const nre_option OPTIONS[] = {
    {.name = "phi",
     .type = NRE_INT_LIST,
     .fallback = "[128, 128]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the layers that every row goes through."},
    {.name = "rho",
     .type = NRE_INT_LIST,
     .fallback = "[128, 128, 128]",
     .lo = 1,
     .hi = 65536,
     .help = "Widths of the hidden layers after the mean, where theta joins."},
    ACTIVATION_OPTION,
    FIELD_OPTIONS,
};

typedef struct deepset {
    const int64_t *phi, *rho;
    size_t n_phi, n_rho;
    nre_activation activation;
    fields fields;
} deepset;

static int create(const nre_host *host, const nre_values *v, void **self)
{
    deepset *d = host->alloc(host, 1, sizeof *d);
    if (!d)
        return host->fail(host, NRE_ENOMEM, "no memory for the architecture");
    d->n_phi = host->get_ints(v, "phi", &d->phi);
    d->n_rho = host->get_ints(v, "rho", &d->rho);
    d->activation = activation_of(host, v);
    d->fields = fields_of(host, v);
    *self = d;
    return NRE_OK;
}

static nre_node build(const void *self, nre_graph *g)
{
    const deepset *d = self;
    nre_node a = field_own(&d->fields, g);
    /* Refuses a field that is no set, with its own shape. */
    if (g->set_mean(g, a) < 0)
        return -1;
    for (size_t i = 0; i < d->n_phi; i++) {
        g->push(g, "phi.%zu", i);
        a = g->activate(g, g->linear(g, a, (uint32_t)d->phi[i], 1), d->activation);
        g->pop(g);
    }
    a = joined(&d->fields, g, g->set_mean(g, a));
    return trunk(g, a, d->n_rho, d->rho, d->activation);
}

static const nre_architecture_ops OPS = {.struct_size = sizeof OPS, .build = build};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
    .name = "deepset",
    .version = "1.0.0",
    .summary = "For rows in any order: each through one network, their mean, then theta.",
    .reference = "Zaheer et al. 2017, arXiv:1703.06114",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.architecture = &OPS,
};

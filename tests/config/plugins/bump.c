/* bump: a simulator with an option of every type. */
#include <nereid/plugin.h>

static const nre_option OPTIONS[] = {
    {.name = "noise",
     .type = NRE_REAL,
     .fallback = "0.1",
     .lo = 0,
     .hi = 10,
     .flags = NRE_OPEN_LO,
     .help = "Standard deviation of the noise."},
    {.name = "bins",
     .type = NRE_INT,
     .fallback = "64",
     .lo = 1,
     .hi = 4096,
     .help = "Pixels of the grid."},
    {.name = "wrap",
     .type = NRE_BOOL,
     .fallback = "false",
     .help = "Whether the grid is a ring."},
    {.name = "shape",
     .type = NRE_CHOICE,
     .fallback = "gauss",
     .choices = "gauss|lorentz|box",
     .help = "Shape of the bump."},
    {.name = "title",
     .type = NRE_STRING,
     .fallback = "a bump",
     .help = "What plots are called."},
    {.name = "table", .type = NRE_PATH, .help = "A table of the response."},
    {.name = "edges",
     .type = NRE_REAL_LIST,
     .fallback = "[-1, 0.5]",
     .help = "Of the grid."},
    {.name = "tags", .type = NRE_STRING_LIST, .fallback = "[a, b]", .help = "Any words."},
};

static const nre_theta THETA[] = {
    {.name = "mu", .prior = NRE_UNIFORM, .a = -1, .b = 1},
    {.name = "sigma", .prior = NRE_LOG_UNIFORM, .a = 0.1, .b = 2},
};

static const nre_field FIELDS[] = {{.name = "flux", .shape = {.rank = 1, .dim = {1}}}};

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    out->theta = THETA;
    out->n_theta = sizeof THETA / sizeof THETA[0];
    out->theta_size = sizeof THETA[0];
    out->fields = FIELDS;
    out->n_fields = 1;
    out->field_size = sizeof FIELDS[0];
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        batch->x[i] = (float)(batch->theta[2 * i] + batch->rng[i]->normal(batch->rng[i]));
    return NRE_OK;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS, .info = info, .simulate = simulate};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "bump",
    .version = "1.0.0",
    .summary = "A bump, for tests of the config.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .ops.simulator = &OPS,
};

/* minimal.h - the sound parts that the plugins of this folder share: x = mu + a standard
 * normal, twice.  Each plugin has one defect, which its first line names. */
#include <nereid/plugin.h>

enum { N_X = 2 };

static inline int minimal_info(const void *self, nre_simulator_info *out)
{
    static const nre_theta THETA[] = {
        {.name = "mu",
         .label = "\\mu",
         .prior = NRE_UNIFORM,
         .a = -1,
         .b = 1,
         .nominal = 0.5},
    };
    static const nre_field FIELDS[] = {
        {.name = "x", .label = "x", .shape = {.rank = 2, .dim = {1, N_X}}},
    };
    (void)self;
    out->n_theta = 1;
    out->theta_size = sizeof THETA[0];
    out->theta = THETA;
    out->n_fields = 1;
    out->field_size = sizeof FIELDS[0];
    out->fields = FIELDS;
    return NRE_OK;
}

/* Row I of the batch from stream RNG into X [N_X]. */
static inline void minimal_row(const nre_batch *batch, size_t i, nre_rng *rng, float *x)
{
    for (size_t k = 0; k < N_X; k++)
        x[k] = (float)(batch->theta[i] + rng->normal(rng));
}

static inline int minimal_simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        minimal_row(batch, i, batch->rng[i], batch->x + i * N_X);
    return NRE_OK;
}

#define MINIMAL_OPS(simulate_)                                                           \
    {                                                                                    \
        .struct_size = (uint32_t)sizeof(nre_simulator_ops), .info = minimal_info,        \
        .simulate = (simulate_)                                                          \
    }

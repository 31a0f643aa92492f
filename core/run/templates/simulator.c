/* @: a decaying signal, measured at 20 times with Gaussian noise.
 *
 *   x[j] = amplitude exp(-t[j] / lifetime) + noise * standard normal
 *
 * A complete simulator, to be changed into yours.  What each function owes is said in
 * nereid/plugin.h.  Build, check and use it:
 *
 *   meson setup build && ninja -C build
 *   nereid plugins check build/@.so
 *   nereid run CONFIG --plugin-path build        with `simulator: {plugin: @}` in CONFIG
 */
#include <nereid/plugin.h>

#include <math.h>

enum { N_THETA = 2, N_TIMES = 20 };

/* what the core is told: parameters with priors, the fields of x, options */

/* Any of these priors can be overridden in a config.  `nominal` is a typical truth. */
static const nre_theta THETA[N_THETA] = {
    {.name = "amplitude",
     .label = "A",
     .prior = NRE_UNIFORM,
     .a = 0.5,
     .b = 2,
     .nominal = 1},
    {.name = "lifetime",
     .label = "\\tau",
     .unit = "s",
     .prior = NRE_LOG_UNIFORM,
     .a = 0.2,
     .b = 5,
     .nominal = 1},
};

/* When x is measured, in seconds: the coordinates of the field's last axis. */
static const double TIME[N_TIMES] = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8,
                                     2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2, 3.4, 3.6, 3.8};

static const nre_field FIELDS[] = {
    {.name = "signal",
     .label = "signal",
     .unit = "V",
     .at = TIME,
     .at_label = "t [s]",
     .shape = {.rank = 2, .dim = {1, N_TIMES}}}, /* one channel */
};

/* What a config may set under `params:`; each is checked before create() is called. */
static const nre_option OPTIONS[] = {
    {.name = "noise",
     .type = NRE_REAL,
     .unit = "V",
     .fallback = "0.1",
     .lo = 0,
     .hi = 10,
     .flags = NRE_OPEN_LO,
     .help = "Standard deviation of the noise."},
};

/* an instance: the options, as numbers */

typedef struct decay {
    double noise;
} decay;

/* Memory of host->alloc is freed by the core, so that no destroy() is needed. */
static int create(const nre_host *host, const nre_values *values, void **self)
{
    decay *d = host->alloc(host, 1, sizeof *d);
    if (!d)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    d->noise = host->get_real(values, "noise");
    *self = d;
    return NRE_OK;
}

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    out->n_theta = N_THETA;
    out->theta_size = sizeof THETA[0];
    out->theta = THETA;
    out->n_fields = sizeof FIELDS / sizeof FIELDS[0];
    out->field_size = sizeof FIELDS[0];
    out->fields = FIELDS;
    return NRE_OK;
}

/* the model */

/* Row i is drawn from stream i alone: then any split of the rows, among threads or
 * batches, gives the same x.  Streams have bits(), uniform() and normal(); nereid/gsl.h
 * lends them to the distributions of GSL. */
static int simulate(const void *self, void *work, nre_batch *batch)
{
    const decay *d = self;
    (void)work; /* a workspace per thread, for those who have worker() */
    for (size_t i = 0; i < batch->n; i++) {
        const double *theta = batch->theta + i * N_THETA;
        nre_rng *rng = batch->rng[i];
        for (size_t j = 0; j < N_TIMES; j++) {
            double mean = theta[0] * exp(-TIME[j] / theta[1]);
            batch->x[i * N_TIMES + j] = (float)(mean + d->noise * rng->normal(rng));
        }
    }
    return NRE_OK;
}

/* log p(x | theta) of one pair; its derivative by theta [2] into GRAD unless that is
 * NULL. */
static double log_likelihood_of(const decay *d, const double *theta, const float *x,
                                double *grad)
{
    const double log_2_pi = 1.8378770664093453;
    double sum = -N_TIMES * (log(d->noise) + 0.5 * log_2_pi);
    double by_amplitude = 0, by_lifetime = 0;
    for (size_t j = 0; j < N_TIMES; j++) {
        double shape = exp(-TIME[j] / theta[1]);
        double residual = ((double)x[j] - theta[0] * shape) / d->noise;
        sum -= 0.5 * residual * residual;
        by_amplitude += residual / d->noise * shape;
        by_lifetime +=
            residual / d->noise * theta[0] * shape * TIME[j] / (theta[1] * theta[1]);
    }
    if (grad) {
        grad[0] = by_amplitude;
        grad[1] = by_lifetime;
    }
    return sum;
}

/* Optional, and rare: most simulators have no likelihood.  With it the core can compare
 * what was learned with the exact posterior. */
static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    for (size_t i = 0; i < n; i++)
        logl[i] = log_likelihood_of(self, theta + i * N_THETA, x + i * N_TIMES,
                                    grad ? grad + i * N_THETA : NULL);
    return NRE_OK;
}

/* the only symbol that the core sees */

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .simulate = simulate,
    .log_likelihood = log_likelihood,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "@", /* equals the name of the file */
    .version = "0.1.0",
    .summary = "A decaying signal in Gaussian noise.",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.simulator = &OPS,
};

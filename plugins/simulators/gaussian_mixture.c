/* gaussian_mixture: one mean, two Gaussians of very different width.
 *
 *   theta ~ U(-10, 10)^2    c in {0, 1} with probability 1/2    x ~ N(theta, s_c^2 I)
 *   s_0 = 1, s_1 = 0.1; one c for both coordinates
 *
 * Task of Sisson, Fan and Tanaka (2007) in two dimensions, as in Lueckmann et al. (2021);
 * the second deviation, not variance, is 0.1. By the flat prior the posterior is the same
 * mixture around x, cut at the prior's edges,
 *
 *   p(x) = sum_c Z_c / (2 20^2)    Z_c = prod_i [Phi((10 - x_i) / s_c) - Phi((-10 - x_i) /
 * s_c)]
 *
 * and a posterior draw is a c with probability Z_c / (Z_0 + Z_1), then two truncated
 * normals. */
#include <nereid/plugin.h>

#include <gsl/gsl_sf_erf.h>
#include <math.h>

enum { N_THETA = 2, N_X = 2, PARTS = 2 };
static const double HALF_WIDTH = 10, DEVIATION[PARTS] = {1, 0.1};
static const double LOG_2 = 0.69314718055994531, LOG_2_PI = 1.8378770664093454;
static const double ROOT_HALF = 0.70710678118654752;

static const nre_theta THETA[N_THETA] = {
    {.name = "theta_1",
     .label = "\\theta_1",
     .prior = NRE_UNIFORM,
     .a = -10,
     .b = 10,
     .nominal = 2},
    {.name = "theta_2",
     .label = "\\theta_2",
     .prior = NRE_UNIFORM,
     .a = -10,
     .b = 10,
     .nominal = -3},
};

static const nre_field FIELDS[] = {
    {.name = "x", .label = "x", .shape = {.rank = 1, .dim = {N_X}}},
};

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    out->n_theta = N_THETA;
    out->theta_size = sizeof THETA[0];
    out->theta = THETA;
    out->n_fields = 1;
    out->field_size = sizeof FIELDS[0];
    out->fields = FIELDS;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        nre_rng *rng = batch->rng[i];
        double deviation = DEVIATION[rng->uniform(rng) < 0.5];
        for (size_t k = i * N_X; k < (i + 1) * N_X; k++)
            batch->x[k] = (float)(batch->theta[k] + deviation * rng->normal(rng));
    }
    return NRE_OK;
}

/* log(exp(a) + exp(b)), and the share of the first. */
static double log_sum(double a, double b, double *share)
{
    double top = fmax(a, b), sum = exp(a - top) + exp(b - top);
    *share = exp(a - top) / sum;
    return top + log(sum);
}

static double log_likelihood_of(const double *theta, const float *x, double *grad)
{
    double r[N_X] = {(double)x[0] - theta[0], (double)x[1] - theta[1]};
    double squares = r[0] * r[0] + r[1] * r[1], part[PARTS], share;
    for (size_t c = 0; c < PARTS; c++)
        part[c] = -0.5 * squares / (DEVIATION[c] * DEVIATION[c]) - LOG_2_PI -
                  2 * log(DEVIATION[c]) - LOG_2;
    double logl = log_sum(part[0], part[1], &share);
    double precision = share / (DEVIATION[0] * DEVIATION[0]) +
                       (1 - share) / (DEVIATION[1] * DEVIATION[1]);
    for (size_t k = 0; grad && k < N_THETA; k++)
        grad[k] = precision * r[k];
    return logl;
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    (void)self;
    for (size_t i = 0; i < n; i++)
        logl[i] = log_likelihood_of(theta + i * N_THETA, x + i * N_X,
                                    grad ? grad + i * N_THETA : NULL);
    return NRE_OK;
}

/* log[Phi(hi) - Phi(lo)] for lo < hi, far in a tail too. */
static double log_normal_mass(double lo, double hi)
{
    if (lo < 0 && hi > 0)
        return log1p(-0.5 * (erfc(-lo * ROOT_HALF) + erfc(hi * ROOT_HALF)));
    double near = fmin(fabs(lo), fabs(hi)), far = fmax(fabs(lo), fabs(hi));
    double tail = gsl_sf_log_erfc(near * ROOT_HALF);
    return tail - LOG_2 + log1p(-exp(gsl_sf_log_erfc(far * ROOT_HALF) - tail));
}

/* log Z_c of both parts. */
static void log_masses(const float *x, double *out)
{
    for (size_t c = 0; c < PARTS; c++) {
        out[c] = 0;
        for (size_t k = 0; k < N_X; k++)
            out[c] += log_normal_mass((-HALF_WIDTH - (double)x[k]) / DEVIATION[c],
                                      (HALF_WIDTH - (double)x[k]) / DEVIATION[c]);
    }
}

static int log_evidence(const void *self, size_t n, const float *x, double *logp)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        double mass[PARTS], share;
        log_masses(x + i * N_X, mass);
        logp[i] = log_sum(mass[0], mass[1], &share) - LOG_2 - 2 * log(2 * HALF_WIDTH);
    }
    return NRE_OK;
}

/* A standard normal above LO > 0: from an exponential of the best rate (Robert 1995). */
static double draw_tail(nre_rng *rng, double lo)
{
    double rate = 0.5 * (lo + sqrt(lo * lo + 4)), z;
    do
        z = lo - log(rng->uniform(rng)) / rate;
    while (rng->uniform(rng) > exp(-0.5 * (z - rate) * (z - rate)));
    return z;
}

/* A standard normal in [lo, hi], which is wide (20 and more): one end at most cuts. */
static double draw_truncated(nre_rng *rng, double lo, double hi)
{
    double z;
    do
        z = lo > 0.5    ? draw_tail(rng, lo)
            : hi < -0.5 ? -draw_tail(rng, -hi)
                        : rng->normal(rng);
    while (z < lo || z > hi);
    return z;
}

static int posterior_sample(const void *self, const float *x, size_t n,
                            nre_rng *const *rng, double *theta)
{
    double mass[PARTS], first;
    (void)self;
    log_masses(x, mass);
    log_sum(mass[0], mass[1], &first);
    for (size_t i = 0; i < n; i++) {
        double deviation = DEVIATION[rng[i]->uniform(rng[i]) >= first];
        for (size_t k = 0; k < N_THETA; k++) {
            double centre = (double)x[k];
            double z = draw_truncated(rng[i], (-HALF_WIDTH - centre) / deviation,
                                      (HALF_WIDTH - centre) / deviation);
            theta[i * N_THETA + k] =
                fmin(fmax(centre + deviation * z, -HALF_WIDTH), HALF_WIDTH);
        }
    }
    return NRE_OK;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .simulate = simulate,
    .log_likelihood = log_likelihood,
    .log_evidence = log_evidence,
    .posterior_sample = posterior_sample,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "gaussian_mixture",
    .version = "1.0.0",
    .summary = "The common mean of a wide and a narrow Gaussian; exact likelihood and "
               "posterior.",
    .reference = "Sisson, Fan and Tanaka, PNAS 2007; Lueckmann et al., AISTATS 2021, "
                 "arXiv:2101.04653",
    .ops.simulator = &OPS,
};

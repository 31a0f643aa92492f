/* two_moons: a crescent whose position forgets a sign, so that the posterior is two
 * crescents.
 *
 *   a ~ U(-pi/2, pi/2)   r ~ N(0.1, 0.01^2)   p = (r cos a + 0.25, r sin a)
 *   x = p + (-|theta_1 + theta_2|, theta_2 - theta_1) / sqrt(2)    theta ~ U(-1, 1)^2
 *
 * Greenberg, Nonnenmacher and Macke (2019), appendix A.5.1. With q = (theta_1 + theta_2)
 * / sqrt(2) and d = (theta_2 - theta_1) / sqrt(2), a rotation of theta, x = (p_1 - |q|,
 * p_2 + d). The density of p - (0.25, 0) = (u, v) is that of (r, a) over the Jacobian
 * rho:
 *
 *   p(x | theta) = N(rho; 0.1, 0.01^2) / (pi rho)  for u > 0,  rho^2 = u^2 + v^2,
 *   u = x_1 + |q| - 0.25,  v = x_2 - d
 *
 * (r < 0, of mass 1e-23, is left out). For given x, theta -> p has Jacobian 1 and two
 * branches, q = +-(p_1 - x_1), d = x_2 - p_2; the square of the prior is |q| + |d| <
 * sqrt(2) for both:
 *
 *   p(x) = P(0 <= p_1 - x_1 < sqrt(2) - |x_2 - p_2|) / 2
 *
 * Posterior draws are draws of p that fulfil this condition, with a random sign of q. */
#include <nereid/plugin.h>

#include <gsl/gsl_integration.h>
#include <math.h>

enum { N_THETA = 2, N_X = 2, NODES = 256, TRIES = 1000000 };
static const double RADIUS = 0.1, DEVIATION = 0.01, CENTRE = 0.25;
static const double PI = 3.14159265358979324, LOG_2_PI = 1.8378770664093454;
static const double ROOT_HALF = 0.70710678118654752, ROOT_2 = 1.41421356237309505;

static const nre_theta THETA[N_THETA] = {
    {.name = "theta_1",
     .label = "\\theta_1",
     .prior = NRE_UNIFORM,
     .a = -1,
     .b = 1,
     .nominal = 0.4},
    {.name = "theta_2",
     .label = "\\theta_2",
     .prior = NRE_UNIFORM,
     .a = -1,
     .b = 1,
     .nominal = 0.1},
};

static const nre_field FIELDS[] = {
    {.name = "x", .label = "x", .shape = {.rank = 1, .dim = {N_X}}},
};

typedef struct moons {
    const nre_host *host;
    double node[NODES], weight[NODES]; /* of Gauss and Legendre on [0, 1] */
} moons;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    moons *m = host->alloc(host, 1, sizeof *m);
    gsl_integration_glfixed_table *t = gsl_integration_glfixed_table_alloc(NODES);
    (void)values;
    if (m && t) {
        m->host = host;
        for (size_t i = 0; i < NODES; i++)
            gsl_integration_glfixed_point(0, 1, i, &m->node[i], &m->weight[i], t);
    }
    *self = m;
    int status =
        m && t ? NRE_OK : host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    if (t)
        gsl_integration_glfixed_table_free(t);
    return status;
}

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

static void draw_crescent(nre_rng *rng, double *p)
{
    double a = PI * (rng->uniform(rng) - 0.5);
    double r = RADIUS + DEVIATION * rng->normal(rng);
    p[0] = r * cos(a) + CENTRE;
    p[1] = r * sin(a);
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++) {
        const double *theta = batch->theta + i * N_THETA;
        double p[2];
        draw_crescent(batch->rng[i], p);
        batch->x[i * N_X] = (float)(p[0] - fabs(theta[0] + theta[1]) * ROOT_HALF);
        batch->x[i * N_X + 1] = (float)(p[1] + (theta[1] - theta[0]) * ROOT_HALF);
    }
    return NRE_OK;
}

/* x is rounded to float: this far behind the diameter a point still belongs to its
 * crescent. */
static const double ROUNDING = 2e-7;

static double log_likelihood_of(const double *theta, const float *x, double *grad)
{
    double u = (double)x[0] + fabs(theta[0] + theta[1]) * ROOT_HALF - CENTRE;
    double v = (double)x[1] - (theta[1] - theta[0]) * ROOT_HALF;
    double rho = hypot(u, v), z = (rho - RADIUS) / DEVIATION;
    int inside = u > -ROUNDING && rho > 0;
    if (grad) {
        double slope = inside ? -z / DEVIATION - 1 / rho : 0; /* by rho */
        double by_u = inside ? slope * u / rho * ROOT_HALF : 0;
        double by_v = inside ? slope * v / rho * ROOT_HALF : 0;
        by_u = theta[0] + theta[1] < 0 ? -by_u : by_u;
        grad[0] = by_u + by_v;
        grad[1] = by_u - by_v;
    }
    if (!inside)
        return -INFINITY;
    return -0.5 * z * z - 0.5 * LOG_2_PI - log(DEVIATION * PI * rho);
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

/* p(x) */

/* Radii in [lo, hi]; each condition is slope r < bound. */
typedef struct radii {
    double lo, hi;
} radii;

static void restrict_radii(radii *r, double slope, double bound)
{
    if (slope > 0)
        r->hi = fmin(r->hi, bound / slope);
    else if (slope < 0)
        r->lo = fmax(r->lo, bound / slope);
    else if (bound <= 0)
        r->hi = 0;
}

static double normal_mass(radii r)
{
    double lo = (r.lo - RADIUS) / DEVIATION * ROOT_HALF;
    double hi = (r.hi - RADIUS) / DEVIATION * ROOT_HALF;
    if (!(lo < hi))
        return 0;
    return lo > 0 ? 0.5 * (erfc(lo) - erfc(hi)) : 0.5 * (erfc(-hi) - erfc(-lo));
}

/* P(0 <= p_1 - x_1 < sqrt(2) - |x_2 - p_2|) at the angle A: all three are linear in r. */
static double mass_at_angle(double a, double x1, double x2)
{
    double c = cos(a), s = sin(a), room = ROOT_2 - CENTRE + x1;
    radii r = {0, INFINITY};
    restrict_radii(&r, -c, CENTRE - x1);
    restrict_radii(&r, c - s, room - x2);
    restrict_radii(&r, c + s, room + x2);
    return normal_mass(r);
}

/* Over a it is smooth between the angles where a limit of r goes to infinity (+-pi/4,
 * +-pi/2) or passes a corner of the square (tan a = x_2 / room); it is steepest next to
 * those angles, where the nodes of Gauss and Legendre are dense. */
static double evidence_of(const moons *m, double x1, double x2)
{
    double reach = RADIUS + 10 * DEVIATION;
    if (x1 <= CENTRE && CENTRE - x1 + fabs(x2) + reach * ROOT_2 < ROOT_2)
        return 0.5; /* every p will do: most x */
    double corner = atan2(x2, ROOT_2 - CENTRE + x1), sum = 0;
    double edge[] = {-PI / 2, -PI / 4, fmax(fmin(corner, PI / 4), -PI / 4), PI / 4,
                     PI / 2};
    for (size_t k = 0; k + 1 < sizeof edge / sizeof edge[0]; k++) {
        double width = edge[k + 1] - edge[k];
        for (size_t i = 0; i < NODES; i++)
            sum += m->weight[i] * width *
                   mass_at_angle(edge[k] + width * m->node[i], x1, x2);
    }
    return 0.5 * sum / PI;
}

static int log_evidence(const void *self, size_t n, const float *x, double *logp)
{
    for (size_t i = 0; i < n; i++)
        logp[i] = log(evidence_of(self, (double)x[i * N_X], (double)x[i * N_X + 1]));
    return NRE_OK;
}

/* the posterior */

static int posterior_draw(const moons *m, const float *x, nre_rng *rng, double *theta)
{
    for (long tries = 0; tries < TRIES; tries++) {
        double p[2];
        draw_crescent(rng, p);
        double q = p[0] - (double)x[0], d = (double)x[1] - p[1];
        if (q < 0 || q + fabs(d) >= ROOT_2)
            continue;
        if (rng->uniform(rng) < 0.5)
            q = -q;
        theta[0] = (q - d) * ROOT_HALF;
        theta[1] = (q + d) * ROOT_HALF;
        return NRE_OK;
    }
    return m->host->fail(m->host, NRE_ENUMERIC,
                         "no theta within the prior explains x = (%g, %g) in %d draws",
                         (double)x[0], (double)x[1], TRIES);
}

static int posterior_sample(const void *self, const float *x, size_t n,
                            nre_rng *const *rng, double *theta)
{
    int status = NRE_OK;
    for (size_t i = 0; i < n && status == NRE_OK; i++)
        status = posterior_draw(self, x, rng[i], theta + i * N_THETA);
    return status;
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
    .name = "two_moons",
    .version = "1.0.0",
    .summary =
        "A crescent whose position forgets a sign; exact likelihood and posterior.",
    .reference = "Greenberg, Nonnenmacher and Macke, ICML 2019, arXiv:1905.07488",
    .create = create,
    .ops.simulator = &OPS,
};

/* slcp: simple likelihood, complex posterior.
 *
 *   theta ~ U(-3, 3)^5    m = (theta_1, theta_2)    s_1 = theta_3^2    s_2 = theta_4^2
 *   rho = tanh theta_5    S = [s_1^2 + eps, rho s_1 s_2; rho s_1 s_2, s_2^2 + eps]
 *   x = four points, independent, N(m, S): x_1, y_1, .. x_4, y_4
 *
 * Papamakarios, Sterratt and Murray (2019), section 5 and appendix A.1, where eps = 0;
 * Lueckmann et al. (2021) take eps = 1e-6. The signs of theta_3 and theta_4 leave x as it
 * is: four modes.
 *
 * With W = sum of (x - m)(x - m)^T over the points,
 *
 *   log p(x | theta) = -4 log 2 pi - 2 log |S| - tr(S^-1 W) / 2
 *   d log p / dm     = S^-1 sum of (x - m)
 *   d log p / dS     = (S^-1 W S^-1 - 4 S^-1) / 2      (elements of S taken as
 * independent)
 *
 * x is rounded to float: with eps = 0 and |theta_3| or |theta_4| below 1e-3 (0.07 % of
 * the prior) the points are as narrow as that rounding, and the density loses its digits.
 */
#include <nereid/plugin.h>

#include <math.h>

enum { N_THETA = 5, POINTS = 4, N_X = 2 * POINTS };
static const double LOG_2_PI = 1.8378770664093454;

#define THETA_OF(k_, nominal_)                                                           \
    {                                                                                    \
        .name = "theta_" #k_, .label = "\\theta_" #k_, .prior = NRE_UNIFORM, .a = -3,    \
        .b = 3, .nominal = (nominal_)                                                    \
    }
static const nre_theta THETA[N_THETA] = {
    THETA_OF(1, 0.7),  THETA_OF(2, -2.9), THETA_OF(3, -1),
    THETA_OF(4, -0.9), THETA_OF(5, 0.6),
};

static const nre_field FLAT = {
    .name = "x", .label = "x", .shape = {.rank = 1, .dim = {N_X}}};
static const nre_field EXCHANGEABLE = {.name = "x",
                                       .label = "x",
                                       .shape = {.rank = 2, .dim = {POINTS, 2}},
                                       .exchangeable = 1};

static const nre_option OPTIONS[] = {
    {.name = "variant",
     .type = NRE_CHOICE,
     .fallback = "sbibm",
     .choices = "sbibm|aalr",
     .help = "sbibm: 1e-6 is added to the variances; aalr: nothing is."},
    {.name = "rows",
     .type = NRE_CHOICE,
     .fallback = "flat",
     .choices = "flat|points",
     .help = "flat: x is 8 values; points: 4 exchangeable rows of 2."},
};

typedef struct slcp {
    double epsilon;
    const nre_field *field;
} slcp;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    slcp *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    s->epsilon = host->get_int(values, "variant") == 0 ? 1e-6 : 0;
    s->field = host->get_int(values, "rows") == 0 ? &FLAT : &EXCHANGEABLE;
    *self = s;
    return NRE_OK;
}

static int info(const void *self, nre_simulator_info *out)
{
    const slcp *s = self;
    out->n_theta = N_THETA;
    out->theta_size = sizeof THETA[0];
    out->theta = THETA;
    out->n_fields = 1;
    out->field_size = sizeof *s->field;
    out->fields = s->field;
    return NRE_OK;
}

/* A symmetric 2 x 2 matrix. */
typedef struct matrix {
    double a, b, d; /* [a, b; b, d] */
} matrix;

typedef struct covariance {
    double s1, s2, rho, sech2; /* sech2 = 1 - rho^2 */
    matrix of;
    double determinant;
} covariance;

/* The determinant without a difference: s_1^2 s_2^2 (1 - rho^2) + eps (s_1^2 + s_2^2 +
 * eps). */
static covariance covariance_of(const slcp *s, const double *theta)
{
    covariance c = {.s1 = theta[2] * theta[2], .s2 = theta[3] * theta[3]};
    double v1 = c.s1 * c.s1, v2 = c.s2 * c.s2, cosh5 = cosh(theta[4]), eps = s->epsilon;
    c.rho = tanh(theta[4]);
    c.sech2 = 1 / (cosh5 * cosh5);
    c.of = (matrix){v1 + eps, c.rho * c.s1 * c.s2, v2 + eps};
    c.determinant = fmax(v1 * v2 * c.sech2 + eps * (v1 + v2 + eps), 1e-300);
    return c;
}

/* Through the Cholesky factor of S. */
static void draw_points(const slcp *s, const double *theta, nre_rng *rng, float *x)
{
    covariance c = covariance_of(s, theta);
    double l11 = sqrt(c.of.a), l21 = l11 > 0 ? c.of.b / l11 : 0;
    double l22 = l11 > 0 ? sqrt(c.determinant) / l11 : sqrt(c.of.d);
    for (size_t k = 0; k < POINTS; k++) {
        double z1 = rng->normal(rng), z2 = rng->normal(rng);
        x[2 * k] = (float)(theta[0] + l11 * z1);
        x[2 * k + 1] = (float)(theta[1] + l21 * z1 + l22 * z2);
    }
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        draw_points(self, batch->theta + i * N_THETA, batch->rng[i], batch->x + i * N_X);
    return NRE_OK;
}

/* Sums over the points of e = x - m, and of e e^T. */
typedef struct residuals {
    double sum[2];
    matrix squares;
} residuals;

static residuals residuals_of(const double *theta, const float *x)
{
    residuals r = {{0, 0}, {0, 0, 0}};
    for (size_t k = 0; k < POINTS; k++) {
        double u = (double)x[2 * k] - theta[0], v = (double)x[2 * k + 1] - theta[1];
        r.sum[0] += u;
        r.sum[1] += v;
        r.squares.a += u * u;
        r.squares.b += u * v;
        r.squares.d += v * v;
    }
    return r;
}

/* M W M of symmetric matrices. */
static matrix sandwich(matrix m, matrix w)
{
    double p = m.a * w.a + m.b * w.b, q = m.a * w.b + m.b * w.d;
    double r = m.b * w.a + m.d * w.b, t = m.b * w.b + m.d * w.d;
    return (matrix){p * m.a + q * m.b, p * m.b + q * m.d, r * m.b + t * m.d};
}

static void gradient_of(const covariance *c, matrix inverse, const residuals *r,
                        const double *theta, double *grad)
{
    matrix g = sandwich(inverse, r->squares); /* 2 d log p / dS */
    g.a -= POINTS * inverse.a;
    g.b -= POINTS * inverse.b;
    g.d -= POINTS * inverse.d;
    grad[0] = inverse.a * r->sum[0] + inverse.b * r->sum[1];
    grad[1] = inverse.b * r->sum[0] + inverse.d * r->sum[1];
    grad[2] = 2 * theta[2] * (g.a * c->s1 + g.b * c->rho * c->s2);
    grad[3] = 2 * theta[3] * (g.d * c->s2 + g.b * c->rho * c->s1);
    grad[4] = g.b * c->s1 * c->s2 * c->sech2;
}

static double log_likelihood_of(const slcp *s, const double *theta, const float *x,
                                double *grad)
{
    covariance c = covariance_of(s, theta);
    residuals r = residuals_of(theta, x);
    matrix inverse = {c.of.d / c.determinant, -c.of.b / c.determinant,
                      c.of.a / c.determinant};
    double trace =
        inverse.a * r.squares.a + 2 * inverse.b * r.squares.b + inverse.d * r.squares.d;
    if (grad)
        gradient_of(&c, inverse, &r, theta, grad);
    return -POINTS * LOG_2_PI - 0.5 * POINTS * log(c.determinant) - 0.5 * trace;
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *logl, double *grad)
{
    for (size_t i = 0; i < n; i++)
        logl[i] = log_likelihood_of(self, theta + i * N_THETA, x + i * N_X,
                                    grad ? grad + i * N_THETA : NULL);
    return NRE_OK;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .simulate = simulate,
    .log_likelihood = log_likelihood,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "slcp",
    .version = "1.0.0",
    .summary =
        "Four points of a Gaussian whose parameters have a posterior of four modes.",
    .reference = "Papamakarios, Sterratt and Murray, AISTATS 2019, arXiv:1805.07226",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.simulator = &OPS,
};

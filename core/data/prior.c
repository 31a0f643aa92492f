/* data/prior.c - one-dimensional priors and their product. */
#include "data/data.h"

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_gamma.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SQRT_2PI 0.91893853320467274178

/* Where the value itself, or its logarithm, has mean and deviation of use. */
typedef enum natural { NATURAL_VALUE, NATURAL_LOG } natural;

/* What one family knows; *slope is never NULL here and t always lies inside the support.
 */
typedef struct family {
    const char *name;
    unsigned shows; /* which of a, b, lo, hi its text shows: bits 1, 2, 4, 8 */
    natural scale;
    const char *(*wrong)(const marginal *m); /* NULL when the numbers make a prior */
    void (*support)(const marginal *m, double *lo, double *hi);
    double (*log_density)(const marginal *m, double t, double *slope);
    double (*cdf)(const marginal *m, double t);
    double (*quantile)(const marginal *m, double u);
    void (*moments)(const marginal *m, double *mean,
                    double *deviation); /* natural scale */
} family;

/* supports */

static void support_ab(const marginal *m, double *lo, double *hi)
{
    *lo = m->a, *hi = m->b;
}

static void support_real(const marginal *m, double *lo, double *hi)
{
    (void)m;
    *lo = -INFINITY, *hi = INFINITY;
}

static void support_positive(const marginal *m, double *lo, double *hi)
{
    (void)m;
    *lo = 0, *hi = INFINITY;
}

static void support_bounds(const marginal *m, double *lo, double *hi)
{
    *lo = m->lo, *hi = m->hi;
}

/* uniform and log-uniform */

static const char *wrong_uniform(const marginal *m)
{
    return m->a < m->b && isfinite(m->b - m->a) ? NULL : "low must lie below high";
}

static double density_uniform(const marginal *m, double t, double *slope)
{
    (void)t;
    *slope = 0;
    return -(m->settled ? m->facts.log_width : log(m->b - m->a));
}

static double cdf_uniform(const marginal *m, double t)
{
    return (t - m->a) / (m->b - m->a);
}

static double quantile_uniform(const marginal *m, double u)
{
    return m->a + u * (m->b - m->a);
}

static void moments_uniform(const marginal *m, double *mean, double *deviation)
{
    *mean = m->a + 0.5 * (m->b - m->a);
    *deviation = (m->b - m->a) / sqrt(12);
}

static const char *wrong_log_uniform(const marginal *m)
{
    return m->a > 0 ? wrong_uniform(m) : "low must be above 0";
}

static double density_log_uniform(const marginal *m, double t, double *slope)
{
    *slope = -1 / t;
    return -log(t) - (m->settled ? m->facts.log_range : log(log(m->b / m->a)));
}

static double cdf_log_uniform(const marginal *m, double t)
{
    return log(t / m->a) / log(m->b / m->a);
}

static double quantile_log_uniform(const marginal *m, double u)
{
    return m->a * exp(u * log(m->b / m->a));
}

static void moments_log_uniform(const marginal *m, double *mean, double *deviation)
{
    *mean = log(m->a) + 0.5 * log(m->b / m->a);
    *deviation = log(m->b / m->a) / sqrt(12);
}

/* normal, log-normal, truncated normal */

static const char *wrong_normal(const marginal *m)
{
    return m->b > 0 ? NULL : "the deviation must be above 0";
}

static double density_normal(const marginal *m, double t, double *slope)
{
    double z = (t - m->a) / m->b;
    *slope = -z / m->b;
    return -0.5 * z * z - log(m->b) - LOG_SQRT_2PI;
}

static double cdf_normal(const marginal *m, double t)
{
    return gsl_cdf_ugaussian_P((t - m->a) / m->b);
}

static double quantile_normal(const marginal *m, double u)
{
    return m->a + m->b * gsl_cdf_ugaussian_Pinv(u);
}

static void moments_normal(const marginal *m, double *mean, double *deviation)
{
    *mean = m->a, *deviation = m->b;
}

static double density_log_normal(const marginal *m, double t, double *slope)
{
    double log_t = log(t), density = density_normal(m, log_t, slope);
    *slope = (*slope - 1) / t;
    return density - log_t;
}

static double cdf_log_normal(const marginal *m, double t)
{
    return cdf_normal(m, log(t));
}

static double quantile_log_normal(const marginal *m, double u)
{
    return exp(quantile_normal(m, u));
}

/* Bounds in deviations from the mean. */
static double low_of(const marginal *m)
{
    return (m->lo - m->a) / m->b;
}

static double high_of(const marginal *m)
{
    return (m->hi - m->a) / m->b;
}

static const char *wrong_truncated(const marginal *m)
{
    if (!(m->b > 0))
        return "the deviation must be above 0";
    if (isnan(m->lo) || isnan(m->hi) || !(m->lo < m->hi))
        return "the lower bound must lie below the upper one";
    if (fmin(fabs(low_of(m)), fabs(high_of(m))) > 1e6 && low_of(m) * high_of(m) > 0)
        return "the bounds lie more than a million deviations from the mean";
    return NULL;
}

static double density_truncated(const marginal *m, double t, double *slope)
{
    return density_normal(m, t, slope) - truncated_log_mass(low_of(m), high_of(m));
}

static double cdf_truncated(const marginal *m, double t)
{
    return truncated_cdf(low_of(m), high_of(m), (t - m->a) / m->b);
}

static double quantile_truncated(const marginal *m, double u)
{
    return m->a + m->b * truncated_quantile(low_of(m), high_of(m), u);
}

static void moments_truncated(const marginal *m, double *mean, double *deviation)
{
    truncated_moments(low_of(m), high_of(m), mean, deviation);
    *mean = m->a + m->b * *mean;
    *deviation *= m->b;
}

/* half-normal and half-Cauchy */

static const char *wrong_scale(const marginal *m)
{
    return m->b > 0 ? NULL : "the scale must be above 0";
}

static double density_half_normal(const marginal *m, double t, double *slope)
{
    double z = t / m->b;
    *slope = -z / m->b;
    return -0.5 * z * z - log(m->b) - LOG_SQRT_2PI + M_LN2;
}

static double cdf_half_normal(const marginal *m, double t)
{
    return erf(t / m->b * M_SQRT1_2);
}

/* Near 0 the inverse of erf by its series, u sqrt(pi)/2 (1 + pi u^2 / 12); else by the
 * tail. */
static double quantile_half_normal(const marginal *m, double u)
{
    if (u < 1e-4)
        return m->b * u * sqrt(M_PI_2) * (1 + M_PI * u * u / 12);
    return m->b * gsl_cdf_ugaussian_Qinv(0.5 * (1 - u));
}

static void moments_half_normal(const marginal *m, double *mean, double *deviation)
{
    *mean = m->b * sqrt(M_2_PI);
    *deviation = m->b * sqrt(1 - M_2_PI);
}

static double density_half_cauchy(const marginal *m, double t, double *slope)
{
    double z = t / m->b;
    *slope = -2 / (1 / z + z) / m->b;
    return log(M_2_PI) - log(m->b) - (z < 1e150 ? log1p(z * z) : 2 * log(z));
}

static double cdf_half_cauchy(const marginal *m, double t)
{
    return M_2_PI * atan2(t, m->b);
}

static double quantile_half_cauchy(const marginal *m, double u)
{
    return u < 0.5 ? m->b * tan(M_PI_2 * u) : m->b / tan(M_PI_2 * (1 - u));
}

/* log(t / b) is log tan of a uniform angle: mean 0, deviation pi / 2. */
static void moments_half_cauchy(const marginal *m, double *mean, double *deviation)
{
    *mean = log(m->b), *deviation = M_PI_2;
}

/* gamma and beta */

/* GSL's inverses stop early or give up for some shapes: Newton's method on F(t) = u from
 * START, kept inside a bracket that bisection shrinks. */
static double quantile_polish(const marginal *m, const family *f, double u, double start)
{
    double lo, hi, slope;
    f->support(m, &lo, &hi);
    double middle = isinf(hi) ? m->a * m->b : 0.5 * (lo + hi);
    double t = start > lo && start < hi ? start : middle;
    for (int i = 0; i < 200; i++) {
        double excess = f->cdf(m, t) - u;
        if (excess == 0)
            break;
        *(excess > 0 ? &hi : &lo) = t;
        double next = t - excess * exp(-f->log_density(m, t, &slope));
        if (!(next > lo && next < hi))
            next = isinf(hi) ? 2 * t : 0.5 * (lo + hi);
        double step = fabs(next - t);
        t = next;
        if (step <= 4 * DBL_EPSILON * fabs(t))
            break;
    }
    return t;
}

static const char *wrong_gamma(const marginal *m)
{
    return m->a > 0 && m->b > 0 ? NULL : "shape and scale must be above 0";
}

static double density_gamma(const marginal *m, double t, double *slope)
{
    *slope = (m->a - 1) / t - 1 / m->b;
    double power = m->a == 1 ? 0 : (m->a - 1) * log(t / m->b);
    return power - t / m->b - log(m->b) - gsl_sf_lngamma(m->a);
}

static double cdf_gamma(const marginal *m, double t)
{
    return gsl_cdf_gamma_P(t, m->a, m->b);
}

static double quantile_gamma(const marginal *m, double u);

static void moments_gamma(const marginal *m, double *mean, double *deviation)
{
    *mean = m->a * m->b;
    *deviation = sqrt(m->a) * m->b;
}

static double beta_lo(const marginal *m)
{
    return m->lo == m->hi ? 0 : m->lo;
}

static double beta_width(const marginal *m)
{
    return m->lo == m->hi ? 1 : m->hi - m->lo;
}

static void support_beta(const marginal *m, double *lo, double *hi)
{
    *lo = beta_lo(m);
    *hi = m->lo == m->hi ? 1 : m->hi;
}

static const char *wrong_beta(const marginal *m)
{
    if (!(m->a > 0 && m->b > 0))
        return "both shapes must be above 0";
    if (m->lo == 0 && m->hi == 0)
        return NULL;
    return m->lo < m->hi && isfinite(m->hi - m->lo)
               ? NULL
               : "the lower bound must lie below the upper one";
}

static double density_beta(const marginal *m, double t, double *slope)
{
    double w = beta_width(m), y = (t - beta_lo(m)) / w;
    double left = m->a == 1 ? 0 : (m->a - 1) / y,
           right = m->b == 1 ? 0 : (m->b - 1) / (1 - y);
    *slope = (left - right) / w;
    double log_left = m->a == 1 ? 0 : (m->a - 1) * log(y);
    double log_right = m->b == 1 ? 0 : (m->b - 1) * log1p(-y);
    return log_left + log_right - gsl_sf_lnbeta(m->a, m->b) - log(w);
}

static double cdf_beta(const marginal *m, double t)
{
    return gsl_cdf_beta_P((t - beta_lo(m)) / beta_width(m), m->a, m->b);
}

static double quantile_beta(const marginal *m, double u);

static void moments_beta(const marginal *m, double *mean, double *deviation)
{
    double sum = m->a + m->b;
    *mean = beta_lo(m) + beta_width(m) * m->a / sum;
    *deviation = beta_width(m) * sqrt(m->a * m->b / (sum + 1)) / sum;
}

/* a simulator's own joint prior */

static const char *wrong_custom(const marginal *m)
{
    (void)m;
    return NULL;
}

static void support_custom(const marginal *m, double *lo, double *hi)
{
    bool bounded = m->lo < m->hi;
    *lo = bounded ? m->lo : -INFINITY;
    *hi = bounded ? m->hi : INFINITY;
}

static double density_custom(const marginal *m, double t, double *slope)
{
    (void)m, (void)t;
    *slope = NAN;
    return NAN;
}

static double unknown_custom(const marginal *m, double t)
{
    (void)m, (void)t;
    return NAN;
}

static void moments_custom(const marginal *m, double *mean, double *deviation)
{
    *mean = m->b > 0 ? m->a : 0;
    *deviation = m->b > 0 ? m->b : 1;
}

/* the table */

static const family FAMILIES[] = {
    [NRE_UNIFORM] = {"uniform", 3, NATURAL_VALUE, wrong_uniform, support_ab,
                     density_uniform, cdf_uniform, quantile_uniform, moments_uniform},
    [NRE_LOG_UNIFORM] = {"log_uniform", 3, NATURAL_LOG, wrong_log_uniform, support_ab,
                         density_log_uniform, cdf_log_uniform, quantile_log_uniform,
                         moments_log_uniform},
    [NRE_NORMAL] = {"normal", 3, NATURAL_VALUE, wrong_normal, support_real,
                    density_normal, cdf_normal, quantile_normal, moments_normal},
    [NRE_LOG_NORMAL] = {"log_normal", 3, NATURAL_LOG, wrong_normal, support_positive,
                        density_log_normal, cdf_log_normal, quantile_log_normal,
                        moments_normal},
    [NRE_TRUNCATED_NORMAL] = {"truncated_normal", 15, NATURAL_VALUE, wrong_truncated,
                              support_bounds, density_truncated, cdf_truncated,
                              quantile_truncated, moments_truncated},
    [NRE_HALF_NORMAL] = {"half_normal", 2, NATURAL_VALUE, wrong_scale, support_positive,
                         density_half_normal, cdf_half_normal, quantile_half_normal,
                         moments_half_normal},
    [NRE_HALF_CAUCHY] = {"half_cauchy", 2, NATURAL_LOG, wrong_scale, support_positive,
                         density_half_cauchy, cdf_half_cauchy, quantile_half_cauchy,
                         moments_half_cauchy},
    [NRE_GAMMA] = {"gamma", 3, NATURAL_VALUE, wrong_gamma, support_positive,
                   density_gamma, cdf_gamma, quantile_gamma, moments_gamma},
    [NRE_BETA] = {"beta", 15, NATURAL_VALUE, wrong_beta, support_beta, density_beta,
                  cdf_beta, quantile_beta, moments_beta},
    [NRE_CUSTOM_PRIOR] = {"custom", 0, NATURAL_VALUE, wrong_custom, support_custom,
                          density_custom, unknown_custom, unknown_custom, moments_custom},
};

/* Small u: the cdf is a power of t; GSL's inverse is poor there and good elsewhere. */
static double quantile_gamma(const marginal *m, double u)
{
    double power = exp((log(u) + gsl_sf_lngamma(m->a + 1)) / m->a), start = power * m->b;
    if (start < DBL_MIN)
        return DBL_MIN;
    if (power > 0.01)
        start = u < 0.5 ? gsl_cdf_gamma_Pinv(u, m->a, m->b)
                        : gsl_cdf_gamma_Qinv(1 - u, m->a, m->b);
    return quantile_polish(m, &FAMILIES[NRE_GAMMA], u, start);
}

/* Distance from the left edge of the unit interval by the power law near it. */
static double beta_edge(double a, double b, double u)
{
    return exp((log(u) + log(a) + gsl_sf_lnbeta(a, b)) / a);
}

static double quantile_beta(const marginal *m, double u)
{
    double left = beta_edge(m->a, m->b, u), right = beta_edge(m->b, m->a, 1 - u), y;
    if (left < 0.001)
        y = left;
    else if (right < 0.001)
        y = 1 - right;
    else
        y = u < 0.5 ? gsl_cdf_beta_Pinv(u, m->a, m->b)
                    : gsl_cdf_beta_Qinv(1 - u, m->a, m->b);
    if (y < DBL_MIN || y >= 1)
        return beta_lo(m) + beta_width(m) * y; /* kept inside by the caller */
    return quantile_polish(m, &FAMILIES[NRE_BETA], u, beta_lo(m) + beta_width(m) * y);
}

static bool family_exists(uint32_t which)
{
    return which >= NRE_UNIFORM && which <= NRE_CUSTOM_PRIOR;
}

static const family *family_of(const marginal *m)
{
    bug_if(!family_exists(m->family));
    return &FAMILIES[m->family];
}

/* marginals */

static bool numbers_missing(const marginal *m, unsigned shows)
{
    return ((shows & 1) && !isfinite(m->a)) || ((shows & 2) && !isfinite(m->b));
}

int marginal_check(const marginal *m)
{
    if (!family_exists(m->family))
        return fail(NRE_EINVAL, "prior of %s: unknown family %u", m->name, m->family);
    const family *f = family_of(m);
    if (numbers_missing(m, f->shows))
        return fail(NRE_EINVAL, "prior of %s: %s wants finite numbers", m->name, f->name);
    const char *reason = f->wrong(m);
    if (reason)
        return fail(NRE_EINVAL, "prior of %s: %s: %s", m->name, f->name, reason);
    return NRE_OK;
}

static marginal_facts work_out(const marginal *m)
{
    const family *f = family_of(m);
    marginal_facts known;
    f->moments(m, &known.centre, &known.deviation);
    f->support(m, &known.lo, &known.hi);
    known.least = isinf(known.lo) ? -DBL_MAX : nextafter(known.lo, INFINITY);
    known.most = isinf(known.hi) ? DBL_MAX : nextafter(known.hi, -INFINITY);
    known.log_width = log(known.hi - known.lo);
    known.range = known.lo > 0 ? log(known.hi / known.lo) : NAN;
    known.log_range = log(known.range);
    return known;
}

void marginal_settle(marginal *m)
{
    m->facts = work_out(m);
    m->settled = true;
}

/* ROOM is where they are worked out when nobody has done so. */
static const marginal_facts *facts_of(const marginal *m, marginal_facts *room)
{
    if (m->settled)
        return &m->facts;
    *room = work_out(m);
    return room;
}

void marginal_support(const marginal *m, double *lo, double *hi)
{
    family_of(m)->support(m, lo, hi);
}

/* Inside the open support, since a rounded draw on its edge has no place on the real
 * line. */
static double keep_inside(const marginal_facts *known, double t)
{
    return t < known->least ? known->least : t > known->most ? known->most : t;
}

double marginal_sample(const marginal *m, nre_rng *stream)
{
    return marginal_quantile(m, stream->uniform(stream));
}

double marginal_log_density(const marginal *m, double t, double *slope)
{
    double lo, hi, unused = 0;
    double *to = slope ? slope : &unused;
    const family *f = family_of(m);
    f->support(m, &lo, &hi);
    *to = 0;
    if (!(t >= lo && t <= hi) || isinf(t))
        return -INFINITY;
    double density = f->log_density(m, t, to);
    if (density < INFINITY || m->family == NRE_CUSTOM_PRIOR)
        return density;
    *to = 0; /* a pole on the edge, of measure 0 */
    return -INFINITY;
}

double marginal_cdf(const marginal *m, double t)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    if (t <= lo)
        return 0;
    return t >= hi ? 1 : family_of(m)->cdf(m, t);
}

static void quiet_gsl(void)
{
    gsl_set_error_handler_off();
}

void gsl_never_aborts(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, quiet_gsl);
}

double marginal_quantile(const marginal *m, double u)
{
    marginal_facts room;
    gsl_never_aborts();
    return keep_inside(facts_of(m, &room), family_of(m)->quantile(m, u));
}

/* to the real line and back */

double marginal_to_unbounded(const marginal *m, double t)
{
    marginal_facts room;
    const marginal_facts *known = facts_of(m, &room);
    double lo = known->lo, hi = known->hi;
    t = keep_inside(known, t);
    if (m->family == NRE_LOG_UNIFORM)
        return log(log(t / lo) / log(hi / t));
    if (isinf(lo) && isinf(hi))
        return t;
    if (isinf(hi))
        return log(t - lo);
    return isinf(lo) ? -log(hi - t) : log((t - lo) / (hi - t));
}

/* s = 1 / (1 + exp(-z)) and 1 - s, each exact where it is small, with one exponential. */
typedef struct logistic {
    double s, rest, log_derivative, slope; /* slope: of log_derivative, by z */
} logistic;

static logistic logistic_of(double z)
{
    double e = exp(-fabs(z)), large = 1 / (1 + e), small = e * large;
    double bend = large - small; /* tanh(|z| / 2) */
    logistic l = {.s = large, .rest = small, .slope = -bend};
    if (z < 0)
        l = (logistic){.s = small, .rest = large, .slope = bend};
    l.log_derivative = -fabs(z) - 2 * log1p(e);
    return l;
}

static double from_half_line(double edge, double sign, double z, double *log_jacobian,
                             double *slope)
{
    *log_jacobian = sign * z;
    *slope = sign;
    return edge + sign * exp(sign * z);
}

static double from_interval(const marginal *m, const marginal_facts *known, double z,
                            double *log_jacobian, double *slope)
{
    double lo = known->lo, hi = known->hi;
    logistic l = logistic_of(z);
    *slope = l.slope;
    if (m->family != NRE_LOG_UNIFORM) {
        *log_jacobian = l.log_derivative + known->log_width;
        return z < 0 ? lo + (hi - lo) * l.s : hi - (hi - lo) * l.rest;
    }
    double range = known->range;
    double t = z < 0 ? lo * exp(range * l.s) : hi * exp(-range * l.rest);
    *slope += range * l.s * l.rest;
    *log_jacobian = l.log_derivative + log(range * t);
    return t;
}

double marginal_from_unbounded(const marginal *m, double z, double *log_jacobian,
                               double *slope)
{
    marginal_facts room;
    const marginal_facts *known = facts_of(m, &room);
    double lo = known->lo, hi = known->hi, t = z, jacobian = 0, change = 0;
    if (isfinite(lo) && isfinite(hi))
        t = from_interval(m, known, z, &jacobian, &change);
    else if (isfinite(lo))
        t = from_half_line(lo, 1, z, &jacobian, &change);
    else if (isfinite(hi))
        t = from_half_line(hi, -1, z, &jacobian, &change);
    if (log_jacobian)
        *log_jacobian = jacobian;
    if (slope)
        *slope = change;
    return keep_inside(known, t);
}

/* what a network sees */

bool marginal_natural(const marginal *m, double *centre, double *deviation)
{
    marginal_facts room;
    const marginal_facts *known = facts_of(m, &room);
    *centre = known->centre;
    *deviation = known->deviation;
    return family_of(m)->scale == NATURAL_LOG;
}

double marginal_standardise(const marginal *m, double t, double *derivative)
{
    double centre, deviation;
    bool by_log = marginal_natural(m, &centre, &deviation);
    if (derivative)
        *derivative = 1 / (by_log ? deviation * t : deviation);
    return ((by_log ? log(t) : t) - centre) / deviation;
}

/* The shortest text that reads back as VALUE. */
static const char *number_text(double value, arena *a)
{
    char *text = NULL;
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        text = arena_print(a, "%.*g", digits, value);
        if (!text || (text_to_real(text, &back) && back == value))
            break;
    }
    return text ? text : "?";
}

const char *marginal_text(const marginal *m, arena *a)
{
    const double number[4] = {m->a, m->b, m->lo, m->hi};
    const family *f = family_of(m);
    const char *text = f->name, *before = "(";
    bool unit = m->family == NRE_BETA && m->lo == m->hi;
    for (unsigned i = 0; i < (unit ? 2u : 4u); i++)
        if (f->shows & (1u << i)) {
            text = arena_print(a, "%s%s%s", text, before, number_text(number[i], a));
            before = ", ";
        }
    return f->shows ? arena_print(a, "%s)", text) : text;
}

/* products and joint priors */

static int custom_failed(const prior *p, const char *function, int status)
{
    return p->owner ? plugin_failed(p->owner->plugin->table, function, status) : status;
}

static void custom_enter(const prior *p, const char *function, uint64_t first, size_t n)
{
    if (p->owner)
        crash_enter(p->owner->plugin->table, function, first, first + n - 1);
}

static void custom_leave(const prior *p)
{
    if (p->owner)
        crash_leave();
}

static int all_finite(const prior *p, uint64_t first, size_t n, const double *theta)
{
    for (size_t i = 0; i < n * p->n; i++)
        if (!isfinite(theta[i]))
            return fail(NRE_EPLUGIN, "row %" PRIu64 ": %s is %g", first + i / p->n,
                        p->of[i % p->n].name, theta[i]);
    return NRE_OK;
}

static int sample_custom(const prior *p, rng_key key, uint64_t first, uint64_t attempt,
                         size_t n, double *theta)
{
    enum { AT_ONCE = 64 };
    rng stream[AT_ONCE];
    nre_rng *pointer[AT_ONCE];
    for (size_t done = 0; done < n;) {
        size_t some = n - done < AT_ONCE ? n - done : AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            rng_start(&stream[i], key, first + done + i, attempt);
            pointer[i] = &stream[i].api;
        }
        custom_enter(p, "prior_sample", first + done, some);
        int status = p->custom->prior_sample(p->self, some, pointer, theta + done * p->n);
        custom_leave(p);
        if (status != NRE_OK)
            return custom_failed(p, "prior_sample", status);
        status = all_finite(p, first + done, some, theta + done * p->n);
        if (status != NRE_OK)
            return custom_failed(p, "prior_sample", status);
        done += some;
    }
    return NRE_OK;
}

int prior_sample(const prior *p, rng_key key, uint64_t first, uint64_t attempt, size_t n,
                 double *theta)
{
    if (p->custom)
        return sample_custom(p, key, first, attempt, n, theta);
    for (size_t i = 0; i < n; i++) {
        rng stream;
        rng_start(&stream, key, first + i, attempt);
        for (size_t k = 0; k < p->n; k++)
            theta[i * p->n + k] = marginal_sample(&p->of[k], &stream.api);
    }
    return NRE_OK;
}

static void density_of_product(const prior *p, size_t k, const uint32_t *which, size_t n,
                               const double *theta, double *log_density, double *gradient)
{
    for (size_t i = 0; i < n; i++) {
        log_density[i] = 0;
        for (size_t j = 0; j < k; j++) {
            const marginal *m = &p->of[which ? which[j] : j];
            log_density[i] += marginal_log_density(
                m, theta[i * k + j], gradient ? &gradient[i * k + j] : NULL);
        }
    }
}

/* Every parameter, in any order: put in order, asked, and the gradient put back. */
static int density_of_all(const prior *p, const uint32_t *which, size_t n,
                          const double *theta, double *log_density, double *gradient)
{
    size_t k = p->n;
    double *ordered = memory_new(2 * n + 1, k * sizeof *ordered);
    if (!ordered)
        return fail(NRE_ENOMEM, "no memory for %zu rows of theta", n);
    double *slope = gradient ? ordered + n * k : NULL;
    for (size_t i = 0; i < n * k; i++)
        ordered[i / k * k + (which ? which[i % k] : i % k)] = theta[i];
    custom_enter(p, "prior_logpdf", 0, n);
    int status = p->custom->prior_logpdf(p->self, n, ordered, log_density, slope);
    custom_leave(p);
    for (size_t i = 0; gradient && status == NRE_OK && i < n * k; i++)
        gradient[i] = slope[i / k * k + (which ? which[i % k] : i % k)];
    free(ordered);
    return status == NRE_OK ? NRE_OK : custom_failed(p, "prior_logpdf", status);
}

static int density_of_some(const prior *p, size_t k, const uint32_t *which, size_t n,
                           const double *theta, double *log_density, bool gradient)
{
    if (!NRE_HAS(p->custom, prior_marginal_logpdf) || gradient)
        return fail(NRE_ENOTSUP,
                    "the joint prior of this simulator has no %s for a subset of its "
                    "parameters; infer all of them",
                    gradient ? "gradient" : "density");
    custom_enter(p, "prior_marginal_logpdf", 0, n);
    int status =
        p->custom->prior_marginal_logpdf(p->self, k, which, n, theta, log_density);
    custom_leave(p);
    return status == NRE_OK ? NRE_OK : custom_failed(p, "prior_marginal_logpdf", status);
}

int prior_log_density(const prior *p, size_t k, const uint32_t *which, size_t n,
                      const double *theta, double *log_density, double *gradient)
{
    if (n == 0)
        return NRE_OK;
    if (!p->custom)
        density_of_product(p, which ? k : p->n, which, n, theta, log_density, gradient);
    else {
        int status =
            !which || k == p->n
                ? density_of_all(p, which, n, theta, log_density, gradient)
                : density_of_some(p, k, which, n, theta, log_density, gradient != NULL);
        if (status != NRE_OK)
            return status;
    }
    for (size_t i = 0; i < n; i++)
        if (isnan(log_density[i]))
            return fail(NRE_ENUMERIC, "row %zu: the prior's log density is not a number",
                        i);
    return NRE_OK;
}

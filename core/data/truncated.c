/* data/truncated.c - the normal distribution inside an interval, exact in its far tails.
 *
 * In standard units, on [a, b].  h is the hazard phi / Q of the standard normal, Q its
 * upper tail: gsl_sf_hazard keeps its relative accuracy where Q itself underflows. */
#include "data/data.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_erf.h>
#include <math.h>

#define TAIL 5.0 /* beyond: work with ratios of tails instead of tails */
#define LOG_SQRT_2PI 0.91893853320467274178

/* log(Q(b) / Q(a)) for 0 <= a <= b. */
static double log_tail_ratio(double a, double b)
{
    if (isinf(b))
        return -INFINITY;
    return -0.5 * (b - a) * (b + a) + log(gsl_sf_hazard(a) / gsl_sf_hazard(b));
}

static double log_phi(double z)
{
    return -0.5 * z * z - LOG_SQRT_2PI;
}

/* A piece so short that differences of tails would cancel: midpoint rule, error (m w)^4.
 */
static double log_mass_short(double a, double b)
{
    double m = 0.5 * (a + b), w = b - a;
    return log_phi(m) + log(w) + log1p((m * m - 1) * w * w / 24);
}

/* The half that lies above 0, or most of it. */
static double log_mass_upper(double a, double b)
{
    if ((b - a) * fmax(1, fmax(fabs(a), fabs(b))) < 1e-3)
        return log_mass_short(a, b);
    if (a < 0)
        return log1p(-gsl_cdf_ugaussian_P(a) - gsl_cdf_ugaussian_Q(b));
    double log_tail = log_phi(a) - log(gsl_sf_hazard(a));
    return log_tail + log(-expm1(log_tail_ratio(a, b)));
}

/* Distance d from A, in the upper tail, where a share U of the mass of [a, b] is passed:
 * log Q(a + d) / Q(a) = log(1 - U + U Q(b) / Q(a)).  The left side is concave and falls,
 * so Newton's steps from the right approach the root without overshooting. */
static double tail_distance(double a, double b, double u)
{
    double w = b - a, h = gsl_sf_hazard(a);
    if (w * h < 1e-5)
        return -log1p(u * expm1(-0.5 * (a + b) * w)) / (0.5 * (a + b));
    double aim = log1p(u * expm1(log_tail_ratio(a, b)));
    double d = -aim / h;
    for (int i = 0; i < 60; i++) {
        double excess = log_tail_ratio(a, a + d) - aim;
        double step = excess / gsl_sf_hazard(a + d);
        d += step;
        if (fabs(step) <= 1e-16 * d)
            break;
    }
    return fmin(fmax(d, 0), w);
}

/* Neither end is far in the other's tail: an ordinary quantile of the smaller side. */
static double central_quantile(double a, double b, double u)
{
    double below = gsl_cdf_ugaussian_P(a), above = gsl_cdf_ugaussian_Q(b);
    if (b - a < 1e-6)
        return a + u * (b - a);
    if (a >= 0) {
        double q = gsl_cdf_ugaussian_Q(a);
        return gsl_cdf_ugaussian_Qinv((1 - u) * q + u * above);
    }
    if (b <= 0) {
        double p = gsl_cdf_ugaussian_P(b);
        return gsl_cdf_ugaussian_Pinv((1 - u) * below + u * p);
    }
    double mass = 1 - below - above;
    if (below + u * mass < 0.5)
        return gsl_cdf_ugaussian_Pinv(below + u * mass);
    return gsl_cdf_ugaussian_Qinv(above + (1 - u) * mass);
}

double truncated_quantile(double a, double b, double u)
{
    if (a >= TAIL)
        return a + tail_distance(a, b, u);
    if (b <= -TAIL)
        return b - tail_distance(-b, -a, 1 - u);
    return fmin(fmax(central_quantile(a, b, u), a), b);
}

/* 1 - Q(z) / Q(a); a short piece as in tail_distance. */
static double tail_share(double a, double z)
{
    double w = z - a, h = gsl_sf_hazard(a), m = 0.5 * (a + z);
    if (w * h < 1e-5)
        return -h * expm1(-m * w) / m;
    return -expm1(log_tail_ratio(a, z));
}

double truncated_log_mass(double a, double b)
{
    return b <= 0 ? log_mass_upper(-b, -a) : log_mass_upper(a, b);
}

double truncated_cdf(double a, double b, double z)
{
    if (z <= a)
        return 0;
    if (z >= b)
        return 1;
    if (a >= TAIL)
        return tail_share(a, z) / tail_share(a, b);
    if (b <= -TAIL)
        return 1 - tail_share(-b, -z) / tail_share(-b, -a);
    return exp(truncated_log_mass(a, z) - truncated_log_mass(a, b));
}

/* Mean and deviation by Gauss-Legendre panels over what carries mass, as moments of the
 * distance from the end with the higher density: the closed forms cancel in the tails. */
static void moments_upper(double a, double b, double *mean, double *deviation)
{
    enum { PANELS = 16, POINTS = 20 };
    double peak = fmax(a, 0), from = a > 0 ? 0 : fmax(a, -10);
    double to = fmin(b - peak, a > 0 ? 40 / gsl_sf_hazard(a) : 10), moment[3] = {0, 0, 0};
    gsl_integration_glfixed_table *table = gsl_integration_glfixed_table_alloc(POINTS);
    *mean = peak + 0.5 * (from + to), *deviation = (to - from) / sqrt(12);
    if (!table)
        return;
    for (int panel = 0; panel < PANELS; panel++)
        for (size_t i = 0; i < POINTS; i++) {
            double width = (to - from) / PANELS, left = from + panel * width, s, weight;
            gsl_integration_glfixed_point(left, left + width, i, &s, &weight, table);
            weight *= exp(-0.5 * s * (s + 2 * peak));
            for (int k = 0; k < 3; k++)
                moment[k] += weight * pow(s, k);
        }
    gsl_integration_glfixed_table_free(table);
    double shift = moment[1] / moment[0];
    *mean = peak + shift;
    *deviation = sqrt(moment[2] / moment[0] - shift * shift);
}

void truncated_moments(double a, double b, double *mean, double *deviation)
{
    if (b > 0) {
        moments_upper(a, b, mean, deviation);
        return;
    }
    moments_upper(-b, -a, mean, deviation);
    *mean = -*mean;
}

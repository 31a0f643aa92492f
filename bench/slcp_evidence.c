/* slcp_evidence.c - log p(x) of the simulator slcp, by quadrature.
 *
 * Four points around m with covariance S(theta3, theta4, theta5): over m the likelihood
 * is a Gaussian, so that p(x) = mean over theta3..5 of (2 pi)^-3 |S|^-3/2 / 4
 * exp(-tr(S^-1 W) / 2) P(m in box) / 36 with W the scatter of the points and m ~ N(mean
 * of x, S / 4); three dimensions and one inside the box are left.  The signs of theta3
 * and theta4 do not matter. Good to 1e-3, where the points nearly lie on a line to 0.1:
 * compared with three times the nodes. */
#include "learning.h"

#include <gsl/gsl_integration.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

enum { POINTS = 4, SCALES = 32, CORRELATIONS = 24, INSIDE = 12 };
static const double BOX = 3, EPSILON = 1e-6, NEGLIGIBLE = 16;

typedef struct scatter {
    double mean[2], a, b, c; /* sum of squares, of products, of squares */
} scatter;

typedef struct nodes {
    size_t n;
    double at[SCALES], log_weight[SCALES];
} nodes;

static scatter scatter_of(const float *x)
{
    scatter s = {{0, 0}, 0, 0, 0};
    for (int i = 0; i < 2 * POINTS; i++)
        s.mean[i % 2] += (double)x[i] / POINTS;
    for (int i = 0; i < POINTS; i++) {
        double u = (double)x[2 * i] - s.mean[0], v = (double)x[2 * i + 1] - s.mean[1];
        s.a += u * u;
        s.b += u * v;
        s.c += v * v;
    }
    return s;
}

static void place(nodes *n, size_t count, double lo, double hi)
{
    gsl_integration_glfixed_table *t = gsl_integration_glfixed_table_alloc(count);
    n->n = count;
    for (size_t i = 0; i < count; i++) {
        double weight;
        gsl_integration_glfixed_point(lo, hi, i, &n->at[i], &weight, t);
        n->log_weight[i] = log(weight);
    }
    gsl_integration_glfixed_table_free(t);
}

/* Standard deviations: |theta| = e^t is uniform on (0, 3), below e^lo the scatter SQUARES
 * is out of reach. */
static void place_scale(nodes *n, double squares)
{
    double lo = fmax(0.25 * log(fmax(squares, 1e-12) / 80), log(1e-3));
    place(n, SCALES, fmin(lo, log(BOX) - 1), log(BOX));
    for (size_t i = 0; i < SCALES; i++) {
        n->log_weight[i] += n->at[i] - log(BOX);
        n->at[i] = exp(2 * n->at[i]);
    }
}

static double normal_cdf(double t)
{
    return 0.5 * erfc(-t * M_SQRT1_2);
}

/* P(lo < t < hi) of a normal, by the tail that keeps its digits. */
static double between(double mean, double deviation)
{
    double lo = (-BOX - mean) / deviation, hi = (BOX - mean) / deviation;
    return lo > 0 ? normal_cdf(-lo) - normal_cdf(-hi) : normal_cdf(hi) - normal_cdf(lo);
}

/* P(both |m| < 3) of the mean of the points, covariance (p, q; q, r): the second given
 * the first, over the part of the box where the first has mass. */
static double box_mass(const scatter *s, double p, double q, double r,
                       const nodes *inside)
{
    double d = sqrt(p), lo = fmax(-BOX, s->mean[0] - 7 * d),
           hi = fmin(BOX, s->mean[0] + 7 * d);
    double rest = sqrt(fmax(r - q * q / p, 1e-300)), sum = 0;
    bool deep = s->mean[0] - 7 * d > -BOX && s->mean[0] + 7 * d < BOX;
    if (deep && fabs(s->mean[1]) + 7 * sqrt(r) < BOX)
        return 1;
    if (lo >= hi)
        return 0;
    for (size_t i = 0; i < inside->n; i++) {
        double m = lo + (hi - lo) * inside->at[i], z = (m - s->mean[0]) / d;
        sum += exp(inside->log_weight[i] - 0.5 * z * z) *
               between(s->mean[1] + q / p * (m - s->mean[0]), rest);
    }
    return sum * (hi - lo) / (d * sqrt(2 * M_PI));
}

double slcp_log_evidence(const float *x)
{
    scatter s = scatter_of(x);
    nodes first, second, rho, inside;
    double top = -INFINITY, sum = 0;
    place_scale(&first, s.a);
    place_scale(&second, s.c);
    place(&rho, CORRELATIONS, -BOX, BOX);
    place(&inside, INSIDE, 0, 1);
    for (size_t i = 0; i < SCALES; i++)
        for (size_t j = 0; j < SCALES; j++)
            for (size_t k = 0; k < CORRELATIONS; k++) {
                double p = first.at[i] * first.at[i] + EPSILON;
                double r = second.at[j] * second.at[j] + EPSILON;
                double q = tanh(rho.at[k]) * first.at[i] * second.at[j],
                       det = p * r - q * q;
                double t = (r * s.a - 2 * q * s.b + p * s.c) / det;
                double value = first.log_weight[i] + second.log_weight[j] +
                               rho.log_weight[k] - log(2 * BOX) - 1.5 * log(det) -
                               0.5 * t;
                if (value < top - NEGLIGIBLE)
                    continue;
                value += log(box_mass(&s, p / POINTS, q / POINTS, r / POINTS, &inside));
                if (value > top) {
                    sum *= exp(top - value);
                    top = value;
                }
                if (value > -INFINITY)
                    sum += exp(value - top);
            }
    return top + log(sum) - 3 * log(2 * M_PI) - log(4) - 2 * log(2 * BOX);
}

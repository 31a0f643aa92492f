/* kicks.c - what the passage of a subhalo does to the frequencies along a stream (Sanders, Bovy &
 * Erkal 2016, MNRAS 457, 3817). */
#include "gd1.h"

#include <float.h>
#include <math.h>

/* With e = (r - B) / (r + B), the pull of a Hernquist sphere of scale radius r, integrated along a
 * straight passage at distance B, is 2 G M / u times B h(B), and
 *     h(B) = [(1 + e) T(e) - 1] / [e (r + B)^2],   T(e) = atanh(sqrt e) / sqrt e = sum e^k / (2 k + 1)
 * (Sanders, Bovy & Erkal 2016, section 3.2 and eq. A7, in a form without the pole at B = r). */
static double hernquist(double r, double distance)
{
    double sum = r + distance, e = (r - distance) / sum;
    if (fabs(e) < 0.02) { /* e^7 and on add 2e-13 */
        double series = 0;
        for (int k = 6; k >= 0; k--)
            series = series * e + (1. / (2 * k + 1) + 1. / (2 * k + 3));
        return series / (sum * sum);
    }
    double root = sqrt(fabs(e));
    double t = e > 0 ? log((1 + root) * (1 + root) * sum / (2 * distance)) / 2 / root
                     : atan(root) / root;
    return ((1 + e) * t - 1) / (e * sum * sum);
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (size_t i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Where the subhalo is, as seen from the angle of impact, at closest approach. */
static void closest_approach(const impact *i, const double v[3], double out[3])
{
    cross(i->velocity, v, out);
    double scale = i->parameter / sqrt(dot(out, out));
    for (size_t k = 0; k < 3; k++)
        out[k] *= scale;
}

/* Sanders, Bovy & Erkal (2016), eqs. 3 to 8. */
void kick_add(const points *s, const impact *i, const double point[6], double *dv)
{
    double nearest[3];
    closest_approach(i, point + 3, nearest);
    for (size_t n = 0; n < s->n; n++) {
        double beta[3], u[3];
        for (size_t k = 0; k < 3; k++) {
            beta[k] = nearest[k] + s->position[k * s->stride + n] - point[k];
            u[k] = i->velocity[k] - s->velocity[k * s->stride + n];
        }
        double square = dot(u, u), along = dot(beta, u) / square;
        for (size_t k = 0; k < 3; k++)
            beta[k] -= along * u[k];
        double size = -2 * i->mass / sqrt(square) *
                      hernquist(i->radius, sqrt(dot(beta, beta) + DBL_MIN));
        for (size_t k = 0; k < 3; k++)
            dv[k * s->stride + n] += size * beta[k];
    }
}

void kick_frequencies(const points *s, const double *dv, double *out)
{
    const double *x = dv, *y = x + s->stride, *z = y + s->stride;
    const double *gx = s->gain, *gy = gx + s->stride, *gz = gy + s->stride;
    for (size_t i = 0; i < s->n; i++)
        out[i] = gx[i] * x[i] + gy[i] * y[i] + gz[i] * z[i];
}

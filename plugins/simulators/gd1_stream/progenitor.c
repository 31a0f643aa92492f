/* progenitor.c - the orbit of GD-1's progenitor, and the direction in which its stars drift away
 * (Bovy 2014, ApJ 795, 95, section 3). */
#include "gd1.h"

#include <string.h>

/* Extremes and mean of the radius over the last 100 units of time, in 10000 samples. */
static void orbit_measure(const double today[6], progenitor *out)
{
    enum { ROUNDS = 101, STEPS = 99 };
    double path[STEPS + 1][6], sum = hypot(hypot(today[0], today[1]), today[2]);
    out->apocentre = out->pericentre = sum, out->height = fabs(today[2]);
    memcpy(path[STEPS], today, sizeof path[STEPS]);
    for (int round = 0; round < ROUNDS; round++) {
        double start[6];
        memcpy(start, path[STEPS], sizeof start);
        orbit_of(start, -100.0 / (ROUNDS * STEPS), STEPS, path[0]);
        for (int k = 1; k <= STEPS; k++) {
            double r = hypot(hypot(path[k][0], path[k][1]), path[k][2]);
            out->apocentre = fmax(out->apocentre, r);
            out->pericentre = fmin(out->pericentre, r);
            out->height = fmax(out->height, fabs(path[k][2]));
            sum += r;
        }
    }
    out->mean_radius = sum / (ROUNDS * STEPS + 1);
}

/* H diag(s^2) H^T, the covariance of frequencies where actions spread by S. */
static void covariance_of(double hessian[3][3], const double s[3], double out[3][3])
{
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            out[i][j] = 0;
            for (size_t k = 0; k < 3; k++)
                out[i][j] += hessian[i][k] * s[k] * s[k] * hessian[j][k];
        }
}

/* Largest eigenvalue and its unit vector, by powers: for a stream it exceeds the next by far, here
 * a thousandfold. */
static double largest_eigenvalue(double matrix[3][3], double vector[3])
{
    double length = 0;
    memcpy(vector, matrix[0], 3 * sizeof *vector);
    for (int round = 0; round < 100; round++) {
        double next[3];
        for (size_t i = 0; i < 3; i++)
            next[i] = matrix[i][0] * vector[0] + matrix[i][1] * vector[1] +
                      matrix[i][2] * vector[2];
        length = sqrt(next[0] * next[0] + next[1] * next[1] + next[2] * next[2]);
        for (size_t i = 0; i < 3; i++)
            vector[i] = next[i] / length;
    }
    return length;
}

/* The spread of the actions is that of velocities, equal in all directions, where it changes an
 * action most: Eyre & Binney (2011, MNRAS 413, 1852). */
void progenitor_measure(double velocity_dispersion, orbit_space *space, progenitor *out)
{
    double cylindrical[6], jacobian[6][6], covariance[3][3];
    rectangular_of_sky(PROGENITOR_SKY, out->today);
    cylindrical_of(out->today, cylindrical);
    action_angle_slopes(cylindrical, space, &out->of, jacobian, out->hessian);
    orbit_measure(out->today, out);

    double v = velocity_dispersion * GD1_KM_S * GD1_GYR;
    double spread[3] = {(out->apocentre - out->pericentre) * v / GD1_PI,
                        out->pericentre * v, 2 * out->height * v / GD1_PI};
    covariance_of(out->hessian, spread, covariance);
    out->spread_age = sqrt(largest_eigenvalue(covariance, out->direction));
    const double *e = out->direction, *omega = out->of.frequency;
    out->speed = e[0] * omega[0] + e[1] * omega[1] + e[2] * omega[2];
    if (out->speed > 0) {
        for (size_t i = 0; i < 3; i++)
            out->direction[i] *= -1;
        out->speed *= -1;
    }
}

/* student.h - mixtures of multivariate Student-t's, which samplers propose from. */
#ifndef STUDENT_H
#define STUDENT_H

#include "team.h"

enum { DOF = 5, MOST_PARTS = 16 };

typedef struct mixture {
    size_t n;
    double share[MOST_PARTS];    /* they sum to 1 */
    double log_norm[MOST_PARTS]; /* log of share / |factor| */
    double *mean;                /* [parts][d] */
    double *factor; /* [parts][d][d] lower Cholesky factors of the scale matrices */
} mixture;

static inline size_t mixture_size(size_t parts, size_t d)
{
    return parts * d * (d + 1);
}

/* In mixture_size() doubles at P; what follows them. */
static inline double *mixture_lay(mixture *m, size_t parts, size_t d, double *p)
{
    *m = (mixture){.mean = p, .factor = p + parts * d};
    return p + mixture_size(parts, d);
}

/* Of part K at Z, in units of its scale.  WORK: [d]. */
static inline double square_distance(size_t d, const mixture *m, size_t k,
                                     const double *z, double *work)
{
    const double *mean = m->mean + k * d, *factor = m->factor + k * d * d;
    double square = 0;
    for (size_t a = 0; a < d; a++) {
        double v = z[a] - mean[a];
        for (size_t b = 0; b < a; b++)
            v -= factor[a * d + b] * work[b];
        work[a] = v / factor[a * d + a];
        square += work[a] * work[a];
    }
    return square;
}

/* Log density, without the constant log_unit(); of each part in PART [n], its squared distance in
 * SQUARE [n] or NULL. */
static inline double log_mixture(size_t d, const mixture *m, const double *z,
                                 double *work, double *part, double *square)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < m->n; k++) {
        double s = square_distance(d, m, k, z, work);
        part[k] = m->log_norm[k] - 0.5 * (DOF + (double)d) * log1p(s / DOF);
        most = part[k] > most ? part[k] : most;
        if (square)
            square[k] = s;
    }
    if (m->n == 1 || most == -INFINITY)
        return most;
    for (size_t k = 0; k < m->n; k++)
        sum += exp(part[k] - most);
    return most + log(sum);
}

/* Of a Student-t in D dimensions. */
static inline double log_unit(size_t d)
{
    return lgamma(0.5 * (DOF + (double)d)) - lgamma(0.5 * DOF) -
           0.5 * (double)d * log(DOF * acos(-1.0));
}

/* Chi-squared with DOF degrees of freedom: two exponentials and the square of a normal. */
static inline double draw_chi_squared(nre_rng *rng)
{
    double normal = rng->normal(rng), u = rng->uniform(rng);
    return normal * normal - 2 * log(u * rng->uniform(rng));
}

static inline size_t draw_part(const mixture *m, nre_rng *rng)
{
    size_t k = 0;
    if (m->n == 1)
        return 0;
    double u = rng->uniform(rng);
    while (k + 1 < m->n && u > m->share[k])
        u -= m->share[k++];
    return k;
}

/* WORK: [d]. */
static inline void draw_mixture(size_t d, const mixture *m, nre_rng *rng, double *work,
                                double *z)
{
    size_t k = draw_part(m, rng);
    double longer = sqrt(DOF / draw_chi_squared(rng));
    draw_normals(rng, d, work);
    memcpy(z, m->mean + k * d, d * sizeof *z);
    add_correlated(d, m->factor + k * d * d, longer, work, z);
}

#endif

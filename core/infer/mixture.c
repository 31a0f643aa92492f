/* infer/mixture.c - Student-t mixtures: fit, density, draws. */
#include "infer/infer.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { DOF = 5, KMEANS_ROUNDS = 5 };
static const double FLOOR = 1e-6; /* of a variance, relative to that of all points */

size_t mixture_size(uint32_t dim)
{
    return (size_t)MIXTURE_MOST * (2 + dim + 2 * (size_t)dim * dim) + dim;
}

size_t mixture_fit_size(uint32_t dim, size_t m)
{
    return 2 * m + mixture_size(dim) + (size_t)dim * dim + 3 * dim;
}

static void lay(mixture *q, uint32_t dim, double *at)
{
    q->dim = dim;
    q->share = at;
    q->norm = at + MIXTURE_MOST;
    q->mean = at + 2 * MIXTURE_MOST;
    q->factor = q->mean + (size_t)MIXTURE_MOST * dim;
    q->inverse = q->factor + (size_t)MIXTURE_MOST * dim * dim;
    q->work = q->inverse + (size_t)MIXTURE_MOST * dim * dim;
}

/* What a fit works with. */
typedef struct fitting {
    uint32_t dim;
    size_t m;
    const double *z; /* [m][dim] */
    double effective;
    uint32_t *owner;  /* [m] component of each point */
    double *distance; /* [m] */
    double *variance; /* [dim] of all points */
    double *weight;   /* [dim] 1 / variance */
    double *pooled;   /* [dim][dim] covariance within components */
} fitting;

static void moments(fitting *f, double *mean)
{
    size_t d = f->dim;
    memset(mean, 0, d * sizeof *mean);
    memset(f->variance, 0, d * sizeof *mean);
    for (size_t i = 0; i < f->m; i++)
        for (size_t k = 0; k < d; k++)
            mean[k] += f->z[i * d + k] / (double)f->m;
    for (size_t i = 0; i < f->m; i++)
        for (size_t k = 0; k < d; k++) {
            double off = f->z[i * d + k] - mean[k];
            f->variance[k] += off * off / (double)f->m;
        }
    for (size_t k = 0; k < d; k++) {
        f->variance[k] += DBL_MIN + 1e-20 * mean[k] * mean[k];
        f->weight[k] = 1 / f->variance[k];
    }
}

static double distance_to(const fitting *f, size_t i, const double *mean)
{
    double sum = 0;
    for (size_t k = 0; k < f->dim; k++) {
        double off = f->z[i * f->dim + k] - mean[k];
        sum += off * off * f->weight[k];
    }
    return sum;
}

/* Centres as k-means++ (Arthur & Vassilvitskii 2007): far from those there are. */
static void seed_centres(fitting *f, mixture *q, rng *r)
{
    size_t d = f->dim;
    for (size_t i = 0; i < f->m; i++)
        f->distance[i] = 1;
    for (uint32_t c = 0; c < q->n; c++) {
        double total = 0;
        for (size_t i = 0; i < f->m; i++)
            total += f->distance[i];
        double left = rng_uniform(r) * total;
        size_t pick = 0;
        for (; pick + 1 < f->m && left > f->distance[pick]; pick++)
            left -= f->distance[pick];
        memcpy(q->mean + c * d, f->z + pick * d, d * sizeof *f->z);
        for (size_t i = 0; i < f->m; i++) {
            double near = distance_to(f, i, q->mean + c * d);
            f->distance[i] = c == 0 ? near : fmin(f->distance[i], near);
        }
    }
}

static void assign(fitting *f, const mixture *q)
{
    for (size_t i = 0; i < f->m; i++) {
        double least = INFINITY;
        for (uint32_t c = 0; c < q->n; c++) {
            double near = distance_to(f, i, q->mean + c * f->dim);
            if (near < least) {
                least = near;
                f->owner[i] = c;
            }
        }
    }
}

/* Shares and means of the points that a component owns; one without points keeps its
 * mean. */
static void update(const fitting *f, mixture *q)
{
    size_t d = f->dim;
    double sum[MIXTURE_MOST] = {0};
    for (size_t i = 0; i < f->m; i++)
        sum[f->owner[i]] += 1;
    for (uint32_t c = 0; c < q->n; c++) {
        q->share[c] = sum[c] / (double)f->m;
        if (sum[c] > 0)
            memset(q->mean + c * d, 0, d * sizeof *q->mean);
    }
    for (size_t i = 0; i < f->m; i++)
        for (size_t k = 0; k < d; k++)
            q->mean[f->owner[i] * d + k] += f->z[i * d + k] / sum[f->owner[i]];
}

/* Sums of products of deviations of component C into S [dim][dim], lower triangle. */
static void scatter(const fitting *f, const mixture *q, uint32_t c, double *s)
{
    size_t d = f->dim;
    const double *mean = q->mean + c * d;
    for (size_t i = 0; i < f->m; i++) {
        if (f->owner[i] != c)
            continue;
        const double *z = f->z + i * d;
        for (size_t a = 0; a < d; a++)
            for (size_t b = 0; b <= a; b++)
                s[a * d + b] += (z[a] - mean[a]) * (z[b] - mean[b]);
    }
}

/* In place, lower triangle; pivots never fall below LEAST. */
static void cholesky(size_t d, double *s, const double *least)
{
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = s[a * d + b];
            for (size_t k = 0; k < b; k++)
                sum -= s[a * d + k] * s[b * d + k];
            if (a == b)
                s[a * d + a] = sqrt(fmax(sum, FLOOR * least[a]));
            else
                s[a * d + b] = sum / s[b * d + b];
        }
}

/* The covariance of a component counts as dim + 2 points more of the pooled one. */
static void factors(fitting *f, mixture *q)
{
    size_t d = f->dim;
    double extra = (double)d + 2, m = (double)f->m;
    memset(f->pooled, 0, d * d * sizeof *f->pooled);
    for (uint32_t c = 0; c < q->n; c++)
        scatter(f, q, c, f->pooled);
    for (uint32_t c = 0; c < q->n; c++) {
        double *s = q->factor + c * d * d, count = q->share[c] * m;
        memset(s, 0, d * d * sizeof *s);
        scatter(f, q, c, s);
        for (size_t i = 0; i < d * d; i++)
            s[i] = (s[i] + extra * f->pooled[i] / m) / (count + extra);
        for (size_t k = 0; k < d; k++)
            s[k * d + k] += FLOOR * f->variance[k];
        cholesky(d, s, f->variance);
    }
}

/* Inverse of the lower triangular factor, by forward substitution of unit vectors. */
static void invert(size_t d, const double *factor, double *out)
{
    memset(out, 0, d * d * sizeof *out);
    for (size_t c = 0; c < d; c++)
        for (size_t a = c; a < d; a++) {
            double sum = a == c;
            for (size_t b = c; b < a; b++)
                sum -= factor[a * d + b] * out[b * d + c];
            out[a * d + c] = sum / factor[a * d + a];
        }
}

static void constants(mixture *q)
{
    size_t d = q->dim;
    int sign;
    double base = lgamma_r(0.5 * (DOF + (double)d), &sign) - lgamma_r(0.5 * DOF, &sign) -
                  0.5 * (double)d * log(DOF * M_PI);
    q->log_unit = -INFINITY;
    for (uint32_t c = 0; c < q->n; c++) {
        double log_norm = base + log(q->share[c]);
        invert(d, q->factor + c * d * d, q->inverse + c * d * d);
        for (size_t k = 0; k < d; k++)
            log_norm -= log(q->factor[(c * d + k) * d + k]);
        q->norm[c] = log_norm;
        q->log_unit = fmax(q->log_unit, log_norm);
    }
    for (uint32_t c = 0; c < q->n; c++)
        q->norm[c] = exp(q->norm[c] - q->log_unit);
}

/* Bayesian information criterion, a point, larger is better. */
static double score(const fitting *f, const mixture *q)
{
    double sum = 0, d = f->dim, n = q->n;
    for (size_t i = 0; i < f->m; i++)
        sum += q->log_unit + log(mixture_density(q, f->z + i * f->dim));
    double parameters = n * (1 + d + 0.5 * d * (d + 1)) - 1;
    return sum / (double)f->m - 0.5 * parameters * log(f->effective) / f->effective;
}

static void fit_some(fitting *f, mixture *q, uint32_t n, rng *r)
{
    q->n = n;
    seed_centres(f, q, r);
    for (int i = 0; i < (n > 1 ? KMEANS_ROUNDS : 1); i++) {
        assign(f, q);
        update(f, q);
    }
    factors(f, q);
    constants(q);
}

void mixture_fit(mixture *q, uint32_t dim, size_t m, const double *z, double effective,
                 rng *r, double *at, double *scratch)
{
    size_t d = dim;
    fitting f = {.dim = dim,
                 .m = m,
                 .z = z,
                 .effective = fmax(effective, 2),
                 .owner = (uint32_t *)(void *)scratch,
                 .distance = scratch + m,
                 .variance = scratch + 2 * m,
                 .weight = scratch + 2 * m + 2 * d,
                 .pooled = scratch + 2 * m + 3 * d};
    mixture trial;
    double best = -INFINITY;
    lay(q, dim, at);
    lay(&trial, dim, f.pooled + d * d);
    moments(&f, f.variance + d);
    for (uint32_t n = 1; n <= MIXTURE_MOST; n *= 2) {
        if (n > 1 && effective < (double)(n * 2 * (d + 1)))
            break;
        fit_some(&f, &trial, n, r);
        double now = score(&f, &trial);
        if (n > 1 && !(now > best)) /* four corners are no better as two halves */
            continue;
        best = now;
        q->n = n;
        q->log_unit = trial.log_unit;
        memcpy(at, trial.share, mixture_size(dim) * sizeof *at);
    }
}

double mixture_density(const mixture *q, const double *z)
{
    size_t d = q->dim;
    double sum = 0;
    for (uint32_t c = 0; c < q->n; c++) {
        const double *mean = q->mean + c * d, *inverse = q->inverse + c * d * d;
        double square = 0, *off = q->work;
        for (size_t a = 0; a < d; a++)
            off[a] = z[a] - mean[a];
        for (size_t a = 0; a < d; a++, inverse += d) {
            double y = 0;
            for (size_t b = 0; b <= a; b++)
                y += inverse[b] * off[b];
            square += y * y;
        }
        double root = sqrt(1 + square / DOF), power = 1;
        for (size_t k = 0; k < d + DOF; k++)
            power *= root;
        sum += q->norm[c] / power;
    }
    return sum;
}

void mixture_sample(const mixture *q, rng *r, double *z)
{
    size_t d = q->dim;
    double left = rng_uniform(r), two = rng_uniform(r) * rng_uniform(r),
           one = rng_normal(r);
    double chi = one * one - 2 * log(two); /* 5 degrees of freedom: 1 + 2 + 2 */
    uint32_t c = 0;
    for (; c + 1 < q->n && left > q->share[c]; c++)
        left -= q->share[c];
    double stretch = sqrt(DOF / chi);
    for (size_t k = 0; k < d; k++)
        z[k] = rng_normal(r);
    for (size_t a = d; a-- > 0;) {
        double sum = 0;
        for (size_t b = 0; b <= a; b++)
            sum += q->factor[(c * d + a) * d + b] * z[b];
        z[a] = q->mean[c * d + a] + stretch * sum;
    }
}

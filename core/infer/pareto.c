/* infer/pareto.c - Pareto-smoothed importance weights and k-hat.
 * Vehtari, Simpson, Gelman, Yao & Gabry 2024, Journal of Machine Learning Research 25, 72. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_TAIL = 5, PRIOR_DRAWS = 10 };

typedef struct ranked {
    double value; /* log weight; in the tail, exceedance over the cut */
    size_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    int order = (x->value > y->value) - (x->value < y->value);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int check(size_t n, const double *log_weight)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (isnan(log_weight[i]) || log_weight[i] == INFINITY)
            return fail(NRE_ENUMERIC, "importance weight %zu of %zu is not a number", i,
                        n);
        any = any || log_weight[i] > -INFINITY;
    }
    return any ? NRE_OK : fail(NRE_ENUMERIC, "all %zu importance weights are zero", n);
}

/* Generalised Pareto distribution of exceedances, F(y) = 1 - (1 + k y / sigma)^(-1 / k). */
typedef struct tail {
    double k, sigma;
} tail;

/* Its shape where k / sigma is -THETA: the mean of log(1 - theta y). */
static double shape_at(size_t m, const ranked *y, double theta)
{
    double sum = 0;
    for (size_t i = 0; i < m; i++)
        sum += log1p(-theta * y[i].value);
    return sum / (double)m;
}

/* Zhang & Stephens 2009, Technometrics 51, 316, eqs. 5 to 7, of m sorted exceedances: the
 * posterior mean of theta under their prior, by a sum over its quantiles; PROFILE is
 * scratch for their log likelihoods.  Their k is -k. */
static tail fit(size_t m, const ranked *y, size_t n_theta, double *profile)
{
    double quartile = y[(size_t)((double)m / 4 + 0.5) - 1].value, mean = 0, total = 0;
    double *theta = profile + n_theta, top = -INFINITY;
    for (size_t j = 0; j < n_theta; j++) {
        theta[j] = 1 / y[m - 1].value +
                   (1 - sqrt((double)n_theta / ((double)j + 0.5))) / (3 * quartile);
        double k = shape_at(m, y, theta[j]);
        profile[j] = (double)m * (log(-theta[j] / k) - k - 1);
        top = fmax(top, profile[j]);
    }
    for (size_t j = 0; j < n_theta; j++) {
        double weight = exp(profile[j] - top);
        if (isfinite(weight)) {
            mean += weight * theta[j];
            total += weight;
        }
    }
    mean /= total;
    double k = shape_at(m, y, mean);
    return (tail){.k = k, .sigma = -k / mean};
}

static double quantile(const tail *t, double p)
{
    return t->k == 0 ? -t->sigma * log1p(-p) : t->sigma * expm1(-t->k * log1p(-p)) / t->k;
}

/* The tail's exceedances replaced by what the fit expects of them, cut at the largest; logs
 * of weights are relative to TOP, CUT is the weight below the tail in the same unit. */
static void replace(size_t m, const ranked *y, const tail *t, double cut, double top,
                    double *log_weight)
{
    for (size_t i = 0; i < m; i++) {
        double weight = cut + quantile(t, ((double)i + 0.5) / (double)m);
        log_weight[y[i].at] = top + log(fmin(weight, 1));
    }
}

/* The M largest of N sorted log weights as exceedances over the next, the largest weight
 * being 1; ties with it are left out.  How many there are from FIRST on. */
static size_t exceed(size_t n, ranked *sorted, size_t m, ranked **first, double *cut)
{
    double top = sorted[n - 1].value;
    ranked *y = sorted + n - m;
    *cut = exp(sorted[n - m - 1].value - top);
    for (size_t i = 0; i < m; i++)
        y[i].value = exp(y[i].value - top) - *cut;
    for (; m > 0 && y->value <= 0; y++)
        m--;
    *first = y;
    return m;
}

static int smooth(size_t n, ranked *sorted, double *log_weight, double *k_hat)
{
    double top = sorted[n - 1].value, cut;
    size_t m = (size_t)ceil(fmin(0.2 * (double)n, 3 * sqrt((double)n)));
    ranked *y;
    *k_hat = NAN;
    if (m < LEAST_TAIL)
        return NRE_OK;
    if (sorted[n - m].value == top) {
        *k_hat = 0;
        return NRE_OK;
    }
    m = exceed(n, sorted, m, &y, &cut);
    if (m < LEAST_TAIL)
        return NRE_OK;
    size_t n_theta = 30 + (size_t)sqrt((double)m);
    double *profile = memory_new(2 * n_theta, sizeof *profile);
    if (!profile)
        return fail(NRE_ENOMEM, "no memory to smooth %zu weights", n);
    tail t = fit(m, y, n_theta, profile);
    free(profile);
    /* A weak prior of ten draws at 1/2 (Vehtari et al., appendix G). */
    t.k = (t.k * (double)m + 0.5 * PRIOR_DRAWS) / ((double)m + PRIOR_DRAWS);
    if (!isfinite(t.k))
        return NRE_OK;
    *k_hat = t.k;
    replace(m, y, &t, cut, top, log_weight);
    return NRE_OK;
}

int pareto_smooth(size_t n, double *log_weight, double *k_hat)
{
    int status = check(n, log_weight);
    if (status != NRE_OK)
        return status;
    ranked *sorted = memory_new(n, sizeof *sorted);
    if (!sorted)
        return fail(NRE_ENOMEM, "no memory to smooth %zu weights", n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (ranked){log_weight[i], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    status = smooth(n, sorted, log_weight, k_hat);
    free(sorted);
    return status;
}

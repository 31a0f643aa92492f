/* infer/convergence.c - R-hat and effective sample sizes of Markov chains.
 * Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Analysis 16, 667. */
#include "infer/infer.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fft_halfcomplex.h>
#include <gsl/gsl_fft_real.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Halves of chains; the middle draw of an odd number is left out. */
typedef struct halves {
    size_t m, n;   /* half chains, draws of each */
    double *value; /* [m][n] */
} halves;

/* NULL value where there is nothing to say: too few draws, constant, not finite, no
 * memory. */
static halves split(size_t n_chains, size_t n_draws, const double *value)
{
    halves h = {2 * n_chains, n_draws / 2, NULL};
    bool constant = true;
    if (n_chains == 0 || h.n < 2)
        return h;
    for (size_t i = 0; i < n_chains * n_draws; i++) {
        if (!isfinite(value[i]))
            return h;
        constant = constant && value[i] == value[0];
    }
    if (constant)
        return h;
    h.value = memory_new(h.m * h.n, sizeof *h.value);
    for (size_t i = 0; h.value && i < h.m; i++) {
        const double *from = value + i / 2 * n_draws + (i % 2 ? n_draws - h.n : 0);
        memcpy(h.value + i * h.n, from, h.n * sizeof *from);
    }
    return h;
}

typedef struct ranked {
    double value;
    size_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Values by their normal scores (eq. 14), ties by their mean rank.  False: no memory. */
static bool normalise_ranks(halves *h)
{
    size_t total = h->m * h->n;
    ranked *r = memory_new(total, sizeof *r);
    if (!r)
        return false;
    for (size_t i = 0; i < total; i++)
        r[i] = (ranked){h->value[i], i};
    qsort(r, total, sizeof *r, by_value);
    for (size_t i = 0, end; i < total; i = end) {
        for (end = i + 1; end < total && r[end].value == r[i].value;)
            end++;
        double rank = 0.5 * (double)(i + 1 + end);
        double score = gsl_cdf_ugaussian_Pinv((rank - 0.375) / ((double)total + 0.25));
        for (size_t j = i; j < end; j++)
            h->value[r[j].at] = score;
    }
    free(r);
    return true;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile with linear interpolation between order statistics; NAN: no memory. */
static double quantile_of(const halves *h, double p)
{
    size_t total = h->m * h->n;
    double *sorted = memory_new(total, sizeof *sorted);
    if (!sorted)
        return NAN;
    memcpy(sorted, h->value, total * sizeof *sorted);
    qsort(sorted, total, sizeof *sorted, by_number);
    double at = p * (double)(total - 1);
    size_t low = (size_t)at, high = low + 1 < total ? low + 1 : low;
    double out = sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
    free(sorted);
    return out;
}

static double mean_of(size_t n, const double *v)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

static double variance_of(size_t n, const double *v)
{
    double mean = mean_of(n, v), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return sum / (double)(n - 1);
}

/* Variances within and between chains (eqs. 1 to 3), as the mean variance W and that of
 * means. */
static bool variances(const halves *h, double *within, double *of_means)
{
    double *mean = memory_new(h->m, sizeof *mean), sum = 0;
    if (!mean)
        return false;
    for (size_t i = 0; i < h->m; i++) {
        mean[i] = mean_of(h->n, h->value + i * h->n);
        sum += variance_of(h->n, h->value + i * h->n);
    }
    *within = sum / (double)h->m;
    *of_means = variance_of(h->m, mean);
    free(mean);
    return true;
}

/* Eq. 4. */
static double rhat_plain(const halves *h)
{
    double within, of_means, n = (double)h->n;
    if (!variances(h, &within, &of_means))
        return NAN;
    return sqrt(((n - 1) / n * within + of_means) / within);
}

static double rhat_folded(halves *h)
{
    double median = quantile_of(h, 0.5);
    for (size_t i = 0; i < h->m * h->n; i++)
        h->value[i] = fabs(h->value[i] - median);
    return normalise_ranks(h) ? rhat_plain(h) : NAN;
}

double rhat_of(size_t n_chains, size_t n_draws, const double *value)
{
    halves h = split(n_chains, n_draws, value), folded = split(n_chains, n_draws, value);
    double out = NAN;
    if (h.value && folded.value && normalise_ranks(&h))
        out = fmax(rhat_plain(&h), rhat_folded(&folded));
    free(h.value);
    free(folded.value);
    return out;
}

/* Autocovariances of one chain, summed into OUT [n], by Fourier transform in WORK
 * [padded]. */
static void add_autocovariance(size_t n, const double *v, size_t padded, double *work,
                               double *out)
{
    double mean = mean_of(n, v);
    memset(work, 0, padded * sizeof *work);
    for (size_t i = 0; i < n; i++)
        work[i] = v[i] - mean;
    gsl_fft_real_radix2_transform(work, 1, padded);
    work[0] *= work[0];
    work[padded / 2] *= work[padded / 2];
    for (size_t i = 1; i < padded / 2; i++) {
        work[i] = work[i] * work[i] + work[padded - i] * work[padded - i];
        work[padded - i] = 0;
    }
    gsl_fft_halfcomplex_radix2_inverse(work, 1, padded);
    for (size_t i = 0; i < n; i++)
        out[i] += work[i] / (double)n;
}

/* Mean over chains of their autocovariances; NULL: no memory. */
static double *autocovariance(const halves *h)
{
    size_t padded = 4;
    while (padded < 2 * h->n)
        padded *= 2;
    double *out = memory_new(h->n, sizeof *out), *work = memory_new(padded, sizeof *work);
    for (size_t i = 0; out && work && i < h->m; i++)
        add_autocovariance(h->n, h->value + i * h->n, padded, work, out);
    for (size_t i = 0; out && i < h->n; i++)
        out[i] /= (double)h->m;
    if (!work) {
        free(out);
        out = NULL;
    }
    free(work);
    return out;
}

/* Autocorrelations (eq. 10) from autocovariances, in place; these keep their 1 / n, as in
 * Stan and ArviZ, so that numbers agree with theirs. */
static bool autocorrelation(const halves *h, double *rho)
{
    double within, of_means, n = (double)h->n;
    if (!variances(h, &within, &of_means))
        return false;
    double all = (n - 1) / n * within + of_means;
    for (size_t t = 1; t < h->n; t++)
        rho[t] = 1 - (within - rho[t]) / all;
    rho[0] = 1;
    return true;
}

/* Sum 1 + 2 rho_1 + 2 rho_2 ... by Geyer's initial positive and monotone sequences (eq.
 * 11 and what follows it): sums of pairs are cut where one is negative and made to fall.
 */
static double autocorrelation_time(size_t n, const double *rho)
{
    double sum = 0, least = INFINITY;
    size_t t = 0;
    for (; t + 1 < n; t += 2) {
        double pair = rho[t] + rho[t + 1];
        if (pair < 0 || t + 4 >= n)
            break;
        least = fmin(least, pair);
        sum += least;
    }
    double rest = t < n && t > 0 && rho[t] > 0 ? rho[t] : 0;
    return -1 + 2 * sum + rest;
}

static double ess_of(const halves *h)
{
    double total = (double)h->m * (double)h->n, out = NAN;
    double *rho = autocovariance(h);
    if (rho && autocorrelation(h, rho))
        out = total / fmax(autocorrelation_time(h->n, rho), 1 / log10(total));
    free(rho);
    return out;
}

double ess_mean_of(size_t n_chains, size_t n_draws, const double *value)
{
    halves h = split(n_chains, n_draws, value);
    double out = h.value ? ess_of(&h) : NAN;
    free(h.value);
    return out;
}

double ess_bulk_of(size_t n_chains, size_t n_draws, const double *value)
{
    halves h = split(n_chains, n_draws, value);
    double out = h.value && normalise_ranks(&h) ? ess_of(&h) : NAN;
    free(h.value);
    return out;
}

/* Of the indicator of lying at most at quantile P. */
static double ess_quantile(size_t n_chains, size_t n_draws, const double *value, double p)
{
    halves h = split(n_chains, n_draws, value);
    double out = NAN;
    if (h.value) {
        double limit = quantile_of(&h, p);
        for (size_t i = 0; i < h.m * h.n; i++)
            h.value[i] = h.value[i] <= limit;
        out = ess_of(&h);
    }
    free(h.value);
    return out;
}

double ess_tail_of(size_t n_chains, size_t n_draws, const double *value)
{
    double low = ess_quantile(n_chains, n_draws, value, 0.05);
    double high = ess_quantile(n_chains, n_draws, value, 0.95);
    return isnan(low) || isnan(high) ? NAN : fmin(low, high);
}

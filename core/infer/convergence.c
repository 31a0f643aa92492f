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
    size_t m, n;     /* half chains, draws of each */
    size_t padded;   /* 2 n or more, a power of two */
    double *value;   /* [m][n] */
    double *score;   /* [m][n] what is looked at: scores, indicators */
    double *mean;    /* [m] */
    double *rho;     /* [padded] */
    double *work;    /* [padded] */
    size_t *order;   /* [m n] places of the values, the smallest first */
    size_t *another; /* [m n] for sorting, and for another order */
} halves;

static bool says_something(size_t n, const double *value)
{
    bool constant = true;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(value[i]))
            return false;
        constant = constant && value[i] == value[0];
    }
    return !constant;
}

static void halves_free(halves *h)
{
    free(h->value);
    free(h->order);
}

static bool take_memory(halves *h)
{
    size_t total = h->m * h->n;
    h->value = memory_new(2 * total + h->m + 2 * h->padded, sizeof *h->value);
    h->order = memory_new(2 * total, sizeof *h->order);
    if (!h->value || !h->order) {
        halves_free(h);
        return false;
    }
    h->score = h->value + total;
    h->mean = h->score + total;
    h->rho = h->mean + h->m;
    h->work = h->rho + h->padded;
    h->another = h->order + total;
    return true;
}

/* False where there is nothing to say: too few draws, constant, not finite, no memory. */
static bool split(size_t n_chains, size_t n_draws, const double *value, halves *h)
{
    *h = (halves){.m = 2 * n_chains, .n = n_draws / 2, .padded = 4};
    while (h->padded < 2 * h->n)
        h->padded *= 2;
    if (n_chains == 0 || h->n < 2 || !says_something(n_chains * n_draws, value) ||
        !take_memory(h))
        return false;
    for (size_t i = 0; i < h->m; i++) {
        const double *from = value + i / 2 * n_draws + (i % 2 ? n_draws - h->n : 0);
        memcpy(h->value + i * h->n, from, h->n * sizeof *from);
    }
    return true;
}

/* order of values */

enum { DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS, DIGITS = 6 };

/* Numbers as integers of the same order. */
static uint64_t key_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static size_t digit_of(double value, unsigned pass)
{
    return (size_t)(key_of(value) >> (pass * DIGIT_BITS)) & (DIGIT_VALUES - 1);
}

/* By the digits of the values' keys, the lowest first, which is quicker than to compare. */
static void sort(halves *h)
{
    size_t total = h->m * h->n, place[DIGIT_VALUES];
    for (size_t i = 0; i < total; i++)
        h->order[i] = i;
    for (unsigned pass = 0; pass < DIGITS; pass++) {
        size_t *from = h->order, *to = h->another, sum = 0;
        memset(place, 0, sizeof place);
        for (size_t i = 0; i < total; i++)
            place[digit_of(h->value[i], pass)]++;
        for (size_t k = 0; k < DIGIT_VALUES; k++) {
            size_t here = place[k];
            place[k] = sum;
            sum += here;
        }
        for (size_t i = 0; i < total; i++)
            to[place[digit_of(h->value[from[i]], pass)]++] = from[i];
        memcpy(from, to, total * sizeof *to);
    }
}

/* Quantile with linear interpolation between order statistics. */
static double quantile_of(const halves *h, double p)
{
    size_t total = h->m * h->n;
    double at = p * (double)(total - 1);
    size_t low = (size_t)at, high = low + 1 < total ? low + 1 : low;
    double below = h->value[h->order[low]];
    return below + (at - (double)low) * (h->value[h->order[high]] - below);
}

/* Scores, whose ORDER is known, become their normal scores (eq. 14), ties by their mean
 * rank. */
static void normalise_ranks(halves *h, const size_t *order)
{
    size_t total = h->m * h->n;
    double *v = h->score;
    for (size_t i = 0, end; i < total; i = end) {
        double value = v[order[i]];
        for (end = i + 1; end < total && v[order[end]] == value;)
            end++;
        double rank = 0.5 * (double)(i + 1 + end);
        double score = gsl_cdf_ugaussian_Pinv((rank - 0.375) / ((double)total + 0.25));
        for (size_t k = i; k < end; k++)
            v[order[k]] = score;
    }
}

static void score_values(halves *h)
{
    memcpy(h->score, h->value, h->m * h->n * sizeof *h->score);
    normalise_ranks(h, h->order);
}

/* Distances from the median; their order is met going away from it on both sides. */
static void score_distances(halves *h)
{
    size_t total = h->m * h->n, high = 0;
    const size_t *order = h->order;
    double median = quantile_of(h, 0.5);
    for (size_t i = 0; i < total; i++)
        h->score[i] = fabs(h->value[i] - median);
    while (high < total && h->value[order[high]] < median)
        high++;
    for (size_t i = 0, low = high; i < total; i++) {
        bool up = low == 0 ||
                  (high < total && h->score[order[high]] < h->score[order[low - 1]]);
        h->another[i] = up ? order[high++] : order[--low];
    }
    normalise_ranks(h, h->another);
}

/* variances and correlations of scores */

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
static void variances(halves *h, double *within, double *of_means)
{
    double sum = 0;
    for (size_t i = 0; i < h->m; i++) {
        h->mean[i] = mean_of(h->n, h->score + i * h->n);
        sum += variance_of(h->n, h->score + i * h->n);
    }
    *within = sum / (double)h->m;
    *of_means = variance_of(h->m, h->mean);
}

/* Eq. 4. */
static double rhat_plain(halves *h)
{
    double within, of_means, n = (double)h->n;
    variances(h, &within, &of_means);
    return sqrt(((n - 1) / n * within + of_means) / within);
}

/* The squared spectrum of a half chain, added to RHO; in the layout of gsl_fft_real. */
static void add_spectrum(halves *h, const double *v)
{
    double mean = mean_of(h->n, v), *work = h->work;
    size_t padded = h->padded;
    for (size_t i = 0; i < padded; i++)
        work[i] = i < h->n ? v[i] - mean : 0;
    gsl_fft_real_radix2_transform(work, 1, padded);
    h->rho[0] += work[0] * work[0];
    h->rho[padded / 2] += work[padded / 2] * work[padded / 2];
    for (size_t i = 1; i < padded / 2; i++)
        h->rho[i] += work[i] * work[i] + work[padded - i] * work[padded - i];
}

/* Mean over chains of their autocovariances, into RHO: the transform of the mean of their
 * squared spectra. */
static void autocovariance(halves *h)
{
    memset(h->rho, 0, h->padded * sizeof *h->rho);
    for (size_t i = 0; i < h->m; i++)
        add_spectrum(h, h->score + i * h->n);
    gsl_fft_halfcomplex_radix2_inverse(h->rho, 1, h->padded);
    for (size_t i = 0; i < h->n; i++)
        h->rho[i] /= (double)h->n * (double)h->m;
}

/* Autocorrelations (eq. 10) from autocovariances, in place; these keep their 1 / n, as in
 * Stan and ArviZ, so that numbers agree with theirs. */
static void autocorrelation(halves *h)
{
    double within, of_means, n = (double)h->n;
    variances(h, &within, &of_means);
    double all = (n - 1) / n * within + of_means;
    for (size_t t = 1; t < h->n; t++)
        h->rho[t] = 1 - (within - h->rho[t]) / all;
    h->rho[0] = 1;
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

/* Of the mean of scores. */
static double ess_of(halves *h)
{
    double total = (double)h->m * (double)h->n;
    autocovariance(h);
    autocorrelation(h);
    return total / fmax(autocorrelation_time(h->n, h->rho), 1 / log10(total));
}

/* Of the indicator of lying at most at quantile P. */
static double ess_quantile(halves *h, double p)
{
    double limit = quantile_of(h, p);
    for (size_t i = 0; i < h->m * h->n; i++)
        h->score[i] = h->value[i] <= limit;
    return ess_of(h);
}

/* what is asked for */

static double rhat(halves *h)
{
    score_values(h);
    double plain = rhat_plain(h);
    score_distances(h);
    return fmax(plain, rhat_plain(h));
}

static double ess_bulk(halves *h)
{
    score_values(h);
    return ess_of(h);
}

static double ess_tail(halves *h)
{
    double low = ess_quantile(h, 0.05), high = ess_quantile(h, 0.95);
    return isnan(low) || isnan(high) ? NAN : fmin(low, high);
}

static double ess_mean(halves *h)
{
    memcpy(h->score, h->value, h->m * h->n * sizeof *h->score);
    return ess_of(h);
}

static double one_of(size_t n_chains, size_t n_draws, const double *value,
                     double (*what)(halves *))
{
    halves h;
    if (!split(n_chains, n_draws, value, &h))
        return NAN;
    sort(&h);
    double out = what(&h);
    halves_free(&h);
    return out;
}

double rhat_of(size_t n_chains, size_t n_draws, const double *value)
{
    return one_of(n_chains, n_draws, value, rhat);
}

double ess_bulk_of(size_t n_chains, size_t n_draws, const double *value)
{
    return one_of(n_chains, n_draws, value, ess_bulk);
}

double ess_tail_of(size_t n_chains, size_t n_draws, const double *value)
{
    return one_of(n_chains, n_draws, value, ess_tail);
}

double ess_mean_of(size_t n_chains, size_t n_draws, const double *value)
{
    return one_of(n_chains, n_draws, value, ess_mean);
}

void convergence_of(size_t n_chains, size_t n_draws, const double *value, double *r_hat,
                    double *bulk, double *tail)
{
    halves h;
    *r_hat = *bulk = *tail = NAN;
    if (!split(n_chains, n_draws, value, &h))
        return;
    sort(&h);
    *r_hat = rhat(&h);
    *bulk = ess_bulk(&h);
    *tail = ess_tail(&h);
    halves_free(&h);
}

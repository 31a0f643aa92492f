/* diagnose/bands.c - is a sample uniform?  The empirical distribution function against a band that holds
 * all of it at once (Säilynoja, Bürkner & Vehtari 2022, arXiv:2103.10522). */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>

enum { BISECTIONS = 14 };
static const double ALIKE = 1e-9;    /* tails that differ by rounding alone are one */
static const double ROUNDED = 1e-12; /* of a probability near 1 */
static const double SMALLEST = 1e-300;

void ecdf_of(size_t n, size_t stride, const double *u, ecdf *out)
{
    *out = (ecdf){0};
    for (size_t i = 0; i < ECDF_POINTS; i++)
        out->z[i] = (double)(i + 1) / ECDF_POINTS;
    for (size_t i = 0; i < n; i++) {
        double value = u[i * stride];
        size_t low = 0, high = ECDF_POINTS - 1; /* 1 is below 1: all are */
        if (isnan(value))
            continue;
        while (low < high) {
            size_t middle = (low + high) / 2;
            *(value < out->z[middle] ? &high : &low) =
                value < out->z[middle] ? middle : middle + 1;
        }
        out->count[low]++;
        out->n++;
    }
    for (size_t i = 1; i < ECDF_POINTS; i++)
        out->count[i] += out->count[i - 1];
}

/* binomial tails */

/* P(C = k - 1) / P(C = k) */
static double fall(uint64_t n, double p, uint64_t k)
{
    return (double)k * (1 - p) / ((double)(n - k + 1) * p);
}

/* Densities of the binomial law from its mode M down, and so up: sum over those that are no smaller than
 * SMALLEST, the mode's being 1; *LAST and *AT are the lowest of them and its density. */
static double sum_down(uint64_t n, double p, uint64_t m, uint64_t *last, double *at)
{
    double density = 1, sum = 1;

    for (*last = m, *at = 1; *last > 0; --*last, *at = density) {
        density *= fall(n, p, *last);
        if (density < SMALLEST)
            break;
        sum += density;
    }
    return sum;
}

static double sum_up(uint64_t n, double p, uint64_t m)
{
    double density = 1, sum = 0;

    for (uint64_t k = m; k < n; k++) {
        density /= fall(n, p, k + 1);
        if (density < SMALLEST)
            break;
        sum += density;
    }
    return sum;
}

static uint64_t mode_of(uint64_t n, double p)
{
    uint64_t m = (uint64_t)floor((double)(n + 1) * p);

    return m < n ? m : n;
}

double binomial_below(uint64_t n, double p, uint64_t k)
{
    uint64_t first;
    double density, sum = 0;

    if (k >= n || p <= 0)
        return 1;
    if (p >= 1)
        return 0;
    uint64_t m = mode_of(n, p);
    double all = sum_down(n, p, m, &first, &density) + sum_up(n, p, m);
    for (uint64_t i = first; i <= k; i++) {
        sum += density;
        density /= fall(n, p, i + 1);
        if (density < SMALLEST && i > m)
            break;
    }
    return fmin(sum / all, 1);
}

double binomial_p(uint64_t n, double p, uint64_t k)
{
    double below = binomial_below(n, p, k), above = binomial_below(n, 1 - p, n - k);

    return fmin(1, 2 * fmin(below, above));
}

/* The least k with P(C <= k) above TAIL. */
static uint64_t least_above(uint64_t n, double p, double tail)
{
    uint64_t k, m = mode_of(n, p);
    double density, sum = 0;
    double all = sum_down(n, p, m, &k, &density) + sum_up(n, p, m);

    for (;; k++) {
        sum += density;
        if (k >= n || sum > tail * (1 + ALIKE) * all)
            return k;
        density /= fall(n, p, k + 1);
    }
}

/* bands */

/* Counts at each point, both ends allowed. */
typedef struct corridor {
    uint64_t n, low[ECDF_POINTS], high[ECDF_POINTS];
} corridor;

/* Those whose two tails both exceed TAIL. */
static void lay_corridor(uint64_t n, double tail, corridor *c)
{
    c->n = n;
    for (size_t i = 0; i + 1 < ECDF_POINTS; i++) {
        double z = (double)(i + 1) / ECDF_POINTS,
               rest = (double)(ECDF_POINTS - i - 1) / ECDF_POINTS;
        c->low[i] = least_above(n, z, tail);
        c->high[i] = n - least_above(n, rest, tail);
    }
    c->low[ECDF_POINTS - 1] = c->high[ECDF_POINTS - 1] = n;
}

/* Density of the Poisson law from FIRST on: what a count gains between two points, of a sample whose size
 * is itself a Poisson number. */
typedef struct steps {
    uint64_t first;
    size_t n;
    double *density;
} steps;

static int steps_of(double mean, steps *out)
{
    uint64_t mode = (uint64_t)mean, reach = (uint64_t)(11 * sqrt(mean)) + 30;
    uint64_t first = mode > reach ? mode - reach : 0;
    size_t n = (size_t)(mode + reach - first + 1), middle = (size_t)(mode - first);
    double sum = 1, *q = memory_new(n, sizeof *q);

    if (!q)
        return fail(NRE_ENOMEM, "out of memory for a band");
    q[middle] = 1;
    for (size_t i = middle; i > 0; i--)
        sum += q[i - 1] = q[i] * (double)(first + i) / mean;
    for (size_t i = middle + 1; i < n; i++)
        sum += q[i] = q[i - 1] * mean / (double)(first + i);
    for (size_t i = 0; i < n; i++)
        q[i] /= sum;
    *out = (steps){first, n, q};
    return NRE_OK;
}

/* Density of the Poisson law of mean N at N, by Stirling's series. */
static double poisson_middle(double n)
{
    double series = 1 / (12 * n) - 1 / (360 * n * n * n);

    return n < 20 ? exp(n * log(n) - n - lgamma(n + 1))
                  : exp(-series) / sqrt(2 * M_PI * n);
}

/* TO [high - low + 1] of corridor I from FROM of the one before. */
static void step_on(const corridor *c, size_t i, const steps *q, const double *from,
                    double *to)
{
    uint64_t low = i > 0 ? c->low[i - 1] : 0, high = i > 0 ? c->high[i - 1] : 0;

    for (uint64_t k = c->low[i]; k <= c->high[i]; k++) {
        double sum = 0;
        uint64_t most = k - (k < q->first ? k : q->first), reach = q->first + q->n - 1;
        uint64_t least = k > reach && k - reach > low ? k - reach : low;
        most = most < high ? most : high;
        for (uint64_t j = least; j <= most && k >= q->first; j++)
            sum += from[j - low] * q->density[k - j - q->first];
        to[k - c->low[i]] = sum;
    }
}

/* Chance that the counts of N uniform values stay in the corridor.  They are those of a Poisson process
 * that ends at N, whose steps from point to point are independent: one sum over the counts of each
 * point in turn. */
static int chance_within(const corridor *c, double *out)
{
    uint64_t widest = 1;
    steps q = {0};

    *out = 0;
    for (size_t i = 0; i < ECDF_POINTS; i++) {
        if (c->low[i] > c->high[i])
            return NRE_OK;
        widest =
            c->high[i] - c->low[i] + 1 > widest ? c->high[i] - c->low[i] + 1 : widest;
    }
    int status = steps_of((double)c->n / ECDF_POINTS, &q);
    if (status)
        return status;
    double *both = memory_new((size_t)widest, 2 * sizeof *both);
    if (both) {
        double *from = both, *to = both + widest, *spare;
        from[0] = 1;
        for (size_t i = 0; i < ECDF_POINTS; i++, spare = from, from = to, to = spare)
            step_on(c, i, &q, from, to);
        *out = fmin(from[0] / poisson_middle((double)c->n), 1);
    } else
        status = fail(NRE_ENOMEM, "out of memory for a band");
    free(both);
    free(q.density);
    return status;
}

int ecdf_p_value(const ecdf *e, double *p)
{
    double tail = 1, within;
    corridor c;

    *p = NAN;
    if (e->n == 0)
        return NRE_OK;
    for (size_t i = 0; i + 1 < ECDF_POINTS; i++) {
        double rest = (double)(ECDF_POINTS - i - 1) / ECDF_POINTS;
        tail = fmin(tail, binomial_below(e->n, e->z[i], e->count[i]));
        tail = fmin(tail, binomial_below(e->n, rest, e->n - e->count[i]));
    }
    lay_corridor(e->n, tail, &c);
    int status = chance_within(&c, &within);
    if (!status)
        *p = fmin(1 - within + ROUNDED, fmin(2 * tail * (ECDF_POINTS - 1), 1));
    return status;
}

int ecdf_band(uint64_t n, double level, double *low, double *high)
{
    double miss = 1 - level, least = log(miss / (2 * ECDF_POINTS)), most = log(miss),
           within;
    corridor c;
    int status = NRE_OK;

    for (size_t i = 0; i < ECDF_POINTS; i++)
        low[i] = 0, high[i] = 1;
    if (n == 0)
        return NRE_OK;
    for (int i = 0; i < BISECTIONS && !status; i++) {
        lay_corridor(n, exp((least + most) / 2), &c);
        status = chance_within(&c, &within);
        *(within >= level ? &least : &most) = (least + most) / 2;
    }
    lay_corridor(n, exp(least), &c);
    for (size_t i = 0; i < ECDF_POINTS; i++) {
        low[i] = (double)c.low[i] / (double)n;
        high[i] = (double)c.high[i] / (double)n;
    }
    return status;
}

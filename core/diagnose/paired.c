/* diagnose/paired.c - is one posterior better than another, by the same test pairs? */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

enum { FLIPS = 9999, FEW = 2000 };

/* Of N differences whose sum is SUM: how many of FLIPS random choices of their signs have a sum as far
 * from 0. */
static size_t flips_as_far(size_t n, const double *a, const double *b, double sum,
                           uint64_t seed)
{
    rng_key key = rng_purpose(seed, "paired/flips");
    double close = 1e-12 * fabs(sum); /* of sums in another order */
    size_t as_far = 0;

    for (size_t k = 0; k < FLIPS; k++) {
        rng r;
        uint64_t bits = 0;
        double flipped = 0;
        size_t used = 0;
        rng_start(&r, key, k, 0);
        for (size_t i = 0; i < n; i++) {
            double d = a[i] - b[i];
            if (!isfinite(d))
                continue;
            if (used++ % 64 == 0)
                bits = rng_bits(&r);
            flipped += bits & 1 ? d : -d;
            bits >>= 1;
        }
        as_far += fabs(flipped) >= fabs(sum) - close;
    }
    return as_far;
}

void paired_means(size_t n, const double *a, const double *b, uint64_t seed,
                  paired_mean *out)
{
    double sum = 0, squares = 0;

    *out =
        (paired_mean){.difference = NAN, .error = NAN, .z = NAN, .p = NAN, .p_flip = NAN};
    for (size_t i = 0; i < n; i++)
        if (isfinite(a[i] - b[i])) {
            out->n++;
            sum += a[i] - b[i];
        }
    if (out->n < 2)
        return;
    double count = (double)out->n;
    out->difference = sum / count;
    for (size_t i = 0; i < n; i++) {
        double away = a[i] - b[i] - out->difference;
        squares += isfinite(away) ? away * away : 0;
    }
    out->error = sqrt(squares / (count - 1) / count);
    out->z = sum == 0 ? 0 : out->difference / out->error;
    out->p = isinf(out->z) ? 0 : 2 * gsl_cdf_tdist_Q(fabs(out->z), count - 1);
    if (out->n <= FEW)
        out->p_flip = (1 + (double)flips_as_far(n, a, b, sum, seed)) / (1 + FLIPS);
}

void paired_flags(size_t n, const double *a, const double *b, double level,
                  paired_flag *out)
{
    uint64_t first = 0, second = 0;

    *out = (paired_flag){.difference = NAN, .error = NAN, .p = NAN};
    for (size_t i = 0; i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i])) {
            out->n++;
            first += a[i] < level && !(b[i] < level);
            second += b[i] < level && !(a[i] < level);
        }
    out->only[0] = first;
    out->only[1] = second;
    if (out->n == 0)
        return;
    double count = (double)out->n, differ = (double)(first + second),
           more = (double)first - (double)second;
    out->difference = more / count;
    out->error = sqrt((differ - more * more / count) / count / count);
    uint64_t less = first < second ? first : second;
    out->p = differ > 0
                 ? 2 * gsl_cdf_binomial_P((unsigned)less, 0.5, (unsigned)(first + second))
                 : 1;
    out->p = fmin(out->p, 1);
}

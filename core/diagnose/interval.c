/* diagnose/interval.c - binomial intervals and the verdicts that they give. */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>

/* The p in (0, 1) where RISING(p, a, b) is TAIL.  gsl_cdf_beta_Pinv gives NaN for
 * thousands of pairs (a, b) once a + b exceeds 5000, and calls the error handler, which
 * ends the program. */
static double beta_quantile(double (*rising)(double, double, double), double tail,
                            double a, double b)
{
    double low = 0, high = 1;

    for (;;) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high)
            return middle;
        if (rising(middle, a, b) < tail)
            low = middle;
        else
            high = middle;
    }
}

static double falling(double p, double a, double b)
{
    return -gsl_cdf_beta_Q(p, a, b);
}

void binomial_interval(uint64_t k, uint64_t n, double confidence, double interval[2])
{
    double tail = (1 - confidence) / 2, in = (double)k, out = (double)(n - k);

    /* Quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k), which do not exist at the
     * ends. */
    interval[0] = k == 0 || n == 0 ? 0 : beta_quantile(gsl_cdf_beta_P, tail, in, out + 1);
    interval[1] = k == n ? 1 : beta_quantile(falling, -tail, in + 1, out);
}

verdict verdict_of(double nominal, const double interval[2])
{
    if (interval[1] < nominal)
        return VERDICT_UNDER;
    return interval[0] > nominal ? VERDICT_OVER : VERDICT_OK;
}

const char *verdict_word(verdict v)
{
    return v == VERDICT_UNDER ? "under" : v == VERDICT_OVER ? "over" : "ok";
}

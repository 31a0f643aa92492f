/* diagnose/interval.c - binomial intervals and the verdicts that they give. */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>

void binomial_interval(uint64_t k, uint64_t n, double confidence, double interval[2])
{
    double tail = (1 - confidence) / 2;

    /* Quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k), which do not exist at the
     * ends. */
    interval[0] =
        k == 0 || n == 0 ? 0 : gsl_cdf_beta_Pinv(tail, (double)k, (double)(n - k) + 1);
    interval[1] = k == n ? 1 : gsl_cdf_beta_Qinv(tail, (double)k + 1, (double)(n - k));
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

/* loss_terms.c - what losses are made of: cross-entropies on logits, and the balance of a
 * classifier. */
#include "train/train.h"

#include <math.h>

/* From e^-|t|, so that neither overflows and the tails keep their digits. */
double softplus(double t, double *derivative)
{
    double e = exp(-fabs(t));
    *derivative = t >= 0 ? 1 / (1 + e) : e / (1 + e);
    return fmax(t, 0) + log1p(e);
}

static size_t largest_of(size_t n, const double *logit)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        at = logit[i] > logit[at] ? i : at;
    return at;
}

/* With the largest logit m: m - logit[0] + log(1 + the others' e^(logit - m)), all terms
 * positive; 1 less the share of the first is the sum of the others, which loses no digit. */
double cross_entropy(size_t n, const double *logit, double *gradient)
{
    size_t largest = largest_of(n, logit);
    double others = 0, wrong = 0;
    for (size_t i = 0; i < n; i++) {
        gradient[i] = exp(logit[i] - logit[largest]);
        others += i == largest ? 0 : gradient[i];
    }
    for (size_t i = 1; i < n; i++) {
        gradient[i] /= 1 + others;
        wrong += gradient[i];
    }
    gradient[0] = -wrong;
    return logit[largest] - logit[0] + log1p(others);
}

/* The derivative of sigmoid(t). */
static double sigmoid_slope(double t)
{
    double e = exp(-fabs(t));
    return e / ((1 + e) * (1 + e));
}

static double sigmoid(double t)
{
    double value;
    (void)softplus(t, &value);
    return value;
}

double balance_statistic(const loss_options *o, const float *logit, float *gradient)
{
    double others = 0, share = 1.0 / (double)o->marginals;
    for (size_t j = 1; j <= o->marginals; j++)
        others += sigmoid((double)logit[j]);
    if (gradient)
        gradient[0] = (float)sigmoid_slope((double)logit[0]);
    for (size_t j = 1; gradient && j <= o->marginals; j++)
        gradient[j] = (float)(sigmoid_slope((double)logit[j]) * share);
    return sigmoid((double)logit[0]) + others * share;
}

double balance_penalty(const loss_options *o, double mean, double *slope)
{
    *slope = 2 * o->lambda * (mean - 1);
    return o->lambda * (mean - 1) * (mean - 1);
}

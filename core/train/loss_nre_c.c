/* loss_nre_c.c - which of K thetas made x, or none of them (NRE-C). */
#include "train/train.h"

#include <math.h>

enum { MOST_CLASSES = 1 + MOST_MARGINALS };

/* Miller, Weniger & Forre 2022: class 0 "none" has the probability K / (K + gamma sum r),
 * class j gamma r_j / (K + gamma sum r): a softmax of 0 and of log r_j + log(gamma / K).
 * Examples of class 0, all K marginal thetas, weigh 1 / (1 + gamma); those of the joint one
 * among the first K - 1 marginal ones weigh gamma / (1 + gamma).  The optimum is log r for
 * any gamma and K. */
double nre_c_row(const loss_options *o, const float *logit, float *gradient)
{
    double none[MOST_CLASSES], one[MOST_CLASSES], of_none[MOST_CLASSES],
        of_one[MOST_CLASSES];
    double shift = log(o->gamma / (double)o->marginals);
    double weight = 1 / (1 + o->gamma), odds = o->gamma / (1 + o->gamma);
    size_t k = o->marginals;
    none[0] = 0;
    for (size_t j = 1; j <= k; j++)
        none[j] = (double)logit[j] + shift;
    one[0] = (double)logit[0] + shift;
    one[k] = 0; /* in the place of the last marginal one */
    for (size_t j = 1; j < k; j++)
        one[j] = none[j];
    double value = weight * cross_entropy(1 + k, none, of_none) +
                   odds * cross_entropy(1 + k, one, of_one);
    of_one[k] = 0;
    gradient[0] = (float)(odds * of_one[0]);
    for (size_t j = 1; j <= k; j++)
        gradient[j] = (float)(weight * of_none[j] + odds * of_one[j]);
    return value;
}

const loss loss_nre_c = {
    .name = "nre_c",
    .summary = "which of K thetas belongs to x, or none of them, at odds gamma",
    .reference = "Miller, Weniger & Forre 2022, arXiv:2210.06170",
    .row = nre_c_row,
};

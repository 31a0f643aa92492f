/* loss_nre_b.c - softmax over the joint and k marginal pairs (NRE-B). */
#include "train/train.h"

/* Durkan, Murray & Papamakarios 2020: which of 1 + k thetas made x?  A function of x added
 * to all logits of a row changes nothing, so the optimum is log r up to one. */
static double nre_b_row(const loss_options *o, const float *logit, float *gradient)
{
    double atom[1 + MOST_MARGINALS], derivative[1 + MOST_MARGINALS];
    size_t n = 1 + o->marginals;
    atom[0] = (double)logit[0];
    for (size_t j = 1; j < n; j++)
        atom[j] = (double)logit[j];
    double value = cross_entropy(n, atom, derivative);
    for (size_t j = 0; j < n; j++)
        gradient[j] = (float)derivative[j];
    return value;
}

const loss loss_nre_b = {
    .name = "nre_b",
    .summary =
        "softmax over the joint and the marginal pairs; log r up to a function of x",
    .reference = "Durkan, Murray & Papamakarios 2020, arXiv:2002.03712",
    .row = nre_b_row,
    .up_to_x = true,
};

/* loss_nre_a.c - binary cross-entropy of joint against marginal pairs (NRE-A). */
#include "train/train.h"

/* Hermans, Begy & Louppe 2020, algorithm 1, on logits; k marginal pairs are averaged, so
 * that joint and marginal pairs weigh the same and the optimum stays log r for any k. */
double nre_a_row(const loss_options *o, const float *logit, float *gradient)
{
    double derivative, others = 0, share = 1.0 / (double)o->marginals;
    double joint = softplus(-(double)logit[0], &derivative);
    gradient[0] = (float)-derivative;
    for (size_t j = 1; j <= o->marginals; j++) {
        others += softplus((double)logit[j], &derivative);
        gradient[j] = (float)(derivative * share);
    }
    return joint + others * share;
}

const loss loss_nre_a = {
    .name = "nre_a",
    .summary = "binary cross-entropy of joint against marginal pairs",
    .reference = "Hermans, Begy & Louppe 2020, arXiv:1903.04057, algorithm 1",
    .row = nre_a_row,
};

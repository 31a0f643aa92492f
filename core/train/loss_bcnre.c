/* loss_bcnre.c - NRE-C with a penalty on classifiers out of balance (BCNRE). */
#include "train/train.h"

/* Delaunoy et al. 2023, who balance whatever gives a ratio through the binary classifier
 * sigmoid(log r) of single pairs.  The exact ratio has this balance for any gamma and K; that
 * of the classifier of sets, sigmoid(log(gamma / K sum r)), it has for gamma = 1 only. */
const loss loss_bcnre = {
    .name = "bcnre",
    .summary = "NRE-C and lambda times the squared imbalance of sigmoid(log r)",
    .reference = "Delaunoy, Miller, Forre, Weniger & Louppe 2023, arXiv:2304.10978",
    .row = nre_c_row,
    .statistic = balance_statistic,
    .penalty = balance_penalty,
};

/* loss_bnre.c - NRE-A with a penalty on classifiers out of balance (BNRE). */
#include "train/train.h"

/* Delaunoy et al. 2022: the sum of the two binary cross-entropies plus lambda
 * (E_joint[sigmoid] + E_marginal[sigmoid] - 1)^2, as in the paper's code; with their mean,
 * as others have it, the same lambda weighs twice as much. */
const loss loss_bnre = {
    .name = "bnre",
    .summary = "NRE-A and lambda times the squared imbalance of the classifier",
    .reference = "Delaunoy, Hermans, Rozet, Wehenkel & Louppe 2022, arXiv:2208.13624",
    .row = nre_a_row,
    .statistic = balance_statistic,
    .penalty = balance_penalty,
};

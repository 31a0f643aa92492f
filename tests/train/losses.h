/* losses.h - what every loss must pass: derivatives, tails, the exact optimum. */
#ifndef NEREID_TEST_LOSSES_H
#define NEREID_TEST_LOSSES_H

#include "train/train.h"

/* The value and the gradient of a batch, penalty included, as batch.c puts them together:
 * logit, gradient [n][1 + marginals]. */
double batch_value(const loss *l, const loss_options *o, size_t n, const float *logit,
                   double *gradient);
/* Aborts the test unless the gradient of random batches is that of their values by fourth-order
 * differences, at logits up to LARGEST. */
void expect_derivative(const loss *l, const loss_options *o, double largest);
/* Aborts the test unless values and gradients at all combinations of 0, +-80, +-1e30 and +-FLT_MAX
 * are finite. */
void expect_finite(const loss *l, const loss_options *o);
/* -log softmax of the first of LOGIT [n], share [n] of the softmax, in long double. */
long double reference_cross_entropy(size_t n, const long double *logit,
                                    long double *share);

/* A problem of 3 thetas and 4 values of x with known p(theta, x). */
enum { THETAS = 3, XS = 4, CELLS = THETAS * XS };
double table_log_ratio(size_t theta, size_t x);
/* The population loss of a table of logits [THETAS][XS]: the expectation over joint pairs and all
 * combinations of independent marginal thetas, with the penalty at the expected statistic. */
double table_loss(const loss *l, const loss_options *o, const double *cell,
                  double *gradient);
/* Its minimum, by Newton steps from 0; aborts the test when they do not converge. */
void table_minimum(const loss *l, const loss_options *o, double *cell);
/* Aborts the test unless the minimum is log r within 1e-6, up to a constant for each x where the
 * loss says so, for 1, 2, 3 marginal pairs. */
void expect_log_ratio(const loss *l, double gamma, double lambda);

#endif

/* problem.h - a small training problem with a known ratio, shared by the tests of this folder:
 * theta ~ N(0, 0.1), x ~ N(theta, 0.1), independently in two dimensions. */
#ifndef NEREID_TEST_PROBLEM_H
#define NEREID_TEST_PROBLEM_H

#include "train/train.h"

enum { PROBLEM_D = 2 };

typedef struct problem {
    marginal of[PROBLEM_D];
    prior prior;
    uint32_t which[PROBLEM_D];
    target target;
    float mean[PROBLEM_D], inverse[PROBLEM_D];
    uint8_t scale[PROBLEM_D];
    scaling scaling;
    double *theta[2]; /* of training and validation [n][D] */
    float *x[2];
    loader *rows[2];
    net *net;
    pool *pool;
    train_settings settings;
    train_job job;
    char folder[64]; /* a fresh one, removed at the end */
} problem;

/* Aborts the test when anything fails. */
void problem_open(problem *p, uint64_t n_train, uint64_t n_validation, unsigned threads);
/* The same with batch norm behind each linear layer. */
void problem_open_normed(problem *p, uint64_t n_train, uint64_t n_validation,
                         unsigned threads);
void problem_close(problem *p);
/* The exact log ratio; a log_ratio_function. */
int problem_log_ratio(void *context, size_t n, const double *theta, const float *x,
                      double *log_ratio);
/* r = 1: what a network knows at least. */
int problem_no_ratio(void *context, size_t n, const double *theta, const float *x,
                     double *log_ratio);
/* All bytes of FOLDER/NAME; free(). */
char *problem_file(const char *folder, const char *name, size_t *n);
bool problem_same_file(const char *a, const char *b, const char *name);
void problem_remove(const char *folder);
/* A folder of one's own beside the problem's. */
void problem_folder(char *out, size_t size);

#endif

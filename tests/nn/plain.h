/* tests/nn/plain.h - networks again, by plain loops in double: the reference of the
 * tests. */
#ifndef NEREID_TESTS_PLAIN_H
#define NEREID_TESTS_PLAIN_H

#include "nn/nn.h"

/* A network under test: its builder and its inputs. */
typedef struct example {
    const char *name;
    nre_node (*build)(const void *self, nre_graph *g);
    uint32_t n_theta;
    size_t n_fields;
    net_field fields[3];
} example;

extern const example EXAMPLES[];
extern const size_t N_EXAMPLES;

typedef struct plain_batch {
    const example *e;
    size_t n, per_x;
    const float *x, *theta;
    const double *weights; /* in the order of net_weights */
    const double *buffers; /* as at evaluation; NULL: statistics of the batch */
} plain_batch;

/* Logits [n][per_x]; moments of each batch norm (mean, then unbiased variance, in the
 * order of net_buffers) into MOMENTS when not NULL. */
void plain_logits(const plain_batch *b, double *logit, double *moments);

/* A loss that sees every logit differently: sum of a logit + 0.05 logit^2, a in [-1, 1]
 * from the pair's number; the slope by the logit. */
double plain_loss(size_t pair, double logit, double *slope);

int example_net(const example *e, net **out);
/* Standard normal from a stream of its own. */
void normals(uint64_t seed, size_t n, float *out);

/* A batch in memory as a trainer's job. */
typedef struct memory_batch {
    size_t n, per_x, x_size, theta_size;
    float *x, *theta, *logit;
} memory_batch;
void memory_batch_new(memory_batch *m, const net *g, size_t n, size_t per_x,
                      uint64_t seed);
void memory_batch_free(memory_batch *m);
trainer_job memory_job(memory_batch *m);

#endif

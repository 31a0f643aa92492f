/* bench.h - what bench/train.c and bench/evaluate.c share: networks, clocks, bare products. */
#ifndef NEREID_BENCH_BENCH_H
#define NEREID_BENCH_BENCH_H

#include "nn/nn.h"
#include "plugin/plugin.h"

enum { BENCH_THETA = 2, MOST_ROUNDS = 99 };

/* bench.c: options, clocks, networks */

typedef struct bench_options {
    const char *name; /* of the only case; NULL: all */
    unsigned bins;    /* 0: all */
    size_t batch;     /* 0: all */
    unsigned threads; /* of the pool */
    size_t rounds;    /* at most */
    double seconds;   /* after which a case begins no further round */
    bool json, quick, cpu;
} bench_options;
/* The defaults, then the command line; 2 after having printed the usage of NAME, else 0. */
int options_read(const char *name, int argc, char **argv, bench_options *o);

/* Seconds; with --cpu those that this process computed, by thread: for a machine that others use
 * as well. */
double now(void);
double median_of(size_t n, double *value);

typedef struct option_text {
    const char *name, *item[3]; /* a value, or up to three of a list */
    bool list;
} option_text;
typedef struct network {
    const char *name, *architecture;
    option_text options[3];
} network;
enum { N_NETWORKS = 6 };
extern const network NETWORKS[N_NETWORKS]; /* of Hermans et al. 2020 */
extern const network SMALL_NETWORK, NORMED_NETWORK;

/* What a case needs, made within the process that measures it. */
typedef struct bench {
    const bench_options *o;
    const network *network;
    unsigned bins;
    size_t batch;
    arena *memory;
    plugins *all;
    pool *p;
    net *g;
} bench;
int bench_open(bench *b); /* what is above MEMORY is set */
void bench_close(bench *b);
/* Run MEASURE in a child, so that its peak memory is its own; its exit code. */
int bench_fork(bench *b, int (*measure)(bench *b));
double peak_memory(void); /* of this process so far, bytes */

/* products.c: the calls of cblas_sgemm, recorded as they pass, and run alone */

void products_start(void); /* forget the calls, record from here on */
void products_stop(void);
/* Seconds that the recorded calls take alone, shared out to the threads of P, on matrices of the
 * same sizes and strides that stay in the caches. */
int products_time(pool *p, double *seconds);
double products_flops(void);
/* FLOP/s of 1024 x 512 x 512 in all threads. */
int peak_rate(pool *p, double *rate);

#endif

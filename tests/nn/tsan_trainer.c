/* The trainer under a thread sanitizer: a plain program, because Criterion cannot run
 * under one.  Steps in four threads, with and without barriers; the bits must be those of
 * one. */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 1500, PER_X = 2, STEPS = 3 };

static int steps_of(const example *e, unsigned threads, hash *bits)
{
    net *g = NULL;
    pool *p = NULL;
    trainer *t = NULL;
    float *w = NULL;
    memory_batch b = {0};
    const adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.01};
    int status = example_net(e, &g);
    if (!status)
        status = pool_new(threads, &p);
    if (!status)
        status = trainer_new(g, ROWS, PER_X, false, p, &t);
    if (status)
        goto out;
    const size_t n = net_n_weights(g), n_buffers = net_n_buffers(g);
    w = memory_new(4 * n + n_buffers, sizeof *w);
    net_init(g, rng_purpose(1, "init"), w, w + 4 * n);
    memory_batch_new(&b, g, ROWS, PER_X, 3);
    trainer_job job = memory_job(&b);
    for (uint64_t i = 1; !status && i <= STEPS; i++) {
        double loss;
        status = trainer_step(t, &job, w, w + 4 * n, w + n, &loss);
        if (!status)
            status = trainer_loss(t, &job, w, w + 4 * n, &loss, &(double){0});
        adamw_step(&o, i, 1.0 / ROWS, p, n, w + n, w, w + 2 * n, w + 3 * n);
    }
    *bits = hash_bytes(w, (4 * n + n_buffers) * sizeof *w);
out:
    memory_batch_free(&b);
    trainer_free(t);
    pool_free(p);
    net_free(g);
    free(w);
    return status;
}

int main(void)
{
    int failed = blas_start() != 0;
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        hash one = {0}, four = {0};
        int status = steps_of(&EXAMPLES[i], 1, &one);
        if (!status)
            status = steps_of(&EXAMPLES[i], 4, &four);
        bool same = !status && hash_equal(one, four);
        printf("%-12s %s\n", EXAMPLES[i].name,
               status ? error_message()
               : same ? "same"
                      : "differs");
        failed |= !same;
    }
    return failed;
}

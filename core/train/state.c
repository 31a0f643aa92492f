/* state.c - what training carries from epoch to epoch. */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t block_size(const train_state *s)
{
    return (s->average_buffers ? 4 : 3) * s->n_weights + s->n_buffers;
}

int state_new(const net *g, uint64_t epochs, bool averaged, train_state *out)
{
    size_t n = net_n_weights(g), block;
    *out = (train_state){.net = g,
                         .n_weights = n,
                         .n_buffers = net_n_buffers(g),
                         .room = epochs,
                         .best_loss = INFINITY};
    if (averaged)
        out->average_buffers =
            memory_new(out->n_buffers + 1, sizeof *out->average_buffers);
    block = block_size(out);
    schedule_start(&out->plateau);
    out->weights = memory_new(block, sizeof *out->weights);
    out->kept = memory_new(block, sizeof *out->kept);
    out->best_weights = memory_new(n + out->n_buffers, sizeof *out->best_weights);
    out->history = memory_new(epochs ? epochs : 1, sizeof *out->history);
    if ((averaged && !out->average_buffers) || !out->weights || !out->kept ||
        !out->best_weights || !out->history)
        return fail(NRE_ENOMEM, "no memory to train a network of %zu weights", n);
    out->m = out->weights + n;
    out->v = out->m + n;
    out->buffers = out->v + n;
    out->average = averaged ? out->buffers + out->n_buffers : NULL;
    out->best_buffers = out->best_weights + n;
    return NRE_OK;
}

void state_free(train_state *s)
{
    free(s->weights);
    free(s->kept);
    free(s->average_buffers);
    free(s->best_weights);
    free(s->history);
    *s = (train_state){0};
}

void state_keep(train_state *s)
{
    memcpy(s->kept, s->weights, block_size(s) * sizeof *s->kept);
}

void state_rewind(train_state *s, uint64_t steps_per_epoch)
{
    memcpy(s->weights, s->kept, block_size(s) * sizeof *s->kept);
    s->step = s->epoch * steps_per_epoch;
}

void state_average(train_state *s, double decay)
{
    double share = (1 - decay) / (1 - pow(decay, (double)s->step));
    for (size_t i = 0; i < s->n_weights; i++)
        s->average[i] += (float)(share * ((double)s->weights[i] - (double)s->average[i]));
}

const float *state_judged(const train_state *s)
{
    return s->average ? s->average : s->weights;
}

const float *state_judged_buffers(const train_state *s)
{
    return s->average ? s->average_buffers : s->buffers;
}

/* schedule.c - learning rates by the optimiser's step. */
#include "train/train.h"

#include <math.h>

/* Of one_cycle: where the rise ends, where the fall to its start ends, and how low it
 * starts. */
static const double RISE = 0.45, FALL = 0.90, LOW = 0.1;

void schedule_start(schedule_state *state)
{
    *state = (schedule_state){.best = INFINITY, .scale = 1, .stale = 0};
}

static double between(double a, double b, double share)
{
    return a + (b - a) * share;
}

static double share_of(uint64_t done, uint64_t all)
{
    return done < all ? (double)done / (double)all : 1;
}

static double cosine(const schedule *s, uint64_t step)
{
    uint64_t rest = s->steps > s->warmup ? s->steps - s->warmup : 0;
    double p = share_of(step - s->warmup, rest);
    return s->min_lr + (s->lr - s->min_lr) * (1 + cos(acos(-1.0) * p)) / 2;
}

static double one_cycle(const schedule *s, uint64_t step)
{
    double p = share_of(step, s->steps), low = s->lr * LOW;
    if (p < RISE)
        return between(low, s->lr, p / RISE);
    if (p < FALL)
        return between(s->lr, low, (p - RISE) / (FALL - RISE));
    return between(low, fmin(low, s->min_lr), (p - FALL) / (1 - FALL));
}

double schedule_lr(const schedule *s, const schedule_state *state, uint64_t step)
{
    if (s->name == TRAIN_ONE_CYCLE)
        return one_cycle(s, step);
    if (step < s->warmup)
        return s->lr * (double)(step + 1) / (double)s->warmup;
    switch (s->name) {
    case TRAIN_COSINE:
        return cosine(s, step);
    case TRAIN_PLATEAU:
        return fmax(fmin(s->min_lr, s->lr), s->lr * state->scale);
    default:
        return s->lr;
    }
}

void schedule_epoch(const schedule *s, schedule_state *state, double validation_loss)
{
    if (validation_loss < state->best) {
        state->best = validation_loss;
        state->stale = 0;
        return;
    }
    state->stale++;
    if (s->name != TRAIN_PLATEAU || state->stale < s->patience)
        return;
    state->scale *= s->factor;
    state->stale = 0;
}

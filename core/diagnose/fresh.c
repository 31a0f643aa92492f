/* diagnose/fresh.c - simulations at given parameters of the target. */
#include "diagnose/diagnose.h"

#include <stdlib.h>

static const target *target_of_subject(const subject *s)
{
    return ratio_target(s->posterior->ratio);
}

bool fresh_has_nuisance(const subject *s)
{
    return target_of_subject(s)->n < simulator_n_theta(s->simulator);
}

const char *fresh_declines(const subject *s)
{
    if (!s->posterior)
        return "there is no ratio to simulate for";
    if (!s->simulator)
        return "it needs fresh simulations, and there is no simulator";
    if (simulator_prior(s->simulator)->custom && fresh_has_nuisance(s))
        return "the simulator's own joint prior cannot be asked for parameters that the "
               "target "
               "lacks, given those it has";
    return NULL;
}

/* STEP: as in theta_given. */
static int simulate(const subject *s, const char *purpose, size_t n, const double *theta,
                    size_t step, float *x)
{
    const target *t = target_of_subject(s);
    const truncation *left = s->posterior->truncation;
    const theta_given known = {
        .n = t->n, .which = t->which, .theta = theta, .step = step};
    const draw d = {.seed = s->seed,
                    .purpose = purpose,
                    .n = n,
                    .given = &known,
                    .on_invalid = s->on_invalid,
                    .keep = left ? truncation_proposals(left) : NULL};

    return simulator_draw(s->simulator, s->pool, s->watch, &d, NULL, x, NULL, NULL, NULL);
}

int fresh_rows(const subject *s, const char *purpose, size_t n, const double *theta,
               float *x)
{
    return simulate(s, purpose, n, theta, target_of_subject(s)->n, x);
}

int fresh_rows_at(const subject *s, const char *purpose, size_t n, const double *theta,
                  float *x)
{
    return simulate(s, purpose, n, theta, 0, x);
}

int fresh_truths(const subject *s, const char *purpose, size_t n, double *theta)
{
    const truncation *left = s->posterior->truncation;
    double *full = memory_new(n, simulator_n_theta(s->simulator) * sizeof *full);
    draw d = {.seed = s->seed,
              .purpose = purpose,
              .n = n,
              .on_invalid = s->on_invalid,
              .keep = left ? truncation_proposals(left) : NULL};
    int status = full ? simulator_draw(s->simulator, s->pool, s->watch, &d, full, NULL,
                                       NULL, NULL, NULL)
                      : fail(NRE_ENOMEM, "out of memory for %zu points", n);

    if (!status)
        target_columns(target_of_subject(s), n, full, theta);
    free(full);
    return status;
}

/* diagnose/fresh.c - simulations at given parameters of the target. */
#include "diagnose/diagnose.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, ATTEMPTS_MOST = 10000 };

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

/* All parameters of N rows: the target's own, the others from the prior that networks
 * were trained with. */
static int complete(const subject *s, rng_key key, uint64_t first, size_t n,
                    const double *theta, double *full)
{
    const target *t = target_of_subject(s);
    size_t wide = simulator_n_theta(s->simulator);
    const truncation *left = s->posterior->truncation;
    int status = fresh_has_nuisance(s)
                     ? prior_sample_kept(simulator_prior(s->simulator),
                                         left ? truncation_proposals(left) : NULL, NULL,
                                         key, first, n, full)
                     : NRE_OK;

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t->n; k++)
            full[i * wide + t->which[k]] = theta[i * t->n + k];
    return status;
}

/* One attempt at N rows. */
static int attempt(const subject *s, const char *purpose, uint64_t number, uint64_t first,
                   size_t n, const double *theta, double *full, float *x, uint8_t *row)
{
    unsigned long long at = number;
    int status = complete(s, rng_purpose(s->seed, "theta/%s/%llu", purpose, at), first, n,
                          theta, full);

    return status ? status
                  : simulator_run_rows(s->simulator, n, full,
                                       rng_purpose(s->seed, "x/%s/%llu", purpose, at),
                                       first, x, row);
}

/* Row I of a block anew until it is valid. */
static int attempt_again(const subject *s, const char *purpose, uint64_t item,
                         const double *theta, double *full, float *x, uint8_t *row)
{
    int status =
        s->on_invalid > 0
            ? NRE_OK
            : fail(NRE_ENUMERIC, "a simulation is invalid and simulator.on_invalid "
                                 "is error; redraw_theta draws such rows anew");

    for (uint64_t i = 1; !status && *row == NRE_ROW_INVALID; i++)
        status = i < ATTEMPTS_MOST
                     ? attempt(s, purpose, i, item, 1, theta, full, x, row)
                     : fail(NRE_ENUMERIC, "%d attempts at a row were all invalid",
                            ATTEMPTS_MOST);
    return status;
}

static int add_noise(const subject *s, const char *purpose, uint64_t first, size_t n,
                     const double *full, float *x)
{
    uint64_t item[BLOCK];

    for (size_t i = 0; i < n; i++)
        item[i] = first + i;
    return simulator_has_noise(s->simulator)
               ? simulator_perturb(s->simulator,
                                   rng_purpose(s->seed, "noise/%s", purpose), n, item, 0,
                                   full, x, 0)
               : NRE_OK;
}

static int simulate_block(const subject *s, const char *purpose, uint64_t first, size_t n,
                          const double *theta, double *full, float *x)
{
    size_t d = target_of_subject(s)->n, wide = simulator_n_theta(s->simulator),
           n_x = simulator_n_x(s->simulator);
    uint8_t row[BLOCK];
    int status = attempt(s, purpose, 0, first, n, theta, full, x, row);

    for (size_t i = 0; i < n && !status; i++)
        if (row[i] == NRE_ROW_INVALID)
            status = attempt_again(s, purpose, first + i, theta + i * d, full + i * wide,
                                   x + i * n_x, row + i);
    return status ? status : add_noise(s, purpose, first, n, full, x);
}

int fresh_rows(const subject *s, const char *purpose, size_t n, const double *theta,
               float *x)
{
    size_t d = target_of_subject(s)->n, n_x = simulator_n_x(s->simulator);
    double *full = memory_new(BLOCK, simulator_n_theta(s->simulator) * sizeof *full);
    int status = full ? NRE_OK : fail(NRE_ENOMEM, "out of memory for simulations");

    for (size_t done = 0; done < n && !status; done += BLOCK) {
        size_t some = n - done < BLOCK ? n - done : BLOCK;
        status = simulate_block(s, purpose, done, some, theta + done * d, full,
                                x + done * n_x);
        if (!status)
            status =
                progress_report(s->watch, purpose, done + some, n, "simulations", NULL);
    }
    free(full);
    return status;
}

/* Of one theta and no nuisance: the simulator's rows, in parallel. */
static int rows_at_all(const subject *s, const char *purpose, size_t n,
                       const double *theta, float *x)
{
    double *full = memory_new(simulator_n_theta(s->simulator), sizeof *full);
    if (!full)
        return fail(NRE_ENOMEM, "out of memory for simulations");
    const target *t = target_of_subject(s);
    for (uint32_t k = 0; k < t->n; k++)
        full[t->which[k]] = theta[k];
    draw d = {.seed = s->seed,
              .purpose = purpose,
              .n = n,
              .at = full,
              .on_invalid = s->on_invalid};
    int status =
        simulator_draw(s->simulator, s->pool, s->watch, &d, NULL, x, NULL, NULL, NULL);
    free(full);
    return status;
}

int fresh_rows_at(const subject *s, const char *purpose, size_t n, const double *theta,
                  float *x)
{
    if (!fresh_has_nuisance(s))
        return rows_at_all(s, purpose, n, theta, x);
    size_t d = target_of_subject(s)->n;
    double *copies = memory_new(n, d * sizeof *copies);
    if (!copies)
        return fail(NRE_ENOMEM, "out of memory for simulations");
    for (size_t i = 0; i < n; i++)
        memcpy(copies + i * d, theta, d * sizeof *theta);
    int status = fresh_rows(s, purpose, n, copies, x);
    free(copies);
    return status;
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

/* infer/posterior.c - log prior + log P(valid) + log ratio, and the unbounded space. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128 }; /* points whose log P(valid) is computed at once */

const marginal *target_marginal(const target *t, uint32_t k)
{
    return &t->prior->of[t->which[k]];
}

const target *posterior_target(const posterior *p)
{
    return p->target ? p->target : p->ratio->target;
}

bool posterior_has_grid(const posterior *p)
{
    return posterior_target(p)->n <= (p->truncation ? 1u : (uint32_t)GRID_MOST_DIM);
}

double posterior_log_volume(const posterior *p)
{
    const truncation *t = p->truncation;
    return t ? log(truncation_volume(t, truncation_n(t), p->ratio->target, NULL)) : 0;
}

/* The prior of what is left of it has unit mass there, and none elsewhere. */
static int truncate_prior(const posterior *p, size_t n, const double *theta,
                          double *log_prior)
{
    double log_volume = posterior_log_volume(p);
    bool *inside = memory_new(n, sizeof *inside);
    int status = inside ? truncation_contains_target(p->truncation, p->ratio->target, n,
                                                     theta, inside)
                        : fail(NRE_ENOMEM, "no memory for the prior of %zu points", n);
    for (size_t i = 0; i < n && status == NRE_OK; i++)
        log_prior[i] = inside[i] ? log_prior[i] - log_volume : -INFINITY;
    free(inside);
    return status;
}

int posterior_log_prior(const posterior *p, size_t n, const double *theta,
                        double *log_prior, double *gradient)
{
    const target *t = posterior_target(p);
    size_t d = t->n;
    int status = prior_log_density(t->prior, d, t->which, n, theta, log_prior, gradient);
    if (status == NRE_OK && p->truncation)
        status = truncate_prior(p, n, theta, log_prior);
    if (status != NRE_OK || !p->validity)
        return status;
    size_t most = n < BLOCK ? n : BLOCK;
    double *valid = memory_new(most, (d + 1) * sizeof *valid);
    if (!valid)
        return fail(NRE_ENOMEM, "no memory for log P(valid) of %zu points", n);
    double *slope = gradient ? valid + most : NULL;
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t some = n - done < BLOCK ? n - done : BLOCK;
        validity_log(p->validity, some, theta + done * d, valid, slope);
        for (size_t i = 0; i < some; i++)
            log_prior[done + i] += valid[i];
        for (size_t i = 0; gradient && i < some * d; i++)
            gradient[done * d + i] += slope[i];
    }
    free(valid);
    return NRE_OK;
}

void unbounded_of(const target *t, size_t n, const double *theta, double *z)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t->n; k++)
            z[i * t->n + k] =
                marginal_to_unbounded(target_marginal(t, k), theta[i * t->n + k]);
}

void unbounded_back(const target *t, size_t n, const double *z, double *theta,
                    double *log_jacobian, double *derivative, double *slope)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < t->n; k++) {
            size_t at = i * t->n + k;
            double one, bend;
            theta[at] =
                marginal_from_unbounded(target_marginal(t, k), z[at], &one, &bend);
            sum += one;
            if (derivative)
                derivative[at] = exp(one);
            if (slope)
                slope[at] = bend;
        }
        if (log_jacobian)
            log_jacobian[i] = sum;
    }
}

static int sample_custom(const prior *p, const target *t, rng *r, size_t n, double *theta)
{
    double *full = memory_new(p->n, sizeof *full);
    if (!full)
        return fail(NRE_ENOMEM, "no memory for a draw from the prior");
    int status = NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        rng_key key;
        key.word[0] = rng_bits(r);
        key.word[1] = rng_bits(r);
        status = prior_sample(p, key, 0, 0, 1, full);
        if (status == NRE_OK)
            target_columns(t, 1, full, theta + i * t->n);
    }
    free(full);
    return status;
}

int target_sample(const target *t, rng *r, size_t n, double *theta)
{
    if (t->prior->custom)
        return sample_custom(t->prior, t, r, n, theta);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t->n; k++)
            theta[i * t->n + k] = marginal_sample(target_marginal(t, k), &r->api);
    return NRE_OK;
}

enum { PROPOSALS_MOST = 20000000 }; /* for each point */

/* As many proposals at a time as find one, and in the order of the stream. */
static int sample_part(const posterior *p, rng *r, size_t n, double *theta)
{
    const target *t = posterior_target(p);
    size_t each = truncation_proposals(p->truncation)->each, found = 0, tried = 0;
    each = each * n < 4096 ? each * n : 4096;
    double *some = memory_new(each, t->n * sizeof *some);
    bool *inside = memory_new(each, sizeof *inside);
    int status = some && inside ? NRE_OK : fail(NRE_ENOMEM, "no memory for a prior");
    while (status == NRE_OK && found < n && tried / n < PROPOSALS_MOST) {
        status = target_sample(t, r, each, some);
        if (status == NRE_OK)
            status = truncation_contains_target(p->truncation, p->ratio->target, each,
                                                some, inside);
        for (size_t i = 0; i < each && found < n && status == NRE_OK; i++)
            if (inside[i])
                memcpy(theta + found++ * t->n, some + i * t->n, t->n * sizeof *some);
        tried += each;
    }
    free(some);
    free(inside);
    return status != NRE_OK || found == n
               ? status
               : fail(NRE_ENUMERIC, "nothing of the prior of target '%s' is left",
                      t->name);
}

int posterior_sample(const posterior *p, rng *r, size_t n, double *theta)
{
    if (p->truncation && n > 0)
        return sample_part(p, r, n, theta);
    return target_sample(posterior_target(p), r, n, theta);
}

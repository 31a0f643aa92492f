/* infer/ratio_prior.c - r = 1: the posterior is the prior, the floor of any table. */
#include "infer/infer.h"

#include <stdlib.h>
#include <string.h>

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    (void)own, (void)o, (void)first, (void)theta;
    memset(log_ratio, 0, n * per_x * sizeof *log_ratio);
    if (gradient)
        memset(gradient, 0, n * per_x * r->target->n * sizeof *gradient);
    return NRE_OK;
}

static void free_prior(ratio *r)
{
    free(r);
}

static const ratio_kind PRIOR = {.evaluate = evaluate, .free = free_prior};

int ratio_prior(const target *t, size_t n_x, ratio **out)
{
    ratio *r = memory_new(1, sizeof *r);
    if (!r)
        return fail(NRE_ENOMEM, "no memory for the ratio of the prior");
    *r = (ratio){&PRIOR, t, n_x, .normalised = true, .has_gradient = true};
    *out = r;
    return NRE_OK;
}

/* infer/ratio_calibrated.c - a ratio whose log ratios go through a calibration. */
#include "infer/infer.h"

#include <stdlib.h>

typedef struct calibrated {
    ratio base; /* first */
    const ratio *of;
    const calibration *calibration;
} calibrated;

static const calibrated *calibrated_of(const ratio *r)
{
    return (const calibrated *)(const void *)r;
}

static int worker_make(const ratio *r, void **own)
{
    ratio_worker *w = NULL;
    int status = ratio_worker_new(calibrated_of(r)->of, &w);
    *own = w;
    return status;
}

static void worker_free(void *own)
{
    ratio_worker_free(own);
}

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    return ratio_observe(calibrated_of(r)->of, own, n, x, o);
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const calibrated *c = calibrated_of(r);
    int status =
        ratio_evaluate(c->of, own, o, first, n, per_x, theta, log_ratio, gradient);
    return status != NRE_OK ? status
                            : calibration_apply(c->calibration, r->target, n * per_x,
                                                theta, log_ratio, gradient);
}

static int evaluate_pairs(const ratio *r, void *own, const observed *o, size_t n,
                          const size_t *row, const double *theta, double *log_ratio,
                          double *gradient)
{
    const calibrated *c = calibrated_of(r);
    int status = ratio_evaluate_pairs(c->of, own, o, n, row, theta, log_ratio, gradient);
    return status != NRE_OK ? status
                            : calibration_apply(c->calibration, r->target, n, theta,
                                                log_ratio, gradient);
}

static void calibrated_free(ratio *r)
{
    free(r);
}

static const ratio_kind CALIBRATED = {.worker = worker_make,
                                      .worker_free = worker_free,
                                      .observe = observe,
                                      .evaluate = evaluate,
                                      .free = calibrated_free,
                                      .pairs = evaluate_pairs};

int ratio_calibrated(const ratio *of, const calibration *c, ratio **out)
{
    *out = NULL;
    if (!of->normalised || of->kind->joint)
        return fail(NRE_ENOTSUP,
                    "%s cannot be calibrated: its log ratios of different x say nothing "
                    "beside each other",
                    of->normalised ? "a mixture of posteriors"
                                   : "a ratio that is known up to a function of x");
    calibrated *r = memory_new(1, sizeof *r);
    if (!r)
        return fail(NRE_ENOMEM, "no memory for a calibrated ratio");
    *r = (calibrated){
        .base = {.kind = &CALIBRATED,
                 .target = of->target,
                 .n_x = of->n_x,
                 .normalised = true,
                 .has_gradient = of->has_gradient && calibration_has_gradient(c),
                 .flops = of->flops},
        .of = of,
        .calibration = c};
    *out = &r->base;
    return NRE_OK;
}

/* targets.c: gradients are those of the densities, and samplers that are wrong are found out. */
#include "targets.h"

#include <criterion/criterion.h>
#include <math.h>

extern const nre_plugin plugin_metropolis;

static void slopes_agree(law l)
{
    rng r;
    double theta[LAW_MOST], slope[LAW_MOST], none[LAW_MOST];
    float x[LAW_MOST] = {0.3f, -0.2f, 0.9f};
    rng_start(&r, rng_purpose(1, "slopes"), 0, 0);
    for (int i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < l.dim; k++)
            theta[k] = 2 * rng_uniform(&r) - 1;
        double value = l.log_ratio(&l, theta, x, slope);
        cr_assert_eq(value, l.log_ratio(&l, theta, x, NULL));
        for (uint32_t k = 0; k < l.dim; k++) {
            double h = 1e-4, at = theta[k];
            theta[k] = at + h;
            double above = l.log_ratio(&l, theta, x, none);
            theta[k] = at - h;
            double below = l.log_ratio(&l, theta, x, none);
            theta[k] = at;
            cr_assert_float_eq(slope[k], (above - below) / (2 * h),
                               1e-5 * (1 + fabs(slope[k])), "%s: %g, not %g", l.name,
                               slope[k], (above - below) / (2 * h));
        }
    }
}

Test(targets, slopes)
{
    slopes_agree(law_gaussian());
    slopes_agree(law_banana());
    slopes_agree(law_bimodal(4));
    slopes_agree(law_truncated());
    slopes_agree(law_skewed());
    slopes_agree(law_conjugate());
}

/* metropolis that sees HEAT times the log ratio: right in all but its target */

static double heat;

typedef struct heated {
    nre_target api; /* first */
    const nre_target *inner;
} heated;

static int heated_logp(const nre_target *t, size_t n, const uint32_t *chain,
                       const double *z, double *log_prior, double *log_ratio,
                       double *grad_prior, double *grad_ratio)
{
    const nre_target *inner = ((const heated *)(const void *)t)->inner;
    int status =
        inner->logp(inner, n, chain, z, log_prior, log_ratio, grad_prior, grad_ratio);
    for (size_t i = 0; i < n; i++)
        log_ratio[i] *= heat;
    return status;
}

static int heated_start(const void *self, const nre_host *host, const nre_target *of,
                        size_t n, const double *z0, nre_rng *const *stream, void **out)
{
    heated *h = host->alloc(host, 1, sizeof *h);
    if (!h)
        return NRE_ENOMEM;
    *h = (heated){*of, of};
    h->api.logp = heated_logp;
    return plugin_metropolis.ops.sampler->start(self, host, &h->api, n, z0, stream, out);
}

static void lay_wrong(nre_sampler_ops *ops, nre_plugin *table)
{
    *ops = *plugin_metropolis.ops.sampler;
    ops->start = heated_start;
    *table = plugin_metropolis;
    table->ops.sampler = ops;
}

Test(targets, too_hot_is_seen_in_moments)
{
    trial t;
    chains c;
    nre_sampler_ops ops;
    nre_plugin wrong;
    law l = law_gaussian();
    const effort e = {.n_chains = 16, .warmup = 500, .draws = 2000, .seed = 11};
    lay_wrong(&ops, &wrong);
    trial_open(&t, &l, &wrong, NULL);
    heat = 1;
    cr_assert_eq(trial_sample(&t, 0, &e, &c), NRE_OK);
    cr_assert_lt(moments_of(&c, &l).z, 4.5);
    chains_release(&c);
    heat = 0.8;
    cr_assert_eq(trial_sample(&t, 0, &e, &c), NRE_OK);
    cr_assert_gt(moments_of(&c, &l).z, 4.5);
    chains_release(&c);
    trial_close(&t);
}

Test(targets, too_hot_is_seen_in_ranks)
{
    nre_sampler_ops ops;
    nre_plugin wrong;
    lay_wrong(&ops, &wrong);
    heat = 0.5;
    double p = calibration_of(&wrong, NULL, 400,
                              &(effort){.n_chains = 4, .warmup = 200, .draws = 300});
    cr_assert_lt(p, 1e-6, "p = %g", p);
}

/* plugins/samplers/team.h, through the samplers that use it: lots of chains in any number of threads,
 * steps in blocks. */
#include "targets.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

extern const nre_plugin plugin_rejection;
extern const nre_plugin plugin_metropolis, plugin_hmc, plugin_nuts, plugin_slice,
    plugin_ensemble, plugin_tempered, plugin_importance;

/* Two lots, the second smaller; windows of warm-up end within. */
static const effort WORK = {.n_chains = 101, .warmup = 80, .draws = 20, .seed = 3};
static const effort EVEN = {.n_chains = 130, .warmup = 80, .draws = 20, .seed = 3};
static const effort BANDS = {.n_chains = 200, .warmup = 40, .draws = 60, .seed = 6};

static void same(const chains *a, const chains *b)
{
    size_t n = a->n_chains * a->n_draws;
    cr_assert_eq(a->n_draws, b->n_draws);
    cr_assert_eq(memcmp(a->theta, b->theta, n * a->dim * sizeof(double)), 0);
    cr_assert_eq(memcmp(a->log_posterior, b->log_posterior, n * sizeof(double)), 0);
    cr_assert_eq(a->evaluations, b->evaluations);
    cr_assert_eq(a->divergent, b->divergent);
    cr_assert(a->acceptance == b->acceptance ||
              (isnan(a->acceptance) && isnan(b->acceptance)));
}

static void threads_change_nothing(const nre_plugin *sampler, const law *l,
                                   const effort *e)
{
    trial t;
    chains one, many;
    trial_open(&t, l, sampler, NULL);
    cr_assert_eq(trial_sample(&t, 0, e, &one), NRE_OK, "%s", error_message());
    for (unsigned threads = 2; threads <= 3; threads++) {
        pool *p = NULL;
        cr_assert_eq(pool_new(threads, &p), NRE_OK);
        cr_assert_eq(trial_sample_in(&t, p, 0, e, &many), NRE_OK, "%s", error_message());
        same(&one, &many);
        chains_release(&many);
        pool_free(p);
    }
    chains_release(&one);
    trial_close(&t);
}

Test(team, threads_change_nothing)
{
    const nre_plugin *const any[] = {&plugin_metropolis, &plugin_hmc,
                                     &plugin_nuts,       &plugin_slice,
                                     &plugin_tempered,   &plugin_importance};
    law gaussian = law_gaussian(), wide = law_truncated();
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        threads_change_nothing(any[i], &gaussian, &WORK);
    threads_change_nothing(&plugin_ensemble, &gaussian, &EVEN);
    threads_change_nothing(&plugin_ensemble, &gaussian, &BANDS);
    threads_change_nothing(&plugin_rejection, &wide, &EVEN);
}

/* A log ratio that is no number once chains are on their way. */
static atomic_int asked;

static double broken(const law *l, const double *theta, const float *x, double *gradient)
{
    (void)l, (void)theta, (void)x;
    if (gradient)
        gradient[0] = 0;
    return atomic_fetch_add(&asked, 1) < 4000 ? 0 : NAN;
}

Test(team, a_failure_in_a_thread_is_told)
{
    law l = law_skewed();
    trial t;
    chains c;
    pool *p = NULL;
    l.log_ratio = broken;
    trial_open(&t, &l, &plugin_metropolis, NULL);
    cr_assert_eq(pool_new(3, &p), NRE_OK);
    cr_assert_eq(trial_sample_in(&t, p, 0, &WORK, &c), NRE_ENUMERIC);
    cr_assert_gt(asked, 4000);
    cr_assert_not_null(strstr(error_message(), "the log ratio of row 0 is"), "%s",
                       error_message());
    pool_free(p);
    trial_close(&t);
}

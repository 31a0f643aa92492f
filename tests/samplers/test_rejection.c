/* rejection before known posteriors, and where it must give up. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

extern const nre_plugin plugin_rejection;

static const effort WORK = {.n_chains = 8, .warmup = 100, .draws = 500, .seed = 61};

/* Moments are right, draws independent, the maximum was found. */
static void is_exact(const law *l)
{
    trial t;
    chains c;
    trial_open(&t, l, &plugin_rejection, NULL);
    cr_assert_eq(trial_sample(&t, 0, &WORK, &c), NRE_OK, "%s", error_message());
    verdict v = moments_of(&c, l);
    cr_assert_lt(v.z, 4.5, "%s: %s", l->name, v.worst);
    cr_assert_gt(c.effective, 0.85 * 8 * 500, "%s: %g", l->name, c.effective);
    cr_assert_eq(c.divergent, 0, "%s: the maximum was raised %d times", l->name,
                 (int)c.divergent);
    chains_release(&c);
    trial_close(&t);
}

Test(rejection, bimodal)
{
    law near = law_bimodal(10), far = law_bimodal(14);
    is_exact(&near);
    is_exact(&far);
}

Test(rejection, truncated)
{
    law l = law_truncated();
    is_exact(&l);
}

Test(rejection, skewed)
{
    law l = law_skewed();
    is_exact(&l);
}

Test(rejection, calibrated, .disabled = SANITIZED)
{
    static const char *const PATIENT[] = {"most=10000000", NULL};
    calibrated(&plugin_rejection, PATIENT,
               &(effort){.n_chains = 1, .draws = 19, .seed = 6});
}

/* One prior draw in a hundred thousand would do. */
Test(rejection, too_narrow_for_the_prior)
{
    law l = law_gaussian();
    trial t;
    chains c;
    trial_open(&t, &l, &plugin_rejection, NULL);
    cr_assert_eq(trial_sample(&t, 0, &WORK, &c), NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "take 'importance'"), "%s",
                       error_message());
    trial_close(&t);
}

/* Of a normal prior: a ratio too rugged for any search; and one with a spike, e times as high, on 0.0002
 * of the prior. */
static double rugged(const law *l, const double *theta, const float *x, double *gradient)
{
    (void)l, (void)x, (void)gradient;
    return 1e4 * sin(1e7 * theta[0]);
}

static double with_spike(const law *l, const double *theta, const float *x,
                         double *gradient)
{
    (void)l, (void)x, (void)gradient;
    return theta[0] > 1 && theta[0] < 1.001 ? 1 : 0;
}

static law ratio_of(double (*log_ratio)(const law *, const double *, const float *,
                                        double *))
{
    law l = law_skewed();
    l.prior[0].b = 1;
    l.log_ratio = log_ratio;
    return l;
}

Test(rejection, refuses_when_the_search_fails)
{
    law l = ratio_of(rugged);
    trial t;
    chains c;
    trial_open(&t, &l, &plugin_rejection, NULL);
    cr_assert_eq(trial_sample(&t, 0, &WORK, &c), NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "the largest log ratio was not found"),
                       "%s", error_message());
    trial_close(&t);
}

Test(rejection, tells_of_maxima_found_late)
{
    law l = ratio_of(with_spike);
    trial t;
    chains c;
    size_t spiked = 0;
    trial_open(&t, &l, &plugin_rejection, NULL);
    cr_assert_eq(trial_sample(&t, 0, &(effort){8, 0, 4000, 3}, &c), NRE_OK, "%s",
                 error_message());
    for (size_t i = 0; i < 8 * 4000; i++)
        spiked += with_spike(&l, c.theta + i, NULL, NULL) > 0;
    cr_assert_gt(spiked, 0);
    cr_assert_eq(c.divergent, 1, "%d", (int)c.divergent);
    chains_release(&c);
    trial_close(&t);
}

/* 5 rows of 8 chains take blocks as long as one of 8. */
Test(rejection, rows_stay_apart)
{
    static const char *const PATIENT[] = {"most=1000000", NULL};
    rows_stay_apart(&plugin_rejection, PATIENT, 5,
                    &(effort){.n_chains = 8, .warmup = 60, .draws = 20, .seed = 9});
}

/* What is left of a call goes to the next: draws do not depend on how many a call asks for. */
Test(rejection, shorter_calls)
{
    law l = law_bimodal(10);
    trial t;
    chains c[2];
    const size_t draws[] = {150, 103};
    trial_open(&t, &l, &plugin_rejection, NULL);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(trial_sample(&t, 0, &(effort){4, 10, draws[i], 1}, &c[i]), NRE_OK);
    trial_close(&t);
    for (size_t k = 0; k < 4; k++)
        cr_assert_arr_eq(c[0].theta + k * 150 * 2, c[1].theta + k * 103 * 2,
                         103 * 2 * sizeof *c[0].theta);
    chains_release(&c[0]);
    chains_release(&c[1]);
}

/* rejection before known posteriors, and where it must give up. */
#include "targets.h"

#include <criterion/criterion.h>
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

Test(rejection, calibrated)
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

/* The banana's second parameter has a heavier tail than its prior, its ratio no maximum: each time
 * that one is found where hardly a draw goes is told. */
Test(rejection, tells_of_ratios_without_maximum)
{
    law l = law_banana();
    trial t;
    chains c;
    effort more = WORK;
    more.draws = 4000;
    trial_open(&t, &l, &plugin_rejection, NULL);
    cr_assert_eq(trial_sample(&t, 0, &more, &c), NRE_OK, "%s", error_message());
    cr_assert_gt(c.divergent, 0);
    chains_release(&c);
    trial_close(&t);
}

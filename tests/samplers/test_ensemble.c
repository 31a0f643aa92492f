/* ensemble before known posteriors. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>
#include <string.h>

extern const nre_plugin plugin_ensemble;

static const effort WORK = {.n_chains = 16, .warmup = 1000, .draws = 10000, .seed = 31};

Test(ensemble, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_ensemble, NULL, &l, &WORK);
}

Test(ensemble, banana)
{
    law l = law_banana();
    effort longer = WORK;
    longer.draws = 30000;
    recovers(&plugin_ensemble, NULL, &l, &longer);
}

Test(ensemble, truncated)
{
    law l = law_truncated();
    recovers(&plugin_ensemble, NULL, &l, &WORK);
}

Test(ensemble, skewed)
{
    law l = law_skewed();
    recovers(&plugin_ensemble, NULL, &l, &WORK);
}

Test(ensemble, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_ensemble, NULL,
               &(effort){.n_chains = 8, .warmup = 100, .draws = 250, .seed = 3});
}

static void is_refused(size_t n_chains)
{
    law l = law_gaussian();
    trial t;
    chains c;
    effort e = {.n_chains = n_chains, .warmup = 10, .draws = 10, .seed = 1};
    trial_open(&t, &l, &plugin_ensemble, NULL);
    cr_assert_eq(trial_sample(&t, 0, &e, &c), NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "at least 12"), "%s", error_message());
    trial_close(&t);
}

Test(ensemble, numbers_of_chains)
{
    is_refused(13);
    is_refused(10);
    is_refused(1);
}

/* 100 rows of 8 chains make shorter blocks of steps. */
Test(ensemble, rows_stay_apart)
{
    rows_stay_apart(&plugin_ensemble, NULL, 100,
                    &(effort){.n_chains = 8, .warmup = 60, .draws = 150, .seed = 9});
}

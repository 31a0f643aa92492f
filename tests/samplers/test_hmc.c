/* hmc before known posteriors. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_hmc;

static const effort WORK = {.n_chains = 16, .warmup = 300, .draws = 2000, .seed = 11};

Test(hmc, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_hmc, NULL, &l, &WORK);
}

Test(hmc, diagonal_metric)
{
    static const char *const OPTIONS[] = {"metric=diagonal", "length=4", NULL};
    law l = law_gaussian();
    recovers(&plugin_hmc, OPTIONS, &l, &WORK);
}

Test(hmc, banana)
{
    static const char *const OPTIONS[] = {"length=3", "accept=0.9", NULL};
    law l = law_banana();
    recovers(&plugin_hmc, OPTIONS, &l, &WORK);
}

Test(hmc, modes_that_touch)
{
    law l = law_bimodal(4);
    recovers(&plugin_hmc, NULL, &l, &WORK);
}

Test(hmc, truncated)
{
    law l = law_truncated();
    recovers(&plugin_hmc, NULL, &l, &WORK);
}

Test(hmc, skewed)
{
    law l = law_skewed();
    recovers(&plugin_hmc, NULL, &l,
             &(effort){.n_chains = 16, .warmup = 300, .draws = 20000, .seed = 11});
}

Test(hmc, deciles, .disabled = SANITIZED)
{
    deciles_agree(&plugin_hmc, NULL,
                  &(effort){.n_chains = 16, .warmup = 300, .draws = 20000, .seed = 12});
}

Test(hmc, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_hmc, NULL,
               &(effort){.n_chains = 4, .warmup = 100, .draws = 100, .seed = 1});
}

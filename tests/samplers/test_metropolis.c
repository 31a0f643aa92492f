/* metropolis before known posteriors; and the comparison itself before samplers that are wrong. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_metropolis;

static const effort WORK = {.n_chains = 16, .warmup = 500, .draws = 2000, .seed = 11};

Test(metropolis, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_metropolis, NULL, &l, &WORK);
}

Test(metropolis, banana)
{
    law l = law_banana();
    recovers(&plugin_metropolis, NULL, &l,
             &(effort){.n_chains = 16, .warmup = 500, .draws = 8000, .seed = 11});
}

Test(metropolis, bimodal)
{
    law l = law_bimodal(10);
    recovers(&plugin_metropolis, NULL, &l, &WORK);
}

Test(metropolis, truncated)
{
    law l = law_truncated();
    recovers(&plugin_metropolis, NULL, &l, &WORK);
}

Test(metropolis, skewed)
{
    law l = law_skewed();
    recovers(&plugin_metropolis, NULL, &l, &WORK);
}

Test(metropolis, deciles, .disabled = SANITIZED)
{
    deciles_agree(&plugin_metropolis, NULL,
                  &(effort){.n_chains = 16, .warmup = 300, .draws = 20000, .seed = 12});
}

Test(metropolis, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_metropolis, NULL,
               &(effort){.n_chains = 4, .warmup = 200, .draws = 500, .seed = 1});
}

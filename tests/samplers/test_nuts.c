/* nuts before known posteriors. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_nuts;

static const effort WORK = {.n_chains = 16, .warmup = 300, .draws = 2000, .seed = 11};

Test(nuts, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_nuts, NULL, &l, &WORK);
}

Test(nuts, diagonal_metric)
{
    static const char *const OPTIONS[] = {"metric=diagonal", NULL};
    law l = law_gaussian();
    recovers(&plugin_nuts, OPTIONS, &l, &WORK);
}

Test(nuts, banana)
{
    static const char *const OPTIONS[] = {"accept=0.9", NULL};
    law l = law_banana();
    recovers(&plugin_nuts, OPTIONS, &l, &WORK);
}

Test(nuts, modes_that_touch)
{
    law l = law_bimodal(4);
    recovers(&plugin_nuts, NULL, &l, &WORK);
}

Test(nuts, truncated)
{
    law l = law_truncated();
    recovers(&plugin_nuts, NULL, &l, &WORK);
}

Test(nuts, skewed)
{
    law l = law_skewed();
    recovers(&plugin_nuts, NULL, &l,
             &(effort){.n_chains = 16, .warmup = 300, .draws = 20000, .seed = 11});
}

Test(nuts, deciles, .disabled = SANITIZED)
{
    deciles_agree(&plugin_nuts, NULL,
                  &(effort){.n_chains = 16, .warmup = 300, .draws = 20000, .seed = 12});
}

Test(nuts, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_nuts, NULL,
               &(effort){.n_chains = 4, .warmup = 100, .draws = 100, .seed = 1});
}

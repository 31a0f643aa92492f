/* tempered before known posteriors, among them modes that no walk crosses. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_tempered;

static const effort WORK = {.n_chains = 16, .warmup = 500, .draws = 2000, .seed = 41};

Test(tempered, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_tempered, NULL, &l, &WORK);
}

Test(tempered, banana)
{
    law l = law_banana();
    recovers(&plugin_tempered, NULL, &l, &WORK);
}

Test(tempered, bimodal)
{
    law near = law_bimodal(10), far = law_bimodal(14);
    recovers(&plugin_tempered, NULL, &near, &WORK);
    recovers(&plugin_tempered, NULL, &far, &WORK);
}

Test(tempered, truncated)
{
    law l = law_truncated();
    recovers(&plugin_tempered, NULL, &l, &WORK);
}

Test(tempered, skewed)
{
    law l = law_skewed();
    recovers(&plugin_tempered, NULL, &l, &WORK);
}

/* The prior and the posterior alone are a ladder too, if a long one to climb. */
Test(tempered, two_temperatures)
{
    static const char *const TWO[] = {"temperatures=2", NULL};
    law l = law_truncated();
    recovers(&plugin_tempered, TWO, &l, &WORK);
}

Test(tempered, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_tempered, NULL,
               &(effort){.n_chains = 4, .warmup = 150, .draws = 200, .seed = 4});
}

/* 50 rows of 8 chains make shorter blocks of steps. */
Test(tempered, rows_stay_apart)
{
    rows_stay_apart(&plugin_tempered, NULL, 50,
                    &(effort){.n_chains = 8, .warmup = 60, .draws = 150, .seed = 9});
}

/* slice before known posteriors. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_slice;

static const effort WORK = {.n_chains = 16, .warmup = 400, .draws = 1500, .seed = 21};
static const char *const COORDINATES[] = {"directions=coordinates", NULL};
static const char *const BOTH[] = {"directions=both", NULL};

Test(slice, gaussian)
{
    law l = law_gaussian();
    recovers(&plugin_slice, NULL, &l, &WORK);
}

Test(slice, banana)
{
    law l = law_banana();
    effort longer = WORK;
    longer.draws = 4000;
    recovers(&plugin_slice, BOTH, &l, &longer);
}

Test(slice, truncated)
{
    law l = law_truncated();
    recovers(&plugin_slice, NULL, &l, &WORK);
    recovers(&plugin_slice, COORDINATES, &l, &WORK);
}

Test(slice, skewed)
{
    law l = law_skewed();
    recovers(&plugin_slice, NULL, &l, &WORK);
}

/* Steps out and shrinks as often, whatever the first width: about five evaluations an update. */
Test(slice, widths_are_tuned)
{
    static const char *const NARROW[] = {"width=0.001", NULL}, *const WIDE[] = {
                                                                   "width=1000", NULL};
    law l = law_gaussian();
    recovers(&plugin_slice, NARROW, &l, &WORK);
    recovers(&plugin_slice, WIDE, &l, &WORK);
}

Test(slice, calibrated, .disabled = SANITIZED)
{
    calibrated(&plugin_slice, NULL,
               &(effort){.n_chains = 4, .warmup = 150, .draws = 200, .seed = 2});
}

/* 100 rows of 8 chains make shorter blocks of steps. */
Test(slice, rows_stay_apart)
{
    rows_stay_apart(&plugin_slice, NULL, 100,
                    &(effort){.n_chains = 8, .warmup = 60, .draws = 150, .seed = 9});
}

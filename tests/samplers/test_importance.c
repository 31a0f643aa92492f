/* importance before known posteriors. */
#include "../sanitized.h"
#include "targets.h"

#include <criterion/criterion.h>

extern const nre_plugin plugin_importance;

static const effort WORK = {.n_chains = 4, .warmup = 100, .draws = 100, .seed = 51};
static const char *const PRIOR[] = {"proposal=prior", "points=50000", NULL};

static void serves(const char *const *options, const law *l, double least)
{
    trial t;
    chains c;
    trial_open(&t, l, &plugin_importance, options);
    cr_assert_eq(trial_sample(&t, 0, &WORK, &c), NRE_OK, "%s", error_message());
    verdict v = moments_of(&c, l);
    cr_assert_lt(v.z, 4.5, "%s: %s", l->name, v.worst);
    cr_assert_lt(c.k_hat, K_HAT_MOST, "%s: %g", l->name, c.k_hat);
    cr_assert_gt(c.effective / (double)(c.n_chains * c.n_draws), least, "%s: %g of %zu",
                 l->name, c.effective, c.n_chains * c.n_draws);
    chains_release(&c);
    trial_close(&t);
}

Test(importance, gaussian)
{
    law l = law_gaussian();
    serves(NULL, &l, 0.35);
}

Test(importance, banana)
{
    law l = law_banana();
    serves(NULL, &l, 0.3);
    serves(PRIOR, &l, 0.01);
}

Test(importance, bimodal)
{
    law l = law_bimodal(14);
    serves(NULL, &l, 0.5);
    serves(PRIOR, &l, 0.01);
}

Test(importance, truncated)
{
    law l = law_truncated();
    serves(NULL, &l, 0.2);
    serves(PRIOR, &l, 0.01);
}

Test(importance, skewed)
{
    law l = law_skewed();
    serves(NULL, &l, 0.3);
}

/* Prior draws that hardly meet the posterior: k-hat says so. */
Test(importance, too_narrow_for_the_prior)
{
    law l = law_gaussian();
    trial t;
    chains c;
    static const char *const FEW[] = {"proposal=prior", "points=10000", NULL};
    trial_open(&t, &l, &plugin_importance, FEW);
    cr_assert_eq(trial_sample(&t, 0, &WORK, &c), NRE_OK, "%s", error_message());
    cr_assert(!(c.k_hat <= K_HAT_MOST), "%g", c.k_hat);
    chains_release(&c);
    trial_close(&t);
}

Test(importance, calibrated, .disabled = SANITIZED)
{
    static const char *const QUICK[] = {"points=1000", "rounds=2", "components=2", NULL};
    calibrated(&plugin_importance, QUICK,
               &(effort){.n_chains = 4, .warmup = 100, .draws = 100, .seed = 5});
}

/* 6 rows of 8 chains make shorter blocks of steps. */
Test(importance, rows_stay_apart)
{
    static const char *const QUICK[] = {"points=2000", NULL};
    rows_stay_apart(&plugin_importance, QUICK, 6,
                    &(effort){.n_chains = 8, .warmup = 60, .draws = 150, .seed = 9});
}

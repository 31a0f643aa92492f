/* diagnose/diagnostics.c - the list of all diagnostics that end with a finding: a new one is a file and a
 * line here. */
#include "diagnose/diagnose.h"

#include <string.h>

const diagnostic *const DIAGNOSTICS[] = {
    &sbc_diagnostic,
    &tarp_diagnostic,
    &entropy_diagnostic,
    &ensemble_diagnostic,
    &likelihood_diagnostic,
    &posterior_predictive_diagnostic,
    &convergence_diagnostic,
    &local_coverage_diagnostic,
    &auc_diagnostic,
    &lc2st_diagnostic,
    NULL,
};
const size_t N_DIAGNOSTICS = sizeof DIAGNOSTICS / sizeof DIAGNOSTICS[0] - 1;

const diagnostic *diagnostic_of(const char *name)
{
    for (size_t i = 0; i < N_DIAGNOSTICS; i++)
        if (!strcmp(DIAGNOSTICS[i]->name, name))
            return DIAGNOSTICS[i];
    return NULL;
}

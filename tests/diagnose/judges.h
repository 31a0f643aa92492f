/* Does a diagnostic notice that a ratio is wrong, and must it? */
#ifndef TESTS_JUDGES_H
#define TESTS_JUDGES_H

#include "diagnose/diagnose.h"

/* Ways to be wrong; docs/diagnostics.md describes them. */
typedef enum wrong_way {
    RIGHT,
    NARROW,
    WIDE,
    SHIFTED,
    LOCAL,
    PRIOR,
    BLIND,
    UNNORMALISED,
    ODD, /* the observation, not the ratio */
    N_WAYS
} wrong_way;
extern const char *const WAY_NAMES[N_WAYS];

/* OF: the simulator; docs/diagnostics.md has the list and the exceptions. */
bool must_notice(const char *of, const char *name, wrong_way way);

typedef enum outcome { SILENT, NOTICES, UNKNOWN } outcome;

/* One with a finding: it notices when that fails.  UNKNOWN where it declines, informs or stays open.  HOW as
 * for perform.  S has pairs with its measures. */
int listed_notices(const diagnostic *d, const subject *s, const diagnostic_options *how,
                   outcome *out);
/* Measures of all diagnostics that WANTED (NULL: all) says yes to: at most MOST of them. */
size_t listed_measures(bool (*wanted)(const void *context, const char *name),
                       const void *context, size_t most, const measure **out);

/* Those without a finding of their own. */

/* The 99% interval of a level leaves out its nominal value. */
outcome coverage_notices(const coverage_result *c);
/* A tenth of the areas is off by a tenth. */
int area_notices(const subject *s, uint64_t observables, outcome *out);
/* It is not 2.33 standard errors above 0. */
outcome gain_notices(const coverage_result *c);
/* It lies 2.33 standard errors below that of the exact ratio, EXACT [n] on the same pairs, NAN where
 * missing. */
outcome gain_notices_beside(const pair_set *p, const double *exact);
/* Farther from the training rows than 99% of the test rows. */
int predictive_notices(const subject *s, const loader *train, const scaling *scales,
                       outcome *out);

#endif

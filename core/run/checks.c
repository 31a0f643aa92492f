/* The diagnostics of core/diagnose's list as units of the diagnose stage, and the pass over test pairs
 * that they share. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_MEASURES = 32,
    PAIRS = 20000, /* of a pass where no coverage is asked for */
    LEAST_PAIRS = 50
};

/* In the order of check_kind. */
static const char *const NAMES[N_CHECKS] = {[CHECK_SBC] = "sbc",
                                            [CHECK_TARP] = "tarp",
                                            [CHECK_ENTROPY] = "entropy",
                                            [CHECK_ENSEMBLE] = "ensemble",
                                            [CHECK_LIKELIHOOD] = "likelihood",
                                            [CHECK_POSTERIOR_PREDICTIVE] =
                                                "posterior_predictive",
                                            [CHECK_AUC] = "auc",
                                            [CHECK_CONVERGENCE] = "convergence",
                                            [CHECK_LOCAL_COVERAGE] = "local_coverage",
                                            [CHECK_LC2ST] = "lc2st"};

const char *check_name(size_t kind)
{
    return NAMES[kind];
}

/* An inference reads a config in which every default is written out. */
static bool is_said(const run *r, size_t kind)
{
    if (r->source != r->folder)
        return false;
    const char *path = arena_print(r->session->arena, "diagnose.%s", NAMES[kind]);
    const node *at = path ? experiment_find(r->session->experiment, path) : NULL;
    return at && strcmp(at->origin, "default") != 0;
}

/* What is on by itself keeps silent where it has nothing to say. */
static bool is_idle(const run *r, size_t kind)
{
    const experiment *e = r->session->experiment;
    bool likely = NRE_HAS(simulator_ops(r->session->simulator), log_likelihood);
    bool network = e->estimator == ESTIMATOR_NETWORK;
    if (kind == CHECK_ENSEMBLE)
        return !network || e->train.ensemble < 2;
    if (kind == CHECK_LIKELIHOOD)
        return !network || !likely;
    return kind == CHECK_POSTERIOR_PREDICTIVE && !has_observation(r);
}

bool check_is_wanted(const run *r, size_t kind)
{
    const experiment *e = r->session->experiment;
    return diagnostic_of(NAMES[kind]) && e->diagnose.check[kind].wanted &&
           (is_said(r, kind) || (!is_idle(r, kind) && !uses_abc(e)));
}

/* The shared pass */

/* Curves of the coverage of each parameter come from its ranks. */
static size_t measures_of(const run *r, const measure **out)
{
    size_t n = 0;
    if (r->session->experiment->diagnose.coverage.wanted)
        out[n++] = &measure_ranks;
    for (size_t k = 0; k < N_CHECKS; k++) {
        const diagnostic *d = check_is_wanted(r, k) ? diagnostic_of(NAMES[k]) : NULL;
        for (size_t i = 0; d && i < d->n_measures; i++) {
            size_t at = 0;
            while (at < n && out[at] != d->measures[i])
                at++;
            if (at == n && n < MOST_MEASURES)
                out[n++] = d->measures[i];
        }
    }
    return n;
}

static uint64_t pairs_wanted(const experiment *e, uint64_t there)
{
    uint64_t n = e->diagnose.coverage.observables * e->diagnose.coverage.repeats;
    if (!e->diagnose.coverage.wanted)
        n = PAIRS;
    return n < there ? n : there;
}

int pairs_shared(run *r, size_t which, subject *s)
{
    const experiment *e = r->session->experiment;
    const measure *measures[MOST_MEASURES];
    size_t n = r->session->n_targets;
    if (!r->passes)
        r->passes = memory_new(2 * n, sizeof *r->passes);
    if (!r->passes)
        return fail(NRE_ENOMEM, "no memory for the test pairs");
    pair_set **kept = &r->passes[which + (r->plain ? n : 0)];
    pairs_plan wanted = {.n = pairs_wanted(e, s->test->n),
                         .deviances = e->diagnose.coverage.wanted &&
                                      e->diagnose.coverage.regions &
                                          (REGION_CONFIDENCE | REGION_NEYMAN),
                         .snap = e->diagnose.coverage.snap,
                         .n_measures = measures_of(r, measures),
                         .measures = measures};
    int rc = *kept ? NRE_OK : pairs_of(s, &wanted, kept);
    s->pairs = *kept;
    return rc;
}

void pairs_forget(run *r)
{
    for (size_t i = 0; r->passes && i < 2 * r->session->n_targets; i++)
        pairs_free(r->passes[i]);
    free(r->passes);
    r->passes = NULL;
}

/* Few pairs pass whatever they are, and so do those that are left when a posterior in five is open. */
static const char *too_thin(const pair_set *p)
{
    uint64_t missing = 0;
    for (uint64_t i = 0; i < p->n; i++)
        missing += p->standing[i].missing;
    if (p->n - missing < LEAST_PAIRS)
        return "fewer than 50 test pairs can be judged, among which no fault would show";
    return missing * 5 > p->n
               ? "the posterior of more than a fifth of the test pairs stayed "
                 "too coarse to be judged, and those may be the wrong ones"
               : NULL;
}

static void leave_open(const pair_set *p, json_t *row)
{
    const char *word = json_string_value(json_object_get(row, "verdict"));
    const char *why =
        word && !strcmp(word, finding_word(FINDING_OK)) ? too_thin(p) : NULL;
    if (!why)
        return;
    json_object_set_new(row, "verdict", json_string(finding_word(FINDING_OPEN)));
    json_object_set_new(row, "reason", json_string(why));
}

/* Units */

/* Where the config has none: coverage is not asked for. */
static const double LEVELS[] = {0.68, 0.95, 0.997};

static int examine(run *r, size_t kind, size_t which, judged *j, json_t **out)
{
    const experiment *e = r->session->experiment;
    const diagnostic *d = diagnostic_of(NAMES[kind]);
    const check_request *asked = &e->diagnose.check[kind];
    diagnostic_options how = {.n = asked->n,
                              .repeats = asked->repeats,
                              .n_levels = e->diagnose.coverage.n_levels,
                              .levels = e->diagnose.coverage.levels};
    if (how.n_levels == 0) {
        how.n_levels = sizeof LEVELS / sizeof LEVELS[0];
        how.levels = LEVELS;
    }
    const char *why = uses_abc(e)
                          ? "abc draws a sample without a ratio that could be checked"
                      : d->declines ? d->declines(&j->subject)
                                    : NULL;
    if (why) {
        *out = finding_open(why);
        return *out && !json_object_set_new(*out, "declined", json_true())
                   ? NRE_OK
                   : fail(NRE_ENOMEM, "no memory for a result");
    }
    if (d->slow)
        log_say(NRE_INFO, "diagnose/%s of target %s takes a while", d->name,
                r->session->targets[which].name);
    int rc = d->simulates ? simulator_prepare(r->session->simulator) : NRE_OK;
    if (!rc && d->n_measures)
        rc = pairs_shared(r, which, &j->subject);
    if (!rc)
        rc = d->perform(&j->subject, &how, out);
    if (!rc && d->n_measures)
        leave_open(j->subject.pairs, *out);
    return rc;
}

static int perform_target(run *r, size_t kind, size_t which, json_t *list)
{
    judged j;
    json_t *result = NULL;
    const char *name = r->session->targets[which].name;
    int rc = judged_open(r, which, &j);
    if (rc)
        return rc;
    rc = examine(r, kind, which, &j, &result);
    if (!rc && (!json_is_object(result) ||
                json_object_set_new(result, "target", json_string(name)) ||
                json_array_append(list, result)))
        rc = fail(NRE_ENOMEM, "no memory for a result");
    json_decref(result);
    judged_close(&j);
    return rc ? fail_within(rc, "%s of target %s", NAMES[kind], name) : NRE_OK;
}

static const char *path_of(const run *r, const unit *u)
{
    return folder_path(r->folder, "diagnostics/%s.json", NAMES[u->index]);
}

static const char *missing(const run *r, const unit *u)
{
    return path_missing(r, path_of(r, u));
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    json_t *list = json_array(), *all = NULL;
    (void)rate;
    (void)rate_unit;
    int rc = folder_make(folder_path(r->folder, "diagnostics"));
    for (size_t i = 0; i < r->session->n_targets && !rc; i++)
        rc = perform_target(r, u->index, i, list);
    if (!rc && !(all = json_pack("{s:O}", "rows", list)))
        rc = fail(NRE_ENOMEM, "no memory for a result");
    if (!rc)
        rc = json_save(path_of(r, u), all);
    json_decref(all);
    json_decref(list);
    return rc;
}

static int unit_of(run *r, arena *a, size_t kind, unit *u)
{
    const diagnostic *d = diagnostic_of(NAMES[kind]);
    const char *prefix[] = {arena_print(a, "diagnose.%s", d->name),
                            "simulator.on_invalid", "diagnose.coverage"};
    bool covers =
        d->n_measures || kind == CHECK_LOCAL_COVERAGE; /* its pairs, its levels */
    *u = (unit){.name = arena_print(a, "diagnose/%s", d->name),
                .stage = "diagnose",
                .index = kind,
                .missing = missing,
                .perform = perform};
    return prefix[0] && u->name
               ? judged_inputs(r, a, covers ? 3 : 2, prefix, d->observes, &u->inputs)
               : fail(NRE_ENOMEM, "no memory for the stages");
}

int units_check(run *r, arena *a, size_t *n, unit *out)
{
    int rc = NRE_OK;
    for (size_t k = 0; k < N_CHECKS && !rc; k++)
        if (check_is_wanted(r, k))
            rc = unit_of(r, a, k, &out[(*n)++]);
    return rc;
}

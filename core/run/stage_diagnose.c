/* The diagnose stage: one unit a diagnostic, over all targets. */
#include "run/run.h"

#include <string.h>

static int coverage_unit(run *r, size_t which, judged *b, json_t **out)
{
    const experiment *e = r->session->experiment;
    coverage_request request = {e->diagnose.coverage.n_levels,
                                e->diagnose.coverage.levels,
                                e->diagnose.coverage.regions,
                                e->diagnose.coverage.observables,
                                e->diagnose.coverage.repeats,
                                e->diagnose.coverage.snap,
                                e->diagnose.coverage.n_bias,
                                e->diagnose.coverage.bias,
                                NULL};
    coverage_result result = {0};
    neyman *critical = NULL;
    if (uses_abc(e)) {
        *out = abc_no_coverage(e);
        return NRE_OK;
    }
    int rc = e->diagnose.coverage.regions & REGION_NEYMAN
                 ? neyman_open(r, which, b->estimator, &critical)
                 : NRE_OK;
    request.neyman = critical;
    if (!rc && request.observables * request.repeats <= b->test->n)
        rc = pairs_shared(r, which, &b->subject);
    if (!rc)
        rc = coverage_of(&b->subject, &request, &result);
    if (!rc && b->subject.pairs && !r->plain)
        rc =
            pairs_save(b->subject.pairs, folder_path(r->folder, "diagnostics/pairs-%s.h5",
                                                     r->session->targets[which].name));
    if (rc == NRE_EINVAL) /* an imported test set turned out too small */
        rc = NRE_ECONFIG;
    if (!rc)
        *out = coverage_json(&result);
    coverage_release(&result);
    neyman_free(critical);
    return rc;
}

/* Area of each observed row beside those of the test rows. */
static int observed_areas(run *r, const judged *b, const area_result *test, json_t *out)
{
    observed *o = NULL;
    ratio_worker *w = NULL;
    size_t n = 0;
    const float *x = NULL;
    json_t *list = json_array();
    int rc = observations_of(r, &n, &x);
    if (!rc)
        rc = ratio_worker_new(b->estimator->ratio, &w);
    if (!rc)
        rc = observed_new(b->estimator->ratio, &o);
    if (!rc && n)
        rc = ratio_observe(b->estimator->ratio, w, n, x, o);
    for (size_t i = 0; i < n && !rc; i++) {
        double area, rank;
        rc = area_of_observation(&b->subject, test, o, i, &area, &rank);
        json_t *j = json_object();
        json_object_set_new(j, "area", json_number(area));
        json_object_set_new(j, "rank", json_number(rank));
        json_array_append_new(list, j);
    }
    json_object_set_new(out, "observed", list);
    observed_free(o);
    ratio_worker_free(w);
    return rc;
}

static int area_unit(run *r, size_t which, judged *b, json_t **out)
{
    area_result result = {0};
    (void)which;
    if (uses_abc(r->session->experiment)) {
        *out = abc_no_area();
        return NRE_OK;
    }
    bool mixed = joins_posteriors(r->session->experiment);
    if (mixed || !ratio_is_normalised(b->estimator->ratio)) {
        *out = json_pack("{s:n, s:s, s:[]}", "mean", "reason",
                         mixed ? "a mixture of normalised posteriors has area 1 by "
                                 "construction"
                               : "this ratio is known up to a function of x",
                         "observed");
        return NRE_OK;
    }
    int rc =
        area_of(&b->subject, r->session->experiment->diagnose.area.observables, &result);
    if (!rc)
        *out = area_json(&result);
    if (!rc)
        rc = observed_areas(r, b, &result, *out);
    area_release(&result);
    return rc;
}

/* Among the training rows as a network sees them; the scaling of a member or, without
 * network, a fresh one. */
static int predictive_unit(run *r, size_t which, judged *b, json_t **out)
{
    session *s = r->session;
    dataset *data = NULL;
    loader *train = NULL;
    scaling *fitted = NULL;
    size_t n = 0;
    const float *x = NULL;
    predictive_result result = {0};
    (void)which;
    bool fresh = !b->estimator || !b->estimator->n_members;
    const scaling *known = fresh ? NULL : b->estimator->scalings[0];
    int rc = run_loader(r, 0, &data, &train);
    if (!rc && fresh)
        rc = scaling_fit(s->simulator, train, true, s->workers, &fitted);
    if (!rc)
        rc = observations_of(r, &n, &x);
    if (!rc)
        rc = predictive_of(&b->subject, train, fresh ? fitted : known,
                           s->experiment->diagnose.predictive.observables, n, x, &result);
    if (!rc)
        *out = predictive_json(&result);
    predictive_release(&result);
    scaling_free(fitted);
    loader_free(train);
    dataset_close(data);
    return rc;
}

/* The networks as classifiers before and after calibration. */
static int calibration_unit(run *r, size_t which, judged *b, json_t **out)
{
    (void)which;
    int rc = calibration_judge(b->estimator->plain, b->estimator->ratio, b->test,
                               r->session->workers, out);
    if (!rc)
        json_object_update_new(*out, calibration_said(r));
    return rc;
}

typedef struct duty {
    const char *name;
    const char *prefix; /* of its keys */
    bool (*wanted)(const experiment *e);
    bool observes; /* looks at the observation */
    bool once;     /* the same for every target */
    bool twice;    /* with a calibration also of what the networks say themselves */
    bool
        made_of; /* also of the estimator that a posterior is made of and no target has */
    int (*perform)(run *r, size_t which, judged *b, json_t **out);
} duty;

static bool coverage_wanted(const experiment *e)
{
    return e->diagnose.coverage.wanted;
}

static bool area_wanted(const experiment *e)
{
    return e->diagnose.area.wanted;
}

static bool predictive_wanted(const experiment *e)
{
    return e->diagnose.predictive.wanted;
}

static const duty DUTIES[] = {
    {"coverage", "diagnose.coverage", coverage_wanted, false, false, true, false,
     coverage_unit},
    {"area", "diagnose.area", area_wanted, true, false, true, true, area_unit},
    {"predictive", "diagnose.predictive", predictive_wanted, true, true, false, false,
     predictive_unit},
    {"calibration", "infer.calibrate", calibrates, false, false, false, false,
     calibration_unit},
};
enum { N_DUTIES = sizeof DUTIES / sizeof DUTIES[0] };

static int perform_target(run *r, const duty *d, size_t which, json_t *list)
{
    judged b;
    json_t *result = NULL;
    int rc = judged_open(r, which, &b);
    if (rc)
        return rc;
    rc = d->perform(r, which, &b, &result);
    if (!rc && d->twice && json_is_object(result))
        json_object_set_new(result, "calibration", calibration_said(r));
    if (!rc && !json_is_object(result))
        rc = fail(NRE_ENOMEM, "no memory for the result of %s", d->name);
    if (!rc) {
        json_object_set_new(result, "target",
                            json_string(r->session->targets[which].name));
        rc = json_array_append(list, result) ? fail(NRE_ENOMEM, "no memory") : NRE_OK;
    }
    json_decref(result);
    judged_close(&b);
    return rc ? fail_within(rc, "%s of target %s", d->name,
                            r->session->targets[which].name)
              : NRE_OK;
}

static const char *path_of(const run *r, const unit *u)
{
    return folder_path(r->folder, "diagnostics/%s.json", DUTIES[u->index].name);
}

static const char *missing(const run *r, const unit *u)
{
    const char *first = path_missing(r, path_of(r, u));
    bool pairs =
        DUTIES[u->index].perform == coverage_unit && !uses_abc(r->session->experiment);
    for (size_t i = 0; pairs && !first && i < r->session->n_targets; i++)
        first = path_missing(r, folder_path(r->folder, "diagnostics/pairs-%s.h5",
                                            r->session->targets[i].name));
    return first;
}

/* The estimator that posteriors are made of, where it is none of the targets that were asked for. */
static int perform_maker(run *r, const duty *d, json_t *list)
{
    const session *s = r->session;
    for (size_t i = 0; i < s->n_targets && d->made_of; i++) {
        size_t made_of = posterior_estimator(r, i);
        if (made_of >= s->n_targets && made_of < s->n_estimators)
            return perform_target(r, d, made_of, list);
    }
    return NRE_OK;
}

static int perform_all(run *r, const duty *d, json_t *list)
{
    size_t n = d->once ? 1 : r->session->n_targets;
    int rc = NRE_OK;
    for (size_t i = 0; i < n && !rc; i++)
        rc = perform_target(r, d, i, list);
    return rc ? rc : perform_maker(r, d, list);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    const duty *d = &DUTIES[u->index];
    json_t *list = json_array();
    (void)rate;
    (void)rate_unit;
    int rc = folder_make(folder_path(r->folder, "diagnostics"));
    if (!rc)
        rc = perform_all(r, d, list);
    r->plain = true;
    if (!rc && d->twice && calibrates(r->session->experiment))
        rc = perform_all(r, d, list);
    r->plain = false;
    json_t *all = json_pack("{s:O}", "rows", list);
    if (!rc)
        rc = json_save(path_of(r, u), all);
    json_decref(all);
    json_decref(list);
    return rc;
}

/* The test rows, by what they were made of. */
static int test_line(run *r, arena *a, const char **text)
{
    size_t n = 0;
    unit *u = NULL;
    int rc = units_simulate(r, a, &n, &u);
    for (size_t i = 0; i < n && !rc; i++)
        *text = arena_print(a, "%s%s = %s\n", *text, u[i].name,
                            hash_hex(hash_string(u[i].inputs)).hex);
    return rc;
}

int judged_inputs(run *r, arena *a, size_t n, const char *const *prefix, bool observes,
                  const char **out)
{
    const experiment *e = r->session->experiment;
    const char *text = experiment_inputs(e, a, n, prefix);
    int rc = observes ? observation_inputs(r, a, &text) : NRE_OK;
    if (!rc)
        rc = test_line(r, a, &text);
    if (!rc)
        rc = neyman_inputs(r, a, &text);
    for (size_t i = 0; i < r->session->n_targets && !rc; i++) {
        const char *inputs = NULL;
        rc = estimator_inputs(r, a, i, &inputs);
        if (!rc)
            text =
                arena_print(a, "%sestimator/%s = %s\n", text, r->session->targets[i].name,
                            hash_hex(hash_string(inputs)).hex);
    }
    *out = text;
    return rc || text ? rc : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

int units_diagnose(run *r, arena *a, size_t *n, unit **out)
{
    *n = 0;
    *out = arena_alloc(a, N_DUTIES + N_CHECKS, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    for (size_t i = 0; i < N_DUTIES; i++) {
        const duty *d = &DUTIES[i];
        if (!d->wanted(r->session->experiment))
            continue;
        unit *u = &(*out)[(*n)++];
        *u = (unit){.name = arena_print(a, "diagnose/%s", d->name),
                    .stage = "diagnose",
                    .index = i,
                    .missing = missing,
                    .perform = perform};
        int rc = judged_inputs(r, a, 1, &d->prefix, d->observes, &u->inputs);
        if (rc)
            return rc;
    }
    return units_check(r, a, n, *out);
}

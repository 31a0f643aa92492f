/* Ratio calibration: a unit a target that fits its map, and what later stages make of it. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

enum { CALIBRATION_LIMIT = 1 << 30 }; /* bytes of a file */

bool calibrates(const experiment *e)
{
    return e->infer.calibrate.wanted && e->estimator == ESTIMATOR_NETWORK;
}

/* config's and infer's words for the same. */
static calibration_kind kind_asked(const experiment *e)
{
    static const calibration_kind KINDS[] = {[CALIBRATE_HISTOGRAM] =
                                                 CALIBRATION_HISTOGRAM,
                                             [CALIBRATE_ISOTONIC] = CALIBRATION_ISOTONIC,
                                             [CALIBRATE_PLATT] = CALIBRATION_PLATT};
    return KINDS[e->infer.calibrate.map];
}

static bool is_local(const experiment *e)
{
    return e->infer.calibrate.per == CALIBRATE_THETA;
}

const char *calibration_words(const experiment *e)
{
    static const char *const WORDS[][2] = {{"histogram", "histogram per theta"},
                                           {"isotonic", "isotonic per theta"},
                                           {"platt", "platt per theta"}};
    return WORDS[kind_asked(e)][is_local(e)];
}

json_t *calibration_said(const run *r)
{
    const experiment *e = r->session->experiment;
    if (!calibrates(e) || r->plain)
        return json_null();
    return json_pack("{s:s, s:s}", "map", CALIBRATION_NAMES[kind_asked(e)], "per",
                     is_local(e) ? "theta" : "all");
}

static const char *path_of(const run *r, size_t which)
{
    return source_path(r, "model/%s/calibration.json", r->session->targets[which].name);
}

/* The networks, and what the map is fitted on. */
static int unit_inputs(run *r, arena *a, size_t which, const char **out)
{
    static const char *const PREFIXES[] = {"infer.calibrate"};
    const char *rows = NULL;
    bool plain = r->plain;
    r->plain = true;
    int rc = estimator_inputs(r, a, which, out);
    r->plain = plain;
    if (!rc)
        rc = dataset_inputs(r, CALIBRATION, &rows);
    if (rc)
        return rc;
    *out = arena_print(a, "%s%ssimulate/calibration = %s\n", *out,
                       experiment_inputs(r->session->experiment, a, 1, PREFIXES),
                       hash_hex(hash_string(rows)).hex);
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

int calibration_inputs(run *r, arena *a, size_t which, const char **text)
{
    const char *inputs = NULL;
    if (!calibrates(r->session->experiment) || r->plain)
        return NRE_OK;
    int rc = unit_inputs(r, a, which, &inputs);
    if (rc)
        return rc;
    *text =
        arena_print(a, "%scalibrate = %s\n", *text, hash_hex(hash_string(inputs)).hex);
    return *text ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

static int fit(run *r, size_t which, const classified *pairs)
{
    const session *s = r->session;
    calibration *c = NULL;
    int rc = calibration_fit(kind_asked(s->experiment), is_local(s->experiment),
                             &s->targets[which], pairs, &c);
    json_t *j = rc ? NULL : calibration_json(c);
    if (!rc)
        rc = json_save(path_of(r, which), j);
    if (!rc)
        log_say(NRE_INFO, "target %s: %s calibration of the log ratio by %zu pairs",
                s->targets[which].name, calibration_words(s->experiment), pairs->n);
    json_decref(j);
    calibration_free(c);
    return rc;
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    estimator *e = NULL;
    dataset *d = NULL;
    loader *l = NULL;
    classified pairs = {0};
    r->plain = true;
    int rc = estimator_open(r, u->index, &e);
    r->plain = false;
    if (!rc)
        rc = run_loader(r, CALIBRATION, &d, &l);
    if (!rc)
        rc = classified_of(e->ratio, l, s->workers, UINT64_MAX, 0, &pairs);
    if (!rc)
        rc = fit(r, u->index, &pairs);
    *rate = (double)pairs.n * (double)(pairs.n_marginals + 1);
    *rate_unit = "pairs/s";
    classified_release(&pairs);
    loader_free(l);
    dataset_close(d);
    estimator_close(e);
    return rc;
}

static const char *missing(const run *r, const unit *u)
{
    return path_missing(r, path_of(r, u->index));
}

int units_calibrate(run *r, arena *a, size_t *n, unit *out)
{
    const session *s = r->session;
    int rc = NRE_OK;
    if (!calibrates(s->experiment) || r->source != r->folder)
        return NRE_OK;
    for (size_t i = 0; i < s->n_targets && !rc; i++) {
        unit *u = &out[(*n)++];
        *u = (unit){.name = arena_print(a, "calibrate/%s", s->targets[i].name),
                    .stage = "infer",
                    .index = i,
                    .missing = missing,
                    .perform = perform};
        rc = unit_inputs(r, a, i, &u->inputs);
    }
    return rc;
}

/* A damaged file: --resume fits it anew. */
static int refuse(const run *r, size_t which, int rc)
{
    arena *a = r->session->arena;
    stage_damaged(r, arena_print(a, "calibrate/%s", r->session->targets[which].name));
    return fail(rc == NRE_EFORMAT ? NRE_EDATA : rc,
                "%s: %s; nereid run with --resume fits it anew", path_of(r, which),
                error_message());
}

int calibration_open(const run *r, size_t which, estimator *e)
{
    const session *s = r->session;
    json_t *j = NULL;
    if (!calibrates(s->experiment) || r->plain)
        return NRE_OK;
    int rc = json_load_path(path_of(r, which), CALIBRATION_LIMIT, &j);
    if (!rc)
        rc = calibration_read(j, &s->targets[which], &e->calibration);
    json_decref(j);
    if (rc)
        return refuse(r, which, rc);
    ratio *calibrated = NULL;
    rc = ratio_calibrated(e->ratio, e->calibration, &calibrated);
    if (!rc) {
        e->plain = e->ratio;
        e->ratio = calibrated;
    }
    return rc;
}

int calibration_judge(const ratio *before, const ratio *after, const loader *test,
                      pool *workers, json_t **out)
{
    classified a = {0}, b = {0};
    reliability raw, mapped;
    double change = 0, error = 0;
    int rc = classified_of(before, test, workers, UINT64_MAX, 0, &a);
    if (!rc)
        rc = classified_of(after, test, workers, UINT64_MAX, 0, &b);
    if (!rc)
        rc = reliability_of(&a, &raw);
    if (!rc)
        rc = reliability_of(&b, &mapped);
    if (!rc)
        rc = reliability_change(&a, &b, &change, &error);
    if (!rc)
        *out = json_pack("{s:o, s:o, s:f, s:f}", "before", reliability_json(&raw),
                         "after", reliability_json(&mapped), "log_loss_change", change,
                         "log_loss_change_error", error);
    classified_release(&a);
    classified_release(&b);
    return rc;
}

/* Regions of an observation, and the critical values of Neyman sets. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEYMAN_LIMIT = 16 << 20, GRID_DIM = 3, N_KINDS = 4 };
/* Enough draws to show where a border lies. */
static const cloud_plan PLAN = {.n_prior = 2000, .n_round = 2000, .enough = 4000};

/* critical values: fitted once, kept beside the networks */

bool wants_neyman(const experiment *e)
{
    return (e->diagnose.coverage.wanted &&
            e->diagnose.coverage.regions & REGION_NEYMAN) ||
           (e->infer.regions.wanted && e->infer.regions.kinds & SET_NEYMAN);
}

static void add_levels(size_t n, const double *level, size_t *used, double *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < *used && out[k] != level[i])
            k++;
        if (k == *used)
            out[(*used)++] = level[i];
    }
}

/* All levels that a Neyman set is asked for at; in A. */
static double *levels_of(const experiment *e, arena *a, size_t *n)
{
    size_t most = e->diagnose.coverage.n_levels + e->infer.regions.n_levels;
    double *level = arena_alloc(a, most + 1, sizeof *level);
    *n = 0;
    if (level && e->diagnose.coverage.wanted &&
        e->diagnose.coverage.regions & REGION_NEYMAN)
        add_levels(e->diagnose.coverage.n_levels, e->diagnose.coverage.levels, n, level);
    if (level && e->infer.regions.wanted && e->infer.regions.kinds & SET_NEYMAN)
        add_levels(e->infer.regions.n_levels, e->infer.regions.levels, n, level);
    return level;
}

int neyman_inputs(run *r, arena *a, const char **text)
{
    const char *data = NULL;
    size_t n = 0;
    if (!wants_neyman(r->session->experiment))
        return NRE_OK;
    int rc = dataset_inputs(r, 3, &data);
    const double *level = levels_of(r->session->experiment, a, &n);
    if (!rc)
        *text = level ? arena_print(a, "%scalibration = %s\n", *text,
                                    hash_hex(hash_string(data)).hex)
                      : NULL;
    for (size_t i = 0; i < n && !rc && *text; i++)
        *text = arena_print(a, "%sneyman.level.%zu = %.17g\n", *text, i, level[i]);
    return rc || *text ? rc : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

/* What the critical values of a target are made of. */
static int stamp_of(run *r, arena *a, size_t which, size_t n, const double *level,
                    const char **out)
{
    const char *text = NULL, *data = NULL;
    int rc = estimator_inputs(r, a, which, &text);
    if (!rc)
        rc = dataset_inputs(r, 3, &data);
    for (size_t i = 0; i < n && !rc && text; i++)
        text = arena_print(a, "%slevel = %.17g\n", text, level[i]);
    if (rc)
        return rc;
    text = text && data ? arena_print(a, "%s%s", text, data) : NULL;
    *out = text ? arena_copy(a, hash_hex(hash_string(text)).hex) : NULL;
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for critical values");
}

static int neyman_kept(const char *path, const char *stamp, const target *t, neyman **out)
{
    json_t *j = NULL;
    *out = NULL;
    if (!file_exists(path))
        return NRE_OK;
    int rc = json_load_path(path, NEYMAN_LIMIT, &j);
    const char *said = json_string_value(json_object_get(j, "stamp"));
    if (!rc && said && strcmp(said, stamp) == 0)
        rc = neyman_read(json_object_get(j, "critical_values"), t, out);
    json_decref(j);
    if (rc) /* damaged: made anew */
        error_set("");
    return NRE_OK;
}

static int neyman_keep(const run *r, const char *name, const char *path,
                       const char *stamp, const neyman *m)
{
    json_t *j =
        json_pack("{s:s, s:o}", "stamp", stamp, "critical_values", neyman_json(m));
    int rc = folder_make(source_path(r, "model"));
    if (!rc)
        rc = folder_make(source_path(r, "model/%s", name));
    if (!rc)
        rc = json_save(path, j);
    json_decref(j);
    return rc;
}

static int neyman_made(const run *r, const estimator *e, size_t n, const double *level,
                       neyman **out)
{
    dataset *data = NULL;
    loader *pairs = NULL;
    int rc = run_loader(r, 3, &data, &pairs);
    if (!rc) {
        subject s = {.posterior = &e->posterior,
                     .test = pairs,
                     .seed = r->session->experiment->seed,
                     .pool = r->session->workers,
                     .watch = r->watch};
        rc = neyman_of_pairs(&s, n, level, out);
    }
    loader_free(pairs);
    dataset_close(data);
    return rc;
}

int neyman_open(run *r, size_t which, const estimator *e, neyman **out)
{
    const target *t = &r->session->targets[which];
    const char *path = source_path(r, "model/%s/%s.json", t->name,
                                   r->plain ? "neyman-uncalibrated" : "neyman"),
               *stamp = NULL;
    size_t n = 0;
    *out = NULL;
    if (!wants_neyman(r->session->experiment))
        return NRE_OK;
    double *level = levels_of(r->session->experiment, r->folder->arena, &n);
    int rc = level ? stamp_of(r, r->folder->arena, which, n, level, &stamp)
                   : fail(NRE_ENOMEM, "no memory for critical values");
    if (!rc)
        rc = neyman_kept(path, stamp, t, out);
    if (rc || *out)
        return rc;
    rc = neyman_made(r, e, n, level, out);
    if (!rc && r->source == r->folder)
        rc = neyman_keep(r, t->name, path, stamp, *out);
    return rc ? fail_within(rc, "critical values of target %s", t->name) : NRE_OK;
}

/* regions as JSON */

static json_t *spans_json(const spans *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(
            list, json_pack("[oo]", json_number(s->at[i][0]), json_number(s->at[i][1])));
    return list;
}

static const char *parameter_name(const region_request *q, uint32_t k)
{
    return simulator_theta(q->session->simulator, q->target->which[k])->name;
}

/* KEY: the spans of one parameter, in O. */
static int put_spans(json_t *o, const char *key, const spans *s)
{
    return json_object_set_new(o, key, spans_json(s))
               ? fail(NRE_ENOMEM, "no memory for a region")
               : NRE_OK;
}

static int put_rule(region_view *v, region_kind kind, double level, uint32_t k,
                    const char *key, json_t *o)
{
    region g;
    region_rule rule = {.kind = kind, .level = level, .parameter = k};
    int rc = region_of(v, &rule, &g);
    if (!rc) {
        rc = put_spans(o, key, &g.spans);
        region_release(&g);
    }
    return rc;
}

/* Of a joint region: share of the prior, and what each parameter may be. */
static int joint_json(const region_request *q, region_view *v, const region_rule *rule,
                      json_t *out)
{
    json_t *list = json_array();
    region g;
    double volume = NAN, threshold = NAN;
    int rc = region_of(v, rule, &g);
    if (!rc)
        rc = region_volume(&g, &volume);
    for (uint32_t k = 0; k < q->target->n && !rc; k++) {
        json_t *o = json_pack("{s:s}", "parameter", parameter_name(q, k));
        spans s = {0};
        rc = region_projection(&g, k, &s);
        if (!rc)
            rc = put_spans(o, "intervals", &s);
        if (!rc && rule->kind == REGION_HPD)
            rc = put_rule(v, REGION_HDI, rule->level, k, "hdi", o);
        spans_release(&s);
        json_array_append_new(list, o);
    }
    if (!rc && rule->kind == REGION_WILKS)
        threshold = wilks_threshold(rule->level, q->target->n);
    if (!rc && rule->kind == REGION_BY_NEYMAN)
        rc = neyman_critical(rule->neyman, rule->level, 1, v->best, &threshold);
    json_object_set_new(out, "threshold", json_number(threshold));
    json_object_set_new(out, "share_of_prior", json_number(volume));
    json_object_set_new(out, "parameters", list);
    region_release(&g);
    return rc;
}

static int profile_json(const region_request *q, region_view *v, double level,
                        json_t *out)
{
    json_t *list = json_array();
    int rc = NRE_OK;
    for (uint32_t k = 0; k < q->target->n && !rc; k++) {
        json_t *o = json_pack("{s:s}", "parameter", parameter_name(q, k));
        rc = put_rule(v, REGION_PROFILE, level, k, "intervals", o);
        json_array_append_new(list, o);
    }
    json_object_set_new(out, "threshold", json_number(wilks_threshold(level, 1)));
    json_object_set_new(out, "parameters", list);
    return rc;
}

static const char *const KIND_NAMES[N_KINDS] = {"credible", "confidence", "neyman",
                                                "profile"};

/* Why there is no region of a kind; NULL: there is. */
static const char *no_region(const region_request *q, const region_view *v, unsigned kind)
{
    if (posterior_target(&q->estimator->posterior)->n != q->target->n)
        return "the target's posterior is a marginal of another one's";
    if (kind == SET_PROFILE && q->target->n > GRID_DIM)
        return "a target of more than 3 parameters has no grid to profile on";
    if (kind == SET_PROFILE && !v->grid)
        return "a truncated prior has no grid to profile on";
    if (kind == SET_NEYMAN && q->n_rows > 1)
        return "critical values are those of one observation, not of several together";
    if (kind == SET_NEYMAN && !q->neyman)
        return "there are no critical values";
    if (v->grid && !(v->grid->cells >= GRID_MIN_CELLS))
        return "the posterior is too narrow for its grid";
    if (!v->grid && v->cloud && !(v->cloud->effective >= CLOUD_MIN_EFFECTIVE))
        return "too few importance samples are effective";
    return NULL;
}

static int region_json(const region_request *q, region_view *v, size_t kind, double level,
                       json_t *list)
{
    static const region_kind JOINT[] = {REGION_HPD, REGION_WILKS, REGION_BY_NEYMAN};
    json_t *o = json_pack("{s:s, s:f}", "kind", KIND_NAMES[kind], "level", level);
    const char *why = no_region(q, v, 1u << kind);
    int rc = NRE_OK;
    if (why)
        json_object_update_new(o, json_pack("{s:n, s:[], s:s}", "share_of_prior",
                                            "parameters", "reason", why));
    else if (1u << kind == SET_PROFILE)
        rc = profile_json(q, v, level, o);
    else {
        region_rule rule = {.kind = JOINT[kind], .level = level, .neyman = q->neyman};
        rc = joint_json(q, v, &rule, o);
    }
    json_array_append_new(list, o);
    return rc;
}

/* A grid where there can be one, else importance samples. */
static int lay_view(const region_request *q, region_view *v, grid *g, cloud *c)
{
    const posterior *p = &q->estimator->posterior;
    const experiment *e = q->session->experiment;
    int rc = grid_try(p, q->worker, q->observed, q->row, q->n_rows,
                      region_cells(q->target->n), g);
    v->grid = rc ? NULL : g;
    if (rc == NRE_ENOTSUP) {
        rng r;
        rng_start(&r, rng_purpose(e->seed, "regions/%s/%s", q->target->name, q->name), 0,
                  0);
        rc = cloud_of(p, q->worker, q->observed, q->row, q->n_rows, &PLAN, &r, c);
        v->cloud = rc ? NULL : c;
    }
    return rc ? rc : region_view_open(v);
}

int regions_of(const region_request *q, json_t **out)
{
    const experiment *e = q->session->experiment;
    grid g = {0};
    cloud c = {0};
    region_view v = {.posterior = &q->estimator->posterior,
                     .worker = q->worker,
                     .observed = q->observed,
                     .row = q->row,
                     .n_rows = q->n_rows,
                     .v = 0.5};
    int rc = NRE_OK;
    *out = json_array();
    if (!e->infer.regions.wanted)
        return NRE_OK;
    bool own = posterior_target(v.posterior)->n == q->target->n;
    if (own)
        rc = lay_view(q, &v, &g, &c);
    for (size_t k = 0; k < N_KINDS && !rc; k++)
        for (size_t i = 0; i < e->infer.regions.n_levels && !rc; i++)
            if (e->infer.regions.kinds & 1u << k)
                rc = region_json(q, &v, k, e->infer.regions.levels[i], *out);
    if (own)
        region_view_release(&v);
    grid_release(&g);
    cloud_release(&c);
    return rc ? fail_within(rc, "regions") : NRE_OK;
}

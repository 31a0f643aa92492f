/* The infer stage: the posterior of the observed rows, one unit a target. */
#include "run/run.h"

/* Whether the rows have the parameters that the target leaves out in common: then only the log
 * ratios of all parameters add, and the others are integrated out of their sum. */
static bool shares_nuisance(const run *r, const target *t)
{
    return r->joint && r->n_rows > 1 && t->n < simulator_n_theta(r->session->simulator) &&
           r->session->experiment->infer.nuisance == NUISANCE_SHARED;
}

/* The estimator of all parameters; n_estimators where there is none. */
static size_t whole_estimator(const session *s)
{
    size_t i = 0;
    while (i < s->n_estimators && s->targets[i].n < simulator_n_theta(s->simulator))
        i++;
    return i;
}

size_t posterior_estimator(const run *r, size_t which)
{
    return shares_nuisance(r, &r->session->targets[which]) ? whole_estimator(r->session)
                                                           : which;
}

/* What a target's estimator was made of: the units before it, in one line. */
int estimator_inputs(run *r, arena *a, size_t which, const char **out)
{
    static const char *const PREFIXES[] = {"seed", "estimator", "simulator", "parameters",
                                           "infer.ensemble"};
    size_t n = 0;
    unit *u = NULL;
    const plugin *p = r->session->simulator_plugin->plugin;
    const char *text = experiment_inputs(r->session->experiment, a, 5, PREFIXES);
    text = arena_print(a, "%splugin.simulator = %s\ntarget = %s\n", text,
                       hash_hex(p->file_hash).hex, r->session->targets[which].name);
    size_t round = rounds_now(r->session);
    if (round > 1) /* without a network there is no unit that tells */
        text =
            arena_print(a, "%sround = %zu\n%s", text, round, rounds_inputs(r->session));
    int rc = units_train(r, a, &n, &u);
    if (!rc && n)
        text = arena_print(a, "%s%s = %s\n", text, u[which].name,
                           hash_hex(hash_string(u[which].inputs)).hex);
    if (!rc)
        rc = calibration_inputs(r, a, which, &text);
    *out = text;
    return rc || text ? rc : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

int observation_inputs(run *r, arena *a, const char **text)
{
    size_t n;
    const float *x;
    int rc = observations_of(r, &n, &x);
    if (rc)
        return rc;
    size_t bytes = n * simulator_n_x(r->session->simulator) * sizeof *x;
    *text = arena_print(a, "%sobservation = %zu rows %s\n", *text, n,
                        hash_hex(hash_bytes(x, bytes)).hex);
    return *text ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

static int unit_inputs(run *r, arena *a, size_t which, const char **out)
{
    static const char *const PREFIXES[] = {"infer.sampler", "infer.nuisance",
                                           "infer.limits", "infer.prior",
                                           "infer.regions"};
    const plugin *p = r->session->sampler->plugin;
    int rc = estimator_inputs(r, a, posterior_estimator(r, which), out);
    if (!rc)
        *out = arena_print(a, "%s%s%sposterior = %s\nplugin.sampler = %s %s %s\n", *out,
                           rounds_regions(r->session),
                           experiment_inputs(r->session->experiment, a, 5, PREFIXES),
                           r->session->targets[which].name, p->table->name,
                           p->table->version, hash_hex(p->file_hash).hex);
    if (!rc)
        rc = neyman_inputs(r, a, out);
    return rc ? rc : observation_inputs(r, a, out);
}

/* Where the posterior of a target goes. */
static const char *folder_of(const run *r, size_t which)
{
    bool beside = r->plain && calibrates(r->session->experiment);
    return folder_path(r->folder, "posterior/%s%s", r->session->targets[which].name,
                       beside ? "/uncalibrated" : "");
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    estimator *e = NULL;
    neyman *critical = NULL;
    json_t *result = NULL, *other = session_prior_json(s);
    target meant;
    size_t n = 0;
    const float *x = NULL;
    const char *path = folder_of(r, u->index);
    (void)rate;
    (void)rate_unit;
    int rc = observations_of(r, &n, &x);
    if (!rc)
        rc = estimator_open(r, posterior_estimator(r, u->index), &e);
    if (!rc && posterior_estimator(r, u->index) == u->index &&
        s->experiment->infer.regions.wanted)
        rc = neyman_open(r, u->index, e, &critical);
    if (!rc) {
        meant = session_meant(s, posterior_estimator(r, u->index));
        e->posterior.target = &meant;
        posterior_request request = {s, e,        u->index, s->sampler, n,
                                     x, r->joint, path,     critical};
        rc = posterior_summarise(&request, &result);
    }
    if (!rc && other)
        json_object_set(result, "prior", other);
    if (!rc)
        json_object_set_new(result, "calibration", calibration_said(r));
    if (!rc && s->rounds)
        rounds_describe(s, result);
    if (!rc)
        rc = json_save(path_join(r->folder->arena, path, "summary.json"), result);
    json_decref(other);
    json_decref(result);
    neyman_free(critical);
    estimator_close(e);
    return rc;
}

/* "[theta_1], [theta_2, theta_3]": the targets, as infer.target has them. */
static const char *targets_text(const session *s, arena *a)
{
    const char *text = "";
    for (size_t i = 0; i < s->n_targets && text; i++) {
        text = arena_print(a, "%s[", text);
        for (uint32_t k = 0; k < s->targets[i].n && text; k++)
            text = arena_print(a, "%s%s%s", text, k ? ", " : "",
                               simulator_names(s->simulator)[s->targets[i].which[k]]);
        text = text ? arena_print(a, "%s], ", text) : NULL;
    }
    return text ? text : "";
}

/* Several rows of a subset target: their log ratios may be added only when the other
 * parameters are drawn anew for each. */
static int check_joint(const run *r, const target *t, arena *a)
{
    const session *s = r->session;
    if (!r->joint || r->n_rows < 2 || t->n == simulator_n_theta(s->simulator) ||
        s->experiment->infer.nuisance == NUISANCE_PER_OBSERVATION)
        return NRE_OK;
    bool shared = shares_nuisance(r, t);
    if (shared && whole_estimator(s) < s->n_estimators)
        return NRE_OK;
    if (shared)
        return fail(NRE_ECONFIG,
                    "target '%s' leaves parameters out that all rows share "
                    "(infer.nuisance: shared): they are integrated out of the posterior "
                    "of all parameters, so its estimator is needed too:  infer: {target: "
                    "[%sall]}",
                    t->name, targets_text(s, a));
    return fail(
        NRE_ECONFIG,
        "target '%s' leaves parameters out: log ratios of several rows may be added only "
        "when those are drawn anew for each row; say infer.nuisance: per_observation if "
        "that is so, infer.nuisance: shared if all rows have the same, or use the target "
        "'all'",
        t->name);
}

static const char *missing(const run *r, const unit *u)
{
    return path_missing(
        r, path_join(r->folder->arena, folder_of(r, u->index), "summary.json"));
}

/* The same without calibration, which always stands beside it. */
static int perform_plain(run *r, const unit *u, double *rate, const char **rate_unit)
{
    r->plain = true;
    int rc = perform(r, u, rate, rate_unit);
    r->plain = false;
    return rc;
}

static const char *missing_plain(const run *r, const unit *u)
{
    run plain = *r;
    plain.plain = true;
    return missing(&plain, u);
}

static int unit_of(run *r, arena *a, size_t which, unit *u)
{
    bool beside = r->plain && calibrates(r->session->experiment);
    *u = (unit){.name = arena_print(a, "infer/%s%s", r->session->targets[which].name,
                                    beside ? "/uncalibrated" : ""),
                .stage = "infer",
                .index = which,
                .missing = beside ? missing_plain : missing,
                .perform = beside ? perform_plain : perform};
    return uses_abc(r->session->experiment) ? abc_unit(r, a, u)
                                            : unit_inputs(r, a, which, &u->inputs);
}

int units_infer(run *r, arena *a, size_t *n, unit **out)
{
    session *s = r->session;
    size_t n_rows = 0;
    const float *rows = NULL;
    *n = 0;
    *out = arena_alloc(a, 3 * s->n_targets, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    int rc = units_calibrate(r, a, n, *out);
    if (!rc)
        rc = observations_of(r, &n_rows, &rows);
    if (rc || !n_rows)
        return rc;
    for (size_t i = 0; i < s->n_targets; i++) {
        if ((rc = check_joint(r, &s->targets[i], a)))
            return rc;
        rc = unit_of(r, a, i, &(*out)[(*n)++]);
        r->plain = true;
        if (!rc && calibrates(s->experiment))
            rc = unit_of(r, a, i, &(*out)[(*n)++]);
        r->plain = false;
        if (rc)
            return rc;
    }
    return NRE_OK;
}

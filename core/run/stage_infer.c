/* The infer stage: the posterior of the observed rows, one unit a target. */
#include "run/run.h"

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
    int rc = units_train(r, a, &n, &u);
    if (!rc && n)
        text = arena_print(a, "%s%s = %s\n", text, u[which].name,
                           hash_hex(hash_string(u[which].inputs)).hex);
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
                                           "infer.limits"};
    const plugin *p = r->session->sampler->plugin;
    int rc = estimator_inputs(r, a, which, out);
    if (!rc)
        *out = arena_print(a, "%s%splugin.sampler = %s %s %s\n", *out,
                           experiment_inputs(r->session->experiment, a, 3, PREFIXES),
                           p->table->name, p->table->version, hash_hex(p->file_hash).hex);
    return rc ? rc : observation_inputs(r, a, out);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    estimator *e = NULL;
    json_t *result = NULL;
    size_t n = 0;
    const float *x = NULL;
    const char *path = folder_path(r->folder, "posterior/%s", s->targets[u->index].name);
    (void)rate;
    (void)rate_unit;
    int rc = observations_of(r, &n, &x);
    if (!rc)
        rc = estimator_open(r, u->index, &e);
    if (!rc) {
        posterior_request request = {s, e, u->index, s->sampler, n, x, r->joint, path};
        rc = posterior_summarise(&request, &result);
    }
    if (!rc)
        rc = json_save(path_join(r->folder->arena, path, "summary.json"), result);
    json_decref(result);
    estimator_close(e);
    return rc;
}

/* Several rows of a subset target: their log ratios may be added only when the other
 * parameters are drawn anew for each. */
static int check_joint(const run *r, const target *t)
{
    const session *s = r->session;
    if (!r->joint || r->n_rows < 2 || t->n == simulator_n_theta(s->simulator) ||
        s->experiment->infer.nuisance == NUISANCE_PER_OBSERVATION)
        return NRE_OK;
    return fail(
        NRE_ECONFIG,
        "target '%s' leaves parameters out: log ratios of several rows may be added only "
        "when those are drawn anew for each row; say infer.nuisance: per_observation if "
        "that is so, else use the target 'all'",
        t->name);
}

static const char *missing(const run *r, const unit *u)
{
    return path_missing(r, folder_path(r->folder, "posterior/%s/summary.json",
                                       r->session->targets[u->index].name));
}

int units_infer(run *r, arena *a, size_t *n, unit **out)
{
    session *s = r->session;
    size_t n_rows = 0;
    const float *rows = NULL;
    *n = 0;
    *out = arena_alloc(a, s->n_targets, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    int rc = observations_of(r, &n_rows, &rows);
    if (rc || !n_rows)
        return rc;
    for (size_t i = 0; i < s->n_targets; i++) {
        if ((rc = check_joint(r, &s->targets[i])))
            return rc;
        (*out)[i] = (unit){.name = arena_print(a, "infer/%s", s->targets[i].name),
                           .stage = "infer",
                           .index = i,
                           .missing = missing,
                           .perform = perform};
        if ((rc = unit_inputs(r, a, i, &(*out)[i].inputs)))
            return rc;
        (*n)++;
    }
    return NRE_OK;
}

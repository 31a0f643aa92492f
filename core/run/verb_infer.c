/* nereid infer: a trained estimator on new observations, nothing retrained. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Another sampler with its defaults; what is asked of chains stays that of the run. */
static int set_sampler(command *c, const char *config, arena *a)
{
    plugins *p = NULL;
    experiment *e = NULL;
    config_request request = {.path = config};
    int rc = command_plugins(c, &p);
    request.plugins = p;
    if (!rc)
        rc = experiment_load(&request, a, &e);
    if (!rc)
        c->set[c->n_set] = arena_print(
            a, "infer.sampler={plugin: %s, gate: {r_hat: %.17g, ess: %.17g, missed: %s}}",
            c->sampler, e->infer.sampler.gate.r_hat, e->infer.sampler.gate.ess,
            e->infer.sampler.gate.error ? "error" : "none");
    if (!rc && !c->set[c->n_set++])
        rc = fail(NRE_ENOMEM, "no memory to open '%s'", config);
    plugins_free(p);
    return rc;
}

int run_open(const char *path, const command *c, progress *w, session **s, folder **f)
{
    *s = NULL;
    int rc = folder_peek(path, f);
    if (rc)
        return rc;
    command plain = *c;
    plain.n_set = 0;
    plain.has_seed = false;
    session_request request = {
        .config = folder_path(*f, "resolved.yaml"), .command = &plain, .watch = w};
    if (file_exists(folder_path(*f, "plan.json")))
        rc = fail(NRE_EDATA, "'%s' is a sweep; take one of its runs, below '%s/cells'",
                  path, path);
    else if (!file_exists(request.config))
        rc =
            fail(NRE_EDATA, "'%s' is not a run directory: it has no resolved.yaml", path);
    if (!rc && c->sampler)
        rc = set_sampler(&plain, request.config, (*f)->arena);
    if (!rc)
        rc = session_open(&request, s);
    return rc ? rc : rounds_restore(*s, *f);
}

/* "inferences/day-9" below the run for "some/day-9.csv". */
static const char *default_folder(arena *a, const char *made, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    return arena_print(a, "%s/inferences/%.*s", made, (int)strcspn(name, "."), name);
}

/* The one target that was asked for; estimators of the others stay at hand. */
static int choose_target(session *s, const char *name)
{
    if (!name)
        return NRE_OK;
    for (size_t i = 0; i < s->n_targets; i++) {
        if (strcmp(s->targets[i].name, name) != 0)
            continue;
        target chosen = s->targets[i];
        net *network = s->nets[i];
        s->targets[i] = s->targets[0];
        s->nets[i] = s->nets[0];
        s->targets[0] = chosen;
        s->nets[0] = network;
        s->n_targets = 1;
        return NRE_OK;
    }
    return fail(NRE_EUSAGE, "--target %s: the run has no such target; its first is '%s'",
                name, s->targets[0].name);
}

static int perform_units(run *r, size_t n, unit *u)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < n && !rc; i++) {
        double rate = 0;
        const char *rate_unit = NULL;
        rc = u[i].perform(r, &u[i], &rate, &rate_unit);
        if (rc)
            rc = fail_within(rc, "%s", u[i].name);
    }
    return rc;
}

/* What is about the new observation is made; what is about the test set is there. */
static void leave_test_alone(experiment *e)
{
    e->diagnose.coverage.wanted = false;
    for (size_t k = 0; k < N_CHECKS; k++)
        e->diagnose.check[k].wanted =
            e->diagnose.check[k].wanted &&
            (k == CHECK_POSTERIOR_PREDICTIVE || k == CHECK_ENSEMBLE);
}

static int infer_rows(run *r)
{
    size_t n = 0;
    unit *u = NULL;
    int rc = units_infer(r, r->folder->arena, &n, &u);
    if (!rc)
        rc = perform_units(r, n, u);
    leave_test_alone(r->session->experiment);
    if (!rc)
        rc = units_diagnose(r, r->folder->arena, &n, &u);
    if (!rc)
        rc = perform_units(r, n, u);
    return rc ? rc : report_run(r, NAN, stdout);
}

static int infer_into(run *r, const command *c)
{
    session *s = r->session;
    float *x = NULL;
    int rc = choose_target(s, c->target);
    if (!rc)
        rc = observation_read(s->simulator, c->observation, &r->n_rows, &x);
    if (!rc)
        rc = rounds_check_observation(s, r->n_rows, x, r->joint);
    r->rows = x;
    r->observed = true;
    if (c->json && !(r->result = json_object()))
        rc = fail(NRE_ENOMEM, "no memory for the result");
    const char *path =
        c->out ? c->out : default_folder(s->arena, c->arguments[0], c->observation);
    if (!rc && !path)
        rc = fail(NRE_ENOMEM, "no memory for the name of the results");
    if (!rc)
        rc = folder_open(path, false, c->force,
                         "--force moves it aside, -o names another", &r->folder);
    if (!rc) {
        rc = infer_rows(r);
        pairs_forget(r);
        int marked = rc == NRE_ECANCELLED ? NRE_OK : folder_mark(r->folder, rc);
        rc = rc ? rc : marked;
        result_print(r, rc);
        folder_close(r->folder);
    }
    json_decref(r->result);
    free(x);
    return rc;
}

int verb_infer(const command *c)
{
    session *s = NULL;
    folder *source = NULL;
    if (c->n_arguments != 1 || !c->observation)
        return fail(NRE_EUSAGE, "nereid infer takes a run directory and an observation: "
                                "nereid infer RUNDIR --observation FILE");
    if (c->each && c->joint)
        return fail(NRE_EUSAGE, "--each and --joint exclude each other");
    watch *w = watch_new(c->progress);
    if (!w)
        return fail(NRE_ENOMEM, "no memory to start");
    int rc = run_open(c->arguments[0], c, watch_progress(w), &s, &source);
    if (!rc) {
        run r = {.session = s,
                 .source = source,
                 .watch = watch_progress(w),
                 .joint = c->joint};
        rc = infer_into(&r, c);
    }
    session_close(s);
    folder_close(source);
    watch_free(w);
    return rc;
}

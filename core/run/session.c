/* A session: the config read, its plugins alive, its targets resolved. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int command_plugins(const command *c, plugins **out)
{
    return plugins_new(c->n_plugin_path, c->plugin_path, out);
}

int command_config(const command *c, plugins *p, arena *a, experiment **one, sweep **many)
{
    config_request request = {.path = c->arguments[0],
                              .n_set = c->n_set,
                              .set = c->set,
                              .seed = c->has_seed ? &c->seed : NULL,
                              .plugins = p,
                              .n_sweep = c->n_sweep,
                              .sweep = c->sweep};
    int rc = config_load(&request, a, one, many);
    if (!rc && *one && c->cell)
        rc = fail(NRE_EUSAGE, "--cell %s: '%s' has no sweep", c->cell, request.path);
    return rc;
}

unsigned command_threads(const command *c)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return c->threads ? c->threads : n > 0 ? (unsigned)n : 1;
}

/* Installed data: data/ beside the running executable, then the installed one. */
int services_of_data(arena *a, host_services *out)
{
    char executable[4096];
    ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[n > 0 ? n : 0] = 0;
    const char **folders = arena_alloc(a, 2, sizeof *folders);
    if (!folders)
        return fail(NRE_ENOMEM, "no memory for a session");
    folders[0] = path_join(a, path_folder(a, executable), "data");
    folders[1] = NEREID_DATADIR;
    out->data_folders = folders;
    out->n_data_folders = 2;
    return folders[0] ? NRE_OK : fail(NRE_ENOMEM, "no memory for a session");
}

static int make_instance(session *s, const component *c, instance **out)
{
    if (!c->plugin)
        return NRE_OK;
    int rc = instance_new(c->plugin, c->values, &s->services, out);
    return rc && c->where.line ? fail_within(rc, "%s:%zu:%zu", c->where.origin,
                                             c->where.line, c->where.column)
                               : rc;
}

static int open_simulator(session *s)
{
    const experiment *e = s->experiment;
    marginal *m = arena_alloc(s->arena, e->n_overrides + 1, sizeof *m);
    if (!m)
        return fail(NRE_ENOMEM, "no memory for a session");
    for (size_t i = 0; i < e->n_overrides; i++) {
        const parameter_override *o = &e->overrides[i];
        m[i] = (marginal){.name = o->name,
                          .family = o->prior,
                          .a = o->a,
                          .b = o->b,
                          .lo = o->lo,
                          .hi = o->hi};
    }
    int rc = simulator_open(s->simulator_plugin, 0, NULL, &s->simulator);
    if (!rc)
        rc = experiment_check_parameters(e, simulator_n_theta(s->simulator),
                                         simulator_names(s->simulator));
    if (rc || !e->n_overrides)
        return rc;
    simulator_close(s->simulator);
    s->simulator = NULL;
    rc = simulator_open(s->simulator_plugin, e->n_overrides, m, &s->simulator);
    return rc == NRE_EINVAL ? fail_within(NRE_ECONFIG, "%s: parameters", e->path) : rc;
}

static int find_targets(session *s)
{
    const experiment *e = s->experiment;
    s->targets = arena_alloc(s->arena, e->infer.n_targets, sizeof *s->targets);
    s->nets = arena_alloc(s->arena, e->infer.n_targets, sizeof *s->nets);
    if (!s->targets || !s->nets)
        return fail(NRE_ENOMEM, "no memory for a session");
    for (size_t i = 0; i < e->infer.n_targets; i++) {
        const target_request *t = &e->infer.targets[i];
        int rc =
            target_of(s->simulator, s->arena, t->all, t->n, t->names, &s->targets[i]);
        if (rc)
            return rc;
        s->n_targets = ++s->n_estimators;
    }
    return NRE_OK;
}

static int check_limit(const session *s, const limit_request *l)
{
    const prior *p = s->meant ? s->meant : simulator_prior(s->simulator);
    double lo, hi;
    size_t k = 0;
    while (k + 1 < p->n && strcmp(p->of[k].name, l->parameter) != 0)
        k++;
    for (unsigned kind = 0; kind < LIMIT_PRIORS; kind++) {
        bool asked = l->priors & 1u << kind;
        const char *why = asked ? limit_prior_problem(p, k, (limit_prior)kind) : NULL;
        if (why)
            return fail(
                NRE_ECONFIG,
                "%s: error: infer.limits: '%s' cannot be given the prior '%s': %s",
                session_place(s, l->priors_where), l->parameter, LIMIT_PRIOR_NAMES[kind],
                why);
    }
    marginal_support(&p->of[k], &lo, &hi);
    if (l->against < lo || l->against > hi)
        return fail(NRE_ECONFIG,
                    "%s: error: infer.limits: against = %g lies outside the prior of "
                    "'%s', %g to %g",
                    session_place(s, l->against_where), l->against, l->parameter, lo, hi);
    return NRE_OK;
}

static int check_limits(const session *s)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < s->experiment->infer.n_limits && !rc; i++)
        rc = check_limit(s, &s->experiment->infer.limits[i]);
    return rc;
}

/* Learnt before anything is trained: whether every target can have critical values. */
static int check_neyman(const session *s)
{
    if (!wants_neyman(s->experiment) || uses_abc(s->experiment))
        return NRE_OK;
    for (size_t i = 0; i < s->n_targets; i++)
        if (s->targets[i].n > NEYMAN_PARAMETERS)
            return fail(NRE_ECONFIG,
                        "%s: error: Neyman sets are of at most %d parameters, and target "
                        "'%s' has %u: leave neyman out of diagnose.coverage.regions and "
                        "infer.regions.kinds",
                        s->experiment->path, NEYMAN_PARAMETERS, s->targets[i].name,
                        s->targets[i].n);
    return NRE_OK;
}

static int build_network(session *s, size_t i)
{
    const nre_simulator_info *info = simulator_info(s->simulator);
    net_field *fields = arena_alloc(s->arena, info->n_fields, sizeof *fields);
    if (!fields)
        return fail(NRE_ENOMEM, "no memory for a session");
    for (size_t k = 0; k < info->n_fields; k++) {
        const nre_field *f = simulator_field(s->simulator, k);
        fields[k] = (net_field){f->name, f->shape, f->exchangeable};
    }
    net_inputs inputs = {s->targets[i].n, info->n_fields, fields};
    return net_new(s->architecture->plugin->table, s->architecture->self, &inputs,
                   &s->nets[i]);
}

static int build_networks(session *s)
{
    int rc = NRE_OK;
    if (s->experiment->estimator == ESTIMATOR_NETWORK)
        for (size_t i = 0; i < s->n_targets && !rc; i++)
            rc = build_network(s, i);
    return rc;
}

/* Learnt before anything is simulated: whether there is an exact ratio of every target.
 */
static int check_exact(const session *s)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < s->n_targets && !rc; i++) {
        ratio *r = NULL;
        rc = ratio_exact(s->simulator, &s->targets[i], &r);
        ratio_free(r);
    }
    return rc == NRE_ENOTSUP
               ? fail_within(NRE_ECONFIG, "%s: estimator: exact", s->experiment->path)
               : rc;
}

static int session_new(const session_request *r, session **out)
{
    arena *a = arena_new();
    session *s = *out = a ? arena_alloc(a, 1, sizeof *s) : NULL;
    if (!s) {
        arena_free(a);
        return fail(NRE_ENOMEM, "no memory for a session");
    }
    s->arena = a;
    s->watch = r->watch;
    s->plugins = r->plugins;
    s->borrows = r->plugins != NULL;
    int rc = s->borrows ? NRE_OK : command_plugins(r->command, &s->plugins);
    if (!rc)
        rc = pool_new(command_threads(r->command), &s->workers);
    s->services = (host_services){.workers = s->workers, .watcher = s->watch};
    return rc ? rc : services_of_data(s->arena, &s->services);
}

static int session_load(session *s, const session_request *r)
{
    const command *c = r->command;
    config_request request = {.path = r->config,
                              .n_set = c->n_set,
                              .set = c->set,
                              .seed = c->has_seed ? &c->seed : NULL,
                              .plugins = s->plugins};
    s->experiment = r->experiment;
    int rc = s->experiment ? NRE_OK : experiment_load(&request, s->arena, &s->experiment);
    if (!rc)
        rc = make_instance(s, &s->experiment->simulator.component, &s->simulator_plugin);
    if (!rc)
        rc = make_instance(s, &s->experiment->architecture, &s->architecture);
    if (!rc)
        rc = make_instance(s, &s->experiment->infer.sampler.component, &s->sampler);
    if (!rc)
        rc = open_simulator(s);
    if (!rc)
        rc = find_targets(s);
    if (!rc)
        rc = check_neyman(s);
    if (!rc)
        rc = abc_check(s->experiment);
    if (!rc)
        rc = session_prior(s);
    if (!rc)
        rc = rounds_new(s);
    if (!rc)
        rc = check_limits(s);
    if (!rc && s->experiment->estimator == ESTIMATOR_EXACT)
        rc = check_exact(s);
    if (!rc)
        rc = build_networks(s);
    return rc ? rc : training_check(s);
}

static int load_simulator(session *s, const char *name)
{
    const plugin *p = NULL;
    nre_values *values = NULL;
    int rc = plugin_load(s->plugins, NRE_SIMULATOR, name, &p);
    if (!rc)
        rc = values_new(p, s->arena, &values);
    if (!rc && (rc = values_complete(values)))
        rc = fail_within(NRE_EUSAGE,
                         "simulator '%s' needs a config that sets its options", name);
    if (!rc)
        rc = instance_new(p, values, &s->services, &s->simulator_plugin);
    return rc ? rc : simulator_open(s->simulator_plugin, 0, NULL, &s->simulator);
}

int session_open(const session_request *r, session **out)
{
    int rc = session_new(r, out);
    if (!rc)
        rc = session_load(*out, r);
    if (rc) {
        session_close(*out);
        *out = NULL;
    }
    return rc;
}

int session_of_simulator(const session_request *r, session **out)
{
    int rc = session_new(r, out);
    if (!rc)
        rc = load_simulator(*out, r->config);
    if (rc) {
        session_close(*out);
        *out = NULL;
    }
    return rc;
}

void session_close(session *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_estimators; i++)
        net_free(s->nets[i]);
    rounds_free(s->rounds);
    simulator_close(s->simulator);
    instance_free(s->sampler);
    instance_free(s->architecture);
    instance_free(s->simulator_plugin);
    pool_free(s->workers);
    if (!s->borrows)
        plugins_free(s->plugins);
    arena_free(s->arena);
}

/* The posterior of observed rows: chains, estimates, files, and a summary as JSON. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct answer { /* of one observation, or of all together */
    const posterior_request *request;
    const target *target;
    const observed *observed;
    ratio_worker *worker;
    size_t row, n_rows;
    const char *name, *path; /* "0", "joint"; where its files go */
    const chains *chains;
    /* [target n] the estimator's parameters that the target keeps; NULL: all are */
    const uint32_t *column;
    json_t *limits, *regions; /* REGIONS may be NULL */
} answer;

static json_t *numbers(size_t n, const double *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_number(value[i]));
    return list;
}

static json_t *summary_json(const nre_theta *about, bool derived, const summary *s)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:b}", "name", about->name, "label",
                          about->label ? about->label : about->name, "unit",
                          about->unit ? about->unit : "", "derived", (int)derived);
    json_object_set_new(j, "mean", json_number(s->mean));
    json_object_set_new(j, "sd", json_number(s->deviation));
    json_object_set_new(j, "quantiles", numbers(5, s->quantile));
    json_object_set_new(j, "hdi68", numbers(2, s->hdi68));
    json_object_set_new(j, "hdi95", numbers(2, s->hdi95));
    json_object_set_new(j, "mcse_mean", json_number(s->mcse_mean));
    return j;
}

/* Parameter K of all draws, chain by chain, into VALUE. */
static void column_of(const chains *c, uint32_t k, double *value)
{
    for (size_t i = 0; i < c->n_chains * c->n_draws; i++)
        value[i] = c->theta[i * c->dim + k];
}

static int add_parameter(const answer *a, uint32_t k, double *value, json_t *list)
{
    const chains *c = a->chains;
    const nre_theta *about =
        simulator_theta(a->request->session->simulator, a->target->which[k]);
    summary s;
    column_of(c, k, value);
    int rc = summary_of(c->n_chains * c->n_draws, value, c->weight, &s);
    if (rc)
        return rc;
    if (!c->weight)
        s.mcse_mean = s.deviation / sqrt(ess_mean_of(c->n_chains, c->n_draws, value));
    json_t *j = summary_json(about, false, &s);
    json_object_set_new(j, "r_hat", json_number(c->r_hat[k]));
    json_object_set_new(j, "ess_bulk", json_number(c->ess_bulk[k]));
    json_object_set_new(j, "ess_tail", json_number(c->ess_tail[k]));
    json_array_append_new(list, j);
    return NRE_OK;
}

/* All draws as full parameter vectors, NAN where the target has none: a derived quantity
 * that needs a marginalised parameter comes out as NAN and is left out. */
static int derived_of(const answer *a, double *out)
{
    const simulator *s = a->request->session->simulator;
    const chains *c = a->chains;
    size_t n = c->n_chains * c->n_draws, width = simulator_n_theta(s);
    double *theta = memory_new(n * width, sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for derived quantities");
    for (size_t i = 0; i < n * width; i++)
        theta[i] = NAN;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < c->dim; k++)
            theta[i * width + a->target->which[k]] = c->theta[i * c->dim + k];
    const instance *made = simulator_instance(s);
    crash_enter(made->plugin->table, "derived", 0, n - 1);
    int rc = simulator_ops(s)->derived(made->self, n, theta, out);
    crash_leave();
    free(theta);
    return rc ? plugin_failed(made->plugin->table, "derived", rc) : NRE_OK;
}

static int add_derived(const answer *a, double *value, json_t *list)
{
    const simulator *s = a->request->session->simulator;
    const chains *c = a->chains;
    size_t n = c->n_chains * c->n_draws, m = simulator_info(s)->n_derived;
    if (!m || !NRE_HAS(simulator_ops(s), derived))
        return NRE_OK;
    double *all = memory_new(n * m, sizeof *all);
    int rc =
        all ? derived_of(a, all) : fail(NRE_ENOMEM, "no memory for derived quantities");
    for (size_t k = 0; k < m && !rc; k++) {
        bool known = true;
        for (size_t i = 0; i < n; i++) {
            value[i] = all[i * m + k];
            known = known && isfinite(value[i]);
        }
        summary sum;
        if (!known || (rc = summary_of(n, value, c->weight, &sum)))
            continue;
        if (!c->weight)
            sum.mcse_mean =
                sum.deviation / sqrt(ess_mean_of(c->n_chains, c->n_draws, value));
        json_array_append_new(list, summary_json(simulator_derived(s, k), true, &sum));
    }
    free(all);
    return rc;
}

static double extreme(size_t n, const double *value, int sign)
{
    double best = NAN;
    for (size_t i = 0; i < n; i++)
        if (isnan(best) || (!isnan(value[i]) && sign * value[i] > sign * best))
            best = value[i];
    return best;
}

/* the gate: whether the draws are to be trusted */

static NRE_PRINTF(2, 3) void miss(json_t *missed, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_array_append_new(missed, json_vsprintf(format, arguments));
    va_end(arguments);
}

/* The parameter whose number is the worst: one that is not known, else the largest (SIGN 1) or
 * the smallest (-1). */
static uint32_t worst(uint32_t n, const double *value, int sign)
{
    uint32_t at = 0;
    for (uint32_t k = 1; k < n && !isnan(value[at]); k++)
        if (isnan(value[k]) || sign * value[k] > sign * value[at])
            at = k;
    return at;
}

static void judge_chains(const answer *a, json_t *missed)
{
    const chains *c = a->chains;
    const session *s = a->request->session;
    const char *const *names = simulator_names(s->simulator);
    const struct {
        const char *name;
        const double *value;
        int sign;
        double limit;
    } tests[] = {
        {"R-hat", c->r_hat, 1, s->experiment->infer.sampler.gate.r_hat},
        {"bulk effective size", c->ess_bulk, -1, s->experiment->infer.sampler.gate.ess},
        {"tail effective size", c->ess_tail, -1, s->experiment->infer.sampler.gate.ess}};
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        uint32_t k = worst(c->dim, tests[i].value, tests[i].sign);
        double value = tests[i].value[k];
        const char *name = names[a->target->which[k]];
        if (isnan(value))
            miss(missed, "the %s of %s is not known: too few draws, or they never moved",
                 tests[i].name, name);
        else if (tests[i].sign * value > tests[i].sign * tests[i].limit)
            miss(missed, "the %s of %s is %.4g, %s %g", tests[i].name, name, value,
                 tests[i].sign > 0 ? "above" : "below", tests[i].limit);
    }
}

static void judge_weights(const answer *a, json_t *missed)
{
    const chains *c = a->chains;
    double ess = a->request->session->experiment->infer.sampler.gate.ess;
    if (!(c->effective >= ess))
        miss(missed, "the effective size of the weighted draws is %.4g, below %g",
             c->effective, ess);
    if (!(c->k_hat <= K_HAT_MOST))
        miss(missed, "k-hat of the weights is %.3g, above %g", c->k_hat, K_HAT_MOST);
}

/* Numbers that missed infer.sampler.gate, as sentences: none for points of a grid, whose weights are
 * no accident. */
static json_t *gate_json(const answer *a)
{
    if (!a->request->sampler)
        return json_null();
    json_t *missed = json_array();
    const nre_sampler_ops *ops = a->request->sampler->plugin->table->ops.sampler;
    if (!a->chains->weight)
        judge_chains(a, missed);
    else if (ops->flags & NRE_IMPORTANCE)
        judge_weights(a, missed);
    return json_pack("{s:f, s:f, s:o}", "r_hat",
                     a->request->session->experiment->infer.sampler.gate.r_hat, "ess",
                     a->request->session->experiment->infer.sampler.gate.ess, "missed",
                     missed);
}

static int answer_json(const answer *a, json_t **out)
{
    const chains *c = a->chains;
    double *value = memory_new(c->n_chains * c->n_draws, sizeof *value);
    json_t *list = json_array();
    int rc = value && list ? NRE_OK : fail(NRE_ENOMEM, "no memory for a summary");
    for (uint32_t k = 0; k < c->dim && !rc; k++)
        rc = add_parameter(a, k, value, list);
    if (!rc)
        rc = add_derived(a, value, list);
    free(value);
    if (rc) {
        json_decref(list);
        return rc;
    }
    *out = json_pack("{s:s, s:o}", "observation", a->name, "parameters", list);
    json_object_set(*out, "limits", a->limits);
    if (a->regions)
        json_object_set(*out, "regions", a->regions);
    json_object_set_new(*out, "r_hat_max", json_number(extreme(c->dim, c->r_hat, 1)));
    json_object_set_new(*out, "ess_min", json_number(c->effective));
    json_object_set_new(*out, "acceptance", json_number(c->acceptance));
    json_object_set_new(*out, "evaluations", json_integer((json_int_t)c->evaluations));
    json_object_set_new(*out, "divergent", json_integer((json_int_t)c->divergent));
    json_object_set_new(*out, "k_hat", json_number(c->k_hat));
    json_object_set_new(*out, "gate", gate_json(a));
    return NRE_OK;
}

/* limits */

/* What is known before the limit is: all numbers are missing. */
static limit_row asked_row(const nre_theta *about, const limit_request *l)
{
    limit_row row = {
        .parameter = about->name,
        .unit = about->unit ? about->unit : "",
        .upper = l->upper,
        .level = l->level,
        .threshold = {wilks_threshold(2 * l->level - 1, 1), wilks_threshold(l->level, 1)},
        .wilks = {NAN, NAN},
        .best = NAN,
        .against = l->against,
        .log_ratio_against = NAN,
        .resolved = true};
    for (unsigned k = 0; k < LIMIT_PRIORS; k++)
        if (l->priors & 1u << k)
            row.priors[row.n_priors++] =
                (limit_prior_row){LIMIT_PRIOR_NAMES[k], NAN, NAN};
    return row;
}

static int fill_row(const answer *a, const grid *g, uint32_t parameter,
                    const limit_request *l, limit_row *row)
{
    limit_plan wanted = {parameter, l->upper, l->level, l->priors, l->against};
    limits found;
    size_t n = 0;
    int rc = limits_of(&a->request->estimator->posterior, a->worker, a->observed, a->row,
                       a->n_rows, g, &wanted, &found);
    for (unsigned k = 0; k < LIMIT_PRIORS && !rc; k++)
        if (l->priors & 1u << k) {
            row->priors[n].hpd_edge = found.under[k].hpd_edge;
            row->priors[n++].quantile = found.under[k].quantile;
        }
    for (size_t i = 0; i < 2 && !rc; i++)
        row->wilks[i] = found.wilks[i];
    if (!rc) {
        row->best = found.best;
        row->log_ratio_against = found.log_ratio_against;
        row->resolved = g->resolved;
    }
    return rc;
}

/* Why there are no limits; E NULL: draws alone. */
static const char *no_grid(const estimator *e)
{
    if (!e)
        return "its draws have no likelihood ratio: read it off their quantiles";
    if (posterior_has_grid(&e->posterior))
        return "no grid could be laid: a custom prior without finite bounds, or a "
               "posterior that all of "
               "its points miss";
    return e->posterior.truncation
               ? "a truncated prior of more than 1 parameter has no grid"
               : "a target of more than 3 parameters has no grid";
}

/* G NULL: the target has none. */
static int add_limits(answer *a, const grid *g)
{
    const session *s = a->request->session;
    int rc = NRE_OK;
    a->limits = json_array();
    for (size_t i = 0; i < s->experiment->infer.n_limits && !rc; i++) {
        const limit_request *l = &s->experiment->infer.limits[i];
        for (uint32_t k = 0; k < a->target->n && !rc; k++) {
            const nre_theta *about = simulator_theta(s->simulator, a->target->which[k]);
            if (strcmp(about->name, l->parameter) != 0)
                continue;
            limit_row row = asked_row(about, l);
            if (g)
                rc = fill_row(a, g, a->column ? a->column[k] : k, l, &row);
            else
                row.reason = no_grid(a->request->estimator);
            if (!rc)
                json_array_append_new(a->limits, limit_json(&row));
        }
    }
    return rc;
}

/* The parameters that the target keeps, for those that look at grid.h5. */
static int save_grid(const answer *a, const grid *g, const char *path)
{
    grid part = {0};
    const target meant = session_meant(a->request->session, a->request->target);
    int rc = a->column ? grid_narrow(g, &meant, a->column, &part) : NRE_OK;
    if (!rc)
        rc = grid_save(a->column ? &part : g, a->target, path);
    grid_release(&part);
    return rc;
}

/* The grid of small targets, and what is read off it; where there is none, no older one stays. */
static int lay_grid(answer *a, arena *memory)
{
    const estimator *e = a->request->estimator;
    const char *path = path_join(memory, a->path, "grid.h5");
    grid g = {0};
    if (!path)
        return fail(NRE_ENOMEM, "no memory for a posterior");
    int rc = e ? grid_try(&e->posterior, a->worker, a->observed, a->row, a->n_rows,
                          GRID_MIN_CELLS, &g)
               : NRE_ENOTSUP;
    bool is_laid = rc == NRE_OK;
    if (is_laid)
        rc = save_grid(a, &g, path);
    else if (rc == NRE_ENOTSUP) {
        unlink(path);
        rc = NRE_OK;
    }
    if (!rc)
        rc = add_limits(a, is_laid ? &g : NULL);
    grid_release(&g);
    return rc;
}

/* What is known of one posterior once it is sampled: its files in its folder, and a summary. */
static int answer_of(answer *a, arena *memory, json_t **out)
{
    const posterior_request *r = a->request;
    const float *x = r->x + a->row * simulator_n_x(r->session->simulator);
    int rc = folder_make(a->path);
    if (!rc)
        rc = chains_save(a->chains, r->session->simulator, a->target, a->n_rows, x,
                         path_join(memory, a->path, "samples.nc"));
    if (!rc)
        rc = lay_grid(a, memory);
    if (!rc) {
        region_request q = {r->session, r->estimator, a->target, a->observed, a->worker,
                            a->row,     a->n_rows,    a->name,   r->neyman};
        rc = regions_of(&q, &a->regions);
    }
    if (!rc)
        rc = answer_json(a, out);
    json_decref(a->limits);
    json_decref(a->regions);
    return rc ? fail_within(rc, "observation %s", a->name) : NRE_OK;
}

/* Rows that are sampled together, each for itself; or all of them as one. */
typedef struct block {
    const posterior_request *request;
    const target *target;
    const observed *observed;
    ratio_worker *worker;
    const uint32_t *column; /* as in answer */
    size_t first, n;        /* observations */
    chains *chains;         /* [n] */
    const chains **each;    /* [n] */
    json_t **summary;       /* [n] */
    arena *memory;
} block;

static chains_plan plan_of(const posterior_request *r, const char *purpose)
{
    const experiment *e = r->session->experiment;
    return (chains_plan){.n_chains = e->infer.sampler.chains,
                         .warmup = e->infer.sampler.warmup,
                         .draws = e->infer.sampler.draws,
                         .seed = e->seed,
                         .purpose = purpose,
                         .services = &r->session->services,
                         .watch = r->session->watch};
}

/* Several rows taken together. */
static bool is_joint(const posterior_request *r)
{
    return r->joint && r->n_rows > 1;
}

static int sample(block *b)
{
    const posterior_request *r = b->request;
    const posterior *p = &r->estimator->posterior;
    bool joint = is_joint(r);
    const char *purpose = arena_print(b->memory, "chain/%s%s", posterior_target(p)->name,
                                      joint ? "/joint" : "");
    if (!purpose)
        return fail(NRE_ENOMEM, "no memory for a posterior");
    chains_plan draws = plan_of(r, purpose);
    int rc = joint
                 ? chains_of(r->sampler, p, b->observed, 0, r->n_rows, &draws, b->chains)
                 : chains_of_rows(r->sampler, p, b->observed, b->first, b->n, &draws,
                                  b->chains);
    if (!rc || joint)
        return rc ? fail_within(rc, "observation joint") : NRE_OK;
    return b->n == 1 ? fail_within(rc, "observation %zu", b->first)
                     : fail_within(rc, "observations %zu to %zu", b->first,
                                   b->first + b->n - 1);
}

/* Maxima of all of them climb together. */
static int add_estimates(const block *b)
{
    const estimates_request wanted = {.posterior = &b->request->estimator->posterior,
                                      .worker = b->worker,
                                      .observed = b->observed,
                                      .row = b->first,
                                      .n_rows =
                                          is_joint(b->request) ? b->request->n_rows : 1,
                                      .n = b->n,
                                      .chains = b->each,
                                      .column = b->column,
                                      .n_columns = b->target->n,
                                      .networks = b->request->estimator->n_members > 0};
    return estimates_add(&wanted, b->summary);
}

/* Observation I of the block, of the target's parameters alone. */
static int answer_one(block *b, size_t i, const char *path, const char *name)
{
    const posterior_request *r = b->request;
    chains part = {0};
    answer a = {.request = r,
                .target = b->target,
                .observed = b->observed,
                .worker = b->worker,
                .row = b->first + i,
                .n_rows = is_joint(r) ? r->n_rows : 1,
                .name = name,
                .path = path,
                .column = b->column,
                .chains = b->column ? &part : &b->chains[i]};
    int rc =
        b->column ? chains_narrow(&b->chains[i], b->target->n, b->column, &part) : NRE_OK;
    if (!rc)
        rc = answer_of(&a, b->memory, &b->summary[i]);
    chains_release(&part);
    return rc;
}

static int answer_block(block *b, size_t total, json_t *list)
{
    const posterior_request *r = b->request;
    int rc = sample(b);
    if (rc)
        return rc;
    for (size_t i = 0; i < b->n && !rc; i++) {
        const char *name =
            is_joint(r) ? "joint" : arena_print(b->memory, "%zu", b->first + i);
        b->each[i] = &b->chains[i];
        rc = answer_one(
            b, i, total == 1 ? r->folder : path_join(b->memory, r->folder, name), name);
    }
    if (!rc)
        rc = add_estimates(b);
    if (!rc && is_joint(r))
        rc = growth_add(r, &b->chains[0], b->summary[0]);
    for (size_t i = 0; i < b->n; i++) {
        chains_release(&b->chains[i]);
        if (!rc)
            json_array_append(list, b->summary[i]);
        json_decref(b->summary[i]);
        b->summary[i] = NULL;
    }
    return rc;
}

static int answer_all(block *b, json_t *list)
{
    const posterior_request *r = b->request;
    const chains_plan size = plan_of(r, "");
    size_t n = r->joint ? 1 : r->n_rows, most = chains_at_once(&size, b->target->n);
    most = most < n ? most : n;
    b->chains = arena_alloc(b->memory, most, sizeof *b->chains);
    b->each = arena_alloc(b->memory, most, sizeof *b->each);
    b->summary = arena_alloc(b->memory, most, sizeof *b->summary);
    int rc = b->chains && b->each && b->summary
                 ? NRE_OK
                 : fail(NRE_ENOMEM, "no memory for %zu posteriors", most);
    for (; b->first < n && !rc; b->first += b->n) {
        b->n = n - b->first < most ? n - b->first : most;
        rc = answer_block(b, n, list);
    }
    return rc;
}

/* Where the target's parameters are among those of the estimator; NULL: it has just these. */
static int columns_of(const posterior_request *r, arena *a, const uint32_t **out)
{
    const target *t = &r->session->targets[r->target],
                 *whole = posterior_target(&r->estimator->posterior);
    *out = NULL;
    if (whole->n == t->n)
        return NRE_OK;
    uint32_t *column = arena_alloc(a, t->n, sizeof *column);
    if (!column)
        return fail(NRE_ENOMEM, "no memory for a posterior");
    for (uint32_t k = 0; k < t->n; k++)
        while (whole->which[column[k]] != t->which[k])
            column[k]++;
    *out = column;
    return NRE_OK;
}

int posterior_summarise(const posterior_request *r, json_t **result)
{
    arena *memory = arena_new();
    observed *seen = NULL;
    ratio_worker *w = NULL;
    json_t *list = json_array();
    const target *t = &r->session->targets[r->target];
    int rc = memory && list ? NRE_OK : fail(NRE_ENOMEM, "no memory for a posterior");
    if (!rc)
        rc = ratio_worker_new(r->estimator->ratio, &w);
    if (!rc)
        rc = observed_new(r->estimator->ratio, &seen);
    if (!rc)
        rc = ratio_observe(r->estimator->ratio, w, r->n_rows, r->x, seen);
    block b = {
        .request = r, .target = t, .observed = seen, .worker = w, .memory = memory};
    if (!rc)
        rc = columns_of(r, memory, &b.column);
    if (!rc)
        rc = answer_all(&b, list);
    if (!rc)
        *result = json_pack("{s:s, s:s, s:O}", "target", t->name, "method",
                            r->sampler->plugin->table->name, "observations", list);
    if (!rc && b.column)
        json_object_set_new(
            *result, "estimator",
            json_string(posterior_target(&r->estimator->posterior)->name));
    json_decref(list);
    observed_free(seen);
    ratio_worker_free(w);
    arena_free(memory);
    return rc;
}

int posterior_of_draws(const posterior_request *r, const char *name, size_t row,
                       const chains *draws, json_t **result)
{
    const session *s = r->session;
    arena *memory = arena_new();
    answer a = {.request = r,
                .target = &s->targets[r->target],
                .row = row,
                .n_rows = 1,
                .name = name,
                .path = r->folder,
                .chains = draws};
    int rc = memory ? folder_make(a.path) : fail(NRE_ENOMEM, "no memory for a posterior");
    if (!rc)
        rc = chains_save(draws, s->simulator, a.target, 1,
                         r->x + row * simulator_n_x(s->simulator),
                         path_join(memory, a.path, "samples.nc"));
    if (!rc)
        rc = lay_grid(&a, memory);
    if (!rc)
        rc = answer_json(&a, result);
    json_decref(a.limits);
    arena_free(memory);
    return rc;
}

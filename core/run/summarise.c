/* The posterior of observed rows: chains, estimates, files, and a summary as JSON. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct answer { /* of one observation, or of all together */
    const posterior_request *request;
    const target *target;
    const observed *observed;
    ratio_worker *worker;
    size_t row, n_rows;
    chains chains;
    json_t *limits;
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
    const chains *c = &a->chains;
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
    const chains *c = &a->chains;
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
    const chains *c = &a->chains;
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

static int answer_json(const answer *a, const char *name, json_t **out)
{
    const chains *c = &a->chains;
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
    *out = json_pack("{s:s, s:o}", "observation", name, "parameters", list);
    json_object_set(*out, "limits", a->limits);
    json_object_set_new(*out, "r_hat_max", json_number(extreme(c->dim, c->r_hat, 1)));
    json_object_set_new(*out, "ess_min", json_number(c->effective));
    json_object_set_new(*out, "acceptance", json_number(c->acceptance));
    json_object_set_new(*out, "evaluations", json_integer((json_int_t)c->evaluations));
    return NRE_OK;
}

/* Point estimates, from the draws; added to J. */
static int add_estimates(const answer *a, json_t *j)
{
    const chains *c = &a->chains;
    const estimates_request wanted = {.posterior = &a->request->estimator->posterior,
                                      .worker = a->worker,
                                      .observed = a->observed,
                                      .row = a->row,
                                      .n_rows = a->n_rows,
                                      .n = 1,
                                      .chains = &c};
    return estimates_add(&wanted, &j);
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
                rc = fill_row(a, g, k, l, &row);
            else
                row.reason = "a target of more than 3 parameters has no grid";
            if (!rc)
                json_array_append_new(a->limits, limit_json(&row));
        }
    }
    return rc;
}

/* The grid of small targets, and what is read off it. */
static int lay_grid(answer *a, const char *path, arena *memory)
{
    grid g = {0};
    if (a->target->n > 3)
        return add_limits(a, NULL);
    int rc = grid_of(&a->request->estimator->posterior, a->worker, a->observed, a->row,
                     a->n_rows, &g);
    if (!rc)
        rc = grid_save(&g, a->target, path_join(memory, path, "grid.h5"));
    if (!rc)
        rc = add_limits(a, &g);
    grid_release(&g);
    return rc;
}

static int sample(answer *a, const char *name, arena *memory)
{
    const posterior_request *r = a->request;
    const experiment *e = r->session->experiment;
    chains_plan draws = {.n_chains = e->infer.sampler.chains,
                         .warmup = e->infer.sampler.warmup,
                         .draws = e->infer.sampler.draws,
                         .seed = e->seed,
                         .purpose =
                             arena_print(memory, "chain/%s/%s", a->target->name, name),
                         .services = &r->session->services,
                         .watch = r->session->watch};
    return chains_of(r->sampler, &r->estimator->posterior, a->observed, a->row, a->n_rows,
                     &draws, &a->chains);
}

/* One posterior: sampled, saved in FOLDER, summarised. */
static int answer_of(answer *a, const char *name, const char *path, arena *memory,
                     json_t *list)
{
    const posterior_request *r = a->request;
    const float *x = r->x + a->row * simulator_n_x(r->session->simulator);
    json_t *j = NULL;
    int rc = folder_make(path);
    if (!rc)
        rc = sample(a, name, memory);
    if (!rc)
        rc = chains_save(&a->chains, r->session->simulator, a->target, a->n_rows, x,
                         path_join(memory, path, "samples.nc"));
    if (!rc)
        rc = lay_grid(a, path, memory);
    if (!rc)
        rc = answer_json(a, name, &j);
    if (!rc)
        rc = add_estimates(a, j);
    if (!rc)
        json_array_append(list, j);
    json_decref(j);
    chains_release(&a->chains);
    json_decref(a->limits);
    return rc ? fail_within(rc, "observation %s", name) : NRE_OK;
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
    size_t n = r->joint ? 1 : r->n_rows;
    for (size_t i = 0; i < n && !rc; i++) {
        answer a = {.request = r,
                    .target = t,
                    .observed = seen,
                    .worker = w,
                    .row = i,
                    .n_rows = r->joint ? r->n_rows : 1};
        const char *name =
            r->joint && r->n_rows > 1 ? "joint" : arena_print(memory, "%zu", i);
        rc = answer_of(&a, name, n == 1 ? r->folder : path_join(memory, r->folder, name),
                       memory, list);
    }
    if (!rc)
        *result = json_pack("{s:s, s:s, s:O}", "target", t->name, "method",
                            r->sampler->plugin->table->name, "observations", list);
    json_decref(list);
    observed_free(seen);
    ratio_worker_free(w);
    arena_free(memory);
    return rc;
}

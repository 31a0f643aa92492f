/* infer.method: abc - the training simulations closest to each observation; no network. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>

static const char *const DISTANCES[] = {"standardised", "ratio_variance"};
static const char REASON[] = "method abc has no ratio";

bool uses_abc(const experiment *e)
{
    return e->infer.method == METHOD_ABC;
}

/* Learnt before anything is simulated; of an imported file the rows are counted when it is read. */
int abc_check(const experiment *e)
{
    const dataset_request *d = &e->datasets.train;
    if (!uses_abc(e) || d->file || d->theta)
        return NRE_OK;
    return fail_within(abc_kept_check(e->infer.abc.keep, d->n), "%s", e->path);
}

json_t *abc_no_area(void)
{
    return json_pack("{s:n, s:s, s:[]}", "mean", "reason", REASON, "observed");
}

/* Every cell missing, for a reason: a region around each test pair would take another search among all
 * simulations, and draws have no density. */
json_t *abc_no_coverage(const experiment *e)
{
    static const struct {
        unsigned region;
        const char *name;
    } regions[] = {{REGION_CREDIBLE, "credible"},
                   {REGION_CONFIDENCE, "confidence"},
                   {REGION_NEYMAN, "neyman"},
                   {REGION_BIASED, "biased"}};
    json_t *cells = json_array();
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++)
        for (size_t k = 0; k < e->diagnose.coverage.n_levels; k++)
            if (e->diagnose.coverage.regions & regions[i].region)
                json_array_append_new(
                    cells, json_pack("{s:s, s:f, s:n, s:n, s:n, s:i, s:[n, n], s:n, s:s}",
                                     "region", regions[i].name, "level",
                                     e->diagnose.coverage.levels[k], "coverage",
                                     "sd_evaluation", "sd_training", "n", 0, "interval",
                                     "verdict", "reason", REASON));
    return json_pack("{s:n, s:n, s:i, s:o}", "gain", "gain_error", "missing", 0, "cells",
                     cells);
}

/* one target */

typedef struct search {
    run *run;
    const char *path;
    dataset *data;
    loader *train;
    scaling *scaling;
    abc_request request;
} search;

static int search_open(run *r, size_t which, search *s)
{
    const session *of = r->session;
    const experiment *e = of->experiment;
    *s =
        (search){.run = r,
                 .path = folder_path(r->folder, "posterior/%s", of->targets[which].name)};
    int rc = s->path ? run_loader(r, TRAIN, &s->data, &s->train)
                     : fail(NRE_ENOMEM, "no memory for a posterior");
    if (!rc)
        rc = scaling_fit(of->simulator, s->train, true, of->workers, &s->scaling);
    s->request = (abc_request){.target = &of->targets[which],
                               .train = s->train,
                               .scaling = s->scaling,
                               .measure = (abc_measure)e->infer.abc.distance,
                               .keep = e->infer.abc.keep,
                               .workers = of->workers,
                               .watch = r->watch};
    return rc;
}

static void search_close(search *s)
{
    scaling_free(s->scaling);
    loader_free(s->train);
    dataset_close(s->data);
}

static json_t *facts_json(const search *s, const chains *c, double tolerance)
{
    return json_pack("{s:s, s:I, s:I, s:f}", "distance", DISTANCES[s->request.measure],
                     "simulations", (json_int_t)s->train->n, "kept",
                     (json_int_t)c->n_draws, "tolerance", tolerance);
}

static int answer_row(const search *s, size_t which, size_t row, size_t n, const float *x,
                      json_t *list)
{
    const session *of = s->run->session;
    arena *a = s->run->folder->arena;
    const char *name = arena_print(a, "%zu", row);
    if (!name || !s->train)
        return fail(NRE_ENOMEM, "no memory for a posterior");
    posterior_request q = {.session = of,
                           .target = which,
                           .n_rows = n,
                           .x = x,
                           .folder = n == 1 ? s->path : path_join(a, s->path, name)};
    chains c = {0};
    double tolerance;
    json_t *answer = NULL;
    if (!q.folder)
        return fail(NRE_ENOMEM, "no memory for a posterior");
    int rc = abc_of(&s->request, x + row * s->train->n_x, &c, &tolerance);
    if (!rc)
        rc = posterior_of_draws(&q, name, row, &c, &answer);
    if (!rc) {
        json_object_set_new(answer, "abc", facts_json(s, &c, tolerance));
        json_array_append(list, answer);
        log_say(NRE_INFO,
                "observation %s: %zu of %llu simulations kept, distance at most %.4g",
                name, c.n_draws, (unsigned long long)s->train->n, tolerance);
    }
    json_decref(answer);
    chains_release(&c);
    return rc ? fail_within(rc, "observation %zu", row) : NRE_OK;
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    search s = {0};
    size_t n = 0;
    const float *x = NULL;
    json_t *list = json_array();
    int rc = observations_of(r, &n, &x);
    if (!rc)
        rc = search_open(r, u->index, &s);
    *rate = (double)n * (s.train ? (double)s.train->n : 0);
    *rate_unit = "simulations/s";
    for (size_t i = 0; i < n && !rc; i++)
        rc = answer_row(&s, u->index, i, n, x, list);
    json_t *result =
        json_pack("{s:s, s:s, s:O}", "target", r->session->targets[u->index].name,
                  "method", "abc", "observations", list);
    if (!rc)
        rc = json_save(path_join(r->folder->arena, s.path, "summary.json"), result);
    json_decref(result);
    json_decref(list);
    search_close(&s);
    return rc;
}

int abc_unit(run *r, arena *a, unit *u)
{
    static const char *const PREFIXES[] = {"infer.method", "infer.abc", "infer.limits"};
    const char *rows = NULL;
    if (r->joint && r->n_rows > 1)
        return fail(NRE_ECONFIG,
                    "infer.method: abc compares simulations with one observation at a "
                    "time, and %zu rows are to be taken together: leave out "
                    "infer.nuisance (--joint), or let a simulation be all rows",
                    r->n_rows);
    int rc = estimator_inputs(r, a, u->index, &u->inputs);
    if (!rc)
        rc = dataset_inputs(r, TRAIN, &rows);
    if (!rc && !(u->inputs = arena_print(
                     a, "%s%strain = %s\n", u->inputs,
                     experiment_inputs(r->session->experiment, a, 3, PREFIXES),
                     hash_hex(hash_string(rows)).hex)))
        rc = fail(NRE_ENOMEM, "no memory for the inputs of a stage");
    u->perform = perform;
    return rc ? rc : observation_inputs(r, a, &u->inputs);
}

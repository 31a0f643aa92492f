/* The simulate stage: one dataset a purpose. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

const char *const PURPOSES[3] = {"train", "validation", "test"};

const dataset_request *dataset_request_of(const experiment *e, size_t purpose)
{
    const dataset_request *all[] = {&e->datasets.train, &e->datasets.validation,
                                    &e->datasets.test};
    return all[purpose];
}

static const char *folder_of(const run *r, size_t purpose)
{
    return source_path(r, "data/%s", PURPOSES[purpose]);
}

/* Checksum of an imported file, so that another content under the same name is noticed. */
static int file_line(arena *a, const char *what, const char *path, const char **text)
{
    hash h;
    if (!path)
        return NRE_OK;
    int rc = hash_file(path, 0, &h);
    if (!rc)
        *text = arena_print(a, "%sfile.%s = %s\n", *text, what, hash_hex(h).hex);
    return rc;
}

/* What makes a row: everything but the number of rows, so that a larger dataset keeps the shards
 * of a smaller one. */
static int row_inputs(const run *r, arena *a, size_t purpose, const char **out)
{
    static const char *const COMMON[] = {"seed", "simulator", "parameters"};
    const experiment *e = r->session->experiment;
    const plugin *p = r->session->simulator_plugin->plugin;
    const dataset_request *d = dataset_request_of(e, purpose);
    const char *text = experiment_inputs(e, a, 3, COMMON);
    text = arena_print(a, "%splugin.simulator = %s %s %s\npurpose = %s\n", text, p->table->name,
                       p->table->version, hash_hex(p->file_hash).hex, PURPOSES[purpose]);
    int rc = file_line(a, "file", d->file, &text);
    if (!rc)
        rc = file_line(a, "theta", d->theta, &text);
    if (!rc)
        rc = file_line(a, "x", d->x, &text);
    *out = text;
    return rc || text ? rc : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

static int unit_inputs(const run *r, arena *a, size_t purpose, const char **out)
{
    const char *prefix = arena_print(a, "datasets.%s", PURPOSES[purpose]);
    const char *rows = NULL;
    int rc = row_inputs(r, a, purpose, &rows);
    if (!rc)
        *out = arena_print(a, "%s%s", rows,
                           experiment_inputs(r->session->experiment, a, 1, &prefix));
    return rc;
}

/* More invalid rows than the config allows: the effective prior is far from the one asked for. */
static int check_tally(const run *r, const tally *t, const char *purpose)
{
    double fraction = t->attempts ? (double)t->invalid / (double)t->attempts : 0;
    double most = r->session->experiment->simulator.max_fraction;
    if (t->invalid)
        log_say(NRE_WARN, "%s: %llu of %llu simulations were invalid (%.3g%%) and drawn again",
                purpose, (unsigned long long)t->invalid, (unsigned long long)t->attempts,
                100 * fraction);
    if (fraction <= most)
        return NRE_OK;
    return fail(NRE_ENUMERIC,
                "%.3g%% of the %s simulations were invalid, more than simulator.max_fraction = "
                "%.3g%%; narrow the prior or raise simulator.max_fraction",
                100 * fraction, purpose, 100 * most);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    const dataset_request *d = dataset_request_of(s->experiment, u->index);
    const char *inputs = NULL;
    int rc = row_inputs(r, r->folder->arena, u->index, &inputs);
    if (rc)
        return rc;
    hash_text fingerprint = hash_hex(hash_string(inputs));
    dataset_plan wish = {.folder = folder_of(r, u->index),
                         .draw = {.seed = s->experiment->seed, .purpose = PURPOSES[u->index],
                                  .n = d->n, .on_invalid = (int)s->experiment->simulator.on_invalid,
                                  .clean = u->index == 0 && simulator_has_noise(s->simulator)},
                         .shard_rows = d->shard, .fingerprint = fingerprint.hex};
    tally count = {0};
    if (d->file || d->theta) {
        import_request import = {d->file, d->theta, d->x, 0, d->n, d->noise_included};
        rc = dataset_import(s->simulator, &import, &wish, s->workers, r->watch, &count);
    } else if (!(rc = simulator_prepare(s->simulator))) {
        rc = dataset_make(s->simulator, &wish, s->workers, r->watch, &count, NULL);
    }
    *rate = (double)count.attempts;
    *rate_unit = "simulations/s";
    return rc ? rc : check_tally(r, &count, PURPOSES[u->index]);
}

/* The prior itself and exact ratios need no training set. */
static bool is_needed(const experiment *e, size_t purpose)
{
    return purpose == 2 || e->estimator == ESTIMATOR_NETWORK
           || (purpose == 0 && e->diagnose.predictive.wanted);
}

int units_simulate(run *r, arena *a, size_t *n, unit **out)
{
    unit *u = *out = arena_alloc(a, 3, sizeof *u);
    *n = 0;
    if (!u)
        return fail(NRE_ENOMEM, "no memory for the stages");
    for (size_t i = 0; i < 3; i++) {
        if (!is_needed(r->session->experiment, i))
            continue;
        u[*n] = (unit){.name = arena_print(a, "simulate/%s", PURPOSES[i]), .stage = "simulate",
                       .index = i, .output = path_join(a, folder_of(r, i), "manifest.json"),
                       .perform = perform};
        int rc = unit_inputs(r, a, i, &u[*n].inputs);
        if (rc)
            return rc;
        (*n)++;
    }
    return NRE_OK;
}

int run_loader(const run *r, size_t purpose, dataset **d, loader **l)
{
    *d = NULL;
    *l = NULL;
    int rc = dataset_open(folder_of(r, purpose), d);
    if (!rc)
        rc = loader_of_dataset(*d, r->session->simulator, r->session->experiment->seed,
                               PURPOSES[purpose], purpose == 0, l);
    return rc;
}

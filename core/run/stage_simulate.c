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

/* Checksum of an imported file, so that another content under the same name is noticed.
 */
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

/* What makes a row: everything but the number of rows, so that a larger dataset keeps the
 * shards of a smaller one. */
static int row_inputs(run *r, size_t purpose, const char **out)
{
    static const char *const COMMON[] = {"seed", "simulator.plugin", "simulator.params",
                                         "simulator.on_invalid", "parameters"};
    arena *a = r->folder->arena;
    const experiment *e = r->session->experiment;
    const plugin *p = r->session->simulator_plugin->plugin;
    const dataset_request *d = dataset_request_of(e, purpose);
    if ((*out = r->row_inputs[purpose]))
        return NRE_OK;
    const char *text = experiment_inputs(e, a, 5, COMMON);
    text = arena_print(a, "%splugin.simulator = %s %s %s\npurpose = %s\n", text,
                       p->table->name, p->table->version, hash_hex(p->file_hash).hex,
                       PURPOSES[purpose]);
    int rc = file_line(a, "file", d->file, &text);
    if (!rc)
        rc = file_line(a, "theta", d->theta, &text);
    if (!rc)
        rc = file_line(a, "x", d->x, &text);
    if (!rc && !text)
        rc = fail(NRE_ENOMEM, "no memory for the inputs of a stage");
    *out = r->row_inputs[purpose] = rc ? NULL : text;
    return rc;
}

int dataset_inputs(run *r, size_t purpose, const char **out)
{
    arena *a = r->folder->arena;
    const char *prefixes[] = {arena_print(a, "datasets.%s", PURPOSES[purpose]),
                              "simulator.max_fraction"};
    const char *rows = NULL;
    int rc = row_inputs(r, purpose, &rows);
    if (rc)
        return rc;
    *out = arena_print(a, "%s%s", rows,
                       experiment_inputs(r->session->experiment, a, 2, prefixes));
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

/* More invalid rows than the config allows: the effective prior is far from the one asked
 * for. */
static int check_tally(const run *r, const tally *t, const char *purpose)
{
    double fraction = t->attempts ? (double)t->invalid / (double)t->attempts : 0;
    double most = r->session->experiment->simulator.max_fraction;
    if (t->invalid)
        log_say(NRE_WARN,
                "%s: %llu of %llu simulations were invalid (%.3g%%) and drawn again",
                purpose, (unsigned long long)t->invalid, (unsigned long long)t->attempts,
                100 * fraction);
    if (fraction <= most)
        return NRE_OK;
    return fail(
        NRE_ENUMERIC,
        "%.3g%% of the %s simulations were invalid, more than simulator.max_fraction = "
        "%.3g%%; narrow the prior or raise simulator.max_fraction",
        100 * fraction, purpose, 100 * most);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    const dataset_request *d = dataset_request_of(s->experiment, u->index);
    const char *inputs = NULL;
    int rc = row_inputs(r, u->index, &inputs);
    if (rc)
        return rc;
    hash_text fingerprint = hash_hex(hash_string(inputs));
    dataset_plan wish = {
        .folder = folder_of(r, u->index),
        .draw = {.seed = s->experiment->seed,
                 .purpose = PURPOSES[u->index],
                 .n = d->n,
                 .on_invalid = (int)s->experiment->simulator.on_invalid,
                 .clean = u->index == 0 && simulator_has_noise(s->simulator)},
        .shard_rows = d->shard,
        .fingerprint = fingerprint.hex};
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

const char *path_missing(const run *r, const char *path)
{
    return file_exists(path) ? NULL : arena_copy(r->folder->arena, path);
}

static const char *missing(const run *r, const unit *u)
{
    const char *manifest =
        path_join(r->folder->arena, folder_of(r, u->index), "manifest.json");
    hash_text fingerprint = hash_hex(hash_string(r->row_inputs[u->index]));
    if (dataset_is_there(folder_of(r, u->index), fingerprint.hex))
        return NULL;
    if (!file_exists(manifest))
        return manifest;
    return arena_print(r->folder->arena, "a shard of %s", folder_of(r, u->index));
}

/* The prior itself and exact ratios need no training set. */
static bool is_needed(const experiment *e, size_t purpose)
{
    return purpose == 2 || e->estimator == ESTIMATOR_NETWORK ||
           (purpose == 0 && e->diagnose.predictive.wanted);
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
        u[*n] = (unit){.name = arena_print(a, "simulate/%s", PURPOSES[i]),
                       .stage = "simulate",
                       .index = i,
                       .missing = missing,
                       .perform = perform};
        int rc = dataset_inputs(r, i, &u[*n].inputs);
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
    if (rc == NRE_EDATA && r->stages) {
        const char *why = arena_copy(r->folder->arena, error_message());
        (void)stage_forget(
            r->stages, arena_print(r->folder->arena, "simulate/%s", PURPOSES[purpose]));
        error_set(why ? why : "a dataset is damaged");
    }
    if (!rc)
        rc = loader_of_dataset(*d, r->session->simulator, r->session->experiment->seed,
                               PURPOSES[purpose], purpose == 0, l);
    return rc;
}

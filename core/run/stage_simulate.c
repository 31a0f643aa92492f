/* The simulate stage: one dataset a purpose. */
#include "run/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const PURPOSES[N_PURPOSES] = {"train", "validation", "test", "calibration"};

const dataset_request *dataset_request_of(const experiment *e, size_t purpose)
{
    const dataset_request *all[] = {&e->datasets.train, &e->datasets.validation,
                                    &e->datasets.test, &e->datasets.calibration};
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
    if (rounds_now(r->session) > 1)
        text = arena_print(a, "%sround = %zu\n%s", text, rounds_now(r->session),
                           rounds_inputs(r->session));
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
                              "simulator.max_fraction", "rounds.n"};
    const char *rows = NULL;
    int rc = row_inputs(r, purpose, &rows);
    if (rc)
        return rc;
    *out = arena_print(
        a, "%s%s", rows,
        experiment_inputs(r->session->experiment, a, purpose == TRAIN ? 3 : 2, prefixes));
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

/* The effective prior is then far from the one asked for. */
int simulations_check(const run *r, const tally *t, const char *purpose)
{
    double fraction = t->attempts ? (double)t->invalid / (double)t->attempts : 0;
    double most = r->session->experiment->simulator.max_fraction;
    if (t->invalid)
        log_say(NRE_WARN,
                "%s: %llu of %llu simulations were invalid (%.3g%%) and drawn again",
                purpose, (unsigned long long)t->invalid, (unsigned long long)t->attempts,
                100 * fraction);
    if (t->redrawn)
        log_say(NRE_INFO,
                "%s: %llu of %llu simulations were drawn again by the simulator", purpose,
                (unsigned long long)t->redrawn, (unsigned long long)t->rows);
    if (fraction <= most)
        return NRE_OK;
    return fail(
        NRE_ENUMERIC,
        "%.3g%% of the %s simulations were invalid, more than simulator.max_fraction = "
        "%.3g%%; narrow the prior or raise simulator.max_fraction",
        100 * fraction, purpose, 100 * most);
}

/* the store of a sweep: cells that ask for the same simulations find them there */

/* All that decides the files of a dataset: what makes a row, how many, in which shards. */
static int dataset_key(run *r, size_t purpose, const char **out)
{
    arena *a = r->folder->arena;
    const char *prefix = arena_print(a, "datasets.%s", PURPOSES[purpose]), *rows = NULL;
    int rc = row_inputs(r, purpose, &rows);
    if (rc)
        return rc;
    const experiment *e = r->session->experiment;
    const char *text =
        arena_print(a, "%s%sshard = %llu\n", rows, experiment_inputs(e, a, 1, &prefix),
                    (unsigned long long)dataset_request_of(e, purpose)->shard);
    *out = text ? arena_copy(a, hash_hex(hash_string(text)).hex) : NULL;
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the name of a dataset");
}

/* Where the link PATH leads, its last part; NULL when it is none. */
static const char *link_key(arena *a, const char *path)
{
    char leads[4096];
    ssize_t n = readlink(path, leads, sizeof leads - 1);
    leads[n > 0 ? n : 0] = 0;
    const char *slash = strrchr(leads, '/');
    return slash ? arena_copy(a, slash + 1) : NULL;
}

/* data/PURPOSE becomes a link to STORE/KEY.  A link to another dataset is taken away: what
 * it leads to is of other cells. */
static int link_dataset(run *r, size_t purpose, const char *key)
{
    arena *a = r->folder->arena;
    const char *path = folder_of(r, purpose), *linked = link_key(a, path);
    if (linked && strcmp(linked, key) != 0) {
        unlink(path);
        linked = NULL;
    }
    if (!r->store || linked)
        return NRE_OK;
    const char *there = arena_print(a, "../../../../store/%s", key);
    int rc = folder_make(path_join(a, r->store, key));
    if (!rc)
        rc = folder_make(source_path(r, "data"));
    if (!rc && symlink(there, path) && errno != EEXIST)
        rc = fail(NRE_EIO, "cannot link '%s' to '%s': %s", path, there, strerror(errno));
    return rc;
}

/* True when the store has the dataset whole; its tally. */
static bool is_stored(const run *r, size_t purpose, const char *fingerprint, tally *count)
{
    dataset *d = NULL;
    if (!r->store || !dataset_is_there(folder_of(r, purpose), fingerprint))
        return false;
    if (dataset_open(folder_of(r, purpose), &d))
        return false; /* damaged: it is made anew */
    *count = *dataset_tally(d);
    dataset_close(d);
    return true;
}

static bool shared(run *r, const unit *u)
{
    const char *key = NULL, *rows = NULL;
    if (!r->store || dataset_key(r, u->index, &key) || row_inputs(r, u->index, &rows))
        return false;
    if (json_object_get(r->planned, key))
        return true;
    if (r->planned)
        json_object_set_new(r->planned, key, json_true());
    return dataset_is_there(path_join(r->folder->arena, r->store, key),
                            hash_hex(hash_string(rows)).hex);
}

/* making */

static int make_dataset(run *r, size_t purpose, const char *fingerprint, tally *count)
{
    session *s = r->session;
    const dataset_request *d = dataset_request_of(s->experiment, purpose);
    const truncation *left = rounds_truncation(s);
    dataset_plan wish = {
        .folder = folder_of(r, purpose),
        .draw = {.seed = s->experiment->seed,
                 .purpose = rounds_purpose(s, r->folder->arena, PURPOSES[purpose]),
                 .n = purpose == TRAIN ? rounds_size(s->experiment) : d->n,
                 .on_invalid = (int)s->experiment->simulator.on_invalid,
                 .clean = purpose == TRAIN && simulator_has_noise(s->simulator),
                 .keep = left ? truncation_proposals(left) : NULL},
        .shard_rows = d->shard,
        .fingerprint = fingerprint};
    if (d->file || d->theta) {
        import_request import = {d->file, d->theta, d->x, 0, d->n, d->noise_included};
        return dataset_import(s->simulator, &import, &wish, s->workers, r->watch, count);
    }
    int rc = simulator_prepare(s->simulator);
    return rc ? rc : dataset_make(s->simulator, &wish, s->workers, r->watch, count, NULL);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    const char *inputs = NULL, *key = NULL;
    int lock = -1, rc = row_inputs(r, u->index, &inputs);
    if (!rc)
        rc = dataset_key(r, u->index, &key);
    if (!rc)
        rc = link_dataset(r, u->index, key);
    if (!rc && r->store)
        rc = lock_wait(arena_print(r->folder->arena, "%s/%s.lock", r->store, key), &lock);
    if (rc)
        return rc;
    hash_text fingerprint = hash_hex(hash_string(inputs));
    tally count = {0};
    if (is_stored(r, u->index, fingerprint.hex, &count))
        log_say(NRE_DEBUG, "%s: drawn before, in %s/%s", u->name, r->store, key);
    else if (!(rc = make_dataset(r, u->index, fingerprint.hex, &count)))
        *rate = (double)count.attempts;
    *rate_unit = "simulations/s";
    lock_release(lock);
    return rc ? rc : simulations_check(r, &count, PURPOSES[u->index]);
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

bool trains_online(const experiment *e)
{
    return e->train.online.wanted && e->estimator == ESTIMATOR_NETWORK;
}

/* The prior itself and exact ratios need no training set; one that is drawn while training is
 * never stored; validation rows choose the best epoch of a network. */
bool dataset_is_needed(const experiment *e, size_t purpose)
{
    if (purpose == CALIBRATION)
        return e->datasets.calibration.wanted;
    if (purpose == TRAIN && trains_online(e))
        return false;
    if (purpose == VALIDATION && uses_abc(e))
        return false;
    return purpose == TEST || e->estimator == ESTIMATOR_NETWORK ||
           (purpose == TRAIN && e->diagnose.predictive.wanted);
}

int units_simulate(run *r, arena *a, size_t *n, unit **out)
{
    unit *u = *out = arena_alloc(a, N_PURPOSES, sizeof *u);
    *n = 0;
    if (!u)
        return fail(NRE_ENOMEM, "no memory for the stages");
    for (size_t i = 0; i < N_PURPOSES; i++) {
        if (!dataset_is_needed(r->session->experiment, i))
            continue;
        u[*n] = (unit){.name = arena_print(a, "simulate/%s", PURPOSES[i]),
                       .stage = "simulate",
                       .index = i,
                       .missing = missing,
                       .shared = shared,
                       .perform = perform};
        int rc = dataset_inputs(r, i, &u[*n].inputs);
        if (rc)
            return rc;
        (*n)++;
    }
    return NRE_OK;
}

int online_loader_of(const run *r, size_t member, validity *v, loader **l)
{
    const session *s = r->session;
    const experiment *e = s->experiment;
    const char *purpose = arena_print(r->folder->arena, "train-online/%llu/%zu",
                                      (unsigned long long)e->train.replicate, member);
    online_plan wish = {.seed = e->seed,
                        .purpose = purpose,
                        .n = e->datasets.train.n,
                        .reuse = e->train.online.reuse,
                        .on_invalid = (int)e->simulator.on_invalid};
    tally count = {0};
    *l = NULL;
    int rc = purpose ? simulator_prepare(s->simulator)
                     : fail(NRE_ENOMEM, "no memory for the training set");
    if (!rc)
        rc = loader_online(s->simulator, s->workers, r->watch, &wish, &count, v, l);
    return rc ? rc : simulations_check(r, &count, "train-online");
}

int run_loader(const run *r, size_t purpose, dataset **d, loader **l)
{
    if (purpose == TRAIN && trains_online(r->session->experiment)) {
        *d = NULL;
        return online_loader_of(r, 0, NULL, l);
    }
    *d = NULL;
    *l = NULL;
    int rc = rounds_refuse(r, purpose, dataset_open(folder_of(r, purpose), d));
    if (rc == NRE_EDATA)
        stage_damaged(r,
                      arena_print(r->session->arena, "simulate/%s", PURPOSES[purpose]));
    if (!rc)
        rc = loader_of_dataset(
            *d, r->session->simulator, r->session->experiment->seed,
            rounds_purpose(r->session, r->folder->arena, PURPOSES[purpose]),
            purpose == TRAIN, l);
    return rc ? rc : rounds_join(r, purpose, d, l);
}

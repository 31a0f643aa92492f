/* The train stage: one estimator a target, an ensemble of networks each. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

static const char *member_folder(const run *r, size_t which, size_t member)
{
    return source_path(r, "model/%s/member-%zu", r->session->targets[which].name, member);
}

/* The training loss knows shards and rows, a fingerprint knows what they were made of. */
static int upstream(run *r, arena *a, size_t purpose, const char **text)
{
    const char *inputs = NULL;
    int rc = dataset_inputs(r, purpose, &inputs);
    if (rc)
        return rc;
    *text = arena_print(a, "%ssimulate/%s = %s\n", *text, PURPOSES[purpose],
                        hash_hex(hash_string(inputs)).hex);
    return *text ? NRE_OK : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

static int unit_inputs(run *r, arena *a, size_t which, const char **out)
{
    static const char *const PREFIXES[] = {"train", "architecture", "seed"};
    session *s = r->session;
    const plugin *p = s->architecture->plugin;
    const char *text = experiment_inputs(s->experiment, a, 3, PREFIXES);
    text = arena_print(a, "%splugin.architecture = %s %s %s\ntarget = %s\n", text,
                       p->table->name, p->table->version, hash_hex(p->file_hash).hex,
                       s->targets[which].name);
    int rc = upstream(r, a, 0, &text);
    if (!rc)
        rc = upstream(r, a, 1, &text);
    *out = text;
    return rc;
}

static int settings_of(const experiment *e, size_t member, train_settings *out)
{
    const loss *l = loss_find(e->train.loss.name);
    if (!l)
        return fail(NRE_ECONFIG, "train.loss.name: '%s' is not a loss",
                    e->train.loss.name);
    *out = (train_settings){
        .loss = l,
        .loss_options = {e->train.loss.marginals, e->train.loss.gamma,
                         e->train.loss.lambda},
        .optimiser = {e->train.optimizer.lr, e->train.optimizer.beta1,
                      e->train.optimizer.beta2, e->train.optimizer.eps,
                      e->train.optimizer.weight_decay},
        .schedule = {.name = (schedule_name)e->train.schedule.kind,
                     .lr = e->train.optimizer.lr,
                     .min_lr = e->train.schedule.min_lr,
                     .warmup = e->train.schedule.warmup,
                     .factor = e->train.schedule.factor,
                     .patience = e->train.schedule.patience},
        .batch_size = e->train.batch_size,
        .epochs = e->train.epochs,
        .patience = e->train.patience,
        .checkpoint_every = e->train.checkpoint_every,
        .clip = e->train.clip,
        .accumulate = e->train.accumulate,
        .average = e->train.average,
        .seed = e->seed,
        .replicate = e->train.replicate,
        .member = member,
    };
    return NRE_OK;
}

int training_check(const session *s)
{
    const experiment *e = s->experiment;
    const loss *l = loss_find(e->train.loss.name);
    const net *g = s->n_targets ? s->nets[0] : NULL; /* they differ in width alone */
    const char *whole = g && l ? whole_batch_needed(g, l) : NULL;
    if (e->train.accumulate <= 1 || !whole)
        return NRE_OK;
    const char *key = net_has_batch_norm(g) ? "architecture" : "train.loss";
    return fail(NRE_ECONFIG,
                "%s: error: train.accumulate = %llu does not go together with %s: %s",
                e->path, (unsigned long long)e->train.accumulate, key, whole);
}

static int train_member(run *r, const unit *u, size_t member, const loader *train,
                        const loader *validation, const scaling *scale,
                        train_result *result)
{
    session *s = r->session;
    train_settings settings;
    hash_text fingerprint = hash_hex(hash_string(u->inputs));
    int rc = settings_of(s->experiment, member, &settings);
    if (rc)
        return rc;
    train_job job = {.settings = &settings,
                     .net = s->nets[u->index],
                     .target = &s->targets[u->index],
                     .train = train,
                     .validation = validation,
                     .scaling = scale,
                     .folder = member_folder(r, u->index, member),
                     .fingerprint = fingerprint.hex,
                     .pool = s->workers,
                     .watch = r->watch,
                     .metrics = folder_metrics,
                     .metrics_context = r->folder};
    if ((rc = folder_make(job.folder)))
        return rc;
    return train_run(&job, result);
}

static void say_member(const run *r, const unit *u, size_t member, const train_result *t)
{
    log_say(NRE_INFO,
            "train %s member %zu: %llu epochs, best %llu with validation loss %.5f%s",
            r->session->targets[u->index].name, member, (unsigned long long)t->epochs,
            (unsigned long long)t->best_epoch, t->best_loss,
            t->resumed ? " (resumed)" : "");
    if (t->clamped)
        log_say(NRE_INFO,
                "train %s: %llu values of x lay beyond %d deviations and were clamped",
                r->session->targets[u->index].name, (unsigned long long)t->clamped,
                (int)SCALING_CLAMP);
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    session *s = r->session;
    dataset *train_data = NULL, *validation_data = NULL;
    loader *train = NULL, *validation = NULL;
    scaling *scale = NULL;
    int rc = run_loader(r, 0, &train_data, &train);
    if (!rc)
        rc = run_loader(r, 1, &validation_data, &validation);
    if (!rc)
        rc = scaling_fit(s->simulator, train, s->experiment->train.standardise,
                         s->workers, &scale);
    for (size_t m = 0; m < s->experiment->train.ensemble && !rc; m++) {
        train_result result = {0};
        rc = train_member(r, u, m, train, validation, scale, &result);
        if (!rc)
            say_member(r, u, m, &result);
        *rate = result.pairs_per_second * result.seconds + *rate;
    }
    *rate_unit = "pairs/s";
    scaling_free(scale);
    loader_free(train);
    loader_free(validation);
    dataset_close(train_data);
    dataset_close(validation_data);
    return rc;
}

static const char *missing(const run *r, const unit *u)
{
    const char *path = NULL;
    for (size_t m = 0; m < r->session->experiment->train.ensemble && !path; m++)
        path = path_missing(
            r, path_join(r->folder->arena, member_folder(r, u->index, m), "weights.h5"));
    return path;
}

int units_train(run *r, arena *a, size_t *n, unit **out)
{
    session *s = r->session;
    *n = 0;
    *out = arena_alloc(a, s->n_targets, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    if (s->experiment->estimator != ESTIMATOR_NETWORK)
        return NRE_OK;
    for (size_t i = 0; i < s->n_targets; i++) {
        (*out)[i] = (unit){.name = arena_print(a, "train/%s", s->targets[i].name),
                           .stage = "train",
                           .index = i,
                           .missing = missing,
                           .perform = perform};
        int rc = unit_inputs(r, a, i, &(*out)[i].inputs);
        if (rc)
            return rc;
        (*n)++;
    }
    return NRE_OK;
}

/* Damaged weights: --resume trains them anew, from the last checkpoint where there is
 * one. */
static int refuse_weights(const run *r, size_t which, int rc)
{
    arena *a = r->session->arena;
    if (rc != NRE_EDATA)
        return rc;
    const char *why = arena_copy(a, error_message());
    if (r->stages)
        (void)stage_forget(r->stages,
                           arena_print(a, "train/%s", r->session->targets[which].name));
    return fail(rc, "%s; nereid run with --resume trains them anew",
                why ? why : "damaged weights");
}

static int open_networks(const run *r, size_t which, estimator *e)
{
    session *s = r->session;
    size_t n = s->experiment->train.ensemble;
    e->models = calloc(n, sizeof *e->models);
    e->scalings = calloc(n, sizeof *e->scalings);
    if (!e->models || !e->scalings)
        return fail(NRE_ENOMEM, "no memory for an estimator");
    for (; e->n_members < n; e->n_members++) {
        size_t m = e->n_members;
        int rc = trained_open(member_folder(r, which, m), s->nets[which], &e->models[m],
                              &e->scalings[m]);
        if (rc)
            return refuse_weights(r, which, rc);
    }
    int rc = ratio_of_networks(&s->targets[which], n, e->models, e->scalings, &e->ratio);
    const loss *l = loss_find(s->experiment->train.loss.name);
    if (!rc && l && l->up_to_x)
        ratio_set_up_to_x(e->ratio);
    return rc;
}

/* P(valid | theta) of the training set: part of the prior that the network has seen. */
static int open_validity(const run *r, size_t which, estimator *e)
{
    session *s = r->session;
    if (s->experiment->estimator != ESTIMATOR_NETWORK)
        return NRE_OK;
    validity *v = validity_new(simulator_prior(s->simulator));
    if (!v)
        return fail(NRE_ENOMEM, "no memory for an estimator");
    int rc = validity_of_dataset(source_path(r, "data/train"), v);
    if (!rc)
        rc = validity_fit(v, s->targets[which].n, s->targets[which].which, &e->validity);
    validity_free(v);
    return rc;
}

int estimator_open(const run *r, size_t which, estimator **out)
{
    session *s = r->session;
    estimator *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e)
        return fail(NRE_ENOMEM, "no memory for an estimator");
    int rc;
    switch (s->experiment->estimator) {
    case ESTIMATOR_EXACT:
        rc = ratio_exact(s->simulator, &s->targets[which], &e->ratio);
        break;
    case ESTIMATOR_PRIOR:
        rc = ratio_prior(&s->targets[which], simulator_n_x(s->simulator), &e->ratio);
        break;
    default:
        rc = open_networks(r, which, e);
    }
    if (!rc)
        rc = open_validity(r, which, e);
    if (rc) {
        estimator_close(e);
        return rc;
    }
    e->posterior = (posterior){e->ratio, e->validity};
    *out = e;
    return NRE_OK;
}

void estimator_close(estimator *e)
{
    if (!e)
        return;
    ratio_free(e->ratio);
    validity_model_free(e->validity);
    for (size_t i = 0; i < e->n_members; i++) {
        model_free(e->models[i]);
        scaling_free(e->scalings[i]);
    }
    free(e->models);
    free(e->scalings);
    free(e);
}

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

/* What the networks of an estimator learn from. */
typedef struct material {
    dataset *train_data, *validation_data;
    loader *train, *validation;
    scaling *scale; /* of the training set */
    validity *valid;
} material;

static int train_member(run *r, const unit *u, size_t member, const material *m,
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
                     .train = m->train,
                     .validation = m->validation,
                     .scaling = m->scale,
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

static void material_close(material *m)
{
    scaling_free(m->scale);
    loader_free(m->train);
    loader_free(m->validation);
    dataset_close(m->train_data);
    dataset_close(m->validation_data);
    validity_free(m->valid);
}

static const char *validity_path(const run *r, size_t which)
{
    return source_path(r, "model/%s/validity.h5", r->session->targets[which].name);
}

/* P(valid | theta) is that of the first network's first set: no dataset will tell it. */
static int open_online(run *r, const unit *u, size_t member, material *m)
{
    bool first = member == 0;
    if (first && !(m->valid = validity_new(simulator_prior(r->session->simulator))))
        return fail(NRE_ENOMEM, "no memory for attempts at simulations");
    int rc = online_loader_of(r, member, m->valid, &m->train);
    if (!rc && first)
        rc = folder_make(source_path(r, "model/%s", r->session->targets[u->index].name));
    return rc || !first ? rc : validity_save(m->valid, validity_path(r, u->index));
}

/* Simulations that are drawn while training differ by network, and so does their scaling. */
static int material_open(run *r, const unit *u, size_t member, material *m)
{
    session *s = r->session;
    *m = (material){0};
    int rc = trains_online(s->experiment) ? open_online(r, u, member, m)
                                          : run_loader(r, 0, &m->train_data, &m->train);
    if (!rc)
        rc = run_loader(r, 1, &m->validation_data, &m->validation);
    if (!rc)
        rc = scaling_fit(s->simulator, m->train, s->experiment->train.standardise,
                         s->workers, &m->scale);
    return rc;
}

static int perform(run *r, const unit *u, double *rate, const char **rate_unit)
{
    int rc = NRE_OK;
    for (size_t k = 0; k < r->session->experiment->train.ensemble && !rc; k++) {
        train_result result = {0};
        material m;
        rc = material_open(r, u, k, &m);
        if (!rc)
            rc = train_member(r, u, k, &m, &result);
        if (!rc)
            say_member(r, u, k, &result);
        *rate = result.pairs_per_second * result.seconds + *rate;
        material_close(&m);
    }
    *rate_unit = "pairs/s";
    return rc;
}

static const char *missing(const run *r, const unit *u)
{
    const char *path = trains_online(r->session->experiment)
                           ? path_missing(r, validity_path(r, u->index))
                           : NULL;
    for (size_t m = 0; m < r->session->experiment->train.ensemble && !path; m++)
        path = path_missing(
            r, path_join(r->folder->arena, member_folder(r, u->index, m), "weights.h5"));
    return path;
}

/* Lines of loss.csv: the epochs that a network was trained for, and a header. */
static uint64_t lines_of(const char *path)
{
    char *text = NULL;
    size_t n = 0;
    uint64_t lines = 0;
    if (!path || file_read(path, 64 << 20, &text, &n))
        return 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    free(text);
    return lines;
}

uint64_t simulations_while_training(const run *r, const char *name)
{
    const experiment *e = r->session->experiment;
    uint64_t total = 0;
    for (size_t m = 0; trains_online(e) && m < e->train.ensemble; m++) {
        uint64_t lines =
            lines_of(source_path(r, "model/%s/member-%zu/loss.csv", name, m));
        if (lines > 1)
            total +=
                online_simulations(e->datasets.train.n, e->train.online.reuse, lines - 1);
    }
    return total;
}

int units_train(run *r, arena *a, size_t *n, unit **out)
{
    session *s = r->session;
    *n = 0;
    *out = arena_alloc(a, s->n_estimators, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    if (s->experiment->estimator != ESTIMATOR_NETWORK || uses_abc(s->experiment))
        return NRE_OK;
    for (size_t i = 0; i < s->n_estimators; i++) {
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

bool joins_posteriors(const experiment *e)
{
    return e->estimator == ESTIMATOR_NETWORK && e->train.ensemble > 1 &&
           e->infer.ensemble == ENSEMBLE_MIXTURE;
}

/* Damaged weights: --resume trains them anew, from the last checkpoint where there is
 * one. */
static int refuse_weights(const run *r, size_t which, int rc)
{
    arena *a = r->session->arena;
    if (rc != NRE_EDATA)
        return rc;
    stage_damaged(r, arena_print(a, "train/%s", r->session->targets[which].name));
    return fail(rc, "%s; nereid run with --resume trains them anew", error_message());
}

/* Networks whose posteriors are mixed, each a ratio of its own. */
static int mix_networks(const session *s, size_t which, estimator *e)
{
    ratio **member = calloc(e->n_members, sizeof(ratio *));
    int rc = member ? NRE_OK : fail(NRE_ENOMEM, "no memory for an estimator");
    for (size_t m = 0; m < e->n_members && !rc; m++)
        rc = ratio_of_networks(&s->targets[which], 1, &e->models[m], &e->scalings[m],
                               &member[m]);
    if (!rc)
        rc = ratio_of_mixture(e->n_members, member, e->validity, &e->ratio);
    for (size_t m = 0; m < e->n_members && rc && member; m++)
        ratio_free(member[m]);
    free(member);
    return rc;
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
    bool mixed = joins_posteriors(s->experiment);
    int rc = mixed ? mix_networks(s, which, e)
                   : ratio_of_networks(&s->targets[which], n, e->models, e->scalings,
                                       &e->ratio);
    const loss *l = loss_find(s->experiment->train.loss.name);
    if (!rc && l && l->up_to_x && !mixed)
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
    int rc = trains_online(s->experiment)
                 ? validity_load(validity_path(r, which), v)
                 : validity_of_dataset(source_path(r, "data/train"), v);
    if (!rc)
        rc = validity_fit(v, s->targets[which].n, s->targets[which].which, &e->validity);
    validity_free(v);
    return rc;
}

static int open_ratio(const run *r, size_t which, estimator *e)
{
    session *s = r->session;
    if (uses_abc(s->experiment))
        return fail(NRE_EUSAGE, "infer.method: abc has no network, and so no log ratios");
    switch (s->experiment->estimator) {
    case ESTIMATOR_EXACT:
        return ratio_exact(s->simulator, &s->targets[which], &e->ratio);
    case ESTIMATOR_PRIOR:
        return ratio_prior(&s->targets[which], simulator_n_x(s->simulator), &e->ratio);
    default:
        return open_networks(r, which, e);
    }
}

int estimator_open(const run *r, size_t which, estimator **out)
{
    const truncation *left = rounds_truncation(r->session);
    estimator *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e)
        return fail(NRE_ENOMEM, "no memory for an estimator");
    int rc = open_validity(r, which, e); /* which a mixture of posteriors needs to know */
    if (!rc)
        rc = open_ratio(r, which, e);
    if (!rc && left)
        rc = ratio_truncated(e->ratio, left, &e->ratio);
    if (!rc && left && r->session->experiment->estimator == ESTIMATOR_EXACT)
        ratio_set_up_to_x(e->ratio); /* its evidence is that of the whole prior */
    if (!rc)
        rc = calibration_open(r, which, e);
    if (rc) {
        estimator_close(e);
        return rc;
    }
    e->posterior =
        (posterior){.ratio = e->ratio, .validity = e->validity, .truncation = left};
    *out = e;
    return NRE_OK;
}

void estimator_close(estimator *e)
{
    if (!e)
        return;
    ratio_free(e->ratio);
    ratio_free(e->plain);
    calibration_free(e->calibration);
    validity_model_free(e->validity);
    for (size_t i = 0; i < e->n_members; i++) {
        model_free(e->models[i]);
        scaling_free(e->scalings[i]);
    }
    free(e->models);
    free(e->scalings);
    free(e);
}

/* Rounds: the prior is cut to where the observation leaves it, simulated and trained anew, and
 * again (TMNRE: Miller et al. 2021). */
#include "run/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Networks that a region asks. */
typedef struct network {
    model *model;
    scaling *scaling;
    struct network *next;
} network;

struct rounds {
    session *session;
    size_t round;           /* that the session stands at, from 1 */
    bool settled;           /* it is the last one */
    truncation *truncation; /* of the rounds before it */
    network *networks;
    const char *inputs;  /* what the truncation was made of */
    const char *regions; /* the same, and the region that the last round only tells of */
    round_facts *facts;  /* [n], of rounds whose region is known */
    size_t n;
};

/* a session's rounds */

static const char *place_of(const experiment *e)
{
    return e->path ? e->path : "the config";
}

static bool share_a_parameter(const target *a, const target *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < b->n; k++)
            if (a->which[i] == b->which[k])
                return true;
    return false;
}

static int check_targets(const session *s)
{
    for (size_t i = 0; i < s->n_estimators; i++)
        for (size_t k = 0; k < i; k++)
            if (share_a_parameter(&s->targets[i], &s->targets[k]))
                return fail(
                    NRE_ECONFIG,
                    "%s: error: rounds: the targets '%s' and '%s' share a parameter, so "
                    "that what one's region leaves of the other's prior is not known; "
                    "infer one of them, or targets without a parameter in common",
                    place_of(s->experiment), s->targets[k].name, s->targets[i].name);
    return NRE_OK;
}

static int check_experiment(const experiment *e)
{
    const char *why = NULL;
    for (size_t i = 0; i < N_PURPOSES; i++)
        if (dataset_request_of(e, i)->file || dataset_request_of(e, i)->theta)
            why = "each round draws simulations of its own, so datasets cannot be files";
    if (trains_online(e))
        why = "train.online draws from the whole prior";
    else if (e->infer.method == METHOD_ABC)
        why = "infer.method: abc compares simulations of the whole prior";
    else if (joins_posteriors(e))
        why = "infer.ensemble: mixture normalises each network over the whole prior";
    else if (!e->infer.observation.wanted)
        why = "they are about an observation: give infer.observation";
    return why ? fail(NRE_ECONFIG, "%s: error: rounds: %s", place_of(e), why) : NRE_OK;
}

static void networks_free(rounds *s)
{
    for (network *w = s->networks, *next; w; w = next) {
        next = w->next;
        model_free(w->model);
        scaling_free(w->scaling);
        free(w);
    }
    s->networks = NULL;
}

void rounds_free(rounds *s)
{
    if (!s)
        return;
    truncation_free(s->truncation);
    networks_free(s);
}

/* The targets as the networks of this round see them. */
static void stand_at(rounds *s, size_t round)
{
    s->round = round;
    for (size_t i = 0; i < s->session->n_estimators; i++) {
        target *t = &s->session->targets[i];
        truncation_moments(s->truncation, t, &t->centre, &t->deviation);
    }
}

/* Before the first round. */
static int reset(rounds *s)
{
    truncation_free(s->truncation);
    networks_free(s);
    s->truncation = NULL;
    s->settled = false;
    s->inputs = s->regions = "";
    s->n = 0;
    int rc = truncation_new(simulator_prior(s->session->simulator), &s->truncation);
    if (!rc)
        stand_at(s, 1);
    return rc;
}

int rounds_new(session *s)
{
    const experiment *e = s->experiment;
    if (!e->rounds.wanted)
        return NRE_OK;
    int rc = check_experiment(e);
    if (!rc)
        rc = check_targets(s);
    if (rc)
        return rc;
    rounds *made = arena_alloc(s->arena, 1, sizeof *made);
    if (made)
        made->facts = arena_alloc(s->arena, (size_t)e->rounds.most, sizeof *made->facts);
    if (!made || !made->facts)
        return fail(NRE_ENOMEM, "no memory for the rounds");
    s->rounds = made;
    made->session = s;
    return reset(made);
}

size_t rounds_known(const session *s, const round_facts **facts)
{
    *facts = s->rounds ? s->rounds->facts : NULL;
    return s->rounds ? s->rounds->n : 0;
}

size_t rounds_now(const session *s)
{
    return s->rounds ? s->rounds->round : 0;
}

const truncation *rounds_truncation(const session *s)
{
    return s->rounds && s->rounds->round > 1 ? s->rounds->truncation : NULL;
}

const char *rounds_inputs(const session *s)
{
    return s->rounds ? s->rounds->inputs : "";
}

const char *rounds_regions(const session *s)
{
    return s->rounds ? s->rounds->regions : "";
}

const char *rounds_purpose(const session *s, arena *a, const char *purpose)
{
    size_t round = rounds_now(s);
    return round > 1 ? arena_print(a, "round-%zu/%s", round, purpose) : purpose;
}

uint64_t rounds_size(const experiment *e)
{
    return e->rounds.wanted && e->rounds.n ? e->rounds.n : e->datasets.train.n;
}

/* A damaged file of a round: --resume makes anew what unit NAME did.  Only he who holds the run's lock notes
 * it. */
static int refuse(const run *r, size_t round, const char *name, int rc)
{
    const folder *whole = r->whole ? r->whole : r->source;
    stages *s = NULL;
    if (rc != NRE_EDATA)
        return rc;
    const char *why = arena_copy(whole->arena, error_message());
    if (whole->lock >= 0 &&
        !stages_open(folder_path(whole, "rounds/%zu/stages.json", round), &s))
        (void)stage_forget(s, name);
    stages_free(s);
    if (!why)
        why = "a file is damaged";
    return fail(rc, "round %zu: %s%s", round, why,
                strstr(why, "--resume") ? ""
                                        : "; nereid run with --resume makes it anew");
}

int rounds_refuse(const run *r, size_t purpose, int rc)
{
    if (!r->session->rounds || (purpose != TRAIN && purpose != VALIDATION))
        return rc;
    return refuse(r, rounds_now(r->session),
                  arena_print(r->folder->arena, "simulate/%s", PURPOSES[purpose]), rc);
}

/* regions */

static int open_network(const run *r, size_t which, size_t member, const target *t,
                        ratio **out)
{
    rounds *s = r->session->rounds;
    const char *path =
        source_path(r, "model/%s/member-%zu", r->session->targets[which].name, member);
    network *w = calloc(1, sizeof *w);
    if (!w || !path) {
        free(w);
        return fail(NRE_ENOMEM, "no memory for the networks of a round");
    }
    int rc = trained_open(path, r->session->nets[which], &w->model, &w->scaling);
    if (rc) {
        free(w);
        return refuse(
            r, s->round,
            arena_print(r->folder->arena, "train/%s", r->session->targets[which].name),
            rc);
    }
    w->next = s->networks;
    s->networks = w;
    return ratio_of_networks(t, 1, &w->model, &w->scaling, out);
}

static int open_member(const run *r, size_t which, size_t member, const target *t,
                       ratio **out)
{
    const session *s = r->session;
    switch (s->experiment->estimator) {
    case ESTIMATOR_EXACT:
        return ratio_exact(s->simulator, t, out);
    case ESTIMATOR_PRIOR:
        return ratio_prior(t, simulator_n_x(s->simulator), out);
    default:
        return open_network(r, which, member, t, out);
    }
}

/* A target's share of the region of round R.  Its target is a copy: the session's will be that
 * of later rounds. */
static int open_part(const run *r, size_t which, cut_part *out)
{
    session *s = r->session;
    target *t = arena_alloc(s->arena, 1, sizeof *t);
    size_t n = s->experiment->estimator == ESTIMATOR_NETWORK
                   ? s->experiment->train.ensemble
                   : 1,
           m = 0;
    ratio **member = arena_alloc(s->arena, n, sizeof(ratio *));
    int rc =
        t && member ? NRE_OK : fail(NRE_ENOMEM, "no memory for the networks of a round");
    if (!rc)
        *t = s->targets[which];
    for (; m < n && !rc; m++)
        rc = open_member(r, which, m, t, &member[m]);
    for (size_t i = 0; rc && i + 1 < m; i++)
        ratio_free(member[i]);
    *out = (cut_part){t, rc ? 0 : n, member};
    return rc;
}

/* All of a request but the observation. */
static int open_parts(const run *r, cut_request *out)
{
    const session *s = r->session;
    const experiment *e = s->experiment;
    size_t n = s->n_estimators, i = 0;
    cut_part *parts = arena_alloc(s->arena, n, sizeof *parts);
    int rc = parts ? NRE_OK : fail(NRE_ENOMEM, "no memory for the networks of a round");
    for (; i < n && !rc; i++)
        rc = open_part(r, i, &parts[i]);
    for (size_t k = 0; rc && parts && k < i; k++)
        for (size_t m = 0; m < parts[k].n_members; m++)
            ratio_free(parts[k].members[m]);
    *out = (cut_request){.n_parts = n,
                         .parts = parts,
                         .epsilon = e->rounds.epsilon,
                         .box = e->rounds.box,
                         .seed = e->seed,
                         .purpose = arena_print(s->arena, "region/%zu", rounds_now(s)),
                         .workers = s->workers};
    return rc;
}

static const char *region_path(const run *r)
{
    return source_path(r, "region.h5");
}

static int perform_region(run *r, const unit *u, double *rate, const char **rate_unit)
{
    rounds *s = r->session->rounds;
    cut_request q;
    size_t n = 0;
    const float *x = NULL;
    (void)u, (void)rate, (void)rate_unit;
    int rc = observations_of(r, &n, &x);
    if (!rc)
        rc = open_parts(r, &q);
    if (rc)
        return rc;
    q.n_rows = n;
    q.x = x;
    rc = truncation_cut(s->truncation, &q);
    if (rc)
        return rc;
    rc = truncation_save(s->truncation, region_path(r));
    truncation_pop(
        s->truncation); /* it comes back from the file, as on every later day */
    return rc;
}

static const char *region_missing(const run *r, const unit *u)
{
    (void)u;
    return path_missing(r, region_path(r));
}

static int region_unit(run *r, arena *a, unit *out)
{
    static const char *const PREFIXES[] = {"rounds.epsilon", "rounds.box"};
    const char *text = experiment_inputs(r->session->experiment, a, 2, PREFIXES);
    int rc = text ? observation_inputs(r, a, &text)
                  : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
    for (size_t i = 0; i < r->session->n_estimators && !rc; i++) {
        const char *inputs = NULL;
        rc = estimator_inputs(r, a, i, &inputs);
        if (!rc)
            text =
                arena_print(a, "%sestimator/%s = %s\n", text, r->session->targets[i].name,
                            hash_hex(hash_string(inputs)).hex);
    }
    *out = (unit){.name = "region",
                  .stage = "train",
                  .inputs = text,
                  .missing = region_missing,
                  .perform = perform_region};
    return rc || text ? rc : fail(NRE_ENOMEM, "no memory for the inputs of a stage");
}

/* a round */

/* Its folder is below that of the run, whose lock and log serve it. */
static int round_open(const run *r, run *out)
{
    size_t round = rounds_now(r->session);
    folder *f = arena_alloc(r->folder->arena, 1, sizeof *f);
    *out = *r;
    if (!f)
        return fail(NRE_ENOMEM, "no memory for a round");
    *f = *r->folder;
    f->path = folder_path(r->source, "rounds/%zu", round);
    f->lock = -1;
    out->folder = out->source = f;
    out->stages = NULL;
    out->store = NULL;
    memset(out->row_inputs, 0, sizeof out->row_inputs);
    out->whole = r->source;
    out->label = arena_print(f->arena, "round %zu: ", round);
    if (!f->path || !out->label)
        return fail(NRE_ENOMEM, "no memory for a round");
    return stages_open(folder_path(f, "stages.json"), &out->stages);
}

bool unit_is_of_rounds(const unit *u)
{
    return !strcmp(u->stage, "train") || (!strcmp(u->stage, "simulate") &&
                                          (u->index == TRAIN || u->index == VALIDATION));
}

static int units_of_round(run *r, size_t *n, unit **out)
{
    arena *a = r->folder->arena;
    size_t n_sets = 0, n_networks = 0;
    unit *sets = NULL, *networks = NULL;
    int rc = units_simulate(r, a, &n_sets, &sets);
    if (!rc)
        rc = units_train(r, a, &n_networks, &networks);
    if (rc)
        return rc;
    *n = 0;
    *out = arena_alloc(a, n_sets + n_networks + 1, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for the stages");
    for (size_t i = 0; i < n_sets; i++)
        if (unit_is_of_rounds(&sets[i]))
            (*out)[(*n)++] = sets[i];
    for (size_t i = 0; i < n_networks; i++)
        (*out)[(*n)++] = networks[i];
    return region_unit(r, a, &(*out)[(*n)++]);
}

/* The region that the round left, into the chain; *END when the round is the last one: then its
 * posterior is under the prior that it was trained on, and the region only tells that no more is to be
 * had. */
static int take_region(run *r, bool *end)
{
    rounds *s = r->session->rounds;
    const experiment *e = r->session->experiment;
    cut_request q;
    hash h;
    int rc = open_parts(r, &q);
    if (!rc)
        rc = refuse(r, s->round, "region",
                    truncation_load(s->truncation, &q, region_path(r)));
    if (!rc)
        rc = hash_file(region_path(r), 0, &h);
    if (rc)
        return rc;
    size_t n = truncation_n(s->truncation);
    round_facts *f = &s->facts[s->n++];
    f->cut = *truncation_facts(s->truncation, n - 1);
    f->prior = truncation_volume(s->truncation, n - 1, NULL, &f->prior_error);
    f->left = truncation_volume(s->truncation, n, NULL, &f->left_error);
    s->regions = arena_print(r->session->arena, "%sregion/%zu = %s\n", s->inputs,
                             s->round, hash_hex(h).hex);
    if (!s->regions)
        return fail(NRE_ENOMEM, "no memory for a round");
    *end = f->cut.fraction >= e->rounds.stable || s->round >= e->rounds.most;
    if (*end) {
        truncation_pop(s->truncation);
        s->settled = true;
        return NRE_OK;
    }
    s->inputs = s->regions;
    stand_at(s, s->round + 1);
    return NRE_OK;
}

int rounds_walk(run *r, round_visit *visit, void *context)
{
    bool end = false, go_on = true;
    int rc = reset(r->session->rounds);
    while (!rc && !end && go_on) {
        run one;
        size_t n = 0;
        unit *u = NULL;
        rc = round_open(r, &one);
        if (!rc)
            rc = units_of_round(&one, &n, &u);
        if (!rc)
            rc = visit(&one, n, u, context, &go_on);
        if (!rc && go_on)
            rc = take_region(&one, &end);
        r->n_timings = one.n_timings;
        r->timings = one.timings;
        r->observed = one.observed;
        r->rows = one.rows;
        r->n_rows = one.n_rows;
        stages_free(one.stages);
    }
    return rc;
}

bool rounds_settled(const session *s)
{
    return !s->rounds || s->rounds->settled;
}

/* simulations of earlier rounds */

/* Numbers of the rows of D whose theta is left. */
static int rows_left(const session *s, const dataset *d, loader_part *out)
{
    enum { AT_ONCE = 1024 };
    bool inside[AT_ONCE];
    size_t width = simulator_n_theta(s->simulator);
    double *theta = memory_new(AT_ONCE, width * sizeof *theta);
    out->row = memory_new((size_t)dataset_n(d), sizeof *out->row);
    int rc =
        theta && out->row ? NRE_OK : fail(NRE_ENOMEM, "no memory for rows of a round");
    for (uint64_t i = 0; i < dataset_n(d) && !rc; i += AT_ONCE) {
        uint64_t rest = dataset_n(d) - i;
        size_t n = rest < AT_ONCE ? (size_t)rest : AT_ONCE;
        for (size_t k = 0; k < n; k++)
            memcpy(theta + k * width, dataset_theta(d, i + k), width * sizeof *theta);
        rc = truncation_contains(rounds_truncation(s), n, theta, inside);
        for (size_t k = 0; k < n && !rc; k++)
            if (inside[k])
                out->row[out->n++] = i + k;
    }
    free(theta);
    return rc;
}

static int earlier_part(const run *r, size_t round, size_t purpose, loader_part *out)
{
    const session *s = r->session;
    arena *a = r->folder->arena;
    const folder *whole = r->whole ? r->whole : r->source;
    const char *name = round > 1
                           ? arena_print(a, "round-%zu/%s", round, PURPOSES[purpose])
                           : PURPOSES[purpose];
    int rc = dataset_open(
        folder_path(whole, "rounds/%zu/data/%s", round, PURPOSES[purpose]), &out->data);
    rc = refuse(r, round, arena_print(a, "simulate/%s", PURPOSES[purpose]), rc);
    if (!rc)
        rc = loader_of_dataset(out->data, s->simulator, s->experiment->seed, name,
                               purpose == TRAIN, &out->loader);
    return rc ? rc : rows_left(s, out->data, out);
}

int rounds_join(const run *r, size_t purpose, dataset **d, loader **l)
{
    size_t n = rounds_now(r->session), used = 0;
    if (n < 2 || (purpose != TRAIN && purpose != VALIDATION))
        return NRE_OK;
    loader_part *parts = memory_new(n, sizeof *parts);
    if (!parts)
        return fail(NRE_ENOMEM, "no memory for rows of a round");
    int rc = NRE_OK;
    for (size_t round = 1; round < n && !rc; round++) {
        rc = earlier_part(r, round, purpose, &parts[used]);
        if (rc || !parts[used].n)
            loader_part_release(&parts[used]);
        else
            used++;
    }
    if (!rc) {
        parts[used++] = (loader_part){.data = *d, .loader = *l};
        *d = NULL;
        *l = NULL;
        rc = loader_of_parts(used, parts, l);
    } else
        for (size_t i = 0; i < used; i++)
            loader_part_release(&parts[i]);
    free(parts);
    return rc;
}

/* running */

/* Rounds are about one observation; several rows are one only where they are said to be. */
static int check_rows(run *r)
{
    size_t n = 0;
    const float *x = NULL;
    int rc = observations_of(r, &n, &x);
    if (rc || (n == 1 || (n > 1 && r->joint)))
        return rc;
    return fail(
        NRE_ECONFIG,
        "%s: error: rounds: they truncate the prior to one observation, and there are "
        "%zu rows; leave one, or say by infer.nuisance that they belong together",
        place_of(r->session->experiment), n);
}

static void say_round(const session *s)
{
    const rounds *all = s->rounds;
    const round_facts *f = &all->facts[all->n - 1];
    log_say(NRE_INFO,
            "round %zu: its region keeps %.3g%% of what it was trained on, %.3g%% of the "
            "prior's volume%s",
            all->n, 100 * f->cut.fraction, 100 * f->left,
            !all->settled ? ""
            : f->cut.fraction >= s->experiment->rounds.stable
                ? "; stable, so it is the last"
                : "; rounds.most is reached");
}

typedef struct running {
    size_t last;
    size_t said;
} running;

static int run_round(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    running *w = context;
    const round_facts *facts;
    if (rounds_known(one->session, &facts) > w->said) {
        say_round(one->session);
        w->said++;
    }
    int rc = folder_make(one->folder->path);
    *go_on = w->last >= STAGE_TRAIN;
    return rc ? rc : units_perform(one, n, u, w->last);
}

/* Parts of a run that lead to those of its last round. */
static const char *const LINKS[] = {"data", "model"};
enum { N_LINKS = sizeof LINKS / sizeof LINKS[0] };

/* Where the link PATH leads, in A; "" when it is none. */
static const char *leads_to(arena *a, const char *path)
{
    char there[4096];
    ssize_t n = path ? readlink(path, there, sizeof there - 1) : 0;
    there[n > 0 ? n : 0] = 0;
    const char *kept = arena_copy(a, there);
    return kept ? kept : "";
}

/* A link that a run with rounds made; another may be the user's. */
static bool is_our_link(arena *a, const char *path)
{
    return !strncmp(leads_to(a, path), "rounds/", strlen("rounds/"));
}

/* Whether the run in the folder PATH has rounds, by its resolved config. */
static bool has_rounds(arena *a, const char *path)
{
    const char *config = path_join(a, path, "resolved.yaml");
    FILE *f = config ? fopen(config, "r") : NULL;
    char *line = NULL;
    size_t length = 0;
    bool has = false;
    while (f && !has && getline(&line, &length, f) >= 0)
        has = !strncmp(line, "rounds:", strlen("rounds:"));
    free(line);
    if (f)
        fclose(f);
    return has;
}

/* A copy that followed the links holds the last round twice. */
static bool is_copied(arena *a, const char *path, const char *part)
{
    return has_rounds(a, path) && file_exists(part) && !*leads_to(a, part);
}

static int refuse_part(arena *a, const char *path, const char *part)
{
    if (is_copied(a, path, part))
        return fail(NRE_EEXISTS,
                    "'%s' was a link to the last of the run's rounds and is a copy of it "
                    "now (cp -L?): rm -r '%s', and --resume links it again",
                    part, part);
    return fail(NRE_EEXISTS,
                "'%s' is of a run without rounds; choose another folder, or "
                "--force instead of --resume, which moves the run aside",
                part);
}

int rounds_check_folder(const session *s, const char *path)
{
    for (size_t i = 0; i < N_LINKS && s->rounds; i++) {
        const char *part = path_join(s->arena, path, LINKS[i]);
        if (!part)
            return fail(NRE_ENOMEM, "no memory for the name of a link");
        if (!is_our_link(s->arena, part) &&
            (file_exists(part) || *leads_to(s->arena, part)))
            return refuse_part(s->arena, path, part);
    }
    return NRE_OK;
}

/* RUN/NAME -> rounds/K/NAME, which is made: later stages write there, too. */
static int link_part(const run *r, const char *name)
{
    arena *a = r->folder->arena;
    const char *path = folder_path(r->folder, "%s", name);
    const char *there = arena_print(a, "rounds/%zu/%s", rounds_now(r->session), name);
    if (!path || !there)
        return fail(NRE_ENOMEM, "no memory for a link");
    int rc = folder_make(folder_path(r->folder, "%s", there));
    if (!rc && symlink(there, path))
        rc = fail(NRE_EIO, "cannot link '%s' to '%s': %s", path, there, strerror(errno));
    return rc;
}

static void forget_links(const run *r)
{
    for (size_t i = 0; i < N_LINKS; i++) {
        const char *path = folder_path(r->folder, "%s", LINKS[i]);
        if (is_our_link(r->folder->arena, path))
            unlink(path);
    }
}

int rounds_run(run *r, size_t last)
{
    running w = {.last = last};
    forget_links(r); /* of the run that was here before */
    if (!r->session->rounds)
        return NRE_OK;
    int rc = check_rows(r);
    if (!rc)
        rc = rounds_walk(r, run_round, &w);
    if (rc || !rounds_settled(r->session))
        return rc;
    say_round(r->session);
    for (size_t i = 0; i < N_LINKS && !rc; i++)
        rc = link_part(r, LINKS[i]);
    return rc;
}

/* a finished run */

static int take_as_is(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    (void)n, (void)u, (void)context;
    *go_on = file_exists(region_path(one));
    return NRE_OK;
}

/* A run that was interrupted, or changed and not finished, has networks of another round, or none.  A
 * copied one has its last round's. */
static int check_model(const session *s, const folder *f)
{
    const char *link = folder_path(f, "model");
    const char *is = leads_to(f->arena, link);
    const char *wanted = arena_print(f->arena, "rounds/%zu/model", rounds_now(s));
    if (!wanted)
        return fail(NRE_ENOMEM, "no memory for the name of a link");
    if (!strcmp(is, wanted) || is_copied(f->arena, f->path, link))
        return NRE_OK;
    return fail(
        NRE_EDATA,
        "'%s': its rounds are not finished: 'model' does not lead to '%s'; nereid "
        "run with --resume finishes them",
        f->path, wanted);
}

int rounds_restore(session *s, folder *f)
{
    run r = {.session = s,
             .folder = f,
             .source = f,
             .observed = true,
             .joint = s->experiment->infer.nuisance != NUISANCE_UNSAID};
    if (!s->rounds)
        return NRE_OK;
    int rc = rounds_walk(&r, take_as_is, NULL);
    return rc ? rc : check_model(s, f);
}

int rounds_check_observation(const session *s, size_t n, const float *x, bool joint)
{
    const truncation *t = rounds_truncation(s);
    if (!t || (truncation_is_of(t, n, x) && (n == 1 || joint)))
        return NRE_OK;
    if (truncation_is_of(t, n, x))
        return fail(NRE_EDATA,
                    "the prior of this run was truncated for its %zu rows together "
                    "(rounds), not for each by itself: add --joint",
                    n);
    return fail(
        NRE_EDATA,
        "the prior of this run was truncated for its own observation (rounds), so that "
        "its networks have seen no other part of it: run the config anew with this "
        "observation, or without rounds for networks that serve any");
}

/* reporting */

uint64_t rounds_simulations(const run *r)
{
    uint64_t total = 0;
    for (size_t k = 1; k < rounds_now(r->session); k++)
        for (size_t i = TRAIN; i <= VALIDATION; i++) {
            json_t *manifest = NULL;
            const char *path =
                source_path(r, "rounds/%zu/data/%s/manifest.json", k, PURPOSES[i]);
            if (path && file_exists(path) && !json_load_path(path, 64 << 20, &manifest))
                total += (uint64_t)json_integer_value(json_object_get(manifest, "rows"));
            json_decref(manifest);
        }
    return total;
}

static json_t *rounds_json(const session *s)
{
    const round_facts *facts;
    size_t n = rounds_known(s, &facts);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            list,
            json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "round", (json_int_t)i + 1,
                      "prior_volume", facts[i].prior, "prior_volume_error",
                      facts[i].prior_error, "kept", facts[i].cut.fraction, "kept_error",
                      facts[i].cut.error, "region_volume", facts[i].left,
                      "region_volume_error", facts[i].left_error));
    return list;
}

void rounds_describe(const session *s, json_t *result)
{
    const char *scope =
        rounds_truncation(s) ? "this observation only" : "any observation";
    json_object_set_new(result, "rounds", rounds_json(s));
    json_object_set_new(result, "valid_for", json_string(scope));
}

const char *rounds_scope(const session *s, arena *a)
{
    const round_facts *f;
    size_t n = rounds_known(s, &f);
    if (n < 2)
        return NULL;
    return arena_print(
        a,
        "valid for this observation only: after %zu rounds %.3g%% (± %.2g%%) of "
        "the prior's volume is left, and everything here is under that truncated "
        "prior",
        n, 100 * f[n - 1].prior, 100 * f[n - 1].prior_error);
}

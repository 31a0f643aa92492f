/* One experiment in its folder: what runs, what is reused, and why. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const STAGES[] = {"simulate", "train", "infer", "diagnose", "report"};
enum { N_STAGES = sizeof STAGES / sizeof STAGES[0] };

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int units_of_run(run *r, size_t *n, const unit **out)
{
    typedef int units_of(run * r, arena * a, size_t * n, unit * *out);
    static units_of *const MAKERS[] = {units_simulate, units_train, units_infer,
                                       units_diagnose};
    arena *a = r->folder->arena;
    unit *parts[4], *all;
    size_t counts[4], total = 0;
    for (size_t i = 0; i < 4; i++) {
        int rc = MAKERS[i](r, a, &counts[i], &parts[i]);
        if (rc)
            return rc;
        total += counts[i];
    }
    if (!(all = arena_alloc(a, total + 1, sizeof *all)))
        return fail(NRE_ENOMEM, "no memory for the stages");
    *n = 0;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < counts[i]; k++)
            if (!r->session->rounds || !unit_is_of_rounds(&parts[i][k]))
                all[(*n)++] = parts[i][k];
    *out = all;
    return NRE_OK;
}

int last_stage(const command *c, size_t *out)
{
    *out = N_STAGES - 1;
    if (!c->until)
        return NRE_OK;
    for (size_t i = 0; i < N_STAGES; i++)
        if (!strcmp(c->until, STAGES[i])) {
            *out = i;
            return NRE_OK;
        }
    const char *near = text_nearest(c->until, N_STAGES, STAGES);
    return fail(NRE_EUSAGE,
                "--until %s: no such stage%s%s; there are simulate, train, infer, "
                "diagnose, report",
                c->until, near ? "; did you mean: --until " : "", near ? near : "");
}

static size_t stage_number(const char *stage)
{
    for (size_t i = 0; i < N_STAGES; i++)
        if (!strcmp(stage, STAGES[i]))
            return i;
    return N_STAGES;
}

bool unit_is_reusable(const run *r, const unit *u, const char **reason)
{
    bool done = stage_is_done(r->stages, u->name, u->inputs, r->folder->arena, reason);
    const char *gone = done ? u->missing(r, u) : NULL;
    if (gone)
        *reason = arena_print(r->folder->arena, "%s is gone", gone);
    return done && !gone;
}

/* What is to be done about a unit. */
typedef enum action { RUN, REUSE, SHARE } action;

static action action_of(run *r, const unit *u, const char **reason)
{
    if (unit_is_reusable(r, u, reason))
        return REUSE;
    if (!u->shared || !u->shared(r, u))
        return RUN;
    *reason = "simulated for another cell";
    return SHARE;
}

/* The name of a unit, with its round. */
static const char *full_name(const run *r, const unit *u)
{
    const char *name =
        r->label ? arena_print(r->folder->arena, "%s%s", r->label, u->name) : u->name;
    return name ? name : u->name;
}

static void tell_result(const run *r, const unit *u, action what, const char *reason)
{
    json_t *stage = json_pack("{s:s, s:s, s:s}", "stage", full_name(r, u), "action",
                              what == RUN ? "run" : "reuse", "reason", reason);
    if (r->result && stage)
        json_array_append(json_object_get(r->result, "stages"), stage);
    json_decref(stage);
}

static int add_timing(run *r, const unit *u, double seconds, double rate,
                      const char *rate_unit, bool reused)
{
    size_t n = r->n_timings;
    if ((n & (n + 1)) == 0) { /* 0, 1, 3, 7 ..: as many more, and one */
        timing_row *more = arena_alloc(r->folder->arena, 2 * (n + 1), sizeof *more);
        if (!more)
            return fail(NRE_ENOMEM, "no memory for the times of the stages");
        if (n > 0)
            memcpy(more, r->timings, n * sizeof *more);
        r->timings = more;
    }
    r->timings[r->n_timings++] = (timing_row){
        u->stage,  full_name(r, u), seconds, rate_unit && rate > 0 ? rate / seconds : NAN,
        rate_unit, reused};
    return NRE_OK;
}

static int run_unit(run *r, const unit *u, action what, const char *reason)
{
    double start = seconds_now(), rate = 0;
    const char *rate_unit = NULL;
    int rc = stop_check();
    if (!rc)
        log_say(NRE_INFO, "%s: %s (%s)", full_name(r, u),
                what == SHARE ? "reused" : "runs", reason);
    if (!rc)
        rc = stage_forget(r->stages, u->name);
    if (!rc)
        rc = u->perform(r, u, &rate, &rate_unit);
    if (rc)
        return fail_within(rc, "%s", full_name(r, u));
    double seconds = seconds_now() - start;
    rc = add_timing(r, u, seconds, rate, rate_unit, what == SHARE);
    if (rc)
        return rc;
    if (what == RUN)
        log_say(NRE_INFO, "%s: done in %.1f s", full_name(r, u), seconds);
    return stage_done(r->stages, u->name, u->inputs, seconds);
}

int units_perform(run *r, size_t n, const unit *u, size_t last)
{
    for (size_t i = 0; i < n; i++) {
        const char *reason = NULL;
        if (stage_number(u[i].stage) > last)
            break;
        action what = action_of(r, &u[i], &reason);
        tell_result(r, &u[i], what, reason);
        if (what == REUSE) {
            log_say(NRE_INFO, "%s: reused (%s)", full_name(r, &u[i]), reason);
            int rc =
                add_timing(r, &u[i], stage_seconds(r->stages, u[i].name), 0, NULL, true);
            if (rc)
                return rc;
            continue;
        }
        int rc = run_unit(r, &u[i], what, reason);
        if (rc)
            return rc;
    }
    return NRE_OK;
}

static void say_unit(const run *r, const char *name, bool reuse, const char *reason)
{
    if (!r->result)
        printf("%-24s %-7s %s\n", name, reuse ? "reuse" : "run", reason);
}

static void say_plan(run *r, size_t n, const unit *u, size_t last)
{
    for (size_t i = 0; i < n && stage_number(u[i].stage) <= last; i++) {
        const char *reason = NULL;
        action what = action_of(r, &u[i], &reason);
        tell_result(r, &u[i], what, reason);
        say_unit(r, full_name(r, &u[i]), what != RUN, reason);
    }
    if (last == STAGE_REPORT)
        say_unit(r, "report", false, "always, from the results of the others");
}

static int write_config(const run *r, const char *path)
{
    const experiment *e = r->session->experiment;
    char *text = NULL;
    size_t n = 0;
    int rc = NRE_OK;
    if (strcmp(path, "-") != 0 && file_exists(path)) {
        rc = file_read(path, 1 << 20, &text, &n);
        if (!rc)
            rc = file_write(folder_path(r->folder, "config.yaml"), text, n);
    }
    free(text);
    if (!rc)
        rc = experiment_write_resolved(e, folder_path(r->folder, "resolved.yaml"));
    if (!rc)
        rc = experiment_write_origins(e, folder_path(r->folder, "origins.json"));
    return rc ? rc : folder_environment(r->folder, r->session);
}

static int plan_of(run *r, size_t *n, const unit **u)
{
    int rc = stages_open(folder_path(r->folder, "stages.json"), &r->stages);
    if (!rc)
        rc = units_of_run(r, n, u);
    return rc;
}

static int walk(run *r, const run_request *q)
{
    size_t n = 0;
    const unit *u = NULL;
    int rc = write_config(r, q->config);
    if (!rc)
        rc = rounds_run(r, q->last);
    if (!rc && !rounds_settled(r->session))
        return NRE_OK; /* --until simulate: the other rounds' simulations wait for training */
    if (!rc)
        rc = plan_of(r, &n, &u);
    if (!rc)
        rc = units_perform(r, n, u, q->last);
    if (!rc && q->last == STAGE_REPORT)
        rc = report_run(r, seconds_now() - q->started, q->out);
    return rc;
}

static void say_start(const session *s, const char *path)
{
    const char *advice = blas_advice();
    log_say(
        NRE_INFO,
        "%s: simulator %s, %zu target%s, %u threads, OpenBLAS kernel %s, results in %s",
        s->experiment->name, s->experiment->simulator.component.name, s->n_targets,
        s->n_targets == 1 ? "" : "s", pool_threads(s->workers), blas_kernel(), path);
    if (advice)
        log_say(NRE_WARN, "%s", advice);
}

/* Units of a round; the rounds after one that has to run follow from it. */
static int foresee_round(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    const size_t *last = context;
    const char *reason = NULL;
    for (size_t i = 0; i < n && *go_on; i++)
        *go_on = unit_is_reusable(one, &u[i], &reason);
    say_plan(one, n, u, *last);
    if (*go_on)
        return NRE_OK;
    say_unit(one, "later rounds", false, "until the region is stable");
    return NRE_OK;
}

/* -n: what would be done, in a folder that is not touched. */
static int plan_in_folder(run *r, const run_request *q)
{
    size_t n = 0;
    const unit *u = NULL;
    int rc = folder_peek(q->path, &r->folder);
    r->source = r->folder;
    size_t last = q->last < STAGE_TRAIN ? q->last : STAGE_TRAIN;
    if (!rc && r->session->rounds)
        rc = rounds_walk(r, foresee_round, &last);
    if (!rc)
        rc = plan_of(r, &n, &u);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rounds_settled(r->session); i++)
        stage_ignore(r->stages,
                     u[i].name); /* what they will be made of is not known yet */
    if (file_exists(q->path) && !r->store && !q->command->resume && !q->command->force)
        log_say(NRE_WARN,
                "'%s' exists: without --resume or --force the run would refuse it",
                q->path);
    say_plan(r, n, u, q->last);
    return NRE_OK;
}

static int mark(const run *r, const run_request *q, int rc)
{
    if (rc != NRE_ECANCELLED && (rc || q->last == STAGE_REPORT)) {
        int marked = folder_mark(r->folder, rc);
        rc = rc ? rc : marked;
    }
    if (rc == NRE_ECANCELLED) {
        log_say(NRE_INFO, "%s", error_message());
        (void)stop_check(); /* whose wish it was */
        rc = fail(rc, "%s; the same command with --resume goes on from here",
                  error_message());
    }
    return rc;
}

/* A folder of a sweep has many runs below it. */
static int refuse_sweep(const run_request *q)
{
    arena *a = q->session->arena;
    if (q->store || !file_exists(path_join(a, q->path, "plan.json")))
        return NRE_OK;
    return fail(NRE_EEXISTS,
                "'%s' holds a sweep, and this config is one experiment; "
                "choose another folder",
                q->path);
}

static int work_in_folder(run *r, const run_request *q)
{
    const command *c = q->command;
    int rc = c->resume ? refuse_sweep(q) : NRE_OK;
    if (!rc && c->resume)
        rc = rounds_check_folder(r->session, q->path);
    if (!rc)
        rc = folder_open(q->path, c->resume, c->force,
                         "--resume goes on with it, --force moves it aside", &r->folder);
    if (rc)
        return rc;
    r->source = r->folder;
    watch_folder(q->watch, r->folder->path);
    say_start(r->session, q->path);
    rc = walk(r, q);
    watch_quiet(q->watch);
    watch_folder(q->watch, NULL);
    return mark(r, q, rc);
}

static run run_of(const run_request *q)
{
    session *s = q->session;
    return (run){.session = s,
                 .watch = watch_progress(q->watch),
                 .store = s->rounds ? NULL : q->store, /* rounds are of one run */
                 .joint = s->experiment->infer.nuisance != NUISANCE_UNSAID};
}

static void run_close(run *r)
{
    json_decref(r->result);
    pairs_forget(r);
    stages_free(r->stages);
    folder_close(r->folder);
}

int run_one(const run_request *q)
{
    run r = run_of(q);
    const command *c = q->command;
    if (c->json && q->out && !(r.result = json_pack("{s:[]}", "stages")))
        return fail(NRE_ENOMEM, "no memory to start");
    int rc = c->dry_run ? plan_in_folder(&r, q) : work_in_folder(&r, q);
    if (r.folder)
        result_print(&r, rc);
    run_close(&r);
    return rc;
}

int run_foresee(const run_request *q, json_t *planned, json_t *list)
{
    run r = run_of(q);
    r.planned = planned;
    r.result = json_pack("{s:O}", "stages", list);
    int rc = r.result ? plan_in_folder(&r, q) : fail(NRE_ENOMEM, "no memory for a plan");
    run_close(&r);
    return rc;
}

/* The first line of DONE: "done", or the gate that was missed. */
static int read_done(const run *r, arena *a, const char **missed)
{
    char *text = NULL;
    size_t n = 0;
    int rc = file_read(folder_path(r->folder, "DONE"), 1 << 20, &text, &n);
    if (!rc)
        text[strcspn(text, "\n")] = 0;
    *missed = rc ? NULL : arena_copy(a, strcmp(text, "done") ? text : "");
    free(text);
    return rc || *missed ? rc : fail(NRE_ENOMEM, "no memory to start");
}

static int reuse_round(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    const char *reason = NULL;
    (void)context;
    for (size_t i = 0; i < n && *go_on; i++)
        *go_on = unit_is_reusable(one, &u[i], &reason);
    return NRE_OK;
}

/* Is its report that of this config?  Gates, labels and the like change no stage, but what is told. */
static bool is_told(const run *r, arena *a)
{
    char *old = NULL;
    size_t n = 0;
    const char *now = experiment_text(r->session->experiment, a);
    bool same = now &&
                !file_read(folder_path(r->folder, "resolved.yaml"), 1 << 24, &old, &n) &&
                n == strlen(now) && !memcmp(old, now, n);
    free(old);
    return same;
}

int run_is_finished(const run_request *q, bool *finished, const char **missed)
{
    size_t n = 0;
    const unit *u = NULL;
    run r = run_of(q);
    const char *reason = NULL;
    int rc = folder_peek(q->path, &r.folder);
    r.source = r.folder;
    *finished = false;
    if (!rc && file_exists(folder_path(r.folder, "DONE"))) {
        if (r.session->rounds)
            rc = rounds_walk(&r, reuse_round, NULL);
        if (!rc)
            rc = plan_of(&r, &n, &u);
        *finished = !rc && rounds_settled(r.session);
        for (size_t i = 0; *finished && i < n; i++)
            *finished = unit_is_reusable(&r, &u[i], &reason);
        *finished = *finished && is_told(&r, q->session->arena);
        if (*finished)
            rc = read_done(&r, q->session->arena, missed);
    }
    run_close(&r);
    return rc;
}

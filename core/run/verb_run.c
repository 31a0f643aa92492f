/* nereid run: simulate -> train -> infer -> diagnose -> report. */
#include "run/run.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const STAGES[] = {"simulate", "train", "infer", "diagnose", "report"};
enum { N_STAGES = sizeof STAGES / sizeof STAGES[0] };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int units_of_run(run *r, size_t *n, const unit **out)
{
    typedef int units_of(run *r, arena *a, size_t *n, unit **out);
    static units_of *const MAKERS[] = {units_simulate, units_train, units_infer, units_diagnose};
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
            all[(*n)++] = parts[i][k];
    *out = all;
    return NRE_OK;
}

/* Number of the stage that --until names; the last one without it. */
static int last_stage(const command *c, size_t *out)
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
    return fail(NRE_EUSAGE, "--until %s: no such stage%s%s; there are simulate, train, infer, "
                "diagnose, report", c->until, near ? "; did you mean: --until " : "",
                near ? near : "");
}

static size_t stage_number(const char *stage)
{
    for (size_t i = 0; i < N_STAGES; i++)
        if (!strcmp(stage, STAGES[i]))
            return i;
    return N_STAGES;
}

static bool is_reusable(const run *r, const unit *u, const char **reason)
{
    bool done = stage_is_done(r->stages, u->name, u->inputs, r->folder->arena, reason);
    if (done && !file_exists(u->output)) {
        *reason = arena_print(r->folder->arena, "%s is gone", u->output);
        done = false;
    }
    return done;
}

static void add_timing(run *r, const unit *u, double seconds, double rate, const char *rate_unit,
                       bool reused)
{
    r->timings[r->n_timings++] =
        (timing_row){u->stage, u->name, seconds, rate_unit && rate > 0 ? rate / seconds : NAN,
                     rate_unit, reused};
}

static int run_unit(run *r, const unit *u, const char *reason)
{
    double start = now(), rate = 0;
    const char *rate_unit = NULL;
    log_say(NRE_INFO, "%s: runs (%s)", u->name, reason);
    int rc = stop_check();
    if (!rc)
        rc = u->perform(r, u, &rate, &rate_unit);
    if (rc)
        return fail_within(rc, "%s", u->name);
    double seconds = now() - start;
    add_timing(r, u, seconds, rate, rate_unit, false);
    log_say(NRE_INFO, "%s: done in %.1f s", u->name, seconds);
    return stage_done(r->stages, u->name, u->inputs, seconds);
}

static int run_units(run *r, size_t n, const unit *u, size_t last)
{
    for (size_t i = 0; i < n; i++) {
        const char *reason = NULL;
        if (stage_number(u[i].stage) > last)
            break;
        if (is_reusable(r, &u[i], &reason)) {
            log_say(NRE_INFO, "%s: reused (%s)", u[i].name, reason);
            add_timing(r, &u[i], stage_seconds(r->stages, u[i].name), 0, NULL, true);
            continue;
        }
        int rc = run_unit(r, &u[i], reason);
        if (rc)
            return rc;
    }
    return NRE_OK;
}

static int say_plan(const run *r, size_t n, const unit *u, size_t last)
{
    bool upstream = false;       /* a stage before this one runs, so its inputs may change */
    for (size_t i = 0; i < n && stage_number(u[i].stage) <= last; i++) {
        const char *reason = NULL;
        bool reuse = is_reusable(r, &u[i], &reason);
        printf("%-24s %-7s %s\n", u[i].name, reuse ? "reuse" : "run", reason);
        upstream = upstream || !reuse;
    }
    if (last == N_STAGES - 1)
        printf("%-24s %-7s %s\n", "report", "run", upstream ? "always, from the results" : "always");
    return NRE_OK;
}

static int write_config(const run *r, const char *path)
{
    const experiment *e = r->session->experiment;
    char *text = NULL;
    size_t n = 0;
    int rc = NRE_OK;
    if (strcmp(path, "-")) {
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

static int walk(run *r, const command *c, size_t last, double started)
{
    size_t n = 0;
    const unit *u = NULL;
    int rc = stages_open(folder_path(r->folder, "stages.json"), &r->stages);
    if (!rc)
        rc = units_of_run(r, &n, &u);
    if (rc)
        return rc;
    r->timings = arena_alloc(r->folder->arena, n + 1, sizeof *r->timings);
    if (!r->timings)
        return fail(NRE_ENOMEM, "no memory for the stages");
    if (c->dry_run)
        return say_plan(r, n, u, last);
    rc = write_config(r, c->arguments[0]);
    if (!rc)
        rc = run_units(r, n, u, last);
    if (!rc && last == N_STAGES - 1)
        rc = report_run(r, now() - started, stdout);
    return rc;
}

static void say_start(const session *s, const char *path)
{
    const char *advice = blas_advice();
    log_say(NRE_INFO, "%s: simulator %s, %zu target%s, %u threads, OpenBLAS kernel %s, results in %s",
            s->experiment->name, s->experiment->simulator.component.name, s->n_targets,
            s->n_targets == 1 ? "" : "s", pool_threads(s->workers), blas_kernel(), path);
    if (advice)
        log_say(NRE_WARN, "%s", advice);
}

static int run_in_folder(session *s, const command *c, watch *w, size_t last, double started)
{
    const char *path = c->out ? c->out : path_join(s->arena, "runs", s->experiment->name);
    run r = {.session = s, .watch = watch_progress(w), .dry_run = c->dry_run,
             .joint = s->experiment->infer.nuisance != NUISANCE_UNSAID};
    int rc = c->dry_run ? folder_peek(path, &r.folder)
                        : folder_open(path, c->resume, c->force, &r.folder);
    if (rc)
        return rc;
    r.source = r.folder;
    if (!c->dry_run) {
        watch_folder(w, r.folder->path);
        say_start(s, path);
    }
    rc = walk(&r, c, last, started);
    watch_quiet(w);
    if (!c->dry_run && rc != NRE_ECANCELLED && (rc || last == N_STAGES - 1)) {
        int marked = folder_mark(r.folder, rc);
        rc = rc ? rc : marked;
    }
    if (rc == NRE_ECANCELLED)
        rc = fail(rc, "stopped; the same command with --resume goes on from here");
    watch_folder(w, NULL);
    stages_free(r.stages);
    folder_close(r.folder);
    return rc;
}

int verb_run(const command *c)
{
    double started = now();
    session *s = NULL;
    size_t last;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE, "nereid run takes one config: nereid run CONFIG");
    int rc = last_stage(c, &last);
    if (rc)
        return rc;
    watch *w = watch_new(c->progress);
    if (!w)
        return fail(NRE_ENOMEM, "no memory to start");
    if (c->time_limit > 0) {
        signal(SIGALRM, stop_request);
        alarm((unsigned)ceil(c->time_limit));
    }
    session_request request = {c->arguments[0], c, watch_progress(w)};
    rc = session_open(&request, &s);
    if (!rc)
        rc = run_in_folder(s, c, w, last, started);
    session_close(s);
    watch_free(w);
    return rc;
}

/* nereid run: simulate -> train -> infer -> diagnose -> report. */
#include "run/run.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

static int run_alone(const command *c, plugins *p, experiment *e, watch *w, size_t last,
                     double started)
{
    session *s = NULL;
    session_request request = {c->arguments[0], c, watch_progress(w), p, e};
    int rc = session_open(&request, &s);
    const char *path = c->out || rc ? c->out : path_join(s->arena, "runs", e->name);
    if (!rc && !path)
        rc = fail(NRE_ENOMEM, "no memory to start");
    run_request q = {.session = s,
                     .command = c,
                     .watch = w,
                     .path = path,
                     .config = c->arguments[0],
                     .last = last,
                     .started = started,
                     .out = stdout};
    if (!rc)
        rc = run_one(&q);
    session_close(s);
    return rc;
}

static int run_config(const command *c, plugins *p, size_t last, double started)
{
    experiment *one = NULL;
    sweep *many = NULL;
    arena *a = arena_new();
    int rc =
        a ? command_config(c, p, a, &one, &many) : fail(NRE_ENOMEM, "no memory to start");
    if (!rc && many) {
        rc = sweep_run(c, p, many, last, started);
    } else if (!rc) {
        watch *w = watch_new(c->progress);
        rc = w ? run_alone(c, p, one, w, last, started)
               : fail(NRE_ENOMEM, "no memory to start");
        watch_free(w);
    }
    arena_free(a);
    return rc;
}

int verb_run(const command *c)
{
    double started = seconds_now();
    plugins *p = NULL;
    size_t last;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE, "nereid run takes one config: nereid run CONFIG");
    if (c->keep_going && c->fail_fast)
        return fail(NRE_EUSAGE, "--keep-going and --fail-fast exclude each other");
    int rc = last_stage(c, &last);
    if (rc)
        return rc;
    if (c->time_limit > 0) {
        /* It is async-signal-safe.  NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
        signal(SIGALRM, stop_request);
        alarm((unsigned)ceil(c->time_limit));
    }
    rc = command_plugins(c, &p);
    if (!rc)
        rc = run_config(c, p, last, started);
    plugins_free(p);
    return rc;
}

/* nereid status: where a run or a sweep stands.  It reads what they wrote, and locks nothing. */
#include "run/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PLAN_LIMIT = 256 << 20, YOUNG_SECONDS = 10, WATCH_SECONDS = 2 };

/* What progress.json of a folder says; {} when there is none. */
static json_t *progress_of(const char *path, arena *a)
{
    json_t *j = NULL;
    const char *file = path_join(a, path, "progress.json");
    if (!file || !file_exists(file) || json_load_path(file, 1 << 20, &j)) {
        error_set("");
        json_decref(j);
        j = json_object();
    }
    return j;
}

static const char *word_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

static long long count_of(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}

/* Whether the process that wrote the heartbeat is there; one of another machine counts as there
 * while its heartbeat is young. */
static bool is_alive(const json_t *beat)
{
    pid_t pid = (pid_t)count_of(beat, "pid");
    long long age = (long long)time(NULL) - count_of(beat, "time");
    if (pid <= 0)
        return false;
    return kill(pid, 0) == 0 || errno == EPERM || age < YOUNG_SECONDS;
}

/* "running: train all, 12 of 30 epochs, validation 1.28 (4 s ago)", or how it ended. */
static const char *state_of(const char *path, arena *a, bool *finished)
{
    const char *state = run_state(path, a, finished);
    if (!state || strcmp(state, "not finished") != 0)
        return state;
    json_t *beat = progress_of(path, a);
    const char *detail = word_of(beat, "detail");
    long long age = (long long)time(NULL) - count_of(beat, "time");
    if (!*word_of(beat, "what"))
        state = "begun, nothing said yet";
    else
        state = arena_print(a, "%s: %s, %lld of %lld %s%s%s (%lld s ago)",
                            is_alive(beat) ? "running" : "stopped", word_of(beat, "what"),
                            count_of(beat, "done"), count_of(beat, "total"),
                            word_of(beat, "unit"), *detail ? ", " : "", detail,
                            age > 0 ? age : 0);
    json_decref(beat);
    return state;
}

/* ENDED counts runs that are done or failed. */
static int tell(const char *name, const char *path, arena *a, json_t *list, size_t *done,
                size_t *ended)
{
    bool finished = false;
    const char *state = state_of(path, a, &finished);
    if (!state)
        return fail(NRE_ENOMEM, "no memory for the status");
    const char *failed = path_join(a, path, "FAILED");
    *done += finished;
    *ended += finished || (failed && file_exists(failed));
    if (list)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "run", name, "state",
                                              state, "finished", (int)finished));
    else
        printf("%-32s %s\n", name, state);
    return NRE_OK;
}

static int tell_cells(const json_t *frozen, const char *path, arena *a, json_t *list,
                      size_t *done, size_t *ended, size_t *n)
{
    size_t i;
    json_t *cell;
    long long replicates = count_of(frozen, "replicates");
    json_array_foreach(json_object_get(frozen, "cells"), i,
                       cell) for (long long r = 0; r < replicates; r++)
    {
        const char *name = arena_print(a, "%s/r%lld", word_of(cell, "cell"), r);
        const char *where = name ? arena_print(a, "%s/cells/%s", path, name) : NULL;
        if (!where)
            return fail(NRE_ENOMEM, "no memory for the status");
        int rc = tell(name, where, a, list, done, ended);
        if (rc)
            return rc;
        (*n)++;
    }
    return NRE_OK;
}

static int print_json(const char *path, size_t done, size_t n, json_t *list)
{
    json_t *all = json_pack("{s:s, s:I, s:I, s:O}", "folder", path, "done",
                            (json_int_t)done, "total", (json_int_t)n, "runs", list);
    if (!all)
        return fail(NRE_ENOMEM, "no memory for the status");
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
    return NRE_OK;
}

static int tell_sweep(const char *path, const char *file, arena *a, json_t *list,
                      bool *all)
{
    json_t *frozen = NULL;
    size_t done = 0, ended = 0, n = 0;
    int rc = json_load_path(file, PLAN_LIMIT, &frozen);
    if (!rc)
        rc = tell_cells(frozen, path, a, list, &done, &ended, &n);
    if (!rc && list)
        rc = print_json(path, done, n, list);
    else if (!rc)
        printf("%zu of %zu runs of %s are done\n", done, n, path);
    *all = ended == n;
    json_decref(frozen);
    return rc;
}

/* *ALL: nothing is left to be done, or all that is left has failed. */
static int tell_folder(const char *path, arena *a, json_t *list, bool *all)
{
    const char *file = path_join(a, path, "plan.json");
    size_t done = 0, ended = 0;
    if (!file)
        return fail(NRE_ENOMEM, "no memory for the status");
    if (file_exists(file))
        return tell_sweep(path, file, a, list, all);
    if (!file_exists(path_join(a, path, "lock")))
        return fail(NRE_EDATA, "'%s' is neither a run nor a sweep", path);
    int rc = tell(path, path, a, list, &done, &ended);
    *all = ended > 0;
    return rc || !list ? rc : print_json(path, done, 1, list);
}

static int tell_once(const command *c, bool *all)
{
    arena *a = arena_new();
    json_t *list = c->json ? json_array() : NULL;
    int rc = a ? tell_folder(c->arguments[0], a, list, all)
               : fail(NRE_ENOMEM, "no memory for the status");
    json_decref(list);
    arena_free(a);
    return rc;
}

int verb_status(const command *c)
{
    bool all = false;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE, "nereid status takes one folder: nereid status DIR");
    int rc = tell_once(c, &all);
    while (!rc && c->watch && !all && !stop_signal()) {
        fflush(stdout);
        sleep(WATCH_SECONDS);
        if (isatty(STDOUT_FILENO))
            printf("\033[H\033[J"); /* on the cleared screen */
        rc = tell_once(c, &all);
    }
    return rc;
}

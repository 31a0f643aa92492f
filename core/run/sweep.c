/* A sweep: its plan, its cells one after another, each in a process of its own. */
#include "run/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One run: a replicate of a cell. */
typedef struct job {
    const sweep_cell *cell;
    uint64_t replicate;
    const char *name; /* "density,m_wdm/r0" */
    const char *path; /* DIR/cells/density,m_wdm/r0 */
    bool chosen;
    int exit; /* of this command's run; 0: done, or not begun */
    bool ran, failed;
    const char *message;
} job;

typedef struct campaign {
    const command *command;
    plugins *plugins;
    const sweep *sweep;
    arena *arena;
    const char *path, *store;
    folder *folder;
    size_t last;
    double started;
    size_t n_jobs, n_chosen;
    job *jobs;
} campaign;

static int no_memory(void)
{
    return fail(NRE_ENOMEM, "no memory for a sweep");
}

/* jobs */

/* Whether --cell ID names this job: "a,b" all replicates of a cell, "a,b/r1" one. */
static bool is_chosen(const char *id, const job *j)
{
    return !id || !strcmp(id, j->cell->name) || !strcmp(id, j->name);
}

static int unknown_cell(const campaign *k, const char *id)
{
    const char **names = arena_alloc(k->arena, k->n_jobs, sizeof *names);
    for (size_t i = 0; names && i < k->n_jobs; i++)
        names[i] = k->jobs[i].cell->name;
    const char *near = names ? text_nearest(id, k->n_jobs, names) : NULL;
    return fail(NRE_EUSAGE, "--cell %s: the sweep has no such cell; %s%s", id,
                near ? "did you mean: --cell " : "its first is ",
                near ? near : k->jobs[0].cell->name);
}

static int make_jobs(campaign *k)
{
    const sweep *s = k->sweep;
    const char *id = k->command->cell;
    k->jobs = arena_alloc(k->arena, s->n_cells * s->replicates, sizeof *k->jobs);
    if (!k->jobs)
        return no_memory();
    for (size_t i = 0; i < s->n_cells; i++)
        for (uint64_t r = 0; r < s->replicates; r++) {
            job *j = &k->jobs[k->n_jobs++];
            *j = (job){.cell = &s->cells[i], .replicate = r};
            j->name =
                arena_print(k->arena, "%s/r%llu", j->cell->name, (unsigned long long)r);
            j->path = arena_print(k->arena, "%s/cells/%s", k->path, j->name);
            if (!j->name || !j->path)
                return no_memory();
            j->chosen = is_chosen(id, j);
            k->n_chosen += j->chosen;
        }
    return k->n_chosen ? NRE_OK : unknown_cell(k, id);
}

/* sessions */

/* N_THREADS 0: as the command says. */
static int open_job(const campaign *k, const job *j, unsigned n_threads, watch *w,
                    session **out)
{
    command c = *k->command;
    experiment *e = j->cell->experiment;
    *out = NULL;
    if (n_threads)
        c.threads = n_threads;
    int rc = k->sweep->replicates > 1 ? experiment_replicate(e, k->arena, j->replicate)
                                      : NRE_OK;
    session_request request = {c.arguments[0], &c, watch_progress(w), k->plugins, e};
    return rc ? rc : session_open(&request, out);
}

static run_request request_of(const campaign *k, const job *j, session *s)
{
    return (run_request){.session = s,
                         .command = k->command,
                         .path = j->path,
                         .config = path_join(k->arena, k->path, "config.yaml"),
                         .store = k->store,
                         .last = k->last,
                         .started = seconds_now()};
}

int complain(complaints *c, int status, const char *cell)
{
    const char *message = error_message();
    bool placed = strstr(message, ": error: ") != NULL;
    if (status == NRE_ECANCELLED || status == NRE_ENOMEM)
        return status;
    c->first = c->first ? c->first : status;
    if (strstr(c->text, message))
        return NRE_OK;
    c->text = arena_print(c->arena, "%s%s%s%s%s", c->text, *c->text ? "\n" : "",
                          placed ? "" : cell, placed ? "" : ": ", message);
    return c->text ? NRE_OK : no_memory();
}

/* What only a simulator or a network can find wrong, of all cells, before anything runs. */
static int try_cells(const campaign *k)
{
    complaints wrong = {.arena = k->arena, .text = ""};
    for (size_t i = 0; i < k->n_jobs; i++) {
        session *s = NULL;
        if (k->jobs[i].replicate > 0 || !k->jobs[i].chosen)
            continue;
        int rc = stop_check();
        if (!rc)
            rc = open_job(k, &k->jobs[i], 1, NULL, &s);
        session_close(s);
        if (rc && (rc = complain(&wrong, rc, k->jobs[i].cell->name)))
            return rc;
    }
    return wrong.first ? fail(wrong.first, "%s", wrong.text) : NRE_OK;
}

/* All that a cell depends on; free(). */
static char *inputs_of(const sweep_cell *c)
{
    static const char *const ALL[] = {""};
    arena *a = arena_new();
    const char *inputs = a ? experiment_inputs(c->experiment, a, 1, ALL) : NULL;
    char *copy = inputs ? strdup(inputs) : NULL;
    arena_free(a);
    return copy;
}

static int warn_of_twins(const campaign *k)
{
    const sweep *s = k->sweep;
    hash *of = arena_alloc(k->arena, s->n_cells, sizeof *of);
    for (size_t i = 0; i < s->n_cells; i++) {
        char *inputs = of ? inputs_of(&s->cells[i]) : NULL;
        if (!inputs)
            return no_memory();
        of[i] = hash_string(inputs);
        free(inputs);
        for (size_t j = 0; j < i; j++)
            if (hash_equal(of[i], of[j])) {
                log_say(NRE_WARN, "cells %s and %s are the same experiment",
                        s->cells[j].name, s->cells[i].name);
                break;
            }
    }
    return NRE_OK;
}

/* plan.json */

static json_t *cell_plan(const campaign *k, const sweep_cell *c)
{
    char *inputs = inputs_of(c);
    json_t *labels = json_object(), *cell = NULL;
    for (size_t i = 0; i < k->sweep->n_axes; i++)
        json_object_set_new(labels, k->sweep->axes[i].name, json_string(c->labels[i]));
    if (inputs)
        cell =
            json_pack("{s:s, s:O, s:s, s:s}", "cell", c->name, "labels", labels,
                      "fingerprint", hash_hex(hash_string(inputs)).hex, "inputs", inputs);
    json_decref(labels);
    free(inputs);
    return cell;
}

static json_t *axes_plan(const sweep *s)
{
    json_t *axes = json_array();
    for (size_t i = 0; i < s->n_axes; i++) {
        json_t *labels = json_array();
        for (size_t j = 0; j < s->axes[i].n; j++)
            json_array_append_new(labels, json_string(s->axes[i].labels[j]));
        json_array_append_new(
            axes, json_pack("{s:s, s:o}", "axis", s->axes[i].name, "labels", labels));
    }
    return axes;
}

static json_t *plan_of(const campaign *k)
{
    const sweep *s = k->sweep;
    json_t *cells = json_array();
    for (size_t i = 0; i < s->n_cells; i++)
        json_array_append_new(cells, cell_plan(k, &s->cells[i]));
    return json_pack("{s:s, s:s, s:o, s:I, s:o}", "format", "nereid sweep 1", "name",
                     s->name, "axes", axes_plan(s), "replicates",
                     (json_int_t)s->replicates, "cells", cells);
}

static const char *word_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The first thing in which the plan of the folder differs, in A; NULL: in none. */
static const char *plan_difference(arena *a, const json_t *old, const json_t *new)
{
    const json_t *cells = json_object_get(new, "cells"),
                 *before = json_object_get(old, "cells");
    if (!json_equal(json_object_get(old, "replicates"),
                    json_object_get(new, "replicates")))
        return "sweep.replicates is another";
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
    {
        const json_t *was = json_array_get(before, i);
        if (strcmp(word_of(was, "cell"), word_of(cell, "cell")) != 0)
            return arena_print(a, "cell %zu is now '%s', it was '%s'", i + 1,
                               word_of(cell, "cell"), word_of(was, "cell"));
        const char *inputs = word_of(was, "inputs"),
                   *change = inputs_difference(inputs, word_of(cell, "inputs"), a);
        if (!change && strcmp(inputs, word_of(cell, "inputs")) != 0)
            change = "a key is gone";
        if (change)
            return arena_print(a, "in cell '%s' %s", word_of(cell, "cell"), change);
    }
    return json_array_size(before) > json_array_size(cells) ? "it had more cells" : NULL;
}

static int check_plan(const campaign *k, const char *path, const json_t *new)
{
    json_t *old = NULL;
    int rc = json_load_path(path, (size_t)256 << 20, &old);
    const char *change = rc ? NULL : plan_difference(k->arena, old, new);
    if (change)
        rc = fail(NRE_EDATA,
                  "'%s' was planned with another config: %s; take the config as it was, "
                  "another folder, or --force",
                  k->path, change);
    json_decref(old);
    return rc;
}

static int keep_config(const campaign *k)
{
    const char *path = k->command->arguments[0];
    char *text = NULL;
    size_t n = 0;
    if (!strcmp(path, "-"))
        return NRE_OK;
    int rc = file_read(path, 1 << 20, &text, &n);
    if (!rc)
        rc = file_write(folder_path(k->folder, "config.yaml"), text, n);
    free(text);
    return rc;
}

/* Frozen when the first run is launched: what comes later must be the same. */
static int freeze_plan(const campaign *k)
{
    int lock = -1, rc = lock_wait(folder_path(k->folder, "plan.lock"), &lock);
    const char *path = folder_path(k->folder, "plan.json");
    json_t *frozen = rc ? NULL : plan_of(k);
    if (!rc && !frozen)
        rc = no_memory();
    if (!rc && file_exists(path))
        rc = check_plan(k, path, frozen);
    else if (!rc && !(rc = keep_config(k)))
        rc = json_save(path, frozen);
    json_decref(frozen);
    lock_release(lock);
    return rc;
}

/* a run in its process */

static _Noreturn void work(const campaign *k, const job *j, int channel, pid_t parent)
{
    session *s = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    watch *w = watch_new(k->command->progress);
    int rc = w ? open_job(k, j, 0, w, &s) : no_memory();
    if (!rc) {
        run_request q = request_of(k, j, s);
        command c = *k->command;
        c.force = c.force && c.cell;
        c.resume = c.resume && !c.force;
        q.command = &c;
        q.watch = w;
        rc = run_one(&q);
    }
    const char *message = rc ? error_message() : "";
    ssize_t n = write(channel, message, strlen(message));
    session_close(s);
    watch_free(w);
    fflush(NULL);
    _exit(n < 0 ? 1 : exit_code_of(rc));
}

/* What the child says until it ends; a wish to stop is passed on. */
static void listen_to(pid_t child, int channel, char *text, size_t size)
{
    size_t used = 0;
    bool told = false;
    for (;;) {
        struct pollfd wait = {.fd = channel, .events = POLLIN};
        int ready = poll(&wait, 1, 200), sign = stop_signal();
        if (sign && !told) {
            kill(child, sign == SIGINT || sign == SIGUSR1 ? sign : SIGTERM);
            told = true;
        }
        if (ready <= 0)
            continue;
        char rest[256];
        bool fits = used + 1 < size;
        ssize_t n = read(channel, fits ? text + used : rest,
                         fits ? size - 1 - used : sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += fits ? (size_t)n : 0;
    }
    text[used] = 0;
}

/* Exit code and message of a child that has ended. */
static void judge(const campaign *k, job *j, int status, const char *said)
{
    static const char CRASH[] =
        "it ended without a word; its log.txt says what it did last";
    j->ran = true;
    j->exit = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    j->failed = j->exit && j->exit != 7 && j->exit != 75;
    if (WIFSIGNALED(status))
        j->message = arena_print(k->arena, "killed by signal %d, %s", WTERMSIG(status),
                                 strsignal(WTERMSIG(status)));
    else
        j->message = arena_copy(k->arena, j->exit && !*said ? CRASH : said);
    if (!j->message)
        j->message = CRASH;
}

static int start_job(campaign *k, job *j)
{
    char said[ERROR_LENGTH];
    int channel[2], status = 0;
    if (pipe(channel))
        return fail(NRE_EINTERNAL, "no pipe to a run: %s", strerror(errno));
    fflush(NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        close(channel[0]);
        work(k, j, channel[1], parent);
    }
    close(channel[1]);
    if (child < 0) {
        close(channel[0]);
        return fail(NRE_EINTERNAL, "no process for a run: %s", strerror(errno));
    }
    listen_to(child, channel[0], said, sizeof said);
    close(channel[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    judge(k, j, status, said);
    return NRE_OK;
}

/* A run that failed before it had a folder, or that crashed, is marked like the others. */
static void mark_failed(const campaign *k, const job *j)
{
    arena *a = k->arena;
    folder *f = NULL;
    if (j->exit == 10 || j->exit == 9 || file_exists(path_join(a, j->path, "FAILED")))
        return;
    if (!folder_open(j->path, file_exists(j->path), false, "", &f)) {
        (void)file_print(folder_path(f, "FAILED"), "exit %d\n%s\n", j->exit, j->message);
        folder_close(f);
    }
    log_file(k->folder->log);
}

/* all runs */

/* Where the sweep stands, for `nereid status`. */
static void beat(const campaign *k, const job *now, size_t done)
{
    json_t *j = json_pack("{s:s, s:s?, s:I, s:I, s:s, s:i, s:I}", "what", "sweep", "cell",
                          now ? now->name : NULL, "done", (json_int_t)done, "total",
                          (json_int_t)k->n_chosen, "unit", "runs", "pid", (int)getpid(),
                          "time", (json_int_t)time(NULL));
    if (j && json_save(folder_path(k->folder, "progress.json"), j))
        error_set(""); /* a heartbeat that fails must not stop the work */
    json_decref(j);
}

/* A run that ended before and would do nothing now is left as it is. */
static int look_before(campaign *k, job *j, bool *finished)
{
    session *s = NULL;
    const char *missed = "";
    *finished = false;
    if (!file_exists(path_join(k->arena, j->path, "DONE")) || k->command->force)
        return NRE_OK;
    int rc = open_job(k, j, 1, NULL, &s);
    if (!rc) {
        run_request q = request_of(k, j, s);
        rc = run_is_finished(&q, finished, &missed);
    }
    if (!rc && *finished && *missed) {
        j->exit = 7;
        j->message = arena_copy(k->arena, missed);
    }
    session_close(s);
    return rc;
}

static int perform_job(campaign *k, job *j, size_t number)
{
    bool finished = false;
    int rc = stop_check();
    if (!rc)
        rc = look_before(k, j, &finished);
    if (rc)
        return rc;
    if (finished) {
        log_say(NRE_INFO, "%s: finished before", j->name);
        return NRE_OK;
    }
    beat(k, j, number);
    log_say(NRE_INFO, "%s: run %zu of %zu", j->name, number + 1, k->n_chosen);
    double start = seconds_now();
    rc = start_job(k, j);
    if (rc)
        return rc;
    if (j->exit == 75) {
        rc = stop_check();
        return rc ? rc : fail(NRE_ECANCELLED, "%s: interrupted", j->name);
    }
    if (j->failed) {
        mark_failed(k, j);
        log_say(NRE_ERROR, "%s: failed with exit code %d: %s", j->name, j->exit,
                j->message);
    } else {
        log_say(NRE_INFO, "%s: done in %.1f s%s%s", j->name, seconds_now() - start,
                j->exit ? ", " : "", j->exit ? j->message : "");
    }
    return NRE_OK;
}

static int perform_jobs(campaign *k)
{
    size_t number = 0;
    for (size_t i = 0; i < k->n_jobs; i++) {
        job *j = &k->jobs[i];
        if (!j->chosen)
            continue;
        int rc = perform_job(k, j, number++);
        if (rc)
            return rc;
        if (j->failed && k->command->fail_fast)
            break;
    }
    beat(k, NULL, number);
    return NRE_OK;
}

/* "2 of 4 runs failed: a,b/r0 (exit 6: loss is nan), c,d/r0 (...)"; a gate that was missed. */
static int verdict_of_jobs(const campaign *k)
{
    size_t failed = 0, ran = 0;
    const char *names = "", *missed = NULL;
    for (size_t i = 0; i < k->n_jobs && names; i++) {
        const job *j = &k->jobs[i];
        ran += j->chosen;
        if (j->exit == 7 && !missed)
            missed = arena_print(k->arena, "%s: %s", j->name, j->message);
        if (!j->failed)
            continue;
        names = arena_print(k->arena, "%s%s%s (exit %d: %.*s)", names, failed ? ", " : "",
                            j->name, j->exit, (int)strcspn(j->message, "\n"), j->message);
        failed++;
    }
    if (failed)
        return fail(
            NRE_EPARTIAL,
            "%zu of %zu runs failed: %s; the others are in the tables, and --resume "
            "tries again",
            failed, ran, names ? names : "");
    return missed ? fail(NRE_EGATE, "%s", missed) : NRE_OK;
}

/* -n */

static void say_job(const job *j, const json_t *units)
{
    size_t i;
    json_t *u;
    printf("%s\n", j->name);
    json_array_foreach(units, i, u) printf("  %-22s %-7s %s\n", word_of(u, "stage"),
                                           word_of(u, "action"), word_of(u, "reason"));
}

static int foresee_job(const campaign *k, const job *j, json_t *planned, json_t *list)
{
    session *s = NULL;
    json_t *units = json_array();
    int rc = open_job(k, j, 1, NULL, &s);
    if (!rc) {
        run_request q = request_of(k, j, s);
        rc = run_foresee(&q, planned, units);
    }
    if (!rc && !k->command->json)
        say_job(j, units);
    json_array_append_new(list, json_pack("{s:s, s:s, s:O}", "cell", j->name, "folder",
                                          j->path, "stages", units));
    json_decref(units);
    session_close(s);
    return rc;
}

static int foresee(const campaign *k)
{
    json_t *planned = json_object(), *list = json_array();
    int rc = planned && list ? NRE_OK : no_memory();
    for (size_t i = 0; i < k->n_jobs && !rc; i++)
        if (k->jobs[i].chosen)
            rc = foresee_job(k, &k->jobs[i], planned, list);
    if (!rc && k->command->json) {
        json_t *all = json_pack("{s:s, s:O}", "folder", k->path, "cells", list);
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(all);
    } else if (!rc) {
        printf("%zu cells, %llu replicate%s: %zu runs in %s\n", k->sweep->n_cells,
               (unsigned long long)k->sweep->replicates,
               k->sweep->replicates == 1 ? "" : "s", k->n_chosen, k->path);
    }
    json_decref(planned);
    json_decref(list);
    return rc;
}

/* the whole */

/* Cells one by one share the folder; a whole sweep has it for itself. */
static int open_folder(campaign *k)
{
    const command *c = k->command;
    const char *alone = path_join(k->arena, k->path, "resolved.yaml");
    if (file_exists(alone) && (c->resume || c->cell))
        return fail(NRE_EEXISTS,
                    "'%s' holds a single run, and this config is a sweep; choose another "
                    "folder",
                    k->path);
    if (c->cell)
        return folder_share(k->path, &k->folder);
    int rc = folder_open(k->path, c->resume, c->force,
                         "--resume goes on with it, --force moves it aside", &k->folder);
    if (!rc)
        unlink(folder_path(k->folder, "metrics.jsonl")); /* runs have theirs */
    return rc;
}

static json_t *job_json(const job *j)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s?}", "cell", j->name, "folder", j->path,
                     "action", j->ran ? "run" : "reuse", "exit", j->exit, "message",
                     j->message);
}

static json_t *tables_json(const campaign *k)
{
    static const char *const NAMES[] = {"coverage", "quality",   "checks",
                                        "paired",   "posterior", "timing"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *path = arena_print(k->arena, "%s/tables/%s.json", k->path, NAMES[i]);
        if (path && file_exists(path))
            json_array_append_new(list, json_string(path));
    }
    return list;
}

static void print_json(const campaign *k, int rc)
{
    const char *message = arena_copy(k->arena, error_message());
    json_t *cells = json_array();
    for (size_t i = 0; i < k->n_jobs; i++)
        if (k->jobs[i].chosen)
            json_array_append_new(cells, job_json(&k->jobs[i]));
    json_t *all = json_pack("{s:s, s:o, s:o, s:i, s:s?}", "folder", k->path, "cells",
                            cells, "tables", tables_json(k), "exit", exit_code_of(rc),
                            "message", rc ? message : NULL);
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
    error_set(message ? message : "");
}

/* DONE when every run of the sweep is; FAILED when one of these failed. */
static int mark_sweep(const campaign *k, int rc)
{
    bool all = true;
    for (size_t i = 0; i < k->n_jobs && all; i++)
        all = file_exists(path_join(k->arena, k->jobs[i].path, "DONE"));
    unlink(folder_path(k->folder, "FAILED"));
    if (!all)
        unlink(folder_path(k->folder, "DONE"));
    if (rc == NRE_ECANCELLED || (!all && (!rc || rc == NRE_EGATE)))
        return rc;
    int marked = folder_mark(k->folder, rc);
    return rc ? rc : marked;
}

static void say_end(const campaign *k)
{
    size_t done = 0;
    bool finished;
    for (size_t i = 0; i < k->n_jobs; i++) {
        (void)run_state(k->jobs[i].path, k->arena, &finished);
        done += finished;
    }
    printf("\n%s: %zu of %zu runs done, these in %.0f s. Tables: %s/tables. Page: "
           "%s/report.html.\n",
           k->sweep->name, done, k->n_jobs, seconds_now() - k->started, k->path, k->path);
}

static int sum_up(const campaign *k)
{
    const char *paths[] = {k->path};
    if (k->last != STAGE_REPORT)
        return NRE_OK;
    int lock = -1, rc = lock_wait(folder_path(k->folder, "plan.lock"), &lock);
    if (rc == NRE_ECANCELLED)
        return NRE_OK; /* nothing to sum up for who wants to stop */
    if (!rc)
        rc = compare_folders(1, paths, folder_path(k->folder, "tables"),
                             folder_path(k->folder, "report.html"),
                             k->command->json ? NULL : stdout);
    lock_release(lock);
    if (!rc && !k->command->json)
        say_end(k);
    return rc;
}

static int run_in_folder(campaign *k)
{
    int rc = open_folder(k);
    if (rc)
        return rc;
    rc = freeze_plan(k);
    if (!rc)
        log_say(NRE_INFO, "%s: a sweep of %zu cells, %zu runs, results in %s",
                k->sweep->name, k->sweep->n_cells, k->n_chosen, k->path);
    if (!rc)
        rc = folder_make(k->store);
    if (!rc) {
        rc = perform_jobs(k);
        if (!rc)
            rc = verdict_of_jobs(k);
        const char *why = arena_copy(k->arena, error_message());
        int summed = sum_up(k);
        if (rc)
            error_set(why ? why : "a sweep failed in part");
        rc = mark_sweep(k, rc ? rc : summed);
    }
    if (rc == NRE_ECANCELLED)
        rc = fail(rc, "%s; the same command with --resume goes on from here",
                  error_message());
    if (k->command->json)
        print_json(k, rc);
    folder_close(k->folder);
    return rc;
}

int sweep_run(const command *c, plugins *p, const sweep *s, size_t last, double started)
{
    campaign k = {.command = c,
                  .plugins = p,
                  .sweep = s,
                  .arena = arena_new(),
                  .last = last,
                  .started = started};
    if (!k.arena)
        return no_memory();
    k.path = c->out ? c->out : path_join(k.arena, "runs", s->name);
    k.store = k.path ? path_join(k.arena, k.path, "store") : NULL;
    int rc = k.store ? make_jobs(&k) : no_memory();
    if (!rc)
        rc = try_cells(&k);
    if (!rc)
        rc = warn_of_twins(&k);
    if (!rc)
        rc = c->dry_run ? foresee(&k) : run_in_folder(&k);
    arena_free(k.arena);
    return rc;
}

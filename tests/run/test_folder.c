/* The run directory: whose it is, how it is locked, moved and marked. */
#include "run/run.h"
#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char ADVICE[] = "--force moves it aside";

static folder *opened(const char *path, bool resume, bool force)
{
    folder *f = NULL;
    cr_assert_eq(folder_open(path, resume, force, ADVICE, &f), NRE_OK, "%s",
                 error_message());
    return f;
}

static void refused(const char *path, bool resume, bool force, int status,
                    const char *words)
{
    folder *f = NULL;
    cr_assert_eq(folder_open(path, resume, force, ADVICE, &f), status);
    cr_assert_null(f);
    cr_assert(strstr(error_message(), words), "'%s' is not in '%s'", words,
              error_message());
}

static char *text_of(const char *path)
{
    static char *text;
    size_t n;
    free(text);
    cr_assert_eq(file_read(path, 1 << 20, &text, &n), NRE_OK, "%s", error_message());
    return text;
}

Test(folder, new_one_is_made_with_its_parents)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a/b/run");
    folder *f = opened(path, false, false);
    cr_assert(file_exists(folder_path(f, "lock")));
    cr_assert(file_exists(folder_path(f, "log.txt")));
    cr_assert_str_eq(folder_path(f, "data/%s", "train") + strlen(path), "/data/train");
    folder_close(f);
    refused(path, false, false, NRE_EEXISTS,
            "holds results already; --force moves it aside");
    folder_close(opened(path, true, false));
    scratch_free(&s);
}

Test(folder, force_moves_aside)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "run");
    log_level(NRE_ERROR);
    for (int i = 0; i < 3; i++) {
        folder *f = opened(path, false, true);
        cr_assert_not(file_exists(folder_path(f, "mine")), "a fresh folder");
        cr_assert_eq(file_print(folder_path(f, "mine"), "%d", i), NRE_OK);
        folder_close(f);
    }
    cr_assert_eq(scratch_entries(&s), 3, "nothing is overwritten or lost");
    scratch_free(&s);
}

Test(folder, resume_and_force_exclude_each_other)
{
    scratch s = scratch_new();
    refused(scratch_path(&s, "run"), true, true, NRE_EUSAGE, "exclude each other");
    cr_assert_eq(scratch_entries(&s), 0);
    scratch_free(&s);
}

/* Somebody's own files are neither mixed with ours nor moved. */
Test(folder, other_files_are_left_alone)
{
    scratch s = scratch_new();
    char mine[600];
    snprintf(mine, sizeof mine, "%s/config.yaml", s.folder);
    cr_assert_eq(file_print(mine, "precious"), NRE_OK);
    refused(s.folder, false, false, NRE_EEXISTS, "choose another folder");
    refused(s.folder, true, false, NRE_EEXISTS, "choose another folder");
    refused(s.folder, false, true, NRE_EEXISTS, "choose another folder");
    refused(mine, false, true, NRE_EEXISTS, "choose another folder");
    cr_assert_str_eq(text_of(mine), "precious");
    cr_assert_eq(scratch_entries(&s), 1);
    scratch_free(&s);
}

/* Another process that holds the folder until it is killed. */
static pid_t holder(const char *path)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        folder *f = NULL;
        byte = folder_open(path, false, false, ADVICE, &f) ? 'x' : 'y';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    return child;
}

Test(folder, a_live_process_keeps_it)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "run");
    pid_t child = holder(path);
    char words[64];
    snprintf(words, sizeof words, "is in use by process %ld on ", (long)child);
    refused(path, true, false, NRE_ELOCKED, words);
    refused(path, false, true, NRE_ELOCKED, "in use by");
    refused(path, false, false, NRE_ELOCKED, "in use by");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    folder_close(opened(path, true, false));
    scratch_free(&s);
}

Test(folder, marks)
{
    scratch s = scratch_new();
    folder *f = opened(scratch_path(&s, "run"), false, false);
    error_set("");
    cr_assert_eq(folder_mark(f, NRE_OK), NRE_OK);
    cr_assert_str_eq(text_of(folder_path(f, "DONE")), "done\n");
    folder_close(f);

    f = opened(s.path, true, false);
    cr_assert_not(file_exists(folder_path(f, "DONE")), "a new start takes the mark away");
    int rc = fail(NRE_EDATA, "shard 3 is damaged");
    cr_assert_eq(folder_mark(f, rc), NRE_OK);
    cr_assert_str_eq(text_of(folder_path(f, "FAILED")), "exit 5\nshard 3 is damaged\n");
    cr_assert_str_eq(error_message(), "shard 3 is damaged");
    folder_close(f);

    f = opened(s.path, true, false);
    cr_assert_not(file_exists(folder_path(f, "FAILED")));
    rc = fail(NRE_EGATE, "coverage is low");
    cr_assert_eq(folder_mark(f, rc), NRE_OK);
    cr_assert_str_eq(text_of(folder_path(f, "DONE")), "coverage is low\n");
    folder_close(f);
    scratch_free(&s);
}

Test(folder, log_and_metrics_are_appended)
{
    scratch s = scratch_new();
    json_t *line = json_pack("{s:i}", "epoch", 1);
    log_level(NRE_ERROR);
    for (int i = 0; i < 2; i++) {
        folder *f = opened(scratch_path(&s, "run"), true, false);
        folder_metrics(f, line);
        log_say(NRE_INFO, "start %d", i);
        folder_close(f);
        log_say(NRE_INFO, "after");
    }
    json_decref(line);
    cr_assert_str_eq(text_of(scratch_path(&s, "run/metrics.jsonl")),
                     "{\"epoch\":1}\n{\"epoch\":1}\n");
    const char *log = text_of(scratch_path(&s, "run/log.txt"));
    cr_assert(strstr(log, "start 0") && strstr(log, "start 1") && !strstr(log, "after"));
    scratch_free(&s);
}

Test(folder, shared_by_several_is_nobodys_alone)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "sweep");
    folder *one = NULL, *two = NULL;
    cr_assert_eq(folder_share(path, &one), NRE_OK, "%s", error_message());
    cr_assert_eq(folder_share(path, &two), NRE_OK, "%s", error_message());
    refused(path, true, false, NRE_ELOCKED, "in use by process");
    folder_close(one);
    refused(path, true, false, NRE_ELOCKED, "in use by process");
    folder_close(two);
    folder *alone = opened(path, true, false);
    cr_assert_eq(folder_share(path, &one), NRE_ELOCKED);
    folder_close(alone);
    cr_assert_eq(file_print(scratch_path(&s, "other/file"), "x"), NRE_EIO);
    cr_assert_eq(folder_make(scratch_path(&s, "other")), NRE_OK);
    cr_assert_eq(file_print(scratch_path(&s, "other/file"), "x"), NRE_OK);
    cr_assert_eq(folder_share(scratch_path(&s, "other"), &one), NRE_EEXISTS);
    scratch_free(&s);
}

/* What a killed process had started holds its folder for a moment longer. */
Test(folder, waits_for_what_a_dead_process_left)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "run");
    folder *f = opened(path, false, false);
    pid_t child = fork(), grandchild = 0;
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    char host[128], line[256];
    gethostname(host, sizeof host);
    int n = snprintf(line, sizeof line, "process %ld on %.80s\n", (long)child, host);
    cr_assert_eq(pwrite(f->lock, line, (size_t)n, 0), n);
    if (!(grandchild = fork())) {
        usleep(100000);
        _exit(0);
    }
    folder_close(f);
    folder_close(opened(path, true, false));
    waitpid(grandchild, NULL, 0);
    scratch_free(&s);
}

Test(folder, lock_wait_ends_by_a_wish_to_stop)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "store.lock");
    int first = -1, second = -1;
    cr_assert_eq(lock_wait(path, &first), NRE_OK);
    stop_request(SIGTERM);
    cr_assert_eq(lock_wait(path, &second), NRE_ECANCELLED);
    stop_request(0);
    lock_release(first);
    cr_assert_eq(lock_wait(path, &second), NRE_OK);
    lock_release(second);
    scratch_free(&s);
}

Test(sweep, a_complaint_is_told_once_and_names_its_cell)
{
    arena *a = arena_new();
    complaints all = {.arena = a, .text = ""};
    fail(NRE_EINVAL, "it has no such thing");
    cr_assert_eq(complain(&all, NRE_EINVAL, "a,b"), NRE_OK);
    cr_assert_eq(complain(&all, NRE_EINVAL, "a,c"), NRE_OK);
    fail(NRE_ECONFIG, "x.yaml:3:4: error: wrong");
    cr_assert_eq(complain(&all, NRE_ECONFIG, "a,c"), NRE_OK);
    cr_assert_str_eq(all.text, "a,b: it has no such thing\nx.yaml:3:4: error: wrong");
    cr_assert_eq(all.first, NRE_EINVAL);
    cr_assert_eq(complain(&all, NRE_ECANCELLED, "a,c"), NRE_ECANCELLED);
    arena_free(a);
}

/* The run directory: made, locked, logged in and marked. */
#include "run/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gsl/gsl_version.h>
#include <hdf5.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

const char *folder_path(const folder *f, const char *format, ...)
{
    char name[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return path_join(f->arena, f->path, name);
}

/* Where --force puts what was there: "PATH.old-20260131T120000", with a number when
 * taken. */
static int move_aside(arena *a, const char *path)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    const char *aside = arena_print(a, "%s.old-%s", path, stamp);
    for (int i = 1; aside && file_exists(aside); i++)
        aside = arena_print(a, "%s.old-%s-%d", path, stamp, i);
    if (!aside)
        return fail(NRE_ENOMEM, "no memory for the name of '%s'", path);
    if (rename(path, aside))
        return fail(NRE_EIO, "cannot move '%s' to '%s': %s", path, aside,
                    strerror(errno));
    log_say(NRE_INFO, "moved what was in %s to %s", path, aside);
    return NRE_OK;
}

static bool is_empty(const char *path)
{
    DIR *list = opendir(path);
    struct dirent *entry;
    bool empty = list != NULL;
    while (empty && (entry = readdir(list)))
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (list)
        closedir(list);
    return empty;
}

/* A lock is the first thing that lies in a folder of ours. */
static bool is_begun(arena *a, const char *path)
{
    return file_exists(path_join(a, path, "lock")) ||
           file_exists(path_join(a, path, "resolved.yaml"));
}

/* "process 123 on host" of a lock's file; its number, 0 when unknown or of another host. */
static long holder_of(int lock, char text[128])
{
    static const char WORD[] = "process ", ON[] = " on ";
    struct utsname host;
    ssize_t n = pread(lock, text, 127, 0);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    if (uname(&host) || strncmp(text, WORD, sizeof WORD - 1) != 0)
        return 0;
    char *end = NULL;
    long pid = strtol(text + sizeof WORD - 1, &end, 10);
    bool here = strncmp(end, ON, sizeof ON - 1) == 0 &&
                strncmp(end + sizeof ON - 1, host.nodename, 80) == 0;
    return here ? pid : 0;
}

/* Take the lock, exclusive or shared.  Where the holder itself is dead, what it started is about
 * to follow: a moment's patience. */
static int flock_patiently(int lock, int how, char holder[128])
{
    enum { TRIES = 250 }; /* of 20 ms */
    for (int i = 0; flock(lock, how | LOCK_NB); i++) {
        long pid = holder_of(lock, holder);
        bool dead = pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
        if (!dead || i == TRIES)
            return NRE_ELOCKED;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return NRE_OK;
}

/* Hold PATH/lock: the kernel lets go of it when this process ends, however it ends. */
static int lock_take(folder *f, int how)
{
    const char *path = folder_path(f, "lock");
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->lock < 0)
        return fail(NRE_EIO, "cannot open '%s': %s", path, strerror(errno));
    char holder[128] = {0};
    if (flock_patiently(f->lock, how, holder))
        return fail(NRE_ELOCKED,
                    "'%s' is in use by %s; wait for it or choose another folder", f->path,
                    *holder ? holder : "another process");
    struct utsname host;
    uname(&host);
    int n = snprintf(holder, sizeof holder, "process %ld on %.80s\n", (long)getpid(),
                     host.nodename);
    if (ftruncate(f->lock, 0) || pwrite(f->lock, holder, (size_t)n, 0) != n)
        return fail(NRE_EIO, "cannot write '%s': %s", path, strerror(errno));
    return NRE_OK;
}

int lock_wait(const char *path, int *out)
{
    int rc = NRE_OK, lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    *out = -1;
    if (lock < 0)
        return fail(NRE_EIO, "cannot open '%s': %s", path, strerror(errno));
    while (!rc && flock(lock, LOCK_EX | LOCK_NB)) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        rc = stop_check();
    }
    if (rc)
        close(lock);
    else
        *out = lock;
    return rc;
}

void lock_release(int lock)
{
    if (lock >= 0)
        close(lock);
}

int lock_probe(arena *a, const char *path)
{
    int descriptor = open(path_join(a, path, "lock"), O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return NRE_OK;
    int busy = flock(descriptor, LOCK_EX | LOCK_NB);
    close(descriptor);
    return busy ? fail(NRE_ELOCKED, "'%s' is in use by a live process", path) : NRE_OK;
}

/* A folder with other things in it is nobody's to fill, and not ours to move. */
static int folder_prepare(folder *f, bool resume, bool force, const char *advice)
{
    if (!file_exists(f->path) || is_empty(f->path))
        return folder_make(f->path);
    if (!is_begun(f->arena, f->path))
        return fail(NRE_EEXISTS,
                    "'%s' exists and holds no results of nereid; choose another folder",
                    f->path);
    if (resume)
        return NRE_OK;
    int rc = lock_probe(f->arena, f->path);
    if (!rc && !force)
        rc = fail(NRE_EEXISTS, "'%s' holds results already; %s", f->path, advice);
    if (!rc)
        rc = move_aside(f->arena, f->path);
    return rc ? rc : folder_make(f->path);
}

static int remove_temporary(const char *path, const struct stat *about, int kind,
                            struct FTW *at)
{
    (void)about;
    (void)at;
    size_t n = strlen(path);
    if (kind == FTW_F && n > 4 && !strcmp(path + n - 4, ".tmp"))
        unlink(path);
    return 0;
}

/* What a killed process was writing; the lock is held, so nobody writes now. */
static void remove_temporaries(const folder *f)
{
    nftw(f->path, remove_temporary, 16, FTW_PHYS);
}

int folder_open(const char *path, bool resume, bool force, const char *advice,
                folder **out)
{
    *out = NULL;
    if (resume && force)
        return fail(NRE_EUSAGE, "--resume and --force exclude each other");
    folder *f = NULL;
    int rc = folder_peek(path, &f);
    if (rc)
        return rc;
    rc = folder_prepare(f, resume, force, advice);
    if (!rc)
        rc = lock_take(f, LOCK_EX);
    if (!rc)
        remove_temporaries(f);
    if (!rc && !(f->log = fopen(folder_path(f, "log.txt"), "a")))
        rc = fail(NRE_EIO, "cannot write in '%s': %s", path, strerror(errno));
    if (!rc && !(f->metrics = fopen(folder_path(f, "metrics.jsonl"), "a")))
        rc = fail(NRE_EIO, "cannot write in '%s': %s", path, strerror(errno));
    if (rc) {
        folder_close(f);
        return rc;
    }
    log_file(f->log);
    unlink(folder_path(f, "DONE"));
    unlink(folder_path(f, "FAILED"));
    *out = f;
    return NRE_OK;
}

int folder_share(const char *path, folder **out)
{
    folder *f = NULL;
    *out = NULL;
    int rc = folder_peek(path, &f);
    if (rc)
        return rc;
    if (file_exists(path) && !is_empty(path) && !is_begun(f->arena, path))
        rc = fail(NRE_EEXISTS,
                  "'%s' exists and holds no results of nereid; choose another folder",
                  path);
    if (!rc)
        rc = folder_make(path);
    if (!rc)
        rc = lock_take(f, LOCK_SH);
    if (!rc && !(f->log = fopen(folder_path(f, "log.txt"), "a")))
        rc = fail(NRE_EIO, "cannot write in '%s': %s", path, strerror(errno));
    if (rc) {
        folder_close(f);
        return rc;
    }
    log_file(f->log);
    *out = f;
    return NRE_OK;
}

int folder_peek(const char *path, folder **out)
{
    arena *a = arena_new();
    folder *f = a ? arena_alloc(a, 1, sizeof *f) : NULL;
    *out = f;
    if (!f) {
        arena_free(a);
        return fail(NRE_ENOMEM, "no memory for the run directory");
    }
    *f = (folder){.arena = a, .path = arena_copy(a, path), .lock = -1};
    return NRE_OK;
}

void folder_close(folder *f)
{
    if (!f)
        return;
    if (f->log) {
        log_file(NULL);
        fclose(f->log);
    }
    if (f->metrics)
        fclose(f->metrics);
    if (f->lock >= 0)
        close(f->lock);
    arena_free(f->arena);
}

int folder_mark(const folder *f, int status)
{
    if (!status || status == NRE_EGATE)
        return file_print(folder_path(f, "DONE"), "%s\n",
                          status ? error_message() : "done");
    const char *why = arena_copy(f->arena, error_message());
    int rc =
        file_print(folder_path(f, "FAILED"), "exit %d\n%s\n", exit_code_of(status), why);
    error_set(why);
    return rc;
}

void folder_metrics(void *folder_, const json_t *line)
{
    folder *f = folder_;
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (text && f->metrics) {
        fprintf(f->metrics, "%s\n", text);
        fflush(f->metrics);
    }
    free(text);
}

static json_t *plugin_entry(const instance *i)
{
    if (!i)
        return json_null();
    const nre_plugin *t = i->plugin->table;
    return json_pack("{s:s, s:s, s:s, s:s}", "name", t->name, "version", t->version,
                     "path", i->plugin->path, "xxh3", hash_hex(i->plugin->file_hash).hex);
}

int folder_environment(const folder *f, const session *s)
{
    struct utsname host;
    uname(&host);
    char hdf5[32];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
    json_t *e = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:o, s:o, s:o}}",
        "nereid", NEREID_VERSION, "compiler", __VERSION__, "system", host.release,
        "machine", host.machine, "threads", (int)pool_threads(s->workers), "libraries",
        "openblas", blas_version(), "openblas_kernel", blas_kernel(), "kernels",
        kernel_name(), "gsl", gsl_version, "hdf5", hdf5, "plugins", "simulator",
        plugin_entry(s->simulator_plugin), "architecture", plugin_entry(s->architecture),
        "sampler", plugin_entry(s->sampler));
    if (!e)
        return fail(NRE_ENOMEM, "no memory for environment.json");
    int rc = json_save(folder_path(f, "environment.json"), e);
    json_decref(e);
    return rc;
}

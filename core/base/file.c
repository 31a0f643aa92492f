/* base/file.c - files that are old or new but never half, folders and paths. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_read(const char *path)
{
    int code = errno;

    return fail(code == ENOENT ? NRE_EDATA : NRE_EIO, "%s: cannot read: %s", path,
                strerror(code));
}

static int fail_write(const char *path)
{
    return fail(NRE_EIO, "%s: cannot write: %s", path, strerror(errno));
}

/* Read until the end or until N bytes are there. */
static ssize_t read_up_to(int file, char *data, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = read(file, data + done, n - done);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The size that stat promises is a first guess: pipes and /proc say 0. */
static int read_all(int file, const char *path, size_t limit, char **text, size_t *n)
{
    struct stat about;
    size_t room = 4096;

    if (fstat(file, &about) == 0 && about.st_size > 0 && (uint64_t)about.st_size < limit)
        room = (size_t)about.st_size + 1;
    for (*n = 0;;) {
        char *more = realloc(*text, room + 1);
        if (!more)
            return fail(NRE_ENOMEM, "%s: out of memory for %zu bytes", path, room);
        *text = more;
        ssize_t got = read_up_to(file, more + *n, room - *n);
        if (got < 0)
            return fail_read(path);
        *n += (size_t)got;
        if (*n > limit)
            return fail(NRE_EFORMAT, "%s: more than %zu bytes", path, limit);
        if (*n < room)
            break;
        room *= 2;
    }
    (*text)[*n] = '\0';
    return NRE_OK;
}

int file_read(const char *path, size_t limit, char **text, size_t *n)
{
    *text = NULL;
    *n = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_read(path);
    int status = read_all(file, path, limit, text, n);
    close(file);
    if (status) {
        free(*text);
        *text = NULL;
        *n = 0;
    }
    return status;
}

static int write_all(int file, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(file, data, n);
        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0) {
            data += put;
            n -= (size_t)put;
        }
    }
    return 0;
}

char *file_temporary(const char *path)
{
    static atomic_uint count;
    char *name = NULL;

    if (asprintf(&name, "%s.%ld-%u.tmp", path, (long)getpid(),
                 atomic_fetch_add(&count, 1)) < 0)
        return NULL;
    return name;
}

/* Without this the new name may be lost in a power cut.  Some file systems cannot. */
static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int status = -1;

    if (!folder)
        return -1;
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        status = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
        close(file);
    }
    free(folder);
    return status;
}

int file_publish(const char *temporary, const char *path)
{
    int status = NRE_OK;
    int file = open(temporary, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return fail_write(temporary);
    if (fsync(file) != 0 || rename(temporary, path) != 0) {
        status = fail_write(path);
        unlink(temporary);
    } else if (sync_folder_of(path) != 0) {
        status = fail_write(path);
    }
    close(file);
    return status;
}

int file_write(const char *path, const void *data, size_t n)
{
    int status = NRE_OK, file = -1;
    char *temporary = file_temporary(path);

    if (!temporary)
        return fail(NRE_ENOMEM, "%s: out of memory", path);
    file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0) {
        status = fail_write(path);
        goto out;
    }
    bool written = write_all(file, data, n) == 0;
    if (!written)
        status = fail_write(path);
    if (close(file) != 0 && written)
        status = fail_write(path);
    if (status)
        unlink(temporary);
    else
        status = file_publish(temporary, path);
out:
    free(temporary);
    return status;
}

int file_print(const char *path, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0)
        return fail(NRE_ENOMEM, "%s: out of memory", path);
    int status = file_write(path, text, (size_t)n);
    free(text);
    return status;
}

bool file_exists(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0;
}

static int make_one(const char *path)
{
    struct stat about;

    if (mkdir(path, 0777) == 0)
        return NRE_OK;
    int code = errno;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        return NRE_OK;
    return fail(NRE_EIO, "%s: cannot make this folder: %s", path, strerror(code));
}

int folder_make(const char *path)
{
    char *copy = strdup(path);
    int status = NRE_OK;

    if (!copy)
        return fail(NRE_ENOMEM, "%s: out of memory", path);
    for (char *c = copy + 1; copy[0] && *c && !status; c++) {
        if (*c != '/' || c[-1] == '/')
            continue;
        *c = '\0';
        status = make_one(copy);
        *c = '/';
    }
    if (!status)
        status = make_one(copy);
    free(copy);
    return status;
}

char *path_join(arena *a, const char *folder, const char *name)
{
    size_t n = strlen(folder);

    if (name[0] == '/' || n == 0)
        return arena_copy(a, name);
    return arena_print(a, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *path_folder(arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return arena_copy(a, ".");
    while (slash > path && slash[-1] == '/')
        slash--;
    if (slash == path)
        return arena_copy(a, "/");
    return arena_print(a, "%.*s", (int)(slash - path), path);
}

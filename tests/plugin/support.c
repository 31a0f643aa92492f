/* support.c - temporary folders, copies of plugins, children. */
#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char temporary[256];

const char *temporary_begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/nereid-plugin-XXXXXX",
             base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(temporary));
    return temporary;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f)
{
    (void)s;
    (void)kind;
    (void)f;
    return remove(path);
}

void temporary_end(void)
{
    if (*temporary)
        nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    *temporary = 0;
}

const char *path_in(const char *folder, const char *name)
{
    static char paths[64][512];
    static size_t n;
    char *path = paths[n++ % 64];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void plugin_copy(const char *name, const char *path, unsigned mode)
{
    char from[512], *bytes;
    size_t n;
    snprintf(from, sizeof from, "%s/%s.so", TEST_PLUGINS, name);
    cr_assert_eq(file_read(from, 1 << 26, &bytes, &n), 0, "%s", error_message());
    cr_assert_eq(file_write(path, bytes, n), 0, "%s", error_message());
    free(bytes);
    cr_assert_eq(chmod(path, mode), 0);
}

bool message_has(const char *words)
{
    if (strstr(error_message(), words))
        return true;
    cr_log_error("expected '%s' in the message '%s'", words, error_message());
    return false;
}

static void child(void (*call)(void), int output)
{
    dup2(output, STDERR_FILENO);
    call();
    _exit(0);
}

int run_child(void (*call)(void), char *errors, size_t size)
{
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0)
        child(call, ends[1]);
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got;
         n + 1 < size && (got = read(ends[0], errors + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    errors[n] = 0;
    close(ends[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Files that are old or new but never half, folders and paths. */
#include "scratch.h"

#include "base/base.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_content(const char *path, const char *expected)
{
    char *text;
    size_t n;

    cr_assert_eq(file_read(path, 1 << 20, &text, &n), 0);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(n, strlen(expected));
    free(text);
}

Test(file, written_and_read)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a.txt");

    cr_assert(!file_exists(path));
    cr_assert_eq(file_write(path, "one", 3), 0);
    assert_content(path, "one");
    cr_assert_eq(file_print(path, "%d and %s", 2, "more"), 0);
    assert_content(path, "2 and more");
    cr_assert_eq(file_write(path, NULL, 0), 0);
    assert_content(path, "");
    cr_assert(file_exists(path));
    cr_assert_eq(scratch_entries(&s), 1);
    scratch_free(&s);
}

Test(file, the_limit_is_exact)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a");
    char *text;
    size_t n;

    for (size_t size = 4094; size <= 4098; size++) {
        char data[5000];
        memset(data, 'a', sizeof data);
        file_write(path, data, size);
        cr_assert_eq(file_read(path, size, &text, &n), 0);
        cr_assert_eq(n, size);
        cr_assert_eq(strlen(text), size);
        free(text);
        cr_assert_eq(file_read(path, size - 1, &text, &n), NRE_EFORMAT);
        cr_assert_null(text);
        cr_assert_not_null(strstr(error_message(), path));
    }
    scratch_free(&s);
}

static void *feed(void *path)
{
    FILE *pipe = fopen(path, "w");

    for (int i = 0; i < 20000; i++)
        fputs("0123456789", pipe);
    fclose(pipe);
    return NULL;
}

Test(file, pipes_are_read_to_their_end)
{
    scratch s = scratch_new();
    pthread_t thread;
    char *text;
    size_t n;

    scratch_path(&s, "pipe");
    cr_assert_eq(mkfifo(s.path, 0600), 0);
    cr_assert_eq(pthread_create(&thread, NULL, feed, s.path), 0);
    cr_assert_eq(file_read(s.path, 1 << 20, &text, &n), 0);
    cr_assert_eq(n, 200000);
    cr_assert_eq(text[199999], '9');
    pthread_join(thread, NULL);
    free(text);
    scratch_free(&s);
}

Test(file, what_cannot_be_read)
{
    scratch s = scratch_new();
    char *text;
    size_t n;

    cr_assert_eq(file_read(scratch_path(&s, "none"), 10, &text, &n), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "none: cannot read: No such file"));
    cr_assert_eq(file_read(s.folder, 10, &text, &n), NRE_EIO);
    cr_assert_null(text);
    scratch_free(&s);
}

Test(file, what_cannot_be_written)
{
    scratch s = scratch_new();

    cr_assert_eq(file_write(scratch_path(&s, "none/a"), "x", 1), NRE_EIO);
    cr_assert_not_null(strstr(error_message(), "none/a: cannot write"));
    cr_assert_eq(file_write(s.folder, "x", 1), NRE_EIO);
    cr_assert_eq(scratch_entries(&s), 0);
    scratch_free(&s);
}

/* The size limit of files stands for a full disk. */
Test(file, a_full_disk_leaves_the_old_file)
{
    static char data[100000];
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a");

    cr_assert_eq(file_write(path, "old", 3), 0);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){65536, 65536});
    cr_assert_eq(file_write(path, data, sizeof data), NRE_EIO);
    cr_assert_not_null(strstr(error_message(), "a: cannot write: File too large"));
    assert_content(path, "old");
    cr_assert_eq(scratch_entries(&s), 1);
    scratch_free(&s);
}

Test(file, published)
{
    scratch s = scratch_new();
    char *temporary = file_temporary(scratch_path(&s, "a"));
    char *another = file_temporary(s.path);

    cr_assert_str_neq(temporary, another);
    cr_assert_eq(file_publish(temporary, s.path), NRE_EIO);
    cr_assert_eq(file_write(temporary, "new", 3), 0);
    cr_assert_eq(file_publish(temporary, s.path), 0);
    assert_content(s.path, "new");
    cr_assert_eq(scratch_entries(&s), 1);
    free(temporary);
    free(another);
    scratch_free(&s);
}

Test(file, folders)
{
    scratch s = scratch_new();

    cr_assert_eq(folder_make(scratch_path(&s, "a/b//c/")), 0);
    cr_assert(file_exists(s.path));
    cr_assert_eq(folder_make(s.path), 0);
    cr_assert_eq(folder_make("/"), 0);
    cr_assert_eq(file_write(scratch_path(&s, "a/file"), "", 0), 0);
    cr_assert_eq(folder_make(s.path), NRE_EIO);
    cr_assert_eq(folder_make(scratch_path(&s, "a/file/d")), NRE_EIO);
    cr_assert_not_null(strstr(error_message(), "a/file: cannot make"));
    cr_assert_eq(folder_make(""), NRE_EIO);
    cr_assert_eq(chdir(s.folder), 0);
    cr_assert_eq(folder_make("relative/one"), 0);
    cr_assert(file_exists("relative/one"));
    scratch_free(&s);
}

Test(file, paths)
{
    arena *a = arena_new();

    cr_assert_str_eq(path_join(a, "run", "log.txt"), "run/log.txt");
    cr_assert_str_eq(path_join(a, "run/", "log.txt"), "run/log.txt");
    cr_assert_str_eq(path_join(a, "run", "/abs"), "/abs");
    cr_assert_str_eq(path_join(a, "", "log.txt"), "log.txt");
    cr_assert_str_eq(path_join(a, "/", "log.txt"), "/log.txt");
    cr_assert_str_eq(path_folder(a, "a/b.c"), "a");
    cr_assert_str_eq(path_folder(a, "b.c"), ".");
    cr_assert_str_eq(path_folder(a, "/b.c"), "/");
    cr_assert_str_eq(path_folder(a, "a//b"), "a");
    cr_assert_str_eq(path_folder(a, "/a/b/c"), "/a/b");
    arena_free(a);
}

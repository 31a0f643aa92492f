/* test_vet.c - whose files are trusted. */
#include "support.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static trust nobody_else;

static void begin(void)
{
    folder = temporary_begin();
    nobody_else = (trust){.user = geteuid(), .owner = geteuid()};
}

TestSuite(vet, .init = begin, .fini = temporary_end);

static const char *file_with(unsigned mode)
{
    const char *path = path_in(folder, "x.so");
    cr_assert_eq(file_print(path, "x"), 0);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

Test(vet, trusts_the_own_file_below_a_sticky_folder)
{
    cr_assert_eq(file_vet(&nobody_else, file_with(0644)), 0, "%s", error_message());
}

Test(vet, refuses_a_file_that_others_can_write)
{
    const char *path = file_with(0646);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("is writable by others (mode 0646)"));
    cr_assert(message_has("chmod o-w"));
    cr_assert(message_has(path));
}

Test(vet, refuses_a_folder_that_others_can_write)
{
    const char *path = file_with(0644);
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("is writable by others (mode 0777)"));
}

/* Sticky keeps others from replacing our entries, not from adding some of their own. */
Test(vet, sticky_helps_in_between_only)
{
    const char *path = file_with(0644);
    const char *inner = path_in(folder, "inner");
    const char *below = path_in(inner, "x.so");
    cr_assert_eq(mkdir(inner, 0755), 0);
    cr_assert_eq(file_print(below, "x"), 0);
    cr_assert_eq(chmod(folder, 01777), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("mode 1777"));
    cr_assert_eq(file_vet(&nobody_else, below), 0, "%s", error_message());
    cr_assert_eq(folder_vet(&nobody_else, inner), 0);
    cr_assert_eq(folder_vet(&nobody_else, folder), NRE_EPLUGIN);
}

Test(vet, group_may_write_where_it_can_write_the_executables_folder)
{
    const char *path = file_with(0664);
    trust with_group = nobody_else;
    struct stat s;
    cr_assert_eq(stat(path, &s), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("writable by its group (mode 0664)"));
    with_group.group_writes = true;
    with_group.group = s.st_gid;
    cr_assert_eq(file_vet(&with_group, path), 0, "%s", error_message());
    with_group.group = s.st_gid + 1;
    cr_assert_eq(file_vet(&with_group, path), NRE_EPLUGIN);
}

Test(vet, owners)
{
    const char *path = file_with(0644);
    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    cr_assert_eq(chown(path, 12345, 12345), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("belongs to user 12345"));
    cr_assert_eq(file_vet(&(trust){.user = 12345}, path), 0, "%s", error_message());
    cr_assert_eq(file_vet(&(trust){.user = 1, .owner = 12345}, path), 0, "%s",
                 error_message());
    cr_assert_eq(chown(path, 0, 0), 0);
    cr_assert_eq(chown(folder, 12345, 12345), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has(folder));
}

Test(vet, only_regular_files_and_absolute_paths)
{
    const char *path = path_in(folder, "pipe.so");
    cr_assert_eq(mkfifo(path, 0644), 0);
    cr_assert_eq(file_vet(&nobody_else, path), NRE_EPLUGIN);
    cr_assert(message_has("is not a regular file"));
    cr_assert_eq(file_vet(&nobody_else, "x.so"), NRE_EPLUGIN);
    cr_assert(message_has("not an absolute path"));
    cr_assert_eq(file_vet(&nobody_else, path_in(folder, "absent.so")), NRE_EPLUGIN);
    cr_assert(message_has("No such file"));
}

Test(vet, of_this_process)
{
    trust t;
    struct stat s;
    cr_assert_eq(trust_of_process(&t), 0);
    cr_assert_eq(stat("/proc/self/exe", &s), 0);
    cr_assert_eq(t.user, geteuid());
    cr_assert_eq(t.owner, s.st_uid);
}

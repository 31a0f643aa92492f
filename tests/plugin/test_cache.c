/* test_cache.c - tables that are made once. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;
static arena *memory;
static int n_builds;

static void begin(void)
{
    folder = temporary_begin();
    memory = arena_new();
    n_builds = 0;
    log_level(NRE_ERROR);
}

static void end(void)
{
    arena_free(memory);
    temporary_end();
}

TestSuite(cache, .init = begin, .fini = end);

static int count_up(void *context, void *table)
{
    int64_t *t = table;
    size_t n = *(size_t *)context;
    n_builds++;
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(t[i], 0, "a table arrives zeroed");
        t[i] = (int64_t)i;
    }
    return NRE_OK;
}

static int give_up(void *context, void *table)
{
    (void)context;
    (void)table;
    return fail(NRE_ENUMERIC, "no convergence");
}

static size_t n_items = 1000;

static cache_request request(void)
{
    return (cache_request){.folder = folder,
                           .plugin = "mine",
                           .name = "steps",
                           .key = 0xabc,
                           .bytes = n_items * sizeof(int64_t),
                           .build = count_up,
                           .context = &n_items};
}

static void table_is_right(const cache_request *r)
{
    const void *table = NULL;
    cr_assert_eq(cache_table(r, memory, &table), 0, "%s", error_message());
    cr_assert_eq((uintptr_t)table % 64, 0);
    const int64_t *t = table;
    for (size_t i = 0; i < n_items; i++)
        cr_assert_eq(t[i], (int64_t)i);
}

static const char *file(void)
{
    return path_in(folder, "mine/steps-0000000000000abc.table");
}

Test(cache, made_once_then_read)
{
    cache_request r = request();
    table_is_right(&r);
    table_is_right(&r);
    cr_assert_eq(n_builds, 1);
    r.key = 0xabd;
    table_is_right(&r);
    cr_assert_eq(n_builds, 2);
}

static void damage(long at)
{
    FILE *f = fopen(file(), "r+");
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    int c = fgetc(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    fputc(c ^ 1, f);
    fclose(f);
}

Test(cache, made_anew_when_damaged)
{
    static const long PLACES[] = {0, 16, 24, 32, 64, 1000, 64 + 7999};
    cache_request r = request();
    table_is_right(&r);
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        damage(PLACES[i]);
        table_is_right(&r);
        cr_assert_eq(n_builds, (int)i + 2, "byte %ld", PLACES[i]);
    }
    cr_assert_eq(truncate(file(), 500), 0);
    table_is_right(&r);
    cr_assert_eq(truncate(file(), 0), 0);
    table_is_right(&r);
    table_is_right(&r);
    cr_assert_eq(n_builds, (int)(sizeof PLACES / sizeof PLACES[0]) + 3);
}

Test(cache, a_failed_build_leaves_nothing)
{
    cache_request r = request();
    const void *table;
    r.build = give_up;
    cr_assert_eq(cache_table(&r, memory, &table), NRE_ENUMERIC);
    cr_assert_not(file_exists(file()));
    r.build = count_up;
    table_is_right(&r);
}

Test(cache, works_without_a_place_to_write)
{
    cache_request r = request();
    r.folder = "/proc/nothing";
    table_is_right(&r);
    table_is_right(&r);
    cr_assert_eq(n_builds, 2);
}

Test(cache, names_cannot_leave_the_folder)
{
    cache_request r = request();
    const void *table;
    r.name = "../steps";
    cr_assert_eq(cache_table(&r, memory, &table), NRE_EINVAL);
    r.name = "";
    cr_assert_eq(cache_table(&r, memory, &table), NRE_EINVAL);
}

Test(cache, the_users_folder)
{
    cache_request r = request();
    r.folder = NULL;
    setenv("XDG_CACHE_HOME", folder, 1);
    table_is_right(&r);
    cr_assert(file_exists(path_in(folder, "nereid/mine/steps-0000000000000abc.table")));
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says its standard */
    setenv("HOME", path_in(folder, "home"), 1);
    table_is_right(&r);
    cr_assert(file_exists(path_in(folder, "home/.cache/nereid/mine/"
                                          "steps-0000000000000abc.table")));
}

static int slow_count(void *context, void *table)
{
    FILE *log = fopen(path_in(folder, "builds"), "a");
    fputc('b', log);
    fclose(log);
    usleep(100 * 1000);
    return count_up(context, table);
}

/* Six processes at once: the first builds, the others wait and read. */
Test(cache, one_build_among_processes)
{
    cache_request r = request();
    struct stat s;
    r.build = slow_count;
    for (int i = 0; i < 6; i++)
        if (fork() == 0) {
            const void *table;
            int bad = cache_table(&r, memory, &table) ||
                      ((const int64_t *)table)[n_items - 1] != (int64_t)n_items - 1;
            _exit(bad);
        }
    for (int i = 0, status; i < 6; i++) {
        cr_assert(wait(&status) > 0);
        cr_assert_eq(status, 0);
    }
    cr_assert_eq(stat(path_in(folder, "builds"), &s), 0);
    cr_assert_eq(s.st_size, 1);
}

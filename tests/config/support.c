/* What the tests of configs share. */
#include "support.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

plugins *test_plugins(void)
{
    static plugins *all;
    const char *const folder[] = {TEST_PLUGINS};
    if (!all)
        cr_assert_eq(plugins_new(1, folder, &all), NRE_OK, "%s", error_message());
    return all;
}

int load_text(arena *a, const char *text, size_t n_set, const char *const *set,
              experiment **out)
{
    config_request r = {
        .path = "test.yaml", .n_set = n_set, .set = set, .plugins = test_plugins()};
    return experiment_from_text(&r, text, strlen(text), a, out);
}

static const char HEAD[] = "schema: nereid/1\nsimulator: {plugin: bump}\n";

experiment *load_right(arena *a, const char *text)
{
    experiment *e = NULL;
    int status = load_text(a, arena_print(a, "%s%s", HEAD, text), 0, NULL, &e);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
    return e;
}

const char *load_wrong(arena *a, const char *text)
{
    experiment *e = NULL;
    int status = load_text(a, arena_print(a, "%s%s", HEAD, text), 0, NULL, &e);
    cr_assert_eq(status, NRE_ECONFIG);
    cr_assert_null(e);
    return error_message();
}

char *folder_new(arena *a)
{
    const char *above = getenv("TMPDIR");
    char *path = arena_print(a, "%s/nereid-config-XXXXXX", above ? above : "/tmp");
    cr_assert_not_null(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *file_text(arena *a, const char *path)
{
    char *text = NULL;
    size_t n = 0;
    cr_assert_eq(file_read(path, 1 << 22, &text, &n), NRE_OK, "%s", error_message());
    char *copy = arena_copy(a, text);
    free(text);
    return copy;
}

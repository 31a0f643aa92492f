/* test_search.c - which folders are searched, and in which order. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder, *first, *second;

static void begin(void)
{
    unsetenv("NEREID_PLUGIN_PATH");
    folder = temporary_begin();
    first = path_in(folder, "first");
    second = path_in(folder, "second");
    cr_assert_eq(folder_make(path_in(first, "simulators")), 0);
    cr_assert_eq(folder_make(path_in(second, "simulators")), 0);
}

TestSuite(search, .init = begin, .fini = temporary_end);

static plugins *both(void)
{
    plugins *p;
    const char *folders[] = {first, second};
    cr_assert_eq(plugins_new(2, folders, &p), 0, "%s", error_message());
    return p;
}

static void found_at(plugins *p, const char *path)
{
    const plugin *found;
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "good", &found), 0, "%s", error_message());
    cr_assert_str_eq(found->path, path);
}

Test(search, kinds_and_names)
{
    nre_kind kind;
    cr_assert(kind_of("simulator", &kind) && kind == NRE_SIMULATOR);
    cr_assert(kind_of("architectures", &kind) && kind == NRE_ARCHITECTURE);
    cr_assert_not(kind_of("samplerz", &kind));
    cr_assert_str_eq(kind_folder(NRE_SAMPLER), "samplers");
    cr_assert_str_eq(kind_word(NRE_SAMPLER), "sampler");
    cr_assert_null(kind_word((nre_kind)0));
    cr_assert(plugin_name_valid("a_1"));
    static const char *const WRONG[] = {"", "1a", "_a", "A", "a-b", "../a", "a/b", "a.b"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        cr_assert_not(plugin_name_valid(WRONG[i]), "%s", WRONG[i]);
    char longest[66] = {0};
    memset(longest, 'a', 64);
    cr_assert(plugin_name_valid(longest));
    longest[64] = 'a';
    cr_assert_not(plugin_name_valid(longest));
}

Test(search, the_folder_of_the_kind_first_then_the_next_folder)
{
    plugin_copy("good", path_in(second, "simulators/good.so"), 0644);
    plugins *p = both();
    found_at(p, path_in(second, "simulators/good.so"));
    plugin_copy("good", path_in(first, "good.so"), 0644);
    found_at(p, path_in(first, "good.so"));
    plugin_copy("good", path_in(first, "simulators/good.so"), 0644);
    found_at(p, path_in(first, "simulators/good.so"));
    plugins_free(p);
}

Test(search, a_file_of_another_kind_is_passed_over)
{
    const plugin *found;
    plugins *p = both();
    plugin_copy("good", path_in(first, "good.so"), 0644);
    cr_assert_eq(plugin_load(p, NRE_ARCHITECTURE, "good", &found), NRE_EPLUGIN);
    cr_assert(message_has("there is no architecture 'good': "));
    cr_assert(message_has("first/good.so is a simulator, not an architecture"));
    cr_assert_eq(folder_make(path_in(second, "samplers")), 0);
    plugin_copy("good", path_in(second, "samplers/good.so"), 0644);
    cr_assert_eq(plugin_load(p, NRE_SAMPLER, "good", &found), NRE_EPLUGIN);
    cr_assert(message_has("samplers/good.so is a simulator, not a sampler"));
    plugins_free(p);
}

/* Silently taking the next one would hide that somebody tampered with the first. */
Test(search, a_refused_file_ends_the_search)
{
    const plugin *found;
    plugins *p = both();
    plugin_copy("good", path_in(first, "good.so"), 0666);
    plugin_copy("good", path_in(second, "good.so"), 0644);
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "good", &found), NRE_EPLUGIN);
    cr_assert(message_has("first/good.so is refused: "));
    plugins_free(p);
}

Test(search, missing_ones_get_a_suggestion_and_the_folders)
{
    const plugin *found;
    plugins *p = both();
    plugin_copy("good", path_in(first, "simulators/good.so"), 0644);
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "godo", &found), NRE_EPLUGIN);
    cr_assert(message_has("there is no simulator 'godo'; did you mean 'good'?"));
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "something_else", &found), NRE_EPLUGIN);
    cr_assert(message_has(first));
    cr_assert(message_has(second));
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "../good", &found), NRE_EPLUGIN);
    cr_assert(message_has("'../good' is no name of a plugin"));
    plugins_free(p);
}

Test(search, the_current_directory_is_not_searched)
{
    const plugin *found;
    plugins *p;
    plugin_copy("good", path_in(first, "good.so"), 0644);
    cr_assert_eq(chdir(first), 0);
    cr_assert_eq(plugins_new(0, NULL, &p), 0);
    cr_assert_eq(plugin_load(p, NRE_SIMULATOR, "good", &found), NRE_EPLUGIN);
    plugins_free(p);
}

static int with_environment(const char *value, plugins **p)
{
    setenv("NEREID_PLUGIN_PATH", value, 1);
    return plugins_new(0, NULL, p);
}

Test(search, environment)
{
    plugins *p;
    char path[1100];
    plugin_copy("good", path_in(second, "good.so"), 0644);
    snprintf(path, sizeof path, "%s/absent:%s", folder, second);
    cr_assert_eq(with_environment(path, &p), 0, "%s", error_message());
    found_at(p, path_in(second, "good.so"));
    plugins_free(p);
    cr_assert_eq(with_environment("", &p), 0);
    plugins_free(p);
}

Test(search, environment_holds_absolute_folders_only)
{
    plugins *p;
    char path[1100];
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(with_environment("first", &p), NRE_EPLUGIN);
    cr_assert(message_has("NEREID_PLUGIN_PATH has the entry 'first'"));
    cr_assert_null(p);
    cr_assert_eq(with_environment(".", &p), NRE_EPLUGIN);
    snprintf(path, sizeof path, "%s:", first);
    cr_assert_eq(with_environment(path, &p), NRE_EPLUGIN);
    cr_assert(message_has("has the entry ''"));
    snprintf(path, sizeof path, "%s::%s", first, second);
    cr_assert_eq(with_environment(path, &p), NRE_EPLUGIN);
}

/* The command line comes before the environment; a folder asked for by hand must exist.
 */
Test(search, command_line)
{
    plugins *p;
    setenv("NEREID_PLUGIN_PATH", second, 1);
    plugin_copy("good", path_in(first, "good.so"), 0644);
    plugin_copy("good", path_in(second, "good.so"), 0644);
    cr_assert_eq(plugins_new(1, &first, &p), 0);
    found_at(p, path_in(first, "good.so"));
    plugins_free(p);
    const char *absent = path_in(folder, "absent");
    cr_assert_eq(plugins_new(1, &absent, &p), NRE_EPLUGIN);
    cr_assert(message_has("--plugin-path: "));
}

Test(search, lists_are_sorted_and_hold_each_name_once)
{
    plugins *p = both();
    arena *a = arena_new();
    size_t n;
    const char *const *names;
    log_level(NRE_ERROR); /* the refused one is logged */
    plugin_copy("nan_output", path_in(second, "simulators/nan_output.so"), 0644);
    plugin_copy("good", path_in(second, "simulators/good.so"), 0644);
    plugin_copy("good", path_in(first, "good.so"), 0644);
    plugin_copy("fails_midway", path_in(first, "fails_midway.so"), 0644);
    plugin_copy("wrong_abi", path_in(first, "wrong_abi.so"), 0644);
    cr_assert_eq(file_print(path_in(first, "simulators/README"), "text"), 0);
    cr_assert_eq(plugins_list(p, NRE_SIMULATOR, a, &n, &names), 0, "%s", error_message());
    cr_assert_eq(n, 3);
    cr_assert_str_eq(names[0], "fails_midway");
    cr_assert_str_eq(names[1], "good");
    cr_assert_str_eq(names[2], "nan_output");
    cr_assert_eq(plugins_list(p, NRE_SAMPLER, a, &n, &names), 0);
    cr_assert_eq(n, 0);
    arena_free(a);
    plugins_free(p);
}

/* test_load.c - plugins of tests/plugins, each refused with its own sentence. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static plugins *all;

static void begin(void)
{
    unsetenv("NEREID_PLUGIN_PATH");
    folder = temporary_begin();
    cr_assert_eq(plugins_new(1, &folder, &all), 0, "%s", error_message());
}

static void end(void)
{
    plugins_free(all);
    temporary_end();
}

TestSuite(load, .init = begin, .fini = end);

static void refused(const char *name, const char *words)
{
    char file[128];
    const plugin *found = NULL;
    snprintf(file, sizeof file, "%s.so", name);
    plugin_copy(name, path_in(folder, file), 0644);
    cr_assert_eq(plugin_load_file(all, path_in(folder, file), &found), NRE_EPLUGIN,
                 "%s was accepted", name);
    cr_assert_null(found);
    cr_assert(message_has("is refused: "));
    cr_assert(message_has(file));
    cr_assert(message_has(words));
}

Test(load, bad_plugins_are_refused_each_for_its_reason)
{
    refused("no_symbol", "does not export nre_plugin_v1");
    refused("function_symbol", "its nre_plugin_v1 is not a constant");
    refused("wrong_abi", "built for plugin interface 2, this program has 1");
    refused("newer_minor", "needs plugin interface 1.1, this program has 1.0");
    refused("wrong_name",
            "calls itself 'another_name', but its file name says 'wrong_name'");
    refused("bad_options", "default of its option 'noise': expected a number in (0, 10], "
                           "found '0'");
    refused("no_ops", "lack simulate()");
}

Test(load, a_good_one_is_loaded_once)
{
    const plugin *a, *b;
    const char *path = path_in(folder, "good.so");
    plugin_copy("good", path, 0644);
    cr_assert_eq(plugin_load_file(all, path, &a), 0, "%s", error_message());
    cr_assert_eq(plugin_load_file(all, path, &b), 0);
    cr_assert_eq(a, b);
    cr_assert_str_eq(a->path, path);
    cr_assert_str_eq(a->table->name, "good");
    hash h;
    cr_assert_eq(hash_file(path, 0, &h), 0);
    cr_assert(hash_equal(h, a->file_hash));
}

Test(load, a_relative_path_is_fine_when_it_is_given_as_a_file)
{
    const plugin *found;
    plugin_copy("good", path_in(folder, "good.so"), 0644);
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(plugin_load_file(all, "good.so", &found), 0, "%s", error_message());
    cr_assert_eq(found->path[0], '/');
}

Test(load, what_is_no_library_or_no_name)
{
    const plugin *found;
    cr_assert_eq(file_print(path_in(folder, "text.so"), "no library"), 0);
    cr_assert_eq(plugin_load_file(all, path_in(folder, "text.so"), &found), NRE_EPLUGIN);
    cr_assert(message_has("cannot be loaded"));
    cr_assert_eq(plugin_load_file(all, path_in(folder, "Good.so"), &found), NRE_EPLUGIN);
    cr_assert(message_has("'Good.so' is not the name of a plugin's file"));
    cr_assert_eq(plugin_load_file(all, path_in(folder, "good"), &found), NRE_EPLUGIN);
    cr_assert_eq(plugin_load_file(all, path_in(folder, "absent.so"), &found),
                 NRE_EPLUGIN);
    cr_assert(message_has("No such file"));
}

/* The witness appears when the object is opened, and only then. */
Test(load, no_code_of_a_refused_file_runs)
{
    const plugin *found;
    const char *path = path_in(folder, "constructor.so");
    const char *witness = path_in(folder, "witness");
    setenv("NEREID_TEST_WITNESS", witness, 1);
    plugin_copy("constructor", path, 0646);
    cr_assert_eq(plugin_load_file(all, path, &found), NRE_EPLUGIN);
    cr_assert(message_has("writable by others"));
    cr_assert_not(file_exists(witness));

    cr_assert_eq(chmod(path, 0664), 0);
    all->trust.group_writes = false;
    cr_assert_eq(plugin_load_file(all, path, &found), NRE_EPLUGIN);
    cr_assert(message_has("writable by its group"));
    cr_assert_not(file_exists(witness));

    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_assert_eq(plugin_load_file(all, path, &found), NRE_EPLUGIN);
    cr_assert_not(file_exists(witness));

    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(plugin_load_file(all, path, &found), 0, "%s", error_message());
    cr_assert(file_exists(witness), "the test itself is blind");
}

/* A link is followed before the vetting, and the folder of the link counts as well. */
Test(load, links)
{
    const plugin *found;
    const char *safe = path_in(folder, "safe"), *open = path_in(folder, "open");
    cr_assert_eq(mkdir(safe, 0755), 0);
    cr_assert_eq(mkdir(open, 0755), 0);
    plugin_copy("good", path_in(safe, "good-1.0.so"), 0644);
    cr_assert_eq(symlink(path_in(safe, "good-1.0.so"), path_in(open, "good.so")), 0);
    cr_assert_eq(plugin_load_file(all, path_in(open, "good.so"), &found), 0, "%s",
                 error_message());
    cr_assert_str_eq(found->path, path_in(safe, "good-1.0.so"));

    plugins_free(all);
    cr_assert_eq(plugins_new(0, NULL, &all), 0);
    cr_assert_eq(chmod(open, 0777), 0);
    cr_assert_eq(plugin_load_file(all, path_in(open, "good.so"), &found), NRE_EPLUGIN);
    cr_assert(message_has("/open is writable by others"));

    cr_assert_eq(chmod(open, 0755), 0);
    cr_assert_eq(chmod(safe, 0777), 0);
    cr_assert_eq(plugin_load_file(all, path_in(open, "good.so"), &found), NRE_EPLUGIN);
    cr_assert(message_has("/safe is writable by others"));
}

static const char *crashing;

static void make_and_simulate(void)
{
    const plugin *p;
    nre_values *values;
    instance *i;
    double theta = 0;
    float x[2];
    uint8_t row_status = NRE_ROW_OK;
    host_services services = {0};
    nre_batch batch = {.struct_size = sizeof batch,
                       .n = 1,
                       .theta = &theta,
                       .x = x,
                       .status = &row_status};
    crash_handlers();
    if (plugin_load_file(all, crashing, &p) || values_new(p, all->memory, &values) ||
        instance_new(p, values, &services, &i))
        _exit(1);
    crash_enter(p->table, "simulate", 17, 17);
    p->table->ops.simulator->simulate(i->self, NULL, &batch);
    crash_leave();
}

/* What no check at loading can see is named when it happens. */
Test(load, crashing_plugins_are_named)
{
    char errors[1024];
    crashing = path_in(TEST_PLUGINS, "crash_create.so");
    cr_assert_eq(run_child(make_and_simulate, errors, sizeof errors), 4);
    cr_assert_not_null(strstr(errors, "simulator 'crash_create' crashed in create() ("),
                       "%s", errors);
    crashing = path_in(TEST_PLUGINS, "crash_simulate.so");
    cr_assert_eq(run_child(make_and_simulate, errors, sizeof errors), 4);
    cr_assert_not_null(strstr(errors, "'crash_simulate' crashed in simulate(), row 17 ("),
                       "%s", errors);
}

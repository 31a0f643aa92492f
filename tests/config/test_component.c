#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static const char PARAMS[] =
    "schema: nereid/1\n"
    "simulator:\n"
    "  plugin: bump\n"
    "  params: {noise: 2.50, wrap: true, shape: box, title: \"a: b\",\n"
    "           edges: [1e0, 2], tags: [x, \"y z\"], table: no-table.h5}\n";

Test(component, has_all_options_in_canonical_form)
{
    arena *a = arena_new();
    experiment *e = NULL;
    cr_assert_eq(load_text(a, PARAMS, 0, NULL, &e), NRE_OK, "%s", error_message());
    const char *const prefix[] = {"simulator.params"};
    cr_assert_str_eq(experiment_inputs(e, a, 1, prefix),
                     "simulator.params.bins = 64\n"
                     "simulator.params.edges = [1, 2]\n"
                     "simulator.params.noise = 2.5\n"
                     "simulator.params.shape = box\n"
                     "simulator.params.table = no-table.h5\n"
                     "simulator.params.tags = [x, \"y z\"]\n"
                     "simulator.params.title = \"a: b\"\n"
                     "simulator.params.wrap = true\n");
    cr_assert_str_eq(e->simulator.component.plugin->table->name, "bump");
    cr_assert_not_null(e->simulator.component.values);
    cr_assert_eq(e->simulator.component.where.line, 3);
    cr_assert_str_eq(experiment_find(e, "simulator.params.bins")->origin, "default");
    cr_assert_eq(experiment_find(e, "simulator.params.noise")->line, 4);
    arena_free(a);
}

Test(component, is_an_error_of_plugins_when_only_they_are_missing)
{
    arena *a = arena_new();
    experiment *e = NULL;
    const char *one = "schema: nereid/1\nsimulator: {plugin: nowhere}\n";
    const char *two = "schema: nereid/1\nsimulator: {plugin: nowhere}\nsede: 3\n";
    cr_assert_eq(load_text(a, one, 0, NULL, &e), NRE_EPLUGIN);
    cr_assert_eq(load_text(a, two, 0, NULL, &e), NRE_ECONFIG);
    arena_free(a);
}

Test(component, makes_paths_absolute_where_the_file_is)
{
    arena *a = arena_new();
    char *folder = folder_new(a), *path = path_join(a, folder, "c.yaml");
    cr_assert_eq(file_print(path,
                            "schema: nereid/1\nsimulator: {plugin: bump, params: {table: "
                            "t.h5}}\n"),
                 NRE_OK);
    cr_assert_eq(file_print(path_join(a, folder, "t.h5"), "x"), NRE_OK);
    config_request r = {.path = path, .plugins = test_plugins()};
    experiment *e = NULL;
    cr_assert_eq(experiment_load(&r, a, &e), NRE_OK, "%s", error_message());
    const char *table = experiment_find(e, "simulator.params.table")->text;
    cr_assert_eq(table[0], '/');
    cr_assert(file_exists(table));
    folder_remove(folder);
    arena_free(a);
}

/* tests/nn/architecture.c - networks of plugins as a config would have them. */
#include "architecture.h"

#include "plugin/plugin.h"

#include <criterion/criterion.h>
#include <string.h>

static void set(nre_values *v, arena *a, const char *option)
{
    enum { MOST = 8 };
    const char *items[MOST];
    char *name = arena_copy(a, option), *value = strchr(name, '=');
    cr_assert(value, "%s", option);
    *value++ = 0;
    const bool is_list = *value == '[';
    size_t n = 0;
    for (char *rest = NULL, *item = strtok_r(value, is_list ? "[,]" : "", &rest);
         item && n < MOST; item = strtok_r(NULL, is_list ? "[,]" : "", &rest))
        items[n++] = item;
    cr_assert_eq(values_set(v, name, is_list, n, items), 0, "%s: %s", option,
                 error_message());
}

int architecture_net(const char *plugin_name, const char *const *options,
                     const net_inputs *inputs, net **out)
{
    char path[512];
    arena *a = arena_new();
    plugins *all = NULL;
    const plugin *p = NULL;
    nre_values *values = NULL;
    instance *i = NULL;
    *out = NULL;
    snprintf(path, sizeof path, "%s/%s.so", PLUGIN_FOLDER, plugin_name);
    cr_assert_eq(plugins_new(0, NULL, &all), 0, "%s", error_message());
    cr_assert_eq(plugin_load_file(all, path, &p), 0, "%s", error_message());
    cr_assert_eq(values_new(p, a, &values), 0, "%s", error_message());
    for (; *options; options++)
        set(values, a, *options);
    int status = instance_new(p, values, &(host_services){0}, &i);
    if (!status)
        status = net_new(p->table, i->self, inputs, out);
    instance_free(i);
    plugins_free(all);
    arena_free(a);
    return status;
}

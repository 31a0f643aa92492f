/* load.c - open a vetted shared object and check its constant. */
#include "plugin/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* What is read before the table's own size is known: its size and ABI. */
enum { UP_TO_THE_ABI = offsetof(nre_plugin, kind) };

/* A function of that name must not be read as a table, and a word not as a whole one. */
static bool is_data(const nre_plugin *table)
{
    Dl_info where;
    void *entry = NULL;
    if (!dladdr1(table, &where, &entry, RTLD_DL_SYMENT) || !entry)
        return false;
    const ElfW(Sym) *symbol = entry;
    return ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT &&
           symbol->st_size >= UP_TO_THE_ABI;
}

/* Now, so that a missing symbol is found at the start and not in hour nine; local, so
 * that plugins do not see one another. */
static int object_open(const char *path, const nre_plugin **table)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return fail(NRE_EPLUGIN, "it cannot be loaded: %s", dlerror());
    *table = dlsym(object, "nre_plugin_v1");
    if (!*table)
        return fail(
            NRE_EPLUGIN,
            "it does not export nre_plugin_v1, so it is no plugin for this program");
    return is_data(*table)
               ? NRE_OK
               : fail(NRE_EPLUGIN, "its nre_plugin_v1 is not a constant: it was "
                                   "not made with nereid/plugin.h");
}

static loaded *loaded_find(const plugins *p, const char *path, const char *name)
{
    for (loaded *l = p->loaded; l; l = l->next)
        if (strcmp(l->plugin.path, path) == 0 && strcmp(l->name, name) == 0)
            return l;
    return NULL;
}

static int loaded_add(plugins *p, const char *path, const char *name, plugin made,
                      const plugin **out)
{
    loaded *l = arena_alloc(p->memory, 1, sizeof *l);
    char *own_path = arena_copy(p->memory, path), *own_name = arena_copy(p->memory, name);
    if (!l || !own_path || !own_name)
        return fail(NRE_ENOMEM, "no memory for plugin '%s'", name);
    made.path = own_path;
    *l = (loaded){.plugin = made, .name = own_name, .next = p->loaded};
    p->loaded = l;
    *out = &l->plugin;
    return NRE_OK;
}

/* The folder that holds the link, when PATH is one, is vetted as well: who can write
 * there can choose among trusted files. */
static int vet(const plugins *p, const char *path, const char *resolved)
{
    char folder[PATH_MAX], given[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 2;
    snprintf(given, sizeof given, "%.*s", length, slash ? path : "./");
    if (!realpath(given, folder))
        return fail(NRE_EPLUGIN, "%s: %s", given, strerror(errno));
    int status = folder_vet(&p->trust, folder);
    return status ? status : file_vet(&p->trust, resolved);
}

static int open_and_check(const char *path, const char *name, plugin *made)
{
    int status = hash_file(path, 0, &made->file_hash);
    if (!status)
        status = object_open(path, &made->table);
    return status ? status : table_check(made->table, name);
}

int object_load(plugins *p, const char *path, const char *name, const plugin **out)
{
    char resolved[PATH_MAX];
    plugin made = {0};
    if (!realpath(path, resolved))
        return fail(NRE_EPLUGIN, "%s: %s", path, strerror(errno));
    loaded *known = loaded_find(p, resolved, name);
    if (known) {
        *out = &known->plugin;
        return NRE_OK;
    }
    int status = vet(p, path, resolved);
    if (!status)
        status = open_and_check(resolved, name, &made);
    if (status) {
        fail_within(status, "plugin %s is refused", path);
        return status == NRE_ENOMEM ? status : NRE_EPLUGIN;
    }
    return loaded_add(p, resolved, name, made, out);
}

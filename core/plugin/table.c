/* table.c - the contract that a plugin's constant keeps, checked before any of it is
 * called. */
#include "plugin/plugin.h"

#include <stdalign.h>
#include <string.h>

enum { MANY_OPTIONS = 1024 };

/* Bytes of a table up to and with MEMBER, of an ABI 1.0 table as its last one. */
#define UP_TO(type, member) (offsetof(type, member) + sizeof(((const type *)0)->member))

static int size_check(const nre_plugin *t)
{
    if (t->struct_size < UP_TO(nre_plugin, abi_minor))
        return fail(NRE_EPLUGIN, "its table says that it has %u bytes", t->struct_size);
    if (t->abi_major != NRE_ABI_MAJOR)
        return fail(
            NRE_EPLUGIN,
            "it was built for plugin interface %u, this program has %d: rebuild it "
            "with this version's header",
            t->abi_major, NRE_ABI_MAJOR);
    if (t->abi_minor > NRE_ABI_MINOR)
        return fail(NRE_EPLUGIN,
                    "it needs plugin interface %u.%u, this program has %d.%d: update the "
                    "program, or rebuild the plugin with its header",
                    t->abi_major, t->abi_minor, NRE_ABI_MAJOR, NRE_ABI_MINOR);
    if (t->struct_size < UP_TO(nre_plugin, extension))
        return fail(NRE_EPLUGIN,
                    "its table has %u bytes, fewer than the %zu of interface %d.0",
                    t->struct_size, UP_TO(nre_plugin, extension), NRE_ABI_MAJOR);
    return NRE_OK;
}

static int identity_check(const nre_plugin *t, const char *name)
{
    if (!kind_word((nre_kind)t->kind))
        return fail(NRE_EPLUGIN, "it is of kind %u, which is unknown", t->kind);
    if (!t->name || strcmp(t->name, name) != 0)
        return fail(
            NRE_EPLUGIN,
            "it calls itself '%s', but its file name says '%s': they must be equal",
            t->name ? t->name : "", name);
    if (!t->version || !t->summary)
        return fail(NRE_EPLUGIN, "it has no %s", t->version ? "summary" : "version");
    return NRE_OK;
}

static int missing(const char *member)
{
    return fail(NRE_EPLUGIN, "its ops lack %s, which every plugin of its kind needs",
                member);
}

static int simulator_check(const nre_simulator_ops *ops)
{
    if (!NRE_HAS(ops, info))
        return missing("info()");
    if (!NRE_HAS(ops, simulate))
        return missing("simulate()");
    return NRE_OK;
}

static int architecture_check(const nre_architecture_ops *ops)
{
    return NRE_HAS(ops, build) ? NRE_OK : missing("build()");
}

static int sampler_check(const nre_sampler_ops *ops)
{
    const uint32_t known = NRE_NEEDS_GRADIENT | NRE_WEIGHTED | NRE_IMPORTANCE;
    if (!NRE_HAS(ops, start))
        return missing("start()");
    if (!NRE_HAS(ops, step))
        return missing("step()");
    if (ops->flags & ~known)
        return fail(NRE_EPLUGIN,
                    "its ops have flags 0x%x that this program does not know",
                    ops->flags & ~known);
    if ((ops->flags & NRE_IMPORTANCE) && !(ops->flags & NRE_WEIGHTED))
        return fail(NRE_EPLUGIN, "its ops are NRE_IMPORTANCE without NRE_WEIGHTED");
    return NRE_OK;
}

static int ops_check(const nre_plugin *t)
{
    if (!t->ops.simulator)
        return fail(NRE_EPLUGIN, "its table has no ops");
    if (t->kind == NRE_SIMULATOR)
        return simulator_check(t->ops.simulator);
    if (t->kind == NRE_ARCHITECTURE)
        return architecture_check(t->ops.architecture);
    return sampler_check(t->ops.sampler);
}

static int option_name_check(const nre_plugin *t, size_t i)
{
    const char *name = plugin_option(t, i)->name;
    if (!name || !plugin_name_valid(name))
        return fail(NRE_EPLUGIN,
                    "its option %zu is named '%s'; a name has 1 to 64 of a-z, 0-9 and _, "
                    "a letter first",
                    i, name ? name : "");
    for (size_t k = 0; k < i; k++)
        if (strcmp(plugin_option(t, k)->name, name) == 0)
            return fail(NRE_EPLUGIN, "it has two options named '%s'", name);
    return NRE_OK;
}

static int options_check(const nre_plugin *t)
{
    if (t->n_options == 0)
        return NRE_OK;
    if (!t->options || t->n_options > MANY_OPTIONS)
        return fail(NRE_EPLUGIN, "its table says %u options, but %s", t->n_options,
                    t->options ? "that many are a mistake" : "has none");
    if (t->option_size < UP_TO(nre_option, flags) || t->option_size % alignof(nre_option))
        return fail(NRE_EPLUGIN,
                    "its options have %u bytes each, not the %zu of interface %d.0",
                    t->option_size, sizeof(nre_option), NRE_ABI_MAJOR);
    for (size_t i = 0; i < t->n_options; i++) {
        int status = option_name_check(t, i);
        if (!status)
            status = option_check(t, i);
        if (status)
            return status;
    }
    return NRE_OK;
}

int table_check(const nre_plugin *table, const char *name)
{
    int status = size_check(table);
    if (!status)
        status = identity_check(table, name);
    if (!status)
        status = ops_check(table);
    return status ? status : options_check(table);
}

/* nereid new: a commented plugin that compiles, with its meson.build. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

/* templates/, by way of templates/embed.c */
extern const char template_simulator[], template_architecture[], template_sampler[],
    template_meson[];

static const char *template_of(nre_kind kind)
{
    switch (kind) {
    case NRE_SIMULATOR:
        return template_simulator;
    case NRE_ARCHITECTURE:
        return template_architecture;
    default:
        return template_sampler;
    }
}

/* TEXT with NAME for @ and the kind's folder for $; free(). */
static char *filled(const char *text, nre_kind kind, const char *name)
{
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    if (!f)
        return NULL;
    for (; *text; text++)
        if (*text == '@')
            fputs(name, f);
        else if (*text == '$')
            fputs(kind_folder(kind), f);
        else
            fputc(*text, f);
    if (!fclose(f))
        return out;
    free(out);
    return NULL;
}

static int absent(const char *path)
{
    if (file_exists(path))
        return fail(NRE_EEXISTS, "%s exists already; choose another folder", path);
    return NRE_OK;
}

static int write_filled(const char *path, const char *text, nre_kind kind,
                        const char *name)
{
    char *all = filled(text, kind, name);
    int status = all ? file_write(path, all, strlen(all))
                     : fail(NRE_ENOMEM, "no memory for %s", path);
    free(all);
    return status;
}

static int write_both(nre_kind kind, const char *name, const char *source,
                      const char *build)
{
    int status = absent(source);
    if (!status)
        status = absent(build);
    if (!status)
        status = write_filled(source, template_of(kind), kind, name);
    return status ? status : write_filled(build, template_meson, kind, name);
}

int plugin_new(nre_kind kind, const char *name, const char *where)
{
    if (!plugin_name_valid(name))
        return fail(
            NRE_EUSAGE,
            "'%s' is no name of a plugin: 1 to 64 of a-z, 0-9 and _, a letter first",
            name);
    where = where ? where : name;
    arena *a = arena_new();
    char *source = a ? arena_print(a, "%s/%s.c", where, name) : NULL;
    char *build = a ? arena_print(a, "%s/meson.build", where) : NULL;
    int status = source && build
                     ? folder_make(where)
                     : fail(NRE_ENOMEM, "no memory for the plugin '%s'", name);
    if (!status)
        status = write_both(kind, name, source, build);
    arena_free(a);
    return status;
}

/* nereid new: a plugin to start from. */
#include "run/run.h"

int verb_new(const command *c)
{
    nre_kind kind;
    if (c->n_arguments != 2)
        return fail(NRE_EUSAGE,
                    "nereid new takes a kind and a name: nereid new simulator mine");
    if (!kind_of(c->arguments[0], &kind))
        return fail(NRE_EUSAGE,
                    "'%s' is no kind; there are simulator, architecture, sampler",
                    c->arguments[0]);
    const char *path = c->out ? c->out : c->arguments[1];
    int rc = plugin_new(kind, c->arguments[1], path);
    if (!rc)
        printf("%s/%s.c and %s/meson.build are written.  Build and try it:\n"
               "  meson setup %s/build %s && ninja -C %s/build\n"
               "  nereid plugins check %s/build/%s.so\n"
               "  nereid run CONFIG --plugin-path %s/build\n",
               path, c->arguments[1], path, path, path, path, path, c->arguments[1],
               path);
    return rc;
}

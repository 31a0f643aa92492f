/* nereid init: a commented starter file. */
#include "run/run.h"

#include <string.h>

int verb_init(const command *c)
{
    if (c->n_arguments > 1)
        return fail(NRE_EUSAGE, "nereid init takes at most one file: nereid init CONFIG");
    arena *a = arena_new();
    const char *text = a ? schema_starter(a) : NULL;
    int rc = text ? NRE_OK : fail(NRE_ENOMEM, "no memory for the starter file");
    if (!rc && !c->n_arguments)
        fputs(text, stdout);
    else if (!rc && file_exists(c->arguments[0]))
        rc = fail(NRE_EEXISTS, "'%s' exists; choose another name", c->arguments[0]);
    else if (!rc && !(rc = file_write(c->arguments[0], text, strlen(text))))
        printf("%s is written; 'nereid check %s' tries it\n", c->arguments[0],
               c->arguments[0]);
    arena_free(a);
    return rc;
}

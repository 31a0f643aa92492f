/* nereid table: finished runs and sweeps side by side. */
#include "run/run.h"

#include <string.h>

static int print_files(const command *c)
{
    static const char *const NAMES[] = {"coverage", "quality",   "checks",
                                        "paired",   "posterior", "timing"};
    json_t *files = json_array();
    arena *a = arena_new();
    for (size_t i = 0; a && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *path = arena_print(a, "%s/%s.json", c->out, NAMES[i]);
        if (path && file_exists(path))
            json_array_append_new(files, json_string(path));
    }
    json_t *all = json_pack("{s:o}", "tables", files);
    int rc = a && all ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    if (!rc) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(all);
    arena_free(a);
    return rc;
}

int verb_table(const command *c)
{
    if (c->n_arguments == 0)
        return fail(NRE_EUSAGE, "nereid table takes folders of runs and sweeps: "
                                "nereid table DIR...");
    if (c->json && !c->out)
        return fail(NRE_EUSAGE,
                    "nereid table --json needs a folder for the tables: -o DIR");
    int rc = compare_folders(c->n_arguments, c->arguments, c->out, NULL,
                             c->json ? NULL : stdout);
    if (!rc && c->json)
        return print_files(c);
    if (!rc && c->out)
        printf("\nTables: %s.\n", c->out);
    return rc;
}

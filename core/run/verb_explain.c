/* nereid explain: a key, an exit code, or a run directory. */
#include "run/run.h"

#include <string.h>

typedef struct code_text {
    int code;
    const char *text;
} code_text;

static const code_text CODES[] = {
    {0, "done, all gates passed"},
    {1, "internal error: a bug in nereid; the message says where"},
    {2, "usage: a flag or verb is wrong; the message suggests the right one"},
    {3, "the config is invalid; all mistakes are listed with file, line and column"},
    {4, "a plugin is missing, was refused, or failed; the message names it and says why"},
    {5, "data are missing, corrupt, or do not fit what they are used for"},
    {6, "numerical failure: a loss or ratio is not finite, or too many simulations are "
        "invalid"},
    {7, "finished, but a gated diagnostic missed its threshold: do not believe the "
        "posterior yet; "
        "the summary names the diagnostic first"},
    {8, "a sweep failed in part"},
    {9, "the output exists; --resume goes on with it, --force moves it aside"},
    {10, "the output is in use by a live process"},
    {75,
     "interrupted; everything finished is kept, the same command with --resume goes on"},
};

/* One object on stdout; takes J. */
static int print_json(json_t *j)
{
    if (!j)
        return fail(NRE_ENOMEM, "no memory for the result");
    json_dumpf(j, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(j);
    return NRE_OK;
}

static int explain_code(int64_t code, bool as_json)
{
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++)
        if (CODES[i].code == code && as_json) {
            return print_json(
                json_pack("{s:i, s:s}", "exit", CODES[i].code, "meaning", CODES[i].text));
        } else if (CODES[i].code == code) {
            printf("exit %d: %s\n", CODES[i].code, CODES[i].text);
            return NRE_OK;
        }
    return fail(NRE_EUSAGE, "%lld is no exit code of nereid", (long long)code);
}

/* A line of a run directory's state, printed or added to LIST. */
static void explain_unit(const run *r, const unit *u, json_t *list)
{
    const char *reason = NULL;
    bool done = stage_is_done(r->stages, u->name, u->inputs, r->folder->arena, &reason);
    const char *gone = done ? u->missing(r, u) : NULL;
    const char *state = gone ? "lost" : done ? "done" : "to do";
    const char *name =
        arena_print(r->folder->arena, "%s%s", r->label ? r->label : "", u->name);
    if (list)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "stage", name, "state",
                                              state, "reason", gone ? gone : reason));
    else
        printf("%-24s %-8s %s\n", name ? name : u->name, state, gone ? gone : reason);
}

static int explain_round(run *one, size_t n, const unit *u, void *context, bool *go_on)
{
    const char *reason = NULL;
    for (size_t i = 0; i < n; i++) {
        explain_unit(one, &u[i], context);
        *go_on = *go_on && unit_is_reusable(one, &u[i], &reason);
    }
    return NRE_OK;
}

static int explain_units(run *r, bool as_json)
{
    size_t n = 0;
    const unit *u = NULL;
    json_t *list = as_json ? json_array() : NULL;
    int rc = stages_open(folder_path(r->folder, "stages.json"), &r->stages);
    if (!rc && r->session->rounds)
        rc = rounds_walk(r, explain_round, list);
    if (!rc)
        rc = units_of_run(r, &n, &u);
    if (rc) {
        json_decref(list);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        explain_unit(r, &u[i], list);
    return as_json ? print_json(json_pack("{s:s, s:o}", "folder", r->folder->path,
                                          "stages", list))
                   : NRE_OK;
}

/* Why each stage of a run directory would run or be reused, by its own resolved config.
 */
static int explain_folder(const command *c, const char *path)
{
    session *s = NULL;
    folder *f = NULL;
    int rc = run_open(path, c, NULL, &s, &f);
    run r = {.session = s, .folder = f, .source = f};
    if (!rc) {
        r.joint = s->experiment->infer.nuisance != NUISANCE_UNSAID;
        rc = explain_units(&r, c->json);
    }
    stages_free(r.stages);
    session_close(s);
    folder_close(f);
    return rc;
}

static const char *place_text(arena *a, const node *n)
{
    return n->line ? arena_print(a, "%s:%zu:%zu", n->origin, n->line, n->column)
                   : n->origin;
}

static void print_value(arena *a, const node *n)
{
    if (n->kind == NODE_SCALAR)
        printf("value            %s\n", n->text);
    printf("set by           %s\n", place_text(a, n));
}

/* *OUT: what the config that was named says of KEY; NULL without one. */
static int find_value(const command *c, const char *key, arena *a, const node **out)
{
    plugins *p = NULL;
    experiment *e = NULL;
    *out = NULL;
    if (!c->config)
        return NRE_OK;
    int rc = command_plugins(c, &p);
    config_request request = {
        .path = c->config, .n_set = c->n_set, .set = c->set, .plugins = p};
    if (!rc)
        rc = experiment_load(&request, a, &e);
    if (!rc)
        *out = experiment_find(e, key);
    plugins_free(p);
    return rc;
}

static int print_key(const command *c, const char *key, const char *text, const node *n,
                     arena *a)
{
    if (c->json)
        return print_json(json_pack("{s:s, s:s, s:s?, s:s?}", "key", key, "meaning", text,
                                    "value", n && n->kind == NODE_SCALAR ? n->text : NULL,
                                    "from", n ? place_text(a, n) : NULL));
    printf("%s\n", text);
    if (n)
        print_value(a, n);
    return NRE_OK;
}

static int explain_key(const command *c, const char *key)
{
    arena *a = arena_new();
    const char *text = NULL;
    const node *n = NULL;
    int rc = a ? schema_explain(key, a, &text) : fail(NRE_ENOMEM, "no memory to explain");
    if (!rc)
        rc = find_value(c, key, a, &n);
    if (!rc)
        rc = print_key(c, key, text, n, a);
    arena_free(a);
    return rc;
}

int verb_explain(const command *c)
{
    int64_t code;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE,
                    "nereid explain takes a key, an exit code or a run directory");
    if (text_to_int(c->arguments[0], &code))
        return explain_code(code, c->json);
    if (strchr(c->arguments[0], '/') || file_exists(c->arguments[0]))
        return explain_folder(c, c->arguments[0]);
    return explain_key(c, c->arguments[0]);
}

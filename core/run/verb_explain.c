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
    {6, "numerical failure: a loss or ratio is not finite, or too many simulations are invalid"},
    {7, "finished, but a gated diagnostic missed its threshold: do not believe the posterior yet; "
        "the summary names the diagnostic first"},
    {8, "a sweep failed in part"},
    {9, "the output exists; --resume goes on with it, --force moves it aside"},
    {10, "the output is in use by a live process"},
    {75, "interrupted; everything finished is kept, the same command with --resume goes on"},
};

static int explain_code(int64_t code)
{
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++)
        if (CODES[i].code == code) {
            printf("exit %d: %s\n", CODES[i].code, CODES[i].text);
            return NRE_OK;
        }
    return fail(NRE_EUSAGE, "%lld is no exit code of nereid", (long long)code);
}

/* Why each stage of a run directory would run or be reused, by its own resolved config. */
static int explain_folder(const command *c, const char *path)
{
    session *s = NULL;
    folder *f = NULL;
    size_t n = 0;
    const unit *u = NULL;
    int rc = run_open(path, c, NULL, &s, &f);
    run r = {.session = s, .folder = f, .source = f, .dry_run = true};
    if (!rc)
        r.joint = s->experiment->infer.nuisance != NUISANCE_UNSAID;
    if (!rc)
        rc = stages_open(folder_path(f, "stages.json"), &r.stages);
    if (!rc)
        rc = units_of_run(&r, &n, &u);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *reason = NULL;
        bool done = stage_is_done(r.stages, u[i].name, u[i].inputs, f->arena, &reason);
        bool there = file_exists(u[i].output);
        printf("%-24s %-8s %s\n", u[i].name, done && there ? "done" : done ? "lost" : "to do",
               done && !there ? u[i].output : reason);
    }
    stages_free(r.stages);
    session_close(s);
    folder_close(f);
    return rc;
}

static void print_value(const node *n)
{
    if (n->kind == NODE_SCALAR)
        printf("value            %s\n", n->text);
    if (n->line)
        printf("set by           %s:%zu:%zu\n", n->origin, n->line, n->column);
    else
        printf("set by           %s\n", n->origin);
}

static int explain_key(const command *c, const char *key)
{
    arena *a = arena_new();
    const char *text = NULL;
    int rc = a ? schema_explain(key, a, &text) : fail(NRE_ENOMEM, "no memory to explain");
    if (!rc)
        printf("%s\n", text);
    if (!rc && c->config) {
        plugins *p = NULL;
        experiment *e = NULL;
        config_request request = {.path = c->config, .n_set = c->n_set, .set = c->set};
        rc = command_plugins(c, &p);
        request.plugins = p;
        if (!rc)
            rc = experiment_load(&request, a, &e);
        const node *n = rc ? NULL : experiment_find(e, key);
        if (n)
            print_value(n);
        plugins_free(p);
    }
    arena_free(a);
    return rc;
}

int verb_explain(const command *c)
{
    int64_t code;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE, "nereid explain takes a key, an exit code or a run directory");
    if (text_to_int(c->arguments[0], &code))
        return explain_code(code);
    if (strchr(c->arguments[0], '/') || file_exists(c->arguments[0]))
        return explain_folder(c, c->arguments[0]);
    return explain_key(c, c->arguments[0]);
}

/* nereid export: trained networks, and posterior draws, in formats of others. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

typedef struct format {
    const char *name; /* also the ending of its files */
    bool whole;       /* an estimator a file, else a network a file */
    int (*write)(const export_request *e, const json_t *facts, const char *path);
} format;

static int export_safetensors(const export_request *e, const json_t *facts,
                              const char *path)
{
    const net *g = e->session->nets[e->target];
    tensor_set sets[2];
    sets[0].tensors = net_weights(g, &sets[0].n);
    sets[0].values = e->values[0];
    sets[1].tensors = net_buffers(g, &sets[1].n);
    sets[1].values = e->values[0] + net_n_weights(g);
    return safetensors_write(path, facts, 2, sets);
}

static const format FORMATS[] = {{"safetensors", false, export_safetensors},
                                 {"onnx", true, export_onnx}};
enum { N_FORMATS = sizeof FORMATS / sizeof FORMATS[0] };

static int find_format(const char *name, const format **out)
{
    static const char *const ALL[] = {"safetensors", "onnx", "arviz",
                                      "getdist",     "csv",  "npy"};
    for (size_t i = 0; i < N_FORMATS; i++) {
        *out = &FORMATS[i];
        if (!strcmp(name, FORMATS[i].name))
            return NRE_OK;
    }
    const size_t n = sizeof ALL / sizeof ALL[0];
    const char *near = text_nearest(name, n, ALL);
    return fail(
        NRE_EUSAGE,
        "--to %s: there are safetensors and onnx for networks, arviz, getdist, csv "
        "and npy for posterior draws%s%s%s",
        name, near ? "; did you mean: --to " : "", near ? near : "", near ? "?" : "");
}

/* reading */

static const char *weights_path(const folder *f, const target *t, size_t member,
                                const char *file)
{
    return folder_path(f, "model/%s/member-%zu%s", t->name, member, file);
}

static void members_free(export_request *e)
{
    for (size_t i = 0; e->values && i < e->n; i++)
        free(e->values[i]);
    for (size_t i = 0; e->scalings && i < e->n; i++)
        scaling_free(e->scalings[i]);
    free(e->values);
    free(e->scalings);
}

static int members_read(export_request *e, const folder *f)
{
    const target *t = &e->session->targets[e->target];
    e->values = memory_new(e->n, sizeof *e->values);
    e->scalings = memory_new(e->n, sizeof *e->scalings);
    int rc = e->values && e->scalings ? NRE_OK
                                      : fail(NRE_ENOMEM, "no memory for the networks");
    for (size_t i = 0; !rc && i < e->n; i++)
        rc = trained_values(weights_path(f, t, e->first + i, ""),
                            e->session->nets[e->target], &e->values[i], &e->scalings[i]);
    return rc;
}

/* what goes where */

typedef struct exported {
    export_request request;
    const char *path;
} exported;

typedef struct plan_of_files {
    const command *command;
    const session *session;
    const folder *source;
    const format *format;
    size_t n;
    exported *files;
} plan_of_files;

static bool wanted(const command *c, const target *t)
{
    return !c->target || !strcmp(c->target, t->name);
}

static int check_trained(const plan_of_files *p, const target *t, size_t member)
{
    const char *path = weights_path(p->source, t, member, "/weights.h5");
    if (!path)
        return fail(NRE_ENOMEM, "no memory for the names of files");
    return file_exists(path)
               ? NRE_OK
               : fail(NRE_EDATA,
                      "'%s' is not there: training has not finished; nereid run with "
                      "--resume goes on with it",
                      path);
}

/* A mixture of posteriors is no mean of log ratios: its members go alone. */
static int add_target(plan_of_files *p, size_t which)
{
    const experiment *e = p->session->experiment;
    const target *t = &p->session->targets[which];
    bool whole = p->format->whole && e->infer.ensemble == ENSEMBLE_MEAN;
    size_t step = whole ? e->train.ensemble : 1;
    int rc = NRE_OK;
    for (size_t m = 0; !rc && m < e->train.ensemble; m++)
        rc = check_trained(p, t, m);
    for (size_t m = 0; !rc && m < e->train.ensemble; m += step) {
        const char *name =
            whole ? arena_print(p->source->arena, "%s.%s", t->name, p->format->name)
                  : arena_print(p->source->arena, "%s-member-%zu.%s", t->name, m,
                                p->format->name);
        p->files[p->n++] = (exported){
            .request = {.session = p->session, .target = which, .first = m, .n = step},
            .path = name};
        rc = name ? NRE_OK : fail(NRE_ENOMEM, "no memory for the names of files");
    }
    return rc;
}

static int add_targets(plan_of_files *p)
{
    const session *s = p->session;
    p->files = arena_alloc(p->source->arena, s->n_targets * s->experiment->train.ensemble,
                           sizeof *p->files);
    int rc = p->files ? NRE_OK : fail(NRE_ENOMEM, "no memory for the names of files");
    for (size_t i = 0; !rc && i < s->n_targets; i++)
        if (wanted(p->command, &s->targets[i]))
            rc = add_target(p, i);
    if (!rc && !p->n)
        rc =
            fail(NRE_EUSAGE, "--target %s: the run has no such target; its first is '%s'",
                 p->command->target, s->targets[0].name);
    return rc;
}

/* Is PATH the name of a file of this format? */
static bool is_file_of(const format *f, const char *path)
{
    size_t n = strlen(path), k = strlen(f->name);
    return n > k + 1 && path[n - k - 1] == '.' && !strcmp(path + n - k, f->name);
}

static int place_files(plan_of_files *p)
{
    const char *out = p->command->out;
    arena *a = p->source->arena;
    if (!out)
        out = path_join(a, p->source->path, "export");
    if (out && is_file_of(p->format, out)) {
        if (p->n > 1)
            return fail(NRE_EUSAGE,
                        "-o %s: there are %zu files to write, the first is %s; give a "
                        "folder, or one target by --target",
                        out, p->n, p->files[0].path);
        p->files[0].path = out;
        return folder_make(path_folder(a, out));
    }
    for (size_t i = 0; out && i < p->n; i++)
        p->files[i].path = path_join(a, out, p->files[i].path);
    return out ? folder_make(out) : fail(NRE_ENOMEM, "no memory for the names of files");
}

static int check_absent(const plan_of_files *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!p->files[i].path)
            return fail(NRE_ENOMEM, "no memory for the names of files");
        if (file_exists(p->files[i].path))
            return fail(NRE_EEXISTS, "'%s' exists; remove it, or name another by -o",
                        p->files[i].path);
    }
    return NRE_OK;
}

/* writing */

static int write_one(const plan_of_files *p, exported *f)
{
    json_t *facts = NULL;
    int rc = members_read(&f->request, p->source);
    if (!rc)
        rc = export_facts(&f->request, &facts);
    if (!rc)
        rc = p->format->write(&f->request, facts, f->path);
    json_decref(facts);
    members_free(&f->request);
    return rc;
}

static int print_files(const plan_of_files *p)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->n; i++) {
        json_array_append_new(files, json_string(p->files[i].path));
        if (!p->command->json)
            printf("%s\n", p->files[i].path);
    }
    json_t *all = json_pack("{s:o}", "files", files);
    int rc = all ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    if (!rc && p->command->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(all);
    return rc;
}

static int export_run(plan_of_files *p)
{
    const experiment *e = p->session->experiment;
    if (e->estimator != ESTIMATOR_NETWORK || uses_abc(e))
        return fail(NRE_EUSAGE, "'%s' has no network: its estimator is not a trained one",
                    p->source->path);
    int rc = add_targets(p);
    if (!rc)
        rc = place_files(p);
    if (!rc)
        rc = check_absent(p);
    for (size_t i = 0; !rc && i < p->n; i++)
        rc = write_one(p, &p->files[i]);
    return rc ? rc : print_files(p);
}

int verb_export(const command *c)
{
    session *s = NULL;
    folder *source = NULL;
    const format *f = NULL;
    if (c->n_arguments != 1 || !c->to)
        return fail(NRE_EUSAGE, "nereid export takes a run directory and a format: "
                                "nereid export RUNDIR --to "
                                "arviz|getdist|csv|npy|safetensors|onnx [-o PATH]");
    bool draws = exports_samples(c->to);
    int rc = draws ? NRE_OK : find_format(c->to, &f);
    if (!rc)
        rc = run_open(c->arguments[0], c, NULL, &s, &source);
    if (!rc && draws)
        rc = export_samples(c, s, source);
    if (!rc && !draws) {
        plan_of_files p = {.command = c, .session = s, .source = source, .format = f};
        rc = export_run(&p);
    }
    session_close(s);
    folder_close(source);
    return rc;
}

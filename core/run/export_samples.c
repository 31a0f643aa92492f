/* Posterior draws for others: ArviZ, GetDist, CSV, NumPy. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The draws of one observation of one target. */
typedef struct samples {
    const session *session;
    const target *target;
    const prior *prior; /* as inference meant it */
    const char *source; /* samples.nc */
    const char *root;   /* of its files, without an ending */
    chains chains;
    size_t n_rows;
    float *x; /* [n_rows][n_x] observed */
} samples;

typedef struct sample_format {
    const char *name, *ending; /* of the first of its files, behind the root */
    int (*write)(const samples *s, arena *a);
} sample_format;

static const nre_theta *parameter(const samples *s, uint32_t k)
{
    return simulator_theta(s->session->simulator, s->target->which[k]);
}

static const char *path_of(const samples *s, arena *a, const char *ending)
{
    const char *path = arena_print(a, "%s%s", s->root, ending);
    return path ? path : "";
}

/* Text grows in memory and is written at once. */
typedef struct text_file {
    FILE *out;
    char *text;
    size_t n;
} text_file;

static int text_open(text_file *p)
{
    *p = (text_file){0};
    p->out = open_memstream(&p->text, &p->n);
    return p->out ? NRE_OK : fail(NRE_ENOMEM, "no memory for an export");
}

static int text_close(text_file *p, const char *path)
{
    bool good = !ferror(p->out);
    int rc = fclose(p->out) || !good ? fail(NRE_ENOMEM, "no memory for an export")
                                     : file_write(path, p->text, p->n);
    free(p->text);
    return rc;
}

static int write_arviz(const samples *s, arena *a)
{
    const char *path = path_of(s, a, ".nc");
    chains plain = {0};
    if (!s->chains.weight)
        return chains_save(&s->chains, s->session->simulator, s->target, s->n_rows, s->x,
                           path);
    int rc = chains_resample(&s->chains, &plain);
    if (!rc)
        rc = chains_save(&plain, s->session->simulator, s->target, s->n_rows, s->x, path);
    chains_release(&plain);
    return rc;
}

static int write_npy(const samples *s, arena *a)
{
    chains plain = {0};
    const chains *c = &s->chains;
    int rc = c->weight ? chains_resample(c, &plain) : NRE_OK;
    c = c->weight ? &plain : c;
    uint64_t dim[2] = {c->n_chains * c->n_draws, c->dim};
    if (!rc)
        rc = npy_write(path_of(s, a, ".npy"), 'f', 8, 2, dim, c->theta);
    chains_release(&plain);
    return rc;
}

static int write_csv(const samples *s, arena *a)
{
    const chains *c = &s->chains;
    text_file p;
    int rc = text_open(&p);
    if (rc)
        return rc;
    fprintf(p.out, "chain,draw%s,log_posterior", c->weight ? ",weight" : "");
    for (uint32_t k = 0; k < c->dim; k++)
        fprintf(p.out, ",%s", parameter(s, k)->name);
    fputc('\n', p.out);
    for (size_t i = 0; i < c->n_chains * c->n_draws; i++) {
        fprintf(p.out, "%zu,%zu", i / c->n_draws, i % c->n_draws);
        if (c->weight)
            fprintf(p.out, ",%.17g", c->weight[i]);
        if (isnan(c->log_posterior[i]))
            fputc(',', p.out);
        else
            fprintf(p.out, ",%.17g", c->log_posterior[i]);
        for (uint32_t k = 0; k < c->dim; k++)
            fprintf(p.out, ",%.17g", c->theta[i * c->dim + k]);
        fputc('\n', p.out);
    }
    return text_close(&p, path_of(s, a, ".csv"));
}

/* GetDist: ROOT_1.txt ... with weight, -log posterior (0 where nobody knows it) and parameters, a
 * file a chain; ROOT.paramnames; ROOT.ranges, N for none. */

static int write_chain(const samples *s, arena *a, size_t chain)
{
    const chains *c = &s->chains;
    text_file p;
    int rc = text_open(&p);
    if (rc)
        return rc;
    for (size_t i = chain * c->n_draws; i < (chain + 1) * c->n_draws; i++) {
        double weight = c->weight ? c->weight[i] : 1, lp = c->log_posterior[i];
        if (!(weight > 0))
            continue;
        fprintf(p.out, "%.17g %.17g", weight, isnan(lp) ? 0 : -lp);
        for (uint32_t k = 0; k < c->dim; k++)
            fprintf(p.out, " %.17g", c->theta[i * c->dim + k]);
        fputc('\n', p.out);
    }
    const char *ending = arena_print(a, "_%zu.txt", chain + 1);
    return text_close(&p, path_of(s, a, ending ? ending : ""));
}

static int write_names(const samples *s, arena *a)
{
    text_file p;
    int rc = text_open(&p);
    for (uint32_t k = 0; !rc && k < s->chains.dim; k++) {
        const nre_theta *t = parameter(s, k);
        fprintf(p.out, "%s\t%s\n", t->name, t->label ? t->label : t->name);
    }
    return rc ? rc : text_close(&p, path_of(s, a, ".paramnames"));
}

static void range_end(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, " %.17g", value);
    else
        fputs(" N", out);
}

static int write_ranges(const samples *s, arena *a)
{
    text_file p;
    int rc = text_open(&p);
    for (uint32_t k = 0; !rc && k < s->chains.dim; k++) {
        double lo, hi;
        marginal_support(&s->prior->of[s->target->which[k]], &lo, &hi);
        fprintf(p.out, "%s", parameter(s, k)->name);
        range_end(p.out, lo);
        range_end(p.out, hi);
        fputc('\n', p.out);
    }
    return rc ? rc : text_close(&p, path_of(s, a, ".ranges"));
}

static int write_getdist(const samples *s, arena *a)
{
    int rc = write_names(s, a);
    if (!rc)
        rc = write_ranges(s, a);
    for (size_t i = 0; !rc && i < s->chains.n_chains; i++)
        rc = write_chain(s, a, i);
    return rc;
}

static const sample_format FORMATS[] = {{"arviz", ".nc", write_arviz},
                                        {"getdist", ".paramnames", write_getdist},
                                        {"csv", ".csv", write_csv},
                                        {"npy", ".npy", write_npy}};
enum { N_FORMATS = sizeof FORMATS / sizeof FORMATS[0] };

static const sample_format *format_of(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (!strcmp(FORMATS[i].name, name))
            return &FORMATS[i];
    return NULL;
}

bool exports_samples(const char *format)
{
    return format_of(format) != NULL;
}

/* what goes where */

typedef struct plan_of_samples {
    const command *command;
    const session *session;
    const folder *source;
    const sample_format *format;
    const char *out; /* folder */
    size_t n, room;
    samples *of;
} plan_of_samples;

static int add_samples(plan_of_samples *p, size_t which, const char *source,
                       const char *name)
{
    if (p->n == p->room) {
        size_t most = p->room ? 2 * p->room : 16;
        samples *more = realloc(p->of, most * sizeof *more);
        if (!more)
            return fail(NRE_ENOMEM, "no memory for the names of files");
        p->of = more;
        p->room = most;
    }
    const char *root = path_join(p->source->arena, p->out, name);
    p->of[p->n++] = (samples){.session = p->session,
                              .target = &p->session->targets[which],
                              .prior = session_meant(p->session, which).prior,
                              .source = source,
                              .root = root};
    return source && root ? NRE_OK : fail(NRE_ENOMEM, "no memory for the names of files");
}

/* The observations that its summary lists: one has its file in the target's folder. */
static int add_target(plan_of_samples *p, size_t which)
{
    const target *t = &p->session->targets[which];
    arena *a = p->source->arena;
    json_t *found = NULL;
    const char *base = folder_path(p->source, "posterior/%s", t->name);
    const char *path = base ? path_join(a, base, "summary.json") : NULL;
    if (!path)
        return fail(NRE_ENOMEM, "no memory for the names of files");
    if (!file_exists(path))
        return fail(NRE_EDATA,
                    "'%s' is not there: no posterior of target %s was made; give the run "
                    "an observation (infer.observation), or go on with it by --resume",
                    path, t->name);
    int rc = json_load_path(path, 256 << 20, &found);
    const json_t *list = json_object_get(found, "observations");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *row =
            json_string_value(json_object_get(json_array_get(list, i), "observation"));
        const char *file =
            n == 1 ? path_join(a, base, "samples.nc")
                   : arena_print(a, "%s/%s/samples.nc", base, row ? row : "?");
        const char *name =
            n == 1 ? t->name : arena_print(a, "%s-%s", t->name, row ? row : "?");
        rc = name ? add_samples(p, which, file, name)
                  : fail(NRE_ENOMEM, "no memory for the names of files");
    }
    json_decref(found);
    return rc;
}

static int add_targets(plan_of_samples *p)
{
    const session *s = p->session;
    const char *wanted = p->command->target;
    int rc = NRE_OK;
    for (size_t i = 0; i < s->n_targets && !rc; i++)
        if (!wanted || !strcmp(wanted, s->targets[i].name))
            rc = add_target(p, i);
    if (!rc && !p->n)
        rc = fail(NRE_EUSAGE,
                  "--target %s: the run has no such target with draws; its first is '%s'",
                  wanted ? wanted : "", s->targets[0].name);
    return rc;
}

static int check_absent(const plan_of_samples *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *path = path_of(&p->of[i], p->source->arena, p->format->ending);
        if (file_exists(path))
            return fail(NRE_EEXISTS,
                        "'%s' exists; remove it, or name another folder by -o", path);
    }
    return NRE_OK;
}

static int write_one(const plan_of_samples *p, samples *s)
{
    int rc = chains_load(s->source, p->session->simulator, s->target, &s->chains,
                         &s->n_rows, &s->x);
    if (!rc)
        rc = p->format->write(s, p->source->arena);
    chains_release(&s->chains);
    free(s->x);
    s->x = NULL;
    return rc;
}

static int print_files(const plan_of_samples *p)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->n; i++) {
        const char *path = path_of(&p->of[i], p->source->arena, p->format->ending);
        json_array_append_new(files, json_string(path));
        if (!p->command->json)
            printf("%s\n", path);
    }
    json_t *all = json_pack("{s:o}", "files", files);
    if (all && p->command->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(all);
    return all ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
}

int export_samples(const command *c, const session *s, const folder *source)
{
    plan_of_samples p = {
        .command = c, .session = s, .source = source, .format = format_of(c->to)};
    p.out = c->out ? c->out : path_join(source->arena, source->path, "export");
    int rc = p.out ? add_targets(&p) : fail(NRE_ENOMEM, "no memory for an export");
    if (!rc)
        rc = check_absent(&p);
    if (!rc)
        rc = folder_make(p.out);
    for (size_t i = 0; i < p.n && !rc; i++)
        rc = write_one(&p, &p.of[i]);
    if (!rc)
        rc = print_files(&p);
    free(p.of);
    return rc;
}

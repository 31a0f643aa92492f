/* nereid plugins: list, describe, check. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const nre_kind KINDS[] = {NRE_SIMULATOR, NRE_ARCHITECTURE, NRE_SAMPLER};
enum { N_KINDS = sizeof KINDS / sizeof KINDS[0] };

static const char *type_text(const nre_option *o, arena *a)
{
    static const char *const NAMES[] = {
        "", "true|false", "integer",          "number",          "text",
        "", "path",       "list of integers", "list of numbers", "list of texts"};
    if (o->type == NRE_CHOICE)
        return o->choices;
    if (o->lo < o->hi && (o->type == NRE_INT || o->type == NRE_REAL ||
                          o->type == NRE_INT_LIST || o->type == NRE_REAL_LIST))
        return arena_print(a, "%s in %c%g, %g%c", NAMES[o->type],
                           o->flags & NRE_OPEN_LO ? '(' : '[', o->lo, o->hi,
                           o->flags & NRE_OPEN_HI ? ')' : ']');
    return o->type < sizeof NAMES / sizeof NAMES[0] ? NAMES[o->type] : "";
}

static json_t *options_json(const nre_plugin *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n_options; i++) {
        const nre_option *o = plugin_option(t, i);
        json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:b}", "name", o->name, "help",
                            o->help, "unit", o->unit, "default", o->fallback, "choices",
                            o->choices, "required", (o->flags & NRE_REQUIRED) != 0));
    }
    return list;
}

static json_t *plugin_json(const plugin *p, nre_kind kind)
{
    const nre_plugin *t = p->table;
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:o}", "kind", kind_word(kind),
                     "name", t->name, "version", t->version, "summary", t->summary,
                     "reference", t->reference, "path", p->path, "options",
                     options_json(t));
}

static void print_options(const nre_plugin *t, arena *a)
{
    if (t->n_options)
        printf("\noptions\n");
    for (size_t i = 0; i < t->n_options; i++) {
        const nre_option *o = plugin_option(t, i);
        const char *value =
            o->flags & NRE_REQUIRED
                ? "required"
                : arena_print(a, "default %s", o->fallback ? o->fallback : "none");
        printf("  %-16s %-26s %-20s %s%s%s%s\n", o->name, type_text(o, a), value,
               o->help ? o->help : "", o->unit ? " [" : "", o->unit ? o->unit : "",
               o->unit ? "]" : "");
    }
}

static void print_parameters(const simulator *s, arena *a)
{
    const prior *p = simulator_prior(s);
    printf("\nparameters\n");
    for (size_t i = 0; i < simulator_n_theta(s); i++) {
        const nre_theta *t = simulator_theta(s, i);
        printf("  %-16s %-26s %s%s\n", t->name, marginal_text(&p->of[i], a),
               t->unit ? t->unit : "", t->nuisance ? "  (nuisance)" : "");
    }
    if (simulator_info(s)->n_derived)
        printf("\nderived\n");
    for (size_t i = 0; i < simulator_info(s)->n_derived; i++)
        printf("  %-16s %s\n", simulator_derived(s, i)->name,
               simulator_derived(s, i)->unit ? simulator_derived(s, i)->unit : "");
}

static void print_fields(const simulator *s)
{
    const nre_simulator_ops *o = simulator_ops(s);
    printf("\nx, %zu values\n", simulator_n_x(s));
    for (size_t i = 0; i < simulator_info(s)->n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        printf("  %-16s [", f->name);
        for (uint32_t k = 0; k < f->shape.rank; k++)
            printf("%s%u", k ? ", " : "", f->shape.dim[k]);
        printf("] %s%s\n", f->unit ? f->unit : "",
               f->exchangeable ? "  (rows exchangeable)" : "");
    }
    printf("\nknows            %s%s%s%s%s\n",
           NRE_HAS(o, log_likelihood) ? "likelihood " : "",
           NRE_HAS(o, log_evidence) ? "evidence " : "",
           NRE_HAS(o, posterior_sample) ? "exact posterior draws " : "",
           NRE_HAS(o, perturb) ? "observation noise " : "",
           NRE_HAS(o, observation) ? "real observations" : "");
}

static json_t *parameters_json(const simulator *s, arena *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < simulator_n_theta(s); i++) {
        const nre_theta *t = simulator_theta(s, i);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s?}", "name", t->name, "prior",
                                        marginal_text(&simulator_prior(s)->of[i], a),
                                        "unit", t->unit));
    }
    return list;
}

static json_t *fields_json(const simulator *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < simulator_info(s)->n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        json_t *shape = json_array();
        for (uint32_t k = 0; k < f->shape.rank; k++)
            json_array_append_new(shape, json_integer(f->shape.dim[k]));
        json_array_append_new(list, json_pack("{s:s, s:o, s:s?}", "name", f->name,
                                              "shape", shape, "unit", f->unit));
    }
    return list;
}

/* The prior and shapes belong to an instance: one at the options' defaults.  Added to J,
 * or printed where it is NULL. */
static void describe_simulator(const command *c, const char *name, arena *a, json_t *j)
{
    session *s = NULL;
    session_request request = {.config = name, .command = c};
    int rc = session_of_simulator(&request, &s);
    if (rc && !j)
        printf("\nparameters and shapes depend on its options (%s)\n", error_message());
    else if (!rc && !j) {
        print_parameters(s->simulator, a);
        print_fields(s->simulator);
    } else if (!rc) {
        json_object_set_new(j, "parameters", parameters_json(s->simulator, a));
        json_object_set_new(j, "fields", fields_json(s->simulator));
    }
    session_close(s);
}

static int describe_as_json(const command *c, const plugin *found, nre_kind kind,
                            arena *a)
{
    json_t *j = plugin_json(found, kind);
    if (!j)
        return fail(NRE_ENOMEM, "no memory for the description");
    if (kind == NRE_SIMULATOR)
        describe_simulator(c, found->table->name, a, j);
    json_dumpf(j, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(j);
    return NRE_OK;
}

static int describe(const command *c, plugins *p, nre_kind kind, const char *name,
                    arena *a)
{
    const plugin *found = NULL;
    int rc = plugin_load(p, kind, name, &found);
    if (rc)
        return rc;
    if (c->json)
        return describe_as_json(c, found, kind, a);
    const nre_plugin *t = found->table;
    printf("%s %s   %s   ABI %u.%u   %s\n%s\n", t->name, t->version, kind_word(kind),
           t->abi_major, t->abi_minor, found->path, t->summary ? t->summary : "");
    if (t->reference)
        printf("reference        %s\n", t->reference);
    print_options(t, a);
    if (kind == NRE_SIMULATOR)
        describe_simulator(c, name, a, NULL);
    return NRE_OK;
}

static int list_kind(plugins *p, nre_kind kind, bool heading, arena *a, json_t *all)
{
    size_t n = 0;
    const char *const *names = NULL;
    int rc = plugins_list(p, kind, a, &n, &names);
    if (!rc && heading && !all)
        printf("%s\n", kind_folder(kind));
    for (size_t i = 0; i < n && !rc; i++) {
        const plugin *found = NULL;
        if (plugin_load(p, kind, names[i], &found)) {
            log_say(NRE_WARN, "%s", error_message());
            continue;
        }
        const nre_plugin *t = found->table;
        if (all)
            json_array_append_new(all, plugin_json(found, kind));
        else
            printf("  %-24s %s\n", t->name, t->summary ? t->summary : "");
    }
    return rc;
}

static int list(plugins *p, const nre_kind *only, bool as_json, arena *a)
{
    json_t *all = as_json ? json_array() : NULL;
    int rc = NRE_OK;
    for (size_t i = 0; i < N_KINDS && !rc; i++)
        if (!only || *only == KINDS[i])
            rc = list_kind(p, KINDS[i], !only, a, all);
    if (all && !rc) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(all);
    return rc;
}

/* A name without a kind: the kind that has it. */
static int find_kind(plugins *p, const char *name, arena *a, nre_kind *kind)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = 0;
        const char *const *names = NULL;
        if (plugins_list(p, KINDS[i], a, &n, &names))
            continue;
        for (size_t k = 0; k < n; k++)
            if (!strcmp(names[k], name)) {
                *kind = KINDS[i];
                return NRE_OK;
            }
    }
    return fail(NRE_EPLUGIN,
                "'%s' is neither a kind (simulators, architectures, samplers) nor a "
                "plugin; 'nereid plugins' lists them",
                name);
}

static int show(const command *c, plugins *p, arena *a)
{
    nre_kind kind;
    const char *first = c->arguments[0];
    if (!c->n_arguments)
        return list(p, NULL, c->json, a);
    if (kind_of(first, &kind))
        return c->n_arguments == 1 ? list(p, &kind, c->json, a)
                                   : describe(c, p, kind, c->arguments[1], a);
    if (c->n_arguments == 2)
        return fail(NRE_EUSAGE,
                    "'%s' is no kind; there are simulators, architectures, samplers",
                    first);
    int rc = find_kind(p, first, a, &kind);
    return rc ? rc : describe(c, p, kind, first, a);
}

int verb_plugins(const command *c)
{
    plugins *p = NULL;
    bool check = c->n_arguments && !strcmp(c->arguments[0], "check");
    if (check && c->n_arguments == 2)
        return plugin_check(c, c->arguments[1], stdout);
    if (check)
        return fail(NRE_EUSAGE,
                    "nereid plugins check takes one file: nereid plugins check FILE.so");
    if (c->n_arguments > 2)
        return fail(NRE_EUSAGE, "nereid plugins takes at most a kind and a name");
    arena *a = arena_new();
    int rc = a ? command_plugins(c, &p) : fail(NRE_ENOMEM, "no memory to start");
    if (!rc)
        rc = show(c, p, a);
    plugins_free(p);
    arena_free(a);
    return rc;
}

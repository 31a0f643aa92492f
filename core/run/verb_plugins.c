/* nereid plugins: list, describe, check. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const nre_kind KINDS[] = {NRE_SIMULATOR, NRE_ARCHITECTURE, NRE_SAMPLER};
enum { N_KINDS = sizeof KINDS / sizeof KINDS[0] };

static const char *type_text(const nre_option *o, arena *a)
{
    static const char *const NAMES[] = {"", "true|false", "integer", "number", "text", "",
                                        "path", "list of integers", "list of numbers",
                                        "list of texts"};
    if (o->type == NRE_CHOICE)
        return o->choices;
    if (o->lo < o->hi && (o->type == NRE_INT || o->type == NRE_REAL || o->type == NRE_INT_LIST
                          || o->type == NRE_REAL_LIST))
        return arena_print(a, "%s in %c%g, %g%c", NAMES[o->type],
                           o->flags & NRE_OPEN_LO ? '(' : '[', o->lo, o->hi,
                           o->flags & NRE_OPEN_HI ? ')' : ']');
    return o->type < sizeof NAMES / sizeof NAMES[0] ? NAMES[o->type] : "";
}

static void print_options(const nre_plugin *t, arena *a)
{
    if (t->n_options)
        printf("\noptions\n");
    for (size_t i = 0; i < t->n_options; i++) {
        const nre_option *o = plugin_option(t, i);
        const char *value = o->flags & NRE_REQUIRED
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
        printf("] %s%s\n", f->unit ? f->unit : "", f->exchangeable ? "  (rows exchangeable)" : "");
    }
    printf("\nknows            %s%s%s%s%s\n", NRE_HAS(o, log_likelihood) ? "likelihood " : "",
           NRE_HAS(o, log_evidence) ? "evidence " : "",
           NRE_HAS(o, posterior_sample) ? "exact posterior draws " : "",
           NRE_HAS(o, perturb) ? "observation noise " : "",
           NRE_HAS(o, observation) ? "real observations" : "");
}

/* The prior and shapes belong to an instance: one at the options' defaults. */
static int describe_simulator(const command *c, const char *name, arena *a)
{
    session *s = NULL;
    session_request request = {name, c, NULL};
    int rc = session_of_simulator(&request, &s);
    if (rc) {
        printf("\nparameters and shapes depend on its options (%s)\n", error_message());
        return NRE_OK;
    }
    print_parameters(s->simulator, a);
    print_fields(s->simulator);
    session_close(s);
    return NRE_OK;
}

static int describe(const command *c, plugins *p, nre_kind kind, const char *name, arena *a)
{
    const plugin *found = NULL;
    int rc = plugin_load(p, kind, name, &found);
    if (rc)
        return rc;
    const nre_plugin *t = found->table;
    printf("%s %s   %s   ABI %u.%u   %s\n%s\n", t->name, t->version, kind_word(kind), t->abi_major,
           t->abi_minor, found->path, t->summary ? t->summary : "");
    if (t->reference)
        printf("reference        %s\n", t->reference);
    print_options(t, a);
    return kind == NRE_SIMULATOR ? describe_simulator(c, name, a) : NRE_OK;
}

static json_t *options_json(const nre_plugin *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n_options; i++) {
        const nre_option *o = plugin_option(t, i);
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:b}", "name", o->name,
                                              "help", o->help, "unit", o->unit, "default",
                                              o->fallback, "choices", o->choices, "required",
                                              (o->flags & NRE_REQUIRED) != 0));
    }
    return list;
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
            json_array_append_new(
                all, json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:o}", "kind", kind_word(kind),
                               "name", t->name, "version", t->version, "summary", t->summary,
                               "reference", t->reference, "path", found->path, "options",
                               options_json(t)));
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
    return fail(NRE_EPLUGIN, "'%s' is neither a kind (simulators, architectures, samplers) nor a "
                "plugin; 'nereid plugins' lists them", name);
}

int verb_plugins(const command *c)
{
    plugins *p = NULL;
    nre_kind kind;
    if (c->n_arguments == 2 && !strcmp(c->arguments[0], "check"))
        return plugin_check(c, c->arguments[1], stdout);
    if (c->n_arguments > 2)
        return fail(NRE_EUSAGE, "nereid plugins takes at most a kind and a name");
    arena *a = arena_new();
    int rc = a ? command_plugins(c, &p) : fail(NRE_ENOMEM, "no memory to start");
    if (!rc && !c->n_arguments)
        rc = list(p, NULL, c->json, a);
    else if (!rc && c->n_arguments == 1 && kind_of(c->arguments[0], &kind))
        rc = list(p, &kind, c->json, a);
    else if (!rc && c->n_arguments == 1 && !(rc = find_kind(p, c->arguments[0], a, &kind)))
        rc = describe(c, p, kind, c->arguments[0], a);
    else if (!rc && !kind_of(c->arguments[0], &kind))
        rc = fail(NRE_EUSAGE, "'%s' is no kind; there are simulators, architectures, samplers",
                  c->arguments[0]);
    else if (!rc)
        rc = describe(c, p, kind, c->arguments[1], a);
    plugins_free(p);
    arena_free(a);
    return rc;
}

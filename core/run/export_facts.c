/* What an exported network is, for whoever opens it without this program. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

static const char *const SCALES[] = {"affine", "log", "log1p", "asinh", "none"};
enum { N_SCALES = sizeof SCALES / sizeof SCALES[0] };

static const char NOTE[] =
    "theta: z = (s - centre) / deviation, s = theta or its logarithm as the parameter's "
    "scale "
    "says.  x: s = log x, log1p x or asinh x as the field's scale says, else x; z = (s - "
    "mean) "
    "* inverse_deviation, clamped to +-10; a field of scale none is z = x.  A row of x "
    "is its "
    "fields behind each other, flattened.  The network maps both z to the log ratio.";

static json_t *texts_json(const nre_values *v, const char *name)
{
    const char *const *texts;
    size_t n = values_strings(v, name, &texts);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

/* As resolved.yaml has it: numbers, switches and lists of numbers are JSON as they are, what is
 * not is a text. */
static json_t *option_json(const instance *i, size_t k, arena *a)
{
    const nre_option *o = plugin_option(i->plugin->table, k);
    if (o->type == NRE_STRING_LIST)
        return texts_json(i->values, o->name);
    const char *text = values_text(i->values, k, a);
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : json_string(text);
}

static json_t *options_json(const instance *i, arena *a)
{
    json_t *options = json_object();
    for (size_t k = 0; k < i->plugin->table->n_options; k++)
        json_object_set_new(options, plugin_option(i->plugin->table, k)->name,
                            option_json(i, k, a));
    return options;
}

static json_t *plugin_json(const instance *i, arena *a)
{
    return json_pack("{s:s, s:s, s:o}", "plugin", i->plugin->table->name, "version",
                     i->plugin->table->version, "options", options_json(i, a));
}

static json_t *parameter_json(const target *t, uint32_t i, arena *a)
{
    const marginal *m = &t->prior->of[t->which[i]];
    double centre, deviation;
    bool by_log = target_natural(t, i, &centre, &deviation);
    return json_pack("{s:s, s:s, s:s, s:f, s:f}", "name", m->name, "prior",
                     marginal_text(m, a), "scale", by_log ? "log" : "affine", "centre",
                     centre, "deviation", deviation);
}

static json_t *target_json(const target *t, arena *a)
{
    json_t *parameters = json_array();
    for (uint32_t i = 0; i < t->n; i++)
        json_array_append_new(parameters, parameter_json(t, i, a));
    return json_pack("{s:s, s:o}", "name", t->name, "parameters", parameters);
}

static json_t *field_json(const nre_field *f, uint8_t scale)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < f->shape.rank; i++)
        json_array_append_new(shape, json_integer(f->shape.dim[i]));
    return json_pack("{s:s, s:o, s:s, s:b}", "name", f->name, "shape", shape, "scale",
                     SCALES[scale < N_SCALES ? scale : NRE_SCALE_NONE], "exchangeable",
                     f->exchangeable != 0);
}

static json_t *floats_json(size_t n, const float *values)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_number((double)values[i]));
    return list;
}

static json_t *x_json(const simulator *s, const scaling *c)
{
    json_t *fields = json_array();
    for (size_t i = 0, at = 0; i < simulator_info(s)->n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        size_t n = 1;
        json_array_append_new(fields, field_json(f, c->scale[at]));
        for (uint32_t k = 0; k < f->shape.rank; k++)
            n *= f->shape.dim[k];
        at += n;
    }
    return json_pack("{s:o, s:o, s:o}", "fields", fields, "mean",
                     floats_json(c->n_x, c->mean), "inverse_deviation",
                     floats_json(c->n_x, c->inverse));
}

static json_t *members_json(const export_request *e)
{
    const char *name = e->session->experiment->train.loss.name;
    const loss *l = loss_find(name);
    json_t *members = json_array();
    for (size_t i = 0; i < e->n; i++)
        json_array_append_new(members,
                              json_integer((json_int_t)e->first + (json_int_t)i));
    return json_pack(
        "{s:o, s:I, s:s, s:s}", "members", members, "of",
        (json_int_t)e->session->experiment->train.ensemble, "loss", name, "output",
        l && l->up_to_x ? "log p(x | theta) / p(x) + f(x)" : "log p(x | theta) / p(x)");
}

/* Add PART, stolen, as one text; false when out of memory. */
static bool add_text(json_t *facts, const char *key, json_t *part)
{
    char *text = part ? json_dumps(part, JSON_COMPACT) : NULL;
    bool ok = text && json_object_set_new(facts, key, json_string(text)) == 0;
    free(text);
    json_decref(part);
    return ok;
}

int export_facts(const export_request *e, json_t **out)
{
    const session *s = e->session;
    arena *a = arena_new();
    json_t *facts = *out = json_pack("{s:s, s:s, s:s}", "format", "nereid network 1",
                                     "nereid", NEREID_VERSION, "note", NOTE);
    bool ok = a && facts;
    ok = ok && add_text(facts, "architecture", plugin_json(s->architecture, a));
    ok = ok && add_text(facts, "simulator", plugin_json(s->simulator_plugin, a));
    ok = ok && add_text(facts, "target", target_json(&s->targets[e->target], a));
    ok = ok && add_text(facts, "x", x_json(s->simulator, e->scalings[0]));
    ok = ok && add_text(facts, "network", members_json(e));
    arena_free(a);
    if (ok)
        return NRE_OK;
    json_decref(facts);
    *out = NULL;
    return fail(NRE_ENOMEM, "no memory for the metadata of a network");
}

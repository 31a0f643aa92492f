/* config/component.c - plugin: + params: against the plugin's own table of options. */
#include "config/config.h"

#include <string.h>

typedef struct component_reader {
    arena *a;
    mistakes *m;
    const plugin *plugin;
    nre_values *values;
    const char *path; /* "architecture" */
} component_reader;

static const nre_option *option_named(const nre_plugin *table, const char *name,
                                      size_t *i)
{
    for (*i = 0; *i < table->n_options; (*i)++)
        if (strcmp(plugin_option(table, *i)->name, name) == 0)
            return plugin_option(table, *i);
    return NULL;
}

static const char *option_hint(const component_reader *r, const char *name)
{
    const nre_plugin *table = r->plugin->table;
    if (table->n_options == 0)
        return "it has no options";
    const char **names = arena_alloc(r->a, table->n_options, sizeof *names), *known = "";
    for (size_t i = 0; names && known && i < table->n_options; i++) {
        names[i] = plugin_option(table, i)->name;
        known = arena_print(r->a, "%s%s%s", known, i ? ", " : "", names[i]);
    }
    if (!names || !known)
        return NULL;
    const char *near = text_nearest(name, table->n_options, names);
    return near ? arena_print(r->a, "did you mean '%s'?  (known: %s)", near, known)
                : arena_print(r->a, "known: %s", known);
}

/* Texts of a scalar or of a list's items; NULL when an item is no scalar. */
static const char *const *items_of(const component_reader *r, const node *c, bool is_path,
                                   size_t *n)
{
    *n = c->kind == NODE_LIST ? c->n : 1;
    const char **items = arena_alloc(r->a, *n + 1, sizeof *items);
    const node *item = c->kind == NODE_LIST ? c->first : c;
    for (size_t i = 0; items && i < *n; i++, item = item->next) {
        if (item->kind != NODE_SCALAR)
            return NULL;
        items[i] = is_path ? path_beside(r->a, c->origin, item->text) : item->text;
    }
    return items;
}

static void set_param(const component_reader *r, const node *c)
{
    const nre_plugin *table = r->plugin->table;
    size_t i = 0, n = 0;
    const nre_option *o = option_named(table, c->key, &i);
    if (c->origin == NODE_WRONG)
        return;
    if (!o) {
        mistake_add(r->m, c->origin, c->key_line, c->key_column, c->key_width,
                    option_hint(r, c->key), "unknown option '%s' of %s '%s' in %s.params",
                    text_shown(r->a, c->key), kind_word((nre_kind)table->kind),
                    table->name, r->path);
        return;
    }
    const char *const *items =
        c->kind == NODE_MAP ? NULL : items_of(r, c, o->type == NRE_PATH, &n);
    if (!items)
        mistake_add(r->m, c->origin, c->line, c->column, c->width, o->help,
                    "%s.params.%s: expected a value or a list of values", r->path,
                    c->key);
    else if (values_set(r->values, c->key, c->kind == NODE_LIST, n, items) != NRE_OK)
        mistake_add(r->m, c->origin, c->line, c->column, c->width, o->help,
                    "%s.params.%s: %s", r->path, c->key, error_message());
}

static bool is_string_type(uint32_t type)
{
    return type == NRE_STRING || type == NRE_CHOICE || type == NRE_PATH ||
           type == NRE_STRING_LIST;
}

/* Option I as a node: its canonical text, but strings as they were SAID (or NULL). */
static node *option_node(const component_reader *r, size_t i, const node *said)
{
    const nre_option *o = plugin_option(r->plugin->table, i);
    const char *text = values_text(r->values, i, r->a);
    bool is_string = is_string_type(o->type);
    node *n = NULL;
    if (!text || (!said && !o->fallback))
        return NULL;
    if (said && is_string)
        n = node_copy(r->a, said);
    else if (tree_parse(r->a, "default", text, strlen(text), r->m, &n) != NRE_OK)
        return NULL;
    if (n && said && o->type == NRE_PATH)
        n->text = path_beside(r->a, said->origin, said->text);
    if (!n)
        return NULL;
    n->origin = said ? said->origin : "default";
    n->line = said ? said->line : 0;
    n->column = said ? said->column : 0;
    n->quoted = is_string;
    for (node *c = n->first; c; c = c->next)
        c->quoted = is_string;
    return n;
}

/* PARAMS becomes the complete list of options in the table's order. */
static void complete_params(const component_reader *r, node *params)
{
    node said = *params;
    params->first = NULL;
    params->n = 0;
    for (size_t i = 0; i < r->plugin->table->n_options; i++) {
        const char *name = plugin_option(r->plugin->table, i)->name;
        node *n = option_node(r, i, node_child(&said, name));
        if (!n)
            continue;
        n->key = name;
        node_append(params, n);
    }
}

/* Of the name; of its map, or of the file, when it is a default. */
static place component_place(const node *map, const node *name)
{
    if (strcmp(name->origin, "default") != 0)
        return (place){name->origin, name->line, name->column};
    const node *at = map;
    while (at->parent && at->key_line == 0)
        at = at->parent;
    return (place){at->origin, at->parent ? at->key_line : 1,
                   at->parent ? at->key_column : 1};
}

int component_load(arena *a, mistakes *m, plugins *p, nre_kind kind, node *map,
                   component *out)
{
    const node *name = node_child(map, "plugin");
    node *params = node_child(map, "params");
    if (!name)
        return NRE_OK; /* missing, and told */
    const place at = component_place(map, name);
    *out = (component){.name = name->text, .where = at};
    if (!p || !node_usable(name))
        return NRE_OK;
    int status = plugin_load(p, kind, name->text, &out->plugin);
    if (status != NRE_OK) {
        mistake_add(m, at.origin, at.line, at.column, name->width, NULL, "%s",
                    error_message());
        return status;
    }
    component_reader r = {a, m, out->plugin, NULL, node_path(map, a)};
    status = values_new(out->plugin, a, &r.values);
    if (status != NRE_OK || !params)
        return status;
    size_t before = mistakes_count(m);
    for (const node *c = params->first; c; c = c->next)
        set_param(&r, c);
    if (mistakes_count(m) == before && values_complete(r.values) != NRE_OK)
        mistake_add(m, name->origin, name->line, name->column, name->width, NULL,
                    "%s.params: %s", r.path, error_message());
    out->values = r.values;
    if (mistakes_count(m) == before)
        complete_params(&r, params);
    return NRE_OK;
}

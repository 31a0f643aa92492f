/* config/merge.c - `extends:` and --set: one tree over another. */
#include "config/config.h"

#include <string.h>

static const char *plugin_name(const schema_key *k, const node *map)
{
    const node *said = node_child(map, "plugin");
    return said && said->kind == NODE_SCALAR ? said->text : k->fallback;
}

/* Another plugin has other options. */
static void drop_params(const schema_key *parent, node *base, const node *child)
{
    const schema_key *k = schema_below(parent, "plugin");
    node *params = node_child(base, "params");
    if (!k || k->type != KEY_PLUGIN || !params || !node_child(child, "plugin"))
        return;
    const char *before = plugin_name(k, base), *after = plugin_name(k, child);
    if (!before || !after || strcmp(before, after) != 0)
        node_remove(base, params);
}

/* What the child says drops what cannot stand beside it. */
static void drop_excluded(const schema_key *k, node *base, const node *child)
{
    for (const node *c = child->first; c; c = c->next) {
        const schema_key *said = schema_below(k, c->key);
        for (node *b = base->first, *next; said && said->excludes && b; b = next) {
            next = b->next;
            if (choices_have(said->excludes, b->key))
                node_remove(base, b);
        }
    }
}

node *tree_merge(const schema_key *k, node *base, node *child, const node *replace)
{
    bool whole = child == replace || (k && (k->type == KEY_PRIOR || k->type == KEY_AXIS));
    if (whole || base->kind != NODE_MAP || child->kind != NODE_MAP)
        return child;
    bool known = !k || k->type != KEY_PARAMS;
    if (known && k)
        drop_params(k, base, child);
    if (known)
        drop_excluded(k, base, child);
    for (node *c = child->first, *next; c; c = next) {
        next = c->next;
        const schema_key *below = known ? schema_below(k, c->key) : k;
        node *old = node_child(base, c->key), *new = c;
        if (old && (below || c == replace))
            new = tree_merge(below, old, c, replace);
        if (new == old)
            continue;
        if (old)
            node_remove(base, old);
        node_append(base, new);
    }
    return base;
}

/* --set */

static const char *value_of(const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    return equals ? equals + 1 : "";
}

static void unknown_path(arena *a, mistakes *m, const char *option, const char *origin,
                         const char *path, const schema_key *parent, const char *name,
                         const char *rest, const char *assignment)
{
    const char *near = NULL, *hint = schema_hint(parent, name, a, &near);
    if (!near)
        mistake_add(m, origin, 0, 0, 0, hint, "no key '%s'", path);
    else
        mistake_add(m, origin, 0, 0, 0, NULL, "no key '%s'; did you mean: %s %s%s=%s",
                    path, option, near, rest, value_of(assignment));
}

/* Nodes for the words of PATH, all known to the schema; *LEAF is the innermost, without
 * value. */
static node *path_nodes(arena *a, mistakes *m, const char *option, const char *origin,
                        const char *path, const char *assignment, node **leaf)
{
    node like = {.origin = origin, .line = 1, .column = 1};
    node *root = node_new(a, NODE_MAP, &like), *at = root;
    const schema_key *k = NULL;
    for (const char *word = path; root;) {
        size_t n = strcspn(word, ".");
        like.key = arena_print(a, "%.*s", (int)n, word);
        if (!like.key)
            break;
        const schema_key *below =
            k && k->type == KEY_PARAMS ? k : schema_below(k, like.key);
        if (!below || n == 0) {
            unknown_path(a, m, option, origin, path, k, like.key, word + n, assignment);
            return NULL;
        }
        k = below;
        node *child = node_new(a, NODE_MAP, &like);
        if (!child)
            break;
        node_append(at, child);
        at = child;
        if (word[n] == '\0') {
            *leaf = at;
            return root;
        }
        word += n + 1;
    }
    fail(NRE_ENOMEM, "no memory for %s", option);
    return NULL;
}

int path_value_parse(arena *a, mistakes *m, const char *option, const char *text,
                     path_value *out)
{
    const char *origin = arena_print(a, "%s %s", option, text_shown(a, text));
    const char *equals = strchr(text, '=');
    *out = (path_value){.origin = origin};
    if (!origin)
        return fail(NRE_ENOMEM, "no memory for %s", option);
    if (!equals) {
        mistake_add(m, origin, 0, 0, 0, NULL, "expected PATH=VALUE, as in %s",
                    strcmp(option, "--sweep") ? "train.epochs=5"
                                              : "train.epochs=[5, 50]");
        return NRE_OK;
    }
    node *leaf = NULL, *value = NULL;
    out->path = arena_print(a, "%.*s", (int)(equals - text), text);
    node *root =
        out->path ? path_nodes(a, m, option, origin, out->path, text, &leaf) : NULL;
    int status =
        root ? tree_parse(a, origin, equals + 1, strlen(equals + 1), m, &value) : NRE_OK;
    if (!root || status != NRE_OK)
        return status == NRE_ENOMEM ? status : NRE_OK;
    node *above = leaf->parent;
    value->key = leaf->key;
    node_remove(above, leaf);
    node_append(above, value);
    out->root = root;
    out->value = value;
    return NRE_OK;
}

int tree_set(arena *a, mistakes *m, const char *text, node **root)
{
    path_value said;
    int status = path_value_parse(a, m, "--set", text, &said);
    if (status == NRE_OK && said.root)
        *root = tree_merge(NULL, *root, said.root, said.value);
    return status;
}

/* config/resolve.c - a tree against the schema: every key with its value, in canonical
 * form. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

typedef struct resolver {
    arena *a;
    mistakes *m;
    const node *root;
    unsigned replacing; /* > 0: below a value whose mistake has been told */
} resolver;

static const char DEFAULT[] = "default";

static node *resolve(resolver *r, const schema_key *k, const node *said);

const char *real_text(arena *a, double value)
{
    char text[40];
    double back = 0;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        char *comma = strchr(text, ',');
        if (comma)
            *comma = '.'; /* some locales */
        if (text_to_real(text, &back) && back == value)
            break;
    }
    const char *copy = arena_copy(a, text);
    return copy ? copy : "";
}

bool node_usable(const node *n)
{
    return n && n->origin != NODE_WRONG;
}

/* telling */

static const char *found_text(const resolver *r, const node *n)
{
    const char *path = node_path(n, r->a), *text;
    if (*path == '\0')
        path = "the config";
    if (n->kind == NODE_MAP)
        text = arena_print(r->a, "%s is a map", path);
    else if (n->kind == NODE_LIST)
        text = arena_print(r->a, "%s is a list", path);
    else if (n->quoted)
        text = arena_print(r->a, "%s = \"%s\"", path, text_shown(r->a, n->text));
    else if (*n->text == '\0')
        text = arena_print(r->a, "%s is empty", path);
    else
        text = arena_print(r->a, "%s = %s", path, text_shown(r->a, n->text));
    return text ? text : path;
}

/* Returns NULL, so that a caller can return what it returns. */
static node *wrong(resolver *r, const node *n, const char *expected, const char *hint)
{
    if (n->origin != NODE_WRONG)
        mistake_add(r->m, n->origin, n->line, n->column, n->width, hint,
                    "%s, expected %s", found_text(r, n), expected);
    return NULL;
}

static node *wrong_type(resolver *r, const schema_key *k, const node *n)
{
    return wrong(r, n, key_expects(k, r->a), NULL);
}

/* scalars */

static node *scalar(resolver *r, const node *like, const char *text, bool is_string)
{
    node *n = node_new(r->a, NODE_SCALAR, like);
    if (!n)
        return NULL;
    n->text = text ? text : "";
    n->quoted = is_string;
    return n;
}

static bool is_word(const node *n)
{
    return n->kind == NODE_SCALAR && *n->text;
}

static node *resolve_string(resolver *r, const schema_key *k, const node *said)
{
    if (!is_word(said))
        return wrong_type(r, k, said);
    return scalar(r, said, said->text, true);
}

static const char *choice_hint(resolver *r, const char *choices, const char *word)
{
    size_t n = 0;
    const char *const *list = choices_list(choices, r->a, &n);
    const char *near = text_nearest(word, n, list);
    return near ? arena_print(r->a, "did you mean '%s'?", near) : NULL;
}

static node *resolve_choice(resolver *r, const schema_key *k, const node *said)
{
    if (!is_word(said))
        return wrong_type(r, k, said);
    if (!choices_have(k->choices, said->text))
        return wrong(r, said, key_expects(k, r->a),
                     choice_hint(r, k->choices, said->text));
    return scalar(r, said, said->text, true);
}

static node *resolve_bool(resolver *r, const schema_key *k, const node *said)
{
    if (said->kind != NODE_SCALAR || said->quoted ||
        !choices_have("true|false", said->text))
        return wrong_type(r, k, said);
    return scalar(r, said, said->text, false);
}

static node *resolve_int(resolver *r, const schema_key *k, const node *said)
{
    int64_t value = 0;
    if (said->kind != NODE_SCALAR || said->quoted || !text_to_int(said->text, &value) ||
        (double)value < k->lo || (double)value > k->hi)
        return wrong_type(r, k, said);
    return scalar(r, said, arena_print(r->a, "%lld", (long long)value), false);
}

static bool in_range(const schema_key *k, double value)
{
    if (!(k->lo < k->hi))
        return true;
    bool above = k->flags & KEY_OPEN_LO ? value > k->lo : value >= k->lo;
    bool below = k->flags & KEY_OPEN_HI ? value < k->hi : value <= k->hi;
    return above && below;
}

static node *resolve_real(resolver *r, const schema_key *k, const node *said)
{
    double value = 0;
    schema_key one = *k;
    one.type = KEY_REAL;
    if (said->kind != NODE_SCALAR || said->quoted || !text_to_real(said->text, &value))
        return wrong_type(r, &one, said);
    if (in_range(k, value))
        return scalar(r, said, real_text(r->a, value), false);
    const char *hint = NULL; /* a percentage where a fraction is meant */
    if (k->lo >= 0 && k->hi == 1 && value >= 2 && in_range(k, value / 100))
        hint = arena_print(r->a, "did you mean %s?", real_text(r->a, value / 100));
    return wrong(r, said, key_expects(&one, r->a), hint);
}

/* lists */

/* The same list with items resolved by ITEM; NULL when any of them is wrong. */
static node *resolve_items(resolver *r, const schema_key *k, const node *said,
                           node *item(resolver *r, const schema_key *k, const node *said))
{
    if (said->kind != NODE_LIST || said->n == 0)
        return wrong_type(r, k, said);
    node *list = node_new(r->a, NODE_LIST, said);
    bool right = list != NULL;
    for (const node *c = said->first; list && c; c = c->next) {
        node *one = item(r, k, c);
        right = right && one;
        if (one)
            node_append(list, one);
    }
    return right ? list : NULL;
}

static node *refuse_twins(resolver *r, const node *said, node *list)
{
    const node *raw = said->first;
    for (const node *c = list ? list->first : NULL; c; c = c->next, raw = raw->next)
        for (const node *d = list->first; d != c; d = d->next)
            if (strcmp(c->text, d->text) == 0) {
                mistake_add(r->m, raw->origin, raw->line, raw->column, raw->width, NULL,
                            "%s: %s twice", node_path(said, r->a),
                            text_shown(r->a, c->text));
                return NULL;
            }
    return list;
}

static node *resolve_reals(resolver *r, const schema_key *k, const node *said)
{
    node *list = resolve_items(r, k, said, resolve_real);
    return k->flags & KEY_REPEATS ? list : refuse_twins(r, said, list);
}

static node *resolve_words(resolver *r, const schema_key *k, const node *said)
{
    schema_key one = *k;
    one.type = KEY_WORD;
    if (said->kind != NODE_LIST || said->n == 0)
        return wrong_type(r, k, said);
    return refuse_twins(r, said, resolve_items(r, &one, said, resolve_choice));
}

/* files */

/* Absolute: relative paths are relative to the file that says them, or to where a command
 * line was given. */
static const char *absolute_path(arena *a, const char *origin, const char *path)
{
    bool in_file = strncmp(origin, "--", 2) != 0;
    const char *folder = in_file ? path_folder(a, origin) : ".";
    char *real = folder ? realpath(folder, NULL) : NULL;
    const char *joined = real ? path_join(a, real, path) : path;
    free(real);
    return joined ? joined : path;
}

static node *resolve_file(resolver *r, const schema_key *k, const node *said)
{
    if (!is_word(said))
        return wrong_type(r, k, said);
    const char *path = absolute_path(r->a, said->origin, said->text);
    if (file_exists(path))
        return scalar(r, said, path, true);
    if (k->type == KEY_DATA_FILE)
        return scalar(r, said, said->text, true);
    mistake_add(r->m, said->origin, said->line, said->column, said->width,
                arena_print(r->a, "looked for %s", path), "%s: there is no file '%s'",
                node_path(said, r->a), text_shown(r->a, said->text));
    return NULL;
}

const char *path_beside(arena *a, const char *origin, const char *path)
{
    const char *full = absolute_path(a, origin, path);
    return file_exists(full) ? full : path;
}

/* priors */

static const prior_family *family_named(const char *name)
{
    size_t n = 0;
    const prior_family *families = prior_families(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}

static const prior_family *family_of(resolver *r, const schema_key *k, const node *said)
{
    size_t n = 0;
    const prior_family *families = prior_families(&n), *found;
    if (said->kind != NODE_MAP || said->n != 1) {
        wrong_type(r, k, said);
        return NULL;
    }
    const node *c = said->first;
    if ((found = family_named(c->key)))
        return found;
    const char *names[16], *known = "";
    for (size_t i = 0; i < n && known; i++) {
        names[i] = families[i].name;
        known = arena_print(r->a, "%s%s%s", known, i ? ", " : "", names[i]);
    }
    const char *near = text_nearest(c->key, n, names);
    const char *hint =
        near ? arena_print(r->a, "did you mean '%s'?  (known: %s)", near, known)
             : arena_print(r->a, "known: %s", known);
    mistake_add(r->m, c->origin, c->key_line, c->key_column, c->key_width, hint,
                "%s: no prior family '%s'", node_path(said, r->a),
                text_shown(r->a, c->key));
    return NULL;
}

/* Argument I, which a map gives by name. */
static const node *argument(const node *said, const char *name, size_t i)
{
    if (said->kind == NODE_MAP)
        return node_child(said, name);
    const node *c = said->first;
    while (c && i-- > 0)
        c = c->next;
    return c;
}

static node *wrong_arguments(resolver *r, const prior_family *f, const node *said)
{
    mistake_add(r->m, said->origin, said->line, said->column, said->width, NULL,
                "%s: expected %s", node_path(said, r->a), prior_usage(f, r->a));
    return NULL;
}

/* Canonical list of the arguments, in VALUE [4] too; NULL when they do not fit the
 * family. */
static node *resolve_arguments(resolver *r, const prior_family *f, const node *said,
                               double *value)
{
    size_t n = 0;
    const char *const *names = choices_list(f->arguments, r->a, &n);
    const schema_key any = {.path = "", .type = KEY_REAL};
    if (said->kind == NODE_SCALAR || (said->n != n && said->n != f->n_least))
        return wrong_arguments(r, f, said);
    node *list = node_new(r->a, NODE_LIST, said);
    for (size_t i = 0; list && i < said->n; i++) {
        const node *c = argument(said, names[i], i);
        if (!c)
            return wrong_arguments(r, f, said);
        node *one = resolve_real(r, &any, c);
        if (!one)
            return NULL;
        one->key = NULL;
        node_append(list, one);
        text_to_real(one->text, &value[i]);
    }
    return list;
}

/* What is wrong with the arguments, or NULL. */
static const char *argument_problem(const prior_family *f, size_t n, const double *v)
{
    switch (f->prior) {
    case NRE_LOG_UNIFORM:
        if (!(v[0] > 0))
            return "low must be above 0";
        return v[0] < v[1] ? NULL : "low must be below high";
    case NRE_UNIFORM:
        return v[0] < v[1] ? NULL : "low must be below high";
    case NRE_TRUNCATED_NORMAL:
        if (!(v[2] < v[3]))
            return "lo must be below hi";
        return v[1] > 0 ? NULL : "sd must be above 0";
    case NRE_NORMAL:
        return v[1] > 0 ? NULL : "sd must be above 0";
    case NRE_LOG_NORMAL:
        return v[1] > 0 ? NULL : "sigma must be above 0";
    case NRE_HALF_NORMAL:
    case NRE_HALF_CAUCHY:
        return v[0] > 0 ? NULL : "scale must be above 0";
    case NRE_GAMMA:
        return v[0] > 0 && v[1] > 0 ? NULL : "shape and scale must be above 0";
    default:
        if (!(v[0] > 0 && v[1] > 0))
            return "a and b must be above 0";
        return n < 4 || v[2] < v[3] ? NULL : "lo must be below hi";
    }
}

static node *resolve_prior(resolver *r, const schema_key *k, const node *said)
{
    const prior_family *f = family_of(r, k, said);
    if (!f)
        return NULL;
    const node *raw = said->first;
    double value[4] = {0};
    node *list = resolve_arguments(r, f, raw, value);
    if (!list)
        return NULL;
    const char *problem = argument_problem(f, list->n, value);
    if (problem) {
        mistake_add(r->m, raw->origin, raw->line, raw->column, raw->width, NULL, "%s: %s",
                    node_path(raw, r->a), problem);
        return NULL;
    }
    node *map = node_new(r->a, NODE_MAP, said);
    if (map)
        node_append(map, list);
    return map;
}

/* targets */

static node *target_name(resolver *r, const schema_key *k, const node *said)
{
    (void)k;
    if (!is_word(said))
        return wrong(r, said, "the name of a parameter", NULL);
    if (!said->quoted && strcmp(said->text, "all") == 0)
        return wrong(r, said, "the name of a parameter", "all is a target of its own");
    return scalar(r, said, said->text, true);
}

/* One target: `all` or a list of names. */
static node *resolve_target(resolver *r, const schema_key *k, const node *said)
{
    if (said->kind == NODE_SCALAR && strcmp(said->text, "all") == 0)
        return scalar(r, said, said->text, true);
    if (said->kind == NODE_LIST)
        return refuse_twins(r, said, resolve_items(r, k, said, target_name));
    node *name = target_name(r, k, said),
         *list = name ? node_new(r->a, NODE_LIST, said) : NULL;
    if (list)
        node_append(list, name);
    return list;
}

static bool target_has(const node *target, const char *name)
{
    for (const node *c = target->first; c; c = c->next)
        if (strcmp(c->text, name) == 0)
            return true;
    return false;
}

static bool same_target(const node *a, const node *b)
{
    if (a->kind != b->kind || a->n != b->n)
        return false;
    for (const node *c = a->first; c; c = c->next)
        if (!target_has(b, c->text))
            return false;
    return true;
}

static bool is_list_of_targets(const node *said)
{
    for (const node *c = said->first; c; c = c->next)
        if (c->kind == NODE_LIST ||
            (c->kind == NODE_SCALAR && strcmp(c->text, "all") == 0))
            return true;
    return false;
}

/* Canonical: a list of targets, [[a, b], all]. */
static node *resolve_targets(resolver *r, const schema_key *k, const node *said)
{
    if (said->kind == NODE_LIST && is_list_of_targets(said)) {
        node *list = resolve_items(r, k, said, resolve_target);
        for (const node *c = list ? list->first : NULL; c; c = c->next)
            for (const node *d = list->first; d != c; d = d->next)
                if (same_target(c, d)) {
                    mistake_add(r->m, c->origin, c->line, c->column, c->width, NULL,
                                "%s: the same target twice", node_path(said, r->a));
                    return NULL;
                }
        return list;
    }
    if (said->kind == NODE_MAP || (said->kind == NODE_LIST && said->n == 0))
        return wrong_type(r, k, said);
    node *one = resolve_target(r, k, said),
         *list = one ? node_new(r->a, NODE_LIST, said) : NULL;
    if (list)
        node_append(list, one);
    return list;
}

/* maps */

static bool is_empty(const node *n)
{
    return n->kind == NODE_SCALAR && *n->text == '\0' && !n->quoted;
}

static node *resolve_params(resolver *r, const schema_key *k, const node *said)
{
    if (said->kind != NODE_MAP && !is_empty(said))
        return wrong_type(r, k, said);
    return said->kind == NODE_MAP ? node_copy(r->a, said)
                                  : node_new(r->a, NODE_MAP, said);
}

static const node *said_among(const char *names, const node *map)
{
    for (const node *c = map ? map->first : NULL; c && names; c = c->next)
        if (choices_have(names, c->key))
            return c;
    return NULL;
}

static void tell_missing(resolver *r, const schema_key *k, const node *map,
                         const char *parent)
{
    const char *example = k->example ? k->example : k->fallback;
    const char *path =
        arena_print(r->a, "%s%s%s", parent, *parent ? "." : "", key_name(k));
    const char *hint = NULL;
    if (r->replacing > 0)
        return;
    if (example && !*parent)
        hint = arena_print(r->a, "add: %s: %s", key_name(k), example);
    if (map->key)
        mistake_add(r->m, map->origin, map->key_line, map->key_column, map->key_width,
                    hint, "missing key '%s'", path);
    else if (map->parent)
        mistake_add(r->m, map->origin, map->line, map->column, map->width, hint,
                    "missing key '%s'", path);
    else
        mistake_add(r->m, r->root->origin, 1, 1, 0, hint, "missing key '%s'", path);
}

static bool stands_after(const node *n, const node *other)
{
    while (other && other != n)
        other = other->next;
    return other == n;
}

/* Value of one key of MAP: said, default, or none; tells what cannot stand together. */
static node *resolve_child(resolver *r, const schema_key *k, const node *map,
                           const char *parent)
{
    const node *said = node_child(map, key_name(k)),
               *other = said_among(k->excludes, map);
    bool alone = k->needs && !said_among(k->needs, map);
    if (said && other && stands_after(said, other))
        mistake_add(r->m, said->origin, said->key_line, said->key_column, said->key_width,
                    NULL, "%s: give either '%s' or '%s'", parent, other->key, said->key);
    if (said && alone)
        mistake_add(r->m, said->origin, said->key_line, said->key_column, said->key_width,
                    NULL, "%s: '%s' needs beside it: %s", parent, said->key,
                    choices_text(k->needs, r->a));
    if (!said && (other || alone))
        return NULL;
    if (!said && (k->flags & KEY_REQUIRED))
        tell_missing(r, k, map, parent);
    return resolve(r, k, said);
}

static void tell_unknown(resolver *r, const schema_key *k, const node *said,
                         const node *c)
{
    const char *near = NULL, *path = node_path(said, r->a);
    mistake_add(r->m, c->origin, c->key_line, c->key_column, c->key_width,
                schema_hint(k, c->key, r->a, &near), "unknown key '%s'%s%s",
                text_shown(r->a, c->key), *path ? " in " : "", path);
}

static void adopt(node *map, node *child, const char *name, const node *said)
{
    child->key = name;
    if (said) {
        child->key_line = said->key_line;
        child->key_column = said->key_column;
        child->key_width = said->key_width;
    }
    node_append(map, child);
}

static node *resolve_map(resolver *r, const schema_key *k, const node *said)
{
    node nothing = {.kind = NODE_MAP, .origin = DEFAULT};
    if (said && said->kind != NODE_MAP && !is_empty(said))
        return wrong_type(r, k, said);
    if (!said)
        said = &nothing;
    node *map = node_new(r->a, NODE_MAP, said);
    if (!map)
        return NULL;
    const char *path = said->parent ? node_path(said, r->a) : k ? k->path : "";
    size_t n = 0;
    const schema_key *keys = schema_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if (!schema_is_below(&keys[i], k))
            continue;
        node *child = resolve_child(r, &keys[i], said, path);
        if (child)
            adopt(map, child, key_name(&keys[i]), node_child(said, key_name(&keys[i])));
    }
    for (const node *c = said->first; c; c = c->next)
        if (!schema_below(k, c->key))
            tell_unknown(r, k, said, c);
    return map;
}

static node *resolve_names(resolver *r, const schema_key *k, const node *said)
{
    if (said && said->kind != NODE_MAP && !is_empty(said))
        return wrong_type(r, k, said);
    node nothing = {.kind = NODE_MAP, .origin = DEFAULT};
    node *map = node_new(r->a, NODE_MAP, said ? said : &nothing);
    for (const node *c = said ? said->first : NULL; map && c; c = c->next) {
        node *child = resolve(r, schema_below(k, "*"), c);
        if (child)
            adopt(map, child, c->key, c);
    }
    return map;
}

static node *resolve_map_of_list(resolver *r, const schema_key *k, const node *said)
{
    return said->kind == NODE_MAP || is_empty(said) ? resolve_map(r, k, said)
                                                    : wrong(r, said, "a map", NULL);
}

/* Canonical: a list of maps; none of them is an empty list. */
static node *resolve_maps(resolver *r, const schema_key *k, const node *said)
{
    if (said && said->kind == NODE_LIST)
        return said->n > 0 ? resolve_items(r, k, said, resolve_map_of_list)
                           : node_new(r->a, NODE_LIST, said);
    if (!said || said->kind != NODE_MAP)
        return said ? wrong_type(r, k, said) : NULL;
    node *one = resolve_map(r, k, said), *list = node_new(r->a, NODE_LIST, said);
    if (one && list) {
        one->key = NULL;
        node_append(list, one);
    }
    return one ? list : NULL;
}

static node *resolve_switch(resolver *r, const schema_key *k, const node *said)
{
    bool is_bool = said && said->kind == NODE_SCALAR && !said->quoted &&
                   choices_have("true|false", said->text);
    if (is_bool && strcmp(said->text, "false") == 0)
        return scalar(r, said, "false", false);
    node *n = resolve_map(r, k, is_bool ? NULL : said);
    if (n && is_bool) { /* `true` was said, if no more */
        n->origin = said->origin;
        n->line = said->line;
        n->column = said->column;
    }
    return n;
}

/* Label: overlay, each a map as it was said; nothing is an empty one. */
static node *resolve_axis(resolver *r, const schema_key *k, const node *said)
{
    if (said->kind != NODE_MAP)
        return wrong_type(r, k, said);
    if (said->n == 0) {
        mistake_add(r->m, said->origin, said->line, said->column, said->width, NULL,
                    "%s has no labels", node_path(said, r->a));
        return NULL;
    }
    node *axis = node_new(r->a, NODE_MAP, said);
    for (const node *c = said->first; axis && c; c = c->next) {
        bool is_map = c->kind == NODE_MAP;
        node *one = is_map ? node_copy(r->a, c) : node_new(r->a, NODE_MAP, c);
        if (!is_map && !is_empty(c))
            wrong(r, c, "a map of what this label changes", NULL);
        if (one)
            node_append(axis, one);
    }
    return axis;
}

/* any key */

static node *resolve_value(resolver *r, const schema_key *k, const node *said)
{
    switch (k->type) {
    case KEY_STRING:
    case KEY_PLUGIN:
        return resolve_string(r, k, said);
    case KEY_WORD:
    case KEY_CHOICE:
    case KEY_FLAG:
        return resolve_choice(r, k, said);
    case KEY_BOOL:
        return resolve_bool(r, k, said);
    case KEY_INT:
        return resolve_int(r, k, said);
    case KEY_REAL:
        return resolve_real(r, k, said);
    case KEY_REALS:
        return resolve_reals(r, k, said);
    case KEY_WORDS:
        return resolve_words(r, k, said);
    case KEY_FILE:
    case KEY_DATA_FILE:
        return resolve_file(r, k, said);
    case KEY_PRIOR:
        return resolve_prior(r, k, said);
    case KEY_TARGETS:
        return resolve_targets(r, k, said);
    case KEY_AXIS:
        return resolve_axis(r, k, said);
    case KEY_PARAMS:
        return resolve_params(r, k, said);
    case KEY_MAP:
        return resolve_map(r, k, said);
    case KEY_SWITCH:
        return resolve_switch(r, k, said);
    case KEY_NAMES:
        return resolve_names(r, k, said);
    case KEY_MAPS:
        return resolve_maps(r, k, said);
    }
    return NULL;
}

static node *fallback(resolver *r, const schema_key *k)
{
    bool is_map = k->type == KEY_MAP || k->type == KEY_SWITCH || k->type == KEY_NAMES;
    if (is_map)
        return k->flags & KEY_OPTIONAL ? NULL : resolve_value(r, k, NULL);
    node *said = NULL;
    if (!k->fallback || tree_parse(r->a, DEFAULT, k->fallback, strlen(k->fallback), r->m,
                                   &said) != NRE_OK)
        return NULL;
    node *n = resolve_value(r, k, said);
    if (n) {
        n->line = n->column = n->width = 0;
        n->origin = DEFAULT;
    }
    return n;
}

/* Value of K: what was SAID (or NULL), else its default, else NULL.  What takes the place
 * of a mistake is marked. */
static node *resolve(resolver *r, const schema_key *k, const node *said)
{
    node *n = said && said->origin != NODE_WRONG ? resolve_value(r, k, said) : NULL;
    if (n)
        return n;
    r->replacing += said != NULL;
    n = fallback(r, k);
    r->replacing -= said != NULL;
    if (n && said)
        n->origin = NODE_WRONG;
    return n;
}

int tree_resolve(arena *a, mistakes *m, const node *said, node **out)
{
    resolver r = {a, m, said, 0};
    bool is_map = said->kind == NODE_MAP || is_empty(said);
    if (!is_map)
        wrong(&r, said, "a map of keys and values", "begin it with: schema: nereid/1");
    r.replacing = !is_map;
    *out = resolve_map(&r, NULL, is_map ? said : NULL);
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the config");
}

int tree_resolve_key(arena *a, mistakes *m, const schema_key *k, const node *said,
                     node **out)
{
    resolver r = {a, m, said, 0};
    *out = resolve(&r, k, said);
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for the config");
}

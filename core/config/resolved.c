/* config/resolved.c - an experiment as YAML, where its values came from, and what stages
 * depend on. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

/* YAML */

/* A string that reads back as itself without quotes. */
static bool is_plain(const char *text)
{
    static const char SAFE[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.+-";
    bool starts = *text && !strchr("-.+", *text);
    return starts && strspn(text, SAFE) == strlen(text);
}

/* One character of UTF-8; a byte that is none counts as the character of its number. */
static uint32_t code_point(const unsigned char *s, size_t *length)
{
    static const struct {
        unsigned char mask, mark;
    } LEAD[] = {{0x80, 0x00}, {0xe0, 0xc0}, {0xf0, 0xe0}, {0xf8, 0xf0}};
    *length = 1;
    for (size_t n = 0; n < 4; n++) {
        if ((s[0] & LEAD[n].mask) != LEAD[n].mark)
            continue;
        uint32_t code = s[0] & (unsigned char)~LEAD[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return s[0];
            code = code << 6 | (s[i] & 0x3f);
        }
        *length = n + 1;
        return code;
    }
    return s[0];
}

/* Double quotes; all but printable ASCII escaped, since line breaks of Unicode would be
 * folded. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t length;
        uint32_t code = code_point(s, &length);
        if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (int)code);
        else if (code >= ' ' && code < 0x7f)
            fputc((int)code, out);
        else
            fprintf(out,
                    code <= 0xff     ? "\\x%02X"
                    : code <= 0xffff ? "\\u%04X"
                                     : "\\U%08X",
                    code);
        s += length;
    }
    fputc('"', out);
}

static void put_string(FILE *out, const char *text)
{
    if (is_plain(text))
        fputs(text, out);
    else
        put_quoted(out, text);
}

static void put_flow(FILE *out, const node *n)
{
    if (n->kind == NODE_SCALAR && n->quoted)
        put_string(out, n->text);
    else if (n->kind == NODE_SCALAR)
        fputs(n->text, out);
    else
        fputc(n->kind == NODE_LIST ? '[' : '{', out);
    for (const node *c = n->first; c; c = c->next) {
        if (n->kind == NODE_MAP) {
            put_string(out, c->key);
            fputs(": ", out);
        }
        put_flow(out, c);
        fputs(c->next ? ", " : "", out);
    }
    if (n->kind != NODE_SCALAR)
        fputc(n->kind == NODE_LIST ? ']' : '}', out);
}

static void put_map(FILE *out, const node *map, int indent)
{
    for (const node *c = map->first; c; c = c->next) {
        fprintf(out, "%*s", indent, "");
        put_string(out, c->key);
        fputc(':', out);
        if (c->kind == NODE_MAP && c->n > 0) {
            fputc('\n', out);
            put_map(out, c, indent + 2);
        } else {
            fputc(' ', out);
            put_flow(out, c);
            fputc('\n', out);
        }
    }
}

const char *experiment_text(const experiment *e, arena *a)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (out)
        put_map(out, e->tree, 0);
    const char *copy = out && fclose(out) == 0 ? arena_copy(a, text) : NULL;
    free(text);
    return copy;
}

int experiment_write_resolved(const experiment *e, const char *path)
{
    arena *a = arena_new();
    const char *text = a ? experiment_text(e, a) : NULL;
    int status = text ? file_write(path, text, strlen(text))
                      : fail(NRE_ENOMEM, "no memory for %s", path);
    arena_free(a);
    return status;
}

/* leaves: whatever is no map with keys */

typedef int leaf_visitor(void *context, const node *leaf, const char *path);

static int visit_leaves(const node *map, arena *a, leaf_visitor *visit, void *context)
{
    int status = NRE_OK;
    for (const node *c = map->first; c && status == NRE_OK; c = c->next) {
        bool is_prior = c->kind == NODE_MAP && strcmp(c->key, "prior") == 0;
        if (c->kind == NODE_MAP && !is_prior)
            status = visit_leaves(c, a, visit, context);
        else
            status = visit(context, c, node_path(c, a));
    }
    return status;
}

/* origins.json */

static json_t *json_of(const node *n)
{
    double value = 0;
    int64_t whole = 0;
    if (n->kind == NODE_SCALAR && n->quoted)
        return json_string(n->text);
    if (n->kind == NODE_SCALAR && (!strcmp(n->text, "true") || !strcmp(n->text, "false")))
        return json_boolean(n->text[0] == 't');
    if (n->kind == NODE_SCALAR && !strpbrk(n->text, ".eE") &&
        text_to_int(n->text, &whole))
        return json_integer(whole);
    if (n->kind == NODE_SCALAR)
        return text_to_real(n->text, &value) ? json_number(value) : json_string(n->text);
    json_t *all = n->kind == NODE_LIST ? json_array() : json_object();
    for (const node *c = n->first; all && c; c = c->next) {
        if (n->kind == NODE_LIST)
            json_array_append_new(all, json_of(c));
        else
            json_object_set_new(all, c->key, json_of(c));
    }
    return all;
}

typedef struct origins {
    json_t *all;
    arena *a;
} origins;

static int add_origin(void *context, const node *leaf, const char *path)
{
    origins *o = context;
    const char *from = leaf->origin;
    if (leaf->line > 0 && strncmp(from, "--", 2) != 0)
        from = arena_print(o->a, "%s:%zu:%zu", leaf->origin, leaf->line, leaf->column);
    json_t *entry = json_object();
    bool right = entry && json_object_set_new(entry, "value", json_of(leaf)) == 0 &&
                 json_object_set_new(entry, "from", json_string(from ? from : "")) == 0;
    if (!right) {
        json_decref(entry);
        return fail(NRE_EINTERNAL, "%s: cannot be written as JSON", path);
    }
    return json_object_set_new(o->all, path, entry) == 0
               ? NRE_OK
               : fail(NRE_EINTERNAL, "%s: cannot be written as JSON", path);
}

int experiment_write_origins(const experiment *e, const char *path)
{
    origins o = {json_object(), arena_new()};
    int status = o.all && o.a ? visit_leaves(e->tree, o.a, add_origin, &o)
                              : fail(NRE_ENOMEM, "no memory for %s", path);
    if (status == NRE_OK)
        status = json_save(path, o.all);
    json_decref(o.all);
    arena_free(o.a);
    return status;
}

/* inputs of stages */

typedef struct inputs {
    arena *a;
    size_t n_prefixes;
    const char *const *prefixes;
    size_t n;
    const char **lines; /* [MAX_LEAVES] */
} inputs;

enum { MAX_LEAVES = 20000 };

static bool is_below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 && (path[n] == '\0' || path[n] == '.' || n == 0);
}

/* Itself or one of the maps it is in changes no result. */
static bool is_quiet(const char *path, arena *a)
{
    char *above = arena_copy(a, path);
    while (above) {
        const schema_key *k = schema_find(above);
        if (k && (k->flags & KEY_QUIET))
            return true;
        char *dot = strrchr(above, '.');
        if (!dot)
            return false;
        *dot = '\0';
    }
    return false;
}

static const char *flow_text(const node *n, arena *a)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out)
        put_flow(out, n);
    const char *copy = out && fclose(out) == 0 ? arena_copy(a, text) : NULL;
    free(text);
    return copy;
}

static int add_input(void *context, const node *leaf, const char *path)
{
    inputs *in = context;
    bool wanted = false;
    for (size_t i = 0; i < in->n_prefixes; i++)
        wanted = wanted || is_below(path, in->prefixes[i]);
    if (!wanted || is_quiet(path, in->a))
        return NRE_OK;
    const char *value = flow_text(leaf, in->a);
    const char *line = value ? arena_print(in->a, "%s = %s\n", path, value) : NULL;
    if (!line || in->n == MAX_LEAVES)
        return fail(NRE_ENOMEM, "no memory for the inputs of a stage");
    in->lines[in->n++] = line;
    return NRE_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *experiment_inputs(const experiment *e, arena *a, size_t n_prefixes,
                              const char *const *prefixes)
{
    inputs in = {.a = a, .n_prefixes = n_prefixes, .prefixes = prefixes};
    in.lines = arena_alloc(a, MAX_LEAVES, sizeof *in.lines);
    if (!in.lines || visit_leaves(e->tree, a, add_input, &in) != NRE_OK)
        return NULL;
    qsort(in.lines, in.n, sizeof *in.lines, by_text);
    size_t length = 1;
    for (size_t i = 0; i < in.n; i++)
        length += strlen(in.lines[i]);
    char *text = arena_alloc(a, length, 1), *at = text;
    for (size_t i = 0; text && i < in.n; i++)
        at = stpcpy(at, in.lines[i]);
    return text;
}

/* config/tree.c - YAML events to a tree with places, strict: libyaml itself accepts
 * duplicate keys, aliases to oneself and any depth. */
#include "config/config.h"

#include <string.h>
#include <yaml.h>

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 32, MAX_NODES = 10000 };

const char NODE_WRONG[] = "wrong";

/* A map or list whose end has not been read. */
typedef struct level {
    node *open, *last;
    const char *key; /* of a map: read, its value not yet */
    size_t key_line, key_column, key_width;
} level;

typedef struct reader {
    arena *a;
    mistakes *m;
    const char *origin, *text;
    size_t n;
    node *root;
    level level[MAX_DEPTH];
    size_t depth, n_nodes, n_documents;
} reader;

/* nodes */

node *node_child(const node *m, const char *key)
{
    if (!m || m->kind != NODE_MAP)
        return NULL;
    for (node *c = m->first; c; c = c->next)
        if (strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

static size_t index_of(const node *item)
{
    size_t i = 0;
    for (const node *c = item->parent->first; c && c != item; c = c->next)
        i++;
    return i;
}

const char *node_path(const node *n, arena *a)
{
    if (!n || !n->parent)
        return "";
    const char *above = node_path(n->parent, a), *path;
    if (n->parent->kind == NODE_LIST)
        path = arena_print(a, "%s[%zu]", above, index_of(n));
    else
        path = arena_print(a, "%s%s%s", above, *above ? "." : "", n->key);
    return path ? path : "";
}

node *node_new(arena *a, node_kind kind, const node *like)
{
    node *n = arena_alloc(a, 1, sizeof *n);
    if (!n)
        return NULL;
    if (like)
        *n = *like;
    n->kind = kind;
    n->first = n->next = n->parent = NULL;
    n->n = 0;
    return n;
}

void node_append(node *parent, node *child)
{
    node **at = &parent->first;
    while (*at)
        at = &(*at)->next;
    *at = child;
    child->next = NULL;
    child->parent = parent;
    parent->n++;
}

void node_remove(node *parent, node *child)
{
    for (node **at = &parent->first; *at; at = &(*at)->next)
        if (*at == child) {
            *at = child->next;
            child->next = child->parent = NULL;
            parent->n--;
            return;
        }
}

node *node_copy(arena *a, const node *from)
{
    node *to = node_new(a, from->kind, from), *last = NULL;
    for (const node *c = from->first; to && c; c = c->next) {
        node *copy = node_copy(a, c);
        if (!copy)
            return NULL;
        copy->parent = to;
        *(last ? &last->next : &to->first) = copy;
        last = copy;
        to->n++;
    }
    return to;
}

const char *text_shown(arena *a, const char *text)
{
    enum { LONGEST = 60 };
    char *out = arena_print(a, "%.*s", LONGEST, text);
    if (!out)
        return "";
    size_t n = strlen(out);
    if (text[n] != '\0') {
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--; /* not within a character */
        memcpy(out + n - 3, "...", 4);
    }
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    return out;
}

/* reading */

static int refuse(reader *r, yaml_mark_t at, size_t width, const char *hint,
                  const char *sentence)
{
    mistake_add(r->m, r->origin, at.line + 1, at.column + 1, width, hint, "%s", sentence);
    return NRE_ECONFIG;
}

static size_t width_of(const yaml_event_t *e)
{
    if (e->start_mark.line != e->end_mark.line)
        return MAX_BYTES;
    size_t width = e->end_mark.column - e->start_mark.column;
    return width > 0 ? width : 1;
}

static int no_memory(void)
{
    return fail(NRE_ENOMEM, "no memory for the config");
}

static int take_key(reader *r, level *l, const yaml_event_t *e)
{
    const char *key = arena_copy(r->a, (const char *)e->data.scalar.value);
    if (!key)
        return no_memory();
    *l = (level){
        l->open,    l->last, key, e->start_mark.line + 1, e->start_mark.column + 1,
        width_of(e)};
    const node *twin = node_child(l->open, key);
    if (!twin)
        return NRE_OK;
    const char *path = node_path(l->open, r->a);
    mistake_add(r->m, r->origin, l->key_line, l->key_column, l->key_width,
                arena_print(r->a, "first given at %s:%zu:%zu", r->origin, twin->key_line,
                            twin->key_column),
                "duplicate key '%s'%s%s", text_shown(r->a, key), *path ? " in " : "",
                path);
    return NRE_OK;
}

/* A node at its place: value of the open map's key, item of the open list, or root. */
static void attach(reader *r, node *n)
{
    level *l = r->depth > 0 ? &r->level[r->depth - 1] : NULL;
    if (!l) {
        r->root = n;
        return;
    }
    n->parent = l->open;
    n->key = l->key;
    n->key_line = l->key_line;
    n->key_column = l->key_column;
    n->key_width = l->key_width;
    l->key = NULL;
    *(l->last ? &l->last->next : &l->open->first) = n;
    l->last = n;
    l->open->n++;
}

static bool expects_key(const reader *r)
{
    const level *l = r->depth > 0 ? &r->level[r->depth - 1] : NULL;
    return l && l->open->kind == NODE_MAP && !l->key;
}

static int add(reader *r, node_kind kind, const yaml_event_t *e, node **out)
{
    if (++r->n_nodes > MAX_NODES)
        return refuse(r, e->start_mark, 0, NULL, "more than 10000 values");
    node *n = node_new(r->a, kind, NULL);
    if (!n)
        return no_memory();
    n->line = e->start_mark.line + 1;
    n->column = e->start_mark.column + 1;
    n->width = width_of(e);
    n->origin = r->origin;
    attach(r, n);
    *out = n;
    return NRE_OK;
}

static const char EXTENDS_HINT[] = "to share values between files, use `extends:`";

/* Anchors and tags are told and otherwise ignored. */
static void check_properties(reader *r, const yaml_event_t *e, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    if (anchor)
        refuse(r, e->start_mark, 1 + strlen((const char *)anchor), EXTENDS_HINT,
               "anchors are not accepted");
    if (tag)
        refuse(r, e->start_mark, 1, "every key knows the type of its value",
               "tags are not accepted");
}

static int on_scalar(reader *r, const yaml_event_t *e)
{
    check_properties(r, e, e->data.scalar.anchor, e->data.scalar.tag);
    const char *text = (const char *)e->data.scalar.value;
    if (strlen(text) != e->data.scalar.length)
        return refuse(r, e->start_mark, 1, NULL, "a zero character in a string");
    if (expects_key(r))
        return take_key(r, &r->level[r->depth - 1], e);
    node *n = NULL;
    int status = add(r, NODE_SCALAR, e, &n);
    if (status != NRE_OK)
        return status;
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (e->data.scalar.tag)
        n->origin = NODE_WRONG;
    n->text = arena_copy(r->a, text);
    return n->text ? NRE_OK : no_memory();
}

static int on_alias(reader *r, const yaml_event_t *e)
{
    refuse(r, e->start_mark, width_of(e), EXTENDS_HINT, "aliases are not accepted");
    if (expects_key(r))
        return NRE_ECONFIG;
    node *n = NULL;
    int status = add(r, NODE_SCALAR, e, &n);
    if (status != NRE_OK)
        return status;
    n->text = "";
    n->origin = NODE_WRONG; /* already told */
    return NRE_OK;
}

static int on_start(reader *r, node_kind kind, const yaml_event_t *e)
{
    bool map = kind == NODE_MAP;
    check_properties(r, e,
                     map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor,
                     map ? e->data.mapping_start.tag : e->data.sequence_start.tag);
    if (expects_key(r))
        return refuse(r, e->start_mark, 1, NULL,
                      "a key must be a word, not a map or list");
    if (r->depth == MAX_DEPTH)
        return refuse(r, e->start_mark, 1, NULL,
                      "maps and lists nested more than 32 deep");
    node *n = NULL;
    int status = add(r, kind, e, &n);
    if (status != NRE_OK)
        return status;
    bool block = map ? e->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE
                     : e->data.sequence_start.style == YAML_BLOCK_SEQUENCE_STYLE;
    n->width = block ? MAX_BYTES : 0; /* a flow collection's end is still to come */
    r->level[r->depth++] = (level){.open = n};
    return NRE_OK;
}

static int on_end(reader *r, const yaml_event_t *e)
{
    bug_if(r->depth == 0); /* libyaml ends what it has begun, and nothing else */
    node *n = r->level[--r->depth].open;
    if (n->width == 0)
        n->width = e->end_mark.line + 1 == n->line ? e->end_mark.column + 1 - n->column
                                                   : MAX_BYTES;
    return NRE_OK;
}

static int on_event(reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->n_documents++ > 0)
            return refuse(r, e->start_mark, 3, NULL,
                          "a second document: one file, one experiment");
        return NRE_OK;
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_ALIAS_EVENT:
        return on_alias(r, e);
    case YAML_MAPPING_START_EVENT:
        return on_start(r, NODE_MAP, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(r, NODE_LIST, e);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_end(r, e);
    default:
        return NRE_OK;
    }
}

/* libyaml's own errors */

static yaml_mark_t mark_of_byte(const reader *r, size_t offset)
{
    yaml_mark_t at = {0};
    for (size_t i = 0; i < offset && i < r->n; i++) {
        if (r->text[i] == '\n') {
            at.line++;
            at.column = 0;
        } else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* Where the bracket, quote or block began that the problem is in. */
static const char *opened_at(reader *r, const yaml_parser_t *p)
{
    if (!p->context)
        return NULL;
    const char *what = strstr(p->context, "flow sequence")   ? "the '[' was opened"
                       : strstr(p->context, "flow mapping")  ? "the '{' was opened"
                       : strstr(p->context, "quoted scalar") ? "the quote was opened"
                       : strstr(p->context, "block")         ? "the block began"
                                                             : NULL;
    if (!what)
        return NULL;
    return arena_print(r->a, "%s at %s:%zu:%zu", what, r->origin,
                       p->context_mark.line + 1, p->context_mark.column + 1);
}

/* libyaml's columns count characters; before a tab that indents there are only blanks. */
static bool is_tab(const reader *r, yaml_mark_t at)
{
    const char *line = r->text, *end = r->text + r->n;
    for (size_t i = 0; i < at.line && line < end; i++) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        line = feed ? feed + 1 : end;
    }
    return at.column < (size_t)(end - line) && line[at.column] == '\t';
}

static int syntax_error(reader *r, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory();
    const char *problem = p->problem ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR)
        return refuse(r, mark_of_byte(r, p->problem_offset), 1, "a config is UTF-8 text",
                      problem);
    const char *hint = is_tab(r, p->problem_mark) ? "indent with spaces, not with tabs"
                                                  : opened_at(r, p);
    return refuse(r, p->problem_mark, 1, hint, problem);
}

static int read_events(reader *r, yaml_parser_t *p)
{
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(p, &e))
            return syntax_error(r, p);
        bool end = e.type == YAML_STREAM_END_EVENT;
        int status = on_event(r, &e);
        yaml_event_delete(&e);
        if (status != NRE_OK || end)
            return status;
    }
}

size_t text_mark(const char *text, size_t n)
{
    return n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int tree_parse(arena *a, const char *origin, const char *text, size_t n, mistakes *m,
               node **out)
{
    size_t mark = text_mark(text, n);
    reader r = {.a = a, .m = m, .origin = origin, .text = text + mark, .n = n - mark};
    yaml_parser_t parser;
    *out = NULL;
    if (n > MAX_BYTES)
        return refuse(&r, (yaml_mark_t){0}, 0, NULL, "the config is longer than 1 MiB");
    if (!yaml_parser_initialize(&parser))
        return no_memory();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)r.text, r.n);
    int status = read_events(&r, &parser);
    yaml_parser_delete(&parser);
    if (status != NRE_OK)
        return status;
    if (!r.root) {
        r.root = node_new(a, NODE_SCALAR, NULL);
        if (!r.root)
            return no_memory();
        *r.root = (node){
            .kind = NODE_SCALAR, .text = "", .line = 1, .column = 1, .origin = origin};
    }
    *out = r.root;
    return NRE_OK;
}

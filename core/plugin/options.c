/* options.c - values of a plugin's options: strict parsing, canonical text, getters. */
#include "plugin/plugin.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct value {
    bool present;
    int64_t integer; /* a bool, an integer, the index of a choice */
    double real;
    const char *text; /* a string, path or choice */
    size_t n;         /* of a list, whose items are in one of these */
    const int64_t *integers;
    const double *reals;
    const char *const *texts;
} value;

enum { MISUSE = 256, EXPECTED = 512, SHOWN = 60 };

struct nre_values {
    const nre_plugin *table;
    arena *memory;
    value *value; /* [n_options] */
    char *misuse; /* [MISUSE], "" while the plugin asked for nothing strange */
};

const nre_option *plugin_option(const nre_plugin *table, size_t i)
{
    const char *base = (const char *)table->options;
    return (const nre_option *)(const void *)(base + i * table->option_size);
}

/* what is expected */

static bool is_list_type(uint32_t type)
{
    return type == NRE_INT_LIST || type == NRE_REAL_LIST || type == NRE_STRING_LIST;
}

static uint32_t item_type(uint32_t type)
{
    switch (type) {
    case NRE_INT_LIST:
        return NRE_INT;
    case NRE_REAL_LIST:
        return NRE_REAL;
    case NRE_STRING_LIST:
        return NRE_STRING;
    default:
        return type;
    }
}

static bool has_range(const nre_option *o)
{
    uint32_t item = item_type(o->type);
    return (item == NRE_INT || item == NRE_REAL) && o->lo < o->hi;
}

static bool in_range(const nre_option *o, double v)
{
    if (!has_range(o))
        return true;
    bool above = o->flags & NRE_OPEN_LO ? v > o->lo : v >= o->lo;
    bool below = o->flags & NRE_OPEN_HI ? v < o->hi : v <= o->hi;
    return above && below;
}

/* " in (0, 1]", " >= 1", " < 3" or "". */
static void range_text(const nre_option *o, char *out, size_t size)
{
    const char *least = o->flags & NRE_OPEN_LO ? ">" : ">=";
    const char *most = o->flags & NRE_OPEN_HI ? "<" : "<=";
    bool low = has_range(o) && isfinite(o->lo), high = has_range(o) && isfinite(o->hi);
    if (low && high)
        snprintf(out, size, " in %c%.15g, %.15g%c", o->flags & NRE_OPEN_LO ? '(' : '[',
                 o->lo, o->hi, o->flags & NRE_OPEN_HI ? ')' : ']');
    else if (low)
        snprintf(out, size, " %s %.15g", least, o->lo);
    else if (high)
        snprintf(out, size, " %s %.15g", most, o->hi);
    else
        *out = 0;
}

/* "one of relu, elu, selu" of "relu|elu|selu". */
static void choices_text(const char *choices, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "one of ");
    for (; *choices && at + 3 < size; choices++) {
        out[at++] = (char)(*choices == '|' ? ',' : *choices);
        if (*choices == '|')
            out[at++] = ' ';
    }
    out[at] = 0;
}

static void expected_text(const nre_option *o, char *out, size_t size)
{
    static const char *const NOUN[] = {
        [NRE_BOOL] = "true or false",
        [NRE_INT] = "an integer",
        [NRE_REAL] = "a number",
        [NRE_STRING] = "a string",
        [NRE_PATH] = "a path",
        [NRE_INT_LIST] = "a list of integers",
        [NRE_REAL_LIST] = "a list of numbers",
        [NRE_STRING_LIST] = "a list of strings",
    };
    char range[80];
    if (o->type == NRE_CHOICE) {
        choices_text(o->choices, out, size);
        return;
    }
    range_text(o, range, sizeof range);
    snprintf(out, size, "%s%s", NOUN[o->type], range);
}

static int unexpected(const nre_option *o, const char *found)
{
    char expected[EXPECTED];
    expected_text(o, expected, sizeof expected);
    return fail(NRE_EINVAL, "expected %s, found %s", expected, found);
}

static int unexpected_item(const nre_option *o, bool in_list, size_t i, const char *text)
{
    char found[SHOWN + 48], shown[SHOWN + 8];
    snprintf(shown, sizeof shown, strlen(text) > SHOWN ? "'%.*s...'" : "'%.*s'", SHOWN,
             text);
    if (in_list)
        snprintf(found, sizeof found, "item %zu is %s", i + 1, shown);
    else
        snprintf(found, sizeof found, "%s", shown);
    return unexpected(o, found);
}

/* text to value */

/* Index of TEXT in "a|b|c", -1 when it is none of them. */
static int64_t choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int64_t i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == length && memcmp(choices, text, n) == 0)
            return i;
        if (!choices[n])
            return -1;
        choices += n + 1;
    }
}

static bool parse_bool(const char *text, int64_t *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

/* One item of a list, or all of a scalar; strings stay those of the caller. */
static bool parse_item(const nre_option *o, const char *text, value *out)
{
    out->text = text;
    switch (item_type(o->type)) {
    case NRE_BOOL:
        return parse_bool(text, &out->integer);
    case NRE_INT:
        return text_to_int(text, &out->integer) && in_range(o, (double)out->integer);
    case NRE_REAL:
        return text_to_real(text, &out->real) && in_range(o, out->real);
    case NRE_CHOICE:
        out->integer = choice_index(o->choices, text);
        return out->integer >= 0;
    case NRE_PATH:
        return *text != 0;
    default:
        return true;
    }
}

static int parse_scalar(const nre_option *o, arena *a, const char *text, value *out)
{
    value v = {.present = true};
    if (!parse_item(o, text, &v))
        return unexpected_item(o, false, 0, text);
    v.text = arena_copy(a, text);
    if (!v.text)
        return fail(NRE_ENOMEM, "no memory for option '%s'", o->name);
    *out = v;
    return NRE_OK;
}

static int parse_list(const nre_option *o, arena *a, size_t n, const char *const *items,
                      value *out)
{
    size_t room = n ? n : 1;
    int64_t *integers = arena_alloc(a, room, sizeof *integers);
    double *reals = arena_alloc(a, room, sizeof *reals);
    const char **texts = arena_alloc(a, room, sizeof *texts);
    if (!integers || !reals || !texts)
        return fail(NRE_ENOMEM, "no memory for option '%s'", o->name);
    for (size_t i = 0; i < n; i++) {
        value item = {0};
        if (!parse_item(o, items[i], &item))
            return unexpected_item(o, true, i, items[i]);
        integers[i] = item.integer;
        reals[i] = item.real;
        texts[i] = arena_copy(a, items[i]);
        if (!texts[i])
            return fail(NRE_ENOMEM, "no memory for option '%s'", o->name);
    }
    *out = (value){
        .present = true, .n = n, .integers = integers, .reals = reals, .texts = texts};
    return NRE_OK;
}

static int parse(const nre_option *o, arena *a, bool is_list, size_t n,
                 const char *const *items, value *out)
{
    if (is_list_type(o->type))
        return is_list ? parse_list(o, a, n, items, out)
                       : unexpected_item(o, false, 0, n ? items[0] : "");
    if (is_list || n != 1)
        return unexpected(o, is_list ? "a list" : "nothing");
    return parse_scalar(o, a, items[0], out);
}

/* defaults, which are written as in YAML */

/* Cut spaces, then one pair of quotes, off TEXT in place. */
static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    if (n >= 2 && (*text == '"' || *text == '\'') && text[n - 1] == *text) {
        text++;
        n -= 2;
    }
    text[n] = 0;
    return text;
}

/* Items of "[a, b]", whose brackets are gone, in place; an empty text has none. */
static size_t split(char *text, const char **items)
{
    size_t n = 0;
    if (!*trimmed(text))
        return 0;
    for (char *next; text; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = 0;
        items[n++] = trimmed(text);
    }
    return n;
}

static int parse_default(const nre_option *o, arena *a, value *out)
{
    char *text = arena_copy(a, o->fallback);
    const char **items = arena_alloc(a, strlen(o->fallback) + 1, sizeof *items);
    if (!text || !items)
        return fail(NRE_ENOMEM, "no memory for option '%s'", o->name);
    items[0] = text = trimmed(text);
    size_t length = strlen(text), n = 1;
    bool is_list = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (is_list && is_list_type(o->type)) {
        text[length - 1] = 0;
        n = split(text + 1, items);
    }
    return parse(o, a, is_list && is_list_type(o->type), n, items, out);
}

/* is an option of a table well-formed */

static int refuse(const nre_option *o, const char *why)
{
    return fail(NRE_EPLUGIN, "its option '%s' %s", o->name, why);
}

static int choices_check(const nre_option *o)
{
    if (!o->choices || !*o->choices)
        return refuse(o, "is a choice without choices");
    int64_t i = 0;
    for (const char *c = o->choices;; i++) {
        char one[SHOWN + 1];
        size_t n = strcspn(c, "|");
        if (n == 0 || n > SHOWN)
            return refuse(o, "has an empty choice, or one of more than 60 letters");
        memcpy(one, c, n);
        one[n] = 0;
        if (choice_index(o->choices, one) != i)
            return refuse(o, "has the same choice twice");
        if (!c[n])
            return NRE_OK;
        c += n + 1;
    }
}

static bool may_be_absent(uint32_t type)
{
    return type == NRE_STRING || type == NRE_PATH || is_list_type(type);
}

static int default_check(const nre_option *o)
{
    value v;
    if (!o->fallback)
        return (o->flags & NRE_REQUIRED) || may_be_absent(o->type)
                   ? NRE_OK
                   : refuse(o, "has no default and is not required");
    if (o->flags & NRE_REQUIRED)
        return refuse(o, "is required and yet has a default");
    arena *a = arena_new();
    int status =
        a ? parse_default(o, a, &v) : fail(NRE_ENOMEM, "no memory for an option");
    arena_free(a);
    if (status == NRE_EINVAL)
        return fail_within(NRE_EPLUGIN, "the default of its option '%s'", o->name);
    return status;
}

int option_check(const nre_plugin *table, size_t i)
{
    const nre_option *o = plugin_option(table, i);
    if (o->type < NRE_BOOL || o->type > NRE_STRING_LIST)
        return refuse(o, "has a type that this program does not know");
    if (o->flags & ~(uint32_t)(NRE_REQUIRED | NRE_OPEN_LO | NRE_OPEN_HI))
        return refuse(o, "has flags that this program does not know");
    if (!o->help || !*o->help)
        return refuse(o, "has no help");
    if (isnan(o->lo) || isnan(o->hi) || o->lo > o->hi)
        return refuse(o, "has a range whose ends are not in order");
    int status = o->type == NRE_CHOICE ? choices_check(o) : NRE_OK;
    return status ? status : default_check(o);
}

/* values */

int values_new(const plugin *p, arena *a, nre_values **out)
{
    const nre_plugin *t = p->table;
    nre_values *v = arena_alloc(a, 1, sizeof *v);
    value *all = arena_alloc(a, t->n_options ? t->n_options : 1, sizeof *all);
    char *misuse = arena_alloc(a, MISUSE, 1);
    if (!v || !all || !misuse)
        return fail(NRE_ENOMEM, "no memory for the options of '%s'", t->name);
    *v = (nre_values){.table = t, .memory = a, .value = all, .misuse = misuse};
    for (size_t i = 0; i < t->n_options; i++) {
        const nre_option *o = plugin_option(t, i);
        int status = o->fallback ? parse_default(o, a, &all[i]) : NRE_OK;
        if (status)
            return fail_within(status, "option '%s'", o->name);
    }
    *out = v;
    return NRE_OK;
}

/* Index of option NAME, n_options when there is none. */
static size_t option_find(const nre_plugin *t, const char *name)
{
    size_t i = 0;
    while (i < t->n_options && strcmp(plugin_option(t, i)->name, name) != 0)
        i++;
    return i;
}

int values_set(nre_values *v, const char *name, bool is_list, size_t n,
               const char *const *items)
{
    size_t i = option_find(v->table, name);
    if (i == v->table->n_options)
        return fail(NRE_ENOTSUP, "unknown option '%s'", name);
    return parse(plugin_option(v->table, i), v->memory, is_list, n, items, &v->value[i]);
}

int values_complete(const nre_values *v)
{
    for (size_t i = 0; i < v->table->n_options; i++) {
        const nre_option *o = plugin_option(v->table, i);
        char expected[EXPECTED];
        if (v->value[i].present || !(o->flags & NRE_REQUIRED))
            continue;
        expected_text(o, expected, sizeof expected);
        return fail(NRE_EINVAL, "option '%s' is required: expected %s", o->name,
                    expected);
    }
    return NRE_OK;
}

/* value to text */

static bool word_is_special(const char *text)
{
    static const char *const WORDS[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strcasecmp(WORDS[i], text) == 0)
            return true;
    return false;
}

/* True when YAML reads TEXT without quotes as this very string. */
static bool is_plain(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789_./+-");
    return n && !text[n] &&
           (isalpha((unsigned char)*text) || *text == '/' || *text == '_') &&
           !word_is_special(text);
}

static void write_string(FILE *f, const char *text)
{
    if (is_plain(text)) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(f, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fprintf(f, "\\x%02x", (unsigned char)*text);
        else
            fputc(*text, f);
    }
    fputc('"', f);
}

/* The fewest digits that give V back. */
static void write_real(FILE *f, double v)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    fputs(text, f);
}

static void write_list(FILE *f, const nre_option *o, const value *v)
{
    fputc('[', f);
    for (size_t i = 0; i < v->n; i++) {
        if (i)
            fputs(", ", f);
        if (o->type == NRE_INT_LIST)
            fprintf(f, "%lld", (long long)v->integers[i]);
        else if (o->type == NRE_REAL_LIST)
            write_real(f, v->reals[i]);
        else
            write_string(f, v->texts[i]);
    }
    fputc(']', f);
}

static void write_value(FILE *f, const nre_option *o, const value *v)
{
    if (!v->present)
        fputs("null", f);
    else if (is_list_type(o->type))
        write_list(f, o, v);
    else if (o->type == NRE_BOOL)
        fputs(v->integer ? "true" : "false", f);
    else if (o->type == NRE_INT)
        fprintf(f, "%lld", (long long)v->integer);
    else if (o->type == NRE_REAL)
        write_real(f, v->real);
    else
        write_string(f, v->text);
}

const char *values_text(const nre_values *v, size_t i, arena *a)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f)
        return NULL;
    write_value(f, plugin_option(v->table, i), &v->value[i]);
    char *own = fclose(f) ? NULL : arena_copy(a, text);
    free(text);
    return own;
}

/* getters */

/* The value of an option of one of TYPES (a set of bits), NULL with the misuse noted. */
static const value *value_get(const nre_values *v, const char *name, unsigned types,
                              const char *getter)
{
    size_t i = option_find(v->table, name);
    if (i == v->table->n_options)
        snprintf(v->misuse, MISUSE, "it reads option '%s', which its table does not have",
                 name);
    else if (!(types >> plugin_option(v->table, i)->type & 1u))
        snprintf(v->misuse, MISUSE,
                 "it reads option '%s' by %s(), which is of another type", name, getter);
    else
        return &v->value[i];
    return NULL;
}

int values_bool(const nre_values *v, const char *name)
{
    const value *x = value_get(v, name, 1u << NRE_BOOL, "get_bool");
    return x ? (int)x->integer : 0;
}

int64_t values_int(const nre_values *v, const char *name)
{
    const value *x = value_get(v, name, 1u << NRE_INT | 1u << NRE_CHOICE, "get_int");
    return x ? x->integer : 0;
}

double values_real(const nre_values *v, const char *name)
{
    const value *x = value_get(v, name, 1u << NRE_REAL, "get_real");
    return x ? x->real : 0;
}

const char *values_string(const nre_values *v, const char *name)
{
    const unsigned types = 1u << NRE_STRING | 1u << NRE_PATH | 1u << NRE_CHOICE;
    const value *x = value_get(v, name, types, "get_string");
    return x ? x->text : "";
}

size_t values_reals(const nre_values *v, const char *name, const double **out)
{
    const value *x = value_get(v, name, 1u << NRE_REAL_LIST, "get_reals");
    *out = x ? x->reals : NULL;
    return x ? x->n : 0;
}

size_t values_ints(const nre_values *v, const char *name, const int64_t **out)
{
    const value *x = value_get(v, name, 1u << NRE_INT_LIST, "get_ints");
    *out = x ? x->integers : NULL;
    return x ? x->n : 0;
}

size_t values_strings(const nre_values *v, const char *name, const char *const **out)
{
    const value *x = value_get(v, name, 1u << NRE_STRING_LIST, "get_strings");
    *out = x ? x->texts : NULL;
    return x ? x->n : 0;
}

const char *values_misuse(const nre_values *v)
{
    return v->misuse;
}

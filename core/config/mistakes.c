/* config/mistakes.c - collected errors and how they are shown. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 20, KEPT = 1000, WINDOW = 120, ROOM = 32 };

typedef struct source source;
struct source {
    source *next;
    const char *origin, *text;
    size_t n, order;
};

typedef struct mistake mistake;
struct mistake {
    mistake *next;
    const char *origin, *hint, *sentence;
    size_t line, column, width, order;
    const char *cell; /* of a sweep: the first that has it */
    size_t n_cells;
};

struct mistakes {
    arena *a;
    source *sources;
    size_t n_sources;
    mistake *first;
    size_t n;
};

mistakes *mistakes_new(arena *a)
{
    mistakes *m = arena_alloc(a, 1, sizeof *m);
    if (m)
        m->a = a;
    return m;
}

static const source *source_of(const mistakes *m, const char *origin)
{
    for (const source *s = m->sources; s; s = s->next)
        if (strcmp(s->origin, origin) == 0)
            return s;
    return NULL;
}

void mistakes_source(mistakes *m, const char *origin, const char *text, size_t n)
{
    source *s = arena_alloc(m->a, 1, sizeof *s);
    if (!s)
        return;
    size_t mark = text_mark(text, n);
    *s = (source){m->sources, origin, text + mark, n - mark, m->n_sources++};
    m->sources = s;
}

static bool comes_before(const mistake *a, const mistake *b)
{
    if (a->order != b->order)
        return a->order < b->order;
    if (a->line != b->line)
        return a->line < b->line;
    return a->column < b->column;
}

static void insert(mistakes *m, mistake *new)
{
    mistake **at = &m->first;
    while (*at && !comes_before(new, *at))
        at = &(*at)->next;
    new->next = *at;
    *at = new;
}

static char *print_v(arena *a, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, arguments);
    return text;
}

void mistake_add(mistakes *m, const char *origin, size_t line, size_t column,
                 size_t width, const char *hint, const char *sentence, ...)
{
    m->n++;
    mistake *new = m->n > KEPT ? NULL : arena_alloc(m->a, 1, sizeof *new);
    if (!new)
        return;
    va_list arguments;
    va_start(arguments, sentence);
    const char *text = print_v(m->a, sentence, arguments);
    va_end(arguments);
    const source *s = source_of(m, origin);
    if (strncmp(origin, "--", 2) == 0)
        line = column = 0;
    *new = (mistake){.origin = origin,
                     .hint = hint,
                     .sentence = text ? text : sentence,
                     .line = line,
                     .column = column,
                     .width = width,
                     .order = s ? s->order : m->n_sources};
    insert(m, new);
}

static mistake *same_mistake(const mistakes *m, const mistake *k)
{
    for (mistake *s = m->first; s; s = s->next)
        if (s->line == k->line && s->column == k->column &&
            strcmp(s->sentence, k->sentence) == 0 && strcmp(s->origin, k->origin) == 0)
            return s;
    return NULL;
}

void mistakes_gather(mistakes *all, const mistakes *of_cell, const char *cell)
{
    for (const mistake *k = of_cell->first; k; k = k->next) {
        mistake *told = same_mistake(all, k);
        if (told) {
            told->n_cells++;
            continue;
        }
        mistake_add(all, k->origin, k->line, k->column, k->width, k->hint, "%s",
                    k->sentence);
        if ((told = same_mistake(all, k))) {
            told->cell = cell;
            told->n_cells = 1;
        }
    }
}

void mistakes_name_cells(mistakes *m, size_t n)
{
    for (mistake *k = m->first; k; k = k->next) {
        if (!k->cell || k->n_cells == n)
            continue;
        const char *sentence =
            k->n_cells == 1 ? arena_print(m->a, "%s (in cell %s)", k->sentence, k->cell)
                            : arena_print(m->a, "%s (in %zu of %zu cells, such as %s)",
                                          k->sentence, k->n_cells, n, k->cell);
        if (sentence)
            k->sentence = sentence;
    }
}

size_t mistakes_count(const mistakes *m)
{
    return m->n;
}

/* Bytes of line NUMBER, which counts from 1. */
static const char *line_of(const source *s, size_t number, size_t *n)
{
    const char *at = s->text, *end = s->text + s->n;
    for (size_t i = 1; i < number && at < end; at++)
        if (*at == '\n' || (*at == '\r' && (at + 1 == end || at[1] != '\n')))
            i++;
    size_t length = 0;
    while (at + length < end && at[length] != '\n' && at[length] != '\r')
        length++;
    *n = length;
    return at;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Length in bytes of the character at TEXT: malformed UTF-8 counts byte by byte. */
static size_t character(const char *text, size_t n)
{
    unsigned char first = (unsigned char)text[0];
    size_t want = first < 0x80    ? 1
                  : first >= 0xf0 ? 4
                  : first >= 0xe0 ? 3
                  : first >= 0xc2 ? 2
                                  : 1;
    size_t length = 1;
    while (length < want && length < n && continues(text[length]))
        length++;
    return length == want ? length : 1;
}

static void put_character(FILE *out, const char *text, size_t length)
{
    unsigned char first = (unsigned char)text[0];
    bool printable = length > 1 || (first >= ' ' && first < 0x7f) || first == '\t';
    if (printable)
        fwrite(text, 1, length, out);
    else
        fputc('?', out);
}

/* The line and the caret below it; of a long line, the part around the caret. */
static void put_line(FILE *out, const source *s, const mistake *k)
{
    size_t n = 0;
    const char *text = line_of(s, k->line, &n);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    if (n == 0)
        return;
    size_t from = k->column > WINDOW - 20 ? k->column - WINDOW / 2 : 1,
           to = from + WINDOW;
    int margin = fprintf(out, " %zu", k->line);
    fprintf(out, " | %s", from > 1 ? "..." : "");
    size_t column = 1;
    for (size_t i = 0; i < n && column < to; column++) {
        size_t length = character(text + i, n - i);
        if (column >= from)
            put_character(out, text + i, length);
        i += length;
    }
    fprintf(out, "\n%*s | %s", margin, "", from > 1 ? "   " : "");
    size_t end = column;
    column = 1;
    for (size_t i = 0; i < n && column < k->column; column++) {
        if (column >= from)
            fputc(text[i] == '\t' ? '\t' : ' ', out);
        i += character(text + i, n - i);
    }
    fputc('^', out);
    for (size_t i = 1; i < k->width && k->column + i < end; i++)
        fputc('^', out);
    fputc('\n', out);
}

static void put_mistake(FILE *out, const mistakes *m, const mistake *k)
{
    fputs(k->origin, out);
    if (k->line > 0)
        fprintf(out, ":%zu:%zu", k->line, k->column);
    fprintf(out, ": error: %s\n", k->sentence);
    const source *s = source_of(m, k->origin);
    if (s && k->line > 0 && k->width > 0)
        put_line(out, s, k);
    if (k->hint)
        fprintf(out, "  %s\n", k->hint);
}

const char *mistakes_report(const mistakes *m)
{
    char *text = NULL;
    size_t length = 0, shown = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return "no memory for the report";
    for (const mistake *k = m->first; k && shown < SHOWN; k = k->next, shown++) {
        long before = ftell(out);
        put_mistake(out, m, k);
        if (shown > 0 && ftell(out) > ERROR_LENGTH - ROOM) {
            fseek(out, before, SEEK_SET);
            break;
        }
    }
    if (m->n > shown)
        fprintf(out, "... and %zu more\n", m->n - shown);
    if (fclose(out) != 0 || !text) {
        free(text);
        return "no memory for the report";
    }
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    const char *report = arena_copy(m->a, text);
    free(text);
    return report ? report : "no memory for the report";
}

int mistakes_fail(const mistakes *m)
{
    return m->n == 0 ? NRE_OK : fail(NRE_ECONFIG, "%s", mistakes_report(m));
}

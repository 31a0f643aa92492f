/* data/csv.c - numbers of a CSV. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_MOST = 63, COLUMNS_MOST = 1 << 20 };

typedef struct table {
    const char *path;
    size_t line; /* from 1 */
    size_t rows, columns, room;
    double *values;
    const char **names;
    arena *arena;
} table;

/* One line, cut into cells. */
typedef struct line {
    const char *text, *end;
    bool commas; /* else blanks separate */
} line;

static int fail_at(const table *t, const line *l, const char *at, const char *format, ...)
    NRE_PRINTF(4, 5);
static int fail_at(const table *t, const line *l, const char *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_v(NRE_EDATA, format, arguments);
    va_end(arguments);
    return fail_within(NRE_EDATA, "%s:%zu:%zu", t->path, t->line,
                       (size_t)(at - l->text) + 1);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* Next cell of the line from *AT, without its blanks; false at the end.  A comma at the
 * end of the line opens an empty cell. */
static bool next_cell(const line *l, const char **at, const char **from, const char **to)
{
    if (*at > l->end)
        return false;
    const char *start = skip_blanks(*at, l->end), *stop = start;
    if (!l->commas && start == l->end)
        return false;
    while (stop < l->end && !(l->commas ? *stop == ',' : is_blank(*stop)))
        stop++;
    *at = stop + 1;
    while (stop > start && is_blank(stop[-1]))
        stop--;
    *from = start, *to = stop;
    return true;
}

static bool cell_number(const char *from, const char *to, double *value)
{
    char cell[CELL_MOST + 1];
    size_t n = (size_t)(to - from);
    if (n > CELL_MOST || memchr(from, '\0', n))
        return false;
    memcpy(cell, from, n);
    cell[n] = '\0';
    return text_to_real(cell, value);
}

/* A header has a name in every cell. */
static bool is_header(const line *l)
{
    const char *at = l->text, *from, *to;
    double value;
    while (next_cell(l, &at, &from, &to))
        if (from == to || cell_number(from, to, &value))
            return false;
    return true;
}

static size_t count_cells(const line *l)
{
    const char *at = l->text, *from, *to;
    size_t n = 0;
    while (next_cell(l, &at, &from, &to))
        n++;
    return n;
}

static char *copy_name(arena *a, const char *from, const char *to)
{
    if (to - from >= 2 && *from == '"' && to[-1] == '"')
        from++, to--;
    char *name = arena_alloc(a, (size_t)(to - from) + 1, 1);
    if (name)
        memcpy(name, from, (size_t)(to - from));
    return name;
}

static int read_header(table *t, const line *l)
{
    const char *at = l->text, *from, *to;
    t->names = arena_alloc(t->arena, t->columns, sizeof *t->names);
    for (size_t k = 0; t->names && next_cell(l, &at, &from, &to); k++)
        if (!(t->names[k] = copy_name(t->arena, from, to)))
            t->names = NULL;
    return t->names ? NRE_OK : fail(NRE_ENOMEM, "%s: no memory for its header", t->path);
}

static int more_room(table *t)
{
    size_t room = t->room ? 2 * t->room : 1024 + t->columns, bytes;
    void *more = NULL;
    if (!__builtin_mul_overflow(room, sizeof *t->values, &bytes))
        more = realloc(t->values, bytes);
    if (!more)
        return fail(NRE_ENOMEM, "%s: no memory for %zu numbers", t->path, room);
    t->values = more;
    t->room = room;
    return NRE_OK;
}

static int read_row(table *t, const line *l)
{
    const char *at = l->text, *from, *to;
    double *value;
    while (t->room < (t->rows + 1) * t->columns)
        if (more_room(t) != NRE_OK)
            return NRE_ENOMEM;
    value = t->values + t->rows * t->columns;
    for (size_t k = 0; next_cell(l, &at, &from, &to); k++) {
        if (k == t->columns)
            return fail_at(t, l, from, "more than the %zu columns of the lines before",
                           t->columns);
        if (from == to)
            return fail_at(t, l, from, "an empty cell; a number is needed");
        if (!cell_number(from, to, &value[k]))
            return fail_at(t, l, from, "'%.*s' is no finite number",
                           (int)(to - from < 40 ? to - from : 40), from);
    }
    t->rows++;
    return NRE_OK;
}

static int read_line(table *t, line l)
{
    const char *comment = memchr(l.text, '#', (size_t)(l.end - l.text));
    l.end = comment ? comment : l.end;
    while (l.end > l.text && is_blank(l.end[-1]))
        l.end--;
    if (skip_blanks(l.text, l.end) == l.end)
        return NRE_OK;
    l.commas = memchr(l.text, ',', (size_t)(l.end - l.text)) != NULL;
    size_t n = count_cells(&l);
    if (t->columns == 0) {
        if (n > COLUMNS_MOST)
            return fail_at(t, &l, l.text, "more than %d columns", COLUMNS_MOST);
        t->columns = n;
        if (is_header(&l))
            return read_header(t, &l);
    }
    if (n < t->columns)
        return fail_at(t, &l, l.text, "%zu columns; the lines before have %zu", n,
                       t->columns);
    return read_row(t, &l);
}

int csv_parse(const char *path, const char *text, size_t n, arena *a, size_t *rows,
              size_t *columns, const char *const **names, double **values)
{
    table t = {.path = path, .line = 1, .arena = a};
    const char *end = text + n;
    int status = NRE_OK;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* a byte order mark */
    for (; status == NRE_OK && text < end; t.line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        status = read_line(&t, (line){text, stop ? stop : end, false});
        text = stop ? stop + 1 : end;
    }
    if (status == NRE_OK && t.rows == 0)
        status = fail(NRE_EDATA, "%s: has no row of numbers", path);
    if (status != NRE_OK) {
        free(t.values);
        t = (table){.path = path};
    }
    *rows = t.rows, *columns = t.columns, *names = t.names, *values = t.values;
    return status;
}

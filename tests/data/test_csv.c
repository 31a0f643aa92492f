/* CSV: headers, comments, separators, and messages with line and column. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

typedef struct table {
    arena *arena;
    size_t rows, columns;
    const char *const *names;
    double *values;
} table;

static int parse(const char *text, table *t)
{
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1); /* no 0 behind it */
    memcpy(exact, text, n);
    *t = (table){.arena = arena_new()};
    int status = csv_parse("t.csv", exact, n, t->arena, &t->rows, &t->columns, &t->names,
                           &t->values);
    free(exact);
    return status;
}

static void drop(table *t)
{
    free(t->values);
    arena_free(t->arena);
}

static void holds(const char *text, size_t rows, size_t columns, const char *name, ...)
{
    table t;
    va_list numbers;
    cr_assert_eq(parse(text, &t), 0, "%s: %s", text, error_message());
    cr_assert_eq(t.rows, rows, "%s", text);
    cr_assert_eq(t.columns, columns, "%s", text);
    if (name)
        cr_assert_str_eq(t.names[columns - 1], name);
    else
        cr_assert_null(t.names);
    va_start(numbers, name);
    for (size_t i = 0; i < rows * columns; i++)
        cr_assert_eq(t.values[i], va_arg(numbers, double), "%s: value %zu", text, i);
    va_end(numbers);
    drop(&t);
}

Test(csv, reads)
{
    holds("1,2\n3,4\n", 2, 2, NULL, 1.0, 2.0, 3.0, 4.0);
    holds("1,2\n3,4", 2, 2, NULL, 1.0, 2.0, 3.0, 4.0);
    holds("a, \"b c\"\r\n 1 , -2.5e-3 \r\n", 1, 2, "b c", 1.0, -2.5e-3);
    holds("# a comment\n\nday count\n1 3 # the first\n  2\t8  \n", 2, 2, "count", 1.0,
          3.0, 2.0, 8.0);
    holds("\xef\xbb\xbfx\n5\n", 1, 1, "x", 5.0);
    holds("7", 1, 1, NULL, 7.0);
    holds("1,2\n\n# end\n", 1, 2, NULL, 1.0, 2.0);
}

static void refuses(const char *text, const char *words)
{
    table t;
    cr_assert_eq(parse(text, &t), NRE_EDATA, "%s", text);
    cr_assert(message_has(words));
    cr_assert_null(t.values);
    drop(&t);
}

Test(csv, refuses)
{
    refuses("", "no row of numbers");
    refuses("# only\n", "no row of numbers");
    refuses("a,b\n", "no row of numbers");
    refuses("1,2\n3\n", "t.csv:2:1: 1 columns; the lines before have 2");
    refuses("1,2\n3,4,5\n", "t.csv:2:5: more than the 2 columns");
    refuses("1,2\n3,x\n", "t.csv:2:3: 'x' is no finite number");
    refuses("1,nan\n", "t.csv:1:3: 'nan'");
    refuses("1,inf\n", "t.csv:1:3: 'inf'");
    refuses("1,\n", "t.csv:1:3: an empty cell");
    refuses("1,,2\n", "t.csv:1:3: an empty cell");
    refuses("a,b\n1,2\nc,d\n", "t.csv:3:1: 'c'");
    refuses("a,b\n1\n", "t.csv:2:1: 1 columns");
    refuses("1,0x10\n", "'0x10'");
    refuses("1,1e999\n", "'1e999'");
    refuses("1 2000000000000000000000000000000000000000000000000000000000000000000000\n",
            "t.csv:1:3");
}

/* Room grows as it must; every number arrives. */
Test(csv, many_rows)
{
    enum { ROWS = 5000, COLUMNS = 3 };
    char *text = malloc(ROWS * COLUMNS * 16);
    size_t used = 0;
    table t;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        used += (size_t)sprintf(text + used, "%d%c", i,
                                i % COLUMNS == COLUMNS - 1 ? '\n' : ',');
    cr_assert_eq(parse(text, &t), 0);
    cr_assert_eq(t.rows, ROWS);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        cr_assert_eq(t.values[i], i);
    drop(&t);
    free(text);
}

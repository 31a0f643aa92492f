#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(mistakes, are_told_by_file_and_line)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    cr_assert_eq(mistakes_fail(m), NRE_OK);
    mistakes_source(m, "b.yaml", "one\n\ttwo ü three\n", 18);
    mistakes_source(m, "a.yaml", "four", 4);
    mistake_add(m, "a.yaml", 1, 1, 99, NULL, "of a");
    mistake_add(m, "--set x=1", 7, 7, 7, NULL, "of %s", "the line");
    mistake_add(m, "b.yaml", 2, 8, 5, "a hint", "second");
    mistake_add(m, "b.yaml", 1, 2, 0, NULL, "first");
    cr_assert_eq(mistakes_count(m), 4);
    cr_assert_eq(mistakes_fail(m), NRE_ECONFIG);
    cr_assert_str_eq(error_message(), "b.yaml:1:2: error: first\n"
                                      "b.yaml:2:8: error: second\n"
                                      " 2 | \ttwo ü three\n"
                                      "   | \t      ^^^^^\n"
                                      "  a hint\n"
                                      "a.yaml:1:1: error: of a\n"
                                      " 1 | four\n"
                                      "   | ^^^^\n"
                                      "--set x=1: error: of the line");
    arena_free(a);
}

Test(mistakes, show_a_part_of_a_long_line)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    char *line = arena_alloc(a, 100001, 1);
    memset(line, 'x', 100000);
    memcpy(line + 50000, "here", 4);
    mistakes_source(m, "t", line, 100000);
    mistake_add(m, "t", 1, 50001, 4, NULL, "long");
    const char *report = mistakes_report(m), *caret = strchr(report, '^');
    cr_assert_lt(strlen(report), 400);
    const char *row = strchr(report, '\n') + 1, *below = strchr(row, '\n') + 1;
    cr_assert_eq(strncmp(row + (caret - below), "herex", 5), 0);
    cr_assert_eq(strncmp(caret, "^^^^", 5), 0);
    arena_free(a);
}

Test(mistakes, fit_in_a_message)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    char *long_hint = arena_alloc(a, ERROR_LENGTH / 4, 1);
    memset(long_hint, 'h', ERROR_LENGTH / 4 - 1);
    for (size_t i = 0; i < 12; i++)
        mistake_add(m, "f", i + 1, 1, 0, long_hint, "number %zu", i);
    cr_assert_eq(mistakes_fail(m), NRE_ECONFIG);
    cr_assert_not_null(strstr(error_message(), "number 2\n"));
    cr_assert_null(strstr(error_message(), "number 3\n"));
    cr_assert_str_eq(strstr(error_message(), "..."), "... and 9 more");
    arena_free(a);
}

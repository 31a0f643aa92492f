/* Memory that is freed together. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool all_zero(const char *memory, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memory[i])
            return false;
    return true;
}

Test(arena, pieces_are_zero_aligned_and_apart)
{
    enum { PIECES = 2000 };
    static unsigned char *piece[PIECES];
    static size_t size[PIECES];
    arena *a = arena_new();

    for (size_t i = 0; i < PIECES; i++) {
        size[i] = i % 97 == 0 ? 40000 + i : i % 301;
        piece[i] = arena_alloc(a, size[i], 1);
        cr_assert_not_null(piece[i]);
        cr_assert_eq((uintptr_t)piece[i] % 64, 0);
        cr_assert(all_zero((const char *)piece[i], size[i]));
        memset(piece[i], (int)(i % 255) + 1, size[i]);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < size[i]; k++)
            cr_assert_eq(piece[i][k], i % 255 + 1);
    arena_free(a);
}

Test(arena, overflow_is_refused)
{
    arena *a = arena_new();

    cr_assert_null(arena_alloc(a, SIZE_MAX / 2, 3));
    cr_assert_null(arena_alloc(a, SIZE_MAX, 1));
    cr_assert_null(memory_new(SIZE_MAX / 8, 16));
    cr_assert_null(memory_new(SIZE_MAX - 10, 1));
    cr_assert_not_null(arena_alloc(a, 0, 8));
    arena_free(a);
    arena_free(NULL);
}

Test(arena, texts)
{
    arena *a = arena_new();
    char *copy = arena_copy(a, "theta");
    char *text = arena_print(a, "%s[%d]", copy, 3);
    char *empty = arena_copy(a, "");

    cr_assert_str_eq(text, "theta[3]");
    cr_assert_str_eq(empty, "");
    char *longer = arena_print(a, "%0100000d", 7);
    cr_assert_eq(strlen(longer), 100000);
    cr_assert_eq(longer[99999], '7');
    arena_free(a);
}

Test(arena, memory_outside)
{
    double *x = memory_new(1001, sizeof *x);

    cr_assert_eq((uintptr_t)x % 64, 0);
    cr_assert(all_zero((const char *)x, 1001 * sizeof *x));
    free(x);
    void *nothing = memory_new(0, 8);
    cr_assert_not_null(nothing);
    free(nothing);
}

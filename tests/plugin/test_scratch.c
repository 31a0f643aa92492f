/* test_scratch.c - memory that is gone when a call returns. */
#include "support.h"

#include <stdint.h>
#include <string.h>

Test(scratch, aligned_and_apart)
{
    char *a = scratch_alloc(100, 1), *b = scratch_alloc(3, 8), *c = scratch_alloc(0, 8);
    cr_assert_not_null(a);
    cr_assert_not_null(c);
    cr_assert_eq((uintptr_t)a % 64, 0);
    cr_assert_eq((uintptr_t)b % 64, 0);
    cr_assert(b >= a + 100);
    cr_assert(c >= b + 24);
    scratch_reset();
}

Test(scratch, overflow_is_no_memory)
{
    cr_assert_null(scratch_alloc(SIZE_MAX / 2, 3));
    cr_assert_null(scratch_alloc(SIZE_MAX, 1));
}

Test(scratch, calls_release_what_they_took)
{
    crash_enter(NULL, "outer", 1, 0);
    char *outer = scratch_alloc(1000, 1);
    memset(outer, 7, 1000);
    char *first = NULL;
    for (int i = 0; i < 1000; i++) {
        crash_enter(NULL, "inner", 1, 0);
        char *inner = scratch_alloc(1 << 14, 1);
        memset(inner, 9, 1 << 14);
        first = first ? first : inner;
        cr_assert_eq(inner, first, "the memory of a call that ended is used again");
        crash_leave();
    }
    for (size_t i = 0; i < 1000; i++)
        cr_assert_eq(outer[i], 7);
    crash_leave();
}

Test(scratch, a_large_call_keeps_its_memory_for_the_next)
{
    char *last = NULL;
    for (int i = 0; i < 100; i++) {
        crash_enter(NULL, "f", 1, 0);
        char *small = scratch_alloc(10, 1), *large = scratch_alloc(1 << 20, 1);
        small[9] = large[(1 << 20) - 1] = 1;
        if (i > 2) /* it takes two calls to find a size that fits all */
            cr_assert_eq(large, last);
        last = large;
        crash_leave();
    }
}

Test(scratch, deep_nesting)
{
    for (int i = 0; i < 20; i++) {
        crash_enter(NULL, "f", 1, 0);
        char *a = scratch_alloc(50000, 1);
        memset(a, i, 50000);
    }
    for (int i = 0; i < 20; i++)
        crash_leave();
    cr_assert_null(crash_now().table);
}

/* base/arena.c - zeroed, aligned memory, alone or freed together. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CHUNK = 16384, CHUNK_MOST = 1 << 20 };

typedef struct chunk {
    struct chunk *next;
    size_t size, used; /* bytes of the body, which begins ALIGNMENT after the chunk */
} chunk;

struct arena {
    chunk *first; /* the one that is being filled */
    size_t next_size;
};

_Static_assert(sizeof(chunk) <= ALIGNMENT, "the head of a chunk fits before its body");

/* N * SIZE rounded up to whole lines, at least one; false when that overflows. */
static bool bytes_of(size_t n, size_t size, size_t *bytes)
{
    if (__builtin_mul_overflow(n, size, bytes) || *bytes > SIZE_MAX / 4)
        return false;
    *bytes = *bytes == 0 ? ALIGNMENT : (*bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return true;
}

void *memory_new(size_t n, size_t size)
{
    size_t bytes;
    void *memory = NULL;

    if (!bytes_of(n, size, &bytes) || posix_memalign(&memory, ALIGNMENT, bytes) != 0)
        return NULL;
    return memset(memory, 0, bytes);
}

arena *arena_new(void)
{
    arena *a = calloc(1, sizeof *a);

    if (a)
        a->next_size = CHUNK;
    return a;
}

void arena_free(arena *a)
{
    if (!a)
        return;
    while (a->first) {
        chunk *c = a->first;
        a->first = c->next;
        free(c);
    }
    free(a);
}

static chunk *chunk_new(size_t size)
{
    chunk *c = memory_new(1, ALIGNMENT + size);

    if (c)
        c->size = size;
    return c;
}

/* A chunk with room for BYTES.  Big ones get a chunk of their own, behind the first,
 * which may still have room. */
static chunk *chunk_for(arena *a, size_t bytes)
{
    chunk *c = a->first;

    if (c && c->size - c->used >= bytes)
        return c;
    bool alone = bytes > a->next_size / 4;
    c = chunk_new(alone ? bytes : a->next_size);
    if (!c)
        return NULL;
    if (alone && a->first) {
        c->next = a->first->next;
        a->first->next = c;
        return c;
    }
    c->next = a->first;
    a->first = c;
    if (!alone && a->next_size < CHUNK_MOST)
        a->next_size *= 2;
    return c;
}

void *arena_alloc(arena *a, size_t n, size_t size)
{
    size_t bytes;
    chunk *c = bytes_of(n, size, &bytes) ? chunk_for(a, bytes) : NULL;

    if (!c)
        return NULL;
    void *memory = (char *)c + ALIGNMENT + c->used;
    c->used += bytes;
    return memory;
}

char *arena_copy(arena *a, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = arena_alloc(a, n, 1);

    return copy ? memcpy(copy, text, n) : NULL;
}

char *arena_print(arena *a, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

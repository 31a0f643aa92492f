/* scratch.c - a stack of memory per thread, for host->scratch: no malloc per call in the
 * long run. */
#include "plugin/plugin.h"

#include <pthread.h>
#include <stdlib.h>

enum { ALIGN = 64, LEAST = 1 << 16 };

typedef struct block {
    struct block *below;
    size_t room, used; /* bytes, of those after the head */
} block;
_Static_assert(sizeof(block) <= ALIGN, "the head of a block fits one step of alignment");

static _Thread_local block *top;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void pop(void)
{
    block *below = top->below;
    free(top);
    top = below;
}

static void thread_ends(void *unused)
{
    (void)unused;
    while (top)
        pop();
}

static void key_make(void)
{
    (void)!pthread_key_create(&key, thread_ends);
}

static bool push(size_t bytes)
{
    size_t room = top ? 2 * top->room : LEAST;
    if (room < bytes)
        room = bytes;
    block *b = aligned_alloc(ALIGN, ALIGN + room);
    if (!b)
        return false;
    pthread_once(&once, key_make);
    (void)!pthread_setspecific(key, &key);
    *b = (block){.below = top, .room = room};
    top = b;
    return true;
}

void *scratch_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
        return NULL;
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if ((!top || top->room - top->used < bytes) && !push(bytes))
        return NULL;
    char *at = (char *)top + ALIGN + top->used;
    top->used += bytes;
    return at;
}

scratch_mark scratch_now(void)
{
    return (scratch_mark){.block = top, .used = top ? top->used : 0};
}

void scratch_release(scratch_mark mark)
{
    while (top != mark.block)
        pop();
    if (top)
        top->used = mark.used;
}

/* The newest block, the largest, stays for the next call. */
void scratch_reset(void)
{
    while (top && top->below) {
        block *below = top->below;
        top->below = below->below;
        free(below);
    }
    if (top)
        top->used = 0;
}

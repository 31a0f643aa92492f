/* cache.c - tables that are costly to make, in the user's cache.
 *
 * A file is a head of 64 bytes, then the table.  It appears by rename, complete, so that
 * readers need no lock; the lock only keeps two processes from building the same table at
 * once. */
#include "plugin/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct head {
    char magic[16];
    uint64_t bytes, key;
    hash checksum; /* of the table */
    char unused[16];
} head;
_Static_assert(sizeof(head) == 64, "the table behind the head stays 64-byte aligned");

static const char MAGIC[16] = "nereid table 1\n";

/* Folder of PLUGIN's tables; NULL where there is no place for a cache. */
static const char *folder_of(const cache_request *r, arena *a)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (r->folder)
        return arena_print(a, "%s/%s", r->folder, r->plugin);
    if (xdg && xdg[0] == '/')
        return arena_print(a, "%s/nereid/%s", xdg, r->plugin);
    if (home && home[0] == '/')
        return arena_print(a, "%s/.cache/nereid/%s", home, r->plugin);
    return NULL;
}

static bool read_exactly(int file, void *out, size_t n)
{
    char *at = out;
    while (n) {
        ssize_t got = read(file, at, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool head_fits(const head *h, const cache_request *r)
{
    return memcmp(h->magic, MAGIC, sizeof MAGIC) == 0 && h->bytes == r->bytes &&
           h->key == r->key;
}

/* The table of PATH into MEMORY [64 + bytes]; false when there is none that is whole. */
static bool table_read(const char *path, const cache_request *r, char *memory)
{
    head *h = (head *)(void *)memory;
    struct stat s;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool whole = fstat(file, &s) == 0 && s.st_size >= 0 &&
                 (uint64_t)s.st_size == sizeof *h + r->bytes &&
                 read_exactly(file, memory, sizeof *h + r->bytes) && head_fits(h, r) &&
                 hash_equal(h->checksum, hash_bytes(memory + sizeof *h, r->bytes));
    close(file);
    return whole;
}

static int table_build(const cache_request *r, char *memory)
{
    head *h = (head *)(void *)memory;
    memset(memory, 0, sizeof *h + r->bytes); /* what a damaged file may have left */
    int status = r->build(r->context, memory + sizeof *h);
    if (status)
        return status;
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    h->bytes = r->bytes;
    h->key = r->key;
    h->checksum = hash_bytes(memory + sizeof *h, r->bytes);
    return NRE_OK;
}

/* An open file that is locked, or -1 where the cache cannot be written: then the table is
 * made, and perhaps twice.  Waits for another process, until the user asks to stop. */
static int lock_take(const char *path, int *file)
{
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    while (*file >= 0 && flock(*file, LOCK_EX | LOCK_NB)) {
        struct timespec pause = {.tv_nsec = 20000000};
        bool busy = errno == EWOULDBLOCK || errno == EINTR;
        int status = stop_check();
        if (status || !busy) {
            close(*file);
            *file = -1;
            return status;
        }
        nanosleep(&pause, NULL);
    }
    return NRE_OK;
}

static int table_make(const char *path, const char *lock, const cache_request *r,
                      char *memory)
{
    int file, status = lock_take(lock, &file);
    if (status)
        return status;
    bool kept = file_exists(path), whole = kept && table_read(path, r, memory);
    if (kept && !whole)
        log_say(NRE_WARN, "%s: %s is damaged or of another size; it is made anew",
                r->plugin, path);
    if (!whole) {
        status = table_build(r, memory);
        if (!status && file_write(path, memory, sizeof(head) + r->bytes))
            log_say(NRE_WARN, "%s: the table '%s' is not kept for the next run: %s",
                    r->plugin, r->name, error_message());
    }
    if (file >= 0)
        close(file);
    return status;
}

static bool name_fits(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n >= 1 && n <= 64 && !name[n];
}

int cache_table(const cache_request *r, arena *a, const void **out)
{
    size_t size;
    if (!name_fits(r->name))
        return fail(NRE_EINVAL, "a table is named '%s'; 1 to 64 of a-z, 0-9, _ and - fit",
                    r->name);
    char *memory = __builtin_add_overflow(r->bytes, sizeof(head), &size)
                       ? NULL
                       : arena_alloc(a, size, 1);
    if (!memory)
        return fail(NRE_ENOMEM, "no memory for the table '%s' of %zu bytes", r->name,
                    r->bytes);
    *out = memory + sizeof(head);
    const char *folder = folder_of(r, a);
    if (!folder || folder_make(folder))
        return table_build(r, memory);
    const char *path = arena_print(a, "%s/%s-%016llx.table", folder, r->name,
                                   (unsigned long long)r->key);
    const char *lock = path ? arena_print(a, "%s.lock", path) : NULL;
    if (!lock)
        return fail(NRE_ENOMEM, "no memory for the table '%s'", r->name);
    if (file_exists(path) && table_read(path, r, memory))
        return NRE_OK;
    return table_make(path, lock, r, memory);
}

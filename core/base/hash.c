/* base/hash.c - XXH3 with 128 bits, of memory and of files. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { BLOCK = 1 << 20 };

static hash hash_of(XXH128_hash_t h)
{
    return (hash){h.high64, h.low64};
}

hash hash_bytes(const void *data, size_t n)
{
    return hash_of(XXH3_128bits(data, n));
}

hash hash_string(const char *text)
{
    return hash_bytes(text, strlen(text));
}

/* All that is left of the open file. */
static int hash_rest(int file, XXH3_state_t *state, void *block)
{
    for (;;) {
        ssize_t n = read(file, block, BLOCK);
        if (n == 0)
            return NRE_OK;
        if (n < 0 && errno != EINTR)
            return fail(NRE_EIO, "cannot read: %s", strerror(errno));
        if (n > 0)
            XXH3_128bits_update(state, block, (size_t)n);
    }
}

int hash_file(const char *path, uint64_t from, hash *out)
{
    int file = -1, status = NRE_OK;
    void *block = malloc(BLOCK);
    XXH3_state_t *state = XXH3_createState();

    if (!block || !state || XXH3_128bits_reset(state) != XXH_OK) {
        status = fail(NRE_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || lseek(file, (off_t)from, SEEK_SET) < 0) {
        int code = errno;
        status = fail(code == ENOENT ? NRE_EDATA : NRE_EIO, "%s: cannot read: %s", path,
                      strerror(code));
        goto out;
    }
    status = hash_rest(file, state, block);
    if (status)
        fail_within(status, "%s", path);
    else
        *out = hash_of(XXH3_128bits_digest(state));
out:
    if (file >= 0)
        close(file);
    XXH3_freeState(state);
    free(block);
    return status;
}

hash_text hash_hex(hash h)
{
    hash_text text;

    snprintf(text.hex, sizeof text.hex, "%016" PRIx64 "%016" PRIx64, h.high, h.low);
    return text;
}

bool hash_equal(hash a, hash b)
{
    return a.high == b.high && a.low == b.low;
}

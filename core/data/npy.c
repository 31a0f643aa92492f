/* data/npy.c - NumPy files: f4, f8, i4, i8; C order; little-endian. */
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "\x93NUMPY"
enum { MAGIC_BYTES = 6, HEADER_MOST = 65536, RANK_MOST = 4 };

/* the header */

/* A dictionary in Python's own words, such as
 * {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

static bool take(cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted word of at most N - 1 letters. */
static bool take_string(cursor *c, char *out, size_t n)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    size_t used = 0;
    while (c->at < c->end && *c->at != quote) {
        if (used + 1 >= n)
            return false;
        out[used++] = *c->at++;
    }
    out[used] = '\0';
    return c->at < c->end && c->at++;
}

static bool take_count(cursor *c, uint64_t *out)
{
    const char *start;
    skip_blanks(c);
    for (start = c->at, *out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9';
         c->at++)
        if (__builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (uint64_t)(*c->at - '0'), out))
            return false;
    return c->at > start && (take(c, "L") || true);
}

static int take_shape(cursor *c, npy *out)
{
    bool comma = true;
    if (!take(c, "("))
        return fail(NRE_EDATA, "its shape is no tuple");
    for (out->rank = 0; !take(c, ")"); out->rank++) {
        if (out->rank == RANK_MOST)
            return fail(NRE_EDATA, "it has more than %d dimensions", RANK_MOST);
        if (!comma || !take_count(c, &out->dim[out->rank]))
            return fail(NRE_EDATA, "its shape cannot be read");
        comma = take(c, ",");
    }
    return NRE_OK;
}

static int take_type(cursor *c, npy *out)
{
    static const char *const known[] = {"<f4", "<f8", "<i4", "<i8"};
    char word[16] = "";
    if (!take_string(c, word, sizeof word))
        return fail(NRE_EDATA, "its type is a structure; plain numbers are needed");
    for (size_t i = 0; i < 4; i++)
        if (strcmp(word, known[i]) == 0) {
            out->type = word[1];
            out->width = (unsigned)(word[2] - '0');
            return NRE_OK;
        }
    return fail(NRE_EDATA, "its type is '%s'; <f4, <f8, <i4 and <i8 are read", word);
}

static int take_entry(cursor *c, npy *out, bool *fortran, unsigned *seen)
{
    char key[32];
    if (!take_string(c, key, sizeof key) || !take(c, ":"))
        return fail(NRE_EDATA, "its header cannot be read");
    if (strcmp(key, "descr") == 0) {
        *seen |= 1u;
        return take_type(c, out);
    }
    if (strcmp(key, "shape") == 0) {
        *seen |= 2u;
        return take_shape(c, out);
    }
    *fortran = take(c, "True");
    if (strcmp(key, "fortran_order") != 0 || (!*fortran && !take(c, "False")))
        return fail(NRE_EDATA, "its header has an unknown entry '%s'", key);
    *seen |= 4u;
    return NRE_OK;
}

static int read_header(cursor c, npy *out)
{
    bool fortran = false;
    unsigned seen = 0;
    if (!take(&c, "{"))
        return fail(NRE_EDATA, "its header is no dictionary");
    while (!take(&c, "}")) {
        int status = take_entry(&c, out, &fortran, &seen);
        if (status != NRE_OK)
            return status;
        if (!take(&c, ",") && (c.at == c.end || *c.at != '}'))
            return fail(NRE_EDATA, "its header cannot be read");
    }
    if (seen != 7u)
        return fail(NRE_EDATA, "its header lacks descr, fortran_order or shape");
    if (fortran && out->rank > 1)
        return fail(NRE_EDATA, "it is in Fortran order; save numpy.ascontiguousarray(a)");
    return NRE_OK;
}

/* Bytes of the array, or false when they overflow. */
static bool size_of(const npy *a, uint64_t *bytes)
{
    *bytes = a->width;
    for (unsigned k = 0; k < a->rank; k++)
        if (__builtin_mul_overflow(*bytes, a->dim[k], bytes))
            return false;
    return true;
}

int npy_view(const void *bytes, size_t n, npy *out, const void **data)
{
    const unsigned char *b = bytes;
    *out = (npy){.type = 0};
    if (n < 10 || memcmp(b, MAGIC, MAGIC_BYTES) != 0)
        return fail(NRE_EDATA, "it is no .npy file");
    size_t start = b[6] == 1 ? 10 : 12;
    if (b[6] < 1 || b[6] > 3 || n < start)
        return fail(NRE_EDATA, "version %u of .npy is not known", b[6]);
    size_t length = b[8] | (size_t)b[9] << 8;
    if (start == 12)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > HEADER_MOST || length > n - start)
        return fail(NRE_EDATA, "its header is longer than the file");
    const char *text = (const char *)b + start;
    int status = read_header((cursor){text, text + length}, out);
    if (status != NRE_OK)
        return status;
    uint64_t wanted, held = n - start - length;
    if (!size_of(out, &wanted) || wanted != held)
        return fail(NRE_EDATA,
                    "it holds %" PRIu64 " bytes of data, other than its shape says: "
                    "truncated or damaged",
                    held);
    *data = text + length;
    return NRE_OK;
}

/* reading */

int npy_parse(const void *bytes, size_t n, npy *out)
{
    const void *data;
    uint64_t size = 0;
    int status = npy_view(bytes, n, out, &data);
    if (status != NRE_OK)
        return status;
    size_of(out, &size);
    out->data = memory_new((size_t)size + 1, 1);
    if (!out->data)
        return fail(NRE_ENOMEM, "no memory for %" PRIu64 " bytes", size);
    memcpy(out->data, data, (size_t)size);
    return NRE_OK;
}

int file_map(const char *path, const void **bytes, size_t *n)
{
    struct stat about;
    *bytes = NULL, *n = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail(NRE_EDATA, "%s: %s", path, strerror(errno));
    int status = NRE_OK;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size <= 0)
        status = fail(NRE_EDATA, "%s: not a file, or empty", path);
    if (status == NRE_OK) {
        void *base = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (base == MAP_FAILED)
            status = fail(NRE_EIO, "%s: %s", path, strerror(errno));
        else
            *bytes = base, *n = (size_t)about.st_size;
    }
    close(file);
    return status;
}

void file_unmap(const void *bytes, size_t n)
{
    union {
        const void *read;
        void *write;
    } base = {bytes};
    if (bytes)
        munmap(base.write, n);
}

int npy_read(const char *path, npy *out)
{
    const void *bytes;
    size_t n;
    *out = (npy){.type = 0};
    int status = file_map(path, &bytes, &n);
    if (status != NRE_OK)
        return status;
    status = npy_parse(bytes, n, out);
    file_unmap(bytes, n);
    return status == NRE_OK ? NRE_OK : fail_within(status, "%s", path);
}

void npy_free(npy *a)
{
    if (a)
        free(a->data);
    if (a)
        *a = (npy){.type = 0};
}

double npy_value(const npy *a, const void *data, uint64_t i)
{
    const char *at = (const char *)data + i * a->width;
    union {
        float f4;
        double f8;
        int32_t i4;
        int64_t i8;
    } value;
    memcpy(&value, at, a->width);
    if (a->type == 'f')
        return a->width == 4 ? (double)value.f4 : value.f8;
    return a->width == 4 ? (double)value.i4 : (double)value.i8;
}

/* writing */

static int make_header(char type, unsigned width, unsigned rank, const uint64_t *dim,
                       char *out, size_t room)
{
    int n = snprintf(out, room, "{'descr': '<%c%u', 'fortran_order': False, 'shape': (",
                     type, width);
    for (unsigned k = 0; k < rank; k++)
        n += snprintf(out + n, room - (size_t)n,
                      k + 1 < rank ? "%" PRIu64 ", " : "%" PRIu64 "%s", dim[k],
                      rank == 1 ? "," : "");
    n += snprintf(out + n, room - (size_t)n, "), }");
    while ((10 + n + 1) % 64 != 0)
        out[n++] = ' ';
    out[n++] = '\n';
    return n;
}

static int write_all(FILE *file, const char *header, int n, const void *data,
                     uint64_t bytes)
{
    const unsigned char head[10] = {0x93,
                                    'N',
                                    'U',
                                    'M',
                                    'P',
                                    'Y',
                                    1,
                                    0,
                                    (unsigned char)(n & 255),
                                    (unsigned char)(n >> 8)};
    bool good = fwrite(head, 1, sizeof head, file) == sizeof head &&
                fwrite(header, 1, (size_t)n, file) == (size_t)n &&
                fwrite(data, 1, (size_t)bytes, file) == (size_t)bytes;
    return good ? NRE_OK : fail(NRE_EIO, "%s", strerror(errno));
}

int npy_write(const char *path, char type, unsigned width, unsigned rank,
              const uint64_t *dim, const void *data)
{
    char header[512], temporary[4096];
    npy shape = {.type = type, .width = width, .rank = rank};
    uint64_t bytes;
    bug_if(rank > RANK_MOST || (width != 4 && width != 8));
    for (unsigned k = 0; k < rank; k++)
        shape.dim[k] = dim[k];
    if (!size_of(&shape, &bytes) || bytes > SIZE_MAX)
        return fail(NRE_EINVAL, "%s: its shape overflows", path);
    int n = make_header(type, width, rank, dim, header, sizeof header);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        return fail(NRE_EIO, "%s: %s", temporary, strerror(errno));
    int status = write_all(file, header, n, data, bytes);
    if (fclose(file) != 0 && status == NRE_OK)
        status = fail(NRE_EIO, "%s", strerror(errno));
    if (status == NRE_OK)
        return file_publish(temporary, path);
    unlink(temporary);
    return fail_within(status, "%s", path);
}

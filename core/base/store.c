/* base/store.c - arrays on disk: HDF5 behind a checksum. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The user block: these words, the number of bytes behind the block, their hash, then
 * zeros. */
#define MAGIC "NEREID-STORE 1\n"
enum { USER_BLOCK = 512, ALIGNMENT = 64, GROWTH = 1 << 20 };

struct store {
    char *path;
    char *temporary; /* what is being written; NULL: open for reading */
    hid_t file;
    hid_t creation; /* properties of new datasets */
    hid_t linking;  /* properties of new links */
    bool failed;    /* something could not be put: nothing will be published */
};

/* handles and types */

/* Of any kind; negative ones are those that could not be made. */
static void drop(hid_t id)
{
    if (id >= 0)
        H5Idec_ref(id);
}

static hid_t type_of(store_type type)
{
    switch (type) {
    case STORE_F32:
        return H5T_IEEE_F32LE;
    case STORE_F64:
        return H5T_IEEE_F64LE;
    case STORE_U8:
        return H5T_STD_U8LE;
    case STORE_I64:
        return H5T_STD_I64LE;
    default:
        return H5I_INVALID_HID;
    }
}

/* What they are in memory. */
static hid_t native_of(store_type type)
{
    switch (type) {
    case STORE_F32:
        return H5T_NATIVE_FLOAT;
    case STORE_F64:
        return H5T_NATIVE_DOUBLE;
    case STORE_U8:
        return H5T_NATIVE_UINT8;
    case STORE_I64:
        return H5T_NATIVE_INT64;
    default:
        return H5I_INVALID_HID;
    }
}

static const char *word_of(store_type type)
{
    static const char *const words[] = {"an unknown type", "float32", "float64", "uint8",
                                        "int64"};

    return words[type >= STORE_F32 && type <= STORE_I64 ? type : 0];
}

static size_t size_of(store_type type)
{
    return type == STORE_U8 ? 1 : type == STORE_F32 ? 4 : 8;
}

static bool items_of(unsigned rank, const uint64_t *dim, uint64_t *n)
{
    *n = 1;
    for (unsigned i = 0; i < rank; i++)
        if (__builtin_mul_overflow(*n, dim[i], n))
            return false;
    return *n <= INT64_MAX / 8;
}

static store *store_new(const char *path)
{
    store *s = calloc(1, sizeof *s);

    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* our sentences, not its stack on stderr */
    if (!s)
        return NULL;
    s->file = s->creation = s->linking = H5I_INVALID_HID;
    s->path = strdup(path);
    if (!s->path) {
        free(s);
        return NULL;
    }
    return s;
}

void store_close(store *s)
{
    if (!s)
        return;
    drop(s->linking);
    drop(s->creation);
    if (s->file >= 0)
        H5Fclose(s->file);
    free(s->path);
    free(s);
}

/* writing */

static int fail_put(store *s, const char *name)
{
    s->failed = true;
    return fail(NRE_EIO, "%s: cannot put %s: HDF5 refuses it, or no memory is left",
                s->path, name);
}

/* The file is built in memory and written in one go by ourselves: when the disk is full,
 * libhdf5 (1.10) cannot close what it wrote and crashes at exit.  No times, so that the
 * same content gives the same bytes; arrays in one piece, on whole cache lines, for
 * mapping. */
static bool properties_new(store *s, hid_t *creation, hid_t *access)
{
    *creation = H5Pcreate(H5P_FILE_CREATE);
    *access = H5Pcreate(H5P_FILE_ACCESS);
    s->creation = H5Pcreate(H5P_DATASET_CREATE);
    s->linking = H5Pcreate(H5P_LINK_CREATE);
    return H5Pset_userblock(*creation, USER_BLOCK) >= 0 &&
           H5Pset_obj_track_times(*creation, false) >= 0 &&
           H5Pset_alignment(*access, 1, ALIGNMENT) >= 0 &&
           H5Pset_fapl_core(*access, GROWTH, false) >= 0 &&
           H5Pset_fclose_degree(*access, H5F_CLOSE_STRONG) >= 0 &&
           H5Pset_obj_track_times(s->creation, false) >= 0 &&
           H5Pset_layout(s->creation, H5D_CONTIGUOUS) >= 0 &&
           H5Pset_alloc_time(s->creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
           H5Pset_fill_time(s->creation, H5D_FILL_TIME_NEVER) >= 0 &&
           H5Pset_create_intermediate_group(s->linking, 1) >= 0;
}

int store_create(const char *path, store **out)
{
    hid_t creation = H5I_INVALID_HID, access = H5I_INVALID_HID;
    store *s = store_new(path);

    *out = NULL;
    if (s && properties_new(s, &creation, &access))
        s->file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    drop(creation);
    drop(access);
    if (s && s->file >= 0) {
        *out = s;
        return NRE_OK;
    }
    store_close(s);
    return fail(NRE_ENOMEM, "%s: out of memory", path);
}

int store_put(store *s, const char *name, store_type type, unsigned rank,
              const uint64_t *dim, const void *data)
{
    hid_t space = H5I_INVALID_HID, set = H5I_INVALID_HID;
    hsize_t extent[STORE_RANK + 1] = {0};
    uint64_t n;
    int status = NRE_OK;

    if (rank > STORE_RANK || type_of(type) < 0 || !items_of(rank, dim, &n)) {
        s->failed = true;
        return fail(NRE_EINVAL, "%s: %s: no such array can be stored", s->path, name);
    }
    for (unsigned i = 0; i < rank; i++)
        extent[i] = dim[i];
    space = H5Screate_simple((int)rank, extent, NULL);
    set = H5Dcreate2(s->file, name, type_of(type), space, s->linking, s->creation,
                     H5P_DEFAULT);
    if (set < 0 || (n > 0 && H5Dwrite(set, native_of(type), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                      data) < 0))
        status = fail_put(s, name);
    drop(set);
    drop(space);
    return status;
}

static int attribute_put(store *s, const char *name, hid_t type, const void *value)
{
    int status = NRE_OK;

    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(s->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, type, value) < 0)
        status = fail_put(s, name);
    drop(attribute);
    drop(space);
    return status;
}

int store_put_text(store *s, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    int status = NRE_ENOMEM;

    if (type >= 0 && H5Tset_size(type, strlen(text) + 1) >= 0)
        status = attribute_put(s, name, type, text);
    else
        fail(status, "%s: %s: out of memory", s->path, name);
    drop(type);
    return status;
}

int store_put_real(store *s, const char *name, double value)
{
    return attribute_put(s, name, H5T_IEEE_F64LE, &value);
}

int store_put_int(store *s, const char *name, int64_t value)
{
    return attribute_put(s, name, H5T_STD_I64LE, &value);
}

/* Print to BLOCK what goes before LENGTH bytes with this hash. */
static void seal_print(char *block, uint64_t length, hash rest)
{
    memset(block, 0, USER_BLOCK);
    snprintf(block, USER_BLOCK, MAGIC "%" PRIu64 "\n%s\n", length, hash_hex(rest).hex);
}

/* The N bytes of the finished file, which stay the library's.  It gives the size of an
 * image without the user block. */
static int image_of(store *s, char **bytes, size_t *n)
{
    void *handle = NULL; /* of a file in memory: where its bytes are */
    hsize_t reserved = 0;
    ssize_t behind = -1;

    if (H5Fflush(s->file, H5F_SCOPE_GLOBAL) >= 0 &&
        H5Fget_vfd_handle(s->file, H5P_DEFAULT, &handle) >= 0 &&
        H5Fget_filesize(s->file, &reserved) >= 0)
        behind = H5Fget_file_image(s->file, NULL, 0);
    if (!handle || behind < 0 || (uint64_t)behind + USER_BLOCK > reserved)
        return fail(NRE_ENOMEM, "%s: HDF5 cannot finish it: out of memory", s->path);
    *bytes = *(char **)handle;
    *n = (size_t)behind + USER_BLOCK;
    return NRE_OK;
}

int store_commit(store *s)
{
    char *bytes = NULL;
    size_t n = 0;
    int status = NRE_OK;

    if (s->failed)
        status =
            fail(NRE_EIO, "%s: not written, because an array could not be put", s->path);
    else
        status = image_of(s, &bytes, &n);
    if (bytes) {
        seal_print(bytes, n - USER_BLOCK, hash_bytes(bytes + USER_BLOCK, n - USER_BLOCK));
        status = file_write(s->path, bytes, n);
    }
    store_close(s);
    return status;
}

/* reading */

static int fail_damaged(const char *path, const char *how)
{
    return fail(NRE_EDATA, "%s: %s; delete it so that it is made again", path, how);
}

/* Read the user block, with a 0 behind it, and the number of bytes behind the block. */
static int read_block(const char *path, char *block, uint64_t *length)
{
    struct stat about;

    memset(block, 0, USER_BLOCK + 1);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail(errno == ENOENT ? NRE_EDATA : NRE_EIO, "%s: cannot open: %s", path,
                    strerror(errno));
    bool whole = fstat(file, &about) == 0 && read(file, block, USER_BLOCK) == USER_BLOCK;
    close(file);
    if (!whole || strncmp(block, MAGIC, strlen(MAGIC)) != 0)
        return fail_damaged(path,
                            "not a file that Nereid wrote, or its beginning is lost");
    *length = (uint64_t)about.st_size - USER_BLOCK;
    return NRE_OK;
}

/* NRE_OK when the file is ours and whole. */
static int verify(const char *path)
{
    char block[USER_BLOCK + 1], expected[USER_BLOCK], how[80];
    uint64_t length = 0, promised;
    hash rest;
    int status = read_block(path, block, &length);

    if (status)
        return status;
    promised = strtoull(block + strlen(MAGIC), NULL, 10);
    if (promised != length) {
        snprintf(how, sizeof how, "has %" PRIu64 " bytes instead of %" PRIu64,
                 length + USER_BLOCK, promised + USER_BLOCK);
        return fail_damaged(path, how);
    }
    status = hash_file(path, USER_BLOCK, &rest);
    if (status)
        return status;
    seal_print(expected, length, rest);
    return memcmp(block, expected, USER_BLOCK) == 0
               ? NRE_OK
               : fail_damaged(path, "damaged, its checksum does not match");
}

int store_open(const char *path, store **out)
{
    *out = NULL;
    int status = verify(path);
    if (status)
        return status;
    store *s = store_new(path);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (s && access >= 0 && H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0)
        s->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    drop(access);
    if (s && s->file >= 0) {
        *out = s;
        return NRE_OK;
    }
    store_close(s);
    return fail(NRE_EDATA,
                "%s: cannot be opened as HDF5; delete it so that it is made again", path);
}

bool store_has(const store *s, const char *name)
{
    return H5Lexists(s->file, name, H5P_DEFAULT) > 0 || H5Aexists(s->file, name) > 0;
}

static int dataset_open(store *s, const char *name, hid_t *set)
{
    *set = H5Dopen2(s->file, name, H5P_DEFAULT);
    return *set >= 0 ? NRE_OK : fail(NRE_EDATA, "%s: has no array %s", s->path, name);
}

static store_type type_from(hid_t type)
{
    for (store_type t = STORE_F32; t <= STORE_I64; t++)
        if (H5Tequal(type, type_of(t)) > 0)
            return t;
    return (store_type)0;
}

static int shape_of(store *s, const char *name, hid_t set, store_shape *out)
{
    hsize_t extent[H5S_MAX_RANK] = {0};
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    int rank = H5Sget_simple_extent_dims(space, extent, NULL);

    *out = (store_shape){.type = type_from(type)};
    drop(type);
    drop(space);
    if (rank < 0 || rank > STORE_RANK || out->type == 0)
        return fail(NRE_EDATA, "%s: %s has a type or rank that is not ours", s->path,
                    name);
    out->rank = (unsigned)rank;
    for (int i = 0; i < rank; i++)
        out->dim[i] = extent[i];
    return NRE_OK;
}

int store_shape_of(store *s, const char *name, store_shape *out)
{
    hid_t set;
    int status = dataset_open(s, name, &set);

    if (!status)
        status = shape_of(s, name, set, out);
    drop(set);
    return status;
}

/* Open the dataset if it has this type and number of items. */
static int dataset_of(store *s, const char *name, store_type type, uint64_t n, hid_t *set)
{
    store_shape shape;
    uint64_t items = 0;
    int status = dataset_open(s, name, set);

    if (!status)
        status = shape_of(s, name, *set, &shape);
    if (status)
        return status;
    if (!items_of(shape.rank, shape.dim, &items) || items != n || shape.type != type)
        return fail(NRE_EDATA, "%s: %s has %" PRIu64 " of %s, not %" PRIu64 " of %s",
                    s->path, name, items, word_of(shape.type), n, word_of(type));
    return NRE_OK;
}

int store_get(store *s, const char *name, store_type type, uint64_t n, void *data)
{
    hid_t set;
    int status = dataset_of(s, name, type, n, &set);

    if (!status && n > 0 &&
        H5Dread(set, native_of(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = fail(NRE_EIO, "%s: cannot read %s", s->path, name);
    drop(set);
    return status;
}

/* Open an attribute whose type is of CLASS and, but for texts, as long as 8 bytes. */
static int attribute_open(store *s, const char *name, H5T_class_t class, hid_t *attribute,
                          hid_t *type)
{
    *type = H5I_INVALID_HID;
    *attribute = H5Aopen(s->file, name, H5P_DEFAULT);
    if (*attribute < 0)
        return fail(NRE_EDATA, "%s: has no value %s", s->path, name);
    *type = H5Aget_type(*attribute);
    bool fits =
        H5Tget_class(*type) == class &&
        (class == H5T_STRING ? H5Tis_variable_str(*type) == 0 : H5Tget_size(*type) == 8);
    return fits ? NRE_OK : fail(NRE_EDATA, "%s: %s is of another type", s->path, name);
}

static int attribute_get(store *s, const char *name, H5T_class_t class, hid_t native,
                         void *out)
{
    hid_t attribute, type;
    int status = attribute_open(s, name, class, &attribute, &type);

    if (!status && H5Aread(attribute, native, out) < 0)
        status = fail(NRE_EIO, "%s: cannot read %s", s->path, name);
    drop(type);
    drop(attribute);
    return status;
}

int store_get_real(store *s, const char *name, double *out)
{
    return attribute_get(s, name, H5T_FLOAT, H5T_NATIVE_DOUBLE, out);
}

int store_get_int(store *s, const char *name, int64_t *out)
{
    return attribute_get(s, name, H5T_INTEGER, H5T_NATIVE_INT64, out);
}

int store_get_text(store *s, const char *name, arena *a, char **out)
{
    hid_t attribute, type;
    int status = attribute_open(s, name, H5T_STRING, &attribute, &type);

    if (!status) {
        *out = arena_alloc(a, H5Tget_size(type) + 1, 1);
        if (!*out)
            status = fail(NRE_ENOMEM, "%s: out of memory for %s", s->path, name);
        else if (H5Aread(attribute, type, *out) < 0)
            status = fail(NRE_EIO, "%s: cannot read %s", s->path, name);
    }
    drop(type);
    drop(attribute);
    return status;
}

/* mapping */

/* Through the library's own descriptor, so that it is the file that was verified even
 * when another has taken its name since. */
static int map_bytes(store *s, const char *name, uint64_t offset, uint64_t bytes,
                     store_map *out)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t skipped = offset % page;
    void *handle = NULL;
    struct stat about;

    if (H5Fget_vfd_handle(s->file, H5P_DEFAULT, &handle) < 0 || !handle ||
        fstat(*(int *)handle, &about) != 0)
        return fail(NRE_EIO, "%s: cannot map %s", s->path, name);
    if (offset > (uint64_t)about.st_size || bytes > (uint64_t)about.st_size - offset)
        return fail(NRE_EDATA, "%s: %s lies beyond the end of the file", s->path, name);
    void *base = mmap(NULL, bytes + skipped, PROT_READ, MAP_SHARED, *(int *)handle,
                      (off_t)(offset - skipped));
    if (base == MAP_FAILED)
        return fail(NRE_EIO, "%s: cannot map %s: %s", s->path, name, strerror(errno));
    *out = (store_map){base, bytes + skipped, (char *)base + skipped};
    return NRE_OK;
}

int store_map_of(store *s, const char *name, store_type type, uint64_t n, store_map *out)
{
    hid_t set;
    int status = dataset_of(s, name, type, n, &set);

    *out = (store_map){0};
    if (!status && n > 0) {
        haddr_t offset = H5Dget_offset(set); /* in the file, the user block counted */
        status = offset == HADDR_UNDEF
                     ? fail(NRE_EDATA, "%s: %s is not in one piece", s->path, name)
                     : map_bytes(s, name, offset, n * size_of(type), out);
    }
    drop(set);
    return status;
}

void store_unmap(store_map *map)
{
    if (map && map->base)
        munmap(map->base, map->length);
    if (map)
        *map = (store_map){0};
}

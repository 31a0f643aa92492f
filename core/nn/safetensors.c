/* nn/safetensors.c - tensors in a file that Python reads without running code from it. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, ALIGNMENT = 8 };

static json_t *shape_json(const net_tensor *t)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer(t->dim[i]));
    return shape;
}

/* Tensors lie behind each other in the order of the header. */
static json_t *header_json(const json_t *metadata, size_t n, const tensor_set *sets,
                           size_t *bytes)
{
    json_t *header = json_object();
    if (json_object_set_new(header, "__metadata__", json_deep_copy(metadata))) {
        json_decref(header);
        return NULL;
    }
    *bytes = 0;
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sets[s].n; i++) {
            const net_tensor *t = &sets[s].tensors[i];
            size_t end = *bytes + t->n * sizeof(float);
            json_t *entry =
                json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape_json(t),
                          "data_offsets", (json_int_t)*bytes, (json_int_t)end);
            if (json_object_set_new(header, t->name, entry)) {
                json_decref(header);
                return NULL;
            }
            *bytes = end;
        }
    return header;
}

static void put_length(uint64_t n, char *to)
{
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        to[i] = (char)(n >> (8 * i) & 0xff);
}

static void put_tensors(size_t n, const tensor_set *sets, char *to)
{
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sets[s].n; i++) {
            const net_tensor *t = &sets[s].tensors[i];
            tensor_export(t, sets[s].values + t->at, (float *)(void *)to);
            to += t->n * sizeof(float);
        }
}

/* The header is filled up with blanks so that the floats are aligned. */
static int write_file(const char *path, const json_t *header, size_t bytes, size_t n,
                      const tensor_set *sets)
{
    size_t used = json_dumpb(header, NULL, 0, JSON_COMPACT),
           length = (used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT,
           size = LENGTH_BYTES + length + bytes;
    char *file = used ? memory_new(size, 1) : NULL;
    if (!file)
        return fail(NRE_ENOMEM, "no memory to write '%s'", path);
    put_length(length, file);
    memset(file + LENGTH_BYTES, ' ', length);
    json_dumpb(header, file + LENGTH_BYTES, used, JSON_COMPACT);
    put_tensors(n, sets, file + LENGTH_BYTES + length);
    int status = file_write(path, file, size);
    free(file);
    return status;
}

int safetensors_write(const char *path, const json_t *metadata, size_t n,
                      const tensor_set *sets)
{
    size_t bytes = 0;
    json_t *header = header_json(metadata, n, sets, &bytes);
    int status = header ? write_file(path, header, bytes, n, sets)
                        : fail(NRE_ENOMEM, "no memory for the header of '%s'", path);
    json_decref(header);
    return status;
}

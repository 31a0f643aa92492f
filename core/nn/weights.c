/* nn/weights.c - tensors in a store. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

static int tensor_put(store *s, const char *prefix, const net_tensor *t,
                      const float *values)
{
    arena *a = arena_new();
    char *name = a ? arena_print(a, "%s/%s", prefix, t->name) : NULL;
    uint64_t dim[4] = {0};
    for (uint32_t i = 0; i < t->rank; i++)
        dim[i] = t->dim[i];
    float *torch = memory_new(t->n, sizeof *torch);
    if (torch)
        tensor_export(t, values + t->at, torch);
    int status = name && torch ? store_put(s, name, STORE_F32, t->rank, dim, torch)
                               : fail(NRE_ENOMEM, "no memory to save '%s'", t->name);
    free(torch);
    arena_free(a);
    return status;
}

int weights_put(store *s, const char *prefix, size_t n, const net_tensor *tensors,
                const float *values)
{
    int status = NRE_OK;
    for (size_t i = 0; !status && i < n; i++)
        status = tensor_put(s, prefix, &tensors[i], values);
    return status;
}

static bool shape_fits(const net_tensor *t, const store_shape *shape)
{
    bool fits = shape->type == STORE_F32 && shape->rank == t->rank;
    for (uint32_t i = 0; fits && i < t->rank; i++)
        fits = shape->dim[i] == t->dim[i];
    return fits;
}

static const char *dims_text(arena *a, uint32_t rank, const uint64_t *dim)
{
    const char *text = "";
    for (uint32_t i = 0; text && i < rank; i++)
        text = arena_print(a, "%s[%llu]", text, (unsigned long long)dim[i]);
    return text ? text : "";
}

static int shape_differs(arena *a, const char *name, const net_tensor *t,
                         const store_shape *shape)
{
    uint64_t dim[4] = {t->dim[0], t->dim[1], t->dim[2], t->dim[3]};
    return fail(NRE_EDATA,
                "'%s' has shape %s in the file but %s in the network: it is of another "
                "architecture",
                name, dims_text(a, shape->rank, shape->dim), dims_text(a, t->rank, dim));
}

static int tensor_get(store *s, arena *a, const char *prefix, const net_tensor *t,
                      float *values)
{
    char *name = arena_print(a, "%s/%s", prefix, t->name);
    store_shape shape = {0};
    if (!name)
        return fail(NRE_ENOMEM, "no memory to load '%s'", t->name);
    if (!store_has(s, name))
        return fail(NRE_EDATA, "the file holds no '%s': it is of another architecture",
                    name);
    int status = store_shape_of(s, name, &shape);
    if (status)
        return status;
    if (!shape_fits(t, &shape))
        return shape_differs(a, name, t, &shape);
    float *torch = memory_new(t->n, sizeof *torch);
    status = torch ? store_get(s, name, STORE_F32, t->n, torch)
                   : fail(NRE_ENOMEM, "no memory to load '%s'", t->name);
    if (!status)
        tensor_import(t, torch, values + t->at);
    free(torch);
    return status;
}

int weights_get(store *s, const char *prefix, size_t n, const net_tensor *tensors,
                float *values)
{
    arena *a = arena_new();
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "no memory to load the weights");
    for (size_t i = 0; !status && i < n; i++)
        status = tensor_get(s, a, prefix, &tensors[i], values);
    arena_free(a);
    return status;
}

/* data/parts.c - rows of several sets as one. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

typedef struct parts {
    loader base; /* first */
    size_t n;
    loader_part *of;
    uint64_t *first; /* [n] number of a part's first row */
} parts;

void loader_part_release(loader_part *p)
{
    loader_free(p->loader);
    dataset_close(p->data);
    free(p->row);
    *p = (loader_part){0};
}

static void parts_free(loader *l)
{
    parts *s = (parts *)(void *)l;
    for (size_t i = 0; s->of && i < s->n; i++)
        loader_part_release(&s->of[i]);
    free(s->of);
    free(s->first);
    free(s);
}

static size_t part_of(const parts *s, uint64_t row)
{
    size_t i = s->n - 1;
    while (row < s->first[i])
        i--;
    return i;
}

/* Rows that stand beside each other and come from the same part are asked for together. */
static int parts_rows(const loader *l, unsigned worker, uint64_t epoch, size_t n,
                      const uint64_t *index, double *theta, float *x)
{
    enum { MOST = 64 };
    const parts *s = (const parts *)(const void *)l;
    int status = NRE_OK;
    for (size_t done = 0, some = 0; done < n && status == NRE_OK; done += some) {
        size_t which = part_of(s, index[done]);
        const loader_part *p = &s->of[which];
        uint64_t row[MOST];
        for (some = 0; some < MOST && done + some < n; some++) {
            if (part_of(s, index[done + some]) != which)
                break;
            uint64_t at = index[done + some] - s->first[which];
            row[some] = p->row ? p->row[at] : at;
        }
        status = p->loader->rows(p->loader, worker, epoch, some, row,
                                 theta ? theta + done * l->n_theta : NULL,
                                 x ? x + done * l->n_x : NULL);
    }
    return status;
}

static int parts_join(parts *s, size_t n, const loader_part *of)
{
    s->of = memory_new(n, sizeof *s->of);
    s->first = memory_new(n, sizeof *s->first);
    if (!s->of || !s->first)
        return fail(NRE_ENOMEM, "no memory for rows of several sets");
    memcpy(s->of, of, n * sizeof *of);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        const loader *l = of[i].loader;
        if (l->n_theta != of[0].loader->n_theta || l->n_x != of[0].loader->n_x)
            return fail(NRE_EDATA, "sets of rows of %zu and %zu values cannot be joined",
                        l->n_x, of[0].loader->n_x);
        s->first[i] = s->base.n;
        s->base.n += of[i].row ? of[i].n : l->n;
    }
    s->base.n_theta = of[0].loader->n_theta;
    s->base.n_x = of[0].loader->n_x;
    s->base.rows = parts_rows;
    s->base.free = parts_free;
    return NRE_OK;
}

int loader_of_parts(size_t n, const loader_part *of, loader **out)
{
    parts *s = memory_new(1, sizeof *s);
    int status = NRE_OK;
    *out = NULL;
    if (!s || n == 0)
        status = s ? fail(NRE_EINVAL, "there are no sets of rows to join")
                   : fail(NRE_ENOMEM, "no memory for rows of several sets");
    else
        status = parts_join(s, n, of);
    if (status == NRE_OK) {
        *out = &s->base;
        return NRE_OK;
    }
    for (size_t i = 0; (!s || !s->of || s->n == 0) && i < n; i++) {
        loader_part p = of[i];
        loader_part_release(&p);
    }
    if (s)
        parts_free(&s->base);
    return status;
}

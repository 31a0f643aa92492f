/* infer/chains_file.c - draws as netCDF-4 in the layout of ArviZ's InferenceData. */
#include "infer/infer.h"

#include <netcdf.h>
#include <netcdf_mem.h>
#include <stdlib.h>
#include <string.h>

/* The first failure stays; what follows it does nothing. */
typedef struct writer {
    const chains *chains;
    const simulator *simulator;
    const target *target;
    size_t n_rows;
    const float *x;
    int file, posterior, stats, data;
    int code;       /* of netCDF */
    double *column; /* [n_chains][n_draws] */
} writer;

static void group(writer *w, const char *name, int *out)
{
    if (w->code == NC_NOERR)
        w->code = nc_def_grp(w->file, name, out);
}

static int dimension(writer *w, int in, const char *name, size_t n)
{
    int id = -1;
    if (w->code == NC_NOERR)
        w->code = nc_def_dim(in, name, n, &id);
    return id;
}

static int variable(writer *w, int in, const char *name, nc_type type, int rank,
                    const int *dims)
{
    int id = -1;
    if (w->code == NC_NOERR)
        w->code = nc_def_var(in, name, type, rank, dims, &id);
    return id;
}

static void text(writer *w, int in, int of, const char *name, const char *value)
{
    if (w->code == NC_NOERR && value && *value)
        w->code = nc_put_att_text(in, of, name, strlen(value), value);
}

static void put(writer *w, int in, int of, const double *value)
{
    if (w->code == NC_NOERR)
        w->code = nc_put_var_double(in, of, value);
}

/* A coordinate 0, 1, 2 ... for dimension NAME. */
static void coordinate(writer *w, int in, const char *name, int dim, size_t n)
{
    int id = variable(w, in, name, NC_INT64, 1, &dim);
    for (size_t i = 0; i < n && w->code == NC_NOERR; i++) {
        long long value = (long long)i;
        w->code = nc_put_var1_longlong(in, id, &i, &value);
    }
}

static void chain_and_draw(writer *w, int in, int dims[2])
{
    dims[0] = dimension(w, in, "chain", w->chains->n_chains);
    dims[1] = dimension(w, in, "draw", w->chains->n_draws);
    coordinate(w, in, "chain", dims[0], w->chains->n_chains);
    coordinate(w, in, "draw", dims[1], w->chains->n_draws);
}

static void put_posterior(writer *w)
{
    const chains *c = w->chains;
    int dims[2];
    chain_and_draw(w, w->posterior, dims);
    for (uint32_t k = 0; k < c->dim; k++) {
        const nre_theta *t = simulator_theta(w->simulator, w->target->which[k]);
        int id = variable(w, w->posterior, t->name, NC_DOUBLE, 2, dims);
        text(w, w->posterior, id, "long_name", t->label);
        text(w, w->posterior, id, "units", t->unit);
        for (size_t i = 0; i < c->n_chains * c->n_draws; i++)
            w->column[i] = c->theta[i * c->dim + k];
        put(w, w->posterior, id, w->column);
    }
}

static void put_stats(writer *w)
{
    int dims[2];
    chain_and_draw(w, w->stats, dims);
    int id = variable(w, w->stats, "lp", NC_DOUBLE, 2, dims);
    text(w, w->stats, id, "long_name", "log prior + log ratio");
    put(w, w->stats, id, w->chains->log_posterior);
    if (w->chains->weight) {
        id = variable(w, w->stats, "weight", NC_DOUBLE, 2, dims);
        put(w, w->stats, id, w->chains->weight);
    }
}

/* Field F of all rows, whose floats begin at AT in a row of x. */
static void put_field(writer *w, const nre_field *f, int rows, size_t at, size_t n)
{
    size_t width = simulator_n_x(w->simulator);
    int dims[5] = {rows}, rank = (int)f->shape.rank;
    for (int i = 0; i < rank; i++) {
        char name[128];
        snprintf(name, sizeof name, "%.100s_dim_%d", f->name, i);
        dims[i + 1] = dimension(w, w->data, name, f->shape.dim[i]);
    }
    int id = variable(w, w->data, f->name, NC_FLOAT, rank + 1, dims);
    text(w, w->data, id, "long_name", f->label);
    text(w, w->data, id, "units", f->unit);
    for (size_t i = 0; i < w->n_rows && w->code == NC_NOERR; i++) {
        size_t start[5] = {i}, count[5] = {1};
        for (int j = 0; j < rank; j++)
            count[j + 1] = f->shape.dim[j];
        w->code = nc_put_vara_float(w->data, id, start, count, w->x + i * width + at);
    }
    (void)n;
}

static void put_data(writer *w)
{
    const nre_simulator_info *info = simulator_info(w->simulator);
    int rows = dimension(w, w->data, "observation", w->n_rows);
    size_t at = 0;
    coordinate(w, w->data, "observation", rows, w->n_rows);
    for (size_t i = 0; i < info->n_fields; i++) {
        const nre_field *f = simulator_field(w->simulator, i);
        size_t n = 1;
        for (uint32_t k = 0; k < f->shape.rank; k++)
            n *= f->shape.dim[k];
        put_field(w, f, rows, at, n);
        at += n;
    }
}

/* No time of creation: the same draws are the same bytes. */
static void put_all(writer *w)
{
    text(w, w->file, NC_GLOBAL, "inference_library", "nereid");
    text(w, w->file, NC_GLOBAL, "inference_library_version", NEREID_VERSION);
    text(w, w->file, NC_GLOBAL, "target", w->target->name);
    group(w, "posterior", &w->posterior);
    group(w, "sample_stats", &w->stats);
    group(w, "observed_data", &w->data);
    put_posterior(w);
    put_stats(w);
    put_data(w);
}

/* In memory first: on a full disk the library would crash.  free(image->memory). */
static int write_image(writer *w, NC_memio *image)
{
    w->code = nc_create_mem("samples", NC_NETCDF4, 0, &w->file);
    if (w->code != NC_NOERR)
        return w->code;
    put_all(w);
    int closed = nc_close_memio(w->file, image);
    return w->code != NC_NOERR ? w->code : closed;
}

int chains_save(const chains *c, const simulator *s, const target *t, size_t n_rows,
                const float *x, const char *path)
{
    writer w = {.chains = c, .simulator = s, .target = t, .n_rows = n_rows, .x = x};
    NC_memio image = {0};
    w.column = memory_new(c->n_chains * c->n_draws, sizeof *w.column);
    if (!w.column)
        return fail(NRE_ENOMEM, "no memory to write %s", path);
    int code = write_image(&w, &image);
    int status = code == NC_NOERR ? file_write(path, image.memory, image.size)
                                  : fail(NRE_EIO, "cannot write %s: netCDF says '%s'",
                                         path, nc_strerror(code));
    free(image.memory);
    free(w.column);
    return status;
}

/* infer/chains_file.c - draws as netCDF-4 in the layout of ArviZ's InferenceData. */
#include "infer/infer.h"

#include <math.h>
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

/* and back */

typedef struct reader {
    const char *path;
    const simulator *simulator;
    const target *target;
    chains *chains;
    size_t n_rows;
    float *x;
    int file, posterior, stats, data;
    int code; /* of netCDF */
    double *column;
} reader;

static size_t length_of(reader *r, int in, const char *name)
{
    int id;
    size_t n = 0;
    if (r->code == NC_NOERR)
        r->code = nc_inq_dimid(in, name, &id);
    if (r->code == NC_NOERR)
        r->code = nc_inq_dimlen(in, id, &n);
    return n;
}

/* Variable NAME, if it has N values; *THERE NULL: it must be there. */
static void get(reader *r, int in, const char *name, size_t n, double *value, bool *there)
{
    int id, rank = 0, dim[NC_MAX_VAR_DIMS];
    if (r->code != NC_NOERR)
        return;
    int found = nc_inq_varid(in, name, &id);
    if (there && (*there = found == NC_NOERR) == false)
        return;
    size_t total = 1, length;
    r->code = found;
    if (r->code == NC_NOERR)
        r->code = nc_inq_var(in, id, NULL, NULL, &rank, dim, NULL);
    for (int i = 0; i < rank && r->code == NC_NOERR; i++)
        if ((r->code = nc_inq_dimlen(in, dim[i], &length)) == NC_NOERR &&
            __builtin_mul_overflow(total, length, &total))
            r->code = NC_EDIMSIZE;
    if (r->code == NC_NOERR && total != n)
        r->code = NC_EDIMSIZE;
    if (r->code == NC_NOERR)
        r->code = nc_get_var_double(in, id, value);
}

static void get_groups(reader *r)
{
    const struct {
        const char *name;
        int *id;
    } groups[] = {{"posterior", &r->posterior},
                  {"sample_stats", &r->stats},
                  {"observed_data", &r->data}};
    for (size_t i = 0; i < 3 && r->code == NC_NOERR; i++)
        r->code = nc_inq_grp_ncid(r->file, groups[i].name, groups[i].id);
}

static int draws_new(reader *r)
{
    chains *c = r->chains;
    size_t n_chains = length_of(r, r->posterior, "chain");
    size_t n_draws = length_of(r, r->posterior, "draw"), n;
    if (r->code != NC_NOERR)
        return NRE_OK;
    if (__builtin_mul_overflow(n_chains, n_draws, &n) || n == 0)
        return fail(NRE_EDATA, "%s: %zu chains of %zu draws", r->path, n_chains, n_draws);
    *c = (chains){.dim = r->target->n,
                  .n_chains = n_chains,
                  .n_draws = n_draws,
                  .acceptance = NAN,
                  .effective = NAN,
                  .k_hat = NAN};
    c->theta = memory_new(n, c->dim * sizeof *c->theta);
    c->log_posterior = memory_new(n, sizeof *c->log_posterior);
    c->weight = memory_new(n, sizeof *c->weight);
    c->r_hat = memory_new(3 * (size_t)c->dim, sizeof *c->r_hat);
    r->column = memory_new(n, sizeof *r->column);
    if (!c->theta || !c->log_posterior || !c->weight || !c->r_hat || !r->column)
        return fail(NRE_ENOMEM, "no memory for the draws of %s", r->path);
    c->ess_bulk = c->r_hat + c->dim;
    c->ess_tail = c->ess_bulk + c->dim;
    for (uint32_t k = 0; k < 3 * c->dim; k++)
        c->r_hat[k] = NAN;
    return NRE_OK;
}

static void get_draws(reader *r)
{
    chains *c = r->chains;
    size_t n = c->n_chains * c->n_draws;
    bool weighted = false;
    double squares = 0;
    for (uint32_t k = 0; k < c->dim && r->code == NC_NOERR; k++) {
        get(r, r->posterior, simulator_theta(r->simulator, r->target->which[k])->name, n,
            r->column, NULL);
        for (size_t i = 0; i < n; i++)
            c->theta[i * c->dim + k] = r->column[i];
    }
    get(r, r->stats, "lp", n, c->log_posterior, NULL);
    get(r, r->stats, "weight", n, c->weight, &weighted);
    for (size_t i = 0; i < n && weighted; i++)
        squares += c->weight[i] * c->weight[i];
    c->effective = weighted ? 1 / squares : NAN;
    if (!weighted) {
        free(c->weight);
        c->weight = NULL;
    }
}

static int get_data(reader *r)
{
    size_t width = simulator_n_x(r->simulator), at = 0;
    r->n_rows = length_of(r, r->data, "observation");
    double *value = memory_new(r->n_rows + 1, width * sizeof *value);
    r->x = memory_new(r->n_rows + 1, width * sizeof *r->x);
    for (size_t i = 0; i < simulator_info(r->simulator)->n_fields && value && r->x; i++) {
        const nre_field *f = simulator_field(r->simulator, i);
        size_t n = 1;
        for (uint32_t k = 0; k < f->shape.rank; k++)
            n *= f->shape.dim[k];
        get(r, r->data, f->name, r->n_rows * n, value, NULL);
        for (size_t j = 0; j < r->n_rows && r->code == NC_NOERR; j++)
            for (size_t k = 0; k < n; k++)
                r->x[j * width + at + k] = (float)value[j * n + k];
        at += n;
    }
    bool good = value && r->x;
    free(value);
    return good ? NRE_OK : fail(NRE_ENOMEM, "no memory for the data of %s", r->path);
}

int chains_load(const char *path, const simulator *s, const target *t, chains *out,
                size_t *n_rows, float **x)
{
    reader r = {.path = path, .simulator = s, .target = t, .chains = out};
    *out = (chains){0};
    r.code = nc_open(path, NC_NOWRITE, &r.file);
    if (r.code != NC_NOERR)
        return fail(NRE_EDATA, "cannot read %s: netCDF says '%s'", path,
                    nc_strerror(r.code));
    get_groups(&r);
    int status = draws_new(&r);
    if (!status && r.code == NC_NOERR)
        get_draws(&r);
    if (!status && r.code == NC_NOERR)
        status = get_data(&r);
    nc_close(r.file);
    free(r.column);
    if (!status && r.code != NC_NOERR)
        status =
            fail(NRE_EDATA, "%s does not hold the draws of target %s: netCDF says '%s'",
                 path, t->name, nc_strerror(r.code));
    if (status) {
        chains_release(out);
        free(r.x);
        r.x = NULL;
    }
    *n_rows = status ? 0 : r.n_rows;
    *x = r.x;
    return status;
}

int chains_resample(const chains *c, chains *out)
{
    size_t total = c->n_chains * c->n_draws, at = 0;
    size_t n = c->effective >= 1 ? (size_t)c->effective : 1;
    double below = c->weight[0];
    *out =
        (chains){.dim = c->dim, .n_chains = 1, .n_draws = n, .effective = c->effective};
    out->theta = memory_new(n, c->dim * sizeof *out->theta);
    out->log_posterior = memory_new(n, sizeof *out->log_posterior);
    if (!out->theta || !out->log_posterior) {
        chains_release(out);
        return fail(NRE_ENOMEM, "no memory for %zu draws", n);
    }
    for (size_t i = 0; i < n; i++) {
        for (; ((double)i + 0.5) / (double)n > below && at + 1 < total;
             below += c->weight[at])
            at++;
        memcpy(out->theta + i * c->dim, c->theta + at * c->dim,
               c->dim * sizeof *out->theta);
        out->log_posterior[i] = c->log_posterior[at];
    }
    return NRE_OK;
}

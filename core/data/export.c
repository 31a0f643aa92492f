/* data/export.c - simulations in a file for others. */
#include "data/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* HDF5 */

static int put_names(const simulator *s, store *f)
{
    arena *a = arena_new();
    const char *text = a ? simulator_names(s)[0] : NULL;
    for (size_t i = 1; text && i < simulator_n_theta(s); i++)
        text = arena_print(a, "%s,%s", text, simulator_names(s)[i]);
    int status = text ? store_put_text(f, "parameters", text)
                      : fail(NRE_ENOMEM, "no memory for names");
    if (status == NRE_OK)
        status =
            store_put_text(f, "simulator", simulator_instance(s)->plugin->table->name);
    arena_free(a);
    return status;
}

static int save_hdf5(const simulator *s, const char *path, uint64_t n,
                     const double *theta, const float *x, const uint8_t *status)
{
    store *f;
    uint64_t wide[2] = {n, simulator_n_theta(s)}, long_x[2] = {n, simulator_n_x(s)};
    int result = store_create(path, &f);
    if (result != NRE_OK)
        return result;
    result = store_put(f, "theta", STORE_F64, 2, wide, theta);
    if (result == NRE_OK)
        result = store_put(f, "x", STORE_F32, 2, long_x, x);
    if (result == NRE_OK && status)
        result = store_put(f, "status", STORE_U8, 1, &n, status);
    if (result == NRE_OK)
        result = put_names(s, f);
    if (result == NRE_OK)
        result = store_put_text(f, "noise", "included");
    if (result == NRE_OK)
        return store_commit(f);
    store_close(f);
    return result;
}

/* NumPy */

/* x in the shape of its only field, else flat. */
static int save_npy(const simulator *s, const char *path, uint64_t n, const double *theta,
                    const float *x)
{
    char beside[4096];
    uint64_t wide[2] = {n, simulator_n_theta(s)}, dim[4] = {n, simulator_n_x(s)};
    const nre_field *f = simulator_field(s, 0);
    unsigned rank = 2;
    if (simulator_info(s)->n_fields == 1 && f->shape.rank <= 3) {
        rank = 1 + f->shape.rank;
        for (unsigned k = 1; k < rank; k++)
            dim[k] = f->shape.dim[k - 1];
    }
    int result = npy_write(path, 'f', 4, rank, dim, x);
    if (result != NRE_OK)
        return result;
    snprintf(beside, sizeof beside, "%.*s.theta.npy", (int)(strlen(path) - 4), path);
    return npy_write(beside, 'f', 8, 2, wide, theta);
}

/* CSV */

static void print_rows(const simulator *s, FILE *file, size_t n, const double *theta,
                       const float *x)
{
    size_t d = simulator_n_theta(s), n_x = simulator_n_x(s);
    char name[96];
    for (size_t k = 0; k < d; k++)
        fprintf(file, "%s%s", k ? "," : "", simulator_names(s)[k]);
    for (size_t j = 0; j < n_x; j++) {
        x_name(s, j, sizeof name, name);
        fprintf(file, ",%s", name);
    }
    fputc('\n', file);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++)
            fprintf(file, "%s%.17g", k ? "," : "", theta[i * d + k]);
        for (size_t j = 0; j < n_x; j++)
            fprintf(file, ",%.9g", (double)x[i * n_x + j]);
        fputc('\n', file);
    }
}

static int save_csv(const simulator *s, const char *path, size_t n, const double *theta,
                    const float *x)
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "we");
    if (!file)
        return fail(NRE_EIO, "%s: %s", temporary, strerror(errno));
    print_rows(s, file, n, theta, x);
    bool good = !ferror(file);
    if (fclose(file) != 0 || !good) {
        int status = fail(NRE_EIO, "%s: %s", temporary, strerror(errno));
        unlink(temporary);
        return status;
    }
    return file_publish(temporary, path);
}

int simulations_save(const simulator *s, const char *path, size_t n, const double *theta,
                     const float *x, const uint8_t *status)
{
    if (ends_with(path, ".h5") || ends_with(path, ".hdf5"))
        return save_hdf5(s, path, n, theta, x, status);
    if (ends_with(path, ".npy"))
        return save_npy(s, path, n, theta, x);
    if (ends_with(path, ".csv"))
        return save_csv(s, path, n, theta, x);
    return fail(NRE_EUSAGE, "%s: simulations are written as .h5, .npy or .csv", path);
}

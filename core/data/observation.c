/* data/observation.c - rows of x from a file: a plugin's own, NumPy, CSV, or simulations
 * of ours. */
#include "data/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 1 << 28 };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* what all readers end with */

static int new_rows(const simulator *s, const char *file, uint64_t n, size_t *rows,
                    float **x)
{
    size_t items;
    if (n == 0)
        return fail(NRE_EDATA, "%s: has no observation", file);
    if (__builtin_mul_overflow(n, simulator_n_x(s), &items))
        return fail(NRE_EDATA, "%s: has too many rows", file);
    *x = memory_new(items, sizeof **x);
    *rows = (size_t)n;
    return *x ? NRE_OK : fail(NRE_ENOMEM, "%s: no memory for %zu rows", file, *rows);
}

static int check_finite(const simulator *s, const char *file, size_t n, const float *x)
{
    size_t n_x = simulator_n_x(s);
    for (size_t i = 0; i < n * n_x; i++)
        if (!isfinite(x[i])) {
            char name[96];
            x_name(s, i % n_x, sizeof name, name);
            return fail(NRE_EDATA, "%s: row %zu: %s is not finite", file, i / n_x, name);
        }
    return NRE_OK;
}

static int wrong_width(const simulator *s, const char *file, uint64_t rows,
                       uint64_t columns)
{
    bool upright = columns == 1 && rows == simulator_n_x(s);
    return fail(NRE_EDATA,
                "%s: row 0 has %" PRIu64 " columns; an observation of simulator '%s' has "
                "%zu%s",
                file, columns, simulator_instance(s)->plugin->table->name,
                simulator_n_x(s), upright ? ": write its values in one row" : "");
}

/* NumPy: [n][...], or one observation without the first dimension */

static int rows_of_npy(const simulator *s, const char *file, const npy *a, size_t *n,
                       float **x)
{
    uint64_t items = 1, n_x = simulator_n_x(s);
    for (unsigned k = 0; k < a->rank; k++)
        items *= a->dim[k];
    uint64_t rows = items == n_x && (a->rank < 2 || a->dim[0] != 1) ? 1
                    : a->rank > 0                                   ? a->dim[0]
                                                                    : 1;
    if (rows > 0 && items / rows != n_x)
        return wrong_width(s, file, rows, items / rows);
    int status = new_rows(s, file, rows, n, x);
    for (uint64_t i = 0; status == NRE_OK && i < items; i++)
        (*x)[i] = (float)npy_value(a, a->data, i);
    return status;
}

static int read_npy(const simulator *s, const char *file, size_t *n, float **x)
{
    npy a;
    int status = npy_read(file, &a);
    if (status != NRE_OK)
        return status;
    status = rows_of_npy(s, file, &a, n, x);
    npy_free(&a);
    return status;
}

/* CSV */

typedef struct table {
    arena *arena;
    size_t rows, columns;
    const char *const *names;
    double *values;
} table;

static int load_table(const char *file, table *t)
{
    char *text = NULL;
    size_t n = 0;
    *t = (table){.arena = NULL};
    int status = file_read(file, TEXT_MOST, &text, &n);
    if (status != NRE_OK)
        return fail(NRE_EDATA, "%s", error_message());
    t->arena = arena_new();
    status = t->arena ? csv_parse(file, text, n, t->arena, &t->rows, &t->columns,
                                  &t->names, &t->values)
                      : fail(NRE_ENOMEM, "%s: no memory to read it", file);
    free(text);
    return status;
}

static void free_table(table *t)
{
    free(t->values);
    arena_free(t->arena);
}

/* As simulations_save writes it: theta, then x. */
static bool has_our_header(const simulator *s, const table *t)
{
    size_t d = simulator_n_theta(s);
    char name[96];
    if (!t->names || t->columns != d + simulator_n_x(s))
        return false;
    for (size_t k = 0; k < t->columns; k++) {
        if (k >= d)
            x_name(s, k - d, sizeof name, name);
        if (strcmp(t->names[k], k < d ? simulator_names(s)[k] : name) != 0)
            return false;
    }
    return true;
}

static int rows_of_table(const simulator *s, const char *file, const table *t, size_t *n,
                         float **x)
{
    size_t n_x = simulator_n_x(s), skip = has_our_header(s, t) ? simulator_n_theta(s) : 0;
    if (t->columns != n_x + skip)
        return wrong_width(s, file, t->rows, t->columns);
    int status = new_rows(s, file, t->rows, n, x);
    for (size_t i = 0; status == NRE_OK && i < t->rows * n_x; i++)
        (*x)[i] = (float)t->values[i / n_x * t->columns + skip + i % n_x];
    return status;
}

static int read_csv(const simulator *s, const char *file, size_t *n, float **x)
{
    table t;
    int status = load_table(file, &t);
    if (status == NRE_OK)
        status = rows_of_table(s, file, &t, n, x);
    free_table(&t);
    return status;
}

/* simulations of ours */

static int read_store(const simulator *s, const char *file, size_t *n, float **x)
{
    store *f;
    store_shape shape;
    int status = store_open(file, &f);
    if (status != NRE_OK)
        return status;
    status = store_shape_of(f, "x", &shape);
    if (status == NRE_OK && (shape.rank != 2 || shape.dim[1] != simulator_n_x(s)))
        status = wrong_width(s, file, shape.dim[0], shape.rank > 1 ? shape.dim[1] : 1);
    if (status == NRE_OK)
        status = new_rows(s, file, shape.dim[0], n, x);
    if (status == NRE_OK)
        status = store_get(f, "x", STORE_F32, shape.dim[0] * shape.dim[1], *x);
    store_close(f);
    return status;
}

/* a plugin's reader */

/* A CSV with the header of our own simulations is read as such, also where the plugin has
 * a reader for data as the world has them. */
static bool is_ours(const simulator *s, const char *file)
{
    table t;
    if (!ends_with(file, ".csv"))
        return false;
    bool ours = load_table(file, &t) == NRE_OK && has_our_header(s, &t);
    free_table(&t);
    return ours;
}

static int read_by_plugin(const simulator *s, const char *file, size_t *n, float **x)
{
    const instance *i = simulator_instance(s);
    float *theirs = NULL;
    size_t rows = 0;
    crash_enter(i->plugin->table, "observation", 0, 0);
    int status = simulator_ops(s)->observation(i->self, i->host, file, &rows, &theirs);
    if (status == NRE_OK && rows > 0 && !theirs)
        status = fail(NRE_EPLUGIN, "it gives no rows");
    if (status == NRE_OK)
        status = new_rows(s, file, rows, n, x);
    if (status == NRE_OK)
        memcpy(*x, theirs, rows * simulator_n_x(s) * sizeof **x);
    crash_leave();
    if (status == NRE_OK || status == NRE_ENOMEM || status == NRE_EDATA)
        return status;
    status = plugin_failed(i->plugin->table, "observation", status);
    return status == NRE_EPLUGIN ? NRE_EDATA : status;
}

static const char *find(const simulator *s, const char *file)
{
    const instance *i = simulator_instance(s);
    if (file_exists(file) || !i->host)
        return file;
    const char *found = i->host->data_file(i->host, file);
    return found ? found : file;
}

int observation_read(const simulator *s, const char *file, size_t *n, float **x)
{
    const char *path = find(s, file);
    int status;
    *n = 0, *x = NULL;
    if (!file_exists(path))
        return fail(NRE_EDATA, "%s: no such file, nor in the data folders", file);
    if (ends_with(path, ".npy"))
        status = read_npy(s, path, n, x);
    else if (ends_with(path, ".h5"))
        status = read_store(s, path, n, x);
    else if (NRE_HAS(simulator_ops(s), observation) && !is_ours(s, path))
        status = read_by_plugin(s, path, n, x);
    else
        status = read_csv(s, path, n, x);
    if (status == NRE_OK)
        status = check_finite(s, path, *n, *x);
    if (status != NRE_OK) {
        free(*x);
        *x = NULL, *n = 0;
    }
    return status;
}

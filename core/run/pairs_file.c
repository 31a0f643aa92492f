/* What is kept of each test pair: diagnostics/pairs-TARGET.h5. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAIN, LOG_RATIO, RANK, DEVIANCE, N_COLUMNS, MOST_PARAMETERS = 1000 };
static const char COLUMNS[] = "gain, log_ratio, rank, deviance";
static const uint64_t MOST_PAIRS = UINT64_C(1) << 40;

static void row_of(const pair_set *p, uint64_t i, double *row)
{
    const pair_standing *s = &p->standing[i];

    row[GAIN] = s->missing ? NAN : s->gain;
    row[LOG_RATIO] = s->log_ratio;
    row[RANK] = s->missing ? NAN : s->at.rank;
    row[DEVIANCE] = s->lost || !p->deviances ? NAN : s->at.deviance;
}

static pair_standing standing_of(const double *row, bool deviances)
{
    bool missing = isnan(row[RANK]);

    return (pair_standing){.at = {.rank = missing ? 0 : row[RANK],
                                  .deviance = isnan(row[DEVIANCE]) ? 0 : row[DEVIANCE]},
                           .log_ratio = row[LOG_RATIO],
                           .gain = missing ? 0 : row[GAIN],
                           .missing = missing,
                           .lost = missing && deviances && isnan(row[DEVIANCE])};
}

static int put(store *f, const pair_set *p, const double *rows)
{
    const uint64_t shape[] = {p->n, N_COLUMNS}, theta[] = {p->n, p->dim};
    int rc = store_put(f, "pairs", STORE_F64, 2, shape, rows);

    if (!rc)
        rc = store_put(f, "theta", STORE_F64, 2, theta, p->theta);
    if (!rc)
        rc = store_put_text(f, "columns", COLUMNS);
    if (!rc)
        rc = store_put_int(f, "deviances", p->deviances);
    return rc ? rc : store_put_int(f, "snap", p->snap);
}

int pairs_save(const pair_set *p, const char *path)
{
    store *f = NULL;
    double *rows = memory_new((size_t)p->n + 1, N_COLUMNS * sizeof *rows);

    if (!rows)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)p->n);
    for (uint64_t i = 0; i < p->n; i++)
        row_of(p, i, rows + i * N_COLUMNS);
    int rc = store_create(path, &f);
    if (!rc)
        rc = put(f, p, rows);
    if (!rc)
        rc = store_commit(f);
    else
        store_close(f);
    free(rows);
    return rc;
}

static int get_flag(store *f, const char *name, bool *out)
{
    int64_t value = 0;
    int rc = store_get_int(f, name, &value);

    *out = value != 0;
    return rc;
}

static int get_shape(store *f, const char *path, pair_set *p)
{
    store_shape pairs, theta;
    int rc = store_shape_of(f, "pairs", &pairs);

    if (!rc)
        rc = store_shape_of(f, "theta", &theta);
    if (rc)
        return rc;
    if (pairs.rank != 2 || pairs.dim[1] != N_COLUMNS || pairs.dim[0] < 1 ||
        pairs.dim[0] > MOST_PAIRS || theta.rank != 2 || theta.dim[0] != pairs.dim[0] ||
        theta.dim[1] < 1 || theta.dim[1] > MOST_PARAMETERS)
        return fail(NRE_EDATA, "'%s' does not hold test pairs", path);
    p->n = pairs.dim[0];
    p->dim = (uint32_t)theta.dim[1];
    return NRE_OK;
}

static int get_rows(store *f, pair_set *p)
{
    size_t n = (size_t)p->n;
    double *rows = memory_new(n, N_COLUMNS * sizeof *rows);

    p->standing = memory_new(n, sizeof *p->standing);
    p->theta = memory_new(n, p->dim * sizeof *p->theta);
    int rc = rows && p->standing && p->theta
                 ? store_get(f, "pairs", STORE_F64, p->n * N_COLUMNS, rows)
                 : fail(NRE_ENOMEM, "no memory for %zu test pairs", n);
    if (!rc)
        rc = store_get(f, "theta", STORE_F64, p->n * p->dim, p->theta);
    for (size_t i = 0; i < n && !rc; i++)
        p->standing[i] = standing_of(rows + i * N_COLUMNS, p->deviances);
    free(rows);
    return rc;
}

int pairs_load(const char *path, pair_set **out)
{
    store *f = NULL;
    pair_set *p = *out = memory_new(1, sizeof *p);
    int rc = p ? store_open(path, &f) : fail(NRE_ENOMEM, "no memory for test pairs");

    if (!rc)
        rc = get_shape(f, path, p);
    if (!rc)
        rc = get_flag(f, "deviances", &p->deviances);
    if (!rc)
        rc = get_flag(f, "snap", &p->snap);
    if (!rc)
        rc = get_rows(f, p);
    store_close(f);
    if (rc) {
        pairs_free(p);
        *out = NULL;
    }
    return rc;
}

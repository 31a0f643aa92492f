/* data/loader.c - rows by index, with the observation noise of an epoch. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

/* of a dataset */

typedef struct dataset_loader {
    loader base;
    const dataset *dataset;
    const simulator *simulator;
    rng_key noise;
    bool add_noise, fresh;
} dataset_loader;

static int add_noise(const dataset_loader *l, unsigned worker, uint64_t epoch, size_t n,
                     const uint64_t *index, const double *theta, float *x)
{
    size_t d = l->base.n_theta;
    double *own = NULL;
    if (!theta) {
        own = memory_new(n, d * sizeof *own);
        if (!own)
            return fail(NRE_ENOMEM, "no memory for %zu rows", n);
        for (size_t i = 0; i < n; i++)
            memcpy(own + i * d, dataset_theta(l->dataset, index[i]), d * sizeof *own);
    }
    int status = simulator_perturb(l->simulator, l->noise, n, index, l->fresh ? epoch : 0,
                                   theta ? theta : own, x, worker);
    free(own);
    return status;
}

static int dataset_rows(const loader *base, unsigned worker, uint64_t epoch, size_t n,
                        const uint64_t *index, double *theta, float *x)
{
    const dataset_loader *l = (const dataset_loader *)base;
    for (size_t i = 0; i < n; i++) {
        if (index[i] >= base->n)
            return fail(NRE_EINVAL, "row %llu of a dataset of %llu",
                        (unsigned long long)index[i], (unsigned long long)base->n);
        if (theta)
            memcpy(theta + i * base->n_theta, dataset_theta(l->dataset, index[i]),
                   base->n_theta * sizeof *theta);
        if (x)
            memcpy(x + i * base->n_x, dataset_x(l->dataset, index[i]),
                   base->n_x * sizeof *x);
    }
    return x && l->add_noise ? add_noise(l, worker, epoch, n, index, theta, x) : NRE_OK;
}

static void loader_release(loader *l)
{
    free(l);
}

int loader_of_dataset(const dataset *d, const simulator *s, uint64_t seed,
                      const char *purpose, bool fresh, loader **out)
{
    *out = NULL;
    if (dataset_n_theta(d) != simulator_n_theta(s) || dataset_n_x(d) != simulator_n_x(s))
        return fail(NRE_EDATA,
                    "the dataset has %zu parameters and %zu values of x a row, the "
                    "simulator %zu and %zu",
                    dataset_n_theta(d), dataset_n_x(d), simulator_n_theta(s),
                    simulator_n_x(s));
    if (dataset_is_clean(d) && !simulator_has_noise(s))
        return fail(NRE_EDATA,
                    "the dataset lacks its observation noise, and the simulator has "
                    "none to add");
    int status = dataset_is_clean(d) ? simulator_ready(s) : NRE_OK;
    if (status != NRE_OK)
        return status;
    dataset_loader *l = memory_new(1, sizeof *l);
    if (!l)
        return fail(NRE_ENOMEM, "no memory for a loader");
    l->base = (loader){dataset_n(d), dataset_n_theta(d), dataset_n_x(d), dataset_rows,
                       NULL,         loader_release};
    l->dataset = d;
    l->simulator = s;
    l->noise = rng_purpose(seed, "noise/%s", purpose);
    l->add_noise = dataset_is_clean(d);
    l->fresh = fresh;
    *out = &l->base;
    return NRE_OK;
}

/* of arrays */

typedef struct array_loader {
    loader base;
    const double *theta;
    const float *x;
} array_loader;

static int array_rows(const loader *base, unsigned worker, uint64_t epoch, size_t n,
                      const uint64_t *index, double *theta, float *x)
{
    const array_loader *l = (const array_loader *)base;
    (void)worker, (void)epoch;
    for (size_t i = 0; i < n; i++) {
        bug_if(index[i] >= base->n);
        if (theta)
            memcpy(theta + i * base->n_theta, l->theta + index[i] * base->n_theta,
                   base->n_theta * sizeof *theta);
        if (x)
            memcpy(x + i * base->n_x, l->x + index[i] * base->n_x, base->n_x * sizeof *x);
    }
    return NRE_OK;
}

int loader_of_arrays(uint64_t n, size_t n_theta, size_t n_x, const double *theta,
                     const float *x, loader **out)
{
    array_loader *l = memory_new(1, sizeof *l);
    *out = NULL;
    if (!l)
        return fail(NRE_ENOMEM, "no memory for a loader");
    l->base = (loader){n, n_theta, n_x, array_rows, NULL, loader_release};
    l->theta = theta;
    l->x = x;
    *out = &l->base;
    return NRE_OK;
}

void loader_free(loader *l)
{
    if (l)
        l->free(l);
}

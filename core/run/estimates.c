/* Point estimates of observed rows, for the summary: maxima of posterior and ratio. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

/* Best draws that maxima start from. */
enum { N_STARTS = 8 };

/* The draw with the highest log posterior in each of N_STARTS equal parts of all draws:
 * where maxima start, START [N_STARTS][dim].  Parts of fewer draws than that overlap. */
static void starts_of(const chains *c, double *start)
{
    size_t n = c->n_chains * c->n_draws;
    for (size_t i = 0; i < N_STARTS; i++) {
        size_t best = i * n / N_STARTS, end = (i + 1) * n / N_STARTS;
        for (size_t k = best + 1; k < end; k++)
            if (c->log_posterior[k] > c->log_posterior[best])
                best = k;
        memcpy(start + i * c->dim, c->theta + best * c->dim, c->dim * sizeof *start);
    }
}

static int maxima(const estimates_request *r, maximum_kind kind, const double *start,
                  double *theta, double *value)
{
    if (r->n == 1)
        return maximum_of(r->posterior, r->worker, r->observed, r->row, r->n_rows, kind,
                          N_STARTS, start, theta, value);
    return maxima_of(r->posterior, r->worker, r->observed, r->row, r->n, kind, N_STARTS,
                     start, theta, value);
}

/* "map" and "mle" of every parameter of the target; MAP and MLE are [dim]. */
static void tell(uint32_t dim, const double *map, const double *mle, json_t *observation)
{
    json_t *list = json_object_get(observation, "parameters");
    for (uint32_t k = 0; k < dim; k++) {
        json_t *parameter = json_array_get(list, k);
        json_object_set_new(parameter, "map", json_number(map[k]));
        json_object_set_new(parameter, "mle", json_number(mle[k]));
    }
}

int estimates_add(const estimates_request *r, json_t *const *observation)
{
    uint32_t dim = posterior_target(r->posterior)->n;
    size_t one = (size_t)dim * (N_STARTS + 2) + 1;
    double *start = memory_new(r->n * one, sizeof *start);
    if (!start)
        return fail(NRE_ENOMEM, "no memory for maxima");
    double *map = start + r->n * N_STARTS * dim, *mle = map + r->n * dim,
           *value = mle + r->n * dim;
    for (size_t i = 0; i < r->n; i++)
        starts_of(r->chains[i], start + i * N_STARTS * dim);
    int rc = maxima(r, MAXIMUM_POSTERIOR, start, map, value);
    if (!rc)
        rc = maxima(r, MAXIMUM_RATIO, start, mle, value);
    for (size_t i = 0; i < r->n && !rc; i++)
        tell(dim, map + i * dim, mle + i * dim, observation[i]);
    free(start);
    return rc;
}

/* Point estimates of observed rows, for the summary: maxima of posterior and ratio, and their
 * errors. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Best draws that maxima start from. */
enum { N_STARTS = 8 };
/* Prior mass beyond a point in a tail without end that hardly a simulation was drawn from. */
static const double HARDLY = 1e-5;

/* One kind of maximum, of all observations. */
typedef struct maxima {
    maximum_kind kind;
    const char *name, *name_sd; /* of a parameter's entries */
    double *theta;              /* [n][dim] */
    double *value;              /* [n] */
    double *covariance;         /* [n][dim][dim] */
    const char **reason;        /* [n] */
} maxima;

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

/* Of the draws of each parameter, DEVIATION [dim]. */
static void deviations_of(const chains *c, double *deviation)
{
    size_t n = c->n_chains * c->n_draws;
    for (uint32_t k = 0; k < c->dim; k++) {
        double total = 0, mean = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            double w = c->weight ? c->weight[i] : 1, old = mean;
            if (!(w > 0))
                continue;
            total += w;
            mean += (c->theta[i * c->dim + k] - old) * w / total;
            squares +=
                w * (c->theta[i * c->dim + k] - old) * (c->theta[i * c->dim + k] - mean);
        }
        deviation[k] = sqrt(squares / total);
    }
}

/* Where an end of the support is infinite a network may rise without end, far beyond all
 * simulations: that is no maximum. */
static bool beyond(const target *trained, const double *theta)
{
    bool is = false;
    for (uint32_t k = 0; k < trained->n && !trained->prior->custom; k++) {
        const marginal *m = &trained->prior->of[trained->which[k]];
        double lo, hi, below = marginal_cdf(m, theta[k]);
        marginal_support(m, &lo, &hi);
        is = is || (isinf(lo) && below < HARDLY) || (isinf(hi) && below > 1 - HARDLY);
    }
    return is;
}

static void refuse_beyond(const estimates_request *r, maxima *m)
{
    const target *trained = ratio_target(r->posterior->ratio);
    size_t d = trained->n;
    for (size_t i = 0; i < r->n; i++) {
        if (!beyond(trained, m->theta + i * d))
            continue;
        m->reason[i] =
            "it lies beyond the simulations, where the estimator knows nothing";
        m->value[i] = NAN;
        for (size_t k = 0; k < d; k++)
            m->theta[i * d + k] = NAN;
        for (size_t k = 0; k < d * d; k++)
            m->covariance[i * d * d + k] = NAN;
    }
}

static int find(const estimates_request *r, const double *start, const double *deviation,
                maxima *m)
{
    int rc = r->n == 1
                 ? maximum_of(r->posterior, r->worker, r->observed, r->row, r->n_rows,
                              m->kind, N_STARTS, start, m->theta, m->value)
                 : maxima_of(r->posterior, r->worker, r->observed, r->row, r->n, m->kind,
                             N_STARTS, start, m->theta, m->value);
    const curvature_request wanted = {r->posterior, r->worker, r->observed,
                                      r->row,       r->n_rows, r->n,
                                      m->kind,      m->theta,  deviation};
    if (!rc)
        rc = curvature_of(&wanted, m->covariance, m->reason);
    if (!rc && r->networks)
        refuse_beyond(r, m);
    return rc;
}

/* Rows and columns COLUMN [n] of MATRIX [dim][dim]. */
static json_t *matrix_json(size_t dim, const double *matrix, size_t n,
                           const uint32_t *column, bool correlation)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < n; j++) {
            size_t a = column[i], b = column[j];
            double scale = sqrt(matrix[a * dim + a] * matrix[b * dim + b]);
            json_array_append_new(
                row, json_number(matrix[a * dim + b] / (correlation ? scale : 1)));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* Of observation I: NAME and NAME_SD of every parameter, and the whole of it as NAME. */
static void tell(const estimates_request *r, const maxima *m, size_t i,
                 json_t *observation)
{
    size_t dim = posterior_target(r->posterior)->n, n = r->n_columns;
    const double *covariance = m->covariance + i * dim * dim;
    json_t *list = json_object_get(observation, "parameters"), *sds = json_array(),
           *theta = json_array();
    for (size_t k = 0; k < n; k++) {
        json_t *parameter = json_array_get(list, k);
        size_t at = r->column[k];
        double sd = sqrt(covariance[at * dim + at]), best = m->theta[i * dim + at];
        json_object_set_new(parameter, m->name, json_number(best));
        json_object_set_new(parameter, m->name_sd, json_number(sd));
        json_array_append_new(theta, json_number(best));
        json_array_append_new(sds, json_number(sd));
    }
    json_t *j = json_pack("{s:o, s:o, s:o, s:s}", "value", json_number(m->value[i]),
                          "theta", theta, "sd", sds, "of",
                          n < dim ? "all parameters together" : "the target");
    const char *reason = m->reason[i];
    for (int is = 0; is < 2; is++)
        json_object_set_new(j, is ? "correlation" : "covariance",
                            reason ? json_null()
                                   : matrix_json(dim, covariance, n, r->column, is));
    if (reason)
        json_object_set_new(j, "reason", json_string(reason));
    json_object_set_new(observation, m->name, j);
}

/* Takes P on; the reasons are apart. */
static double *lay(maxima *m, size_t n, size_t dim, double *p, const char **reason)
{
    m->theta = p;
    m->value = m->theta + n * dim;
    m->covariance = m->value + n;
    m->reason = reason;
    return m->covariance + n * dim * dim;
}

int estimates_add(const estimates_request *r, json_t *const *observation)
{
    uint32_t dim = posterior_target(r->posterior)->n;
    size_t n = r->n, one = (size_t)dim * (N_STARTS + 1) + 2 * (dim + 1 + dim * dim);
    maxima kinds[] = {{.kind = MAXIMUM_POSTERIOR, .name = "map", .name_sd = "map_sd"},
                      {.kind = MAXIMUM_RATIO, .name = "mle", .name_sd = "mle_sd"}};
    double *start = memory_new(n * one, sizeof *start);
    const char **reason = memory_new(2 * n, sizeof *reason);
    uint32_t *column = memory_new(dim, sizeof *column);
    estimates_request all = *r;
    int rc =
        start && reason && column ? NRE_OK : fail(NRE_ENOMEM, "no memory for maxima");
    if (!rc) {
        double *deviation = start + n * N_STARTS * dim, *p = deviation + n * dim;
        for (size_t i = 0; i < n; i++) {
            starts_of(r->chains[i], start + i * N_STARTS * dim);
            deviations_of(r->chains[i], deviation + i * dim);
        }
        for (size_t k = 0; k < 2 && !rc; k++) {
            p = lay(&kinds[k], n, dim, p, reason + k * n);
            rc = find(r, start, deviation, &kinds[k]);
        }
    }
    if (!rc && !r->column) {
        for (uint32_t k = 0; k < dim; k++)
            column[k] = k;
        all.column = column;
        all.n_columns = dim;
    }
    for (size_t i = 0; i < n && !rc; i++)
        for (size_t k = 0; k < 2; k++)
            tell(&all, &kinds[k], i, observation[i]);
    free(start);
    free(reason);
    free(column);
    return rc;
}

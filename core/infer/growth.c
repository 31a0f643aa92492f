/* infer/growth.c - how the error of log ratios grows when rows are taken together. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct measuring {
    size_t n_members, n_rows, n, dim;
    ratio *const *member;
    ratio_worker **worker; /* [n_members] */
    observed **observed;   /* [n_members] */
    const double *theta;   /* [n][dim] */
    double *one, *sum;     /* [n_members][n] log ratios: of one row, of rows so far */
    double *mean;          /* [n] over the members */
} measuring;

static void centre(size_t n, double *value)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i];
    for (size_t i = 0; i < n; i++)
        value[i] -= sum / (double)n;
}

/* Every member from the mean of all, apart from what does not depend on theta, which moves no
 * posterior: LOG_RATIO [n_members][n], changed. */
static void deviations(const measuring *m, double *log_ratio)
{
    memset(m->mean, 0, m->n * sizeof *m->mean);
    for (size_t k = 0; k < m->n_members; k++) {
        centre(m->n, log_ratio + k * m->n);
        for (size_t i = 0; i < m->n; i++)
            m->mean[i] += log_ratio[k * m->n + i] / (double)m->n_members;
    }
    for (size_t k = 0; k < m->n_members; k++)
        for (size_t i = 0; i < m->n; i++)
            log_ratio[k * m->n + i] -= m->mean[i];
}

static double mean_square(const measuring *m, const double *deviation)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_members * m->n; i++)
        sum += deviation[i] * deviation[i];
    return sum / ((double)(m->n_members - 1) * (double)m->n);
}

/* A posterior whose log density is tilted by a small d(theta) has its mean moved by
 * Cov(theta, d): by posterior deviations, that of the parameter it moves most. */
static double shift_of(const measuring *m, const double *deviation)
{
    double most = 0;
    for (size_t k = 0; k < m->dim; k++) {
        double mean = 0, variance = 0, moved = 0;
        for (size_t i = 0; i < m->n; i++)
            mean += m->theta[i * m->dim + k] / (double)m->n;
        for (size_t i = 0; i < m->n; i++) {
            double off = m->theta[i * m->dim + k] - mean;
            variance += off * off / (double)m->n;
        }
        for (size_t j = 0; j < m->n_members; j++) {
            double one = 0;
            for (size_t i = 0; i < m->n; i++)
                one += (m->theta[i * m->dim + k] - mean) * deviation[j * m->n + i];
            moved += one / (double)m->n * (one / (double)m->n);
        }
        if (variance > 0)
            most = fmax(most, sqrt(moved / (double)(m->n_members - 1) / variance));
    }
    return most;
}

/* Row ROW added to the sums; its own mean square of deviations to *SQUARE. */
static int add_row(measuring *m, size_t row, double *square)
{
    for (size_t k = 0; k < m->n_members; k++) {
        int status = ratio_evaluate(m->member[k], m->worker[k], m->observed[k], row, 1,
                                    m->n, m->theta, m->one + k * m->n, NULL);
        if (status != NRE_OK)
            return status;
    }
    for (size_t i = 0; i < m->n_members * m->n; i++)
        m->sum[i] += m->one[i];
    deviations(m, m->one);
    *square += mean_square(m, m->one);
    return NRE_OK;
}

static int measure(measuring *m, growth *out)
{
    double square = 0;
    for (size_t row = 0; row < m->n_rows; row++) {
        int status = add_row(m, row, &square);
        if (status != NRE_OK)
            return status;
    }
    deviations(m, m->sum);
    *out = (growth){.one = sqrt(square / (double)m->n_rows),
                    .joint = sqrt(mean_square(m, m->sum)),
                    .shift = shift_of(m, m->sum)};
    return NRE_OK;
}

static int observe_all(measuring *m, const float *x)
{
    int status = NRE_OK;
    for (size_t k = 0; k < m->n_members && status == NRE_OK; k++) {
        status = ratio_worker_new(m->member[k], &m->worker[k]);
        if (status == NRE_OK)
            status = observed_new(m->member[k], &m->observed[k]);
        if (status == NRE_OK)
            status =
                ratio_observe(m->member[k], m->worker[k], m->n_rows, x, m->observed[k]);
    }
    return status;
}

int growth_of(size_t n_members, ratio *const *member, size_t n_rows, const float *x,
              size_t n, const double *theta, growth *out)
{
    if (n_members < 2 || n < 2 || n_rows < 1)
        return fail(NRE_EINVAL, "the error of log ratios shows in two networks and more");
    measuring m = {.n_members = n_members,
                   .n_rows = n_rows,
                   .n = n,
                   .dim = ratio_target(member[0])->n,
                   .member = member,
                   .theta = theta,
                   .worker = memory_new(n_members, sizeof *m.worker),
                   .observed = memory_new(n_members, sizeof *m.observed),
                   .one = memory_new((2 * n_members + 1) * n, sizeof *m.one)};
    int status = m.worker && m.observed && m.one
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "no memory for the error of log ratios");
    if (status == NRE_OK) {
        m.sum = m.one + n_members * n;
        m.mean = m.sum + n_members * n;
        status = observe_all(&m, x);
    }
    if (status == NRE_OK)
        status = measure(&m, out);
    for (size_t k = 0; k < n_members; k++) {
        if (m.observed)
            observed_free(m.observed[k]);
        if (m.worker)
            ratio_worker_free(m.worker[k]);
    }
    free(m.worker);
    free(m.observed);
    free(m.one);
    return status;
}

/* data/propose.c - thetas of rows: draws of the prior, or of what a cut has left of it. */
#include "data/data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A row that has found nothing by then: less than a millionth of the prior is left. */
static const uint64_t MOST = 20000000;

int proposer_new(const prior *p, const proposals *how, proposer *out)
{
    size_t each = how->each > 0 ? how->each : 1;
    *out = (proposer){.prior = p, .how = how, .each = each};
    out->theta = memory_new(each, p->n * sizeof *out->theta);
    out->kept = memory_new(each, sizeof *out->kept);
    return out->theta && out->kept ? NRE_OK
                                   : fail(NRE_ENOMEM, "no memory for proposals of theta");
}

void proposer_release(proposer *m)
{
    free(m->theta);
    free(m->kept);
    *m = (proposer){0};
}

/* The next proposals of a row, always the same ones together, whoever else draws: what
 * keep() says may depend on them in the last bit. */
static int judge(proposer *m, rng_key key, uint64_t row, uint64_t first)
{
    int status = NRE_OK;
    for (size_t i = 0; i < m->each && status == NRE_OK; i++)
        status =
            prior_sample(m->prior, key, row, first + i, 1, m->theta + i * m->prior->n);
    return status == NRE_OK ? m->how->keep(m->how->context, m->each, m->theta, m->kept)
                            : status;
}

int propose(proposer *m, rng_key key, uint64_t row, uint64_t *tried, double *theta)
{
    uint64_t from = *tried % m->each, first = *tried - from;
    uint64_t most = m->how->most > 0 ? m->how->most : MOST;
    for (; first < *tried + most; first += m->each, from = 0) {
        int status = judge(m, key, row, first);
        if (status == NRE_OK)
            status = stop_check();
        if (status != NRE_OK)
            return status;
        for (size_t i = from; i < m->each; i++)
            if (m->kept[i]) {
                memcpy(theta, m->theta + i * m->prior->n, m->prior->n * sizeof *theta);
                *tried = first + i + 1;
                return NRE_OK;
            }
    }
    return fail(NRE_ENUMERIC,
                "row %" PRIu64 ": none of %" PRIu64 " draws of the prior lies in what is "
                "left of it: a fraction below 1e-6 cannot be drawn by rejection",
                row, most);
}

/* many rows */

enum { ROWS = 64 }; /* a task of the pool */

typedef struct job {
    const prior *prior;
    const proposals *how;
    rng_key key;
    uint64_t first;
    size_t n;
    double *theta;
} job;

static int draw_rows_of(void *context, size_t i, unsigned worker)
{
    const job *j = context;
    size_t from = i * ROWS, n = j->n - from < ROWS ? j->n - from : ROWS, d = j->prior->n;
    proposer m;
    (void)worker;
    int status = proposer_new(j->prior, j->how, &m);
    for (size_t k = from; status == NRE_OK && k < from + n; k++) {
        uint64_t attempt = 0;
        status = propose(&m, j->key, j->first + k, &attempt, j->theta + k * d);
    }
    proposer_release(&m);
    return status;
}

int prior_sample_kept(const prior *p, const proposals *how, pool *workers, rng_key key,
                      uint64_t first, size_t n, double *theta)
{
    job j = {p, how, key, first, n, theta};
    if (!how)
        return prior_sample(p, key, first, 0, n, theta);
    return pool_run(workers, (n + ROWS - 1) / ROWS, draw_rows_of, &j);
}

/* diagnose/nearest.c - is a row farther from others than these are from one another? */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>

enum { JUDGES = 500, STRIDE = 32 };

typedef struct search {
    const apart_request *request;
    size_t n_judges;
    double *distance; /* [n_judges + n_more] to the nearest of the N, itself aside */
} search;

/* Squared; given up beyond MOST. */
static double distance2(const apart_request *q, const float *a, const float *b,
                        double most)
{
    double sum = 0;

    for (uint32_t from = 0; from < q->dim && sum < most; from += STRIDE) {
        uint32_t to = q->dim - from < STRIDE ? q->dim : from + STRIDE;
        for (uint32_t k = from; k < to; k++) {
            double d = ((double)a[k] - (double)b[k]) * (double)q->scale[k];
            sum += d * d;
        }
    }
    return sum;
}

static int nearest_of(void *context, size_t i, unsigned worker)
{
    search *s = context;
    const apart_request *q = s->request;
    size_t own = i < s->n_judges ? i : q->n + i - s->n_judges;
    double least = INFINITY;

    (void)worker;
    for (size_t k = 0; k < q->n; k++)
        if (k != own)
            least = fmin(least, distance2(q, q->row[own], q->row[k], least));
    s->distance[i] = sqrt(least);
    return stop_check();
}

int rows_apart(const apart_request *q, double *chance)
{
    search s = {.request = q, .n_judges = q->n < JUDGES ? q->n : JUDGES};
    size_t n = s.n_judges + q->n_more;
    s.distance = memory_new(n + 1, sizeof *s.distance);
    int status = s.distance ? pool_run(q->pool, n, nearest_of, &s)
                            : fail(NRE_ENOMEM, "no memory for distances of %zu rows", n);

    if (!status)
        qsort(s.distance, s.n_judges, sizeof *s.distance, compare_reals);
    for (size_t i = 0; i < q->n_more && !status; i++)
        chance[i] =
            place_p(s.n_judges, s.distance, s.distance[s.n_judges + i], PLACE_ABOVE);
    free(s.distance);
    return status;
}

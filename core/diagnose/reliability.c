/* diagnose/reliability.c - is what a classifier says a probability? */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One pair: what the classifier gives it, and its part of the mean over its row. */
typedef struct judged {
    double p;
    double weight; /* 1/2 for the joint pair of a row, 1/2 shared by its marginal ones */
    size_t row;
    bool joint;
} judged;

static int by_probability(const void *a, const void *b)
{
    const judged *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static double soft_plus(double v)
{
    return fmax(v, 0) + log1p(exp(-fabs(v)));
}

/* Of row I: half of its joint pair, half of the mean of its marginal ones. */
static double loss_of_row(const classified *c, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < c->n_marginals; k++)
        sum += soft_plus(c->marginal[i * c->n_marginals + k]);
    return 0.5 * soft_plus(-c->joint[i]) + 0.5 * sum / (double)c->n_marginals;
}

static void mean_and_error(size_t n, const double *value, double *mean, double *error)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (value[i] - *mean) * (value[i] - *mean);
    *error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN;
}

static void judge_pairs(const classified *c, judged *out)
{
    size_t m = c->n_marginals, n = 0;
    for (size_t i = 0; i < c->n; i++) {
        out[n++] = (judged){1 / (1 + exp(-c->joint[i])), 0.5, i, true};
        for (size_t k = 0; k < m; k++)
            out[n++] = (judged){1 / (1 + exp(-c->marginal[i * m + k])), 0.5 / (double)m,
                                i, false};
    }
}

/* End of the bin that begins at pair I: a share of the weight, and all that are equal. */
static size_t end_of_bin(const judged *p, size_t n, size_t i, double share)
{
    double weight = 0;
    size_t j = i;
    while (j < n && (weight < share || p[j].p == p[j - 1].p))
        weight += p[j++].weight;
    return j;
}

/* A bin of pairs: its part of the error; what each row adds to it, into ROW [n], and by its sign into
 * ALL [n]; the deviation of that part. */
static double add_bin(const classified *c, const judged *p, size_t n, double *row,
                      double *all, double *deviation)
{
    double mean, gap, sign;
    memset(row, 0, c->n * sizeof *row);
    for (size_t i = 0; i < n; i++)
        row[p[i].row] += p[i].weight * ((p[i].joint ? 1 : 0) - p[i].p);
    mean_and_error(c->n, row, &mean, deviation);
    gap = fabs(mean);
    sign = mean < 0 ? -1 : 1;
    for (size_t i = 0; i < c->n; i++)
        all[i] += sign * row[i];
    return gap;
}

int reliability_of(const classified *c, reliability *out)
{
    size_t n = c->n * (c->n_marginals + 1);
    judged *p = memory_new(n, sizeof *p);
    double *row = memory_new(3 * c->n, sizeof *row);
    *out = (reliability){.n = c->n, .n_marginals = c->n_marginals};
    if (!p || !row) {
        free(p);
        free(row);
        return fail(NRE_ENOMEM, "no memory to judge a classifier");
    }
    double *all = row + c->n, *losses = all + c->n, unused;
    for (size_t i = 0; i < c->n; i++)
        losses[i] = loss_of_row(c, i);
    mean_and_error(c->n, losses, &out->log_loss, &out->log_loss_error);
    judge_pairs(c, p);
    qsort(p, n, sizeof *p, by_probability);
    double share = (double)c->n / RELIABILITY_BINS;
    for (size_t i = 0, j; i < n; i = j) {
        double deviation;
        j = end_of_bin(p, n, i, share);
        out->calibration_error += add_bin(c, p + i, j - i, row, all, &deviation);
        out->by_chance += sqrt(2 / M_PI) * deviation;
    }
    mean_and_error(c->n, all, &unused, &out->calibration_deviation);
    free(p);
    free(row);
    return NRE_OK;
}

int reliability_change(const classified *before, const classified *after, double *mean,
                       double *error)
{
    double *change = memory_new(before->n, sizeof *change);
    if (!change)
        return fail(NRE_ENOMEM, "no memory to judge a classifier");
    for (size_t i = 0; i < before->n; i++)
        change[i] = loss_of_row(after, i) - loss_of_row(before, i);
    mean_and_error(before->n, change, mean, error);
    free(change);
    return NRE_OK;
}

json_t *reliability_json(const reliability *r)
{
    json_t *j = json_pack("{s:I, s:I}", "rows", (json_int_t)r->n, "marginals",
                          (json_int_t)r->n_marginals);
    json_object_set_new(j, "log_loss", json_number(r->log_loss));
    json_object_set_new(j, "log_loss_error", json_number(r->log_loss_error));
    json_object_set_new(j, "calibration_error", json_number(r->calibration_error));
    json_object_set_new(j, "calibration_error_error",
                        json_number(r->calibration_deviation));
    json_object_set_new(j, "by_chance", json_number(r->by_chance));
    return j;
}

/* diagnose/c2st.c - classifier two-sample test: can a network tell two samples apart? */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The classifier of the benchmark of Lueckmann et al. (2021) and, where that leaves it open, the
 * defaults of the library that it takes its classifier from (scikit-learn, MLPClassifier). */
enum {
    WIDTH = 10, /* units of a hidden layer, for each dimension */
    BATCH = 200,
    EPOCHS = 10000,
    PATIENCE = 10, /* epochs in a row whose training loss falls by less than TOLERANCE */
    LEAST = 50     /* draws in a sample */
};
static const double TOLERANCE = 1e-4, DECAY = 1e-4;

typedef struct c2st_job {
    size_t n;
    uint32_t dim;
    float *z;          /* [2 n][dim] standardised, the reference first */
    const float **row; /* [2 n] of z */
    bool *is_sample;   /* [2 n] */
    uint64_t *order;   /* [2 n] shuffled rows: the folds one after another */
    net *net;
    uint64_t seed;
    c2st_result *out;
} c2st_job;

/* a fold: rows FROM .. TO - 1 of the order judge what was trained on the others */

static int judge(const c2st_job *j, const classifier *c, const classifier_rows *rows,
                 size_t number, size_t from, size_t to)
{
    size_t n = to - from, right = 0;
    float *logit = memory_new(n, sizeof *logit);
    int status = logit ? classifier_judge(c, rows, n, j->order + from, logit)
                       : fail(NRE_ENOMEM, "no memory to judge a classifier");
    for (size_t i = 0; i < n && !status; i++)
        right += (logit[i] > 0) == j->is_sample[j->order[from + i]];
    j->out->fold[number] = (double)right / (double)n;
    free(logit);
    return status;
}

static int run_fold(void *context, size_t number, unsigned worker)
{
    const c2st_job *j = context;
    const size_t n = 2 * j->n, from = n * number / C2ST_FOLDS,
                 to = n * (number + 1) / C2ST_FOLDS;
    classifier_rules rules = {.batch = BATCH,
                              .epochs = EPOCHS,
                              .patience = PATIENCE,
                              .tolerance = TOLERANCE,
                              .decay = DECAY,
                              .purpose = "c2st",
                              .seed = j->seed,
                              .number = number};
    classifier c = {0};
    (void)worker;
    uint64_t *train = memory_new(n - (to - from), sizeof *train);
    if (!train)
        return fail(NRE_ENOMEM, "no memory for a fold of %zu rows", n);
    memcpy(train, j->order, from * sizeof *train);
    memcpy(train + from, j->order + to, (n - to) * sizeof *train);
    classifier_rows rows = {.dim = j->dim,
                            .row = j->row,
                            .second = j->is_sample,
                            .n_train = n - (to - from),
                            .train = train};
    int status = classifier_train(j->net, &rules, &rows, &c);
    j->out->epochs[number] = c.epochs;
    if (!status)
        status = judge(j, &c, &rows, number, from, to);
    classifier_release(&c);
    free(train);
    return status;
}

/* the whole */

/* By mean and deviation of the reference. */
static int standardise(const c2st_job *j, const double *reference, const double *sample)
{
    const size_t n = j->n, dim = j->dim;
    for (size_t k = 0; k < dim; k++) {
        double mean = 0, squares = 0;
        bool varies = false;
        for (size_t i = 0; i < n; i++)
            mean += reference[i * dim + k] / (double)n;
        for (size_t i = 0; i < n; i++) {
            double r = reference[i * dim + k] - mean;
            squares += r * r;
            varies |= reference[i * dim + k] != reference[k];
        }
        double deviation = sqrt(squares / (double)(n - 1));
        if (!isfinite(deviation) || !varies)
            return fail(NRE_ENUMERIC,
                        "C2ST: column %zu of the reference does not vary, or is not "
                        "finite",
                        k);
        for (size_t i = 0; i < 2 * n; i++) {
            const double *row = i < n ? reference + i * dim : sample + (i - n) * dim;
            j->z[i * dim + k] = (float)((row[k] - mean) / deviation);
            if (!isfinite(j->z[i * dim + k]))
                return fail(NRE_ENUMERIC, "C2ST: column %zu of draw %zu is not finite", k,
                            i < n ? i : i - n);
        }
    }
    return NRE_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Labels s = +-1 without meaning, predictions f: the accuracy is 1/2 + sum of s_i f_i / 2 N over the
 * N = 2 n rows.  Within a fold the terms do not correlate, but f_i was made with s_j of the other
 * folds and f_j with s_i: a neighbour that misleads is itself misled.  The sum over j of
 * E[s_i f_i s_j f_j] is the weight of f_i at first order in the labels for a symmetric smoother,
 * 2 / pi when f_i is the sign of a sum of many (Parseval; 1 at most), so that the variance is
 * 1 + 2 / pi times the binomial's.  With as many labels of each kind, s_i and the
 * other labels are anticorrelated: the mean is lower by 0.62 / sqrt(k) of these errors when the
 * classifier has k degrees of freedom, sqrt(2 / pi) / sqrt(1 + 2 / pi) = 0.62. */
static double null_error(size_t n)
{
    const double pi = 3.14159265358979324;
    return sqrt((1 + 2 / pi) / (8 * (double)n));
}

static int prepare(c2st_job *j, const double *reference, const double *sample)
{
    rng r;
    if (j->n < LEAST || j->dim == 0)
        return fail(NRE_EINVAL, "C2ST needs at least %d draws of each sample, not %zu",
                    LEAST, j->n);
    j->z = memory_new(2 * j->n, j->dim * sizeof *j->z);
    j->row = memory_new(2 * j->n, sizeof(float *));
    j->is_sample = memory_new(2 * j->n, sizeof *j->is_sample);
    j->order = memory_new(2 * j->n, sizeof *j->order);
    if (!j->z || !j->row || !j->is_sample || !j->order)
        return fail(NRE_ENOMEM, "no memory for two samples of %zu draws", j->n);
    for (size_t i = 0; i < 2 * j->n; i++) {
        j->row[i] = j->z + i * j->dim;
        j->is_sample[i] = i >= j->n;
    }
    rng_start(&r, rng_purpose(j->seed, "c2st/folds"), 0, 0);
    rng_permutation(&r, 2 * j->n, j->order);
    int status = standardise(j, reference, sample);
    return status ? status : classifier_net(j->dim, WIDTH * j->dim, &j->net);
}

int c2st_of(size_t n, uint32_t dim, const double *reference, const double *sample,
            uint64_t seed, pool *p, c2st_result *out)
{
    c2st_job j = {.n = n, .dim = dim, .seed = seed, .out = out};
    double start = now();
    *out = (c2st_result){.accuracy = NAN, .n = n};
    int status = prepare(&j, reference, sample);
    if (!status)
        status = pool_run(p, C2ST_FOLDS, run_fold, &j);
    if (!status) {
        out->accuracy = 0;
        for (size_t i = 0; i < C2ST_FOLDS; i++)
            out->accuracy += out->fold[i] / C2ST_FOLDS;
        out->null_error = null_error(n);
    }
    out->seconds = now() - start;
    net_free(j.net);
    free(j.order);
    free(j.is_sample);
    free(j.row);
    free(j.z);
    return status;
}

json_t *c2st_json(const c2st_result *c)
{
    json_t *folds = json_array();
    for (size_t i = 0; i < C2ST_FOLDS; i++)
        json_array_append_new(folds, json_number(c->fold[i]));
    return json_pack("{s:o, s:o, s:o, s:I}", "accuracy", json_number(c->accuracy),
                     "null_error", json_number(c->null_error), "folds", folds, "n",
                     (json_int_t)c->n);
}

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
static const adamw ADAM = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};

typedef struct c2st_job {
    size_t n;
    uint32_t dim;
    float *z;        /* [2 n][dim] standardised, the reference first */
    uint64_t *order; /* [2 n] shuffled rows: the folds one after another */
    net *net;
    uint64_t seed;
    c2st_result *out;
} c2st_job;

/* One classifier on its way. */
typedef struct fold {
    const c2st_job *job;
    size_t number, from, to; /* what it is judged on: rows FROM .. TO - 1 of the order */
    size_t n_train;
    uint64_t *train;       /* [n_train] rows, in the order of the epoch */
    uint64_t *place;       /* [n_train] */
    uint64_t *shuffled;    /* [n_train] */
    const uint64_t *batch; /* the rows of the step under way */
    trainer *trainer;
    float *weights, *gradient, *m, *v; /* [n_weights] */
    uint64_t step;
} fold;

/* the network */

static nre_node build(const void *self, nre_graph *g)
{
    const uint32_t units = *(const uint32_t *)self * WIDTH;
    nre_node a = g->theta;
    for (int i = 0; i < 2; i++)
        a = g->activate(g, g->linear(g, a, units, 1), NRE_RELU);
    return g->linear(g, a, 1, 1);
}

/* Draws are the "theta" of the graph, whose x is not used. */
static int network_new(const uint32_t *dim, net **out)
{
    static const nre_architecture_ops OPERATIONS = {.struct_size = sizeof OPERATIONS,
                                                    .build = build};
    static const nre_plugin CLASSIFIER = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                          .name = "c2st",
                                          .ops.architecture = &OPERATIONS};
    net_field unused = {.name = "unused", .shape = {.rank = 1, .dim = {1}}};
    net_inputs in = {.n_theta = *dim, .n_fields = 1, .fields = &unused};
    return net_new(&CLASSIFIER, dim, &in, out);
}

/* Uniform, +-sqrt(6 / (in + out)) (Glorot & Bengio 2010), the biases of a layer as its weights. */
static void start_weights(fold *f)
{
    size_t n;
    double bound = 0;
    const net_tensor *t = net_weights(f->job->net, &n);
    rng_key key = rng_purpose(f->job->seed, "c2st/init");
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, key, i, f->number);
        if (t[i].rank == 2)
            bound = sqrt(6.0 / (t[i].dim[0] + t[i].dim[1]));
        for (size_t k = 0; k < t[i].n; k++)
            f->weights[t[i].at + k] = (float)(bound * (2 * rng_uniform(&r) - 1));
    }
}

/* training */

static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    const fold *f = context;
    const uint32_t dim = f->job->dim;
    (void)worker;
    memset(x, 0, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        memcpy(theta + i * dim, f->job->z + f->batch[first + i] * dim,
               dim * sizeof *theta);
    return NRE_OK;
}

static bool is_sample(const c2st_job *j, uint64_t row)
{
    return row >= j->n;
}

static double cross_entropies(void *context, size_t first, size_t n, const float *logit,
                              double measured, float *gradient)
{
    const fold *f = context;
    double sum = 0, slope;
    (void)measured;
    for (size_t i = 0; i < n; i++) {
        double sign = is_sample(f->job, f->batch[first + i]) ? -1 : 1;
        sum += softplus(sign * (double)logit[i], &slope);
        gradient[i] = (float)(sign * slope);
    }
    return sum;
}

/* DECAY / 2 times the squared weights, biases apart, joins the sum of a batch. */
static double decay(fold *f)
{
    size_t n;
    double squares = 0;
    const net_tensor *t = net_weights(f->job->net, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = t[i].at; t[i].rank == 2 && k < t[i].at + t[i].n; k++) {
            squares += (double)f->weights[k] * (double)f->weights[k];
            f->gradient[k] += (float)DECAY * f->weights[k];
        }
    return 0.5 * DECAY * squares;
}

static int train_epoch(fold *f, uint64_t epoch, double *mean)
{
    rng r;
    double sum = 0;
    rng_start(&r, rng_purpose(f->job->seed, "c2st/batches"), f->number, epoch);
    rng_permutation(&r, f->n_train, f->place);
    for (size_t i = 0; i < f->n_train; i++)
        f->shuffled[i] = f->train[f->place[i]];
    for (size_t first = 0; first < f->n_train; first += BATCH) {
        size_t left = f->n_train - first;
        double value;
        trainer_job job = {.n = left < BATCH ? left : BATCH,
                           .per_x = 1,
                           .fill = fill,
                           .loss = cross_entropies,
                           .context = f};
        f->batch = f->shuffled + first;
        int status =
            trainer_step(f->trainer, &job, f->weights, NULL, f->gradient, &value);
        if (status)
            return status;
        sum += value + decay(f);
        adamw_step(&ADAM, ++f->step, 1 / (double)job.n, NULL, net_n_weights(f->job->net),
                   f->gradient, f->weights, f->m, f->v);
    }
    *mean = sum / (double)f->n_train;
    return isfinite(*mean) ? NRE_OK
                           : fail(NRE_ENUMERIC, "C2ST: the classifier's loss diverged");
}

/* Until the training loss stands still. */
static int train(fold *f)
{
    double best = INFINITY, mean = 0;
    int status = NRE_OK;
    uint64_t epoch = 0;
    for (int stale = 0; epoch < EPOCHS && stale <= PATIENCE; epoch++) {
        status = stop_check();
        if (!status)
            status = train_epoch(f, epoch, &mean);
        if (status)
            return status;
        stale = mean > best - TOLERANCE ? stale + 1 : 0;
        best = fmin(best, mean);
    }
    f->job->out->epochs[f->number] = epoch;
    return status;
}

/* judging */

static int judge(const fold *f)
{
    const c2st_job *j = f->job;
    size_t n = f->to - f->from, right = 0;
    model *m = NULL;
    model_worker *w = NULL;
    float *theta = memory_new(n, j->dim * sizeof *theta);
    float *logit = memory_new(n, sizeof *logit), x = 0, head = 0;
    int status = theta && logit ? model_new(j->net, f->weights, NULL, &m)
                                : fail(NRE_ENOMEM, "no memory to judge a classifier");
    if (!status)
        status = model_worker_new(m, &w);
    for (size_t i = 0; !status && i < n; i++)
        memcpy(theta + i * j->dim, j->z + j->order[f->from + i] * j->dim,
               j->dim * sizeof *theta);
    if (!status)
        status = model_head(m, w, 1, &x, &head);
    if (!status)
        status = model_trunk(m, w, 1, n, &head, theta, logit, NULL);
    for (size_t i = 0; !status && i < n; i++)
        right += (logit[i] > 0) == is_sample(j, j->order[f->from + i]);
    j->out->fold[f->number] = (double)right / (double)n;
    model_worker_free(w);
    model_free(m);
    free(logit);
    free(theta);
    return status;
}

/* a fold */

static int fold_new(const c2st_job *j, size_t number, fold *f)
{
    const size_t rows = 2 * j->n, n = net_n_weights(j->net);
    *f = (fold){.job = j,
                .number = number,
                .from = rows * number / C2ST_FOLDS,
                .to = rows * (number + 1) / C2ST_FOLDS};
    f->n_train = rows - (f->to - f->from);
    f->train = memory_new(3 * f->n_train, sizeof *f->train);
    f->weights = memory_new(4 * n, sizeof *f->weights);
    if (!f->train || !f->weights)
        return fail(NRE_ENOMEM, "no memory for a classifier of %zu weights", n);
    f->place = f->train + f->n_train;
    f->shuffled = f->place + f->n_train;
    f->gradient = f->weights + n;
    f->m = f->gradient + n;
    f->v = f->m + n;
    memcpy(f->train, j->order, f->from * sizeof *f->train);
    memcpy(f->train + f->from, j->order + f->to, (rows - f->to) * sizeof *f->train);
    start_weights(f);
    return trainer_new(j->net, BATCH, 1, false, NULL, &f->trainer);
}

static int run_fold(void *context, size_t number, unsigned worker)
{
    fold f;
    (void)worker;
    int status = fold_new(context, number, &f);
    if (!status)
        status = train(&f);
    if (!status)
        status = judge(&f);
    trainer_free(f.trainer);
    free(f.train);
    free(f.weights);
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
    j->order = memory_new(2 * j->n, sizeof *j->order);
    if (!j->z || !j->order)
        return fail(NRE_ENOMEM, "no memory for two samples of %zu draws", j->n);
    rng_start(&r, rng_purpose(j->seed, "c2st/folds"), 0, 0);
    rng_permutation(&r, 2 * j->n, j->order);
    int status = standardise(j, reference, sample);
    return status ? status : network_new(&j->dim, &j->net);
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

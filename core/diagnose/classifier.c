/* diagnose/classifier.c - a small network that tells rows of two kinds apart. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const adamw ADAM = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
enum { JUDGED = 1024 }; /* rows at a time */

/* One classifier on its way. */
typedef struct training {
    const classifier_rules *rules;
    const classifier_rows *rows;
    const net *net;
    classifier *out;
    size_t n_train;
    uint64_t *place, *shuffled; /* [n_train] */
    const uint64_t *batch;      /* the rows of the step under way */
    trainer *trainer;
    float *gradient, *m, *v, *best; /* [n_weights] */
    uint64_t step;
} training;

/* the network */

static nre_node build(const void *self, nre_graph *g)
{
    const uint32_t units = *(const uint32_t *)self;
    nre_node a = g->theta;
    for (int i = 0; i < 2; i++)
        a = g->activate(g, g->linear(g, a, units, 1), NRE_RELU);
    return g->linear(g, a, 1, 1);
}

/* Rows are the "theta" of the graph, whose x is not used. */
int classifier_net(uint32_t dim, uint32_t units, net **out)
{
    static const nre_architecture_ops OPERATIONS = {.struct_size = sizeof OPERATIONS,
                                                    .build = build};
    static const nre_plugin CLASSIFIER = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                          .name = "classifier",
                                          .ops.architecture = &OPERATIONS};
    net_field unused = {.name = "unused", .shape = {.rank = 1, .dim = {1}}};
    net_inputs in = {.n_theta = dim, .n_fields = 1, .fields = &unused};
    return net_new(&CLASSIFIER, &units, &in, out);
}

/* Uniform, +-sqrt(6 / (in + out)) (Glorot & Bengio 2010), the biases of a layer as its weights. */
static void start_weights(const training *t)
{
    size_t n;
    double bound = 0;
    const net_tensor *w = net_weights(t->net, &n);
    rng_key key = rng_purpose(t->rules->seed, "%s/init", t->rules->purpose);
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, key, i, t->rules->number);
        if (w[i].rank == 2)
            bound = sqrt(6.0 / (w[i].dim[0] + w[i].dim[1]));
        for (size_t k = 0; k < w[i].n; k++)
            t->out->weights[w[i].at + k] = (float)(bound * (2 * rng_uniform(&r) - 1));
    }
}

/* rows */

void classifier_moments(size_t n, uint32_t dim, const float *const *row, float *mean,
                        float *inverse)
{
    for (uint32_t k = 0; k < dim; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)row[i][k];
        for (size_t i = 0; i < n; i++)
            squares += pow((double)row[i][k] - sum / (double)n, 2);
        double deviation = sqrt(squares / (double)n);
        mean[k] = (float)(sum / (double)n);
        inverse[k] =
            deviation > 1e-6 * fabs((double)mean[k]) ? (float)(1 / deviation) : 0;
    }
}

int classifier_scale(const scaling *c, size_t n, float *x)
{
    float *z = memory_new(c->n_x, sizeof *z);
    if (!z)
        return fail(NRE_ENOMEM, "no memory for a row of x");
    for (size_t i = 0; i < n; i++) {
        scaling_apply(c, 1, x + i * c->n_x, z, NULL);
        memcpy(x + i * c->n_x, z, c->n_x * sizeof *z);
    }
    free(z);
    return NRE_OK;
}

static void lay_row(const classifier_rows *c, const float *row, float *z)
{
    if (!c->mean) {
        memcpy(z, row, c->dim * sizeof *z);
        return;
    }
    for (uint32_t k = 0; k < c->dim; k++)
        z[k] = fminf(fmaxf((row[k] - c->mean[k]) * c->inverse[k], -SCALING_CLAMP),
                     SCALING_CLAMP);
}

static int fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                float *theta)
{
    const training *t = context;
    const classifier_rows *c = t->rows;
    (void)worker;
    memset(x, 0, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        lay_row(c, c->row[t->batch[first + i]], theta + i * c->dim);
    return NRE_OK;
}

/* training */

static double entropy_of(const classifier_rows *c, uint64_t row, double logit,
                         double *slope)
{
    double sign = c->second[row] ? -1 : 1, weight = c->weight ? c->weight[row] : 1;
    double value = softplus(sign * logit, slope);
    *slope *= weight * sign;
    return weight * value;
}

static double cross_entropies(void *context, size_t first, size_t n, const float *logit,
                              double measured, float *gradient)
{
    const training *t = context;
    double sum = 0, slope;
    (void)measured;
    for (size_t i = 0; i < n; i++) {
        sum += entropy_of(t->rows, t->batch[first + i], (double)logit[i], &slope);
        gradient[i] = (float)slope;
    }
    return sum;
}

/* decay / 2 times the squared weights, biases apart, joins the sum of a batch. */
static double decay(training *t)
{
    size_t n;
    double squares = 0;
    const double rate = t->rules->decay;
    const net_tensor *w = net_weights(t->net, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = w[i].at; w[i].rank == 2 && k < w[i].at + w[i].n; k++) {
            float one = t->out->weights[k];
            squares += (double)one * (double)one;
            t->gradient[k] += (float)rate * one;
        }
    return 0.5 * rate * squares;
}

static int train_epoch(training *t, uint64_t epoch, double *mean)
{
    const classifier_rules *o = t->rules;
    rng r;
    double sum = 0;
    rng_start(&r, rng_purpose(o->seed, "%s/batches", o->purpose), o->number, epoch);
    rng_permutation(&r, t->n_train, t->place);
    for (size_t i = 0; i < t->n_train; i++)
        t->shuffled[i] = t->rows->train[t->place[i]];
    for (size_t first = 0; first < t->n_train; first += o->batch) {
        size_t left = t->n_train - first;
        double value;
        trainer_job job = {.n = left < o->batch ? left : o->batch,
                           .per_x = 1,
                           .fill = fill,
                           .loss = cross_entropies,
                           .context = t};
        t->batch = t->shuffled + first;
        int status =
            trainer_step(t->trainer, &job, t->out->weights, NULL, t->gradient, &value);
        if (status)
            return status;
        sum += value + decay(t);
        adamw_step(&ADAM, ++t->step, 1 / (double)job.n, NULL, net_n_weights(t->net),
                   t->gradient, t->out->weights, t->m, t->v);
    }
    *mean = sum / (double)t->n_train;
    return isfinite(*mean)
               ? NRE_OK
               : fail(NRE_ENUMERIC, "%s: the classifier's loss diverged", o->purpose);
}

/* Mean loss of the rows that say when to stop. */
static int loss_apart(const training *t, double *mean)
{
    const classifier_rows *c = t->rows;
    double sum = 0, slope;
    float *logit = memory_new(c->n_stop, sizeof *logit);
    int status = logit ? classifier_judge(t->out, c, c->n_stop, c->stop, logit)
                       : fail(NRE_ENOMEM, "no memory to judge a classifier");
    for (size_t i = 0; i < c->n_stop && !status; i++)
        sum += entropy_of(c, c->stop[i], (double)logit[i], &slope);
    *mean = sum / (double)c->n_stop;
    free(logit);
    return status;
}

/* Until the loss stands still: of the rows apart, whose best weights are kept, or that of training. */
static int train(training *t)
{
    const classifier_rules *o = t->rules;
    const size_t bytes = net_n_weights(t->net) * sizeof(float);
    const bool apart = t->rows->n_stop > 0;
    double best = INFINITY, mean = 0;
    uint64_t epoch = 0;
    for (int stale = 0; epoch < o->epochs && stale <= o->patience; epoch++) {
        int status = stop_check();
        if (!status)
            status = train_epoch(t, epoch, &mean);
        if (!status && apart)
            status = loss_apart(t, &mean);
        if (status)
            return status;
        if (apart && mean < best)
            memcpy(t->best, t->out->weights, bytes);
        stale = mean > best - o->tolerance ? stale + 1 : 0;
        best = fmin(best, mean);
    }
    if (apart)
        memcpy(t->out->weights, t->best, bytes);
    t->out->epochs = epoch;
    return NRE_OK;
}

int classifier_train(const net *g, const classifier_rules *rules,
                     const classifier_rows *rows, classifier *out)
{
    const size_t n = net_n_weights(g), m = rows->n_train;
    training t = {.rules = rules, .rows = rows, .net = g, .out = out, .n_train = m};
    *out = (classifier){.net = g, .weights = memory_new(n, sizeof *out->weights)};
    t.place = memory_new(2 * m, sizeof *t.place);
    t.gradient = memory_new(4 * n, sizeof *t.gradient);
    int status = out->weights && t.place && t.gradient
                     ? trainer_new(g, rules->batch, 1, false, NULL, &t.trainer)
                     : fail(NRE_ENOMEM, "no memory for a classifier of %zu weights", n);
    if (!status) {
        t.shuffled = t.place + m;
        t.m = t.gradient + n;
        t.v = t.m + n;
        t.best = t.v + n;
        start_weights(&t);
        status = train(&t);
    }
    trainer_free(t.trainer);
    free(t.place);
    free(t.gradient);
    if (status)
        classifier_release(out);
    return status;
}

void classifier_release(classifier *c)
{
    free(c->weights);
    *c = (classifier){0};
}

/* judging */

int classifier_judge(const classifier *c, const classifier_rows *rows, size_t n,
                     const uint64_t *index, float *logit)
{
    model *m = NULL;
    model_worker *w = NULL;
    float *z = memory_new(n < JUDGED ? n : JUDGED, rows->dim * sizeof *z);
    float x = 0, head = 0;
    int status = z ? model_new(c->net, c->weights, NULL, &m)
                   : fail(NRE_ENOMEM, "no memory to judge a classifier");
    if (!status)
        status = model_worker_new(m, &w);
    if (!status)
        status = model_head(m, w, 1, &x, &head);
    for (size_t first = 0; first < n && !status; first += JUDGED) {
        size_t some = n - first < JUDGED ? n - first : JUDGED;
        for (size_t i = 0; i < some; i++)
            lay_row(rows, rows->row[index[first + i]], z + i * rows->dim);
        status = model_trunk(m, w, 1, some, &head, z, logit + first, NULL);
    }
    model_worker_free(w);
    model_free(m);
    free(z);
    return status;
}

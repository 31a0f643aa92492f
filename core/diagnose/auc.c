/* diagnose/auc.c - can a classifier tell p(x) r(x | theta) from p(x | theta)?  (Hermans et al. 2020,
 * after Cranmer, Pavez & Louppe 2015) */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 10000, /* of each kind */
    POINTS = 3,
    LEAST_ROWS = 100,
    MOST_TIMES = 32, /* simulations of the prior for each at theta */
    BLOCK = 256,
    UNITS = 64,
    APART = 5, /* each fifth row of those to train on says when to stop */
    PERMUTATIONS = 1000,
    ROC = 101
};
static const double TEMPER = 0.8;
static const size_t BYTES_MOST = (size_t)512 << 20; /* of simulations of each kind */
static const classifier_rules RULES = {.batch = 200,
                                       .epochs = 100,
                                       .patience = 5,
                                       .tolerance = 1e-4,
                                       .decay = 1e-4,
                                       .purpose = "auc"};

/* What p(x) is reweighted by: r, r^0.8, 1. */
typedef enum auc_kind { RATIO, TEMPERED, BASELINE, N_KINDS } auc_kind;

typedef struct auc_outcome {
    double auc, error;
    double p, edge;   /* of the label permutations: p-value; what 99 in 100 stay below */
    double rate[ROC]; /* true positives at false positives of 0, 0.01 .. 1 */
} auc_outcome;

typedef struct auc_point {
    const double *theta; /* [dim] */
    float *fresh;        /* [n][n_x] */
    double effective;
    /* Mean log r of reweighted rows less that of fresh ones, and its error. */
    double excess, excess_error;
    auc_outcome outcome[N_KINDS];
} auc_point;

typedef struct auc_job {
    const subject *subject;
    const target *target;
    size_t n, n_points, n_x;
    double least;                 /* effective size that a point needs */
    double *theta;                /* [points][dim] */
    float *fresh;                 /* [points][n][n_x] */
    auc_point *point;             /* [points] */
    size_t n_marginals;           /* of which the first are test rows */
    float *marginal;              /* [n_marginals][n_x] x ~ p(x) */
    double *log_ratio;            /* [n_marginals][points] */
    size_t n_assessed, *assessed; /* points */
    net *net;
    atomic_ullong done;
} auc_job;

/* log ratios of many x at several theta */

typedef struct evaluation {
    const ratio *ratio;
    size_t n, n_x, n_points;
    const float *x;
    const double *theta; /* [points][dim] */
    double *out;         /* [n][points] */
} evaluation;

static int evaluate_block(void *context, size_t block, unsigned worker)
{
    const evaluation *e = context;
    const size_t d = ratio_target(e->ratio)->n * e->n_points, first = block * BLOCK;
    const size_t n = e->n - first < BLOCK ? e->n - first : BLOCK;
    ratio_worker *w = NULL;
    observed *o = NULL;
    double *theta = memory_new(n, d * sizeof *theta);
    int status = theta ? ratio_worker_new(e->ratio, &w)
                       : fail(NRE_ENOMEM, "no memory for log ratios");
    (void)worker;
    if (!status)
        status = observed_new(e->ratio, &o);
    for (size_t i = 0; i < n && !status; i++)
        memcpy(theta + i * d, e->theta, d * sizeof *theta);
    if (!status)
        status = ratio_observe(e->ratio, w, n, e->x + first * e->n_x, o);
    if (!status)
        status = ratio_evaluate(e->ratio, w, o, 0, n, e->n_points, theta,
                                e->out + first * e->n_points, NULL);
    observed_free(o);
    ratio_worker_free(w);
    free(theta);
    return status;
}

static int evaluate_rows(const auc_job *j, size_t n, const float *x, size_t n_points,
                         const double *theta, double *out)
{
    evaluation e = {j->subject->posterior->ratio, n, j->n_x, n_points, x, theta, out};
    return pool_run(j->subject->pool, (n + BLOCK - 1) / BLOCK, evaluate_block, &e);
}

/* weights */

/* Rows of p(x) that stand for all, and what each weighs. */
typedef struct selection {
    size_t n;
    uint64_t *row;  /* [n] marginals, ascending */
    double *weight; /* [n], mean 1 */
    double effective;
} selection;

static int compare_falling(const void *a, const void *b)
{
    return compare_reals(b, a);
}

static double power_of(auc_kind kind)
{
    return kind == RATIO ? 1 : kind == TEMPERED ? TEMPER : 0;
}

/* The same uniform for all powers. */
static double uniform_of(rng_key key, size_t row, size_t point)
{
    rng r;
    rng_start(&r, key, row, point);
    return rng_uniform(&r);
}

static void weigh(selection *s)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < s->n; i++) {
        sum += s->weight[i];
        square += s->weight[i] * s->weight[i];
    }
    s->effective = sum > 0 ? sum * sum / square : 0;
    for (size_t i = 0; i < s->n; i++)
        s->weight[i] *= sum > 0 ? (double)s->n / sum : 0;
}

/* Of weights w at most n rows by priority sampling (Duffield, Lund & Thorup 2007): those with the largest
 * w / u, u uniform, weigh max(w, the largest that was left out); sums over rows stay unbiased, and no row
 * comes twice. */
static void select_rows(const auc_job *j, const double *weight, const double *priority,
                        double limit, selection *out)
{
    for (size_t i = 0; i < j->n_marginals && out->n < j->n; i++)
        if (priority[i] > limit) {
            out->row[out->n] = i;
            out->weight[out->n++] = fmax(weight[i], limit);
        }
    weigh(out);
}

static void selection_release(selection *s)
{
    free(s->row);
    free(s->weight);
    *s = (selection){0};
}

static int selection_of(const auc_job *j, size_t point, auc_kind kind, selection *out)
{
    const rng_key key = rng_purpose(j->subject->seed, "auc/priority");
    const size_t n = j->n_marginals;
    const double *log_ratio = j->log_ratio + point, power = power_of(kind);
    double most = -INFINITY, *weight = memory_new(3 * n, sizeof *weight);
    *out = (selection){.row = memory_new(j->n, sizeof *out->row),
                       .weight = memory_new(j->n, sizeof *out->weight)};
    if (!weight || !out->row || !out->weight) {
        free(weight);
        selection_release(out);
        return fail(NRE_ENOMEM, "no memory for the weights of %zu simulations", n);
    }
    double *priority = weight + n, *sorted = priority + n;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, log_ratio[i * j->n_points]);
    for (size_t i = 0; i < n; i++) {
        weight[i] = power > 0 ? exp(power * (log_ratio[i * j->n_points] - most)) : 1;
        priority[i] = weight[i] / uniform_of(key, i, point);
    }
    memcpy(sorted, priority, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_falling);
    if (most > -INFINITY || power == 0)
        select_rows(j, weight, priority, n > j->n ? sorted[j->n] : 0, out);
    free(weight);
    return NRE_OK;
}

/* simulations of p(x) */

/* Test rows while there are some, then fresh ones. */
static int draw_marginals(const auc_job *j, size_t first, size_t n, float *x)
{
    const subject *s = j->subject;
    const truncation *left = s->posterior->truncation;
    uint64_t index[BLOCK];
    size_t there = s->test->n < SIZE_MAX ? (size_t)s->test->n : SIZE_MAX;
    size_t old = first >= there ? 0 : there - first < n ? there - first : n;
    draw d = {.seed = s->seed,
              .purpose = "auc/marginal",
              .first = first + old - there,
              .n = n - old,
              .on_invalid = s->on_invalid,
              .keep = left ? truncation_proposals(left) : NULL};
    int status = NRE_OK;
    for (size_t done = 0; done < old && !status; done += BLOCK) {
        size_t some = old - done < BLOCK ? old - done : BLOCK;
        for (size_t i = 0; i < some; i++)
            index[i] = first + done + i;
        status = s->test->rows(s->test, 0, 0, some, index, NULL, x + done * j->n_x);
    }
    return status || d.n == 0 ? status
                              : simulator_draw(s->simulator, s->pool, s->watch, &d, NULL,
                                               x + old * j->n_x, NULL, NULL, NULL);
}

static int more_marginals(auc_job *j, size_t n)
{
    size_t old = j->n_marginals;
    float *x = realloc(j->marginal, n * j->n_x * sizeof *x);
    double *log_ratio = NULL;
    if (x) {
        j->marginal = x;
        log_ratio = realloc(j->log_ratio, n * j->n_points * sizeof *log_ratio);
    }
    if (!log_ratio)
        return fail(NRE_ENOMEM, "no memory for %zu simulations", n);
    j->log_ratio = log_ratio;
    j->n_marginals = n;
    x += old * j->n_x;
    int status = draw_marginals(j, old, n - old, x);
    return status ? status
                  : evaluate_rows(j, n - old, x, j->n_points, j->theta,
                                  j->log_ratio + old * j->n_points);
}

/* Whether some point needs more rows, and not far more than there may be. */
static int wants_more(auc_job *j, size_t most, bool *out)
{
    int status = NRE_OK;
    *out = false;
    for (size_t i = 0; i < j->n_points && !status; i++) {
        selection s;
        status = selection_of(j, i, RATIO, &s);
        if (status)
            break;
        j->point[i].effective = s.effective;
        double needed = j->least / fmax(s.effective, 1) * (double)j->n_marginals;
        *out |= s.effective < j->least && needed < 2 * (double)most;
        selection_release(&s);
    }
    *out &= j->n_marginals < most;
    return status;
}

/* Twice as many until the weights of each point are worth enough rows. */
static int gather_marginals(auc_job *j)
{
    size_t most = BYTES_MOST / (j->n_x * sizeof(float));
    bool more = true;
    int status = NRE_OK;
    most = most < MOST_TIMES * j->n ? most : MOST_TIMES * j->n;
    for (size_t n = j->n; more && !status; n = 2 * n < most ? 2 * n : most) {
        status = more_marginals(j, n);
        if (!status)
            status = wants_more(j, most, &more);
    }
    return status;
}

/* classifiers */

/* A judged row. */
typedef struct scored {
    float score;
    double weight;
    bool second;
} scored;

static int compare_scores(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

typedef struct masses {
    double first, second;
} masses;

static masses masses_of(size_t n, const scored *row)
{
    masses m = {0, 0};
    for (size_t i = 0; i < n; i++)
        *(row[i].second ? &m.second : &m.first) += row[i].weight;
    return m;
}

/* Rows from I on that have one score: the first behind them, and what they weigh. */
static size_t tie_of(size_t n, const scored *row, size_t i, masses *m)
{
    size_t end = i + 1;
    while (end < n && !(row[end].score > row[i].score))
        end++;
    *m = masses_of(end - i, row + i);
    return end;
}

/* Chance that a row of the second kind scores higher than one of the first; rows in rising order. */
static double area_under(size_t n, const scored *row)
{
    masses all = masses_of(n, row), tie;
    double below = 0, sum = 0;
    for (size_t i = 0, end; i < n; i = end) {
        end = tie_of(n, row, i, &tie);
        sum += tie.second * (below + tie.first / 2);
        below += tie.first;
    }
    return sum / (all.first * all.second);
}

/* DeLong, DeLong & Clarke-Pearson (1988), of weighted rows. */
static double area_error(size_t n, const scored *row, double area)
{
    masses all = masses_of(n, row), tie, below = {0, 0};
    double sum = 0;
    for (size_t i = 0, end; i < n; i = end) {
        end = tie_of(n, row, i, &tie);
        double of_second = (below.first + tie.first / 2) / all.first;
        double of_first = 1 - (below.second + tie.second / 2) / all.second;
        for (size_t k = i; k < end; k++) {
            double share = row[k].weight / (row[k].second ? all.second : all.first);
            double off = (row[k].second ? of_second : of_first) - area;
            sum += share * share * off * off;
        }
        below.first += tie.first;
        below.second += tie.second;
    }
    return sqrt(sum);
}

/* True positives at equidistant false positives, the highest scores first. */
static void curve_of(size_t n, const scored *row, double *rate)
{
    masses all = masses_of(n, row), above = {0, 0};
    size_t at = 0;
    for (size_t end = n, i; end > 0; end = i) {
        masses tie = {0, 0};
        for (i = end; i > 0 && !(row[i - 1].score < row[end - 1].score); i--)
            *(row[i - 1].second ? &tie.second : &tie.first) += row[i - 1].weight;
        double next = (above.first + tie.first) / all.first;
        for (; at < ROC && tie.first > 0 && (double)at / (ROC - 1) <= next; at++) {
            double part = (double)at / (ROC - 1) * all.first - above.first;
            rate[at] = (above.second + tie.second * part / tie.first) / all.second;
        }
        above.first += tie.first;
        above.second += tie.second;
    }
    for (; at < ROC; at++)
        rate[at] = 1;
}

/* Labels about, each row with its weight: as many judged rows of one kind as of the other, so that an
 * area has the variance (1 / effective + 1 / n) / 12 as before.  The classifier has seen none of them;
 * areas of so many rows are normal, which tells chances smaller than 1 / PERMUTATIONS. */
static int permute(size_t n, scored *row, rng *r, auc_outcome *out)
{
    size_t n_second = 0;
    double sum = 0, squares = 0;
    uint64_t *order = memory_new(n, sizeof *order);
    if (!order)
        return fail(NRE_ENOMEM, "no memory to permute %zu labels", n);
    for (size_t i = 0; i < n; i++)
        n_second += row[i].second;
    for (size_t k = 0; k < PERMUTATIONS; k++) {
        rng_permutation(r, n, order);
        for (size_t i = 0; i < n; i++)
            row[order[i]].second = i < n_second;
        double off = area_under(n, row) - 0.5;
        sum += off / PERMUTATIONS;
        squares += off * off / PERMUTATIONS;
    }
    double deviation = sqrt(fmax(squares - sum * sum, 0));
    free(order);
    out->p = deviation > 0 ? gsl_cdf_ugaussian_Q((out->auc - 0.5 - sum) / deviation) : 1;
    out->edge = 0.5 + sum + deviation * gsl_cdf_ugaussian_Qinv(0.01);
    return NRE_OK;
}

/* One classifier and its rows: reweighted ones, then fresh ones. */
typedef struct contest {
    const auc_job *job;
    auc_kind kind;
    size_t point, number;
    size_t n_first, n; /* reweighted, all */
    classifier_rows rows;
    const float **row; /* [n] */
    bool *second;      /* [n] */
    double *weight;    /* [n] */
    uint64_t *train;   /* [n]: to train on, to stop by, to judge */
    size_t n_judged;
    float *mean; /* [2][n_x] */
    float *logit;
    scored *scored;
} contest;

static int contest_new(contest *c, const selection *s)
{
    const auc_job *j = c->job;
    c->n_first = s->n;
    c->n = s->n + j->n;
    c->row = memory_new(c->n, sizeof(float *));
    c->second = memory_new(c->n, sizeof *c->second);
    c->weight = memory_new(c->n, sizeof *c->weight);
    c->train = memory_new(c->n, sizeof *c->train);
    c->mean = memory_new(2 * j->n_x, sizeof *c->mean);
    c->logit = memory_new(c->n, sizeof *c->logit);
    c->scored = memory_new(c->n, sizeof *c->scored);
    if (!c->row || !c->second || !c->weight || !c->train || !c->mean || !c->logit ||
        !c->scored)
        return fail(NRE_ENOMEM, "no memory for %zu rows of a classifier", c->n);
    for (size_t i = 0; i < c->n; i++) {
        c->second[i] = i >= s->n;
        c->weight[i] = c->second[i] ? 1 : s->weight[i];
        c->row[i] = c->second[i] ? j->point[c->point].fresh + (i - s->n) * j->n_x
                                 : j->marginal + s->row[i] * j->n_x;
    }
    return NRE_OK;
}

static void contest_release(contest *c)
{
    free(c->row);
    free(c->second);
    free(c->weight);
    free(c->train);
    free(c->mean);
    free(c->logit);
    free(c->scored);
}

/* Every second row of each kind is judged. */
static bool is_judged(const contest *c, size_t i)
{
    return (i - (c->second[i] ? c->n_first : 0)) % 2 == 1;
}

static bool is_apart(const contest *c, size_t i)
{
    return (i - (c->second[i] ? c->n_first : 0)) / 2 % APART == APART - 1;
}

static size_t list_rows(contest *c, size_t at, bool judged, bool apart)
{
    for (size_t i = 0; i < c->n; i++)
        if (is_judged(c, i) == judged && (judged || is_apart(c, i) == apart))
            c->train[at++] = i;
    return at;
}

static int divide(contest *c)
{
    const auc_job *j = c->job;
    size_t n_train = list_rows(c, 0, false, false), n_fresh = 0;
    size_t n_apart = list_rows(c, n_train, false, true) - n_train;
    c->n_judged = list_rows(c, n_train + n_apart, true, false) - n_train - n_apart;
    const float **fresh = memory_new(n_train, sizeof(float *));
    if (!fresh)
        return fail(NRE_ENOMEM, "no memory for %zu rows of a classifier", n_train);
    for (size_t i = 0; i < n_train; i++)
        if (c->second[c->train[i]])
            fresh[n_fresh++] = c->row[c->train[i]];
    classifier_moments(n_fresh, (uint32_t)j->n_x, fresh, c->mean, c->mean + j->n_x);
    free(fresh);
    c->rows = (classifier_rows){.dim = (uint32_t)j->n_x,
                                .row = c->row,
                                .second = c->second,
                                .weight = c->weight,
                                .mean = c->mean,
                                .inverse = c->mean + j->n_x,
                                .n_train = n_train,
                                .n_stop = n_apart,
                                .train = c->train,
                                .stop = c->train + n_train};
    return NRE_OK;
}

static int judge(contest *c, const classifier *with, auc_outcome *out)
{
    const uint64_t *judged = c->train + c->rows.n_train + c->rows.n_stop;
    const size_t n = c->n_judged;
    rng r;
    int status = classifier_judge(with, &c->rows, n, judged, c->logit);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++)
        c->scored[i] = (scored){c->logit[i], c->weight[judged[i]], c->second[judged[i]]};
    qsort(c->scored, n, sizeof *c->scored, compare_scores);
    out->auc = area_under(n, c->scored);
    out->error = area_error(n, c->scored, out->auc);
    curve_of(n, c->scored, out->rate);
    rng_start(&r, rng_purpose(c->job->subject->seed, "auc/labels"), c->number, 0);
    return permute(n, c->scored, &r, out);
}

static int compete(contest *c, auc_outcome *out)
{
    classifier_rules rules = RULES;
    classifier with = {0};
    int status = divide(c);
    rules.seed = c->job->subject->seed;
    rules.number = c->number;
    if (!status)
        status = classifier_train(c->job->net, &rules, &c->rows, &with);
    if (!status)
        status = judge(c, &with, out);
    classifier_release(&with);
    return status;
}

static int run_contest(void *context, size_t number, unsigned worker)
{
    auc_job *j = context;
    size_t point = j->assessed[number / N_KINDS];
    contest c = {.job = j,
                 .kind = (auc_kind)(number % N_KINDS),
                 .point = point,
                 .number = point * N_KINDS + number % N_KINDS};
    selection s;
    (void)worker;
    int status = selection_of(j, point, c.kind, &s);
    if (status)
        return status;
    status = contest_new(&c, &s);
    if (!status)
        status = compete(&c, &j->point[point].outcome[c.kind]);
    contest_release(&c);
    selection_release(&s);
    return status ? status
                  : progress_report(j->subject->watch, "auc",
                                    atomic_fetch_add(&j->done, 1) + 1,
                                    N_KINDS * j->n_assessed, "classifiers", NULL);
}

/* points */

static int simulate_points(auc_job *j)
{
    const subject *s = j->subject;
    int status = fresh_truths(s, "auc/theta", j->n_points, j->theta);
    for (size_t i = 0; i < j->n_points && !status; i++) {
        auc_point *p = &j->point[i];
        char purpose[48];
        snprintf(purpose, sizeof purpose, "auc/%zu", i);
        *p = (auc_point){.theta = j->theta + i * j->target->n,
                         .fresh = j->fresh + i * j->n * j->n_x,
                         .excess = NAN};
        for (int k = 0; k < N_KINDS; k++)
            p->outcome[k] =
                (auc_outcome){.auc = NAN, .error = NAN, .p = NAN, .edge = NAN};
        status = fresh_rows_at(s, purpose, j->n, p->theta, p->fresh);
    }
    return status;
}

/* Weighted mean, and the squared error of it. */
static double mean_of(size_t n, const double *weight, const double *value, double *square)
{
    double sum = 0, mean = 0;
    for (size_t i = 0; i < n; i++) {
        sum += weight ? weight[i] : 1;
        mean += (weight ? weight[i] : 1) * value[i];
    }
    mean /= sum;
    for (size_t i = 0; i < n; i++)
        *square += pow((weight ? weight[i] : 1) * (value[i] - mean) / sum, 2);
    return mean;
}

/* A ratio that is too sure of itself has a larger log r where it sends x than where they are. */
static int find_excess(auc_job *j, size_t point)
{
    auc_point *p = &j->point[point];
    selection s = {0};
    double square = 0, *value = memory_new(2 * j->n, sizeof *value);
    int status = value ? selection_of(j, point, RATIO, &s)
                       : fail(NRE_ENOMEM, "no memory for log ratios");
    if (!status)
        status = evaluate_rows(j, j->n, p->fresh, 1, p->theta, value);
    for (size_t i = 0; i < s.n; i++)
        value[j->n + i] = j->log_ratio[s.row[i] * j->n_points + point];
    if (!status) {
        p->excess = mean_of(s.n, s.weight, value + j->n, &square) -
                    mean_of(j->n, NULL, value, &square);
        p->excess_error = sqrt(square);
    }
    selection_release(&s);
    free(value);
    return status;
}

static int assess_points(auc_job *j)
{
    int status = NRE_OK;
    for (size_t i = 0; i < j->n_points && !status; i++)
        if (j->point[i].effective >= j->least) {
            j->assessed[j->n_assessed++] = i;
            status = find_excess(j, i);
        }
    return status;
}

/* On the scale that the simulator asks for, with the moments of p(x). */
static int scale_rows(auc_job *j)
{
    const subject *s = j->subject;
    loader *l = NULL;
    scaling *c = NULL;
    int status =
        loader_of_arrays(j->n_marginals, j->target->n, j->n_x, NULL, j->marginal, &l);
    if (!status)
        status = scaling_fit(s->simulator, l, true, s->pool, &c);
    if (!status)
        status = classifier_scale(c, j->n_marginals, j->marginal);
    if (!status)
        status = classifier_scale(c, j->n_points * j->n, j->fresh);
    scaling_free(c);
    loader_free(l);
    return status;
}

static int run_all(auc_job *j)
{
    int status = simulate_points(j);
    if (!status)
        status = gather_marginals(j);
    if (!status)
        status = assess_points(j);
    if (status || j->n_assessed == 0)
        return status;
    status = scale_rows(j);
    if (!status)
        status = classifier_net((uint32_t)j->n_x, UNITS, &j->net);
    return status ? status
                  : pool_run(j->subject->pool, N_KINDS * j->n_assessed, run_contest, j);
}

/* results */

/* Smallest p-value of the points, times their number (Bonferroni), and which it is. */
static double smallest_p(const auc_job *j, auc_kind kind, size_t *which)
{
    double p = INFINITY;
    for (size_t i = 0; i < j->n_assessed; i++)
        if (j->point[j->assessed[i]].outcome[kind].p < p) {
            *which = j->assessed[i];
            p = j->point[*which].outcome[kind].p;
        }
    return j->n_assessed > 0 ? fmin(p * (double)j->n_assessed, 1) : NAN;
}

static const marginal *parameter_of(const auc_job *j, uint32_t k)
{
    return &j->target->prior->of[j->target->which[k]];
}

static json_t *point_json(const auc_job *j, const auc_point *p)
{
    json_t *theta = json_object();
    for (uint32_t k = 0; k < j->target->n; k++)
        json_object_set_new(theta, parameter_of(j, k)->name, json_number(p->theta[k]));
    const auc_outcome *o = p->outcome;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "theta", theta,
                     "auc", json_number(o[RATIO].auc), "error",
                     json_number(o[RATIO].error), "p_value", json_number(o[RATIO].p),
                     "baseline", json_number(o[BASELINE].auc), "null",
                     json_number(o[RATIO].edge), "power", json_number(o[TEMPERED].auc),
                     "power_p_value", json_number(o[TEMPERED].p), "effective",
                     json_number(p->effective), "excess", json_number(p->excess));
}

static json_t *roc_json(const auc_job *j)
{
    double even[ROC];
    size_t n = j->n_assessed > 0 ? ROC : 0;
    const auc_outcome *o = n ? j->point[j->assessed[0]].outcome : j->point[0].outcome;
    for (size_t i = 0; i < ROC; i++)
        even[i] = (double)i / (ROC - 1);
    return json_pack("{s:o, s:o, s:o}", "false_positive", numbers_json(n, even),
                     "weighted", numbers_json(n, o[RATIO].rate), "baseline",
                     numbers_json(n, o[BASELINE].rate));
}

static const char *theta_text(const auc_job *j, arena *a, const auc_point *p)
{
    const char *text = "";
    for (uint32_t k = 0; k < j->target->n; k++)
        text = arena_print(a, "%s%s%s = %.3g", text, k ? ", " : "",
                           parameter_of(j, k)->name, p->theta[k]);
    return text;
}

static const char *advice(const auc_job *j, arena *a, const auc_point *p)
{
    const char *where = theta_text(j, a, p);
    if (p->excess > 3 * p->excess_error)
        return arena_print(
            a,
            "At %s it is too sure of itself: log r is %.2g nats higher for "
            "reweighted x than for those of that theta.  More simulations, "
            "an ensemble, or the loss bnre.",
            where, p->excess);
    if (p->excess < -3 * p->excess_error)
        return arena_print(a,
                           "At %s it is too cautious: log r is %.2g nats lower for "
                           "reweighted x than for those of that theta.  Longer training, "
                           "or a larger network.",
                           where, -p->excess);
    return arena_print(a,
                       "At %s it is as sure of itself as it may be, yet about other x: "
                       "shifted, or blind to a part of them.  Longer training, a larger "
                       "network, or more simulations.",
                       where);
}

static double best_effective(const auc_job *j)
{
    double most = 0;
    for (size_t i = 0; i < j->n_points; i++)
        most = fmax(most, j->point[i].effective);
    return most;
}

/* Why it stays open; NULL: it does not. */
static const char *reason(const auc_job *j, arena *a, double power)
{
    if (2 * j->n_assessed < j->n_points)
        return arena_print(a,
                           "not assessable: the weights r(x | theta) of %s simulations "
                           "have an effective "
                           "size of %.0f at best, and reach the %.0f that are needed at "
                           "%zu of %zu points",
                           text_of_count(j->n_marginals).text, best_effective(j),
                           j->least, j->n_assessed, j->n_points);
    if (power >= FINDING_LEVEL)
        return arena_print(a,
                           "the classifier would not even notice a ratio tempered by "
                           "%.1f (%s), so that its silence means little",
                           TEMPER, text_of_p(power).text);
    return NULL;
}

static const char *sentence(const auc_job *j, arena *a, const auc_point *p, double chance)
{
    return arena_print(
        a,
        "A classifier %s p(x) r(x | theta) from p(x | theta): AUC %.3f at worst of %zu "
        "points (%s; 0.5 of a right ratio, %.3f there without r, %.3f with r tempered by "
        "%.1f).",
        chance < FINDING_LEVEL ? "tells" : "does not tell", p->outcome[RATIO].auc,
        j->n_assessed, text_of_p(chance).text, p->outcome[BASELINE].auc,
        p->outcome[TEMPERED].auc, TEMPER);
}

static json_t *report(const auc_job *j, arena *a)
{
    size_t worst = 0, noticed = 0;
    double p = smallest_p(j, RATIO, &worst), power = smallest_p(j, TEMPERED, &noticed);
    const auc_point *at = &j->point[worst];
    bool any = j->n_assessed > 0;
    finding f = {.verdict = finding_by_p(p),
                 .statistic = "AUC between p(x) r(x | theta) and p(x | theta), at the "
                              "worst of the points theta",
                 .value = at->outcome[RATIO].auc,
                 .error = at->outcome[RATIO].error,
                 .expected = 0.5,
                 .p = p,
                 .n = j->n_marginals + j->n_points * j->n,
                 .says = any ? sentence(j, a, at, p) : NULL};
    if (f.verdict == FINDING_FAILS)
        f.advice = advice(j, a, at);
    else
        f.reason = reason(j, a, power);
    if (f.reason)
        f.verdict = FINDING_OPEN;
    json_t *out = finding_json(&f), *points = json_array();
    for (size_t i = 0; i < j->n_points; i++)
        json_array_append_new(points, point_json(j, &j->point[i]));
    json_object_set_new(out, "points", points);
    json_object_set_new(out, "roc", roc_json(j));
    return out;
}

static int examine(auc_job *j, json_t **out)
{
    const size_t points = j->n_points;
    arena *a = arena_new();
    j->theta = memory_new(points, j->target->n * sizeof *j->theta);
    j->fresh = memory_new(points * j->n, j->n_x * sizeof *j->fresh);
    j->point = memory_new(points, sizeof *j->point);
    j->assessed = memory_new(points, sizeof *j->assessed);
    int status = a && j->theta && j->fresh && j->point && j->assessed
                     ? run_all(j)
                     : fail(NRE_ENOMEM, "no memory for the points of a diagnostic");
    if (!status)
        *out = report(j, a);
    net_free(j->net);
    free(j->theta);
    free(j->fresh);
    free(j->point);
    free(j->assessed);
    free(j->marginal);
    free(j->log_ratio);
    arena_free(a);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    auc_job j = {.subject = s,
                 .target = ratio_target(s->posterior->ratio),
                 .n = o->n > 0 ? (size_t)o->n : ROWS,
                 .n_points = o->repeats > 0 ? (size_t)o->repeats : POINTS,
                 .n_x = s->test->n_x};
    j.least = (double)j.n / 2;
    if (j.n < LEAST_ROWS)
        *out = finding_open("fewer than 100 simulations of each kind tell nothing");
    else if ((double)j.n * (double)j.n_points * (double)j.n_x * sizeof(float) >
             (double)BYTES_MOST)
        *out = finding_open("so many simulations of so long an x do not fit in 512 MiB");
    else
        return examine(&j, out);
    return NRE_OK;
}

static const char *declines(const subject *s)
{
    if (fresh_declines(s))
        return fresh_declines(s);
    return ratio_is_normalised(s->posterior->ratio)
               ? NULL
               : "this ratio is known up to a function of x, which p(x) r(x | theta) "
                 "would "
                 "have to know";
}

const diagnostic auc_diagnostic = {.name = "auc",
                                   .simulates = true,
                                   .slow = true,
                                   .declines = declines,
                                   .perform = perform};

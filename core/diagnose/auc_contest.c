/* diagnose/auc_contest.c - one classifier between weighted rows and others, and its ROC curve. */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

enum {
    APART = 5, /* each fifth row of those to train on says when to stop */
    PERMUTATIONS = 1000
};
static const classifier_rules RULES = {.batch = 200,
                                       .epochs = 100,
                                       .patience = 5,
                                       .tolerance = 1e-4,
                                       .decay = 1e-4,
                                       .purpose = "auc"};

/* the area under a curve */

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
        for (; at < AUC_ROC && tie.first > 0 && (double)at / (AUC_ROC - 1) <= next;
             at++) {
            double part = (double)at / (AUC_ROC - 1) * all.first - above.first;
            rate[at] = (above.second + tie.second * part / tie.first) / all.second;
        }
        above.first += tie.first;
        above.second += tie.second;
    }
    for (; at < AUC_ROC; at++)
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

/* the classifier */

/* Rows of the first kind, then those of the second. */
typedef struct contest {
    const auc_sides *sides;
    size_t n;
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

static int contest_new(contest *c)
{
    const auc_sides *s = c->sides;
    c->n = s->n_first + s->n_second;
    c->row = memory_new(c->n, sizeof(float *));
    c->second = memory_new(c->n, sizeof *c->second);
    c->weight = memory_new(c->n, sizeof *c->weight);
    c->train = memory_new(c->n, sizeof *c->train);
    c->mean = memory_new(2 * s->n_x, sizeof *c->mean);
    c->logit = memory_new(c->n, sizeof *c->logit);
    c->scored = memory_new(c->n, sizeof *c->scored);
    if (!c->row || !c->second || !c->weight || !c->train || !c->mean || !c->logit ||
        !c->scored)
        return fail(NRE_ENOMEM, "no memory for %zu rows of a classifier", c->n);
    for (size_t i = 0; i < c->n; i++) {
        c->second[i] = i >= s->n_first;
        c->weight[i] = c->second[i] ? 1 : s->weight[i];
        c->row[i] = c->second[i] ? s->second + (i - s->n_first) * s->n_x
                                 : s->first + s->row[i] * s->n_x;
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
    return (i - (c->second[i] ? c->sides->n_first : 0)) % 2 == 1;
}

static bool is_apart(const contest *c, size_t i)
{
    return (i - (c->second[i] ? c->sides->n_first : 0)) / 2 % APART == APART - 1;
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
    const size_t n_x = c->sides->n_x;
    size_t n_train = list_rows(c, 0, false, false), n_fresh = 0;
    size_t n_apart = list_rows(c, n_train, false, true) - n_train;
    c->n_judged = list_rows(c, n_train + n_apart, true, false) - n_train - n_apart;
    const float **fresh = memory_new(n_train, sizeof(float *));
    if (!fresh)
        return fail(NRE_ENOMEM, "no memory for %zu rows of a classifier", n_train);
    for (size_t i = 0; i < n_train; i++)
        if (c->second[c->train[i]])
            fresh[n_fresh++] = c->row[c->train[i]];
    classifier_moments(n_fresh, (uint32_t)n_x, fresh, c->mean, c->mean + n_x);
    free(fresh);
    c->rows = (classifier_rows){.dim = (uint32_t)n_x,
                                .row = c->row,
                                .second = c->second,
                                .weight = c->weight,
                                .mean = c->mean,
                                .inverse = c->mean + n_x,
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
    rng_start(&r, rng_purpose(c->sides->seed, "auc/labels"), c->sides->number, 0);
    return permute(n, c->scored, &r, out);
}

static int compete(contest *c, auc_outcome *out)
{
    classifier_rules rules = RULES;
    classifier with = {0};
    int status = divide(c);
    rules.seed = c->sides->seed;
    rules.number = c->sides->number;
    if (!status)
        status = classifier_train(c->sides->net, &rules, &c->rows, &with);
    if (!status)
        status = judge(c, &with, out);
    classifier_release(&with);
    return status;
}

int auc_contest(const auc_sides *sides, auc_outcome *out)
{
    contest c = {.sides = sides};
    int status = contest_new(&c);
    if (!status)
        status = compete(&c, out);
    contest_release(&c);
    return status;
}

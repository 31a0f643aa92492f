/* diagnose/lc2st.c - local classifier two-sample test: is the posterior of this observation right?
 * (Linhart, Gramfort & Rodrigues 2023) */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAWS = 1000, /* of the posterior of each observation */
    UNITS = 32,
    LEAST_PAIRS = 100,
    LEAST_REPEATS = 100, /* 1 / (1 + repeats) is the smallest p-value */
    APART = 10           /* each tenth pair says when to stop */
};
static const size_t BYTES_MOST = (size_t)512 << 20; /* of rows */
static const classifier_rules RULES = {.batch = 250,
                                       .epochs = 50,
                                       .patience = 2,
                                       .tolerance = 1e-4,
                                       .decay = 1e-4,
                                       .purpose = "lc2st"};

/* A row is theta, standardised, and x behind it.  Row 2 i is the truth of pair i, row 2 i + 1 a draw
 * of the posterior of its x; then DRAWS rows for each observation. */
typedef struct lc2st_job {
    const subject *subject;
    const target *target;
    size_t n, n_x, n_observed, repeats;
    uint32_t width;
    uint64_t *pair; /* [n] test rows */
    float *x;       /* [max(n, n_observed)][n_x] */
    double *draw;   /* [n_observed][DRAWS][dim] */
    bool *coarse,
        *outside;      /* [n_observed] outside: of all x that classifiers learn from */
    float *z;          /* [rows][width] */
    const float **row; /* [rows] of z */
    float *mean, *inverse; /* [width] */
    uint64_t *train, *stop, *judged;
    size_t n_train, n_stop;
    net *net;
    double *statistic; /* [1 + repeats][n_observed], the first of the right labels */
    float *logit;      /* [n_observed][DRAWS] of the right labels */
    atomic_ullong done;
} lc2st_job;

/* rows */

static size_t rows_of(const lc2st_job *j)
{
    return 2 * j->n + j->n_observed * DRAWS;
}

/* The first pairs whose posterior did not stay too coarse. */
static int choose_pairs(lc2st_job *j, uint64_t wanted)
{
    const pair_set *p = j->subject->pairs;
    const double *drawn = pairs_value(p, &measure_draw);
    size_t most_pairs = BYTES_MOST / (2 * j->width * sizeof(float));
    uint64_t most = wanted > 0 && wanted < p->n ? wanted : p->n;
    j->pair = memory_new((size_t)most + 1, sizeof *j->pair);
    if (!j->pair)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)most);
    for (uint64_t i = 0; i < most && j->n < most_pairs; i++)
        if (!isnan(drawn[i * p->dim]))
            j->pair[j->n++] = i;
    return NRE_OK;
}

static int take_memory(lc2st_job *j)
{
    size_t rows = rows_of(j), d = j->target->n;
    size_t most = j->n > j->n_observed ? j->n : j->n_observed;
    j->x = memory_new(most, j->n_x * sizeof *j->x);
    j->draw = memory_new(j->n_observed * DRAWS, d * sizeof *j->draw);
    j->coarse = memory_new(2 * j->n_observed, sizeof *j->coarse);
    j->z = memory_new(rows, j->width * sizeof *j->z);
    j->row = memory_new(rows, sizeof(float *));
    j->mean = memory_new(2 * (size_t)j->width, sizeof *j->mean);
    j->train = memory_new(rows, sizeof *j->train);
    j->statistic = memory_new((1 + j->repeats) * j->n_observed, sizeof *j->statistic);
    j->logit = memory_new(j->n_observed * DRAWS, sizeof *j->logit);
    if (!j->x || !j->draw || !j->coarse || !j->z || !j->row || !j->mean || !j->train ||
        !j->statistic || !j->logit)
        return fail(NRE_ENOMEM, "no memory for %zu test pairs", j->n);
    j->inverse = j->mean + j->width;
    j->outside = j->coarse + j->n_observed;
    for (size_t i = 0; i < rows; i++)
        j->row[i] = j->z + i * j->width;
    return NRE_OK;
}

static void job_release(lc2st_job *j)
{
    net_free(j->net);
    free(j->pair);
    free(j->x);
    free(j->draw);
    free(j->coarse);
    free(j->z);
    free(j->row);
    free(j->mean);
    free(j->train);
    free(j->statistic);
    free(j->logit);
}

static void lay_row(const lc2st_job *j, size_t row, const double *theta, const float *x)
{
    float *z = j->z + row * j->width;
    target_standardise(j->target, 1, theta, z, NULL);
    memcpy(z + j->target->n, x, j->n_x * sizeof *z);
}

/* On the scale that the simulator asks for. */
static int scale_x(const lc2st_job *j, const scaling *c, size_t n)
{
    return c ? classifier_scale(c, n, j->x) : NRE_OK;
}

static int lay_pairs(lc2st_job *j, scaling **c)
{
    const subject *s = j->subject;
    const double *drawn = pairs_value(s->pairs, &measure_draw);
    const size_t d = s->pairs->dim;
    loader *l = NULL;
    int status = s->test->rows(s->test, 0, 0, j->n, j->pair, NULL, j->x);
    if (!status && s->simulator)
        status = loader_of_arrays(j->n, d, j->n_x, s->pairs->theta, j->x, &l);
    if (!status && s->simulator)
        status = scaling_fit(s->simulator, l, true, s->pool, c);
    loader_free(l);
    if (!status)
        status = scale_x(j, *c, j->n);
    if (status)
        return status;
    for (size_t i = 0; i < j->n; i++) {
        const float *x = j->x + i * j->n_x;
        lay_row(j, 2 * i, s->pairs->theta + j->pair[i] * d, x);
        lay_row(j, 2 * i + 1, drawn + j->pair[i] * d, x);
    }
    classifier_moments(2 * j->n, j->width, j->row, j->mean, j->inverse);
    return NRE_OK;
}

static int draw_posteriors(lc2st_job *j)
{
    const subject *s = j->subject;
    const ratio *q = s->posterior->ratio;
    const rng_key key = rng_purpose(s->seed, "lc2st/posterior");
    station *t = NULL;
    int status = stations_new(s, &t);
    for (size_t i = 0; i < j->n_observed && !status; i++) {
        rng r;
        rng_start(&r, key, i, 0);
        status = ratio_observe(q, t->worker, 1, s->observed + i * j->n_x, t->observed);
        if (!status)
            status = station_posterior(s, t, t->observed, 0, &r);
        if (status)
            break;
        j->coarse[i] = t->missing;
        if (!t->missing)
            posterior_draws(t->on_grid ? &t->grid : NULL, t->on_grid ? NULL : &t->cloud,
                            DRAWS, &r, j->draw + i * DRAWS * j->target->n);
    }
    stations_free(s, t);
    return status;
}

static int lay_observed(lc2st_job *j, const scaling *c)
{
    memcpy(j->x, j->subject->observed, j->n_observed * j->n_x * sizeof *j->x);
    int status = scale_x(j, c, j->n_observed);
    for (size_t i = 0; i < j->n_observed; i++)
        for (size_t k = 0; k < DRAWS && !j->coarse[i]; k++)
            lay_row(j, 2 * j->n + i * DRAWS + k, j->draw + (i * DRAWS + k) * j->target->n,
                    j->x + i * j->n_x);
    return status;
}

/* What a classifier says of an x far from all that it has seen, means nothing. */
static int look_outside(lc2st_job *j)
{
    const size_t n = j->n, d = j->target->n;
    const float **row = memory_new(n + j->n_observed, sizeof(float *));
    double *chance = memory_new(j->n_observed, sizeof *chance);
    for (size_t i = 0; row && i < n + j->n_observed; i++)
        row[i] = j->row[i < n ? 2 * i : 2 * n + (i - n) * DRAWS] + d;
    apart_request q = {.n = n,
                       .n_more = j->n_observed,
                       .dim = (uint32_t)j->n_x,
                       .row = row,
                       .scale = j->inverse + d,
                       .pool = j->subject->pool};
    int status = row && chance ? rows_apart(&q, chance)
                               : fail(NRE_ENOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < j->n_observed && !status; i++)
        j->outside[i] =
            !j->coarse[i] && chance[i] * (double)j->n_observed < FINDING_LEVEL;
    free(chance);
    free(row);
    return status;
}

/* A pair as a whole is trained on or apart. */
static void divide(lc2st_job *j)
{
    size_t apart = j->n / APART;
    j->n_train = 2 * (j->n - apart);
    j->n_stop = 2 * apart;
    j->stop = j->train + j->n_train;
    j->judged = j->train + 2 * j->n;
    for (size_t i = 0; i < rows_of(j); i++)
        j->train[i] = i;
}

static int prepare(lc2st_job *j)
{
    scaling *c = NULL;
    int status = take_memory(j);
    if (!status)
        status = lay_pairs(j, &c);
    if (!status)
        status = draw_posteriors(j);
    if (!status)
        status = lay_observed(j, c);
    if (!status)
        status = look_outside(j);
    scaling_free(c);
    if (status)
        return status;
    divide(j);
    return classifier_net(j->width, UNITS, &j->net);
}

/* classifiers */

/* Truth and draw of a pair have the same x and, under a right posterior, the same law given it: to
 * change them about is exact, where labels that are permuted across pairs would let x tell, too. */
static void lay_labels(const lc2st_job *j, size_t number, bool *second)
{
    rng r;
    rng_start(&r, rng_purpose(j->subject->seed, "lc2st/labels"), number, 0);
    for (size_t i = 0; i < j->n; i++) {
        bool swap = number > 0 && rng_below(&r, 2) > 0;
        second[2 * i] = swap;
        second[2 * i + 1] = !swap;
    }
}

/* Mean of (d - 1/2)^2 over the posterior's draws, d the classifier's probability (eq. 8). */
static double departure(const float *logit)
{
    double sum = 0;
    for (size_t k = 0; k < DRAWS; k++) {
        double off = 1 / (1 + exp(-(double)logit[k])) - 0.5;
        sum += off * off;
    }
    return sum / DRAWS;
}

static int judge(const lc2st_job *j, const classifier *c, const classifier_rows *rows,
                 size_t number)
{
    const size_t n = j->n_observed * DRAWS;
    float *logit = memory_new(n, sizeof *logit);
    int status = logit ? classifier_judge(c, rows, n, j->judged, logit)
                       : fail(NRE_ENOMEM, "no memory to judge a classifier");
    for (size_t i = 0; i < j->n_observed && !status; i++)
        j->statistic[number * j->n_observed + i] = departure(logit + i * DRAWS);
    if (!status && number == 0)
        memcpy(j->logit, logit, n * sizeof *logit);
    free(logit);
    return status;
}

static int run_classifier(void *context, size_t number, unsigned worker)
{
    lc2st_job *j = context;
    classifier_rules rules = RULES;
    classifier c = {0};
    bool *second = memory_new(2 * j->n, sizeof *second);
    (void)worker;
    if (!second)
        return fail(NRE_ENOMEM, "no memory for the labels of %zu test pairs", j->n);
    rules.seed = j->subject->seed;
    rules.number = number;
    lay_labels(j, number, second);
    classifier_rows rows = {.dim = j->width,
                            .row = j->row,
                            .second = second,
                            .mean = j->mean,
                            .inverse = j->inverse,
                            .n_train = j->n_train,
                            .n_stop = j->n_stop,
                            .train = j->train,
                            .stop = j->stop};
    int status = classifier_train(j->net, &rules, &rows, &c);
    if (!status)
        status = judge(j, &c, &rows, number);
    classifier_release(&c);
    free(second);
    if (status)
        return status;
    return progress_report(j->subject->watch, "lc2st", atomic_fetch_add(&j->done, 1) + 1,
                           1 + j->repeats, "classifiers", NULL);
}

/* results */

typedef struct local_result {
    double value, p; /* of all observations together */
    double *null;    /* [repeats] of the same value */
    size_t worst;    /* observation */
} local_result;

/* In units of the mean over all classifiers, the right one among them: observations are alike then. */
static void standardise(const lc2st_job *j)
{
    for (size_t i = 0; i < j->n_observed; i++) {
        double mean = 0;
        for (size_t r = 0; r <= j->repeats; r++)
            mean += j->statistic[r * j->n_observed + i] / (double)(1 + j->repeats);
        for (size_t r = 0; r <= j->repeats; r++)
            j->statistic[r * j->n_observed + i] /= mean > 0 ? mean : 1;
    }
}

/* Classifiers say nothing about an x like no other. */
static bool is_judged(const lc2st_job *j, size_t observation)
{
    return !j->coarse[observation] && !j->outside[observation];
}

static size_t n_judged(const lc2st_job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n_observed; i++)
        n += is_judged(j, i);
    return n;
}

static double largest(const lc2st_job *j, size_t number, size_t *which)
{
    double most = -1;
    for (size_t i = 0; i < j->n_observed; i++) {
        double one = j->statistic[number * j->n_observed + i];
        if (is_judged(j, i) && one > most) {
            most = one;
            *which = i;
        }
    }
    return most;
}

/* Fraction of all classifiers whose value is as large as the first's. */
static double p_value(const lc2st_job *j, size_t observation)
{
    size_t n = 0;
    for (size_t r = 0; r <= j->repeats; r++)
        n += j->statistic[r * j->n_observed + observation] >= j->statistic[observation];
    return (double)n / (double)(1 + j->repeats);
}

/* Largest over the observations, against the largest of each permutation (Westfall & Young 1993): as
 * strict as Bonferroni's, and no more classifiers are needed for more observations. */
static void conclude(const lc2st_job *j, local_result *out)
{
    size_t n = 1, which = 0;
    standardise(j);
    out->value = largest(j, 0, &out->worst);
    for (size_t r = 0; r < j->repeats; r++) {
        out->null[r] = largest(j, r + 1, &which);
        n += out->null[r] >= out->value;
    }
    out->p = (double)n / (double)(1 + j->repeats);
}

/* Against the draws of the posterior: by how many of its deviations the truth lies higher, and how many
 * times as wide it is, both as the classifier has it: the truth's density is the posterior's times
 * exp(-logit). */
static void correction(const lc2st_job *j, size_t observation, uint32_t k, double *shift,
                       double *width)
{
    const size_t d = j->target->n;
    const double *theta = j->draw + observation * DRAWS * d + k;
    const float *logit = j->logit + observation * DRAWS;
    double sum = 0, mean = 0, square = 0, right = 0, right_square = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        double w = exp(-(double)logit[i]);
        sum += w;
        mean += theta[i * d] / DRAWS;
        right += w * theta[i * d];
    }
    right /= sum;
    for (size_t i = 0; i < DRAWS; i++) {
        square += pow(theta[i * d] - mean, 2) / DRAWS;
        right_square += exp(-(double)logit[i]) * pow(theta[i * d] - right, 2) / sum;
    }
    *shift = (right - mean) / sqrt(square);
    *width = sqrt(right_square / square);
}

static const char *parameter_name(const lc2st_job *j, uint32_t k)
{
    return j->target->prior->of[j->target->which[k]].name;
}

static json_t *observed_json(const lc2st_job *j, size_t i)
{
    char number[24];
    json_t *parameters = json_array();
    for (uint32_t k = 0; k < j->target->n && is_judged(j, i); k++) {
        double shift, width;
        correction(j, i, k, &shift, &width);
        json_array_append_new(parameters,
                              json_pack("{s:s, s:o, s:o}", "name", parameter_name(j, k),
                                        "shift", json_number(shift), "width",
                                        json_number(width)));
    }
    snprintf(number, sizeof number, "%zu", i);
    return json_pack(
        "{s:s, s:b, s:o, s:o, s:o}", "observation", number, "outside", j->outside[i],
        "statistic", json_number(is_judged(j, i) ? j->statistic[i] : NAN), "p_value",
        json_number(is_judged(j, i) ? p_value(j, i) : NAN), "parameters", parameters);
}

static void put_observed(const lc2st_job *j, json_t *out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < j->n_observed; i++)
        json_array_append_new(list, observed_json(j, i));
    json_object_set_new(out, "observed", list);
}

/* Where the posterior is off most, in words. */
static const char *advice(const lc2st_job *j, arena *a, size_t observation)
{
    double worst = -1, shift = 0, width = 1;
    uint32_t which = 0;
    for (uint32_t k = 0; k < j->target->n; k++) {
        double s, w;
        correction(j, observation, k, &s, &w);
        if (fmax(fabs(s), fabs(log(w))) > worst) {
            worst = fmax(fabs(s), fabs(log(w)));
            which = k, shift = s, width = w;
        }
    }
    const char *how =
        fabs(shift) > fabs(log(width))
            ? arena_print(a, "%.2f of its deviations too %s", fabs(shift),
                          shift > 0 ? "low" : "high")
            : arena_print(a, "%.2f times as %s as it should be",
                          width > 1 ? width : 1 / width, width > 1 ? "narrow" : "wide");
    return arena_print(
        a,
        "The classifier has the posterior of %s for observation %zu %s: more "
        "simulations, an "
        "ensemble, or rounds that follow this observation; until then do not rely on "
        "its region there.",
        parameter_name(j, which), observation, how);
}

static size_t count_of(const lc2st_job *j, const bool *which)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n_observed; i++)
        n += which[i];
    return n;
}

/* "" where all are like others. */
static const char *say_outside(const lc2st_job *j, arena *a)
{
    size_t n = count_of(j, j->outside);
    if (n == 0)
        return "";
    return arena_print(a,
                       "%s %s farther from all test pairs than these from one another, "
                       "and what classifiers say there means little",
                       j->n_observed == 1 ? "the observation"
                                          : text_of_rows(j->n_observed, j->outside).text,
                       n == 1 ? "lies" : "lie");
}

static int report(const lc2st_job *j, const local_result *l, json_t **out)
{
    arena *a = arena_new();
    if (!a)
        return fail(NRE_ENOMEM, "no memory for a finding");
    bool enough = j->repeats >= LEAST_REPEATS;
    finding f = {.verdict = enough ? finding_by_p(l->p) : FINDING_OPEN,
                 .statistic =
                     "largest mean of (d - 1/2)^2 over posterior draws, in units "
                     "of its mean under permuted labels",
                 .value = l->value,
                 .error = NAN,
                 .expected = 1,
                 .p = l->p,
                 .n = j->n};
    const char *which =
        n_judged(j) == j->n_observed
            ? j->n_observed > 1 ? "the observations" : "the observation"
            : arena_print(a, "%zu of %zu observations", n_judged(j), j->n_observed);
    f.says =
        arena_print(a,
                    "At %s a classifier tells true parameters from posterior draws%s "
                    "(%s, %s test pairs, %zu classifiers under permuted labels).",
                    which, l->p < FINDING_LEVEL ? "" : " no better than by chance",
                    text_of_p(l->p).text, text_of_count(j->n).text, j->repeats);
    if (f.verdict == FINDING_FAILS)
        f.advice = advice(j, a, l->worst);
    const char *outside = say_outside(j, a);
    if (*outside && f.verdict != FINDING_FAILS) {
        f.verdict = FINDING_OPEN;
        f.reason = outside;
    } else if (*outside)
        f.says = arena_print(a, "%s  But %s.", f.says, outside);
    if (count_of(j, j->coarse) > 0) {
        f.says = arena_print(a, "%s  The posterior of %s stayed too coarse.", f.says,
                             text_of_rows(j->n_observed, j->coarse).text);
        f.reason = "not every observation has a posterior to draw from";
        f.verdict = f.verdict == FINDING_OK ? FINDING_OPEN : f.verdict;
    }
    if (!enough)
        f.reason = arena_print(a,
                               "no p-value below %.2g is possible with %zu classifiers "
                               "under permuted labels: set repeats to 100 or more",
                               1 / (1 + (double)j->repeats), j->repeats);
    *out = finding_json(&f);
    put_observed(j, *out);
    json_object_set_new(*out, "null", numbers_json(j->repeats, l->null));
    arena_free(a);
    return NRE_OK;
}

static int examine(lc2st_job *j, json_t **out)
{
    local_result l = {.null = memory_new(j->repeats + 1, sizeof *l.null)};
    int status = l.null ? prepare(j) : fail(NRE_ENOMEM, "no memory for a finding");
    if (!status && n_judged(j) == 0) {
        *out = finding_open(count_of(j, j->outside) > 0
                                ? "the observation lies farther from all test pairs than "
                                  "these from one another: there are none to compare with"
                                : "the posterior of the observation stayed too coarse");
        put_observed(j, *out);
    } else if (!status) {
        status = pool_run(j->subject->pool, 1 + j->repeats, run_classifier, j);
        if (!status) {
            conclude(j, &l);
            status = report(j, &l, out);
        }
    }
    free(l.null);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    const target *t = ratio_target(s->posterior->ratio);
    lc2st_job j = {.subject = s,
                   .target = t,
                   .n_x = s->test->n_x,
                   .n_observed = s->n_observed,
                   .repeats = o->repeats > 0 ? (size_t)o->repeats : LEAST_REPEATS,
                   .width = (uint32_t)(t->n + s->test->n_x)};
    int status = choose_pairs(&j, o->n);
    if (!status && j.n < LEAST_PAIRS)
        *out = finding_open("fewer than 100 test pairs have a posterior fine enough");
    else if (!status)
        status = examine(&j, out);
    job_release(&j);
    return status;
}

static const char *declines(const subject *s)
{
    if (s->n_observed == 0)
        return "there is no observation";
    return s->joint && s->n_observed > 1
               ? "the observed rows are one observation together, and a classifier would "
                 "have to see all of them at once"
               : NULL;
}

static const measure *const MEASURES[] = {&measure_draw};

const diagnostic lc2st_diagnostic = {.name = "lc2st",
                                     .observes = true,
                                     .slow = true,
                                     .n_measures = 1,
                                     .measures = MEASURES,
                                     .declines = declines,
                                     .perform = perform};

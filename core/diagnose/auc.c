/* diagnose/auc.c - can a classifier tell p(x) r(x | theta) from p(x | theta)?  (Hermans et al. 2020,
 * after Cranmer, Pavez & Louppe 2015) */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 10000, /* of each kind */
    POINTS = 3,
    LEAST_ROWS = 100,
    EXCESS_ROWS = 1000, /* a mean log r: where it is costly, so many are enough */
    UNITS = 64
};
static const double TEMPER = 0.8;

/* What p(x) is reweighted by: r, r^0.8, 1. */
typedef enum auc_kind { RATIO, TEMPERED, BASELINE, N_KINDS } auc_kind;

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
    double least;     /* effective size that a point needs */
    double *theta;    /* [points][dim] */
    float *fresh;     /* [points][n][n_x] */
    auc_point *point; /* [points] */
    auc_marginals marginals;
    size_t n_assessed, *assessed; /* points */
    net *net;
    atomic_ullong done;
} auc_job;

/* classifiers */

static double power_of(auc_kind kind)
{
    return kind == RATIO ? 1 : kind == TEMPERED ? TEMPER : 0;
}

static int run_contest(void *context, size_t number, unsigned worker)
{
    auc_job *j = context;
    const size_t point = j->assessed[number / N_KINDS];
    const auc_kind kind = (auc_kind)(number % N_KINDS);
    auc_selection s;
    (void)worker;
    int status = auc_select(&j->marginals, point, power_of(kind), j->n, &s);
    if (status)
        return status;
    const auc_sides sides = {.net = j->net,
                             .n_x = j->n_x,
                             .n_first = s.n,
                             .n_second = j->n,
                             .first = j->marginals.x,
                             .row = s.row,
                             .weight = s.weight,
                             .second = j->point[point].fresh,
                             .seed = j->subject->seed,
                             .number = point * N_KINDS + kind};
    status = auc_contest(&sides, &j->point[point].outcome[kind]);
    auc_selection_release(&s);
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
    const auc_marginals *m = &j->marginals;
    const size_t n = j->n < EXCESS_ROWS ? j->n : EXCESS_ROWS;
    auc_selection s = {0};
    double square = 0, *value = memory_new(n + j->n, sizeof *value);
    int status = value ? auc_select(m, point, 1, j->n, &s)
                       : fail(NRE_ENOMEM, "no memory for log ratios");
    if (!status)
        status = auc_log_ratios(j->subject, n, p->fresh, 1, p->theta, value);
    for (size_t i = 0; i < s.n; i++)
        value[n + i] = m->log_ratio[s.row[i] * m->n_points + point];
    if (!status) {
        p->excess =
            mean_of(s.n, s.weight, value + n, &square) - mean_of(n, NULL, value, &square);
        p->excess_error = sqrt(square);
    }
    auc_selection_release(&s);
    free(value);
    return status;
}

static int assess_points(auc_job *j)
{
    int status = NRE_OK;
    for (size_t i = 0; i < j->n_points && !status; i++) {
        j->point[i].effective = j->marginals.effective[i];
        if (j->point[i].effective >= j->least) {
            j->assessed[j->n_assessed++] = i;
            status = find_excess(j, i);
        }
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
        loader_of_arrays(j->marginals.n, j->target->n, j->n_x, NULL, j->marginals.x, &l);
    if (!status)
        status = scaling_fit(s->simulator, l, true, s->pool, &c);
    if (!status)
        status = classifier_scale(c, j->marginals.n, j->marginals.x);
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
        status = auc_gather(&j->marginals, j->n, j->least);
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
    double even[AUC_ROC];
    size_t n = j->n_assessed > 0 ? AUC_ROC : 0;
    const auc_outcome *o = n ? j->point[j->assessed[0]].outcome : j->point[0].outcome;
    for (size_t i = 0; i < AUC_ROC; i++)
        even[i] = (double)i / (AUC_ROC - 1);
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
                           text_of_count(j->marginals.n).text, best_effective(j),
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
                 .n = j->marginals.n + j->n_points * j->n,
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
    j->marginals =
        (auc_marginals){.subject = j->subject,
                        .n_points = points,
                        .theta = j->theta,
                        .effective = memory_new(points, sizeof *j->marginals.effective)};
    int status =
        a && j->theta && j->fresh && j->point && j->assessed && j->marginals.effective
            ? run_all(j)
            : fail(NRE_ENOMEM, "no memory for the points of a diagnostic");
    if (!status)
        *out = report(j, a);
    net_free(j->net);
    free(j->theta);
    free(j->fresh);
    free(j->point);
    free(j->assessed);
    auc_marginals_release(&j->marginals);
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
             (double)AUC_BYTES_MOST)
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

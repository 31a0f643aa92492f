/* diagnose/auc_marginals.c - simulations of p(x), and what each weighs to stand for p(x | theta). */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 256,
    PILOT = 8,      /* an eighth first: where nothing can be assessed, no more */
    MOST_TIMES = 32 /* simulations of the prior for each at theta */
};

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

int auc_log_ratios(const subject *s, size_t n, const float *x, size_t n_points,
                   const double *theta, double *out)
{
    evaluation e = {s->posterior->ratio, n, s->test->n_x, n_points, x, theta, out};
    return pool_run(s->pool, (n + BLOCK - 1) / BLOCK, evaluate_block, &e);
}

/* weights */

static int compare_falling(const void *a, const void *b)
{
    return compare_reals(b, a);
}

/* The same uniform for all powers. */
static double uniform_of(rng_key key, size_t row, size_t point)
{
    rng r;
    rng_start(&r, key, row, point);
    return rng_uniform(&r);
}

static void weigh(auc_selection *s)
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
static void select_rows(const auc_marginals *m, size_t most, const double *weight,
                        const double *priority, double limit, auc_selection *out)
{
    for (size_t i = 0; i < m->n && out->n < most; i++)
        if (priority[i] > limit) {
            out->row[out->n] = i;
            out->weight[out->n++] = fmax(weight[i], limit);
        }
    weigh(out);
}

void auc_selection_release(auc_selection *s)
{
    free(s->row);
    free(s->weight);
    *s = (auc_selection){0};
}

int auc_select(const auc_marginals *m, size_t point, double power, size_t most,
               auc_selection *out)
{
    const rng_key key = rng_purpose(m->subject->seed, "auc/priority");
    const size_t n = m->n;
    const double *log_ratio = m->log_ratio + point;
    double top = -INFINITY, *weight = memory_new(3 * n, sizeof *weight);
    *out = (auc_selection){.row = memory_new(most, sizeof *out->row),
                           .weight = memory_new(most, sizeof *out->weight)};
    if (!weight || !out->row || !out->weight) {
        free(weight);
        auc_selection_release(out);
        return fail(NRE_ENOMEM, "no memory for the weights of %zu simulations", n);
    }
    double *priority = weight + n, *sorted = priority + n;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, log_ratio[i * m->n_points]);
    for (size_t i = 0; i < n; i++) {
        weight[i] = power > 0 ? exp(power * (log_ratio[i * m->n_points] - top)) : 1;
        priority[i] = weight[i] / uniform_of(key, i, point);
    }
    memcpy(sorted, priority, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_falling);
    if (top > -INFINITY || power == 0)
        select_rows(m, most, weight, priority, n > most ? sorted[most] : 0, out);
    free(weight);
    return NRE_OK;
}

/* simulations of p(x) */

/* Test rows while there are some, then fresh ones. */
static int draw_marginals(const subject *s, size_t first, size_t n, float *x)
{
    const size_t n_x = s->test->n_x;
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
        status = s->test->rows(s->test, 0, 0, some, index, NULL, x + done * n_x);
    }
    return status || d.n == 0 ? status
                              : simulator_draw(s->simulator, s->pool, s->watch, &d, NULL,
                                               x + old * n_x, NULL, NULL, NULL);
}

static int more(auc_marginals *m, size_t n)
{
    const size_t old = m->n, n_x = m->subject->test->n_x;
    float *x = realloc(m->x, n * n_x * sizeof *x);
    double *log_ratio = NULL;
    if (x) {
        m->x = x;
        log_ratio = realloc(m->log_ratio, n * m->n_points * sizeof *log_ratio);
    }
    if (!log_ratio)
        return fail(NRE_ENOMEM, "no memory for %zu simulations", n);
    m->log_ratio = log_ratio;
    m->n = n;
    x += old * n_x;
    int status = draw_marginals(m->subject, old, n - old, x);
    return status ? status
                  : auc_log_ratios(m->subject, n - old, x, m->n_points, m->theta,
                                   log_ratio + old * m->n_points);
}

/* Whether some point may be assessed and lacks rows: needs more, and not far more than there may be.  Few
 * rows make an effective size too large rather than too small, so that a pilot gives up no point in haste. */
static int wants_more(auc_marginals *m, size_t n, double least, size_t most, bool *out)
{
    int status = NRE_OK;
    *out = false;
    for (size_t i = 0; i < m->n_points && !status; i++) {
        auc_selection s;
        status = auc_select(m, i, 1, n, &s);
        if (status)
            break;
        m->effective[i] = s.effective;
        double needed = least / fmax(s.effective, 1) * (double)m->n;
        *out |= (s.effective < least || m->n < n) && needed < 2 * (double)most;
        auc_selection_release(&s);
    }
    *out &= m->n < most;
    return status;
}

int auc_gather(auc_marginals *m, size_t n, double least)
{
    size_t most = AUC_BYTES_MOST / (m->subject->test->n_x * sizeof(float));
    bool wanted = true;
    int status = NRE_OK;
    most = most < MOST_TIMES * n ? most : MOST_TIMES * n;
    for (size_t now = n / PILOT; wanted && !status;) {
        status = more(m, now);
        if (!status)
            status = wants_more(m, n, least, most, &wanted);
        now = now < n ? n : 2 * now < most ? 2 * now : most;
    }
    return status;
}

void auc_marginals_release(auc_marginals *m)
{
    free(m->x);
    free(m->log_ratio);
    free(m->effective);
    *m = (auc_marginals){0};
}

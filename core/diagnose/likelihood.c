/* diagnose/likelihood.c - how far the posterior is from the exact one, of simulators with a likelihood. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS = 200,       /* by default */
    GRID_DRAWS = 1000, /* of a posterior on a grid */
    KEPT = 32,         /* errors of each pair that quantiles are taken of */
    SHOWN = 1000,      /* pairs in the file */
    C2ST_DRAWS = 1000,
    C2ST_PAIRS = 3,        /* where nothing was observed */
    C2ST_OBSERVATIONS = 10 /* at most */
};
/* Posteriors that overlap less are normalised each by itself. */
static const double OVERLAP = 0.05;
static const double NOTED = 0.1; /* nats: a distance worth advice */
/* Exact posteriors are often far narrower than those of networks. */
static const cloud_plan PLAN = {
    .n_prior = 1000, .n_round = 1000, .max_rounds = 40, .enough = 500};
/* Draws that weigh less than this fraction of an equal share are as good as none. */
static const double LIGHT = 1e-4;
/* So many draws that hardly one of C2ST_DRAWS is drawn twice. */
static const cloud_plan C2ST_PLAN = {
    .n_prior = 4000, .n_round = 4000, .max_rounds = 100, .enough = 10 * C2ST_DRAWS};

enum { EXACT, NETWORK, SIDES };

typedef struct side {
    posterior posterior;
    subject subject; /* with that posterior */
    station *stations;
    rng_key key;
} side;

typedef struct comparison {
    bool missing;       /* too few effective draws of one of the two */
    double kl, reverse; /* of the exact from the network, and the other way round */
    double mean, square, exact; /* of the error by the network, and square by the exact */
    double gain[SIDES];         /* at the truth */
    double outside; /* mass of the network where the exact posterior is zero */
    double effective[SIDES];
} comparison;

typedef struct job {
    const subject *subject;
    side side[SIDES];
    uint64_t n;
    uint32_t dim;
    comparison *pair;      /* [n] */
    double *kept;          /* [n][KEPT] */
    double *shift, *width; /* [n][dim] in exact deviations; network over exact */
    atomic_ullong done;
} job;

/* Weighted draws of both posteriors as draws of their mixture, s_exact exact + s_network network. */
typedef struct mixed {
    size_t n[SIDES], all;
    double share[SIDES]; /* by effective sizes */
    double effective[SIDES];
    double *theta;        /* [all][dim], the exact posterior's first */
    double *ratio[SIDES]; /* [all] log ratios */
    double *weight;       /* [all] of each posterior's own draws: sum to 1 */
    double *difference;   /* [all] log network - log exact, normalised */
    double *by[SIDES];    /* [all] weights of that posterior: sum to 1 */
} mixed;

/* two posteriors from their draws */

static int mixed_new(mixed *m, uint32_t dim)
{
    m->all = m->n[EXACT] + m->n[NETWORK];
    m->theta = memory_new(m->all, (dim + 6) * sizeof *m->theta);
    if (!m->theta)
        return fail(NRE_ENOMEM, "no memory for draws of two posteriors");
    double **column[] = {&m->ratio[EXACT], &m->ratio[NETWORK], &m->weight,
                         &m->difference,   &m->by[EXACT],      &m->by[NETWORK]};
    for (size_t i = 0; i < 6; i++)
        *column[i] = m->theta + m->all * (dim + i);
    return NRE_OK;
}

/* Sum to 1, from logarithms; the effective size. */
static double normalise(size_t n, double *weight)
{
    double most = -INFINITY, sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, weight[i]);
    for (size_t i = 0; i < n; i++) {
        weight[i] = most > -INFINITY ? exp(weight[i] - most) : 0;
        sum += weight[i];
        squares += weight[i] * weight[i];
    }
    for (size_t i = 0; i < n && sum > 0; i++)
        weight[i] /= sum;
    return sum > 0 ? sum * sum / squares : 0;
}

/* The density that posterior_draws of a grid have. */
static double log_proposal(const grid *g, const double *theta)
{
    size_t cell = grid_cell(g, theta, false);
    double value = cell < g->n ? log(g->weight[cell] * (double)g->n) : -INFINITY;

    for (uint32_t k = 0; k < g->dim; k++)
        value += cell_log_prior(&g->target->prior->of[g->target->which[k]], theta[k]) -
                 log(g->box[k][1] - g->box[k][0]);
    return value;
}

/* Draws of a grid weighted by what it smooths over. */
static int grid_points(const side *a, station *t, size_t row, rng *r, size_t n,
                       double *theta, double *log_ratio, double *weight)
{
    posterior_draws(&t->grid, NULL, n, r, theta);
    int status = ratio_evaluate(a->posterior.ratio, t->worker, t->observed, row, 1, n,
                                theta, log_ratio, NULL);
    if (!status)
        status = posterior_log_prior(&a->posterior, n, theta, weight, NULL);
    for (size_t i = 0; i < n && !status; i++) {
        double from = log_proposal(&t->grid, theta + i * t->grid.dim);
        weight[i] = from > -INFINITY ? weight[i] + log_ratio[i] - from : -INFINITY;
    }
    return status;
}

static bool counts(const cloud *c, size_t i)
{
    return c->weight[i] * (double)c->n > LIGHT;
}

static size_t points_of(const station *t)
{
    size_t n = 0;

    for (size_t i = 0; !t->on_grid && i < t->cloud.n; i++)
        n += counts(&t->cloud, i);
    return t->on_grid ? GRID_DRAWS : n;
}

/* Those of side A, from FIRST on. */
static int own_points(const side *a, station *t, size_t row, rng *r, mixed *m,
                      size_t which, size_t first)
{
    size_t n = m->n[which], dim = ratio_target(a->posterior.ratio)->n;
    double *theta = m->theta + first * dim, *log_ratio = m->ratio[which] + first,
           *weight = m->weight + first;
    int status = NRE_OK;

    if (t->on_grid) {
        status = grid_points(a, t, row, r, n, theta, log_ratio, weight);
        m->effective[which] = status ? 0 : normalise(n, weight);
        return status;
    }
    for (size_t i = 0, at = 0; at < n; i++)
        if (counts(&t->cloud, i)) {
            memcpy(theta + at * dim, t->cloud.theta + i * dim, dim * sizeof *theta);
            log_ratio[at] = t->cloud.log_ratio[i];
            weight[at++] = log(t->cloud.weight[i]);
        }
    m->effective[which] = normalise(n, weight);
    return NRE_OK;
}

static double logistic(double z)
{
    return z > 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

/* Falls with the logarithm C of the network's area over the exact one's, and is 0 where both sets of
 * draws agree on it (Bennett 1976, Journal of Computational Physics 22, 245; Meng & Wong 1996, Statistica
 * Sinica 6, 831).  OVERLAP: 1 for equal posteriors, 0 for disjoint ones. */
static double disagreement(const mixed *m, double c, double *overlap)
{
    double offset = log(m->share[NETWORK] / m->share[EXACT]) - c, sum[SIDES] = {0};

    for (size_t i = 0; i < m->all; i++) {
        bool exact = i < m->n[EXACT];
        double z = m->ratio[NETWORK][i] - m->ratio[EXACT][i] + offset;
        if (m->weight[i] > 0)
            sum[exact ? EXACT : NETWORK] += m->weight[i] * logistic(exact ? z : -z);
    }
    *overlap = sum[EXACT] / m->share[NETWORK];
    return m->share[EXACT] * sum[EXACT] - m->share[NETWORK] * sum[NETWORK];
}

/* log of the network's area over the exact one's; AREAS: by each posterior alone. */
static double area_ratio(const mixed *m, double areas)
{
    double low = INFINITY, high = -INFINITY, overlap = 0;

    for (size_t i = 0; i < m->all; i++) {
        double d = m->ratio[NETWORK][i] - m->ratio[EXACT][i];
        if (m->weight[i] > 0 && isfinite(d)) {
            low = fmin(low, d);
            high = fmax(high, d);
        }
    }
    if (!(low <= high))
        return areas;
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high)
            break;
        if (disagreement(m, middle, &overlap) > 0)
            low = middle;
        else
            high = middle;
    }
    disagreement(m, low, &overlap);
    return overlap < OVERLAP ? areas : low;
}

/* Differences, and the weights of each posterior among all draws: those of the mixture times the
 * posterior's density over the mixture's. */
static void normalise_both(mixed *m, double log_area_ratio)
{
    for (size_t i = 0; i < m->all; i++) {
        double d = m->ratio[NETWORK][i] - m->ratio[EXACT][i] - log_area_ratio;
        double less = exp(-fabs(d)), exact = d > 0 ? less : 1, network = d > 0 ? 1 : less;
        double sum = m->share[EXACT] * exact + m->share[NETWORK] * network;
        double weight = m->weight[i] * m->share[i < m->n[EXACT] ? EXACT : NETWORK];
        m->difference[i] = d;
        m->by[EXACT][i] = weight * exact / sum;
        m->by[NETWORK][i] = weight * network / sum;
    }
}

/* Both divergences with 1 = the integral of a density as their control variate, so that no term is
 * negative and all are 0 for equal posteriors. */
static void divergences(const mixed *m, comparison *out)
{
    for (size_t i = 0; i < m->all; i++) {
        double d = m->difference[i], exact = m->by[EXACT][i], network = m->by[NETWORK][i];
        bool finite = isfinite(d);
        out->kl += network - exact - (exact > 0 ? exact * d : 0);
        out->reverse += exact - network + (network > 0 ? network * d : 0);
        out->mean += finite ? network * d : 0;
        out->square += finite ? network * d * d : 0;
        out->exact += finite ? exact * d * d : 0;
        out->outside += d == INFINITY ? network : 0;
    }
}

/* Errors at quantiles of the network's mass, in the order of the draws. */
static void keep_errors(const mixed *m, double *kept)
{
    const double *weight = m->by[NETWORK];
    double total = 0, sum = weight[0];
    size_t at = 0;

    for (size_t i = 0; i < m->all; i++)
        total += weight[i];
    for (size_t i = 0; i < KEPT; i++) {
        while (sum < total * ((double)i + 0.5) / KEPT && at + 1 < m->all)
            sum += weight[++at];
        kept[i] = m->difference[at];
    }
}

static void moments(const mixed *m, size_t which, size_t dim, size_t k, double *mean,
                    double *deviation)
{
    double total = 0, sum = 0, squares = 0;

    for (size_t i = 0; i < m->all; i++) {
        total += m->by[which][i];
        sum += m->by[which][i] * m->theta[i * dim + k];
    }
    *mean = sum / total;
    for (size_t i = 0; i < m->all; i++) {
        double away = m->theta[i * dim + k] - *mean;
        squares += m->by[which][i] * away * away;
    }
    *deviation = sqrt(squares / total);
}

static void compare_moments(const mixed *m, size_t dim, double *shift, double *width)
{
    for (size_t k = 0; k < dim; k++) {
        double mean[SIDES], deviation[SIDES];
        for (size_t i = 0; i < SIDES; i++)
            moments(m, i, dim, k, &mean[i], &deviation[i]);
        shift[k] = (mean[NETWORK] - mean[EXACT]) / deviation[EXACT];
        width[k] = deviation[NETWORK] / deviation[EXACT];
    }
}

static void compare_mixed(const job *j, station *const t[SIDES], size_t row,
                          uint64_t item, mixed *m)
{
    comparison *out = &j->pair[item];
    double total = m->effective[EXACT] + m->effective[NETWORK];

    for (size_t i = 0; i < SIDES; i++) {
        out->effective[i] = m->effective[i];
        out->missing |= !(m->effective[i] >= CLOUD_MIN_EFFECTIVE);
        m->share[i] = m->effective[i] / total;
    }
    if (out->missing)
        return;
    double c = area_ratio(m, t[NETWORK]->log_area - t[EXACT]->log_area);
    normalise_both(m, c);
    divergences(m, out);
    keep_errors(m, j->kept + item * KEPT);
    compare_moments(m, j->dim, j->shift + item * j->dim, j->width + item * j->dim);
    out->gain[EXACT] = t[EXACT]->log_ratio[row] - t[EXACT]->log_area;
    out->gain[NETWORK] =
        out->gain[EXACT] + t[NETWORK]->log_ratio[row] - t[EXACT]->log_ratio[row] - c;
}

/* test pairs */

/* Draws of both, and what each ratio says at the other's. */
static int mix(const job *j, station *const t[SIDES], size_t row, rng *r, mixed *m)
{
    for (size_t i = 0; i < SIDES; i++)
        m->n[i] = points_of(t[i]);
    int status = mixed_new(m, j->dim);
    for (size_t i = 0; i < SIDES && !status; i++) {
        size_t first = i == EXACT ? 0 : m->n[EXACT];
        status = own_points(&j->side[i], t[i], row, &r[i], m, i, first);
    }
    for (size_t i = 0; i < SIDES && !status; i++) {
        size_t other = SIDES - 1 - i, first = i == EXACT ? m->n[EXACT] : 0;
        status = ratio_evaluate(j->side[i].posterior.ratio, t[i]->worker, t[i]->observed,
                                row, 1, m->n[other], m->theta + first * j->dim,
                                m->ratio[i] + first, NULL);
    }
    return status;
}

static int compare_pair(const job *j, station *const t[SIDES], size_t row, uint64_t item)
{
    mixed m = {0};
    rng r[SIDES];
    int status = NRE_OK;

    for (size_t i = 0; i < SIDES && !status; i++) {
        rng_start(&r[i], j->side[i].key, item, 0);
        t[i]->plan = PLAN;
        status = station_posterior(&j->side[i].subject, t[i], t[i]->observed, row, &r[i]);
    }
    j->pair[item].missing = t[EXACT]->missing || t[NETWORK]->missing;
    if (status || j->pair[item].missing)
        return status;
    status = mix(j, t, row, r, &m);
    if (!status)
        compare_mixed(j, t, row, item, &m);
    free(m.theta);
    return status;
}

static int compare_block(void *context, size_t i, unsigned worker)
{
    job *j = context;
    uint64_t first = (uint64_t)i * STATION_ROWS, left = j->n - first;
    size_t n = left < STATION_ROWS ? (size_t)left : STATION_ROWS;
    station *t[SIDES];
    int status = NRE_OK;

    for (size_t k = 0; k < SIDES && !status; k++) {
        t[k] = &j->side[k].stations[worker];
        status = station_load(&j->side[k].subject, t[k], worker, first, n);
    }
    for (size_t row = 0; row < n && !status; row++) {
        status = compare_pair(j, t, row, first + row);
        if (status)
            fail_within(status, "test pair %llu", (unsigned long long)(first + row));
    }
    if (status)
        return status;
    uint64_t done = atomic_fetch_add(&j->done, n) + n;
    return progress_report(j->subject->watch, "likelihood", done, j->n, "test pairs",
                           NULL);
}

/* C2ST */

/* Those of the simulator's own are under its own priors, which an evidence that is used goes with, and for one
 * row. */
static bool has_draws(const job *j, size_t n_rows)
{
    const posterior *p = &j->side[EXACT].posterior;

    return NRE_HAS(simulator_ops(j->subject->simulator), posterior_sample) &&
           ratio_is_normalised(p->ratio) && !p->target && !p->truncation &&
           !p->validity && n_rows == 1;
}

static int simulator_draws(const job *j, const float *x, size_t n, rng_key key,
                           uint64_t item, double *theta)
{
    const simulator *s = j->subject->simulator;
    const instance *at = simulator_instance(s);
    rng *stream = memory_new(n, sizeof *stream);
    nre_rng **pointer = memory_new(n, sizeof *pointer);
    double *all = memory_new(n, simulator_n_theta(s) * sizeof *all);
    int status = stream && pointer && all
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "no memory for draws of the exact posterior");

    for (size_t i = 0; i < n && !status; i++) {
        rng_start(&stream[i], key, i, item);
        pointer[i] = &stream[i].api;
    }
    if (!status) {
        crash_enter(at->plugin->table, "posterior_sample", 0, n - 1);
        status = simulator_ops(s)->posterior_sample(at->self, x, n,
                                                    (nre_rng *const *)pointer, all);
        crash_leave();
        if (status)
            status = plugin_failed(at->plugin->table, "posterior_sample", status);
    }
    if (!status)
        target_columns(ratio_target(j->side[EXACT].posterior.ratio), n, all, theta);
    free(all);
    free(pointer);
    free(stream);
    return status;
}

/* Of systematic resampling: neighbours. */
static size_t repeated(size_t n, size_t dim, const double *theta)
{
    size_t same = 0;

    for (size_t i = 1; i < n; i++)
        same += !memcmp(theta + i * dim, theta + (i - 1) * dim, dim * sizeof *theta);
    return same;
}

/* *SERVE: independent draws of the posterior of rows FIRST on of O. */
static int ratio_draws(const side *a, const observed *o, size_t first, size_t n_rows,
                       rng *r, size_t n, double *theta, bool *serve)
{
    const posterior *p = &a->posterior;
    size_t dim = ratio_target(p->ratio)->n;
    station *t = &a->stations[0];
    int status = posterior_has_grid(p)
                     ? grid_of_cells(p, t->worker, o, first, n_rows,
                                     region_cells((uint32_t)dim), &t->grid)
                     : NRE_ENOTSUP;

    if (!status) {
        *serve = t->grid.cells >= GRID_MIN_CELLS;
        posterior_draws(&t->grid, NULL, n, r, theta);
    }
    if (status != NRE_ENOTSUP)
        return status;
    status = cloud_of(p, t->worker, o, first, n_rows, &C2ST_PLAN, r, &t->cloud);
    *serve = !t->cloud.nowhere;
    if (!status && *serve) {
        posterior_draws(NULL, &t->cloud, n, r, theta);
        *serve = repeated(n, dim, theta) <= n / 100;
    }
    return status;
}

/* Of rows X [n_rows] as one; *ACCURACY NAN where draws cannot be had. */
static int c2st_at(const job *j, const float *x, size_t n_rows, uint64_t item,
                   double *accuracy)
{
    const char *name = ratio_target(j->side[EXACT].posterior.ratio)->name;
    double *theta = memory_new((size_t)SIDES * C2ST_DRAWS, j->dim * sizeof *theta);
    observed *o[SIDES] = {NULL};
    bool serve[SIDES] = {true, true};
    c2st_result result = {.accuracy = NAN};
    int status = theta ? NRE_OK : fail(NRE_ENOMEM, "no memory for posterior draws");

    for (size_t i = 0; i < SIDES && !status; i++) {
        const side *a = &j->side[i];
        double *at = theta + i * C2ST_DRAWS * j->dim;
        rng_key key = rng_purpose(j->subject->seed, "likelihood/c2st/%zu/%s", i, name);
        rng r;
        rng_start(&r, key, item, 1);
        if (i == EXACT && has_draws(j, n_rows)) {
            status = simulator_draws(j, x, C2ST_DRAWS, key, item, at);
            continue;
        }
        status = observed_new(a->posterior.ratio, &o[i]);
        if (!status)
            status =
                ratio_observe(a->posterior.ratio, a->stations[0].worker, n_rows, x, o[i]);
        if (!status)
            status = ratio_draws(a, o[i], 0, n_rows, &r, C2ST_DRAWS, at, &serve[i]);
    }
    if (!status && serve[EXACT] && serve[NETWORK])
        status = c2st_of(C2ST_DRAWS, j->dim, theta, theta + C2ST_DRAWS * j->dim,
                         j->subject->seed, j->subject->pool, &result);
    *accuracy = result.accuracy;
    for (size_t i = 0; i < SIDES; i++)
        observed_free(o[i]);
    free(theta);
    return status;
}

/* Of the observations, else of the first test pairs: a list, their mean to *MEAN. */
static int c2st_all(const job *j, double *mean, json_t **out)
{
    const subject *s = j->subject;
    bool joint = s->joint && s->n_observed > 1;
    size_t most = s->n_observed ? C2ST_OBSERVATIONS : C2ST_PAIRS, n = joint ? 1
                                                                      : s->n_observed
                                                                          ? s->n_observed
                                                                          : (size_t)j->n;
    uint64_t index[C2ST_PAIRS] = {0, 1, 2};
    float *x = memory_new(C2ST_PAIRS, s->test->n_x * sizeof *x);
    json_t *list = *out = json_array();
    double sum = 0;
    int status = x && list ? NRE_OK : fail(NRE_ENOMEM, "no memory for posterior draws");

    n = n < most ? n : most;
    if (!status && !s->n_observed)
        status = s->test->rows(s->test, 0, 0, n, index, NULL, x);
    for (size_t i = 0; i < n && !status; i++) {
        double accuracy = NAN;
        const float *row = (s->n_observed ? s->observed : x) + i * s->test->n_x;
        status = c2st_at(j, row, joint ? s->n_observed : 1, i, &accuracy);
        json_array_append_new(list, json_number(accuracy));
        sum += accuracy;
    }
    *mean = sum / (double)n;
    free(x);
    return status;
}

/* what it comes to */

/* Linear between order statistics (definition 7 of Hyndman & Fan 1996). */
static double quantile_of(size_t n, const double *sorted, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    double part = at - (double)below;

    if (n == 0)
        return NAN;
    return part > 0 ? sorted[below] + part * (sorted[below + 1] - sorted[below])
                    : sorted[below];
}

/* A number of all pairs that have it, sorted. */
typedef struct column {
    size_t n;
    double *value;
    double mean;
} column;

static int column_of(const job *j, double (*of)(const comparison *c), column *out)
{
    double sum = 0;

    *out = (column){.value = memory_new((size_t)j->n, sizeof *out->value)};
    if (!out->value)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)j->n);
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            out->value[out->n] = of(&j->pair[i]);
            sum += out->value[out->n++];
        }
    out->mean = out->n ? sum / (double)out->n : NAN;
    qsort(out->value, out->n, sizeof *out->value, compare_reals);
    return NRE_OK;
}

static double kl_of(const comparison *c)
{
    return c->kl;
}

static double reverse_of(const comparison *c)
{
    return c->reverse;
}

static json_t *column_json(const column *c)
{
    return json_pack("{s:o s:o s:o s:o}", "mean", json_number(c->mean), "q05",
                     json_number(quantile_of(c->n, c->value, 0.05)), "q50",
                     json_number(quantile_of(c->n, c->value, 0.5)), "q95",
                     json_number(quantile_of(c->n, c->value, 0.95)));
}

/* Of the median: half of what lies within a binomial deviation of it. */
static double median_error(const column *c)
{
    double step = 0.5 / sqrt((double)c->n);

    return c->n < 4 ? NAN
                    : (quantile_of(c->n, c->value, 0.5 + step) -
                       quantile_of(c->n, c->value, 0.5 - step)) /
                          2;
}

typedef struct means {
    uint64_t n;
    double error, square, exact, outside, gain[SIDES], difference, difference_error;
} means;

static means means_of(const job *j)
{
    means m = {0};
    double squares = 0;

    for (uint64_t i = 0; i < j->n; i++) {
        const comparison *c = &j->pair[i];
        if (c->missing)
            continue;
        m.n++;
        m.error += c->mean;
        m.square += c->square;
        m.exact += c->exact;
        m.outside += c->outside;
        m.gain[EXACT] += c->gain[EXACT];
        m.gain[NETWORK] += c->gain[NETWORK];
    }
    double n = (double)m.n, *all[] = {&m.error,   &m.square,      &m.exact,
                                      &m.outside, &m.gain[EXACT], &m.gain[NETWORK]};
    for (size_t k = 0; k < 6; k++)
        *all[k] /= n;
    m.difference = m.gain[NETWORK] - m.gain[EXACT];
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            double d = j->pair[i].gain[NETWORK] - j->pair[i].gain[EXACT] - m.difference;
            squares += d * d;
        }
    m.difference_error = m.n > 1 ? sqrt(squares / (n - 1) / n) : NAN;
    return m;
}

static int error_json(const job *j, const means *m, json_t **out)
{
    size_t n = 0;
    double *kept = memory_new((size_t)j->n, KEPT * sizeof *kept);

    if (!kept)
        return fail(NRE_ENOMEM, "no memory for errors of log ratios");
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            memcpy(kept + n, j->kept + i * KEPT, KEPT * sizeof *kept);
            n += KEPT;
        }
    qsort(kept, n, sizeof *kept, compare_reals);
    *out =
        json_pack("{s:o s:o s:o s:o s:o s:o}", "mean", json_number(m->error), "rms",
                  json_number(sqrt(m->square)), "rms_exact", json_number(sqrt(m->exact)),
                  "q05", json_number(quantile_of(n, kept, 0.05)), "q50",
                  json_number(quantile_of(n, kept, 0.5)), "q95",
                  json_number(quantile_of(n, kept, 0.95)));
    free(kept);
    return NRE_OK;
}

/* A parameter's medians over all pairs. */
typedef struct parameter {
    const char *name;
    double shift, width; /* of the mean, either way; deviation over the exact one */
} parameter;

static int parameter_of(const job *j, uint32_t k, parameter *out)
{
    const target *t = ratio_target(j->side[EXACT].posterior.ratio);
    size_t n = 0;
    double *width = memory_new((size_t)j->n, 2 * sizeof *width);

    if (!width)
        return fail(NRE_ENOMEM, "no memory for %llu test pairs",
                    (unsigned long long)j->n);
    double *shift = width + j->n;
    for (uint64_t i = 0; i < j->n; i++)
        if (!j->pair[i].missing) {
            shift[n] = fabs(j->shift[i * j->dim + k]);
            width[n++] = j->width[i * j->dim + k];
        }
    qsort(shift, n, sizeof *shift, compare_reals);
    qsort(width, n, sizeof *width, compare_reals);
    *out = (parameter){target_marginal(t, k)->name, quantile_of(n, shift, 0.5),
                       quantile_of(n, width, 0.5)};
    free(width);
    return NRE_OK;
}

/* Those that are farthest off. */
typedef struct worst {
    parameter width, shift;
} worst;

static int parameters_json(const job *j, worst *most, json_t **out)
{
    json_t *list = *out = json_array();
    int status = list ? NRE_OK : fail(NRE_ENOMEM, "no memory for a result");

    *most = (worst){0};
    most->width.width = 1;
    for (uint32_t k = 0; k < j->dim && !status; k++) {
        parameter p;
        status = parameter_of(j, k, &p);
        if (status)
            break;
        json_array_append_new(list, json_pack("{s:s s:o s:o}", "name", p.name, "shift",
                                              json_number(p.shift), "width",
                                              json_number(p.width)));
        if (fabs(log(p.width)) >= fabs(log(most->width.width)))
            most->width = p;
        if (p.shift >= most->shift.shift)
            most->shift = p;
    }
    return status;
}

static json_t *pairs_json(const job *j)
{
    json_t *list = json_array();

    for (uint64_t i = 0; i < j->n && i < SHOWN; i++) {
        const comparison *c = &j->pair[i];
        double kl = c->missing ? NAN : c->kl, reverse = c->missing ? NAN : c->reverse,
               effective = fmin(c->effective[EXACT], c->effective[NETWORK]);
        json_array_append_new(list, json_pack("{s:o s:o s:o}", "kl", json_number(kl),
                                              "reverse", json_number(reverse),
                                              "effective", json_number(effective)));
    }
    return list;
}

enum { SENTENCE = 512 };

static void put_sentence(char *text, const column *kl, const means *m, double c2st)
{
    int n =
        snprintf(text, SENTENCE,
                 "The posterior is %.2g nats (Kullback-Leibler, median) from the exact "
                 "one, 95%% of %llu test pairs below %.2g; the data tell %.2f nats of "
                 "which it has %.2f",
                 quantile_of(kl->n, kl->value, 0.5), (unsigned long long)kl->n,
                 quantile_of(kl->n, kl->value, 0.95), m->gain[EXACT], m->gain[NETWORK]);

    if (n > 0 && n < SENTENCE && isfinite(c2st))
        n += snprintf(text + n, (size_t)(SENTENCE - n), "; C2ST %.3f", c2st);
    if (n > 0 && n < SENTENCE)
        snprintf(text + n, (size_t)(SENTENCE - n), ".");
}

/* In which way it is off: in width, in place, or in shape. */
static void put_advice(char *text, const worst *w, const means *m)
{
    bool wide = fabs(log(w->width.width)) > NOTED, off = w->shift.shift > NOTED;
    char width[128] = "", shift[128] = "", outside[128] = "";

    if (wide)
        snprintf(width, sizeof width, "its deviation in %s is %.2f times the exact one",
                 w->width.name, w->width.width);
    if (off)
        snprintf(shift, sizeof shift, "%sits mean in %s is off by %.2f exact deviations",
                 wide ? ", " : "", w->shift.name, w->shift.shift);
    if (m->outside > 0.01)
        snprintf(outside, sizeof outside,
                 "%s%.0f%% of its mass lies where the exact one has none",
                 wide || off ? ", " : "", 100 * m->outside);
    bool any = wide || off || *outside;
    snprintf(
        text, SENTENCE,
        "Typically %s%s%s%s: more simulations, a larger network or an ensemble bring it "
        "closer.",
        width, shift, outside,
        any ? "" : "its means and deviations are right, but not its shape");
}

static json_t *found(const column *kl, const means *m, double c2st, const worst *w)
{
    char says[SENTENCE], advice[SENTENCE];
    finding f = {.verdict = FINDING_INFORMS,
                 .statistic = "median Kullback-Leibler divergence of the exact posterior "
                              "from this one, nats",
                 .value = quantile_of(kl->n, kl->value, 0.5),
                 .error = median_error(kl),
                 .expected = 0,
                 .p = NAN,
                 .n = kl->n,
                 .says = says};

    put_sentence(says, kl, m, c2st);
    put_advice(advice, w, m);
    if (f.value > NOTED)
        f.advice = advice;
    return finding_json(&f);
}

static int result_of(const job *j, double c2st, json_t *each, json_t **out)
{
    column kl = {0}, reverse = {0};
    means m = means_of(j);
    worst w;
    json_t *error = NULL, *parameters = NULL;
    int status = column_of(j, kl_of, &kl);

    if (!status)
        status = column_of(j, reverse_of, &reverse);
    if (!status)
        status = error_json(j, &m, &error);
    if (!status)
        status = parameters_json(j, &w, &parameters);
    json_t *row = status ? NULL
                  : kl.n ? found(&kl, &m, c2st, &w)
                         : finding_open("no test pair had two posteriors of enough "
                                        "effective size");
    if (row) {
        json_object_set_new(row, "missing", json_integer((json_int_t)(j->n - kl.n)));
        json_object_set(row, "log_ratio_error", error);
        json_object_set_new(row, "kl", column_json(&kl));
        json_object_set_new(row, "kl_reverse", column_json(&reverse));
        json_object_set_new(row, "outside", json_number(m.outside));
        json_object_set_new(row, "gain",
                            json_pack("{s:o s:o s:o s:o}", "exact",
                                      json_number(m.gain[EXACT]), "network",
                                      json_number(m.gain[NETWORK]), "difference",
                                      json_number(m.difference), "error",
                                      json_number(m.difference_error)));
        json_object_set(row, "parameters", parameters);
        json_object_set_new(row, "c2st", json_number(c2st));
        json_object_set(row, "c2st_each", each);
        json_object_set_new(row, "pairs", pairs_json(j));
    }
    json_decref(parameters);
    json_decref(error);
    free(reverse.value);
    free(kl.value);
    *out = row;
    return status || row ? status : fail(NRE_ENOMEM, "no memory for a result");
}

/* the whole */

static const char *declines(const subject *s)
{
    if (!s->simulator || !NRE_HAS(simulator_ops(s->simulator), log_likelihood))
        return "the simulator has no likelihood to compare with";
    if (ratio_target(s->posterior->ratio)->n != simulator_n_theta(s->simulator))
        return "the exact posterior is one of all parameters, this target is some of "
               "them";
    return NULL;
}

static int side_open(const subject *s, size_t which, ratio *exact, side *a)
{
    static const char *const WORDS[] = {"exact", "network"};

    a->posterior = *s->posterior;
    if (which == EXACT)
        a->posterior.ratio = exact;
    a->subject = *s;
    a->subject.posterior = &a->posterior;
    a->key = rng_purpose(s->seed, "likelihood/%s/%s", WORDS[which],
                         ratio_target(s->posterior->ratio)->name);
    return stations_new(&a->subject, &a->stations);
}

static int job_memory(job *j)
{
    size_t n = (size_t)j->n;

    j->pair = memory_new(n, sizeof *j->pair);
    j->kept = memory_new(n, KEPT * sizeof *j->kept);
    j->shift = memory_new(n, j->dim * sizeof *j->shift);
    j->width = memory_new(n, j->dim * sizeof *j->width);
    return j->pair && j->kept && j->shift && j->width
               ? NRE_OK
               : fail(NRE_ENOMEM, "no memory for %zu test pairs", n);
}

static int exact_of(const subject *s, ratio **out)
{
    int status = ratio_exact(s->simulator, ratio_target(s->posterior->ratio), out);

    if (!status && s->posterior->truncation)
        status = ratio_truncated(*out, s->posterior->truncation, out);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    uint64_t n = o->n ? o->n : PAIRS;
    job j = {.subject = s,
             .n = n < s->test->n ? n : s->test->n,
             .dim = ratio_target(s->posterior->ratio)->n};
    ratio *exact = NULL;
    json_t *each = NULL;
    double c2st = NAN;
    int status = exact_of(s, &exact);

    if (!status)
        status = job_memory(&j);
    for (size_t i = 0; i < SIDES && !status; i++)
        status = side_open(s, i, exact, &j.side[i]);
    if (!status)
        status = pool_run(s->pool, (size_t)((j.n + STATION_ROWS - 1) / STATION_ROWS),
                          compare_block, &j);
    if (!status)
        status = c2st_all(&j, &c2st, &each);
    if (!status)
        status = result_of(&j, c2st, each, out);
    json_decref(each);
    for (size_t i = 0; i < SIDES; i++)
        stations_free(s, j.side[i].stations);
    free(j.width);
    free(j.shift);
    free(j.kept);
    free(j.pair);
    ratio_free(exact);
    return status;
}

const diagnostic likelihood_diagnostic = {
    .name = "likelihood",
    .observes = true,
    .simulates = true, /* its likelihood needs its tables */
    .declines = declines,
    .perform = perform,
};

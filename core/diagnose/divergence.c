/* diagnose/divergence.c - how far two posteriors of one x are apart, from draws of both. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID_DRAWS = 1000 }; /* of a posterior on a grid */
/* Posteriors that overlap less are normalised each by itself. */
static const double OVERLAP = 0.05;
/* Draws that weigh less than this fraction of an equal share are as good as none. */
static const double LIGHT = 1e-4;

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

/* draws */

static int mixed_new(mixed *m, uint32_t dim)
{
    m->all = m->n[SIDE_EXACT] + m->n[SIDE_NETWORK];
    m->theta = memory_new(m->all, (dim + 6) * sizeof *m->theta);
    if (!m->theta)
        return fail(NRE_ENOMEM, "no memory for draws of two posteriors");
    double **column[] = {
        &m->ratio[SIDE_EXACT], &m->ratio[SIDE_NETWORK], &m->weight,
        &m->difference,        &m->by[SIDE_EXACT],      &m->by[SIDE_NETWORK]};
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
static int grid_points(const posterior *p, station *t, size_t row, rng *r, size_t n,
                       double *theta, double *log_ratio, double *weight)
{
    posterior_draws(&t->grid, NULL, n, r, theta);
    int status = ratio_evaluate(p->ratio, t->worker, t->observed, row, 1, n, theta,
                                log_ratio, NULL);
    if (!status)
        status = posterior_log_prior(p, n, theta, weight, NULL);
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

/* Those of posterior P, from FIRST on. */
static int own_points(const posterior *p, station *t, size_t row, rng *r, mixed *m,
                      size_t which, size_t first)
{
    size_t n = m->n[which], dim = ratio_target(p->ratio)->n;
    double *theta = m->theta + first * dim, *log_ratio = m->ratio[which] + first,
           *weight = m->weight + first;
    int status = NRE_OK;

    if (t->on_grid) {
        status = grid_points(p, t, row, r, n, theta, log_ratio, weight);
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

/* Draws of both, and what each ratio says at the other's. */
static int mix(const posterior *const p[SIDES], station *const t[SIDES], size_t row,
               rng *r, mixed *m)
{
    uint32_t dim = ratio_target(p[SIDE_EXACT]->ratio)->n;

    for (size_t i = 0; i < SIDES; i++)
        m->n[i] = points_of(t[i]);
    int status = mixed_new(m, dim);
    for (size_t i = 0; i < SIDES && !status; i++) {
        size_t first = i == SIDE_EXACT ? 0 : m->n[SIDE_EXACT];
        status = own_points(p[i], t[i], row, &r[i], m, i, first);
    }
    for (size_t i = 0; i < SIDES && !status; i++) {
        size_t other = SIDES - 1 - i, first = i == SIDE_EXACT ? m->n[SIDE_EXACT] : 0;
        status =
            ratio_evaluate(p[i]->ratio, t[i]->worker, t[i]->observed, row, 1, m->n[other],
                           m->theta + first * dim, m->ratio[i] + first, NULL);
    }
    return status;
}

/* both on one scale */

static double logistic(double z)
{
    return z > 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

/* Falls with the logarithm C of the network's area over the exact one's, and is 0 where both sets of
 * draws agree on it (Bennett 1976, Journal of Computational Physics 22, 245; Meng & Wong 1996, Statistica
 * Sinica 6, 831).  OVERLAP: 1 for equal posteriors, 0 for disjoint ones. */
static double disagreement(const mixed *m, double c, double *overlap)
{
    double offset = log(m->share[SIDE_NETWORK] / m->share[SIDE_EXACT]) - c,
           sum[SIDES] = {0};

    for (size_t i = 0; i < m->all; i++) {
        bool exact = i < m->n[SIDE_EXACT];
        double z = m->ratio[SIDE_NETWORK][i] - m->ratio[SIDE_EXACT][i] + offset;
        if (m->weight[i] > 0)
            sum[exact ? SIDE_EXACT : SIDE_NETWORK] +=
                m->weight[i] * logistic(exact ? z : -z);
    }
    *overlap = sum[SIDE_EXACT] / m->share[SIDE_NETWORK];
    return m->share[SIDE_EXACT] * sum[SIDE_EXACT] -
           m->share[SIDE_NETWORK] * sum[SIDE_NETWORK];
}

/* log of the network's area over the exact one's; AREAS: by each posterior alone. */
static double area_ratio(const mixed *m, double areas)
{
    double low = INFINITY, high = -INFINITY, overlap = 0;

    for (size_t i = 0; i < m->all; i++) {
        double d = m->ratio[SIDE_NETWORK][i] - m->ratio[SIDE_EXACT][i];
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
        double d = m->ratio[SIDE_NETWORK][i] - m->ratio[SIDE_EXACT][i] - log_area_ratio;
        double less = exp(-fabs(d)), exact = d > 0 ? less : 1, network = d > 0 ? 1 : less;
        double sum = m->share[SIDE_EXACT] * exact + m->share[SIDE_NETWORK] * network;
        double weight =
            m->weight[i] * m->share[i < m->n[SIDE_EXACT] ? SIDE_EXACT : SIDE_NETWORK];
        m->difference[i] = d;
        m->by[SIDE_EXACT][i] = weight * exact / sum;
        m->by[SIDE_NETWORK][i] = weight * network / sum;
    }
}

/* what they differ by */

/* Both divergences with 1 = the integral of a density as their control variate, so that no term is
 * negative and all are 0 for equal posteriors. */
static void divergences(const mixed *m, divergence *out)
{
    for (size_t i = 0; i < m->all; i++) {
        double d = m->difference[i], exact = m->by[SIDE_EXACT][i],
               network = m->by[SIDE_NETWORK][i];
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
    const double *weight = m->by[SIDE_NETWORK];
    double total = 0, sum = weight[0];
    size_t at = 0;

    for (size_t i = 0; i < m->all; i++)
        total += weight[i];
    for (size_t i = 0; i < DIVERGENCE_ERRORS; i++) {
        while (sum < total * ((double)i + 0.5) / DIVERGENCE_ERRORS && at + 1 < m->all)
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
        shift[k] = (mean[SIDE_NETWORK] - mean[SIDE_EXACT]) / deviation[SIDE_EXACT];
        width[k] = deviation[SIDE_NETWORK] / deviation[SIDE_EXACT];
    }
}

static void compare(mixed *m, size_t dim, station *const t[SIDES], size_t row,
                    divergence *out)
{
    double total = m->effective[SIDE_EXACT] + m->effective[SIDE_NETWORK];

    for (size_t i = 0; i < SIDES; i++) {
        out->effective[i] = m->effective[i];
        out->missing |= !(m->effective[i] >= CLOUD_MIN_EFFECTIVE);
        m->share[i] = m->effective[i] / total;
    }
    if (out->missing)
        return;
    double c = area_ratio(m, t[SIDE_NETWORK]->log_area - t[SIDE_EXACT]->log_area),
           *gain = out->gain;
    normalise_both(m, c);
    divergences(m, out);
    keep_errors(m, out->error);
    compare_moments(m, dim, out->shift, out->width);
    gain[SIDE_EXACT] = t[SIDE_EXACT]->log_ratio[row] - t[SIDE_EXACT]->log_area;
    gain[SIDE_NETWORK] = gain[SIDE_EXACT] + t[SIDE_NETWORK]->log_ratio[row] -
                         t[SIDE_EXACT]->log_ratio[row] - c;
}

int divergence_between(const posterior *const p[SIDES], station *const t[SIDES],
                       size_t row, rng *r, divergence *out)
{
    mixed m = {0};

    out->missing = t[SIDE_EXACT]->missing || t[SIDE_NETWORK]->missing;
    if (out->missing)
        return NRE_OK;
    int status = mix(p, t, row, r, &m);
    if (!status)
        compare(&m, ratio_target(p[SIDE_EXACT]->ratio)->n, t, row, out);
    free(m.theta);
    return status;
}

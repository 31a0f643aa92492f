/* infer/estimate.c - maxima, summaries of one parameter, thresholds of confidence sets.
 */
#include "infer/infer.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* maxima */

enum { MAX_CALLS = 30 };
static const double ENOUGH = 2e-4; /* predicted gain to stop at, nats */
static const double LONGEST = 2.0; /* of a step, in the unbounded space */
static const double NUDGE = 1e-9;  /* of the support, from its end */

typedef struct climber {
    double *z, *gradient;                  /* [dim] where it stands */
    double *trial, *trial_gradient, *step; /* [dim] */
    double *inverse;                       /* [dim][dim] of the Hessian of -f (BFGS) */
    double value, trial_value, length;
    bool active, scaled;
} climber;

/* EACH climbers a row of F. */
typedef struct ascent {
    objective f;
    size_t each;
    size_t n, dim;                             /* climbers: f.many * each */
    climber *climber;                          /* [n] */
    double *z, *theta, *gradient, *derivative; /* [n][dim] */
    double *value;                             /* [n] */
} ascent;

static int log_ratio_at(const objective *f, size_t each, const double *theta,
                        double *value, double *gradient)
{
    if (f->n_rows == 1)
        return ratio_evaluate(f->posterior->ratio, f->worker, f->observed, f->row,
                              f->many, each, theta, value, gradient);
    return ratio_joint(f->posterior->ratio, f->worker, f->observed, f->row, f->n_rows,
                       each, theta, value, gradient);
}

int objective_at(const objective *f, size_t each, const double *theta, double *value,
                 double *gradient)
{
    size_t n = f->many * each, d = posterior_target(f->posterior)->n;
    int status = log_ratio_at(f, each, theta, value, gradient);
    if (status != NRE_OK || f->kind == MAXIMUM_RATIO)
        return status;
    status = posterior_log_prior(f->posterior, n, theta, f->prior,
                                 gradient ? f->prior_gradient : NULL);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        value[i] += f->prior[i];
    for (size_t i = 0; status == NRE_OK && gradient && i < n * d; i++)
        gradient[i] += f->prior_gradient[i];
    return status;
}

/* Trial points of all climbers in one call; those that rest are evaluated again for
 * nothing. */
static int evaluate_trials(ascent *a)
{
    size_t d = a->dim;
    for (size_t i = 0; i < a->n; i++)
        memcpy(a->z + i * d, a->climber[i].trial, d * sizeof *a->z);
    unbounded_back(posterior_target(a->f.posterior), a->n, a->z, a->theta, NULL,
                   a->derivative, NULL);
    int status = objective_at(&a->f, a->each, a->theta, a->value, a->gradient);
    for (size_t i = 0; status == NRE_OK && i < a->n; i++) {
        a->climber[i].trial_value = a->value[i];
        for (size_t k = 0; k < d; k++) {
            double slope = a->gradient[i * d + k] * a->derivative[i * d + k];
            a->climber[i].trial_gradient[k] = isfinite(slope) ? slope : 0;
        }
    }
    return status;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void times(size_t d, const double *matrix, const double *v, double *out)
{
    for (size_t i = 0; i < d; i++)
        out[i] = dot(d, matrix + i * d, v);
}

static void set_trial(climber *c, size_t d)
{
    for (size_t k = 0; k < d; k++)
        c->trial[k] = c->z[k] + c->length * c->step[k];
}

/* A new direction: the quasi-Newton step, no longer than LONGEST; rests when it promises
 * nothing. */
static void aim(climber *c, size_t d)
{
    times(d, c->inverse, c->gradient, c->step);
    double gain = dot(d, c->step, c->gradient), norm = sqrt(dot(d, c->step, c->step));
    double longest = c->scaled ? LONGEST : 0.25;
    c->active = gain > 2 * ENOUGH || (!c->scaled && gain > 1e-12);
    c->length = norm > longest ? longest / norm : 1;
    set_trial(c, d);
}

/* BFGS of the inverse Hessian (Nocedal & Wright 2006, eq. 6.17), for the function -f. */
static void learn(climber *c, size_t d, double *scratch)
{
    double *s = scratch, *y = scratch + d, *hy = scratch + 2 * d;
    for (size_t k = 0; k < d; k++) {
        s[k] = c->trial[k] - c->z[k];
        y[k] = c->gradient[k] - c->trial_gradient[k];
    }
    double sy = dot(d, s, y), yy = dot(d, y, y);
    if (!(sy > 1e-10 * sqrt(yy * dot(d, s, s))))
        return;
    if (!c->scaled)
        for (size_t k = 0; k < d; k++)
            c->inverse[k * d + k] = sy / yy;
    c->scaled = true;
    times(d, c->inverse, y, hy);
    double factor = (1 + dot(d, y, hy) / sy) / sy;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            c->inverse[i * d + j] +=
                factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
}

static void accept(climber *c, size_t d)
{
    memcpy(c->z, c->trial, d * sizeof *c->z);
    memcpy(c->gradient, c->trial_gradient, d * sizeof *c->z);
    c->value = c->trial_value;
}

/* After a trial: go there and aim anew, or come back along the step (parabola, 0.1 to
 * 0.5). */
static void advance(climber *c, size_t d, double *scratch)
{
    double slope = dot(d, c->step, c->gradient), gain = c->trial_value - c->value;
    if (gain >= 1e-4 * c->length * slope) {
        learn(c, d, scratch);
        accept(c, d);
        aim(c, d);
        return;
    }
    double best = 0.5 * slope * c->length / (slope * c->length - gain);
    c->length *= isfinite(best) ? fmin(fmax(best, 0.1), 0.5) : 0.1;
    c->active = c->length * slope > 0.1 * ENOUGH;
    set_trial(c, d);
}

static int climb(ascent *a, double *scratch)
{
    size_t d = a->dim;
    int status = evaluate_trials(a);
    for (size_t i = 0; status == NRE_OK && i < a->n; i++) {
        climber *c = &a->climber[i];
        accept(c, d);
        for (size_t k = 0; k < d; k++)
            c->inverse[k * d + k] = 1;
        aim(c, d);
        c->active = c->active && c->value > -INFINITY;
    }
    for (int call = 1; status == NRE_OK && call < MAX_CALLS; call++) {
        bool any = false;
        for (size_t i = 0; i < a->n; i++)
            any = any || a->climber[i].active;
        if (!any)
            break;
        status = evaluate_trials(a);
        for (size_t i = 0; status == NRE_OK && i < a->n; i++)
            if (a->climber[i].active)
                advance(&a->climber[i], d, scratch);
    }
    return status;
}

/* Where coordinate OLD is tried too: the end of the support within 5% of it, else OLD. */
static double end_near(const marginal *m, double old)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    double width = hi - lo;
    if (isfinite(width) && old - lo < 0.05 * width)
        return lo + NUDGE * width;
    if (isfinite(width) && hi - old < 0.05 * width)
        return hi - NUDGE * width;
    return old;
}

/* The unbounded space never reaches an end of the support, where a maximum may sit: every
 * coordinate near one is also tried there, one after another, all rows together.  theta
 * [many][dim], value [many]. */
static int try_ends(ascent *a, double *theta, double *value)
{
    const target *t = posterior_target(a->f.posterior);
    for (uint32_t k = 0; k < a->dim; k++) {
        bool any = false;
        memcpy(a->theta, theta, a->f.many * a->dim * sizeof *theta);
        for (size_t i = 0; i < a->f.many; i++) {
            double *at = &a->theta[i * a->dim + k], old = *at;
            *at = end_near(target_marginal(t, k), old);
            any = any || *at != old;
        }
        int status = any ? objective_at(&a->f, 1, a->theta, a->value, NULL) : NRE_OK;
        if (status != NRE_OK)
            return status == NRE_ENUMERIC ? NRE_OK : status;
        for (size_t i = 0; any && i < a->f.many; i++)
            if (a->value[i] > value[i]) {
                value[i] = a->value[i];
                theta[i * a->dim + k] = a->theta[i * a->dim + k];
            }
    }
    return NRE_OK;
}

static int lay_ascent(ascent *a, const double *start, double **memory)
{
    size_t d = a->dim, n = a->n, each = 5 * d + d * d;
    a->climber = memory_new(n, sizeof *a->climber);
    double *p = memory_new(n * (each + 5 * d + 2) + 3 * d, sizeof *p);
    *memory = p;
    if (!a->climber || !p)
        return fail(NRE_ENOMEM, "no memory to climb from %zu points", n);
    for (size_t i = 0; i < n; i++, p += each)
        a->climber[i] = (climber){.z = p,
                                  .gradient = p + d,
                                  .trial = p + 2 * d,
                                  .trial_gradient = p + 3 * d,
                                  .step = p + 4 * d,
                                  .inverse = p + 5 * d};
    a->z = p;
    a->theta = a->z + n * d;
    a->gradient = a->theta + n * d;
    a->derivative = a->gradient + n * d;
    a->f.prior_gradient = a->derivative + n * d;
    a->value = a->f.prior_gradient + n * d;
    a->f.prior = a->value + n;
    for (size_t i = 0; i < n; i++)
        unbounded_of(posterior_target(a->f.posterior), 1, start + i * d,
                     a->climber[i].trial);
    return NRE_OK;
}

/* Of one row: the best of the starts as they were given (their z may have been rounded),
 * whose values are in a->value, and of the climbers. */
static void pick_row(const ascent *a, size_t row, const double *start, double *theta,
                     double *value)
{
    size_t d = a->dim, first = row * a->each;
    *value = -INFINITY;
    memcpy(theta, start + first * d, d * sizeof *theta);
    for (size_t i = first; i < first + a->each; i++)
        if (a->value[i] > *value) {
            *value = a->value[i];
            memcpy(theta, start + i * d, d * sizeof *theta);
        }
    for (size_t i = first; i < first + a->each; i++)
        if (a->climber[i].value > *value) {
            *value = a->climber[i].value;
            unbounded_back(posterior_target(a->f.posterior), 1, a->climber[i].z, theta,
                           NULL, NULL, NULL);
        }
}

static int maximise(ascent *a, const double *start, double *theta, double *value)
{
    double *memory = NULL;
    a->n = a->f.many * a->each;
    a->dim = posterior_target(a->f.posterior)->n;
    int status = lay_ascent(a, start, &memory);
    if (status == NRE_OK && a->f.posterior->ratio->has_gradient)
        status = climb(a, a->f.prior + a->n);
    else
        for (size_t i = 0; a->climber && i < a->n; i++)
            a->climber[i].value = -INFINITY;
    if (status == NRE_OK)
        status = objective_at(&a->f, a->each, start, a->value, NULL);
    for (size_t i = 0; status == NRE_OK && i < a->f.many; i++)
        pick_row(a, i, start, theta + i * a->dim, &value[i]);
    if (status == NRE_OK)
        status = try_ends(a, theta, value);
    free(memory);
    free(a->climber);
    return status;
}

int maximum_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
               size_t n_rows, maximum_kind kind, size_t n_start, const double *start,
               double *theta, double *value)
{
    ascent a = {.f = {.posterior = p,
                      .worker = w,
                      .observed = o,
                      .row = row,
                      .n_rows = n_rows,
                      .many = 1,
                      .kind = kind},
                .each = n_start};
    if (n_start == 0)
        return fail(NRE_EINVAL, "a maximum needs a point to start from");
    return maximise(&a, start, theta, value);
}

int maxima_of(const posterior *p, ratio_worker *w, const observed *o, size_t first,
              size_t n, maximum_kind kind, size_t n_start, const double *start,
              double *theta, double *value)
{
    ascent a = {.f = {.posterior = p,
                      .worker = w,
                      .observed = o,
                      .row = first,
                      .n_rows = 1,
                      .many = n,
                      .kind = kind},
                .each = n_start};
    if (n_start == 0)
        return fail(NRE_EINVAL, "a maximum needs a point to start from");
    return n > 0 ? maximise(&a, start, theta, value) : NRE_OK;
}

/* summaries */

static const double PROBABILITY[5] = {0.025, 0.16, 0.5, 0.84, 0.975};

typedef struct weighted {
    double value, weight;
} weighted;

static int by_value(const void *a, const void *b)
{
    double x = ((const weighted *)a)->value, y = ((const weighted *)b)->value;
    return (x > y) - (x < y);
}

/* A point stands in the middle of its weight; between points the quantile is linear. */
static double quantile_of(size_t n, const weighted *w, double p)
{
    double sum = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        double middle = sum + 0.5 * w[i].weight;
        if (middle >= p) {
            if (i == 0 || middle == before)
                return w[i].value;
            double share = (p - before) / (middle - before);
            return w[i - 1].value + share * (w[i].value - w[i - 1].value);
        }
        sum += w[i].weight;
        before = middle;
    }
    return w[n - 1].value;
}

/* Shortest range of points that holds MASS. */
static void shortest(size_t n, const weighted *w, double mass, double out[2])
{
    double held = 0, width = INFINITY;
    size_t end = 0;
    out[0] = w[0].value, out[1] = w[n - 1].value;
    for (size_t i = 0; i < n; i++) {
        while (end < n && held < mass - 1e-12)
            held += w[end++].weight;
        if (held < mass - 1e-12)
            return;
        double now = w[end - 1].value - w[i].value;
        if (now < width) {
            width = now;
            out[0] = w[i].value, out[1] = w[end - 1].value;
        }
        held -= w[i].weight;
    }
}

static int sorted_copy(size_t n, const double *value, const double *weight,
                       weighted **out)
{
    double total = 0;
    weighted *w = n > 0 ? memory_new(n, sizeof *w) : NULL;
    if (!w)
        return n > 0 ? fail(NRE_ENOMEM, "no memory to summarise %zu points", n)
                     : fail(NRE_EINVAL, "there are no points to summarise");
    for (size_t i = 0; i < n; i++) {
        w[i] = (weighted){value[i], weight ? weight[i] : 1};
        total += w[i].weight;
    }
    for (size_t i = 0; i < n; i++)
        w[i].weight /= total;
    qsort(w, n, sizeof *w, by_value);
    *out = w;
    return NRE_OK;
}

int summary_of(size_t n, const double *value, const double *weight, summary *out)
{
    weighted *w = NULL;
    double mean = 0, variance = 0, error = 0;
    int status = sorted_copy(n, value, weight, &w);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        mean += w[i].weight * w[i].value;
    for (size_t i = 0; i < n; i++) {
        double off = w[i].value - mean;
        variance += w[i].weight * off * off;
        error += w[i].weight * off * w[i].weight * off;
    }
    *out = (summary){.mean = mean, .deviation = sqrt(variance), .mcse_mean = sqrt(error)};
    for (size_t i = 0; i < 5; i++)
        out->quantile[i] = quantile_of(n, w, PROBABILITY[i]);
    shortest(n, w, 0.68, out->hdi68);
    shortest(n, w, 0.95, out->hdi95);
    free(w);
    return NRE_OK;
}

/* summaries of a grid */

/* A marginal as masses between edges that are equidistant in prior mass. */
typedef struct fine {
    size_t n;
    double *mass; /* [n] */
    double *sum;  /* [n] of those before */
    const marginal *of;
    const double *box; /* [2] prior mass below its ends */
} fine;

/* The parameter's value at a fraction of the box's prior mass; infinite ends are cut off.
 */
static double value_at(const fine *f, double fraction)
{
    double lo, hi, u = f->box[0] + fraction * (f->box[1] - f->box[0]);
    marginal_support(f->of, &lo, &hi);
    if (f->of->family == NRE_CUSTOM_PRIOR)
        return lo + u * (hi - lo);
    if ((u <= 0 && isfinite(lo)) || (u >= 1 && isfinite(hi)))
        return u <= 0 ? lo : hi;
    fraction = fmin(fmax(fraction, 1e-9), 1 - 1e-9);
    u = f->box[0] + fraction * (f->box[1] - f->box[0]);
    return marginal_quantile(f->of, u);
}

static double *marginal_mass(const grid *g, uint32_t k)
{
    size_t stride = 1;
    double *mass = memory_new(g->m, sizeof *mass);
    for (uint32_t j = g->dim - 1; j > k; j--)
        stride *= g->m;
    for (size_t i = 0; mass && i < g->n; i++)
        mass[i / stride % g->m] += g->weight[i];
    return mass;
}

/* Inside a cell the density is the parabola whose means over it and its neighbours are
 * theirs, where that is positive; PARTS pieces a cell, which keep the cell's mass. */
static void split_cell(const double *mass, size_t m, size_t i, size_t parts, double *out)
{
    double here = mass[i], low = mass[i > 0 ? i - 1 : i],
           high = mass[i + 1 < m ? i + 1 : i];
    double slope = 0.5 * (high - low), bend = 0.5 * (high - 2 * here + low), sum = 0;
    if (i == 0 || i + 1 == m)
        slope *= 2, bend = 0;
    for (size_t j = 0; j < parts; j++) {
        double s = ((double)j + 0.5) / (double)parts - 0.5, w = 1 / (double)parts;
        out[j] = fmax(0, w * (here + slope * s + bend * (s * s + (w * w - 1) / 12)));
        sum += out[j];
    }
    for (size_t j = 0; j < parts; j++)
        out[j] = sum > 0 ? out[j] * here / sum : here / (double)parts;
}

static int refine_marginal(const grid *g, uint32_t k, fine *f)
{
    size_t parts = g->m < 2048 ? (2048 + g->m - 1) / g->m : 1;
    double *mass = marginal_mass(g, k);
    double *p = memory_new(2 * g->m * parts, sizeof *p);
    if (!mass || !p) {
        free(mass);
        free(p);
        return fail(NRE_ENOMEM, "no memory to summarise a grid");
    }
    *f = (fine){g->m * parts, p, p + g->m * parts, target_marginal(g->target, k),
                g->box[k]};
    for (size_t i = 0; i < g->m; i++)
        split_cell(mass, g->m, i, parts, p + i * parts);
    for (size_t i = 0; i + 1 < f->n; i++)
        f->sum[i + 1] = f->sum[i] + f->mass[i];
    free(mass);
    return NRE_OK;
}

/* Prior mass below which the posterior mass is P. */
static double position_of(const fine *f, double p)
{
    size_t low = 0, high = f->n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(f->sum[middle] <= p ? &low : &high) = middle;
    }
    double within = f->mass[low] > 0 ? fmin((p - f->sum[low]) / f->mass[low], 1) : 0.5;
    return ((double)low + within) / (double)f->n;
}

static void shortest_fine(const fine *f, double mass, double out[2])
{
    enum { STARTS = 400 };
    double width = INFINITY;
    for (int i = 0; i <= STARTS; i++) {
        double p = (1 - mass) * i / STARTS;
        double a = value_at(f, position_of(f, p));
        double b = value_at(f, position_of(f, fmin(p + mass, 1)));
        if (b - a < width) {
            width = b - a;
            out[0] = a, out[1] = b;
        }
    }
}

int summary_of_grid(const grid *g, uint32_t k, summary *out)
{
    fine f = {0};
    double mean = 0, variance = 0;
    if (k >= g->dim)
        return fail(NRE_EINVAL, "a grid of %u parameters has no parameter %u", g->dim, k);
    int status = refine_marginal(g, k, &f);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < f.n; i++)
        mean += f.mass[i] * value_at(&f, ((double)i + 0.5) / (double)f.n);
    for (size_t i = 0; i < f.n; i++) {
        double off = value_at(&f, ((double)i + 0.5) / (double)f.n) - mean;
        variance += f.mass[i] * off * off;
    }
    *out = (summary){.mean = mean, .deviation = sqrt(variance), .mcse_mean = NAN};
    for (size_t i = 0; i < 5; i++)
        out->quantile[i] = value_at(&f, position_of(&f, PROBABILITY[i]));
    shortest_fine(&f, 0.68, out->hdi68);
    shortest_fine(&f, 0.95, out->hdi95);
    free(f.mass);
    return NRE_OK;
}

double wilks_threshold(double level, uint32_t dim)
{
    return gsl_cdf_chisq_Pinv(level, dim);
}

/* diagnose/tarp.c - tests of accuracy with random points (Lemos, Coogan, Hezaveh & Perreault-Levasseur 2023,
 * arXiv:2302.03026): is the truth as far from a point as draws of its posterior are?
 *
 * A point that is drawn without regard to x makes the test blind to how much a posterior takes from x: the
 * prior itself passes it, as it passes all ranks.  Here the point follows x without asking the ratio: it is
 * the theta of another simulation, the one whose x is nearest among some that are kept aside.  Given these,
 * it is a function of x, so the rank of the truth's distance is uniform for a right ratio however bad the
 * neighbour is; and one that misses what x tells has its draws farther from the point than the truth. */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_ASIDE = 1000, LEAST_ASIDE = 16, ASIDE_VALUES = 1 << 17, SHARE = 5 };
/* Of a squared difference, in squared deviations: one wild value of x does not decide. */
static const double CAP = 25;

/* The last rows of the test set. */
typedef struct aside {
    uint64_t first;
    size_t n, n_x;
    float *x;        /* [n][n_x] */
    double *inverse; /* [n_x] of the variance, 0 where x does not vary */
    double *theta, *at,
        *sum; /* [n][n_theta]; [n][dim] as place_in_prior; [n_x] scratch */
} aside;

/* Mass of the prior below theta: a scale on which no parameter is longer than another.  A custom prior
 * has none, its support must do, or the normal law of its standardised values. */
static double place_in_prior(const target *t, uint32_t k, double theta)
{
    const marginal *m = target_marginal(t, k);
    double low, high;

    if (!t->prior->custom)
        return marginal_cdf(m, theta);
    marginal_support(m, &low, &high);
    if (isfinite(high - low))
        return (theta - low) / (high - low);
    return gsl_cdf_ugaussian_P(marginal_standardise(m, theta, NULL));
}

static void aside_release(void *prepared)
{
    aside *a = prepared;

    free(a->x);
    free(a->inverse);
    free(a);
}

/* Variances of the columns of x. */
static void scale_aside(aside *a)
{
    double n = (double)a->n, *mean = a->sum;

    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < a->n_x; k++)
            mean[k] += (double)a->x[i * a->n_x + k] / n;
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < a->n_x; k++) {
            double away = (double)a->x[i * a->n_x + k] - mean[k];
            a->inverse[k] += away * away / n;
        }
    for (size_t k = 0; k < a->n_x; k++)
        a->inverse[k] = a->inverse[k] > 0 ? 1 / a->inverse[k] : 0;
}

static int load_aside(const subject *s, aside *a)
{
    const target *t = posterior_target(s->posterior);
    uint64_t *index = memory_new(a->n + 1, sizeof *index);
    int status = index ? NRE_OK : fail(NRE_ENOMEM, "out of memory for reference points");

    for (size_t i = 0; index && i < a->n; i++)
        index[i] = a->first + i;
    if (!status)
        status = s->test->rows(s->test, 0, 0, a->n, index, a->theta, a->x);
    free(index);
    if (status)
        return status;
    target_columns(t, a->n, a->theta, a->at);
    for (size_t i = 0; i < a->n * t->n; i++)
        a->at[i] = place_in_prior(t, (uint32_t)(i % t->n), a->at[i]);
    scale_aside(a);
    return NRE_OK;
}

static int prepare(const subject *s, void **out)
{
    const loader *l = s->test;
    size_t dim = posterior_target(s->posterior)->n, n = ASIDE_VALUES / (l->n_x + 1);
    aside *a = memory_new(1, sizeof *a);

    if (!a)
        return fail(NRE_ENOMEM, "out of memory for reference points");
    n = n > MOST_ASIDE ? MOST_ASIDE : n < LEAST_ASIDE ? LEAST_ASIDE : n;
    a->n = n < l->n / SHARE ? n : (size_t)(l->n / SHARE);
    a->n_x = l->n_x;
    a->first = l->n - a->n;
    a->x = memory_new(a->n * a->n_x + 1, sizeof *a->x);
    a->inverse =
        memory_new(2 * a->n_x + a->n * (l->n_theta + dim) + 1, sizeof *a->inverse);
    int status = a->x && a->inverse
                     ? NRE_OK
                     : fail(NRE_ENOMEM, "out of memory for reference points");
    if (!status) {
        a->sum = a->inverse + a->n_x;
        a->theta = a->sum + a->n_x;
        a->at = a->theta + a->n * l->n_theta;
        status = load_aside(s, a);
    }
    if (status)
        aside_release(a);
    else
        *out = a;
    return status;
}

/* The row whose x is nearest. */
static size_t nearest(const aside *a, const float *x)
{
    double least = INFINITY;
    size_t at = 0;

    for (size_t i = 0; i < a->n; i++) {
        const float *other = a->x + i * a->n_x;
        double sum = 0;
        for (size_t k = 0; k < a->n_x && sum < least; k++) {
            double away = (double)(x[k] - other[k]);
            away *= away * a->inverse[k];
            sum += away < CAP ? away : CAP;
        }
        if (sum < least) {
            least = sum;
            at = i;
        }
    }
    return at;
}

/* Squared distances of the middles of all cells. */
static void cell_distances(const grid *g, const double *from, double *out)
{
    for (size_t i = 0; i < g->n; i++) {
        size_t rest = i;
        out[i] = 0;
        for (uint32_t k = g->dim; k-- > 0; rest /= g->m) {
            double in = ((double)(rest % g->m) + 0.5) / (double)g->m;
            double at = g->box[k][0] + in * (g->box[k][1] - g->box[k][0]);
            out[i] += (at - from[k]) * (at - from[k]);
        }
    }
}

static double distance_of(const target *t, const double *theta, const double *from)
{
    double sum = 0;

    for (uint32_t k = 0; k < t->n; k++) {
        double away = place_in_prior(t, k, theta[k]) - from[k];
        sum += away * away;
    }
    return sum;
}

static size_t distance_width(const target *t)
{
    (void)t;
    return 1;
}

/* A truth outside a grid's box is farther than all of its mass. */
static int distance_take(const pair_view *v, double *out)
{
    const aside *a = v->prepared;
    const target *t = posterior_target(v->subject->posterior);
    size_t dim = t->n, n = v->grid ? v->grid->n : v->cloud->n;
    size_t cell = v->grid ? grid_cell(v->grid, v->theta, false) : 0;
    mass_place p = {.below = 1};

    if (v->item >= a->first || a->n == 0)
        return NRE_OK;
    const double *from = a->at + nearest(a, v->x) * dim;
    double *distance = memory_new(n, sizeof *distance);
    if (!distance)
        return fail(NRE_ENOMEM, "out of memory for distances");
    if (v->grid)
        cell_distances(v->grid, from, distance);
    for (size_t i = 0; i < n && v->cloud; i++)
        distance[i] = distance_of(t, v->cloud->theta + i * dim, from);
    if (v->cloud)
        p = mass_below(v, distance, distance_of(t, v->theta, from));
    else if (cell < n)
        p = mass_below(v, distance, distance[cell]);
    out[0] = place_rank(v, p, rng_uniform(v->rng));
    free(distance);
    return NRE_OK;
}

const measure measure_distance = {.name = "distance",
                                  .width = distance_width,
                                  .take = distance_take,
                                  .prepare = prepare,
                                  .release = aside_release};

/* judgement */

static double mean_of(size_t n, const double *u, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += isnan(u[i]) ? 0 : u[i];
    return sum / (double)count;
}

/* The point is about where the right posterior is. */
static const char *relation_of(double z)
{
    return z < -2  ? "The truth is nearer to points that follow x than draws of its "
                     "posterior are"
           : z > 2 ? "The truth is farther from points that follow x than draws of its "
                     "posterior are"
                   : "The truth is not as far from points that follow x as draws of its "
                     "posterior are";
}

static const char *meaning_of(double z)
{
    return z < -2  ? "posteriors miss part of what x tells, lie beside the truth or are "
                     "too wide"
           : z > 2 ? "posteriors are too narrow"
                   : "posteriors have a wrong width or shape";
}

static const char *advice_of(double z)
{
    return z < -2 ? "If the ranks of sbc are uniform, x tells more than the network "
                    "takes from it: compare the "
                    "gain with that of a larger network or of one that sees x otherwise. "
                    " Else see sbc."
                  : "See which parameter's ranks fail in sbc; more simulations, an "
                    "ensemble or the loss bnre "
                    "against posteriors that are too narrow.";
}

static json_t *curve_json(const ecdf *e, const double *low, const double *high)
{
    double coverage[ECDF_POINTS];
    json_t *j = json_object();

    for (size_t i = 0; i < ECDF_POINTS; i++)
        coverage[i] = (double)e->count[i] / (double)e->n;
    json_object_set_new(j, "level", numbers_json(ECDF_POINTS, e->z));
    json_object_set_new(j, "coverage", numbers_json(ECDF_POINTS, coverage));
    json_object_set_new(j, "low", numbers_json(ECDF_POINTS, low));
    json_object_set_new(j, "high", numbers_json(ECDF_POINTS, high));
    return j;
}

static json_t *finish(const ecdf *e, double mean, double p, const double *low,
                      const double *high)
{
    char says[512];
    double error = 1 / sqrt(12 * (double)e->n), z = (mean - 0.5) / error;
    finding f = {.verdict = finding_by_p(p),
                 .statistic =
                     "mean rank of the truth by its distance from a point that follows x",
                 .value = mean,
                 .error = error,
                 .expected = 0.5,
                 .p = p,
                 .n = e->n,
                 .says = says};

    bool ok = f.verdict == FINDING_OK;
    snprintf(
        says, sizeof says, "%s (mean rank %.3f, 1/2 is right; %s, %s pairs)%s%s.",
        ok ? "The truth is as far from points that follow x as draws of its posterior are"
           : relation_of(z),
        mean, text_of_p(p).text, text_of_count(e->n).text, ok ? "" : ": ",
        ok ? "" : meaning_of(z));
    f.advice = ok ? NULL : advice_of(z);
    json_t *j = finding_json(&f);
    json_object_set_new(j, "curve", curve_json(e, low, high));
    return j;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    double p, low[ECDF_POINTS], high[ECDF_POINTS];
    uint64_t n;
    const double *value;
    ecdf e;
    int status = pairs_need(s, &measure_distance, o->n, &n, &value);

    if (status)
        return status;
    ecdf_of((size_t)n, 1, value, &e);
    if (e.n == 0) {
        *out = finding_open("no test pair is left that has a posterior of enough "
                            "effective size and is not "
                            "among the reference points");
        return NRE_OK;
    }
    status = ecdf_p_value(&e, &p);
    if (!status)
        status = ecdf_band(e.n, 1 - FINDING_LEVEL, low, high);
    if (!status)
        *out = finish(&e, mean_of((size_t)n, value, (size_t)e.n), p, low, high);
    return status;
}

static const measure *const MEASURES[] = {&measure_distance};

const diagnostic tarp_diagnostic = {
    .name = "tarp", .n_measures = 1, .measures = MEASURES, .perform = perform};

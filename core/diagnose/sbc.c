/* diagnose/sbc.c - simulation-based calibration: ranks of the truth under its posterior (Talts et al. 2018,
 * arXiv:1804.06788), of each parameter and of log r(x | theta).
 *
 * Over simulations of the whole prior they are uniform for the posterior of any part of x, of none of it,
 * too: r = 1 passes.  What x tells is measured by the gain, and seen by tarp.c. */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

mass_place mass_below(const pair_view *v, const double *others, double own)
{
    const double *weight = v->grid ? v->grid->weight : v->cloud->weight;
    size_t n = v->grid ? v->grid->n : v->cloud->n;
    mass_place p = {0};

    for (size_t i = 0; i < n; i++)
        if (others[i] < own)
            p.below += weight[i];
        else if (others[i] == own)
            p.equal += weight[i];
    return p;
}

double place_rank(const pair_view *v, mass_place p, double uniform)
{
    double truth = v->grid ? 0 : v->cloud->weight_of_truth;

    return fmin((p.below + uniform * (p.equal + truth)) / (1 + truth), 1);
}

/* Among the cells of one axis, by their order: mass of what lies outside the box is nothing. */
static mass_place place_on_axis(const grid *g, uint32_t k, double theta)
{
    const double *edge = g->edge + k * (g->m + 1);
    size_t stride = 1;
    mass_place p = {0};

    for (uint32_t j = k + 1; j < g->dim; j++)
        stride *= g->m;
    for (size_t i = 0; i < g->n; i++) {
        size_t at = i / stride % g->m;
        if (edge[at + 1] <= theta)
            p.below += g->weight[i];
        else if (edge[at] <= theta)
            p.equal += g->weight[i];
    }
    return p;
}

static mass_place place_of_parameter(const pair_view *v, uint32_t k)
{
    const cloud *c = v->cloud;
    mass_place p = {0};

    if (v->grid)
        return place_on_axis(v->grid, k, v->theta[k]);
    for (size_t i = 0; i < c->n; i++) {
        double theta = c->theta[i * c->dim + k];
        if (theta < v->theta[k])
            p.below += c->weight[i];
        else if (theta == v->theta[k])
            p.equal += c->weight[i];
    }
    return p;
}

/* On a grid the truth is as likely as its cell, but for hard edges. */
static mass_place place_of_log_ratio(const pair_view *v)
{
    const grid *g = v->grid;
    size_t cell = g ? grid_cell(g, v->theta, false) : 0;

    if (!g)
        return mass_below(v, v->cloud->log_ratio, v->log_ratio);
    if (cell == g->n)
        return (mass_place){0};
    return mass_below(v, g->log_ratio, grid_standing(g->log_ratio[cell], v->log_ratio));
}

static size_t ranks_width(const target *t)
{
    return t->n + 1;
}

static int ranks_take(const pair_view *v, double *out)
{
    uint32_t dim = v->target->n;

    for (uint32_t k = 0; k < dim; k++)
        out[k] = place_rank(v, place_of_parameter(v, k), rng_uniform(v->rng));
    out[dim] = place_rank(v, place_of_log_ratio(v), rng_uniform(v->rng));
    return NRE_OK;
}

const measure measure_ranks = {.name = "ranks", .width = ranks_width, .take = ranks_take};

/* judgement */

enum { QUANTITY_WORDS = 96 };
/* z of a mean or a spread beyond which it is named, and beyond which both are. */
static const double NAMED = 2, BOTH = 4.5;

typedef struct quantity {
    const char *name;
    bool is_ratio;
    ecdf e;
    double p;
    double mean_z,
        spread_z; /* of the mean, and of the mean square from 1/2, in their errors */
    double offset,
        widths; /* of the truth from the posterior's median, and its scatter, in the
                               * posterior's deviations, by quartiles; NAN of log r */
} quantity;

/* Mean of u is 1/2 with variance 1/12; that of (u - 1/2)^2 is 1/12 with variance 1/180. */
static void measure_moments(size_t n, size_t stride, const double *u, quantity *q)
{
    double sum = 0, squares = 0, count = (double)q->e.n;

    for (size_t i = 0; i < n; i++)
        if (!isnan(u[i * stride])) {
            double away = u[i * stride] - 0.5;
            sum += away;
            squares += away * away - 1.0 / 12;
        }
    q->mean_z = sum / sqrt(count / 12);
    q->spread_z = squares / sqrt(count / 180);
}

static int measure_quartiles(size_t n, size_t stride, const double *u, quantity *q)
{
    double *known = memory_new(n, sizeof *known), at[3];
    size_t count = 0;

    if (!known)
        return fail(NRE_ENOMEM, "out of memory for ranks");
    for (size_t i = 0; i < n; i++)
        if (!isnan(u[i * stride]))
            known[count++] = u[i * stride];
    qsort(known, count, sizeof *known, compare_reals);
    for (size_t i = 0; i < 3; i++)
        at[i] = gsl_cdf_ugaussian_Pinv(known[(i + 1) * (count - 1) / 4]);
    q->offset = at[1];
    q->widths = (at[2] - at[0]) / (2 * gsl_cdf_ugaussian_Pinv(0.75));
    free(known);
    return NRE_OK;
}

static int measure_quantity(size_t n, size_t stride, const double *u, quantity *q)
{
    ecdf_of(n, stride, u, &q->e);
    q->offset = q->widths = NAN;
    int status = ecdf_p_value(&q->e, &q->p);
    if (status || q->e.n == 0)
        return status;
    measure_moments(n, stride, u, q);
    return q->is_ratio ? NRE_OK : measure_quartiles(n, stride, u, q);
}

typedef enum fault {
    FAULT_NONE = 0,
    FAULT_NARROW = 1,
    FAULT_WIDE = 2,
    FAULT_LOW = 4,
    FAULT_HIGH = 8
} fault;

/* High log r at the truth: it lies nearer to the maximum than draws do. */
static unsigned faults_of(const quantity *q)
{
    double mean = q->mean_z, spread = q->is_ratio ? 0 : q->spread_z;
    double most = fmax(fabs(mean), fabs(spread));
    unsigned found = FAULT_NONE;

    if (q->is_ratio)
        return most < NAMED ? FAULT_NONE : mean > 0 ? FAULT_WIDE : FAULT_NARROW;
    if (fabs(spread) >= NAMED && (fabs(spread) == most || fabs(spread) > BOTH))
        found |= spread > 0 ? FAULT_NARROW : FAULT_WIDE;
    if (fabs(mean) >= NAMED && (fabs(mean) == most || fabs(mean) > BOTH))
        found |= mean > 0 ? FAULT_LOW : FAULT_HIGH;
    return found;
}

static const char *words_of(unsigned faults)
{
    static const char *const WORDS[] = {
        [FAULT_NONE] = "of a wrong shape",
        [FAULT_NARROW] = "too narrow",
        [FAULT_WIDE] = "too wide",
        [FAULT_LOW] = "too low",
        [FAULT_HIGH] = "too high",
        [FAULT_NARROW | FAULT_LOW] = "too narrow and too low",
        [FAULT_NARROW | FAULT_HIGH] = "too narrow and too high",
        [FAULT_WIDE | FAULT_LOW] = "too wide and too low",
        [FAULT_WIDE | FAULT_HIGH] = "too wide and too high",
    };

    return WORDS[faults];
}

static const char *advice_of(unsigned faults)
{
    if (faults & FAULT_NARROW)
        return "Its regions hold the truth less often than they say, so do not quote "
               "them at their "
               "level: more simulations, an ensemble, or the loss bnre make them wider.";
    if (faults & (FAULT_LOW | FAULT_HIGH))
        return "Its estimates are biased: more simulations, longer training or another "
               "architecture, "
               "and a look at how x is standardised; calibration does not cure a bias.";
    if (faults & FAULT_WIDE)
        return "Its regions are safe but say less than x does: more simulations, longer "
               "training or a "
               "larger network make them narrower.";
    return "More simulations, longer training or another architecture; the ECDF shows "
           "where ranks are "
           "too many.";
}

static double corrected(const quantity *q, size_t n_quantities)
{
    return fmin(q->p * (double)n_quantities, 1);
}

static void say_uniform(const quantity *worst, size_t n_quantities, double p, char *out,
                        size_t size)
{
    snprintf(out, size,
             "Ranks of the truth under its posterior are uniform (%s, those of %s, the "
             "worst of %zu; %s).",
             text_of_worst(p, n_quantities).text, worst->is_ratio ? "log r" : worst->name,
             n_quantities, text_of_pairs(worst->e.n).text);
}

/* MORE: other parameters that fail. */
static void say_parameter(const quantity *q, size_t n_quantities, size_t more, char *out,
                          size_t size)
{
    unsigned faults = faults_of(q);
    char how[QUANTITY_WORDS] = "", others[QUANTITY_WORDS] = "";

    if (faults & (FAULT_NARROW | FAULT_WIDE) && isfinite(q->widths))
        snprintf(how, sizeof how, "; the truth scatters %.2g times as far as they say",
                 q->widths);
    else if (faults && isfinite(q->offset))
        snprintf(how, sizeof how, "; the truth lies %.2g of their deviations %s",
                 fabs(q->offset), q->offset > 0 ? "above" : "below");
    if (more > 0)
        snprintf(others, sizeof others, " Those of %zu other%s are not uniform either.",
                 more, more > 1 ? "s" : "");
    snprintf(out, size,
             "Ranks of %s under its posterior are not uniform (%s; %s): posteriors are "
             "%s%s.%s",
             q->name, text_of_worst(corrected(q, n_quantities), n_quantities).text,
             text_of_pairs(q->e.n).text, words_of(faults), how, others);
}

static void say_ratio(const quantity *q, size_t n_quantities, char *out, size_t size)
{
    unsigned faults = faults_of(q);

    snprintf(out, size,
             "Ranks of log r at the truth among log r of its posterior are not uniform "
             "(%s; %s)%s.",
             text_of_worst(corrected(q, n_quantities), n_quantities).text,
             text_of_pairs(q->e.n).text,
             faults == FAULT_NARROW
                 ? ": it is too low, posteriors are too narrow or beside the truth"
             : faults == FAULT_WIDE ? ": it is too high, posteriors are too wide"
                                    : "");
}

static json_t *quantity_json(const quantity *q, size_t n_quantities, const double *low,
                             const double *high)
{
    double difference[ECDF_POINTS], below[ECDF_POINTS], above[ECDF_POINTS];

    for (size_t i = 0; i < ECDF_POINTS; i++) {
        difference[i] = (double)q->e.count[i] / (double)q->e.n - q->e.z[i];
        below[i] = low[i] - q->e.z[i];
        above[i] = high[i] - q->e.z[i];
    }
    json_t *j = json_pack("{s:s}", "name", q->name);
    json_object_set_new(j, "p_value", json_number(q->p));
    json_object_set_new(j, "shape",
                        corrected(q, n_quantities) < FINDING_LEVEL
                            ? json_string(words_of(faults_of(q)))
                            : json_null());
    json_object_set_new(j, "offset", json_number(q->offset));
    json_object_set_new(j, "widths", json_number(q->widths));
    json_object_set_new(j, "u", numbers_json(ECDF_POINTS, q->e.z));
    json_object_set_new(j, "difference", numbers_json(ECDF_POINTS, difference));
    json_object_set_new(j, "low", numbers_json(ECDF_POINTS, below));
    json_object_set_new(j, "high", numbers_json(ECDF_POINTS, above));
    return j;
}

/* Whatever fails is too wide and no more. */
static bool only_wide(size_t n_quantities, const quantity *q)
{
    for (size_t i = 0; i < n_quantities; i++)
        if (finding_by_p(corrected(&q[i], n_quantities)) == FINDING_FAILS &&
            faults_of(&q[i]) != FAULT_WIDE)
            return false;
    return true;
}

/* Of one that fails: a parameter says more than log r, which is the last quantity and is named, too, where
 * it is the worst. */
static const quantity *say_fault(size_t n_quantities, const quantity *q, char *out,
                                 size_t size)
{
    const quantity *parameter = &q[0], *of_ratio = &q[n_quantities - 1];
    size_t failing = 0;

    for (size_t i = 0; i + 1 < n_quantities; i++) {
        parameter = q[i].p < parameter->p ? &q[i] : parameter;
        failing += finding_by_p(corrected(&q[i], n_quantities)) == FINDING_FAILS;
    }
    if (failing == 0) {
        say_ratio(of_ratio, n_quantities, out, size);
        return of_ratio;
    }
    say_parameter(parameter, n_quantities, failing - 1, out, size);
    size_t used = strlen(out);
    if (of_ratio->p < parameter->p)
        snprintf(out + used, size - used,
                 " Those of log r are farther from uniform still (%s).",
                 text_of_worst(corrected(of_ratio, n_quantities), n_quantities).text);
    return parameter;
}

/* The number is the smallest, whichever quantity the sentence is about. */
static json_t *finish(size_t n_quantities, const quantity *q, uint64_t n,
                      const double *low, const double *high)
{
    char says[512], statistic[QUANTITY_WORDS];
    const quantity *worst = q;
    json_t *list = json_array();

    for (size_t i = 0; i < n_quantities; i++) {
        worst = q[i].p < worst->p ? &q[i] : worst;
        json_array_append_new(list, quantity_json(&q[i], n_quantities, low, high));
    }
    finding f = {.verdict = finding_by_p(corrected(worst, n_quantities)),
                 .statistic = statistic,
                 .error = NAN,
                 .expected = NAN,
                 .n = worst->e.n,
                 .says = says};
    if (f.verdict == FINDING_OK)
        say_uniform(worst, n_quantities, corrected(worst, n_quantities), says,
                    sizeof says);
    else {
        f.advice = advice_of(faults_of(say_fault(n_quantities, q, says, sizeof says)));
    }
    f.value = f.p = corrected(worst, n_quantities);
    snprintf(statistic, sizeof statistic, "p-value of the worst ranks, times %zu",
             n_quantities);
    if (f.verdict == FINDING_FAILS && only_wide(n_quantities, q))
        f.verdict = FINDING_CAUTIOUS;
    json_t *j = finding_json(&f);
    json_object_set_new(j, "about", json_string(worst->name));
    json_object_set_new(j, "missing", json_integer((json_int_t)(n - worst->e.n)));
    json_object_set_new(j, "quantities", list);
    return j;
}

static int judge(const subject *s, uint64_t n, const double *value, quantity *q,
                 json_t **out)
{
    const target *t = ratio_target(s->posterior->ratio);
    double low[ECDF_POINTS], high[ECDF_POINTS];
    size_t width = t->n + 1;
    int status = NRE_OK;

    for (size_t k = 0; k < width && !status; k++) {
        q[k].is_ratio = k == t->n;
        q[k].name = k == t->n ? "log_ratio" : target_marginal(t, (uint32_t)k)->name;
        status = measure_quantity((size_t)n, width, value + k, &q[k]);
    }
    if (!status && q[0].e.n == 0) {
        *out = finding_open("no test pair had a posterior of enough effective size");
        return NRE_OK;
    }
    /* That of all ratios which are right in every quantity. */
    if (!status)
        status = ecdf_band(q[0].e.n, 1 - FINDING_LEVEL / (double)width, low, high);
    if (!status)
        *out = finish(width, q, n, low, high);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    uint64_t n;
    const double *value;
    int status = pairs_need(s, &measure_ranks, o->n, &n, &value);
    quantity *q = memory_new(ratio_target(s->posterior->ratio)->n + 1, sizeof *q);

    if (!status)
        status =
            q ? judge(s, n, value, q, out) : fail(NRE_ENOMEM, "out of memory for ranks");
    free(q);
    return status;
}

static const measure *const MEASURES[] = {&measure_ranks};

const diagnostic sbc_diagnostic = {
    .name = "sbc", .n_measures = 1, .measures = MEASURES, .perform = perform};

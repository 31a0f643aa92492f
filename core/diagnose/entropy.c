/* diagnose/entropy.c - coverage among posteriors that say little and among those that say much: what is
 * right on average may be wrong for both. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <stdlib.h>

enum { GROUPS = 5 };
static const double INTERVAL = 0.99;

/* KL divergence of the posterior p(theta) r / area from the prior: the mean of log r - log area.  Mass that
 * a grid has beyond a hard edge, where r is 0, is as that before it. */
static double divergence_of(const pair_view *v)
{
    const grid *g = v->grid;
    const cloud *c = v->cloud;
    size_t n = g ? g->n : c->n;
    const double *weight = g ? g->weight : c->weight,
                 *log_ratio = g ? g->log_ratio : c->log_ratio;
    double sum = 0, truth = g ? 0 : c->weight_of_truth;

    for (size_t i = 0; i < n; i++)
        sum += weight[i] > 0 && log_ratio[i] > -INFINITY ? weight[i] * log_ratio[i] : 0;
    if (g)
        return sum / (1 - g->beyond) - v->log_area;
    /* The truth is one more draw, else posteriors would be sorted by whether their draws met it. */
    sum += truth > 0 ? truth * v->log_ratio : 0;
    return sum / (1 + truth) -
           (v->log_area + log1p(truth) + log((double)n / (double)(n + 1)));
}

static size_t divergence_width(const target *t)
{
    (void)t;
    return 2;
}

/* HPD rank: of what is less dense than the truth, 1 less. */
static int divergence_take(const pair_view *v, double *out)
{
    double uniform = rng_uniform(v->rng);

    out[0] = divergence_of(v);
    if (v->grid)
        out[1] = grid_rank(v->grid, v->theta, v->log_density, uniform, false);
    else
        out[1] = 1 - place_rank(v, mass_below(v, v->cloud->log_density, v->log_density),
                                uniform);
    return NRE_OK;
}

const measure measure_divergence = {
    .name = "divergence", .width = divergence_width, .take = divergence_take};

/* judgement */

typedef struct told {
    double divergence, rank;
    uint64_t item;
} told;

typedef struct cell {
    double level, p, interval[2];
    uint64_t covered, n;
} cell;

static int by_divergence(const void *a, const void *b)
{
    const told *x = a, *y = b;

    if (x->divergence != y->divergence)
        return x->divergence < y->divergence ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static size_t sort_pairs(uint64_t n, const double *value, told *out)
{
    size_t known = 0;

    for (uint64_t i = 0; i < n; i++)
        if (!isnan(value[2 * i]) && !isnan(value[2 * i + 1]))
            out[known++] = (told){value[2 * i], value[2 * i + 1], i};
    qsort(out, known, sizeof *out, by_divergence);
    return known;
}

static cell cell_of(const told *of, size_t n, double level)
{
    cell c = {.level = level, .n = n};

    for (size_t i = 0; i < n; i++)
        c.covered += of[i].rank < level;
    c.p = binomial_p(c.n, level, c.covered);
    binomial_interval(c.covered, c.n, INTERVAL, c.interval);
    return c;
}

static double share_of(const cell *c)
{
    return (double)c->covered / (double)c->n;
}

static json_t *cell_json(const cell *c)
{
    json_t *j = json_pack("{s:f s:f s:[ff] s:s}", "level", c->level, "coverage",
                          share_of(c), "interval", c->interval[0], c->interval[1],
                          "verdict", verdict_word(verdict_of(c->level, c->interval)));

    json_object_set_new(j, "p_value", json_number(c->p));
    return j;
}

static json_t *group_json(const told *of, size_t n, size_t n_levels, const cell *cells)
{
    json_t *list = json_array(), *j = json_object();

    for (size_t i = 0; i < n_levels; i++)
        json_array_append_new(list, cell_json(&cells[i]));
    json_object_set_new(j, "low", json_number(of[0].divergence));
    json_object_set_new(j, "high", json_number(of[n - 1].divergence));
    json_object_set_new(j, "n", json_integer((json_int_t)n));
    json_object_set_new(j, "cells", list);
    return j;
}

static const char *name_of(size_t group)
{
    static const char *const NAMES[GROUPS] = {
        "least", "less than most", "a middling amount", "more than most", "most"};

    return NAMES[group];
}

static void say(const cell *c, size_t group, const double *nats, size_t n_levels,
                const finding *f, char *out, size_t size)
{
    if (f->verdict == FINDING_OK)
        snprintf(out, size,
                 "Regions cover as they say in each fifth of the posteriors, from those "
                 "that learn least to those "
                 "that learn most (%s, the worst of as many levels and fifths; %s).",
                 text_of_worst(f->p, GROUPS * n_levels).text, text_of_pairs(f->n).text);
    else
        snprintf(out, size,
                 "Of the posteriors that learn %s (%.2g to %.2g nats), regions of %.4g%% "
                 "hold the truth in %.1f%% "
                 "(%s; %s): they are too %s.",
                 name_of(group), nats[0], nats[1], 100 * c->level, 100 * share_of(c),
                 text_of_worst(f->p, GROUPS * n_levels).text, text_of_pairs(c->n).text,
                 share_of(c) < c->level ? "narrow" : "wide");
}

static const char *advice_of(const cell *c, size_t group)
{
    if (share_of(c) > c->level)
        return "Regions of these observations are safe but say less than x does.";
    return group + 1 == GROUPS ? "Where it seems to know most it claims too much: more "
                                 "simulations there (rounds), "
                                 "an ensemble, or the loss bnre."
                               : "See local_coverage for your observation; more "
                                 "simulations, an ensemble, or the "
                                 "loss bnre.";
}

static bool has_too_few(const cell *c, size_t all)
{
    return share_of(c) < c->level && finding_by_p(c->p * (double)all) == FINDING_FAILS;
}

/* What is said: too few before too many, however many. */
static size_t worst_of(size_t all, const cell *cells)
{
    size_t worst = 0;

    for (size_t i = 1; i < all; i++) {
        bool few = has_too_few(&cells[i], all), before = has_too_few(&cells[worst], all);
        if (few != before ? few : cells[i].p < cells[worst].p)
            worst = i;
    }
    return worst;
}

static json_t *finish(size_t n, const told *of, const cell *cells,
                      const diagnostic_options *o)
{
    char says[512];
    size_t all = GROUPS * o->n_levels, worst = worst_of(all, cells);
    json_t *groups = json_array();

    for (size_t g = 0; g < GROUPS; g++) {
        size_t first = g * n / GROUPS, end = (g + 1) * n / GROUPS;
        json_array_append_new(groups, group_json(of + first, end - first, o->n_levels,
                                                 &cells[g * o->n_levels]));
    }
    size_t group = worst / o->n_levels;
    const cell *c = &cells[worst];
    const double nats[] = {of[group * n / GROUPS].divergence,
                           of[(group + 1) * n / GROUPS - 1].divergence};
    double p = fmin(1, c->p * (double)all);
    finding f = {.verdict = finding_by_p(p),
                 .statistic =
                     "coverage of the worst fifth of the posteriors by their entropy",
                 .value = share_of(c),
                 .error = sqrt(c->level * (1 - c->level) / (double)c->n),
                 .expected = c->level,
                 .p = p,
                 .n = n,
                 .says = says};
    say(c, group, nats, o->n_levels, &f, says, sizeof says);
    f.advice = f.verdict == FINDING_OK ? NULL : advice_of(c, group);
    if (f.verdict == FINDING_FAILS && !has_too_few(c, all))
        f.verdict = FINDING_CAUTIOUS;
    json_t *j = finding_json(&f);
    json_object_set_new(j, "groups", groups);
    return j;
}

static int judge(uint64_t n, const double *value, const diagnostic_options *o,
                 json_t **out)
{
    told *of = memory_new((size_t)n + 1, sizeof *of);
    cell *cells = memory_new(GROUPS * o->n_levels + 1, sizeof *cells);
    int status =
        of && cells ? NRE_OK : fail(NRE_ENOMEM, "out of memory for %zu pairs", (size_t)n);
    size_t known = status ? 0 : sort_pairs(n, value, of);

    if (!status && (known < GROUPS || o->n_levels == 0))
        *out = finding_open(
            o->n_levels
                ? "fewer than 5 test pairs had a posterior of enough effective size"
                : "no level of the coverage is asked for");
    else if (!status) {
        for (size_t g = 0; g < GROUPS; g++) {
            size_t first = g * known / GROUPS, end = (g + 1) * known / GROUPS;
            for (size_t i = 0; i < o->n_levels; i++)
                cells[g * o->n_levels + i] =
                    cell_of(of + first, end - first, o->levels[i]);
        }
        *out = finish(known, of, cells, o);
    }
    free(cells);
    free(of);
    return status;
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    uint64_t n;
    const double *value;
    int status = pairs_need(s, &measure_divergence, o->n, &n, &value);

    return status ? status : judge(n, value, o, out);
}

static const measure *const MEASURES[] = {&measure_divergence};

const diagnostic entropy_diagnostic = {
    .name = "entropy", .n_measures = 1, .measures = MEASURES, .perform = perform};

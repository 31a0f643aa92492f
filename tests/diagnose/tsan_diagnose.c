/* Diagnostics on several threads, as a plain program: Criterion cannot run under TSan.
 * Its exit status says whether one and three threads gave the same bits. */
#include "gauss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct results {
    json_t *coverage, *area, *predictive;
} results;

static results run(uint32_t dim, unsigned threads)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    coverage_request q = {.n_levels = 1,
                          .levels = (double[]){0.68},
                          .regions = COVERAGE_CREDIBLE | COVERAGE_CONFIDENCE,
                          .observables = 50,
                          .repeats = 2};
    coverage_result c = {0};
    area_result a = {0};
    predictive_result p = {0};
    scaling *s = NULL;

    gauss_open(&g, GAUSS_EXACT, 100, 41, threads);
    int status = coverage_of(&g.subject, &q, &c);
    if (!status)
        status = area_of(&g.subject, 100, &a);
    if (!status)
        status = scaling_fit(g.simulator, g.test, true, g.pool, &s);
    if (!status)
        status = predictive_of(&g.subject, g.test, s, 100, 1, g.x, &p);
    if (status)
        exit(EXIT_FAILURE);
    results r = {coverage_json(&c), area_json(&a), predictive_json(&p)};
    coverage_release(&c);
    area_release(&a);
    predictive_release(&p);
    scaling_free(s);
    gauss_close(&g);
    return r;
}

/* What these three say after a pass that they share. */
static json_t *say(uint32_t dim, unsigned threads)
{
    static const measure *const all[] = {&measure_draw, &measure_ranks, &measure_distance,
                                         &measure_divergence};
    static const diagnostic *const told[] = {&sbc_diagnostic, &tarp_diagnostic,
                                             &entropy_diagnostic};
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    diagnostic_options how = {.n_levels = 1, .levels = (double[]){0.68}};
    pair_set *pairs = NULL;
    json_t *rows = json_array();

    gauss_open(&g, GAUSS_EXACT, 100, 41, threads);
    subject s = g.subject;
    int status =
        pairs_of(&s, &(pairs_plan){.n = 100, .n_measures = 4, .measures = all}, &pairs);
    s.pairs = pairs;
    for (size_t i = 0; i < 3 && !status; i++) {
        json_t *row = NULL;
        status = told[i]->perform(&s, &how, &row);
        json_array_append_new(rows, row);
    }
    if (status)
        exit(EXIT_FAILURE);
    pairs_free(pairs);
    gauss_close(&g);
    return rows;
}

/* What those say that simulate. */
static json_t *say_of_fresh(uint32_t dim, unsigned threads)
{
    static const diagnostic *const told[] = {&convergence_diagnostic,
                                             &local_coverage_diagnostic,
                                             &posterior_predictive_diagnostic};
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5, .invalid = 0.1};
    diagnostic_options how = {.n = 100, .repeats = 6};
    json_t *rows = json_array();

    gauss_open(&g, GAUSS_EXACT, 1, 41, threads);
    subject s = g.subject;
    s.simulator = g.simulator;
    s.on_invalid = 2;
    s.n_observed = 1;
    s.observed = g.x;
    int status = simulator_prepare(g.simulator);
    for (size_t i = 0; i < 3 && !status; i++) {
        json_t *row = NULL;
        status = told[i]->perform(&s, &how, &row);
        json_array_append_new(rows, row);
    }
    if (status)
        exit(EXIT_FAILURE);
    gauss_close(&g);
    return rows;
}

/* What those say that look at two posteriors beside each other. */
static json_t *say_of_two(uint32_t dim, unsigned threads)
{
    gauss g = {.dim = dim, .sigma = 0.5, .believed = 0.5};
    gauss other = {.dim = dim, .sigma = 0.5, .believed = 0.4};
    diagnostic_options how = {.n = 70};
    json_t *members = NULL, *exact = NULL;

    gauss_open(&g, GAUSS_EXACT, 70, 41, threads);
    gauss_open(&other, GAUSS_EXACT, 1, 41, 1);
    posterior two[] = {g.posterior, other.posterior};
    subject s = g.subject;
    s.simulator = g.simulator;
    s.posterior = &other.posterior;
    s.n_observed = 1;
    s.observed = g.x;
    s.n_members = 2;
    s.members = two;
    int status = ensemble_diagnostic.perform(&s, &how, &members);
    if (!status && dim < 3) /* its classifiers are slow in more */
        status = likelihood_diagnostic.perform(&s, &how, &exact);
    if (status)
        exit(EXIT_FAILURE);
    gauss_close(&other);
    gauss_close(&g);
    return json_pack("[o, o]", members, exact ? exact : json_null());
}

static bool same(json_t *a, json_t *b)
{
    bool equal = json_equal(a, b);

    json_decref(a);
    json_decref(b);
    return equal;
}

int main(void)
{
    bool all = true;

    for (uint32_t dim = 2; dim <= 4; dim += 2) {
        results one = run(dim, 1), three = run(dim, 3);
        all = same(one.coverage, three.coverage) && all;
        all = same(one.area, three.area) && all;
        all = same(one.predictive, three.predictive) && all;
        all = same(say(dim, 1), say(dim, 3)) && all;
        all = same(say_of_fresh(dim, 1), say_of_fresh(dim, 3)) && all;
        all = same(say_of_two(dim, 1), say_of_two(dim, 3)) && all;
    }
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

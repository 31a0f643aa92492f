/* What the posteriors of a run say, and whether each is to be believed. */
#include "run/run.h"

#include <math.h>
#include <string.h>

static void parameter_of(const json_t *j, parameter_row *p)
{
    *p = (parameter_row){.name = word_in(j, "name"),
                         .label = word_in(j, "label"),
                         .unit = word_in(j, "unit"),
                         .derived = json_is_true(json_object_get(j, "derived")),
                         .mean = real_in(j, "mean"),
                         .deviation = real_in(j, "sd"),
                         .map = real_in(j, "map"),
                         .map_sd = real_in(j, "map_sd"),
                         .mle = real_in(j, "mle"),
                         .mle_sd = real_in(j, "mle_sd"),
                         .r_hat = real_in(j, "r_hat"),
                         .ess_bulk = real_in(j, "ess_bulk"),
                         .ess_tail = real_in(j, "ess_tail")};
    reals_in(j, "quantiles", 5, p->quantile);
    reals_in(j, "hdi68", 2, p->hdi68);
    reals_in(j, "hdi95", 2, p->hdi95);
}

static void limit_of(const json_t *j, limit_row *l)
{
    const json_t *wilks = json_object_get(j, "wilks");
    const char *side = word_in(j, "side");
    json_t *priors = json_object_get(j, "priors");
    *l = (limit_row){.parameter = word_in(j, "parameter"),
                     .unit = word_in(j, "unit"),
                     .upper = side && !strcmp(side, "upper"),
                     .level = real_in(j, "level"),
                     .best = real_in(j, "best_fit"),
                     .against = real_in(j, "against"),
                     .log_ratio_against = real_in(j, "log_ratio_against"),
                     .resolved = json_is_true(json_object_get(j, "resolved"))};
    for (void *at = json_object_iter(priors); at && l->n_priors < LIMIT_ROW_PRIORS;
         at = json_object_iter_next(priors, at)) {
        const json_t *under = json_object_iter_value(at);
        l->priors[l->n_priors++] =
            (limit_prior_row){json_object_iter_key(at), real_in(under, "hpd_edge"),
                              real_in(under, "quantile")};
    }
    for (size_t i = 0; i < 2; i++) {
        l->threshold[i] = real_in(json_array_get(wilks, i), "threshold");
        l->wilks[i] = real_in(json_array_get(wilks, i), "limit");
    }
    if (!isfinite(l->best))
        l->reason = word_in(j, "reason");
}

/* Of the row that lies farthest out of those that a joint posterior is made of, else of row I. */
static size_t row_shown(report_data *d, const json_t *row, place_kind kind, size_t i,
                        bool joint)
{
    return joint ? report_places(d, row, kind).farthest : i;
}

static const char *sentence_and(arena *a, const char *old, const char *more)
{
    return old ? arena_print(a, "%s; %s", old, more) : more;
}

const char *report_draws_missed(arena *a, const json_t *observation)
{
    size_t i;
    json_t *one;
    const char *all = NULL;
    json_array_foreach(json_object_get(json_object_get(observation, "gate"), "missed"), i,
                       one) all = sentence_and(a, all, json_string_value(one));
    return all;
}

/* Draws without R-hat are weighted ones. */
static const char *advice_of(const posterior_block *b)
{
    return isfinite(b->r_hat_max)
               ? "raise infer.sampler.warmup and draws, or try another sampler"
               : "raise the number of draws, or try a sampler of chains";
}

/* Posterior deviations that the error of the networks may move a mean by. */
static const double ASTRAY = 0.5;

bool report_grown_too_far(const json_t *grown)
{
    return real_in(grown, "shift") > ASTRAY;
}

/* What rows taken together make of the networks' error. */
static void tell_growth(report_data *d, const json_t *grown, const posterior_block *b)
{
    const char *reason = word_in(grown, "reason"), *what;
    double rows = (double)count_in(grown, "rows");
    if (!grown)
        return;
    if (reason)
        what = arena_print(d->arena, "%g rows together (target %s): %s", rows, b->target,
                           reason);
    else
        what = arena_print(
            d->arena,
            "%g rows together (target %s): the %llu networks differ by %.2g nats where "
            "the posterior is, by %.2g for one row: %.1f times (%.1f if errors of rows "
            "were independent, %g if they were the same); from network to network the "
            "mean of the posterior moves by %.2g of its deviation, and what all learned "
            "from the same simulations comes on top",
            rows, b->target, (unsigned long long)count_in(grown, "networks"),
            real_in(grown, "all_rows"), real_in(grown, "one_row"),
            real_in(grown, "times"), sqrt(rows), rows, real_in(grown, "shift"));
    if (d->run->session->experiment->estimator == ESTIMATOR_NETWORK)
        report_note(d, what);
}

/* Which prior was meant, and what its checks are about. */
static void tell_prior(report_data *d)
{
    json_t *other = session_prior_json(d->run->session);
    const char *text = NULL;
    for (void *at = json_object_iter(other); at; at = json_object_iter_next(other, at))
        text = sentence_and(d->arena, text,
                            arena_print(d->arena, "%s ~ %s", json_object_iter_key(at),
                                        json_string_value(json_object_iter_value(at))));
    if (text)
        report_note(
            d, arena_print(d->arena,
                           "another prior than that of the simulations was meant "
                           "(infer.prior): %s; coverage, gain and the area of the ratio, "
                           "which is 1 for that of the simulations alone, keep theirs",
                           text));
    json_decref(other);
}

/* Those that the place of the observation, its area and the draws do not say already. */
static const char *failed_checks(const report_data *d, const char *about)
{
    static const char *const SAID[] = {"area", "predictive", "draws", "growth"};
    const char *all = NULL;
    for (size_t i = 0; i < d->checks_table.n_rows; i++) {
        const check_row *r = &d->checks_table.rows[i];
        bool said = !check_is(r, "fails") || !check_is_of_posterior(r);
        for (size_t k = 0; k < sizeof SAID / sizeof SAID[0]; k++)
            said = said || !strcmp(r->name, SAID[k]);
        if (!said && check_judges(r, about))
            all = all ? arena_print(d->arena, "%s, %s", all, check_title(r->name))
                      : check_title(r->name);
    }
    return all ? arena_print(d->arena, "checks of its network fail (%s)", all) : NULL;
}

/* What may speak against a posterior beside the checks of its network. */
typedef struct doubts {
    const json_t
        *grown; /* what rows taken together make of the networks' error, or NULL */
    const char *missed; /* by its draws, whose note is another; or NULL */
    bool area, place;   /* of the ratio, and of the observation: is it outside? */
} doubts;

/* "yes", or the sentences that say why not, but for the draws. */
static const char *believe(report_data *d, const posterior_block *b, const doubts *of)
{
    const json_t *grown = of->grown;
    const char *why = d->beside ? NULL : failed_checks(d, b->target);
    if (report_grown_too_far(grown))
        why = sentence_and(
            d->arena, why,
            arena_print(d->arena,
                        "over %llu rows the errors of the networks have grown until "
                        "its mean moves by %.2g deviations from one to another (train "
                        "on more simulations)",
                        (unsigned long long)count_in(grown, "rows"),
                        real_in(grown, "shift")));
    if (of->area)
        why = sentence_and(d->arena, why,
                           arena_print(d->arena,
                                       "the area of its ratio, %.3f, lies outside the "
                                       "central 99%% of the test values",
                                       b->area));
    if (of->place)
        why = sentence_and(d->arena, why,
                           arena_print(d->arena,
                                       "the observation is unlike the simulations "
                                       "(farther from them than %.1f%% of the test rows)",
                                       100 * b->predictive_rank));
    return why ? why : "yes";
}

static int judge_block(report_data *d, posterior_block *b, const doubts *of)
{
    if (isnan(b->area_rank) && isnan(b->predictive_rank) && !of->missed &&
        !report_grown_too_far(of->grown) && !failed_checks(d, b->target))
        return NRE_OK; /* nothing was checked, so nothing is said */
    const char *why = b->believe = believe(d, b, of);
    bool others = why && strcmp(why, "yes") != 0;
    if (of->missed)
        b->believe = arena_print(d->arena, "%s; %s%s%s", of->missed, advice_of(b),
                                 others ? "; " : "", others ? why : "");
    if (!b->believe)
        return fail(NRE_ENOMEM, "no memory for a table");
    if (others)
        report_checked(d, arena_print(d->arena,
                                      "do not believe the posterior of target %s, "
                                      "observation %s: %s",
                                      b->target, b->observation, why));
    return NRE_OK;
}

static int block_of(report_data *d, size_t which, const json_t *result, size_t i,
                    posterior_block *b)
{
    const char *name = d->run->session->targets[which].name;
    const json_t *list = json_object_get(result, "observations");
    const json_t *j = json_array_get(list, i), *p = json_object_get(j, "parameters");
    /* rows that share a nuisance: the posterior is of another estimator */
    const char *of = word_in(result, "estimator");
    const json_t *area = report_row(d->area, of ? of : name, result);
    const json_t *seen = json_array_get(json_object_get(d->predictive, "rows"), 0);
    const json_t *asked = json_object_get(j, "limits");
    size_t n = json_array_size(p), n_limits = json_array_size(asked);
    parameter_row *rows = arena_alloc(d->arena, n + 1, sizeof *rows);
    limit_row *limited = arena_alloc(d->arena, n_limits + 1, sizeof *limited);
    if (!rows || !limited)
        return fail(NRE_ENOMEM, "no memory for a table");
    for (size_t k = 0; k < n; k++)
        parameter_of(json_array_get(p, k), &rows[k]);
    for (size_t k = 0; k < n_limits; k++)
        limit_of(json_array_get(asked, k), &limited[k]);
    const char *observation = word_in(j, "observation");
    bool joint = observation && !strcmp(observation, "joint");
    size_t by_area = row_shown(d, area, PLACE_OF_AREA, i, joint),
           by_place = row_shown(d, seen, PLACE_OF_ROW, i, joint);
    const json_t *one = json_array_get(json_object_get(area, "observed"), by_area),
                 *other = json_array_get(json_object_get(seen, "observed"), by_place);
    const doubts against = {.grown = json_object_get(j, "growth"),
                            .missed = report_draws_missed(d->arena, j),
                            .area = report_is_outside(d, area, PLACE_OF_AREA, by_area),
                            .place = report_is_outside(d, seen, PLACE_OF_ROW, by_place)};
    *b = (posterior_block){.target = name,
                           .architecture = report_name(d, result),
                           .method = word_in(result, "method"),
                           .observation = observation,
                           .n_parameters = n,
                           .parameters = rows,
                           .simulations = report_simulations(d, name),
                           .area = real_in(one, "area"),
                           .area_reason = word_in(area, "reason"),
                           .area_rank = real_in(one, "rank"),
                           .predictive_rank = real_in(other, "rank"),
                           .predictive_distance = real_in(other, "distance"),
                           .is_outside = against.place,
                           .r_hat_max = real_in(j, "r_hat_max"),
                           .ess_min = real_in(j, "ess_min"),
                           .n_limits = n_limits,
                           .regions = json_object_get(j, "regions"),
                           .limits = limited,
                           .map = json_object_get(j, "map"),
                           .mle = json_object_get(j, "mle")};
    tell_growth(d, against.grown, b);
    return judge_block(d, b, &against);
}

/* Closeness is no exactness: what was kept is said, and nothing more is vouched for. */
static void tell_abc(report_data *d, const json_t *facts, posterior_block *b)
{
    if (posterior_believed(b))
        b->believe = NULL;
    report_note(
        d, arena_print(
               d->arena,
               "abc: the posterior of target %s, observation %s, is made of the %llu "
               "closest of %llu simulations (%s distance at most %.4g): the smaller "
               "that is, the closer to the exact one",
               b->target, b->observation, (unsigned long long)count_in(facts, "kept"),
               (unsigned long long)count_in(facts, "simulations"),
               word_in(facts, "distance"), real_in(facts, "tolerance")));
}

/* The first observation of a target whose draws missed infer.sampler.gate, and how many did. */
static void gate_draws(report_data *d, const json_t *result, const posterior_block *b)
{
    const json_t *list = json_object_get(result, "observations");
    size_t n = json_array_size(list), n_missed = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (report_draws_missed(d->arena, json_array_get(list, i))) {
            n_missed++;
            first = i;
        }
    if (!n_missed)
        return;
    bool gated = d->run->session->experiment->infer.sampler.gate.error;
    const char *many =
        n_missed > 1 ? arena_print(d->arena, "%zu of %zu observations, first of them ",
                                   n_missed, n)
                     : "";
    const char *what = arena_print(
        d->arena,
        "%sthe draws of '%s' for target %s are not to be "
        "trusted (%sobservation %s): %s; %s",
        gated ? "gate missed: " : "", b[first].method, b[first].target, many,
        b[first].observation, report_draws_missed(d->arena, json_array_get(list, first)),
        advice_of(&b[first]));
    if (gated)
        report_miss(d, what);
    else
        report_checked(d, what);
}

int report_posteriors(report_data *d)
{
    size_t total = 0, n = 0, targets = d->run->session->n_targets;
    for (size_t i = 0; i < 2 * targets; i++)
        total += json_array_size(json_object_get(d->posterior[i], "observations"));
    posterior_block *b = arena_alloc(d->arena, total + 1, sizeof *b);
    int rc = b ? NRE_OK : fail(NRE_ENOMEM, "no memory for a table");
    for (size_t i = 0; i < 2 * targets; i++) {
        d->beside = i >= targets;
        size_t rows = json_array_size(json_object_get(d->posterior[i], "observations"));
        for (size_t k = 0; k < rows && !rc; k++)
            rc = block_of(d, i % targets, d->posterior[i], k, &b[n + k]);
        const json_t *seen = json_object_get(d->posterior[i], "observations");
        for (size_t k = 0; uses_abc(d->run->session->experiment) && k < rows && !rc; k++)
            tell_abc(d, json_object_get(json_array_get(seen, k), "abc"), &b[n + k]);
        if (!rc)
            gate_draws(d, d->posterior[i], b + n);
        n += rows;
    }
    d->beside = false;
    tell_prior(d);
    d->posterior_table = (posterior_table){report_title(d), n, b};
    return rc;
}

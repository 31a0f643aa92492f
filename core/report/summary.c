/* report/summary.c - what a run found, in a few lines of prose and numbers. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 90, PARAMETERS_SHOWN = 12, ROWS_SHOWN = 6, TARGETS_SHOWN = 12 };

/* sentences */

bool posterior_believed(const posterior_block *b)
{
    return b->believe && strcmp(b->believe, "yes") == 0;
}

static const char *place_words(arena *a, const posterior_block *b)
{
    double rank = b->predictive_rank;
    bool joint = b->observation && strcmp(b->observation, "joint") == 0;
    const char *who = joint ? "The farthest of the observations" : "The observation";

    if (!isfinite(rank))
        return "Whether the observation lies inside the simulator was not checked.";
    const char *where = b->is_outside      ? "lies outside the simulator"
                        : rank > RANK_EDGE ? "lies at the edge of the simulator"
                                           : "lies inside the simulator";
    return arena_print(
        a,
        "%s %s: its nearest training simulation is at distance %.3g, farther than "
        "for %.1f%% of the test simulations.",
        who, where, b->predictive_distance, 100 * rank);
}

static const char *area_words(arena *a, const posterior_block *b)
{
    if (!isfinite(b->area) && b->area_reason)
        return arena_print(a, "Its ratio has no area: %s.", b->area_reason);
    if (!isfinite(b->area))
        return "The area of its ratio was not computed.";
    if (!isfinite(b->area_rank))
        return arena_print(a, "The area of its ratio is %.3f (1 for a right one).",
                           b->area);
    return arena_print(
        a,
        "The area of its ratio is %.3f (1 for a right one), above that of %.1f%% of "
        "the test simulations.",
        b->area, 100 * b->area_rank);
}

const char *observation_words(arena *a, const posterior_block *b)
{
    const char *place = place_words(a, b), *area = area_words(a, b);

    return place && area ? arena_print(a, "%s %s", place, area) : NULL;
}

static const char *chains_words(arena *a, const posterior_block *b)
{
    if (!isfinite(b->r_hat_max) || !isfinite(b->ess_min))
        return "";
    return arena_print(a,
                       " Its chains: R-hat at most %.3f, effective size at least %.0f.",
                       b->r_hat_max, b->ess_min);
}

const char *belief_words(arena *a, const posterior_block *b)
{
    const char *chains = chains_words(a, b);

    if (!b->believe)
        return "Whether this posterior may be believed was not checked.";
    if (!chains)
        return NULL;
    if (posterior_believed(b))
        return arena_print(a, "This posterior passed its checks and may be believed.%s",
                           chains);
    return arena_print(a, "Do not believe this posterior: %s.%s", b->believe, chains);
}

/* Is a confidence set of Wilks, or any other region, too small? */
static bool falls_short(const coverage_row *r, bool wilks)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        const table_cell *c = &r->cells[i];
        if (c->verdict && strcmp(c->verdict, "under") == 0 &&
            (strcmp(c->region, "confidence") == 0) == wilks)
            return true;
    }
    return false;
}

bool coverage_fails(const coverage_row *r)
{
    return falls_short(r, true) || falls_short(r, false);
}

/* Nats: a gain that is surely smaller and maybe none says nothing; what rounding leaves of none. */
static const double NOTHING = 0.02, ROUNDING = 1e-6;

bool gain_is_none(const coverage_row *r)
{
    double low = r->gain - 3 * r->gain_error, high = r->gain + 3 * r->gain_error;

    return isfinite(low) && isfinite(high) &&
           (high < ROUNDING || (low <= 0 && high < NOTHING));
}

static bool gain_is_open(const coverage_row *r)
{
    return isfinite(r->gain_error) && r->gain <= 3 * r->gain_error && !gain_is_none(r);
}

static void cell_words(FILE *out, arena *a, const table_cell *c)
{
    fprintf(out, "%s %s", level_text(a, c->level), number_text(a, c->coverage, 3));
    if (!isfinite(c->coverage))
        fprintf(out, " (%s)", c->reason ? c->reason : "not computed");
    else if (c->verdict && strcmp(c->verdict, "ok") != 0)
        fprintf(out, " (%s)", c->verdict);
}

/* "credible region 68% 0.683, 95% 0.931 (under); confidence set 68% 0.750 (over)" */
static void cells_words(FILE *out, arena *a, const coverage_row *r)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        bool same = i > 0 && strcmp(r->cells[i].region, r->cells[i - 1].region) == 0;
        if (!same)
            fprintf(out, "%s%s ", i > 0 ? "; " : "", region_words(r->cells[i].region));
        else
            fputs(", ", out);
        cell_words(out, a, &r->cells[i]);
    }
}

static void gain_words(FILE *out, arena *a, const coverage_row *r)
{
    fputs(". Gain over the prior ", out);
    if (!isfinite(r->gain)) {
        fputs("not computed.", out);
        return;
    }
    fprintf(out, "%s", number_text(a, r->gain, 3));
    if (isfinite(r->gain_error))
        fprintf(out, " ±%.3f", r->gain_error);
    fputs(" nats", out);
    if (gain_is_none(r))
        fputs(": no more than the prior, which covers without knowing anything", out);
    else if (gain_is_open(r))
        fputs(": too few test pairs to tell it from the prior", out);
    fputs(".", out);
}

static void row_words(FILE *out, arena *a, const coverage_row *r)
{
    uint64_t n = r->n_cells > 0 ? r->cells[0].n : 0;

    fprintf(out, "Coverage for %s (%s), %s test pairs: ",
            strcmp(r->target, "all") == 0 ? "all parameters" : target_text(a, r->target),
            r->architecture, count_text(a, n));
    cells_words(out, a, r);
    gain_words(out, a, r);
    if (falls_short(r, false))
        fputs(" Its regions are too small: it claims more than it knows.", out);
    else if (falls_short(r, true))
        fputs(" Its confidence sets are too small: Wilks' theorem does not hold here.",
              out);
    if (r->missing > 0)
        fprintf(out,
                " %s pairs are missing: their effective sample size stayed too small.",
                count_text(a, r->missing));
}

const char *coverage_words(arena *a, const coverage_row *r)
{
    char *text = NULL;
    size_t n = 0;
    const char *copy = NULL;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    row_words(out, a, r);
    if (fclose(out) == 0)
        copy = arena_copy(a, text);
    free(text);
    return copy;
}

/* printing */

/* Words of TEXT on lines of at most LINE characters, the first behind FIRST, the others behind as many
 * blanks. */
static void put_item(FILE *out, arena *a, const char *first, const char *text)
{
    const char *word = plain_text(a, text);
    size_t indent = strlen(first), used = indent;

    fputs(first, out);
    while (word && *word) {
        size_t n = strcspn(word, " ");
        const char *copy = arena_print(a, "%.*s", (int)n, word);
        size_t width = copy ? text_width(copy) : n;
        if (n > 0) {
            bool wrap = used > indent && used + 1 + width > LINE;
            if (wrap)
                fprintf(out, "\n%*s", (int)indent, "");
            fprintf(out, "%s%.*s", !wrap && used > indent ? " " : "", (int)n, word);
            used = wrap ? indent + width : used + (used > indent) + width;
        }
        word += n + (word[n] == ' ');
    }
    fputc('\n', out);
}

static void put_wrapped(FILE *out, arena *a, const char *text)
{
    put_item(out, a, "", text);
}

static void add_parameter(columns *c, arena *a, const parameter_row *p)
{
    const char *low = number_beside(a, p->hdi95[0], p->deviation);
    const char *high = number_beside(a, p->hdi95[1], p->deviation);

    columns_add(c, plain_text(a, p->name));
    columns_add(c, number_beside(a, p->mean, p->deviation));
    columns_add(c, number_beside(a, p->deviation, p->deviation));
    columns_add(c, low && high ? arena_print(a, "%s to %s", low, high) : NULL);
    columns_add(c, number_beside(a, p->map, p->deviation));
    columns_add(c, p->unit ? plain_text(a, p->unit) : "");
}

/* With checks a posterior is judged below, unless it is worse than its target. */
static void print_doubts(const run_summary *s, const posterior_block *b, arena *a,
                         FILE *out)
{
    if (!s->checks)
        put_wrapped(out, a, observation_words(a, b));
    if (!s->checks ||
        (b->believe && !posterior_believed(b) && belief_of(s, b->target) != BELIEF_NO))
        put_wrapped(out, a, belief_words(a, b));
}

static int print_block(const run_summary *s, const posterior_block *b, arena *a,
                       FILE *out)
{
    static const char *const head[] = {"", "mean", "sd", "95% interval", "best fit", ""};
    const char *title = posterior_title(a, b);
    columns c;

    columns_start(&c, a, 6, "lrrrrl");
    for (size_t k = 0; k < 6; k++)
        columns_add(&c, head[k]);
    for (size_t i = 0; i < b->n_parameters; i++)
        add_parameter(&c, a, &b->parameters[i]);
    put_wrapped(out, a, title ? arena_print(a, "Posterior of %s:", title) : NULL);
    int status = columns_plain(&c, out, "  ");
    for (size_t i = 0; i < b->n_limits; i++)
        put_wrapped(out, a, limit_words(a, b, &b->limits[i]));
    print_doubts(s, b, a, out);
    fputc('\n', out);
    return status;
}

static int print_posterior(const run_summary *s, arena *a, FILE *out)
{
    const posterior_table *t = s->posterior;
    size_t shown = 0, lines = 0, doubted = 0;
    int status = NRE_OK;

    for (; shown < t->n_blocks && !status; shown++) {
        const posterior_block *b = &t->blocks[shown];
        if (shown > 0 && lines + b->n_parameters > PARAMETERS_SHOWN)
            break;
        lines += b->n_parameters;
        status = print_block(s, b, a, out);
    }
    if (shown == t->n_blocks || status)
        return status;
    for (size_t i = shown; i < t->n_blocks; i++)
        doubted += !posterior_believed(&t->blocks[i]);
    put_wrapped(
        out, a,
        arena_print(a,
                    "%zu more posteriors are in posterior.md; %zu of them did not pass.",
                    t->n_blocks - shown, doubted));
    fputc('\n', out);
    return NRE_OK;
}

static void print_coverage(const coverage_table *t, arena *a, FILE *out)
{
    size_t failed = 0;

    for (size_t i = 0; i < t->n_rows; i++) {
        if (i < ROWS_SHOWN)
            put_wrapped(out, a, coverage_words(a, &t->rows[i]));
        else
            failed += coverage_fails(&t->rows[i]);
    }
    if (t->n_rows > ROWS_SHOWN)
        put_wrapped(
            out, a,
            arena_print(a, "%zu more rows are in coverage.md; %zu of them under-cover.",
                        t->n_rows - ROWS_SHOWN, failed));
}

/* With its number; what to do is said of the first, of the others in checks.md.  SAID so far. */
static size_t print_failing(const run_summary *s, const char *target, bool of_posterior,
                            size_t said, arena *a, FILE *out)
{
    for (size_t i = 0; i < s->checks->n_rows; i++) {
        const check_row *r = &s->checks->rows[i];
        if (!check_judges(r, target) || !check_is(r, "fails") ||
            check_is_of_posterior(r) != of_posterior)
            continue;
        put_item(out, a, "  - ",
                 arena_print(a, "%s: %s %s", check_title(r->name),
                             r->says ? r->says : check_numbers(a, r),
                             said++ == 0 && r->advice ? r->advice : ""));
    }
    return said;
}

/* What fails, then names; what is not of the posterior comes last and is not counted. */
static void print_target(const run_summary *s, const char *target, arena *a, FILE *out)
{
    static const struct {
        const char *verdict, *words;
    } REST[] = {{"cautious", "Cautious, wider than need be: "},
                {"ok", "Passed: "},
                {"informs", "For information: "},
                {"open", "Could not be assessed: "}};

    put_item(out, a, "  ", belief_headline(a, s, target));
    size_t failing = print_failing(s, target, true, 0, a, out);
    if (failing > 1)
        put_item(out, a, "  ", "What to do about the others: checks.md.");
    for (size_t k = 0; k < sizeof REST / sizeof REST[0]; k++) {
        const char *list = belief_list(a, s, target, REST[k].verdict);
        if (list)
            put_item(out, a, "  ", arena_print(a, "%s%s.", REST[k].words, list));
    }
    if (belief_sets(s, target))
        put_item(out, a, "  ", belief_sets(s, target));
    print_failing(s, target, false, failing, a, out);
}

static void print_belief(const run_summary *s, arena *a, FILE *out)
{
    const char *target[TARGETS_SHOWN];
    size_t n = belief_targets(s, target, TARGETS_SHOWN);

    fputs("May it be believed?\n", out);
    for (size_t i = 0; i < n; i++)
        print_target(s, target[i], a, out);
    if (n == TARGETS_SHOWN)
        fputs("  More targets are in checks.md.\n", out);
    fputc('\n', out);
}

static const char *place_of_results(arena *a, const char *folder)
{
    const char *page = path_join(a, folder, "report.html");

    if (page && file_exists(page))
        return arena_print(a, "Tables: %s/tables. Page: %s.", folder, page);
    return arena_print(a, "Tables: %s/tables.", folder);
}

int summary_print(const run_summary *s, FILE *out)
{
    arena *a = arena_new();
    int status = NRE_OK;

    if (!a)
        return fail(NRE_ENOMEM, "out of memory for the summary");
    put_wrapped(out, a,
                isfinite(s->seconds) ? arena_print(a, "%s: done in %s.", s->name,
                                                   duration_text(a, s->seconds))
                                     : arena_print(a, "%s: done.", s->name));
    for (size_t i = 0; i < s->n_gates; i++)
        put_wrapped(out, a, arena_print(a, "Note: %s", s->notes[i]));
    fputc('\n', out);
    if (s->posterior)
        status = print_posterior(s, a, out);
    if (s->checks)
        print_belief(s, a, out);
    if (s->coverage)
        print_coverage(s->coverage, a, out);
    for (size_t i = s->n_gates; i < s->n_notes; i++)
        put_wrapped(out, a, arena_print(a, "Note: %s", s->notes[i]));
    put_wrapped(out, a, place_of_results(a, s->folder));
    arena_free(a);
    return status        ? status
           : ferror(out) ? fail(NRE_EIO, "cannot print the summary")
                         : NRE_OK;
}

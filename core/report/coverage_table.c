/* report/coverage_table.c - empirical coverage as JSON, Markdown, LaTeX and CSV. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* JSON */

/* Why some of its numbers are null; NULL when none is. */
static const char *cell_reason(const table_cell *c)
{
    bool evaluation = isfinite(c->sd_evaluation), training = isfinite(c->sd_training);

    if (!isfinite(c->coverage))
        return c->reason ? c->reason : "it was not computed";
    if (!evaluation && !training)
        return "a spread needs two blocks of test pairs, or two trainings";
    if (!evaluation)
        return "sd_evaluation needs two blocks of test pairs";
    return training ? NULL : "sd_training needs two trainings";
}

static json_t *cell_json(const table_cell *c)
{
    json_t *o =
        json_pack("{s:o s:o s:o s:o s:o s:I s:[oo] s:o}", "region", json_text(c->region),
                  "level", json_number(c->level), "coverage", json_number(c->coverage),
                  "sd_evaluation", json_number(c->sd_evaluation), "sd_training",
                  json_number(c->sd_training), "n", (json_int_t)c->n, "interval",
                  json_number(c->interval[0]), json_number(c->interval[1]), "verdict",
                  json_text(isfinite(c->coverage) ? c->verdict : NULL));
    if (c->bias > 0)
        json_object_set_new(o, "bias", json_real(c->bias));
    if (o && cell_reason(c))
        json_object_set_new(o, "reason", json_text(cell_reason(c)));
    return o;
}

static json_t *row_json(const coverage_row *r)
{
    json_t *cells = json_array();

    for (size_t i = 0; i < r->n_cells; i++)
        json_array_append_new(cells, cell_json(&r->cells[i]));
    json_t *o = json_object();
    if (r->cell)
        json_object_update_new(o, json_pack("{s:o s:I s:I}", "cell", json_text(r->cell),
                                            "trainings", (json_int_t)r->trainings,
                                            "trainings_planned",
                                            (json_int_t)r->trainings_planned));
    json_object_update_new(
        o, json_pack("{s:o s:o s:o s:o}", "target", json_text(r->target), "architecture",
                     json_text(r->architecture), "gain", json_number(r->gain),
                     "gain_error", json_number(r->gain_error)));
    if (r->cell)
        json_object_set_new(o, "gain_sd_training", json_number(r->gain_sd_training));
    json_object_update_new(o, json_pack("{s:I s:I s:o}", "simulations",
                                        (json_int_t)r->simulations, "missing",
                                        (json_int_t)r->missing, "cells", cells));
    if (o && !isfinite(r->gain))
        json_object_set_new(o, "reason", json_text("the gain was not computed"));
    return o;
}

json_t *gaps_json(size_t n, const table_gap *gaps)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list,
                              json_pack("{s:o s:o}", "cell", json_text(gaps[i].cell),
                                        "reason", json_text(gaps[i].why)));
    return list;
}

static json_t *table_json(const coverage_table *t)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < t->n_rows; i++)
        json_array_append_new(rows, row_json(&t->rows[i]));
    json_t *o = json_pack("{s:o s:o}", "title", json_text(t->title), "rows", rows);
    if (coverage_compares(t) || t->n_gaps > 0)
        json_object_update_new(o, json_pack("{s:b s:o}", "partial", t->n_gaps > 0, "gaps",
                                            gaps_json(t->n_gaps, t->gaps)));
    return o;
}

/* reading it back */

static double real_of(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

static uint64_t count_of(const json_t *o, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(o, key));

    return value > 0 ? (uint64_t)value : 0;
}

static const char *string_of(const json_t *o, const char *key, arena *a)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? arena_copy(a, text) : NULL;
}

static void cell_read(const json_t *o, arena *a, table_cell *c)
{
    const json_t *interval = json_object_get(o, "interval");

    *c = (table_cell){.region = string_of(o, "region", a),
                      .level = real_of(o, "level"),
                      .coverage = real_of(o, "coverage"),
                      .sd_evaluation = real_of(o, "sd_evaluation"),
                      .sd_training = real_of(o, "sd_training"),
                      .n = count_of(o, "n"),
                      .interval = {NAN, NAN},
                      .bias = fmax(real_of(o, "bias"), 0),
                      .verdict = string_of(o, "verdict", a)};
    c->reason = isfinite(c->coverage) ? NULL : string_of(o, "reason", a);
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(json_array_get(interval, i)))
            c->interval[i] = json_number_value(json_array_get(interval, i));
}

static int row_read(const json_t *o, arena *a, coverage_row *r)
{
    const json_t *cells = json_object_get(o, "cells");
    size_t n = json_array_size(cells);
    table_cell *cell = arena_alloc(a, n, sizeof *cell);

    *r = (coverage_row){.cell = string_of(o, "cell", a),
                        .trainings = count_of(o, "trainings"),
                        .trainings_planned = count_of(o, "trainings_planned"),
                        .gain_sd_training = real_of(o, "gain_sd_training"),
                        .target = string_of(o, "target", a),
                        .architecture = string_of(o, "architecture", a),
                        .gain = real_of(o, "gain"),
                        .gain_error = real_of(o, "gain_error"),
                        .simulations = count_of(o, "simulations"),
                        .missing = count_of(o, "missing"),
                        .n_cells = n,
                        .cells = cell};
    if (!cell)
        return fail(NRE_ENOMEM, "out of memory");
    if (!json_is_array(cells) || !r->target || !r->architecture)
        return fail(NRE_EDATA, "a row has no target, no architecture or no cells");
    for (size_t i = 0; i < n; i++) {
        cell_read(json_array_get(cells, i), a, &cell[i]);
        if (!cell[i].region || !isfinite(cell[i].level))
            return fail(NRE_EDATA, "cell %zu of '%s' has no region or level", i + 1,
                        r->target);
    }
    return NRE_OK;
}

static int table_read(const json_t *o, arena *a, coverage_table *out)
{
    const json_t *rows = json_object_get(o, "rows");
    size_t n = json_array_size(rows);
    coverage_row *row = arena_alloc(a, n, sizeof *row);
    int status = row ? NRE_OK : fail(NRE_ENOMEM, "out of memory");

    if (!json_is_array(rows))
        status = fail(NRE_EDATA, "this is no coverage table: it has no \"rows\"");
    for (size_t i = 0; i < n && !status; i++)
        status = row_read(json_array_get(rows, i), a, &row[i]);
    *out = (coverage_table){.title = string_of(o, "title", a), .n_rows = n, .rows = row};
    return status;
}

int coverage_table_read(const char *path, arena *a, coverage_table *out)
{
    json_t *o = NULL;
    int status = json_load_path(path, (size_t)64 << 20, &o);

    *out = (coverage_table){0};
    if (status)
        return status;
    status = table_read(o, a, out);
    json_decref(o);
    return status ? fail_within(status, "%s", path) : NRE_OK;
}

/* columns and words that the formats share */

bool spread_known(double value)
{
    return isfinite(value);
}

bool coverage_compares(const coverage_table *t)
{
    return t->n_rows > 0 && t->rows[0].cell;
}

const char *coverage_cell_name(arena *a, const coverage_row *r)
{
    if (r->trainings == r->trainings_planned)
        return r->cell;
    return arena_print(a, "%s (%llu of %llu trainings)", r->cell,
                       (unsigned long long)r->trainings,
                       (unsigned long long)r->trainings_planned);
}

const char *gaps_list(arena *a, size_t n, const table_gap *gaps)
{
    const char *text = "";

    for (size_t i = 0; i < n && text; i++)
        text = arena_print(a, "%s%s%s (%s)", text, i > 0 ? ", " : "", gaps[i].cell,
                           gaps[i].why);
    return text;
}

/* One of several targets may be missing twice. */
static size_t count_cells(size_t n, const table_gap *gaps)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (strcmp(gaps[k].cell, gaps[i].cell) != 0)
            k++;
        count += k == i;
    }
    return count;
}

const char *gaps_words(arena *a, size_t n, const table_gap *gaps)
{
    const char *text = gaps_list(a, n, gaps);
    size_t count = count_cells(n, gaps);

    if (n == 0 || !text)
        return NULL;
    return arena_print(a, "Partial: %zu run%s missing: %s.", count,
                       count == 1 ? " is" : "s are", text);
}

/* In the order of columns. */
static const struct {
    const char *name, *brief, *words;
} REGIONS[] = {{"credible", "CR", "credible region"},
               {"confidence", "CL", "confidence set"},
               {"neyman", "Neyman", "Neyman set"},
               {"biased", "biased CR", "biased credible region"}};
enum { N_REGIONS = sizeof REGIONS / sizeof REGIONS[0] };

static size_t region_order(const char *region)
{
    size_t i = 0;

    while (i < N_REGIONS && strcmp(REGIONS[i].name, region) != 0)
        i++;
    return i;
}

const char *region_short(const char *region)
{
    size_t i = region_order(region);

    return i < N_REGIONS ? REGIONS[i].brief : region;
}

const char *region_words(const char *region)
{
    size_t i = region_order(region);

    return i < N_REGIONS ? REGIONS[i].words : region;
}

static int compare_columns(const void *left, const void *right)
{
    const coverage_column *a = left, *b = right;
    int order = (int)region_order(a->region) - (int)region_order(b->region);

    if (order == 0)
        order = strcmp(a->region, b->region);
    return order ? order : (a->level > b->level) - (a->level < b->level);
}

static bool same_column(const table_cell *c, const coverage_column *k)
{
    return c->level == k->level && strcmp(c->region, k->region) == 0;
}

const table_cell *coverage_cell_at(const coverage_row *r, const coverage_column *c)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (same_column(&r->cells[i], c))
            return &r->cells[i];
    return NULL;
}

int coverage_columns(const coverage_table *t, arena *a, size_t *n, coverage_column **out)
{
    size_t most = 0, used = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        most += t->rows[i].n_cells;
    coverage_column *column = arena_alloc(a, most, sizeof *column);
    if (!column)
        return fail(NRE_ENOMEM, "out of memory for a table");
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++) {
            const table_cell *c = &t->rows[i].cells[j];
            size_t k = 0;
            while (k < used && !same_column(c, &column[k]))
                k++;
            if (k == used)
                column[used++] = (coverage_column){c->region, c->level};
        }
    qsort(column, used, sizeof *column, compare_columns);
    *n = used;
    *out = column;
    return NRE_OK;
}

const char *target_text(arena *a, const char *target)
{
    char *text = arena_alloc(a, 2 * strlen(target) + 1, 1);

    for (char *to = text; to && *target; target++) {
        *to++ = *target;
        if (*target == ',' && target[1] != ' ')
            *to++ = ' ';
    }
    return text;
}

typedef struct table_facts {
    uint64_t least, most;      /* test pairs of a cell */
    double half_width;         /* of the widest interval */
    bool evaluation, training; /* is any spread known */
    bool neyman, biased;       /* is there such a region */
} table_facts;

static table_facts facts_of(const coverage_table *t)
{
    table_facts f = {.least = UINT64_MAX};

    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++) {
            const table_cell *c = &t->rows[i].cells[j];
            if (!isfinite(c->coverage))
                continue;
            f.least = c->n < f.least ? c->n : f.least;
            f.most = c->n > f.most ? c->n : f.most;
            f.half_width = fmax(f.half_width, (c->interval[1] - c->interval[0]) / 2);
            f.evaluation = f.evaluation || spread_known(c->sd_evaluation);
            f.training = f.training || spread_known(c->sd_training);
            f.neyman = f.neyman || strcmp(c->region, "neyman") == 0;
            f.biased = f.biased || strcmp(c->region, "biased") == 0;
        }
    return f;
}

static const char *spread_legend(arena *a, const table_facts *f, const char *spread)
{
    if (f->evaluation && f->training)
        return arena_print(
            a,
            "%s: standard deviation over disjoint blocks of test pairs, then, "
            "after the slash, over independent trainings. ",
            spread);
    if (f->evaluation || f->training)
        return arena_print(a, "%s: standard deviation over %s. ", spread,
                           f->evaluation ? "disjoint blocks of test pairs"
                                         : "independent trainings");
    return "";
}

static const char NEYMAN_LEGEND[] =
    "Neyman: set by a critical value of the likelihood ratio that depends on the "
    "parameters, from calibration simulations. ";
static const char BIASED_LEGEND[] = "Biased CR: credible region of the nominal level "
                                    "raised by a bias, judged against the "
                                    "nominal level. ";

#define GAIN_FORMULA "log p(theta*|x) - log p(theta*)"

const char *coverage_legend(const coverage_table *t, arena *a, const char *spread)
{
    table_facts f = facts_of(t);

    if (f.most == 0)
        return "No coverage was computed.";
    const char *n = f.least == f.most ? count_text(a, f.most)
                                      : arena_print(a, "%s to %s", count_text(a, f.least),
                                                    count_text(a, f.most));
    return arena_print(a,
                       "Fraction of n = %s distinct test pairs whose true parameters lie "
                       "in the region; a dagger "
                       "marks under-coverage: the 99%% Clopper-Pearson interval, at most "
                       "%.4f to either side, "
                       "ends below nominal. %sCR: credible region, highest posterior "
                       "density. CL: confidence set "
                       "after Wilks, with as many degrees of freedom as the target has "
                       "parameters; it holds for "
                       "regular problems only, and where a target leaves parameters out "
                       "it is the set of an "
                       "integrated likelihood. %s%sGain: mean of " GAIN_FORMULA
                       " over the same pairs, in nats, and "
                       "its standard error; the prior itself covers perfectly with gain "
                       "0. Simulations: training, "
                       "validation, calibration and test together.",
                       n, f.half_width, spread_legend(a, &f, spread),
                       f.neyman ? NEYMAN_LEGEND : "", f.biased ? BIASED_LEGEND : "");
}

/* The legend with its formula as the format writes one. */
static void put_legend(FILE *out, const char *legend, void (*put)(FILE *, const char *),
                       const char *formula)
{
    const char *at = legend ? strstr(legend, GAIN_FORMULA) : NULL;
    char *head = at ? strndup(legend, (size_t)(at - legend)) : NULL;

    put(out, head ? head : legend);
    if (head) {
        fputs(formula, out);
        put(out, at + strlen(GAIN_FORMULA));
    }
    free(head);
}

/* Markdown */

/* "0.683 ±0.004/0.006 †" */
const char *coverage_cell_text(arena *a, const table_cell *c)
{
    if (!c || !isfinite(c->coverage))
        return "n/a";
    const char *spread = "", *dagger = "";
    if (spread_known(c->sd_evaluation) && spread_known(c->sd_training))
        spread = arena_print(a, " ±%.3f/%.3f", c->sd_evaluation, c->sd_training);
    else if (spread_known(c->sd_evaluation) || spread_known(c->sd_training))
        spread = arena_print(a, " ±%.3f",
                             spread_known(c->sd_evaluation) ? c->sd_evaluation
                                                            : c->sd_training);
    if (c->verdict && strcmp(c->verdict, "under") == 0)
        dagger = " †";
    return spread ? arena_print(a, "%.3f%s%s", c->coverage, spread, dagger) : NULL;
}

const char *coverage_gain_text(arena *a, const coverage_row *r)
{
    if (isfinite(r->gain_error) && r->cell && isfinite(r->gain_sd_training))
        return arena_print(a, "%s ±%.3f/%.3f", number_text(a, r->gain, 3), r->gain_error,
                           r->gain_sd_training);
    if (!isfinite(r->gain_error))
        return number_text(a, r->gain, 3);
    return arena_print(a, "%s ±%.3f", number_text(a, r->gain, 3), r->gain_error);
}

static int wide_markdown(const coverage_table *t, sheet *s)
{
    coverage_column *column;
    size_t n;
    columns c;
    int status = coverage_columns(t, s->a, &n, &column);
    bool cells = coverage_compares(t);
    char *align = status ? NULL : arena_alloc(s->a, n + 7, 1);

    if (!align)
        return status ? status : fail(NRE_ENOMEM, "out of memory for a table");
    memset(align, 'r', n + 5 + cells);
    memset(align, 'l', 2u + cells);
    columns_start(&c, s->a, n + 5 + cells, align);
    if (cells)
        columns_add(&c, "cell");
    columns_add(&c, "target");
    columns_add(&c, "architecture");
    for (size_t k = 0; k < n; k++)
        columns_add(&c,
                    arena_print(s->a, "%s %s", level_text(s->a, column[k].level),
                                markdown_escape(s->a, region_short(column[k].region))));
    columns_add(&c, "gain [nats]");
    columns_add(&c, "missing");
    columns_add(&c, "simulations");
    for (size_t i = 0; i < t->n_rows; i++) {
        const coverage_row *r = &t->rows[i];
        if (cells)
            columns_add(&c, markdown_escape(s->a, coverage_cell_name(s->a, r)));
        columns_add(&c, markdown_escape(s->a, target_text(s->a, r->target)));
        columns_add(&c, markdown_escape(s->a, r->architecture));
        for (size_t k = 0; k < n; k++)
            columns_add(&c, coverage_cell_text(s->a, coverage_cell_at(r, &column[k])));
        columns_add(&c, coverage_gain_text(s->a, r));
        columns_add(&c, count_text(s->a, r->missing));
        columns_add(&c, count_text(s->a, r->simulations));
    }
    return columns_markdown(&c, s->out);
}

static void long_row(columns *c, arena *a, const coverage_row *r, const table_cell *k)
{
    bool known = isfinite(k->coverage);

    if (r->cell)
        columns_add(c, markdown_escape(a, r->cell));
    columns_add(c, markdown_escape(a, target_text(a, r->target)));
    columns_add(c, markdown_escape(a, r->architecture));
    columns_add(c, arena_print(a, "%s %s%s", level_text(a, k->level),
                               markdown_escape(a, region_words(k->region)),
                               k->bias > 0 ? arena_print(a, " (+%g)", k->bias) : ""));
    columns_add(c, number_text(a, k->coverage, 4));
    columns_add(c, known ? arena_print(a, "%.4f to %.4f", k->interval[0], k->interval[1])
                         : "n/a");
    columns_add(c, count_text(a, k->n));
    columns_add(c, known && k->verdict ? markdown_escape(a, k->verdict)
                   : k->reason         ? markdown_escape(a, k->reason)
                                       : "n/a");
}

static int long_markdown(const coverage_table *t, sheet *s)
{
    static const char *const head[] = {"cell",   "target",   "architecture",
                                       "region", "coverage", "99% interval",
                                       "n",      "verdict"};
    size_t from = coverage_compares(t) ? 0 : 1;
    columns c;

    columns_start(&c, s->a, 8 - from, &"llllrrrl"[from]);
    for (size_t k = from; k < 8; k++)
        columns_add(&c, head[k]);
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++)
            long_row(&c, s->a, &t->rows[i], &t->rows[i].cells[j]);
    return columns_markdown(&c, s->out);
}

static int write_markdown(const coverage_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Coverage: ", s.out);
    markdown_put(s.out, t->title);
    fputs("\n\n", s.out);
    if (t->n_gaps > 0) {
        markdown_put(s.out, gaps_words(s.a, t->n_gaps, t->gaps));
        fputs("\n\n", s.out);
    }
    status = wide_markdown(t, &s);
    if (!status) {
        fputc('\n', s.out);
        put_legend(s.out, coverage_legend(t, s.a, "After ±"), markdown_put,
                   "`" GAIN_FORMULA "`");
        fputs("\n\n## Each region with its interval\n\n", s.out);
        status = long_markdown(t, &s);
    }
    if (!status)
        return sheet_save_in(&s, folder, "coverage.md");
    sheet_drop(&s);
    return status;
}

/* LaTeX */

static void cell_latex(FILE *out, const table_cell *c)
{
    fputs(" & ", out);
    if (!c || !isfinite(c->coverage)) {
        fputs("n/a", out);
        return;
    }
    fprintf(out, "$%.3f", c->coverage);
    if (c->verdict && strcmp(c->verdict, "under") == 0)
        fputs("^{\\dagger}", out);
    if (spread_known(c->sd_evaluation) && spread_known(c->sd_training))
        fprintf(out, "_{\\scriptscriptstyle\\pm%.3f/%.3f}", c->sd_evaluation,
                c->sd_training);
    else if (spread_known(c->sd_evaluation) || spread_known(c->sd_training))
        fprintf(out, "_{\\scriptscriptstyle\\pm%.3f}",
                spread_known(c->sd_evaluation) ? c->sd_evaluation : c->sd_training);
    fputc('$', out);
}

static void row_latex(sheet *s, const coverage_row *r, size_t n,
                      const coverage_column *column)
{
    fputs("\\quad ", s->out);
    if (r->cell) {
        latex_put(s->out, coverage_cell_name(s->a, r));
        fputs(" & ", s->out);
    }
    latex_put(s->out, r->architecture);
    for (size_t k = 0; k < n; k++)
        cell_latex(s->out, coverage_cell_at(r, &column[k]));
    fprintf(s->out, isfinite(r->gain) ? " & $%s" : " & %s",
            number_text(s->a, r->gain, 3));
    if (isfinite(r->gain) && isfinite(r->gain_error) && r->cell &&
        isfinite(r->gain_sd_training))
        fprintf(s->out, "_{\\scriptscriptstyle\\pm%.3f/%.3f}", r->gain_error,
                r->gain_sd_training);
    else if (isfinite(r->gain) && isfinite(r->gain_error))
        fprintf(s->out, "_{\\scriptscriptstyle\\pm%.3f}", r->gain_error);
    fputs(isfinite(r->gain) ? "$" : "", s->out);
    fprintf(s->out, " & %s \\\\\n", count_text(s->a, r->simulations));
}

/* One line that spans the columns of each region, one with their levels. */
static void head_latex(sheet *s, bool cells, size_t n, const coverage_column *column)
{
    fputs(cells ? " & " : "", s->out);
    for (size_t k = 0, to; k < n; k = to) {
        for (to = k; to < n && strcmp(column[to].region, column[k].region) == 0;)
            to++;
        fprintf(s->out, " & \\multicolumn{%zu}{c}{", to - k);
        latex_put(s->out, region_words(column[k].region));
        fputc('}', s->out);
    }
    fputs(" & & \\\\\n", s->out);
    for (size_t k = 0, to; k < n; k = to) {
        for (to = k; to < n && strcmp(column[to].region, column[k].region) == 0;)
            to++;
        fprintf(s->out, "\\cmidrule(lr){%zu-%zu}", k + 2 + cells, to + 1 + cells);
    }
    fputs(cells ? "\nCell & Architecture" : "\nArchitecture", s->out);
    for (size_t k = 0; k < n; k++) {
        fputs(" & ", s->out);
        latex_put(s->out, level_text(s->a, column[k].level));
        fputc(' ', s->out);
        latex_put(s->out, region_short(column[k].region));
    }
    fputs(" & gain & simulations \\\\\n\\midrule\n", s->out);
}

/* Rows that follow each other with the same target stand below its name. */
static void body_latex(const coverage_table *t, sheet *s, size_t n,
                       const coverage_column *column)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *target = t->rows[i].target;
        if (i == 0 || strcmp(target, t->rows[i - 1].target) != 0) {
            fputs(i == 0 ? "" : "\\addlinespace\n", s->out);
            fprintf(s->out, "\\multicolumn{%zu}{l}{\\textit{",
                    n + 3 + coverage_compares(t));
            latex_put(s->out, target_text(s->a, target));
            fputs("}} \\\\\n", s->out);
        }
        row_latex(s, &t->rows[i], n, column);
    }
}

static void legend_latex(const coverage_table *t, sheet *s)
{
    put_legend(s->out, coverage_legend(t, s->a, "As a subscript"), latex_put,
               "$\\log p(\\theta^{*}|x)-\\log p(\\theta^{*})$");
}

/* \makebox centres a table that is wider than the text, without a warning. */
static void frame_latex(const coverage_table *t, sheet *s, size_t n,
                        const coverage_column *column)
{
    fputs("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n\\caption{",
          s->out);
    latex_put(s->out, t->title);
    fputs(": empirical coverage. ", s->out);
    legend_latex(t, s);
    if (t->n_gaps > 0) {
        fputc(' ', s->out);
        latex_put(s->out, gaps_words(s->a, t->n_gaps, t->gaps));
    }
    fputs("}\n\\label{tab:coverage}\n\\smallskip\n\\footnotesize\n\\setlength{"
          "\\tabcolsep}{3pt}\n"
          "\\makebox[\\textwidth][c]{%\n\\begin{tabular}{l",
          s->out);
    fputs(coverage_compares(t) ? "l" : "", s->out);
    for (size_t k = 0; k < n + 2; k++)
        fputc('r', s->out);
    fputs("}\n\\toprule\n", s->out);
    head_latex(s, coverage_compares(t), n, column);
    body_latex(t, s, n, column);
    fputs("\\bottomrule\n\\end{tabular}}\n\\end{table}\n", s->out);
}

static int write_latex(const coverage_table *t, const char *folder)
{
    coverage_column *column;
    size_t n;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    status = coverage_columns(t, s.a, &n, &column);
    if (status) {
        sheet_drop(&s);
        return status;
    }
    frame_latex(t, &s, n, column);
    return sheet_save_in(&s, folder, "coverage.tex");
}

/* CSV */

static void cell_csv(FILE *out, const coverage_row *r, const table_cell *c)
{
    const double number[] = {c->level,       c->coverage,    c->sd_evaluation,
                             c->sd_training, c->interval[0], c->interval[1]};

    if (r->cell) {
        csv_put(out, r->cell);
        fprintf(out, ",%llu,%llu,", (unsigned long long)r->trainings,
                (unsigned long long)r->trainings_planned);
    }
    csv_put(out, r->target);
    fputc(',', out);
    csv_put(out, r->architecture);
    fputc(',', out);
    csv_put(out, c->region);
    for (size_t i = 0; i < 6; i++) {
        fputc(',', out);
        exact_put(out, number[i]);
    }
    fprintf(out, ",%llu,", (unsigned long long)c->n);
    csv_put(out, isfinite(c->coverage) && c->verdict ? c->verdict : "n/a");
    fputc(',', out);
    exact_put(out, r->gain);
    fputc(',', out);
    exact_put(out, r->gain_error);
    if (r->cell) {
        fputc(',', out);
        exact_put(out, r->gain_sd_training);
    }
    fprintf(out, ",%llu,%llu,", (unsigned long long)r->simulations,
            (unsigned long long)r->missing);
    csv_put(out, isfinite(c->coverage) ? "" : c->reason);
    fputc('\n', out);
}

static int write_csv(const coverage_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fprintf(s.out,
            "%starget,architecture,region,level,coverage,sd_evaluation,sd_training,"
            "interval_low,interval_high,n,verdict,gain,gain_error,%ssimulations,missing,"
            "reason\n",
            coverage_compares(t) ? "cell,trainings,trainings_planned," : "",
            coverage_compares(t) ? "gain_sd_training," : "");
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++)
            cell_csv(s.out, &t->rows[i], &t->rows[i].cells[j]);
    return sheet_save_in(&s, folder, "coverage.csv");
}

int coverage_table_write(const coverage_table *t, const char *folder)
{
    int status = json_save_in(folder, "coverage.json", table_json(t));

    if (!status)
        status = write_markdown(t, folder);
    if (!status)
        status = write_latex(t, folder);
    if (!status)
        status = write_csv(t, folder);
    return status;
}

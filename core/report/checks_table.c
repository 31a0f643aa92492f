/* report/checks_table.c - what every diagnostic found, as JSON, Markdown, LaTeX and CSV. */
#include "report/report.h"

#include <math.h>
#include <string.h>

/* In words; in the order of tables and of the page. */
static const struct {
    const char *name, *title;
} CHECKS[] = {
    {"coverage", "coverage of credible regions"},
    {"gain", "gain over the prior"},
    {"sbc", "ranks of the truth (SBC)"},
    {"tarp", "coverage around random points (TARP)"},
    {"entropy", "coverage by width of the posterior"},
    {"likelihood", "the exact posterior beside it"},
    {"auc", "reweighted simulations told from true ones (AUC)"},
    {"convergence", "convergence to the truth"},
    {"neyman", "coverage of Neyman sets"},
    {"biased", "coverage of biased regions"},
    {"confidence", "coverage of confidence sets (Wilks)"},
    {"local_coverage", "coverage near the observation"},
    {"lc2st", "local classifier test (LC2ST)"},
    {"ensemble", "agreement of the networks"},
    {"growth", "errors over several rows"},
    {"area", "area of the ratio"},
    {"predictive", "place of the observation among simulations"},
    {"posterior_predictive", "simulations from the posterior beside the observation"},
    {"draws", "draws of the posterior"},
    {"calibration", "calibration of the ratio"}};
enum { N_KNOWN = sizeof CHECKS / sizeof CHECKS[0] };

const char *check_title(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (strcmp(CHECKS[i].name, name) == 0)
            return CHECKS[i].title;
    return name;
}

bool check_is(const check_row *r, const char *verdict)
{
    return r->verdict && strcmp(r->verdict, verdict) == 0;
}

bool check_is_of_posterior(const check_row *r)
{
    return strcmp(r->name, "confidence") != 0;
}

bool check_judges(const check_row *r, const char *target)
{
    return !r->beside && (!r->target || strcmp(r->target, target) == 0);
}

/* numbers as text */

const char *p_text(arena *a, double p)
{
    if (!isfinite(p))
        return "n/a";
    return p < 1e-4 ? "< 0.0001" : arena_print(a, "%.2g", p);
}

const char *check_value_text(arena *a, const check_row *r)
{
    bool spread = isfinite(r->error) && r->error > 0;
    const char *value = number_beside(a, r->value, spread ? r->error : NAN);

    if (isfinite(r->value) && r->value == r->p)
        return p_text(a, r->p);
    if (!isfinite(r->value) || !spread || !value)
        return value;
    const char *error = number_beside(a, r->error, r->error);
    return error ? arena_print(a, "%s ±%s", value, error) : NULL;
}

static const char *expected_text(arena *a, const check_row *r)
{
    return number_beside(a, r->expected, NAN);
}

static const char *n_text(arena *a, const check_row *r)
{
    return r->n > 0 ? count_text(a, r->n) : "n/a";
}

const char *check_numbers(arena *a, const check_row *r)
{
    const char *text = "";

    if (isfinite(r->value))
        text = arena_print(a, "%s%s%s", r->statistic ? r->statistic : "",
                           r->statistic ? " " : "", check_value_text(a, r));
    if (text && isfinite(r->value) && isfinite(r->expected))
        text = arena_print(a, "%s (%s expected)", text, expected_text(a, r));
    if (text && isfinite(r->p) && r->p != r->value)
        text = arena_print(a, "%s%sp %s%s", text, *text ? ", " : "",
                           r->p < 1e-4 ? "" : "= ", p_text(a, r->p));
    if (text && r->n > 0)
        text = arena_print(a, "%s%sn = %s", text, *text ? ", " : "", n_text(a, r));
    return text;
}

/* JSON */

/* Why some number is null: the row's own reason, else that there is none. */
static const char *reason_of(const check_row *r)
{
    if (r->reason)
        return r->reason;
    if (!isfinite(r->value))
        return "it has no number";
    return isfinite(r->error) && isfinite(r->expected) && isfinite(r->p)
               ? NULL
               : "this number has no error, no right value or no test";
}

static json_t *row_json(const check_row *r)
{
    json_t *o = json_object();

    if (r->cell)
        json_object_set_new(o, "cell", json_text(r->cell));
    json_object_set_new(o, "target", json_text(r->target));
    json_object_set_new(o, "architecture", json_text(r->architecture));
    json_object_set_new(o, "check", json_text(r->name));
    json_object_set_new(o, "verdict", json_text(r->verdict));
    json_object_set_new(o, "statistic", json_text(r->statistic));
    json_object_set_new(o, "value", json_number(r->value));
    json_object_set_new(o, "error", json_number(r->error));
    json_object_set_new(o, "expected", json_number(r->expected));
    json_object_set_new(o, "p_value", json_number(r->p));
    json_object_set_new(o, "n", json_integer((json_int_t)r->n));
    json_object_set_new(o, "says", json_text(r->says));
    json_object_set_new(o, "advice", json_text(r->advice));
    json_object_set_new(o, "gated", json_boolean(r->gated));
    json_object_set_new(o, "missed",
                        r->gated ? json_boolean(r->missed != NULL) : json_null());
    json_object_set_new(o, "why_missed", json_text(r->missed));
    json_object_set_new(o, "beside", json_boolean(r->beside));
    if (reason_of(r))
        json_object_set_new(o, "reason", json_text(reason_of(r)));
    return o;
}

static json_t *table_json(const checks_table *t)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < t->n_rows; i++)
        json_array_append_new(rows, row_json(&t->rows[i]));
    json_t *o = json_pack("{s:o s:o}", "title", json_text(t->title), "rows", rows);
    if ((t->n_rows > 0 && t->rows[0].cell) || t->n_gaps > 0)
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

static const char *word_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static const char *cell_of(const json_t *o, arena *a)
{
    const json_t *replicate = json_object_get(o, "replicate");
    const char *cell = word_of(o, "cell");

    return cell && json_is_integer(replicate)
               ? arena_print(a, "%s/r%lld", cell,
                             (long long)json_integer_value(replicate))
               : cell;
}

static int row_read(const json_t *o, arena *a, check_row *r)
{
    json_int_t n = json_integer_value(json_object_get(o, "n"));

    *r = (check_row){.cell = cell_of(o, a),
                     .name = word_of(o, "check"),
                     .target = word_of(o, "target"),
                     .architecture = word_of(o, "architecture"),
                     .verdict = word_of(o, "verdict"),
                     .statistic = word_of(o, "statistic"),
                     .value = real_of(o, "value"),
                     .error = real_of(o, "error"),
                     .expected = real_of(o, "expected"),
                     .p = real_of(o, "p_value"),
                     .n = n > 0 ? (uint64_t)n : 0,
                     .says = word_of(o, "says"),
                     .advice = word_of(o, "advice"),
                     .gated = json_is_true(json_object_get(o, "gated")),
                     .missed = word_of(o, "why_missed"),
                     .beside = json_is_true(json_object_get(o, "beside"))};
    r->reason = check_is(r, "open") ? word_of(o, "reason") : NULL;
    return r->name && r->verdict ? NRE_OK
                                 : fail(NRE_EDATA, "a check has no name or no verdict");
}

int checks_rows_of(const json_t *rows, arena *a, size_t *n, check_row **out)
{
    int status = NRE_OK;

    *n = json_array_size(rows);
    *out = arena_alloc(a, *n + 1, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "out of memory for a table");
    for (size_t i = 0; i < *n && !status; i++)
        status = row_read(json_array_get(rows, i), a, &(*out)[i]);
    return status;
}

/* Markdown */

const char CHECKS_LEGEND[] =
    "fails: a right ratio looks so once in 100 times or less (p below 0.01); cautious: "
    "so "
    "does it, but by posteriors that are too wide alone; informs: a "
    "number without a right value; open: it could not be assessed. Value with its "
    "standard error, expected: of a right ratio, p: chance of a value so far off from a "
    "right ratio, n: pairs or simulations.";

static bool has_cells(const checks_table *t)
{
    return t->n_rows > 0 && t->rows[0].cell;
}

static const char *target_words(arena *a, const check_row *r)
{
    return r->target ? target_text(a, r->target) : "every target";
}

static int rows_markdown(const checks_table *t, sheet *s)
{
    static const char *const head[] = {"cell",     "target",  "architecture",
                                       "check",    "verdict", "value",
                                       "expected", "p",       "n"};
    size_t from = has_cells(t) ? 0 : 1;
    arena *a = s->a;
    columns c;

    columns_start(&c, a, 9 - from, &"lllllrrrr"[from]);
    for (size_t k = from; k < 9; k++)
        columns_add(&c, head[k]);
    for (size_t i = 0; i < t->n_rows; i++) {
        const check_row *r = &t->rows[i];
        if (!from)
            columns_add(&c, markdown_escape(a, r->cell));
        columns_add(&c, markdown_escape(a, target_words(a, r)));
        columns_add(&c, markdown_escape(a, r->architecture ? r->architecture : ""));
        columns_add(&c, markdown_escape(a, check_title(r->name)));
        columns_add(&c, markdown_escape(a, r->verdict));
        columns_add(&c, markdown_escape(a, check_value_text(a, r)));
        columns_add(&c, expected_text(a, r));
        columns_add(&c, markdown_escape(a, p_text(a, r->p)));
        columns_add(&c, n_text(a, r));
    }
    return columns_markdown(&c, s->out);
}

/* "- **Title** (cell, target): what was found, what to do." */
static void sentence_markdown(const check_row *r, sheet *s)
{
    const char *text[] = {
        r->says, r->reason,
        check_is(r, "fails") || check_is(r, "cautious") ? r->advice : NULL, r->missed};

    fputs("- **", s->out);
    markdown_put(s->out, check_title(r->name));
    fputs("** (", s->out);
    if (r->cell) {
        markdown_put(s->out, r->cell);
        fputs(", ", s->out);
    }
    markdown_put(s->out, target_words(s->a, r));
    fputs(r->beside ? ", without calibration), " : "), ", s->out);
    markdown_put(s->out, r->verdict);
    fputs(":", s->out);
    for (size_t i = 0; i < 4; i++)
        if (text[i] && *text[i]) {
            fputc(' ', s->out);
            markdown_put(s->out, text[i]);
        }
    fputc('\n', s->out);
}

static int write_markdown(const checks_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Checks: ", s.out);
    markdown_put(s.out, t->title);
    fputs("\n\n", s.out);
    if (t->n_gaps > 0) {
        markdown_put(s.out, gaps_words(s.a, t->n_gaps, t->gaps));
        fputs("\n\n", s.out);
    }
    status = rows_markdown(t, &s);
    fprintf(s.out, "\n%s\n\n## What was found\n\n", CHECKS_LEGEND);
    for (size_t i = 0; i < t->n_rows; i++)
        sentence_markdown(&t->rows[i], &s);
    if (!status)
        return sheet_save_in(&s, folder, "checks.md");
    sheet_drop(&s);
    return status;
}

/* LaTeX */

static void number_latex(sheet *s, const char *number)
{
    fputs(" & ", s->out);
    if (!number || strcmp(number, "n/a") == 0) {
        fputs("n/a", s->out);
        return;
    }
    fputc('$', s->out);
    latex_number_put(s->out, number);
    fputc('$', s->out);
}

static void row_latex(const check_row *r, sheet *s)
{
    bool spread = isfinite(r->value) && isfinite(r->error) && r->error > 0;

    fputs("\\quad ", s->out);
    if (r->cell) {
        latex_put(s->out, r->cell);
        fputs(" & ", s->out);
    }
    latex_put(s->out, check_title(r->name));
    fputs(check_is(r, "fails") ? " & \\textbf{" : " & {", s->out);
    latex_put(s->out, r->verdict);
    fputc('}', s->out);
    if (isfinite(r->value) && r->value == r->p) {
        fputs(" & ", s->out);
        latex_put(s->out, p_text(s->a, r->p));
    } else
        number_latex(s, number_beside(s->a, r->value, spread ? r->error : NAN));
    if (spread) {
        fputs(" $\\pm$ $", s->out);
        latex_number_put(s->out, number_beside(s->a, r->error, r->error));
        fputc('$', s->out);
    }
    number_latex(s, expected_text(s->a, r));
    fputs(" & ", s->out);
    latex_put(s->out, p_text(s->a, r->p));
    fprintf(s->out, " & %s \\\\\n", n_text(s->a, r));
}

static bool same_group(const check_row *a, const check_row *b)
{
    const char *x = a->target ? a->target : "", *y = b->target ? b->target : "";
    const char *u = a->architecture ? a->architecture : "",
               *v = b->architecture ? b->architecture : "";

    return strcmp(x, y) == 0 && strcmp(u, v) == 0;
}

/* Rows that follow each other with the same target and estimator stand below their names. */
static void body_latex(const checks_table *t, sheet *s)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const check_row *r = &t->rows[i];
        if (i == 0 || !same_group(r, r - 1)) {
            fprintf(s->out, "%s\\multicolumn{%d}{l}{\\textit{",
                    i ? "\\addlinespace\n" : "", 6 + has_cells(t));
            latex_put(s->out, target_words(s->a, r));
            if (r->architecture) {
                fputs(" (", s->out);
                latex_put(s->out, r->architecture);
                fputc(')', s->out);
            }
            fputs("}} \\\\\n", s->out);
        }
        row_latex(r, s);
    }
}

static int write_latex(const checks_table *t, const char *folder)
{
    bool cells = has_cells(t);
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n\\caption{",
          s.out);
    latex_put(s.out, t->title);
    fputs(": checks. ", s.out);
    latex_put(s.out, CHECKS_LEGEND);
    if (t->n_gaps > 0) {
        fputc(' ', s.out);
        latex_put(s.out, gaps_words(s.a, t->n_gaps, t->gaps));
    }
    fprintf(
        s.out,
        "}\n\\label{tab:checks}\n\\smallskip\n\\footnotesize\n\\setlength{\\tabcolsep}"
        "{3pt}\n\\makebox[\\textwidth][c]{%%\n\\begin{tabular}{%sllrrrr}\n\\toprule\n"
        "%sCheck & verdict & value & expected & $p$ & $n$ \\\\\n\\midrule\n",
        cells ? "l" : "", cells ? "Cell & " : "");
    body_latex(t, &s);
    fputs("\\bottomrule\n\\end{tabular}}\n\\end{table}\n", s.out);
    return sheet_save_in(&s, folder, "checks.tex");
}

/* CSV */

static void row_csv(const check_row *r, bool cells, FILE *out)
{
    const char *text[] = {r->target, r->architecture, r->name, r->verdict, r->statistic},
               *last[] = {r->says, r->advice, r->reason, r->missed};
    const double number[] = {r->value, r->error, r->expected, r->p};

    if (cells) {
        csv_put(out, r->cell);
        fputc(',', out);
    }
    for (size_t i = 0; i < 5; i++) {
        csv_put(out, text[i]);
        fputc(',', out);
    }
    for (size_t i = 0; i < 4; i++) {
        exact_put(out, number[i]);
        fputc(',', out);
    }
    fprintf(out, "%llu,%s,%s,%s", (unsigned long long)r->n, r->gated ? "true" : "false",
            !r->gated   ? ""
            : r->missed ? "true"
                        : "false",
            r->beside ? "true" : "false");
    for (size_t i = 0; i < 4; i++) {
        fputc(',', out);
        csv_put(out, last[i]);
    }
    fputc('\n', out);
}

static int write_csv(const checks_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fprintf(
        s.out,
        "%starget,architecture,check,verdict,statistic,value,error,expected,p_value,n,"
        "gated,missed,beside,says,advice,reason,why_missed\n",
        has_cells(t) ? "cell," : "");
    for (size_t i = 0; i < t->n_rows; i++)
        row_csv(&t->rows[i], has_cells(t), s.out);
    return sheet_save_in(&s, folder, "checks.csv");
}

int checks_table_write(const checks_table *t, const char *folder)
{
    int status = json_save_in(folder, "checks.json", table_json(t));

    if (!status)
        status = write_markdown(t, folder);
    if (!status)
        status = write_latex(t, folder);
    return status ? status : write_csv(t, folder);
}

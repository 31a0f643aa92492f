/* report/quality_table.c - how good the estimator of each target is: JSON, Markdown, LaTeX, CSV. */
#include "report/report.h"

#include <math.h>
#include <string.h>

enum { PLAIN = 0, P_VALUE = 1 };

static const struct {
    const char *key, *heading, *latex, *legend;
    int kind;
    bool always; /* a column even where nothing is known */
} QUALITIES[N_QUALITIES] = {
    [QUALITY_GAIN] =
        {"gain", "gain [nats]", "gain",
         "gain: mean of log p(theta*|x) minus log p(theta*) over test pairs, "
         "in nats; the prior's is 0",
         PLAIN, true},
    [QUALITY_LOG_POSTERIOR] =
        {"log_posterior", "E log p(theta*|x)", "$\\mathrm{E}\\log p(\\theta^{*}|x)$",
         "E log p(theta*|x): mean log density of the posterior at the "
         "truth, by the unit of the parameters",
         PLAIN, true},
    [QUALITY_INFORMATION] = {"information", "mean log r [nats]", "mean $\\log r$",
                             "mean log r: of the ratio at the truth, which estimates the "
                             "mutual information of target and observable",
                             PLAIN, true},
    [QUALITY_COVERAGE] = {"coverage95", "95% CR", "95\\% CR",
                          "95% CR: coverage of the 95% credible region", PLAIN, false},
    [QUALITY_AREA] =
        {"area", "area", "area",
         "area: integral of prior times ratio, 1 for a right one, mean and, in "
         "parentheses, standard deviation over test rows",
         PLAIN, true},
    [QUALITY_AUC] =
        {"auc", "AUC", "AUC",
         "AUC: of a classifier between reweighted and true simulations, 0.5 for a "
         "right ratio",
         PLAIN, false},
    [QUALITY_KL] = {"kl", "KL to exact [nats]", "KL to exact",
                    "KL to exact: mean divergence of the exact posterior from it", PLAIN,
                    false},
    [QUALITY_C2ST] =
        {"c2st", "C2ST", "C2ST",
         "C2ST: accuracy of a classifier between exact draws and its own, 0.5 "
         "for a right one",
         PLAIN, false},
    [QUALITY_SBC] =
        {"sbc_p", "SBC p", "SBC $p$",
         "SBC p: smallest p-value of the ranks of the truth, for their number", P_VALUE,
         false},
    [QUALITY_TARP] = {"tarp_p", "TARP p", "TARP $p$",
                      "TARP p: of the coverage around random points", P_VALUE, false}};

const char *quality_heading(quality_kind k)
{
    return QUALITIES[k].heading;
}

quality_number quality_missing(const char *reason)
{
    return (quality_number){.value = NAN,
                            .error = NAN,
                            .deviation = NAN,
                            .sd_evaluation = NAN,
                            .sd_training = NAN,
                            .interval = {NAN, NAN},
                            .reason = reason};
}

bool quality_is_shown(const quality_table *t, quality_kind k)
{
    bool shown = QUALITIES[k].always;

    for (size_t i = 0; i < t->n_rows; i++)
        shown = shown || isfinite(t->rows[i].number[k].value);
    return shown;
}

static bool compares(const quality_table *t)
{
    return t->n_rows > 0 && t->rows[0].cell;
}

/* JSON */

static json_t *number_json(const quality_number *q)
{
    json_t *o =
        json_pack("{s:o s:o s:o s:o s:o s:[oo] s:I}", "value", json_number(q->value),
                  "error", json_number(q->error), "sd", json_number(q->deviation),
                  "sd_evaluation", json_number(q->sd_evaluation), "sd_training",
                  json_number(q->sd_training), "interval", json_number(q->interval[0]),
                  json_number(q->interval[1]), "n", (json_int_t)q->n);

    if (o && !isfinite(q->value))
        json_object_set_new(o, "reason",
                            json_text(q->reason ? q->reason : "it was not computed"));
    return o;
}

static json_t *row_json(const quality_row *r)
{
    json_t *o = json_object();

    if (r->cell)
        json_object_update_new(o, json_pack("{s:o s:I s:I}", "cell", json_text(r->cell),
                                            "trainings", (json_int_t)r->trainings,
                                            "trainings_planned",
                                            (json_int_t)r->trainings_planned));
    json_object_set_new(o, "target", json_text(r->target));
    json_object_set_new(o, "architecture", json_text(r->architecture));
    json_object_set_new(o, "simulations", json_integer((json_int_t)r->simulations));
    for (size_t k = 0; k < N_QUALITIES; k++)
        json_object_set_new(o, QUALITIES[k].key, number_json(&r->number[k]));
    return o;
}

static json_t *table_json(const quality_table *t)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < t->n_rows; i++)
        json_array_append_new(rows, row_json(&t->rows[i]));
    json_t *o = json_pack("{s:o s:o}", "title", json_text(t->title), "rows", rows);
    if (compares(t) || t->n_gaps > 0)
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

static quality_number number_read(const json_t *o, arena *a)
{
    quality_number q = quality_missing(string_of(o, "reason", a));
    const json_t *interval = json_object_get(o, "interval");

    q.value = real_of(o, "value");
    q.error = real_of(o, "error");
    q.deviation = real_of(o, "sd");
    q.sd_evaluation = real_of(o, "sd_evaluation");
    q.sd_training = real_of(o, "sd_training");
    q.n = count_of(o, "n");
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(json_array_get(interval, i)))
            q.interval[i] = json_number_value(json_array_get(interval, i));
    return q;
}

static int row_read(const json_t *o, arena *a, quality_row *r)
{
    *r = (quality_row){.cell = string_of(o, "cell", a),
                       .trainings = count_of(o, "trainings"),
                       .trainings_planned = count_of(o, "trainings_planned"),
                       .target = string_of(o, "target", a),
                       .architecture = string_of(o, "architecture", a),
                       .simulations = count_of(o, "simulations")};
    for (size_t k = 0; k < N_QUALITIES; k++)
        r->number[k] = number_read(json_object_get(o, QUALITIES[k].key), a);
    return r->target && r->architecture
               ? NRE_OK
               : fail(NRE_EDATA, "a row has no target or no architecture");
}

int quality_table_read(const char *path, arena *a, quality_table *out)
{
    json_t *o = NULL;
    int status = json_load_path(path, (size_t)64 << 20, &o);
    const json_t *rows = json_object_get(o, "rows");
    size_t n = json_array_size(rows);
    quality_row *row = arena_alloc(a, n + 1, sizeof *row);

    *out = (quality_table){0};
    if (!status && !row)
        status = fail(NRE_ENOMEM, "out of memory");
    if (!status && !json_is_array(rows))
        status = fail(NRE_EDATA, "this is no quality table: it has no \"rows\"");
    for (size_t i = 0; i < n && !status; i++)
        status = row_read(json_array_get(rows, i), a, &row[i]);
    if (!status)
        *out =
            (quality_table){.title = string_of(o, "title", a), .n_rows = n, .rows = row};
    json_decref(o);
    return status ? fail_within(status, "%s", path) : NRE_OK;
}

/* one row of several trainings */

static double deviation_over(size_t n, const quality_row *const *rows, size_t k,
                             double mean)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (rows[i]->number[k].value - mean) * (rows[i]->number[k].value - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

static void pool_number(size_t n, const quality_row *const *rows, size_t k,
                        quality_number *out)
{
    double sum[5] = {0}, least = INFINITY;

    *out = rows[0]->number[k];
    for (size_t i = 0; i < n; i++) {
        const quality_number *q = &rows[i]->number[k];
        const double each[5] = {q->value, q->error, q->deviation, q->sd_evaluation, 0};
        for (size_t j = 0; j < 4; j++)
            sum[j] += each[j];
        least = fmin(least, q->value);
        out->n = q->n < out->n ? q->n : out->n;
    }
    if (n < 2)
        return;
    out->value = sum[0] / (double)n;
    out->error = sum[1] / (double)n;
    out->deviation = sum[2] / (double)n;
    out->sd_evaluation = sum[3] / (double)n;
    out->sd_training = deviation_over(n, rows, k, out->value);
    if (isfinite(out->value) && QUALITIES[k].kind == P_VALUE) {
        out->value = least;
        out->sd_training = NAN;
    }
    out->interval[0] = out->interval[1] = NAN;
    if (!isfinite(out->value)) {
        *out = quality_missing("one of the trainings has none");
        out->n = 0;
    }
}

void quality_pool(const char *cell, uint64_t planned, size_t n,
                  const quality_row *const *rows, quality_row *out)
{
    *out = *rows[0];
    out->cell = cell;
    out->trainings = n;
    out->trainings_planned = planned;
    for (size_t k = 0; k < N_QUALITIES; k++)
        pool_number(n, rows, k, &out->number[k]);
}

/* text */

/* "±0.008", "±0.008/0.002", "±n/a/0.002": evaluation, then training. */
static const char *spread_text(arena *a, const quality_number *q)
{
    const char *error = number_beside(a, q->error, q->error),
               *training = number_beside(a, q->sd_training, q->sd_training);

    if (!error || !training)
        return NULL;
    if (isfinite(q->sd_training))
        return arena_print(a, " ±%s/%s", error, training);
    return isfinite(q->error) && q->error > 0 ? arena_print(a, " ±%s", error) : "";
}

/* The finest of its spreads says how many digits are worth showing. */
static double fineness(const quality_number *q)
{
    return isfinite(q->error) && q->error > 0               ? q->error
           : isfinite(q->sd_training) && q->sd_training > 0 ? q->sd_training
                                                            : NAN;
}

const char *quality_text(arena *a, quality_kind k, const quality_number *q)
{
    if (!isfinite(q->value))
        return "n/a";
    if (QUALITIES[k].kind == P_VALUE)
        return p_text(a, q->value);
    const char *value = number_beside(a, q->value, fineness(q)),
               *spread = spread_text(a, q);
    const char *around = "";
    if (isfinite(q->deviation) && q->deviation > 0)
        around = arena_print(a, " (%s)", number_beside(a, q->deviation, q->deviation));
    else if (isfinite(q->interval[0]) && isfinite(q->interval[1]))
        around = arena_print(a, " [%.3f, %.3f]", q->interval[0], q->interval[1]);
    return value && spread && around ? arena_print(a, "%s%s%s", value, spread, around)
                                     : NULL;
}

const char *quality_legend(const quality_table *t, arena *a, bool intervals)
{
    uint64_t least = UINT64_MAX, most = 0;
    const char *text = "";

    for (size_t k = 0; k < N_QUALITIES && text; k++)
        if (quality_is_shown(t, (quality_kind)k))
            text = arena_print(a, "%s%s%s", text, *text ? "; " : "", QUALITIES[k].legend);
    for (size_t i = 0; i < t->n_rows; i++) {
        uint64_t n = t->rows[i].number[QUALITY_GAIN].n;
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    const char *n = least >= most ? count_text(a, most)
                                  : arena_print(a, "%s to %s", count_text(a, least),
                                                count_text(a, most));
    if (!text || !n)
        return NULL;
    return arena_print(
        a,
        "%s. After ±: standard error over test pairs%s%s. "
        "Gain of n = %s test pairs; the n of every "
        "number is in quality.csv and quality.json. Simulations: training, "
        "validation, calibration and test together.",
        text,
        compares(t) ? ", then, after the slash, standard deviation over "
                      "independent trainings"
                    : "",
        intervals ? "; in brackets: 99% Clopper-Pearson interval" : "", n);
}

static const char *cell_name(arena *a, const quality_row *r)
{
    coverage_row like = {.cell = r->cell,
                         .trainings = r->trainings,
                         .trainings_planned = r->trainings_planned};

    return coverage_cell_name(a, &like);
}

/* Markdown */

static int rows_markdown(const quality_table *t, sheet *s)
{
    char align[N_QUALITIES + 5] = "lll";
    size_t from = compares(t) ? 0 : 1, n = 3;
    arena *a = s->a;
    columns c;

    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k))
            align[n++] = 'r';
    align[n++] = 'r';
    columns_start(&c, a, n - from, align + from);
    if (!from)
        columns_add(&c, "cell");
    columns_add(&c, "target");
    columns_add(&c, "architecture");
    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k))
            columns_add(&c, markdown_escape(a, QUALITIES[k].heading));
    columns_add(&c, "simulations");
    for (size_t i = 0; i < t->n_rows; i++) {
        const quality_row *r = &t->rows[i];
        if (!from)
            columns_add(&c, markdown_escape(a, cell_name(a, r)));
        columns_add(&c, markdown_escape(a, target_text(a, r->target)));
        columns_add(&c, markdown_escape(a, r->architecture));
        for (size_t k = 0; k < N_QUALITIES; k++)
            if (quality_is_shown(t, (quality_kind)k))
                columns_add(&c, markdown_escape(
                                    a, quality_text(a, (quality_kind)k, &r->number[k])));
        columns_add(&c, count_text(a, r->simulations));
    }
    return columns_markdown(&c, s->out);
}

static int write_markdown(const quality_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Quality: ", s.out);
    markdown_put(s.out, t->title);
    fputs("\n\n", s.out);
    if (t->n_gaps > 0) {
        markdown_put(s.out, gaps_words(s.a, t->n_gaps, t->gaps));
        fputs("\n\n", s.out);
    }
    status = rows_markdown(t, &s);
    fputc('\n', s.out);
    markdown_put(s.out, quality_legend(t, s.a, true));
    fputc('\n', s.out);
    if (!status)
        return sheet_save_in(&s, folder, "quality.md");
    sheet_drop(&s);
    return status;
}

/* LaTeX */

static void number_latex(sheet *s, quality_kind k, const quality_number *q)
{
    arena *a = s->a;

    fputs(" & ", s->out);
    if (!isfinite(q->value) || QUALITIES[k].kind == P_VALUE) {
        latex_put(s->out, quality_text(a, k, q));
        return;
    }
    fputc('$', s->out);
    latex_number_put(s->out, number_beside(a, q->value, fineness(q)));
    if (isfinite(q->sd_training) || (isfinite(q->error) && q->error > 0)) {
        fputs("_{\\scriptscriptstyle\\pm", s->out);
        if (isfinite(q->error))
            latex_number_put(s->out, number_beside(a, q->error, q->error));
        if (isfinite(q->sd_training)) {
            fputc('/', s->out);
            latex_number_put(s->out, number_beside(a, q->sd_training, q->sd_training));
        }
        fputc('}', s->out);
    }
    if (isfinite(q->deviation) && q->deviation > 0) {
        fputs("\\,(", s->out);
        latex_number_put(s->out, number_beside(a, q->deviation, q->deviation));
        fputc(')', s->out);
    }
    fputc('$', s->out);
}

static void body_latex(const quality_table *t, size_t width, sheet *s)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const quality_row *r = &t->rows[i];
        if (i == 0 || strcmp(r->target, t->rows[i - 1].target) != 0) {
            fprintf(s->out, "%s\\multicolumn{%zu}{l}{\\textit{",
                    i ? "\\addlinespace\n" : "", width);
            latex_put(s->out, target_text(s->a, r->target));
            fputs("}} \\\\\n", s->out);
        }
        fputs("\\quad ", s->out);
        if (r->cell) {
            latex_put(s->out, cell_name(s->a, r));
            fputs(" & ", s->out);
        }
        latex_put(s->out, r->architecture);
        for (size_t k = 0; k < N_QUALITIES; k++)
            if (quality_is_shown(t, (quality_kind)k))
                number_latex(s, (quality_kind)k, &r->number[k]);
        fprintf(s->out, " & %s \\\\\n", count_text(s->a, r->simulations));
    }
}

static int write_latex(const quality_table *t, const char *folder)
{
    size_t width = 2u + compares(t);
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n\\caption{",
          s.out);
    latex_put(s.out, t->title);
    fputs(": quality of the estimators. ", s.out);
    latex_put(s.out, quality_legend(t, s.a, false));
    if (t->n_gaps > 0) {
        fputc(' ', s.out);
        latex_put(s.out, gaps_words(s.a, t->n_gaps, t->gaps));
    }
    fputs("}\n\\label{tab:quality}\n\\smallskip\n\\footnotesize\n\\setlength{\\tabcolsep}"
          "{3pt}\n\\makebox[\\textwidth][c]{%\n\\begin{tabular}{l",
          s.out);
    fputs(compares(t) ? "l" : "", s.out);
    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k)) {
            fputc('r', s.out);
            width++;
        }
    fprintf(s.out, "r}\n\\toprule\n%sArchitecture", compares(t) ? "Cell & " : "");
    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k))
            fprintf(s.out, " & %s", QUALITIES[k].latex);
    fputs(" & simulations \\\\\n\\midrule\n", s.out);
    body_latex(t, width, &s);
    fputs("\\bottomrule\n\\end{tabular}}\n\\end{table}\n", s.out);
    return sheet_save_in(&s, folder, "quality.tex");
}

/* CSV: a line a number */

static void number_csv(const quality_row *r, size_t k, FILE *out)
{
    const quality_number *q = &r->number[k];
    const double number[] = {q->value,         q->error,       q->deviation,
                             q->sd_evaluation, q->sd_training, q->interval[0],
                             q->interval[1]};

    if (r->cell) {
        csv_put(out, r->cell);
        fprintf(out, ",%llu,%llu,", (unsigned long long)r->trainings,
                (unsigned long long)r->trainings_planned);
    }
    csv_put(out, r->target);
    fputc(',', out);
    csv_put(out, r->architecture);
    fprintf(out, ",%llu,%s", (unsigned long long)r->simulations, QUALITIES[k].key);
    for (size_t i = 0; i < 7; i++) {
        fputc(',', out);
        exact_put(out, number[i]);
    }
    fprintf(out, ",%llu,", (unsigned long long)q->n);
    csv_put(out, isfinite(q->value) ? "" : q->reason ? q->reason : "it was not computed");
    fputc('\n', out);
}

static int write_csv(const quality_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fprintf(s.out,
            "%starget,architecture,simulations,quantity,value,error,sd,sd_evaluation,"
            "sd_training,interval_low,interval_high,n,reason\n",
            compares(t) ? "cell,trainings,trainings_planned," : "");
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t k = 0; k < N_QUALITIES; k++)
            number_csv(&t->rows[i], k, s.out);
    return sheet_save_in(&s, folder, "quality.csv");
}

int quality_table_write(const quality_table *t, const char *folder)
{
    int status = json_save_in(folder, "quality.json", table_json(t));

    if (!status)
        status = write_markdown(t, folder);
    if (!status)
        status = write_latex(t, folder);
    return status ? status : write_csv(t, folder);
}

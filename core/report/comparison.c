/* report/comparison.c - finished runs side by side: their posteriors, limits and times, from the
 * JSON of each; coverage_table.c has the coverage. */
#include "report/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double real_of(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *word_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static double item_of(const json_t *o, const char *key, size_t i)
{
    const json_t *value = json_array_get(json_object_get(o, key), i);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* tables of text, once for each format */

typedef const char *escape(arena *a, const char *text);

static const char *no_escape(arena *a, const char *text)
{
    return plain_text(a, text);
}

typedef struct writer { /* a table being filled */
    columns columns;
    arena *a;
    escape *escape;
} writer;

static void add(writer *w, const char *text)
{
    columns_add(&w->columns, text ? w->escape(w->a, text) : NULL);
}

/* TEXT is a number or a word; LaTeX sets a minus right in math mode only. */
static const char *number_cell(writer *w, const char *text)
{
    bool plain = w->escape != latex_escape || !text || strpbrk(text, "en") != NULL;

    return plain ? text : arena_print(w->a, "$%s$", text);
}

static void add_number(writer *w, double value, double spread)
{
    columns_add(&w->columns, number_cell(w, number_beside(w->a, value, spread)));
}

static void add_interval(writer *w, const json_t *o, const char *key, double spread)
{
    double low = item_of(o, key, 0), high = item_of(o, key, 1);
    const char *from = number_cell(w, number_beside(w->a, low, spread)),
               *to = number_cell(w, number_beside(w->a, high, spread));
    bool known = isfinite(low) && isfinite(high);

    columns_add(&w->columns, !known       ? "n/a"
                             : from && to ? arena_print(w->a, "%s to %s", from, to)
                                          : NULL);
}

static void start(writer *w, arena *a, escape *how, size_t n, const char *const *heads,
                  const char *align)
{
    *w = (writer){.a = a, .escape = how};
    columns_start(&w->columns, a, n, align);
    for (size_t k = 0; k < n; k++)
        add(w, heads[k]);
}

int columns_latex(const columns *c, FILE *out)
{
    fputs("\\begin{tabular}{", out);
    fputs(c->align, out);
    fputs("}\n\\toprule\n", out);
    for (size_t i = 0; i < c->used; i++) {
        bool last = i % c->n + 1 == c->n;
        fputs(c->cell[i], out);
        fputs(last ? " \\\\\n" : " & ", out);
        fputs(i + 1 == c->n ? "\\midrule\n" : "", out);
    }
    fputs("\\bottomrule\n\\end{tabular}", out);
    return c->failed ? fail(NRE_ENOMEM, "out of memory for a table") : NRE_OK;
}

/* what the tables say */

/* A network that is calibrated, "mlp, platt", stands beside itself: "platt (mlp, platt)". */
static const char *with_estimator(arena *a, const char *cell, const char *estimator)
{
    return cell && estimator && strchr(estimator, ',')
               ? arena_print(a, "%s (%s)", cell, estimator)
               : cell;
}

/* "density,m_wdm/r1": the replicate only where there are several. */
static const char *name_of(arena *a, const json_t *row)
{
    const json_t *replicate = json_object_get(row, "replicate");
    const char *name = word_of(row, "cell");

    if (json_is_integer(replicate))
        name = arena_print(a, "%s/r%lld", name, (long long)json_integer_value(replicate));
    return with_estimator(a, name,
                          json_string_value(json_object_get(row, "architecture")));
}

static const char *believed(const json_t *row)
{
    const char *word = json_string_value(json_object_get(row, "believe"));

    return !word ? "not checked" : strcmp(word, "yes") == 0 ? "yes" : "no";
}

static const char *const PARAMETER_HEADS[] = {
    "cell", "target",  "observation", "parameter", "unit",   "mean",
    "sd",   "68% HDI", "95% HDI",     "MAP",       "believe"};
enum { N_PARAMETER = sizeof PARAMETER_HEADS / sizeof PARAMETER_HEADS[0] };

static void add_parameter(writer *w, const json_t *row, const json_t *p)
{
    double sd = real_of(p, "sd");

    add(w, name_of(w->a, row));
    add(w, target_text(w->a, word_of(row, "target")));
    add(w, word_of(row, "observation"));
    add(w, word_of(p, "name"));
    add(w, word_of(p, "unit"));
    add_number(w, real_of(p, "mean"), sd);
    add_number(w, sd, sd);
    add_interval(w, p, "hdi68", sd);
    add_interval(w, p, "hdi95", sd);
    add_number(w, real_of(p, "map"), sd);
    add(w, believed(row));
}

static void fill_parameters(writer *w, arena *a, escape *how, const json_t *rows)
{
    size_t i, k;
    json_t *row, *p;

    start(w, a, how, N_PARAMETER, PARAMETER_HEADS, "lllllrrrrrl");
    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(row, "parameters"), k, p)
            add_parameter(w, row, p);
}

/* The columns of limits are those that any row has: of each prior two, Wilks, the ratio. */
enum { MOST_WAYS = 16 };
typedef struct limit_heads {
    size_t n, n_priors, n_wilks;
    bool against; /* the log ratio of the best fit to a given value */
    const char *prior[MOST_WAYS];
    double wilks[MOST_WAYS];
    const char *head[6 + 3 * MOST_WAYS];
    char align[7 + 3 * MOST_WAYS];
} limit_heads;

static void find_priors(limit_heads *h, const json_t *limit)
{
    json_t *priors = json_object_get(limit, "priors");

    for (void *at = json_object_iter(priors); at;
         at = json_object_iter_next(priors, at)) {
        size_t k = 0;
        while (k < h->n_priors && strcmp(h->prior[k], json_object_iter_key(at)) != 0)
            k++;
        if (k == h->n_priors && k < MOST_WAYS)
            h->prior[h->n_priors++] = json_object_iter_key(at);
    }
}

static void find_wilks(limit_heads *h, const json_t *limit)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(limit, "wilks"), i, one)
    {
        double threshold = real_of(one, "threshold");
        size_t k = 0;
        while (k < h->n_wilks && h->wilks[k] != threshold)
            k++;
        if (k == h->n_wilks && k < MOST_WAYS && isfinite(threshold))
            h->wilks[h->n_wilks++] = threshold;
    }
}

static void find_heads(limit_heads *h, arena *a, const json_t *rows)
{
    static const char *const FIRST[] = {"cell", "target", "observation", "limit",
                                        "level"};
    size_t i, k;
    json_t *row, *limit;

    *h = (limit_heads){0};
    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(row, "limits"), k, limit)
    {
        find_priors(h, limit);
        find_wilks(h, limit);
        h->against = h->against || isfinite(real_of(limit, "against"));
    }
    for (i = 0; i < 5; i++)
        h->head[h->n++] = FIRST[i];
    for (i = 0; i < h->n_priors; i++) {
        h->head[h->n++] = arena_print(a, "quantile, %s prior", h->prior[i]);
        h->head[h->n++] = arena_print(a, "highest density, %s prior", h->prior[i]);
    }
    for (i = 0; i < h->n_wilks; i++)
        h->head[h->n++] = arena_print(a, "Wilks, %.2f", h->wilks[i]);
    if (h->against)
        h->head[h->n++] = "log ratio of the best fit to";
    memset(h->align, 'r', h->n);
    memset(h->align, 'l', 4);
}

static const json_t *parameter_named(const json_t *row, const char *name)
{
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(row, "parameters"), i, p)
    {
        if (strcmp(word_of(p, "name"), name) == 0)
            return p;
    }
    return NULL;
}

static double wilks_at(const json_t *limit, double threshold)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(limit, "wilks"), i, one)
    {
        if (real_of(one, "threshold") == threshold)
            return real_of(one, "limit");
    }
    return NAN;
}

/* "50: 0.42" */
static void add_against(writer *w, const json_t *limit)
{
    double against = real_of(limit, "against"),
           log_ratio = real_of(limit, "log_ratio_against");

    if (isfinite(against) && isfinite(log_ratio))
        add(w, arena_print(w->a, "%g: %.2f", against, log_ratio));
    else
        columns_add(&w->columns, "n/a");
}

/* A region that reaches the edge of the prior gives none. */
static void add_bound(writer *w, double value, double spread)
{
    if (isfinite(value))
        add_number(w, value, spread);
    else
        columns_add(&w->columns, "none");
}

static void add_limit(writer *w, const limit_heads *h, const json_t *row,
                      const json_t *limit)
{
    const char *name = word_of(limit, "parameter"), *unit = word_of(limit, "unit");
    double sd = real_of(parameter_named(row, name), "sd");
    const json_t *priors = json_object_get(limit, "priors");

    add(w, name_of(w->a, row));
    add(w, target_text(w->a, word_of(row, "target")));
    add(w, word_of(row, "observation"));
    add(w, arena_print(w->a, "%s %s%s%s%s", name,
                       strcmp(word_of(limit, "side"), "upper") == 0 ? "<" : ">",
                       *unit ? " [" : "", unit, *unit ? "]" : ""));
    add(w, level_text(w->a, real_of(limit, "level")));
    for (size_t k = 0; k < h->n_priors; k++) {
        const json_t *under = json_object_get(priors, h->prior[k]);
        add_bound(w, real_of(under, "quantile"), sd);
        add_bound(w, real_of(under, "hpd_edge"), sd);
    }
    for (size_t k = 0; k < h->n_wilks; k++)
        add_bound(w, wilks_at(limit, h->wilks[k]), sd);
    if (h->against)
        add_against(w, limit);
}

/* False when no row has a limit. */
static bool fill_limits(writer *w, arena *a, escape *how, const json_t *rows)
{
    limit_heads *h = arena_alloc(a, 1, sizeof *h);
    size_t i, k, n = 0;
    json_t *row, *limit;

    if (!h)
        return false;
    find_heads(h, a, rows);
    start(w, a, how, h->n, h->head, h->align);
    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(row, "limits"), k, limit)
    {
        add_limit(w, h, row, limit);
        n++;
    }
    return n > 0;
}

static const char *const STAGES[] = {"simulate", "train", "infer", "diagnose"};
enum { N_STAGES = sizeof STAGES / sizeof STAGES[0] };

/* A line for each run: rows of one run follow each other. */
static void fill_times(writer *w, arena *a, escape *how, const json_t *rows)
{
    static const char *const HEADS[] = {"cell",      "simulate [s]", "train [s]",
                                        "infer [s]", "diagnose [s]", "altogether [s]"};
    size_t n = json_array_size(rows);

    start(w, a, how, 6, HEADS, "lrrrrr");
    for (size_t i = 0, to; i < n; i = to) {
        const char *name = name_of(a, json_array_get(rows, i)), *other;
        double seconds[N_STAGES] = {0}, total = 0;
        for (to = i; name && to < n; to++) {
            const json_t *row = json_array_get(rows, to);
            if (!(other = name_of(a, row)) || strcmp(other, name) != 0)
                break;
            for (size_t k = 0; k < N_STAGES; k++)
                if (strcmp(word_of(row, "stage"), STAGES[k]) == 0 &&
                    isfinite(real_of(row, "seconds")))
                    seconds[k] += real_of(row, "seconds");
        }
        to = to > i ? to : i + 1;
        add(w, name);
        for (size_t k = 0; k < N_STAGES; k++) {
            columns_add(&w->columns, number_text(a, seconds[k], 1));
            total += seconds[k];
        }
        columns_add(&w->columns, number_text(a, total, 1));
    }
}

/* Markdown and LaTeX */

static const char POSTERIOR_LEGEND[] =
    "Mean and standard deviation (sd) of the posterior; HDI: shortest interval of that "
    "mass; "
    "MAP: maximum of the posterior density of all parameters of the target together; "
    "believe: "
    "whether the posterior passed its checks, which the page of its run explains.";
static const char TIME_LEGEND[] = "Seconds of each stage. Simulations that cells share "
                                  "count in the cell that drew them; what "
                                  "an earlier run left counts as it took then.";

static void put_gaps(sheet *s, const comparison *c)
{
    const char *words = gaps_words(s->a, c->n_gaps, c->gaps);

    if (!words)
        return;
    markdown_put(s->out, words);
    fputs("\n\n", s->out);
}

static int save_or_drop(sheet *s, int status, const char *folder, const char *name)
{
    if (!status)
        return sheet_save_in(s, folder, name);
    sheet_drop(s);
    return status;
}

static int posterior_markdown(const comparison *c, const char *folder)
{
    writer w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Posteriors: ", s.out);
    markdown_put(s.out, c->title);
    fputs("\n\n", s.out);
    put_gaps(&s, c);
    fill_parameters(&w, s.a, markdown_escape, c->posterior);
    status = columns_markdown(&w.columns, s.out);
    if (!status && fill_limits(&w, s.a, markdown_escape, c->posterior)) {
        fputs("\n## Limits\n\n", s.out);
        status = columns_markdown(&w.columns, s.out);
    }
    fprintf(s.out, "\n%s\n", POSTERIOR_LEGEND);
    return save_or_drop(&s, status, folder, "posterior.md");
}

static int time_markdown(const comparison *c, const char *folder)
{
    writer w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Time: ", s.out);
    markdown_put(s.out, c->title);
    fputs("\n\n", s.out);
    put_gaps(&s, c);
    fill_times(&w, s.a, markdown_escape, c->timing);
    status = columns_markdown(&w.columns, s.out);
    fprintf(s.out, "\n%s\n", TIME_LEGEND);
    return save_or_drop(&s, status, folder, "timing.md");
}

static int put_latex(sheet *s, const comparison *c, const writer *w, const char *what,
                     const char *label, const char *legend)
{
    const char *words = gaps_words(s->a, c->n_gaps, c->gaps);

    fputs("\\begin{table}\n\\centering\n\\caption{", s->out);
    latex_put(s->out, c->title);
    fprintf(s->out, ": %s. ", what);
    latex_put(s->out, legend);
    if (words) {
        fputc(' ', s->out);
        latex_put(s->out, words);
    }
    fprintf(s->out,
            "}\n\\label{tab:%s}\n\\smallskip\n\\footnotesize\n"
            "\\setlength{\\tabcolsep}{3pt}\n\\makebox[\\textwidth][c]{%%\n",
            label);
    int status = columns_latex(&w->columns, s->out);
    fputs("}\n\\end{table}\n", s->out);
    return status;
}

static int posterior_latex(const comparison *c, const char *folder)
{
    writer w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("% Needs \\usepackage{booktabs}.\n", s.out);
    fill_parameters(&w, s.a, latex_escape, c->posterior);
    status = put_latex(&s, c, &w, "posteriors", "posterior", POSTERIOR_LEGEND);
    if (!status && fill_limits(&w, s.a, latex_escape, c->posterior))
        status =
            put_latex(&s, c, &w, "limits", "limits",
                      "Each by quantile and by highest density under a prior, and by "
                      "the likelihood ratio at a threshold (Wilks).");
    return save_or_drop(&s, status, folder, "posterior.tex");
}

static int time_latex(const comparison *c, const char *folder)
{
    writer w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("% Needs \\usepackage{booktabs}.\n", s.out);
    fill_times(&w, s.a, latex_escape, c->timing);
    status = put_latex(&s, c, &w, "time", "timing", TIME_LEGEND);
    return save_or_drop(&s, status, folder, "timing.tex");
}

/* CSV: every number and word of the JSON has a column, those of later versions too */

/* As in the CSV of a run: "q0.025". */
static const char *flat_key(arena *a, const char *prefix, const char *name)
{
    if (strcmp(prefix, "quantiles") == 0)
        return arena_print(a, "q%s", name);
    return *prefix ? arena_print(a, "%s_%s", prefix, name) : name;
}

/* Add to FLAT what VALUE says below PREFIX; lists of two are bounds, longer ones have numbers. */
static void flatten(json_t *flat, const char *prefix, json_t *value, arena *a)
{
    size_t i;
    const char *name;
    json_t *item;

    if (json_is_object(value))
        json_object_foreach(value, name, item)
        {
            const char *key = flat_key(a, prefix, name);
            flatten(flat, key ? key : "", item, a);
        }
    else if (json_is_array(value))
        json_array_foreach(value, i, item)
        {
            bool bounds = json_array_size(value) == 2 && !json_is_object(item);
            const char *key =
                bounds ? arena_print(a, "%s_%s", prefix, i == 0 ? "low" : "high")
                       : arena_print(a, "%s_%zu", prefix, i + 1);
            flatten(flat, key ? key : "", item, a);
        }
    else
        json_object_set(flat, prefix, value);
}

/* What ROW says, without its lists, then what PART, one item of a list, says; flat. */
static json_t *flat_row(json_t *row, json_t *part, const char *part_name, arena *a)
{
    static const char *const LISTS[] = {"parameters", "limits", "reason"};
    json_t *flat = json_object(), *rest = json_copy(row), *own = json_object();

    for (size_t i = 0; i < 3; i++)
        json_object_del(rest, LISTS[i]);
    flatten(flat, "", rest, a);
    flatten(own, "", part, a);
    json_t *name = json_object_get(own, "name");
    if (part && name)
        json_object_set(flat, part_name, name);
    json_object_del(own, "name");
    if (part)
        json_object_update(flat, own);
    json_decref(rest);
    json_decref(own);
    return flat;
}

static void csv_value(FILE *out, const json_t *value)
{
    if (json_is_string(value))
        csv_put(out, json_string_value(value));
    else if (json_is_integer(value))
        fprintf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "true" : "false", out);
    else
        exact_put(out, json_is_number(value) ? json_number_value(value) : NAN);
}

/* All rows with the columns of any, in the order of their first appearance. */
static int write_csv(const json_t *flat, const char *folder, const char *name)
{
    json_t *all = json_object(), *row;
    size_t i;
    sheet s;
    int status = sheet_open(&s);

    json_array_foreach(flat, i, row) json_object_update_missing(all, row);
    if (status) {
        json_decref(all);
        return status;
    }
    const char *comma = "";
    for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at)) {
        fputs(comma, s.out);
        csv_put(s.out, json_object_iter_key(at));
        comma = ",";
    }
    fputc('\n', s.out);
    json_array_foreach(flat, i, row)
    {
        comma = "";
        for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at)) {
            fputs(comma, s.out);
            csv_value(s.out, json_object_get(row, json_object_iter_key(at)));
            comma = ",";
        }
        fputc('\n', s.out);
    }
    json_decref(all);
    return sheet_save_in(&s, folder, name);
}

/* As in the limits.csv of a run: a line for each way to a limit, ONE, whose limit is VALUE. */
static json_t *limit_line(const json_t *row, const json_t *limit, const char *by,
                          const char *prior, const json_t *one, const json_t *value)
{
    static const char *const OF_ROW[] = {"cell",         "replicate", "target",
                                         "architecture", "method",    "observation"},
                             *const OF_LIMIT[] = {"parameter", "unit", "side", "level"},
                             *const LAST[] = {"best_fit", "against", "log_ratio_against"};
    json_t *o = json_object();

    for (size_t i = 0; i < 6; i++)
        if (json_object_get(row, OF_ROW[i]))
            json_object_set(o, OF_ROW[i], json_object_get(row, OF_ROW[i]));
    for (size_t i = 0; i < 4; i++)
        json_object_set(o, OF_LIMIT[i], json_object_get(limit, OF_LIMIT[i]));
    json_object_set_new(o, "by", json_text(by));
    json_object_set_new(o, "prior", json_text(prior));
    json_object_set_new(o, "threshold", json_number(real_of(one, "threshold")));
    json_object_set_new(o, "limit", json_deep_copy(value));
    for (size_t i = 0; i < 3; i++)
        json_object_set(o, LAST[i], json_object_get(limit, LAST[i]));
    json_object_set_new(o, "reason",
                        json_text(json_is_null(value) ? word_of(one, "reason") : ""));
    return o;
}

static void limit_lines(json_t *flat, const json_t *row, const json_t *limit)
{
    static const char *const WAYS[] = {"quantile", "hpd_edge"};
    json_t *priors = json_object_get(limit, "priors"), *one;
    const char *prior;
    size_t i;

    json_object_foreach(priors, prior, one)
    {
        for (size_t k = 0; k < 2; k++)
            json_array_append_new(flat, limit_line(row, limit, WAYS[k], prior, one,
                                                   json_object_get(one, WAYS[k])));
    }
    json_array_foreach(json_object_get(limit, "wilks"), i, one) json_array_append_new(
        flat, limit_line(row, limit, "wilks", "", one, json_object_get(one, "limit")));
}

static int limits_csv_of(const json_t *rows, const char *folder)
{
    json_t *flat = json_array(), *row, *limit;
    size_t i, k;

    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(row, "limits"), k, limit)
            limit_lines(flat, row, limit);
    int status = flat ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a table");
    if (!status && json_array_size(flat) > 0)
        status = write_csv(flat, folder, "limits.csv");
    else if (!status)
        limits_csv_remove(folder);
    json_decref(flat);
    return status;
}

/* Rows of the list KEY of each row, or the rows themselves (KEY NULL). */
static int csv_of(const json_t *rows, const char *key, const char *part_name,
                  const char *folder, const char *name)
{
    json_t *flat = json_array(), *row, *part;
    arena *a = arena_new();
    size_t i, k;
    int status = NRE_OK;

    if (!flat || !a)
        status = fail(NRE_ENOMEM, "out of memory for a table");
    json_array_foreach(rows, i, row)
    {
        if (!status && !key)
            json_array_append_new(flat, flat_row(row, NULL, "", a));
        json_array_foreach(key ? json_object_get(row, key) : NULL, k, part) if (!status)
            json_array_append_new(flat, flat_row(row, part, part_name, a));
    }
    if (!status && (!key || json_array_size(flat) > 0))
        status = write_csv(flat, folder, name);
    json_decref(flat);
    arena_free(a);
    return status;
}

/* all formats */

static int write_json(const comparison *c, const json_t *rows, const char *folder,
                      const char *name)
{
    json_t *all =
        json_pack("{s:o s:b s:o s:O}", "title", json_text(c->title), "partial",
                  c->n_gaps > 0, "gaps", gaps_json(c->n_gaps, c->gaps), "rows", rows);

    return json_save_in(folder, name, all);
}

static int write_posterior(const comparison *c, const char *folder)
{
    int status = write_json(c, c->posterior, folder, "posterior.json");

    if (!status)
        status = posterior_markdown(c, folder);
    if (!status)
        status = posterior_latex(c, folder);
    if (!status)
        status = csv_of(c->posterior, "parameters", "parameter", folder, "posterior.csv");
    return status ? status : limits_csv_of(c->posterior, folder);
}

static int write_times(const comparison *c, const char *folder)
{
    int status = write_json(c, c->timing, folder, "timing.json");

    if (!status)
        status = time_markdown(c, folder);
    if (!status)
        status = time_latex(c, folder);
    return status ? status : csv_of(c->timing, NULL, "", folder, "timing.csv");
}

/* The json of a table of ours, which tells that its neighbours are ours, too. */
static bool is_ours(const char *path)
{
    json_t *j = path ? json_load_file(path, 0, NULL) : NULL;
    bool ours = json_is_object(j) && json_is_array(json_object_get(j, "rows"));

    json_decref(j);
    return ours;
}

/* What an earlier comparison wrote and this one does not. */
static int remove_table(const char *folder, const char *name)
{
    static const char *const ENDINGS[] = {"md", "tex", "csv", "json"};
    arena *a = arena_new();
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a table");
    bool ours = !status && is_ours(arena_print(a, "%s/%s.json", folder, name));

    for (size_t i = 0; i < 4 && ours && !status; i++) {
        const char *path = arena_print(a, "%s/%s.%s", folder, name, ENDINGS[i]);
        if (!path)
            status = fail(NRE_ENOMEM, "out of memory for a table");
        else if (unlink(path) && errno != ENOENT)
            status = fail(NRE_EIO, "cannot remove '%s': %s", path, strerror(errno));
    }
    arena_free(a);
    return status;
}

static int remove_posterior(const char *folder)
{
    arena *a = arena_new();

    if (a && is_ours(arena_print(a, "%s/posterior.json", folder)))
        limits_csv_remove(folder);
    arena_free(a);
    return remove_table(folder, "posterior");
}

int comparison_write(const comparison *c, const char *folder)
{
    int status = folder_make(folder);

    if (!status)
        status = c->coverage.n_rows > 0 ? coverage_table_write(&c->coverage, folder)
                                        : remove_table(folder, "coverage");
    if (!status)
        status = c->paired.n_rows > 0 ? paired_table_write(&c->paired, folder)
                                      : remove_table(folder, "paired");
    if (!status)
        status = c->quality.n_rows > 0 ? quality_table_write(&c->quality, folder)
                                       : remove_table(folder, "quality");
    if (!status)
        status = c->checks.n_rows > 0 ? checks_table_write(&c->checks, folder)
                                      : remove_table(folder, "checks");
    if (!status)
        status = json_array_size(c->posterior) > 0 ? write_posterior(c, folder)
                                                   : remove_posterior(folder);
    return status ? status : write_times(c, folder);
}

/* What single tables lack, in a sentence each. */
typedef struct lack {
    const char *table;
    size_t n;
    const table_gap *gaps; /* beyond those of the whole comparison */
} lack;
enum { N_LACKS = 4 };

static lack lack_of(const comparison *c, const char *table, size_t rows, size_t n,
                    const table_gap *gaps)
{
    bool any = rows > 0 && n > c->n_gaps;

    return (lack){table, any ? n - c->n_gaps : 0, any ? gaps + c->n_gaps : NULL};
}

static const char *lack_words(const comparison *c, arena *a, size_t which)
{
    const lack all[N_LACKS] = {
        lack_of(c, "coverage", c->coverage.n_rows, c->coverage.n_gaps, c->coverage.gaps),
        lack_of(c, "quality", c->quality.n_rows, c->quality.n_gaps, c->quality.gaps),
        lack_of(c, "checks", c->checks.n_rows, c->checks.n_gaps, c->checks.gaps),
        lack_of(c, "paired", 1, c->paired.n_gaps, c->paired.gaps)};
    const lack *l = &all[which];
    const char *text = gaps_list(a, l->n, l->gaps);

    return l->n && text ? arena_print(a, "The table %s lacks %s.", l->table, text) : NULL;
}

/* a line each, for a terminal */

static int print_coverage(const coverage_table *t, arena *a, FILE *out)
{
    coverage_column *column;
    size_t n;
    writer w;
    int status = coverage_columns(t, a, &n, &column);
    char *align = status ? NULL : arena_alloc(a, n + 4, 1);
    const char **heads = status ? NULL : arena_alloc(a, n + 3, sizeof *heads);

    if (!align || !heads)
        return status ? status : fail(NRE_ENOMEM, "out of memory for a table");
    memset(align, 'r', n + 3);
    align[0] = align[1] = 'l';
    heads[0] = "cell";
    heads[1] = "target";
    for (size_t k = 0; k < n; k++)
        heads[k + 2] = arena_print(a, "%s %s", level_text(a, column[k].level),
                                   region_short(column[k].region));
    heads[n + 2] = "gain [nats]";
    start(&w, a, no_escape, n + 3, heads, align);
    for (size_t i = 0; i < t->n_rows; i++) {
        const coverage_row *r = &t->rows[i];
        add(&w, with_estimator(a, coverage_cell_name(a, r), r->architecture));
        add(&w, target_text(a, r->target));
        for (size_t k = 0; k < n; k++)
            add(&w, coverage_cell_text(a, coverage_cell_at(r, &column[k])));
        add(&w, coverage_gain_text(a, r));
    }
    fputs(
        "Coverage (CR: credible region, CL: confidence set; † below nominal) and gain:\n",
        out);
    return columns_plain(&w.columns, out, "  ");
}

/* Titles of the failing checks of the rows FROM .. TO - 1; NULL: none fails. */
static const char *failing(const checks_table *t, arena *a, size_t from, size_t to)
{
    const char *text = NULL;

    for (size_t i = from; i < to; i++) {
        const check_row *r = &t->rows[i];
        if (!check_is(r, "fails") || r->beside)
            continue;
        const char *one = r->target && strcmp(r->target, "all") != 0
                              ? arena_print(a, "%s (%s)", check_title(r->name), r->target)
                              : check_title(r->name);
        text = text ? arena_print(a, "%s; %s", text, one) : one;
    }
    return text;
}

/* A line a run in which a check fails. */
static void print_checks(const checks_table *t, arena *a, FILE *out)
{
    const char *head = "\nChecks that fail, with what to do in checks.md:\n";

    for (size_t i = 0, to; i < t->n_rows; i = to) {
        for (to = i + 1;
             to < t->n_rows && strcmp(t->rows[to].cell, t->rows[i].cell) == 0;)
            to++;
        const char *text = failing(t, a, i, to);
        if (!text)
            continue;
        fprintf(out, "%s  %s: ", head, plain_text(a, t->rows[i].cell));
        fprintf(out, "%s\n", plain_text(a, text));
        head = "";
    }
}

static int print_posterior(const comparison *c, arena *a, FILE *out)
{
    writer w;

    fill_parameters(&w, a, no_escape, c->posterior);
    fputs("\nPosteriors:\n", out);
    int status = columns_plain(&w.columns, out, "  ");
    if (!status && fill_limits(&w, a, no_escape, c->posterior)) {
        fputs("\nLimits:\n", out);
        status = columns_plain(&w.columns, out, "  ");
    }
    return status;
}

int comparison_print(const comparison *c, FILE *out)
{
    arena *a = arena_new();
    int status = a ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a table");
    const char *words = status ? NULL : gaps_words(a, c->n_gaps, c->gaps);

    if (!status && c->coverage.n_rows > 0)
        status = print_coverage(&c->coverage, a, out);
    if (!status && c->paired.n_rows > 0)
        status = paired_print(&c->paired, a, out);
    if (!status)
        print_checks(&c->checks, a, out);
    if (!status && json_array_size(c->posterior) > 0)
        status = print_posterior(c, a, out);
    if (words)
        fprintf(out, "\n%s\n", plain_text(a, words));
    for (size_t i = 0; i < N_LACKS && !status; i++)
        if ((words = lack_words(c, a, i)))
            fprintf(out, "\n%s\n", plain_text(a, words));
    arena_free(a);
    return status;
}

/* the page */

static void put_link(sheet *p, const char *base, const comparison_link *l)
{
    fputs("<tr><td class=\"t\">", p->out);
    if (l->page) {
        fputs("<a href=\"", p->out);
        link_put(p->out, base);
        link_put(p->out, l->page);
        fputs("\">", p->out);
    }
    html_put(p->out, l->name);
    fputs(l->page ? "</a></td>" : "</td>", p->out);
    page_tag(p->out, "td", "t wide", l->state);
    fputs("</tr>\n", p->out);
}

static void put_tables(const comparison *c, sheet *p)
{
    static const char *const TABLES[] = {"coverage", "quality",   "checks",
                                         "paired",   "posterior", "timing"},
                             *const FORMATS[] = {"md", "tex", "csv", "json"};
    const bool is_there[] = {c->coverage.n_rows > 0,
                             c->quality.n_rows > 0,
                             c->checks.n_rows > 0,
                             c->paired.n_rows > 0,
                             json_array_size(c->posterior) > 0,
                             true};

    fputs("<p>Tables:", p->out);
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 4 && is_there[i]; k++) {
            fprintf(p->out, "%s<a href=\"", k == 0 ? (i == 0 ? " " : "; ") : ", ");
            link_put(p->out, c->base);
            fprintf(p->out, "tables/%s.%s\">%s%s</a>", TABLES[i], FORMATS[k],
                    k == 0 ? TABLES[i] : "", k == 0 ? ".md" : FORMATS[k]);
        }
    fputs("</p>\n", p->out);
}

static void put_links(const comparison *c, sheet *p)
{
    fputs("<section>\n<h2>Runs</h2>\n<div class=\"scroll\"><table>\n<tbody>\n", p->out);
    for (size_t i = 0; i < c->n_links; i++)
        put_link(p, c->base, &c->links[i]);
    fputs("</tbody></table></div>\n", p->out);
    if (c->tables)
        put_tables(c, p);
    fputs("</section>\n", p->out);
}

static int put_section(sheet *p, const char *title, const writer *w, const char *legend)
{
    fputs("<section>\n", p->out);
    page_tag(p->out, "h2", NULL, title);
    fputs("\n<div class=\"loose\">\n", p->out);
    int status = page_columns(&w->columns, p->out);
    fputs("</div>\n", p->out);
    page_tag(p->out, "p", "legend", legend);
    fputs("\n</section>\n", p->out);
    return status;
}

static int put_body(const comparison *c, sheet *p)
{
    const char *words = gaps_words(p->a, c->n_gaps, c->gaps);
    int status = NRE_OK;
    writer w;

    if (words)
        page_tag(p->out, "p", "verdict bad", words);
    for (size_t i = 0; i < N_LACKS; i++)
        if ((words = lack_words(c, p->a, i)))
            page_tag(p->out, "p", "verdict bad", words);
    put_links(c, p);
    if (c->coverage.n_rows > 0)
        status = page_coverage(&c->coverage, p);
    if (!status && c->figure)
        status = page_figure(
            p, c->figure,
            "Gain over the prior, the largest first, and coverage of the regions of "
            "each level with 99% intervals; dashed: the level itself. Left of it "
            "regions are too narrow, right of it too wide.");
    if (!status && c->paired.n_rows > 0)
        status = paired_html(&c->paired, p);
    if (!status && c->quality.n_rows > 0)
        status = page_quality(&c->quality, p);
    if (!status && c->checks.n_rows > 0)
        status = page_checks(&c->checks, p);
    if (!status && json_array_size(c->posterior) > 0) {
        fill_parameters(&w, p->a, html_escape, c->posterior);
        status = put_section(p, "Posteriors", &w, POSTERIOR_LEGEND);
    }
    if (!status && fill_limits(&w, p->a, html_escape, c->posterior))
        status = put_section(p, "Limits", &w, "");
    if (!status) {
        fill_times(&w, p->a, html_escape, c->timing);
        status = put_section(p, "Time", &w, TIME_LEGEND);
    }
    fputs("</main>\n</body>\n</html>\n", p->out);
    return status;
}

int comparison_page(const comparison *c, const char *path)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    page_head(&p, c->title, arena_print(p.a, "%zu runs", c->n_links));
    status = put_body(c, &p);
    if (!status)
        return sheet_save(&p, path);
    sheet_drop(&p);
    return status;
}

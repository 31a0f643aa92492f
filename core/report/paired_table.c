/* report/paired_table.c - cells beside the best of their target, test pair by test pair. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char LEGEND[] = "Each cell beside the best of its target, the one with the "
                             "highest gain, on the same test "
                             "pairs: the difference of their gains with its standard "
                             "error over the pairs and, behind the "
                             "slash, over trainings. p: how often a difference as large "
                             "comes of the choice of test pairs "
                             "alone (paired t-test); it knows neither of other trainings "
                             "nor of how many cells there are. "
                             "Coverage: this cell's minus the best's, of the first "
                             "training of each, with McNemar's exact "
                             "p. Cells with other test sets are not compared.";

static bool is_best(const paired_row *r)
{
    return strcmp(r->cell, r->best) == 0;
}

/* JSON */

static json_t *levels_json(const paired_row *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_levels; i++)
        json_array_append_new(list, json_pack("{s:f s:o s:o}", "level",
                                              r->levels[i].level, "difference",
                                              json_number(r->levels[i].difference),
                                              "p_value", json_number(r->levels[i].p)));
    return list;
}

static json_t *row_json(const paired_row *r)
{
    json_t *o = json_pack(
        "{s:o s:o s:o s:I s:I s:o s:o s:o s:o s:o s:o s:o s:o}", "target",
        json_text(r->target), "cell", json_text(r->cell), "best", json_text(r->best),
        "trainings", (json_int_t)r->trainings, "n", (json_int_t)r->n, "gain",
        json_number(r->gain), "difference", json_number(r->difference), "error",
        json_number(r->error), "error_training", json_number(r->error_training), "z",
        json_number(r->z), "p_value", json_number(r->p), "p_flip", json_number(r->p_flip),
        "coverage", levels_json(r));

    if (o && is_best(r))
        json_object_set_new(o, "reason",
                            json_text("the best has nothing to differ from"));
    else if (o && !isfinite(r->error_training))
        json_object_set_new(o, "reason",
                            json_text("one training shows no spread of trainings"));
    return o;
}

static json_t *table_json(const paired_table *t)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < t->n_rows; i++)
        json_array_append_new(rows, row_json(&t->rows[i]));
    return json_pack("{s:o s:b s:o s:o}", "title", json_text(t->title), "partial",
                     t->n_gaps > 0, "gaps", gaps_json(t->n_gaps, t->gaps), "rows", rows);
}

/* CSV */

static int write_csv(const paired_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("target,cell,best,trainings,n,gain,difference,error,error_training,z,p_value,"
          "p_flip,level,coverage_difference,coverage_p_value\n",
          s.out);
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t k = 0; k == 0 || k < t->rows[i].n_levels; k++) {
            const paired_row *r = &t->rows[i];
            bool level = k < r->n_levels;
            const double numbers[] = {r->gain,
                                      r->difference,
                                      r->error,
                                      r->error_training,
                                      r->z,
                                      r->p,
                                      r->p_flip,
                                      level ? r->levels[k].level : NAN,
                                      level ? r->levels[k].difference : NAN,
                                      level ? r->levels[k].p : NAN};
            const char *const words[] = {r->target, r->cell, r->best};
            for (size_t j = 0; j < 3; j++) {
                csv_put(s.out, words[j]);
                fputc(',', s.out);
            }
            fprintf(s.out, "%llu,%llu", (unsigned long long)r->trainings,
                    (unsigned long long)r->n);
            for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++) {
                fputc(',', s.out);
                exact_put(s.out, numbers[j]);
            }
            fputc('\n', s.out);
        }
    return sheet_save_in(&s, folder, "paired.csv");
}

/* tables of text */

static const char *signed_text(arena *a, double value, double spread)
{
    const char *text = number_beside(a, value, spread);

    return text && isfinite(value) && value > 0 ? arena_print(a, "+%s", text) : text;
}

/* "-0.031 ±0.004/0.010", "best" */
static const char *difference_text(arena *a, const paired_row *r)
{
    if (is_best(r))
        return "best";
    const char *value = signed_text(a, r->difference, r->error),
               *error = number_beside(a, r->error, r->error);
    if (!value || !error || !isfinite(r->difference))
        return value;
    if (!isfinite(r->error_training))
        return arena_print(a, "%s ±%s", value, error);
    const char *training = number_beside(a, r->error_training, r->error);
    return training ? arena_print(a, "%s ±%s/%s", value, error, training) : NULL;
}

static const paired_level *level_of(const paired_row *r, double level)
{
    for (size_t i = 0; i < r->n_levels; i++)
        if (r->levels[i].level == level)
            return &r->levels[i];
    return NULL;
}

/* "+0.012 (p = 0.03)" */
static const char *coverage_text(arena *a, const paired_row *r, double level)
{
    const paired_level *l = level_of(r, level);

    if (is_best(r))
        return "";
    if (!l || !isfinite(l->difference))
        return "n/a";
    const char *p = p_text(a, l->p);
    return p ? arena_print(a, "%+.3f (p %s%s)", l->difference, *p == '<' ? "" : "= ", p)
             : NULL;
}

static size_t find_levels(const paired_table *t, double *level, size_t most)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t k = 0; k < t->rows[i].n_levels; k++) {
            size_t at = 0;
            while (at < n && level[at] != t->rows[i].levels[k].level)
                at++;
            if (at == n && n < most)
                level[n++] = t->rows[i].levels[k].level;
        }
    return n;
}

enum { FIXED = 6, MOST_LEVELS = 8 };

typedef const char *escape(arena *a, const char *text);

/* A minus is no hyphen: LaTeX knows them apart by the character. */
static const char *with_minus(arena *a, const char *text)
{
    char *out = arena_alloc(a, 3 * strlen(text) + 1, 1), *at = out;

    for (; out && *text; text++)
        if (*text == '-') {
            at = stpcpy(at, "\u2212");
        } else
            *at++ = *text;
    return out;
}

static void add(columns *w, escape *how, const char *text)
{
    columns_add(w, text ? how(w->a, text) : NULL);
}

static void add_number(columns *w, escape *how, const char *text)
{
    add(w, how, text && how == latex_escape ? with_minus(w->a, text) : text);
}

static void fill(columns *w, arena *a, escape *how, const paired_table *t)
{
    static const char *const HEADS[FIXED] = {"cell",           "target", "gain [nats]",
                                             "minus the best", "p",      "pairs"};
    double level[MOST_LEVELS];
    size_t n = find_levels(t, level, MOST_LEVELS);
    char *align = arena_alloc(a, FIXED + MOST_LEVELS + 1, 1);

    if (!align) {
        *w = (columns){.a = a, .failed = true};
        return;
    }
    memset(align, 'r', FIXED + n);
    align[0] = align[1] = 'l';
    columns_start(w, a, FIXED + n, align);
    for (size_t k = 0; k < FIXED; k++)
        add(w, how, HEADS[k]);
    for (size_t k = 0; k < n; k++)
        add(w, how, arena_print(a, "coverage at %s", level_text(a, level[k])));
    for (size_t i = 0; i < t->n_rows; i++) {
        const paired_row *r = &t->rows[i];
        add(w, how, r->cell);
        add(w, how, target_text(a, r->target));
        add_number(w, how, number_text(a, r->gain, 3));
        add_number(w, how, difference_text(a, r));
        add_number(w, how, is_best(r) ? "" : p_text(a, r->p));
        add_number(w, how, count_text(a, r->n));
        for (size_t k = 0; k < n; k++)
            add_number(w, how, coverage_text(a, r, level[k]));
    }
}

static int write_markdown(const paired_table *t, const char *folder)
{
    columns w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    const char *words = gaps_words(s.a, t->n_gaps, t->gaps);
    fputs("# Cells compared pair by pair: ", s.out);
    markdown_put(s.out, t->title);
    fputs("\n\n", s.out);
    if (words) {
        markdown_put(s.out, words);
        fputs("\n\n", s.out);
    }
    fill(&w, s.a, markdown_escape, t);
    status = columns_markdown(&w, s.out);
    fprintf(s.out, "\n%s\n", LEGEND);
    if (!status)
        return sheet_save_in(&s, folder, "paired.md");
    sheet_drop(&s);
    return status;
}

static int write_latex(const paired_table *t, const char *folder)
{
    columns w;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    const char *words = gaps_words(s.a, t->n_gaps, t->gaps);
    fill(&w, s.a, latex_escape, t);
    fputs("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n\\caption{",
          s.out);
    latex_put(s.out, t->title);
    fputs(": cells compared pair by pair. ", s.out);
    latex_put(s.out, LEGEND);
    if (words) {
        fputc(' ', s.out);
        latex_put(s.out, words);
    }
    fputs("}\n\\label{tab:paired}\n\\smallskip\n\\footnotesize\n"
          "\\setlength{\\tabcolsep}{3pt}\n\\makebox[\\textwidth][c]{%\n",
          s.out);
    status = columns_latex(&w, s.out);
    fputs("}\n\\end{table}\n", s.out);
    if (!status)
        return sheet_save_in(&s, folder, "paired.tex");
    sheet_drop(&s);
    return status;
}

int paired_table_write(const paired_table *t, const char *folder)
{
    int status = json_save_in(folder, "paired.json", table_json(t));

    if (!status)
        status = write_markdown(t, folder);
    if (!status)
        status = write_latex(t, folder);
    return status ? status : write_csv(t, folder);
}

int paired_print(const paired_table *t, arena *a, FILE *out)
{
    columns w;

    fill(&w, a, plain_text, t);
    fputs("\nPair by pair, on the same test pairs (p: of the choice of pairs alone):\n",
          out);
    return columns_plain(&w, out, "  ");
}

int paired_html(const paired_table *t, sheet *p)
{
    columns w;

    fill(&w, p->a, html_escape, t);
    fputs("<section>\n<h2>Pair by pair</h2>\n<div class=\"loose\">\n", p->out);
    int status = page_columns(&w, p->out);
    fputs("</div>\n", p->out);
    page_tag(p->out, "p", "legend", LEGEND);
    fputs("\n</section>\n", p->out);
    return status;
}

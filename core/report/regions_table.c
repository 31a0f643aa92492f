/* report/regions_table.c - regions of an observation as tables, and coverage against each parameter. */
#include "report/report.h"

#include <math.h>
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

static double end_of(const json_t *interval, size_t i)
{
    const json_t *value = json_array_get(interval, i);

    return json_is_number(value) ? json_number_value(value)
           : i == 0              ? -INFINITY
                                 : INFINITY;
}

/* "profile" is no kind of joint region. */
static const char *kind_words(const char *kind)
{
    return strcmp(kind, "profile") == 0 ? "profile interval" : region_words(kind);
}

static double spread_of(const posterior_block *b, const char *parameter)
{
    for (size_t i = 0; i < b->n_parameters; i++)
        if (strcmp(b->parameters[i].name, parameter) == 0)
            return b->parameters[i].deviation;
    return NAN;
}

/* "0.21 to 0.43 and 1.7 to 1.9"; an end without bound is an infinity. */
static const char *union_text(arena *a, const json_t *intervals, double spread)
{
    const char *text = "";
    size_t n = json_array_size(intervals);

    for (size_t i = 0; i < n && text; i++) {
        double low = end_of(json_array_get(intervals, i), 0);
        double high = end_of(json_array_get(intervals, i), 1);
        text = arena_print(a, "%s%s%s to %s", text, i > 0 ? " and " : "",
                           isfinite(low) ? number_beside(a, low, spread) : "-infinity",
                           isfinite(high) ? number_beside(a, high, spread) : "infinity");
    }
    return n > 0 ? text : "none";
}

/* "t: 0.2 to 0.4; s: 1 to 2" of a region, or why there is none. */
static const char *ranges_text(arena *a, const posterior_block *b, const json_t *r)
{
    const json_t *list = json_object_get(r, "parameters");
    const char *text = "";

    for (size_t i = 0; i < json_array_size(list) && text; i++) {
        const json_t *p = json_array_get(list, i);
        const char *name = word_of(p, "parameter");
        const char *ranges =
            union_text(a, json_object_get(p, "intervals"), spread_of(b, name));
        text = arena_print(a, "%s%s%s: %s", text, i > 0 ? "; " : "", name, ranges);
    }
    return json_array_size(list) > 0 ? text : word_of(r, "reason");
}

static const char *title_of(arena *a, const json_t *r)
{
    return arena_print(a, "%s %s", level_text(a, real_of(r, "level")),
                       kind_words(word_of(r, "kind")));
}

static const char *share_text(arena *a, const json_t *r)
{
    double share = real_of(r, "share_of_prior");

    return isfinite(share) ? arena_print(a, "%.3g", share) : "n/a";
}

int regions_markdown(const posterior_block *b, sheet *s)
{
    columns c;

    if (json_array_size(b->regions) == 0)
        return NRE_OK;
    fputc('\n', s->out);
    columns_start(&c, s->a, 3, "lrl");
    columns_add(&c, "region");
    columns_add(&c, "share of prior");
    columns_add(&c, "values of each parameter");
    for (size_t i = 0; i < json_array_size(b->regions); i++) {
        const json_t *r = json_array_get(b->regions, i);
        columns_add(&c, title_of(s->a, r));
        columns_add(&c, share_text(s->a, r));
        columns_add(&c, markdown_escape(s->a, ranges_text(s->a, b, r)));
    }
    return columns_markdown(&c, s->out);
}

void regions_html(const posterior_block *b, sheet *s)
{
    if (json_array_size(b->regions) == 0)
        return;
    fputs(
        "<div class=\"scroll\"><table>\n<thead><tr><th class=\"t\">region</th><th>share "
        "of prior</th><th class=\"t\">values of each "
        "parameter</th></tr></thead>\n<tbody>\n",
        s->out);
    for (size_t i = 0; i < json_array_size(b->regions); i++) {
        const json_t *r = json_array_get(b->regions, i);
        fputs("<tr><td class=\"t\">", s->out);
        html_put(s->out, title_of(s->a, r));
        fputs("</td><td>", s->out);
        html_put(s->out, share_text(s->a, r));
        fputs("</td><td class=\"t\">", s->out);
        html_put(s->out, ranges_text(s->a, b, r));
        fputs("</td></tr>\n", s->out);
    }
    fputs("</tbody></table></div>\n", s->out);
}

void regions_latex(const posterior_block *b, sheet *s, int width)
{
    for (size_t i = 0; i < json_array_size(b->regions); i++) {
        const json_t *r = json_array_get(b->regions, i);
        fprintf(s->out, "\\multicolumn{%d}{l}{\\quad ", width);
        latex_put(s->out, title_of(s->a, r));
        fputs(": ", s->out);
        latex_put(s->out, ranges_text(s->a, b, r));
        fputs("} \\\\\n", s->out);
    }
}

/* CSV: a line an interval */

static void put_start(FILE *out, const posterior_block *b, const json_t *r)
{
    const char *text[] = {b->target, b->architecture, b->observation, word_of(r, "kind")};

    for (size_t i = 0; i < 4; i++) {
        csv_put(out, text[i]);
        fputc(',', out);
    }
    exact_put(out, real_of(r, "level"));
    fputc(',', out);
    exact_put(out, real_of(r, "threshold"));
    fputc(',', out);
    exact_put(out, real_of(r, "share_of_prior"));
    fputc(',', out);
}

static void region_csv(FILE *out, const posterior_block *b, const json_t *r)
{
    const json_t *list = json_object_get(r, "parameters");

    if (json_array_size(list) == 0) {
        put_start(out, b, r);
        fputs(",n/a,n/a,", out);
        csv_put(out, word_of(r, "reason"));
        fputc('\n', out);
    }
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *p = json_array_get(list, k), *all = json_object_get(p, "intervals");
        for (size_t i = 0; i < json_array_size(all); i++) {
            put_start(out, b, r);
            csv_put(out, word_of(p, "parameter"));
            fputc(',', out);
            exact_put(out, end_of(json_array_get(all, i), 0));
            fputc(',', out);
            exact_put(out, end_of(json_array_get(all, i), 1));
            fputs(",\n", out);
        }
    }
}

int regions_csv(const posterior_table *t, const char *folder)
{
    size_t n = 0;
    sheet s;

    for (size_t i = 0; i < t->n_blocks; i++)
        n += json_array_size(t->blocks[i].regions);
    int status = sheet_open(&s);
    if (status)
        return status;
    if (n == 0) {
        unlink(path_join(s.a, folder, "regions.csv"));
        sheet_drop(&s);
        return NRE_OK;
    }
    fputs("target,architecture,observation,kind,level,threshold,share_of_prior,parameter,"
          "low,high,reason\n",
          s.out);
    for (size_t i = 0; i < t->n_blocks; i++)
        for (size_t k = 0; k < json_array_size(t->blocks[i].regions); k++)
            region_csv(s.out, &t->blocks[i], json_array_get(t->blocks[i].regions, k));
    return sheet_save_in(&s, folder, "regions.csv");
}

/* coverage against each parameter */

static void bin_csv(FILE *out, const json_t *row, const char *architecture,
                    const json_t *cell, const json_t *p, const json_t *edges, size_t i)
{
    const json_t *interval = json_array_get(json_object_get(p, "interval"), i);
    const double number[] = {
        json_number_value(json_array_get(edges, i)),
        json_number_value(json_array_get(edges, i + 1)),
        json_is_number(json_array_get(json_object_get(p, "coverage"), i))
            ? json_number_value(json_array_get(json_object_get(p, "coverage"), i))
            : NAN,
        json_is_number(json_array_get(interval, 0)) ? end_of(interval, 0) : NAN,
        json_is_number(json_array_get(interval, 1)) ? end_of(interval, 1) : NAN};

    csv_put(out, word_of(row, "target"));
    fputc(',', out);
    csv_put(out, architecture);
    fputc(',', out);
    csv_put(out, word_of(cell, "region"));
    fputc(',', out);
    exact_put(out, real_of(cell, "level"));
    fputc(',', out);
    csv_put(out, word_of(p, "parameter"));
    for (size_t k = 0; k < 5; k++) {
        fputc(',', out);
        exact_put(out, number[k]);
    }
    fprintf(out, ",%lld\n",
            (long long)json_integer_value(json_array_get(json_object_get(p, "n"), i)));
}

int coverage_bins_write(const coverage_table *t, const json_t *rows, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("target,architecture,region,level,parameter,from,to,coverage,interval_low,"
          "interval_high,n\n",
          s.out);
    for (size_t i = 0; i < json_array_size(rows) && i < t->n_rows; i++) {
        const json_t *row = json_array_get(rows, i),
                     *cells = json_object_get(row, "cells");
        for (size_t j = 0; j < json_array_size(cells); j++) {
            const json_t *c = json_array_get(cells, j),
                         *list = json_object_get(c, "by_parameter");
            for (size_t k = 0; k < json_array_size(list); k++) {
                const json_t *p = json_array_get(list, k);
                const json_t *edges = json_object_get(json_object_get(row, "bins"),
                                                      word_of(p, "parameter"));
                for (size_t b = 0; b + 1 < json_array_size(edges); b++)
                    bin_csv(s.out, row, t->rows[i].architecture, c, p, edges, b);
            }
        }
    }
    return sheet_save_in(&s, folder, "coverage_by_parameter.csv");
}

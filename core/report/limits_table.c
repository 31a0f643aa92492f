/* report/limits_table.c - one-sided limits on parameters as JSON, sentences and tables. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char EDGE[] = "the region reaches the edge of the prior";

/* One number of a limit. */
typedef struct limit_line {
    const char *way;   /* "quantile", "highest density", "Wilks, 2.71" */
    const char *name;  /* the same for machines */
    const char *prior; /* NULL: none */
    double threshold;  /* NAN: none */
    double value;
} limit_line;
enum { MOST_LINES = 2 * LIMIT_ROW_PRIORS + 2 };

static size_t lines_of(arena *a, const limit_row *l, limit_line out[MOST_LINES])
{
    size_t n = 0;

    for (size_t k = 0; k < l->n_priors; k++) {
        const limit_prior_row *p = &l->priors[k];
        out[n++] = (limit_line){"quantile", "quantile", p->prior, NAN, p->quantile};
        out[n++] =
            (limit_line){"highest density", "hpd_edge", p->prior, NAN, p->hpd_edge};
    }
    for (size_t i = 0; i < 2; i++) {
        const char *way = arena_print(a, "Wilks, %.2f", l->threshold[i]);
        out[n++] = (limit_line){way ? way : "Wilks", "wilks", NULL, l->threshold[i],
                                l->wilks[i]};
    }
    return n;
}

static const char *why_missing(const limit_row *l, const limit_line *line)
{
    return isfinite(line->value) ? NULL : l->reason ? l->reason : EDGE;
}

static const char *side_of(const limit_row *l)
{
    return l->upper ? "<" : ">";
}

/* JSON */

static void put_value(json_t *o, const char *key, double value, const char *why)
{
    json_object_set_new(o, key, json_number(value));
    if (!isfinite(value))
        json_object_set_new(o, "reason", json_text(why));
}

static json_t *priors_json(const limit_row *l, const char *why)
{
    json_t *all = json_object();

    for (size_t k = 0; k < l->n_priors; k++) {
        json_t *o = json_object();
        put_value(o, "hpd_edge", l->priors[k].hpd_edge, why);
        put_value(o, "quantile", l->priors[k].quantile, why);
        json_object_set_new(all, l->priors[k].prior, o);
    }
    return all;
}

json_t *limit_json(const limit_row *l)
{
    const char *why = l->reason ? l->reason : EDGE;
    json_t *o = json_object(), *wilks = json_array();

    json_object_set_new(o, "parameter", json_text(l->parameter));
    json_object_set_new(o, "unit", json_text(l->unit));
    json_object_set_new(o, "side", json_text(l->upper ? "upper" : "lower"));
    json_object_set_new(o, "level", json_number(l->level));
    json_object_set_new(o, "priors", priors_json(l, why));
    for (size_t i = 0; i < 2; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "threshold", json_number(l->threshold[i]));
        put_value(one, "limit", l->wilks[i], why);
        json_array_append_new(wilks, one);
    }
    json_object_set_new(o, "wilks", wilks);
    json_object_set_new(o, "best_fit", json_number(l->best));
    json_object_set_new(o, "against", json_number(l->against));
    json_object_set_new(o, "log_ratio_against", json_number(l->log_ratio_against));
    json_object_set_new(o, "resolved", json_boolean(l->resolved));
    if (l->reason || !isfinite(l->against))
        json_object_set_new(
            o, "reason",
            json_text(l->reason ? l->reason : "no value to compare with was given"));
    return o;
}

/* words */

/* A tenth of the deviation of the parameter that L limits: a limit has one place more than a
 * mean.  NAN: not in the table. */
static double spread_of(const posterior_block *b, const limit_row *l)
{
    for (size_t i = 0; i < b->n_parameters; i++)
        if (strcmp(b->parameters[i].name, l->parameter) == 0)
            return 0.1 * b->parameters[i].deviation;
    return NAN;
}

static const char *prior_words(arena *a, const limit_row *l, const char *prior)
{
    if (strcmp(prior, "uniform") == 0)
        return arena_print(a, "flat in %s", l->parameter);
    if (strcmp(prior, "inverse") == 0)
        return arena_print(a, "flat in 1/%s", l->parameter);
    if (strcmp(prior, "log") == 0)
        return arena_print(a, "flat in log %s", l->parameter);
    return "its own";
}

/* "> 12.3 keV", "none" */
static const char *value_words(arena *a, const posterior_block *b, const limit_row *l,
                               double value)
{
    if (!isfinite(value))
        return "none";
    return arena_print(a, "%s %s%s%s", side_of(l),
                       number_beside(a, value, spread_of(b, l)),
                       l->unit && l->unit[0] ? " " : "", l->unit ? l->unit : "");
}

static void prior_sentence(FILE *out, arena *a, const posterior_block *b,
                           const limit_row *l, const limit_prior_row *p)
{
    fprintf(out, "%s (quantile), %s (highest density) under %s prior%s%s; ",
            value_words(a, b, l, p->quantile), value_words(a, b, l, p->hpd_edge),
            strcmp(p->prior, "own") == 0 ? "its own" : "a",
            strcmp(p->prior, "own") == 0 ? "" : " ",
            strcmp(p->prior, "own") == 0 ? "" : prior_words(a, l, p->prior));
}

static void against_sentence(FILE *out, arena *a, const posterior_block *b,
                             const limit_row *l)
{
    double spread = spread_of(b, l);
    const char *unit = l->unit ? l->unit : "", *gap = *unit ? " " : "";

    fprintf(out, "; likelihood ratio of its maximum, at %s%s%s, to %.6g%s%s: e^%.2f",
            number_beside(a, l->best, spread), gap, unit, l->against, gap, unit,
            l->log_ratio_against);
}

static bool any_missing(const limit_row *l)
{
    bool missing = !isfinite(l->wilks[0]) || !isfinite(l->wilks[1]);

    for (size_t k = 0; k < l->n_priors; k++)
        missing = missing || !isfinite(l->priors[k].hpd_edge);
    return missing;
}

static void limit_sentence(FILE *out, arena *a, const posterior_block *b,
                           const limit_row *l)
{
    fprintf(out, "Limit at %s: %s ", level_text(a, l->level), l->parameter);
    if (l->reason) {
        fprintf(out, "none (%s).", l->reason);
        return;
    }
    for (size_t k = 0; k < l->n_priors; k++)
        prior_sentence(out, a, b, l, &l->priors[k]);
    for (size_t i = 0; i < 2; i++)
        fprintf(out, "%s%s (Wilks, %.2f)", i > 0 ? ", " : "",
                value_words(a, b, l, l->wilks[i]), l->threshold[i]);
    if (isfinite(l->against))
        against_sentence(out, a, b, l);
    if (any_missing(l))
        fprintf(out, "; none where %s", EDGE);
    fputs(l->resolved ? "." : "; the posterior's grid was too coarse for all of it.",
          out);
}

const char *limit_words(arena *a, const posterior_block *b, const limit_row *l)
{
    char *text = NULL;
    size_t n = 0;
    const char *copy = NULL;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    limit_sentence(out, a, b, l);
    if (fclose(out) == 0)
        copy = arena_copy(a, text);
    free(text);
    return copy;
}

/* tables */

static const char *const HEADS[] = {"parameter", "level", "by", "prior", "limit"};
enum { N_HEADS = sizeof HEADS / sizeof HEADS[0] };

/* What the columns say of a number of L. */
static void cells_of(arena *a, const posterior_block *b, const limit_row *l,
                     const limit_line *line, const char *out[N_HEADS])
{
    const char *why = why_missing(l, line);

    out[0] = l->parameter;
    out[1] = level_text(a, l->level);
    out[2] = line->way;
    out[3] = line->prior ? prior_words(a, l, line->prior) : "";
    out[4] = why ? arena_print(a, "none: %s", why) : value_words(a, b, l, line->value);
}

int limits_markdown(const posterior_block *b, sheet *s)
{
    limit_line lines[MOST_LINES];
    const char *cell[N_HEADS];
    columns c;

    if (b->n_limits == 0)
        return NRE_OK;
    fputs("\nLimits:\n\n", s->out);
    columns_start(&c, s->a, N_HEADS, "lrlll");
    for (size_t k = 0; k < N_HEADS; k++)
        columns_add(&c, HEADS[k]);
    for (size_t i = 0; i < b->n_limits; i++) {
        size_t n = lines_of(s->a, &b->limits[i], lines);
        for (size_t j = 0; j < n; j++) {
            cells_of(s->a, b, &b->limits[i], &lines[j], cell);
            for (size_t k = 0; k < N_HEADS; k++)
                columns_add(&c, cell[k] ? markdown_escape(s->a, cell[k]) : NULL);
        }
    }
    int status = columns_markdown(&c, s->out);
    for (size_t i = 0; i < b->n_limits; i++) {
        fputc('\n', s->out);
        markdown_put(s->out, limit_words(s->a, b, &b->limits[i]));
        fputc('\n', s->out);
    }
    return status;
}

void limits_html(const posterior_block *b, sheet *s)
{
    limit_line lines[MOST_LINES];
    const char *cell[N_HEADS];

    if (b->n_limits == 0)
        return;
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", s->out);
    for (size_t k = 0; k < N_HEADS; k++)
        fprintf(s->out, "<th class=\"t\">%s</th>", HEADS[k]);
    fputs("</tr></thead>\n<tbody>\n", s->out);
    for (size_t i = 0; i < b->n_limits; i++) {
        size_t n = lines_of(s->a, &b->limits[i], lines);
        for (size_t j = 0; j < n; j++) {
            cells_of(s->a, b, &b->limits[i], &lines[j], cell);
            fputs("<tr>", s->out);
            for (size_t k = 0; k < N_HEADS; k++) {
                fputs("<td class=\"t\">", s->out);
                html_put(s->out, cell[k]);
                fputs("</td>", s->out);
            }
            fputs("</tr>\n", s->out);
        }
    }
    fputs("</tbody></table></div>\n", s->out);
    for (size_t i = 0; i < b->n_limits; i++) {
        fputs("<p>", s->out);
        html_put(s->out, limit_words(s->a, b, &b->limits[i]));
        fputs("</p>\n", s->out);
    }
}

void limits_latex(const posterior_block *b, sheet *s, int width)
{
    limit_line lines[MOST_LINES];
    const char *cell[N_HEADS];

    for (size_t i = 0; i < b->n_limits; i++) {
        size_t n = lines_of(s->a, &b->limits[i], lines);
        for (size_t j = 0; j < n; j++) {
            cells_of(s->a, b, &b->limits[i], &lines[j], cell);
            fprintf(s->out, "\\multicolumn{%d}{l}{\\quad ", width);
            latex_put(s->out,
                      arena_print(s->a, "%s %s (%s, %s%s%s)", cell[0], cell[4], cell[1],
                                  cell[2], *cell[3] ? "; prior " : "", cell[3]));
            fputs("} \\\\\n", s->out);
        }
    }
}

/* CSV */

static void line_csv(FILE *out, const posterior_block *b, const limit_row *l,
                     const limit_line *line)
{
    const char *text[] = {b->target,
                          b->architecture,
                          b->method,
                          b->observation,
                          l->parameter,
                          l->unit,
                          l->upper ? "upper" : "lower"};
    const double number[] = {line->threshold, line->value, l->best, l->against,
                             l->log_ratio_against};

    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        csv_put(out, text[i]);
        fputc(',', out);
    }
    exact_put(out, l->level);
    fprintf(out, ",%s,", line->name);
    csv_put(out, line->prior ? line->prior : "");
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        fputc(',', out);
        exact_put(out, number[i]);
    }
    fputc(',', out);
    csv_put(out, why_missing(l, line));
    fputc('\n', out);
}

/* Those of a table that was here before are not these. */
void limits_csv_remove(const char *folder)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/limits.csv", folder) < (int)sizeof path)
        unlink(path);
}

int limits_csv(const posterior_table *t, const char *folder)
{
    limit_line lines[MOST_LINES];
    size_t n_limits = 0;
    sheet s;

    for (size_t i = 0; i < t->n_blocks; i++)
        n_limits += t->blocks[i].n_limits;
    if (n_limits == 0)
        limits_csv_remove(folder);
    int status = n_limits > 0 ? sheet_open(&s) : NRE_OK;
    if (status || n_limits == 0)
        return status;
    fputs("target,architecture,method,observation,parameter,unit,side,level,by,prior,"
          "threshold,limit,best_fit,against,log_ratio_against,reason\n",
          s.out);
    for (size_t i = 0; i < t->n_blocks; i++)
        for (size_t k = 0; k < t->blocks[i].n_limits; k++) {
            const limit_row *l = &t->blocks[i].limits[k];
            size_t n = lines_of(s.a, l, lines);
            for (size_t j = 0; j < n; j++)
                line_csv(s.out, &t->blocks[i], l, &lines[j]);
        }
    return sheet_save_in(&s, folder, "limits.csv");
}

/* report/page_tables.c - tables of a page: posteriors, coverage, quality, checks. */
#include "report/report.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* posteriors */

static const char *range_text(arena *a, const double range[2], double spread)
{
    const char *low = number_beside(a, range[0], spread);
    const char *high = number_beside(a, range[1], spread);

    return low && high ? arena_print(a, "%s to %s", low, high) : NULL;
}

static void put_parameter(sheet *p, const parameter_row *r)
{
    arena *a = p->a;
    const char *number[] = {number_beside(a, r->mean, r->deviation),
                            number_beside(a, r->deviation, r->deviation),
                            number_beside(a, r->quantile[2], r->deviation),
                            range_text(a, r->hdi68, r->deviation),
                            range_text(a, r->hdi95, r->deviation),
                            number_beside(a, r->map, r->deviation),
                            number_beside(a, r->mle, r->deviation),
                            number_text(a, r->r_hat, 3),
                            number_text(a, r->ess_bulk, 0),
                            number_text(a, r->ess_tail, 0)};

    fputs("<tr><td class=\"t\">", p->out);
    html_put(p->out, r->name);
    fputs(r->derived ? " <small>derived</small></td>" : "</td>", p->out);
    page_tag(p->out, "td", "t", r->unit);
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++)
        page_tag(p->out, "td", NULL, number[i]);
    fputs("</tr>\n", p->out);
}

void page_posterior(const posterior_block *b, sheet *p)
{
    page_tag(p->out, "h3", NULL,
             arena_print(p->a, "Posterior of %s", posterior_title(p->a, b)));
    fputs(
        "\n<div class=\"scroll\"><table>\n<thead><tr><th class=\"t\">parameter</th>"
        "<th class=\"t\">unit</th><th>mean</th><th>sd</th><th>median</th><th>68% HDI</th>"
        "<th>95% HDI</th><th>MAP</th><th>MLE</th><th>R-hat</th><th>ESS bulk</th>"
        "<th>ESS tail</th></tr></thead>\n<tbody>\n",
        p->out);
    for (size_t i = 0; i < b->n_parameters; i++)
        put_parameter(p, &b->parameters[i]);
    fputs("</tbody></table></div>\n", p->out);
    limits_html(b, p);
    regions_html(b, p);
}

/* coverage */

static bool is_under(const table_cell *c)
{
    return c->verdict && strcmp(c->verdict, "under") == 0;
}

static void put_cell(sheet *p, const table_cell *c)
{
    if (!c || !isfinite(c->coverage)) {
        page_tag(p->out, "td", NULL, "n/a");
        return;
    }
    fprintf(p->out, "<td%s>%.3f%s", is_under(c) ? " class=\"under\"" : "", c->coverage,
            is_under(c) ? "&dagger;" : "");
    if (spread_known(c->sd_evaluation) || spread_known(c->sd_training))
        fputs(" <small>&plusmn;", p->out);
    if (spread_known(c->sd_evaluation))
        fprintf(p->out, "%.3f%s", c->sd_evaluation,
                spread_known(c->sd_training) ? "/" : "");
    if (spread_known(c->sd_training))
        fprintf(p->out, "%.3f", c->sd_training);
    if (spread_known(c->sd_evaluation) || spread_known(c->sd_training))
        fputs("</small>", p->out);
    fputs("</td>", p->out);
}

static void put_row(sheet *p, const coverage_row *r, size_t n,
                    const coverage_column *column)
{
    fputs("<tr>", p->out);
    if (r->cell)
        page_tag(p->out, "td", "t", coverage_cell_name(p->a, r));
    page_tag(p->out, "td", "t", r->architecture);
    for (size_t k = 0; k < n; k++)
        put_cell(p, coverage_cell_at(r, &column[k]));
    page_tag(p->out, "td", NULL, coverage_gain_text(p->a, r));
    page_tag(p->out, "td", NULL, count_text(p->a, r->missing));
    page_tag(p->out, "td", NULL, count_text(p->a, r->simulations));
    fputs("</tr>\n", p->out);
}

static void put_wide(const coverage_table *t, sheet *p, size_t n,
                     const coverage_column *column)
{
    bool cells = coverage_compares(t);

    fprintf(p->out,
            "<div class=\"scroll loose\"><table>\n<thead><tr>%s<th "
            "class=\"t\">architecture</th>",
            cells ? "<th class=\"t\">cell</th>" : "");
    for (size_t k = 0; k < n; k++)
        page_tag(p->out, "th", NULL,
                 arena_print(p->a, "%s %s", level_text(p->a, column[k].level),
                             region_short(column[k].region)));
    fputs("<th>gain "
          "[nats]</th><th>missing</th><th>simulations</th></tr></thead>\n<tbody>\n",
          p->out);
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *target = t->rows[i].target;
        if (i == 0 || strcmp(target, t->rows[i - 1].target) != 0) {
            fprintf(p->out, "<tr class=\"group\"><td class=\"t\" colspan=\"%zu\">",
                    n + 4 + cells);
            html_put(p->out, target_text(p->a, target));
            fputs("</td></tr>\n", p->out);
        }
        put_row(p, &t->rows[i], n, column);
    }
    fputs("</tbody></table></div>\n", p->out);
}

/* Largest distance of any interval's end from nominal: the half width of all strips. */
static double reach_of(const coverage_table *t)
{
    double reach = 1e-6;

    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++) {
            const table_cell *c = &t->rows[i].cells[j];
            for (size_t k = 0; k < 2 && isfinite(c->coverage); k++)
                reach = fmax(reach, fabs(c->interval[k] - c->level));
        }
    return reach;
}

/* The interval and the coverage beside nominal, the dashed line in the middle. */
static void put_strip(FILE *out, const table_cell *c, double reach)
{
    double scale = 74 / reach; /* of 160 pixels */
    const char *class = is_under(c) ? " under" : "";

    fprintf(out,
            "<td><svg width=\"160\" height=\"16\" viewBox=\"0 0 160 16\" role=\"img\" "
            "aria-label=\"coverage minus nominal %+.4f\"><line class=\"axis\" x1=\"80\" "
            "x2=\"80\" y1=\"0\" y2=\"16\"/><line class=\"bar%s\" x1=\"%.1f\" x2=\"%.1f\" "
            "y1=\"8\" y2=\"8\"/><circle class=\"dot%s\" cx=\"%.1f\" cy=\"8\" "
            "r=\"4\"/></svg></td>",
            c->coverage - c->level, class, 80 + scale * (c->interval[0] - c->level),
            80 + scale * (c->interval[1] - c->level), class,
            80 + scale * (c->coverage - c->level));
}

static void put_long_row(sheet *p, const coverage_row *r, const table_cell *c,
                         double reach)
{
    bool known = isfinite(c->coverage);

    fputs("<tr>", p->out);
    if (r->cell)
        page_tag(p->out, "td", "t", r->cell);
    page_tag(p->out, "td", "t", target_text(p->a, r->target));
    page_tag(p->out, "td", "t", r->architecture);
    page_tag(
        p->out, "td", "t",
        arena_print(p->a, "%s %s", level_text(p->a, c->level), region_words(c->region)));
    page_tag(p->out, "td", NULL, number_text(p->a, c->coverage, 4));
    page_tag(p->out, "td", NULL,
             known ? arena_print(p->a, "%.4f to %.4f", c->interval[0], c->interval[1])
                   : "n/a");
    if (known)
        put_strip(p->out, c, reach);
    else
        fputs("<td></td>", p->out);
    page_tag(p->out, "td", NULL, count_text(p->a, c->n));
    page_tag(p->out, "td", "t wide", known ? c->verdict : c->reason ? c->reason : "n/a");
    fputs("</tr>\n", p->out);
}

static void put_long(const coverage_table *t, sheet *p)
{
    double reach = reach_of(t);

    fprintf(
        p->out,
        "<details><summary>Each region with its 99%% interval</summary>\n"
        "<div class=\"scroll loose\"><table>\n<thead><tr>%s<th class=\"t\">target</th>"
        "<th class=\"t\">architecture</th><th class=\"t\">region</th><th>coverage</th>"
        "<th>99%% interval</th><th>nominal &plusmn;%.2g</th><th>n</th>"
        "<th class=\"t\">verdict</th></tr></thead>\n<tbody>\n",
        coverage_compares(t) ? "<th class=\"t\">cell</th>" : "", reach);
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t j = 0; j < t->rows[i].n_cells; j++)
            put_long_row(p, &t->rows[i], &t->rows[i].cells[j], reach);
    fputs("</tbody></table></div>\n</details>\n", p->out);
}

/* What is not known is neither good nor bad. */
static const char *row_class(const coverage_row *r)
{
    if (coverage_fails(r) || gain_is_none(r))
        return "verdict bad";
    for (size_t i = 0; i < r->n_cells; i++)
        if (!isfinite(r->cells[i].coverage))
            return "verdict";
    return isfinite(r->gain) ? "verdict good" : "verdict";
}

int page_coverage(const coverage_table *t, sheet *p)
{
    coverage_column *column;
    size_t n;
    int status = coverage_columns(t, p->a, &n, &column);

    if (status)
        return status;
    fputs("<section>\n<h2>Coverage</h2>\n", p->out);
    for (size_t i = 0; i < t->n_rows && !coverage_compares(t); i++) {
        page_tag(p->out, "p", row_class(&t->rows[i]), coverage_words(p->a, &t->rows[i]));
        fputc('\n', p->out);
    }
    put_wide(t, p, n, column);
    page_tag(p->out, "p", "legend", coverage_legend(t, p->a, "After ±"));
    fputc('\n', p->out);
    put_long(t, p);
    fputs("</section>\n", p->out);
    return NRE_OK;
}

/* quality and checks */

/* A narrow column may break after a slash or a comma of its text, not within a tag or a number. */
static void cell_put(const char *html, FILE *out)
{
    bool in_tag = false;

    for (; *html; html++) {
        in_tag = *html == '<' || (in_tag && *html != '>');
        fputc(*html, out);
        if (!in_tag &&
            (*html == '/' || (*html == ',' && isalpha((unsigned char)html[1]))))
            fputs("<wbr>", out);
    }
}

int page_columns(const columns *c, FILE *out)
{
    fputs("<div class=\"scroll\"><table>\n<thead>", out);
    for (size_t i = 0; i < c->used; i++) {
        size_t k = i % c->n;
        char tag = i < c->n ? 'h' : 'd';
        bool fails = strcmp(c->cell[i], "fails") == 0;
        fprintf(out, "%s<t%c%s>", k == 0 ? "<tr>" : "", tag,
                fails                ? " class=\"t fails\""
                : c->align[k] == 'l' ? " class=\"t\""
                                     : "");
        cell_put(c->cell[i], out);
        fprintf(out, "</t%c>", tag);
        fputs(k + 1 == c->n ? "</tr>\n" : "", out);
        fputs(i + 1 == c->n ? "</thead>\n<tbody>\n" : "", out);
    }
    fputs("</tbody></table></div>\n", out);
    return c->failed ? fail(NRE_ENOMEM, "out of memory for a table") : NRE_OK;
}

static void add_escaped(columns *c, arena *a, const char *text)
{
    columns_add(c, text ? html_escape(a, text) : "");
}

int page_quality(const quality_table *t, sheet *p)
{
    char align[N_QUALITIES + 5] = "lll";
    size_t from = t->n_rows > 0 && t->rows[0].cell ? 0 : 1, n = 3;
    columns c;

    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k))
            align[n++] = 'r';
    align[n++] = 'r';
    columns_start(&c, p->a, n - from, align + from);
    if (!from)
        columns_add(&c, "cell");
    columns_add(&c, "target");
    columns_add(&c, "architecture");
    for (size_t k = 0; k < N_QUALITIES; k++)
        if (quality_is_shown(t, (quality_kind)k))
            add_escaped(&c, p->a, quality_heading((quality_kind)k));
    columns_add(&c, "simulations");
    for (size_t i = 0; i < t->n_rows; i++) {
        const quality_row *r = &t->rows[i];
        if (!from)
            add_escaped(&c, p->a, r->cell);
        add_escaped(&c, p->a, target_text(p->a, r->target));
        add_escaped(&c, p->a, r->architecture);
        for (size_t k = 0; k < N_QUALITIES; k++)
            if (quality_is_shown(t, (quality_kind)k))
                add_escaped(&c, p->a, quality_text(p->a, (quality_kind)k, &r->number[k]));
        columns_add(&c, count_text(p->a, r->simulations));
    }
    fputs("<section>\n<h2>Quality</h2>\n<div class=\"loose\">\n", p->out);
    int status = page_columns(&c, p->out);
    fputs("</div>\n", p->out);
    page_tag(p->out, "p", "legend", quality_legend(t, p->a, true));
    fputs("\n</section>\n", p->out);
    return status;
}

int page_checks(const checks_table *t, sheet *p)
{
    static const char *const head[] = {"cell",     "target",  "architecture",
                                       "check",    "verdict", "number",
                                       "expected", "p",       "n"};
    size_t from = t->n_rows > 0 && t->rows[0].cell ? 0 : 1;
    columns c;

    columns_start(&c, p->a, 9 - from, &"lllllrrrr"[from]);
    for (size_t k = from; k < 9; k++)
        columns_add(&c, head[k]);
    for (size_t i = 0; i < t->n_rows; i++) {
        const check_row *r = &t->rows[i];
        if (!from)
            add_escaped(&c, p->a, r->cell);
        add_escaped(&c, p->a, r->target ? target_text(p->a, r->target) : "every target");
        add_escaped(&c, p->a, r->architecture);
        add_escaped(&c, p->a, check_title(r->name));
        add_escaped(&c, p->a, r->verdict);
        add_escaped(&c, p->a, check_value_text(p->a, r));
        columns_add(&c, number_beside(p->a, r->expected, NAN));
        add_escaped(&c, p->a, p_text(p->a, r->p));
        columns_add(&c, r->n > 0 ? count_text(p->a, r->n) : "n/a");
    }
    fputs("<section>\n<h2>Checks in numbers</h2>\n<div class=\"loose\">\n", p->out);
    int status = page_columns(&c, p->out);
    fputs("</div>\n", p->out);
    page_tag(p->out, "p", "legend", CHECKS_LEGEND);
    fputs("\n</section>\n", p->out);
    return status;
}

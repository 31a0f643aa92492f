/* report/page.c - one self-contained HTML page of a run: light and dark, no script. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light "
    "dark;--paper:#fbfaf8;--card:#fff;--ink:#1d2125;--soft:#5d666f;"
    "--line:#dfdcd6;--good:#1c6b45;--good-bg:#e6f3ec;--bad:#a32a1b;--bad-bg:#fbe9e6;"
    "--accent:#2f5d8c}\n"
    "@media "
    "(prefers-color-scheme:dark){:root{--paper:#15181b;--card:#1d2125;--ink:#e7e5e1;"
    "--soft:#9aa3ab;--line:#343a40;--good:#7fd0a4;--good-bg:#17301f;--bad:#f2998c;"
    "--bad-bg:#3a1c18;--accent:#8ab6e3}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',sans-serif}\n"
    "main{max-width:78rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:0}h2{font-size:1.2rem;margin:0 0 "
    ".75rem}\n"
    ".meta{color:var(--soft);margin:.35rem 0 0;overflow-wrap:anywhere}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:1.25rem 1.4rem;margin-top:1.4rem}\n"
    "p{margin:.6rem 0;max-width:46rem}\n"
    ".verdict{border-left:4px solid;border-radius:4px;padding:.55rem "
    ".9rem;max-width:none}\n"
    ".good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);"
    "background:var(--bad-bg)}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:.88rem;"
    "font-variant-numeric:tabular-nums}\n"
    "th{font-weight:600;color:var(--soft);text-align:right;border-bottom:2px solid "
    "var(--line);"
    "vertical-align:bottom}\n"
    "td{text-align:right;border-bottom:1px solid var(--line)}\n"
    "th,td{padding:.36rem .45rem;white-space:nowrap}\n"
    "th.t,td.t{text-align:left}td.wide{white-space:normal;overflow-wrap:anywhere}\n"
    "tr.group td{font-weight:600;padding-top:.9rem}\n"
    "small{color:var(--soft)}td.under{color:var(--bad);font-weight:600}\n"
    "details{margin-top:1rem}summary{cursor:pointer;color:var(--accent)}\n"
    "pre{overflow:auto;max-height:32rem;font-size:.84rem;line-height:1.45;background:"
    "var(--paper);border:1px solid var(--line);border-radius:6px;padding:.8rem}\n"
    ".legend{color:var(--soft);font-size:.88rem;max-width:none}\n"
    "figure{margin:1rem 0}figure img{max-width:100%;height:auto;border-radius:6px;"
    "background:#fff}figcaption{color:var(--soft);font-size:.88rem}\n"
    "svg{display:block}.axis{stroke:var(--soft);stroke-dasharray:2 "
    "2}.bar{stroke:var(--accent);"
    "stroke-width:3}.dot{fill:var(--accent)}.bar.under{stroke:var(--bad)}"
    ".dot.under{fill:var(--bad)}\n"
    "@media print{section{break-inside:avoid}}\n";

void page_tag(FILE *out, const char *tag, const char *class, const char *text)
{
    fprintf(out, "<%s", tag);
    if (class)
        fprintf(out, " class=\"%s\"", class);
    fputc('>', out);
    html_put(out, text);
    fprintf(out, "</%s>", tag);
}

void page_head(sheet *p, const char *title, const char *meta)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'; img-src data:\">\n",
          p->out);
    page_tag(p->out, "title", NULL, title);
    fprintf(p->out, "\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style);
    page_tag(p->out, "h1", NULL, title);
    fputc('\n', p->out);
    page_tag(p->out, "p", "meta", meta);
    fputc('\n', p->out);
}

static void put_head(const run_summary *s, sheet *p)
{
    const char *meta = s->folder;

    if (isfinite(s->seconds))
        meta = arena_print(p->a, "%s · %s", s->folder, duration_text(p->a, s->seconds));
    page_head(p, s->name, meta);
    for (size_t i = 0; i < s->n_notes; i++) {
        page_tag(p->out, "p", "verdict bad", s->notes[i]);
        fputc('\n', p->out);
    }
}

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

static void put_block(sheet *p, const posterior_block *b)
{
    fputs("<section>\n", p->out);
    page_tag(p->out, "h2", NULL,
             arena_print(p->a, "Posterior of %s", posterior_title(p->a, b)));
    fputc('\n', p->out);
    page_tag(p->out, "p", posterior_believed(b) ? "verdict good" : "verdict bad",
             belief_words(p->a, b));
    fputc('\n', p->out);
    page_tag(p->out, "p", NULL, observation_words(p->a, b));
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
    fputs("</section>\n", p->out);
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

    fprintf(
        p->out,
        "<div class=\"scroll\"><table>\n<thead><tr>%s<th class=\"t\">architecture</th>",
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
        "<div class=\"scroll\"><table>\n<thead><tr>%s<th class=\"t\">target</th>"
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

/* figures */

/* An SVG in an image of its own: its names and styles stay apart from the page's. */
static void put_image(sheet *p, const char *path, const char *text, size_t n)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    fputs("<figure><img src=\"data:image/svg+xml,", p->out);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7F || strchr("%#<>\"'&", c))
            fprintf(p->out, "%%%02X", c);
        else
            fputc(c, p->out);
    }
    fputs("\" alt=\"", p->out);
    html_put(p->out, name);
    fputs("\"><figcaption>", p->out);
    html_put(p->out, name);
    fputs("</figcaption></figure>\n", p->out);
}

static int put_figures(const run_summary *s, sheet *p)
{
    int status = NRE_OK;

    if (s->n_figures == 0)
        return NRE_OK;
    fputs("<section>\n<h2>Figures</h2>\n", p->out);
    for (size_t i = 0; i < s->n_figures && !status; i++) {
        char *text = NULL;
        size_t n = 0;
        status = file_read(s->figures[i], 32 << 20, &text, &n);
        if (!status)
            put_image(p, s->figures[i], text, n);
        free(text);
    }
    fputs("</section>\n", p->out);
    return status;
}

/* the rest */

static void put_details(FILE *out, const char *title, const char *text)
{
    if (!text || !text[0])
        return;
    fputs("<details>", out);
    page_tag(out, "summary", NULL, title);
    fputs("\n<pre>\n", out); /* the first newline of a pre is not shown */
    html_put(out, text);
    fputs("</pre></details>\n", out);
}

static int put_summary(const run_summary *s, FILE *out)
{
    char *text = NULL;
    size_t n = 0;
    FILE *copy = open_memstream(&text, &n);
    int status = copy ? summary_print(s, copy) : fail(NRE_ENOMEM, "out of memory");

    if (copy && fclose(copy) != 0 && !status)
        status = fail(NRE_ENOMEM, "out of memory");
    if (!status)
        put_details(out, "Summary as printed", text);
    free(text);
    return status;
}

static int put_body(const run_summary *s, const char *config, const char *environment,
                    sheet *p)
{
    int status = NRE_OK;

    for (size_t i = 0; s->posterior && i < s->posterior->n_blocks; i++)
        put_block(p, &s->posterior->blocks[i]);
    if (s->coverage && s->coverage->n_rows > 0)
        status = page_coverage(s->coverage, p);
    if (!status)
        status = put_figures(s, p);
    if (status)
        return status;
    fputs("<section>\n<h2>How it was made</h2>\n", p->out);
    status = put_summary(s, p->out);
    put_details(p->out, "Config, with every default", config);
    put_details(p->out, "Environment", environment);
    fputs("</section>\n</main>\n</body>\n</html>\n", p->out);
    return status;
}

int page_write(const run_summary *s, const char *config, const char *environment,
               const char *path)
{
    sheet p;
    int status = sheet_open(&p);

    if (status)
        return status;
    put_head(s, &p);
    status = put_body(s, config, environment, &p);
    if (!status)
        return sheet_save(&p, path);
    sheet_drop(&p);
    return status;
}

/* report/page.c - one self-contained HTML page of a run: light and dark, no script. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    fputs("\n<style>\n", p->out);
    for (size_t i = 0; PAGE_STYLE[i]; i++)
        fputs(PAGE_STYLE[i], p->out);
    fputs("</style>\n</head>\n<body>\n<main>\n", p->out);
    page_tag(p->out, "h1", NULL, title);
    fputc('\n', p->out);
    page_tag(p->out, "p", "meta", meta);
    fputc('\n', p->out);
}

/* what was asked, and the answer to "may it be believed" in a line */

/* All of them; *N may be 0.  NULL: out of memory. */
static const char **targets_of(const run_summary *s, arena *a, size_t *n)
{
    size_t most = s->checks ? s->checks->n_rows : 0;

    most += s->checks && s->posterior ? s->posterior->n_blocks : 0;
    const char **target = arena_alloc(a, most + 1, sizeof *target);
    *n = target && most ? belief_targets(s, target, most) : 0;
    return target;
}

static const char *belief_class(belief b)
{
    return b == BELIEF_NO    ? "verdict headline bad"
           : b == BELIEF_YES ? "verdict headline good"
                             : "verdict headline";
}

static void put_notes(const run_summary *s, sheet *p)
{
    for (size_t i = 0; i < s->n_notes; i++) {
        page_tag(p->out, "p", i < s->n_gates ? "verdict bad" : "verdict", s->notes[i]);
        fputc('\n', p->out);
    }
}

static void put_headlines(const run_summary *s, sheet *p)
{
    size_t n;
    const char **target = targets_of(s, p->a, &n);

    for (size_t i = 0; i < n; i++) {
        page_tag(p->out, "p", belief_class(belief_of(s, target[i])),
                 belief_headline(p->a, s, target[i]));
        fputc('\n', p->out);
    }
}

static void put_nav(const run_summary *s, FILE *out)
{
    fputs("<nav>", out);
    if (s->n_asked > 0)
        fputs("<a href=\"#asked\">What was asked</a>", out);
    if (s->posterior)
        fputs("<a href=\"#answer\">The answer</a>", out);
    if (s->checks)
        fputs("<a href=\"#belief\">May it be believed?</a>", out);
    if (s->coverage || s->quality)
        fputs("<a href=\"#tables\">Tables</a>", out);
    fputs("<a href=\"#made\">How it was made</a></nav>\n", out);
}

static void put_head(const run_summary *s, sheet *p)
{
    const char *meta = s->folder;

    if (isfinite(s->seconds))
        meta = arena_print(p->a, "%s · %s", s->folder, duration_text(p->a, s->seconds));
    page_head(p, s->name, meta);
    put_nav(s, p->out);
    put_headlines(s, p);
    put_notes(s, p);
}

static void put_asked(const run_summary *s, FILE *out)
{
    if (s->n_asked == 0)
        return;
    fputs("<section id=\"asked\">\n<h2>What was asked</h2>\n<dl>\n", out);
    for (size_t i = 0; i < s->n_asked; i++) {
        page_tag(out, "dt", NULL, s->asked[i][0]);
        page_tag(out, "dd", NULL, s->asked[i][1]);
        fputc('\n', out);
    }
    fputs("</dl>\n</section>\n", out);
}

/* figures */

typedef enum shelf { SHELF_ANSWER = 0, SHELF_BELIEF = 1, SHELF_MADE = 2 } shelf;

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Where a figure belongs, by the name of its file. */
static shelf shelf_of(const char *path)
{
    const char *name = name_of(path);

    if (begins(name, "posterior_predictive") || begins(name, "posterior-predictive"))
        return SHELF_BELIEF;
    if (begins(name, "posterior") || begins(name, "corner") || begins(name, "stream"))
        return SHELF_ANSWER;
    return begins(name, "loss") ? SHELF_MADE : SHELF_BELIEF;
}

enum { WIDE = 800 }; /* pixels: a figure that takes the whole row */

/* In pixels, by its viewBox, "0 0 WIDTH HEIGHT". */
static double width_of(const char *svg)
{
    const char *box = strstr(svg, "viewBox=\"0 0 ");
    double width = box ? strtod(box + strlen("viewBox=\"0 0 "), NULL) : 0;

    return width > 0 ? width : 640;
}

/* An SVG in an image of its own: its names and styles stay apart from the page's. */
static void put_image(sheet *p, const char *caption, const char *text, size_t n,
                      bool alone)
{
    double width = width_of(text);

    fprintf(p->out, "<figure%s><img width=\"%.0f\" src=\"data:image/svg+xml,",
            width > WIDE ? " class=\"wide\""
            : alone      ? " class=\"alone\""
                         : "",
            width);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7F || strchr("%#<>\"'&", c))
            fprintf(p->out, "%%%02X", c);
        else
            fputc(c, p->out);
    }
    fputs("\" alt=\"", p->out);
    html_put(p->out, caption);
    fputs("\"><figcaption>", p->out);
    html_put(p->out, caption);
    fputs("</figcaption></figure>\n", p->out);
}

int page_figure(sheet *p, const char *path, const char *caption)
{
    char *text = NULL;
    size_t n = 0;
    int status = file_read(path, 32 << 20, &text, &n);

    if (!status)
        put_image(p, caption, text, n, true);
    free(text);
    return status;
}

static int put_figures(const run_summary *s, shelf of, sheet *p)
{
    int status = NRE_OK;
    bool any = false;
    size_t there = 0;

    for (size_t i = 0; i < s->n_figures; i++)
        there += shelf_of(s->figures[i]) == of;

    for (size_t i = 0; i < s->n_figures && !status; i++) {
        const char *caption = s->captions ? s->captions[i] : NULL;
        char *text = NULL;
        size_t n = 0;
        if (shelf_of(s->figures[i]) != of)
            continue;
        status = file_read(s->figures[i], 32 << 20, &text, &n);
        if (!any)
            fputs("<div class=\"figures\">\n", p->out);
        any = true;
        if (!status)
            put_image(p, caption ? caption : name_of(s->figures[i]), text, n,
                      there == 1 || of == SHELF_ANSWER);
        free(text);
    }
    fputs(any ? "</div>\n" : "", p->out);
    return status;
}

/* What its checks say stands below, unless it is worse than they are. */
static void put_block(const run_summary *s, const posterior_block *b, sheet *p)
{
    bool doubted = b->believe && !posterior_believed(b);

    page_posterior(b, p);
    if (s->checks && !doubted)
        return;
    page_tag(p->out, "p", doubted ? "verdict bad" : "verdict", belief_words(p->a, b));
    if (!s->checks)
        page_tag(p->out, "p", "legend", observation_words(p->a, b));
    fputc('\n', p->out);
}

static int put_answer(const run_summary *s, sheet *p)
{
    if (!s->posterior)
        return NRE_OK;
    fputs("<section id=\"answer\">\n<h2>The answer</h2>\n", p->out);
    for (size_t i = 0; i < s->posterior->n_blocks; i++)
        put_block(s, &s->posterior->blocks[i], p);
    int status = put_figures(s, SHELF_ANSWER, p);
    fputs("</section>\n", p->out);
    return status;
}

/* may it be believed? */

static const char *badge_of(const check_row *r)
{
    return check_is(r, "fails")      ? "✗ fails"
           : check_is(r, "cautious") ? "✓ cautious"
           : check_is(r, "ok")       ? "✓ passed"
           : check_is(r, "informs")  ? "for information"
                                     : "? not assessed";
}

static void put_check(const check_row *r, sheet *p)
{
    bool fails = check_is(r, "fails");
    const char *numbers = check_numbers(p->a, r);

    fputs("<li class=\"check ", p->out);
    html_put(p->out, r->verdict);
    fputs("\"><h4>", p->out);
    page_tag(p->out, "span", NULL, check_title(r->name));
    page_tag(p->out, "span", "badge", badge_of(r));
    fputs("</h4>", p->out);
    if (r->missed)
        page_tag(p->out, "p", "todo", r->missed);
    if (r->says)
        page_tag(p->out, "p", NULL, r->says);
    if (r->reason)
        page_tag(p->out, "p", NULL, r->reason);
    if ((fails || check_is(r, "cautious")) && r->advice)
        page_tag(p->out, "p", "todo", r->advice);
    if (numbers && *numbers)
        page_tag(p->out, "p", "number", numbers);
    fputs("</li>\n", p->out);
}

static void put_cards(const run_summary *s, const char *target, bool of_posterior,
                      sheet *p)
{
    static const char *const ORDER[] = {"fails", "cautious", "ok", "informs", "open"};

    fputs("<ul class=\"checks\">\n", p->out);
    for (size_t k = 0; k < sizeof ORDER / sizeof ORDER[0]; k++)
        for (size_t i = 0; i < s->checks->n_rows; i++) {
            const check_row *r = &s->checks->rows[i];
            if (check_judges(r, target) && check_is(r, ORDER[k]) &&
                check_is_of_posterior(r) == of_posterior)
                put_check(r, p);
        }
    fputs("</ul>\n", p->out);
}

static void put_target_checks(const run_summary *s, const char *target, sheet *p)
{
    page_tag(p->out, "p", belief_class(belief_of(s, target)),
             belief_headline(p->a, s, target));
    fputc('\n', p->out);
    put_cards(s, target, true, p);
    if (belief_sets(s, target)) {
        page_tag(p->out, "p", "legend", belief_sets(s, target));
        fputc('\n', p->out);
        put_cards(s, target, false, p);
    }
}

static int put_belief(const run_summary *s, sheet *p)
{
    size_t n;
    const char **target = targets_of(s, p->a, &n);

    if (!target)
        return fail(NRE_ENOMEM, "no memory for the page");
    if (n == 0)
        return NRE_OK;
    fputs(
        "<section id=\"belief\">\n<h2>May it be believed?</h2>\n"
        "<p>Each check asks what a right answer would look like, and how often one would "
        "look as this one does: it fails where that happens once in 100 times or less, "
        "and is "
        "cautious where all that is wrong is that posteriors are too wide. A "
        "number without a right value only informs.</p>\n",
        p->out);
    for (size_t i = 0; i < n; i++)
        put_target_checks(s, target[i], p);
    int status = put_figures(s, SHELF_BELIEF, p);
    fputs("</section>\n", p->out);
    return status;
}

/* tables */

static void put_times(const run_summary *s, sheet *p)
{
    double total = 0;

    if (s->n_timings == 0)
        return;
    fputs("<h3>Time</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th "
          "class=\"t\">stage</th>"
          "<th class=\"t\">what</th><th>time</th><th>rate</th><th class=\"t\"></th></tr>"
          "</thead>\n<tbody>\n",
          p->out);
    for (size_t i = 0; i < s->n_timings; i++) {
        const timing_row *r = &s->timings[i];
        total += isfinite(r->seconds) ? r->seconds : 0;
        fputs("<tr>", p->out);
        page_tag(p->out, "td", "t", r->stage);
        page_tag(p->out, "td", "t", r->what);
        page_tag(p->out, "td", NULL, duration_text(p->a, r->seconds));
        page_tag(p->out, "td", NULL,
                 isfinite(r->rate) ? arena_print(p->a, "%.4g %s", r->rate, r->unit) : "");
        page_tag(p->out, "td", "t", r->reused ? "reused" : "");
        fputs("</tr>\n", p->out);
    }
    fputs("</tbody></table></div>\n", p->out);
    page_tag(p->out, "p", "legend",
             arena_print(p->a, "Altogether %s.", duration_text(p->a, total)));
    fputc('\n', p->out);
}

static int put_tables(const run_summary *s, sheet *p)
{
    int status = NRE_OK;

    if (!s->coverage && !s->quality)
        return NRE_OK;
    fputs("<div id=\"tables\">\n", p->out);
    if (s->coverage && s->coverage->n_rows > 0)
        status = page_coverage(s->coverage, p);
    if (!status && s->quality)
        status = page_quality(s->quality, p);
    if (!status && s->checks)
        status = page_checks(s->checks, p);
    fputs("</div>\n", p->out);
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

static int put_made(const run_summary *s, const char *config, const char *environment,
                    sheet *p)
{
    fputs("<section id=\"made\">\n<h2>How it was made</h2>\n", p->out);
    int status = put_figures(s, SHELF_MADE, p);
    put_times(s, p);
    if (!status)
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
    put_asked(s, p.out);
    status = put_answer(s, &p);
    if (!status)
        status = put_belief(s, &p);
    if (!status)
        status = put_tables(s, &p);
    if (!status)
        status = put_made(s, config, environment, &p);
    if (!status)
        return sheet_save(&p, path);
    sheet_drop(&p);
    return status;
}

/* report/timing_table.c - where the time went, as JSON and Markdown. */
#include "report/report.h"

#include <math.h>

static json_t *row_json(const timing_row *r)
{
    json_t *o =
        json_pack("{s:o s:o s:o s:o s:o s:b}", "stage", json_text(r->stage), "what",
                  json_text(r->what), "seconds", json_number(r->seconds), "rate",
                  json_number(r->rate), "unit", json_text(r->unit), "reused", r->reused);

    if (o && !isfinite(r->rate))
        json_object_set_new(o, "reason",
                            json_text(r->reused ? "the result of an earlier run was kept"
                                                : "nothing was counted"));
    return o;
}

static json_t *table_json(size_t n, const timing_row *rows)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, row_json(&rows[i]));
    return json_pack("{s:o}", "rows", list);
}

static const char *rate_text(arena *a, const timing_row *r)
{
    if (!isfinite(r->rate))
        return "";
    const char *rate = r->rate >= 1000
                           ? count_text(a, (uint64_t)fmin(rint(r->rate), 1e18))
                           : arena_print(a, "%.3g", r->rate);
    const char *unit = markdown_escape(a, r->unit);
    return rate && unit ? arena_print(a, "%s %s", rate, unit) : NULL;
}

static int write_markdown(size_t n, const timing_row *rows, const char *folder)
{
    static const char *const head[] = {"stage", "what", "time", "rate", ""};
    double total = 0;
    columns c;
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    columns_start(&c, s.a, 5, "llrrl");
    for (size_t k = 0; k < 5; k++)
        columns_add(&c, head[k]);
    for (size_t i = 0; i < n; i++) {
        total += isfinite(rows[i].seconds) ? rows[i].seconds : 0;
        columns_add(&c, markdown_escape(s.a, rows[i].stage));
        columns_add(&c, markdown_escape(s.a, rows[i].what));
        columns_add(&c, duration_text(s.a, rows[i].seconds));
        columns_add(&c, rate_text(s.a, &rows[i]));
        columns_add(&c, rows[i].reused ? "reused" : "");
    }
    fputs("# Time\n\n", s.out);
    status = columns_markdown(&c, s.out);
    fprintf(s.out, "\nAltogether %s.\n", duration_text(s.a, total));
    if (!status)
        return sheet_save_in(&s, folder, "timing.md");
    sheet_drop(&s);
    return status;
}

int timing_table_write(size_t n, const timing_row *rows, const char *folder)
{
    int status = json_save_in(folder, "timing.json", table_json(n, rows));

    return status ? status : write_markdown(n, rows, folder);
}

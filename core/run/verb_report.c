/* nereid report: the page of a run or a sweep anew, from the results that are there. */
#include "run/run.h"

#include <math.h>
#include <string.h>

enum { TIMING_LIMIT = 16 << 20 };

/* As in the table of the run; none where it has no such table. */
static int read_timings(run *r)
{
    const char *path = folder_path(r->folder, "tables/timing.json");
    arena *a = r->folder->arena;
    json_t *table = NULL, *row;
    size_t i;
    if (!path || !file_exists(path))
        return path ? NRE_OK : fail(NRE_ENOMEM, "no memory for the times of the stages");
    int rc = json_load_path(path, TIMING_LIMIT, &table);
    const json_t *rows = json_object_get(table, "rows");
    timing_row *t = arena_alloc(a, json_array_size(rows) + 1, sizeof *t);
    json_array_foreach(rows, i, row)
    {
        const char *stage = word_in(row, "stage"), *what = word_in(row, "what"),
                   *rate_unit = word_in(row, "unit");
        if (!t || !stage || !what)
            continue;
        t[r->n_timings++] = (timing_row){arena_copy(a, stage),
                                         arena_copy(a, what),
                                         real_in(row, "seconds"),
                                         rate_unit ? real_in(row, "rate") : NAN,
                                         rate_unit ? arena_copy(a, rate_unit) : NULL,
                                         json_is_true(json_object_get(row, "reused"))};
    }
    r->timings = t;
    json_decref(table);
    return rc || t ? rc : fail(NRE_ENOMEM, "no memory for the times of the stages");
}

static int report_one(const command *c, const char *state, bool finished,
                      const char *page, json_t *result)
{
    session *s = NULL;
    folder *f = NULL;
    int rc = run_open(c->arguments[0], c, NULL, &s, &f);
    if (!rc) {
        run r = {.session = s,
                 .folder = f,
                 .source = f,
                 .joint = s->experiment->infer.nuisance != NUISANCE_UNSAID,
                 .result = result};
        rc = read_timings(&r);
        if (!rc)
            rc = report_page(&r, state, finished, page);
        stages_free(r.stages);
    }
    session_close(s);
    folder_close(f);
    return rc;
}

static int report_folder(const command *c, arena *a, const char *page, json_t *result)
{
    const char *path = c->arguments[0], *planned = path_join(a, path, "plan.json");
    bool finished = false;
    const char *state = run_state(path, a, &finished);
    int rc = planned && state ? NRE_OK : fail(NRE_ENOMEM, "no memory for a page");
    if (!rc)
        json_object_set_new(result, "state", json_string(state));
    if (!rc)
        rc = file_exists(planned) ? compare_folders(1, &path, NULL, page, NULL)
                                  : report_one(c, state, finished, page, result);
    if (!rc && c->json) {
        json_dumpf(result, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (!rc) {
        printf("Page: %s.\n", page);
    }
    return rc;
}

int verb_report(const command *c)
{
    if (c->n_arguments != 1)
        return fail(
            NRE_EUSAGE,
            "nereid report takes the folder of a run or a sweep: nereid report DIR");
    arena *a = arena_new();
    const char *page = c->out ? c->out
                       : a    ? path_join(a, c->arguments[0], "report.html")
                              : NULL;
    json_t *result = json_pack("{s:s?}", "page", page);
    int rc = a && page && result ? NRE_OK : fail(NRE_ENOMEM, "no memory for a page");
    if (!rc && c->out)
        rc = folder_make(path_folder(a, page));
    if (!rc)
        rc = report_folder(c, a, page, result);
    json_decref(result);
    arena_free(a);
    return rc;
}

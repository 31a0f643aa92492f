/* Progress: the bar, the lines, the heartbeat. */
#include "run/run.h"
#include "scratch.h"

#include <unistd.h>

/* What REPORTS many reports of a job of 4 write on stderr. */
static char *shown(progress_style style, unsigned reports)
{
    static char text[4096];
    FILE *file = tmpfile();
    int old = dup(STDERR_FILENO);
    cr_assert(file && old >= 0);
    dup2(fileno(file), STDERR_FILENO);
    watch *w = watch_new(style);
    for (unsigned i = 0; i <= reports; i++)
        progress_report(watch_progress(w), "train all", i, 4, "epochs",
                        i ? "loss 1.25" : NULL);
    log_say(NRE_WARN, "a line");
    watch_free(w);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

Test(watch, the_bar_ends_with_its_line)
{
    const char *text = shown(PROGRESS_BAR, 4);
    cr_assert(strstr(text, "\rtrain all | 0/4 epochs | "), "'%s'", text);
    cr_assert(strstr(text, "train all | 4/4 epochs | loss 1.25 | "), "'%s'", text);
    cr_assert(strstr(text, "00:00 left"), "'%s'", text);
    cr_assert(strstr(text, "\nwarning: a line\n"), "the bar steps aside: '%s'", text);
}

Test(watch, an_unfinished_bar_steps_aside)
{
    const char *text = shown(PROGRESS_BAR, 2);
    const char *line = strstr(text, "warning: a line\n");
    cr_assert_not_null(line);
    cr_assert_eq(line[-1], '\r', "the line begins where the bar was: '%s'", text);
}

Test(watch, lines_keep_an_interval)
{
    cr_assert_str_eq(shown(PROGRESS_LINES, 4), "warning: a line\n");
    cr_assert_str_eq(shown(PROGRESS_NONE, 4), "warning: a line\n");
    cr_assert_str_eq(shown(PROGRESS_AUTO, 4), "warning: a line\n");
}

static json_int_t count_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

Test(watch, the_heartbeat_ends_with_the_last_state)
{
    scratch s = scratch_new();
    json_t *j = NULL;
    watch *w = watch_new(PROGRESS_NONE);
    watch_folder(w, s.folder);
    for (unsigned i = 0; i <= 3; i++)
        progress_report(watch_progress(w), "simulate", i, 3, "simulations", "test");
    watch_folder(w, NULL);
    progress_report(watch_progress(w), "later", 1, 9, "things", NULL);
    watch_free(w);
    cr_assert_eq(json_load_path(scratch_path(&s, "progress.json"), 4096, &j), NRE_OK);
    cr_assert_str_eq(json_string_value(json_object_get(j, "what")), "simulate");
    cr_assert_eq(count_of(j, "done"), 3);
    cr_assert_eq(count_of(j, "total"), 3);
    cr_assert_eq(count_of(j, "pid"), getpid());
    json_decref(j);
    scratch_free(&s);
}

Test(watch, a_folder_that_cannot_be_written_stops_nothing)
{
    watch *w = watch_new(PROGRESS_NONE);
    watch_folder(w, "/nowhere/at/all");
    cr_assert_eq(
        progress_report(watch_progress(w), "simulate", 1, 2, "simulations", NULL),
        NRE_OK);
    watch_folder(w, NULL);
    watch_free(w);
    watch_free(NULL);
    cr_assert_null(watch_progress(NULL));
}

Test(watch, a_total_that_was_guessed_too_low)
{
    watch *w = watch_new(PROGRESS_BAR);
    log_level(NRE_ERROR);
    cr_assert_eq(
        progress_report(watch_progress(w), "simulate", 7, 3, "simulations", NULL),
        NRE_OK);
    watch_free(w);
}

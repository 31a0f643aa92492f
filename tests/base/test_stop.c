/* The wish to stop, and progress. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

Test(stop, nobody_asked)
{
    cr_assert_eq(stop_signal(), 0);
    cr_assert_eq(stop_check(), 0);
}

Test(stop, signals_ask)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
    static const char *const names[] = {"SIGINT", "SIGTERM", "SIGUSR1"};

    stop_handlers();
    for (int i = 0; i < 3; i++) {
        raise(signals[i]);
        cr_assert_eq(stop_signal(), signals[i]);
        cr_assert_eq(stop_check(), NRE_ECANCELLED);
        cr_assert_not_null(strstr(error_message(), names[i]));
        stop_request(0);
        cr_assert_eq(stop_check(), 0);
    }
}

typedef struct recorder {
    progress base;
    uint64_t done, total;
    char what[32];
} recorder;

static void record(progress *self, const char *what, uint64_t done, uint64_t total,
                   const char *unit, const char *detail)
{
    recorder *r = (recorder *)self;

    r->done = done;
    r->total = total;
    snprintf(r->what, sizeof r->what, "%s %s %s", what, unit, detail ? detail : "-");
}

Test(stop, progress_is_told_and_the_wish_returned)
{
    recorder r = {.base = {record}};

    cr_assert_eq(progress_report(&r.base, "train", 3, 9, "epochs", NULL), 0);
    cr_assert_eq(r.done, 3);
    cr_assert_eq(r.total, 9);
    cr_assert_str_eq(r.what, "train epochs -");
    cr_assert_eq(progress_report(NULL, "train", 3, 9, "epochs", NULL), 0);
    stop_request(SIGTERM);
    cr_assert_eq(progress_report(&r.base, "train", 4, 9, "epochs", "x"), NRE_ECANCELLED);
    cr_assert_eq(r.done, 4);
    cr_assert_eq(progress_report(NULL, "train", 4, 9, "epochs", NULL), NRE_ECANCELLED);
}

/* Messages on stderr and in the log file. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What reached stderr since the test began. */
static FILE *screen;

static void catch_stderr(void)
{
    screen = tmpfile();
    cr_assert_not_null(screen);
    dup2(fileno(screen), STDERR_FILENO);
}

static char *all_of(FILE *file)
{
    static char text[65536];

    fflush(stderr);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    return text;
}

Test(log, the_least_level_is_for_the_screen, .init = catch_stderr)
{
    FILE *file = tmpfile();

    log_file(file);
    log_say(NRE_DEBUG, "one");
    log_say(NRE_INFO, "two %d", 2);
    log_say(NRE_WARN, "three");
    log_level(NRE_ERROR);
    log_say(NRE_WARN, "four");
    log_say(NRE_ERROR, "five");
    log_level(NRE_DEBUG);
    log_say(NRE_DEBUG, "six");
    log_file(NULL);
    log_say(NRE_INFO, "seven");
    cr_assert_str_eq(all_of(screen),
                     "two 2\nwarning: three\nerror: five\ndebug: six\nseven\n");
    const char *text = all_of(file);
    cr_assert_not_null(strstr(text, "Z debug: one\n"));
    cr_assert_not_null(strstr(text, "Z two 2\n"));
    cr_assert_not_null(strstr(text, "Z warning: four\n"));
    cr_assert_not_null(strstr(text, "Z debug: six\n"));
    cr_assert_null(strstr(text, "seven"));
    fclose(file);
}

static void before(void)
{
    fputs("<", stderr);
}

static void after(void)
{
    fputs(">", stderr);
}

Test(log, a_progress_bar_steps_aside, .init = catch_stderr)
{
    log_around(before, after);
    log_say(NRE_INFO, "line");
    log_say(NRE_DEBUG, "not shown");
    log_around(NULL, NULL);
    log_say(NRE_INFO, "bare");
    cr_assert_str_eq(all_of(screen), "<line\n>bare\n");
}

Test(log, long_messages_are_whole, .init = catch_stderr)
{
    static char text[20000];

    memset(text, 'y', sizeof text - 1);
    log_say(NRE_INFO, "%s", text);
    cr_assert_eq(strlen(all_of(screen)), sizeof text);
}

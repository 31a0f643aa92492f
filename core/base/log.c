/* base/log.c - messages on stderr and in the log file. */
#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static nre_level least_shown = NRE_INFO;
static FILE *also;
static void (*step_aside)(void);
static void (*step_back)(void);

void log_level(nre_level least)
{
    pthread_mutex_lock(&lock);
    least_shown = least;
    pthread_mutex_unlock(&lock);
}

void log_file(FILE *file)
{
    pthread_mutex_lock(&lock);
    also = file;
    pthread_mutex_unlock(&lock);
}

void log_around(void (*before)(void), void (*after)(void))
{
    pthread_mutex_lock(&lock);
    step_aside = before;
    step_back = after;
    pthread_mutex_unlock(&lock);
}

static const char *level_word(nre_level level)
{
    switch (level) {
    case NRE_DEBUG:
        return "debug: ";
    case NRE_WARN:
        return "warning: ";
    case NRE_ERROR:
        return "error: ";
    case NRE_INFO:
    default:
        return "";
    }
}

static void to_stderr(const char *word, const char *text)
{
    if (step_aside)
        step_aside();
    fprintf(stderr, "%s%s\n", word, text);
    if (step_back)
        step_back();
}

static void to_file(const char *word, const char *text)
{
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32] = "";

    if (gmtime_r(&now, &utc))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    fprintf(also, "%s%s%s\n", stamp, word, text);
    fflush(also);
}

void log_say_v(nre_level level, const char *format, va_list arguments)
{
    char *text = NULL;
    const char *shown = format; /* better than nothing when out of memory */

    if (vasprintf(&text, format, arguments) >= 0)
        shown = text;
    else
        text = NULL;
    pthread_mutex_lock(&lock);
    if (level >= least_shown)
        to_stderr(level_word(level), shown);
    if (also)
        to_file(level_word(level), shown);
    pthread_mutex_unlock(&lock);
    free(text);
}

void log_say(nre_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_say_v(level, format, arguments);
    va_end(arguments);
}

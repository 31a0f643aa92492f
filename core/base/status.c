/* base/status.c - one sentence a thread, and what a status means. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

#undef fail
#undef fail_within

static _Thread_local char sentence[ERROR_LENGTH];

int fail_v(int status, const char *format, va_list arguments)
{
    char text[ERROR_LENGTH]; /* the arguments may point into the old sentence */

    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        snprintf(text, sizeof text, "%s", format);
    memcpy(sentence, text, sizeof sentence);
    return status;
}

int fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail_v(status, format, arguments);
    va_end(arguments);
    return status;
}

int fail_within(int status, const char *where, ...)
{
    char old[ERROR_LENGTH], text[ERROR_LENGTH];
    va_list arguments;

    memcpy(old, sentence, sizeof old);
    va_start(arguments, where);
    fail_v(status, where, arguments);
    va_end(arguments);
    size_t n = strnlen(sentence, sizeof sentence - 3);
    memcpy(text, sentence, n);
    memcpy(text + n, ": ", 3);
    strncat(text, old, sizeof text - n - 3);
    error_set(text);
    return status;
}

const char *error_message(void)
{
    return sentence;
}

void error_set(const char *message)
{
    if (message != sentence)
        snprintf(sentence, sizeof sentence, "%s", message);
}

const char *status_text(int status)
{
    switch (status) {
    case NRE_OK:
        return "done";
    case NRE_EINVAL:
        return "value out of range";
    case NRE_ENOMEM:
        return "out of memory";
    case NRE_EIO:
        return "input or output failure";
    case NRE_EFORMAT:
        return "malformed file";
    case NRE_ENUMERIC:
        return "numerical failure";
    case NRE_ENOTSUP:
        return "not supported";
    case NRE_ECANCELLED:
        return "interrupted";
    case NRE_EABI:
        return "plugin and core do not fit";
    case NRE_EINTERNAL:
        return "internal error";
    case NRE_EUSAGE:
        return "wrong usage";
    case NRE_ECONFIG:
        return "invalid config";
    case NRE_EPLUGIN:
        return "plugin failure";
    case NRE_EDATA:
        return "unusable data";
    case NRE_EGATE:
        return "a gated diagnostic missed its threshold";
    case NRE_EEXISTS:
        return "output exists";
    case NRE_ELOCKED:
        return "locked by a live process";
    case NRE_EPARTIAL:
        return "a sweep failed in part";
    default:
        return "unknown status";
    }
}

int exit_code_of(int status)
{
    switch (status) {
    case NRE_OK:
        return 0;
    case NRE_EUSAGE:
        return 2;
    case NRE_ECONFIG:
        return 3;
    case NRE_EPLUGIN:
        return 4;
    case NRE_EDATA:
    case NRE_EIO:
    case NRE_EFORMAT:
        return 5;
    case NRE_ENUMERIC:
        return 6;
    case NRE_EGATE:
        return 7;
    case NRE_EPARTIAL:
        return 8;
    case NRE_EEXISTS:
        return 9;
    case NRE_ELOCKED:
        return 10;
    case NRE_ECANCELLED:
        return 75;
    default:
        return 1;
    }
}

void bug_found(const char *condition, const char *file, int line)
{
    fprintf(stderr, "nereid: a bug at %s:%d: %s\n", file, line, condition);
    abort();
}

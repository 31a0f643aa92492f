/* nereid: the command line. */
#include "run/run.h"

#include <errno.h>
#include <gsl/gsl_errno.h>
#include <signal.h>
#include <string.h>

typedef struct verb {
    const char *name;
    int (*perform)(const command *c);
} verb;

static const verb VERBS[] = {
    {"run", verb_run},           {"simulate", verb_simulate}, {"infer", verb_infer},
    {"evaluate", verb_evaluate}, {"check", verb_check},       {"plugins", verb_plugins},
    {"new", verb_new},           {"init", verb_init},         {"explain", verb_explain},
    {"status", verb_status},     {"table", verb_table},       {"export", verb_export},
    {"report", verb_report},
};

static int dispatch(const command *c)
{
    if (c->version) {
        printf("nereid %s\n", NEREID_VERSION);
        return NRE_OK;
    }
    if (c->help)
        return command_help(c->verb, stdout);
    for (size_t i = 0; c->verb && i < sizeof VERBS / sizeof VERBS[0]; i++)
        if (!strcmp(c->verb, VERBS[i].name))
            return VERBS[i].perform(c);
    command_help(NULL, stderr);
    return fail(NRE_EUSAGE, "no verb given");
}

/* What must happen before any thread: handlers, and libraries that would abort or start
 * threads. */
static int start(const command *c)
{
    gsl_set_error_handler_off();
    crash_handlers();
    stop_handlers();
    signal(SIGPIPE, SIG_IGN);
    log_level(c->quiet ? NRE_WARN : c->verbose ? NRE_DEBUG : NRE_INFO);
    return blas_start();
}

/* A config's report carries its own places; everything else is one sentence. */
static void show_error(void)
{
    const char *message = error_message();
    size_t n = strlen(message);
    fprintf(stderr, "%s%s%s", strstr(message, ": error: ") ? "" : "nereid: ", message,
            n && message[n - 1] == '\n' ? "" : "\n");
}

/* Results that did not arrive, on a full disk say; a reader that went away had enough. */
static int finish(int rc)
{
    bool lost = fflush(stdout) || ferror(stdout);
    if (lost && !rc && errno != EPIPE)
        rc = fail(NRE_EIO, "cannot write the results to standard output: %s",
                  strerror(errno));
    return rc;
}

int main(int argc, char *argv[])
{
    command c;
    int rc = command_parse(argc, argv, &c);
    if (!rc)
        rc = start(&c);
    if (!rc)
        rc = finish(dispatch(&c));
    if (rc)
        show_error();
    return exit_code_of(rc);
}

/* nereid plugins check: contract tests of one plugin, each in a child process. */
#include "run/run.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 60, WHY = 2048, TAIL = 1024 };

/* Of one test; --time-limit shortens it. */
static unsigned seconds_of(const checked *c)
{
    double limit = c->command->time_limit;
    return limit >= 1 && limit < SECONDS ? (unsigned)limit : SECONDS;
}

/* what tests say */

int check_skipped(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_v(NRE_ENOTSUP, format, arguments);
    va_end(arguments);
    return CHECK_SKIPPED;
}

void check_note(const checked *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->note, CHECK_NOTE, format, arguments);
    va_end(arguments);
}

/* a test in its child */

typedef enum outcome { NONE, HOLDS, SKIPPED, BROKEN } outcome;

/* Shared with the child. */
typedef struct result {
    outcome outcome;
    char why[WHY], note[CHECK_NOTE];
} result;

static _Noreturn void run_test(const checked *c, const contract *t, result *r, FILE *out,
                               FILE *errors)
{
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(errors), STDERR_FILENO);
    crash_handlers();
    signal(SIGALRM, SIG_DFL);
    alarm(seconds_of(c));
    error_set("");
    int status = t->holds(c);
    snprintf(r->why, sizeof r->why, "%s", status == NRE_OK ? r->note : error_message());
    r->outcome = status == NRE_OK ? HOLDS : status == CHECK_SKIPPED ? SKIPPED : BROKEN;
    fflush(stdout);
    _exit(0);
}

/* The last line of FILE; without what the program puts around each of its own. */
static void last_line(FILE *file, char *text, size_t size)
{
    fseek(file, 0, SEEK_END);
    long from = ftell(file) - (long)size + 1;
    fseek(file, from > 0 ? from : 0, SEEK_SET);
    size_t n = fread(text, 1, size - 1, file);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = 0;
    char *line = strrchr(text, '\n'), *head = strstr(line ? line : text, "error: ");
    line = head ? head + strlen("error: ") : line ? line + 1 : text;
    memmove(text, line, strlen(line) + 1);
    char *rest = strstr(text, "; what was finished");
    if (rest)
        *rest = 0;
}

static void broken(result *r, const char *format, ...) NRE_PRINTF(2, 3);
static void broken(result *r, const char *format, ...)
{
    char text[WHY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(r->why, sizeof r->why, "%.*s%s%s%s", WHY - CHECK_NOTE - 8, text,
             *r->note ? " (at " : "", r->note, *r->note ? ")" : "");
    r->outcome = BROKEN;
}

/* How the child ended, in words: a plugin may crash, hang, exit or print. */
static void judge(const checked *c, result *r, int status, FILE *out, FILE *errors)
{
    char said[TAIL], printed[64];
    last_line(errors, said, sizeof said);
    last_line(out, printed, sizeof printed);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        broken(r, "took more than %u seconds", seconds_of(c));
    else if (WIFSIGNALED(status))
        broken(r, "died of signal %d, %s%s%s", WTERMSIG(status),
               strsignal(WTERMSIG(status)), *said ? ": " : "", said);
    else if (WEXITSTATUS(status) != 0 && *said)
        broken(r, "%s", said);
    else if (r->outcome == NONE)
        broken(r, "the plugin ended the process with exit code %d", WEXITSTATUS(status));
    else if (*printed && r->outcome != BROKEN) {
        *r->note = 0;
        broken(r, "a plugin does not print, this one prints '%s'", printed);
    }
}

static int perform(const checked *c, const contract *t, result *r, FILE *out,
                   FILE *errors)
{
    int status;
    *r = (result){.outcome = NONE};
    rewind(out);
    rewind(errors);
    if (ftruncate(fileno(out), 0) || ftruncate(fileno(errors), 0))
        return fail(NRE_EIO, "temporary files cannot be emptied");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return fail(NRE_EINTERNAL, "no child process can be made");
    if (pid == 0)
        run_test(c, t, r, out, errors);
    while (waitpid(pid, &status, 0) < 0)
        continue;
    judge(c, r, status, out, errors);
    return stop_check();
}

/* what holds for every kind */

static int loads(const checked *c)
{
    plugins *p = NULL;
    const plugin *found = NULL;
    int status = command_plugins(c->command, &p);
    return status ? status : plugin_load_file(p, c->path, &found);
}

static int exports_one_symbol(const checked *c)
{
    return symbols_check(c->plugin->path);
}

static int make_and_free(const checked *c, const nre_values *values)
{
    instance *i = NULL;
    int status = instance_new(c->plugin, values, c->services, &i);
    instance_free(i);
    return status;
}

static int is_made_at_its_defaults(const checked *c)
{
    int status = make_and_free(c, c->values);
    return status ? status
                  : make_and_free(c, c->values); /* a second time, all is as before */
}

/* Values that OPTION says it accepts: ends of ranges, all choices.  TEXT [most][64]. */
static size_t extremes(const nre_option *option, char (*text)[64], size_t most)
{
    size_t n = 0;
    const char *words = option->type == NRE_BOOL ? "true|false" : option->choices;
    if (option->type == NRE_BOOL || option->type == NRE_CHOICE) {
        for (const char *at = words; at && *at && n < most; n++) {
            int length = (int)strcspn(at, "|");
            snprintf(text[n], sizeof *text, "%.*s", length, at);
            at += length + (at[length] == '|');
        }
        return n;
    }
    if (!(option->lo < option->hi) || option->type == NRE_STRING ||
        option->type == NRE_PATH || option->type == NRE_STRING_LIST)
        return 0;
    if (isfinite(option->lo) && !(option->flags & NRE_OPEN_LO))
        snprintf(text[n++], sizeof *text, "%.17g", option->lo);
    if (isfinite(option->hi) && !(option->flags & NRE_OPEN_HI))
        snprintf(text[n++], sizeof *text, "%.17g", option->hi);
    return n;
}

static int set_from_command(const checked *c, nre_values *values)
{
    for (size_t i = 0; i < c->command->n_set; i++) {
        const char *set = c->command->set[i], *value = strchr(set, '=');
        char *name = arena_print(c->arena, "%.*s", value ? (int)(value - set) : 0, set);
        if (!value || !name)
            return fail(NRE_EUSAGE,
                        "--set %s: write an option of the plugin as NAME=VALUE", set);
        value++;
        if (values_set(values, name, false, 1, &value))
            return fail_within(NRE_EUSAGE, "--set %s", set);
    }
    return NRE_OK;
}

/* The defaults, what --set gives, and for required numbers and choices an extreme. */
static int usual_values(const checked *c, nre_values **out)
{
    const nre_plugin *table = c->plugin->table;
    int status = values_new(c->plugin, c->arena, out);
    for (size_t i = 0; status == NRE_OK && i < table->n_options; i++) {
        char text[1][64];
        const char *item = text[0];
        const nre_option *o = plugin_option(table, i);
        bool list = o->type == NRE_INT_LIST || o->type == NRE_REAL_LIST;
        if ((o->flags & NRE_REQUIRED) && extremes(o, text, 1) > 0)
            status = values_set(*out, o->name, list, 1, &item);
    }
    if (status == NRE_OK)
        status = set_from_command(c, *out);
    if (status == NRE_OK && values_complete(*out))
        status = fail_within(NRE_EUSAGE, "give it with --set NAME=VALUE");
    return status;
}

static int try_extreme(const checked *c, const nre_option *o, const char *text)
{
    nre_values *values;
    int status = usual_values(c, &values);
    if (status != NRE_OK)
        return status;
    check_note(c, "%s = %s", o->name, text);
    if (values_set(values, o->name, o->type == NRE_INT_LIST || o->type == NRE_REAL_LIST,
                   1, &text))
        return fail_within(NRE_EPLUGIN, "%s = %s", o->name, text);
    status = make_and_free(c, values);
    return status ? fail_within(status, "%s = %s", o->name, text) : NRE_OK;
}

/* Options may exclude one another: a refusal with a sentence is told and breaks nothing.
 */
static int is_made_at_every_extreme(const checked *c)
{
    enum { MOST = 64 };
    char text[MOST][64], refusal[CHECK_NOTE] = "";
    for (size_t i = 0; i < c->plugin->table->n_options; i++) {
        const nre_option *o = plugin_option(c->plugin->table, i);
        size_t n = extremes(o, text, MOST);
        for (size_t k = 0; k < n; k++) {
            int status = try_extreme(c, o, text[k]);
            if (status != NRE_OK && status != NRE_EPLUGIN)
                return status;
            if (status != NRE_OK)
                snprintf(refusal, sizeof refusal, "refuses %s", error_message());
        }
    }
    check_note(c, "%s", refusal);
    return NRE_OK;
}

static const contract LOADS[] = {{"it loads", loads, true}, {.says = NULL}};
static const contract EVERY_KIND[] = {
    {"it exports nre_plugin_v1 alone", exports_one_symbol, false},
    {"it is made and freed at its defaults", is_made_at_its_defaults, true},
    {"it is made at every choice and end of a range", is_made_at_every_extreme, false},
    {.says = NULL},
};

/* all tests of a plugin */

typedef struct session_of_tests {
    checked checked;
    result *result; /* shared with the children */
    FILE *out, *child_out, *child_errors;
    size_t held, broken, skipped;
} session_of_tests;

/* False in *GO_ON when a basic test is broken. */
static int run_contract(session_of_tests *s, const contract *tests, bool *go_on)
{
    static const char *const WORDS[] = {
        [NONE] = "FAILED", [HOLDS] = "ok", [SKIPPED] = "skipped", [BROKEN] = "FAILED"};
    const result *r = s->result;
    for (; *go_on && tests->says; tests++) {
        int status =
            perform(&s->checked, tests, s->result, s->child_out, s->child_errors);
        if (status != NRE_OK)
            return status;
        fprintf(s->out, "%-8s%s%s%s\n", WORDS[r->outcome], tests->says,
                *r->why ? ": " : "", r->why);
        fflush(s->out);
        s->held += r->outcome == HOLDS;
        s->skipped += r->outcome == SKIPPED;
        s->broken += r->outcome == BROKEN;
        *go_on = r->outcome != BROKEN || !tests->basic;
    }
    return NRE_OK;
}

static const contract *contract_of(nre_kind kind)
{
    return kind == NRE_SIMULATOR      ? SIMULATOR_CONTRACT
           : kind == NRE_ARCHITECTURE ? ARCHITECTURE_CONTRACT
                                      : SAMPLER_CONTRACT;
}

/* Loaded in this process only after a child has: what runs at loading has been survived.
 */
static int run_all(session_of_tests *s, plugins *p)
{
    checked *c = &s->checked;
    nre_values *values = NULL;
    bool go_on = true;
    int status = run_contract(s, LOADS, &go_on);
    if (status != NRE_OK || !go_on)
        return status;
    status = plugin_load_file(p, c->path, &c->plugin);
    if (status == NRE_OK)
        status = usual_values(c, &values);
    c->values = values;
    if (status == NRE_OK)
        status = run_contract(s, EVERY_KIND, &go_on);
    if (status == NRE_OK)
        status = run_contract(s, contract_of((nre_kind)c->plugin->table->kind), &go_on);
    return status;
}

static int conclude(const session_of_tests *s)
{
    fprintf(s->out, "%zu ok, %zu failed, %zu skipped\n", s->held, s->broken, s->skipped);
    return s->broken == 0 ? NRE_OK
                          : fail(NRE_EPLUGIN, "%s: %zu contract test%s failed",
                                 s->checked.path, s->broken, s->broken > 1 ? "s" : "");
}

int plugin_check(const command *c, const char *path, FILE *out)
{
    plugins *p = NULL;
    host_services services = {0};
    session_of_tests s = {.checked = {.path = path, .command = c, .services = &services},
                          .out = out,
                          .child_out = tmpfile(),
                          .child_errors = tmpfile(),
                          .result = mmap(NULL, sizeof *s.result, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    int status = command_plugins(c, &p);
    s.checked.arena = arena_new();
    if (status == NRE_OK &&
        (!s.checked.arena || !s.child_out || !s.child_errors || s.result == MAP_FAILED))
        status = fail(NRE_ENOMEM, "no memory or temporary files to test a plugin");
    if (status == NRE_OK)
        status = services_of_data(s.checked.arena, &services);
    if (status == NRE_OK) {
        s.checked.note = s.result->note;
        status = run_all(&s, p);
    }
    if (status == NRE_OK)
        status = conclude(&s);
    if (s.result != MAP_FAILED)
        munmap(s.result, sizeof *s.result);
    if (s.child_out)
        fclose(s.child_out);
    if (s.child_errors)
        fclose(s.child_errors);
    arena_free(s.checked.arena);
    plugins_free(p);
    return status;
}

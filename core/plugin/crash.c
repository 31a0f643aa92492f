/* crash.c - which plugin call a thread is in, and what is said when it crashes. */
#include "plugin/plugin.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Deeper calls are counted, and take the name of the deepest frame kept. */
enum { DEPTH = 8, HANDLER_STACK = 1 << 16, PLUGIN_CRASHED = 4 };

static _Thread_local crash_frame frames[DEPTH];
static _Thread_local volatile sig_atomic_t depth;
/* Whether a sentence is the plugin's or an old one: see plugin_failed. */
static _Thread_local bool said;
static _Thread_local hash message_before;

static atomic_bool installed;
static _Thread_local bool stack_ready;
static _Thread_local _Alignas(64) char handler_stack[HANDLER_STACK];

/* A stack of its own, so that a plugin that used up the thread's is still named.  One
 * that is there already is somebody's who will free it (AddressSanitizer). */
static void handler_stack_set(void)
{
    stack_t now;
    stack_t mine = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    stack_ready = true;
    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE))
        sigaltstack(&mine, NULL);
}

void crash_enter(const nre_plugin *table, const char *function, uint64_t first,
                 uint64_t last)
{
    if (!stack_ready && atomic_load_explicit(&installed, memory_order_relaxed))
        handler_stack_set();
    if (depth < DEPTH)
        frames[depth] = (crash_frame){table, function, first, last, scratch_now()};
    said = false;
    message_before = hash_string(error_message());
    atomic_signal_fence(memory_order_seq_cst);
    depth++;
}

void crash_leave(void)
{
    bug_if(depth <= 0);
    depth--;
    atomic_signal_fence(memory_order_seq_cst);
    if (depth == 0)
        scratch_reset();
    else if (depth < DEPTH)
        scratch_release(frames[depth].scratch);
}

crash_frame crash_now(void)
{
    if (depth == 0)
        return (crash_frame){.function = "", .first = 1};
    return frames[(depth < DEPTH ? depth : DEPTH) - 1];
}

void crash_said(void)
{
    said = true;
}

/* in the handler: async-signal-safe calls only */

typedef struct line {
    char text[512];
    size_t n;
} line;

static void put(line *l, const char *text)
{
    while (*text && l->n < sizeof l->text)
        l->text[l->n++] = *text++;
}

static void put_number(line *l, uint64_t v)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    put(l, digits + at);
}

static void put_rows(line *l, const crash_frame *f)
{
    if (f->first > f->last)
        return;
    put(l, f->first == f->last ? ", row " : ", rows ");
    put_number(l, f->first);
    if (f->first == f->last)
        return;
    put(l, "..");
    put_number(l, f->last);
}

static const char *signal_words(int number)
{
    switch (number) {
    case SIGSEGV:
        return "invalid memory access";
    case SIGBUS:
        return "bus error";
    case SIGFPE:
        return "integer division by zero or overflow";
    case SIGILL:
        return "illegal instruction";
    default:
        return "abort";
    }
}

static void put_crash(line *l, const crash_frame *f, int number)
{
    put(l, "nereid: error: ");
    put(l, kind_word((nre_kind)f->table->kind));
    put(l, " '");
    put(l, f->table->name);
    put(l, "' crashed in ");
    put(l, f->function);
    put(l, "()");
    put_rows(l, f);
    put(l, " (");
    put(l, signal_words(number));
    put(l, "); what was finished before is kept\n");
}

static void on_crash(int number)
{
    line l = {.n = 0};
    crash_frame f = crash_now();
    if (f.table) {
        put_crash(&l, &f, number);
    } else {
        put(&l, "nereid: error: a bug of nereid itself: ");
        put(&l, signal_words(number));
        put(&l, "; please report it with the command and the config\n");
    }
    (void)!write(STDERR_FILENO, l.text, l.n);
    if (f.table)
        _exit(PLUGIN_CRASHED);
    raise(number); /* the handler is reset: dies of the signal */
}

void crash_handlers(void)
{
    static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_crash;
    action.sa_flags = (int)(SA_ONSTACK | SA_NODEFER | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++)
        sigaction(SIGNALS[i], &action, NULL);
    atomic_store(&installed, true);
    handler_stack_set();
}

/* after the call */

/* A message that was there before the call explains nothing of it. */
int plugin_failed(const nre_plugin *table, const char *function, int status)
{
    if (!said && hash_equal(message_before, hash_string(error_message())))
        fail(status, "%s, without a reason", status_text(status));
    if (status != NRE_ECANCELLED && status != NRE_ENOMEM)
        status = NRE_EPLUGIN;
    return fail_within(status, "%s '%s': %s()", kind_word((nre_kind)table->kind),
                       table->name, function);
}

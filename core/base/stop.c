/* base/stop.c - the wish to stop, and who is told how far a job is. */
#include "base/base.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int asked; /* the signal's number; lock-free, so handlers may write it */

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler may store an atomic int");

void stop_request(int signal_number)
{
    atomic_store_explicit(&asked, signal_number, memory_order_relaxed);
}

int stop_signal(void)
{
    return atomic_load_explicit(&asked, memory_order_relaxed);
}

int stop_check(void)
{
    int number = stop_signal();

    if (number == 0)
        return NRE_OK;
    const char *name = sigabbrev_np(number);
    return fail(NRE_ECANCELLED, "interrupted by %s%s", name ? "SIG" : "a request to stop",
                name ? name : "");
}

void stop_handlers(void)
{
    struct sigaction action = {.sa_handler = stop_request, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(&action.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* so that a file at its size limit is an error */
}

int progress_report(progress *p, const char *what, uint64_t done, uint64_t total,
                    const char *unit, const char *detail)
{
    if (p && p->report)
        p->report(p, what, done, total, unit, detail);
    return stop_check();
}

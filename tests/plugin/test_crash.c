/* test_crash.c - who is named when something crashes. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "mine"};
static char errors[1024];

/* UBSan would report the write and end the process before it crashes. */
__attribute__((no_sanitize("undefined"))) static void crash_in_simulate(void)
{
    crash_handlers();
    crash_enter(&TABLE, "simulate", 4096, 4351);
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

Test(crash, names_plugin_function_and_rows)
{
    cr_assert_eq(run_child(crash_in_simulate, errors, sizeof errors), 4);
    cr_assert_not_null(strstr(errors,
                              "nereid: error: simulator 'mine' crashed in simulate(), "
                              "rows 4096..4351 (invalid memory access)"),
                       "%s", errors);
}

static void abort_in_create(void)
{
    crash_handlers();
    crash_enter(&TABLE, "create", 1, 0);
    raise(SIGABRT);
}

Test(crash, without_rows)
{
    cr_assert_eq(run_child(abort_in_create, errors, sizeof errors), 4);
    cr_assert_not_null(strstr(errors, "crashed in create() (abort)"), "%s", errors);
}

static void crash_outside(void)
{
    crash_handlers();
    crash_enter(&TABLE, "create", 1, 0);
    crash_leave();
    raise(SIGSEGV);
}

Test(crash, outside_of_plugins_it_is_our_bug)
{
    cr_assert_eq(run_child(crash_outside, errors, sizeof errors), -SIGSEGV);
    cr_assert_not_null(strstr(errors, "a bug of nereid itself: invalid memory access"),
                       "%s", errors);
}

static void crash_in_callback(void)
{
    crash_handlers();
    crash_enter(&TABLE, "step", 1, 0);
    crash_enter(NULL, "logp", 1, 0);
    raise(SIGFPE);
}

Test(crash, a_callback_is_ours)
{
    cr_assert_eq(run_child(crash_in_callback, errors, sizeof errors), -SIGFPE);
    cr_assert_not_null(strstr(errors, "a bug of nereid"), "%s", errors);
}

static void crash_nested(void)
{
    crash_handlers();
    crash_enter(&TABLE, "step", 1, 0);
    crash_enter(&TABLE, "log_likelihood", 7, 7);
    crash_leave();
    raise(SIGBUS);
}

Test(crash, after_a_nested_call_the_outer_one_is_named)
{
    cr_assert_eq(run_child(crash_nested, errors, sizeof errors), 4);
    cr_assert_not_null(strstr(errors, "crashed in step() (bus error)"), "%s", errors);
}

/* Deeper than any stack, in a way that no compiler turns into a loop. */
__attribute__((noinline)) static int dive(volatile char *above, int left)
{
    volatile char here[4096];
    here[0] = (char)(above[0] + 1);
    return left ? dive(here, left - 1) + here[0] : 0;
}

static void *overflow_in_thread(void *unused)
{
    volatile char start[1] = {0};
    (void)unused;
    crash_enter(&TABLE, "worker", 5, 5);
    dive(start, 1 << 24);
    return NULL;
}

static void overflow(void)
{
    pthread_t thread;
    crash_handlers();
    pthread_create(&thread, NULL, overflow_in_thread, NULL);
    pthread_join(thread, NULL);
}

Test(crash, a_used_up_stack_of_a_thread)
{
    cr_assert_eq(run_child(overflow, errors, sizeof errors), 4);
    cr_assert_not_null(
        strstr(errors, "crashed in worker(), row 5 (invalid memory access)"), "%s",
        errors);
}

Test(crash, statuses_of_a_plugin)
{
    crash_enter(&TABLE, "simulate", 0, 9);
    crash_said();
    fail(NRE_ENUMERIC, "no convergence");
    crash_leave();
    cr_assert_eq(plugin_failed(&TABLE, "simulate", NRE_ENUMERIC), NRE_EPLUGIN);
    cr_assert_str_eq(error_message(), "simulator 'mine': simulate(): no convergence");
    crash_enter(&TABLE, "simulate", 0, 9);
    crash_leave();
    cr_assert_eq(plugin_failed(&TABLE, "simulate", NRE_ENOMEM), NRE_ENOMEM);
    cr_assert_str_eq(error_message(),
                     "simulator 'mine': simulate(): out of memory, without a reason");
    cr_assert_eq(plugin_failed(&TABLE, "simulate", NRE_ECANCELLED), NRE_ECANCELLED);
}

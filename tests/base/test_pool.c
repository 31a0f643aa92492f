/* Worker threads: every item once, the lowest failure, the wish to stop. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ITEMS = 5000 };

static atomic_int runs[ITEMS];
static atomic_uint highest_worker;

static int count(void *context, size_t i, unsigned worker)
{
    (void)context;
    atomic_fetch_add(&runs[i], 1);
    unsigned seen = atomic_load(&highest_worker);
    while (worker > seen && !atomic_compare_exchange_weak(&highest_worker, &seen, worker))
        ;
    return 0;
}

static void assert_all_ran(pool *p, int rounds)
{
    for (int k = 0; k < rounds; k++)
        cr_assert_eq(pool_run(p, ITEMS, count, NULL), 0);
    for (int i = 0; i < ITEMS; i++) {
        cr_assert_eq(atomic_load(&runs[i]), rounds);
        atomic_store(&runs[i], 0);
    }
    cr_assert(atomic_load(&highest_worker) < pool_threads(p));
}

Test(pool, each_item_once)
{
    assert_all_ran(NULL, 1);
    cr_assert_eq(pool_threads(NULL), 1);
    for (unsigned n = 1; n <= 5; n++) {
        pool *p = NULL;
        cr_assert_eq(pool_new(n, &p), 0);
        cr_assert_eq(pool_threads(p), n);
        assert_all_ran(p, 20);
        pool_free(p);
    }
    pool_free(NULL);
}

Test(pool, sleepers_wake)
{
    pool *p;

    cr_assert_eq(pool_new(3, &p), 0);
    for (int k = 0; k < 10; k++) {
        usleep(2000);
        assert_all_ran(p, 1);
    }
    pool_free(p);
}

static int meet(void *context, size_t i, unsigned worker)
{
    atomic_int *present = context;

    (void)i, (void)worker;
    atomic_fetch_add(present, 1);
    for (int k = 0; k < 5000 && atomic_load(present) < 4; k++)
        usleep(1000);
    return atomic_load(present) == 4 ? 0 : fail(NRE_EINTERNAL, "alone");
}

Test(pool, threads_work_at_the_same_time)
{
    pool *p;
    atomic_int present = 0;

    cr_assert_eq(pool_new(4, &p), 0);
    cr_assert_eq(pool_run(p, 4, meet, &present), 0);
    pool_free(p);
}

static int none(void *context, size_t i, unsigned worker)
{
    (void)context, (void)i, (void)worker;
    return fail(NRE_EINTERNAL, "must not run");
}

Test(pool, no_items)
{
    pool *p;

    cr_assert_eq(pool_new(2, &p), 0);
    cr_assert_eq(pool_run(p, 0, none, NULL), 0);
    cr_assert_eq(pool_run(NULL, 0, none, NULL), 0);
    pool_free(p);
}

static int fail_at_some(void *context, size_t i, unsigned worker)
{
    (void)context, (void)worker;
    atomic_fetch_add(&runs[i], 1);
    if (i == 300)
        usleep(2000); /* so that higher ones fail before it does */
    return i % 100 == 0 && i >= 300 ? fail(NRE_ENUMERIC - (int)(i % 7), "item %zu", i)
                                    : 0;
}

Test(pool, the_lowest_failure_is_returned)
{
    for (unsigned n = 1; n <= 4; n++) {
        pool *p;
        cr_assert_eq(pool_new(n, &p), 0);
        for (int k = 0; k < 20; k++) {
            error_set("old");
            cr_assert_eq(pool_run(p, ITEMS, fail_at_some, NULL), NRE_ENUMERIC - 300 % 7);
            cr_assert_str_eq(error_message(), "item 300");
            for (int i = 0; i <= 300; i++)
                cr_assert_eq(atomic_load(&runs[i]), k + 1);
            cr_assert_eq(atomic_load(&runs[ITEMS - 1]), 0);
        }
        cr_assert_eq(pool_run(p, 10, none, NULL), NRE_EINTERNAL);
        for (int i = 0; i < ITEMS; i++)
            atomic_store(&runs[i], 0);
        assert_all_ran(p, 1);
        pool_free(p);
    }
}

static int fail_silently(void *context, size_t i, unsigned worker)
{
    (void)context, (void)worker;
    return i == 2 ? NRE_EIO : 0;
}

Test(pool, a_failure_without_a_sentence_gets_one)
{
    fail(NRE_EINTERNAL, "of something else");
    cr_assert_eq(pool_run(NULL, 5, fail_silently, NULL), NRE_EIO);
    cr_assert_str_eq(error_message(), "input or output failure in item 2");
}

static int ask_to_stop(void *context, size_t i, unsigned worker)
{
    (void)context, (void)worker;
    atomic_fetch_add(&runs[i], 1);
    if (i == 10)
        stop_request(SIGTERM);
    return 0;
}

Test(pool, a_wish_to_stop)
{
    pool *p;

    cr_assert_eq(pool_new(2, &p), 0);
    cr_assert_eq(pool_run(p, ITEMS, ask_to_stop, NULL), NRE_ECANCELLED);
    cr_assert_str_eq(error_message(), "interrupted by SIGTERM");
    cr_assert_eq(atomic_load(&runs[ITEMS - 1]), 0);
    cr_assert_eq(pool_run(p, ITEMS, none, NULL), NRE_ECANCELLED);
    cr_assert_eq(pool_run(NULL, ITEMS, none, NULL), NRE_ECANCELLED);
    for (int i = 0; i < ITEMS; i++)
        atomic_store(&runs[i], 0);
    cr_assert_eq(pool_run_all(p, ITEMS, count, NULL), 0);
    for (int i = 0; i < ITEMS; i++)
        cr_assert_eq(atomic_load(&runs[i]), 1);
    stop_request(0);
    cr_assert_eq(pool_run(p, 11, ask_to_stop, NULL), 0,
                 "all items ran: the job is whole");
    stop_request(0);
    cr_assert_eq(pool_run(p, ITEMS, count, NULL), 0);
    pool_free(p);
}

static int mask_of(void *context, size_t i, unsigned worker)
{
    sigset_t *sets = context;

    (void)i;
    usleep(3000);
    return -pthread_sigmask(SIG_BLOCK, NULL, &sets[worker]);
}

Test(pool, signals_are_for_the_main_thread)
{
    pool *p;
    sigset_t sets[2];

    sigemptyset(&sets[0]);
    sigemptyset(&sets[1]);
    cr_assert_eq(pool_new(2, &p), 0);
    cr_assert_eq(pool_run(p, 8, mask_of, sets), 0);
    cr_assert(sigismember(&sets[1], SIGTERM) && sigismember(&sets[1], SIGINT));
    cr_assert(!sigismember(&sets[1], SIGSEGV) && !sigismember(&sets[0], SIGTERM));
    pool_free(p);
}

static int nest(void *context, size_t i, unsigned worker)
{
    (void)worker;
    return i == 0 ? pool_run(context, ITEMS, count, NULL) : 0;
}

Test(pool, a_job_inside_a_job_is_refused)
{
    pool *p;

    cr_assert_eq(pool_new(2, &p), 0);
    cr_assert_eq(pool_run(p, ITEMS, nest, p), NRE_EINTERNAL);
    cr_assert_eq(atomic_load(&runs[0]), 0);
    cr_assert_eq(pool_run(p, 1, nest, p), 0, "one item runs in the caller and may");
    pool_free(p);
}

Test(pool, absurd_numbers_of_threads_are_refused)
{
    pool *p;

    cr_assert_eq(pool_new(0, &p), NRE_EINVAL);
    cr_assert_eq(pool_new(1000000, &p), NRE_EINVAL);
    cr_assert_null(p);
}

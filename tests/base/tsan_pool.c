/* The pool under a thread sanitizer: a plain program, because Criterion cannot run under
 * one. */
#include "base/base.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { ITEMS = 64, WORKERS = 6 };

typedef struct sums {
    uint64_t item[ITEMS];         /* each written by one item, read after the job */
    uint64_t worker[WORKERS][16]; /* each written by one thread */
    size_t failing;
} sums;

static int add(void *context, size_t i, unsigned worker)
{
    sums *s = context;

    s->item[i] += i + 1;
    s->worker[worker][0] += i + 1;
    if (i >= s->failing)
        return fail(NRE_ENUMERIC, "item %zu", i);
    return 0;
}

static void require(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "tsan_pool: %s\n", what);
    exit(1);
}

static uint64_t total(const sums *s)
{
    uint64_t items = 0, workers = 0;

    for (int i = 0; i < ITEMS; i++)
        items += s->item[i];
    for (int i = 0; i < WORKERS; i++)
        workers += s->worker[i][0];
    require(items == workers, "threads and items disagree");
    return items;
}

static void exercise(unsigned threads)
{
    enum { JOBS = 400, EACH = ITEMS * (ITEMS + 1) / 2 };
    sums s = {.failing = ITEMS};
    pool *p = NULL;

    require(pool_new(threads, &p) == 0, "cannot make a pool");
    for (unsigned k = 0; k < JOBS; k++) {
        require(pool_run(p, ITEMS, add, &s) == 0, "a job failed");
        require(total(&s) == (k + 1) * (uint64_t)EACH, "items are lost");
        if (k % 100 == 0)
            usleep(1000); /* let the workers sleep */
    }
    s.failing = 20;
    for (unsigned k = 0; k < JOBS; k++) {
        require(pool_run(p, ITEMS, add, &s) == NRE_ENUMERIC, "a failure is lost");
        require(error_message()[5] == '2' && error_message()[6] == '0', "not the lowest");
    }
    stop_request(SIGINT);
    require(pool_run(p, ITEMS, add, &s) == NRE_ECANCELLED, "did not stop");
    stop_request(0);
    pool_free(p);
}

static int say(void *context, size_t i, unsigned worker)
{
    (void)context;
    log_say(NRE_DEBUG, "item %zu in thread %u", i, worker);
    double value;
    return text_to_real("1.5", &value) ? progress_report(NULL, "", i, ITEMS, "", NULL)
                                       : -1;
}

int main(void)
{
    pool *p;

    for (unsigned threads = 1; threads <= WORKERS; threads++)
        exercise(threads);
    require(pool_new(4, &p) == 0 && pool_run(p, 200, say, NULL) == 0, "cannot log");
    pool_free(p);
    return 0;
}

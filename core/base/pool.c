/* base/pool.c - worker threads that hand themselves the items of one job after another.
 */
#include "base/base.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Between two jobs a thread looks this often before it sleeps: some 20 microseconds,
 * about what waking it would cost. */
enum { SPINS = 1000, LINE = 64 };

typedef struct job {
    size_t n;
    pool_task *task;
    void *context;
    bool stoppable;
    _Alignas(LINE) atomic_size_t next; /* item that nobody has taken */
    _Alignas(LINE) atomic_bool halted; /* no new item starts */
    pthread_mutex_t lock;              /* of what follows */
    size_t failed;                     /* the lowest item that failed, n: none */
    int status;
    char message[ERROR_LENGTH];
} job;

/* The gate of the current job: the number of workers inside, and whether it is closed to
 * others. A worker that wakes late finds it closed, so a job never waits for sleepers. */
enum { CLOSED = 1 << 30 };

struct pool {
    job job;
    _Alignas(LINE) atomic_int gate;
    atomic_uint turn; /* counts jobs, and one more to end */
    atomic_uint sleepers;
    atomic_bool ending;
    pthread_mutex_t lock; /* for sleeping only */
    pthread_cond_t wake, idle;
    unsigned n_workers;
    struct worker {
        pool *pool;
        pthread_t thread;
        unsigned number;
    } * workers; /* [n_workers], number 1 and up: 0 is the caller */
};

static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* one job, in any number of threads */

static void job_failed(job *j, size_t item, int status)
{
    atomic_store(&j->halted, true);
    pthread_mutex_lock(&j->lock);
    if (item < j->failed) {
        j->failed = item;
        j->status = status;
        const char *message = error_message();
        if (message[0])
            snprintf(j->message, sizeof j->message, "%s", message);
        else
            snprintf(j->message, sizeof j->message, "%s in item %zu", status_text(status),
                     item);
    }
    pthread_mutex_unlock(&j->lock);
}

/* An item that was taken is run: so all items below one that failed have run, and the
 * lowest failure is the same whatever the timing. */
static void job_work(job *j, unsigned worker)
{
    error_set("");
    while (!atomic_load_explicit(&j->halted, memory_order_relaxed)) {
        if (j->stoppable && stop_signal() &&
            atomic_load_explicit(&j->next, memory_order_relaxed) < j->n) {
            atomic_store(&j->halted, true);
            return;
        }
        size_t item = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
        if (item >= j->n)
            return;
        int status = j->task(j->context, item, worker);
        if (status)
            job_failed(j, item, status);
    }
}

static void job_start(job *j, size_t n, pool_task *task, void *context, bool stoppable)
{
    j->n = j->failed = n;
    j->task = task;
    j->context = context;
    j->stoppable = stoppable;
    j->status = NRE_OK;
    atomic_store(&j->next, 0);
    atomic_store(&j->halted, false);
}

static int job_end(const job *j)
{
    if (j->failed < j->n) {
        error_set(j->message);
        return j->status;
    }
    if (atomic_load(&j->halted))
        return stop_signal() ? stop_check() : fail(NRE_ECANCELLED, "interrupted");
    return NRE_OK;
}

/* workers */

static bool gate_enter(pool *p)
{
    int inside = atomic_load(&p->gate);

    while (!(inside & CLOSED))
        if (atomic_compare_exchange_weak(&p->gate, &inside, inside + 1))
            return true;
    return false;
}

static void gate_leave(pool *p)
{
    if (atomic_fetch_sub(&p->gate, 1) != (CLOSED | 1))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->idle);
    pthread_mutex_unlock(&p->lock);
}

/* Close the gate and wait until nobody is inside. */
static void gate_close(pool *p)
{
    atomic_fetch_or(&p->gate, CLOSED);
    for (unsigned i = 0; i < SPINS; i++) {
        if (atomic_load(&p->gate) == CLOSED)
            return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->gate) != CLOSED)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* Wait for another turn than SEEN and return it. */
static unsigned turn_after(pool *p, unsigned seen)
{
    for (unsigned i = 0; i < SPINS; i++) {
        unsigned turn = atomic_load(&p->turn);
        if (turn != seen)
            return turn;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->turn) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return atomic_load(&p->turn);
}

/* Whoever is about to sleep counts itself before it looks at the turn once more, and we
 * look at the count after the new turn: one of the two sees the other. */
static void turn_next(pool *p)
{
    atomic_fetch_add(&p->turn, 1);
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *argument)
{
    struct worker *w = argument;
    pool *p = w->pool;
    unsigned seen = 0;

    gate_leave(p);
    for (;;) {
        seen = turn_after(p, seen);
        if (atomic_load(&p->ending))
            return NULL;
        if (gate_enter(p)) {
            job_work(&p->job, w->number);
            gate_leave(p);
        }
    }
}

/* Signals that others send are for the main thread; those a fault raises must reach the
 * thread that made it. */
static void block_signals(sigset_t *old)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                 SIGABRT, SIGTRAP, SIGSYS};
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

static int start_workers(pool *p, unsigned n)
{
    sigset_t old;
    int status = NRE_OK;

    block_signals(&old);
    for (unsigned i = 0; i < n && !status; i++) {
        struct worker *w = &p->workers[i];
        w->pool = p;
        w->number = i + 1;
        if (pthread_create(&w->thread, NULL, worker_main, w) == 0)
            p->n_workers++;
        else
            status = fail(NRE_ENOMEM, "cannot start thread %u of %u; ask for fewer (-j)",
                          i + 2, n + 1);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return status;
}

int pool_new(unsigned n_threads, pool **out)
{
    *out = NULL;
    if (n_threads < 1 || n_threads > 4096)
        return fail(NRE_EINVAL, "%u threads: give 1 to 4096", n_threads);
    pool *p = memory_new(1, sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "out of memory for %u threads", n_threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->job.lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    atomic_init(&p->gate, CLOSED | (int)(n_threads - 1)); /* all inside as they start */
    p->workers = memory_new(n_threads, sizeof *p->workers);
    int status = p->workers ? start_workers(p, n_threads - 1)
                            : fail(NRE_ENOMEM, "out of memory for %u threads", n_threads);
    if (status == NRE_OK)
        gate_close(p);
    if (status)
        pool_free(p);
    else
        *out = p;
    return status;
}

void pool_free(pool *p)
{
    if (!p)
        return;
    atomic_store(&p->ending, true);
    turn_next(p);
    for (unsigned i = 0; i < p->n_workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->job.lock);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

unsigned pool_threads(const pool *p)
{
    return p ? p->n_workers + 1 : 1;
}

bool pool_is_busy(const pool *p)
{
    return p && p->n_workers > 0 && atomic_load(&p->gate) != CLOSED;
}

static int run_alone(size_t n, pool_task *task, void *context, bool stoppable)
{
    job j = {.lock = PTHREAD_MUTEX_INITIALIZER};

    job_start(&j, n, task, context, stoppable);
    job_work(&j, 0);
    return job_end(&j);
}

static int run(pool *p, size_t n, pool_task *task, void *context, bool stoppable)
{
    if (!p || p->n_workers == 0 || n <= 1)
        return run_alone(n, task, context, stoppable);
    if (atomic_load(&p->gate) != CLOSED)
        return fail(NRE_EINTERNAL,
                    "a job was started inside another of the same threads");
    job_start(&p->job, n, task, context, stoppable);
    atomic_store(&p->gate, 0);
    turn_next(p);
    job_work(&p->job, 0);
    gate_close(p);
    return job_end(&p->job);
}

int pool_run(pool *p, size_t n, pool_task *task, void *context)
{
    return run(p, n, task, context, true);
}

int pool_run_all(pool *p, size_t n, pool_task *task, void *context)
{
    return run(p, n, task, context, false);
}

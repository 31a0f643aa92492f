#include "host.h"

#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char last[1024];

static void say(const nre_host *host, nre_level level, const char *format, ...)
{
    (void)host, (void)level, (void)format;
}

static int refuse(const nre_host *host, int status, const char *format, ...)
{
    va_list list;
    (void)host;
    va_start(list, format);
    vsnprintf(last, sizeof last, format, list);
    va_end(list);
    return status;
}

static int go_on(const nre_host *host, uint64_t done, uint64_t total)
{
    (void)host, (void)done, (void)total;
    return NRE_OK;
}

typedef struct task {
    int (*call)(void *context, size_t i);
    void *context;
} task;

static int run_task(void *context, size_t i, unsigned worker)
{
    const task *t = context;
    (void)worker;
    return t->call(t->context, i);
}

static int parallel(const nre_host *host, size_t n, int (*call)(void *, size_t),
                    void *context)
{
    task t = {call, context};
    pool *p;
    (void)host;
    int status = pool_new(2, &p);
    if (status == NRE_OK)
        status = pool_run(p, n, run_task, &t);
    pool_free(p);
    return status;
}

const nre_host *test_host(void)
{
    static const nre_host host = {.struct_size = sizeof host,
                                  .log = say,
                                  .fail = refuse,
                                  .progress = go_on,
                                  .parallel = parallel};
    return &host;
}

bool test_host_said(const char *words)
{
    return strstr(last, words) != NULL;
}

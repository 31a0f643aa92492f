/* tsan_host.c - a host under many threads; a plain program, because Criterion cannot run
 * under ThreadSanitizer. */
#include "plugin/plugin.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS = 2000, BYTES = 5000 };

static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "mine"};

typedef struct job {
    const nre_host *host;
    int n_wrong[ITEMS];
} job;

static bool all_are(const unsigned char *m, size_t n, unsigned char v)
{
    for (size_t i = 0; i < n; i++)
        if (m[i] != v)
            return false;
    return true;
}

/* Scratch memory is this thread's alone, also below a nested call; alloc'd memory is
 * zeroed. */
static int one_item(void *context, size_t i)
{
    job *j = context;
    const unsigned char mark = (unsigned char)(i % 251 + 1);
    unsigned char *outer = j->host->scratch(j->host, BYTES, 1);
    unsigned char *kept = j->host->alloc(j->host, 100, 1);
    memset(outer, mark, BYTES);
    crash_enter(&TABLE, "inner", i, i);
    unsigned char *inner = j->host->scratch(j->host, BYTES, 2);
    memset(inner, 255, 2 * BYTES);
    crash_leave();
    j->n_wrong[i] = !all_are(outer, BYTES, mark) + !all_are(kept, 100, 0);
    memset(kept, mark, 100);
    return i % 977 == 976 ? j->host->fail(j->host, NRE_EINVAL, "item %zu", i) : NRE_OK;
}

int main(void)
{
    static job j;
    host_services services = {0};
    nre_host *host = NULL;
    int wrong = 0;
    crash_handlers();
    if (pool_new(4, &services.workers) || host_new("mine", &services, &host))
        return EXIT_FAILURE;
    j.host = host;
    crash_enter(&TABLE, "prepare", 1, 0);
    wrong += host->parallel(host, 976, one_item, &j) != NRE_OK;
    wrong += host->parallel(host, ITEMS, one_item, &j) != NRE_EINVAL;
    wrong += strcmp(error_message(), "item 976") != 0;
    crash_leave();
    for (size_t i = 0; i < ITEMS; i++)
        wrong += j.n_wrong[i];
    host_free(host);
    pool_free(services.workers);
    if (wrong)
        fprintf(stderr, "%d wrong\n", wrong);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

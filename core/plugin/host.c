/* host.c - what a plugin gets from the core, and instances of plugins. */
#include "plugin/plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The half of a host that changes, behind its const face. */
typedef struct host_state {
    const char *name;
    const host_services *services;
    arena *memory;
    pthread_mutex_t lock; /* of memory */
} host_state;

typedef struct host {
    nre_host api; /* first: a plugin's nre_host is a host */
    host_state *state;
} host;

static host_state *state_of(const nre_host *api)
{
    return ((const host *)(const void *)api)->state;
}

/* services */

static void host_log(const nre_host *api, nre_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if ((int)level < NRE_DEBUG || (int)level > NRE_ERROR)
        level = NRE_INFO;
    log_say(level, "%s: %s", state_of(api)->name, text);
}

/* A status that is no failure would let the core go on after one. */
static int host_fail(const nre_host *api, int status, const char *format, ...)
{
    va_list arguments;
    (void)api;
    crash_said();
    va_start(arguments, format);
    fail_v(status, format, arguments);
    va_end(arguments);
    return status < 0 ? status : NRE_EINTERNAL;
}

static void *host_alloc(const nre_host *api, size_t n, size_t size)
{
    host_state *s = state_of(api);
    pthread_mutex_lock(&s->lock);
    void *memory = arena_alloc(s->memory, n, size);
    pthread_mutex_unlock(&s->lock);
    return memory;
}

static void *host_scratch(const nre_host *api, size_t n, size_t size)
{
    (void)api;
    return scratch_alloc(n, size);
}

static int host_progress(const nre_host *api, uint64_t done, uint64_t total)
{
    const host_state *s = state_of(api);
    return progress_report(s->services->watcher, s->name, done, total, "steps", NULL);
}

typedef struct parallel {
    int (*call)(void *context, size_t i);
    void *context;
    crash_frame frame; /* of the call that asked, for a crash in a worker */
} parallel;

static int parallel_item(void *context, size_t i, unsigned worker)
{
    const parallel *p = context;
    (void)worker;
    crash_enter(p->frame.table, p->frame.function, p->frame.first, p->frame.last);
    int status = p->call(p->context, i);
    crash_leave();
    return status;
}

static int host_parallel(const nre_host *api, size_t n, int (*call)(void *, size_t),
                         void *context)
{
    parallel p = {call, context, crash_now()};
    return pool_run(state_of(api)->services->workers, n, parallel_item, &p);
}

/* A path that climbs out of the data folders with "..". */
static bool climbs(const char *name)
{
    for (const char *at = name; (at = strstr(at, "..")); at += 2)
        if ((at == name || at[-1] == '/') && (at[2] == 0 || at[2] == '/'))
            return true;
    return false;
}

static const char *data_file_in(const nre_host *api, const char *folder, const char *name)
{
    host_state *s = state_of(api);
    pthread_mutex_lock(&s->lock);
    char *path = path_join(s->memory, folder, name);
    pthread_mutex_unlock(&s->lock);
    return path && file_exists(path) ? path : NULL;
}

static const char *host_data_file(const nre_host *api, const char *name)
{
    const host_services *s = state_of(api)->services;
    const char *found = NULL;
    if (name[0] == '/')
        found = data_file_in(api, "/", name);
    else if (!climbs(name))
        for (size_t i = 0; i < s->n_data_folders && !found; i++)
            found = data_file_in(api, s->data_folders[i], name);
    if (!found)
        fail(NRE_EIO, "data file '%s' is in none of the %zu data folders", name,
             s->n_data_folders);
    crash_said();
    return found;
}

static int host_table(const nre_host *api, const char *name, uint64_t key, size_t bytes,
                      int (*build)(void *, void *), void *context, const void **out)
{
    host_state *s = state_of(api);
    cache_request r = {.folder = s->services->cache_folder,
                       .plugin = s->name,
                       .name = name,
                       .key = key,
                       .bytes = bytes,
                       .build = build,
                       .context = context};
    return cache_table(&r, s->memory, out);
}

static const void *host_extension(const nre_host *api, const char *id)
{
    (void)api;
    (void)id;
    return NULL;
}

static const nre_host SERVICES = {
    .struct_size = sizeof(nre_host),
    .abi_major = NRE_ABI_MAJOR,
    .abi_minor = NRE_ABI_MINOR,
    .version = NEREID_VERSION,
    .log = host_log,
    .fail = host_fail,
    .alloc = host_alloc,
    .scratch = host_scratch,
    .progress = host_progress,
    .get_bool = values_bool,
    .get_int = values_int,
    .get_real = values_real,
    .get_string = values_string,
    .get_reals = values_reals,
    .get_ints = values_ints,
    .get_strings = values_strings,
    .parallel = host_parallel,
    .data_file = host_data_file,
    .table = host_table,
    .extension = host_extension,
};

/* life of a host */

int host_new(const char *plugin_name, const host_services *services, nre_host **out)
{
    static const host_services NONE = {0};
    arena *memory = arena_new();
    host *h = memory ? arena_alloc(memory, 1, sizeof *h) : NULL;
    host_state *s = h ? arena_alloc(memory, 1, sizeof *s) : NULL;
    char *name = s ? arena_copy(memory, plugin_name) : NULL;
    if (!name) {
        arena_free(memory);
        return fail(NRE_ENOMEM, "no memory for plugin '%s'", plugin_name);
    }
    *s = (host_state){
        .name = name, .services = services ? services : &NONE, .memory = memory};
    pthread_mutex_init(&s->lock, NULL);
    *h = (host){.api = SERVICES, .state = s};
    *out = &h->api;
    return NRE_OK;
}

void host_free(nre_host *api)
{
    if (!api)
        return;
    host_state *s = state_of(api);
    arena *memory = s->memory;
    pthread_mutex_destroy(&s->lock);
    arena_free(memory);
}

/* instances */

static int instance_create(instance *i)
{
    const nre_plugin *t = i->plugin->table;
    if (!t->create)
        return NRE_OK;
    crash_enter(t, "create", 1, 0);
    int status = t->create(i->host, i->values, &i->self);
    crash_leave();
    return status ? plugin_failed(t, "create", status) : NRE_OK;
}

/* Getters cannot fail, so what they were wrongly asked for is looked up here. */
static int misuse_check(const instance *i)
{
    const nre_plugin *t = i->plugin->table;
    if (!*values_misuse(i->values))
        return NRE_OK;
    return fail(NRE_EINTERNAL, "%s '%s': a bug in create(): %s",
                kind_word((nre_kind)t->kind), t->name, values_misuse(i->values));
}

int instance_new(const plugin *p, const nre_values *values, const host_services *services,
                 instance **out)
{
    instance *i = memory_new(1, sizeof *i);
    if (!i)
        return fail(NRE_ENOMEM, "no memory for plugin '%s'", p->table->name);
    i->plugin = p;
    i->values = values;
    int status = host_new(p->table->name, services, &i->host);
    if (!status)
        status = instance_create(i);
    if (status) {
        int misuse = misuse_check(i); /* the likelier reason */
        host_free(i->host);
        free(i);
        return misuse ? misuse : status;
    }
    status = misuse_check(i);
    if (status)
        instance_free(i);
    else
        *out = i;
    return status;
}

void instance_free(instance *i)
{
    if (!i)
        return;
    const nre_plugin *t = i->plugin->table;
    if (t->destroy) {
        crash_enter(t, "destroy", 1, 0);
        t->destroy(i->self);
        crash_leave();
    }
    host_free(i->host);
    free(i);
}

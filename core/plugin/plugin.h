/* plugin/plugin.h - find, vet, load and describe shared objects; their options; the host.
 *
 * Errors here are NRE_EPLUGIN (exit 4) with a sentence that names the plugin and why. */
#ifndef NEREID_CORE_PLUGIN_H
#define NEREID_CORE_PLUGIN_H

#include "base/base.h"

#include <sys/types.h>

/* search.c, load.c */

typedef struct plugin {
    const nre_plugin *table;
    const char *path; /* absolute */
    hash file_hash;
} plugin;

/* Folders in this order: FOLDERS (--plugin-path; a missing one is an error), NEREID_PLUGIN_PATH
 * (absolute entries only, missing ones are passed over), plugins/ beside the executable, the
 * installed libdir.  In each KIND/NAME.so comes before NAME.so.  The current directory is never
 * searched.  Loaded objects stay loaded (no dlclose: it would take the names out of leak reports,
 * and thread-local destructors may still run).  [main] */
typedef struct plugins plugins;
int plugins_new(size_t n, const char *const *folders, plugins **out);
void plugins_free(plugins *p);
/* "simulators", "architectures", "samplers"; kind_word without the s, NULL for no kind. */
const char *kind_folder(nre_kind kind);
const char *kind_word(nre_kind kind);          /* async-signal-safe */
bool kind_of(const char *word, nre_kind *out); /* accepts both forms */
/* [a-z][a-z0-9_]{0,63} */
bool plugin_name_valid(const char *name);
/* Found by name, vetted (owner, mode, symbol, ABI, name, option table) and loaded once; a plugin
 * that fails any of it is refused before one of its functions has run.  A NAME.so of another kind
 * is passed over.  Suggests a near name. */
int plugin_load(plugins *p, nre_kind kind, const char *name, const plugin **out);
/* The same checks for one file whose kind is its own word.  PATH may be relative. */
int plugin_load_file(plugins *p, const char *path, const plugin **out);
/* Names of all that the folders hold of a kind, sorted, each once; in A.  A file outside the
 * kinds' own folders is loaded to learn its kind; one that is refused is logged and left out. */
int plugins_list(plugins *p, nre_kind kind, arena *a, size_t *n,
                 const char *const **names);

/* options.c: values of options */

/* Option I of a table, by its stride. */
const nre_option *plugin_option(const nre_plugin *table, size_t i);
/* All options at their defaults, in A.  A required option has no value until set; a string, path
 * or list may have neither default nor value (NULL, or no items). */
int values_new(const plugin *p, arena *a, nre_values **out);
/* Set NAME from text as written in YAML: one item, or the items of a list.  NRE_EINVAL with a
 * sentence such as "expected a number in (0, 1], found 'x'" - without the place, which the
 * caller adds; an unknown name is NRE_ENOTSUP.  What fails leaves the old value.  A path is kept
 * as it is: the caller resolves it first. */
int values_set(nre_values *v, const char *name, bool is_list, size_t n,
               const char *const *items);
/* NRE_EINVAL naming the first required option without value. */
int values_complete(const nre_values *v);
/* Value I as canonical YAML flow text ("[512, 512]", "0.5", "selu", "\"a: b\""), for resolved.yaml
 * and hashes; "null" (unquoted) where there is no value; in A, NULL when out of memory. */
const char *values_text(const nre_values *v, size_t i, arena *a);

/* host.c: instances */

typedef struct host_services {
    pool *workers;         /* for host->parallel; may be NULL */
    progress *watcher;     /* may be NULL */
    size_t n_data_folders; /* searched by host->data_file */
    const char *const *data_folders;
    const char *cache_folder; /* of host->table; NULL: XDG_CACHE_HOME/nereid */
} host_services;

/* A plugin with its options: what all callers pass around. */
typedef struct instance {
    const plugin *plugin;
    void *self;
    nre_host *host;
    const nre_values *values;
} instance;
/* SERVICES, VALUES and P outlive the instance.  A failing create() is NRE_EPLUGIN, one that reads
 * an option that its table lacks NRE_EINTERNAL.  [main] */
int instance_new(const plugin *p, const nre_values *values, const host_services *services,
                 instance **out);
void instance_free(instance *i);
/* A host of its own lifetime for one run of a sampler (memory gone with host_free). */
int host_new(const char *plugin_name, const host_services *services, nre_host **out);
void host_free(nre_host *host);

/* crash.c: who is running now */

/* Around every call into a plugin: should it crash, the handler says "simulator 'x' crashed in
 * simulate(), rows 4096..4351" on stderr and exits 4.  FIRST > LAST (say 1, 0): no rows to name.
 * TABLE NULL: back in the core, in a callback of a plugin; a crash there is a bug of ours.  Calls
 * nest; leaving one takes back the scratch memory that host->scratch gave out since it began.
 * FUNCTION has no parentheses and outlives the call.  Per thread. */
void crash_enter(const nre_plugin *table, const char *function, uint64_t first,
                 uint64_t last);
void crash_leave(void);
/* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT.  Outside a plugin: says that it is a bug, and dies of
 * the signal.  Install before threads start.  [main] */
void crash_handlers(void);
/* Turn a plugin's own status into the core's: cancelled and out of memory stay, the rest becomes
 * NRE_EPLUGIN with "simulator 'x': simulate(): " put before its sentence (or before the meaning
 * of STATUS, when it gave none since it was entered).  In the thread of the call, after it. */
int plugin_failed(const nre_plugin *table, const char *function, int status);

/* inside the folder */

/* vet.c: whose files are trusted.  Users: root, USER (effective), OWNER (of the executable).
 * Members of GROUP may write when they can write the executable's folder as well. */
typedef struct trust {
    uid_t user, owner;
    bool group_writes;
    gid_t group;
} trust;
int trust_of_process(trust *out);
/* PATH absolute and free of links (realpath): a regular file and every folder above it belong to
 * trusted users and are writable by nobody else; folders above its own may instead be sticky,
 * because there nobody can replace an entry of ours. */
int file_vet(const trust *t, const char *path);
int folder_vet(const trust *t, const char *path);

/* table.c: NRE_EPLUGIN unless TABLE, in a file named NAME, keeps to the contract.  Calls nothing. */
int table_check(const nre_plugin *table, const char *name);
/* options.c: the option itself and its default, as part of it. */
int option_check(const nre_plugin *table, size_t i);

/* load.c: a file as NAME; remembered in P, so that a second time gives the same pointer. */
int object_load(plugins *p, const char *path, const char *name, const plugin **out);
typedef struct loaded {
    plugin plugin;
    const char *name;
    struct loaded *next;
} loaded;
struct plugins {
    arena *memory;
    trust trust;
    struct folder *first, *last; /* in order of search */
    loaded *loaded;
};

/* options.c: what nre_host offers.  The last misuse stays in the values: "" or a sentence. */
int values_bool(const nre_values *v, const char *name);
int64_t values_int(const nre_values *v, const char *name);
double values_real(const nre_values *v, const char *name);
const char *values_string(const nre_values *v, const char *name);
size_t values_reals(const nre_values *v, const char *name, const double **out);
size_t values_ints(const nre_values *v, const char *name, const int64_t **out);
size_t values_strings(const nre_values *v, const char *name, const char *const **out);
const char *values_misuse(const nre_values *v);

/* scratch.c: a stack of memory per thread. */
typedef struct scratch_mark {
    void *block;
    size_t used;
} scratch_mark;
void *scratch_alloc(size_t n, size_t size); /* 64-byte aligned, not zeroed */
scratch_mark scratch_now(void);
void scratch_release(scratch_mark mark); /* marks are released in reverse order */
void scratch_reset(void);                /* release all of the thread */

/* crash.c: the plugin call that this thread is in, .table NULL when in none. */
typedef struct crash_frame {
    const nre_plugin *table;
    const char *function;
    uint64_t first, last;
    scratch_mark scratch;
} crash_frame;
crash_frame crash_now(void);
void crash_said(void); /* the plugin gave its sentence */

/* cache.c: nre_host.table for PLUGIN; BUILD fills [bytes]; *OUT lives as long as A. */
typedef struct cache_request {
    const char *folder; /* NULL: XDG_CACHE_HOME/nereid, or ~/.cache/nereid */
    const char *plugin, *name;
    uint64_t key;
    size_t bytes;
    int (*build)(void *context, void *table);
    void *context;
} cache_request;
int cache_table(const cache_request *r, arena *a, const void **out);

#endif

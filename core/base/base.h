/* base/base.h - what every folder stands on: status and messages, log, memory, random streams,
 * worker threads, hashes, files, JSON, arrays on disk, the wish to stop.
 *
 * Conventions of the whole core
 *   status     every int-returning function: 0 is success, negative an nre_status or core_status
 *   message    whoever fails first says why with fail(); callers add where with fail_within()
 *   clean-up   pointers start as NULL, one `out:` label, frees accept NULL
 *   verbs      new/open make an object, free/close release it and accept NULL
 *   threads    a function is safe in any thread unless it says [main]
 */
#ifndef NEREID_BASE_H
#define NEREID_BASE_H

#include <nereid/plugin.h>

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* status.c: status and message */

/* Reasons that only the core has; each has an exit code of its own (exit_code_of). */
enum core_status {
    NRE_EUSAGE = -20,  /* command line                    exit 2  */
    NRE_ECONFIG = -21, /* the config is invalid           exit 3  */
    NRE_EPLUGIN = -22, /* missing, refused or failed      exit 4  */
    NRE_EDATA = -23,   /* missing, corrupt, incompatible  exit 5  */
    NRE_EGATE = -24,   /* finished, a gate was missed     exit 7  */
    NRE_EEXISTS = -25, /* output exists                   exit 9  */
    NRE_ELOCKED = -26, /* locked by a live process        exit 10 */
    NRE_EPARTIAL = -27 /* a sweep failed in part          exit 8  */
};

/* Record a sentence for this thread and return STATUS: return fail(NRE_EIO, "...").  */
int fail(int status, const char *format, ...) NRE_PRINTF(2, 3);
int fail_v(int status, const char *format, va_list arguments);
/* Put "WHERE: " before the recorded sentence and return STATUS. */
int fail_within(int status, const char *where, ...) NRE_PRINTF(2, 3);
#ifdef __clang_analyzer__ /* cannot see across files that a status comes back as it went in */
#define fail(status, ...) ((void)fail(status, __VA_ARGS__), (status))
#define fail_within(status, ...) ((void)fail_within(status, __VA_ARGS__), (status))
#endif
/* The sentence of this thread's last failure; "" when there was none.  Owned by the thread. */
const char *error_message(void);
void error_set(const char *message);
/* "numerical failure": what a status means, for the log. */
const char *status_text(int status);
/* EIO, EFORMAT -> 5, ENUMERIC -> 6, ECANCELLED -> 75, EINTERNAL, ENOMEM and others -> 1. */
int exit_code_of(int status);

/* Invariants of our own code, always on: prints file and line, aborts.  Never for user input. */
#define bug_if(condition)                                                                \
    ((condition) ? bug_found(#condition, __FILE__, __LINE__) : (void)0)
_Noreturn void bug_found(const char *condition, const char *file, int line);

/* log.c: one line a message, on stderr and in a file */

/* Least level shown on stderr (default NRE_INFO); the file gets everything.  [main] */
void log_level(nre_level least);
/* Also append to FILE from now on; NULL stops.  The caller keeps FILE.  [main] */
void log_file(FILE *file);
void log_say(nre_level level, const char *format, ...) NRE_PRINTF(2, 3);
void log_say_v(nre_level level, const char *format, va_list arguments);
/* Called before and after each line on stderr, so that a progress bar can step aside; they must
 * not log.  [main] */
void log_around(void (*before)(void), void (*after)(void));

/* arena.c: memory that is freed together */

typedef struct arena arena;
arena *arena_new(void); /* NULL when out of memory */
void arena_free(arena *a);
/* N items of SIZE bytes, zeroed, 64-byte aligned; NULL when out of memory or N * SIZE overflows.
 * An arena serves one thread at a time. */
void *arena_alloc(arena *a, size_t n, size_t size);
char *arena_copy(arena *a, const char *text);
char *arena_print(arena *a, const char *format, ...) NRE_PRINTF(2, 3);
/* Outside arenas: zeroed, 64-byte aligned, overflow-checked, NULL when out of memory; free(). */
void *memory_new(size_t n, size_t size);

/* random.c: reproducible streams */

/* Philox 4x64-10 (Salmon et al. 2011) by Random123: key = { root seed, hash of the purpose },
 * counter = { block, item, attempt or epoch, 0 }.  Number of items, threads and shards never
 * enter: a larger dataset extends a smaller one. */
typedef struct rng_key {
    uint64_t word[2];
} rng_key;
rng_key rng_purpose(uint64_t seed, const char *purpose, ...) NRE_PRINTF(2, 3);

typedef struct rng {
    nre_rng api; /* first, so that &r->api is an nre_rng for plugins */
    rng_key key;
    uint64_t counter[4];
    uint64_t word[4]; /* of the current block */
    unsigned used;    /* words of it that are spent, 4: none left */
    double spare;     /* the second normal of a pair */
    bool has_spare;
} rng;
/* No clean-up needed; a stream is a value and may be copied or stored. */
void rng_start(rng *r, rng_key key, uint64_t item, uint64_t attempt);
uint64_t rng_bits(rng *r);
double rng_uniform(rng *r); /* in the open (0, 1), 52 bits */
double rng_normal(rng *r);
uint64_t rng_below(rng *r, uint64_t n); /* uniform in 0..n-1, unbiased; n > 0 */
void rng_permutation(rng *r, size_t n, uint64_t *out); /* of 0..n-1 */

/* pool.c: worker threads */

typedef struct pool pool;
/* Item I of a job on behalf of thread WORKER (0 .. threads - 1), for scratch memory by thread. */
typedef int pool_task(void *context, size_t i, unsigned worker);
/* n_threads >= 1, the caller's among them.  They have all started when it returns and hold no
 * lock between jobs: a fork then leaves none locked in the child. */
int pool_new(unsigned n_threads, pool **out);
void pool_free(pool *p);
unsigned pool_threads(const pool *p);
/* Whether a job runs, so that another cannot be started: asked within one. */
bool pool_is_busy(const pool *p);
/* Run task(context, i) for i < n; items are handed out in order.  After a failure or a wish to
 * stop no new item starts; returns the failure of the lowest item that failed, its message
 * carried to the caller.  P NULL: all in this thread.  A job inside a job of the same pool is
 * NRE_EINTERNAL.  [main] */
int pool_run(pool *p, size_t n, pool_task *task, void *context);
/* The same, but a wish to stop does not interrupt it: for steps that must be whole, such as an
 * update of weights in place. */
int pool_run_all(pool *p, size_t n, pool_task *task, void *context);

/* stop.c: the wish to stop; progress */

/* Async-signal-safe; also what the handlers of SIGINT, SIGTERM and SIGUSR1 call.  0 takes the
 * wish back. */
void stop_request(int signal_number);
int stop_signal(void); /* 0 while nobody asked */
int stop_check(void);  /* 0, or NRE_ECANCELLED with a message */
/* Install them; SIGXFSZ is ignored, so that a file at its size limit is an error.  [main] */
void stop_handlers(void);

/* Who is told how far a long job is.  Implemented by run/; NULL is accepted everywhere. */
typedef struct progress progress;
struct progress {
    /* DETAIL may be NULL: "val 0.284 (best 0.283)".  UNIT: "simulations". */
    void (*report)(progress *self, const char *what, uint64_t done, uint64_t total,
                   const char *unit, const char *detail);
};
/* Report and return stop_check().  Any thread; P may be NULL. */
int progress_report(progress *p, const char *what, uint64_t done, uint64_t total,
                    const char *unit, const char *detail);

/* hash.c: XXH3 128 */

typedef struct hash {
    uint64_t high, low;
} hash;
typedef struct hash_text {
    char hex[33];
} hash_text;
hash hash_bytes(const void *data, size_t n);
hash hash_string(const char *text);
int hash_file(const char *path, uint64_t from, hash *out); /* of all bytes after FROM */
hash_text hash_hex(hash h);
bool hash_equal(hash a, hash b);

/* file.c: files and folders */

/* All of a file, with a 0 behind it; more than LIMIT bytes is NRE_EFORMAT, no file NRE_EDATA.
 * free(*text). */
int file_read(const char *path, size_t limit, char **text, size_t *n);
/* Write-temporary, fsync, rename, fsync of the folder: the file is old or new, never half. */
int file_write(const char *path, const void *data, size_t n);
int file_print(const char *path, const char *format, ...) NRE_PRINTF(2, 3);
/* The same in two steps, for a library that insists on writing itself: TEMPORARY, beside PATH,
 * is what it writes; publish fsyncs and renames it, and removes it when that fails. */
int file_publish(const char *temporary, const char *path);
bool file_exists(const char *path);
int folder_make(const char *path); /* with parents; an existing one is fine */
/* absolute NAME: as it is */
char *path_join(arena *a, const char *folder, const char *name);
char *path_folder(arena *a, const char *path); /* "a/b.c" -> "a", "b.c" -> "." */

/* text.c: numbers and words as users write them */

/* The whole string, C locale, finite; also 1e-4, .5, 1_000 is refused.  False when it is not. */
bool text_to_real(const char *text, double *out);
bool text_to_int(const char *text, int64_t *out); /* 200000, also 2e5 when integral */
/* The candidate within Damerau-Levenshtein distance 2 (and less than half of WORD), else NULL. */
const char *text_nearest(const char *word, size_t n, const char *const *candidates);

/* json.c: JSON by jansson */

/* Atomic, indented, keys as inserted, 17 significant digits.  Borrows VALUE. */
int json_save(const char *path, const json_t *value);
/* At most LIMIT bytes; duplicate keys refused; position in the message.  json_decref(*out). */
int json_load_path(const char *path, size_t limit, json_t **out);
json_t *json_number(double value); /* null when not finite; jansson would drop the key */

/* store.c: arrays on disk (HDF5) */

/* An HDF5 file whose first 512 bytes (HDF5's user block) hold a magic word, the length and the
 * XXH3-128 of the rest: open verifies it before the library sees a byte, so a damaged file is
 * refused (NRE_EDATA) and not a crash.  Datasets are contiguous and carry no times: same content,
 * same bytes.  One thread at a time over all stores.  [main] */
typedef struct store store;
typedef enum store_type {
    STORE_F32 = 1,
    STORE_F64 = 2,
    STORE_U8 = 3,
    STORE_I64 = 4
} store_type;
enum { STORE_RANK = 5 };
typedef struct store_shape {
    store_type type;
    unsigned rank;
    uint64_t dim[STORE_RANK];
} store_shape;
/* Held in memory until committed: for a dataset that is large, make several (shards). */
int store_create(const char *path, store **out);
/* NAME may hold groups, "optimiser/m": made as needed.  n items = product of dims. */
int store_put(store *s, const char *name, store_type type, unsigned rank,
              const uint64_t *dim, const void *data);
/* Root attributes; a text of at most 64000 bytes. */
int store_put_text(store *s, const char *name, const char *text);
int store_put_real(store *s, const char *name, double value);
int store_put_int(store *s, const char *name, int64_t value);
/* publish and free S, also on failure; the old file or the new */
int store_commit(store *s);
int store_open(const char *path, store **out);
bool store_has(const store *s, const char *name);
int store_shape_of(store *s, const char *name, store_shape *out);
/* Refused unless type and number of items are these. */
int store_get(store *s, const char *name, store_type type, uint64_t n, void *data);
int store_get_text(store *s, const char *name, arena *a, char **out);
int store_get_real(store *s, const char *name, double *out);
int store_get_int(store *s, const char *name, int64_t *out);
/* Read-only map of a dataset, valid until store_unmap, also after store_close. */
typedef struct store_map {
    void *base;
    size_t length;
    const void *data; /* [product of dims] */
} store_map;
int store_map_of(store *s, const char *name, store_type type, uint64_t n, store_map *out);
void store_unmap(store_map *map);
void store_close(store *s); /* of a created one: abandons it */

/* inside the folder */

enum { ERROR_LENGTH = 16384 }; /* of a sentence, with its 0; longer ones are cut */
/* A name beside PATH that no other process or thread uses; NULL when out of memory.  free(). */
char *file_temporary(const char *path);

#endif

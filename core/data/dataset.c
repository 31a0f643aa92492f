/* data/dataset.c - shards on disk: made in order, kept when whole, mapped when read. */
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "nereid-dataset/1"
#define MANIFEST "manifest.json"
enum {
    SHARD_BYTES = 64 << 20,
    SEAL_BYTES = 512,
    SHARDS_MOST = 100000,
    MANIFEST_MOST = 64 << 20
};

struct dataset {
    arena *arena;
    uint64_t n, shard_rows, n_shards;
    size_t n_theta, n_x;
    bool clean;
    tally tally;
    const char *fingerprint;
    hash hash;
    store_map *theta, *x; /* [n_shards] */
    store_map *invalid;   /* [n_shards], theta of invalid attempts */
    uint64_t *n_invalid;  /* [n_shards], of them */
};

/* names and seals */

typedef struct path {
    char text[4096];
} path;

static path shard_path(const char *folder, uint64_t k)
{
    path p;
    snprintf(p.text, sizeof p.text, "%s/shard-%05" PRIu64 ".h5", folder, k);
    return p;
}

static path manifest_path(const char *folder)
{
    path p;
    snprintf(p.text, sizeof p.text, "%s/%s", folder, MANIFEST);
    return p;
}

/* The user block of a store holds the checksum of all that follows, so its own hash
 * stands for the whole file. */
static int seal_of(const char *name, hash *out)
{
    char block[SEAL_BYTES];
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail(NRE_EIO, "%s: %s", name, strerror(errno));
    ssize_t n = read(file, block, sizeof block);
    close(file);
    if (n != (ssize_t)sizeof block)
        return fail(NRE_EDATA, "%s: shorter than its first block", name);
    *out = hash_bytes(block, sizeof block);
    return NRE_OK;
}

static uint64_t shard_count(uint64_t n, uint64_t rows)
{
    return n / rows + (n % rows != 0);
}

static uint64_t rows_of_shard(uint64_t n, uint64_t rows, uint64_t k)
{
    return n - k * rows < rows ? n - k * rows : rows;
}

static uint64_t choose_shard_rows(uint64_t asked, size_t n_theta, size_t n_x)
{
    uint64_t rows = SHARD_BYTES / (8 * (uint64_t)n_theta + 4 * (uint64_t)n_x + 1);
    if (asked > 0)
        return asked;
    return rows >= 256 ? rows / 256 * 256 : rows ? rows : 1;
}

/* What, besides the caller's fingerprint, decides the content of a shard. */
static void describe_draw(const dataset_plan *plan, bool clean, size_t n, char *text)
{
    static const char *const policy[] = {"error", "redraw_x", "redraw_theta"};
    snprintf(text, n, "seed %" PRIu64 ", %s, on_invalid %s, %s", plan->draw.seed,
             plan->draw.purpose ? plan->draw.purpose : "imported",
             policy[plan->draw.on_invalid > 2 ? 2 : plan->draw.on_invalid],
             clean ? "clean" : "noisy");
}

/* writing */

int shards_open(shards *w, const simulator *s, const dataset_plan *plan, uint64_t n,
                bool clean)
{
    *w = (shards){.s = s, .plan = plan, .n = n, .clean = clean};
    size_t d = simulator_n_theta(s), n_x = simulator_n_x(s);
    w->shard_rows = choose_shard_rows(plan->shard_rows, d, n_x);
    if (n == 0)
        return fail(NRE_EDATA, "%s: a dataset needs at least one row", plan->folder);
    if (shard_count(n, w->shard_rows) > SHARDS_MOST)
        return fail(NRE_ECONFIG,
                    "%s: %" PRIu64 " rows in shards of %" PRIu64 " make more than %d "
                    "files; ask for larger shards",
                    plan->folder, n, w->shard_rows, SHARDS_MOST);
    size_t rows = (size_t)(n < w->shard_rows ? n : w->shard_rows);
    w->theta = memory_new(rows, d * sizeof *w->theta);
    w->x = memory_new(rows, n_x * sizeof *w->x);
    w->status = memory_new(rows, 1);
    w->list = json_array();
    if (!w->theta || !w->x || !w->status || !w->list)
        return fail(NRE_ENOMEM, "%s: no memory for a shard of %zu rows", plan->folder,
                    rows);
    describe_draw(plan, clean, sizeof w->draw, w->draw);
    int status = folder_make(plan->folder);
    if (status == NRE_OK && unlink(manifest_path(plan->folder).text) != 0 &&
        errno != ENOENT)
        status = fail(NRE_EIO, "%s/" MANIFEST ": %s", plan->folder, strerror(errno));
    return status;
}

void shards_close(shards *w)
{
    free(w->theta);
    free(w->x);
    free(w->status);
    json_decref(w->list);
}

uint64_t shards_rows_now(const shards *w)
{
    return rows_of_shard(w->n, w->shard_rows, w->index);
}

static int put_tally(store *f, const tally *t)
{
    int status = store_put_int(f, "attempts", (int64_t)t->attempts);
    if (status == NRE_OK)
        status = store_put_int(f, "invalid", (int64_t)t->invalid);
    if (status == NRE_OK)
        status = store_put_int(f, "truncated", (int64_t)t->truncated);
    return status == NRE_OK ? store_put_int(f, "redrawn", (int64_t)t->redrawn) : status;
}

static int put_arrays(const shards *w, store *f, const rows_drawn *r)
{
    uint64_t n = shards_rows_now(w), d = simulator_n_theta(w->s);
    uint64_t wide[2] = {n, d}, long_x[2] = {n, simulator_n_x(w->s)},
             bad[2] = {r->tally.invalid, d};
    int status = store_put(f, "theta", STORE_F64, 2, wide, w->theta);
    if (status == NRE_OK)
        status = store_put(f, "x", STORE_F32, 2, long_x, w->x);
    if (status == NRE_OK)
        status = store_put(f, "status", STORE_U8, 1, &n, w->status);
    if (status == NRE_OK && r->invalid)
        status = store_put(f, "invalid_theta", STORE_F64, 2, bad, r->invalid);
    return status;
}

static int list_shard(shards *w, const tally *t)
{
    hash seal;
    path p = shard_path(w->plan->folder, w->index);
    int status = seal_of(p.text, &seal);
    if (status != NRE_OK)
        return status;
    json_t *line = json_pack("{s:s, s:I, s:s}", "file", strrchr(p.text, '/') + 1, "rows",
                             (json_int_t)shards_rows_now(w), "seal", hash_hex(seal).hex);
    if (!line || json_array_append_new(w->list, line) != 0)
        return fail(NRE_ENOMEM, "no memory for a manifest");
    tally_add(&w->tally, t);
    w->index++;
    return NRE_OK;
}

int shards_write(shards *w, const rows_drawn *r)
{
    store *f;
    path p = shard_path(w->plan->folder, w->index);
    int status = store_create(p.text, &f);
    if (status != NRE_OK)
        return status;
    status = put_arrays(w, f, r);
    if (status == NRE_OK)
        status = put_tally(f, &r->tally);
    if (status == NRE_OK)
        status = store_put_int(f, "first", (int64_t)(w->index * w->shard_rows));
    if (status == NRE_OK)
        status = store_put_text(f, "fingerprint", w->plan->fingerprint);
    if (status == NRE_OK)
        status = store_put_text(f, "draw", w->draw);
    if (status != NRE_OK) {
        store_close(f);
        return status;
    }
    status = store_commit(f);
    return status == NRE_OK ? list_shard(w, &r->tally) : status;
}

/* Shards of a longer dataset that was here before. */
static void remove_rest(const shards *w)
{
    for (uint64_t k = w->index; k < SHARDS_MOST; k++)
        if (unlink(shard_path(w->plan->folder, k).text) != 0)
            break;
}

int shards_finish(shards *w)
{
    const tally *t = &w->tally;
    remove_rest(w);
    json_t *names = json_array();
    for (size_t i = 0; names && i < simulator_n_theta(w->s); i++)
        json_array_append_new(names, json_string(simulator_names(w->s)[i]));
    json_t *m = json_pack(
        "{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:o, s:I, s:{s:I, s:I, s:I, s:I}, s:O}",
        "format", FORMAT, "fingerprint", w->plan->fingerprint, "draw", w->draw, "clean",
        (int)w->clean, "rows", (json_int_t)w->n, "n_theta",
        (json_int_t)simulator_n_theta(w->s), "n_x", (json_int_t)simulator_n_x(w->s),
        "parameters", names, "shard_rows", (json_int_t)w->shard_rows, "tally", "attempts",
        (json_int_t)t->attempts, "invalid", (json_int_t)t->invalid, "truncated",
        (json_int_t)t->truncated, "redrawn", (json_int_t)t->redrawn, "shards", w->list);
    if (!m)
        return fail(NRE_ENOMEM, "no memory for a manifest");
    int status = json_save(manifest_path(w->plan->folder).text, m);
    json_decref(m);
    return status;
}

/* shards that are already there */

static bool text_is(store *f, const char *name, const char *text)
{
    char *found = NULL;
    arena *a = arena_new();
    bool same =
        a && store_get_text(f, name, a, &found) == NRE_OK && strcmp(found, text) == 0;
    arena_free(a);
    return same;
}

static bool get_count(store *f, const char *name, uint64_t *out)
{
    int64_t value = -1;
    if (store_get_int(f, name, &value) != NRE_OK || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

static bool get_tally(store *f, tally *t)
{
    return get_count(f, "attempts", &t->attempts) &&
           get_count(f, "invalid", &t->invalid) &&
           get_count(f, "truncated", &t->truncated) &&
           get_count(f, "redrawn", &t->redrawn);
}

static bool shape_is(store *f, const char *name, store_type type, uint64_t n,
                     uint64_t wide)
{
    store_shape shape;
    return store_shape_of(f, name, &shape) == NRE_OK && shape.type == type &&
           shape.rank == 2 && shape.dim[0] == n && shape.dim[1] == wide;
}

/* Theta of invalid attempts, where the shard has them. */
static int map_invalid(store *f, size_t d, store_map *map, uint64_t *n)
{
    store_shape shape = {.rank = 0};
    *n = 0;
    *map = (store_map){.base = NULL};
    if (!store_has(f, "invalid_theta"))
        return NRE_OK;
    int status = store_shape_of(f, "invalid_theta", &shape);
    if (status != NRE_OK)
        return status;
    if (!shape_is(f, "invalid_theta", STORE_F64, shape.dim[0], d))
        return fail(NRE_EDATA, "invalid_theta has another width");
    *n = shape.dim[0];
    return store_map_of(f, "invalid_theta", STORE_F64, *n * d, map);
}

static void judge_invalid(validity *v, uint64_t n, const double *theta)
{
    for (uint64_t i = 0; i < n; i++)
        validity_add(v, 1, theta + i * validity_n_theta(v), &(uint8_t){0});
}

/* Read back what V wants to know of the shard that the writer stands at. */
static bool shard_matches(shards *w, store *f, validity *v, tally *t)
{
    uint64_t first, n = shards_rows_now(w);
    size_t d = simulator_n_theta(w->s);
    *t = (tally){.rows = n};
    if (!text_is(f, "fingerprint", w->plan->fingerprint) ||
        !text_is(f, "draw", w->draw) || !get_count(f, "first", &first) ||
        first != w->index * w->shard_rows || !get_tally(f, t) ||
        !shape_is(f, "theta", STORE_F64, n, d) ||
        !shape_is(f, "x", STORE_F32, n, simulator_n_x(w->s)))
        return false;
    if (!v || !rows_change_prior(&w->plan->draw))
        return true;
    store_map map;
    uint64_t n_invalid;
    bool good = store_get(f, "theta", STORE_F64, n * d, w->theta) == NRE_OK &&
                map_invalid(f, d, &map, &n_invalid) == NRE_OK;
    if (good) {
        validity_add(v, (size_t)n, w->theta, NULL);
        judge_invalid(v, n_invalid, map.data);
        store_unmap(&map);
    }
    return good;
}

/* True when the shard is whole and of the same plan; it is then counted and listed. */
static bool shard_kept(shards *w, validity *v)
{
    store *f;
    tally t;
    path p = shard_path(w->plan->folder, w->index);
    if (!file_exists(p.text))
        return false;
    if (store_open(p.text, &f) != NRE_OK) {
        log_say(NRE_WARN, "%s; it is made anew", error_message());
        return false;
    }
    bool good = shard_matches(w, f, v, &t);
    store_close(f);
    return good && list_shard(w, &t) == NRE_OK;
}

/* making */

static int make_shard(shards *w, pool *p, progress *watch, validity *v)
{
    rows_drawn r;
    draw d = w->plan->draw;
    d.first = w->index * w->shard_rows;
    d.n = (size_t)shards_rows_now(w);
    d.clean = w->clean;
    int status =
        draw_rows(w->s, p, watch, &d, d.first, w->n, w->theta, w->x, w->status, &r);
    if (status == NRE_OK) {
        rows_judged(v, &d, simulator_n_theta(w->s), d.n, w->theta, &r);
        if (!rows_change_prior(&d)) {
            free(r.invalid);
            r.invalid = NULL;
        }
        status = shards_write(w, &r);
    }
    free(r.invalid);
    return status;
}

int dataset_make(const simulator *s, const dataset_plan *plan, pool *p, progress *watch,
                 tally *count, validity *v)
{
    shards w;
    bool clean = plan->draw.clean && simulator_has_noise(s);
    int status = shards_open(&w, s, plan, plan->draw.n, clean);
    while (status == NRE_OK && w.index * w.shard_rows < w.n) {
        if (!shard_kept(&w, v))
            status = make_shard(&w, p, watch, v);
        uint64_t done = w.index * w.shard_rows < w.n ? w.index * w.shard_rows : w.n;
        if (status == NRE_OK)
            status = progress_report(watch, "simulate", done, w.n, "simulations",
                                     plan->draw.purpose);
        if (status == NRE_ECANCELLED && done == w.n)
            status = NRE_OK; /* nothing was left to stop */
    }
    if (status == NRE_OK)
        status = shards_finish(&w);
    if (status == NRE_OK && count)
        tally_add(count, &w.tally);
    shards_close(&w);
    return status;
}

/* the manifest */

typedef struct manifest {
    json_t *json, *list;
    const char *fingerprint;
    json_int_t rows, n_theta, n_x, shard_rows, attempts, invalid, truncated, redrawn;
    int clean;
} manifest;

static int manifest_read(const char *folder, manifest *m)
{
    const char *format;
    path p = manifest_path(folder);
    *m = (manifest){.json = NULL};
    if (!file_exists(p.text))
        return fail(NRE_EDATA,
                    "%s: no finished dataset lies here; run again with --resume", folder);
    int status = json_load_path(p.text, MANIFEST_MOST, &m->json);
    if (status != NRE_OK)
        return NRE_EDATA;
    json_error_t why;
    if (json_unpack_ex(m->json, &why, 0,
                       "{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:o}",
                       "format", &format, "fingerprint", &m->fingerprint, "clean",
                       &m->clean, "rows", &m->rows, "n_theta", &m->n_theta, "n_x",
                       &m->n_x, "shard_rows", &m->shard_rows, "tally", "attempts",
                       &m->attempts, "invalid", &m->invalid, "truncated", &m->truncated,
                       "redrawn", &m->redrawn, "shards", &m->list) != 0)
        return fail(NRE_EDATA, "%s: %s", p.text, why.text);
    if (strcmp(format, FORMAT) != 0)
        return fail(NRE_EDATA, "%s: format '%s' is not " FORMAT, p.text, format);
    bool sound = m->rows > 0 && m->n_theta > 0 && m->n_theta <= THETA_MOST &&
                 m->n_x > 0 && m->n_x <= INT32_MAX && m->shard_rows > 0 &&
                 m->attempts >= 0 && m->invalid >= 0 && m->truncated >= 0 &&
                 m->redrawn >= 0 &&
                 json_array_size(m->list) ==
                     shard_count((uint64_t)m->rows, (uint64_t)m->shard_rows);
    return sound ? NRE_OK
                 : fail(NRE_EDATA, "%s: its numbers do not fit each other", p.text);
}

bool dataset_is_there(const char *folder, const char *fingerprint)
{
    manifest m;
    bool there =
        manifest_read(folder, &m) == NRE_OK && strcmp(m.fingerprint, fingerprint) == 0;
    for (size_t k = 0; there && k < json_array_size(m.list); k++)
        there = file_exists(shard_path(folder, k).text);
    json_decref(m.json);
    return there;
}

/* opening */

static int advise(int status)
{
    char said[1024];
    snprintf(said, sizeof said, "%s", error_message());
    return fail(status, "%s (run again with --resume: only this shard is simulated anew)",
                said);
}

static int open_store(const char *folder, uint64_t k, store **out)
{
    path p = shard_path(folder, k);
    if (!file_exists(p.text))
        return fail(NRE_EDATA,
                    "%s: this shard is missing; run again with --resume: only this "
                    "shard is simulated anew",
                    p.text);
    int status = store_open(p.text, out);
    return status == NRE_OK ? NRE_OK : advise(NRE_EDATA);
}

static int seal_agrees(const char *folder, uint64_t k, const json_t *line, hash *seal)
{
    path p = shard_path(folder, k);
    const char *listed = json_string_value(json_object_get(line, "seal"));
    int status = seal_of(p.text, seal);
    if (status == NRE_OK && (!listed || strcmp(listed, hash_hex(*seal).hex) != 0)) {
        fail(NRE_EDATA, "%s: not the shard that the manifest lists", p.text);
        status = advise(NRE_EDATA);
    }
    return status;
}

static int map_shard(dataset *d, const char *folder, uint64_t k, const json_t *line,
                     hash *seal)
{
    store *f = NULL;
    uint64_t n = rows_of_shard(d->n, d->shard_rows, k);
    int status = open_store(folder, k, &f);
    if (status == NRE_OK)
        status = seal_agrees(folder, k, line, seal);
    if (status == NRE_OK)
        status = store_map_of(f, "theta", STORE_F64, n * d->n_theta, &d->theta[k]);
    if (status == NRE_OK)
        status = store_map_of(f, "x", STORE_F32, n * d->n_x, &d->x[k]);
    if (status == NRE_OK)
        status = map_invalid(f, d->n_theta, &d->invalid[k], &d->n_invalid[k]);
    store_close(f);
    return status;
}

static int map_all(dataset *d, const char *folder, const json_t *list)
{
    d->n_shards = shard_count(d->n, d->shard_rows);
    d->theta = memory_new(d->n_shards, sizeof *d->theta);
    d->x = memory_new(d->n_shards, sizeof *d->x);
    d->invalid = memory_new(d->n_shards, sizeof *d->invalid);
    d->n_invalid = memory_new(d->n_shards, sizeof *d->n_invalid);
    hash *seals = memory_new(d->n_shards, sizeof *seals);
    int status = NRE_OK;
    if (!d->theta || !d->x || !d->invalid || !d->n_invalid || !seals)
        status = fail(NRE_ENOMEM, "%s: no memory to open it", folder);
    for (uint64_t k = 0; status == NRE_OK && k < d->n_shards; k++)
        status = map_shard(d, folder, k, json_array_get(list, k), &seals[k]);
    if (status == NRE_OK)
        d->hash = hash_bytes(seals, d->n_shards * sizeof *seals);
    free(seals);
    return status;
}

int dataset_open(const char *folder, dataset **out)
{
    manifest m;
    *out = NULL;
    dataset *d = memory_new(1, sizeof *d);
    if (!d || !(d->arena = arena_new())) {
        free(d);
        return fail(NRE_ENOMEM, "%s: no memory to open it", folder);
    }
    int status = manifest_read(folder, &m);
    if (status == NRE_OK) {
        d->n = (uint64_t)m.rows, d->shard_rows = (uint64_t)m.shard_rows;
        d->n_theta = (size_t)m.n_theta, d->n_x = (size_t)m.n_x;
        d->clean = m.clean != 0;
        d->tally = (tally){d->n, (uint64_t)m.attempts, (uint64_t)m.invalid,
                           (uint64_t)m.truncated, (uint64_t)m.redrawn};
        d->fingerprint = arena_copy(d->arena, m.fingerprint);
        status = d->fingerprint ? map_all(d, folder, m.list)
                                : fail(NRE_ENOMEM, "%s: no memory to open it", folder);
    }
    json_decref(m.json);
    if (status == NRE_OK)
        *out = d;
    else
        dataset_close(d);
    return status;
}

void dataset_close(dataset *d)
{
    if (!d)
        return;
    store_map *maps[] = {d->theta, d->x, d->invalid};
    for (size_t i = 0; i < 3; i++) {
        for (uint64_t k = 0; maps[i] && k < d->n_shards; k++)
            store_unmap(&maps[i][k]);
        free(maps[i]);
    }
    free(d->n_invalid);
    arena_free(d->arena);
    free(d);
}

/* what others ask */

uint64_t dataset_n(const dataset *d)
{
    return d->n;
}

size_t dataset_n_theta(const dataset *d)
{
    return d->n_theta;
}

size_t dataset_n_x(const dataset *d)
{
    return d->n_x;
}

bool dataset_is_clean(const dataset *d)
{
    return d->clean;
}

const tally *dataset_tally(const dataset *d)
{
    return &d->tally;
}

const char *dataset_fingerprint(const dataset *d)
{
    return d->fingerprint;
}

hash dataset_hash(const dataset *d)
{
    return d->hash;
}

const double *dataset_theta(const dataset *d, uint64_t i)
{
    uint64_t k = i / d->shard_rows;
    return (const double *)d->theta[k].data + (i - k * d->shard_rows) * d->n_theta;
}

const float *dataset_x(const dataset *d, uint64_t i)
{
    uint64_t k = i / d->shard_rows;
    return (const float *)d->x[k].data + (i - k * d->shard_rows) * d->n_x;
}

int validity_of_dataset(const char *folder, validity *v)
{
    dataset *d;
    int status = dataset_open(folder, &d);
    if (status != NRE_OK)
        return status;
    if (d->n_theta != validity_n_theta(v))
        status = fail(NRE_EDATA, "%s: has %zu parameters, not %zu", folder, d->n_theta,
                      validity_n_theta(v));
    for (uint64_t k = 0; status == NRE_OK && k < d->n_shards; k++) {
        judge_invalid(v, d->n_invalid[k], d->invalid[k].data);
        validity_add(v, (size_t)rows_of_shard(d->n, d->shard_rows, k),
                     dataset_theta(d, k * d->shard_rows), NULL);
    }
    dataset_close(d);
    return status;
}

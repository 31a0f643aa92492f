/* stages.json: what is done, with which inputs, and why a stage must run again. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STAGES_LIMIT = 16 << 20 };

struct stages {
    char *path;
    json_t *done; /* {"train/all": {"inputs": "...", "seconds": 1.5}, ...} */
};

int stages_open(const char *path, stages **out)
{
    stages *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s || !(s->path = strdup(path)))
        goto memory;
    if (file_exists(path)) {
        int rc = json_load_path(path, STAGES_LIMIT, &s->done);
        if (!rc && !json_is_object(s->done))
            rc = fail(NRE_EDATA, "'%s' is not a list of stages", path);
        if (rc) {
            log_say(NRE_WARN, "%s; every stage runs again", error_message());
            json_decref(s->done);
            s->done = NULL;
        }
    }
    if (!s->done && !(s->done = json_object()))
        goto memory;
    *out = s;
    return NRE_OK;
memory:
    stages_free(s);
    return fail(NRE_ENOMEM, "no memory for the list of stages");
}

void stages_free(stages *s)
{
    if (!s)
        return;
    json_decref(s->done);
    free(s->path);
    free(s);
}

/* The line of TEXT that says PATH ("train.epochs = "), or NULL; *n its length. */
static const char *line_of(const char *text, const char *path, size_t path_n, size_t *n)
{
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        *n = strcspn(p, "\n");
        if (!strncmp(p, path, path_n) && !strncmp(p + path_n, " = ", 3))
            return p;
    }
    return NULL;
}

/* Checksums tell a reader nothing: 32 hexadecimal digits at the end of a value. */
static bool is_checksum(const char *value, size_t n)
{
    return n >= 32 && strspn(value + n - 32, "0123456789abcdef") >= 32;
}

/* "train.epochs changed: 30 -> 20", of two lines whose values begin at AT. */
static const char *change_text(const char *old, size_t old_n, const char *new, size_t n,
                               size_t at, arena *memory)
{
    int path_n = (int)(at - 3);
    if (is_checksum(old + at, old_n - at) || is_checksum(new + at, n - at))
        return arena_print(memory, "%.*s changed", path_n, new);
    return arena_print(memory, "%.*s changed: %.*s -> %.*s", path_n, new,
                       (int)(old_n - at), old + at, (int)(n - at), new + at);
}

const char *inputs_difference(const char *a, const char *b, arena *memory)
{
    for (const char *p = b; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t n = strcspn(p, "\n"), old_n = 0;
        const char *equals = memmem(p, n, " = ", 3);
        size_t path_n = equals ? (size_t)(equals - p) : n;
        const char *old = line_of(a, p, path_n, &old_n);
        if (!old)
            return arena_print(memory, "%.*s is new", (int)path_n, p);
        if (old_n != n || memcmp(old, p, n) != 0)
            return change_text(old, old_n, p, n, path_n + 3, memory);
    }
    return NULL;
}

bool stage_is_done(const stages *s, const char *name, const char *inputs, arena *a,
                   const char **reason)
{
    const json_t *entry = json_object_get(s->done, name);
    const char *old = json_string_value(json_object_get(entry, "inputs"));
    *reason = "never ran";
    if (!old)
        return false;
    *reason = "same inputs";
    if (!strcmp(old, inputs))
        return true;
    *reason = inputs_difference(old, inputs, a);
    if (!*reason)
        *reason = "an input is gone";
    return false;
}

int stage_forget(stages *s, const char *name)
{
    if (!json_object_get(s->done, name))
        return NRE_OK;
    json_object_del(s->done, name);
    return json_save(s->path, s->done);
}

void stage_damaged(const run *r, const char *name)
{
    arena *a = r->session->arena;
    const char *why = arena_copy(a, error_message()), *path = r->source->path;
    stages *s = r->stages;
    if (!s && !lock_probe(a, path))
        (void)stages_open(path_join(a, path, "stages.json"), &s);
    if (s && name)
        (void)stage_forget(s, name);
    if (s != r->stages)
        stages_free(s);
    error_set(why ? why : "damaged");
}

void stage_ignore(stages *s, const char *name)
{
    json_object_del(s->done, name);
}

int stage_done(stages *s, const char *name, const char *inputs, double seconds)
{
    json_t *entry = json_pack("{s:s, s:f}", "inputs", inputs, "seconds", seconds);
    if (!entry || json_object_set_new(s->done, name, entry))
        return fail(NRE_ENOMEM, "no memory for the list of stages");
    return json_save(s->path, s->done);
}

double stage_seconds(const stages *s, const char *name)
{
    const json_t *entry = json_object_get(s->done, name);
    const json_t *seconds = json_object_get(entry, "seconds");
    return seconds ? json_number_value(seconds) : NAN;
}

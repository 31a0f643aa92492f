/* search.c - the folders in which plugins lie, and what they hold. */
#include "plugin/plugin.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct folder {
    const char *path; /* absolute, without links */
    struct folder *next;
};

static const struct {
    nre_kind kind;
    const char *word, *folder;
} KINDS[] = {
    {NRE_SIMULATOR, "simulator", "simulators"},
    {NRE_ARCHITECTURE, "architecture", "architectures"},
    {NRE_SAMPLER, "sampler", "samplers"},
};
enum { N_KINDS = sizeof KINDS / sizeof KINDS[0], NAME_LENGTH = 64 };

const char *kind_folder(nre_kind kind)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (KINDS[i].kind == kind)
            return KINDS[i].folder;
    return "";
}

const char *kind_word(nre_kind kind)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (KINDS[i].kind == kind)
            return KINDS[i].word;
    return NULL;
}

bool kind_of(const char *word, nre_kind *out)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(KINDS[i].word, word) == 0 || strcmp(KINDS[i].folder, word) == 0) {
            *out = KINDS[i].kind;
            return true;
        }
    return false;
}

bool plugin_name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n >= 1 && n <= NAME_LENGTH && !name[n] && name[0] >= 'a' && name[0] <= 'z';
}

/* the folders */

static bool folder_known(const plugins *p, const char *path)
{
    for (const struct folder *f = p->first; f; f = f->next)
        if (strcmp(f->path, path) == 0)
            return true;
    return false;
}

/* A folder that does not exist is NRE_EIO, for the caller to judge. */
static int folder_add(plugins *p, const char *path)
{
    char resolved[PATH_MAX];
    if (!realpath(path, resolved))
        return fail(NRE_EIO, "%s: %s", path, strerror(errno));
    if (folder_known(p, resolved))
        return NRE_OK;
    struct folder *f = arena_alloc(p->memory, 1, sizeof *f);
    char *own = arena_copy(p->memory, resolved);
    if (!f || !own)
        return fail(NRE_ENOMEM, "no memory for the folders of plugins");
    f->path = own;
    if (p->last)
        p->last->next = f;
    else
        p->first = f;
    p->last = f;
    return NRE_OK;
}

static int folder_add_if_there(plugins *p, const char *path)
{
    int status = folder_add(p, path);
    return status == NRE_EIO ? NRE_OK : status;
}

static int entry_add(plugins *p, const char *entry, size_t length)
{
    char *path = arena_print(p->memory, "%.*s", (int)length, entry);
    if (!path)
        return fail(NRE_ENOMEM, "no memory for the folders of plugins");
    if (path[0] != '/')
        return fail(
            NRE_EPLUGIN,
            "NEREID_PLUGIN_PATH has the entry '%s'; every entry must be an absolute "
            "folder",
            path);
    return folder_add_if_there(p, path);
}

static int folders_of_environment(plugins *p)
{
    const char *from = secure_getenv("NEREID_PLUGIN_PATH");
    if (!from || !*from)
        return NRE_OK;
    for (;;) {
        const char *end = strchrnul(from, ':');
        int status = entry_add(p, from, (size_t)(end - from));
        if (status || !*end)
            return status;
        from = end + 1;
    }
}

static int folder_beside_executable(plugins *p)
{
    char path[PATH_MAX], folder[PATH_MAX + sizeof "/plugins"];
    if (!realpath("/proc/self/exe", path))
        return NRE_OK;
    *strrchr(path, '/') = 0;
    snprintf(folder, sizeof folder, "%s/plugins", path);
    return folder_add_if_there(p, folder);
}

static int folders_of_command_line(plugins *p, size_t n, const char *const *folders)
{
    for (size_t i = 0; i < n; i++) {
        int status = folder_add(p, folders[i]);
        if (status == NRE_EIO)
            return fail_within(NRE_EPLUGIN, "--plugin-path");
        if (status)
            return status;
    }
    return NRE_OK;
}

int plugins_new(size_t n, const char *const *folders, plugins **out)
{
    *out = NULL;
    plugins *p = memory_new(1, sizeof *p);
    if (!p || !(p->memory = arena_new())) {
        free(p);
        return fail(NRE_ENOMEM, "no memory for the list of plugins");
    }
    int status = trust_of_process(&p->trust);
    if (!status)
        status = folders_of_command_line(p, n, folders);
    if (!status)
        status = folders_of_environment(p);
    if (!status)
        status = folder_beside_executable(p);
    if (!status)
        status = folder_add_if_there(p, NEREID_LIBDIR);
    if (status)
        plugins_free(p);
    else
        *out = p;
    return status;
}

void plugins_free(plugins *p)
{
    if (!p)
        return;
    arena_free(p->memory);
    free(p);
}

/* names in folders */

/* A sorted set of names. */
typedef struct names {
    arena *memory;
    size_t n, room;
    const char **name;
} names;

static int names_grow(names *s)
{
    size_t room = s->room ? 2 * s->room : 16;
    const char **more = arena_alloc(s->memory, room, sizeof *more);
    if (!more)
        return fail(NRE_ENOMEM, "no memory for the names of plugins");
    if (s->n)
        memcpy(more, s->name, s->n * sizeof *more);
    s->name = more;
    s->room = room;
    return NRE_OK;
}

static int names_add(names *s, const char *name)
{
    size_t at = 0;
    while (at < s->n && strcmp(s->name[at], name) < 0)
        at++;
    if (at < s->n && strcmp(s->name[at], name) == 0)
        return NRE_OK;
    if (s->n == s->room && names_grow(s))
        return NRE_ENOMEM;
    char *own = arena_copy(s->memory, name);
    if (!own)
        return fail(NRE_ENOMEM, "no memory for the names of plugins");
    memmove(s->name + at + 1, s->name + at, (s->n - at) * sizeof *s->name);
    s->name[at] = own;
    s->n++;
    return NRE_OK;
}

/* "mlp.so" -> "mlp"; false when the file cannot be a plugin. */
static bool name_of_file(const char *file, char name[NAME_LENGTH + 1])
{
    size_t n = strlen(file);
    if (n < 4 || n > NAME_LENGTH + 3 || strcmp(file + n - 3, ".so") != 0)
        return false;
    memcpy(name, file, n - 3);
    name[n - 3] = 0;
    return plugin_name_valid(name);
}

/* All names of one folder; one that is not there holds none. */
static int names_of_folder(const char *folder, names *s)
{
    char name[NAME_LENGTH + 1];
    DIR *d = opendir(folder);
    if (!d)
        return NRE_OK;
    int status = NRE_OK;
    for (struct dirent *e; !status && (e = readdir(d));)
        if (name_of_file(e->d_name, name))
            status = names_add(s, name);
    closedir(d);
    return status;
}

static const char *kind_folder_of(arena *a, const struct folder *f, nre_kind kind)
{
    return arena_print(a, "%s/%s", f->path, kind_folder(kind));
}

/* Of the files in F itself those that are of KIND, which only they know. */
static int names_of_mixed_folder(plugins *p, const struct folder *f, nre_kind kind,
                                 names *s)
{
    names all = {.memory = s->memory};
    int status = names_of_folder(f->path, &all);
    for (size_t i = 0; !status && i < all.n; i++) {
        const plugin *found;
        const char *path = arena_print(s->memory, "%s/%s.so", f->path, all.name[i]);
        if (!path)
            return fail(NRE_ENOMEM, "no memory for the names of plugins");
        if (object_load(p, path, all.name[i], &found))
            log_say(NRE_WARN, "%s", error_message());
        else if (found->table->kind == (uint32_t)kind)
            status = names_add(s, all.name[i]);
    }
    return status;
}

int plugins_list(plugins *p, nre_kind kind, arena *a, size_t *n, const char *const **out)
{
    names all = {.memory = a};
    for (const struct folder *f = p->first; f; f = f->next) {
        const char *folder = kind_folder_of(a, f, kind);
        int status = folder ? names_of_folder(folder, &all)
                            : fail(NRE_ENOMEM, "no memory for the names of plugins");
        if (!status)
            status = names_of_mixed_folder(p, f, kind, &all);
        if (status)
            return status;
    }
    *n = all.n;
    *out = all.name;
    return NRE_OK;
}

/* find one by name */

/* Something like NAME among the files, whatever they are: nothing is loaded for a
 * suggestion. */
static const char *name_near(const plugins *p, nre_kind kind, arena *a, const char *name)
{
    names all = {.memory = a};
    for (const struct folder *f = p->first; f; f = f->next) {
        const char *folder = kind_folder_of(a, f, kind);
        if (!folder || names_of_folder(folder, &all) || names_of_folder(f->path, &all))
            return NULL;
    }
    return text_nearest(name, all.n, all.name);
}

static const char *folders_text(const plugins *p, arena *a)
{
    const char *text = p->first ? "" : "no folder";
    for (const struct folder *f = p->first; text && f; f = f->next)
        text = arena_print(a, "%s%s%s", text, f == p->first ? "" : ", ", f->path);
    return text;
}

/* PASSED_OVER: a sentence about a file of that name and another kind, or NULL. */
static int not_found(const plugins *p, nre_kind kind, const char *name,
                     const char *passed_over)
{
    arena *a = arena_new();
    const char *near = a ? name_near(p, kind, a, name) : NULL;
    const char *where = a ? folders_text(p, a) : NULL;
    int status;
    if (passed_over)
        status = fail(NRE_EPLUGIN, "there is no %s '%s': %s", kind_word(kind), name,
                      passed_over);
    else if (near)
        status =
            fail(NRE_EPLUGIN, "there is no %s '%s'; did you mean '%s'? (searched: %s)",
                 kind_word(kind), name, near, where ? where : "");
    else
        status = fail(NRE_EPLUGIN, "there is no %s '%s' (searched: %s)", kind_word(kind),
                      name, where ? where : "");
    arena_free(a);
    return status;
}

static int wrong_kind(const char *path, const plugin *found, nre_kind kind)
{
    const char *own = kind_word((nre_kind)found->table->kind);
    return fail(NRE_EPLUGIN, "%s is %s %s, not %s %s", path, own[0] == 'a' ? "an" : "a",
                own, kind == NRE_ARCHITECTURE ? "an" : "a", kind_word(kind));
}

typedef enum outcome { FOUND, ABSENT, OTHER_KIND, REFUSED } outcome;

/* With OTHER_KIND and REFUSED a sentence is recorded; *STATUS is set with REFUSED. */
static outcome try_file(plugins *p, const char *path, nre_kind kind, const char *name,
                        const plugin **out, int *status)
{
    const plugin *found;
    if (!file_exists(path))
        return ABSENT;
    *status = object_load(p, path, name, &found);
    if (*status)
        return REFUSED;
    if (found->table->kind != (uint32_t)kind) {
        wrong_kind(path, found, kind);
        return OTHER_KIND;
    }
    *out = found;
    return FOUND;
}

/* KIND/NAME.so, then NAME.so; only the second may be of another kind. */
static outcome try_folder(plugins *p, const struct folder *f, nre_kind kind,
                          const char *name, const plugin **out, int *status)
{
    char path[PATH_MAX + 2 * NAME_LENGTH];
    snprintf(path, sizeof path, "%s/%s/%s.so", f->path, kind_folder(kind), name);
    outcome o = try_file(p, path, kind, name, out, status);
    if (o == OTHER_KIND)
        *status = NRE_EPLUGIN;
    if (o != ABSENT)
        return o == OTHER_KIND ? REFUSED : o;
    snprintf(path, sizeof path, "%s/%s.so", f->path, name);
    return try_file(p, path, kind, name, out, status);
}

int plugin_load(plugins *p, nre_kind kind, const char *name, const plugin **out)
{
    char passed_over[2 * PATH_MAX] = "";
    int status = NRE_OK;
    if (!plugin_name_valid(name))
        return fail(
            NRE_EPLUGIN,
            "'%s' is no name of a plugin: 1 to 64 of a-z, 0-9 and _, a letter first",
            name);
    for (const struct folder *f = p->first; f; f = f->next) {
        outcome o = try_folder(p, f, kind, name, out, &status);
        if (o == FOUND || o == REFUSED)
            return status;
        if (o == OTHER_KIND) {
            snprintf(passed_over, sizeof passed_over, "%s", error_message());
            log_say(NRE_DEBUG, "passed over: %s", passed_over);
        }
    }
    return not_found(p, kind, name, *passed_over ? passed_over : NULL);
}

int plugin_load_file(plugins *p, const char *path, const plugin **out)
{
    char name[NAME_LENGTH + 1];
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    if (!name_of_file(file, name))
        return fail(
            NRE_EPLUGIN,
            "'%s' is not the name of a plugin's file: NAME.so, where NAME has 1 to 64 "
            "of a-z, 0-9 and _, a letter first",
            file);
    return object_load(p, path, name, out);
}

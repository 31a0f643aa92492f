/* vet.c - whose files may be loaded: owners and modes, before dlopen runs a constructor.
 */
#include "plugin/plugin.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a path stands in the chain: the file, the folder that holds it, one further up.
 */
typedef enum place { THE_FILE, ITS_FOLDER, ABOVE } place;

int trust_of_process(trust *out)
{
    char path[PATH_MAX];
    struct stat file, folder;
    if (!realpath("/proc/self/exe", path) || stat(path, &file))
        return fail(NRE_EPLUGIN, "cannot find the running executable: %s",
                    strerror(errno));
    *strrchr(path, '/') = 0;
    if (stat(*path ? path : "/", &folder))
        return fail(NRE_EPLUGIN, "%s: %s", path, strerror(errno));
    *out = (trust){.user = geteuid(),
                   .owner = file.st_uid,
                   .group_writes = (folder.st_mode & S_IWGRP) != 0,
                   .group = folder.st_gid};
    return NRE_OK;
}

static bool owner_trusted(const trust *t, uid_t owner)
{
    return owner == 0 || owner == t->user || owner == t->owner;
}

/* Links never come here: the path is resolved. */
static int mode_vet(const trust *t, const char *path, const struct stat *s, place where)
{
    unsigned mode = (unsigned)s->st_mode & 07777u;
    if (where == ABOVE && (mode & S_ISVTX))
        return NRE_OK;
    if (mode & S_IWOTH)
        return fail(NRE_EPLUGIN,
                    "%s is writable by others (mode %04o), so anyone could plant code "
                    "there; cure: chmod o-w %s",
                    path, mode, path);
    if ((mode & S_IWGRP) && !(t->group_writes && s->st_gid == t->group))
        return fail(NRE_EPLUGIN,
                    "%s is writable by its group (mode %04o), which the folder of the "
                    "executable is not; cure: chmod g-w %s",
                    path, mode, path);
    return NRE_OK;
}

static int place_vet(const trust *t, const char *path, place where)
{
    struct stat s;
    if (lstat(path, &s))
        return fail(NRE_EPLUGIN, "%s: %s", path, strerror(errno));
    if (where == THE_FILE ? !S_ISREG(s.st_mode) : !S_ISDIR(s.st_mode))
        return fail(NRE_EPLUGIN, "%s is not a %s", path,
                    where == THE_FILE ? "regular file" : "folder");
    if (!owner_trusted(t, s.st_uid))
        return fail(NRE_EPLUGIN,
                    "%s belongs to user %u, who is neither root, nor you, nor the owner "
                    "of the executable",
                    path, (unsigned)s.st_uid);
    return mode_vet(t, path, &s, where);
}

/* PATH and all above it, from the bottom up. */
static int chain_vet(const trust *t, const char *path, place where)
{
    char here[PATH_MAX];
    if (path[0] != '/' || strlen(path) >= sizeof here)
        return fail(NRE_EPLUGIN, "'%s' is not an absolute path", path);
    snprintf(here, sizeof here, "%s", path);
    int status = place_vet(t, here, where);
    while (!status && strcmp(here, "/") != 0) {
        char *slash = strrchr(here, '/');
        slash[slash == here] = 0;
        where = where == THE_FILE ? ITS_FOLDER : ABOVE;
        status = place_vet(t, here, where);
    }
    return status;
}

int file_vet(const trust *t, const char *path)
{
    return chain_vet(t, path, THE_FILE);
}

int folder_vet(const trust *t, const char *path)
{
    return chain_vet(t, path, ITS_FOLDER);
}

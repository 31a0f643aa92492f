/* A folder of a test's own, and what lies in it. */
#ifndef NEREID_TESTS_BASE_SCRATCH_H
#define NEREID_TESTS_BASE_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct scratch {
    char folder[256];
    char path[512]; /* the last one asked for */
} scratch;

static inline scratch scratch_new(void)
{
    scratch s = {0};
    const char *parent = getenv("TMPDIR");

    snprintf(s.folder, sizeof s.folder, "%s/nereid-XXXXXX", parent ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(s.folder));
    return s;
}

static inline const char *scratch_path(scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

static inline int scratch_entries(const scratch *s)
{
    int n = 0;
    DIR *list = opendir(s->folder);

    for (struct dirent *e; (e = readdir(list));)
        n += e->d_name[0] != '.';
    closedir(list);
    return n;
}

static inline int scratch_unlink(const char *path, const struct stat *about, int flag,
                                 struct FTW *where)
{
    (void)about, (void)flag, (void)where;
    return remove(path);
}

static inline void scratch_free(scratch *s)
{
    nftw(s->folder, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

/* What the tests of configs share. */
#ifndef TEST_CONFIG_SUPPORT_H
#define TEST_CONFIG_SUPPORT_H

#include "config/config.h"

/* The plugins of this folder.  One for all tests of a process. */
plugins *test_plugins(void);
/* Load TEXT as the file "test.yaml" with N_SET assignments. */
int load_text(arena *a, const char *text, size_t n_set, const char *const *set,
              experiment **out);
/* The same, which must succeed, behind "schema: nereid/1" and a simulator. */
experiment *load_right(arena *a, const char *text);
/* The same, which must fail; the report. */
const char *load_wrong(arena *a, const char *text);
/* A new folder below $TMPDIR or /tmp; removed with all that is in it. */
char *folder_new(arena *a);
void folder_remove(const char *path);
char *file_text(arena *a, const char *path);

#endif

/* support.h - what several tests of this folder need. */
#ifndef NEREID_TESTS_PLUGIN_SUPPORT_H
#define NEREID_TESTS_PLUGIN_SUPPORT_H

#include "plugin/plugin.h"

#include <criterion/criterion.h>

/* A new empty folder, private to the user, removed with all in it by temporary_end(). */
const char *temporary_begin(void);
void temporary_end(void);
/* "FOLDER/NAME" in memory of its own that lives until the process ends. */
const char *path_in(const char *folder, const char *name);
/* A copy of the test plugin NAME (a file of tests/plugins) with MODE at PATH. */
void plugin_copy(const char *name, const char *path, unsigned mode);
/* True when the last message holds WORDS; prints the message when it does not. */
bool message_has(const char *words);
/* A function in a child: its exit status (negative signal number when killed), and the
 * first bytes that it wrote to stderr. */
int run_child(void (*call)(void), char *errors, size_t size);

#endif

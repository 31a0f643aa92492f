/* A session of a small config, for tests of what works on one. */
#ifndef NEREID_TESTS_RUN_SUPPORT_H
#define NEREID_TESTS_RUN_SUPPORT_H

#include "run/run.h"
#include "scratch.h"

typedef struct trial {
    scratch s;
    session *session;
    run run; /* in a folder that is only named */
} trial;

/* Status of opening the config of support.c with --set SETTINGS (ended by NULL); on
 * success T is to be closed. */
int trial_try(trial *t, const char *const *settings);
void trial_open(trial *t, const char *const *settings);
void trial_close(trial *t);
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif

/* host.h - what the parts of gd1_stream ask of a core, for tests. */
#ifndef TEST_GD1_HOST_H
#define TEST_GD1_HOST_H

#include <nereid/plugin.h>

#include <stdbool.h>

const nre_host *test_host(void);        /* two threads */
bool test_host_said(const char *words); /* in its last failure */

#endif

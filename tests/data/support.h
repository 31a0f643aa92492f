/* support.h - simulators made of plain functions, and folders, for the tests of data. */
#ifndef NEREID_TESTS_DATA_SUPPORT_H
#define NEREID_TESTS_DATA_SUPPORT_H

#include "data/data.h"

#include <criterion/criterion.h>

/* A folder of this process, removed at its end. */
const char *temporary_folder(void);
/* "FOLDER/NAME", one of 32 buffers. */
const char *path_of(const char *format, ...) NRE_PRINTF(1, 2);
/* True when the last message holds WORDS; prints the message when it does not. */
bool message_has(const char *words);

/* Two parameters, a ~ uniform(0, 1) and b ~ normal(0, 2); x = curve[4], count[1]:
 * curve[j] = a + j b + normal, count = uniform.  What it does wrong is asked for here. */
typedef enum fault {
    FAULT_NONE,
    FAULT_CHANCE,      /* invalid with P(valid) = logistic(3 - 4 a + b) */
    FAULT_ALWAYS,      /* every row invalid */
    FAULT_NAN,         /* a NaN in curve[2] where a > 0.99 */
    FAULT_UNWRITTEN,   /* count is not written where a > 0.99 */
    FAULT_PAST,        /* writes the row after the last */
    FAULT_STATUS_PAST, /* writes the status after the last */
    FAULT_STATUS,      /* a status that does not exist */
    FAULT_STATE,       /* fails where a > 0.99 */
    FAULT_CROWD,       /* fails with more than one row */
    FAULT_MARKS        /* rows marked truncated and redrawn in turn, by their noise */
} fault;
extern fault mock_fault;
extern int mock_calls, mock_workers, mock_prepared; /* workers: begun less ended */

/* An instance of it; NOISE: simulate() is clean, perturb() adds normals of deviation 0.1.
 */
const instance *mock_instance(bool noise);
simulator *mock_open(bool noise);
/* Standard score of HITS of N where each has probability P. */
double z_of_share(uint64_t hits, uint64_t n, double p);

#endif

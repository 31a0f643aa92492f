/* learning.h - what bench/learning.c needs besides the core. */
#ifndef NEREID_BENCH_LEARNING_H
#define NEREID_BENCH_LEARNING_H

/* log p(x) of the simulator slcp (its default variant), x [8]. */
double slcp_log_evidence(const float *x);

#endif

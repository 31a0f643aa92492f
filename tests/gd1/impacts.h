/* impacts.h - the fixed impacts of the original code, and the points of the stream it used. */
#ifndef TEST_GD1_IMPACTS_H
#define TEST_GD1_IMPACTS_H

#include "data/data.h"
#include "gd1.h"

enum {
    CONFIGURATIONS = 15,
    SINGLE = 9,
    GOLDEN_ANGLES = 99,
    GOLDEN_TIMES = 64,
    GOLDEN_POINTS = 240
};

/* Of one age; arrays by time of impact, n 0 where the original had none. */
typedef struct golden {
    double age; /* Gyr */
    smooth smooth;
    points points[GOLDEN_TIMES];
    double *columns[GOLDEN_TIMES]; /* [9][240] */
    npy impacts;                   /* [n][9]: configuration, k, angle, M, r_s, b, w */
    npy kicks;                     /* [SINGLE][240] dW */
    npy density;                   /* [CONFIGURATIONS][GOLDEN_ANGLES][2]: rho, mean W */
} golden;

void golden_open(golden *g, const char *age);
void golden_close(golden *g);
double golden_length(const golden *g, size_t time);
/* The cubic of the track through the golden points around parallel angle A. */
void golden_track(const golden *g, size_t time, double a, double out[6]);
/* The impacts of a configuration; returns their number. */
size_t golden_impacts(const golden *g, size_t configuration, impact out[GOLDEN_TIMES]);
/* Kicks of impacts by their times; returns the number of times. */
size_t golden_kicks(const golden *g, size_t n, const impact *impacts,
                    kick out[GOLDEN_TIMES], double value[GOLDEN_TIMES][GOLDEN_POINTS]);

#endif

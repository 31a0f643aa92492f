/* gd1.h - the parts of the GD-1 model and what they hand to each other.
 *
 * Natural units unless a name or comment says otherwise: length 8 kpc, velocity 220 km/s,
 * G = 1.  Actions, frequencies and angles come in the order r, phi, z.  Two forms of a
 * point in phase space, both double[6]:
 *   rectangular  X, Y, Z, VX, VY, VZ     Galactocentric, left-handed, the Sun at X = +8 kpc
 *   cylindrical  R, vR, vT, z, vz, phi
 * "Parallel" angles and frequencies are the components along the stream's direction, counted
 * from the progenitor into the trailing arm.  Times run backward: t before today.
 */
#ifndef GD1_H
#define GD1_H

#include <nereid/plugin.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GD1_PI 3.14159265358979323846
#define GD1_GYR (1 / 0.0355560807712) /* a Gyr in units of time */
#define GD1_KPC (1 / 8.0)             /* a kpc in units of length */
#define GD1_KM_S (1 / 220.0)          /* a km/s in units of velocity */
#define GD1_MSUN (1 / 9.000464900e10) /* a solar mass in units of mass */

/* coordinates.c */

void cylindrical_of(const double rectangular[6], double cylindrical[6]);
void rectangular_of(const double cylindrical[6], double rectangular[6]);
/* From Galactic longitude, latitude [deg], distance [kpc], proper motions along l (times cos b)
 * and b [mas/yr] and line-of-sight velocity [km/s]. */
void rectangular_of_sky(const double sky[6], double rectangular[6]);
/* Longitude along the stream [deg], in (-180, 180], of a position X, Y, Z (Koposov et al. 2010). */
double phi1_of(const double position[3]);
/* The progenitor today, GD-1 of Webb & Bovy (2019). */
extern const double PROGENITOR_SKY[6];

/* potential.c: MWPotential2014 of Bovy (2015) */

void acceleration_at(const double position[3], double out[3]);
/* Along an orbit from START (rectangular), N steps of STEP (either sign) by the fourth-order
 * method of Runge and Kutta: out [n + 1][6], START first. */
void orbit_of(const double start[6], double step, size_t n, double *out);

/* action_angle.c: Bovy (2014), by an auxiliary isochrone potential */

typedef struct action_angle {
    double action[3], frequency[3], angle[3]; /* angles in [0, 2 pi) */
} action_angle;

/* Work space of one thread for the functions below; NULL if out of memory. */
typedef struct orbit_space orbit_space;
orbit_space *orbit_space_new(void);
void orbit_space_free(orbit_space *space);

void action_angle_of(const double cylindrical[6], orbit_space *space, action_angle *out);
/* d(Omega, theta) / d(R, vR, vT, z, vz, phi) by forward differences, and, where HESSIAN is not
 * NULL, dOmega/dJ. */
void action_angle_slopes(const double cylindrical[6], orbit_space *space,
                         action_angle *at, double jacobian[6][6], double hessian[3][3]);
/* An angle difference in (-pi, pi]. */
double angle_wrapped(double difference);

/* progenitor.c */

typedef struct progenitor {
    double today[6]; /* rectangular */
    action_angle of;
    /* dOmega/dJ; not quite symmetric: a property of the estimator */
    double hessian[3][3];
    double apocentre, pericentre, height; /* largest and smallest r, largest |z| */
    double mean_radius;                   /* of r along its orbit */
    double direction[3]; /* e, a unit vector of frequencies: the trailing arm */
    double speed;        /* e . Omega, negative */
    /* sigma times age, the same for all ages since sigma_v falls as 1/age */
    double spread_age;
} progenitor;

/* VELOCITY_DISPERSION: sigma_v times age, in km/s Gyr (0.96 in Bovy, Erkal & Sanders 2017). */
void progenitor_measure(double velocity_dispersion, orbit_space *space, progenitor *out);

/* smooth.c: the stream without impacts, closed forms (Bovy 2014, section 3) */

typedef struct smooth {
    double age;    /* since the first star was stripped */
    double sigma;  /* of the parallel frequency offset */
    double offset; /* its mean w0: OFFSETS times sigma, 6 in the original */
    double reach;  /* four sigma above the mean: where tracks end */
} smooth;

smooth smooth_of(double spread_age, double offsets, double age);
/* At a time t before today of which LEFT = age - t is left; rho is the probability of a <= W left,
 * mean frequency offset of the stars at parallel angle A. */
double smooth_density(const smooth *s, double left, double a);
double smooth_mean_frequency(const smooth *s, double left, double a);
/* Where the density falls to 0.2 of that at a = 0.1. */
double smooth_end(const smooth *s, double left);

/* track.c: the mean track in configuration space */

enum { TODAY_CHUNKS = 101, FINE_PER_CHUNK = 30 };

/* Mean track at one time before today.  Owns its arrays: track_release. */
typedef struct track {
    double time;   /* before today */
    double length; /* largest parallel angle: the reach times (age - time) */
    size_t n_chunks, n;
    double *chunk_angle;    /* [n_chunks] */
    double *chunk;          /* [n_chunks][6] rectangular */
    double *chunk_jacobian; /* [n_chunks][6][6] d(Omega, theta) / d(cylindrical) */
    double *second;         /* [6][n_chunks] second derivatives of the splines */
    double *fine;           /* [n][6] rectangular, equidistant in [0, length] */
} track;

/* Chunks that the original takes at a time of impact: 6 to 8. */
size_t track_chunks(const smooth *s, double time);
/* n is FINE_PER_CHUNK n_chunks, n_chunks at least 4.  NRE_EINVAL (fewer), NRE_ENOMEM or NRE_ENUMERIC
 * without a message. */
int track_build(const progenitor *p, const smooth *s, double time, size_t n_chunks,
                orbit_space *space, track *out);
void track_release(track *t);
/* Not-a-knot cubic spline through the chunks, at parallel angle A. */
void track_at(const track *t, double a, double rectangular[6]);
/* G with dW = G . dv at a point of the track (rectangular): how a velocity kick changes the parallel
 * frequency. */
void track_gain(const track *t, const progenitor *p, const double rectangular[6],
                double out[3]);
/* Today's track (time 0) at parallel angle A: position [R, z, phi] = base + mean frequency * slope
 * for stars of a given mean frequency there. */
void track_today(const track *t, const progenitor *p, const smooth *s, double a,
                 double base[3], double slope[3]);
/* Second derivatives of the not-a-knot cubic spline through y [n] at x [n], n >= 4; and its value. */
int spline_fit(size_t n, const double *x, const double *y, double *second);
double spline_at(size_t n, const double *x, const double *y, const double *second,
                 double at);
/* Arc length of the track (positions) from 0 to the angles at[n], rising: the distance along the
 * fine track of the original.  Impacts are uniform in it. */
void track_arc(const track *t, size_t n, const double *at, double *out);

/* subhaloes.c: Lovell et al. (2014); Erkal et al. (2016) */

/* Mass [Msun] where the transfer function of warm dark matter is one half, m_wdm in keV. */
double half_mode_mass(double m_wdm);
/* dn/dM of warm over cold dark matter, mass in Msun, m_wdm in keV. */
double warm_suppression(double mass, double m_wdm);
/* Expected encounters per Gyr of age: rate = g(m_wdm) * age.  RADIUS: scale radius [kpc] at 1e8 Msun
 * in the largest impact parameter: 1.62 in the original, 1.05 is that of the haloes it draws. */
double encounters_per_gyr(double m_wdm, double spread_age, double offsets,
                          double mean_radius, double radius);
/* Of them those with subhaloes of 10^DECADE to 10^(DECADE + 1) Msun; it is the sum over 5 to 8. */
double decade_encounters_per_gyr(int decade, double m_wdm, double spread_age,
                                 double offsets, double mean_radius, double radius);

typedef struct impact {
    size_t time;                    /* index k - 1 of the time of impact */
    double angle;                   /* parallel, where the subhalo passes */
    double mass, radius, parameter; /* M, r_s, b (its sign matters) */
    double velocity[3];             /* rectangular, Galactocentric */
} impact;

/* M [Msun] from M^-1.4 f(M; m_wdm) on [1e5, 1e9] Msun. */
double draw_mass(double m_wdm, nre_rng *rng);
/* Mass, radius, impact parameter and velocity of one impact where the stream moves with V. */
void draw_subhalo(double m_wdm, const double v[3], nre_rng *rng, impact *out);
double poisson_draw(double mean, nre_rng *rng); /* a whole number */

/* kicks.c: impulse approximation on a curved stream, Hernquist spheres (Sanders, Bovy & Erkal 2016) */

/* Points of a stream, equidistant in parallel angle: structure of arrays [3][n], each row padded so
 * that row k begins at k * STRIDE. */
typedef struct points {
    size_t n, stride;
    const double *position, *velocity, *gain;
} points;

/* Adds the velocity kick of one impact to DV [3][stride], POINT (rectangular) being the track at
 * the angle of impact. */
void kick_add(const points *s, const impact *i, const double point[6], double *dv);
/* dW [n] = G . dv. */
void kick_frequencies(const points *s, const double *dv, double *out);

/* density.c: Bovy, Erkal & Sanders (2017), section 2 */

/* Frequency kicks dW at one time: n >= 2 knots equidistant in [0, length], linear between, 0 outside. */
typedef struct kick {
    double time, length; /* time > 0 before today, rising from kick to kick */
    size_t n;
    const double *value; /* [n] */
} kick;

/* Work space of one thread; grows as needed.  Zeroed before its first use. */
typedef struct density_space {
    void *memory;
    size_t size;
} density_space;
void density_space_release(density_space *space);

/* Density and mean parallel frequency (NaN where the density is 0) today at N parallel angles.  EXACT:
 * as the equations have it; else as the original code does, which forgets a slope in its lower terms
 * c_i, takes the end of the integral by a rule of thumb, and wrong pieces of a kick where the stream
 * is folded.  Neighbours are best handed over together.  Without a message: NRE_ENOMEM, and
 * NRE_ENUMERIC when a kick is no number. */
typedef int density_function(const smooth *s, size_t n_kicks, const kick *kicks,
                             bool exact, size_t n, const double *angle, double *density,
                             double *mean_frequency, density_space *space);
density_function density_at;

/* table.c: what is costly, made once for all ages */

enum {
    NODES = 4,    /* ages of the table */
    TIMES = 64,   /* of impact */
    POINTS = 240, /* of a track, equidistant in [0, length] */
    MOST_CHUNKS = 32,
    MOST_POINTS = FINE_PER_CHUNK * MOST_CHUNKS, /* knots of a kick */
    ANGLES = 99,    /* parallel angles of today's density: 0.01, 0.02 ... 0.99 */
    ARC_NODES = 33, /* equidistant in the share of the arc length */
    COLUMNS = 9     /* of a point: X, Y, Z, VX, VY, VZ and the gain G */
};

/* What the table depends on. */
typedef struct table_plan {
    double ages[2];             /* Gyr: the table covers them and all between */
    double velocity_dispersion; /* sigma_v times age, km/s Gyr */
    double offsets;             /* w0 / sigma */
    uint32_t whole_age;         /* impacts at k / 65 of the age, else at k / 64 Gyr */
    uint32_t chunks; /* of a track at a time of impact; 0: as many as the original's */
} table_plan;

typedef struct age_table {
    double age;                   /* Gyr */
    double share[TIMES];          /* probability that an impact falls on a time */
    double arc[TIMES][ARC_NODES]; /* parallel angles, equidistant along the stream */
    double base[ANGLES][3], slope[ANGLES][3]; /* track_today */
} age_table;

/* One time of impact with one number of chunks, at all ages: a track through another number of
 * chunks differs by more than the step between two ages. */
typedef struct track_table {
    double point[NODES][COLUMNS][POINTS];
} track_table;

typedef struct stream_table {
    progenitor progenitor;
    age_table node[NODES]; /* at Chebyshev nodes in 1 / age */
    uint32_t least[TIMES]; /* chunks of the track at a time, at the least of the ages */
    uint32_t first[TIMES]; /* its place in TRACK; one more chunk is one place on */
    uint32_t n_tracks;
    track_table track[];
} stream_table;

const char *table_plan_wrong(const table_plan *p); /* NULL when it makes sense */
uint64_t table_key(const table_plan *p);
size_t table_bytes(const table_plan *p, const progenitor *of);
/* Takes minutes, on the core's threads.  [main] */
int table_build(const table_plan *p, const progenitor *of, const nre_host *host,
                stream_table *out);
/* Chunks of the track at time k of a stream of AGE [Gyr], at most MOST_CHUNKS, and that track. */
uint32_t table_chunks(const table_plan *p, const progenitor *of, double age, size_t k);
const track_table *table_track(const stream_table *t, size_t k, uint32_t chunks);
/* Time of impact k before today, at an age in Gyr; natural. */
double table_time(const table_plan *p, double age, size_t k);
/* Lagrange weights of the nodes at an age in Gyr. */
void table_weights(const stream_table *t, double age, double weight[NODES]);

/* stream.c: one simulation */

typedef struct model {
    table_plan plan;
    const stream_table *table;
    double radius; /* kpc at 1e8 Msun, of the largest impact parameter in the rate */
    bool exact;    /* lower terms of the density, see density_at */
} model;

typedef struct stream_space stream_space; /* of one thread */
stream_space *stream_space_new(void);
void stream_space_free(stream_space *space);

/* A stream at one age; valid until the next call with the same space. */
typedef struct stream {
    double density[ANGLES];   /* at the parallel angles */
    double frequency[ANGLES]; /* mean, parallel */
    double phi1[ANGLES];      /* deg */
    double observed[ANGLES];  /* density in phi1, up to a factor */
    size_t n_impacts;
} stream;

/* With given impacts.  NRE_ENUMERIC without a message: phi1 is not monotonic, or no number; the
 * original then draws again. */
int stream_of(const model *m, double age, size_t n, const impact *impacts,
              stream_space *space, stream *out);
/* With impacts drawn for M_WDM [keV] and AGE [Gyr]; a list of at most MOST_IMPACTS, of which
 * there are out->n_impacts, at *IMPACTS where that is not NULL.  Errors as above, and NRE_EINVAL:
 * more impacts than that, or half as many expected. */
enum { MOST_IMPACTS = 2048 };
int stream_draw(const model *m, double m_wdm, double age, nre_rng *rng,
                stream_space *space, stream *out, const impact **impacts);

/* observation.c */

enum { BINS = 62, FIRST_BIN = 6 };
/* Phi1 [deg] of the common bins: the smooth stream of age 4.5 Gyr. */
extern const double BIN_PHI1[BINS];
/* x / mean(x); CONTRAST: then less its line fitted by least squares against BIN_PHI1, plus 1. */
void normalise(const double *observed, bool contrast, float out[BINS]);
/* The measured density along the stream and its errors, by the common bins and detrended by a
 * line. [main] */
int measured_density(const nre_host *host, const char *path, double density[BINS],
                     double error[BINS]);

/* inside the folder: numbers two by two, as the vector registers of every processor hold them */

typedef double pair __attribute__((vector_size(16)));
typedef uint64_t pair_bits __attribute__((vector_size(16)));

static inline pair pair_root(pair x)
{
    return (pair){sqrt(x[0]), sqrt(x[1])};
}

/* potential.c: an orbit to both sides of START at times -n STEP to n STEP: out [6][2 n + 1]. */
void orbit_around(const double start[6], double step, size_t n, double *out);
/* Moves a point (rectangular) along its orbit by a time of either sign. */
void orbit_move(double point[6], double time);

/* action_angle.c: A x = b; false where A is singular or no number. */
bool solve_six(double a[6][6], const double b[6], double x[6]);

#endif

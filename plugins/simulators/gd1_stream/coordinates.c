/* coordinates.c - from the sky to Galactocentric coordinates, and back along the stream. */
#include "gd1.h"

#include <math.h>

static const double SUN_DISTANCE =
    8 * GD1_KPC; /* from the Galactic centre, in the plane */
static const double SUN_HEIGHT = 0.0208 * GD1_KPC;
/* [km/s]; x points away from the Galactic centre */
static const double SUN_VELOCITY[3] = {-11.1, 244, 7.25};
static const double KM_S_PER_KPC_MAS_YR = 4.74047;

/* From the Galactic axes to those on which the Galactic centre lies exactly (the International
 * Astronomical Union's axes miss it by a few 1e-6). */
static const double ALIGNMENT[3][3] = {
    {0.99999999999854305, 9.3019055640e-07, -1.4313060047e-06},
    {-9.3019265871e-07, 0.99999999999848865, -1.4688033993e-06},
    {1.4313046385e-06, 1.4688047306e-06, 0.99999999999789702}};

/* From Galactic axes to those of the stream: Koposov, Rix & Hogg (2010, ApJ 712, 260), appendix,
 * after Galactic to equatorial (J2000). */
static const double STREAM_AXES[3][3] = {
    {-0.23862241102436, 0.48462242903351, 0.84154646114320},
    {0.66269990904806, 0.71470394160305, -0.22366740143102},
    {-0.70985081211670, 0.50432070862689, -0.49170361739056}};

/* Webb & Bovy (2019, MNRAS 485, 5929): l, b [deg], distance [kpc], proper motions [mas/yr],
 * line-of-sight velocity [km/s]. */
const double PROGENITOR_SKY[6] = {188.04928416766532, 51.848594007807456,
                                  7.559027173643999,  12.260258757214746,
                                  -5.140630283489461, 7.162732847549563};

static void turn(const double matrix[3][3], const double in[3], double out[3])
{
    for (size_t i = 0; i < 3; i++)
        out[i] = matrix[i][0] * in[0] + matrix[i][1] * in[1] + matrix[i][2] * in[2];
}

static void turn_back(const double matrix[3][3], const double in[3], double out[3])
{
    for (size_t i = 0; i < 3; i++)
        out[i] = matrix[0][i] * in[0] + matrix[1][i] * in[1] + matrix[2][i] * in[2];
}

/* Tips the axes by the Sun's height above the plane and mirrors x: its own inverse. */
static void tip(const double in[3], double out[3])
{
    double distance = hypot(SUN_DISTANCE, SUN_HEIGHT);
    double c = SUN_DISTANCE / distance, s = SUN_HEIGHT / distance;
    out[0] = -c * in[0] - s * in[2];
    out[1] = in[1];
    out[2] = -s * in[0] + c * in[2];
}

void cylindrical_of(const double rectangular[6], double cylindrical[6])
{
    const double *x = rectangular, *v = rectangular + 3;
    double radius = hypot(x[0], x[1]), c = x[0] / radius, s = x[1] / radius;
    cylindrical[0] = radius;
    cylindrical[1] = v[0] * c + v[1] * s;
    cylindrical[2] = -v[0] * s + v[1] * c;
    cylindrical[3] = x[2];
    cylindrical[4] = v[2];
    cylindrical[5] = atan2(x[1], x[0]);
}

void rectangular_of(const double cylindrical[6], double rectangular[6])
{
    double c = cos(cylindrical[5]), s = sin(cylindrical[5]);
    rectangular[0] = cylindrical[0] * c;
    rectangular[1] = cylindrical[0] * s;
    rectangular[2] = cylindrical[3];
    rectangular[3] = cylindrical[1] * c - cylindrical[2] * s;
    rectangular[4] = cylindrical[1] * s + cylindrical[2] * c;
    rectangular[5] = cylindrical[4];
}

void rectangular_of_sky(const double sky[6], double rectangular[6])
{
    double l = sky[0] * GD1_PI / 180, b = sky[1] * GD1_PI / 180;
    double radial[3] = {cos(b) * cos(l), cos(b) * sin(l), sin(b)};
    double along_l[3] = {-sin(l), cos(l), 0};
    double along_b[3] = {-sin(b) * cos(l), -sin(b) * sin(l), cos(b)};
    double x[3], v[3], aligned[3], centred[3];
    double per_mas = KM_S_PER_KPC_MAS_YR * sky[2];
    for (size_t i = 0; i < 3; i++) {
        x[i] = sky[2] * GD1_KPC * radial[i];
        v[i] = sky[5] * radial[i] + per_mas * (sky[3] * along_l[i] + sky[4] * along_b[i]);
    }
    turn(ALIGNMENT, x, aligned);
    aligned[0] -= hypot(SUN_DISTANCE, SUN_HEIGHT);
    tip(aligned, centred);
    for (size_t i = 0; i < 3; i++)
        rectangular[i] = centred[i];
    turn(ALIGNMENT, v, aligned);
    tip(aligned, centred);
    for (size_t i = 0; i < 3; i++)
        rectangular[3 + i] = (centred[i] + SUN_VELOCITY[i]) * GD1_KM_S;
}

double phi1_of(const double position[3])
{
    double aligned[3], galactic[3], along[3];
    tip(position, aligned);
    aligned[0] += hypot(SUN_DISTANCE, SUN_HEIGHT);
    turn_back(ALIGNMENT, aligned, galactic);
    turn(STREAM_AXES, galactic, along);
    return atan2(along[1], along[0]) * 180 / GD1_PI;
}

/* subhaloes.c - how many subhaloes the stream meets, and which: cold ones and encounters after Erkal
 * et al. (2016, MNRAS 463, 102), warm dark matter after Lovell et al. (2014, MNRAS 439, 300). */
#include "gd1.h"

#include <nereid/gsl.h>

#include <gsl/gsl_randist.h>
#include <math.h>

/* Erkal et al. (2016), section 2: dn/dM of cold dark matter, NUMBER (M / PIVOT)^-SLOPE
 * [1 / (kpc^3 Msun)], where the Einasto profile has fallen to 1. */
static const double NUMBER = 2.02e-13, PIVOT = 2.52e7, SLOPE = 1.9;
/* The mean of exp(-(2 / 0.678) [(r / 199 kpc)^0.678 - 1]) over a ball of 20 kpc. */
static const double PROFILE = 11.5627682636371;
static const double DISPERSION = 120 * GD1_KM_S; /* of subhaloes, one component */
/* Hernquist spheres: the radius at a mass [Msun], growing with its square root. */
static const double SCALE_RADIUS = 1.05 * GD1_KPC, SCALE_MASS = 1e8;
static const double LARGEST_PARAMETER = 5; /* in scale radii */
enum { FIRST_DECADE = 5, DECADES = 4 };    /* of M [Msun] */

/* Lovell et al. (2014), eq. 7, with the half-mode mass of a thermal relic: the transfer function of
 * Bode, Ostriker & Turok (2001) with nu = 1.12 falls to a half at the wavelength LAMBDA. */
double half_mode_mass(double m_wdm)
{
    const double nu = 1.12, matter = 0.3089 * 1.27e11; /* Msun / Mpc^3 */
    double alpha = 0.048 / 0.6774 * pow(m_wdm, -1.11); /* Mpc */
    double lambda = 2 * GD1_PI * alpha / pow(exp2(nu / 5) - 1, 1 / (2 * nu));
    return 4 * GD1_PI / 3 * matter * pow(lambda / 2, 3);
}

static double suppression(double mass, double half_mode)
{
    return pow(1 + 2.7 * half_mode / mass, -0.99);
}

double warm_suppression(double mass, double m_wdm)
{
    return suppression(mass, half_mode_mass(m_wdm));
}

/* Subhaloes in a volume of 8 kpc cubed with masses in [10^d, 10^(d + 1)] Msun, by the rule of Gauss
 * and Legendre with 8 nodes in ln M: good to 1e-10. */
static double number_density(int decade, double half_mode)
{
    static const double node[] = {0.1834346424956498, 0.5255324099163290,
                                  0.7966664774136267, 0.9602898564975363};
    static const double weight[] = {0.3626837833783620, 0.3137066458778873,
                                    0.2223810344533745, 0.1012285362903763};
    double sum = 0;
    for (int i = 0; i < 8; i++) {
        double mass = pow(10, decade + (1 + (i < 4 ? -1 : 1) * node[i % 4]) / 2);
        sum += weight[i % 4] * mass * NUMBER * pow(mass / PIVOT, -SLOPE) *
               suppression(mass, half_mode);
    }
    return 512 * PROFILE * sum * log(10) / 2;
}

/* Erkal et al. (2016), eq. 8, over the life of a stream that grows at the rate w0, per Gyr of age;
 * the largest impact parameter is that of the middle of the decade. */
double decade_encounters_per_gyr(int decade, double m_wdm, double spread_age,
                                 double offsets, double mean_radius, double radius)
{
    double parameter =
        LARGEST_PARAMETER * radius * GD1_KPC * sqrt(pow(10, decade + 0.5) / SCALE_MASS);
    double growth = offsets * spread_age * GD1_GYR; /* w0 times age squared, per Gyr */
    return sqrt(GD1_PI / 2) * mean_radius * DISPERSION * growth * parameter *
           number_density(decade, half_mode_mass(m_wdm));
}

double encounters_per_gyr(double m_wdm, double spread_age, double offsets,
                          double mean_radius, double radius)
{
    double sum = 0;
    for (int d = FIRST_DECADE; d < FIRST_DECADE + DECADES; d++)
        sum +=
            decade_encounters_per_gyr(d, m_wdm, spread_age, offsets, mean_radius, radius);
    return sum;
}

/* dn/dM times the radius, whose square root of M makes heavy ones easier to meet.  Drawn from the
 * power law by inversion, and kept with the probability f(M) / f(largest M). */
double draw_mass(double m_wdm, nre_rng *rng)
{
    static const double power = 0.5 - 1.9 + 1;
    const double low = pow(1e5, power), high = pow(1e9, power);
    double half_mode = half_mode_mass(m_wdm), most = suppression(1e9, half_mode), mass;
    do
        mass = pow(low + (high - low) * rng->uniform(rng), 1 / power);
    while (rng->uniform(rng) * most > suppression(mass, half_mode));
    return mass;
}

/* Unit vectors that are orthogonal to the unit vector ALONG and to each other. */
static void across(const double along[3], double first[3], double second[3])
{
    size_t least = 0;
    for (size_t i = 1; i < 3; i++)
        if (fabs(along[i]) < fabs(along[least]))
            least = i;
    double norm = sqrt(1 - along[least] * along[least]);
    for (size_t i = 0; i < 3; i++)
        first[i] = ((i == least) - along[least] * along[i]) / norm;
    for (size_t i = 0; i < 3; i++)
        second[i] = along[(i + 1) % 3] * first[(i + 2) % 3] -
                    along[(i + 2) % 3] * first[(i + 1) % 3];
}

/* Velocities of encounters with a cylinder around the stream (Erkal et al. 2016, section 3): normal
 * along it, and around it; towards its axis flux-weighted, of Rayleigh's law; from any side. */
static void draw_velocity(const double v[3], nre_rng *rng, double out[3])
{
    double speed = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    double y[3] = {v[0] / speed, v[1] / speed, v[2] / speed}, x[3], z[3];
    across(y, x, z);
    double along = DISPERSION * rng->normal(rng), around = DISPERSION * rng->normal(rng);
    double inwards = -DISPERSION * sqrt(-2 * log(rng->uniform(rng)));
    double side = 2 * GD1_PI * rng->uniform(rng), c = cos(side), s = sin(side);
    for (size_t i = 0; i < 3; i++)
        out[i] = along * y[i] + (inwards * c - around * s) * x[i] +
                 (inwards * s + around * c) * z[i];
}

void draw_subhalo(double m_wdm, const double v[3], nre_rng *rng, impact *out)
{
    double mass = draw_mass(m_wdm, rng);
    out->mass = mass * GD1_MSUN;
    out->radius = SCALE_RADIUS * sqrt(mass / SCALE_MASS);
    out->parameter = LARGEST_PARAMETER * out->radius * (2 * rng->uniform(rng) - 1);
    draw_velocity(v, rng, out->velocity);
}

double poisson_draw(double mean, nre_rng *rng)
{
    gsl_rng g = NRE_GSL(&rng);
    return gsl_ran_poisson(&g, mean);
}

/* smooth.c - the stream without impacts: density and mean frequency in closed form.
 *
 * Stars leave the progenitor at a uniform rate for AGE with parallel frequency offsets W from
 * N(w0, sigma^2), so that at parallel angle a there are those with W > a / age (Bovy 2014, ApJ
 * 795, 95, section 3). */
#include "gd1.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_erf.h>
#include <math.h>

smooth smooth_of(double spread_age, double offsets, double age)
{
    double sigma = spread_age / age;
    return (smooth){.age = age,
                    .sigma = sigma,
                    .offset = offsets * sigma,
                    .reach = (offsets + 4) * sigma};
}

/* The least frequency offset that reaches A in time, in sigmas above the mean. */
static double threshold(const smooth *s, double left, double a)
{
    return (a / left - s->offset) / s->sigma;
}

double smooth_density(const smooth *s, double left, double a)
{
    return 0.5 * erfc(threshold(s, left, a) / sqrt(2));
}

/* The mean of a normal law cut off below; the hazard function has no 0/0 far in its tail. */
double smooth_mean_frequency(const smooth *s, double left, double a)
{
    return s->offset + s->sigma * gsl_sf_hazard(threshold(s, left, a));
}

double smooth_end(const smooth *s, double left)
{
    double density = 0.2 * smooth_density(s, left, 0.1);
    return left * (s->offset + s->sigma * gsl_cdf_ugaussian_Qinv(density));
}

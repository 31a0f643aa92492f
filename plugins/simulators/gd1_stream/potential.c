/* potential.c - accelerations and orbits in MWPotential2014 (Bovy 2015, ApJS 216, 29): a bulge, a
 * Miyamoto-Nagai disc and a halo of Navarro, Frenk & White, 5, 60 and 35 % of the circular
 * velocity squared at the Sun's radius. */
#include "gd1.h"

#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <string.h>

static const double BULGE_AMPLITUDE =
    0.029994597188218296; /* density r^-1.8 exp(-(r/rc)^2) */
static const double BULGE_CUT = 1.9 * GD1_KPC;
static const double DISC_MASS = 0.7574802019371595;
static const double DISC_LENGTH = 3 * GD1_KPC, DISC_HEIGHT = 0.28 * GD1_KPC;
static const double HALO_AMPLITUDE = 4.852230533527998, HALO_RADIUS = 16 * GD1_KPC;

/* M(r) = 2 pi A rc^1.2 gamma(0.6, (r/rc)^2), beyond 6 rc the whole mass to 1e-17. */
static double bulge_mass(double r2)
{
    const double scale = 0.26530601953924726; /* rc^1.2 Gamma(0.6) */
    double whole = 2 * GD1_PI * BULGE_AMPLITUDE * scale;
    double x = r2 / (BULGE_CUT * BULGE_CUT);
    return x > 40 ? whole : whole * gsl_sf_gamma_inc_P(0.6, x);
}

static double halo_mass(double r)
{
    double x = r / HALO_RADIUS;
    return HALO_AMPLITUDE * (log1p(x) - x / (1 + x));
}

/* Disc: Phi = -M / sqrt(R^2 + (a + sqrt(z^2 + b^2))^2). */
void acceleration_at(const double position[3], double out[3])
{
    double x = position[0], y = position[1], z = position[2];
    double plane2 = x * x + y * y, r2 = plane2 + z * z, r = sqrt(r2);
    double round = (bulge_mass(r2) + halo_mass(r)) / (r2 * r);
    double height = sqrt(z * z + DISC_HEIGHT * DISC_HEIGHT), sum = DISC_LENGTH + height;
    double flat2 = plane2 + sum * sum, disc = DISC_MASS / (flat2 * sqrt(flat2));
    out[0] = -(round + disc) * x;
    out[1] = -(round + disc) * y;
    out[2] = -(round + disc * sum / height) * z;
}

/* d/dt of (X, V) at START + STEP SLOPE. */
static void slope_at(const double start[6], double step, const double slope[6],
                     double out[6])
{
    double at[3];
    for (size_t i = 0; i < 3; i++)
        at[i] = start[i] + step * slope[i], out[i] = start[3 + i] + step * slope[3 + i];
    acceleration_at(at, out + 3);
}

void orbit_of(const double start[6], double step, size_t n, double *out)
{
    static const double STILL[6];
    memcpy(out, start, 6 * sizeof *out);
    for (size_t k = 0; k < n; k++, out += 6) {
        double a[6], b[6], c[6], d[6];
        slope_at(out, 0, STILL, a);
        slope_at(out, step / 2, a, b);
        slope_at(out, step / 2, b, c);
        slope_at(out, step, c, d);
        for (size_t i = 0; i < 6; i++)
            out[6 + i] = out[i] + step / 6 * (a[i] + 2 * (b[i] + c[i]) + d[i]);
    }
}

/* potential.c - accelerations and orbits in MWPotential2014 (Bovy 2015, ApJS 216, 29): a bulge, a
 * Miyamoto-Nagai disc and a halo of Navarro, Frenk & White, 5, 60 and 35 % of the circular
 * velocity squared at the Sun's radius. */
#include "gd1.h"

#include <gsl/gsl_sf_gamma.h>

static const double BULGE_AMPLITUDE =
    0.029994597188218296; /* density r^-1.8 exp(-(r/rc)^2) */
static const double BULGE_CUT = 1.9 * GD1_KPC;
static const double DISC_MASS = 0.7574802019371595;
static const double DISC_LENGTH = 3 * GD1_KPC, DISC_HEIGHT = 0.28 * GD1_KPC;
static const double HALO_AMPLITUDE = 4.852230533527998, HALO_RADIUS = 16 * GD1_KPC;

/* M(r) = 2 pi A rc^1.2 gamma(0.6, (r/rc)^2), beyond 6.3 rc the whole mass to 1e-17. */
static double bulge_mass(double r2)
{
    const double scale = 0.26530601953924726; /* rc^1.2 Gamma(0.6) */
    double whole = 2 * GD1_PI * BULGE_AMPLITUDE * scale;
    double x = r2 / (BULGE_CUT * BULGE_CUT);
    return x > 40 ? whole : whole * gsl_sf_gamma_inc_P(0.6, x);
}

/* ln x, x >= 1, to a bit or two: x = 2^e m with sqrt(1/2) <= m < sqrt(2), and
 * ln m = 2 artanh((m - 1) / (m + 1)), interpolated at Chebyshev nodes. */
static inline pair logarithm(pair x)
{
    const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
    const uint64_t two52 = UINT64_C(0x4330) << 48;
    pair_bits bits = (pair_bits)x, exponent = (bits - root_half) >> 52;
    pair m = (pair)(bits - (exponent << 52)), e = (pair)(exponent | two52) - 0x1p52;
    pair s = (m - 1) / (m + 1), u = s * s;
    pair p = 0.13268773138656886 + u * 0.13086626147840102;
    p = p * u + 0.15386239702814658;
    p = p * u + 0.18181795640132906;
    p = p * u + 0.22222222391713917;
    p = p * u + 0.28571428570803614;
    p = p * u + 0.4000000000000088;
    p = p * u + 0.6666666666666666;
    return e * 0.6931471805599453 + (2 * s + s * u * p);
}

/* Acceleration: the disc, Phi = -M / sqrt(R^2 + (a + sqrt(z^2 + b^2))^2), and what pulls towards
 * the centre with M(r) / r^2. */
static inline void pull(const pair x[3], pair out[3])
{
    pair plane2 = x[0] * x[0] + x[1] * x[1], z2 = x[2] * x[2], r2 = plane2 + z2;
    pair r = pair_root(r2), outer = 1 + r / HALO_RADIUS;
    pair bulge = {bulge_mass(r2[0]), bulge_mass(r2[1])};
    pair halo = HALO_AMPLITUDE * (logarithm(outer) - 1 + 1 / outer);
    pair centre = (bulge + halo) / (r2 * r);
    pair height = pair_root(z2 + DISC_HEIGHT * DISC_HEIGHT), sum = DISC_LENGTH + height;
    pair flat2 = plane2 + sum * sum, disc = DISC_MASS / (flat2 * pair_root(flat2));
    out[0] = -(centre + disc) * x[0];
    out[1] = -(centre + disc) * x[1];
    out[2] = -(centre + disc * sum / height) * x[2];
}

/* d/dt of (X, V) at AT + STEP SLOPE. */
static inline void slope_at(const pair at[6], pair step, const pair slope[6], pair out[6])
{
    pair x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = at[i] + step * slope[i];
        out[i] = at[3 + i] + step * slope[3 + i];
    }
    pull(x, out + 3);
}

/* A step of the fourth-order method of Runge and Kutta. */
static inline void advance(pair at[6], pair step)
{
    const pair still[6] = {{0}};
    pair a[6], b[6], c[6], d[6];
    slope_at(at, step, still, a);
    slope_at(at, step / 2, a, b);
    slope_at(at, step / 2, b, c);
    slope_at(at, step, c, d);
    for (int i = 0; i < 6; i++)
        at[i] += step / 6 * (a[i] + 2 * (b[i] + c[i]) + d[i]);
}

void acceleration_at(const double position[3], double out[3])
{
    pair x[3], pulled[3];
    for (int i = 0; i < 3; i++)
        x[i] = (pair){position[i], position[i]};
    pull(x, pulled);
    for (int i = 0; i < 3; i++)
        out[i] = pulled[i][0];
}

void orbit_of(const double start[6], double step, size_t n, double *out)
{
    pair at[6];
    for (int i = 0; i < 6; i++)
        at[i] = (pair){start[i], start[i]}, out[i] = start[i];
    for (size_t k = 1; k <= n; k++) {
        advance(at, (pair){step, step});
        for (size_t i = 0; i < 6; i++)
            out[6 * k + i] = at[i][0];
    }
}

void orbit_around(const double start[6], double step, size_t n, double *out)
{
    size_t row = 2 * n + 1;
    pair at[6];
    for (size_t i = 0; i < 6; i++)
        at[i] = (pair){start[i], start[i]}, out[i * row + n] = start[i];
    for (size_t k = 1; k <= n; k++) {
        advance(at, (pair){step, -step});
        for (size_t i = 0; i < 6; i++)
            out[i * row + n + k] = at[i][0], out[i * row + n - k] = at[i][1];
    }
}

/* Steps for 4e-10 in GD-1's position after a Gyr; a time that is no number makes a point that is
 * none. */
void orbit_move(double point[6], double time)
{
    const double longest = 0.01, most = 1e6;
    size_t n = (size_t)fmin(fmax(1, ceil(fabs(time) / longest)), most);
    double step = time / (double)n;
    pair at[6];
    for (size_t i = 0; i < 6; i++)
        at[i] = (pair){point[i], point[i]};
    for (size_t k = 0; k < n; k++)
        advance(at, (pair){step, step});
    for (size_t i = 0; i < 6; i++)
        point[i] = at[i][0];
}

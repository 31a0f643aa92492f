/* action_angle.c - actions, frequencies and angles of an orbit, estimated through those of an
 * auxiliary isochrone potential (Bovy 2014, ApJ 795, 95, section 2).
 *
 * Along the orbit the isochrone angles are those of the true potential, linear in time, plus a
 * Fourier series in the angles.  Least squares separate the two: the line's value today is the
 * angle, its slope the frequency. */
#include "gd1.h"

#include <stdlib.h>
#include <string.h>

enum {
    HALF = 9999, /* samples on each side of today */
    SAMPLES = 2 * HALF + 1,
    SINES = 12,
    BASIS = SINES + 2, /* the sines, t, 1 */
    ROWS = BASIS + 3,  /* and the three angles */
    BLOCK = 64         /* samples at a time */
};

static const double SPAN = 100;        /* of time, on each side */
static const double DIFFERENCE = 1e-6; /* of a coordinate, for slopes */
static const double TURN = 2 * GD1_PI;

/* Phi = -A / (b + sqrt(b^2 + r^2)), A = (b + q)^2 q with q = sqrt(1 + b^2): circular velocity 1 at
 * r = 1. */
static const double SCALE = 0.45, STRENGTH = 2.6229527820121574;

struct orbit_space {
    double path[6][SAMPLES];      /* rectangular, at times -SPAN to SPAN */
    double angle[3][SAMPLES + 1]; /* isochrone, in [0, 2 pi]; the last stays zero */
    double line[3][SAMPLES + 1];  /* the same, unwrapped */
    double action[2][SAMPLES];    /* isochrone, r and z */
};

orbit_space *orbit_space_new(void)
{
    return calloc(1, sizeof(orbit_space));
}

void orbit_space_free(orbit_space *space)
{
    free(space);
}

double angle_wrapped(double difference)
{
    double turns = difference / TURN;
    return difference - TURN * ceil(turns - 0.5);
}

static double full_angle(double angle)
{
    double out = angle - TURN * floor(angle / TURN);
    return out < TURN ? out : 0;
}

/* Pairs: where MASK is all ones A, where it is zero B. */
static inline pair choose(pair_bits mask, pair a, pair b)
{
    return (pair)((mask & (pair_bits)a) | (~mask & (pair_bits)b));
}

static inline pair_bits below(pair a, pair b)
{
    return (pair_bits)(a < b);
}

static inline pair both(double x)
{
    return (pair){x, x};
}

static inline pair from(const double *x)
{
    pair out;
    memcpy(&out, x, sizeof out);
    return out;
}

static inline void into(double *x, pair value)
{
    memcpy(x, &value, sizeof value);
}

/* As atan2; the polynomial holds for |t| <= tan(pi / 8), through Chebyshev nodes. */
static inline pair arctan2(pair y, pair x)
{
    const pair_bits sign = (pair_bits)both(-0.0);
    pair width = (pair)((pair_bits)x & ~sign), height = (pair)((pair_bits)y & ~sign);
    pair_bits steep = below(width, height);
    pair low = choose(steep, width, height), high = choose(steep, height, width);
    pair_bits wide = below(0.41421356237309503 * high, low);
    pair t = choose(wide, low - high, low) / choose(wide, low + high, high), u = t * t;
    pair p = 0.03923165829558719 - u * 0.01917688711906226;
    p = p * u - 0.0508544973794026;
    p = p * u + 0.0585814891280221;
    p = p * u - 0.06664511447381948;
    p = p * u + 0.07692183190826087;
    p = p * u - 0.09090904578123903;
    p = p * u + 0.11111111015256361;
    p = p * u - 0.14285714284666542;
    p = p * u + 0.1999999999999552;
    p = p * u - 0.3333333333333333;
    pair angle = t + t * u * p + choose(wide, both(GD1_PI / 4), both(0));
    angle = choose(steep, GD1_PI / 2 - angle, angle);
    angle = choose(below(x, both(0)), GD1_PI - angle, angle);
    return (pair)((pair_bits)angle | ((pair_bits)y & sign));
}

/* Sine and cosine of an angle in [0, 2 pi]: of a quarter of its distance from pi, doubled twice. */
static inline void sine_cosine(pair angle, pair *sine, pair *cosine)
{
    pair h = (angle - GD1_PI) / 4, u = h * h;
    pair p = 1.5918129294866608e-10 * u - 2.5051131845003624e-08;
    p = p * u + 2.755731610255244e-06;
    p = p * u - 0.00019841269836758574;
    p = p * u + 0.008333333333330948;
    p = p * u - 0.16666666666666666;
    pair q = 2.08761462684032e-09 - 1.1382632425521717e-11 * u;
    q = q * u - 2.7557317271729793e-07;
    q = q * u + 2.480158729876569e-05;
    q = q * u - 0.0013888888888887398;
    q = q * u + 0.041666666666666664;
    pair s = h + h * u * p, c = 1 - u / 2 + u * u * q;
    pair s2 = 2 * s * c, c2 = 1 - 2 * s * s;
    *sine = -2 * s2 * c2;
    *cosine = 2 * s2 * s2 - 1;
}

/* Into [0, 2 pi], of a few turns at most; adding 1.5 2^52 rounds to a whole number. */
static inline pair full(pair angle)
{
    pair turns = (angle / TURN + 0x1.8p52) - 0x1.8p52, out = angle - turns * TURN;
    return out + choose(below(out, both(0)), both(TURN), both(0));
}

/* atan(slope tan(eta / 2)) in [0, pi], eta given by e cos(eta) and e sin(eta). */
static inline pair half_angle(pair slope, pair e, pair e_cos, pair e_sin)
{
    pair_bits right = below(both(0), e_cos);
    pair y = slope * choose(right, e_sin, e - e_cos);
    pair x = choose(right, e + e_cos, e_sin);
    pair out = arctan2(y, x);
    return out + choose(below(out, both(0)), both(GD1_PI), both(0));
}

/* Actions r, z and angles of the isochrone (Binney & Tremaine 2008, section 3.5.2), eta and the
 * angle from the node by sine and cosine, so that no precision is lost where an orbit turns. */
static inline void isochrone_of(const pair p[6], pair action[2], pair angle[3])
{
    const double b = SCALE, a = STRENGTH;
    pair r2 = p[0] * p[0] + p[1] * p[1] + p[2] * p[2];
    pair v2 = p[3] * p[3] + p[4] * p[4] + p[5] * p[5];
    pair rv = p[0] * p[3] + p[1] * p[4] + p[2] * p[5];
    pair lx = p[1] * p[5] - p[2] * p[4], ly = p[2] * p[3] - p[0] * p[5];
    pair lz = p[0] * p[4] - p[1] * p[3], l2 = lx * lx + ly * ly + lz * lz;
    pair l = pair_root(l2), s = pair_root(l2 + 4 * a * b);
    pair_bits retrograde = below(lz, both(0));
    pair x = pair_root(b * b + r2), binding = 2 * a / (b + x) - v2; /* -2 E */
    pair speed = pair_root(binding), k = a / binding - b;
    action[0] = a / speed - (l + s) / 2;
    action[1] = l - choose(retrograde, -lz, lz);

    pair e_cos = 1 - (x - b) / k, e_sin = rv / (k * speed);
    pair e = pair_root(e_cos * e_cos + e_sin * e_sin), c = 1 + 2 * b / k;
    pair eta = arctan2(e_sin, e_cos);
    eta += choose(below(eta, both(0)), both(TURN), both(0));
    pair radial = eta - k / (k + b) * e_sin;
    pair near = half_angle(pair_root((1 + e) / (1 - e)), e, e_cos, e_sin);
    pair far = half_angle(pair_root((c + e) / (c - e)), e, e_cos, e_sin);
    pair from_node = arctan2(p[2] * l, p[5] * r2 - p[2] * rv);
    pair vertical = from_node + (1 + l / s) / 2 * radial - near - far * l / s;
    angle[0] = full(radial);
    angle[1] = full(arctan2(lx, -ly) + choose(retrograde, -vertical, vertical));
    angle[2] = full(vertical);
}

/* Actions and angles of the whole path, two samples at a time; the last sample may come twice. */
static void isochrone_along(orbit_space *space)
{
    for (size_t k = 0; k < SAMPLES; k += 2) {
        size_t i = k + 2 <= SAMPLES ? k : SAMPLES - 2;
        pair point[6], action[2], angle[3];
        for (size_t j = 0; j < 6; j++)
            point[j] = from(space->path[j] + i);
        isochrone_of(point, action, angle);
        for (size_t j = 0; j < 2; j++)
            into(space->action[j] + i, action[j]);
        for (size_t j = 0; j < 3; j++)
            into(space->angle[j] + i, angle[j]);
    }
}

/* Mean of an isochrone action over its angle. */
static double mean_action(const double *action, const double *angle)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i + 1 < SAMPLES; i++) {
        double d = angle[i + 1] - angle[i];
        d = d < 0 ? d + TURN : d;
        sum += d * action[i], weight += d;
    }
    return sum / weight;
}

/* Adds a turn wherever the angle, rising, begins a new one. */
static void unwrap(const double *angle, double *line)
{
    double turns = 0;
    line[0] = angle[0];
    for (size_t i = 1; i < SAMPLES; i++) {
        turns += angle[i] - angle[i - 1] < -6 ? TURN : 0;
        line[i] = angle[i] + turns;
    }
}

/* sin(n_r theta_r + n_z theta_z) for (n_r, n_z) = (0, 1), (0, 2), (1, 0), (2, 0) and (1 or 2, +-1 or
 * +-2), by addition of angles. */
static inline void sines_of(pair radial, pair vertical, pair out[SINES])
{
    pair sr, cr, sz, cz;
    sine_cosine(radial, &sr, &cr);
    sine_cosine(vertical, &sz, &cz);
    pair sr2 = 2 * sr * cr, cr2 = 1 - 2 * sr * sr;
    pair sz2 = 2 * sz * cz, cz2 = 1 - 2 * sz * sz;
    out[0] = sz, out[1] = sz2, out[2] = sr, out[3] = sr2;
    out[4] = sr * cz - cr * sz, out[5] = sr * cz + cr * sz;
    out[6] = sr * cz2 - cr * sz2, out[7] = sr * cz2 + cr * sz2;
    out[8] = sr2 * cz - cr2 * sz, out[9] = sr2 * cz + cr2 * sz;
    out[10] = sr2 * cz2 - cr2 * sz2, out[11] = sr2 * cz2 + cr2 * sz2;
}

/* Samples FIRST and on as columns of the equations: sines, t / SPAN, 1, the three angles; zero
 * beyond the last sample. */
static void block_fill(const orbit_space *space, size_t first, pair row[ROWS][BLOCK / 2])
{
    memset(row, 0, ROWS * sizeof *row);
    for (size_t k = 0, i = first; k < BLOCK / 2 && i < SAMPLES; k++, i += 2) {
        pair column[ROWS], time = {(double)i - HALF, (double)i + 1 - HALF};
        pair present = {1, i + 1 < SAMPLES ? 1 : 0};
        sines_of(from(space->angle[0] + i), from(space->angle[2] + i), column);
        column[SINES] = time / HALF, column[SINES + 1] = both(1);
        for (size_t j = 0; j < 3; j++)
            column[BASIS + j] = from(space->line[j] + i);
        for (size_t j = 0; j < ROWS; j++)
            row[j][k] = present * column[j];
    }
}

static double dot(const pair a[BLOCK / 2], const pair b[BLOCK / 2])
{
    pair sum[4] = {{0}};
    for (size_t k = 0; k < BLOCK / 2; k += 4)
        for (size_t i = 0; i < 4; i++)
            sum[i] += a[k + i] * b[k + i];
    pair out = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return out[0] + out[1];
}

/* Upper triangle of the normal equations, and their three right-hand sides. */
static void normal_equations(const orbit_space *space, double normal[BASIS][ROWS])
{
    pair row[ROWS][BLOCK / 2];
    memset(normal, 0, BASIS * sizeof *normal);
    for (size_t first = 0; first < SAMPLES; first += BLOCK) {
        block_fill(space, first, row);
        for (size_t i = 0; i < BASIS; i++)
            for (size_t j = i; j < ROWS; j++)
                normal[i][j] += dot(row[i], row[j]);
    }
}

/* Gaussian elimination of a symmetric positive matrix, by its upper triangle.  The line comes last,
 * so that its two coefficients are the first of the back substitution and the only ones. */
static void line_solve(double normal[BASIS][ROWS], action_angle *out)
{
    const size_t t = SINES, one = SINES + 1;
    for (size_t k = 0; k < one; k++)
        for (size_t i = k + 1; i < BASIS; i++) {
            double factor = normal[k][i] / normal[k][k];
            for (size_t j = i; j < ROWS; j++)
                normal[i][j] -= factor * normal[k][j];
        }
    for (size_t j = 0; j < 3; j++) {
        out->angle[j] = normal[one][BASIS + j] / normal[one][one];
        double slope = normal[t][BASIS + j] - normal[t][one] * out->angle[j];
        out->frequency[j] = slope / normal[t][t] / SPAN;
    }
}

void action_angle_of(const double cylindrical[6], orbit_space *space, action_angle *out)
{
    double start[6], normal[BASIS][ROWS];
    rectangular_of(cylindrical, start);
    orbit_around(start, SPAN / HALF, HALF, space->path[0]);
    isochrone_along(space);
    out->action[0] = mean_action(space->action[0], space->angle[0]);
    out->action[1] = cylindrical[0] * cylindrical[2];
    out->action[2] = mean_action(space->action[1], space->angle[2]);
    bool retrograde = out->action[1] < 0;
    for (size_t i = 0; retrograde && i < SAMPLES; i++)
        space->angle[1][i] = TURN - space->angle[1][i];
    for (size_t j = 0; j < 3; j++)
        unwrap(space->angle[j], space->line[j]);
    normal_equations(space, normal);
    line_solve(normal, out);
    if (retrograde)
        out->frequency[1] *= -1, out->angle[1] *= -1;
    for (size_t j = 0; j < 3; j++)
        out->angle[j] = full_angle(out->angle[j]);
}

/* By Gaussian elimination with row exchanges. */
bool solve_six(double a[6][6], const double b[6], double x[6])
{
    double m[6][7];
    for (size_t i = 0; i < 6; i++)
        memcpy(m[i], a[i], sizeof a[i]), m[i][6] = b[i];
    for (size_t k = 0; k < 6; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < 6; i++)
            pivot = fabs(m[i][k]) > fabs(m[pivot][k]) ? i : pivot;
        if (!(fabs(m[pivot][k]) > 0))
            return false;
        for (size_t j = k; j < 7; j++) {
            double swap = m[k][j];
            m[k][j] = m[pivot][j], m[pivot][j] = swap;
        }
        for (size_t i = k + 1; i < 6; i++)
            for (size_t j = 7; j-- > k;)
                m[i][j] -= m[i][k] / m[k][k] * m[k][j];
    }
    for (size_t i = 6; i-- > 0;) {
        x[i] = m[i][6];
        for (size_t j = i + 1; j < 6; j++)
            x[i] -= m[i][j] * x[j];
        x[i] /= m[i][i];
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}

/* dOmega/dJ = [d(Omega, theta)/dx] [d(J, theta)/dx]^-1, rows and columns 0 to 2; row i solves
 * h [d(J, theta)/dx] = dOmega_i/dx. */
static void hessian_of(double frequency[6][6], double action[6][6], double hessian[3][3])
{
    double transposed[6][6];
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++)
            transposed[i][j] = action[j][i];
    for (size_t i = 0; i < 3; i++) {
        double h[6];
        bool solved = solve_six(transposed, frequency[i], h);
        for (size_t j = 0; j < 3; j++)
            hessian[i][j] = solved ? h[j] : NAN;
    }
}

void action_angle_slopes(const double cylindrical[6], orbit_space *space,
                         action_angle *at, double jacobian[6][6], double hessian[3][3])
{
    double action[6][6];
    action_angle_of(cylindrical, space, at);
    for (size_t j = 0; j < 6; j++) {
        double beside[6];
        action_angle there;
        memcpy(beside, cylindrical, sizeof beside);
        beside[j] += DIFFERENCE;
        double step = beside[j] - cylindrical[j];
        action_angle_of(beside, space, &there);
        for (size_t i = 0; i < 3; i++) {
            double turned = angle_wrapped(there.angle[i] - at->angle[i]) / step;
            jacobian[i][j] = (there.frequency[i] - at->frequency[i]) / step;
            action[i][j] = (there.action[i] - at->action[i]) / step;
            jacobian[3 + i][j] = action[3 + i][j] = turned;
        }
    }
    if (hessian)
        hessian_of(jacobian, action, hessian);
}

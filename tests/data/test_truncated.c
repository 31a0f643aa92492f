/* The truncated normal against 60-digit values (mpmath: erfc, root finding, quadrature).
 */
#include "support.h"

#include <math.h>

static const struct golden {
    double a, b, log_mass;
    double at[3];           /* quantiles of 0.001, 0.5, 0.999, less a */
    double mean, deviation; /* mean less a */
} GOLDEN[] = {
    {30,
     31,
     -454.32124395634325,
     {3.3313059934045108e-5, 0.023070467827308926, 0.22913043094958511},
     0.033259667433622166,
     0.033223056930921969},
    {40,
     INFINITY,
     -804.60844201375379,
     {2.499689694138139e-5, 0.017314126764651106, 0.17221588247907633},
     0.024968847207263723,
     0.024953323998846101},
    {6,
     6.001,
     -25.829692478603633,
     {9.9700880716658596e-7, 0.00049924993867232372, 0.00099899699667529261},
     0.00049949995865024275,
     0.00028867486993300759},
    {10,
     10 + 1e-7,
     -67.03703469024042,
     {9.9999949442269962e-11, 4.9999987196126541e-8, 9.9899999342910634e-8},
     4.9999991362793178e-8,
     2.8867513284039087e-8},
    {100,
     101,
     -5005.5242086942051,
     {1.0004002635201568e-5, 0.0069305387524294142, 0.06904681455681667},
     0.0099980009992607052,
     0.009997002048027371},
    {-1,
     2,
     -0.20016629432446258,
     {0.0033773284651596166, 1.1711639180178248, 2.9850630859441683},
     1.229637179091329,
     0.72094558684905579},
    {5.5,
     INFINITY,
     -17.779376352625261,
     {0.00017640853892489901, 0.12096329012545783, 1.1117545908030903},
     0.17141031389730562,
     0.16691847667183591},
};
static const double U[3] = {0.001, 0.5, 0.999};

/* X is known to a few units in the last place of a, so of a narrow interval less is
 * known. */
static void near(double found, double expected, double scale, const char *what, double a)
{
    cr_assert_leq(fabs(found - expected), 2e-9 * fabs(expected) + 1e-15 * scale,
                  "%s at %g: %.17g, not %.17g", what, a, found, expected);
}

Test(truncated, agrees_with_golden_values)
{
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        const struct golden *g = &GOLDEN[i];
        double mean, deviation;
        cr_assert_float_eq(truncated_log_mass(g->a, g->b), g->log_mass, 2e-9, "%g", g->a);
        for (int k = 0; k < 3; k++)
            near(truncated_quantile(g->a, g->b, U[k]) - g->a, g->at[k], fabs(g->a),
                 "quantile", g->a);
        truncated_moments(g->a, g->b, &mean, &deviation);
        near(mean - g->a, g->mean, fabs(g->a), "mean", g->a);
        near(deviation, g->deviation, 0, "deviation", g->a);
    }
}

Test(truncated, is_symmetric)
{
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        const struct golden *g = &GOLDEN[i];
        double mean, deviation, other_mean, other_deviation;
        cr_assert_float_eq(truncated_log_mass(-g->b, -g->a),
                           truncated_log_mass(g->a, g->b), 1e-12);
        for (int k = 0; k < 3; k++)
            near(-g->a - truncated_quantile(-g->b, -g->a, 1 - U[k]), g->at[k], fabs(g->a),
                 "mirrored quantile", g->a);
        truncated_moments(g->a, g->b, &mean, &deviation);
        truncated_moments(-g->b, -g->a, &other_mean, &other_deviation);
        cr_assert_float_eq(mean, -other_mean, 1e-15 * fabs(mean));
        cr_assert_float_eq(deviation, other_deviation, 1e-12 * deviation);
    }
}

/* Distances from the edge over decades: cdf(quantile(u)) = u. */
Test(truncated, cdf_inverts_quantile)
{
    for (double a = -8; a < 60; a += 0.37)
        for (double w = 0.01; w < 100; w *= 3)
            for (double u = 0.0005; u < 1; u += 0.0333) {
                double t = truncated_quantile(a, a + w, u);
                cr_assert(t >= a && t <= a + w);
                /* what one unit in the last place of t is worth: density times ulp */
                double worth =
                    exp(-0.5 * t * t - truncated_log_mass(a, a + w)) * fabs(t) * 1e-15;
                cr_assert_float_eq(truncated_cdf(a, a + w, t), u, 1e-10 + worth,
                                   "%g %g %g", a, w, u);
            }
}

/* Two samples whose best possible classifier is known. */
#include "../sanitized.h"
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* N independent normals, the first coordinate around SHIFT. */
static double *gaussian(size_t n, uint32_t dim, double shift, const char *purpose)
{
    double *out = memory_new(n * dim, sizeof *out);
    cr_assert(out);
    for (size_t i = 0; i < n; i++) {
        rng r;
        rng_start(&r, rng_purpose(11, "%s", purpose), i, 0);
        for (uint32_t k = 0; k < dim; k++)
            out[i * dim + k] = rng_normal(&r) + (k ? 0 : shift);
    }
    return out;
}

static double accuracy_at(double shift, size_t n, uint32_t dim, c2st_result *out)
{
    double *a = gaussian(n, dim, 0, "reference"), *b = gaussian(n, dim, shift, "sample");
    cr_assert_eq(c2st_of(n, dim, a, b, 1, NULL, out), 0, "%s", error_message());
    free(a);
    free(b);
    return out->accuracy;
}

/* N(0, 1) against N(shift, 1): nothing is right more often than Phi(shift / 2).  A trained network
 * is a little worse: its logit is off by noise of variance v, about the number of weights over
 * the number of rows, which costs v phi / (2 shift) near the border x = shift / 2 where the logit
 * has the slope SHIFT. */
Test(c2st, shifted_gaussians)
{
    enum { N = 4000 };
    static const double shifts[] = {0.5, 1, 2, 4};
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
        c2st_result c;
        double s = shifts[i], best = gsl_cdf_ugaussian_P(s / 2);
        double error = sqrt(best * (1 - best) / (2 * N));
        double accuracy = accuracy_at(s, N, 2, &c);
        double weights = 2 * 20 + 20 + 20 * 20 + 20 + 20 + 1, rows = 0.8 * 2 * N;
        double density = exp(-s * s / 8) / sqrt(2 * acos(-1.0));
        double lost = weights / rows * density / (2 * s);
        cr_log_info("shift %g: %.4f, at best %.4f +- %.4f - %.4f", s, accuracy, best,
                    error, lost);
        cr_assert(accuracy < best + 4.5 * error, "shift %g: %.4f > %.4f", s, accuracy,
                  best);
        cr_assert(accuracy > best - 4.5 * error - lost, "shift %g: %.4f < %.4f", s,
                  accuracy, best);
    }
}

/* Draws of one law: the accuracy spreads as it is said to, more than the binomial, and around no
 * more than 1/2, no less than what a classifier of one degree of freedom has. */
Test(c2st, one_law, .disabled = SANITIZED)
{
    enum { REPEATS = 80, N = 250 };
    double sum = 0, squares = 0;
    pool *p = NULL;
    cr_assert_eq(pool_new(2, &p), 0);
    for (int i = 0; i < REPEATS; i++) {
        c2st_result c;
        char name[2][16];
        snprintf(name[0], sizeof name[0], "a%d", i);
        snprintf(name[1], sizeof name[1], "b%d", i);
        double *a = gaussian(N, 1, 0, name[0]), *b = gaussian(N, 1, 0, name[1]);
        cr_assert_eq(c2st_of(N, 1, a, b, (uint64_t)i, p, &c), 0);
        double z = (c.accuracy - 0.5) / c.null_error;
        sum += z;
        squares += z * z;
        free(a);
        free(b);
    }
    pool_free(p);
    double mean = sum / REPEATS, error = 1 / sqrt(REPEATS);
    cr_assert(mean < 4.5 * error && mean > -0.624 - 4.5 * error, "mean of z: %g", mean);
    squares -= REPEATS * mean * mean;
    cr_assert(squares < gsl_cdf_chisq_Qinv(3.4e-6, REPEATS - 1), "%g", squares / REPEATS);
    cr_assert(squares > gsl_cdf_chisq_Pinv(3.4e-6, REPEATS - 1), "%g", squares / REPEATS);
}

/* Same marginals, opposite correlation: no column tells, both together do. */
Test(c2st, correlation_alone)
{
    enum { N = 2000 };
    c2st_result c;
    double *a = gaussian(N, 2, 0, "a"), *b = gaussian(N, 2, 0, "b");
    for (size_t i = 0; i < N; i++) {
        a[2 * i + 1] = 0.9 * a[2 * i] + sqrt(0.19) * a[2 * i + 1];
        b[2 * i + 1] = -0.9 * b[2 * i] + sqrt(0.19) * b[2 * i + 1];
    }
    cr_assert_eq(c2st_of(N, 2, a, b, 1, NULL, &c), 0);
    /* right when the sign of the product says so: 1/2 + arcsin(0.9) / pi */
    double best = 0.5 + asin(0.9) / acos(-1.0);
    double error = sqrt(best * (1 - best) / (2 * N));
    cr_assert(c.accuracy > best - 4.5 * error - 0.02 && c.accuracy < best + 4.5 * error,
              "%g is no %g", c.accuracy, best);
    free(a);
    free(b);
}

/* Units and origin of the columns are void; so are the threads. */
Test(c2st, scale_and_threads)
{
    enum { N = 800, DIM = 3 };
    c2st_result c, d;
    pool *p = NULL;
    double *a = gaussian(N, DIM, 0, "a"), *b = gaussian(N, DIM, 2, "b");
    cr_assert_eq(c2st_of(N, DIM, a, b, 5, NULL, &c), 0);
    cr_assert_eq(pool_new(3, &p), 0);
    cr_assert_eq(c2st_of(N, DIM, a, b, 5, p, &d), 0);
    pool_free(p);
    cr_assert_arr_eq(c.fold, d.fold, sizeof c.fold);
    cr_assert_arr_eq(c.epochs, d.epochs, sizeof c.epochs);
    cr_assert_eq(c.accuracy, d.accuracy);
    for (size_t i = 0; i < N * DIM; i++) {
        a[i] = 1024 * a[i];
        b[i] = 1024 * b[i];
    }
    cr_assert_eq(c2st_of(N, DIM, a, b, 5, NULL, &d), 0);
    cr_assert_eq(c.accuracy, d.accuracy);
    free(a);
    free(b);
}

Test(c2st, refusals)
{
    enum { N = 60 };
    c2st_result c;
    double *a = gaussian(N, 2, 0, "a"), *b = gaussian(N, 2, 0, "b");
    cr_assert_eq(c2st_of(10, 2, a, b, 1, NULL, &c), NRE_EINVAL);
    cr_assert(isnan(c.accuracy));
    b[7] = NAN;
    cr_assert_eq(c2st_of(N, 2, a, b, 1, NULL, &c), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "column 1 of draw 3"), "%s", error_message());
    for (size_t i = 0; i < N; i++)
        a[2 * i] = 3;
    cr_assert_eq(c2st_of(N, 2, a, b, 1, NULL, &c), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "does not vary"), "%s", error_message());
    free(a);
    free(b);
}

Test(c2st, as_json)
{
    c2st_result c = {
        .accuracy = 0.5, .fold = {0.4, 0.5, 0.5, 0.5, 0.6}, .null_error = 0.01, .n = 99};
    json_t *j = c2st_json(&c);
    cr_assert_float_eq(json_real_value(json_object_get(j, "accuracy")), 0.5, 0);
    cr_assert_eq(json_array_size(json_object_get(j, "folds")), C2ST_FOLDS);
    cr_assert_eq(json_integer_value(json_object_get(j, "n")), 99);
    json_decref(j);
}

/* P(valid | theta): recovered from attempts, independent of their order, 1 while nothing
 * failed. */
#include "support.h"

#include <math.h>
#include <stdlib.h>

static simulator *s;

static void begin(void)
{
    s = mock_open(false);
}

static void end(void)
{
    simulator_close(s);
}

TestSuite(validity, .init = begin, .fini = end);

static double truth(double a, double b)
{
    return 1 / (1 + exp(-(3 - 4 * a + b)));
}

static void attempts(size_t n, double *theta, uint8_t *valid)
{
    rng r;
    cr_assert_eq(
        prior_sample(simulator_prior(s), rng_purpose(3, "theta"), 0, 0, n, theta), 0);
    for (size_t i = 0; i < n; i++) {
        rng_start(&r, rng_purpose(3, "valid"), i, 0);
        valid[i] = rng_uniform(&r) < truth(theta[2 * i], theta[2 * i + 1]);
    }
}

static validity_model *fitted(size_t n, size_t k, const uint32_t *which, bool backwards)
{
    double *theta = malloc(2 * n * sizeof *theta);
    uint8_t *valid = malloc(n);
    validity *v = validity_new(simulator_prior(s));
    validity_model *m = NULL;
    attempts(n, theta, valid);
    if (!backwards)
        validity_add(v, n, theta, valid);
    for (size_t i = n; backwards && i-- > 0;)
        validity_add(v, 1, theta + 2 * i, valid + i);
    cr_assert_eq(validity_fit(v, k, which, &m), 0, "%s", error_message());
    validity_free(v);
    free(theta), free(valid);
    return m;
}

/* The truth is in the model: errors of log P shrink as 1 / sqrt(n); at 40,000 attempts
 * six coefficients leave about sqrt(6 / n) = 0.012 on the average. */
Test(validity, recovers_a_logistic_truth)
{
    validity_model *m = fitted(40000, 0, NULL, false);
    double square = 0, weight = 0;
    for (double a = 0.05; a < 1; a += 0.1)
        for (double b = -3; b <= 3; b += 0.5) {
            double log_p;
            validity_log(m, 1, (double[]){a, b}, &log_p, NULL);
            double w = exp(-b * b / 8);
            square += w * pow(log_p - log(truth(a, b)), 2), weight += w;
        }
    cr_assert_lt(sqrt(square / weight), 4.5 * sqrt(6.0 / 40000));
    validity_model_free(m);
}

Test(validity, more_attempts_than_are_kept)
{
    validity_model *few = fitted(40000, 0, NULL, false),
                   *many = fitted(300000, 0, NULL, false);
    for (double a = 0.1; a < 1; a += 0.2) {
        double log_few, log_many, z[2] = {a, 0};
        validity_log(few, 1, z, &log_few, NULL);
        validity_log(many, 1, z, &log_many, NULL);
        cr_assert_float_eq(log_many, log(truth(a, 0)), 0.06, "%g: %g", a, log_many);
    }
    validity_model_free(few), validity_model_free(many);
}

Test(validity, order_does_not_matter)
{
    validity_model *m = fitted(200000, 0, NULL, false),
                   *other = fitted(200000, 0, NULL, true);
    for (double a = 0; a <= 1; a += 0.25) {
        double p, q, z[2] = {a, 1 - a};
        validity_log(m, 1, z, &p, NULL);
        validity_log(other, 1, z, &q, NULL);
        cr_assert_eq(p, q, "the same bits");
    }
    validity_model_free(m), validity_model_free(other);
}

Test(validity, gradient)
{
    const uint32_t swapped[] = {1, 0};
    validity_model *m = fitted(20000, 2, swapped, false);
    for (double a = 0.1; a < 1; a += 0.2) {
        const double h = 1e-5, z[2] = {1.5 * a, a};
        double log_p, grad[2], above, below;
        validity_log(m, 1, z, &log_p, grad);
        for (int k = 0; k < 2; k++) {
            double up[2] = {z[0], z[1]}, down[2] = {z[0], z[1]};
            up[k] += h, down[k] -= h;
            validity_log(m, 1, up, &above, NULL);
            validity_log(m, 1, down, &below, NULL);
            cr_assert_float_eq(grad[k], (above - below) / (2 * h), 1e-8);
        }
    }
    validity_model_free(m);
}

/* Of a alone: P(valid | a) is the average over b, which a logistic curve in a nearly is.
 */
Test(validity, of_a_subset)
{
    const uint32_t which[] = {0};
    validity_model *m = fitted(60000, 1, which, false);
    for (double a = 0.05; a < 1; a += 0.15) {
        double sum = 0, norm = 0, log_p;
        for (double z = -6; z <= 6; z += 0.01)
            sum += exp(-0.5 * z * z) * truth(a, 2 * z), norm += exp(-0.5 * z * z);
        validity_log(m, 1, &a, &log_p, NULL);
        cr_assert_float_eq(exp(log_p), sum / norm, 0.02, "%g: %g, not %g", a, exp(log_p),
                           sum / norm);
    }
    validity_model_free(m);
}

/* A hard edge: coefficients stay finite, both sides are right. */
Test(validity, separable)
{
    validity *v = validity_new(simulator_prior(s));
    validity_model *m;
    double theta[4000];
    cr_assert_eq(
        prior_sample(simulator_prior(s), rng_purpose(3, "theta"), 0, 0, 2000, theta), 0);
    for (size_t i = 0; i < 2000; i++)
        validity_add(v, 1, theta + 2 * i, &(uint8_t){theta[2 * i] > 0.3});
    cr_assert_eq(validity_fit(v, 0, NULL, &m), 0, "%s", error_message());
    double log_p[2];
    validity_log(m, 2, (double[]){0.1, 0, 0.5, 0}, log_p, NULL);
    cr_assert_lt(log_p[0], log(0.01));
    cr_assert_gt(log_p[1], log(0.99));
    validity_model_free(m);
    validity_free(v);
}

Test(validity, nothing_invalid_is_exactly_one)
{
    validity *v = validity_new(simulator_prior(s));
    validity_model *m = (validity_model *)&s;
    double log_p = 1;
    validity_add(v, 1, (double[]){0.5, 0}, NULL);
    cr_assert_eq(validity_fit(v, 0, NULL, &m), 0);
    cr_assert_null(m);
    validity_log(m, 1, (double[]){0.5, 0}, &log_p, NULL);
    cr_assert_eq(log_p, 0);
    validity_model_free(m);
    validity_free(v);
}

/* in a file */

static void log_at(const validity *v, double *out)
{
    const double at[4][2] = {{0.1, 0}, {0.5, 1}, {0.9, -2}, {0.3, 3}};
    validity_model *m = NULL;
    cr_assert_eq(validity_fit(v, 0, NULL, &m), 0, "%s", error_message());
    validity_log(m, 4, &at[0][0], out, NULL);
    validity_model_free(m);
}

/* More valid attempts than are kept: their share comes back too. */
Test(validity, comes_back_from_a_file)
{
    enum { MANY = 90000 };
    double *theta = malloc(2 * MANY * sizeof *theta), one[4], two[4];
    uint8_t *valid = malloc(MANY);
    validity *v = validity_new(simulator_prior(s)), *w = validity_new(simulator_prior(s));
    attempts(MANY, theta, valid);
    validity_add(v, MANY, theta, valid);
    cr_assert_eq(validity_save(v, path_of("validity.h5")), 0, "%s", error_message());
    cr_assert_eq(validity_load(path_of("validity.h5"), w), 0, "%s", error_message());
    log_at(v, one);
    log_at(w, two);
    cr_assert_arr_eq(one, two, sizeof one);
    validity_free(v), validity_free(w);
    free(theta), free(valid);
}

Test(validity, without_invalid_attempts_a_file_is_small)
{
    double one[4];
    validity *v = validity_new(simulator_prior(s)), *w = validity_new(simulator_prior(s));
    for (int i = 0; i < 1000; i++)
        validity_add(v, 1, (double[]){i / 1000.0, 0}, NULL);
    cr_assert_eq(validity_save(v, path_of("none.h5")), 0, "%s", error_message());
    cr_assert_eq(validity_load(path_of("none.h5"), w), 0, "%s", error_message());
    log_at(w, one);
    cr_assert_eq(one[0], 0);
    char *text = NULL;
    size_t n = 0;
    cr_assert_eq(file_read(path_of("none.h5"), 8192, &text, &n), 0, "%s",
                 error_message());
    free(text);
    validity_free(v), validity_free(w);
}

Test(validity, of_other_parameters_is_refused)
{
    store *f;
    validity *v = validity_new(simulator_prior(s));
    cr_assert_eq(store_create(path_of("wide.h5"), &f), 0);
    cr_assert_eq(store_put_int(f, "valid_seen", 9), 0);
    cr_assert_eq(store_put_int(f, "invalid_seen", 9), 0);
    const double theta[3] = {0};
    cr_assert_eq(store_put(f, "valid", STORE_F64, 2, (uint64_t[]){1, 3}, theta), 0);
    cr_assert_eq(store_put(f, "invalid", STORE_F64, 2, (uint64_t[]){1, 3}, theta), 0);
    cr_assert_eq(store_commit(f), 0);
    cr_assert_eq(validity_load(path_of("wide.h5"), v), NRE_EDATA);
    cr_assert(message_has("valid does not hold attempts of 2 parameters"));
    cr_assert_eq(validity_load(path_of("nowhere.h5"), v), NRE_EDATA);
    validity_free(v);
}

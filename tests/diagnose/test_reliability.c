/* reliability.c: a classifier whose probabilities are right, one that is too sure, and one by hand. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* log r of two Gaussians DELTA deviations apart is Gaussian itself; SURE times it is what is said. */
static void say(classified *c, size_t n, size_t m, double delta, double sure,
                uint64_t seed)
{
    *c = (classified){.n = n,
                      .n_marginals = m,
                      .dim = 1,
                      .joint = memory_new(n, sizeof *c->joint),
                      .marginal = memory_new(n * m, sizeof *c->marginal)};
    cr_assert(c->joint && c->marginal);
    rng r;
    rng_start(&r, rng_purpose(seed, "pairs"), 0, 0);
    for (size_t i = 0; i < n; i++)
        c->joint[i] = sure * (delta * delta / 2 + delta * rng_normal(&r));
    for (size_t i = 0; i < n * m; i++)
        c->marginal[i] = sure * (-delta * delta / 2 + delta * rng_normal(&r));
}

Test(reliability, of_pairs_by_hand)
{
    /* two rows, two marginal pairs each; probabilities 0.8 and 0.5, 0.2, 0.2 and 0.5, 0.5, 0.8 */
    double logit = log(4);
    double joint[] = {logit, 0}, others[] = {0, -logit, -logit, logit};
    classified c = {
        .n = 2, .n_marginals = 2, .dim = 1, .joint = joint, .marginal = others};
    reliability r;
    cr_assert_eq(reliability_of(&c, &r), NRE_OK);
    double losses[] = {0.5 * log(1 / 0.8) + 0.25 * (log(2) + log(1 / 0.8)),
                       0.5 * log(2) + 0.25 * (log(1 / 0.8) + log(5))};
    cr_assert_float_eq(r.log_loss, (losses[0] + losses[1]) / 2, 1e-12);
    cr_assert_float_eq(r.log_loss_error, fabs(losses[0] - losses[1]) / 2, 1e-12);
    /* equal ones share a bin: 0.2 has weight 0.5 and no joint pair, 0.5 has 0.75 and 0.5 of them
     * joint, 0.8 has 0.75 and 0.5; each over two rows */
    double gap = (0.5 * 0.2 + (0.5 - 0.75 * 0.5) + fabs(0.5 - 0.75 * 0.8)) / 2;
    cr_assert_float_eq(r.calibration_error, gap, 1e-12, "%g, not %g", r.calibration_error,
                       gap);
    cr_assert(r.n == 2 && r.n_marginals == 2);
}

/* Where the probabilities are right, the error is as large as chance makes it. */
Test(reliability, of_right_probabilities_is_chance)
{
    enum { SETS = 30, N = 2000 };
    double sum = 0, squares = 0, chance = 0, losses = 0, errors = 0;
    for (uint64_t i = 0; i < SETS; i++) {
        classified c;
        reliability r;
        say(&c, N, 4, 1.5, 1, i);
        cr_assert_eq(reliability_of(&c, &r), NRE_OK);
        sum += r.calibration_error;
        squares += r.calibration_error * r.calibration_error;
        chance += r.by_chance / SETS;
        losses += r.log_loss / SETS;
        errors += r.log_loss_error / SETS;
        classified_release(&c);
    }
    double mean = sum / SETS, error = sqrt((squares / SETS - mean * mean) / (SETS - 1));
    cr_assert_lt(fabs(mean - chance), 4.5 * error, "%g ± %g, not %g", mean, error,
                 chance);
    /* the Bayes loss, by quadrature over log r */
    double bayes = 0, delta = 1.5, step = 1e-3;
    for (double l = -15; l < 15; l += step) {
        double z = (l - delta * delta / 2) / delta;
        bayes += step * exp(-z * z / 2) / (delta * sqrt(2 * M_PI)) * log1p(exp(-l));
    }
    /* of joint and of marginal pairs alike, by symmetry */
    cr_assert_lt(fabs(losses - bayes), 4.5 * errors / sqrt(SETS), "%g, not %g", losses,
                 bayes);
}

Test(reliability, shows_what_is_too_sure)
{
    classified right, sure;
    reliability a, b;
    double change, error;
    say(&right, 4000, 4, 1.5, 1, 3);
    say(&sure, 4000, 4, 1.5, 3, 3);
    cr_assert_eq(reliability_of(&right, &a), NRE_OK);
    cr_assert_eq(reliability_of(&sure, &b), NRE_OK);
    cr_assert_gt(b.calibration_error, a.calibration_error + 10 * b.calibration_deviation);
    cr_assert_eq(reliability_change(&sure, &right, &change, &error), NRE_OK);
    cr_assert_float_eq(change, a.log_loss - b.log_loss, 1e-12);
    cr_assert(change < -10 * error && error < b.log_loss_error);
    json_t *j = reliability_json(&b);
    cr_assert_eq(json_integer_value(json_object_get(j, "rows")), 4000);
    cr_assert_eq(json_real_value(json_object_get(j, "log_loss")), b.log_loss);
    json_decref(j);
    classified_release(&right);
    classified_release(&sure);
}

/* Posteriors of known moments, and the comparison of a sampler's draws with them. */
#include "targets.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_psi.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAME[LAW_MOST] = {"t0", "t1", "t2", "t3", "t4", "t5"};

static law blank(const char *name, uint32_t dim, uint32_t family, double a, double b)
{
    law l = {.name = name, .dim = dim, .n_x = 1};
    for (uint32_t k = 0; k < dim; k++) {
        l.prior[k] = (marginal){.name = NAME[k], .family = family, .a = a, .b = b};
        l.third[k] = NAN;
    }
    return l;
}

/* Takes the prior out of a log posterior and its gradient: what is left is the ratio's. */
static double less_prior(const law *l, const double *theta, double value,
                         double *gradient)
{
    for (uint32_t k = 0; k < l->dim; k++) {
        double slope;
        value -= marginal_log_density(&l->prior[k], theta[k], &slope);
        if (gradient)
            gradient[k] -= slope;
    }
    return value;
}

/* -(v, C^-1 v) / 2 of C = (1 - rho) I + rho 1 1^T; gradient by v. */
static double equicorrelated(uint32_t d, double rho, const double *v, double *gradient)
{
    double squares = 0, sum = 0, share = rho / (1 + (d - 1) * rho);
    for (uint32_t k = 0; k < d; k++) {
        squares += v[k] * v[k];
        sum += v[k];
    }
    for (uint32_t k = 0; gradient && k < d; k++)
        gradient[k] = -(v[k] - share * sum) / (1 - rho);
    return -0.5 * (squares - share * sum * sum) / (1 - rho);
}

/* the laws */

static const double SCALE[5] = {0.1, 0.3, 1, 2, 0.5}, RHO = 0.8;

static double gaussian_ratio(const law *l, const double *theta, const float *x,
                             double *gradient)
{
    double v[LAW_MOST] = {0};
    (void)x;
    for (uint32_t k = 0; k < l->dim; k++)
        v[k] = (theta[k] - l->mean[k]) / SCALE[k];
    double value = equicorrelated(l->dim, RHO, v, gradient);
    for (uint32_t k = 0; gradient && k < l->dim; k++)
        gradient[k] /= SCALE[k];
    return less_prior(l, theta, value, gradient);
}

law law_gaussian(void)
{
    static const double MEAN[5] = {1, -0.5, 2, 0, -1};
    law l = blank("gaussian", 5, NRE_NORMAL, 0, 3);
    l.log_ratio = gaussian_ratio;
    for (uint32_t k = 0; k < 5; k++) {
        l.mean[k] = MEAN[k];
        l.third[k] = 0;
        for (uint32_t j = 0; j < 5; j++)
            l.covariance[k][j] = (k == j ? 1 : RHO) * SCALE[k] * SCALE[j];
    }
    return l;
}

static double banana_ratio(const law *l, const double *theta, const float *x,
                           double *gradient)
{
    double a = theta[0], s = l->number[0], off = (theta[1] - a * a + 1) / s;
    (void)x;
    if (gradient) {
        gradient[0] = -a + off / s * 2 * a;
        gradient[1] = -off / s;
    }
    return less_prior(l, theta, -0.5 * (a * a + off * off), gradient);
}

law law_banana(void)
{
    law l = blank("banana", 2, NRE_NORMAL, 0, 4);
    double s = 0.5;
    l.log_ratio = banana_ratio;
    l.number[0] = s;
    l.covariance[0][0] = 1;
    l.covariance[1][1] = s * s + 2; /* of a^2: 2 */
    l.third[0] = 0;
    l.third[1] = 8; /* of a chi-squared variable */
    return l;
}

static const double SHARE = 0.7, ALONG[2] = {0.6, 0.8};

/* Modes at +a (of SHARE) and -a along ALONG. */
static double bimodal_ratio(const law *l, const double *theta, const float *x,
                            double *gradient)
{
    double a = l->number[0], along = theta[0] * ALONG[0] + theta[1] * ALONG[1];
    double odds = log(SHARE / (1 - SHARE)) + 2 * a * along;
    double high = 1 / (1 + exp(-odds)); /* the mode at +a holds this much here */
    double log_sum = odds > 0 ? odds + log1p(exp(-odds)) : log1p(exp(odds));
    (void)x;
    for (int k = 0; gradient && k < 2; k++)
        gradient[k] = -theta[k] + a * ALONG[k] * (2 * high - 1);
    double square = theta[0] * theta[0] + theta[1] * theta[1] + 2 * a * along + a * a;
    return less_prior(l, theta, -0.5 * square + log_sum, gradient);
}

law law_bimodal(double distance)
{
    law l = blank("bimodal", 2, NRE_NORMAL, 0, 4);
    double a = distance / 2, middle = 2 * SHARE - 1, spread = 1 - middle * middle;
    l.log_ratio = bimodal_ratio;
    l.number[0] = a;
    for (uint32_t k = 0; k < 2; k++) {
        l.mean[k] = middle * a * ALONG[k];
        /* of a sign that is +1 with probability SHARE: -2 middle (1 - middle^2) */
        l.third[k] = pow(a * ALONG[k], 3) * -2 * middle * spread;
        for (uint32_t j = 0; j < 2; j++)
            l.covariance[k][j] = (k == j) + spread * a * a * ALONG[k] * ALONG[j];
    }
    return l;
}

static const double CENTRE[3] = {1.3, 0.2, -1.2}, WIDTH[3] = {0.5, 0.3, 0.2};

static double truncated_ratio(const law *l, const double *theta, const float *x,
                              double *gradient)
{
    double sum = 0;
    (void)x;
    for (uint32_t k = 0; k < l->dim; k++) {
        double v = (theta[k] - CENTRE[k]) / WIDTH[k];
        sum -= 0.5 * v * v;
        if (gradient)
            gradient[k] = -v / WIDTH[k];
    }
    return sum;
}

law law_truncated(void)
{
    law l = blank("truncated", 3, NRE_UNIFORM, -1, 1);
    l.log_ratio = truncated_ratio;
    for (uint32_t k = 0; k < 3; k++) {
        double w = WIDTH[k], a = (-1 - CENTRE[k]) / w, b = (1 - CENTRE[k]) / w;
        double mass = gsl_cdf_ugaussian_P(b) - gsl_cdf_ugaussian_P(a);
        double pa = gsl_ran_ugaussian_pdf(a) / mass, pb = gsl_ran_ugaussian_pdf(b) / mass;
        double shift = pa - pb; /* mean of the standardised variable */
        l.mean[k] = CENTRE[k] + w * shift;
        l.covariance[k][k] = w * w * (1 + a * pa - b * pb - shift * shift);
    }
    return l;
}

static double skewed_ratio(const law *l, const double *theta, const float *x,
                           double *gradient)
{
    double e = exp(theta[0]), shape = l->number[0];
    (void)x;
    if (gradient)
        gradient[0] = shape - e;
    return less_prior(l, theta, shape * theta[0] - e, gradient);
}

law law_skewed(void)
{
    law l = blank("skewed", 1, NRE_NORMAL, 0, 5);
    double shape = 0.5;
    l.log_ratio = skewed_ratio;
    l.number[0] = shape;
    l.mean[0] = gsl_sf_psi(shape);
    l.covariance[0][0] = gsl_sf_psi_1(shape);
    l.third[0] = gsl_sf_psi_n(2, shape);
    return l;
}

static const double NOISE = 0.5, NOISE_RHO = 0.6;

static double conjugate_ratio(const law *l, const double *theta, const float *x,
                              double *gradient)
{
    double v[LAW_MOST] = {0};
    for (uint32_t k = 0; k < l->dim; k++)
        v[k] = (theta[k] - (double)x[k]) / NOISE;
    double value = equicorrelated(l->dim, NOISE_RHO, v, gradient);
    for (uint32_t k = 0; gradient && k < l->dim; k++)
        gradient[k] /= NOISE;
    return value;
}

law law_conjugate(void)
{
    law l = blank("conjugate", 3, NRE_NORMAL, 0, 1);
    l.n_x = 3;
    l.log_ratio = conjugate_ratio;
    for (uint32_t k = 0; k < 3; k++) {
        l.mean[k] = NAN;
        for (uint32_t j = 0; j < 3; j++)
            l.covariance[k][j] = NAN;
    }
    return l;
}

void conjugate_pair(rng *r, double *theta, float *x)
{
    double common = rng_normal(r);
    for (int k = 0; k < 3; k++) {
        theta[k] = rng_normal(r);
        x[k] = (float)(theta[k] + NOISE * (sqrt(NOISE_RHO) * common +
                                           sqrt(1 - NOISE_RHO) * rng_normal(r)));
    }
}

/* a law as a ratio */

typedef struct law_ratio {
    ratio ratio; /* first */
    const law *law;
} law_ratio;

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    (void)own;
    float *row = room_take(&o->row, n * r->n_x, sizeof *row);
    if (!row)
        return fail(NRE_ENOMEM, "no memory for %zu rows", n);
    memcpy(row, x, n * r->n_x * sizeof *x);
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const law *l = ((const law_ratio *)(const void *)r)->law;
    const float *x = o->row.at;
    (void)own;
    for (size_t i = 0; i < n * per_x; i++)
        log_ratio[i] =
            l->log_ratio(l, theta + i * l->dim, x + (first + i / per_x) * l->n_x,
                         gradient ? gradient + i * l->dim : NULL);
    return NRE_OK;
}

static void free_ratio(ratio *r)
{
    free(r);
}

static const ratio_kind LAW = {
    .observe = observe, .evaluate = evaluate, .free = free_ratio};

/* trials */

static const uint32_t WHICH[LAW_MOST] = {0, 1, 2, 3, 4, 5};

static void set_options(nre_values *v, const char *const *options)
{
    for (; options && *options; options++) {
        char name[64];
        const char *equals = strchr(*options, '='), *value = equals + 1;
        cr_assert(equals && equals - *options < 64);
        snprintf(name, sizeof name, "%.*s", (int)(equals - *options), *options);
        cr_assert_eq(values_set(v, name, false, 1, &value), NRE_OK, "%s",
                     error_message());
    }
}

void trial_open(trial *t, const law *l, const nre_plugin *sampler,
                const char *const *options)
{
    *t = (trial){
        .law = *l, .arena = arena_new(), .plugin = {.table = sampler, .path = "sampler"}};
    t->prior = (prior){.n = l->dim, .of = t->law.prior};
    t->target = (target){.name = "all", .n = l->dim, .which = WHICH, .prior = &t->prior};
    law_ratio *r = memory_new(1, sizeof *r);
    *r = (law_ratio){{&LAW, &t->target, l->n_x, .has_gradient = true}, &t->law};
    t->ratio = &r->ratio;
    t->posterior = (posterior){.ratio = t->ratio};
    for (uint32_t k = 0; k < l->dim; k++)
        cr_assert_eq(marginal_check(&l->prior[k]), NRE_OK, "%s", error_message());
    cr_assert_eq(ratio_worker_new(t->ratio, &t->worker), NRE_OK);
    cr_assert_eq(observed_new(t->ratio, &t->observed), NRE_OK);
    trial_observe(t, 1, (const float[LAW_MOST]){0});
    cr_assert_eq(values_new(&t->plugin, t->arena, &t->values), NRE_OK, "%s",
                 error_message());
    set_options(t->values, options);
    cr_assert_eq(instance_new(&t->plugin, t->values, &(host_services){0}, &t->instance),
                 NRE_OK, "%s", error_message());
}

void trial_observe(trial *t, size_t n, const float *x)
{
    cr_assert_eq(ratio_observe(t->ratio, t->worker, n, x, t->observed), NRE_OK);
}

void trial_close(trial *t)
{
    instance_free(t->instance);
    ratio_worker_free(t->worker);
    observed_free(t->observed);
    ratio_free(t->ratio);
    arena_free(t->arena);
}

int trial_sample_in(const trial *t, pool *threads, size_t row, const effort *e,
                    chains *out)
{
    const host_services services = {.workers = threads};
    chains_plan how = {.n_chains = e->n_chains,
                       .warmup = e->warmup,
                       .draws = e->draws,
                       .seed = e->seed,
                       .purpose = "chain/all/0",
                       .services = &services};
    return chains_of(t->instance, &t->posterior, t->observed, row, 1, &how, out);
}

int trial_sample(const trial *t, size_t row, const effort *e, chains *out)
{
    return trial_sample_in(t, NULL, row, e, out);
}

/* moments */

/* Distance of the mean of VALUE from RIGHT in standard errors. */
static double deviations(const chains *c, const double *value, double right, double *mean)
{
    size_t n = c->n_chains * c->n_draws;
    double sum = 0, squares = 0, error;
    for (size_t i = 0; i < n; i++)
        sum += value[i] * (c->weight ? c->weight[i] : 1 / (double)n);
    for (size_t i = 0; i < n; i++) {
        double w = c->weight ? c->weight[i] * c->weight[i] : 1 / (double)n;
        squares += w * (value[i] - sum) * (value[i] - sum);
    }
    error =
        sqrt(c->weight ? squares : squares / ess_mean_of(c->n_chains, c->n_draws, value));
    *mean = sum;
    return fabs(sum - right) / error;
}

static void note(const chains *c, const double *value, double right, const char *what,
                 uint32_t a, uint32_t b, verdict *v)
{
    double mean, z = deviations(c, value, right, &mean);
    if (z <= v->z)
        return;
    v->z = isnan(z) ? INFINITY : z;
    snprintf(v->worst, sizeof v->worst, "%s of %s and %s: %g, not %g: %.2f errors", what,
             NAME[a], NAME[b], mean, right, z);
}

verdict moments_of(const chains *c, const law *l)
{
    size_t n = c->n_chains * c->n_draws;
    double *value = memory_new(n, sizeof *value);
    verdict v = {0};
    for (uint32_t a = 0; a < l->dim; a++) {
        for (size_t i = 0; i < n; i++)
            value[i] = c->theta[i * l->dim + a];
        note(c, value, l->mean[a], "mean", a, a, &v);
        for (size_t i = 0; i < n; i++)
            value[i] = pow(c->theta[i * l->dim + a] - l->mean[a], 3);
        if (!isnan(l->third[a]))
            note(c, value, l->third[a], "third moment", a, a, &v);
        for (uint32_t b = 0; b <= a; b++) {
            for (size_t i = 0; i < n; i++)
                value[i] = (c->theta[i * l->dim + a] - l->mean[a]) *
                           (c->theta[i * l->dim + b] - l->mean[b]);
            note(c, value, l->covariance[a][b], "covariance", a, b, &v);
        }
    }
    free(value);
    return v;
}

void recovers(const nre_plugin *sampler, const char *const *options, const law *l,
              const effort *e)
{
    trial t;
    chains c;
    trial_open(&t, l, sampler, options);
    cr_assert_eq(trial_sample(&t, 0, e, &c), NRE_OK, "%s: %s", l->name, error_message());
    verdict v = moments_of(&c, l);
    cr_assert_lt(v.z, 4.5, "%s, %s: %s", sampler->name, l->name, v.worst);
    cr_assert_gt(c.effective, 400, "%s, %s: effective size %g", sampler->name, l->name,
                 c.effective);
    for (uint32_t k = 0; k < l->dim && !c.weight; k++)
        cr_assert_lt(c.r_hat[k], 1.02, "%s, %s: R-hat %g", sampler->name, l->name,
                     c.r_hat[k]);
    chains_release(&c);
    trial_close(&t);
}

void deciles_agree(const nre_plugin *sampler, const char *const *options, const effort *e)
{
    trial t;
    chains c;
    law l = law_skewed();
    trial_open(&t, &l, sampler, options);
    cr_assert_eq(trial_sample(&t, 0, e, &c), NRE_OK, "%s", error_message());
    size_t n = c.n_chains * c.n_draws;
    double *below = memory_new(n, sizeof *below);
    for (int i = 1; i < 10; i++) {
        double limit = log(gsl_cdf_gamma_Pinv(0.1 * i, l.number[0], 1)), mean;
        for (size_t k = 0; k < n; k++)
            below[k] = c.theta[k] < limit;
        double z = deviations(&c, below, 0.1 * i, &mean);
        cr_assert_lt(z, 4.5, "%s: %g of the draws are below decile %d: %.2f errors",
                     sampler->name, mean, i, z);
    }
    free(below);
    chains_release(&c);
    trial_close(&t);
}

/* many observations */

static void is_same(const chains *a, const chains *b, const char *name)
{
    size_t n = a->n_chains * a->n_draws;
    cr_assert(a->n_draws == b->n_draws && a->n_chains == b->n_chains, "%s", name);
    cr_assert_arr_eq(a->theta, b->theta, n * a->dim * sizeof *a->theta, "%s", name);
    cr_assert_arr_eq(a->log_posterior, b->log_posterior, n * sizeof *a->theta, "%s",
                     name);
    if (a->weight)
        cr_assert_arr_eq(a->weight, b->weight, n * sizeof *a->theta, "%s", name);
    cr_assert_eq(a->evaluations, b->evaluations, "%s: %zu, %zu evaluations", name,
                 (size_t)a->evaluations, (size_t)b->evaluations);
    cr_assert(a->acceptance == b->acceptance ||
                  (isnan(a->acceptance) && isnan(b->acceptance)),
              "%s: acceptance %g, %g", name, a->acceptance, b->acceptance);
}

void rows_stay_apart(const nre_plugin *sampler, const char *const *options, size_t n_rows,
                     const effort *e)
{
    static const host_services none = {0};
    law l = law_conjugate();
    trial t;
    float *x = memory_new(n_rows * 3, sizeof *x);
    chains *together = memory_new(n_rows, sizeof *together), alone;
    chains_plan how = {e->n_chains, e->warmup, e->draws, e->seed, "rows", &none, NULL};
    trial_open(&t, &l, sampler, options);
    for (size_t i = 0; i < n_rows; i++) {
        rng r;
        double theta[3];
        rng_start(&r, rng_purpose(e->seed, "rows"), i, 0);
        conjugate_pair(&r, theta, x + 3 * i);
    }
    trial_observe(&t, n_rows, x);
    cr_assert_eq(
        chains_of_rows(t.instance, &t.posterior, t.observed, 0, n_rows, &how, together),
        NRE_OK, "%s", error_message());
    for (size_t i = 0; i < n_rows; i += n_rows - 1) {
        char purpose[64];
        snprintf(purpose, sizeof purpose, "rows/%zu", i);
        how.purpose = purpose;
        cr_assert_eq(chains_of(t.instance, &t.posterior, t.observed, i, 1, &how, &alone),
                     NRE_OK, "%s", error_message());
        is_same(&together[i], &alone, sampler->name);
        chains_release(&alone);
    }
    for (size_t i = 0; i < n_rows; i++)
        chains_release(&together[i]);
    free(together);
    free(x);
    trial_close(&t);
}

/* calibration */

enum { KEPT = 19, RANKS = KEPT + 1, STATISTICS = 4 };

/* Of draw AT of C: its parameters, then its log posterior, which is theirs up to a constant. */
static double statistic(const chains *c, size_t at, size_t which)
{
    return which < 3 ? c->theta[at * 3 + which] : c->log_posterior[at];
}

static double log_posterior_at(const trial *t, size_t row, const double *theta)
{
    double log_prior, log_ratio;
    cr_assert_eq(posterior_log_prior(&t->posterior, 1, theta, &log_prior, NULL), NRE_OK);
    cr_assert_eq(ratio_evaluate(t->ratio, t->worker, t->observed, row, 1, 1, theta,
                                &log_ratio, NULL),
                 NRE_OK);
    return log_prior + log_ratio;
}

/* One uniform from the weights a draw, or every KEPT-th part of all draws, chain by chain. */
static size_t kept_draw(const chains *c, rng *r, size_t i)
{
    size_t n = c->n_chains * c->n_draws;
    if (!c->weight)
        return (2 * i + 1) * n / (2 * KEPT);
    double u = rng_uniform(r);
    for (size_t at = 0; at < n; at++)
        if ((u -= c->weight[at]) < 0)
            return at;
    return n - 1;
}

static void add_ranks(const trial *t, size_t row, const double *theta, const chains *c,
                      rng *r, double count[STATISTICS][RANKS])
{
    size_t rank[STATISTICS] = {0};
    const double truth[STATISTICS] = {theta[0], theta[1], theta[2],
                                      log_posterior_at(t, row, theta)};
    for (size_t i = 0; i < KEPT; i++) {
        size_t at = kept_draw(c, r, i);
        for (size_t s = 0; s < STATISTICS; s++)
            rank[s] += statistic(c, at, s) < truth[s];
    }
    for (size_t s = 0; s < STATISTICS; s++)
        count[s][rank[s]] += 1;
}

/* Two-sided p-value of the mean over REPEATS of (rank - middle)^POWER; ranks are uniform. */
static double p_of_power(size_t repeats, const double *count, int power)
{
    double sum = 0, mean = 0, square = 0;
    for (size_t i = 0; i < RANKS; i++) {
        double value = pow((double)i - 0.5 * KEPT, power);
        sum += count[i] * value / (double)repeats;
        mean += value / RANKS;
        square += value * value / RANKS;
    }
    double error = sqrt((square - mean * mean) / (double)repeats);
    return 2 * gsl_cdf_ugaussian_Q(fabs(sum - mean) / error);
}

/* Of chi-squared; of the mean (shifted draws) and the spread (too wide, too narrow), which see
 * those errors sooner. */
static double p_value(size_t repeats, const double *count)
{
    double sum = 0, expected = (double)repeats / RANKS;
    for (size_t i = 0; i < RANKS; i++)
        sum += (count[i] - expected) * (count[i] - expected) / expected;
    return fmin(gsl_cdf_chisq_Q(sum, RANKS - 1),
                fmin(p_of_power(repeats, count, 1), p_of_power(repeats, count, 2)));
}

double calibration_of(const nre_plugin *sampler, const char *const *options,
                      size_t repeats, const effort *e)
{
    trial t;
    law l = law_conjugate();
    double count[STATISTICS][RANKS] = {0}, theta[3], least = 1;
    float x[3];
    trial_open(&t, &l, sampler, options);
    for (size_t i = 0; i < repeats; i++) {
        rng r;
        chains c;
        effort one = *e;
        one.seed = e->seed + i;
        rng_start(&r, rng_purpose(e->seed, "calibration"), i, 0);
        conjugate_pair(&r, theta, x);
        trial_observe(&t, 1, x);
        cr_assert_eq(trial_sample(&t, 0, &one, &c), NRE_OK, "%s", error_message());
        add_ranks(&t, 0, theta, &c, &r, count);
        chains_release(&c);
    }
    for (size_t s = 0; s < STATISTICS; s++)
        least = fmin(least, p_value(repeats, count[s]));
    trial_close(&t);
    return least;
}

void calibrated(const nre_plugin *sampler, const char *const *options, const effort *e)
{
    enum { REPEATS = 400 }; /* 20 of each rank */
    double p = calibration_of(sampler, options, REPEATS, e);
    cr_assert_gt(p, 2 * gsl_cdf_ugaussian_Q(4.5) / (3 * STATISTICS), "%s: p = %g",
                 sampler->name, p);
}

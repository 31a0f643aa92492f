/* Simulators with closed forms, as plugins. */
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

/* (v, C^-1 v) and log |C| of C = variance ((1 - rho) I + rho 1 1^T). */
static double square_norm(uint32_t d, double variance, double rho, const double *v)
{
    double squares = 0, sum = 0;
    for (uint32_t k = 0; k < d; k++) {
        squares += v[k] * v[k];
        sum += v[k];
    }
    return (squares - rho / (1 + (d - 1) * rho) * sum * sum) / (variance * (1 - rho));
}

static double log_normal(uint32_t d, double variance, double rho, const double *v)
{
    double log_det = d * log(variance) + (d - 1) * log1p(-rho) + log1p((d - 1) * rho);
    return -0.5 * (square_norm(d, variance, rho, v) + log_det + d * log(2 * M_PI));
}

static double log_one(const toy *t, double sign, const double *theta, const float *x,
                      double *v)
{
    for (uint32_t k = 0; k < t->dim; k++)
        v[k] = (double)x[k] - sign * theta[k];
    return log_normal(t->dim, t->sigma * t->sigma, t->rho, v);
}

/* Of noise V within the box. */
static double log_box(const toy *t, const double *v)
{
    double sum = 0;
    for (uint32_t k = 0; k < t->dim; k++)
        sum += fabs(v[k]) <= t->sigma ? -log(2 * t->sigma) : -INFINITY;
    return sum;
}

/* The two toys that one of uneven noise is a mixture of. */
static void parts_of(const toy *t, toy part[2])
{
    part[0] = part[1] = *t;
    part[0].spread = part[1].spread = 0;
    part[1].sigma *= t->spread;
}

static double log_mean(double a, double b)
{
    double most = fmax(a, b);
    return most + log(0.5 * exp(a - most) + 0.5 * exp(b - most));
}

double toy_log_likelihood(const toy *t, const double *theta, const float *x)
{
    toy part[2];
    parts_of(t, part);
    if (t->spread > 0)
        return log_mean(toy_log_likelihood(&part[0], theta, x),
                        toy_log_likelihood(&part[1], theta, x));
    double v[16] = {0}, plus = log_one(t, 1, theta, x, v);
    if (t->bounded)
        return log_box(t, v);
    for (uint32_t k = 0; k < t->dim && t->positive; k++)
        plus += v[k] >= 0 ? log(2) : -INFINITY;
    if (!t->mirrored)
        return plus;
    return log_mean(plus, log_one(t, -1, theta, x, v));
}

/* By theta: of the unmirrored case only. */
static void slope(const toy *t, const double *theta, const float *x, double *out)
{
    double sum = 0, variance = t->sigma * t->sigma;
    for (uint32_t k = 0; k < t->dim; k++)
        sum += (double)x[k] - theta[k];
    for (uint32_t k = 0; k < t->dim; k++)
        out[k] = ((double)x[k] - theta[k] - t->rho / (1 + (t->dim - 1) * t->rho) * sum) /
                 (variance * (1 - t->rho));
}

double toy_log_evidence(const toy *t, const float *x)
{
    toy part[2];
    parts_of(t, part);
    if (t->spread > 0)
        return log_mean(toy_log_evidence(&part[0], x), toy_log_evidence(&part[1], x));
    double v[16], variance = t->sigma * t->sigma, sum = 0;
    if (t->prior == TOY_NORMAL) {
        for (uint32_t k = 0; k < t->dim; k++)
            v[k] = (double)x[k] - t->a;
        double all = variance + t->b * t->b;
        return log_normal(t->dim, all, t->rho * variance / all, v);
    }
    cr_assert(t->rho == 0);
    for (uint32_t k = 0; k < t->dim; k++) {
        double low = ((double)x[k] - t->b) / t->sigma,
               high = ((double)x[k] - t->a) / t->sigma;
        if (t->bounded) {
            sum += log((fmin(high, 1) - fmax(low, -1)) / (2 * (t->b - t->a)));
            continue;
        }
        low = t->positive ? fmax(low, 0) : low;
        sum += t->positive ? log(2) : 0;
        double mass = low > 0 ? gsl_cdf_ugaussian_Q(low) - gsl_cdf_ugaussian_Q(high)
                              : gsl_cdf_ugaussian_P(high) - gsl_cdf_ugaussian_P(low);
        sum += log(mass / (t->b - t->a));
    }
    return sum;
}

void toy_simulate(const toy *t, rng *r, const double *theta, float *x)
{
    toy part[2];
    parts_of(t, part);
    if (t->spread > 0) {
        toy_simulate(&part[rng_uniform(r) < 0.5], r, theta, x);
        return;
    }
    double sign = t->mirrored && rng_uniform(r) < 0.5 ? -1 : 1, common = rng_normal(r);
    for (uint32_t k = 0; k < t->dim; k++) {
        double noise = sqrt(t->rho) * common + sqrt(1 - t->rho) * rng_normal(r);
        noise = t->bounded ? 2 * rng_uniform(r) - 1 : noise;
        x[k] = (float)(sign * theta[k] + t->sigma * (t->positive ? fabs(noise) : noise));
    }
}

void toy_pair(const toy *t, rng *r, double *theta, float *x)
{
    for (uint32_t k = 0; k < t->dim; k++)
        theta[k] = t->prior == TOY_NORMAL ? t->a + t->b * rng_normal(r)
                                          : t->a + (t->b - t->a) * rng_uniform(r);
    toy_simulate(t, r, theta, x);
}

/* the plugin */

static int info(const void *self, nre_simulator_info *out)
{
    const fixture *f = self;
    out->n_theta = f->toy.dim;
    out->theta_size = sizeof(nre_theta);
    out->theta = f->theta;
    out->n_fields = 1;
    out->field_size = sizeof(nre_field);
    out->fields = &f->field;
    return NRE_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    (void)self, (void)work, (void)batch;
    return NRE_ENOTSUP;
}

static int log_likelihood(const void *self, size_t n, const double *theta, const float *x,
                          double *out, double *gradient)
{
    const fixture *f = self;
    size_t d = f->toy.dim;
    if (gradient && (f->toy.no_gradient || f->toy.mirrored || f->toy.spread > 0))
        return NRE_ENOTSUP;
    for (size_t i = 0; i < n; i++) {
        out[i] = toy_log_likelihood(&f->toy, theta + i * d, x + i * d);
        if (gradient)
            slope(&f->toy, theta + i * d, x + i * d, gradient + i * d);
    }
    return NRE_OK;
}

static int log_evidence(const void *self, size_t n, const float *x, double *out)
{
    const fixture *f = self;
    for (size_t i = 0; i < n; i++)
        out[i] = toy_log_evidence(&f->toy, x + i * f->toy.dim);
    return NRE_OK;
}

static const char *const NAME[16] = {"t0",  "t1",  "t2",  "t3", "t4",  "t5",
                                     "t6",  "t7",  "t8",  "t9", "t10", "t11",
                                     "t12", "t13", "t14", "t15"};

static void lay_plugin(fixture *f)
{
    const toy *t = &f->toy;
    for (uint32_t k = 0; k < t->dim; k++)
        f->theta[k] =
            (nre_theta){.name = NAME[k],
                        .label = "theta",
                        .unit = "m",
                        .a = t->a,
                        .b = t->b,
                        .nominal = t->prior == TOY_NORMAL ? t->a : 0.5 * (t->a + t->b),
                        .prior = t->prior == TOY_NORMAL ? NRE_NORMAL : NRE_UNIFORM};
    f->field = (nre_field){.name = "x", .label = "x", .shape = {1, {t->dim}}};
    f->ops = (nre_simulator_ops){.struct_size = sizeof f->ops,
                                 .info = info,
                                 .simulate = simulate,
                                 .log_likelihood = log_likelihood,
                                 .log_evidence = t->no_evidence ? NULL : log_evidence};
    f->table =
        (nre_plugin){NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "toy", .version = "1.0.0",
                     .summary = "Gaussian toy.", .ops.simulator = &f->ops};
    f->plugin = (plugin){.table = &f->table, .path = "toy"};
    f->instance = (instance){.plugin = &f->plugin, .self = f};
}

void fixture_open(fixture *f, const toy *t)
{
    memset(f, 0, sizeof *f);
    f->toy = *t;
    lay_plugin(f);
    f->arena = arena_new();
    cr_assert_eq(simulator_open(&f->instance, 0, NULL, &f->simulator), NRE_OK, "%s",
                 error_message());
    cr_assert_eq(target_of(f->simulator, f->arena, true, 0, NULL, &f->target), NRE_OK);
    ratio *r = NULL;
    cr_assert_eq(ratio_exact(f->simulator, &f->target, &r), NRE_OK, "%s",
                 error_message());
    fixture_use(f, r);
}

void fixture_use(fixture *f, ratio *r)
{
    ratio_worker_free(f->worker);
    observed_free(f->observed);
    ratio_free(f->ratio);
    f->ratio = r;
    cr_assert_eq(ratio_worker_new(r, &f->worker), NRE_OK);
    cr_assert_eq(observed_new(r, &f->observed), NRE_OK);
    f->posterior = (posterior){.ratio = r};
}

void fixture_observe(fixture *f, size_t n, const float *x)
{
    cr_assert_eq(ratio_observe(f->ratio, f->worker, n, x, f->observed), NRE_OK, "%s",
                 error_message());
}

void fixture_close(fixture *f)
{
    ratio_worker_free(f->worker);
    observed_free(f->observed);
    ratio_free(f->ratio);
    simulator_close(f->simulator);
    arena_free(f->arena);
}

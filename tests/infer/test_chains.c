/* chains.c and the samplers: moments, boundaries, modes, failures. */
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const nre_plugin plugin_metropolis, plugin_grid;

typedef struct sampler {
    arena *arena;
    plugin plugin;
    nre_values *values;
    instance *instance;
} sampler;

static void sampler_open(sampler *s, const nre_plugin *table)
{
    s->arena = arena_new();
    s->plugin = (plugin){.table = table, .path = "sampler"};
    cr_assert_eq(values_new(&s->plugin, s->arena, &s->values), NRE_OK, "%s",
                 error_message());
    cr_assert_eq(instance_new(&s->plugin, s->values, &(host_services){0}, &s->instance),
                 NRE_OK, "%s", error_message());
}

static void sampler_close(sampler *s)
{
    instance_free(s->instance);
    arena_free(s->arena);
}

static int sample(fixture *f, const sampler *s, size_t n, size_t warmup, size_t draws,
                  chains *out)
{
    static const host_services none = {0};
    chains_plan how = {.n_chains = n,
                       .warmup = warmup,
                       .draws = draws,
                       .seed = 4,
                       .purpose = "chain/all/0",
                       .services = &none};
    return chains_of(s->instance, &f->posterior, f->observed, 0, 1, &how, out);
}

static void column(const chains *c, uint32_t k, double power, double *out)
{
    for (size_t i = 0; i < c->n_chains * c->n_draws; i++)
        out[i] = pow(c->theta[i * c->dim + k], power);
}

/* First and second moment of parameter K within 4.5 standard errors at their effective
 * sizes. */
static void moments_agree(const chains *c, uint32_t k, double mean, double square)
{
    size_t n = c->n_chains * c->n_draws;
    double *v = memory_new(n, sizeof *v), right[] = {mean, square};
    for (int power = 1; power <= 2; power++) {
        double sum = 0, squares = 0;
        column(c, k, power, v);
        for (size_t i = 0; i < n; i++) {
            sum += v[i] / (double)n;
            squares += v[i] * v[i] / (double)n;
        }
        double error =
            sqrt((squares - sum * sum) / ess_mean_of(c->n_chains, c->n_draws, v));
        cr_assert_float_eq(sum, right[power - 1], 4.5 * error,
                           "power %d of %u: %g, not %g +- %g", power, k, sum,
                           right[power - 1], error);
    }
    free(v);
}

Test(chains, six_correlated_parameters)
{
    enum { D = 6 };
    toy t = {.dim = D, .prior = TOY_NORMAL, .b = 1, .sigma = 0.3, .rho = 0.7};
    static fixture f;
    sampler s;
    chains c;
    float x[] = {0.5f, -1, 0, 1, 0.2f, -0.5f};
    double mean_x = 0, along = 1 / (1 + 1 / (0.09 * (0.3 + 0.7 * D))),
           across = 1 / (1 + 1 / 0.027);
    fixture_open(&f, &t);
    fixture_observe(&f, 1, x);
    sampler_open(&s, &plugin_metropolis);
    cr_assert_eq(sample(&f, &s, 16, 500, 2000, &c), NRE_OK, "%s", error_message());
    cr_assert(c.n_chains == 16 && c.n_draws == 2000 && !c.weight);
    for (int k = 0; k < D; k++)
        mean_x += (double)x[k] / D;
    for (uint32_t k = 0; k < D; k++) {
        /* Posterior covariance and mean share the noise's eigenvectors. */
        double v = along / D + across * (D - 1) / D;
        double mean = (1 - along) * mean_x + (1 - across) * ((double)x[k] - mean_x);
        cr_assert_lt(c.r_hat[k], 1.01);
        cr_assert_gt(c.ess_bulk[k], 1600);
        moments_agree(&c, k, mean, v + mean * mean);
    }
    cr_assert(c.acceptance > 0.1 && c.acceptance < 0.9);
    cr_assert_eq(c.evaluations, 16 * 2500);
    /* lp is the density by theta, not by the unbounded coordinates. */
    double log_prior, log_ratio;
    cr_assert_eq(posterior_log_prior(&f.posterior, 1, c.theta, &log_prior, NULL), NRE_OK);
    cr_assert_eq(
        ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, c.theta, &log_ratio, NULL),
        NRE_OK);
    cr_assert_float_eq(c.log_posterior[0], log_prior + log_ratio, 1e-9);
    chains_release(&c);
    sampler_close(&s);
    fixture_close(&f);
}

/* Truncated Gaussians: x beyond a bound of the box. */
Test(chains, box)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 1, .sigma = 0.5};
    static fixture f;
    sampler s;
    chains c, again;
    float x[] = {1.3f, 0.2f};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, x);
    sampler_open(&s, &plugin_metropolis);
    cr_assert_eq(sample(&f, &s, 8, 300, 3000, &c), NRE_OK);
    for (uint32_t k = 0; k < 2; k++) {
        double m = (double)x[k], a = (-1 - m) / 0.5, b = (1 - m) / 0.5;
        double mass = gsl_cdf_ugaussian_P(b) - gsl_cdf_ugaussian_P(a);
        double pa = gsl_ran_ugaussian_pdf(a) / mass, pb = gsl_ran_ugaussian_pdf(b) / mass;
        double mean = m + 0.5 * (pa - pb);
        double v = 0.25 * (1 + a * pa - b * pb - (pa - pb) * (pa - pb));
        cr_assert_lt(c.r_hat[k], 1.01);
        moments_agree(&c, k, mean, v + mean * mean);
    }
    cr_assert_eq(sample(&f, &s, 8, 300, 3000, &again), NRE_OK);
    cr_assert_arr_eq(c.theta, again.theta, 8 * 3000 * 2 * sizeof *c.theta);
    chains_release(&c);
    chains_release(&again);
    sampler_close(&s);
    fixture_close(&f);
}

/* Both mirrored modes, thirty deviations apart, hold half of the draws. */
Test(chains, two_modes)
{
    toy t = {.dim = 3, .prior = TOY_NORMAL, .b = 1, .sigma = 0.1, .mirrored = true};
    static fixture f;
    sampler s;
    chains c;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0.8f, -0.9f, 1});
    sampler_open(&s, &plugin_metropolis);
    cr_assert_eq(sample(&f, &s, 16, 500, 2000, &c), NRE_OK);
    double right = 0;
    for (size_t i = 0; i < 16 * 2000; i++)
        right += c.theta[3 * i] > 0;
    cr_assert_lt(c.r_hat[0], 1.05);
    cr_assert_float_eq(right / 32000, 0.5, 4.5 * 0.5 / sqrt(c.ess_bulk[0]));
    chains_release(&c);
    sampler_close(&s);
    fixture_close(&f);
}

Test(chains, grid_of_weighted_points)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    sampler s;
    chains c;
    float x[] = {0.5f, -1};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, x);
    sampler_open(&s, &plugin_grid);
    cr_assert_eq(sample(&f, &s, 3, 100, 50, &c), NRE_OK, "%s", error_message());
    cr_assert(c.weight && isnan(c.r_hat[0]));
    cr_assert_eq(c.n_draws, 3334);
    for (uint32_t k = 0; k < 2; k++) {
        double mean = 0, square = 0, right = (double)x[k] / 1.25;
        for (size_t i = 0; i < c.n_chains * c.n_draws; i++) {
            mean += c.weight[i] * c.theta[2 * i + k];
            square += c.weight[i] * c.theta[2 * i + k] * c.theta[2 * i + k];
        }
        cr_assert_float_eq(mean, right, 2e-3);
        cr_assert_float_eq(square - mean * mean, 0.2, 2e-3);
    }
    chains_release(&c);
    fixture_close(&f);

    toy four = {.dim = 4, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    fixture_open(&f, &four);
    fixture_observe(&f, 1, (float[]){0, 0, 0, 0});
    cr_assert_neq(sample(&f, &s, 3, 0, 50, &c), NRE_OK);
    cr_assert_not_null(strstr(error_message(), "at most 3 parameters"), "%s",
                       error_message());
    sampler_close(&s);
    fixture_close(&f);
}

/* samplers that misbehave */

static int start(const void *self, const nre_host *host, const nre_target *seen, size_t n,
                 const double *z0, nre_rng *const *stream, void **run)
{
    (void)self, (void)host, (void)n, (void)z0, (void)stream;
    *run = (void *)(uintptr_t)seen;
    return NRE_OK;
}

static int writes_past(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run, (void)warmup;
    out->logp[out->n_steps * 2] = 1;
    return NRE_OK;
}

static int writes_nan(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run, (void)warmup;
    out->z[1] = NAN;
    return NRE_OK;
}

static int never_draws(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run, (void)warmup;
    out->n_steps = 0;
    return NRE_OK;
}

static int far_away(void *run, uint32_t warmup, nre_draws *out)
{
    const nre_target *t = run;
    double z[] = {NAN}, log_prior, log_ratio;
    (void)warmup, (void)out;
    return t->logp(t, 1, (uint32_t[]){0}, z, &log_prior, &log_ratio, NULL, NULL);
}

static int misbehave(fixture *f, int (*step)(void *, uint32_t, nre_draws *),
                     uint32_t flags)
{
    const nre_sampler_ops ops = {
        .struct_size = sizeof ops, .flags = flags, .start = start, .step = step};
    const nre_plugin table = {NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "bad", .version = "1",
                              .summary = "Bad.", .ops.sampler = &ops};
    sampler s;
    chains c;
    sampler_open(&s, &table);
    int status = sample(f, &s, 2, 10, 10, &c);
    sampler_close(&s);
    return status;
}

Test(chains, what_samplers_may_not_do)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0});
    cr_assert_eq(misbehave(&f, writes_past, 0), NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "wrote past"), "%s", error_message());
    cr_assert_eq(misbehave(&f, writes_nan, 0), NRE_ENUMERIC);
    cr_assert_eq(misbehave(&f, never_draws, 0), NRE_EPLUGIN);
    cr_assert_eq(misbehave(&f, far_away, 0), NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "t0 = "), "%s", error_message());
    cr_assert_not_null(strstr(error_message(), "'bad'"), "%s", error_message());
    fixture_close(&f);
}

/* Gradients offered to samplers against differences, Jacobian included. */
static int checks_gradient(void *run, uint32_t warmup, nre_draws *out)
{
    const nre_target *t = run;
    double z[] = {0.3, -1, 0.3001, -1, 0.2999, -1}, p[3], r[3], gp[6], gr[6];
    uint32_t chain[] = {0, 0, 0};
    (void)warmup;
    int status = t->logp(t, 3, chain, z, p, r, gp, gr);
    out->z[0] = gp[0] - (p[1] - p[2]) / 2e-4;
    out->z[1] = gr[0] - (r[1] - r[2]) / 2e-4;
    out->n_steps = 1;
    out->finished = 1;
    return status;
}

Test(chains, gradients)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -1, .b = 3, .sigma = 0.5};
    static fixture f;
    const nre_sampler_ops ops = {.struct_size = sizeof ops,
                                 .flags = NRE_NEEDS_GRADIENT | NRE_WEIGHTED,
                                 .start = start,
                                 .step = checks_gradient};
    const nre_plugin table = {NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "gradient",
                              .version = "1", .summary = "Looks at gradients.",
                              .ops.sampler = &ops};
    sampler s;
    chains c;
    double z[2];
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){0, 0});
    sampler_open(&s, &table);
    cr_assert_eq(sample(&f, &s, 1, 0, 1, &c), NRE_OK, "%s", error_message());
    unbounded_of(&f.target, 1, c.theta, z);
    cr_assert_float_eq(z[0], 0, 1e-6);
    cr_assert_float_eq(z[1], 0, 1e-5);
    chains_release(&c);
    sampler_close(&s);
    fixture_close(&f);
}

/* many observations */

static const float ROWS_X[] = {0.5f, -1,   0.2f,  0.9f, -0.3f, 0.6f,
                               1.3f, 0.1f, -1.2f, 0.4f, 0,     2};

static chains_plan plan_of(const host_services *services, size_t n, const char *purpose)
{
    return (chains_plan){.n_chains = n,
                         .warmup = 150,
                         .draws = 120,
                         .seed = 4,
                         .purpose = purpose,
                         .services = services};
}

static void same_draws(const chains *a, const chains *b)
{
    size_t n = a->n_chains * a->n_draws;
    cr_assert(a->n_chains == b->n_chains && a->n_draws == b->n_draws && a->dim == b->dim);
    cr_assert_arr_eq(a->theta, b->theta, n * a->dim * sizeof *a->theta);
    cr_assert_arr_eq(a->log_posterior, b->log_posterior, n * sizeof *a->log_posterior);
    if (a->weight)
        cr_assert_arr_eq(a->weight, b->weight, n * sizeof *a->weight);
    else
        cr_assert_arr_eq(a->r_hat, b->r_hat, 3 * a->dim * sizeof *a->r_hat);
    cr_assert_eq(a->evaluations, b->evaluations);
    cr_assert(a->acceptance == b->acceptance || isnan(a->acceptance));
}

/* Rows 1 to 3 of four, together and each by itself: the exact ratio is worked out pair by pair, so
 * that every bit is the same. */
static void together_as_alone(const nre_plugin *table, size_t n_chains)
{
    static const host_services none = {0};
    static const char *const names[] = {"chain/all/1", "chain/all/2", "chain/all/3"};
    toy t = {.dim = 3, .prior = TOY_NORMAL, .b = 1, .sigma = 0.4};
    static fixture f;
    sampler s;
    chains c[3], one;
    fixture_open(&f, &t);
    fixture_observe(&f, 4, ROWS_X);
    sampler_open(&s, table);
    chains_plan how = plan_of(&none, n_chains, "chain/all");
    cr_assert_eq(chains_of_rows(s.instance, &f.posterior, f.observed, 1, 3, &how, c),
                 NRE_OK, "%s", error_message());
    for (size_t i = 0; i < 3; i++) {
        chains_plan alone = plan_of(&none, n_chains, names[i]);
        cr_assert_eq(
            chains_of(s.instance, &f.posterior, f.observed, i + 1, 1, &alone, &one),
            NRE_OK);
        same_draws(&c[i], &one);
        chains_release(&one);
        chains_release(&c[i]);
    }
    sampler_close(&s);
    fixture_close(&f);
}

Test(chains, together_as_alone)
{
    together_as_alone(&plugin_metropolis, 4);
    together_as_alone(&plugin_metropolis, 1);
}

/* It serves one observation at a time. */
Test(chains, grids_one_after_another)
{
    together_as_alone(&plugin_grid, 4);
}

/* 40 rows with 30 chains are several slices of every call. */
Test(chains, threads_change_no_bit)
{
    enum { N = 40, D = 2 };
    toy t = {.dim = D, .prior = TOY_UNIFORM, .a = -2, .b = 2, .sigma = 0.4};
    static fixture f;
    static float x[N * D];
    sampler s;
    chains c[2][N];
    for (size_t i = 0; i < N * D; i++)
        x[i] = (float)i / (N * D) - 0.5f;
    fixture_open(&f, &t);
    fixture_observe(&f, N, x);
    sampler_open(&s, &plugin_metropolis);
    for (unsigned k = 0; k < 2; k++) {
        host_services services = {0};
        cr_assert_eq(pool_new(k ? 3 : 1, &services.workers), NRE_OK);
        chains_plan how = plan_of(&services, 30, "chain/all");
        cr_assert_eq(
            chains_of_rows(s.instance, &f.posterior, f.observed, 0, N, &how, c[k]),
            NRE_OK, "%s", error_message());
        pool_free(services.workers);
    }
    for (size_t i = 0; i < N; i++) {
        same_draws(&c[0][i], &c[1][i]);
        chains_release(&c[0][i]);
        chains_release(&c[1][i]);
    }
    sampler_close(&s);
    fixture_close(&f);
}

/* Points of chains in any order and number: each is judged by the row of its chain. */
static int asks_in_disorder(void *run, uint32_t warmup, nre_draws *out)
{
    enum { N = 5 };
    const nre_target *t = run;
    uint32_t chain[N] = {5, 0, 3, 2, 0}, alone[1];
    double z[N] = {0.1, -0.4, 0.8, 0.3, 0.7}, p[N], r[N], gp[N], gr[N], one[4];
    (void)warmup;
    int status = t->logp(t, N, chain, z, p, r, gp, gr);
    for (size_t i = 0; i < N && !status; i++) {
        alone[0] = chain[i];
        status = t->logp(t, 1, alone, z + i, one, one + 1, one + 2, one + 3);
        cr_expect(p[i] == one[0] && r[i] == one[1] && gp[i] == one[2] && gr[i] == one[3],
                  "%zu: %.17g %.17g, %.17g %.17g, %.17g %.17g, %.17g %.17g", i, p[i],
                  one[0], r[i], one[1], gp[i], one[2], gr[i], one[3]);
    }
    cr_expect(r[1] != r[4] && t->n_groups == 3);
    alone[0] = 6;
    cr_expect_eq(t->logp(t, 1, alone, z, one, one + 1, NULL, NULL), NRE_EINVAL);
    out->n_steps = 1;
    out->finished = 1;
    return NRE_OK;
}

Test(chains, points_in_any_order)
{
    static const host_services none = {0};
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    const nre_sampler_ops ops = {.struct_size = sizeof ops,
                                 .flags = NRE_WEIGHTED,
                                 .start = start,
                                 .step = asks_in_disorder};
    const nre_plugin table = {NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "disorder",
                              .version = "1", .summary = "Asks in disorder.",
                              .ops.sampler = &ops};
    sampler s;
    chains c[3];
    fixture_open(&f, &t);
    fixture_observe(&f, 3, ROWS_X);
    sampler_open(&s, &table);
    chains_plan how = plan_of(&none, 2, "chain/all");
    /* The last of its calls names a chain that is not there. */
    cr_assert_eq(chains_of_rows(s.instance, &f.posterior, f.observed, 0, 3, &how, c),
                 NRE_EINVAL);
    cr_assert_not_null(strstr(error_message(), "chain 6 of 6"), "%s", error_message());
    sampler_close(&s);
    fixture_close(&f);
}

/* starting points */

static double starts[4096]; /* [n][dim] of the last run, in the unbounded space */

static int keep_starts(const void *self, const nre_host *host, const nre_target *seen,
                       size_t n, const double *z0, nre_rng *const *stream, void **run)
{
    (void)self, (void)host, (void)stream;
    cr_assert_leq(n * seen->dim, sizeof starts / sizeof *starts);
    memcpy(starts, z0, n * seen->dim * sizeof *z0);
    *run = (void *)(uintptr_t)seen;
    return NRE_OK;
}

static int finish(void *run, uint32_t warmup, nre_draws *out)
{
    (void)run, (void)warmup;
    out->n_steps = 1;
    out->finished = 1;
    return NRE_OK;
}

static void start_chains_of(const fixture *f, unsigned flags, size_t n, uint64_t seed)
{
    const nre_sampler_ops ops = {
        .struct_size = sizeof ops, .flags = flags, .start = keep_starts, .step = finish};
    const nre_plugin table = {NRE_PLUGIN_HEAD(NRE_SAMPLER), .name = "starts",
                              .version = "1", .summary = "Keeps starting points.",
                              .ops.sampler = &ops};
    static const host_services none = {0};
    sampler s;
    chains c;
    chains_plan how = {.n_chains = n,
                       .draws = 1,
                       .seed = seed,
                       .purpose = "chain/all/0",
                       .services = &none};
    sampler_open(&s, &table);
    cr_assert_eq(chains_of(s.instance, &f->posterior, f->observed, 0, 1, &how, &c),
                 NRE_OK, "%s", error_message());
    chains_release(&c);
    sampler_close(&s);
}

static void start_chains(const fixture *f, size_t n, uint64_t seed)
{
    start_chains_of(f, 0, n, seed);
}

/* As many chains as there are candidates: each is the start of one, those without weight, too. */
Test(chains, each_candidate_starts_one_chain)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.003};
    static fixture f;
    rng stream;
    cloud c = {0};
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){1.5f, -1});
    rng_start(&stream, rng_purpose(4, "chain/all/0/start"), 0, 0);
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &stream, &c),
                 NRE_OK, "%s", error_message());
    start_chains(&f, c.n, 4);
    size_t without = 0;
    for (size_t i = 0; i < c.n; i++) {
        double z[2];
        size_t chains_there = 0;
        without += c.weight[i] == 0;
        unbounded_of(&f.target, 1, c.theta + 2 * i, z);
        for (size_t j = 0; j < c.n; j++)
            chains_there += !memcmp(z, starts + 2 * j, sizeof z);
        cr_assert_eq(chains_there, 1, "%zu chains start at candidate %zu of %zu",
                     chains_there, i, c.n);
    }
    cr_assert_gt(without, 5);
    cloud_release(&c);
    fixture_close(&f);
}

/* The first of N chains starts at a draw from the posterior, the others elsewhere. */
static void first_is_drawn_by_weight(const fixture *f, size_t n)
{
    enum { SEEDS = 400 };
    double sum = 0, squares = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        double theta, jacobian;
        start_chains(f, n, seed);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++)
                cr_assert_neq(starts[i], starts[j]);
        unbounded_back(&f->target, 1, starts, &theta, &jacobian, NULL, NULL);
        sum += (theta - 0.8) / SEEDS;
        squares += (theta - 0.8) * (theta - 0.8) / SEEDS;
    }
    /* Mean 1 / (1 + 0.25), variance 1 / (1 + 4). */
    cr_assert_float_eq(sum, 0, 4.5 * sqrt(0.2 / SEEDS));
    cr_assert_float_eq(squares, 0.2, 4.5 * 0.2 * sqrt(2.0 / SEEDS));
}

Test(chains, starts_are_drawn_by_weight)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){1});
    first_is_drawn_by_weight(&f, 10);
    first_is_drawn_by_weight(&f, 2); /* from a small cloud */
    fixture_close(&f);
}

/* Of mean 0 and variance 1, where the posterior has 0.8 and 0.2. */
Test(chains, weighted_samplers_start_in_the_prior)
{
    enum { N = 4096 };
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    double sum = 0, squares = 0;
    fixture_open(&f, &t);
    fixture_observe(&f, 1, (float[]){1});
    start_chains_of(&f, NRE_WEIGHTED, N, 7);
    for (size_t i = 0; i < N; i++) {
        double theta, jacobian;
        unbounded_back(&f.target, 1, starts + i, &theta, &jacobian, NULL, NULL);
        sum += theta / N;
        squares += theta * theta / N;
    }
    cr_assert_float_eq(sum, 0, 4.5 / sqrt(N));
    cr_assert_float_eq(squares, 1, 4.5 * sqrt(2.0 / N));
    fixture_close(&f);
}

Test(chains, at_once)
{
    chains_plan how = {.n_chains = 16, .draws = 2000};
    cr_assert_eq(chains_at_once(&how, 5), 74); /* 256 MiB of 16 * 2000 * 7 * 16 bytes */
    how.draws = 10;
    cr_assert_eq(chains_at_once(&how, 5), 256);
    how.n_chains = 100000;
    cr_assert_eq(chains_at_once(&how, 5), 1);
}

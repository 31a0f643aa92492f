/* plugins/samplers/hamiltonian.h, by hand through hmc and nuts: groups, blocks, gradients that are
 * wrong, many parameters, places without density. */
#include "targets.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

extern const nre_plugin plugin_hmc, plugin_nuts;

static const nre_plugin *const BOTH[] = {&plugin_hmc, &plugin_nuts};

/* Gaussians, one for each group, behind a plugin's own interface */

enum { PER_GROUP = 6, GROUPS = 3, MOST_DIM = 40, MOST_STEPS = 600 };

typedef struct stage {
    nre_target api; /* first */
    size_t first;   /* group that the run's first one is */
    double wall;    /* no density below it, in the first coordinate */
    size_t calls;
} stage;

/* Deviation of coordinate K, centre of coordinate K of a group. */
static double width(size_t group, size_t k)
{
    return 0.1 * (double)(1 + k) * (double)(1 + group);
}

static double centre(size_t group, size_t k)
{
    return (double)group - 0.1 * (double)k;
}

static int logp(const nre_target *t, size_t n, const uint32_t *chain, const double *z,
                double *log_prior, double *log_ratio, double *grad_prior,
                double *grad_ratio)
{
    stage *s = (stage *)(uintptr_t)t;
    s->calls++;
    for (size_t i = 0; i < n; i++) {
        size_t group = s->first + chain[i] / PER_GROUP, d = t->dim;
        log_prior[i] = log_ratio[i] = 0;
        for (size_t k = 0; k < d; k++) {
            double w = width(group, k), v = (z[i * d + k] - centre(group, k)) / w;
            log_ratio[i] -= 0.5 * v * v;
            grad_ratio[i * d + k] = -v / w;
            grad_prior[i * d + k] = 0;
        }
        if (z[i * d] < s->wall) {
            log_prior[i] = -INFINITY;
            grad_ratio[i * d] = NAN;
        }
    }
    return NRE_OK;
}

static int draw_prior(const nre_target *t, size_t n, nre_rng *const *stream, double *z)
{
    for (size_t i = 0; i < n * t->dim; i++)
        z[i] = 2 * stream[i / t->dim]->normal(stream[i / t->dim]);
    return NRE_OK;
}

typedef struct work {
    size_t first, n_groups, dim, warmup, draws, block;
    double wall;
} work;

/* Draws of the groups FIRST .. FIRST + N_GROUPS - 1, each with streams and starting points of its own:
 * z [draws][chains][dim].  What the calls after warm-up counted. */
static nre_draws drive(const nre_plugin *table, const work *w, double *z)
{
    static double logs[2 * MOST_STEPS * GROUPS * PER_GROUP];
    enum { MOST = GROUPS * PER_GROUP };
    size_t n = w->n_groups * PER_GROUP, d = w->dim, done = 0;
    rng stream[MOST];
    nre_rng *each[MOST];
    double z0[MOST * MOST_DIM];
    stage s = {.api = {.struct_size = sizeof s.api,
                       .dim = (uint32_t)d,
                       .n_groups = (uint32_t)w->n_groups,
                       .has_gradient = 1,
                       .logp = logp,
                       .draw_prior = draw_prior},
               .first = w->first,
               .wall = w->wall};
    for (size_t i = 0; i < n; i++) {
        rng_start(&stream[i], rng_purpose(9, "by hand"), w->first * PER_GROUP + i, 0);
        each[i] = &stream[i].api;
        for (size_t k = 0; k < d; k++)
            z0[i * d + k] =
                centre(w->first + i / PER_GROUP, k) + 0.1 * rng_uniform(&stream[i]);
    }
    plugin p = {.table = table, .path = "sampler"};
    arena *a = arena_new();
    nre_values *values = NULL;
    instance *made = NULL;
    nre_host *host = NULL;
    void *run = NULL;
    const host_services none = {0};
    const nre_sampler_ops *ops = table->ops.sampler;
    nre_draws all = {0};
    cr_assert_eq(values_new(&p, a, &values), NRE_OK);
    cr_assert_eq(instance_new(&p, values, &none, &made), NRE_OK);
    cr_assert_eq(host_new("sampler", &none, &host), NRE_OK);
    cr_assert_eq(ops->start(made->self, host, &s.api, n, z0, each, &run), NRE_OK, "%s",
                 error_message());
    while (done < w->warmup + w->draws) {
        bool warm = done < w->warmup;
        size_t left = warm ? w->warmup - done : w->warmup + w->draws - done;
        nre_draws b = {.struct_size = sizeof b,
                       .n_steps = left < w->block ? left : w->block,
                       .z = z + (warm ? 0 : (done - w->warmup) * n * d),
                       .logp = logs,
                       .log_weight = logs + MOST_STEPS * MOST};
        cr_assert_eq(ops->step(run, warm, &b), NRE_OK, "%s", error_message());
        all.n_divergent += warm ? 0 : b.n_divergent;
        all.n_evaluate += warm ? 0 : b.n_evaluate;
        done += b.n_steps;
    }
    if (ops->stop)
        ops->stop(run);
    host_free(host);
    instance_free(made);
    arena_free(a);
    return all;
}

/* A group's chains are the same to the last bit, whoever else is there. */
Test(hamiltonian, groups_are_apart)
{
    enum { D = 4, DRAWS = 100, WIDE = GROUPS * PER_GROUP * D };
    static double all[MOST_STEPS * WIDE], one[MOST_STEPS * PER_GROUP * D];
    for (int p = 0; p < 2; p++) {
        work w = {.n_groups = GROUPS,
                  .dim = D,
                  .warmup = 150,
                  .draws = DRAWS,
                  .block = 100,
                  .wall = -INFINITY};
        drive(BOTH[p], &w, all);
        w.n_groups = 1;
        for (w.first = 0; w.first < GROUPS; w.first++) {
            drive(BOTH[p], &w, one);
            for (size_t i = 0; i < DRAWS; i++)
                cr_assert_arr_eq(one + i * PER_GROUP * D,
                                 all + i * WIDE + w.first * PER_GROUP * D,
                                 PER_GROUP * D * sizeof *one, "%s: group %zu, draw %zu",
                                 BOTH[p]->name, w.first, i);
        }
    }
}

/* The core may ask for any number of steps at a time. */
Test(hamiltonian, blocks_do_not_matter)
{
    enum { D = 3, DRAWS = 90, ALL = DRAWS * PER_GROUP * D };
    static double in_one[MOST_STEPS * PER_GROUP * D],
        in_parts[MOST_STEPS * PER_GROUP * D];
    for (int p = 0; p < 2; p++) {
        work w = {.n_groups = 1,
                  .dim = D,
                  .warmup = 80,
                  .draws = DRAWS,
                  .block = 100,
                  .wall = -INFINITY};
        drive(BOTH[p], &w, in_one);
        w.block = 7;
        drive(BOTH[p], &w, in_parts);
        cr_assert_arr_eq(in_one, in_parts, ALL * sizeof *in_one, "%s", BOTH[p]->name);
    }
}

static void column(const double *z, size_t n, size_t draws, size_t d, size_t k,
                   double power, double *out)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < draws; i++)
            out[c * draws + i] =
                pow((z[(i * n + c) * d + k] - centre(0, k)) / width(0, k), power);
}

static void mean_is(size_t n, size_t draws, const double *value, double right,
                    const char *what, size_t k)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n * draws; i++)
        sum += value[i] / (double)(n * draws);
    for (size_t i = 0; i < n * draws; i++)
        squares += (value[i] - sum) * (value[i] - sum) / (double)(n * draws);
    double error = sqrt(squares / ess_mean_of(n, draws, value));
    cr_assert_lt(fabs(sum - right), 4.5 * error, "%s, %zu: %g, not %g +- %g", what, k,
                 sum, right, error);
}

/* Forty deviations from 0.1 to 4: the metric is diagonal there. */
Test(hamiltonian, forty_parameters)
{
    enum { D = MOST_DIM, DRAWS = MOST_STEPS };
    static double z[MOST_STEPS * PER_GROUP * D], value[MOST_STEPS * PER_GROUP];
    for (int p = 0; p < 2; p++) {
        work w = {.n_groups = 1,
                  .dim = D,
                  .warmup = 400,
                  .draws = DRAWS,
                  .block = 100,
                  .wall = -INFINITY};
        nre_draws all = drive(BOTH[p], &w, z);
        cr_assert_lt((double)all.n_evaluate, 12.0 * DRAWS * PER_GROUP, "%s: %g a draw",
                     BOTH[p]->name, (double)all.n_evaluate / (DRAWS * PER_GROUP));
        for (size_t k = 0; k < D; k++) {
            column(z, PER_GROUP, DRAWS, D, k, 1, value);
            mean_is(PER_GROUP, DRAWS, value, 0, BOTH[p]->name, k);
            column(z, PER_GROUP, DRAWS, D, k, 2, value);
            mean_is(PER_GROUP, DRAWS, value, 1, BOTH[p]->name, k);
        }
    }
}

/* Half of a normal: trajectories that cross the wall end there, and are divergences. */
Test(hamiltonian, wall)
{
    enum { D = 1, DRAWS = MOST_STEPS };
    static double z[MOST_STEPS * PER_GROUP], value[MOST_STEPS * PER_GROUP];
    for (int p = 0; p < 2; p++) {
        work w = {.n_groups = 1,
                  .dim = D,
                  .warmup = 200,
                  .draws = DRAWS,
                  .block = 100,
                  .wall = centre(0, 0)};
        nre_draws all = drive(BOTH[p], &w, z);
        cr_assert_gt(all.n_divergent, 0, "%s", BOTH[p]->name);
        column(z, PER_GROUP, DRAWS, D, 0, 1, value);
        mean_is(PER_GROUP, DRAWS, value, sqrt(2 / M_PI), BOTH[p]->name, 1);
        column(z, PER_GROUP, DRAWS, D, 0, 2, value);
        mean_is(PER_GROUP, DRAWS, value, 1, BOTH[p]->name, 2);
    }
}

/* A leapfrog step is reversible and keeps volumes whatever its force is: with another gradient
 * than the density's own the draws are slower, and right. */
static double false_slope(const law *l, const double *theta, const float *x,
                          double *gradient)
{
    static law right;
    if (!right.log_ratio)
        right = law_gaussian();
    double value = right.log_ratio(l, theta, x, gradient);
    for (uint32_t k = 0; gradient && k < l->dim; k++)
        gradient[k] = 0.9 * gradient[k] + 0.05;
    return value;
}

Test(hamiltonian, a_false_gradient_is_no_error)
{
    law l = law_gaussian();
    l.log_ratio = false_slope;
    for (int p = 0; p < 2; p++)
        recovers(BOTH[p], NULL, &l,
                 &(effort){.n_chains = 16, .warmup = 200, .draws = 2000, .seed = 3});
}

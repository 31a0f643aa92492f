/* region.c: against regions of Gaussian posteriors in closed form. */
#include "toy.h"

#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One observation, its grid and what regions are asked of. */
typedef struct scene {
    fixture f;
    grid grid;
    cloud cloud;
    region_view view;
} scene;

static void scene_open(scene *s, const toy *t, const float *x, bool on_grid)
{
    rng r;
    rng_start(&r, rng_purpose(3, "scene"), 0, 0);
    *s = (scene){0};
    fixture_open(&s->f, t);
    fixture_observe(&s->f, 1, x);
    const cloud_plan many = {.n_prior = 2000, .n_round = 2000, .enough = 3000};
    int status = on_grid ? grid_of_cells(&s->f.posterior, s->f.worker, s->f.observed, 0,
                                         1, region_cells(t->dim), &s->grid)
                         : cloud_of(&s->f.posterior, s->f.worker, s->f.observed, 0, 1,
                                    &many, &r, &s->cloud);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
    s->view = (region_view){.posterior = &s->f.posterior,
                            .worker = s->f.worker,
                            .observed = s->f.observed,
                            .n_rows = 1,
                            .grid = on_grid ? &s->grid : NULL,
                            .cloud = on_grid ? NULL : &s->cloud,
                            .v = 0.5};
    cr_assert_eq(region_view_open(&s->view), NRE_OK, "%s", error_message());
}

static void scene_close(scene *s)
{
    region_view_release(&s->view);
    grid_release(&s->grid);
    cloud_release(&s->cloud);
    fixture_close(&s->f);
}

static region region_at(scene *s, region_rule rule)
{
    region g;
    cr_assert_eq(region_of(&s->view, &rule, &g), NRE_OK, "%s", error_message());
    return g;
}

static bool holds(const region *g, const double *theta)
{
    uint8_t inside = 9;
    cr_assert_eq(region_contains(g, 1, theta, &inside), NRE_OK, "%s", error_message());
    cr_assert(inside <= 1);
    return inside;
}

static const double LEVELS[] = {0.68, 0.95, 0.997};

/* The HPD region of N(0.8 x, 0.2 I) is the disc whose squared radius is 0.2 times a quantile of
 * chi-squared: 400 points around its border are on the right side unless nearer than a cell. */
Test(region, hpd_is_a_disc)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    const float x[] = {0.7f, -0.4f};
    static scene s;
    scene_open(&s, &t, x, true);
    for (size_t i = 0; i < 3; i++) {
        double radius = sqrt(0.2 * gsl_cdf_chisq_Pinv(LEVELS[i], 2)), volume;
        region g = region_at(&s, (region_rule){.kind = REGION_HPD, .level = LEVELS[i]});
        for (int k = 0; k < 200; k++) {
            double angle = k * 0.1, off = 0.12 * radius * (k % 2 ? 1 : -1);
            double theta[] = {0.56 + (radius + off) * cos(angle),
                              -0.32 + (radius + off) * sin(angle)};
            cr_assert_eq(holds(&g, theta), k % 2 == 0, "level %g angle %g", LEVELS[i],
                         angle);
        }
        spans p;
        cr_assert_eq(region_projection(&g, 1, &p), NRE_OK);
        cr_assert_eq(p.n, 1);
        cr_assert_float_eq(p.at[0][0], -0.32 - radius, 0.1 * radius);
        cr_assert_float_eq(p.at[0][1], -0.32 + radius, 0.1 * radius);
        spans_release(&p);
        cr_assert_eq(region_volume(&g, &volume), NRE_OK);
        cr_assert(volume > 0.05 && volume < 0.9);
        region_release(&g);
    }
    scene_close(&s);
}

/* With a flat prior of width 10 the HPD region and Wilks' set are the same disc around x of radius
 * sigma sqrt(quantile), and the share of the prior is its area over 100. */
Test(region, shares_of_a_flat_prior)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = 0, .b = 10, .sigma = 0.3};
    const float x[] = {4.5f, 6.0f};
    static scene s;
    scene_open(&s, &t, x, true);
    for (size_t i = 0; i < 3; i++)
        for (int kind = REGION_HPD; kind <= REGION_WILKS; kind++) {
            double square = 0.09 * gsl_cdf_chisq_Pinv(LEVELS[i], 2), volume;
            region g = region_at(
                &s, (region_rule){.kind = (region_kind)kind, .level = LEVELS[i]});
            cr_assert_eq(region_volume(&g, &volume), NRE_OK);
            cr_assert_float_eq(volume, M_PI * square / 100, 0.03 * volume, "%d at %g: %g",
                               kind, LEVELS[i], volume);
            spans p;
            cr_assert_eq(region_projection(&g, 0, &p), NRE_OK);
            cr_assert_eq(p.n, 1);
            double tolerance = kind == REGION_WILKS ? 1e-3 : 0.1 * sqrt(square);
            cr_assert_float_eq(p.at[0][0], 4.5 - sqrt(square), tolerance);
            cr_assert_float_eq(p.at[0][1], 4.5 + sqrt(square), tolerance);
            spans_release(&p);
            region_release(&g);
        }
    scene_close(&s);
}

/* A bias lowers the border: the region of level L and bias b is that of level L + b. */
Test(region, bias_is_a_higher_level)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    const float x[] = {0.7f, -0.4f};
    static scene s;
    scene_open(&s, &t, x, true);
    region a =
        region_at(&s, (region_rule){.kind = REGION_HPD, .level = 0.68, .bias = 0.25});
    region b = region_at(&s, (region_rule){.kind = REGION_HPD, .level = 0.93});
    cr_assert_eq(a.border, b.border);
    cr_assert_eq(a.closed, b.closed);
    standing at = {.rank = 0.8};
    uint8_t in = 0;
    cr_assert_eq(region_decides(&a.rule, 2, 1, (double[]){0, 0}, &at, &in), 0);
    cr_assert_eq(in, 1);
    at.rank = 0.94;
    cr_assert_eq(region_decides(&a.rule, 2, 1, (double[]){0, 0}, &at, &in), 0);
    cr_assert_eq(in, 0);
    region_release(&a);
    region_release(&b);
    scene_close(&s);
}

/* Of theta after theta the region says what the standing says: coverage counts the same sets. */
Test(region, contains_what_standings_say)
{
    for (int on_grid = 0; on_grid <= 1; on_grid++) {
        toy t = {.dim = 3, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5, .rho = 0.3};
        const float x[] = {0.7f, -0.4f, 0.1f};
        enum { N = 300 };
        static double theta[N * 3];
        static standing at[N];
        static uint8_t inside[N], decided[N];
        static scene s;
        rng r;
        rng_start(&r, rng_purpose(5, "points"), 0, 0);
        scene_open(&s, &t, x, on_grid);
        for (size_t i = 0; i < N * 3; i++)
            theta[i] = 0.8 * (double)x[i % 3] + 0.7 * rng_normal(&r);
        cr_assert_eq(standings_of(&s.view, N, theta, at), NRE_OK);
        for (int kind = REGION_HPD; kind <= REGION_WILKS; kind++) {
            region g =
                region_at(&s, (region_rule){.kind = (region_kind)kind, .level = 0.68});
            size_t n = 0;
            cr_assert_eq(region_contains(&g, N, theta, inside), NRE_OK);
            cr_assert_eq(region_decides(&g.rule, 3, N, theta, at, decided), NRE_OK);
            cr_assert_arr_eq(inside, decided, N);
            for (size_t i = 0; i < N; i++) {
                n += inside[i];
                cr_assert_eq(holds(&g, theta + 3 * i), inside[i]);
            }
            cr_assert(n > 20 && n < N - 20, "%zu of %d", n, N);
            region_release(&g);
        }
        scene_close(&s);
    }
}

/* Deviances of a Gaussian are squared distances: x itself is the maximum. */
Test(region, deviance_of_a_gaussian)
{
    for (uint32_t dim = 1; dim <= 5; dim += 2) {
        toy t = {.dim = dim, .prior = TOY_UNIFORM, .a = 0, .b = 10, .sigma = 0.3};
        const float x[] = {4.0f, 5.0f, 6.0f, 3.0f, 7.0f};
        double theta[] = {4.3, 5.3, 5.7, 3.1, 7.0, -1, 5, 6, 3, 7}, square = 0;
        standing at[2];
        static scene s;
        scene_open(&s, &t, x, dim <= 3);
        for (uint32_t k = 0; k < dim; k++)
            square += pow((theta[k] - (double)x[k]) / 0.3, 2);
        theta[dim] = -1; /* outside the support */
        cr_assert_eq(standings_of(&s.view, 2, theta, at), NRE_OK);
        cr_assert_float_eq(at[0].deviance, square, 1e-4, "%u: %g", dim, at[0].deviance);
        cr_assert_eq(at[1].deviance, INFINITY);
        cr_assert_eq(at[1].rank >= 0.999, 1, "%g", at[1].rank);
        scene_close(&s);
    }
}

/* Threshold of Wilks: chi-squared with as many degrees of freedom as parameters. */
Test(region, wilks_border)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = 0, .b = 10, .sigma = 0.3};
    const float x[] = {4.5f, 6.0f};
    static scene s;
    scene_open(&s, &t, x, true);
    for (size_t i = 0; i < 3; i++) {
        region g = region_at(&s, (region_rule){.kind = REGION_WILKS, .level = LEVELS[i]});
        double radius = 0.3 * sqrt(-2 * log(1 - LEVELS[i])); /* chi-squared of 2 */
        cr_assert(holds(&g, (double[]){4.5 + 0.9999 * radius, 6}));
        cr_assert(!holds(&g, (double[]){4.5 + 1.0001 * radius, 6}));
        cr_assert(!holds(&g, (double[]){-5, 6}));
        region_release(&g);
    }
    scene_close(&s);
}

/* The profile over the other parameters of correlated Gaussian noise has the width of the
 * parameter's own noise, whatever the correlation. */
Test(region, profile_is_the_closed_form)
{
    for (uint32_t dim = 1; dim <= 3; dim++) {
        toy t = {.dim = dim,
                 .prior = TOY_UNIFORM,
                 .a = 0,
                 .b = 10,
                 .sigma = 0.3,
                 .rho = dim > 1 ? 0.8 : 0,
                 .no_evidence = true};
        const float x[] = {4.0f, 5.0f, 6.0f};
        static scene s;
        scene_open(&s, &t, x, true);
        for (size_t i = 0; i < 3; i++) {
            double half = 0.3 * sqrt(gsl_cdf_chisq_Pinv(LEVELS[i], 1));
            uint32_t k = dim - 1;
            region g = region_at(&s, (region_rule){.kind = REGION_PROFILE,
                                                   .level = LEVELS[i],
                                                   .parameter = k});
            cr_assert_eq(g.spans.n, 1);
            cr_assert_float_eq(g.spans.at[0][0], (double)x[k] - half, 2e-3);
            cr_assert_float_eq(g.spans.at[0][1], (double)x[k] + half, 2e-3);
            for (int side = -1; side <= 1; side += 2) {
                double in[] = {1, 9, 1}, out[] = {4, 5, 6}; /* the others do not matter */
                in[k] = (double)x[k] + 0.995 * side * half;
                out[k] = (double)x[k] + 1.005 * side * half;
                cr_assert(holds(&g, in), "dim %u level %g", dim, LEVELS[i]);
                cr_assert(!holds(&g, out), "dim %u level %g", dim, LEVELS[i]);
            }
            double far[] = {11, 11, 11};
            cr_assert(!holds(&g, far));
            region_release(&g);
        }
        scene_close(&s);
    }
}

/* HDI and one-sided limits of N(0.8 x, 0.2), from a grid and from draws. */
Test(region, intervals_of_one_parameter)
{
    for (int on_grid = 0; on_grid <= 1; on_grid++) {
        toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
        const float x[] = {0.7f, -0.4f};
        const double mean = 0.56, sd = sqrt(0.2);
        static scene s;
        scene_open(&s, &t, x, on_grid);
        for (size_t i = 0; i < 2; i++) {
            double z = gsl_cdf_ugaussian_Pinv(0.5 + LEVELS[i] / 2);
            double q = gsl_cdf_ugaussian_Pinv(LEVELS[i]);
            double tolerance = on_grid ? 2e-3 : 0.2 * sd;
            region h =
                region_at(&s, (region_rule){.kind = REGION_HDI, .level = LEVELS[i]});
            region lower =
                region_at(&s, (region_rule){.kind = REGION_LOWER, .level = LEVELS[i]});
            region upper =
                region_at(&s, (region_rule){.kind = REGION_UPPER, .level = LEVELS[i]});
            cr_assert_eq(h.spans.n, 1);
            cr_assert_float_eq(h.spans.at[0][0], mean - z * sd, tolerance, "%d %g %g",
                               on_grid, LEVELS[i], h.spans.at[0][0]);
            cr_assert_float_eq(h.spans.at[0][1], mean + z * sd, tolerance);
            cr_assert_float_eq(lower.spans.at[0][0], mean - q * sd, tolerance, "%d %g %g",
                               on_grid, LEVELS[i], lower.spans.at[0][0]);
            cr_assert_eq(lower.spans.at[0][1], INFINITY);
            cr_assert_eq(upper.spans.at[0][0], -INFINITY);
            cr_assert_float_eq(upper.spans.at[0][1], mean + q * sd, tolerance);
            cr_assert(holds(&lower, (double[]){mean, 99}));
            cr_assert(!holds(&lower, (double[]){mean - 2 * z * sd, 0}));
            cr_assert(!holds(&upper, (double[]){mean + 2 * z * sd, 0}));
            cr_assert(holds(&h, (double[]){mean, 99}));
            region_release(&h);
            region_release(&lower);
            region_release(&upper);
        }
        scene_close(&s);
    }
}

/* Two modes: the HDI, Wilks' set and the projection of the HPD region are unions of two intervals,
 * half of the mass in each. */
Test(region, unions_of_two_modes)
{
    toy t = {.dim = 1,
             .prior = TOY_UNIFORM,
             .a = -5,
             .b = 5,
             .sigma = 0.2,
             .mirrored = true,
             .no_evidence = true};
    const float x[] = {2.0f};
    static scene s;
    scene_open(&s, &t, x, true);
    double half = 0.2 * gsl_cdf_ugaussian_Pinv(0.5 + 0.68 / 2);
    const region_kind kinds[] = {REGION_HDI, REGION_PROFILE, REGION_HPD, REGION_WILKS};
    for (size_t i = 0; i < 4; i++) {
        region g = region_at(&s, (region_rule){.kind = kinds[i], .level = 0.68});
        spans p = g.spans, projected = {0};
        if (kinds[i] == REGION_HPD || kinds[i] == REGION_WILKS) {
            cr_assert_eq(region_projection(&g, 0, &projected), NRE_OK);
            p = projected;
        }
        cr_assert_eq(p.n, 2, "kind %d: %zu", kinds[i], p.n);
        double tolerance = kinds[i] == REGION_HPD ? 0.05 : 4e-3;
        for (size_t k = 0; k < 2; k++) {
            double centre = k == 0 ? -2 : 2;
            cr_assert_float_eq(p.at[k][0], centre - half, tolerance, "kind %d: %g",
                               kinds[i], p.at[k][0]);
            cr_assert_float_eq(p.at[k][1], centre + half, tolerance);
        }
        double between = 0, inside = 2.1;
        cr_assert(!holds(&g, &between));
        cr_assert(holds(&g, &inside));
        spans_release(&projected);
        region_release(&g);
    }
    scene_close(&s);
}

/* Of five parameters the cloud answers: 4000 points drawn from the posterior itself lie in its HPD
 * region about as often as the level says (its border is known by some thousand draws). */
Test(region, hpd_of_a_cloud)
{
    toy t = {.dim = 5, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    const float x[] = {0.7f, -0.4f, 0.1f, 1.0f, -1.3f};
    enum { N = 4000 };
    static double theta[N * 5];
    static uint8_t inside[N];
    static scene s;
    rng r;
    rng_start(&r, rng_purpose(8, "posterior"), 0, 0);
    for (size_t i = 0; i < N * 5; i++)
        theta[i] = 0.8 * (double)x[i % 5] + sqrt(0.2) * rng_normal(&r);
    scene_open(&s, &t, x, false);
    for (size_t i = 0; i < 3; i++) {
        double n = 0, volume, p = LEVELS[i];
        region g = region_at(&s, (region_rule){.kind = REGION_HPD, .level = p});
        cr_assert_eq(region_contains(&g, N, theta, inside), NRE_OK);
        for (size_t k = 0; k < N; k++)
            n += inside[k];
        double error = sqrt(p * (1 - p) * (1.0 / N + 1 / s.cloud.effective));
        cr_assert(fabs(n / N - p) < 4.5 * error, "%g: %g ± %g", p, n / N, error);
        cr_assert_eq(region_volume(&g, &volume), NRE_OK);
        /* Mass of N(0, I) in the ball: by quadrature it has no closed form; by draws here. */
        double prior_mass = 0, square = 0.2 * gsl_cdf_chisq_Pinv(p, 5);
        for (int k = 0; k < 40000; k++) {
            double away = 0;
            for (size_t j = 0; j < 5; j++)
                away += pow(rng_normal(&r) - 0.8 * (double)x[j], 2);
            prior_mass += away < square ? 1.0 / 40000 : 0;
        }
        cr_assert_float_eq(volume, prior_mass,
                           0.2 * prior_mass + 4.5 * sqrt(prior_mass / 40000),
                           "%g: %g for %g", p, volume, prior_mass);
        spans span;
        cr_assert_eq(region_projection(&g, 3, &span), NRE_OK);
        cr_assert(span.n == 1 && span.at[0][0] < 0.8 && span.at[0][1] > 0.8);
        spans_release(&span);
        region_release(&g);
    }
    scene_close(&s);
}

/* Draws of a chain do as well as a cloud; without log ratios they show no confidence set. */
Test(region, of_draws)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    const float x[] = {0.7f, -0.4f};
    enum { N = 5000 };
    static double theta[N * 2], density[N];
    static scene s;
    rng r;
    rng_start(&r, rng_purpose(9, "draws"), 0, 0);
    scene_open(&s, &t, x, false);
    for (size_t i = 0; i < N * 2; i++)
        theta[i] = 0.8 * (double)x[i % 2] + sqrt(0.2) * rng_normal(&r);
    standing at[1];
    cr_assert_eq(posterior_log_prior(&s.f.posterior, N, theta, density, NULL), NRE_OK);
    static double log_ratio[N];
    cr_assert_eq(ratio_evaluate(s.f.ratio, s.f.worker, s.f.observed, 0, 1, N, theta,
                                log_ratio, NULL),
                 NRE_OK);
    for (size_t i = 0; i < N; i++)
        density[i] += log_ratio[i];
    cloud c = {0};
    cr_assert_eq(cloud_of_draws(2, N, theta, density, NULL, N, 0.5, &c), NRE_OK);
    region_view v = s.view;
    v.cloud = &c;
    region g;
    region_rule rule = {.kind = REGION_HPD, .level = 0.95};
    cr_assert_eq(region_of(&v, &rule, &g), NRE_OK);
    double radius = sqrt(0.2 * gsl_cdf_chisq_Pinv(0.95, 2));
    cr_assert(holds(&g, (double[]){0.56 + 0.93 * radius, -0.32}));
    cr_assert(!holds(&g, (double[]){0.56 + 1.07 * radius, -0.32}));
    cr_assert_eq(standings_of(&v, 1, (double[]){0.56, -0.32}, at), NRE_OK);
    cr_assert(at[0].rank < 0.01);
    rule.kind = REGION_WILKS;
    double volume;
    cr_assert_eq(region_of(&v, &rule, &g), NRE_OK);
    cr_assert_eq(region_volume(&g, &volume), NRE_ENOTSUP);
    cr_assert_eq(cloud_of_draws(2, 0, theta, density, NULL, N, 0.5, &c), NRE_EINVAL);
    cloud_release(&c);
    scene_close(&s);
}

/* A Neyman set whose critical value is known: that of chi-squared, told by simulations. */
Test(region, neyman_set_of_a_gaussian)
{
    toy t = {.dim = 1, .prior = TOY_UNIFORM, .a = 0, .b = 10, .sigma = 0.3};
    const float x[] = {4.0f};
    enum { N = 20000 };
    static double theta[N], deviance[N];
    const double level = 0.68;
    static scene s;
    rng r;
    rng_start(&r, rng_purpose(11, "calibration"), 0, 0);
    for (size_t i = 0; i < N; i++) {
        theta[i] = 10 * rng_uniform(&r);
        deviance[i] = pow(rng_normal(&r), 2);
    }
    scene_open(&s, &t, x, true);
    neyman *m = NULL;
    neyman_plan asked = {&s.f.target, N, theta, deviance, 1, &level, NULL};
    cr_assert_eq(neyman_fit(&asked, &m), NRE_OK, "%s", error_message());
    region g = region_at(
        &s, (region_rule){.kind = REGION_BY_NEYMAN, .level = level, .neyman = m});
    spans p;
    double half = 0.3 * sqrt(gsl_cdf_chisq_Pinv(level, 1)), volume;
    cr_assert_eq(region_projection(&g, 0, &p), NRE_OK);
    cr_assert_eq(p.n, 1);
    cr_assert_float_eq(p.at[0][0], 4 - half, 0.08 * half);
    cr_assert_float_eq(p.at[0][1], 4 + half, 0.08 * half);
    cr_assert(holds(&g, (double[]){4 + 0.9 * half}) &&
              !holds(&g, (double[]){4 + 1.1 * half}));
    cr_assert_eq(region_volume(&g, &volume), NRE_OK);
    cr_assert_float_eq(volume, 0.2 * half, 0.1 * 0.2 * half);
    spans_release(&p);
    region_release(&g);
    neyman_free(m);
    scene_close(&s);
}

Test(region, nonsense_is_refused)
{
    toy t = {.dim = 5, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    const float x[] = {0.7f, -0.4f, 0.1f, 1.0f, -1.3f};
    static scene s;
    scene_open(&s, &t, x, false);
    region g;
    const region_rule wrong[] = {{.kind = REGION_HPD, .level = 0},
                                 {.kind = REGION_HPD, .level = 1},
                                 {.kind = REGION_HPD, .level = 0.95, .bias = 0.05},
                                 {.kind = REGION_HPD, .level = 0.95, .bias = -0.01},
                                 {.kind = REGION_WILKS, .level = NAN},
                                 {.kind = REGION_BY_NEYMAN, .level = 0.9},
                                 {.kind = REGION_HDI, .level = 0.9, .parameter = 5}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_eq(region_of(&s.view, &wrong[i], &g), NRE_EINVAL, "%zu", i);
    cr_assert_eq(
        region_of(&s.view, &(region_rule){.kind = REGION_PROFILE, .level = 0.9}, &g),
        NRE_ENOTSUP);
    region h = region_at(&s, (region_rule){.kind = REGION_HDI, .level = 0.9});
    spans p;
    double volume;
    cr_assert_eq(region_volume(&h, &volume), NRE_EINVAL);
    cr_assert_eq(region_projection(&h, 7, &p), NRE_EINVAL);
    region_release(&h);
    region_view none = {.posterior = &s.f.posterior};
    cr_assert_eq(region_view_open(&none), NRE_EINVAL);
    scene_close(&s);
}

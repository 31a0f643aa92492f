/* A prior cut to where an observation leaves it: volumes in closed form, chains of regions, their
 * files, and all that reads a posterior. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* x = theta + 0.3 normal in the square [-5, 5]^2: a region is a disc. */
static const toy WIDE = {.dim = 2, .prior = TOY_UNIFORM, .a = -5, .b = 5, .sigma = 0.3};
static const float X[2] = {1, 0.5f};
static const double EPSILON = 1e-4;

static fixture f;
static truncation *cut_;
static pool *workers;

/* log r = -(theta_0 - x_0 - CENTRE)^2 / (2 width^2), of the target's first parameter. */
typedef struct bell {
    ratio base; /* first */
    double centre, width;
} bell;

static int bell_observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    double *at = room_take(&o->offset, n, sizeof *at);
    (void)own;
    cr_assert_not_null(at);
    for (size_t i = 0; i < n; i++)
        at[i] = (double)x[i * r->n_x];
    return NRE_OK;
}

static int bell_evaluate(const ratio *r, void *own, const observed *o, size_t first,
                         size_t n, size_t per_x, const double *theta, double *log_ratio,
                         double *gradient)
{
    const bell *b = (const bell *)(const void *)r;
    const double *x = o->offset.at;
    (void)own, (void)gradient;
    for (size_t i = 0; i < n * per_x; i++) {
        double z =
            (theta[i * r->target->n] - x[first + i / per_x] - b->centre) / b->width;
        log_ratio[i] = -0.5 * z * z;
    }
    return NRE_OK;
}

static void bell_free(ratio *r)
{
    free(r);
}

static const ratio_kind BELL = {
    .observe = bell_observe, .evaluate = bell_evaluate, .free = bell_free};

static ratio *bell_new(const target *t, double centre, double width)
{
    bell *b = calloc(1, sizeof *b);
    b->base = (ratio){.kind = &BELL, .target = t, .n_x = 2, .normalised = true};
    b->centre = centre, b->width = width;
    return &b->base;
}

static ratio *exact_new(void)
{
    ratio *r = NULL;
    cr_assert_eq(ratio_exact(f.simulator, &f.target, &r), NRE_OK);
    return r;
}

static void open(void)
{
    fixture_open(&f, &WIDE);
    cr_assert_eq(truncation_new(simulator_prior(f.simulator), &cut_), NRE_OK);
    cr_assert_eq(pool_new(2, &workers), NRE_OK);
}

static void close_(void)
{
    fixture_close(&f);
    truncation_free(cut_);
    pool_free(workers);
}

TestSuite(truncation, .init = open, .fini = close_);
TestSuite(ratio_truncated, .init = open, .fini = close_);

static cut_request request_of(size_t n_parts, const cut_part *parts)
{
    return (cut_request){.n_parts = n_parts,
                         .parts = parts,
                         .n_rows = 1,
                         .x = X,
                         .epsilon = EPSILON,
                         .seed = 7,
                         .purpose = "region/1",
                         .workers = workers};
}

static void cut_exactly(const char *purpose)
{
    ratio *r = exact_new();
    cut_part part = {&f.target, 1, &r};
    cut_request q = request_of(1, &part);
    q.purpose = purpose;
    cr_assert_eq(truncation_cut(cut_, &q), NRE_OK, "%s", error_message());
}

/* Radius and prior mass of the disc. */
static double radius(void)
{
    return WIDE.sigma * sqrt(-2 * log(EPSILON));
}

static double disc(void)
{
    return M_PI * radius() * radius() / 100;
}

static bool holds(double a, double b)
{
    bool inside;
    cr_assert_eq(truncation_contains(cut_, 1, (double[]){a, b}, &inside), NRE_OK);
    return inside;
}

/* The maximum is that of the draws, at most a little below the true one: the disc may be larger by as much. */
Test(truncation, a_region_is_where_the_ratio_is_large)
{
    double error, volume;
    cut_exactly("region/1");
    volume = truncation_volume(cut_, 1, NULL, &error);
    cr_assert_eq(truncation_n(cut_), 1);
    cr_assert_geq(truncation_facts(cut_, 0)->kept, 4000);
    cr_assert_float_eq(error / volume, 1 / 64.0, 2e-3);
    cr_assert_lt(fabs(volume - disc()) / error, 4.5, "%g %g", volume, disc());
    for (int i = 0; i < 360; i++) {
        double a = i * M_PI / 180, r = radius();
        cr_assert(holds(1 + 0.999 * r * cos(a), 0.5 + 0.999 * r * sin(a)));
        cr_assert_not(holds(1 + 1.02 * r * cos(a), 0.5 + 1.02 * r * sin(a)));
    }
}

/* On what is left the next region is the same, and the volumes multiply. */
Test(truncation, regions_are_a_chain)
{
    double error;
    cut_exactly("region/1");
    cut_exactly("region/2");
    cr_assert_geq(truncation_facts(cut_, 1)->fraction, 0.99);
    double volume = truncation_volume(cut_, 2, NULL, &error);
    cr_assert_lt(fabs(volume - disc()) / error, 4.5);
    cr_assert_lt(volume, truncation_volume(cut_, 1, NULL, NULL) + 1e-15);
    cr_assert_eq(truncation_volume(cut_, 0, NULL, &error), 1);
    cr_assert_eq(error, 0);
    cr_assert(truncation_is_of(cut_, 1, X));
    cr_assert_not(truncation_is_of(cut_, 1, (float[]){1, 0.25f}));
    cr_assert_not(truncation_is_of(cut_, 2, (float[]){1, 0.5f, 1, 0.5f}));
}

/* Of two networks, either may keep a theta: two intervals of half width w sqrt(2 log 1/eps). */
Test(truncation, members_make_a_union)
{
    ratio *r[2] = {bell_new(&f.target, -3, 0.1), bell_new(&f.target, 2, 0.2)};
    cut_part part = {&f.target, 2, r};
    cut_request q = request_of(1, &part);
    double error, half = sqrt(-2 * log(EPSILON));
    cr_assert_eq(truncation_cut(cut_, &q), NRE_OK, "%s", error_message());
    double volume = truncation_volume(cut_, 1, NULL, &error);
    cr_assert_lt(fabs(volume - 2 * half * (0.1 + 0.2) / 10) / error, 4.5);
    cr_assert(holds(-2, 4));
    cr_assert(holds(-2 + 0.099 * half, -4));
    cr_assert_not(holds(-2 + 0.101 * half, 0));
    cr_assert(holds(3 - 0.198 * half, 0));
    cr_assert_not(holds(0.5, 0));
}

/* Two targets of a parameter each: a product. */
Test(truncation, targets_make_a_product)
{
    static const uint32_t FIRST[1] = {0}, SECOND[1] = {1};
    target a = {.name = "a", .n = 1, .which = FIRST, .prior = f.target.prior};
    target b = {.name = "b", .n = 1, .which = SECOND, .prior = f.target.prior};
    ratio *one = bell_new(&a, 0, 0.3), *two = bell_new(&b, 1, 0.4);
    cut_part part[2] = {{&a, 1, &one}, {&b, 1, &two}};
    cut_request q = request_of(2, part);
    double error, half = sqrt(-2 * log(EPSILON)), va = 0.06 * half, vb = 0.08 * half;
    bool inside[2];
    cr_assert_eq(truncation_cut(cut_, &q), NRE_OK, "%s", error_message());
    double volume = truncation_volume(cut_, 1, NULL, &error);
    cr_assert_lt(fabs(volume - va * vb) / error, 4.5);
    volume = truncation_volume(cut_, 1, &a, &error);
    cr_assert_lt(fabs(volume - va) / error, 4.5);
    volume = truncation_volume(cut_, 1, &b, &error);
    cr_assert_lt(fabs(volume - vb) / error, 4.5);
    cr_assert(holds(1, 2));
    cr_assert_not(holds(1, 4));
    cr_assert_not(holds(-1, 2));
    cr_assert_eq(truncation_contains_target(cut_, &b, 2, (double[]){2, 4}, inside), 0);
    cr_assert(inside[0]);
    cr_assert_not(inside[1]);
}

Test(truncation, a_box_around_the_region)
{
    ratio *r = exact_new();
    cut_part part = {&f.target, 1, &r};
    cut_request q = request_of(1, &part);
    q.box = true;
    cr_assert_eq(truncation_cut(cut_, &q), NRE_OK, "%s", error_message());
    double volume = truncation_volume(cut_, 1, NULL, NULL), side = 2 * radius() / 10;
    cr_assert_gt(volume, 0.95 * side * side);
    cr_assert_lt(volume, 1.1 * side * side);
    cr_assert(holds(1 + 0.97 * radius(), 0.5 + 0.97 * radius()), "a corner is kept");
    cr_assert_not(holds(1 + 1.1 * radius(), 0.5));
}

/* Kept draws: uniform on the disc, of variance r^2 / 4 by parameter. */
Test(truncation, moments_of_what_is_left)
{
    const double *centre, *deviation;
    cut_exactly("region/1");
    truncation_moments(cut_, &f.target, &centre, &deviation);
    double unit = 10 / sqrt(12), sd = radius() / 2 / unit;
    double n = (double)truncation_facts(cut_, 0)->kept;
    cr_assert_lt(fabs(centre[0] - 1 / unit) / (sd / sqrt(n)), 4.5);
    cr_assert_lt(fabs(centre[1] - 0.5 / unit) / (sd / sqrt(n)), 4.5);
    cr_assert_float_eq(deviation[0], sd, 0.03 * sd);
    cr_assert_float_eq(deviation[1], sd, 0.03 * sd);
}

Test(truncation, threads_change_nothing)
{
    double volume[2], centre[2][2];
    for (unsigned i = 0; i < 2; i++) {
        const double *c, *d;
        pool_free(workers);
        truncation_free(cut_);
        cr_assert_eq(pool_new(i ? 3 : 1, &workers), NRE_OK);
        cr_assert_eq(truncation_new(simulator_prior(f.simulator), &cut_), NRE_OK);
        cut_exactly("region/1");
        cut_exactly("region/2");
        volume[i] = truncation_volume(cut_, 2, NULL, NULL);
        truncation_moments(cut_, &f.target, &c, &d);
        memcpy(centre[i], c, sizeof centre[i]);
    }
    cr_assert_eq(volume[0], volume[1]);
    cr_assert_arr_eq(centre[0], centre[1], sizeof centre[0]);
}

static void refuse(const char *path, const float *x, int wanted)
{
    ratio *r = exact_new();
    cut_part part = {&f.target, 1, &r};
    cut_request q = request_of(1, &part);
    truncation *t = NULL;
    q.x = x;
    cr_assert_eq(truncation_new(simulator_prior(f.simulator), &t), NRE_OK);
    cr_assert_eq(truncation_load(t, &q, path), wanted, "%s", error_message());
    cr_assert_eq(truncation_n(t), 0);
    truncation_free(t);
}

Test(truncation, is_the_same_after_saving)
{
    char folder[] = "/tmp/nereid-truncation-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/region.h5", folder);
    cut_exactly("region/1");
    cr_assert_eq(truncation_save(cut_, path), NRE_OK, "%s", error_message());
    truncation *t = NULL;
    ratio *r = exact_new();
    cut_part part = {&f.target, 1, &r};
    cut_request q = request_of(1, &part);
    cr_assert_eq(truncation_new(simulator_prior(f.simulator), &t), NRE_OK);
    cr_assert_eq(truncation_load(t, &q, path), NRE_OK, "%s", error_message());
    cr_assert_eq(
        memcmp(truncation_facts(t, 0), truncation_facts(cut_, 0), sizeof(cut_facts)), 0);
    static double theta[5000][2];
    static bool one[5000], two[5000];
    cr_assert_eq(prior_sample(f.target.prior, rng_purpose(1, "t"), 0, 0, 5000, theta[0]),
                 NRE_OK);
    cr_assert_eq(truncation_contains(cut_, 5000, theta[0], one), NRE_OK);
    cr_assert_eq(truncation_contains(t, 5000, theta[0], two), NRE_OK);
    cr_assert_arr_eq(one, two, sizeof one);
    truncation_free(t);
    refuse(path, (float[]){1, 0.25f}, NRE_EDATA);
    cr_assert_eq(truncate(path, 700), 0);
    refuse(path, X, NRE_EDATA);
    unlink(path);
    rmdir(folder);
}

/* What rejection could not find is refused. */
Test(truncation, a_volume_too_small_is_an_error)
{
    ratio *r = bell_new(&f.target, 0, 1e-7);
    cut_part part = {&f.target, 1, &r};
    cut_request q = request_of(1, &part);
    cr_assert_eq(truncation_cut(cut_, &q), NRE_ENUMERIC);
    cr_assert(strstr(error_message(), "rounds.epsilon"), "%s", error_message());
}

/* Gradient, pairs, sums over rows: 0 outside, the inner ratio's inside. */
Test(ratio_truncated, is_zero_outside)
{
    double theta[4][2] = {{1, 0.5}, {3, 3}, {1.2, 0.6}, {-4, 0}}, value[4], want[4],
           slope[4][2], want_slope[4][2];
    const float two[4] = {1, 0.5f, 1.1f, 0.4f};
    cut_exactly("region/1");
    fixture_observe(&f, 2, two);
    cr_assert_eq(ratio_evaluate(f.ratio, f.worker, f.observed, 1, 1, 4, theta[0], want,
                                want_slope[0]),
                 NRE_OK);
    ratio *r = NULL;
    cr_assert_eq(ratio_truncated(exact_new(), cut_, &r), NRE_OK);
    fixture_use(&f, r);
    fixture_observe(&f, 2, two);
    cr_assert_eq(
        ratio_evaluate(r, f.worker, f.observed, 1, 1, 4, theta[0], value, slope[0]),
        NRE_OK);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(value[i], i % 2 ? -INFINITY : want[i]);
        cr_assert_eq(slope[i][0], i % 2 ? 0 : want_slope[i][0]);
    }
    cr_assert_eq(ratio_joint(r, f.worker, f.observed, 0, 2, 4, theta[0], value, NULL), 0);
    cr_assert_eq(value[1], -INFINITY);
    cr_assert(isfinite(value[0]) && value[0] < 2 * want[0] + 10);
    size_t row[4] = {1, 0, 1, 0};
    cr_assert_eq(
        ratio_evaluate_pairs(r, f.worker, f.observed, 4, row, theta[0], value, NULL), 0);
    cr_assert_eq(value[0], want[0]);
    cr_assert_eq(value[2], want[2]);
    cr_assert_eq(value[3], -INFINITY);
    cr_assert_eq(ratio_evaluate(r, f.worker, f.observed, 0, 2, 1, theta[0], value, NULL),
                 0);
    cr_assert_eq(value[1], -INFINITY);
}

static void truncate_fixture(void)
{
    ratio *r = NULL;
    cut_exactly("region/1");
    cr_assert_eq(ratio_truncated(exact_new(), cut_, &r), NRE_OK);
    fixture_use(&f, r);
    fixture_observe(&f, 1, X);
    f.posterior.truncation = cut_;
}

/* The truncated prior has unit mass: with the ratio to the whole evidence the area is
 * 1 / volume, as measured; only 1e-4 of the posterior lies outside. */
Test(ratio_truncated, grid_and_cloud_know_the_volume)
{
    grid g = {0};
    cloud c = {0};
    rng r;
    truncate_fixture();
    double log_volume = posterior_log_volume(&f.posterior);
    cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, 1, &g), NRE_OK, "%s",
                 error_message());
    cr_assert_float_eq(g.log_area + log_volume, 0, 2e-3);
    rng_start(&r, rng_purpose(3, "cloud"), 0, 0);
    cr_assert_eq(cloud_of(&f.posterior, f.worker, f.observed, 0, 1, NULL, &r, &c), NRE_OK,
                 "%s", error_message());
    cr_assert_lt(fabs(c.log_area + log_volume) * sqrt(c.effective), 4.5);
    for (size_t i = 0; i < c.n; i++)
        cr_assert(c.weight[i] == 0 || holds(c.theta[2 * i], c.theta[2 * i + 1]));
    grid_release(&g);
    cloud_release(&c);
}

Test(ratio_truncated, prior_is_of_what_is_left)
{
    static double theta[2000][2];
    double value[2], mean = 0, sd = radius() / 2;
    rng r;
    truncate_fixture();
    rng_start(&r, rng_purpose(3, "sample"), 0, 0);
    cr_assert_eq(posterior_sample(&f.posterior, &r, 2000, theta[0]), NRE_OK);
    for (int i = 0; i < 2000; i++) {
        cr_assert(holds(theta[i][0], theta[i][1]));
        mean += theta[i][0] / 2000;
    }
    cr_assert_lt(fabs(mean - 1) / (sd / sqrt(2000)), 4.5);
    cr_assert_eq(
        posterior_log_prior(&f.posterior, 2, (double[]){1, 0.5, 4, 4}, value, NULL),
        NRE_OK);
    cr_assert_float_eq(value[0], -log(100) - posterior_log_volume(&f.posterior), 1e-12);
    cr_assert_eq(value[1], -INFINITY);
}

/* An observation whose likelihood rises towards the edge: the maximum stays inside. */
Test(ratio_truncated, maxima_stay_inside)
{
    double theta[2], value, start[2] = {1.2, 0.6};
    truncate_fixture();
    fixture_observe(&f, 1, (float[]){4, 0.5f});
    cr_assert_eq(maximum_of(&f.posterior, f.worker, f.observed, 0, 1, MAXIMUM_RATIO, 1,
                            start, theta, &value),
                 NRE_OK);
    cr_assert(holds(theta[0], theta[1]));
    cr_assert_gt(theta[0], 1.2);
}

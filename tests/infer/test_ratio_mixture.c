/* ratio_mixture.c: the mixture of posteriors whose members know their ratios up to a function
 * of x, against quadrature and closed forms. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* a member: the toy's log likelihood, plus any function of x */

typedef struct offset {
    ratio base; /* first */
    toy toy;
    double scale;
} offset;

static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    float *kept = room_take(&o->row, n, r->n_x * sizeof *kept);
    (void)own;
    cr_assert_not_null(kept);
    memcpy(kept, x, n * r->n_x * sizeof *x);
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const offset *f = (const offset *)(const void *)r;
    size_t d = r->target->n;
    (void)own;
    for (size_t i = 0; i < n * per_x; i++) {
        const float *x = (const float *)o->row.at + (first + i / per_x) * r->n_x;
        log_ratio[i] =
            toy_log_likelihood(&f->toy, theta + i * d, x) + f->scale * (3 + (double)x[0]);
        for (size_t k = 0; gradient && k < d; k++) /* without correlation */
            gradient[i * d + k] =
                ((double)x[k] - theta[i * d + k]) / (f->toy.sigma * f->toy.sigma);
    }
    return NRE_OK;
}

static void release(ratio *r)
{
    free(r);
}

static const ratio_kind OFFSET = {
    .observe = observe, .evaluate = evaluate, .free = release};

static ratio *member(const target *t, const toy *y, double sigma, double scale)
{
    offset *f = memory_new(1, sizeof *f);
    *f = (offset){
        {.kind = &OFFSET, .target = t, .n_x = y->dim, .has_gradient = true}, *y, scale};
    f->toy.sigma = sigma;
    return &f->base;
}

enum { MEMBERS = 3 };
static const double SIGMA[MEMBERS] = {0.2, 0.5, 0.9};

static void mixture_open(fixture *f, const toy *t, double scale)
{
    ratio *members[MEMBERS], *mixed = NULL;
    fixture_open(f, t);
    for (int m = 0; m < MEMBERS; m++)
        members[m] = member(&f->target, t, SIGMA[m], scale * (m - 1));
    cr_assert_eq(ratio_of_mixture(MEMBERS, members, NULL, &mixed), 0);
    cr_assert(ratio_has_gradient(mixed) && ratio_is_normalised(mixed));
    fixture_use(f, mixed);
}

static const toy LINE = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
static const float X[] = {0.3f, -0.6f, 0.9f, 2.0f};

/* Of the log of an area, as in the tests of grids. */
#define GRID_ERROR 1e-2

/* By the trapezoidal rule over 12 deviations: exact to rounding for such functions. */
static double by_quadrature(size_t n, const float *x, double theta)
{
    enum { POINTS = 24001 };
    double sum = 0;
    for (int m = 0; m < MEMBERS; m++) {
        toy t = LINE;
        double area = 0, step = 24.0 / (POINTS - 1), own = 0;
        t.sigma = SIGMA[m];
        for (size_t i = 0; i < n; i++)
            own += toy_log_likelihood(&t, &theta, x + i);
        for (int p = 0; p < POINTS; p++) {
            double at = -12 + p * step,
                   value = -0.5 * at * at - 0.5 * log(2 * acos(-1.0));
            for (size_t i = 0; i < n; i++)
                value += toy_log_likelihood(&t, &at, x + i);
            area += step * exp(value);
        }
        sum += exp(own) / area / MEMBERS;
    }
    return log(sum);
}

Test(ratio_mixture, is_the_mixture_of_posteriors_of_a_row)
{
    fixture f;
    mixture_open(&f, &LINE, 2);
    fixture_observe(&f, 4, X);
    for (size_t row = 0; row < 4; row++)
        for (double theta = -2; theta <= 2; theta += 0.25) {
            double found;
            cr_assert_eq(ratio_evaluate(f.ratio, f.worker, f.observed, row, 1, 1, &theta,
                                        &found, NULL),
                         0);
            cr_assert_float_eq(found, by_quadrature(1, X + row, theta), GRID_ERROR,
                               "%zu, %g: %g off", row, theta,
                               found - by_quadrature(1, X + row, theta));
        }
    fixture_close(&f);
}

Test(ratio_mixture, normalises_a_set_as_a_whole)
{
    fixture f;
    mixture_open(&f, &LINE, 2);
    double apart = 0;
    fixture_observe(&f, 4, X);
    for (double theta = -2; theta <= 2; theta += 0.25) {
        double found, rows[3];
        double same[] = {theta, theta, theta};
        cr_assert_eq(
            ratio_joint(f.ratio, f.worker, f.observed, 1, 3, 1, &theta, &found, NULL), 0);
        cr_assert_float_eq(found, by_quadrature(3, X + 1, theta), GRID_ERROR, "%g: %g",
                           theta, found);
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, 1, 3, 1, same, rows, NULL), 0);
        apart = fmax(apart, fabs(rows[0] + rows[1] + rows[2] - found));
    }
    cr_assert_gt(apart, 1, "log ratios of rows do not add");
    fixture_close(&f);
}

/* What a member adds to its ratio by x moves the mean of log ratios, not the mixture. */
Test(ratio_mixture, functions_of_x_cancel)
{
    fixture plain, moved;
    const double theta[] = {-0.4, 0.1, 0.7};
    double a[3], b[3];
    mixture_open(&plain, &LINE, 0);
    mixture_open(&moved, &LINE, 50);
    fixture_observe(&plain, 4, X);
    fixture_observe(&moved, 4, X);
    cr_assert_eq(
        ratio_joint(plain.ratio, plain.worker, plain.observed, 0, 4, 3, theta, a, NULL),
        0);
    cr_assert_eq(
        ratio_joint(moved.ratio, moved.worker, moved.observed, 0, 4, 3, theta, b, NULL),
        0);
    for (int i = 0; i < 3; i++)
        cr_assert_float_eq(a[i], b[i], 1e-9);
    fixture_close(&plain);
    fixture_close(&moved);
}

Test(ratio_mixture, gradient_is_its_derivative)
{
    toy t = {.dim = 2, .prior = TOY_UNIFORM, .a = -2, .b = 2, .sigma = 0.5};
    fixture f;
    const double h = 1e-5;
    mixture_open(&f, &t, 1);
    fixture_observe(&f, 2, X);
    for (size_t n_rows = 1; n_rows <= 2; n_rows++)
        for (int k = 0; k < 2; k++) {
            double theta[3][2] = {{0.2, -0.3}, {0.2, -0.3}, {0.2, -0.3}}, value[3],
                   gradient[3][2];
            theta[1][k] -= h;
            theta[2][k] += h;
            cr_assert_eq(ratio_joint(f.ratio, f.worker, f.observed, 0, n_rows, 3,
                                     &theta[0][0], value, &gradient[0][0]),
                         0);
            cr_assert_float_eq(gradient[0][k], (value[2] - value[1]) / (2 * h), 1e-5);
        }
    fixture_close(&f);
}

/* Five parameters: areas from clouds of an effective size of 400 or more, 5% each. */
Test(ratio_mixture, normalises_by_clouds_above_three_parameters)
{
    toy t = {.dim = 5, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    fixture f;
    rng r;
    mixture_open(&f, &t, 1);
    for (uint64_t i = 0; i < 5; i++) {
        double theta[5], found, sum = 0;
        float x[5];
        rng_start(&r, rng_purpose(3, "mixture"), i, 0);
        toy_pair(&t, &r, theta, x);
        fixture_observe(&f, 1, x);
        for (int m = 0; m < MEMBERS; m++) {
            toy one = t;
            one.sigma = SIGMA[m];
            sum += exp(toy_log_likelihood(&one, theta, x) - toy_log_evidence(&one, x)) /
                   MEMBERS;
        }
        cr_assert_eq(
            ratio_evaluate(f.ratio, f.worker, f.observed, 0, 1, 1, theta, &found, NULL),
            0);
        cr_assert_float_eq(found, log(sum), 4.5 * 0.05, "%g, not %g", found, log(sum));
    }
    fixture_close(&f);
}

/* The order of questions, other rows in between and the worker leave no trace. */
Test(ratio_mixture, answers_do_not_depend_on_what_was_asked_before)
{
    fixture f;
    ratio_worker *other = NULL;
    const double theta[] = {-0.4, 0.1, 0.7, 1.1};
    double first[4], again[4], set[4], set_again[4];
    mixture_open(&f, &LINE, 2);
    cr_assert_eq(ratio_worker_new(f.ratio, &other), 0);
    fixture_observe(&f, 4, X);
    cr_assert_eq(
        ratio_evaluate(f.ratio, f.worker, f.observed, 0, 4, 1, theta, first, NULL), 0);
    cr_assert_eq(ratio_joint(f.ratio, f.worker, f.observed, 0, 2, 4, theta, set, NULL),
                 0);
    cr_assert_eq(ratio_joint(f.ratio, other, f.observed, 1, 3, 4, theta, again, NULL), 0);
    cr_assert_eq(ratio_joint(f.ratio, other, f.observed, 0, 2, 4, theta, set_again, NULL),
                 0);
    cr_assert_arr_eq(set, set_again, sizeof set);
    for (size_t i = 4; i-- > 0;)
        cr_assert_eq(ratio_evaluate(f.ratio, other, f.observed, i, 1, 1, theta + i,
                                    again + i, NULL),
                     0);
    cr_assert_arr_eq(first, again, sizeof first);
    fixture_observe(&f, 3, X + 1);
    cr_assert_eq(
        ratio_evaluate(f.ratio, f.worker, f.observed, 0, 3, 1, theta + 1, again, NULL),
        0);
    cr_assert_arr_eq(first + 1, again, 3 * sizeof *first);
    ratio_worker_free(other);
    fixture_close(&f);
}

Test(ratio_mixture, area_is_one)
{
    fixture f;
    grid g = {0};
    mixture_open(&f, &LINE, 2);
    fixture_observe(&f, 4, X);
    for (size_t n_rows = 1; n_rows <= 4; n_rows += 3) {
        cr_assert_eq(grid_of(&f.posterior, f.worker, f.observed, 0, n_rows, &g), 0);
        cr_assert_float_eq(g.log_area, 0, GRID_ERROR, "%g", g.log_area);
    }
    grid_release(&g);
    fixture_close(&f);
}

/* Where half of the prior is hardly ever valid, the posteriors that are mixed know it. */
Test(ratio_mixture, areas_are_over_the_prior_of_valid_theta)
{
    fixture f;
    ratio *members[2] = {NULL}, *mixed = NULL;
    validity_model *valid = NULL;
    grid g = {0};
    fixture_open(&f, &LINE);
    validity *v = validity_new(simulator_prior(f.simulator));
    for (int i = -200; i <= 200; i++)
        for (int k = 0; k < 4; k++)
            validity_add(v, 1, (double[]){i / 100.0}, &(uint8_t){i < 0 || k == 0});
    cr_assert_eq(validity_fit(v, 0, NULL, &valid), 0, "%s", error_message());
    for (int m = 0; m < 2; m++)
        members[m] = member(&f.target, &LINE, SIGMA[m], m);
    cr_assert_eq(ratio_of_mixture(2, members, valid, &mixed), 0);
    fixture_use(&f, mixed);
    fixture_observe(&f, 4, X);
    posterior with = {.ratio = mixed, .validity = valid}, without = {.ratio = mixed};
    cr_assert_eq(grid_of(&with, f.worker, f.observed, 2, 1, &g), 0);
    cr_assert_float_eq(g.log_area, 0, GRID_ERROR, "%g", g.log_area);
    cr_assert_eq(grid_of(&without, f.worker, f.observed, 2, 1, &g), 0);
    cr_assert_gt(fabs(g.log_area), 0.1, "%g", g.log_area);
    grid_release(&g);
    fixture_close(&f);
    validity_model_free(valid);
    validity_free(v);
}

Test(ratio_mixture, of_nobody_is_refused)
{
    ratio *r = NULL;
    cr_assert_eq(ratio_of_mixture(0, NULL, NULL, &r), NRE_EINVAL);
}

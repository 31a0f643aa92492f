/* Rows of a simulator: the same bits for any split and threads; what plugins do wrong is
 * named. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000 };

typedef struct rows {
    double theta[N][2];
    float x[N][5];
    uint8_t status[N];
    tally count;
} rows;

static int try_rows(rows *r, unsigned threads, draw d, bool noise)
{
    pool *p = NULL;
    simulator *s = mock_open(noise);
    memset(r, 0, sizeof *r);
    cr_assert_eq(pool_new(threads, &p), 0);
    d.purpose = "train";
    int status = simulator_draw(s, p, NULL, &d, &r->theta[0][0], &r->x[0][0], r->status,
                                &r->count, NULL);
    simulator_close(s);
    pool_free(p);
    cr_assert_eq(mock_workers, 0, "workers are ended");
    return status;
}

static rows *drawn(unsigned threads, draw d, bool noise)
{
    rows *r = malloc(sizeof *r);
    int status = try_rows(r, threads, d, noise);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
    return r;
}

static const draw ALL = {.seed = 5, .n = N, .on_invalid = 2};

Test(draw, threads_change_nothing)
{
    mock_fault = FAULT_CHANCE;
    rows *one = drawn(1, ALL, true), *three = drawn(3, ALL, true);
    cr_assert_arr_eq(one, three, sizeof *one);
    cr_assert_eq(one->count.rows, N);
    cr_assert_gt(one->count.invalid, 0);
    cr_assert_eq(one->count.attempts, N + one->count.invalid);
    free(one), free(three);
}

Test(draw, rows_do_not_depend_on_others)
{
    mock_fault = FAULT_CHANCE;
    draw part = ALL;
    part.first = 700, part.n = 30;
    rows *all = drawn(1, ALL, true), *some = drawn(1, part, true);
    cr_assert_arr_eq(some->theta, all->theta[700], 30 * sizeof all->theta[0]);
    cr_assert_arr_eq(some->x, all->x[700], 30 * sizeof all->x[0]);
    free(all), free(some);
}

/* x is curve = a + j b + normal: residuals are standard normals. */
Test(draw, x_belongs_to_its_theta)
{
    rows *r = drawn(2, ALL, false);
    double sum = 0, square = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 4; j++) {
            double e = r->x[i][j] - r->theta[i][0] - j * r->theta[i][1];
            sum += e, square += e * e;
        }
    cr_assert_lt(fabs(sum) / sqrt(4 * N), 4.5);
    cr_assert_lt(fabs(square - 4 * N) / sqrt(2 * 4 * N), 4.5);
    cr_assert_eq(r->count.invalid, 0);
    free(r);
}

Test(draw, noise_is_added_unless_clean)
{
    draw without = ALL;
    without.clean = true;
    rows *noisy = drawn(2, ALL, true), *clean = drawn(2, without, true);
    double square = 0;
    cr_assert_arr_eq(noisy->theta, clean->theta, sizeof clean->theta);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(noisy->x[i][4], clean->x[i][4]);
        for (int j = 0; j < 4; j++)
            square += pow(10 * ((double)noisy->x[i][j] - (double)clean->x[i][j]), 2);
    }
    cr_assert_lt(fabs(square - 4 * N) / sqrt(2 * 4 * N), 4.5);
    free(noisy), free(clean);
}

/* The noise that simulator_draw adds is that of epoch 0. */
Test(draw, perturb_repeats_the_noise_of_a_draw)
{
    draw without = ALL;
    uint64_t item[N];
    without.clean = true;
    rows *noisy = drawn(2, ALL, true), *clean = drawn(2, without, true);
    simulator *s = mock_open(true);
    for (uint64_t i = 0; i < N; i++)
        item[i] = i;
    cr_assert_eq(simulator_perturb(s, rng_purpose(5, "noise/train"), N, item, 0,
                                   &clean->theta[0][0], &clean->x[0][0], 0),
                 0);
    cr_assert_arr_eq(noisy->x, clean->x, sizeof clean->x);
    cr_assert_eq(simulator_perturb(s, rng_purpose(5, "noise/train"), 1, item, 1,
                                   &clean->theta[0][0], &clean->x[0][0], 0),
                 0);
    cr_assert_neq(noisy->x[0][0], clean->x[0][0]);
    simulator_close(s);
    free(noisy), free(clean);
}

Test(draw, redraw_of_x_keeps_theta)
{
    mock_fault = FAULT_CHANCE;
    draw same = ALL;
    same.on_invalid = 1;
    rows *redrawn = drawn(1, same, false);
    mock_fault = FAULT_NONE;
    rows *plain = drawn(1, ALL, false);
    cr_assert_arr_eq(redrawn->theta, plain->theta, sizeof plain->theta);
    cr_assert_gt(redrawn->count.invalid, 0);
    free(redrawn), free(plain);
}

/* With thetas redrawn, theta follows p(theta | valid): its mean a moves by what
 * quadrature says. */
Test(draw, redrawn_theta_follows_the_valid_prior)
{
    enum { GRID = 400 };
    double norm = 0, first = 0, second = 0, sum = 0;
    mock_fault = FAULT_CHANCE;
    rows *r = drawn(2, ALL, false);
    for (int i = 0; i < GRID; i++)
        for (int k = 0; k < GRID; k++) {
            double a = (i + 0.5) / GRID, z = 12.0 * ((k + 0.5) / GRID - 0.5);
            double w = exp(-0.5 * z * z) / (1 + exp(-(3 - 4 * a + 2 * z)));
            norm += w, first += w * a, second += w * a * a;
        }
    double mean = first / norm, deviation = sqrt(second / norm - mean * mean);
    for (int i = 0; i < N; i++)
        sum += r->theta[i][0];
    cr_assert_lt(fabs(sum / N - mean) * sqrt(N) / deviation, 4.5);
    cr_assert_gt((0.5 - mean) * sqrt(N) / deviation, 4.5, "the test sees the difference");
    free(r);
}

Test(draw, theta_may_be_given)
{
    const double at[2] = {0.5, -1};
    draw fixed = ALL;
    fixed.at = at;
    mock_fault = FAULT_CHANCE;
    rows *r = drawn(2, fixed, false);
    for (int i = 0; i < N; i++)
        cr_assert_arr_eq(r->theta[i], at, sizeof at);
    cr_assert_gt(r->count.invalid, 0);
    free(r);
}

/* Each row has its own b, whatever becomes of it; a comes from the prior, anew where theta is redrawn,
 * of the same streams as ever. */
Test(draw, a_part_of_theta_may_be_given)
{
    static const uint32_t SECOND[] = {1};
    double b[N];
    const theta_given known = {.n = 1, .which = SECOND, .theta = b, .step = 1};
    draw part = ALL;
    for (int i = 0; i < N; i++)
        b[i] = 0.01 * i - 4;
    part.given = &known;
    mock_fault = FAULT_CHANCE;
    rows *one = drawn(1, part, true), *three = drawn(3, part, true);
    cr_assert_arr_eq(one, three, sizeof *one);
    for (int policy = 1; policy <= 2; policy++) {
        size_t same = 0;
        draw all = ALL;
        part.on_invalid = policy;
        rows *r = drawn(2, part, false);
        mock_fault = FAULT_NONE;
        rows *free_of = drawn(2, all, false);
        mock_fault = FAULT_CHANCE;
        for (int i = 0; i < N; i++) {
            cr_assert_eq(r->theta[i][1], b[i]);
            same += r->theta[i][0] == free_of->theta[i][0];
        }
        cr_assert_gt(r->count.invalid, N / 10);
        cr_assert(policy == 1 ? same == N : same < N - N / 10 && same > N / 10);
        free(r), free(free_of);
    }
    free(one), free(three);
}

Test(draw, one_part_for_all_rows)
{
    static const uint32_t BOTH[] = {1, 0};
    const double at[] = {-1, 0.5};
    const theta_given known = {.n = 2, .which = BOTH, .theta = at};
    draw all = ALL, part = ALL;
    all.at = (double[]){0.5, -1};
    part.given = &known;
    mock_fault = FAULT_CHANCE;
    rows *one = drawn(2, all, true), *other = drawn(2, part, true);
    cr_assert_arr_eq(one, other, sizeof *one);
    free(one), free(other);
}

Test(draw, marks_are_counted)
{
    mock_fault = FAULT_MARKS;
    rows *r = drawn(3, ALL, false);
    uint64_t truncated = 0, redrawn = 0;
    for (int i = 0; i < N; i++)
        truncated += r->status[i] == NRE_ROW_TRUNCATED,
            redrawn += r->status[i] == NRE_ROW_REDRAWN;
    cr_assert_eq(r->count.truncated, truncated);
    cr_assert_eq(r->count.redrawn, redrawn);
    cr_assert_lt(fabs(z_of_share(truncated, N, 0.25)), 4.5);
    cr_assert_lt(fabs(z_of_share(redrawn, N, 0.5)), 4.5);
    free(r);
}

/* what goes wrong */

static void fails(fault f, int policy, int expected, const char *words)
{
    rows *r = malloc(sizeof *r);
    draw d = ALL;
    d.on_invalid = policy;
    d.n = f == FAULT_ALWAYS ? 2 : N; /* 10,000 attempts at each row take their time */
    mock_fault = f;
    cr_assert_eq(try_rows(r, 1, d, false), expected, "%s", words);
    cr_assert(message_has(words));
    char *first = strdup(error_message());
    cr_assert_eq(try_rows(r, 3, d, false), expected);
    cr_assert_str_eq(error_message(), first, "the same for any number of threads");
    free(first);
    free(r);
}

Test(draw, faults_of_plugins_are_named)
{
    fails(FAULT_NAN, 2, NRE_EPLUGIN, "curve[2] is not a number");
    cr_assert(message_has("simulator 'mock': simulate()"));
    cr_assert(message_has(" of 1000, theta = (0.99"));
    fails(FAULT_UNWRITTEN, 2, NRE_EPLUGIN, "count was not written");
    fails(FAULT_PAST, 2, NRE_EPLUGIN, "wrote past the end of a batch of 256 rows");
    fails(FAULT_STATUS_PAST, 2, NRE_EPLUGIN, "wrote past the end");
    fails(FAULT_STATUS, 2, NRE_EPLUGIN, "9 is no status of a row");
    fails(FAULT_STATE, 2, NRE_EPLUGIN, "a is too large");
    cr_assert(message_has(" of 1000, theta = (0.99"));
    fails(FAULT_CROWD, 2, NRE_EPLUGIN, "rows 0..255");
    cr_assert(message_has("too many (none of these rows fails alone"));
    fails(FAULT_CHANCE, 0, NRE_ENUMERIC, "on_invalid is error");
    fails(FAULT_ALWAYS, 1, NRE_ENUMERIC, "10000 attempts were all invalid");
    fails(FAULT_ALWAYS, 2, NRE_ENUMERIC, "row 0 of 2");
}

Test(draw, a_wish_to_stop_is_heard)
{
    rows *r = malloc(sizeof *r);
    stop_request(15);
    cr_assert_eq(try_rows(r, 2, ALL, false), NRE_ECANCELLED);
    free(r);
}

Test(draw, rows_for_checks)
{
    const double theta[3][2] = {{0.1, 1}, {0.995, 1}, {0.3, 2}};
    float x[3][5], alone[5];
    uint8_t status[3];
    simulator *s = mock_open(false);
    const rng_key key = rng_purpose(1, "x/check");
    cr_assert_eq(simulator_run_rows(s, 3, &theta[0][0], key, 40, &x[0][0], status), 0);
    cr_assert_eq(simulator_run_rows(s, 1, theta[2], key, 42, alone, status), 0);
    cr_assert_arr_eq(alone, x[2], sizeof alone);
    mock_fault = FAULT_NAN;
    cr_assert_eq(simulator_run_rows(s, 3, &theta[0][0], key, 40, &x[0][0], status),
                 NRE_EPLUGIN);
    cr_assert(message_has("row 41 of 43, theta = (0.995, 1)"));
    cr_assert_eq(mock_prepared, 1, "prepare() once");
    simulator_close(s);
}

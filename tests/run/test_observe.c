/* Observed rows: of a file, of a mock, given by hand, none. */
#include "support.h"

Test(observe, nothing_was_observed)
{
    trial t;
    size_t n = 9;
    const float *x = (const float[]){1};
    trial_open(&t, SETTINGS("seed=1"));
    cr_assert_eq(observations_of(&t.run, &n, &x), NRE_OK);
    cr_assert_eq(n, 0);
    cr_assert_null(x);
    trial_close(&t);
}

/* A mock depends on its own seed alone, and its rows do not depend on their number. */
Test(observe, mock)
{
    static const char *const MOCKS[][2] = {
        {"infer.observation={simulate: {n: 3, seed: 5}}", "seed=1"},
        {"infer.observation={simulate: {n: 2, seed: 5}}", "seed=2"},
        {"infer.observation={simulate: {n: 2, seed: 6}}", "seed=1"},
        {"infer.observation={simulate: {n: 2, seed: 5, at: {theta_2: 9}}}", "seed=1"},
    };
    float x[4][4];
    for (size_t i = 0; i < 4; i++) {
        trial t;
        size_t n;
        const float *rows, *again;
        trial_open(&t, SETTINGS(MOCKS[i][0], MOCKS[i][1]));
        cr_assert_eq(observations_of(&t.run, &n, &rows), NRE_OK, "%s", error_message());
        cr_assert_eq(n, i ? 2 : 3);
        cr_assert_eq(observations_of(&t.run, &n, &again), NRE_OK);
        cr_assert_eq(rows, again, "read once");
        memcpy(x[i], rows, sizeof x[i]);
        trial_close(&t);
    }
    cr_assert_arr_eq(x[0], x[1], sizeof x[0]);
    cr_assert_neq(x[0][0], x[2][0]);
    cr_assert_eq(x[0][0], x[3][0], "theta_1 is nominal in both");
    /* x_2 - theta_2 is the same noise: theta_2 is -0.3 where it is nominal. */
    cr_assert_float_eq(x[3][1] - x[0][1], 9.3, 1e-5);
}

Test(observe, file)
{
    scratch s = scratch_new();
    char setting[700];
    trial t;
    size_t n;
    const float *x;
    cr_assert_eq(file_print(scratch_path(&s, "x.csv"), "0.5,1.5\n-1,2\n"), NRE_OK);
    snprintf(setting, sizeof setting, "infer.observation={file: %s}", s.path);
    trial_open(&t, SETTINGS(setting));
    cr_assert_eq(observations_of(&t.run, &n, &x), NRE_OK, "%s", error_message());
    cr_assert_eq(n, 2);
    cr_assert_arr_eq(x, ((const float[]){0.5f, 1.5f, -1, 2}), 4 * sizeof *x);
    trial_close(&t);

    cr_assert_eq(file_print(scratch_path(&s, "x.csv"), "0.5,1.5,7\n"), NRE_OK);
    trial_open(&t, SETTINGS(setting));
    cr_assert_eq(observations_of(&t.run, &n, &x), NRE_EDATA);
    cr_assert(strstr(error_message(), "x.csv"));
    trial_close(&t);
    scratch_free(&s);
}

Test(observe, given_by_hand)
{
    static const float ROWS[] = {1, 2, 3, 4};
    trial t;
    size_t n;
    const float *x;
    trial_open(&t, SETTINGS("infer.observation={simulate: {n: 3}}"));
    t.run.observed = true;
    t.run.n_rows = 2;
    t.run.rows = ROWS;
    cr_assert_eq(observations_of(&t.run, &n, &x), NRE_OK);
    cr_assert(n == 2 && x == ROWS);
    trial_close(&t);
}

/* Simulations in files: what is written is what was there. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const double THETA[2][2] = {{0.1, 1.0 / 3}, {0.25, -1e-5}};
static const float X[2][5] = {{1, 2, 3, 4, 0.1f}, {6, 7, 8, 9, 1.0f / 3}};

static int save(const char *name)
{
    simulator *s = mock_open(false);
    int status = simulations_save(s, path_of("%s", name), 2, &THETA[0][0], &X[0][0],
                                  (uint8_t[]){0, 1});
    simulator_close(s);
    return status;
}

Test(export, csv_keeps_every_bit)
{
    char *text;
    size_t n, rows, columns;
    const char *const *names;
    double *values;
    arena *a = arena_new();
    cr_assert_eq(save("s.csv"), 0, "%s", error_message());
    cr_assert_eq(file_read(path_of("s.csv"), 4096, &text, &n), 0);
    cr_assert_eq(strncmp(text, "a,b,curve[0],curve[1],curve[2],curve[3],count\n", 46), 0);
    cr_assert_eq(csv_parse("s.csv", text, n, a, &rows, &columns, &names, &values), 0);
    cr_assert_eq(rows, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert_arr_eq(values + 7 * i, THETA[i], sizeof THETA[i]);
        for (int j = 0; j < 5; j++)
            cr_assert_eq((float)values[7 * i + 2 + j], X[i][j]);
    }
    free(values), free(text);
    arena_free(a);
}

Test(export, npy)
{
    npy theta, x;
    cr_assert_eq(save("s.npy"), 0, "%s", error_message());
    cr_assert_eq(npy_read(path_of("s.npy"), &x), 0);
    cr_assert_eq(npy_read(path_of("s.theta.npy"), &theta), 0, "%s", error_message());
    cr_assert_arr_eq(x.data, X, sizeof X);
    cr_assert_arr_eq(theta.data, THETA, sizeof THETA);
    npy_free(&theta), npy_free(&x);
}

Test(export, hdf5)
{
    store *f;
    double theta[2][2];
    uint8_t status[2];
    char *text;
    arena *a = arena_new();
    cr_assert_eq(save("s.h5"), 0, "%s", error_message());
    cr_assert_eq(store_open(path_of("s.h5"), &f), 0);
    cr_assert_eq(store_get(f, "theta", STORE_F64, 4, theta), 0);
    cr_assert_eq(store_get(f, "status", STORE_U8, 2, status), 0);
    cr_assert_eq(store_get_text(f, "parameters", a, &text), 0);
    cr_assert_str_eq(text, "a,b");
    cr_assert_arr_eq(theta, THETA, sizeof THETA);
    cr_assert_eq(status[1], 1);
    store_close(f);
    arena_free(a);
}

Test(export, other_endings_are_refused)
{
    cr_assert_eq(save("s.txt"), NRE_EUSAGE);
    cr_assert_eq(save("nowhere/s.csv"), NRE_EIO);
    cr_assert_eq(save("nowhere/s.npy"), NRE_EIO);
    cr_assert_neq(save("nowhere/s.h5"), 0);
}

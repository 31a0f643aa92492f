/* Observations: CSV, NumPy, simulations of ours, a plugin's reader; what does not fit is
 * named. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static simulator *s;

static void begin(void)
{
    temporary_folder();
    s = mock_open(false);
}

static void end(void)
{
    simulator_close(s);
}

TestSuite(observation, .init = begin, .fini = end);

static void reads(const char *file, size_t rows, const float *expected)
{
    size_t n;
    float *x;
    cr_assert_eq(observation_read(s, file, &n, &x), 0, "%s: %s", file, error_message());
    cr_assert_eq(n, rows);
    cr_assert_arr_eq(x, expected, rows * 5 * sizeof *x);
    free(x);
}

static void refuses(const char *file, const char *words)
{
    size_t n;
    float *x;
    cr_assert_eq(observation_read(s, file, &n, &x), NRE_EDATA, "%s", file);
    cr_assert(message_has(words));
    cr_assert(message_has(strrchr(file, '/')));
    cr_assert_null(x);
}

static const float X[2][5] = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 0.1f}};

Test(observation, csv)
{
    cr_assert_eq(file_print(path_of("x.csv"), "# two\n1,2,3,4,5\n6,7,8,9,0.1\n"), 0);
    reads(path_of("x.csv"), 2, &X[0][0]);
    cr_assert_eq(file_print(path_of("narrow.csv"), "1,2,3\n4,5,6\n"), 0);
    refuses(path_of("narrow.csv"),
            "row 0 has 3 columns; an observation of simulator 'mock' has 5");
    cr_assert_eq(file_print(path_of("upright.csv"), "1\n2\n3\n4\n5\n"), 0);
    refuses(path_of("upright.csv"), "in one row");
    cr_assert_eq(file_print(path_of("huge.csv"), "1,2,3,4,5\n1,2,1e300,4,5\n"), 0);
    refuses(path_of("huge.csv"), "row 1: curve[2] is not finite");
    refuses(path_of("none.csv"), "no such file");
}

Test(observation, npy)
{
    const double wide[2][5] = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 0.1}};
    const float bad[2][5] = {{1, 2, 3, 4, 5}, {6, NAN, 8, 9, 1}};
    cr_assert_eq(npy_write(path_of("x.npy"), 'f', 8, 2, (uint64_t[]){2, 5}, wide), 0);
    reads(path_of("x.npy"), 2, &X[0][0]);
    cr_assert_eq(npy_write(path_of("one.npy"), 'f', 8, 1, (uint64_t[]){5}, wide), 0);
    reads(path_of("one.npy"), 1, &X[0][0]);
    cr_assert_eq(npy_write(path_of("row.npy"), 'f', 8, 2, (uint64_t[]){1, 5}, wide), 0);
    reads(path_of("row.npy"), 1, &X[0][0]);
    cr_assert_eq(npy_write(path_of("narrow.npy"), 'f', 8, 2, (uint64_t[]){5, 2}, wide),
                 0);
    refuses(path_of("narrow.npy"), "row 0 has 2 columns");
    cr_assert_eq(npy_write(path_of("nan.npy"), 'f', 4, 2, (uint64_t[]){2, 5}, bad), 0);
    refuses(path_of("nan.npy"), "row 1: curve[1] is not finite");
    cr_assert_eq(npy_write(path_of("empty.npy"), 'f', 4, 2, (uint64_t[]){0, 5}, bad), 0);
    refuses(path_of("empty.npy"), "has no observation");
}

/* What simulate -o wrote is an observation, in each of its forms. */
Test(observation, simulations_of_ours)
{
    const double theta[2][2] = {{0.5, 1}, {0.25, -1}};
    static const char *const names[] = {"s.csv", "s.npy", "s.h5"};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(simulations_save(s, path_of("%s", names[i]), 2, &theta[0][0],
                                      &X[0][0], (uint8_t[]){0, 1}),
                     0, "%s", error_message());
        reads(path_of("%s", names[i]), 2, &X[0][0]);
    }
}

/* a plugin with a reader: every number of the file times ten */

static size_t rows_given;

static int reader(const void *self, const nre_host *host, const char *path, size_t *n,
                  float **x)
{
    static float row[10];
    (void)self, (void)host;
    if (strstr(path, "bad"))
        return fail(NRE_EFORMAT, "not the data of this simulator");
    for (int i = 0; i < 10; i++)
        row[i] = (float)(10 * i);
    *n = rows_given, *x = row;
    return 0;
}

Test(observation, of_a_plugin)
{
    static nre_simulator_ops ops;
    static nre_plugin table;
    simulator *with;
    memcpy(&ops, simulator_ops(s), sizeof ops);
    memcpy(&table, mock_instance(false)->plugin->table, sizeof table);
    ops.observation = reader, table.ops.simulator = &ops;
    const plugin file = {.table = &table};
    const instance i = {.plugin = &file};
    float *x;
    size_t n;
    cr_assert_eq(simulator_open(&i, 0, NULL, &with), 0);
    cr_assert_eq(file_print(path_of("own.csv"), "1,2\n"), 0);
    cr_assert_eq(file_print(path_of("bad.csv"), "1,2\n"), 0);
    rows_given = 2;
    cr_assert_eq(observation_read(with, path_of("own.csv"), &n, &x), 0, "%s",
                 error_message());
    cr_assert_eq(n, 2);
    cr_assert_eq(x[9], 90);
    free(x);
    cr_assert_eq(observation_read(with, path_of("bad.csv"), &n, &x), NRE_EDATA);
    cr_assert(message_has("simulator 'mock': observation(): not the data"));
    rows_given = 0;
    cr_assert_eq(observation_read(with, path_of("own.csv"), &n, &x), NRE_EDATA);
    cr_assert_eq(
        simulations_save(s, path_of("mock.csv"), 1, (double[]){0.5, 1}, X[0], NULL), 0);
    cr_assert_eq(observation_read(with, path_of("mock.csv"), &n, &x), 0,
                 "our own header");
    cr_assert_arr_eq(x, X[0], sizeof X[0]);
    free(x);
    simulator_close(with);
}

/* Rows by index; noise that is fresh each epoch, or fixed. */
#include "support.h"

#include <string.h>

enum { N = 600 };

static simulator *s;
static dataset *d, *noisy;

static dataset *make(const char *folder, bool clean)
{
    dataset *out;
    const dataset_plan plan = {
        .folder = folder,
        .draw = {.seed = 2, .purpose = "validation", .n = N, .clean = clean},
        .shard_rows = 250,
        .fingerprint = "f"};
    cr_assert_eq(dataset_make(s, &plan, NULL, NULL, NULL, NULL), 0, "%s",
                 error_message());
    cr_assert_eq(dataset_open(folder, &out), 0, "%s", error_message());
    return out;
}

static void begin(void)
{
    s = mock_open(true);
    d = make(path_of("clean"), true);
    noisy = make(path_of("noisy"), false);
}

static void end(void)
{
    dataset_close(d);
    dataset_close(noisy);
    simulator_close(s);
}

TestSuite(loader, .init = begin, .fini = end);

static const uint64_t INDEX[] = {599, 0, 250, 249, 0};
enum { ROWS = 5 };

static loader *of(const dataset *from, bool fresh)
{
    loader *l;
    cr_assert_eq(loader_of_dataset(from, s, 2, "validation", fresh, &l), 0, "%s",
                 error_message());
    return l;
}

Test(loader, fixed_noise_is_that_of_a_noisy_dataset)
{
    loader *l = of(d, false), *other = of(noisy, false);
    double theta[ROWS][2];
    float x[ROWS][5], again[ROWS][5], stored[ROWS][5];
    cr_assert_eq(l->n, N);
    cr_assert_eq(l->rows(l, 0, 0, ROWS, INDEX, &theta[0][0], &x[0][0]), 0);
    cr_assert_eq(l->rows(l, 0, 7, ROWS, INDEX, NULL, &again[0][0]), 0);
    cr_assert_eq(other->rows(other, 0, 0, ROWS, INDEX, NULL, &stored[0][0]), 0);
    cr_assert_arr_eq(x, again, sizeof x);
    cr_assert_arr_eq(x, stored, sizeof x);
    for (int i = 0; i < ROWS; i++) {
        cr_assert_arr_eq(theta[i], dataset_theta(d, INDEX[i]), sizeof theta[0]);
        cr_assert_neq(x[i][0], dataset_x(d, INDEX[i])[0]);
        cr_assert_eq(x[i][4], dataset_x(d, INDEX[i])[4]);
    }
    loader_free(l), loader_free(other);
}

Test(loader, fresh_noise_is_of_its_epoch)
{
    loader *l = of(d, true);
    float one[ROWS][5], two[ROWS][5], again[5];
    cr_assert_eq(l->rows(l, 0, 1, ROWS, INDEX, NULL, &one[0][0]), 0);
    cr_assert_eq(l->rows(l, 0, 2, ROWS, INDEX, NULL, &two[0][0]), 0);
    cr_assert_eq(l->rows(l, 3, 2, 1, INDEX + 2, NULL, again), 0);
    for (int i = 0; i < ROWS; i++)
        cr_assert_neq(one[i][0], two[i][0]);
    cr_assert_arr_eq(again, two[2], sizeof again, "any split, any worker");
    loader_free(l);
}

Test(loader, mismatches_are_refused)
{
    loader *l = of(d, false);
    simulator *quiet = mock_open(false);
    float x[5];
    cr_assert_eq(l->rows(l, 0, 0, 1, (uint64_t[]){N}, NULL, x), NRE_EINVAL);
    loader_free(l);
    cr_assert_eq(loader_of_dataset(d, quiet, 2, "validation", false, &l), NRE_EDATA);
    cr_assert(message_has("lacks its observation noise"));
    simulator_close(quiet);
    loader_free(NULL);
}

Test(loader, arrays)
{
    const double theta[] = {1, 2, 3};
    const float x[] = {1, 2, 3, 4, 5, 6};
    loader *l;
    double t[2];
    float z[4];
    cr_assert_eq(loader_of_arrays(3, 1, 2, theta, x, &l), 0);
    cr_assert_eq(l->rows(l, 0, 0, 2, (uint64_t[]){2, 0}, t, z), 0);
    cr_assert_arr_eq(t, ((double[]){3, 1}), sizeof t);
    cr_assert_arr_eq(z, ((float[]){5, 6, 1, 2}), sizeof z);
    loader_free(l);
}

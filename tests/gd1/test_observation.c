/* The measured density and the normalisation against the original's. */
#include "gd1.h"

#include "data/data.h"
#include "host.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Columns of a golden table, [rows][columns]. */
static double *golden(const char *name, size_t columns)
{
    char path[512], *text;
    size_t n, rows, wide;
    double *values;
    const char *const *names;
    arena *a = arena_new();
    snprintf(path, sizeof path, "%s/%s", TEST_GOLDEN, name);
    cr_assert_eq(file_read(path, 1 << 20, &text, &n), 0);
    cr_assert_eq(csv_parse(path, text, n, a, &rows, &wide, &names, &values), 0);
    cr_assert_eq(rows, BINS);
    cr_assert_eq(wide, columns);
    free(text);
    arena_free(a);
    return values;
}

Test(observation, as_the_original_prepares_it)
{
    double density[BINS], error[BINS], *want = golden("observed_prepared_62bins.csv", 5);
    cr_assert_eq(
        measured_density(test_host(), TEST_DATA "/gd1-density.csv", density, error), 0);
    for (size_t i = 0; i < BINS; i++) {
        cr_assert_eq(want[5 * i], (double)(FIRST_BIN + i));
        cr_assert_float_eq(BIN_PHI1[i], want[5 * i + 2], 1e-8);
        cr_assert_float_eq(density[i], want[5 * i + 3], 1e-8, "bin %zu", i);
        cr_assert_float_eq(error[i], want[5 * i + 4], 1e-8, "bin %zu", i);
    }
    free(want);
}

Test(observation, both_normalisations)
{
    double raw[BINS], *want = golden("normalised_random20_age4.8_62bins.csv", 4);
    float density[BINS], contrast[BINS];
    for (size_t i = 0; i < BINS; i++)
        raw[i] = want[4 * i + 1];
    normalise(raw, false, density);
    normalise(raw, true, contrast);
    for (size_t i = 0; i < BINS; i++) {
        cr_assert_float_eq(density[i], want[4 * i + 2], 2e-7);
        cr_assert_float_eq(contrast[i], want[4 * i + 3], 2e-7);
    }
    free(want);
}

static int read_text(const char *text)
{
    char path[] = "/tmp/nereid-gd1-XXXXXX";
    double density[BINS], error[BINS];
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    int status = measured_density(test_host(), path, density, error);
    unlink(path);
    return status;
}

Test(observation, wrong_files)
{
    cr_assert_eq(read_text(""), NRE_EFORMAT);
    cr_assert(test_host_said("0 rows"));
    cr_assert_eq(read_text("phi1_deg,error\n-30,1\n"), NRE_EFORMAT);
    cr_assert(test_host_said("no column 'linear_density'"));
    cr_assert_eq(read_text("phi1_deg,linear_density,error\n-30,1,x\n"), NRE_EFORMAT);
    cr_assert(test_host_said(":2: 'x' is no error"));
    cr_assert_eq(read_text("phi1_deg,linear_density,error\n-30,1,1\n-32,1,1\n"),
                 NRE_EFORMAT);
    cr_assert(test_host_said(":3: phi1 must rise"));
    cr_assert_eq(read_text("phi1_deg,linear_density,error\n-30,1\n"), NRE_EFORMAT);
    cr_assert(test_host_said(":2: '' is no error"));
    cr_assert_eq(read_text("phi1_deg,linear_density,error\n-30,,1\n"), NRE_EFORMAT);
    cr_assert(test_host_said(":2: '' is no linear_density"));
    double unused[BINS];
    cr_assert_eq(measured_density(test_host(), "/none/here.csv", unused, unused),
                 NRE_EIO);
    cr_assert_eq(measured_density(test_host(), "/tmp", unused, unused), NRE_EIO);
    cr_assert(test_host_said("/tmp: Is a directory"));
}

/* chains_file.c: the file as others read it, and its bytes. */
#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(chains_file, layout_and_bytes)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    double theta[2 * 3 * 2], lp[6], back[6];
    chains c = {
        .dim = 2, .n_chains = 2, .n_draws = 3, .theta = theta, .log_posterior = lp};
    char folder[] = "/tmp/nereid-chains-XXXXXX", path[2][64], *text[2];
    size_t n[2];
    int file, group, id;
    float x[4] = {1, 2, 3, 4}, x_back[4];
    fixture_open(&f, &t);
    for (int i = 0; i < 12; i++)
        theta[i] = i;
    for (int i = 0; i < 6; i++)
        lp[i] = -i;
    cr_assert_not_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.nc", folder, i);
        cr_assert_eq(chains_save(&c, f.simulator, &f.target, 2, x, path[i]), NRE_OK, "%s",
                     error_message());
        if (i == 0)
            sleep(1); /* a time of creation would now differ */
    }
    for (int i = 0; i < 2; i++)
        cr_assert_eq(file_read(path[i], 1 << 20, &text[i], &n[i]), NRE_OK);
    cr_assert_eq(n[0], n[1]);
    cr_assert_arr_eq(text[0], text[1], n[0]);

    cr_assert_eq(nc_open(path[0], NC_NOWRITE, &file), NC_NOERR);
    cr_assert_eq(nc_inq_ncid(file, "posterior", &group), NC_NOERR);
    cr_assert_eq(nc_inq_varid(group, "t1", &id), NC_NOERR);
    cr_assert_eq(nc_get_var_double(group, id, back), NC_NOERR);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(back[i], 2 * i + 1);
    cr_assert_eq(nc_inq_ncid(file, "sample_stats", &group), NC_NOERR);
    cr_assert_eq(nc_inq_varid(group, "lp", &id), NC_NOERR);
    cr_assert_eq(nc_inq_ncid(file, "observed_data", &group), NC_NOERR);
    cr_assert_eq(nc_inq_varid(group, "x", &id), NC_NOERR);
    cr_assert_eq(nc_get_var_float(group, id, x_back), NC_NOERR);
    cr_assert_arr_eq(x, x_back, sizeof x);
    cr_assert_eq(nc_close(file), NC_NOERR);

    cr_assert_eq(chains_save(&c, f.simulator, &f.target, 2, x, "/nowhere/at/all.nc"),
                 NRE_EIO);
    for (int i = 0; i < 2; i++) {
        free(text[i]);
        unlink(path[i]);
    }
    rmdir(folder);
    fixture_close(&f);
}

/* What was written comes back; weights too, and what they are worth as equal draws. */
Test(chains_file, back_again)
{
    toy t = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture f;
    double theta[2 * 4 * 2], lp[8], weight[8] = {0.25, 0, 0.25, 0, 0.125, 0.125, 0.25, 0};
    chains c = {.dim = 2,
                .n_chains = 2,
                .n_draws = 4,
                .theta = theta,
                .log_posterior = lp,
                .weight = weight};
    chains back, plain;
    char path[] = "/tmp/nereid-chains-XXXXXX";
    const float x[6] = {1, 2, 3, 4, 5, 6};
    float *x_back;
    size_t n_rows;
    fixture_open(&f, &t);
    for (int i = 0; i < 16; i++)
        theta[i] = i;
    for (int i = 0; i < 8; i++)
        lp[i] = i == 3 ? NAN : -(double)i;
    close(mkstemp(path));
    cr_assert_eq(chains_save(&c, f.simulator, &f.target, 3, x, path), NRE_OK);
    cr_assert_eq(chains_load(path, f.simulator, &f.target, &back, &n_rows, &x_back),
                 NRE_OK, "%s", error_message());
    cr_assert(back.dim == 2 && back.n_chains == 2 && back.n_draws == 4 && n_rows == 3);
    cr_assert_arr_eq(back.theta, theta, sizeof theta);
    cr_assert_arr_eq(back.log_posterior, lp, 3 * sizeof *lp);
    cr_assert(isnan(back.log_posterior[3]) && isnan(back.r_hat[1]));
    cr_assert_arr_eq(back.weight, weight, sizeof weight);
    cr_assert_arr_eq(x_back, x, sizeof x);
    cr_assert_float_eq(back.effective, 1 / (3 * 0.0625 + 2 * 0.015625), 1e-12);
    cr_assert_eq(chains_resample(&back, &plain), NRE_OK);
    /* 4 of them at 1/8, 3/8, 5/8, 7/8 of the cumulated weight */
    const double kept[] = {0, 2, 4, 6};
    cr_assert(plain.n_chains == 1 && plain.n_draws == 4 && !plain.weight);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(plain.theta[2 * i], 2 * kept[i]);
    cr_assert_eq(plain.log_posterior[3], -6);
    chains_release(&plain);
    chains_release(&back);
    free(x_back);
    c.weight = NULL;
    cr_assert_eq(chains_save(&c, f.simulator, &f.target, 1, x, path), NRE_OK);
    cr_assert_eq(chains_load(path, f.simulator, &f.target, &back, &n_rows, &x_back),
                 NRE_OK);
    cr_assert(!back.weight && isnan(back.effective) && n_rows == 1);
    chains_release(&back);
    free(x_back);
    unlink(path);
    fixture_close(&f);
}

Test(chains_file, no_such_draws)
{
    toy t = {.dim = 1, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    toy u = {.dim = 2, .prior = TOY_NORMAL, .b = 1, .sigma = 0.5};
    static fixture one, two;
    double theta[3] = {1, 2, 3}, lp[3] = {0};
    chains c = {
        .dim = 1, .n_chains = 1, .n_draws = 3, .theta = theta, .log_posterior = lp};
    chains back;
    char path[] = "/tmp/nereid-chains-XXXXXX";
    float *x, seen[1] = {1};
    size_t n_rows;
    fixture_open(&one, &t);
    fixture_open(&two, &u);
    close(mkstemp(path));
    cr_assert_eq(
        chains_load("/nowhere/at/all.nc", one.simulator, &one.target, &back, &n_rows, &x),
        NRE_EDATA);
    cr_assert_eq(chains_load(path, one.simulator, &one.target, &back, &n_rows, &x),
                 NRE_EDATA);
    cr_assert_eq(chains_save(&c, one.simulator, &one.target, 1, seen, path), NRE_OK);
    cr_assert_eq(chains_load(path, two.simulator, &two.target, &back, &n_rows, &x),
                 NRE_EDATA);
    cr_assert(strstr(error_message(), "does not hold the draws of target"));
    cr_assert(!x && !back.theta);
    unlink(path);
    fixture_close(&two);
    fixture_close(&one);
}

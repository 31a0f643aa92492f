/* chains_file.c: the file as others read it, and its bytes. */
#include "toy.h"

#include <criterion/criterion.h>
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

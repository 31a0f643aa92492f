/* Rows of several sets as one. */
#include "support.h"

#include <stdlib.h>

static double theta_1[4] = {0, 1, 2, 3}, theta_2[3] = {10, 11, 12};
static float x_1[8] = {0, 0.5f, 1, 1.5f, 2, 2.5f, 3, 3.5f},
             x_2[6] = {10, 10.5f, 11, 11.5f, 12, 12.5f};

static loader *open_both(void)
{
    loader_part part[2] = {{.n = 2}, {0}};
    loader *l = NULL;
    cr_assert_eq(loader_of_arrays(4, 1, 2, theta_1, x_1, &part[0].loader), NRE_OK);
    cr_assert_eq(loader_of_arrays(3, 1, 2, theta_2, x_2, &part[1].loader), NRE_OK);
    part[0].row = malloc(2 * sizeof *part[0].row);
    part[0].row[0] = 1, part[0].row[1] = 3;
    cr_assert_eq(loader_of_parts(2, part, &l), NRE_OK);
    return l;
}

Test(parts, rows_come_from_where_they_lie)
{
    loader *l = open_both();
    uint64_t index[6] = {0, 1, 2, 4, 0, 3};
    double theta[6], want[6] = {1, 3, 10, 12, 1, 11};
    float x[6][2];
    cr_assert_eq(l->n, 5);
    cr_assert_eq(l->n_x, 2);
    cr_assert_eq(l->rows(l, 0, 1, 6, index, theta, x[0]), NRE_OK);
    cr_assert_arr_eq(theta, want, sizeof want);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(x[i][1], (float)want[i] + 0.5f);
    loader_free(l);
}

Test(parts, either_half_alone)
{
    loader *l = open_both();
    uint64_t index[2] = {4, 1};
    double theta[2];
    float x[2][2];
    cr_assert_eq(l->rows(l, 0, 1, 2, index, theta, NULL), NRE_OK);
    cr_assert_eq(theta[0], 12);
    cr_assert_eq(l->rows(l, 0, 1, 2, index, NULL, x[0]), NRE_OK);
    cr_assert_eq(x[1][0], 3);
    loader_free(l);
}

Test(parts, sets_of_other_widths_are_refused)
{
    loader_part part[2] = {{0}, {0}};
    loader *l = NULL;
    cr_assert_eq(loader_of_arrays(4, 1, 2, theta_1, x_1, &part[0].loader), NRE_OK);
    cr_assert_eq(loader_of_arrays(3, 1, 1, theta_2, x_2, &part[1].loader), NRE_OK);
    cr_assert_eq(loader_of_parts(2, part, &l), NRE_EDATA);
    cr_assert_null(l);
    cr_assert_eq(loader_of_parts(0, NULL, &l), NRE_EINVAL);
}

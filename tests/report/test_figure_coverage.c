/* Gain and coverage: rows of a comparison by their gain; missing numbers are gaps. */
#include "figures.h"

Test(figure_coverage, cells_are_sorted_by_their_gain)
{
    const table_cell half = {.region = "credible",
                             .level = 0.5,
                             .coverage = 0.5,
                             .n = 10,
                             .interval = {0.2, 0.8}};
    const table_cell none = {
        .region = "credible", .level = 0.5, .coverage = NAN, .interval = {NAN, NAN}};
    const coverage_row row[] = {{.cell = "low",
                                 .target = "all",
                                 .architecture = "a",
                                 .gain = 1,
                                 .gain_error = 0.1,
                                 .n_cells = 1,
                                 .cells = &half,
                                 .gain_sd_training = NAN},
                                {.cell = "none",
                                 .target = "all",
                                 .architecture = "a",
                                 .gain = NAN,
                                 .gain_error = NAN,
                                 .n_cells = 1,
                                 .cells = &none,
                                 .gain_sd_training = NAN},
                                {.cell = "high",
                                 .target = "all",
                                 .architecture = "a",
                                 .gain = 2,
                                 .gain_error = 0.1,
                                 .n_cells = 1,
                                 .cells = &half,
                                 .gain_sd_training = NAN}};
    const coverage_table t = {"cells", 3, row, 0, NULL};
    char field[64];
    scratch s = scratch_new();

    cr_assert_eq(coverage_figure_write(&t, s.folder, "cells"), 0, "%s", error_message());
    char *csv = text_of(&s, "cells.csv");
    const char *high = strstr(csv, "high"), *low = strstr(csv, "low: "),
               *gap = strstr(csv, "none");
    cr_assert(high && low && gap);
    cr_assert_lt(high, low);
    cr_assert_lt(low, gap);
    csv_field(csv, 3, 4, field, sizeof field);
    cr_assert_str_eq(field, "NaN", "no gain is no number");
    cr_assert(strstr(csv, "credible,0.5,NaN,NaN,NaN"), "nor is no coverage");
    free(csv);
    scratch_free(&s);
}

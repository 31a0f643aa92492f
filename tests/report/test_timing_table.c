/* Where the time went. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(timing_table, both_formats)
{
    static const timing_row rows[] = {
        {"simulate", "train", 12.4, 16234, "simulations/s", false},
        {"train", "all/member-0|x", 61.2, NAN, NULL, false},
        {"diagnose", "coverage", 0, NAN, NULL, true}};
    scratch s = scratch_new();
    json_t *j = NULL;

    cr_assert_eq(timing_table_write(3, rows, s.folder), 0, "%s", error_message());
    cr_assert_eq(json_load_path(scratch_path(&s, "timing.json"), 1 << 20, &j), 0);
    const json_t *row = json_array_get(json_object_get(j, "rows"), 0);
    cr_assert_eq(json_real_value(json_object_get(row, "seconds")), 12.4);
    cr_assert_str_eq(json_string_value(json_object_get(row, "unit")), "simulations/s");
    row = json_array_get(json_object_get(j, "rows"), 2);
    cr_assert(json_is_true(json_object_get(row, "reused")));
    cr_assert(json_is_null(json_object_get(row, "rate")));
    cr_assert(json_is_string(json_object_get(row, "reason")));
    json_decref(j);
    char *md = text_of(&s, "timing.md");
    cr_assert(strstr(md, "16,234 simulations/s"));
    cr_assert(strstr(md, "all/member-0\\|x"));
    cr_assert(strstr(md, "Altogether 1 min 14 s."));
    free(md);
    scratch_free(&s);
}

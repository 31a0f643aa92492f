/* Limits in every format. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char OF_BETA[] =
    "Limit at 95%: beta > 2.013 1/d (quantile), > 1.920 1/d (highest density) under its "
    "own "
    "prior; > 1.810 1/d (quantile), none (highest density) under a prior flat in 1/beta; "
    "> 1.950 1/d (Wilks, 2.71), none (Wilks, 3.84); likelihood ratio of its maximum, at "
    "2.390 1/d, to 5 1/d: e^0.40; none where the region reaches the edge of the prior.";

Test(limits_table, words)
{
    arena *a = arena_new();
    const posterior_block *b = &example_posterior.blocks[0];

    cr_assert_str_eq(limit_words(a, b, &b->limits[0]), OF_BETA);
    cr_assert_str_eq(
        limit_words(a, b, &b->limits[1]),
        "Limit at 90%: beta none (a target of more than 3 parameters has no grid).");
    limit_row coarse = b->limits[0];
    coarse.resolved = false;
    cr_assert(strstr(limit_words(a, b, &coarse), "too coarse"));
    arena_free(a);
}

Test(limits_table, json)
{
    json_t *j = limit_json(&example_posterior.blocks[0].limits[0]);
    const json_t *priors = json_object_get(j, "priors"),
                 *inverse = json_object_get(priors, "inverse"),
                 *wilks = json_array_get(json_object_get(j, "wilks"), 1);

    cr_assert_str_eq(json_string_value(json_object_get(j, "side")), "lower");
    cr_assert_eq(
        json_real_value(json_object_get(json_object_get(priors, "own"), "hpd_edge")),
        1.92);
    cr_assert(json_is_null(json_object_get(inverse, "hpd_edge")));
    cr_assert_str_eq(json_string_value(json_object_get(inverse, "reason")),
                     "the region reaches the edge of the prior");
    cr_assert(json_is_null(json_object_get(wilks, "limit")));
    cr_assert_eq(json_real_value(json_object_get(wilks, "threshold")), 3.841459);
    cr_assert_not_null(json_object_get(wilks, "reason"));
    cr_assert_null(json_object_get(j, "reason"));
    cr_assert_eq(json_real_value(json_object_get(j, "log_ratio_against")), 0.4);
    json_decref(j);
}

Test(limits_table, files)
{
    scratch s = scratch_new();
    char field[512];

    cr_assert_eq(posterior_table_write(&example_posterior, s.folder), 0);
    char *md = text_of(&s, "posterior.md"), *tex = text_of(&s, "posterior.tex"),
         *csv = text_of(&s, "limits.csv");
    cr_assert(strstr(md, "| beta      |   95% | Wilks, 2.71     |                | "
                         "\\> 1.950 1/d"),
              "%s", md);
    cr_assert(strstr(tex, "\\quad beta $>$ 2.013 1/d (95\\%, quantile; prior its own)"),
              "%s", tex);
    cr_assert_eq(csv_field(csv, 0, 9, field, sizeof field), 16);
    cr_assert_str_eq(field, "prior");
    cr_assert_eq(csv_field(csv, 4, 15, field, sizeof field), 16);
    cr_assert_str_eq(field, "the region reaches the edge of the prior");
    cr_assert_eq(csv_field(csv, 8, 15, field, sizeof field), 16);
    cr_assert_str_eq(field, "a target of more than 3 parameters has no grid");
    cr_assert_eq(count_of(csv, "\n"), 11);
    free(md);
    free(tex);
    free(csv);
    scratch_free(&s);
}

Test(limits_table, hostile_names_survive)
{
    scratch s = scratch_new();
    char field[512];

    cr_assert_eq(posterior_table_write(&hostile_posterior, s.folder), 0);
    char *md = text_of(&s, "posterior.md"), *csv = text_of(&s, "limits.csv");
    cr_assert_null(strstr(md, "<script>"));
    cr_assert_eq(csv_field(csv, 1, 4, field, sizeof field), 16);
    free(md);
    free(csv);
    scratch_free(&s);
}

/* How a diagnostic ends. */
#include "diagnose/diagnose.h"

#include <criterion/criterion.h>
#include <math.h>

Test(finding, verdicts)
{
    cr_assert_eq(finding_by_p(0.009), FINDING_FAILS);
    cr_assert_eq(finding_by_p(0.01), FINDING_OK);
    cr_assert_eq(finding_by_p(NAN), FINDING_OPEN);
    cr_assert_str_eq(finding_word(FINDING_OK), "ok");
    cr_assert_str_eq(finding_word(FINDING_FAILS), "fails");
    cr_assert_str_eq(finding_word(FINDING_OPEN), "open");
    cr_assert_str_eq(finding_word(FINDING_INFORMS), "informs");
}

Test(finding, as_json)
{
    finding f = {.verdict = FINDING_FAILS,
                 .statistic = "mean rank",
                 .value = 0.25,
                 .error = INFINITY,
                 .expected = NAN,
                 .p = 1e-5,
                 .n = 20,
                 .says = "Low."};
    json_t *j = finding_json(&f);
    cr_assert_eq(json_number_value(json_object_get(j, "value")), 0.25);
    cr_assert(json_is_null(json_object_get(j, "error")));
    cr_assert(json_is_null(json_object_get(j, "expected")));
    cr_assert_eq(json_number_value(json_object_get(j, "p_value")), 1e-5);
    cr_assert_eq(json_integer_value(json_object_get(j, "n")), 20);
    cr_assert_str_eq(json_string_value(json_object_get(j, "says")), "Low.");
    cr_assert(json_is_null(json_object_get(j, "advice")));
    cr_assert_str_eq(json_string_value(json_object_get(j, "verdict")), "fails");
    json_decref(j);
    j = finding_open("too few");
    cr_assert_str_eq(json_string_value(json_object_get(j, "verdict")), "open");
    cr_assert_str_eq(json_string_value(json_object_get(j, "reason")), "too few");
    cr_assert(json_is_null(json_object_get(j, "value")));
    json_decref(j);
}

Test(finding, lists)
{
    json_t *j = numbers_json(3, (double[]){1, NAN, 3});
    cr_assert_eq(json_array_size(j), 3);
    cr_assert(json_is_null(json_array_get(j, 1)));
    cr_assert_eq(json_number_value(json_array_get(j, 2)), 3);
    json_decref(j);
}

Test(finding, numbers_in_words)
{
    cr_assert_str_eq(text_of_count(0).text, "0");
    cr_assert_str_eq(text_of_count(999).text, "999");
    cr_assert_str_eq(text_of_count(20000).text, "20,000");
    cr_assert_str_eq(text_of_count(1234567).text, "1,234,567");
    cr_assert_str_eq(text_of_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    cr_assert_str_eq(text_of_p(0.213).text, "p = 0.21");
    cr_assert_str_eq(text_of_p(0).text, "p < 1e-12");
}

Test(finding, one_of_many_says_so)
{
    cr_assert_str_eq(text_of_worst(0.21, 1).text, "p = 0.21");
    cr_assert_str_eq(text_of_worst(0.21, 3).text, "p = 0.21 after multiplying by 3");
    cr_assert_str_eq(text_of_pairs(1).text, "1 pair");
    cr_assert_str_eq(text_of_pairs(20000).text, "20,000 pairs");
}

Test(finding, list_of_diagnostics)
{
    cr_assert_gt(N_DIAGNOSTICS, 2);
    for (size_t i = 0; i < N_DIAGNOSTICS; i++)
        cr_assert_eq(diagnostic_of(DIAGNOSTICS[i]->name), DIAGNOSTICS[i]);
    cr_assert_eq(diagnostic_of("sbc"), &sbc_diagnostic);
    cr_assert_null(diagnostic_of("no such"));
}

Test(finding, rows_are_named)
{
    const bool one[] = {false, true, false}, three[] = {true, false, true, true};
    const bool many[] = {true, true, true, true, true, true, true};
    cr_assert_str_eq(text_of_rows(3, one).text, "observation 1");
    cr_assert_str_eq(text_of_rows(4, three).text, "observations 0, 2 and 3");
    cr_assert_str_eq(text_of_rows(7, many).text, "observations 0, 1, 2, 3, 4 and 2 more");
}

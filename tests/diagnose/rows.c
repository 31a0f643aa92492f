/* What a diagnostic says of the Gaussian problem. */
#include "rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

void make_wrong(gauss *g, const wrong_plan *how)
{
    ratio *wrong = NULL;
    cr_assert_eq(ratio_wrong(g->ratio, how, &wrong), 0, "%s", error_message());
    g->posterior.ratio = g->ratio = wrong;
}

json_t *row_of(const gauss *g, const diagnostic *d)
{
    const double levels[] = {0.5, 0.68, 0.95};
    subject s = g->subject;
    pair_set *pairs = NULL;
    json_t *row = NULL;
    pairs_plan wanted = {.n = g->n, .n_measures = d->n_measures, .measures = d->measures};
    diagnostic_options how = {.n_levels = 3, .levels = levels};

    cr_assert_eq(pairs_of(&s, &wanted, &pairs), 0, "%s", error_message());
    s.pairs = pairs;
    cr_assert_eq(d->perform(&s, &how, &row), 0, "%s", error_message());
    pairs_free(pairs);
    return row;
}

const char *word_of(const json_t *row, const char *key)
{
    const char *word = json_string_value(json_object_get(row, key));
    return word ? word : "";
}

double number_of(const json_t *row, const char *key)
{
    const json_t *at = json_object_get(row, key);
    return json_is_number(at) ? json_number_value(at) : NAN;
}

void assert_says(const json_t *row, const char *word, const char *part)
{
    const char *says = word_of(row, "says");
    cr_assert_str_eq(word_of(row, "verdict"), word, "%s", says);
    cr_assert(strstr(says, part), "%s", says);
    cr_assert_eq(json_is_string(json_object_get(row, "advice")),
                 !strcmp(word, "fails") || !strcmp(word, "cautious"));
}

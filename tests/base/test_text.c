/* Numbers and words as users write them. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <locale.h>

Test(text, reals)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},      {"-1.5", -1.5},  {"1e-4", 1e-4},        {".5", 0.5},
                {"5.", 5},     {"+2E+3", 2000}, {"1.0e308", 1e308},    {"0.1", 0.1},
                {"00012", 12}, {"-0", 0},       {"4.9e-324", 4.9e-324}};
    static const char *const bad[] = {"",         " 1",    "1 ",  "1_000", "1,5",  "inf",
                                      "nan",      "0x10",  "1e",  "1e+",   ".",    "-",
                                      "e5",       "1e999", "--1", "1.2.3", "-inf", "1d4",
                                      "INFINITY", "1e5.0", "\t1"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = 99;
        cr_assert(text_to_real(good[i].text, &value), "%s", good[i].text);
        cr_assert_eq(value, good[i].value, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 99;
        cr_assert(!text_to_real(bad[i], &value), "%s", bad[i]);
        cr_assert_eq(value, 99);
    }
}

Test(text, reals_in_another_locale)
{
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nb_NO.UTF-8"};
    double value = 0;

    for (int i = 0; i < 3 && !setlocale(LC_ALL, commas[i]); i++)
        ;
    cr_assert(text_to_real("2.5", &value));
    cr_assert_eq(value, 2.5);
    cr_assert(!text_to_real("2,5", &value));
}

Test(text, integers)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"200000", 200000},
                {"2e5", 200000},
                {"-3", -3},
                {"+4", 4},
                {"010", 10},
                {"1.5e1", 15},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {
        "",   "-",  "1.5",   "1e-1", "9223372036854775808", "1e19", "0x1f",
        " 1", "1 ", "1_000", "nan"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = 99;
        cr_assert(text_to_int(good[i].text, &value), "%s", good[i].text);
        cr_assert_eq(value, good[i].value, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value = 99;
        cr_assert(!text_to_int(bad[i], &value), "%s", bad[i]);
        cr_assert_eq(value, 99);
    }
}

Test(text, nearest)
{
    static const char *const keys[] = {"name", "lr",           "beta1",     "beta2",
                                       "eps",  "weight_decay", "activation"};
    enum { N = sizeof keys / sizeof *keys };
    static const struct {
        const char *word, *nearest;
    } known[] = {{"wieght_decay", "weight_decay"},
                 {"weight-decay", "weight_decay"},
                 {"weigthdecay", "weight_decay"},
                 {"activatoin", "activation"},
                 {"nmae", "name"},
                 {"beta3", "beta1"},
                 {"beta2", "beta2"},
                 {"nam", "name"},
                 {"lx", NULL},
                 {"wxxght_dxcay", NULL},
                 {"", NULL},
                 {"epochs", NULL}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *found = text_nearest(known[i].word, N, keys);
        if (known[i].nearest)
            cr_assert_str_eq(found ? found : "nothing", known[i].nearest, "%s",
                             known[i].word);
        else
            cr_assert_null(found, "%s gave %s", known[i].word, found);
    }
    cr_assert_null(text_nearest("name", 0, NULL));
}

Test(text, very_long_words_have_no_neighbours)
{
    static char word[1000];
    const char *candidates[] = {word, "name"};

    for (size_t i = 0; i < sizeof word - 1; i++)
        word[i] = 'a';
    cr_assert_null(text_nearest(word, 2, candidates));
    cr_assert_str_eq(text_nearest("nane", 2, candidates), "name");
}

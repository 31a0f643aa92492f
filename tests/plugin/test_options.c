/* test_options.c - strict values, their text, and the getters. */
#include "support.h"

#include <math.h>

static const nre_option OPTIONS[] = {
    {.name = "flag", .help = "h", .type = NRE_BOOL, .fallback = "true"},
    {.name = "count", .help = "h", .type = NRE_INT, .fallback = "3", .lo = 1, .hi = 100},
    {.name = "share",
     .help = "h",
     .type = NRE_REAL,
     .fallback = "0.1",
     .lo = 0,
     .hi = 1,
     .flags = NRE_OPEN_LO},
    {.name = "word", .help = "h", .type = NRE_STRING},
    {.name = "act",
     .help = "h",
     .type = NRE_CHOICE,
     .fallback = "elu",
     .choices = "relu|elu"},
    {.name = "file", .help = "h", .type = NRE_PATH, .flags = NRE_REQUIRED},
    {.name = "layers",
     .help = "h",
     .type = NRE_INT_LIST,
     .fallback = "[512, 512]",
     .lo = 1,
     .hi = INFINITY},
    {.name = "levels", .help = "h", .type = NRE_REAL_LIST, .fallback = "[]"},
    {.name = "names", .help = "h", .type = NRE_STRING_LIST, .fallback = "[a, 'b c']"},
    {.name = "rate",
     .help = "h",
     .type = NRE_REAL,
     .fallback = "1",
     .lo = 0,
     .hi = INFINITY,
     .flags = NRE_OPEN_LO},
};
enum { FLAG, COUNT, SHARE, WORD, ACT, FILE_, LAYERS, LEVELS, NAMES, RATE, N };

static const nre_plugin TABLE = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "mine",
                                 NRE_PLUGIN_OPTIONS(OPTIONS)};
static const plugin PLUGIN = {.table = &TABLE};
static arena *memory;
static nre_values *values;

static void begin(void)
{
    memory = arena_new();
    cr_assert_eq(values_new(&PLUGIN, memory, &values), 0, "%s", error_message());
}

static void end(void)
{
    arena_free(memory);
}

TestSuite(options, .init = begin, .fini = end);

static int set(const char *name, const char *text)
{
    return values_set(values, name, false, 1, &text);
}

static void text_is(size_t i, const char *text)
{
    cr_assert_str_eq(values_text(values, i, memory), text);
}

static void refused(const char *name, const char *text, const char *message)
{
    cr_assert_eq(set(name, text), NRE_EINVAL, "%s: %s", name, text);
    cr_assert_str_eq(error_message(), message);
}

Test(options, defaults)
{
    static const char *const TEXT[N] = {"true",         "3",    "0.1",        "null",
                                        "elu",          "null", "[512, 512]", "[]",
                                        "[a, \"b c\"]", "1"};
    for (size_t i = 0; i < N; i++)
        text_is(i, TEXT[i]);
}

Test(options, good_values)
{
    cr_assert_eq(set("flag", "false"), 0);
    text_is(FLAG, "false");
    cr_assert_eq(set("count", "100"), 0);
    text_is(COUNT, "100");
    cr_assert_eq(set("share", "1"), 0);
    cr_assert_eq(set("share", "1e-3"), 0);
    text_is(SHARE, "0.001");
    cr_assert_eq(set("share", "0.30000000000000004"), 0);
    text_is(SHARE, "0.30000000000000004");
    cr_assert_eq(set("act", "relu"), 0);
    text_is(ACT, "relu");
    cr_assert_eq(set("file", "/data/x.csv"), 0);
    text_is(FILE_, "/data/x.csv");
    const char *const layers[] = {"1", "2e2"};
    cr_assert_eq(values_set(values, "layers", true, 2, layers), 0);
    text_is(LAYERS, "[1, 200]");
    cr_assert_eq(values_set(values, "layers", true, 0, NULL), 0);
    text_is(LAYERS, "[]");
    const char *const levels[] = {"0.68", "-1"};
    cr_assert_eq(values_set(values, "levels", true, 2, levels), 0);
    text_is(LEVELS, "[0.68, -1]");
}

Test(options, strings_are_quoted_where_yaml_would_read_something_else)
{
    static const char *const PAIRS[][2] = {
        {"plain", "plain"},   {"true", "\"true\""},    {"12", "\"12\""},
        {"", "\"\""},         {"a: b", "\"a: b\""},    {"a\"b", "\"a\\\"b\""},
        {"Null", "\"Null\""}, {"a\nb", "\"a\\x0ab\""}, {"#", "\"#\""},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        cr_assert_eq(set("word", PAIRS[i][0]), 0);
        text_is(WORD, PAIRS[i][1]);
    }
}

Test(options, wrong_values_say_what_was_expected)
{
    refused("flag", "yes", "expected true or false, found 'yes'");
    refused("flag", "1", "expected true or false, found '1'");
    refused("flag", "True", "expected true or false, found 'True'");
    refused("count", "0", "expected an integer in [1, 100], found '0'");
    refused("count", "1.5", "expected an integer in [1, 100], found '1.5'");
    refused("count", "12abc", "expected an integer in [1, 100], found '12abc'");
    refused("share", "0", "expected a number in (0, 1], found '0'");
    refused("share", "x", "expected a number in (0, 1], found 'x'");
    refused("share", "nan", "expected a number in (0, 1], found 'nan'");
    refused("share", " 0.5", "expected a number in (0, 1], found ' 0.5'");
    refused("rate", "0", "expected a number > 0, found '0'");
    refused("act", "rel", "expected one of relu, elu, found 'rel'");
    refused("act", "relu|elu", "expected one of relu, elu, found 'relu|elu'");
    refused("act", "", "expected one of relu, elu, found ''");
    refused("file", "", "expected a path, found ''");
    refused("layers", "5", "expected a list of integers >= 1, found '5'");
    text_is(COUNT, "3"); /* what fails leaves the old value */
}

Test(options, wrong_lists)
{
    const char *const items[] = {"1", "0"};
    cr_assert_eq(values_set(values, "layers", true, 2, items), NRE_EINVAL);
    cr_assert_str_eq(error_message(),
                     "expected a list of integers >= 1, found item 2 is '0'");
    cr_assert_eq(values_set(values, "count", true, 2, items), NRE_EINVAL);
    cr_assert_str_eq(error_message(), "expected an integer in [1, 100], found a list");
    cr_assert_eq(values_set(values, "count", false, 0, NULL), NRE_EINVAL);
    cr_assert_str_eq(error_message(), "expected an integer in [1, 100], found nothing");
    text_is(LAYERS, "[512, 512]");
}

Test(options, a_long_wrong_value_is_cut)
{
    char text[5001];
    for (size_t i = 0; i < 5000; i++)
        text[i] = 'x';
    text[5000] = 0;
    cr_assert_eq(set("count", text), NRE_EINVAL);
    cr_assert(message_has("xxx...'"));
}

Test(options, unknown_and_required)
{
    cr_assert_eq(set("nosie", "1"), NRE_ENOTSUP);
    cr_assert_str_eq(error_message(), "unknown option 'nosie'");
    cr_assert_eq(values_complete(values), NRE_EINVAL);
    cr_assert_str_eq(error_message(), "option 'file' is required: expected a path");
    cr_assert_eq(set("file", "x"), 0);
    cr_assert_eq(values_complete(values), 0);
}

Test(options, getters)
{
    const int64_t *layers;
    const double *levels;
    const char *const *names;
    cr_assert_eq(values_bool(values, "flag"), 1);
    cr_assert_eq(values_int(values, "count"), 3);
    cr_assert_eq(values_int(values, "act"), 1);
    cr_assert_float_eq(values_real(values, "share"), 0.1, 0);
    cr_assert_str_eq(values_string(values, "act"), "elu");
    cr_assert_null(values_string(values, "word"));
    cr_assert_eq(values_ints(values, "layers", &layers), 2);
    cr_assert_eq(layers[1], 512);
    cr_assert_eq(values_reals(values, "levels", &levels), 0);
    cr_assert_eq(values_strings(values, "names", &names), 2);
    cr_assert_str_eq(names[1], "b c");
    cr_assert_str_eq(values_misuse(values), "");
}

Test(options, getters_note_a_bug_of_the_plugin)
{
    cr_assert_float_eq(values_real(values, "count"), 0, 0);
    cr_assert_str_eq(values_misuse(values),
                     "it reads option 'count' by get_real(), which is of another type");
    cr_assert_str_eq(values_string(values, "absent"), "");
    cr_assert_str_eq(values_misuse(values),
                     "it reads option 'absent', which its table does not have");
}

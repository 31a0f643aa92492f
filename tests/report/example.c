/* Results as a run would report them. */
#include "example.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE                                                                          \
    "[*] a_b & 100% #1 $x$ {y} \\z ~^ <script>alert('q')</script> | \"m--x\" `t` "       \
    "\xce\xb2 "                                                                          \
    "\xe4\xb8\xad \xff \xc3\xa9\n\nnew, =1+1"

const char *const hostile = HOSTILE;

#define CELL(region, level, value, sd, trained, verdict)                                 \
    {                                                                                    \
        region, level, value, sd, trained, 20000, {value - 0.01, value + 0.01}, verdict, \
            NULL, 0                                                                      \
    }

static const table_cell good[] = {CELL("confidence", 0.95, 0.968, 0.002, NAN, "over"),
                                  CELL("credible", 0.68, 0.683, 0.004, NAN, "ok"),
                                  CELL("credible", 0.997, 0.9971, 0.001, NAN, "ok")};
static const table_cell bad[] = {CELL("credible", 0.68, 0.61, 0.004, 0.011, "under"),
                                 CELL("credible", 0.997, 0.98, 0.001, 0.002, "under")};
static const table_cell lost[] = {{"credible",
                                   0.68,
                                   NAN,
                                   NAN,
                                   NAN,
                                   0,
                                   {NAN, NAN},
                                   NULL,
                                   "effective size under 100",
                                   0}};

#define ROW(target_, architecture_, gain_, error_, missing_, n_, cells_)                 \
    {                                                                                    \
        .target = target_, .architecture = architecture_, .gain = gain_,                 \
        .gain_error = error_, .simulations = 230000, .missing = missing_, .n_cells = n_, \
        .cells = cells_                                                                  \
    }
static const coverage_row rows[] = {
    ROW("beta,d_infectious", "mlp", 0.93, 0.008, 0, 3, good),
    ROW("beta,d_infectious", "mlp-small", 0.71, 0.009, 12, 2, bad),
    ROW("all", "mlp", NAN, NAN, 20000, 1, lost)};
const coverage_table example_coverage = {.title = "flu-1978", .n_rows = 3, .rows = rows};

static const table_cell evil[] = {
    {HOSTILE, 0.9, 0.9, NAN, NAN, 10, {0.5, 0.99}, HOSTILE, NULL, 0},
    {HOSTILE, 0.5, NAN, NAN, NAN, 0, {NAN, NAN}, NULL, HOSTILE, 0}};
static const coverage_row evil_row = ROW(HOSTILE, HOSTILE, 0.1, NAN, 0, 2, evil);
const coverage_table hostile_coverage = {
    .title = HOSTILE, .n_rows = 1, .rows = &evil_row};

static const parameter_row parameters[] = {{"beta",
                                            "\\beta",
                                            "1/d",
                                            false,
                                            2.513,
                                            0.312,
                                            2.43,
                                            2.39,
                                            {1.93, 2.2, 2.5, 2.83, 3.14},
                                            {2.2, 2.81},
                                            {1.92, 3.13},
                                            1.002,
                                            3012,
                                            2500,
                                            0.287,
                                            0.301},
                                           {"R0",
                                            "R_0",
                                            "",
                                            true,
                                            3.041,
                                            0.31,
                                            NAN,
                                            NAN,
                                            {2.45, 2.7, 3.04, 3.35, 3.65},
                                            {2.7, 3.3},
                                            {2.45, 3.65},
                                            1.001,
                                            3100,
                                            2600,
                                            NAN,
                                            NAN}};
static const limit_row limits[] = {{"beta",
                                    "1/d",
                                    false,
                                    0.95,
                                    2,
                                    {{"own", 1.92, 2.013}, {"inverse", NAN, 1.81}},
                                    {2.705543, 3.841459},
                                    {1.95, NAN},
                                    2.39,
                                    5,
                                    0.4,
                                    true,
                                    NULL},
                                   {"beta",
                                    "1/d",
                                    true,
                                    0.9,
                                    1,
                                    {{"own", NAN, NAN}},
                                    {1.642374, 2.705543},
                                    {NAN, NAN},
                                    NAN,
                                    NAN,
                                    NAN,
                                    true,
                                    "a target of more than 3 parameters has no grid"}};
static const posterior_block blocks[] = {
    {.target = "beta,d_infectious",
     .architecture = "mlp",
     .method = "metropolis",
     .observation = "0",
     .n_parameters = 2,
     .parameters = parameters,
     .area = 1.003,
     .area_rank = 0.61,
     .predictive_rank = 0.984,
     .predictive_distance = 23.1,
     .r_hat_max = 1.002,
     .ess_min = 2500,
     .believe = "yes",
     .simulations = 230000,
     .n_limits = 2,
     .limits = limits},
    {.target = "all",
     .architecture = "mlp",
     .method = "grid",
     .observation = "joint",
     .n_parameters = 1,
     .parameters = parameters,
     .area = 0.83,
     .area_rank = 0.001,
     .predictive_rank = 0.999,
     .is_outside = true,
     .predictive_distance = 40,
     .r_hat_max = NAN,
     .ess_min = NAN,
     .believe = "the area of its ratio, 0.830, lies outside the central 99% of the test "
                "values"}};
const posterior_table example_posterior = {"flu-1978", 2, blocks};

static const parameter_row evil_parameter = {
    HOSTILE,         HOSTILE,   HOSTILE,   false, 1.2e-9, 3e-10, 1e-9, 1e-9,
    {0, 0, 0, 0, 0}, {0, 2e-9}, {0, 3e-9}, NAN,   NAN,    NAN,   NAN,  1e-10};
static const limit_row evil_limit = {
    HOSTILE, HOSTILE, false, 0.95,  1,      {{"log", 1, NAN}}, {1, 2}, {NAN, NAN},
    NAN,     NAN,     NAN,   false, HOSTILE};
static const posterior_block evil_block = {.target = HOSTILE,
                                           .architecture = HOSTILE,
                                           .method = HOSTILE,
                                           .observation = HOSTILE,
                                           .n_parameters = 1,
                                           .parameters = &evil_parameter,
                                           .area = NAN,
                                           .area_rank = NAN,
                                           .predictive_rank = NAN,
                                           .predictive_distance = NAN,
                                           .r_hat_max = NAN,
                                           .ess_min = NAN,
                                           .believe = HOSTILE,
                                           .simulations = 7,
                                           .n_limits = 1,
                                           .limits = &evil_limit,
                                           .area_reason = HOSTILE};
const posterior_table hostile_posterior = {HOSTILE, 1, &evil_block};

#define CHECK(name_, target_, verdict_, value_, error_, expected_, p_, says_, advice_)   \
    {                                                                                    \
        .name = name_, .target = target_, .architecture = "mlp", .verdict = verdict_,    \
        .statistic = "its number", .value = value_, .error = error_,                     \
        .expected = expected_, .p = p_, .n = 20000, .says = says_, .advice = advice_     \
    }
static const check_row checks[] = {
    CHECK("coverage", "beta,d_infectious", "ok", 0.683, 0.003, 0.68, 0.31,
          "Of 20000 test pairs the credible regions hold: 68% 0.683.",
          "More simulations."),
    CHECK("sbc", "beta,d_infectious", "ok", 0.21, NAN, NAN, 0.21,
          "Ranks of the truth are uniform.", NULL),
    CHECK("ensemble", "beta,d_infectious", "informs", 0.05, NAN, NAN, NAN,
          "The networks differ by 0.05 nats.", NULL),
    {.name = "auc",
     .target = "beta,d_infectious",
     .architecture = "mlp",
     .verdict = "open",
     .value = NAN,
     .error = NAN,
     .expected = NAN,
     .p = NAN,
     .reason = "the weights have an effective size of 12"},
    CHECK("coverage", "all", "fails", 0.41, 0.003, 0.68, 0,
          "Of 20000 test pairs the credible regions hold: 68% 0.410 (too few).",
          "It claims more than it knows."),
    CHECK("sbc", "all", "fails", 2e-9, NAN, NAN, 2e-9,
          "Ranks of the truth crowd at the ends.", "Its posteriors are too narrow."),
    CHECK("confidence", "all", "fails", 0.3, 0.003, 0.68, 0, "They hold too few.",
          "Use credible regions."),
    CHECK("gain", "all", "ok", 0.93, 0.008, NAN, NAN, "The gain is 0.93 nats.", NULL),
    CHECK("predictive", NULL, "ok", 23.1, NAN, NAN, 0.016,
          "The observation lies at the edge of the simulator.",
          "Look for what it lacks.")};
const checks_table example_checks = {
    .title = "flu-1978", .n_rows = sizeof checks / sizeof checks[0], .rows = checks};
static const check_row evil_check = {.name = HOSTILE,
                                     .target = HOSTILE,
                                     .architecture = HOSTILE,
                                     .verdict = "fails",
                                     .statistic = HOSTILE,
                                     .value = -1.2e-9,
                                     .error = 3e-10,
                                     .expected = NAN,
                                     .p = NAN,
                                     .says = HOSTILE,
                                     .advice = HOSTILE,
                                     .missed = HOSTILE};
const checks_table hostile_checks = {.title = HOSTILE, .n_rows = 1, .rows = &evil_check};

#define KNOWN(value_, error_, n_)                                                        \
    {                                                                                    \
        value_, error_, NAN, NAN, NAN, {NAN, NAN}, n_, NULL                              \
    }
#define LOST(why_)                                                                       \
    {                                                                                    \
        NAN, NAN, NAN, NAN, NAN, {NAN, NAN}, 0, why_                                     \
    }
static const quality_row qualities[] = {
    {.target = "beta,d_infectious",
     .architecture = "mlp",
     .simulations = 230000,
     .number = {KNOWN(0.93, 0.008, 20000),
                KNOWN(-2.31, 0.011, 20000),
                KNOWN(0.941, 0.009, 20000),
                {0.951, 0.0015, NAN, 0.002, NAN, {0.947, 0.955}, 20000, NULL},
                {1.003, 0.001, 0.021, NAN, NAN, {NAN, NAN}, 500, NULL},
                LOST("diagnose.auc was not asked for"),
                LOST("there is no likelihood"),
                LOST("there is no likelihood"),
                KNOWN(0.21, NAN, 20000),
                KNOWN(3e-7, NAN, 20000)}},
    {.target = "all",
     .architecture = "mlp",
     .simulations = 230000,
     .number = {LOST("no pair was resolved"), LOST(NULL), LOST(NULL), LOST(NULL),
                LOST(NULL), LOST(NULL), LOST(NULL), LOST(NULL), LOST(NULL), LOST(NULL)}}};
const quality_table example_quality = {
    .title = "flu-1978", .n_rows = 2, .rows = qualities};
static const quality_row evil_quality = {
    .target = HOSTILE,
    .architecture = HOSTILE,
    .simulations = 7,
    .number = {KNOWN(-3e-9, 1e-10, 3), LOST(HOSTILE), LOST(NULL), LOST(NULL), LOST(NULL),
               LOST(NULL), LOST(NULL), LOST(NULL), LOST(NULL), LOST(NULL)}};
const quality_table hostile_quality = {
    .title = HOSTILE, .n_rows = 1, .rows = &evil_quality};

char *text_of(const scratch *s, const char *name)
{
    scratch at = *s;
    char *text = NULL;
    size_t n;

    cr_assert_eq(file_read(scratch_path(&at, name), 1 << 24, &text, &n), 0, "%s",
                 error_message());
    return text;
}

size_t count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        n++;
    return n;
}

/* One field from TEXT on, unquoted into OUT; its delimiter. */
static const char *field_end(const char *text, char *out, size_t size)
{
    bool quoted = *text == '"';
    size_t n = 0;

    for (text += quoted; *text && (quoted || (*text != ',' && *text != '\n')); text++) {
        if (quoted && *text == '"' && *++text != '"')
            break;
        if (n + 1 < size)
            out[n++] = *text;
    }
    out[n] = '\0';
    cr_assert(*text == ',' || *text == '\n');
    return text;
}

size_t csv_field(const char *text, size_t record, size_t field, char *out, size_t size)
{
    char *each = malloc(size);
    size_t at = 0, n = 0;

    for (; *text; text++) {
        text = field_end(text, each, size);
        if (at == record && n++ == field)
            memcpy(out, each, size);
        if (*text == '\n' && at++ == record)
            break;
    }
    free(each);
    return n;
}
